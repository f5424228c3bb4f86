#!/usr/bin/env bash
# run.sh [BUILD_DIR]: what debuggers, profilers and valgrind make of a host with guests (host.c).
#
#   LUCET_PREFIX   an installed Lucet
#
# A line for each test; at the end "tests/tools: N passed, M failed, K skipped". Skipped is what this machine does not let us do, with
# the reason: profiling needs the kernel's permission.
set -uo pipefail
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-${TMPDIR:-/tmp}/lucet-tests-tools}
passed=0 failed=0 skipped=0
mkdir -p "$build"
lib=$LUCET_PREFIX/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$LUCET_PREFIX" -name liblucet.so | head -1)")
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
host=$build/host guest=$build/guest.so log=$build/log

# check NAME COMMAND...: status 77: skipped, and the last line of the log says why.
check() {
  local name=$1 status=0
  shift
  "$@" >"$log" 2>&1 || status=$?
  case $status in
  0) passed=$((passed + 1)) && echo "ok   $name: $(tail -1 "$log")" ;;
  77) skipped=$((skipped + 1)) && echo "skip $name: $(tail -1 "$log")" ;;
  *) failed=$((failed + 1)) && echo "FAIL $name (exit status $status)" && tail -40 "$log" | sed 's/^/     /' ;;
  esac
}

# Functions that stand in place of their calls have no frame that gdb could see.
built() {
  "$LUCET_PREFIX/bin/lucetc" --opt-level speed_and_size -o "$guest" "$here/guest.wat" &&
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -g -O1 -fno-optimize-sibling-calls -I"$LUCET_PREFIX/include" -o "$host" "$here/host.c" -L"$lib" -llucet -lpthread
}

# The functions of each backtrace in a line, from the breakpoint to the outermost one that is ours.
backtraces() {
  timeout 60 gdb --batch --nx -ex 'set debuginfod enabled off' -ex 'set breakpoint pending on' -ex "source $LUCET_PREFIX/share/lucet/gdb.py" \
    -ex 'break here' -ex run -ex "lucet-modules $guest" -ex bt -ex continue -ex bt -ex continue -ex bt -ex continue -ex bt -ex continue \
    --args "$host" calls "$guest" >"$build/gdb" 2>&1
  cat "$build/gdb"
  sed -nE 's/^#([0-9]+) +(0x[0-9a-f]+ in )?([a-z_]+) ?\(.*/\1 \3/p' "$build/gdb" |
    awk '$1 == 0 && NR > 1 { print "" } $2 ~ /^(here|host_|innermost$|middle$|outermost$|twice$|main$)/ { printf "%s ", $2 } END { print "" }' >"$build/stacks"
  local into="here host_function innermost" all="here host_function innermost middle outermost"
  printf '%s \n' "$all host_caller main" "$all host_caller_by_handle main" \
    "$all host_function innermost middle outermost host_caller main" "$into twice host_resumer" >"$build/expected"
  diff "$build/expected" "$build/stacks" && echo "by name, by handle, in a callback, resumed on another thread"
}

# A guest that computes is interrupted, and its place is a function of its module.
interrupted() {
  timeout 60 gdb --batch --nx -ex 'set debuginfod enabled off' -ex "source $LUCET_PREFIX/share/lucet/gdb.py" -ex 'tbreak host_caller' -ex run \
    -ex "lucet-modules $guest" -ex 'tbreak computing' -ex continue -ex bt --args "$host" all "$guest" >"$build/gdb" 2>&1
  cat "$build/gdb"
  grep -q '^#0 .*computing' "$build/gdb" && grep -q '^#.* run (name=.*compute' "$build/gdb" && grep -q '^#.* main (' "$build/gdb" && echo "computing, run, main"
}

memory_checked() {
  timeout 120 valgrind --quiet --suppressions="$LUCET_PREFIX/share/lucet/valgrind.supp" --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$host" all "$guest" &&
    ! grep -q '^==' "$log"
}

# Where the kernel says no, the data that perf would use are looked at: the module's symbols, by the file that is mapped.
profiled() {
  local spoken
  spoken=$(command -v perf >/dev/null || echo "there is no perf")
  if [ -z "$spoken" ] && ! perf record -q -e cpu-clock -o "$build/perf.data" true 2>"$build/perf.log"; then
    spoken="perf record: $(grep -m1 -v '^ *$' "$build/perf.log")"
  fi
  if [ -n "$spoken" ]; then
    echo "$spoken"
    return 77
  fi
  perf record -q -e cpu-clock -F 499 -o "$build/perf.data" "$host" computes "$guest" &&
    perf report -i "$build/perf.data" --stdio --sort dso,symbol 2>/dev/null | tee "$build/perf.txt" | head -20
  local share
  share=$(awk '$2 == "guest.so" && $4 == "computing" { sub("%", "", $1); print int($1) }' "$build/perf.txt")
  [ "${share:-0}" -ge 80 ] && echo "$share % of the samples are in computing, of guest.so"
}

addresses() {
  local address
  address=$(nm "$guest" | awk '$3 == "computing" { print $1 }')
  readelf --debug-dump=frames "$guest" | grep "pc=$address" &&
    addr2line -f -e "$guest" "$(printf '0x%x' $((0x$address + 9)))" | grep -x computing
}

check "host and guest" built
check "gdb: backtraces cross guests" backtraces
check "gdb: a breakpoint in a guest" interrupted
check "valgrind" memory_checked
check "perf: samples are the guest's functions'" profiled
check "symbols and unwind table of a module" addresses
echo "tests/tools: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
