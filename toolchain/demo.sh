#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The demonstration: cross-compiles ovio and its copy program to Windows,
# copies a real tree of files with it under Wine, does the same natively, and
# compares both copies by checksum.
#
#   demo.sh [FOLDER]    default: headers, libraries and scripts of the machine
set -eu

folder=
if [ $# -gt 0 ]; then folder=$(cd "$1" && pwd -P); fi
cd "$(dirname "$0")/.."
root=$(pwd -P)
work=$root/build/demo

sh toolchain/deps.sh demo

# build NAME CMAKE-ARGUMENT...
build() {
  name=$1
  shift
  echo "demo: building for $name"
  if ! {
    cmake -S . -B "$work/$name" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
      -DOVIO_BUILD_TESTS=OFF "$@" && cmake --build "$work/$name" --target ovcp
  } >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
  fi
}

# A tree to copy. Windows takes names that differ only in case for the same
# one, so such trees are refused, and links are followed.
make_source() {
  rm -rf "$work/source"
  mkdir "$work/source"
  if [ -n "$folder" ]; then
    cp -RL "$folder" "$work/source/"
  else
    for part in /usr/x86_64-w64-mingw32/include /usr/x86_64-w64-mingw32/lib \
      /usr/share/cmake-*; do
      # One broken link more or less is no matter.
      cp -RL --parents "$part" "$work/source/" 2>/dev/null || true
    done
  fi
  clash=$(cd "$work/source" && find . | tr '[:upper:]' '[:lower:]' | sort |
    uniq -d | head -n 1)
  if [ -n "$clash" ]; then
    echo "demo: names differ only in case, Windows cannot: $clash" >&2
    exit 1
  fi
}

checksums() {
  (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# verify NAME COPY
verify() {
  checksums "$2" >"$work/copy.sha256"
  if ! cmp -s "$work/source.sha256" "$work/copy.sha256"; then
    diff "$work/source.sha256" "$work/copy.sha256" | head -n 10 >&2
    echo "demo: the copy made $1 differs" >&2
    exit 1
  fi
}

mkdir -p "$work"
build windows --toolchain "$root/toolchain/x86_64-w64-mingw32.cmake"
build linux

make_source
checksums "$work/source" >"$work/source.sha256"
files=$(wc -l <"$work/source.sha256")
size=$(du -sm "$work/source" | cut -f 1)
rm -rf "$work/copy-wine" "$work/copy-native"

# A server that runs already is someone else's: it is left running.
stop_wine=:
trap '$stop_wine' EXIT
trap 'exit 1' HUP INT TERM
if ! sh toolchain/wine.sh --running; then
  stop_wine='sh toolchain/wine.sh --stop'
  echo "demo: starting Wine"
  sh toolchain/wine.sh --start
fi

cd "$work"
echo "demo: copying $files files, $size MB, under Wine"
sh ../../toolchain/wine.sh windows/examples/ovcp.exe -r source copy-wine
echo "demo: copying the same natively"
linux/examples/ovcp -r source copy-native
cd "$root"

verify "under Wine" "$work/copy-wine"
verify "natively" "$work/copy-native"
echo "demo: $files files ($size MB) copied under Wine and natively," \
  "both copies verified by SHA-256"
