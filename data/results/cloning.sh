# FILES: where the whole files lie, which are not shipped. ONLY: names of sets, SEEDS, METHODS: to make some of the rows; committed are seeds
# 0 to 2, and of clone-10% on the three whole replay files 0 to 9.
python - <<'PY'
import os
from pathlib import Path
from gac.cloning import FRACTIONS, measure
from gac.core import data_root
from gac.data import env_of, load
from gac.rows import save_rows
whole = [f'{robot}-{kind}' for robot in ('hopper','walker2d','halfcheetah') for kind in ('medium-replay','medium')]
names = ['gac/hopper/medium-replay-mini-v0', 'gac/walker2d/medium-replay-mini-v0']
names += [f"{os.environ.get('FILES','.')}/{n}.hdf5" for n in whole]
names = [n for n in names if 'ONLY' not in os.environ or {n,Path(n).stem}&{*os.environ['ONLY'].split()}]
sets = {Path(n).stem if n.endswith('.hdf5') else n:(load(n),env_of(n)) for n in names}
methods = os.environ.get('METHODS','clone-10% clone-all').split()
seeds = [int(s) for s in os.environ.get('SEEDS','0 1 2').split()]
save_rows(measure(sets, seeds, fractions={m:FRACTIONS[m] for m in methods}), data_root()/'results'/'cloning.csv')
PY
