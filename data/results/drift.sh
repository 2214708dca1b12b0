# How fast Hopper goes, by hundred steps: the best episode of the shipped set, and 50 episodes of `best` by each of six trainings of the
# recipe, `gac train` of seeds 0 to 2, each member alone; environment seeds for choosing. `left`: the share that has not fallen before.
python - <<'PY'
from pathlib import Path
import pandas as pd
import torch
from gac.core import data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.envs import rollout
from gac.members import fit_members, load_members, member_seed, new_members
from gac.rows import save_rows
from gac.run import load_run, recipe
from gac.scales import normalised
from gac.team import policy_of
set_threads(1)
name, to = 'gac/hopper/medium-replay-mini-v0', data_root()/'results'/'drift.csv'
tau, env = load(name), env_of(name)
same = 'train_seed','from_step'

def profile(tau, **of): # trajectories -> a row for each hundred steps
    s, n = tau.s[torch.isin(torch.arange(len(tau.s)), tau.s_at+tau.n, invert=True)], tau.n # states that were acted in
    step = torch.arange(len(s))-tau.a_at.repeat_interleave(n)
    for a in range(0, 1000, 100):
        now = s[(step>=a)&(step<a+100)]
        if not len(now): return
        yield of|dict(from_step=a, speed=float(now[:,5].mean()), height=float(now[:,0].mean()), left=float((n>a).float().mean()))

rows = [*profile(tau[[int(tau.y.argmax())]], train_seed='data', normalised=float(normalised(tau.y.max(), env)))]
for s in range(3):
    out = Path(f'runs/team-hopper-{s}')
    cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s)
    run = load_members(out) if (out/'checkpoint').is_dir() else new_members(tau, arch, cfg, dataset=name, env=env)
    fit_members(run, tau, out, every=100, progress=False)
    for j,one in enumerate((load_run(out), load_run(out/'member-2'))):
        got = rollout(env, policy_of([one], 'best', env, 5000, 'answers'), 50, 5000)
        rows += profile(got, train_seed=str(member_seed(s,j)), normalised=float(normalised(got.y.double().mean(), env)))
table = pd.DataFrame(rows).round(3)
told = table.train_seed!='data' # the episode was recorded, not played
table = table.assign(episodes=told.map({True:50,False:1}), env_seed=told.map({True:5000}))
one = dict(dataset=name, device='cpu', threads=1, versions=versions(), fingerprint=fingerprint(tau))
save_rows(table.assign(**one), to, same=same, then='speed')
PY
