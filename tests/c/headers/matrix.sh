#!/bin/sh
# matrix.sh INCLUDE_DIR BUILD_DIR: every installed header compiles alone, and all of lucet/typed.h can be used, in every
# standard with both compilers, without a warning. Prints one line per compiler; exit status 1 when something fails.
# Compilers that are not installed are named and skipped, except that one of each language must be there.
set -u
include=$1 build=$2/headers
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build"
flags="-Wall -Wextra -pedantic -Wconversion -Wshadow -Wundef -Wredundant-decls -Werror -isystem /nowhere -I$include"
failed=0
for language in c cpp; do
  found=0
  if [ $language = c ]; then
    compilers="gcc clang-16" standards="c99 c11 c17 c2x gnu11" extra="-Wstrict-prototypes -Wmissing-prototypes"
  else
    compilers="g++ clang++-16" standards="c++11 c++14 c++17 c++20 gnu++17" extra="-Wold-style-cast -Wzero-as-null-pointer-constant"
  fi
  for header in lucet.h lucet/typed.h lucet/arguments.h lucet/bindings.h; do
    printf '#include <%s>\n#include <%s>\n#include "%s/uses.h"\n' $header $header "$here" \
      >"$build/use_$(basename $header .h).$language"
    printf '#include <%s>\n' $header >"$build/alone_$(basename $header .h).$language"
  done
  for compiler in $compilers; do
    if ! command -v $compiler >/dev/null; then
      echo "headers: $compiler is not installed, skipped"
      continue
    fi
    found=1 count=0 bad=0
    for standard in $standards; do
      for source in "$build"/use_*.$language "$build"/alone_*.$language; do
        count=$((count + 1))
        # "unused" is what a header's own static functions and an includer's tables are, not a fault of theirs.
        if ! $compiler -std=$standard $flags $extra -fsyntax-only "$source" >"$build/log" 2>&1; then
          echo "FAIL $compiler -std=$standard $(basename "$source"):"
          head -8 "$build/log"
          bad=$((bad + 1))
        fi
      done
    done
    echo "headers: $compiler: $((count - bad)) of $count ($standards)"
    [ $bad = 0 ] || failed=1
  done
  [ $found = 1 ] || { echo "FAIL headers: no compiler for $language"; failed=1; }
done
exit $failed
