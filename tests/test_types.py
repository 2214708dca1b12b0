"Every public function, method and property says its types: each parameter's, with None where that is the default, and what is returned."
import ast, importlib, inspect, pkgutil
from types import NoneType
from typing import Any, get_args, get_type_hints
import pytest
import gac, gac.api

MODULES = [m.name for m in pkgutil.walk_packages(gac.__path__, 'gac.') if m.name!='gac._modidx'] # which nbdev writes for itself

DUNDERS = ('__init__','__call__','__len__','__getitem__','__repr__','__post_init__')

def public(module):
    "Names and functions of what a module exports; of a class, its own methods, properties and what makes it, a dataclass by its fields."
    for n in getattr(module, '__all__', ()):
        x = getattr(module, n)
        if inspect.isfunction(inspect.unwrap(x)): yield n, inspect.unwrap(x)
        for k,v in vars(x).items() if inspect.isclass(x) else ():
            if k.startswith('_') and k not in DUNDERS: continue
            f = inspect.unwrap(next((getattr(v,a) for a in ('fget','func','__func__') if hasattr(v,a)), v))
            made = k!='__init__' and getattr(getattr(f,'__code__',None),'co_filename','')=='<string>' # by dataclass
            if inspect.isfunction(f) and f.__module__==x.__module__ and not made: yield f'{n}.{k}', f

def lacks(name, f):
    "What a function does not say; its types are read, so that a name which does not exist is an error."
    hints = get_type_hints(f)
    for k,p in inspect.signature(f).parameters.items():
        if k in ('self','cls'): continue
        if k not in hints: yield f'{name}: {k} has no type'
        elif p.default is None and hints[k] not in (Any,object) and NoneType not in get_args(hints[k]): yield f'{name}: {k} is not typed with None'
    if 'return' not in hints and not (name.endswith('.__init__') and len(hints)): yield f'{name}: no type of what is returned'
    if '.' not in name and not inspect.getdoc(f): yield f'{name}: no docstring'

@pytest.mark.parametrize('module', MODULES)
def test_public_functions_say_their_types(module):
    assert [x for n,f in public(importlib.import_module(module)) for x in lacks(n, f)]==[]

def test_what_is_missing_is_seen():
    def f(a, b:int=None, c:int|None=None, *d:int, e:Any=None, **kw): pass
    assert [*lacks('f', f)]==['f: a has no type', 'f: b is not typed with None', 'f: kw has no type', 'f: no type of what is returned', 'f: no docstring']
    found = dict(public(importlib.import_module('gac.bench')))
    assert {'bench','Job.__init__','Job.name','Task.__call__'}<=set(found) and len(MODULES)>50

def test_stub_takes_its_types_from_the_functions(root):
    names, version = ast.parse((root/'gac'/'__init__.pyi').read_text()).body
    assert names.module=='gac.api' and ast.unparse(version)=='__version__: str'
    assert {a.name for a in names.names}==set(gac._API)<=set(gac.api.__all__)
