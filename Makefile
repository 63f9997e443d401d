# Two commands for readers: `make lab` and `make test`. The rest is for those who write notes.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
WORKERS ?= 2
LAB_FLAGS ?=

BIN := .venv/bin
PEERS := .venv/peers
STAMP := .venv/.installed
# Jupyter refuses to run as root unless told; only then is it told.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=60
SHAPES := --jaxtyping-packages=fpnlib,shape_checks.check

.DEFAULT_GOAL := help
.PHONY: help lab test test-lab test-ledger test-threads test-avx2 test-default site site-open test-site install assets notebooks claims bench mutants lint

help:
	@echo "make lab        install what is needed and open the notes in JupyterLab"
	@echo "make test       install what is needed and run the tests"
	@echo "make test-lab   the notes in JupyterLab that make test leaves out"
	@echo "make test-ledger  measure the stored claims again, as far as this machine can be asked for them"
	@echo "make test-threads  run the notes again with two threads"
	@echo "make test-avx2  training, models, ops and claims again, as a processor without AVX-512 computes"
	@echo "make site       build the notes as live web pages into site/; make site-open shows them too"
	@echo "make test-site  test the built pages"
	@echo "make notebooks  build notebooks/*.ipynb from notebooks/source/*.py   (NOTES=\"01 04\" builds only these)"
	@echo "make claims     measure every claim of the ledger again"
	@echo "make bench      run the benchmarks and write their table into the README"
	@echo "make mutants    plant small bugs and see that a test turns red for each"
	@echo "make lint       ruff, mypy, import-linter, notebook checks"

# The index is named as an address, not as a file: JupyterLab would serve only the file's folder, without images/.
lab: install assets
	@echo "lab: press Ctrl-C here to stop JupyterLab"
	@$(BIN)/jupyter lab --ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/00-index.ipynb \
		--ServerApp.kernel_websocket_connection_class=fpnlib.lab.Prompt $(AS_ROOT) $(LAB_FLAGS)

# Its kernels use one thread. What takes long comes first.
test: install assets
	@OMP_NUM_THREADS=1 $(PYTEST) -m "not lab and not ledger" $(NBVAL) $(SHAPES) tests/browser tests/unit/notes notebooks tests/notebooks \
		$(filter-out tests/unit/notes,$(wildcard tests/unit/*))

# Half a minute a note, of which `make test` has two.
test-lab: install assets
	@OMP_NUM_THREADS=1 $(PYTEST) -m lab tests/browser

# What is stored, measured again as far as another machine can be asked for it; two minutes.
test-ledger: install assets
	@OMP_NUM_THREADS=1 $(PYTEST) $(SHAPES) -m ledger tests/unit/notes

# Two kernels of two threads share two cores, where threads that wait by spinning take each other's time.
test-threads: install assets
	@OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive $(PYTEST) $(NBVAL) notebooks

# What depends on the processor, with the instructions that another one has.
test-avx2: export ONEDNN_MAX_CPU_ISA := AVX2
test-avx2: export MKL_ENABLE_INSTRUCTIONS := AVX2
test-avx2: export ATEN_CPU_CAPABILITY := avx2
test-default: export ATEN_CPU_CAPABILITY := default
test-default: LEDGER := tests/unit/notes/test_claims.py
test-avx2 test-default: install assets
	@echo "$@: training, models, ops and claims"
	@OMP_NUM_THREADS=1 $(PYTEST) $(SHAPES) tests/unit/training tests/unit/models tests/unit/ops tests/unit/claims $(LEDGER)

# What has not changed since the last time is kept.
site: install assets
	@OMP_NUM_THREADS=1 $(BIN)/python tools/pages build --workers $(WORKERS) $(NOTES)

site-open: site
	@$(BIN)/python tools/pages serve

test-site: site
	@OMP_NUM_THREADS=1 $(PYTEST) tests/site

install:
	@if $(MAKE) --no-print-directory --question $(STAMP); \
	then echo "install: skipped, .venv is newer than pyproject.toml and constraints.txt"; \
	else $(MAKE) --no-print-directory $(STAMP); fi

# The stamp comes last, so an interrupted installation is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@found=$$("$(PYTHON)" --version 2>&1) || found="not there"; \
	case $$found in "Python 3.1"[123].*) ;; *) echo "install: Python 3.11, 3.12 or 3.13 is needed, but \
	$(or $(PYTHON),python3) is $$found; try: make PYTHON=/path/to/python3.11" >&2; exit 1;; esac
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv .venv || { rm -rf .venv; echo "install: $(PYTHON) cannot make a virtual \
	environment (on Debian and Ubuntu the package python3-venv is missing)" >&2; exit 1; }
	$(BIN)/pip install -c constraints.txt -e ".[lab,site,test]"
	@touch $@

# A machine without network can still read and run all that needs no weights.
assets: install
	@$(BIN)/python -m fpnlib.assets || echo "assets: not all could be fetched; when online, run: make assets"

notebooks: install
	@$(BIN)/python tools/pictures.py draw
	@$(BIN)/python tools/generated.py write
	@$(BIN)/python tools/notebooks.py build $(NOTES)

claims: install
	@$(BIN)/python -m fpnlib.claims --recompute

# Two peers are no dependencies: one needs a C++ compiler, one another build of torch than it asks for.
bench: install assets
	@$(BIN)/pip install --quiet --upgrade --no-deps --target $(PEERS) torchvision==0.28.0 pydensecrf2==1.1 \
	|| echo "bench: torchvision or pydensecrf2 could not be had; what compares with them is skipped"
	@mkdir -p out; failed=; \
	OMP_NUM_THREADS=1 PYTHONPATH=$(PEERS) $(BIN)/python -m pytest tests/benchmarks --dist no --benchmark-enable \
		--benchmark-json out/benchmarks.json || failed=1; \
	$(BIN)/python tools/bench_table.py out/benchmarks.json && $(BIN)/python tools/generated.py write && test -z "$$failed"

mutants: install
	@OMP_NUM_THREADS=1 $(BIN)/python tools/mutants.py run --workers $(WORKERS)

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy fpnlib tools
	$(BIN)/python tools/notebooks.py check
