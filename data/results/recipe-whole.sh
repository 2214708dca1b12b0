# `gac train FILE` by its defaults, seed by seed, and 100 episodes of the table each; FILES names the folder of whole files.
# ONLY: names, to make some of the rows.
# walker2d-mixture: 390 episodes of the replay file and 110 of the medium file, drawn once; no setting was chosen on it.
# Rows of 'GAC, recipe, weighted bound' are of an open end too, by a rule that was tried and not kept: each one held out counted by
# the weight that `good` draws it with.
# Rows of 'GAC, recipe, open end' are of the same with minutes=25 in `recipe`: the end was the bound's to say; those of
# 'GAC, recipe, 1200 batches' with iterations=1200.
python - <<'PY'
import os
import time
from pathlib import Path
import numpy as np
import pandas as pd
from gac.core import cat, data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
to, same = data_root()/'results', ('dataset','method','question','acting','train_seed','env_seed')
files = Path(os.environ.get('FILES','.'))
names = 'hopper-medium-replay', 'walker2d-medium-replay', 'walker2d-mixture', 'halfcheetah-medium-replay'
names += 'hopper-medium', 'walker2d-medium', 'halfcheetah-medium'
names = os.environ.get('ONLY',' '.join(names)).split()

def read(name): # -> trajectories, environment
    if name!='walker2d-mixture': return load(files/f'{name}.hdf5'), env_of(files/f'{name}.hdf5')
    rng = np.random.default_rng(0)
    replay, medium = (load(files/f'walker2d-medium{m}.hdf5') for m in ('-replay',''))
    both = (replay[rng.permutation(len(replay))[:390]], medium[rng.permutation(len(medium))[:110]])
    return cat(both), 'Walker2d-v5'

for s in range(5):
    for name in names:
        out = Path(f'runs/recipe-{name}-{s}')
        if (out/'rows.csv').exists(): continue
        tau, env = read(name)
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], seed=s)
        run = load_run(out) if (out/'checkpoint').is_dir() else new_run(tau, arch, cfg, dataset=name, env=env)
        whole, start = run.i==0, time.process_time()
        fit(run, tau, out, every=100, progress=False)
        took = time.process_time()-start
        asked = ('best','answers'), ('target','average'), ('prior','sample')
        rows = pd.concat([evaluate(run, run.meta['env'], q, acting=a) for q,a in asked]).assign(method='GAC, recipe')
        save_rows(rows, to/'recipe-whole.csv', same=same, then='env_seed')
        one = dict(dataset=name, method='GAC, recipe', train_seed=s, batches=run.i)
        one |= dict(cpu_seconds=round(took,1) if whole else None, device='cpu', threads=1, versions=versions())
        one |= dict(fingerprint=fingerprint(tau))
        save_rows(pd.DataFrame([one]), to/'recipe-whole-runs.csv', same=('dataset','method','train_seed'), then='batches')
        rows.to_csv(out/'rows.csv')
PY
