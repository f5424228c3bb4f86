#!/usr/bin/env bash
# pipe.sh PORT: standard input to the server as it comes, what the server says to standard output; at most 5 seconds.
exec 3<>"/dev/tcp/127.0.0.1/$1"
timeout 5 cat <&3 &
reader=$!
cat >&3
sleep 0.3
kill "$reader" 2>/dev/null
wait "$reader" 2>/dev/null
exit 0
