# Needs Python 3.11 or later, make and a network connection to a package index; everything goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PEER_VENV := .venv-compressai

.PHONY: demo test lint type bench bench-attention bench-contexts bench-kernels compressai-env clean

demo: $(VENV)/installed
	@$(BIN)/python tests/demo.py

test: $(VENV)/tested
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/tested
	cd $(VENV) && bin/python -m mypy --config-file ../pyproject.toml -p lcodec

bench: $(VENV)/tested
	$(BIN)/python -m lcodec bench kodak --codecs base,jpeg,webp,avif,jxl,heic,svt-av1

bench-attention: $(VENV)/tested
	@$(BIN)/python tests/bench_attention.py

bench-contexts: $(VENV)/tested
	@$(BIN)/python tests/bench_contexts.py

bench-kernels: $(VENV)/tested
	@$(BIN)/python tests/bench_kernels.py

compressai-env: $(PEER_VENV)/installed

clean:
	rm -rf $(VENV) $(PEER_VENV) demo build *.egg-info

SOURCES := pyproject.toml constraints.txt $(shell find __init__.py __main__.py codec entropy formats kernels datasets -type f -not -path '*/__pycache__/*')

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("lcodec needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# The package is installed as a user gets it, not as a link to the sources, so that the tests test the wheel.
$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	$(PIP) install -c constraints.txt .
	@touch $@

$(VENV)/tested: $(VENV)/bin/python $(SOURCES)
	$(PIP) install -c constraints.txt '.[test]'
	@touch $(VENV)/installed $@

# CompressAI needs libraries too old for lcodec: an environment of its own, for codec/evaluation/compressai_peer.py.
$(PEER_VENV)/installed: codec/evaluation/compressai-requirements.txt
	$(PYTHON) -m venv $(PEER_VENV)
	$(PEER_VENV)/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@
