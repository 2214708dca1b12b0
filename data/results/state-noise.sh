# Noise on the states that the outer loop reads, in sds of the data: two trainings side by side as `gac train` makes them, each alone and
# both together, 50 episodes of `best` on environment seeds for choosing, one row for each mean. FILES names the folder of whole files,
# ONLY: names, SEEDS: numbers, NOISE: sds, to make some of the rows. Committed: seeds 0 to 2 of the
# shipped sets, with the noise of Hopper 0 to 4, and seed 2 of the whole file.
python - <<'PY'
import os
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.members import fit_members, load_members, new_members
from gac.rows import save_rows
from gac.run import load_run, recipe
from gac.team import evaluate_runs
set_threads(1)
to, files = data_root()/'results'/'state-noise.csv', Path(os.environ.get('FILES','.'))
shipped = {k:f'gac/{k}/medium-replay-mini-v0' for k in ('hopper','walker2d')}
names = os.environ.get('ONLY','hopper walker2d walker2d-medium-replay').split()
for name in names:
    for s in map(int, os.environ.get('SEEDS', '2' if name not in shipped else '0 1 2').split()):
        for sd in map(float, os.environ.get('NOISE','0 .05').split()):
            at = shipped.get(name, files/f'{name}.hdf5')
            tau, env = load(at), env_of(at)
            out = Path(f'runs/noise-{sd:g}-{name}-{s}' if sd else f'runs/team-{name}-{s}')
            cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=len(tau.a), seed=s, state_noise=sd, state_sd=False)
            run = load_members(out) if (out/'checkpoint').is_dir() else new_members(tau, arch, cfg, dataset=shipped.get(name,name), env=env)
            fit_members(run, tau, out, every=100, progress=False)
            rows = []
            for who,asked in (('first',load_run(out)), ('second',load_run(out/'member-2')), ('both',run)):
                r = evaluate_runs([asked], env, 'best', 50, 5000, 'answers')
                one = dict(dataset=name, state_noise=sd, train_seed=s, members=who, episodes=50, env_seed=5000)
                one |= dict(early=(r.length<200).mean(), worst=r.normalised.min())
                one |= r[['normalised','predicted','achieved','kl']].mean().to_dict()
                rows.append(one|dict(device='cpu', threads=1, versions=versions(), fingerprint=fingerprint(tau)))
            same = 'dataset','state_noise','train_seed','members'
            save_rows(pd.DataFrame(rows).round(2), to, same=same, then='episodes')
PY
