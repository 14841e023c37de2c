# `make` prints what there is to do. Every target starts from a bare clone; README.md tells the story.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.SUFFIXES:
.DEFAULT_GOAL := help
# What a shell has set for other work must not be found before this project's packages.
unexport PYTHONPATH PYTHONHOME
# No library reports to its maker from here: the variables of splitdeconv/privacy.py.
export ORT_DISABLE_TELEMETRY := 1
export ENABLE_RUNTIME_UPTIME_TELEMETRY := 0

PYTHON ?= python3
VENV := .venv
UV ?= uv
# By file: what a file builds once for its tests (a wheel, an environment, a model) is built once.
PYTEST ?= -n 2 --dist loadfile
quick := $(filter-out 0 no false,$(QUICK))

# How pip installs pinned files, whatever the user's own settings say.
BY_HASH := --quiet --disable-pip-version-check --no-user --require-hashes

# ---- the environment ------------------------------------------------------------------------------------------------

# `make ENVIRONMENT=DIR ...` works in an environment that is already there (conda's, for instance) and installs nothing.
ifeq ($(origin ENVIRONMENT),command line)
BIN := $(ENVIRONMENT)/bin
READY := environment
else
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# The shell's variable of this name may be meant for anything; one that is an environment is probably meant for here.
ifneq ($(and $(ENVIRONMENT),$(shell test -x "$$ENVIRONMENT/bin/python" && echo it is)),)
$(error ENVIRONMENT is set in the shell, where make does not look. To work in it: make ENVIRONMENT="$(ENVIRONMENT)" ...; \
    for .venv: unset ENVIRONMENT)
endif
endif
RUN := "$(BIN)/python"

.PHONY: environment
environment:
	@test -x $(RUN) || { echo "ENVIRONMENT=$(ENVIRONMENT) is no environment: it has no bin/python" >&2; exit 1; }

# The copy of the lock in the environment says what was installed there; see tools/setup.sh.
$(VENV)/requirements.lock: requirements.lock
	@tools/setup.sh "$(PYTHON)" $(VENV)

$(VENV)/.installed: pyproject.toml $(VENV)/requirements.lock
	@PIP_USER=0 $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Packages can lose files behind the mark's back. `make setup` looks for each of them, other targets for
# a few of each package.
ifneq ($(wildcard $(VENV)/requirements.lock),)
missing := $(shell tools/missing.sh $(VENV) $(if $(filter setup,$(MAKECMDGOALS)),all))
ifneq ($(missing),)
$(warning $(VENV) lacks $(missing): it is installed again)
$(VENV)/requirements.lock: FORCE
endif
endif

# Another Python asked for by name is another environment.
ifeq ($(origin PYTHON),command line)
version = $(shell "$(1)" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)
ifneq ($(call version,$(PYTHON)),$(call version,$(VENV)/bin/python))
$(VENV)/requirements.lock: FORCE
endif
endif

.PHONY: executed
.PHONY: FORCE help setup data test test-all test-lowest test-torch test-lab lint lab reproduce site bench measure edge-tpu peers backends survey lock clean

help: ## Print this help
	@echo "usage: make [-j] TARGET [QUICK=1] [PYTHON=python3.12] [ENVIRONMENT=DIR]"; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Make .venv from requirements.lock and install the package into it

# ---- data -----------------------------------------------------------------------------------------------------------

# The mark lists what lay there: what has gone or changed since is checked, and fetched again if need be.
FETCHED := data/cache/.fetched
LIST := find data/cache -type f ! -name .fetched -printf '%p %s %T@\n' 2>/dev/null | LC_ALL=C sort
ifneq ($(shell ($(LIST)) | cmp - $(FETCHED) 2>&1),)
$(FETCHED): FORCE
endif
# That mark speaks of data/cache alone: a folder that SPLITDECONV_DATA names is looked through each time.
DATA := $(if $(SPLITDECONV_DATA),data,$(FETCHED))

data: $(READY) ## Fetch the trained weights into data/cache and check them; offline once they are there
	@$(RUN) -m splitdeconv.pretrained
	@$(if $(SPLITDECONV_DATA),,mkdir -p $(dir $(FETCHED)) && ($(LIST)) > $(FETCHED))

$(FETCHED): $(wildcard splitdeconv/pretrained/*.yaml) | $(READY)
	@$(RUN) -m splitdeconv.pretrained
	@mkdir -p $(dir $@) && ($(LIST)) > $@

# ---- checks ---------------------------------------------------------------------------------------------------------

test: $(READY) $(DATA) ## Run the tests; PYTEST="-k plan" selects
	@$(RUN) -m pytest $(PYTEST)

test-all: $(READY) $(DATA) ## Run the slow tests as well, as .ci/run does
	@$(RUN) -m pytest -m "not browser" $(PYTEST)

test-lowest: ## Run the tests with the oldest versions that pyproject.toml declares, in build/lowest
	@"$(PYTHON)" -m venv --clear build/lowest
	@build/lowest/bin/python -m pip install $(BY_HASH) --only-binary :all: -r tests/lowest.txt
	@build/lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@build/lowest/bin/python -m pytest -m "not browser" $(PYTEST) -W default

# PyTorch is a choice of several GB on most machines, so it stays out of the lock and of .venv. Its environment holds it,
# with torchao, and takes everything else from .venv.
TORCH := build/torch
TORCH_TESTS = $(shell find tests -name '*torch*' -prune -not -name __pycache__)

$(TORCH)/.installed: tools/torch.txt $(READY)
	@echo "Installing PyTorch into $(TORCH); this takes a minute."
	@$(RUN) -m tools.layered $(TORCH)
	@$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-user -r tools/torch.txt
	@touch $@

test-torch: $(TORCH)/.installed $(DATA) ## Run the tests of PyTorch, installed into build/torch
	@$(TORCH)/bin/python -m pytest -m "not browser" $(PYTEST) $(TORCH_TESTS)

test-lab: $(READY) $(DATA) ## Run notebooks in JupyterLab in the Chromium of this machine; screenshots in build/lab
	@$(RUN) -m pytest -m browser -n 0 tests/workspace

lint: $(READY) ## Check style and format of code and notebooks, and the types of the package
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

# ---- notebooks ------------------------------------------------------------------------------------------------------

ALL := $(patsubst params/%.yaml,%,$(wildcard params/*.yaml))
# Those that are called after their notebooks; other params files are a user's own. tools/runs.py has the same rule.
OFFICIAL := $(sort $(foreach notebook,$(patsubst notebooks/%.ipynb,%,$(wildcard notebooks/*.ipynb)), \
    $(filter $(notebook) $(notebook)_%,$(ALL))))
# One value of a params file; a list loses its punctuation. tools/runs.py refuses files that this would read otherwise.
hash := \#
key = $(shell sed -n 's/[[:space:]]$(hash).*//; s/^$(1): *//p' params/$(2).yaml | tr '[],"' '    ')
CHOSEN := $(foreach run,$(OFFICIAL),$(if $(if $(quick),$(filter true,$(call key,quick,$(run))),all),$(run)))
# Runs of a minute or more come first, so that none is left alone at the end; those that need the machine to themselves
# come last, for in between they would wait, and others for them.
LONG := $(foreach run,$(CHOSEN),$(if $(filter-out 0%,$(call key,minutes,$(run))),$(run)))
TIMED := $(foreach run,$(CHOSEN),$(if $(filter true,$(call key,exclusive,$(run))),$(run)))
RUNS := $(filter-out $(TIMED),$(LONG)) $(filter-out $(LONG) $(TIMED),$(CHOSEN)) $(TIMED)
LIBRARY := $(shell find splitdeconv -name '*.py' -o -name '*.yaml' -o -name '*.csv')

build/executed/%.ipynb: params/%.yaml requirements.lock $(LIBRARY) | $(READY) $(DATA)
	@$(RUN) -m tools.run_notebook $< $@ $(if $(quick),--quick)

# Each run's own notebook and inputs. A run that has lost a figure is run again.
figures = $(foreach name,$(call key,figures,$(1)),$(addprefix figures/$(name).,csv pdf png))
lost = $(if $(filter-out $(wildcard $(1)),$(1)),FORCE)
$(foreach run,$(ALL),$(eval build/executed/$(run).ipynb: \
    notebooks/$(strip $(call key,notebook,$(run))).ipynb \
    $(wildcard $(call key,inputs,$(run))) $(if $(filter $(run),$(OFFICIAL)),$(call lost,$(call figures,$(run))))))

# A full result serves QUICK=1 as well; a quick one, marked by tools/run_notebook.py, is made again for a full run.
ifeq ($(quick),)
$(patsubst %.quick,%.ipynb,$(wildcard build/executed/*.quick)): FORCE
endif

# So is one that was cut off: the last line of a whole one is its closing brace.
cut_off := $(shell tail -vn 1 /dev/null $(wildcard build/executed/*.ipynb) | \
    awk '/^==> /{if (name) print name; name = $$2} /^}$$/{name = ""} END{if (name) print name}')
$(filter-out /dev/null,$(cut_off)): FORCE

# Figures in figures/ that are not their run's own are found before make looks at what there is, hence the second make.
# It executes two notebooks at a time unless -j says otherwise; what times something has the machine to itself.
reproduce: $(READY) ## Execute the notebooks and make every figure and the report; QUICK=1 for a small selection
	@$(RUN) -m tools.heal $(if $(quick),--quick)
	@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j 2) executed
	@$(RUN) -m tools.check_figures $(if $(quick),--quick)
	@$(RUN) -m tools.report $(if $(quick),--quick)

executed: $(RUNS:%=build/executed/%.ipynb)

# Otherwise JupyterLab looks on the network for news, for its own releases and for extensions.
QUIET_LAB := --LabApp.news_url=None --LabApp.extension_manager=readonly \
    --LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate

lab: $(READY) $(DATA) ## Open JupyterLab on notebooks/; LAB="--no-browser" passes options
	@JUPYTER_PREFER_ENV_PATH=1 TF_CPP_MIN_LOG_LEVEL=2 SPLITDECONV_START="$(CURDIR)" "$(BIN)/jupyter" lab \
	    --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks $(QUIET_LAB) \
	    $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB)

site: $(READY) ## Build the documentation site from docs/, docstrings and what is in build/executed, into build/site
	@TF_CPP_MIN_LOG_LEVEL=3 $(RUN) -m tools.site

# ---- measurements ---------------------------------------------------------------------------------------------------

# Each script of a list, one after the other, with the machine to itself.
define scripts
	@test -n "$(strip $(1))" || echo "there is no $(2): nothing to run"
	@for script in $(1); do echo "== $$script"; $(RUN) -m tools.machine $(RUN) $$script; done
endef

MEASURE := $(sort $(wildcard benchmarks/measure_*.py))

bench: $(READY) $(DATA) ## Time design-space sweeps on this machine: the other scripts in benchmarks/
	$(call scripts,$(filter-out $(MEASURE),$(sort $(wildcard benchmarks/*.py))),script in benchmarks/)

measure: $(READY) $(DATA) ## Run the long measurements (benchmarks/measure_*.py) and update data/measured/*.csv
	$(call scripts,$(MEASURE),benchmarks/measure_*.py)

edge-tpu: $(READY) $(DATA) ## Write the networks as int8 files and the script that times them on an Edge TPU, into build/edge_tpu
	@TF_CPP_MIN_LOG_LEVEL=3 $(RUN) -m tools.edge_tpu build/edge_tpu

# The simulators want versions that the lock does not have: they live apart from it.
# Both files are complete, so pip resolves nothing. The pinned setuptools builds the package without a wheel.
build/peers/.installed: tools/peers/requirements.txt tools/peers/sources.txt
	@echo "Installing SCALE-Sim and ZigZag into build/peers; this takes a minute."
	@"$(PYTHON)" -m venv --clear build/peers
	@build/peers/bin/python -m pip install $(BY_HASH) --no-deps \
	    --only-binary :all: -r tools/peers/requirements.txt
	@build/peers/bin/python -m pip install $(BY_HASH) --no-deps \
	    --no-build-isolation -r tools/peers/sources.txt
	@build/peers/bin/python -m pip check --quiet --disable-pip-version-check
	@touch $@

# accelforge needs a Python of its own; without one, the others are compared alone.
PYTHON312 ?= python3.12

build/accelforge/.installed: tools/peers/accelforge.txt
	@rm -rf build/accelforge build/peers/runs/known/accelforge.jsonl
	@if "$(PYTHON312)" -c '' 2>/dev/null; then \
	    echo "Installing accelforge into build/accelforge; this takes a minute."; \
	    "$(PYTHON312)" -m venv build/accelforge && \
	    build/accelforge/bin/python -m pip install $(BY_HASH) --no-deps \
	        --only-binary :all: -r tools/peers/accelforge.txt && \
	    build/accelforge/bin/python -m pip check --quiet --disable-pip-version-check && touch $@; \
	else \
	    echo "accelforge is left out: $(PYTHON312) does not run; make peers PYTHON312=PATH names another"; \
	fi

peers: $(READY) build/peers/.installed build/accelforge/.installed ## Compare the processor model with SCALE-Sim, ZigZag and accelforge, into data/measured
	@$(RUN) -m tools.peers build

# What compiles PyTorch's programs lives on top of build/torch.
BACKENDS := build/backends

$(BACKENDS)/.installed: tools/backends/requirements.txt $(TORCH)/.installed
	@echo "Installing ExecuTorch, LiteRT Torch and torchao into $(BACKENDS); this takes two minutes."
	@$(TORCH)/bin/python -m tools.layered $(BACKENDS)
	@$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check --no-user \
	    -r tools/backends/requirements.txt
	@touch $@

backends: $(BACKENDS)/.installed ## Ask back ends of PyTorch for the layers of data/reference/refused.csv, into data/measured
	@$(BACKENDS)/bin/python -m tools.backends

# The libraries that define published networks live on top of build/torch as well.
SURVEY := build/survey

$(SURVEY)/.installed: tools/survey/requirements.txt $(TORCH)/.installed
	@echo "Installing libraries of networks into $(SURVEY); this takes a minute."
	@$(TORCH)/bin/python -m tools.layered $(SURVEY)
	@$(SURVEY)/bin/python -m pip install --quiet --disable-pip-version-check --no-user \
	    -r tools/survey/requirements.txt
	@touch $@

survey: $(SURVEY)/.installed $(DATA) ## Convert and time the networks of benchmarks/networks.yaml, into data/measured; resumable
	@$(SURVEY)/bin/python -m tools.survey $(SURVEY_ARGS)

# ---- upkeep ---------------------------------------------------------------------------------------------------------

COMPILE = $(UV) pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --no-header --quiet
PINS = $(COMPILE) requirements.in --no-emit-package splitdeconv
PEERS = $(COMPILE) --universal

lock: ## Compile the lock and the other pinned files again, by uv; LOCK=--upgrade takes newer ones
	@$(PINS) --universal --fork-strategy fewest -o requirements.lock $(LOCK)
	@$(PINS) --resolution lowest-direct --only-binary :all: -o tests/lowest.txt $(LOCK)
	@$(PEERS) tools/peers/requirements.in --no-emit-package multiprocessing-on-dill \
	    -o tools/peers/requirements.txt $(LOCK)
	@$(PEERS) tools/peers/sources.in --no-deps -o tools/peers/sources.txt $(LOCK)
	@$(PEERS) --python-version 3.12 tools/peers/accelforge.in -o tools/peers/accelforge.txt $(LOCK)

clean: ## Remove what was built: build/, figures/ and caches; .venv, data/cache and my_figures stay
	rm -rf build dist figures *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
