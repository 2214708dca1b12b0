# `best` with the KL of q to the mixture of the stored posteriors (`Ask.stored`) in place of the KL to the prior: trainings alone and two
# together, 50 episodes on environment seeds for choosing, one row for each mean. Of two together also 'mixed', four of the eight plans
# climbed to by one KL and four by the other, and on some sets 'both', the mean of both objectives. The trainings are those of team.sh
# (shipped sets; seeds 3 and 4 are gone) and recipe-whole.sh (whole files); FILES names their folder. Alone, and of the shipped sets'
# first three pairs, the usual way stands in state-noise.csv and whole-settings.csv ('sd by state').
python - <<'PY'
import os
from dataclasses import replace
from pathlib import Path
import pandas as pd
from gac import query
from gac.core import data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.members import fit_members, load_members, new_members
from gac.query import Ask, aside, crowd_of, seen_by
from gac.rows import save_rows
from gac.run import load_run, recipe
from gac.team import evaluate_runs
set_threads(1)
to, files = data_root()/'results'/'asked-near.csv', Path(os.environ.get('FILES','.'))
shipped = {k:f'gac/{k}/medium-replay-mini-v0' for k in ('hopper','walker2d')}
names = {k:(0,1,2,5,6,7,8,9) for k in shipped}|{f'{k}-medium-replay':(0,1,2,3,4) for k in shipped}
names |= {f'{k}-medium':(0,1) for k in shipped}|{'halfcheetah-medium':(0,)}
usual, crowds = query.QUESTIONS['best'], {}
def between(model, s0, q, noise, goal, cfg): # the mean of both objectives
    return sum(usual.objective(model, s0, x, noise, goal, cfg) for x in (q,aside(q,noise,crowds[id(model)])))/2
ways = dict(prior=('answers',Ask()), mixture=('answers',Ask(stored=True)), both=('answers',Ask()), mixed=('mixed',Ask()))
for name,seeds in names.items():
    at = shipped.get(name, files/f'{name}.hdf5')
    tau, env = load(at), env_of(at)
    for s in seeds:
        out = Path(f'runs/team-{name}-{s}' if name in shipped else f'runs/whole-{name}-{s}')
        cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s)
        pair = load_members(out) if (out/'checkpoint').is_dir() else new_members(tau, arch, cfg, dataset=shipped.get(name,name), env=env)
        fit_members(pair, tau, out, every=100, progress=False)
        runs = load_run(out), load_run(out/'member-2')
        for r in runs: crowds[id(r.model)] = crowd_of(Ask(stored=True), seen_by(r))
        for (kl,(acting,asked)),(who,of) in ((w,x) for w in ways.items() for x in (('first',runs[:1]), ('second',runs[1:]), ('both',runs))):
            if who!='both' and kl!='mixture' or kl=='prior' and name in shipped and s<3: continue # not asked, or stands elsewhere
            query.QUESTIONS['best'] = replace(usual, objective=between) if kl=='both' else usual
            r = evaluate_runs(of, env, 'best', 50, 5000, acting, asked)
            one = dict(dataset=name, kl=kl, train_seed=s, members=who, episodes=50, env_seed=5000, early=(r.length<200).mean())
            one |= r[['normalised','predicted']].mean().to_dict()|dict(keeps=r.achieved.mean()/r.predicted.mean())
            one |= dict(device='cpu', threads=1, versions=versions(), fingerprint=fingerprint(tau))
            same = 'dataset','kl','train_seed','members'
            save_rows(pd.DataFrame([one]).round(2), to, same=same, then='episodes')
PY
