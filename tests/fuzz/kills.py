"Kills at random moments: afterwards the same command ends in the numbers of one that was left in peace, and nothing is left over."
import inspect
import json
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
import numpy as np
from . import harness
from .shelf import ALONE, ARCH, quick

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
PATIENCE = 120. # seconds that a command may take, on a machine with nothing else to do
ENDS = 10.      # seconds in which workers end after their parent

# Jobs that last seconds

def hurry(f, **new): # a function -> the same, with other defaults
    p = inspect.signature(f).parameters
    names = [k for k,v in p.items() if v.default is not v.empty and v.kind is v.POSITIONAL_OR_KEYWORD]
    f.__defaults__ = tuple(new.get(k, p[k].default) for k in names)

def _often(): # collect a few episodes at a time, bound by few steps
    from gac import online, query
    hurry(online.Online.__init__, chunk=2)
    hurry(query.Ask.__init__, steps=5)
    quick()

class Job:
    "A command, how it goes on, what it is about."
    def __init__(self, name, args, out, workers=1): self.name, self.args, self.out, self.workers = name, [str(a) for a in args], out, workers
    def again(self, room): # what to type after a kill
        if self.name=='train' and (room.work/self.out/'checkpoint').exists(): return ['train','flat.hdf5','--out',self.out,'--save-every','3','--resume']
        return self.args

TUNE = ['tune','flat.hdf5','--phase','fit','--budget',.1,'--held',2,*ARCH,'--table','','--study','s','--out','out','--no-prune']
LONG = Job('train', ['train','flat.hdf5','--out','out','--iterations',90,'--save-every',3,*ALONE], 'out') # still at work when it is asked to stop
JOBS = dict(
    train=Job('train', ['train','flat.hdf5','--out','out','--iterations',18,'--save-every',3,*ALONE], 'out'),
    online=Job('online', ['online','run','--dataset','flat.hdf5','--strategy','improve','--stages',2,'--episodes',6,'--set','iterations=5','--asked',2,'--save-every',3,'--out','out'], 'out'),
    tune=Job('tune', [*TUNE,'--trials',3], 'out'),
    tune2=Job('tune with two workers', [*TUNE,'--trials',3,'--workers',2], 'out', 2))

def settle(room): # a room with what every job needs
    for k in ('flat.hdf5','run'): room.copy(k)
    (room.work/'data').mkdir(exist_ok=True)
    return room

def start(job, args, room, n): # -> pid, the files of what it says
    files = [room.top/f'{n}.{k}' for k in ('out','err')]
    def do():
        signal.signal(INT, signal.default_int_handler) # in the background of a shell it would be ignored
        if job.workers==1: _often()
        return harness.call(args)
    return harness.fork(do, room.work, harness.variables(room, {}), *files), files[1]

def finish(pid): # -> exit code or None: it took too long
    stop = time.monotonic()+PATIENCE*harness.busy()
    while time.monotonic()<stop:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got: return os.waitstatus_to_exitcode(status)
        time.sleep(.01)
    harness.end(pid)
    os.waitpid(pid, 0)
    return None

def session(pid): # processes of the session that a child began, itself left out
    found = []
    for p in Path('/proc').glob('[0-9]*'):
        try: f = (p/'stat').read_text().rpartition(')')[2].split()
        except OSError: continue
        if int(f[3])==pid and int(p.name)!=pid and f[0]!='Z': found.append(int(p.name))
    return found

def alone(pid): # do the others of its session end by themselves?
    stop = time.monotonic()+ENDS*harness.busy()
    while session(pid) and time.monotonic()<stop: time.sleep(.05)
    left = session(pid)
    for p in left: os.kill(p, KILL)
    return not left

# When

def names(top):
    try: return {(d,*f) for d,_,f in os.walk(top)}
    except OSError: return set()

def strike(pid, room, job, rng, seconds, sig=KILL, how=None):
    "Wait for a random moment, or for a random change in the folder and a moment more; then the signal. -> what was hit, exit code"
    how = how or ('moment','write')[int(rng.integers(2))]
    at, change, more = rng.uniform(0, 1.05*seconds), int(rng.integers(1,40)), rng.uniform(0,.004)
    begun, before = time.monotonic(), names(room.work)
    while True:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got: return 'over', os.waitstatus_to_exitcode(status)
        now = names(room.work) if how=='write' else before
        if now!=before: before, change = now, change-1
        if time.monotonic()-begun>(at if how=='moment' else 2*seconds) or not change: break
        time.sleep(.0003)
    time.sleep(more if how=='write' else 0)
    others = session(pid)
    target = others[int(rng.integers(len(others)))] if job.workers>1 and others and rng.integers(2) and sig==KILL else pid
    try: os.kill(target, sig)
    except ProcessLookupError: pass
    return ('worker' if target!=pid else how), None

# What came of it

def _tensors(f):
    from safetensors import safe_open
    with safe_open(f, 'np') as o: return {k:o.get_tensor(k).tobytes() for k in o.keys()}

def _table(f): # a CSV file without its times
    import pandas as pd
    d = pd.read_csv(f)
    return d.drop(columns=[c for c in d if 'second' in c]).to_csv(index=False)

def _json(f):
    d = json.loads(re.sub(r'/[^"]*/(whole|kill|stop)-[^/"]*', '.', f.read_text())) # the room has another name each time
    rows = d if isinstance(d, list) else [d]
    for r in rows:
        if isinstance(r, dict) and not (r.get('meta') or {}).get('began', True): r['meta'].pop('began') # resumed, with nothing changed
    return [{k:v for k,v in r.items() if k not in ('seconds','versions')} if isinstance(r,dict) else r for r in rows]

def numbers(job, room)->dict: # file -> what it holds
    top = room.work/job.out
    if job.name.startswith('tune'): return trials(top/'tune.log')
    read = {'.safetensors':_tensors, '.csv':_table, '.json':_json}
    found = {p.relative_to(top).as_posix():p for p in top.rglob('*') if p.suffix in read and p.is_file()}
    return {k:read[p.suffix](p) for k,p in found.items() if '/.' not in f'/{k}'} # what is hidden is left over

def trials(log): # settings and values of all trials that had their say, by their place in the study
    import optuna
    from gac.study import rank_of
    from optuna.storages.journal import JournalFileBackend
    with open(log,'rb') as f: whole = f.read().endswith(b'\n')
    study = optuna.load_study(study_name='s-fit', storage=optuna.storages.JournalStorage(JournalFileBackend(str(log))))
    done = [t for t in study.trials if t.state.name in ('COMPLETE','PRUNED')]
    open_ = [t.number for t in study.trials if t.state.name=='RUNNING']
    said = sorted((rank_of(study.trials, t.number), sorted(t.params.items()), t.value, t.user_attrs.get('why')) for t in done)
    return dict(whole=whole, running=open_, trials=said)

def kinds(job, room): # names of all that lies there, numbers left out
    return sorted({re.sub(r'\d+','N',p.relative_to(room.top).as_posix()) for p in room.work.rglob('*')})

def compare(job, room, whole, seen): # -> faults
    bad = set()
    try: got = numbers(job, room)
    except Exception as e: return ['different'], f'cannot be read: {type(e).__name__}: {e}'
    diff = sorted(k for k in whole['numbers'].keys()|got.keys() if whole['numbers'].get(k)!=got.get(k))
    more = sorted(set(kinds(job,room))-set(whole['kinds']))
    if diff: bad.add('different')
    if more: bad.add('left')
    if seen: bad.add('lost')
    return sorted(bad), f"different: {', '.join(diff[:4])}; left: {', '.join(more[:4])}; {seen}"

# One kill, or two

def reference(job, base, shelf): # left in peace -> numbers, names, seconds
    room = settle(harness.Room(tempfile.mkdtemp(prefix='whole-',dir=base), shelf))
    begun = time.monotonic()
    pid, err = start(job, job.args, room, 0)
    code = finish(pid)
    if code is None: raise RuntimeError(f'{job.name} is not done after {time.monotonic()-begun:.0f} s, even in peace')
    if code: raise RuntimeError(f'{job.name} fails even in peace: {err.read_text()[-800:]}')
    return dict(numbers=numbers(job,room), kinds=kinds(job,room), seconds=time.monotonic()-begun)

def _go(job, room, args, n): # to its end -> '' or what was wrong
    pid, err = start(job, args, room, n)
    code, text = finish(pid), err.read_text(errors='replace')
    if 'Traceback' in text: return f'traceback: {text[-300:]}'
    return '' if not code else f'code {code}: {text[-300:]}'

def chain(job, base, shelf, whole, rng, kills=2):
    "Kill, go on, kill, go on to the end. -> one result for each kill"
    room, hit, wrong, had = settle(harness.Room(tempfile.mkdtemp(prefix='kill-',dir=base), shelf)), [], '', False
    args = job.args
    for n in range(kills):
        pid, err = start(job, args, room, n)
        what, code = strike(pid, room, job, rng, whole['seconds'])
        if what=='over' and code: wrong = wrong or f'code {code}: {err.read_text(errors="replace")[-300:]}'
        if what=='worker' or (what!='over' and finish(pid) is None): finish_all(pid)
        if what not in ('over','worker') and not alone(pid): wrong = wrong or 'workers outlived their parent'
        hit.append(what)
        had = had or (room.work/job.out/'checkpoint').exists()
        if what=='over' and job.name=='train': break
        args = job.again(room)
        if job.name=='train' and had and '--resume' not in args: wrong = wrong or 'the checkpoint is gone'
    if not (what=='over' and job.name=='train'): wrong = wrong or _go(job, room, args, kills)
    bad, why = compare(job, room, whole, wrong)
    shutil.rmtree(room.top, ignore_errors=True)
    return [_row(f'kills: {job.name}', h, i, bad, why) for i,h in enumerate(hit) if h!='over']

def finish_all(pid): # a killed worker does not end the command
    finish(pid)
    for p in session(pid): os.kill(p, KILL)

def _row(category, hit, i, bad, why):
    return dict(category=category, name=f'{hit} {i}', id=f'{category}: {hit}', faults=bad, code=0, err=why if bad else '', out='', seconds=0, peak=0, left=[], top='/nowhere')

def polite(base, shelf, whole, rng, sig): # the train command, asked to stop
    job, room = LONG, settle(harness.Room(tempfile.mkdtemp(prefix='stop-',dir=base), shelf))
    pid, err = start(job, job.args, room, 0)
    _begun(room, job)
    os.kill(pid, sig)
    code, bad = finish(pid), set()
    text = err.read_text(errors='replace')
    if code!=128+sig: bad.add('code')
    if 'Traceback' in text: bad.add('traceback')
    if '--resume' not in text: bad.add('unnamed')
    wrong = _go(job, room, job.again(room), 1)
    more, why = compare(job, room, whole, wrong)
    shutil.rmtree(room.top, ignore_errors=True)
    return _row('signals: train', sig.name, 0, sorted(bad|set(more)), f'code {code}: {text[-200:]} {why}')

def _begun(room, job): # wait for the first checkpoint
    stop = time.monotonic()+60*harness.busy()
    while not (room.work/job.out/'checkpoint').exists() and time.monotonic()<stop: time.sleep(.002)

def together(base, shelf, sig=KILL): # two trainings of one folder: the second is refused, until the first has died
    job, room = JOBS['train'], settle(harness.Room(tempfile.mkdtemp(prefix='both-',dir=base), shelf))
    long = [str(2000) if a=='18' else a for a in job.args]
    pid, err = start(job, long, room, 0)
    _begun(room, job)
    second = _go(job, room, job.again(room), 1)
    bad = set()
    if not re.match(r'code 2', second): bad.add('accepted')
    if bad or str(pid) not in second: bad.add('unnamed')
    os.kill(pid, sig)
    finish(pid)
    shutil.rmtree(room.top, ignore_errors=True)
    return _row('signals: train', 'two at once', 0, sorted(bad), f'the second: {second or "went on"}')

SHARES = dict(train=.4, online=.24, tune=.24, tune2=.12) # of the kills

def run(n, base, shelf, seed=20, only=None)->list:
    "So many kills, and signals: results as those of the inputs."
    rng, done, peace = np.random.default_rng(seed), [], {}
    for k,share in SHARES.items():
        if only and k not in only: continue
        job, want, mine, tries = JOBS[k], max(1,round(share*n)), [], 0
        peace[k] = reference(job, base, shelf)
        while len(mine)<want and tries<3*want:
            mine += chain(job, base, shelf, peace[k], rng, min(2, want-len(mine)))
            tries += 1
        done += mine
        print(f'fuzz: {len(mine)} kills of {job.name}, {peace[k]["seconds"]:.1f} s in peace', flush=True)
    if 'train' not in peace or n<=9: return done
    whole = reference(LONG, base, shelf)
    return done+[polite(base, shelf, whole, rng, s) for s in (TERM,INT)]+[together(base, shelf)]
