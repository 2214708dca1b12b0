"The house limits, checked: a notebook that grows a giant cell is a `.py` file in disguise."
import ast, json, os, re, shutil, subprocess, sys
from pathlib import Path
from statistics import median
import pytest

root = Path(__file__).resolve().parents[1]
numbered = sorted((root/'nbs').glob('[0-9]*.ipynb'))
books = [p for p in numbered if p.name.startswith('90')] # the laboratory book: tables of what was tried, no module
chapters = [p for p in numbered if p not in books]
index = root/'nbs'/'index.ipynb'
pages = numbered+[index]*index.exists()
each = pytest.mark.parametrize('nb', chapters, ids=lambda p: p.stem)
read = pytest.mark.parametrize('nb', numbered, ids=lambda p: p.stem)
every = pytest.mark.parametrize('nb', pages, ids=lambda p: p.stem)
EXPORT = re.compile(r'^#\|\s*exports?\b', re.M)
SKIPPED = re.compile(r'^#\|\s*(slow|d4rl|gpu|eval:\s*false)\b', re.M)
DEV_ONLY = {'nbdev','fastcore','execnb','ghapi'}

def load(nb): return [c|{'source': ''.join(c['source']).strip()} for c in json.loads(nb.read_text(encoding='utf-8'))['cells']]
def cells(nb, kind): return [c['source'] for c in load(nb) if c['cell_type']==kind and c['source']]
def outputs(nb): return [(c['source'],o) for c in load(nb) for o in c.get('outputs',())]

def imported(src):
    "Top-level names of the packages that a source imports, anywhere in it."
    for node in ast.walk(ast.parse(src)):
        if isinstance(node, ast.Import): yield from (a.name.split('.')[0] for a in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level: yield node.module.split('.')[0]

def python(src): return '\n'.join(l for l in src.splitlines() if not re.match(r'\s*[%!]', l))

# ---- Form

@read
def test_cells_are_short(nb):
    n = sorted(len(s.splitlines()) for s in cells(nb,'code'))
    p90 = n[int(.9*len(n))-1]
    assert median(n)<=6 and p90<=20 and n[-1]<=50, f'median {median(n)}, p90 {p90}, max {n[-1]}'

@read
def test_no_more_than_500_code_lines(nb):
    n = sum(len(s.splitlines()) for s in cells(nb,'code'))
    assert n<=500, f'{n} lines of code: two ideas, two notebooks'

@every
def test_lines_fit_a_page(nb):
    long = [l for s in cells(nb,'code') if not EXPORT.search(s) for l in s.splitlines() if len(l)>120]
    assert not long, long

@read
def test_prose_keeps_up(nb): assert len(cells(nb,'markdown'))>=len(cells(nb,'code'))/3

@read
def test_title_and_subtitle(nb): assert re.match(r'# .+\n\n> .+', cells(nb,'markdown')[0])

@each
def test_first_cell_names_the_module(nb): assert re.match(r'#\|\s*default_exp [\w.]+', load(nb)[0]['source'])

@every
def test_file_is_light(nb): assert nb.stat().st_size<500_000, f'{nb.stat().st_size} bytes'

@each
def test_never_more_than_two_exports_in_a_row(nb):
    run = 0
    for c in load(nb):
        if not c['source']: continue
        run = run+1 if c['cell_type']=='code' and EXPORT.search(c['source']) else 0
        assert run<=2, f"a third exported cell in a row: {c['source'][:80]!r}"

@read
def test_closes_with_what_we_learnt(nb):
    heads = [l for s in cells(nb,'markdown') for l in s.splitlines() if l.startswith('## ')]
    assert heads and heads[-1]=='## What we learnt', f'the last section is {heads[-1:]}'

@read
def test_last_cell_exports_and_is_hidden(nb):
    last = [c for c in load(nb) if c['source']][-1]
    assert re.match(r'#\|\s*hide\n', last['source']) and 'nbdev_export()' in last['source'], last['source']

@each
def test_has_a_picture(nb):
    assert any('image/png' in o.get('data',{}) or 'image/svg+xml' in o.get('data',{}) for _,o in outputs(nb))

# ---- Evidence

@every
def test_is_committed_executed(nb):
    "Outputs are the evidence. Execution counts are cleaned away, so a final value or a picture has to tell."
    values = [c for c in load(nb) if c['cell_type']=='code' and c['source'] and ends_in_value(c['source'])]
    empty = [c['source'][-80:] for c in values if not c['outputs']]
    assert not empty, f'no output, run the notebook: {empty}'

def ends_in_value(src):
    "Is the last statement a bare name, attribute, item or literal, which always shows something?"
    if SKIPPED.search(src) or EXPORT.search(src) or src.rstrip().endswith(';'): return False
    try: body = ast.parse(python(src)).body
    except SyntaxError: return False
    last = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    return isinstance(last, (ast.Name, ast.Attribute, ast.BinOp, ast.ListComp, ast.List, ast.Tuple, ast.Dict))

@every
def test_has_no_error_outputs(nb):
    bad = [s[:80] for s,o in outputs(nb) if o['output_type']=='error']
    assert not bad, bad

@every
def test_has_no_warnings(nb):
    bad = [''.join(o['text'])[:200] for _,o in outputs(nb) if o.get('name')=='stderr']
    assert not [b for b in bad if 'Warning' in b], bad

@every
def test_names_no_place_of_one_machine(nb):
    text = json.dumps([(c['source'], [{k: v for k,v in o.items() if k!='data'} for o in c.get('outputs',())],
                        [o.get('data',{}).get(k) for o in c.get('outputs',()) for k in ('text/plain','text/html')]) for c in load(nb)], ensure_ascii=False)
    bad = re.findall(r'.{0,30}(?:/work/|/tmp/|/home/|/root/|/Users/|TODO|FIXME).{0,30}', text)
    assert not bad, bad

# ---- Modules

def modules(folder): return {p.relative_to(folder).as_posix(): p.read_text(encoding='utf-8') for p in sorted(folder.rglob('*.py'))}

@pytest.mark.parametrize('path', sorted((root/'gac').rglob('*.py')), ids=lambda p: p.stem)
def test_exported_code_imports_no_development_tools(path):
    assert not DEV_ONLY&set(imported(path.read_text(encoding='utf-8')))

@each
def test_exported_cells_import_no_development_tools(nb):
    for s in cells(nb,'code'):
        if EXPORT.search(s): assert not DEV_ONLY&set(imported(python(s))), s[:80]

def module(nb):
    "The module that a chapter exports."
    return re.search(r'#\|\s*default_exp ([\w.]+)', load(nb)[0]['source'])[1]

def of_gac(src, known):
    "Modules of gac that a source imports, in whatever form, anywhere in it; what is not known comes as it is."
    for node in ast.walk(ast.parse(src)):
        if isinstance(node, ast.Import): names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom): names = [f'{node.module}.{a.name}' for a in node.names]
        else: names = []
        for n in (n.removeprefix('gac.') for n in names if n.startswith('gac.')):
            yield max((k for k in known if f'{n}.'.startswith(f'{k}.')), key=len, default=n)

def test_of_gac():
    src = 'import gac.a\nfrom gac import b as x, c\ndef f():\n from gac.d.e import *\n from gac.d import e\nimport gac, os.path\nfrom gac.a import z'
    assert list(of_gac(src, ['a','b','d','d.e']))==['a','b','c','a','d.e','d.e']

def test_modules_have_one_chapter(): assert len({*map(module, chapters)})==len(chapters)

@each
def test_imports_come_in_order_of_reading(nb):
    "A chapter uses only chapters before it, in hidden cells and in functions too; its own module it may look at."
    earlier = {module(p) for p in chapters if p.name<=nb.name}
    known, exported = {*map(module, chapters)}, earlier-{module(nb)}
    for s in cells(nb,'code'):
        late = set(of_gac(python(s), known))-(exported if EXPORT.search(s) else earlier)
        assert not late, f'{sorted(late)} is not before {nb.name}'

def tool(name, cwd): subprocess.run([Path(sys.executable).parent/name], cwd=cwd, check=True, capture_output=True)

def test_modules_match_notebooks(project_copy):
    before = modules(project_copy/'gac')
    shutil.rmtree(project_copy/'gac')
    tool('nbdev_export', project_copy)
    after = modules(project_copy/'gac')
    assert before.keys()==after.keys(), f'only in gac/: {sorted(before.keys()-after.keys())}; only in nbs/: {sorted(after.keys()-before.keys())}'
    differ = [k for k in before if before[k]!=after[k]]
    assert not differ, f'{differ}: edit the notebooks, then run nbdev_export'

def test_notebooks_are_clean(project_copy):
    def texts(): return {p.name: p.read_text(encoding='utf-8') for p in (project_copy/'nbs').rglob('*.ipynb')}
    before = texts()
    tool('nbdev_clean', project_copy)
    differ = sorted(k for k,v in texts().items() if v!=before[k])
    assert not differ, f'{differ}: run nbdev_clean'

@pytest.mark.skipif(not index.exists(), reason='no nbs/index.ipynb yet')
def test_readme_matches_index(tmp_path):
    env = {k: v for k,v in os.environ.items() if not k.startswith('MAKE')}
    subprocess.run(['make','-s','readme-to',f'DIR={tmp_path}',f'BIN={Path(sys.executable).parent}'], cwd=root, env=env, check=True, capture_output=True)
    assert (tmp_path/'README.md').read_text(encoding='utf-8')==(root/'README.md').read_text(encoding='utf-8'), 'run make readme'
    def pictures(d): return {p.name: p.read_bytes() for p in (d/'README_files').glob('*')}
    assert pictures(tmp_path)==pictures(root), 'run make readme'

@pytest.mark.skipif(not index.exists(), reason='no nbs/index.ipynb yet')
def test_readme_links_resolve():
    text = (root/'README.md').read_text(encoding='utf-8')
    links = re.findall(r'\]\(([^)#\s]+)', text)+re.findall(r'(?:src|href)="([^"#]+)', text)
    missing = [l for l in links if '://' not in l and not l.startswith('mailto:') and not (root/l).exists()]
    assert not missing, missing
