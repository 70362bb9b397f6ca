#!/bin/sh
# SPDX-License-Identifier: MIT
#
# instructions.sh OVBENCH FOLDER: what an operation costs in instructions, as
# valgrind's callgrind counts them for n and for 2n, must not grow. 77: skipped.
set -eu

bench=$1
mkdir -p "$2"
cd "$2"

skip() {
  echo "SKIP: $1"
  exit 77
}

[ "$(uname -m)" = x86_64 ] || skip "the limits are those of x86-64"
command -v valgrind >/dev/null || skip "there is no valgrind here"

collected() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" \
    --rounds 1 --no-warm --size 1m "$@" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

# each OP VARIANT DEPTH: instructions per operation.
each() {
  set -- --op "$1" --variants "$2" --block 4k --depth "$3"
  one=$(collected "$@" --ops 4096)
  two=$(collected "$@" --ops 8192)
  [ -n "$one" ] && [ -n "$two" ] || skip "valgrind counts nothing here"
  echo $(((two - one) / 4096))
}

failed=0

# limit OP VARIANT DEPTH REFERENCE MOST: at most so many more than those of the
# reference.
limit() {
  ours=$(each "$1" "$2" "$3")
  more=$((ours - $(each "$1" "$4" "$3")))
  verdict=ok
  [ "$more" -le "$5" ] || verdict=FAILED failed=1
  echo "$1 $2, depth $3: $more more than $4, at most $5: $verdict"
}

limit pingpong ovio-task 1 epoll 2600
limit pingpong ovio-callbacks 1 epoll 3100
# RWF_NOWAIT is what tasks and callbacks are quick by; tmpfs does not know it.
cached=yes
case $(df --output=fstype . 2>/dev/null | tail -n 1) in
  tmpfs | overlay | "") cached=no ;;
esac

limit read ovio-plain 1 pread 80
limit yield ovio-task 1 assembly 108
if [ $cached = yes ]; then
  limit read ovio-task 1 nothing 200
  limit read ovio-task 32 nothing 235
  limit read ovio-callbacks 32 nothing 295
else
  echo "left out: this file system may not know RWF_NOWAIT"
fi
exit $failed
