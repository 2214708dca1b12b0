"Help names what there is to choose, and costs nothing: no library that takes seconds is loaded for it."
import subprocess, sys
import pytest
from gac.commands import REGISTRIES

@pytest.mark.parametrize('key', REGISTRIES)
def test_what_ships_is_what_the_registry_holds(key):
    module, name, ships = REGISTRIES[key]
    code = f'import importlib\nprint(*getattr(importlib.import_module({module!r}), {name!r}))' # in a process where no test has registered anything
    assert subprocess.run([sys.executable,'-c',code], capture_output=True, text=True, check=True).stdout.split()==ships.split()

@pytest.mark.parametrize('command', ['--version','evaluate --help','online --help','baseline --help','export --help'])
def test_help_loads_nothing_that_takes_seconds(command):
    code = f'import sys\nfrom gac.cli import main\ntry: main({command.split()!r})\nfinally: print(*sorted({{"torch","numpy","pandas","gymnasium","matplotlib"}}&{{*sys.modules}}), file=sys.stderr)'
    r = subprocess.run([sys.executable,'-c',code], capture_output=True, text=True)
    assert (r.returncode, r.stderr.strip())==(0, '')
