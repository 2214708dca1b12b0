"Result rows: the table, paired intervals and overlaps by hand; unknown columns are refused, a file is replaced row by row."
import math
import numpy as np
import pandas as pd
import pytest
import torch
from gac.envs import rollout
from gac.rows import COLUMNS, as_rows, gain, overlap, paired_interval, save_rows, table

def made(values, train=(0,), first=10_000, **cols): # values (seeds, episodes)
    v = np.asarray(values, float)
    rows = [dict(dataset='d', method='GAC', question='best', acting='mu', train_seed=t, env_seed=first+j, target=np.nan, predicted=x+1, achieved=x, normalised=x/10, length=5, kl=2.)
            for t,line in zip(train,v) for j,x in enumerate(line)]
    return pd.DataFrame(rows).assign(**cols)

def test_gain_by_hand():
    assert gain([2.,4.,6.], [0.,2.,4.]).tolist()==[0,1,2] and gain(3., [0.,2.,4.])==.5

def test_table_by_hand():
    rows = pd.concat([made([[1,2,3]]), made([[5,7,9]], acting='sample')], ignore_index=True)
    t = table(rows, y=[0.,2.,4.])
    assert list(t.index)==[('GAC','best','mu'),('GAC','best','sample')] and list(t)==['predicted','achieved','g','length','kl','normalised','std']
    assert t.achieved.tolist()==[2,7] and t.predicted.tolist()==[3,8] and t.g.tolist()==[0,2.5]
    assert np.allclose(t.normalised, [.2,.7]) and np.allclose(t['std'], [.1,.2])
    assert 'g' not in table(rows) and len(table(rows, by=('method',)))==1

def test_paired_interval_by_hand():
    rng = np.random.default_rng(1)
    a,b = rng.normal(3, 1, (3,40)), rng.normal(1, 1, (3,40))
    got = paired_interval(made(a, (0,1,2)), made(b, (0,1,2)), draws=4000)
    d, boot = a-b, []
    for _ in range(4000): # seeds with replacement, then episodes of each
        boot.append(np.mean([d[i][rng.integers(40, size=40)].mean() for i in rng.integers(3, size=3)]))
    assert np.isclose(got['mean'], d.mean()) and np.allclose(got['seeds'], d.mean(1), atol=.006) and got['holds']
    assert np.allclose([got['low'],got['high']], np.percentile(boot, [2.5,97.5]), atol=.04)

def test_pairs_belong_together():
    a = np.arange(12.).reshape(2,6)**2
    got = paired_interval(made(a, (0,1)).sample(frac=1, random_state=0), made(a-.5, (0,1)))
    assert np.allclose([got['mean'],got['low'],got['high']], .5) and got['seeds']==[.5,.5] and got['holds']
    flip = paired_interval(made(a-.5, (0,1)), made(a, (0,1)))
    assert np.allclose(flip['mean'], -.5) and not flip['holds']

def test_one_bad_seed_breaks_the_claim():
    got = paired_interval(made([[9.]*5,[9.]*5,[-.1]*5], (0,1,2)), made(np.zeros((3,5)), (0,1,2)), draws=50)
    assert got['seeds']==[9,9,-.1] and not got['holds']

def test_no_pairs():
    for other in (made([[1,2]], (5,)), made([[1,2]], first=3)):
        with pytest.raises(ValueError, match='share no'): paired_interval(made([[1,2]]), other)

def test_only_shared_episodes_and_seeds_count():
    got = paired_interval(made([[1,2,3],[1,2,3]], (0,1)), made([[1,2,3]], (1,), first=10_001), draws=50)
    assert got['mean']==1 and got['seeds']==[1] and got['low']==got['high']==1

def test_overlap_by_hand():
    a = np.linspace(0,1,1000)
    assert overlap(a,a)==1 and overlap(a,a+5)==0 and math.isclose(overlap(a,a+.5), .5, abs_tol=.03)
    assert math.isclose(overlap([0,0,1],[0,1,1],2), 2/3) and overlap([1.,1.],[1.])==1

def episodes(): return rollout('Hopper-v5', lambda s,r: torch.zeros(len(s),3), 4)

def test_rows_have_the_columns():
    tau = episodes(); got = as_rows(tau, 'Hopper-v5', 7, method='still', train_seed=1)
    assert list(got)==COLUMNS and got.env_seed.tolist()==[7,8,9,10] and (got.method=='still').all() and got.target.isna().all()
    assert np.allclose(got.achieved, tau.y, atol=.006) and got.length.tolist()==tau.n.tolist()
    with pytest.raises(ValueError, match=r"unknown columns \['colour'\]"): as_rows(tau, 'Hopper-v5', 0, colour='red')

def test_a_file_needs_a_name():
    with pytest.raises(TypeError, match='path'): save_rows(pd.DataFrame())

def test_rows_that_agree_are_replaced(tmp_path):
    new = as_rows(episodes(), 'Hopper-v5', 0, dataset='d', method='m', train_seed=0); f = tmp_path/'r'/'rows.csv'
    save_rows(new, f); got = save_rows(new.head(2).assign(achieved=5.), f)
    assert got.achieved.tolist()==[5.,5.] and got.env_seed.tolist()==[0,1]
    assert len(save_rows(new.assign(train_seed=1), f))==6
