# Everything runs in .venv, made from constraints.txt and remade only when what it is made from changes.
# `make` lists the targets. ARGS passes options on: make test ARGS="-k plan", make demo ARGS=--ui

VENV := .venv
BIN := $(VENV)/bin
# Any Python that the package supports; the system's own first.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$python && break; done)
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable
SOURCES := setup.cfg pyproject.toml constraints.txt
ARGS ?=

# Many tests wait for processes and delays, so there are three workers a core: on two cores, three workers took 559 s,
# six 488 and eight 503. More than eight S3 servers and Dagsters at once only get in each other's way.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(8, (os.cpu_count() or 1) * 3))' 2>/dev/null || echo 2)
PYTEST_OPTIONS := -n $(WORKERS) --dist loadgroup

# What was compiled is kept for the next of the many processes that tests start, even where the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo ui test test-ui compatibility bench lint format clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.for-use ## See all of it on an embedded S3 server with made-up images
	@$(BIN)/hyve demo $(ARGS)

ui: $(VENV)/.for-use ## Open the web UI for $HYVE_HOME, or ~/.hyve
	@$(BIN)/hyve ui $(ARGS)

test: $(VENV)/.for-tests ## Run all tests
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(ARGS)

test-ui: $(VENV)/.for-browser ## Run the tests of the web UI in a browser; needs Debian's chromium
	$(BIN)/python -m pytest -m browser $(ARGS)

compatibility: $(VENV)/.for-tests ## Try every kind of object on each S3 server, yours too; write docs/compatibility.md
	HYVE_MATRIX_REPORT=docs/compatibility.md $(BIN)/python -m pytest -q hyve_pipeline_tests/matrix $(ARGS)

bench: $(VENV)/.for-benchmarks ## Measure Hyve beside s5cmd, rclone and the AWS CLI
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.for-development ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.for-development ## Put everything into the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the virtual environment and the demo's home
	rm -rf $(VENV) .demo

# Each of these holds what the one before it holds, and more.
$(VENV)/.for-use: $(VENV)/.made $(SOURCES)
	@echo "Installing into $(VENV): about 200 MB are downloaded the first time."
	@$(INSTALL) '.[demo,ui]'
	@touch $@

$(VENV)/.for-tests: $(VENV)/.made $(SOURCES)
	@echo "Installing into $(VENV) with what the tests need: about 280 MB are downloaded the first time."
	@$(INSTALL) '.[test]'
	@touch $(VENV)/.for-use $@

$(VENV)/.for-browser: $(VENV)/.made $(SOURCES)
	@echo "Installing into $(VENV) with what tests in a browser need: about 330 MB are downloaded the first time."
	@$(INSTALL) '.[browser]'
	@touch $(VENV)/.for-use $(VENV)/.for-tests $@

$(VENV)/.for-benchmarks: $(VENV)/.made $(SOURCES)
	@echo "Installing into $(VENV) with the tools to measure against: about 230 MB are downloaded the first time."
	@$(INSTALL) '.[bench]'
	@touch $(VENV)/.for-use $@

$(VENV)/.for-development: $(VENV)/.made $(SOURCES)
	@echo "Installing into $(VENV) with what developers need: about 410 MB are downloaded the first time."
	@$(INSTALL) '.[dev]'
	@touch $(VENV)/.for-use $(VENV)/.for-tests $(VENV)/.for-browser $@

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Hyve needs Python 3.11, 3.12 or 3.13: name one by make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@
