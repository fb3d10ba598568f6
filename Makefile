# Everything runs in .venv, which is made from a hashed lock; nothing is done that is up to date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date
SCENARIO ?= healthy
PYTEST_WORKERS ?= 3
# Bytecode is kept, whatever the environment says: the suite starts hundreds of processes, and each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test pythons lint venv docs fresh screenshots sarif e2e bench lock clean

demo: $(STAMP)  ## the terminal program on an embedded bookstore cluster
	@command -v curl >/dev/null || { echo "make demo needs curl: install it with your system's package manager" >&2; exit 1; }
	@$(BIN)/meshtui demo --scenario $(SCENARIO)

test: $(STAMP)  ## the whole suite but e2e
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadgroup -m "not e2e"

pythons: $(STAMP)  ## unit and pilot tests on each other supported Python that this machine has
	tests/pythons.sh

lint: $(STAMP)  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

venv: $(STAMP)  ## only the environment

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("meshtui needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || { echo "making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "installing what meshtui needs (a minute, once) …"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements.lock
	@$(BIN)/python -m pip check >/dev/null || { echo "the environment is broken: rm -rf $(VENV) and try again" >&2; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

docs: $(STAMP)  ## what the guides and the man page have from the code
	$(BIN)/python -m tests.commands_guide
	$(BIN)/python -m tests.pages
fresh:  ## clone into a folder that others can't enter; venv, demo and sandbox there, also as an ordinary user (as root)
	tests/fresh_clone.sh closed
	tests/fresh_clone.sh ordinary
	tests/fresh_clone.sh nameless

screenshots: $(STAMP)  ## the README's pictures, taken from the sandbox
	$(BIN)/python -m tests.screenshots
	$(BIN)/python -m tests.incident

sarif: $(STAMP)  ## what check writes for scanners against the standard's own schema (fetched)
	$(BIN)/python -m tests.sarif_schema

e2e: $(STAMP)  ## the end-to-end tests, on the cluster that MESHTUI_E2E_KUBECONFIG names
	@test -n "$(MESHTUI_E2E_KUBECONFIG)" || { echo "set MESHTUI_E2E_KUBECONFIG to the kubeconfig of a cluster made for tests" >&2; exit 1; }
	$(BIN)/pytest -m e2e tests/e2e

bench: $(STAMP)  ## speed, as ratios: the start beside an empty Python, the first paint beside a bare Textual program, pictures beside a bare table, then the matrix beside its peer, and a look at a hundred nodes
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/first_paint.py
	$(BIN)/python benchmarks/event_loop.py
	$(BIN)/python benchmarks/pictures.py
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/checking.py
	$(BIN)/python benchmarks/large.py
	$(BIN)/python benchmarks/mesh_look.py

lock:  ## renew the lock (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url -q -o requirements.lock

clean:  ## remove what was made
	rm -rf $(VENV) $(VENV)-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
