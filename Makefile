# `make` or `make help` lists the targets. PYTHON is the interpreter that .venv is made with.
PYTHON ?= python3
BIN := .venv/bin/python
BOOTSTRAP := $(PYTHON) rudderproj/stack/bootstrap.py
# For example: make test ARGS="-k order -x"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-sdk screenshots web-sdk lint format migrations-check bench drill drill-quick soak cluster
.PHONY: venv clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

run: ## start everything in the foreground; Ctrl-C stops it
	@(destinations/demo/install.sh >/dev/null 2>&1 &)
	@$(BOOTSTRAP) requirements.txt && exec $(BIN) -m rudderproj.stack run

web-sdk: ## get the web SDK for the demo page from npm, if it is not there
	@destinations/demo/install.sh

test: venv ## run all tests but those of test-sdk (ARGS="..." goes to pytest)
	@tests/metrics/install.sh
	@tests/deploy/install.sh
	@$(BIN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not browser and not sdk" $(ARGS)

test-fast: venv ## run the tests that start no process of the product
	@$(BIN) -m pytest -n 3 --dist worksteal -m "not slow and not process" $(ARGS)

test-sdk: venv ## run the tests of official SDKs and in a real browser; installs Chromium as root on Debian
	@tests/browser/install.sh
	@destinations/demo/install.sh
	@$(BIN) -m pytest -n 2 --dist loadgroup -m "browser or sdk" $(ARGS)

screenshots: venv ## make the pictures of the documentation from a running demo
	@tests/browser/install.sh
	@$(BIN) -m tests.browser.screenshots docs/images

lint: venv migrations-check ## ruff, mypy, import contracts, missing migrations
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check .
	@$(BIN) -m mypy .
	@$(BIN) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

format: venv ## rewrite the code in the house format
	@$(BIN) -m ruff format .
	@$(BIN) -m ruff check --fix .

migrations-check: venv ## fail if a model has changed without its migration
	@$(BIN) manage.py makemigrations --check --dry-run

bench: venv ## measure throughput, latency and cost; writes bench/results.json (ARGS="--quick", "--list", "--help")
	@$(BIN) -m bench $(ARGS)

drill: venv ## break each part under load, and see what is lost (ARGS="NAME … --seed 2 --seconds 60")
	@$(BIN) -m drills $(ARGS)

drill-quick: venv ## the most telling of these, in ten minutes; CI runs them
	@$(BIN) -m drills --quick $(ARGS)

soak: venv ## half an hour at half of what this machine can do: does anything grow? (ARGS="--minutes 120")
	@$(BIN) -m drills.soak $(ARGS)

cluster: venv ## the chart on a control plane of Kubernetes, built with Go: a role crashes, nodes and zones die, nodes are full
	@tests/deploy/install.sh
	@$(BIN) -m drills.kube $(ARGS)

venv: ## make .venv with everything for development
	@$(BOOTSTRAP) requirements-dev.txt

clean: ## remove .venv and caches; keeps .data
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
