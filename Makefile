# Two commands matter: `make book` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
PIP_ARGS ?=
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install book test lint unit nbval browser notebooks portability bench weights stills pdf \
        offline audit clean

help:  ## list the commands
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Options: PYTHON=python3.12 picks the interpreter, VENV=path the virtual environment,"
	@echo "  PIP_ARGS=... is passed to pip."

install: $(STAMP)  ## make .venv and install requirements.txt

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This book needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)."; \
	  echo "Install a newer one, or name it: make PYTHON=python3.11 book"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -r requirements.txt
	@touch $@

book: $(STAMP)  ## build the book (any warning is an error) and say where it is
	@rm -rf _build/html  # no page of an earlier build stays
	$(BIN)/jupyter-book build . -W -n --keep-going --all
	@echo; echo "Open this file in a browser: $(CURDIR)/_build/html/index.html"

test: $(STAMP)  ## check everything: style, unit tests, notebooks, book, pages in a browser
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory nbval
	@$(MAKE) --no-print-directory book
	@$(MAKE) --no-print-directory browser

lint: $(STAMP)
	$(BIN)/ruff check .

unit: $(STAMP)  ## the unit tests
	$(BIN)/python -m pytest tests --ignore=tests/browser

nbval: $(STAMP)  ## run the notebooks again and compare with what they store
	$(BIN)/python -m pytest --nbval chapters

browser: $(STAMP)  ## open every page of the built book in headless Chromium
	$(BIN)/python -m pytest tests/browser

notebooks: $(STAMP)  ## run the notebooks and store their outputs (NB=linear for one)
	$(BIN)/python tools/execute_notebooks.py $(NB)

portability: $(STAMP)  ## the notebooks as other processors would compute them
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval chapters
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 \
	  $(BIN)/python -m pytest --nbval chapters

bench: $(STAMP)  ## measure speed and quality against peers
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) vector-quantize-pytorch==1.32.0  # a peer
	$(BIN)/python benchmarks/bench.py

pdf: $(STAMP)  ## the whole book as one PDF (after `make book`)
	$(BIN)/python tools/print_book.py

offline: $(STAMP)  ## the built book as a zip, linked on its first page, as is the PDF
	$(BIN)/python tools/downloads.py

audit: $(STAMP)  ## Lighthouse on every page, stored in benchmarks/pages.json (after `make book`)
	$(BIN)/python tools/audit_pages.py

stills: $(STAMP)  ## photograph the widgets for print and pages without JavaScript (after `make book`)
	$(BIN)/python tools/stills.py

weights: $(STAMP)  ## train the shipped weights again
	$(BIN)/python -m aecourse.weights
	$(BIN)/python -m aecourse.weights.few_labels

clean:  ## remove the built book and caches (keeps .venv)
	rm -rf _build .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
