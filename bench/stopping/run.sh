#!/usr/bin/env bash
# run.sh: what it costs to stop guests, against the bare kernel (main.c). Prints its figures as JSON, and then each next to its goal;
# exit status 1 when one is missed.
#
#   LUCET_PREFIX   where Lucet is installed [build/prefix]
#   BENCH_WORK     where the program is built [build/bench]
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=${LUCET_PREFIX:-$PWD/build/prefix}
work=${BENCH_WORK:-$PWD/build/bench}/stopping
mkdir -p "$work"
lib=$(dirname "$(find "$prefix" -name liblucet.so | head -1)")
"$prefix/bin/lucetc" -o "$work/guest.so" bench/stopping/guest.wat
"${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Werror -I"$prefix/include" -o "$work/stopping" bench/stopping/main.c \
  -L"$lib" -Wl,-rpath,"$lib" -llucet -lpthread
"$work/stopping" "$work/guest.so" >"$work/stopping.json"
cat "$work/stopping.json"
python3 bench/stopping/goals.py "$work/stopping.json"
