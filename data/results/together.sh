# How two trainings act together: by the mean of their actions, an episode each in turn, or by the mean where they agree and in turn where
# they do not, 50 episodes of `best` on environment seeds for choosing, one row for each mean. They agree where the squared difference of
# their actions is at most half the first one's variance, in the mean over dimensions. Pairs are those of state-noise.sh, in one process.
# ONLY: pairs to ask.
python - <<'PY'
import os
import pandas as pd
import torch
from gac import team
from gac.core import data_root, set_threads, versions
from gac.members import load_members
from gac.rows import save_rows
set_threads(1)
to, Plain = data_root()/'results'/'together.csv', team.Ensemble

class InTurn(Plain):
    def __init__(self, policies, turns=False, *a, **kw): super().__init__(policies, True, *a, **kw)
class Agreed(Plain): # two policies
    least, apart = .5, []
    @torch.inference_mode()
    def __call__(self, s, rows):
        sd = self.model.generator.act_lsd.exp()*self.model.std.a_std
        each = torch.stack([p(s, rows) for p in self.policies])
        far = ((each[0]-each[1])/sd).square().mean(-1)>self.least
        self.apart.append(float(far.float().mean()))
        a = torch.where(far[:,None], each[self.who[rows],torch.arange(len(rows))], each.mean(0))
        self.executed(a)
        return a

pairs = [f'team-{k}-{s}' for k in ('hopper','walker2d') for s in (0,1,2)]
pairs += ['team-walker2d-medium-replay-2', 'noise-0.05-walker2d-medium-replay-2']
for name in os.environ.get('ONLY',' '.join(pairs)).split():
    run = load_members(f'runs/{name}')
    for how,kind in (('mean',Plain), ('in turn',InTurn), ('where they agree',Agreed)):
        team.Ensemble = kind
        Agreed.apart.clear()
        r = team.evaluate_runs([run], run.meta['env'], 'best', 50, 5000, 'answers')
        apart = pd.Series(Agreed.apart or [float('nan')]*100)
        one = dict(dataset=run.meta['dataset'], state_noise=run.cfg.state_noise, train_seed=run.cfg.seed, together=how)
        one |= dict(episodes=50, env_seed=5000, early=(r.length<200).mean(), worst=r.normalised.min())
        one |= r[['normalised','predicted','achieved']].mean().to_dict()
        one |= dict(apart_first_50=apart[:50].mean(), apart_later=apart[50:400].mean())
        one |= dict(device='cpu', threads=1, versions=versions())
        same = 'dataset','state_noise','train_seed','together'
        save_rows(pd.DataFrame([one]).round(2), to, same=same, then='episodes')
PY
