"Healthy things, as small as they can be: a flat file, a Minari set, a run, a slim one, an online folder, a journal."
import json
import numpy as np
from .harness import call

LANE = 'gac/PointMass-v0'
ARCH = [x for k in ('D=16','heads=2','tokens=1','enc=1','dec=1') for x in ('--set',k)]
SMALL = ARCH+[x for k in ('batch=4','k=4','inner_steps=1','outer_steps=1') for x in ('--set',k)]
ALONE = [*SMALL,'--members',1] # one training, not two side by side
ASK = ['--strategy','improve','--stages',1,'--episodes',4,'--set','iterations=2','--asked',2]
TRIAL = ['--phase','fit','--trials',1,'--budget',.1,'--held',2,*ARCH,'--table','']

def arrays(n=12, seed=0)->dict: # a flat set: name -> array
    from gac.envs import point_mass_data
    tau = point_mass_data(n, seed=seed)
    end = np.zeros(len(tau.a), bool)
    end[(tau.a_at+tau.n-1).numpy()] = True
    row = np.arange(len(end))+np.repeat(np.arange(len(tau)), tau.n)
    rewards = (.2*tau.s[row+1][:,2]).numpy()
    last = tau.n.repeat_interleave(tau.n).numpy()
    cut = end&(last>=30)
    return dict(observations=tau.s[row].numpy(), next_observations=tau.s[row+1].numpy(), actions=tau.a.numpy(), rewards=rewards,
        terminals=end&~cut, timeouts=cut)

def write_flat(path, d, **attrs):
    import h5py
    with h5py.File(path,'w') as f:
        for k,v in d.items(): f[k] = v
        f.attrs.update(dict(env_id=LANE)|attrs)
    return path

def quick(): # a study's bounds by few inner steps
    from gac import tune
    whole = tune.held_out_elbo
    tune.held_out_elbo = lambda model, held, steps=1000, *args, **kw: whole(model, held, min(steps,4), *args, **kw)

def build(shelf):
    "Make everything; runs in a child, so that the parent has never computed anything."
    from gac.data import from_arrays, save
    d = arrays()
    flat = write_flat(shelf/'flat.hdf5', d)
    ends = np.flatnonzero(d['terminals']|d['timeouts'])+1
    spans = list(zip(np.r_[0,ends[:-1]], ends))
    states = [np.vstack([d['observations'][i:j], d['next_observations'][j-1:j]]) for i,j in spans]
    rewards = [d['rewards'][i:j] for i,j in spans]
    tau = from_arrays(states, [d['actions'][i:j] for i,j in spans], rewards)
    save(tau, 'me/lane-v0', LANE, shelf/'sets', rewards, [bool(d['timeouts'][j-1]) for _,j in spans])
    quick()
    for args in (['train',flat,'--out',shelf/'run','--iterations',4,*ALONE], ['slim',shelf/'run',shelf/'slim'],
        ['online',shelf/'run','--dataset',flat,*ASK,'--out',shelf/'online'],
        ['tune',flat,*TRIAL,'--study','s','--out',shelf/'tune']):
        if code := call(args): return code
    (shelf/'made.json').write_text(json.dumps(dict(spans=[list(map(int,s)) for s in spans])))
    return 0
