# Ten trainings of `gac train` on each shipped set, each of two members side by side, 100 episodes of the table each; what is there
# is not made again. `best` acts by `mixed`, and once more by `answers`, the default before.
# A member of recipe.sh is the first of its seed; its mate's folder lies inside.
# Rows of 'GAC, two neighbours' in team-neighbours.csv are of pairs of recipe.sh's ten, seeds 0 and 1, 2 and 3, …, after 250 batches;
# BATCHES=400: of the same after 400 (team-400.csv), which `BATCHES=400 recipe.sh` trains.
python - <<'PY'
import os, resource, time
from itertools import product
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads, versions
from gac.data import env_of, load
from gac.members import fit_members, load_members, new_members
from gac.rows import save_rows
from gac.run import load_run, recipe
from gac.team import evaluate_runs
set_threads(1)
tag = f"-{os.environ['BATCHES']}" if os.environ.get('BATCHES') else ''
to, same = data_root()/'results', ('dataset','method','question','acting','train_seed','env_seed')
def spent(): # CPU seconds of all members
    beside = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time()+beside.ru_utime+beside.ru_stime
def made(name, d, first, how='answers'):
    had = pd.read_csv(to/name) if (to/name).exists() else pd.DataFrame(columns=same)
    had = had[had.method.str.startswith('GAC')&(had.acting==how)]
    return ((had.dataset==f'gac/{d}/medium-replay-mini-v0')&(had.train_seed==first)).any()
for s in range(0 if tag else 10):
    for d in ('hopper','walker2d'):
        name, out = f'gac/{d}/medium-replay-mini-v0', Path(f'runs/team-{d}-{s}')
        ways = [a for a in ('mixed','answers') if not made('team.csv', d, s, a)]
        if not ways: continue
        tau = load(name)
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s)
        if (out/'checkpoint').is_dir(): run = load_members(out)
        else: run = new_members(tau, arch, cfg, dataset=name, env=env_of(name))
        whole, start = run.i==0, spent()
        fit_members(run, tau, out, every=100, progress=False)
        rows = pd.concat([evaluate_runs([run], run.meta['env'], acting=a) for a in ways])
        one = dict(dataset=name, method=rows.method.iloc[0], train_seed=s, batches=run.i)
        one |= dict(cpu_seconds=round(spent()-start,1), device='cpu', threads=1, versions=versions())
        if whole: save_rows(pd.DataFrame([one]), to/'team-runs.csv', same=('dataset','method','train_seed'), then='batches')
        save_rows(rows, to/'team.csv', same=same, then='env_seed')
rows = f'team{tag or "-neighbours"}.csv'
ways = ('answers',) if tag else ('mixed','answers')
for first,how in product(range(0, 10, 2), ways): # runs of recipe.sh; of seed 0 a slim copy is shipped
    for d in ('hopper','walker2d'):
        if made(rows, d, first, how): continue
        places = [Path(f'runs/recipe{tag}-{d}-{s}') for s in (first,first+1)]
        if not first and not tag and not (places[0]/'checkpoint').is_dir(): places[0] = data_root()/'checkpoints'/d
        if not all((p/'checkpoint').is_dir() for p in places): continue
        runs = [load_run(p) for p in places]
        made_rows = evaluate_runs(runs, runs[0].meta['env'], acting=how)
        if not tag: made_rows = made_rows.assign(method='GAC, two neighbours')
        save_rows(made_rows, to/rows, same=same, then='env_seed')
name, out = 'gac/hopper/medium-replay-mini-v0', Path('runs/four-hopper-0')
if not tag and not (out/'checkpoint').is_dir(): # as `gac demo --members 4` has it
    tau = load(name)
    cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=0)
    run = new_members(tau, arch, cfg, 4, dataset=name, env=env_of(name))
    fit_members(run, tau, out, progress=False)
    for how in ways: save_rows(evaluate_runs([run], run.meta['env'], acting=how), to/'team.csv', same=same, then='env_seed')
fours = [Path(f'runs/team-{d}-{s}') for d in ('hopper','walker2d') for s in (0,2) if not tag]
for p in fours: # the members of two trainings, one after the other, act together
    after = p.with_name(f'{p.name[:-1]}{int(p.name[-1])+1}')
    if not (p/'checkpoint').is_dir() or not (after/'checkpoint').is_dir(): continue
    runs = [load_members(q) for q in (p,after)]
    for how in ways: save_rows(evaluate_runs(runs, runs[0].meta['env'], acting=how), to/rows, same=same, then='env_seed')
for d in ('hopper','walker2d') if not tag else (): # the second members, each alone
    for p in sorted(Path('runs').glob(f'team-{d}-[0-9]/member-2')):
        mate = load_run(p)
        if made(rows, d, mate.cfg.seed, 'mixed'): continue
        r = evaluate_runs([mate], mate.meta['env']).assign(method='GAC, mate')
        save_rows(r, to/rows, same=same, then='env_seed')
PY
if [ -n "${BATCHES:-}" ]; then exit; fi
# The same with Decision Transformers, whose policies `gac bench data/bench/shipped.csv --out runs/bench` leaves there.
python - <<'PY'
from pathlib import Path
import pandas as pd
import torch
from gac import data
from gac.baselines.systems import SYSTEMS, aimed
from gac.core import data_root, set_threads
from gac.envs import rollout
from gac.rows import as_rows, read_rows, save_rows
set_threads(1)
to, same = data_root()/'results'/'team.csv', ('dataset','method','question','acting','train_seed','env_seed')
class Mean: # all of them remember the mean action
    def __init__(self, policies): self.policies = policies
    def reset(self, s0):
        for p in self.policies: p.reset(s0)
    def __call__(self, s, rows):
        a = torch.stack([p(s, rows) for p in self.policies]).mean(0)
        for p in self.policies: p.a[rows,-1] = a
        return a
for d in ('hopper','walker2d'):
    name = f'gac/{d}/medium-replay-mini-v0'
    tau, env = data.load(name), data.env_of(name)
    job = f'gac-{d}-medium-replay-mini-v0-DT-return-'
    at = [next(Path('runs/bench').glob(f'{job}{s}-*/policy.safetensors')) for s in (5,6)]
    both = Mean([aimed(SYSTEMS['DT'].load(p), tau)[0] for p in at])
    rows = as_rows(rollout(env, both, 100, 10_000), env, 10_000, dataset=name, method='DT, team of 2', question='best',
        acting='mean', target=float(tau.y.max()), train_seed=5)
    save_rows(rows, to, same=same, then='env_seed')
PY
