# One line a target; what they do is in labkit. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE   # compiled modules make every Flink worker start faster

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
export LAB_IMAGE ?= streaming-lab
# Tests run on that many labs side by side, 2 GB of memory each.
TEST_LABS ?= 3

.PHONY: help install bundle install-dev run test test-all test-lab test-loaded lab format setup create-kafka-topic create-metrics-topic register-schema
.PHONY: installed bench drills drills-short drill-long notebooks exercises all docker-images smoke check clean lock

help:                  ## this list
	@sed -nE 's/^([a-z-]+):.*## *(.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 30

run: install           ## everything: install, start, a minute of live /proc/stat, Parquet, a plot, the ledger, stop
	@$(BIN)/labkit run

lab:                   ## JupyterLab with the services up; says its address, also that of the compose lab
	@docker/labkit.sh lab

test: check            ## installs what it needs, then the quick tests: each package on its real services at least once
	@$(BIN)/python -m pytest -n $(TEST_LABS) --quick

test-all: check        ## the same, and all the other tests; what CI runs
	@$(BIN)/python -m pytest -n $(TEST_LABS) --durations=40

check: install-dev     ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: install-dev    ## ruff mends what it can, the order of imports too, and lays the code out
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

test-lab: install-dev  ## keeps services up for tests, until Ctrl-C; says how pytest attaches to them
	@$(BIN)/python -m tests.support.kept_lab

test-loaded: install-dev   ## up, run, a lesson, starting and stopping, with 25 programs at work beside; 40 minutes, by hand
	@$(BIN)/python -m tests.support.loaded

install:               ## what the lab needs, into .venv; a second call does nothing; BUNDLE=file: with no network
	@$(or $(PYTHON),python3) labkit/setup/bootstrap.py $(if $(BUNDLE),--bundle "$(BUNDLE)")
	@case " $(MAKECMDGOALS) " in *" install "*) echo "All is installed. Next: make run, or make lab";; esac

installed: install     # the same for docker/labkit.sh, which goes on by itself: without the word on what is next

bundle: install        ## all that install downloads, in one file, for machines without a network
	@$(BIN)/python -m labkit.setup.bundle

install-dev:           ## and what the tests need
	@$(or $(PYTHON),python3) labkit/setup/bootstrap.py --dev

all: docker-images .env    ## the image and its .env; then: docker compose up -d --wait && make setup && make lab
	@echo "Next: docker compose up -d --wait && make setup && make lab"

docker-images:         ## the one image of the compose lab
	@docker info >/dev/null 2>&1 || { echo "No Docker engine answers. Start Docker, then type the same again." >&2; exit 2; }
	@docker build --tag $(LAB_IMAGE) --build-arg PIP_INDEX_URL --build-arg LABKIT_MAVEN_MIRROR .

.env:
	@docker/prepare.sh

setup: create-kafka-topic create-metrics-topic register-schema   ## topics and schema, where the services are up

create-kafka-topic:    ## the topic of snapshots
	@docker/labkit.sh topics procstat_snapshots

create-metrics-topic:  ## the topics of metrics and of dead letters
	@docker/labkit.sh topics procstat_metrics procstat_dead_letters

register-schema:       ## the snapshot schema
	@docker/labkit.sh register-schema

smoke:                 ## the compose lab from nothing, looked at step by step; never touches yours
	@tests/compose/smoke.sh

notebooks: install     ## run every notebook; leaves them with their outputs, and as HTML, in output/notebooks
	@$(BIN)/python -m labkit.workshop.course.executed $(LESSONS)

exercises: install-dev ## make the learner's exercises anew from exercises/source
	@$(BIN)/python -m labkit.workshop.course.exercises

lock: install-dev      ## make requirements*.txt and jars.lock anew
	@for name in requirements requirements-dev; do $(BIN)/uv pip compile -q --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate $$name.in -o $$name.txt; done
	@$(BIN)/python -m labkit.setup.lock

drills: install-dev    ## kill, freeze, fill under load, then the ledger; half an hour, by hand
	@$(BIN)/python -m tests.drills $(DRILLS)

drill-long: install-dev    ## an hour of 200 hosts, ten times as fast: what grows? Eight minutes; by hand
	@$(BIN)/python -m tests.drills.long

drills-short: install-dev  ## one of them, drawn from a seed that is printed
	@$(BIN)/python -m tests.drills --short

bench: install         ## this project's job beside Flink SQL, a plain loop, quixstreams and bytewax; needs a quiet machine
	@$(BIN)/python -m benchmarks.side_by_side $(BENCH)

clean:                 ## remove what was built, the images too; never output/, work/, .lab/ or .env
	@if [ -e .lab/supervisord.pid ]; then LABKIT_DEPLOYMENT=local $(BIN)/labkit down; fi
	@if [ -e .env ] && docker info >/dev/null 2>&1; then docker compose down; docker image rm --force $(LAB_IMAGE) streaming-lab-smoke; fi
	@rm -rf .venv .venv-bench *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.lab/*' -prune -exec rm -rf {} +
