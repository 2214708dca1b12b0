"The search: equal compute, the same trajectories held out; the refit of a stage begins where the stage began."
import os, shutil
from dataclasses import replace
import numpy as np
import pandas as pd
import pytest
import torch
from gac import cli, study as st, tune as tu
from gac.core import generator, windows
from gac.data import save
from gac.elbo import infer
from gac.envs import point_mass_data
from gac.model import Arch
from gac.online import Online, episodes, online, restage
from gac.run import Fit, load_run, new_run, save_run
from gac.study import open_study, run_study
from gac.train import fit
from gac.tune import (Search, Unaffordable, attempt, refit_start, configure, data_of, held_out_elbo, iteration_flops, search_refit, space, split)
from toys.searches import FIXED, about

optuna = pytest.importorskip('optuna')

@pytest.fixture(scope='module')
def mass(): return point_mass_data(30, seed=3)

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

def random_points(n=25, seed=0):
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

# ---- the refit of a stage

LANE, TINY = 'gac/PointMass-v0', dict(D=16, tokens=1, heads=2, enc=1, dec=1)
REFITS = [dict(iterations=3, outer_lr=1e-3, batch=32, draw='elite'), dict(iterations=4, outer_lr=5e-4, weight_decay=2e-3, draw='elite')]
POINT = dict(outer_lr=1e-3, weight_decay=1e-3, outer_steps=1, inner_lr=.1, batch=32)
def of_stage(folder, dataset, **kw): return search_refit(folder, dataset, **(dict(budget=.1, held=4, steps=5, draws=2)|kw))

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
    d, disk, _ = shelf; s, kept = of_stage(d/'run'/'online-improve'/'stage-1', disk), []
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
        with pytest.raises(error, match=says): of_stage(f, disk, **kw)
    with pytest.raises(ValueError, match='other data'): of_stage(s1, save(point_mass_data(20, seed=4), 'gac/other-v0', LANE, tmp_path))
    shutil.copytree(s1.parent, tmp_path/'away'/'online')
    with pytest.raises(ValueError, match='did not begin with a run in .*put its online folder'): of_stage(tmp_path/'away'/'online'/'stage-1', disk)
    save_run(restage(load_run(d/'run'), refit_start(d/'run',disk)[1], 1), tmp_path/'away') # another run is there
    with pytest.raises(ValueError, match='did not begin with a run in'): of_stage(tmp_path/'away'/'online'/'stage-1', disk)
    with pytest.raises(ValueError, match='make the search with `search_refit`'): attempt(Search(str(disk), phase='fit', run=str(s1), held=4), POINT, data_of(of_stage(s1,disk))[0])
    with pytest.raises(ValueError, match='cannot hold 7 of 8'): run_study(of_stage(s1, disk, held=7), tmp_path/'a.log', 's', progress=False)

def test_a_run_that_learns_its_width(shelf, tmp_path):
    d, disk, tau = shelf; save_run(new_run(tau, Arch(3,2,**TINY,learn_sigma_y=True), Fit(iterations=1)), tmp_path)
    with pytest.raises(ValueError, match='learns sigma_y'): of_stage(tmp_path, disk)

def test_a_study_knows_where_its_trials_begin(shelf, tmp_path):
    "By the parameters, not by the path; and the settings of the stage come first."
    d, disk, tau = shelf; s = of_stage(d/'run'/'online-improve'/'stage-1', disk); buffer = data_of(s)[0]
    study = open_study(s, buffer, tmp_path/'a.log', 's')
    assert st.suggest(study.ask(), space('cpu','fit'))==POINT
    shutil.copytree(d/'run', tmp_path/'copy'); open_study(of_stage(tmp_path/'copy'/'online-improve'/'stage-1', disk), buffer, tmp_path/'a.log', 's')
    other = load_run(d/'run'); other.model.head.mlp[0].bias.data += 1; save_run(other, tmp_path/'copy')
    with pytest.raises(ValueError, match='another search .*start: '): open_study(of_stage(tmp_path/'copy'/'online-improve'/'stage-1', disk), buffer, tmp_path/'a.log', 's')
    with pytest.raises(ValueError, match='another search .*start: .* there, None here'): open_study(Search(s.dataset, phase='fit', **{k:getattr(s,k) for k in ('budget','held','steps','draws','fixed')}), buffer, tmp_path/'a.log', 's')

def test_two_workers(shelf, tmp_path):
    d, disk, _ = shelf; s = of_stage(d/'run'/'online-improve'/'stage-2', disk)
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
    rows = pd.read_csv(tmp_path/'o'/'results'/'tune.csv'); assert len(rows)==2 and (rows.D==16).all() and (rows.phase=='fit').all()
    for args,says in ((['--run',d/'slim'],'not resumed'), (['--run',stage,'--phase','arch'],"use phase 'fit'"), (['--run',stage,'--set','D=64'],'keeps the architecture'), ([],'name a DATASET')):
        code, out, err = gac(*args); assert code==2 and err.startswith('gac: ') and err.count('\n')==1 and says in err, err
