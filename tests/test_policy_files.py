"A policy's file of somebody else: sizes that are not those of its tensors end in one error, before memory is taken."
import json
import pytest, torch
from safetensors.torch import load_file, safe_open, save_file
from gac.baselines import td
from gac.baselines.systems import SYSTEMS, settings
from gac.envs import point_mass_data

SMALL = {'TD3+BC':dict(steps=1, batch=4, width=8), 'DT':dict(D=8, layers=1, M=2, steps=1, batch=2), 'ODT':dict(D=8, layers=1, M=2, steps=1, batch=2),
    'LPT':dict(D=8, tokens=2, heads=2, enc=1, dec=1, steps=1, k=2, batch=2, outer=1), 'PPO':dict(env='gac/PointMass-v0', episodes=1, width=8, batch=16, collect=32),
    'SAC':dict(env='gac/PointMass-v0', episodes=1, width=8, batch=16), 'clone-all':dict(steps=1)}
HUGE = 10**9

@pytest.fixture(scope='module')
def files(tmp_path_factory): # name -> file of a policy that has hardly learned
    tau, out = point_mass_data(8), {}
    for name,kw in SMALL.items():
        policy = SYSTEMS[name].fit(tau, None, settings(name, 'return', **kw), 0)
        out[name] = policy.save(tmp_path_factory.mktemp('policies')/'p.safetensors')
    return out

def changed(path, to, change, drop=()): # file, where to, function of the settings, tensors to leave out
    with safe_open(path, 'pt') as f: meta = json.loads(f.metadata()['policy'])
    change(meta)
    save_file({k:v for k,v in load_file(path).items() if k not in drop}, to, {'policy':json.dumps(meta)})
    return to

def put(**kw): return lambda meta: meta['cfg'].update(kw)

@pytest.mark.parametrize('name,change', [('TD3+BC',put(width=HUGE)), ('TD3+BC',put(width=9)), ('TD3+BC',put(width='8')), ('TD3+BC',put(odd=1)), ('TD3+BC',lambda m: m.pop('cfg')),
    ('DT',put(D=HUGE)), ('DT',put(D=10**12)), ('DT',put(layers=HUGE)), ('DT',put(layers=2)), ('DT',lambda m: m.update(longest=HUGE)), ('DT',lambda m: m.update(S=HUGE)), ('DT',lambda m: m.pop('A')),
    ('ODT',put(noisy=False)), ('LPT',put(D=HUGE)), ('LPT',put(dec=HUGE)), ('LPT',put(tokens=HUGE)), ('LPT',put(prior='transformer')), ('LPT',put(heads=0)), ('LPT',lambda m: m.update(A=HUGE)),
    ('PPO',put(width=HUGE)), ('SAC',put(width=9)), ('SAC',lambda m: m.update(S=HUGE)), ('PPO',lambda m: m.pop('S'))])
def test_settings_that_are_not_the_tensors(files, tmp_path, name, change):
    path = changed(files[name], tmp_path/'p.safetensors', change)
    with pytest.raises(ValueError, match=r'p\.safetensors.*save it again'): SYSTEMS[name].load(path)

@pytest.mark.parametrize('name', SMALL)
def test_a_tensor_that_is_missing(files, tmp_path, name):
    for k in load_file(files[name]):
        path = changed(files[name], tmp_path/'p.safetensors', lambda meta: None, drop=[k])
        with pytest.raises(ValueError, match='save it again'): SYSTEMS[name].load(path)

@pytest.mark.parametrize('text', ['', '[]', '[1]', '{', '"x"', '1'*5000])
def test_settings_that_are_no_settings(tmp_path, text):
    save_file(dict(w=torch.zeros(1)), tmp_path/'p.safetensors', {'policy':text})
    with pytest.raises(ValueError, match=r'p\.safetensors'): td.load(tmp_path/'p.safetensors', td.IQL)
