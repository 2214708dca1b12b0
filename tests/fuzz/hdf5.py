"Contents of a flat HDF5 file: fields, shapes, types, values, links, sizes, the name of the environment."
import h5py
import numpy as np
from .harness import Case

NAME = 'HDF5 contents'
FIELDS = ('observations','actions','rewards','terminals','timeouts','next_observations')
NUMBERS = ('observations','actions','rewards','next_observations')
FLAGS = ('terminals','timeouts')
EVIL = 'open("pwned","w").write("1")\nimport gymnasium\ngymnasium.register("X-v0", entry_point="gymnasium.envs.classic_control:CartPoleEnv")\n'

def edit(change, file='set.hdf5'): # change(open file) -> make for a Case
    def make(room):
        p = room.copy('flat.hdf5', file)
        with h5py.File(p,'a') as f: change(f)
        return ['info', p.name]
    return make

def replaced(name, new): # new(old array) -> what is stored instead
    def change(f):
        old = f[name][()]
        del f[name]
        value = new(old)
        if value is not None: f[name] = value
    return edit(change)

def set_in(name, value, row, kind=np.float32): # one value in one row
    def new(x):
        x = x.astype(kind)
        x[row%len(x)] = value
        return x
    return replaced(name, new)

def _lengths():
    for k in FIELDS:
        for what,new in (('one row short', lambda x: x[:-1]), ('one row long', lambda x: np.concatenate([x,x[-1:]])), ('no rows', lambda x: x[:0])):
            yield Case(NAME, f'{k}: {what}', replaced(k,new), ('set.hdf5',k))

def _values(rng):
    for k in NUMBERS:
        for v in (np.nan, np.inf, -np.inf):
            yield Case(NAME, f'{k}: {v} in a row', set_in(k,v,int(rng.integers(100))), ('set.hdf5',k))
        yield Case(NAME, f'{k}: 1e300', set_in(k,1e300,int(rng.integers(100)),np.float64), ('set.hdf5',k))
    for k in FLAGS:
        for v in (.5, -1., 2., np.nan, np.inf):
            yield Case(NAME, f'{k}: {v} in a row', set_in(k,v,int(rng.integers(100))), ('set.hdf5',k))
    yield Case(NAME, 'rewards: 3e38 each', replaced('rewards', lambda x: np.full_like(x,3e38)), ('set.hdf5','reward|return'))
    yield Case(NAME, 'rewards: 1e308 each', replaced('rewards', lambda x: np.full(len(x),1e308)), ('set.hdf5','reward|return'))
    yield Case(NAME, 'no episode ends', edit(lambda f: [f[k].write_direct(np.zeros(len(f[k]),bool)) for k in FLAGS]), ('set.hdf5','episode'))
    def one(f):
        for k in FLAGS: f[k][:] = False
        f['terminals'][-1] = True
    yield Case(NAME, 'a single episode', edit(one), ('set.hdf5','episode'))

def _shapes():
    col, cube, none, two = (lambda x: x[:,0]), (lambda x: x[...,None]), (lambda x: x[:,:0]), (lambda x: np.stack([x,x],1))
    for k in ('observations','actions','next_observations'):
        for what,new in (('one axis',col), ('three axes',cube), ('no columns',none), ('a scalar', lambda x: np.float32(1))):
            yield Case(NAME, f'{k}: {what}', replaced(k,new), ('set.hdf5',k))
    for k in ('rewards',*FLAGS):
        shapes = dict(two=('(n,2)',two), wide=('(n,1,1)', lambda x: x[:,None,None]), none=('(n,0)', lambda x: x[:,None][:,:0]),
            flat=('(1,n)', lambda x: x[None]), scalar=('a scalar', lambda x: x[0]))
        for what,new in shapes.values(): yield Case(NAME, f'{k}: {what}', replaced(k,new), ('set.hdf5',k))
    yield Case(NAME, 'next_observations: another width', replaced('next_observations', lambda x: x[:,:-1]), ('set.hdf5','next_observations'))

def _types():
    pair = np.dtype([('a','f4'),('b','f4')])
    kinds = dict(complex=lambda x: x.astype(np.complex64)+1j, bytes=lambda x: np.full(x.shape,b'7.5'), compound=lambda x: np.zeros(x.shape,pair),
        text=lambda x: np.full(x.shape,'x',dtype=h5py.string_dtype()), empty=lambda x: h5py.Empty('f4'))
    for k in ('observations','actions','rewards','terminals'):
        for what,new in kinds.items(): yield Case(NAME, f'{k}: type {what}', replaced(k,new), ('set.hdf5',k))
    def vlen(f):
        n = len(f['observations'])
        del f['observations']
        d = f.create_dataset('observations', (n,), dtype=h5py.vlen_dtype(np.float32))
        for i in range(n): d[i] = np.zeros(1+i%3, np.float32)
    yield Case(NAME, 'observations: rows of different lengths', edit(vlen), ('set.hdf5','observations'))

def _absent():
    for k in ('observations','actions','rewards'): yield Case(NAME, f'{k}: missing', replaced(k, lambda x: None), ('set.hdf5',k))
    def both(f):
        for k in FLAGS: del f[k]
    yield Case(NAME, 'terminals and timeouts: missing', edit(both), ('set.hdf5','terminals'))
    yield Case(NAME, 'nothing in it', edit(lambda f: f.clear()), ('set.hdf5',))
    for k in FIELDS:
        def group(f, k=k):
            del f[k]
            f.create_group(k)
        yield Case(NAME, f'{k}: a group', edit(group), ('set.hdf5',k))
    def named(f):
        for k in FIELDS: f.move(k, k.upper())
    yield Case(NAME, 'fields by other names', edit(named), ('set.hdf5','observations'))

def _links(): # to what is not in the file
    def away(k, how):
        def make(room):
            p, other = room.copy('flat.hdf5','set.hdf5'), room.copy('flat.hdf5','other.hdf5')
            with h5py.File(p,'a') as f:
                old = f[k][()]
                del f[k]
                if how=='external link': f[k] = h5py.ExternalLink(other.name, k)
                if how=='soft link to nothing': f[k] = h5py.SoftLink('/nowhere')
                if how=='soft link to itself': f[k] = h5py.SoftLink(f'/{k}')
                if how=='external storage':
                    (room.work/'raw').write_bytes(old.astype('f4').tobytes())
                    f.create_dataset(k, old.shape, 'f4', external=[('raw',0,h5py.h5f.UNLIMITED)])
                if how=='virtual':
                    layout = h5py.VirtualLayout(old.shape, 'f4')
                    layout[:] = h5py.VirtualSource(other.name, k, shape=old.shape)
                    f.create_virtual_dataset(k, layout)
            return ['info', p.name]
        return make
    for k in ('observations','rewards','terminals'):
        for how in ('external link','external storage','virtual','soft link to nothing','soft link to itself'):
            yield Case(NAME, f'{k}: {how}', away(k,how), ('set.hdf5',k))

def _sizes(): # of a billion rows that are not stored
    def huge(names, n, chunk):
        def change(f):
            for k in names:
                old = f[k]
                shape, kind = (n,*old.shape[1:]), old.dtype
                del f[k]
                f.create_dataset(k, shape, kind, chunks=(chunk,*shape[1:]))
        return edit(change)
    yield Case(NAME, 'a billion rows, none stored', huge(FIELDS,10**9,10**5), ('set.hdf5',))
    yield Case(NAME, 'observations: 10^12 rows, none stored', huge(('observations',),10**12,10**5), ('set.hdf5','observations'))
    def wide(f):
        n = len(f['actions'])
        del f['observations']
        f.create_dataset('observations', (n,10**7), 'f4', chunks=(n,10**4))
    yield Case(NAME, 'observations: ten million columns', edit(wide), ('set.hdf5','observations'))

def _unwritten(): # arrays whose writer was stopped
    def never(k):
        def change(f):
            old = f[k][()]
            del f[k]
            f.create_dataset(k, old.shape, old.dtype)
        return edit(change)
    for k in ('observations','actions','rewards','terminals'):
        yield Case(NAME, f'{k}: declared, never written', never(k), ('set.hdf5',k))
        yield Case(NAME, f'{k}: the first half written', _first_half(k), ('set.hdf5',k))

def _first_half(k): # in blocks of ten rows
    def change(f):
        old = f[k][()]
        del f[k]
        f.create_dataset(k, old.shape, old.dtype, chunks=(10,*old.shape[1:]))
        f[k][:len(old)//2] = old[:len(old)//2]
    return edit(change)

def _worlds(): # what an attribute says of the environment
    def attr(value, module=False):
        def make(room):
            p = room.copy('flat.hdf5','set.hdf5')
            with h5py.File(p,'a') as f: f.attrs['env_id'] = value
            if module: room.write('evil.py', EVIL)
            return ['train', p.name, '--out','new','--iterations',2]
        return make
    values = dict(module='evil:X-v0', system='os:system', unknown='NoSuch-v0', number=7, array=[1.,2.], bytes=b'\xff\xfe', long='x'*5000, path='../../x')
    for what,v in values.items():
        how = 'accept' if what=='unknown' else 'refuse' # a name like any other: training needs no environment, and says so
        yield Case(NAME, f'env_id: {what}', attr(v, what=='module'), ('env',), how, idle=True)
    yield Case(NAME, 'env_id of another world', attr('Hopper-v5'), ('Hopper-v5','S=3|3'), idle=True)

def cases(rng):
    yield from _lengths()
    yield from _values(rng)
    yield from _shapes()
    yield from _types()
    yield from _absent()
    yield from _links()
    yield from _sizes()
    yield from _worlds()
    yield from _unwritten()
