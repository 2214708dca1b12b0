"PPO and SAC: who is paid when, what is kept, and what is said where the library is absent."
import random, sys
import gymnasium as gym
import numpy as np
import pytest
import torch
from gac.baselines import sb3
from gac.baselines.systems import SYSTEMS, settings
from gac.envs import rollout

def short(): return gym.make('gac/PointMass-v0', max_episode_steps=3)

@pytest.mark.parametrize('name', [n for n,s in SYSTEMS.items() if s.online])
def test_a_policy_comes_back_without_its_environment(name, tmp_path):
    pytest.importorskip('stable_baselines3')
    cfg = settings(name, 'return', env='gac/PointMass-v0', episodes=1, width=8, batch=16, **(dict(collect=32) if name=='PPO' else {}))
    assert cfg.gamma==.999 and settings(name, 'step').gamma==.99
    kept = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    policy = SYSTEMS[name].fit(None, None, cfg, 3)
    assert random.getstate()==kept[0] and (np.random.get_state()[1]==kept[1]).all() and torch.equal(torch.get_rng_state(), kept[2])
    again = SYSTEMS[name].load(policy.save(tmp_path/'p.safetensors'))
    assert 0<again.steps==policy.steps and again.cfg==policy.cfg
    a, b = (rollout('gac/PointMass-v0', p, 3, 5) for p in (policy,again))
    assert torch.equal(a.a, b.a) and a.a.abs().max()<=1
    with pytest.raises(ValueError, match='holds a policy of'): SYSTEMS['IQL'].load(tmp_path/'p.safetensors')

@pytest.mark.parametrize('stepwise', [True,False])
def test_a_time_out_is_the_end_where_the_return_is_paid(stepwise):
    "PPO's buffer adds the value of what follows to the last reward, but only where more would have come."
    pytest.importorskip('stable_baselines3')
    with sb3._apart(): made = sb3.learner(sb3.PPO(collect=9, batch=9, width=8), sb3.world_of(short, stepwise), 0).learn(9)
    rewards = made.rollout_buffer.rewards[:,0]
    sums, paid = rewards.reshape(3,3).sum(1), np.array([e['r'] for e in made.ep_info_buffer])
    assert bool(rewards[[0,1,3,4,6,7]].any())==stepwise and np.allclose(sums, paid, atol=1e-5)!=stepwise

def test_the_same_seed_gives_the_same_policy():
    pytest.importorskip('stable_baselines3')
    cfg = sb3.PPO('gac/PointMass-v0', 100, steps=64, collect=32, batch=32, width=8)
    a, b, c = (sb3.fit(None, True, cfg, seed)(torch.ones(2,3)) for seed in (0,0,1))
    assert torch.equal(a, b) and not torch.equal(a, c)

def test_the_library_is_named_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, 'stable_baselines3', None)
    with pytest.raises(ImportError, match=r"pip install 'generative-actor-critic\[baselines\]'"): sb3.fit(cfg=sb3.SAC('gac/PointMass-v0'))

def test_what_is_asked_for_is_checked_first():
    with pytest.raises(ValueError, match='name it, env='): sb3.fit(cfg=sb3.PPO())
    with pytest.raises(ValueError, match='no learner for None'): sb3.fit()
    with pytest.raises(ValueError, match='episodes=0'): sb3.SAC(episodes=0)
