#!/usr/bin/env bash
# run.sh [PART [ROW]] [OPTION...]: measures Lucet against its peers and writes bench/out/.
#
#   run.sh                 everything: bench/out/report.json, report.txt and the plots
#   run.sh cycle           only calls, cycles, loading, memory and threads
#   run.sh cycle call_in   only the rows of that name or beginning
#   run.sh exec [KERNEL]   only the execution of kernels
#   run.sh programs [NAME] only whole programs (programs/)
#   run.sh stopping        only what stopping guests costs, next to the bare kernel (stopping/)
#
#   LUCET_PREFIX   where Lucet is installed [build/prefix]
#   BENCH_ROUNDS   repetitions of each row [200; 80 of kernels, 7 of programs]
#
# A run of a part prints its figures and leaves report.json alone. When the sources of the programs cannot be fetched, a
# line says so, and everything else is measured; a run of that part alone exits with 77. Not here: the peers (setup.sh), the
# figures (cycle/, exec/, programs/) and what they are compared to (report.py).
set -euo pipefail
cd "$(dirname "$0")/.."
export LUCET_PREFIX=${LUCET_PREFIX:-$PWD/build/prefix}
export BENCH_PEERS=${BENCH_PEERS:-$PWD/build/bench-peers}
export BENCH_WORK=${BENCH_WORK:-$PWD/build/bench}
part=${1:-all}
row=${2:-}
[ -e "$LUCET_PREFIX/include/lucet.h" ] || {
  echo "bench: Lucet is not installed in $LUCET_PREFIX (LUCET_PREFIX)" >&2
  exit 2
}
bench/setup.sh
mkdir -p "$BENCH_WORK" bench/out

run_cycle() {
  bench/cycle/build.sh
  "$BENCH_WORK/cycle" "$BENCH_WORK" ${row:+--only "$row"} ${BENCH_ROUNDS:+--rounds "$BENCH_ROUNDS"} \
    >"$BENCH_WORK/cycle.json"
}
run_exec() {
  bench/exec/build.sh ${row:+"$row"}
  "$BENCH_WORK/exec" "$BENCH_WORK/kernels" ${row:+--only "$row"} ${BENCH_ROUNDS:+--rounds "$BENCH_ROUNDS"} \
    >"$BENCH_WORK/exec.json"
}
run_programs() {
  # Those of another run must not get into this one's report.
  rm -f "$BENCH_WORK/programs.json"
  bench/programs/build.sh ${row:+"$row"} || return
  "$BENCH_WORK/programs-bench" "$BENCH_WORK/programs" ${row:+--only "$row"} ${BENCH_ROUNDS:+--rounds "$BENCH_ROUNDS"} \
    >"$BENCH_WORK/programs.json"
}

case $part in
cycle)
  run_cycle
  python3 bench/report.py "$BENCH_WORK" cycle
  ;;
exec)
  run_exec
  python3 bench/report.py "$BENCH_WORK" exec
  ;;
programs)
  run_programs
  python3 bench/report.py "$BENCH_WORK" programs
  ;;
stopping)
  bench/stopping/run.sh
  ;;
all)
  python3 bench/report.py "$BENCH_WORK" before
  run_cycle
  run_exec
  run_programs || [ $? = 77 ]
  # These two say which of their goals are missed; a busy machine misses some.
  bench/arguments/run.sh >"$BENCH_WORK/arguments.txt" || true
  bench/stopping/run.sh >bench/out/stopping.txt || true
  python3 bench/report.py "$BENCH_WORK" all bench/out
  cat "$BENCH_WORK/arguments.txt" bench/out/stopping.txt
  ;;
*)
  echo "usage: run.sh [cycle|exec|programs|stopping [ROW]]" >&2
  exit 2
  ;;
esac
