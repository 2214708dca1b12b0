"Questions: closed forms, independence of episodes, and what the policy feeds while acting."
import math
from dataclasses import replace
import numpy as np
import pandas as pd
import pytest
import torch
from gac import query
from gac.core import Posterior, generator
from gac.data import denormalised
from gac.envs import PointMass, point_mass_data, rollout
from gac.model import Arch, log_normal
from gac.query import ACTING, QUESTIONS, READS, Ask, PlanPolicy, Question, ask, ask_of, asker, evaluate, may_set, question_of, register, seen_by, start, targets
from gac.rows import COLUMNS
from gac.run import Fit, load_run, new_run, save_run
from gac.train import fit
from test_context import untrained

ID = 'gac/PointMass-v0'

class Linear:
    "y = w·z + σ·noise, z ~ N(0,I): every question has a closed answer."
    sd = .5
    def __init__(self, w):
        self.w = torch.tensor(w); K,D = self.w.shape
        self.arch = type('Arch', (), dict(K=K, E=D))
        self.head = type('Head', (), dict(lsd=torch.tensor(self.sd).log(), __call__=lambda _,z: (self.w*z).sum((1,2))))()
    def plan(self, s0, eps): return eps
    def log_prob_y(self, y, z): return log_normal(y, self.head(z), self.head.lsd)
    def posterior(self, y): # (N,) -> mean (N,K,D), sd (K,D) of the best diagonal Gaussian
        return self.w*y[:,None,None]/(self.w.square().sum()+self.sd**2), (1+self.w.square()/self.sd**2).rsqrt()

class Hills:
    "Return 2 around z=3, return 1 around z=-3."
    arch = type('Arch', (), dict(K=1, E=1))
    class Head:
        lsd = torch.tensor(0.)
        def __call__(self, z): return 2*torch.exp(-(z[:,0,0]-3)**2)+torch.exp(-(z[:,0,0]+3)**2)
    head = Head()
    def plan(self, s0, eps): return eps
    def log_prob_y(self, y, z): return log_normal(y, self.head(z), self.head.lsd)

ONE, FOUR = Linear([[2.]]), Linear([[2.,-1.],[.5,0.]])

@pytest.mark.parametrize('model', [ONE,FOUR])
@pytest.mark.parametrize('goal', [-2.,0.,1.3])
def test_target_is_the_posterior_given_the_return(model, goal):
    q,info = ask(model, torch.zeros(48,1), 'target', cfg=Ask(target=goal, steps=800))
    mu,sd = model.posterior(torch.full((48,), goal))
    assert (q.mu-mu).mean(0).abs().max()<.02 and (q.mu-mu).abs().max()<.15
    assert (q.lsd.exp()-sd).mean(0).abs().max()<.03
    assert (info['target']==goal).all() and (info['steps']==800).all()

def test_improve_gives_every_episode_its_own_posterior():
    y = torch.linspace(-3,3,301)
    q,info = ask(FOUR, torch.zeros(48,1), 'improve', y, Ask(quantile=.5, delta_y=.7, steps=800), generator(3))
    mu,sd = FOUR.posterior(info['target'])
    assert info['target'].std()>.5 and info['target'].min()>.7
    assert (q.mu-mu).abs().max()<.15 and (q.lsd.exp()-sd).mean(0).abs().max()<.03

@pytest.mark.parametrize('model', [ONE,FOUR])
@pytest.mark.parametrize('lam', [2.,4.,16.])
def test_best_goes_as_far_as_lam_lets_it(model, lam):
    q,info = ask(model, torch.zeros(48,1), 'best', cfg=Ask(lam=lam, steps=1200))
    assert info['target'] is None
    assert (q.mu.mean(0)-model.w/(lam*model.sd)).abs().max()<.03
    assert (q.lsd.exp().mean(0)-1).abs().max()<.05

def test_best_without_lam_is_the_bare_return():
    near, far = (ask(ONE, torch.zeros(4,1), 'best', cfg=Ask(lam=lam, steps=400))[0].mu for lam in (4.,0.))
    assert far.min()>5*near.max()

@pytest.mark.parametrize('question', ['best','target','improve'])
@pytest.mark.parametrize('width', [.1,.5])
def test_a_question_may_hold_the_width(width, question):
    y, cfg = torch.tensor([0.,0.,1.5]), Ask(lam=4., target=2., delta_y=.5, width=width, steps=600) # y⁺ is 2 too: one return lies above the quantile
    q,_ = ask(ONE, torch.zeros(64,1), question, y=y, cfg=cfg)
    at = 1. if question=='best' else float(ONE.posterior(torch.tensor([2.]))[0])
    assert torch.allclose(q.lsd, torch.tensor(width).log()) and (q.mu.mean()-at).abs()<.03
    assert (q.mu-at).abs().max()<(.05 if question=='best' else .4*width) # a target's gradient has noise, as wide as q
    assert torch.equal(ask(ONE, torch.zeros(2,1), 'prior', cfg=cfg)[0].lsd, torch.zeros(2,1,1)) # the prior is the prior

def test_early_stop_saves_steps_and_keeps_the_answer():
    q,info = ask(ONE, torch.zeros(16,1), 'target', cfg=Ask(target=1.3, steps=2000, stop=1e-3))
    mu,_ = ONE.posterior(torch.tensor([1.3]))
    assert info['steps'].max()<2000 and (q.mu.mean(0)-mu).abs().max()<.15

def test_prior_is_standard_normal():
    q,info = ask(FOUR, torch.zeros(5,1), 'prior')
    assert q.mu.shape==(5,2,2) and not q.mu.any() and not q.lsd.any() and not q.kl().any() and info['target'] is None

# --- one optimisation, many episodes

@pytest.fixture(scope='module')
def data(): return point_mass_data(48, seed=0)

@pytest.fixture(scope='module')
def run(data):
    r = new_run(data, Arch.tiny(3, 2, M=2), Fit.tiny(iterations=40, seed=7), dataset='point mass', env=ID)
    fit(r, data, progress=False)
    return r

def close(a, b): return torch.allclose(a.mu, b.mu, atol=1e-5) and torch.allclose(a.lsd, b.lsd, atol=1e-5)

@pytest.mark.parametrize('question', ['target','best'])
def test_an_answer_ignores_the_other_states(run, question):
    s0 = run.model.std.s_mean+torch.randn(6, 3, generator=generator(1))
    other = s0.clone(); other[[0,2,3,5]] += 1
    a,b = (ask(run.model, s, question, run.y, Ask(steps=15))[0] for s in (s0,other))
    assert close(a[[1,4]], b[[1,4]]) and not close(a[[0]], b[[0]])

@pytest.mark.parametrize('stop', [0.,1e-9])
def test_an_answer_ignores_the_other_goals(run, monkeypatch, stop):
    s0, goals = run.model.std.s_mean.expand(6,3), torch.linspace(0,5,6)
    def answer(g):
        monkeypatch.setattr(query, 'targets', lambda *args: g)
        return ask(run.model, s0, 'improve', run.y, Ask(steps=9, stop=stop))[0]
    other = goals.clone(); other[[0,2,3,5]] += 2
    a,b = answer(goals), answer(other)
    assert close(a[[1,4]], b[[1,4]]) and not close(a[[0]], b[[0]])

def test_one_episode_alone_gets_the_answer_it_gets_in_company(run, monkeypatch):
    "With the noise repeated over rows, duplicates agree with each other and with N=1."
    real = torch.randn
    def same(*size, **kw):
        n,*rest = size[0] if len(size)==1 and not isinstance(size[0],int) else size
        return real(1, *rest, **kw).expand(n, *rest).clone()
    monkeypatch.setattr(torch, 'randn', same)
    one = run.model.std.s_mean[None]+.3
    for question in ('target','best'):
        a,b = (ask(run.model, one.expand(n,-1), question, run.y, Ask(steps=25))[0] for n in (1,5))
        assert all(close(a, b[[i]]) for i in range(5))

def test_same_seed_same_answer(run, data):
    a,b,c = (ask(run.model, data.s0[:4], 'improve', run.y, Ask(steps=8), generator(s)) for s in (0,0,1))
    assert torch.equal(a[0].mu, b[0].mu) and torch.equal(a[1]['target'], b[1]['target']) and not torch.equal(a[0].mu, c[0].mu)

# --- targets

@pytest.mark.parametrize('quantile,delta', [(.5,0.),(.8,10.),(.95,-3.)])
def test_targets_of_improve(quantile, delta):
    y = torch.arange(100.)[torch.randperm(100, generator=generator(0))]
    t = targets('improve', 4000, y, Ask(quantile=quantile, delta_y=delta), generator(0))-delta
    want = [v for v in range(100) if v>np.quantile(np.arange(100), quantile)]
    assert sorted(t.unique().tolist())==want and abs(t.mean()-np.mean(want))<1

def test_target_is_the_best_of_the_data_or_what_we_say():
    y = torch.tensor([1.,7.,3.])
    assert targets('target', 3, y, Ask()).tolist()==[7,7,7] and targets('target', 2, y, Ask(target=-4.)).tolist()==[-4,-4]

@pytest.mark.parametrize('y', [[3.,3.,3.],[1.,2.,2.,2.],[0.,0.,1.,1.]])
def test_where_the_best_are_tied_they_are_the_top(y):
    y = torch.tensor(y)
    assert not (y>y.double().quantile(.8)).any()
    assert targets('improve', 2, y, Ask(delta_y=.1)).tolist()==pytest.approx([float(y.max())+.1]*2)

@pytest.mark.parametrize('kw,says', [(dict(quantile=0.),'between 0 and 1'),(dict(quantile=1.),'between 0 and 1'),(dict(quantile=float('nan')),'between 0 and 1'),
                                     (dict(lam=-1.),'at least 0'),(dict(width=0.),'must be positive'),(dict(width=-.5),'must be positive'),(dict(steps=0),'at least 1')])
def test_bad_settings(kw, says):
    with pytest.raises(ValueError, match=says): Ask(**kw)

def test_bad_questions():
    with pytest.raises(ValueError, match="unknown question 'worst'; choose one of prior, target, improve, best"): ask(ONE, torch.zeros(1,1), 'worst')
    for question in ('target','improve'):
        with pytest.raises(ValueError, match='needs the returns of the data'): ask(ONE, torch.zeros(1,1), question)

def test_improve_needs_the_returns_whatever_the_target():
    with pytest.raises(ValueError, match='needs the returns of the data'): ask(ONE, torch.zeros(1,1), 'improve', cfg=Ask(target=1.))

def test_every_state_may_have_a_goal_of_its_own():
    goal = torch.tensor([-2.,0.,1.3]).repeat(16)
    q,info = ask(FOUR, torch.zeros(48,1), 'target', cfg=Ask(steps=800), goal=goal)
    mu,_ = FOUR.posterior(goal)
    assert torch.equal(info['target'], goal) and (q.mu-mu).abs().max()<.15

@pytest.mark.parametrize('question,n', [('target',3),('best',4),('improve',4),('prior',4)])
def test_a_goal_is_for_target_and_one_per_state(question, n):
    with pytest.raises(ValueError, match='one finite return per state'): ask(ONE, torch.zeros(4,1), question, torch.arange(9.), goal=torch.zeros(n))

def test_a_goal_is_finite_and_the_only_one():
    for goal,cfg in (([1.,math.nan],Ask()), ([1.,2.],Ask(target=3.))):
        with pytest.raises(ValueError, match='in place of Ask.target'): ask(ONE, torch.zeros(2,1), 'target', torch.arange(9.), cfg, goal=goal)
    with pytest.warns(UserWarning, match='target return 90 is far outside the data, 0 to 8'): ask(ONE, torch.zeros(2,1), 'target', torch.arange(9.), Ask(steps=1), goal=[1.,90.])

# --- starts

def test_a_target_starts_from_the_nearest_return():
    seen = torch.tensor([5.,-1.,2.]), Posterior(torch.tensor([50.,-10.,20.]).view(3,1,1), torch.tensor([-.5,-.1,-.2]).view(3,1,1))
    q = start(ONE, torch.zeros(4,1), 'improve', torch.tensor([1.,9.,-7.,4.]), Ask(), generator(0), seen)
    assert q.mu.flatten().tolist()==[20,50,-10,50] and torch.allclose(q.lsd.flatten(), torch.tensor([-.2,-.5,-.1,-.5]))

def test_starts_of_a_run_belong_to_its_returns(run, data):
    y,q = seen_by(run)
    have = [i for i,k in enumerate(run.key.tolist()) if k in run.store.row]
    assert torch.equal(y, data.y[have]) and torch.equal(q.mu, run.store.get(data.key[have]).mu)

def test_best_starts_from_the_highest_objective_not_the_highest_return():
    seen = torch.tensor([9.,8.,1.]), Posterior(torch.tensor([-3.,2.8,0.]).view(3,1,1), torch.full((3,1,1),-2.))
    at = lambda n: ask(Hills(), torch.zeros(3,1), 'best', cfg=Ask(lam=.01, starts=n, steps=150), seen=seen)[0].mu
    assert (at(2)-3).abs().max()<.3 and (at(1)+3).abs().max()<.3

def test_without_starts_every_question_begins_at_zero(run, data):
    a = asker(run, 'best', Ask(steps=3, starts=0))(data.s0[:2])[0]
    b = ask(run.model, data.s0[:2], 'best', run.y, Ask(steps=3))[0]
    assert close(a,b) and not close(asker(run, 'best', Ask(steps=3))(data.s0[:2])[0], b)

# --- acting

def test_policy_plans_once_for_all_episodes(run):
    calls = []
    def planner(s0): calls.append(s0); return ask(run.model, s0, 'prior')
    tau = rollout(ID, PlanPolicy(run.model, planner, 'sample'), 130, seed=0) # more episodes than lanes
    assert len(calls)==1 and torch.equal(calls[0], tau.s0)

def test_sample_and_mean(run, data):
    q = Posterior(torch.randn(4,3,32, generator=generator(0)), torch.full((4,3,32),-1.))
    def eps(acting, seed=0):
        p = PlanPolicy(run.model, lambda s0: (q,{}), acting, seed); p.reset(data.s0[:4])
        with torch.no_grad(): assert torch.allclose(p.predicted, run.model.expected_return(run.model.plan(data.s0[:4], p.eps)))
        return p.eps
    assert torch.equal(eps('mu'), q.mu) and torch.equal(eps('sample'), eps('sample')) and not torch.equal(eps('sample'), eps('sample',1))
    d = (eps('sample')-q.mu)/q.lsd.exp()
    assert abs(d.mean())<.2 and abs(d.std()-1)<.15

def test_acting_has_four_names(run):
    for how in ('mean','',None):
        with pytest.raises(ValueError, match='choose one of mu, sample, average, answers'): PlanPolicy(run.model, None, how)

# --- evaluate

FAST = Ask(steps=6, starts=4)

def test_a_score_is_measured_by_the_references_of_the_run(run):
    own = replace(run, meta=run.meta|dict(reference=[10,30]))
    r = evaluate(own, ID, 'prior', 3, seed=10_020)
    assert np.allclose(r.normalised, 5*(r.achieved-10), atol=.02)

@pytest.mark.parametrize('question', tuple(QUESTIONS))
def test_rows_of_evaluate(run, question):
    r = evaluate(run, ID, question, 4, seed=10_020, cfg=FAST)
    assert list(r)==[k for k in COLUMNS if k!='normalised'] and r.env_seed.tolist()==[10_020,10_021,10_022,10_023]
    assert (r.question==question).all() and (r.acting==ACTING[question]).all() and (r.train_seed==7).all() and (r.env==ID).all()
    assert (r.method=='GAC').all() and (r.dataset=='point mass').all() and (r.stage==0).all()
    assert np.isfinite(r[['predicted','achieved','length','kl']].astype(float)).all().all()
    assert r.target.isna().all()==(question in ('prior','best'))
    if question=='target': assert np.allclose(r.target, run.y.max())
    if question=='prior': assert (r.kl==0).all()
    assert {'plan_seconds','rollout_seconds'}<=set(r.attrs) and min(r.attrs.values())>0

def test_evaluate_twice(run):
    torch.manual_seed(3); before = torch.get_rng_state()
    a,b = (evaluate(run, ID, 'improve', 3, cfg=FAST) for _ in range(2))
    pd.testing.assert_frame_equal(a, b); assert torch.equal(before, torch.get_rng_state())
    c = evaluate(run, ID, 'improve', 3, seed=500, cfg=FAST)
    assert c.achieved.tolist()!=a.achieved.tolist()

def test_evaluate_rolls_out_what_its_seeds_say(run):
    a = evaluate(run, ID, 'prior', 3, seed=40)
    low = -torch.ones(2)
    pol = PlanPolicy(run.model, lambda s0: ask(run.model, s0, 'prior'), 'sample', 40, low, -low)
    tau = rollout(ID, pol, 3, seed=40)
    assert np.allclose(a.achieved, tau.y, atol=.006) and a.length.tolist()==tau.n.tolist()

def test_a_stored_prior_draws_the_returns_on_record(run):
    y, q = seen_by(run)
    gen, s0 = torch.Generator().manual_seed(5), torch.zeros(4000,3)
    got,info = ask(run.model, s0, 'prior', run.y, Ask(stored=True), gen, (y,q))
    which = (got.mu[:,None]==q.mu[None]).flatten(2).all(2)
    assert (which.sum(1)==1).all() and info['target'] is None and (info['steps']==0).all() and torch.equal(got.lsd, q.lsd[which.int().argmax(1)])
    share = which.float().mean(0)
    assert (share-1/len(y)).abs().max()<5*(1/len(y)/4000)**.5

def test_a_stored_prior_of_few_posteriors_keeps_the_shares_of_returns(run):
    y, q = seen_by(run)
    few = y.argsort()[[0,-1]] # the worst and the best are left
    got,_ = ask(run.model, torch.zeros(2000,3), 'prior', run.y, Ask(stored=True), torch.Generator().manual_seed(5), (y[few],q[few]))
    top = (run.y-y[few][1]).abs()<(run.y-y[few][0]).abs()
    assert abs(float((got.mu==q.mu[few[1]]).flatten(1).all(1).float().mean())-float(top.float().mean()))<.06

def test_a_stored_prior_says_what_it_lacks(run):
    with pytest.raises(ValueError, match='no posteriors of the data to draw from'): ask(run.model, torch.zeros(1,3), 'prior', run.y, Ask(stored=True))
    with pytest.raises(ValueError, match="Ask.stored='yes': must be True or False"): Ask(stored='yes')
    with pytest.raises(ValueError, match="lam=2.0: 'prior' does not look at it; it looks at stored"): ask_of('prior', dict(lam=2.))
    a,b,c = (evaluate(run, ID, 'prior', 3, cfg=Ask(stored=k)) for k in (False,True,True))
    pd.testing.assert_frame_equal(b, c)
    assert (a.kl==0).all() and (b.kl>0).all() and (b.acting=='sample').all()

def test_prior_is_always_sampled(run): assert (evaluate(run, ID, 'prior', 2, acting='mu').acting=='sample').all()

def test_evaluate_after_a_checkpoint(run, tmp_path):
    want = evaluate(run, ID, 'target', 3, cfg=FAST)
    save_run(run, tmp_path/'whole'); got = evaluate(load_run(tmp_path/'whole'), ID, 'target', 3, cfg=FAST)
    pd.testing.assert_frame_equal(want, got)
    save_run(run, tmp_path/'slim', slim=True, keep=6)
    assert len(evaluate(load_run(tmp_path/'slim'), ID, 'best', 2, cfg=FAST))==2

def test_evaluate_takes_a_function_and_another_planner(run):
    r = evaluate(run, PointMass, 'mine', 2, acting='sample', planner=lambda s0: ask(run.model, s0, 'prior'), stage=2)
    assert (r.question=='mine').all() and (r.stage==2).all() and np.isfinite(r.achieved).all()

def test_evaluate_on_hopper_has_scores():
    r = evaluate(untrained('Hopper-v5', M=2), 'Hopper-v5', 'prior', 3)
    assert np.allclose(r.achieved, denormalised(r.normalised, 'Hopper-v5'), atol=.5) and (r.length>0).all()

def test_errors_of_evaluate(run):
    with pytest.raises(ValueError, match="unknown question 'worst'"): evaluate(run, ID, 'worst', 2)
    with pytest.raises(ValueError, match='S=11, A=3.*S=3, A=2'): evaluate(run, 'Hopper-v5', 'best', 2)
    with pytest.raises(ValueError, match="cannot make environment 'Nowhere-v0'"): evaluate(run, 'Nowhere-v0', 'best', 2)
    with pytest.raises(ValueError, match='choose one of mu, sample, average, answers'): evaluate(run, ID, 'best', 2, acting='mean')
    with pytest.raises(ValueError, match='at least one episode'): evaluate(run, ID, 'best', 0)

# ---- a question of one's own, and the average over plans

@pytest.fixture
def cautious():
    "E[y] less c standard deviations over plans, registered for one test."
    def value(model, s0, q, noise, goal, cfg, c=2.):
        a, b = (model.head(model.plan(s0, q.at(e))) for e in (noise,-noise))
        return ((a+b)/2-c*(a-b).abs()/2)/model.head.lsd.exp()-cfg.lam*q.kl()
    register('cautious', Question('good and sure?', ('lam','steps'), value, colour='C6', acting='mu'))
    yield 'cautious'
    del QUESTIONS['cautious']

def test_a_new_question_is_one_record(cautious, run):
    "Registered, it is asked, evaluated, coloured and listed, and nothing else was touched."
    r = run; rows = evaluate(r, ID, cautious, n=3, seed=0, cfg=Ask(steps=5))
    assert (rows.question==cautious).all() and (rows.acting=='mu').all() and ACTING[cautious]=='mu' and READS[cautious]==('lam','steps')
    with pytest.raises(ValueError, match="there is a question 'cautious' already"): register(cautious, QUESTIONS[cautious])
    assert register(cautious, QUESTIONS[cautious], replace=True) is QUESTIONS[cautious]
    with pytest.raises(ValueError, match=r"uses \['colour'\]: Ask has no such fields"): register('x', Question('?', uses=('colour',)))
    with pytest.raises(ValueError, match='choose one of prior, target, improve, best, cautious'): ask(r.model, torch.zeros(1,r.model.arch.S), 'worst')

def test_settings_of_its_own(cautious, run):
    "Keywords of its functions: c moves the answer, its default does not, a name or value that is wrong is refused with the list."
    asked = lambda **kw: ask(run.model, torch.zeros(2,run.model.arch.S), cautious, cfg=ask_of(cautious, dict(steps=5)|kw), gen=generator(0))[0].lsd
    assert may_set(cautious)==dict(lam=float, steps=int, lr=float, stop=float, starts=int, stored=bool, c=float)
    assert may_set('target')==dict(target=float, width=float, steps=int, lr=float, stop=float, starts=int, stored=bool)
    assert torch.equal(asked(), asked(c=2.)) and not torch.equal(asked(), asked(c=40.))
    with pytest.raises(ValueError, match='it looks at c, lam, lr, starts, steps, stop, stored'): ask_of(cautious, dict(d=1.))
    with pytest.raises(ValueError, match="'best' has no such setting of its own; it has none"): ask(run.model, torch.zeros(1,run.model.arch.S), 'best', cfg=Ask(own=dict(c=1.)))
    with pytest.raises(ValueError, match='Ask.c=nan: must be finite'): ask_of(cautious, dict(c=float('nan')))
    with pytest.raises(ValueError, match=r"its own \['lam'\]: Ask has such fields"): register('x', Question('?', objective=lambda a,b,c,d,e,f,lam=1.: 0))

def test_a_goal_has_settings_of_its_own(cautious, monkeypatch):
    q = Question('?', goal=lambda n,y,cfg,gen,p=.5: torch.full((n,),p))
    monkeypatch.setitem(QUESTIONS, 'mine', q)
    assert q.own==dict(p=.5) and question_of('mine', Ask(own=dict(p=.25))).goal(1,None,None,None)==.25 and question_of('mine').goal is q.goal

@pytest.mark.parametrize('M', [1,3])
def test_average_is_the_mean_action_of_its_plans(data, M):
    "First step: eight policies of one plan each, their actions averaged, clipped as one."
    r = new_run(data, Arch.tiny(3, 2, M=M), Fit.tiny()); q = Posterior(torch.randn(5,r.model.arch.K,r.model.arch.E), torch.zeros(5,r.model.arch.K,r.model.arch.E))
    s0 = torch.randn(5,r.model.arch.S); many = PlanPolicy(r.model, lambda s: (q,dict(target=None)), 'average', seed=3, plans=8); many.reset(s0)
    eps = many.eps.unflatten(0, (8,5)); rows = torch.arange(5); each = []
    for e in eps:
        one = PlanPolicy(r.model, lambda s: (Posterior(e,q.lsd),dict(target=None)), 'mu'); one.reset(s0); each.append(one(s0, rows))
    assert torch.allclose(many(s0, rows), torch.stack(each).mean(0), atol=1e-5) and eps.std(0).min()>0
    assert torch.allclose(many.predicted, torch.stack([r.model.expected_return(r.model.plan(s0,e)) for e in eps]).mean(0), atol=1e-4)

@pytest.mark.parametrize('M', [1,3])
def test_average_follows_episodes_that_end(data, M):
    "What is left acts as if it had been alone from the start, and so do plans handed to another process."
    r = new_run(data, Arch.tiny(3, 2, M=M), Fit.tiny()); K, E, S = r.model.arch.K, r.model.arch.E, r.model.arch.S
    q = Posterior(torch.randn(4,K,E), torch.zeros(4,K,E)); s = torch.randn(6,4,S)
    def policy(): return PlanPolicy(r.model, lambda s0: (q,dict(target=None)), 'average', low=-torch.ones(r.model.arch.A), high=torch.ones(r.model.arch.A), plans=3)
    whole = policy(); whole.reset(s[0]); part = whole.part(torch.tensor([1,3])); part.reset(s[0][[1,3]])
    for t in range(6):
        left = torch.arange(4) if t<2 else torch.tensor([1,2,3]) if t<4 else torch.tensor([1,3])
        a, b = whole(s[t][left], left), part(s[t][[1,3]], torch.arange(2))
        assert torch.allclose(a[torch.isin(left, torch.tensor([1,3]))], b, atol=1e-5)

def test_average_of_no_plans():
    with pytest.raises(ValueError, match='plans=0'): PlanPolicy(None, None, 'average', plans=0)

def test_an_objective_that_is_not_finite_is_named():
    "Whether or not the climb may stop early; a policy would be blamed for it otherwise."
    def torn(model, s0, q, noise, goal, cfg): return (q.mu-9).log().sum((1,2))
    register('torn', Question('what is no number?', ('lam','steps','stop'), torn))
    try:
        for stop in (0.,1e-3):
            with pytest.raises(ValueError, match="'torn': its objective is nan at the plans found"):
                ask(Linear([[1.,2.]]), torch.zeros(3,1), 'torn', cfg=Ask(stop=stop, steps=20))
    finally: del QUESTIONS['torn']

def test_several_answers_have_a_start_each():
    "One hill each, in order of the return of the start; a single answer is that of the higher hill."
    hills, far = Hills(), torch.tensor([-2.5,2.5,-2.5])[:,None,None]
    seen = torch.tensor([5.,3.,1.]), Posterior(far, torch.full_like(far, -1.))
    put = Ask(lam=.01, steps=150, starts=3)
    q,info = ask(hills, torch.zeros(4,1), 'best', cfg=put, seen=seen, answers=2)
    assert len(q)==8 and (q.mu[:4]<-2).all() and (q.mu[4:]>2).all() and info['target'] is None
    one,_ = ask(hills, torch.zeros(4,1), 'best', cfg=put, seen=seen)
    assert (one.mu>2).all()
    more,_ = ask(hills, torch.zeros(1,1), 'best', cfg=put, seen=seen, answers=5) # more than there are: from the first again
    assert more.mu.flatten().sign().tolist()==[-1,1,-1,-1,1]

def test_several_answers_to_a_target_aim_at_it():
    oracle, goal = Linear([[2.]]), torch.tensor([.5,-1.])
    q,info = ask(oracle, torch.zeros(2,1), 'target', cfg=Ask(steps=1500), goal=goal, answers=3)
    mean,_ = oracle.posterior(goal)
    assert torch.equal(info['target'], goal) and torch.allclose(q.mu.view(3,2), mean.view(1,2).expand(3,2), atol=.05)

@pytest.mark.parametrize('question', ['best','target','prior'])
def test_acting_on_answers_is_the_mean_action_of_each(run, data, question):
    pol = PlanPolicy(run.model, asker(run, question, FAST), 'answers', seed=3, plans=3)
    pol.reset(data.s0[:5])
    assert len(pol.q)==15 and torch.allclose(pol.kl, pol.q.kl().view(3,5).mean(0)) and len(pol.kl)==len(pol.predicted)==5
    noise = torch.randn(15, *pol.q.mu.shape[1:], generator=generator(3))
    assert torch.equal(pol.eps, pol.q.at(noise))
    rows, each = torch.arange(5), []
    for e in pol.eps.unflatten(0, (3,5)):
        one = PlanPolicy(run.model, lambda s: (Posterior(e,torch.zeros_like(e)),dict(target=None)), 'mu')
        one.reset(data.s0[:5])
        each.append(one(data.s0[:5], rows))
    assert torch.allclose(pol(data.s0[:5], rows), torch.stack(each).mean(0), atol=1e-5)

def test_an_answer_far_below_the_best_gives_its_place_to_the_others():
    "For each state: what lies within five nats of the best stands, in turn."
    reached = torch.tensor([[9.,1.],[3.,2.],[5.,9.],[4.,8.]]) # four answers, two states
    assert query._near(reached.flatten(), 4).tolist()==[0,5,4,7,6,5,0,7]
    alone = torch.tensor([0.,20.,3.])
    assert query._near(alone, 3).tolist()==[1,1,1]
    hills, far = Hills(), torch.tensor([-2.5,2.5])[:,None,None]
    put, seen = Ask(lam=.01, steps=150, starts=2), (torch.tensor([5.,3.]), Posterior(far, torch.full_like(far, -1.)))
    hills.head.lsd = torch.tensor(math.log(.1)) # the hills are ten nats apart now
    try: q,_ = ask(hills, torch.zeros(2,1), 'best', cfg=put, seen=seen, answers=2)
    finally: Hills.head.lsd = torch.tensor(0.)
    assert (q.mu>2).all()

# ---- what may be registered, and how it is set

@pytest.mark.parametrize('name', ['a/b', '../up', '', 'two words', '-x', 'a\nb', 'x'*101, None, 3])
def test_a_question_has_a_name_that_can_be_typed(name):
    with pytest.raises(ValueError, match='a question called .*letters, digits'): register(name, Question('?'))
    assert name not in QUESTIONS

@pytest.mark.parametrize('question,says', [
    (3, 'is no `Question`'), (Question('?', objective='x'), "its objective is 'x': a function of .model, s0, q, noise, goal, cfg. is needed"),
    (Question('?', objective=lambda model, s0, q: 0), 'its objective takes .model, s0, q., and is called with 6 arguments'),
    (Question('?', objective=lambda a,b,c,d,e,f,g: 0), 'its objective takes .*missing a required argument'), (Question('?', objective=lambda *a, c: 0), "its objective takes .*'c'"),
    (Question('?', goal=7.), "its goal is '7.0': a function of .n, y, cfg, gen. is needed"), (Question('?', goal=lambda n,y: y), 'its goal takes .n, y., and is called with 4 arguments')])
def test_a_question_can_be_called(question, says):
    with pytest.raises(ValueError, match=f"mine.*{says}"): register('mine', question)
    assert 'mine' not in QUESTIONS

@pytest.mark.parametrize('name,question', [('best-2', Question('?')), ('gut+', Question('?', objective=lambda *a: 0)), ('übung.1', Question('?', objective=lambda a,b,c,d,e,f,g=1: 0, goal=max))])
def test_what_can_be_called_is_registered(name, question):
    try: assert register(name, question) is question
    finally: QUESTIONS.pop(name, None)

@pytest.mark.parametrize('kw,says', [(dict(lam='x'),'lam=.x.: must be a number'), (dict(steps=1.5),'steps=1.5: must be a whole number'), (dict(quantile='a'),'quantile=.a.: must lie between'),
    (dict(lr=0),'lr=0: must be positive'), (dict(width='x'),'width=.x.: must be a number'), (dict(target=True),'target=True: must be a number'), (dict(steps=None),'steps=None: must be a whole number')])
def test_settings_of_another_type(kw, says):
    with pytest.raises(ValueError, match=f'Ask.{says}'): Ask(**kw)

def test_settings_of_its_own_have_types(cautious):
    with pytest.raises(ValueError, match=r"cautious\(c='x'\): a number is needed"): ask_of(cautious, dict(c='x'))
    assert ask_of(cautious, dict(c=3)).own==dict(c=3)
