# Ten training seeds of the recipe on both shipped sets, 100 episodes of the table each; what is there is not made again.
# BATCHES: another length than the recipe's; its rows have files of their own.
python - <<'PY'
import os
import time
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads, versions
from gac.data import env_of, load
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
n = os.environ.get('BATCHES')
tag, length = (f'-{n}', dict(iterations=int(n))) if n else ('', {})
to, same = data_root()/'results', ('dataset','method','question','acting','train_seed','env_seed')
asked = ('best','mixed'), ('best','answers'), ('best','sample'), ('target','average'), ('target','sample')
asked += ('improve','sample'), ('prior','sample')
file = to/f'recipe{tag}.csv'
for s in range(10):
    for d in ('hopper','walker2d'):
        name, out = f'gac/{d}/medium-replay-mini-v0', Path(f'runs/recipe{tag}-{d}-{s}')
        kept = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=same)
        kept = kept[(kept.dataset==name)&(kept.train_seed==s)]
        left = sorted({*asked}-{*zip(kept.question, kept.acting)})
        if not left: continue
        tau = load(name)
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], seed=s, **length)
        shipped = s==0 and not n and not (out/'checkpoint').is_dir() # a slim copy of it
        at = data_root()/'checkpoints'/d if shipped else out
        run = load_run(at) if (at/'checkpoint').is_dir() or shipped else new_run(tau, arch, cfg, dataset=name, env=env_of(name))
        whole, start = run.i==0, time.process_time()
        if not shipped: fit(run, tau, out, every=100, progress=False)
        one = dict(dataset=name, method='GAC, recipe', train_seed=s, batches=run.i)
        one |= dict(cpu_seconds=round(time.process_time()-start,1), device='cpu', threads=1, versions=versions())
        if whole: save_rows(pd.DataFrame([one]), to/f'recipe{tag}-runs.csv', same=('dataset','method','train_seed'), then='batches')
        rows = pd.concat([evaluate(run, run.meta['env'], q, acting=a) for q,a in left])
        save_rows(rows.assign(method='GAC, recipe'), file, same=same, then='env_seed')
PY
