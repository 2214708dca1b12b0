"What is typed and listed for rivals, benches, exports, films, fetched files and single states."
from .commands import SEEDS, option, typed
from .harness import Case

NAME = 'rivals, benches, shared files'
BASELINE = ['baseline','TD3+BC','flat.hdf5','--out','b','--episodes',2,'--set','steps=2']
BENCH = ['bench','jobs.csv','--out','b']
EXPORT = ['export','run','--out','pi.pt','--steps',2]
FILM = ['film','run','--out','f.gif']
ASK = ['ask','run','--state','0 0 0']
HEAD = 'dataset,system,rewards,seed'
GOOD = 'flat.hdf5,TD3+BC,step,0'

def _baseline():
    yield from option(BASELINE, '--seed', *SEEDS)
    yield from option(BASELINE, '--env-seed', -1, 2**31, 'nan')
    yield from option(BASELINE, '--episodes', 0, -1, 'nan')
    yield from option(BASELINE, '--rewards', 'x', '')
    yield from option(BASELINE[:-2], '--set', 'steps=0', 'steps=-1', 'steps=nan', 'steps=1.5', 'nonsense=1', 'gamma=nan', 'gamma=2', 'gamma=-1', 'batch=0', 'lr=nan', 'lr=-1')
    for k,v in (('--device','nonesuch'), ('--env','NoSuch-v0'), ('--env','Hopper-v5'), ('--env-kwargs','{'), ('--env-kwargs','[1]'), ('--import','nosuchmodule')):
        yield f'baseline {k} {v}', typed(*BASELINE,k,v), (v.strip('{[1]') or 'env-kwargs|env_kwargs',)
    for v in ('x','nan','inf','-5 %','%'): yield f'baseline DT --target {v!r}', typed('baseline','DT','flat.hdf5','--out','b','--set','steps=2','--target',v), ('target',)
    yield 'baseline TD3+BC --target 3', typed(*BASELINE,'--target',3), ('target',)
    for name in ('nonesuch','','TD3','../TD3+BC'): yield f'baseline {name!r}', typed('baseline',name,'flat.hdf5','--out','b'), ('system',)
    for out in ('taken','taken/below','half','/proc/none'): yield f'baseline --out {out}', typed('baseline','TD3+BC','flat.hdf5','--out',out,'--set','steps=2'), ('taken|half|none',)
    yield 'baseline into a run of GAC', typed('baseline','TD3+BC','flat.hdf5','--out','run','--set','steps=2'), ('already holds a run of GAC',)
    yield 'baseline LPT --rewards step', typed('baseline','LPT','flat.hdf5','--out','b','--rewards','step'), ('reward',)
    yield 'baseline of nothing', typed('baseline','TD3+BC','nothing','--out','b'), ('nothing',)
    yield 'baseline of a run', typed('baseline','TD3+BC','run','--out','b'), ('run',)

def listed(text, *args): # a bench of such a list
    def make(room):
        for k in ('flat.hdf5','run'): room.copy(k)
        room.write('taken','mine')
        room.write('jobs.csv', text)
        return [*BENCH,*args]
    return make

def _lists():
    bad = dict(empty='', blank='\n\n', binary=b'\x00\xff\x89HDF\r\n', zeros=bytes(64), latin=HEAD.encode()+b'\nfl\xe4t,TD3+BC,step,0\n', no_head=GOOD+'\n', no_jobs=HEAD+'\n',
        quotes=HEAD+'\n"flat.hdf5,TD3+BC,step,0\n', more=f'{HEAD}\n{GOOD},9,9,9\n', fewer=f'{HEAD}\nflat.hdf5,TD3+BC\n', twice=f'{HEAD}\n{GOOD}\n{GOOD}\n', long=f'{HEAD},label\n{GOOD},{"x"*5000}\n',
        twice_named=f'{HEAD},seed\n{GOOD},1\n')
    for k,text in bad.items(): yield f'bench of a list: {k}', listed(text), ('jobs.csv',)
    for k in HEAD.split(','): yield f'bench of a list without {k}', listed('\n'.join(','.join(x for h,x in zip(HEAD.split(','), line.split(',')) if h!=k) for line in (HEAD,GOOD))), ('jobs.csv', k)
    lines = {'nothing,TD3+BC,step,0':'nothing', ',TD3+BC,step,0':'dataset|data set', 'run,TD3+BC,step,0':"no data set 'run'", 'flat.hdf5,nonesuch,step,0':'nonesuch', 'flat.hdf5,,step,0':'system', 'flat.hdf5,TD3+BC,nonesuch,0':'nonesuch',
        'flat.hdf5,LPT,step,0':'reward'}
    lines |= {f'flat.hdf5,TD3+BC,step,{s}':'seed' for s in ('x','-1','1.5','nan','',2**31)}
    for line,says in lines.items(): yield f'bench of the line {line}', listed(f'{HEAD}\n{GOOD}\n{line}\n'), ('line 3', says)
    for k,values in dict(set=('steps=0','nonsense=1','=','steps'), target=('3','x'), episodes=('0','-1','x','1.5'), env_seed=('-1','x'), stages=('x','-1'), env=('NoSuch-v0','Hopper-v5'),
        env_kwargs=('{','[1]'), colour=('red',)).items():
        for v in values: yield f'bench of a line with {k} {v}', listed(f'{HEAD},{k}\n{GOOD},{v}\n'), ('line 2|jobs.csv', 'steps|nonsense|=' if k=='set' else k.replace('_','.'))

def _bench():
    good = f'{HEAD},set\n{GOOD},steps=2\n'
    for k,v in (('--workers',0), ('--workers','x'), ('--table','../../up'), ('--cluster','nonesuch'), ('--minutes',0), ('--gpus',-1), ('--files','nothing'), ('--files','taken'), ('--device','nonesuch'), ('--import','nosuchmodule')):
        yield f'bench {k} {v}', listed(good,k,v), (k.strip('-') if isinstance(v,int) or v=='x' else v.split('/')[-1],)
    for out in ('taken','taken/below','/proc/none'): yield f'bench --out {out}', listed(good,'--out',out), ('taken|none',)
    for name in ('nothing','run',''): yield f'bench of {name!r}', typed('bench',name,'--out','b'), ('nothing|run|spec|list',)

def _share():
    for out in ('pi.txt','pi','taken/pi.pt','/proc/none.pt','run'): yield f'export --out {out}', typed(*EXPORT[:2],'--out',out,'--steps',2), (out.split('/')[-1],)
    for k,v in (('--question','nonesuch'), ('--to','nonesuch'), ('--acting','nonesuch'), ('--steps',0), ('--steps','nan'), ('--threads',0), ('--width','nan'), ('--lam','inf'), ('--target',3), ('--env','NoSuch-v0')):
        yield f'export {k} {v}', typed(*EXPORT,k,v), (k.strip('-') if not isinstance(v,str) or v in ('nan','inf') else v,)
    yield from option(EXPORT, '--seed', *SEEDS)
    for name in ('nothing','flat.hdf5','taken'): yield f'export of {name}', typed('export',name,'--out','pi.pt'), (name,)
    for out in ('f.txt','f','taken/f.gif','/proc/none.gif','run'): yield f'film --out {out}', typed('film','run','--out',out), (out.split('/')[-1],)
    for k,v in (('--question','nonesuch'), ('--acting','nonesuch'), ('--env','NoSuch-v0'), ('--with','nothing'), ('--with','flat.hdf5'), ('--with','taken'), ('--threads',0), ('--ask','nonsense=1'), ('--ask','=')):
        yield f'film {k} {v}', typed(*FILM,k,v), (k.strip('-') if not isinstance(v,str) else v.split('=')[0] or 'ask|=',)
    yield from option(FILM, '--seed', *SEEDS)
    for name in ('nothing','flat.hdf5'): yield f'film of {name}', typed('film',name,'--out','f.gif'), (name,)

def _fetch():
    for name in ('nothing','','../demo','/etc'): yield f'fetch {name!r}', typed('fetch',name), ('checkpoint',)
    for where in ('nothing','taken','flat.hdf5','run','ftp://127.0.0.1/x','http://127.0.0.1:9/x','https://127.0.0.1:9/x','nonesuch://y'):
        yield f'fetch --from {where}', typed('fetch','demo','--from',where), (where.split('/')[0].split(':')[0],)
    yield 'fetch --cache taken', typed('fetch','demo','--from','run','--cache','taken'), ('taken|run',)
    def changed(room):
        for k in ('config.json','history.json','model.safetensors','posteriors.safetensors'): room.write(f'release/demo-{k}', 'x'*707)
        for k in ('config.json','history.json','model.safetensors','posteriors.safetensors'): room.write(f'release/demo/{k}', 'x'*707)
        return ['fetch','demo','--from','release']
    yield 'fetch of files that were changed', changed, ('release|demo',)

def _ask():
    for v in ('','x','0 0','0 0 0 0','nan 0 0','inf 0 0','1e39 0 0','0 0 0]','{}','0;0;0'): yield f'ask --state {v!r}', typed('ask','run','--state',v), ('state',)
    for k,v in (('--question','nonesuch'), ('--acting','nonesuch'), ('--steps',0), ('--threads',0), ('--width','nan'), ('--target',3), ('--ask','nonsense=1')):
        yield f'ask {k} {v}', typed(*ASK,k,v), (k.strip('-') if not isinstance(v,str) or v=='nan' else v.split('=')[0],)
    yield from option(ASK, '--seed', *SEEDS)
    for name in ('nothing','flat.hdf5','taken'): yield f'ask of {name}', typed('ask',name,'--state','0 0 0'), (name,)
    for name in ('nothing','flat.hdf5','taken'): yield f'evaluate --with {name}', typed('evaluate','run','--with',name,'--episodes',2,'--out','a'), (name,)

def cases(rng):
    for make in (_baseline, _lists, _bench, _share, _fetch, _ask):
        for name,how,says in make(): yield Case(NAME, name, how, says, idle=True)
