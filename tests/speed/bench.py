"""The measuring bench: `make speed`. Not collected by `make test`; named on the command line it is.

Each test measures one thing and keeps its rows in data/results/speed.csv, where they replace older ones of the same kind.
`make speed FLAGS='-k "plain and default"'` runs a part, `FLAGS=--small` sees in two minutes that all of it runs (give it `--rows=/some/file.csv`)."""
import shutil, subprocess, sys, time
from statistics import median
import pytest
import torch
import plain
from gac.compare import timing
from gac.core import data_root, generator
from gac.data import load
from gac.elbo import ascend, elbo, infer
from gac.model import Arch
from gac.flops import toy_data, work
from gac.speed import speed_row
from gac.tune import held_out_elbo
from gac.run import Fit, load_run, new_run
from gac.train import Draws, engine, iterate

PAPER = [f'{env}-{set}' for env in ('hopper','walker2d','halfcheetah') for set in ('medium','medium-replay')]
NAMES = ['default']+PAPER
def arch_of(name, small=False):
    if small: return Arch.tiny(11, 3, M=1 if name=='default' else Arch.paper(name).M)
    return Arch(11, 3) if name=='default' else Arch.paper(name)

def setting(name, small, device, N=32, T=None, **kw): # -> run, data
    N, arch = min(N,4) if small else N, arch_of(name, small)
    tau = toy_data(N, arch, T).to(device)
    return new_run(tau, arch, Fit(iterations=10_000, **kw), device), tau

# ---- (a) ours: steps and epochs

each = pytest.mark.parametrize('name', NAMES)

def compiles(device): return device!='cpu' or any(map(shutil.which, ('g++','clang++')))

def in_turn(calls, device, rounds, roof): # names: (run, what to time) -> medians, and of the machine: other jobs on it meet all alike
    took, roofs = {w:[] for w in calls}, []
    for i in range(1+rounds):
        if i: roofs.append(roof(again=True))
        for w,(run,call) in calls.items():
            with engine(run):
                begun = time.perf_counter(); call()
                if device!='cpu': torch.cuda.synchronize()
                if i: took[w].append(time.perf_counter()-begun)
    return {w:median(t) for w,t in took.items()}, roofs[0]|{k:median(m[k] for m in roofs) for k in ('peak_gflops','bandwidth_gbs')}

def climb(run, tau):
    c = run.cfg
    return lambda: infer(run.model, tau, run.store.get(tau.key), c.inner_steps, c.inner_lr, c.k, 0., run.gen, run.store.warm(tau.key))

@each
def test_ours_inner(name, threads, small, device, roof, keep, request):
    "As it is, compiled where there is a compiler, and the machine's peak, in turn: a median over the median of the peaks. Compiling comes first and is not counted."
    torch.compiler.reset()
    ways = {'ours':{}}|({'ours compiled':dict(compile=True)} if compiles(device) else {})
    made = {w:setting(name, small, device, **kw) for w,kw in ways.items()}
    took,m = in_turn({w:(run,climb(run,tau)) for w,(run,tau) in made.items()}, device, request.config.getoption('rounds'), roof)
    for w,(run,tau) in made.items():
        c = run.cfg
        keep(speed_row('inner',w,name, took[w]/c.inner_steps, m, len(tau), work(run.model.arch,len(tau),c.k,'inner'), N=len(tau), T=1000, k=c.k))

@each
def test_ours_outer(name, threads, small, device, timed, roof, keep):
    "What two more outer steps add to a batch with one of each."
    (short,tau), (long,_) = (setting(name, small, device, inner_steps=1, outer_steps=n) for n in (1,3))
    go = lambda run: iterate(run, tau, Draws(run,tau), 200.)['elbo']
    took = []
    def both():
        begun = time.perf_counter(); float(go(short).detach()); mid = time.perf_counter(); float(go(long).detach())
        took.append((time.perf_counter()-mid)-(mid-begun))
    timed(both)
    step = max(median(took[1:])/2, 1e-9)
    keep(speed_row('outer','ours',name, step, roof(), len(tau), work(short.model.arch,len(tau),short.cfg.k,'outer'), N=len(tau), T=1000, k=short.cfg.k))

def epoch(run, tau): # every trajectory once
    for rows in torch.randperm(len(tau), generator=generator(run.i)).to(tau.n.device).split(run.cfg.batch):
        part = tau[rows]; iterate(run, part, Draws(run,part), 200.)

@each
def test_ours_epoch(name, threads, small, device, timed, roof, keep):
    run, tau = setting(name, small, device, N=128 if name=='default' else 32); c = run.cfg
    took = timed(lambda: epoch(run, tau))
    w = work(run.model.arch,len(tau),c.k,'inner')*c.inner_steps+work(run.model.arch,len(tau),c.k,'outer')*c.outer_steps
    keep(speed_row('epoch','ours',name, took, roof(), len(tau), w, N=len(tau), T=1000, k=c.k))

OTHERWISE = {'ours float32':{}, 'ours bfloat16':dict(precision='bfloat16'), 'ours float32, compiled':dict(compile=True), 'ours bfloat16, compiled':dict(precision='bfloat16', compile=True)}

@pytest.mark.parametrize('step', ['inner','epoch'])
@pytest.mark.parametrize('name', NAMES[:3])
def test_precision_and_compile(name, step, small, device, roof, keep, request):
    "The same step in float32, in bfloat16, and compiled, in turn. One thread; no share of the float32 peak."
    torch.compiler.reset()
    made = {w:setting(name, small, device, **kw) for w,kw in OTHERWISE.items() if not kw.get('compile') or compiles(device)}
    call = climb if step=='inner' else lambda run, tau: lambda: epoch(run, tau)
    took,m = in_turn({w:(run,call(run,tau)) for w,(run,tau) in made.items()}, device, min(5, request.config.getoption('rounds')), roof)
    for w,(run,tau) in made.items(): keep(speed_row(step, w, name, took[w]/(run.cfg.inner_steps if step=='inner' else 1), m, len(tau), N=len(tau), T=1000, k=run.cfg.k))

# ---- (b) ours with all steps, and the plain way

@pytest.mark.parametrize('step', ['inner','outer'])
def test_all_steps(step, small, device, timed, roof, keep):
    "Nothing drawn: every step of every trajectory, block by block, no padding."
    run, tau = setting('default', small, device); model, c, q = run.model, run.cfg, run.store.get(tau.key)
    def inner(): ascend(lambda q,noise,rows: elbo(model, tau[rows], q, gen=run.gen)[0], q, c.inner_steps, c.inner_lr, run.gen)
    def outer():
        v,_ = elbo(model, tau, q, gen=run.gen)
        run.opt.zero_grad(); (-v.mean()/200).backward(); torch.nn.utils.clip_grad_norm_(model.parameters(), c.clip); run.opt.step()
    took = timed(inner if step=='inner' else outer, 3)/(c.inner_steps if step=='inner' else 1)
    keep(speed_row(step,'ours all steps','default', took, roof(), len(tau), N=len(tau), T=1000))

@pytest.mark.parametrize('step', ['inner','outer','epoch'])
@pytest.mark.parametrize('form', [plain.dense, plain.windows], ids=['dense','windows'])
@each
def test_plain(name, form, step, small, device, timed, roof, keep):
    "All trajectories padded to the longest: 1000 steps."
    if form is plain.dense and arch_of(name, small).M>1: pytest.skip('the same function for M=1 only')
    if step=='epoch' and name!='default': pytest.skip('minutes; its steps are measured')
    run, tau = setting(name, small, device, 8 if name=='default' else 2, T=50 if small else None); c = run.cfg
    p, q, n = plain.pad(tau), run.store.get(tau.key), c.inner_steps if name=='default' else 1
    took = timed(dict(inner=lambda: plain.climb(run.model, p, q, n, c.inner_lr, run.gen, form=form),
        outer=lambda: plain.descend(run, p, q, 200., form), epoch=lambda: plain.iterate(run, p, 200., form))[step], 3 if step=='inner' else 2)
    keep(speed_row(step, 'plain' if form is plain.dense else 'plain windows', name, took/(n if step=='inner' else 1), roof(), len(p), N=len(p), T=p.a.shape[1]))

# ---- (c) time to a target

def curve(way, train, test, arch, cfg, budget, roof): # -> rows
    run, scale, spent, out = new_run(train, arch, cfg, train.s.device), float(train.n.float().mean()), 0., []
    p, draws, ones = plain.pad(train), Draws(run,train), torch.ones(len(train), device=train.s.device)
    form = plain.windows if way=='plain windows' else plain.dense
    while run.i<cfg.iterations and spent<budget:
        begun = time.perf_counter()
        if way=='ours': v = iterate(run, train, draws, scale)['elbo']
        else: v = plain.iterate(run, p[torch.multinomial(ones, min(cfg.batch,len(train)), generator=run.gen)], scale, form)
        float(v.detach()) # waits for the device
        spent += time.perf_counter()-begun
        if way!='ours' or run.i<=20 or run.i%5==0:
            out.append(speed_row('curve', way, 'default', spent, roof, run.i*cfg.batch, N=len(train), T=run.i, k=cfg.k if way=='ours' else None, elbo=float(held_out_elbo(run.model, test, 40, 64, 4, seed=1).mean())))
    return out

@pytest.mark.parametrize('way', ['ours','plain','plain windows'])
def test_time_to_target(way, small, device, roof, keep, request):
    "The default network on part of the shipped Hopper set; the clock stands while we evaluate."
    tau = load('gac/hopper/medium-replay-mini-v0').to(device); budget = 3. if small else request.config.getoption('budget')
    rows = torch.linspace(0, len(tau)-1, 10 if small else 80, device=device).long(); test = torch.arange(len(rows), device=device)%5==0
    cfg = Fit(iterations=6 if small else 60, batch=4 if small else 16)
    keep(*curve(way, tau[rows[~test]], tau[rows[test]], arch_of('default',small), cfg, budget, roof()))

# ---- (e) rollouts

@pytest.mark.parametrize('n', [10,30,100])
def test_rollout(n, small, device, roof, keep):
    "Acting by the shipped Hopper checkpoint, against the same number of bare environment steps under random actions."
    if device!='cpu': pytest.skip('environments run on the CPU')
    run = load_run(data_root()/'checkpoints'/'demo')
    t = timing(run, 'Hopper-v5', 'prior', 2 if small else n, seed=9_000)
    for way,k in (('policy','acting'),('random actions','random'),('same actions','same')):
        keep(speed_row('rollout', way, 'demo', t[k], roof(), t['steps'], N=t['episodes']))

# ---- (f) scaling

def size(run, tau): # MB of data and posteriors
    run.store.get(tau.key)
    return sum(x.nbytes for x in (*vars(tau).values(), run.store.phi, run.store.v, run.store.t) if torch.is_tensor(x))/1e6

def updates(what, sizes, device, roof, keep, rounds): # sizes: [(N,T)]
    "Seconds of one batch at each size, in turn, so that other jobs of the machine meet all sizes alike."
    made = []
    for N,T in sizes:
        tau = toy_data(N, Arch(11,3), T).to(device); made.append((new_run(tau, Arch(11,3), Fit(iterations=10_000), device), tau))
    took = [[] for _ in made]
    for i in range(rounds+1):
        for (run,tau),t in zip(made, took):
            begun = time.perf_counter(); float(iterate(run, tau, Draws(run,tau), 200.)['elbo'].detach())
            if i: t.append(time.perf_counter()-begun)
    keep(*(speed_row(what,'ours','default', median(t), roof(), 32, N=len(tau), T=int(tau.n.max()), k=32, memory_mb=size(run,tau)) for (run,tau),t in zip(made,took)))

def test_update_by_T(small, device, roof, keep):
    updates('update by T', [(64,T) for T in (200,400,600,800,1000)], device, roof, keep, 3 if small else 15)

def test_update_by_N(small, device, roof, keep):
    updates('update by N', [(N,None) for N in (100,300,1000,2000)], device, roof, keep, 3 if small else 15)

PEAK = """import pathlib, resource, sys, torch; torch.set_num_threads(1)
from gac.model import Arch; from gac.speed import toy_data; from gac.train import *
tau = toy_data({N}, Arch(11,3)); run = new_run(tau, Arch(11,3), Fit(iterations=9)); run.store.get(tau.key)
iterate(run, tau, Draws(run,tau), 200.)
status = pathlib.Path('/proc/self/status') # ru_maxrss also counts what the parent had before the new process began
kb = next(int(l.split()[1]) for l in status.open() if l.startswith('VmHWM')) if status.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
print(kb*1024/1e6)"""
@pytest.mark.parametrize('N', [100,2000])
def test_memory_of_a_process(N, device, roof, keep):
    "Peak resident memory of a process that makes the data and does one update."
    if device!='cpu': pytest.skip('host memory')
    out = subprocess.run([sys.executable,'-c',PEAK.format(N=N)], capture_output=True, text=True, check=True).stdout
    keep(speed_row('process','ours','default', float('nan'), roof(), N, N=N, T=1000, k=32, memory_mb=float(out)))
