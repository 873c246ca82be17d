# make demo   the whole way on a slide that it builds
# make test   what CI runs: linters, types, layers, tests
# make test-long   the same with every repetition; takes hours
# make docs   the documentation site, with spelling and links checked
# make bench  side-by-side figures; takes minutes
# make audit  what is known against the tested versions; needs a network

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
SOURCES := pyproject.toml constraints.txt

.PHONY: demo test test-long lint types layers unit unit-long docs bench audit clean

demo: $(VENV)/.demo
	$(BIN)/wsiseg demo -o demo-output

test: lint types layers unit

test-long: lint types layers unit-long

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The four folders map to one package, which type checkers and import-linter only understand
# through a view that looks like an installed copy.
.PHONY: build/view
build/view: $(VENV)/.dev
	$(BIN)/python scripts/make_view.py build/view

types: build/view
	$(BIN)/python scripts/check_types.py build/view

layers: build/view
	cd build/view && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml --no-cache

# One process per core; a process that is done takes tests from the others.
unit: $(VENV)/.dev $(VENV)/.s3-server
	$(BIN)/python -m pytest -n logical --dist worksteal

# The site lies in build/site.
docs: build/view $(VENV)/.docs
	$(BIN)/codespell --config .codespellrc
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

unit-long: $(VENV)/.dev $(VENV)/.s3-server
	$(BIN)/python -m pytest -n logical --dist worksteal --long

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/against_monai.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/needle_cores.py
	$(BIN)/python benchmarks/reading.py
	$(BIN)/python benchmarks/exports.py
	$(BIN)/python benchmarks/measuring.py

# In an environment of its own, so that it changes no version of what it looks at.
audit: $(VENV)/audit/bin/pip-audit
	$< --vulnerability-service osv --strict --no-deps --disable-pip --requirement constraints.txt

$(VENV)/audit/bin/pip-audit: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet pip-audit

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(SOURCES) | $(BIN)/python
	$(PIP) -c constraints.txt -e '.[openvino]'
	touch $@

$(VENV)/.dev: $(SOURCES) | $(BIN)/python
	./scripts/install_system_packages.sh
	$(PIP) -c constraints.txt -e '.[all,dev]'
	touch $@ $(VENV)/.demo

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) -c constraints.txt -e '.[all,dev,docs]'
	touch $@

# The S3 server of the tests, apart: its packages hold back others that stand (python-dateutil below 3).
$(VENV)/.s3-server: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/s3-server
	$(VENV)/s3-server/bin/python -m pip install --disable-pip-version-check --quiet 'moto[server]==5.2.5'
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) -c constraints.txt -e '.[all,dev,bench]'
	touch $@

clean:
	rm -rf build dist demo-output *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
