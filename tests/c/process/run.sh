#!/bin/sh
# run.sh PREFIX BUILD_DIR GUESTS: what the library does to the process that it is loaded into, with programs that are built
# without it: one loads it by dlopen, one has two libraries that link it statically. The last line of each says how many checks failed.
set -eu
prefix=$1 build=$2/process guests=$3
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-gcc}
lib=$prefix/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$prefix" -name liblucet.so | head -1)")
flags="-std=c11 -Wall -Wextra -Wconversion -Wshadow -Werror -D_GNU_SOURCE -g -O1 -I$prefix/include -I$here"
mkdir -p "$build"

$cc $flags -o "$build/loading" "$here/loading.c" -ldl
LC_ALL=C.UTF-8 timeout 60 "$build/loading" "$lib/liblucet.so" "$guests/ways.so"

# As a server's modules are built: nothing but the entry is exported, and what pkg-config says for static linking.
private=$(sed -n 's/^Libs.private: //p' "$lib/pkgconfig/lucet.pc")
for copy in one two; do
  # shellcheck disable=SC2086 # several options
  $cc $flags -fPIC -shared -fvisibility=hidden -Wl,--exclude-libs,ALL -o "$build/$copy.so" "$here/copy.c" "$lib/liblucet.a" $private
done
$cc $flags -o "$build/copies" "$here/copies.c" -ldl -lpthread
timeout 60 "$build/copies" "$build/one.so" "$build/two.so" "$guests/ways.so"
timeout 60 "$build/copies" "$build/two.so" "$build/one.so" "$guests/ways.so"
