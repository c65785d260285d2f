# Every target but help needs only a POSIX shell and Python >= 3.11 with venv; all else is installed
# into .venv, with the versions of uv.lock. PYTHON=/path/to/python chooses the interpreter.

BIN := .venv/bin
# Inexact: what one target installs stays when another target runs.
SYNC := sh deploy/uv.sh sync --quiet --frozen --inexact --python $(BIN)/python
SOURCES := cartwise tests deploy $(wildcard benchmarks)

CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))

# A file's tests run one after the other in one process: they share what is slow to make.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0

# Without bytecode every start of the interpreter would compile some thousand modules again.
unexport PYTHONDONTWRITEBYTECODE
# The environment is ours, whichever other one happens to be active.
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test lint extra lock bench bench-long bench-serving soak sweep tutorial mlflow services services-down

help:  ## Print every target with what it does.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.ready  ## Simulate a shop, train a model on it and show the results.
	$(BIN)/cartwise demo $(ARGS)

test: .venv/.ready-dev  ## Run the tests, two at a time; ARGS="-n 0 -k ingest" passes options to pytest.
	$(BIN)/pytest $(PARALLEL) $(ARGS)

lint: .venv/.ready-dev  ## Check style, format, types and the layers between the modules.
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

extra:  ## Install an optional part: NAME=stream, feast, dvc, spark, monitor or mlflow.
	@$(MAKE) --no-print-directory .venv/.ready-$(or $(NAME),$(error say which one, as in make extra NAME=stream))

bench: .venv/.ready-bench  ## Measure against DuckDB, Polars and PySpark (it needs Java 17): 12 minutes.
	$(BIN)/python -m benchmarks $(ARGS)

bench-serving: .venv/.ready-dev  ## Measure the API on one core, beside Feast and MLflow (needs wrk).
	$(BIN)/python -m benchmarks.serving $(ARGS)

soak: .venv/.ready-dev  ## Keep the API at half load for an hour and watch its memory (needs wrk).
	$(BIN)/python -m benchmarks.serving --soak 60 $(ARGS)

bench-long: .venv/.ready-bench  ## Take 100 M events through ingest and features; 30 GB of disk.
	$(BIN)/python -m benchmarks.long_log $(ARGS)

services: .venv/.ready-dev  ## Start real servers natively; ARGS="redis kafka" chooses some of them.
	@$(BIN)/python -m deploy.services up $(ARGS)

services-down: .venv/.ready-dev  ## End the servers that "make services" started.
	@$(BIN)/python -m deploy.services down

sweep: .venv/.ready  ## Train without each family of features: what does it earn? Some 20 minutes.
	$(BIN)/python -m benchmarks.sweep $(ARGS)

tutorial: .venv/.ready  ## The published tutorial's protocol: SRC="2019-Oct.csv.gz 2019-Nov.csv.gz …".
	$(BIN)/python -m benchmarks.tutorial $(SRC) $(ARGS)

mlflow: .venv/.ready-mlflow  ## Show the runs in mlruns/ side by side, in MLflow's own page.
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db $(ARGS)

lock: $(BIN)/python  ## Resolve uv.lock anew, after a change of what pyproject.toml asks for.
	sh deploy/uv.sh lock --python $(BIN)/python

# Without pip: what it and setuptools do, uv does, and they take 25 MiB.
$(BIN)/python:
	@found=; for python in $(CANDIDATES); do \
	    if "$$python" -c '$(SUITABLE)' 2>/dev/null; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "No Python 3.11 to 3.14 with venv among: $(CANDIDATES)." >&2; \
	    echo "Install one (Debian and Ubuntu: python3 and python3-venv)," \
	        "or name it: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	fi; \
	echo "Creating .venv with $$found; the first time this takes a minute or two."; \
	"$$found" -m venv --without-pip .venv

.venv/.ready: $(BIN)/python pyproject.toml uv.lock
	$(SYNC)
	@touch $@

.venv/.ready-bench: $(BIN)/python pyproject.toml uv.lock
	$(SYNC) --extra bench --extra spark
	@touch $@

.venv/.ready-%: $(BIN)/python pyproject.toml uv.lock
	$(SYNC) --extra $*
	@touch $@
