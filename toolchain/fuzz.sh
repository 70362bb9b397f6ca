#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Looks for inputs that break something: runs each fuzz target for a while,
# those of Linux and of common/ with clang's libFuzzer, address and undefined
# behaviour sanitizers, those of Windows under Wine, without coverage.
#
#   fuzz.sh [-j N] [SECONDS [TARGET...]]    60 for each; all targets
#
# -j: so many at once; else one after the other.
# A line for each target; the status says whether one has crashed. What was
# found stays in build/fuzz-found: new/<target>, where the next run goes on, and
# <target>-crash-*. A crash worth keeping goes to tests/fuzz/corpus/<target>,
# and so does what a change of a target makes new, few and small:
#
#   build/fuzz/tests/fuzz/fuzz_x -merge=1 -use_counters=0 \
#     tests/fuzz/corpus/x build/fuzz-found/new/x
set -eu

cd "$(dirname "$0")/.."
root=$(pwd -P)
found=$root/build/fuzz-found

build() {
  cmake --preset "$1" >"$found/log-build" &&
    cmake --build --preset "$1" --target fuzz_targets >>"$found/log-build" ||
    { cat "$found/log-build"; exit 1; }
}

# The preset of the target of a source file, which goes to $target.
preset_of() {
  target=${1##*/fuzz_}
  target=${target%.c}
  preset=fuzz
  case $target in win32_*) preset=mingw64 ;; esac
}

# libFuzzer's statistics, and the last line of its own that tells of coverage.
fuzz_here() {
  mkdir -p "$found/new/$target"
  sh toolchain/noaslr.sh "build/fuzz/tests/fuzz/fuzz_$target" \
    "-max_total_time=$seconds" -max_len=800 -timeout=20 -print_final_stats=1 \
    "-artifact_prefix=$found/$target-" "$found/new/$target" \
    "tests/fuzz/corpus/$target" >"$found/log-$target" 2>&1 || crashed=1
  awk '/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
    /number_of_executed_units/ { runs = $2 }
    /average_exec_per_sec/ { rate = $2 }
    END { printf "%d runs, %d a second, %d edges", runs, rate, edges }' \
    "$found/log-$target"
}

fuzz_in_wine() {
  (
    cd "$found"
    sh "$root/toolchain/wine.sh" \
      "$root/build/mingw64/tests/fuzz/fuzz_$target.exe" \
      "-max_total_time=$seconds" "-seed=$(date +%s)" \
      "$root/tests/fuzz/corpus/$target"
  ) >"$found/log-$target" 2>&1 || crashed=1
  tr -d '\r' <"$found/log-$target" |
    sed -n 's/.* samples, \([0-9]* runs\), .*, \([0-9]*\) a second/\1, \2 a second, under Wine/p' |
    tr -d '\n'
}

# fuzz.sh --one SECONDS TARGET, of fuzz.sh itself: built, one line.
if [ "${1-}" = --one ]; then
  seconds=$2 crashed=0
  preset_of "$3"
  line=$(
    if [ $preset = fuzz ]; then fuzz_here; else fuzz_in_wine; fi
    echo ", $crashed crash(es)"
  )
  echo "$target: $line"
  case $line in *', 0 crash(es)') exit 0 ;; esac
  tail -n 30 "$found/log-$target"
  exit 1
fi

jobs=1
if [ "${1-}" = -j ]; then
  jobs=$2
  shift 2
fi
seconds=${1-60}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
  set -- tests/fuzz/fuzz_*.c
fi

sh toolchain/deps.sh fuzz
mkdir -p "$found/new"

# Files are made by the thousand: in memory, if there is such a folder.
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 1' HUP INT TERM

ASAN_OPTIONS=detect_stack_use_after_return=0
export ASAN_OPTIONS

built=
for name in "$@"; do
  preset_of "$name"
  case $built in
    *$preset*) ;;
    *)
      [ $preset = fuzz ] || sh toolchain/cmocka-mingw.sh x86_64-w64-mingw32
      build $preset
      built="$built $preset"
      ;;
  esac
done
case $built in
  *mingw64*)
    sh toolchain/wine.sh --running || trap \
      'rm -rf "$TMPDIR"; sh toolchain/wine.sh --stop' EXIT
    sh toolchain/wine.sh --start
    ;;
esac
printf '%s\n' "$@" |
  xargs -P "$jobs" -n 1 sh toolchain/fuzz.sh --one "$seconds"
