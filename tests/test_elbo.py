"The bound against an answer we know; a climb whose rows mind their own business; a store that forgets nothing."
import pytest
import torch
from gac.core import Posterior, Trajectories, generator, make_keys, set_seed, windows
from gac.data import Standardizer
from gac.elbo import PosteriorStore, ascend, elbo, elbo_on, infer, log_prob_all
from gac.model import GAC, Arch, log_normal

seeds = pytest.mark.parametrize('seed', range(5))

class Oracle:
    "ε ~ N(0,I) in 1+A dimensions; y reads the first, every action reads the others: linear, Gaussian, known posterior."
    def __init__(self, w, sd): # (1+A,), (1+A,)
        self.w, self.sd, self.arch = w, sd, type('Arch', (), dict(K=1, E=len(w), M=1))
    def plan(self, s0, eps): return eps
    def log_prob_y(self, y, z): return log_normal(y, self.w[0]*z[:,0,0], self.sd[0].log())
    def log_prob_parts(self, win, z):
        la = log_normal(win.a, (self.w[1:]*z[:,0,1:])[:,None,None], self.sd[1:].log()).sum(-1)
        return (win.w*la).sum((1,2)), torch.zeros_like(z[:,0,0])
    def posterior(self, tau):
        x, k = [torch.stack(v) for v in zip(*((torch.cat([t.y, t.a.sum(0)]), torch.cat([torch.ones(1), t.n.expand(t.a.shape[1])])) for t in map(tau.__getitem__, range(len(tau)))))]
        prec = 1+k*self.w**2/self.sd**2
        return Posterior((self.w/self.sd**2*x/prec)[:,None], (-.5*prec.log())[:,None])
    def log_p(self, tau): # (N,) the marginal likelihood
        out = []
        for i in range(len(tau)):
            t = tau[i]; n = int(t.n)
            v = torch.distributions.Normal(0., (self.w[0]**2+self.sd[0]**2).sqrt()).log_prob(t.y)[0]
            for j in range(t.a.shape[1]):
                cov = self.sd[j+1]**2*torch.eye(n, dtype=t.a.dtype)+self.w[j+1]**2
                v = v+torch.distributions.MultivariateNormal(torch.zeros(n, dtype=t.a.dtype), cov).log_prob(t.a[:,j])
            out.append(v)
        return torch.stack(out)

def world(seed, N=5, A=2, longest=6, dtype=torch.float64):
    g = generator(seed); n = torch.randint(1, longest+1, (N,), generator=g)
    r = lambda *s: torch.randn(*s, generator=g, dtype=dtype)
    s,a = r(int(n.sum())+N,1), r(int(n.sum()),A)
    tau = Trajectories(s, a, 2*r(N), n, torch.ones(N,dtype=torch.bool), make_keys(s,a,n))
    return tau, Oracle(.3+2*torch.rand(1+A, generator=g, dtype=dtype), .2+torch.rand(1+A, generator=g, dtype=dtype))

def bound(o, tau, q): # exact: the integrand is a sum of parabolas, and noise ±1 gives their expectation
    win = windows(tau, torch.arange(6).expand(len(tau),6).minimum(tau.n[:,None]-1), (torch.arange(6)<tau.n[:,None]).to(tau.a.dtype), 1)
    return sum(elbo_on(o, win, tau.s0, tau.y, q, torch.full_like(q.mu,e))[0] for e in (1.,-1.))/2

# ---- the bound

@seeds
def test_bound_is_the_likelihood_at_the_posterior(seed):
    tau, o = world(seed)
    assert torch.allclose(bound(o, tau, o.posterior(tau)), o.log_p(tau), atol=1e-6)

@seeds
def test_bound_is_below_elsewhere_by_the_kl(seed):
    tau, o = world(seed); p = o.posterior(tau); g = generator(seed+100)
    for scale in (.03,.3,1.):
        q = Posterior(p.mu+scale*torch.randn(p.mu.shape,generator=g,dtype=torch.float64), p.lsd+scale*torch.randn(p.mu.shape,generator=g,dtype=torch.float64))
        kl = torch.distributions.kl_divergence(torch.distributions.Normal(q.mu,q.lsd.exp()), torch.distributions.Normal(p.mu,p.lsd.exp())).sum((1,2))
        gap = o.log_p(tau)-bound(o, tau, q)
        assert (gap>0).all() and torch.allclose(gap, kl, rtol=1e-5, atol=1e-6)

@seeds
def test_parts_add_up(seed):
    tau, o = world(seed, dtype=torch.float32); q = o.posterior(tau)
    for k in (None,3):
        v,p = elbo(o, tau, q, k, draws=3, gen=generator(1))
        assert torch.allclose(v, p['actions']+p['states']+p['ret']-p['kl'], atol=1e-3) and torch.allclose(p['kl'], q.kl(), rtol=1e-4)

@torch.no_grad()
@pytest.mark.parametrize('M', [1,4])
def test_length_is_one_more_part(M):
    tau, m = small(length=True, M=M); q = Posterior.prior(5,3,8)
    (v,p),(w,drawn) = elbo(m, tau, q, gen=generator(1)), elbo(m, tau, q, k=44, gen=generator(1))
    assert torch.allclose(v, p['actions']+p['states']+p['length']+p['ret']-p['kl'], atol=1e-3) and torch.allclose(v, w, atol=1e-3)
    assert torch.allclose(p['length'], drawn['length'], atol=1e-4) and 'length' not in elbo(small()[1], tau, q)[1]

@seeds
def test_noise_averages_to_the_bound(seed):
    tau, o = world(seed, dtype=torch.float32); q = o.posterior(tau); q = Posterior(q.mu+.1, q.lsd+.1)
    v = torch.stack([elbo(o, tau, q, gen=generator(i))[0] for i in range(400)])
    assert ((v.mean(0)-bound(o,tau,q)).abs()<4.5*v.std(0)/20+1e-3).all()

# ---- exact and drawn sums on the model itself

def small(seed=0, **kw):
    g = generator(seed); n = torch.tensor([1,2,5,17,40])
    s,a = torch.randn(int(n.sum())+5,2,generator=g).cumsum(0), torch.randn(int(n.sum()),2,generator=g)
    tau = Trajectories(s, a, torch.randn(5,generator=g), n, torch.tensor([True,False,True,True,False]), make_keys(s,a,n))
    set_seed(seed); return tau, GAC(Arch.tiny(2, 2, D=8, **kw), Standardizer.fit(tau))

@pytest.mark.parametrize('kw', [dict(), dict(M=2,transition=True), dict(M=5), dict(M=3,past_actions=False,time=True), dict(M=3,length=True)], ids=['M1','M2ds','M5','M3time','length'])
@pytest.mark.parametrize('k', [1,4,8])
@torch.no_grad()
def test_drawn_steps_are_unbiased(kw, k):
    tau, m = small(**kw)
    q = Posterior(torch.randn(5,3,8,generator=generator(2)), torch.full((5,3,8),-20.)) # no noise worth the name
    exact,parts = elbo(m, tau, q)
    often = torch.arange(5).repeat(300) # 300 draws of each trajectory, in one call
    v = elbo(m, tau[often], q[often], k=k, gen=generator(0))[0].view(300,5)
    assert ((v.mean(0)-exact).abs()<4.5*v.std(0)/300**.5+2e-3).all()
    short = tau.n+m.arch.M-1<=k # nothing left to chance
    assert torch.allclose(v[:,short], exact[short].expand(300,-1), atol=1e-3)
    z = m.plan(tau.s0, q.mu)
    assert torch.allclose(torch.stack(log_prob_all(m,tau,z)), torch.stack([parts['actions'],parts['states']]), atol=1e-3)

@torch.no_grad()
@pytest.mark.parametrize('M,k', [(1,4),(6,2)])
def test_length_is_scored_at_the_true_length(M, k):
    "Whatever was drawn: the weights of drawn windows add up to n in the mean only."
    tau, m = small(length=True, M=M); q = Posterior(torch.zeros(5,3,8), torch.full((5,3,8),-20.))
    want = m.length.log_prob(tau.n, m.plan(tau.s0, q.mu))
    for k in (None,k): assert torch.allclose(elbo(m, tau, q, k=k, gen=generator(2))[1]['length'], want, atol=1e-4)

@torch.no_grad()
def test_elbo_is_deterministic_and_needs_no_generator():
    tau, m = small(); q = Posterior.prior(5,3,8)
    assert torch.equal(elbo(m,tau,q,k=2,gen=generator(3))[0], elbo(m,tau,q,k=2,gen=generator(3))[0])
    assert elbo(m,tau,q)[0].isfinite().all()

# ---- infer against the known posterior

@pytest.mark.parametrize('A,k', [(1,6),(3,6),(3,2),(7,4)])
def test_infer_finds_mean_and_width(A, k):
    tau, o = world(7, N=40, A=A, dtype=torch.float32)
    q,info = infer(o, tau, steps=600, lr=.1, k=k, stop=0, gen=generator(0)); p = o.posterior(tau)
    off, loose = (q.mu-p.mu)/p.lsd.exp(), 1 if k>=6 else 2 # drawn steps add noise of their own
    assert off.abs().mean()<.1*loose and off.mean(0).abs().max()<.1*loose
    assert (q.lsd-p.lsd).abs().mean()<.06*loose and (q.lsd-p.lsd).mean(0).abs().max()<.04*loose # in every dimension
    assert (info['steps']==600).all() and info['value'] is None

def test_fresh_noise_is_what_makes_the_width_right():
    "With one draw kept, the mean learns to cancel it and the width comes out wrong."
    tau, o = world(8, N=30, A=3, dtype=torch.float32); p = o.posterior(tau)
    win = windows(tau, torch.arange(6).expand(30,6).minimum(tau.n[:,None]-1), (torch.arange(6)<tau.n[:,None]).float(), 1)
    kept = torch.randn(30,1,4, generator=generator(1))
    obj = lambda fresh: lambda q,noise,rows: elbo_on(o, win, tau.s0, tau.y, q, noise if fresh else kept)[0]
    err = lambda f: (ascend(obj(f), Posterior.prior(30,1,4), 500, .1, generator(2))[0].lsd-p.lsd).abs().mean()
    assert err(True)<.05 and err(False)>3*err(True)

def test_without_the_return_its_dimension_stays_at_the_prior():
    tau, o = world(9, N=20, dtype=torch.float32)
    q,_ = infer(o, tau, steps=400, lr=.1, k=6, stop=0, gen=generator(0), see_return=False); p = o.posterior(tau)
    assert q.mu[:,0,0].abs().mean()<.1 and q.lsd[:,0,0].abs().mean()<.1
    assert (q.mu-p.mu)[:,0,1:].abs().mean()<.05

@seeds
def test_infer_never_returns_less_than_it_was_given(seed):
    tau, m = small(seed)
    for q in (None, infer(m, tau, steps=60, gen=generator(1))[0], Posterior(3*torch.randn(5,3,8), torch.randn(5,3,8).clamp(-2,.4))):
        for lr in (.05, 3.):
            q1,info = infer(m, tau, q, steps=20, lr=lr, k=4, gen=generator(2))
            assert (info['value']>=info['start']).all() and (info['steps']<=20).all() and (info['steps']>=1).all()

def test_infer_leaves_the_model_alone():
    tau, m = small(); before = {k:v.clone() for k,v in m.state_dict().items()}
    q,info = infer(m, tau, steps=5, gen=generator(0))
    assert all(p.grad is None and p.requires_grad for p in m.parameters()) and all(torch.equal(v,before[k]) for k,v in m.state_dict().items())
    assert not q.mu.requires_grad and not q.lsd.requires_grad and not info['value'].requires_grad

def test_infer_leaves_its_start_alone_and_repeats():
    tau, m = small(); q = Posterior.prior(5,3,8); warm = (torch.zeros(5,2,3,8), torch.zeros(5))
    a,i = infer(m, tau, q, steps=6, stop=0, gen=generator(4), warm=warm); b,_ = infer(m, tau, q, steps=6, stop=0, gen=generator(4), warm=warm)
    assert torch.equal(a.mu,b.mu) and torch.equal(a.lsd,b.lsd) and q.mu.abs().sum()==q.lsd.abs().sum()==0
    assert warm[0].abs().sum()==warm[1].abs().sum()==0 and (i['warm'][1]==6).all()
    assert (infer(m, tau, a, steps=3, stop=0, gen=generator(4), warm=i['warm'])[1]['warm'][1]==9).all()

# ---- the climb

def hill(top, curve): # each row its own parabola; no noise
    return lambda q,noise,rows: -(curve[rows][:,None,None]*(q.mu-top[rows])**2).sum((1,2))-((q.lsd+1)**2).sum((1,2))
def start(N): return Posterior(torch.zeros(N,2,3), torch.full((N,2,3),-1.))

@pytest.mark.parametrize('stop', [0.,1e-3])
def test_rows_are_independent(stop):
    "Whatever the neighbours climb, and whether there are any, a row goes its own way, to the last bit."
    g = generator(0); top, curve = torch.randn(6,2,3,generator=g), torch.tensor([1.,.1,3.,10.,.01,2.])
    test = lambda t,c: (lambda q,rows: hill(t,c)(q,None,rows)) if stop else None
    q,info = ascend(hill(top,curve), start(6), 60, .1, generator(1), test(top,curve), stop)
    for i in range(6):
        t2,c2 = torch.randn(6,2,3,generator=g), 5*torch.rand(6,generator=g); t2[i],c2[i] = top[i],curve[i]
        r,info2 = ascend(hill(t2,c2), start(6), 60, .1, generator(1), test(t2,c2), stop)
        assert torch.equal(r.mu[i],q.mu[i]) and torch.equal(r.lsd[i],q.lsd[i]) and info2['steps'][i]==info['steps'][i]
        one,info1 = ascend(hill(top[i:i+1],curve[i:i+1]), start(1), 60, .1, generator(1), test(top[i:i+1],curve[i:i+1]), stop)
        assert torch.allclose(one.mu[0],q.mu[i],atol=1e-6) and info1['steps'][0]==info['steps'][i]

def test_rows_are_independent_with_noise():
    g = generator(0); top = torch.randn(4,2,3,generator=g)
    noisy = lambda t: lambda q,noise,rows: -((q.at(noise)-t[rows])**2).sum((1,2))-q.kl()
    other = top.clone(); other[[0,1,3]] += 5
    a,b = (ascend(noisy(t), start(4), 30, .1, generator(1))[0] for t in (top,other))
    assert torch.equal(a.mu[2],b.mu[2]) and torch.equal(a.lsd[2],b.lsd[2]) and not torch.equal(a.mu[0],b.mu[0])

def test_early_stop_is_per_row():
    top = torch.zeros(4,2,3); top[1] += .05; top[2] += 3; top[3] += 30 # at the top already, near, far, very far
    curve = torch.ones(4); f = hill(top,curve)
    q,info = ascend(f, start(4), 200, .1, generator(0), lambda q,rows: f(q,None,rows), 1e-4)
    used = info['steps'].tolist()
    assert used[0]==10 and used[0]<=used[1]<used[2]<used[3]<=200 and all(u%10==0 for u in used)
    assert (info['warm'][1]==info['steps']).all()

@seeds
@pytest.mark.parametrize('lr', [.1,5.,100.])
def test_the_best_tested_is_returned(seed, lr):
    g = generator(seed); top, curve = torch.randn(5,2,3,generator=g), 10*torch.rand(5,generator=g); f = hill(top,curve)
    q0 = Posterior(top+.01*torch.randn(5,2,3,generator=g), torch.full((5,2,3),-1.))
    q,info = ascend(f, q0, 25, lr, generator(1), lambda q,rows: f(q,None,rows), 1e-4, every=3)
    now, before = f(q,None,torch.arange(5)), f(q0,None,torch.arange(5))
    assert torch.equal(info['value'],now) and torch.equal(info['start'],before) and (now>=before).all()

def test_last_step_is_tested_too():
    top = torch.full((2,2,3),5.); f = hill(top,torch.ones(2))
    q,info = ascend(f, start(2), 7, .1, generator(0), lambda q,rows: f(q,None,rows), 1e-6, every=10)
    assert (info['steps']==7).all() and (info['value']>info['start']).all()

def test_width_is_bounded_or_held():
    wide = lambda s: (lambda q,noise,rows: s*q.lsd.sum((1,2)))
    for s,end in ((1,.5),(-1,-6.)):
        assert torch.allclose(ascend(wide(s), start(2), 200, 1., generator(0))[0].lsd, torch.full((2,2,3),end))
        assert (ascend(wide(s), start(2), 20, 1., generator(0), fixed=-2.)[0].lsd==-2).all()
    q,_ = ascend(hill(torch.ones(2,2,3),torch.ones(2)), start(2), 300, .1, generator(0), fixed=-2.)
    assert (q.lsd==-2).all() and torch.allclose(q.mu, torch.ones(2,2,3), atol=1e-2)

# ---- the store

def some(n, seed=0, K=2, D=3): g = generator(seed); return Posterior(torch.randn(n,K,D,generator=g), torch.randn(n,K,D,generator=g))
def key(*k): return torch.tensor(k, dtype=torch.int64)
BIG = 2**62+1 # a content hash does not fit a float

def test_store_by_key_in_any_order():
    st, q = PosteriorStore(2,3), some(4); st.put(key(7,BIG,0,5), q)
    for order in ([0,1,2,3],[3,0,2,1],[1],[2,2,0]):
        got = st.get(key(7,BIG,0,5)[order])
        assert torch.equal(got.mu,q.mu[order]) and torch.equal(got.lsd,q.lsd[order])
    assert len(st)==4
    new = st.get(key(BIG-1)); assert (new.mu==0).all() and (new.lsd==-1).all() and len(st)==5

def test_store_grows_and_forgets_nothing():
    st, all_ = PosteriorStore(2,3,lsd0=-.5), some(60)
    for i in range(0,60,7):
        k = torch.arange(i,min(i+7,60)); st.put(k, all_[k], (torch.full((len(k),2,2,3),float(i)), torch.full((len(k),),float(i))))
        fresh = st.get(key(1000+i)); assert (fresh.lsd==-.5).all()
    back = st.get(torch.arange(60))
    assert torch.equal(back.mu,all_.mu) and torch.equal(back.lsd,all_.lsd) and len(st)==60+9
    v,t = st.warm(key(10,50,59)); assert t.tolist()==[7,49,56] and (v[1]==49).all()

def test_store_overwrites():
    st = PosteriorStore(2,3); st.put(key(1,2,3), some(3)); st.put(key(3,1), some(2,9))
    assert torch.equal(st.get(key(1)).mu, some(2,9).mu[1:]) and torch.equal(st.get(key(2)).mu, some(3).mu[1:2]) and len(st)==3

def test_new_duplicates_get_one_row():
    st = PosteriorStore(2,3); got = st.get(key(4,9,4,4,9))
    assert len(st)==2==len(st.key)==len(st.phi)==len(st.v)==len(st.t) and got.mu.shape==(5,2,3)
    st.put(key(9), some(1)); assert torch.equal(st.get(key(4,9,9)).mu[1:], some(1).mu.expand(2,-1,-1)) and (st.get(key(4)).mu==0).all()

def test_what_is_got_is_not_the_store_s():
    st = PosteriorStore(2,3); st.put(key(1), some(1)); q = st.get(key(1)); q.mu.zero_()
    v,t = st.warm(key(1)); v += 1; t += 1
    assert torch.equal(st.get(key(1)).mu, some(1).mu) and (st.warm(key(1))[1]==0).all()

def test_put_keeps_no_graph():
    st, q = PosteriorStore(2,3), some(2); q.mu.requires_grad_(); st.put(key(1,2), q)
    assert not st.phi.requires_grad

@pytest.mark.parametrize('slim', [False,True])
def test_state_round_trip(slim):
    st = PosteriorStore(2,3); st.put(key(5,BIG,1), some(3), (torch.rand(3,2,2,3), torch.tensor([1.,2.,3.])))
    d = {k:v.clone() for k,v in st.state().items()}
    if slim: d = dict(key=d['key'], phi=d['phi'].half())
    new = PosteriorStore.from_state(d)
    assert torch.allclose(new.get(key(1,BIG,5)).mu, st.get(key(1,BIG,5)).mu, atol=1e-2 if slim else 0) and new.phi.dtype==torch.float32
    assert torch.equal(new.warm(key(5,1))[1], torch.zeros(2) if slim else st.warm(key(5,1))[1])
    new.put(key(77,5), some(2)); assert len(new)==4 and len(st)==3 # it goes on growing

def test_empty_store():
    st = PosteriorStore(2,3)
    assert len(st)==0 and len(PosteriorStore.from_state(st.state()))==0
    assert len(st.get(key()))==0 and len(st)==0
