"`gac baseline`: one system, trained, kept and asked; what cannot be done is refused before any work."
import fcntl, json, re
import pandas as pd
import pytest
from gac import bench, cli, data
from gac.baselines.systems import SYSTEMS
from gac.baselines.td import paid
from gac.envs import point_mass_data, rollout

HOPPER = 'gac/hopper/medium-replay-mini-v0'
TINY = ['--set','steps=3','--set','width=8','--episodes','2','--env-seed','0']

def run(out, *args):
    try: cli.main(['baseline', *args, '--out', str(out)])
    except SystemExit as e: return e.code
    return 0

@pytest.mark.parametrize('args,text', [
    (('SARSA',HOPPER), "unknown system 'SARSA'"), (('IQL',HOPPER,'--set','gama=1'), "no setting 'gama'"),
    (('IQL',HOPPER,'--set','steps'), 'write name=value'), (('LPT',HOPPER,'--rewards','step'), 'sees returns only'),
    (('IQL',HOPPER,'--target','best'), 'not asked for a return'), (('IQL',HOPPER,'--rewards','dense'), "'step' or 'return'")])
def test_refused_before_any_work(tmp_path, args, text, capsys):
    assert run(tmp_path/'x', *args) and text in capsys.readouterr().err and not (tmp_path/'x').exists()

def test_a_run_of_gac_is_left_alone(tmp_path, capsys):
    (tmp_path/'x'/'checkpoint').mkdir(parents=True)
    assert run(tmp_path/'x', 'IQL', HOPPER, *TINY) and 'x already holds a run of GAC: choose another --out' in capsys.readouterr().err
    assert [p.name for p in (tmp_path/'x').iterdir()]==['checkpoint']

def test_step_rewards_that_are_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, 'rewards', lambda name: paid(data.load(name)))
    assert run(tmp_path/'x', 'IQL', HOPPER, '--rewards', 'step', *TINY)
    assert 'has no step-wise rewards' in capsys.readouterr().err and not (tmp_path/'x').exists()

def test_what_is_kept_acts_as_it_was_said_to(tmp_path, capsys):
    out = tmp_path/'x'
    assert not run(out, 'IQL', HOPPER, '--rewards', 'step', *TINY)
    rows, kept = pd.read_csv(out/'rows.csv'), json.loads((out/'settings.json').read_text())
    assert kept['settings']['steps']==3 and kept['job']['rewards']=='step' and set(rows.method)=={'IQL-step'}
    again = rollout(data.env_of(HOPPER), SYSTEMS['IQL'].load(out/'policy.safetensors'), 2, 0)
    assert rows.achieved.tolist()==pytest.approx(again.y.tolist(), abs=.01)
    assert 'at γ = 0.99' in capsys.readouterr().out
    assert run(out, 'IQL', HOPPER, *TINY) and 'already holds a policy' in capsys.readouterr().err

def test_the_help_names_the_systems_there_are(tmp_path, capsys):
    assert not run(tmp_path/'x', '--help')
    shown = re.sub(r'\x1b\[[\d;]*m', '', capsys.readouterr().out) # without colours
    assert all(name in shown for name in SYSTEMS)

# ---- what is played, and where it is kept

CLONE = ['--set','steps=1','--set','width=8','--episodes','2','--env-seed','0']

def lane(tmp_path, **spec): # a small set, its recorded environment changed; id=None: it names none
    at = data.save(point_mass_data(4), 'me/lane-v0', 'gac/PointMass-v0', tmp_path)
    meta = at/'data'/'metadata.json'
    told = json.loads(meta.read_text())
    if spec.get('id','') is None: told.pop('env_spec')
    else: told['env_spec'] = json.dumps(json.loads(told['env_spec'])|spec)
    meta.write_text(json.dumps(told))
    return str(at)

def test_the_recorded_time_limit_is_played(tmp_path):
    assert not run(tmp_path/'x', 'IQL', lane(tmp_path, max_episode_steps=5), *CLONE)
    assert pd.read_csv(tmp_path/'x'/'rows.csv').length.tolist()==[5,5]

def test_the_environment_is_named_where_the_data_name_none(tmp_path, capsys):
    place = lane(tmp_path, id=None)
    assert run(tmp_path/'x', 'clone-all', place, *CLONE) and 'gac baseline: by --env' in capsys.readouterr().err and not (tmp_path/'x').exists()
    assert not run(tmp_path/'x', 'clone-all', place, *CLONE, '--env', 'gac/PointMass-v0') and 'gac/PointMass-v0' in capsys.readouterr().out
    assert run(tmp_path/'y', 'clone-all', place, *CLONE, '--env', 'gac/PointMass-v0', '--env-kwargs', '{"lamps":4}')
    assert 'lamps' in capsys.readouterr().err and not (tmp_path/'y').exists()

@pytest.mark.parametrize('spec,more,said', [
    (dict(id='Hopper-v5', max_episode_steps=None), (), 'has S=11, A=3, but'), (dict(id='NoSuch-v0'), (), "cannot make environment 'NoSuch-v0'"),
    ({}, ('--env-seed','2147483647'), 'their last seed=2147483648'), ({}, ('--device','cuda:77'), "'cuda:77' is not available"),
    ({}, ('--set','steps=2'), 'steps is there twice')])
def test_what_would_fail_after_training_is_refused_before_it(tmp_path, spec, more, said, capsys):
    assert run(tmp_path/'x', 'clone-all', lane(tmp_path, **spec), *CLONE, *more) and said in capsys.readouterr().err and not (tmp_path/'x').exists()

def test_a_target_that_is_no_number(tmp_path, capsys):
    assert run(tmp_path/'x', 'DT', HOPPER, '--target', 'nan') and 'must be a finite number' in capsys.readouterr().err and not (tmp_path/'x').exists()

@pytest.mark.parametrize('name', ['rows.csv','run.csv','settings.json'])
def test_files_of_somebody_else_stay(tmp_path, name, capsys):
    (tmp_path/'x').mkdir()
    (tmp_path/'x'/name).write_text('mine')
    assert run(tmp_path/'x', 'clone-all', lane(tmp_path), *CLONE) and name in (said:=capsys.readouterr().err) and 'choose another --out' in said
    assert [p.name for p in (tmp_path/'x').iterdir()]==[name] and (tmp_path/'x'/name).read_text()=='mine'

def test_one_at_a_time(tmp_path, capsys):
    (tmp_path/'x').mkdir()
    with open(tmp_path/'x'/'.lock', 'a+') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        assert run(tmp_path/'x', 'clone-all', lane(tmp_path), *CLONE) and 'is being written by' in capsys.readouterr().err
    assert not (tmp_path/'x'/'settings.json').exists() and not run(tmp_path/'x', 'clone-all', lane(tmp_path/'again'), *CLONE)

def test_what_was_killed_goes_on_from_its_policy_or_begins_anew(tmp_path, capsys, monkeypatch):
    out, place = tmp_path/'x', lane(tmp_path)
    def stopped(*a): raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(bench, 'OTHERS', (stopped, *bench.OTHERS[1:]))
        assert run(out, 'clone-all', place, *CLONE) and 'the same command goes on' in capsys.readouterr().err
    assert not run(out, 'clone-all', place, *CLONE) and 'what was interrupted there begins anew' in capsys.readouterr().out
    rows, when = pd.read_csv(out/'rows.csv'), (out/'policy.safetensors').stat().st_mtime_ns
    (out/'rows.csv').unlink() # killed before its rows
    assert run(out, 'clone-all', place, *CLONE, '--seed', '1') and 'begun with seed=0, and now it is 1: choose another --out' in capsys.readouterr().err
    assert not run(out, 'clone-all', place, *CLONE) and 'the policy that lies there acts' in (said:=capsys.readouterr().out) and 'nan' not in said
    assert (out/'policy.safetensors').stat().st_mtime_ns==when and pd.read_csv(out/'rows.csv').equals(rows)
    assert run(out, 'clone-all', place, *CLONE) and 'already holds a policy' in capsys.readouterr().err
