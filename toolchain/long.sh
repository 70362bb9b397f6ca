#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The long form of what the tests do in short: simulations, races, faults,
# kills, soaks, fuzzing, analysis, coverage. Takes some seven hours, by far the
# most of them in the soaks.
#
#   long.sh [PERCENT]    so much of it: 1 is to see that it works
#
# Expects builds of the presets linux, linux-asan, linux-tsan and mingw64, and a
# running Wine, as test.sh leaves them; `test.sh --long` runs both. A line for
# each step; the last one is "N steps passed, N failed". Logs: build/long.
set -eu

cd "$(dirname "$0")/.."
percent=${1-100}
logs=build/long
mkdir -p "$logs"
passed=0 failed=0 number=0
begun=$(date +%s)

part() {
  echo $((($1 * percent + 99) / 100))
}

# step NAME COMMAND...: its last line that says how much it was is shown.
step() {
  title=$1
  shift
  number=$((number + 1))
  echo "[$number] $title ($(($(date +%s) - begun)) s)"
  if "$@" >"$logs/$title" 2>&1; then
    passed=$((passed + 1))
    grep -E 'steps|rounds|runs|operations| met|not met' "$logs/$title" |
      tail -n 1 | sed 's/^/    /' || true
  else
    failed=$((failed + 1))
    echo "    FAILED: $logs/$title"
    tail -n 5 "$logs/$title" | sed 's/^/    /'
  fi
}

native() { # PRESET PROGRAM
  sh toolchain/noaslr.sh "build/$1/tests/$2"
}

windows() { # PROGRAM
  sh toolchain/wine.sh "build/mingw64/tests/$1.exe"
}

ASAN_OPTIONS=detect_stack_use_after_return=0
TSAN_OPTIONS=history_size=4
OVIO_SIM_STEPS=$(part 10000000)
OVIO_TEST_RACES=$(part 100000)
OVIO_TEST_KILLS=$(part 2000)
OVIO_SOAK_SECONDS=$(part 3600)
OVIO_TEST_FAULTS=all
export ASAN_OPTIONS TSAN_OPTIONS OVIO_SIM_STEPS OVIO_TEST_RACES
export OVIO_TEST_KILLS OVIO_SOAK_SECONDS OVIO_TEST_FAULTS

for name in $(cd tests && ls sim_*.c | sed 's/[.]c$//'); do
  step "$name" native linux "$name"
done
for name in test_races test_threads; do
  step "$name-linux" native linux "$name"
  step "$name-tsan" native linux-tsan "$name"
  step "$name-wine" windows "$name"
done
step faults-linux native linux test_faults
step faults-asan native linux-asan test_faults
step faults-wine windows test_faults
step crash-linux native linux test_crash

OVIO_TEST_THREADS=4
OVIO_TEST_ENGINES=1
export OVIO_TEST_THREADS OVIO_TEST_ENGINES
for name in $(cd tests && ls test_*.c | sed 's/[.]c$//'); do
  case $name in
    test_win32_* | test_big | test_threads | test_faults | test_error | \
      test_node | test_mutex | test_memory | test_runner | test_standard_missing) continue ;;
  esac
  step "threads-$name" native linux "$name"
  step "threads-tsan-$name" native linux-tsan "$name"
done
unset OVIO_TEST_THREADS OVIO_TEST_ENGINES

step analyse sh toolchain/analyse.sh
step coverage sh toolchain/coverage.sh
step fuzz sh toolchain/fuzz.sh -j 2 "$(part 600)"
step afl sh toolchain/afl.sh "$(part 600)"
step soak-linux native linux test_soak
step soak-wine windows test_soak

echo "in $(($(date +%s) - begun)) s"
echo "$passed steps passed, $failed failed"
[ "$failed" -eq 0 ]
