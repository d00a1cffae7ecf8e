# make run    sets everything up, then starts (ARGS='--camera demo' goes to `cleanplate run`)
# make setup  sets up alone
# make test   sets up and runs all that CI runs
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin

.PHONY: run setup test

run: setup
	@exec $(BIN)/cleanplate run $(ARGS)

setup:
	@$(PYTHON) .ci/setup.py $(VENV)

test:
	@$(PYTHON) .ci/setup.py $(VENV) --dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest
