#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The library exports the functions that the header declares, all of them and
# nothing else, so that no name of its own clashes with a program's; and a
# shared ELF one has the right soname.
#
#   symbols.sh ovio.h LIBRARY [SONAME]
set -eu

header=$1 library=$2 soname=${3-}

# What stands before the first "(" of an OVIO_API declaration.
declared() {
  grep -v '^[[:space:]]*#' "$header" | tr '\n' ' ' |
    grep -o 'OVIO_API [a-z_][^;(]*(' | sed 's/.*[ *]\([a-z0-9_]*\)($/\1/' |
    sort -u
}

exported() {
  case $library in
    *.dll)
      # The names follow the heading, each with its address in brackets.
      objdump -p "$library" |
        sed -n '/^\[Ordinal\/Name Pointer\] Table/,/^$/s/^.*[] ]\([A-Za-z_][A-Za-z0-9_]*\)$/\1/p'
      ;;
    *.a) nm -g --defined-only "$library" | awk 'NF == 3 { print $3 }' ;;
    *) nm -D --defined-only "$library" | awk '{ print $NF }' ;;
  esac | grep -v '^Table$' | sort -u
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
declared >"$work/declared"
exported >"$work/exported"
if ! [ -s "$work/declared" ]; then
  echo "no OVIO_API declarations in $header" >&2
  exit 1
fi
if ! diff "$work/declared" "$work/exported" >"$work/diff"; then
  echo "declared in ovio.h (<) against exported from $library (>):" >&2
  cat "$work/diff" >&2
  exit 1
fi

case $library in
  *.so*)
    if ! objdump -p "$library" | grep -q "SONAME *$soname\$"; then
      echo "$library: the soname is not $soname" >&2
      exit 1
    fi
    ;;
esac
echo "$(wc -l <"$work/exported") functions exported"
