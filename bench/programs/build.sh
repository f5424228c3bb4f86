#!/usr/bin/env bash
# build.sh [PREFIX]: compiles the whole programs of tests/programs (those whose names begin with PREFIX) as guests and
# natively, and the program that runs them, into BENCH_WORK. What is newer than its sources is left alone. Called by
# ../run.sh, which sets the variables.
#
# The guests are those of tests/programs/run.sh, in its directory, so that they are built once for both. Exits with 77,
# and says why, when the sources cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")"
top=$(cd ../.. && pwd)
: "${LUCET_PREFIX:?}" "${BENCH_PEERS:?}" "${BENCH_WORK:?}"
build=$top/build/programs
out=$BENCH_WORK/programs
mkdir -p "$build" "$out"
# shellcheck source=tests/programs/build.sh
. "$top/tests/programs/build.sh"

"$top/scripts/setup.sh" guests
have_guest_tools || {
  echo "bench: programs: $problem" >&2
  exit 2
}
fetch_sources || {
  cat "$build/log" >&2
  echo "bench: programs are left out: $problem"
  exit 77
}

# What an interpreter reads is its test's. A compressor gets text and machine code, less than in the test, which takes
# several seconds a run.
input() {
  local script
  script=$(script_of "$1")
  if [ -n "$script" ]; then
    cp "$script" "$out/$1.input"
  else
    { head -c 400000 "$sqlite/sqlite3.c" && head -c 100000 "$build/$1.wasm"; } >"$out/$1.input"
  fi
}

build_program() {
  local name=$1
  # Two compilers at a time. The native one may use the instructions that Lucet's default target has.
  { fresh "$out/$name.native" build.sh || native "$name" "$out/$name.native" clang-16 -O3 -march=x86-64-v3; } &
  fresh "$build/$name.wasm" || guest "$name"
  wait $!
  cp "$build/$name.wasm" "$out/$name.wasm"
  "$LUCET_PREFIX/bin/lucetc" "$out/$name.wasm" -o "$out/$name.so"
  input "$name"
}

for name in sqlite lua zstd zlib quickjs; do
  case $name in
  "${1:-}"*) build_program "$name" ;;
  esac
done

strict=(-std=c11 -Wall -Wextra -pedantic -Wconversion)
"$clang" "${strict[@]}" -O2 -g -I"$LUCET_PREFIX/include" -isystem "$BENCH_PEERS/include" main.c wasi.c engine_native.c \
  engine_lucet.c engine_wasmtime.c ../common/measure.c -L"$LUCET_PREFIX/lib" -llucet -L"$BENCH_PEERS/lib" -lwasmtime \
  -Wl,-rpath,"$LUCET_PREFIX/lib" -Wl,-rpath,"$BENCH_PEERS/lib" -lpthread -ldl -lm -o "$BENCH_WORK/programs-bench"
