"`gac bench`: the list, the table and the folder are looked at before a job begins; what failed is named, and is the exit status."
from types import SimpleNamespace
import pandas as pd
import pytest
from gac import bench, processes
from gac.bench_commands import _sender
from gac.data import save
from gac.envs import point_mass_data
from toys.terminal import call, calm, one_line

LINE = 'dataset,system,rewards,seed\nLANE,clone-all,return,0\n'

@pytest.fixture(autouse=True)
def _calm(monkeypatch, tmp_path):
    calm(monkeypatch)
    (tmp_path/'data'/'results').mkdir(parents=True)
    monkeypatch.setenv('GAC_DATA', str(tmp_path/'data'))
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))

@pytest.fixture
def idle(monkeypatch): # no job is done; what the command asked for
    asked = {}
    def run(jobs, out, workers, device, send):
        asked.update(jobs=jobs, out=out, workers=workers, device=device, send=send)
        return asked.get('failed', {})
    monkeypatch.setattr(bench, 'bench', run)
    return asked

def listed(tmp_path, text=LINE): # of a small set beside it
    if not (tmp_path/'me').exists(): save(point_mass_data(4), 'me/lane-v0', 'gac/PointMass-v0', tmp_path)
    (tmp_path/'spec.csv').write_text(text.replace('LANE', str(tmp_path/'me'/'lane-v0')))
    return tmp_path/'spec.csv'

@pytest.mark.parametrize('text,says', [(None,'spec.csv'), ('','spec.csv'), ('a,b\n1,2\n','spec.csv'), (LINE.replace('clone-all','clone-none'),'clone-none'),
    (LINE.replace(',0\n',',first\n'),'first')], ids=['gone','empty','columns','system','seed'])
def test_a_list_that_is_none(text, says, tmp_path, idle, capsys):
    spec = tmp_path/'spec.csv' if text is None else listed(tmp_path, text)
    assert call('bench', spec, '--out', tmp_path/'out')==2 and not idle
    err = capsys.readouterr().err
    assert one_line(err) and says in err and not (tmp_path/'out').exists()

@pytest.mark.parametrize('name', ['t.csv','t-runs.csv'])
def test_a_table_of_something_else_is_refused_first(name, tmp_path, idle, capsys):
    (tmp_path/'data'/'results'/name).write_text('my,own\n1,2\n')
    assert call('bench', listed(tmp_path), '--out', tmp_path/'out', '--table', 't')==2 and not idle
    err = capsys.readouterr().err
    assert one_line(err) and name in err and (tmp_path/'data'/'results'/name).read_text()=='my,own\n1,2\n'

@pytest.mark.parametrize('args', [('bench','spec.csv'), ('submit','set','--out','out')])
def test_a_cluster_is_one_that_is_known(args, tmp_path, monkeypatch, idle, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(*args, '--cluster', 'moon')==2 and not idle
    err = capsys.readouterr().err
    assert one_line(err) and "--cluster" in err and "'moon' is not one of 'slurm', 'local', 'debug'" in err

def test_what_failed_is_named_and_is_the_exit_status(tmp_path, idle, capsys):
    assert call('bench', listed(tmp_path), '--out', tmp_path/'out', '--workers', 3)==0
    assert (idle['workers'], idle['device'], idle['send'], len(idle['jobs']))==(3,'cpu',None,1)
    assert f"1 of 1 jobs are done: {tmp_path/'out'}/rows.csv" in capsys.readouterr().out
    idle['failed'] = {idle['jobs'][0]:'no room'}
    assert call('bench', listed(tmp_path), '--out', tmp_path/'out')==1
    out = capsys.readouterr().out
    assert '0 of 1 jobs are done' in out and f"failed: {idle['jobs'][0].name}: no room" in out

def test_rows_go_to_the_table(tmp_path, idle, monkeypatch):
    kept = []
    monkeypatch.setattr(bench, 'keep_jobs', lambda jobs, out, at: kept.append((len(jobs), out, at)) or pd.DataFrame())
    assert call('bench', listed(tmp_path), '--out', tmp_path/'out', '--table', 't')==0
    assert kept==[(1, tmp_path/'out', tmp_path/'data'/'results'/'t.csv')]

def test_a_cluster_is_told_its_minutes_and_gpus(monkeypatch):
    told = []
    monkeypatch.setattr(processes, 'submit', lambda task, **kw: told.append((task,kw)) or SimpleNamespace())
    assert _sender(None, 60, 0) is None
    _sender('local', 60, 0)('a task')
    _sender('slurm', 90, 2)('another')
    assert told==[('a task', dict(minutes=60, cluster='local')), ('another', dict(minutes=90, cluster='slurm', gpus_per_node=2))]
