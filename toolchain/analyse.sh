#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Looks for mistakes without running anything: clang-tidy (.clang-tidy says
# which checks are off, and why), cppcheck (toolchain/cppcheck.txt likewise) and
# gcc's -fanalyzer, over the library's source, both sides where the tool can.
#
#   analyse.sh [tidy] [cppcheck] [gcc] [mingw]
#
# One line for each tool, after what it has found; the status says whether it
# was anything. A minute on two cores that have nothing else to do, nearly all of
# it clang-tidy's; not a part of test.sh, which has to do without these tools.
set -eu

cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then set -- tidy cppcheck gcc mingw; fi
sh toolchain/deps.sh analyse

jobs=$(nproc)
out=build/analyse
mkdir -p $out

# What the build defines on Linux; kqueue's file sees the tests' stand-in.
linux='-std=c11 -I. -Iinclude -isystem tests/kqueue -DOVIO_URING=1
  -DOVIO_SWITCH_ASM=1 -DOVIO_FAKE_KQUEUE=1'
linux=$(echo $linux)
mingw='-std=c11 -I. -Iinclude'

# each_file COMMAND FILE...: the command for one FILE at a time, some at once.
each_file() {
  command=$1
  shift
  printf '%s\n' "$@" | xargs -P "$jobs" -I FILE sh -c "$command"
}

# inject.c is for libraries with OVIO_TESTING alone.
testing=common/inject.c
common=$(ls common/*.c | grep -v "^$testing\$")

# Off for Windows' side: what clang's analyser makes of native_failure(), of
# which it cannot see in another file that its value is below 0; and the letter
# case of the system headers' own numbers.
windows_off='--checks=-clang-analyzer-core.CallAndMessage
  -clang-analyzer-core.NullDereference -cert-dcl16-c
  -clang-analyzer-core.UndefinedBinaryOperatorResult
  -clang-analyzer-core.uninitialized.Branch'
windows_off=$(echo $windows_off | tr ' ' ,)

run_tidy() {
  each_file "clang-tidy --quiet FILE -- $linux 2>/dev/null" \
    $common posix/*.c
  each_file "clang-tidy --quiet FILE -- $linux -DOVIO_TESTING 2>/dev/null" \
    $testing
  each_file "clang-tidy --quiet $windows_off FILE -- $mingw \
    --target=x86_64-w64-mingw32 2>/dev/null" win32/*.c
}

cppcheck_side() {
  cppcheck --quiet --std=c11 --enable=warning,performance,portability \
    --suppressions-list=toolchain/cppcheck.txt -Iinclude -I. -j "$jobs" \
    --template='{file}:{line}: warning: {message} [{id}]' "$@" 2>&1
}

run_cppcheck() {
  cppcheck_side --platform=unix64 -D__linux__=1 -D__x86_64__=1 -U_WIN32 \
    -D__GNUC__=12 -DOVIO_URING=1 -DOVIO_SWITCH_ASM=1 $common posix
  cppcheck_side --platform=unix64 -D__linux__=1 -D__x86_64__=1 -U_WIN32 \
    -D__GNUC__=12 -DOVIO_TESTING $testing
  cppcheck_side --platform=win64 -D_WIN32=1 -D_WIN64=1 -D__x86_64__=1 \
    -U__linux__ -D__GNUC__=12 win32
}

run_gcc() {
  each_file "gcc -fanalyzer $linux -c -o /dev/null FILE 2>&1" \
    $common posix/*.c
  each_file "gcc -fanalyzer $linux -DOVIO_TESTING -c -o /dev/null FILE 2>&1" \
    $testing
}

run_mingw() {
  each_file "x86_64-w64-mingw32-gcc -fanalyzer $mingw -c -o /dev/null FILE 2>&1" \
    $common win32/*.c
}

status=0
for tool in "$@"; do
  begun=$(date +%s)
  "run_$tool" >"$out/$tool" || true
  found=$(grep -c -E '(warning|error): ' "$out/$tool" || true)
  if [ "$found" -ne 0 ]; then
    cat "$out/$tool"
    status=1
  fi
  echo "$tool: $found found ($(($(date +%s) - begun)) s)"
done
exit $status
