python - <<'PY'
import pandas as pd
from gac.core import data_root, versions
from gac.luck import asked, critic_value, learn, lottery_data, weighed
from gac.query import Ask, PlanPolicy, asker

def ask(run, question, **kw):
    return PlanPolicy(run.model, asker(run, question, Ask(**dict(steps=100,lr=.1)|kw)), 'sample')
def longer(run, question, **kw): return ask(run, question, steps=1000, **kw)
def runs(**kw): return [learn(lottery_data(seed=s), seed=s, **kw) for s in range(5)]
def price(run, seed):
    tau, last = lottery_data(seed=seed), run.history[-1]
    return dict(elbo=last['elbo'], kl=last['kl'], critic=critic_value(run.model,True), prior=weighed(run,tau,True),
                data=weighed(run,tau,True,data=True), had=float(tau.y[tau.a[:,0]>0].mean()))
short, slow = dict(plan=dict(D=4,tokens=1)), dict(inner_lr=.03)
ways = {'2×4, 600 batches':runs(**short, **slow, iterations=600), '2×4, 1500 batches':runs(**short, **slow, iterations=1500),
    '3×32, 600 batches':runs(**slow, iterations=600)}
searched = {w:asked(ask,r) for w,r in ways.items()}
searched['2×4, 1500 batches, longer search'] = asked(longer, ways['2×4, 1500 batches'])
told = pd.concat(searched, names=['way']).reset_index(level=0).query("start=='nearest'")
told.round(4).assign(versions=versions()).to_csv(data_root()/'results'/'lottery-short.csv', index=False)
ways['3×32, as above'] = runs()
prices = pd.DataFrame([dict(way=w, train_seed=s, **price(r,s)) for w,rs in ways.items() for s,r in enumerate(rs)])
prices.round(4).assign(versions=versions()).to_csv(data_root()/'results'/'lottery-short-prices.csv', index=False)
PY
