"Data: one room behind three doors, every bad input named, a cache that never lies, files that are all there or not at all."
import csv, os, shutil, warnings
from pathlib import Path
import h5py
import minari
import numpy as np
import pytest
import torch
from minari.data_collector import EpisodeBuffer
from gac import data
from gac.core import Trajectories
from gac.data import (Standardizer, denormalised, describe, env_of, from_arrays, has_reference, load, local_sets, normalised,
                      read_d4rl, read_minari, reference, save, shrink)

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

def store(eps, id, env='Pendulum-v1', **kw): # written by Minari itself, not by `save`
    buffers = [EpisodeBuffer(id=i, observations=e['states'], actions=e['actions'], rewards=e['rewards'],
        terminations=np.zeros(len(e['rewards']),bool), truncations=np.arange(len(e['rewards']))==len(e['rewards'])-1) for i,e in enumerate(eps)]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return minari.create_dataset_from_buffers(id, buffers, env=env, data_format='hdf5', **kw)

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

def test_dictionary_observations_are_refused():
    import gymnasium as gym
    eps = episodes(0)
    space = gym.spaces.Dict(x=gym.spaces.Box(-9,9,(3,),np.float32))
    buffers = [EpisodeBuffer(id=i, observations=dict(x=e['states']), actions=e['actions'], rewards=e['rewards'],
        terminations=np.arange(len(e['rewards']))==len(e['rewards'])-1, truncations=np.zeros(len(e['rewards']),bool)) for i,e in enumerate(eps)]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        minari.create_dataset_from_buffers('me/dict-v0', buffers, observation_space=space, action_space=gym.spaces.Box(-9,9,(1,),np.float32), data_format='hdf5')
    with pytest.raises(ValueError, match='flatten them'): load('me/dict-v0')

def test_environment(tmp_path):
    eps = episodes(0); p = flat(tmp_path/'a.hdf5', eps); store(eps, 'me/x-v0')
    assert env_of(p)==env_of('me/x-v0')=='Pendulum-v1'
    with pytest.warns(UserWarning, match='recorded in Pendulum-v1'): assert env_of(p, 'Other-v1')=='Pendulum-v1'
    with h5py.File(p,'r+') as f: f.attrs['env_id'] = np.bytes_('Bytes-v1')
    assert env_of(p)=='Bytes-v1'
    with h5py.File(p,'r+') as f: del f.attrs['env_id']
    with pytest.raises(ValueError, match='does not say its environment.*--env'): env_of(p)
    with pytest.raises(ValueError, match='does not say its environment'): describe(p)
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
