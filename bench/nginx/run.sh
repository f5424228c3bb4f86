#!/usr/bin/env bash
# run.sh [OPTION...]: guests in nginx against C, Lua, njs and wasmtime: see bench.py, which takes the options. Writes bench/out/nginx.json and
# nginx.txt.
#
#   LUCET_PREFIX   where Lucet is installed [build/prefix]
#
# Exit status 3: the machine was too noisy to judge anything.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LUCET_PREFIX=${LUCET_PREFIX:-$PWD/build/prefix} BENCH_PEERS=${BENCH_PEERS:-$PWD/build/bench-peers}
export BENCH_BUILD=$PWD/build/nginx-bench MODULE_BUILD=$PWD/build/nginx
bench/setup.sh
. examples/nginx/lib.sh
need_nginx
build_module "$MODULE_BUILD"
{
  cmake -S bench/nginx -B "$BENCH_BUILD" -DCMAKE_PREFIX_PATH="$LUCET_PREFIX" -DBENCH_PEERS="$BENCH_PEERS" && cmake --build "$BENCH_BUILD"
} >"$BENCH_BUILD.log" 2>&1 || { tail -20 "$BENCH_BUILD.log"; exit 2; }
exec python3 bench/nginx/bench.py --out bench/out "$@"
