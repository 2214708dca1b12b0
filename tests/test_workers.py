"Rollouts over processes: the same episodes as by one; whatever fails is named."
import os, signal, subprocess, sys, time
import gymnasium as gym
import numpy as np
import pytest
import torch
from gac.core import Posterior
from gac.envs import EpisodeError, PointMass, Skilled, point_mass_data
from gac.model import Arch
from gac.query import PlanPolicy, evaluate
from gac.run import Fit, new_run
from gac.train import fit
from gac.workers import play

KW = dict(batch=9, k=4, inner_steps=2, outer_steps=2, noise='keyed')
TINY = dict(D=16, heads=2, tokens=1, enc=1, dec=1)

def test_workers_act_as_one():
    tau = point_mass_data(20, seed=0); run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=3,**KW)); fit(run, tau, progress=False)
    a, b = (evaluate(run, 'gac/PointMass-v0', 'prior', 5, seed=3, workers=w) for w in (1,2))
    assert a.columns.tolist()==b.columns.tolist() and a.env_seed.tolist()==b.env_seed.tolist() and a.predicted.tolist()==b.predicted.tolist()
    assert np.allclose(a.achieved, b.achieved, atol=1e-4) and a.length.tolist()==b.length.tolist()

def test_part_of_a_policy_has_the_same_plans():
    tau = point_mass_data(12, seed=0); run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=3,**KW)); fit(run, tau, progress=False)
    pol = PlanPolicy(run.model, lambda s0: (Posterior.prior(len(s0), 2, 16), dict(target=None)), 'sample', 5)
    pol.reset(tau.s0); part = pol.part(torch.tensor([7,2])); part.reset(tau.s0[[7,2]])
    assert torch.equal(part.eps, pol.eps[[7,2]]) and torch.allclose(part.z, pol.z[[7,2]], atol=1e-5)

def test_bad_workers():
    for w in (0,-1):
        with pytest.raises(ValueError, match=f'workers={w}: must be at least 1'): play('gac/PointMass-v0', lambda s,r: s[:,:2], 3, workers=w)
    with pytest.raises(ValueError, match='cannot be sent to another process'): play('gac/PointMass-v0', lambda s,r: s[:,:2], 3, workers=2)

class Once(gym.Env):
    "One step, always the same."
    def __init__(self): self.observation_space, self.action_space = gym.spaces.Box(-1,1,(3,)), gym.spaces.Box(-1,1,(3,))
    def reset(self, *, seed=None, options=None): super().reset(seed=seed); return np.zeros(3, np.float32), {}
    def step(self, a): return np.zeros(3, np.float32), 1., True, False, {}

class Same:
    def __call__(self, s, rows): return s*0

def test_workers_may_play_the_same_episode():
    one, two = (play(Once, Same(), 6, workers=w) for w in (1,2))
    assert torch.equal(one.key, two.key) and len(set(two.key.tolist()))==6

class Pays(Once):
    def step(self, a): return np.zeros(3, np.float32), float(os.environ['GAC_PAYS']), True, False, {}

def test_workers_have_the_environment_variables_of_the_moment(monkeypatch):
    for paid in (3,5): # the second time the server is there already
        monkeypatch.setenv('GAC_PAYS', str(paid))
        assert play(Pays, Same(), 2, workers=2).y.tolist()==[paid]*2

def test_workers_know_what_this_process_has_registered():
    from dataclasses import replace
    from gac.worlds import EnvConfig
    gym.register('test/Once-v0', Once, max_episode_steps=9)
    gym.register('test/Mass-v0', 'gac.envs:PointMass', max_episode_steps=9)
    try:
        assert len(play('test/Once-v0', Same(), 4, workers=2))==4
        config = EnvConfig('test/Mass-v0', max_episode_steps=3)
        assert play(config, Still(), 4, workers=2).n.tolist()==[3]*4
        assert play(replace(config, wrappers=(('TimeLimit', dict(max_episode_steps=2)),)), Still(), 4, workers=2).n.tolist()==[2]*4
    finally: gym.registry.pop('test/Once-v0'); gym.registry.pop('test/Mass-v0')

class Down(PointMass):
    def reset(self, *, seed=None, options=None):
        if seed==12: raise ConnectionResetError('simulator gone')
        return super().reset(seed=seed)

class Plans:
    def __call__(self, s, rows): return s[:,:2]*0
    def reset(self, s0): pass
    def part(self, rows): return self

@pytest.mark.parametrize('workers', [1,2])
def test_a_simulator_that_cannot_be_reset_for_the_plans(workers):
    with pytest.raises(EpisodeError, match=r'episode 2 \(seed 12\) failed at step 0: ConnectionResetError'): play(Down, Plans(), 4, seed=10, workers=workers)

def test_a_vector_environment_is_not_divided():
    with pytest.raises(ValueError, match='workers=1'): play(gym.vector.SyncVectorEnv([PointMass]), Still(), 4, workers=2)

SLOW = """
import os, sys, time
from gac.envs import PointMass
from gac.workers import play
class Slow(PointMass):
    def step(self, a):
        open(os.path.join(sys.argv[1], str(os.getpid())), 'w').close()
        time.sleep(120)
class Still:
    def __call__(self, s, rows): return s[:,:2]*0
if __name__=='__main__': play(Slow, Still(), 2, workers=2)
"""
def alive(pid):
    try: return open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]!='Z'
    except (FileNotFoundError, ProcessLookupError): return False

@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='looks into /proc')
@pytest.mark.parametrize('end', [signal.SIGTERM,signal.SIGINT]) # the first kills it without a word, as SIGKILL does
def test_workers_end_with_the_process_that_started_them(tmp_path, end):
    (tmp_path/'slow.py').write_text(SLOW); (tmp_path/'pids').mkdir()
    p = subprocess.Popen([sys.executable, tmp_path/'slow.py', tmp_path/'pids'], env=os.environ|dict(PYTHONPATH=os.getcwd()),
        stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) # a parent in the background may have it ignored
    try:
        late = time.time()+120
        while len(pids := os.listdir(tmp_path/'pids'))<2 and time.time()<late: time.sleep(.2)
        assert len(pids)==2 and all(map(alive, pids))
        p.send_signal(end); assert p.wait(20)==-end
    finally: p.kill(); p.wait()
    late = time.time()+20
    while any(map(alive, pids)) and time.time()<late: time.sleep(.2)
    assert not any(map(alive, pids))

class Dies:
    "A policy that takes its process with it."
    def __call__(self, s, rows): os._exit(1)

def test_a_dead_worker_is_named():
    with pytest.raises(OSError, match='one of 2 workers has died'): play('gac/PointMass-v0', Dies(), 3, workers=2)

class Broken(PointMass):
    "Fails in the third step of the episode whose seed is 12."
    def reset(self, *, seed=None, **kw): self.bad = seed==12; return super().reset(seed=seed, **kw)
    def step(self, a):
        if self.bad and self.t>=2: raise OSError('link lost')
        return super().step(a)

def test_a_failing_environment_in_a_worker_is_named():
    with pytest.raises(EpisodeError, match=r'Broken: episode 2 \(seed 12\) failed at step 2: OSError: link lost') as e: play(Broken, Still(), 4, seed=10, workers=2)
    assert set(e.value.rows.tolist())<={2,3}

class Still:
    def __call__(self, s, rows): return s[:,:2]*0

def test_a_policy_without_parts_stays_here():
    with pytest.raises(ValueError, match=r'Skilled has reset but no part.*give it part\(rows\), or use workers=1'): play('gac/PointMass-v0', Skilled([.1,.9,.5]), 3, workers=2)
    assert len(play('gac/PointMass-v0', Skilled([.1,.9,.5]), 3))==3

FAILS = """
from gac.envs import PointMass
from gac.workers import play
class Broken(PointMass):
    def step(self, a): raise OSError('link lost')
class Still:
    def __call__(self, s, rows): return s.new_zeros(len(s), 2)
if __name__=='__main__':
    try: play(Broken, Still(), 2, workers=2)
    except Exception as e: print(e)
"""
def test_workers_that_are_ended_leave_nothing(tmp_path):
    "The others are ended when one fails; a semaphore of theirs would be named on the terminal when all is over."
    (tmp_path/'fails.py').write_text(FAILS)
    for _ in range(2):
        p = subprocess.run([sys.executable, tmp_path/'fails.py'], env=os.environ|dict(PYTHONPATH=os.getcwd()), capture_output=True, text=True)
        assert 'link lost' in p.stdout and 'leaked' not in p.stderr, p.stderr
