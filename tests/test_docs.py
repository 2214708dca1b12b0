"The site has a page for every notebook and every public name; whether it builds is seen by `make docs`."
import importlib.util, json, re
import pytest

@pytest.fixture(scope='module')
def pages(root):
    spec = importlib.util.spec_from_file_location('pages', root/'docs'/'pages.py')
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.formula = lambda m: f'<math>{m[1] or m[2]}</math>'
    return made

@pytest.fixture(scope='module')
def site(pages, root, tmp_path_factory):
    out = tmp_path_factory.mktemp('docs')/'site'
    pages.write(root, out)
    return out

def test_every_notebook_is_in_the_navigation(site, root):
    nav = (site/'mkdocs.yml').read_text(encoding='utf-8')
    assert all(f': {nb.name}\n' in nav for nb in (root/'nbs').glob('*.ipynb'))
    for page in re.findall(r': (\S+\.(?:ipynb|md))$', nav, re.M): assert (site/'src'/page).is_file(), page

def test_every_public_name_is_in_the_reference(site, root):
    for module in (root/'gac').glob('[a-z]*.py'):
        listed = re.search(r'^__all__ = (\[.*?\])', module.read_text(encoding='utf-8'), re.M|re.S)
        page = site/'src'/'api'/f'{module.stem}.md'
        if not listed or not page.exists(): continue
        text = page.read_text(encoding='utf-8')
        for name in re.findall(r"'(\w+)'", listed[1]):
            if re.search(rf'^(def|class) {name}\b', module.read_text(encoding='utf-8'), re.M): assert f'## {name}\n' in text, (module.stem, name)
    assert '# q: `improve` starts from returns above this quantile' in (site/'src'/'api'/'query.md').read_text(encoding='utf-8')

def test_hidden_cells_and_directives_go(site):
    for page in (site/'src').glob('*.ipynb'):
        for c in json.loads(page.read_text(encoding='utf-8'))['cells']:
            text = ''.join(c['source'])
            assert c['cell_type']!='code' or not re.search(r'^#\||nbdev_export\(\)', text, re.M), (page.name, text[:80])

def test_formulas_are_found_outside_code(pages):
    text = 'a ticket at `$5` pays $p\\cdot$prize, $$E[y|a]$$ and $x$.'
    assert pages.drawn(text)=='a ticket at `$5` pays <math>p\\cdot</math>prize, <math>E[y|a]</math> and <math>x</math>.'
