python - <<'PY'
import time
import pandas as pd
from gac import data
from gac.baselines import td
from gac.baselines.systems import settings, step_rewards
from gac.core import data_root, set_threads, versions
from gac.envs import rollout
from gac.rows import as_rows, save_rows
set_threads(1)
at, name, marks = data_root()/'results'/'plateaus.csv', 'gac/hopper/medium-replay-mini-v0', (5000,10000,20000,40000)
tau, env, same = data.load(name), data.env_of(name), ['dataset','method','train_seed','stage']
step = step_rewards(tau, data.rewards(name), name)
done = {*pd.read_csv(at).query(f'stage=={marks[-1]}').method} if at.exists() else set()
def one(system, rewards, seed=0): # all its marks, in one run
    method, begun, used = system+('-step' if rewards=='step' else ''), time.process_time(), [0.]
    if method in done: return
    def watch(k, policy):
        if k not in marks: return
        took = time.process_time()-begun-used[0]
        asked = time.process_time()
        rows = as_rows(rollout(env, policy, 30, 0), env, 0, dataset=name, method=method, acting='mean', stage=k, train_seed=seed)
        save_rows(rows, at, same)
        run = dict(dataset=name, method=method, rewards=rewards, train_seed=seed, steps=k, cpu_seconds=took, device='cpu',
            threads=1, versions=versions())
        save_rows(pd.DataFrame([run]).round(1), at.with_name('plateaus-runs.csv'), ['dataset','method','train_seed','steps'], 'rewards')
        used[0] += time.process_time()-asked
        print(method, k, round(rows.normalised.mean(),1), round(took), flush=True)
    td.fit(tau, step if rewards=='step' else None, settings(system, rewards, steps=marks[-1]), seed, watch)
for system,rewards in (('TD3+BC','step'),('IQL','step'),('TD3+BC','return'),('IQL','return')): one(system, rewards)
PY
