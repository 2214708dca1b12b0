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
    for n in ('07b_odds','07e_explorer'): shutil.copy(ROOT/'nbs'/f'{n}.ipynb', top)
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

def until_ready(page, lab, path):
    "The kernel is there, the page listens to it, and it is idle; `Run All` before that is lost in a dialog."
    def ready():
        kernels = [s['kernel'] for s in page.request.get(f'{lab}/api/sessions?token=t').json() if s['path']==path]
        return any(k['connections'] and k['execution_state']=='idle' for k in kernels)
    end = time.time()+180
    while not ready():
        assert time.time()<end, f'no kernel for {path}'
        page.wait_for_timeout(200)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(state='attached', timeout=180_000)

@pytest.fixture
def opened(lab, browser, request):
    "A notebook that has run from top to bottom; at the end its page's console must be free of errors."
    page, errors = browser.new_page(viewport=dict(width=1400,height=1000)), []
    page.on('console', lambda m: errors.append(m.text) if m.type=='error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.goto(f'{lab}/lab/tree/{request.param}.ipynb?token=t&reset', timeout=180_000)
    page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=180_000)
    dialog = page.locator('.jp-Dialog .jp-mod-accept') # JupyterLab asks for a kernel now and then
    page.add_locator_handler(dialog, lambda: dialog.click())
    until_ready(page, lab, f'{request.param}.ipynb')
    page.get_by_role('menuitem', name='Run', exact=True).click()
    page.get_by_role('menuitem', name='Run All Cells', exact=True).click()
    page.locator('.gac-readout').last.wait_for(timeout=300_000)
    page.wait_for_function("!document.querySelector('.jp-Notebook').innerText.includes('[*]:')", timeout=300_000)
    yield page
    page.close()
    assert not errors, errors

PICTURE, READOUT = ".jupyter-widgets img", "[...document.querySelectorAll('.gac-readout')].at(-1)?.innerText ?? ''"
def changes(page, touch, says=''): # -> readout; it and the picture must be other ones after the touch
    picture, readout = page.locator(PICTURE).first.get_attribute('src'), page.evaluate(READOUT)
    touch()
    page.wait_for_function(f"([old,says]) => {{ const now = ({READOUT}); return now!==old && now.includes(says) }}", arg=[readout,says], timeout=180_000)
    page.wait_for_function(f"([old]) => document.querySelector('{PICTURE}').src!==old", arg=[picture], timeout=30_000)
    return page.evaluate(READOUT)

def slide(page, name, by=5):
    handle = page.locator('.widget-slider', has=page.locator(f'label:text-is("{name}")')).locator('.noUi-handle').first
    def touch():
        handle.scroll_into_view_if_needed(); handle.focus()
        for _ in range(by): page.keyboard.press('ArrowRight')
    return touch

def disabled(page, name): # a slider cannot be moved
    return page.locator('.jupyter-widgets.widget-inline-hbox', has=page.locator(f'label:text-is("{name}")')).locator('.noUi-target').first.get_attribute('disabled') is not None

def button(page, name): return page.locator(f'.jupyter-widgets button:text-is("{name}")').last.click

@pytest.mark.parametrize('opened', ['07b_odds'], indirect=True)
def test_the_lottery_is_redrawn_and_its_learned_curve_too(opened):
    for name in ('odds','prize','buyers','σ_y','Δy'): changes(opened, slide(opened,name,1 if name=='σ_y' else 5), 'learned')

@pytest.mark.parametrize('opened', ['07e_explorer'], indirect=True)
def test_the_explorer_answers_whatever_is_touched(opened):
    for q,own in dict(target=['y*'], improve=['Δy','quantile'], best=['λ'], prior=[]).items():
        changes(opened, button(opened,q), q)
        assert [k for k in ('λ','y*','Δy','quantile') if not disabled(opened,k)]==own and disabled(opened,'width')==(q=='prior')
        for k in own: changes(opened, slide(opened,k), q)
    models = opened.locator('.jupyter-widgets select').last
    other = models.evaluate('s => [...s.options].find(o => !o.selected).value')
    changes(opened, lambda: models.select_option(other))
    changes(opened, slide(opened,'start s₀',1))
    said, film = changes(opened, button(opened,'roll out'), 'achieved'), opened.locator(PICTURE).nth(1)
    if 'cannot draw here' not in said: film.wait_for(state='visible', timeout=180_000)
