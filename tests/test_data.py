"Data: one room behind three doors, every bad input named, a cache that never lies, files that are all there or not at all."
import csv, json, os, pickle, re, shutil, subprocess, sys, time, warnings
from pathlib import Path
import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
import torch
from minari.data_collector import EpisodeBuffer
from gac import data
from gac.core import Trajectories
from gac.data import (Standardizer, denormalised, describe, env_of, from_arrays, has_reference, identity, load, local_sets, normalised,
                      read_d4rl, read_minari, recorded_env, reference, rewards, save, shrink)

FIELDS = ('s','a','y','n','last','key')
SHIPPED = ('gac/hopper/medium-replay-mini-v0','gac/walker2d/medium-replay-mini-v0')
seeds = pytest.mark.parametrize('seed', range(4))

@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    "Cache and local Minari sets of this test alone; no network."
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache')); monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path/'sets'))
    monkeypatch.setattr(minari, 'download_dataset', lambda *a, **k: (_ for _ in ()).throw(ConnectionError('no network')))

@pytest.fixture(scope='module')
def shipped(tmp_path_factory):
    "Both shipped sets as the Trajectories they are."
    old = os.environ.get('GAC_CACHE'); os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    try: return {n:(load(n),describe(n)) for n in SHIPPED}
    finally: os.environ.pop('GAC_CACHE') if old is None else os.environ.update(GAC_CACHE=old)

def episodes(seed, N=5, longest=9):
    "Random ragged episodes with Pendulum's dimensions; every number is different, so a shifted row cannot go unnoticed."
    rng = np.random.default_rng(seed)
    lengths = np.r_[rng.integers(1, longest, N-1), longest]
    f = lambda *shape: rng.normal(size=shape).astype(np.float32)
    return [dict(states=f(n+1,3), actions=f(n,1), rewards=f(n)) for n in rng.permutation(lengths)]

def flat(path, eps, nxt=True, tail=0, lack=(), timeouts=(), **change):
    "A flat D4RL file; `tail` steps of an unfinished episode at its end; episodes in `timeouts` end by the clock."
    join = lambda f: np.concatenate([f(e) for e in eps])
    end = np.concatenate([np.arange(len(e['rewards']))==len(e['rewards'])-1 for e in eps])
    by_clock = np.concatenate([np.full(len(e['rewards']), i in timeouts) for i,e in enumerate(eps)])
    d = dict(observations=join(lambda e:e['states'][:-1]), actions=join(lambda e:e['actions']), rewards=join(lambda e:e['rewards']),
             terminals=end&~by_clock, timeouts=end&by_clock)
    if nxt: d['next_observations'] = join(lambda e:e['states'][1:])
    if tail: d = {k:np.concatenate([v, np.zeros((tail,*v.shape[1:]),v.dtype)+(.5 if v.dtype!=bool else False)]).astype(v.dtype) for k,v in d.items()}
    with h5py.File(path,'w') as f:
        for k,v in (d|change).items():
            if k not in lack: f[k] = v
        f.attrs['env_id'] = 'Pendulum-v1'
    return path

def same(x, y, but=()): return all(torch.equal(getattr(x,k), getattr(y,k)) for k in FIELDS if k not in but)

def store(eps, id, env='Pendulum-v1', data_format='hdf5', **kw): # written by Minari itself, not by `save`
    buffers = [EpisodeBuffer(id=i, observations=e['states'], actions=e['actions'], rewards=e['rewards'],
        terminations=np.zeros(len(e['rewards']),bool), truncations=np.arange(len(e['rewards']))==len(e['rewards'])-1) for i,e in enumerate(eps)]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return minari.create_dataset_from_buffers(id, buffers, env=env, data_format=data_format, **kw)

# ---- three doors

@seeds
def test_three_doors(seed, tmp_path):
    eps = episodes(seed)
    tau = from_arrays(eps)
    def walk(): yield from eps
    store(eps, 'me/pendulum/three-v0')
    doors = [from_arrays(walk), from_arrays(iter(eps)), read_d4rl(flat(tmp_path/'a.hdf5', eps)), load(tmp_path/'a.hdf5'), load(str(tmp_path/'a.hdf5')),
             load('me/pendulum/three-v0'), load(tmp_path/'sets'/'me'/'pendulum'/'three-v0'), read_minari(tmp_path/'sets'/'me'/'pendulum'/'three-v0')]
    for o in doors: assert same(o, tau)
    for i,e in enumerate(eps): # by hand, episode by episode
        one = tau[i]
        assert np.array_equal(one.s.numpy(), e['states']) and np.array_equal(one.a.numpy(), e['actions'])
        assert float(one.y)==np.float32(e['rewards'].sum(dtype=np.float64)) and int(one.n)==len(e['rewards']) and bool(one.last)
    assert tau.y.dtype==tau.s.dtype==tau.a.dtype==torch.float32 and tau.key.dtype==tau.n.dtype==torch.int64

@seeds
def test_without_next_observations_only_the_last_state_differs(seed, tmp_path):
    eps = episodes(seed)
    tau, bare = from_arrays(eps), load(flat(tmp_path/'b.hdf5', eps, nxt=False))
    assert same(bare, tau, ('s','last')) and not bare.last.any()
    for i in range(len(eps)):
        assert torch.equal(bare[i].s[:-1], tau[i].s[:-1]) and torch.equal(bare[i].s[-1], tau[i].s[-2])
    assert same(bare, from_arrays([e|dict(states=e['states'][:-1]) for e in eps]))

@seeds
def test_save_and_read_back(seed, tmp_path):
    eps = episodes(seed); tau = from_arrays(eps)
    assert same(load(save(tau, 'me/a-v0', 'Pendulum-v1', rewards=[e['rewards'] for e in eps])), tau)
    lump = load(save(tau, 'me/b-v0', 'Pendulum-v1', root=tmp_path/'other')) # the return, paid at the end
    assert same(lump, tau)
    assert local_sets()==sorted([*SHIPPED, 'me/a-v0'])

class Tank:
    "Shows a dictionary, takes two choices."
    def __new__(cls):
        import gymnasium as gym
        env, spaces = gym.Env(), gym.spaces
        env.observation_space = spaces.Dict(level=spaces.Box(0,1,(1,),np.float32), valve=spaces.MultiBinary(2))
        env.action_space = spaces.MultiDiscrete([2,3])
        env.reset = lambda *, seed=None, options=None: (dict(level=np.float32([.5]), valve=np.int8([0,1])), {})
        env.step = lambda a: (env.reset()[0], float(a[0]), False, False, {})
        return env

def test_save_where_spaces_are_no_vectors(tmp_path):
    "The flattened form is written, and a class that registers an environment by its name."
    import gymnasium as gym
    from gac.envs import random_policy, rollout
    from gac.worlds import check_spaces, env_from
    gym.register('plant/Tank-v0', Tank, max_episode_steps=4)
    try:
        tau = rollout('plant/Tank-v0', random_policy('plant/Tank-v0'), 3)
        place = save(tau, 'me/tank-v0', 'plant/Tank-v0', root=tmp_path)
        assert same(load(place), tau) and check_spaces(env_from(recorded_env(place)), 3, 5)==(3,5)
        with pytest.raises(ValueError, match=r'has observations \(4,\) and actions \(2,\)'): save(tau, 'me/pole-v0', 'CartPole-v1', root=tmp_path)
        gym.registry['plant/Tank-v0'].entry_point = lambda: Tank()
        with pytest.raises(ValueError, match='which no file can name'): save(tau, 'me/two-v0', 'plant/Tank-v0', root=tmp_path)
    finally: gym.registry.pop('plant/Tank-v0')

@pytest.mark.parametrize('tail', [1,7])
def test_unfinished_episode_is_dropped_with_a_warning(tail, tmp_path):
    eps = episodes(0)
    with pytest.warns(UserWarning, match=f'dropped {tail} steps of an unfinished'): tau = load(flat(tmp_path/'c.hdf5', eps, tail=tail))
    assert same(tau, from_arrays(eps))
    with warnings.catch_warnings():
        warnings.simplefilter('error'); load(flat(tmp_path/'d.hdf5', eps)) # nothing to drop, nothing said

@pytest.mark.parametrize('kind', [float, np.uint8, bool])
def test_end_marks_of_any_type(kind, tmp_path):
    eps = episodes(1); p = flat(tmp_path/'e.hdf5', eps, timeouts=(1,3))
    with h5py.File(p,'r+') as f:
        for k in ('terminals','timeouts'):
            marks = f[k][()].astype(kind); del f[k]; f[k] = marks
    assert same(load(p), from_arrays(eps))

def test_other_dtypes_and_returns_given():
    eps = episodes(2); tau = from_arrays(eps)
    assert same(from_arrays([{k:v.astype(np.float64) for k,v in e.items()} for e in eps]), tau)
    assert same(from_arrays([{k:v.tolist() for k,v in e.items()} for e in eps]), tau)
    given = from_arrays([dict(states=e['states'], actions=e['actions'])|{'return':float(e['rewards'].sum(dtype=np.float64))} for e in eps])
    assert same(given, tau)

def test_long_return_is_summed_in_double():
    r = np.full(200_001, .1, np.float32); r[0] = 1e6
    e = dict(states=np.zeros((len(r)+1,1)), actions=np.zeros((len(r),1)), rewards=r)
    assert from_arrays([e,e]).y[0]==np.float32(r.astype(np.float64).sum())

# ---- bad input: one clear error

def edit(path, row, key, value):
    with h5py.File(path,'r+') as f: f[key][row] = value
    return path

BAD_FLAT = dict(
    truncated=(ValueError, 'not a readable HDF5 file', lambda p,e: p.write_bytes(flat(p, e).read_bytes()[:2500])),
    text=(ValueError, 'not a readable HDF5 file', lambda p,e: p.write_text('not data')),
    empty=(ValueError, 'not a readable HDF5 file', lambda p,e: p.write_bytes(b'')),
    one_missing=(ValueError, 'lacks rewards; a D4RL file has', lambda p,e: flat(p, e, lack=('rewards',))),
    two_missing=(ValueError, 'lacks terminals, timeouts', lambda p,e: flat(p, e, lack=('terminals','timeouts'))),
    lengths=(ValueError, 'different lengths: observations 25, actions 24', lambda p,e: flat(p, e, actions=np.zeros((24,1)))),
    nan_state=(ValueError, 'observations have NaN or inf in 1 of .* rows, first in row 7', lambda p,e: edit(flat(p,e), 7, 'observations', np.nan)),
    inf_action=(ValueError, 'actions have NaN or inf in 1 of .* rows, first in row 11', lambda p,e: edit(flat(p,e), 11, 'actions', np.inf)),
    nan_reward=(ValueError, 'rewards have NaN or inf in 1 of .* rows, first in row 0', lambda p,e: edit(flat(p,e), 0, 'rewards', np.nan)),
    nan_next=(ValueError, 'next_observations have NaN or inf in 1 of .* rows, first in row 24', lambda p,e: edit(flat(p,e), 24, 'next_observations', -np.inf)),
    huge=(ValueError, 'row 3', lambda p,e: flat(p, e, rewards=np.where(np.arange(25)==3, 1e300, 0.))), # finite in double, not in float32
    no_episode=(ValueError, '0 complete episodes; ', lambda p,e: flat(p, e, terminals=np.zeros(25))),
    one_episode=(ValueError, '1 complete episode; ', lambda p,e: flat(p, e, terminals=np.arange(25)==9)),
)

@pytest.mark.parametrize('what', BAD_FLAT)
def test_bad_flat_file(what, tmp_path):
    kind, says, make = BAD_FLAT[what]
    eps = [dict(states=np.ones((6,3),np.float32)*i, actions=np.ones((5,1),np.float32), rewards=np.ones(5,np.float32)) for i in range(5)]
    p = tmp_path/'bad.hdf5'; make(p, eps)
    with pytest.raises(kind, match=says) as e: load(p)
    assert 'bad.hdf5' in str(e.value) # the error names the file

GOOD = dict(states=np.zeros((5,3)), actions=np.zeros((4,1)), rewards=np.zeros(4))
def at(x, row, v): x = np.array(x); x[row] = v; return x
BAD_EPISODE = dict(
    no_states=({k:v for k,v in GOOD.items() if k!='states'}, 'episode 1 lacks states'),
    no_actions=({k:v for k,v in GOOD.items() if k!='actions'}, 'episode 1 lacks actions'),
    no_return=({k:v for k,v in GOOD.items() if k!='rewards'}, 'episode 1 needs either rewards or a return'),
    many_states=(GOOD|dict(states=np.zeros((6,3))), 'episode 1 has 4 actions and 6 states'),
    few_states=(GOOD|dict(states=np.zeros((3,3))), 'episode 1 has 4 actions and 3 states'),
    empty=(dict(states=np.zeros((1,3)), actions=np.zeros((0,1)), rewards=np.zeros(0)), 'episode 1 has 0 actions'),
    rewards=(GOOD|dict(rewards=np.zeros(5)), 'episode 1 has 4 actions and rewards of shape .5,.'),
    flat_actions=(GOOD|dict(actions=np.zeros(4)), 'must be .steps, dim.'),
    images=(GOOD|dict(states=np.zeros((5,3,3))), 'must be .steps, dim.'),
    nan_state=(GOOD|dict(states=at(GOOD['states'],(2,1),np.nan)), 'states of episode 1 have NaN or inf in 1 of .* rows, first in row 2'),
    inf_action=(GOOD|dict(actions=at(GOOD['actions'],3,np.inf)), 'actions of episode 1 have NaN or inf in 1 of .* rows, first in row 3'),
    nan_reward=(GOOD|dict(rewards=at(GOOD['rewards'],0,np.nan)), 'rewards of episode 1 have NaN or inf in 1 of .* rows, first in row 0'),
    nan_return=(dict(states=GOOD['states'], actions=GOOD['actions'])|{'return':float('nan')}, 'return of episode 1 is nan'),
    huge=(GOOD|dict(states=at(GOOD['states'],2,1e300)), 'states of episode 1.*row 2'),
    other_S=(GOOD|dict(states=np.zeros((5,4))), 'episode 1'),
    other_A=(GOOD|dict(actions=np.zeros((4,2))), 'episode 1'),
)

@pytest.mark.parametrize('what', BAD_EPISODE)
@pytest.mark.filterwarnings('ignore:overflow')
def test_bad_episode(what):
    e, says = BAD_EPISODE[what]
    with pytest.raises(ValueError, match=says): from_arrays([GOOD, e, GOOD])

@pytest.mark.parametrize('eps', [[], [GOOD]], ids=['none','one'])
def test_too_few_episodes(eps):
    with pytest.raises(ValueError, match=f'{len(eps)} complete episodes?;.*at least 2'): from_arrays(eps)
    with pytest.raises(ValueError, match='at least 2'): from_arrays(lambda: iter(eps))

def test_too_few_episodes_in_minari(tmp_path):
    store(episodes(0, N=1), 'me/one-v0')
    with pytest.raises(ValueError, match='1 complete episode;'): load('me/one-v0')

@pytest.mark.parametrize('name,says', [
    ('gac/hoper/medium-replay-mini-v0', 'did you mean gac/hopper/medium-replay-mini-v0'), ('me/pendulum/thre-v0', 'did you mean me/pendulum/three-v0'),
    ('nothing/like/this', 'no data set'), ('zzz-v3', 'no data set')])
def test_no_such_id(name, says):
    store(episodes(0), 'me/pendulum/three-v0')
    with pytest.raises(FileNotFoundError, match=says) as e: load(name)
    assert all(s in str(e.value) for s in (*SHIPPED, 'me/pendulum/three-v0')) and repr(name) in str(e.value)

def test_no_such_file(tmp_path):
    flat(tmp_path/'hopper.hdf5', episodes(0))
    with pytest.raises(FileNotFoundError, match='no data set .*hoper.hdf5.*did you mean .*hopper.hdf5'): load(tmp_path/'hoper.hdf5')
    with pytest.raises(FileNotFoundError, match='there is: '): load(tmp_path/'no'/'folder.hdf5')
    for ask in (describe, env_of):
        with pytest.raises(FileNotFoundError): ask(tmp_path/'hoper.hdf5')

def test_reading_a_missing_file_does_not_call_it_truncated(tmp_path):
    with pytest.raises(FileNotFoundError): read_d4rl(tmp_path/'gone.hdf5')

def test_folder_that_is_no_minari_set(tmp_path):
    (tmp_path/'plain').mkdir()
    with pytest.raises(FileNotFoundError, match='no data set'): load(tmp_path/'plain')

@pytest.mark.parametrize('hurt', ['cut','text','gone','json'])
def test_broken_minari_set(hurt, tmp_path):
    store(episodes(0), 'me/x-v0')
    d = tmp_path/'sets'/'me'/'x-v0'/'data'
    if hurt=='cut': (d/'main_data.hdf5').write_bytes((d/'main_data.hdf5').read_bytes()[:3000])
    if hurt=='text': (d/'main_data.hdf5').write_text('not data')
    if hurt=='gone': (d/'main_data.hdf5').unlink()
    if hurt=='json': (d/'metadata.json').write_text('{')
    with pytest.raises(ValueError, match='not a readable Minari set'): load('me/x-v0')

def test_environment(tmp_path):
    eps = episodes(0); p = flat(tmp_path/'a.hdf5', eps); store(eps, 'me/x-v0')
    assert env_of(p)==env_of('me/x-v0')=='Pendulum-v1'
    with pytest.warns(UserWarning, match='recorded in Pendulum-v1'): assert env_of(p, 'Other-v1')=='Pendulum-v1'
    with h5py.File(p,'r+') as f: f.attrs['env_id'] = np.bytes_('Bytes-v1')
    assert env_of(p)=='Bytes-v1'
    with h5py.File(p,'r+') as f: del f.attrs['env_id']
    with pytest.raises(ValueError, match='does not say its environment.*--env'): env_of(p)
    assert describe(p)['env'] is None
    assert env_of(p,'Other-v1')=='Other-v1' and describe(p,'Pendulum-v1')['env']=='Pendulum-v1'
    assert env_of(SHIPPED[0])=='Hopper-v5' and env_of(SHIPPED[1])=='Walker2d-v5'

def test_environment_of_a_broken_file(tmp_path):
    p = tmp_path/'bad.hdf5'; p.write_text('not data')
    with pytest.raises(ValueError, match='not a readable'): env_of(p)

def test_minari_set_without_environment():
    import gymnasium as gym
    box = lambda d: gym.spaces.Box(-99,99,(d,),np.float32)
    store(episodes(0), 'me/bare-v0', env=None, observation_space=box(3), action_space=box(1))
    assert same(load('me/bare-v0'), from_arrays(episodes(0)))
    with pytest.raises(ValueError, match='does not say its environment'): env_of('me/bare-v0')

# ---- save

def files(p): return sorted(str(f.relative_to(p)) for f in p.rglob('*') if f.is_file()) if p.exists() else []

def test_existing_id_is_refused(tmp_path):
    tau = from_arrays(episodes(0)); p = save(tau, 'me/x-v0', 'Pendulum-v1')
    before = (p/'data'/'main_data.hdf5').read_bytes()
    with pytest.raises(FileExistsError, match='choose another id'): save(from_arrays(episodes(1)), 'me/x-v0', 'Pendulum-v1')
    assert (p/'data'/'main_data.hdf5').read_bytes()==before

@pytest.mark.parametrize('where', ['create','compress','copy','rename'])
def test_failed_save_leaves_nothing(where, tmp_path, monkeypatch):
    def boom(*a, **k): raise OSError('disk full')
    if where=='create': monkeypatch.setattr(minari, 'create_dataset_from_buffers', boom)
    if where=='compress': monkeypatch.setattr(data, '_compress', boom)
    if where=='copy':
        def half(src, dst, **k): Path(dst,'data').mkdir(parents=True); Path(dst,'data','main_data.hdf5').write_bytes(b'half'); boom()
        monkeypatch.setattr(shutil, 'copytree', half)
    if where=='rename': monkeypatch.setattr('gac.core.os.replace', boom)
    tau, path = from_arrays(episodes(0)), os.environ['MINARI_DATASETS_PATH']
    with pytest.raises(OSError, match='disk full'): save(tau, 'me/deep/x-v0', 'Pendulum-v1')
    assert files(tmp_path/'sets')==[] and os.environ['MINARI_DATASETS_PATH']==path
    monkeypatch.undo(); os.environ['MINARI_DATASETS_PATH'] = path
    assert same(load(save(tau, 'me/deep/x-v0', 'Pendulum-v1', root=tmp_path/'sets')), tau) # the id is still free

def test_failing_episode_leaves_nothing(tmp_path):
    tau = from_arrays(episodes(0))
    with pytest.raises(Exception): save(tau, 'me/x-v0', 'Pendulum-v1', rewards=[np.zeros(1)])
    assert files(tmp_path/'sets')==[]

def test_saved_set_says_how_episodes_ended(tmp_path):
    tau = from_arrays(episodes(0))
    save(tau, 'me/x-v0', 'Pendulum-v1', truncated=[True,False,True,False,True], author='we', description='five episodes')
    eps = list(minari.load_dataset('me/x-v0').iterate_episodes())
    assert [bool(e.truncations[-1]) for e in eps]==[True,False,True,False,True]==[not e.terminations[-1] for e in eps]
    assert not any(e.truncations[:-1].any() or e.terminations[:-1].any() for e in eps)
    assert np.allclose([e.rewards.sum() for e in eps], tau.y) and describe('me/x-v0')['source']=='five episodes'

def test_unknown_last_states_are_saved_with_a_warning():
    tau = from_arrays([e|dict(states=e['states'][:-1]) for e in episodes(0)])
    with pytest.warns(UserWarning, match='final states are unknown'): p = save(tau, 'me/x-v0', 'Pendulum-v1')
    assert same(load(p), tau, ('last',))

@pytest.mark.parametrize('every', [1,2,3])
def test_shrink(every, tmp_path):
    eps = episodes(3, N=9); tau = from_arrays(eps)
    p = flat(tmp_path/'a.hdf5', eps, timeouts=(0,2,3,7))
    small = load(shrink(p, 'me/small-v0', every))
    keep = sorted(tau.y.argsort(descending=True)[::every].tolist())
    assert same(small, tau[keep]) and small.y.max()==tau.y.max()
    for i,e in zip(keep, minari.load_dataset('me/small-v0').iterate_episodes()):
        assert np.array_equal(e.rewards, eps[i]['rewards'])
        assert (bool(e.truncations[-1]), bool(e.terminations[-1]))==(i in (0,2,3,7), i not in (0,2,3,7))
    assert env_of('me/small-v0')=='Pendulum-v1'

# ---- data of somebody else: nothing in a file is called, no other file is read

def trap(tmp_path):
    "A command that leaves a marker, and the look whether it did."
    mark = tmp_path/'it-ran'
    return f'touch {mark}', lambda: mark.exists()

def edit_meta(change, id='me/x-v0'):
    "The metadata of a set, changed in place by a function."
    p = Path(os.environ['MINARI_DATASETS_PATH'])/id/'data'/'metadata.json'
    meta = json.loads(p.read_text())
    change(meta)
    p.write_text(json.dumps(meta))
    return p.parents[1]

def spec_that_runs(command, **change):
    "A recorded environment whose making would run a command."
    return json.dumps(dict(id='Trap-v0', entry_point='os:system', reward_threshold=None, nondeterministic=False, max_episode_steps=None,
        order_enforce=False, disable_env_checker=True, kwargs=dict(command=command), additional_wrappers=[], vector_entry_point=None)|change)

def test_the_trap_is_one(tmp_path):
    "Minari itself runs the command: what the next test asserts can fail."
    command, ran = trap(tmp_path)
    store(episodes(0), 'me/x-v0')
    place = edit_meta(lambda m: (m.pop('observation_space'), m.update(env_spec=spec_that_runs(command))))
    with pytest.raises(Exception): list(minari.MinariDataset(place/'data').iterate_episodes())
    assert ran()

@pytest.mark.parametrize('lack', [('observation_space',), ('action_space',), ('observation_space','action_space'), ()], ids=lambda x: '+'.join(x) or 'none')
def test_no_environment_is_built_from_a_file(lack, tmp_path):
    command, ran = trap(tmp_path)
    store(episodes(0), 'me/x-v0')
    def change(m):
        for k in lack: del m[k]
        m['env_spec'] = spec_that_runs(command)
    edit_meta(change)
    for ask in (load, env_of, describe, recorded_env, rewards):
        if lack: pytest.raises(ValueError, ask, 'me/x-v0').match(f'{lack[0]} is .None., not str')
        else: ask('me/x-v0')
    assert not ran()

def test_entry_point_is_left_out(tmp_path):
    store(episodes(0), 'me/x-v0')
    wrap = [dict(name='Trap', entry_point='os:system', kwargs={})]
    edit_meta(lambda m: m.update(env_spec=spec_that_runs('true', max_episode_steps=50, additional_wrappers=wrap)))
    assert recorded_env('me/x-v0')==dict(id='Trap-v0', kwargs=dict(command='true'), max_episode_steps=50, additional_wrappers=wrap)

def module_that_marks(tmp_path, monkeypatch):
    mark = tmp_path/'imported'
    (tmp_path/'lurking.py').write_text(f'open({str(mark)!r},"w")')
    monkeypatch.syspath_prepend(tmp_path)
    return mark

@pytest.mark.parametrize('id', ['lurking:Pendulum-v1', 'lurking:Pendulum-v1 ', '../lurking', 'a/b/c-v0', '', 'x y'])
def test_ids_in_files_import_nothing(id, tmp_path, monkeypatch):
    mark, p = module_that_marks(tmp_path, monkeypatch), flat(tmp_path/'a.hdf5', episodes(0))
    with h5py.File(p,'r+') as f: f.attrs['env_id'] = id
    store(episodes(0), 'me/x-v0')
    edit_meta(lambda m: m.update(env_spec=spec_that_runs('true', id=id)))
    for name in (p, 'me/x-v0'):
        for ask in (env_of, recorded_env, describe):
            if id or name!=p: pytest.raises(ValueError, ask, name).match('environment whose id is .*--env')
        if id or name!=p:
            with pytest.warns(UserWarning, match='Hopper-v5 is used'): assert env_of(name, 'Hopper-v5')=='Hopper-v5' # the user overrules it
        assert same(load(name), from_arrays(episodes(0))) # the data are sound
    with pytest.raises(ValueError): shrink(p, 'me/y-v0', 2)
    assert not mark.exists()

def test_an_environment_of_ones_own(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert env_of(p, 'some.module:Pendulum-v1')=='some.module:Pendulum-v1' # the same environment, and where it is registered
    with h5py.File(p,'r+') as f: f.attrs['env_id'] = 'plant/Tanks-v0'
    assert env_of(p)=='plant/Tanks-v0'
    with pytest.warns(UserWarning, match='not registered here'): assert env_of(p, 'tanks:Tanks-v0')=='tanks:Tanks-v0'

def elsewhere(how, path, key):
    "Replace a field by one whose numbers lie in another file."
    other = path.with_name('secret')
    with h5py.File(path,'r+') as f:
        shape, kind = f[key].shape, f[key].dtype
        del f[key]
        if how=='external storage':
            other.write_bytes(np.zeros(shape, kind).tobytes())
            f.create_dataset(key, shape, kind, external=[(str(other), 0, h5py.h5f.UNLIMITED)])
            return
        with h5py.File(other,'w') as o: o['x'] = np.zeros(shape, kind)
        if how=='virtual':
            v = h5py.VirtualLayout(shape, kind)
            v[...] = h5py.VirtualSource(str(other), 'x', shape)
            f.create_virtual_dataset(key, v)
        if how=='external link': f[key] = h5py.ExternalLink(str(other), 'x')
        if how=='soft link': f['far'], f[key] = h5py.ExternalLink(str(other), '/'), h5py.SoftLink('/far/x')
        if how=='soft circle': f['back'], f[key] = h5py.SoftLink('/'+key), h5py.SoftLink('/back')

OTHER = pytest.mark.parametrize('how', ['external link','external storage','virtual','soft link','soft circle'])

@OTHER
@pytest.mark.parametrize('key', ['observations','actions','rewards','terminals','timeouts','next_observations'])
def test_other_files_are_not_read(how, key, tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0)); elsewhere(how, p, key)
    with pytest.raises(ValueError, match=f'a.hdf5: {key} is .*(other files are not read)'): load(p)

@OTHER
@pytest.mark.parametrize('key', ['episode_2','episode_2/observations','episode_2/rewards'])
def test_other_files_are_not_read_by_minari(how, key, tmp_path):
    store(episodes(0), 'me/x-v0'); p = tmp_path/'sets'/'me'/'x-v0'/'data'/'main_data.hdf5'
    if '/' not in key and how!='external link': pytest.skip('a group has no storage of its own')
    if '/' in key: elsewhere(how, p, key)
    else:
        with h5py.File(p,'r+') as f: f.move(key, 'gone'); f[key] = h5py.ExternalLink('secret', '/')
    with pytest.raises(ValueError, match='episode_2.* is .*other files are not read'): load('me/x-v0')

def test_links_within_a_file_are_followed(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0)); tau = load(p)
    with h5py.File(p,'r+') as f:
        f.move('observations', 'kept/here'); f['observations'] = h5py.SoftLink('/kept/here')
        f.move('actions', 'kept/a'); f['kept/b'] = h5py.SoftLink('a'); f['actions'] = h5py.SoftLink('kept/b')
        f['unused'] = h5py.ExternalLink('nowhere', 'x') # what is not read is no matter
    assert same(load(p), tau)

@pytest.mark.parametrize('kind', [dict(chunks=(1000,3)), dict(chunks=(1000,3), compression='gzip'), {}], ids=['chunks','gzip','contiguous'])
def test_sizes_are_not_believed(kind, tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0), lack=('observations',))
    with h5py.File(p,'r+') as f: f.create_dataset('observations', (10**9,3), 'f4', **kind)
    with pytest.raises(ValueError, match='observations claims to be .1000000000, 3., 12 GB, in a file of'): load(p)

def test_sizes_are_added_up(tmp_path):
    store(episodes(0), 'me/x-v0'); p = tmp_path/'sets'/'me'/'x-v0'/'data'/'main_data.hdf5'
    with h5py.File(p,'r+') as f:
        for i in range(5):
            del f[f'episode_{i}/observations']
            f.create_dataset(f'episode_{i}/observations', (10**7,3), 'f4', chunks=(10**5,3))
    with pytest.raises(ValueError, match='claims to be'): load('me/x-v0')

@pytest.mark.parametrize('change,says', [
    (dict(total_episodes=4), 'holds 5 episodes, its metadata say total_episodes 4'), (dict(total_episodes=10**18), 'total_episodes 1000000000000000000'),
    (dict(total_episodes='5'), "total_episodes is '5', not int"), (dict(total_episodes=True), 'total_episodes is .True., not int'), (dict(total_episodes=-1), 'total_episodes -1'),
    (dict(total_steps=3), 'total_steps 3'), (dict(data_format='pickle'), "data_format 'pickle' is unknown"), (dict(data_format=None), 'data_format is'),
    (dict(observation_space='{'), 'observation_space is not readable JSON'), (dict(observation_space='[1]'), 'observation_space is .*not a JSON object'),
    (dict(action_space='{"type":"Discrete","n":3,"start":0}'), 'actions has rows of shape .1,., its space says ..;'), (dict(action_space='{"type":"Box","shape":[2,2]}'), 'actions has rows of shape .1,., its space says .2, 2.'),
    (dict(action_space='{"type":"Box","shape":"x"}'), "action_space has shape 'x'"), (dict(action_space='{"type":"Dict","subspaces":{"x":{"type":"Box","shape":[1]}}}'), 'action_space is made of 1 parts.*flatten them')])
def test_metadata_are_checked(change, says):
    store(episodes(0), 'me/x-v0'); edit_meta(lambda m: m.update(change))
    with pytest.raises(ValueError, match=says) as e: load('me/x-v0')
    assert 'x-v0' in str(e.value) and len(str(e.value))<600

@pytest.mark.parametrize('spec', [dict(id=None), dict(id=3), dict(kwargs=[1]), dict(max_episode_steps='50'), dict(max_episode_steps=True), dict(additional_wrappers={})], ids=str)
def test_recorded_environments_are_checked(spec):
    store(episodes(0), 'me/x-v0'); edit_meta(lambda m: m.update(env_spec=spec_that_runs('true', **spec)))
    with pytest.raises(ValueError, match='x-v0.*environment.*--env'): recorded_env('me/x-v0')

@pytest.mark.parametrize('text', ['['*100_000, '"x"', '\udcff', '{"a":', 'NaN'], ids=['deep','text','bytes','torn','nan'])
def test_metadata_that_are_no_object(text):
    store(episodes(0), 'me/x-v0'); p = edit_meta(lambda m: None)/'data'/'metadata.json'
    p.write_bytes(text.encode('utf-8', 'surrogateescape'))
    for ask in (load, env_of, recorded_env): pytest.raises(ValueError, ask, 'me/x-v0').match('not a readable Minari set')

def test_the_recorded_environment_of_both_kinds(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    assert recorded_env(p)==dict(id='Pendulum-v1')
    assert recorded_env(SHIPPED[0])==dict(id='Hopper-v5', kwargs={}, max_episode_steps=1000, additional_wrappers=[])
    with h5py.File(p,'r+') as f: del f.attrs['env_id']
    assert recorded_env(p) is None

# ---- what is accepted, exactly, and what is not

def put(path, **arrays): # fields of a file, replaced
    with h5py.File(path,'r+') as f:
        for k,v in arrays.items():
            if k in f: del f[k]
            f[k] = v
    return path

STEPS = sum(len(e['rewards']) for e in episodes(0))

def columns(path, *names):
    with h5py.File(path,'r+') as f:
        for k in names:
            x = f[k][()]; del f[k]; f[k] = x[:,None]
    return path

@pytest.mark.parametrize('names', [('rewards',), ('terminals',), ('timeouts',), ('rewards','terminals','timeouts')], ids='+'.join)
@pytest.mark.parametrize('nxt', [True,False])
def test_columns_are_read(names, nxt, tmp_path):
    eps = episodes(3); want = load(flat(tmp_path/'a.hdf5', eps, nxt=nxt, timeouts=(1,3)))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert same(load(columns(flat(tmp_path/'b.hdf5', eps, nxt=nxt, timeouts=(1,3)), *names)), want)

def test_columns_of_ones_own():
    eps = episodes(3)
    assert same(from_arrays([e|dict(rewards=e['rewards'][:,None]) for e in eps]), from_arrays(eps))
    S, A, y = [e['states'] for e in eps], [e['actions'] for e in eps], np.arange(5.)
    assert from_arrays(S, A, returns=y[:,None]).y.tolist()==from_arrays(S, A, returns=y).y.tolist()==y.tolist()

@pytest.mark.parametrize('shape', [(STEPS,2),(STEPS,1,1),(STEPS,0),(1,STEPS),(5,STEPS//5),()], ids=str)
@pytest.mark.parametrize('key', ['rewards','terminals','timeouts'])
def test_other_shapes_are_refused(key, shape, tmp_path):
    with pytest.raises(ValueError, match=rf'a.hdf5.*{key}'): load(put(flat(tmp_path/'a.hdf5', episodes(0)), **{key:np.zeros(shape)}))

@pytest.mark.parametrize('shape', [(4,2),(4,1,1),(4,0),(1,4),(2,2),()], ids=str)
def test_other_shapes_of_ones_own_are_refused(shape):
    with pytest.raises(ValueError, match='episode 1 has 4 actions and rewards of shape'): from_arrays([GOOD, GOOD|dict(rewards=np.zeros(shape))])

@pytest.mark.parametrize('value', [.5, -1, 2, 255, np.nan, np.inf])
@pytest.mark.parametrize('key', ['terminals','timeouts'])
def test_flags_are_zero_or_one(key, value, tmp_path):
    x = np.zeros(STEPS); x[7] = value
    with pytest.raises(ValueError, match=f'a.hdf5: {key} must be 0 or 1; row 7 is'): load(put(flat(tmp_path/'a.hdf5', episodes(0)), **{key:x}))

@pytest.mark.parametrize('kind', [np.complex64, 'S4', 'V4', object, np.dtype([('a','f4')])], ids=str)
@pytest.mark.parametrize('key', ['observations','actions','rewards','terminals'])
def test_only_real_numbers(kind, key, tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    with h5py.File(p,'r+') as f:
        shape = f[key].shape; del f[key]
        f.create_dataset(key, shape, h5py.string_dtype() if kind is object else kind)
    with pytest.raises(ValueError, match=f'a.hdf5: {key} has type'): load(p)

@pytest.mark.parametrize('change', [dict(states=np.zeros((5,3),complex)), dict(actions=np.array([['1']]*4)), dict(rewards=np.zeros(4,'M8[s]')), dict(states=None),
    dict(states=np.zeros((5,0))), dict(rewards=None), {'rewards':None,'return':1j}, {'rewards':None,'return':'1'}, {'rewards':None,'return':[1,2]}, {'rewards':None,'return':1e300}], ids=str)
def test_only_real_numbers_of_ones_own(change):
    with pytest.raises(ValueError, match='episode 1'): from_arrays([GOOD, GOOD|change])

@pytest.mark.parametrize('eps', [[np.zeros((3,2))]*2, ['ab','cd'], [None,None], [3]], ids=str)
def test_episodes_that_are_no_dictionaries(eps):
    with pytest.raises(ValueError, match='episode 0 is a'): from_arrays(eps)

def test_returns_that_overflow(tmp_path):
    big = np.full(STEPS, 3e38, np.float32)
    with pytest.raises(ValueError, match='the return of .*a.hdf5: episode . is .*e.3[89], not finite'): load(flat(tmp_path/'a.hdf5', episodes(0), rewards=big))
    with pytest.raises(ValueError, match='the return of episode 0 is 1.2e.39'): from_arrays([GOOD|dict(rewards=np.full(4,3e38))]*2)

def region(path, nxt=True, **kw):
    "Four episodes of 20 steps; the last eight of each are at the goal and terminal."
    eps = [dict(states=np.random.default_rng(i).normal(size=(21,3)).astype('f4'), actions=np.zeros((20,1),'f4'), rewards=np.ones(20,'f4')) for i in range(4)]
    goal = np.tile(np.arange(20)>=12, 4)
    return eps, flat(path, eps, nxt=nxt, timeouts=range(4), terminals=goal, **kw)

def test_terminals_inside_an_episode(tmp_path):
    eps, p = region(tmp_path/'a.hdf5')
    with pytest.warns(UserWarning, match='28 of 32 terminals lie inside an episode'): assert same(load(p), from_arrays(eps))
    _, p = region(tmp_path/'b.hdf5', nxt=False)
    with pytest.warns(UserWarning, match='28 terminals follow a terminal'): assert len(load(p))==32

def test_next_observations_made_by_shifting(tmp_path):
    eps = episodes(4); p = flat(tmp_path/'a.hdf5', eps)
    with h5py.File(p,'r+') as f: f['next_observations'][:-1] = f['observations'][1:]
    with pytest.warns(UserWarning, match='go on behind every end'): tau = load(p)
    assert same(tau, from_arrays([e|dict(states=e['states'][:-1]) for e in eps]))

def test_missing_timeouts(tmp_path):
    eps = episodes(0); want = from_arrays(eps)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert same(load(flat(tmp_path/'a.hdf5', eps, lack=('timeouts',))), want) # all episodes end in a terminal, as next_observations confirm
    with pytest.warns(UserWarning, match='as if no time limit'): load(flat(tmp_path/'b.hdf5', eps, nxt=False, lack=('timeouts',)))
    with pytest.raises(ValueError, match='lacks timeouts; .*break off in 2 rows'): load(flat(tmp_path/'c.hdf5', eps, timeouts=(1,3), lack=('timeouts',)))
    with pytest.raises(ValueError, match='lacks timeouts; .*none of its terminals'): load(flat(tmp_path/'d.hdf5', eps, nxt=False, timeouts=range(5), lack=('timeouts',)))

def test_time_stamps_are_not_blurred_in_silence(tmp_path):
    eps = [e|dict(states=np.c_[e['states'].astype('f8')[:,:2], 1.7e9+np.arange(len(e['states']))]) for e in episodes(0)]
    for door in (lambda: from_arrays(eps), lambda: load(flat(tmp_path/'a.hdf5', eps))):
        with pytest.warns(UserWarning, match='column 2 has values near 2e.09 that float32 cannot tell apart'): door()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for still in (1., 1.+1e-15*np.arange(3), 1.7e9): from_arrays([dict(states=np.full((3,1),1.)*np.reshape(still,(-1,1)), actions=np.zeros((2,1)), rewards=np.zeros(2))]*2)

# ---- one cause, one cure

def why(path):
    with pytest.raises(ValueError, match='not a readable HDF5 file') as e: load(path)
    return str(e.value)

def test_other_formats_are_named(tmp_path):
    np.savez(tmp_path/'a.npz', x=1); (tmp_path/'a.pkl').write_bytes(pickle.dumps([1])); np.save(tmp_path/'a.npy', 1); (tmp_path/'a.csv').write_text('a,b')
    for name,kind in (('a.npz','zip archive'), ('a.pkl','pickle'), ('a.npy','NumPy array'), ('a.csv','another format')):
        said = why(tmp_path/name)
        assert kind in said and 'from_arrays' in said and name in said

def test_a_pickle_is_not_loaded(tmp_path):
    command, ran = trap(tmp_path)
    class Trap:
        def __reduce__(self): return os.system, (command,)
    (tmp_path/'a.hdf5').write_bytes(pickle.dumps(Trap()))
    assert 'pickle' in why(tmp_path/'a.hdf5') and not ran()

def test_a_damaged_file_is_fetched_again(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0)); p.write_bytes(p.read_bytes()[:3000])
    assert 'truncated or damaged' in why(p) and 'fetch' in why(p)
    p.write_bytes(b''); assert 'empty' in why(p)

def test_a_locked_file(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    code = f'import h5py,sys; h=h5py.File({str(p)!r},"a"); print(1,flush=True); sys.stdin.read()'
    w = subprocess.Popen([sys.executable,'-c',code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        w.stdout.readline()
        assert 'locked' in why(p) and 'fetch' not in why(p)
    finally: w.communicate()
    assert len(load(p))==5

def test_a_filter_that_is_missing(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0), lack=('actions',))
    with h5py.File(p,'r+') as f:
        d = f.create_dataset('actions', (STEPS,1), 'f4', chunks=(STEPS,1), compression=32999, allow_unknown_filter=True)
        d.id.write_direct_chunk((0,0), np.zeros(STEPS,'f4').tobytes())
    with pytest.raises(ValueError, match='actions is packed by filter 32999.*hdf5plugin'): load(p)

def test_minari_of_before(tmp_path):
    eps = episodes(0); p = tmp_path/'old-v0'/'data'/'main_data.hdf5'; p.parent.mkdir(parents=True)
    with h5py.File(p,'w') as f:
        f.attrs.update(total_episodes=5, total_steps=STEPS, env_spec=spec_that_runs('true', id='Pendulum-v1'))
        for i,e in enumerate(eps): f.create_group(f'episode_{i}').update(observations=e['states'], actions=e['actions'], rewards=e['rewards'])
    for name in (p, tmp_path/'old-v0'): assert same(load(name), from_arrays(eps)) and env_of(name)=='Pendulum-v1'
    with h5py.File(p,'r+') as f: f.attrs['total_episodes'] = 4
    with pytest.raises(ValueError, match='total_episodes 4'): load(tmp_path/'old-v0')

def test_arrow_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyarrow', None); monkeypatch.setitem(sys.modules, 'pyarrow.dataset', None)
    store(episodes(0), 'me/x-v0'); edit_meta(lambda m: m.update(data_format='arrow'))
    with pytest.raises(ValueError, match='pip install pyarrow') as e: load('me/x-v0')
    assert 'fetch' not in str(e.value)

@pytest.mark.parametrize('form', ['arrow','parquet'])
def test_arrow(form):
    pytest.importorskip('pyarrow')
    eps = episodes(0); store(eps, 'me/x-v0', data_format=form)
    assert same(load('me/x-v0'), from_arrays(eps))

@pytest.mark.parametrize('kind', ['flat','minari'])
@pytest.mark.filterwarnings('ignore::UserWarning')
def test_flipped_bits_and_cuts(kind, tmp_path):
    "120 damaged files: read, or refused by a ValueError that names the file; no other error, no huge allocation."
    rng, read = np.random.default_rng(len(kind)), 0
    store(episodes(0), 'me/x-v0')
    p = flat(tmp_path/'a.hdf5', episodes(0)) if kind=='flat' else tmp_path/'sets'/'me'/'x-v0'/'data'/'main_data.hdf5'
    sound = p.read_bytes()
    for _ in range(120):
        raw = bytearray(sound)
        for i in rng.integers(0, rng.choice([6000,len(raw)]), rng.integers(1,6)): raw[min(i,len(raw)-1)] ^= 1<<rng.integers(0,8)
        p.write_bytes(raw[:rng.integers(0,len(raw))] if rng.random()<.2 else raw)
        for ask in (load, env_of):
            try: ask(p); read += 1
            except ValueError as e: assert (p.name in str(e) or 'x-v0' in str(e)) and len(str(e))<600
    assert 20<read<220

def test_texts_claim_no_more_than_the_file(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0)); raw = bytearray(p.read_bytes()); at = raw.index(b'GCOL')
    raw[at+8:at+16] = (1<<33).to_bytes(8,'little'); p.write_bytes(raw)
    with pytest.raises(ValueError, match='a.hdf5: a heap of texts claims more than the file'): env_of(p)

# ---- per-step rewards, and three names of a set

def test_rewards_lie_beside_the_actions(tmp_path):
    eps = episodes(5); R = [e['rewards'] for e in eps]; tau = from_arrays(eps)
    p = flat(tmp_path/'a.hdf5', eps, tail=3); store(eps, 'me/x-v0')
    with pytest.warns(UserWarning, match='dropped 3'): got = rewards(p)
    for r in (got, rewards('me/x-v0'), rewards('me/x-v0')): # by Minari, then by the cache
        assert len(r)==len(tau.a) and r.dtype==torch.float32
        for i in (2,1,0,4): assert np.array_equal(r[tau.a_at[i]:tau.a_at[i]+tau.n[i]], R[i])
    assert not hasattr(tau, 'rewards')

def test_names_of_a_set(tmp_path):
    (tmp_path/'a').mkdir(); (tmp_path/'b').mkdir()
    a, b = flat(tmp_path/'a'/'data.hdf5', episodes(0)), flat(tmp_path/'b'/'data.hdf5', episodes(1))
    A, B = identity(a), identity(b)
    assert A['label']==B['label'] and A['path']!=B['path'] and A['fingerprint']!=B['fingerprint']
    assert same(load(A['path']), load(a)) and identity(a, load(a))==A
    shutil.copy(a, tmp_path/'c.hdf5'); assert identity(tmp_path/'c.hdf5')['fingerprint']==A['fingerprint']
    assert identity(SHIPPED[0])['path']==SHIPPED[0] # an id is the same on every machine

def test_fingerprints_are_those_of_runs():
    from gac.run import fingerprint
    tau = from_arrays(episodes(0)); store(episodes(0), 'me/x-v0')
    assert identity('me/x-v0')['fingerprint']==fingerprint(tau)

def test_small_and_large_scales():
    gen = np.random.default_rng(0); f = lambda n,d: gen.normal(size=(n,d))
    scale = np.array([1e-9, 1., 1e9]); shift = np.array([0., 5., -3.])
    eps = [dict(states=f(21,3)*scale+shift, actions=1e-8*f(20,1), rewards=1e-7*f(20,1)) for _ in range(9)]
    std = Standardizer.fit(tau := from_arrays(eps))
    for k,x in dict(s=tau.s, a=tau.a, y=tau.y).items(): assert torch.allclose(std.do(k,x).std(0), torch.tensor(1.), rtol=.1)
    jitter = [e|dict(states=(1000+6.1e-5*gen.integers(0,2,(21,3))).astype('f4')) for e in eps] # one unit in the last place
    assert (Standardizer.fit(from_arrays(jitter)).s_std==1).all()

@pytest.mark.parametrize('name', ['HopperBulletEnv-v0','Walker2DBulletEnv-v0','bullet-hopper-medium-v0','dm_control/hopper-hop-v0','Grasshopper-v0','SafetyHopperVelocity-v1','hopper-hop','me/hopper/mine-v0','xhopper'])
def test_other_worlds_have_no_reference(name): assert not has_reference(name)

@pytest.mark.parametrize('name', ['Hopper-v2','Hopper-v5','walker2d','hopper-medium-v2','halfcheetah_full_replay-v2','mujoco/hopper/medium-v0','gac/walker2d/medium-replay-mini-v0','hopper-medium-expert'])
def test_known_families(name): assert has_reference(name)

def test_of_two_saves_at_once_the_first_to_end_stays(tmp_path, monkeypatch):
    slow, fast, write = from_arrays(episodes(0)), from_arrays(episodes(1,4)), data._write
    def late(*args):
        monkeypatch.setattr(data, '_write', write)
        save(fast, 'me/x-v0', 'Pendulum-v1', tmp_path/'mine')
        write(*args)
    monkeypatch.setattr(data, '_write', late)
    with pytest.raises(FileExistsError, match='me/x-v0 has been written by another process meanwhile'): save(slow, 'me/x-v0', 'Pendulum-v1', tmp_path/'mine')
    assert same(load(tmp_path/'mine'/'me'/'x-v0'), fast)

# ---- the cache

def cached(tmp_path): return sorted((tmp_path/'cache').glob('*'))

def test_second_load_uses_the_cache(tmp_path, monkeypatch):
    store(episodes(0), 'me/x-v0'); first = load('me/x-v0')
    assert [p.suffix for p in cached(tmp_path)]==['.npz']
    monkeypatch.setattr(data, '_read_minari', lambda f: pytest.fail('read again'))
    assert same(load('me/x-v0'), first) and isinstance(load('me/x-v0'), Trajectories)

def test_edited_set_is_read_again(tmp_path):
    store(episodes(0), 'me/x-v0'); first = load('me/x-v0')
    f = tmp_path/'sets'/'me'/'x-v0'/'data'/'main_data.hdf5'; stat = f.stat()
    with h5py.File(f,'r+') as h: h['episode_0/rewards'][0] = 100.
    os.utime(f, ns=(stat.st_atime_ns, stat.st_mtime_ns)) # not even the clock tells
    again = load('me/x-v0')
    assert again.y[0]!=first.y[0] and torch.equal(again.y[1:], first.y[1:])

def test_moved_set_shares_its_cache(tmp_path, monkeypatch):
    store(episodes(0), 'me/x-v0'); first = load('me/x-v0')
    shutil.copytree(tmp_path/'sets'/'me'/'x-v0', tmp_path/'copy')
    monkeypatch.setattr(data, '_read_minari', lambda f: pytest.fail('read again'))
    assert same(load(tmp_path/'copy'), first)

def test_what_lies_beside_a_set_is_not_read(tmp_path):
    store(episodes(0), 'me/x-v0'); first = load('me/x-v0')
    with open(tmp_path/'sets'/'me'/'x-v0'/'data'/'junk.bin', 'wb') as f: f.truncate(1<<40) # a terabyte of nothing
    assert same(load('me/x-v0'), first) and len(cached(tmp_path))==1

def test_arrow_sets_are_hashed_too(tmp_path):
    pytest.importorskip('pyarrow')
    for seed in (0,1): store(episodes(seed), f'me/x{seed}-v0', data_format='arrow')
    assert not same(load('me/x0-v0'), load('me/x1-v0')) and len(cached(tmp_path))==2

def test_a_warning_comes_each_time_and_names_the_set(tmp_path):
    eps = episodes(0)
    for e in eps: e['states'] = e['states'].astype(np.float64)+[0,0,1.7e9]
    box = lambda d, kind: gym.spaces.Box(-np.inf, np.inf, (d,), kind)
    store(eps, 'me/x-v0', None, observation_space=box(3,np.float64), action_space=box(1,np.float32))
    shutil.copytree(tmp_path/'sets'/'me'/'x-v0', tmp_path/'copy')
    for place in (tmp_path/'sets'/'me'/'x-v0', tmp_path/'sets'/'me'/'x-v0', tmp_path/'copy'):
        with pytest.warns(UserWarning) as said: load(place)
        assert [str(w.message).split(' has ')[0] for w in said]==[f'{place}: states: column 2']
    assert len(cached(tmp_path))==1

@pytest.mark.parametrize('how', ['under a file','is a file','write fails'])
def test_unwritable_cache_falls_back(how, tmp_path, monkeypatch):
    (tmp_path/'file').write_text('')
    if how!='write fails': monkeypatch.setenv('GAC_CACHE', str(tmp_path/'file'/'x' if how=='under a file' else tmp_path/'file'))
    else:
        def full(*a, **k): raise PermissionError('read-only')
        monkeypatch.setattr(data.np, 'savez', full)
    eps = episodes(0); store(eps, 'me/x-v0')
    for _ in range(2): assert same(load('me/x-v0'), from_arrays(eps))
    assert cached(tmp_path)==[]

@pytest.mark.parametrize('hurt', ['empty','text','cut','other fields','torn field'])
def test_damaged_cache_falls_back(hurt, tmp_path):
    eps = episodes(0); store(eps, 'me/x-v0'); load('me/x-v0')
    c, = cached(tmp_path); raw = c.read_bytes()
    if hurt=='empty': c.write_bytes(b'')
    if hurt=='text': c.write_text('not data')
    if hurt=='cut': c.write_bytes(raw[:len(raw)//2])
    if hurt=='other fields':
        with open(c,'wb') as f: np.savez(f, s=np.zeros(3))
    if hurt=='torn field': # a zip whose content does not match its checksum
        i = raw.index(b'NUMPY')+200; c.write_bytes(raw[:i]+bytes([raw[i]^255])+raw[i+1:])
    assert same(load('me/x-v0'), from_arrays(eps))

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

# ---- scores

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
    with pytest.raises(ValueError, match="no reference scores for 'Ant-v5'.*hopper, walker2d, halfcheetah"): normalised(1., 'Ant-v5')

# ---- what is shipped

def test_shipped_sets_are_small(root):
    sizes = [f.stat().st_size for f in (root/'data'/'minari').rglob('*') if f.is_file()]
    assert len(sizes)>=4 and sum(sizes)<=16e6

@pytest.mark.parametrize('name,want', [
    (SHIPPED[0], dict(env='Hopper-v5', N=605, steps=100156, S=11, A=3, length_mean=165.547, return_mean=466.561, return_std=419.400, return_min=3.598, return_max=3171.483)),
    (SHIPPED[1], dict(env='Walker2d-v5', N=283, steps=83548, S=17, A=6, length_mean=295.223, return_mean=694.967, return_std=1002.096, return_min=-33.727, return_max=3614.689))])
def test_shipped_sets_are_these(shipped, name, want):
    tau, about = shipped[name]
    assert about['kind']=='minari' and about['name']==name and 'Not a D4RL file' in about['source']
    assert {k:about[k] for k in want}=={k:v if isinstance(v,(str,int)) else pytest.approx(v,abs=2e-3) for k,v in want.items()}
    assert len(tau.key.unique())==len(tau) and tau.last.all() and all(getattr(tau,k).isfinite().all() for k in ('s','a','y'))
    assert tau.a.abs().max()<=1

@pytest.mark.parametrize('name', SHIPPED)
def test_minari_itself_reads_the_shipped_sets(root, shipped, name, monkeypatch):
    monkeypatch.setenv('MINARI_DATASETS_PATH', str(root/'data'/'minari'))
    assert name in minari.list_local_datasets()
    d, tau = minari.load_dataset(name), shipped[name][0]
    assert (d.total_episodes, d.total_steps)==(len(tau), len(tau.a)) and d.recover_environment().spec.id==shipped[name][1]['env']
    assert (d.storage.metadata['ref_min_score'],d.storage.metadata['ref_max_score'])==reference(name)
    for i in (0, len(tau)//2, len(tau)-1):
        e = d[i]; one = tau[i]
        assert np.array_equal(e.observations, one.s.numpy()) and np.array_equal(e.actions, one.a.numpy())
        assert float(one.y)==pytest.approx(float(e.rewards.sum(dtype=np.float64)), abs=1e-3) and (e.terminations|e.truncations).tolist()==[False]*(len(e.rewards)-1)+[True]

def test_package_data_are_the_repository_s(root):
    here, there = root/'gac'/'paper', root/'data'/'paper'
    names = {p.name for p in here.glob('*.csv')}
    assert names=={p.name for p in there.glob('*.csv')}=={'scores.csv','hparam_ranges.csv','hparams.csv','d4rl_reference.csv'}
    for n in names: assert (here/n).read_bytes()==(there/n).read_bytes()

# ---- the paper's tables

def table(root, name): return list(csv.DictReader((root/'gac'/'paper'/f'{name}.csv').read_text().splitlines()))
DATASETS = {f'{e}-{q}' for e in ('hopper','walker2d','halfcheetah') for q in ('medium','medium-replay')}

@pytest.mark.parametrize('name,columns', [('hparams','table dataset stage name value'), ('hparam_ranges','group name kind values'),
    ('scores','table dataset rewards phase method normalised_score std note'),
    ('d4rl_reference','dataset ref_min_score ref_max_score trajectories steps mean_length return_mean return_std return_max return_min')])
def test_schemas(root, name, columns):
    rows = table(root, name)
    assert list(rows[0])==columns.split() and all(None not in r and None not in r.values() for r in rows)

def test_scores_table(root):
    rows = table(root, 'scores')
    assert {r['dataset'] for r in rows}==DATASETS and {r['table'] for r in rows}=={'table1','table2','table3'}
    assert {r['rewards'] for r in rows}=={'return-only','step-wise'} and all(-10<float(r['normalised_score'])<130 for r in rows)
    assert all(r['std']=='' or 0<=float(r['std'])<30 for r in rows)
    key = [tuple(r[k] for k in ('table','dataset','rewards','phase','method')) for r in rows]; assert len(set(key))==len(key)

def test_reference_table(root):
    rows = table(root, 'd4rl_reference')
    assert {r['dataset'] for r in rows}==DATASETS
    for r in rows:
        f = {k:float(v) for k,v in r.items() if k!='dataset'}
        assert f['ref_min_score']<f['ref_max_score'] and f['return_min']<f['return_mean']<f['return_max'] and f['return_std']>0
        assert f['steps']/f['trajectories']==pytest.approx(f['mean_length'], abs=.06)
        assert (f['ref_min_score'],f['ref_max_score'])==reference(r['dataset'])

def test_every_published_setting_is_there_once(root):
    rows = table(root, 'hparams'); got = {}
    for r in rows: got.setdefault((r['table'],r['dataset'],r['stage']),[]).append(r['name'])
    top = 'embedding_dim latent_tokens attention_heads decoder_layers encoder_layers context_length'.split()
    fit = 'outer_lr outer_weight_decay outer_steps inner_lr batch_size'.split()
    want = {('table5',d,''):top for d in DATASETS}|{('table6',d,s):fit for d in DATASETS for s in '0123'}
    want |= {('table7',d,s):['quantile','delta_y'] for d in DATASETS for s in '0123'}|{('table7',d,''):['target_return'] for d in DATASETS}
    assert {k:sorted(v) for k,v in got.items()}=={k:sorted(v) for k,v in want.items()}

def inside(r, value):
    v = [float(x) for x in r['values'].split()]
    return value in v if r['kind']=='choice' else v[0]<=value<=v[1]

def test_settings_lie_in_the_ranges_of_table_4(root):
    ranges = {r['name']:r for r in table(root, 'hparam_ranges')}
    rows = [r for r in table(root, 'hparams') if r['table'] in ('table5','table6')]
    assert {r['name'] for r in rows}==set(ranges) and {r['kind'] for r in ranges.values()}=={'choice','interval'}
    out = {(r['table'],r['dataset'],r['stage'],r['name']):float(r['value']) for r in rows if not inside(ranges[r['name']], float(r['value']))}
    odd = ('table6','hopper-medium','3')
    assert out=={(*odd,'outer_lr'):.3755, (*odd,'inner_lr'):.0023} # as printed
    assert inside(ranges['inner_lr'],.3755) and inside(ranges['outer_lr'],.0023) # each inside the other's: they read as swapped

def test_questions_of_table_7_make_sense(root):
    for r in table(root, 'hparams'):
        v = float(r['value'])
        if r['name']=='quantile': assert 0<v<1
        if r['name']=='delta_y': assert 0<v<=10
        if r['name']=='target_return': assert v>float(reference(r['dataset'])[0])

# ---- What a file says of its size, and what the disk holds

def minari_of(tmp_path): # a Minari set and its file
    store(episodes(0), 'me/x-v0')
    at = tmp_path/'sets'/'me'/'x-v0'
    return at, at/'data'/'main_data.hdf5'

@pytest.mark.parametrize('which', ['main','metadata','flat'])
def test_a_file_of_holes_is_refused_at_once(which, tmp_path):
    at, main = minari_of(tmp_path)
    hurt = dict(main=main, metadata=at/'data'/'metadata.json', flat=flat(tmp_path/'a.hdf5', episodes(0)))[which]
    os.truncate(hurt, 10**13)
    begun = time.perf_counter()
    with pytest.raises(ValueError, match=f'{re.escape(str(hurt))} says that it has 1e.04 GB, and .* GB of that are on the'): load(hurt if which=='flat' else at)
    assert time.perf_counter()-begun<5

def test_an_array_of_holes_is_refused_at_once(tmp_path):
    at, main = minari_of(tmp_path)
    with h5py.File(main, 'r+') as f:
        del f['episode_0/observations']
        d = f['episode_0'].create_dataset('observations', (10**11,3), 'f4')
        d[-1] = 1. # its bytes are given a place
    assert main.stat().st_size>10**12 and main.stat().st_blocks*512<10**8
    begun = time.perf_counter()
    with pytest.raises(ValueError, match='main_data.hdf5 says that it has'): load(at)
    assert time.perf_counter()-begun<5

def test_holes_that_are_few_are_read(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    want = load(p)
    os.truncate(p, 60<<20)
    assert same(load(p), want)

@pytest.mark.parametrize('key', ['observations','rewards','terminals'])
@pytest.mark.parametrize('kind,says', [({}, 'nothing of it was written'), (dict(chunks=True), 'nothing of it was written'), (dict(part=3), 'a part of it was written, 1 of')])
def test_what_was_never_written_is_not_read_as_zeros(key, kind, says, tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    with h5py.File(p, 'r+') as f:
        old = f[key][()]
        del f[key]
        if kind.get('part'): kind = dict(chunks=(3,*old.shape[1:]))
        f.create_dataset(key, old.shape, old.dtype, **kind)
        if 'part' in says: f[key][:3] = old[:3]
    with pytest.raises(ValueError, match=f'a.hdf5: {key} is declared as .*, and {says}.*write it again'): load(p)

def test_zeros_that_were_asked_for_are_zeros(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    with h5py.File(p, 'r+') as f:
        n = len(f['rewards'])
        del f['rewards']
        f.create_dataset('rewards', (n,), 'f4', fillvalue=0.)
    assert (load(p).y==0).all()
