"Environment variables that lead nowhere or say nothing."
from .harness import Case
from .shelf import ALONE

NAME = 'environment variables'

def runs(*args):
    def make(room):
        for k in ('flat.hdf5','run'): room.copy(k)
        room.write('taken','mine')
        return list(args)
    return make

def cases(rng):
    info, train = runs('info','flat.hdf5'), runs('train','flat.hdf5','--out','new','--iterations',2,*ALONE)
    shipped = runs('info','gac/nothing-v0')
    study = runs('tune','flat.hdf5','--out','t','--table','tune')
    for v in ('/nowhere','taken','/dev/null','\udcff'.encode('utf8','surrogateescape').decode('latin1')):
        yield Case(NAME, f'GAC_DATA={v!r}, a search that keeps its rows', study, ('GAC_DATA',), env=dict(GAC_DATA=v), idle=True)
        yield Case(NAME, f'GAC_DATA={v!r}, a shipped set', shipped, ('gac/nothing-v0',), env=dict(GAC_DATA=v))
        yield Case(NAME, f'GAC_DATA={v!r}, an own file', info, expect='accept', env=dict(GAC_DATA=v))
        yield Case(NAME, f'MINARI_DATASETS_PATH={v!r}, an own file', info, expect='accept', env=dict(MINARI_DATASETS_PATH=v))
        yield Case(NAME, f'MINARI_DATASETS_PATH={v!r}, a set by its id', runs('info','me/lane-v0'), ('me/lane-v0',), env=dict(MINARI_DATASETS_PATH=v))
        yield Case(NAME, f'GAC_CACHE={v!r}', info, expect='accept', env=dict(GAC_CACHE=v))
        yield Case(NAME, f'TMPDIR={v!r}', info, expect='accept', env=dict(TMPDIR=v))
    for k,v in (('HOME',None), ('HOME','/nowhere'), ('COLUMNS','abc'), ('COLUMNS','0'), ('LANG','C'), ('MUJOCO_GL','nonsense'), ('PYTHONHASHSEED','3'), ('TQDM_DISABLE','x')):
        yield Case(NAME, f'{k}={v}', info, expect='accept', env={k:v})
    for k,v in (('WORLD_SIZE','x'), ('WORLD_SIZE','-1'), ('RANK','x'), ('LOCAL_RANK','x'), ('LOCAL_RANK','0')):
        yield Case(NAME, f'{k}={v}', train, (k,) if v!='0' else ('RANK|WORLD_SIZE',), 'refuse' if k!='RANK' else 'either', env={k:v}, idle=True)
    yield Case(NAME, 'GAC_PATIENCE=x', train, ('GAC_PATIENCE',), env=dict(GAC_PATIENCE='x', LOCAL_RANK='0', RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT='0'), idle=True)
    for v in ('abc','0','-1','99999999999',''): yield Case(NAME, f'OMP_NUM_THREADS={v!r}', info, expect='either', env=dict(OMP_NUM_THREADS=v), real=True)
    yield Case(NAME, 'MPLBACKEND=nonsense', train, (), 'either', env=dict(MPLBACKEND='nonsense'), real=True)
