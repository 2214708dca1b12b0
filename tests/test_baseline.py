"`gac baseline`: one system, trained, kept and asked; what cannot be done is refused before any work."
import json, re
import pandas as pd
import pytest
from gac import cli, data
from gac.baselines.systems import SYSTEMS
from gac.baselines.td import paid
from gac.envs import rollout

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
