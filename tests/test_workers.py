"Rollouts over processes: the same episodes as by one; whatever fails is named."
import os
import numpy as np
import pytest
import torch
from gac.core import Posterior
from gac.envs import EpisodeError, PointMass, Skilled, point_mass_data
from gac.model import Arch
from gac.query import PlanPolicy, evaluate
from gac.run import Fit, new_run
from gac.train import fit
from gac.workers import play

KW = dict(batch=9, k=4, inner_steps=2, outer_steps=2, noise='keyed')
TINY = dict(D=16, heads=2, tokens=1, enc=1, dec=1)

def test_workers_act_as_one():
    tau = point_mass_data(20, seed=0); run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=3,**KW)); fit(run, tau, progress=False)
    a, b = (evaluate(run, 'gac/PointMass-v0', 'prior', 5, seed=3, workers=w) for w in (1,2))
    assert a.columns.tolist()==b.columns.tolist() and a.env_seed.tolist()==b.env_seed.tolist() and a.predicted.tolist()==b.predicted.tolist()
    assert np.allclose(a.achieved, b.achieved, atol=1e-4) and a.length.tolist()==b.length.tolist()

def test_part_of_a_policy_has_the_same_plans():
    tau = point_mass_data(12, seed=0); run = new_run(tau, Arch.tiny(3,2,**TINY), Fit(iterations=3,**KW)); fit(run, tau, progress=False)
    pol = PlanPolicy(run.model, lambda s0: (Posterior.prior(len(s0), 2, 16), dict(target=None)), 'sample', 5)
    pol.reset(tau.s0); part = pol.part(torch.tensor([7,2])); part.reset(tau.s0[[7,2]])
    assert torch.equal(part.eps, pol.eps[[7,2]]) and torch.allclose(part.z, pol.z[[7,2]], atol=1e-5)

def test_bad_workers():
    for w in (0,-1):
        with pytest.raises(ValueError, match=f'workers={w}: must be at least 1'): play('gac/PointMass-v0', lambda s,r: s[:,:2], 3, workers=w)
    with pytest.raises(ValueError, match='cannot be sent to another process'): play('gac/PointMass-v0', lambda s,r: s[:,:2], 3, workers=2)

class Dies:
    "A policy that takes its process with it."
    def __call__(self, s, rows): os._exit(1)

def test_a_dead_worker_is_named():
    with pytest.raises(OSError, match='one of 2 workers has died'): play('gac/PointMass-v0', Dies(), 3, workers=2)

class Broken(PointMass):
    "Fails in the third step of the episode whose seed is 12."
    def reset(self, *, seed=None, **kw): self.bad = seed==12; return super().reset(seed=seed, **kw)
    def step(self, a):
        if self.bad and self.t>=2: raise OSError('link lost')
        return super().step(a)

def test_a_failing_environment_in_a_worker_is_named():
    with pytest.raises(EpisodeError, match=r'Broken: episode 2 \(seed 12\) failed at step 2: OSError: link lost') as e: play(Broken, Still(), 4, seed=10, workers=2)
    assert set(e.value.rows.tolist())<={2,3}

class Still:
    def __call__(self, s, rows): return s[:,:2]*0

def test_a_policy_without_parts_stays_here():
    with pytest.raises(ValueError, match=r'Skilled has reset but no part.*give it part\(rows\), or use workers=1'): play('gac/PointMass-v0', Skilled([.1,.9,.5]), 3, workers=2)
    assert len(play('gac/PointMass-v0', Skilled([.1,.9,.5]), 3))==3
