#!/bin/sh
# install.sh: copies what build.sh built to a prefix. CMake is not needed; CMakeLists.txt installs through this too, so this
# is the one list of installed files. It builds nothing.
#
#   --prefix DIR      default /usr/local
#   --destdir DIR     put in front of every path that is written; default $DESTDIR
#   --target-dir DIR  where cargo built; default $CARGO_TARGET_DIR, else target
#   --libdir --includedir --bindir --docdir DIR   relative to the prefix, or absolute
#   --parts LIST      of: runtime libraries headers package compiler docs; default: all
#
# Prints the path of each installed file, without the destdir. A file that is there with the same contents keeps its time, so
# that nothing depending on it is built again. The installed tree may be moved: no file holds the prefix's name.
set -eu

prefix=/usr/local destdir=${DESTDIR:-} target=${CARGO_TARGET_DIR:-}
libdir=lib includedir=include bindir=bin docdir=share/doc/lucet
parts="runtime libraries headers package compiler docs"

fail() {
  printf 'install: %s\n' "$1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || fail "$1: its argument is missing, or no such option"
  case $1 in
  --prefix) prefix=$2 ;;
  --destdir) destdir=$2 ;;
  --target-dir) target=$2 ;;
  --libdir) libdir=$2 ;;
  --includedir) includedir=$2 ;;
  --bindir) bindir=$2 ;;
  --docdir) docdir=$2 ;;
  --parts) parts=$2 ;;
  *) fail "no such option: $1" ;;
  esac
  shift 2
done

# Relative names are the caller's; everything after this is relative to the top of the source.
[ -z "$target" ] || target=$(realpath -m -- "$target")
[ -z "$destdir" ] || destdir=$(realpath -m -- "$destdir")
prefix=$(realpath -ms -- "$prefix")
cd "$(dirname "$0")/.."
target=${target:-$PWD/target}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}
# build.rs puts the same name into the library: while the major version is 0, the ABI may change with the minor one.
soversion=$major
[ "$major" != 0 ] || soversion=0.$minor
real=liblucet.so.$version

# within DIR: as a path below the prefix, which is what the package files need to stay movable.
within() {
  case $1 in
  /*) realpath -ms --relative-to="$prefix" -- "$1" ;;
  *) printf '%s\n' "${1%/}" ;;
  esac
}
libdir=$(within "$libdir") includedir=$(within "$includedir") bindir=$(within "$bindir") docdir=$(within "$docdir")

# put MODE SOURCE NAME: one file, NAME being relative to the prefix.
put() {
  file=$destdir$prefix/$3
  [ -e "$2" ] || fail "$2 does not exist: run make build first"
  if ! cmp -s -- "$2" "$file" || [ -h "$file" ]; then
    mkdir -p -- "${file%/*}"
    # To a name of its own first: a program that runs the old library keeps it whole.
    install -m "$1" -- "$2" "$file.new"
    mv -f -- "$file.new" "$file"
  fi
  printf '%s\n' "$prefix/$3"
}

# link TO NAME
link() {
  file=$destdir$prefix/$2
  if [ "$(readlink -- "$file" || true)" != "$1" ]; then
    mkdir -p -- "${file%/*}"
    ln -sfn -- "$1" "$file"
  fi
  printf '%s\n' "$prefix/$2"
}

# render TEMPLATE NAME: a template with its @names@ filled in.
render() {
  directory=/prefix/${2%/*}
  up=$(realpath -ms --relative-to="$directory" /prefix)
  sed -e "s|@VERSION@|$version|g" -e "s|@SOVERSION@|$soversion|g" -e "s|@UP@|$up|g" -e "s|@LIBDIR@|$libdir|g" \
    -e "s|@INCLUDEDIR@|$includedir|g" -e "s|@BINDIR@|$bindir|g" "$1" >"$rendered"
  put 644 "$rendered" "$2"
}

runtime() {
  put 755 "$target/release/liblucet.so" "$libdir/$real"
  link "$real" "$libdir/liblucet.so.$soversion"
}
libraries() {
  link "liblucet.so.$soversion" "$libdir/liblucet.so"
  put 644 "$target/release/liblucet.a" "$libdir/liblucet.a"
}
headers() {
  for header in $(cd include && find . -name '*.h' -o -name '*.hpp' | sort); do
    put 644 "include/$header" "$includedir/${header#./}"
  done
}
package() {
  put 644 testing/testing.c share/lucet/testing.c
  put 644 scripts/gdb.py share/lucet/gdb.py
  put 644 scripts/valgrind.supp share/lucet/valgrind.supp
  rendered=$(mktemp)
  trap 'rm -f "$rendered"' EXIT
  put 644 cmake/LucetConfig.cmake "$libdir/cmake/Lucet/LucetConfig.cmake"
  put 644 cmake/LucetModule.cmake "$libdir/cmake/Lucet/LucetModule.cmake"
  put 644 cmake/LucetNginx.cmake "$libdir/cmake/Lucet/LucetNginx.cmake"
  render cmake/LucetConfigVersion.cmake.in "$libdir/cmake/Lucet/LucetConfigVersion.cmake"
  render cmake/LucetTargets.cmake.in "$libdir/cmake/Lucet/LucetTargets.cmake"
  render cmake/lucet.pc.in "$libdir/pkgconfig/lucet.pc"
}
compiler() { put 755 "$target/tool/lucetc" "$bindir/lucetc"; }
docs() {
  for page in LICENSE $(find README.md CHANGELOG.md SECURITY.md docs -name '*.md' | sort); do
    put 644 "$page" "$docdir/$page"
  done
}

for part in $parts; do
  case $part in
  runtime | libraries | headers | package | compiler | docs) "$part" ;;
  *) fail "no such part: $part" ;;
  esac
done
