#!/usr/bin/env bash
# Says whether guests/prebuilt is what guests/build.sh makes of the sources. Exit 0: equal; 1: not; 77: cannot tell,
# the tools are missing.
set -euo pipefail
cd "$(dirname "$0")"
for tool in "${LUCET_GUEST_CC:-clang-16}" wasm-ld-16; do
  if ! command -v "$tool" >/dev/null; then
    echo "check-prebuilt: no $tool here, nothing was compared"
    exit 77
  fi
done
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
./build.sh "$fresh" >/dev/null
if diff -rq prebuilt "$fresh"; then
  echo "check-prebuilt: $(ls prebuilt | wc -l) guests are equal"
else
  echo "check-prebuilt: run guests/build.sh and commit the result"
  exit 1
fi
