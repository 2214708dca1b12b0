"The table of systems: settings, what is paid, files."
import os, sys
from dataclasses import fields
import pytest
import torch
from typer.testing import CliRunner
from gac import data, worlds
from gac.baselines.systems import SYSTEMS, System, aimed, columns_of, register, settings, step_rewards
from gac.baselines.td import paid
from gac.cli import app
from gac.core import Trajectories
from gac.data import fingerprint
from gac.envs import point_mass_data
from gac.rows import read_rows

@pytest.mark.parametrize('name', SYSTEMS)
def test_settings_differ_where_a_return_is_discounted(name):
    once = settings(name, 'return', steps=3)
    assert once.steps==3
    if SYSTEMS[name].step is None:
        with pytest.raises(ValueError, match='sees returns only'): settings(name, 'step')
    elif hasattr(once,'gamma'): assert settings(name, 'step').gamma==.99 and once.gamma==.999

@pytest.mark.parametrize('args,text', [(('nope','step'),'unknown system'), (('DT','dense'),"'step' or 'return'")])
def test_what_does_not_exist(args, text):
    with pytest.raises(ValueError, match=text): settings(*args)

@pytest.mark.parametrize('name', [n for n in SYSTEMS if not n.startswith('clone')])
def test_settings_are_checked_by_type(name):
    with pytest.raises(ValueError, match=r'\w+\.steps=1.5: must be a whole number'): settings(name, 'return', steps=1.5)
    with pytest.raises(ValueError, match=r'\w+\.lr=nan: must be'): settings(name, 'return', lr=float('nan'))

def test_a_return_at_the_end_is_no_step_reward():
    tau = point_mass_data(10)
    with pytest.raises(ValueError, match="mine has no step-wise rewards"): step_rewards(tau, paid(tau), 'mine')
    one = Trajectories(torch.zeros(4,1), torch.zeros(2,1), torch.ones(2), torch.ones(2).long(), torch.ones(2).bool(), torch.arange(2))
    assert step_rewards(one, torch.ones(2)).tolist()==[1.,1.] # an episode of one step is both
    r = paid(tau)
    r[0], r[tau.n[0]-1] = 1., r[tau.n[0]-1]-1
    assert torch.equal(step_rewards(tau, r), r)

def test_names_in_rows():
    tau = point_mass_data(10)
    cfg = settings('DT', 'step', **{k:v for k,v in dict(D=8, layers=1, M=2, steps=1).items()})
    policy, question = aimed(SYSTEMS['DT'].fit(tau, None, cfg, 0), tau, '7')
    assert columns_of('DT', 'step', policy, tau, question, 2)==dict(fingerprint=fingerprint(tau), method='DT-step', acting='mean', train_seed=2, question='target', target=7.)
    td = SYSTEMS['IQL'].fit(tau, None, settings('IQL', 'return', steps=1, width=4), 0)
    assert aimed(td, tau)==(td, '') and 'target' not in columns_of('IQL', 'return', td, tau)
    with pytest.raises(ValueError, match='not asked for a return'): aimed(td, tau, 'best')

def test_settings_of_a_critic_are_the_relabellers():
    assert {'critic_steps','steps','M'}<={f.name for f in fields(settings('QDT', 'return'))}

# ---- a system from outside the package, by public names alone

TOY = """
from dataclasses import dataclass
import torch
from gac.baselines.systems import System, register
from gac.baselines.td import load_policy, save_policy

@dataclass(frozen=True)
class Cfg:
    share:float=1.

class Mean:
    def __init__(self, a): self.a = a
    def __call__(self, s, rows): return self.a.expand(len(s),-1)
    def save(self, path): return save_policy(path, dict(a=self.a), method='toy-mean')

def fit(tau, rewards=None, cfg=Cfg(), seed=0): return Mean(cfg.share*tau.a.mean(0))
def load(path): return Mean(load_policy(path, 'toy-mean')[0]['a'])

register('toy-mean', System(fit, Cfg, Cfg, load))
"""

@pytest.fixture
def toy(tmp_path, monkeypatch):
    "A module of the user's; the table is as before afterwards."
    (tmp_path/'toy_system.py').write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PYTHONPATH', f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH','')}")
    monkeypatch.setattr(worlds, '_packages', {})
    yield 'toy_system'
    SYSTEMS.pop('toy-mean', None)
    sys.modules.pop('toy_system', None)

def test_a_system_of_ones_own_is_trained_by_command(toy, tmp_path):
    out, hopper = tmp_path/'out', 'gac/hopper/medium-replay-mini-v0'
    args = ['baseline','toy-mean',hopper,'--import',toy,'--out',str(out),'--set','share=.5','--episodes','2','--env-seed','0']
    done = CliRunner().invoke(app, args)
    assert done.exit_code==0, done.output
    kept = read_rows(out/'rows.csv')
    assert set(kept.method)=={'toy-mean'} and len(kept)==2
    assert torch.allclose(SYSTEMS['toy-mean'].load(out/'policy.safetensors').a, .5*data.load(hopper).a.mean(0))

def test_and_in_a_list_of_jobs_by_a_process_of_its_own(toy, tmp_path):
    spec = tmp_path/'spec.csv'
    spec.write_text('dataset,system,rewards,seed,episodes,env_seed\ngac/hopper/medium-replay-mini-v0,toy-mean,return,3,2,0\n')
    done = CliRunner().invoke(app, ['bench',str(spec),'--import',toy,'--out',str(tmp_path/'jobs')])
    assert done.exit_code==0, done.output
    assert read_rows(tmp_path/'jobs'/'rows.csv').train_seed.tolist()==[3,3]

@pytest.mark.parametrize('name,system,error,text', [
    ('DT', SYSTEMS['DT'], ValueError, "a system 'DT' already"), ('GAC', SYSTEMS['DT'], ValueError, "a system 'GAC' already"),
    ('mine-step', SYSTEMS['DT'], ValueError, "'-step'"), ('a,b', SYSTEMS['DT'], ValueError, 'comma'), ('', SYSTEMS['DT'], ValueError, 'give it a name'),
    ('mine', System(None,None,None,None), TypeError, "'fit' cannot be called"), ('mine', 7, TypeError, "'fit' cannot be called")])
def test_what_cannot_be_registered(name, system, error, text):
    before = dict(SYSTEMS)
    with pytest.raises(error, match=text): register(name, system)
    assert SYSTEMS==before
