"Several processes: the same model as one, whoever owns what; a lost process stops all, and the checkpoint goes on with any number."
import os, signal, socket, subprocess, sys, time, traceback
from contextlib import suppress
from types import SimpleNamespace
import pandas as pd
import pytest
import torch
from gac import cli, processes
from gac.core import generator
from gac.data import save
from gac.envs import point_mass_data
from gac.model import Arch
from gac.processes import QueuedTraining, agree, join, speedup, submit
from gac.query import evaluate
from gac.run import Fit, load_run, new_run, save_run
from gac.train import Draws, fit

many = pytest.mark.skipif(not os.environ.get('GAC_TORCHRUN'), reason='starts many processes; set GAC_TORCHRUN=1')
SMALL = [x for k in ('recipe=none','D=16','heads=2','tokens=1','enc=1','dec=1','batch=9','k=4','inner_steps=2','outer_steps=2') for x in ('--set',k)]
KW = dict(batch=9, k=4, inner_steps=2, outer_steps=2, noise='keyed')
TINY = dict(D=16, heads=2, tokens=1, enc=1, dec=1)

def test_an_end_of_memory_is_not_a_lost_process():
    def full(): raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    with pytest.raises(RuntimeError, match='allocate memory'): object.__new__(processes.Team).do(full)

# ---- the team, without processes: two halves of one machine

class Half:
    "One of two team mates that run in turn; sums are given by hand."
    def __init__(self, rank, size): self.rank, self.size = rank, size

def test_owned_rows_make_the_whole_batch():
    tau = point_mass_data(30, seed=0); run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=5,**KW))
    one = Draws(run, tau); got = []
    for r in range(3):
        run.team = Half(r,3); d = Draws(run, tau); got += tau.key[d.mine][d.rows('cpu')].tolist()
    run.team = None; assert sorted(got)==sorted(tau.key[one.rows('cpu')].tolist()) and len(got)==9

@pytest.mark.parametrize('sd', [0.,.05])
def test_keyed_runs_repeat_and_resume(sd, tmp_path):
    tau = point_mass_data(20, seed=0)
    def go(until=None, out=None):
        run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=8,inner_stop=1e-3,state_noise=sd,**KW|dict(inner_steps=11))); fit(run, tau, out=out, until=until, progress=False); return run
    a = go(); go(5, tmp_path); b = load_run(tmp_path); fit(b, tau, progress=False)
    assert all(torch.equal(v, b.model.state_dict()[k]) for k,v in a.model.state_dict().items()) and torch.equal(a.store.get(tau.key).mu, b.store.get(tau.key).mu)
    shuffled = tau[torch.randperm(20, generator=generator(0))]; c = new_run(tau, Arch.tiny(3,2,**TINY), a.cfg); fit(c, shuffled, progress=False) # order does not matter
    assert all(torch.allclose(v, c.model.state_dict()[k], atol=1e-4) for k,v in a.model.state_dict().items())

def test_refused():
    tau = point_mass_data(8, seed=0)
    with pytest.raises(ValueError, match="Fit.noise='tape': choose 'stream' or 'keyed'"): Fit(noise='tape')
    with pytest.raises(ValueError, match='2 need .keyed.: add --set noise=keyed'): agree(Half(0,2), new_run(tau, cfg=Fit.tiny()), tau)
    with pytest.raises(ValueError, match='3 processes for batches of 8 .* at most 2'): agree(Half(0,3), new_run(tau, cfg=Fit.tiny(noise='keyed')), tau)

def test_mixed_settings():
    tau = point_mass_data(8, seed=0); mine = new_run(tau, cfg=Fit.tiny(noise='keyed'))
    class Other(Half):
        def tell(self, x, to_all): return [x, x.replace('"batch": 32','"batch": 16')]
    with pytest.raises(ValueError, match='process 1 was started otherwise .*"batch": 16.* against .*"batch": 32'): agree(Other(0,2), mine, tau)

def test_more_processes_than_devices(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK','0'); monkeypatch.setenv('LOCAL_WORLD_SIZE','99')
    with pytest.raises(ValueError, match='99 processes on this host need 99 CUDA devices; torch sees'): join('cuda')
    monkeypatch.delenv('LOCAL_RANK'); assert join('cpu')==(None,'cpu')

# ---- real processes

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A small set."
    d = tmp_path_factory.mktemp('team'); old = os.environ.get('GAC_CACHE'); os.environ['GAC_CACHE'] = str(d/'cache')
    yield save(point_mass_data(23, seed=0), 'me/point/mass-v0', 'gac/PointMass-v0', root=d/'sets')
    os.environ.pop('GAC_CACHE') if old is None else os.environ.update(GAC_CACHE=old)

@pytest.fixture(scope='module')
def shelf(place, tmp_path_factory):
    "A run of it by two processes."
    d = tmp_path_factory.mktemp('two')
    done = processes.torchrun(2, 'train', place, '--out', d/'two', '--iterations', 12, '--device', 'cpu', *SMALL); assert done.returncode==0, done.stderr
    return d, place

def member(rank, W, port, args, log): # in a fork of this process: what torchrun says to one of its own, then `gac`
    code = 1
    try:
        signal.alarm(240) # one that hangs ends too
        told = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=W, LOCAL_WORLD_SIZE=W, MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
        os.environ.update({k:str(v) for k,v in told.items()})
        for fd in (1,2): os.dup2(os.open(log, os.O_WRONLY|os.O_CREAT|os.O_APPEND), fd)
        sys.stdout, sys.stderr = (open(fd, 'w', closefd=False) for fd in (1,2))
        cli.main([*map(str,args)])
        code = 0
    except SystemExit as e: code = e.code or 0
    except BaseException: traceback.print_exc()
    finally:
        for f in (sys.stdout, sys.stderr): f.flush()
        os._exit(code if isinstance(code, int) else 1)

def team(W, tmp_path, *args):
    "As `torchrun`, by forks of this process: each fresh one would import torch. -> returncode, stderr"
    if torch.cuda.is_available(): return processes.torchrun(W, *args) # after a fork there is no CUDA
    with socket.socket() as s:
        s.bind(('127.0.0.1',0))
        port = s.getsockname()[1]
    logs, pids = [tmp_path/f'log-{r}' for r in range(W)], []
    for r in range(W):
        pids.append(os.fork())
        if not pids[-1]: member(r, W, port, args, logs[r])
    codes, ended = {}, False
    while len(codes)<W:
        time.sleep(.02)
        codes |= {p:c for p in pids if p not in codes for q,c in [os.waitpid(p, os.WNOHANG)] if q}
        if any(codes.values()) and not ended: # one has failed: the others are ended, soon
            ended = not time.sleep(1)
            for p in set(pids)-set(codes): os.kill(p, signal.SIGTERM)
    return SimpleNamespace(returncode=max(codes.values()), stderr=''.join(f.read_text() for f in logs))

def alone(place, **kw):
    from gac.data import load
    tau = load(str(place)); run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=12,**KW)); fit(run, tau, progress=False, **kw); return run, tau

def apart(a, b, tau):
    "Largest difference in θ (but for the biases of attention keys, whose gradient is rounding only), in φ, in the ELBO."
    assert set(a.store.row)==set(b.store.row)
    key = torch.tensor(list(a.store.row)); qa, qb = a.store.get(key), b.store.get(key)
    return (max((x-b.model.state_dict()[k]).abs().max().item() for k,x in a.model.state_dict().items() if not k.endswith('.k.bias')),
        max((qa.mu-qb.mu).abs().max().item(), (qa.lsd-qb.lsd).abs().max().item()),
        max(abs(x['elbo']-y['elbo']) for x,y in zip(a.history, b.history)))

def test_two_are_one(shelf):
    d, place = shelf; one, tau = alone(place); two = load_run(d/'two')
    assert two.cfg==one.cfg and two.meta['fingerprint']==one.meta['fingerprint'] and len(two.history)==12 and (d/'two'/'curves.png').exists()
    theta, phi, elbo = apart(one, two, tau); assert theta<1e-4 and phi<1e-3 and elbo<1e-2, (theta,phi,elbo)
    key = torch.tensor(list(one.store.row)); assert torch.allclose(one.store.warm(key)[0], two.store.warm(key)[0], atol=1e-3) and torch.equal(one.store.warm(key)[1], two.store.warm(key)[1])

def test_one_process_reads_what_two_wrote(shelf, tmp_path):
    d, place = shelf; two = load_run(d/'two'); parts = [*(d/'two'/'checkpoint').glob('posteriors-*-of-2.safetensors')]
    assert len(parts)==2 and two.opt is not None and not list((d/'two').glob('.*'))
    rows = evaluate(two, 'gac/PointMass-v0', 'prior', 4, seed=0); assert len(rows)==4
    save_run(two, tmp_path/'slim', slim=True, keep=5); assert len(load_run(tmp_path/'slim').store)==5
    save_run(two, tmp_path/'whole'); assert torch.equal(load_run(tmp_path/'whole').store.phi, two.store.phi)

@pytest.mark.parametrize('how', ['gone','cut'])
def test_a_torn_part_is_named(shelf, tmp_path, how):
    import shutil
    d,_ = shelf; shutil.copytree(d/'two', tmp_path/'torn'); p = tmp_path/'torn'/'checkpoint'/'posteriors-2-of-2.safetensors'
    p.unlink() if how=='gone' else p.write_bytes(p.read_bytes()[:50])
    with pytest.raises((ValueError,FileNotFoundError), match='posteriors-2-of-2.*(copy the checkpoint again|copy the whole checkpoint folder)'): load_run(tmp_path/'torn')

def test_resumed_by_another_number(place, tmp_path):
    "One begins, three go on; a run of one is a run of three."
    straight, tau = alone(place); alone(place, out=tmp_path/'r', until=6)
    done = team(3, tmp_path, 'train', place, '--out', tmp_path/'r', '--resume', '--device', 'cpu'); assert done.returncode==0, done.stderr
    r = load_run(tmp_path/'r'); assert r.i==12 and len(list((tmp_path/'r'/'checkpoint').glob('posteriors-*-of-3.safetensors')))==3
    theta, phi, elbo = apart(straight, r, tau); assert theta<1e-4 and phi<1e-3 and elbo<1e-2, (theta,phi,elbo)

def said(text): return [l for l in text.replace('\r','\n').splitlines() if l.startswith('gac: ')]

@many
def test_two_find_the_same_end(place, tmp_path):
    "Nobody says how long: two processes watch the same trajectories, stop at the same batch, and another number goes on."
    args = ['train', place, '--device', 'cpu', *SMALL, '--set', 'noise=keyed', '--set', 'watch_every=3', '--set', 'held=.2']
    for out,W in ((tmp_path/'one',1), (tmp_path/'two',2)):
        done = team(W, tmp_path, *args, '--out', out); assert done.returncode==0, done.stderr
    one, two = load_run(tmp_path/'one'), load_run(tmp_path/'two')
    assert one.i==one.end==two.i==two.end and one.watch.at==two.watch.at and one.watch.key.equal(two.watch.key) and len(one.watch.key)==7
    assert all(torch.allclose(torch.tensor(a), torch.tensor(b), atol=.05) for a,b in zip(one.watch.bound, two.watch.bound))
    assert all(torch.allclose(v, two.model.state_dict()[k], atol=1e-3) for k,v in one.model.state_dict().items())
    assert set(one.watch.key.tolist())<=set(two.store.row) and torch.allclose(one.store.get(one.watch.key).mu, two.store.get(one.watch.key).mu, atol=.05)

def test_one_line_for_one_mistake(place, tmp_path):
    done = team(2, tmp_path, 'train', place, '--out', tmp_path/'r', '--iterations', 5, '--set', 'noise=stream', *SMALL)
    assert done.returncode and len(said(done.stderr))==1 and 'add --set noise=keyed' in done.stderr and '[rank' not in done.stderr and not (tmp_path/'r').exists()

def test_other_commands_stay_alone(monkeypatch, capsys):
    monkeypatch.setenv('WORLD_SIZE','2'); monkeypatch.setenv('RANK','0')
    with pytest.raises(SystemExit): cli.main(['demo'])
    assert 'gac demo runs in one process' in capsys.readouterr().err

def children(pid): return [int(p) for t in os.listdir(f'/proc/{pid}/task') for p in open(f'/proc/{pid}/task/{t}/children').read().split()]
def rank(pid): return dict(x.split('=',1) for x in open(f'/proc/{pid}/environ').read().split('\0') if '=' in x).get('RANK')

@pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='needs /proc')
def test_killed(place, tmp_path):
    "kill -9 of one: all stop, one line, the checkpoint is whole and goes on."
    out, log = tmp_path/'r', open(tmp_path/'log','w')
    p = subprocess.Popen([sys.executable,'-m','torch.distributed.run','--standalone','--nproc-per-node','2','-m','gac','train',str(place),'--out',str(out),
        '--device','cpu','--iterations','100000','--save-every','40',*SMALL], stdout=log, stderr=log, env=os.environ|dict(OMP_NUM_THREADS='1'))
    try:
        end = time.time()+240
        while not (out/'checkpoint'/'config.json').exists() and p.poll() is None and time.time()<end: time.sleep(.05)
        assert (out/'checkpoint'/'config.json').exists(), (tmp_path/'log').read_text()[-500:]
        workers = {rank(c):c for c in children(p.pid)}; os.kill(workers['1'], signal.SIGKILL)
        begun = time.time(); code = p.wait(60)
    finally:
        for c in children(p.pid) if p.poll() is None else []: # torchrun's workers outlive it
            with suppress(ProcessLookupError): os.kill(c, signal.SIGKILL)
        p.kill(); p.wait()
    text = (tmp_path/'log').read_text()
    assert code and time.time()-begun<40 and len(said(text))==1 and 'process 0 of 2 has lost another one' in text and '--resume' in text, text[-2000:]
    run = load_run(out); assert run.i>0 and run.i%40==0 and len(run.store)
    from gac.data import load
    i = run.i; fit(run, load(str(place)), until=i+2, progress=False); assert run.i==i+2

# ---- cluster

def test_commands_of_a_job(tmp_path):
    job = QueuedTraining('set', tmp_path/'r', 4, ['--seed',1], ['--device','cuda'])
    a, b = (job.command(['n1','n2'], i, 29_501) for i in (0,1))
    assert [i for i,(x,y) in enumerate(zip(a,b)) if x!=y]==[a.index('--node-rank')+1] and a[a.index('--master-addr')+1]=='n1'
    assert '--standalone' in job.command(['n1'], 0, 1) and a[-4:]==['--seed','1','--device','cuda']
    (tmp_path/'r'/'checkpoint').mkdir(parents=True); again = job.command(['n1'], 0, 1)
    assert again[-3:]==['--resume','--device','cuda'] and '--seed' not in again

def test_submitit_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(ImportError, match='submitit is missing: pip install'): submit(QueuedTraining('set','out'))

def test_a_job_runs_here(place, tmp_path):
    pytest.importorskip('submitit')
    with pytest.raises(ValueError, match='2 hosts need SLURM'): submit(QueuedTraining(place,tmp_path/'r'), nodes=2, cluster='local')
    job = submit(QueuedTraining(place, tmp_path/'r', 1, ['--iterations',3,*SMALL], ['--device','cpu']), minutes=9, cluster='local')
    assert job.result()==0, job.stderr()
    assert load_run(tmp_path/'r').i==3 and load_run(tmp_path/'r').cfg.noise=='keyed'

def test_a_failed_job_is_one_line(tmp_path, capsys):
    pytest.importorskip('submitit')
    with pytest.raises(SystemExit): cli.main(['submit', str(tmp_path/'nothing'), '--out', str(tmp_path/'r'), '--cluster', 'local', '--wait'])
    err = capsys.readouterr().err; assert len(err.splitlines())==1 and err.startswith('gac: job ') and 'nothing' in err and 'logs are in' in err

# ---- the measurement

def test_speedup():
    seen = [('stream',1,101),('keyed',1,100),('keyed',1,90),('keyed',1,400),('keyed',2,180),('apart',2,190),('apart',2,200),('apart',2,300)]
    s = speedup(pd.DataFrame([dict(dataset='d', batch=b, way=n, processes=w, trajectories_per_second=x*b) for b in (1,3) for n,w,x in seen]))
    assert len(s)==8 and s.loc['d',3,'keyed',2].rate==540
    for b in (1,3): assert s.loc['d',b,'keyed',2].times==pytest.approx(1.8) and s.loc['d',b,'keyed',2].of_apart==pytest.approx(.9) and pd.isna(s.loc['d',b,'keyed',1].of_apart)

@many
def test_throughput(place):
    rows = processes.throughput(place, (1,2), 1, 10, SMALL)
    assert rows[['way','processes']].values.tolist()==[['stream',1],['keyed',1],['keyed',2],['apart',2]] and (rows.trajectories_per_second>0).all()
    with pytest.raises(OSError, match='stream, 1 processes: .*heads'): processes.throughput(place, (2,), 1, 10, [*SMALL,'--set','heads=5'])
