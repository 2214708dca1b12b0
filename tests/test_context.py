"A growing window: what is kept of it changes nothing, whichever episodes come and go."
import math
import pytest
import torch
from gac.core import Posterior, Trajectories, generator, windows
from gac.envs import make_env, random_policy, rollout
from gac.model import Arch
from gac.plans import Replan
from gac.query import PlanPolicy, ask
from gac.run import Fit, new_run

ID = 'gac/PointMass-v0'

def untrained(env, **kw):
    "A tiny model whose actions often leave the bounds."
    tau = rollout(env, random_policy(env), 5, seed=50)
    r = new_run(tau, Arch.tiny(tau.s.shape[1], tau.a.shape[1], **(dict(dec=2)|kw)), Fit.tiny(), dataset='random', env=env)
    r.model.std.a_std.mul_(5)
    return r

def limits(env): space = make_env(env).action_space; return torch.as_tensor(space.low), torch.as_tensor(space.high)

def first_steps(T, M): # where the window of each step starts: begun anew from ⌈M/2⌉ steps when full
    b = [0]
    for t in range(1, T): b.append(t-math.ceil(M/2)+1 if t-b[-1]==M else b[-1])
    return torch.tensor(b)

@torch.no_grad()
def straight(model, tau, z, low, high): # what training computes for the same windows, each of them whole
    T, M = int(tau.n), model.arch.M; b, t = first_steps(T, M), torch.arange(T)
    assert (t-b<M).all() and (t-b>=torch.minimum(t, torch.tensor(math.ceil(M/2)-1))).all() # contexts that training has seen
    mu,_ = model.moments(windows(tau, b[None], torch.ones(1,T), M), z)
    return model.std.undo('a', mu[0,t,t-b]).clamp(low, high)

ACTORS = [(ID,dict(M=m)) for m in (1,2,3,8)]+[('Hopper-v5',dict(M=m)) for m in (1,4,5)]

ACTORS += [('Hopper-v5',dict(M=4,transition=True)), ('Hopper-v5',dict(M=5,past_actions=False)), ('Hopper-v5',dict(M=4,past_actions=False,transition=True)),
    ('Hopper-v5',dict(M=4,time=True)), ('Hopper-v5',dict(M=1,time=True)), (ID,dict(M=3,tokens=1)), ('Hopper-v5',dict(M=4,eps=3,tokens=9))]

@pytest.mark.parametrize('env,kw', ACTORS, ids=lambda x: x if isinstance(x,str) else '-'.join(f'{a}{b}' for a,b in x.items()))
def test_kept_keys_change_nothing(env, kw):
    "Episodes drop out one by one; some actions are clipped, and what was executed is remembered."
    r, n = untrained(env, **kw), 6
    low, high = limits(env)
    pol = PlanPolicy(r.model, lambda s0: ask(r.model, s0, 'prior'), 'sample', 4, low, high)
    made = rollout(env, pol, n, seed=3)
    assert ((made.a==low)|(made.a==high)).any() and ((made.a>low)&(made.a<high)).any() # some were clipped, some not
    if env!=ID: assert made.n.max()>r.model.arch.M+1
    for i in range(n): assert torch.allclose(straight(r.model, made[i], pol.z[[i]], low, high), made[i].a, atol=1e-5)

def test_more_episodes_than_lanes_keep_their_windows_apart():
    r = untrained(ID, M=4); low, high = limits(ID)
    pol = PlanPolicy(r.model, lambda s0: ask(r.model, s0, 'prior'), 'sample', 4, low, high)
    made = rollout(ID, pol, 130, seed=0)
    for i in (0,63,64,65,129): assert torch.allclose(straight(r.model, made[i], pol.z[[i]], low, high), made[i].a, atol=1e-5)

def test_rows_may_come_and_go_at_any_time():
    "Other episodes may be asked for at every step, in any order: each goes on where it was, or begins."
    r = untrained(ID, M=4); g = generator(1); S,A = r.model.arch.S, r.model.arch.A
    low, high = -torch.ones(A), torch.ones(A)
    pol, s = PlanPolicy(r.model, lambda s0: ask(r.model, s0, 'prior'), 'sample', 4, low, high), torch.randn(5,14,S,generator=g)
    pol.reset(s[:,0]); t, acts, running = [0]*5, [[] for _ in range(5)], [0,1,2]
    for now in [[0,1,2]]*3+[[2,0,1]]*2+[[2,0,3]]*4+[[3,0,4]]*3+[[4]]*2:
        for i,a in zip(now, pol(torch.stack([s[i,t[i]] for i in now]), torch.tensor(now))): acts[i].append(a); t[i] += 1
    for i in range(5):
        one = Trajectories(s[i,:t[i]+1], torch.stack(acts[i]), torch.zeros(1), torch.tensor([t[i]]), torch.tensor([True]), torch.tensor([i]))
        assert torch.allclose(straight(r.model, one, pol.z[[i]], low, high), one.a, atol=1e-5), i

@pytest.mark.parametrize('M', [1,4])
def test_another_plan_on_the_way_is_read_with_the_whole_window(M):
    r = untrained(ID, M=M); low, high = limits(ID); calls = []
    def planner(s0): calls.append(len(s0)); return Posterior(torch.randn(len(s0),3,32,generator=generator(len(calls))), torch.full((len(s0),3,32),-9.)), dict(target=None)
    pol = Replan(r.model, planner, 'mu', 4, low, high, every=3); plans = []
    class Keep(Replan):
        def __call__(self, s, rows):
            a = super().__call__(s, rows); plans.append(self.z.clone()); return a
    pol.__class__ = Keep
    made = rollout(ID, pol, 3, seed=0); assert len(calls)>2
    for i in range(3):
        for t in range(min(len(plans),int(made.n[i]))): assert torch.allclose(straight(r.model, made[i], plans[t][[i]], low, high)[t], made[i].a[t], atol=1e-5)
