# What acts together, and how? Trainings of the recipe, with one sd, on shipped sets and whole files (in the folder FILES), from seeds s and s+10^6,
# after 125, 250 and 500 batches; `best`, 60 episodes on environment seeds for choosing, one row for each mean.
# `acted`: 'all', by the mean of all plans; else each of the eight plans of each member was rehearsed first: rolled 300 steps in the model,
# with the noise it has learned, and what counts is the share of steps before a state lies ten standard deviations from the data's mean.
# 'top 8' and 'top 4' are the best of all plans in each episode, 'episode' and 'member' the member whose eight do best, in each or over all.
python - <<'PY'
import os
from pathlib import Path
import pandas as pd
import torch
from gac.core import data_root, generator, set_threads, versions
from gac.data import env_of, load
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.team import policy_of
from gac.train import fit
set_threads(1)
files, to = Path(os.environ.get('FILES','.')), data_root()/'results'/'members-tried.csv'

@torch.inference_mode()
def survives(p, s0, gen, steps=300, bound=10.): # a PlanPolicy after reset -> (plans,N) share of steps
    m, s, big = p.model, s0.repeat(p.plans,1), []
    for t in range(steps):
        x, at = m.std.do('s',s)[:,None,None], torch.full((len(s),1,1), t)
        a = m.generator(x, torch.zeros(len(s),1,1,m.arch.A), at, p.keys)[0][:,0,0]
        a = m.std.do('a', m.std.undo('a',a).clamp(-1,1))[:,None,None]
        ds = m.generator(x, a, at, p.keys)[1][:,0,0]
        ds = ds+m.generator.next_lsd.exp()*torch.randn(ds.shape, generator=gen)
        s = s+m.std.undo('ds',ds)
        big.append(m.std.do('s',s).abs().max(-1)[0])
    return (torch.stack(big,1)<bound).float().cumprod(1).mean(1).view(p.plans,-1)

class Rehearsed: # acts on some of the plans of all members
    def __init__(self, policies, acted): self.policies,self.acted = policies,acted
    def reset(self, s0):
        for p in self.policies: p.reset(s0)
        rehearse = lambda p: torch.zeros(p.plans,len(s0)) if self.acted=='all' else survives(p, s0, generator(17))
        each = torch.stack([rehearse(p) for p in self.policies])
        flat = each.flatten(0,1)
        if self.acted=='all': w = torch.ones_like(flat)
        elif self.acted.startswith('top'): w = torch.zeros_like(flat).scatter(0, flat.topk(int(self.acted[4:]),0)[1], 1.)
        else:
            one = each.mean((1,2)).argmax().expand(len(s0)) if self.acted=='member' else each.mean(1).argmax(0)
            w = torch.stack([(one==i).float().expand(each.shape[1],-1) for i in range(len(each))]).flatten(0,1)
        self.w, said = w/w.sum(0), [p.model.expected_return(p.z).view(p.plans,-1).detach() for p in self.policies]
        self.predicted, self.kl = (self.w*torch.cat(said)).sum(0), torch.stack([p.kl for p in self.policies]).mean(0)
        self.info, self.plan_seconds = self.policies[0].info, 0.
    @torch.inference_mode()
    def __call__(self, s, rows):
        out = []
        for p in self.policies:
            if not torch.equal(rows, p.live): p._follow(rows)
            out.append(p.context.step(s.repeat(p.plans,1), p.kv).unflatten(0, (p.plans,-1)))
        a = (self.w[:,rows,None]*torch.cat(out)).sum(0).clamp(self.policies[0].low, self.policies[0].high)
        for p in self.policies: p.executed(a)
        return a

def trained(name, n, s):
    at = f'gac/{name}/medium-replay-mini-v0' if '-' not in name else files/f'{name}.hdf5'
    out, tau = Path(f'runs/tried-{name}-{n}-{s}'), load(at)
    cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], iterations=n, seed=s)
    run = load_run(out) if (out/'checkpoint').is_dir() else new_run(tau, arch, cfg, dataset=str(at), env=env_of(at))
    fit(run, tau, out, every=100, progress=False)
    return run

pair = lambda *seeds: [x for s in seeds for x in (s,10**6+s)]
both, rehearsed = ('hopper','walker2d'), ('all','top 8','top 4','member')
jobs = [(d,250,pair(s),a) for d,s in (('hopper',0),('hopper',1),('hopper',2),('walker2d',0),('walker2d-medium-replay',0)) for a in rehearsed]
jobs += [(d,250,pair(0),'episode') for d in ('hopper','walker2d-medium-replay')]
jobs += [(d,250,[s],a) for d,s in (('hopper',0),('hopper',10**6),('walker2d',0),('walker2d-medium-replay',0)) for a in ('all','top 4','top 2')]
jobs += [(d,250,pair(s),'all') for d,s in (('hopper',3),('walker2d',1),('walker2d',2),('walker2d',3),('hopper-medium-replay',0))]
jobs += [('hopper-medium-replay',500,pair(0),'all')]
jobs += [(d,250,pair(s,s+1),'all') for d in both for s in (0,2)]+[(d,125,pair(0,1),'all') for d in both]
for name,n,seeds,acted in jobs:
    runs = [trained(name, n, s) for s in seeds]
    how = policy_of(runs, 'best', runs[0].meta['env'], 5000, 'answers')
    policy = Rehearsed(getattr(how,'policies',[how]), acted)
    rows = evaluate(runs[0], runs[0].meta['env'], 'best', 60, 5000, policy=policy)
    one = dict(dataset=name, batches=n, members=len(seeds), seeds='+'.join(map(str,seeds)), acted=acted, episodes=60, env_seed=5000)
    one |= dict(normalised=round(rows.normalised.mean(),1), keeps=round(rows.achieved.mean()/rows.predicted.mean(),2))
    one |= dict(device='cpu', threads=1, versions=versions())
    save_rows(pd.DataFrame([one]), to, same=('dataset','batches','seeds','acted'), then='members')
PY
