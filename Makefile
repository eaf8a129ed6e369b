# make demo    everything from an empty machine to the adapted toy segmentor and its report
# make test    the test suite
# make quick   ops, utils and components of the suite: seconds, for the edit loop
# make lint    ruff on the whole tree, mypy on mmseg_uda
# make smoke-full   the smoke part of the suite on mmcv-full, built once into a wheel cache and unpacked beside the environment
# make full    the production install: replaces mmcv without ops by mmcv-full in the environment
#
# PYTHON=/path/to/python   use that environment as it is: nothing is created, only what is missing is installed there
# BASE_PYTHON=python3.11   the interpreter that .venv is made with
# TORCH_INDEX_URL=URL      another package index for torch and torchvision, for instance one with CPU wheels
# JOBS=4                   test processes (default: one per core, at most 8)

VENV ?= .venv
BASE_PYTHON ?= python3
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); if [ $$n -gt 8 ]; then echo 8; else echo $$n; fi)
FULL_DIR ?= .cache/mmcv_full

ifdef PYTHON
PY := $(PYTHON)
SETUP := $(PYTHON) tools/install/environment.py
else
PY := $(VENV)/bin/python
SETUP := $(BASE_PYTHON) tools/install/environment.py --venv $(VENV)
endif

.PHONY: help setup demo test quick lint smoke-full full

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

smoke-full: setup
	$(PY) tools/install/mmcv_full.py unpack $(FULL_DIR)
	OMP_NUM_THREADS=1 PYTHONPATH=$(abspath $(FULL_DIR)) MMSEG_UDA_EXPECT_COMPILED_OPS=1 $(PY) -m pytest -q -m smoke $(ARGS)

full: setup
	$(PY) tools/install/mmcv_full.py install
	$(PY) -c "import mmseg_uda.compat as c; assert c.compiled_ops_available(); print('mmcv-full is in use')"
