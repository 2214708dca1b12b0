"Stages of the rivals: collect, add, train on; cut off, they end the same."
import shutil
from dataclasses import dataclass, field
import pandas as pd
import pytest
import torch
from gac import bench
from gac.baselines import dt, lpt, stages, td
from gac.baselines.stages import Stages, collect_paid, exploring, more, staged
from gac.baselines.systems import settings
from gac.core import cat
from gac.envs import PointMass, point_mass_data

ENV = 'gac/PointMass-v0'
TINY = {'TD3+BC': dict(steps=8, width=8, batch=16), 'IQL': dict(steps=8, width=8, batch=16), 'CQL': dict(steps=8, width=8, batch=16),
    'ODT': dict(steps=8, D=8, layers=1, M=2), 'LPT': dict(steps=3, D=8, tokens=2, heads=2, enc=1, dec=1, k=4, outer=1, langevin=1, ask_steps=2)}
assert set(TINY)==set(stages.GROWS)
FIT = {'ODT':dt.fit, 'LPT':lpt.fit}

def numbers(policy): # all that it has learnt
    net = next(getattr(policy,k) for k in ('learner','net','model') if hasattr(policy,k))
    return torch.cat([p.flatten() for p in net.parameters()])

@pytest.fixture(scope='module')
def tau(): return point_mass_data(20)

@pytest.mark.parametrize('name', stages.GROWS)
def test_every_system_goes_on_and_repeats_itself(name, tau):
    start = FIT.get(name, td.fit)(tau, None, settings(name, 'return', **TINY[name]), 0)
    before = numbers(start).clone()
    run = lambda seed, **kw: [*staged(start, tau, None, ENV, Stages(2, 4, keep=10), seed, **kw)]
    one, two, other = run(0), run(0), run(1)
    assert torch.equal(numbers(start), before) # the start stays as it is
    assert [k for k,*_ in one]==[1,2] and all(len(new)==4 for *_,new in one)
    assert not torch.equal(numbers(one[0][1]), before)
    for (_,p,a),(_,q,b) in zip(one, two): assert torch.equal(a.a, b.a) and torch.equal(numbers(p), numbers(q))
    assert other[0][2].key.tolist()!=one[0][2].key.tolist()
    again = run(0, had=lambda k: one[0][1] if k==1 else None) # cut off after the first stage
    assert torch.equal(numbers(again[1][1]), numbers(one[1][1])) and torch.equal(again[1][2].a, one[1][2].a)

def test_rewards_lie_beside_the_actions_they_pay(tau):
    start = td.fit(tau, None, td.TD3BC(steps=1, width=8, gamma=.999), 0)
    new, r = collect_paid(exploring(start, 0., 0), ENV, 6, 100)
    of = torch.arange(6).repeat_interleave(new.n)
    speed = new.s[torch.arange(len(of))+of+1,2]
    assert torch.allclose(r, PointMass.h*speed, atol=1e-5)

@pytest.mark.parametrize('stepwise', [False,True])
def test_a_transformer_trains_on_the_best_and_asks_for_the_best(tau, monkeypatch, stepwise):
    seen = []
    monkeypatch.setattr(dt, 'dt_steps', lambda net,t,g,cfg,gen,before=None: seen.append((t,g,cfg.steps)))
    of = torch.arange(len(tau)).repeat_interleave(tau.n)
    rewards = PointMass.h*tau.s[torch.arange(len(of))+of+1,2] if stepwise else None
    start = dt.fit(tau, rewards, dt.Cfg.tiny(noisy=True, steps=8))
    grown = more(start, tau, rewards, Stages(keep=5, share=.5), 0)
    t, g, steps = seen[-1]
    assert torch.equal(t.y.sort()[0], tau.y.sort()[0][-5:]) and steps==4
    assert torch.allclose(g[t.a_at], t.y, atol=1e-4) and grown.target==float(tau.y.max()) # of the first step, all that was earned
    assert len(g)==len(t.a) and grown.stepwise==stepwise

def test_a_return_that_was_beaten_is_asked_for(tau):
    start = dt.fit(tau, None, dt.Cfg.tiny(noisy=True, steps=1))
    better = tau[:3]
    better = cat([tau, type(tau)(better.s, better.a, better.y+99, better.n, better.last, better.key+1)])
    assert more(start, better, None, Stages(), 0).target==float(better.y.max())

@pytest.mark.parametrize('kw,said', [(dict(stages=0),'stages=0'), (dict(episodes=1.5),'episodes=1.5'), (dict(share=0.),'share=0.0'), (dict(keep=-1),'keep=-1')])
def test_settings_that_cannot_be(kw, said):
    with pytest.raises(ValueError, match=said): Stages(**kw)

HEAD = 'dataset,system,rewards,seed,set,episodes,env_seed,stages\n'
NAME = 'gac/hopper/medium-replay-mini-v0'

@pytest.mark.parametrize('line,said', [('PPO,return,0,,1,0,1','PPO does not go on'), ('DT,return,0,,1,0,2','DT does not go on'),
    ('IQL,return,0,,1,0,-1',"stages='-1'"), ('IQL,return,0,,1,0,100','at most 99')])
def test_a_list_with_stages_that_cannot_be(tmp_path, line, said):
    (tmp_path/'spec.csv').write_text(f'{HEAD}{NAME},{line}\n')
    with pytest.raises(ValueError, match=said): bench.read_spec(tmp_path/'spec.csv')

def test_a_job_takes_over_what_was_trained_offline_and_keeps_every_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(bench.stages, 'Stages', lambda n: Stages(n, 2))
    job = bench.Job(NAME, 'IQL', 'return', 0, 'steps=4 width=8', episodes=2, env_seed=0)
    grown = bench.replace(job, stages=2)
    assert job.name!=grown.name and job.name==bench.replace(grown, stages=0).name
    bench.do_job(job, tmp_path/job.name)
    def never(*a): raise AssertionError('trained again')
    with monkeypatch.context() as m:
        m.setitem(bench.systems.SYSTEMS, 'IQL', bench.replace(bench.systems.SYSTEMS['IQL'], fit=never))
        bench.do_job(grown, tmp_path/grown.name)
    rows, old = (pd.read_csv(tmp_path/j.name/'rows.csv') for j in (grown,job))
    assert rows.groupby('stage').size().to_dict()=={0:2, 1:2, 2:2}
    assert rows[rows.stage==0].achieved.tolist()==old.achieved.tolist()
    folder = tmp_path/grown.name
    first = (folder/'policy-1.safetensors').stat().st_mtime_ns
    (folder/'rows.csv').unlink(), (folder/'policy-2.safetensors').unlink() # as a kill leaves it
    bench.do_job(grown, folder)
    assert (folder/'policy-1.safetensors').stat().st_mtime_ns==first
    assert pd.read_csv(folder/'rows.csv').drop(columns='versions').equals(rows.drop(columns='versions'))
    shutil.rmtree(folder)

def test_gac_goes_on_as_online_does(tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Short(bench.online.Online):
        episodes:int=2
        refit:object=field(default_factory=lambda: dict(iterations=1))
    monkeypatch.setattr(bench.online, 'Online', Short)
    small = 'iterations=2 batch=4 k=2 D=16 tokens=1 eps=4 heads=2 enc=1 dec=1 inner_steps=1 outer_steps=1 transition=False'
    job = bench.Job(NAME, 'GAC', 'return', 0, small, episodes=1, env_seed=0, stages=1)
    bench.do_job(job, tmp_path/job.name)
    rows, run = (pd.read_csv(tmp_path/job.name/f'{k}.csv') for k in ('rows','run'))
    assert set(rows.stage)=={0,1} and set(rows.method)=={'GAC'} and run.stages[0]==1 and run.cpu_seconds[0]>0
    (tmp_path/job.name/'rows.csv').unlink() # killed before its rows: nothing is trained again
    bench.do_job(job, tmp_path/job.name)
    again = pd.read_csv(tmp_path/job.name/'rows.csv')
    assert again.drop(columns='versions').equals(rows.drop(columns='versions'))
