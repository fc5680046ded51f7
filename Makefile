# make demo: set up in .venv, then compare the three regimes on handwritten digits.
# make site: the documentation as a site, into build/site.
# make test: set up in .venv, then formatting, linting, types and the whole test suite.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# The CPU build of torch: the default one on Linux brings gigabytes of CUDA along.
TORCH  := torch==2.13.0
TORCH_INDEX := https://download.pytorch.org/whl/cpu

.PHONY: demo test check install develop bench gpu site clean
.DELETE_ON_ERROR:

demo: install
	$(BIN)/htmrun train experiment=digits

test: develop check
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/test_rooms.py

bench: develop
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/on_card.py || test $$? -eq 2

# The documentation as a site for reading offline: build/site/index.html.
site: develop
	$(BIN)/python -m mkdocs build --strict

# Everything that needs a card: tests, compute-sanitizer, benchmark.
gpu:
	benchmarks/gpu.sh

install: $(VENV)/.installed
develop: $(VENV)/.develop

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "installing torch (CPU build, about 200 MB) ..."
	$(BIN)/python -m pip install --quiet --retries 0 --timeout 15 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet '$(TORCH)'
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	@echo "installing htmrun and what it needs (a few minutes) ..."
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.develop: $(VENV)/.installed
	@echo "installing the test tools ..."
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
