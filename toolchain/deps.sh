#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that are missing, and nothing else.
#
#   deps.sh demo    what the demonstration needs: compilers, CMake, Wine
#   deps.sh test    that, and everything the tests use (the default)
#   deps.sh bench   what the benchmark needs: the first line, and the peers
#   deps.sh fuzz    what toolchain/fuzz.sh needs
#   deps.sh afl     what toolchain/afl.sh needs
#   deps.sh analyse what toolchain/analyse.sh needs
#
# When nothing is missing it says nothing and needs neither root nor network.
set -eu

demo="gcc libc6-dev cmake ninja-build liburing-dev gcc-mingw-w64-x86-64 wine64 util-linux"
test="$demo g++ clang libcmocka-dev pkg-config binutils valgrind clang-format
g++-mingw-w64-x86-64 gcc-mingw-w64-i686 libuv1-dev"
bench="$demo libuv1-dev fio gnuplot-nox valgrind strace"
fuzz="$demo clang libcmocka-dev"
afl="$demo clang afl++ libcmocka-dev"
analyse="$demo clang clang-tidy cppcheck libcmocka-dev"

# The sanitizers' runtime carries clang's version in its name.
clang_runtime() {
  apt-cache depends clang 2>/dev/null |
    sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/libclang-rt-\1-dev/p' |
    head -n 1
}

missing() {
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
      grep -q '^install ok installed' || echo "$package"
  done
}

# All three streams are taken from apt-get: debconf must not ask, and a
# service started by a package must not keep our caller's pipe open.
apt_get() {
  set -- env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
  if [ "$(id -u)" -ne 0 ]; then set -- sudo "$@"; fi
  "$@" </dev/null >>"$log" 2>&1
}

install() {
  log=$(mktemp)
  echo "deps: installing" "$@"
  # The lists on the machine may do; fetch new ones only when they do not.
  if ! apt_get install --no-install-recommends "$@"; then
    # One source of the machine that does not answer is no reason to stop.
    apt_get update || echo "deps: apt-get update failed, going on" >&2
    if ! apt_get install --no-install-recommends "$@"; then
      cat "$log" >&2
      echo "deps: could not install:" "$@" >&2
      exit 1
    fi
  fi
  rm -f "$log"
}

subset=${1-test}
case $subset in
  demo) wanted=$demo ;;
  test) wanted=$test ;;
  bench) wanted=$bench ;;
  fuzz) wanted=$fuzz ;;
  afl) wanted=$afl ;;
  analyse) wanted=$analyse ;;
  *) echo "usage: deps.sh [demo|test|bench|fuzz|afl|analyse]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2086
  echo "deps: not a Debian system, please see to these yourself:" $wanted >&2
  exit 0
fi

# shellcheck disable=SC2046,SC2086  # lists of names, to be split
set -- $(missing $wanted)
if [ $# -gt 0 ]; then install "$@"; fi

if [ "$subset" = test ] || [ "$subset" = fuzz ]; then
  # Asked only now: the package lists may have been empty before.
  # shellcheck disable=SC2046
  set -- $(missing $(clang_runtime))
  if [ $# -gt 0 ]; then install "$@"; fi
fi
