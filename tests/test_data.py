"Data: one room behind three doors, a cache that never lies, files that are all there or not at all."
import os, re, shutil, time, warnings
from pathlib import Path
import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
import torch
from gac import data
from gac.core import Trajectories
from gac.data import (describe, env_of, from_arrays, identity, load, local_sets, read_d4rl, read_minari, recorded_env, reference,
    rewards, save, shrink)
from toys.sets import SHIPPED, edit_meta, episodes, flat, same, spec_that_runs, store, trap

pytestmark = pytest.mark.usefixtures('own_sets')
seeds = pytest.mark.parametrize('seed', range(4))

@pytest.fixture(scope='module')
def shipped(tmp_path_factory):
    "Both shipped sets as the Trajectories they are."
    old = os.environ.get('GAC_CACHE'); os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    try: return {n:(load(n),describe(n)) for n in SHIPPED}
    finally: os.environ.pop('GAC_CACHE') if old is None else os.environ.update(GAC_CACHE=old)

# ---- three doors

@seeds
def test_three_doors(seed, tmp_path):
    eps = episodes(seed)
    tau = from_arrays(eps)
    def walk(): yield from eps
    store(eps, 'me/pendulum/three-v0')
    doors = [from_arrays(walk), from_arrays(iter(eps)), read_d4rl(flat(tmp_path/'a.hdf5', eps)), load(tmp_path/'a.hdf5'), load(str(tmp_path/'a.hdf5')),
             load('me/pendulum/three-v0'), load(tmp_path/'sets'/'me'/'pendulum'/'three-v0'), read_minari(tmp_path/'sets'/'me'/'pendulum'/'three-v0'),
             load(tmp_path/'sets'/'me'/'pendulum'/'three-v0'/'data'/'main_data.hdf5')]
    for o in doors: assert same(o, tau)
    for i,e in enumerate(eps): # by hand, episode by episode
        one = tau[i]
        assert np.array_equal(one.s.numpy(), e['states']) and np.array_equal(one.a.numpy(), e['actions'])
        assert float(one.y)==np.float32(e['rewards'].sum(dtype=np.float64)) and int(one.n)==len(e['rewards']) and bool(one.last)
    assert tau.y.dtype==tau.s.dtype==tau.a.dtype==torch.float32 and tau.key.dtype==tau.n.dtype==torch.int64

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

# ---- bad input: one clear error

@pytest.mark.parametrize('name,says', [
    ('gac/hoper/medium-replay-mini-v0', 'did you mean gac/hopper/medium-replay-mini-v0'), ('me/pendulum/thre-v0', 'did you mean me/pendulum/three-v0'),
    ('nothing/like/this', 'no data set'), ('zzz-v3', 'no data set'), ('', 'no data set'), ('mujoco/ant/expert-v0', 'nor could it be fetched .ConnectionError: no network')])
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

def test_folder_that_is_no_minari_set(tmp_path):
    (tmp_path/'plain').mkdir()
    with pytest.raises(FileNotFoundError, match='no data set'): load(tmp_path/'plain')

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
    for ask in (env_of, describe):
        with pytest.raises(ValueError, match='not a readable'): ask(p)

def test_minari_set_without_environment():
    import gymnasium as gym
    box = lambda d: gym.spaces.Box(-99,99,(d,),np.float32)
    store(episodes(0), 'me/bare-v0', env=None, observation_space=box(3), action_space=box(1))
    assert same(load('me/bare-v0'), from_arrays(episodes(0)))
    with pytest.raises(ValueError, match='does not say its environment'): env_of('me/bare-v0')

def test_a_set_is_described(tmp_path):
    eps = episodes(0); tau = from_arrays(eps); store(eps, 'me/x-v0')
    for name,kind in ((flat(tmp_path/'a.hdf5', eps),'d4rl'), ('me/x-v0','minari')):
        got = describe(name)
        assert list(got)=='name kind env N steps S A length_mean return_mean return_std return_min return_max source'.split()
        assert (got['kind'],got['env'],got['N'],got['steps'],got['S'],got['A'])==(kind,'Pendulum-v1',5,len(tau.a),3,1)
        assert got['length_mean']==pytest.approx(len(tau.a)/5, abs=.01) and got['return_max']==tau.y.max()
        assert got['return_mean']==pytest.approx(tau.y.double().mean().item())

def test_works_without_any_data_folder(tmp_path, monkeypatch):
    def none(): raise FileNotFoundError('none')
    monkeypatch.setattr(data, 'data_root', none)
    assert same(load(flat(tmp_path/'a.hdf5', episodes(0))), from_arrays(episodes(0)))
    with pytest.raises(FileNotFoundError, match='there is: nothing'): load('gac/x-v0')

# ---- save

def files(p): return sorted(str(f.relative_to(p)) for f in p.rglob('*') if f.is_file()) if p.exists() else []

def test_existing_id_is_refused(tmp_path):
    tau = from_arrays(episodes(0)); p = save(tau, 'me/x-v0', 'Pendulum-v1')
    before = (p/'data'/'main_data.hdf5').read_bytes()
    with pytest.raises(FileExistsError, match='choose another id'): save(from_arrays(episodes(1)), 'me/x-v0', 'Pendulum-v1')
    assert (p/'data'/'main_data.hdf5').read_bytes()==before

@pytest.mark.parametrize('args, says', [(('me/bad id-v0','Pendulum-v1'), 'not a Minari id'), (('me/no-version','Pendulum-v1'), 'not a Minari id'),
    (('me/x-v0','Hopper-v5'), r'Hopper-v5 has observations \(11,\)'), (('me/x-v0','Pendulum-v1',None,[np.zeros(3)]*5), 'rewards of lengths')])
def test_a_refused_save_leaves_nothing(args, says, tmp_path):
    with pytest.raises(ValueError, match=says): save(from_arrays(episodes(0)), *args)
    assert files(tmp_path/'sets')==[]

def test_an_interrupted_save_leaves_nothing(tmp_path, monkeypatch):
    def stop(path): raise KeyboardInterrupt
    monkeypatch.setattr(data, '_compress', stop)
    with pytest.raises(KeyboardInterrupt): save(from_arrays(episodes(0)), 'me/late-v0', 'Pendulum-v1')
    assert files(tmp_path/'sets')==[] and os.environ['MINARI_DATASETS_PATH']==str(tmp_path/'sets')

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

def test_a_return_is_paid_at_the_end():
    tau = from_arrays(episodes(0)); save(tau, 'me/paid-v1', 'Pendulum-v1', author='us')
    for e,y in zip(minari.load_dataset('me/paid-v1').iterate_episodes(), tau.y.tolist(), strict=True):
        assert (e.rewards[:-1]==0).all() and e.rewards[-1]==y and e.terminations[-1] and not e.truncations.any()

def test_saved_sets_carry_references_and_spec(tmp_path):
    rng = np.random.default_rng(0)
    save(from_arrays([dict(states=rng.normal(size=(n+1,11)), actions=rng.normal(size=(n,3)), rewards=np.ones(n)) for n in (4,5)]), 'me/hop-v0', 'Hopper-v5')
    got = minari.load_dataset('me/hop-v0')
    assert got.storage.metadata['ref_max_score']==3234.3 and got.spec.env_spec.id=='Hopper-v5'
    assert minari.get_normalized_score(got, np.array([3234.3]))==pytest.approx(1)

def test_data_without_an_environment_are_saved(tmp_path):
    tau = from_arrays(episodes(0)); place = save(tau, 'me/none-v0', None)
    assert same(load(place), tau)
    with pytest.raises(ValueError, match='does not say its environment'): env_of(place)

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

@pytest.mark.parametrize('spec', [dict(id=None), dict(id=3), dict(kwargs=[1]), dict(max_episode_steps='50'), dict(max_episode_steps=True), dict(additional_wrappers={})], ids=str)
def test_recorded_environments_are_checked(spec):
    store(episodes(0), 'me/x-v0'); edit_meta(lambda m: m.update(env_spec=spec_that_runs('true', **spec)))
    with pytest.raises(ValueError, match='x-v0.*environment.*--env'): recorded_env('me/x-v0')

def test_the_recorded_environment_of_both_kinds(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    assert recorded_env(p)==dict(id='Pendulum-v1')
    assert recorded_env(SHIPPED[0])==dict(id='Hopper-v5', kwargs={}, max_episode_steps=1000, additional_wrappers=[])
    with h5py.File(p,'r+') as f: del f.attrs['env_id']
    assert recorded_env(p) is None

# ---- what is accepted, exactly, and what is not

# ---- one cause, one cure

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

# ---- scores

# ---- what is shipped

def test_shipped_sets_are_small_and_say_no_place(root):
    at = [f for f in (root/'data'/'minari').rglob('*') if f.is_file()]
    assert len(at)>=4 and sum(f.stat().st_size for f in at)<=14e6
    assert not [f for f in at if f.suffix=='.json' and re.search(r'[" ]/\w', f.read_text())]

@pytest.mark.parametrize('name,want', [
    (SHIPPED[0], dict(env='Hopper-v5', N=605, steps=100156, S=11, A=3, length_mean=165.547, return_mean=466.561, return_std=419.400, return_min=3.598, return_max=3171.483)),
    (SHIPPED[1], dict(env='Walker2d-v5', N=283, steps=83548, S=17, A=6, length_mean=295.223, return_mean=694.967, return_std=1002.096, return_min=-33.727, return_max=3614.689))])
def test_shipped_sets_are_these(shipped, name, want):
    tau, about = shipped[name]
    assert about['kind']=='minari' and about['name']==name
    for said in ('soft actor-critic','Gymnasium 1.4.0','MuJoCo 4.0.0','Not a D4RL file','not a D4RL score'): assert said in about['source']
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

def test_what_a_folder_or_a_link_lacks_is_said(tmp_path):
    (tmp_path/'a.hdf5').symlink_to(tmp_path/'a.hdf5')
    (tmp_path/'b.hdf5').symlink_to(tmp_path/'gone')
    for k in 'ab':
        with pytest.raises(FileNotFoundError, match=f'no data set .*{k}.hdf5.: the link leads nowhere; mend it$'): load(tmp_path/f'{k}.hdf5')
    for k in ('stage-1','stage-2'):
        (tmp_path/'online'/k/'checkpoint').mkdir(parents=True)
        (tmp_path/'online'/k/'checkpoint'/'config.json').write_text('{}')
    with pytest.raises(FileNotFoundError, match='no data set .*online.: the folder holds neither a Minari set .* nor a run; it has runs: stage-1, stage-2$'): load(tmp_path/'online')
    (tmp_path/'none').mkdir()
    with pytest.raises(FileNotFoundError, match='nor a run$'): load(tmp_path/'none')
