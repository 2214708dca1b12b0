FILES=${FILES:-.} # where the whole files lie, which are not shipped
# after questions.sh, whose runs it continues
DATA="$FILES/halfcheetah-medium-replay.hdf5"
for s in 0 1 2; do
  RUN="runs/halfcheetah-medium-replay-GAC,-1-token,-elite-$s"
  gac online "$RUN" --dataset "$DATA" --quantile .95 --set iterations=300 --table online-halfcheetah
  gac online "$RUN" --dataset "$DATA" --strategy control --quantile .95 --set iterations=300 --table online-halfcheetah
  gac online "$RUN" --dataset "$DATA" --quantile .95 --elite start --set iterations=300 --table online-halfcheetah \
    --label "adaptive, elite fixed" --out "$RUN/online-elite"
done
gac online "runs/halfcheetah-medium-replay-GAC,-1-token,-elite-0" --dataset "$DATA" --strategy improve --delta-y 3 --quantile .6 \
  --set iterations=300 --table online-halfcheetah --label "improve, Table 7"
# the second look at starts and last checkpoints, 100 episodes from environment seed 20000 on
python - <<'PY'
import pandas as pd
from gac.core import data_root
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run
WHERE = {'start':'.', 'control':'online-control/stage-3', 'adaptive':'online-adaptive/stage-3',
    'adaptive, elite fixed':'online-elite/stage-3'}
path, rows = data_root()/'results'/'online-halfcheetah.csv', []
for s in range(3):
    for method,place in WHERE.items():
        run = load_run(f'runs/halfcheetah-medium-replay-GAC,-1-token,-elite-{s}/{place}')
        new = evaluate(run, run.meta['env'], 'best', 100, 20_000, stage=0 if method=='start' else 3)
        rows.append(new.assign(method=method, train_seed=s))
old = pd.read_csv(path)
pd.concat([old[old.env_seed<20_000], *rows]).round(3).to_csv(path, index=False)
PY
