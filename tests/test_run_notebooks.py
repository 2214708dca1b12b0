"Which notebook runs first, and whose result is whose."
from pathlib import Path
from run_notebooks import ROOT, each, longest_first

pages = sorted((ROOT/'nbs').glob('*.ipynb'))

def test_the_longest_is_first_and_all_are_there():
    order, new = longest_first(pages), Path('99_new.ipynb')
    assert sorted(order)==pages and order!=pages
    assert longest_first([order[-1],order[-2],new])==[new,order[-2],order[-1]]

def test_results_stay_with_their_notebooks():
    seen = []
    def run(f, files, **kw):
        seen.extend(files)
        return [f(p, **kw) for p in files]
    assert each(lambda p, by: p.name+by, pages, run, by='!')==[p.name+'!' for p in pages]
    assert seen==longest_first(pages)
