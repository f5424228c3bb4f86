#!/bin/sh
# build.sh [CARGO ARGUMENT...]: builds what is installed: liblucet.so, liblucet.a and lucetc.
#
# The one place that says which cargo profile each is built with; the Makefile and CMakeLists.txt call it. CARGO chooses the
# cargo, LUCET_BUILD_COMPILER=OFF leaves out lucetc.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
"$cargo" build --locked --release --package lucet --lib "$@"
case ${LUCET_BUILD_COMPILER:-ON} in
OFF | NO | FALSE | 0) ;;
# Its profile is without link-time optimisation, which takes minutes and compiles guests no faster.
*) "$cargo" build --locked --profile tool --package lucetc --bin lucetc "$@" ;;
esac
