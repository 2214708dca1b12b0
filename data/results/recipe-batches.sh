# The recipe after 250, 300 and 400 batches, shipped Hopper, two training seeds; 100 episodes each on environment seeds for choosing.
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.data import env_of, load
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
name = 'gac/hopper/medium-replay-mini-v0'
tau, to = load(name), data_root()/'results'/'recipe-batches.csv'
for s in (0,1):
    for n in (250,300,400):
        out = Path({250:f'runs/recipe-hopper-{s}', 400:f'runs/recipe-400-hopper-{s}'}.get(n, f'runs/recipe-{n}-hopper-{s}'))
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], iterations=n, seed=s)
        run = load_run(out) if (out/'checkpoint').is_dir() else new_run(tau, arch, cfg, dataset=name, env=env_of(name))
        fit(run, tau, out, every=100, progress=False)
        rows = pd.concat([evaluate(run, run.meta['env'], q, seed=5000, acting='average') for q in ('best','target')])
        save_rows(rows.assign(method=f'{n} batches'), to, same=('method','question','train_seed','env_seed'), then='env_seed')
PY
