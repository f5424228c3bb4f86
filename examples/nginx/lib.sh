# lib.sh: what demo.sh and test.sh share: finding nginx and building the module. Sourced by bash, not run. Needs LUCET_PREFIX, where Lucet
# is installed, and sets $nginx and $build.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need_nginx: false, and a line that says why, where there is no nginx or not what modules are built from.
need_nginx() {
  nginx=$(command -v nginx || echo /usr/sbin/nginx)
  if [ ! -x "$nginx" ]; then
    say "there is no nginx here (Debian's package nginx)"
  elif [ ! -e "${NGINX_SOURCE_DIR:-/usr/share/nginx/src}/src/core/nginx.h" ]; then
    say "there is nothing to build modules for nginx from (Debian's package nginx-dev, or NGINX_SOURCE_DIR)"
  elif ! command -v python3 >/dev/null; then
    say "there is no python3 here"
  else
    return 0
  fi
  return 1
}

# build_module DIRECTORY: the module and the guests.
build_module() {
  build=$1
  [ -n "${LUCET_PREFIX:-}" ] || die "LUCET_PREFIX is not set: where is Lucet installed?"
  mkdir -p "$build"
  if ! {
    cmake -S "$here" -B "$build" -DCMAKE_PREFIX_PATH="$LUCET_PREFIX" ${NGINX_SOURCE_DIR:+-DNGINX_SOURCE_DIR="$NGINX_SOURCE_DIR"} &&
      cmake --build "$build" --parallel 2
  } >"$build/build.log" 2>&1; then
    tail -30 "$build/build.log" >&2
    die "the build failed; all of it is in $build/build.log"
  fi
}
