"The straightforward implementation computes the same objective; rows are replaced whole."
import os, subprocess, sys
from pathlib import Path
import pandas as pd
import pytest
import torch
from gac.core import Posterior, Trajectories, data_root, generator
from gac.data import Standardizer
from gac.elbo import elbo, infer
from gac.model import GAC, Arch
from gac.speed import SPEED_COLUMNS, SPEED_KEY, machine, ratios, save_speed, speed_row, time_to_target
sys.path.insert(0, str(Path(__file__).parent/'speed'))
import plain

def data(n, seed=0, S=3, A=2):
    g, n = generator(seed), torch.tensor(n); steps = int(n.sum())
    return Trajectories(torch.randn(steps+len(n),S,generator=g), torch.randn(steps,A,generator=g), 5*torch.randn(len(n),generator=g),
        n, torch.rand(len(n),generator=g)>.4, torch.arange(len(n)))
def model(tau, **kw):
    torch.manual_seed(1); m = GAC(Arch.tiny(tau.s.shape[1], tau.a.shape[1], **(dict(D=16,dec=2,enc=2)|kw)), Standardizer.fit(tau))
    for p in m.parameters(): p.data += .1*torch.randn(p.shape)
    return m
def posterior(m, N, seed=3):
    g, a = generator(seed), m.arch
    return Posterior(torch.randn(N,a.K,a.D,generator=g).requires_grad_(), (-1+.3*torch.randn(N,a.K,a.D,generator=g)).requires_grad_())

SETS = [[5,3,9,1], [1,1], [7], [12,12,2,30]]
KINDS = [dict(), dict(M=1,transition=True), dict(M=2), dict(M=4), dict(M=3,transition=True), dict(tokens=1), dict(M=4,tokens=1,heads=1,dec=3,enc=1), dict(M=5,dec=1,heads=4,D=32)]
each = pytest.mark.parametrize('kw', KINDS, ids=lambda k: '-'.join(f'{a}{b}' for a,b in k.items()) or 'M1')
sets = pytest.mark.parametrize('n', SETS, ids=lambda n: '.'.join(map(str,n)))
def forms(kw): return [plain.windows]+[plain.dense]*(kw.get('M',1)==1 and not kw.get('transition'))

@each
@sets
def test_same_objective_and_same_gradient(kw, n):
    "To 1e-5 of the value and of the largest gradient, float32."
    tau = data(n); m = model(tau, **kw); q = posterior(m, len(n))
    ours,parts = elbo(m, tau, q, gen=generator(7))
    g = torch.autograd.grad(ours.sum(), (q.mu,q.lsd))
    for form in forms(kw):
        v,p = plain.value(m, plain.pad(tau, max(n)+3), q, torch.randn(q.mu.shape, generator=generator(7)), form)
        assert torch.allclose(v, ours, rtol=1e-5, atol=1e-3), form.__name__
        for k in parts: assert torch.allclose(p[k], parts[k], rtol=1e-5, atol=1e-3), (form.__name__,k)
        for a,b in zip(torch.autograd.grad(v.sum(), (q.mu,q.lsd)), g): assert float((a-b).abs().max())<=1e-5*(1+float(b.abs().max()))

@each
def test_same_gradient_in_theta(kw):
    tau = data(SETS[0]); m = model(tau, **kw); q = posterior(m, 4); got = []
    elbo(m, tau, q, gen=generator(7))[0].sum().backward()
    want = {k:p.grad.clone() for k,p in m.named_parameters() if p.grad is not None}
    for form in forms(kw):
        m.zero_grad(); plain.value(m, plain.pad(tau), q, torch.randn(q.mu.shape, generator=generator(7)), form)[0].sum().backward()
        for k,p in m.named_parameters():
            if k in want: assert float((p.grad-want[k]).abs().max())<=2e-5*(1+float(want[k].abs().max())), (form.__name__,k)

def test_padding_changes_nothing():
    tau = data(SETS[3]); m = model(tau, M=3, transition=True); q = posterior(m, 4); noise = torch.randn(q.mu.shape)
    a,b = (plain.value(m, plain.pad(tau,T), q, noise)[0] for T in (30,77))
    assert torch.allclose(a, b, rtol=1e-6)

def test_same_climb():
    "With all steps drawn and the same noise, `infer` goes where the plain inner loop goes."
    tau = data(SETS[0]); m = model(tau); g = generator(5)
    noise = [torch.randn(4,m.arch.K,m.arch.D,generator=g) for _ in range(6)]; q0 = Posterior(torch.zeros(4,m.arch.K,m.arch.D), torch.full((4,m.arch.K,m.arch.D),-1.))
    class Same:
        "torch.randn from the list, whoever asks."
        def __init__(self): self.it = iter(noise)
        def __call__(self, *a, **k): return next(self.it)
    with pytest.MonkeyPatch.context() as mp:
        mp.setattr(torch, 'randn', Same()); a,_ = infer(m, tau, q0, 6, k=9, stop=0.)
        mp.setattr(torch, 'randn', Same()); b,_ = plain.climb(m, plain.pad(tau), q0, 6, .1, None, form=plain.dense)
    assert torch.allclose(a.mu, b.mu, atol=2e-3) and torch.allclose(a.lsd, b.lsd, atol=2e-3)

# ---- the machine

def test_machine_is_measured():
    m = machine(sizes=(64,128), mb=1, repeats=2)
    assert m['peak_gflops']>0 and m['bandwidth_gbs']>0 and (m['threads'],m['device'])==(torch.get_num_threads(),'cpu')

# ---- rows

M = dict(peak_gflops=50., bandwidth_gbs=10., threads=1, device='cpu')
def test_rows_are_replaced_whole(tmp_path):
    f = tmp_path/'speed.csv'; a = [speed_row('inner','ours',n, 1., M|dict(bandwidth_gbs=1/3), 32, N=32, T=1000, k=32) for n in ('x','y')]
    save_speed(a, f); save_speed([speed_row('inner','plain','x', 9., M, 8, N=8, T=1000)], f)
    got = save_speed([a[1]|dict(seconds=2.), speed_row('inner','ours','x', 3., M|dict(threads=2), 32, N=32, T=1000, k=32)], f)
    assert len(got)==4 and list(got.columns)==SPEED_COLUMNS and got.seconds.tolist()==[1.,3.,2.,9.]
    assert save_speed([speed_row('inner','plain','x', 8., M, 8, N=8, T=1000)], f).seconds.tolist()==[1.,3.,2.,8.]
    same = f.read_bytes(); pd.read_csv(f).pipe(lambda d: save_speed(d.to_dict('records'), f)); assert f.read_bytes()==same

def test_a_curve_is_replaced_whole(tmp_path):
    f = tmp_path/'speed.csv'; curve = lambda way,n: [speed_row('curve',way,'x', i+1., M, 1, N=2, T=i, elbo=0.) for i in range(n)]
    save_speed(curve('ours',5)+curve('plain',2), f)
    assert save_speed(curve('ours',3), f).way.value_counts().to_dict()==dict(ours=3,plain=2)

def test_a_failed_write_leaves_the_old_rows(tmp_path, monkeypatch):
    f = tmp_path/'speed.csv'; save_speed([speed_row('inner','ours','x', 1., M, 1)], f); before = f.read_bytes()
    monkeypatch.setattr(pd.DataFrame, 'to_csv', lambda self, p, **kw: (p.write_text('half'), 1/0))
    with pytest.raises(ZeroDivisionError): save_speed([speed_row('inner','ours','x', 2., M, 1)], f)
    assert f.read_bytes()==before and [p.name for p in tmp_path.iterdir()]==['speed.csv']

def test_ratios_and_level():
    d = pd.DataFrame([speed_row('inner',w,'x', s, M, 10) for w,s in dict(ours=1.,plain=20.,other=1.).items()])
    assert ratios(d).to_numpy().tolist()==[[20.]]
    d = pd.DataFrame([speed_row('curve',w,'x', s, M, 1, T=i, elbo=e) for w,c in dict(ours=[(1,0),(2,5),(3,9)],plain=[(10,0),(20,5.5)]).items() for i,(s,e) in enumerate(c)])
    got = time_to_target(d); assert got.seconds.to_dict()==dict(ours=3,plain=20) and got.target.eq(5.5).all()

def test_bad_input():
    with pytest.raises(ValueError, match=r"unknown columns \['colour'\]"): speed_row('inner','ours','x', 1., M, 1, colour=2)

# ---- the committed rows and the bench

def test_committed_rows():
    d = pd.read_csv(data_root()/'results'/'speed.csv')
    assert list(d.columns)==SPEED_COLUMNS and not d.duplicated(SPEED_KEY).any() and (d.seconds.dropna()>0).all()
    s = d[d.flops.notna()]
    assert ((s.gflops*s.seconds*1e9/s.flops-1).abs()<1e-3).all() and ((s.share_of_peak*s.peak_gflops/s.gflops-1).abs()<1e-3).all()

def test_bench_is_not_collected_unless_named(root):
    assert not [*(root/'tests'/'speed').glob('test_*.py'), *(root/'tests'/'speed').glob('*_test.py')]
    assert 'tests/speed/bench.py' in (root/'Makefile').read_text()

@pytest.mark.skipif(not os.environ.get('GAC_SPEED'), reason='a minute; GAC_SPEED=1')
def test_bench_runs(root, tmp_path):
    r = subprocess.run([sys.executable,'-m','pytest','-q','tests/speed/bench.py','--small','--threads=1','-p','no:cacheprovider',f'--rows={tmp_path}/speed.csv'], cwd=root, capture_output=True, text=True)
    d = pd.read_csv(tmp_path/'speed.csv')
    assert r.returncode==0 and {'inner','outer','epoch','curve','update by T','update by N','process','rollout'}<=set(d.what)
    assert 'times as many trajectories per second' in r.stdout and 'seconds to the same held-out ELBO' in r.stdout
