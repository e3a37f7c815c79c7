# Two commands do everything: `make serve` starts the arena, `make test` proves it. Both make their own .venv.
# The first of these that is new enough; `make PYTHON=…` chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: serve test check bench browser clean

serve: $(VENV)/.serve  ## install, fetch small real models, open the arena
	$(BIN)/python app.py

test: $(VENV)/.dev browser  ## everything that needs no GPU, the slow proofs included
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not gpu"

check: $(VENV)/.dev  ## lint, types and unit tests, in under two minutes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow and not browser and not gpu"

bench: $(VENV)/.dev  ## programs that print ratios against a baseline of the same run
	@for program in tests/bench/bench_*.py; do echo "== $$program"; PYTHONPATH=. $(BIN)/python $$program || exit 1; done

browser: $(VENV)/.dev  # Debian's chromium where there is one, else Playwright's own; without either the tests say so
	@command -v chromium >/dev/null || timeout 300 $(BIN)/playwright install chromium \
	  || echo "no Chromium: browser tests will be skipped"

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Paddock needs Python 3.11 or newer; make PYTHON=/path/to/python3.12, say."; exit 1; }
	@# Debian's Python has no ensurepip without python3-venv: pip, which is there, helps itself in.
	$(PYTHON) -m venv $(VENV) 2>/dev/null || \
	  { $(PYTHON) -m venv --without-pip --clear $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

$(VENV)/.serve: requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/.serve

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
