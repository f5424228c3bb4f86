#!/usr/bin/env bash
# run.sh: runs the tests of recycling and of failures in a virtual machine, under settings that a test must not change on the machine it
# runs on: with swap, with huge pages everywhere, without overcommitting, and on the kernel of Debian 12.
#
#   tests/vm/run.sh [BUILD_DIR]
#
# Needs qemu-system-x86_64, busybox (static), and Debian's package archive for the kernel (scripts/setup.sh vm). The machine is emulated,
# which takes ten times as long as running; KVM=1 has the processor run it, where /dev/kvm works. The machine has no disk and no network: an initial file system with the test
# programs and what they are linked with. At the end "tests/vm: N passed, M failed", exit status 1 when M > 0.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-$PWD/build/vm}
mkdir -p "$build"
build=$(cd "$build" && pwd)

# The kernel that Debian 12 has for virtual machines: unpacked, not installed.
kernel() {
  [ -e "$build/kernel/boot" ] && return
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -1)
  (cd "$build" && rm -f linux-image-*.deb && apt-get download "$package")
  mkdir -p "$build/kernel"
  dpkg -x "$build"/linux-image-*.deb "$build/kernel"
}

# What is in the machine: programs, their libraries, a module for a disk in memory, and the script that is run.
root() {
  local root=$build/root program library
  rm -rf "$root"
  mkdir -p "$root"/{bin,proc,sys,dev,tmp,tests}
  cp "$(command -v busybox)" "$root/bin/"
  cp "$(find "$build/kernel" -name brd.ko)" "$root/"
  for program in recycling failures; do
    cargo test --locked --quiet --package lucet --test $program --no-run --message-format=json |
      sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1 | xargs -I{} cp {} "$root/tests/$program"
    # Without what a debugger needs: it is all unpacked into memory.
    strip "$root/tests/$program"
    for library in $(ldd "$root/tests/$program" | grep -o '/[^ ]*'); do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
  done
  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin RUST_BACKTRACE=0
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
insmod /brd.ko rd_nr=1 rd_size=524288 && mkswap /dev/ram0 >/dev/null && swapon /dev/ram0
uname -r
cat /proc/swaps /sys/kernel/mm/transparent_hugepage/enabled
for overcommit in 0 2; do
  echo $overcommit >/proc/sys/vm/overcommit_memory
  for program in recycling failures; do
    echo "== $program, vm.overcommit_memory=$overcommit"
    timeout 1500 /tests/$program --test-threads=2 2>&1
    echo "== exit status $?"
  done
done
poweroff -f
INIT
  chmod +x "$root/init"
  (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$build/root.gz"
}

machine() {
  local accelerate=(-accel tcg,thread=multi -cpu max)
  [ -z "${KVM:-}" ] || accelerate=(-accel kvm -cpu host)
  timeout "${LIMIT:-6000}" qemu-system-x86_64 "${accelerate[@]}" -smp 2 -m 3072 -display none -no-reboot -serial stdio -monitor none \
    -kernel "$build"/kernel/boot/vmlinuz-* -initrd "$build/root.gz" -append 'console=ttyS0 loglevel=4 panic=-1' </dev/null |
    sed -u 's/\r$//' | tee "$build/log"
}

kernel
root
machine
passed=$(sed -n 's/^test result: [^.]*\. \([0-9]*\) passed; .*/\1/p' "$build/log" | awk '{ n += $1 } END { print n + 0 }')
failed=$(sed -n 's/^test result: [^.]*\. [0-9]* passed; \([0-9]*\) failed; .*/\1/p' "$build/log" | awk '{ n += $1 } END { print n + 0 }')
# A program that ended otherwise, or was not run at all.
ended=$(grep -c '^== exit status 0' "$build/log" || true)
[ "$failed" != 0 ] || [ "$ended" = 4 ] || failed=$((4 - ended))
echo "tests/vm: $passed passed, $failed failed"
[ "$failed" = 0 ]
