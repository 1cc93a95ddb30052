# Two commands on a fresh machine: `make study` runs the default study, `make test` all checks.
# Needed: Python 3.11 or newer with pip, and make.

PYTHON ?= python3
# An index of packages that has PyTorch for CPUs alone, which is much smaller:
# make study TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BIN := .venv/bin
RUNTIME := .venv/.runtime
INSTALLED := .venv/.installed
# A file of tests is run as a whole, for its tests share servers and studies.
AT_ONCE := -n 3 --dist loadfile --no-loadscope-reorder
# Counting the branches that tests reach makes `make quick` half as long again, so only CI does.
COVERAGE := $(if $(CI),--cov)
# A broken link, a missing page and a name that is not there are errors.
SITE := $(BIN)/python -m sphinx -q -W --keep-going -n -b html docs docs/_build

# Images of containers set it; then each process of the tests compiles the package and the tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: study test quick docs durations format

study: $(RUNTIME)
	$(BIN)/study run studies/digits.toml

test: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(SITE)
	$(BIN)/pytest $(AT_ONCE) $(COVERAGE)

# The checks of everyday work: without end-to-end tests (tests/e2e), tests of more than a second, and what is not
# in the packages. The others do not wait for anything, so there are as many at once as processors.
quick: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest $(AT_ONCE) -n 2 -m "not slow" $(addprefix --ignore tests/,e2e paper benchmarks deploy)

# The documentation, as a site in docs/_build; regenerates the reference pages from the code.
docs: $(INSTALLED)
	$(BIN)/python docs/reference.py
	$(SITE)

# Stores how long each file takes, which is the order in which the others run.
durations: $(INSTALLED)
	$(BIN)/pytest $(AT_ONCE) --store-durations

format: $(INSTALLED)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Runtime dependencies are installed first, test dependencies only for tests; both again when they change.
# An index of PyTorch alone lacks the pinned versions of other packages: those come with `-e .`.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt

$(RUNTIME): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed (make PYTHON=python3.11)')"
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) torch torchvision)
	$(PIP) -e .
	touch $@

$(INSTALLED): $(RUNTIME)
	$(PIP) -e '.[dev]'
	touch $@
