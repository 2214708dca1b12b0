"The paper's tables from rows: what is missing says so, what is added appears, what is wrong is named."
import numpy as np
import pandas as pd
import pytest
from gac.tables import (SOURCES, Source, checked_rows, compared, costs, gather, holm, markdown, one_model, pick, printed_scores, data_returns,
    table1, table2, table3, winners)
from toys.results import HOPPER, gac, kept, made

# ---- Cells

def test_nothing_run(tmp_path):
    rows = gather(tmp_path)
    for t in (table1(rows), table1(rows,'step'), table2(rows), table3(rows), table3(rows,'step')):
        assert len(t)==6 and t.map(lambda x: x.startswith('not run')).all(axis=None)
    assert table1(rows, others=True).shape[1]==0 and not len(costs(rows)) and data_returns(tmp_path)=={}
    assert table1(rows).loc[HOPPER,'GAC']=='not run · 67.1' and table1(rows,'step').shape[1]==5

def test_a_row_gone_is_not_run(tmp_path):
    both = [gac(70), made('TD3+BC', 20)]
    there = table1(gather(kept(tmp_path, rivals=both)))
    assert there.loc[HOPPER,'TD3+BC']=='24.0 (3) · 27.6' and there.loc[HOPPER,'GAC']=='**74.0 (3)** · 67.1'
    gone = table1(gather(kept(tmp_path, rivals=both[:1])))
    assert gone.loc[HOPPER,'TD3+BC']=='not run · 27.6' and gone.loc[HOPPER,'GAC']=='74.0 (3) · 67.1' # alone, nothing to be above

def test_a_system_added_appears(tmp_path):
    rows = gather(kept(tmp_path, rivals=[gac(70), made('mine', 50), made('mine-step', 60, 'me/robot/first-v0')]))
    assert table1(rows, others=True).loc[HOPPER,'mine']=='54.0 (3)'
    step = table1(rows, 'step', others=True)
    assert step.loc['me-robot-first','mine']=='64.0 (3)' and step.loc[HOPPER,'mine']=='not run'

def test_marks(tmp_path):
    "Chosen-on seeds are marked, and what was played on choosing seeds alone is compared with nothing."
    low = made('TD3+BC', 20, first=0)
    rows = gather(kept(tmp_path, recipe=[gac(70).assign(method='GAC, recipe')], rivals=[low]))
    t = table1(rows)
    assert t.loc[HOPPER,'GAC'].startswith('74.0 (3)†') and t.loc[HOPPER,'TD3+BC'].startswith('24.0 (3)°')
    rows = gather(kept(tmp_path, rivals=[low, made('TD3+BC', 30)]))
    assert table1(rows).loc[HOPPER,'TD3+BC'].startswith('34.0 (3) ') # the table's own seeds, once they are there

def test_bold_needs_an_interval():
    def row(mean, **kw): return made('x', mean, **kw).assign(met=False, choosing=False)
    assert winners({'d':dict(a=row(70), b=row(50), c=row(40))})=={('d','a')}
    assert winners({'d':dict(a=row(70), b=row(69.9))})==set() and winners({'d':dict(a=row(70, seeds=(0,)), b=row(1))})==set()
    assert winners({'d':dict(a=row(70), b=row(1).iloc[:0])})==set() and winners({})==set()

def test_the_first_source_stands(tmp_path):
    rows = gather(kept(tmp_path, rivals=[gac(70), gac(60, question='improve')], recipe=[gac(80).assign(method='GAC, recipe')]))
    assert pick(rows, 'GAC', HOPPER).normalised.mean()==84 # the recipe, where both know
    assert set(one_model(rows, HOPPER).question)=={'best','improve'} # Table 2 takes one model for a line
    assert table2(rows).loc[HOPPER,'GAC-E[y]'].startswith('**74.0 ± ')

def test_preferred_acting(tmp_path):
    rows = kept(tmp_path, recipe=[gac(v, acting=a).assign(method='GAC, recipe') for v,a in ((80,'average'),(60,'sample'))])
    assert set(gather(rows).acting)=={'average'}
    more = [gac(v, acting=a).assign(method='GAC, recipe') for v,a in ((80,'average'),(60,'sample'),(70,'answers'),(65,'mixed'))]
    told = gac(50, question='improve', acting='sample').assign(method='GAC, recipe')
    chosen = gather(kept(tmp_path, recipe=[*more,told]))
    assert {*zip(chosen.question, chosen.acting)}=={('best','mixed'),('improve','sample')}

def test_online(tmp_path):
    rows = [made('ODT', 40, stage=0), made('ODT', 50, stage=3), made('PPO', 10)]
    t = table3(gather(kept(tmp_path, rivals=rows), (Source('rivals', stages=True),)))
    assert t.loc[HOPPER,'ODT'].startswith('**54.0 (3)** [+10.0] · 57.6 [+0.3]') and t.loc[HOPPER,'PPO']=='14.0 (3) · 11.5'
    offline = table1(gather(tmp_path), others=True)
    assert offline.loc[HOPPER,'ODT']=='44.0 (3)' and 'PPO' not in offline # offline it is its start

def test_costs(tmp_path):
    home = kept(tmp_path, rivals=[made('TD3+BC', 20)])
    runs = [dict(dataset=HOPPER, method='TD3+BC', train_seed=t, cpu_seconds=c) for t,c in enumerate((10,30,20))]
    pd.DataFrame(runs).to_csv(home/'results'/'rivals-runs.csv', index=False)
    assert costs(gather(home)).loc['TD3+BC',HOPPER]==20

def test_markdown(): assert markdown(pd.DataFrame({'c':['**x**']}, ['a']))=='|  | c |\n| --- | --- |\n| a | **x** |'

# ---- Bad files

@pytest.mark.parametrize('spoil, says', [
    (lambda d: pd.concat([d, d[:1]]), 'environment seed 10000 twice, training seed 0'),
    (lambda d: d.drop(columns='achieved'), 'no column achieved'),
    (lambda d: d.assign(achieved=[np.nan]+[1.]*(len(d)-1)), "achieved is 'nan' in row 0"),
    (lambda d: d.assign(train_seed='two'), "train_seed is 'two' in row 0")])
def test_bad_rows_are_named(tmp_path, spoil, says):
    home = kept(tmp_path, rivals=[spoil(made('TD3+BC', 20))])
    with pytest.raises(ValueError, match=says) as e: gather(home)
    assert 'rivals.csv' in str(e.value) and 'make rows X=rivals' in str(e.value)

def test_rows_without_references_are_rows(tmp_path):
    made('GAC', 20).drop(columns='normalised').to_csv(tmp_path/'x.csv', index=False)
    rows = checked_rows(tmp_path/'x.csv')
    assert len(rows) and rows.normalised.isna().all()

@pytest.mark.parametrize('content', [b'', b'\x00\xff\xfe'])
def test_bad_files_are_named(tmp_path, content):
    (tmp_path/'x.csv').write_bytes(content)
    with pytest.raises(ValueError, match='x.csv'): checked_rows(tmp_path/'x.csv')

# ---- Tests and the Makefile

def test_holm():
    np.testing.assert_allclose(holm([.01,.02,.03,.04]), [.04,.06,.06,.06])
    np.testing.assert_allclose(holm([.04,.01,.02]), [.04,.03,.04])
    assert np.isnan(holm([np.nan, .2])[0]) and holm([np.nan, .2])[1]==.2 and holm([.9,.8]).max()==1 and len(holm([]))==0

def test_compared():
    a, b = (made('x', v).assign(met=False) for v in (70,50))
    d = compared(a, b)
    assert d['mean']==20 and d['low']<20<d['high'] and d['n']==(3,3) and d['p']<.05
    assert compared(a, b[:0]) is None and compared(a, b.assign(env_seed=b.env_seed+4)) is None
    assert np.isnan(compared(a, b[b.train_seed==0])['p']) # one training seed decides nothing

def test_make_tables_is_known(root):
    assert '\ntables:' in (root/'Makefile').read_text() and 'make tables' in (root/'CONTRIBUTING.md').read_text()
    assert set(printed_scores('table1').rewards)=={'return','step'} and len({s.file for s in SOURCES})>3
