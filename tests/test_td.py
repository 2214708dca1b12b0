"Rewards of the two settings, and policies on disk."
import pytest
import torch
from gac.baselines.td import load_policy, paid, save_policy
from gac.envs import point_mass_data

def test_a_time_out_is_paid():
    "Each episode is paid its whole return once, at its own last step, however it ended."
    tau = point_mass_data(50)
    r = paid(tau)
    assert (tau.n==30).any() and (tau.n<30).any()
    for k,(i,n) in enumerate(zip(tau.a_at.tolist(), tau.n.tolist())):
        assert r[i+n-1]==tau.y[k] and (r[i:i+n-1]==0).all()

@pytest.mark.parametrize('bad,text', [
    (lambda r: r[:-1], r'shape \(\d+,\); one for each of the'), (lambda r: r[:,None], 'shape'), (lambda r: r*2, 'trajectory 0 add up'),
    (lambda r: torch.where(torch.arange(len(r))==3, torch.nan, r), 'trajectory 0')])
def test_wrong_rewards(bad, text):
    tau = point_mass_data(10)
    with pytest.raises(ValueError, match=text): paid(tau, bad(paid(tau)))

def test_policy_files(tmp_path):
    path = save_policy(tmp_path/'a'/'p.safetensors', dict(w=torch.eye(3).T[:,:2]), method='IQL', gamma=.999)
    state, meta = load_policy(path, 'IQL')
    assert torch.equal(state['w'], torch.eye(3)[:,:2]) and meta['gamma']==.999 and 'torch' in meta['versions']
    with pytest.raises(ValueError, match="'IQL', not of 'CQL'"): load_policy(path, 'CQL')
    with pytest.raises(FileNotFoundError, match='no policy'): load_policy(tmp_path/'b', 'CQL')
    (tmp_path/'c').write_bytes(b'x'*40)
    with pytest.raises(ValueError, match='not a readable safetensors'): load_policy(tmp_path/'c', 'CQL')
