# `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test fuzz chaos lint format typecheck

BIN := .venv/bin
# the first Python that is new enough; set PYTHON to choose another
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z-]+:.*##/ { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## fetch all that is needed (.venv, Kafka, ClickHouse), once
	@test -n "$(PYTHON)" || { echo "make setup: Python 3.11 or newer is missing. Install with: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -m deploy.local.setup

demo: setup  ## a minute of a simulated city, from device to alert to SQL
	@$(BIN)/riskstream demo

up: setup  ## start everything on this machine (Ctrl-C ends it)
	@$(BIN)/riskstream up

down:  ## end what `make up` started
	@$(BIN)/riskstream down

status:  ## what runs, where, and whether it is healthy
	@$(BIN)/riskstream status

test: setup lint typecheck  ## lint, types, and all tests on the real servers
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

fuzz: setup  ## 200,000 malformed messages for the gateways (FUZZ_ARGS: --seed, --messages)
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

chaos: setup  ## kill, cut and stop every part under load; a table of what held (CHAOS="--list" lists)
	$(BIN)/python -m tests.chaos $(CHAOS)

lint: setup  ## style, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: setup  ## put the code in its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: setup  ## mypy, strict
	$(BIN)/mypy
