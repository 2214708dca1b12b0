"What the notebook shows on one checkpoint, on models that know nothing: shapes, seeds, bad input."
import pandas as pd, pytest, torch
from gac.core import Posterior, data_root
from gac.envs import point_mass_data
from gac.model import Arch
from gac.plans import SETTINGS, Replan, aggregate, along, climb, flat_map, replanned, stored, sweep
from gac.workers import play
from gac.query import Ask, PlanPolicy, asker
from gac.envs import rollout
from gac.run import Fit, new_run
from gac.train import fit

ENV = 'gac/PointMass-v0'

@pytest.fixture(scope='module')
def run():
    tau = point_mass_data(48, seed=0)
    r = new_run(tau, Arch.tiny(3,2), Fit.tiny(iterations=20), dataset='point mass', env=ENV)
    fit(r, tau, progress=False)
    return r

def test_the_aggregate_of_priors_is_the_prior():
    mean, sd = aggregate(Posterior.prior(10,3,4))
    assert torch.equal(mean, torch.zeros(3,4)) and torch.equal(sd, torch.ones(3,4))

def test_the_aggregate_has_the_moments_of_its_samples():
    g = torch.Generator().manual_seed(0)
    q = Posterior(torch.randn(50,1,2,generator=g), .3*torch.randn(50,1,2,generator=g))
    x = q[torch.arange(50).repeat(4000)].at(torch.randn(200_000,1,2,generator=g))
    mean, sd = aggregate(q)
    assert torch.allclose(x.mean(0), mean, atol=.02) and torch.allclose(x.std(0), sd, atol=.02)

def test_the_map_keeps_distances_of_flat_data():
    x = torch.zeros(20,2,3); x[:,0,0], x[:,1,2] = torch.randn(20), torch.randn(20)
    m = flat_map(x)(x)
    assert torch.allclose(torch.pdist(m), torch.pdist(x.flatten(1)), atol=1e-4)

def test_a_climb_starts_at_zero_and_repeats(run):
    s0 = torch.zeros(3); a, b = (climb(run, s0, Ask(steps=15), seed=4) for _ in range(2))
    assert len(a)==16 and torch.equal(a.mu, b.mu) and not a.mu[0].any()

def test_stored_targets_are_the_recorded_returns(run):
    rows = stored(run, ENV, 10, seed=0)
    recorded = {round(v,3) for v in run.y.tolist()}
    assert len(rows)==10 and all(round(v,3) in recorded for v in rows.target) and rows.target.is_monotonic_increasing

def test_a_climb_may_be_told_stored(run):
    near, far = (climb(run, torch.zeros(3), Ask(steps=8, stored=k)) for k in (True,False))
    assert near.mu[0].equal(far.mu[0]) and not near.mu[-1].equal(far.mu[-1])

def test_along_has_each_point(run):
    rows = along(run, ENV, climb(run, torch.zeros(3), Ask(steps=8)), points=3, each=2)
    assert rows.step.tolist()==[0,0,4,4,8,8]

def test_never_due_is_one_plan_per_episode(run):
    plan = asker(run, 'best', Ask(steps=5))
    once, never = (rollout(ENV, p, 4, seed=0) for p in (PlanPolicy(run.model, plan, 'sample'), Replan(run.model, plan, 'sample', every=1000)))
    assert torch.equal(once.a, never.a)

def test_replanning_changes_what_is_done_after_it(run):
    plan = asker(run, 'prior')
    once, again = (rollout(ENV, p, 4, seed=0) for p in (PlanPolicy(run.model, plan, 'sample'), Replan(run.model, plan, 'sample', every=5)))
    assert torch.equal(once.a[:5], again.a[:5]) and not (len(once.a)==len(again.a) and torch.equal(once.a, again.a))
    with pytest.raises(ValueError, match='every=0'): Replan(run.model, plan, every=0)
    with pytest.raises(ValueError, match="acting='mixed': re-planned is one plan"): Replan(run.model, plan, 'mixed')

def test_replanning_stays_in_one_process(run):
    with pytest.raises(ValueError, match='Replan plans on the way.*use workers=1'): play(ENV, Replan(run.model, asker(run, 'prior'), every=5), 4, workers=2)

def test_rows_of_replanning_name_the_setting_and_share_the_first_plan(run):
    rows = replanned(run, ENV, (40,5), n=3, seed=0, cfg=Ask(steps=5))
    once, late, soon = (g.reset_index(drop=True) for _,g in rows.groupby('method', sort=False))
    assert rows.method.tolist()==['once']*3+['every 40']*3+['every 5']*3 and rows.env_seed.tolist()==[0,1,2]*3
    assert once.predicted.equals(soon.predicted) and once.achieved.equals(late.achieved) and not once.achieved.equals(soon.achieved) # no episode has 40 steps

def test_a_sweep_names_its_settings(run):
    rows = sweep(run, ENV, [('best',{}),('best',dict(lam=0.)),('target',dict(target=3.))], n=2)
    assert rows.setting.tolist()==['default']*2+['lam=0']*2+['target=3']*2

def test_kept_rows_hold_every_setting():
    rows = pd.read_csv(data_root()/'results'/'calibration.csv')
    assert rows.groupby(['question','setting','train_seed']).size().tolist()==[40]*3*len(SETTINGS)
    assert rows.env_seed.max()<10_000

def test_kept_rows_of_replanning_are_whole():
    rows = pd.read_csv(data_root()/'results'/'replan.csv')
    sizes = rows.groupby(['dataset','method']).size().unstack()
    assert len(sizes)==3 and sizes.pop('stored').eq(200).all() and sizes.eq(80).all(axis=None) and sizes.shape[1]==5
    assert rows.env_seed.between(4000,4199).all() and rows.target.notna().eq(rows.method=='stored').all()
