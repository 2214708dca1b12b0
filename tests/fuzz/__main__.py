"`python -m fuzz`: all inputs, or some; what is not clean is named, counts go to a table."
import argparse
import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')
from fuzz import harness, kills
from fuzz.shelf import build

MODULES = ('hdf5','raw','minari_sets','checkpoints','commands','folders','environment','odd','systems')
SEED, REAL = 20, 16 # of everything drawn; inputs that are tried by a process of their own once more
OPEN = Path(__file__).with_name('open.txt') # inputs that are known not to be clean yet

def inputs(seed=SEED)->list: # all of them, always the same
    out = []
    for m in MODULES: out += importlib.import_module(f'fuzz.{m}').cases(np.random.default_rng([seed,len(m),ord(m[0])]))
    names = [c.id for c in out]
    twice = {n for n in names if names.count(n)>1}
    if twice: raise ValueError(f'inputs of one name: {sorted(twice)[:5]}')
    rank = lambda i: hashlib.blake2b(f'{seed} {out[i].id}'.encode()).digest() # by name: one input more or less moves no other
    pick = sorted((i for i,c in enumerate(out) if not (c.user or c.real or c.expect=='either')), key=rank)[:REAL]
    return out+[replace(out[i], category='processes of their own', name=out[i].id, real=True, idle=False) for i in sorted(pick)]

def known()->set: return {l for l in OPEN.read_text().splitlines() if l.strip()} if OPEN.exists() else set()

def chosen(cases, args):
    if args.only: cases = [c for c in cases if any(o.lower() in c.id.lower() for o in args.only)]
    if args.held: cases = [c for c in cases if c.id not in known()]
    if not args.slice or args.slice>=len(cases): return cases
    pick = np.random.default_rng(SEED).choice(len(cases), args.slice, replace=False)
    return [cases[i] for i in sorted(pick)]

def warm(): # everything imported, nothing computed: a forked child is a fresh process that has started already
    for m in [p.stem for p in (harness.REPO/'gac').glob('*.py') if p.stem[0]!='_']:
        try: importlib.import_module(f'gac.{m}')
        except ImportError: pass
    for m in ('h5py','minari','optuna','pandas','matplotlib.pyplot','matplotlib.backends.backend_agg','optuna.storages.journal','sqlalchemy','torch._dynamo','torch._inductor','torch.distributed.checkpoint',
        'gymnasium.envs.mujoco','torch.distributed.run','submitit','importlib.readers','cProfile','pstats'):
        try: importlib.import_module(m)
        except ImportError: pass

def shelf_in(base): # -> folder of healthy things
    shelf = base/'shelf'
    shelf.mkdir()
    (base/'home').mkdir()
    (base/'cache').mkdir(mode=0o777)
    (base/'data').mkdir()
    env = dict(GAC_CACHE=str(base/'cache'), GAC_DATA=str(base/'data'), HOME=str(base/'home'))
    pid = harness.fork(lambda: build(shelf), shelf, env, base/'out', base/'err')
    got = harness.watch(pid, 120, 4e9)
    if got['code']: raise SystemExit(f"the healthy things could not be made: {(base/'err').read_text()[-2000:]}")
    return shelf

def counts(done, version)->list: # results -> one row for each category
    rows = []
    for c in dict.fromkeys(r['category'] for r in done):
        mine = [harness.first_of(r) for r in done if r['category']==c]
        kinds = {f:mine.count(f) for f in harness.FAULTS}
        rows.append(dict(version=version, category=c, tried=len(mine), clean=mine.count(''), not_clean=len(mine)-mine.count('')) | kinds)
    return rows

def keep(rows, path): # the rows of this version anew, those of others as they are
    import pandas as pd
    from gac.core import versions
    new = pd.DataFrame(rows).assign(versions=versions())
    if Path(path).exists():
        old = pd.read_csv(path)
        new = pd.concat([old[old.version!=new.version[0]], new])
    new.to_csv(path, index=False)

def main():
    p = argparse.ArgumentParser(prog='fuzz', description=__doc__)
    p.add_argument('--slice', type=int, default=0, help='so many inputs, drawn by the seed; 0: all, -1: none')
    p.add_argument('--held', action='store_true', help='leave out those that are known not to be clean')
    p.add_argument('--only', action='append', help='inputs whose name holds this text')
    p.add_argument('--kills', type=int, default=0, help='then so many kills')
    p.add_argument('--job', action='append', help='kills of this job alone: train, online, tune, tune2')
    p.add_argument('--rows', type=Path, help='counts go to this CSV file')
    p.add_argument('--version', default='now', help='name of the version in the rows')
    p.add_argument('--json', type=Path, help='everything that came out')
    p.add_argument('--seconds', type=float, default=0, help='begin no further input after so long, on a machine with nothing else to do')
    args = p.parse_args()
    begun, base = time.monotonic(), Path(tempfile.mkdtemp(prefix='gac-fuzz-'))
    base.chmod(0o755)
    try: done = _all(args, base, begun)
    finally: shutil.rmtree(base, ignore_errors=True)
    if args.json: args.json.write_text(json.dumps(done, indent=1))
    if args.rows: keep(counts(done, args.version), args.rows)
    bad = [r for r in done if r['faults']]
    for r in bad: print(f"{r['id']}: {harness.said(r)}")
    for r in counts(done, args.version): print(', '.join(f'{k} {v}' for k,v in r.items() if v!=0 and k!='version'))
    print(f'fuzz: {len(done)} tried, {len(done)-len(bad)} clean, {len(bad)} not; {time.monotonic()-begun:.0f} s')
    raise SystemExit(bool(bad))

def _all(args, base, begun):
    warm()
    shelf = shelf_in(base)
    os.environ['GAC_CACHE'] = str(base/'cache')
    done, begun = [], time.monotonic()
    for c in chosen(inputs(), args) if args.slice>=0 else []:
        if args.seconds and time.monotonic()-begun>args.seconds*harness.busy(): break
        try: done.append(harness.attempt(c, base, shelf))
        except Exception as e: raise RuntimeError(f'{c.id}: the input could not be made') from e
        if args.json and not len(done)%50: args.json.write_text(json.dumps(done))
        if not len(done)%100: print(f'fuzz: {len(done)} tried, {time.monotonic()-begun:.0f} s', file=sys.stderr, flush=True)
    return done+(kills.run(args.kills, base, shelf, only=args.job) if args.kills else [])

if __name__=='__main__': main()
