"Data, training, a question, a verdict: the whole way, on public names only."
import time
from gac.data import load, save
from gac.envs import point_mass_data, random_policy, rollout
from gac.model import Arch
from gac.query import Ask, QUESTIONS, evaluate
from gac.run import Fit, load_run, new_run, resumable
from gac.train import fit

ENV = 'gac/PointMass-v0'

def test_from_data_to_verdict(tmp_path, monkeypatch):
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache')); start = time.perf_counter()
    tau = load(save(point_mass_data(64), 'me/point/mass-v0', ENV, root=tmp_path/'sets'))
    run = new_run(tau, Arch.tiny(3, 2), Fit.tiny(iterations=60, outer_steps=4), dataset='point mass', env=ENV)
    fit(run, tau, out=tmp_path/'run', until=30, progress=False)
    run = resumable(load_run(tmp_path/'run')); history = fit(run, tau, out=tmp_path/'run', progress=False)
    assert len(history)==60 and history.elbo.tail(10).mean()>history.elbo.head(10).mean()
    got = {q:evaluate(run, ENV, q, n=16, seed=0, cfg=Ask(steps=60)) for q in QUESTIONS}
    for q,rows in got.items():
        assert len(rows)==16 and (rows.question==q).all() and (rows.env=='gac/PointMass-v0').all() and rows.env_seed.tolist()==list(range(16))
        assert rows[['predicted','achieved','length','kl']].notna().all().all()
    again = evaluate(load_run(tmp_path/'run'), ENV, 'best', n=16, seed=0, cfg=Ask(steps=60))
    assert again.achieved.tolist()==got['best'].achieved.tolist() and again.predicted.tolist()==got['best'].predicted.tolist() # read back, the same answers
    chance = rollout(ENV, random_policy(ENV), 16, seed=0).y.mean()
    assert got['best'].predicted.mean()>got['prior'].predicted.mean() and got['best'].achieved.mean()>float(chance)
    assert time.perf_counter()-start<60 # 20 s on an idle thread
