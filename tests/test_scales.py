"Scores against references, and the standardiser, by hand."
import numpy as np
import pytest
import torch
from gac.data import from_arrays
from gac.scales import Standardizer, denormalised, has_reference, normalised, reference
from toys.sets import SHIPPED, episodes

seeds = pytest.mark.parametrize('seed', range(4))

# ---- references

@pytest.mark.parametrize('env,lo,hi', [('Hopper-v5',-20.272305,3234.3), ('Walker2d-v5',1.629008,4592.3), ('HalfCheetah-v5',-280.178953,12135.0)])
def test_scores(env, lo, hi):
    assert reference(env)==(lo,hi) and has_reference(env)
    assert normalised(lo,env)==0 and normalised(hi,env)==pytest.approx(100) and denormalised(50,env)==pytest.approx((lo+hi)/2)
    x = torch.linspace(-500,5000,7); assert torch.allclose(denormalised(normalised(x,env),env), x, atol=1e-2)
    assert np.allclose(normalised(denormalised(np.arange(5.),env),env), np.arange(5.))

def test_scores_by_spec_or_set_name():
    import gymnasium as gym
    assert reference(gym.spec('Hopper-v5'))==reference('hopper')==reference(SHIPPED[0])
    assert not has_reference('Ant-v5')
    for f in (normalised, denormalised):
        with pytest.raises(ValueError, match="no reference scores for 'Ant-v5'.*hopper, walker2d, halfcheetah; report raw"): f(1., 'Ant-v5')

@pytest.mark.parametrize('name', ['HopperBulletEnv-v0','Walker2DBulletEnv-v0','bullet-hopper-medium-v0','dm_control/hopper-hop-v0','Grasshopper-v0','SafetyHopperVelocity-v1','hopper-hop','me/hopper/mine-v0','xhopper'])
def test_other_worlds_have_no_reference(name): assert not has_reference(name)

@pytest.mark.parametrize('name', ['Hopper-v2','Hopper-v5','walker2d','hopper-medium-v2','halfcheetah_full_replay-v2','mujoco/hopper/medium-v0','gac/walker2d/medium-replay-mini-v0','hopper-medium-expert'])
def test_known_families(name): assert has_reference(name)

# ---- Standardizer

@seeds
@pytest.mark.parametrize('kind', ('s','a','ds','y'))
def test_standardizer_and_back(seed, kind):
    tau = from_arrays(episodes(seed)); std = Standardizer.fit(tau)
    x = dict(s=tau.s, a=tau.a, ds=tau.s[1:]-tau.s[:-1], y=tau.y)[kind]
    assert torch.allclose(std.undo(kind, std.do(kind, x)), x, atol=1e-5) and torch.allclose(std.do(kind, std.undo(kind, x)), x, atol=1e-5)
    back = Standardizer.blank(3,1); back.load_state_dict(std.state_dict())
    assert torch.equal(back.do(kind, x), std.do(kind, x)) and not list(std.parameters())

@seeds
def test_standardizer_numbers_by_hand(seed):
    eps = episodes(seed); std = Standardizer.fit(from_arrays(eps))
    want = dict(s=np.concatenate([e['states'][:-1] for e in eps]), a=np.concatenate([e['actions'] for e in eps]),
                ds=np.concatenate([np.diff(e['states'],axis=0) for e in eps]), y=np.array([e['rewards'].sum() for e in eps]))
    for k,x in want.items():
        x = x.astype(np.float64)
        assert np.allclose(getattr(std,f'{k}_mean'), x.mean(0), atol=1e-5) and np.allclose(getattr(std,f'{k}_std'), x.std(0,ddof=1), atol=1e-5)

@seeds
def test_unknown_last_states_do_not_count(seed):
    eps = episodes(seed, N=7); drop = [i for i in range(7) if i%2]
    some = [e|dict(states=e['states'][:-1]) if i in drop else e for i,e in enumerate(eps)]
    std = Standardizer.fit(from_arrays(some))
    ds = np.concatenate([np.diff(e['states'],axis=0) for e in some]).astype(np.float64)
    assert np.allclose(std.ds_mean, ds.mean(0), atol=1e-5) and np.allclose(std.ds_std, ds.std(0,ddof=1), atol=1e-5)
    assert torch.equal(std.s_mean, Standardizer.fit(from_arrays(eps)).s_mean) # the state acted in is known all the same

@pytest.mark.parametrize('n', [1,3])
def test_standardizer_of_constants_is_finite(n):
    e = dict(states=np.full((n,3),2.), actions=np.zeros((n,1)), rewards=np.ones(n)) # one-step episodes have no known difference at all
    std = Standardizer.fit(from_arrays([e,e]))
    assert all(v.isfinite().all() for v in std.state_dict().values()) and (std.s_std==1).all() and std.y_std==1
    assert torch.equal(std.do('y', torch.tensor([float(n)])), torch.zeros(1))

def test_small_and_large_scales():
    gen = np.random.default_rng(0); f = lambda n,d: gen.normal(size=(n,d))
    scale = np.array([1e-9, 1., 1e9]); shift = np.array([0., 5., -3.])
    eps = [dict(states=f(21,3)*scale+shift, actions=1e-8*f(20,1), rewards=1e-7*f(20,1)) for _ in range(9)]
    std = Standardizer.fit(tau := from_arrays(eps))
    for k,x in dict(s=tau.s, a=tau.a, y=tau.y).items(): assert torch.allclose(std.do(k,x).std(0), torch.tensor(1.), rtol=.1)
    jitter = [e|dict(states=(1000+6.1e-5*gen.integers(0,2,(21,3))).astype('f4')) for e in eps] # one unit in the last place
    assert (Standardizer.fit(from_arrays(jitter)).s_std==1).all()
