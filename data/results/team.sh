# Pairs of the ten trainings that recipe.sh makes, each acting together, 100 episodes of the table; what is there is not made again.
# BATCHES: of trainings of another length, which `BATCHES=… recipe.sh` makes.
python - <<'PY'
import os
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.rows import save_rows
from gac.run import load_run
from gac.team import evaluate_runs
set_threads(1)
tag = f"-{os.environ['BATCHES']}" if os.environ.get('BATCHES') else ''
to, same = data_root()/'results'/f'team{tag}.csv', ('dataset','method','question','acting','train_seed','env_seed')
done = pd.read_csv(to) if to.exists() else pd.DataFrame(columns=same)
def trained(d, s): # the recipe's training of seed s; of seed 0 a slim copy is shipped
    out = Path(f'runs/recipe{tag}-{d}-{s}')
    return load_run(out if s or tag or (out/'checkpoint').is_dir() else data_root()/'checkpoints'/d)
for first in range(0, 10, 2):
    for d in ('hopper','walker2d'):
        if ((done.dataset==f'gac/{d}/medium-replay-mini-v0')&(done.train_seed==first)).any(): continue
        runs = [trained(d, s) for s in (first, first+1)]
        rows = evaluate_runs(runs, runs[0].meta['env'])
        save_rows(rows, to, same=same, then='env_seed')
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
