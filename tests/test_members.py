"Two trainings side by side: what lies where, what dies, what goes on."
import os, signal, subprocess, sys, time, warnings
from dataclasses import replace
import pytest
import torch
from fastcore.test import test_eq as same
import gac
from gac import members
from gac.envs import point_mass_data
from gac.files import BadFile
from gac.members import fit_members, load_members, member_place, new_members, ready, resume_members, save_members
from gac.model import Arch
from gac.run import Fit, load_run, new_run, save_run
from gac.schema import read_json
from gac.train import fit
from toys.terminal import SMALL, quiet, refused, stocked
psutil = pytest.importorskip('psutil', reason='psutil comes with Jupyter')

TINY = Arch.tiny(3, 2, D=16, heads=2, tokens=1, enc=1, dec=1)
FEW = Fit.tiny(iterations=6, batch=4, k=4, inner_steps=1, outer_steps=1)

@pytest.fixture(scope='module')
def lane(): return point_mass_data(12)

@pytest.fixture(scope='module')
def shelf(tmp_path_factory): yield from stocked(tmp_path_factory)

def fresh(lane, **kw): return new_members(lane, TINY, replace(FEW, **kw), dataset='lane', env='gac/PointMass-v0')

@pytest.fixture(scope='module')
def two(lane, tmp_path_factory): # -> run, its folder
    run, out = fresh(lane), tmp_path_factory.mktemp('two')/'run'
    fit_members(run, lane, out, progress=False)
    return run, out

def bits(run): return [*run.model.parameters(), run.store.phi]
def alike(a, b): return all(torch.equal(x, y) for x,y in zip(bits(a), bits(b)))

@pytest.mark.parametrize('j', [0,1])
def test_each_has_the_numbers_it_has_alone(lane, two, j):
    alone = new_run(lane, TINY, replace(FEW, seed=j*10**6))
    fit(alone, lane, progress=False)
    assert alike(alone, [two[0], *two[0].mates][j])

def test_without_a_folder_nothing_is_left(lane, two, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path)); monkeypatch.setattr('tempfile.tempdir', None)
    run = fresh(lane)
    fit_members(run, lane, progress=False)
    assert alike(run.mates[0], two[0].mates[0]) and not [*tmp_path.iterdir()]

def test_data_and_settings_are_those_of_the_first(two):
    run, mate = two[0], two[0].mates[0]
    assert run.meta['fingerprint']==mate.meta['fingerprint'] and replace(mate.cfg, seed=0)==run.cfg
    assert run.meta['members']==2 and 'members' not in mate.meta

def test_the_checkpoint_folder_will_do(two):
    assert alike(load_members(two[1]/'checkpoint').mates[0], load_members(two[1]).mates[0])

def test_the_second_can_be_asked_alone(two):
    assert not load_members(member_place(two[1], 1)).mates

def test_a_missing_one_is_named(lane, two, tmp_path):
    save_run(two[0], tmp_path/'r')
    with pytest.warns(UserWarning, match='member-2 is missing'): got = load_members(tmp_path/'r')
    assert not got.mates
    with pytest.raises(FileNotFoundError, match='member-2 is missing.*copy it there again'): resume_members(tmp_path/'r', lane)

@pytest.mark.parametrize('n', [0,-1,65,10**9])
def test_a_number_of_members_that_cannot_be(lane, two, tmp_path, n):
    with pytest.raises(ValueError, match='from 1 to 64'): new_members(lane, TINY, FEW, n)
    if n==0: return
    save_run(replace(two[0], meta=two[0].meta|dict(members=n)), tmp_path/'r')
    with pytest.raises(BadFile, match=f'says {n} members'): load_members(tmp_path/'r')

def test_one_before_its_first_batch_is_not_asked(lane, two):
    with pytest.raises(ValueError, match='has not trained a batch'): ready(fresh(lane), 'x')
    with pytest.warns(UserWarning, match='has 0 of 6 batches'): assert not ready(replace(two[0], mates=fresh(lane).mates), 'x').mates

def test_slim_ones_are_asked_and_not_resumed(lane, two, tmp_path):
    save_members(load_members(two[1]), tmp_path/'s', slim=True, keep=4)
    assert gac.evaluate(tmp_path/'s', n=2, steps=2, starts=2, progress=False).method.eq('GAC, team of 2').all()
    with pytest.raises(ValueError, match='saved for sharing'): resume_members(tmp_path/'s', lane)

def test_of_one_of_two_saved_alone_nothing_is_missing(two, tmp_path, recwarn):
    save_members(replace(two[0], mates=[]), tmp_path/'r')
    assert not load_members(tmp_path/'r').mates and not recwarn

# --- what dies

def test_a_mate_that_fails_is_named_and_goes_on(lane, two, tmp_path, monkeypatch):
    begin, run = members._start, fresh(lane)
    monkeypatch.setattr(members, '_start', lambda data,out,*more: (*begin(data, tmp_path/'gone', *more)[:2], out))
    with pytest.raises(ChildProcessError, match='member-2: .*no checkpoint.*the first is whole'), warnings.catch_warnings(record=True):
        fit_members(run, lane, tmp_path/'r', progress=False)
    monkeypatch.undo()
    again = resume_members(tmp_path/'r', lane)
    same((again.i, again.mates[0].i), (6, 0))
    fit_members(again, lane, tmp_path/'r', progress=False)
    assert alike(again.mates[0], two[0].mates[0])

def test_a_mate_that_is_killed_is_named(lane, tmp_path, monkeypatch):
    begin = members._start
    def killed(*args):
        p, *rest = begin(*args); p.kill(); p.wait(); return p, *rest
    monkeypatch.setattr(members, '_start', killed)
    seen = []
    with pytest.raises(ChildProcessError, match='ended by signal 9'), pytest.warns(UserWarning, match='ended by signal 9; this one goes on') as told:
        fit_members(fresh(lane), lane, tmp_path/'r', log=lambda h: seen.append(len(told)), progress=False)
    assert seen[0]==1 and len(told)==1 # at once, and once
    with pytest.warns(UserWarning, match='has 0 of 6 batches and does not act'): assert not ready(load_members(tmp_path/'r'), 'x').mates

def test_in_memory_the_first_is_kept(lane, two, monkeypatch):
    begin = members._start
    def killed(*args):
        p, *rest = begin(*args); p.kill(); return p, *rest
    monkeypatch.setattr(members, '_start', killed)
    run = fresh(lane)
    with pytest.warns(UserWarning, match='the first is alone'): fit_members(run, lane, progress=False)
    assert alike(run, two[0]) and not run.mates

def test_what_is_refused_leaves_nothing(lane, tmp_path, monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler'); monkeypatch.setenv('PATH', '')
    with pytest.raises(ValueError, match='needs a C\\+\\+ compiler'): fit_members(fresh(lane, compile=True), lane, tmp_path/'r', progress=False)
    assert not (tmp_path/'r').exists()
    monkeypatch.undo()
    def broken(*args, **kw): raise FloatingPointError('elbo is nan')
    monkeypatch.setattr(members, 'fit', broken)
    with pytest.raises(FloatingPointError): fit_members(fresh(lane), lane, tmp_path/'r', progress=False)
    assert not (tmp_path/'r').exists()

def test_one_cut_short_does_not_act_beside_one_that_is_done(lane, two):
    half = fresh(lane).mates[0]
    fit(half, lane, until=3, progress=False)
    with pytest.warns(UserWarning, match='has 3 of 6 batches'): assert not ready(replace(two[0], mates=[half]), 'x').mates
    going = replace(two[0], i=4, mates=[half])
    assert ready(going, 'x').mates # all are under way

def test_warnings_while_loading_are_no_missing_member(lane, two, monkeypatch):
    def noisy(*args, **kw): warnings.warn('an old driver'); return load_run(*args, **kw)
    monkeypatch.setattr(members, 'load_run', noisy)
    with pytest.warns(UserWarning, match='old driver'): assert resume_members(two[1], lane).mates

def test_several_processes_do_not_resume_two(lane, two):
    with pytest.raises(ValueError, match='2 trainings side by side.*without torchrun'): resume_members(two[1], lane, shared=True)

def test_threads_are_shared_and_given_back(lane, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 5); said = []
    monkeypatch.setattr(torch, 'set_num_threads', said.append)
    fit_members(fresh(lane), lane, progress=False)
    same(said, [2, 5])

def test_any_seed_has_a_mate(): same(members.member_seed(2**31-1, 1), 10**6-1)

def test_memory_is_for_both(lane, monkeypatch):
    from gac import schema
    need = 16*schema.about(TINY)+8*TINY.K*TINY.D*len(lane)*2
    monkeypatch.setattr(schema, 'free_memory', lambda device: 1.5*need)
    new_members(lane, TINY, FEW, 1)
    with pytest.raises(ValueError, match='2 models of'): new_members(lane, TINY, FEW, 2)

def test_an_error_here_ends_it_there(lane, tmp_path, monkeypatch):
    begun = []
    def broken(*args, **kw): raise KeyboardInterrupt
    begin = members._start
    monkeypatch.setattr(members, '_start', lambda *a: begun.append(begin(*a)) or begun[-1])
    monkeypatch.setattr(members, 'fit', broken)
    with pytest.raises(KeyboardInterrupt): fit_members(fresh(lane, iterations=10**6), lane, tmp_path/'r', progress=False)
    assert begun[0][0].returncode is not None

LONG = ['--iterations', 40, '--save-every', 1, '--device', 'cpu', *SMALL]

@pytest.fixture(scope='module')
def straight(shelf): # undisturbed
    quiet('train', shelf/'whole.hdf5', '--out', shelf/'straight', *LONG)
    return shelf/'straight'

@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_ended_ends_with_its_mate_and_goes_on(shelf, straight, tmp_path, how):
    out = tmp_path/'r'
    p = subprocess.Popen([sys.executable,'-m','gac','train',str(shelf/'whole.hdf5'),'--out',str(out),*map(str,LONG)], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    def at(where):
        try: return read_json(where/'checkpoint'/'config.json')['i']
        except (OSError, ValueError): return 0
    def held(process, where): # stopped once it has trained a batch, so that neither is done before the other has begun
        until = time.monotonic()+60
        while not at(where) and time.monotonic()<until and p.poll() is None: time.sleep(.01)
        process.suspend()
        if not 0<at(where)<40:
            process.resume(); p.kill()
            pytest.fail(f'{where} has {at(where)} batches')
    first = psutil.Process(p.pid)
    held(first, out)
    mates = first.children(recursive=True)
    assert len(mates)==1
    held(mates[0], out/'member-2')
    os.kill(p.pid, how)
    if how!=signal.SIGKILL: first.resume()
    mates[0].resume()
    code = p.wait(30)
    gone, alive = psutil.wait_procs(mates, 30)
    assert not alive and code=={signal.SIGKILL:-9, signal.SIGTERM:143, signal.SIGINT:130}[how]
    assert 0<at(out)<40 and 0<at(out/'member-2')<40
    quiet('train', shelf/'whole.hdf5', '--out', out, '--resume', '--device', 'cpu')
    same((at(out), at(out/'member-2')), (40, 40))
    assert not [f for f in out.rglob('.*')], [*out.rglob('.*')]
    for j in (0,1): assert alike(load_run(member_place(out,j)), load_run(member_place(straight,j)))

# --- the commands

@pytest.fixture(scope='module')
def pair(shelf): # trained from the shell
    quiet('train', shelf/'whole.hdf5', '--out', shelf/'pair', '--iterations', 2, *SMALL)
    return shelf/'pair'

def test_two_are_trained_and_asked(capsys, shelf, pair, tmp_path):
    assert load_run(pair/'member-2').cfg.seed==10**6
    quiet('info', pair); assert 'members  2' in capsys.readouterr().out
    quiet('evaluate', pair, '--episodes', 2, '--steps', 2, '--out', tmp_path/'e')
    assert 'GAC, team of 2' in (tmp_path/'e'/'best.csv').read_text()
    capsys.readouterr()
    quiet('ask', pair, '--state', '0,.1,.2', '--steps', 2); said = capsys.readouterr().out
    quiet('ask', pair/'member-2', '--state', '0,.1,.2', '--steps', 2)
    assert 'first action' in said and said!=capsys.readouterr().out
    quiet('slim', pair, tmp_path/'slim', '--keep', 3)
    assert load_members(tmp_path/'slim').mates
    quiet('export', pair, '--out', tmp_path/'p.pt', '--steps', 2)
    assert 'the first of 2 trainings alone' in capsys.readouterr().out

def test_members_belong_to_the_start(capsys, shelf, pair):
    refused(capsys, shelf, ['train',shelf/'whole.hdf5','--out',pair,'--resume','--members',2], ['keeps its settings: leave out --members'])

@pytest.mark.parametrize('given,n', [((None,False,False),2), ((1,False,False),1), ((None,False,True),1), ((3,False,False),3), ((2,False,True),2),
    ((None,True,False),1), ((1,True,False),1)])
def test_how_many(given, n): same(members.how_many(*given), n)

def test_processes_of_torchrun_train_one():
    with pytest.raises(ValueError, match='--members 2: .*train one run together'): members.how_many(2, True, False)

def test_a_process_finds_the_package_where_this_one_has_it(lane, two, tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', ''); monkeypatch.chdir(tmp_path)
    for name in ('json','queue','gac'): (tmp_path/f'{name}.py').write_text('raise SystemExit(9)') # not these
    run = fresh(lane)
    fit_members(run, lane, progress=False)
    assert alike(run.mates[0], two[0].mates[0])

def test_both_are_changed_on_the_way(shelf, tmp_path):
    quiet('train', shelf/'whole.hdf5', '--out', tmp_path/'r', '--iterations', 2, *SMALL)
    for p in (tmp_path/'r', tmp_path/'r'/'member-2'): # two more batches
        r = load_run(p); r.cfg = replace(r.cfg, iterations=4); save_run(r, p)
    quiet('train', shelf/'whole.hdf5', '--out', tmp_path/'r', '--resume', '--set', 'k=2')
    for j in (0,1): r = load_run(member_place(tmp_path/'r', j)); same((r.i, r.cfg.k), (4, 2))
