"Equation (4) as three modules: rows do not see each other, the past does not see the future, z_y and the rest keep apart, units do not matter."
import itertools, math
from dataclasses import fields, replace
import pytest
import torch
from gac.core import Trajectories, Windows, draw_steps, draw_windows, generator, make_keys, set_seed, windows
from gac.data import Standardizer
from gac.elbo import log_prob_all
from gac.model import GAC, Arch, Attention, Block, LengthHead, Quick, log_normal, n_params, published, sequence_mask

ARCHS = [dict(M=M, transition=tr, tokens=K, heads=H, enc=E, dec=Dc) for M,tr,(K,H,E,Dc) in
         itertools.product((1,3), (False,True), ((1,1,1,1),(3,2,1,2)))]
ARCHS += [dict(M=3, transition=tr, tokens=2, heads=2, enc=1, dec=2, past_actions=False, time=True, eps=5) for tr in (False,True)]
ARCHS += [dict(M=M, transition=tr, tokens=2, heads=1, enc=1, dec=1, state_sd=True) for M,tr in ((1,False),(3,True))]
name = lambda d: 'M{M}{t}K{tokens}H{heads}{p}'.format(**d, t='ds' if d['transition'] else '', p='sd' if d.get('state_sd') else '' if d.get('past_actions',True) else 'time')
archs = pytest.mark.parametrize('kw', ARCHS, ids=name)
close = dict(atol=2e-4, rtol=1e-4)
S,A = 3,2

def ragged(seed, N=6, longest=9, last=None):
    g = generator(seed)
    n = torch.randint(1, longest+1, (N,), generator=g); n[0] = longest; n[1] = 1
    s, a = torch.randn(int(n.sum())+N, S, generator=g)*3+1, torch.randn(int(n.sum()), A, generator=g)*.5-1
    return Trajectories(s, a, 10*torch.randn(N, generator=g)+5, n, torch.rand(N, generator=g)>.5 if last is None else torch.full((N,),last), make_keys(s,a,n))

def made(kw, tau, seed=0):
    "A model with weights large enough that every path matters."
    set_seed(seed)
    m = GAC(Arch(S, A, **(dict(D=8)|kw)), Standardizer.fit(tau))
    with torch.no_grad():
        for p in m.parameters(): p.add_(.3*torch.randn_like(p))
    return m.eval()

def noise(m, N, seed=1): return torch.randn(N, m.arch.K, m.arch.E, generator=generator(seed))
def plan(m, tau, seed=1): return m.plan(tau.s0, noise(m, len(tau), seed))
def every(m, tau, steps): # windows of all starts of all trajectories, padded with weight 0
    b = torch.arange(1-m.arch.M, steps).expand(len(tau), -1)
    return windows(tau, b.minimum(tau.n[:,None]-1), (b<tau.n[:,None])/m.arch.M, m.arch.M)
def ending(m, tau, t): # (N,k) steps -> windows that end with them
    return windows(tau, t+1-m.arch.M, torch.ones(t.shape), m.arch.M)
def rows(win, i): return Windows(*(getattr(win,f.name)[i] for f in fields(Windows)))
def at_end(win, x): # (N,k,M,…) -> (N,k,…) at the last real step of each window
    return x.gather(2, (win.real.sum(-1)-1)[...,None,None].expand(*x.shape[:2],1,x.shape[-1]))[:,:,0]
def last_moments(m, tau, t, z): # means at steps t (N,k), seen with the longest context
    win = ending(m, tau, t); return tuple(None if x is None else at_end(win, x) for x in m.moments(win, z))

# ---- rows do not see each other

@archs
@torch.no_grad()
def test_order_and_neighbours_do_not_matter(kw):
    tau = ragged(0); m = made(kw, tau); z = plan(m, tau); eps = noise(m, 6)
    win = every(m, tau, 9)
    la,ls = m.log_prob_parts(win, z); ly = m.log_prob_y(tau.y, z); a = m.action(ending(m, tau, tau.n[:,None]-1), z)
    p = torch.randperm(6, generator=generator(3))
    assert torch.allclose(m.plan(tau.s0[p], eps[p]), z[p], **close)
    for x,y in zip(m.log_prob_parts(rows(win,p), z[p]), (la[p],ls[p])): assert torch.allclose(x, y, **close)
    for i in range(6):
        one = tau[i]; zi = m.plan(one.s0, eps[i:i+1])
        assert torch.allclose(zi, z[i:i+1], **close)
        k = int(one.n) # alone, only as many windows as there are steps
        li = m.log_prob_parts(every(m, one, k), zi)
        assert torch.allclose(li[0], la[i], **close) and torch.allclose(li[1], ls[i], **close)
        assert torch.allclose(m.log_prob_y(one.y, zi), ly[i], **close)
        assert torch.allclose(m.action(ending(m, one, one.n[:,None]-1), zi), a[i], **close)

@archs
def test_no_gradient_between_rows(kw):
    tau = ragged(1); m = made(kw, tau)
    eps = noise(m, 6).requires_grad_(); z = m.plan(tau.s0, eps)
    v = m.log_prob_tau(every(m,tau,9), z)+m.log_prob_y(tau.y, z)
    g, = torch.autograd.grad(v[2], eps)
    assert g[2].abs().sum()>0 and g[[0,1,3,4,5]].abs().sum()==0

@archs
@torch.no_grad()
def test_windows_of_one_plan_do_not_see_each_other(kw):
    tau = ragged(2); m = made(kw, tau); z = plan(m, tau)
    full = m.moments(every(m,tau,9), z)
    for b in range(1-m.arch.M, int(tau.n[0])):
        one = m.moments(windows(tau, torch.full((6,1),b).minimum(tau.n[:,None]-1), torch.ones(6,1), m.arch.M), z)
        for x,y in zip(one, full):
            if x is not None: assert torch.allclose(x[0,0], y[0,b+m.arch.M-1], **close)

# ---- padding

@archs
@torch.no_grad()
def test_what_is_cut_off_a_window_does_not_matter(kw):
    tau = ragged(3); m = made(kw, tau); z = plan(m, tau); win = every(m, tau, 9)
    out = ~win.real[...,None]
    fill = lambda x,size: torch.where(out, size*torch.randn(x.shape), x)
    junk = replace(win, s=fill(win.s,1e3), a=fill(win.a,-1e3), s1=fill(win.s1,1e3), t=torch.where(out[...,0], 7, win.t))
    assert (kw['M']==1)==(not out.any())
    for x,y in zip(m.log_prob_parts(win,z), m.log_prob_parts(junk,z)): assert torch.equal(x,y)
    for j in range(win.real.shape[1]):
        one,other = (Windows(*(getattr(w,f.name) if f.name=='n' else getattr(w,f.name)[:,j:j+1] for f in fields(Windows))) for w in (win,junk))
        assert torch.equal(m.action(one,z), m.action(other,z))

@torch.no_grad()
def test_masked_tokens_are_not_looked_at():
    "Not only are their contents zero: the block itself is blind to them."
    set_seed(0); b = Block(8, 2); x = torch.randn(4,5,8); mask = sequence_mask(5)
    y = b(x, mask); x[:,3:] = torch.randn(4,2,8)
    assert torch.equal(b(x, mask)[:,:3], y[:,:3])

@pytest.mark.parametrize('kw', [k for k in ARCHS if k['M']>1], ids=name)
@torch.no_grad()
def test_at_the_start_only_the_start_is_seen(kw):
    "At step 0 there is no past: whatever M is, only s_0 is seen."
    tau = ragged(4); m = made(kw, tau); z = plan(m, tau); first = torch.zeros(6,1,dtype=torch.long)
    x = last_moments(m, tau, first, z)[0]
    other = Trajectories(torch.cat([tau.s0[:,None], torch.zeros(6,1,S)],1).flatten(0,1), tau.a[tau.a_at], tau.y, torch.ones_like(tau.n), tau.last, tau.key)
    assert torch.allclose(x, last_moments(m, other, first, z)[0], **close)

@pytest.mark.parametrize('L', [1,2,5,6])
@pytest.mark.parametrize('alone', [None,slice(1,None,2)])
def test_mask_is_causal_and_never_empty(L, alone):
    m, hidden = sequence_mask(L, alone), range(L)[alone] if alone else ()
    assert m.any(1).all() and not m.triu(1).any()
    assert all(m[i,j]==(i==j or (j<i and j not in hidden)) for i in range(L) for j in range(L))

@torch.no_grad()
@pytest.mark.parametrize('C', [1,2,4,40])
@pytest.mark.parametrize('D,H', [(8,2),(64,4)])
def test_quick_attention_is_attention(D, H, C):
    set_seed(C); quick, plain = Quick(D,H), Attention(D,H); plain.load_state_dict(quick.state_dict())
    x, ctx = torch.randn(3,7,D), torch.randn(3,C,D)
    for c in (ctx, quick.share(ctx), quick.keys(ctx)): assert torch.allclose(quick(x,c), plain(x,ctx), atol=1e-5)
    for B in (2,300): y = torch.randn(B,1,D); assert torch.allclose(quick(y,y), plain(y,y), atol=1e-5)
    assert type(Block(8,2).att) is Quick

# ---- the past does not see the future

@archs
@torch.no_grad()
def test_action_is_blind_to_itself_and_to_the_future(kw):
    "In every window, at every place in it."
    tau = ragged(5, N=2, longest=9); m = made(kw, tau); z = plan(m, tau); win = every(m, tau, 9)
    base = [None if x is None else x[0] for x in m.moments(win, z)]
    for t in range(9):
        s,a = tau.s.clone(), tau.a.clone()
        a[t:9] += torch.randn(9-t,A); s[t+1:10] += torch.randn(9-t,S)
        new = m.moments(every(m, replace(tau,s=s,a=a), 9), z)
        early, later = win.real[0]&(win.t[0]<=t), win.real[0]&(win.t[0]==t+1)
        assert torch.allclose(new[0][0][early], base[0][early], atol=1e-6)
        if t<8: assert not torch.isclose(new[0][0][later], base[0][later], atol=1e-4).all(-1).any() # s_{t+1} is seen
        if kw['transition']:
            before, now = win.real[0]&(win.t[0]<t), win.real[0]&(win.t[0]==t)
            assert torch.allclose(new[1][0][before], base[1][before], atol=1e-6)
            assert not torch.isclose(new[1][0][now], base[1][now], atol=1e-4).all(-1).any() # the next state depends on a_t

@archs
def test_the_same_by_gradients(kw):
    tau = ragged(6); m = made(kw, tau); z = plan(m, tau).detach(); M = m.arch.M
    s,a = tau.s.clone().requires_grad_(), tau.a.clone().requires_grad_()
    mu_a,mu_s = last_moments(m, replace(tau,s=s,a=a), torch.tensor([[4]]+[[0]]*5), z)
    gs,ga = torch.autograd.grad(mu_a[0].sum(), (s,a), retain_graph=True, allow_unused=True)
    ga = torch.zeros_like(a) if ga is None else ga
    past = list(range(5-M,4)) if kw.get('past_actions',True) else []
    sees = lambda g: (g.abs().sum(1)>0).nonzero()[:,0].tolist()
    assert sees(gs)==list(range(5-M,5)) and sees(ga)==past # s_{t-M+1}..s_t, a_{t-M+1}..a_{t-1}
    if mu_s is not None:
        gs,ga = torch.autograd.grad(mu_s[0].sum(), (s,a))
        assert sees(gs)==list(range(5-M,5)) and sees(ga)==past+[4] # and a_t, but not s_{t+1}

@archs
@torch.no_grad()
def test_time_is_told_only_if_asked(kw):
    tau = ragged(5); m = made(kw, tau); z = plan(m, tau); win = every(m, tau, 9)
    late = replace(win, t=win.t+100)
    assert torch.equal(m.log_prob_tau(win,z), m.log_prob_tau(late,z))==(not kw.get('time',False))

# ---- two parts of the plan, two readers

@archs
def test_generator_and_head_read_their_own_tokens(kw):
    tau = ragged(7); m = made(kw, tau); z = plan(m, tau).detach().requires_grad_()
    g, = torch.autograd.grad(m.log_prob_tau(every(m,tau,9), z).sum(), z, retain_graph=True)
    assert g[:,0].abs().sum()==0 and (g[:,1:].abs().sum(-1)>0).all()
    g, = torch.autograd.grad(m.log_prob_y(tau.y, z).sum(), z)
    assert (g[:,0].abs().sum(-1)>0).all() and g[:,1:].abs().sum()==0

@archs
def test_every_token_of_the_plan_depends_on_noise_and_state(kw):
    tau = ragged(8); m = made(kw, tau); eps = noise(m,6).requires_grad_(); s0 = tau.s0.clone().requires_grad_()
    z = m.plan(s0, eps)
    assert z.shape==(6, m.arch.tokens+1, 8)==(6, m.arch.K, m.arch.D) and eps.shape[2]==m.arch.E==kw.get('eps',8)
    for j in range(m.arch.K):
        ge,gs = torch.autograd.grad((z[:,j]*torch.randn(6,8)).sum(), (eps,s0), retain_graph=True)
        assert (ge.abs().sum(-1)>0).all() and (gs.abs().sum(-1)>0).all()

@archs
def test_every_parameter_learns(kw):
    tau = ragged(9, last=True); m = made(kw|dict(learn_sigma_y=True), tau); z = plan(m, tau)
    (m.log_prob_tau(every(m,tau,9), z)+m.log_prob_y(tau.y, z)).sum().backward()
    dead = [n for n,p in m.named_parameters() if p.grad is None or not p.grad.abs().sum()>0]
    one = kw['M']==1 and not kw['transition'] # one token attends to itself: queries and keys have nothing to choose
    free = lambda n: n.startswith('generator.') and ((one and ('.att.q' in n or '.att.k' in n or 'generator.a.' in n)) or (not kw.get('past_actions',True) and not kw['transition'] and 'generator.a.' in n) or
        (kw['tokens']==1 and ('.cross.q' in n or '.cross.k' in n or '.lnc.' in n)) or '.k.bias' in n)
    assert [n for n in dead if not free(n) and not n.endswith('k.bias')]==[] # a bias of keys moves all scores alike

# ---- sums over steps

@archs
@pytest.mark.parametrize('size,chunk', [(1,2),(4,128),(64,1)])
@torch.no_grad()
def test_blocks_add_up_to_the_whole(kw, size, chunk):
    tau = ragged(10); m = made(kw, tau); z = plan(m, tau)
    whole = m.log_prob_parts(every(m,tau,9), z)
    for x,y in zip(log_prob_all(m, tau, z, size, chunk), whole): assert torch.allclose(x, y, **close)

@archs
@torch.no_grad()
def test_step_by_step_by_hand(kw):
    "log p of trajectory 0, one window, one Gaussian at a time."
    tau = ragged(11, last=True); m = made(kw, tau); z = plan(m, tau); M = m.arch.M
    la = ls = 0.
    for b in range(1-M, 9):
        mu_a,mu_s = m.moments(windows(tau[[0]], torch.tensor([[b]]), torch.ones(1,1), M), z[:1])
        for j,t in enumerate(range(max(b,0), min(b+M,9))):
            a, sd = m.std.do('a', tau.a[t]), m.generator.log_sd(m.std.do('s', tau.s[t])).exp()
            la += torch.distributions.Normal(mu_a[0,0,j], sd).log_prob(a).sum()/M
            if mu_s is None: continue
            ds = m.std.do('ds', tau.s[t+1]-tau.s[t]); ls += torch.distributions.Normal(mu_s[0,0,j], m.generator.next_lsd.exp()).log_prob(ds).sum()/M
    got = log_prob_all(m, tau, z)
    assert got[0][0]==pytest.approx(float(la), abs=1e-3) and got[1][0]==pytest.approx(float(ls), abs=1e-3)

@archs
@pytest.mark.parametrize('k', [1,4])
@torch.no_grad()
def test_drawn_windows_agree_in_mean(kw, k):
    tau = ragged(12); m = made(kw, tau); z = plan(m, tau); g = generator(4)
    exact = log_prob_all(m, tau, z)
    often = torch.arange(6).repeat(300) # 300 draws of each trajectory, in one call
    drawn = m.log_prob_parts(draw_windows(tau[often], k, m.arch.M, g), z[often])
    for x,e in zip(drawn, exact, strict=True):
        x = x.view(300,6)
        assert ((x.mean(0)-e).abs()<4.5*x.std(0)/300**.5+1e-3).all()

@torch.no_grad()
def test_first_and_last_step_are_drawn_and_count_in_full():
    "A model whose log-probability is 1 at one single step: the mean of the drawn sums is 1."
    n = torch.tensor([9,23,4]); g = generator(5)
    for step in (torch.zeros_like(n), n-1, n//2):
        got = torch.stack([((t==step[:,None])*w).sum(1) for t,w in (draw_steps(n,4,g) for _ in range(4000))])
        assert ((got.mean(0)-1).abs()<4.5*got.std(0)/4000**.5+1e-6).all()

@pytest.mark.parametrize('M', [1,3])
@torch.no_grad()
def test_unknown_last_state_is_skipped(M):
    tau = ragged(13, last=True); m = made(dict(M=M, transition=True, tokens=2, heads=2, enc=1, dec=1), tau); z = plan(m, tau)
    at_end = (tau.n+1).cumsum(0)-1
    s = tau.s.clone(); s[at_end] = s[at_end-1]
    cut = replace(tau, s=s, last=torch.tensor([False]*3+[True]*3))
    (a,d),(a1,d1) = log_prob_all(m,tau,z), log_prob_all(m,cut,z)
    assert torch.allclose(a, a1, **close) # actions are those of before
    every_last = every(m, tau, 9); every_last = replace(every_last, w1=every_last.w1*(every_last.t==tau.n[:,None,None]-1))
    assert torch.allclose(d1[:3], (d-m.log_prob_parts(every_last,z)[1])[:3], **close) # exactly the last term is missing
    s[at_end[:3]] = 1e6
    assert torch.equal(log_prob_all(m, replace(cut,s=s), z)[1], d1) and d1[1]==0 # one step only: nothing left

# ---- units

@archs
@torch.no_grad()
def test_units_do_not_matter(kw):
    tau = ragged(14); cs,ca,cy = torch.tensor([10.,.01,3.]), torch.tensor([.1,20.]), 50.
    big = replace(tau, s=tau.s*cs+torch.tensor([5.,-1.,0.]), a=tau.a*ca-3, y=tau.y*cy+7)
    m = made(kw, tau); m2 = GAC(m.arch, Standardizer.fit(big))
    m2.load_state_dict({k:v for k,v in m.state_dict().items() if not k.startswith('std.')}, strict=False)
    eps = noise(m, 6); z,z2 = m.plan(tau.s0,eps), m2.plan(big.s0,eps)
    assert torch.allclose(z, z2, atol=1e-3)
    win,win2 = (ending(m, x, x.n[:,None]-1) for x in (tau,big))
    assert torch.allclose(m2.action(win2,z2), m.action(win,z)*ca-3, rtol=1e-3, atol=1e-3)
    assert torch.allclose(m2.expected_return(z2), m.expected_return(z)*cy+7, rtol=1e-3, atol=.05)
    assert torch.allclose(m2.sigma_y, m.sigma_y*cy, rtol=1e-4)
    assert torch.allclose(m2.log_prob_y(big.y,z2), m.log_prob_y(tau.y,z), rtol=1e-2, atol=1e-2) # a density in standardised units
    for x,y in zip(log_prob_all(m2,big,z2), log_prob_all(m,tau,z)): assert torch.allclose(x, y, rtol=2e-3, atol=2e-2)

@torch.no_grad()
def test_return_in_environment_units():
    tau = ragged(15); m = made(dict(M=1,tokens=2,heads=2,enc=1,dec=1,sigma_y=.2), tau); z = plan(m, tau)
    assert torch.allclose(m.expected_return(z), tau.y.mean()+tau.y.std()*m.head(z), rtol=1e-4, atol=1e-3)
    fresh = GAC(Arch(S,A,D=8,sigma_y=.2), Standardizer.fit(tau))
    assert fresh.sigma_y==pytest.approx(.2*float(tau.y.std()), rel=1e-4)
    at = fresh.log_prob_y(fresh.expected_return(z:=fresh.plan(tau.s0, noise(fresh,6))), z)
    assert torch.allclose(at, torch.full((6,), -math.log(.2)-.5*math.log(2*math.pi)), atol=1e-4)

@pytest.mark.parametrize('learn', [False,True])
def test_sigma_y_is_learnt_only_if_asked(learn):
    tau = ragged(16); m = GAC(Arch(S,A,D=8,learn_sigma_y=learn), Standardizer.fit(tau))
    assert ('head.lsd' in dict(m.named_parameters()))==learn and 'head.lsd' in m.state_dict()
    assert not any(n.startswith('std.') for n,_ in m.named_parameters()) and {f'std.{k}_{v}' for k in ('s','a','ds','y') for v in ('mean','std')}<=set(m.state_dict())

def test_action_width_has_a_floor():
    tau = ragged(17); m = made(dict(M=1,tokens=1,heads=1,enc=1,dec=1), tau); z = plan(m,tau); win = every(m,tau,9)
    with torch.no_grad():
        m.generator.act_lsd.fill_(GAC.floor); want = m.log_prob_tau(win,z); m.generator.act_lsd.fill_(-20.)
        assert torch.equal(m.log_prob_tau(win,z), want)

@pytest.mark.parametrize('lsd', [-1.,0.,.7])
def test_log_normal(lsd):
    x = torch.linspace(-3,3,7); want = torch.distributions.Normal(.4, math.exp(lsd)).log_prob(x)
    assert torch.allclose(log_normal(x, torch.tensor(.4), torch.tensor(lsd)), want, atol=1e-5)

# ---- Arch

@pytest.mark.parametrize('kw,says', [*((dict([(k,0)]), f'Arch.{k}=0: must be at least 1') for k in ('S','A','D','tokens','heads','enc','dec','M')),
    (dict(eps=0), 'Arch.E=0: must be at least 1'),
    (dict(tokens=-2), 'Arch.tokens=-2'), (dict(D=10,heads=4), 'Arch.D=10 is not divisible by heads=4'),
    (dict(sigma_y=0.), 'Arch.sigma_y=0.0: must be positive'), (dict(sigma_y=-1.), 'must be positive'), (dict(sigma_y=float('nan')), 'must be positive')])
def test_bad_arch(kw, says):
    with pytest.raises(ValueError, match=says): Arch(**(dict(S=3,A=2)|kw))

PAPER = {'hopper-medium':(11,3,192,4,4,4,3,4), 'hopper-medium-replay':(11,3,128,8,4,1,4,4), 'walker2d-medium':(17,6,192,4,2,3,3,1),
    'walker2d-medium-replay':(17,6,192,4,8,3,4,1), 'halfcheetah-medium':(17,6,128,8,1,2,3,4), 'halfcheetah-medium-replay':(17,6,256,4,4,2,3,1)}

@pytest.mark.parametrize('name', PAPER)
def test_paper_architectures(name):
    a = Arch.paper(name)
    assert (a.S,a.A,a.D,a.tokens,a.heads,a.enc,a.dec,a.M)==PAPER[name] and a.K==a.tokens+1
    assert Arch.paper(name, D=64, heads=2, M=2)==replace(a, D=64, heads=2, M=2)
    small = GAC(replace(a, D=8*a.heads), Standardizer.blank(a.S,a.A)) # it can be built
    assert n_params(small)==sum(p.numel() for p in small.parameters())>0

def test_paper_has_no_such_set():
    with pytest.raises(ValueError, match="the paper has no 'ant-medium'; it has halfcheetah-medium, "): Arch.paper('ant-medium')
    with pytest.raises(ValueError, match='the paper has no'): published('hopper', 'table6', 0)

@pytest.mark.parametrize('name', PAPER)
@pytest.mark.parametrize('stage', range(4))
def test_published_stages(name, stage):
    assert set(published(name,'table6',stage))=={'outer_lr','outer_weight_decay','outer_steps','inner_lr','batch_size'}
    assert set(published(name,'table7',stage))=={'quantile','delta_y'} and set(published(name,'table7'))=={'target_return'}

# ---- how long it lasts

@torch.no_grad()
@pytest.mark.parametrize('seed', range(3))
def test_length_is_a_density_and_its_tail(seed):
    set_seed(seed); arch = Arch.tiny(3,2,length=True); head = LengthHead(arch).double()
    head.scale(torch.tensor([20,300,1000])); z = torch.randn(1,arch.K,arch.D).double()
    n = torch.linspace(-2000,3000,500_001, dtype=torch.float64); many = z.expand(len(n),-1,-1)
    p = head.log_prob(n, many).exp()
    assert abs(float(torch.trapezoid(p, n/head.unit))-1)<1e-6
    for cut in (1.,100.,700.):
        told = head.log_prob(torch.tensor([cut]).double(), z, torch.tensor([False])).exp()
        assert abs(float(told)-float(torch.trapezoid(p[n>=cut], n[n>=cut]/head.unit)))<1e-4

def test_length_reads_every_token():
    set_seed(0); m = GAC(Arch.tiny(3,2,length=True), Standardizer.blank(3,2))
    z = torch.randn(2,m.arch.K,m.arch.D, requires_grad=True)
    m.length(z)[0].backward()
    assert (z.grad[0].abs().sum(-1)>0).all() and not z.grad[1].any()

def test_without_length_nothing_changes():
    sizes = [n_params(GAC(Arch.tiny(3,2,**kw), Standardizer.blank(3,2))) for kw in ({},dict(length=False),dict(length=True))]
    plain = GAC(Arch.tiny(3,2), Standardizer.blank(3,2))
    assert sizes[0]==sizes[1]<sizes[2] and plain.length is None and not any('length' in k for k in plain.state_dict())

def test_the_sd_of_an_action_is_learnt_where_the_state_says_it():
    "Of two kinds of states one has actions of sd 1, the other of .1; a plain model knows one sd for both."
    g, N, n = generator(0), 64, 20
    s = torch.randn(N, n+1, S, generator=g)
    a = torch.randn(N, n, A, generator=g)*torch.where(s[:,:-1,:1]>0, 1., .1)
    s, a = s.flatten(0,1), a.flatten(0,1)
    tau = Trajectories(s, a, torch.arange(N)*1., torch.full((N,),n), torch.ones(N).bool(), make_keys(s,a,torch.full((N,),n)))
    std, far, bound = Standardizer.fit(tau), torch.tensor([[2.,0,0],[-2.,0,0]]), []
    for on in (False,True):
        set_seed(0); m = GAC(Arch.tiny(S, A, state_sd=on), std)
        z, win, opt = torch.zeros(N,m.arch.K,m.arch.D), draw_windows(tau, n, 1), torch.optim.Adam(m.parameters(), 1e-2)
        for _ in range(150):
            opt.zero_grad(); loss = -m.log_prob_parts(win, z)[0].mean(); loss.backward(); opt.step()
        bound.append(-loss.item())
    many, few = m.generator.log_sd(std.do('s', far)).exp().mean(1)*std.a_std.mean()
    assert .7<many<1.5 and few<.25 and bound[1]-bound[0]>10 # nats for each trajectory
