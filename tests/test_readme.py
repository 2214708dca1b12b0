"README's Python is run as it stands, block after block, on a small log; only the training is short."
import re
from pathlib import Path
import numpy as np
import gac.api
from gac.run import recipe

ROOT = Path(__file__).resolve().parents[1]

def test_the_python_of_readme_runs(tmp_path, monkeypatch):
    for name in ('checkpoints','results'): (tmp_path/name).symlink_to(ROOT/'data'/name)
    monkeypatch.setenv('GAC_DATA', str(tmp_path)); monkeypatch.chdir(tmp_path)
    short = lambda S,A,**kw: recipe(S, A, **dict(iterations=2, batch=4, k=4, inner_steps=1, outer_steps=1)|kw)
    monkeypatch.setattr(gac.api, 'recipe', short)
    rng = np.random.default_rng(0)
    log = [(rng.normal(size=(13,11)), rng.uniform(-1,1,(12,3)), float(rng.normal())) for _ in range(20)]
    blocks = re.findall(r'^```python\n(.*?)^```', (ROOT/'README.md').read_text(encoding='utf-8'), re.S|re.M)
    names = dict(my_log=log, s0=np.zeros(11), s=np.zeros(11))
    for b in blocks: exec(b, names)
    assert any('gac.train' in b for b in blocks) and names['run'].meta['env']=='Hopper-v5' and names['run'].i==2
    assert len(names['tau'])==20 and names['a'].shape==(3,) and (tmp_path/'runs'/'sets'/'me'/'robot'/'first-v0').is_dir()
