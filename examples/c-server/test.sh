#!/usr/bin/env bash
# test.sh [BUILD DIRECTORY]: tests of the server from outside, over its socket. Builds it against the Lucet in
# $LUCET_PREFIX first. Prints a line for each test; the last one is "c-server: N passed, 0 failed" if all is well.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$here/tests/http.sh"
. "$here/tests/guests.sh"
. "$here/tests/waits.sh"
. "$here/tests/life.sh"

build_server "$(realpath -m "${1:-build}")"
run=$build/test
passed=0 failed=0

ok() { passed=$((passed + 1)); say "ok    $1"; }
bad() { failed=$((failed + 1)); say "FAIL  $1: $2"; }
# is NAME EXPECTED GOT
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "expected \"$2\", got \"$3\""; fi; }
# has NAME REGEX TEXT
has() { if grep -Eq -- "$2" <<<"$3"; then ok "$1"; else bad "$1" "expected /$2/, got \"$3\""; fi; }

# fresh_server [SETTING...]: a server with all guests and a directory of its own; the settings override the demo's.
fresh_server() {
  rm -rf "$run"
  mkdir -p "$run"
  cp -r "$build/guests" "$run/guests"
  { cat "$here/server.conf"; printf '%s\n' "$@"; } >"$run/server.conf"
  start_server "$run/server.conf" || die "the server does not start"
}
end_server() { # NAME
  local status=0
  stop_server || status=$?
  is "$1: exits with 0" 0 "$status"
}

request() { "$client" "$port" request "$@" 2>&1; }
status_of() { request "$@" | head -1 | cut -d' ' -f1; }
body_of() { request "$@" | tail -n +2; }
raw() { "$client" "$port" raw "$@" 2>&1 | tr -d '\r'; }
load() { "$client" "$port" load "$@" 2>&1; }
stat() { body_of GET /-/stats.txt | sed -n "s|^$1 ||p"; }

head -c 1000000 /dev/urandom >"$build/random"

prebuilt=0
"$here/../http/guests/check-prebuilt.sh" || prebuilt=$?
[ "$prebuilt" = 77 ] || is 'guests/prebuilt is what the sources give' 0 "$prebuilt"
http_tests
guest_tests
wait_tests
life_tests

say "c-server: $passed passed, $failed failed"
[ "$failed" = 0 ]
