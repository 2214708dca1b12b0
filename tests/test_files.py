"A file is read, never obeyed: no other file is read, nothing in it is called, no size is believed; one cause has one cure."
import os, pickle, subprocess, sys, warnings
import h5py
import numpy as np
import pytest
from gac.data import env_of, from_arrays, load, read_d4rl
from toys.sets import STEPS, episodes, flat, put, same, store, trap

pytestmark = pytest.mark.usefixtures('own_sets')

# ---- links, sizes, filters

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

def test_texts_claim_no_more_than_the_file(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0)); raw = bytearray(p.read_bytes()); at = raw.index(b'GCOL')
    raw[at+8:at+16] = (1<<33).to_bytes(8,'little'); p.write_bytes(raw)
    with pytest.raises(ValueError, match='a.hdf5: a heap of texts claims more than the file'): env_of(p)

def test_a_filter_that_is_missing(tmp_path):
    p = flat(tmp_path/'a.hdf5', episodes(0), lack=('actions',))
    with h5py.File(p,'r+') as f:
        d = f.create_dataset('actions', (STEPS,1), 'f4', chunks=(STEPS,1), compression=32999, allow_unknown_filter=True)
        d.id.write_direct_chunk((0,0), np.zeros(STEPS,'f4').tobytes())
    with pytest.raises(ValueError, match='actions is packed by filter 32999.*hdf5plugin'): load(p)

# ---- one cause, one cure

def why(path):
    with pytest.raises(ValueError, match='not a readable HDF5 file') as e: load(path)
    return str(e.value)

def test_reading_a_missing_file_does_not_call_it_truncated(tmp_path):
    with pytest.raises(FileNotFoundError): read_d4rl(tmp_path/'gone.hdf5')

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

# ---- numbers

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

def test_time_stamps_are_not_blurred_in_silence(tmp_path):
    eps = [e|dict(states=np.c_[e['states'].astype('f8')[:,:2], 1.7e9+np.arange(len(e['states']))]) for e in episodes(0)]
    for door in (lambda: from_arrays(eps), lambda: load(flat(tmp_path/'a.hdf5', eps))):
        with pytest.warns(UserWarning, match='column 2 has values near 2e.09 that float32 cannot tell apart'): door()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for still in (1., 1.+1e-15*np.arange(3), 1.7e9): from_arrays([dict(states=np.full((3,1),1.)*np.reshape(still,(-1,1)), actions=np.zeros((2,1)), rewards=np.zeros(2))]*2)
