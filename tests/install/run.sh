#!/usr/bin/env bash
# run.sh [WORK DIRECTORY]: is what `make install` and CMake install a package that C and C++ programs can use?
#
# Installs what scripts/build.sh built (in CARGO_TARGET_DIR, or target) to a prefix, moves the prefix, and builds programs
# against it through find_package, pkg-config and add_subdirectory, shared and static. Prints a line for each test; the last
# one is "install: N passed, M failed". Leaves everything in the work directory, which it empties first.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(realpath -m "${1:-$top/build/install}")
target=$(realpath -m "${CARGO_TARGET_DIR:-$top/target}")
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$top/Cargo.toml" | head -1)
log=$work/log
passed=0 failed=0
. "$here/tests.sh"

# try NAME COMMAND...: one test.
try() {
  local name=$1
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $name"
  else
    failed=$((failed + 1))
    echo "FAIL  $name"
    tail -25 "$log" | sed 's/^/      | /'
  fi
}

# need NAME COMMAND...: as try; without it there is no point in going on.
need() {
  local before=$failed
  try "$@"
  [ "$failed" = "$before" ] || finish
}

finish() {
  echo "install: $passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}

rm -rf "$work"
mkdir -p "$work"
moved="$work/moved here" # with a blank, which is legal
multiarch="$work/moved multiarch"

need "scripts/install.sh installs" install_and_move "$moved"
try "a second installation changes no file" install_again
try "DESTDIR goes in front" install_destdir
try "the files are those of the documentation" layout "$moved" lib
try "the library's links and SONAME" names "$moved/lib"
try "only lucet_ functions are exported" exports "$moved/lib"
try "no file holds the path of the build or of the prefix" no_build_paths "$moved"
try "the native libraries are those that rustc names" native_libraries "$moved"
try "lucetc runs" "$moved/bin/lucetc" --version

need "find_package: C and C++, shared and static" consumer "$work/consumer" -DCMAKE_PREFIX_PATH="$moved"
try "the programs need the library by its SONAME" needs_soname "$work/consumer/default-c"
try "the static programs do not need it" not_needed "$work/consumer/static-c"
try "ldd finds every library" ldd_resolves "$work/consumer"
try "find_package: Lucet_USE_STATIC_LIBS" consumer_static
try "find_package: versions" versions "$moved"
try "find_package: an unknown component is refused" unknown_component "$moved"
try "find_package: a missing compiler is refused" missing_compiler "$moved"
try "lucet_add_module refuses wrong arguments" module_arguments "$moved"

if nginx_is_here >/dev/null; then
  try "lucet_add_nginx_module: a module outside of the tree, in nginx" nginx_module "$moved" shared
  try "the same with the static library" nginx_module "$moved" static
  try "lucet_add_nginx_module says what is missing" nginx_refusals "$moved"
else
  echo "skip  lucet_add_nginx_module: there is no nginx with nginx-dev here"
fi

for language in c c++; do
  for linkage in shared static; do
    try "pkg-config: $language, $linkage" pkg_config "$moved/lib/pkgconfig" $language $linkage
  done
done
try "pkg-config: version and lucetc" pkg_config_variables "$moved/lib/pkgconfig"

need "install to lib/x86_64-linux-gnu" install_and_move "$multiarch" --libdir lib/x86_64-linux-gnu
try "its files" layout "$multiarch" lib/x86_64-linux-gnu
try "its pkg-config file" pkg_config "$multiarch/lib/x86_64-linux-gnu/pkgconfig" c shared
try "its CMake package" found "$multiarch"

need "add_subdirectory builds and runs" consumer "$work/superbuild" -DLUCET_SOURCE="$top" -DLUCET_CARGO_TARGET_DIR="$target"
need "cmake --build" cmake_build
try "cmake --install makes the same tree" cmake_install
try "cmake --install --component" cmake_components
finish
