#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the tests with line counters, natively and under Wine, and prints how
# much of the library's source they reach, file by file: lines, and branches
# that were taken each way. The aim for common/ is 95 % of the lines and 85 % of
# the branches: the status says whether it is met natively. Under Wine there is
# one engine, and nothing of common/ that only others need is reached.
#
#   coverage.sh [linux] [mingw64]
#
# The annotated sources are left in build/coverage-<preset>/gcov, and a list of
# the lines that were not run in build/coverage-<preset>/not-run.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd -P)
if [ $# -eq 0 ]; then set -- linux mingw64; fi
sh toolchain/deps.sh test

# As text, for the numbers, and as annotated sources.
count_lines() {
  rm -rf "$build/gcov"
  mkdir "$build/gcov"
  (
    cd "$build/gcov"
    find "$build/CMakeFiles/ovio_testing.dir" -name '*.gcda' \
      -exec $gcov -b -p -s "$root" -r {} + 2>/dev/null | tr -d '\r'
    grep -H '^ *#####:' common#*.c.gcov "$side"#*.c.gcov |
      sed 's/#/\//; s/\.gcov: *#####: */:/' >"$build/not-run" || true
  )
}

status=0
for preset in "$@"; do
  build=$root/build/coverage-$preset
  gcov=gcov side=posix
  if [ "$preset" = mingw64 ]; then
    gcov=x86_64-w64-mingw32-gcov side=win32
    sh toolchain/cmocka-mingw.sh x86_64-w64-mingw32
    sh toolchain/wine.sh --start
  fi
  cmake --preset "$preset" -B "$build" -DOVIO_COVERAGE=ON -DOVIO_WERROR=OFF \
    -DCMAKE_BUILD_TYPE=Debug >/dev/null
  cmake --build "$build" >/dev/null
  find "$build" -name '*.gcda' -exec rm {} +
  ctest --test-dir "$build" -j2 --output-on-failure | tail -n 3
  count_lines | awk -v preset="$preset" -f toolchain/coverage.awk || status=1
done
exit $status
