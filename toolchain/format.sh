#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Formats every C file with clang-format, or with --check says which need it.
set -eu

cd "$(dirname "$0")/.."
if ! command -v clang-format >/dev/null; then
  echo "SKIP: no clang-format"
  exit 77
fi

files=$(find include common win32 posix tests examples bench \
  \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
# shellcheck disable=SC2086  # file names without spaces
case ${1-} in
  --check) clang-format --dry-run -Werror $files ;;
  '') clang-format -i $files ;;
  *) echo "usage: format.sh [--check]" >&2; exit 2 ;;
esac
