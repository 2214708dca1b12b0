"The first commands: whatever is wrong is said before any work and leaves nothing; the main job is done by one of them."
import json, re, shutil, signal, subprocess, sys, time
import numpy as np
import pandas as pd
import pytest
import torch
import gac.run
from gac import api, bench, commands, train
from gac.cli import run_settings
from gac.commands import REGISTRIES
from gac.model import Arch
from gac.data import load
from gac.run import OPEN_END, RECIPE, SD_FROM, Fit, load_run, recipe
from toys.terminal import ALONE, MINI, SMALL, call, calm, quiet, refused, shell, stocked, weights

@pytest.fixture(scope='module')
def shelf(tmp_path_factory): yield from stocked(tmp_path_factory)

@pytest.fixture(autouse=True)
def _calm(monkeypatch): calm(monkeypatch)

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
    for bad,says in (('d=1',['--ask d=1',"'sure' has no setting 'd'",'steps, lr, stop, starts, stored, c']), ('c=x',["--ask c=x: 'x' is not a float"]), ('c=nan',['must be finite'])):
        refused(capsys, shelf, ['evaluate',shelf/'run',*mine,'--ask',bad], says)
    quiet('evaluate', shelf/'run', '--question','prior', '--ask','stored=True','--episodes',1,'--out',tmp_path/'p')
    refused(capsys, shelf, ['evaluate',shelf/'run','--question','prior','--ask','lam=2'], ["'prior' has no setting 'lam'", 'stored'])
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

def test_demo_refuses_before_it_trains(capsys, shelf, monkeypatch):
    def trained(*args): raise AssertionError('trained in spite of bad input')
    monkeypatch.setattr(train, 'iterate', trained)
    refused(capsys, shelf, ['demo','--out',shelf/'run','--dataset',shelf/'whole.hdf5'], ['already holds a run'])
    try: refused(capsys, shelf, ['demo','--out',shelf/'new','--dataset',shelf/'whole.hdf5','--iterations',1,'--episodes',0], ['\'--episodes\' 0: it should be greater than or equal to 1'])
    finally: shutil.rmtree(shelf/'new', ignore_errors=True)

# --- good input

def test_settings():
    fit, arch = run_settings(['batch=8','clip=.5','warm=false','D=16','heads=2','transition=True','draw=sqrt'], 3, 2, seed=4, iterations=9)
    assert (fit.batch,fit.clip,fit.warm,fit.draw,fit.seed,fit.iterations)==(8,.5,False,'sqrt',4,9)
    assert (arch.S,arch.A,arch.D,arch.heads,arch.transition)==(3,2,16,2,True)

@pytest.mark.parametrize('name', OPEN_END)
def test_a_setting_of_an_open_end_leaves_the_end_to_the_bound(name):
    value = type(getattr(Fit(),name))(2)
    for cfg in (run_settings([f'{name}={value}'], 3, 2)[0], run_settings([], 3, 2, **{name:value})[0]): assert cfg.iterations is None
    assert run_settings([f'{name}={value}'], 3, 2, iterations=7)[0].iterations==7
    assert run_settings([], 3, 2)[0].iterations==RECIPE['iterations']
    assert recipe(3, 2, dict(iterations=9, **{name:value}))[0].iterations==9 # a base says both

def test_settings_begin_with_the_recipe():
    assert run_settings([], 3, 2, seed=4)==recipe(3, 2, seed=4)
    assert run_settings(['recipe=none'], 3, 2)==(Fit(), Arch(3,2))
    assert run_settings(['draw=good','tokens=3'], 3, 2)==recipe(3, 2, draw='good', tokens=3)
    fit, arch = run_settings([], 3, 2)
    assert all(RECIPE[k]==getattr(arch if hasattr(arch,k) else fit, k) for k in RECIPE)
    with pytest.raises(ValueError, match='recipe=none'): run_settings(['recipe=mine'], 3, 2)

def test_large_data_get_an_sd_by_state():
    small, large, told, plain = (run_settings(pairs, 3, 2, steps=n)[1].state_sd for pairs,n in
        (([],SD_FROM-1), ([],SD_FROM), (['state_sd=false'],SD_FROM), (['recipe=none'],SD_FROM)))
    assert (small,large,told,plain)==(False,True,False,False)

@pytest.mark.parametrize('door', ['train','gac.train','bench'])
def test_every_door_says_how_large_the_data_are(shelf, monkeypatch, door):
    tau = load(shelf/'noenv.hdf5')
    monkeypatch.setattr(gac.run, 'SD_FROM', len(tau.a))
    if door=='train': arch = commands._fresh(shelf/'noenv.hdf5', tau, ('gac/PointMass-v0',None), [], 'cpu', {}, 1).model.arch
    if door=='gac.train': arch = api._settings_of(tau, {})[1]
    if door=='bench': arch = bench._gac_settings(bench.Job('d', 'GAC', 'return', 0), *tau.s.shape[1:], *tau.a.shape[1:], len(tau.a))[1]
    assert arch.state_sd

def test_info(capsys, shelf):
    quiet('info', shelf/'whole.hdf5'); out = capsys.readouterr().out
    assert 'gac/PointMass-v0' in out and '16' in out
    quiet('info', shelf/'noenv.hdf5', '--env', 'me/Mine-v0'); assert 'me/Mine-v0' in capsys.readouterr().out

def test_info_of_a_run_leaves_out_what_it_does_not_say(capsys, shelf):
    for where in ('run','run/checkpoint','slim'):
        quiet('info', shelf/where); out = capsys.readouterr().out
        assert 'kind  run' in out and 'iterations  5' in out and all(len(l.split())>1 for l in out.splitlines())
    quiet('info', shelf/'noenv.hdf5'); assert all(len(l.split())>1 for l in capsys.readouterr().out.splitlines())

def test_train_writes_a_run(capsys, shelf, tmp_path):
    quiet('train', shelf/'noenv.hdf5', '--out', tmp_path/'r', '--env', 'gac/PointMass-v0', '--iterations', 5, '--tensorboard', tmp_path/'tb', *ALONE)
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

def test_a_picture_that_cannot_be_drawn_is_a_warning(capsys, shelf, tmp_path, monkeypatch):
    from gac import compare
    def broken(*args): raise RuntimeError('no canvas')
    monkeypatch.setattr(compare, 'histogram', broken)
    quiet('evaluate', shelf/'run', '--question','prior','--episodes',2,'--out',tmp_path/'e')
    said = capsys.readouterr()
    assert [p.name for p in (tmp_path/'e').iterdir()]==['prior.csv'] and 'predicted' in said.out and 'no canvas' in said.err

def test_a_set_without_environment_is_trained_and_asked(capsys, shelf, tmp_path):
    quiet('info', shelf/'noenv.hdf5')
    assert 'none recorded: a rollout needs one' in capsys.readouterr().out
    quiet('train', shelf/'noenv.hdf5', '--out', tmp_path/'r', '--iterations', 2, '--import', 'json', *ALONE)
    assert f"next: gac ask {tmp_path/'r'} --question best --state … --import json\n" in capsys.readouterr().out
    quiet('ask', tmp_path/'r', '--state', '0,.1,.2'); out = capsys.readouterr().out
    assert len(out.splitlines()[1].split(','))==2 and 'predicted return' in out
    refused(capsys, tmp_path, ['ask',tmp_path/'r','--state','1,2'], ['--state','S=3'])
    refused(capsys, tmp_path, ['evaluate',tmp_path/'r'], ['a rollout needs one','--env'])

def test_bars_are_for_a_terminal(capsys, shelf, tmp_path, monkeypatch):
    words = 'evaluate', shelf/'run', '--question','prior','--episodes',2,'--out',tmp_path/'e'
    quiet(*words)
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    quiet(*words)
    assert 'prior, sample: 100%' in capsys.readouterr().err

def test_a_log_gets_lines(capsys, shelf, tmp_path, monkeypatch):
    monkeypatch.setattr('gac.core.Lines.every', 0.)
    quiet('train', shelf/'whole.hdf5', '--out', tmp_path/'r', '--iterations', 2, *ALONE)
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

SOME = ['--iterations', 34, '--save-every', 20, *ALONE]

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

def test_demo(capsys, tmp_path):
    r = shell('demo', '--iterations', 3, '--episodes', 2, '--clone-steps', 20, '--out', tmp_path/'d', cwd=tmp_path)
    assert r.returncode==0, r.stderr[-500:]
    assert {'table.csv','rows.csv','returns.png','curves.png','checkpoint'}<={p.name for p in (tmp_path/'d').iterdir()}
    rows, table = pd.read_csv(tmp_path/'d'/'rows.csv', keep_default_na=False, na_values=['']), pd.read_csv(tmp_path/'d'/'table.csv')
    assert len(rows)==10 and len(table)==5 and set(rows.method)=={'GAC, team of 2','clone-10%'} and rows.env_seed.isin([10_000,10_001]).all()
    assert np.isfinite(rows[['achieved','normalised']]).all().all() and {'predicted','achieved','g','normalised','std'}<=set(table)
    assert (tmp_path/'d'/'returns.png').stat().st_size>10_000 and 'best' in r.stdout and str(tmp_path/'d') in r.stdout
    assert {p.name for p in tmp_path.iterdir()}=={'d'} and (tmp_path/'d'/'member-2'/'checkpoint').is_dir()
    refused(capsys, tmp_path, ['demo','--out',tmp_path/'d'], ['already holds a run','--resume'])
