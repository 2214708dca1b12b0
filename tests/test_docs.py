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
    found = {p.relative_to(site/'src').as_posix() for p in (site/'src').rglob('*') if p.suffix in ('.ipynb','.md','.py')} # what becomes a page
    assert not [f for f in sorted(found) if f': {f}\n' not in nav]

def test_every_public_name_is_in_the_reference(site, root):
    "Functions, classes, constants and what is lent from another module; the baselines too."
    nav = (site/'mkdocs.yml').read_text(encoding='utf-8')
    for module in (root/'gac').rglob('[a-z]*.py'):
        name = '.'.join(module.relative_to(root/'gac').with_suffix('').parts)
        listed = re.search(r'^__all__ = (\[.*?\])', module.read_text(encoding='utf-8'), re.M|re.S)
        text = (site/'src'/'api'/f'{name}.md').read_text(encoding='utf-8')
        assert f'gac.{name}: api/{name}.md' in nav
        for n in re.findall(r"'(\w+)'", listed[1]): assert f'## {n}\n' in text, (name, n)
    assert '# q: `improve` starts from returns above this quantile' in (site/'src'/'api'/'query.md').read_text(encoding='utf-8')
    assert 'gac.baselines.td: api/baselines.td.md' in nav and 'LEARNERS = {' in (site/'src'/'api'/'baselines.td.md').read_text(encoding='utf-8')

@pytest.mark.parametrize('text,said', [('x = 1','gac.odd has no public name'), ("__all__ = ['f','g']\ndef f(): pass",'gac.odd: g would be missing')])
def test_a_page_that_would_be_missing_is_named(pages, tmp_path, text, said):
    (tmp_path/'gac').mkdir()
    (tmp_path/'gac'/'odd.py').write_text(text)
    with pytest.raises(ValueError, match=said): pages.api(tmp_path/'gac'/'odd.py', tmp_path)

def test_a_link_to_no_page_is_named(pages, tmp_path):
    (tmp_path/'a.md').write_text('[here](a.md) [out](https://x.org/b.md)')
    pages.whole(tmp_path)
    (tmp_path/'b.md').write_text('[there](lost.ipynb)')
    with pytest.raises(ValueError, match='b.md leads to lost.ipynb'): pages.whole(tmp_path)

def test_badges_stand_on_two_pages_where_the_address_is_known(pages, root, monkeypatch):
    for name in ('index','07e_explorer','07_query'):
        bare, told = (pages.page(root/'nbs'/f'{name}.ipynb', *a) for a in ((), ('jane/x','v1')))
        at = f'(https://colab.research.google.com/github/jane/x/blob/v1/nbs/{name}.ipynb)'
        assert str(told).count(at)==str(told).count('jane/x')==(name!='07_query') and 'jane/x' not in str(bare)
    monkeypatch.setenv('GAC_ADDRESS', 'jane/x')
    assert pages.known(root)[0]=='jane/x'
    monkeypatch.setenv('GAC_ADDRESS', 'jane')
    with pytest.raises(SystemExit, match='REPO is to be owner/name'): pages.known(root)

def test_hidden_cells_and_directives_go(site):
    for page in (site/'src').glob('*.ipynb'):
        for c in json.loads(page.read_text(encoding='utf-8'))['cells']:
            text = ''.join(c['source'])
            assert c['cell_type']!='code' or not re.search(r'^#\||nbdev_export\(\)', text, re.M), (page.name, text[:80])

def test_formulas_are_found_outside_code(pages):
    text = 'a ticket at `$5` pays $p\\cdot$prize, $$E[y|a]$$ and $x$.'
    assert pages.drawn(text)=='a ticket at `$5` pays <math>p\\cdot</math>prize, <math>E[y|a]</math> and <math>x</math>.'
