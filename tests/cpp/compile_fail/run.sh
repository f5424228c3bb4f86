#!/bin/sh
# compile_fail/run.sh INCLUDE_DIR BUILD_DIR: every file here is one wrong use of lucet.hpp. It must compile with -DRIGHT, so
# that nothing else is wrong with it, and without it must fail with the message that its comment expects (an extended
# regular expression when it holds a |, else plain text):
#   expect:                      from every compiler
#   expect-gcc:, expect-clang:   when the message is the compiler's own
#   standards:                   instead of g++ with c++17 and clang with c++20
# Prints "ok" or "FAIL" and the name for each file, compiler and standard.
set -u
include=$1 build=$2/compile_fail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build"
flags="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror -I$include -fsyntax-only"

note() { # note FILE NAME: what the comment says for NAME
  sed -n "s,^// $2: ,,p" "$1" | head -1
}

problem() {
  echo "FAIL compile_fail/$1"
  grep -E 'error|warning' "$build/log" | head -5 | sed 's/^/     /'
}

one() { # one COMPILER STANDARD FILE EXPECTED
  name="$(basename "$3") $1 $2"
  if [ -z "$4" ]; then
    problem "$name: no expected message"
  elif ! $1 -std=$2 $flags -DRIGHT "$3" >"$build/log" 2>&1; then
    problem "$name: the right use does not compile"
  elif $1 -std=$2 $flags "$3" >"$build/log" 2>&1; then
    problem "$name: the wrong use compiles"
  else
    case $4 in
    *'|'*) grep -Eq -- "$4" "$build/log" ;;
    *) grep -Fq -- "$4" "$build/log" ;;
    esac && echo "ok   compile_fail/$name" || problem "$name: expected \"$4\""
  fi
}

for file in "$here"/*.cpp; do
  standards=$(note "$file" standards)
  for compiler in g++ clang++-16; do
    command -v $compiler >/dev/null || continue
    expected=$(note "$file" expect)
    case $compiler in
    g*) own=$(note "$file" expect-gcc) default=c++17 ;;
    *) own=$(note "$file" expect-clang) default=c++20 ;;
    esac
    for standard in ${standards:-$default}; do
      one $compiler $standard "$file" "${own:-$expected}"
    done
  done
done
