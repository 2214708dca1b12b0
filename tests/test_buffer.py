"The replay buffer: what is written is what is read, and nothing else is."
from dataclasses import replace
import pytest
import torch
from safetensors.torch import load_file, save_file
from gac.buffer import CHUNK, episodes, next_offset, own_keys, read_chunks, write_chunk
from gac.core import cat
from gac.envs import point_mass_data
from gac.model import Arch

K, D = Arch.tiny(3,2).K, Arch.tiny(3,2).D

@pytest.fixture(scope='module')
def tau(): return point_mass_data(9)

def plans(n): return dict(mu=torch.zeros(n,K,D), lsd=torch.zeros(n,K,D), predicted=torch.arange(float(n)), target=torch.ones(n))

@pytest.fixture
def folder(tmp_path, tau):
    for at in (0,3,6): write_chunk(tmp_path, at, 3, tau[at:at+3], range(3), plans(3))
    return tmp_path

def test_read_is_what_was_written(folder, tau):
    new, q, rows = episodes(folder, Arch.tiny(3,2))
    for k in ('s','a','y','n','last','key'): assert torch.equal(getattr(new,k), getattr(tau,k))
    assert rows.offset.tolist()==list(range(9)) and rows.predicted.tolist()==[0,1,2]*3 and len(q)==9
    assert next_offset(read_chunks(folder))==9

def test_nothing_collected(tmp_path):
    assert episodes(tmp_path/'none') is None and next_offset([])==0

def test_nothing_is_written_of_nothing(tmp_path, tau):
    write_chunk(tmp_path, 0, 3, None, [], plans(3))
    assert not list(tmp_path.iterdir())

@pytest.mark.parametrize('field', [k for k,(kind,_) in CHUNK.items() if kind=='float32'])
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_numbers_are_finite_on_both_ways(tmp_path, folder, tau, field, value):
    f = folder/'00003.safetensors'
    d = load_file(f)
    d[field].view(-1)[0] = value
    save_file(d, f)
    with pytest.raises(ValueError, match=f'00003.safetensors: {field} holds'): episodes(folder)
    if field in ('s','a','y'):
        part = tau[:3]
        bad = replace(part, **{field:getattr(part,field)*value})
        with pytest.raises(ValueError, match=f'{field} holds'): write_chunk(tmp_path/'new', 0, 3, bad, range(3), plans(3))
    else:
        bad = plans(3)
        bad[field] = bad[field]+value
        with pytest.raises(ValueError, match=f'{field} holds'): write_chunk(tmp_path/'new', 0, 3, tau[:3], range(3), bad)
    assert not (tmp_path/'new').exists()

@pytest.mark.parametrize('field', CHUNK)
@pytest.mark.parametrize('how', ['missing','type','dimension','length','empty'])
def test_every_field_has_its_type_and_shape(folder, field, how):
    f = folder/'00003.safetensors'
    d = load_file(f)
    x = d.pop(field)
    if how=='type': d[field] = x.to(torch.float64 if x.dtype!=torch.float64 else torch.float32)
    if how=='dimension': d[field] = x[None].contiguous()
    if how=='length': d[field] = torch.cat([x,x[:1]])
    if how=='empty': d[field] = x[:0]
    save_file(d, f)
    with pytest.raises(ValueError, match='00003.safetensors') as e: episodes(folder, Arch.tiny(3,2))
    assert 'done again' in str(e.value)

def test_a_field_too_many(folder):
    f = folder/'00000.safetensors'
    save_file(load_file(f)|dict(reward=torch.zeros(3)), f)
    with pytest.raises(ValueError, match="00000.safetensors holds .*'reward'"): episodes(folder)

@pytest.mark.parametrize('n', [0, -4, 2**62])
def test_lengths_that_cannot_be(folder, n):
    f = folder/'00003.safetensors'
    d = load_file(f)
    d['n'][0] = n
    save_file(d, f)
    with pytest.raises(ValueError, match='done again'): episodes(folder)

@pytest.mark.parametrize('size', [0, 7, 100, 2000])
def test_a_torn_file(folder, size):
    f = folder/'00006.safetensors'
    f.write_bytes(f.read_bytes()[:size])
    with pytest.raises(ValueError, match='00006.safetensors cannot be read'): episodes(folder)

def test_flipped_bytes_never_escape_as_another_error(folder):
    f = folder/'00000.safetensors'
    whole = f.read_bytes()
    for i in range(0, 1200, 7):
        f.write_bytes(whole[:i]+bytes([whole[i]^0xff])+whole[i+1:])
        try: episodes(folder)
        except ValueError as e: assert 'done again' in str(e)

def test_a_chunk_of_another_model(folder):
    with pytest.raises(ValueError, match='s is .*is needed'): episodes(folder, Arch.tiny(4,2))
    with pytest.raises(ValueError, match='mu is .*is needed'): episodes(folder, Arch(3,2))

def test_own_keys(tau):
    taken = set(tau.key.tolist())
    parts = [tau]+[own_keys(tau[:4], taken) for _ in range(3)]
    assert len(cat(parts).key.unique())==9+12
    assert torch.equal(own_keys(tau, set()).key, tau.key) # nothing to do where nothing repeats
    double = replace(tau[:2], key=tau.key[[0,0]])
    assert len(own_keys(double, set()).key.unique())==2
