"Folders that a command goes on with: of `gac online`, and journals and storages of `gac tune`."
import json
import sqlite3
import torch
from safetensors.torch import load_file, save_file
from .harness import Case
from .shelf import ASK, TRIAL

ONLINE, TUNE = 'online folders', 'journals and storages'
NAN = float('nan')
GO_ON = ['online','run','--dataset','flat.hdf5',*ASK,'--out','online']
HARMLESS = ('chunk: by another name', 'a trial of no study', 'a value for no trial') # may be read as if they were not there
CHUNK = 'stage-1/episodes/00000.safetensors'

def folder(change, args=GO_ON): # change(folder of an online run)
    def make(room):
        for k in ('flat.hdf5','run'): room.copy(k)
        change(room.copy('online'))
        return args
    return make

def chunk(change): # change(tensors of a chunk)
    def do(top):
        d = load_file(top/CHUNK)
        change(d)
        save_file({k:v.contiguous() for k,v in d.items()}, top/CHUNK)
    return folder(do)

def told(change): # change(what online.json says)
    def do(top):
        d = json.loads((top/'online.json').read_text())
        new = change(d)
        (top/'online.json').write_text(json.dumps(d if new is None else new))
    return folder(do)

def _chunks():
    for k in ('s','a','y','n','last','key','mu','lsd','predicted','target','offset','until'):
        yield f'chunk: {k} missing', chunk(lambda d, k=k: d.pop(k)), ('00000.safetensors',rf'\b{k}\b')
    for k in ('s','a','y','mu','predicted'): yield f'chunk: {k} is nan', chunk(lambda d, k=k: d[k].fill_(NAN)), ('00000.safetensors',rf'\b{k}\b')
    word = dict(s=r'\bs\b|states', a=r'\ba\b|actions') # by its letter, or in words
    for k in ('s','a','y','mu'):
        yield f'chunk: {k} one row short', chunk(lambda d, k=k: d.update({k:d[k][:-1]})), ('00000.safetensors',word.get(k,rf'\b{k}\b'))
    yield 'chunk: s of another width', chunk(lambda d: d.update(s=d['s'][:,:2])), ('00000.safetensors',r'\bs\b')
    yield 'chunk: a of another width', chunk(lambda d: d.update(a=d['a'][:,:1])), ('00000.safetensors',r'\ba\b')
    yield 'chunk: n negative', chunk(lambda d: d['n'].neg_()), ('00000.safetensors',r'\bn\b|-\d+ actions')
    yield 'chunk: until negative', chunk(lambda d: d['until'].fill_(-5)), ('00000.safetensors',r'\buntil\b')
    yield 'chunk: mu of another width', chunk(lambda d: d.update(mu=d['mu'][...,:-1])), ('00000.safetensors',r'\bmu\b')
    yield 'chunk: y complex', chunk(lambda d: d.update(y=d['y'].to(torch.complex64))), ('00000.safetensors',r'\by\b')
    yield 'chunk: n as float', chunk(lambda d: d.update(n=d['n'].float()+.5)), ('00000.safetensors',r'\bn\b')
    yield 'chunk: by another name', folder(lambda top: (top/CHUNK).rename((top/CHUNK).with_name('0x.safetensors'))), ('0x.safetensors',)

def _jsons():
    for k in ('settings','start','seed','i'): yield f'online.json: {k} missing', told(lambda d, k=k: [d.pop(k)] and None), ('online.json',rf'\b{k}\b')
    for what,v in dict(list=[], number=7, text='x', none={}).items(): yield f'online.json: a {what}', told(lambda d, v=v: v), ('online.json',)
    yield 'online.json: settings are a list', told(lambda d: d.update(settings=[])), ('online.json','settings')
    yield 'online.json: a setting too many', told(lambda d: d['settings'].update(nonsense=1)), ('online|nonsense',)
    yield 'online.json: other episodes', told(lambda d: d['settings'].update(episodes=7)), ('online','episodes')
    yield 'online.json: another start', told(lambda d: d.update(start='x')), ('online',)
    yield 'online.json: stages=nan', told(lambda d: d['settings'].update(stages=NAN)), ('online','stages')

def _rows():
    f = 'stage-1/rows-2.csv'
    def text(new): return folder(lambda top: (top/f).write_text(new((top/f).read_text())))
    yield 'rows: torn in the middle of a line', text(lambda t: t[:int(len(t)*.7)]), ('rows-2.csv',)
    yield 'rows: a line less', text(lambda t: ''.join(t.splitlines(True)[:-1])), ('rows-2.csv',)
    yield 'rows: the head alone', text(lambda t: t.splitlines(True)[0]), ('rows-2.csv',)
    yield 'rows: another table', text(lambda t: 'a,b\n1,2\n'), ('rows-2.csv',)
    yield 'rows: text for numbers', text(lambda t: t.replace('best','best').replace(t.splitlines()[1].split(',')[t.splitlines()[0].split(',').index('achieved')],'x')), ('rows-2.csv',)

def _stages():
    def files(top): return top/'stage-1'/'checkpoint'
    yield 'stage: config.json missing', folder(lambda top: (files(top)/'config.json').unlink()), ('config.json',)
    yield 'stage: model cut', folder(lambda top: (files(top)/'model.safetensors').write_bytes((files(top)/'model.safetensors').read_bytes()[:900])), ('model.safetensors',)
    yield 'stage: rng missing', folder(lambda top: (files(top)/'rng.safetensors').unlink()), ('rng.safetensors',)
    def config(**kw):
        def do(top):
            p = files(top)/'config.json'
            p.write_text(json.dumps(json.loads(p.read_text())|kw))
        return folder(do)
    yield 'stage: i=x', config(i='x'), ('config.json',)
    yield 'stage: meta without fingerprint', config(meta={}), ('config.json|fingerprint',)
    def replaced(top):
        import shutil
        shutil.rmtree(top/'stage-1')
        (top/'stage-1').write_text('mine')
    yield 'stage: a file', folder(replaced), ('stage-1',)

def journal(text, name='tune.log'): # text(what is there) -> bytes
    def make(room):
        room.copy('flat.hdf5')
        p = room.copy('tune')/name
        old = (room/'tune'/'tune.log').read_bytes()
        p.write_bytes(text(old))
        return ['tune','flat.hdf5',*TRIAL,'--study','s','--out','tune','--storage',f'tune/{name}']
    return make

def _line(pick, change): # change(record) of the line that pick(record) finds first
    def new(old):
        out, done = [], False
        for l in old.decode().splitlines():
            d = json.loads(l)
            if not done and pick(d): l, done = json.dumps(change(d)), True
            out.append(l)
        return ('\n'.join(out)+'\n').encode()
    return new

def _journals():
    foreign = dict(prose=b'Dear diary,\nnothing happened', csv=b'a,b\n1,2\n3,4', code=b'print("hello")\nprint("', json=b'{"a": 1}\n{"b": 2}', zeros=bytes(999), binary=bytes(range(256))*9, list=b'[1,2]\n[3', one=b'x',
        log=b'2024-01-01 INFO started\n2024-01-01 INFO', newline=b'\n\n\n', utf16='Dear diary'.encode('utf-16'))
    for what,text in foreign.items(): yield f'a foreign file: {what}', journal(lambda old, t=text: t, 'mine.log'), ('mine.log',)
    any_ = lambda d: True
    yield 'an unknown operation', journal(_line(any_, lambda d: d|dict(op_code=99))), ('tune.log',)
    yield 'no operation', journal(_line(any_, lambda d: {k:v for k,v in d.items() if k!='op_code'})), ('tune.log',)
    yield 'no worker', journal(_line(any_, lambda d: {k:v for k,v in d.items() if k!='worker_id'})), ('tune.log',)
    yield 'a record that is a list', journal(_line(any_, lambda d: [1])), ('tune.log',)
    yield 'a trial of no study', journal(lambda old: old+b'{"op_code": 4, "worker_id": "x", "study_id": 99}\n'), ('tune.log',)
    yield 'a value for no trial', journal(lambda old: old+b'{"op_code": 6, "worker_id": "x", "trial_id": 99, "state": 1, "values": [1.0]}\n'), ('tune.log',)
    yield 'junk in the middle', journal(lambda old: b'\n'.join(old.split(b'\n')[:3]+[b'{"op_code": ']+old.split(b'\n')[3:])), ('tune.log',)
    yield 'the first line gone', journal(lambda old: old.partition(b'\n')[2]), ('tune.log',)
    yield 'bytes that are no text', journal(lambda old: b'\xff\xfe'+old), ('tune.log',)
    attr = lambda d: 'user_attr' in d and 'search' in d['user_attr']
    yield 'a search that is a text', journal(_line(attr, lambda d: d|dict(user_attr=dict(search='x')))), ('tune.log','search|study')
    yield 'a search without fields', journal(_line(attr, lambda d: d|dict(user_attr=dict(search={'a':1})))), ('tune.log|study',)
    yield 'another search', journal(_line(attr, lambda d: d|dict(user_attr=dict(search=d['user_attr']['search']|dict(held=7))))), ('study','held')
    values = lambda d: 'values' in d and d['values']
    yield 'a value of nan', journal(_line(values, lambda d: d|dict(values=[NAN]))), ('tune.log|trial',)
    yield 'a value that is a text', journal(_line(values, lambda d: d|dict(values=['x']))), ('tune.log|trial',)

def _storages():
    args = ['tune','flat.hdf5',*TRIAL,'--study','s','--out','t','--storage']
    def at(where, do=lambda room: None):
        def make(room):
            room.copy('flat.hdf5')
            do(room)
            return [*args, where]
        return make
    def db(room):
        with sqlite3.connect(room/'mine.db') as c: c.execute('create table trials (a text)')
    yield 'SQLite of something else', at('sqlite:///mine.db', db), ('mine.db',)
    yield 'SQLite that is a text', at('sqlite:///mine.db', lambda room: room.write('mine.db','Dear diary')), ('mine.db',)
    yield 'SQLite in a folder that is not there', at('sqlite:///none/mine.db'), ('mine.db',)
    yield 'an unknown database', at('nosuch://x/y'), ('nosuch',)
    yield 'a database that cannot be reached', at('postgresql+psycopg://me:secret@127.0.0.1:1/x'), ('127.0.0.1',)
    yield 'a journal that is a folder', at('dir.log', lambda room: (room/'dir.log').mkdir()), ('dir.log',)
    yield 'a journal that is a link to itself', at('loop.log', lambda room: (room/'loop.log').symlink_to('loop.log')), ('loop.log',)
    yield 'a journal below a file', at('flat.hdf5/x.log'), ('x.log',)
    yield 'a journal that is a device', at('/dev/null/x.log'), ('x.log',)

def cases(rng):
    for make in (_chunks, _jsons, _rows, _stages):
        for name,how,says in make(): yield Case(ONLINE, name, how, says, 'either' if name in HARMLESS else 'refuse', idle=True)
    for make in (_journals, _storages):
        for name,how,says in make(): yield Case(TUNE, name, how, says, 'either' if name in HARMLESS else 'refuse', idle=True)
