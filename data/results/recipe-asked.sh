# How far the answers of the recipe's models should go: `best` by λ, and a return below the best one asked for; 60 episodes each on
# environment seeds for choosing, from the runs of recipe.sh.
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.query import Ask, evaluate
from gac.rows import save_rows
from gac.run import load_run
set_threads(1)
to, of = data_root()/'results'/'recipe-asked.csv', ('dataset','method','train_seed')
ways = {f'λ = {x:g}':('best',dict(lam=x)) for x in (1,1.5,2)}|{'y* = 85 % of the best':('target',None)}
made = pd.read_csv(to) if to.exists() else pd.DataFrame(columns=of)
made = {*made[[*of]].itertuples(index=False, name=None)}
for seed in (5,6):
    for robot in ('walker2d','hopper'):
        out = Path(f'runs/recipe-{robot}-{seed}')
        if not (out/'checkpoint').is_dir(): continue # recipe.sh makes it
        run = load_run(out)
        for method,(question,given) in ways.items():
            if (run.meta['dataset'],method,seed) in made: continue
            cfg = Ask(**(given or dict(target=.85*float(run.y.max()))))
            rows = evaluate(run, run.meta['env'], question, 60, 5000, 'average', cfg)
            save_rows(rows.assign(method=method), to, of)
PY
