#!/usr/bin/env bash
# test.sh [BUILD DIRECTORY [PART OF A TEST'S NAME...]]: builds the module against the Lucet in $LUCET_PREFIX and tests it in a real nginx, from
# outside. The last line is "nginx: N passed, M failed". Where there is no nginx it is "nginx: 0 passed, 0 failed, 1 skipped",
# behind a line that says what is missing.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

if ! need_nginx; then
  say "nginx: 0 passed, 0 failed, 1 skipped"
  exit 0
fi
build_module "$(realpath -m "${1:-build}")"
shift || true
exec python3 "$here/tests/run.py" "$build" "$@"
