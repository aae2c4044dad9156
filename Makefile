# Two commands do everything: `make up` and `make test`. Nothing outside this folder is written.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.ready
TESTS  := $(VENV)/.ready-for-tests
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Bytecode is written when a module is first imported: compiling everything at once would cost a minute.
unexport PYTHONDONTWRITEBYTECODE
# Two at a time, whole files: a file's tests share what they start. In the order of the folders, so that no long file is last.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
INSTALL = $(BIN)/python -m pip install --quiet --no-compile

.DEFAULT_GOAL := help
.PHONY: help setup up down test check lint lock snapshots bench clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP) ## install what is locked, into .venv and node_modules

$(SETUP): requirements/pip.txt requirements/runtime.txt requirements/torch.txt package-lock.json pyproject.toml functions/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flyball needs Python 3.11 or newer; found %s (set PYTHON=...)" % sys.version.split()[0])'
	@echo "[1/4] creating $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[2/4] installing the locked Python packages (a few minutes the first time)"
	@$(INSTALL) --require-hashes --requirement requirements/pip.txt
	@$(INSTALL) --no-deps --require-hashes --requirement requirements/runtime.txt
	@$(INSTALL) --requirement requirements/torch.txt
	@PYTHONWARNINGS=ignore $(INSTALL) --no-deps --no-build-isolation --editable .
	@echo "[3/4] installing the CDK command line and what the console page loads"
	@$(BIN)/npm ci --silent --omit=dev
	@echo "[4/4] fetching the packages that go to Lambda"
	@$(BIN)/python -m cdk.function_asset
	@touch $@

$(TESTS): $(SETUP) requirements/lock.txt requirements/bare.txt
	@echo "installing what the tests need beside it"
	@$(INSTALL) --no-deps --require-hashes --requirement requirements/lock.txt --requirement requirements/bare.txt
	@$(BIN)/npm ci --silent
	@touch $@

up: setup ## deploy into the local cloud and serve; Ctrl-C stops it (FLAGS='--https-port 9443' sets options)
	@exec $(BIN)/flyball up $(FLAGS)

down: setup ## stop a local cloud that runs elsewhere
	@$(BIN)/flyball down

test: lint ## the whole test suite
	@$(PYTEST)

check: lint ## lint, types, architecture and unit tests: three minutes
	@$(PYTEST) -m "not slow"

lint: $(TESTS) ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

snapshots: $(TESTS) ## write what tests compare with: templates, tables of the documents, the contract's JSON Schema
	@$(BIN)/python -m tests.cdk.template_snapshots
	@$(BIN)/python -m tests.settings_tables --write
	@$(BIN)/python -m tests.cdk.preflight.rules_table --write
	@$(BIN)/python -m tests.cdk.alarms_table --write
	@$(BIN)/python -m local.truth_table --write
	@$(BIN)/python -m model_packages.contract > build/package.schema.json
	@mv build/package.schema.json model_packages/package.schema.json

bench: $(TESTS) ## measure the figures of docs/benchmarks.md; takes some minutes of a quiet machine
	@$(BIN)/python -m tests.benchmarks.startup
	@$(BIN)/python -m tests.benchmarks.gateway
	@$(BIN)/python -m tests.benchmarks.request_path
	@$(BIN)/python -m tests.benchmarks.local_cloud
	@$(BIN)/python -m tests.benchmarks.role_check
	@$(BIN)/python -m tests.benchmarks.monitor
	@$(BIN)/python -m tests.benchmarks.fold
	@$(BIN)/python -m tests.benchmarks.drift_decision
	@$(BIN)/python -m tests.benchmarks.gate
	@$(BIN)/python -m tests.benchmarks.retraining

lock: setup ## resolve requirements/*.in again
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --output-file requirements/lock.txt requirements/test.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --constraint requirements/lock.txt --output-file requirements/runtime.txt requirements/runtime.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-deps --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --output-file requirements/bare.txt requirements/bare.in
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements/pip.txt requirements/pip.in

clean: ## remove what was built; trained versions too
	@rm -rf build cdk.out .flyball .pytest_cache .mypy_cache .ruff_cache .hypothesis
