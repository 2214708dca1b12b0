"Where a study is kept: a journal or a database; what a dead process leaves is mended, what is somebody else's is left alone."
import os, shutil, signal, socket, subprocess, sys, tempfile, threading
from pathlib import Path
import pytest
from gac import storage as sg, study as st
from gac.storage import FileLock, check_journal, open_storage
from gac.study import finished, open_study, requeue, run_study, run_trial
from toys.searches import FIXED, about, disk, killed, mass, quick, states, untrained

optuna = pytest.importorskip('optuna')

# ---- what can be opened

@pytest.mark.parametrize('where,workers,error,says', [('sqlite:///x.db',2,ValueError,'is for one process; for 2 workers use a journal'), ('x.txt',1,ValueError,'use a journal'),
    ('sqlite:////nowhere/x.db',1,OSError,'sqlite:////nowhere/x.db cannot be used'), ('postgresql+psycopg://me:secret@127.0.0.1:1/x',1,OSError,r'me:\*\*\*@127.0.0.1:1/x cannot be used'),
    ('nosuch://x',1,OSError,'nosuch://x cannot be used'), ('/dev/null/x.log',1,OSError,'/dev/null/x.log cannot be used')])
def test_bad_storage(where, workers, error, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says) as e: open_storage(where, workers)
    assert 'secret' not in str(e.value) and '\n' not in str(e.value) and not any(tmp_path.iterdir())

def test_locked_sqlite(mass, tmp_path):
    import sqlite3
    where = f'sqlite:///{tmp_path}/a.db'; open_study(about(), mass, where, 's')
    c = sqlite3.connect(tmp_path/'a.db', isolation_level=None); c.execute('begin exclusive')
    try:
        with pytest.raises(OSError, match='a.db cannot be used: .*locked.*journal'): open_study(about(), mass, where, 't')
    finally: c.rollback(); c.close()
    assert open_study(about(), mass, where, 's').study_name=='s'

@pytest.mark.parametrize('kind', ['folder','pipe'])
def test_what_is_no_file(tmp_path, kind):
    p = tmp_path/'a.log'; p.mkdir() if kind=='folder' else os.mkfifo(p)
    with pytest.raises(ValueError, match=r'a\.log is not a file: choose another'): open_storage(p)

def test_looking_up_writes_nothing(tmp_path):
    for where in (tmp_path/'x'/'a.log', f'sqlite:///{tmp_path}/a.db'): assert st.searched(where,'s')==st.best_params(where,'s')=={}
    assert not any(tmp_path.iterdir())

# ---- what a dead process leaves

def test_half_a_line_in_the_journal(mass, tmp_path, untrained):
    where = tmp_path/'a.log'; study = open_study(about(), mass, where, 's'); run_trial(study, about(), mass)
    with open(where,'ab') as f: f.write(b'{"op_code":5,"wor')
    again = open_study(about(), mass, where, 's'); run_trial(again, about(), mass)
    assert states(open_study(about(), mass, where, 's'))==['COMPLETE']*2

def test_what_a_dead_writer_leaves(tmp_path):
    "Half a line is dropped by whoever gets the lock next; the lock of a dead process is free, that of a living one is waited for."
    p = tmp_path/'a.log'; p.write_bytes(b'{"op_code":0}\n{"op_')
    held = f"from gac.storage import FileLock; lock = FileLock({str(p)!r}); lock.acquire(); print(1, flush=True); input()"
    child = subprocess.Popen([sys.executable,'-c',held], stdin=subprocess.PIPE, stdout=subprocess.PIPE); child.stdout.readline()
    lock = FileLock(p); got = threading.Thread(target=lock.acquire, daemon=True); got.start(); got.join(.3)
    assert got.is_alive() and p.read_bytes()==b'{"op_code":0}\n' # the child has dropped it, and holds on
    with open(p,'ab') as f: f.write(b'{"op_code":4,')
    child.kill(); child.wait(); got.join(10)
    assert not got.is_alive() and p.read_bytes()==b'{"op_code":0}\n' and [f.name for f in tmp_path.iterdir()]==['a.log']
    lock.release()

def test_another_goes_on_after_half_a_line(mass, tmp_path, untrained):
    "A worker dies while it writes, the others have the journal open: what they append stays readable."
    where = tmp_path/'a.log'; study = open_study(about(), mass, where, 's'); run_trial(study, about(), mass)
    with open(where,'ab') as f: f.write(b'{"op_code":5,"wor')
    run_trial(study, about(), mass); check_journal(where)
    assert states(open_study(about(), mass, where, 's'))==['COMPLETE']*2

def test_a_journal_that_is_held_is_said(tmp_path, capfd):
    "Who waits says for what, once, and goes on when the other is done."
    import fcntl, threading
    path = tmp_path/'tune.log'
    path.write_bytes(b'')
    with open(path, 'r+b') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        lock = sg.FileLock(path)
        lock.file = open(path, 'r+b')
        free = threading.Timer(.5, fcntl.flock, (other, fcntl.LOCK_UN))
        free.start()
        lock.wait(patience=.1)
        lock.release()
    assert capfd.readouterr().err==f'gac: {path} is held by another process: waiting for it\n'
    assert sg.FileLock(path).acquire() and not capfd.readouterr().err

@pytest.mark.parametrize('kind', ['{}/a.log','sqlite:///{}/a.db'])
@pytest.mark.parametrize('waits', [False,True])
def test_killed_at_any_write(mass, tmp_path, untrained, monkeypatch, kind, waits):
    "Before and after each record of the storage, the next search goes on at once, and no trial is lost."
    where = kind.format(tmp_path)
    def study(): return open_study(about(), mass, where, 's')
    if waits: study().enqueue_trial(dict(batch=64), user_attrs={})
    else: study()
    def dies(n, after):
        number = iter(range(1, 1000))
        def at(f):
            def write(*a, **kw):
                mine = next(number)
                if mine==n and not after: os.kill(os.getpid(), signal.SIGKILL)
                got = f(*a, **kw)
                if mine==n: os.kill(os.getpid(), signal.SIGKILL)
                return got
            return write
        s = study(); own = type(s._storage)
        for k in ('create_new_trial','set_trial_state_values','set_trial_user_attr','set_trial_param'):
            if k in vars(s._storage): monkeypatch.setattr(s._storage, k, at(getattr(s._storage, k)))
            else: monkeypatch.setattr(own, k, at(getattr(own, k)))
        run_trial(s, about(), mass)
    for n,after in ([(1,True)] if ':' in kind else [(n,after) for n in range(1,5) for after in (False,True)]): # a database is slow
        assert killed(lambda: dies(n, after))
        s = study(); requeue(s)
        assert 'RUNNING' not in states(s) and states(s).count('WAITING')==(waits or len(states(s))>0)
    s = study(); run_trial(s, about(), mass)
    assert finished(s)==1 and 'WAITING' not in states(s) and s.best_trial.params['batch']==(64 if waits else 32)

# ---- files of somebody else

LINE = '{"op_code":0,"worker_id":"w","study_name":"s","directions":[2]}\n'

FOREIGN = {'diary':'Monday: nothing\nTuesday: h', 'half a line':'hello', 'a list':'[1,2]\n', 'other json':'{"loss":0.1}\n{"loss":', 'half of other json':'{"loss":0.1', 'no such operation':LINE+'{"op_code":99,"worker_id":"w"}\n',
    'a word for a number':LINE+'{"op_code":"0","worker_id":"w"}\n', 'a list for a number':'{"op_code":[0]}\n', 'no worker':'{"op_code":0,"study_name":"s","directions":[2]}\n', 'a name that is a number':LINE.replace('"s"','3'),
    'a field is missing':LINE+'{"op_code":7,"worker_id":"w","trial_id":0,"step":1}\n', 'a field of another kind':LINE+'{"op_code":6,"worker_id":"w","trial_id":0,"state":"1","values":null}\n', 'bytes':'\0\1\2\n', 'deep':'['*100000+'\n',
    'torn in the middle':LINE+'{"op_code":4,"wor\n'+LINE, 'our words, then others':LINE+'and a note', 'nothing that fits together':LINE.replace('[2]','[9]')}

@pytest.mark.parametrize('text', FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_somebody_else_is_left_alone(mass, tmp_path, text):
    "One error that names it; not a byte has changed, and nothing lies beside it."
    p = tmp_path/'a.log'; p.write_text(text, encoding='latin-1')
    for opens in (lambda: open_storage(p), lambda: open_study(about(), mass, p, 's'), lambda: st.searched(p,'s'), lambda: st.best_params(p,'s')):
        with pytest.raises(ValueError, match=r'a\.log.*left as it is: choose another --storage'): opens()
        assert p.read_text(encoding='latin-1')==text and [f.name for f in tmp_path.iterdir()]==['a.log']

def test_a_database_of_somebody_else_is_left_alone(tmp_path):
    import sqlite3
    p = tmp_path/'a.db'
    with sqlite3.connect(p) as c: c.execute('create table recipes (x)')
    c.close(); before = p.read_bytes()
    with pytest.raises(ValueError, match="a database of something else, with a table 'recipes'"): open_storage(f'sqlite:///{p}')
    assert p.read_bytes()==before
    p.write_bytes(b'not a database, but long enough to be looked at '*40); before = p.read_bytes()
    with pytest.raises(OSError, match='a.db cannot be used: file is not a database'): open_storage(f'sqlite:///{p}')
    assert p.read_bytes()==before and [f.name for f in tmp_path.iterdir()]==['a.db']

# ---- lost in the middle

def lost_in_a_trial(monkeypatch, break_it): # the storage goes while a trial trains
    def gone(*a): break_it(); return quick(*a)
    monkeypatch.setattr(st, 'attempt', gone)

@pytest.mark.parametrize('workers', [1,2])
def test_storage_lost_in_the_middle(disk, tmp_path, monkeypatch, workers):
    "One clear error that names the storage, from trial, requeue and finally alike."
    import sqlite3
    where, db = f'sqlite:///{tmp_path}/a.db', tmp_path/'a.db'
    def lose():
        c = sqlite3.connect(db); [c.execute(f'drop table {x}') for x in ('trial_values','trial_user_attributes','trial_intermediate_values','trials')]; c.commit(); c.close()
    if workers==1: lost_in_a_trial(monkeypatch, lose)
    else:
        monkeypatch.setattr(st, 'open_storage', lambda w, n=1: open_storage(w)) # SQLite for this test only
        monkeypatch.setattr(st, '_dispatch', lambda study, *a: [lose(), finished(study)])
    with pytest.raises(OSError, match='a.db cannot be used: .*no such table.*the same command goes on'): run_study(about(disk), where, 's', 2, workers, progress=False)

def test_storage_locked_in_the_middle(disk, tmp_path, monkeypatch):
    import sqlite3
    c, real = [], sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, 'connect', lambda *a, **kw: real(*a, **kw|dict(timeout=.1))) # not five seconds, each time
    def hold(): c.append(sqlite3.connect(tmp_path/'a.db', isolation_level=None)); c[0].execute('begin exclusive')
    lost_in_a_trial(monkeypatch, lambda: c or hold())
    try:
        with pytest.raises(OSError, match='a.db cannot be used: .*locked; another process holds it'): run_study(about(disk), f'sqlite:///{tmp_path}/a.db', 's', 2, 1, progress=False)
    finally: c[0].rollback(); c[0].close()
    monkeypatch.setattr(st, 'attempt', quick)
    assert finished(run_study(about(disk), f'sqlite:///{tmp_path}/a.db', 's', 2, 1, progress=False))==2

def test_best_params_of_a_lost_storage(mass, tmp_path, untrained, monkeypatch):
    where = f'sqlite:///{tmp_path}/a.db'; run_trial(open_study(about(), mass, where, 's'), about(), mass)
    assert st.best_params(where, 's') and st.searched(where, 's')['fixed']==FIXED and st.best_params(where, 'x')==st.searched(where, 'x')=={}
    def lost(study): raise optuna.exceptions.StorageInternalError('gone')
    monkeypatch.setattr(st, 'best_trial', lost)
    with pytest.raises(OSError, match='a.db cannot be used: gone'): st.best_params(where, 's')

# ---- a database

PG = Path('/usr/lib/postgresql/15/bin')

@pytest.mark.skipif(not os.environ.get('GAC_TEST_POSTGRES'), reason='set GAC_TEST_POSTGRES=1 to start a PostgreSQL server')
def test_postgres(disk, mass):
    "Two workers on a server of our own; it stops, which is one clear error, and starts again with everything in it."
    pytest.importorskip('psycopg'); pg = PG if PG.is_dir() else Path(shutil.which('pg_ctl') or pytest.skip('no PostgreSQL server here')).parent
    d = Path(tempfile.mkdtemp(prefix='gacpg', dir='/tmp')); sure = ['runuser','-u','nobody','--'] if os.getuid()==0 else []
    if sure: shutil.chown(d, 'nobody')
    def run(*a): subprocess.run([*sure,*map(str,a)], check=True, cwd=d, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    def start(): run(pg/'pg_ctl','-D',d/'db','-w','-o',f'-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={d}','-l',d/'log','start')
    with socket.socket() as k: k.bind(('127.0.0.1',0)); port = k.getsockname()[1]
    run(pg/'initdb','-D',d/'db','-U','gac','-A','trust'); start()
    try:
        s, where = about(disk), f'postgresql+psycopg://gac@127.0.0.1:{port}/postgres'
        study = run_study(s, where, 's', 4, 2, progress=False)
        assert states(study)==['COMPLETE']*4 and len({t.user_attrs['process'][1] for t in study.trials})==2
        run(pg/'pg_ctl','-D',d/'db','-m','fast','stop')
        with pytest.raises(OSError, match='cannot be used'): open_study(s, mass, where, 's')
        start(); assert finished(run_study(s, where, 's', 5, 1, progress=False))==5
    finally:
        subprocess.run([*sure,str(pg/'pg_ctl'),'-D',str(d/'db'),'-m','immediate','stop'], cwd=d, capture_output=True); shutil.rmtree(d, ignore_errors=True)
