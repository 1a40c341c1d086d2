# One line a target; what they do is in labkit. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE   # compiled modules make every Flink worker start faster

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: help install run test lab setup create-kafka-topic create-metrics-topic register-schema check clean lock

help:                  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/:/' | awk -F': +' '{printf "  make %-22s %s\n", $$1, $$2}'

run: install           ## everything: install, start, a minute of live /proc/stat, Parquet, a plot, the ledger, stop
	@$(BIN)/labkit run

lab: install           ## JupyterLab with the services up
	@$(BIN)/labkit lab

test: check            ## installs what it needs, then all the tests
	@$(BIN)/python -m pytest

check: install         ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

install:               ## what the lab needs, into .venv; a second call does nothing
	@$(or $(PYTHON),python3) labkit/ops/bootstrap.py

setup: create-kafka-topic create-metrics-topic register-schema   ## topics and schema, on running services

create-kafka-topic: install    ## the topic of snapshots
	@$(BIN)/labkit topics procstat_snapshots

create-metrics-topic: install  ## the topics of metrics and of dead letters
	@$(BIN)/labkit topics procstat_metrics procstat_dead_letters

register-schema: install       ## the snapshot schema
	@$(BIN)/labkit register-schema

lock: install          ## make requirements.txt and jars.lock anew
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements.in -o requirements.txt
	@$(BIN)/python -m labkit.ops.lock

clean:                 ## remove what was built; never output/, work/ or .lab/
	@if [ -e .lab/supervisord.pid ]; then $(BIN)/labkit down; fi
	@rm -rf .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.lab/*' -prune -exec rm -rf {} +
