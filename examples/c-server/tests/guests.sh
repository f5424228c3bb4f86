# guests.sh: tests of the guests: that they work, that a hostile one costs its own request and nothing else, and that no
# request sees anything of another. Sourced by test.sh.

guests_work() {
  is 'sha256 of nothing' e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "$(body_of GET /sha256)"
  local size
  for size in 1 55 56 63 64 65 16383 16384 16385; do
    head -c "$size" "$build/random" >"$run/part"
    is "sha256 of $size bytes" "$(sha256sum <"$run/part" | cut -d' ' -f1)" "$(body_of POST /sha256 -d "$run/part")"
  done
  is 'json' '{"a":[1,{"b":"\u00e9"}]}' "$(printf ' {"a" : [1 ,\n{"b":"\\u00e9"}] } ' | body_of POST '/json?minify' -d -)"
  is 'json, indented twice is the same' "$(printf '[{"a":{}},[1,2]]' | body_of POST /json -d - | sha256sum)" \
    "$(printf '[{"a":{}},[1,2]]' | body_of POST /json -d - | body_of POST /json -d - | sha256sum)"
  is 'json, 400' 'not JSON: at byte 3, expected a value' "$(printf '[1,]' | body_of POST /json -d -)"
  is 'json, deep nesting' 400 "$(printf '[%.0s' {1..5000} | status_of POST /json -d -)"
  is 'wasi' 'hello from main(): the mean of ten squares is 28.5' "$(body_of GET /wasi)"
  is 'wasi: a filter' '2 lines, 4 words, 15 bytes' "$(printf 'a bb\nccc  dddd\n' | body_of POST /count -d -)"
  is 'wasi: a large body' "$(wc -c <"$build/random") bytes" "$(body_of POST /count -d "$build/random" | cut -d' ' -f5-)"
  is 'wasi: an exit status' 500 "$(printf '!' | status_of POST /count -d -)"
  has 'wasi: why' "why=\"exit status 3\"" "$(tail -1 "$run/access.log")"
  has 'wasi: standard error' 'guest /count: stderr: wasi_count: I do not count this' "$(tail -1 "$server_log")"
  has 'hello says what it sends' 'Content-Type: text/plain' "$(request GET /hello -i)"
  is 'header longer than a guest takes' 400 "$(status_of GET /hello -H "X-Name: $(printf 'n%.0s' {1..100})")"
  has 'echo sees the headers' '^X-Test: a  b$' "$(body_of GET /echo -H 'X-Test:   a  b  ')"
  has 'response splitting is refused' '^refused$' "$(request GET /headers -i)"
  is 'no forged header' '' "$(request GET /headers -i | grep -i evil)"
  is 'no forged log line' '' "$(grep '^forged' "$server_log")"
  is 'one callback' 'called back once' "$(body_of GET /callback/once)"
}

# hostile PATH REGEX: a 500 with its reason in the log, and then a good response from the same process.
hostile() {
  is "$1: 500" 500 "$(status_of GET "$1")"
  has "$1: why" "$2" "$(grep -F "\"GET $1\" 500" "$run/access.log" | tail -1 | sed -n 's/.* why=//p')"
  is "$1: then a good request" 'hello, world' "$(body_of GET /hello)"
}

guests_attack() {
  local function range bad=0
  hostile /oob memory
  hostile /recurse stack
  hostile /divzero divi
  hostile /unreachable unreachable
  hostile /bomb memory
  hostile /callback/x 'depth|nest|deep'
  hostile /flood 'returned 100'
  for function in $(seq 0 23); do
    for range in 0 1 2 3; do
      [ "$(status_of GET "/badptr/$function/$range")" = 500 ] || { bad=$((bad + 1)); say "      /badptr/$function/$range"; }
    done
  done
  is 'bad pointers: 96 times 500' 0 "$bad"
  is 'bad pointers: 96 times the same reason' 96 "$(grep -c '/badptr/.* 500 .*why=".*argument' "$run/access.log")"
  is 'the log has one line for each request' "$(stat server.requests)" "$(($(wc -l <"$run/access.log") - 1))"
}

guests_mixed() {
  local pid i
  for i in 1 2 3 4; do load /oob 200 2 >"$run/load.$i" & done
  load /recurse 200 2 >"$run/load.5" &
  is 'good requests among hostile ones' '200 1000' "$(load /hello 1000 4)"
  for pid in $(jobs -p); do [ "$pid" = "$server_pid" ] || wait "$pid"; done
  is 'the hostile ones all got a 500' '500 200' "$(sort -u "$run"/load.* | xargs)"
}

guests_leave_nothing() {
  local before created
  before=$(stat region.created)
  is '1000 requests' '200 1000' "$(load /hello 1000 8)"
  created=$(stat region.created)
  is '1000 instances' 1000 "$((created - before))"
  is 'no slot is in use' 0 "$(stat region.live)"
  is 'all were released' "$created" "$(stat region.released)"
  is 'every instance was one run' "$created" "$(stat guests.runs)"
  # bash adds up what one snapshot says.
  body_of GET /-/stats.txt >"$run/stats"
  is 'statuses add up to requests' "$(sed -n 's/^server.requests //p' "$run/stats")" \
    "$(awk '/^server.status_/ { n += $2 } END { print n }' "$run/stats")"
  is 'runs are returned, trapped or terminated' "$(sed -n 's/^guests.runs //p' "$run/stats")" \
    "$(awk '/^guest\/.*\.(returned|trapped|terminated|aborted) / { n += $2 } END { print n }' "$run/stats")"
  is 'the region counts the same traps' "$(sed -n 's/^region.trapped //p' "$run/stats")" \
    "$(awk '/^guest\/.*\.trapped / { n += $2 } END { print n }' "$run/stats")"
  has 'stats are JSON' '^  "region": \{$' "$(body_of GET /-/stats | body_of POST /json -d -)"
  is 'stats are read only' 405 "$(status_of POST /-/stats)"
}

guest_tests() {
  fresh_server
  local pid=$server_pid
  guests_work
  guests_attack
  guests_mixed
  guests_leave_nothing
  is 'the process is the one that was started' "$pid" "$server_pid"
  end_server 'guests'
}
