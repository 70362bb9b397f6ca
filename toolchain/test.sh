#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what is missing, builds every preset and runs all tests: natively,
# under the sanitizers, under Wine; then each fuzz target for a minute.
#
#   test.sh [PRESET...]       `fuzz`: the fuzz targets
#   test.sh --long            then toolchain/long.sh, too: hours
#
# OVIO_TEST_FUZZ=SECONDS: so long for each target; 0: not at all.
#
# The last line is "N passed, N failed, N skipped": cmocka's test cases, and
# one for each other check. The status says whether anything failed.
set -eu

cd "$(dirname "$0")/.."
long=no
if [ "${1-}" = --long ]; then
  long=yes
  shift
fi
if [ $# -eq 0 ]; then
  set -- linux linux-clang linux-asan linux-tsan linux-portable mingw64 mingw32 fuzz
fi

sh toolchain/deps.sh test

passed=0 failed=0 skipped=0
total=$# number=0
begun=$(date +%s)
mkdir -p build
: >build/test-summary

# A server that runs already is someone else's: it is left running.
stop_wine=:
trap '$stop_wine' EXIT
trap 'exit 1' HUP INT TERM
case " $* " in
  *' mingw64 '*)
    sh toolchain/cmocka-mingw.sh x86_64-w64-mingw32
    sh toolchain/wine.sh --running || stop_wine='sh toolchain/wine.sh --stop'
    sh toolchain/wine.sh --start
    ;;
esac
case " $* " in
  *' mingw32 '*) sh toolchain/cmocka-mingw.sh i686-w64-mingw32 ;;
esac

say() {
  echo "[$number/$total] $preset: $* ($(($(date +%s) - begun)) s)"
}

# quietly LOG COMMAND...: the log is shown only if the command fails.
quietly() {
  log=$1
  shift
  if "$@" >"$log" 2>&1; then return 0; fi
  cat "$log"
  return 1
}

count_failure() {
  failed=$((failed + 1))
  say "$1 FAILED"
  echo "  $preset: $1 failed" >>build/test-summary
}

test_preset() {
  say configure
  quietly "build/log-$preset" cmake --preset "$preset" ||
    { count_failure configure; return; }
  say build
  quietly "build/log-$preset" cmake --build --preset "$preset" -- --quiet ||
    { count_failure build; return; }
  if [ "$preset" = mingw32 ]; then
    say "built and linked"
    passed=$((passed + 1))
    echo "  $preset: built and linked (counts as 1 passed)" >>build/test-summary
    return
  fi
  say test
  rm -f "build/$preset/Testing/Temporary/LastTest.log"
  # The log tells what failed; the status alone would not.
  ctest --preset "$preset" || true
  tally
}

tally() {
  log=build/$preset/Testing/Temporary/LastTest.log
  if ! [ -e "$log" ]; then count_failure ctest; return; fi
  awk -f toolchain/tally.awk "$log" >"build/tally-$preset"
  read -r p f s <"build/tally-$preset"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  say "$p passed, $f failed, $s skipped"
  {
    echo "  $preset: $p passed, $f failed, $s skipped"
    sed 1d "build/tally-$preset"
  } >>build/test-summary
}

# Each target counts as one check.
test_fuzz() {
  seconds=${OVIO_TEST_FUZZ-60}
  if [ "$seconds" -eq 0 ]; then
    skipped=$((skipped + 1))
    say "left out: OVIO_TEST_FUZZ is 0"
    echo "  fuzz: SKIP: OVIO_TEST_FUZZ is 0" >>build/test-summary
    return
  fi
  say "$seconds s for each target"
  sh toolchain/fuzz.sh -j "$(nproc)" "$seconds" 2>&1 | tee build/log-fuzz
  p=$(grep -c ', 0 crash(es)$' build/log-fuzz || true)
  wanted=$(ls tests/fuzz/fuzz_*.c | wc -l)
  passed=$((passed + p)) failed=$((failed + wanted - p))
  say "$p of $wanted targets without a crash"
  echo "  fuzz: $p passed, $((wanted - p)) failed" >>build/test-summary
}

for preset in "$@"; do
  number=$((number + 1))
  case $preset in
    fuzz) test_fuzz ;;
    *) test_preset ;;
  esac
done

echo
echo "By preset, with what failed and why what was skipped:"
cat build/test-summary
if [ "$long" = yes ]; then
  sh toolchain/long.sh && passed=$((passed + 1)) || failed=$((failed + 1))
fi
echo "in $(($(date +%s) - begun)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
