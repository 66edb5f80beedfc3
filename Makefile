# Everything runs in a virtual environment, .venv, which the first target that needs it sets up.

PYTHON ?= python3
PYTEST_ARGS ?=
JOBS ?= 2

STAMP := .venv/.stamp
SAMPLE_STAMP := build/sample-venv/.stamp

.PHONY: all setup system test bench explore lint sample clean help
.DELETE_ON_ERROR:

all: setup ## set up, then run the main job: search, compress, simulate, emit, synthesize the sample (build/)
	.venv/bin/apack demo

setup: system $(STAMP) ## install system packages (when root) and Python packages (.venv)

# Looked at every time, because packages may come and go without the stamp's knowledge; takes milliseconds.
system:
	@.ci/setup system "$(PYTHON)"

# Order-only: a look at the system packages must not by itself make the stamp old.
$(STAMP): pyproject.toml .ci/setup | system
	@.ci/setup python "$(PYTHON)" .venv all

$(SAMPLE_STAMP): pyproject.toml .ci/setup | system
	@.ci/setup python "$(PYTHON)" build/sample-venv sample

test: setup ## run the tests; more pytest options in PYTEST_ARGS, processes in JOBS (2)
	.venv/bin/pytest -n $(JOBS) $(PYTEST_ARGS)

bench: setup ## measure the speed of the golden codec
	.venv/bin/apack bench

explore: setup ## sweep configurations of the engines: area, clock, energy, compression (synth/reports/; an hour)
	.venv/bin/apack explore -o synth/reports

lint: setup ## check the Python code
	.venv/bin/ruff check .

sample: $(SAMPLE_STAMP) ## remake golden/sample/sample.npz from the public network
	build/sample-venv/bin/python golden/sample/make_sample.py

clean: ## remove results and caches; .venv stays
	rm -rf build *.egg-info .pytest_cache .ruff_cache
	find apack_hdl gateware_tests golden synth -name __pycache__ -prune -exec rm -rf {} +

help: ## list the targets
	@echo "make [TARGET] [PYTHON=python3]"
	@sed -n 's/^\([a-z]*\):.*## /  \1	/p' $(MAKEFILE_LIST) | expand -t 11
