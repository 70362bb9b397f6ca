#!/bin/sh
# SPDX-License-Identifier: MIT
#
# House rules that a machine can check; tidy.awk has them.
#
#   tidy.sh ROOT
#
# toolchain/tidy.ratchet, if there is one, lists functions that may be longer
# than the cap, as "file function lines": they may shrink, never grow.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
cd "$1"

ratchet=toolchain/tidy.ratchet
[ -e $ratchet ] || ratchet=/dev/null

files=$(find include common win32 posix tests examples bench toolchain cmake \
  docs CMakeLists.txt README.md CHANGELOG.md CONTRIBUTING.md \
  -type f \( -name '*.[chS]' -o -name '*.sh' -o -name '*.awk' \
  -o -name '*.cmake' -o -name '*.md' -o -name '*.txt' -o -name '*.in' \) \
  2>/dev/null | grep -v -e '^toolchain/tidy' | sort)
if [ -z "$files" ]; then
  echo "tidy: nothing to look at in $1" >&2
  exit 1
fi

# The native calls: the members of each side's table.
for side in win32 posix; do
  if [ -e $side/native.h ]; then
    sed -n '/^struct native_calls {/,/^};/s/.*(\(WINAPI \|NTAPI \)\{0,1\}\*\([A-Za-z_0-9]*\))(.*/'$side' \2/p' \
      $side/native.h
  fi
done >"${TMPDIR:-/tmp}/tidy.$$"
trap 'rm -f "${TMPDIR:-/tmp}/tidy.$$"' EXIT

# shellcheck disable=SC2086  # file names without spaces
LC_ALL=C awk -f "$here/tidy.awk" ratchet=$ratchet \
  native="${TMPDIR:-/tmp}/tidy.$$" $files
