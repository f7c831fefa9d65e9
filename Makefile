# make demo   sets itself up, starts the stack, runs the simulated street, prints where to look
# make test   sets itself up, runs everything
SHELL  := /bin/bash
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
NAME   ?= ingest

.PHONY: setup demo test lint types contracts wheel chaos bench lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt deploy/setup.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) bash deploy/setup.sh

demo: setup
	@$(BIN)/tepna demo $(ARGS)

test: setup
	@$(BIN)/pytest $(if $(ARGS),$(ARGS),-n 2 --dist worksteal)

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup
	@echo "types: half a minute the first time"
	@$(BIN)/mypy

contracts: setup
	@$(BIN)/lint-imports

wheel: setup
	@$(BIN)/python deploy/check_wheel.py

chaos: setup
	@$(BIN)/pytest tests/chaos -n 2 --dist worksteal $(if $(ARGS),$(ARGS),--seeds 100)

bench: setup
	@$(BIN)/python -m benchmarks.$(NAME) $(ARGS)

lock: setup  # names no index: pins and hashes travel, addresses do not
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links pyproject.toml --upgrade --output-file constraints.txt

clean:
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
