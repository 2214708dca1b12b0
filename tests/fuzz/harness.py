"One input at a time: a room of its own, a child of a warm process, and a look at all that came out."
import ctypes
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

MEMORY, SECONDS, LINES = 1.5e9, 20., 3 # limits of a refusal: bytes, seconds (of a machine with nothing else to do), lines on stderr
CACHES = ('torchinductor_',) # what torch leaves in TMPDIR, whatever it is asked
FAULTS = ('killed', 'memory', 'time', 'executed', 'traceback', 'accepted', 'refused', 'code', 'left', 'unnamed', 'long', 'lost', 'different')
REPO = Path(__file__).resolve().parents[2]

@dataclass
class Case:
    "One input: how to make it, and what has to come of it."
    category:str         # row of the table
    name:str             # of the input, unique in its category
    make:object          # make(Room) -> arguments of `gac`
    says:tuple = ()      # patterns that stderr has to hold, each, also where the input is accepted; case does not matter
    expect:str = 'refuse'# or 'accept', or 'either': a result or a refusal, as long as it is clean
    env:dict = field(default_factory=dict) # environment variables; None: unset
    user:bool = False    # run as somebody without rights (where we are root)
    idle:bool = False    # nothing may be trained: the first batch counts as accepted
    real:bool = False    # a process of its own, as a shell starts it
    out:str = ''         # pattern that stdout has to hold, of an accepted input
    @property
    def id(self): return f'{self.category}: {self.name}'

class Room:
    "A folder for one input, with copies of healthy things."
    def __init__(self, top, shelf):
        self.top, self.shelf, self.work = Path(top), Path(shelf), Path(top)/'w'
        self.work.mkdir(parents=True)
        (self.top/'tmp').mkdir()
    def __truediv__(self, name): return self.work/name
    def copy(self, name, to=None):
        "A thing from the shelf, ours to break."
        new = self.work/(to or name)
        if new.exists(): return new
        new.parent.mkdir(parents=True, exist_ok=True)
        src = self.shelf/name
        shutil.copytree(src, new, symlinks=True) if src.is_dir() else shutil.copy(src, new)
        return new
    def write(self, name, text):
        p = self.work/name
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(text if isinstance(text, bytes) else text.encode())
        return p

# What is in a folder

def tree(top)->dict: # path -> kind and contents of everything below
    found = {}
    for p in sorted(Path(top).rglob('*')):
        name = p.relative_to(top).as_posix()
        if any(c in name for c in CACHES): continue
        if p.is_symlink(): found[name] = f'link {os.readlink(p)}'
        elif p.is_file(): found[name] = hashlib.blake2b(p.read_bytes(), digest_size=8).hexdigest()
        else: found[name] = 'folder' if p.is_dir() else 'other'
    return found

def changed(before, after): # -> what is new, gone or different
    return sorted(k for k in before.keys()|after.keys() if before.get(k)!=after.get(k))

# The child

def variables(room, more)->dict: # environment of a command: name -> value; None: unset
    own = dict(GAC_CACHE=str(room.top.parent/'cache'), MINARI_DATASETS_PATH=str(room.top/'minari'), TMPDIR=str(room.top/'tmp'),
        GAC_DATA=str(room.work/'data'), OMP_NUM_THREADS='1', MPLBACKEND='agg', HOME=str(room.top.parent/'home'), GAC_DEBUG=None)
    return own|more

def call(args): # as `python -m gac` would end: exit code
    from gac import cli
    try: cli.main([*map(str,args)])
    except SystemExit as e:
        if isinstance(e.code, str): print(e.code, file=sys.stderr)
        return 1 if isinstance(e.code, str) else e.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

def _no_network():
    import socket
    def refuse(self, where, *rest):
        if self.family!=socket.AF_UNIX: raise OSError('no network here')
        return connect(self, where, *rest)
    connect = socket.socket.connect
    socket.socket.connect = refuse

def _idle(): # the first batch of a training ends the process: the input was accepted
    from gac import train
    def accepted(*args, **kw):
        sys.stdout.flush()
        os._exit(0)
    train.iterate = accepted

def _unprivileged(): # root as anybody: it owns what it owns, and modes hold for it too (prctl(2), capset(2))
    if os.getuid(): return
    libc, noroot = ctypes.CDLL(None, use_errno=True), 3
    none, header = (ctypes.c_uint32*6)(), (ctypes.c_uint32*2)(0x20080522, 0)
    if libc.prctl(28, noroot, 0, 0, 0) or libc.capset(header, none): raise OSError(ctypes.get_errno(), 'rights cannot be given up')

def _redirect(out, err):
    for path,fd in ((out,1),(err,2)):
        f = os.open(path, os.O_WRONLY|os.O_CREAT|os.O_TRUNC, 0o666)
        os.dup2(f, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

def _enter(cwd, env):
    os.chdir(cwd)
    tempfile.tempdir = None
    for k,v in env.items(): os.environ.pop(k, None) if v is None else os.environ.update({k:str(v)})

def fork(do, cwd, env, out, err)->int: # function -> exit code, environment, files for stdout and stderr -> pid
    "Run a function in a child of this process, in a session of its own."
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid: return pid
    code = 99
    try:
        os.setsid()
        _redirect(out, err)
        _enter(cwd, env)
        code = do()
    except BaseException: traceback.print_exc()
    finally:
        for f in (sys.stdout, sys.stderr):
            try: f.flush()
            except Exception: pass
        os._exit(code if isinstance(code, int) else 98)

def shell(args, cwd, env, out, err)->int: # the same by a process of its own -> pid
    full = {k:v for k,v in (os.environ|env).items() if v is not None}|dict(PYTHONPATH=str(REPO))
    with open(out,'wb') as o, open(err,'wb') as e:
        p = subprocess.Popen([sys.executable,'-m','gac',*map(str,args)], stdin=subprocess.DEVNULL, stdout=o, stderr=e, cwd=cwd,
            env=full, start_new_session=True)
    p.returncode = 0 # it is waited for by `watch`
    return p.pid

def _rss(pid):
    try: return int(Path(f'/proc/{pid}/statm').read_text().split()[1])*resource.getpagesize()
    except (OSError, IndexError, ValueError): return 0

def end(pid): # the whole session of a child
    try: os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError): pass

def busy(): # how much slower is a process than on a machine with nothing else to do?
    return min(4., max(1., os.getloadavg()[0]/(os.cpu_count() or 1)))

def watch(pid, seconds=SECONDS, memory=MEMORY)->dict: # exit code (negative: a signal), peak bytes, seconds
    "Wait for a child; beyond a limit it is ended."
    seconds *= busy()
    begun, peak = time.monotonic(), 0
    while True:
        got, status, used = os.wait4(pid, os.WNOHANG)
        took = time.monotonic()-begun
        if got: break
        peak = max(peak, _rss(pid))
        if peak>memory or took>seconds: end(pid)
        time.sleep(.004 if took<1 else .02)
    end(pid) # whoever it left behind
    return dict(code=os.waitstatus_to_exitcode(status), peak=max(peak, used.ru_maxrss*1024), seconds=took, late=took>seconds,
        cpu=used.ru_utime+used.ru_stime)

# The verdict

def lines(text): # what a terminal shows: a bar writes over itself
    return [l.rpartition('\r')[2] for l in text.rstrip('\r\n').split('\n') if l.rpartition('\r')[2].strip()]

def faults(case, got)->list: # a case, what came out -> names of what is wrong with it, the worst first
    code, err, out = got['code'], got['err'], got['out']
    refused, bad = code not in (0,None), set()
    if got['peak']>MEMORY: bad.add('memory')
    if got['late']: bad.add('time')
    if code is not None and code<0 and not bad: bad.add('killed')
    if any('pwned' in p for p in got['left']): bad.add('executed')
    if 'Traceback' in err: bad.add('traceback')
    if case.expect=='refuse' and not refused: bad.add('accepted')
    if case.expect=='accept' and (refused or not re.search(case.out, out)): bad.add('refused')
    if refused and code!=2: bad.add('code')
    if refused and got['left']: bad.add('left')
    if (refused or case.expect=='accept') and not all(re.search(s, err, re.I) for s in case.says): bad.add('unnamed')
    if refused and not 1<=len(lines(err))<=LINES: bad.add('long')
    return [f for f in FAULTS if f in bad]

def attempt(case, base, shelf)->dict:
    "One input, from its making to the verdict."
    room = Room(tempfile.mkdtemp(prefix='in-', dir=base), shelf)
    try:
        os.chmod(room.top, 0o755)
        (room.work/'data').mkdir()
        args = case.make(room)
        before, files = tree(room.top), (room.top.parent/f'{room.top.name}.out', room.top.parent/f'{room.top.name}.err')
        pid = _start(case, room, args, files)
        got = watch(pid)|dict(args=[str(a) for a in args])
        got |= dict(out=files[0].read_text(errors='replace'), err=files[1].read_text(errors='replace'))
        got['left'] = changed(before, tree(room.top))
        got['faults'] = faults(case, got)
        return got|dict(category=case.category, name=case.name, id=case.id, top=str(room.top))
    finally:
        for f in (room.top, *(p for p in room.top.rglob('*') if p.is_dir() and not p.is_symlink())): os.chmod(f, 0o755)
        shutil.rmtree(room.top, ignore_errors=True)
        for f in room.top.parent.glob(f'{room.top.name}.*'): f.unlink()

def _start(case, room, args, files): # -> pid
    env = variables(room, case.env)
    if case.real: return shell(args, room.work, env, *files)
    def do():
        _no_network()
        if case.idle: _idle()
        if case.user: _unprivileged()
        return call(args)
    return fork(do, room.work, env, *files)

def first_of(got): return got['faults'][0] if got['faults'] else '' # an input counts once, by its worst fault

def said(got): # what came out, in one line without the paths of this run
    text = ' | '.join(lines(got['err'].replace(got['top'], '.'))[-2:]) or ' | '.join(lines(got['out'])[-1:])
    more = f" left: {', '.join(got['left'][:3])}" if got['left'] else ''
    return f"{'+'.join(got['faults']) or 'clean'}: code {got['code']}, {got['seconds']:.1f} s, {got['peak']/1e6:.0f} MB: {text[:220]}{more}"
