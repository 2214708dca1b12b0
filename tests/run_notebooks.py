"`nbdev_test`, the longest notebooks first: with two processes none of them is left over for the end. Its arguments are those of `nbdev_test`."
import csv
from functools import partial
from pathlib import Path
import gymnasium as gym
from nbdev import test

ROOT = Path(__file__).resolve().parents[1]

def cpu_seconds(): # -> dict: name of a notebook -> as measured
    with open(ROOT/'data'/'results'/'run-all.csv', encoding='utf-8') as f: return {r['notebook']:float(r['cpu']) for r in csv.DictReader(f)}

def longest_first(files): # what is not known comes first
    took = cpu_seconds()
    return sorted(files, key=lambda f: -took.get(f.stem, float('inf')))

def by_itself(f, *args, **kw): # a notebook that shares its process leaves no environment of its own to the next
    before = dict(gym.registry)
    try: return f(*args, **kw)
    finally:
        for name in [k for k,s in gym.registry.items() if str(s.entry_point).startswith('__main__:')]:
            del gym.registry[name]
            if name in before: gym.registry[name] = before[name]

def each(f, files, parallel=test.parallel, **kw): # as `parallel`: results in the order of the files
    order = longest_first(files)
    got = dict(zip(order, parallel(partial(by_itself, f), order, **kw), strict=True))
    return [got[f] for f in files]

if __name__=='__main__':
    import run_notebooks # by its name, for a notebook takes the place of __main__ in its process
    test.parallel = run_notebooks.each
    test.CaptureShell = partial(test.CaptureShell, mpl_format='png') # pictures as a page has them; nbdev draws four times the pixels
    test.nbdev_test()
