"What a workflow names is there: targets of the Makefile, files, jobs. It runs nowhere but on GitHub, where a slip costs a release."
import re
import pytest
yaml = pytest.importorskip('yaml', reason='PyYAML comes with Jupyter')

NAMES = ('docs','release','test')
OUTSIDE = {'dist','files','_docs/site'} # made on the way

@pytest.fixture(scope='module')
def flows(root): return {n: yaml.safe_load((root/'.github'/'workflows'/f'{n}.yml').read_text(encoding='utf-8')) for n in NAMES}

def steps(flows): return [s for w in flows.values() for j in w['jobs'].values() for s in j.get('steps',[])]
def lines(flows): return [s['run'] for s in steps(flows) if 'run' in s]

def test_all_workflows_are_looked_at(root): assert {p.stem for p in (root/'.github'/'workflows').iterdir()}=={*NAMES}

def test_targets_of_make_exist(flows, root):
    targets = set(re.findall(r'^([a-z]+):(?!=)', (root/'Makefile').read_text(encoding='utf-8'), re.M))
    asked = [w for text in lines(flows) for w in re.findall(r'\bmake ([a-z]+)', text)]
    assert {'docs','address'}<={*asked}<=targets
    assert re.search(r'exec make test\n', (root/'.ci'/'run').read_text()) and 'test' in targets

def test_files_that_are_named_exist(flows, root):
    "In lines, in inputs of actions, and the workflow that is called."
    told = [w for text in lines(flows) for w in re.findall(r'(?<![\w"$/.{<-])(?:\.?[\w-]+/[\w./*-]+|[\w-]+\.(?:ini|csv|txt))', text)]
    told += [w for s in steps(flows) for k in ('path','cache-dependency-path') for w in str(s.get('with',{}).get(k,'')).split()]
    told += [j['uses'] for w in flows.values() for j in w['jobs'].values() if 'uses' in j]
    named = {t for t in told if t not in OUTSIDE and t.split('/')[0] not in ('dist','files')}
    assert {'settings.ini','constraints.txt','gac/checkpoints.csv','.ci/run','data/checkpoints/*/'}<=named
    assert not [t for t in named if not any(root.glob(t))]
    site = yaml.safe_load((root/'docs'/'mkdocs.yml').read_text(encoding='utf-8'))['site_dir']
    assert f'_docs/{site}' in OUTSIDE and any(s.get('with',{}).get('path')==f'_docs/{site}' for s in steps(flows))

def test_jobs_that_are_waited_for_exist(flows):
    for w in flows.values():
        for j in w['jobs'].values():
            needs = j.get('needs', [])
            assert {*([needs] if isinstance(needs, str) else needs)}<={*w['jobs']}

def test_python_is_one_that_the_package_takes(flows, root):
    least = re.search(r'^min_python = (.+)$', (root/'settings.ini').read_text(encoding='utf-8'), re.M)[1]
    asked = [s['with']['python-version'] for s in steps(flows) if 'setup-python' in s.get('uses','')]
    assert asked and all(tuple(map(int, a.split('.')))>=tuple(map(int, least.split('.'))) for a in asked)

def test_actions_are_of_one_version_each_and_keep_no_token(flows):
    used = {s['uses'] for s in steps(flows) if 'uses' in s}
    assert len({u.split('@')[0] for u in used})==len(used) and all(re.search(r'@v\d+\.\d+\.\d+$', u) for u in used), used
    assert all(s['with']['persist-credentials'] is False for s in steps(flows) if 'checkout' in s.get('uses',''))

def test_the_address_is_written_before_the_wheel_is_built(flows):
    said = [s.get('run','') for s in flows['release']['jobs']['build']['steps']]
    order = [next(i for i,s in enumerate(said) if part in s) for part in ('make address','python -m build','METADATA')]
    assert order==sorted(order)
