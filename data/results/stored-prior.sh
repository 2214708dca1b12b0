# `prior` with plans from N(0,I) and, with `Ask.stored`, from the posteriors of the data: one training acting alone, 100 episodes on
# environment seeds from 10000. Ten trainings of the recipe on both shipped sets, as recipe.sh has them, and four on two whole files, as
# recipe-whole.sh; FILES names their folder. What is there is not made again; KEPT=1: only where a training is there.
python - <<'PY'
import os
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.data import env_of, load
from gac.query import Ask, evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
to, files = data_root()/'results'/'stored-prior.csv', Path(os.environ.get('FILES','.'))
same = 'dataset','method','question','acting','train_seed','env_seed'
jobs = [(f'gac/{d}/medium-replay-mini-v0', f'runs/recipe-{d}-{s}', s) for s in range(10) for d in ('hopper','walker2d')]
jobs += [(f'{d}-medium-replay', f'runs/whole-{d}-medium-replay-{s}', s) for s in range(4) for d in ('hopper','walker2d')]
for name,out,s in jobs:
    had = pd.read_csv(to) if to.exists() else pd.DataFrame(columns=same)
    if ((had.dataset==name)&(had.train_seed==s)).any(): continue
    if os.environ.get('KEPT') and not (Path(out)/'checkpoint').is_dir(): continue
    tau = load(name if name[:4]=='gac/' else files/f'{name}.hdf5')
    cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s)
    env = env_of(name if name[:4]=='gac/' else files/f'{name}.hdf5')
    run = load_run(out) if (Path(out)/'checkpoint').is_dir() else new_run(tau, arch, cfg, dataset=name, env=env)
    fit(run, tau, out, every=100, progress=False)
    for method,k in (('GAC',False), ('GAC, stored',True)):
        rows = evaluate(run, env, 'prior', cfg=Ask(stored=k))
        save_rows(rows.assign(dataset=name, method=method), to, same=same, then='env_seed')
PY
