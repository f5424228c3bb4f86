#!/usr/bin/env bash
# run.sh [BUILD_DIR]: whole programs, compiled from C to WebAssembly and by lucetc, must print what the same sources print
# when they are compiled natively.
#
# The programs are SQLite, Lua, zstd, zlib and QuickJS, each with a small main file in src/ and input in input/. Their
# sources are in crates that `cargo vendor` fetches (sources/Cargo.toml); build.sh builds them. Each runs compiled
# with and without optimisation. One line for each program; at the end "programs: N passed, M failed", and exit status 1 when M > 0.
#
# LUCET_PREFIX holds include/, lib/liblucet.so and bin/lucetc; without it ../../build/prefix, or else what is in target/debug.
# Exits with 77 when there is no compiler for guests, or the sources cannot be fetched. Writes to BUILD_DIR only, and uses
# again what it finds there.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${1:-$top/build/programs}
cc=${CC:-gcc}
passed=0 failed=0
started=$SECONDS
mkdir -p "$build"

skip() {
  echo "programs: skipped: $1"
  exit 77
}
# shellcheck source=tests/programs/build.sh
. "$here/build.sh"
have_guest_tools || skip "$problem"

# What a debug build has made, laid out as an installation.
stage() {
  local debug=${CARGO_TARGET_DIR:-$top/target}/debug
  prefix=$build/prefix
  mkdir -p "$prefix/bin" "$prefix/lib"
  cp "$debug/liblucet.so" "$prefix/lib/" && cp "$debug/lucetc" "$prefix/bin/" && cp -r "$top/include" "$prefix/" || return 1
  # The name that programs look for, such as liblucet.so.0.1.
  ln -sf liblucet.so "$prefix/lib/$(readelf -d "$debug/liblucet.so" | sed -n 's/.*soname: \[\(.*\)\].*/\1/p')"
}
prefix=${LUCET_PREFIX:-$top/build/prefix}
[ -x "$prefix/bin/lucetc" ] || stage || {
  echo "programs: neither LUCET_PREFIX nor build/prefix nor target/debug has lucetc and liblucet.so" >&2
  exit 2
}
lib=$prefix/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$prefix" -name liblucet.so | head -1)")

fetch_sources || {
  cat "$build/log"
  skip "$problem"
}

input_of() {
  local script
  script=$(script_of "$1")
  echo "${script:-$build/input}"
}

# twin NAME: BUILD_DIR/NAME.native, fast to compile where the program's work is little.
twin() {
  local level=-O0
  case $1 in z*) level=-O1 ;; esac
  native "$1" "$build/$1.native" "$cc" $level
}

# compare NAME LEVEL: lucetc's output runs as the native program does.
compare() {
  local name=$1 level=$2 status expected
  "$prefix/bin/lucetc" --opt-level "$level" -o "$build/$name.$level.so" "$build/$name.wasm" || return 1
  LD_LIBRARY_PATH=$lib timeout 120 "$build/host" "$build/$name.$level.so" "$(input_of "$name")" >"$build/$name.$level.out"
  status=$?
  expected=$(cat "$build/$name.status")
  if [ "$status" != "$expected" ]; then
    echo "exit status $status, natively $expected"
    return 1
  fi
  diff "$build/$name.expected" "$build/$name.$level.out" | head -20
  return "${PIPESTATUS[0]}"
}

one() {
  local name=$1 level
  # Two compilers at a time.
  { fresh "$build/$name.native" "$here/run.sh" || twin "$name"; } &
  fresh "$build/$name.wasm" || guest "$name" || return 1
  wait $! || return 1
  timeout 120 "$build/$name.native" <"$(input_of "$name")" >"$build/$name.expected"
  echo $? >"$build/$name.status"
  [ "$(wc -l <"$build/$name.expected")" -ge 10 ] || { echo "the native program printed next to nothing"; return 1; }
  for level in speed none; do
    compare "$name" "$level" || { echo "compiled with --opt-level $level"; return 1; }
  done
}

warnings="-std=c11 -Wall -Wextra -pedantic -Wconversion -Wshadow -Werror"
"$cc" $warnings -O1 -D_GNU_SOURCE -I"$prefix/include" -o "$build/host" "$here/host.c" "$here/wasi.c" -L"$lib" -llucet || exit 2
# Text and machine code, as much as the compressors finish within seconds.
head -c 2000000 "$sqlite/sqlite3.c" >"$build/input.new"
head -c 500000 "$build/host" >>"$build/input.new"
mv "$build/input.new" "$build/input"

for name in ${PROGRAMS:-sqlite lua zstd zlib quickjs}; do
  since=$SECONDS
  if one "$name" >"$build/$name.log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok   %-8s %5s lines, %4s KiB of wasm, %s s\n' "$name" "$(wc -l <"$build/$name.expected")" \
      $(($(stat -c %s "$build/$name.wasm") / 1024)) $((SECONDS - since))
  else
    failed=$((failed + 1))
    echo "FAIL $name"
    tail -25 "$build/$name.log" | sed 's/^/     /'
  fi
done
echo "took $((SECONDS - started)) s"
echo "programs: $passed passed, $failed failed"
[ "$failed" = 0 ]
