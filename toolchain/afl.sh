#!/bin/sh
# SPDX-License-Identifier: MIT
#
# AFL++ on the fuzz targets of Linux and of common/, beside fuzz.sh's libFuzzer:
# other changes of the inputs find other ways.
#
#   afl.sh [SECONDS [TARGET...]]    60 for each; all targets
#
# A line for each target; the status says whether one has crashed or hung. What
# was found lies in build/afl/found/<target>.
set -eu

cd "$(dirname "$0")/.."
seconds=${1-60}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
  set -- tests/fuzz/fuzz_*.c
fi

sh toolchain/deps.sh afl
found=build/afl/found
mkdir -p "$found"
cmake -S . -B build/afl -G Ninja -DCMAKE_C_COMPILER=afl-clang-fast \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DOVIO_FUZZ=ON -DOVIO_BUILD_TESTS=ON \
  -DOVIO_BUILD_EXAMPLES=OFF >build/log-afl &&
  cmake --build build/afl --target fuzz_targets >>build/log-afl ||
  { cat build/log-afl; exit 1; }

TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)")
# In containers the processor's governor and the core pattern cannot be set.
AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
AFL_NO_AFFINITY=1
export TMPDIR AFL_NO_UI AFL_SKIP_CPUFREQ AFL_NO_AFFINITY
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 1' HUP INT TERM

# stat NAME: of what afl-fuzz has noted.
stat() {
  sed -n "s/^$1 *: *//p" "$found/$target/default/fuzzer_stats" 2>/dev/null
}

status=0
for name in "$@"; do
  target=${name##*/fuzz_}
  target=${target%.c}
  case $target in win32_*) continue ;; esac
  rm -rf "${found:?}/$target"
  afl-fuzz -V "$seconds" -t 5000 -i "tests/fuzz/corpus/$target" \
    -o "$found/$target" -- "build/afl/tests/fuzz/fuzz_$target" \
    >"build/afl/log-$target" 2>&1 || true
  crashes=$(stat saved_crashes) hangs=$(stat saved_hangs)
  echo "$target: $(stat execs_done) runs, $(stat execs_per_sec) a second," \
    "${crashes:-no} crash(es), ${hangs:-no} hang(s)"
  if [ "${crashes:-1}" -ne 0 ] || [ "${hangs:-1}" -ne 0 ]; then
    tail -n 5 "build/afl/log-$target"
    status=1
  fi
done
exit $status
