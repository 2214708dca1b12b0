"A list of jobs: killed in the middle, it goes on; what is done stays as it is."
import signal, subprocess, sys, time
from pathlib import Path
import pytest
from gac.bench import Job, bench, done, gathered, read_spec, sent, Task

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
