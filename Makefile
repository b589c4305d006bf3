# Needs Python 3.11 or later, with venv, and make; everything else is installed into VENV.
PYTHON ?= python3
VENV ?= .venv
# PYTEST_ARGS="-n 0" to debug.
PYTEST_ARGS ?= -n auto --dist worksteal
# Real servers and processes compete with whatever else the machine does: a test that fails is tried again, and the
# summary names it (RERUN).
RERUNS ?= --reruns 2 --reruns-delay 1 -raR

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
INTERPRETER := $(BIN)/python.exe
else
BIN := $(VENV)/bin
INTERPRETER := $(BIN)/python
endif
DIST ?= dist
# Silences advice to move to zensical: docs/architecture.md says why not yet.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs
# What the tests need: dev (the newest versions, pinned) or lowest.
LOCK ?= dev
# Seconds that `make fuzz` takes.
FUZZ_SECONDS ?= 300

.PHONY: help demo test coverage lint types check api docs docs-serve matrix newest lock build dist tag-check simulation explore fuzz audit sbom bench bench-quick clean

help:
	@echo "make demo    run the whole product on this machine: Local Scope and 500 coroutines"
	@echo "make test    run the tests"
	@echo "make coverage  the same, and insist on how much of the package they reach"
	@echo "make lint    check style and format (ruff)"
	@echo "make types   check the types (mypy --strict, pyright)"
	@echo "make check   test, lint and types"
	@echo "make api     compare the public names with those of the last release"
	@echo "make docs    build the documentation into site/, strictly: no broken link, no missing reference"
	@echo "make docs-serve  show it, and follow what is written"
	@echo "make matrix  test, then the same on other interpreters, lowest dependencies and uvloop"
	@echo "make newest  test with the newest versions of everything, whatever the lock says"
	@echo "make lock    pin the newest versions and the lowest allowed, with hashes, in requirements/"
	@echo "make build   build the source distribution and the wheel into dist/, and check what the index will show"
	@echo "make dist    run the tests against what is published, and each extra alone"
	@echo "make fuzz    feed broken input to every reader for five minutes (FUZZ_SECONDS=300)"
	@echo "make explore  send 10,000 requests that the description of Local Scope's API allows and forbids"
	@echo "make audit   look the pinned versions up in the database of known vulnerabilities"
	@echo "make sbom    write dist/scope-async.cdx.json: what an installation with all extras consists of"
	@echo "make simulation  run a thousand clients through a simulated month, with faults drawn by seed"
	@echo "make bench   measure everything, write benchmarks/results and the figures in docs (a quiet machine, 20 minutes)"
	@echo "make bench-quick  check that the benchmarks run and that their counts are right"
	@echo "make clean   remove what the above have made"
	@echo "PYTHON=python3.12 VENV=.venvs/3.12 choose another interpreter and place."

demo: $(VENV)/.installed-all
	$(BIN)/scope-async demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(RERUNS) $(PYTEST_ARGS)

coverage: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(RERUNS) $(PYTEST_ARGS) --cov

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --no-warn-unreachable --cache-dir .mypy_cache/win32 scope_async
	$(BIN)/pyright

check: test lint types

api: $(VENV)/.installed-dev
	$(BIN)/python -m tests.project.api_surface

docs: $(VENV)/.installed-docs
	$(MKDOCS) build --strict --quiet

docs-serve: $(VENV)/.installed-docs
	$(MKDOCS) serve --strict

matrix: test
	.ci/matrix

newest: | $(INTERPRETER)
	[ -x .venvs/newest/bin/python ] || $(BIN)/python -m venv .venvs/newest
	.venvs/newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable '.[dev,bench]'
	.venvs/newest/bin/python -m pytest $(RERUNS) $(PYTEST_ARGS)

lock: $(VENV)/.installed-dev
	PYTHON=$(BIN)/python UV=$(BIN)/uv .ci/lock

build: $(VENV)/.installed-dev
	$(BIN)/python -m build --no-isolation --outdir $(DIST) .
	$(BIN)/python -m twine check --strict $(DIST)/*.whl $(DIST)/*.tar.gz

dist:
	.ci/dist

# A release is tagged with the version that it has: TAG=v1.2.3.
tag-check: $(VENV)/.installed-dev
	@$(BIN)/python -c 'import os, sys; from scope_async import __version__; sys.exit(os.environ["TAG"] != "v" + __version__ and "the version is " + __version__)'

fuzz: $(VENV)/.installed-security
	$(BIN)/python -m tests.fuzzing --seconds $(FUZZ_SECONDS)

explore: $(VENV)/.installed-dev
	$(BIN)/python -m tests.integration.local.exploration

# Fails where the database cannot be asked: silence is no clean bill.
audit: $(VENV)/.installed-security
	for lock in all dev lowest security; do $(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements/$$lock.txt || exit 1; done

sbom: $(VENV)/.installed-security
	[ -x .venvs/all/bin/python ] || $(BIN)/python -m venv .venvs/all
	.ci/install .venvs/all all
	mkdir -p dist
	$(BIN)/cyclonedx-py environment .venvs/all/bin/python --pyproject pyproject.toml --mc-type library \
	    --output-reproducible --output-file dist/scope-async.cdx.json

simulation: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -m slow tests/simulation

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks --page

bench-quick: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks --quick

clean:
	rm -rf $(VENV) .venvs build dist site .fuzzing .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*

$(INTERPRETER):
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras: nothing is installed again until its lock changes.
$(VENV)/.installed-all: pyproject.toml requirements/all.txt | $(INTERPRETER)
	.ci/install $(VENV) all
	@touch $@

$(VENV)/.installed-dev: pyproject.toml requirements/$(LOCK).txt | $(INTERPRETER)
	.ci/install $(VENV) $(LOCK)
	@touch $@ $(VENV)/.installed-all

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	@touch $@

$(VENV)/.installed-security: pyproject.toml requirements/security.txt $(VENV)/.installed-dev
	.ci/install $(VENV) dev security
	@touch $@
