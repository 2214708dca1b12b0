"The lottery learned: decisions are counted, targets are put to everyone, kept rows are of five seeds."
from dataclasses import replace
import pandas as pd
import pytest
import torch
from gac.lottery import Lottery, p_buy
from gac.luck import FAIR, asked, bought, in_a_row, learn, lottery_data
from gac.query import Ask, PlanPolicy, asker

def ask(run, question, **kw): return PlanPolicy(run.model, asker(run,question,Ask(steps=2,lr=.1,**kw)), 'sample')

def test_days_pay_by_the_odds():
    tau = lottery_data(Lottery(p=.3, prize=5., buyers=.7), n=2000, days=2, wage=.1)
    buy = tau.a[:,0].reshape(2000,2)>0
    assert abs(float(buy.float().mean())-.7)<.03 and (tau.n==2).all()
    assert torch.allclose(tau.y[~buy.any(1)], torch.tensor(.2))
    assert abs(float(tau.y[buy.all(1)].mean())-1.)<.3 # 2·(.3·5−1)

@pytest.mark.parametrize('days', [1,3])
def test_bought_counts_tickets(days):
    assert bought(lambda s,rows: torch.ones(len(s),1), days, 5).tolist()==[days]*5
    assert bought(lambda s,rows: -torch.ones(len(s),1), days, 5).tolist()==[0]*5

def test_at_least_fifty_winners_in_every_seed():
    for s in range(5): assert int((lottery_data(seed=s).y>3).sum())>=50

def test_learn_is_seeded():
    tau = lottery_data(n=60)
    a,b = (learn(tau, iterations=3, seed=2) for _ in range(2))
    assert torch.equal(a.store.phi,b.store.phi)

def test_asked_of_those_who_stayed_home():
    "Every target, both starts, beside the exact share; `improve` counts those only who start from y=0."
    run = learn(lottery_data(n=300), iterations=2, seed=3)
    seen, rises = [], (0.,.3,2.)
    rows = asked(ask, [run], ys=(-1.,4.), rises=rises, log=seen.append)
    assert list(rows.question)==2*(['target']*2+['improve']*3) and list(rows.y)==2*[-1.,4.,*rises] and set(rows.train_seed)=={3}
    assert list(rows.start)==['nearest']*5+['middle']*5 and len(seen)==10
    odds = replace(FAIR, sd=float(run.model.sigma_y))
    assert all(abs(r.exact-p_buy(odds,r.y))<1e-9 and 0<=r.learned<=1 for r in rows.itertuples())
    assert (rows.n[rows.question=='target']==200).all() and rows.n[rows.question=='improve'].between(150,199).all()

def test_in_a_row_says_how_long_it_trained_and_who_was_near():
    rows = in_a_row(ask, ys=(.6,), lams=(1.,), batches=(1,2), seeds=[1], n=200)
    assert list(rows.batches)==[1]*3+[2]*3 and list(rows.question)==['prior','best, λ=1','target, y*=0.6']*2
    stayed = (lottery_data(FAIR,200,3,.2,1).a[:,0].reshape(200,3)<0).all(1).sum()
    assert (rows.near[rows.question.str.startswith('target')]==int(stayed)).all() # only three days of work pay about 0.6
    assert rows.exact.isna().tolist()==[True,True,False]*2

def test_kept_rows_are_of_five_seeds(root):
    rows = pd.read_csv(root/'data'/'results'/'lottery-asked.csv')
    assert set(rows.train_seed)==set(range(5)) and not rows.duplicated(['question','y','train_seed','start']).any()
    assert (rows.groupby(['question','y','start']).size()==5).all() and rows.learned.between(0,1).all()
    days = pd.read_csv(root/'data'/'results'/'lottery-days.csv')
    assert (days.groupby(['batches','question']).train_seed.nunique()==5).all()
