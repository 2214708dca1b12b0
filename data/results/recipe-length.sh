# How many batches for a whole file? The recipe, with one sd, after 250 and after 500, two training seeds each on two files in the folder FILES;
# `best`, 100 episodes each on environment seeds for choosing.
python - <<'PY'
import os
from pathlib import Path
from gac.core import data_root, set_threads
from gac.data import env_of, load
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
files, to = Path(os.environ.get('FILES','.')), data_root()/'results'/'recipe-length.csv'
for name in ('hopper-medium-replay','walker2d-medium-replay'):
    tau, env = load(files/f'{name}.hdf5'), env_of(files/f'{name}.hdf5')
    for n in (250,500):
        for s in (0,10**6): # the members of a training of seed 0
            out = Path(f'runs/length-{name}-{n}-{s}')
            cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], iterations=n, seed=s)
            run = load_run(out) if (out/'checkpoint').is_dir() else new_run(tau, arch, cfg, dataset=name, env=env)
            fit(run, tau, out, every=100, progress=False)
            rows = evaluate(run, env, 'best', seed=5000, acting='answers')
            save_rows(rows.assign(method=f'{n} batches'), to, same=('dataset','method','train_seed','env_seed'), then='env_seed')
PY
