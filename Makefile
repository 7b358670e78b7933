# Anxin in one screen. Needs Python 3.11 or newer and make; no root, nothing else installed.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= 2

.PHONY: setup demo test check fix bench lock clean

setup: .venv/.ready ## .venv with every dependency, locked by hash

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Anxin needs Python 3.11 or newer (set PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## a simulated fleet whose story ends in a repair order
	$(BIN)/anxin demo $(ARGS)

test: setup ## the quick suites: unit, contract, integration on embedded servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: setup ## formatting, lint, import contracts, types; writes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

fix: setup ## format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## the benchmarks, as JSON with units
	$(BIN)/anxin bench decode --json $(ARGS)
	$(BIN)/anxin bench ingest --json

lock: setup ## resolve the dependencies of pyproject.toml again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --all-extras --upgrade --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean: ## remove the environment and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
