# Everything that a contributor runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test real check golden bench bench-real build clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Install clusterform and its tools into .venv, from locked versions with hashes

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "clusterform needs Python 3.11 or newer; set PYTHON=python3.x")'
	@echo "Installing into $(VENV) (once; about half a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## Tell the whole story in the terminal, on the built-in management cluster
	@$(BIN)/python -P examples/demo.py

test: setup ## Run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

real: setup ## Run the real suites, on a control plane built once from Go modules; FULL=1: all of them
	@$(BIN)/python -m tests.realcluster.binaries
	@CLUSTERFORM_REAL=1 FULL=$(FULL) $(BIN)/python -m pytest -n 2 --dist loadfile tests/realcluster

check: setup ## Lint, types, layers, sizes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

golden: setup ## Rewrite the golden files of the tests; read the diff before you commit it
	@GOLDEN=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/cases tests/unit/views tests/unit/planfile tests/unit/providers tests/stories/test_pull_requests.py

bench: setup ## Measure against the table in ARCHITECTURE.md
	@$(BIN)/python -P benchmarks/run.py

bench-real: setup ## The same on a real API server, beside kubectl; SIZES=100,1000
	@$(BIN)/python -m tests.realcluster.binaries
	@$(BIN)/python benchmarks/real.py --sizes $(or $(SIZES),100)

build: setup ## Build the wheel
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove what was built and installed here
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .clusterform .import_linter_cache
