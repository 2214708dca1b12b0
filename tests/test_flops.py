"The counted work is the work done."
import pytest
import torch
from gac.core import Posterior, draw_windows, generator
from gac.data import Standardizer
from gac.elbo import elbo_on
from gac.flops import counted, toy_data, work
from gac.model import GAC, Arch

def posterior(m, N, seed=3):
    g, a = generator(seed), m.arch
    return Posterior(torch.randn(N,a.K,a.D,generator=g).requires_grad_(), (-1+.3*torch.randn(N,a.K,a.D,generator=g)).requires_grad_())

ARCHS = dict(default=Arch(11,3), transition=Arch(11,3,transition=True), M4ds=Arch(11,3,M=4,transition=True), one=Arch(11,3,tokens=1,M=2), shallow=Arch(11,3,dec=1,enc=1,M=3), sd=Arch(40,6,tokens=1,dec=1,enc=1,state_sd=True),
    medium=Arch.paper('hopper-medium'), replay=Arch.paper('hopper-medium-replay'), walker=Arch.paper('walker2d-medium-replay'), cheetah=Arch.paper('halfcheetah-medium'))
@pytest.mark.parametrize('name', ARCHS)
def test_counted_work_is_the_work_done(name):
    "Within 4 %: torch also counts pairs behind the mask, and a token of the plan's last layer that nobody reads."
    a, N, k = ARCHS[name], 2, 32; tau = toy_data(N, a); m = GAC(a, Standardizer.fit(tau)); q = posterior(m, N)
    win = draw_windows(tau, k, a.M)
    f = lambda: elbo_on(m, win, tau.s0, tau.y, q, torch.zeros_like(q.mu))[0].sum()
    for step,do in dict(forward=f, inner=lambda: torch.autograd.grad(f(),(q.mu,q.lsd)), outer=lambda: f().backward()).items():
        assert counted(do)==pytest.approx(work(a,N,k,step).flops, rel=.04), step

def test_work_adds_up():
    a = Arch(11,3); w = work(a, 32, 32, 'inner')
    assert w*3+w==w*4 and 2*work(a,32,32).flops-work(a,64,32).flops==a.dec*2*a.D**3 and work(a,32,32).bytes<work(a,32,32,'inner').bytes<work(a,32,32,'outer').bytes
    m = dict(peak_gflops=1., bandwidth_gbs=1e9); assert w.floor(m)==pytest.approx(w.flops/1e9)
    assert w.floor(dict(peak_gflops=1e9, bandwidth_gbs=1.))==pytest.approx(w.bytes/1e9)

def test_toy_data_lengths():
    for N in (10,200,500):
        n = toy_data(N, Arch(3,2)).n.double()
        assert n.max()==1000 and n.min()>=5 and 150<n.mean()<260
    assert toy_data(5, Arch(3,2), T=70).n.tolist()==[70]*5
    assert torch.equal(toy_data(5,Arch(3,2)).s, toy_data(5,Arch(3,2)).s) and not torch.equal(toy_data(5,Arch(3,2)).n, toy_data(5,Arch(3,2),seed=1).n)

def test_bad_step():
    with pytest.raises(ValueError, match="step='both'"): work(Arch(1,1), 1, 1, 'both')
