# Each target is complete on a fresh machine: tools/bootstrap.py makes .venv, installs what the target needs, then runs it.
# Another Python: make lab PYTHON=python3.12.  Arguments for the command itself: make test ARGS="-k attention".
PYTHON ?= python3
ARGS ?=

.PHONY: help lab test lint notebooks plans exercises lineage clean

help:
	@echo "make lab        open the course in JupyterLab"
	@echo "make test       run every test"
	@echo "make lint       ruff check and format check, notebooks included"
	@echo "make notebooks  run the chapters top to bottom and write clean outputs back"
	@echo "make plans      write the lecture plans from the chapters and lectures/*.toml"
	@echo "make exercises  make the student's notebooks from solutions/"
	@echo "make lineage    train the course's own model over three seeds and put it into the package; hours"
	@echo "make clean      remove .venv and caches"

lab test lint notebooks plans exercises lineage:
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) found. Install Python 3.10 to 3.13 from https://www.python.org/downloads/ and run: make $@"; exit 1; }
	@$(PYTHON) tools/bootstrap.py $@ $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache build dist
