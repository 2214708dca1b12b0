"Settings of every test: one thread, no screen, no settings from outside, and nothing written into the working tree."
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')

import resource, shutil, subprocess, sys
from contextlib import contextmanager
from pathlib import Path
import pytest

# The longest files first, by seconds measured: with two processes none of them is left over for the end.
LONG = ('test_processes','test_study','test_train','test_fuzz','test_kills','test_commands','test_online','test_browser','test_cli','test_query',
        'test_export','test_critic','test_tune','test_storage','test_readme','test_context','test_workers')

def pytest_collection_modifyitems(items):
    rank = {name:i for i,name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))

@pytest.fixture(scope='session')
def root(): return Path(__file__).resolve().parents[1]

@pytest.fixture(scope='session', autouse=True)
def _one_thread():
    "Also where OMP_NUM_THREADS says otherwise; torch is not imported for tests that do without."
    if 'torch' in sys.modules: sys.modules['torch'].set_num_threads(1)

@pytest.fixture(scope='session', autouse=True)
def _private_folders(tmp_path_factory):
    "Jupyter and Minari write into folders of the session; `GAC_DATA` from outside does not count."
    keep = {k: os.environ.get(k) for k in ('GAC_DATA','MINARI_DATASETS_PATH','JUPYTER_CONFIG_DIR','IPYTHONDIR')}
    os.environ.pop('GAC_DATA', None)
    for k in ('MINARI_DATASETS_PATH','JUPYTER_CONFIG_DIR','IPYTHONDIR'): os.environ[k] = str(tmp_path_factory.mktemp(k.lower()))
    yield
    for k,v in keep.items():
        if v is None: os.environ.pop(k, None)
        else: os.environ[k] = v

@pytest.fixture
def own_sets(tmp_path, monkeypatch):
    "Cache and local Minari sets of this test alone; no network."
    import minari
    def cut_off(*args, **kw): raise ConnectionError('no network')
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))
    monkeypatch.setenv('MINARI_DATASETS_PATH', str(tmp_path/'sets'))
    monkeypatch.setenv('HTTPS_PROXY', 'http://127.0.0.1:9') # with a proxy nobody tries to reach the server first
    monkeypatch.setattr(minari, 'download_dataset', cut_off)

@pytest.fixture
def full_disk():
    "with full_disk(): no file grows beyond so many bytes."
    @contextmanager
    def limit(most=1000):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most,hard))
        try: yield
        finally: resource.setrlimit(resource.RLIMIT_FSIZE, (soft,hard))
    return limit

@pytest.fixture(scope='session')
def wheel(root, tmp_path_factory):
    "Built from a copy, without network."
    src, out = tmp_path_factory.mktemp('src')/'project', tmp_path_factory.mktemp('wheel')
    src.mkdir()
    for f in ('settings.ini','setup.py','MANIFEST.in','README.md','LICENSE'): shutil.copy(root/f, src)
    shutil.copytree(root/'gac', src/'gac', ignore=shutil.ignore_patterns('__pycache__'))
    subprocess.run([sys.executable,'-m','pip','wheel','-q','--no-deps','--no-build-isolation','--no-index','-w',out,'.'], cwd=src, check=True)
    return next(out.glob('*.whl'))

@pytest.fixture(scope='session')
def site(wheel, tmp_path_factory):
    "A folder with only the wheel in it."
    to = tmp_path_factory.mktemp('site')
    subprocess.run([sys.executable,'-m','pip','install','-q','--no-deps','--no-index','--target',to,wheel], cwd=to, check=True)
    return to

@pytest.fixture
def project_copy(root, tmp_path):
    "What export, clean and the wheel need, copied: they write beside what they read."
    to = tmp_path/'project'; to.mkdir()
    for name in ('settings.ini','setup.py','MANIFEST.in','README.md','LICENSE'):
        if (root/name).exists(): shutil.copy(root/name, to)
    for name in ('nbs','gac'):
        shutil.copytree(root/name, to/name, ignore=shutil.ignore_patterns('__pycache__','.ipynb_checkpoints','.*'))
    return to
