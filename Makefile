# Two commands do everything: `make serve` starts the arena, `make test` proves it. Both make their own .venv.
PYTHON ?= python3
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
	@command -v chromium >/dev/null || $(BIN)/playwright install chromium || echo "no Chromium: browser tests will be skipped"

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Paddock needs Python 3.11 or newer; set PYTHON=python3.12, say.")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/.serve

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
