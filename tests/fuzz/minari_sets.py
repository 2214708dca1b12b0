"A Minari set whose metadata or episodes are not what they should be."
import json
import os
import h5py
import numpy as np
from .harness import Case
from .hdf5 import EVIL

NAME = 'Minari metadata and episodes'
GONE = object()
WARNED = ('spaces, an entry point that is a shell', 'a wrapper of another module', 'env_spec of an unknown id',
    'env_spec with unknown kwargs') # well-formed, and of an environment that is not here: training needs none, makes none and says so
SHELL = dict(id='Pwned-v0', entry_point='os:system', kwargs=dict(command='touch pwned'), additional_wrappers=[])

def meta(command=('info','sets/me/lane-v0'), text=None, module=False, **new): # change fields of metadata.json, or write another text
    def make(room):
        p = room.copy('sets')/'me'/'lane-v0'/'data'/'metadata.json'
        d = json.loads(p.read_text())
        for k,v in new.items():
            if v is GONE: d.pop(k)
            else: d[k] = v(d[k]) if callable(v) else v
        if text is None: p.write_text(json.dumps(d))
        else: p.write_bytes(text if isinstance(text,bytes) else text.encode())
        if module: room.write('evil.py', EVIL)
        return list(command)
    return make

def inside(change): # change(open main_data.hdf5)
    def make(room):
        p = room.copy('sets')/'me'/'lane-v0'/'data'/'main_data.hdf5'
        with h5py.File(p,'a') as f: change(f)
        return ['info','sets/me/lane-v0']
    return make

def _spec(**kw): return lambda old: json.dumps(json.loads(old)|kw)

def _metadata():
    yield 'total_episodes smaller than the file', meta(total_episodes=8), 'episode'
    yield 'total_episodes larger than the file', meta(total_episodes=14), 'episode'
    for v in (-1, 'many', None, 2.5, 10**12, [12]): yield f'total_episodes={v}', meta(total_episodes=v), 'total_episodes'
    yield 'total_episodes missing', meta(total_episodes=GONE), 'total_episodes'
    yield 'total_steps of another file', meta(total_steps=7), 'total_steps|steps'
    for v in ('zip', 5, '', 'pickle', '../x'): yield f'data_format={v!r}', meta(data_format=v), 'format'
    yield 'data_format arrow, with a file of HDF5', meta(data_format='arrow'), 'lane-v0'
    for k in ('observation_space','action_space'):
        yield f'{k} missing', meta(('info','sets/me/lane-v0','--env','gac/PointMass-v0'), **{k:GONE, 'env_spec':GONE}), k
        for v in ('{', '[]', 'null', '{"type":"Nothing"}', 7, '{"type":"Discrete","n":3}'): yield f'{k}: {v!r}', meta(**{k:v}), k
        yield f'{k} of another width', meta(**{k:lambda old: json.dumps(json.loads(old)|dict(shape=[9],low=[0.]*9,high=[1.]*9))}), f'{k}|shape|\\(9'

def _specs():
    spaces = dict(observation_space=GONE, action_space=GONE)
    shell = json.dumps(SHELL)
    yield 'no spaces, an entry point that is a shell', meta(env_spec=shell, **spaces), ''
    yield 'spaces, an entry point that is a shell', meta(('train','sets/me/lane-v0','--out','new','--iterations',2), env_spec=shell), ''
    yield 'a wrapper of another module', meta(('train','sets/me/lane-v0','--out','new','--iterations',2), module=True,
        env_spec=_spec(additional_wrappers=[dict(name='W', entry_point='evil:W', kwargs={})])), ''
    yield 'an id that names a module', meta(('train','sets/me/lane-v0','--out','new','--iterations',2), module=True, env_spec=_spec(id='evil:X-v0')), 'env|evil:X-v0'
    for v in ('{', '[]', '7', '"x"', '{"id": 7}', '{"id": ["a"]}', 7, [1]): yield f'env_spec: {v!r}', meta(env_spec=v), 'env_spec|env'
    train = ('train','sets/me/lane-v0','--out','new','--iterations',2)
    yield 'env_spec of an unknown id', meta(train, env_spec=_spec(id='NoSuch-v0')), 'NoSuch-v0'
    yield 'env_spec with a step limit of nan', meta(train, env_spec=_spec(max_episode_steps='nan')), 'max_episode_steps'
    yield 'env_spec with a negative step limit', meta(train, env_spec=_spec(max_episode_steps=-5)), 'max_episode_steps'
    yield 'env_spec with kwargs that are a text', meta(train, env_spec=_spec(kwargs='x')), 'kwargs'
    yield 'env_spec with unknown kwargs', meta(train, env_spec=_spec(kwargs=dict(nothing=1))), 'nothing|kwargs'

def _texts():
    for what,t in dict(list='[]', null='null', number='7', text='"x"', braces='{}', deep='['*100_000, utf16='{"a":1}'.encode('utf-16'),
        latin=b'{"\xe9":1}', cut='{"total_episodes": 12,', twice='{}{}').items(): yield f'metadata.json: {what}', meta(text=t), 'lane-v0|metadata'

def _swap(group, k, new):
    def change(f):
        old = f[group][k][()]
        del f[group][k]
        value = new(old)
        if value is not None: f[group][k] = value
    return inside(change)

def _episodes(rng):
    def g(): return f'episode_{rng.integers(1,11)}'
    said = dict(observations='observations|states', actions='actions', rewards='rewards')
    yield 'an episode is gone', inside(lambda f: f.__delitem__('episode_5')), 'episode'
    yield 'an episode by another name', inside(lambda f: f.move('episode_3','episode_x')), 'episode'
    for k in ('observations','actions','rewards'):
        yield f'{k} of an episode missing', _swap(g(), k, lambda x: None), said[k]
        yield f'{k}: nan', _swap(g(), k, lambda x: x*np.nan), said[k]
        yield f'{k}: complex', _swap(g(), k, lambda x: x.astype(complex)+1j), said[k]
        yield f'{k}: a few rows short', _swap(g(), k, lambda x: x[:-2]), 'actions|observations|states|rewards'
        yield f'{k}: text', _swap(g(), k, lambda x: np.full(x.shape,b'x')), said[k]
        def away(f, k=k):
            del f['episode_2'][k]
            f['episode_2'][k] = h5py.ExternalLink('other.hdf5', k)
        yield f'{k}: external link', inside(away), said[k]
    yield 'rewards (n,2)', _swap(g(), 'rewards', lambda x: np.stack([x,x],1)), 'rewards'
    yield 'rewards (n,1,1)', _swap(g(), 'rewards', lambda x: x[:,None,None]), 'rewards'
    yield 'rewards 3e38', _swap(g(), 'rewards', lambda x: np.full(len(x),3e38)), 'reward|return'
    yield 'observations of another width', _swap(g(), 'observations', lambda x: x[:,:2]), 'episode|observations'
    yield 'observations: three axes', _swap(g(), 'observations', lambda x: x[...,None]), 'observations|states'
    yield 'an episode without steps', inside(lambda f: [f['episode_4'].__delitem__(k) or f['episode_4'].__setitem__(k, np.zeros((0,3))) for k in ('actions','rewards')]), 'episode'
    def dictionary(f):
        del f['episode_0']['observations']
        f['episode_0'].create_group('observations')['x'] = np.zeros((5,3))
    yield 'observations in a dictionary', inside(dictionary), 'observations|lane-v0'
    yield 'a dataset for an episode', inside(lambda f: (f.__delitem__('episode_0'), f.__setitem__('episode_0', 7.))), 'episode'
    yield 'nothing in the file', inside(lambda f: f.clear()), 'episode|lane-v0'

def _folders():
    def without(*names):
        def make(room):
            top = room.copy('sets')/'me'/'lane-v0'/'data'
            for n in names: (top/n).unlink()
            return ['info','sets/me/lane-v0']
        return make
    yield 'main_data.hdf5 missing', without('main_data.hdf5'), 'main_data.hdf5'
    yield 'both files missing', without('main_data.hdf5','metadata.json'), 'lane-v0'

def _holes():
    def longer(name):
        def make(room):
            os.truncate(room.copy('sets')/'me'/'lane-v0'/'data'/name, 200_000_000)
            return ['info','sets/me/lane-v0']
        return make
    for k in ('main_data.hdf5','metadata.json'): yield f'{k}: 200 MB, nearly all of it holes', longer(k), k
    def never(f):
        old = f['episode_3/actions'][()]
        del f['episode_3/actions']
        f['episode_3'].create_dataset('actions', old.shape, old.dtype)
    yield 'actions that were never written', inside(never), 'actions'

def cases(rng):
    for make in (_metadata, _specs, _texts, lambda: _episodes(rng), _folders, _holes):
        for name,how,says in make():
            yield Case(NAME, name, how, ('lane-v0|evil:X-v0|NoSuch-v0',says), 'accept' if name in WARNED else 'refuse', idle=True)
