"The maze's set, made of an environment that ships: gymnasium-robotics need not be installed."
from gac import mazes
from gac.envs import point_mass_data
from gac.worlds import EnvConfig, env_of_data

def test_a_set_remembers_the_time_limit(tmp_path, monkeypatch):
    "Without it whoever acts by what the set says never ends."
    monkeypatch.setattr(mazes, 'UMAZE', EnvConfig('gac/PointMass-v0', max_episode_steps=7))
    monkeypatch.setattr(mazes, 'maze_data', lambda: point_mass_data(8))
    assert env_of_data(mazes.maze_set(tmp_path)).max_episode_steps==7
