"A slice of the malformed inputs; `make fuzz` tries them all."
import json
import os
import subprocess
import sys
from collections import Counter
import pytest
from fuzz import harness
from fuzz.__main__ import inputs, known

CATEGORIES = ('HDF5 contents','raw bytes','Minari metadata and episodes','checkpoints','command line','online folders','journals and storages',
    'environment variables','unusual but valid','rivals, benches, shared files')

@pytest.fixture(scope='module')
def tried(root, tmp_path_factory):
    "A slice of those that are known to end well, each in a child of one warm process."
    f = tmp_path_factory.mktemp('fuzz')/'all.json'
    env = os.environ|dict(PYTHONPATH=os.pathsep.join([str(root/'tests'),str(root)]))
    p = subprocess.run([sys.executable,'-m','fuzz','--held','--slice','40','--seconds','12','--json',str(f)], capture_output=True, text=True, env=env, cwd=root)
    assert f.exists(), p.stderr[-2000:]
    return json.loads(f.read_text())

@pytest.mark.parametrize('category', CATEGORIES)
def test_a_slice_is_clean(tried, category):
    bad = [f"{r['name']}: {harness.said(r)}" for r in tried if r['category']==category and r['faults']]
    assert not bad, '\n'.join(bad)

def test_the_slice_is_tried(tried): assert len(tried)>=12, 'the machine is too busy to say anything'

def test_there_are_enough_inputs_of_every_kind():
    all_ = inputs()
    count = Counter(c.category for c in all_)
    assert len(all_)>=400 and min(count[c] for c in CATEGORIES)>=30
    assert len({c.id for c in all_})==len(all_)

def test_inputs_are_the_same_every_time(): assert [c.id for c in inputs()]==[c.id for c in inputs()]

def test_the_list_of_open_ones_names_inputs(): assert known()<={c.id for c in inputs()}

CASE = harness.Case('x', 'y', None, ('rewards',))
FINE = dict(code=2, err='gac: rewards are (n,2)\n', out='', left=[], peak=1e8, late=False)
WRONG = dict(killed=dict(code=-9), memory=dict(peak=2e9), time=dict(late=True), executed=dict(left=['w/pwned']), accepted=dict(code=0), code=dict(code=1),
    traceback=dict(err='Traceback (most recent call last):\nrewards'), left=dict(left=['w/new']), unnamed=dict(err='gac: something is wrong'), long=dict(err='rewards\n'*4))

@pytest.mark.parametrize('fault', WRONG)
def test_every_fault_is_seen(fault):
    assert harness.faults(CASE, FINE)==[]
    assert fault in harness.faults(CASE, FINE|WRONG[fault])

def test_a_bar_is_one_line(): assert harness.lines('  0%\r 50%\r100%\ngac: no\n')==['100%','gac: no']

def test_what_is_left_is_seen(tmp_path):
    (tmp_path/'a').write_text('1')
    before = harness.tree(tmp_path)
    (tmp_path/'a').write_text('2')
    (tmp_path/'b').mkdir()
    assert harness.changed(before, harness.tree(tmp_path))==['a','b']
