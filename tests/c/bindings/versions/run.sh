#!/bin/sh
# versions/run.sh BUILD_DIR: guests of old.wit and of new.wit, compiled without bindings and with each of them, on hosts of both. What
# the compiler and the hosts say of every pair is compared with the file `expected`, word by word; LUCET_BLESS=1 writes it.
set -eu
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
build=$1/versions
lucetc=$LUCET_PREFIX/bin/lucetc
export LD_LIBRARY_PATH="$LUCET_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
rm -rf "$build"
mkdir -p "$build"
cd "$build"

guest() { # guest NAME FUNCTION PARAMETERS ARGUMENTS: one that imports one function
  cat >"$1.wat" <<END
(module (import "shop" "$2" (func \$f (param $3) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "chair")
  (func (export "run") (param i32) (result i32) (call \$f $4)))
END
}
guest price price "i32 i32" "(i32.const 0) (local.get 0)"
guest paint paint i32 "(local.get 0)"
guest allow allow i32 "(local.get 0)"
guest tally_old tally i32 "(local.get 0)"
guest tally_new tally i64 "(i64.extend_i32_u (local.get 0))"
guest retired_old retired "" ""
guest discount_new discount i32 "(local.get 0)"

{
  for bindings in none old new; do
    echo "== compiled with bindings: $bindings"
    for wat in *.wat; do
      option=
      [ $bindings = none ] || option="--bindings $here/$bindings.wit"
      # shellcheck disable=SC2086 # none or two words
      "$lucetc" $option "$wat" -o "${wat%.wat}-$bindings.so" 2>refused || sed 's/^lucetc: //' refused
    done
  done
  for version in old new; do
    define=
    [ $version = old ] || define=-DNEW
    "$lucetc" --bindings "$here/$version.wit" --emit host-header -o "${version}_shop.h"
    "$lucetc" --bindings "$here/$version.wit" --emit host-source -o "${version}_shop.c"
    gcc -std=c99 -Wall -Wextra -pedantic -Werror $define "-DSHOP_HEADER=\"${version}_shop.h\"" "-I$LUCET_PREFIX/include" -I. \
      "$here/host.c" "${version}_shop.c" -o "$version" "-L$LUCET_PREFIX/lib" -llucet
    echo "== on a host of $version.wit"
    "./$version" *.so
  done
} >output 2>&1
[ -z "${LUCET_BLESS:-}" ] || cp output "$here/expected"
diff "$here/expected" output
echo "$(grep -c '\.so:' output) pairs of guest and host"
