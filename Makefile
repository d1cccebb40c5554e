# Two commands matter: `make book` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
STAMP   = $(VENV)/.installed
PYTEST  = $(BIN)/python -m pytest
WHOLE   = -n auto --dist loadfile --no-loadscope-reorder  # whole files to workers of one thread

export VENV

.DEFAULT_GOAL := help
.PHONY: help install book check test lint unit nbval browser notebooks portability bench weights \
        stills pdf offline audit clean

help:  ## list the commands
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Options: PYTHON=python3.12 picks the interpreter, VENV=path the virtual environment."

install: $(STAMP)  ## make .venv and install everything into it (the other commands do it, too)

$(STAMP): requirements.txt pyproject.toml install.py
	$(PYTHON) install.py
	@touch $@

book: $(STAMP)  ## build the book (any warning is an error) and say where it is
	@rm -rf _build/html  # no page of an earlier build stays
	$(BIN)/jupyter-book build . -W -n --keep-going --all
	@echo; echo "Open this file in a browser: $(CURDIR)/_build/html/index.html"

check: lint  ## the quick checks, within a minute: style, structure, doctests
	$(PYTEST) -q aecourse tests/test_book.py tests/test_install.py tests/test_nbval_approx.py \
	  tests/test_plots.py tests/test_site.py

test: check book  ## check everything: the quick checks, unit tests, notebooks, pages in a browser
	$(PYTEST) --nbval $(WHOLE) --durations=15

lint: $(STAMP)
	$(BIN)/ruff check .

unit: $(STAMP)  ## the unit tests
	$(PYTEST) tests --ignore=tests/browser $(WHOLE)

nbval: $(STAMP)  ## run the notebooks again and compare with what they store
	$(PYTEST) --nbval chapters $(WHOLE)

browser: $(STAMP)  ## open every page of the built book in headless Chromium
	$(PYTEST) tests/browser $(WHOLE)

notebooks: $(STAMP)  ## run the notebooks and store their outputs (NB=linear for one)
	$(BIN)/python tools/execute_notebooks.py $(NB)

portability: $(STAMP)  ## the notebooks as other processors would compute them
	OMP_NUM_THREADS=1 $(PYTEST) --nbval chapters $(WHOLE)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 \
	  $(PYTEST) --nbval chapters $(WHOLE)

bench: $(STAMP)  ## measure speed and quality against peers
	$(BIN)/python -m pip install --quiet vector-quantize-pytorch==1.32.0  # a peer
	$(BIN)/python benchmarks/bench.py

pdf: $(STAMP)  ## the whole book as one PDF (after `make book`)
	$(BIN)/python tools/print_book.py

offline: $(STAMP)  ## the built book as a zip, linked on its first page, as is the PDF
	$(BIN)/python tools/downloads.py

audit: $(STAMP)  ## Lighthouse on every page, stored in benchmarks/pages.json (after `make book`)
	$(BIN)/python tools/audit_pages.py

stills: $(STAMP)  ## photograph the widgets for print and pages without JavaScript (after `make book`)
	$(BIN)/python tools/stills.py

weights: $(STAMP)  ## train shipped weights again (NAME=restorer; without a name: list them)
	$(BIN)/python -m aecourse.recipes $(NAME)

clean:  ## remove the built book and caches (keeps .venv)
	rm -rf _build .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
