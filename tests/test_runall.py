"What `make runall` says: its parts without a browser, its rows, and the sentence made of them."
import os
import subprocess
import sys
from pathlib import Path
import nbformat
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
psutil = pytest.importorskip('psutil', reason='psutil comes with Jupyter')
sys.path.insert(0, str(ROOT/'tests'))
from browser import __main__ as runall
from browser import lab

def cell(source, begun, ended, *outputs, count=1):
    times = {'iopub.status.busy':f'2026-01-01T00:00:{begun:06.3f}Z', 'shell.execute_reply':f'2026-01-01T00:00:{ended:06.3f}Z'}
    return nbformat.v4.new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=dict(execution=times))

def test_what_a_notebook_tells(tmp_path):
    bad = nbformat.v4.new_output('error', ename='ValueError', evalue='no', traceback=[])
    cells = [cell('1', 1, 2.5), cell('2', 3, 10), cell('3', 10, 11, bad), cell('4', 0, 0, count=None), nbformat.v4.new_code_cell(' ')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path/'x.ipynb')
    told, errors, left = lab.told(tmp_path/'x.ipynb')
    assert told==dict(cells=4, slowest=7., cell=cells[1].id, errors=1) and errors==[bad] and left==[cells[3].id]

def test_a_copy_is_told_apart_and_set_back(tmp_path, monkeypatch):
    home, tree = tmp_path/'home', tmp_path/'tree'
    (home/'data').mkdir(parents=True)
    tree.mkdir()
    lab.git('init','-q', cwd=home)
    for name in ('a.ipynb','data/x.csv','.gitignore'): (home/name).write_text('runs/\n')
    (home/'runs').mkdir()
    (home/'runs'/'big').write_text('1')
    monkeypatch.setattr(lab, 'REPO', home)
    lab.copied(tree)
    assert sorted(p.name for p in tree.iterdir())==['.git','.gitignore','a.ipynb','data'] and lab.written(tree, 'a.ipynb')==[]
    for name in ('a.ipynb','data/x.csv','data/new.csv'): (tree/name).write_text('2')
    assert lab.written(tree, 'a.ipynb')==['data/new.csv','data/x.csv']
    assert lab.written(tree, '')==[] and (tree/'data'/'x.csv').read_text()=='runs/\n'

def test_rows_are_kept_and_known(tmp_path, monkeypatch):
    rows, row = tmp_path/'rows.csv', dict(notebook='b', source='1', slowest=2.)
    for r in (row, row|dict(notebook='gone'), row|dict(slowest=3.), row|dict(notebook='a')): runall.kept(rows, r, ['a','b','gone'] if r['notebook']=='gone' else ['a','b'])
    assert runall.before(rows)[['notebook','slowest']].values.tolist()==[['a',2.],['b',3.]]
    def args(**k): return type('Args', (), dict(rows=rows, only=[], again=False)|k)
    monkeypatch.setattr(runall, 'source', lambda f: dict(a='1', b='2', c='1')[f.stem])
    assert runall.due(args(), ['a','b','c'])==['c','b'] and runall.due(args(again=True, only=['a']), ['a','b'])==['a']

def test_the_watch_leaves_no_names_behind(tmp_path):
    "It is run by IPython itself before the first cell; a notebook must not find its imports there."
    code = f'import json\nfrom IPython.core.interactiveshell import InteractiveShell\nsh = InteractiveShell.instance()\nsh.run_cell({lab.WATCH!r})\nold = set(sh.user_ns)\n'
    code += "r = sh.run_cell('sum(range(10**6))')\nprint(json.dumps([k for k in ('watch','psutil','os','json') if k in sh.user_ns]))"
    env = os.environ|dict(CELLS_LOG=str(tmp_path/'log'), IPYTHONDIR=str(tmp_path))
    said = subprocess.run([sys.executable,'-c',code], capture_output=True, text=True, env=env, check=True).stdout
    assert said.splitlines()[-1]=='[]' and lab.cpu_of_cells(tmp_path/'log')<60 and not (tmp_path/'log').exists()

# ---- the rows

ROWS = ROOT/'data'/'results'/'run-all.csv'

@pytest.fixture(scope='module')
def rows(): return pd.read_csv(ROWS, dtype=dict(source=str, changed=str), keep_default_na=False)

def test_every_notebook_ran_to_its_end(rows):
    assert rows.notebook.is_unique and {*rows.notebook}<={p.stem for p in (ROOT/'nbs').glob('*.ipynb')}
    assert not rows.errors.any() and not rows.console.any() and not (rows.changed!='').any()
    assert (rows.slowest_cpu<=40).all(), rows[rows.slowest_cpu>40]

def test_contributing_says_what_the_rows_say(rows):
    long, slow = rows.loc[rows.cpu.idxmax()], rows.loc[rows.slowest_cpu.idxmax()]
    said = (f'{len(rows)} notebooks, {rows.errors.sum()} errors, {rows.console.sum()} console errors, {(rows.changed!="").sum()} with a file changed; '
            f'the longest took {long.cpu:.0f} s of CPU (`{long.notebook}`), the slowest cell {slow.slowest_cpu:.0f} s (`{slow.notebook}`)')
    assert said in (ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8'), said
