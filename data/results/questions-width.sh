# the runs of questions.sh, which lie in runs/, and the shipped checkpoints
python - <<'PY'
import pandas as pd
from gac.core import data_root
from gac.plans import sweep
from gac.rows import save_rows
from gac.run import load_run
RUNS = ['runs/hopper-medium-replay-GAC-0', data_root()/'checkpoints'/'hopper-medium-replay', 'runs/hopper-medium-replay-GAC-2',
    *(f'runs/walker2d-medium-replay-GAC,-length,-16-inner-steps-{s}' for s in range(3)),
    *(data_root()/'checkpoints'/n for n in ('demo','hopper-medium','halfcheetah-medium-replay'))]
WIDTHS = dict(best=(0,.5,.25,.1), target=(0,.5,.25), improve=(0,.5,.25))
asked = [(q,dict(width=w) if w else {}) for q,widths in WIDTHS.items() for w in widths]
looks = [(q,how) for q,how in asked if q!='improve' and how.get('width',.25)==.25]
for run in map(load_run, RUNS):
    looked = ((asked,4000), (looks,10_000), (looks,20_000))
    rows = pd.concat(sweep(run, run.meta['env'], put, 100, seed) for put,seed in looked)
    label = rows.setting.str.replace('default','learned').str.replace('=',' ')
    rows = rows.assign(method=label).drop(columns='setting').round(3)
    save_rows(rows, data_root()/'results'/'questions-width.csv', ('dataset','question','method','train_seed'))
PY
