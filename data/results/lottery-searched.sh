python - <<'PY'
import pandas as pd
from gac.core import data_root, versions
from gac.luck import asked, learn, lottery_data
from gac.query import Ask, PlanPolicy, asker

def ask(run, question, **kw):
    return PlanPolicy(run.model, asker(run, question, Ask(**dict(steps=100,lr=.1)|kw)), 'sample')
def longer(run, question, **kw): return ask(run, question, steps=1000, **kw)
def runs(**kw): return [learn(lottery_data(seed=s), seed=s, **kw) for s in range(5)]
def one(policy, runs): return asked(policy, runs, ys=(), rises=(2.,2.5,3.,4.)).query("start=='nearest'").round(4)
usual, long = runs(), runs(iterations=1000)
ways = {'1000 steps of search':one(longer,usual), '1000 batches':one(ask,long), '1000 batches, 1000 steps of search':one(longer,long),
    **{f'σ_y={s:g}':one(ask,runs(sigma_y=s)) for s in (.03,.3)}}
told = pd.concat(ways, names=['way']).reset_index(level=0)
told.assign(versions=versions()).to_csv(data_root()/'results'/'lottery-searched.csv', index=False)
PY
