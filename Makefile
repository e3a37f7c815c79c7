# Two commands do everything: `make serve` starts the arena, `make test` proves it. Both make their own .venv.
# The first of these that is new enough; `make PYTHON=…` chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

# torch and transformers, an engine of their own, are large. The tests need them; serving gets them where an NVIDIA GPU
# makes them pay, since llama.cpp is the quicker engine on a CPU. TORCH=yes or TORCH=no decides otherwise.
GPU := $(shell nvidia-smi >/dev/null 2>&1 && echo yes)
BUILD := $(if $(GPU)$(filter Darwin,$(shell uname)),pypi,cpu)
TO_SERVE := $(VENV)/.serve $(if $(filter yes,$(or $(TORCH),$(GPU))),$(VENV)/.torch-$(BUILD))
TO_TEST := $(VENV)/.dev $(if $(filter yes,$(or $(TORCH),yes)),$(VENV)/.torch-$(BUILD))

# Unit tests wait more than they work: three at a time, a file with its server in one place, each with a thread for numbers.
# The slow proofs wait too, for processes, browsers and kills: two at a time, in their order, so that no long one is last.
# One that fails is tried once more and listed as "rerun": on a crowded machine a browser may wait longer than a test does.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --dist loadfile
UNIT := $(PYTEST) -n 3 -m "not slow and not browser and not gpu"
SLOW := $(PYTEST) -n 2 --no-loadscope-reorder --reruns 1 -r aR -m "(slow or browser) and not gpu"

.PHONY: serve demo test test-integrity check bench bench-gpu load browser clean
.NOTPARALLEL:

serve: $(TO_SERVE)  ## install, fetch small real models, open the arena
	$(BIN)/python app.py

demo: $(VENV)/.serve $(VENV)/.torch-$(BUILD)  ## a small model is taught, registered and judged, on this machine alone
	$(BIN)/python -m arena distill demo

test: $(TO_TEST) browser  ## everything that needs no GPU, the slow proofs included
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(UNIT)
	$(SLOW)

test-integrity: $(TO_TEST) browser  ## every line of docs/threat-model.md, as part of make test or alone
	$(PYTEST) -n 2 --no-loadscope-reorder --reruns 1 -r aR -m "integrity and not gpu"

check: $(TO_TEST)  ## lint, types and unit tests, in under two minutes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(UNIT)

bench: $(TO_TEST)  ## programs that print ratios against a baseline of the same run
	@for program in $(filter-out %/bench_gpu.py,$(wildcard tests/bench/bench_*.py)); do \
	  echo "== $$program"; PYTHONPATH=. $(BIN)/python $$program || exit 1; done

bench-gpu: $(TO_TEST)  ## the same of models on a GPU, with weights made at random
	PYTHONPATH=. $(BIN)/python tests/bench/bench_gpu.py

load: $(TO_TEST)  ## 200 scripted visitors; URL=https://… for an arena that runs, LOAD="--rate 50" for votes
	PYTHONPATH=. $(BIN)/python tests/bench/load.py $(if $(URL),--url $(URL)) $(LOAD)

browser: $(VENV)/.dev  # Debian's chromium where there is one, else Playwright's own; without either the tests say so
	@command -v chromium >/dev/null || timeout 300 $(BIN)/playwright install chromium \
	  || echo "no Chromium: browser tests will be skipped"

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Paddock needs Python 3.11 or newer; make PYTHON=/path/to/python3.12, say."; exit 1; }
	@# Debian's Python has no ensurepip without python3-venv: pip, which is there, helps itself in.
	$(PYTHON) -m venv $(VENV) 2>/dev/null || \
	  { $(PYTHON) -m venv --without-pip --clear $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

$(VENV)/.serve: requirements.txt | $(VENV)/bin/pip
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/pip
	$(PIP) -r requirements-dev.txt
	touch $@ $(VENV)/.serve

# The registry's torch for Linux brings gigabytes of CUDA. Without a GPU the build for CPUs comes from PyTorch's index,
# whose "+cpu" counts as newer than the same version without; where that index is out of reach, pip goes on without it.
$(VENV)/.torch-cpu: requirements.txt requirements-torch.txt | $(VENV)/bin/pip
	$(PIP) --no-deps --extra-index-url https://download.pytorch.org/whl/cpu --timeout 10 --retries 1 \
	  "$$(grep '^torch[<>=]' requirements-torch.txt)"
	$(PIP) -r requirements.txt -r requirements-torch.txt
	touch $@

# With a GPU (or on macOS) the registry's build is right; one for CPUs, from before the GPU came, must go first.
$(VENV)/.torch-pypi: requirements.txt requirements-torch.txt | $(VENV)/bin/pip
	test ! -e $(VENV)/.torch-cpu || { $(BIN)/pip uninstall --quiet --yes torch && rm $(VENV)/.torch-cpu; }
	$(PIP) -r requirements.txt -r requirements-torch.txt
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
