# Pairs of the ten trainings that recipe-400.sh makes, each acting together, 100 episodes of the table; what is there is not made again.
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.rows import save_rows
from gac.run import load_run
from gac.team import evaluate_runs
set_threads(1)
to, same = data_root()/'results'/'team-400.csv', ('dataset','method','question','acting','train_seed','env_seed')
done = pd.read_csv(to) if to.exists() else pd.DataFrame(columns=same)
def trained(d, s): return load_run(Path(f'runs/recipe-400-{d}-{s}'))
for first in range(0, 10, 2):
    for d in ('hopper','walker2d'):
        if ((done.dataset==f'gac/{d}/medium-replay-mini-v0')&(done.train_seed==first)).any(): continue
        runs = [trained(d, s) for s in (first, first+1)]
        rows = evaluate_runs(runs, runs[0].meta['env'])
        save_rows(rows, to, same=same, then='env_seed')
PY
