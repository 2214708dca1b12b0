"Aggregates of rliable on toy scores, as numbers: `make oracles` writes them, tests/test_claims.py reads them."
import json, sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
import numpy as np

# rliable.library subclasses bootstraps of arch, which are not needed here and do not import with pandas 3.
sys.modules |= {'arch': SimpleNamespace(), 'arch.bootstrap': SimpleNamespace(IIDBootstrap=object, IndependentSamplesBootstrap=object)}
sys.modules['arch'].bootstrap = sys.modules['arch.bootstrap']
from rliable import library, metrics

rng = np.random.default_rng(0)
a, b = rng.normal(60, 25, (5,4)).round(1), rng.normal(50, 25, (3,4)).round(1)
b[0] = a[0] # ties
grid = np.linspace(0, 100, 11)
of = {k: dict(scores=x.tolist(), iqm=float(metrics.aggregate_iqm(x)),
    profile=[float(library.run_score_deviation(x, t)) for t in grid]) for k,x in dict(a=a, b=b).items()}
of |= dict(rliable=version('rliable'), grid=grid.tolist(), improvement=float(metrics.probability_of_improvement(a, b)))
Path(sys.argv[1]).write_text(json.dumps(of, indent=1)+'\n')
