"Result rows: the table, paired intervals and overlaps by hand; unknown columns are refused, a file is replaced row by row."
import math
import multiprocessing
import warnings
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from gac.envs import rollout
from gac.rows import COLUMNS, _variance, as_rows, gain, joinable, overlap, paired_interval, read_rows, save_rows, table

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

def test_interval_is_welchs_where_episodes_say_nothing():
    "Every episode of a training seed is alike: the textbook interval over seed means, unequal variances."
    a, b = np.repeat([[3.],[5.],[4.],[8.]], 20, 1), np.repeat([[1.],[2.],[1.5]], 20, 1)
    got = paired_interval(made(a, (0,1,2,3)), made(b, (7,8,9)))
    want = stats.ttest_ind(a[:,0], b[:,0], equal_var=False).confidence_interval()
    assert np.allclose([got['mean'],got['low'],got['high']], [3.5,*want]) and got['seeds']==[1.5,3.5,2.5,6.5] and got['holds']

def test_interval_is_paired_over_environments_where_training_says_nothing():
    "Every training seed is alike: the textbook paired interval over environment seeds."
    rng = np.random.default_rng(0); e = 100*rng.normal(size=30); d = 1+rng.normal(size=30)
    got = paired_interval(made([e+d]*3, (0,1,2)).sample(frac=1, random_state=0), made([e]*3, (0,1,2)))
    want = stats.ttest_1samp(d, 0).confidence_interval()
    assert np.allclose([got['mean'],got['low'],got['high']], [d.mean(),*want])

@pytest.mark.parametrize('n, same_start', [((3,3),False), ((5,5),False), ((10,5),False), ((3,3),True), ((5,5),True)])
@pytest.mark.parametrize('sd', [(300,100,400),(50,200,400),(0,200,400)]) # of training seeds, of system × environment, of what is left
def test_interval_covers_what_it_says(n, sd, same_start):
    "Simulated tied systems: 95 % means 93 to 97."
    rng, m, inside = np.random.default_rng(sum(n)+sum(sd)+same_start), 60, []
    for _ in range(1500):
        env, start = 300*rng.normal(size=m), 300*rng.normal(size=(max(n),1))*same_start
        a, b = (env+sd[1]*rng.normal(size=m)+start[:k]+sd[0]*rng.normal(size=(k,1))+sd[2]*rng.normal(size=(k,m)) for k in n)
        v, df = _variance([a-b] if same_start else [a,b])
        inside.append(abs(a.mean()-b.mean())<=stats.t.ppf(.975, df)*v**.5)
    assert .93<=np.mean(inside)<=.975

def test_training_seeds_are_no_pairs_unless_they_share_a_start():
    a = np.repeat([[0.],[100.],[200.]], 10, 1); b = a-5
    apart, together = (paired_interval(made(a, (0,1,2)), made(b, (0,1,2)), same_start=s) for s in (False,True))
    assert apart['mean']==together['mean']==5 and not apart['holds'] and together['holds'] and together['seeds']==[5,5,5]
    assert apart==paired_interval(made(a, (0,1,2)), made(b, (5,6,7)))

def test_one_training_seed_decides_nothing():
    got = paired_interval(made([[9.,8.]]), made([[1.,2.]]))
    assert got['mean']==7 and math.isnan(got['low']) and not got['holds']

def test_no_pairs():
    with pytest.raises(ValueError, match='share no'): paired_interval(made([[1,2]]), made([[1,2]], first=10_003))
    with pytest.raises(ValueError, match='share no'): paired_interval(made([[1,2]]), made([[1,2]], (5,)), same_start=True)

def test_only_shared_episodes_count():
    got = paired_interval(made([[1,2,3],[1,2,3]], (0,1)), made([[1,2,3],[1,2,3]], (1,4), first=10_001))
    assert got['mean']==1 and got['seeds']==[1,1]

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

@pytest.mark.parametrize('first, then, n', [('00e1','7777',4), ('7777','7777',2), ('0e12','0e12',2), (None,'7777',2), ('7777',None,2)])
def test_other_data_of_the_same_name_keep_their_rows(tmp_path, first, then, n):
    tau = episodes()[:2]
    def rows(mark): return as_rows(tau, 'Hopper-v5', 0, dataset='d', method='m', train_seed=0, fingerprint=mark)
    save_rows(rows(first), tmp_path/'r.csv')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        got = save_rows(rows(then), tmp_path/'r.csv')
    assert [str(w.message).partition(': ')[2][:30] for w in said]==["two sets are called 'd', of fi"]*(n==4)
    assert len(got)==n and set(got.fingerprint.dropna())==({first,then} if n==4 else {then})-{None}

def test_a_file_from_before_there_were_fingerprints_is_gone_on_with(tmp_path):
    new = as_rows(episodes()[:2], 'Hopper-v5', 0, dataset='d', method='m', train_seed=0, fingerprint='77')
    new.drop(columns='fingerprint').to_csv(tmp_path/'r.csv', index=False)
    assert len(save_rows(new, tmp_path/'r.csv'))==2 and len(save_rows(new.assign(train_seed=1), tmp_path/'r.csv'))==4

def test_names_stay_text_in_a_file(tmp_path):
    rows = made([[1.,2.]], dataset='2024', fingerprint='12345678')
    again = [save_rows(rows, tmp_path/'x.csv') for _ in range(2)][-1]
    assert len(again)==2 and set(again.dataset)=={'2024'} and set(again.fingerprint)=={'12345678'}

def _add(path, first):
    for s in range(first, first+8):
        save_rows(pd.DataFrame([dict(dataset='d', method='m', train_seed=s, env_seed=0)]), path)

def test_two_processes_that_add_to_one_file_lose_nothing(tmp_path):
    "Reading, adding and writing is one step: whoever comes second waits."
    path, context = tmp_path/'rows.csv', multiprocessing.get_context('fork')
    both = [context.Process(target=_add, args=(path, 100*k)) for k in (0,1)]
    for p in both: p.start()
    for p in both: p.join()
    assert [p.exitcode for p in both]==[0,0]
    assert sorted(read_rows(path).train_seed)==[*range(8), *range(100,108)]
    assert [p.name for p in tmp_path.iterdir()]==['rows.csv']

@pytest.mark.parametrize('text', ['', 'a,b\n1,2\n', 'dataset,method\n"x'])
def test_a_foreign_file_is_named_before_and_kept(tmp_path, text):
    path = tmp_path/'rows.csv'
    path.write_text(text)
    new = pd.DataFrame([dict(dataset='d', method='m', train_seed=0, env_seed=0)])
    for ask in (lambda: joinable(path), lambda: save_rows(new, path)):
        with pytest.raises(ValueError, match='rows.csv .*move it away'): ask()
    assert path.read_text()==text and [p.name for p in tmp_path.iterdir()]==['rows.csv']

def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays(tmp_path):
    mine = tmp_path/'mine.txt'
    mine.write_text('years of work')
    (tmp_path/'.rows.csv.lock').symlink_to(mine)
    with pytest.raises(FileExistsError, match=r'\.rows\.csv\.lock is a link'):
        save_rows(pd.DataFrame([dict(dataset='d', method='m', train_seed=0, env_seed=0)]), tmp_path/'rows.csv')
    assert mine.read_text()=='years of work' and not (tmp_path/'rows.csv').exists()
