# Needs python3 (3.11 or newer), make and git; everything else is installed into .venv.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip install -q --disable-pip-version-check -c constraints.txt
PIP := $(BIN)/python $(INSTALL)
# gymnax 1.0.1 asks for gymnasium below 1.4, and works with the newer one that is pinned.
GYMNAX := 'gymnax>=1.0.1'
# Peers bring PyTorch, which nothing else needs: an environment of their own.
PEERS := build/peers
BENCH ?= lava_training safety_overhead startup sac_update

.PHONY: claims demo test test-browser lint docs clean bench test-peers knowledge
.DEFAULT_GOAL := test

# Installs only when the dependencies have changed since the last time.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	  sys.exit(0 if v >= (3, 11) else f"handrail needs Python 3.11 or newer; $(PYTHON) is {v.major}.{v.minor}. Fix: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps $(GYMNAX)
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/handrail reproduce demo
	$(BIN)/handrail reproduce demo-navigation

# What ships with the package, trained and measured again: hours.
knowledge: $(VENV)/.installed-dev
	$(BIN)/handrail knowledge make all --out src/handrail/knowledge/files

# Every check runs even if an earlier one has failed; the failure is not forgotten.
lint: $(VENV)/.installed-dev
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python --summary=none || status=1; \
	exit $$status

# The documentation site, into build/docs; a warning is an error, and so is a link that leads nowhere.
docs: $(VENV)/.installed-dev
	@$(BIN)/python -m sphinx -q -W --keep-going -n docs build/docs && echo "docs: build/docs/index.html"

test: $(VENV)/.installed-dev
	@status=0; \
	$(MAKE) --no-print-directory lint || status=1; \
	$(MAKE) --no-print-directory docs || status=1; \
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile || status=1; \
	exit $$status

# Pages in a headless Chromium (Debian: apt-get install chromium); skipped, with a reason, where none is.
test-browser: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q tests/browser

# Numbers, tables and pictures of README and docs, from the raw data under results/.
claims: $(VENV)/.installed
	$(BIN)/python -m results.claims --write
	$(BIN)/python -m results.figures --write

$(PEERS)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python $(INSTALL) -e '.[dev,peers]'
	$(PEERS)/bin/python $(INSTALL) --no-deps $(GYMNAX)
	@touch $@

# Speed side by side with other libraries, into results/benchmarks; make bench BENCH=startup for one.
bench: $(PEERS)/.installed
	@for name in $(BENCH); do $(PEERS)/bin/python -m benchmarks.$$name || exit 1; done

test-peers: $(PEERS)/.installed
	$(PEERS)/bin/python -m pytest -q tests/peers

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist
