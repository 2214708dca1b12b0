"A JupyterLab of its own on a copy of the repository; one notebook at a time in headless Chromium."
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
import nbformat
import psutil

REPO = Path(__file__).resolve().parents[2]
CHROMIUM = next((p for n in ('chromium','chromium-browser','google-chrome') if (p := shutil.which(n))), None)
SETTINGS = { # all outputs stay in the page, so that each is drawn; each cell remembers when it began and ended
    '@jupyterlab/notebook-extension/tracker': dict(windowingMode='none', recordTiming=True),
    '@jupyterlab/apputils-extension/notification': dict(checkForUpdates=False, fetchNews='false')}

def git(*args, cwd): return subprocess.run(['git',*args], cwd=cwd, check=True, capture_output=True, text=True).stdout

def copied(to): # what git would commit, as it lies in the working tree, as a repository of its own
    "Nothing that runs there can change the clone, and what it changes is told by git."
    for name in git('ls-files','-z','--cached','--others','--exclude-standard', cwd=REPO).split('\0'):
        if not name or not (REPO/name).is_file(): continue
        (to/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO/name, to/name)
    git('init','-q', cwd=to)
    git('add','-A', cwd=to)
    git('-c','user.name=x','-c','user.email=x@x','commit','-q','-m','as it was', cwd=to)

def written(tree, but): # -> files that are not as they were, and git is set back
    "A notebook may change itself: outputs, counts, times."
    lines = git('status','--porcelain','-uall', cwd=tree).splitlines()
    git('checkout','-q','--','.', cwd=tree)
    git('clean','-fdq', cwd=tree)
    return sorted({l[3:] for l in lines}-{but})

WATCH = """def watch(): # nothing of it stays among the notebook's names
    import json, os, psutil
    from IPython import get_ipython
    begun, me = [], psutil.Process()
    def of(p):
        try: return sum(p.cpu_times()[:4]) # user, system, and of children that have ended
        except psutil.Error: return 0.
    def spent(): return of(me)+sum(map(of, me.children(recursive=True)))
    def before(info): begun[:] = [spent()]
    def after(result):
        if not begun: return
        with open(os.environ['CELLS_LOG'], 'a') as f: f.write(json.dumps(spent()-begun.pop())+'\\n')
    get_ipython().events.register('pre_run_cell', before)
    get_ipython().events.register('post_run_cell', after)
watch()
del watch
""" # a busy machine makes seconds longer, CPU seconds hardly

def environment(top, tree, **more): # its variables; more of them, or others
    "Nobody's own settings, caches and data sets; the kernel writes down what CPU time each cell took."
    startup = top/'ipython'/'profile_default'/'startup'/'00-watch.py'
    startup.parent.mkdir(parents=True)
    startup.write_text(WATCH)
    for key,s in SETTINGS.items():
        at = top/'settings'/f'{key}.jupyterlab-settings'
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(json.dumps(s))
    private = dict(JUPYTERLAB_SETTINGS_DIR='settings', JUPYTER_CONFIG_DIR='config', JUPYTERLAB_WORKSPACES_DIR='workspaces',
        JUPYTER_RUNTIME_DIR='runtime', IPYTHONDIR='ipython', GAC_CACHE='cache', MINARI_DATASETS_PATH='minari')
    keep = {k:v for k,v in os.environ.items() if k not in ('GAC_DATA','MPLBACKEND')}
    return keep|{k:str(top/v) for k,v in private.items()}|dict(PYTHONPATH=str(tree), OMP_NUM_THREADS='1', CELLS_LOG=str(top/'cells.log'))|more

@contextmanager
def lab(top, tree, **more): # folder of its own, folder of the notebooks, variables -> address, process
    with socket.socket() as s:
        s.bind(('127.0.0.1',0))
        port = s.getsockname()[1]
    words = ['--no-browser','--allow-root','--expose-app-in-browser',f'--port={port}','--IdentityProvider.token=t','--ServerApp.port_retries=0']
    with open(top/'lab.log','w') as log:
        p = subprocess.Popen([sys.executable,'-m','jupyterlab',*words], cwd=tree, env=environment(top, tree, **more), stdout=log, stderr=log, start_new_session=True)
        url = f'http://127.0.0.1:{port}'
        try:
            for _ in range(240):
                try: urllib.request.urlopen(f'{url}/api?token=t', timeout=2)
                except OSError: time.sleep(.5)
                else: break
            else: raise RuntimeError((top/'lab.log').read_text()[-2000:])
            yield url, p
        finally:
            os.killpg(p.pid, signal.SIGTERM) # the kernels too
            try: p.wait(20)
            except subprocess.TimeoutExpired: os.killpg(p.pid, signal.SIGKILL)

@contextmanager
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox','--disable-dev-shm-usage'])
        try: yield b
        finally: b.close()

def until(page, ask, limit, what): # until ask() says something
    end = time.monotonic()+limit
    while not (got := ask()):
        if time.monotonic()>end: raise TimeoutError(what)
        page.wait_for_timeout(500)
    return got

def sessions(page, url, path): return [s for s in page.request.get(f'{url}/api/sessions?token=t').json() if s['path']==path]

def ready(page, url, path): # JupyterLab's own sign says idle before there is a kernel
    return any(s['kernel']['connections'] and s['kernel']['execution_state']=='idle' for s in sessions(page, url, path))

STATE = """() => {
  const panel = jupyterapp.shell.currentWidget, codes = [...panel.content.model.cells].filter(c => c.type==='code' && c.sharedModel.getSource().trim());
  const kernel = panel.sessionContext.session?.kernel?.status, counted = codes.filter(c => c.executionCount!==null).length;
  const over = kernel==='idle' && !codes.some(c => c.executionState==='running');
  return {kernel, over: over && (counted===codes.length || codes.some(c => c.outputs.toJSON().some(o => o.output_type==='error')))};
}""" # outputs may be large: they are looked at only where cells are left over

def over(page): # every cell has its count, or one has failed and the rest are left
    s = page.evaluate(STATE)
    if s['kernel'] in ('dead','autorestarting','restarting'): raise RuntimeError(f"the kernel is {s['kernel']}")
    return s['over']

def cpu(process): # seconds of the kernels of a JupyterLab, so far
    out = 0.
    for p in process.children(recursive=True):
        try: out += sum(p.cpu_times()[:4])
        except psutil.NoSuchProcess: pass
    return out

def run_all(page, url, path, process, limit): # -> seconds, CPU seconds of its kernel
    "As a reader does it: open, Run > Run All Cells, wait."
    page.goto(f'{url}/lab/tree/{path}?token=t&reset', timeout=180_000)
    page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=180_000)
    dialog = page.locator('.jp-Dialog .jp-mod-accept') # JupyterLab asks for a kernel now and then
    page.add_locator_handler(dialog, lambda: dialog.click())
    until(page, lambda: ready(page, url, path), 180, f'{path}: no kernel')
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(state='attached', timeout=180_000)
    spent, begun = cpu(process), time.monotonic()
    page.get_by_role('menuitem', name='Run', exact=True).click()
    page.get_by_role('menuitem', name='Run All Cells', exact=True).click()
    until(page, lambda: over(page), limit, f'{path}: still running after {limit} s')
    took, spent = time.monotonic()-begun, cpu(process)-spent
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function('!jupyterapp.shell.currentWidget.context.model.dirty', timeout=60_000)
    return took, spent

def seconds(cell): # as the kernel's messages tell: busy to reply
    t = cell.metadata.get('execution', {})
    if not {'iopub.status.busy','shell.execute_reply'}<=t.keys(): return 0.
    from datetime import datetime
    at = lambda k: datetime.fromisoformat(t[k].replace('Z','+00:00'))
    return (at('shell.execute_reply')-at('iopub.status.busy')).total_seconds()

def told(file): # the notebook as JupyterLab saved it -> cells, slowest, its id, errors
    codes = [c for c in nbformat.read(file, 4).cells if c.cell_type=='code' and c.source.strip()]
    slow = max(codes, key=seconds)
    bad = [o for c in codes for o in c.outputs if o.output_type=='error']
    uncounted = [c.id for c in codes if c.execution_count is None]
    return dict(cells=len(codes), slowest=round(seconds(slow), 1), cell=slow.id, errors=len(bad)), bad, uncounted

def cpu_of_cells(log): # -> the most CPU seconds of a cell; the log is empty again
    most = max((float(l) for l in log.read_text().splitlines()), default=0.) if log.exists() else 0.
    log.unlink(missing_ok=True)
    return round(most, 1)

def stopped(page, url, path): # its kernel ended, so that the next notebook is alone
    for s in sessions(page, url, path): page.request.delete(f"{url}/api/sessions/{s['id']}?token=t")
