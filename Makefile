# Everything runs in a virtual environment, .venv, which the first target that needs it sets up.

PYTHON ?= python3
PYTEST_ARGS ?=
JOBS ?= 2

STAMP := .venv/.stamp
SAMPLE_STAMP := build/sample-venv/.stamp
MODELS_STAMP := build/models-venv/.stamp
MODELS := build/models

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

explore: setup ## sweep configurations of the engines: area, clock, energy, compression (synth/reports/; half an hour)
	.venv/bin/apack explore -o synth/reports

lint: setup ## check the Python code
	.venv/bin/ruff check .

sample: $(SAMPLE_STAMP) ## remake golden/sample/sample.npz from the public network
	build/sample-venv/bin/python golden/sample/make_sample.py

$(MODELS_STAMP): pyproject.toml .ci/setup | system
	@.ci/setup python "$(PYTHON)" build/models-venv models

# A convolutional, a recurrent and a transformer network: README.md in golden/tensors.
PROFILE = build/models-venv/bin/apack profile $(MODELS)
models: $(MODELS_STAMP) ## profile three public networks on real inputs, and what APack makes of them (build/models)
	build/models-venv/bin/python -m golden.tensors.real_models $(MODELS)
	$(PROFILE)/keyword.tflite --inputs $(MODELS)/speech.npy -o $(MODELS)/keyword.npz --preprocess steps=250
	$(PROFILE)/speech.onnx --inputs $(MODELS)/speech.wav -o $(MODELS)/speech.npz --quantize \
		--preprocess window=576,hop=512,steps=230 --carry state=stateN
	$(PROFILE)/text.onnx --inputs $(MODELS)/lines -o $(MODELS)/text.npz --quantize \
		--preprocess size=48x320,order=bgr,mean=0.5,std=0.5
	build/models-venv/bin/apack footprint $(MODELS)/*.npz

clean: ## remove results and caches; .venv stays
	rm -rf build *.egg-info .pytest_cache .ruff_cache
	find apack_hdl gateware_tests golden synth -name __pycache__ -prune -exec rm -rf {} +

help: ## list the targets
	@echo "make [TARGET] [PYTHON=python3]"
	@sed -n 's/^\([a-z]*\):.*## /  \1	/p' $(MAKEFILE_LIST) | expand -t 11
