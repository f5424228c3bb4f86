#!/bin/sh
# run.sh: builds and runs the C tests against an installed Lucet.
#
#   LUCET_PREFIX=/usr/local tests/c/run.sh [BUILD_DIR]
#
# LUCET_PREFIX holds include/, lib/liblucet.so and bin/lucetc. Each program is built twice, plainly and with the address and
# undefined behaviour sanitizers, the two side by side and beside what is neither, since most of the time goes into single
# compilers and into waiting. One line per program; at the end "tests/c: N passed, M failed", exit status 1 when M > 0.
# ONLY=pattern runs the unit tests that match. CC and CXX choose compilers for the programs.
#
# Invariants: writes to BUILD_DIR only; a guest or program that does not build is a failure, not skipped.
set -u
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-${TMPDIR:-/tmp}/lucet-tests-c}
cc=${CC:-gcc} cxx=${CXX:-g++}
include=$LUCET_PREFIX/include
lib=$LUCET_PREFIX/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$LUCET_PREFIX" -name liblucet.so | head -1)")
only=${ONLY:-}
log=$build/log
mkdir -p "$build/guests" "$build/plain" "$build/asan"

export LUCET_GUESTS="$build/guests"
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
# The guests' faults are the library's business, and the host's test handlers', not the sanitizer's.
export ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:handle_sigill=0:allow_user_segv_handler=1:detect_leaks=1:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

warnings="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror"
common="$warnings -D_GNU_SOURCE -g -I$include -I$here"
link="-L$lib -llucet -lpthread -lm"
asan="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

result() { # result NAME STATUS [NOTE]: its line, which is also counted; what went wrong is in $log
  if [ "$2" -eq 0 ]; then
    echo "ok   $1${3:+: $3}"
  else
    echo "FAIL $1 (exit status $2)"
    head -${LINES_OF_FAILURE:-25} "$log" | sed 's/^/     /'
  fi
}

step() { # step NAME COMMAND...: runs it for its exit status, and shows its last line
  title=$1
  shift
  "$@" >"$log" 2>&1
  status=$?
  result "$title" $status "$(tail -1 "$log")"
}

flags_of() { # flags_of KIND
  [ "$1" = plain ] && echo "-O1" || echo "-O1 $asan"
}

program() { # program KIND NAME SOURCE STANDARD ARGUMENTS...: builds and runs
  kind=$1 binary=$2 source=$3 standard=$4
  shift 4
  case $source in *.cpp) compiler=$cxx ;; *) compiler=$cc ;; esac
  if $compiler -std=$standard $common $(flags_of $kind) -o "$build/$kind/$binary" "$here/$source" $link >"$log" 2>&1; then
    timeout 60 "$build/$kind/$binary" "$@" >"$log" 2>&1
    status=$?
  else
    status=125
  fi
}

# guest SOURCE NAME OPTIONS...: compiling is the slow part, so what is newer than source and compiler stays.
guest() {
  source=$1 target=$build/guests/$2.so
  shift 2
  if [ "$target" -nt "$source" ] && [ "$target" -nt "$LUCET_PREFIX/bin/lucetc" ]; then return 0; fi
  rm -f "$target"
  "$LUCET_PREFIX/bin/lucetc" "$@" -o "$target" "$source"
}

guests() {
  for source in "$here"/guests/*.wat; do
    name=$(basename "$source" .wat)
    # A line ";; with: OPTIONS" says how it is compiled, ";; also: SUFFIX OPTIONS" asks for a second module; HERE is this directory.
    # shellcheck disable=SC2046 # several options
    guest "$source" "$name" $(sed -n "s#HERE#$here#g; s/^;; with: //p" "$source") || return 1
    also=$(sed -n "s#HERE#$here#g; s/^;; also: //p" "$source")
    # shellcheck disable=SC2086 # several options
    [ -z "$also" ] || guest "$source" "${name}_${also%% *}" ${also#* } || return 1
  done
  echo "$(ls "$build"/guests/*.so | wc -l) modules"
}

every_function_is_tested() {
  missing=
  exported=$(nm -D --defined-only "$lib/liblucet.so" | sed -n 's/.* \(lucet_[a-z0-9_]*\)$/\1/p')
  for function in $exported; do
    grep -q "$function(" "$here"/unit/*.c "$here"/fixture.h "$here"/harness.h || missing="$missing $function"
    grep -q "$function(" "$include/lucet.h" || missing="$missing $function:not-in-lucet.h"
  done
  [ -n "$exported" ] || missing=everything
  [ -z "$missing" ] || { echo "not called in tests/c/unit:$missing"; return 1; }
  echo "all $(echo "$exported" | wc -l) functions are called"
}

every_status_is_tested() { # LUCET_POISONED needs a bug: the library's own tests inject one
  missing= count=0
  for status in $(sed -n 's/^#define \(LUCET_[A-Z_]*\) [0-9]*$/\1/p' "$include/lucet.h" |
    sed -n '/^LUCET_OK$/,/^LUCET_LINKED$/p' | grep -vx 'LUCET_OK\|LUCET_POISONED'); do
    count=$((count + 1))
    grep -Eq "(STATUS|FAILS)\($status,|[!=]= $status[^A-Z_]|\", $status," "$here"/unit/*.c || missing="$missing $status"
  done
  [ $count -ge 21 ] || missing="$missing (only $count statuses in lucet.h)"
  [ -z "$missing" ] || { echo "never expected in tests/c/unit:$missing"; return 1; }
  echo "all $count failures but LUCET_POISONED are expected somewhere"
}

porting_table() { # the third column of docs/porting.md names what there is
  missing=
  names=$(sed -n 's/^| `[^|]*|\(.*\)|$/\1/p' "$here/../../docs/porting.md" | grep -o 'lucet_[a-z0-9_]*\|LUCET_[A-Z_]*' | sort -u)
  for name in $names; do
    case $name in lucet_value_i32) continue ;; esac # made by a macro
    grep -rqw "$name" "$include/lucet.h" "$include/lucet" || missing="$missing $name"
  done
  [ -n "$names" ] || missing=everything
  [ -z "$missing" ] || { echo "docs/porting.md names what is not there:$missing"; return 1; }
  echo "$(echo "$names" | wc -l) names"
}

hosts() { # hosts KIND: the three programs a user would write, run
  expected_c="$(printf 'sum: 42\ntyped: 42')"
  for standard in c99 c11 c17; do
    program $1 min-$standard hosts/min.c $standard "$build/guests/sum.so"
    [ $status -ne 0 ] || [ "$(cat "$log")" = "$expected_c" ] || status=1
    result "hosts/min.c $standard $1" $status
  done
  program $1 typed hosts/typed.cpp c++17 "$build/guests/sum.so"
  if [ $status -eq 0 ]; then
    for line in 'typed: 42' 'rethrown: unlucky' 'closure: 3, called 1 time' 'refused: import "env" "add"'; do
      grep -qF -- "$line" "$log" || status=1
    done
  fi
  result "hosts/typed.cpp c++17 $1" $status
  for standard in c11 c17; do
    program $1 server-$standard hosts/server.c $standard
    [ $status -ne 2 ] || { server "$build/$1" "server-$standard"; status=$?; }
    result "hosts/server.c $standard $1" $status
  done
}

server() { # server DIRECTORY PROGRAM: asks it for every path, reloads in between
  : >"$log"
  rm -f "$1/port" # of an earlier server
  "$1/$2" "$build/guests/http.so" >"$1/port" 2>>"$log" &
  pid=$!
  tries=0
  while [ ! -s "$1/port" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
  port=$(cat "$1/port") wrong=0
  answer() { # answer DIRECTORY/PROGRAM PATH PART
    "$1" ask "$port" "$2" >"$1.answer" 2>&1
    grep -qF -- "$3" "$1.answer" || { echo "$2: expected $3, got $(cat "$1.answer")" >>"$log"; wrong=1; }
  }
  for round in 1 2; do
    answer "$1/$2" hello "hello from the guest"
    answer "$1/$2" oob "HTTP/1.1 500"
    answer "$1/$2" badptr "HTTP/1.1 500"
    answer "$1/$2" deep "HTTP/1.1 500"
    answer "$1/$2" nothing "HTTP/1.1 404"
    answer "$1/$2" hello "HTTP/1.1 200"
    [ $round = 2 ] || kill -HUP $pid
  done
  kill -TERM $pid
  wait $pid || wrong=1
  for line in 'unchanged' 'out of bounds memory access' 'bad argument to a host function' 'call stack exhausted' \
    'created 12 live 0 trapped 6'; do
    grep -qF -- "$line" "$log" || { echo "not in the log: $line" >>"$log"; wrong=1; }
  done
  return $wrong
}

units() { # units KIND
  program $1 abi_layout abi_layout.c c11
  result "abi_layout.c $1" $status "$(tail -1 "$log")"
  for source in "$here"/unit/*$only*.c; do
    name=$(basename "$source" .c)
    program $1 "unit_$name" "unit/$name.c" c11
    result "unit/$name.c $1" $status "$(tail -1 "$log")"
  done
}

others() {
  step "headers" "$here/headers/matrix.sh" "$include" "$build"
  step "wrong uses do not compile" "$here/compile_fail/run.sh" "$include" "$build"
  step "bindings" "$here/bindings/run.sh" "$build"
  step "names in bindings" "$here/bindings/names/run.sh" "$build"
  step "bindings of two versions" "$here/bindings/versions/run.sh" "$build"
  step "porting table" porting_table
  step "testing without a guest" "$here/testing/run.sh" "$build"
  step "every function" every_function_is_tested
  step "every status" every_status_is_tested
  [ -n "$only" ] || step "process" "$here/process/run.sh" "$LUCET_PREFIX" "$build" "$build/guests"
}

plain() {
  units plain
  [ -n "$only" ] || hosts plain
}

sanitized() {
  program asan asan_proof asan_proof.c c11
  grep -q "AddressSanitizer: heap-buffer-overflow" "$log"
  result "the address sanitizer is at work" $?
  units asan
  [ -n "$only" ] || hosts asan
}

part() { # part NAME: its results, to a file; a shell that died is a failure, too
  log=$build/$1.log
  (
    $1
    echo "ended"
  ) >"$build/$1.results" 2>&1
}

modules() { step "guests" guests; }

rm -f "$build"/*.results
part modules
part others &
part plain &
part sanitized &
wait
cat "$build"/*.results | grep -v '^ended$'
passed=$(cat "$build"/*.results | grep -c '^ok ') failed=$(cat "$build"/*.results | grep -c '^FAIL')
for results in "$build"/*.results; do
  tail -1 "$results" | grep -q '^ended$' || failed=$((failed + 1))
done
echo "tests/c: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
