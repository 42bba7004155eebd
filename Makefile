# Everything is installed into .venv; PYTHON chooses the interpreter that makes it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test lint bench clean

demo: $(VENV)/.replay
	$(BIN)/workerstate replay

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/observer.py
	$(BIN)/python benchmarks/declare.py
	$(BIN)/python benchmarks/records.py
	$(BIN)/python benchmarks/drift.py --rounds 3
	$(BIN)/python benchmarks/engine.py --quick

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.replay: $(VENV)/bin/python pyproject.toml
	$(PIP) install -e '.[replay]'
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml
	$(PIP) install -e '.[test]'
	@touch $@

$(VENV)/.lint: $(VENV)/bin/python pyproject.toml
	$(PIP) install -e '.[lint]'
	@touch $@

$(VENV)/.bench: $(VENV)/bin/python pyproject.toml
	$(PIP) install -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
