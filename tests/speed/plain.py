"""The plain way, written for reading: the reference that speed is measured against and that the engine must agree with.

Every trajectory is padded to the longest, every step of it is a target, and every gradient step passes over all of them and
asks for the gradients of all parameters, although the inner loop moves φ alone. It computes with the weights of a `GAC`; only the work differs.

Two forms of the same objective:

* `dense`: the whole padded sequence at once, one dense masked attention with a band of M steps. This is the same function
  as ours for M=1 and no transition term only, where a band is one step wide. With two layers or more, a token of a wider band has itself looked
  back M steps, and so the target sees past its window; and the time embeddings count back from the target, so that one step
  has M different embeddings, one for each target that sees it.
* `windows`: the window of every target of the padded sequence, unfolded to (N,T,M), dense masked attention in each of them.
  This is the same function for every M, with the transition term too. It is also the cheaper one, T² pairs become L² for each target.

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

def dense(model, p, z): # -> means of actions (N,T,A), None
    "A band of one step over the whole sequence."
    g, T = model.generator, p.a.shape[1]
    x = g.s(model.std.do('s', p.s[:,:-1])*p.real[...,None])+g.time
    return g.act(layers(g, x, torch.eye(T, dtype=torch.bool, device=x.device), z, len(p))), None

def windows(model, p, z): # -> means of actions (N,T,A), of state differences (N,T,S) or None
    "Every target with its own window of M steps."
    g, M, (N,T,A) = model.generator, model.arch.M, p.a.shape
    back = torch.arange(T, device=p.a.device)[:,None]+torch.arange(1-M, 1, device=p.a.device) # (T,M) steps of each window
    real = (back>=0).expand(N,T,M)
    s = model.std.do('s', p.s[:,back.clamp(min=0)])*real[...,None]
    a = model.std.do('a', p.a[:,back.clamp(min=0)])*real[...,None]
    x = torch.stack([g.s(s),g.a(a)], 3).flatten(2,3) if M>1 or model.arch.transition else g.s(s) # s a s a … s a
    L = len(g.time)
    x = (x[:,:,:L]+g.time).flatten(0,1)                                                          # (NT,L,D)
    seen = real.repeat_interleave(2,2)[...,:L].flatten(0,1)
    mask = (seen[:,None]&torch.ones(L, L, dtype=torch.bool, device=x.device).tril())|torch.eye(L, dtype=torch.bool, device=x.device)
    x = layers(g, x, mask[:,None], z, N).unflatten(0, (N,T))
    return (g.act(x[:,:,-2]),g.next(x[:,:,-1])) if model.arch.transition else (g.act(x[:,:,-1]),None)

def value(model, p, q, noise, form=windows): # GAC, Padded, Posterior, (N,K,D) -> (N,) nats; dict of parts
    "ELBO, eq. (5), the full sum over the steps of each trajectory."
    std, g = model.std, model.generator
    z = model.plan(p.s[:,0], q.at(noise))
    mu_a,mu_s = form(model, p, z[:,1:])
    la = (log_normal(std.do('a',p.a), mu_a, g.act_lsd.clamp(min=model.floor)).sum(-1)*p.real).sum(1)
    ls = torch.zeros_like(la)
    if mu_s is not None:
        ds = std.do('ds', p.s[:,1:]-p.s[:,:-1])
        ls = (log_normal(ds, mu_s, g.next_lsd.clamp(min=model.floor)).sum(-1)*p.known).sum(1)
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
