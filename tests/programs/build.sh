# shellcheck shell=bash disable=SC2034 # what is set is read by those who source this
# build.sh: how the whole programs are built: where their sources come from, which files and flags each has, as a native
# program and as a guest. Sourced by run.sh here, which compares the two, and by bench/programs/build.sh, which times them.
#
# Whoever sources it sets `build`, the directory that everything is written to. Functions answer with their status and
# print nothing but what compilers print; when one of the first two fails `problem` says why. Not here: running anything,
# Lucet, and deciding what is new enough to be kept (`fresh` only answers).
programs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clang=${LUCET_GUEST_CC:-clang-16}
builtins=${LUCET_WASI_BUILTINS:-/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a}
: "${build:?}"

# Whether guests can be compiled here.
have_guest_tools() {
  problem="there is no $clang"
  command -v "$clang" >/dev/null || return 1
  problem="there is no wasm-ld"
  linker=$(command -v wasm-ld-16 || command -v wasm-ld) || return 1
  problem="there is no wasi-libc"
  [ -e /usr/lib/wasm32-wasi/libc.a ] || return 1
  problem="there is no $builtins"
  [ -e "$builtins" ]
}

# Fetches the crates that hold the sources, unless they are in BUILD/vendor; BUILD/log has what cargo says.
fetch_sources() {
  vendor=$build/vendor
  if [ ! -e "$vendor/complete" ] || [ "$programs/sources/Cargo.lock" -nt "$vendor/complete" ]; then
    problem="the sources cannot be fetched"
    cargo vendor --quiet --locked --versioned-dirs --manifest-path "$programs/sources/Cargo.toml" "$vendor" >"$build/log" 2>&1 ||
      return 1
    touch "$vendor/complete"
  fi
  sqlite=$(echo "$vendor"/libsqlite3-sys-*/sqlite3)
  zlib=$(echo "$vendor"/libz-sys-*/src/zlib)
  lua=$(echo "$vendor"/lua-src-*/lua-5.4.*)
  zstd=$(echo "$vendor"/zstd-sys-*/zstd/lib)
  quickjs=$(echo "$vendor"/rquickjs-sys-*/quickjs)
}

# sources NAME: its C files, and flags that both compilers get. Double is the widest float, as in WebAssembly's own code.
sources() {
  case $1 in
  sqlite)
    files=("$sqlite/sqlite3.c" "$programs/src/sqlite_main.c" "$programs/src/sqlite_vfs.c")
    flags=(-I"$sqlite" -DSQLITE_THREADSAFE=0 -DSQLITE_OS_OTHER=1 -DSQLITE_OMIT_LOAD_EXTENSION -DLONGDOUBLE_TYPE=double
      -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_STAT4 -DSQLITE_SOUNDEX -DSQLITE_TEMP_STORE=1)
    ;;
  lua)
    files=("$lua"/{lapi,lauxlib,lbaselib,lcode,lcorolib,lctype,ldebug,ldo,ldump,lfunc,lgc,llex,lmathlib,lmem,lobject}.c
      "$lua"/{lopcodes,lparser,lstate,lstring,lstrlib,ltable,ltablib,ltm,lundump,lutf8lib,lvm,lzio}.c "$programs/src/lua_main.c")
    # A fixed seed: otherwise the order of a table's keys is another in every run.
    flags=(-I"$lua" '-Dluai_makeseed(L)=42u')
    ;;
  zstd)
    files=("$zstd"/{common,compress,decompress,dictBuilder}/*.c "$programs/src/zstd_main.c")
    flags=(-I"$zstd" -DZSTD_DISABLE_ASM -DXXH_NAMESPACE=ZSTD_)
    ;;
  zlib)
    files=("$zlib"/{adler32,compress,crc32,deflate,inffast,inflate,inftrees,trees,zutil}.c "$programs/src/zlib_main.c")
    flags=(-I"$zlib")
    ;;
  quickjs)
    files=("$quickjs"/{quickjs,libregexp,libunicode,dtoa}.c "$programs/src/quickjs_main.c")
    flags=(-I"$quickjs" -D_GNU_SOURCE)
    ;;
  esac
}

# script_of NAME: what an interpreter reads; nothing for the compressors, whose input is whatever the caller likes.
script_of() {
  case $1 in
  sqlite) echo "$programs/input/queries.sql" ;;
  lua) echo "$programs/input/work.lua" ;;
  quickjs) echo "$programs/input/work.js" ;;
  esac
}

# native NAME OUT COMPILER FLAG...: the program for this machine. No contraction, which guests have not got either.
native() {
  local name=$1 out=$2
  shift 2
  sources "$name"
  "$@" -w -ffp-contract=off -I"$programs/src" "${flags[@]}" -o "$out" "${files[@]}" -lm
}

# guest NAME: BUILD/NAME.wasm.
guest() {
  local extra=() objects=() file
  sources "$1"
  if [ "$1" = lua ]; then
    files+=("$programs/src/lua_try.c")
    extra=(-I"$programs/src/wasm" -include "$programs/src/lua_try.h")
  fi
  [ "$1" != quickjs ] || extra=(-DFE_DOWNWARD=0 -DFE_UPWARD=0)
  mkdir -p "$build/$1.objects"
  (cd "$build/$1.objects" && "$clang" --target=wasm32-wasi -O2 -w -isystem /usr/include/wasm32-wasi -D_WASI_EMULATED_SIGNAL \
    -D_WASI_EMULATED_PROCESS_CLOCKS -I"$programs/src" "${flags[@]}" ${extra[@]+"${extra[@]}"} -c "${files[@]}") || return 1
  for file in "${files[@]}"; do
    file=${file##*/}
    objects+=("$build/$1.objects/${file%.c}.o")
  done
  "$linker" --strip-debug --stack-first -z stack-size=1048576 -o "$build/$1.wasm" /usr/lib/wasm32-wasi/crt1-command.o "${objects[@]}" \
    -L/usr/lib/wasm32-wasi -lwasi-emulated-signal -lwasi-emulated-process-clocks -lc "$builtins"
}

# fresh FILE [OTHER...]: whether FILE is newer than everything of ours that programs are made of, and than the others.
fresh() {
  local made=$1 file
  shift
  for file in "$programs"/build.sh "$programs"/src/*.[ch] "$programs"/src/wasm/* "$vendor/complete" "$@"; do
    [ "$made" -nt "$file" ] || return 1
  done
}
