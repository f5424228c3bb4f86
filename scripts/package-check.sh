#!/usr/bin/env bash
# package-check.sh: can a distribution build this? Builds with Debian's own Rust (cargo-web and rustc-web, which follow new
# versions in a stable release), without rustup on the PATH, then runs the installation tests on the result.
#
# Everything goes to build/package. It installs the packages when it runs as root and they are missing. Not part of make test:
# it builds everything once more.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset RUSTUP_TOOLCHAIN RUSTC RUSTFLAGS CARGO

if ! [ -x /usr/bin/cargo ] || ! [ -x /usr/bin/rustc ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "package-check: as root, run: apt-get update && apt-get install --yes --no-install-recommends cargo-web" >&2
    exit 2
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 -qq update || true
  apt-get -o DPkg::Lock::Timeout=300 -qq install --yes --no-install-recommends cargo-web rustc-web
fi
scripts/setup.sh rust c++ cmake pkg-config binutils
cargo --version
rustc --version
export CARGO_TARGET_DIR=$PWD/build/package/cargo
scripts/build.sh
tests/install/run.sh build/package/install
