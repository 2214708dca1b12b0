"Bytes of every kind of file that a command reads: cut, flipped, emptied, replaced."
import io
import pickle
import zipfile
from dataclasses import replace
import numpy as np
from .harness import Case
from .shelf import ASK, TRIAL

NAME = 'raw bytes'
RUN = ('config.json','model.safetensors','posteriors.safetensors','history.json')
STATE = ('optimizer.safetensors','rng.safetensors')

def places(): # name of a file -> (what to copy, where the file is in it, the command that reads it, what a message names)
    d = {'flat.hdf5': ('flat.hdf5','',['info','flat.hdf5'])}
    for f in ('main_data.hdf5','metadata.json'): d[f] = ('sets',f'me/lane-v0/data/{f}',['info','sets/me/lane-v0'])
    for f in RUN: d[f] = ('run',f'checkpoint/{f}',['evaluate','run','--episodes',2,'--steps',2])
    for f in STATE: d[f] = ('run',f'checkpoint/{f}',['train','flat.hdf5','--out','run','--resume'])
    on = ['online','run','--dataset','flat.hdf5',*ASK,'--out','online']
    d['00000.safetensors'] = ('online','stage-1/episodes/00000.safetensors',on)
    d['online.json'] = ('online','online.json',on)
    d['rows-2.csv'] = ('online','stage-1/rows-2.csv',on)
    d['tune.log'] = ('tune','tune.log',['tune','flat.hdf5',*TRIAL,'--study','s','--out','tune'])
    return d

def broken(name, how): # how(bytes) -> bytes, or None: a folder in its place
    what, inside, args = places()[name]
    def make(room):
        for other in ('flat.hdf5','run'): room.copy(other)
        top = room.copy(what)
        p = top/inside if inside else top
        new = how(p.read_bytes())
        p.unlink()
        p.mkdir() if new is None else p.write_bytes(new)
        return args
    return make

def flipped(rng, bits, within=None):
    seed = int(rng.integers(2**31))
    def how(data):
        g, data = np.random.default_rng(seed), bytearray(data)
        for at in g.integers(0, min(within or len(data), len(data)), bits): data[at] ^= 1<<int(g.integers(8))
        return bytes(data)
    return how

def cut(part): return lambda data: data[:int(part*len(data))]

def _each(name, rng):
    says = {'main_data.hdf5':('lane-v0',), 'metadata.json':('lane-v0',)}.get(name, (name,))
    text = name.endswith(('.json','.csv','.log'))
    yield Case(NAME, f'{name}: empty', broken(name, lambda b: b''), says, 'either' if name=='tune.log' else 'refuse')
    for part in (.02, float(rng.uniform(.2,.8)), .97):
        yield Case(NAME, f'{name}: cut at {part:.0%}', broken(name, cut(part)), says, 'either' if text and name.endswith(('csv','log')) else 'refuse')
    seed = int(rng.integers(2**31))
    yield Case(NAME, f'{name}: junk', broken(name, lambda b: np.random.default_rng(seed).bytes(len(b))), says)
    yield Case(NAME, f'{name}: a folder', broken(name, lambda b: None), says)
    for bits,within in ((8,400),(8,400),(40,None)):
        yield Case(NAME, f'{name}: {bits} bits flipped in the first {within or "to last"} ({rng.integers(10**6)})', broken(name, flipped(rng,bits,within)), (), 'either')

def _others(): # files of another kind
    def npz():
        f = io.BytesIO()
        np.savez(f, observations=np.zeros((5,3)))
        return f.getvalue()
    def zipped():
        f = io.BytesIO()
        with zipfile.ZipFile(f,'w') as z: z.writestr('a','b')
        return f.getvalue()
    kinds = dict(npz=npz, zip=zipped, pickle=lambda: pickle.dumps([dict(observations=[1.])]), png=lambda: b'\x89PNG\r\n\x1a\n'+b'\0'*99, text=lambda: b'observations,actions\n1,2\n')
    for what,data in kinds.items():
        yield Case(NAME, f'flat.hdf5: a {what} file', broken('flat.hdf5', lambda b, data=data: data()), ('flat.hdf5',))
        if what in ('npz','pickle'):
            def make(room, what=what, data=data):
                room.write(f'set.{what}', data())
                return ['info',f'set.{what}']
            yield Case(NAME, f'set.{what}: points to from_arrays', make, (f'set.{what}','from_arrays'))

def cases(rng):
    for c in (*(c for name in places() for c in _each(name,rng)), *_others()): yield replace(c, idle=True)
