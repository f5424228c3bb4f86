#!/bin/sh
# run.sh: works guests hard for a while, and holds what the process has constant: memory, mappings, descriptors.
#
#   LUCET_PREFIX=/usr/local tests/soak/run.sh SECONDS [BUILD_DIR]
#
# Every tests/soak/NAME.c is a mode, a program that works for its share of the seconds; soak.h says what is expected of one. Each prints
# a line with its figures. ONLY=NAME runs one. At last valgrind looks for lost blocks where objects are made. At the end "tests/soak: N passed, M failed", exit status 1 when M > 0.
set -u
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:?how many seconds}
build=${2:-${TMPDIR:-/tmp}/lucet-soak}
cc=${CC:-gcc}
lib=$LUCET_PREFIX/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$LUCET_PREFIX" -name liblucet.so | head -1)")
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
passed=0 failed=0
mkdir -p "$build/guests"

for source in "$here"/guests/*.wat; do
  "$LUCET_PREFIX/bin/lucetc" -o "$build/guests/$(basename "$source" .wat).so" "$source" || exit 1
done

modes=$(ls "$here"/*.c | sed 's|.*/||; s|\.c$||' | grep -x "${ONLY:-.*}")
share=$(echo "$seconds $(echo "$modes" | wc -l)" | awk '{ print $1 / $2 }')
for mode in $modes; do
  if $cc -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -pedantic -Wconversion -Wshadow -Werror -I"$LUCET_PREFIX/include" \
    -I"$here" -o "$build/$mode" "$here/$mode.c" -L"$lib" -llucet -lpthread && "$build/$mode" "$share" "$build/guests"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $mode"
  fi
done

# Millions of cycles would take hours there; objects are what can be lost.
for mode in $(echo "$modes" | grep -x objects); do
  if SOAK_LEAKS_ONLY=1 timeout 300 valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9 \
    "$build/$mode" 2 "$build/guests" >"$build/log" 2>&1; then
    passed=$((passed + 1))
    echo "$mode: valgrind finds nothing"
  else
    failed=$((failed + 1))
    echo "FAIL $mode, under valgrind"
    tail -25 "$build/log"
  fi
done

echo "tests/soak: $passed passed, $failed failed"
[ $failed -eq 0 ]
