# One training of the recipe on a whole file, one setting changed at a time: wider plans, more batches, more inner steps, the transition
# term in full, more episodes that count as the best, noise on the states. Asked in several ways, 50 episodes each on environment seeds
# for choosing, one row for each mean. FILES names the folder of whole files, ONLY: settings, to make some of the rows.
python - <<'PY'
import os
import time
from pathlib import Path
import pandas as pd
from gac.core import data_root, set_threads, versions
from gac.data import env_of, fingerprint, load
from gac.query import evaluate
from gac.rows import save_rows
from gac.run import load_run, new_run, recipe
from gac.train import fit
set_threads(1)
files, to = Path(os.environ.get('FILES','.')), data_root()/'results'/'whole-settings.csv'
W, H, S, B = 'walker2d-medium-replay', 'hopper-medium-replay', 'gac/walker2d/medium-replay-mini-v0', 'gac/hopper/medium-replay-mini-v0'
full = dict(eps=64, inner_steps=16, transition_weight=1.)
tried = { # setting: fields, times as many batches, data sets and training seeds
    'recipe': ({}, 1, {W:(1,)}), 'plan of 2 x 24': (dict(eps=24), 1, {W:(1,), H:(0,)}),
    'plan of 2 x 64': (dict(eps=64), 1, {W:(0,1,2,10**6), H:(0,1), S:(0,1), B:(0,1)}),
    'transition in full': (dict(transition_weight=1.), 1, {W:(0,)}), '16 inner steps': (dict(inner_steps=16), 1, {W:(0,)}),
    '2 x 64, transition in full': (dict(eps=64, transition_weight=1.), 1, {S:(0,), B:(0,)}),
    '2 x 64, transition in full, 16 inner steps': (full, 1, {W:(1,)}),
    '2 x 64, transition in full, 16 inner steps, twice the batches': (full, 2, {W:(2,)}),
    '2 x 64, twice the batches': (dict(eps=64), 2, {W:(2,)}),
    '2 x 64, twice the batches, noise on states': (dict(eps=64, state_noise=.05), 2, {W:(2,)}),
    '2 x 64, a third of the steps are the best': (dict(eps=64, elite=84000), 1, {W:(2,)})}
