FILES=${FILES:-.} # where the whole files lie, which are not shipped
# the runs of questions.sh, from environment seed 20000 on; and the clones trained again
python - <<'PY'
import os
import pandas as pd
from gac.cloning import clone
from gac.core import data_root
from gac.data import env_of, load
from gac.envs import rollout
from gac.query import evaluate
from gac.rows import as_rows
from gac.run import load_run
NAME, LABEL, SEED = 'walker2d-medium-replay', 'GAC, length, 16 inner steps', 20_000
file = f"{os.environ.get('FILES','.')}/{NAME}.hdf5"
tau, env, rows = load(file), env_of(file), []
for s in range(3):
    run = load_run(f'runs/{NAME}-{LABEL.replace(" ","-")}-{s}')
    for acting in ('mu','sample'): rows.append(evaluate(run, env, 'best', 100, SEED, acting).assign(dataset=NAME, method=LABEL))
    new = rollout(env, clone(tau, .1, seed=s), 100, SEED)
    rows.append(as_rows(new, env, SEED, dataset=NAME, method='clone-10%', acting='mean', train_seed=s))
pd.concat(rows).round(3).to_csv(data_root()/'results'/'questions-again.csv', index=False)
PY
