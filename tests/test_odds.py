"Many lotteries, one model: the odds as a state, targets beside the exact answer, and a panel that never trains."
import numpy as np
import pandas as pd
import pytest
import torch
import gac.odds
from gac import cli
from gac.lottery import Lottery, p_buy
from gac.odds import ODDS, WIDTHS, buys, chart, learn_odds, panel, people_before, prices, state_of, survey, learned_buy
from gac.query import Ask, PlanPolicy, asker
from gac.run import load_run

FAIR = Lottery(p=.1, prize=5., buyers=.5)
def ask(run, question, goal=None, **kw): return PlanPolicy(run.model, asker(run,question,Ask(**dict(steps=2,lr=.1)|kw),goal=goal), 'sample')
class Fixed:
    "A policy that buys where the first number of the state, the odds, is above a half."
    def reset(self, s0): self.s0 = s0
    def __call__(self, s, rows): return torch.where(s[:,:1]>.5, .3, -.3)

@pytest.fixture(scope='module')
def small(): return learn_odds(.3, 300, 2)

@pytest.mark.parametrize('k', ODDS)
def test_ends_of_the_range_are_0_and_1(k):
    lo,hi = ODDS[k]; i = [*ODDS].index(k)
    mid = {n:sum(r)/2 for n,r in ODDS.items()}
    assert torch.allclose(state_of([Lottery(**mid|{k:lo}), Lottery(**mid|{k:hi})])[:,i], torch.tensor([0.,1.]), atol=1e-6)
    for x in (lo-.01, hi+.01):
        with pytest.raises(ValueError, match=f'Lottery.{k}=.*know {k} from'): state_of([Lottery(**mid), Lottery(**mid|{k:x})])

def test_people_decide_and_live_by_their_own_odds():
    tau = people_before(40_000, 3); buy = tau.a[:,0]>0
    p,prize,buyers = (lo+(hi-lo)*x for (lo,hi),x in zip(ODDS.values(), tau.s0.T))
    assert (tau.y[~buy]==0).all() and ((tau.y==-1)|torch.isclose(tau.y,prize-1,atol=1e-4))[buy].all()
    won = tau.y>0
    for part in (buyers<.3, buyers>.7): assert abs(float(buy[part].float().mean()-buyers[part].mean()))<.02
    for part in (p<.15, p>.35): assert abs(float(won[buy&part].float().mean()-p[buy&part].mean()))<.02
    assert torch.equal(people_before(50,3).y, people_before(50,3).y)

def test_buys_one_plan_for_each():
    low, high = Lottery(p=.05,prize=5.), Lottery(p=.45,prize=5.)
    assert buys(Fixed(), [low,high,low]).tolist()==[False,True,False]

def test_each_target_has_its_own_goal(small):
    asked = []
    def policy(run, question, goal): asked.append((question,goal)); return Fixed()
    assert learned_buy(policy, small[0], Lottery(p=.45,prize=5.), [-1.,4.,0.], n=2)==[1.,1.,1.]
    assert asked[0][0]=='target' and asked[0][1].tolist()==[-1.,-1.,4.,4.,0.,0.]

def test_survey_asks_lotteries_of_the_range(small):
    rows = survey(ask, small[0], lots=3, n=2)
    assert len(rows)==18 and rows.groupby('p').size().eq(6).all() and rows.learned.between(0,1).all()
    for k,(lo,hi) in ODDS.items(): assert rows[k].between(lo,hi).all()
    r = rows[rows.target=='won'].iloc[0]
    assert r.y==pytest.approx(r.prize-1) and r.exact==pytest.approx(p_buy(Lottery(p=r.p,prize=r.prize,buyers=r.buyers,sd=float(small[0].model.sigma_y)), r.y))

def test_plans_of_the_data_are_those_near_the_odds(small, monkeypatch):
    run, tau = small; lot = Lottery(p=.4, prize=8., buyers=.2); seen = []
    real = gac.odds.weighed
    def spy(run, here, buy, **kw): seen.append((here,buy,kw.get('data',False))); return real(run, here, buy, **kw)
    monkeypatch.setattr(gac.odds, 'weighed', spy)
    got = prices(run, tau, lot, near=20, n=50)
    assert set(got)=={'critic','prior','data','had'} and [x[1:] for x in seen]==[(True,False),(False,False),(True,True),(False,True)]
    here = seen[0][0]; far = (tau.s0-state_of([lot])).square().sum(1)
    assert set(here.key.tolist())==set(tau.key[far.argsort()[:20]].tolist())
    assert torch.allclose(here.s0, state_of([lot]).expand(20,-1)) and got['had']==pytest.approx(float(here.y[here.a[:,0]>0].mean()))

def test_chart_is_one_row_per_lottery(small):
    rows = chart(ask, *small, [.1,.5], [4.], n=2)
    assert rows.worth.round(6).tolist()==[-.6,1.] and rows[['best0','best1','middle']].isin([0,.5,1]).all().all()

@pytest.mark.parametrize('width', WIDTHS)
def test_the_models_that_ship(root, width):
    "Their width is what their name says; the narrowest answers as people decided; what a slim checkpoint has not kept is not made up."
    run = load_run(root/'data'/'lotteries'/f'{width:g}')
    assert float(run.model.sigma_y)==pytest.approx(width, rel=1e-3)
    if width==.1:
        longer = lambda run,q,goal: ask(run, q, goal, steps=60)
        got = learned_buy(longer, run, FAIR, [-1.,0.,4.], n=32)
        assert got[0]>.8 and got[1]<.2 and got[2]>.8
    with pytest.raises(ValueError, match='a slim checkpoint keeps a few'): prices(run, people_before(20_000), FAIR)

def test_rows_that_ship(root):
    rows, maps = (pd.read_csv(root/'data'/'results'/f'{n}.csv') for n in ('odds','odds-map'))
    both = {(s,t) for s in WIDTHS for t in (0,1)}
    for d,n in ((rows,360),(maps,64)): assert d.groupby(['sigma_y','train_seed']).size().to_dict()==dict.fromkeys(both, n)
    assert np.allclose(maps.worth, maps.p*maps.prize-1, atol=1e-3) and rows.learned.between(0,1).all()
    clear = maps[(maps.worth.abs()>.2)&(maps.sigma_y<10)]
    assert ((clear.data>0)==(clear.worth>0)).groupby([clear.sigma_y,clear.train_seed]).mean().min()>.95
    short = pd.read_csv(root/'data'/'results'/'lottery-short.csv')
    assert short.groupby('way').train_seed.nunique().eq(5).all() and short.groupby('way').size().eq(60).all()

def test_the_command_replaces_its_own_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('GAC_DATA', str(tmp_path)); (tmp_path/'results').mkdir()
    monkeypatch.setattr(gac.odds, 'survey', lambda policy, run, **kw: pd.DataFrame(dict(p=[.1,.2], learned=0.)))
    monkeypatch.setattr(gac.odds, 'chart', lambda policy, run, tau, **kw: pd.DataFrame(dict(p=[.1], worth=0.)))
    real = gac.odds.learn_odds
    monkeypatch.setattr(gac.odds, 'learn_odds', lambda s, seed, **kw: real(s, 60, 1, seed))
    def go(*a):
        with pytest.raises(SystemExit) as e: cli.main(['odds',*a])
        assert not e.value.code
    for a in (['--width','0.3'],['--width','0.3'],['--width','0.3','--seed','1'],['--width','1']): go('--table','odds',*a)
    rows = pd.read_csv(tmp_path/'results'/'odds.csv')
    assert rows.groupby(['sigma_y','train_seed']).size().to_dict()=={(.3,0):2,(.3,1):2,(1.,0):2}
    assert sorted(p.name for p in (tmp_path/'lotteries').iterdir())==['0.3','1'] and capsys.readouterr().out.count('sigma_y=')==4

# ---- the panel

@pytest.fixture
def shown(small, monkeypatch):
    "A panel of two models of two batches, and what it draws."
    pytest.importorskip('ipywidgets')
    drawn, asked, stood = [], [], []
    def draw(**kw): drawn.append(kw)
    def policy(run, question, goal=None, **kw):
        asked.append(run); p = ask(run, question, goal, **kw); real = p.reset
        def reset(s0): stood.append(s0); return real(s0)
        p.reset = reset
        return p
    monkeypatch.setattr(gac.odds, 'draw_lottery', draw); monkeypatch.setattr(gac.odds, 'learn_odds', lambda *a, **kw: pytest.fail('trained'))
    runs = {.3:small[0], 1.:learn_odds(1., 200, 1)[0]}
    box = panel(policy, runs)
    return {getattr(c,'description','') or type(c).__name__: c for c in box.children}, drawn, asked, stood, runs

def says(bar, drawn):
    "Does the line under the sliders say what was drawn?"
    lot = Lottery(**{k:drawn[k] for k in ODDS}, sd=drawn['sigma_y'])
    exact, learned = p_buy(lot, drawn['delta_y']), drawn['dots'][0][1]
    line = f'exact {exact:.2f}, learned {learned:.2f}.'
    return line in bar['HTML'].value and f'{lot.expected(True):+.2f}' in bar['HTML'].value

@pytest.mark.parametrize('name,field,value', [('odds','p',.2),('prize','prize',7.),('buyers','buyers',.6),('Δy','delta_y',3.),('σ_y','sigma_y',1.)])
def test_whatever_is_moved_both_curves_follow(shown, name, field, value):
    bar, drawn, asked, stood, runs = shown
    assert len(drawn)==1 and len(drawn[0]['dots'])==12 and drawn[0]['dots'][0][0]==1.
    assert says(bar, drawn[0])
    asked.clear()
    stood.clear()
    bar['HTML'].value = ''
    bar[name].value = value
    assert len(drawn)==2 and drawn[1][field]==value and says(bar, drawn[1])
    assert drawn[1]['dots'][0][0]==drawn[1]['delta_y'] and asked and all(r is runs[drawn[1]['sigma_y']] for r in asked)
    now = state_of([Lottery(**{k:drawn[1][k] for k in ODDS})])
    assert len(stood)==2 and all(torch.allclose(s0, now.expand(len(s0),-1), atol=1e-5) for s0 in stood) # the odds that the sliders show

def test_the_sliders_end_where_the_models_do(shown):
    bar = shown[0]
    for name,k in (('odds','p'),('prize','prize'),('buyers','buyers')):
        assert (bar[name].min,bar[name].max)==ODDS[k]
        for end in ODDS[k]: bar[name].value = end
