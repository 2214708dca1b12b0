"Options of the bench, what it measured, and the table at its end."
import os, sys
from pathlib import Path
import pandas as pd
import pytest
import torch
sys.path.insert(0, str(Path(__file__).parent))
from gac.core import data_root, set_threads
from gac.speed import machine, ratios, save_speed, time_to_target

def pytest_addoption(parser):
    g = parser.getgroup('speed')
    g.addoption('--device', default='cpu', help='cpu or cuda')
    g.addoption('--threads', default='1,2', help='numbers of threads, as 1,2')
    g.addoption('--budget', type=float, default=60., help='seconds of training for each plain way in `time to a target`')
    g.addoption('--rounds', type=int, default=5, help='the median is of so many')
    g.addoption('--small', action='store_true', help='tiny sizes, to see that all of it runs')
    g.addoption('--rows', default=None, help='file of rows; default: data/results/speed.csv')

ROWS, ROOFS = [], {}

def pytest_generate_tests(metafunc):
    if 'threads' in metafunc.fixturenames:
        asked = [int(t) for t in metafunc.config.getoption('threads').split(',')]
        most = os.cpu_count() or 1
        metafunc.parametrize('threads', [t for t in asked if t<=most] if metafunc.config.getoption('device')=='cpu' else [1], indirect=True)

@pytest.fixture
def threads(request): # a test without this argument runs on one thread
    set_threads(request.param); yield request.param
    set_threads(1)
@pytest.fixture
def device(request): return request.config.getoption('device')
@pytest.fixture
def small(request): return request.config.getoption('small')

@pytest.fixture
def roof(device, small):
    "Peak and bandwidth with the threads of this test, measured once, or again."
    def f(again=False):
        key = device, torch.get_num_threads()
        if again or key not in ROOFS: ROOFS[key] = machine(device, **(dict(sizes=(512,), mb=16, repeats=2) if small else {}))
        return ROOFS[key]
    return f

@pytest.fixture
def timed(benchmark, device, request):
    "Median seconds of a call."
    def f(call, rounds=None):
        def done():
            call()
            if device!='cpu': torch.cuda.synchronize()
        benchmark.pedantic(done, rounds=min(rounds or 99, request.config.getoption('rounds')), iterations=1, warmup_rounds=1)
        return benchmark.stats.stats.median
    return f

@pytest.fixture
def keep(request):
    "Keep a row, in the file at once: what is measured stays if the rest is interrupted."
    path = Path(request.config.getoption('rows') or data_root()/'results'/'speed.csv')
    def f(*rows): ROWS.extend(rows); save_speed(list(rows), path)
    return f

def pytest_terminal_summary(terminalreporter):
    if not ROWS: return
    d, say = pd.DataFrame(ROWS), terminalreporter.write_line
    with pd.option_context('display.width', 200, 'display.max_columns', 30, 'display.max_rows', 200):
        for (device,threads),m in ROOFS.items(): say(f"\n{m['device']}, threads {threads}: {m['peak_gflops']:.0f} GFLOP/s float32, {m['bandwidth_gbs']:.1f} GB/s")
        if (step := d.what.isin(['inner','outer','epoch'])).any(): say('\nsteps\n'+d[step].reindex(columns='what way arch N k threads seconds trajectories_per_second flops bytes floor_seconds share_of_peak'.split()).round(4).to_string(index=False))
        if 'ours' in set(d.way[d.what=='curve']): say('\nseconds to the same held-out ELBO\n'+time_to_target(d).round(2).to_string())
        for what in ('update by T','update by N','rollout'):
            if (d.what==what).any(): say(f'\n{what}\n'+d[d.what==what].reindex(columns='way N T seconds trajectories memory_mb'.split()).round(4).to_string(index=False))
        if {'plain','plain windows'}&set(d.way) and not (r := ratios(d)).empty: say('\ntimes as many trajectories per second\n'+r.round(1).to_string())
