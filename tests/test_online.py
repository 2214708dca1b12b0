"Online stages: interrupted anywhere, they end as if nothing had happened."
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
import gymnasium as gym
import numpy as np
import pytest
import torch
from gac import cli, members
from gac.buffer import episodes, store
from gac.data import from_arrays, save
from gac.envs import EpisodeError, PointMass, point_mass_data
from gac.model import Arch
from gac.online import STRATEGIES, Online, data_of_run, next_question, online, reach, read_online, run_stage
from gac.query import Ask
from gac.run import Fit, load_run, new_run, save_run
from gac.train import fit

ID = 'gac/PointMass-v0'
SMALL = dict(stages=2, episodes=10, chunk=4, refit=dict(iterations=4, outer_lr=1e-3))
LIGHT = dict(batch=8, k=4, inner_steps=2, outer_steps=2)
ONE = dict(stages=1, episodes=6, chunk=4, refit=dict(iterations=2))

@dataclass(frozen=True)
class Short(Ask):
    "What is checked here does not depend on how long a plan is searched for."
    steps:int=5

@pytest.fixture(scope='module', autouse=True)
def _short_searches():
    with pytest.MonkeyPatch.context() as m:
        m.setattr('gac.online.Ask', Short)
        yield

@pytest.fixture(scope='module')
def start(tmp_path_factory):
    out = tmp_path_factory.mktemp('start')
    tau = point_mass_data(40, 0, (0,.6))
    run = new_run(tau, Arch.tiny(3,2), Fit(iterations=6, **LIGHT), dataset='lane', env=ID)
    fit(run, tau, out, progress=False)
    return out, tau

def same(a, b):
    x,y = a.model.state_dict(), b.model.state_dict()
    return all(torch.equal(x[k],y[k]) for k in x) and torch.equal(a.store.phi,b.store.phi) and torch.equal(a.key,b.key)

@pytest.mark.parametrize('strategy', STRATEGIES)
def test_stages(start, tmp_path, strategy):
    out, tau = start
    rows = online(load_run(out), tau, ID, tmp_path, Online(strategy, **SMALL), n=5, every=2)
    assert sorted(rows.stage.unique())==[0,1,2] and set(rows.question)=={'best','improve'} and (rows.method==strategy).all()
    last = load_run(tmp_path/'stage-2')
    assert last.i==4 and last.meta['stage']==2
    assert len(last.key)==40+(0 if strategy=='control' else 20)
    if strategy!='control':
        new,q,got = episodes(tmp_path/'stage-1'/'episodes')
        assert len(new)==len(q)==len(got)==10 and got.offset.is_unique
        assert torch.isin(new.key, last.key).all() and all(k in last.store.row for k in new.key.tolist())

class Killed(BaseException): "kill -9, as far as the files are concerned"

@pytest.mark.parametrize('where', ['collect','refit','between'])
def test_resume_to_the_same_bits(start, tmp_path, monkeypatch, where):
    out, tau = start
    cfg = Online('improve', **SMALL)
    online(load_run(out), tau, ID, tmp_path/'whole', cfg, n=0, every=2)
    import gac.online as o
    at, name = dict(collect=(o,'rollout'), refit=(members,'fit'), between=(o,'restage'))[where]
    calls, real = [], getattr(at, name)
    def dies(*a, **k):
        calls.append(1)
        if len(calls)==2:
            if where=='refit': real(*a, **k, until=2)
            raise Killed
        return real(*a, **k)
    monkeypatch.setattr(at, name, dies)
    with pytest.raises(Killed): online(load_run(out), tau, ID, tmp_path/'cut', cfg, n=0, every=2)
    monkeypatch.undo()
    online(load_run(out), tau, ID, tmp_path/'cut', cfg, n=0, every=2)
    assert same(load_run(tmp_path/'whole'/'stage-2'), load_run(tmp_path/'cut'/'stage-2'))

def test_a_failing_world_keeps_what_was_over(start, tmp_path):
    out, tau = start
    class Broken(PointMass):
        def step(self, action):
            if self.np_random_seed==1_100_006 and self.t==3: raise OSError('link lost')
            return super().step(action)
    cfg = Online('improve', **SMALL)
    with pytest.raises(EpisodeError, match=r'Broken: episode 2 \(seed 1100006\) failed at step 3: OSError: link lost'):
        run_stage(load_run(out), tau, Broken, tmp_path/'s', cfg)
    kept = len(episodes(tmp_path/'s'/'episodes')[0])
    assert 4<=kept<8
    run, buffer, got = run_stage(load_run(out), tau, ID, tmp_path/'s', cfg) # repaired
    assert len(got)==10 and len(buffer)==50 and run.i==4

def test_another_setting_is_refused(start, tmp_path):
    out, tau = start
    (tmp_path/'stage-notes.txt').touch() # no stage
    online(load_run(out), tau, ID, tmp_path, Online('control', **SMALL), n=0)
    with pytest.raises(ValueError, match='quantile.*choose another folder'): online(load_run(out), tau, ID, tmp_path, Online('control', **SMALL, quantile=.5), n=0)

def test_a_folder_from_before_a_field_goes_on(start, tmp_path):
    out, tau = start; f = tmp_path/'online.json'
    online(load_run(out), tau, ID, tmp_path, Online('control', **SMALL), n=0)
    told = json.loads(f.read_text()); del told['settings']['elite']; f.write_text(json.dumps(told))
    online(load_run(out), tau, ID, tmp_path, Online('control', **SMALL), n=0)
    with pytest.raises(ValueError, match="elite.*'buffer', 'start'.*choose another folder"): online(load_run(out), tau, ID, tmp_path, Online('control', **SMALL|dict(elite='start', refit=SMALL['refit']|dict(draw='elite'))), n=0)

def test_a_slim_start_is_refused(start, tmp_path):
    out, tau = start
    save_run(load_run(out), tmp_path/'slim', slim=True)
    with pytest.raises(ValueError, match='cannot be resumed|not resumed'): online(load_run(tmp_path/'slim'), tau, ID, tmp_path/'o', Online(**SMALL), n=0)
    assert not (tmp_path/'o').exists()

@pytest.mark.parametrize('fresh', ['plan','zero'])
def test_new_posteriors(start, tmp_path, fresh):
    out, tau = start
    run, new = load_run(out), point_mass_data(5, 9)
    from gac.core import Posterior
    q = Posterior(torch.full((5,*run.store.phi.shape[2:]),.5), torch.full((5,*run.store.phi.shape[2:]),-2.))
    buffer = store(run, tau, new, q, fresh)
    assert len(buffer)==45 and torch.equal(buffer.key[:40],tau.key)
    assert torch.allclose(run.store.get(new.key).mu, q.mu if fresh=='plan' else torch.zeros_like(q.mu))
    assert len(store(run, buffer, new, q, fresh))==45 # an episode that is there already is not stored twice

@pytest.mark.parametrize('bad', [dict(strategy='best'), dict(fresh='data'), dict(elite='all'), dict(stages=0), dict(episodes=0), dict(chunk=0), dict(delta_y=[1.,2.]), dict(refit=[{}]), dict(quantile=1.2),
    dict(stages=True), dict(chunk=2.), dict(episodes='9'), dict(seed=-1), dict(acting='mean'), dict(delta_y=float('nan')),
    dict(target=float('inf')), dict(target='high'), dict(quantile=None), dict(quantile=float('nan')), dict(refit=dict(steps=1)),
    dict(refit=[]), dict(refit=dict(iterations=None)), dict(refit=dict(batch='many'))])
def test_bad_settings(bad):
    with pytest.raises(ValueError, match=next(iter(bad))): Online(**bad)

def test_a_bad_refit_is_refused_before_any_work(start, tmp_path):
    out, tau = start
    for kw,says in ((dict(elite='start', refit=dict(iterations=2, draw='good')), "elite='start': the refit of stage 1 has draw='good'"), (dict(stages=2, refit=[dict(iterations=2), dict(iterations=2, batch=0)]), 'Fit.batch=0')):
        with pytest.raises(ValueError, match=says): online(load_run(out), tau, ID, tmp_path/'new', Online(**(SMALL|kw)))
        assert not (tmp_path/'new').exists()

def test_reach():
    t = np.linspace(0,100,201)
    assert abs(reach(t, np.minimum(t,60), 5)-65)<1.5
    assert reach(t, t-50, 5)==-np.inf
    assert reach(np.array([3.]), np.array([3.]), 0.)==3

def test_a_refit_may_move_states(start, tmp_path):
    out, tau = start
    for sd in (0.,.1): online(load_run(out), tau, ID, tmp_path/str(sd), Online(**ONE|dict(refit=dict(iterations=2, state_noise=sd))), n=0)
    still, moved = (load_run(tmp_path/str(sd)/'stage-1') for sd in (0.,.1))
    assert (still.cfg.state_noise, moved.cfg.state_noise)==(0.,.1) and torch.equal(still.key, moved.key)
    assert any(not torch.equal(a,b) for a,b in zip(still.model.generator.parameters(), moved.model.generator.parameters()))

def test_elite_grows_with_the_buffer_or_stays_as_large_as_at_the_start(start, tmp_path):
    out, tau = start
    refit = SMALL['refit']|dict(draw='elite')
    for name,kw in dict(start=dict(elite='start'), buffer={}, told=dict(elite='start', refit=refit|dict(elite=50))).items():
        online(load_run(out), tau, ID, tmp_path/name, Online(**(SMALL|dict(refit=refit)|kw)), n=0, every=2)
    tenth = -(-int(tau.n.sum())//10)
    elite = {name:[load_run(tmp_path/name/f'stage-{k}').cfg.elite for k in (1,2)] for name in ('start','buffer','told')}
    assert elite==dict(start=[tenth,tenth], buffer=[None,None], told=[50,50])
    assert not same(*(load_run(tmp_path/name/'stage-2') for name in ('start','buffer')))

def test_adaptive_goes_no_further_than_targets_were_met(start):
    import pandas as pd
    run = load_run(start[0])
    sd, top = float(run.y.std()), run.y[run.y>=run.y.quantile(.95)].median().item()
    t = np.linspace(top-sd, top+3*sd, 50)
    def delta(a): return next_question(Online('adaptive'), run, 2, pd.DataFrame(dict(target=t, achieved=a)))[1].delta_y
    assert delta(t)>delta(np.minimum(t,top+sd))>delta(t-2*sd)
    assert delta(t-2*sd)==pytest.approx(.1*sd)

def test_half_written_chunks_are_ignored(start, tmp_path):
    out, tau = start
    cfg = Online('improve', **SMALL)
    (tmp_path/'s'/'episodes').mkdir(parents=True)
    (tmp_path/'s'/'episodes'/'.00000.safetensors.99.tmp.safetensors').write_bytes(b'killed') # what kill -9 leaves
    assert episodes(tmp_path/'s'/'episodes') is None
    _, buffer, got = run_stage(load_run(out), tau, ID, tmp_path/'s', cfg)
    assert len(got)==10 and len(buffer)==50

def test_kill_9_and_the_same_command_again(start, tmp_path, monkeypatch, capsys):
    "A process killed while it collects: what was on disk stays as it is, and the end is that of an online run left in peace."
    out, tau = start; disk, home, n = save(tau, 'gac/lane-v0', ID, tmp_path), tmp_path/'killed', 45
    at = home/'stage-1'/'episodes'; first = at/'00000.safetensors'
    args = [sys.executable,'-m','gac','online',out,'--dataset',disk,'--strategy','improve','--stages',1,'--episodes',n,'--asked',0,'--set','iterations=4','--out',home]
    def start_it(): return subprocess.Popen([*map(str,args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ|dict(GAC_CACHE=str(tmp_path/'cache')))
    p = start_it()
    try:
        end = time.time()+60
        while not first.exists() and p.poll() is None and time.time()<end: time.sleep(.002)
        p.send_signal(signal.SIGKILL); said = p.communicate(timeout=20)[0]
    finally: p.kill(); p.wait()
    assert p.returncode==-signal.SIGKILL and first.exists(), said
    kept = {f:f.read_bytes() for f in at.glob('0*.safetensors')}; assert 25<=len(episodes(at)[0])<n and not (home/'stage-1'/'checkpoint').exists()
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))
    monkeypatch.setattr(sys, 'excepthook', sys.excepthook) # the command line sets its own
    monkeypatch.setattr('gac.online.Ask', Ask) # as long as the killed command's
    with pytest.raises(SystemExit) as e: cli.main([*map(str,args[3:])])
    assert not e.value.code and 'written' in capsys.readouterr().out
    assert all(f.read_bytes()==v for f,v in kept.items()) and len(episodes(at)[0])==n and load_run(home/'stage-1').i==4
    assert not [f for f in home.rglob('*') if f.name.startswith('.') or '.tmp' in f.name]
    online(load_run(out), tau, ID, tmp_path/'peace', Online('improve', stages=1, episodes=n, refit=Online().refit|dict(iterations=4)), n=0)
    assert {f.name:f.read_bytes() for f in at.iterdir()}=={f.name:f.read_bytes() for f in (tmp_path/'peace'/'stage-1'/'episodes').iterdir()}
    assert same(load_run(home/'stage-1'), load_run(tmp_path/'peace'/'stage-1'))

# ---- What a folder says is checked

@pytest.fixture(scope='module')
def over(start, tmp_path_factory):
    "An online run of one stage that is over."
    out, tau = start
    home = tmp_path_factory.mktemp('over')
    online(load_run(out), tau, ID, home, Online('improve', **ONE), n=2)
    return home

def begun(start, over, folder):
    "A copy of it, and how it is asked to go on."
    out, tau = start
    shutil.copytree(over, folder, dirs_exist_ok=True)
    return lambda **kw: online(load_run(out), tau, ID, folder, Online('improve', **ONE), n=2, **kw)

@pytest.mark.parametrize('field, value, says', [
    ('start', 3, "start is '3', a str is needed"), ('seed', None, 'seed is'), ('i', True, "i is 'True', a int"),
    ('members', 0, 'members is 0'), ('members', 65, 'members is 65'), ('members', True, 'members is'),
    ('settings', [], 'settings is'), ('settings', dict(magic=1), 'settings.magic is unknown'),
    ('settings', dict(stages='2'), "settings: stages='2'"), ('settings', dict(quantile=[]), 'settings: quantile has 0')])
def test_what_online_json_must_hold(start, over, tmp_path, field, value, says):
    again, f = begun(start, over, tmp_path), tmp_path/'online.json'
    has = json.loads(f.read_text())
    f.write_text(json.dumps(has|{field:value}))
    with pytest.raises(ValueError, match='online.json.*') as e: again()
    assert says in str(e.value) and 'another folder' in str(e.value)

@pytest.mark.parametrize('text', ['', '[]', '{"settings": ', '\x00', '['*100_000, '{"seed": NaN}', '{"i": '+'9'*5000+'}'])
def test_no_text_gets_past_online_json(start, over, tmp_path, text):
    again = begun(start, over, tmp_path)
    (tmp_path/'online.json').write_text(text)
    with pytest.raises(ValueError, match='online.json'): again()
    (tmp_path/'online.json').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match='online.json'): read_online(tmp_path)

def test_no_size_of_online_json_is_taken_on_trust(tmp_path):
    with open(tmp_path/'online.json', 'wb') as f: f.truncate(1<<40)
    with pytest.raises(ValueError, match='online.json has .* MB, more than such a file can have; restore the file'): read_online(tmp_path)

def spoil(rows, how):
    if how=='no column': return rows.drop(columns='achieved')
    if how=='not a number': return rows.astype(dict(achieved=object)).assign(achieved=lambda x: ['much',*x.achieved[1:]])
    if how=='nan': return rows.assign(predicted=float('nan'))
    if how=='short': return rows.iloc[:-1]
    return rows.assign(**{how:rows[how].map(lambda x: 'prior' if how=='question' else x+1)})

@pytest.mark.parametrize('how, says', [('no column','no column achieved'), ('not a number',"achieved is 'much' in row 0"),
    ('nan','predicted is'), ('short','does not hold 2 episodes'), ('env_seed','does not hold'), ('stage','does not hold'), ('question','does not hold')])
def test_what_rows_must_hold(start, over, tmp_path, how, says):
    import pandas as pd
    again, f = begun(start, over, tmp_path), tmp_path/'stage-1'/'rows-2.csv'
    before = f.read_text()
    spoil(pd.read_csv(f), how).to_csv(f, index=False)
    with pytest.raises(ValueError, match='rows-2.csv') as e: again()
    assert says in str(e.value) and 'asked again' in str(e.value)
    f.unlink() # the cure that was named
    again()
    assert f.read_text()==before

def test_other_questions_are_not_answered_with_those_of_before(start, over, tmp_path):
    again = begun(start, over, tmp_path)
    for kw in (dict(asked=('best',)), dict(seed=20_000)):
        with pytest.raises(ValueError, match='rows-2.csv does not hold'): again(**kw)

def test_a_checkpoint_beside_other_episodes_is_refused(start, over, tmp_path):
    again = begun(start, over, tmp_path)
    first, last = (tmp_path/'stage-1'/'episodes'/f'0000{i}.safetensors' for i in (0,4))
    shutil.copy(first, last)
    with pytest.raises(ValueError, match='stage-1/checkpoint was trained on other episodes'): again()

@pytest.mark.parametrize('n', [-1, 1.5, True])
def test_how_many_are_asked(start, tmp_path, n):
    with pytest.raises(ValueError, match='episodes for each question'):
        online(load_run(start[0]), start[1], ID, tmp_path/'o'/'deep', Online('improve', **SMALL), n=n)
    assert not (tmp_path/'o').exists()

def test_another_world_is_refused_before_any_work(start, tmp_path):
    with pytest.raises(ValueError, match='S=3'): online(load_run(start[0]), start[1], 'Hopper-v5', tmp_path/'o', Online('improve', **SMALL), n=0)
    assert not (tmp_path/'o').exists()

# ---- Worlds that repeat themselves, pay nothing that is a number, or only 0 and 1

class Price(gym.Env):
    "One price, always the same start; whatever is asked above the cap is the cap."
    def __init__(self, render_mode=None):
        self.observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = gym.spaces.Box(0., 1., (1,), np.float32)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1,np.float32), {}
    def step(self, a): return np.zeros(1,np.float32), self.pays(float(a[0])), True, False, {}
    def pays(self, price): return 10*price

@pytest.fixture(scope='module')
def shop(tmp_path_factory):
    out, a = tmp_path_factory.mktemp('shop'), np.random.default_rng(0).normal(.8,.4,(60,1,1)).astype('f4')
    tau = from_arrays([np.zeros((2,1))]*60, list(a), returns=10*a.clip(0,1)[:,0,0])
    run = new_run(tau, Arch.tiny(1,1), Fit(iterations=20), dataset='price', env=None)
    fit(run, tau, out, progress=False)
    return out, tau

def test_repeated_episodes_are_kept_each_with_its_own_posterior(shop, tmp_path):
    out, tau = shop
    cfg = Online(stages=2, episodes=30, chunk=10, quantile=.5, refit=dict(iterations=2))
    online(load_run(out), tau, Price, tmp_path/'whole', cfg, n=0)
    got = [episodes(tmp_path/'whole'/f'stage-{k}'/'episodes')[0] for k in (1,2)]
    run = load_run(tmp_path/'whole'/'stage-2')
    contents = torch.cat([g.a for g in got])
    assert len(contents.unique())<len(contents)==60 # they do repeat
    assert len(run.key.unique())==len(run.key)==120 and all(k in run.store.row for g in got for k in g.key.tolist())
    online(load_run(out), tau, Price, tmp_path/'whole', cfg, n=0) # read again
    for f in (tmp_path/'whole'/'stage-1'/'episodes').iterdir(): assert f.stat().st_size
    once = episodes(tmp_path/'whole'/'stage-1'/'episodes')[0].key
    assert torch.equal(once, got[0].key)

def test_a_folder_whose_chunks_repeat_keys_goes_on(shop, tmp_path):
    "Chunks were once keyed without a look at each other."
    from safetensors.torch import load_file, save_file
    out, tau = shop
    cfg = Online(stages=1, episodes=30, chunk=10, quantile=.5, refit=dict(iterations=2))
    online(load_run(out), tau, Price, tmp_path/'a', cfg, n=0)
    chunks = sorted((tmp_path/'a'/'stage-1'/'episodes').iterdir())
    old = tmp_path/'b'/'stage-1'/'episodes'
    old.mkdir(parents=True)
    for f in chunks[:2]: save_file(load_file(f)|dict(key=load_file(chunks[0])['key']), old/f.name)
    online(load_run(out), tau, Price, tmp_path/'b', cfg, n=0)
    new = episodes(old)[0]
    assert len(new)==len(new.key.unique())==30

def test_a_reward_that_is_no_number_does_not_poison_the_folder(shop, tmp_path):
    out, tau = shop
    class Flaky(Price):
        paid = 0
        def pays(self, price):
            Flaky.paid += 1
            return float('nan') if Flaky.paid==14 else super().pays(price)
    cfg = Online(stages=1, episodes=30, chunk=10, quantile=.5, refit=dict(iterations=2))
    with pytest.raises((EpisodeError,ValueError), match='nan'): online(load_run(out), tau, Flaky, tmp_path, cfg, n=0)
    assert episodes(tmp_path/'stage-1'/'episodes')[0].y.isfinite().all()
    online(load_run(out), tau, Price, tmp_path, cfg, n=0) # mended
    new = episodes(tmp_path/'stage-1'/'episodes')[0]
    assert len(new)==30 and new.y.isfinite().all() and load_run(tmp_path/'stage-1').i==2

@pytest.mark.parametrize('strategy', STRATEGIES)
def test_success_or_not(start, tmp_path, strategy):
    "Returns of 0 and 1, and the best are tied: the defaults work."
    from dataclasses import replace
    _, tau = start
    tau = replace(tau, y=(tau.y>tau.y.quantile(.7)).float())
    run = new_run(tau, Arch.tiny(3,2), Fit(iterations=2, **LIGHT), dataset='success', env=ID)
    fit(run, tau, tmp_path/'run', progress=False)
    cfg = Online(strategy, stages=2, episodes=4, refit=dict(iterations=2))
    rows = online(load_run(tmp_path/'run'), tau, ID, tmp_path/'o', cfg, n=2, asked=('improve',))
    assert rows.achieved.notna().all()
    if strategy!='control': assert episodes(tmp_path/'o'/'stage-2'/'episodes')[2].target.min()>=1

# ---- The data of a run

def test_train_evaluate_online_on_a_file_of_ones_own(tmp_path, monkeypatch):
    "The label of the data is not where they are."
    import h5py
    tau = point_mass_data(20)
    end = np.zeros(len(tau.a), bool)
    end[tau.n.cumsum(0).numpy()-1] = True
    r = np.zeros(len(end))
    r[end] = tau.y.numpy()
    s, s1 = (torch.cat([tau[i].s[part] for i in range(20)]).numpy() for part in (slice(None,-1), slice(1,None)))
    with h5py.File(tmp_path/'my_episodes.hdf5', 'w') as f:
        for k,v in dict(observations=s, next_observations=s1, actions=tau.a.numpy(), rewards=r, terminals=end, timeouts=0*end).items(): f[k] = v
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))
    monkeypatch.setattr(sys, 'excepthook', sys.excepthook) # the command line sets its own
    def gac(*args, cwd=tmp_path):
        monkeypatch.chdir(cwd)
        try: cli.main([*map(str,args)])
        except SystemExit as e: assert not e.code
    small = [x for k in ('D=16','heads=2','tokens=1','enc=1','dec=1','batch=4') for x in ('--set',k)]
    gac('train','my_episodes.hdf5','--env',ID,'--out','runs/mine','--iterations',3,*small)
    gac('evaluate','runs/mine','--question','best','--episodes',2,'--steps',20)
    (tmp_path/'elsewhere').mkdir()
    on = ('--stages',1,'--episodes',3,'--asked',0,'--set','iterations=2')
    gac('online',tmp_path/'runs'/'mine',*on, cwd=tmp_path/'elsewhere')
    meta = load_run(tmp_path/'runs'/'mine').meta
    assert meta['dataset']=='my_episodes' and meta['source']==str(tmp_path/'my_episodes.hdf5')
    save_run(load_run(tmp_path/'runs'/'mine'), tmp_path/'slim', slim=True)
    assert 'source' not in load_run(tmp_path/'slim').meta # a place on somebody's disk is not for sharing

def test_data_that_moved_or_changed(start, tmp_path):
    out, tau = start
    run = load_run(out)
    place = save(tau, 'gac/lane-v0', ID, tmp_path)
    assert len(data_of_run(run, place))==len(tau)
    run.meta['source'] = str(place)
    assert torch.equal(data_of_run(run).key, tau.key)
    run.meta['source'] = str(tmp_path/'gone')
    with pytest.raises(FileNotFoundError, match='lane, left .*gone.*--dataset'): data_of_run(run)
    with pytest.raises(ValueError, match='other data'): data_of_run(run, save(point_mass_data(9, 5), 'gac/other-v0', ID, tmp_path))

def test_bars_only_where_they_are_asked_for(start, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('gac.core.Lines.every', 0.)
    out, tau = start
    cfg = Online('improve', **SMALL|dict(stages=1))
    online(load_run(out), tau, ID, tmp_path/'quiet', cfg, n=1)
    assert capsys.readouterr()==('','')
    online(load_run(out), tau, ID, tmp_path/'told', cfg, n=1, progress=True)
    said = capsys.readouterr().err
    assert 'stage 1: collect: 10 of 10 episode' in said and 'stage 1: ask' in said and '\r' not in said

@pytest.mark.parametrize('number, error', [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_refit_that_is_asked_to_stop_saves_and_goes_on(start, tmp_path, monkeypatch, number, error, capsys):
    from gac import train
    out, tau = start
    cfg, straight = Online(strategy='control', **ONE|dict(refit=dict(iterations=9, outer_lr=1e-3))), tmp_path/'straight'
    online(load_run(out), tau, ID, straight, cfg, 0)
    once, count = train.iterate, []
    def stopped(*args):
        count.append(1)
        if len(count)==4: os.kill(os.getpid(), number)
        return once(*args)
    monkeypatch.setattr(train, 'iterate', stopped)
    before = signal.signal(signal.SIGINT, signal.default_int_handler) # a parent in the background may have it ignored
    try:
        with pytest.raises(error) as e: online(load_run(out), tau, ID, tmp_path/'r', cfg, 0)
    finally: signal.signal(signal.SIGINT, before)
    assert error is KeyboardInterrupt or e.value.code==143
    assert 'saved in' in capsys.readouterr().err
    there = load_run(tmp_path/'r'/'stage-1')
    assert there.cfg.iterations-there.i==9-4
    monkeypatch.setattr(train, 'iterate', once)
    online(load_run(out), tau, ID, tmp_path/'r', cfg, 0)
    assert same(load_run(tmp_path/'r'/'stage-1'), load_run(straight/'stage-1'))
