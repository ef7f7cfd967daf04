# Everything a person or CI does with this tree. `make run` needs python3 (3.11 or newer) with venv, and make.

VENV := .venv
BIN := $(VENV)/bin
# What looks at the supply chain lives apart: its own needs must not bound those of the product.
TOOLS := .venv-tools
# Another Python may be named: make run PYTHON=python3.12
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null \
	&& echo $$candidate && break; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
SOURCES := personalq accounts tasks realtime webhooks tests bench manage.py
TOOL := $(BIN)/python -m personalq.embedded.tool_env
# Arguments for pytest: make test ARGS="-k cancel -x"
ARGS ?=
# How much `make chaos` does, and the seed that decides what happens when; without a seed, another one each time.
TASKS ?= 1000
KILLS ?= 20
SEED ?=
# How many requests `make fuzz` makes up for each operation and person.
EXAMPLES ?= 200
# 1: it is a fault that no advisory service answers, as on GitHub. Else it is only said.
CI_REQUIRE_ADVISORIES ?=
# What tests run by themselves: the others have targets of their own.
ORDINARY := not browser and not chaos and not product and not fuzz and not supply_chain

.PHONY: help run test test-security mutations test-product test-browser test-chaos test-fuzz chaos fuzz check lint types supply-chain inventory lock
.PHONY: upgrade format clean
.DEFAULT_GOAL := help

help:
	@echo 'make run           everything on this machine, http://127.0.0.1:8000 (PORT=8123 make run for another)'
	@echo 'make test          all tests but those of the whole product, in a browser, and the campaign of kills'
	@echo 'make test-security those of them that prove a promise of SECURITY.md'
	@echo 'make test-product  every kind of agent at work in a whole product, planted keys, rotated keys'
	@echo 'make test-browser  the tests in Chromium'
	@echo 'make test-chaos    a minute of kills and cuts; nothing may be lost and nothing doubled'
	@echo 'make chaos         the same for as long as you like: TASKS=10000 KILLS=200 SEED=1 make chaos'
	@echo 'make test-fuzz     thousands of requests made from the OpenAPI document, as four people'
	@echo 'make fuzz          the same with others each time, and many more: EXAMPLES=200 SEED=1 make fuzz'
	@echo 'make check         what CI runs: format, lint, types, contracts, migrations, deploy checks, supply chain, all tests'
	@echo 'make supply-chain  locks, advisories, licences, secrets in tree and history, linters of code, workflows and images'
	@echo 'make mutations     takes one guard after the other out and shows which test notices (long)'
	@echo 'make format        format the code and mend what ruff can mend'
	@echo 'make lock          pin requirements/*.in in requirements/*.txt, with hashes; what is pinned already stays'
	@echo 'make upgrade       the same with the newest of everything that the bounds allow (docs/dependencies.md)'
	@echo 'make inventory     write docs/sbom.cdx.json and docs/licences.md anew'
	@echo 'make clean         remove the environment and caches; never your data in var/'

# exec: Ctrl-C and SIGTERM must reach the program and not stop at a shell.
run: $(VENV)/.run
	@exec $(BIN)/python manage.py up

test: $(VENV)/.dev
	@exec $(BIN)/python -m pytest -n auto -m '$(ORDINARY)' $(ARGS)

test-security: $(VENV)/.dev
	@exec $(BIN)/python -m pytest -n auto -m 'security and $(ORDINARY)' $(ARGS)

mutations: $(VENV)/.dev
	@exec $(BIN)/python -m tests.mutations $(ARGS)

test-browser: $(VENV)/.dev
	@$(BIN)/python -m personalq.embedded.find_browser >/dev/null
	@exec $(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-product: $(VENV)/.dev
	@exec $(BIN)/python -m pytest -m product tests/product $(ARGS)

test-fuzz: $(VENV)/.dev
	@exec $(BIN)/python -m pytest -m fuzz tests/security/fuzzing $(ARGS)

# Properties first; then requests, with a seed that is told, so that what was found can be found again.
fuzz: $(VENV)/.dev
	@$(BIN)/python -m pytest --hypothesis-profile=long tests/security/test_properties.py tests/tasks/timing/test_properties.py
	@seed=$${SEED:-$$(date +%s)}; echo "SEED=$$seed"; \
	exec $(BIN)/python -m pytest -m fuzz tests/security/fuzzing --fuzz-seed $$seed --fuzz-examples $(EXAMPLES) $(ARGS)

# By itself: it is no fair test of others beside it when whole processors are kept busy with starting again.
test-chaos: $(VENV)/.dev
	@exec $(BIN)/python -m pytest -m chaos tests/chaos $(ARGS)

chaos: $(VENV)/.dev
	@exec $(BIN)/python -m tests.chaos --tasks $(TASKS) --kills $(KILLS) $(if $(SEED),--seed $(SEED))

check: lint types supply-chain test test-product test-browser test-chaos test-fuzz

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(TOOL) -- $(BIN)/python -m mypy
	$(TOOL) --servers -- $(BIN)/python manage.py makemigrations --check --dry-run
	$(TOOL) --production -- $(BIN)/python manage.py check --deploy --fail-level WARNING

# First what looks is looked at: an advisory that is planted has to be found.
supply-chain: $(VENV)/.dev $(TOOLS)/.installed
	@$(BIN)/python -m pytest -q -m supply_chain tests/supply_chain
	@CI_REQUIRE_ADVISORIES=$(CI_REQUIRE_ADVISORIES) $(BIN)/python -m tests.supply_chain $(ARGS)

inventory: $(VENV)/.dev $(TOOLS)/.installed
	@exec $(BIN)/python -m tests.supply_chain inventory

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes -p 3.11 $(UPGRADE)

lock: $(VENV)/.dev
	for name in base dev tools; do $(UV_COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

upgrade:
	@$(MAKE) lock UPGRADE=--upgrade

clean:
	rm -rf $(VENV) $(TOOLS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var/test
	find . -name __pycache__ -not -path './$(VENV)*' -prune -exec rm -rf {} +

# Stamps: nothing is installed while the lock has not changed.
$(VENV)/.run: requirements/base.txt | $(VENV)/.made
	@echo 'Installing what the product needs …'
	@$(PIP_INSTALL) -r requirements/base.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.made
	@echo 'Installing what the tests need …'
	@$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@ $(VENV)/.run

$(TOOLS)/.installed: requirements/tools.txt | $(TOOLS)/.made
	@echo 'Installing what looks at the supply chain …'
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

$(VENV)/.made $(TOOLS)/.made:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 to 3.14 is needed: sudo apt install python3 python3-venv'; exit 1; }
	@$(PYTHON) personalq/embedded/make_venv.py $(@D)
	@touch $@
