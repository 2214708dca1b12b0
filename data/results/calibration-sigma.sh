for sigma in 0.03 0.1 0.3 1; do for s in 0 1 2; do
  gac train gac/hopper/medium-replay-mini-v0 --out runs/sigma-$sigma-$s --iterations 600 --set recipe=none --seed $s --set sigma_y=$sigma
done; done
python - <<'PY'
import pandas as pd
from gac.core import data_root
from gac.plans import sweep
from gac.run import load_run
every = [('target',dict(target=1000.)), ('target',dict(target=2000.)), ('improve',{}), ('best',{})]
rows = [sweep(load_run(f'runs/sigma-{x}-{s}'), 'Hopper-v5', every).assign(sigma_y=float(x))
    for x in ('0.03','0.1','0.3','1') for s in range(3)]
pd.concat(rows).to_csv(data_root()/'results'/'calibration-sigma.csv', index=False)
PY
