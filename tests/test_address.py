"The public address: nothing of it stands before there is one, and `make address` writes all of it, once."
import importlib.util, json, os, re, shutil, subprocess, sys
import pytest

FILES = ('settings.ini','setup.py','README.md','CITATION.cff','Makefile','docs/address.py','gac/_modidx.py','nbs/index.ipynb','nbs/07e_explorer.ipynb')
COLAB = re.compile(r'\(https://colab\.research\.google\.com/github/([^/)\s]+/[^/)\s]+)/blob/([^/)\s]+)/([^)\s]+)\)')

@pytest.fixture(scope='module')
def address(root):
    spec = importlib.util.spec_from_file_location('address', root/'docs'/'address.py')
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made

@pytest.fixture
def copy(root, tmp_path):
    to = tmp_path/'project'
    for name in FILES:
        (to/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root/name, to/name)
    return to

def make(copy, target, *words, **env):
    own = {k:v for k,v in os.environ.items() if not k.startswith(('MAKE','GITHUB','GAC_ADDRESS')) and k not in ('REPO','BRANCH')}
    return subprocess.run(['make','-s',target,f'PYTHON={sys.executable}',f'BIN={os.path.dirname(sys.executable)}',*words],
                          cwd=copy, env=own|env, capture_output=True, text=True)

def texts(copy): return {p.relative_to(copy).as_posix(): p.read_text(encoding='utf-8') for p in copy.rglob('*') if p.is_file()}
def first(text): return next(''.join(c['source']) for c in json.loads(text)['cells'] if c['cell_type']=='markdown')

def test_nothing_stands_before_there_is_an_address(root, address):
    "Or all of it, as `make address` writes it."
    repo, branch = address.written(root)
    if repo:
        differ = [p.name for p,t in address.texts(root, repo, branch).items() if p.read_text(encoding='utf-8')!=t]
        assert not differ, f'{differ}: make address REPO={repo}'
        return
    for name in ('README.md','CITATION.cff','nbs/index.ipynb','nbs/07e_explorer.ipynb','gac/_modidx.py','settings.ini','setup.py'):
        text = (root/name).read_text(encoding='utf-8')
        assert not re.search(r'colab\.research|repository-code|github\.com/|github\.io|gac-authors', text), name

def test_badges_links_citation_and_metadata(root, copy):
    said = make(copy, 'address', 'REPO=jane/gac.x')
    assert said.returncode==0 and 'https://github.com/jane/gac.x' in said.stdout, said.stderr
    now = texts(copy)
    for page in ('index','07e_explorer'): assert COLAB.findall(first(now[f'nbs/{page}.ipynb']))==[('jane/gac.x','main',f'nbs/{page}.ipynb')]
    assert COLAB.findall(now['README.md'])==[('jane/gac.x','main','nbs/index.ipynb')]
    assert now['CITATION.cff'].count('\nrepository-code: https://github.com/jane/gac.x\n')==1
    subprocess.run([sys.executable,'setup.py','-q','egg_info'], cwd=copy, check=True, capture_output=True)
    told = next(copy.glob('*.egg-info/PKG-INFO')).read_text(encoding='utf-8')
    assert 'Project-URL: Source, https://github.com/jane/gac.x\n' in told and now['README.md'].strip() in told

def test_every_link_of_readme_is_absolute_and_names_a_file(root, copy, address):
    before = address.relative((copy/'README.md').read_text(encoding='utf-8'), address.written(copy)[0] or 'x/x')
    assert make(copy, 'address', GITHUB_REPOSITORY='jane/gac.x').returncode==0
    text = (copy/'README.md').read_text(encoding='utf-8')
    prose = ''.join(address.CODE.split(text)[::2])
    links = re.findall(r'(?:\]\(|\b(?:src|href)=")([^)"\s]+)', prose)
    own = [re.fullmatch(r'https://(?:github\.com/jane/gac\.x/blob|raw\.githubusercontent\.com/jane/gac\.x)/main/(.+)', l) for l in links]
    assert len(own)>60 and all(l.startswith('https://') for l in links)
    named = {m[1] for m in own if m}
    assert all((root/n.partition('#')[0]).is_file() for n in named)
    assert {m[2] for m in address.LINK.finditer(''.join(address.CODE.split(before)[::2]))}==named
    assert [m[0] for m in own if m and 'raw.' in m[0]]==[m[0] for m in own if m and m[1].endswith(('.gif','.png'))]

def test_a_second_run_changes_nothing_and_another_address_takes_over(copy):
    make(copy, 'address', 'REPO=jane/gac.x')
    once = texts(copy)
    assert 'nothing changed' in make(copy, 'address', 'REPO=jane/gac.x').stdout and texts(copy)==once
    assert make(copy, 'address', 'REPO=joe/n', 'BRANCH=v1.2').returncode==0
    assert not [k for k,t in texts(copy).items() if 'jane' in t] and 'blob/v1.2/nbs/07_query.ipynb' in texts(copy)['README.md']
    make(copy, 'address', 'REPO=jane/gac.x')
    assert texts(copy)==once

def test_readme_is_what_the_badged_index_makes(copy):
    make(copy, 'address', 'REPO=jane/gac.x')
    once = texts(copy)
    other = dict(GAC_ADDRESS='joe/n', GAC_ADDRESS_BRANCH='v9') # README follows settings.ini alone
    assert make(copy, 'readme-to', 'DIR=.', **other).returncode==0 and texts(copy)==once

def test_a_filter_that_fails_leaves_readme_as_it_was(copy, tmp_path):
    before, bad = texts(copy), tmp_path/'bin'
    bad.mkdir()
    (bad/'awk').write_text('#!/bin/sh\nexit 3\n')
    (bad/'awk').chmod(0o755)
    assert make(copy, 'readme-to', 'DIR=.', PATH=f"{bad}:{os.environ['PATH']}").returncode and texts(copy)==before

@pytest.mark.parametrize('url', ['https://github.com/jane/x','https://github.com/jane/x/',''])
def test_an_address_by_hand_is_read(url, address, tmp_path, monkeypatch):
    for k in ('GAC_ADDRESS','GAC_ADDRESS_BRANCH'): monkeypatch.delenv(k, raising=False)
    (tmp_path/'settings.ini').write_text(f'[DEFAULT]\nbranch = main\ngit_url = {url}\n')
    assert address.written(tmp_path)==address.known(tmp_path)==('jane/x' if url else '','main')

@pytest.mark.parametrize('url', ['https://gitlab.com/jane/x','jane/x','https://github.com/jane','https://github.com/jane/x/tree'])
def test_an_address_by_hand_that_is_none_is_named(url, address, tmp_path):
    (tmp_path/'settings.ini').write_text(f'[DEFAULT]\nbranch = main\ngit_url = {url}\n')
    with pytest.raises(SystemExit, match=re.escape(f'git_url of settings.ini is to be https://github.com/owner/name, not {url!r}')): address.written(tmp_path)

def test_the_index_of_names_is_as_the_export_writes_it(root, address):
    path = root/'gac'/'_modidx.py'
    text = path.read_text(encoding='utf-8')
    url = re.search(r"'git_url': '([^']*)'", text)[1]
    assert address.index_of_names(path, url)==text and "'git_url': 'https://x'" in address.index_of_names(path, 'https://x')

@pytest.mark.parametrize('repo', ['x','a/b/c','','a b/c','../x','a/..','a/b.git','$(shell touch it)/b','$$(touch it)/b','`touch it`/b',"a';touch it;'/b"])
def test_what_is_no_address_is_refused_before_anything_is_written(copy, repo):
    before = texts(copy)
    said = make(copy, 'address', f'REPO={repo}')
    assert said.returncode and said.stderr.splitlines()[0].startswith('address: REPO is to be owner/name, not ')
    assert texts(copy)==before

def test_no_address_and_no_branch_are_refused(copy):
    before = texts(copy)
    assert 'REPO is to be owner/name' in make(copy, 'address').stderr
    assert 'BRANCH is to be a branch or tag' in make(copy, 'address', 'REPO=a/b', 'BRANCH=x;y').stderr and texts(copy)==before
