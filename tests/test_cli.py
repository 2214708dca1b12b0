"The command line: whatever is wrong is said in one line, and nothing is left behind."
import json, os, re, resource, shutil, signal, subprocess, sys, time, warnings
from pathlib import Path
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from gac import cli, data, train
from gac.cli import _refits, run_settings
from gac.commands import REGISTRIES
from gac.envs import point_mass_data
from gac.model import Arch
from gac.online import Online
from gac.run import RECIPE, Fit, load_run, recipe

MINI = 'gac/hopper/medium-replay-mini-v0'
SMALL = [x for k in ('D=16','heads=2','tokens=1','enc=1','dec=1','batch=4','k=4','inner_steps=1','outer_steps=1') for x in ('--set',k)]

def flat(path, tau, env=None):
    "Trajectories as a flat file; returns are paid at the end."
    r = np.zeros(len(tau.a), np.float32); end = np.zeros(len(r), bool)
    at = (tau.a_at+tau.n-1).numpy(); r[at] = tau.y; end[at] = True
    rows = np.arange(len(r))+np.repeat(np.arange(len(tau)), tau.n)
    with h5py.File(path,'w') as f:
        for k,v in dict(observations=tau.s[rows], next_observations=tau.s[rows+1], actions=tau.a, rewards=r, terminals=end, timeouts=~end&False).items(): f[k] = np.asarray(v)
        if env: f.attrs['env_id'] = env
    return path

@pytest.fixture(scope='module')
def shelf(tmp_path_factory):
    "A flat file, the same without its environment, the same cut short, a run, and a slim checkpoint of it."
    d = tmp_path_factory.mktemp('shelf'); old = os.environ.get('GAC_CACHE'); os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    tau = point_mass_data(16, seed=0)
    whole = flat(d/'whole.hdf5', tau, 'gac/PointMass-v0'); flat(d/'noenv.hdf5', tau)
    (d/'cut.hdf5').write_bytes(whole.read_bytes()[:3000])
    quiet('train', whole, '--out', d/'run', '--iterations', 5, *SMALL); quiet('slim', d/'run', d/'slim')
    yield d
    os.environ.pop('GAC_CACHE') if old is None else os.environ.update(GAC_CACHE=old)

@pytest.fixture(autouse=True)
def _calm(monkeypatch):
    "No network, and no hook of the command line left in this process."
    monkeypatch.setattr(data, '_download', lambda name: None); monkeypatch.setattr(sys, 'excepthook', sys.excepthook)

def call(*args): # exit code
    try: cli.main([*map(str,args)])
    except SystemExit as e: return e.code or 0
    return 0

def quiet(*args): assert call(*args)==0

def shell(*args, **kw): return subprocess.run([sys.executable,'-m','gac',*map(str,args)], capture_output=True, text=True, **kw)

def tree(folder): return {str(p.relative_to(folder)):(p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob('*')) if p.is_file()}

def one_line(text): return text.startswith('gac: ') and text.count('\n')==1 and 'Traceback' not in text and len(text)>12

def weights(run): return load_file(run/'checkpoint'/'model.safetensors')|{f'q.{k}':v for k,v in load_file(run/'checkpoint'/'posteriors.safetensors').items()}

def refused(capsys, shelf, args, says):
    "Exit code 2, one line, nothing written."
    before, capsys_before = tree(shelf), capsys.readouterr()
    code = call(*args); err = capsys.readouterr().err
    notes, last = err.splitlines(True)[:-1], err.splitlines(True)[-1]
    assert code==2 and one_line(last) and len(notes)<3 and all(n.startswith('gac: ') and n.endswith(' is used\n') for n in notes), err
    for s in says: assert s in last, err
    assert tree(shelf)==before

# --- texts of somebody else

CODES = 'fine\x1b[31m\x1b]0;title\x07\r\n         env  \u202eForged-v0'

def test_what_a_file_says_is_only_shown(shelf, tmp_path, capsys):
    with h5py.File(shutil.copy(shelf/'whole.hdf5', tmp_path/'a.hdf5'), 'a') as f: f.attrs['how'] = CODES
    assert call('info', tmp_path/'a.hdf5')==0
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.split('\n'))
    assert r'      source  fine\x1b[31m\x1b]0;title\x07 env \u202eForged-v0' in out.split('\n') and sum(line.startswith('         env') for line in out.split('\n'))==1

def test_errors_and_warnings_too(shelf, tmp_path, capsys):
    with h5py.File(tmp_path/'a.hdf5', 'w') as f: f[CODES] = 1
    assert call('info', tmp_path/'a.hdf5')==2
    err = capsys.readouterr().err
    assert one_line(err) and err[:-1].isprintable() and r'fine\x1b[31m' in err
    with h5py.File(shutil.copy(shelf/'whole.hdf5', tmp_path/'b.hdf5'), 'a') as f: f.attrs['env_id'] = 'a:'+CODES
    assert call('info', tmp_path/'b.hdf5', '--env', 'gac/PointMass-v0')==0
    err = capsys.readouterr().err
    assert one_line(err) and err[:-1].isprintable()

# --- bad input

BAD_DATA = dict(
    unknown=('gac/hoper/medium-replay-mini-v0', ['no data set','did you mean gac/hopper/medium-replay-mini-v0']),
    nofile=('{}/whale.hdf5', ['no data set','did you mean','whole.hdf5']), cut=('{}/cut.hdf5', ['cut.hdf5','not a readable']))

@pytest.mark.parametrize('command', [['info'],['train','--out','{}/new'],['demo','--out','{}/new','--dataset'],['compare','--runs','{}/new']])
@pytest.mark.parametrize('bad', BAD_DATA)
def test_bad_data(capsys, shelf, command, bad):
    name, says = BAD_DATA[bad]
    refused(capsys, shelf, [a.format(shelf) for a in [*command,name]], says)

BAD_TRAIN = dict(
    taken=(['{}/whole.hdf5','--out','{}/run'], ['already holds a run','--resume','--out']),
    nothing_to_resume=(['{}/whole.hdf5','--out','{}/new','--resume'], ['no run to resume']),
    slim=(['{}/whole.hdf5','--out','{}/slim','--resume'], ['saved for sharing','not resumed']),
    other_data=([MINI,'--out','{}/run','--resume'], ['S=11, A=3','S=3, A=2']),
    unknown_setting=(['--set','bach=3'], ['--set bach=3','name=value','batch']), no_value=(['--set','batch'], ['--set batch','name=value']),
    empty=(['--set','batch='], ['--set batch=']), dimension=(['--set','S=3'], ['--set S=3']),
    not_int=(['--set','batch=many'], ["'many' is not a int"]), fraction=(['--set','batch=2.5'], ["'2.5' is not a int"]),
    not_float=(['--set','clip=wide'], ["'wide' is not a float"]), not_bool=(['--set','warm=maybe'], ["'maybe' is not a bool"]),
    low=(['--set','batch=-3'], ['Fit.batch=-3','at least 1']), zero=(['--set','clip=0'], ['Fit.clip=0','positive']), draw=(['--set','draw=best'], ["Fit.draw='best'"]),
    heads=(['--set','heads=5'], ['not divisible']), sigma=(['--set','sigma_y=-1'], ['sigma_y','positive']), layers=(['--set','dec=0'], ['Arch.dec=0']),
    negative=(['--iterations','-5'], ['\'--iterations\' -5: it should be greater than or equal to 1']), none=(['--iterations','0'], ['\'--iterations\' 0: it should be greater than or equal to 1']),
    device=(['--device','tpu'], ["unknown device 'tpu'"]), absent=(['--device','cuda:99'], ['not available']), threads=(['--threads','0'], ['\'--threads\' 0: it should be greater than or equal to 1']),
    seeds=(['--seed','-1'], ['\'--seed\' -1: it should be greater than or equal to 0']), minutes=(['--minutes','3'], ['--minutes','leave one of them out']),
    twice=(['--seed','3','--set','seed=4'], ['--seed','leave one of them out']),
    own_seed=(['{}/whole.hdf5','--out','{}/run','--resume','--seed','9'], ['--seed','keeps its settings']),
    file=(['{}/whole.hdf5','--out','{}/cut.hdf5'], ['cut.hdf5','is a file','--out']), below=(['{}/whole.hdf5','--out','{}/cut.hdf5/new'], ['cut.hdf5','--out']),
    inside=(['{}/whole.hdf5','--out','{}/run/checkpoint/new'], ['inside a checkpoint']), kwargs=(['--env-kwargs','[1]'], ['--env-kwargs','write JSON']),
    package=(['--import','no_such_package'], ['--import no_such_package']),
    wrong_env=(['{}/noenv.hdf5','--out','{}/new','--env','Hopper-v5'], ['Hopper-v5 has S=11, A=3','S=3, A=2']), unknown_env=(['{}/noenv.hdf5','--out','{}/new','--env','gac/PointMas-v0'], ['cannot make environment']))

@pytest.mark.parametrize('bad', BAD_TRAIN)
def test_bad_train(capsys, shelf, monkeypatch, bad):
    def trained(*args): raise AssertionError('trained in spite of bad input')
    monkeypatch.setattr(train, 'iterate', trained)
    args, says = BAD_TRAIN[bad]
    if args[0].startswith('--'): args = ['{}/whole.hdf5','--out','{}/new','--iterations','1',*args]
    try: refused(capsys, shelf, ['train',*(a.format(shelf) for a in args)], says)
    finally: shutil.rmtree(shelf/'new', ignore_errors=True)

BAD_EVALUATE = dict(
    question=(['--question','worst'], ["unknown question 'worst'",'prior, target, improve, best']), acting=(['--acting','mean'], ["acting='mean'"]),
    quantile=(['--question','improve','--quantile','1.5'], ['quantile=1.5']), lam=(['--lam','-1'], ['lam=-1']), width=(['--width','0'], ['width=0']), steps=(['--steps','0'], ['\'--steps\' 0: it should be greater than or equal to 1']), nan=(['--lam','nan'], ['--lam','finite']), huge=(['--question','target','--target','1e39'], ['--target','finite']),
    inside=(['--out','{}/run/checkpoint/a'], ['inside a checkpoint']), file=(['--out','{}/cut.hdf5'], ['cut.hdf5','is a file']),
    episodes=(['--episodes','0'], ['\'--episodes\' 0: it should be greater than or equal to 1']), other_env=(['--env','Hopper-v5'], ['S=11, A=3','S=3, A=2']),
    unknown_env=(['--env','gac/PointMas-v0'], ['cannot make environment','gac/PointMass-v0','add --import MODULE']), threads=(['--threads','0'], ['\'--threads\' 0: it should be greater than or equal to 1']),
    target_of_best=(['--target','3'], ["--target 3: 'best' does not look at it",'choose target']), lam_of_target=(['--question','target','--lam','2'], ['--lam 2','choose best']),
    delta_y_of_target=(['--question','target','--delta-y','5'], ['--delta-y 5','choose improve']), mean_of_prior=(['--question','prior','--acting','mu'], ['--acting mu','always sampled']), width_of_prior=(['--question','prior','--width','.5'], ['--width 0.5','choose target or improve or best']),
    device=(['--device','tpu'], ["unknown device 'tpu'"]), no_gpu=(['--device','cuda:99'], ["device 'cuda:99' is not available"]))

@pytest.mark.parametrize('bad', BAD_EVALUATE)
def test_bad_evaluate(capsys, shelf, bad):
    args, says = BAD_EVALUATE[bad]
    refused(capsys, shelf, ['evaluate',shelf/'run','--episodes',1,*(a.format(shelf) for a in args)], says)

def test_settings_of_ones_own_question(capsys, shelf, tmp_path, monkeypatch):
    from gac import query, worlds
    monkeypatch.syspath_prepend(tmp_path); monkeypatch.setattr(query, 'QUESTIONS', dict(query.QUESTIONS))
    monkeypatch.setattr(worlds, '_packages', {}) # workers of later tests import what this process has
    (tmp_path/'sure_q.py').write_text('from gac.query import Question, register\ndef sure(model, s0, q, noise, goal, cfg, c=2.):\n    assert c==3.5\n    return -c*q.kl()\nregister("sure", Question("?", (), sure))\n')
    mine = ['--import','sure_q','--question','sure']; sys.modules.pop('sure_q', None)
    quiet('evaluate', shelf/'run', *mine, '--ask','c=3.5','--ask','steps=2','--episodes',1,'--out',tmp_path/'e')
    quiet('ask', shelf/'run', *mine, '--ask','c=3.5','--ask','steps=2','--state','0,0,0')
    for bad,says in (('d=1',['--ask d=1',"'sure' has no setting 'd'",'steps, lr, stop, starts, c']), ('c=x',["--ask c=x: 'x' is not a float"]), ('c=nan',['must be finite'])):
        refused(capsys, shelf, ['evaluate',shelf/'run',*mine,'--ask',bad], says)
    refused(capsys, shelf, ['evaluate',shelf/'run','--lam','2','--ask','lam=1'], ['say the same'])

def test_evaluate_where_nothing_is(capsys, shelf):
    refused(capsys, shelf, ['evaluate',shelf/'nothing'], ['no checkpoint in','nothing']); refused(capsys, shelf, ['slim',shelf/'nothing',shelf/'new'], ['no checkpoint in'])

def test_slim_over_a_run(capsys, shelf): refused(capsys, shelf, ['slim',shelf/'run',shelf/'run'], ['already holds a run'])

@pytest.mark.parametrize('how', ['gone','cut','empty'])
@pytest.mark.parametrize('file', ['config.json','model.safetensors','posteriors.safetensors','history.json','optimizer.safetensors','rng.safetensors'])
def test_incomplete_checkpoint(capsys, shelf, file, how):
    d = shelf/'broken'; shutil.copytree(shelf/'run', d); f = d/'checkpoint'/file
    f.unlink() if how=='gone' else f.write_bytes(f.read_bytes()[:40] if how=='cut' else b'')
    try: refused(capsys, shelf, ['evaluate',d,'--episodes',1], [str(d)])
    finally: shutil.rmtree(d)

def test_config_without_its_fields(capsys, shelf):
    d = shelf/'broken'; shutil.copytree(shelf/'run', d); (d/'checkpoint'/'config.json').write_text('{"format":1}')
    try: refused(capsys, shelf, ['evaluate',d,'--episodes',1], [str(d)])
    finally: shutil.rmtree(d)

def test_a_run_without_environment(capsys, shelf):
    d = shelf/'noenv'; shutil.copytree(shelf/'run', d); f = d/'checkpoint'/'config.json'
    c = json.loads(f.read_text()); c['meta']['env'] = None; f.write_text(json.dumps(c))
    refused(capsys, shelf, ['evaluate',d], ['does not say its environment','--env'])
    quiet('evaluate', d, '--env','gac/PointMass-v0','--question','prior','--episodes',2); shutil.rmtree(d)

@pytest.mark.parametrize('args', [['tran'],['train'],['train','x'],['train','x','--out','{}/new','--iterations','many'],['evaluate','{}/run','--colour','red']])
def test_bad_usage(capsys, shelf, args):
    before = tree(shelf); code = call(*(a.format(shelf) for a in args)); err = capsys.readouterr().err
    assert code==2 and 'Traceback' not in err and err.strip() and tree(shelf)==before

def test_demo_refuses_before_it_trains(capsys, shelf, monkeypatch):
    def trained(*args): raise AssertionError('trained in spite of bad input')
    monkeypatch.setattr(train, 'iterate', trained)
    refused(capsys, shelf, ['demo','--out',shelf/'run','--dataset',shelf/'whole.hdf5'], ['already holds a run'])
    try: refused(capsys, shelf, ['demo','--out',shelf/'new','--dataset',shelf/'whole.hdf5','--iterations',1,'--episodes',0], ['\'--episodes\' 0: it should be greater than or equal to 1'])
    finally: shutil.rmtree(shelf/'new', ignore_errors=True)

def test_any_error_is_one_line_and_debug_shows_where(capsys, shelf, monkeypatch):
    def broken(*args): raise KeyError('surprise')
    monkeypatch.setattr(data, 'describe', broken)
    assert call('info', MINI)==2
    assert one_line(err := capsys.readouterr().err) and 'KeyError' in err and 'GAC_DEBUG=1' in err
    monkeypatch.setenv('GAC_DEBUG', '1')
    assert call('info', MINI)==2 and 'Traceback' in capsys.readouterr().err

def test_a_picture_that_cannot_be_drawn_is_a_warning(capsys, shelf, tmp_path, monkeypatch):
    from gac import commands
    def broken(*args): raise RuntimeError('no canvas')
    monkeypatch.setattr(commands, '_histogram', broken)
    quiet('evaluate', shelf/'run', '--question','prior','--episodes',2,'--out',tmp_path/'e')
    said = capsys.readouterr()
    assert [p.name for p in (tmp_path/'e').iterdir()]==['prior.csv'] and 'predicted' in said.out and 'no canvas' in said.err

def test_a_set_without_environment_is_trained_and_asked(capsys, shelf, tmp_path):
    quiet('info', shelf/'noenv.hdf5')
    assert 'none recorded: a rollout needs one' in capsys.readouterr().out
    quiet('train', shelf/'noenv.hdf5', '--out', tmp_path/'r', '--iterations', 2, '--import', 'json', *SMALL)
    assert f"next: gac ask {tmp_path/'r'} --question best --state … --import json\n" in capsys.readouterr().out
    quiet('ask', tmp_path/'r', '--state', '0,.1,.2'); out = capsys.readouterr().out
    assert len(out.splitlines()[1].split(','))==2 and 'predicted return' in out
    refused(capsys, tmp_path, ['ask',tmp_path/'r','--state','1,2'], ['--state','S=3'])
    refused(capsys, tmp_path, ['evaluate',tmp_path/'r'], ['a rollout needs one','--env'])

def test_errors_in_a_real_shell(shelf):
    before = tree(shelf); r = shell('train', shelf/'cut.hdf5', '--out', shelf/'new')
    assert r.returncode==2 and one_line(r.stderr) and not r.stdout and tree(shelf)==before

# --- good input

def test_help_is_quick_and_without_torch(tmp_path):
    code = 'import sys\ntry:\n from gac.cli import main; main(["--help"])\nexcept SystemExit: pass\nbad={"torch","numpy","pandas","gymnasium","matplotlib"}&set(sys.modules)\nassert not bad, bad'
    spent = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) # CPU seconds: what others do here does not count
    best = 9.
    for _ in range(3):
        start = spent()
        r = subprocess.run([sys.executable,'-c',code], capture_output=True, text=True, cwd=tmp_path)
        best = min(best, spent()-start)
    assert r.returncode==0, r.stderr
    assert all(c in r.stdout for c in ('info','train','evaluate','slim','demo','compare'))
    assert best<1, best

def test_settings():
    fit, arch = run_settings(['batch=8','clip=.5','warm=false','D=16','heads=2','transition=True','draw=sqrt'], 3, 2, seed=4, iterations=9)
    assert (fit.batch,fit.clip,fit.warm,fit.draw,fit.seed,fit.iterations)==(8,.5,False,'sqrt',4,9)
    assert (arch.S,arch.A,arch.D,arch.heads,arch.transition)==(3,2,16,2,True)

def test_settings_begin_with_the_recipe():
    assert run_settings([], 3, 2, seed=4)==recipe(3, 2, seed=4)
    assert run_settings(['recipe=none'], 3, 2)==(Fit(), Arch(3,2))
    assert run_settings(['draw=good','tokens=3'], 3, 2)==recipe(3, 2, draw='good', tokens=3)
    fit, arch = run_settings([], 3, 2)
    assert all(RECIPE[k]==getattr(arch if hasattr(arch,k) else fit, k) for k in RECIPE)
    with pytest.raises(ValueError, match='recipe=none'): run_settings(['recipe=mine'], 3, 2)

def test_info(capsys, shelf):
    quiet('info', shelf/'whole.hdf5'); out = capsys.readouterr().out
    assert 'gac/PointMass-v0' in out and '16' in out
    quiet('info', shelf/'noenv.hdf5', '--env', 'me/Mine-v0'); assert 'me/Mine-v0' in capsys.readouterr().out

def test_info_of_a_run_leaves_out_what_it_does_not_say(capsys, shelf):
    for where in ('run','run/checkpoint','slim'):
        quiet('info', shelf/where); out = capsys.readouterr().out
        assert 'kind  run' in out and 'iterations  5' in out and all(len(l.split())>1 for l in out.splitlines())
    quiet('info', shelf/'noenv.hdf5'); assert all(len(l.split())>1 for l in capsys.readouterr().out.splitlines())

@pytest.mark.parametrize('length', ['0','-1','99999999999'])
def test_a_refit_has_a_length(capsys, shelf, tmp_path, length):
    refused(capsys, shelf, ['online',shelf/'run','--dataset',shelf/'whole.hdf5','--out',tmp_path/'o','--set',f'iterations={length}'], [f'iterations={length}'])

def test_train_writes_a_run(capsys, shelf, tmp_path):
    quiet('train', shelf/'noenv.hdf5', '--out', tmp_path/'r', '--env', 'gac/PointMass-v0', '--iterations', 5, '--tensorboard', tmp_path/'tb', *SMALL)
    run = load_run(tmp_path/'r')
    assert run.i==5 and run.model.arch.D==16 and run.meta['env']=='gac/PointMass-v0' and run.meta['dataset']=='noenv'
    assert (tmp_path/'r'/'curves.png').stat().st_size>5000 and any((tmp_path/'tb').iterdir()) and 'nats' in capsys.readouterr().out
    assert all(torch.equal(v, weights(shelf/'run')[k]) for k,v in weights(tmp_path/'r').items()) # the same data, the same seed

@pytest.mark.parametrize('where', ['run','run/checkpoint','slim'])
def test_evaluate_writes_rows_and_a_picture(capsys, shelf, tmp_path, where):
    quiet('evaluate', shelf/where, '--question','improve','--delta-y',.5,'--episodes',3,'--steps',5,'--seed',70,'--out',tmp_path/'e')
    rows = pd.read_csv(tmp_path/'e'/'improve.csv')
    assert sorted(p.name for p in (tmp_path/'e').iterdir())==['improve.csv','improve.png'] and rows.env_seed.tolist()==[70,71,72]
    assert (rows.acting=='sample').all() and rows.target.notna().all() and 'predicted' in capsys.readouterr().out

def test_bars_are_for_a_terminal(capsys, shelf, tmp_path, monkeypatch):
    words = 'evaluate', shelf/'run', '--question','prior','--episodes',2,'--out',tmp_path/'e'
    quiet(*words)
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    quiet(*words)
    assert 'prior, sample: 100%' in capsys.readouterr().err

def test_a_log_gets_lines(capsys, shelf, tmp_path, monkeypatch):
    monkeypatch.setattr('gac.core.Lines.every', 0.)
    quiet('train', shelf/'whole.hdf5', '--out', tmp_path/'r', '--iterations', 2, *SMALL)
    said = capsys.readouterr().err
    assert '2 of 2 batch in 00:' in said and 'elbo=' in said and '\r' not in said and '%|' not in said

@pytest.mark.parametrize('command, names', [('evaluate','QUESTIONS'), ('baseline','SYSTEMS'), ('online','STRATEGIES'), ('export','FORMATS')])
def test_help_lists_what_the_registry_holds(capsys, monkeypatch, command, names):
    import gac.baselines.systems, gac.export, gac.online, gac.query
    module = {'QUESTIONS':gac.query, 'SYSTEMS':gac.baselines.systems, 'STRATEGIES':gac.online, 'FORMATS':gac.export}[names]
    monkeypatch.setattr(module, names, getattr(module,names)|dict(newest=None))
    monkeypatch.setenv('COLUMNS', '250'); quiet(command, '--help')
    said = re.sub(r'\x1b\[[\d;]*m', '', capsys.readouterr().out) # without colours
    assert all(k in said for k in getattr(module,names)) and not any(f'{{{k}}}' in said for k in REGISTRIES)


def test_slim_is_small(shelf):
    size = lambda d: sum(f.stat().st_size for f in d.rglob('*'))
    assert size(shelf/'slim')<size(shelf/'run')/2 and load_run(shelf/'slim').opt is None

# --- interruption

SOME = ['--iterations', 34, '--save-every', 20, *SMALL]

@pytest.fixture(scope='module')
def straight(shelf):
    quiet('train', shelf/'whole.hdf5', '--out', shelf/'straight', *SOME)
    return weights(shelf/'straight')

def test_interrupted_and_resumed(capsys, shelf, straight, tmp_path, monkeypatch):
    "Ctrl-C in iteration 30, 10 after the checkpoint."
    real, out = train.iterate, tmp_path/'r'
    def stop(run, *args):
        if run.i==29: raise KeyboardInterrupt
        return real(run, *args)
    monkeypatch.setattr(train, 'iterate', stop); capsys.readouterr()
    code = call('train', shelf/'whole.hdf5', '--out', out, *SOME); err = capsys.readouterr().err
    assert load_run(out).i==20 and code
    monkeypatch.undo(); quiet('train', shelf/'whole.hdf5', '--out', out, '--resume')
    assert load_run(out).i==34 and all(torch.equal(v, straight[k]) for k,v in weights(out).items())
    assert 'gac: interrupted; what was written is kept' in err, err

def test_ctrl_c_in_a_shell(shelf, tmp_path):
    out, log = tmp_path/'r', open(tmp_path/'log','w')
    p = subprocess.Popen([sys.executable,'-m','gac','train',str(shelf/'whole.hdf5'),'--out',str(out),*map(str,SOME[2:]),'--iterations','100000'], stdout=log, stderr=log,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) # a parent in the background may have it ignored
    try:
        end = time.time()+60
        while not (out/'checkpoint'/'config.json').exists() and p.poll() is None and time.time()<end: time.sleep(.05)
        p.send_signal(signal.SIGINT); code = p.wait(20)
    finally: p.kill()
    said = (tmp_path/'log').read_text()
    i = load_run(out).i
    assert i>=20 and not list(out.glob('.*')) and code==130 # it is saved where it stood
    assert 'Traceback' not in said and f'stopped by SIGINT at iteration {i} of 100000; saved in' in said, said[-300:]

# --- the main job

def test_demo(tmp_path):
    r = shell('demo', '--iterations', 3, '--episodes', 2, '--clone-steps', 20, '--out', tmp_path/'d', cwd=tmp_path)
    assert r.returncode==0, r.stderr[-500:]
    assert {'table.csv','rows.csv','returns.png','curves.png','checkpoint'}<={p.name for p in (tmp_path/'d').iterdir()}
    rows, table = pd.read_csv(tmp_path/'d'/'rows.csv', keep_default_na=False, na_values=['']), pd.read_csv(tmp_path/'d'/'table.csv')
    assert len(rows)==10 and len(table)==5 and set(rows.method)=={'GAC','clone-10%'} and rows.env_seed.isin([10_000,10_001]).all()
    assert np.isfinite(rows[['achieved','normalised']]).all().all() and {'predicted','achieved','g','normalised','std'}<=set(table)
    assert (tmp_path/'d'/'returns.png').stat().st_size>10_000 and 'best' in r.stdout and str(tmp_path/'d') in r.stdout
    assert {p.name for p in tmp_path.iterdir()}=={'d'}
    again = shell('demo', '--out', tmp_path/'d')
    assert again.returncode==2 and one_line(again.stderr) and '--resume' in again.stderr

def test_compare_takes_no_run_of_other_settings(shelf):
    run = load_run(shelf/'run')
    with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(run, shelf/'run', 999, [], run.cfg.seed)
    with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(run, shelf/'run', None, [], run.cfg.seed+1)

def test_a_resumed_run_may_change_how_it_is_computed(shelf):
    from gac.commands import _changed
    run = load_run(shelf/'run'); was = run.cfg
    new = _changed(_changed(run, ['batch=4']), ['batch=2','precision=bfloat16'])
    assert (new.cfg.batch, new.cfg.precision)==(2,'bfloat16') and new.meta['began']==dict(batch=was.batch, precision='float32')
    with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(new, shelf/'run', None, ['batch=2'], was.seed)
    with pytest.raises(SystemExit): cli.main(['train','gac/hopper/medium-replay-mini-v0','--out',str(shelf/'run'),'--resume','--set','D=32'])

def test_refits_of_each_stage():
    base, arch = dict(iterations=150, outer_lr=5e-4), Arch(11,3)
    assert _refits(base, ['iterations=60,30','batch=8'], 2, arch)==[dict(iterations=60,outer_lr=5e-4,batch=8), dict(iterations=30,outer_lr=5e-4,batch=8)]
    assert _refits(base, ['iterations=60'], 2, arch)==dict(iterations=60,outer_lr=5e-4)
    with pytest.raises(ValueError, match='--set iterations: give one value, or one for each of 3 stages'): _refits(base, ['iterations=60,30'], 3, arch)
    paper = Online.paper('hopper-medium').refit
    assert _refits(paper, ['iterations=20'], 3, arch)==[r|dict(iterations=20) for r in paper]
    with pytest.raises(ValueError, match='--stages 4: the paper has refits for 3'): _refits(paper, ['iterations=20'], 4, arch)
    with pytest.raises(ValueError, match='name fields of Fit only'): _refits(base, ['D=64'], 3, arch)

# --- rows: written to a data root of the test's own

@pytest.fixture
def results(tmp_path, monkeypatch):
    (tmp_path/'data').mkdir(); monkeypatch.setenv('GAC_DATA', str(tmp_path/'data')); return tmp_path/'data'/'results'

def test_online_keeps_rows(capsys, shelf, tmp_path, results):
    args = ['online',shelf/'run','--dataset',shelf/'whole.hdf5','--out',tmp_path/'o','--stages',2,'--episodes',3,'--asked',2,'--elite','start','--set','iterations=2','--table','t','--label','mine']
    for _ in range(2): # the second time nothing is left to do
        quiet(*args); out = capsys.readouterr().out
        assert f"written: {tmp_path/'o'}" in out and 'best' in out and 'stage 2: asked for' in out
        rows, got = pd.read_csv(results/'t.csv'), pd.read_csv(results/'t-collected.csv')
        assert len(rows)==3*2*2 and set(rows.stage)=={0,1,2} and (rows.method=='mine').all() and rows.achieved.notna().all()
        assert got.groupby('stage').size().to_dict()=={1:3, 2:3} and sorted(p.name for p in results.iterdir())==['t-collected.csv','t.csv']
    last = load_run(tmp_path/'o'/'stage-2'); assert last.i==2 and last.cfg.elite>0 and load_run(shelf/'run').i==5

@pytest.mark.parametrize('strategy, option, says', [('adaptive','--target','choose target'),('target','--delta-y','choose improve or adaptive'),('control','--delta-y','choose improve or adaptive')])
def test_online_refuses_what_a_strategy_does_not_look_at(capsys, shelf, tmp_path, strategy, option, says):
    refused(capsys, shelf, ['online',shelf/'run','--dataset',shelf/'whole.hdf5','--out',tmp_path/'o','--strategy',strategy,option,'3'], [f'{option} 3', f'{strategy!r} does not look at it', says])
    assert not (tmp_path/'o').exists()

def test_a_warning_is_one_line(capsys, shelf, tmp_path):
    quiet('evaluate', shelf/'run', '--question','target','--target',1e6,'--episodes',1,'--steps',2,'--out',tmp_path)
    err = [l for l in capsys.readouterr().err.splitlines() if 'far outside the data' in l]
    assert len(err)==1 and err[0].startswith('gac: target return 1e+06')

def test_critic_keeps_rows(capsys, shelf, results):
    for split,n in ((7,16), (8,32), (8,32)):
        quiet('critic', shelf/'whole.hdf5', '--iterations', 2, '--held', 4, '--starts', 1, '--split', split, '--table', 'critic', *SMALL)
        rows = pd.read_csv(results/'critic.csv'); assert len(rows)==n and set(rows.cut)=={0,10,50,200} and set(rows.split)<={7,8}
    assert 'covers50' in capsys.readouterr().out and np.isfinite(rows.expected).all() and (rows.method=='critic').all()

@pytest.mark.skipif(not os.environ.get('GAC_TORCHRUN'), reason='starts many processes; set GAC_TORCHRUN=1')
def test_processes_keeps_rows(capsys, shelf, results):
    quiet('processes', shelf/'whole.hdf5', '--counts', '1,2', '--repetitions', 1, '--iterations', 10, '--table', 'processes', *SMALL, '--set', 'batch=9')
    rows = pd.read_csv(results/'processes.csv'); out = capsys.readouterr().out
    assert sorted(zip(rows.way, rows.processes))==[('apart',2),('keyed',1),('keyed',2),('stream',1)] and (rows.trajectories_per_second>0).all() and 'times' in out and out.count('trajectories/s')==4

# --- what a command says of itself

def advised(out): # what a command prints -> the words of the command to type next, as a shell takes them
    import shlex
    return shlex.split(re.search(r'^next: (.*)$', out, re.M)[1])

@pytest.mark.parametrize('name', ['a b', "it's", '-x', '$(pwd)'])
def test_the_next_command_can_be_typed(capsys, shelf, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    quiet('train', shelf/'whole.hdf5', f'--out={name}', '--iterations', 1, *SMALL)
    words = advised(capsys.readouterr().out)
    assert words[:2]==['gac','evaluate'] and Path(words[2]).resolve()==tmp_path/name
    quiet(*words[1:], '--episodes', 1, '--steps', 1)
    assert (tmp_path/name/'eval'/'best.csv').is_file()

def test_commands_in_messages_can_be_typed(tmp_path, monkeypatch):
    from gac import files
    from gac.study import command
    with pytest.raises(FileNotFoundError, match=f"--out '{tmp_path}/a b'`"): load_run(tmp_path/'a b')
    assert files._cause('my set.hdf5', PermissionError()).endswith("chmod u+r 'my set.hdf5'")
    trial = type('Trial', (), dict(user_attrs=dict(iterations=3), params={}))
    assert command(type('Search', (), dict(run=None, dataset='-a b.hdf5', fixed={})), trial, 'x').startswith("gac train './-a b.hdf5' --out RUN --env x")

def test_a_fetched_name_can_be_typed(capsys, tmp_path, monkeypatch):
    from gac import fetch
    monkeypatch.setattr(fetch, 'fetch', lambda *a, **kw: tmp_path/'a b')
    quiet('fetch', 'demo', '--cache', tmp_path)
    assert advised(capsys.readouterr().out)[2]==str(tmp_path/'a b')

def hurdle(where, how): # a picture cannot be written there
    if how=='folder': (where/'keep').mkdir(parents=True)
    else: where.parent.mkdir(parents=True, exist_ok=True)

@pytest.mark.parametrize('how', ['folder','full'])
def test_a_picture_that_is_not_there_is_not_claimed(capsys, shelf, tmp_path, monkeypatch, how):
    from matplotlib.figure import Figure
    def full(self, f, **kw):
        Path(f).write_bytes(b'half')
        raise OSError(28, 'No space left on device')
    if how=='full': monkeypatch.setattr(Figure, 'savefig', full)
    hurdle(tmp_path/'e'/'best.png', how)
    quiet('evaluate', shelf/'run', '--episodes', 1, '--steps', 1, '--out', tmp_path/'e')
    said = capsys.readouterr()
    assert f"written: {tmp_path}/e/best.csv\n" in said.out and 'achieved' in said.out and 'png' not in said.out
    assert re.search(f"gac: {tmp_path}/e/best.png could not be drawn: .*best.png", said.err)
    assert (tmp_path/'e'/'best.csv').is_file() and not [p for p in (tmp_path/'e').iterdir() if p.name[0]=='.']
    hurdle(tmp_path/'d'/'returns.png', how)
    hurdle(tmp_path/'d'/'curves.png', how)
    demo = ['demo','--dataset',shelf/'whole.hdf5','--out',tmp_path/'d','--iterations',1,'--episodes',2,'--clone-steps',1]
    quiet(*demo)
    said = capsys.readouterr()
    assert f"written: {tmp_path}/d/table.csv, rows.csv\n" in said.out and said.err.count('could not be drawn')==2
    assert not [p for p in (tmp_path/'d').iterdir() if p.name[0]=='.']

@pytest.mark.parametrize('value', [3., 0., -.1])
def test_returns_that_are_all_the_same_are_told_of_once(capsys, shelf, tmp_path, value):
    from dataclasses import replace
    p = flat(tmp_path/'same.hdf5', replace(point_mass_data(8), y=torch.full((8,), value)), 'gac/PointMass-v0')
    for args in (['info',p], ['train',p,'--out',tmp_path/'r','--iterations',1,*SMALL]):
        quiet(*args)
        err = capsys.readouterr().err
        assert err.count(f'the 8 returns are all {value:g}, so nothing tells a good episode from a bad one')==1 and 'were the rewards recorded?' in err
    quiet('info', shelf/'whole.hdf5')
    assert capsys.readouterr().err==''
    quiet('evaluate', tmp_path/'r', '--question','target', '--episodes',2, '--steps',1)
    assert capsys.readouterr().err=='' # the return they have is no extrapolation
    quiet('evaluate', tmp_path/'r', '--question','improve', '--episodes',2, '--steps',1)
    assert 'is far outside the data' in capsys.readouterr().err

def test_where_returns_are_all_the_same_there_is_no_gain():
    from gac.rows import gain
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert np.isnan(gain([3.1,9.], np.full(605, 3.1, np.float32))).all() and gain(4., [0.,4.])==1
