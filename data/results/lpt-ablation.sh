python - <<'PY'
import time
import pandas as pd
from gac import data
from gac.baselines.lpt import VARIANTS, Cfg, fit, variant
from gac.core import data_root, set_threads, versions
from gac.envs import rollout
from gac.rows import as_rows, save_rows
set_threads(1)
at, name, steps = data_root()/'results'/'lpt-ablation.csv', 'gac/hopper/medium-replay-mini-v0', 250
tau, env = data.load(name), data.env_of(name)
done = set()
if at.exists(): done = set(map(tuple, pd.read_csv(at)[['method','train_seed']].drop_duplicates().values.tolist()))
for seed in (0,1,2):
    for method in VARIANTS:
        if (method,seed) in done: continue
        begun = time.process_time()
        policy = fit(tau, None, variant(method, Cfg(steps=steps, ask_steps=20)), seed)
        took = time.process_time()-begun
        rows = as_rows(rollout(env, policy, 30, 0), env, 0, dataset=name, method=method, question='target', acting=policy.acting,
            target=policy.target, predicted=policy.predicted.numpy().round(1), train_seed=seed)
        save_rows(rows, at)
        run = dict(dataset=name, method=method, rewards='return', train_seed=seed, steps=steps, cpu_seconds=took, device='cpu',
            threads=1, versions=versions())
        save_rows(pd.DataFrame([run]).round(1), at.with_name('lpt-ablation-runs.csv'), then='steps')
        print(method, seed, round(rows.normalised.mean(),1), round(took), flush=True)
PY
