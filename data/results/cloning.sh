# FILES: where the whole files lie, which are not shipped; ONLY: names of sets, to make some of the rows.
python - <<'PY'
import os
from pathlib import Path
from gac.cloning import measure
from gac.core import data_root
from gac.data import env_of, load
from gac.rows import save_rows
whole = [f'{robot}-{kind}' for robot in ('hopper','walker2d','halfcheetah') for kind in ('medium-replay','medium')]
names = ['gac/hopper/medium-replay-mini-v0', 'gac/walker2d/medium-replay-mini-v0']
names += [f"{os.environ.get('FILES','.')}/{n}.hdf5" for n in whole]
names = [n for n in names if Path(n).stem in os.environ.get('ONLY','').split() or 'ONLY' not in os.environ]
sets = {Path(n).stem if n.endswith('.hdf5') else n:(load(n),env_of(n)) for n in names}
save_rows(measure(sets), data_root()/'results'/'cloning.csv')
PY
