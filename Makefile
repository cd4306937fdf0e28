# The README's commands: make demo, make test. Each sets up the virtual environment that it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TREE := build/tree

PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --durations=25

.PHONY: demo test test-slow test-all lint clean

demo: $(VENV)/.installed
	$(BIN)/data-select-gym demo

# The fast tier: everything that is not marked slow.
test: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.installed-dev
	$(PYTEST) -m slow

test-all: $(VENV)/.installed-dev
	$(PYTEST)

lint: $(VENV)/.installed-dev $(TREE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(TREE) && $(abspath $(BIN))/mypy --cache-dir $(CURDIR)/.mypy_cache --config-file $(CURDIR)/pyproject.toml -p data_select_gym
	cd $(TREE) && PYTHONPATH=. $(abspath $(BIN))/lint-imports --config $(CURDIR)/pyproject.toml --no-cache

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

# The package as it is installed, agents/ within it, for tools that look for modules by folder.
$(TREE): FORCE
	rm -rf $(TREE)
	mkdir -p $(TREE)/data_select_gym
	ln -s $(CURDIR)/data_select_gym/* $(TREE)/data_select_gym/
	ln -s $(CURDIR)/agents $(TREE)/data_select_gym/agents

.PHONY: FORCE
FORCE:

clean:
	rm -rf $(VENV) build runs *.egg-info
