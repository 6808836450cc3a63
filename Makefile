.PHONY: setup test lint types format results
PYTHON := .venv/bin/python

setup:
	python3 scripts/bootstrap.py setup
test:
	$(PYTHON) -m pytest -n auto
lint:
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .
types:
	$(PYTHON) -m mypy
results:
	$(PYTHON) scripts/regenerate.py
format:
	$(PYTHON) -m ruff check --fix . && $(PYTHON) -m ruff format .
