#!/bin/sh
# compile_fail/run.sh INCLUDE_DIR BUILD_DIR: every file here is one wrong use. It must compile with -DRIGHT, so that nothing
# else is wrong with it, and without it must fail with the message that its comment expects (an extended regular
# expression when it holds a |, else plain text):
#   expect:       from every compiler, in C in the standards from c11
#   expect-c99:   in C99
#   expect-gcc:, expect-clang:   of C++ files whose message is the compiler's own
#   standards:    instead of all
set -u
include=$1 build=$2/compile_fail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build"
flags="-Wall -Wextra -pedantic -I$include -fsyntax-only"
count=0 bad=0

note() { # note FILE NAME: what the comment says for NAME
  sed -n "s/^[ /]*\* *$2: //p" "$1" | sed 's, *\*/$,,' | head -1
}

problem() {
  echo "FAIL compile_fail: $1"
  head -5 "$build/log"
  bad=$((bad + 1))
}

one() { # one COMPILER STANDARD FILE EXPECTED
  count=$((count + 1))
  name="$(basename "$3") with $1 -std=$2"
  if ! $1 -std=$2 $flags -Werror -DRIGHT "$3" >"$build/log" 2>&1; then
    problem "$name: the right use does not compile"
  elif $1 -std=$2 $flags "$3" >"$build/log" 2>&1; then
    problem "$name: the wrong use compiles"
  else
    case $4 in
    *'|'*) grep -Eq -- "$4" "$build/log" ;;
    *) grep -Fq -- "$4" "$build/log" ;;
    esac || problem "$name: expected \"$4\""
  fi
}

for file in "$here"/*.c "$here"/*.cpp; do
  case $file in
  *.c) compilers="gcc clang-16" standards="c99 c11 c17 c2x" ;;
  *) compilers="g++ clang++-16" standards="c++11 c++17 c++20" ;;
  esac
  own=$(note "$file" standards)
  [ -z "$own" ] || standards=$own
  for compiler in $compilers; do
    command -v $compiler >/dev/null || continue
    for standard in $standards; do
      expected=$(note "$file" expect)
      case $compiler in
      g*) own=$(note "$file" expect-gcc) ;;
      *) own=$(note "$file" expect-clang) ;;
      esac
      [ $standard != c99 ] || own=$(note "$file" expect-c99)
      [ -z "$own" ] || expected=$own
      if [ -z "$expected" ]; then
        problem "$(basename "$file"): no expected message"
      else
        one $compiler $standard "$file" "$expected"
      fi
    done
  done
done
echo "compile_fail: $((count - bad)) of $count refused as expected"
[ $bad = 0 ] && [ $count -gt 0 ]
