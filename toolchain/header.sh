#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ovio.h alone, and with ovio_test.h, as C11 and as C++17, with every compiler there is, all
# warnings being errors.
#
#   header.sh INCLUDE-FOLDER
set -eu

include=$1
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
-Wundef -Werror"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Twice, for the include guard; and something of a caller's own.
cat >"$work/header.c" <<'END'
#include <ovio.h>
#include <ovio.h>
int64_t caller(struct ovio_file *file);
int64_t caller(struct ovio_file *file) {
  struct ovio_iovec part = {0, 0};
  return ovio_readv(file, &part, 1, OVIO_HERE);
}
END
cp "$work/header.c" "$work/header.cc"
cat >"$work/test.c" <<'END'
#include <ovio_test.h>
#include <ovio_test.h>
int caller(struct ovio_file *file);
int caller(struct ovio_file *file) {
  struct ovio_test_rule rule = {0};
  rule.size = sizeof rule;
  rule.file = file;
  return ovio_test_add(&rule);
}
END
sed 's/= {0}/{}/' "$work/test.c" >"$work/test.cc"

failed=0
seen=0

# compile COMPILER FILE FLAG...
compile() {
  compiler=$1 file=$2
  shift 2
  if ! command -v "$compiler" >/dev/null; then
    echo "SKIP: no $compiler"
    return
  fi
  seen=$((seen + 1))
  # shellcheck disable=SC2086  # flags, to be split
  if "$compiler" -fsyntax-only $warnings "$@" -I "$include" "$work/$file"; then
    echo "$compiler $*: fine"
  else
    echo "$compiler $*: refused" >&2
    failed=1
  fi
}

for cc in gcc clang x86_64-w64-mingw32-gcc i686-w64-mingw32-gcc; do
  compile $cc header.c -std=c11 -Wstrict-prototypes
  compile $cc test.c -std=c11 -Wstrict-prototypes -DOVIO_TESTING
  compile $cc header.c -std=c11 -Wstrict-prototypes -DOVIO_BUILDING_SHARED
done
for cxx in g++ clang++ x86_64-w64-mingw32-g++; do
  compile $cxx header.cc -std=c++17
  compile $cxx test.cc -std=c++17 -DOVIO_TESTING
done
if [ "$seen" -eq 0 ]; then exit 77; fi
exit $failed
