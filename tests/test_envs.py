"Rollouts: one result, whatever the vector environment, the chunk or the company."
import pickle, subprocess, sys
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gac import envs
from gac.envs import (EpisodeError, PointMass, ReturnOnly, Skilled, best_action, best_return, make_env, point_mass_data, random_policy, rollout)

ID = 'gac/PointMass-v0'

def same(a, b): return all(torch.equal(getattr(a,k), getattr(b,k)) for k in ('s','a','y','n','last','key'))

def skilled(n): return Skilled(torch.linspace(0,1,n), seed=3)

class Planner:
    "Records what it is shown; acts by the plan it made for its row."
    def __init__(self): self.calls, self.rows = 0, []
    def reset(self, s0): self.calls += 1; self.s0 = s0; self.gas = s0[:,2]*2-1
    def __call__(self, s, rows):
        assert s.dtype==torch.float32 and rows.dtype==torch.int64 and s.shape==(len(rows),3)
        self.rows.append(rows.tolist())
        return torch.stack([self.gas[rows], -4*s[:,1]], 1)

@pytest.mark.parametrize('mode', list(AutoresetMode))
@pytest.mark.parametrize('lanes', [1,3,7,9])
def test_vector_point_mass(mode, lanes):
    n = 7
    vec = SyncVectorEnv([lambda: gym.make(ID)]*lanes, autoreset_mode=mode)
    assert same(rollout(vec, skilled(n), n, seed=5), rollout(ID, skilled(n), n, seed=5))
    vec.reset(); vec.close() # still the user's

@pytest.mark.parametrize('mode', list(AutoresetMode))
def test_vector_hopper(mode):
    act = random_policy('Hopper-v5', 1)
    vec = SyncVectorEnv([lambda: gym.make('Hopper-v5')]*3, autoreset_mode=mode)
    assert same(rollout(vec, act, 7), rollout('Hopper-v5', act, 7))

@pytest.mark.parametrize('mode', [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_vector_async(mode):
    vec = AsyncVectorEnv([PointMass]*2, autoreset_mode=mode)
    try: assert same(rollout(vec, skilled(5), 5), rollout(ID, skilled(5), 5))
    finally: vec.close()

def test_ways_to_name_an_environment():
    want = rollout(ID, skilled(5), 5)
    for env in (gym.spec(ID), PointMass, lambda: gym.make(ID)): assert same(rollout(env, skilled(5), 5), want)

def test_optimal_policy_reaches_formula():
    tau = rollout(ID, best_action, 50, seed=100)
    assert torch.allclose(tau.y, best_return(tau.s0), atol=1e-4) and (tau.n==PointMass.T).all()

def test_nothing_beats_the_formula():
    tau = point_mass_data(400, seed=2)
    assert (tau.y<best_return(tau.s0)).all()
    assert (tau.n<PointMass.T).float().mean()>.1 and (tau.n==PointMass.T).float().mean()>.1

def test_data_is_deterministic_and_seeds_differ():
    assert same(point_mass_data(20, 1), point_mass_data(20, 1))
    assert not set(point_mass_data(20, 0).key.tolist())&set(point_mass_data(20, 1).key.tolist())

def test_quality_is_checked():
    with pytest.raises(ValueError, match='quality'): point_mass_data(5, quality=(.5,2))

def test_chunks_present_global_rows_and_plan_once():
    p = Planner(); tau = rollout(ID, p, 130, seed=9)
    assert p.calls==1 and torch.equal(p.s0, tau.s0)
    assert sorted({r for rows in p.rows for r in rows})==list(range(130))
    assert max(map(len, p.rows))==100
    for i in (0,99,100,129):
        assert torch.allclose(tau[i].a[:,0], p.gas[i].expand(int(tau.n[i])))

def test_episode_depends_on_its_seed_alone():
    a, b = rollout(ID, best_action, 105, seed=0), rollout(ID, best_action, 5, seed=100)
    assert same(a[100:], b)

def test_executed_action_is_recorded():
    tau = rollout(ID, lambda s,rows: torch.full((len(s),2), 3.), 4)
    assert (tau.a==1).all() and tau.a.dtype==torch.float32

def test_states_are_float32_and_ends_known():
    tau = rollout('Hopper-v5', random_policy('Hopper-v5'), 3)
    assert tau.s.dtype==torch.float32 and tau.last.all()
    env = make_env('Hopper-v5'); env.reset(seed=1); total = 0.
    for a in tau[1].a.numpy(): s,r,end,cut,_ = env.step(a); total += r
    assert end and torch.equal(tau[1].s[-1], torch.tensor(s, dtype=torch.float32)) and abs(total-tau.y[1])<1e-4

class Big(PointMass):
    "Huge rewards that cancel: a float32 sum loses the small ones."
    def step(self, action):
        s,r,fell,out,info = super().step(action)
        return s, {1:1e9, 5:-1e9}.get(self.t, 1.), False, self.t>=5, info

def test_returns_are_summed_in_float64(): assert rollout(Big, best_action, 2).y.tolist()==[3,3]

def test_truncation():
    tau = rollout(lambda: gym.wrappers.TimeLimit(PointMass(), 4), best_action, 3)
    assert tau.n.tolist()==[4,4,4]

def test_policy_may_return_arrays_and_carry_gradients():
    w = torch.nn.Linear(3,2)
    assert len(rollout(ID, lambda s,rows: w(s), 2))==2
    assert len(rollout(ID, lambda s,rows: np.zeros((len(s),2)), 2))==2

def test_global_random_state_is_left_alone():
    torch.manual_seed(0); np.random.seed(0); a = torch.rand(1), np.random.rand()
    torch.manual_seed(0); np.random.seed(0); rollout(ID, random_policy(ID), 3); point_mass_data(3)
    assert (torch.rand(1), np.random.rand())==a

def test_progress_bar(capsys, monkeypatch):
    rollout(ID, best_action, 3, progress=True)
    assert not capsys.readouterr().err # over before a line is due
    monkeypatch.setattr('sys.stderr.isatty', lambda: True)
    rollout(ID, best_action, 3, progress=True)
    assert '3/3' in capsys.readouterr().err

class Endless(PointMass):
    def step(self, action): return *super().step(action)[:2], False, False, {}

@pytest.mark.parametrize('act,match', [
    (lambda s,r: torch.zeros(len(s),3), r'shape \(4, 3\) at step 0 of episodes 0 to 3'),
    (lambda s,r: torch.zeros(2), r'shape \(2,\)'),
    (lambda s,r: torch.where(r[:,None]==2, torch.nan, torch.zeros(len(s),2)), 'NaN at step 0 of episode 2')])
def test_bad_policies(act, match):
    with pytest.raises(ValueError, match=match): rollout(ID, act, 4)

def test_endless_episodes_are_stopped():
    with pytest.raises(ValueError, match='more than 50 steps'):
        for _ in envs._run(envs._List(Endless, 1), best_action, np.arange(1), 0, None, envs._Log(1), limit=50): pass

def test_bad_numbers():
    with pytest.raises(ValueError, match='n=0'): rollout(ID, best_action, 0)
    for seed in (-5, 2**31):
        with pytest.raises(ValueError, match=f'seed={seed}'): rollout(ID, best_action, 3, seed)

# ---- What an environment may return

class Odd(PointMass):
    "Right for three steps in episode 2, then what `odd` makes of it."
    def step(self, action):
        out = super().step(action)
        return self.odd(*out) if self.np_random_seed==12 and self.t==4 else out

def bad(**changes):
    names = ('s','r','fell','out','info')
    def odd(self, *out): return tuple(changes.get(k, v) for k,v in zip(names, out))
    return type('Odd', (Odd,), dict(odd=odd))

@pytest.mark.parametrize('changes,says', [
    (dict(r=float('nan')), 'reward nan'), (dict(r=float('inf')), 'reward inf'), (dict(r=np.array([1.])), 'reward is an array'),
    (dict(r=np.ones((2,1))), 'reward is an array'), (dict(r=None), 'TypeError'), (dict(r=1j), 'TypeError'),
    (dict(fell=np.array([True])), 'terminated is an array'), (dict(out=[False]), 'truncated is an array'),
    (dict(fell=.5), 'terminated is 0.5'), (dict(out=-1), 'truncated -1'), (dict(fell=float('nan')), 'terminated is nan'), (dict(fell=None), 'terminated is None'),
    (dict(s=np.array([0,np.nan,0], np.float32)), 'observation .*nan'), (dict(s=np.array([0,1e39,0])), 'observation .*inf'),
    (dict(s=np.zeros(4)), r'shape \(4,\)'), (dict(s=np.zeros((3,1))), r'shape \(3, 1\)'), (dict(s=None), r'shape \(\)')])
def test_what_is_refused_in_data_is_refused_in_a_rollout(changes, says):
    with pytest.raises(EpisodeError, match=rf'episode 2 \(seed 12\) failed at step 3: .*{says}') as e: rollout(bad(**changes), best_action, 4, seed=10)
    assert e.value.tau is None and not len(e.value.rows)

@pytest.mark.parametrize('changes', [dict(r=np.float64(2)), dict(r=np.array(2)), dict(r=2), dict(r=True), dict(fell=np.bool_(True)), dict(fell=1)])
def test_single_values_of_any_kind_are_taken(changes):
    tau = rollout(bad(**changes), best_action, 4, seed=10)
    assert len(tau)==4 and tau.y.isfinite().all()

def test_returns_beyond_float32_are_refused():
    class Rich(PointMass):
        def step(self, action): return *super().step(action)[:1], 3e38, False, self.t>=5, {}
    with pytest.raises(EpisodeError, match=r'episode 0 \(seed 0\) failed at step 1: OverflowError'): rollout(Rich, best_action, 2)

def test_a_vector_environment_is_looked_at_too():
    with pytest.raises(EpisodeError, match=r'episode 2 \(seed 12\) failed at step 3: .*reward nan'): rollout(SyncVectorEnv([bad(r=float('nan'))]*4), best_action, 4, seed=10)

class Down(PointMass):
    def reset(self, *, seed=None, options=None):
        if seed==3: raise ConnectionResetError('simulator gone\nagain')
        if seed==7: sys.exit(1)
        return super().reset(seed=seed)

@pytest.mark.parametrize('policy', [best_action, Planner()], ids=['no plan','plan'])
def test_a_simulator_that_dies_in_reset(policy):
    with pytest.raises(EpisodeError, match=r'episode 3 \(seed 3\) failed at step 0: ConnectionResetError: simulator gone again') as e: rollout(Down, policy, 5)
    assert '\n' not in str(e.value)
    with pytest.raises(EpisodeError, match='seed 4.*step 0: SystemExit'): rollout(Down, policy, 5, seed=4)

def test_episodes_of_earlier_chunks_are_kept():
    class Late(PointMass):
        def reset(self, *, seed=None, options=None):
            if seed==104: raise OSError('no licence')
            return super().reset(seed=seed)
    with pytest.raises(EpisodeError, match=r'episode 104 .*100 episodes are kept') as e: rollout(Late, best_action, 110)
    assert same(e.value.tau, rollout(ID, best_action, 100)) and e.value.rows.tolist()==list(range(100))

# ---- Choices and dictionaries

def lean(s, rows): return torch.stack([-s[:,2]-s[:,3], s[:,2]+s[:,3]], 1)

def test_choices_are_recorded_as_they_were_executed():
    tau = rollout('CartPole-v1', lean, 5, seed=3)
    assert tau.a.shape[1]==2 and set(tau.a.unique().tolist())=={0,1} and (tau.a.sum(1)==1).all()
    world = gym.make('CartPole-v1'); s,_ = world.reset(seed=4); total, i = 0., 0
    for a in tau[1].a: s,r,fell,out,_ = world.step(int(a.argmax())); total += r
    assert (fell or out) and total==tau.y[1] and np.array_equal(s, tau[1].s[-1].numpy())

def test_the_world_may_be_wrapped_further():
    tau = rollout(lambda: ReturnOnly(make_env('CartPole-v1')), lean, 3)
    assert same(tau, rollout('CartPole-v1', lean, 3))

def test_random_choices():
    tau = rollout('CartPole-v1', random_policy('CartPole-v1'), 20)
    assert .3<tau.a[:,0].mean()<.7

def test_a_failure_can_be_sent_to_another_process():
    tau = point_mass_data(2, 0); e = pickle.loads(pickle.dumps(envs.EpisodeError('link lost', tau, np.array([0,2]))))
    assert type(e) is envs.EpisodeError and str(e)=='link lost' and same(e.tau, tau) and e.rows.tolist()==[0,2]

def test_random_policy():
    a, b = rollout(ID, random_policy(ID,0), 8), rollout(ID, random_policy(ID,1), 8)
    assert not torch.equal(a.a[:4], b.a[:4]) and a.a.min()<-.5 and a.a.max()>.5
    act = random_policy(ID)
    assert same(rollout(ID, act, 4), rollout(ID, act, 4))

def test_return_only_on_hopper():
    act = random_policy('Hopper-v5')
    a, b = rollout('Hopper-v5', act, 5), rollout(lambda: ReturnOnly(gym.make('Hopper-v5')), act, 5)
    assert torch.equal(a.s, b.s) and torch.allclose(a.y, b.y)
    env, rewards, end = ReturnOnly(gym.make('Hopper-v5')), [], False
    for _ in range(2):
        env.reset(seed=0); rewards, end = [], False
        while not end:
            _,r,fell,out,_ = env.step(a[0].a[len(rewards)].numpy()); rewards.append(r); end = fell or out
        assert set(rewards[:-1])=={0.} and abs(rewards[-1]-a.y[0])<1e-4

def test_import_registers():
    code = "import gac.envs, gymnasium; print(gymnasium.make('gac/PointMass-v0').spec.to_json())"
    out = subprocess.run([sys.executable,'-c',code], capture_output=True, text=True)
    assert 'gac.envs:PointMass' in out.stdout, out.stderr
