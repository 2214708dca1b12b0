"Losses of d3rlpy on given weights, batch and noise, as numbers: `make oracles` writes them, tests/test_td.py and test_dt.py read them."
import json, sys
from pathlib import Path
import d3rlpy, torch
from d3rlpy.algos import CQLConfig, IQLConfig, TD3PlusBCConfig
from d3rlpy.models.builders import create_continuous_decision_transformer
from d3rlpy.models.encoders import VectorEncoderFactory
from d3rlpy.torch_utility import TorchMiniBatch
from d3rlpy.constants import PositionEncodingType
from torch import nn

S, A, B, WIDTH, DRAWS = 3, 2, 6, 5, 4
encoder = VectorEncoderFactory(hidden_units=[WIDTH,WIDTH])

def shake(module, seed):
    "Every parameter anew, so that slow copies differ from what they copy."
    gen = torch.Generator().manual_seed(seed)
    for p in module.parameters(): p.data = .6*torch.randn(p.shape, generator=gen)

def mlp(module, name):
    "The linear maps of a module under the names of a plain sequence; two heads become one."
    maps = [m for m in module.modules() if isinstance(m, nn.Linear)]
    join = lambda k: torch.cat([getattr(m,k) for m in maps[2:]])
    out = {f'{name}.{2*i}.{k}': getattr(m,k) for i,m in enumerate(maps[:2]) for k in ('weight','bias')}
    return out|{f'{name}.4.{k}': join(k) for k in ('weight','bias')}

def twins(modules, name): return {k:v for i,m in enumerate(modules) for k,v in mlp(m, f'{name}.q.{i}').items()}

def batch():
    gen = torch.Generator().manual_seed(1)
    s, s1, a = (torch.randn(B, n, generator=gen) for n in (S,S,A))
    r, end = torch.randn(B, 1, generator=gen), torch.tensor([[0.],[0.],[1.],[0.],[1.],[0.]])
    return TorchMiniBatch(observations=s, actions=a.clamp(-.95,.95), rewards=r, next_observations=s1, next_actions=a,
                          returns_to_go=r, terminals=end, intervals=torch.ones(B,1), device='cpu')

def made(config):
    algo = config.create(device='cpu:0')
    algo.create_impl((S,), A)
    m = algo.impl._modules
    for i,part in enumerate(('policy','targ_policy','q_funcs','targ_q_funcs','value_func','log_temp')):
        if isinstance(getattr(m, part, None), nn.Module): shake(getattr(m,part), 10+i)
    return algo.impl, m

def state_of(m):
    return twins(m.q_funcs,'q')|twins(m.targ_q_funcs,'q_slow')

def td3bc(b):
    impl, m = made(TD3PlusBCConfig(gamma=.97, actor_encoder_factory=encoder, critic_encoder_factory=encoder))
    torch.manual_seed(5)
    noise = torch.randn(B, A)
    torch.manual_seed(5)
    critic = impl.compute_critic_loss(b, impl.compute_target(b)).critic_loss
    actor = impl.compute_actor_loss(b, m.policy(b.observations)).actor_loss
    state = state_of(m)|mlp(m.policy,'actor')|mlp(m.targ_policy,'actor_slow')
    return dict(state=state, noise=dict(noise=noise), losses=dict(critic=critic, actor=actor))

def iql(b):
    impl, m = made(IQLConfig(gamma=.97, actor_encoder_factory=encoder, critic_encoder_factory=encoder, value_encoder_factory=encoder))
    loss = impl.compute_critic_loss(b, impl.compute_target(b))
    actor = impl.compute_actor_loss(b, m.policy(b.observations)).actor_loss
    state = state_of(m)|mlp(m.value_func,'v')|mlp(m.policy,'actor.mu')|{'actor.raw': m.policy._logstd[0]}
    return dict(state=state, noise={}, losses=dict(critic=loss.q_loss, value=loss.v_loss, actor=actor))

def cql(b):
    impl, m = made(CQLConfig(gamma=.97, actor_encoder_factory=encoder, critic_encoder_factory=encoder, n_action_samples=DRAWS,
                             alpha_learning_rate=0., initial_alpha=1., alpha_threshold=0., conservative_weight=5., temp_learning_rate=0.))
    torch.manual_seed(6)
    here, there, flat, noise = torch.randn(DRAWS,B,A), torch.randn(DRAWS,B,A), torch.empty(B*DRAWS,A).uniform_(-1,1), torch.randn(B,A)
    target = impl.compute_target(b)
    td = super(type(impl), impl).compute_critic_loss(b, target).critic_loss
    torch.manual_seed(6)
    gap = impl.compute_critic_loss(b, target).conservative_loss/5
    actor = impl.compute_actor_loss(b, m.policy(b.observations)).actor_loss
    temp = next(m.log_temp.parameters())
    state = state_of(m)|mlp(m.policy,'actor.net')|{'temp.log': temp.reshape(())}
    noise = dict(here=here, there=there, flat=flat.view(B,DRAWS,A).transpose(0,1), noise=noise)
    return dict(state=state, noise=noise, losses=dict(td=td, gap=gap, actor=actor))

def dt(D=8, M=4, layers=2, longest=12):
    "d3rlpy's layer norms have eps .003; here they get torch's own."
    net = create_continuous_decision_transformer((S,), A, VectorEncoderFactory(hidden_units=[D], exclude_last_activation=True), 2, longest-1,
        layers, M, 0., 0., 0., 'gelu', PositionEncodingType.SIMPLE, 'cpu', False)
    shake(net, 30)
    for m in net.modules():
        if isinstance(m, nn.LayerNorm): m.eps = 1e-5
    gen, real = torch.Generator().manual_seed(2), torch.arange(M)>=torch.tensor([[0],[2],[3]])
    g, s, a = (torch.randn(3, M, n, generator=gen) for n in (1,S,A))
    t = (torch.arange(M)-torch.tensor([[-5],[2],[3]])).clamp(min=0)
    out = net(s, a, g, t, (~real).float())
    state = {'time': net._position_encoding._embed.weight}
    names = {'g':net._rtg_embed, 's':net._encoder._layers[0], 'a':net._action_embed, 'ln_in':net._embed_ln, 'ln':net._gpt2._layer_norm, 'out':net._output}
    for i,b in enumerate(net._gpt2._transformer):
        att = {f'att.{k}': getattr(b._attention, f'_{v}') for k,v in dict(q='q', k='k', v='v', o='proj').items()}
        names |= {f'blocks.{i}.{k}':v for k,v in (att|{'ln1':b._layer_norm1, 'ln2':b._layer_norm2, 'mlp.0':b._mlp._l1, 'mlp.2':b._mlp._l2}).items()}
    state |= {f'{k}.{p}': getattr(m,p) for k,m in names.items() for p in ('weight','bias')}
    return dict(state=state, sizes=dict(D=D, M=M, layers=layers, heads=2), longest=len(state['time']),
                inputs=dict(g=g[...,0], s=s, a=a, t=t, real=real), actions=out)

def plain(x):
    "Tensors as lists, all the way down."
    if isinstance(x, dict): return {k:plain(v) for k,v in x.items()}
    return x.detach().tolist() if isinstance(x, torch.Tensor) else x

if __name__=='__main__':
    b = batch()
    data = dict(s=b.observations, a=b.actions, r=b.rewards[:,0], s1=b.next_observations, end=b.terminals[:,0])
    out = dict(d3rlpy=d3rlpy.__version__, torch=torch.__version__.split('+')[0], width=WIDTH, gamma=.97, batch=data, TD3BC=td3bc(b), IQL=iql(b), CQL=cql(b), DT=dt())
    Path(sys.argv[1]).write_text(json.dumps(plain(out))+'\n')
