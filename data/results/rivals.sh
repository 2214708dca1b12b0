python - <<'PY'
import time
import pandas as pd
from gac import data
from gac.baselines.dt import fit, named_targets
from gac.core import data_root, set_threads, versions
from gac.envs import rollout
from gac.rows import as_rows, save_rows
set_threads(1)
results = data_root()/'results'
for name in ('gac/hopper/medium-replay-mini-v0','gac/walker2d/medium-replay-mini-v0'):
    tau, env = data.load(name), data.env_of(name)
    begun = time.process_time(), time.perf_counter()
    policy = fit(tau, seed=0)
    took = time.process_time()-begun[0], time.perf_counter()-begun[1]
    rows = as_rows(rollout(env, policy, 50, 0), env, 0, dataset=name, method='DT', question='best', acting='mean',
        target=float(tau.y.max()), train_seed=0)
    save_rows(rows, results/'rivals.csv')
    run = dict(dataset=name, method='DT', rewards='return', train_seed=0, steps=500, cpu_seconds=took[0], wall_seconds=took[1],
        device='cpu', threads=1, versions=versions())
    save_rows(pd.DataFrame([run]).round(1), results/'rivals-runs.csv', then='steps')
PY
gac bench data/bench/shipped.csv --workers 2 --out runs/bench --table rivals
gac bench data/bench/online.csv --workers 2 --out runs/bench --table rivals
