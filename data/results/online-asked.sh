# the last checkpoints of online.sh, asked with another λ or acting
python - <<'PY'
import pandas as pd
from gac.core import data_root
from gac.query import Ask, evaluate
from gac.run import load_run
rows = []
for s in range(3):
    for strategy in ('adaptive','control'):
        run = load_run(f'runs/h-{s}/online-{strategy}/stage-3')
        for lam,acting in ((1,'mu'), (3,'sample')):
            new = evaluate(run, 'Hopper-v5', 'best', 50, acting=acting, cfg=Ask(lam=float(lam)), stage=3)
            rows.append(new.assign(method=f'{strategy}, λ={lam}, {acting}', train_seed=s))
pd.concat(rows).round(3).to_csv(data_root()/'results'/'online-asked.csv', index=False)
PY
