# nine times, in two sittings
python - <<'PY'
import pandas as pd
from gac.compare import timing
from gac.core import data_root, set_threads
from gac.run import load_run
set_threads(1)
run = load_run(data_root()/'checkpoints'/'demo')
rows = [timing(run, 'Hopper-v5') for _ in range(9)]
pd.DataFrame(rows).round(3).to_csv(data_root()/'results'/'timing.csv', index=False)
PY
