"Temporal differences: what is paid, losses against d3rlpy's, transitions, files."
import json
from dataclasses import dataclass
import pytest
import torch
from gac.baselines.td import (CQL, IQL, LEARNERS, TD3BC, Batch, Cfg, Squashed, Told, fit, load_td, load_policy, paid, save_policy,
                              settings_of, transitions)
from gac.core import Trajectories
from gac.envs import PointMass, point_mass_data

def test_a_time_out_is_paid():
    "Each episode is paid its whole return once, at its own last step, however it ended."
    tau = point_mass_data(50)
    r = paid(tau)
    assert (tau.n==30).any() and (tau.n<30).any()
    for k,(i,n) in enumerate(zip(tau.a_at.tolist(), tau.n.tolist())):
        assert r[i+n-1]==tau.y[k] and (r[i:i+n-1]==0).all()

@pytest.mark.parametrize('bad,text', [
    (lambda r: r[:-1], r'shape \(\d+,\); one for each of the'), (lambda r: r[:,None], 'shape'), (lambda r: r*2, 'trajectory 0 add up'),
    (lambda r: torch.where(torch.arange(len(r))==3, torch.nan, r), 'trajectory 0')])
def test_wrong_rewards(bad, text):
    tau = point_mass_data(10)
    with pytest.raises(ValueError, match=text): paid(tau, bad(paid(tau)))

def test_policy_files(tmp_path):
    path = save_policy(tmp_path/'a'/'p.safetensors', dict(w=torch.eye(3).T[:,:2]), method='IQL', gamma=.999)
    state, meta = load_policy(path, 'IQL')
    assert torch.equal(state['w'], torch.eye(3)[:,:2]) and meta['gamma']==.999 and 'torch' in meta['versions']
    with pytest.raises(ValueError, match="'IQL', not of 'CQL'"): load_policy(path, 'CQL')
    with pytest.raises(FileNotFoundError, match='no policy'): load_policy(tmp_path/'b', 'CQL')
    (tmp_path/'c').write_bytes(b'x'*40)
    with pytest.raises(ValueError, match='not a readable safetensors'): load_policy(tmp_path/'c', 'CQL')

# ---- The reference

KINDS = dict(TD3BC=TD3BC, IQL=IQL, CQL=CQL)

@pytest.fixture(scope='module')
def oracle(root): return json.loads((root/'tests'/'oracles'/'d3rlpy.json').read_text())

def learner_of(oracle, name, **kw):
    "Ours with the reference's weights; its batch; its noise."
    cfg = KINDS[name](width=oracle['width'], gamma=oracle['gamma'], **kw)
    ours = LEARNERS[type(cfg)](3, 2, cfg)
    ours.load_state_dict({k: torch.tensor(v) for k,v in oracle[name]['state'].items()})
    noise = {k: torch.tensor(v) for k,v in oracle[name]['noise'].items()}
    return ours, Batch(**{k: torch.tensor(v) for k,v in oracle['batch'].items()}), noise

def losses(name, ours, b, noise):
    if name=='TD3BC': return dict(critic=ours.critic_loss(b, noise['noise']), actor=ours.actor_loss(b))
    if name=='IQL': return dict(critic=ours.critic_loss(b), value=ours.value_loss(b), actor=ours.actor_loss(b))
    gap = ours.gap(b, noise['here'], noise['there'], noise['flat'])
    return dict(td=ours.td_loss(b), gap=gap, actor=ours.actor_loss(b, noise['noise']))

@pytest.mark.parametrize('name', KINDS)
def test_losses_are_the_references(oracle, name):
    "Same weights, same batch, same noise: d3rlpy 2.8.1 to 1e-6 of the loss."
    assert oracle['d3rlpy']=='2.8.1'
    got, want = losses(name, *learner_of(oracle, name)), oracle[name]['losses']
    assert got.keys()==want.keys()
    for k,v in got.items(): assert float(v.detach())==pytest.approx(want[k], rel=1e-6, abs=1e-6), k

@pytest.mark.parametrize('name,kw', [('TD3BC',dict(alpha=2.)), ('IQL',dict(expectile=.8)), ('IQL',dict(beta=2.))])
def test_another_setting_is_another_loss(oracle, name, kw):
    got, want = losses(name, *learner_of(oracle, name, **kw)), oracle[name]['losses']
    assert any(abs(float(v.detach())-want[k])>1e-3 for k,v in got.items())

def test_temperature_falls_while_entropy_is_high(oracle):
    "The gradient with respect to the log temperature is -temp·E[log π - A]."
    ours, b, noise = learner_of(oracle, 'CQL')
    logp = ours.actor.sample(b.s, noise['noise'])[1].detach()
    g, = torch.autograd.grad(ours.temp_loss(b, noise['noise']), [ours.temp.log])
    assert torch.allclose(g, -ours.temp().detach()*(logp-2).mean(), atol=1e-6)

def test_density_of_a_squashed_gaussian():
    "It integrates to one over the actions, and its samples follow it."
    pi = Squashed(1, 1, 8)
    s, u = torch.zeros(40_001, 1), torch.linspace(-12, 12, 40_001)[:,None]
    mu, lsd = pi.both(s)
    a, logp = pi.sample(s, (u-mu)/lsd.exp())
    assert float(torch.trapezoid(logp.double().exp().detach(), a[:,0].double().detach()))==pytest.approx(1, abs=1e-3)

# ---- Training

def speeds(tau):
    of = torch.arange(len(tau)).repeat_interleave(tau.n)
    return PointMass.h*tau.s[torch.arange(len(of))+of+1,2]

def tiny(kind, **kw): return kind(**(dict(steps=6, width=8, batch=16, limit=30)|kw))

def test_transitions_meet_their_own_states():
    tau = point_mass_data(12)
    one = dict(s_mean=torch.zeros(3), s_std=torch.ones(3), a_max=torch.ones(2), scale=1.)
    b, j = transitions(tau, speeds(tau), tiny(IQL), one), 0
    for e,n in enumerate(tau.n.tolist()):
        assert torch.equal(b.s[j:j+n], tau[e].s[:-1]) and torch.equal(b.s1[j:j+n], tau[e].s[1:]) and torch.equal(b.a[j:j+n], tau[e].a)
        assert b.end[j:j+n].tolist()==[0.]*(n-1)+[float(n<30)]
        j += n
    assert torch.allclose(b.r, speeds(tau))

def test_a_return_at_the_end_is_learned_at_gamma_one():
    "One state, one action, one length: Q is the scaled return of the data, discounted by what is left."
    n, N, gamma = 3, 40, .9
    y = torch.tensor([0.,1.]).repeat(N//2)
    s = torch.arange(n+1.).repeat(N)[:,None]
    tau = Trajectories(s, torch.zeros(n*N,1), y, torch.full((N,),n), torch.ones(N, dtype=torch.bool), torch.arange(N))
    cfg = IQL(span=1., gamma=gamma, steps=300, width=16, batch=64, lr=1e-2, expectile=.5, follow=.1)
    pi = fit(tau, None, cfg)
    u = pi.units
    q = pi.learner.q((s[:n]-u['s_mean'])/u['s_std'], torch.zeros(n,1)).mean(0)
    assert torch.allclose(q, .5*gamma**torch.tensor([2.,1.,0.]), atol=.08)

@pytest.mark.parametrize('kind', KINDS.values())
def test_same_seed_same_policy_and_files(kind, tmp_path):
    tau = point_mass_data(20)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, c = (fit(tau, None, tiny(kind), k) for k in (0,0,1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(a(tau.s0), b(tau.s0)) and not torch.equal(a(tau.s0), c(tau.s0))
    again = load_td(a.save(tmp_path/'p.safetensors'), kind)
    assert torch.equal(again(tau.s0), a(tau.s0)) and again.learner.cfg==a.learner.cfg

@pytest.mark.parametrize('kind', KINDS.values())
def test_slow_copies_follow(kind):
    tau = point_mass_data(20)
    pi = fit(tau, speeds(tau), tiny(kind, follow=0.)).learner
    fast = fit(tau, speeds(tau), tiny(kind, follow=1., steps=5)).learner
    slow = [pi.q_slow.state_dict()[k] for k in pi.q.state_dict()]
    assert not any(torch.equal(x, y) for x,y in zip(slow, pi.q.state_dict().values()))
    assert all(torch.equal(x, y) for x,y in zip(fast.q_slow.state_dict().values(), fast.q.state_dict().values()))

def test_actions_of_any_range():
    tau = point_mass_data(20)
    wide = Trajectories(tau.s, 3*tau.a, tau.y, tau.n, tau.last, tau.key)
    a = fit(wide, None, tiny(TD3BC))(wide.s)
    assert (a.abs()<=wide.a.abs().amax(0)).all()

def test_bad_settings():
    with pytest.raises(ValueError, match='gamma=1.5'): IQL(gamma=1.5)
    with pytest.raises(ValueError, match='steps=0'): CQL(steps=0)
    with pytest.raises(ValueError, match='no learner for Cfg: use TD3BC'): fit(point_mass_data(3), None, Cfg())

@dataclass(frozen=True)
class Own:
    "Settings of a system of one's own."
    width:int|None=None
    lr:float|None=.1

def test_a_setting_that_may_be_none_is_read_back():
    got = settings_of(Told('f', dict(cfg=dict(width=3, lr=None))), Own)
    assert (got.width,got.lr)==(3,None)
    with pytest.raises(ValueError, match="f: its settings are none of Own.*width='x'.* is not of type int"): settings_of(Told('f', dict(cfg=dict(width='x'))), Own)
