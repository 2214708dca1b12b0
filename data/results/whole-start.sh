# Two things that were tried on the whole Walker2d replay file and not kept, 30 episodes of `best` on environment seeds for choosing, one
# row for each mean. The first hundred steps of an episode counted 4 or 12 times, in both loops, seed 1 and its mate. And where the plans of
# two trainings disagree: the mean of their actions, an episode each in turn, or the mode of the mixture of their actions, each with the
# generator's sd times h. Once counted: seed 2 of recipe-whole.sh. FILES names the folder of whole files.
python - <<'PY'
import os
from pathlib import Path
import pandas as pd
import torch
from gac import elbo, team, train
from gac.core import data_root, draw_steps, set_threads, versions, windows
from gac.data import env_of, load
from gac.query import PlanPolicy, evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
name = 'walker2d-medium-replay'
file, to = Path(os.environ.get('FILES','.'))/f'{name}.hdf5', data_root()/'results'/'whole-start.csv'
tau, env, plain = load(file), env_of(file), train.draw_windows

def counted(times): # -> draw_windows: a quarter of the windows from the first hundred steps, on top of the others
    def draw(tau, k, M, gen=None, rows=None):
        all_of, first = (draw_steps(n+M-1, m, gen, rows) for n,m in ((tau.n,k-k//4), (tau.n.clamp(max=100),k//4)))
        j, w = (torch.cat(x, 1) for x in zip(all_of, (first[0],first[1]*(times-1))))
        return windows(tau, j-(M-1), w/M, M)
    return draw
def trained(times, seed, out):
    if (out/'checkpoint').is_dir(): return load_run(out)
    train.draw_windows = elbo.draw_windows = counted(times)
    cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=seed)
    run = new_run(tau, arch, cfg, dataset=name, env=env)
    fit(run, tau, out, every=100, progress=False)
    train.draw_windows = elbo.draw_windows = plain
    return run

def mode(a, sd): # (J,B,A) actions, (A,) -> (B,A): where J Gaussians of this sd together are densest
    x = a/sd
    near = (-.5*((x[:,None]-x[None])**2).sum(-1)).exp().sum(1) # (J,B)
    m = x.gather(0, near.argmax(0)[None,:,None].expand(1,-1,x.shape[-1]))[0]
    for _ in range(8):
        w = (-.5*((x-m)**2).sum(-1)).exp()
        m = (w[...,None]*x).sum(0)/w.sum(0)[:,None]
    return m*sd
class Plans(PlanPolicy): # what each plan would do
    @torch.inference_mode()
    def proposed(self, s, rows):
        if not torch.equal(rows, self.live): self._follow(rows)
        return self.context.step(s.repeat(self.plans,1), self.kv).unflatten(0, (self.plans,-1))
class Mode(team.Ensemble):
    h = 1.
    @torch.inference_mode()
    def __call__(self, s, rows):
        m, first = self.model, self.policies[0]
        sd = m.generator.act_lsd.exp()*m.std.a_std*self.h
        a = mode(torch.cat([p.proposed(s, rows) for p in self.policies]), sd).clamp(first.low, first.high)
        self.executed(a)
        return a

def asked(runs, how, acting): # -> rows
    team.PlanPolicy, team.Ensemble = (Plans,Mode) if 'mode' in how else kept
    Mode.h = float(how.split('=')[-1]) if 'mode' in how else 1.
    pol = team.policy_of(runs, 'best', env, 5000, acting, turns='turn' in how or None)
    return evaluate(runs[0], env, 'best', 30, 5000, acting, policy=pol)
kept = team.PlanPolicy, team.Ensemble
WAYS = [('mean','answers'), ('mean','average'), ('in turn','answers')]
WAYS += [('mode, h=1','answers'), ('mode, h=1','average'), ('mode, h=2','answers')]
for times in (1,4,12):
    seed = 2 if times==1 else 1
    home = Path(f'runs/team-{name}-2' if times==1 else f'runs/start-{times}')
    pair = [load_run(home), load_run(home/'member-2')] if times==1 else \
        [trained(times, s, home/str(s)) for s in (1,10**6+1)]
    jobs = [(who, runs, 'mean', 'answers') for who,runs in (('first',pair[:1]),('second',pair[1:]))]
    for who,runs,how,acting in jobs+[('both',pair,*way) for way in WAYS[:6 if times<12 else 1]]:
        r = asked(runs, how, acting)
        one = dict(dataset=name, start_counted=times, train_seed=seed, members=who, acted=how, acting=acting)
        one |= dict(episodes=30, env_seed=5000, early=(r.length<200).mean(), worst=r.normalised.min())
        one |= r[['normalised','predicted','achieved']].mean().to_dict()
        one |= dict(device='cpu', threads=1, versions=versions())
        same = 'start_counted','train_seed','members','acted','acting'
        save_rows(pd.DataFrame([one]).round(2), to, same=same, then='episodes')
PY
