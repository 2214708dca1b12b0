"The table of systems: settings, what is paid, files."
from dataclasses import fields
import pytest
import torch
from gac.baselines.systems import SYSTEMS, aimed, columns_of, settings, step_rewards
from gac.baselines.td import paid
from gac.core import Trajectories
from gac.data import fingerprint
from gac.envs import point_mass_data

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
