# Two virtual environments: .venv-demo has only what the demo runs (no torch), .venv all that development needs.
# A stamp in each says which lock file is installed, so a second call installs nothing.
# PRISM_* variables reach the programs as they are, given before or after `make`.

PYTHON ?= python3
PIP = -m pip --disable-pip-version-check
UV_COMPILE = .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make locks" --quiet $(LOCK_OPTIONS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test check lint format kafka chaos load-test train locks clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile
	@echo "  PYTHON=python3.12 picks the interpreter (3.11 or newer); PRISM_BOOTSTRAP_SERVERS=host:port a broker."

install: .venv/.project ## a .venv with all that development needs (PyTorch included: several GB)

demo: .venv-demo/.project ## real ranking events turn into explanations on a broker of its own
	.venv-demo/bin/prism demo $(ARGS)

test: lint ## all checks of the code, then everything in tests/
	.venv/bin/python -m pytest $(ARGS)

check: test ## the same: everything that a change must pass

lint: install ## linter, formatter, types, import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: install ## rewrite the code in its style and mend what the linter can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

kafka: install ## fetch the pinned Apache Kafka for the tests (needs Java and Maven)
	.venv/bin/python -c "from tests.broker.kafka_server import install_kafka; print(install_kafka())"

chaos: install ## the fault matrix on Apache Kafka, about 90 minutes; ARGS="--help" lists its rows and options
	.venv/bin/python -m tests.chaos $(ARGS)

load-test: install ## the capacity of one and of two workers on Apache Kafka, 15 minutes at most; report in .cache/load-test
	.venv/bin/python -m tests.load.load_test $(ARGS)

train: install ## train one's own student; ARGS="..." goes to prism-offline
	.venv/bin/prism-offline $(or $(ARGS),--help)

locks: install ## write deploy/locks anew; LOCK_OPTIONS=--upgrade takes newer versions
	$(UV_COMPILE) --output-file deploy/locks/worker.txt
	$(UV_COMPILE) --extra demo --group build --output-file deploy/locks/demo.txt
	$(UV_COMPILE) --extra dev --group build --output-file deploy/locks/dev.txt

clean: ## remove both environments and everything built
	rm -rf .venv .venv-demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/.locked: deploy/locks/dev.txt
.venv-demo/.locked: deploy/locks/demo.txt
.venv/.locked .venv-demo/.locked:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is missing or older than Python 3.11; try make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install --quiet --require-hashes -r $<
	@touch $@

.venv/.project: .venv/.locked pyproject.toml
.venv-demo/.project: .venv-demo/.locked pyproject.toml
.venv/.project .venv-demo/.project:
	$(@D)/bin/python $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
