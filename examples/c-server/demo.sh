#!/usr/bin/env bash
# demo.sh [BUILD DIRECTORY]: builds the server against the Lucet in $LUCET_PREFIX, sends a request to every guest, the
# hostile ones too, and prints what came back. The last line is "demo: ok" if all of it was as expected.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

build_server "$(realpath -m "${1:-build}")"
run=$build/demo
rm -rf "$run"
mkdir -p "$run"
cp "$here/server.conf" "$run/server.conf"
ln -s ../guests "$run/guests"
start_server "$run/server.conf" || die "the server does not start"
failures=0

# expect STATUS REGEX GUEST METHOD TARGET [OPTION...]: REGEX must match the body, or for a failed guest the reason.
expect() {
  local status=$1 regex=$2 guest=$3 method=$4 target=$5 verdict='' first got micros why
  shift 5
  if ! "$client" "$port" request "$method" "$target" "$@" >"$run/response"; then
    first='--- 0'
  else
    first=$(head -1 "$run/response")
  fi
  got=${first% *} micros=${first#* }
  why=$(tail -1 "$run/access.log" | sed -n 's/.* why="\(.*\)"$/\1/p')
  if [ "$got" != "$status" ]; then
    verdict="  <- expected $status"
  elif [ "$status" = 500 ] || [ "$status" = 504 ]; then
    grep -Eq "$regex" <<<"$why" || verdict="  <- expected /$regex/"
  else
    tail -n +2 "$run/response" | grep -Eq "$regex" || verdict="  <- expected /$regex/ in the body"
  fi
  [ -z "$verdict" ] || failures=$((failures + 1))
  printf '%-12s %-34s %-6s %8s  %s%s\n' "$guest" "$method $target" "$got" "$micros" "$(cut -c1-100 <<<"${why:-$(body_line)}")" "$verdict"
}

body_line() { sed -n 2p "$run/response" | tr -d '\r' | cut -c1-60; }

head -c 100000 /dev/zero | tr '\0' 'x' >"$run/big"
printf '{"name":"lucet","list":[1,2.5e3,true,null],"nested":{"empty":{},"text":"\\u00e9 \\n"}}' >"$run/good.json"
printf '{"name": oops}' >"$run/bad.json"
sum=$(sha256sum <"$run/big" | cut -d' ' -f1)

printf '%-12s %-34s %-6s %8s  %s\n' guest request status us 'why, or the first line of the body'
expect 200 '^hello, world$' hello GET /hello
expect 200 '^hello, demo$' hello GET '/hello?with=header' -H 'X-Name: demo'
expect 200 '^GET /echo/some/path\?q=1$' echo GET '/echo/some/path?q=1'
expect 200 '^x{1000}' echo POST /echo -H 'X-Only-Body: yes' -d "$run/big"
expect 200 "^$sum\$" sha256 POST /sha256 -d "$run/big"
expect 200 '^  "list": \[$' json POST /json -d "$run/good.json"
expect 200 '^\{"name":"lucet","list":\[1,2.5e3,true,null\],' json POST '/json?minify' -d "$run/good.json"
expect 400 '^not JSON: at byte 9, expected a value$' json POST /json -d "$run/bad.json"
expect 200 '^hello from main\(\): the mean of ten squares is 28.5$' wasi_hello GET /wasi
expect 200 '^called back once$' callback GET /callback/once
expect 200 '^awake$' script GET '/script?rest=50&say=awake'
expect 200 '^refused$' headers GET /headers
expect 504 'CPU' spin GET /spin
expect 504 'CPU' spin_start GET /start
expect 504 'callback' spin_callback GET /called
expect 500 'memory' oob GET /oob
expect 500 'stack' recurse GET /recurse
expect 500 'divi' divzero GET /divzero
expect 500 'unreachable' unreachable GET /unreachable
expect 500 'memory' bomb GET /bomb
expect 500 'depth|nest|deep' callback GET /callback/for/ever
expect 500 'returned 100' flood GET /flood
for function in $(seq 0 23); do
  expect 500 'argument' badptr GET "/badptr/$function/$((function % 4))"
done
expect 413 '^413 ' hello POST /hello -d "$run/big"
expect 404 '^404 ' - GET /nothing
expect 200 '^hello, world$' hello GET /hello
expect 200 '"live": 0' - GET /-/stats

stop_server || { say "the server ended with $?"; failures=$((failures + 1)); }
say "server: $(tail -1 "$server_log")"
if [ "$failures" -gt 0 ]; then
  say "demo: $failures unexpected results"
  exit 1
fi
say "demo: ok"
