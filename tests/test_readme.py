"README's Python is run as it stands, block after block, on a small log, by the wheel alone; only the training is short."
import ast, json, os, re, shlex, subprocess, sys
from configparser import ConfigParser
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]

BEFORE = """import sys
sys.path.insert(0, {site!r})
import numpy as np
import gac.api
from gac.run import recipe
gac.api.recipe = lambda S, A, steps, **kw: recipe(S, A, **dict(iterations=2, batch=4, k=4, inner_steps=1, outer_steps=1)|kw)
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

# ---- the notebooks that have a badge

PAGES = ('index','07e_explorer')
SHORT = {'index':('n=5, seed=0','n=1, seed=0'), '07e_explorer':('in moves:','in moves[-3:]:')} # the last three load other models

BARE = """import json, os, sys
sys.path.insert(0, {site!r})
sys.modules['nbdev'] = None # it does not come with the wheel
from IPython.core.interactiveshell import InteractiveShell
import gac
shell = InteractiveShell.instance()
for sources, rows in json.load(sys.stdin):
    shell.reset()
    os.environ.pop('GAC_DATA', None)
    if rows: os.environ['GAC_DATA'] = rows
    for source in sources: shell.run_cell(source).raise_error()
print(json.dumps([gac.__file__, os.listdir()]))
"""

def sources(page):
    cells = json.loads((ROOT/'nbs'/f'{page}.ipynb').read_text(encoding='utf-8'))['cells']
    return [''.join(c['source']) for c in cells if c['cell_type']=='code']

def shortened(page):
    old, new = SHORT[page]
    text = '\0'.join(sources(page))
    assert text.count(old)==1
    return text.replace(old, new).split('\0')

def test_both_notebooks_run_in_an_empty_folder_by_the_wheel_alone(site, tmp_path):
    "All cells; checkpoints are fetched, the rows of index are a folder's. No film is drawn: that takes ten seconds and is tests/test_film.py."
    for name in ('bare','rows'): (tmp_path/name).mkdir()
    (tmp_path/'rows'/'results').symlink_to(ROOT/'data'/'results')
    env = os.environ|dict(GAC_RELEASE=str(ROOT/'data'/'checkpoints'), GAC_CACHE=str(tmp_path/'cache'),
                          MUJOCO_GL='disable', IPYTHONDIR=str(tmp_path/'ipython'))
    env.pop('PYTHONPATH', None)
    put = [(shortened(p), str(tmp_path/'rows') if p=='index' else None) for p in PAGES]
    done = subprocess.run([sys.executable,'-P','-c',BARE.format(site=str(site))], cwd=tmp_path/'bare', env=env,
                          input=json.dumps(put), capture_output=True, text=True)
    assert done.returncode==0, done.stdout[-3000:]+done.stderr[-3000:]
    at, left = json.loads(done.stdout.splitlines()[-1])
    assert at.startswith(str(site)) and left==[]
    fetched = {p.name for p in (tmp_path/'cache').iterdir()}
    assert {'hopper','hopper-medium','walker2d-medium-replay','halfcheetah-medium-replay'}<=fetched

@pytest.mark.parametrize('page', PAGES)
def test_the_first_cell_installs_what_the_wheel_lacks_in_colab_alone(page, monkeypatch):
    said, there = [], set()
    def spec(name): # as the true one does
        if '.' in name and name.partition('.')[0] not in there: raise ModuleNotFoundError(name)
        return object() if name in there else None
    first = next(i for i,s in enumerate(sources(page)) if 'find_spec' in s)
    class Shell: run_line_magic = staticmethod(lambda *words: said.append(words))
    monkeypatch.setattr('IPython.get_ipython', Shell)
    monkeypatch.setattr('importlib.util.find_spec', spec)
    for there in (set(), {'google'}, {'gac'}, {'google','google.colab','gac'}): exec(sources(page)[first], {})
    assert said==[] and not any('import' in s for s in sources(page)[:first])
    there = {'google','google.colab'}
    exec(sources(page)[first], {})
    cfg = ConfigParser(delimiters=['='], interpolation=None)
    cfg.read(ROOT/'settings.ini', encoding='utf-8')
    magic, words = said[0][0], shlex.split(said[0][1])
    assert magic=='pip' and words[:3]==['install','-q',cfg['DEFAULT']['lib_name']]
    bounds, own = ({re.match(r'[\w-]+', r)[0]: r for r in cfg['DEFAULT'][k].split()} for k in ('notebooks_requirements','requirements'))
    assert {bounds[n] for n in needed(page)-{*own}}=={*words[3:]}

def needed(page): # packages that a notebook imports, without those of Python, of IPython and of developers
    nodes = [n for s in sources(page) for n in ast.walk(ast.parse(s))]
    found = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    found |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    return {f.split('.')[0] for f in found}-sys.stdlib_module_names-{'gac','IPython','ipywidgets','nbdev'}
