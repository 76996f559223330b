# `make demo` and `make test` need Python 3.11 or newer and nothing else: the first call sets up .venv.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
READY := $(VENV)/.ready
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
THIS := --constraint constraints.txt --build-constraint constraints.txt \
	--editable '.[cli,http,hypothesis,parquet,tzdata,vcr,zstd]' --group dev
IN_VENV := VIRTUAL_ENV="$(abspath $(VENV))" PATH="$(abspath $(BIN)):$$PATH"

.PHONY: help
help:
	@echo 'make demo    stream, record and replay a synthetic market, offline'
	@echo 'make test    everything that CI checks: lint, types, layers, tests, coverage'
	@echo 'make quick   the static checks and the unit tests'
	@echo 'make bench   measure speed, memory and import time'
	@echo 'make company see the pytest plugin get along with others, which the project itself has no use for'
	@echo 'make setup   only make $(VENV), from $(PYTHON)'
	@echo 'make clean   remove $(VENV) and what tools have left behind'

.PHONY: demo
demo: $(READY)
	@$(BIN)/tvstreamer demo

.PHONY: test check
test check: $(READY)
	@$(IN_VENV) tools/check

.PHONY: quick
quick: $(READY)
	@$(IN_VENV) tools/check --quick

.PHONY: bench
bench: $(READY)
	@$(BIN)/python tools/bench

# Whatever their newest versions are: what breaks there is news, not a reason to hold up a change.
COMPANY := build/company

.PHONY: company
company:
	$(PYTHON) -m venv $(COMPANY)
	$(COMPANY)/bin/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(COMPANY)/bin/python -m pip install --quiet $(THIS)
	$(COMPANY)/bin/python -m pip install --quiet pytest-asyncio pytest-recording
	$(COMPANY)/bin/python -m pytest -p no:asyncio tests/plugin -k gets_along

.PHONY: setup venv
setup venv: $(READY)

# pip learned --group in 25.1, and a new venv may hold an older one: hence pip first.
$(READY): pyproject.toml constraints.txt
	@if ! { $(BIN)/python -c '$(NEW_ENOUGH)' && $(BIN)/python -m pip --version; } >/dev/null 2>&1; then \
	    if ! $(PYTHON) -c '$(NEW_ENOUGH)'; then \
	        echo 'tvstreamer needs Python 3.11 or newer, and "$(PYTHON)" is not: make PYTHON=/path/to/python3.11 ...' >&2; \
	        exit 1; \
	    fi; \
	    echo 'setting up $(VENV), once'; \
	    $(PYTHON) -m venv $(VENV); \
	fi
	$(BIN)/python -m pip install --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install $(THIS)
	@touch $@

.PHONY: clean
clean:
	rm -rf $(VENV) .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
