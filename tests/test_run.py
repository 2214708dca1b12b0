"A run on disk: a checkpoint is whole or it is the older one, and what is missing, cut or foreign is named."
import json, os, pickle, subprocess, sys, time
import pytest
import torch
from gac import run as disk
from gac.core import DiskFull, generator
from gac.folder import Held, locked, standing
from gac.run import Fit, check_data, fingerprint, load_run, new_run, parsed, resumable, save_run
from gac.train import fit
from test_train import arch, data, go, numbers, same, small

def test_order_of_the_data_does_not_matter_for_identity():
    tau = data(6); run = go(tau); check_data(run, tau[torch.randperm(12, generator=generator(0))])
    assert fingerprint(tau)==fingerprint(tau[list(range(11,-1,-1))])!=fingerprint(tau[1:])

# ---- slim

@pytest.mark.parametrize('keep', [1,5,50])
def test_slim(keep, tmp_path):
    tau = data(7); run = go(tau, cfg=small(iterations=12)); save_run(run, tmp_path/'s', slim=True, keep=keep); slim = load_run(tmp_path/'s')
    assert len(slim.store)==min(keep,len(run.store)) and set(slim.store.row)<=set(run.store.row)
    best = [k for k in run.key[run.y.argsort(descending=True)].tolist() if k in run.store.row]
    assert set(best[:keep//2])<=set(slim.store.row)
    k = torch.tensor(list(slim.store.row)); assert torch.allclose(slim.store.get(k).mu, run.store.get(k).mu, atol=1e-2)
    assert all(torch.equal(v,slim.model.state_dict()[n]) for n,v in run.model.state_dict().items())
    assert torch.equal(slim.y,tau.y) and len(slim.history)==12 and not (tmp_path/'s'/'checkpoint'/'optimizer.safetensors').exists()
    assert slim.model.expected_return(slim.model.plan(tau.s0, torch.zeros(12,3,8))).isfinite().all() # it can be asked

def test_slim_cannot_be_resumed(tmp_path):
    tau = data(7); save_run(go(tau), tmp_path/'s', slim=True); slim = load_run(tmp_path/'s')
    with pytest.raises(ValueError, match='saved for sharing'): resumable(slim)
    with pytest.raises(ValueError, match='saved for sharing'): save_run(slim, tmp_path/'whole')
    assert not (tmp_path/'whole'/'checkpoint').exists()
    assert resumable(run:=go(tau)) is run

def test_slim_of_slim_and_of_nothing(tmp_path):
    tau = data(7); save_run(go(tau), tmp_path/'s', slim=True); slim = load_run(tmp_path/'s')
    save_run(slim, tmp_path/'t', slim=True, keep=3); assert len(load_run(tmp_path/'t').store)==3
    save_run(new_run(tau, arch(), small()), tmp_path/'n', slim=True); assert len(load_run(tmp_path/'n').store)==0

# ---- writes that fail

@pytest.mark.parametrize('call', [1,2,3,4])
def test_failed_write_leaves_the_older_checkpoint(call, tmp_path, monkeypatch):
    tau = data(8); run = go(tau, until=4, out=tmp_path/'run'); want = numbers(load_run(tmp_path/'run')); calls = []
    real = disk.save_file
    def full(d, path):
        calls.append(path)
        if len(calls)==call: real(d, path); path.write_bytes(path.read_bytes()[:20]); raise OSError('disk full')
        real(d, path)
    monkeypatch.setattr(disk, 'save_file', full)
    with pytest.raises(OSError, match='disk full'): fit(run, tau, out=tmp_path/'run', progress=False)
    monkeypatch.undo(); old = load_run(tmp_path/'run')
    assert old.i==4 and all(torch.equal(v,want[k]) for k,v in numbers(old).items()) and {p.name for p in (tmp_path/'run').iterdir()}=={'checkpoint'}
    fit(old, tau, progress=False); assert same(old, go(tau))

def test_failed_first_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*a): raise OSError('disk full')
    monkeypatch.setattr(disk, 'save_file', full)
    with pytest.raises(OSError): go(data(8), out=tmp_path/'run')
    assert not (tmp_path/'run').exists()
    with pytest.raises(FileNotFoundError, match='no checkpoint'): load_run(tmp_path/'run')

def test_a_full_disk_is_named_at_the_first_save_and_later(tmp_path, full_disk):
    tau, says = data(8), 'run/checkpoint cannot be written: File too large; make room on that disk'
    with full_disk(), pytest.raises(DiskFull, match=says): go(tau, out=tmp_path/'run')
    assert not (tmp_path/'run').exists()
    run = go(tau, until=4, out=tmp_path/'run'); want = numbers(load_run(tmp_path/'run'))
    with full_disk(), pytest.raises(DiskFull, match=says): fit(run, tau, out=tmp_path/'run', progress=False)
    assert all(torch.equal(v,want[k]) for k,v in numbers(load_run(tmp_path/'run')).items()) and {p.name for p in (tmp_path/'run').iterdir()}=={'checkpoint'}

def test_no_size_of_a_config_is_taken_on_trust(tmp_path):
    tau = data(8); go(tau, out=tmp_path/'run'); p = tmp_path/'run'/'checkpoint'/'config.json'
    os.truncate(p, 1<<40) # a terabyte, on no disk
    with pytest.raises(ValueError, match='config.json has 1099512 MB, more than such a file can have'): load_run(tmp_path/'run')
    assert standing(p.parent).mark==''
    with locked(tmp_path/'run'): pass

# ---- errors

def test_other_data():
    tau = data(9); run = go(tau, until=1)
    for other in (data(10), tau[:11]):
        with pytest.raises(ValueError, match=f'made from other data .made up, fingerprint {fingerprint(tau)}'): fit(run, other, progress=False)
    with pytest.raises(ValueError, match='data have S=3, A=2; the model was made for S=2, A=2'): fit(run, data(S=3), progress=False)
    assert run.i==1

def test_other_architecture(tmp_path):
    tau = data(9); go(tau, out=tmp_path/'run')
    with pytest.raises(ValueError, match=r"another architecture.*'D': \(8, 16\)"): load_run(tmp_path/'run', arch(D=16))
    with pytest.raises(ValueError, match=r"'transition': \(False, True\)"): load_run(tmp_path/'run', arch(transition=True))
    assert load_run(tmp_path/'run', arch()).i==8

def test_missing_checkpoint(tmp_path):
    for p in (tmp_path/'nothing', tmp_path):
        with pytest.raises(FileNotFoundError, match='no checkpoint in .*gac train'): load_run(p)

@pytest.mark.parametrize('name', ['model','posteriors','optimizer','rng'])
@pytest.mark.parametrize('how', ['cut','text','empty','gone'])
def test_corrupt_checkpoint(name, how, tmp_path):
    go(data(9), out=tmp_path/'run', until=1); p = tmp_path/'run'/'checkpoint'/f'{name}.safetensors'
    if how=='gone': p.unlink()
    else: p.write_bytes(dict(cut=p.read_bytes()[:-30], text=b'not tensors at all', empty=b'')[how])
    with pytest.raises((ValueError,FileNotFoundError), match=f'{name}.safetensors'): load_run(tmp_path/'run')

def test_corrupt_config(tmp_path):
    go(data(9), out=tmp_path/'run', until=1); p = tmp_path/'run'/'checkpoint'/'config.json'; p.write_text(p.read_text()[:40])
    with pytest.raises(ValueError, match='config.json'): load_run(tmp_path/'run')

def test_weights_of_another_size(tmp_path):
    go(data(9), out=tmp_path/'run', until=1); p = tmp_path/'run'/'checkpoint'/'config.json'; c = json.loads(p.read_text())
    c['arch']['D'] = 16; p.write_text(json.dumps(c))
    with pytest.raises(ValueError, match='model.safetensors: prior.index is .*another D than Arch.D=16 of config.json'): load_run(tmp_path/'run')

@pytest.mark.parametrize('N', [0,1])
def test_too_few_trajectories(N):
    with pytest.raises(ValueError, match=f'at least 2 trajectories; got {N}'): new_run(data()[list(range(N))] if N else data()[:0], arch(), small())

@pytest.mark.parametrize('kw,says', [*((dict([(k,0)]), f'Fit.{k}=0: must be at least 1') for k in ('iterations','batch','k','inner_steps','outer_steps')),
    *((dict([(k,v)]), f'Fit.{k}={v}: must be positive') for k in ('inner_lr','outer_lr','clip') for v in (0.,-1.,float('nan'))),
    (dict(state_noise=-.1), 'Fit.state_noise=-0.1: must not be negative'),
    (dict(draw='best'), "Fit.draw='best': choose 'uniform', 'sqrt', 'good' or 'elite'"),
    (dict(precision='float16'), "choose 'float32' or 'bfloat16'"), (dict(noise='pink'), "choose 'stream' or 'keyed'")])
def test_bad_fit(kw, says):
    with pytest.raises(ValueError, match=says): Fit(**kw)

# ---- somebody else's checkpoint

class Evil: # what a pickle may call
    def __init__(self, mark): self.mark = str(mark)
    def __reduce__(self): return os.mkdir, (self.mark,)

@pytest.mark.parametrize('file', ['posteriors/.metadata','model.safetensors','posteriors.safetensors','optimizer.safetensors','rng.safetensors','config.json','history.json'])
def test_no_pickle_is_loaded(file, tmp_path):
    go(data(9), out=tmp_path/'run', until=1)
    p = tmp_path/'run'/'checkpoint'/file
    p.parent.mkdir(exist_ok=True)
    p.write_bytes(pickle.dumps(Evil(tmp_path/'pwned')))
    with pytest.raises(ValueError, match=file.split('/')[0]): load_run(tmp_path/'run')
    assert not (tmp_path/'pwned').exists()
    pickle.loads(p.read_bytes()) # it would have
    assert (tmp_path/'pwned').exists()

def rewritten(tmp_path, path, value):
    go(data(9), out=tmp_path/'run', until=1)
    p = tmp_path/'run'/'checkpoint'/'config.json'
    whole = json.loads(p.read_text())
    *above, last = path.split('.')
    at = whole
    for k in above: at = at[k]
    at[last] = value
    p.write_text(json.dumps(whole))

NAN = float('nan')
@pytest.mark.parametrize('path,value', [('arch.D',10**9), ('arch.enc',10**6), ('arch.dec',10**6), ('arch.tokens',10**8), ('arch.S',10**9), ('arch.A',10**9), ('arch.M',10**9),
    ('arch.D','x'), ('arch.D',None), ('arch.sigma_y',float('inf')), ('arch.transition','maybe'), ('arch.eps',10**9), ('fit.inner_stop',NAN), ('fit.return_weight',NAN),
    ('fit.outer_lr',float('inf')), ('fit.seed',-1), ('fit.seed',2**31), ('fit.seed',1.5), ('fit.batch',None), ('fit.batch',2.5), ('fit.warm','maybe'), ('fit.more',1),
    ('format',99), ('format',None), ('i',-1), ('i',10**9), ('i',2.5), ('slim',3), ('meta',[]), ('meta.env',7), ('meta.fingerprint',None), ('parts',['x'])])
def test_a_field_is_named(path, value, tmp_path):
    rewritten(tmp_path, path, value)
    begun = time.monotonic()
    with pytest.raises(ValueError, match=rf"(?s)(config.json|model.safetensors).*\b{path.split('.')[-1]}\b"): load_run(tmp_path/'run')
    assert time.monotonic()-begun<5

@pytest.mark.parametrize('name,change,says', [('optimizer', lambda d: d['0.exp_avg'].fill_(NAN), '0.exp_avg holds numbers that are not finite'),
    ('optimizer', lambda d: d.pop('0.exp_avg'), 'lacks moments of parameter 0'), ('optimizer', lambda d: d.update(abc=torch.zeros(1)), 'holds abc'),
    ('posteriors', lambda d: d.update(phi=d['phi'][:-1]), 'phi is .* of key'), ('posteriors', lambda d: d.update(y=d['y'].cfloat()), 'y has type C64'),
    ('posteriors', lambda d: d['y_key'].fill_(3), 'y_key holds the same key twice'), ('model', lambda d: d['std.s_std'].fill_(0.), 'std.s_std must be positive')])
def test_a_tensor_is_named(name, change, says, tmp_path):
    from safetensors.torch import load_file, save_file
    go(data(9), out=tmp_path/'run', until=1)
    p = tmp_path/'run'/'checkpoint'/f'{name}.safetensors'
    d = {k:v.clone() for k,v in load_file(p).items()}
    change(d)
    save_file(d, p)
    with pytest.raises(ValueError, match=rf'{name}.safetensors.*{says}'): load_run(tmp_path/'run')

def test_a_model_beyond_memory():
    with pytest.raises(ValueError, match=r'parameters .* GB are free: choose smaller ones of D=1000000000'): new_run(data(), arch(D=10**9), small())

# ---- the user's folder

def test_other_files_stay(tmp_path):
    tau = data(3)
    run = go(tau, out=tmp_path/'run', until=2)
    mine = tmp_path/'run'/'checkpoint'/'answers'
    mine.mkdir()
    (mine/'best.csv').write_text('1,2')
    fit(run, tau, out=tmp_path/'run', progress=False)
    assert (mine/'best.csv').read_text()=='1,2' and load_run(tmp_path/'run').i==8
    assert {p.name for p in mine.parent.iterdir()}=={'answers','config.json','history.json','model.safetensors','posteriors.safetensors','optimizer.safetensors','rng.safetensors'}

def test_a_file_named_checkpoint_stays(tmp_path):
    (tmp_path/'checkpoint').write_text('mine')
    with pytest.raises(FileExistsError, match='is a file, not a checkpoint'): go(data(3), out=tmp_path)
    assert (tmp_path/'checkpoint').read_text()=='mine' and len(list(tmp_path.iterdir()))==1

def test_a_second_training_is_refused(tmp_path):
    code = 'import sys, time; from gac.folder import locked\nwith locked(sys.argv[1]): print(1, flush=True); time.sleep(60)'
    other = subprocess.Popen([sys.executable,'-c',code,str(tmp_path/'run')], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline()
        with pytest.raises(Held, match=f'process {other.pid} on'): go(data(3), out=tmp_path/'run')
    finally:
        other.kill()
        other.wait()
    go(data(3), out=tmp_path/'run', until=1)
    assert {p.name for p in (tmp_path/'run').iterdir()}=={'checkpoint'}

def test_a_field_that_may_be_none_is_read_from_text_as_its_type():
    fit, arch = parsed(['elite=5','eps=8','iterations=3'], 3, 2)
    assert (fit.elite,arch.eps,fit.iterations)==(5,8,3) and all(type(x) is int for x in (fit.elite,arch.eps,fit.iterations))
    for wrong in ('elite=a','eps=1.5','iterations=None'):
        with pytest.raises(ValueError, match=f"{wrong}: '.*' is not a int$"): parsed([wrong], 3, 2)

def test_a_file_that_is_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    "It may be there again when one looks: what the system said counts."
    import safetensors.torch
    from gac.schema import read_tensors
    safetensors.torch.save_file(dict(a=torch.zeros(2)), tmp_path/'x.safetensors')
    def gone(*args, **kw): raise RuntimeError('unable to open file <x> in read-only mode: No such file or directory (2)')
    monkeypatch.setattr(safetensors.torch, 'load_file', gone)
    with pytest.raises(FileNotFoundError, match='replaced while it was read'): read_tensors(tmp_path/'x.safetensors', dict(a=('F32','n')))
    def other(*args, **kw): raise RuntimeError('no memory')
    monkeypatch.setattr(safetensors.torch, 'load_file', other)
    with pytest.raises(RuntimeError, match='no memory'): read_tensors(tmp_path/'x.safetensors', dict(a=('F32','n')))
