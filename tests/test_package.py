"The wheel, as a user meets it: what it asks for, what it carries, and that it imports away from the repository."
from configparser import ConfigParser
from email.parser import Parser
import ast, importlib.util, json, re, subprocess, sys, time, zipfile
import pytest

DEV_ONLY = {'nbdev','fastcore','execnb','ghapi'}
LAB_ONLY = {'jupyterlab','ipywidgets','notebook'}

def run(*args, cwd, **kw): return subprocess.run([sys.executable, *map(str,args)], cwd=cwd, check=True, capture_output=True, text=True, **kw)
def name(req): return re.match(r'[A-Za-z0-9._-]+', req)[0].lower()

@pytest.fixture(scope='module')
def settings(root):
    cfg = ConfigParser(delimiters=['='], interpolation=None); cfg.read(root/'settings.ini', encoding='utf-8')
    return cfg['DEFAULT']

@pytest.fixture(scope='module')
def metadata(wheel):
    with zipfile.ZipFile(wheel) as z:
        return Parser().parsestr(z.read(next(n for n in z.namelist() if n.endswith('.dist-info/METADATA'))).decode())

def test_requires_what_settings_say_and_no_development_tools(metadata, settings):
    core = {name(r) for r in metadata.get_all('Requires-Dist') if 'extra ==' not in r}
    assert core=={name(r) for r in settings['requirements'].split()}
    assert not core&(DEV_ONLY|LAB_ONLY)
    assert metadata['Version']==settings['version'] and metadata['Requires-Python']==f">={settings['min_python']}"

def test_extras_carry_the_tools(metadata):
    extra = {k: {name(r) for r in metadata.get_all('Requires-Dist') if re.search(rf'extra == .{k}.', r)} for k in ('notebooks','tensorboard','cluster','tune','mazes','baselines','export','dev')}
    assert extra['tensorboard']=={'tensorboard'} and extra['mazes']=={'gymnasium-robotics'} and extra['baselines']=={'stable-baselines3'}<=extra['dev'] and extra['export']=={'onnx','onnxruntime','onnxscript'}<=extra['dev']
    assert 'jupyterlab' in extra['notebooks'] and extra['cluster']=={'submitit'} and {'optuna','psycopg'}<=extra['tune'] and DEV_ONLY|{'pytest','submitit'}<=extra['dev'] # the notebook that queues runs in every test

def test_carries_every_module_and_table(wheel, root):
    with zipfile.ZipFile(wheel) as z: inside = set(z.namelist())
    want = {p.relative_to(root).as_posix() for p in (*(root/'gac').rglob('*.py'), *(root/'gac').glob('paper/*.csv'), root/'gac'/'py.typed', root/'gac'/'__init__.pyi', root/'gac'/'checkpoints.csv')}
    assert want<=inside, sorted(want-inside)
    assert all(n.startswith('gac/') or '.dist-info/' in n for n in inside), sorted(inside)
    assert any('paper' in n for n in want)

def test_notebooks_extra_brings_all_that_they_import(root, settings):
    "Beside the library's own requirements; a module is named as its package is, but for IPython, which JupyterLab brings."
    told = {name(r).split('[')[0] for k in ('requirements','notebooks_requirements') for r in settings[k].split()}
    told |= set(sys.stdlib_module_names)|{'gac','IPython'}
    asked = {'hdf5plugin','pyarrow','stable_baselines3','onnx','onnxruntime'} # looked for only, what is said when they are absent is the example
    for nb in sorted((root/'nbs').glob('*.ipynb')):
        for c in json.loads(nb.read_text(encoding='utf-8'))['cells']:
            src = '\n'.join(l for l in ''.join(c['source']).splitlines() if not re.match(r'\s*[%!]', l))
            for n in ast.walk(ast.parse(src) if c['cell_type']=='code' else ast.parse('')):
                found = [a.name for a in n.names] if isinstance(n, ast.Import) else \
                    [n.module] if isinstance(n, ast.ImportFrom) and not n.level else []
                missing = {f.split('.')[0] for f in found}-told-asked
                assert not missing, f'{nb.name} imports {sorted(missing)}'

def test_names_no_address_that_is_not_true(metadata, settings):
    "None before `make address`, then that of settings.ini alone."
    text, url = str(metadata), settings['git_url']
    assert 'example.org' not in text and 'gac-authors' not in text and not metadata['Author-email'] and not metadata['Home-page']
    urls = [u.split(', ')[1] for u in metadata.get_all('Project-URL') or []]
    assert bool(urls)==bool(url) and all(u.startswith(url) for u in urls)

def test_citation_names_this_version(root, settings):
    told = (root/'CITATION.cff').read_text(encoding='utf-8')
    assert f"version: {settings['version']}" in told and 'cff-version: 1.2.0' in told and settings['title'] in told

def test_every_import_is_a_requirement(wheel, settings):
    "Standard library, the package itself, or a package that the wheel asks for."
    told = {name(r) for r in settings['requirements'].split()}|{'gac'}|set(sys.stdlib_module_names)
    lent = {'ipywidgets','IPython','optuna','tensorboard','sklearn','torch_xla','submitit','onnx','onnxruntime','stable_baselines3', # asked for inside functions, by their extras
        'hdf5plugin','pyarrow'}                                                # or by what is said where they are absent
    with zipfile.ZipFile(wheel) as z:
        for f in (n for n in z.namelist() if n.endswith('.py')):
            tree = ast.parse(z.read(f))
            def names(nodes):
                for n in nodes:
                    if isinstance(n, ast.Import): yield from (a.name.split('.')[0] for a in n.names)
                    if isinstance(n, ast.ImportFrom) and not n.level: yield n.module.split('.')[0]
            assert set(names(tree.body))<=told, f'{f} imports {sorted(set(names(tree.body))-told)} at its top'
            assert set(names(ast.walk(tree)))<=told|lent, f'{f} imports {sorted(set(names(ast.walk(tree)))-told-lent)}'

def test_imports_away_from_the_repository_quickly_and_silently(site, tmp_path):
    start = time.time()
    r = run('-P','-c',f'import sys; sys.path.insert(0, {str(site)!r}); import gac; sys.stderr.write(gac.__file__)', cwd=tmp_path)
    assert time.time()-start<3 and r.stdout=='' and r.stderr.startswith(str(site))

def test_modules_import_away_from_the_repository(site, tmp_path):
    mods = sorted(p.stem for p in (site/'gac').glob('*.py') if not p.stem.startswith('_'))
    code = f'import sys, importlib; sys.path.insert(0, {str(site)!r})\nfor m in {mods}: assert importlib.import_module("gac."+m).__file__.startswith({str(site)!r})\n'
    code += f'bad = {DEV_ONLY|LAB_ONLY}&set(sys.modules); assert not bad, bad\n'
    code += 'from gac.data import normalised; assert round(normalised(3234.3, "Hopper-v5"))==100' # by a table of the package
    r = run('-P','-c',code, cwd=tmp_path)
    assert r.stdout=='', r.stdout

def test_entry_point_exists(wheel, root):
    "`gac` on the command line leads somewhere."
    with zipfile.ZipFile(wheel) as z: points = z.read(next(n for n in z.namelist() if n.endswith('entry_points.txt'))).decode()
    module, func = re.search(r'^gac\s*=\s*([\w.]+):(\w+)', points.split('[console_scripts]')[1], re.M).groups()
    if importlib.util.find_spec(module) is None: pytest.skip(f'{module} is not exported yet')
    assert callable(getattr(importlib.import_module(module), func))

def test_version_is_written_once(root, settings):
    assert f'__version__ = "{settings["version"]}"' in (root/'gac'/'__init__.py').read_text()
    assert f"## {settings['version']}" in (root/'CHANGELOG.md').read_text(), 'name the version in CHANGELOG.md'

def test_constraints_are_exact_and_cover_every_requirement(root, settings):
    lines = [l for l in (root/'constraints.txt').read_text().splitlines() if l and not l.startswith('#')]
    assert all(re.fullmatch(r'[A-Za-z0-9._-]+==[^+\s]+', l) for l in lines)
    pins = {name(l).replace('_','-') for l in lines}
    asked = {name(r) for k in ('requirements','notebooks_requirements','tensorboard_requirements','cluster_requirements','tune_requirements','mazes_requirements','baselines_requirements','export_requirements','dev_requirements') for r in settings[k].split()}
    assert asked<=pins, sorted(asked-pins)
    assert not pins&{'jax','d3rlpy','rliable','generative-actor-critic'}
