for s in 1 2; do gac train gac/hopper/medium-replay-mini-v0 --out runs/cal-$s --iterations 1500 --set recipe=none --seed $s; done
python - <<'PY'
import pandas as pd
from gac.core import data_root
from gac.plans import SETTINGS, sweep
from gac.run import load_run
runs = map(load_run, (data_root()/'checkpoints'/'demo', 'runs/cal-1', 'runs/cal-2'))
rows = pd.concat(sweep(r, 'Hopper-v5', SETTINGS, n=40) for r in runs)
rows.to_csv(data_root()/'results'/'calibration.csv', index=False)
PY
