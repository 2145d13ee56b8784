# Every target makes its own environment in $(VENV) first; needs python3 >= 3.10 and a C compiler, nothing else.
PYTHON ?= python3
VENV   ?= .venv
PEERS  ?= aesara numba casadi jax pytensor torch

py     := $(VENV)/bin/python
stamp  := $(VENV)/.gradc-ready
# The tests run hundreds of processes that import gradc: with bytecode, whatever the environment says.
tests  := env -u PYTHONDONTWRITEBYTECODE $(py) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
pip    := $(py) -m pip install -qq --disable-pip-version-check
# gradc's tests and examples run with the settings of the machine, minus those that would change what is measured.
bench_env := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GRADC_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help build demo test test-pytensor test-bridges lint check nightly golden bench bench-peers bench-pymc docs loc clean clean-cache

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

# A virtual environment; where Debian's python3 comes without ensurepip, pip is brought in from outside.
$(py):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "gradc needs Python 3.10 or newer; found $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) >/dev/null 2>&1 \
	       && $(PYTHON) -m pip --python $(VENV)/bin/python install --quiet pip >/dev/null 2>&1; } \
	  || { rm -rf $(VENV); $(PYTHON) -m virtualenv --quiet $(VENV) >/dev/null 2>&1; } \
	  || { rm -rf $(VENV); \
	       echo "$(PYTHON) cannot make a virtual environment; on Debian or Ubuntu: apt install python3-venv"; exit 1; }

$(stamp): pyproject.toml setup.py $(wildcard csrc/*.c csrc/*.h csrc/include/*.h) | $(py)
	@command -v "$${CC:-cc}" >/dev/null || echo "note: no C compiler found (apt install gcc); gradc will only interpret"
	$(pip) 'setuptools>=68' wheel 'cffi>=1.15' 'numpy>=2'
	$(pip) --no-build-isolation -e '.[dev]'
	@touch $@

build: $(stamp)  ## environment and extension (again after a change in csrc/)

demo: $(stamp)  ## train two classifiers on real data; pictures in examples/out/
	$(py) examples/demo.py

test: $(stamp)  ## the tests, in two processes: under eight minutes
	$(tests) -m 'not nightly'

test-pytensor:  ## PyTensor and PyMC on gradc, in an environment of its own (minutes)
	$(MAKE) VENV=.venv-pytensor build
	.venv-pytensor/bin/python -m pip install -qq --disable-pip-version-check -e '.[pytensor,nutpie]'
	.venv-pytensor/bin/python -m pytest -q tests/pytensor

test-bridges:  ## JAX and PyTorch on gradc, in an environment of its own (minutes)
	$(MAKE) VENV=.venv-bridges build
	.venv-bridges/bin/python -m pip install -qq --disable-pip-version-check -e '.[jax,torch]'
	.venv-bridges/bin/python -m pytest -q tests/bridges

lint: $(stamp)  ## style and types
	$(py) -m ruff check .
	$(py) -m mypy
	$(py) -W error -m compileall -q -f gradc tests benchmarks examples

check: lint  ## style, types, fast tests (layers, tables, golden file)
	$(tests) -m 'not slow and not nightly'

nightly: $(stamp)  ## hours: all tests, as users compile; 20,000 loop nests by each compiler, numbers compared (tests/campaign/README.md)
	$(tests) --users-flags --timeout 3600
	$(MAKE) test-pytensor test-bridges
	$(py) -W ignore -m tests.campaign.run --nests 20000 --programs 2000 \
	  --compilers gcc-11,gcc-12,gcc-13,gcc-14,gcc-15,clang-14,clang-15,clang-16,clang-17,clang-18,clang-19,clang-20

golden: $(stamp)  ## write tests/golden/ anew; read the difference before committing it
	GRADC_UPDATE_GOLDEN=1 $(py) -m pytest -q tests/codegen/test_golden.py

bench: $(stamp)  ## short benchmark: gradc, NumPy and hand-written C
	$(bench_env) $(py) -m benchmarks.run --short

bench-peers: $(stamp) $(PEERS:%=.venv-peers/%/.ready)  ## full table with Aesara, JAX, numba, torch, PyTensor, CasADi
	$(bench_env) $(py) -m benchmarks.run --peers "$(PEERS)"

bench-pymc:  ## PyMC's models by gradc, Numba, C and JAX: writes the table of docs/pymc.md (hours)
	$(MAKE) VENV=.venv-pytensor build
	.venv-pytensor/bin/python -m pip install -qq --disable-pip-version-check -e '.[pytensor,nutpie]' numba jax
	.venv-pytensor/bin/python -W ignore -m benchmarks.pymc_models --write

# One environment a peer, for Aesara needs numpy < 2. A peer that can't be installed is left out of the table, with a note.
.venv-peers/%/.ready: benchmarks/peers/%.txt
	@$(PYTHON) -m venv .venv-peers/$* \
	  && .venv-peers/$*/bin/python -m pip install -qq --disable-pip-version-check -r $< && touch $@ \
	  || echo "note: peer $* could not be installed; its column stays empty"

docs: $(stamp)  ## run the examples of README.md and docs/
	$(py) -m pytest -q tests/test_docs.py

loc: $(stamp)  ## code lines a file (no blanks, comments, docstrings)
	$(py) docs/loc.py

clean:  ## remove build products, environments and outputs
	rm -rf build dist *.egg-info $(VENV) .venv-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf gradc/_build_id.txt gradc/runtime/include benchmarks/out examples/out campaign-out
	find gradc -name '*.so' -delete -o -name '*.o' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: $(stamp)  ## remove the compiled kernels of gradc's cache
	$(py) -c "from gradc.runtime import cache; cache.remove_tree(cache.main_store().path)"
