# Everything runs in a virtual environment, .venv, which the first target that needs it sets up.

PYTHON ?= python3
PYTEST_ARGS ?=
JOBS ?= 2

STAMP := .venv/.stamp
SAMPLE_STAMP := build/sample-venv/.stamp
MODELS_STAMP := build/models-venv/.stamp
MODELS := build/models

.PHONY: all setup system test bench formal explore synth64 cosim lint lintrtl sample models fewbits pictures clean help
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

formal: setup ## prove properties of the memory-side block's ports (a minute)
	.venv/bin/python gateware_tests/formal/prove.py

explore: setup ## sweep configurations of the engines: area, clock, energy, compression (synth/reports/; half an hour)
	.venv/bin/apack explore -o synth/reports

BIG := build/synth/apack_memory_side_64x512_nangate45
synth64: setup ## area and clock of a memory-side block of 64 engines (synth/reports/; a quarter of an hour)
	.venv/bin/apack synth --memory-side --engines 64 --data-width 512
	cp $(BIG).md $(BIG).json synth/reports/

# Some twenty minutes; the selection in `make test` takes one.
cosim: setup ## the emitted memory-side block in cocotb, all of it (gateware_tests/memory_side/cosim/REPORT.md)
	cd gateware_tests/memory_side && ../../.venv/bin/python -m cosim.matrix --build ../../build/cosim -o cosim/REPORT.md

lint: setup ## check the Python code
	.venv/bin/ruff check .

lintrtl: setup ## lint emitted memory-side blocks of many shapes in three tools (some twenty minutes)
	.venv/bin/python gateware_tests/lint_blocks.py

sample: $(SAMPLE_STAMP) ## remake golden/sample/sample.npz from the public network
	build/sample-venv/bin/python golden/sample/make_sample.py

$(MODELS_STAMP): pyproject.toml .ci/setup | system
	@.ci/setup python "$(PYTHON)" build/models-venv models

# A convolutional, a recurrent and a transformer network: README.md in golden/tensors.
PROFILE = build/models-venv/bin/apack profile $(MODELS)
SPEECH = $(PROFILE)/speech.onnx --inputs $(MODELS)/speech.wav --quantize \
	--preprocess window=576,hop=512,steps=230 --carry state=stateN
TEXT = $(PROFILE)/text.onnx --inputs $(MODELS)/lines --quantize --preprocess size=48x320,order=bgr,mean=0.5,std=0.5
PROFILED = $(MODELS)/keyword.npz $(MODELS)/speech.npz $(MODELS)/text.npz
models: $(MODELS_STAMP) ## profile three public networks on real inputs, and what APack makes of them (build/models)
	build/models-venv/bin/python -m golden.tensors.real_models $(MODELS)
	$(PROFILE)/keyword.tflite --inputs $(MODELS)/speech.npy -o $(MODELS)/keyword.npz --preprocess steps=250
	$(SPEECH) -o $(MODELS)/speech.npz
	$(TEXT) -o $(MODELS)/text.npz
	build/models-venv/bin/apack footprint $(PROFILED)

# Bits of weights, a hyphen, bits of activations. Scales of the extremes would make of most values one of a few codes.
FEW = 4-8 4-4 4-3
SCALES = mse
FEW_BITS = --scales $(SCALES) --weight-bits $(word 1,$(subst -, ,$*)) --activation-bits $(word 2,$(subst -, ,$*))
fewbits: models $(FEW:%=fewbits-%) ## the two float networks of them again, with 4-bit weights and 8-, 4-, 3-bit activations
	build/models-venv/bin/apack footprint $(foreach net,speech text,$(FEW:%=$(MODELS)/$(net)-%.npz))

fewbits-%: models
	$(SPEECH) -o $(MODELS)/speech-$*.npz $(FEW_BITS)
	$(TEXT) -o $(MODELS)/text-$*.npz $(FEW_BITS)

pictures: setup models ## photograph the footprint report of the sample and those networks (golden/figures; takes Chromium)
	.venv/bin/python -m pip install -qq -e ".[browser]"
	.venv/bin/apack footprint golden/sample/sample.npz $(PROFILED) --rivals all --html build/report.html
	.venv/bin/python -m golden.report.pictures build/report.html golden/figures

clean: ## remove results and caches; .venv stays
	rm -rf build *.egg-info .pytest_cache .ruff_cache
	find apack_hdl gateware_tests golden synth -name __pycache__ -prune -exec rm -rf {} +

help: ## list the targets
	@echo "make [TARGET] [PYTHON=python3]"
	@sed -n 's/^\([a-z0-9]*\):.*## /  \1	/p' $(MAKEFILE_LIST) | expand -t 11
