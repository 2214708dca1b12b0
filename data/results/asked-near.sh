# `best` with the KL of q to the mixture of the stored posteriors (of the 256 best episodes) in place of the KL to the prior: trainings alone
# and two together, 50 episodes on environment seeds for choosing, one row for each mean. The trainings are those of state-noise.sh (shipped
# sets, no noise) and recipe-whole.sh (whole files); FILES names their folder. Alone the usual way stands in state-noise.csv and
# whole-settings.csv ('sd by state').
python - <<'PY'
import math
import os
from dataclasses import replace
from pathlib import Path
import pandas as pd
import torch
from gac import query
from gac.core import data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.members import fit_members, load_members, new_members
from gac.rows import save_rows
from gac.run import load_run, recipe
from gac.team import evaluate_runs
set_threads(1)
to, files = data_root()/'results'/'asked-near.csv', Path(os.environ.get('FILES','.'))
shipped = {k:f'gac/{k}/medium-replay-mini-v0' for k in ('hopper','walker2d')}
names = {'hopper':(0,1,2), 'walker2d':(0,), 'hopper-medium-replay':(0,1,2), 'walker2d-medium-replay':(0,1,2), 'hopper-medium':(0,), 'walker2d-medium':(0,)}
usual, tables = query.QUESTIONS['best'], {}

def remember(run): # what the mixture is made of
    q = run.store.get(run.key[run.y.argsort(descending=True)[:256]])
    mu, lsd = q.mu.flatten(1), q.lsd.flatten(1)
    prec = (-2*lsd).exp()
    tables[id(run.model)] = prec, mu*prec, -lsd.sum(1)-.5*mu.shape[1]*math.log(2*math.pi)-.5*(mu**2*prec).sum(1), len(run.y)
def near(model, s0, q, noise, goal, cfg): # one draw of E[y|z]/σ_y-λ KL(q‖mixture)
    prec, w, c, n = tables[id(model)]
    e = q.at(noise)
    x = e.flatten(1)
    seen = torch.logsumexp(c+x@w.T-.5*(x**2)@prec.T, 1)-math.log(n)
    entropy = (q.lsd.flatten(1)+.5*math.log(2*math.pi*math.e)).sum(1)
    return model.head(model.plan(s0, e))/model.head.lsd.exp()+cfg.lam*(seen+entropy)
for name,seeds in names.items():
    at = shipped.get(name, files/f'{name}.hdf5')
    tau, env = load(at), env_of(at)
    for s in seeds:
        out = Path(f'runs/team-{name}-{s}' if name in shipped else f'runs/whole-{name}-{s}')
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s)
        pair = load_members(out) if (out/'checkpoint').is_dir() else new_members(tau, arch, cfg, dataset=shipped.get(name,name), env=env)
        fit_members(pair, tau, out, every=100, progress=False)
        runs = load_run(out), load_run(out/'member-2')
        for r in runs: remember(r)
        for kl,question in (('prior',usual), ('mixture',replace(usual, objective=near))):
            for who,asked in (('first',runs[:1]), ('second',runs[1:]), ('both',runs)):
                query.QUESTIONS['best'] = question
                r = evaluate_runs(asked, env, 'best', 50, 5000)
                one = dict(dataset=name, kl=kl, train_seed=s, members=who, episodes=50, env_seed=5000, early=(r.length<200).mean())
                one |= r[['normalised','predicted']].mean().to_dict()|dict(keeps=r.achieved.mean()/r.predicted.mean())
                one |= dict(device='cpu', threads=1, versions=versions(), fingerprint=fingerprint(tau))
                same = 'dataset','kl','train_seed','members'
                save_rows(pd.DataFrame([one]).round(2), to, same=same, then='episodes')
PY
