python - <<'PY'
import pandas as pd
from gac.core import data_root
from gac.plans import replanned, stored
from gac.run import load_run
names = 'demo', 'walker2d-medium-replay', 'hopper-medium-replay'
runs = [load_run(data_root()/'checkpoints'/c) for c in names]
rows = [x for r in runs for x in (replanned(r, r.meta['env']),
    stored(r, r.meta['env'], 200, seed=4000).assign(method='stored'))]
pd.concat(rows).round(3).to_csv(data_root()/'results'/'replan.csv', index=False)
PY
