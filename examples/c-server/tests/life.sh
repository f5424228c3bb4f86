# life.sh: tests of starting, reloading and stopping. Sourced by test.sh.

# until_reloads N: SIGHUP is handled when the server's counter says so.
until_reloads() {
  for _ in $(seq 400); do
    [ "$(stat server.reloads)" = "$1" ] && return 0
    sleep 0.05
  done
  return 1
}

# Replaces /hello's file in the way a careful administrator does, and asks for a reload.
become() { cp "$build/guests/$1.so" "$run/guests/new" && mv "$run/guests/new" "$run/guests/hello.so" && kill -HUP "$server_pid"; }

life_reload() {
  local old new
  is 'before the reload' 'hello, world' "$(body_of GET /hello)"
  old=$(body_of GET /-/stats | grep '"/hello"' | grep -o '"build_id": "[0-9a-f]*"')
  become sha256
  until_reloads 1 || bad 'reload' 'the counter does not move'
  is 'after the reload: new code' e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "$(body_of GET /hello)"
  new=$(body_of GET /-/stats | grep '"/hello"' | grep -o '"build_id": "[0-9a-f]*"')
  if [ -n "$old" ] && [ "$old" != "$new" ]; then ok 'the build id is another'; else bad 'the build id' "$old, $new"; fi
  kill -HUP "$server_pid"
  until_reloads 2
  has 'nothing changed: nothing replaced' 'reload: 0 guests replaced, 0 failed' "$(tail -1 "$server_log")"
  printf 'no module' >"$run/guests/hello.so"
  kill -HUP "$server_pid"
  until_reloads 3
  has 'a broken file is refused' 'reload: 0 guests replaced, 1 failed' "$(tail -1 "$server_log")"
  is 'and the old code goes on' 200 "$(status_of GET /hello)"
  rm "$run/guests/hello.so"
  kill -HUP "$server_pid"
  until_reloads 4
  is 'a missing file, too' 200 "$(status_of GET /hello)"
}

life_reload_under_load() {
  local i other
  load /hello 6000 6 >"$run/load" &
  local loader=$!
  for i in 5 6 7 8 9 10 11 12; do
    if [ $((i % 2)) = 1 ]; then other=hello; else other=sha256; fi
    become $other
    until_reloads "$i" || bad 'reload under load' "reload $i does not end"
  done
  wait "$loader"
  is 'requests during reloads: none fails' '200 6000' "$(xargs <"$run/load")"
  is 'reload under load: no slot in use' 0 "$(stat region.live)"
  mv "$run/access.log" "$run/access.old"
  kill -HUP "$server_pid"
  until_reloads 13
  status_of GET /hello >/dev/null
  has 'the access log is reopened' 'GET /hello' "$(cat "$run/access.log")"
}

# until_connections BEFORE MORE: so many more have been accepted since the counter was read, besides those that ask for it.
until_connections() {
  local asked
  for asked in $(seq 200); do
    [ "$(stat server.connections)" = $(($1 + $2 + asked)) ] && return 0
    sleep 0.02
  done
  bad 'connections' "$(stat server.connections) after $1"
}

life_drain() {
  local before slow tries
  before=$(stat server.connections)
  "$client" "$port" request POST /sha256 -i -d "$build/random" -p 2000 >"$run/inflight" &
  slow=$!
  exec 9<>"/dev/tcp/127.0.0.1/$port" # an idle connection, until all is over
  until_connections "$before" 2
  kill -TERM "$server_pid"
  for tries in $(seq 20); do
    grep -q 'cannot connect' <<<"$(request GET /hello)" && break
    sleep 0.05
  done
  has 'draining: no new connection' 'cannot connect' "$(request GET /hello)"
  wait "$slow"
  is 'draining: the request in flight is finished' "$(sha256sum <"$build/random" | cut -d' ' -f1)" "$(tail -1 "$run/inflight")"
  has 'draining: and told that it was the last' '^Connection: close' "$(cat "$run/inflight")"
  local status=0
  wait_server || status=$?
  is 'draining: exit 0, whatever idle connections do' 0 "$status"
  exec 9>&-
}

life_drain_under_load() {
  local status=0 loader
  fresh_server
  load /hello 200000 8 >"$run/load" &
  loader=$!
  sleep 0.5
  kill -TERM "$server_pid"
  wait_server || status=$?
  wait "$loader"
  is 'drain under load: exit 0' 0 "$status"
  is 'drain under load: only good responses' '' "$(grep -v -e '^200 ' -e '^broken ' "$run/load")"
}

life_timeouts() {
  fresh_server 'idle 1s'
  is 'a request that does not arrive' 408 "$(statuses 'GET /hello HTTP/1.1\r\nHo' -o)"
  is 'a body that does not arrive' 408 "$(statuses 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc' -o)"
  is 'a silent connection is closed' 'closed' "$("$client" "$port" raw -o </dev/null && say closed)"
  is 'half a request and the end' 'closed' "$(printf 'GET /hello HTTP/1.1\r\nHo' | "$client" "$port" raw && say closed)"
  end_server 'timeouts'
}

# config_error REGEX LINE...: the server refuses to start and says why, with the line's number.
config_error() {
  local regex=$1 output status=0
  shift
  printf '%s\n' "$@" >"$run/broken.conf"
  output=$(timeout 10 "$build/lucet-server" "$run/broken.conf" 2>&1) || status=$?
  if [ "$status" != 1 ]; then bad "configuration: $*" "exit status $status"; else has "configuration: $*" "$regex" "$output"; fi
}

life_configuration() {
  config_error 'broken.conf:1: "lisen" is not a setting' 'lisen 127.0.0.1:0'
  config_error 'broken.conf:2: listen: expected' 'threads 1' 'listen nowhere'
  config_error 'broken.conf:1: threads: expected a number from 1 to 64' 'threads 0'
  config_error 'broken.conf:1: route: memory: expected a size' 'route /x guests/hello.so memory=lots'
  config_error 'broken.conf:1: route: expected memory=' 'route /x guests/hello.so speed=9'
  config_error 'broken.conf:2: route: there is already one' 'route /x guests/hello.so' 'route /x guests/echo.so'
  config_error 'broken.conf:1: threads: a value is missing' 'threads'
  config_error 'there is no route' 'threads 1'
  config_error 'nothing.so' 'listen 127.0.0.1:0' 'route /x nothing.so'
  config_error 'the route allows 1024' 'listen 127.0.0.1:0' 'route /x guests/hello.so memory=1k'
}

life_tests() {
  fresh_server 'drain 60s' 'idle 60s' # longer than wait_server waits
  life_reload
  life_reload_under_load
  life_drain
  life_drain_under_load
  life_timeouts
  life_configuration
}
