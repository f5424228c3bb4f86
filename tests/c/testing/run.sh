#!/bin/sh
# testing/run.sh BUILD_DIR: builds lucet/testing.h's programs from the installed files, plainly and with the sanitizers, and
# compares what they print with what a guest's calls do; and has CMake build one with Lucet::testing.
set -eu
: "${LUCET_PREFIX:?set LUCET_PREFIX to an installed prefix}"
here=$(cd "$(dirname "$0")" && pwd)
build=$1/testing
rm -rf "$build"
mkdir -p "$build"
cd "$build"
flags="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror -g -I$LUCET_PREFIX/include"
library=$LUCET_PREFIX/share/lucet/testing.c
export LD_LIBRARY_PATH="$LUCET_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
"$LUCET_PREFIX/bin/lucetc" "$here/../guests/arguments_testing.wat" -o guest.so
gcc -std=c99 -D_GNU_SOURCE $flags "$here/with_guest.c" -o with_guest -L"$LUCET_PREFIX/lib" -llucet
./with_guest guest.so >expected
for kind in "-O0" "-O2" "-O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined"; do
  gcc -std=c99 $flags $kind "$here/without_guest.c" "$library" -o without_guest
  ./without_guest >actual
  cmp expected actual || { diff expected actual | head -5; exit 1; }
done
for standard in c99 c11 c2x; do gcc -std=$standard $flags -Wstrict-prototypes -c "$library" -o testing.o; done
g++ -std=c++17 $flags "$here/test.cpp" testing.o -o test_cpp
./test_cpp
cat >CMakeLists.txt <<CMAKE
cmake_minimum_required(VERSION 3.22)
project(consumer C CXX)
find_package(Lucet CONFIG REQUIRED)
add_executable(test_c "$here/without_guest.c")
target_link_libraries(test_c PRIVATE Lucet::testing)
add_executable(test_cpp "$here/test.cpp")
target_link_libraries(test_cpp PRIVATE Lucet::testing)
target_compile_features(test_cpp PRIVATE cxx_std_17)
CMAKE
cmake -S . -B cmake -DCMAKE_PREFIX_PATH="$LUCET_PREFIX" >log 2>&1 && cmake --build cmake >>log 2>&1 || { tail -20 log; exit 1; }
./cmake/test_c | cmp - expected
./cmake/test_cpp
echo "$(wc -l <expected) calls do the same with a guest and without"
