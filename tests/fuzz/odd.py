"Valid, if unusual: these have to be read, and to say what the usual form says."
import json
import h5py
import numpy as np
from .harness import Case
from .hdf5 import edit, replaced

NAME = 'unusual but valid'
SAME = r'N  12\n(.*\n)*\s+S  3\n\s+A  2\n'

def cases(rng):
    for name,make in (*_columns(), *_types(), *_files(), *_sets()): yield Case(NAME, name, make, expect='accept', out=SAME)
    for name,make in _runs(): yield Case(NAME, name, make, expect='accept', idle=True)
    for name,make,says,out in _pictures(): yield Case(NAME, name, make, says, expect='accept', out=out)

def _columns():
    col = lambda x: x[:,None]
    for k in ('rewards','terminals','timeouts'): yield f'{k} as (n,1)', replaced(k, col)
    def all_(f):
        for k in ('rewards','terminals','timeouts'):
            old = f[k][()][:,None]
            del f[k]
            f[k] = old
    yield 'rewards and flags as (n,1)', edit(all_)

def _types():
    for k in ('terminals','timeouts'):
        for kind in ('i1','u1','i4','i8','f4','f8'): yield f'{k} as {kind} of 0 and 1', replaced(k, lambda x, kind=kind: x.astype(kind))
    for k in ('observations','next_observations','actions','rewards'):
        for kind in ('f8','>f4','>f8'): yield f'{k} as {kind}', replaced(k, lambda x, kind=kind: x.astype(kind))
    yield 'rewards as whole numbers', replaced('rewards', lambda x: np.round(x*100).astype('i4'))
    yield 'rewards in half precision', replaced('rewards', lambda x: x.astype('f2'))
    yield 'env_id as bytes', edit(lambda f: f.attrs.__setitem__('env_id', np.bytes_('gac/PointMass-v0')))

def _files():
    def packed(how):
        def change(f):
            for k in list(f):
                old = f[k][()]
                del f[k]
                f.create_dataset(k, data=old, **how)
        return edit(change)
    yield 'gzip', packed(dict(compression='gzip', shuffle=True))
    yield 'lzf, with checksums', packed(dict(compression='lzf', fletcher32=True))
    yield 'chunks of one row', packed(dict(chunks=True))
    def ends(f): # one flag for both
        f['terminals'][:] = f['terminals'][()]|f['timeouts'][()]
        del f['timeouts']
    yield 'timeouts missing', edit(ends)
    yield 'next_observations missing', edit(lambda f: f.__delitem__('next_observations'))
    def more(f):
        f.create_group('infos')['qpos'] = np.zeros((5,2))
        f['metadata'] = 'x'
    yield 'fields of others beside', edit(more)
    def soft(f):
        f.move('rewards','there')
        f['rewards'] = h5py.SoftLink('/there')
    yield 'a soft link inside the file', edit(soft)
    yield 'a name with a space', lambda room: ['info', _moved(room,'my set.hdf5')]
    yield 'a name that is not ASCII', lambda room: ['info', _moved(room,'übung.hdf5')]
    yield 'a name without an ending', lambda room: ['info', _moved(room,'set')]
    def unnamed(room):
        with h5py.File(room.copy('flat.hdf5','set.hdf5'),'a') as f: del f.attrs['env_id']
        return ['info','set.hdf5','--env','gac/PointMass-v0']
    yield 'without an environment, which is named', unnamed
    def wrong(room):
        with h5py.File(room.copy('flat.hdf5','set.hdf5'),'a') as f: f.attrs['env_id'] = 'NoSuch-v0'
        return ['info','set.hdf5','--env','gac/PointMass-v0']
    yield 'an unusable environment, overruled', wrong

def _moved(room, name): return room.copy('flat.hdf5', name).name

def _sets():
    def meta(**kw):
        def make(room):
            p = room.copy('sets')/'me'/'lane-v0'/'data'/'metadata.json'
            d = json.loads(p.read_text())|kw
            p.write_text(json.dumps({k:v for k,v in d.items() if v is not None}))
            return ['info','sets/me/lane-v0','--env','gac/PointMass-v0']
        return make
    yield 'Minari: as it is', meta()
    yield 'Minari: fields of others', meta(nonsense=[1,2], author=['a','b'])
    yield 'Minari: no env_spec, named', meta(env_spec=None)
    yield 'Minari: no description', meta(description=None)
    def inside(change):
        def make(room):
            with h5py.File(room.copy('sets')/'me'/'lane-v0'/'data'/'main_data.hdf5','a') as f:
                for ep in f.values(): change(ep)
            return ['info','sets/me/lane-v0']
        return make
    def column(ep):
        old = ep['rewards'][()]
        del ep['rewards']
        ep['rewards'] = old[:,None]
    yield 'Minari: rewards as (n,1)', inside(column)
    def ints(ep):
        for k in ('terminations','truncations'):
            old = ep[k][()].astype('i4')
            del ep[k]
            ep[k] = old
    yield 'Minari: flags as 0 and 1', inside(ints)

def _runs():
    def run(change, args):
        def make(room):
            room.copy('flat.hdf5')
            change(room.copy('run')/'checkpoint')
            return args
        return make
    asked = ['evaluate','run','--episodes',2,'--steps',2,'--out','answers']
    def drop(k): # a field of Fit that came later
        def change(d):
            c = json.loads((d/'config.json').read_text())
            c['fit'].pop(k)
            (d/'config.json').write_text(json.dumps(c))
        return change
    yield 'run: as it is', run(lambda d: None, asked)
    for k in ('noise','precision','compile','elite'): yield f'run: from before there was {k}', run(drop(k), asked)
    yield 'run: a file of one\'s own beside', run(lambda d: (d.parent/'notes.txt').write_text('mine'), asked)
    yield 'run: an empty folder to train in', lambda room: [(room/'new').mkdir(), room.copy('flat.hdf5')] and ['train','flat.hdf5','--out','new','--iterations',2]
    yield 'run: named by its checkpoint folder', run(lambda d: None, ['evaluate','run/checkpoint','--episodes',2,'--steps',2,'--out','answers'])

def _pictures(): # one that cannot be written is a warning, and is not claimed
    def evaluated(room):
        room.copy('run')
        (room/'answers'/'best.png').mkdir(parents=True)
        return ['evaluate','run','--episodes',2,'--steps',2,'--out','answers']
    yield 'a folder in the place of a picture: evaluate', evaluated, ('best.png could not be drawn',), r'written: answers/best\.csv\n'
    def trained(room):
        room.copy('flat.hdf5')
        (room/'my run'/'curves.png').mkdir(parents=True)
        return ['train','flat.hdf5','--out','my run','--iterations',1,'--set','D=16','--set','heads=2','--set','tokens=1','--set','enc=1','--set','dec=1','--set','batch=4']
    yield 'a folder in the place of a picture: train', trained, ('curves.png could not be drawn',), "next: gac evaluate 'my run' "
