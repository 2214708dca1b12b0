"README's Python is run as it stands, block after block, on a small log, by the wheel alone; only the training is short."
import os, re, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

BEFORE = """import sys
sys.path.insert(0, {site!r})
import numpy as np
import gac.api
from gac.run import recipe
gac.api.recipe = lambda S, A, **kw: recipe(S, A, **dict(iterations=2, batch=4, k=4, inner_steps=1, outer_steps=1)|kw)
rng = np.random.default_rng(0)
my_log = [(rng.normal(size=(13,11)), rng.uniform(-1,1,(12,3)), float(rng.normal())) for _ in range(20)]
s0 = s = np.zeros(11)
"""
AFTER = """
assert gac.__file__.startswith({site!r}), gac.__file__
assert run.meta['env']=='Hopper-v5' and run.i==2 and len(tau)==20 and a.shape==(3,)
"""

def test_the_python_of_readme_runs_away_from_the_repository(site, tmp_path):
    for name in ('checkpoints','results'): (tmp_path/name).symlink_to(ROOT/'data'/name)
    blocks = re.findall(r'^```python\n(.*?)^```', (ROOT/'README.md').read_text(encoding='utf-8'), re.S|re.M)
    assert any('gac.train' in b for b in blocks)
    (tmp_path/'readme.py').write_text(BEFORE.format(site=str(site))+'\n'.join(blocks)+AFTER.format(site=str(site)), encoding='utf-8')
    done = subprocess.run([sys.executable,'-P','readme.py'], cwd=tmp_path, env=os.environ|dict(GAC_DATA=str(tmp_path)), capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    assert (tmp_path/'runs'/'sets'/'me'/'robot'/'first-v0').is_dir()
