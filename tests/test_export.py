"A file does what the package does, for every way of acting, told the step or not; what has no file is refused early."
import subprocess, sys
import numpy as np
import pytest
import gac
from gac.envs import point_mass_data
from gac.export import export
from gac.query import Ask
from gac.run import save_run
from toys.runs import bare

TINY = dict(members=1, iterations=2, batch=8, k=4, D=16, heads=2, enc=1, dec=1, device='cpu', progress=False)
FEW = dict(steps=3, starts=2)

@pytest.fixture(scope='module')
def lane(): return point_mass_data(8)

@pytest.fixture(scope='module')
def run(lane): return gac.train(lane, env='gac/PointMass-v0', **TINY)

def agrees(file, live, tau, tol=1e-5): # Exported, gac.Policy, trajectories to stand in
    for i in range(2):
        live.reset(tau[i].s[0].numpy())
        z, predicted = file.plan(tau[i].s[0])
        assert predicted==pytest.approx(live.predicted, rel=tol, abs=tol)
        for t in range(3): np.testing.assert_allclose(file.act(tau[i].s[t], z, t), live.act(tau[i].s[t].numpy()), rtol=tol, atol=tol)

@pytest.fixture(scope='module')
def file(run, tmp_path_factory): return export(run, tmp_path_factory.mktemp('export')/'x.pt', 'best', cfg=Ask(**FEW))

def test_file_is_the_policy(file, run, lane):
    assert file.about['acting']=='mixed' and file.about['question']=='best'
    agrees(file, gac.policy(run, 'best', **FEW), lane)
    here, there = (file.plan(lane[i].s[0])[1] for i in (0,1))
    assert here!=there

def test_onnx_of_the_default_way(run, lane, tmp_path):
    file = export(run, tmp_path/'x.onnx', 'best', 'onnx', cfg=Ask(**FEW))
    assert file.about['acting']=='mixed'
    agrees(file, gac.policy(run, 'best', **FEW), lane)

def test_onnx_is_the_policy(run, lane, tmp_path):
    "And onnxruntime alone runs it, by the names of inputs and outputs."
    import onnxruntime
    file = export(run, tmp_path/'x.onnx', 'target', 'onnx', cfg=Ask(**FEW))
    agrees(file, gac.policy(run, 'target', **FEW), lane)
    session, s0 = onnxruntime.InferenceSession(tmp_path/'x.onnx'), lane[0].s[:1].numpy()
    z, predicted = session.run(['plan','predicted'], {'s0':s0})
    a, = session.run(['action'], {'s':s0, 'z':z})
    assert predicted[0]==pytest.approx(file.plan(s0[0])[1], rel=1e-5)
    np.testing.assert_allclose(a[0], file.act(s0[0], z), rtol=1e-5, atol=1e-5)

@pytest.mark.parametrize('question,acting,put', [('prior',None,{}), ('target','mu',dict(width=.1)), ('best','average',{}), ('target','answers',{}), ('best','mixed',{}), ('best','mu',dict(stored=True))])
def test_every_question_and_acting(run, lane, tmp_path, question, acting, put):
    put = FEW|put if question!='prior' else {}
    file = export(run, tmp_path/'x.pt', question, acting=acting, cfg=Ask(**put), seed=3)
    agrees(file, gac.policy(run, question, acting=acting, seed=3, **put), lane)

def test_told_the_step_and_without_posteriors(lane, tmp_path):
    run = bare(gac.train(lane, **TINY, time=True))
    for question in ('best','improve'):
        file = export(run, tmp_path/f'{question}.pt', question, cfg=Ask(steps=2))
        agrees(file, gac.policy(run, question, steps=2), lane)
    z,_ = file.plan(lane[0].s[0])
    assert not np.array_equal(file.act(lane[0].s[0], z, 0), file.act(lane[0].s[0], z, 30))

def test_file_needs_no_gac(file):
    import subprocess, sys
    code = ('import sys, torch; net = torch.jit.load("x.pt"); torch.set_grad_enabled(False); z, y = net.plan(torch.zeros(1,3)); a = net.act(torch.zeros(1,3), z); '
            'print(tuple(a.shape), "gac" in sys.modules)')
    out = subprocess.run([sys.executable,'-W','ignore','-c',code], cwd=file.path.parent, capture_output=True, text=True, check=True).stdout
    assert out.split('\n')[0]=='(1, 2) False'

def test_a_file_that_differs_gets_no_name(run, tmp_path, monkeypatch):
    import gac.export as e
    monkeypatch.setattr(e, 'schedule', lambda cfg, f=e.schedule: (2*f(cfg)[0], *f(cfg)[1:]))
    with pytest.raises(ValueError, match='away from the package'): e.export(run, tmp_path/'x.pt', 'target', cfg=Ask(**FEW))
    assert not list(tmp_path.iterdir())

def test_refusals_come_before_the_work(run, lane, tmp_path):
    long = gac.train(lane, **TINY, M=2)
    for r,kw,said in [(run,dict(to='tflite'),'choose torchscript or onnx'), (run,dict(question='odd'),'unknown question'),
                      (run,dict(acting='odd'),"choose one of mu"), (run,dict(cfg=Ask(stop=.1)),'fixed number of steps'), (run,dict(question='prior',cfg=Ask(stored=True)),'holds no posteriors to draw from'), (long,{},'M=2'),
                      (run,dict(env='Hopper-v5'),'S=11, A=3, but')]:
        with pytest.raises(ValueError, match=said): export(r, tmp_path/'x.pt', **kw)
    with pytest.raises(ValueError, match='ends in .onnx'): export(run, tmp_path/'x.pt', to='onnx')
    assert not list(tmp_path.iterdir())

FULL = """import resource, sys
from gac.export import export
from gac.query import Ask
from gac.run import load_run
run = load_run(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (9000,9000))
try: export(run, sys.argv[2], 'prior', cfg=Ask(steps=3, starts=2))
except OSError as e: print(type(e).__name__, e)"""

def test_a_full_disk_is_an_error_and_no_abort(run, tmp_path):
    save_run(run, tmp_path/'run', slim=True)
    done = subprocess.run([sys.executable,'-c',FULL,tmp_path/'run',tmp_path/'x.pt'], capture_output=True, text=True, timeout=120)
    assert done.returncode==0 and done.stdout.startswith(f"DiskFull {tmp_path/'x.pt'} cannot be written: File too large"), done.stderr
    assert [p.name for p in tmp_path.iterdir()]==['run']
