"One study about one thing: the same is proposed, interrupted or not; a worker that dies takes one trial with it."
import json, os, shlex, signal, socket, subprocess, sys, time
import numpy as np
import pytest
import torch
from gac import cli, storage as sg, study as st
from gac.data import save
from gac.model import Arch
from gac.rows import save_rows
from gac.run import load_run
from gac.storage import open_storage
from gac.study import finished, open_study, requeue, run_study, run_trial, trial_rows
from gac.tune import (attempt, space)
from toys.searches import FIXED, about, disk, killed, mass, quick, states, untrained

optuna = pytest.importorskip('optuna')

# ---- one study is about one thing

def test_a_study_is_about_one_thing(mass, tmp_path):
    where = tmp_path/'a.log'; open_study(about(), mass, where, 's'); open_study(about('elsewhere'), mass, where, 's')
    for other,says in ((about(budget=2),'budget'), (about(held=9),'held'), (about(phase='both',fixed={}),'phase'), (about(space='table4'),"'cpu' there, 'table4' here"),
                       (about(fixed=FIXED|dict(sigma_y=.2)),'sigma_y'), (about(fixed=FIXED|dict(transition=True)),'transition'), (about(fixed=FIXED|dict(length=True)),'fixed length: None there, True here'), (about(seed=1),'seed')):
        with pytest.raises(ValueError, match=f'made for another search .*{says}'): open_study(other, mass, where, 's')
    with pytest.raises(ValueError, match='another search .*data'): open_study(about(), mass[:20], where, 's')

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

# ---- a trial

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

@pytest.mark.parametrize('given', [None,'gac/PointMass-v0'])
def test_trials_remember_the_environment_whole(mass, tmp_path, monkeypatch, given):
    "A recorded limit is played by gac tune --returns as by gac train and gac evaluate."
    place, got = save(mass, 'me/mass-v0', 'gac/PointMass-v0', tmp_path), []
    at = place/'data'/'metadata.json'; meta = json.loads(at.read_text())
    at.write_text(json.dumps(meta|dict(env_spec=json.dumps(json.loads(meta['env_spec'])|dict(max_episode_steps=5)))))
    monkeypatch.setattr(st, 'attempt', lambda *a: got.append(a[6]) or quick(*a[:4]))
    run_study(about(place), tmp_path/'a.log', 's', 1, 1, prune=False, progress=False, env=given)
    assert got[0]['max_episode_steps']==5 and got[0]['id']=='gac/PointMass-v0'

# ---- what is proposed

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

# ---- trials that did not end

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

# ---- what comes out

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
