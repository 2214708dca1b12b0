"The widgets in JupyterLab itself: a headless Chromium runs the notebook, moves a slider, and looks."
import json, os, shutil, socket, subprocess, sys, time, urllib.request
from pathlib import Path
import pytest

CHROMIUM = next((p for n in ('chromium','chromium-browser','google-chrome') if (p := shutil.which(n))), None)
playwright = pytest.importorskip('playwright.sync_api', reason='playwright is a developer requirement')
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no Chromium here (Debian: apt install chromium)')
ROOT = Path(__file__).resolve().parents[1]

@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "A JupyterLab on copies of the notebooks with widgets, and its address."
    top = tmp_path_factory.mktemp('lab')
    shutil.copy(ROOT/'nbs'/'07d_explorer.ipynb', top)
    nb = json.loads((ROOT/'nbs'/'06_lottery.ipynb').read_text()) # definitions and panel only: the rest of it trains for half a minute
    def wanted(src): return src.startswith('#| export') or src.startswith('#| hide\nimport mat') or 'panel(' in src
    nb['cells'] = [c for c in nb['cells'] if c['cell_type']=='code' and wanted(''.join(c['source']))]
    (top/'06_lottery.ipynb').write_text(json.dumps(nb))
    tracker = top/'settings'/'@jupyterlab'/'notebook-extension'/'tracker.jupyterlab-settings'
    tracker.parent.mkdir(parents=True); tracker.write_text('{"windowingMode": "none"}') # all outputs stay in the page
    with socket.socket() as s: s.bind(('127.0.0.1',0)); port = s.getsockname()[1]
    env = os.environ|dict(GAC_DATA=str(ROOT/'data'), PYTHONPATH=str(ROOT), JUPYTERLAB_SETTINGS_DIR=str(top/'settings'), JUPYTER_CONFIG_DIR=str(top/'config'),
        JUPYTERLAB_WORKSPACES_DIR=str(top/'workspaces'), JUPYTER_RUNTIME_DIR=str(top/'runtime'), IPYTHONDIR=str(top/'ipython'), OMP_NUM_THREADS='1')
    log = open(top/'lab.log','w')
    p = subprocess.Popen([sys.executable,'-m','jupyterlab','--no-browser','--allow-root',f'--port={port}','--IdentityProvider.token=t','--ServerApp.port_retries=0'],
        cwd=top, env=env, stdout=log, stderr=log)
    url = f'http://127.0.0.1:{port}'
    for _ in range(120):
        try: urllib.request.urlopen(f'{url}/api?token=t', timeout=2); break
        except OSError: time.sleep(.5)
    else: p.kill(); pytest.fail((top/'lab.log').read_text()[-2000:])
    yield url
    p.terminate(); p.wait(20); log.close()

@pytest.fixture(scope='module')
def browser():
    with playwright.sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox','--disable-dev-shm-usage'])
        yield b
        b.close()

@pytest.mark.parametrize('name,slider', [('06_lottery','σ_y'), ('07d_explorer','λ')])
def test_a_slider_changes_picture_and_readout(lab, browser, name, slider):
    page, errors = browser.new_page(viewport=dict(width=1400,height=1000)), []
    page.on('console', lambda m: errors.append(m.text) if m.type=='error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.goto(f'{lab}/lab/tree/{name}.ipynb?token=t&reset', timeout=60_000)
    page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=60_000)
    dialog = page.locator('.jp-Dialog .jp-mod-accept') # JupyterLab asks for a kernel now and then
    page.add_locator_handler(dialog, lambda: dialog.click())
    page.wait_for_timeout(2000)
    page.get_by_role('menuitem', name='Run', exact=True).click()
    page.get_by_role('menuitem', name='Run All Cells', exact=True).click()
    readout, picture = page.locator('.gac-readout').last, page.locator('.jupyter-widgets img').first
    readout.wait_for(timeout=150_000)
    handle = page.locator('.jupyter-widgets.widget-inline-hbox', has=page.locator(f'label:text-is("{slider}")')).locator('.noUi-handle').first
    page.wait_for_function("!document.querySelector('.jp-Notebook').innerText.includes('[*]:')", timeout=150_000)
    before = readout.inner_text(), picture.get_attribute('src')
    handle.scroll_into_view_if_needed(); handle.focus()
    for _ in range(5): page.keyboard.press('ArrowRight')
    page.wait_for_function('([old]) => [...document.querySelectorAll(".gac-readout")].at(-1).innerText!==old', arg=[before[0]], timeout=30_000)
    page.wait_for_function('([old]) => document.querySelector(".jupyter-widgets img").src!==old', arg=[before[1]], timeout=30_000)
    assert not errors, errors
    page.close()
