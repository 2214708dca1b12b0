# Does another way of asking mend what falls on the whole Walker2d replay file? Each of the two trainings of seed 1 of recipe-whole-one-sd.sh alone,
# `best` by λ and by way of acting, 30 episodes on environment seeds for choosing, one row for each mean.
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads, versions
from gac.query import Ask, evaluate
from gac.rows import save_rows
from gac.run import load_run
set_threads(1)
to, home = data_root()/'results'/'whole-tried.csv', Path('runs/team-walker2d-medium-replay-1')
for out in (home, home/'member-2'):
    run = load_run(out)
    for lam in (1.,.3,.1,.03):
        for acting in ('answers','average'):
            rows = evaluate(run, run.meta['env'], 'best', 30, 5000, acting, Ask(lam=lam))
            one = dict(dataset=run.meta['dataset'], train_seed=run.cfg.seed, question='best', acting=acting, lam=lam)
            one |= dict(episodes=30, env_seed=5000, early=(rows.length<200).mean())
            one |= rows[['normalised','predicted','achieved','kl']].mean().to_dict()
            one |= dict(device='cpu', threads=1, versions=versions())
            save_rows(pd.DataFrame([one]).round(2), to, same=('dataset','train_seed','acting','lam'), then='episodes')
PY
