#!/usr/bin/env bash
# build.sh: compiles the guests of bench/cycle for every engine, and the program that measures them, into BENCH_WORK.
# What is newer than its sources is left alone. Called by run.sh, which sets the variables.
set -euo pipefail
cd "$(dirname "$0")"
: "${LUCET_PREFIX:?}" "${BENCH_PEERS:?}" "${BENCH_WORK:?}"
runtime=/usr/share/wabt/wasm2c
lucetc=$LUCET_PREFIX/bin/lucetc
clang=clang-16

newer() { # newer RESULT SOURCE...: true when the result has to be made again
  local result=$1 source
  shift
  [ -e "$result" ] || return 0
  for source in "$@"; do [ "$source" -nt "$result" ] && return 0; done
  return 1
}

if newer "$BENCH_WORK/guest.wasm" guest.wat; then
  wat2wasm guest.wat -o "$BENCH_WORK/guest.wasm"
  wasm2c -n guest "$BENCH_WORK/guest.wasm" -o "$BENCH_WORK/guest_w2c.c"
fi
"$lucetc" "$BENCH_WORK/guest.wasm" -o "$BENCH_WORK/guest.so"

# The same guest with other words in its memory is another tenant.
if newer "$BENCH_WORK/tenant.wasm" guest.wat; then
  sed 's/"a page of settings/"A PAGE OF SETTINGS/; s/"another page/"ANOTHER PAGE/' guest.wat >"$BENCH_WORK/tenant.wat"
  wat2wasm "$BENCH_WORK/tenant.wat" -o "$BENCH_WORK/tenant.wasm"
fi
if newer "$BENCH_WORK/small.wasm" small.wat; then wat2wasm small.wat -o "$BENCH_WORK/small.wasm"; fi
"$lucetc" --memory=bounds "$BENCH_WORK/small.wasm" -o "$BENCH_WORK/small.so"
for shape in data1m:data:1048576 data16m:data:16777216 table10k:table:10000; do
  IFS=: read -r name kind size <<<"$shape"
  if newer "$BENCH_WORK/$name.wasm" ../extra_modules.py; then
    python3 ../extra_modules.py "$kind" "$size" >"$BENCH_WORK/$name.wat"
    wat2wasm "$BENCH_WORK/$name.wat" -o "$BENCH_WORK/$name.wasm"
    rm "$BENCH_WORK/$name.wat"
  fi
done
for name in tenant data1m data16m table10k; do "$lucetc" "$BENCH_WORK/$name.wasm" -o "$BENCH_WORK/$name.so"; done

for size in 100k:100000 1m:1000000; do
  name=load${size%:*}
  if newer "$BENCH_WORK/$name.w2c.so" ../load_module.py; then
    python3 ../load_module.py "${size#*:}" >"$BENCH_WORK/$name.c"
    $clang --target=wasm32 -O1 -nostdlib -Wl,--no-entry -Wl,--strip-all "$BENCH_WORK/$name.c" -o "$BENCH_WORK/$name.wasm"
    wasm2c -n "$name" "$BENCH_WORK/$name.wasm" -o "$BENCH_WORK/$name.w2c.c"
    $clang -w -O1 -shared -fPIC -I/usr/include -I"$runtime" "$BENCH_WORK/$name.w2c.c" "$runtime/wasm-rt-impl.c" -lm -o "$BENCH_WORK/$name.w2c.so"
  fi
  "$lucetc" "$BENCH_WORK/$name.wasm" -o "$BENCH_WORK/$name.so"
done

strict="-std=c11 -Wall -Wextra -pedantic -Wconversion -Wno-unused-parameter"
flags="-O3 -g -I$LUCET_PREFIX/include -isystem $BENCH_PEERS/include -isystem $runtime -I$BENCH_WORK"
objects=()
for source in ../common/measure.c main.c compile.c floor.c floor_system.c engine_lucet.c engine_wasmtime.c engine_wasm2c.c; do
  object=$BENCH_WORK/cycle_$(basename "$source" .c).o
  # shellcheck disable=SC2086
  $clang $strict $flags -c "$source" -o "$object"
  objects+=("$object")
done
# shellcheck disable=SC2086
$clang $strict $flags -shared -fPIC floor_far.c -o "$BENCH_WORK/libfloor_far.so"
# What wasm2c wrote is compiled as its authors do, apart from our warnings.
# shellcheck disable=SC2086
$clang -w $flags -c "$BENCH_WORK/guest_w2c.c" -o "$BENCH_WORK/cycle_guest_w2c.o"
# shellcheck disable=SC2086
$clang -w $flags -c "$runtime/wasm-rt-impl.c" -o "$BENCH_WORK/cycle_wasm_rt.o"
$clang "${objects[@]}" "$BENCH_WORK/cycle_guest_w2c.o" "$BENCH_WORK/cycle_wasm_rt.o" -L"$LUCET_PREFIX/lib" -llucet \
  -L"$BENCH_PEERS/lib" -lwasmtime -L"$BENCH_WORK" -lfloor_far -Wl,-rpath,"$LUCET_PREFIX/lib" -Wl,-rpath,"$BENCH_PEERS/lib" \
  -Wl,-rpath,"$BENCH_WORK" -lpthread -ldl -lm \
  -o "$BENCH_WORK/cycle"
