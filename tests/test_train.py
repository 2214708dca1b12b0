"Training: the same seed is the same run, interrupted or not; a checkpoint is whole or it is the older one; what is easy is learnt."
import math, os
from dataclasses import replace
import pandas as pd
import pytest
import torch
from gac import run as run_module
from gac import train
from gac.core import Trajectories, draw_windows, generator, make_keys, windows
from gac.elbo import elbo, infer
from gac.envs import point_mass_data
from gac.model import Arch
from gac.run import Fit, Watch, hold_out, load_run, new_run, save_run
from gac.train import Draws, add_state_noise, curves, draw_weights, fit, gained, lr_at

def data(seed=0, N=12, S=2, A=2, longest=7):
    g = generator(seed); n = torch.randint(2, longest+1, (N,), generator=g)
    s,a = torch.randn(int(n.sum())+N,S,generator=g), torch.randn(int(n.sum()),A,generator=g)
    return Trajectories(s, a, torch.randn(N,generator=g), n, torch.rand(N,generator=g)>.3, make_keys(s,a,n))

def small(seed=0, **kw): return Fit(**(dict(iterations=8, batch=6, k=3, inner_steps=2, outer_steps=2, seed=seed)|kw))
def arch(**kw): return Arch.tiny(2, 2, **(dict(D=8)|kw))
def go(tau, a=None, cfg=None, **kw):
    run = new_run(tau, a or arch(), cfg or small(), dataset='made up', env='none'); fit(run, tau, progress=False, **kw); return run
def history(run): return [{k:v for k,v in r.items() if k!='seconds'} for r in run.history]
def numbers(run):
    o = run.opt.state_dict()['state']
    return dict(run.model.state_dict())|run.store.state()|{f'opt{i}.{k}':v for i,s in o.items() for k,v in s.items()}|dict(gen=run.gen.get_state())
def same(a, b):
    x,y = numbers(a), numbers(b)
    return x.keys()==y.keys() and all(torch.equal(x[k],y[k]) for k in x) and history(a)==history(b) and a.i==b.i
def finite(run): return all(v.isfinite().all() for v in (*run.model.state_dict().values(), run.store.phi, run.store.v))

KINDS = [dict(), dict(M=2,transition=True), dict(learn_sigma_y=True,tokens=1), dict(state_sd=True)]
kinds = pytest.mark.parametrize('kw', KINDS, ids=['M1','M2ds','learnt','state_sd'])

# ---- the same seed

@pytest.mark.parametrize('name', ['Fit','new_run','load_run','save_run'])
def test_a_run_is_made_trained_and_kept_by_one_import(name):
    assert getattr(train, name) is getattr(run_module, name) and name in train.__all__

@kinds
def test_same_seed_same_numbers(kw):
    tau = data(); a = go(tau, arch(**kw)); torch.manual_seed(99); torch.rand(7) # global state does not matter
    assert same(a, go(tau, arch(**kw))) and finite(a)
    b = go(tau, arch(**kw), small(seed=1))
    assert not torch.equal(a.model.prior.index, b.model.prior.index) and history(a)!=history(b)

@pytest.fixture(scope='module')
def usual(): return go(data(), cfg=small(inner_steps=11))

@pytest.mark.parametrize('change', [dict(warm=False), dict(inner_stop=1e-3), dict(draw='uniform'), dict(draw='sqrt'), dict(return_weight=8.), dict(outer_lr=3e-3),
    dict(state_noise=.1)])
def test_every_setting_matters_and_repeats(usual, change):
    tau = data(); cfg = small(**change|dict(inner_steps=11))
    a = go(tau, cfg=cfg)
    assert same(a, go(tau, cfg=cfg)) and history(a)!=history(usual)

def test_history_has_every_iteration():
    tau = data(); run = go(tau); h = pd.DataFrame(run.history); said = []
    assert h.i.tolist()==list(range(1,9)) and (h.seconds>0).all() and (h.kl>=0).all() and (h.inner==2).all() and (h.grad>0).all()
    assert torch.allclose(torch.tensor((h.actions+h.states+h.ret-h.kl).values), torch.tensor(h.elbo.values), atol=1e-3)
    go(tau, log=said.append); assert [r['i'] for r in said]==list(range(1,9))
    import matplotlib.pyplot as plt
    assert len(curves(h))==5; plt.close('all')

@kinds
def test_noise_on_states_reaches_theta_alone(kw):
    tau = data(); plain, noisy = (go(tau, arch(**kw), small(iterations=1,state_noise=x)) for x in (0.,.1))
    assert torch.equal(plain.store.phi, noisy.store.phi) and finite(noisy)
    assert any(not torch.equal(a,b) for a,b in zip(plain.model.generator.parameters(), noisy.model.generator.parameters()))

def test_noise_is_on_real_states_alone_and_in_their_units():
    tau = data(); tau = replace(tau, s=tau.s*torch.tensor([1.,100.])); run = new_run(tau, arch(M=3), small())
    win = draw_windows(tau, 8, 3, generator(0)); beside = add_state_noise(win, .1*run.model.std.s_std, generator(1)); by = beside.s-win.s
    assert not by[~win.real].any() and all(torch.equal(getattr(win,k), getattr(beside,k)) for k in ('a','s1','real','t','w','w1','n'))
    assert torch.allclose(by[win.real].std(0)/tau.s.std(0), torch.full((2,),.1), rtol=.25)

def test_batch_larger_than_the_data():
    assert finite(go(data(N=2), cfg=small(batch=50)))

# ---- interrupted and resumed

WAYS = dict(warm={}, cold=dict(warm=False), stop=dict(inner_stop=1e-3,inner_steps=11), noise=dict(state_noise=.1)) # of the loops

@pytest.mark.parametrize('kw,cfg', [*((kw,WAYS['warm']) for kw in KINDS), (KINDS[0],WAYS['cold']), (KINDS[0],WAYS['stop']), (KINDS[1],WAYS['noise'])],
    ids=['M1','M2ds','learnt','state_sd','cold','stop','noise'])
def test_resumed_is_straight_through(kw, cfg, tmp_path):
    tau = data(1); straight = go(tau, arch(**kw), small(**cfg))
    run = new_run(tau, arch(**kw), small(**cfg), dataset='made up', env='none')
    for until in (1,2,5,8):
        fit(run, tau, out=tmp_path/'run', until=until, every=3, progress=False)
        run = load_run(tmp_path/'run'); assert run.i==until
    assert same(run, straight) and torch.equal(run.y,tau.y) and torch.equal(run.key,tau.key) and run.cfg==straight.cfg and run.meta==straight.meta

def test_interrupted_before_it_began(tmp_path):
    tau = data(2); run = new_run(tau, arch(), small(), dataset='made up', env='none'); save_run(run, tmp_path/'run')
    run = load_run(tmp_path/'run'); assert run.i==0 and len(run.store)==0
    fit(run, tau, progress=False); assert same(run, go(tau))

def test_killed_between_checkpoints(tmp_path):
    "What is done after the last checkpoint is done again, the same."
    tau = data(3)
    def kill(row):
        if row['i']==7: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): go(tau, out=tmp_path/'run', every=3, log=kill)
    run = load_run(tmp_path/'run'); assert run.i==6
    fit(run, tau, progress=False); assert same(run, go(tau))

def test_saving_changes_nothing(tmp_path):
    tau = data(4); assert same(go(tau, out=tmp_path/'run', every=1), go(tau))
    assert {p.name for p in (tmp_path/'run').iterdir()}=={'checkpoint'}
    assert load_run(tmp_path/'run').i==load_run(tmp_path/'run'/'checkpoint').i==8

def test_finished_run_stays_finished(tmp_path):
    tau = data(5); run = go(tau, out=tmp_path/'run'); before = numbers(load_run(tmp_path/'run'))
    again = load_run(tmp_path/'run'); assert len(fit(again, tau, progress=False))==8
    assert all(torch.equal(v,before[k]) for k,v in numbers(again).items()) and again.i==run.i

def test_until_zero_does_nothing():
    tau = data(5); run = new_run(tau, arch(), small()); fit(run, tau, until=0, progress=False); assert run.i==0

def test_fit_refuses_slim(tmp_path):
    tau = data(7); save_run(go(tau, until=4), tmp_path/'s', slim=True)
    with pytest.raises(ValueError, match='saved for sharing'): fit(load_run(tmp_path/'s'), tau, progress=False)

# ---- not a number

def test_nan_stops_and_keeps_the_last_checkpoint(tmp_path):
    tau = data(11); run = new_run(tau, arch(), small(), dataset='made up', env='none')
    def poison(row):
        if row['i']==3:
            with torch.no_grad(): run.model.head.mlp[0].weight[0,0] = float('nan')
    with pytest.raises(FloatingPointError, match='nan at iteration 4; halve outer_lr'): fit(run, tau, out=tmp_path/'run', every=2, log=poison, progress=False)
    old = load_run(tmp_path/'run'); assert old.i==2 and finite(old)
    fit(old, tau, progress=False); assert same(old, go(tau))

def test_nan_gradient_of_the_last_step_is_not_saved(tmp_path):
    "The bound is measured before the step: a step that goes wrong must not reach the checkpoint."
    tau = data(11); run = new_run(tau, arch(), small(), dataset='made up', env='none'); calls = []
    def hook(g): calls.append(1); return g*float('nan') if len(calls)==6 else g # second step of iteration 3
    run.model.head.mlp[0].weight.register_hook(hook)
    with pytest.raises(FloatingPointError): fit(run, tau, out=tmp_path/'run', every=1, progress=False)
    old = load_run(tmp_path/'run'); assert finite(old) and old.i==2

# ---- looks, precision, compilation, memory

@pytest.mark.parametrize('look', [3,50])
def test_looking_less_often_changes_nothing(look, tmp_path):
    tau = data(); a, b = go(tau), new_run(tau, arch(), small(), dataset='made up', env='none')
    fit(b, tau, out=tmp_path/'r', every=5, progress=False, look=look); assert same(a,b)

def test_nan_is_seen_before_it_is_saved(tmp_path):
    tau = data(11); run = new_run(tau, arch(), small(), dataset='made up', env='none'); calls = []
    def hook(g): calls.append(1); return g*float('nan') if len(calls)==6 else g
    run.model.head.mlp[0].weight.register_hook(hook)
    with pytest.raises(FloatingPointError, match='at iteration 3'): fit(run, tau, out=tmp_path/'run', every=4, progress=False, look=10)
    assert not (tmp_path/'run').exists()

@pytest.mark.parametrize('kw', [dict(), dict(state_sd=True)], ids=['one sd','state_sd'])
def test_half_the_bits(kw):
    tau, a = data(), arch(**kw); run, whole = go(tau, a, small(precision='bfloat16')), go(tau, a)
    assert finite(run) and {p.dtype for p in run.model.parameters()}=={torch.float32} and run.model.precision=='float32'
    assert [r['elbo'] for r in run.history]!=[r['elbo'] for r in whole.history]
    assert run.history[-1]['elbo']==pytest.approx(whole.history[-1]['elbo'], rel=.2)

@pytest.mark.skipif(not os.environ.get('GAC_TEST_COMPILE'), reason='a minute or more of C++; GAC_TEST_COMPILE=1')
def test_compiled(tmp_path):
    tau = data(); a, b = go(tau), go(tau, cfg=small(compile=True))
    assert b.history[-1]['elbo']==pytest.approx(a.history[-1]['elbo'], rel=1e-3) and set(a.model.state_dict())==set(b.model.state_dict())

def test_compiling_needs_a_compiler(monkeypatch):
    monkeypatch.setattr(train.shutil, 'which', lambda name: None)
    with pytest.raises(ValueError, match='needs a C[+][+] compiler'): go(data(), cfg=small(compile=True))

@pytest.mark.parametrize('e', [torch.OutOfMemoryError('CUDA out of memory'), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")])
def test_out_of_memory_says_what_to_halve(e, tmp_path, monkeypatch):
    tau = data(); run = new_run(tau, arch(), small(), dataset='made up', env='none'); whole = train.iterate
    def full(run, *a):
        if run.i==4: raise e
        return whole(run, *a)
    monkeypatch.setattr(train, 'iterate', full)
    with pytest.raises(MemoryError, match='after iteration 4: halve batch .6. or k .3..*batch=3'): fit(run, tau, out=tmp_path/'r', every=2, progress=False)
    monkeypatch.setattr(train, 'iterate', whole)
    old = load_run(tmp_path/'r'); assert old.i==4
    fit(old, tau, progress=False); assert same(old, go(tau))

def test_a_run_from_another_kind_of_device(tmp_path):
    "Its generator's state has another size: it can be asked, and goes on with a warning."
    from safetensors.torch import save_file
    tau = data(); run = new_run(tau, arch(), small(), dataset='made up', env='none'); fit(run, tau, out=tmp_path/'r', until=4, progress=False)
    save_file(dict(state=torch.zeros(16,dtype=torch.uint8)), tmp_path/'r'/'checkpoint'/'rng.safetensors')
    old = load_run(tmp_path/'r'); save_run(old, tmp_path/'s', slim=True)
    with pytest.warns(UserWarning, match='another kind of device'): fit(old, tau, progress=False)
    assert old.i==8 and finite(old)

# ---- what is easy is learnt

def easy(kind, N=48):
    g = generator(0); n = torch.randint(2, 6, (N,), generator=g)
    c = 4*torch.rand(N,1,generator=g)-1 # one number per trajectory is its action, all along
    s = torch.randn(int(n.sum())+N,2,generator=g); a = c.repeat_interleave(n,0)
    if kind=='from s0': # the number is written into the state; only there
        s = torch.cat([c.repeat_interleave(n+1,0), s[:,1:]],1)
    return Trajectories(s, a, c[:,0], n, torch.ones(N,dtype=torch.bool), make_keys(s,a,n)) # return = last action

@pytest.mark.parametrize('kind,M,transition,iterations', [('in the plan',1,False,80), ('from s0',1,False,40), ('from s0',2,True,40)])
def test_learns_the_trivially_learnable(kind, M, transition, iterations):
    tau = easy(kind)
    run = new_run(tau, Arch.tiny(2, 1, D=16, M=M, transition=transition, sigma_y=.3),
        Fit(iterations=iterations, batch=48, k=4, inner_steps=4, outer_steps=8, outer_lr=3e-3, draw='uniform'))
    h = fit(run, tau, progress=False)
    q,_ = infer(run.model, tau, run.store.get(tau.key), steps=30, lr=.05, k=6, gen=generator(1))
    with torch.no_grad():
        v,parts = elbo(run.model, tau, q, draws=4, gen=generator(2))
        z = run.model.plan(tau.s0, q.mu)
        act = run.model.action(windows(tau, tau.n[:,None]-M, torch.ones(48,1), M), z)[:,0]
    marginal = -.5*(1+math.log(2*math.pi)) # log p(y) of a plan that says nothing, standardised
    sd = tau.y.std()
    assert parts['ret'].mean()>marginal+.7 and h.elbo.tail(10).mean()>h.elbo.head(10).mean()+3
    with torch.no_grad(): off = [((x-tau.y).abs().median()/sd).item() for x in (act, run.model.expected_return(z))]
    assert max(off)<.2, off

# ---- small parts

@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('how', ['uniform','sqrt','good'])
def test_draw_weights(how, seed):
    g = generator(seed); y, n = torch.randn(30,generator=g), torch.randint(1,50,(30,),generator=g); w = draw_weights(y, n, how)
    assert w.sum()==pytest.approx(1) and (w>0).all() and w.shape==(30,)
    p = torch.randperm(30,generator=g); assert torch.allclose(draw_weights(y[p],n[p],how), w[p])
    flat_ = draw_weights(y, torch.full((30,),9), how)[y.argsort()]
    if how=='good': assert (flat_.diff()>0).all() and flat_[-1]/flat_[0]==pytest.approx(16)
    else: assert torch.allclose(flat_, torch.full((30,),1/30).double())
    even = draw_weights(torch.arange(30.), n, 'sqrt'); assert torch.allclose(even/even[0], (n/n[0]).double().sqrt())

def test_elite_of_a_fixed_number_of_steps():
    y, n = torch.arange(20.), torch.full((20,),10); w = draw_weights(y, n, 'elite')
    assert torch.allclose(w, draw_weights(y, n, 'elite', 20)) and (w>.1).tolist()==[False]*18+[True]*2 # a tenth of 200 steps
    more, long = torch.cat([y,torch.full((20,),5.)]), torch.cat([n,n]) # worse episodes come in
    assert (draw_weights(more, long, 'elite')>.1).sum()==4 and (draw_weights(more, long, 'elite', 20)>.1).nonzero().flatten().tolist()==[18,19]
    with pytest.raises(ValueError, match='Fit.elite=0'): Fit(elite=0)
    tau = point_mass_data(3, 0)
    with pytest.raises(ValueError, match="Fit.elite=50: draw='good' does not look at it"): new_run(tau, Arch.tiny(3,2), Fit(elite=50))
    assert new_run(tau, Arch.tiny(3,2), Fit(iterations=1, draw='elite', elite=50)).cfg.elite==50

def test_draw_weights_of_few():
    assert draw_weights(torch.zeros(1),torch.ones(1).long()).tolist()==[1.] and draw_weights(torch.zeros(5),torch.ones(5).long()).sum()==pytest.approx(1)

@pytest.mark.parametrize('total', [1,10,1000])
def test_one_cycle(total):
    r = [lr_at(i,total,.5) for i in range(total)]
    assert max(r)<=.5+1e-12 and min(r)>0 and max(r)>.45 and (total<20 or (r[0]<.02 and r[-1]<.01))
    top = r.index(max(r)); assert all(a<=b for a,b in zip(r[:top],r[1:top+1])) and all(a>=b for a,b in zip(r[top:],r[top+1:]))

# ---- Until it is trained

def open_ended(seed=0, **kw): return replace(small(seed), **(dict(iterations=None, watch_every=2, batch=4)|kw))

def looks(*bounds): return Watch(None, [10*(i+1) for i in range(len(bounds))], [torch.as_tensor(b).tolist() for b in bounds])

def test_a_rising_bound_is_told_from_a_flat_one():
    gen, own = torch.Generator().manual_seed(0), 10*torch.randn(30)
    rising = looks(*(own+i+torch.randn(30, generator=gen) for i in range(12)))
    flat = looks(*(own+min(i,3)+torch.randn(30, generator=gen) for i in range(30)))
    gain, error = gained(rising)
    assert abs(gain-4)<1 and gain>5*error
    gain, error = gained(flat)
    assert abs(gain)<3*error and math.isnan(gained(looks(*[own]*5))[0])

def test_held_out_trajectories_never_reach_theta():
    "Other values in what is held out: the same θ to the bit, other posteriors."
    tau = data(N=30); run = new_run(tau, arch(), open_ended(minutes=1e-9)); held = torch.isin(tau.key, run.watch.key)
    of = held.repeat_interleave(tau.n)
    changed = replace(tau, a=torch.where(of[:,None], tau.a+1, tau.a))
    other = new_run(tau, arch(), open_ended(minutes=1e-9)) # one standardiser for both
    fit(run, tau, progress=False); fit(other, changed, progress=False)
    assert run.i==run.watch.end==other.i and all(torch.equal(p,q) for p,q in zip(run.model.parameters(), other.model.parameters()))
    assert not torch.equal(run.store.get(tau.key[held]).mu, other.store.get(tau.key[held]).mu)
    assert set(run.watch.key.tolist())<set(run.store.row)

def test_best_tenth_is_never_held_out():
    y = torch.randn(200, generator=torch.Generator().manual_seed(0)); rows = hold_out(y, Fit())
    assert len(rows)==len(rows.unique())==10 and y[rows].max()<y.sort(descending=True).values[19]
    with pytest.raises(ValueError, match='3 trajectories are too few'): new_run(data(N=3), arch(), open_ended())

@pytest.fixture(scope='module')
def to_its_end():
    "Data, and an open-ended run of them that nobody interrupted; its bound is flat early."
    tau = data(N=30); run = new_run(tau, arch(), open_ended(outer_lr=1e-5)); fit(run, tau, progress=False)
    return tau, run

@pytest.mark.parametrize('cut', ['before the end is known','while the rate falls'])
def test_open_ended_run_resumes_to_the_bit(to_its_end, tmp_path, cut):
    tau, whole = to_its_end; cfg = whole.cfg
    until = whole.watch.cooling-1 if cut.startswith('before') else whole.watch.cooling+1
    part = new_run(tau, arch(), cfg); fit(part, tau, tmp_path/'r', until=until, progress=False)
    part = load_run(tmp_path/'r'); assert (part.end is None)==cut.startswith('before')
    fit(part, tau, tmp_path/'r', progress=False); again = load_run(tmp_path/'r')
    assert again.watch.bound==whole.watch.bound and again.i==again.end==whole.end
    assert all(torch.equal(p,q) for p,q in zip(again.model.parameters(), whole.model.parameters()))
    assert torch.equal(again.store.get(tau.key).mu, whole.store.get(tau.key).mu)
    fit(again, tau, progress=False); assert again.i==whole.end

def test_time_limit_counts_the_cool_down():
    tau = data(N=30); run = new_run(tau, arch(), open_ended(minutes=1e-9)); fit(run, tau, progress=False)
    assert run.watch.cooling==2 and run.i==run.end==3

def test_goes_on_where_thirty_draws_are_too_few():
    "A slow learner: after thirty draws of each trajectory its bound still rises, and it is not stopped there."
    tau = point_mass_data(40, seed=0); tiny = Arch.tiny(tau.s.shape[1], tau.a.shape[1])
    cfg = Fit(batch=16, k=8, inner_steps=2, outer_steps=2, outer_lr=3e-5, watch_every=30, held=.3)
    run = new_run(tau, tiny, cfg); fit(run, tau, progress=False, until=150)
    thirty = 30*40/16; at = run.watch.at; before = next(j for j,i in enumerate(at) if i>=thirty)
    gain = torch.tensor(run.watch.bound[-1])-torch.tensor(run.watch.bound[before])
    assert run.i==2*thirty and run.end is None and gain.mean()>2*gain.std()/len(gain)**.5

# ---- What is drawn is what is said

@pytest.mark.parametrize('B', [4,8,15])
@pytest.mark.parametrize('noise', ['stream','keyed'])
def test_weighted_shares_are_the_probabilities_whatever_the_batch(B, noise):
    "Few good trajectories and large batches: no trajectory twice, and every weighted share is its probability."
    tau = data(N=16, longest=12); run = new_run(tau, arch(), small(batch=B, draw='elite', noise=noise)); d = Draws(run, tau)
    got, times = torch.zeros(16, dtype=torch.float64), 1500
    for run.i in range(times):
        r = d.rows('cpu'); assert len(r)==len(r.unique())==B
        got[r] += d.w[r].double()/B/times
    assert torch.allclose(got, draw_weights(tau.y, tau.n, 'elite'), atol=.02)
    if B==15: assert d.w.max()>1.5
