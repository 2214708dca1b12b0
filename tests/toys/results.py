"Rows of result files, made for tests."
import numpy as np
import pandas as pd

HOPPER = 'hopper-medium'

def made(method, mean, dataset=HOPPER, seeds=(0,1,2), first=10_000, n=4, **kw):
    "Rows of a system whose training seeds are one point apart, environment seeds two."
    rows = [dict(train_seed=t, env_seed=first+e, normalised=mean+t+2.*e) for t in seeds for e in range(n)]
    told = dict(dataset=dataset, method=method, question='', acting='mean', stage=np.nan)|kw
    return pd.DataFrame(rows).assign(achieved=lambda d: 30*d.normalised, **told)

def kept(home, **files):
    "A data root with these files of rows."
    (home/'results').mkdir(exist_ok=True)
    for name,rows in files.items(): pd.concat(rows).to_csv(home/'results'/f'{name.replace("_","-")}.csv', index=False)
    return home

def gac(mean, **kw): return made('GAC', mean, **dict(question='best', acting='average')|kw)
