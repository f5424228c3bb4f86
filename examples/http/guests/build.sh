#!/usr/bin/env bash
# Builds the guests from C to WebAssembly: guests/build.sh [output directory]; default: guests/prebuilt.
# Needs clang-16, lld-16 and, for wasi_*, wasi-libc with libclang-rt-14-dev-wasm32 (Debian 12). The output depends on
# nothing but these and the sources, so check-prebuilt.sh can compare bytes.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-prebuilt}
cc=${LUCET_GUEST_CC:-clang-16}
ld=${LUCET_GUEST_LD:-$(command -v wasm-ld-16 || command -v wasm-ld)}
builtins=${LUCET_WASI_BUILTINS:-/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a}
sysroot=/usr
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

warnings="-Wall -Wextra -pedantic -Wconversion -Werror"
for source in *.c; do
  name=${source%.c}
  case $name in
  wasi_*)
    # The pieces of `clang --target=wasm32-wasi`, by hand: its resource directory has no builtins on Debian 12.
    $cc --target=wasm32-wasi -std=c11 -O2 $warnings -isystem $sysroot/include/wasm32-wasi -c -o "$work/$name.o" "$source"
    "$ld" --strip-all -o "$out/$name.wasm" $sysroot/lib/wasm32-wasi/crt1-command.o "$work/$name.o" \
      -L$sysroot/lib/wasm32-wasi -lc "$builtins"
    ;;
  *)
    $cc --target=wasm32 -std=c11 -O2 -ffreestanding $warnings -I../guest -c -o "$work/$name.o" "$source"
    # The table is exported for callback.c; a stack of 32 KiB fits all of them. Names stay, for backtraces.
    "$ld" --no-entry --strip-debug --export-table -z stack-size=32768 -o "$out/$name.wasm" "$work/$name.o"
    ;;
  esac
done
chmod 644 "$out"/*.wasm
echo "$(ls "$out" | wc -l) guests built"
