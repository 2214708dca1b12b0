"Trainings side by side that go on online together: whose plan an episode is, what is shared, what is resumed, who is left out."
import json, os, shutil, sys
import gymnasium as gym
import pytest
import torch
from gac import cli, members
from gac.buffer import episodes, made_by
from gac.data import save
from gac.envs import point_mass_data
from gac.members import fit_members, load_members, new_members
from gac.model import Arch
from gac.online import Online, collect, next_question, online
from gac.run import Fit, load_run, save_run
from gac.team import policy_of
from gac.tune import refit_start
from test_online import ID, LIGHT, ONE, Killed, _short_searches, same

@pytest.fixture(scope='module')
def two(tmp_path_factory): # the folder of a pair, its data
    out, tau = tmp_path_factory.mktemp('two')/'run', point_mass_data(40, 0, (0,.6))
    run = new_members(tau, Arch.tiny(3,2), Fit(iterations=6, **LIGHT), dataset='lane', env=ID)
    fit_members(run, tau, out, progress=False)
    return out, tau

@pytest.fixture(scope='module')
def over(two): # the same after one stage
    out, tau = two
    rows = online(load_members(out), tau, ID, out/'online', Online('improve', **ONE), n=3)
    return out, tau, rows

@pytest.fixture
def again(over, tmp_path): # a copy of it
    shutil.copytree(over[0], tmp_path/'run')
    return tmp_path/'run', over[1]

def test_trainings_side_by_side_share_what_they_collect(over):
    out, tau, rows = over
    assert len(rows)==12 and set(rows.method)=={'improve, team of 2'}
    first = load_members(out/'online'/'stage-1', whole=True); mate, = first.mates
    assert first.i==mate.i==2 and torch.equal(first.key, mate.key) and len(first.key)==46
    assert first.meta['members']==2 and first.meta['fingerprint']==mate.meta['fingerprint']!=load_run(out).meta['fingerprint']
    for new,old in ((first,load_run(out)), (mate,load_run(out/'member-2'))):
        assert any(not x.equal(y) for x,y in zip(new.model.parameters(), old.model.parameters()))
    again = online(load_members(out), tau, ID, out/'online', Online('improve', **ONE), n=3)
    assert again.achieved.tolist()==rows.achieved.tolist()

@pytest.mark.parametrize('stage', [1,2])
def test_each_episode_is_the_plan_of_whose_turn_it_is(two, tmp_path, stage):
    run, cfg = load_members(two[0]), Online('improve', **ONE|dict(chunk=3))
    question, put = next_question(cfg, run, 1)
    collect(run, ID, question, put, tmp_path, cfg, stage)
    _,q,got = episodes(tmp_path)
    seed = 1_000_000+100_000*stage
    for j,r in enumerate((run, *run.mates)):
        mine = made_by(j, got.offset, 0, stage, 2)
        assert mine.sum()==3
        for at in (0,3): # each chunk is asked for anew
            alone = policy_of([r] if j else [load_run(two[0])], question, ID, seed+at, 'sample', put)
            alone.reset(torch.cat([torch.as_tensor(gym.make(ID).reset(seed=seed+at+i)[0])[None] for i in range(3)]).float())
            rows = mine[at:at+3]
            assert rows.any() and torch.allclose(q.mu[at:at+3][rows], alone.q.mu[rows])

def test_a_plan_is_the_posterior_of_the_one_that_made_it(over):
    home, tau, _ = over
    new,q,got = episodes(home/'online'/'stage-1'/'episodes')
    mine = made_by(0, got.offset, 0, 1, 2)
    with pytest.MonkeyPatch.context() as m:
        m.setattr('gac.tune.load', lambda place: tau)
        run, buffer, fresh = refit_start(home/'online'/'stage-1')
    assert len(buffer)==46 and [k in run.store.row for k in new.key.tolist()]==mine.tolist()
    assert torch.equal(run.store.get(new.key[mine]).mu, q[mine].mu)

def test_a_pair_is_resumed_to_the_same_bits(over, tmp_path, monkeypatch):
    out, tau, _ = over
    cfg, real = Online('improve', **ONE), members.fit
    def dies(*a, **k):
        real(*a, **k, until=1)
        raise Killed
    monkeypatch.setattr(members, 'fit', dies)
    with pytest.raises(Killed): online(load_members(out), tau, ID, tmp_path, cfg, n=0, every=1)
    assert load_run(tmp_path/'stage-1').i==1
    monkeypatch.setattr(members, 'fit', real)
    online(load_members(out), tau, ID, tmp_path, cfg, n=0, every=1)
    for j in ('.','member-2'): assert same(load_run(out/'online'/'stage-1'/j), load_run(tmp_path/'stage-1'/j))

def test_a_folder_that_the_first_began_alone_is_not_gone_on_with_by_both(two, tmp_path):
    out, tau = two
    cfg = Online('improve', **ONE)
    online(load_run(out), tau, ID, tmp_path, cfg, n=0)
    f = tmp_path/'online.json'; f.write_text(json.dumps({k:v for k,v in json.loads(f.read_text()).items() if k!='members'})) # as it was
    online(load_run(out), tau, ID, tmp_path, cfg, n=0)
    with pytest.raises(ValueError, match=r"'members': \(1, 2\)"): online(load_members(out), tau, ID, tmp_path, cfg, n=0)

@pytest.mark.parametrize('gone, says', [('checkpoint',None), ('member-2','member-2 is missing.*remove the stage'), ('members','holds 1 trainings, and 2 go on')])
def test_a_stage_without_a_part_of_it(again, gone, says):
    out, tau = again
    cfg, stage = Online('improve', **ONE), out/'online'/'stage-1'
    before, about = load_members(stage), stage/'checkpoint'/'config.json'
    if gone=='members':
        text = json.loads(about.read_text()); del text['meta']['members']; about.write_text(json.dumps(text))
    else: shutil.rmtree(stage/gone)
    if says:
        with pytest.raises((ValueError, FileNotFoundError), match=says): online(load_members(out), tau, ID, out/'online', cfg, n=0)
        return
    online(load_members(out), tau, ID, out/'online', cfg, n=0) # it is trained again
    now = load_members(stage)
    assert same(now, before) and same(now.mates[0], before.mates[0])

def test_a_mate_that_dies_in_a_refit(over, tmp_path, monkeypatch):
    out, tau, _ = over
    cfg, begin = Online('improve', **ONE), members._start
    def dies(*a):
        begun = begin(*a)
        begun[0].kill()
        return begun
    monkeypatch.setattr(members, '_start', dies)
    with pytest.raises(ChildProcessError, match='signal 9.*the same command'): online(load_members(out), tau, ID, tmp_path/'cut', cfg, n=0)
    monkeypatch.setattr(members, '_start', begin)
    assert load_run(tmp_path/'cut'/'stage-1').i==2 and load_run(tmp_path/'cut'/'stage-1'/'member-2').i==0
    online(load_members(out), tau, ID, tmp_path/'cut', cfg, n=0)
    for j in ('.','member-2'): assert same(load_run(out/'online'/'stage-1'/j), load_run(tmp_path/'cut'/'stage-1'/j))

@pytest.mark.parametrize('cfg', [Online('improve', acting='mu', fresh='zero', **ONE), Online('control', **ONE),
    Online('target', elite='start', **ONE|dict(refit=dict(iterations=2, draw='elite', seed=3)))], ids=['mu','control','elite'])
def test_every_strategy_takes_a_pair(two, tmp_path, cfg):
    out, tau = two
    online(load_members(out), tau, ID, tmp_path, cfg, n=0)
    first = load_members(tmp_path/'stage-1', whole=True)
    assert len(first.key)==len(first.mates[0].key)==(40 if cfg.strategy=='control' else 46)
    assert first.mates[0].cfg.seed-first.cfg.seed==10**6 # they never draw the same batches

def test_a_world_that_fails_leaves_turns_as_they_are(two, tmp_path, monkeypatch):
    import gac.online as o
    real, run = o._play, load_members(two[0])
    cfg = Online('improve', **ONE)
    question, put = next_question(cfg, run, 1)
    def fails(*args): # after the first and the third of a chunk were over
        new, rows, _ = real(*args)
        return new[[0,2]], [0,2], OSError('link lost')
    monkeypatch.setattr(o, '_play', fails)
    with pytest.raises(OSError): collect(run, ID, question, put, tmp_path, cfg)
    monkeypatch.setattr(o, '_play', real)
    collect(run, ID, question, put, tmp_path, cfg) # repaired
    _,q,got = episodes(tmp_path)
    assert got.offset.tolist()==[0,2,4,5,6,7]
    for j,r in enumerate((load_run(two[0]), *run.mates)):
        mine = made_by(j, got.offset, 0, 1, 2)
        assert mine.tolist()==[o%2==j for o in got.offset]
        alone = policy_of([r], question, ID, 1_100_004, 'sample', put)
        alone.reset(torch.cat([torch.as_tensor(gym.make(ID).reset(seed=1_100_004+i)[0])[None] for i in range(4)]).float())
        assert torch.allclose(q.mu[2:][mine[2:]], alone.q.mu[mine[2:]])

def shell(*args):
    with pytest.raises(SystemExit) as e: cli.main([*map(str,args)])
    return e.value.code

def test_the_shell_takes_who_is_there(two, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'excepthook', sys.excepthook) # the command line sets its own
    home = tmp_path/'run'; shutil.copytree(two[0], home)
    disk = save(two[1], 'gac/lane-v0', ID, tmp_path)
    def go(*more): return shell('online', home, '--dataset', disk, '--strategy', 'control', '--stages', 1, '--asked', 0, '--set', 'iterations=2', *more), capsys.readouterr()
    code, said = go('--members', 3)
    assert code and 'has 2 trainings side by side, not 3' in said.err
    code, said = go('--members', 1)
    assert not code and 'the first of 2 trainings goes on, alone' in said.out and not (home/'online-control'/'stage-1'/'member-2').exists()
    code, said = go() # it was begun so
    assert not code and 'goes on, alone' in said.out
    code, said = go('--out', tmp_path/'both')
    assert not code and '2 of 2 trainings go on side by side' in said.out and load_members(tmp_path/'both'/'stage-1').mates
    late = home/'member-2'/'checkpoint'/'config.json'; was = late.read_text()
    late.write_text(json.dumps(json.loads(was)|dict(i=3)))
    code, said = go('--out', tmp_path/'late')
    assert code and '3 of 6 batches' in said.err and '--members 1 takes the first alone' in said.err and not (tmp_path/'late').exists()
    late.write_text(was)
    save_run(load_run(home/'member-2'), home/'member-2', slim=True)
    code, said = go('--out', tmp_path/'slim')
    assert code and 'saved for sharing' in said.err and not (tmp_path/'slim').exists()
    shutil.rmtree(home/'member-2')
    code, said = go('--out', tmp_path/'gone')
    assert code and 'member-2 is missing' in said.err and not (tmp_path/'gone').exists()
