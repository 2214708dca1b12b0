"The paper's numbers that the package carries: complete, in range, and the same in both places."
import csv
import pytest
from gac.scales import reference

def test_package_data_are_the_repository_s(root):
    here, there = root/'gac'/'paper', root/'data'/'paper'
    names = {p.name for p in here.glob('*.csv')}
    assert names=={p.name for p in there.glob('*.csv')}=={'scores.csv','hparam_ranges.csv','hparams.csv','d4rl_reference.csv'}
    for n in names: assert (here/n).read_bytes()==(there/n).read_bytes()

def table(root, name): return list(csv.DictReader((root/'gac'/'paper'/f'{name}.csv').read_text().splitlines()))

DATASETS = {f'{e}-{q}' for e in ('hopper','walker2d','halfcheetah') for q in ('medium','medium-replay')}

@pytest.mark.parametrize('name,columns', [('hparams','table dataset stage name value'), ('hparam_ranges','group name kind values'),
    ('scores','table dataset rewards phase method normalised_score std note'),
    ('d4rl_reference','dataset ref_min_score ref_max_score trajectories steps mean_length return_mean return_std return_max return_min')])
def test_schemas(root, name, columns):
    rows = table(root, name)
    assert list(rows[0])==columns.split() and all(None not in r and None not in r.values() for r in rows)

def test_scores_table(root):
    rows = table(root, 'scores')
    assert {r['dataset'] for r in rows}==DATASETS and {r['table'] for r in rows}=={'table1','table2','table3'}
    assert {r['rewards'] for r in rows}=={'return-only','step-wise'} and all(-10<float(r['normalised_score'])<130 for r in rows)
    assert all(r['std']=='' or 0<=float(r['std'])<30 for r in rows)
    key = [tuple(r[k] for k in ('table','dataset','rewards','phase','method')) for r in rows]; assert len(set(key))==len(key)

def test_reference_table(root):
    rows = table(root, 'd4rl_reference')
    assert {r['dataset'] for r in rows}==DATASETS
    for r in rows:
        f = {k:float(v) for k,v in r.items() if k!='dataset'}
        assert f['ref_min_score']<f['ref_max_score'] and f['return_min']<f['return_mean']<f['return_max'] and f['return_std']>0
        assert f['steps']/f['trajectories']==pytest.approx(f['mean_length'], abs=.06)
        assert (f['ref_min_score'],f['ref_max_score'])==reference(r['dataset'])

def test_every_published_setting_is_there_once(root):
    rows = table(root, 'hparams'); got = {}
    for r in rows: got.setdefault((r['table'],r['dataset'],r['stage']),[]).append(r['name'])
    top = 'embedding_dim latent_tokens attention_heads decoder_layers encoder_layers context_length'.split()
    fit = 'outer_lr outer_weight_decay outer_steps inner_lr batch_size'.split()
    want = {('table5',d,''):top for d in DATASETS}|{('table6',d,s):fit for d in DATASETS for s in '0123'}
    want |= {('table7',d,s):['quantile','delta_y'] for d in DATASETS for s in '0123'}|{('table7',d,''):['target_return'] for d in DATASETS}
    assert {k:sorted(v) for k,v in got.items()}=={k:sorted(v) for k,v in want.items()}

def inside(r, value):
    v = [float(x) for x in r['values'].split()]
    return value in v if r['kind']=='choice' else v[0]<=value<=v[1]

def test_settings_lie_in_the_ranges_of_table_4(root):
    ranges = {r['name']:r for r in table(root, 'hparam_ranges')}
    rows = [r for r in table(root, 'hparams') if r['table'] in ('table5','table6')]
    assert {r['name'] for r in rows}==set(ranges) and {r['kind'] for r in ranges.values()}=={'choice','interval'}
    out = {(r['table'],r['dataset'],r['stage'],r['name']):float(r['value']) for r in rows if not inside(ranges[r['name']], float(r['value']))}
    odd = ('table6','hopper-medium','3')
    assert out=={(*odd,'outer_lr'):.3755, (*odd,'inner_lr'):.0023} # as printed
    assert inside(ranges['inner_lr'],.3755) and inside(ranges['outer_lr'],.0023) # each inside the other's: they read as swapped

def test_questions_of_table_7_make_sense(root):
    for r in table(root, 'hparams'):
        v = float(r['value'])
        if r['name']=='quantile': assert 0<v<1
        if r['name']=='delta_y': assert 0<v<=10
        if r['name']=='target_return': assert v>float(reference(r['dataset'])[0])
