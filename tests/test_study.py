"The refit of a stage: every trial begins where the stage began, and what is held out θ has not seen."
import os, shutil
from dataclasses import replace
import pandas as pd
import pytest
import torch
from gac import cli, study as st, tune as tu
from gac.data import save
from gac.envs import point_mass_data
from gac.model import Arch
from gac.online import Online, episodes, online, restage
from gac.study import open_study, run_study
from gac.run import Fit, load_run, new_run, save_run
from gac.train import fit
from gac.tune import Search, attempt, refit_start, data_of, held_out_elbo, iteration_flops, search_refit, space, split

optuna = pytest.importorskip('optuna')
LANE, TINY = 'gac/PointMass-v0', dict(D=16, tokens=1, heads=2, enc=1, dec=1)
REFITS = [dict(iterations=3, outer_lr=1e-3, batch=32, draw='elite'), dict(iterations=4, outer_lr=5e-4, weight_decay=2e-3, draw='elite')]
POINT = dict(outer_lr=1e-3, weight_decay=1e-3, outer_steps=1, inner_lr=.1, batch=32)
def about(folder, dataset, **kw): return search_refit(folder, dataset, **(dict(budget=.1, held=4, steps=5, draws=2)|kw))

@pytest.fixture(scope='module')
def shelf(tmp_path_factory):
    "A set, a run, two stages that improve and one that only goes on; a slim checkpoint."
    d = tmp_path_factory.mktemp('shelf'); old = os.environ.get('GAC_CACHE'); os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    tau = point_mass_data(20, seed=3); disk = save(tau, 'gac/mass-v0', LANE, d)
    run = new_run(tau, Arch(3,2,**TINY), Fit(iterations=4, batch=16, k=4, inner_steps=2, outer_steps=1), dataset=str(disk), env=LANE); fit(run, tau, d/'run', progress=False)
    for name,cfg in dict(improve=Online('improve', stages=2, episodes=8, chunk=8, elite='start', refit=REFITS), control=Online('control', stages=1, refit=REFITS[0])).items():
        online(load_run(d/'run'), tau, LANE, d/'run'/f'online-{name}', cfg, n=0)
    save_run(run, d/'slim', slim=True)
    yield d, disk, tau
    os.environ.pop('GAC_CACHE') if old is None else os.environ.update(GAC_CACHE=old)

def weights(run): return run.model.state_dict()|dict(phi=run.store.phi)

@pytest.mark.parametrize('stage', ['online-improve/stage-1','online-improve/stage-2','online-control/stage-1'])
def test_it_begins_where_the_stage_began(shelf, stage):
    "Nothing held out, the settings of the stage: the stage's own checkpoint, bit for bit."
    d, disk, _ = shelf; run, buffer, new = refit_start(d/'run'/stage, disk); k, done = int(stage[-1]), load_run(d/'run'/stage)
    run = restage(run, buffer, k, **REFITS[k-1]); fit(run, buffer, progress=False)
    assert all(torch.equal(v, weights(done)[n]) for n,v in weights(run).items()) and run.meta==done.meta and run.cfg==done.cfg

def test_what_it_has_not_seen(shelf):
    d, disk, tau = shelf
    for k in (1,2):
        run, buffer, new = refit_start(d/'run'/'online-improve'/f'stage-{k}', disk)
        assert buffer.key[new].tolist()==episodes(d/'run'/'online-improve'/f'stage-{k}'/'episodes')[0].key.tolist()
        assert len(buffer)==20+8*k and buffer.key[~new].tolist()==run.key.tolist()
    for f in ('run','run/checkpoint','run/online-control/stage-1'):
        run, buffer, new = refit_start(d/f, disk); assert new is None and run.i==4 and buffer.key.tolist()==tau.key.tolist()

def test_a_trial_is_a_refit(shelf, monkeypatch):
    "From the checkpoint, at the budget; the posteriors of what is held out stay as they were."
    d, disk, _ = shelf; s, kept = about(d/'run'/'online-improve'/'stage-1', disk), []
    assert s.fixed=={**TINY, 'M':1, 'transition':False, 'length':False, 'sigma_y':.1, **{k:v for k,v in vars(refit_start(s.run,disk)[0].cfg).items() if k in tu.searchable and k not in space('cpu','fit')}}
    monkeypatch.setattr(tu, 'save_run', lambda run, *a, **kw: kept.append(run))
    buffer, new = data_of(s); got = attempt(s, POINT, buffer, out='x'); (run,), (rest,held) = kept, split(buffer, 4, 0, new)
    assert set(held.key.tolist())<=set(buffer.key[new].tolist()) and run.key.tolist()==rest.key.tolist() and len(rest)==24
    start = refit_start(s.run, disk)[0]
    for key,same in ((held.key,True), (rest.key,False)): assert torch.equal(run.store.get(key).mu, start.store.get(key).mu)==same
    assert held_out_elbo(run.model, held, 5, 16, 2).tolist()==pytest.approx(got['values'], abs=1e-2)
    assert run.i==run.cfg.iterations==got['iterations'] and run.cfg.outer_lr==1e-3 and run.meta['stage']==1 and run.opt.param_groups[0]['weight_decay']==1e-3
    assert {k:v for k,v in attempt(s, POINT, buffer).items() if k!='seconds'}=={k:v for k,v in got.items() if k!='seconds'}
    more = attempt(s, POINT|dict(outer_steps=8), buffer)
    assert more['iterations']<got['iterations'] and abs(more['flops']/got['flops']-1)<.2
    assert abs(got['flops']/(.1*iteration_flops(Arch(3,2),Fit()))-1)<.1

def test_what_is_refused(shelf, tmp_path):
    d, disk, _ = shelf; s1 = d/'run'/'online-improve'/'stage-1'
    for f,kw,error,says in ((d/'slim',{},ValueError,'not resumed'), (s1,dict(phase='arch'),ValueError,"use phase 'fit'"), (s1,dict(phase='both'),ValueError,"use phase 'fit'"),
        (s1,dict(fixed=dict(D=16)),ValueError,'D: a refit keeps the architecture'), (s1,dict(fixed=dict(batch=4)),ValueError,'batch is searched for'), (s1,dict(fixed=dict(seed=4)),ValueError,'cannot be fixed'),
        (s1.parent/'stage-3',{},ValueError,'collected nothing yet'), (s1.parent/'stage-4',{},FileNotFoundError,'no checkpoint in'), (s1.parent,{},FileNotFoundError,'no checkpoint in')):
        with pytest.raises(error, match=says): about(f, disk, **kw)
    with pytest.raises(ValueError, match='other data'): about(s1, save(point_mass_data(20, seed=4), 'gac/other-v0', LANE, tmp_path))
    shutil.copytree(s1.parent, tmp_path/'away'/'online')
    with pytest.raises(ValueError, match='did not begin with a run in .*put its online folder'): about(tmp_path/'away'/'online'/'stage-1', disk)
    save_run(restage(load_run(d/'run'), refit_start(d/'run',disk)[1], 1), tmp_path/'away') # another run is there
    with pytest.raises(ValueError, match='did not begin with a run in'): about(tmp_path/'away'/'online'/'stage-1', disk)
    with pytest.raises(ValueError, match='make the search with `search_refit`'): attempt(Search(str(disk), phase='fit', run=str(s1), held=4), POINT, data_of(about(s1,disk))[0])
    with pytest.raises(ValueError, match='cannot hold 7 of 8'): run_study(about(s1, disk, held=7), tmp_path/'a.log', 's', progress=False)

def test_a_run_that_learns_its_width(shelf, tmp_path):
    d, disk, tau = shelf; save_run(new_run(tau, Arch(3,2,**TINY,learn_sigma_y=True), Fit(iterations=1)), tmp_path)
    with pytest.raises(ValueError, match='learns sigma_y'): about(tmp_path, disk)

def test_a_study_knows_where_its_trials_begin(shelf, tmp_path):
    "By the parameters, not by the path; and the settings of the stage come first."
    d, disk, tau = shelf; s = about(d/'run'/'online-improve'/'stage-1', disk); buffer = data_of(s)[0]
    study = open_study(s, buffer, tmp_path/'a.log', 's')
    assert st.suggest(study.ask(), space('cpu','fit'))==POINT
    shutil.copytree(d/'run', tmp_path/'copy'); open_study(about(tmp_path/'copy'/'online-improve'/'stage-1', disk), buffer, tmp_path/'a.log', 's')
    other = load_run(d/'run'); other.model.head.mlp[0].bias.data += 1; save_run(other, tmp_path/'copy')
    with pytest.raises(ValueError, match='another search .*start: '): open_study(about(tmp_path/'copy'/'online-improve'/'stage-1', disk), buffer, tmp_path/'a.log', 's')
    with pytest.raises(ValueError, match='another search .*start: .* there, None here'): open_study(Search(s.dataset, phase='fit', **{k:getattr(s,k) for k in ('budget','held','steps','draws','fixed')}), buffer, tmp_path/'a.log', 's')

def test_two_workers(shelf, tmp_path):
    d, disk, _ = shelf; s = about(d/'run'/'online-improve'/'stage-2', disk)
    study = run_study(s, tmp_path/'a.log', 's', 2, 2, tmp_path, prune=False, progress=False)
    assert st.finished(study)==2 and study.trials[0].state.name=='COMPLETE' and load_run(tmp_path/'s-000').meta['stage']==2

def test_the_command(shelf, tmp_path, capsys, monkeypatch):
    d, disk, _ = shelf; monkeypatch.setenv('GAC_DATA', str(tmp_path)); stage = d/'run'/'online-improve'/'stage-2'
    monkeypatch.setattr(st, 'attempt', lambda s, chosen, tau, *a: attempt(replace(s,steps=5), chosen, tau, *a))
    def gac(*args):
        try: cli.main(['tune',*map(str,args),'--budget','.15','--held','4','--out',str(tmp_path/'o')])
        except SystemExit as e: return e.code or 0, *capsys.readouterr()
    code, out, err = gac('--run', stage, '--trials', 2, '--no-prune', disk)
    assert not code and 'run-online-improve-stage-2-fit' in out and 'gac online RUN' in out, err
    said = out[out.index('--out OTHER'):].split()[2:]; pairs = said[1::2]
    assert set(said[::2])=={'--set'} and {p.partition('=')[0] for p in pairs}=={'iterations'}|{k for k,f in tu.searchable.items() if f is Fit and getattr(load_run(stage).cfg,k) is not None}
    assert cli.run_settings([*pairs,'recipe=none'], 3, 2)[1]==Arch(3,2) and 'draw=elite' in pairs
    rows = pd.read_csv(tmp_path/'results'/'tune.csv'); assert len(rows)==2 and (rows.D==16).all() and (rows.phase=='fit').all()
    for args,says in ((['--run',d/'slim'],'not resumed'), (['--run',stage,'--phase','arch'],"use phase 'fit'"), (['--run',stage,'--set','D=64'],'keeps the architecture'), ([],'name a DATASET')):
        code, out, err = gac(*args); assert code==2 and err.startswith('gac: ') and err.count('\n')==1 and says in err, err
