# Two commands for a fresh clone: `make demo` runs the main job, `make test` checks everything.
# Each makes .venv itself and installs what it needs; a second run reuses it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint types notebooks benchmark floor phase hard-cases clips gpu-check slow clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The core alone: enough for the command line and the report.
$(VENV)/core.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e .
	touch $@

# Everything: tests, deep part, notebooks, compiled path.
$(VENV)/all.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[all]'
	touch $@ $(VENV)/core.stamp

demo: $(VENV)/core.stamp
	$(BIN)/rpca-affect demo -o demo-out --overwrite

# One BLAS thread per test process: two on small matrices are slower than one.
test: lint types
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/all.stamp
	$(BIN)/mypy

slow: $(VENV)/all.stamp
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) .venv-bench demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The notebooks from their paired scripts, executed at full size.
notebooks: $(VENV)/all.stamp
	$(BIN)/python notebooks/build.py
