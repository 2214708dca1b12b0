"A few kills of a training; `make fuzz` kills `train`, `online` and `tune`, with one and two workers, fifty times and more."
import json
import os
import subprocess
import sys
import pytest
from fuzz import harness
from fuzz.kills import Job, compare, hurry

def test_a_killed_training_ends_in_the_same_numbers_with_nothing_left_and_nothing_lost(root, tmp_path):
    "At four random moments, each in a child of one warm process."
    f = tmp_path/'all.json'
    env = os.environ|dict(PYTHONPATH=os.pathsep.join([str(root/'tests'),str(root)]))
    p = subprocess.run([sys.executable,'-m','fuzz','--slice','-1','--kills','4','--job','train','--json',str(f)], capture_output=True, text=True, env=env, cwd=root)
    assert f.exists(), p.stderr[-2000:]
    mine = [r for r in json.loads(f.read_text()) if r['category']=='kills: train']
    assert mine and not [f"{r['name']}: {harness.said(r)}" for r in mine if r['faults']]

def test_defaults_are_hurried():
    def f(a, b=1, *, c=2, every=200): return a, b, every
    def g(a, b=1, every=200): return a, b, every
    hurry(g, every=3, none=9)
    assert g(0)==(0,1,3) and f(0)==(0,1,200)

class _Room:
    def __init__(self, top): self.top = self.work = top

@pytest.mark.parametrize('fault, text', dict(different='{"i": 2}', left='{"i": 1}', lost='{"i": 1}').items())
def test_what_a_kill_has_changed_is_seen(tmp_path, fault, text):
    (tmp_path/'out').mkdir()
    (tmp_path/'out'/'history.json').write_text(text)
    if fault=='left': (tmp_path/'out'/'.checkpoint.12.tmp').mkdir()
    whole = dict(numbers={'history.json':[dict(i=1)]}, kinds=['out','out/history.json'])
    assert compare(Job('train',[],'out'), _Room(tmp_path), whole, 'gone' if fault=='lost' else '')[0]==[fault]
