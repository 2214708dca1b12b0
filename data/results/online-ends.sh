# starts and last checkpoints of online.sh, from environment seeds 10000 and 20000 on
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root
from gac.query import evaluate
from gac.run import load_run
WHERE = {'start':'.', 'control':'online-control/stage-3', 'adaptive':'online-adaptive/stage-3',
    'adaptive, elite fixed':'online-elite/stage-3'}
rows = []
for s in range(5):
    for method,place in WHERE.items():
        if not (Path('runs')/f'h-{s}'/place).exists(): continue
        run, stage = load_run(f'runs/h-{s}/{place}'), 0 if method=='start' else 3
        rows += [evaluate(run, 'Hopper-v5', 'best', 100, seed, stage=stage).assign(method=method, train_seed=s)
            for seed in (10_000,20_000)]
pd.concat(rows).round(3).to_csv(data_root()/'results'/'online-ends.csv', index=False)
PY
