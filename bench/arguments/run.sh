#!/bin/sh
# arguments/run.sh: what checks of arguments cost; prints a table, see main.c. LUCET_PREFIX names the installation.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
prefix=${LUCET_PREFIX:-$top/build/prefix}
build=$top/build/bench-arguments
mkdir -p "$build"
"$prefix/bin/lucetc" "$here/guest.wat" -o "$build/without.so"
"$prefix/bin/lucetc" --bindings "$here/arguments.wit" "$here/guest.wat" -o "$build/with.so"
cc -std=gnu11 -O2 -Wall -Wextra -I"$prefix/include" "$here/main.c" -o "$build/main" -L"$prefix/lib" -llucet
LD_LIBRARY_PATH="$prefix/lib" "$build/main" "$build/without.so" "$build/with.so"
