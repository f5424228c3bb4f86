# http.sh: tests of the protocol: what is accepted, what is refused, and that the next request is not mistaken for a part
# of this one. Sourced by test.sh.

# statuses INPUT [OPTION...]: the status codes of all responses to these bytes.
statuses() { local input=$1; shift; printf "$input" | raw "$@" | codes; }
codes() { grep -ao 'HTTP/1\.1 [1-5][0-9][0-9] ' | cut -d' ' -f2 | xargs; }

H='Host: x\r\n'

http_accepts() {
  is 'GET' 200 "$(statuses "GET /hello HTTP/1.1\r\n$H\r\n")"
  is 'byte by byte' 200 "$(statuses "GET /hello HTTP/1.1\r\n$H\r\n" -1)"
  is 'keep-alive: the connection stays open' '200 200 200' \
    "$(statuses "GET /hello HTTP/1.1\r\n$H\r\nGET /hello HTTP/1.1\r\n$H\r\nGET /hello HTTP/1.1\r\n${H}Connection: close\r\n\r\n" -o)"
  is 'pipelining, byte by byte, with bodies' '200 404 200' \
    "$(statuses "POST /echo HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\nhelloGET /no HTTP/1.1\r\n$H\r\nGET /hello HTTP/1.1\r\n$H\r\n" -1)"
  is 'nothing after Connection: close' 200 \
    "$(statuses "GET /hello HTTP/1.1\r\n${H}Connection: foo, Close\r\n\r\nGET /hello HTTP/1.1\r\n$H\r\n" -o)"
  is 'HTTP/1.0 closes' 200 "$(statuses 'GET /hello HTTP/1.0\r\n\r\n' -o)"
  is 'HTTP/1.0 keep-alive' '200 200' \
    "$(statuses 'GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n' -o)"
  is 'empty lines before a request' 200 "$(statuses "\r\n\r\nGET /hello HTTP/1.1\r\n$H\r\n")"
  is 'HEAD: a length and no body' 'Content-Length: 13|' \
    "$(printf "HEAD /hello HTTP/1.1\r\n$H\r\n" | raw | sed -n 's/^Content-Length.*/&|/p;/^$/,$p' | tr -d '\n')"
  is 'Expect: 100-continue' '100 200' \
    "$( (printf "POST /echo HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"; sleep 0.3; printf hi) |
      "$here/tests/pipe.sh" "$port" | codes)"
}

http_chunks() {
  local head="POST /echo HTTP/1.1\r\n${H}X-Only-Body: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
  is 'chunks' 'hello, world' "$(printf "${head}5;a=b\r\nhello\r\n7\r\n, world\r\n0\r\nTrailer: x\r\n\r\n" | raw | tail -1)"
  is 'chunks byte by byte, then another request' '200 200' \
    "$(statuses "${head}5\r\nhello\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n$H\r\n" -1)"
  is 'chunk size is no number' 400 "$(statuses "${head}xyz\r\n")"
  is 'chunk size is empty' 400 "$(statuses "${head}\r\n\r\n")"
  is 'chunk size with a sign' 400 "$(statuses "${head}-5\r\nhello\r\n0\r\n\r\n")"
  is 'chunk longer than it says' 400 "$(statuses "${head}3\r\nhello\r\n0\r\n\r\n")"
  is 'chunk size ends in LF only' 400 "$(statuses "${head}5\nhello\r\n0\r\n\r\n")"
  is 'chunk size beyond 64 bits' 413 "$(statuses "${head}fffffffffffffffff\r\n")"
  is 'chunk beyond the limit' 413 "$(statuses "${head}fffffff\r\n")"
  is 'endless chunk extension' 400 "$(statuses "${head}5;$(printf 'a%.0s' {1..400})")"
}

http_refuses() {
  local case input long_header long_target many
  while IFS='|' read -r case input; do is "400: $case" 400 "$(statuses "$input")"; done <<EOT
no version|GET /hello\r\n\r\n
no target|GET  HTTP/1.1\r\n$H\r\n
no method| /hello HTTP/1.1\r\n$H\r\n
method with a bracket|G[T /hello HTTP/1.1\r\n$H\r\n
target without slash|GET hello HTTP/1.1\r\n$H\r\n
space in the target|GET /he llo HTTP/1.1\r\n$H\r\n
control character in the target|GET /he\001llo HTTP/1.1\r\n$H\r\n
no Host|GET /hello HTTP/1.1\r\n\r\n
two Hosts|GET /hello HTTP/1.1\r\n$H$H\r\n
bare LF|GET /hello HTTP/1.1\nHost: x\n\n
bare LF in a header|GET /hello HTTP/1.1\r\nHost: x\nX: y\r\n\r\n
bare CR in a header|GET /hello HTTP/1.1\r\n${H}X: a\rb\r\n\r\n
folded header|GET /hello HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n
space before the colon|GET /hello HTTP/1.1\r\n${H}X : a\r\n\r\n
header without colon|GET /hello HTTP/1.1\r\n${H}X\r\n\r\n
header without name|GET /hello HTTP/1.1\r\n${H}: a\r\n\r\n
NUL in a header|GET /hello HTTP/1.1\r\n${H}X: a\000b\r\n\r\n
length is no number|POST /echo HTTP/1.1\r\n${H}Content-Length: 5x\r\n\r\nhello
length is negative|POST /echo HTTP/1.1\r\n${H}Content-Length: -5\r\n\r\nhello
length is empty|POST /echo HTTP/1.1\r\n${H}Content-Length:\r\n\r\nhello
two lengths|POST /echo HTTP/1.1\r\n${H}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello
a list of lengths|POST /echo HTTP/1.1\r\n${H}Content-Length: 5, 5\r\n\r\nhello
length and chunks|POST /echo HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
chunks twice|POST /echo HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
chunks in HTTP/1.0|POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
binary noise|\001\002\003\377\r\n\r\n
EOT
  long_header=$(printf 'a%.0s' {1..17000}) long_target=$(printf 'a%.0s' {1..9000})
  many=$(for i in {1..120}; do printf 'X%d: y\\r\\n' "$i"; done)
  is '431: a head without end' 431 "$(statuses "GET /hello HTTP/1.1\r\n${H}X: $long_header")"
  is '431: a head too long' 431 "$(statuses "GET /hello HTTP/1.1\r\n${H}X: $long_header\r\n\r\n")"
  is '431: too many headers' 431 "$(statuses "GET /hello HTTP/1.1\r\n$H$many\r\n")"
  is '414: target too long' 414 "$(statuses "GET /$long_target HTTP/1.1\r\n$H\r\n")"
  is '413: a length beyond 64 bits' 413 \
    "$(statuses "POST /echo HTTP/1.1\r\n${H}Content-Length: 99999999999999999999999\r\n\r\n")"
  is '417: unknown expectation' 417 "$(statuses "GET /hello HTTP/1.1\r\n${H}Expect: miracles\r\n\r\n")"
  is '501: unknown transfer encoding' 501 "$(statuses "POST /echo HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n")"
  is '505: HTTP/2.0' 505 "$(statuses "GET /hello HTTP/2.0\r\n$H\r\n")"
  is 'after a refusal nothing more is taken' 400 "$(statuses "GET / HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n$H\r\n" -o)"
}

http_bodies() {
  is 'big body comes back as it was' '200 20' "$(load /echo 20 4 -d "$build/random" -e "$build/random" -H 'X-Only-Body: 1')"
  head -c 8388608 /dev/zero >"$run/limit"
  is 'body as long as the limit' 200 "$(status_of POST /sha256 -d "$run/limit")"
  is 'its sum' "$(sha256sum <"$run/limit" | cut -d' ' -f1)" "$(body_of POST /sha256 -d "$run/limit")"
  is '8 MiB there and back' "$(sha256sum <"$run/limit")" \
    "$(body_of POST /echo -H 'X-Only-Body: 1' -d "$run/limit" | sha256sum)"
  printf x >>"$run/limit"
  is '413: one byte beyond the limit' 413 "$(status_of POST /echo -d "$run/limit")"
  is '413: a route without bodies' 413 "$(printf x | status_of POST /hello -d -)"
}

http_tests() {
  has 'the parser, with damaged requests' ' were accepted$' "$("$build/http_fuzz" 200000 1 2>&1)"
  fresh_server
  http_accepts
  http_chunks
  http_refuses
  http_bodies
  is 'all connections are closed' 1 "$(stat server.open)"
  end_server 'http'
}
