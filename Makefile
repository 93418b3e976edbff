# Every target is one line a person would type; `make help` lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Install everything into .venv, at the versions and hashes of requirements.lock
	@:

$(STAMP): requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" VENV="$(VENV)" deploy/setup.sh
	@touch $@

.PHONY: up
up: setup ## Start a broker and every service on loopback; Ctrl-C stops them
	@exec $(BIN)/vidare up

.PHONY: demo
demo: setup ## Send the demo tips through the whole mesh and show where each one ended
	@exec $(BIN)/vidare demo

.PHONY: test
test: setup ## Check style, types, imports and contracts, then run every level of tests (what CI runs)
	@exec deploy/test.sh

.PHONY: bench
bench: setup ## Measure what docs/measurements.md says, beside the peers (about 15 minutes)
	@exec $(BIN)/python -m tests.bench

.PHONY: long
long: setup ## The heavy levels with ten times the load and faults (about an hour)
	@exec deploy/test.sh long

.PHONY: schemas
schemas: setup ## Write schemas, AsyncAPI and the contract tables anew from contracts/
	@$(BIN)/python -m services.cli.commands.schemas

.PHONY: lock
lock: setup ## Pin the dependencies of pyproject.toml with hashes (needs uv and the network)
	@command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@PATH="$$PWD/$(BIN):$$PATH" uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --output-file requirements.lock
