"Which notebook runs first, whose result is whose, and how it ends."
import json, shutil, subprocess, sys
from pathlib import Path
import gymnasium as gym
import pytest
from run_notebooks import ROOT, by_itself, cpu_seconds, each, longest_first

pages = sorted((ROOT/'nbs').glob('*.ipynb'))

def test_the_longest_is_first_and_all_are_there():
    took, new = cpu_seconds(), Path('99_new.ipynb')
    known = [p for p in pages if p.stem in took]
    order = longest_first([*known,new])
    seconds = [took[p.stem] for p in order[1:]]
    assert order[0]==new and sorted(order[1:])==known and len(known)>9
    assert seconds==sorted(seconds, reverse=True)!=[took[p.stem] for p in known]

def test_results_stay_with_their_notebooks():
    seen = []
    def run(f, files, **kw):
        seen.extend(files)
        return [f(p, **kw) for p in files]
    assert each(lambda p, by: p.name+by, pages, run, by='!')==[p.name+'!' for p in pages]
    assert seen==longest_first(pages)

def test_a_notebook_leaves_no_environment_of_its_own():
    import gac.envs # has the id that 02_envs registers again, as a class of __main__
    spec = gym.registry['gac/PointMass-v0']
    def run(x, y=0):
        for name in ('gac/PointMass-v0','mine/New-v0'): gym.register(name, '__main__:Mine')
        gym.register('kept/Other-v0', 'gac.envs:PointMass')
        return x+y
    with pytest.warns(UserWarning, match='Overriding'): assert by_itself(run, 1, y=2)==3
    assert gym.registry['gac/PointMass-v0'] is spec and 'mine/New-v0' not in gym.registry and gym.registry.pop('kept/Other-v0')

@pytest.mark.parametrize('second,code', [('assert 1+1==2',0), ('assert 1+1==3',1)])
def test_it_ends_in_1_when_a_notebook_fails(second, code, tmp_path):
    "Two processes, as `make test` has them, and more notebooks than that."
    shutil.copy(ROOT/'settings.ini', tmp_path)
    (tmp_path/'nbs').mkdir()
    for name,source in dict(a='1+1', b=second, c='1+2', d='1+3', e='1+4').items():
        cell = dict(cell_type='code', execution_count=None, id=name, metadata={}, outputs=[], source=[source])
        kernel = dict(name='python3', display_name='python3', language='python')
        nb = dict(cells=[cell], metadata=dict(kernelspec=kernel), nbformat=4, nbformat_minor=5)
        (tmp_path/'nbs'/f'{name}.ipynb').write_text(json.dumps(nb), encoding='utf-8')
    done = subprocess.run([sys.executable,ROOT/'tests'/'run_notebooks.py','--n_workers','2','--timing'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode==code, done.stderr
    assert ('b.ipynb' in done.stderr)==bool(code) and ('Success' in done.stdout)==(not code)
