"The command line: whatever is wrong is said in one line, and nothing is left behind."
import os, re, resource, shutil, subprocess, sys, warnings
from pathlib import Path
from dataclasses import dataclass
from functools import partial
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from gac import cli, data, study as st, tune as tu
from gac.cli import _refits
from gac.critic import held_out
from gac.data import save
from gac.envs import point_mass_data
from gac.model import Arch
from gac.online import Online
from gac.query import Ask
from gac.run import SD_FROM, load_run, new_run, recipe
from gac.study import open_study
from toys.searches import about, quick, untrained
from toys.terminal import ALONE, MINI, SMALL, call, calm, flat, one_line, quiet, refused, shell, stocked, tree

@pytest.fixture(scope='module')
def shelf(tmp_path_factory): yield from stocked(tmp_path_factory)

@pytest.fixture(autouse=True)
def _calm(monkeypatch): calm(monkeypatch)

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

@pytest.mark.parametrize('args', [['tran'],['train'],['train','x'],['train','x','--out','{}/new','--iterations','many'],['evaluate','{}/run','--colour','red']])
def test_bad_usage(capsys, shelf, args):
    before = tree(shelf); code = call(*(a.format(shelf) for a in args)); err = capsys.readouterr().err
    assert code==2 and 'Traceback' not in err and err.strip() and tree(shelf)==before

def test_any_error_is_one_line_and_debug_shows_where(capsys, shelf, monkeypatch):
    def broken(*args): raise KeyError('surprise')
    monkeypatch.setattr(data, 'describe', broken)
    assert call('info', MINI)==2
    assert one_line(err := capsys.readouterr().err) and 'KeyError' in err and 'GAC_DEBUG=1' in err
    monkeypatch.setenv('GAC_DEBUG', '1')
    assert call('info', MINI)==2 and 'Traceback' in capsys.readouterr().err

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

@pytest.mark.parametrize('length', ['0','-1','99999999999'])
def test_a_refit_has_a_length(capsys, shelf, tmp_path, length):
    refused(capsys, shelf, ['online',shelf/'run','--dataset',shelf/'whole.hdf5','--out',tmp_path/'o','--set',f'iterations={length}'], [f'iterations={length}'])

def test_compare_takes_no_run_of_other_settings(shelf):
    run = load_run(shelf/'run')
    with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(run, shelf/'run', 999, [], run.cfg.seed, 9)
    with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(run, shelf/'run', None, [], run.cfg.seed+1, 9)

@pytest.mark.parametrize('sd', [False,True], ids=['begun before the size said it','after'])
def test_compare_goes_on_with_large_data(shelf, sd):
    tau = data.load(shelf/'noenv.hdf5')
    cfg, arch = recipe(tau.s.shape[1], tau.a.shape[1], steps=SD_FROM if sd else 0, iterations=7, seed=3)
    run = new_run(tau, arch, cfg)
    assert run.model.arch.state_sd==sd and cli._unfinished(run, 'r', 7, [], 3, SD_FROM) and cli._unfinished(run, 'r', None, [], 3, SD_FROM)
    for pairs,steps in (([f'state_sd={not sd}'],SD_FROM), ([f'state_sd={not sd}'],0)):
        with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(run, 'r', 7, pairs, 3, steps)

def test_a_resumed_run_may_change_how_it_is_computed(shelf):
    from gac.commands import _changed
    new = load_run(shelf/'run'); was = new.cfg
    for pairs in (['batch=4'], ['batch=2','precision=bfloat16']): _changed(new, pairs)
    assert (new.cfg.batch, new.cfg.precision)==(2,'bfloat16') and new.meta['began']==dict(batch=was.batch, precision='float32')
    with pytest.raises(ValueError, match='trained with other settings'): cli._unfinished(new, shelf/'run', None, ['batch=2'], was.seed, 9)
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

@dataclass(frozen=True)
class Short(Ask):
    "What is checked here does not depend on how long a plan is searched for."
    steps:int=5

@pytest.fixture
def results(tmp_path, monkeypatch):
    (tmp_path/'data').mkdir(); monkeypatch.setenv('GAC_DATA', str(tmp_path/'data')); return tmp_path/'data'/'results'

def test_online_keeps_rows(capsys, shelf, tmp_path, results, monkeypatch):
    monkeypatch.setattr('gac.online.Ask', Short)
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

def test_critic_keeps_rows(capsys, shelf, results, monkeypatch):
    monkeypatch.setattr('gac.critic.held_out', partial(held_out, steps=9)) # how near it comes is another test's
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
    quiet('train', shelf/'whole.hdf5', f'--out={name}', '--iterations', 1, *ALONE)
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
    for args in (['info',p], ['train',p,'--out',tmp_path/'r','--iterations',1,*ALONE]):
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

# --- gac tune

@pytest.fixture(scope='module')
def mass():
    pytest.importorskip('optuna')
    return point_mass_data(30, seed=3)

@pytest.fixture(scope='module')
def disk(shelf, tmp_path_factory, mass):
    "The same on disk; the cache is that of the shelf."
    return save(mass, 'gac/mass-v0', 'gac/PointMass-v0', tmp_path_factory.mktemp('sets'))

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
    import optuna
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
    import optuna
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
    with pytest.raises(SystemExit): cli.main(['tune',str(disk),'--out',str(tmp_path/'o'),'--table','tune'])
    err = capsys.readouterr().err; assert 'is not a folder' in err and err.count('\n')==1 and not (tmp_path/'o').exists()

def test_a_search_without_a_trial_says_why(disk, tmp_path, capsys, monkeypatch):
    def full(*a): raise MemoryError('out of memory: halve batch')
    monkeypatch.setattr(st, 'attempt', full); monkeypatch.setenv('GAC_DATA', str(tmp_path))
    with pytest.raises(SystemExit): cli.main(['tune',str(disk),'--held','8','--trials','2','--out',str(tmp_path)])
    assert 'no trial was completed: out of memory' in capsys.readouterr().err

def test_the_command_searches_acts_and_keeps_rows(disk, tmp_path, capsys, untrained, monkeypatch):
    monkeypatch.setenv('GAC_DATA', str(tmp_path/'none')) # nothing is added to committed rows
    def earned(run, t, env, question, n, seed): return dict(dataset=t.dataset, study=t.study, trial=t.trial, value=t.value, error=1., env=env, question=question, episodes=n, env_seed=seed, achieved=t.trial*2., achieved_error=1.)
    monkeypatch.setattr(tu, 'rank_correlation', partial(tu.rank_correlation, draws=100))
    monkeypatch.setattr(tu, '_earned', earned); monkeypatch.setattr(tu, 'load_run', lambda f: type('R',(),dict(meta=dict(env='e'))))
    for i in range(4): (tmp_path/f's-fit-{i:03d}').mkdir()
    args = ['tune',str(disk),'--phase','fit','--study','s','--trials','4','--no-prune','--out',str(tmp_path),'--held','8','--returns','2']
    for _ in range(2): # the second time nothing is left to do
        with pytest.raises(SystemExit) as e: cli.main(args)
        said = capsys.readouterr().out; assert not e.value.code and 'gac train' in said and '--set batch=' in said and 'rank correlation' in said
        rows, acted = (pd.read_csv(tmp_path/'results'/f'tune{x}.csv') for x in ('','-returns'))
        assert len(rows)==4 and len(acted)==8 and not (rows.dataset+acted.dataset[:4]).str.contains('/').any()

@pytest.mark.parametrize('given,says', [('{"a": 1}', ["cannot make environment 'gac/PointMass-v0'", "'a'"]), ('{"a": NaN}', ["--env-kwargs['a'] is 'nan': give numbers, no nan"])])
def test_arguments_that_the_user_gives_have_to_fit(capsys, shelf, tmp_path, given, says):
    refused(capsys, shelf, ['train',shelf/'whole.hdf5','--out',tmp_path/'r','--iterations',1,'--env-kwargs',given,*ALONE], says)
    assert not (tmp_path/'r').exists()

def test_a_module_that_ends_its_process_is_named(capsys, shelf, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path/'ends_us.py').write_text('raise SystemExit(3)')
    refused(capsys, shelf, ['info',shelf/'whole.hdf5','--import','ends_us'], ['--import ends_us: SystemExit: 3', 'mend that module'])

@pytest.mark.parametrize('args,names', [(['evaluate','{}/run','--episodes','1','--steps','1','--out','{}/e'], ['e/best.csv']), (['demo','--dataset','{}/whole.hdf5','--out','{}/e','--iterations','1'], ['e/rows.csv','e/table.csv'])])
def test_a_folder_in_the_place_of_rows_is_seen_before_the_work(capsys, shelf, monkeypatch, args, names):
    from gac import query, train
    for m,f in ((query,'play'), (train,'iterate')): monkeypatch.setattr(m, f, lambda *a, **kw: pytest.fail('work was done'))
    for name in names:
        (shelf/name).mkdir(parents=True)
        try: refused(capsys, shelf, [a.format(shelf) for a in args], [f'{name} is a folder', 'choose another --out'])
        finally: shutil.rmtree(shelf/'e')
