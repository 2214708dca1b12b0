"A list of jobs: killed in the middle, it goes on; what is done stays as it is."
import signal, subprocess, sys, time
from pathlib import Path
import pandas as pd
import pytest
from gac.bench import Job, bench, done, gathered, keep, read_spec, sent, Task
from gac.rows import read_rows
from gac.data import save
from gac.envs import point_mass_data
from gac.run import RECIPE

HEAD = 'dataset,system,rewards,seed,set,episodes,env_seed\n'
LINE = 'gac/hopper/medium-replay-mini-v0,{},{},{},{},1,0\n'

def spec(tmp_path, *lines):
    (tmp_path/'spec.csv').write_text(HEAD+''.join(lines))
    return tmp_path/'spec.csv'

@pytest.mark.parametrize('line,said', [
    (('IQL','return','-1',''), "seed='-1'"), (('IQL','both',0,''), "rewards='both'"), (('','step',0,''), 'system is missing'),
    (('IQL','step',0,'steps'), 'write name=value'), (('IQL','step',0,'steps=many'), 'steps'), (('GAC','return',0,'step=1'), 'no setting')])
def test_a_bad_line_is_named_by_its_number(tmp_path, line, said):
    with pytest.raises(ValueError, match='line 3: ') as e: read_spec(spec(tmp_path, LINE.format('IQL','return',0,''), LINE.format(*line)))
    assert said in str(e.value)

def test_two_sets_of_one_name_are_refused(tmp_path):
    "Other seeds would hide that a table takes them for one set."
    sets = [save(point_mass_data(4, k), 'me/log-v0', 'gac/PointMass-v0', tmp_path/f'{k}') for k in (0,1)]
    lines = [f'{sets[k]},clone-all,return,{k},steps=1,1,0\n' for k in (0,1)]
    with pytest.raises(ValueError, match="line 3: the rows of .*1/me/log-v0 and of .*0/me/log-v0, line 2, would both be called 'log-v0': rename"): read_spec(spec(tmp_path, *lines))

def test_a_list_that_is_killed_goes_on(tmp_path):
    path, out = spec(tmp_path, LINE.format('clone-all','return',0,'steps=5 width=8'), LINE.format('clone-all','return',1,'steps=10000000')), tmp_path/'out'
    p = subprocess.Popen([sys.executable, '-m', 'gac', 'bench', str(path), '--out', str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    quick, slow = read_spec(path)
    until = time.time()+120
    while not (done(out/quick.name) and (out/slow.name/'log.txt').exists()) and time.time()<until: time.sleep(.2)
    p.send_signal(signal.SIGKILL)
    p.wait()
    rows = (out/quick.name/'rows.csv').read_bytes()
    assert bench([quick], out, progress=False)=={} and rows==(out/quick.name/'rows.csv').read_bytes()
    while running(slow.name) and time.time()<until: time.sleep(.2)
    assert not running(slow.name) and not done(out/slow.name)

def running(name): # is a child of that job still there?
    texts = []
    for p in Path('/proc').glob('[0-9]*/cmdline'):
        try: texts.append(p.read_bytes())
        except OSError: pass
    return any(name.encode() in t for t in texts)

def test_a_cluster_does_the_same_job(tmp_path):
    class Queued:
        def exception(self): return None
    job = Job('gac/hopper/medium-replay-mini-v0', 'clone-all', 'return', 0, 'steps=5 width=8', episodes=1, env_seed=0)
    def send(task):
        task()
        return Queued()
    assert bench([job], tmp_path, send=send, progress=False)=={} and len(gathered([job], tmp_path)[0])==1
    def refuse(task): raise OSError('no such queue')
    assert sent(Task(job, tmp_path/'x'), refuse)=='no such queue'

def test_rows_that_would_replace_each_other_are_refused_and_what_is_done_is_kept(tmp_path):
    dataset = 'gac/hopper/medium-replay-mini-v0'
    a, b, c = (Job(dataset, 'clone-all', 'return', seed, more, label=label, episodes=1, env_seed=0)
               for seed,more,label in ((0,'steps=1',''), (0,'steps=2',''), (0,'steps=2','two steps')))
    (tmp_path/'spec.csv').write_text('dataset,system,rewards,seed,set,label\n'+''.join(f'{dataset},clone-all,return,0,{j.set},{j.label}\n' for j in (a,c,b)))
    with pytest.raises(ValueError, match="line 4: its rows would be called as those of line 2, 'clone-all' with seed 0"): read_spec(tmp_path/'spec.csv')
    of = lambda j: [pd.DataFrame([dict(dataset=dataset, method=j.method, train_seed=0, fingerprint='1e5')|x]) for x in
                    (dict(question='', env_seed=0, acting='mean', achieved=1.), dict(steps=1))]
    for j in (a,b):
        (tmp_path/'out'/j.name).mkdir(parents=True)
        for name,table in zip(('rows','run'), of(j)): table.to_csv(tmp_path/'out'/j.name/f'{name}.csv', index=False)
    kept = keep([a,c], tmp_path/'out', tmp_path/'kept.csv') # c is not done
    assert kept.fingerprint.tolist()==['1e5'] and read_rows(tmp_path/'kept-runs.csv').fingerprint.tolist()==['1e5']
    with pytest.raises(ValueError, match='two jobs have rows of .*clone-all, 0: give one'): keep([a,b], tmp_path/'out', tmp_path/'kept.csv')

def test_a_library_that_is_missing_is_named_first(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'stable_baselines3', None)
    with pytest.raises(ValueError, match=r"line 2: .*pip install 'generative-actor-critic\[baselines\]'"): read_spec(spec(tmp_path, LINE.format('PPO','return',0,'')))

def test_the_recipe_names_folders_of_gac_alone(monkeypatch):
    monkeypatch.setitem(RECIPE, 'inner_steps', 99)
    ours, other = (Job('gac/hopper/medium-replay-mini-v0', *x) for x in (('GAC','return',0), ('IQL','step',0)))
    before = ours.name
    monkeypatch.undo()
    assert ours.name!=before and other.name=='gac-hopper-medium-replay-mini-v0-IQL-step-0-7249cd7c'
