python - <<'PY'
import pandas as pd
from gac.core import data_root, versions
from gac.odds import learn_odds, prices
from gac.lottery import Lottery
lots = pd.read_csv(data_root()/'results'/'odds-map.csv').query('train_seed==0')[['p','prize']].drop_duplicates()
rows = []
for sigma_y in (.1,.3):
    run, tau = learn_odds(sigma_y, plan=dict(D=32,tokens=2))
    for lot in (Lottery(p=p, prize=prize) for p,prize in lots.to_numpy()):
        worth = lot.expected(True)-lot.expected(False)
        told = {k:v for k,v in prices(run,tau,lot).items() if k!='had'}
        last = {k:run.history[-1][k] for k in ('elbo','kl')}
        rows.append(dict(p=lot.p, prize=lot.prize, worth=worth, **told, sigma_y=sigma_y, train_seed=0, **last))
pd.DataFrame(rows).round(4).assign(versions=versions()).to_csv(data_root()/'results'/'odds-long.csv', index=False)
PY
