"Cloning: the best fraction by hand, and the same seed twice."
import numpy as np
import pandas as pd
import pytest
import torch
from gac.cloning import best_fraction, clone, measure
from gac.rows import COLUMNS, as_rows, save_rows
from gac.core import Trajectories, data_root, make_keys
from gac.envs import best_action, best_return, point_mass_data, rollout

def made(y, n):
    "Trajectories with given returns and lengths; state = row number, action = its negative."
    n, y = torch.tensor(n), torch.tensor(y)
    s = torch.arange(float(n.sum()+len(n)))[:,None]
    a = torch.cat([-s[i:i+k] for i,k in zip(((n+1).cumsum(0)-n-1).tolist(), n.tolist())])
    return Trajectories(s, a, y, n, torch.ones(len(n), dtype=torch.bool), make_keys(s, a, n))

@pytest.mark.parametrize('frac,want', [
    (.01,[9]), (.1,[9]), (.11,[5,9]), (.3,[5,9]), (.31,[2,5,9]), (.6,[2,5,9]), (.61,[2,1,9,5]), (1.,[2,1,9,5])])
def test_best_fraction_by_hand(frac, want):
    "Returns 9, 5, 2, 1 have 1, 2, 3, 4 of 10 steps."
    tau = made([2.,1.,9.,5.], [3,4,1,2])
    assert sorted(best_fraction(tau, frac).y.tolist())==sorted(want)

def test_best_fraction_keeps_whole_episodes_in_order():
    tau = point_mass_data(60)
    best = best_fraction(tau, .25)
    at = [tau.key.tolist().index(k) for k in best.key.tolist()]
    assert at==sorted(at) and torch.equal(best.n, tau.n[at]) and torch.equal(best_fraction(tau, 1.).s, tau.s)

@pytest.mark.parametrize('frac', [0, -.1, 1.01, float('nan')])
def test_bad_fraction(frac):
    with pytest.raises(ValueError, match='need 0 < frac'): best_fraction(point_mass_data(5), frac)

def test_states_meet_their_own_actions():
    "The action is minus the state: shifted by one row anywhere, the fit could not be exact."
    tau = made([1.,2.,3.], [5,7,2])
    pi = clone(tau, steps=1500, width=32, batch=64, lr=1e-2)
    s = torch.cat([tau[i].s[:-1] for i in range(3)])
    assert (pi(s)-tau.a).abs().max()<.5 # one row off is 1

def test_clone_is_deterministic_and_leaves_global_state():
    tau = point_mass_data(20)
    torch.manual_seed(1); before = torch.get_rng_state()
    a, b, c = (clone(tau, steps=10, width=8, seed=s)(tau.s0) for s in (0,0,1))
    assert torch.equal(a,b) and not torch.equal(a,c) and torch.equal(before, torch.get_rng_state())

def test_clones_the_teacher():
    tau = rollout('gac/PointMass-v0', best_action, 50)
    out = rollout('gac/PointMass-v0', clone(tau, steps=600, width=32), 20, seed=900)
    assert (out.y/best_return(out.s0)).mean()>.97

def test_constant_state_dimension():
    tau = made([1.,2.], [3,3])
    tau = Trajectories(torch.cat([tau.s, torch.ones_like(tau.s)],1), tau.a, tau.y, tau.n, tau.last, tau.key)
    assert clone(tau, steps=3, width=4)(tau.s).isfinite().all()

def test_rows_and_file(tmp_path):
    hop = rollout('Hopper-v5', lambda s,r: torch.zeros(len(s),3), 6)
    new = measure({'x': (hop,'Hopper-v5')}, seeds=(0,1), n=3, steps=5, width=8)
    assert list(new)==COLUMNS and len(new)==12 and new.env_seed.tolist()==[10000,10001,10002]*4
    assert ((new.achieved+20.272305)/(3234.3+20.272305)*100-new.normalised).abs().max()<.011
    got = save_rows(new, tmp_path/'r'/'c.csv')
    assert len(save_rows(new, tmp_path/'r'/'c.csv'))==12 and got.achieved.tolist()==sorted_like(new).achieved.tolist()
    assert len(save_rows(new.assign(dataset='y'), tmp_path/'r'/'c.csv'))==24
    with pytest.raises(ValueError, match='unknown columns'): as_rows(hop, 'Hopper-v5', 0, colour='red')

def sorted_like(df): return df.sort_values(['dataset','method','train_seed','env_seed'], ignore_index=True)

def test_committed_rows():
    df = pd.read_csv(data_root()/'results'/'cloning.csv')
    assert list(df)==COLUMNS[:-1] and set(df.method)=={'clone-all','clone-10%'} # older than fingerprints
    assert not df.duplicated(['dataset','method','train_seed','env_seed']).any()
    assert (df.env_seed>=10000).all() and (df.groupby(['dataset','method','train_seed']).size()==100).all()
    assert np.isfinite(df[['achieved','normalised','length']]).all().all() and (df.device=='cpu').all() and (df.threads==1).all()
