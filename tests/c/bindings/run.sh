#!/bin/sh
# bindings/run.sh BUILD_DIR: makes C of kv.wit and http.wit with the installed lucetc, compiles it in every standard without a
# warning, and runs a host and a guest with it. CLANG names a clang that knows wasm32.
set -eu
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
files=$here/../../../compiler/tests/bindings
build=$1/bindings
clang=${CLANG:-clang-16}
lucetc=$LUCET_PREFIX/bin/lucetc
warnings="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror"
rm -rf "$build"
mkdir -p "$build"
cd "$build"
for name in kv http; do
  for what in host-header:host.h host-source:host.c host-checks:checks.h guest-header:guest.h; do
    "$lucetc" --bindings "$files/$name.wit" --emit "${what%:*}" -o "${name}_${what#*:}"
  done
  cp ${name}_host.c ${name}_host.cpp
  count=0
  for standard in c99 c11 c17 c2x; do
    gcc -std=$standard $warnings -Wstrict-prototypes -I"$LUCET_PREFIX/include" -c -o $name.o ${name}_host.c
    $clang -std=$standard $warnings -Wstrict-prototypes -I"$LUCET_PREFIX/include" -c -o $name.o ${name}_host.c
    echo "#include \"${name}_guest.h\"" | $clang --target=wasm32 -std=$standard $warnings -I. -fsyntax-only -x c -
    count=$((count + 3))
  done
  for standard in c++11 c++17 c++20; do
    g++ -std=$standard $warnings -Wold-style-cast -I"$LUCET_PREFIX/include" -c -o $name.o ${name}_host.cpp
    $clang -xc++ -std=$standard $warnings -Wold-style-cast -I"$LUCET_PREFIX/include" -c -o $name.o ${name}_host.cpp
    echo "#include \"${name}_guest.h\"" | $clang --target=wasm32 -std=$standard $warnings -I. -fsyntax-only -x c++ -
    count=$((count + 3))
  done
done
$clang --target=wasm32 -O1 -nostdlib $warnings -I. -Wl,--no-entry -o kv.wasm "$here/guest.c"
"$lucetc" --bindings "$files/kv.wit" kv.wasm -o kv.so
# What wit-bindgen makes of the same bindings; its C library is the only one that it needs.
$clang --target=wasm32-wasi -O1 -I"$here/generated" -nostartfiles -nodefaultlibs -Wl,--no-entry -o generated.wasm \
  "$here/guest_generated.c" "$here/generated/app.c" -lc
"$lucetc" --bindings "$files/kv.wit" generated.wasm -o generated.so
"$lucetc" generated.wasm -o generated_unchecked.so
"$lucetc" --bindings "$files/kv.wit" --emit header kv.wasm -o kv_calls.h
"$lucetc" --emit header kv.wasm -o kv_plain.h
for standard in c99 c11 c2x; do
  for header in kv_calls kv_plain kv_checks http_checks; do
    echo "#include \"$header.h\"" | gcc -std=$standard $warnings -Wno-unused-function -I"$LUCET_PREFIX/include" -I. -fsyntax-only -x c -
    echo "#include \"$header.h\"" | $clang -std=$standard $warnings -Wno-unused-function -I"$LUCET_PREFIX/include" -I. -fsyntax-only -x c -
  done
done
for standard in c++11 c++17 c++20; do
  for header in kv_calls kv_plain kv_checks http_checks; do
    echo "#include \"$header.h\"" | g++ -std=$standard $warnings -Wold-style-cast -Wno-unused-function -I"$LUCET_PREFIX/include" -I. -fsyntax-only -x c++ -
    echo "#include \"$header.h\"" | $clang -std=$standard $warnings -Wold-style-cast -Wno-unused-function -I"$LUCET_PREFIX/include" -I. -fsyntax-only -x c++ -
  done
done
if "$lucetc" --bindings "$files/http.wit" kv.wasm -o none.so 2>refused; then
  echo "a guest of other bindings compiles"
  exit 1
fi
grep -q 'import "example:kv/store@0.1.0" "get" is not in the bindings; 1[0-9] more problems' refused
link="-I. -I$LUCET_PREFIX/include -L$LUCET_PREFIX/lib -llucet"
export LD_LIBRARY_PATH="$LUCET_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
gcc -std=c99 $warnings "$here/host.c" kv_host.c -o host_c $link
cp "$here/host.c" host.cpp
g++ -std=c++17 $warnings host.cpp kv_host.cpp -o host_cpp $link
./host_c kv.so
./host_c kv.so poison
"$lucetc" kv.wasm -o kv_unchecked.so
./host_c kv_unchecked.so
./host_c kv_unchecked.so poison
./host_cpp kv.so
./host_c generated.so honest
./host_c generated_unchecked.so honest
echo "$count times compiled; $(./host_c kv.so)"
