# Cloning five fractions of the whole files, 50 episodes on environment seeds for choosing, then the fraction that was best on the two replay
# files where trainings differ most, 100 episodes of the table. FILES: where the whole files lie; SEEDS, ONLY: numbers and names, to make some
# of the rows. Committed for choosing: seeds 0 and 1 of the replay files and of hopper-medium, 0 of the two other medium files; on the
# table's: seeds 0 to 4. clone-10% on the table's seeds stands in cloning.csv.
python - <<'PY'
import os
from pathlib import Path
from gac.cloning import measure
from gac.core import data_root, set_threads
from gac.data import env_of, load
from gac.rows import save_rows
set_threads(1)
to, files = data_root()/'results'/'cloning-whole.csv', Path(os.environ.get('FILES','.'))
names = [f'{robot}-{kind}' for kind in ('medium-replay','medium') for robot in ('hopper','walker2d','halfcheetah')]
best = {'hopper-medium-replay':5, 'walker2d-medium-replay':20} # in the mean of seeds 0 and 1
for s in map(int, os.environ.get('SEEDS','0 1 2 3 4').split()):
    for name in os.environ.get('ONLY',' '.join(names)).split():
        one = {name:(load(files/f'{name}.hdf5'), env_of(files/f'{name}.hdf5'))}
        looks = [((2,5,10,20,30),50,0)]*(s<2)+[((best[name],),100,10_000)]*(name in best)
        for percents,n,first in looks:
            rows = measure(one, [s], n, first, {f'clone-{p}%':p/100 for p in percents})
            save_rows(rows, to, same=('dataset','method','train_seed','env_seed'), then='env_seed')
PY
