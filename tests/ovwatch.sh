#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ovwatch from end to end: a change starts the command, once.
#
#   ovwatch.sh SCRATCH COMMAND [EMULATOR...] PROGRAM
#
# SCRATCH is a folder that is made anew and removed. COMMAND is test_process,
# which says what it is told to.
set -u
scratch=$1
command=$2
shift 2
rm -rf "$scratch"
mkdir -p "$scratch/tree" && cd "$scratch" || exit 1
process=
trap 'if [ -n "$process" ]; then kill -KILL $process 2>/dev/null; fi
rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
  echo "FAILED: $1"
  cat out err
  exit 1
}

"$@" -1 tree "$command" child say hello "" >out 2>err &
process=$!
turns=0
until grep -q 'watching tree' err; do
  grep -q 'not supported' err && echo "SKIP: this system has no inotify" && exit 77
  turns=$((turns + 1))
  [ $turns -lt 600 ] || fail "it does not watch"
  sleep 0.1
done
[ ! -s out ] || fail "nothing has changed yet"
echo text >tree/file || exit 1
wait $process || fail "its exit code is $?, not the command's"
process=
grep -q 'file has changed' err || fail "it does not say what has changed"
[ "$(tr -d '\r' <out)" = hello ] || fail "the command has not run, or twice"

"$@" -1 nowhere "$command" >out 2>err
[ $? -eq 125 ] || fail "nowhere: the exit code"
grep -q 'nowhere: .' err || fail "nowhere: the message"
echo "ok"
