"The maze's drivers and its table, without the maze: that is another package's, and one line says so where it is missing."
import sys
from types import SimpleNamespace
import numpy as np
import pandas as pd
import pytest
import torch
from gac import mazes
from gac.envs import point_mass_data
from gac.mazes import CENTRES, Drivers, driver_rows, maze_data, maze_rows, maze_table, toward
from gac.envs import env_of_data
from gac.worlds import EnvConfig

def test_the_way_leads_along_the_u_and_to_the_end():
    for a in range(len(CENTRES)):
        for b in range(len(CENTRES)):
            at, steps = CENTRES[[a]]+.1, 0
            end = CENTRES[[b]]-.1
            while np.linalg.norm(at-CENTRES[b])>.2:
                there = toward(at, end)
                assert np.abs(there-at).sum()<1.5 # the next cell, through no wall
                at, steps = there, steps+1
            assert steps==abs(a-b) and np.allclose(toward(at, end), end)

def test_each_row_has_a_way_of_its_own():
    at, end = CENTRES[[0,6,3]], CENTRES[[6,0,3]]
    assert np.allclose(toward(at, end), CENTRES[[1,5,3]])

def states(place, goal): return torch.tensor(np.c_[place, goal, place, np.zeros_like(place)], dtype=torch.float32)

def test_a_driver_of_full_skill_heads_for_the_goal_or_its_own_cell():
    s, rows = states(CENTRES[[2,2]], CENTRES[[4,4]]), torch.tensor([0,1])
    acts = Drivers(np.ones(2), np.array([-1,0]))(s, rows)
    assert acts.shape==(2,2) and (np.abs(acts)<=1).all()
    assert acts[0,1]<-.9 and abs(acts[0,0])<1e-6 # down, along the right side
    assert acts[1,0]<-.9 and abs(acts[1,1])<1e-6 # back to the left, to its own cell

def test_less_skill_is_more_noise_and_a_seed_repeats_it():
    s, rows = states(CENTRES[np.full(500,2)], CENTRES[np.full(500,4)]), torch.arange(500)
    spread = [Drivers(np.full(500,k), np.full(500,-1))(s, rows)[:,0].std() for k in (.9,.3)]
    assert spread[1]>2*spread[0]
    a, b, c = (Drivers(np.full(500,.3), np.full(500,-1), seed)(s, rows) for seed in (0,0,1))
    assert (a==b).all() and (a!=c).any()

def test_rows_choose_their_driver():
    s = states(CENTRES[[2]], CENTRES[[4]])
    pol = Drivers(np.ones(3), np.array([0,-1,6]))
    assert pol(s, torch.tensor([1]))[0,1]<-.9 and pol(s, torch.tensor([0]))[0,0]<-.9

def made(question, achieved, method='GAC', predicted=1.):
    rows = [dict(method=method, question=question, train_seed=t, env_seed=e, predicted=predicted, achieved=achieved(t,e)) for t in range(3) for e in range(6)]
    return pd.DataFrame(rows)

def test_the_table_has_what_a_question_adds_to_the_prior():
    rows = pd.concat([made('prior', lambda t,e: 1.*(e==0)), made('best', lambda t,e: 1.*(e==0)+2+.1*t), made('', lambda t,e: 5., method='driver', predicted=np.nan)])
    got = maze_table(rows)
    assert got.index.tolist()==['prior','best','driver'] and got.arrived.tolist()==[.17,1.,1.]
    assert got.over_prior['best']==2.1 and got.low['best']<2.1<got.high['best'] and got.over_prior[['prior','driver']].isna().all()

@pytest.mark.parametrize('make', [maze_data, driver_rows])
def test_the_package_that_is_missing_is_named(make, monkeypatch):
    monkeypatch.setitem(sys.modules, 'gymnasium_robotics', None)
    with pytest.raises(ValueError, match='--import gymnasium_robotics: .*install it beside this package'): make()

def test_a_run_of_another_length_is_refused(tmp_path, monkeypatch):
    (tmp_path/'seed-1'/'checkpoint').mkdir(parents=True)
    monkeypatch.setattr(mazes, 'maze_set', lambda root: tmp_path)
    monkeypatch.setattr(mazes, 'import_packages', lambda names: names)
    monkeypatch.setattr(mazes, 'load_run', lambda out: SimpleNamespace(cfg=SimpleNamespace(iterations=5)))
    with pytest.raises(ValueError, match='seed-1 was trained for 5 batches, not 100: remove it'): maze_rows(1, root=tmp_path)

def test_a_set_remembers_the_time_limit(tmp_path, monkeypatch):
    "Without it whoever acts by what the set says never ends."
    monkeypatch.setattr(mazes, 'UMAZE', EnvConfig('gac/PointMass-v0', max_episode_steps=7))
    monkeypatch.setattr(mazes, 'maze_data', lambda: point_mass_data(8))
    assert env_of_data(mazes.maze_set(tmp_path)).max_episode_steps==7
