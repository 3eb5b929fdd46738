# Countersign. `make demo` and `make test` are complete on a machine that has Python and make.

SHELL := /bin/sh
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
# Where this is set, as in many images, each process compiles anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup packages peers demo test dates check style types layers sound bench clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## environment, packages, assets, migrations
	@python="$$(sh scripts/python.sh)" && exec "$$python" scripts/bootstrap.py

packages: # setup without a database, for checks
	@python="$$(sh scripts/python.sh)" && exec "$$python" scripts/bootstrap.py --no-migrate

peers: packages # the servers of other projects that some tests start; they make them as well
	$(PYTHON) -m tests.peers.running

demo: setup ## the whole road on real input; Ctrl-C ends it (ARGS=--reset starts over)
	@exec $(PYTHON) manage.py demo $(ARGS)

test: packages ## the test suite on all cores (ARGS=tests/house narrows it)
	$(PYTHON) -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadfile --no-loadscope-reorder $(ARGS)

check: types style layers sound ## style, types, layers, migrations in step, templates

style: packages
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: packages
	$(PYTHON) -m mypy .

layers: packages
	.venv/bin/lint-imports

sound: packages
	$(PYTHON) manage.py check --fail-level WARNING
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTHON) scripts/lint_templates.py

# Tests of expiry and retention, and of servers that have a clock of their own.
DATED := tests/config tests/browser/test_access_request.py tests/evidence/sources/test_answers_of_all.py \
	tests/evidence/test_erasing.py tests/evidence/test_otlp_grpc.py tests/evidence/test_partitions.py \
	tests/evidence/test_retention.py tests/identities/enforcers/test_aws_principals.py \
	tests/identities/grants/test_grants.py tests/identities/grants/test_sessions.py \
	tests/identities/inventory/test_aws.py tests/reviews/break_glass/test_signing.py \
	tests/reviews/test_campaigns.py tests/reviews/test_deadlines.py tests/reviews/test_expiring.py

dates: packages # a part of the tests as if today were another day
	$(PYTHON) -m pytest --clock=daily -q $(DATED)

bench: packages ## measurements, with their targets (ARGS=… as in tests/bench)
	$(PYTHON) -m tests.bench $(ARGS)

clean: ## remove what was made here, databases included; stop the demo first
	rm -rf .venv node_modules static_vendor var .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
