#!/bin/sh
# bindings/names/run.sh BUILD_DIR: names that are taken, by C, C++, headers, lucet.h or what lucetc makes itself. Every word of `words` in
# every place of a bindings file, and clash.wit: in all forms, without a warning, as C and as C++; and clash.wit run, also with the
# address sanitizer. CLANG names a clang that knows wasm32.
set -eu
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
build=$1/bindings_names
clang=${CLANG:-clang-16}
lucetc=$LUCET_PREFIX/bin/lucetc
warnings="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror -Wno-unused-function"
rm -rf "$build"
mkdir -p "$build"
cd "$build"

# Functions have 12 parameters in C at most, so that words come in groups.
tr ' ' '\n' <"$here/words" | awk '
function flush_group(i, list) {
  if (!n) return
  g++
  list = ""
  for (i = 1; i <= n; i++) list = list ", %" w[i] ": u32"
  list = substr(list, 3)
  body = body "  numbers" g ": func(" list ") -> u32;\n"
  body = body "  option" g ": func(" list ") -> option<u64>;\n"
  body = body "  record fields" g " { " list " }\n"
  body = body "  records" g ": func(a: list<fields" g ">, b: list<u8>) -> fields" g ";\n"
  exports = exports "  export numbers" g ": func(" list ") -> result<u32, u32>;\n"
  gsub(/: u32/, ": list<u8>", list)
  body = body "  lists" g ": func(" list ") -> result<string, u8>;\n"
  exports = exports "  export lists" g ": func(" list ") -> option<string>;\n"
  gsub(/: list<u8>/, ": pair", list)
  body = body "  pairs" g ": func(" list ") -> pair;\n"
  gsub(/: pair/, ": thing", list)
  body = body "  things" g ": func(" list ") -> thing;\n"
  gsub(/: thing/, "", list)
  body = body "  enum cases" g " { " list " }\n  flags flags" g " { " list " }\n"
  n = 0
}
NF {
  # Case is folded in C: NULL is null already.
  if (seen[tolower($1)]++) next
  w[++n] = $1
  functions = functions "  %" $1 ": func(%" $1 ": u32) -> u32;\n"
  types = types "  record %" $1 " { %" $1 ": u32, a-" $1 ": list<u8> }\n"
  uses = uses "  use-" $1 ": func(%" $1 ": %" $1 ") -> %" $1 ";\n"
  interfaces = interfaces "interface %" $1 " { f: func(); enum max { a, %" $1 " } t: func(a: max); h: func(a: list<max>); }\n"
  if (n == 5) flush_group()
}
END {
  flush_group()
  print "package test:words;" >"words.wit"
  print "interface places {\n  resource thing;\n  record pair { a: u32, b: u8 }\n" body "}" >"words.wit"
  print "interface functions {\n" functions "}" >"words.wit"
  print "interface types {\n" types uses "}" >"words.wit"
  print interfaces >"words.wit"
  print "package test:calls;\nworld calls {\n" exports "}" >"calls.wit"
  print "(module (memory (export \"memory\") 1)\n  (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 8))" >"calls.wat"
  for (i = 1; i <= g; i++) {
    parameters = lists = ""
    for (j = 1; j <= (i == g ? last : 5); j++) { parameters = parameters " i32"; lists = lists " i32 i32" }
    print "  (func (export \"numbers" i "\") (param" parameters ") (result i32) (i32.const 0))" >"calls.wat"
    print "  (func (export \"lists" i "\") (param" lists ") (result i32) (i32.const 0))" >"calls.wat"
  }
  print ")" >"calls.wat"
}' last="$(tr 'A-Z ' 'a-z\n' <"$here/words" | grep . | awk '!seen[$0]++' | awk 'END { print (NR - 1) % 5 + 1 }')"

for name in words clash; do
  [ $name = words ] && wit=words.wit || wit=$here/$name.wit
  for what in host-header:host.h host-source:host.c host-checks:checks.h guest-header:guest.h; do
    "$lucetc" --bindings "$wit" --emit "${what%:*}" -o "${name}_${what#*:}"
  done
done
"$lucetc" --bindings calls.wit --emit header calls.wat -o words_calls.h
"$lucetc" --bindings "$here/clash.wit" --emit header "$here/guest.wat" -o clash_calls.h
"$lucetc" --emit header "$here/guest.wat" -o clash_plain.h
# Files called as lucet's own headers.
for file in bindings typed arguments; do
  mkdir $file
  "$lucetc" --bindings "$here/clash.wit" --emit host-header -o $file/$file.h
  echo "#include \"$file.h\"" | gcc -std=c99 $warnings -I"$LUCET_PREFIX/include" -I$file -fsyntax-only -x c -
done

count=0
headers="words_host words_checks words_calls clash_checks clash_calls clash_plain"
includes() { # includes HEADER: one.c does
  echo "#include \"$1.h\"" >one.c
}
compiles() { # compiles COMPILER... : from stdin
  "$@" -fsyntax-only - || { echo "does not compile: $*"; exit 1; }
  count=$((count + 1))
}
for compiler in gcc $clang; do
  for standard in c99 c11 gnu11 c2x; do
    for name in words clash; do
      compiles $compiler -std=$standard $warnings -Wstrict-prototypes -I"$LUCET_PREFIX/include" -I. -x c <${name}_host.c
    done
    for header in $headers; do
      includes $header
      compiles $compiler -std=$standard $warnings -I"$LUCET_PREFIX/include" -I. -x c <one.c
    done
  done
  for standard in c++11 c++17 gnu++17 c++20; do
    for name in words clash; do
      compiles $compiler -std=$standard $warnings -Wold-style-cast -I"$LUCET_PREFIX/include" -I. -x c++ <${name}_host.c
    done
    for header in $headers; do
      includes $header
      compiles $compiler -std=$standard $warnings -Wold-style-cast -I"$LUCET_PREFIX/include" -I. -x c++ <one.c
    done
  done
done
for name in words clash; do
  for language in c:c99 c:gnu11 c:c2x c++:c++17; do
    includes ${name}_guest
    compiles $clang --target=wasm32 -std=${language#*:} $warnings -I. -x ${language%:*} <one.c
  done
done

"$lucetc" --bindings "$here/clash.wit" "$here/guest.wat" -o checked.so
"$lucetc" "$here/guest.wat" -o unchecked.so
link="-I. -I$LUCET_PREFIX/include -L$LUCET_PREFIX/lib -llucet"
export LD_LIBRARY_PATH="$LUCET_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:handle_sigill=0:allow_user_segv_handler=1:detect_leaks=1:exitcode=99
gcc -std=c99 -g $warnings "$here/host.c" clash_host.c -o host_c $link
gcc -std=c99 -g $warnings -fsanitize=address,undefined -fno-sanitize-recover=undefined "$here/host.c" clash_host.c -o host_asan $link
cp "$here/host.c" host.cpp
cp clash_host.c clash_host.cpp
g++ -std=c++17 $warnings host.cpp clash_host.cpp -o host_cpp $link
for module in checked unchecked; do
  for host in host_c host_asan host_cpp; do
    ./$host ./$module.so >said 2>&1 || { echo "$host $module.so:"; head -30 said; exit 1; }
  done
done
echo "$count times compiled; $(cat said)"
