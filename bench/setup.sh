#!/usr/bin/env bash
# setup.sh: puts the peers that Lucet is measured against into build/bench-peers: wasmtime's C API (the shared library
# from its wheel, headers from its crate), wasm2c with its runtime, and clang with a WebAssembly linker.
#
# Versions are pinned, and what is downloaded is checked against its hash. With everything in place it does nothing
# and needs no network. Not here: Lucet itself, which run.sh takes from LUCET_PREFIX.
set -euo pipefail
cd "$(dirname "$0")/.."
peers=${BENCH_PEERS:-build/bench-peers}
wasmtime=48.0.0
wheel_hash=58544d539053dff7bd4cf30c40d7a540862d683013c0dfa6ba46a063f5b682f7
crate_hash=32285488ca6e460147ccc2da567e2075a224261cf5f551eceabb116292a6cbb7

fail() {
  printf 'bench/setup: %s\n' "$@" >&2
  exit 2
}

packages() {
  local missing=()
  command -v clang-16 >/dev/null || missing+=(clang-16)
  command -v wasm-ld-16 >/dev/null || missing+=(lld-16)
  command -v wasm2c >/dev/null || missing+=(wabt)
  command -v python3 >/dev/null || missing+=(python3)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || fail "as root, run: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  apt-get update >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "could not install ${missing[*]}"
}

library() {
  [ -e "$peers/lib/libwasmtime.so" ] && return
  local temporary
  temporary=$(mktemp -d)
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$temporary" \
    "wasmtime==$wasmtime" || fail "pip could not download wasmtime $wasmtime"
  echo "$wheel_hash  $(echo "$temporary"/*.whl)" | sha256sum --check --quiet || fail "the wheel is not the one expected"
  python3 -m zipfile -e "$temporary"/*.whl "$temporary/wheel"
  mkdir -p "$peers/lib"
  cp "$temporary/wheel/wasmtime/linux-x86_64/_libwasmtime.so" "$peers/lib/libwasmtime.so"
  rm -rf "$temporary"
}

# `cargo info` brings a crate into the registry's cache without resolving what it depends on.
headers() {
  [ -e "$peers/include/wasmtime/conf.h" ] && return
  local home=${CARGO_HOME:-$HOME/.cargo} crate temporary
  find_crate() { find "$home/registry/cache" -name "wasmtime-c-api-impl-$wasmtime.crate" 2>/dev/null | head -1; }
  [ -n "$(find_crate)" ] || (cd / && cargo info --quiet "wasmtime-c-api-impl@$wasmtime" >/dev/null) ||
    fail "cargo could not download wasmtime-c-api-impl $wasmtime"
  crate=$(find_crate)
  echo "$crate_hash  $crate" | sha256sum --check --quiet || fail "the crate is not the one expected"
  temporary=$(mktemp -d)
  tar -xzf "$crate" -C "$temporary"
  mkdir -p "$peers"
  cp -r "$temporary/wasmtime-c-api-impl-$wasmtime/include" "$peers/"
  rm -rf "$temporary"
  # The wheel is built with all features.
  sed 's/^#cmakedefine \(.*\)/#define \1/' "$peers/include/wasmtime/conf.h.in" >"$peers/include/wasmtime/conf.h"
}

packages
[ -e /usr/share/wabt/wasm2c/wasm-rt-impl.c ] || fail "wasm2c's runtime is not in /usr/share/wabt/wasm2c, where Debian's package wabt has it"
library
headers
echo "wasmtime $wasmtime; wasm2c $(wasm2c --version)" >"$peers/versions"
