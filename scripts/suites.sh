#!/usr/bin/env bash
# suites.sh check|test: runs the test suites, nearly all one after the other, and counts. `make check` and `make test` call it.
#
# One line for each suite as it ends; its output goes to build/logs/SUITE.log and is shown when it failed. The last line is
# "N passed, M failed", summed over the tests of all suites, and the exit status is 0 exactly when M is 0. A suite that fails
# without saying how many of its tests did counts as one failure. VERBOSE=1 shows the output of all.
#
# It does not install tools (setup.sh) and leaves everything it makes under build/ and the cargo target directory.
set -uo pipefail
cd "$(dirname "$0")/.."
top=$PWD
target=${CARGO_TARGET_DIR:-$top/target}
logs=$top/build/logs
prefix=$top/build/prefix
# Longer than any suite takes: only one that hangs is stopped.
limit=${SUITE_LIMIT:-1500}
mkdir -p "$logs"
# What each suite counted: a line with those that passed, failed and were skipped.
counts=$logs/counts

# libtest LOG: sums the "test result:" lines of cargo test.
libtest() {
  sed -n 's/^test result: [^.]*\. \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored.*/\1 \2 \3/p' "$1" |
    awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }'
}

# summary LOG: the last line like "name: N passed, M failed, K skipped" or "N passed, M failed".
summary() {
  local line
  line=$(grep -Eo '(^|: )[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$1" | tail -1 | tr -dc '0-9,')
  IFS=, read -r p f s <<<"$line"
  echo "${p:-0} ${f:-0} ${s:-0}"
}

# look_at_processors FILE: sets `spent` to the seconds that all suites of this shell so far have had of the processors. The shell itself must
# ask, and leaves what it is told in FILE.
look_at_processors() {
  times >"$1"
  spent=$(tail -1 "$1" | tr 'ms' '  ' | awk '{ printf "%d", 60 * ($1 + $3) + $2 + $4 }')
}

# suite KIND NAME COMMAND...: KIND says how the command counts: libtest, summary, or one (it is a single test). Exit status
# 77 of a single test means that it cannot be done here.
suite() {
  local kind=$1 name=$2 log=$logs/$2.log status=0 counted p f s started=$SECONDS before spent verdict=ok
  look_at_processors "$log"
  before=$spent
  shift 2
  if [ -n "${VERBOSE:-}" ]; then
    timeout --kill-after=10 "$limit" "$@" 2>&1 </dev/null | tee "$log"
    status=${PIPESTATUS[0]}
  else
    timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
  fi
  [ "$status" != 124 ] || echo "suites.sh: stopped after $limit seconds" >>"$log"
  case $kind in
  libtest | summary) counted=$("$kind" "$log") ;;
  one) case $status in 0) counted="1 0 0" ;; 77) counted="0 0 1" status=0 ;; *) counted="0 1 0" ;; esac ;;
  esac
  read -r p f s <<<"$counted"
  # Neither a crash after the last test nor a suite that ran nothing may pass.
  if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
  if [ "$((p + f + s))" = 0 ]; then
    f=1
    echo "suites.sh: no test was run" >>"$log"
  fi
  echo "$p $f $s" >>"$counts"
  [ "$f" = 0 ] || verdict=FAIL
  look_at_processors "$logs/$name.times"
  rm -f "$logs/$name.times"
  printf '%-4s  %-16s %6d passed %4d failed %5d skipped %6d s (%d s of the processors)\n' "$verdict" "$name" "$p" "$f" "$s" \
    $((SECONDS - started)) $((spent - before))
  if [ "$f" != 0 ] && [ -z "${VERBOSE:-}" ]; then
    grep -E -A3 '^(FAIL|---- |error|test .* FAILED)|panicked at' "$log" | head -40 | sed 's/^/      | /'
    echo '      | ...'
    tail -20 "$log" | sed 's/^/      | /'
    echo "      | all of it: $log"
  fi
}

# beside FUNCTION OTHER: runs the suites of both at the same time.
beside() {
  "$1" &
  local first=$!
  trap 'kill "$first"; exit 1' INT TERM
  "$2"
  wait "$first" || echo "0 1 0" >>"$counts"
  trap - INT TERM
}

# What cargo tests. All packages at once, also where one would do: what dependencies are built with depends on which packages are
# chosen, and building Cranelift once more takes minutes.
cargo_tests() {
  # The tests load liblucet.so itself.
  cargo build --locked --workspace --lib --bins --tests && cargo test --locked --workspace --no-fail-fast -- "$@"
}

# All but the specification's, which are a suite of their own, with a table.
cargo_tests_but_specification() { cargo_tests --skip specification; }

# Everything that is installed, as the later suites use it.
build_and_install() {
  scripts/build.sh --target-dir "$target" && rm -rf "$prefix" &&
    scripts/install.sh --prefix "$prefix" --destdir '' --target-dir "$target"
}

# Every test that a page names is there: `file::function` of a Rust test, `advisory_N_...` of one in any file, `file.c`: `function`, `function`
# of a C one. Of Rust tests also beginnings of names, with * or ... behind them. `std::` and `lucet::` are C++.
named_tests() {
  local page name file function line bad=0 count=0
  local files=()
  for page in docs/stopping.md docs/signals.md docs/original-checklist.md docs/recycling.md docs/host-functions.md; do
    while read -r name; do
      count=$((count + 1))
      case $name in
      *::*) file=${name%%::*} ;;
      *) file='*' ;;
      esac
      function=$(sed 's/^.*:://; s/\*$/[a-z_0-9]*/; s/\.\.\.$/[a-z_0-9]*/' <<<"$name")
      mapfile -t files < <(find tests src compiler/tests -path "*/$file.rs" -o -path "*/$file/main.rs")
      [ ${#files[@]} -gt 0 ] && grep -q "fn $function()" "${files[@]}" || { echo "$page: there is no $name"; bad=1; }
    done < <(grep -oE '`([a-z_]+::([a-z_0-9]+\*?|\*)|advisory_[0-9]+_[a-z_0-9]*(\*|\.\.\.)?)`' "$page" | tr -d '`' | grep -vE '^(std|lucet)::')
    while IFS= read -r line; do
      file=$(sed 's/`\([^`]*\)`.*/\1/' <<<"$line")
      [ -e "$file" ] || file=tests/c/unit/$file
      for name in $(sed 's/^[^:]*://' <<<"$line" | tr -d '`,'); do
        count=$((count + 1))
        grep -q "[ *]$name(" "$file" || { echo "$page: there is no $name in $file"; bad=1; }
      done
    done < <(grep -oE '`[a-z_/]+\.c`: `[a-z_]+`(, `[a-z_]+`)*' "$page")
  done
  echo "$count names of tests"
  [ $count -gt 100 ] && return $bad
}

syntax_of_scripts() {
  local file bad=0
  while read -r file; do
    case $(head -1 "$file") in
    *bash*) bash -n "$file" || bad=1 ;;
    '#!'*sh) sh -n "$file" || bad=1 ;;
    esac
  done < <(git ls-files '*.sh' .ci/run 2>/dev/null || find . -name '*.sh' -not -path './target/*' -not -path './build/*')
  return $bad
}

sources() {
  suite one format cargo fmt --all --check
  suite one scripts "$BASH" "$0" run syntax_of_scripts
  suite one named-tests "$BASH" "$0" run named_tests
  suite one header cargo --locked xtask header --check
  suite one layering cargo --locked xtask layering --check
  suite one states cargo --locked xtask states --check
  suite one clippy cargo clippy --locked --workspace --all-targets -- --deny warnings
}

check() {
  sources
  suite one headers tests/c/headers/matrix.sh "$top/include" "$top/build/check"
  suite one symbols "$BASH" "$0" run debug_symbols
  suite libtest cargo "$BASH" "$0" run cargo_tests
}

debug_symbols() {
  cargo build --locked --workspace --lib --tests && cargo --locked xtask symbols --check "$target/debug/liblucet.so"
}

everything() {
  sources
  suite one build "$BASH" "$0" run build_and_install
  suite one symbols cargo --locked xtask symbols --check "$target/release/liblucet.so"
  # The goals for compile bombs are the installed compiler's.
  suite libtest cargo env LUCET_BOMBS_LUCETC="$prefix/bin/lucetc" "$BASH" "$0" run cargo_tests_but_specification
  suite summary spec cargo test --locked --workspace --test spec -- --nocapture specification
  suite summary install tests/install/run.sh "$top/build/install"
  export LUCET_PREFIX=$prefix
  suite summary readme tests/readme/run.sh "$top/build/readme"
  suite summary c tests/c/run.sh "$top/build/c"
  suite summary tools tests/tools/run.sh "$top/build/tools"
  beside waiting computing
  suite one guests examples/http/guests/check-prebuilt.sh
  suite one bindings examples/http/check-bindings.sh
}

# These wait much, and the others compute: both together take little longer than the others alone.
waiting() {
  suite summary nginx examples/nginx/test.sh "$top/build/nginx"
  suite one nginx-demo examples/nginx/demo.sh "$top/build/nginx"
  suite summary c-server examples/c-server/test.sh "$top/build/c-server"
  suite one demo examples/c-server/demo.sh "$top/build/c-server"
  suite summary soak tests/soak/run.sh 15 "$top/build/soak"
}

computing() {
  suite summary programs tests/programs/run.sh "$top/build/programs"
  suite summary cpp tests/cpp/run.sh "$top/build/cpp"
}

case ${1:-} in
check | test) : >"$counts" ;;
esac
case ${1:-} in
check) check ;;
test) everything ;;
run)
  # A function above as a command of its own, for timeout.
  "$2"
  exit
  ;;
*)
  echo "usage: suites.sh check|test" >&2
  exit 2
  ;;
esac
read -r passed failed skipped < <(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$counts")
[ "$skipped" = 0 ] || echo "skipped: $skipped, by name in $logs"
echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
