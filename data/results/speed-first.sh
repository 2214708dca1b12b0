# The rows of two earlier runs of `make speed` on the same machine, as they were committed; `sitting` counts back from speed.csv.
python - <<'PY'
import io
import subprocess
import pandas as pd
from gac.core import data_root, writing
commits = {1:'75a48bf', 2:'2e6aade'}
def rows(commit): # of speed.csv as it was then
    said = subprocess.run(['git','show',f'{commit}:data/results/speed.csv'], check=True, capture_output=True, text=True, cwd=data_root())
    return pd.read_csv(io.StringIO(said.stdout))
every = pd.concat([rows(c).assign(sitting=k) for k,c in commits.items()])
with writing(data_root()/'results'/'speed-first.csv') as f: every.to_csv(f, index=False)
PY
