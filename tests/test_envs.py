"Rollouts: one result, whatever the vector environment, the chunk or the company."
import os, pickle, subprocess, sys
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gac import envs
from gac.envs import (PointMass, ReturnOnly, Skilled, best_action, best_return, check_spaces, make_env, pick_gl,
                      point_mass_data, random_policy, rollout, video)

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

def test_progress_bar(capsys):
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

def test_bad_environments(recwarn):
    with pytest.raises(ValueError, match='Nearest registered ids: Walker2d-v5'): make_env('Walker2-v5')
    with pytest.raises(ValueError, match='gymnasium-robotics.*Nearest registered ids: Hopper-v5'): make_env('Hopper-v3')
    with pytest.raises(ValueError, match='nowhere'): make_env('nowhere:Hopper-v5')
    with pytest.raises(TypeError, match='function that makes'): make_env(7)
    with pytest.raises(TypeError, match='function that makes'): make_env(lambda: 7)
    with pytest.raises(ValueError, match='more than 50 steps'):
        for _ in envs._run(envs._List(Endless, 1), best_action, np.arange(1), 0, None, envs._Log(1), limit=50): pass

def test_bad_spaces():
    with pytest.raises(ValueError, match=r'action space Discrete\(2\).*TransformAction'): rollout('CartPole-v1', best_action, 1)
    with pytest.raises(ValueError, match='S=11, A=3.*S=5, A=any'): check_spaces('Hopper-v5', S=5)
    with pytest.raises(ValueError, match='S=3, A=2.*A=1'): check_spaces(SyncVectorEnv([PointMass]), A=1)
    with pytest.raises(ValueError, match='n=0'): rollout(ID, best_action, 0)
    class Flat(PointMass):
        def __init__(self): super().__init__(); self.observation_space = gym.spaces.Box(0,1,(2,3))
    with pytest.raises(ValueError, match='observation space.*FlattenObservation'): rollout(Flat, best_action, 1)

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

@pytest.mark.parametrize('suffix', ['.mp4','.gif'])
def test_video_point_mass(tmp_path, suffix):
    import imageio.v2 as imageio
    p = video(ID, skilled(1), tmp_path/f'run{suffix}', max_steps=6)
    frames = imageio.mimread(p)
    assert len(frames)==6 and frames[0].shape[:2]==(160,480) and [f.name for f in tmp_path.iterdir()]==[p.name]
    assert np.abs(frames[0][...,:3].astype(int)-frames[-1][...,:3]).max()>50

def test_video_errors(tmp_path):
    with pytest.raises(ValueError, match="'.mp4' or|use .mp4 or .gif"): video(ID, best_action, tmp_path/'a.avi')
    with pytest.raises(ValueError, match='render_mode is None'): video(PointMass, best_action, tmp_path/'a.gif')
    video(lambda: PointMass('rgb_array'), best_action, tmp_path/'a.gif', max_steps=2)

def test_video_hopper(tmp_path):
    try: pick_gl()
    except RuntimeError as e: pytest.skip(str(e))
    assert video('Hopper-v5', random_policy('Hopper-v5'), tmp_path/'hop.mp4', max_steps=3).stat().st_size>500

def test_no_graphics_is_one_error(monkeypatch):
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(envs, '_gl_works', lambda gl: False)
    with pytest.raises(RuntimeError, match='tried egl, osmesa, glfw.*libegl1 libgl1-mesa-dri, or libosmesa6'): pick_gl()
    assert 'MUJOCO_GL' not in os.environ

def test_import_registers():
    code = "import gac.envs, gymnasium; print(gymnasium.make('gac/PointMass-v0').spec.to_json())"
    out = subprocess.run([sys.executable,'-c',code], capture_output=True, text=True)
    assert 'gac.envs:PointMass' in out.stdout, out.stderr

def test_mujoco_says_a_thing_once(capfd, tmp_path, monkeypatch):
    import mujoco
    monkeypatch.chdir(tmp_path); make_env('HalfCheetah-v5'); make_env('HalfCheetah-v5')
    said = capfd.readouterr(); assert said.out+said.err=='' and not (tmp_path/'MUJOCO_LOG.TXT').exists() # Gymnasium's file is in an old form, not ours to mend
    tell = mujoco.get_mju_user_warning(); tell('something new'); tell('something new')
    assert capfd.readouterr().err=='MuJoCo: something new\n'
