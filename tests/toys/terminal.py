"What the tests of commands type, and a shelf of things to type it about."
import os, subprocess, sys
import h5py
import numpy as np
from safetensors.torch import load_file
from gac import cli, data
from gac.envs import point_mass_data

MINI = 'gac/hopper/medium-replay-mini-v0'
SMALL = [x for k in ('D=16','heads=2','tokens=1','enc=1','dec=1','batch=4','k=4','inner_steps=1','outer_steps=1') for x in ('--set',k)]
ALONE = [*SMALL, '--members', 1] # one training, not two side by side

def flat(path, tau, env=None):
    "Trajectories as a flat file; returns are paid at the end."
    r = np.zeros(len(tau.a), np.float32); end = np.zeros(len(r), bool)
    at = (tau.a_at+tau.n-1).numpy(); r[at] = tau.y; end[at] = True
    rows = np.arange(len(r))+np.repeat(np.arange(len(tau)), tau.n)
    with h5py.File(path,'w') as f:
        for k,v in dict(observations=tau.s[rows], next_observations=tau.s[rows+1], actions=tau.a, rewards=r, terminals=end, timeouts=~end&False).items(): f[k] = np.asarray(v)
        if env: f.attrs['env_id'] = env
    return path

def call(*args): # exit code
    try: cli.main([*map(str,args)])
    except SystemExit as e: return e.code or 0
    return 0

def quiet(*args): assert call(*args)==0

def shell(*args, **kw): return subprocess.run([sys.executable,'-m','gac',*map(str,args)], capture_output=True, text=True, **kw)

def tree(folder): return {str(p.relative_to(folder)):(p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob('*')) if p.is_file()}

def one_line(text): return text.startswith('gac: ') and text.count('\n')==1 and 'Traceback' not in text and len(text)>12

def weights(run): return load_file(run/'checkpoint'/'model.safetensors')|{f'q.{k}':v for k,v in load_file(run/'checkpoint'/'posteriors.safetensors').items()}

def refused(capsys, shelf, args, says):
    "Exit code 2, one line, nothing written."
    before, capsys_before = tree(shelf), capsys.readouterr()
    code = call(*args); err = capsys.readouterr().err
    notes, last = err.splitlines(True)[:-1], err.splitlines(True)[-1]
    assert code==2 and one_line(last) and len(notes)<3 and all(n.startswith('gac: ') and n.endswith(' is used\n') for n in notes), err
    for s in says: assert s in last, err
    assert tree(shelf)==before

def stocked(tmp_path_factory): # yields the folder: for a fixture
    "A flat file, the same without its environment, the same cut short, a run, and a slim checkpoint of it."
    d = tmp_path_factory.mktemp('shelf'); old = os.environ.get('GAC_CACHE'); os.environ['GAC_CACHE'] = str(tmp_path_factory.mktemp('cache'))
    tau = point_mass_data(16, seed=0)
    whole = flat(d/'whole.hdf5', tau, 'gac/PointMass-v0'); flat(d/'noenv.hdf5', tau)
    (d/'cut.hdf5').write_bytes(whole.read_bytes()[:3000])
    quiet('train', whole, '--out', d/'run', '--iterations', 5, *ALONE); quiet('slim', d/'run', d/'slim')
    yield d
    os.environ.pop('GAC_CACHE') if old is None else os.environ.update(GAC_CACHE=old)

def calm(monkeypatch):
    "No network, and no hook of the command line left in this process."
    monkeypatch.setattr(data, '_download', lambda name: None); monkeypatch.setattr(sys, 'excepthook', sys.excepthook)
