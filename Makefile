# Two commands do everything: `make up` and `make test`. Nothing outside this folder is written.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup up down test check lock snapshots bench clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP) ## install what is locked, into .venv and node_modules

$(SETUP): requirements/lock.txt requirements/torch.txt package-lock.json pyproject.toml functions/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flyball needs Python 3.11 or newer; found %s (set PYTHON=...)" % sys.version.split()[0])'
	@echo "[1/4] creating $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[2/4] installing the locked Python packages (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --no-compile --require-hashes --requirement requirements/lock.txt
	@$(BIN)/python -m pip install --quiet --no-compile --requirement requirements/torch.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "[3/4] installing the CDK command line"
	@$(BIN)/npm ci --silent
	@echo "[4/4] fetching the packages that go to Lambda"
	@$(BIN)/python -m cdk.function_asset
	@touch $@

up: setup ## deploy into the local cloud and serve; Ctrl-C stops it
	@exec $(BIN)/flyball up

down: setup ## stop a local cloud that runs elsewhere
	@$(BIN)/flyball down

test: setup ## the whole test suite
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest

check: setup ## lint, types, architecture and unit tests: about a minute
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -m "not slow"

lock: setup ## resolve requirements/*.in again
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --output-file requirements/lock.txt requirements/test.in

clean: ## remove what was built; trained versions too
	@rm -rf build cdk.out .flyball .pytest_cache .mypy_cache .ruff_cache .hypothesis
