"Settings, JSON and tensors of somebody else: what is not of its kind, range or shape is named before anything is made of it."
import os
from dataclasses import dataclass
from typing import Optional
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from gac import schema
from gac.envs import point_mass_data
from gac.files import BadFile
from gac.model import Arch
from gac.run import Fit, new_run
from gac.schema import about, bare, check_fields, check_memory, check_seed, check_weights, header, is_a, take_fields, read_json, read_tensors

@dataclass(frozen=True)
class Cup:
    "Fields of every kind."
    size:int=3
    heat:float=.5
    full:bool=False
    name:str='cup'
    lid:float=None
    foot:float|None=None
    handles:int|None=2
    def __post_init__(self): check_fields(self, least=('size','handles'), positive=('heat',), not_below=('lid','foot'))

# ---- fields

@pytest.mark.parametrize('v,kind,yes', [(True,bool,True), (True,int,False), (True,float,False), (1,int,True), (1,float,True), (1.,int,False), (np.int64(3),int,True),
    (np.float32(.5),float,True), ('1',int,False), ('a',str,True), (None,float,False), (1j,float,False)], ids=str)
def test_what_is_a_number(v, kind, yes): assert is_a(v, kind)==yes

@pytest.mark.parametrize('field,value,says', [('size',0,'at least 1'), ('size',2.5,'a whole number'), ('size',True,'a whole number'), ('size','3','a whole number'), ('size',None,'a whole number'),
    ('heat',0.,'positive'), ('heat',float('nan'),'positive'), ('heat',float('inf'),'finite'), ('heat',True,'a number'), ('full',1,'True or False'), ('name',3,'a text'),
    ('lid',-.1,'not be negative'), ('lid',float('nan'),'not be negative'), ('lid','x','a number'),
    ('foot',-.1,'not be negative'), ('foot',float('inf'),'finite'), ('foot','x','a number'), ('handles',0,'at least 1'), ('handles',2.5,'a whole number'), ('handles',True,'a whole number')])
def test_a_field_that_cannot_be(field, value, says):
    with pytest.raises(ValueError, match=rf'Cup.{field}={value!r}: must .*{says}'): Cup(**{field:value})

def test_fields_become_plain():
    cup = Cup(size=np.int64(4), heat=1, lid=np.float32(.5))
    assert [type(x) for x in (cup.size,cup.heat,cup.lid)]==[int,float,float] and (cup.size,cup.heat,cup.lid)==(4,1.,.5)
    assert Cup().lid is None

def test_a_field_that_may_be_none_says_so_in_its_type():
    cup = Cup(foot=np.float32(.5), handles=None)
    assert type(cup.foot) is float and cup.handles is None and Cup().foot is None and Cup(handles=np.int64(1)).handles==1

@pytest.mark.parametrize('kind,is_', [(float|None,float), (None|int,int), (Optional[str],str), (float,float), (int|str|None,int|str|None), (dict[str,int],dict[str,int]), (list[int],list[int]), (dict[str,None],dict[str,None])], ids=str)
def test_a_type_without_its_none(kind, is_): assert bare(kind)==is_

@pytest.mark.parametrize('seed', [-1, 2**31, 1.5, True, '1', None, float('nan')], ids=str)
def test_what_is_no_seed(seed):
    with pytest.raises(ValueError, match='ask_seed=.*from 0 to 2147483647'): check_seed(seed, 'ask_seed')

def test_what_is_a_seed():
    for seed in (0, 2**31-1, np.int32(7)): check_seed(seed)

# ---- JSON

@pytest.mark.parametrize('content,says', [(b'', 'cannot be read'), (b'{"a":', 'cannot be read'), (b'\xff\xfe', 'cannot be read'), (b'['*100_000, 'cannot be read'),
    (b'[1]', r"holds '\[1\]', not a dict"), (b'"x"', "holds 'x', not a dict"), (b'7', "holds '7', not a dict")], ids=['empty','torn','bytes','deep','list','text','number'])
def test_what_is_no_object(content, says, tmp_path):
    (tmp_path/'a.json').write_bytes(content)
    with pytest.raises(BadFile, match=f'a.json {says}.*; mend it'): read_json(tmp_path/'a.json', cure='mend it')

def test_a_size_is_looked_at_first(tmp_path):
    (tmp_path/'a.json').write_text('{}')
    assert read_json(tmp_path/'a.json')=={} and read_json(str(tmp_path/'a.json'))=={}
    os.truncate(tmp_path/'a.json', 1<<40)
    with pytest.raises(BadFile, match='a.json has 1099512 MB'): read_json(tmp_path/'a.json')
    with pytest.raises(FileNotFoundError, match='b.json is missing: copy the whole'): read_json(tmp_path/'b.json')

@pytest.mark.parametrize('d,says', [({}, 'lacks i'), (dict(i='3'), "i is '3', not int or null"), (dict(i=True), 'i is .True.'), (dict(i=1, name=3), "name is '3', not str")])
def test_a_field_of_another_type(d, says):
    with pytest.raises(BadFile, match=f'a.json.*{says}'): take_fields(d, {'i':(int,None), 'name?':(str,)}, 'a.json')

def test_fields_that_may_be_absent():
    for d in (dict(i=1), dict(i=None), dict(i=1, name='x', more=[])): take_fields(d, {'i':(int,None), 'name?':(str,)}, 'a.json')

# ---- tensors

WANT = {'a':('F32','N 3'), 'b?':('F32 F64','N')}

@pytest.fixture
def there(tmp_path): # name → tensor -> file
    def make(**tensors):
        save_file(tensors, tmp_path/'x.safetensors')
        return tmp_path/'x.safetensors'
    return make

def test_the_tensors_that_were_wanted(there):
    file = there(a=torch.ones(2,3), b=torch.zeros(2, dtype=torch.float64))
    assert header(file)==dict(a=('F32',(2,3)), b=('F64',(2,)))
    assert {k:v.tolist() for k,v in read_tensors(file, WANT).items()}==dict(a=[[1.]*3]*2, b=[0.,0.])
    assert [*read_tensors(there(a=torch.ones(2,3)), WANT, dict(N=(2,'config.json')))]==['a']

@pytest.mark.parametrize('tensors,says', [(dict(b=torch.zeros(2)), 'lacks a'), (dict(a=torch.ones(2,3), c=torch.ones(1)), r'holds c, \(1,\), which does not belong'),
    (dict(a=torch.ones(2,3).half()), 'a has type F16, not F32'), (dict(a=torch.ones(2,4)), r'a is \(2, 4\), not \(2, 3\)'), (dict(a=torch.ones(6)), r'a is \(6,\)'),
    (dict(a=torch.ones(2,3), b=torch.ones(3)), r'b is \(3,\), not \(2,\) with N=2 of a'), (dict(a=torch.full((2,3),float('nan'))), 'a holds numbers that are not finite')])
def test_other_tensors_are_named(there, tensors, says):
    with pytest.raises(BadFile, match=f'x.safetensors.*{says}'): read_tensors(there(**tensors), WANT)

def test_a_length_that_another_file_says(there):
    with pytest.raises(BadFile, match=r'a is \(2, 3\), not \(5, 3\) with N=5 of config.json'): read_tensors(there(a=torch.ones(2,3)), WANT, dict(N=(5,'config.json')))

def test_what_is_no_file_of_tensors(tmp_path):
    with pytest.raises(FileNotFoundError, match='x.safetensors is missing'): header(tmp_path/'x.safetensors')
    (tmp_path/'x.safetensors').write_bytes(b'not tensors at all')
    with pytest.raises(BadFile, match='x.safetensors cannot be read.*copy the checkpoint again'): header(tmp_path/'x.safetensors')

@pytest.mark.parametrize('name,value,says', [('w',float('nan'),'not finite'), ('w',float('inf'),'not finite'), ('units.low',float('nan'),'not finite'), ('net.sd',0.,'a width of 0'),
    ('std.s_std',-1.,'a width of -1'), ('net.scale',0.,'a width')])
def test_weights_that_cannot_act(name, value, says):
    with pytest.raises(BadFile, match=f'f: {name} .*{says}'): check_weights('f', {name:torch.tensor([1.,value])})

def test_weights_that_can():
    told = {'w':torch.zeros(2), 'units.low':torch.tensor([-float('inf')]), 'log_std':torch.tensor([-1.])}
    assert check_weights('f', told) is told
    with pytest.raises(BadFile, match='w has type torch.float64, not float32'): check_weights('f', dict(w=torch.zeros(2).double()))

# ---- memory

@pytest.mark.parametrize('kw', [{}, dict(D=64, heads=4, tokens=8), dict(M=4, transition=True), dict(enc=3, dec=2, length=True)], ids=str)
def test_a_model_is_as_large_as_it_is_said_to_be(kw):
    arch = Arch(3, 2, **kw)
    run = new_run(point_mass_data(3), arch, Fit(iterations=1))
    assert about(arch)==pytest.approx(sum(p.numel() for p in run.model.parameters()), rel=.05)

def test_too_large_a_model(monkeypatch):
    monkeypatch.setattr(schema, 'free_memory', lambda device: 10**6)
    with pytest.raises(ValueError, match=r'needs .* GB; 0.001 GB are free: choose smaller ones of D=\d+'): check_memory(Arch(3,2), 100)
    check_memory(Arch.tiny(3,2,D=8), 10)
    monkeypatch.setattr(schema, 'free_memory', lambda device: None) # nobody says
    check_memory(Arch(3,2), 10**12)
