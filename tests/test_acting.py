"Which plans are acted upon, for every way, and what a planner is asked for."
import math
import pytest
import torch
from gac.acting import ACTINGS, PLANS, PlanPolicy
from gac.core import Posterior, generator
from gac.query import Aside, Ask, Mixture, ask, asker, aside, crowd_of, evaluate, objective, seen_by, start
from gac.envs import point_mass_data
from gac.model import Arch
from gac.run import Fit, new_run
from gac.train import fit
from toys.runs import bare

ID = 'gac/PointMass-v0'

@pytest.fixture(scope='module')
def run():
    data = point_mass_data(32, seed=0)
    r = new_run(data, Arch.tiny(data.s.shape[1], data.a.shape[1]), Fit.tiny(iterations=12, seed=7), dataset='point mass', env=ID)
    fit(r, data, progress=False)
    return r

def policy(run, how, plans=PLANS, seed=3):
    asked = []
    def planner(s0, answers=1, stored=False):
        asked.append((answers,stored))
        q = Posterior.prior(answers*len(s0), run.model.arch.K, run.model.arch.E)
        return Posterior(q.mu+10.*stored, q.lsd-5), dict(target=None)
    planner.near = True
    pol = PlanPolicy(run.model, planner, how, seed, plans=plans)
    pol.reset(torch.zeros(4, run.model.arch.S))
    return pol, asked

@pytest.mark.parametrize('how,asked', [('mu',[(1,False)]), ('sample',[(1,False)]), ('average',[(1,False)]), ('answers',[(8,False)]), ('mixed',[(4,False),(4,True)])])
def test_what_a_planner_is_asked_for(run, how, asked):
    pol, got = policy(run, how)
    assert got==asked and len(pol.eps)==4*(1 if how in ('mu','sample') else 8) and set(ACTINGS)=={'mu','sample','average','answers','mixed'}
    assert pol.kl.shape==pol.predicted.shape==(4,)

def test_half_of_the_mixed_plans_are_near_the_data(run):
    pol,_ = policy(run, 'mixed')
    near = (pol.eps.flatten(1).mean(1)>5).view(8,4) # plan after plan
    assert not near[:4].any() and near[4:].all()
    odd,_ = policy(run, 'mixed', 5)
    assert (odd.eps.flatten(1).mean(1)>5).view(5,4).sum(0).tolist()==[2]*4
    with pytest.raises(ValueError, match="plans=1: 'mixed' takes the mean of at least 2"): policy(run, 'mixed', 1)

def test_mixed_is_four_answers_of_either_kind(run):
    s0, cfg = torch.randn(3, run.model.arch.S, generator=generator(0)), Ask(steps=5)
    pol = PlanPolicy(run.model, asker(run, 'best', cfg, 2), 'mixed', 2)
    pol.reset(s0)
    each = [ask(run.model, s0, 'best', run.y, Ask(steps=5, stored=k), generator(2), seen_by(run), answers=4)[0] for k in (False,True)]
    assert pol.q.mu.equal(torch.cat([q.mu for q in each])) and not each[0].mu.equal(each[1].mu)

def kept(run, how, cfg): # plan noise that is acted upon
    pol = PlanPolicy(run.model, asker(run, 'best', cfg, 2), how, 2)
    pol.reset(torch.randn(2, run.model.arch.S, generator=generator(0)))
    return pol.eps

def test_mixed_is_eight_of_one_kind_where_there_is_no_other(run):
    "Nothing of the data, or all of them near it."
    for r,cfg in ((bare(run),Ask(steps=5)), (run,Ask(steps=5, stored=True))):
        eps = kept(r, 'mixed', cfg)
        assert not asker(r, 'best', cfg).near and eps.equal(kept(r, 'answers', cfg))
        assert len({tuple(e.flatten().tolist()) for e in eps[::2]})==8
    rows = evaluate(bare(run), ID, 'best', 2, acting='mixed', cfg=Ask(steps=5))
    assert rows.achieved.notna().all()

def test_starts_are_not_the_prior(run):
    "Without starts a climb begins as an unmet episode does; the plans of the data are there all the same."
    cfg = Ask(steps=5, starts=0)
    assert asker(run, 'best', cfg).near and not kept(run, 'mixed', cfg).equal(kept(run, 'answers', cfg))
    s0 = torch.zeros(2, run.model.arch.S)
    assert ask(run.model, s0, 'prior', run.y, Ask(starts=0, stored=True), generator(0), seen_by(run))[0].mu.abs().sum()>0
    with pytest.raises(ValueError, match='no posteriors'): ask(run.model, s0, 'best', run.y, Ask(stored=True), seen=tuple(x[:0] for x in seen_by(run)))

def test_a_planner_need_not_know_of_stored(run):
    def planner(s0, answers=1): return Posterior.prior(answers*len(s0), run.model.arch.K, run.model.arch.E), dict(target=None)
    rows = evaluate(run, ID, 'best', 2, acting='mixed', planner=planner)
    assert rows.achieved.notna().all()

def test_starts_compete_by_the_kl_that_is_asked_for(run):
    "Of three starts one goes on. Two are alike and far from the prior: the data's plans are there, the prior is not."
    K, E = run.model.arch.K, run.model.arch.E
    mu = torch.tensor([6.,6.,0.])[:,None,None].expand(3,K,E)
    seen = torch.zeros(3), Posterior(mu, torch.full((3,K,E),-1.))
    def first(stored):
        cfg = Ask(steps=1, lr=1e-9, stored=stored, lam=500.)
        return start(run.model, torch.zeros(1,run.model.arch.S), 'best', None, cfg, generator(0), seen).mu[0]
    assert torch.allclose(first(True), mu[0]) and torch.allclose(first(False), mu[2], atol=1e-6)

# ---- the KL to the plans of the data

def test_a_mixture_is_a_density():
    q = Posterior(torch.randn(5,1,1, generator=generator(0)), torch.randn(5,1,1, generator=generator(1))/2)
    x = torch.linspace(-30, 30, 60_001)
    assert abs(float(Mixture.of(q).log_prob(x[:,None,None]).exp().sum()*(x[1]-x[0]))-1)<1e-3
    one = torch.distributions.Normal(q.mu.flatten(), q.lsd.exp().flatten()).log_prob(torch.tensor(.7))
    assert abs(float(Mixture.of(q).log_prob(torch.full((1,1,1),.7))-(one.logsumexp(0)-math.log(5))))<1e-5

def test_kl_to_a_single_posterior_is_the_known_one():
    p, q = Posterior(torch.full((1,2,3),.5), torch.full((1,2,3),-.3)), Posterior(torch.zeros(1,2,3), torch.full((1,2,3),-1.))
    normal = lambda x: torch.distributions.Normal(x.mu, x.lsd.exp())
    want = torch.distributions.kl_divergence(normal(q), normal(p)).sum()
    many, noise = q[torch.zeros(20_000, dtype=torch.long)], torch.randn(20_000,2,3, generator=generator(0))
    assert abs(float(aside(many, noise, Mixture.of(p)).kl().mean()-want))<.05
    assert aside(q, noise, None) is q and isinstance(aside(many, noise, Mixture.of(p)), Aside)

def test_a_climb_near_the_data_ends_nearer_to_it(run):
    y, q = seen_by(run)
    s0 = torch.zeros(6, run.model.arch.S)
    ends = [ask(run.model, s0, 'best', run.y, Ask(steps=60, stored=k), generator(0), (y,q))[0] for k in (False,True)]
    crowd = crowd_of(Ask(stored=True), (y,q))
    far = [-crowd.log_prob(e.mu).mean() for e in ends]
    assert far[1]<far[0] and ends[0].kl().mean()<ends[1].kl().mean()

def test_the_crowd_is_of_the_best(run):
    y, q = torch.arange(300.), Posterior(torch.arange(300.)[:,None,None], torch.zeros(300,1,1))
    crowd = crowd_of(Ask(stored=True), (y,q))
    assert len(crowd.at_0)==256 and sorted(crowd.shift.flatten().tolist())==list(range(44,300)) and crowd_of(Ask(), (y,q)) is None
    with pytest.raises(ValueError, match='no posteriors of the data'): objective(run.model, torch.zeros(1,3), 'best', None, Ask(stored=True))
