"Arrays, flat files, Minari sets: how episodes lie in them, and every one that does not lie so is named."
import sys, warnings
import h5py
import numpy as np
import pytest
import torch
from gac.data import env_of, load, recorded_env
from gac.layouts import from_arrays
from toys.sets import GOOD, STEPS, edit, edit_meta, episodes, flat, put, same, spec_that_runs, store

pytestmark = pytest.mark.usefixtures('own_sets')
seeds = pytest.mark.parametrize('seed', range(4))

# ---- arrays

def test_other_dtypes_and_returns_given():
    eps = episodes(2); tau = from_arrays(eps)
    assert same(from_arrays([{k:v.astype(np.float64) for k,v in e.items()} for e in eps]), tau)
    assert same(from_arrays([{k:v.tolist() for k,v in e.items()} for e in eps]), tau)
    given = from_arrays([dict(states=e['states'], actions=e['actions'])|{'return':float(e['rewards'].sum(dtype=np.float64))} for e in eps])
    assert same(given, tau)

def test_lists_of_states_actions_and_rewards():
    eps = episodes(2); S, A, R = ([e[k] for e in eps] for k in ('states','actions','rewards'))
    for other in (from_arrays(S, A, R), from_arrays(S, A, returns=[r.sum(dtype=np.float64) for r in R])): assert same(other, from_arrays(eps))
    with pytest.raises(ValueError, match='5 states, 4 actions, 5 rewards'): from_arrays(S, A[:-1], R)

def test_repeated_episodes_have_their_own_keys(): assert len(from_arrays(episodes(0, N=1)*3).key.unique())==3

def test_long_return_is_summed_in_double():
    r = np.full(200_001, .1, np.float32); r[0] = 1e6
    e = dict(states=np.zeros((len(r)+1,1)), actions=np.zeros((len(r),1)), rewards=r)
    assert from_arrays([e,e]).y[0]==np.float32(r.astype(np.float64).sum())

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
    ragged=(GOOD|dict(states=[[0,1],[2]]), 'not an array of numbers'),
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

def test_columns_of_ones_own():
    eps = episodes(3)
    assert same(from_arrays([e|dict(rewards=e['rewards'][:,None]) for e in eps]), from_arrays(eps))
    S, A, y = [e['states'] for e in eps], [e['actions'] for e in eps], np.arange(5.)
    assert from_arrays(S, A, returns=y[:,None]).y.tolist()==from_arrays(S, A, returns=y).y.tolist()==y.tolist()

@pytest.mark.parametrize('shape', [(4,2),(4,1,1),(4,0),(1,4),(2,2),()], ids=str)
def test_other_shapes_of_ones_own_are_refused(shape):
    with pytest.raises(ValueError, match='episode 1 has 4 actions and rewards of shape'): from_arrays([GOOD, GOOD|dict(rewards=np.zeros(shape))])

@pytest.mark.parametrize('change', [dict(states=np.zeros((5,3),complex)), dict(actions=np.array([['1']]*4)), dict(rewards=np.zeros(4,'M8[s]')), dict(states=None),
    dict(states=np.zeros((5,0))), dict(rewards=None), {'rewards':None,'return':1j}, {'rewards':None,'return':'1'}, {'rewards':None,'return':[1,2]}, {'rewards':None,'return':1e300}], ids=str)
def test_only_real_numbers_of_ones_own(change):
    with pytest.raises(ValueError, match='episode 1'): from_arrays([GOOD, GOOD|change])

@pytest.mark.parametrize('eps', [[np.zeros((3,2))]*2, ['ab','cd'], [None,None], [3]], ids=str)
def test_episodes_that_are_no_dictionaries(eps):
    with pytest.raises(ValueError, match='episode 0 is a'): from_arrays(eps)

# ---- flat files

@seeds
def test_without_next_observations_only_the_last_state_differs(seed, tmp_path):
    eps = episodes(seed)
    tau, bare = from_arrays(eps), load(flat(tmp_path/'b.hdf5', eps, nxt=False))
    assert same(bare, tau, ('s','last')) and not bare.last.any()
    for i in range(len(eps)):
        assert torch.equal(bare[i].s[:-1], tau[i].s[:-1]) and torch.equal(bare[i].s[-1], tau[i].s[-2])
    assert same(bare, from_arrays([e|dict(states=e['states'][:-1]) for e in eps]))

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

BAD_FLAT = dict(
    truncated=(ValueError, 'not a readable HDF5 file', lambda p,e: p.write_bytes(flat(p, e).read_bytes()[:2500])),
    signature=(ValueError, 'not a readable HDF5 file', lambda p,e: p.write_bytes(flat(p, e).read_bytes()[:8])),
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

@pytest.mark.parametrize('shape', [(STEPS,2),(STEPS,1,1),(STEPS,0),(1,STEPS),(5,STEPS//5),()], ids=str)
@pytest.mark.parametrize('key', ['rewards','terminals','timeouts'])
def test_other_shapes_are_refused(key, shape, tmp_path):
    with pytest.raises(ValueError, match=rf'a.hdf5.*{key}'): load(put(flat(tmp_path/'a.hdf5', episodes(0)), **{key:np.zeros(shape)}))

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

def test_next_observations_that_are_the_observations(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0))
    with h5py.File(p,'r+') as f: f['next_observations'][:] = f['observations'][:]
    with pytest.warns(UserWarning, match='is the file shifted'): load(p)

def test_missing_timeouts(tmp_path):
    eps = episodes(0); want = from_arrays(eps)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert same(load(flat(tmp_path/'a.hdf5', eps, lack=('timeouts',))), want) # all episodes end in a terminal, as next_observations confirm
    with pytest.warns(UserWarning, match='as if no time limit'): load(flat(tmp_path/'b.hdf5', eps, nxt=False, lack=('timeouts',)))
    with pytest.raises(ValueError, match='lacks timeouts; .*break off in 2 rows'): load(flat(tmp_path/'c.hdf5', eps, timeouts=(1,3), lack=('timeouts',)))
    with pytest.raises(ValueError, match='lacks timeouts; .*none of its terminals'): load(flat(tmp_path/'d.hdf5', eps, nxt=False, timeouts=range(5), lack=('timeouts',)))

# ---- Minari's files

def test_too_few_episodes_in_minari(tmp_path):
    store(episodes(0, N=1), 'me/one-v0')
    with pytest.raises(ValueError, match='1 complete episode;'): load('me/one-v0')

@pytest.mark.parametrize('hurt', ['cut','text','gone','json'])
def test_broken_minari_set(hurt, tmp_path):
    store(episodes(0), 'me/x-v0')
    d = tmp_path/'sets'/'me'/'x-v0'/'data'
    if hurt=='cut': (d/'main_data.hdf5').write_bytes((d/'main_data.hdf5').read_bytes()[:3000])
    if hurt=='text': (d/'main_data.hdf5').write_text('not data')
    if hurt=='gone': (d/'main_data.hdf5').unlink()
    if hurt=='json': (d/'metadata.json').write_text('{')
    with pytest.raises(ValueError, match='not a readable Minari set'): load('me/x-v0')

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

@pytest.mark.parametrize('text', ['['*100_000, '"x"', '\udcff', '{"a":', 'NaN'], ids=['deep','text','bytes','torn','nan'])
def test_metadata_that_are_no_object(text):
    store(episodes(0), 'me/x-v0'); p = edit_meta(lambda m: None)/'data'/'metadata.json'
    p.write_bytes(text.encode('utf-8', 'surrogateescape'))
    for ask in (load, env_of, recorded_env): pytest.raises(ValueError, ask, 'me/x-v0').match('not a readable Minari set')

def test_sizes_are_added_up(tmp_path):
    store(episodes(0), 'me/x-v0'); p = tmp_path/'sets'/'me'/'x-v0'/'data'/'main_data.hdf5'
    with h5py.File(p,'r+') as f:
        for i in range(5):
            del f[f'episode_{i}/observations']
            f.create_dataset(f'episode_{i}/observations', (10**7,3), 'f4', chunks=(10**5,3))
    with pytest.raises(ValueError, match='claims to be'): load('me/x-v0')

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
