"Claims from rows: one counterexample refutes, one training seed decides nothing; aggregates as rliable has them."
import json
import numpy as np
import pandas as pd
from gac.claims import (Claim, Inequality, bootstrap, by_seed, covers, twelve_claims, decided, improvement, iqm, overall, profile, scores, shared,
    together)
from gac.tables import gather, t_interval
from toys.results import HOPPER, gac, kept, made

# ---- Verdicts

def test_together_adds_variances():
    d = together([t_interval(3., 1., 4, (3,3)), t_interval(5., 1., 4, (5,2), True)])
    assert d['mean']==4 and np.isclose(d['sd'], .5**.5) and np.isclose(d['df'], 8) and d['n']==(3,2) and d['met']
    lone = t_interval(3., np.nan, 1, (1,1))
    assert together([lone, t_interval(5., 1., 4, (3,3))])['mean']==5 and np.isnan(together([lone])['p'])

def test_verdicts():
    up, down, tied = (t_interval(m, 1., 4, (3,3)) for m in (9.,-9.,.1))
    def says(*sets):
        part = Inequality('a > b', dict(enumerate(sets)))
        return decided([Claim('c', 'Table 1', [part])]).says['c'].strip('*')
    assert says(up, up)=='supported' and says(tied)=='undecided' and says()==says(None)=='not run' and says(down)=='refuted'
    assert says(up, up, up, down)=='refuted' # one counterexample
    assert says(t_interval(9., np.nan, 1, (1,1)))=='undecided'
    assert overall(['supported','not run'])=='undecided' and overall(['undecided','refuted'])=='refuted'

def test_holm_is_within_a_table():
    "Twenty claims at p = 0.02 in one table decide nothing; one alone does."
    d = t_interval(3., 1., 10, (3,3))
    assert .01<d['p']<.05
    many = [Claim(str(i), 'Table 1', [Inequality('a > b', {'d':d})]) for i in range(20)]
    assert set(decided(many).says)=={'**undecided**'} and set(decided(many[:1]).says)=={'**supported**'}

def test_claims_without_rows(tmp_path):
    lines = decided(twelve_claims(gather(tmp_path), tmp_path))
    assert len(lines)==12 and set(lines.says)=={'**not run**'}

def test_a_claim_finds_its_rows(tmp_path):
    home = kept(tmp_path, rivals=[made(m, v) for m,v in (('TD3+BC',20),('IQL',30),('CQL',10))]+[gac(70)])
    line = decided(twelve_claims(gather(home), home)).loc['return-only: GAC > TD methods']
    assert line.says=='**supported**' and line.seeds=='3:3' and line.difference.startswith('40.0 [') and line.by=='GAC > IQL'

def test_a_prior_of_one_set_alone_is_decided(tmp_path):
    rows = gather(kept(tmp_path, rivals=[gac(20, question='prior', acting='sample')]))
    claim = Claim('covers', 'Figure 1', [covers(rows, {HOPPER:pd.Series([10.,20.,30.])})])
    assert decided([claim]).says['covers'].strip('*') in ('supported','refuted','undecided')

def test_by_seed(): assert np.isclose(by_seed([1.,2.,3.])['sd'], 3**-.5) and np.isnan(by_seed([1.])['p'])

# ---- Aggregates, as rliable has them

def test_aggregates_are_rliables(root):
    ref = json.loads((root/'tests'/'oracles'/'rliable.json').read_text())
    assert ref['rliable']=='1.2.0'
    a, b = ({str(i):x for i,x in enumerate(np.array(ref[k]['scores']).T)} for k in 'ab')
    for k,tasks in dict(a=a, b=b).items():
        assert np.isclose(iqm(tasks), ref[k]['iqm'], rtol=1e-12)
        np.testing.assert_allclose(profile(tasks, np.array(ref['grid'])), ref[k]['profile'])
    assert np.isclose(improvement(a, b), ref['improvement'], rtol=1e-12) and np.isclose(improvement(a, b)+improvement(b, a), 1)
    low, high = bootstrap(iqm, a, n=50)
    assert low<iqm(a)<high and (bootstrap(iqm, a, n=50)==(low,high)).all()

def test_scores_and_common_ground(tmp_path):
    rows = [gac(70), gac(60, dataset='d2'), made('TD3+BC', 20), made('TD3+BC', 30, 'd2'), made('IQL', 5, first=0)]
    scored = scores(gather(kept(tmp_path, rivals=rows)))
    assert scored['GAC'][HOPPER].tolist()==[73,74,75] and 'IQL' not in scored # choosing seeds are no scores
    assert {k:sorted(t) for k,t in shared(scored|{'x':{HOPPER:np.ones(3)}}).items()}=={k:[HOPPER] for k in ('GAC','TD3+BC','x')}
    assert shared({})=={}
