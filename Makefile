# make demo    everything from an empty machine to the adapted toy segmentor and its report
# make test    the test suite
# make quick   ops, utils and components of the suite: seconds, for the edit loop
# make lint    ruff on the whole tree, mypy on mmseg_uda
# make smoke-full   the smoke part of the suite on mmcv-full, built once into a wheel cache and unpacked beside the environment
# make docs    the documentation as a site in site/; a broken link is an error
# make wheel-check  build sdist and wheel, install the wheel into an empty environment and use it there
# make full    the production install: replaces mmcv without ops by mmcv-full in the environment
#
# PYTHON=/path/to/python   use that environment as it is: nothing is created, only what is missing is installed there
# REPLACE=1                with PYTHON=: let this clone take the place of the mmseg_uda of another clone
# BASE_PYTHON=python3.11   the interpreter that .venv is made with
# TORCH_WHEELS=cpu         the wheels of torch without CUDA; cu126, cu130: for this CUDA; read when torch is installed
# TORCH_INDEX_URL=URL      another package index for torch and torchvision
# JOBS=4                   test processes (default: one per core, at most 8)

VENV ?= .venv
BASE_PYTHON ?= python3
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); if [ $$n -gt 8 ]; then echo 8; else echo $$n; fi)
FULL_DIR ?= .cache/mmcv_full

ifdef PYTHON
PY := $(PYTHON)
SETUP := $(PYTHON) tools/install/environment.py $(if $(REPLACE),--replace)
else
PY := $(VENV)/bin/python
SETUP := $(BASE_PYTHON) tools/install/environment.py --venv $(VENV)
endif

# this clone is used, whatever mmseg_uda the environment has
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
# what the installer reads from the environment, given as VARIABLE=VALUE to make or exported by the shell
export TORCH_WHEELS
export TORCH_INDEX_URL

.PHONY: help setup demo test quick lint docs wheel-check smoke-full full

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

setup:
	@$(SETUP)

demo: setup
	$(PY) tools/demo.py $(ARGS)

test: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

quick: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS) tests/ops tests/utils tests/components $(ARGS)

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

docs:
	@$(SETUP) --with docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict $(ARGS)

wheel-check: setup
	OMP_NUM_THREADS=1 $(PY) -m pytest -q tests/compat/test_wheel.py $(ARGS)

smoke-full: setup
	$(PY) tools/install/mmcv_full.py unpack $(FULL_DIR)
	OMP_NUM_THREADS=1 PYTHONPATH=$(abspath $(FULL_DIR)):$(PYTHONPATH) MMSEG_UDA_EXPECT_COMPILED_OPS=1 $(PY) -m pytest -q -m smoke $(ARGS)

full: setup
	$(PY) tools/install/mmcv_full.py install
	$(PY) -c "import mmseg_uda.compat as c; assert c.compiled_ops_available(); print('mmcv-full is in use')"
