#!/usr/bin/env bash
# demo.sh [BUILD DIRECTORY]: builds the module against the Lucet in $LUCET_PREFIX, starts an nginx of its own on a free port of loopback, and shows
# what guests do in it, hostile ones too. The last line is "nginx-demo: ok" if all of it was as expected. Exit status 77: there is no
# nginx.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

need_nginx || exit 77
build_module "$(realpath -m "${1:-build}")"
exec python3 "$here/tests/demo.py" "$build"
