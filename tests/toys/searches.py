"Searches made for tests: one of the small toy, without training where it does not matter."
import os, signal
import pytest
from gac import study as st
from gac.data import save
from gac.envs import point_mass_data
from gac.tune import Search

FIXED = dict(D=16, tokens=1, heads=2, enc=1, dec=1, M=1)
def about(dataset='mass', **kw): return Search(str(dataset), **(dict(phase='fit', budget=.3, held=8, steps=5, k=4, draws=2, fixed=FIXED)|kw))
def states(study): return [t.state.name for t in study.get_trials(deepcopy=False)]

def quick(search, chosen, tau, report=None, out=None, device='cpu', env=None, mark=None): # a trial without training
    for i in (25,50,75): report(i, -float(chosen['batch']))
    return dict(value=-float(chosen['batch']), error=1., iterations=9, flops=9, n_params=9, seconds=0., values=[1.,2.])

def killed(run): # in a child
    pid = os.fork()
    if pid: return os.WTERMSIG(os.waitpid(pid, 0)[1])==signal.SIGKILL
    signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.alarm(60) # a child that hangs ends too
    try: run()
    finally: os._exit(1)

# ---- fixtures: a test file imports those it asks for

@pytest.fixture(scope='module')
def mass(): return point_mass_data(30, seed=3)

@pytest.fixture(scope='module')
def disk(tmp_path_factory, mass):
    "The same on disk, with a cache of its own."
    os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    yield save(mass, 'gac/mass-v0', 'gac/PointMass-v0', tmp_path_factory.mktemp('sets'))
    os.environ.pop('GAC_CACHE')

@pytest.fixture
def untrained(monkeypatch): monkeypatch.setattr(st, 'attempt', quick)
