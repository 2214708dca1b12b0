"`python -m browser`: Run All of every notebook in JupyterLab, one row each."
import argparse
import hashlib
import importlib.metadata
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
import nbformat
import pandas as pd
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from browser import lab
from gac.core import versions, writing

ROWS = lab.REPO/'data'/'results'/'run-all.csv'
TEXT = dict(notebook=str, source=str, cell=str, changed=str)
NOISE = {} # name -> pattern: what JupyterLab itself says, whatever notebook is open

def source(file): # of the cells; outputs do not run
    text = '\0'.join(c.source for c in nbformat.read(file, 4).cells)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

def before(path): # rows that are there
    if not path.exists(): return pd.DataFrame(columns=list(TEXT))
    return pd.read_csv(path, dtype=TEXT, keep_default_na=False)

def kept(path, row, names): # the row in the place of that notebook's last; notebooks that are gone leave
    old = before(path)
    rows = pd.concat([old[old.notebook.isin(names)&(old.notebook!=row['notebook'])], pd.DataFrame([row])]) if len(old) else pd.DataFrame([row])
    with writing(path) as tmp: rows.sort_values('notebook').to_csv(tmp, index=False)

def machine():
    said = subprocess.run([lab.CHROMIUM,'--version'], capture_output=True, text=True).stdout
    chromium = re.search(r'[\d.]+', said)
    jupyter = f"jupyterlab {importlib.metadata.version('jupyterlab')}"
    return dict(device='cpu', threads=1, versions=f"{versions()}; {jupyter}; chromium {chromium[0] if chromium else 'unknown'}")

def own(heard): # console errors -> those that are not JupyterLab's own
    return [h for h in heard if not any(re.fullmatch(p, h) for p in NOISE.values())]

def tried(browser, url, process, tree, name, limit): # -> row, what is wrong
    path, heard = f'nbs/{name}.ipynb', []
    mark = source(tree/path) # the clone may be edited meanwhile
    page = browser.new_page(viewport=dict(width=1400,height=1000))
    page.on('console', lambda m: heard.append(f"{m.text} [{(m.location or {}).get('url','')}]") if m.type=='error' else None)
    page.on('pageerror', lambda e: heard.append(str(e)))
    (tree.parent/'cells.log').unlink(missing_ok=True)
    try: took, spent = lab.run_all(page, url, path, process, limit)
    finally:
        lab.stopped(page, url, path)
        page.close()
    cells, bad, uncounted = lab.told(tree/path)
    changed, ours = lab.written(tree, path), own(heard)
    row = dict(notebook=name, source=mark, cells=cells['cells'], seconds=round(took, 1), cpu=round(spent, 1), slowest=cells['slowest'],
        slowest_cpu=lab.cpu_of_cells(tree.parent/'cells.log'), cell=cells['cell'], errors=cells['errors'],
        console=len(ours), noise=len(heard)-len(ours), changed=' '.join(changed))|machine()
    wrong = [f"{o['ename']}: {o['evalue']}" for o in bad]+ours+[f'changed: {c}' for c in changed]+([] if bad or not uncounted else [f'not run: {uncounted}'])
    return row, wrong

def one(browser, url, process, tree, name, args, names): # -> is all well? Its row is kept
    try: row, wrong = tried(browser, url, process, tree, name, args.limit)
    except (TimeoutError, RuntimeError) as e:
        print(f'runall: {name} has no row: {e}', flush=True)
        lab.written(tree, '')
        return False
    kept(args.rows, row, names)
    print(f"runall: {name} {row['seconds']} s, slowest cell {row['slowest']} s, of CPU {row['slowest_cpu']} s", *(f'  {w}' for w in wrong), sep='\n', flush=True)
    return not wrong

def due(args, names):
    old = before(args.rows)
    done = set() if args.again else {*zip(old.notebook, old.source)}
    todo = [n for n in names if (not args.only or n in args.only) and (n, source(lab.REPO/'nbs'/f'{n}.ipynb')) not in done]
    return sorted(todo, key=lambda n: n in {*old.notebook}) # those without a row first

def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) # the laboratory is closed too
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('only', nargs='*', help='names of notebooks, as 04_elbo; default: all')
    p.add_argument('--rows', type=Path, default=ROWS)
    p.add_argument('--again', action='store_true', help='those too whose row is of the same cells')
    p.add_argument('--limit', type=float, default=900, help='seconds for one notebook')
    args = p.parse_args()
    names = sorted(f.stem for f in (lab.REPO/'nbs').glob('*.ipynb'))
    if lab.CHROMIUM is None: sys.exit('runall: no Chromium here (Debian: apt install chromium)')
    if odd := sorted({*args.only}-{*names}): sys.exit(f"runall: no notebook {', '.join(odd)}; there is {', '.join(names)}")
    todo, wrongs = due(args, names), 0
    print(f'runall: {len(todo)} of {len(names)} notebooks; the others have rows of the same cells', flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as top:
        tree = Path(top)/'gac'
        tree.mkdir()
        lab.copied(tree)
        with lab.lab(Path(top), tree) as (url, process), lab.browser() as browser:
            for name in todo:
                shutil.rmtree(Path(top)/'cache', ignore_errors=True) # as it is for somebody who opens this one first
                wrongs += not one(browser, url, psutil.Process(process.pid), tree, name, args, names)
    sys.exit(f'runall: {wrongs} notebooks are not sound' if wrongs else 0)

if __name__=='__main__': main()
