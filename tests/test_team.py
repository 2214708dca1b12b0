"Several trainings act together."
import pytest
import torch
from fastcore.test import test_eq as same
from typer.testing import CliRunner
import gac
from gac.commands import app
from gac.envs import point_mass_data
from gac.query import Ask
from gac.run import save_run
from gac.team import Ensemble, check_team, evaluate_runs, policy_of

def trained(seed, **kw):
    data = point_mass_data(32, seed=0)
    small = dict(members=1, D=32, tokens=2, heads=2, enc=1, dec=1, M=3, iterations=5)|kw
    return gac.train(data, env='gac/PointMass-v0', seed=seed, device='cpu', progress=False, **small)

@pytest.fixture(scope='module')
def runs(): return [trained(s) for s in range(2)]

def rows_of(runs, **kw): return evaluate_runs(runs, 'gac/PointMass-v0', n=4, seed=0, cfg=Ask(steps=5), **kw)

def test_two_processes_do_what_one_does(runs):
    same(rows_of(runs).achieved.tolist(), rows_of(runs, workers=2).achieved.tolist())

def test_a_team_is_not_its_first_member(runs):
    alone = rows_of(runs[:1])
    assert alone.method.eq('GAC').all()
    assert (rows_of(runs).achieved!=alone.achieved).any()

def test_the_same_action_is_executed_and_remembered(runs):
    pol = policy_of(runs, env='gac/PointMass-v0', cfg=Ask(steps=5))
    s = torch.zeros(1, 3)
    pol.reset(s)
    a = pol(s, torch.zeros(1, dtype=torch.long))
    for p in pol.policies: assert torch.allclose(p.context.a[:,0], p.model.std.do('a', a).expand_as(p.context.a[:,0]))

def test_one_run_needs_no_team(runs):
    assert not isinstance(policy_of(runs[:1]), Ensemble)
    with pytest.raises(ValueError, match='two or more'): check_team(runs[:1])

def test_the_same_training_twice_is_refused(runs):
    with pytest.raises(ValueError, match=r'run 2 \(seed 0\) is there already'): rows_of([runs[0], runs[0]])

def test_other_sizes_are_refused(runs):
    other = trained(2, D=32)
    other.model.arch = type(other.model.arch)(S=4, A=2)
    with pytest.raises(ValueError, match='run 2 has S=4, A=2, the first has S=3, A=2'): rows_of([runs[0], other])

def test_other_settings_are_welcome(runs): assert len(rows_of([runs[0], trained(3, D=16, M=1)]))==4

def test_in_python(runs):
    rows = gac.evaluate(runs, 'best', n=2, seed=0, progress=False, steps=5)
    pi = gac.policy(runs, 'best', steps=5)
    pi.reset([0,0,.5])
    assert pi.act([0,0,.5]).shape==(2,) and rows.method.eq('GAC, team of 2').all()

def test_in_a_shell(runs, tmp_path):
    for i,r in enumerate(runs): save_run(r, tmp_path/str(i))
    def asked(other):
        args = ['evaluate', tmp_path/'0', '--with', tmp_path/other, '--steps', 5, '--episodes', 2, '--out', tmp_path/'out']
        return CliRunner().invoke(app, [*map(str, args)])
    assert asked('1').exit_code==0 and (tmp_path/'out').is_dir()
    assert 'give trainings of other seeds' in str(asked('0').exception)

def test_samples_are_one_members_each(runs):
    "The mean of two samples would be a sample of neither: each episode is that of one member alone."
    alone = [evaluate_runs([r], 'gac/PointMass-v0', 'prior', n=6, seed=0) for r in runs]
    both, spread = (evaluate_runs(runs, 'gac/PointMass-v0', 'prior', n=6, seed=0, workers=w) for w in (1,2))
    for k in ('achieved','predicted','kl'):
        same(both[k].tolist(), [alone[i%2][k][i] for i in range(6)])
        same(both[k].tolist(), spread[k].tolist()) # three episodes each

def test_the_seed_says_whose_turn_a_robot_is(runs):
    firsts = [policy_of(runs, 'prior', seed=s) for s in (0,1)]
    for p in firsts: p.reset(torch.zeros(1,3))
    same([int(p.who[0]) for p in firsts], [0,1])
