# The pairs that team.sh and recipe-whole.sh have left in runs/, acting by `mixed`: `best`, 100 episodes on environment seeds from 10000.
# Rows that are there are not made again. It was chosen by asked-near.sh, on other environment seeds.
python - <<'PY'
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads
from gac.members import load_members
from gac.rows import save_rows
from gac.team import evaluate_runs
set_threads(1)
to, same = data_root()/'results'/'mixed.csv', ('dataset','method','question','acting','train_seed','env_seed')
for out in sorted(p for k in ('team','whole') for p in Path('runs').glob(f'{k}-*') if (p/'checkpoint').is_dir()):
    run = load_members(out)
    had = pd.read_csv(to) if to.exists() else pd.DataFrame(columns=same)
    if ((had.dataset==run.meta['dataset'])&(had.train_seed==run.cfg.seed)).any(): continue
    save_rows(evaluate_runs([run], run.meta['env'], acting='mixed'), to, same=same, then='env_seed')
PY
