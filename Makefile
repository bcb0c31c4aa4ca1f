# Every target makes .venv first if it is not there.  `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
# One thread a worker: more of them only get in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --quiet

.DEFAULT_GOAL := help
.PHONY: help train test lint types parity thorough kill-test fuzz docs wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "npnet needs Python 3.11 or later; say which one: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/.core $@

train: $(VENV)/.core ## train the galaxies on NumPy, with no download
	$(BIN)/npnet train galaxies

test: lint types docs ## the whole suite: linters, types, the book, every test and the parity with PyTorch
	HYPOTHESIS_PROFILE=ci $(PYTEST)

lint: $(VENV)/.test ## style, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.test ## mypy, strict
	$(BIN)/mypy

parity: $(VENV)/.test ## only the parity with PyTorch
	HYPOTHESIS_PROFILE=ci $(PYTEST) parity_tests

thorough: $(VENV)/.test ## the heavy Hypothesis profile, and every planted mistake
	HYPOTHESIS_PROFILE=thorough $(PYTEST)

kill-test: $(VENV)/.test ## kill training runs at 200 random moments, and see each end as if nothing had been
	NPNET_KILLS=200 OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet npnet/training/tests/test_kill.py

fuzz: $(VENV)/.test ## ten million drawn or spoilt bytes through what reads files
	NPNET_FUZZ_BYTES=10000000 $(PYTEST) -k anything_is_read_or_refused npnet

docs: $(VENV)/.test ## build the book into docs/_build
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build

wheel: $(VENV)/.test ## build the wheel and the source archive into dist
	$(BIN)/python -m build

clean: ## remove what the targets made, but not runs
	rm -rf $(VENV) dist docs/_build docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis
