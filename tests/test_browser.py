"The widgets in JupyterLab itself: a headless Chromium runs the cells that show a panel, moves a slider, and looks."
import sys
from pathlib import Path
import nbformat
import pytest

playwright = pytest.importorskip('playwright.sync_api', reason='playwright is a developer requirement')
psutil = pytest.importorskip('psutil', reason='psutil comes with Jupyter')
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tests'))
from browser import lab as jupyter
pytestmark = pytest.mark.skipif(jupyter.CHROMIUM is None, reason='no Chromium here (Debian: apt install chromium)')

PANELS = { # notebook -> its cells that lead to the panel; `make runall` runs all of them, and every other notebook
    '07b_odds':('55531967','384fc7e8','1cf8db08','ae0f2378'),
    '07e_explorer':('86af1860',)}

def panel(name): # -> a notebook of those cells, with what the chapter exports imported from the package
    nb = nbformat.read(ROOT/'nbs'/f'{name}.ipynb', 4)
    exported = nbformat.v4.new_code_cell(f"import torch\nfrom gac.{name.split('_')[1]} import *")
    nb.cells = [exported]+[c for c in nb.cells if c.id in PANELS[name]]
    assert len(nb.cells)==len(PANELS[name])+1
    for c in nb.cells: c.update(outputs=[], execution_count=None)
    return nb

@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "A JupyterLab in a bare folder, with the panels of the chapters: its address, its process."
    top = tmp_path_factory.mktemp('lab')
    tree = top/'notebooks'
    tree.mkdir()
    for n in PANELS: nbformat.write(panel(n), tree/f'{n}.ipynb')
    with jupyter.lab(top, tree, PYTHONPATH=str(ROOT), GAC_DATA=str(ROOT/'data')) as (url, started):
        yield url, psutil.Process(started.pid), tree

@pytest.fixture(scope='module')
def browser():
    with jupyter.browser() as b: yield b

@pytest.fixture
def opened(lab, browser, request):
    "A notebook that has run from top to bottom; at the end its page's console must be free of errors."
    page, errors = browser.new_page(viewport=dict(width=1400,height=1000)), []
    page.on('console', lambda m: errors.append(m.text) if m.type=='error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    url, process, tree = lab
    jupyter.run_all(page, url, f'{request.param}.ipynb', process, 300)
    assert not (failed := jupyter.told(tree/f'{request.param}.ipynb')[1]), failed
    page.locator('.gac-readout').last.wait_for(timeout=300_000)
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
