"Noise and batches by key: whoever asks, and whoever owns what, gets the same."
import math
import pytest
import torch
from gac import keyed, train
from gac.core import generator
from gac.envs import point_mass_data
from gac.keyed import Keyed, Line, inclusion, mix

# ---- noise

@pytest.mark.parametrize('N,shape', [(1,(1,)), (5,(3,)), (7,(2,5)), (40,(5,64))])
def test_noise_does_not_care_who_asks(N, shape):
    key = torch.randint(2**62, (N,), generator=generator(N))
    for kind in ('normal','uniform'):
        for seed in (0,-3,2**70): # any integer
            a, b = Keyed(seed,key,4,1), Keyed(seed,key,4,1)
            r = torch.randperm(N, generator=generator(1))
            for _ in range(3): # call after call
                whole = getattr(a,kind)((N,*shape)); part = getattr(b,kind)((N,*shape), r)
                assert torch.equal(whole[r], part) and whole.isfinite().all()
        sub = key[::2]; assert torch.equal(getattr(Keyed(0,sub,9),kind)((len(sub),*shape)), getattr(Keyed(0,key,9),kind)((N,*shape))[::2])

def test_noise_is_uniform_and_normal():
    src = Keyed(7, torch.arange(2000), 1)
    u, x = src.uniform((2000,500)).flatten(), src.normal((2000,501)).double()
    assert (u>=0).all() and (u<1).all()
    assert (torch.histc(u.float(), 20, 0, 1)/len(u)-.05).abs().max()<2e-3
    p = torch.tensor([.001,.01,.1,.5,.9,.99,.999], dtype=torch.float64)
    q = torch.distributions.Normal(0.,1.).icdf(p)
    assert all(((x<v).double().mean()-w).abs()<5*math.sqrt(w*(1-w)/x.numel()) for v,w in zip(q,p))
    assert torch.corrcoef(x[:40])[~torch.eye(40,dtype=torch.bool)].abs().max()<.25

@pytest.mark.parametrize('seed', [0,1])
def test_the_two_forms_of_mix_agree(seed):
    x = torch.randint(-2**63, 2**63-1, (5000,), generator=generator(seed)); y = x.clone()
    a = (x^(x>>30&0x3FFFFFFFF))*keyed._C1; a = (a^(a>>27&0x1FFFFFFFFF))*keyed._C2; a = a^(a>>31&0x1FFFFFFFF)
    assert torch.equal(mix(x), a) and torch.equal(x, y) and len(mix(torch.arange(5000)).unique())==5000

@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_noise_on_cuda():
    key = torch.arange(9); a, b = Keyed(0,key,1), Keyed(0,key.cuda(),1)
    assert torch.equal(a.bits(7), b.bits(7).cpu()) and torch.allclose(a.normal((9,5)), b.normal((9,5)).cpu(), atol=1e-5)

# ---- batches

@pytest.mark.parametrize('N,B,power', [(5,5,1), (3,9,1), (30,29,3), (60,8,0), (60,8,6), (200,32,2), (33,32,1)])
def test_batches(N, B, power):
    p = torch.rand(N, generator=generator(N), dtype=torch.float64)**power+1e-3
    line = Line.lay(p, torch.randint(1,99,(N,),generator=generator(1)), torch.arange(N), B); B = min(B,N)
    pi = inclusion(p, B); assert pi.sum()==pytest.approx(B) and pi.max()<=1+1e-9
    u = torch.rand(3000, B, generator=generator(2), dtype=torch.float64)
    drawn = torch.stack([line.draw(x) for x in u])
    assert all(len(set(b))==B for b in drawn.tolist())
    off = (drawn.flatten().bincount(minlength=N)/3000-pi)/((pi*(1-pi)).clamp(min=0)/3000).sqrt().clamp(min=1e-3)
    assert off.abs().max()<4.5
    for W in {1,2,3,B//3,B}:
        if not 0<W<=B: continue
        own = line.owner(W); rows = torch.stack([(own[drawn]==r).sum(1) for r in range(W)],1)
        assert set(own.tolist())==set(range(W)) and (rows-B/W).abs().max()<=2 and (rows.sum(1)==B).all()
        if W==1 or 3*W<=B: assert rows.min()>=1 # what `agree` asks for

def test_work_and_memory_are_balanced():
    tau = point_mass_data(300, seed=3)
    line = Line.lay(train.draw_weights(tau.y, tau.n), tau.n, tau.key, 32)
    for W in (2,4):
        own = line.owner(W); steps = torch.stack([tau.n[own==r].sum() for r in range(W)]).double()
        assert (steps/steps.mean()-1).abs().max()<.25
