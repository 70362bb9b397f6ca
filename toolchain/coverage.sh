#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the tests with line counters, natively and under Wine, and prints how
# much of the library's source they reach, file by file.
#
#   coverage.sh [linux] [mingw64]
#
# The annotated sources are left in build/coverage-<preset>/gcov.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd -P)
if [ $# -eq 0 ]; then set -- linux mingw64; fi
sh toolchain/deps.sh test

for preset in "$@"; do
  build=$root/build/coverage-$preset
  gcov=gcov
  if [ "$preset" = mingw64 ]; then
    gcov=x86_64-w64-mingw32-gcov
    sh toolchain/cmocka-mingw.sh x86_64-w64-mingw32
    sh toolchain/wine.sh --start
  fi
  cmake --preset "$preset" -B "$build" -DOVIO_COVERAGE=ON -DOVIO_WERROR=OFF \
    -DCMAKE_BUILD_TYPE=Debug >/dev/null
  cmake --build "$build" >/dev/null
  find "$build" -name '*.gcda' -exec rm {} +
  ctest --test-dir "$build" -j2 --output-on-failure | tail -n 3
  rm -rf "$build/gcov"
  mkdir "$build/gcov"
  (
    cd "$build/gcov"
    find "$build/CMakeFiles/ovio_testing.dir" -name '*.gcda' \
      -exec $gcov -p -s "$root" -r {} + 2>/dev/null
  ) | tr -d '\r' | awk -v preset="$preset" '
    /^File / { file = substr($2, 2, length($2) - 2) }
    /^Lines executed:/ && file ~ /^(common|win32|posix)\/.*\.c$/ {
      split($2, part, /[:%]/)
      hit = part[2] * $4 / 100
      lines[file] = $4; hits[file] = hit
      file = ""
    }
    END {
      for (file in lines) {
        printf "%6.1f %% of %4d  %s\n", 100 * hits[file] / lines[file],
          lines[file], file | "sort -k5"
        all += lines[file]; run += hits[file]
      }
      close("sort -k5")
      if (all)
        printf "%6.1f %% of %4d  lines, %s\n", 100 * run / all, all, preset
    }'
done
