"A user's script, as `mypy --strict` reads it and as it runs: a log, a model, a robot."
import sys
import numpy as np
import gac
from gac.run import Run
from gac.train import rate

def robot(run: Run, s0: np.ndarray, steps: int) -> float:
    pi = gac.policy(run, 'best', steps=2)
    pi.reset(s0)
    for _ in range(steps): a = pi.act(s0)
    print(a.shape)
    return pi.predicted

def main(place: str, env: str) -> None:
    tau = gac.load(place)
    run: Run = gac.train(tau, env=env, iterations=2, D=32, tokens=2, device='cpu', progress=False)
    rows = gac.evaluate(run, 'best', n=1, steps=2)
    print(rows[['predicted', 'achieved']].mean())
    belief = gac.critic(run, tau[:2], steps=2)
    print(belief.expected().tolist(), belief.quantile(.9).tolist(), len(tau), len(belief))
    print(robot(run, tau.s0[0].numpy(), 3), rate(run))
    gac.save_run(run, 'kept')
    print(gac.load_run('kept'))

if __name__ == '__main__': main(sys.argv[1], sys.argv[2])
