#!/usr/bin/env bash
# setup.sh WHAT...: makes sure that the tools of a make target are there.
#
#   WHAT is one of: cc c++ cmake pkg-config guests binutils valgrind debuggers vm nginx nginx-modules nginx-peers rust rustfmt clippy
#
# With everything in place it does nothing, quickly and without the network. Otherwise it installs what is missing: Debian
# packages when it runs as root, rustup components when there is rustup. When it cannot, it prints the command to run and
# exits with 2. It never installs Rust itself, and never removes anything.
set -uo pipefail

# Cargo.toml says rust-version; a compiler that is too old is better named here than in a build's log.
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml")
packages=()
components=()

have() { command -v "$1" >/dev/null 2>&1; }
want() { packages+=("$@"); }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 2
}

# What compiles guests from C to WebAssembly; the WASI ones need its C library and a builtins library as well.
guest_tools() {
  have clang-16 || want clang-16
  have wasm-ld-16 || want lld-16
  [ -e /usr/lib/wasm32-wasi/libc.a ] || want wasi-libc
  [ -e /usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a ] || want libclang-rt-14-dev-wasm32
}

# The server that examples/nginx is a module of, its headers, and what the module's tests are written in. Debian starts the service when
# it is installed; policy-rc.d is how one says no to that.
nginx_tools() {
  { have nginx || [ -x /usr/sbin/nginx ]; } || { want nginx && quiet_services=yes; }
  [ -e /usr/share/nginx/src/configure ] || want nginx-dev
  have python3 || want python3
}

# The modules that some of the tests load beside this one, and that bench/nginx compares with.
nginx_modules() {
  [ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || want libnginx-mod-http-lua
  [ -e /usr/lib/nginx/modules/ngx_http_js_module.so ] || want libnginx-mod-http-js
}

# What bench/nginx measures with, and what it compares with.
nginx_peers() {
  have wrk || want wrk
  nginx_modules
}

# The linker of Rust programs is cc as well.
rust() {
  have cc || want gcc libc6-dev
  local found
  found=$("${CARGO:-cargo}" --version 2>/dev/null | cut -d' ' -f2)
  [ -n "$found" ] || fail "cargo is not on the PATH: install Rust $rust_needed or newer, for example from https://rustup.rs"
  [ "$(printf '%s\n%s\n' "$rust_needed" "${found%%-*}" | sort -V | head -1)" = "$rust_needed" ] ||
    fail "cargo is $found, Lucet needs $rust_needed or newer (rustup update)"
}

for what in "$@"; do
  case $what in
  cc) have cc || want gcc libc6-dev ;;
  c++) have c++ || want g++ ;;
  cmake) { have cmake || want cmake; have make || want make; } ;;
  pkg-config) have pkg-config || want pkg-config ;;
  binutils) { have readelf && have nm; } || want binutils ;;
  guests) guest_tools ;;
  valgrind) have valgrind || want valgrind ;;
  debuggers) { have gdb || want gdb; } && { have perf || [ "$(id -u)" != 0 ] || want linux-perf; } ;; # without perf a test is skipped
  vm)
    have qemu-system-x86_64 || want qemu-system-x86
    busybox --list 2>/dev/null | grep -qx insmod || want busybox-static
    ;;
  nginx) nginx_tools ;;
  nginx-modules) nginx_modules ;;
  nginx-peers) nginx_peers ;;
  rust) rust ;;
  rustfmt) cargo fmt --version >/dev/null 2>&1 || components+=(rustfmt) ;;
  clippy) cargo clippy --version >/dev/null 2>&1 || components+=(clippy) ;;
  *) fail "what is $what?" ;;
  esac
done

if [ ${#components[@]} -gt 0 ]; then
  have rustup || fail "there is no cargo ${components[*]}: install these components of Rust"
  rustup component add "${components[@]}" || fail "rustup component add ${components[*]} failed"
fi

[ ${#packages[@]} -gt 0 ] || exit 0
install="apt-get install --yes --no-install-recommends ${packages[*]}"
have apt-get || fail "missing, by their names in Debian 12: ${packages[*]}"
[ "$(id -u)" = 0 ] || fail "as root, run:" "  apt-get update && $install"

export DEBIAN_FRONTEND=noninteractive
policy=
if [ -n "${quiet_services:-}" ] && [ ! -e /usr/sbin/policy-rc.d ]; then
  policy=/usr/sbin/policy-rc.d
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
printf 'setup: %s\n' "$install"
log=$(mktemp)
trap 'rm -f "$log" ${policy:+"$policy"}' EXIT
# A list that cannot be updated, of some other source, need not matter: the installation decides.
apt-get -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 || tail -3 "$log" >&2
if ! $install -o DPkg::Lock::Timeout=300 >"$log" 2>&1; then
  tail -20 "$log" >&2
  fail "this failed: $install"
fi
