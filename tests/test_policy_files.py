"A policy's file of somebody else: sizes that are not those of its tensors end in one error, before memory is taken."
import json
import re
from dataclasses import fields
import pytest, torch
from safetensors.torch import load_file, safe_open, save_file
from gac import cloning
from gac.baselines import sb3, td
from gac.baselines.systems import SYSTEMS, settings
from gac.envs import point_mass_data

VALUES, TOKENS = dict(steps=1, batch=4, width=8), dict(D=8, layers=1, M=2, steps=1, batch=2)
SMALL = {'TD3+BC':VALUES, 'IQL':VALUES, 'CQL':VALUES, 'DT':TOKENS, 'QDT':TOKENS|dict(critic_steps=1), 'ODT':TOKENS,
    'LPT':dict(D=8, tokens=2, heads=2, enc=1, dec=1, steps=1, k=2, batch=2, outer=1), 'PPO':dict(env='gac/PointMass-v0', episodes=1, width=8, batch=16, collect=32),
    'SAC':dict(env='gac/PointMass-v0', episodes=1, width=8, batch=16), 'clone-all':dict(steps=1), 'clone-10%':dict(steps=1)}
HUGE = 10**9

@pytest.fixture(scope='module')
def files(tmp_path_factory): # name -> file of a policy that has hardly learned
    tau, out = point_mass_data(8), {}
    for name,kw in SMALL.items():
        policy = SYSTEMS[name].fit(tau, None, settings(name, 'return', **kw), 0)
        out[name] = policy.save(tmp_path_factory.mktemp('policies')/'p.safetensors')
    return out

def changed(path, to, change, drop=(), **new): # file, where to, function of the settings, tensors to leave out, tensors
    with safe_open(path, 'pt') as f: meta = json.loads(f.metadata()['policy'])
    change(meta)
    save_file({k:v for k,v in (load_file(path)|new).items() if k not in drop}, to, {'policy':json.dumps(meta)})
    return to

def put(**kw): return lambda meta: meta['cfg'].update(kw)

@pytest.mark.parametrize('name,change', [('TD3+BC',put(width=HUGE)), ('TD3+BC',put(width=9)), ('TD3+BC',put(width='8')), ('TD3+BC',put(odd=1)), ('TD3+BC',lambda m: m.pop('cfg')),
    ('DT',put(D=HUGE)), ('DT',put(M=HUGE)), ('LPT',put(M=HUGE)), ('LPT',put(enc='2')), ('LPT',put(dec=None)), ('IQL',put(lsd=[-5.])), ('IQL',put(lsd=['a','b'])), ('DT',put(D=10**12)), ('DT',put(layers=HUGE)), ('DT',put(layers=2)), ('DT',lambda m: m.update(longest=HUGE)), ('DT',lambda m: m.update(S=HUGE)), ('DT',lambda m: m.pop('A')),
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
    with pytest.raises(ValueError, match=r'p\.safetensors'): td.load_td(tmp_path/'p.safetensors', td.IQL)

@pytest.mark.parametrize('name', SMALL)
def test_a_tensor_of_another_shape(files, tmp_path, name):
    for k,x in load_file(files[name]).items():
        if not k.startswith('units.') and k not in ('low','high','0.bias','4.bias'): continue # not compared by the network's own names alone
        for bad in (x.new_zeros(1,*x.shape), x.new_zeros(() if x.dim() else 2)):
            path = changed(files[name], tmp_path/'p.safetensors', lambda meta: None, **{k:bad})
            with pytest.raises(ValueError, match=r'p\.safetensors.*save it again'): SYSTEMS[name].load(path)

def test_a_clone_of_long_vectors_is_made_without_memory(files, tmp_path, monkeypatch):
    path = changed(files['clone-all'], tmp_path/'p.safetensors', lambda meta: None, **{k:torch.ones(10**5) for k in ('units.mean','units.sd','0.bias','4.bias')})
    made, net = [], cloning._net
    monkeypatch.setattr(cloning, '_net', lambda *sizes: made.append(net(*sizes)) or made[-1])
    with pytest.raises(ValueError, match=r'weight is .*by its settings \(100000, 100000\)'): SYSTEMS['clone-all'].load(path)
    assert {p.device.type for m in made for p in m.parameters()}=={'meta'}

FIRST = {'PPO':'mlp_extractor.policy_net', 'SAC':'actor.latent_pi'}
@pytest.mark.parametrize('name', FIRST)
@pytest.mark.parametrize('new,width', [({'odd':(9000,4)},9000), ({'units.low':(9000,),'units.high':(9000,)},8), ({'0.weight':(9000,4)},9000)], ids=['a tensor of another name','bounds','first layer alone'])
def test_no_network_of_the_library_is_tried(files, tmp_path, monkeypatch, name, new, width):
    new = {f'{FIRST[name]}.{k}' if k[0]=='0' else k: torch.zeros(s) for k,s in new.items()}
    path = changed(files[name], tmp_path/'p.safetensors', put(width=width), **new)
    monkeypatch.setattr(sb3, '_library_net', lambda *_: pytest.fail('made before it was checked'))
    with pytest.raises(ValueError, match='by its settings .*save it again'): SYSTEMS[name].load(path)

WRONG = [None, [3], {}, 'abc', float('nan'), float('inf'), .5, -1, 0, True, 10**400] # of some kinds

def refused(name, path, k): # is it one clear error that names the field?
    try: SYSTEMS[name].load(path)
    except ValueError as e: return 'p.safetensors' in str(e) and 'save it again' in str(e) and k in str(e)

@pytest.mark.parametrize('name', SMALL)
def test_every_word_of_the_wrong_kind(files, tmp_path, name):
    "What no field may be is refused in each."
    with safe_open(files[name], 'pt') as f: told = json.loads(f.metadata()['policy'])
    for k in set(told)-{'method','cfg','versions'}:
        for v in WRONG:
            fine = k=='stepwise' and v is True or k=='target' and v in (.5,-1,0) and v is not True or k=='seed' and v==0
            path = changed(files[name], tmp_path/'p.safetensors', lambda meta: meta.update({k:v}))
            assert fine or refused(name, path, k), (k,v)
    if 'cfg' not in told: return
    for f in fields(settings(name, 'return')):
        if f.name not in told['cfg']: continue # of the critic that relabels
        for v in WRONG[:4]:
            fine = f.type is object or f.type is str and v=='abc' and f.name=='draw'
            assert fine or refused(name, changed(files[name], tmp_path/'p.safetensors', put(**{f.name:v})), f.name), (f.name,v)

@pytest.mark.parametrize('name,fields_of', [('LPT',['climb','ask_steps','langevin']), *((k,None) for k in SMALL if not k.startswith('clone'))])
def test_a_count_without_end(files, tmp_path, name, fields_of):
    "No whole number of a file is believed that would keep a machine at work for ever: not what acting counts to, and nothing at a thousand millions."
    with safe_open(files[name], 'pt') as f: cfg = json.loads(f.metadata()['policy'])['cfg']
    for k in fields_of or [f.name for f in fields(settings(name, 'return')) if f.type is int and f.name in cfg]:
        path = changed(files[name], tmp_path/'p.safetensors', put(**{k:20_000 if fields_of else HUGE}))
        with pytest.raises(ValueError, match=rf'p\.safetensors.*{k}=.*must be at most .*save it again'): SYSTEMS[name].load(path)

def test_every_system_is_tried(): assert [*SMALL]==[k for k in SYSTEMS if k in SMALL] and set(SMALL)==set(SYSTEMS)

@pytest.mark.parametrize('lsd', [-5, (-5.,), (2.,-5.), (1.,1.), (-5.,0.,2.), ('a','b'), (float('nan'),1.), (-float('inf'),2.)])
def test_the_range_of_a_log_sd_is_two_numbers(lsd):
    with pytest.raises(ValueError, match='write two numbers, the smaller first'): td.IQL(lsd=lsd)
    with pytest.raises(ValueError, match='write two numbers'): settings('IQL', 'return', ['lsd=-5'])

@pytest.mark.parametrize('name', SMALL)
def test_numbers_that_cannot_act(files, tmp_path, name):
    "NaN, a width of zero or below, another type: each acts, wrongly, unless the file is refused."
    state = load_file(files[name])
    widths = [k for k in state if k.rpartition('.')[2] in ('sd','scale') or k.endswith('_std') and not k.endswith('log_std')]
    weight = next(k for k,x in state.items() if x.dim()==2)
    bad = [(weight, torch.full_like(state[weight], float('nan'))), (weight, state[weight].double()), (weight, state[weight].long())]
    bad += [(k, x) for k in widths for x in (torch.zeros_like(state[k]), -state[k])]
    for k,x in bad:
        path = changed(files[name], tmp_path/'p.safetensors', lambda meta: None, **{k:x})
        with pytest.raises(ValueError, match=rf'p\.safetensors: {re.escape(k)} .*save it again'): SYSTEMS[name].load(path)
