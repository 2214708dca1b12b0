"The short way in: names that load late, checks before work, one robot step by step, a user's script that mypy accepts."
import subprocess, sys
from dataclasses import replace
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
import gac
from gac.core import Trajectories
from gac.envs import point_mass_data, random_policy, rollout
from gac.query import PlanPolicy
from gac.worlds import make_env

TINY = dict(members=1, iterations=2, batch=8, k=4, D=16, tokens=1, heads=2, enc=1, dec=1, device='cpu', progress=False)
SMALL = dict(steps=2, starts=2)

class Room(gym.Env):
    "Shows a dictionary, takes one of three; pays for the third."
    def __init__(self):
        self.observation_space = spaces.Dict(here=spaces.Box(-1, 1, (2,), np.float32), door=spaces.Discrete(3), lamps=spaces.MultiBinary(2))
        self.action_space = spaces.Discrete(3)
    def show(self): return dict(here=self.np_random.uniform(-1, 1, 2).astype(np.float32), door=1, lamps=np.array([0,1], np.int8))
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.show(), {}
    def step(self, a):
        assert self.action_space.contains(a), a
        return self.show(), float(a==2), False, False, {}

@pytest.fixture(scope='module')
def room():
    gym.register('lab/Room-v0', Room, max_episode_steps=6)
    yield 'lab/Room-v0'
    gym.registry.pop('lab/Room-v0')

@pytest.fixture(scope='module')
def lane(): return point_mass_data(8)

@pytest.fixture(scope='module')
def run(lane): return gac.train(lane, env='gac/PointMass-v0', **TINY)

def python(code, root, **kw): return subprocess.run([sys.executable,'-c',code], cwd=root, capture_output=True, text=True, check=True, **kw)

def test_import_is_quick_silent_and_loads_nothing(root):
    code = 'import sys, time; t = time.perf_counter(); import gac; print(time.perf_counter()-t<.5, sorted({"torch","numpy"}&{*sys.modules}), *dir(gac))'
    r = python(code, root)
    assert r.stdout.split()[:2]==['True','[]'] and r.stderr=='' and set(gac._API)<=set(r.stdout.split())

@pytest.mark.parametrize('code', [
    'import gac; f = gac.train; import gac.train; from gac.train import fit; assert gac.train is f and f.fit is fit and callable(f); from gac import api; assert gac.load is api.load',
    'import gac.critic as c, gac, pickle; from gac import train; assert callable(c) and gac.critic is c and pickle.loads(pickle.dumps(c.Belief)) is c.Belief and callable(train)'])
def test_names_hold_in_any_order_of_imports(code, root): python(code, root)

def test_stub_names_what_there_is(root):
    stub = (root/'gac'/'__init__.pyi').read_text()
    assert all(f'{n} as {n}' in stub for n in gac._API) and all(callable(getattr(gac, n)) for n in gac._API)
    with pytest.raises(AttributeError, match='nowhere'): gac.nowhere

def test_from_arrays_and_load_agree(lane, tmp_path):
    import h5py
    log = [dict(states=t.s.numpy(), actions=t.a.numpy(), **{'return':float(t.y)}) for t in (lane[i] for i in range(8))]
    assert gac.from_arrays(log).key.equal(lane.key)
    from gac.data import save
    assert gac.load(save(lane, 'me/lane/own-v0', None, root=tmp_path)).key.equal(lane.key)

@pytest.mark.parametrize('kw,error,says', [
    (dict(outer_rl=1.), ValueError, 'did you mean outer_lr'), (dict(S=4), ValueError, 'no such setting'), (dict(env='Hopper-v5'), ValueError, 'Hopper-v5 has S=11, A=3'),
    (dict(env='Nowhere-v0'), ValueError, 'cannot make environment'), (dict(env=Room), ValueError, 'gymnasium.register it'), (dict(resume=True), ValueError, 'by out='),
    (dict(device='tpu'), ValueError, 'tpu')])
def test_training_refuses_before_it_begins(lane, kw, error, says, monkeypatch, tmp_path):
    monkeypatch.setattr('gac.api.fit_members', lambda *a, **k: pytest.fail('work was begun'))
    with pytest.raises(error, match=says): gac.train(lane, **TINY|kw)

def spoilt(x, row, value=float('nan')):
    x = x.clone()
    x[row] = value
    return x

@pytest.mark.parametrize('change,says', [
    (lambda t: dict(a=spoilt(t.a,-1)), r'tau.a has NaN or inf in 1 of \d+ rows, first in row \d+, of trajectory 7: '), (lambda t: dict(s=spoilt(t.s,int(t.s_at[3]),float('inf'))), 'tau.s has .* of trajectory 3'),
    (lambda t: dict(y=spoilt(t.y,[2,5])), 'tau.y has NaN or inf in 2 of 8 rows, first in row 2, of trajectory 2'), (lambda t: dict(key=t.key*0), '7 keys of the trajectories come twice'),
    (lambda t: dict(s=t.s.double()), r'tau.s is torch.float64: make it tau.s.float\(\)'), (lambda t: dict(a=t.a.long()), 'tau.a is torch.int64')])
def test_numbers_that_are_none_are_named_by_field_and_row(lane, change, says, monkeypatch):
    monkeypatch.setattr('gac.api.fit_members', lambda *a, **k: pytest.fail('work was begun'))
    with pytest.raises(ValueError, match=f'train: {says}'): gac.train(replace(lane, **change(lane)), **TINY)

def test_a_critic_looks_at_states_and_actions_alone(lane):
    run = gac.train(lane, **TINY)
    with pytest.raises(ValueError, match='critic: tau.a has NaN or inf'): gac.critic(run, replace(lane, a=spoilt(lane.a,0)), steps=1)
    with pytest.raises(ValueError, match='critic: tau.s is torch.float64'): gac.critic(run, replace(lane, s=lane.s.double()), steps=1)
    unknown = replace(lane[[0,0,1]], y=torch.full((3,), float('nan')))
    assert gac.critic(run, unknown, steps=1).expected().isfinite().all()

def test_a_run_in_a_folder_goes_on(lane, tmp_path):
    gac.train(lane, out=tmp_path/'run', **TINY)
    with pytest.raises(FileExistsError, match='already holds a run'): gac.train(lane, out=tmp_path/'run', **TINY)
    with pytest.raises(ValueError, match='leave out iterations'): gac.train(lane, out=tmp_path/'run', resume=True, iterations=9)
    again = gac.train(lane, out=tmp_path/'run', resume=True, device='cpu', progress=False)
    assert again.i==2 and gac.critic(tmp_path/'run', lane[:1], steps=1).expected().shape==(1,)

def test_an_interrupted_training_is_kept(lane, tmp_path, monkeypatch):
    import os, signal
    real = gac.train.iterate
    def once(run, *args):
        os.kill(os.getpid(), signal.SIGINT)
        return real(run, *args)
    monkeypatch.setattr(gac.train, 'iterate', once)
    before = signal.signal(signal.SIGINT, signal.default_int_handler) # a parent in the background may have it ignored
    try:
        with pytest.raises(KeyboardInterrupt, match='resume=True'):
            gac.train(lane, out=tmp_path/'run', **TINY|dict(iterations=5))
    finally: signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(gac.train, 'iterate', real)
    assert gac.load_run(tmp_path/'run').i==1 and gac.train(lane, out=tmp_path/'run', resume=True, device='cpu', progress=False).i==5

@pytest.mark.parametrize('ask', [lambda *a, **k: gac.evaluate(*a, n=1, **k), gac.policy])
def test_questions_are_checked(run, ask):
    with pytest.raises(ValueError, match='unknown question .worst.'): ask(run, 'worst')
    with pytest.raises(ValueError, match="target=3.*'best' does not look at it"): ask(run, 'best', target=3.)
    with pytest.raises(ValueError, match="steps=3: 'prior' does not look"): ask(run, 'prior', steps=3)

@pytest.mark.parametrize('question', ['prior','target','improve','best'])
def test_one_robot_does_what_a_rollout_does(run, question):
    put = {} if question=='prior' else SMALL
    row = gac.evaluate(run, question, n=1, seed=3, **put)
    pi, env = gac.policy(run, question, seed=3, **put), make_env('gac/PointMass-v0')
    s, _ = env.reset(seed=3)
    pi.reset(s)
    total, over = 0., False
    while not over:
        s, r, fell, out, _ = env.step(pi.act(s))
        total, over = total+r, fell or out
    assert total==pytest.approx(row.achieved[0], abs=.01) and pi.predicted==pytest.approx(row.predicted[0], abs=.01)

def test_a_robot_is_planned_for_first_and_shows_finite_states(run):
    pi = gac.policy(run, **SMALL)
    with pytest.raises(ValueError, match='plan first'): pi.act(np.zeros(3))
    for bad in (np.zeros(2), [np.nan,0,0], np.zeros((1,3)), None):
        with pytest.raises((ValueError,TypeError)): pi.reset(bad)
    pi.reset([0.,0.,0.])
    a = pi.act(np.zeros(3))
    assert a.dtype==np.float32 and a.shape==(2,) and np.abs(a).max()<=1

@pytest.mark.parametrize('M', [1,3])
def test_dictionaries_in_whole_numbers_out(room, M):
    tau = rollout(room, random_policy(room), 8)
    run = gac.train(tau, env=room, M=M, **TINY)
    assert run.meta['env']==room and tau.s.shape[1]==7 and set(tau.a.unique().tolist())=={0.,1.}
    pi, env = gac.policy(run, **SMALL), gym.make(room)
    s, _ = env.reset(seed=0)
    pi.reset(s)
    for _ in range(6): s, *_ = env.step(pi.act(s))
    with pytest.raises(ValueError, match='is not of Dict'): pi.act(dict(here=np.zeros(2)))
    assert len(gac.evaluate(run, n=2, **SMALL))==2

def test_what_is_remembered_is_what_was_executed(room, monkeypatch):
    "With actions as context, the model sees the whole number that was taken, as in the data."
    tau, seen = rollout(room, random_policy(room), 8), []
    run = gac.train(tau, env=room, M=3, **TINY)
    acted = PlanPolicy.executed
    monkeypatch.setattr(PlanPolicy, 'executed', lambda self, a: (seen.append(a.clone()), acted(self, a))[1])
    gac.evaluate(run, n=1, **SMALL)
    last = torch.cat(seen[1::2]) # after each action of the model comes what the environment made of it
    assert len(last)==6 and last.sum(1).eq(1).all() and set(last.unique().tolist())=={0.,1.}

def test_logs_without_a_simulator(lane, monkeypatch):
    monkeypatch.setattr(gym, 'make', lambda *a, **k: pytest.fail('an environment was made'))
    run = gac.train(lane, **TINY)
    pi = gac.policy(run, **SMALL)
    pi.reset(lane.s0[0].numpy())
    assert pi.act(lane.s0[0].numpy()).shape==(2,) and np.isfinite(pi.predicted)
    assert gac.critic(run, lane[:2], steps=1).expected().shape==(2,)
    with pytest.raises(ValueError, match='names no environment'): gac.evaluate(run)

def test_the_critic_takes_trajectories_that_fit(run):
    odd = Trajectories(torch.zeros(3,4), torch.zeros(2,2), torch.zeros(1), torch.tensor([2]), torch.tensor([True]), torch.tensor([1]))
    with pytest.raises(ValueError, match='S=4, A=2; the model was made for S=3'): gac.critic(run, odd)

@pytest.fixture(scope='module')
def mypy(root, tmp_path_factory):
    api, cache = pytest.importorskip('mypy.api'), tmp_path_factory.mktemp('mypy')
    return lambda script: api.run(['--config-file',str(root/'tests'/'users'/'mypy.ini'), '--cache-dir',str(cache), str(script)])

def test_a_users_script_is_typed(root, mypy, tmp_path):
    said, errors, code = mypy(root/'tests'/'users'/'script.py')
    assert code==0, said+errors
    (tmp_path/'wrong.py').write_text('import gac\nx: int = gac.load("a")\ngac.policy(3)\n')
    said, _, code = mypy(tmp_path/'wrong.py')
    assert code==1 and said.count('error:')==2, said # a test that cannot fail would prove nothing

def test_a_users_script_runs(root, lane, tmp_path, monkeypatch, capsys):
    import runpy
    from gac.data import save
    at = save(lane, 'me/lane/own-v0', None, root=tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['script.py', str(at), 'gac/PointMass-v0'])
    runpy.run_path(str(root/'tests'/'users'/'script.py'), run_name='__main__')
    assert 'predicted' in capsys.readouterr().out and (tmp_path/'kept'/'checkpoint').is_dir()

@pytest.mark.parametrize('given', ['me/robot/first-v0', [1,2], None])
def test_what_is_not_trajectories_is_named(given):
    with pytest.raises(TypeError, match=r'train\(.*trajectories are needed, as gac.load'): gac.train(given, iterations=1)

def test_help_and_signature_are_those_of_the_function():
    import inspect
    assert {'tau','env','out'}<=set(inspect.signature(gac.train).parameters)
    assert 'tau' in inspect.signature(gac.critic).parameters and 'help(gac.api.train)' in gac.train.__doc__

# ---- arguments of another type: one error that names function, argument, value and what is needed

def wrong(says, f, *args, **kw):
    with pytest.raises(ValueError) as e: f(*args, **kw)
    assert says in str(e.value) and '\n' not in str(e.value), str(e.value)

@pytest.mark.parametrize('name', [None, 3, ['a'], b'x', {}])
def test_what_is_no_name_of_a_set(name): wrong(f'load(name={name!r}): the name of a file', gac.load, name)

EP = dict(states=np.zeros((3,2)), actions=np.zeros((2,1)), rewards=np.zeros(2))
@pytest.mark.parametrize('args,says', [((None,), 'states=None'), ((3,), 'states=3'), (('abc',), "states='abc'"), ((EP,), "states={'states'"), (([EP['states']],5), 'actions=5'),
    ((None,[EP['actions']]), 'states=None'), (([EP],None,[1.]), 'belong beside actions'), (([EP],None,None,[1.]), 'belong beside actions'), ((lambda: 3,), 'states=3')])
def test_what_is_no_list_of_episodes(args, says): wrong(says, gac.from_arrays, *args)

@pytest.mark.parametrize('kw,says', [(dict(name=None), 'train(name=None): a text'), (dict(out=3), 'train(out=3): a path'), (dict(resume='no'), "train(resume='no'): True or False"), (dict(device=1.5), 'unknown device 1.5'),
    (dict(env=3), 'env=3'), (dict(reference=3), 'reference'), (dict(iterations='a'), "Fit.iterations='a'"), (dict(batch=None), 'Fit.batch=None'), (dict(seed=1.5), 'Fit.seed=1.5'), (dict(D='16'), "Arch.D='16': must be at least 1, a whole number"),
    (dict(D=16.), 'Arch.D=16.0'), (dict(eps='x'), "Arch.E='x'"), (dict(sigma_y='x'), "Arch.sigma_y='x': must be a number")])
def test_train_of_wrong_types(lane, kw, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong(says, gac.train, lane, **(TINY|kw))
    assert not any(tmp_path.iterdir())

@pytest.mark.parametrize('kw,says', [(dict(n='a'), "n='a'): a whole number from 1"), (dict(n=0), 'n=0'), (dict(n=2.), 'n=2.0'), (dict(n=True), 'n=True'), (dict(seed=1.5), 'seed=1.5'), (dict(seed=-1), 'seed=-1'), (dict(question=None), 'question=None): a text'),
    (dict(question=['best']), "question=['best']"), (dict(acting=['mu']), "acting=['mu']): a text or None"), (dict(workers='2'), "workers='2'): a whole number from 1 to 256"), (dict(lam='x'), "Ask.lam='x'"), (dict(steps=1.5), 'Ask.steps=1.5')])
def test_evaluate_of_wrong_types(run, kw, says): wrong(says, gac.evaluate, run, **kw)

@pytest.mark.parametrize('given', [None, 3, {}])
def test_what_is_no_run(lane, given, tmp_path):
    for f,args in ((gac.evaluate,()), (gac.policy,()), (gac.critic,(lane,))): wrong(f'(run={given!r}): a path, as a text, is needed, or a run itself', f, given, *args)
    for f in (gac.evaluate, gac.policy): wrong(f'(run={given!r}): a path', f, [given])
    wrong(f'(run={[given]!r}): a path', gac.critic, [given], lane)
    for given in (given, [given]): wrong(f'load_run(out={given!r}): a path', gac.load_run, given)
    wrong('is no run: gac.load_run(out) reads one', gac.save_run, given, tmp_path/'r')
    wrong('(run=Trajectories(', gac.evaluate, lane)

def test_a_run_is_saved_in_a_folder(run): wrong('save_run(out=3): a path', gac.save_run, run, 3)

@pytest.mark.parametrize('kw,says', [(dict(steps='a'), "critic(steps='a'): a whole number"), (dict(stepz=1), 'did you mean steps'), (dict(lr=None), 'critic(lr=None): a number'), (dict(starts=1.5), 'critic(starts=1.5)'), (dict(widen=0), 'critic(widen=0)'),
    (dict(gen=3), 'critic(gen=3): a torch.Generator'), (dict(ended=3), 'critic(ended=3): a tensor of 8 bool'), (dict(ended=[True]*8), 'a tensor of 8 bool'), (dict(ended=torch.ones(3,dtype=torch.bool)), 'a tensor of 8 bool')])
def test_critic_of_wrong_types(run, lane, kw, says): wrong(says, gac.critic, run, lane, **kw)

@pytest.mark.parametrize('s', [None, 'a', [1,2], {'a':1}, np.zeros(3,complex), [1,'a',2], [1,None,2]])
def test_what_is_no_state(run, s):
    pi = gac.policy(run, **SMALL)
    wrong('S=3 finite numbers are needed', pi.reset, s)
    pi.reset(torch.zeros(3))
    wrong('S=3 finite numbers are needed', pi.act, s)
