"The doors once more, from the outside: lists and iterators, names that lead nowhere, own data without an environment, a wheel without a repository."
import json, os, re, shutil, subprocess, sys, warnings
from dataclasses import fields
from pathlib import Path
import h5py
import numpy as np
import pytest
import torch
import gac.data as D
from gac.core import Trajectories

NAMES = [f.name for f in fields(Trajectories)]
SHIPPED = {'gac/hopper/medium-replay-mini-v0': ('Hopper-v5', 605, 100156, 11, 3), 'gac/walker2d/medium-replay-mini-v0': ('Walker2d-v5', 283, 83548, 17, 6)}
ENV = 'Pendulum-v1' # three state dimensions, one action

def same(a, b, but=()): return all(torch.equal(getattr(a,k), getattr(b,k)) and getattr(a,k).dtype==getattr(b,k).dtype for k in NAMES if k not in but)

def episodes(lengths=(4,6,5,1), S=3, A=1, seed=0):
    draw = lambda *d: np.random.default_rng([seed,*d]).normal(size=d).astype(np.float32)
    return [draw(n+1,S) for n in lengths], [draw(n,A) for n in lengths], [draw(n) for n in lengths]

def write_flat(path, S, A, R, nxt=True, rest=0, drop=(), **attrs):
    "A flat file; `rest`: steps of an unfinished episode behind it."
    end = np.concatenate([np.arange(len(a))==len(a)-1 for a in A]+[np.zeros(rest,bool)])
    pad = lambda x: np.concatenate([*x, np.ones((rest,*x[0].shape[1:]), np.float32)])
    d = dict(observations=pad([s[:-1] for s in S]), actions=pad(A), rewards=pad(R), terminals=end&(np.arange(len(end))%2==0), timeouts=end&(np.arange(len(end))%2==1))
    if nxt: d['next_observations'] = pad([s[1:] for s in S])
    with h5py.File(path,'w') as f:
        for k,v in d.items():
            if k not in drop: f[k] = v
        f.attrs.update(attrs)
    return path

@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache')); monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path/'local'))
    monkeypatch.setattr(D, '_download', lambda name: ' here (no network in tests)')

@pytest.fixture
def doors(tmp_path):
    S,A,R = episodes(); tau = D.from_arrays(S, A, R)
    return tau, write_flat(tmp_path/'flat.hdf5', S, A, R, env_id=ENV), D.save(tau, 'me/pendulum/four-v0', ENV, tmp_path/'sets', R)

# ---- Three doors

def test_three_doors_agree_bit_for_bit(doors):
    tau, flat, place = doors
    for name in (flat, place, place, place/'data'/'main_data.hdf5'):
        got = D.load(name)
        assert same(got, tau)
        assert all(torch.equal(got[i].s, tau[i].s) and torch.equal(got[i].a, tau[i].a) for i in range(len(tau)))

def test_every_row_is_where_it_was(doors):
    S,A,R = episodes()
    for i,(s,a,r) in enumerate(zip(S,A,R)):
        for name in doors[1:]:
            one = D.load(name)[i]
            assert np.array_equal(one.s,s) and np.array_equal(one.a,a) and one.y.item()==np.float32(r.sum(dtype=np.float64)) and one.last.item()

def test_without_next_observations_only_the_last_state_is_unknown(tmp_path):
    S,A,R = episodes(); tau, bare = D.from_arrays(S,A,R), D.read_d4rl(write_flat(tmp_path/'b.hdf5', S, A, R, nxt=False))
    assert not bare.last.any() and same(bare, tau, but=('s','last'))
    assert same(bare, D.from_arrays([s[:-1] for s in S], A, R))
    assert all(torch.equal(bare[i].s[:-1], tau[i].s[:-1]) and torch.equal(bare[i].s[-1], bare[i].s[-2]) for i in range(len(tau)))

def test_lists_iterators_functions_and_dtypes():
    S,A,R = episodes(); tau = D.from_arrays(S,A,R)
    dicts = [dict(states=s, actions=a, rewards=r) for s,a,r in zip(S,A,R)]
    wide = [[x.astype(np.float64) for x in c] for c in (S,A,R)]
    returns = [r.sum(dtype=np.float64) for r in R]
    for other in (D.from_arrays(dicts), D.from_arrays(iter(dicts)), D.from_arrays(lambda: iter(dicts)), D.from_arrays(*wide), D.from_arrays(S,A,returns=returns)): assert same(other, tau)

def test_returns_are_summed_in_float64():
    S,A,_ = episodes((3,3))
    assert D.from_arrays(S, A, [np.float32([1e8,1,-1e8])]*2).y.tolist()==[1,1]

def test_repeated_episodes_have_their_own_keys():
    S,A,R = episodes((3,))
    assert len(D.from_arrays(S*3, A*3, R*3).key.unique())==3

def test_unfinished_episode_is_dropped_with_a_message(tmp_path):
    S,A,R = episodes()
    with pytest.warns(UserWarning, match='dropped 2 steps'): got = D.read_d4rl(write_flat(tmp_path/'r.hdf5', S, A, R, rest=2))
    assert same(got, D.from_arrays(S,A,R))

def test_shifted_next_observations_are_reported(tmp_path):
    S,A,R = episodes(); f = write_flat(tmp_path/'s.hdf5', S, A, R)
    with h5py.File(f,'a') as h: h['next_observations'][:] = h['observations'][:]
    with pytest.warns(UserWarning, match='is the file shifted'): D.read_d4rl(f)

# ---- Bad input: thing, value, cure

@pytest.mark.parametrize('change, says', [
    (dict(actions=None), 'lacks actions'), (dict(rewards=None), 'either rewards or a return'), ({'return': 1.}, 'either rewards or a return'),
    (dict(states=np.zeros((9,3))), '6 actions and 9 states; it needs 7'), (dict(states=np.zeros((5,3))), '6 actions and 5 states'),
    (dict(states=np.zeros((7,3,1))), r'must be \(steps, dim\)'), (dict(actions=np.zeros(6)), r'must be \(steps, dim\)'), (dict(actions=np.zeros((6,1,1))), r'must be \(steps, dim\)'),
    (dict(states=np.zeros((1,3)), actions=np.zeros((0,1)), rewards=[]), '0 actions'), (dict(rewards=np.zeros(5)), 'needs one reward per action'),
    (dict(states=np.full((7,3),np.nan)), 'states of episode 1 have NaN or inf in 7 of 7 rows, first in row 0'), (dict(rewards=[0,0,np.inf,0,0,0]), 'rewards of episode 1 have NaN or inf in 1 of 6 rows, first in row 2'),
    (dict(actions=np.full((6,1),1e300)), 'actions of episode 1 have NaN or inf'), ({'rewards': None, 'return': float('nan')}, 'return of episode 1 is nan'),
    (dict(states=[[0,1],[2]]), 'not an array of numbers'), (dict(states=np.zeros((7,4))), r'episode 1 has \(S,A\)=\(4, 1\)')])
def test_bad_episodes(change, says):
    eps = [dict(states=s, actions=a, rewards=r) for s,a,r in zip(*episodes())]
    eps[1] = eps[1]|change
    with pytest.raises(ValueError, match=says): D.from_arrays(eps)

def test_lists_of_different_lengths():
    S,A,R = episodes()
    with pytest.raises(ValueError, match='4 states, 3 actions, 4 rewards'): D.from_arrays(S, A[:-1], R)

@pytest.mark.parametrize('k', [0,1])
def test_too_few_episodes(k, tmp_path):
    S,A,R = [x[:k] for x in episodes()]
    with pytest.raises(ValueError, match=f'{k} complete episodes?; .* at least 2'): D.from_arrays(S, A, R)
    f = write_flat(tmp_path/'f.hdf5', *episodes((4,)), nxt=False)
    with h5py.File(f,'a') as h: h['terminals'][-1] = h['timeouts'][-1] = bool(k)
    with warnings.catch_warnings(): warnings.simplefilter('ignore'); pytest.raises(ValueError, D.load, f).match(f'{k} complete episodes?; .* at least 2')

@pytest.mark.parametrize('field', ['observations','actions','rewards','terminals','timeouts'])
def test_missing_fields_are_named(field, tmp_path):
    f = write_flat(tmp_path/'m.hdf5', *episodes(), drop=(field,))
    with pytest.raises(ValueError, match=f'lacks {field}; a D4RL file has'): D.load(f)

@pytest.mark.parametrize('field', ['observations','actions','rewards','next_observations'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_nan_and_inf_name_field_and_row(field, value, tmp_path):
    f = write_flat(tmp_path/'n.hdf5', *episodes())
    with h5py.File(f,'a') as h: h[field][7] = value
    with pytest.raises(ValueError, match=f'{field} have NaN or inf in 1 of 16 rows, first in row 7'): D.load(f)

def test_flat_arrays_of_different_lengths(tmp_path):
    f = write_flat(tmp_path/'l.hdf5', *episodes(), drop=('rewards',))
    with h5py.File(f,'a') as h: h['rewards'] = np.zeros(15)
    with pytest.raises(ValueError, match='observations 16, actions 16, rewards 15'): D.load(f)

@pytest.mark.parametrize('keep', [0, 8, 500, 3000])
def test_truncated_files(keep, tmp_path):
    f = write_flat(tmp_path/'w.hdf5', *episodes()); (tmp_path/'t.hdf5').write_bytes(f.read_bytes()[:keep])
    for call in (D.load, D.env_of, D.describe):
        with pytest.raises(ValueError, match='not a readable'): call(tmp_path/'t.hdf5')

def test_truncated_minari(doors):
    f = doors[2]/'data'/'main_data.hdf5'; f.write_bytes(f.read_bytes()[:1000])
    with pytest.raises(ValueError, match='not a readable Minari set'): D.load(doors[2])
    (doors[2]/'data'/'metadata.json').write_text('{"total')
    for call in (D.load, D.env_of):
        with pytest.raises(ValueError, match='not a readable'): call(doors[2])

def test_names_that_lead_nowhere(doors):
    with pytest.raises(FileNotFoundError, match='did you mean .*flat.hdf5.*there is: .*flat.hdf5'): D.load(doors[1].parent/'falt.hdf5')
    with pytest.raises(FileNotFoundError, match='did you mean gac/hopper.*gac/walker2d'): D.load('gac/hoper/medium-replay-mini-v0')
    with pytest.raises(FileNotFoundError, match='no network in tests.*there is: .*gac/hopper'): D.load('mujoco/ant/expert-v0')
    with pytest.raises(FileNotFoundError, match='no file'): D.read_d4rl('none.hdf5')
    for name in ('', 'nonsense', 'no/such/folder/x.hdf5', '/no/such/place', doors[1].parent):
        with pytest.raises(FileNotFoundError, match='there is: '): D.load(name)

def test_local_minari_sets_are_found_by_id(doors, tmp_path, monkeypatch):
    monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path/'sets'))
    assert 'me/pendulum/four-v0' in D.local_sets() and same(D.load('me/pendulum/four-v0'), doors[0])

def test_works_without_any_data_folder(doors, tmp_path, monkeypatch):
    monkeypatch.setattr(D, 'data_root', lambda: (_ for _ in ()).throw(FileNotFoundError('none')))
    assert same(D.load(doors[1]), doors[0])
    with pytest.raises(FileNotFoundError, match='there is: nothing'): D.load('gac/x-v0')

# ---- Environment, description

def test_environment_from_the_data_else_as_told(doors, tmp_path):
    _, flat, place = doors; bare = write_flat(tmp_path/'bare.hdf5', *episodes())
    assert D.env_of(flat)==D.env_of(place)==ENV and D.env_of(bare, 'Hopper-v5')=='Hopper-v5'
    with pytest.raises(ValueError, match="does not say its environment; name it, e.g. env='Hopper-v5'"): D.env_of(bare)
    assert D.describe(bare)['env'] is None
    with pytest.warns(UserWarning, match="recorded in Pendulum-v1; env='Hopper-v5' is not used"): assert D.env_of(flat,'Hopper-v5')==ENV
    assert D.describe(bare, ENV)['env']==ENV

def test_describe(doors):
    tau, flat, place = doors
    for name,kind in ((flat,'d4rl'),(place,'minari')):
        got = D.describe(name)
        assert list(got)=='name kind env N steps S A length_mean return_mean return_std return_min return_max source'.split()
        assert (got['kind'],got['env'],got['N'],got['steps'],got['S'],got['A'],got['length_mean'])==(kind,ENV,4,16,3,1,4.)
        assert got['return_max']==tau.y.max() and got['return_mean']==pytest.approx(tau.y.double().mean().item())

# ---- Saving

def test_return_is_paid_at_the_end(doors, tmp_path, monkeypatch):
    import minari
    tau = doors[0]; D.save(tau, 'me/paid-v1', ENV, tmp_path/'sets', author='us'); monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path/'sets'))
    eps = list(minari.load_dataset('me/paid-v1').iterate_episodes())
    assert all((e.rewards[:-1]==0).all() and e.rewards[-1]==y and e.terminations[-1] and not e.truncations.any() for e,y in zip(eps,tau.y.tolist()))
    assert same(D.load('me/paid-v1'), tau)

def test_saved_sets_carry_references_and_spec(tmp_path, monkeypatch):
    import minari
    S,A,R = episodes((4,5), S=11, A=3); D.save(D.from_arrays(S,A,R), 'me/hop-v0', 'Hopper-v5', tmp_path, R, [True,False])
    monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path)); got = minari.load_dataset('me/hop-v0')
    assert got.storage.metadata['ref_max_score']==3234.3 and got.spec.env_spec.id=='Hopper-v5'
    assert minari.get_normalized_score(got, np.array([3234.3]))==pytest.approx(1)
    assert [bool(e.truncations[-1]) for e in got.iterate_episodes()]==[True,False]

def test_own_data_without_an_environment(tmp_path):
    S,A,R = episodes(S=5, A=2); tau = D.from_arrays(S,A,R); place = D.save(tau, 'me/none-v0', None, tmp_path, R)
    assert same(D.load(place), tau)
    with pytest.raises(ValueError, match='does not say its environment'): D.env_of(place)

@pytest.mark.parametrize('args, error, says', [
    (('me/bad id-v0', ENV), ValueError, 'not a Minari id'), (('me/no-version', ENV), ValueError, 'not a Minari id'), (('me/x-v0','Hopper-v5'), ValueError, r'Hopper-v5 has observations \(11,\)'),
    (('me/pendulum/four-v0', ENV), FileExistsError, 'choose another id'), (('me/x-v0', ENV, [np.zeros(3)]*4), ValueError, 'rewards of lengths')])
def test_failed_saves_leave_nothing(doors, args, error, says, tmp_path):
    files = lambda: sorted(p for p in (tmp_path/'sets').rglob('*') if p.is_file())
    before = files()
    with pytest.raises(error, match=says): D.save(doors[0], args[0], args[1], tmp_path/'sets', *args[2:])
    assert files()==before and not (tmp_path/'sets'/'me'/'x-v0').exists()

def test_interrupted_save_leaves_nothing(doors, tmp_path, monkeypatch):
    monkeypatch.setattr(D, '_compress', lambda p: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt): D.save(doors[0], 'me/late-v0', ENV, tmp_path/'sets')
    assert not [p for p in (tmp_path/'sets'/'me').iterdir() if 'late' in p.name]
    assert os.environ['MINARI_DATASETS_PATH']==str(tmp_path/'local')

def test_shrink_keeps_the_best_and_the_order(tmp_path):
    S,A,R = episodes((3,4,5,6,7,8,9)); f = write_flat(tmp_path/'f.hdf5', S, A, R, env_id=ENV); tau = D.load(f)
    got = D.load(D.shrink(f, 'me/small-v0', 3, tmp_path))
    rank = tau.y.argsort(descending=True).argsort()
    assert same(got, tau[rank%3==0]) and got.y.max()==tau.y.max()

# ---- Cache

def test_an_edited_set_is_read_anew(doors):
    tau, _, place = doors; D.load(place)
    with h5py.File(place/'data'/'main_data.hdf5','a') as f: f['episode_1']['rewards'][0] += 1
    assert D.load(place).y[1]!=tau.y[1]

def test_the_cache_is_used_and_may_be_damaged(doors, tmp_path, monkeypatch):
    tau, _, place = doors; D.load(place); f, = (tmp_path/'cache').iterdir()
    with monkeypatch.context() as m: m.setattr(D, '_read_minari', None); assert same(D.load(place), tau)
    for junk in (b'', b'junk', f.read_bytes()[:200]): f.write_bytes(junk); assert same(D.load(place), tau)

def test_no_cache_is_no_obstacle(doors, tmp_path, monkeypatch):
    (tmp_path/'file').write_text('')
    for where in (tmp_path/'file'/'below', '/proc/none'): monkeypatch.setenv('GAC_CACHE', str(where)); assert same(D.load(doors[2]), doors[0])
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'c')); monkeypatch.setattr(np, 'savez', lambda *a, **k: (_ for _ in ()).throw(OSError('disk full')))
    assert same(D.load(doors[2]), doors[0]) and not list((tmp_path/'c').iterdir())

# ---- Standardizer

@pytest.mark.parametrize('seed', [0,1])
def test_undo_undoes_do(seed):
    tau = D.from_arrays(*episodes((30,20), seed=seed)); std = D.Standardizer.fit(tau)
    for k,x in dict(s=tau.s, a=tau.a, ds=tau.s, y=tau.y).items():
        torch.testing.assert_close(std.undo(k, std.do(k,x)), x); torch.testing.assert_close(std.do(k, std.undo(k,x)), x)
    assert std.do('a',tau.a).mean().abs()<1e-5 and abs(std.do('a',tau.a).std()-1)<1e-4 and not list(std.parameters())

def test_differences_come_from_known_next_states_only():
    S,A,R = episodes((4,5)); std = lambda x: D.Standardizer.fit(x)
    ds = np.concatenate([np.diff(s[:-1],axis=0) for s in S])
    got = std(D.from_arrays([s[:-1] for s in S], A, R))
    np.testing.assert_allclose(got.ds_mean, ds.mean(0), atol=1e-6); np.testing.assert_allclose(got.ds_std, ds.std(0,ddof=1), rtol=1e-5)
    np.testing.assert_allclose(std(D.from_arrays(S,A,R)).ds_mean, np.concatenate([np.diff(s,axis=0) for s in S]).mean(0), atol=1e-6)

def test_constant_dimensions_keep_their_scale():
    S,A,R = episodes(); got = D.Standardizer.fit(D.from_arrays([s*0+3 for s in S], A, [r*0 for r in R]))
    assert got.s_std.tolist()==got.ds_std.tolist()==[1,1,1] and got.y_std==1 and got.s_mean.tolist()==[3,3,3]
    short = D.Standardizer.fit(D.from_arrays([np.ones((1,2))]*2, [np.ones((1,1))]*2, returns=[0,1])) # no next state known at all
    assert all(torch.isfinite(b).all() for b in short.buffers())

def test_blank_takes_a_state_dict():
    std = D.Standardizer.fit(D.from_arrays(*episodes())); other = D.Standardizer.blank(3,1); other.load_state_dict(std.state_dict())
    assert all(torch.equal(a,b) for a,b in zip(std.buffers(), other.buffers()))
    assert set(std.state_dict())=={f'{k}_{m}' for k in ('s','a','ds','y') for m in ('mean','std')}

# ---- Scores

@pytest.mark.parametrize('env, lo, hi', [('Hopper-v5',-20.272305,3234.3), ('walker2d-medium-v2',1.629008,4592.3), ('HalfCheetah-v5',-280.178953,12135.0), ('gac/hopper/medium-replay-mini-v0',-20.272305,3234.3)])
def test_scores(env, lo, hi):
    assert D.has_reference(env) and D.normalised(lo,env)==0 and D.normalised(hi,env)==pytest.approx(100)
    y = torch.linspace(-100,5000,7)
    torch.testing.assert_close(D.denormalised(D.normalised(y,env),env), y, rtol=1e-4, atol=1e-3)
    assert isinstance(D.normalised(np.ones(2),env), np.ndarray)

@pytest.mark.parametrize('env', ['Ant-v5', 'CartPole-v1', None])
def test_no_reference_no_score(env):
    assert not D.has_reference(env)
    for f in (D.normalised, D.denormalised):
        with pytest.raises(ValueError, match='no reference scores.*hopper, walker2d, halfcheetah; report raw'): f(1., env)

def test_packaged_tables_are_the_same_files(root):
    names = lambda d: sorted(p.name for p in (root/d).glob('*.csv'))
    assert names('gac/paper')==names('data/paper') and len(names('data/paper'))==4
    assert all((root/'gac/paper'/n).read_bytes()==(root/'data/paper'/n).read_bytes() for n in names('data/paper'))

def test_scores_away_from_the_repository(root, tmp_path):
    shutil.copytree(root/'gac', tmp_path/'gac', ignore=shutil.ignore_patterns('__pycache__'))
    code = "import gac, gac.data as d; print(gac.__file__, round(d.normalised(3234.3,'Hopper-v5')))"
    out = subprocess.run([sys.executable,'-c',code], cwd=tmp_path, env=os.environ|dict(PYTHONPATH=str(tmp_path)), capture_output=True, text=True, check=True).stdout
    assert out.split()==[str(tmp_path/'gac'/'__init__.py'),'100']

# ---- The shipped sets

@pytest.mark.parametrize('name', SHIPPED)
def test_shipped(name, root, monkeypatch):
    import minari
    env, N, steps, S, A = SHIPPED[name]; got, tau = D.describe(name), D.load(name)
    assert (got['env'],got['N'],got['steps'],got['S'],got['A'])==SHIPPED[name] and bool(tau.last.all())
    assert all(s in got['source'] for s in ('soft actor-critic','Gymnasium 1.4.0','MuJoCo 4.0.0','not a D4RL score'))
    monkeypatch.setenv('MINARI_DATASETS_PATH', str(root/'data'/'minari')); them = minari.load_dataset(name)
    meta = them.storage.metadata
    assert (meta['ref_min_score'],meta['ref_max_score'])==D.reference(env) and name in minari.list_local_datasets()
    for i in (1, N//2, N-1):
        e, one = them[i], tau[i]
        assert np.array_equal(e.observations,one.s) and np.array_equal(e.actions,one.a) and e.rewards.dtype==np.float32 and e.terminations[-1]!=e.truncations[-1]
        assert one.y.item()==np.float32(e.rewards.sum(dtype=np.float64))

def test_shipped_sets_are_small_and_say_no_place(root):
    files = [p for p in (root/'data'/'minari').rglob('*') if p.is_file()]
    assert sum(p.stat().st_size for p in files)<=14_000_000
    assert not [p for p in files if p.suffix=='.json' and re.search(r'[" ]/\w', p.read_text())]
    assert all(json.loads((root/'data'/'minari'/n/'data'/'metadata.json').read_text())['dataset_id']==n for n in SHIPPED)
