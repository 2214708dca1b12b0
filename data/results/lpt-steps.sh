# How long LPT climbs to its target: 30 episodes on environment seeds for choosing, two training seeds, both shipped sets.
python - <<'PY'
from dataclasses import replace
from pathlib import Path
from gac import data
from gac.baselines.lpt import Cfg, Policy, fit, load_lpt
from gac.core import data_root, set_threads, writing
from gac.envs import rollout
from gac.rows import as_rows, save_rows
set_threads(1)
to = data_root()/'results'/'lpt-steps.csv'
for robot in ('hopper','walker2d'):
    name = f'gac/{robot}/medium-replay-mini-v0'
    tau, env, scale = data.load(name), data.env_of(name), data.references(name)
    for seed in (0,1):
        at = Path(f'runs/lpt-steps/{robot}-{seed}.safetensors')
        if not at.exists():
            at.parent.mkdir(parents=True, exist_ok=True)
            policy = fit(tau, None, Cfg(), seed)
            with writing(at) as f: policy.save(f)
        pi = load_lpt(at)
        for steps in (20,100,300):
            asked = Policy(pi.model, replace(pi.cfg, ask_steps=steps), pi.target, pi.low, pi.high, pi.seed)
            made = rollout(env, asked, 30, 5000)
            rows = as_rows(made, env, 5000, scale, dataset=name, method=f'LPT, {steps} steps', question='target',
                acting=asked.acting, target=asked.target, predicted=asked.predicted.numpy().round(1), train_seed=seed)
            save_rows(rows, to)
PY
