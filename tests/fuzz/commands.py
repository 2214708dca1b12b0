"What is typed: options out of range, contradicting each other, folders that are files."
from .harness import Case
from .shelf import ALONE, SMALL, TRIAL

NAME = 'command line'
TRAIN = ['train','flat.hdf5','--out','new','--iterations',2]
ASK = ['evaluate','run','--episodes',2,'--out','answers']
ONLINE = ['online','run','--dataset','flat.hdf5','--episodes',4,'--stages',1,'--asked',0,'--set','iterations=2','--out','on']
TUNE = ['tune','flat.hdf5','--out','t','--trials',1,'--budget',1,'--held',2] # a budget that pays for a training: the option alone is wrong
IN_THE_WAY = {'taken/below':'taken'} # what a message has to name: the file, not what cannot be made below it
SEEDS = (-1, 2**31, 2**40, 'nan', 1.5, '')

def typed(*args):
    def make(room):
        for k in ('flat.hdf5','run','slim'): room.copy(k)
        room.write('taken','mine')
        room.write('half/checkpoint','mine')
        return list(args)
    return make

def option(base, name, *values): # one option of a command, each of its bad values
    for v in values: yield f'{base[0]} {name} {v}', typed(*base,name,v), (name.strip('-').replace('-','.') if name!='--set' else str(v).partition('=')[0],)

def settings(base): # of Fit and Arch
    for k in ('inner_lr','outer_lr','weight_decay','clip','inner_stop','return_weight'):
        yield from option(base, '--set', *(f'{k}={v}' for v in ('nan','inf','-1','x')))
    for k in ('batch','k','inner_steps','outer_steps','elite'): yield from option(base, '--set', *(f'{k}={v}' for v in (0,-1,'nan','1.5')))
    yield from option(base, '--set', 'D=1000000000', 'enc=1000000', 'dec=1000000', 'tokens=1000000000', 'M=1000000000', 'D=0', 'heads=0', 'heads=5', 'D=-16', 'tokens=0',
        'M=0', 'enc=0', 'sigma_y=nan', 'sigma_y=inf', 'sigma_y=0', 'draw=x', 'noise=x', 'precision=x', 'warm=2', 'seed=3.5', 'seed=-1', 'S=3', '=', 'batch', 'batch=')

def _train():
    base = [*TRAIN,*ALONE]
    yield from settings(TRAIN)
    yield from option(base, '--seed', *SEEDS)
    yield from option(['train','flat.hdf5','--out','new'], '--iterations', 0, -1, 'nan', 1.5, 10**30)
    yield from option(base, '--threads', 0, -1, 'nan', 10**9)
    yield from option(base, '--device', 'x', 'cuda:99', '')
    for out in ('taken','taken/below','half','/proc/none','/dev/null','run'):
        yield f'train --out {out!r}', typed('train','flat.hdf5','--out',out,'--iterations',2,*SMALL), (IN_THE_WAY.get(out,out),)
    yield 'train --tensorboard taken', typed(*base,'--tensorboard','taken'), ('taken|tensorboard',)
    yield 'train --resume of nothing', typed('train','flat.hdf5','--out','new','--resume'), ('new',)
    yield 'train --resume with --iterations', typed('train','flat.hdf5','--out','run','--resume','--iterations',9), ('iterations',)
    yield 'train --resume with another --seed', typed('train','flat.hdf5','--out','run','--resume','--seed',9), ('seed',)
    yield 'train --resume of a slim one', typed('train','flat.hdf5','--out','slim','--resume'), ('slim|shar',)
    yield 'train of a folder', typed('train','run','--out','new'), ('run',)
    yield 'train of nothing', typed('train','','--out','new'), ('data set|dataset',)
    yield 'train without --out', typed('train','flat.hdf5'), ('--out',)

def _evaluate():
    for k,values in {'--episodes':(0,-1,'nan'), '--seed':SEEDS, '--threads':(0,-1), '--workers':(0,-1,'x'), '--steps':(0,-1,'nan'),
        '--lam':('nan','inf',-1), '--width':('nan','inf',0,-1)}.items(): yield from option(ASK, k, *values)
    for q,k,values in (('improve','--quantile',(-1,0,1,2,'nan')), ('improve','--delta-y',('nan','inf',1e39)), ('target','--target',('nan','inf',1e39,-1e39))):
        for v in values: yield f'evaluate {k} {v}', typed(*ASK,'--question',q,k,v), (k.strip('-').replace('-','.'),)
    for k,v in (('--question','x'), ('--acting','x'), ('--device','x'), ('--env','NoSuch-v0'), ('--env','Hopper-v5'), ('--env','nosuchmodule:X-v0')):
        yield f'evaluate {k} {v}', typed(*ASK,k,v), (v.split(':')[0],)
    for q,k,v in (('best','--target',3), ('best','--quantile',.5), ('target','--lam',2), ('prior','--width',.5), ('prior','--acting','mu'), ('improve','--target',1)):
        yield f'evaluate {q} with {k}', typed(*ASK,'--question',q,k,v), (k,)
    for out in ('taken','taken/below','/proc/none','run/checkpoint'):
        yield f'evaluate --out {out}', typed('evaluate','run','--episodes',2,'--steps',2,'--out',out), (out,)
    yield 'evaluate of nothing', typed('evaluate','nothing'), ('nothing',)
    yield 'evaluate of a file', typed('evaluate','flat.hdf5'), ('flat.hdf5',)
    yield 'evaluate of a data set', typed('evaluate','taken'), ('taken',)

def _online():
    for k,values in {'--stages':(0,-1,'nan'), '--episodes':(0,-1), '--asked':(-1,'nan'), '--delta-y':('nan','inf'), '--quantile':(-1,0,1,2,'nan'), '--threads':(0,)}.items():
        yield from option(ONLINE, k, *values)
    for k,v in (('--strategy','x'), ('--fresh','x'), ('--elite','x'), ('--dataset','nothing'), ('--env','NoSuch-v0')): yield f'online {k} {v}', typed(*ONLINE,k,v), (v,)
    yield from option([*ONLINE], '--set', 'D=3', 'iterations=0', 'outer_lr=nan', 'batch=1,2', 'nonsense=1', 'inner_stop=nan')
    yield 'online --target nan', typed(*ONLINE,'--strategy','target','--target','nan'), ('target',)
    yield 'online control with --delta-y', typed(*ONLINE,'--strategy','control','--delta-y',1), ('delta-y',)
    for out in ('taken','taken/below','/proc/none','run/checkpoint'): yield f'online --out {out}', typed(*ONLINE[:-1],out), (out,)
    yield 'online of a slim run', typed('online','slim','--dataset','flat.hdf5'), ('slim|shar',)
    yield 'online --table into another folder', typed(*ONLINE,'--table','../../up'), ('table|up',)

def _tune():
    for k,values in {'--trials':(0,-1,'nan'), '--workers':(0,-1), '--budget':('nan','inf',0,-1), '--held':(0,1,-1,10**6), '--seed':SEEDS, '--threads':(0,-1)}.items():
        yield from option(TUNE, k, *values)
    for k,v in (('--phase','x'), ('--space','x'), ('--device','x'), ('--storage','x'), ('--storage','x.txt'), ('--storage','run'), ('--storage','sqlite:////proc/none/x.db'),
        ('--storage','taken/x.log'), ('--out','taken'), ('--run','nothing')): yield f'tune {k} {v}', typed(*TUNE,k,v), (v.split('/')[0] if not v.startswith('sql') else 'x.db|sqlite',)
    yield from option(TUNE, '--returns', 1, -1, 'nan', 10**9)
    yield from option(TUNE, '--set', 'D=x', 'nonsense=1', 'iterations=5', 'seed=1', 'clip=nan', 'sigma_y=nan')
    yield 'tune without data', typed('tune','--out','t'), ('dataset',)
    yield 'tune --table into another folder', typed(*TUNE,*TRIAL,'--table','../../up'), ('table|up',)

def _others():
    for out in ('taken','taken/below','run','/proc/none'): yield f'slim into {out}', typed('slim','run',out), (IN_THE_WAY.get(out,out),)
    yield from option(['slim','run','new'], '--keep', -1, 'nan', -10**9)
    compare = ['compare','flat.hdf5','--iterations',2,'--episodes',2,*SMALL]
    yield from option(compare, '--seed', *SEEDS)
    yield from option(compare, '--env-seed', -1, 2**31)
    yield from option(compare, '--episodes', 0, -1)
    yield 'compare --runs taken', typed(*compare,'--runs','taken'), ('taken',)
    yield 'compare --table into another folder', typed(*compare,'--table','../../up'), ('table|up',)
    demo = ['demo','--dataset','flat.hdf5','--out','d','--iterations',2]
    for k,values in {'--episodes':(0,-1), '--clone-steps':(-1,), '--threads':(0,), '--seed':(-1,2**31)}.items(): yield from option(demo, k, *values)
    yield 'demo --out taken', typed('demo','--dataset','flat.hdf5','--out','taken'), ('taken',)
    yield from option(['processes','flat.hdf5'], '--counts', '', '0,1', 'x', '2,3', '1,-2')
    yield from option(['processes','flat.hdf5'], '--repetitions', 0, -1)
    yield from option(['processes','flat.hdf5'], '--iterations', 0, -1)
    critic = ['critic','flat.hdf5','--iterations',2,*SMALL]
    for k,values in {'--held':(0,-1,10**6), '--starts':(0,-1), '--split':(-1,)}.items(): yield from option(critic if k=='--held' else [*critic,'--held',4], k, *values)
    yield from option(['lottery'], '--seeds', 0, -1)
    for v in ('nan',0,-1): yield f'odds --width {v}', typed('odds','--width',v), ('width|sigma_y',)
    yield from option(['odds','--width',1], '--seed', -1)
    submit = ['submit','flat.hdf5','--out','j','--cluster','local']
    for k,values in {'--nodes':(0,-1), '--per-node':(0,-1), '--minutes':(0,-1), '--gpus':(-1,)}.items(): yield from option(submit, k, *values)
    yield 'submit --cluster x', typed('submit','flat.hdf5','--out','j','--cluster','x'), ('cluster|x',)
    yield 'an unknown command', typed('trian'), ('trian',)
    yield 'an unknown option', typed('train','flat.hdf5','--out','new','--fast'), ('--fast',)
    yield 'info of nothing', typed('info',''), ('data set|dataset',)
    yield 'info of a device', typed('info','/dev/zero'), ('/dev/zero',)
    yield 'info with a byte of zero', typed('info','a\0b'), ('data set|dataset|byte|null|name',)
    yield 'info of a name of 5000 letters', typed('info','x'*5000), ('data set|dataset|name',)
    yield 'info of another line', typed('info','a\nb'), ('data set|dataset',)

def _closed(): # folders that cannot be read or written
    def shut(args, what, mode):
        def make(room):
            typed()(room)
            (room/what).mkdir(exist_ok=True)
            for p in sorted((room/what).rglob('*'), reverse=True)+[room/what]: p.chmod(mode if p.is_dir() else mode&0o444)
            return args
        return make
    small = ['--iterations',2,*SMALL]
    for name,args,what,mode in (('train into a read-only folder',['train','flat.hdf5','--out','shut/new',*small],'shut',0o555),
        ('evaluate into a read-only folder',['evaluate','run','--episodes',2,'--steps',2,'--out','shut/a'],'shut',0o555),
        ('evaluate beside a read-only run',['evaluate','run','--episodes',2,'--steps',2],'run',0o555),
        ('online into a read-only folder',[*ONLINE[:-1],'shut/on'],'shut',0o555), ('tune into a read-only folder',[*TUNE[:2],'--out','shut/t','--trials',1],'shut',0o555),
        ('slim into a read-only folder',['slim','run','shut/s'],'shut',0o555), ('resume of a read-only run',['train','flat.hdf5','--out','run','--resume'],'run',0o555),
        ('evaluate of an unreadable run',['evaluate','run'],'run',0o000), ('compare into a read-only folder',['compare','flat.hdf5','--runs','shut',*small],'shut',0o555)):
        yield name, shut(args,what,mode), ('shut|run',)
    def unreadable(room):
        room.copy('flat.hdf5').chmod(0)
        return ['info','flat.hdf5']
    yield 'info of an unreadable file', unreadable, ('flat.hdf5',)

def cases(rng):
    for make in (_train, _evaluate, _online, _tune, _others):
        for name,how,says in make(): yield Case(NAME, name, how, says, idle=True)
    for name,how,says in _closed(): yield Case(NAME, name, how, says, idle=True, user=True)
