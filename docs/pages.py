"""The pages of the site, from the notebooks as they are committed, nothing executed.

Hidden cells go, links lead to pages, and each module gets a page of its public names with the types, shapes and units that
stand beside their parameters. `make docs` calls this and then MkDocs.
"""
import ast, json, re, shutil, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent)) # also where a test reads this file
from address import PAGES, badged, known

HIDDEN = re.compile(r'^#\|\s*hide\b', re.M)
SILENT = re.compile(r'^#\|\s*echo:\s*false', re.M)
DIRECTIVE = re.compile(r'^#\|.*\n?', re.M)
MATH = re.compile(r'\$\$(.+?)\$\$|(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)', re.S)
CODE = re.compile(r'(```.*?```|`[^`\n]*`)', re.S)
TEXTS = ('CHANGELOG.md','CONTRIBUTING.md','SECURITY.md')

def title(cells): # of a notebook, without mathematics
    first = next(''.join(c['source']) for c in cells if c['cell_type']=='markdown')
    return first.splitlines()[0].lstrip('# ').replace('`','')

def formula(m): # match of MATH -> MathML, which browsers draw by themselves
    from latex2mathml.converter import convert
    tex = (m[1] or m[2]).replace(r'\arg\max', r'\operatorname{arg\,max}').replace(r'\arg', r'\operatorname{arg}')
    made = convert(tex, display='block' if m[1] else 'inline')
    if '\\' in made: raise ValueError(f'{m[0]}: a part of this formula is not known to latex2mathml')
    return made.replace('\n', ' ')

def drawn(text): # formulas outside code -> MathML
    parts = CODE.split(text)
    return ''.join(p if i%2 else MATH.sub(formula, p) for i,p in enumerate(parts))

def linked(text): # a markdown cell of nbs/ -> links between pages
    text = text.replace('src="../data/films/', 'src="films/')
    text = re.sub(r'\]\(\.\./((?:CHANGELOG|CONTRIBUTING|SECURITY)\.md)\)', r'](\1)', text)
    return drawn(re.sub(r'\[([^\]]+)\]\(\.\./data/[^)]+\)', r'\1', text)) # folders of the repository are no pages

def shown(cell): # -> the cell as a reader of the site sees it, or None
    source = ''.join(cell['source'])
    if cell['cell_type']=='markdown': return cell|dict(source=linked(source))
    if HIDDEN.search(source) or not source.strip() or re.match(r'#\|\s*default_exp', source): return None
    tags = ['hide-input'] if SILENT.search(source) else []
    outputs = [o for o in cell['outputs'] if 'application/vnd.jupyter.widget-view+json' not in o.get('data',{})]
    outputs = [readable(o) for o in outputs]
    return cell|dict(source=DIRECTIVE.sub('', source), outputs=outputs, metadata=dict(tags=tags))

def readable(output): # links in what a cell shows lead to pages too
    data = output.get('data', {})
    return output|dict(data={k: linked(''.join(v)) if k=='text/markdown' else v for k,v in data.items()}) if data else output

def page(nb, repo='', branch=''): # path of a notebook, address -> dict of one with what is shown
    made = json.loads(nb.read_text(encoding='utf-8'))
    if repo and nb.stem in PAGES:
        first = next(c for c in made['cells'] if c['cell_type']=='markdown')
        first['source'] = badged(''.join(first['source']), nb.stem, repo, branch)
    made['cells'] = [c for c in map(shown, made['cells']) if c]
    made['metadata']['kernelspec'] = dict(name='python3', display_name='Python 3', language='python')
    return made

def signature(node, lines): # def or class -> its head, comments included, without the body
    body = node.body[0]
    last = body.lineno-1 if body.lineno>node.lineno else node.lineno
    return '\n'.join(lines[node.lineno-1:last]).rstrip()

def member(node, lines, parent): # -> markdown of a function or class
    said = ast.get_docstring(node) or ''
    fields = [lines[n.lineno-1] for n in node.body if isinstance(n, ast.AnnAssign)] if isinstance(node, ast.ClassDef) else []
    text = '\n'.join([signature(node, lines), *fields])
    name = f'{parent}.{node.name}' if parent else node.name
    return f'{"###" if parent else "##"} {name}\n\n{said}\n\n```python\n{text}\n```\n'

def constant(name, node, lines): # an assignment -> markdown
    text = '\n'.join(lines[node.lineno-1:node.end_lineno])
    return f'## {name}\n\n```python\n{text}\n```\n'

def borrowed(name, node, package): # an import -> markdown
    inside = package[:len(package)+1-node.level] if node.level else []
    at = '.'.join([*inside, *[node.module]*bool(node.module)])
    return f'## {name}\n\nListed in `{at}`.\n'

def targets(node): # names that an assignment makes
    found = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [n.id for t in found for n in (t.elts if isinstance(t, ast.Tuple) else [t]) if isinstance(n, ast.Name)]

def entries(tree, lines, public, package): # -> dict: public name -> markdown
    made = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom): made |= {a.asname or a.name: borrowed(a.asname or a.name, node, package) for a in node.names}
        if isinstance(node, (ast.Assign, ast.AnnAssign)): made |= {n: constant(n, node, lines) for n in targets(node)}
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)): continue
        inner = node.body if isinstance(node, ast.ClassDef) else []
        inner = [n for n in inner if isinstance(n, ast.FunctionDef) and ast.get_docstring(n) and not n.name.startswith('_')]
        made[node.name] = '\n'.join([member(node, lines, ''), *(member(n, lines, node.name) for n in inner)])
    return {n: t for n,t in made.items() if n in public}

def dotted(module, root): # path of a module -> its name below gac, 'baselines.td'
    return '.'.join(module.relative_to(root/'gac').with_suffix('').parts)

def api(module, root): # path of gac/x.py, of the repository -> markdown
    source, name = module.read_text(encoding='utf-8'), dotted(module, root)
    tree, lines = ast.parse(source), source.splitlines()
    listed = [n.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0],'id','')=='__all__']
    public = ast.literal_eval(listed[0]) if listed else []
    if not public: raise ValueError(f'gac.{name} has no public name, so its page would be empty: begin the file with _ or export one')
    made = entries(tree, lines, public, ['gac', *name.split('.')[:-1]])
    lost = [n for n in public if n not in made]
    if lost: raise ValueError(f'gac.{name}: {", ".join(lost)} would be missing on its page: neither function, class, constant nor import')
    head = f'# gac.{name}\n\n{ast.get_docstring(tree) or ""}\n\n'
    chapter = re.search(r'File to edit: (?:\.\./)+nbs/(\w+\.ipynb)', source)
    if chapter: head += f'[The chapter](../{chapter[1]}) derives and tests what is listed here.\n\n'
    return head+'\n'.join(made.values())

def whole(src): # folder of pages: every page that another one leads to is there
    for page in sorted(src.rglob('*')):
        if page.suffix not in ('.ipynb','.md'): continue
        text = page.read_text(encoding='utf-8')
        for to in re.findall(r'\]\(((?!https?:)[^)#\s"]+\.(?:ipynb|md))(?:#[^)]*)?\)|src=\\?"(films/[^"\\]+)', text):
            to = to[0] or to[1]
            if not (page.parent/to).is_file(): raise ValueError(f'{page.relative_to(src)} leads to {to}, and there is no such page')

def nav(chapters, modules): # -> lines of YAML
    say = lambda s: json.dumps(s, ensure_ascii=False)
    book = [c for c in chapters if c[0].startswith('90')]
    rest = [c for c in chapters if c not in book and c[0]!='index.ipynb']
    lines = ['nav:', '- Start: index.ipynb', '- Chapters:', *(f'  - {say(t)}: {n}' for n,t in rest)]
    lines += ['- Laboratory book:', *(f'  - {say(t)}: {n}' for n,t in book)]
    lines += ['- Reference:', *(f'  - gac.{m}: api/{m}.md' for m in modules)]
    return [*lines, '- Project:', *(f'  - {say(t[:-3].capitalize())}: {t}' for t in TEXTS)]

def write(root, out, repo='', branch=''): # Paths: of the repository; folder to make anew; the public address
    "Pages, reference and configuration below `out`."
    shutil.rmtree(out, ignore_errors=True)
    (out/'src'/'api').mkdir(parents=True)
    chapters, modules = [], []
    for nb in sorted((root/'nbs').glob('*.ipynb')):
        made = page(nb, repo, branch)
        chapters.append((nb.name, title(made['cells'])))
        (out/'src'/nb.name).write_text(json.dumps(made, ensure_ascii=False), encoding='utf-8')
    for module in sorted((root/'gac').rglob('[a-z]*.py')):
        modules.append(dotted(module, root))
        (out/'src'/'api'/f'{modules[-1]}.md').write_text(api(module, root), encoding='utf-8')
    for t in TEXTS: (out/'src'/t).write_text(plain(root/t), encoding='utf-8')
    shutil.copytree(root/'data'/'films', out/'src'/'films', ignore=shutil.ignore_patterns('*.py')) # it would become a page
    for f in (root/'docs').glob('*.*'):
        if f.suffix in ('.css','.js'): shutil.copy(f, out/'src')
    base = (root/'docs'/'mkdocs.yml').read_text(encoding='utf-8')
    (out/'mkdocs.yml').write_text(base+'\n'.join(nav(chapters, modules))+'\n', encoding='utf-8')
    whole(out/'src')

def plain(path): # a text of the root: links to files of the repository that are no pages become words
    text = path.read_text(encoding='utf-8')
    return re.sub(r'\[([^\]]+)\]\((?!https?:|#)([^)]+)\)', r'\1', text)

if __name__=='__main__':
    top = Path(__file__).resolve().parents[1]
    write(top, Path(sys.argv[1]).resolve(), *known(top))
