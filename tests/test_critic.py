"The critic never sees a return, and what it says of its own certainty is arithmetic."
import pytest
import torch
from dataclasses import replace
from gac.critic import Belief, coin_world, critic, cut, features, held_out, regression, rescaled, calibration_table, widen_to
from gac.core import Trajectories, generator, make_keys
from gac.model import Arch
from gac.run import Fit, new_run
from gac.train import fit

@pytest.fixture(scope='module')
def run():
    tau = coin_world(60)
    r = new_run(tau, Arch.tiny(1,1), Fit(iterations=5, batch=16, k=5), dataset='coin'); fit(r, tau, progress=False); return r

def test_returns_and_keys_are_not_looked_at(run):
    tau = coin_world(6, 3); n = len(run.store)
    a = critic(run.model, tau, 5, k=5, gen=generator(1))
    b = critic(run.model, replace(tau, y=tau.y+1000, key=tau.key+1), 5, k=5, gen=generator(1))
    assert torch.equal(a.mean,b.mean) and len(run.store)==n

@pytest.mark.parametrize('starts,draws', [(1,1),(2,8),(8,64)])
def test_shapes_and_seeds(run, starts, draws):
    tau = coin_world(4, 3)
    a,b = (critic(run.model, tau, 3, k=5, starts=starts, draws=draws, gen=generator(2)) for _ in range(2))
    assert a.mean.shape==(draws,4) and torch.equal(a.mean,b.mean) and (a.sd==run.model.sigma_y).all()

@pytest.mark.parametrize('kw', [dict(starts=0), dict(starts=8,draws=4)])
def test_bad_counts(run, kw):
    with pytest.raises(ValueError, match='starts='): critic(run.model, coin_world(2), 1, **kw)

def test_belief_is_a_density():
    b = Belief(torch.tensor([[0.,-3.],[4.,3.],[1.,0.]]), torch.tensor([.5,1.]))
    grid = torch.linspace(-20,20,20001); p = b.density(grid)
    assert torch.allclose(torch.trapezoid(p, grid, dim=1), torch.ones(2), atol=1e-4)
    assert torch.allclose(torch.trapezoid(p*grid, grid, dim=1), b.expected(), atol=1e-3)
    assert torch.allclose(torch.trapezoid(p*(grid-b.expected()[:,None])**2, grid, dim=1).sqrt(), b.spread(), atol=1e-3)
    for q in (.05,.5,.95): assert torch.allclose(b.cdf(b.quantile(q)), torch.full((2,),q), atol=1e-4)

def test_widen_to_finds_the_true_width():
    g = generator(0); y = 3*torch.randn(4000, generator=g)
    assert abs(widen_to(Belief(torch.zeros(1,4000), torch.ones(4000)), y)-3)<.25

def test_each_half_is_rescaled_by_the_other():
    g = generator(1)
    y = torch.randn(200, generator=g)
    y[1::2] *= 4
    b,f = rescaled(Belief(torch.zeros(1,200), torch.ones(200)), y)
    assert len(f.unique())==2 and f[0]>2.5*f[1] and torch.equal(b.sd, f)
    y[::2] = 100. # its own returns do not move a half's factor
    assert torch.equal(rescaled(Belief(torch.zeros(1,200), torch.ones(200)), y)[1][::2], f[::2])

@pytest.mark.parametrize('n', [0,1,60,61])
def test_held_out_refuses_before_it_trains(n, monkeypatch):
    monkeypatch.setattr('gac.critic.fit', lambda *a, **kw: pytest.fail('trained'))
    with pytest.raises(ValueError, match=f'n={n} of 60 trajectories'): held_out(coin_world(60), n=n)

def test_cut_keeps_a_step():
    with pytest.raises(ValueError, match='n=0 steps'): cut(coin_world(2), 0)

@pytest.mark.parametrize('n', [1,3,5,9])
def test_cut_keeps_the_first_steps(n):
    tau = coin_world(5); c = cut(tau, n); m = min(n,5)
    assert c.n.tolist()==[m]*5 and torch.equal(c.y,tau.y) and torch.equal(c.key,tau.key) and c.last.all()
    for i in range(5): assert torch.equal(c[i].s, tau[i].s[:m+1]) and torch.equal(c[i].a, tau[i].a[:m])

def test_regression_finds_a_line():
    tau = coin_world(200); y = features(tau)[:,1].float()*5+2 # the mean action
    m,sd = regression(replace(tau,y=y), tau, ridge=1e-6)
    assert torch.allclose(m,y,atol=1e-2) and sd<1e-2

def test_held_out_rows():
    d = held_out(coin_world(60), Arch.tiny(1,1), Fit(iterations=3, batch=16, k=5), 20, (2,), steps=3, starts=2, draws=4)
    assert len(d)==40 and d.groupby('cut').key.nunique().tolist()==[20,20] and d.score.notna().all()
    assert set(calibration_table(d).columns)>={'covers50','covers90','score','regression'}

# ---- an episode's length

def long_or_short(N=80, seed=0): # the return is the length; actions and states say nothing
    g = generator(seed); n = torch.randint(5, 60, (N,), generator=g)
    s,a = torch.randn(int(n.sum())+N,1,generator=g), torch.randn(int(n.sum()),1,generator=g)
    return Trajectories(s, a, n.float(), n, torch.ones(N,dtype=torch.bool), make_keys(s,a,n))

@pytest.fixture(scope='module', params=[False,True])
def told(request):
    tau = long_or_short()
    r = new_run(tau, Arch.tiny(1,1,length=request.param), Fit(iterations=60, batch=40, k=8, inner_steps=8, outer_lr=5e-3, draw='uniform'), dataset='long')
    fit(r, tau, progress=False); return request.param, r.model

def test_length_tells_the_return(told):
    length, model = told; test = long_or_short(40, 1)
    b = critic(model, test, 60, k=8, starts=4, draws=16, gen=generator(3))
    error, blind = (test.y-b.expected()).abs().mean(), (test.y-test.y.mean()).abs().mean()
    assert error<.3*blind if length else error>.7*blind

def test_cut_short_is_not_ended(told):
    length, model = told; test = long_or_short(40, 2); test = cut(test[(test.n>20).nonzero()[:,0]], 20)
    cutoff, over = (critic(model, test, 60, k=8, starts=4, draws=16, gen=generator(4), ended=e).expected().mean() for e in (torch.zeros(len(test),dtype=torch.bool), None))
    assert (cutoff>over+8) if length else torch.equal(cutoff, over)
