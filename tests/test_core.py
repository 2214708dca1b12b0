"Sweeps of gac.core: what the notebook shows once, over many shapes, lengths and seeds."
from dataclasses import fields
import re
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from gac.core import (DiskFull, Posterior, Trajectories, cat, data_root, draw_steps, draw_windows, generator, make_keys, pick_device, set_seed,
                      set_threads, step_blocks, take, window_blocks, windows, writing)

seeds = pytest.mark.parametrize('seed', range(6))

def ragged(seed, N=7, S=3, A=2, longest=9):
    "Random episodes; every number in them is different, so a shifted row cannot go unnoticed."
    g = generator(seed)
    n = torch.randint(1, longest+1, (N,), generator=g)
    s, a = torch.randn(int(n.sum())+N, S, generator=g), torch.randn(int(n.sum()), A, generator=g)
    return Trajectories(s, a, torch.randn(N, generator=g), n, torch.rand(N, generator=g)>.5, 100+torch.randperm(N, generator=g))

def episodes(tau):
    "The slow way: a list of (s, a, y, n, last, key), one per trajectory."
    out, i, j = [], 0, 0
    for r,m in enumerate(tau.n.tolist()):
        out.append((tau.s[i:i+m+1].tolist(), tau.a[j:j+m].tolist(), tau.y[r].item(), m, tau.last[r].item(), tau.key[r].item()))
        i += m+1; j += m
    return out

def same(x, y): return all(torch.equal(getattr(x,f.name), getattr(y,f.name)) for f in fields(Trajectories))

# ---- Trajectories

@seeds
@pytest.mark.parametrize('N,S,A', [(1,1,1), (2,3,2), (9,4,1)])
def test_take_agrees_with_a_loop(seed, N, S, A):
    tau, g = ragged(seed, N, S, A), generator(seed+50)
    rows = torch.randperm(N, generator=g)[:max(1,N-1)].tolist()
    mask = torch.rand(N, generator=g)>.5
    every = episodes(tau)
    assert episodes(tau[rows])==[every[r] for r in rows]
    assert episodes(tau[torch.tensor(rows)])==[every[r] for r in rows]
    assert episodes(tau[mask])==[e for e,m in zip(every, mask) if m]
    assert episodes(tau[1:])==every[1:]
    assert episodes(tau[::2])==every[::2]
    assert episodes(tau[-1])==every[-1:]
    assert episodes(take(tau, mask.numpy()))==episodes(tau[mask])

@seeds
def test_cut_and_join_is_the_identity(seed):
    tau = ragged(seed)
    assert same(cat([tau[i] for i in range(len(tau))]), tau)
    assert same(cat([tau[:3], tau[3:]]), tau)
    back = torch.randperm(len(tau), generator=generator(seed))
    assert same(tau[back][back.argsort()], tau)

@seeds
def test_starts_and_initial_states(seed):
    tau = ragged(seed)
    assert tau.s0.tolist()==[e[0][0] for e in episodes(tau)]
    assert [tau.a[i].tolist() for i in tau.a_at]==[e[1][0] for e in episodes(tau)]

@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_take_keeps_dtypes(dtype):
    t = ragged(0); t = Trajectories(t.s.to(dtype), t.a.to(dtype), t.y.to(dtype), t.n, t.last, t.key)
    assert t[[1,0]].s.dtype==t[[1,0]].a.dtype==t[[1,0]].y.dtype==dtype and t[0].key.dtype==torch.int64

def test_take_nothing_leaves_nothing():
    none = ragged(0)[torch.zeros(7, dtype=torch.bool)]
    assert len(none)==0 and none.s.shape==(0,3) and none.a.shape==(0,2)

@pytest.mark.parametrize('name,cut,says', [('s',slice(None,-1),'states'), ('a',slice(1,None),'actions'),
    ('y',slice(1,None),'y needs'), ('last',slice(1,None),'last needs'), ('key',slice(1,None),'key needs')])
def test_misaligned_fields_are_refused(name, cut, says):
    tau = ragged(1)
    with pytest.raises(ValueError, match=says):
        Trajectories(**{f.name: getattr(tau,f.name)[cut] if f.name==name else getattr(tau,f.name) for f in fields(tau)})

def test_empty_episode_is_refused():
    with pytest.raises(ValueError, match='trajectory 1 has 0 actions'):
        Trajectories(torch.zeros(4,1), torch.zeros(2,1), torch.zeros(2), torch.tensor([2,0]), torch.ones(2,dtype=torch.bool), torch.arange(2))

def test_join_refuses_other_dims_and_repeated_keys():
    with pytest.raises(ValueError, match='different'): cat([ragged(0, S=3), ragged(0, S=4)])
    with pytest.raises(ValueError, match='2 duplicate keys'): cat([ragged(0), ragged(0)[:2]])

# ---- Windows

@pytest.mark.parametrize('M', [1,2,3,5,12])
@pytest.mark.parametrize('longest', [1,2,9])
def test_windows_agree_with_a_loop(M, longest):
    tau = ragged(M, longest=longest)
    g = generator(M)
    b = (torch.rand(len(tau), 5, generator=g)*(tau.n+M-1)[:,None]).long()+1-M
    b[:,0], b[:,1], b[:,2] = 1-M, tau.n-1, 0
    w = torch.rand(len(tau), 5, generator=g)
    win = windows(tau, b, w, M)
    assert win.s.shape==win.s1.shape==(len(tau),5,M,3) and win.a.shape==(len(tau),5,M,2) and torch.equal(win.n, tau.n)
    for i,(s,a,_,n,last,_) in enumerate(episodes(tau)):
        for j,start in enumerate(b[i].tolist()):
            steps = [t for t in range(start, start+M) if 0<=t<n]
            assert win.real[i,j].tolist()==[True]*len(steps)+[False]*(M-len(steps)) and len(steps)>=1
            for m,t in enumerate(steps):
                assert win.t[i,j,m]==t and win.s[i,j,m].tolist()==s[t] and win.a[i,j,m].tolist()==a[t]
                assert win.s1[i,j,m].tolist()==s[t+1]
                assert win.w[i,j,m]==w[i,j] and win.w1[i,j,m]==(w[i,j] if last or t<n-1 else 0)
            for x in (win.s,win.a,win.s1,win.w,win.w1): assert not x[i,j,len(steps):].any()

def weights(tau, win): # -> (Σn,) weight of every step
    at = (tau.a_at[:,None,None]+win.t)[win.real]
    return torch.zeros(len(tau.a), dtype=torch.float64).index_add(0, at, win.w[win.real].double())

@pytest.mark.parametrize('M', [1,2,5,12])
@pytest.mark.parametrize('size', [1,3,64])
def test_all_windows_weigh_every_step_once(M, size):
    tau = ragged(M, N=9, longest=9); got, seen = 0., torch.zeros(len(tau.a), M, dtype=torch.long)
    for rows,win in window_blocks(tau, M, size):
        part = tau[rows]; back = weights(part, win)
        at = torch.cat([torch.arange(int(tau.a_at[r]), int(tau.a_at[r]+tau.n[r])) for r in rows])
        got = got+torch.zeros(len(tau.a), dtype=torch.float64).index_add(0, at, back)
        where = win.real&(win.w>0); step = (tau.a_at[rows][:,None,None]+win.t)[where]; context = (win.t-win.t[...,:1])[where]
        seen.view(-1).index_add_(0, step*M+context, torch.ones_like(step))
    assert torch.allclose(got, torch.ones_like(got), atol=1e-6) # float32 weights of 1/M
    assert (seen.sum(1)==M).all() # M windows hold it
    t = torch.cat([torch.arange(m) for m in tau.n.tolist()])
    for c in range(M): # a context of c+1 steps once each, as long as there is a past of c steps; the rest see all there is
        assert torch.equal(seen[:,c], torch.where(t>c, 1, torch.where(t==c, M-c, 0)))

@pytest.mark.parametrize('M', [1,2,5,16])
@pytest.mark.parametrize('k', [1,3,8])
def test_drawn_windows_weigh_every_step_once_in_the_mean(M, k):
    "The first and the last M steps too; short episodes without chance."
    for n in (1,2,M,3*M+1):
        one = ragged(n, N=1, longest=1); draws = 20_000
        s, a = torch.zeros(n+1,3), torch.zeros(n,2)
        tau = Trajectories(s, a, one.y, torch.tensor([n]), torch.tensor([True]), one.key)
        each = draw_windows(tau[[0]*draws], k, M, generator(n*100+k))
        per = torch.zeros(draws, n, dtype=torch.float64)
        row = torch.arange(draws)[:,None,None].expand_as(each.t)
        per = per.index_put((row[each.real],each.t[each.real]), each.w[each.real].double(), accumulate=True)
        assert ((per.mean(0)-1).abs()<4.5*per.std(0)/draws**.5+1e-6).all(), (n,M,k)
        if n+M-1<=k: assert torch.allclose(per, torch.ones_like(per), atol=1e-6)

def test_windows_of_one_step_are_drawn_steps():
    tau = ragged(2, N=7, longest=30)
    win, (t,w) = draw_windows(tau, 5, 1, generator(3)), draw_steps(tau.n, 5, generator(3))
    assert torch.equal(win.t[...,0], t) and torch.equal(win.w[...,0], w) and win.real.all()
    assert torch.equal(win.s[...,0,:], tau.s[tau.s_at[:,None]+t]) and torch.equal(win.a[...,0,:], tau.a[tau.a_at[:,None]+t])

# ---- Steps

LENGTHS = [(3,5), (5,5), (6,5), (10,5), (11,5), (7,3), (100,7), (1,1), (1,4), (9,1)]

@pytest.mark.parametrize('n,k', LENGTHS)
def test_drawn_steps_are_inside_and_weigh_n(n, k):
    t,w = draw_steps(torch.full((500,),n), k, generator(0))
    assert t.shape==w.shape==(500,k) and t.min()>=0 and t.max()<n
    assert torch.allclose(w.sum(1), torch.full((500,),float(n)))
    if n<=k: assert (t[:,:n]==torch.arange(n)).all() and (w[:,n:]==0).all() and (w[:,:n]==1).all()

@pytest.mark.parametrize('n,k', LENGTHS)
def test_drawn_sum_has_the_exact_sum_as_mean(n, k):
    "First and last steps carry values of their own, so that an edge drawn too rarely shows."
    f = torch.linspace(-1, 1, n, dtype=torch.float64); f[-1] += 30; f[0] -= 50
    t,w = draw_steps(torch.full((40_000,),n), k, generator(n*100+k))
    sums = (f[t]*w).sum(1)
    error = (sums.std()/len(sums)**.5).item()
    assert abs(sums.mean()-f.sum())<4*error+1e-9, f'{sums.mean():.3f} against {f.sum():.3f} ± {error:.3f}'
    if n<=k: assert torch.allclose(sums, f.sum())

def test_drawn_steps_come_equally_often():
    n,k,N = 11,4,60_000
    t,_ = draw_steps(torch.full((N,),n), k, generator(5))
    share = t.flatten().bincount(minlength=n)/N
    assert (share-k/n).abs().max()<.01, share

def test_drawn_steps_of_mixed_lengths():
    n = torch.tensor([1,2,5,1000]).repeat(2000)
    t,w = draw_steps(n, 4, generator(0))
    assert (t>=0).all() and (t<n[:,None]).all() and torch.allclose(w.sum(1), n.float())
    assert (t[n==1000].diff(dim=1)>=0).all()

def test_drawn_steps_repeat_with_the_seed():
    n = torch.tensor([10,20,300])
    assert torch.equal(draw_steps(n, 4, generator(3))[0], draw_steps(n, 4, generator(3))[0])
    assert not torch.equal(draw_steps(n, 4, generator(3))[0], draw_steps(n, 4, generator(4))[0])

@pytest.mark.parametrize('size', [1,2,3,7,64])
@seeds
def test_blocks_cover_each_step_once(size, seed):
    n = ragged(seed, N=11, longest=20).n
    seen = [[0]*m for m in n.tolist()]
    for rows,t,w in step_blocks(n, size):
        assert t.shape==w.shape==(len(rows),size) and (t<n[rows][:,None]).all()
        for r,ts,ws in zip(rows.tolist(), t.tolist(), w.tolist()):
            for at,weight in zip(ts, ws): seen[r][at] += weight
    assert seen==[[1]*m for m in n.tolist()]

def test_blocks_and_all_drawn_steps_give_the_same_sum():
    tau = ragged(3)
    def total(t, w, rows): return (tau.a[tau.a_at[rows][:,None]+t].sum(-1)*w).sum()
    t,w = draw_steps(tau.n, int(tau.n.max()))
    by_block = sum(total(t,w,rows) for rows,t,w in step_blocks(tau.n, 4))
    assert torch.allclose(by_block, total(t, w, torch.arange(len(tau)))) and torch.allclose(by_block, tau.a.sum(), atol=1e-5)

# ---- Posterior

@seeds
def test_kl_agrees_with_torch_distributions(seed):
    g = generator(seed)
    q = Posterior(3*torch.randn(4,3,5,generator=g,dtype=torch.float64), torch.randn(4,3,5,generator=g,dtype=torch.float64))
    Normal = torch.distributions.Normal
    theirs = torch.distributions.kl_divergence(Normal(q.mu, q.lsd.exp()), Normal(torch.zeros_like(q.mu), torch.ones_like(q.mu)))
    assert torch.allclose(q.kl(), theirs.sum((1,2))) and (q.kl()>=0).all()
    assert torch.allclose(q[2:].kl(), q.kl()[2:])

def test_kl_has_the_right_gradient():
    mu, lsd = (torch.randn(2,2,3,dtype=torch.float64,requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda m,l: Posterior(m,l).kl(), (mu,lsd))

def test_samples_have_the_stated_moments():
    q = Posterior(torch.full((1,1,1),.7), torch.full((1,1,1),.3).log())
    x = q.at(torch.randn(200_000,1,1,generator=generator(0)))
    assert abs(x.mean()-.7)<.005 and abs(x.std()-.3)<.005

# ---- Keys

@seeds
def test_keys_follow_their_episode(seed):
    tau = ragged(seed)
    key, order = make_keys(tau.s, tau.a, tau.n), torch.randperm(len(tau), generator=generator(seed))
    moved = tau[order]
    assert torch.equal(make_keys(moved.s, moved.a, moved.n), key[order])
    assert len(key.unique())==len(tau) and (key>=0).all()

def test_keys_of_repeated_episodes_differ():
    tau = ragged(0); r = [0,1,0,0,2]
    again = tau[r]
    key = make_keys(again.s, again.a, again.n)
    assert len(key.unique())==len(r)
    assert torch.equal(key[[0,1,4]], make_keys(tau[:3].s, tau[:3].a, tau[:3].n))
    assert torch.equal(key, make_keys(again.s, again.a, again.n))

def test_keys_leave_out_the_final_state():
    tau = ragged(2); s = tau.s.clone()
    s[tau.s_at+tau.n] = 0.
    assert torch.equal(make_keys(s, tau.a, tau.n), make_keys(tau.s, tau.a, tau.n))
    a = tau.a.clone(); a[tau.a_at[3]] += 1
    assert (make_keys(tau.s, a, tau.n)!=make_keys(tau.s, tau.a, tau.n)).nonzero().flatten().tolist()==[3]

# ---- Seeds, threads, device

def test_seeds_repeat():
    import random
    import numpy as np
    def draw(): return random.random(), np.random.rand(), torch.rand(1).item()
    set_seed(7); first = draw()
    set_seed(7); assert draw()==first
    set_seed(8); assert draw()!=first
    set_seed(-1)

def test_generator_leaves_the_global_state_alone():
    set_seed(0); x = torch.rand(1)
    set_seed(0); torch.rand(5, generator=generator(3)); assert torch.equal(torch.rand(1), x)

@pytest.mark.parametrize('n', [0,-1])
def test_threads_are_at_least_one(n):
    with pytest.raises(ValueError, match=f'at least 1; got {n}'): set_threads(n)

def test_devices():
    assert pick_device('cpu')==torch.device('cpu')
    assert pick_device().type==('cuda' if torch.cuda.is_available() else 'cpu')

@pytest.mark.parametrize('name', ['gpu','','tpu:x','cuda:-2','cuda;0'])
def test_unknown_devices_are_named(name):
    with pytest.raises(ValueError, match=re.escape(repr(name))): pick_device(name)

@pytest.mark.parametrize('name', [f'cuda:{torch.cuda.device_count()}','cuda:63','mps','meta'])
def test_absent_devices_are_named(name):
    with pytest.raises(ValueError, match=f"'{name}' is not available"): pick_device(name)

# ---- Files

def test_writing_replaces_a_file_as_a_whole(tmp_path):
    f = tmp_path/'deep'/'note.txt'
    for text in ('one','two'):
        with writing(f) as t:
            assert t.parent==f.parent and t!=f
            t.write_text(text)
        assert f.read_text()==text and [p.name for p in f.parent.iterdir()]==['note.txt']

def test_writing_keeps_the_older_file_after_an_exception(tmp_path):
    f = tmp_path/'note.txt'; f.write_text('older')
    with pytest.raises(KeyboardInterrupt):
        with writing(f) as t: t.write_text('hal'); raise KeyboardInterrupt
    assert f.read_text()=='older' and list(tmp_path.iterdir())==[f]

def test_writing_leaves_no_half_a_file(tmp_path):
    with pytest.raises(RuntimeError):
        with writing(tmp_path/'new.pt') as t: t.write_text('hal'); raise RuntimeError
    assert not list(tmp_path.iterdir())

def test_writing_a_folder(tmp_path):
    d = tmp_path/'model'
    for text in ('one','two'):
        with writing(d, folder=True) as t: (t/f'{text}.txt').write_text(text)
        assert [p.name for p in d.iterdir()]==[f'{text}.txt'] and list(tmp_path.iterdir())==[d]

def test_writing_keeps_the_older_folder_after_an_exception(tmp_path):
    d = tmp_path/'model'; d.mkdir(); (d/'a.txt').write_text('older')
    with pytest.raises(RuntimeError):
        with writing(d, folder=True) as t: (t/'a.txt').write_text('hal'); raise RuntimeError
    assert (d/'a.txt').read_text()=='older' and list(tmp_path.iterdir())==[d]

def test_writing_stopped_between_two_renames_keeps_the_older_folder(tmp_path, monkeypatch):
    from pathlib import Path
    d = tmp_path/'model'; d.mkdir(); (d/'a.txt').write_text('older'); rename = Path.rename
    def stopped(self, to):
        if self.suffix=='.tmp': raise ConnectionError
        return rename(self, to)
    monkeypatch.setattr(Path, 'rename', stopped)
    with pytest.raises(ConnectionError):
        with writing(d, folder=True) as t: (t/'a.txt').write_text('newer')
    assert (d/'a.txt').read_text()=='older' and list(tmp_path.iterdir())==[d]

def test_writing_keeps_the_suffix(tmp_path):
    with writing(tmp_path/'x.safetensors') as t:
        assert t.suffix=='.safetensors'
        t.write_text('')

def by_h5py(f):
    with h5py.File(f, 'w') as h: h['a'] = np.zeros(9999)

@pytest.mark.parametrize('write', [lambda f: f.write_bytes(bytes(9999)), lambda f: save_file(dict(a=torch.zeros(999)), f), by_h5py,
    lambda f: pd.DataFrame(dict(a=range(999))).to_csv(f), lambda f: np.savez(f, a=np.zeros(999))], ids=['bytes','safetensors','hdf5','csv','npz'])
def test_a_full_disk_is_named_whoever_writes(write, tmp_path, full_disk):
    p = tmp_path/'x.npz'; p.write_text('older')
    with full_disk(), pytest.raises(DiskFull, match=f'^{p} cannot be written: File too large; make room'):
        with writing(p) as outer, writing(outer) as f: write(f)
    assert p.read_text()=='older' and [*tmp_path.iterdir()]==[p]

def test_other_errors_are_left_as_they_are(tmp_path):
    for e in (OSError(5,'Input/output error'), ValueError('No room')):
        with pytest.raises(type(e)) as got:
            with writing(tmp_path/'x'): raise e
        assert got.value is e

def test_the_first_to_arrive_stays(tmp_path):
    "Two folders of one name, written at once: the second one is an error."
    with pytest.raises(FileExistsError, match='x has been written by another process meanwhile, and is kept'):
        with writing(tmp_path/'x', folder=True, first=True) as slow:
            (slow/'a').write_text('slow'); (tmp_path/'x').mkdir(); (tmp_path/'x'/'a').write_text('fast')
    assert (tmp_path/'x'/'a').read_text()=='fast' and [*tmp_path.iterdir()]==[tmp_path/'x']

# ---- Data folder

def test_data_root_in_the_repository(monkeypatch, root):
    monkeypatch.delenv('GAC_DATA', raising=False)
    for d in (root, root/'nbs', root/'tests'):
        monkeypatch.chdir(d); assert data_root()==root/'data'

def test_data_root_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv('GAC_DATA', str(tmp_path)); assert data_root()==tmp_path
    monkeypatch.setenv('GAC_DATA', str(tmp_path/'absent'))
    with pytest.raises(FileNotFoundError, match='absent is not a folder'): data_root()

def test_data_root_missing(monkeypatch, tmp_path):
    import gac.core
    monkeypatch.delenv('GAC_DATA', raising=False)
    monkeypatch.chdir(tmp_path); monkeypatch.setattr(gac.core, '__file__', str(tmp_path/'lib'/'gac'/'core.py'))
    with pytest.raises(FileNotFoundError, match='set GAC_DATA'): data_root()
