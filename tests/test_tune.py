"The search: equal compute, the same trajectories held out, one study about one thing; a worker that dies takes one trial with it."
import json, os, shlex, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path
import numpy as np
import pandas as pd
import pytest
import torch
from gac import cli, storage as sg, study as st, tune as tu
from gac.rows import save_rows
from gac.core import generator, windows
from gac.data import save
from gac.elbo import infer
from gac.envs import point_mass_data
from gac.model import Arch
from gac.storage import FileLock, check_journal, open_storage
from gac.study import finished, open_study, run_study, requeue, run_trial, trial_rows
from gac.run import Fit, load_run, new_run
from gac.train import fit
from gac.tune import Search, Unaffordable, attempt, configure, held_out_elbo, iteration_flops, space, split

optuna = pytest.importorskip('optuna')
FIXED = dict(D=16, tokens=1, heads=2, enc=1, dec=1, M=1)
def about(dataset='mass', **kw): return Search(str(dataset), **(dict(phase='fit', budget=.3, held=8, steps=5, k=4, draws=2, fixed=FIXED)|kw))
def states(study): return [t.state.name for t in study.get_trials(deepcopy=False)]
def quick(search, chosen, tau, report=None, out=None, device='cpu', env=None, mark=None): # a trial without training
    for i in (25,50,75): report(i, -float(chosen['batch']))
    return dict(value=-float(chosen['batch']), error=1., iterations=9, flops=9, n_params=9, seconds=0., values=[1.,2.])

@pytest.fixture(scope='module')
def mass(): return point_mass_data(30, seed=3)

@pytest.fixture(scope='module')
def disk(tmp_path_factory, mass):
    "The same on disk, with a cache of its own."
    os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    yield save(mass, 'gac/mass-v0', 'gac/PointMass-v0', tmp_path_factory.mktemp('sets'))
    os.environ.pop('GAC_CACHE')

@pytest.fixture
def untrained(monkeypatch): monkeypatch.setattr(st, 'attempt', quick)

# ---- space and budget

def test_space_is_table_4_and_the_cpu_space_is_inside():
    full, cpu = space('table4'), space('cpu')
    assert set(full)==set(cpu)==set(space('cpu','arch'))|set(space('cpu','fit')) and len(full)==11
    assert full['D']==[64,128,192,256,512] and full['inner_lr']==dict(low=.01, high=.5)
    assert all(set(cpu[k])<=set(full[k]) for k in ('D','tokens','heads','enc','dec','M'))
    assert max(cpu['D'])<=128 and max(cpu['enc']+cpu['dec'])<=2 and max(cpu['M'])<=4 and max(cpu['batch'])<=128
    assert all(not D%h for D in full['D'] for h in full['heads'])

@pytest.mark.parametrize('args,says', [(('gpu',),"choose 'cpu'"), (('cpu','inner'),"choose 'arch'")])
def test_unknown_space(args, says):
    with pytest.raises(ValueError, match=says): space(*args)

def random_points(n=60, seed=0):
    g = np.random.default_rng(seed)
    for _ in range(n): yield {k:float(np.exp(g.uniform(np.log(v['low']),np.log(v['high'])))) if isinstance(v,dict) else int(g.choice(v)) for k,v in space().items()}

def test_every_trial_costs_the_same():
    s = about(phase='both', budget=1000, fixed={}); whole = 1000*iteration_flops(Arch(11,3),Fit())
    for point in random_points():
        arch, cfg = configure(s, point, 11, 3)
        n, per = cfg.iterations, iteration_flops(arch, cfg)
        assert abs(n*per-whole)<=per/2+1 and n>=4 and cfg.seed==s.seed

def test_a_batch_is_no_larger_than_the_data():
    s = about(budget=50)
    assert configure(s, dict(batch=128), 3, 2, 22)[1].iterations==configure(s, dict(batch=64), 3, 2, 22)[1].iterations>configure(s, dict(batch=128), 3, 2)[1].iterations

def test_too_small_a_budget():
    with pytest.raises(Unaffordable, match='raise it to'): configure(about(phase='both',fixed={}), dict(D=128,M=4,batch=128,outer_steps=20), 11, 3)

@pytest.mark.parametrize('kw,says', [(dict(budget=0),'Search.budget=0'), (dict(held=1),'Search.held=1'), (dict(fixed=dict(learn_sigma_y=True)),'do not compare'),
    (dict(fixed=dict(batch=3)),'searched for'), (dict(fixed=dict(seed=3)),'cannot be fixed'), (dict(fixed=dict(iterations=3)),'cannot be fixed'), (dict(space='gpu'),'unknown search space')])
def test_bad_search(kw, says):
    with pytest.raises(ValueError, match=says): about(**kw)

# ---- the measurement

def test_split_is_by_seed_and_key(mass):
    rest, held = split(mass, 8, 1)
    assert len(held)==8 and len(rest)==22 and not set(rest.key.tolist())&set(held.key.tolist())
    for seed in range(3):
        mixed = mass[torch.randperm(30, generator=generator(seed))]
        assert split(mixed, 8, 1)[1].key.tolist()==held.key.tolist()
    assert split(mass, 8, 2)[1].key.tolist()!=held.key.tolist()
    assert set(split(mass,4,1)[1].key.tolist())<=set(held.key.tolist())

@pytest.mark.parametrize('held', [0,1,29,30,99])
def test_split_leaves_both_sides_something(mass, held):
    with pytest.raises(ValueError, match='choose 2 to 28'): split(mass, held)

def test_trial_repeats_and_sees_only_the_rest(mass, tmp_path):
    looks, chosen = [], dict(batch=32, outer_steps=8)
    got = attempt(about(), chosen, mass, lambda *x: looks.append(x), tmp_path/'t', env='gac/PointMass-v0')
    assert {k:v for k,v in attempt(about(), chosen, mass).items() if k!='seconds'}=={k:v for k,v in got.items() if k!='seconds'}
    assert [x for x,_ in looks]==[25,50,75] and len(got['values'])==8
    assert got['value']==pytest.approx(np.mean(got['values']), abs=1e-2) and got['error']==pytest.approx(np.std(got['values'],ddof=1)/8**.5, abs=1e-2)
    run, (rest,held) = load_run(tmp_path/'t'), split(mass, 8)
    assert run.y.tolist()==rest.y.tolist() and run.i==run.cfg.iterations==got['iterations'] and run.meta['env']=='gac/PointMass-v0'
    assert not set(run.store.row)&set(held.key.tolist()) and float(run.model.std.y_mean)==pytest.approx(float(rest.y.mean()), rel=1e-4)
    v = held_out_elbo(run.model, held, 5, 4, 2)
    assert v.tolist()==pytest.approx(got['values'], abs=1e-2)

@pytest.mark.parametrize('length', [False,True])
def test_the_bound_is_a_plain_sum(mass, length):
    "Step by step and trajectory by trajectory; with a length term where the model has one."
    rest, held = split(mass, 4); run = new_run(rest, Arch(3,2,**FIXED,length=length,transition=True), Fit(iterations=6,batch=16,k=4)); fit(run, rest, progress=False)
    m = run.model; q,_ = infer(m, held, steps=5, k=4, stop=0., gen=generator(0)); gen = generator(1); want = torch.zeros(4); lasts = torch.zeros(4)
    with torch.no_grad():
        for noise in (torch.randn(q.mu.shape, generator=gen) for _ in range(3)):
            for i in range(4):
                z = m.plan(held[[i]].s0, q[[i]].at(noise[[i]]))
                want[i] += sum(m.log_prob_tau(windows(held[[i]], torch.tensor([[t]]), torch.ones(1,1), 1), z)[0] for t in range(int(held.n[i])))+m.log_prob_y(held.y[[i]], z)[0]-q[[i]].kl()[0]
                if length: lasts[i] += m.length.log_prob(held.n[[i]], z)[0]
    got = held_out_elbo(m, held, 5, 4, 3)
    assert torch.allclose(got, (want+lasts)/3, atol=1e-3, rtol=1e-5) and bool((lasts.abs()>1e-2).all())==length

# ---- studies

def test_a_study_is_about_one_thing(mass, tmp_path):
    where = tmp_path/'a.log'; open_study(about(), mass, where, 's'); open_study(about('elsewhere'), mass, where, 's')
    for other,says in ((about(budget=2),'budget'), (about(held=9),'held'), (about(phase='both',fixed={}),'phase'), (about(space='table4'),"'cpu' there, 'table4' here"),
                       (about(fixed=FIXED|dict(sigma_y=.2)),'sigma_y'), (about(fixed=FIXED|dict(transition=True)),'transition'), (about(fixed=FIXED|dict(length=True)),'fixed length: None there, True here'), (about(seed=1),'seed')):
        with pytest.raises(ValueError, match=f'made for another search .*{says}'): open_study(other, mass, where, 's')
    with pytest.raises(ValueError, match='another search .*data'): open_study(about(), mass[:20], where, 's')

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

@pytest.mark.parametrize('kind', ['folder','pipe'])
def test_what_is_no_file(tmp_path, kind):
    p = tmp_path/'a.log'; p.mkdir() if kind=='folder' else os.mkfifo(p)
    with pytest.raises(ValueError, match=r'a\.log is not a file: choose another'): open_storage(p)

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

def test_looking_up_writes_nothing(tmp_path):
    for where in (tmp_path/'x'/'a.log', f'sqlite:///{tmp_path}/a.db'): assert st.searched(where,'s')==st.best_params(where,'s')=={}
    assert not any(tmp_path.iterdir())

def test_a_study_of_somebody_else(mass, tmp_path):
    "In a journal that Optuna wrote for others: refused, and not a line is added."
    p = tmp_path/'a.log'; other = optuna.create_study(storage=open_storage(p), study_name='s'); other.optimize(lambda t: t.suggest_float('x',0,1), n_trials=1); before = p.read_bytes()
    with pytest.raises(ValueError, match="study 's' was made for another search: its search is None; choose another --study"): open_study(about(), mass, p, 's')
    assert p.read_bytes()==before
    assert open_study(about(), mass, p, 't').study_name=='t'

@pytest.mark.parametrize('search', [3, dict(), dict(fixed=3), dict(fixed={})])
def test_a_study_whose_search_is_spoilt(mass, tmp_path, search):
    o = optuna.create_study(storage=open_storage(tmp_path/'a.log'), study_name='s', direction='maximize'); o.set_user_attr('search', search)
    with pytest.raises(ValueError, match="study 's' was made for another search.*choose another --study"): open_study(about(), mass, tmp_path/'a.log', 's')

@pytest.mark.parametrize('k,v', [('values',None),('values',[]),('values',['x']),('error',float('nan')),('iterations','9'),('process','me'),('process',[1,2]),('again',7),('flops',-1)])
def test_a_trial_that_says_something_strange(mass, tmp_path, untrained, k, v):
    study = open_study(about(), mass, tmp_path/'a.log', 's'); run_trial(study, about(), mass)
    whole = study.trials[0]; said = {a:b for a,b in whole.user_attrs.items() if a!=k}|({k:v} if v is not None else {})
    study.add_trial(optuna.trial.create_trial(value=0., params=whole.params, distributions=whole.distributions, user_attrs=said))
    with pytest.raises(ValueError, match=f"trial 1 of study 's': {k} is .*choose another --study"): open_study(about(), mass, tmp_path/'a.log', 's')

@pytest.mark.parametrize('kw,says', [(dict(value=float('inf')),'value is inf'), (dict(params=dict(batch=7)),'batch is 7'), (dict(params=dict(x=7)),'x is 7')])
def test_a_trial_outside_its_space(mass, tmp_path, untrained, kw, says):
    study = open_study(about(), mass, tmp_path/'a.log', 's'); said = dict(values=[1.], error=1., iterations=9); kw = dict(value=0., params={})|kw
    study.add_trial(optuna.trial.create_trial(**kw, distributions={k:optuna.distributions.CategoricalDistribution([7]) for k in kw['params']}, user_attrs=said))
    with pytest.raises(ValueError, match=f"trial 0 of study 's': {says}"): open_study(about(), mass, tmp_path/'a.log', 's')

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

@pytest.mark.parametrize('error', [MemoryError('out of memory: halve batch'), torch.OutOfMemoryError('CUDA out of memory'),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")])
def test_a_trial_without_memory_is_given_up(mass, tmp_path, monkeypatch, error):
    study = open_study(about(), mass, tmp_path/'a.log', 's')
    def full(*a): raise error
    monkeypatch.setattr(st, 'attempt', full); run_trial(study, about(), mass)
    monkeypatch.setattr(st, 'attempt', quick); run_trial(study, about(), mass)
    assert states(study)==['PRUNED','COMPLETE'] and 'memory' in study.trials[0].user_attrs['why']

def test_another_error_is_not_hidden(mass, tmp_path, monkeypatch):
    def broken(*a): raise RuntimeError('shapes do not match')
    study = open_study(about(), mass, tmp_path/'a.log', 's'); monkeypatch.setattr(st, 'attempt', broken)
    with pytest.raises(RuntimeError, match='shapes'): run_trial(study, about(), mass)

def by_place(study): # place -> settings of the trial that had its say
    trials = study.get_trials(deepcopy=False)
    return {st.rank_of(trials,t.number):t.params for t in trials if t.state.name in ('COMPLETE','PRUNED')}

def varied(search, chosen, *a): return quick(search, chosen, None, lambda *a: None)|dict(value=-abs(np.log(chosen['outer_lr']/2e-3))-chosen['batch']/100)

def lose(study, params=5): # a trial begins, proposes so many settings, and its process is no more
    dead = subprocess.Popen(['true']); dead.wait(); t = study.ask(); t.set_user_attr('process', [socket.gethostname(),dead.pid])
    st.suggest(t, dict(list(space('cpu','fit').items())[:params]))

@pytest.mark.parametrize('seed', [0,1])
def test_interrupted_or_not_the_same_is_proposed(mass, tmp_path, monkeypatch, seed):
    "Past the ten places that are drawn at random; opened again for each trial; killed before, amid and after its proposals, one of them four times."
    monkeypatch.setattr(st, 'attempt', varied); s = about(seed=seed); whole = open_study(s, mass, tmp_path/'a.log', 's', prune=False)
    for _ in range(16): run_trial(whole, s, mass)
    def study(): return open_study(s, mass, tmp_path/'b.log', 's', prune=False)
    for k in range(16):
        for params in {0:[5], 3:[0,2,5,5], 11:[5,0], 12:[3], 15:[5]}.get(k, []): lose(study(), params); requeue(study())
        run_trial(study(), s, mass)
    assert by_place(study())==by_place(whole) and len(by_place(whole))==16 and states(study()).count('FAIL')==9
    assert by_place(whole)[0]==dict(outer_lr=1e-3, weight_decay=1e-3, outer_steps=8, inner_lr=.1, batch=32) # the default
    assert len({p['outer_lr'] for p in by_place(whole).values()})==16

def test_another_seed_proposes_something_else(mass, tmp_path, untrained):
    seen = []
    for seed in (0,1):
        study = open_study(about(seed=seed), mass, tmp_path/f'{seed}.log', 's'); [run_trial(study, about(seed=seed), mass) for _ in range(3)]; seen.append(by_place(study))
    assert seen[0][0]==seen[1][0] and seen[0][1]!=seen[1][1] and seen[0][2]!=seen[1][2]

def test_the_first_ten_do_not_depend_on_who_ends_first(mass, tmp_path, monkeypatch):
    "What is promised to several workers: three trials at a time, ended out of order, one of them twice begun."
    monkeypatch.setattr(st, 'attempt', varied); one = open_study(about(), mass, tmp_path/'a.log', 's', prune=False)
    for _ in range(12): run_trial(one, about(), mass)
    many = open_study(about(), mass, tmp_path/'b.log', 's', prune=False); sp = space('cpu','fit')
    for n in range(4):
        three = [many.ask() for _ in range(3)]; chosen = [st.suggest(t, sp) for t in three]
        for t in three: t.set_user_attr('process', [socket.gethostname(),os.getppid()]) # somebody else
        for i in (2,0,1):
            t, c = three[i], chosen[i]
            if n==1 and i==0: t.set_user_attr('process', [socket.gethostname(),os.getpid()]); requeue(many); t = many.ask(); assert st.suggest(t,sp)==c
            many.tell(t, varied(None, c)['value'])
    a, b = by_place(one), by_place(many)
    assert [a[k]==b[k] for k in range(10)]==[True]*10 and set(a)==set(b)==set(range(12))

def test_prunes_only_if_told(mass, tmp_path, untrained, monkeypatch):
    for prune in (True,False):
        study = open_study(about(), mass, tmp_path/f'{prune}.log', 's', prune=prune)
        monkeypatch.setattr(st, 'suggest', lambda trial, sp: dict(batch=trial.number)) # each worse than the one before
        for _ in range(8): run_trial(study, about(), mass)
        assert ('PRUNED' in states(study))==prune and finished(study)==8

def test_divergence_is_given_up(mass, tmp_path, monkeypatch):
    def nan(*a): raise FloatingPointError('elbo is nan')
    study = open_study(about(), mass, tmp_path/'a.log', 's'); monkeypatch.setattr(st, 'attempt', nan); run_trial(study, about(), mass)
    assert states(study)==['PRUNED'] and study.trials[0].user_attrs['why']=='elbo is nan'

def test_requeue(mass, tmp_path, untrained):
    "Dead on this host: failed, and queued again, however often. Alive, or elsewhere: left alone."
    study = open_study(about(), mass, tmp_path/'a.log', 's'); dead = subprocess.Popen(['true']); dead.wait()
    def running(host, pid):
        t = study.ask(); st.suggest(t, space('cpu','fit')); t.set_user_attr('process', [host,pid]); return t.number
    a, b, c = running(socket.gethostname(), dead.pid), running('elsewhere', dead.pid), running(socket.gethostname(), os.getppid())
    assert requeue(study)==[a] and states(study)==['FAIL','RUNNING','RUNNING','WAITING'] and requeue(study)==[]
    for again in (3,4):
        dies = study.ask(); assert dies.number==again and st.suggest(dies, space('cpu','fit'))==study.trials[a].params
        dies.set_user_attr('process', [socket.gethostname(),dead.pid]); assert requeue(study)==[again]
    assert run_trial(study, about(), mass)==5 and study.trials[5].params==study.trials[a].params and requeue(study)==[]
    assert finished(study)==1 and states(study)==['FAIL','RUNNING','RUNNING','FAIL','FAIL','COMPLETE']

def test_interrupted_amid_a_trial(mass, tmp_path, monkeypatch):
    "Ctrl-C fails the trial; it comes back. An error of its own is its say; a full disk is not."
    study = open_study(about(), mass, tmp_path/'a.log', 's')
    for error,back in ((KeyboardInterrupt(),True), (SystemExit(143),True), (OSError('No space left on device'),True), (TypeError('of its own'),False)):
        def stop(*a): raise error
        monkeypatch.setattr(st, 'attempt', stop)
        with pytest.raises(type(error)): run_trial(study, about(), mass)
        requeue(study); assert (states(study)[-1]=='WAITING')==back
        monkeypatch.setattr(st, 'attempt', quick); run_trial(study, about(), mass)
    assert states(study).count('COMPLETE')==4 and by_place(study).keys()=={0,1,2,4}

def nameless(study): # a trial of an older version, which began before it said whose it was
    from optuna.storages.journal import JournalFileBackend
    o = optuna.load_study(study_name='s', storage=optuna.storages.JournalStorage(JournalFileBackend(study._storage._backend._file_path)), sampler=optuna.samplers.RandomSampler())
    return o.ask()

def test_requeue_where_an_older_version_died_before_it_said_who_it_was(mass, tmp_path, untrained, monkeypatch):
    "Without a name: dead once it is old. The settings that were queued come back."
    study = open_study(about(), mass, tmp_path/'a.log', 's'); first = nameless(study); later = study.ask(); later.set_user_attr('process', [socket.gethostname(),os.getppid()])
    assert requeue(study)==[] and states(study)==['RUNNING']*2
    class Later(sg.datetime):
        @classmethod
        def now(cls, tz=None): return super().now(tz)+sg.timedelta(minutes=3)
    monkeypatch.setattr(sg, 'datetime', Later)
    assert requeue(study)==[first.number] and states(study)==['FAIL','RUNNING','WAITING'] and requeue(study)==[]
    assert run_trial(study, about(), mass)==2 and study.trials[2].params['outer_lr']==1e-3

def killed(run): # in a child
    pid = os.fork()
    if pid: return os.WTERMSIG(os.waitpid(pid, 0)[1])==signal.SIGKILL
    signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.alarm(60) # a child that hangs ends too
    try: run()
    finally: os._exit(1)

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

def test_a_whole_checkpoint_of_a_killed_trial_goes_and_nobody_elses(mass, tmp_path, monkeypatch):
    "Killed between its save and its word; a study of the same name and folder in another storage loses nothing, and a user's file stays."
    study, out = open_study(about(budget=.1), mass, tmp_path/'a.log', 's'), tmp_path/'out'
    def dies(*a): attempt(*a); (out/'s-000'/'note.txt').touch(); os.kill(os.getpid(), signal.SIGKILL)
    monkeypatch.setattr(st, 'attempt', dies)
    assert killed(lambda: run_trial(study, about(budget=.1), mass, out)) and load_run(out/'s-000').i==6
    other = open_study(about(budget=.1), mass, tmp_path/'b.log', 's'); other.ask(); requeue(other, out)
    assert states(other)==['FAIL','WAITING'] and load_run(out/'s-000').i==6
    requeue(study, out)
    assert states(study)==['FAIL','WAITING'] and [p.name for p in out.rglob('*')]==['s-000','note.txt']

def test_requeue_knows_the_trials_of_an_older_version(mass, tmp_path, untrained, monkeypatch):
    "Host and process apart: alive is left alone however old, dead is failed."
    study = open_study(about(), mass, tmp_path/'a.log', 's'); dead = subprocess.Popen(['true']); dead.wait()
    for pid in (os.getppid(), dead.pid):
        t = nameless(study); t.set_user_attr('pid', pid); t.set_user_attr('host', socket.gethostname())
    class Later(sg.datetime):
        @classmethod
        def now(cls, tz=None): return super().now(tz)+sg.timedelta(minutes=3)
    monkeypatch.setattr(sg, 'datetime', Later)
    assert requeue(study)==[1] and states(study)==['RUNNING','FAIL','WAITING']

def test_rows(mass, tmp_path, untrained):
    study = open_study(about(), mass, tmp_path/'a.log', 's')
    for _ in range(3): run_trial(study, about(), mass)
    rows = trial_rows(study, about(), mass)
    assert rows.trial.tolist()==[0,1,2] and (rows.behind==0).all() and {'value','error','D','outer_lr','iterations','flops','seconds','n_params','device','threads','versions','train_seed'}<=set(rows)
    keep = lambda rows: save_rows(rows, tmp_path/'r.csv', ('dataset','study'), 'trial')
    keep(rows); keep(rows.assign(study='t'))
    assert len(keep(rows))==6
    assert '--set outer_lr=' in st.arguments(about(), study.best_trial) and '--set D=16' in st.arguments(about(), study.best_trial)

def test_what_it_prints_can_be_typed(mass, tmp_path, untrained):
    "A path with a space, a world with a colon; every digit of a rate."
    s = about('my data.hdf5'); study = open_study(s, mass, tmp_path/'a.log', 's'); [run_trial(study, s, mass) for _ in range(2)]
    said = shlex.split(st.command(s, study.trials[1], 'tanks:plant/Tanks-v0')); pairs = dict(x.split('=') for x in said if '=' in x)
    assert said[:7]==['gac','train','my data.hdf5','--out','RUN','--env','tanks:plant/Tanks-v0'] and float(pairs['outer_lr'])==study.trials[1].params['outer_lr']
    assert '--env' not in st.command(s, study.trials[1])

def test_arguments_are_understood_by_the_command_line(mass, tmp_path, untrained):
    study = open_study(about(), mass, tmp_path/'a.log', 's'); run_trial(study, about(), mass)
    said = st.arguments(about(), study.best_trial).split()
    assert said[:2]==['--iterations','9']
    cfg, arch = cli.run_settings([x for x in said[2:] if x!='--set'], 3, 2)
    assert arch==Arch(3,2,**FIXED) and cfg.batch==32 and cfg.outer_lr==1e-3

# ---- workers

def wait_for(ok, seconds=300):
    end = time.time()+seconds
    while not ok() and time.time()<end: time.sleep(.02)
    assert ok()

def living(pid): return sg._began(pid) is not None

def worker_pids(study): return {t.user_attrs['process'][1]:t.number for t in study.get_trials() if t.state.name=='RUNNING' and 'process' in t.user_attrs}

def test_kill_9_of_a_worker_and_of_all(disk, mass, tmp_path):
    "One worker dies: the other goes on. All die: the same call goes on. Trials in all: as many as asked."
    s = about(disk, steps=120); where = tmp_path/'a.log'; study = open_study(s, mass, where, 's')
    code = f'from gac.study import run_study; from gac.tune import Search; run_study({s!r}, {str(where)!r}, "s", 4, 2, prune=False, progress=False)'
    p = subprocess.Popen([sys.executable,'-c',code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(worker_pids(study))==2); pid, number = next(iter(worker_pids(study).items()))
        os.kill(pid, signal.SIGKILL); wait_for(lambda: states(study)[number]=='FAIL')
        assert states(study).count('FAIL')==1
        wait_for(lambda: finished(study)>=1 and len(worker_pids(study))==1)
        lost = worker_pids(study); p.kill(); [os.kill(x, signal.SIGKILL) for x in lost]; p.wait(); wait_for(lambda: not any(map(living,lost)))
    finally: p.kill(); p.wait()
    before = finished(study)
    assert 1<=before<4 and p.returncode
    run_study(s, where, 's', 4, 1, prune=False, progress=False); got = states(study)
    assert got.count('COMPLETE')==4 and got.count('FAIL')==2 and all(got[i]=='FAIL' for i in lost.values()) and not {'RUNNING','WAITING'}&set(got)

def test_all_workers_end(mass, tmp_path, disk, monkeypatch):
    "A worker's own error is said once, and nothing is lost."
    s = about(tmp_path/'gone'); monkeypatch.setattr(st, 'data_of', lambda search: (mass,None)); monkeypatch.setattr(st, 'env_of_data', lambda *a: None)
    with pytest.raises(ChildProcessError, match='all 2 workers ended, 0 of 3 trials are done: .*the same command goes on'):
        run_study(s, tmp_path/'a.log', 's', 3, 2, progress=False)

@pytest.mark.parametrize('kw,says', [(dict(trials=0),'trials=0: must be at least 1'), (dict(workers=0),'workers=0: must be at least 1'), (dict(workers=10**6),'at most 256'), (dict(threads=0),'threads=0'), (dict(trials=2.5),'trials=2.5'),
    (dict(name=''),'choose a name'), (dict(name='../s'),'choose a name'), (dict(name='.s'),'choose a name'), (dict(out='/dev/null/x'),'/dev/null is not a folder'), (dict(out='FILE/x'),'FILE is not a folder'), (dict(device='abacus'),'unknown device'),
    (dict(held=29),'choose 2 to 28'), (dict(budget=.01),'raise it to')])
def test_all_is_checked_before_anything_is_written(disk, tmp_path, kw, says):
    (tmp_path/'FILE').write_text('mine'); search = about(disk, **{k:kw.pop(k) for k in ('held','budget') if k in kw}); kw = {k:str(v).replace('FILE',str(tmp_path/'FILE')) if k=='out' else v for k,v in kw.items()}
    with pytest.raises(ValueError, match=says): run_study(search, tmp_path/'new'/'a.log', **(dict(name='s', progress=False)|kw))
    assert [f.name for f in tmp_path.iterdir()]==['FILE'] and (tmp_path/'FILE').read_text()=='mine'

@pytest.mark.parametrize('end', [signal.SIGTERM,signal.SIGINT,signal.SIGKILL])
def test_workers_end_with_their_parent(disk, mass, tmp_path, end):
    "Within seconds, however it ended; and the trials come back."
    s = about(disk, steps=10**5); where = tmp_path/'a.log'; study = open_study(s, mass, where, 's')
    code = f'from gac.study import run_study; from gac.tune import Search; run_study({s!r}, {str(where)!r}, "s", 4, 2, prune=False, progress=False)'
    p = subprocess.Popen([sys.executable,'-c',code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) # a parent in the background may have it ignored
    try:
        wait_for(lambda: len(worker_pids(study))==2); pids = list(worker_pids(study)); p.send_signal(end); said = p.communicate(timeout=60)[1]
        wait_for(lambda: not any(map(living,pids)), 30)
    finally: p.kill(); p.wait(); [os.kill(x, signal.SIGKILL) for x in worker_pids(study) if living(x)]
    assert p.returncode==(143 if end==signal.SIGTERM else -end), said
    assert end!=signal.SIGTERM or 'the same command goes on' in said
    requeue(study); assert sorted(states(study))==['FAIL','FAIL','WAITING','WAITING'] and [f.name for f in tmp_path.iterdir()]==['a.log']

# ---- the command line

@pytest.mark.parametrize('args,says', [(['--workers','2','--storage','sqlite:///x.db'],'for one process'), (['--storage','postgresql+psycopg://me@127.0.0.1:1/x'],'cannot be used'),
    (['--space','gpu'],'unknown search space'), (['--phase','inner'],'unknown phase'), (['--set','learn_sigma_y=true'],'do not compare'), (['--set','D=64'],'D is searched for'),
    (['--set','x=3'],'use name=value'), (['--held','500'],'choose 2 to 28'), (['--returns','1'],'--returns 1'), (['--trials','0'],"'--trials' 0: it should be greater than or equal to 1"), (['--budget','-1'],'Search.budget'), (['--budget','nan'],"'--budget': nan: must be a finite number"), (['--seed','-1'],"'--seed' -1: it should be greater than or equal to 0"), (['--study','a/b'],'choose a name'),
    (['--threads','0'],"'--threads' 0: it should be greater than or equal to 1"), (['--budget','.1'],'raise it to')])
def test_bad_input_is_one_line(disk, tmp_path, capsys, args, says, monkeypatch):
    monkeypatch.setattr(st, 'run_trial', lambda *a: pytest.fail('searched in spite of bad input'))
    with pytest.raises(SystemExit) as e: cli.main(['tune',str(disk),'--out',str(tmp_path/'o'),'--held','8',*args])
    err = capsys.readouterr().err
    assert e.value.code==2 and err.startswith('gac: ') and err.count('\n')==1 and says in err, err
    assert not (tmp_path/'o').exists()

def test_fit_takes_the_architecture_that_was_found(mass, tmp_path, untrained, capsys):
    where = str(tmp_path/'a.log'); s = about(phase='arch', fixed={}); study = open_study(s, mass, where, 'n-arch')
    assert cli._tune_fixed([], 'fit', where, 'm', 3, 2)=={}
    study.enqueue_trial(dict(D=128,tokens=8,heads=1,dec=1,enc=2,M=4)); study.add_trial(optuna.trial.create_trial(value=0., params=dict(D=128), distributions=dict(D=optuna.distributions.CategoricalDistribution([64,128]))))
    assert cli._tune_fixed(['k=8'], 'fit', where, 'n', 3, 2)==dict(D=128, k=8) and cli._tune_fixed(['k=8'], 'arch', where, 'n', 3, 2)==dict(k=8)

def test_length_is_shared_by_all_trials(disk, tmp_path, capsys, untrained, monkeypatch):
    "It is taken by both phases, and a study without it is another."
    monkeypatch.setenv('GAC_DATA', str(tmp_path))
    def gac(*args):
        with pytest.raises(SystemExit) as e: cli.main(['tune',str(disk),'--held','8','--trials','1','--budget','20','--out',str(tmp_path),*args])
        return e.value.code or 0, *capsys.readouterr()
    monkeypatch.setattr(st, 'attempt', lambda s, chosen, *a: quick(s, dict(batch=1), None, lambda *a: None))
    assert gac('--set','length=true')[0]==0 and gac('--phase','fit')[0]==0
    assert st.searched(tmp_path/'tune.log','mass-v0-fit')['fixed']['length'] and pd.read_csv(tmp_path/'results'/'tune.csv').length.all()
    code, _, err = gac(); assert code==2 and "made for another search (fixed length: True there, None here)" in err

def test_fit_goes_on_with_its_own_architecture(mass, tmp_path, untrained, capsys):
    "Whatever the first phase has found since; and what the first phase fixed comes along."
    where = str(tmp_path/'a.log'); s = about(phase='arch', fixed=dict(transition=True, k=8)); arch = open_study(s, mass, where, 'n-arch')
    def found(D, value): arch.add_trial(optuna.trial.create_trial(value=value, params=dict(D=D), distributions=dict(D=optuna.distributions.CategoricalDistribution([64,128]))))
    found(128, 0.); fixed = cli._tune_fixed([], 'fit', where, 'n', 3, 2)
    assert fixed==dict(D=128, transition=True)
    open_study(about(fixed=fixed), mass, where, 'n-fit'); found(64, 1.)
    assert cli._tune_fixed([], 'fit', where, 'n', 3, 2)==fixed and 'n-fit goes on with its architecture' in capsys.readouterr().out
    open_study(about(fixed=cli._tune_fixed([], 'fit', where, 'n', 3, 2)), mass, where, 'n-fit')
    assert cli._tune_fixed(['transition=false'], 'fit', where, 'n', 3, 2)==dict(D=128, transition=False)

def test_a_place_for_the_rows_before_the_search(disk, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(st, 'run_study', lambda *a: pytest.fail('searched without a place for the rows')); monkeypatch.setenv('GAC_DATA', str(tmp_path/'none'))
    with pytest.raises(SystemExit): cli.main(['tune',str(disk),'--out',str(tmp_path/'o')])
    err = capsys.readouterr().err; assert 'is not a folder' in err and err.count('\n')==1 and not (tmp_path/'o').exists()

def test_a_search_without_a_trial_says_why(disk, tmp_path, capsys, monkeypatch):
    def full(*a): raise MemoryError('out of memory: halve batch')
    monkeypatch.setattr(st, 'attempt', full); monkeypatch.setenv('GAC_DATA', str(tmp_path))
    with pytest.raises(SystemExit): cli.main(['tune',str(disk),'--held','8','--trials','2','--out',str(tmp_path)])
    assert 'no trial was completed: out of memory' in capsys.readouterr().err

def test_the_command_searches_acts_and_keeps_rows(disk, tmp_path, capsys, untrained, monkeypatch):
    monkeypatch.setenv('GAC_DATA', str(tmp_path))
    def earned(run, t, env, question, n, seed): return dict(dataset=t.dataset, study=t.study, trial=t.trial, value=t.value, error=1., env=env, question=question, episodes=n, env_seed=seed, achieved=t.trial*2., achieved_error=1.)
    monkeypatch.setattr(tu, '_earned', earned); monkeypatch.setattr(tu, 'load_run', lambda f: type('R',(),dict(meta=dict(env='e'))))
    for i in range(4): (tmp_path/f's-fit-{i:03d}').mkdir()
    args = ['tune',str(disk),'--phase','fit','--study','s','--trials','4','--no-prune','--out',str(tmp_path),'--held','8','--returns','2']
    for _ in range(2): # the second time nothing is left to do
        with pytest.raises(SystemExit) as e: cli.main(args)
        said = capsys.readouterr().out; assert not e.value.code and 'gac train' in said and '--set batch=' in said and 'rank correlation' in said
        rows, acted = (pd.read_csv(tmp_path/'results'/f'tune{x}.csv') for x in ('','-returns'))
        assert len(rows)==4 and len(acted)==8 and not (rows.dataset+acted.dataset[:4]).str.contains('/').any()

# ---- returns

def test_rank_correlation():
    x = np.arange(12.)
    assert tu.rank_correlation(x, np.exp(x), 200)==pytest.approx(dict(rho=1., low=1., high=1., n=12))
    r = tu.rank_correlation(x, np.random.default_rng(1).normal(size=12), 500); assert r['low']<r['rho']<r['high']
    with pytest.raises(ValueError, match='at least 4'): tu.rank_correlation(x[:3], x[:3])

def test_returns_refuses_the_seeds_of_tables():
    for n,seed in ((50,9_990),(1,0)):
        with pytest.raises(ValueError, match='below 10000'): tu.trial_returns(pd.DataFrame(), 'x', n, seed)

def test_returns_names_a_missing_checkpoint(tmp_path):
    t = pd.DataFrame([dict(state='COMPLETE', dataset='d', study='s', trial=3, value=-1., error=1., train_seed=0)])
    with pytest.raises(FileNotFoundError, match='s-003 is missing'): tu.trial_returns(t, tmp_path)

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

@pytest.mark.parametrize('given', [None,'gac/PointMass-v0'])
def test_trials_remember_the_environment_whole(mass, tmp_path, monkeypatch, given):
    "A recorded limit is played by gac tune --returns as by gac train and gac evaluate."
    place, got = save(mass, 'me/mass-v0', 'gac/PointMass-v0', tmp_path), []
    at = place/'data'/'metadata.json'; meta = json.loads(at.read_text())
    at.write_text(json.dumps(meta|dict(env_spec=json.dumps(json.loads(meta['env_spec'])|dict(max_episode_steps=5)))))
    monkeypatch.setattr(st, 'attempt', lambda *a: got.append(a[6]) or quick(*a[:4]))
    run_study(about(place), tmp_path/'a.log', 's', 1, 1, prune=False, progress=False, env=given)
    assert got[0]['max_episode_steps']==5 and got[0]['id']=='gac/PointMass-v0'

def test_returns_name_the_environment_by_its_id(mass, tmp_path, monkeypatch):
    asked = []
    def evaluate(run, env, question, n, seed):
        asked.append(env)
        return pd.DataFrame(dict(acting=['mu']*n, achieved=[1.]*n))
    monkeypatch.setattr(tu, 'evaluate', evaluate)
    run = type('Run', (), dict(meta=dict(env=dict(id='gac/PointMass-v0', max_episode_steps=5))))
    monkeypatch.setattr(tu, 'load_run', lambda folder: run)
    t = pd.DataFrame([dict(dataset='mass', study='s', trial=0, state='COMPLETE', value=1., error=.1, train_seed=0)])
    (tmp_path/'s-000').mkdir()
    assert set(tu.trial_returns(t, tmp_path, 2, questions=('best',)).env)=={'gac/PointMass-v0'} and asked[0].max_episode_steps==5
