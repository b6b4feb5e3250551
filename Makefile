# make up     start the dashboard (the first time: sets everything up and prints a link for the first administrator)
# make test   everything that must hold: lint, types, contracts, migrations, all tests on SQLite and PostgreSQL
# make demo   as root: the dashboard with a sample project, live on a node that it boots for it
# make fix    let the formatters do their work

SHELL := /bin/bash
BIN := .venv/bin
PYTHON ?= python3
TEMPLATES = $(shell find templates ffsweb certificates deployments -name '*.html')
export PYTHON

.PHONY: setup up test fix lint types contracts migrations test-quick test-machines test-postgres demo screenshots bench-push bench-supervisor bench-viewers bench-fleet bench-certificates clean
.DEFAULT_GOAL := up

setup: .venv/.synced

.venv/.synced: uv.lock pyproject.toml .ci/venv
	@.ci/venv

up: setup
	@$(BIN)/ffs migrate --verbosity 0
	@$(BIN)/ffs manage collectstatic --no-input --verbosity 0
	@exec $(BIN)/ffs --watchdog

test: lint types contracts migrations test-quick test-machines test-postgres

fix: setup
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/djade $(TEMPLATES)

lint: setup
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/djade --check $(TEMPLATES)

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

migrations: setup
	$(BIN)/ffs manage makemigrations --check --dry-run

# Many tests watch real processes against the clock, which a busy machine can spoil: what failed is run again, alone, at
# most twice, and the first failure stays in the output.
FAILED := --last-failed --last-failed-no-failures none
AGAIN := $(BIN)/pytest -q $(FAILED)
ON_POSTGRES := $(BIN)/python -m tests.support.postgres $(BIN)/pytest -q

MAIN_JOB := tests/lab/test_main_path.py tests/lab/test_everyday.py

# What needs no machine of its own; some of it waits.
test-quick: setup
	$(BIN)/pytest -q -n 3 -m "not lab and not browser" || $(AGAIN) || $(AGAIN)

# Nodes and browsers: they wait more than they work, so three files at a time, the longest first (tests/support/order.py).
test-machines: setup
	$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "lab or browser" || $(AGAIN) || $(AGAIN)

# Again, whatever asks for the database, and the main job on nodes.
test-postgres: setup
	$(ON_POSTGRES) -n 3 -m "not lab and not browser" --database-only || $(ON_POSTGRES) $(FAILED) || $(ON_POSTGRES) $(FAILED)
	$(ON_POSTGRES) $(MAIN_JOB) || $(ON_POSTGRES) $(FAILED) || $(ON_POSTGRES) $(FAILED)

# A node, a dashboard and a deploy, until Ctrl-C.
demo: setup
	@exec $(BIN)/python -m tests.demo

# Pictures of each page, in both themes and two widths, in screenshots/ (root, a lab and Chromium).
screenshots: setup
	FFSWEB_SCREENSHOTS=$(CURDIR)/screenshots $(BIN)/pytest -q tests/browser/test_main_path.py tests/browser/test_pages.py

# What a push of an image costs, against what people use instead (root, a lab, an hour); writes docs/benchmarks.md.
bench-push: setup
	$(BIN)/python -m benchmarks.push

# What the supervisor costs, beside supervisord and s6 (on PATH); writes docs/benchmarks-supervisor.md. Fails beyond 20 MB.
bench-supervisor: setup
	$(BIN)/python -m benchmarks.supervisor --write

# How late a log's lines reach a thousand viewers of one web process; writes docs/benchmarks-viewers.md.
bench-viewers: setup
	$(BIN)/python -m benchmarks.viewers --write

# How long a hundred nodes take to be read, beside pyinfra and ansible-core (sshd, PyPI); writes docs/benchmarks-fleet.md.
bench-fleet: setup
	$(BIN)/python -m benchmarks.fleet --write

# The status of a thousand endpoints and thirty lab nodes, beside openssl s_client (root, lab); writes a page of docs/.
bench-certificates: setup
	$(BIN)/python -m benchmarks.certificates --write

clean:
	rm -rf .venv var/tools static .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
