"The plain way computes the same objective; the counted work is the work done; rows are replaced whole."
import sys
from pathlib import Path
import pytest
import torch
from gac.core import Posterior, Trajectories, generator
from gac.data import Standardizer
from gac.elbo import elbo, elbo_on, infer
from gac.model import GAC, Arch
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
