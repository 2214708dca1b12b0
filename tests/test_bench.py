"A list of jobs: killed in the middle, it goes on; what is done stays as it is."
import json, shutil, signal, subprocess, sys, time
from dataclasses import replace
from pathlib import Path
import pandas as pd
import pytest
import gac.bench
from gac import cli
from gac.bench import Job, bench, done, gathered, keep_jobs, read_spec, sent, Task, do_job
from gac.core import pick_device
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
    kept = keep_jobs([a,c], tmp_path/'out', tmp_path/'kept.csv') # c is not done
    assert kept.fingerprint.tolist()==['1e5'] and read_rows(tmp_path/'kept-runs.csv').fingerprint.tolist()==['1e5']
    with pytest.raises(ValueError, match='two jobs have rows of .*clone-all, 0: give one'): keep_jobs([a,b], tmp_path/'out', tmp_path/'kept.csv')

def test_a_library_that_is_missing_is_named_first(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'stable_baselines3', None)
    with pytest.raises(ValueError, match=r"line 2: .*pip install 'generative-actor-critic\[baselines\]'"): read_spec(spec(tmp_path, LINE.format('PPO','return',0,'')))

def test_the_recipe_names_folders_of_gac_alone(monkeypatch):
    monkeypatch.setitem(RECIPE, 'inner_steps', 99)
    ours, other = (Job('gac/hopper/medium-replay-mini-v0', *x) for x in (('GAC','return',0), ('IQL','step',0)))
    before = ours.name
    monkeypatch.undo()
    assert ours.name!=before and other.name=='gac-hopper-medium-replay-mini-v0-IQL-step-0-7249cd7c'

# ---- what is played, on which data, into which folder

SMALL = 'steps=1 width=8'

@pytest.fixture
def here(monkeypatch): # jobs in this process: a new one imports for seconds
    monkeypatch.setattr(gac.bench, 'alone', lambda job, folder, device='cpu': do_job(job, folder, device) or '')

@pytest.mark.parametrize('device', [None,'cpu'])
def test_every_job_gets_a_device_that_is_here(tmp_path, monkeypatch, device):
    got = []
    monkeypatch.setattr(gac.bench, 'alone', lambda job, folder, device: got.append(device) or 'not done')
    bench([Job('d','IQL','return',0)], tmp_path/'out', device=device, progress=False)
    assert got==[str(pick_device(device))]

def lane(place, k=0, **spec): # a small set, its recorded environment changed
    at = save(point_mass_data(4, k), 'me/lane-v0', 'gac/PointMass-v0', place)
    meta = at/'data'/'metadata.json'
    told = json.loads(meta.read_text())
    meta.write_text(json.dumps(told|dict(env_spec=json.dumps(json.loads(told['env_spec'])|spec))))
    return at

def do(tmp_path, *lines, out='out', head=HEAD):
    (tmp_path/'spec.csv').write_text(head+''.join(f'{l}\n' for l in lines))
    jobs = read_spec(tmp_path/'spec.csv')
    return jobs, bench(jobs, tmp_path/out, progress=False)

def test_the_recorded_time_limit_is_played_and_kept(tmp_path, here, monkeypatch):
    "The id alone would go on for 30 steps; and a relative path is one of this folder only."
    monkeypatch.chdir(tmp_path)
    lane(tmp_path, max_episode_steps=5)
    monkeypatch.setattr(gac.query, 'QUESTIONS', {k:gac.query.QUESTIONS[k] for k in ('prior',)})
    ours = 'iterations=1 batch=2 k=2 D=16 tokens=1 eps=4 heads=2 enc=1 dec=1 inner_steps=1 outer_steps=1'
    jobs, failed = do(tmp_path, f'me/lane-v0,clone-all,return,0,{SMALL},2,0', f'me/lane-v0,GAC,return,0,{ours},2,0')
    rows = read_rows(tmp_path/'out'/'rows.csv')
    assert not failed and rows.length.tolist()==[5]*4 and set(rows.env)=={'gac/PointMass-v0'}
    meta = gac.bench.load_run(tmp_path/'out'/jobs[1].name/'run').meta
    assert meta['env']['max_episode_steps']==5 and meta['source']==str(tmp_path/'me'/'lane-v0')

def test_systems_that_learn_there_get_the_whole_environment(tmp_path):
    pytest.importorskip('stable_baselines3')
    assert gac.bench.configured(Job(str(lane(tmp_path, max_episode_steps=5)), 'PPO', 'return', 0)).env.max_episode_steps==5

def test_a_column_names_the_environment(tmp_path, here):
    place = lane(tmp_path)
    meta = place/'data'/'metadata.json'
    meta.write_text(json.dumps({k:v for k,v in json.loads(meta.read_text()).items() if k!='env_spec'}))
    with pytest.raises(ValueError, match='line 2: .*does not say its environment; name it.*column env'): do(tmp_path, f'{place},clone-all,return,0,{SMALL},2,0')
    jobs, failed = do(tmp_path, f'{place},clone-all,return,0,{SMALL},2,0,gac/PointMass-v0', head=HEAD.replace('\n',',env\n'))
    assert not failed and set(read_rows(tmp_path/'out'/'rows.csv').env)=={'gac/PointMass-v0'}

@pytest.mark.parametrize('id,said', [('Hopper-v5','has S=11, A=3, but'), ('NoSuch-v0','cannot make environment')])
def test_an_environment_that_cannot_be_is_found_before_training(tmp_path, id, said):
    place = lane(tmp_path, id=id, max_episode_steps=None)
    with pytest.raises(ValueError, match=f'line 2: .*{said}'): do(tmp_path, f'{place},clone-all,return,0,{SMALL},2,0')

def test_other_data_at_the_same_place_are_noticed(tmp_path, here):
    line = f'{lane(tmp_path)},clone-all,return,0,{SMALL},2,0'
    (job,), failed = do(tmp_path, line)
    rows, old = (tmp_path/'out'/'rows.csv').read_bytes(), tmp_path/'out'/job.name
    assert not failed and not do(tmp_path, line)[1] and json.loads((old/'settings.json').read_text())['job']['seed']==0
    shutil.rmtree(tmp_path/'me')
    lane(tmp_path, k=1)
    other = 'made from other data than .*lane-v0 holds now.*: choose another --out'
    with pytest.raises(ValueError, match=other): do(tmp_path, line)
    (old/'rows.csv').unlink() # killed before its rows
    with pytest.raises(ValueError, match=other): do(tmp_path, line)
    with pytest.raises(ValueError, match='begun with fingerprint=.*choose another --out'): do_job(job, old)
    assert rows==(tmp_path/'out'/'rows.csv').read_bytes() and not do(tmp_path, line, out='new')[1]

def test_stages_do_not_take_over_the_training_of_other_data(tmp_path):
    job = Job(str(lane(tmp_path)), 'IQL', 'return', 0, SMALL, episodes=1, env_seed=0)
    do_job(job, tmp_path/job.name)
    grown = replace(job, stages=1)
    gac.bench._offline(grown, tmp_path/grown.name, 'another')
    assert not (tmp_path/grown.name/'policy.safetensors').exists()
    gac.bench._offline(grown, tmp_path/grown.name, gac.bench.mark_of(tmp_path/job.name))
    assert (tmp_path/grown.name/'policy.safetensors').exists()

def test_folders_of_earlier_versions_count(tmp_path, here):
    line = f'{lane(tmp_path)},clone-all,return,0,{SMALL},2,0'
    (job,), _ = do(tmp_path, line)
    at = tmp_path/'out'/job.name
    (at/'settings.json').unlink()
    (at/'rows.csv').unlink()
    when = (at/'policy.safetensors').stat().st_mtime_ns
    assert not do(tmp_path, line)[1] and (at/'policy.safetensors').stat().st_mtime_ns==when and done(at)

def test_a_second_list_adds_its_rows(tmp_path, here):
    line, out = f'{lane(tmp_path)},clone-all,return,{{}},{{}} width=8,1,0', tmp_path/'out'
    for seed in (0,1): do(tmp_path, line.format(seed,'steps=1'))
    assert read_rows(out/'rows.csv').train_seed.tolist()==read_rows(out/'runs.csv').train_seed.tolist()==[0,1]
    do(tmp_path, line.format(0,'steps=2')) # the same name with other settings: the last counts
    do(tmp_path, line.format(2,'steps=1'))
    assert sorted(read_rows(out/'runs.csv').set)==['steps=1 width=8','steps=1 width=8','steps=2 width=8']

def test_rows_of_somebody_else_are_not_replaced(tmp_path, here):
    line, out = f'{lane(tmp_path)},clone-all,return,0,{SMALL},1,0', tmp_path/'out'
    out.mkdir()
    for text,said in (('my own rows\n',"has no column 'dataset'"), (f'dataset,method,train_seed\na,b,0\n','is not of gac bench')):
        (out/'rows.csv').write_text(text)
        with pytest.raises((ValueError,OSError), match=f'rows.csv {said}.*choose another --out'): do(tmp_path, line)
        assert [p.name for p in out.iterdir()]==['rows.csv'] and (out/'rows.csv').read_text()==text

@pytest.mark.parametrize('text', ['', 'a,b\n1,2\n', 'dataset,method,train_seed\n'])
def test_damaged_rows_of_a_job_are_named(tmp_path, here, text):
    line = f'{lane(tmp_path)},clone-all,return,0,{SMALL},1,0'
    (job,), _ = do(tmp_path, line)
    at = tmp_path/'out'/job.name/'rows.csv'
    at.write_text(text)
    with pytest.raises(ValueError, match=f'{at} .*remove {at}, and the same command does that job again'): do(tmp_path, line)
    at.unlink()
    assert not do(tmp_path, line)[1] and len(read_rows(at))==1

# ---- a specification that does not say what its writer thinks

@pytest.mark.parametrize('text,said', [
    ('{0}\n{1},steps=1,width=8\n', "line 3: 'width=8' is beyond the last column: a value with a comma stands in quotes"),
    ('{0}\n\n{1},seed=1\n', "line 4: .*has no setting 'seed'"), # a blank line counts, as an editor counts it
    ('{0},steps=5 steps=7\n', "line 2: set='steps=5 steps=7': steps is there twice, leave one out"),
    ('{2},99999999999999999999\n', 'line 2: seed=99999999999999999999: must be a whole number from 0 to 2147483647')])
def test_what_would_be_read_otherwise_is_refused(tmp_path, text, said):
    name = 'gac/hopper/medium-replay-mini-v0'
    lines = text.format(*(f'{name},{x}' for x in ('clone-all,return,0','clone-10%,return,0','clone-all,return')))
    (tmp_path/'spec.csv').write_text('dataset,system,rewards,seed,set\n'+lines)
    with pytest.raises(ValueError, match=said): read_spec(tmp_path/'spec.csv')

@pytest.mark.parametrize('path,files,said', [('','.',"'.': no file that lists jobs"), ('spec.csv','nothing',"'nothing': no folder of data sets"), ('spec.csv','spec.csv',"'spec.csv': no folder of data sets")])
def test_a_list_is_a_file_and_data_lie_in_a_folder(tmp_path, monkeypatch, path, files, said):
    monkeypatch.chdir(tmp_path)
    spec(tmp_path, LINE.format('IQL','return',0,''))
    with pytest.raises(OSError, match=said): read_spec(Path(path), files)

def test_columns_and_letters(tmp_path):
    def told(text, **kw):
        (tmp_path/'spec.csv').write_bytes(text.encode(**kw))
        return read_spec(tmp_path/'spec.csv')
    line = 'gac/hopper/medium-replay-mini-v0,clone-all,return,0'
    assert len(told(f'\ufeffdataset,system,rewards,seed\n{line}\n'))==1 # as Excel saves it
    with pytest.raises(ValueError, match="line 1: column 'seed' is there twice: leave one out"): told(f'dataset,system,rewards,seed,seed\n{line},1\n')
    with pytest.raises(ValueError, match='spec.csv is not UTF-8, byte 0xe9: save it as UTF-8'): told(f'dataset,system,rewards,seed,label\n{line},été\n', encoding='latin1')
    with pytest.raises(ValueError, match='line 2: .*300|line 2: its folder would be called .*shorten the label'): told(f"dataset,system,rewards,seed,label\n{line},{'x'*300}\n")

@pytest.mark.parametrize('target', ['nan','1e999','-inf'])
def test_a_target_is_finite(tmp_path, target):
    with pytest.raises(ValueError, match=f"target='{target}': must be a finite number"): gac.bench.checked(Job('gac/hopper/medium-replay-mini-v0', 'DT', 'return', 0, target=target))

@pytest.mark.parametrize('what,said', [(dict(env_seed=2**31-1, episodes=2),'their last seed=2147483648: must be a whole number from 0 to 2147483647'), (dict(seed=2**31-1, stages=1, system='IQL'),'with stages, at most 2135')])
def test_seeds_of_episodes_are_seeds(what, said):
    with pytest.raises(ValueError, match=said): gac.bench.checked(Job(**dict(dataset='gac/hopper/medium-replay-mini-v0', system='clone-all', rewards='return', seed=0)|what))

# ---- ends

def test_a_job_that_is_killed_says_so(tmp_path, monkeypatch):
    code = 'import os; print("an old warning", flush=True); os.kill(os.getpid(), 9)'
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, 'Popen', lambda args, **kw: popen([sys.executable,'-c',code], **kw))
    assert gac.bench.alone(Job('x','clone-all','return',0), tmp_path/'x').startswith('ended by signal 9')

def test_a_device_that_is_not_here_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="device 'cuda:77' is not available"): bench([], tmp_path/'out', device='cuda:77')
    assert not (tmp_path/'out').exists()

@pytest.mark.parametrize('files,said', [(None,'GAC_DATA'), ({'x.csv':'a\n1\n'},"x.csv has no column 'dataset': move it, or choose another --table"),
    ({'x-runs.csv':''},'x-runs.csv holds no rows')])
def test_a_table_that_cannot_be_joined_is_found_before_the_first_job(tmp_path, monkeypatch, capsys, files, said):
    monkeypatch.setenv('GAC_DATA', str(tmp_path/'data'))
    for name,text in (files or {}).items():
        (tmp_path/'data'/'results').mkdir(parents=True, exist_ok=True)
        (tmp_path/'data'/'results'/name).write_text(text)
    monkeypatch.setattr(gac.bench, 'bench', lambda *a: pytest.fail('work was done'))
    place = lane(tmp_path)
    with pytest.raises(SystemExit): cli.main(['bench', str(spec(tmp_path, f'{place},clone-all,return,0,{SMALL},1,0\n')), '--out', str(tmp_path/'out'), '--table', 'x'])
    assert said in capsys.readouterr().err and {p.name for p in (tmp_path/'data'/'results').glob('*')}==set(files or {})
