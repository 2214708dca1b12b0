"Films: a whole episode, and the robot is in it."
import os, subprocess, sys
import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from gac import film as films
from gac.envs import PointMass, Skilled, best_action, random_policy, rollout
from gac.film import film, pick_gl
from gac.worlds import make_env

ID = 'gac/PointMass-v0'
ROBOTS = ('Hopper-v5','Walker2d-v5','HalfCheetah-v5')

@pytest.fixture(scope='module')
def gl():
    try: return pick_gl()
    except RuntimeError as e: pytest.skip(str(e))

@pytest.mark.parametrize('suffix', ['.mp4','.gif'])
def test_the_whole_episode(tmp_path, suffix):
    act = Skilled(torch.zeros(1), seed=3)
    n = int(rollout(ID, act, 1).n)
    p = film(ID, act, tmp_path/f'run{suffix}')
    pictures = imageio.mimread(p)
    assert len(pictures)==n+1 and pictures[0].shape[:2]==(160,480) and [f.name for f in tmp_path.iterdir()]==[p.name]
    last = pictures[-1][...,:3].astype(int)
    red = (last[...,0]-last[...,2]>80).sum() # the mass is drawn in red when it has fallen
    assert n<PointMass.T and red>20 and (pictures[0][...,0].astype(int)-pictures[0][...,2]>80).sum()<red/4

@pytest.mark.parametrize('n,own,rate,seconds', [(1,125,25,20), (7,125,25,20), (1000,125,25,20), (1000,20,25,20), (1000,20,12.5,5), (30,10,25,1), (99_999,30,25,20), (50,30,25,.01)])
def test_which_steps(n, own, rate, seconds):
    steps, fps = films._shots(n, own, rate, seconds)
    assert {0,n}<=steps and max(steps)==n and min(steps)==0
    assert len(steps)/fps<=max(seconds, 2/fps)+1e-9
    gaps = np.diff(sorted(steps))
    assert gaps.max()-gaps.min()<=1 # evenly

def test_errors(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='use .mp4 or .gif'): film(ID, best_action, tmp_path/'a.avi')
    with pytest.raises(ValueError, match='render_mode is None'): film(PointMass, best_action, tmp_path/'a.gif')
    assert not list(tmp_path.iterdir())
    film(lambda: PointMass('rgb_array'), best_action, tmp_path/'a.gif', seconds=.3)

FULL = """import resource, sys
import numpy as np
from gac.envs import PointMass
from gac.film import film
class Noise(PointMass):
    def render(self): return np.random.default_rng(self.t).integers(0, 255, (64,66,3)).astype(np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000,3000))
try: film(lambda: Noise('rgb_array'), lambda s,rows: s[:,:2]*0+.2, sys.argv[1])
except OSError as e: print(type(e).__name__, e)"""

@pytest.mark.parametrize('suffix', ['.mp4','.gif'])
def test_a_full_disk_is_named_and_the_older_film_stays(tmp_path, suffix):
    p = film(ID, best_action, tmp_path/f'run{suffix}', seconds=.3)
    before = p.read_bytes()
    done = subprocess.run([sys.executable,'-c',FULL,p], capture_output=True, text=True, timeout=120)
    assert done.returncode==0 and done.stdout.startswith(f'DiskFull {p} cannot be written: ') and 'Traceback' not in done.stderr, done.stderr
    assert p.read_bytes()==before and [*tmp_path.iterdir()]==[p]

def test_an_error_of_the_environment_is_not_one_of_the_disk(tmp_path):
    class Broken(PointMass):
        def render(self): raise OSError('no such camera')
    with pytest.raises(OSError, match='^no such camera$'): film(lambda: Broken('rgb_array'), best_action, tmp_path/'a.mp4')

def test_no_graphics_is_one_error(monkeypatch):
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(films, '_gl_works', lambda gl: False)
    with pytest.raises(RuntimeError, match='tried egl, osmesa, glfw.*libegl1 libgl1-mesa-dri, or libosmesa6'): pick_gl()
    assert 'MUJOCO_GL' not in os.environ

class Away:
    "A robot that is `x` metres from where it starts after its first step."
    def __init__(self, name, x): self.name, self.x = name, x
    def __call__(self):
        env = make_env(self.name, render_mode='rgb_array', width=160, height=160)
        robot, step = env.unwrapped, env.unwrapped.do_simulation
        def moved(ctrl, n):
            step(ctrl, n)
            robot.set_state(np.r_[robot.data.qpos[0]+self.x, robot.data.qpos[1:]], robot.data.qvel)
        robot.do_simulation = moved
        return env

def robot_in(env, x): # pixels in the middle of the picture that are the robot's
    "The picture with the robot beside the picture without it, its parts made invisible."
    env.reset(seed=0)
    robot = env.unwrapped
    robot.set_state(np.r_[x, robot.data.qpos[1:]], robot.data.qvel)
    seen = env.render().astype(int)
    parts = robot.model.geom_bodyid>0
    colour = robot.model.geom_rgba.copy()
    robot.model.geom_rgba[parts, 3] = 0
    without = env.render().astype(int)
    robot.model.geom_rgba[:] = colour
    h, w = seen.shape[:2]
    differ = np.abs(seen-without).sum(-1)>30
    return int(differ[h//6:-h//6, w//6:-w//6].sum())

@pytest.mark.parametrize('name', ROBOTS)
def test_the_robot_stays_in_the_frame(gl, name):
    make = lambda: make_env(name, render_mode='rgb_array', width=160, height=160)
    still, follows = make(), films._drawable(make)
    here = robot_in(follows, 0.)
    assert here>150 and robot_in(still, 0.)>150 # of 160*160
    for x in (5., 50., 300.): assert robot_in(follows, x)>.8*here, f'{name} at {x} m'
    assert robot_in(still, 50.)==0 # which is what the camera is for
    still.close(); follows.close()

@pytest.mark.parametrize('name', ROBOTS)
def test_the_robot_is_in_the_first_and_the_last_picture(gl, name, tmp_path):
    "Of a film that was written and read, of a robot that moves ten metres with each step."
    p = film(Away(name, 10.), random_policy(name, 1), tmp_path/'run.mp4', seconds=.3)
    first, last = (imageio.mimread(p)[i].astype(int) for i in (0,-1))
    def coloured(x): # not grey and not the blue of sky and floor
        return int(((x.max(-1)-x.min(-1)>40)&(x[...,0]>x[...,2]+20))[30:-30,30:-30].sum())
    assert coloured(first)>100 and coloured(last)>100, (coloured(first), coloured(last))

def test_a_camera_that_was_asked_for_is_kept(gl):
    made = films._drawable(lambda: make_env('Hopper-v5', render_mode='rgb_array', camera_id=0))
    assert made.unwrapped.mujoco_renderer.camera_id==0
    assert films._drawable('Hopper-v5').unwrapped.mujoco_renderer.camera_id>=0

PAGE = np.zeros((16,32,3), np.uint8)

@pytest.mark.parametrize('shown,says', [(None,'NoneType'), ([PAGE],'list'), ('ansi','str'), (PAGE/255,'float64'), (PAGE[...,0],r'\(16, 32\)'), (PAGE[:0],r'\(0, 32, 3\)')])
@pytest.mark.parametrize('suffix', ['.mp4','.gif'])
def test_what_is_no_picture_is_named(tmp_path, shown, says, suffix):
    class Odd(PointMass):
        def render(self): return shown
    with pytest.raises(ValueError, match=f"'Odd' cannot be filmed: render.. gives .*{says}.* at step 0"): film(lambda: Odd('rgb_array'), best_action, tmp_path/f'a{suffix}')
    assert not any(tmp_path.iterdir())

def test_pictures_keep_their_size(tmp_path):
    class Grows(PointMass):
        n = 0
        def render(self):
            self.n += 1
            return np.zeros((16*self.n,32,3), np.uint8)
    with pytest.raises(ValueError, match='at step 1.*all of one size'): film(lambda: Grows('rgb_array'), best_action, tmp_path/'a.mp4')
    assert not any(tmp_path.iterdir())
