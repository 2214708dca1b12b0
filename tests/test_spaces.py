"Sets whose observations are dictionaries: written by Minari, read by us, equal to Gymnasium's flattening, acted in."
import json
import warnings
from collections import OrderedDict
import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
import torch
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from minari.serialization import serialize_space
import gac
from gac.commands import info, train_command as train
from gac.data import describe, identity, load, recorded_env, rewards
from gac.files import BadFile, opened
from gac.layouts import observed
from gac.run import load_run
from gac.spaces import flat_rows, parts_of
from gac.worlds import env_from, make_env, parts_shown

def real(*shape): return spaces.Box(-np.inf, np.inf, shape, np.float64)

class Nested(gym.Env):
    "Groups in groups, choices, and an order that is not that of the alphabet."
    def __init__(self, turned=False):
        goal = [('where',real(2)), ('lamp',spaces.Discrete(3, start=-1))]
        self.goal = spaces.Dict(OrderedDict(goal[::-1] if turned else goal))
        inner = dict(b=real(2,2), a=spaces.Box(0, 9, (), np.float32), bits=spaces.MultiBinary(3), goal=self.goal,
            two=spaces.Tuple((spaces.MultiDiscrete([2,3]), spaces.Box(0, 9, (1,), np.int64))))
        self.observation_space = spaces.Dict(inner)
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}
    def step(self, action): return self.observation_space.sample(), float(np.sum(action)), False, False, {}

ID = 'toys/Nested-v0'

@pytest.fixture(scope='module', autouse=True)
def registered():
    gym.register(ID, entry_point=f'{__name__}:Nested', max_episode_steps=5)
    yield
    gym.registry.pop(ID)

@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))
    monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path/'sets'))

def stacked(space, steps): # observations, as Minari's collector lays them down
    if isinstance(space, spaces.Dict): return {k:stacked(s, [x[k] for x in steps]) for k,s in space.items()}
    if isinstance(space, spaces.Tuple): return tuple(stacked(s, [x[i] for x in steps]) for i,s in enumerate(space))
    return np.stack(steps)

def collected(name='me/nested-v0', n=3, env=ID): # written by Minari -> buffers, and what was seen, flattened step by step
    world, buffers, seen = gym.make(env, disable_env_checker=True), [], []
    space = world.observation_space
    for i in range(n):
        steps, acts, paid, end = [world.reset(seed=i)[0]], [], [], False
        world.action_space.seed(i)
        while not end:
            acts.append(world.action_space.sample())
            s,r,fell,cut,_ = world.step(acts[-1])
            steps.append(s)
            paid.append(r)
            end = fell or cut
        seen += [spaces.flatten(space, s) for s in steps]
        last = np.arange(len(paid))==len(paid)-1
        buffers.append(EpisodeBuffer(id=i, observations=stacked(space, steps), actions=np.stack(acts), rewards=paid, terminations=last&fell, truncations=last&cut))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        minari.create_dataset_from_buffers(name, buffers, env=env, description='a toy')
    return buffers, np.stack(seen)

def main(tmp_path, name='nested-v0'): return tmp_path/'sets'/'me'/name/'data'/'main_data.hdf5'

def test_a_set_of_dictionaries_is_what_gymnasium_flattens(capsys):
    made, seen = collected()
    tau = load('me/nested-v0')
    assert tau.s.shape==(18,19) and torch.equal(tau.s, torch.from_numpy(seen.astype(np.float32))) and tau.last.all()
    assert torch.equal(load('me/nested-v0').s, tau.s) # from the cache
    assert np.allclose(rewards('me/nested-v0'), np.concatenate([e.rewards for e in made]))
    parts = [['a',1], ['b',4], ['bits',3], ['goal/where',2], ['goal/lamp',3], ['two/_index_0',5], ['two/_index_1',1]]
    assert recorded_env('me/nested-v0')['parts']==parts
    info('me/nested-v0')
    assert 'states  a 1, b 4, bits 3, goal/where 2' in capsys.readouterr().out

def test_it_trains_and_acts_where_it_was_recorded(tmp_path):
    collected(n=8)
    train('me/nested-v0', tmp_path/'run', iterations=2, set_='batch=4 k=4 D=16 tokens=1 heads=2 enc=1 dec=1'.split())
    run = load_run(tmp_path/'run')
    made = make_env(env_from(run.meta['env'], where='the run'))
    assert made.observation_space.shape==(19,) and [*map(list, parts_shown(Nested().observation_space))]==run.meta['env']['parts']
    rows = gac.evaluate(run, 'prior', n=2, progress=False)
    assert len(rows)==2 and rows.achieved.notna().all() and list(rows.length)==[5,5]

def test_an_environment_of_another_order_is_refused():
    collected()
    told = recorded_env('me/nested-v0')
    with pytest.raises(ValueError, match='toys/Nested-v0 shows .*goal/lamp 3, goal/where 2.* recorded as .*goal/where 2, goal/lamp 3'):
        make_env(env_from(told, kwargs=dict(turned=True)))
    assert make_env(env_from(told, ID)).observation_space.shape==(19,)
    with pytest.warns(UserWarning, match='CartPole-v1 is used'): other = env_from(told, 'CartPole-v1')
    assert make_env(other).observation_space.shape==(4,) # shows a vector already

@pytest.mark.parametrize('parts', [7, 'a', [['a']], [['a','b']], [[1,2]], [['a',True]], [None]], ids=str)
def test_recorded_parts_are_checked(parts):
    with pytest.raises(ValueError, match='the run has the parts'): env_from(dict(id='CartPole-v1', parts=parts), where='the run')

def drop(ep): del ep['observations/goal/where']
def narrow(ep): put(ep, 'goal/where', np.zeros((6,3)))
def words(ep): put(ep, 'a', np.array([b'x']*6))
def fraction(ep): put(ep, 'bits', np.full((6,3),.5))
def offered(ep): put(ep, 'goal/lamp', np.array([0,1,2,0,0,0]))
def below(ep): put(ep, 'goal/lamp', np.array([0,-2,0,0,0,0]))
def short(ep): put(ep, 'b', np.zeros((5,2,2)))
def more(ep): put(ep, 'goal/more', np.zeros((6,1)))
def array(ep): put(ep, 'goal', np.zeros((6,2)))
def group(ep): put(ep, 'a/deep', np.zeros(6))
def single(ep): put(ep, 'a', np.float32(1))
def missing(ep): put(ep, 'b', np.full((6,2,2),np.nan))
def away(ep): put(ep, 'b', h5py.ExternalLink('other.hdf5','b'))

def put(ep, name, value):
    for k in (name, name.partition('/')[0]):
        if f'observations/{k}' in ep and (k==name or isinstance(ep[f'observations/{k}'], h5py.Dataset)): del ep[f'observations/{k}']
    ep[f'observations/{name}'] = value

@pytest.mark.parametrize('change,says', [(drop,'goal/where is not there'), (narrow,r'goal/where has rows of shape .3,., its space says .2,.'), (words,'observations/a has type'),
    (fraction,'bits has type float64, its space says int8'), (offered,'goal/lamp: row 2 chooses'), (below,'goal/lamp: row 1 chooses'), (short,r'parts of different lengths .5, 6.'),
    (more,"observations/goal has 'more'"), (array,'goal/where is not there'), (group,'observations/a is a group'), (single,'observations/a is a single number'),
    (missing,'NaN'), (away,'observations/b is an external link')], ids=lambda x: getattr(x,'__name__',''))
def test_an_episode_that_is_not_as_its_space_says(change, says, tmp_path):
    collected()
    with h5py.File(main(tmp_path), 'a') as f: change(f['episode_1'])
    with pytest.raises(ValueError, match=f'nested-v0.*{says}') as e: load('me/nested-v0')
    assert 'episode_1' in str(e.value) or 'episode 1' in str(e.value)

def space_of(tmp_path, change, field='observation_space'): # the recorded space, changed
    at = main(tmp_path).with_name('metadata.json')
    meta = json.loads(at.read_text())
    space = json.loads(meta[field])
    meta[field] = json.dumps(change(space) or space)
    at.write_text(json.dumps(meta))

TEXT, GRAPH = dict(type='Text', max_length=9), dict(type='Graph')
DEEP = dict(type='Box', shape=[1])
for _ in range(12): DEEP = dict(type='Dict', subspaces=dict(x=DEEP))

@pytest.mark.parametrize('new,says', [(TEXT,'a is a Text, which has no fixed size'), (GRAPH,'a is a Graph'), (dict(type='Sequence'),'a is a Sequence'), (7,'a is a None'), ({},'a is a None'),
    (dict(type='Box',shape=[64,64,3],dtype='uint8'),'a has pixels'), (dict(type='Box',shape=[3,64,64],dtype='float32'),'a has pixels'), (dict(type='Box',shape='x'),'a has shape'),
    (dict(type='Box',shape=[-1]),'a has shape'), (dict(type='Box',shape=[10**12]),'a has shape'), (dict(type='Box',shape=[2],dtype='O'),"a has dtype 'O'"), (dict(type='Box',shape=[2],dtype=[1]),'a has dtype'),
    (dict(type='Box',shape=[2],dtype='nothing'),"a has dtype 'nothing'"), (dict(type='Discrete',n=10**12),'a has n'), (dict(type='Discrete',n=True),'a has n'), (dict(type='Discrete',n=3,start='1'),'a starts at'),
    (dict(type='MultiDiscrete',nvec=[2,0]),'a has nvec'), (dict(type='MultiDiscrete',nvec=[2,2],start=[1]),'a starts at'), (dict(type='MultiBinary',n=[]),'a has n'), (dict(type='MultiBinary',n=None),'a has n'),
    (dict(type='Dict',subspaces={}),'a is a Dict of'), (dict(type='Dict',subspaces=[1]),'a is a Dict of'), (dict(type='Dict',subspaces={'':DEEP}),'a is a Dict of'), (dict(type='Tuple',subspaces=3),'a is a Tuple of'),
    (DEEP,'a/x/x.* is a Dict')], ids=lambda x: str(x)[:40])
def test_a_space_that_cannot_be_a_vector(new, says, tmp_path):
    collected()
    space_of(tmp_path, lambda s: s['subspaces'].update(a=new))
    with pytest.raises(ValueError, match=f'nested-v0.*observation_space: {says}') as e: load('me/nested-v0')
    assert len(str(e.value))<600
    with pytest.raises(ValueError): describe('me/nested-v0')

def test_choices_may_not_fill_the_memory(tmp_path):
    collected()
    space_of(tmp_path, lambda s: s['subspaces'].update(a=dict(type='Discrete', n=9999)))
    with h5py.File(main(tmp_path), 'a') as f:
        del f['episode_0/observations/a']
        f['episode_0/observations'].create_dataset('a', data=np.zeros(10**6, 'u1'), compression='gzip')
    with pytest.raises(ValueError, match='observations/a has .1000000,. choices among 9999'): load('me/nested-v0')

def test_actions_are_one_array(tmp_path):
    collected()
    space_of(tmp_path, lambda s: dict(type='Dict', subspaces=dict(left=s)), 'action_space')
    with pytest.raises(ValueError, match='action_space is made of 1 parts, first left'): load('me/nested-v0')

def test_choices_for_actions_are_one_hot():
    made, seen = collected('me/cart-v0', env='CartPole-v1')
    tau, acts = load('me/cart-v0'), np.concatenate([e.actions for e in made])
    assert torch.equal(tau.a, torch.eye(2)[acts]) and torch.equal(tau.s, torch.from_numpy(seen))
    assert 'parts' not in recorded_env('me/cart-v0')

def test_an_old_set_records_no_space(tmp_path):
    _, seen = collected()
    with h5py.File(main(tmp_path), 'a') as f:
        f.attrs.update(total_episodes=3, total_steps=15)
        for ep in [e for k,e in f.items() if k.startswith('episode_')]:
            for k in ('bits','two','goal/lamp'): del ep[f'observations/{k}']
    main(tmp_path).with_name('metadata.json').unlink()
    assert torch.equal(load('me/nested-v0').s, torch.from_numpy(seen[:,[*range(5),8,9]].astype(np.float32)))
    with h5py.File(main(tmp_path), 'a') as f: f['episode_0/observations/n'] = np.arange(6)
    with pytest.raises(ValueError, match='observations/n is int64 .*records no space'): load('me/nested-v0')

def dag(top, depth): # groups of an old set, each of which has the one before under two names -> the set
    collected(); main(top).with_name('metadata.json').unlink()
    with h5py.File(main(top), 'a') as f:
        f.attrs.update(total_episodes=3, total_steps=15)
        f['g0/a'] = np.zeros((6,1), np.float32)
        for k in range(1, depth): f[f'g{k}/a'] = f[f'g{k}/b'] = f[f'g{k-1}']
        del f['episode_0/observations']; f['episode_0/observations'] = f[f'g{depth-1}']
    return main(top).parents[1]

def test_groups_found_in_many_others_are_counted(tmp_path):
    assert len(observed(dag(tmp_path, 8)))==128

@pytest.mark.parametrize('depth', [11,30])
def test_too_many_of_them_are_refused(depth, tmp_path):
    with pytest.raises(BadFile, match='observations/a.* has more than 1000 parts, or they lie deeper than 16 groups; flatten'): observed(dag(tmp_path, depth))

def test_a_group_within_itself(tmp_path):
    collected(); main(tmp_path).with_name('metadata.json').unlink()
    with h5py.File(main(tmp_path), 'a') as f:
        f.attrs.update(total_episodes=3, total_steps=15)
        f['episode_0/observations/A'] = f['episode_0/observations']
    with pytest.raises(ValueError, match='deeper than 16 groups'): load('me/nested-v0')

def test_more_parts_than_a_robot_has(tmp_path):
    "Refused before any episode is looked at, and in time that grows with the file alone."
    collected()
    one = dict(type='Box', shape=[1], dtype='float32')
    space_of(tmp_path, lambda s: dict(type='Dict', subspaces={f'g{i}':dict(type='Dict', subspaces=dict(x=one)) for i in range(20_000)}))
    with pytest.raises(ValueError, match='metadata.json: observation_space has more than 1000 parts'): load('me/nested-v0')
    long = dict(type='Dict', subspaces={'a/'*1000+'x':dict(type='Dict', subspaces={f'g{i}':one for i in range(9)})})
    with pytest.raises(BadFile, match='lies 1001 groups deep'): parts_of(long, 'a set')

def test_one_array_under_many_names_is_read_so_often_and_no_more(tmp_path):
    with h5py.File(tmp_path/'a.hdf5', 'w') as f: f['a'] = np.zeros(3, np.float32)
    with opened(tmp_path/'a.hdf5') as f, pytest.raises(BadFile, match='a claims to be'):
        f.left = 1<<20
        for _ in range(200): f.read('a')

def test_nothing_that_a_set_names_is_made(tmp_path, monkeypatch):
    collected()
    monkeypatch.setattr(gym, 'make', lambda *a, **k: pytest.fail('an environment was made'))
    assert load('me/nested-v0').s.shape==(18,19) and describe('me/nested-v0')['S']==19 and identity('me/nested-v0')['fingerprint']

@pytest.mark.parametrize('seed', range(6))
def test_any_space_of_fixed_size(seed):
    "Spaces drawn at random, in dictionaries and tuples, against Gymnasium, step by step."
    rng = np.random.default_rng(seed)
    def draw(depth):
        kind = rng.integers(0, 4 if depth else 6)
        if kind==0: return spaces.Box(-9, 9, tuple(rng.integers(1,4,rng.integers(0,3))), rng.choice(['float32','float64','int64']))
        if kind==1: return spaces.Discrete(int(rng.integers(1,5)), start=int(rng.integers(-3,4)))
        if kind==2: return spaces.MultiBinary([2,int(rng.integers(1,3))] if rng.random()<.5 else int(rng.integers(1,4)))
        if kind==3: return spaces.MultiDiscrete(rng.integers(1,4,(2,2) if rng.random()<.5 else 3))
        some = [draw(depth+1) for _ in range(rng.integers(1,4))]
        return spaces.Tuple(some) if kind==4 else spaces.Dict({f'{"zyx"[i]}{i}':s for i,s in enumerate(some)})
    space = spaces.Dict(b=draw(0), a=draw(0))
    space.seed(seed)
    steps = [space.sample() for _ in range(4)]
    def read(path):
        def one(x): # the value at a path
            for k in path: x = x[int(k[7:])] if k.startswith('_index_') else x[k]
            return x
        return np.stack([one(s) for s in steps])
    parts = parts_of(json.loads(serialize_space(space)), 'a set')
    assert np.array_equal(flat_rows(parts, read, 'here'), np.stack([spaces.flatten(space, s) for s in steps]))
    assert tuple((p.name,p.width) for p in parts)==parts_shown(space)

def test_pieces_that_are_not_there():
    with pytest.raises(BadFile, match='here/a is not there'): flat_rows(parts_of(dict(type='Dict',subspaces=dict(a=dict(type='Box',shape=[1]))), 'x'), lambda path: None, 'here')
