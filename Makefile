# The two commands of the README: make demo, make test. Each sets up the virtual environment that it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TREE := build/tree

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/data-select-gym demo

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto

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
