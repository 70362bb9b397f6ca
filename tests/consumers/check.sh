#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds and runs one kind of consumer, far from the source tree.
#
#   check.sh KIND BUILD-FOLDER WORK-FOLDER [TOOLCHAIN-FILE]
#
# "install" comes first: it installs the build into WORK-FOLDER/moved.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
kind=$1 build=$2 work=$3 toolchain=${4-}
cmake=${CMAKE-cmake}
prefix=$work/moved

run() {
  if [ -n "$toolchain" ]; then
    sh "$root/toolchain/wine.sh" "$@"
  else
    "$@"
  fi
}

# cmake_consumer FOLDER [CMAKE-ARGUMENT...]
cmake_consumer() {
  folder=$1
  shift
  if [ -n "$toolchain" ]; then set -- "$@" --toolchain "$toolchain"; fi
  "$cmake" -S "$here/$folder" -B "$work/$kind" -G Ninja \
    -DCMAKE_C_COMPILER="$CC" "$@"
  "$cmake" --build "$work/$kind" --target consumer
  if [ -n "$toolchain" ]; then
    # Windows looks for a DLL beside the program.
    cp "$prefix/bin/libovio.dll" "$work/$kind"
    run "$work/$kind/consumer.exe" "$work/$kind/file"
  else
    run "$work/$kind/consumer" "$work/$kind/file"
  fi
}

# pkg_config_consumer PKG-CONFIG-ARGUMENT
pkg_config_consumer() {
  if ! command -v pkg-config >/dev/null; then
    echo "SKIP: no pkg-config"
    exit 77
  fi
  pc=$(dirname "$(find "$prefix" -name ovio.pc)")
  mkdir "$work/$kind"
  # shellcheck disable=SC2046,SC2086  # flags, to be split
  "$CC" -o "$work/$kind/consumer" "$here/consumer.c" \
    $(PKG_CONFIG_PATH=$pc pkg-config $1 --cflags --libs ovio)
  LD_LIBRARY_PATH=$(dirname "$pc") run "$work/$kind/consumer" "$work/$kind/file"
}

rm -rf "${work:?}/$kind"
mkdir -p "$work"

case $kind in
  install)
    rm -rf "$work/install" "$prefix"
    "$cmake" --install "$build" --prefix "$work/install"
    # Installed trees can be moved, and nothing in them says where they, or
    # their sources, once were. (Debug information does, and may.)
    mv "$work/install" "$prefix"
    if find "$prefix" -type f ! -name '*.a' ! -name '*.so*' ! -name '*.dll' \
      -exec grep -l -F -e "$root" -e "$work" {} + | grep .; then
      echo "these installed files name folders of the build machine" >&2
      exit 1
    fi
    ;;
  find_package)
    cmake_consumer installed -DCMAKE_PREFIX_PATH="$prefix"
    ;;
  find_package_shared)
    cmake_consumer installed -DCMAKE_PREFIX_PATH="$prefix" -DBUILD_SHARED_LIBS=ON
    ;;
  pkg_config)
    pkg_config_consumer ""
    ;;
  pkg_config_static)
    # The static library, by being the only one there.
    rm -rf "$work/static"
    cp -R "$prefix" "$work/static"
    find "$work/static" -name 'libovio.so*' -exec rm {} +
    prefix=$work/static
    pkg_config_consumer --static
    ;;
  testing)
    # A library with faults, from its sources to a program that uses them.
    if [ -n "$toolchain" ]; then set -- --toolchain "$toolchain"; else set --; fi
    "$cmake" -S "$root" -B "$work/faults" -G Ninja "$@" \
      -DCMAKE_C_COMPILER="$CC" -DOVIO_TESTING=ON -DOVIO_BUILD_EXAMPLES=OFF \
      -DOVIO_BUILD_TESTS=OFF
    "$cmake" --build "$work/faults"
    rm -rf "$prefix.faults"
    "$cmake" --install "$work/faults" --prefix "$prefix.faults"
    if find "$prefix" -name ovio_test.h | grep .; then
      echo "a library without faults has their header" >&2
      exit 1
    fi
    prefix=$prefix.faults
    cat "$prefix/include/ovio.h" "$prefix/include/ovio_test.h" \
      >"$work/faults/both.h"
    library=$(find "$prefix" -name libovio.a)
    sh "$root/toolchain/symbols.sh" "$work/faults/both.h" "$library"
    cmake_consumer faulty -DCMAKE_PREFIX_PATH="$prefix"
    ;;
  add_subdirectory)
    cmake_consumer subdirectory
    ;;
  fetch_content)
    cmake_consumer fetched -DFETCHCONTENT_SOURCE_DIR_OVIO="$root"
    ;;
  *)
    echo "check.sh: what is $kind?" >&2
    exit 2
    ;;
esac
