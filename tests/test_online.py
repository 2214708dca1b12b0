"Online stages: interrupted anywhere, they end as if nothing had happened."
import json, os, signal, subprocess, sys, time
import numpy as np
import pytest
import torch
from gac.data import save
from gac.envs import EpisodeError, PointMass, point_mass_data
from gac.model import Arch
from gac.online import STRATEGIES, Online, episodes, online, reach, restage, stage, store, wish
from gac.run import Fit, load_run, new_run, save_run
from gac.train import fit

ID = 'gac/PointMass-v0'
SMALL = dict(stages=2, episodes=10, chunk=4, refit=dict(iterations=4, outer_lr=1e-3))

@pytest.fixture(scope='module')
def start(tmp_path_factory):
    out = tmp_path_factory.mktemp('start')
    tau = point_mass_data(40, 0, (0,.6))
    run = new_run(tau, Arch.tiny(3,2), Fit(iterations=6, batch=16, k=8), dataset='lane', env=ID)
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
    calls, real = [], dict(collect=o.rollout, refit=o.fit, between=o.restage)[where]
    def dies(*a, **k):
        calls.append(1)
        if len(calls)==2:
            if where=='refit': real(*a, **k, until=2)
            raise Killed
        return real(*a, **k)
    monkeypatch.setattr(o, dict(collect='rollout', refit='fit', between='restage')[where], dies)
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
        stage(load_run(out), tau, Broken, tmp_path/'s', cfg)
    kept = len(episodes(tmp_path/'s'/'episodes')[0])
    assert 4<=kept<8
    run, buffer, got = stage(load_run(out), tau, ID, tmp_path/'s', cfg) # repaired
    assert len(got)==10 and len(buffer)==50 and run.i==4

def test_another_setting_is_refused(start, tmp_path):
    out, tau = start
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

@pytest.mark.parametrize('bad', [dict(strategy='best'), dict(fresh='data'), dict(elite='all'), dict(stages=0), dict(episodes=0), dict(chunk=0), dict(delta_y=[1.,2.]), dict(refit=[{}]), dict(quantile=1.2)])
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

def test_elite_grows_with_the_buffer_or_stays_as_large_as_at_the_start(start, tmp_path):
    out, tau = start
    refit = SMALL['refit']|dict(draw='elite')
    for name,kw in dict(start=dict(elite='start'), buffer={}, told=dict(elite='start', refit=refit|dict(elite=50))).items():
        online(load_run(out), tau, ID, tmp_path/name, Online(**(SMALL|dict(refit=refit)|kw)), n=0, every=2)
    tenth = -(-int(tau.n.sum())//10)
    elite = {name:[load_run(tmp_path/name/f'stage-{k}').cfg.elite for k in (1,2)] for name in ('start','buffer','told')}
    assert elite==dict(start=[tenth,tenth], buffer=[None,None], told=[50,50])
    assert not same(*(load_run(tmp_path/name/'stage-2') for name in ('start','buffer')))

def test_adaptive_goes_no_further_than_wishes_came_true(start):
    import pandas as pd
    run = load_run(start[0])
    sd, top = float(run.y.std()), run.y[run.y>=run.y.quantile(.95)].median().item()
    t = np.linspace(top-sd, top+3*sd, 50)
    def delta(a): return wish(Online('adaptive'), run, 2, pd.DataFrame(dict(target=t, achieved=a)))[1].delta_y
    assert delta(t)>delta(np.minimum(t,top+sd))>delta(t-2*sd)
    assert delta(t-2*sd)==pytest.approx(.1*sd)

def test_half_written_chunks_are_ignored(start, tmp_path):
    out, tau = start
    cfg = Online('improve', **SMALL)
    (tmp_path/'s'/'episodes').mkdir(parents=True)
    (tmp_path/'s'/'episodes'/'.00000.safetensors.99.tmp.safetensors').write_bytes(b'killed') # what kill -9 leaves
    assert episodes(tmp_path/'s'/'episodes') is None
    _, buffer, got = stage(load_run(out), tau, ID, tmp_path/'s', cfg)
    assert len(got)==10 and len(buffer)==50

def test_kill_9_and_the_same_command_again(start, tmp_path):
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
    p = start_it(); said = p.communicate(timeout=60)[0]
    assert p.returncode==0 and 'written' in said, said
    assert all(f.read_bytes()==v for f,v in kept.items()) and len(episodes(at)[0])==n and load_run(home/'stage-1').i==4
    assert not [f for f in home.rglob('*') if f.name.startswith('.') or '.tmp' in f.name]
    online(load_run(out), tau, ID, tmp_path/'peace', Online('improve', stages=1, episodes=n, refit=Online().refit|dict(iterations=4)), n=0)
    assert {f.name:f.read_bytes() for f in at.iterdir()}=={f.name:f.read_bytes() for f in (tmp_path/'peace'/'stage-1'/'episodes').iterdir()}
    assert same(load_run(home/'stage-1'), load_run(tmp_path/'peace'/'stage-1'))
