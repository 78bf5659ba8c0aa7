# The only menu of commands; `make help` prints it.
# From a bare clone: Python 3.11+, a C compiler and a Rust toolchain are enough.

PYTHON ?= python3
VENV   := $(CURDIR)/.venv
BIN    := $(VENV)/bin
CM     := $(BIN)/cm-collectives

# Everything that ends up in the wheel: its hash is the key of the installed build.
SOURCES = find rust python Cargo.toml Cargo.lock pyproject.toml README.md LICENSE-MIT LICENSE-APACHE \
          -type f ! -name '*.pyc' ! -name '*.so' | LC_ALL=C sort

# pip installs a dependency group; the pip of a fresh venv may be older than `pip install --group`.
GROUP = $(BIN)/python -c 'import sys, tomllib; \
        print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"][sys.argv[1]], sep="\n")'
PIP   = $(BIN)/python -m pip --quiet --disable-pip-version-check

export PYO3_PYTHON := $(BIN)/python
export CARGO_TERM_PROGRESS_WHEN := never

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo build test test-slow lint rust-lint rust-test python-lint python-test fmt bench peers docs clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: build ## build, then time collectives on a CloudMatrix384 of 768 dies
	@echo '== all_reduce, ring, 768 ranks of cm384'
	@$(CM) perf all_reduce -b 1M -e 1G -f 4 -g 768 --fabric cm384 --algorithm ring
	@echo '== all_to_all, direct, 768 ranks of cm384'
	@$(CM) perf all_to_all -b 1M -e 1G -f 4 -g 768 --fabric cm384 --algorithm direct
	@echo '== the fabric'
	@$(CM) fabric show cm384

build: $(VENV)/.dev ## build the release wheel and install it in .venv (only if a source changed)
	@key=$$($(SOURCES) | xargs sha256sum | sha256sum); \
	if [ "$$key" = "$$(cat $(VENV)/.wheel 2>/dev/null)" ]; then exit 0; fi; \
	echo '== build the wheel'; \
	rm -rf target/make-wheel $(VENV)/.wheel && \
	mkdir -p target/make-wheel && \
	{ $(BIN)/maturin build --quiet --release --locked --interpreter $(BIN)/python --out target/make-wheel \
	    >target/make-wheel/log 2>&1 || { cat target/make-wheel/log >&2; exit 1; }; } && \
	$(PIP) install --no-index --no-deps --force-reinstall target/make-wheel/*.whl && \
	echo "$$key" > $(VENV)/.wheel

test: rust-lint python-lint rust-test python-test ## the whole gate, as .ci/run

lint: rust-lint python-lint ## formatting, clippy, ruff, mypy

rust-lint: $(VENV)/.dev
	@echo '== cargo fmt, clippy'
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets --locked -- -D warnings

python-lint: $(VENV)/.dev
	@echo '== ruff, mypy'
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo 'ruff format: run make fmt' >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary

rust-test: $(VENV)/.dev
	@echo '== cargo test'
	@cargo test --quiet --workspace --locked

python-test: build
	@echo '== stubtest, pytest on the installed wheel'
	@$(BIN)/python -m mypy.stubtest --concise cm_collectives._core
	@$(BIN)/python -m pytest --quiet --numprocesses=auto tests --pyargs cm_collectives

test-slow: build ## everything marked slow too, and long property tests
	@PROPTEST_CASES=4096 cargo test --quiet --workspace --locked -- --include-ignored
	@CM_TEST_PROFILE=slow $(BIN)/python -m pytest --quiet -m '' tests --pyargs cm_collectives

fmt: $(VENV)/.dev ## format the sources in place
	@cargo fmt --all
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: build target/tools/bin/gungraun-runner ## benchmarks: the package, the core, and instruction counts with their limits
	@$(BIN)/python -m pytest --quiet --benchmark-enable --benchmark-columns=min,median,max \
	    --benchmark-sort=name benches/*.py
	@cat target/benchmark.md
	@cargo bench --quiet --locked -p cm-core --bench engine --bench asymmetric -- --quiet
	@command -v valgrind >/dev/null || { echo 'make: instruction counts need valgrind' >&2; exit 1; }
	@PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo bench --quiet --locked -p cm-core --bench instructions

peers: build ## the event engine side by side with SimGrid (installs libsimgrid-dev; minutes)
	@$(BIN)/python benches/peers/compare.py

# The runner must have the version of the library.
target/tools/bin/gungraun-runner: Cargo.toml
	@cargo install --quiet --locked --root target/tools gungraun-runner \
	    --version "$$(sed -n 's/^gungraun = "=\(.*\)"/\1/p' Cargo.toml)"
	@touch $@

docs: build $(VENV)/.docs ## build the HTML documentation in docs/_build
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build
	@echo 'docs/_build/index.html'

clean: ## remove everything that the other commands made
	rm -rf target .venv dist docs/_build docs/generated .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.dev: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo 'make: Python 3.11 or newer is needed as $(PYTHON); set PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo 'make: $(PYTHON) has no ensurepip; install its venv package (Debian: python3-venv)' >&2; exit 1; }
	@command -v cargo >/dev/null \
	    || { echo 'make: cargo is needed on PATH; install a Rust toolchain, 1.88 or newer' >&2; exit 1; }
	@command -v cc >/dev/null \
	    || { echo 'make: cc is needed on PATH; install a C compiler (Debian: gcc libc6-dev)' >&2; exit 1; }
	@echo '== install the development tools in .venv'
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv --clear $(VENV)
	@$(GROUP) dev > $(VENV)/dev.txt
	@$(PIP) install -r $(VENV)/dev.txt
	@touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/.dev
	@$(GROUP) docs > $(VENV)/docs.txt
	@$(PIP) install -r $(VENV)/docs.txt
	@touch $@
