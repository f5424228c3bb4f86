#!/bin/sh
# compile_fail/run.sh INCLUDE_DIR BUILD_DIR: every file here is one wrong use of lucet.hpp. It must compile with -DRIGHT, so
# that nothing else is wrong with it, and without it must fail with the message that its comment expects (an extended
# regular expression when it holds a |, else plain text):
#   expect:                      from every compiler
#   expect-gcc:, expect-clang:   when the message is the compiler's own
#   standards:                   instead of g++ with c++17 and clang with c++20
# The header itself is precompiled, once for each compiler and standard, because reading it is what takes time; not for files that
# define something for it.
# Prints "ok" or "FAIL" and the name for each file, compiler and standard.
set -u
include=$1 build=$2/compile_fail
here=$(cd "$(dirname "$0")" && pwd)
flags="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror -I$include"

note() { # note FILE NAME: what the comment says for NAME
  sed -n "s,^// $2: ,,p" "$1" | head -1
}

problem() {
  echo "FAIL compile_fail/$1"
  grep -E 'error|warning' "$build/log" | head -5 | sed 's/^/     /'
}

# precompiled COMPILER STANDARD FILE: makes it unless it is there, and sets `include_it`. g++ looks for it beside the header's name, clang is
# told.
precompiled() {
  made=$build/$1-$2 include_it=
  ! grep -q '^#define' "$3" || return 0
  case $1 in
  g*) include_it="-I$made" made=$made/lucet.hpp.gch ;;
  *) include_it="-include-pch $made/lucet.hpp.pch" made=$made/lucet.hpp.pch ;;
  esac
  [ -e "$made" ] || { mkdir -p "$(dirname "$made")" && $1 -std=$2 $flags -x c++-header -o "$made" "$include/lucet.hpp"; }
}

one() { # one COMPILER STANDARD FILE EXPECTED
  name="$(basename "$3") $1 $2"
  precompiled $1 $2 "$3"
  check="$1 -std=$2 $include_it $flags -fsyntax-only"
  if [ -z "$4" ]; then
    problem "$name: no expected message"
  elif ! $check -DRIGHT "$3" >"$build/log" 2>&1; then
    problem "$name: the right use does not compile"
  elif $check "$3" >"$build/log" 2>&1; then
    problem "$name: the wrong use compiles"
  else
    case $4 in
    *'|'*) grep -Eq -- "$4" "$build/log" ;;
    *) grep -Fq -- "$4" "$build/log" ;;
    esac && echo "ok   compile_fail/$name" || problem "$name: expected \"$4\""
  fi
}

rm -rf "$build"
mkdir -p "$build"
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
