"Four questions side by side: each is asked once, and every row is kept."
import math
import numpy as np
import pandas as pd
import pytest
from gac.compare import benchmark, compare, picture, run_summary, with_clone
from gac.envs import point_mass_data
from gac.model import Arch
from gac.query import QUESTIONS, Ask, evaluate
from gac.rows import COLUMNS, table
from gac.run import Fit, new_run
from gac.train import fit
from toys.runs import bare

ID = 'gac/PointMass-v0'
FAST = Ask(steps=6, starts=4)

@pytest.fixture(scope='module')
def data(): return point_mass_data(48, seed=0)

@pytest.fixture(scope='module')
def run(data):
    r = new_run(data, Arch.tiny(3, 2, M=2), Fit.tiny(iterations=4, seed=7), dataset='point mass', env=ID)
    fit(r, data, progress=False)
    return r

def test_compare_asks_everything(run, data, tmp_path):
    r = compare(run, ID, 2, seed=60, cfg=FAST)
    assert r.groupby(['question','acting'], sort=False).size().index.tolist()==[('prior','sample')]+[(q,a) for q in QUESTIONS if q!='prior' for a in ('sample','mu')]
    assert (r.groupby(['question','acting']).env_seed.apply(list).map(lambda x: x==[60,61])).all()
    ax = picture(r, run.y); assert len(ax.get_legend_handles_labels()[1])==5

@pytest.mark.parametrize('kept', [True,False])
def test_compare_acts_as_evaluate_does(run, kept):
    "Each kind of answer is asked once; without posteriors there is one kind."
    if not kept: run = bare(run)
    both = compare(run, ID, 2, seed=60, cfg=FAST, actings=('mixed',)), evaluate(run, ID, 'best', 2, 60, 'mixed', FAST)
    assert both[0][both[0].question=='best'].achieved.tolist()==both[1].achieved.tolist()

def test_summary_of_a_run(run, data):
    s = run_summary(run, data, 'mine', some=10)
    assert len(s)==1 and s.method[0]=='mine' and s.train_seed[0]==7 and s.iterations[0]==4
    assert math.isclose(s.elbo[0], s.actions[0]+s.states[0]+s.ret[0]-s.kl[0], rel_tol=1e-4) and s.sigma_y[0]>0 and s.seconds[0]>0

def test_benchmark_keeps_its_rows(run, data, tmp_path, monkeypatch):
    from gac import compare as module
    monkeypatch.setattr(module, 'compare', lambda run,env,n,seed,progress: evaluate(run, env, 'prior', n, seed))
    for label in ('a','b','a'): rows = benchmark(run, data, label, 't', 3, root=tmp_path)
    kept = pd.read_csv(tmp_path/'results'/'t.csv')
    assert len(kept)==6 and list(kept)==[k for k in COLUMNS if k!='normalised'] and np.allclose(kept[kept.method=='a'].achieved, rows.achieved)
    assert sorted(pd.read_csv(tmp_path/'results'/'t-runs.csv').method)==['a','b']

def test_clone_rows_join_the_table(run, data, monkeypatch):
    from gac import compare as module
    real = module.clone
    monkeypatch.setattr(module, 'clone', lambda tau,frac,seed: real(tau, frac, steps=20, width=8, seed=seed))
    rows = with_clone(evaluate(run, ID, 'prior', 3), data, ID, 3)
    c = rows[rows.method=='clone-10%']
    assert len(c)==3 and c.env_seed.tolist()==[10_000,10_001,10_002] and (c.train_seed==7).all() and c.predicted.isna().all()
    assert len(table(rows, data.y))==2
