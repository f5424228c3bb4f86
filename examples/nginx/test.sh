#!/usr/bin/env bash
# test.sh [BUILD DIRECTORY [PART OF A TEST'S NAME...]]: builds the module against the Lucet in $LUCET_PREFIX and tests it in a real nginx, from
# outside. The last line is "nginx: N passed, M failed", and how many were skipped because something is missing, behind a line for each that
# says what. Where there is no nginx it is "nginx: 0 passed, 0 failed, 1 skipped". LUCET_NO_SKIPS=1, as in CI: they count as failed.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

# SANITIZE=1: those parts, or functions, waiting, filters and hostile, with a module that the address sanitizer watches; nginx itself is as it is. Left out are tests that start nginx in their own ways.
sanitized() {
  local guests=$1/guests
  [ -e "$guests/hello.so" ] || build_module "$1"
  build=$1/asan
  shift
  [ $# -gt 0 ] || set -- functions waiting filters hostile
  mkdir -p "$build"
  ln -sfn "$guests" "$build/guests" 2>/dev/null
  {
    cmake -S "$here" -B "$build" -DCMAKE_PREFIX_PATH="$LUCET_PREFIX" -DCMAKE_MODULE_LINKER_FLAGS=-fsanitize=address \
      -DCMAKE_C_FLAGS='-fsanitize=address -fno-omit-frame-pointer' && cmake --build "$build" --target ngx_http_lucet_module
  } >"$build.log" 2>&1 || die "the build failed; see $build.log"
  rm -f "$build"/report.*
  # The guests' faults are the library's business. What the sanitizer finds ends a worker, and so the test.
  export ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:handle_sigill=0:allow_user_segv_handler=1:detect_leaks=0:log_path=$build/report
  LD_PRELOAD=$(cc -print-file-name=libasan.so) NGINX_TEST_WORK="$build/test" python3 "$here/tests/run.py" "$build" "$@"
  local status=$?
  cat "$build"/report.* 2>/dev/null && status=1
  return $status
}

if ! need_nginx; then
  if [ -n "${LUCET_NO_SKIPS:-}" ]; then
    say "nginx: 0 passed, 1 failed"
    exit 1
  fi
  say "nginx: 0 passed, 0 failed, 1 skipped"
  exit 0
fi
if [ -n "${SANITIZE:-}" ]; then
  build=$(realpath -m "${1:-build}")
  shift || true
  sanitized "$build" "$@"
  exit
fi
build_module "$(realpath -m "${1:-build}")"
shift || true
exec python3 "$here/tests/run.py" "$build" "$@"
