#!/usr/bin/env bash
# Says whether guest/lucet_http_imports.h is what the lucetc in $LUCET_PREFIX makes of lucet_http.wit. Exit 0: it is; 1: not. With `write`: writes
# it.
set -euo pipefail
cd "$(dirname "$0")"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${LUCET_PREFIX:?where is Lucet installed?}/bin/lucetc" --bindings lucet_http.wit --emit guest-header -o "$fresh/lucet_http_imports.h"
if [ "${1:-}" = write ]; then
  cp "$fresh/lucet_http_imports.h" guest/
elif diff guest/lucet_http_imports.h "$fresh/lucet_http_imports.h"; then
  echo "check-bindings: the guests' header is that of the bindings"
else
  echo "check-bindings: run examples/http/check-bindings.sh write and commit the result"
  exit 1
fi
