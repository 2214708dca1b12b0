# One command each; `make` alone lists them. Every target makes .venv by itself and reuses it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help install demo test fuzz runall speed rows tables oracles docs lab notebooks readme readme-to address clean

# The first of these that is Python 3.11 or later and can make a venv.
PYTHON ?= $(firstword $(foreach p,python3.11 python3,$(shell $p -c 'import sys, venv, ensurepip; sys.version_info>=(3,11) and print("$p")' 2>/dev/null)))
BIN    ?= .venv/bin
STAMP  := .venv/.installed
OUT    ?= runs/demo
DIR    ?= .
FLAGS  ?=
NB     ?= $(sort $(wildcard nbs/[0-9]*.ipynb)) $(wildcard nbs/index.ipynb)

# On Linux the default index serves torch with CUDA, several GB. Without an NVIDIA card we look for the CPU build first.
# Another build or version: make demo TORCH=torch==2.12.0, or TORCH_FLAGS='--index-url https://...'.
TORCH       ?= torch==2.13.0
TORCH_FLAGS ?= $(shell [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && echo --extra-index-url https://download.pytorch.org/whl/cpu)

# uv installs in seconds what takes pip minutes. It does not read pip's settings: the indexes that pip has been told of are
# passed on, and all are asked, as pip does. Where uv cannot be had or does not get through, pip does it.
UV       = $(BIN)/uv pip install -q --python $(BIN)/python --index-strategy unsafe-best-match $$($(BIN)/pip config list | $(INDEXES))
INDEXES := sed -nE "s/^.*[.:.](index-url|extra-index-url|find-links)='(.*)'$$/\1 \2/p" | while read -r k v; do printf -- "--$$k %s " $$v; done

# The repository's public address: REPO=owner/name, else what GitHub Actions sets, else git_url of settings.ini. Neither make nor
# the shell reads these words as anything but text.
# BRANCH is for the release, which writes its tag; another default branch than main is `branch` of settings.ini.
PUBLIC := $(if $(filter undefined,$(origin REPO)),$(value GITHUB_REPOSITORY),$(value REPO))
TAG    := $(value BRANCH)
unexport REPO BRANCH
address docs: export GAC_ADDRESS := $(value PUBLIC)
address docs: export GAC_ADDRESS_BRANCH := $(value TAG)

# One thread: two threads make small networks slower.
export OMP_NUM_THREADS ?= 1
# Bytecode is kept, whatever the shell says: without it each process compiles torch, SymPy and Matplotlib again, five CPU seconds.
export PYTHONDONTWRITEBYTECODE :=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1

# Notebooks that run by themselves must not depend on anyone's own Jupyter and IPython settings.
test notebooks readme-to: export JUPYTER_CONFIG_DIR := $(CURDIR)/.venv/etc/jupyter-test
test notebooks readme-to: export IPYTHONDIR := $(CURDIR)/.venv/etc/ipython-test

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(STAMP): settings.ini setup.py constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
	  echo "Python 3.11 or later, with venv, is needed; found: $$(python3 -V 2>&1)."; \
	  echo "Install it (Debian, Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3.11"; exit 1; fi
	@echo "install: $$($(PYTHON) -V) packages into .venv, once, about a minute, by network"
	@$(PYTHON) -m venv .venv
	@grep -v '^torch==' constraints.txt > .venv/constraints.txt
	@echo "install: $(TORCH)$(if $(findstring extra-index,$(TORCH_FLAGS)),; where download.pytorch.org cannot be reached the default index serves it)"
	@$(BIN)/pip install -qq --retries 1 --no-deps $(TORCH_FLAGS) '$(TORCH)'
	@echo "install: the package, notebooks and developer tools, versions from constraints.txt"
	@$(BIN)/pip install -qq --retries 1 -c .venv/constraints.txt uv \
	  && $(UV) -c .venv/constraints.txt -e '.[notebooks,dev]' 2> .venv/uv.log \
	  || { echo "install: uv does not get through (.venv/uv.log); pip takes its place, some minutes"; \
	       $(BIN)/pip install -q -c .venv/constraints.txt -e '.[notebooks,dev]'; }
	@$(BIN)/pip check
	@mkdir -p .venv/etc/jupyter-test .venv/etc/ipython-test
	@touch $@

install: $(STAMP) ## .venv with everything in it (about a minute the first time, then nothing to do)

demo: $(STAMP) ## train on a shipped set, ask four questions, act on the answers: runs/demo (4 minutes after the installation)
	@echo "demo: trains on the shipped Hopper set, asks four questions, acts on the answers; about four minutes on two cores"
	@$(BIN)/gac demo --workers 2 --out '$(OUT)' $(if $(wildcard $(OUT)/checkpoint),--resume)

test: export MPLBACKEND := agg
test: $(STAMP) ## notebooks clean, exported, executed; then pytest (about a quarter of an hour on two cores)
	@echo "test 1/3: the notebooks are clean, and gac/ is what they export (seconds)"
	@$(BIN)/python -m pytest -q -n 2 tests/test_notebooks.py -k 'clean or modules_match'
	@echo "test 2/3: every notebook runs (five minutes)"
	@$(BIN)/python tests/run_notebooks.py --n_workers 2 --timing --do_print
	@echo "test 3/3: pytest, on three processes, for many tests wait (eight minutes)"
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=5 \
	  --deselect=tests/test_notebooks.py::test_notebooks_are_clean --deselect=tests/test_notebooks.py::test_modules_match_notebooks
	@echo "test: all passed"

fuzz: export MPLBACKEND := agg
fuzz: export PYTHONPATH := tests
fuzz: $(STAMP) ## about 1300 malformed inputs and fifty kills into data/results/fuzz.csv (about half an hour; a part: FLAGS='--only checkpoints')
	@echo "fuzz: malformed inputs, then kills; about half an hour, each that does not end well is named"
	@nice -n 5 $(BIN)/python -m fuzz $(if $(FLAGS),$(FLAGS),--kills 54 --rows data/results/fuzz.csv)

runall: export PYTHONPATH := tests
runall: $(STAMP) ## Run All of every notebook in JupyterLab, in headless Chromium, into data/results/run-all.csv (about an hour; FLAGS=04_elbo, --again)
	@echo "runall: opens each notebook in JupyterLab and runs all cells, as a reader does; about an hour, known rows are kept"
	@$(BIN)/python -m browser $(FLAGS)

speed: export MPLBACKEND := agg
speed: $(STAMP) ## times, floors and ratios into data/results/speed.csv (about half an hour; a part: FLAGS='-k default', FLAGS=--device=cuda)
	@echo "speed: measures steps, epochs, the straightforward implementation, rollouts and scaling; about half an hour, let nothing else run"
	@$(BIN)/python -m pytest -q tests/speed/bench.py --benchmark-columns=median,stddev,rounds $(FLAGS)

rows: $(STAMP) ## make data/results/NAME.csv again by the lines beside it, X=NAME (minutes to hours; FILES=folder of whole files)
	@if [ ! -f 'data/results/$(X).sh' ]; then \
	  echo "rows: X=$(X) names no file of rows; one of:" $(basename $(notdir $(wildcard data/results/*.sh))); exit 1; fi
	@echo "rows: the lines of data/results/$(X).sh, minutes to hours; look at git diff"
	@PATH='$(abspath $(BIN))':"$$PATH" FILES='$(or $(FILES),.)' bash -e 'data/results/$(X).sh'

# With README's pictures and links as `make readme` makes them; the seconds are those of this run.
tables: $(STAMP) ## the paper's tables, figures and claims, and README's tables, from the rows (under a minute)
	@echo "tables: 12_tables, 12b_claims and index from data/results, then README; under a minute"
	@begun=$$SECONDS; $(MAKE) -s --no-print-directory notebooks readme NB='nbs/12_tables.ipynb nbs/12b_claims.ipynb nbs/index.ipynb' \
	  && echo "tables: made in $$((SECONDS-begun)) seconds; look at git diff"

# d3rlpy pins gymnasium 1.0, so it lives in an environment of its own; it imports gym and h5py without our needing them.
oracles: $(STAMP) ## numbers of d3rlpy and rliable that the tests compare with, into tests/oracles (some minutes; needs the package index)
	@echo "oracles: an environment of its own in .oracles, then d3rlpy's losses and rliable's aggregates; some minutes the first time"
	@test -d .oracles || $(BIN)/python -m venv .oracles
	@.oracles/bin/pip install -qq --no-deps $(TORCH_FLAGS) '$(TORCH)'
	@.oracles/bin/pip install -q -c .venv/constraints.txt torch click structlog colorama dataclasses-json scikit-learn gym gymnasium h5py
	@.oracles/bin/pip install -q --no-deps d3rlpy==2.8.1 rliable==1.2.0 absl-py
	@.oracles/bin/python tests/oracles/d3rlpy_losses.py tests/oracles/d3rlpy.json
	@.oracles/bin/python tests/oracles/rliable_scores.py tests/oracles/rliable.json
	@echo "oracles: written; look at git diff"

# The site's tools live in an environment of their own. No notebook is executed and the package is not imported.
.docs/.installed: docs/requirements.txt
	@echo "docs: an environment of its own in .docs, once; a minute, by network"
	@$(PYTHON) -m venv .docs
	@.docs/bin/pip install -q -c constraints.txt -r docs/requirements.txt
	@touch $@

docs: .docs/.installed ## the site from notebooks and docments, into _docs/site (two minutes; REPO=owner/name: with Colab badges)
	@echo "docs: pages from the notebooks as they are committed, and a reference from docments; two minutes"
	@.docs/bin/python docs/pages.py _docs
	@NO_MKDOCS_2_WARNING=1 .docs/bin/mkdocs build --strict --quiet -f _docs/mkdocs.yml
	@echo "docs: open _docs/site/index.html"

lab: $(STAMP) ## the notebooks in JupyterLab (starts in seconds, runs until Ctrl-C)
	@echo "lab: JupyterLab in nbs/, start with index.ipynb or 00_core.ipynb; Ctrl-C twice ends it"
	@$(BIN)/jupyter lab --notebook-dir=. $(firstword $(wildcard nbs/index.ipynb) nbs/00_core.ipynb)

# Cells that carry a test flag keep the outputs they have, unless named in FLAGS.
define EXECUTE
import os, re, sys, time
import nbformat
from nbclient import NotebookClient
os.environ.pop('MPLBACKEND', None) # with any other, pictures do not stand in the notebook
skip = set('slow d4rl gpu'.split())-set(sys.argv[1].split())
class Client(NotebookClient):
    async def async_execute_cell(self, cell, *args, **kwargs):
        if any(re.match(rf'#\|\s*{f}\b', l) for f in skip for l in cell.source.splitlines()): return cell
        return await super().async_execute_cell(cell, *args, **kwargs)
for f in sys.argv[2:]:
    nb, start = nbformat.read(f, 4), time.time()
    Client(nb, timeout=900, store_widget_state=False, resources=dict(metadata=dict(path='nbs'))).execute()
    nbformat.write(nb, f)
    print(f'notebooks: {f} {time.time()-start:.0f} s', flush=True)
endef
export EXECUTE

notebooks: $(STAMP) ## execute all notebooks in place, in order, then export and clean (about 5 minutes; FLAGS=slow, NB=nbs/x.ipynb)
	@echo "notebooks: executing in place, in order; about 5 minutes"
	@$(BIN)/python -c "$$EXECUTE" '$(FLAGS)' $(NB)
	@$(BIN)/nbdev_export
	@$(BIN)/nbdev_clean
	@echo "notebooks: executed, exported and clean; look at git diff"

readme: $(STAMP) ## README.md and its pictures from nbs/index.ipynb (seconds)
	@echo "readme: README.md and README_files/ from nbs/index.ipynb; a few seconds"
	@$(MAKE) -s --no-print-directory readme-to DIR=.

# Links are relative to nbs/ in the notebook and to the root in README.md; code is python, directives are for nbdev;
# a cell that says `echo: false` shows what it made and not itself.
readme-to:
ifeq ($(wildcard nbs/index.ipynb),)
	@echo "readme: there is no nbs/index.ipynb, README.md stays as it is"
else
	@set -e -o pipefail; new=$$(mktemp -d); trap 'rm -rf "$$new"' EXIT; \
	  $(BIN)/jupyter nbconvert --log-level=ERROR --to markdown nbs/index.ipynb --output-dir "$$new" --output README \
	    --RegexRemovePreprocessor.patterns='^#\|\s*hide'; \
	  sed -E -e 's#(\]\(|(src|href)=")\.\./#\1#g' -e 's#(\]\(|href=")([0-9a-z_]+\.ipynb)#\1nbs/\2#g' "$$new/README.md" \
	  | awk '/^<style/ {style=1} \
	    /^```/ && !inside {inside=1; fence=($$0=="```" ? "```python" : $$0); next} \
	    inside && fence && /^#\| echo: false/ {quiet=1; fence=""} \
	    inside && fence && !/^#\|/ {print fence; fence=""} \
	    /^```/ {inside=0; if (!quiet) print; quiet=0; next} \
	    !/^#\|/ && !style && !quiet; /^<\/style>/ {style=0}' \
	  | $(BIN)/python docs/address.py readme > "$$new/whole.md"; \
	  rm -rf '$(DIR)/README_files'; if [ -d "$$new/README_files" ]; then cp -R "$$new/README_files" '$(DIR)'; fi; \
	  cp "$$new/whole.md" '$(DIR)/README.md'
endif

address: ## the public address, REPO=owner/name: badges, README's links, citation, metadata (seconds; nothing to install)
	@$(PYTHON) docs/address.py

clean: ## remove .venv, caches and builds; runs/ and data/ stay (seconds)
	@echo "clean: removing .venv, .oracles, .docs, caches and builds; runs/ and data/ stay"
	@rm -rf .venv .oracles .docs build dist _proc _docs *.egg-info .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
