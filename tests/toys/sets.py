"Small data sets, made for tests: episodes, flat files, Minari sets, and ways to spoil them."
import json, os, warnings
from pathlib import Path
import h5py
import minari
import numpy as np
import torch
from minari.data_collector import EpisodeBuffer

SHIPPED = ('gac/hopper/medium-replay-mini-v0','gac/walker2d/medium-replay-mini-v0')
FIELDS = ('s','a','y','n','last','key')

def same(x, y, but=()): return all(torch.equal(getattr(x,k), getattr(y,k)) for k in FIELDS if k not in but)

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

def put(path, **arrays): # fields of a file, replaced
    with h5py.File(path,'r+') as f:
        for k,v in arrays.items():
            if k in f: del f[k]
            f[k] = v
    return path

def edit(path, row, key, value):
    with h5py.File(path,'r+') as f: f[key][row] = value
    return path

def store(eps, id, env='Pendulum-v1', data_format='hdf5', **kw): # written by Minari itself, not by `save`
    buffers = [EpisodeBuffer(id=i, observations=e['states'], actions=e['actions'], rewards=e['rewards'],
        terminations=np.zeros(len(e['rewards']),bool), truncations=np.arange(len(e['rewards']))==len(e['rewards'])-1) for i,e in enumerate(eps)]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return minari.create_dataset_from_buffers(id, buffers, env=env, data_format=data_format, **kw)

def edit_meta(change, id='me/x-v0'):
    "The metadata of a set, changed in place by a function."
    p = Path(os.environ['MINARI_DATASETS_PATH'])/id/'data'/'metadata.json'
    meta = json.loads(p.read_text())
    change(meta)
    p.write_text(json.dumps(meta))
    return p.parents[1]

def spec_that_runs(command, **change):
    "A recorded environment whose making would run a command."
    return json.dumps(dict(id='Trap-v0', entry_point='os:system', reward_threshold=None, nondeterministic=False, max_episode_steps=None,
        order_enforce=False, disable_env_checker=True, kwargs=dict(command=command), additional_wrappers=[], vector_entry_point=None)|change)

def trap(tmp_path):
    "A command that leaves a marker, and the look whether it did."
    mark = tmp_path/'it-ran'
    return f'touch {mark}', lambda: mark.exists()

STEPS = sum(len(e['rewards']) for e in episodes(0))
GOOD = dict(states=np.zeros((5,3)), actions=np.zeros((4,1)), rewards=np.zeros(4))
