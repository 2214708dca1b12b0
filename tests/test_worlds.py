"Environments as data: what a file says is checked, what the user says counts, and every space is a vector."
import json, os, pickle, subprocess, sys
import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from gac import worlds
from gac.envs import PointMass, best_action, random_policy, rollout
from gac.worlds import EnvConfig, check_spaces, env_from, import_packages, make_env, nearest_action, parse_kwargs

ID = 'gac/PointMass-v0'
MODULE = '''
import gymnasium as gym, numpy as np
class Tank(gym.Env):
    def __init__(self, drain=.1):
        self.drain = drain
        self.observation_space, self.action_space = gym.spaces.Box(0, 10, (2,)), gym.spaces.Box(0, 5, (1,))
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full(2, 5, np.float32), {}
    def step(self, a): return np.full(2, 5, np.float32), -self.drain, False, False, {}
gym.register('plant/NAME-v0', entry_point='NAME:Tank', max_episode_steps=20)
'''

@pytest.fixture
def module(tmp_path, monkeypatch, request):
    "A package of the user's, not yet imported; and a cache of its own."
    name = f'tank_{abs(hash(request.node.name))%10**8}'
    (tmp_path/f'{name}.py').write_text(MODULE.replace('NAME', name))
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(worlds, '_packages', {})
    yield name
    sys.modules.pop(name, None)
    gym.registry.pop(f'plant/{name}-v0', None)

# ---- From a file

@pytest.mark.parametrize('said,match', [
    ('os:Hopper-v5', "'os:Hopper-v5'.*may not import"), (dict(id='antigravity:x/Hopper-v5'), 'may not import'), (dict(id=7), "'7'"),
    (dict(), "'None'"), ([], r"'\[\]'"), (7, "'7'"), ('', "''"), ('Hopper-v5\n', 'may not import'), ('../Hopper-v5', 'may not import'), ('a/b/c-v0', 'may not import'),
    ('GymV26Environment-v0', 'may not import'), (dict(id='Hopper-v5', kwargs=[1]), 'must be a dictionary'),
    (dict(id='Hopper-v5', kwargs=dict(xml_file='/etc/passwd')), 'xml_file.*no file'), (dict(id='Hopper-v5', kwargs=dict(xml_file='./x.xml')), 'no file'),
    (dict(id='Hopper-v5', kwargs=dict(xml_file='a/../../x.xml')), 'no file'), (dict(id='Hopper-v5', kwargs=dict(a=dict(b=['os:system']))), 'kwargs.*no file and no module'),
    (dict(id='Hopper-v5', kwargs=dict(a=float('nan'))), 'nan'), (dict(id='Hopper-v5', kwargs=dict(a='x'*201)), 'words'), (dict(id='Hopper-v5', kwargs=dict(a=[0]*60_000)), '100 kB'),
    (dict(id='Hopper-v5', kwargs=dict(a=[[[[[[[[[[[1]]]]]]]]]]])), 'kwargs'), (dict(id='Hopper-v5', kwargs=dict(a=object())), 'kwargs'),
    (dict(id='Hopper-v5', max_episode_steps=0), "max_episode_steps='0'"), (dict(id='Hopper-v5', max_episode_steps=True), 'True'), (dict(id='Hopper-v5', max_episode_steps='9'), '9'),
    (dict(id='Hopper-v5', additional_wrappers=['ClipAction']), 'needs a name')])
def test_what_a_file_may_not_say(said, match):
    with pytest.raises(ValueError, match=match) as e: env_from(said, where='the set')
    assert 'the set' in str(e.value) and len(str(e.value))<400
    with pytest.warns(UserWarning, match='cannot be used; gac/PointMass-v0 is'): assert env_from(said, ID)==EnvConfig(ID)

def test_no_code_of_a_file_is_run(tmp_path, monkeypatch):
    (tmp_path/'trap.py').write_text(f'open({str(tmp_path/"sprung")!r}, "w")')
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = json.loads(gym.spec('Hopper-v5').to_json())
    for said in ('trap:Hopper-v5', spec|dict(id='trap:Hopper-v5'), spec|dict(entry_point='trap:x', vector_entry_point='trap:x'), spec|dict(imports=['trap']),
                 spec|dict(id='Nowhere-v0', imports=['trap']), spec|dict(additional_wrappers=[dict(name='ClipAction', entry_point='trap:ClipAction', kwargs={})]),
                 spec|dict(kwargs=dict(env_id='trap:x'))):
        try: make_env(env_from(said)).close()
        except ValueError: pass
        with pytest.raises(ValueError): make_env(said if isinstance(said, str) else said['id']+':x')
    assert 'trap' not in sys.modules and not (tmp_path/'sprung').exists()

def test_a_recorded_spec_is_kept_whole():
    base = lambda: gym.make('Hopper-v5', terminate_when_unhealthy=False, max_episode_steps=50, render_mode='rgb_array')
    made = gym.wrappers.RescaleAction(gym.wrappers.TimeAwareObservation(base()), -2., 2.)
    said = json.loads(made.spec.to_json())
    config = env_from(said)
    assert config.max_episode_steps==50 and 'render_mode' not in config.kwargs and [n for n,_ in config.wrappers]==['TimeAwareObservation','RescaleAction']
    again = make_env(config)
    assert check_spaces(config)==(12,3) and again.action_space.high.tolist()==[2,2,2]
    tau = rollout(config, random_policy(config), 3)
    assert tau.n.tolist()==[50]*3 and tau.a.abs().max()>1.5

def test_arguments_that_change_the_shape():
    config = env_from(dict(id='Hopper-v5', kwargs=dict(exclude_current_positions_from_observation=False)))
    assert check_spaces(config)==(12,3)
    assert check_spaces(env_from('Hopper-v5', kwargs=dict(exclude_current_positions_from_observation=False)))==(12,3)

@pytest.mark.parametrize('limit,want', [({},1000), (dict(max_episode_steps=None),None), (dict(max_episode_steps=-1),None), (dict(max_episode_steps=7),7)])
def test_time_limits(limit, want):
    config = env_from(dict(id='Hopper-v5')|limit)
    assert make_env(config).spec.max_episode_steps==want
    assert env_from(json.loads(json.dumps(config.asdict())))==config and pickle.loads(pickle.dumps(config))==config

@pytest.mark.parametrize('wrapper,match', [
    (dict(name='NormalizeObservation', kwargs={}), 'NormalizeObservation cannot be made'), (dict(name='TransformAction', kwargs=None), 'TransformAction'),
    (dict(name='ClipAction', entry_point='elsewhere:ClipAction', kwargs={}), 'elsewhere:ClipAction cannot be made'),
    (dict(name='FrameStackObservation', kwargs=dict(stack_size=10**9)), 'FrameStackObservation has the arguments'), (dict(name='RepeatAction', kwargs=dict(nonsense=1)), 'nonsense')])
def test_wrappers_that_cannot_be_had(wrapper, match):
    with pytest.raises(ValueError, match=f"cannot make environment 'Hopper-v5'.*{match}"): make_env(env_from(dict(id='Hopper-v5', additional_wrappers=[wrapper])))

@pytest.mark.parametrize('put,most', [(dict(frame_skip=10**9),1000), (dict(frame_skip=-1001),1000), (dict(lamps=[1,[10**7]]),10**6)])
def test_a_file_does_not_keep_us_at_work_for_ever(put, most):
    name, = put
    with pytest.raises(ValueError, match=rf"my.hdf5: kwargs\['{name}'\] is .*up to {most} there; give it yourself with --env-kwargs"):
        env_from(dict(id='Hopper-v5', kwargs=put), where='my.hdf5')
    assert env_from(dict(id='Hopper-v5', kwargs=put), kwargs=put).kwargs==put # the user may

def test_usual_arguments_of_a_file_are_taken():
    put = dict(frame_skip=5, maze=[[1,0],[1,'r']], size=10**6, max_episode_steps=10**7, seed=None, dense=True, range=[.7,float('inf')])
    assert env_from(dict(id='Hopper-v5', kwargs=put)).kwargs==put

def test_wrappers_do_not_multiply_without_end():
    wrapper = dict(name='RepeatAction', kwargs=dict(num_repeats=100))
    make_env(env_from(dict(id='Hopper-v5', additional_wrappers=[wrapper]*2)))
    with pytest.raises(ValueError, match='RepeatAction has the arguments'): make_env(env_from(dict(id='Hopper-v5', additional_wrappers=[wrapper]*3)))

def test_wrappers_of_registration_are_put_on_once():
    spec = gym.wrappers.ClipAction(gym.make('Hopper-v5')).spec
    gym.register('lab/Clipped-v0', 'gymnasium.envs.mujoco.hopper_v5:HopperEnv', max_episode_steps=9, additional_wrappers=spec.additional_wrappers)
    try:
        said = json.loads(gym.wrappers.TimeAwareObservation(gym.make('lab/Clipped-v0')).spec.to_json())
        made = make_env(env_from(said))
        assert [w.name for w in made.spec.additional_wrappers]==['ClipAction','TimeAwareObservation']
    finally: gym.registry.pop('lab/Clipped-v0')

# ---- From the user

def test_the_user_overrules(module):
    said = dict(id=f'plant/{module}-v0', max_episode_steps=5, kwargs=dict(drain=.5))
    with pytest.raises(ValueError, match='Namespace plant not found'): make_env(env_from(said))
    config = env_from(said, f'{module}:plant/{module}-v0') # the same, and where it is
    assert (config.max_episode_steps,config.kwargs,config.imports)==(5,dict(drain=.5),(module,)) and rollout(config, random_policy(config), 2).n.tolist()==[5,5]
    assert env_from(said, f'{module}:plant/{module}-v0', dict(drain=2)).kwargs==dict(drain=2)
    with pytest.warns(UserWarning, match=f'was recorded in plant/{module}-v0; Hopper-v5 is used'): assert env_from(said, 'Hopper-v5')==EnvConfig('Hopper-v5')
    with pytest.warns(UserWarning, match='Hopper-v5 is used'): assert env_from(said, gym.spec('Hopper-v5')).max_episode_steps==1000
    assert env_from(said, config) is config
    assert env_from(said, PointMass) is PointMass and env_from() is None and env_from('Hopper-v5', kwargs={})==EnvConfig('Hopper-v5')
    with pytest.raises(ValueError, match='give them to the function'): env_from(said, PointMass, dict(a=1))

def test_text_of_the_user_may_name_a_file():
    said = dict(id='Hopper-v5', kwargs=dict(xml_file='/theirs.xml'))
    assert env_from(said, kwargs=dict(xml_file='/mine.xml')).kwargs==dict(xml_file='/mine.xml')
    assert parse_kwargs('{"a": [1, "x"]}')==dict(a=[1,'x']) and parse_kwargs(None)==parse_kwargs('')=={}
    for text in ('a=1', '[1]', '{', '7'):
        with pytest.raises(ValueError, match='write JSON'): parse_kwargs(text)

CODE = '''
import json, os, sys
from gac.worlds import *
for args in json.loads(sys.argv[1]): # each by a fork, which has imported none of the user's packages
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        continue
    try: print(type(make_env(env_from(*args)).unwrapped).__name__, flush=True)
    except ValueError as e: print(e, flush=True)
    os._exit(0)
'''
def elsewhere(tmp_path, *cases): # in processes that have imported nothing -> what each says
    env = os.environ|dict(PYTHONPATH=f'{os.getcwd()}:{tmp_path}')
    done = subprocess.run([sys.executable,'-c',CODE,json.dumps(cases)], capture_output=True, text=True, env=env, check=True)
    return done.stdout.splitlines()

def test_a_run_may_name_a_package_only_if_the_user_has(module, tmp_path):
    "The user names it once; a run from somebody else imports nothing that the user never named."
    config = EnvConfig(f'plant/{module}-v0', imports=(module,)).asdict()
    before, told, after = elsewhere(tmp_path, [config], [config,f'{module}:plant/{module}-v0'], [config])
    assert f'{module} registers it: if you trust that package, add --import {module}' in before
    assert told==after=='Tank'

def test_packages(module, tmp_path):
    for bad in ('no_such_package_here', 'a-b', '', 'os; x', '../x'):
        with pytest.raises(ValueError, match='--import'): import_packages([bad])
    (tmp_path/'broken_one.py').write_text('1/0')
    with pytest.raises(ValueError, match='--import broken_one: ZeroDivisionError'): import_packages(['broken_one'])
    assert import_packages([module])==[module] and f'plant/{module}-v0' in gym.registry
    assert module in worlds.known_packages() and 'broken_one' not in worlds.known_packages()
    (tmp_path/'cache'/'packages.json').write_text('{"a"')
    assert worlds.known_packages()==[module]
    assert import_packages([module])==[module] and json.loads((tmp_path/'cache'/'packages.json').read_text())==[module]

def test_a_cache_that_cannot_be_written_is_no_obstacle(module, monkeypatch):
    monkeypatch.setenv('GAC_CACHE', '/dev/null/x')
    assert import_packages([module])==[module]

# ---- Making

def test_bad_environments():
    with pytest.raises(ValueError, match='Nearest registered ids: Walker2d-v5'): make_env('Walker2-v5')
    with pytest.raises(ValueError, match='gymnasium-robotics.*Nearest registered ids: Hopper-v5'): make_env('Hopper-v3')
    with pytest.raises(ValueError, match="would import 'nowhere'.*--import nowhere"): make_env('nowhere:Hopper-v5')
    with pytest.raises(ValueError, match="'Hopper-v5': TypeError.*nonsense"): make_env(EnvConfig('Hopper-v5', dict(nonsense=1)))
    for odd in (7, lambda: 7):
        with pytest.raises(TypeError, match='function that makes'): make_env(odd)
    for odd in ('a:B-v0', '', 7, None):
        with pytest.raises(ValueError, match='environment id'): EnvConfig(odd)

def test_mujoco_says_a_thing_once(capfd, tmp_path, monkeypatch):
    import mujoco
    monkeypatch.chdir(tmp_path); make_env('HalfCheetah-v5'); make_env('HalfCheetah-v5')
    said = capfd.readouterr(); assert said.out+said.err=='' and not (tmp_path/'MUJOCO_LOG.TXT').exists() # Gymnasium's file is in an old form, not ours to mend
    tell = mujoco.get_mju_user_warning(); tell('something new'); tell('something new')
    assert capfd.readouterr().err=='MuJoCo: something new\n'

# ---- Spaces

class Toy(gym.Env):
    "Any spaces; the action that arrives is kept."
    def __init__(self, observation_space, action_space): self.observation_space, self.action_space = observation_space, action_space
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed); self.observation_space.seed(seed); self.t = 0
        return self.observation_space.sample(), {}
    def step(self, action):
        assert self.action_space.contains(action), action
        self.t += 1
        return self.observation_space.sample(), 1., self.t>=4, False, {}

box = spaces.Box(-1, 1, (2,), np.float32)
OBSERVATIONS = [spaces.Discrete(5, start=2), spaces.MultiDiscrete([2,3]), spaces.MultiBinary(4), spaces.MultiBinary([2,2]), spaces.Box(-np.inf, np.inf, (2,3)),
    spaces.Dict(a=box, b=spaces.Discrete(3)), spaces.Tuple((box, spaces.Dict(c=spaces.MultiBinary(2)))), spaces.Box(0, 255, (6,), np.uint8)]
ACTIONS = [spaces.Discrete(2), spaces.Discrete(3, start=-1), spaces.MultiDiscrete([2,3]), spaces.MultiDiscrete([[2,3],[2,2]]), spaces.MultiBinary(3),
    spaces.Box(-2, 2, (2,2), np.float32), spaces.Box(0, 5, (2,), np.int64), spaces.Box(-np.inf, np.inf, (2,), np.float32)]

@pytest.mark.parametrize('space', OBSERVATIONS, ids=str)
def test_observations_are_flattened(space):
    tau = rollout(lambda: Toy(space, box), random_policy(lambda: Toy(space, box)), 3, seed=4)
    S = spaces.flatdim(space)
    assert tau.s.shape==(3*5,S) and check_spaces(lambda: Toy(space, box))==(S,2)
    space.seed(4)
    assert np.allclose(tau[0].s[0], spaces.flatten(space, space.sample()))

@pytest.mark.parametrize('space', ACTIONS, ids=str)
def test_actions_are_vectors(space):
    tau = rollout(lambda: Toy(box, space), random_policy(lambda: Toy(box, space)), 20)
    assert tau.a.shape==(80,spaces.flatdim(space)) and len(tau.a.unique(dim=0))>1
    a = tau.a.numpy()
    if not isinstance(space, spaces.Box): assert set(np.unique(a))=={0,1}
    for x in a[:5]: assert np.allclose(nearest_action(space, x), x) # an action is the nearest to itself
    space.seed(0)
    for _ in range(5): # an action of the environment, flattened as data are, comes back as it was
        real = space.sample()
        flat = spaces.flatten(space, real).astype(np.float32)
        got = make_env(lambda: Toy(box, space))
        if hasattr(got, 'nearest'): assert np.array_equal(np.asarray(got.action(nearest_action(space, flat))), np.asarray(real))

@pytest.mark.parametrize('space', [spaces.Box(0, 255, (96,96,3), np.uint8), spaces.Box(0, 1, (3,64,64)), spaces.Box(0, 255, (84,84), np.uint8),
    spaces.Dict(eye=spaces.Box(0, 255, (8,8,3), np.uint8), a=box)], ids=str)
def test_pixels_are_refused_by_name(space):
    with pytest.raises(ValueError, match='Toy has pixels for observations'): check_spaces(lambda: Toy(space, box))
    with pytest.raises(ValueError, match='pixels'): rollout(lambda: Toy(space, box), best_action, 1)

def test_spaces_without_a_size_are_refused():
    for odd in (spaces.Graph(box, None), spaces.Sequence(box), spaces.Dict(a=spaces.Sequence(box))):
        with pytest.raises(ValueError, match='no fixed size'): check_spaces(lambda: Toy(odd, box))
    for odd in (spaces.Dict(a=box), spaces.Text(5)):
        with pytest.raises(ValueError, match='action space .*TransformAction'): check_spaces(lambda: Toy(box, odd))

def test_sizes_are_compared():
    with pytest.raises(ValueError, match='S=11, A=3.*S=5, A=any'): check_spaces('Hopper-v5', S=5)
    with pytest.raises(ValueError, match='S=3, A=2.*A=1'): check_spaces(SyncVectorEnv([PointMass]), A=1)
    with pytest.raises(ValueError, match='VectorEnv must be vectors'): check_spaces(SyncVectorEnv([lambda: gym.make('CartPole-v1')]))
    assert check_spaces(SyncVectorEnv([lambda: make_env('CartPole-v1')]))==(4,2) and check_spaces(gym.make('CartPole-v1'))==(4,2)
