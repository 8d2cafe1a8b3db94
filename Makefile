# One line per need; each does its own set-up first. Rules: specs/setup.md.
PYTHON ?= python3
VENV = $(or $(RSX_VENV),.venv)
DEV = $(PYTHON) -m rsx.bootstrap --dev

.PHONY: build debug test soak lint fmt perf clean docs-check

build: ; $(PYTHON) -m rsx.bootstrap
debug: ; RSX_BUILD=debug $(PYTHON) rsx.py test
test: ; $(PYTHON) rsx.py test
soak: ; RSX_SOAK=10000000 $(PYTHON) rsx.py test tests/book/test_matching_against_model.py
lint: ; $(DEV) && $(VENV)/bin/ruff check . && $(VENV)/bin/mypy
fmt: ; $(DEV) && $(VENV)/bin/ruff check --fix . && $(VENV)/bin/ruff format .
perf: ; $(PYTHON) rsx.py perf
docs-check: ; $(PYTHON) rsx.py test tests/test_repo.py
clean: ; rm -rf .venv build dist *.egg-info && find rsx -name '*.so' -delete
