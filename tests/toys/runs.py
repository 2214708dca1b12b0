"Runs for tests."
from copy import copy
from gac.elbo import PosteriorStore

def bare(run):
    "The same run without posteriors."
    new = copy(run)
    new.store = PosteriorStore(run.model.arch.K, run.model.arch.E)
    return new
