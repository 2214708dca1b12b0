# How far the answers of the recipe's models should go, from the runs of recipe-400.sh. `best` by λ, and a target of 85 % of the best
# return, 60 episodes each on environment seeds for choosing; then that target on the table's, 100 episodes.
# `average`: the mean action of eight samples of one answer; `answers`: of one sample of each of eight.
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.query import Ask, evaluate
from gac.rows import save_rows
from gac.run import load_run
set_threads(1)
to, of = data_root()/'results'/'recipe-asked.csv', ('dataset','method','train_seed','env_seed')
ways = {f'λ = {x:g}':('best',dict(lam=x)) for x in (1,1.5,2)}|{'y* = 85 % of the best':('target',None)}
jobs = [(s,r,m,5000,60) for s in (5,6) for r in ('walker2d','hopper') for m in ways]
less = [*ways][-1]
ways['eight answers'] = 'best', {}
jobs += [(s,r,less,10_000,100) for s in (0,*range(5,10)) for r in ('walker2d','hopper')]
jobs += [(0,r,m,5000,60) for r in ('walker2d','hopper') for m in ('λ = 1',less)]
jobs += [(s,r,m,5000,60) for m in ('eight answers','λ = 1') for s in (0,5,6,7) for r in ('walker2d','hopper') if r!='walker2d' or s<7]
made = pd.read_csv(to) if to.exists() else pd.DataFrame(columns=of)
made = {*made[[*of]].itertuples(index=False, name=None)}
for seed,robot,method,env_seed,n in jobs:
    out = Path(f'runs/recipe-400-{robot}-{seed}')
    question, given = ways[method]
    if not (out/'checkpoint').is_dir(): continue # recipe-400.sh makes it
    run = load_run(out)
    if run.i<400 or (run.meta['dataset'],method,seed,env_seed) in made: continue
    cfg = Ask(**(dict(target=.85*float(run.y.max())) if given is None else given))
    acting = 'answers' if method=='eight answers' else 'average'
    rows = evaluate(run, run.meta['env'], question, n, env_seed, acting, cfg)
    save_rows(rows.assign(method=method), to, of, then='question')
PY
