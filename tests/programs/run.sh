#!/usr/bin/env bash
# run.sh [BUILD_DIR]: whole programs, compiled from C to WebAssembly and by lucetc, must print what the same sources print
# when they are compiled natively.
#
# The programs are SQLite, Lua, zstd, zlib and QuickJS, each with a small main file in src/ and input in input/. Their
# sources are in crates that `cargo vendor` fetches (sources/Cargo.toml). Each runs compiled with and without
# optimisation. One line for each program; at the end "programs: N passed, M failed", and exit status 1 when M > 0.
#
# LUCET_PREFIX holds include/, lib/liblucet.so and bin/lucetc; without it ../../build/prefix, or else what is in target/debug.
# Exits with 77 when there is no compiler for guests, or the sources cannot be fetched. Writes to BUILD_DIR only, and uses
# again what it finds there.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${1:-$top/build/programs}
cc=${CC:-gcc}
clang=${LUCET_GUEST_CC:-clang-16}
builtins=${LUCET_WASI_BUILTINS:-/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a}
passed=0 failed=0
started=$SECONDS
mkdir -p "$build"

skip() {
  echo "programs: skipped: $1"
  exit 77
}
command -v "$clang" >/dev/null || skip "there is no $clang"
linker=$(command -v wasm-ld-16 || command -v wasm-ld) || skip "there is no wasm-ld"
[ -e /usr/lib/wasm32-wasi/libc.a ] || skip "there is no wasi-libc"
[ -e "$builtins" ] || skip "there is no $builtins"

# What a debug build has made, laid out as an installation.
stage() {
  local debug=${CARGO_TARGET_DIR:-$top/target}/debug
  prefix=$build/prefix
  mkdir -p "$prefix/bin" "$prefix/lib"
  cp "$debug/liblucet.so" "$prefix/lib/" && cp "$debug/lucetc" "$prefix/bin/" && cp -r "$top/include" "$prefix/" || return 1
  # The name that programs look for, such as liblucet.so.0.1.
  ln -sf liblucet.so "$prefix/lib/$(readelf -d "$debug/liblucet.so" | sed -n 's/.*soname: \[\(.*\)\].*/\1/p')"
}
prefix=${LUCET_PREFIX:-$top/build/prefix}
[ -x "$prefix/bin/lucetc" ] || stage || {
  echo "programs: neither LUCET_PREFIX nor build/prefix nor target/debug has lucetc and liblucet.so" >&2
  exit 2
}
lib=$prefix/lib
[ -e "$lib/liblucet.so" ] || lib=$(dirname "$(find "$prefix" -name liblucet.so | head -1)")

vendor=$build/vendor
if [ ! -e "$vendor/complete" ] || [ "$here/sources/Cargo.lock" -nt "$vendor/complete" ]; then
  cargo vendor --quiet --locked --versioned-dirs --manifest-path "$here/sources/Cargo.toml" "$vendor" >"$build/log" 2>&1 || {
    cat "$build/log"
    skip "the sources cannot be fetched"
  }
  touch "$vendor/complete"
fi
sqlite=$(echo "$vendor"/libsqlite3-sys-*/sqlite3)
zlib=$(echo "$vendor"/libz-sys-*/src/zlib)
lua=$(echo "$vendor"/lua-src-*/lua-5.4.*)
zstd=$(echo "$vendor"/zstd-sys-*/zstd/lib)
quickjs=$(echo "$vendor"/rquickjs-sys-*/quickjs)

# sources NAME: its C files, and flags that both compilers get. Double is the widest float, as in WebAssembly's own code.
sources() {
  case $1 in
  sqlite)
    files=("$sqlite/sqlite3.c" "$here/src/sqlite_main.c" "$here/src/sqlite_vfs.c")
    flags=(-I"$sqlite" -DSQLITE_THREADSAFE=0 -DSQLITE_OS_OTHER=1 -DSQLITE_OMIT_LOAD_EXTENSION -DLONGDOUBLE_TYPE=double
      -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_STAT4 -DSQLITE_SOUNDEX -DSQLITE_TEMP_STORE=1)
    ;;
  lua)
    files=("$lua"/{lapi,lauxlib,lbaselib,lcode,lcorolib,lctype,ldebug,ldo,ldump,lfunc,lgc,llex,lmathlib,lmem,lobject}.c
      "$lua"/{lopcodes,lparser,lstate,lstring,lstrlib,ltable,ltablib,ltm,lundump,lutf8lib,lvm,lzio}.c "$here/src/lua_main.c")
    # A fixed seed: otherwise the order of a table's keys is another in every run.
    flags=(-I"$lua" '-Dluai_makeseed(L)=42u')
    ;;
  zstd)
    files=("$zstd"/{common,compress,decompress,dictBuilder}/*.c "$here/src/zstd_main.c")
    flags=(-I"$zstd" -DZSTD_DISABLE_ASM -DXXH_NAMESPACE=ZSTD_)
    ;;
  zlib)
    files=("$zlib"/{adler32,compress,crc32,deflate,inffast,inflate,inftrees,trees,zutil}.c "$here/src/zlib_main.c")
    flags=(-I"$zlib")
    ;;
  quickjs)
    files=("$quickjs"/{quickjs,libregexp,libunicode,dtoa}.c "$here/src/quickjs_main.c")
    flags=(-I"$quickjs" -D_GNU_SOURCE)
    ;;
  esac
}

input_of() {
  case $1 in
  sqlite) echo "$here/input/queries.sql" ;;
  lua) echo "$here/input/work.lua" ;;
  quickjs) echo "$here/input/work.js" ;;
  *) echo "$build/input" ;;
  esac
}

# native NAME, guest NAME: build into BUILD_DIR, unless what is there is newer than the main files.
native() {
  sources "$1"
  # Fast to compile where the program's work is little.
  local level=-O0
  case $1 in z*) level=-O1 ;; esac
  "$cc" $level -w -ffp-contract=off -I"$here/src" "${flags[@]}" -o "$build/$1.native" "${files[@]}" -lm
}
guest() {
  local extra=() objects=() file
  sources "$1"
  if [ "$1" = lua ]; then
    files+=("$here/src/lua_try.c")
    extra=(-I"$here/src/wasm" -include "$here/src/lua_try.h")
  fi
  [ "$1" != quickjs ] || extra=(-DFE_DOWNWARD=0 -DFE_UPWARD=0)
  mkdir -p "$build/$1.objects"
  (cd "$build/$1.objects" && "$clang" --target=wasm32-wasi -O2 -w -isystem /usr/include/wasm32-wasi -D_WASI_EMULATED_SIGNAL \
    -D_WASI_EMULATED_PROCESS_CLOCKS -I"$here/src" "${flags[@]}" ${extra[@]+"${extra[@]}"} -c "${files[@]}") || return 1
  for file in "${files[@]}"; do
    file=${file##*/}
    objects+=("$build/$1.objects/${file%.c}.o")
  done
  "$linker" --strip-debug --stack-first -z stack-size=1048576 -o "$build/$1.wasm" /usr/lib/wasm32-wasi/crt1-command.o "${objects[@]}" \
    -L/usr/lib/wasm32-wasi -lwasi-emulated-signal -lwasi-emulated-process-clocks -lc "$builtins"
}
fresh() { # fresh FILE NAME: whether FILE is newer than everything of ours that it is made of
  local file
  for file in "$here"/run.sh "$here"/src/*.[ch] "$here"/src/wasm/* "$vendor/complete"; do
    [ "$1" -nt "$file" ] || return 1
  done
}

# compare NAME LEVEL: lucetc's output runs as the native program does.
compare() {
  local name=$1 level=$2 status expected
  "$prefix/bin/lucetc" --opt-level "$level" -o "$build/$name.$level.so" "$build/$name.wasm" || return 1
  LD_LIBRARY_PATH=$lib timeout 120 "$build/host" "$build/$name.$level.so" "$(input_of "$name")" >"$build/$name.$level.out"
  status=$?
  expected=$(cat "$build/$name.status")
  if [ "$status" != "$expected" ]; then
    echo "exit status $status, natively $expected"
    return 1
  fi
  diff "$build/$name.expected" "$build/$name.$level.out" | head -20
  return "${PIPESTATUS[0]}"
}

one() {
  local name=$1 level
  # Two compilers at a time.
  { fresh "$build/$name.native" || native "$name"; } &
  fresh "$build/$name.wasm" || guest "$name" || return 1
  wait $! || return 1
  timeout 120 "$build/$name.native" <"$(input_of "$name")" >"$build/$name.expected"
  echo $? >"$build/$name.status"
  [ "$(wc -l <"$build/$name.expected")" -ge 10 ] || { echo "the native program printed next to nothing"; return 1; }
  for level in speed none; do
    compare "$name" "$level" || { echo "compiled with --opt-level $level"; return 1; }
  done
}

warnings="-std=c11 -Wall -Wextra -pedantic -Wconversion -Wshadow -Werror"
"$cc" $warnings -O1 -D_GNU_SOURCE -I"$prefix/include" -o "$build/host" "$here/host.c" "$here/wasi.c" -L"$lib" -llucet || exit 2
# Text and machine code, as much as the compressors finish within seconds.
head -c 2000000 "$sqlite/sqlite3.c" >"$build/input.new"
head -c 500000 "$build/host" >>"$build/input.new"
mv "$build/input.new" "$build/input"

for name in ${PROGRAMS:-sqlite lua zstd zlib quickjs}; do
  since=$SECONDS
  if one "$name" >"$build/$name.log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok   %-8s %5s lines, %4s KiB of wasm, %s s\n' "$name" "$(wc -l <"$build/$name.expected")" \
      $(($(stat -c %s "$build/$name.wasm") / 1024)) $((SECONDS - since))
  else
    failed=$((failed + 1))
    echo "FAIL $name"
    tail -25 "$build/$name.log" | sed 's/^/     /'
  fi
done
echo "took $((SECONDS - started)) s"
echo "programs: $passed passed, $failed failed"
[ "$failed" = 0 ]
