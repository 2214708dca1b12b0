# `gac train FILE` by its defaults, two trainings side by side, seed by seed, and 100 episodes of the table each; FILES names the
# folder of whole files. ONLY: names, SEEDS: numbers, to make some of the rows. ONE_SD=1: as before, one sd of actions for all states.
# `best` acts by `mixed`, and once more by `answers`, which was the default before.
# walker2d-mixture: 390 episodes of the replay file and 110 of the medium file, drawn once; no setting was measured on it before.
# Committed: seeds 0 to 4 of the replay files; of the medium files 0 to 3 of Hopper's and Walker2d's,
# 0 to 2 of HalfCheetah's; 0 of the mixture.
# Rows of before, one training each, with one sd, state_sd=False: 'GAC, recipe' by `new_run`, `fit` and `evaluate` with iterations=250 in `recipe`; 'GAC, recipe, 1200
# batches' with iterations=1200; 'GAC, recipe, open end' with minutes=25, where the end was the bound's to say; 'GAC, recipe, weighted bound'
# by a rule for that end that was tried and not kept: each one held out counted by the weight that `good` draws it with.
python - <<'PY'
import os
import resource
import time
from pathlib import Path
import numpy as np
import pandas as pd
from gac.core import cat, data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.members import fit_members, load_members, new_members
from gac.rows import save_rows
from gac.run import recipe
from gac.team import evaluate_runs
set_threads(1)
to, same = data_root()/'results', ('dataset','method','question','acting','train_seed','env_seed')
files = Path(os.environ.get('FILES','.'))
names = 'hopper-medium-replay', 'walker2d-medium-replay', 'walker2d-mixture', 'halfcheetah-medium-replay'
names += 'hopper-medium', 'walker2d-medium', 'halfcheetah-medium'
names = os.environ.get('ONLY',' '.join(names)).split()
tag, kw = ('-one-sd', dict(state_sd=False)) if os.environ.get('ONE_SD') else ('', {})

def spent(): # CPU seconds of all members
    beside = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time()+beside.ru_utime+beside.ru_stime
def read(name): # -> trajectories, environment
    if name!='walker2d-mixture': return load(files/f'{name}.hdf5'), env_of(files/f'{name}.hdf5')
    rng = np.random.default_rng(0)
    replay, medium = (load(files/f'walker2d-medium{m}.hdf5') for m in ('-replay',''))
    both = (replay[rng.permutation(len(replay))[:390]], medium[rng.permutation(len(medium))[:110]])
    return cat(both), 'Walker2d-v5'

for s in map(int, os.environ.get('SEEDS','0 1 2 3 4').split()):
    for name in names:
        out = Path(f'runs/team-{name}-{s}' if tag else f'runs/whole-{name}-{s}')
        if (out/'rows.csv').exists(): continue
        tau, env = read(name)
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s, **kw)
        run = load_members(out) if (out/'checkpoint').is_dir() else new_members(tau, arch, cfg, dataset=name, env=env)
        whole, start = run.i==0, spent()
        fit_members(run, tau, out, every=100, progress=False)
        took = spent()-start
        ways = ('answers',) if tag else ('mixed','answers')
        rows = pd.concat([evaluate_runs([run], run.meta['env'], acting=a) for a in ways])
        save_rows(rows, to/f'recipe-whole{tag}.csv', same=same, then='env_seed')
        one = dict(dataset=name, method=rows.method.iloc[0], train_seed=s, batches=run.i)
        one |= dict(cpu_seconds=round(took,1) if whole else None, device='cpu', threads=1, versions=versions())
        one |= dict(fingerprint=fingerprint(tau))
        save_rows(pd.DataFrame([one]), to/f'recipe-whole{tag}-runs.csv', same=('dataset','method','train_seed'), then='batches')
        rows.to_csv(out/'rows.csv')
PY
