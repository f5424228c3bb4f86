#!/bin/sh
# run.sh: builds and runs the tests of lucet.hpp against an installed Lucet.
#
#   LUCET_PREFIX=/usr/local tests/cpp/run.sh [BUILD_DIR]
#
# LUCET_PREFIX holds include/, lib/liblucet.so and bin/lucetc. Unit programs are built by g++ for C++17, by g++ for C++20 with
# the address and undefined behaviour sanitizers, and by clang. Two parts run side by side, because most of the time goes into
# single compilers. One line per test; the last is "cpp: N passed, M failed", with
# exit status 1 when M > 0. ONLY=pattern runs the unit programs that match, and nothing else.
#
# Invariants: writes to BUILD_DIR only; a guest or program that does not build is a failure, not skipped.
set -u
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${1:-${TMPDIR:-/tmp}/lucet-tests-cpp}
include=$LUCET_PREFIX/include
lib=$LUCET_PREFIX/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$LUCET_PREFIX" -name liblucet.so | head -1)")
only=${ONLY:-}
log=$build/log
mkdir -p "$build/guests" "$build/alone"

export LUCET_GUESTS="$build/guests"
export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
# The guests' faults are the library's business, not the sanitizer's.
export ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:handle_sigill=0:allow_user_segv_handler=1:detect_leaks=1:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

warnings="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror"
link="-L$lib -llucet -lpthread"
asan="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

result() { # result NAME STATUS [NOTE]: its line, which is also counted; what went wrong is in $log
  if [ "$2" -eq 0 ]; then
    echo "ok   $1${3:+: $3}"
  else
    echo "FAIL $1 (exit status $2)"
    head -25 "$log" | sed 's/^/     /'
  fi
}

program() { # program NAME COMPILER FLAGS SOURCE...: builds and runs
  name=$1 compiler=$2 flags=$3
  shift 3
  binary=$build/$(echo "$name" | tr ' /' '__')
  if $compiler $flags $warnings -g -I"$include" -o "$binary" "$@" $link >"$log" 2>&1; then
    timeout 120 "$binary" >"$log" 2>&1
    status=$?
  else
    status=125
  fi
  result "$name" $status "$(tail -1 "$log")"
}

guests() {
  for source in "$here"/guests/*.wat; do
    "$LUCET_PREFIX/bin/lucetc" -o "$build/guests/$(basename "$source" .wat).so" "$source" || return 1
  done
}

# headers COMPILER STANDARD OTHER: every header by itself, in all modes, with more warnings than users usually ask for. Exceptions
# and their absence by choice are tried with one standard, their absence by the compiler's with the other, and the other way around by
# the other compiler; lucet.hpp, which has them all, in everything, and with GNU's extensions.
headers() {
  command -v "$1" >/dev/null || return 0
  for header in lucet.hpp $(cd "$include" && ls lucet/*.hpp); do
    [ "$header" = lucet.hpp ] && again="$3 gnu++20" other="$2 gnu++20" || again= other=
    for standard in $2 $again; do
      alone "$1" "$header" "$standard" -fexceptions
      alone "$1" "$header" "$standard" -DLUCET_NO_EXCEPTIONS
    done
    for standard in $3 $other; do alone "$1" "$header" "$standard" "-fno-exceptions -fno-rtti"; done
  done
}

alone() { # alone COMPILER HEADER STANDARD MODE
  more="-Wold-style-cast -Wzero-as-null-pointer-constant -Wextra-semi -Wnon-virtual-dtor -Wundef -Wredundant-decls -fsyntax-only"
  source=$build/alone/$1-$(basename "$2").cpp
  printf '#include <%s>\n#include <lucet.hpp>\n#include <%s>\n' "$2" "$2" >"$source"
  $1 -std=$3 $4 $warnings $more -I"$include" "$source" >"$log" 2>&1
  result "$2 $1 $3 $4" $?
}

# Refused by a sentence, not by a page of errors.
old_standard() {
  echo '#include <lucet.hpp>' >"$build/alone/old.cpp"
  g++ -std=c++14 -fsyntax-only -I"$include" "$build/alone/old.cpp" >"$log" 2>&1
  grep -q "lucet.hpp needs C++17" "$log"
  result "C++14 is refused" $?
}

units() { # units BUILD...: g++, sanitized, clang
  for source in "$here"/unit/*$only*.cpp; do
    unit=unit/$(basename "$source" .cpp)
    case $unit in
    */no_exceptions) modes="-fno-exceptions -fno-rtti|-DLUCET_NO_EXCEPTIONS" ;;
    *) modes="-fexceptions|-fno-rtti" ;;
    esac
    for way in "$@"; do
      case $way in
      g++) program "$unit g++ c++17" g++ "-std=c++17 -O2 ${modes%|*}" "$source" ;;
      sanitized) program "$unit g++ c++20 sanitized" g++ "-std=c++20 -O1 $asan ${modes%|*}" "$source" ;;
      clang) ! command -v clang++-16 >/dev/null || program "$unit clang c++20" clang++-16 "-std=c++20 -O1 ${modes#*|}" "$source" ;;
      esac
    done
  done
}

# A program of two halves, with and without exceptions: neither may get the other's inline functions.
modes() {
  for order in "with without" "without with"; do
    for half in $order; do
      [ $half = with ] && mode=-fexceptions || mode="-fno-exceptions -fno-rtti"
      g++ -std=c++17 -O0 $warnings $mode -I"$include" -c -o "$build/$half.o" "$here/modes/$half.cpp" >"$log" 2>&1 ||
        result "modes/$half.cpp" 1
    done
    set -- $order
    program "modes $1 before $2" g++ "-std=c++17" "$build/$1.o" "$build/$2.o"
  done
}

compile_fail() {
  "$here/compile_fail/run.sh" "$include" "$build" >"$log" 2>&1
  cat "$log"
  grep -q '^ok ' "$log" || result "compile_fail" 1
}

documented() {
  "$here/documented.sh" "$top/docs/host-functions.md" "$build/documented" >"$log" 2>&1
  result "docs/host-functions.md" $? "$(tail -1 "$log")"
}

part() { # part NAME STEP...: the steps' results, to a file; a shell that died is a failure, too
  log=$build/$1.log results=$build/$1.results
  shift
  (
    for step in "$@"; do $step; done
    echo "ended"
  ) >"$results" 2>&1
}

guests >"$log" 2>&1 || {
  result guests 1
  echo "cpp: 0 passed, 1 failed"
  exit 1
}
rm -f "$build"/*.results
if [ -z "$only" ]; then
  part one "headers g++ c++17 c++20" "units clang" compile_fail &
  part other "headers clang++-16 c++20 c++17" old_standard modes documented "units g++ sanitized"
  wait
else
  part programs "units g++ sanitized clang"
fi
cat "$build"/*.results | grep -v '^ended$'
passed=$(cat "$build"/*.results | grep -c '^ok ') failed=$(cat "$build"/*.results | grep -c '^FAIL')
for results in "$build"/*.results; do
  tail -1 "$results" | grep -q '^ended$' || failed=$((failed + 1))
done
echo "cpp: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
