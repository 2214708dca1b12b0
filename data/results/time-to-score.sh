# CPU seconds to a score, side by side on one thread: DT after its 500 steps, the recipe after 50, 100 and 150 batches, shipped
# Hopper, two training seeds; 100 episodes each on environment seeds for choosing, in which none of the tables plays.
python - <<'PY'
import time
import pandas as pd
from gac.baselines import dt
from gac.core import data_root, set_threads, versions
from gac.data import env_of, load
from gac.envs import rollout
from gac.query import evaluate
from gac.rows import as_rows, save_rows
from gac.run import new_run, recipe
from gac.train import fit
set_threads(1)
name, to = 'gac/hopper/medium-replay-mini-v0', data_root()/'results'
tau, env = load(name), env_of(name)
def keep(rows, seed, method, took, steps):
    rows = rows.assign(method=method, train_seed=seed, cpu_seconds=round(took,1), steps=steps)
    save_rows(rows, to/'time-to-score.csv', same=('method','train_seed','env_seed'), then='env_seed')
for s in (0,1):
    for n in (50,100,150):
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], iterations=n, seed=s)
        run, begun = new_run(tau, arch, cfg, dataset=name, env=env), time.process_time()
        fit(run, tau, progress=False)
        took = time.process_time()-begun
        keep(evaluate(run, env, 'best', seed=5000, acting='average'), s, f'GAC, {n} batches', took, n)
    begun = time.process_time()
    policy = dt.fit(tau, seed=s)
    took, n = time.process_time()-begun, 500
    rows = as_rows(rollout(env, policy, 100, 5000), env, 5000, dataset=name, method='DT', question='best', acting='mean',
        target=policy.target)
    keep(rows, s, 'DT', took, n)
PY
