#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Looks for mistakes without running anything: clang-tidy (.clang-tidy says
# which checks, and why others are off), cppcheck (toolchain/cppcheck.txt) and
# gcc's -fanalyzer, over the library's source, both sides where the tool can.
#
#   analyse.sh [tidy] [cppcheck] [gcc] [mingw]
#
# One line for each tool, after what it has found; the status says whether it
# was anything. Five minutes on two cores, so not a part of test.sh.
set -eu

cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then set -- tidy cppcheck gcc mingw; fi
# sh toolchain/deps.sh analyse

jobs=$(nproc)
out=build/analyse
mkdir -p $out
failed=0

# At -O2 the analyser loses track of the code; without any it sees least.
# each_file COMMAND FILE...: COMMAND of one file at a time, several at once.
each_file() {
  command=$1
  shift
  printf '%s\n' "$@" | xargs -P "$jobs" -I FILE sh -c "$command"
}

# posix/port_kqueue.c is empty here: these are what this system compiles.
run_tidy() {
  cmake --preset linux-clang >/dev/null
  each_file 'clang-tidy -p build/linux-clang --quiet FILE 2>/dev/null' \
    common/*.c posix/*.c
}

check() {
  cppcheck --quiet --std=c11 --enable=warning,performance,portability \
    --inconclusive --suppressions-list=toolchain/cppcheck.txt -Iinclude -I. \
    -j "$jobs" --template='{file}:{line}: {id}: {message}' "$@" 2>&1
}

run_cppcheck() {
  check --platform=unix64 -D__linux__=1 -D__x86_64__=1 -U_WIN32 -D__GNUC__=12 \
    -DOVIO_URING=1 -DOVIO_SWITCH_ASM=1 common posix
  check --platform=win64 -D_WIN32=1 -D_WIN64=1 -D__x86_64__=1 -U__linux__ \
    -D__GNUC__=12 win32
}

analyse='-std=c11 -fanalyzer -I. -Iinclude -c -o /dev/null FILE 2>&1'

run_gcc() {
  each_file "gcc -DOVIO_URING=1 -DOVIO_SWITCH_ASM=1 $analyse" \
    common/*.c posix/*.c
}

run_mingw() {
  each_file "x86_64-w64-mingw32-gcc $analyse" common/*.c win32/*.c
}

for tool in "$@"; do
  begun=$(date +%s)
  "run_$tool" >"$out/$tool" || true
  # Sorted, since the files are looked at in no order.
  found=$(grep -c -E 'warning|error|^[a-z0-9_/]*\.[ch]:[0-9]+: ' \
    "$out/$tool" || true)
  [ "$found" -eq 0 ] || { cat "$out/$tool"; failed=1; }
  echo "$tool: $found found ($(($(date +%s) - begun)) s)"
done
exit $failed
