from gac.api import (critic as critic, evaluate as evaluate, from_arrays as from_arrays, load as load,
                     load_run as load_run, policy as policy, save_run as save_run, train as train)

__version__: str
