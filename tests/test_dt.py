"Decision Transformers: no leak at any step, windows at the ends, targets while acting, files."
import json
import pytest
import torch
from gac.baselines.dt import Cfg, Exploring, Net, Noisy, batch, fit, fit_qdt, load_dt, paid_before, relabel, returns_to_go, named_targets
from gac.baselines.td import IQL, paid
from gac.core import Trajectories
from gac.envs import PointMass, point_mass_data, rollout

def speeds(tau):
    "Rewards of `PointMass`, read off its states."
    of = torch.arange(len(tau)).repeat_interleave(tau.n)
    return PointMass.h*tau.s[torch.arange(len(of))+of+1,2]

def inputs(B, M, S=3, A=2, seed=0):
    gen = torch.Generator().manual_seed(seed)
    g, s, a = (torch.randn(sh, generator=gen) for sh in ((B,M), (B,M,S), (B,M,A)))
    return g, s, a, torch.arange(M).expand(B,M), torch.ones(B, M, dtype=torch.bool)

@pytest.mark.parametrize('heads,layers', [(1,1), (2,3)])
def test_no_leak_at_any_step(heads, layers):
    net, (g,s,a,t,real) = Net(3, 2, Cfg.tiny(heads=heads, layers=layers, M=5), 9), inputs(1, 5)
    for x in (g,s,a): x.requires_grad_()
    for k in range(5):
        dg, ds, da = torch.autograd.grad(net(g,s,a,t,real)[0,k].sum(), (g,s,a))
        assert dg[0,k+1:].abs().sum()==0 and ds[0,k+1:].abs().sum()==0 and da[0,k:].abs().sum()==0
        assert (dg[0,:k+1]!=0).all() and (ds[0,:k+1]!=0).all() and (da[0,:k]!=0).all()

def test_what_lies_before_the_episode_is_not_seen():
    net, (g,s,a,t,real) = Net(3, 2, Cfg.tiny(layers=2, M=5), 9), inputs(4, 5)
    real = torch.arange(5)>=torch.tensor([0,1,3,4])[:,None]
    want = net(g,s,a,t,real)
    other = net(torch.where(real,g,9.), torch.where(real[...,None],s,9.), torch.where(real[...,None],a,9.), t, real)
    assert torch.allclose(want[real], other[real], atol=1e-6)
    assert torch.allclose(net.last(g,s,a,t,real), want[:,-1], atol=1e-6)

def test_returns_to_go_by_loops():
    tau = point_mass_data(30)
    for r in (paid(tau), speeds(tau)):
        want, i = [], 0
        for n in tau.n.tolist():
            want += [float(r[i+t:i+n].double().sum()) for t in range(n)]
            i += n
        assert torch.allclose(returns_to_go(tau, r), torch.tensor(want), atol=1e-4)
    assert torch.equal(returns_to_go(tau, paid(tau)).round(decimals=3), tau.y.repeat_interleave(tau.n).round(decimals=3))

@pytest.mark.parametrize('M', [1,2,7,50])
def test_windows_end_where_they_should(M):
    "Every step of every episode, against slices."
    tau = point_mass_data(12)
    g = torch.arange(float(len(tau.a)))
    g_w, s, a, t, real = batch(tau, g, torch.arange(len(tau.a)), M)
    j = 0
    for e,n in enumerate(tau.n.tolist()):
        one = tau[e]
        for k in range(n):
            m = min(M, k+1)
            assert real[j].tolist()==[False]*(M-m)+[True]*m and t[j,-m:].tolist()==list(range(k+1-m, k+1))
            assert torch.equal(s[j,-m:], one.s[k+1-m:k+1]) and torch.equal(a[j,-m:], one.a[k+1-m:k+1])
            assert torch.equal(g_w[j,-m:], g[tau.a_at[e]+k+1-m:tau.a_at[e]+k+1])
            j += 1

@pytest.mark.parametrize('stepwise', [False,True])
def test_acting_is_the_network_on_the_episode_so_far(stepwise):
    "What the policy did, repeated from its own rollout; the reward lowers the return-to-go only in the step-wise setting."
    data = point_mass_data(20)
    pi = fit(data, speeds(data) if stepwise else None, Cfg.tiny(M=4, steps=20)).aim(9.)
    tau, M = rollout('gac/PointMass-v0', pi, 5, 40), 4
    g = 9.-(tau.y.repeat_interleave(tau.n)-returns_to_go(tau, speeds(tau)) if stepwise else 0.)
    g = g if stepwise else torch.full((len(tau.a),), 9.)
    with torch.no_grad(): a = pi.net.last(*batch(tau, g, torch.arange(len(tau.a)), M))
    assert torch.allclose(a.clamp(-1,1), tau.a, atol=1e-4)

def test_episodes_do_not_mix():
    "Episode i is the same whoever plays beside it."
    pi = fit(point_mass_data(20), None, Cfg.tiny(steps=20))
    many, one = rollout('gac/PointMass-v0', pi, 6, 7), rollout('gac/PointMass-v0', pi, 1, 10)
    assert torch.allclose(many[3].a, one.a, atol=1e-5)

def test_an_exploring_policy_can_aim_anew():
    "It is of the same kind, draws on, and leaves the one it came from as it was."
    pi = Exploring(fit(point_mass_data(20), None, Cfg.tiny(steps=2, noisy=True)), 3., 0)
    new = pi.aim(4)
    assert isinstance(new, Exploring) and new.gen is pi.gen and new.net is pi.net and (new.target,pi.target)==(4.,3.)

@pytest.mark.parametrize('stepwise', [False,True])
def test_saved_and_loaded(tmp_path, stepwise):
    tau = point_mass_data(20)
    pi = fit(tau, speeds(tau) if stepwise else None, Cfg.tiny(steps=5)).aim(3.5)
    again = load_dt(pi.save(tmp_path/'p.safetensors'))
    a, b = (rollout('gac/PointMass-v0', p, 4) for p in (pi,again))
    assert torch.equal(a.a, b.a) and (again.target,again.stepwise,again.cfg)==(3.5,stepwise,pi.cfg)

def test_same_seed_same_policy():
    tau = point_mass_data(20)
    a, b, c = (fit(tau, None, Cfg.tiny(steps=5), k).net.state_dict() for k in (0,0,1))
    assert all(torch.equal(a[k], b[k]) for k in a) and not torch.equal(a['out.weight'], c['out.weight'])

def test_actions_beyond_one_can_be_reached():
    tau = point_mass_data(20)
    wide = Trajectories(tau.s, 2*tau.a, tau.y, tau.n, tau.last, tau.key)
    assert torch.equal(fit(wide, None, Cfg.tiny(steps=1)).net.a_max, 2*tau.a.abs().amax(0).clamp(min=.5))

@pytest.mark.parametrize('kw,text', [(dict(D=30,heads=4),'D=30 is not divisible'), (dict(steps=0),'steps=0'), (dict(M=-1),'M=-1')])
def test_bad_settings(kw, text):
    with pytest.raises(ValueError, match=text): Cfg(**kw)

def test_targets():
    tau = point_mass_data(50)
    neg = Trajectories(tau.s, tau.a, tau.y-100, tau.n, tau.last, tau.key)
    for x in (tau,neg):
        t = named_targets(x)
        assert t['90 %']<t['best']<t['1.2 best'] and t['best']==float(x.y.max())

def test_actions_are_the_references(root):
    "d3rlpy's Decision Transformer on the same weights and windows, where these are inside the episode."
    ref = json.loads((root/'tests'/'oracles'/'d3rlpy.json').read_text())['DT']
    net = Net(3, 2, Cfg(**ref['sizes']), ref['longest'])
    missing, extra = net.load_state_dict({k: torch.tensor(v) for k,v in ref['state'].items()}, strict=False)
    assert not extra and set(missing)=={'s_mean','s_std','g_std','a_max'}
    x = {k: torch.tensor(v) for k,v in ref['inputs'].items()}
    want = torch.tensor(ref['actions'])
    assert torch.allclose(net(**x)[x['real']], want[x['real']], atol=1e-6)
    assert torch.allclose(net.last(*x.values()), want[:,-1], atol=1e-6)

# ---- QDT and ODT

def test_relabel_by_loops():
    tau = point_mass_data(15)
    v, r = torch.randn(len(tau.s), generator=torch.Generator().manual_seed(0))+5, speeds(tau)
    want = []
    for i,n in enumerate(tau.n.tolist()):
        g, one = 0., []
        for t in reversed(range(n)):
            g = float(r[tau.a_at[i]+t])+(max(g, float(v[tau.s_at[i]+t+1])) if t<n-1 else 0.)
            one.append(g)
        want += one[::-1]
    assert torch.allclose(relabel(tau, r, v), torch.tensor(want), atol=1e-4)

def test_windows_count_back_from_their_last_label():
    tau = point_mass_data(8)
    r = speeds(tau)
    g, i = relabel(tau, r, torch.full((len(tau.s),), 9.)), torch.tensor([0, 12, 40])
    left, *_, real = batch(tau, g, i, 5, paid_before(r))
    for row,k in enumerate(i.tolist()):
        want = [float(g[k])+float(r[k-back:k].sum()) for back in range(4,-1,-1)]
        got = left[row][real[row]]
        assert torch.allclose(got, torch.tensor(want)[-len(got):], atol=1e-4)

def test_qdt_is_dt_where_the_critic_expects_nothing():
    tau = point_mass_data(20)
    low = fit(tau, None, Cfg.tiny(steps=3), value=lambda s: torch.full((len(s),), -1e6))
    a, b = low.net.state_dict(), fit(tau, None, Cfg.tiny(steps=3)).net.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = fit_qdt(tau, None, Cfg.tiny(steps=3), critic=IQL.once(steps=3, width=8, batch=16, limit=30))
    assert rollout('gac/PointMass-v0', other, 2).a.isfinite().all()

def test_price_of_entropy_rises_below_the_floor():
    tau = point_mass_data(20)
    net = Noisy(3, 2, Cfg.tiny(noisy=True), 30)
    x = batch(tau, returns_to_go(tau, paid(tau)), torch.arange(40), 4)
    for bias,sign in ((-4.,-1), (0.,1)):
        net.lsd.weight.data.zero_()
        net.lsd.bias.data.fill_(bias)
        g, = torch.autograd.grad(net.loss(*x, torch.Generator().manual_seed(0)), [net.temp.log])
        assert sign*float(g)>0 # a step against the gradient raises the price where the entropy is below -A

def test_likelihood_finds_the_spread():
    "Actions with sd .3 around a tanh of nothing: the sd of the head is near it."
    gen = torch.Generator().manual_seed(0)
    a = torch.tanh(.3*torch.randn(4000, 1, generator=gen))
    tau = Trajectories(torch.zeros(4200,1), a, torch.zeros(200), torch.full((200,), 20), torch.ones(200, dtype=torch.bool), torch.arange(200))
    pi = fit(tau, None, Cfg.tiny(noisy=True, steps=200, lr=1e-2, M=2))
    with torch.no_grad(): mu, lsd = pi.net.both(pi.net.hidden(*batch(tau, torch.zeros(4000), torch.arange(50), 2)))
    assert abs(float(mu[:,-1].mean()))<.1 and .2<float(lsd[:,-1].exp().mean())<.6

def test_a_noisy_policy_from_its_file(tmp_path):
    pi = fit(point_mass_data(20), None, Cfg.tiny(noisy=True, steps=3))
    again = load_dt(pi.save(tmp_path/'p.safetensors'))
    a, b = (rollout('gac/PointMass-v0', p, 3).a for p in (pi,again))
    assert torch.equal(a, b) and again.cfg.noisy
