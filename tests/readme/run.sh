#!/bin/sh
# Does what the README's example says, with the installation in LUCET_PREFIX, and compares the output.
# Usage: LUCET_PREFIX=... tests/readme/run.sh BUILD_DIRECTORY
set -eu
readme=$(cd "$(dirname "$0")/../.." && pwd)/README.md
build=${1:?usage: run.sh BUILD_DIRECTORY}
rm -rf "$build"
mkdir -p "$build"
cd "$build"
PATH=$LUCET_PREFIX/bin:$PATH
PKG_CONFIG_PATH=$LUCET_PREFIX/lib/pkgconfig
LD_LIBRARY_PATH=$LUCET_PREFIX/lib
export PATH PKG_CONFIG_PATH LD_LIBRARY_PATH

# block LANGUAGE NUMBER: the NUMBERth fenced block of a language.
block() {
    awk -v start="\`\`\`$1" -v number="$2" '
        $0 == start { count++; inside = count == number; next }
        $0 == "```" { inside = 0 }
        inside' "$readme"
}

block wat 1 >guest.wat
block c 1 >host.c
block sh 2 >commands.sh
block text 1 >expected
test -s expected && test -s commands.sh
# The output is of the last command.
sh -eu commands.sh >actual
if diff expected actual; then
    echo "readme: 1 passed, 0 failed"
else
    echo "readme: 0 passed, 1 failed"
    exit 1
fi
