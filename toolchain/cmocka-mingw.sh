#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds cmocka for mingw-w64, static, into build/cmocka/<triplet>: Debian
# has none. The source is Debian's own source package, fetched by apt from
# where this machine gets its packages; nothing of the system is changed.
#
#   cmocka-mingw.sh [TRIPLET...]     default: x86_64- and i686-w64-mingw32
set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
work=$root/build/cmocka
if [ $# -eq 0 ]; then set -- x86_64-w64-mingw32 i686-w64-mingw32; fi

# The machine's sources, each turned from binary packages into source ones,
# in both of the formats apt knows.
derive_sources() {
  rm -rf "$work/apt"
  mkdir -p "$work/apt/parts" "$work/apt/lists/partial" \
    "$work/apt/cache/archives/partial"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    case $file in
      *.list) sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" ;;
      *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" ;;
    esac >"$work/apt/parts/$(basename "$file")"
  done
}

private_apt() {
  apt-get -q -o Dir::Etc::sourcelist=/dev/null \
    -o Dir::Etc::sourceparts="$work/apt/parts" \
    -o Dir::State::lists="$work/apt/lists" \
    -o Dir::Cache="$work/apt/cache" \
    -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@" \
    </dev/null >>"$work/apt/log" 2>&1
}

fetch_source() {
  derive_sources
  # Some other source of the machine may not answer; cmocka's may still.
  private_apt update || true
  if ! (cd "$work/apt" && private_apt --download-only source cmocka); then
    cat "$work/apt/log" >&2
    echo "cmocka: no source package to be had" >&2
    exit 1
  fi
  # cmake unpacks, so that xz need not be installed. The move comes last: a
  # folder of that name is a whole one.
  rm -rf "$work/unpacked"
  mkdir "$work/unpacked"
  (cd "$work/unpacked" && cmake -E tar xf "$work"/apt/cmocka_*.orig.tar.?z)
  rm -rf "$work/source"
  mv "$work"/unpacked/cmocka-* "$work/source"
  rm -rf "$work/apt" "$work/unpacked"
}

build() {
  cmake -S "$work/source" -B "$work/build-$1" -G Ninja -Wno-dev \
    --toolchain "$root/toolchain/$1.cmake" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DWITH_STATIC_LIB=ON \
    -DUNIT_TESTING=OFF -DWITH_EXAMPLES=OFF \
    -DCMAKE_INSTALL_PREFIX="$work/new-$1" &&
    cmake --build "$work/build-$1" &&
    cmake --install "$work/build-$1"
}

quietly() {
  if ! "$@" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
  fi
}

for triplet in "$@"; do
  if [ -e "$work/$triplet/include/cmocka.h" ]; then continue; fi
  mkdir -p "$work"
  echo "cmocka: building for $triplet"
  if [ ! -d "$work/source" ]; then fetch_source; fi
  quietly build "$triplet"
  # Only the static library is kept, so that no test needs a DLL beside it.
  rm -rf "${work:?}/$triplet" "$work/build-$triplet"
  rm -f "$work/new-$triplet"/lib/*.dll.a "$work/new-$triplet"/bin/*.dll
  mv "$work/new-$triplet" "$work/$triplet"
done
