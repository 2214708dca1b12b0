"LPT: what its networks see, Langevin points, the way to GAC, files."
from dataclasses import replace
import pytest
import torch
from gac.baselines.lpt import LPT, VARIANTS, Cfg, UNet, arch_of, fresh_run, fit, langevin, load_lpt, log_joint, variant, visit
from gac.core import draw_windows, generator
from gac.data import Standardizer
from gac.envs import point_mass_data, rollout
from gac.model import Arch
from gac.train import Draws

TAU = point_mass_data(24)

@pytest.mark.parametrize('tokens', [1,2,3,4,8])
def test_a_prior_of_any_length(tokens):
    arch = Arch(3, 2, D=8, heads=2, tokens=tokens)
    eps = torch.randn(4, arch.K, 8)
    assert UNet(arch)(torch.zeros(4,3), eps).shape==(4,arch.K,8)

def test_the_unet_sees_no_state_and_the_transformer_does():
    eps = torch.randn(24, 3, 16)
    for prior,same in (('unet',True), ('transformer',False)):
        cfg = Cfg.tiny(prior=prior)
        m = LPT(arch_of(3,2,cfg), Standardizer.fit(TAU), cfg)
        assert torch.equal(m.plan(TAU.s0, eps), m.plan(TAU.s0+1, eps))==same

@pytest.mark.parametrize('M', [1,4])
def test_acting_is_the_generator_on_the_episode_so_far(M):
    "No shift between the windows of training and those of acting, and no action seen by its own token."
    cfg = Cfg.tiny(M=M, steps=3)
    policy = fit(TAU, None, cfg)
    tau = rollout('gac/PointMass-v0', policy, 3, 9)
    row, (s,e) = 1, (int(tau.a_at[1]), int(tau.n[1]))
    m, std = policy.model, policy.model.std
    first = min(M, e)
    one = std.do('s', tau[row].s[:first])[None,None], std.do('a', tau[row].a[:first])[None,None]
    pad = [torch.cat([x, x.new_zeros(1,1,M-first,x.shape[3])], 2) for x in one]
    t = torch.arange(M)[None,None]
    with torch.no_grad(): mu = std.undo('a', m.generator(*pad, t, policy.z[row:row+1,1:])[0])[0,0,:first]
    assert torch.allclose(mu.clamp(policy.low, policy.high).clamp(-1,1), tau.a[s:s+first], atol=1e-4)

def test_langevin_without_noise_of_a_flat_density_is_the_priors_pull():
    x = torch.ones(2000, 1, 4)
    out = langevin(lambda e: 0*e.sum((1,2)), x, 1, .1, generator(0))
    assert abs(float(out.mean())-(1-.005))<.01 and abs(float(out.std())-.1)<.01

def test_points_of_others_stay():
    cfg = Cfg.tiny(batch=5, steps=3)
    run = fresh_run(TAU, cfg, 0)
    before, draws = run.store.phi.clone(), Draws(run, TAU)
    visit(run, TAU, draws, 10., cfg)
    moved = (run.store.phi[:,0]!=before[:,0]).any(-1).any(-1)
    assert int(moved.sum())==5 and run.i==1

def test_points_climb_what_they_sample():
    "Langevin steps from the prior raise the joint density of each trajectory, in the mean."
    cfg = Cfg.tiny()
    run = fresh_run(TAU, cfg, 0)
    win = draw_windows(TAU, 30, 1, generator(0))
    f = lambda e: log_joint(run.model, TAU, e, win)-.5*(e*e).sum((1,2))
    start = run.store.get(TAU.key).mu
    end = langevin(lambda e: log_joint(run.model, TAU, e, win), start, 60, .03, generator(1))
    assert float((f(end)-f(start)).mean().detach())>0

@pytest.mark.parametrize('name', VARIANTS)
def test_every_variant_from_its_file(name, tmp_path):
    cfg = variant(name, Cfg.tiny(steps=3))
    policy = fit(TAU, None, cfg).aim(7.)
    again = load_lpt(policy.save(tmp_path/'p.safetensors'))
    a, b = (rollout('gac/PointMass-v0', p, 3, 5).a for p in (policy,again))
    assert torch.equal(a, b) and again.target==7. and again.cfg==cfg

def test_seeds_and_the_global_state():
    cfg = Cfg.tiny(steps=3)
    before = torch.get_rng_state()
    a, b, c = (fit(TAU, None, cfg, k).model.state_dict() for k in (0,0,1))
    assert all(torch.equal(a[k], b[k]) for k in a) and not torch.equal(a['generator.act.weight'], c['generator.act.weight'])
    assert torch.equal(before, torch.get_rng_state())

def test_variants_switch_one_thing_at_a_time():
    lpt, gac = Cfg(), variant('GAC')
    switched = [[k for k in ('prior','head','infer') if getattr(variant(n),k)!=getattr(lpt,k)] for n in VARIANTS]
    assert [len(s) for s in switched]==[0,1,1,1,3] and replace(gac, prior='unet', head='whole', infer='langevin')==lpt
    with pytest.raises(ValueError, match='unknown variant'): variant('x')

def test_bad_input():
    with pytest.raises(ValueError, match='sees returns only'): fit(TAU, torch.zeros(len(TAU.a)))
    with pytest.raises(ValueError, match="infer='map'"): Cfg(infer='map')
    with pytest.raises(ValueError, match='size=0'): Cfg(size=0)
