"""The plain way, written for reading: the reference that speed is measured against and that the engine must agree with.

Every trajectory is padded to the longest, every step of it is a target, and every gradient step passes over all of them and
asks for the gradients of all parameters, although the inner loop moves φ alone. It computes with the weights of a `GAC`; only the work differs.

Two forms of the same objective:

* `dense`: the whole padded sequence at once, one dense masked attention with a band of one step. This is the same function
  as ours for M=1 and no transition term only.
* `windows`: all windows of the padded sequence, unfolded to (N,T+M-1,M), dense masked attention in each of them, every step of
  them a target. This is the same function for every M, with the transition term too.

All tokens pass all layers in both; nothing is skipped where a single token looks at itself."""
import math
from dataclasses import dataclass
import torch
import torch.nn.functional as F
from gac.core import Posterior
from gac.elbo import _adam
from gac.model import log_normal
from gac.train import lr_at

@dataclass
class Padded:
    "N trajectories, padded with zeros to the longest."
    s:torch.Tensor    # (N,T+1,S) states
    a:torch.Tensor    # (N,T,A) actions
    y:torch.Tensor    # (N,) returns
    real:torch.Tensor # (N,T) bool: is there such a step?
    known:torch.Tensor# (N,T) bool: and is its next state known?
    key:torch.Tensor  # (N,)
    def __getitem__(self, i): return Padded(self.s[i], self.a[i], self.y[i], self.real[i], self.known[i], self.key[i])
    def __len__(self): return len(self.y)

def pad(tau, T=None): # Trajectories, length (None: of the longest) -> Padded
    N,T = len(tau), T or int(tau.n.max())
    s,a = tau.s.new_zeros(N,T+1,tau.s.shape[1]),tau.a.new_zeros(N,T,tau.a.shape[1])
    for i,n in enumerate(tau.n.tolist()):
        s[i,:n+1] = tau.s[tau.s_at[i]:tau.s_at[i]+n+1]
        a[i,:n] = tau.a[tau.a_at[i]:tau.a_at[i]+n]
    t = torch.arange(T, device=tau.n.device)
    real = t<tau.n[:,None]
    return Padded(s, a, tau.y, real, real&((t+1<tau.n[:,None])|tau.last[:,None]), tau.key)

def attend(att, x, ctx, mask=None): # Attention, (B,L,D), (B,C,D) -> (B,L,D)
    "Queries, keys and values of every token; masked softmax."
    out = F.scaled_dot_product_attention(att.split(att.q(x)), att.split(att.k(ctx)), att.split(att.v(ctx)), mask)
    return att.o(out.transpose(1,2).flatten(2))

def layers(g, x, mask, z, N): # Generator, tokens (B,L,D), mask, plan (N,K-1,D) -> (B,L,D)
    for b in g.blocks:
        h = b.ln1(x); x = x+attend(b.att, h, h, mask)
        y = x.reshape(N,-1,x.shape[-1])
        y = y+attend(b.cross, b.lnc(y), z)
        x = (y+b.mlp(b.ln2(y))).reshape(x.shape)
    return g.ln(x)

def dense(model, p, z): # -> means of actions (N,T,1,A), None, steps (T,1), are they in the window? (T,1)
    "A band of one step over the whole sequence."
    g, T = model.generator, p.a.shape[1]
    x = g.s(model.std.do('s', p.s[:,:-1])*p.real[...,None])+g.time
    mu = g.act(layers(g, x, torch.eye(T, dtype=torch.bool, device=x.device), z, len(p)))
    return mu[:,:,None], None, torch.arange(T, device=x.device)[:,None], torch.ones(T, 1, dtype=torch.bool, device=x.device)

def windows(model, p, z): # -> means of actions (N,W,M,A), of state differences or None, steps (W,M), are they in the window? (W,M)
    "All W = T+M-1 windows of M steps."
    g, M, (N,T,A) = model.generator, model.arch.M, p.a.shape
    b = torch.arange(1-M, T, device=p.a.device)[:,None]
    t = b.clamp(min=0)+torch.arange(M, device=b.device)
    inside, t = (t<b+M)&(t<T), t.clamp(max=T-1)
    real = (p.real[:,t]&inside)[...,None]
    s, a = model.std.do('s', p.s[:,t])*real, model.std.do('a', p.a[:,t])*real
    x = torch.stack([g.s(s),g.a(a)], 3).flatten(2,3) if M>1 or model.arch.transition else g.s(s) # s a s a … s a
    L = len(g.time)
    x = (x[:,:,:L]+g.time).flatten(0,1)                                                          # (NW,L,D)
    x = layers(g, x, torch.ones(L, L, dtype=torch.bool, device=x.device).tril(), z, N).unflatten(0, (N,len(b)))
    if model.arch.transition: return g.act(x[:,:,::2]), g.next(x[:,:,1::2]), t, inside
    return g.act(x[:,:,::2]) if M>1 else g.act(x), None, t, inside

def value(model, p, q, noise, form=windows): # GAC, Padded, Posterior, (N,K,E) -> (N,) nats; dict of parts
    "ELBO, eq. (5), the full sum over the steps of each trajectory."
    std, g, M = model.std, model.generator, model.arch.M
    z = model.plan(p.s[:,0], q.at(noise))
    mu_a,mu_s,t,inside = form(model, p, z[:,1:])
    total = lambda x,mu,lsd,real: (log_normal(x, mu, lsd.clamp(min=model.floor)).sum(-1)*(real[:,t]&inside)).sum((1,2))/M
    la = total(std.do('a',p.a)[:,t], mu_a, g.act_lsd, p.real)
    ls = torch.zeros_like(la)
    if mu_s is not None: ls = total(std.do('ds', p.s[:,1:]-p.s[:,:-1])[:,t], mu_s, g.next_lsd, p.known)
    ly,kl = model.log_prob_y(p.y, z), q.kl()
    return la+ls+ly-kl, dict(actions=la, states=ls, ret=ly, kl=kl)

def climb(model, p, q, steps, lr, gen, warm=None, form=windows): # -> Posterior, (v,t)
    "The inner loop of `infer` on full sums: same noise, same Adam, same cosine; the gradients of θ come along, unused."
    phi = torch.stack([q.mu,q.lsd],1).detach().clone()
    m, (v,t), rows = torch.zeros_like(phi), warm or (torch.zeros_like(phi),phi.new_zeros(len(phi))), torch.arange(len(phi), device=phi.device)
    v,t = v.clone(),t.clone()
    for i in range(steps):
        phi.requires_grad_()
        noise = torch.randn(q.mu.shape, generator=gen, device=phi.device)
        model.zero_grad()
        value(model, p, Posterior(phi[:,0],phi[:,1]), noise, form)[0].sum().backward()
        t += 1
        phi = phi.detach()+lr*.5*(1+math.cos(math.pi*i/steps))*_adam(phi.grad, m, v, t, rows, i+1)
        phi[:,1].clamp_(-6., .5)
    return Posterior(phi[:,0],phi[:,1]), (v,t)

def descend(run, p, q, scale, form=windows): # Run, Padded, Posterior -> mean ELBO
    "One step in θ on full sums."
    c = run.cfg
    noise = torch.randn(q.mu.shape, generator=run.gen, device=q.mu.device)
    v,parts = value(run.model, p, q, noise, form)
    run.opt.zero_grad()
    (-(v+(c.return_weight-1)*parts['ret']).mean()/scale).backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), c.clip)
    run.opt.step()
    return v.detach().mean()

def iterate(run, p, scale, form=windows): # Run (changed in place), Padded batch -> mean ELBO
    "One batch, as `gac.train.iterate` does it."
    c = run.cfg
    q,warm = climb(run.model, p, run.store.get(p.key), c.inner_steps, c.inner_lr, run.gen, run.store.warm(p.key) if c.warm else None, form)
    run.store.put(p.key, q, warm)
    for j in range(c.outer_steps):
        for g in run.opt.param_groups: g['lr'] = lr_at(run.i*c.outer_steps+j, c.iterations*c.outer_steps, c.outer_lr)
        v = descend(run, p, q, scale, form)
    run.i += 1
    return v
