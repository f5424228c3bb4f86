# The commands that a person types. The work is in scripts/, cargo and CMakeLists.txt; this file only names it.
#
# Cargo's target directory is target/, or CARGO_TARGET_DIR; everything else that is made goes to build/.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
LOCAL = $(CURDIR)/build/prefix
INSTALL_DIRS = $(if $(LIBDIR),--libdir "$(LIBDIR)") $(if $(INCLUDEDIR),--includedir "$(INCLUDEDIR)") \
  $(if $(BINDIR),--bindir "$(BINDIR)") $(if $(DOCDIR),--docdir "$(DOCDIR)")

.PHONY: help build install check test spec demo nginx-demo nginx-test nginx-soak nginx-sanitize nginx-bench bench bench-readme fuzz soak soak-stops test-vm package-check clean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

build: ## liblucet.so, liblucet.a and lucetc, optimised
	@scripts/setup.sh rust
	@scripts/build.sh

install: build ## to PREFIX (/usr/local), below DESTDIR; scripts/install.sh alone installs what was built
	@scripts/install.sh --prefix "$(PREFIX)" --destdir "$(DESTDIR)" $(INSTALL_DIRS)

check: ## formatting, lints, header, layering and the quick tests; a few minutes
	@scripts/setup.sh rust rustfmt clippy cc c++ binutils
	@scripts/suites.sh check

test: ## everything; installs the tools that it needs
	@scripts/setup.sh rust rustfmt clippy cc c++ cmake pkg-config binutils guests nginx nginx-modules valgrind debuggers
	@scripts/suites.sh test

spec: ## the WebAssembly specification's tests
	@scripts/setup.sh rust
	@cargo build --locked --workspace --lib --tests
	@cargo test --locked --workspace --test spec -- --nocapture

demo: ## the example server with good and hostile guests, against a private installation
	@scripts/setup.sh rust cc cmake
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" examples/c-server/demo.sh "$(CURDIR)/build/c-server"

nginx-demo: ## guests in a real nginx, which is installed if need be; ends with "nginx-demo: ok"
	@scripts/setup.sh rust cc cmake nginx
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" examples/nginx/demo.sh "$(CURDIR)/build/nginx"

nginx-test: ## the tests of the nginx module; ONLY="words" runs those whose names have them
	@scripts/setup.sh rust cc cmake binutils guests nginx nginx-modules
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" examples/nginx/test.sh "$(CURDIR)/build/nginx" $(ONLY)

nginx-soak: ## a million requests to an nginx whose memory, mappings and descriptors must stay, and a hundred reloads under load; minutes
	@scripts/setup.sh rust cc cmake nginx
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" LUCET_SOAK=100 examples/nginx/test.sh "$(CURDIR)/build/nginx" resources.flat
	@LUCET_PREFIX="$(LOCAL)" LUCET_SOAK=10 examples/nginx/test.sh "$(CURDIR)/build/nginx" life.many_reloads

nginx-sanitize: ## most tests of the nginx module with one that the address sanitizer watches
	@scripts/setup.sh rust cc cmake nginx nginx-modules
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" SANITIZE=1 examples/nginx/test.sh "$(CURDIR)/build/nginx"

nginx-bench: ## guests in nginx against C, Lua, njs and wasmtime; writes bench/out/nginx.txt; OPTIONS="--only hello"
	@scripts/setup.sh rust cc cmake nginx nginx-peers
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" bench/nginx/run.sh $(OPTIONS)

bench: ## against wasmtime and wasm2c; writes bench/out/report.json, a table and plots
	@scripts/setup.sh rust cc
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" bench/run.sh

bench-readme: ## writes the figures of the last `make bench` into the README
	@python3 bench/readme.py

fuzz: ## compares generated modules with an interpreter for SECONDS (600), from seed FROM on
	@scripts/setup.sh rust
	@cargo run --locked -p lucet-fuzz -- --seeds $(or $(FROM),0)..18446744073709551615 --seconds $(or $(SECONDS),600) --keep "$(CURDIR)/build/fuzz"

soak: ## works guests for MINUTES (10): memory, mappings and descriptors of the process stay what they are; ONLY=mode
	@scripts/setup.sh rust cc valgrind
	@scripts/build.sh
	@scripts/install.sh --prefix "$(LOCAL)" --destdir "" >/dev/null
	@LUCET_PREFIX="$(LOCAL)" tests/soak/run.sh $$(($(or $(MINUTES),10) * 60)) "$(CURDIR)/build/soak"

soak-stops: ## kills, deadlines, budgets and slices at every instruction of guests and of the library, a million times each; minutes
	@scripts/setup.sh rust
	@cargo build --locked --workspace --lib --tests
	@LUCET_SOAK=1 cargo test --locked --workspace --test stopping at_every_instruction -- --nocapture --test-threads 1

test-vm: ## recycling and refusals with swap, huge pages, without overcommitting, on Debian's kernel: in an emulated machine, for an hour
	@scripts/setup.sh rust cc vm
	@tests/vm/run.sh "$(CURDIR)/build/vm"

package-check: ## builds and installs with Debian's own Rust packages (cargo-web), without rustup
	@scripts/package-check.sh

clean: ## removes target/ and build/
	@cargo clean
	@rm -rf build
