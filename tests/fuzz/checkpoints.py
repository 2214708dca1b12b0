"A run folder from somebody else: its config.json, its tensors, what is missing, what would run code."
import json
import os
import pickle
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from .harness import Case
from .hdf5 import EVIL

NAME = 'checkpoints'
GONE, NAN, INF = object(), float('nan'), float('inf')
ASKED = ('evaluate','run','--episodes',2,'--steps',2,'--out','answers')
RESUMED = ('train','flat.hdf5','--out','run','--resume')

def _room(room):
    room.copy('flat.hdf5')
    return room.copy('run')/'checkpoint'

def config(path, value, args=ASKED, module=False): # 'arch.D', what it says instead
    def make(room):
        p = _room(room)/'config.json'
        whole = json.loads(p.read_text())
        *above, last = path.split('.')
        at = whole
        for k in above: at = at[k]
        if value is GONE: at.pop(last)
        else: at[last] = value
        p.write_text(json.dumps(whole))
        if module: room.write('evil.py', EVIL)
        return list(args)
    return make

def text(name, content, args=ASKED):
    def make(room):
        (_room(room)/name).write_bytes(content if isinstance(content,bytes) else content.encode())
        return list(args)
    return make

def tensors(name, change, args=ASKED): # change(dict of tensors), in place
    def make(room):
        p = _room(room)/name
        d = load_file(p)
        change(d)
        save_file({k:v.contiguous() for k,v in d.items()}, p)
        return list(args)
    return make

def put(k, new): return lambda d: d.update({k:new(d[k])})

ARCH = {'D':(10**9, -1, 0, 'x', 2.5, None, NAN, True, 32, GONE), 'enc':(10**6, 0, 'x', 2), 'dec':(10**6, -1), 'tokens':(10**8, 0, None), 'heads':(0, 5, 'x', -2),
    'S':(10**9, 4, 0, 'x', -3), 'A':(3, None, 10**9), 'M':(10**9, 0, 'x'), 'sigma_y':(NAN, -1., INF, 'x', 0), 'transition':('maybe', 5), 'nonsense':(1,)}
FIT = {'batch':('x', -1, 0, NAN, 2.5, None), 'iterations':('x', -5, NAN, GONE), 'outer_lr':(NAN, INF, -1., 'x'), 'inner_lr':(NAN, 0), 'inner_stop':(NAN, 'x'),
    'clip':(NAN, -1.), 'weight_decay':(NAN, -1., 'x'), 'return_weight':(NAN,), 'seed':(-1, 2**40, 'x', 1.5), 'draw':('x', 3), 'k':(0, 'x'),
    'noise':('x',), 'precision':('x', 16), 'warm':('maybe',), 'nonsense':(1,)}

def _configs():
    for k,values in ARCH.items():
        for v in values: yield f'arch.{k}={"missing" if v is GONE else v}', config(f'arch.{k}',v), ('config.json|model.safetensors',rf'\b{k}\b')
    for k,values in FIT.items():
        for v in values:
            if k=='iterations' and v is GONE: continue
            yield f'fit.{k}={v}', config(f'fit.{k}',v), ('config.json',rf'\b{k}\b')
    for v in (99, 'x', None, -1, GONE): yield f'format={"missing" if v is GONE else v}', config('format',v), ('config.json','format')
    for v in (-1, 'x', NAN, 2.5, None, GONE): yield f'i={"missing" if v is GONE else v}', config('i',v), ('config.json',r'\bi\b')
    for v in ('x', None, 3, GONE): yield f'slim={"missing" if v is GONE else v}', config('slim',v), ('config.json','slim')
    for v in ([], 'x', None, GONE): yield f'meta={"missing" if v is GONE else v}', config('meta',v), ('config.json','meta')
    for v in ([], 'x', GONE): yield f'arch={"missing" if v is GONE else v}', config('arch',v), ('config.json','arch')
    yield 'i beyond the iterations, resumed', config('i',10**9,RESUMED), ('config.json',r'\bi\b')
    yield 'fingerprint missing, resumed', config('meta.fingerprint',GONE,RESUMED), ('config.json|run','fingerprint')
    yield 'fingerprint of other data, resumed', config('meta.fingerprint','0'*16,RESUMED), ('fingerprint',)

def _worlds():
    for v in (7, ['x'], 'NoSuch-v0', 'x'*3000, 'Hopper-v5'): yield f'meta.env={str(v)[:20]}', config('meta.env',v), ('env|Hopper',)
    yield 'meta.env names a module', config('meta.env','evil:X-v0',module=True), ('evil:X-v0|env',)
    yield 'meta.env missing', config('meta.env',GONE), ('env',)

def _texts():
    for what,t in dict(list='[]', null='null', number='7', braces='{}', deep='['*100_000, utf16='{"a":1}'.encode('utf-16')).items():
        yield f'config.json: {what}', text('config.json',t), ('config.json',)
    for what,t in dict(dict='{"a":1}', numbers='[1,2]', null='null', deep='['*100_000, texts='[{"i":"x"}]').items():
        yield f'history.json: {what}', text('history.json',t,RESUMED), ('history.json',)

def _model():
    first = 'std.s_std'
    yield 'model: a tensor missing', tensors('model.safetensors', lambda d: d.pop(sorted(d)[0])), ('model.safetensors',)
    yield 'model: a tensor too many', tensors('model.safetensors', lambda d: d.update(more=torch.zeros(3))), ('model.safetensors','more')
    yield 'model: another shape', tensors('model.safetensors', lambda d: d.update({sorted(d)[0]:torch.zeros(7)})), ('model.safetensors',)
    for what,v in dict(nan=NAN, inf=INF).items():
        yield f'model: {what} in a weight', tensors('model.safetensors', lambda d, v=v: d[sorted(d)[2]].fill_(v)), ('model.safetensors',)
    for v in (0., -1., NAN): yield f'model: {first}={v}', tensors('model.safetensors', lambda d, v=v: d[_std(d)].fill_(v)), ('model.safetensors','std')
    yield 'model: weights that are whole numbers', tensors('model.safetensors', lambda d: d.update({k:v.int() for k,v in d.items()})), ('model.safetensors',)
    yield 'model: no tensors', tensors('model.safetensors', lambda d: d.clear()), ('model.safetensors',)

def _std(d): return next(k for k in sorted(d) if k.endswith('s_std'))

def _posteriors():
    f = 'posteriors.safetensors'
    for k in ('phi','key','y','y_key'):
        yield f'posteriors: {k} missing', tensors(f, lambda d, k=k: d.pop(k)), (f,rf'\b{k}\b')
        yield f'posteriors: {k} with one row less', tensors(f, put(k,lambda v: v[:-1])), (f,rf'\b{k}\b')
        yield f'posteriors: {k} without rows', tensors(f, put(k,lambda v: v[:0])), (f,rf'\b{k}\b')
    for k in ('key','y_key'):
        yield f'posteriors: {k} twice the same', tensors(f, put(k,lambda v: v[:1].repeat(len(v)))), (f,rf'\b{k}\b')
        yield f'posteriors: {k} as float', tensors(f, put(k,lambda v: v.float())), (f,rf'\b{k}\b')
    for k in ('phi','y'):
        for v in (NAN, INF): yield f'posteriors: {k} is {v}', tensors(f, lambda d, k=k, v=v: d[k].fill_(v)), (f,rf'\b{k}\b')
    yield 'posteriors: phi of another width', tensors(f, put('phi',lambda v: v[...,:-1])), (f,r'\bphi\b')
    yield 'posteriors: phi with an axis less', tensors(f, put('phi',lambda v: v.flatten())), (f,r'\bphi\b')
    yield 'posteriors: y in two columns', tensors(f, put('y',lambda v: torch.stack([v,v],1))), (f,r'\by\b')
    yield 'posteriors: y complex', tensors(f, put('y',lambda v: v.to(torch.complex64))), (f,r'\by\b')

def _state():
    o, r = 'optimizer.safetensors', 'rng.safetensors'
    yield 'optimizer: a tensor missing', tensors(o, lambda d: d.pop(sorted(d)[0]), RESUMED), (o,)
    yield 'optimizer: nan', tensors(o, lambda d: d[sorted(d)[0]].fill_(NAN), RESUMED), (o,)
    yield 'optimizer: another shape', tensors(o, lambda d: d.update({'0.exp_avg':torch.zeros(7,7)}), RESUMED), (o,)
    yield 'optimizer: another name', tensors(o, lambda d: d.update(abc=torch.zeros(1)), RESUMED), (o,'abc')
    yield 'optimizer: a parameter too many', tensors(o, lambda d: d.update({'999.exp_avg':torch.zeros(1)}), RESUMED), (o,)
    yield 'optimizer: negative second moments', tensors(o, lambda d: d[next(k for k in sorted(d) if k.endswith('exp_avg_sq'))].fill_(-1.), RESUMED), (o,)
    yield 'optimizer: no tensors', tensors(o, lambda d: d.clear(), RESUMED), (o,)
    yield 'rng: no state', tensors(r, lambda d: d.pop('state') is None or d.update(x=torch.zeros(1)), RESUMED), (r,'state')
    yield 'rng: numbers of another kind', tensors(r, put('state',lambda v: v.float()), RESUMED), (r,)
    yield 'rng: junk of the right length', tensors(r, put('state',lambda v: torch.full_like(v,255)), RESUMED), (r,)

def header(name, n, content=b'{}'): # of a safetensors file: a length, and what follows
    return text(name, np.uint64(n).tobytes()+content)

def _headers():
    for what,n,c in (('longer than the file',10**9,b'{}'), ('of 2^63 bytes',2**63,b'{}'), ('that is a list',2,b'[]'),
        ('with a tensor beyond the end',0,b'')):
        if not n:
            c = json.dumps(dict(phi=dict(dtype='F32', shape=[10**9,10**3], data_offsets=[0,4*10**12]))).encode()
            n = len(c)
        for f in ('model.safetensors','posteriors.safetensors'): yield f'{f}: a header {what}', header(f,n,c), (f,)

class _Touch: # what a pickle may call
    def __reduce__(self): return os.system, ('touch pwned',)

def _pickles():
    def sharded(room):
        d = _room(room)/'posteriors'
        d.mkdir()
        (d/'.metadata').write_bytes(pickle.dumps(_Touch()))
        (d/'__0_0.distcp').write_bytes(b'x')
        return list(ASKED)
    yield 'a pickle in posteriors/', sharded, ('posteriors',)
    yield 'a pickle in posteriors/, slim', lambda room: sharded(room) and ['slim','run','new'], ('posteriors',)
    for f in ('model.safetensors','posteriors.safetensors'): yield f'{f}: a pickle', text(f, pickle.dumps(_Touch())), (f,)
    yield 'optimizer.safetensors: a pickle', text('optimizer.safetensors', pickle.dumps(_Touch()), RESUMED), ('optimizer.safetensors',)

def _missing():
    def without(f, args):
        def make(room):
            (_room(room)/f).unlink()
            return list(args)
        return make
    for f in ('config.json','model.safetensors','posteriors.safetensors','history.json'): yield f'{f} missing', without(f,ASKED), (f,)
    for f in ('optimizer.safetensors','rng.safetensors'): yield f'{f} missing', without(f,RESUMED), (f,)
    for f in ('config.json','model.safetensors'): yield f'{f} missing, slim', without(f,['slim','run','new']), (f,)
    def instead(do):
        def make(room):
            room.copy('flat.hdf5')
            (room/'run').mkdir()
            do(room/'run'/'checkpoint')
            return list(ASKED)
        return make
    yield 'checkpoint is a file', instead(lambda p: p.write_text('mine')), ('run',)
    yield 'checkpoint is a folder with nothing in it', instead(lambda p: p.mkdir()), ('run','config.json')
    yield 'checkpoint is a link to itself', instead(lambda p: p.symlink_to(p)), ('run',)

def cases(rng):
    for make in (_configs, _worlds, _texts, _model, _posteriors, _state, _headers, _pickles, _missing):
        for name,how,says in make(): yield Case(NAME, name, how, says, idle=True)
