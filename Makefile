# make demo | test | test-all | test-faults | mutants | lint | docs | docs-figures | site | wheels | release | bench-speed: each sets up .venv first when it is missing or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# make … SKIP=frontdef-advlib leaves plugins out, with all that only they require (adv-lib, and visdom, which is built).
SKIP ?=
PLUGINS := $(filter-out $(SKIP:%=plugins/%),$(sort $(wildcard plugins/*)))
# The pages with tables that docs/tables.py writes.
TABLES := README.md docs/results.md $(wildcard docs/papers/*.md) docs/agreement.md docs/attacks.md $(wildcard docs/attacks/*.md) docs/certificates.md $(wildcard docs/defenses/*.md) docs/demo.md docs/dependencies.md docs/hostile.md docs/invariants.md docs/masking.md docs/mutants.md docs/plugins.md docs/reliability.md docs/running.md docs/scale.md docs/speed.md docs/training.md docs/your-model.md
COG := $(BIN)/cog -I docs -p "import reproduction, summaries, tables, zoo"
STAMP := $(VENV)/.frontdef-$(shell cat constraints.txt pyproject.toml $(PLUGINS:%=%/pyproject.toml) 2>/dev/null | cksum | cut -d' ' -f1)
JOBS ?= 2
# Byte code is kept even where the environment forbids it: without it every process compiles what it imports anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test test-all test-faults mutants lint style types tables docs docs-figures site wheels release constraints requirements clean bench-speed

setup: $(STAMP)

# uv resolves and installs in a fraction of pip's time; constraints.txt holds every version, torch and torchvision as a pair.
$(STAMP): constraints.txt pyproject.toml
	@echo "setting up $(VENV) (about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet "uv==$$(sed -n 's/^uv==//p' constraints.txt)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
	    --editable ".[bench,dev]" $(foreach plugin,$(PLUGINS),--editable $(plugin))
	@rm -f $(VENV)/.frontdef-* && touch $@

demo: setup
	@$(BIN)/frontdef run --report -j $(JOBS)

test: setup
	@$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not slow" $(SKIP:%=--ignore=plugins/%)

test-all: setup
	@$(BIN)/pytest -n $(JOBS) --dist worksteal

test-faults: setup
	@$(BIN)/python -m tests.faults; faults=$$?; $(BIN)/python -m tests.hostile && exit $$faults

mutants: setup
	@$(BIN)/python benchmarks/mutation.py

# Its parts side by side where asked: make -j2 lint.
lint: style types tables

style: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: setup
	@$(BIN)/mypy

tables: setup
	@$(COG) --check --diff --check-fail-msg="a table of the docs is stale: make docs" --verbosity=1 $(TABLES)

docs: setup
	@$(COG) -r --verbosity=1 $(TABLES)

# The papers' figures, of the committed summaries.
docs-figures: setup
	@$(BIN)/python docs/figures.py

# The site, in build/site; a page that no list has, or a link to nowhere, is an error.
site: setup
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs build/site

# The core and every plugin as wheels, in dist/, checked as an index would.
wheels: setup
	@rm -rf dist && for package in . $(PLUGINS); do $(BIN)/uv build --quiet --wheel --out-dir dist $$package || exit 1; done
	@$(BIN)/uv tool run --quiet twine check --strict dist/*.whl

# The version of the code, tagged with the changelog's section; it publishes nothing.
release: setup
	@.ci/release

bench-speed: setup
	@for script in art_preprocessors command_line training wavelet; do \
	    echo "== $$script"; $(BIN)/python benchmarks/speed/$$script.py || exit 1; done
	@$(BIN)/python benchmarks/speed/runner.py --json benchmarks/results/speed/runner-pgd.json
	@$(BIN)/python benchmarks/speed/runner.py --family fgsm --rounds 20 --json benchmarks/results/speed/runner-fgsm.json
	@$(BIN)/python benchmarks/speed/heap.py --json benchmarks/results/speed/heap.json
	@$(BIN)/python benchmarks/speed/layout.py --json benchmarks/results/speed/layout.json
	@$(BIN)/python benchmarks/speed/checks.py --json benchmarks/results/speed/checks.json
	@$(BIN)/python benchmarks/speed/efficiency.py --json benchmarks/results/speed/efficiency.json
	@$(BIN)/python benchmarks/speed/page.py --json benchmarks/results/speed/page.json
	@$(BIN)/python benchmarks/speed/changes.py

# What a machine that checks hashes installs: the core and its runner, every version of constraints.txt with its hashes.
requirements: setup
	@mkdir -p build && $(BIN)/uv pip compile --quiet pyproject.toml --extra bench --constraint constraints.txt \
	    --generate-hashes --no-header --output-file build/requirements.txt
	@echo "build/requirements.txt: pip install --no-deps --require-hashes -r build/requirements.txt, then pip install --no-deps ."

constraints:
	rm -rf build/constraints && $(BIN)/uv venv --quiet build/constraints
	$(BIN)/uv pip install --quiet --python build/constraints/bin/python --editable ".[bench,dev,ray]" $(foreach plugin,$(PLUGINS),--editable $(plugin))
	@{ echo "# Exact versions that are known to work together; \`make constraints\` writes them anew."; \
	   { $(BIN)/uv pip freeze --quiet --exclude-editable --python build/constraints/bin/python; \
	     $(BIN)/uv --version | sed -E 's/^uv ([^ ]+).*/uv==\1/'; } | sort; } > constraints.txt

clean:
	rm -rf $(VENV) build dist runs
