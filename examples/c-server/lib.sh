# lib.sh: what demo.sh and test.sh share: building, starting and stopping the server. Sourced by bash, not run.
# Needs LUCET_PREFIX, where Lucet is installed, and sets $build, $client, $server_pid and $port.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# build_server DIRECTORY: the server, the client and the guests, compiled by lucetc.
build_server() {
  build=$1
  client=$build/client
  [ -n "${LUCET_PREFIX:-}" ] || die "LUCET_PREFIX is not set: where is Lucet installed?"
  mkdir -p "$build"
  if ! { cmake -S "$here" -B "$build" -DCMAKE_PREFIX_PATH="$LUCET_PREFIX" && cmake --build "$build" --parallel 2; } \
    >"$build/build.log" 2>&1; then
    tail -30 "$build/build.log" >&2
    die "the build failed; all of it is in $build/build.log"
  fi
}

# start_server CONFIGURATION: waits until it listens. Its output goes to server.out and server.err beside the file.
start_server() {
  local directory=${1%/*}
  server_log=$directory/server.err
  rm -f "$directory/server.out" # the port of an earlier server
  "$build/lucet-server" "$1" >"$directory/server.out" 2>"$server_log" &
  server_pid=$!
  port=
  for _ in $(seq 200); do
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$directory/server.out" 2>/dev/null)
    [ -n "$port" ] && return 0
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.05
  done
  cat "$server_log" >&2
  return 1
}

# wait_server: its exit status, or 124 if it does not end within 20 seconds.
wait_server() {
  local pid=$server_pid status=0
  for _ in $(seq 400); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  server_pid=
  if kill -0 "$pid" 2>/dev/null; then
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    return 124
  fi
  wait "$pid" || status=$?
  return "$status"
}

stop_server() {
  kill -TERM "$server_pid"
  wait_server
}

# Whatever happens, no server is left behind.
server_pid=
others=() # more processes to be ended
cleanup() {
  local pid
  for pid in "${others[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  if [ -n "$server_pid" ]; then
    kill -KILL "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
  fi
}
trap cleanup EXIT
