#!/bin/sh
# Does what the README's example says, by hand and with CMake, with the installation in LUCET_PREFIX, and compares the output.
# Usage: LUCET_PREFIX=... tests/readme/run.sh BUILD_DIRECTORY
set -eu
readme=$(cd "$(dirname "$0")/../.." && pwd)/README.md
build=${1:?usage: run.sh BUILD_DIRECTORY}
rm -rf "$build"
mkdir -p "$build"
cd "$build"
# As the README says for other prefixes than /usr/local. CMake finds the package by the PATH.
PATH=$LUCET_PREFIX/bin:$PATH
PKG_CONFIG_PATH=$LUCET_PREFIX/lib/pkgconfig
LD_LIBRARY_PATH=$LUCET_PREFIX/lib
export PATH PKG_CONFIG_PATH LD_LIBRARY_PATH
unset Lucet_DIR Lucet_ROOT CMAKE_PREFIX_PATH
passed=0
failed=0

# block NAME: the fenced block behind the line `<!-- run.sh: NAME -->`. There must be one.
block() {
    awk -v mark="<!-- run.sh: $1 -->" '
        $0 == mark { marks++; marked = 1; next }
        marked && /^```/ { marked = 0; inside = 1; next }
        $0 == "```" { inside = 0 }
        inside { print; lines++ }
        END { exit !(marks == 1 && lines > 0) }' "$readme" || {
        echo "README.md: no block, or more than one, is marked as $1" >&2
        exit 1
    }
}

# check NAME FILE: what a test has printed is what the README shows.
check() {
    if diff expected "$2"; then
        passed=$((passed + 1))
    else
        echo "FAIL: $1"
        failed=$((failed + 1))
    fi
}

block guest.wat >guest.wat
block host.c >host.c
block expected >expected
block commands >commands.sh
block CMakeLists.txt >CMakeLists.txt
block "cmake commands" >cmake.sh

sh -eu commands.sh >by-hand 2>&1 || echo "exit status $?" >>by-hand
check "by hand" by-hand
rm -f host guest.so
sh -eu cmake.sh >cmake.log 2>&1 || echo "exit status $?" >>cmake.log
# CMake says more before.
tail -n "$(wc -l <expected)" cmake.log >with-cmake
check "with CMake" with-cmake
[ "$failed" = 0 ] || cat cmake.log
echo "readme: $passed passed, $failed failed"
[ "$failed" = 0 ]
