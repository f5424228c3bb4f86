#!/usr/bin/env bash
# build.sh [PREFIX]: compiles the kernels (those whose names begin with PREFIX) for every engine, and the program that
# runs them, into BENCH_WORK. What is newer than its sources is left alone. Called by run.sh, which sets the variables.
set -euo pipefail
cd "$(dirname "$0")"
: "${LUCET_PREFIX:?}" "${BENCH_PEERS:?}" "${BENCH_WORK:?}"
runtime=/usr/share/wabt/wasm2c
lucetc=$LUCET_PREFIX/bin/lucetc
clang=clang-16
out=$BENCH_WORK/kernels
mkdir -p "$out"

strict="-std=c11 -Wall -Wextra -pedantic -Wconversion -Wno-sign-conversion -Wno-unknown-pragmas"
# No contraction: the native twins must not use instructions that the others have not got.
code="-O3 -ffp-contract=off -fno-math-errno -fvisibility=hidden"
# The same instructions that Lucet's default target may use.
native="$code -march=x86-64-v3 -fPIC -shared -Wl,-Bsymbolic"

build_kernel() {
  local source=$1 name special=
  name=$(basename "$source" .c)
  case $name in
  memmove_bytes) special=-fno-builtin ;;
  esac
  local wasm="--target=wasm32 $code -nostdlib -Wl,--no-entry -Wl,--strip-debug -Wl,-z,stack-size=65536"
  if [ "$name" = memmove_bulk ]; then wasm="$wasm -mbulk-memory"; fi
  # shellcheck disable=SC2086
  { # flags are lists
    $clang $strict $wasm $special "$source" "$out/small_libc.o" -o "$out/$name.wasm.new"
    wasm2c -n kernel "$out/$name.wasm.new" -o "$out/$name.w2c.c"
    $clang -w $native -DWASM_RT_SKIP_SIGNAL_RECOVERY=1 "-DW2C_HEADER=\"$name.w2c.h\"" -I"$out" -I"$runtime" \
      w2c_glue.c "$out/$name.w2c.c" "$runtime/wasm-rt-impl.c" -lm -o "$out/$name.w2c.so"
    $clang $strict $native $special "$source" -o "$out/$name.native.so"
    $clang $strict $native $special -fno-vectorize -fno-slp-vectorize "$source" -o "$out/$name.novec.so"
  }
  mv "$out/$name.wasm.new" "$out/$name.wasm"
}

# Without -fno-builtin these functions would become calls of themselves.
# shellcheck disable=SC2086
$clang --target=wasm32 $code -fno-builtin -c kernels/small_libc.c -o "$out/small_libc.o"

for source in kernels/*.c; do
  name=$(basename "$source" .c)
  case $name in
  small_libc) continue ;;
  "${1:-}"*) ;;
  *) continue ;;
  esac
  for input in "$source" kernels/kernel.h kernels/small_libc.c w2c_glue.c build.sh; do
    [ "$out/$name.wasm" -nt "$input" ] || { build_kernel "$source" && break; }
  done
  "$lucetc" "$out/$name.wasm" -o "$out/$name.so"
  "$lucetc" --target-cpu x86-64-v2 "$out/$name.wasm" -o "$out/$name.v2.so"
done

# shellcheck disable=SC2086
$clang -std=c11 -Wall -Wextra -pedantic -Wconversion -O2 -g -I"$LUCET_PREFIX/include" -isystem "$BENCH_PEERS/include" main.c ../common/measure.c \
  -L"$LUCET_PREFIX/lib" -llucet -L"$BENCH_PEERS/lib" -lwasmtime -Wl,-rpath,"$LUCET_PREFIX/lib" \
  -Wl,-rpath,"$BENCH_PEERS/lib" -lpthread -ldl -lm -o "$BENCH_WORK/exec"
