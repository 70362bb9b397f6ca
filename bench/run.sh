#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what is missing, builds ovbench for Linux and Windows, measures, and
# writes tables and plots.
#
#   run.sh [--quick] [--no-wine] [FOLDER]
#
# FOLDER is bench/results unless named. --quick takes a few minutes, has fewer
# rounds and shorter ones; the long form stays below half an hour. What it
# works on lies in build/bench/tmp, so that is the disk which is measured.
set -eu

cd "$(dirname "$0")/.."
quick=no wine=yes results=bench/results
for argument in "$@"; do
  case $argument in
    --quick) quick=yes ;;
    --no-wine) wine=no ;;
    -*) echo "usage: run.sh [--quick] [--no-wine] [FOLDER]" >&2; exit 2 ;;
    *) results=$argument ;;
  esac
done

if [ $quick = yes ]; then
  rounds=7 time=15 curve_rounds=7 curve_time=8 files=2000 copies=7
  depths=1,4,32,128 blocks=4k,64k,1m million=no
else
  rounds=9 time=50 curve_rounds=7 curve_time=30 files=20000 copies=9
  depths=1,2,4,8,16,32,64,128 blocks=4k,16k,64k,256k,1m million=yes
fi

begun=$(date +%s)
step=0 steps=22
[ $wine = no ] || steps=29

say() {
  step=$((step + 1))
  echo "[$step/$steps, $(($(date +%s) - begun)) s] $*"
}

# ---- build ----

say "what is missing"
sh toolchain/deps.sh bench

mkdir -p build
say "building for Linux"
cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DOVIO_BUILD_BENCH=ON -DOVIO_BUILD_TESTS=OFF >build/log-bench
cmake --build build/bench >>build/log-bench
bench=$PWD/build/bench/bench/ovbench
ovcp=$PWD/build/bench/examples/ovcp

if [ $wine = yes ]; then
  say "building for Windows"
  cmake -S . -B build/bench-win -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    --toolchain toolchain/x86_64-w64-mingw32.cmake \
    -DOVIO_BUILD_BENCH=ON -DOVIO_BUILD_TESTS=OFF >build/log-bench-win
  cmake --build build/bench-win >>build/log-bench-win
fi

root=$PWD
work=$root/build/bench/tmp
mkdir -p "$results" "$work"
results=$(cd "$results" && pwd -P)
cd "$work"
rm -rf ./*
csv=$work/measurements.csv
$bench --header >"$csv"

memory=/dev/shm
[ -w $memory ] || memory=

pin() {
  taskset 1 "$@"
}

# measure LABEL OPTION...: one processor for all; free LABEL: all of them.
measure() {
  label=$1
  shift
  pin "$bench" --csv --label "$label" --rounds $rounds --time $time "$@" >>"$csv"
}

measure_free() {
  label=$1
  shift
  "$bench" --csv --label "$label" --rounds $rounds --time $time "$@" >>"$csv"
}

# ---- Linux ----

all=ovio-plain,ovio-task,ovio-callbacks,ovio-task-epoll,ovio-callbacks-epoll
all=$all,io_uring,io_uring-registered,pool,libuv
inline=ovio-task-inline,ovio-callbacks-inline
reads=pread,$all
writes=pwrite,$all,$inline

linux_files() {
  say "cached reads, pinned"
  measure pinned --op read --depth 1,32,128 --variants $reads
  say "cached writes, pinned"
  measure pinned --op write --depth 1,32,128 --variants $writes
  say "cached reads and writes on all processors"
  measure_free free --op read --depth 32 --variants $reads
  measure_free free --op write --depth 32 --variants $writes
  if [ -n "$memory" ]; then
    say "tmpfs"
    measure tmpfs --file $memory/ovbench.$$ --op read --depth 32 \
      --variants $reads
    measure tmpfs --file $memory/ovbench.$$ --op write --depth 32 \
      --variants $writes
    measure_free tmpfs-free --file $memory/ovbench.$$ --op write --depth 32 \
      --variants $writes
  fi
  say "direct reads, pinned"
  measure pinned --op read --direct --depth 32,128 --variants $reads
  say "direct reads on all processors"
  measure_free free --op read --direct --depth 1,32,128 --variants $reads
}

linux_curves() {
  few=ovio-plain,ovio-task,ovio-callbacks,io_uring,pool,libuv
  set -- --rounds $curve_rounds --time $curve_time
  say "cached reads against depth"
  measure depth --op read --depth $depths --variants pread,$few "$@"
  say "cached writes against depth"
  measure depth --op write --depth $depths --variants pwrite,$few,$inline "$@"
  say "direct reads against depth"
  measure_free depth --op read --direct --depth $depths \
    --variants pread,$few "$@"
  say "reads and writes against block, sequential"
  measure block --op read --pattern sequential --block $blocks --depth 8 \
    --variants pread,$few "$@"
  measure block --op write --pattern sequential --block $blocks --depth 8 \
    --variants pwrite,$few "$@"
  say "direct reads against block, sequential"
  measure_free block --op read --direct --pattern sequential \
    --block $blocks --depth 8 --variants pread,$few "$@"
}

linux_loops() {
  say "tasks: switch, spawn, deadlines"
  measure pinned --op yield --depth 1,100
  measure pinned --op spawn --depth 1,100
  measure pinned --op timers --depth 100,100000
  measure_free free --op compute --depth 8 2>>"$work/left-out"
  say "posts and pipes"
  measure pinned --op post --depth 1,32
  measure pinned --op pingpong --block 64 --depth 1
  measure pinned --op stream --block 64k --depth 1
  measure_free free --op post --depth 1,32
  measure_free free --op pingpong --block 64 --depth 1
  measure_free free --op stream --block 64k --depth 1
  say "$files small files"
  measure pinned --op files --files $files --depth 1,32 --time $((time * 4))
}

# A million tasks take 5 GB.
linux_growth() {
  say "as the work grows"
  waiting=1000,10000,100000
  memory_kib=$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo)
  [ "${memory_kib:-0}" -gt 8000000 ] || million=no
  set -- --block 8 --no-warm --time 10
  once=ovio-task,ovio-task-64k,ovio-callbacks
  for op in tasks inflight sleeps timers; do
    measure growth --op $op --depth 100,1000,10000,100000 "$@" --rounds 7 \
      --variants $once
    [ $million = no ] ||
      measure growth --op $op --depth 1000000 "$@" --rounds 3 --variants $once
  done
  measure growth --op tasks --depth 100,1000,10000,100000 "$@" --rounds 7 \
    --variants ovio-task-bursts --ops 2m
  [ $million = no ] ||
    measure growth --op tasks --depth 1000000 "$@" --rounds 3 \
      --variants ovio-task-bursts --ops 8m
  measure growth --op handles --depth 100,1000,10000 "$@" --rounds 7
  measure growth --op read --direct --depth 128,1024,4096 --rounds 7 \
    --variants ovio-callbacks,io_uring
  [ $million = no ] || waiting=$waiting,1000000
  "$bench" --waiting $waiting >"$work/waiting.csv"
}

# ---- counts, which do not depend on what else the machine does ----

# twice COMMAND...: what COMMAND counts for twice as many operations less what
# it counts for once as many, by operation.
twice() {
  one=$("$@" --ops 4096)
  two=$("$@" --ops 8192)
  awk -v one="$one" -v two="$two" 'BEGIN { printf "%.3f", (two - one) / 4096 }'
}

instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" "$@" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

calls() {
  pin strace -f -c -o "$work/strace" "$bench" "$@" >/dev/null 2>&1
  awk '$NF == "total" { print $4 }' "$work/strace"
}

count_with() {
  what=$1
  while read -r op variant block depth; do
    set -- --op "$op" --variants "$variant" --block "$block" --depth "$depth"
    if [ "$block" = direct ]; then
      set -- --op "$op" --variants "$variant" --direct --depth "$depth"
    fi
    each=$(twice "$what" --rounds 1 --no-warm --size 1m --files 100 "$@") || each=
    echo "$what,$op,$variant,$block,$depth,$each"
  done
}

counts() {
  say "instructions per operation, by valgrind"
  echo "what,op,variant,block,depth,per_op" >"$work/counts.csv"
  count_with instructions >>"$work/counts.csv" <<END
read nothing 4k 1
read nothing 4k 32
read pread 4k 1
read ovio-plain 4k 1
read ovio-task 4k 1
read ovio-task 4k 32
read ovio-callbacks 4k 32
read io_uring 4k 32
read libuv 4k 32
write ovio-task-inline 4k 1
yield assembly 4k 1
yield ovio-task 4k 1
END
  say "system calls per operation, by strace"
  count_with calls >>"$work/counts.csv" <<END
read pread 4k 1
read ovio-plain 4k 1
read ovio-task 4k 32
read ovio-callbacks 4k 32
read ovio-callbacks direct 32
read ovio-task direct 32
read io_uring 4k 32
read io_uring direct 32
read pool 4k 32
read libuv 4k 32
write ovio-callbacks 4k 32
write pool 4k 32
write libuv 4k 32
post eventfd-epoll 4k 1
post eventfd-epoll 4k 32
post ovio-callbacks 4k 1
post ovio-callbacks 4k 32
pingpong epoll 64 1
pingpong ovio-task 64 1
files pread 4k 1
files ovio-task 4k 32
files libuv 4k 32
END
  "$bench" --sizes >"$work/sizes"
}

# ---- copying ----

now_ns() {
  date +%s%N
}

# timed NAME COMMAND...: into copies.csv; what it made is removed.
timed() {
  name=$1 before=$(now_ns)
  shift
  "$@" >/dev/null 2>&1
  echo "$what,$name,$(($(now_ns) - before))" >>"$work/copies.csv"
  diff -rq "$source" copy >/dev/null || { echo "WRONG copy by $name" >&2; exit 1; }
  rm -rf copy
}

copying() {
  say "copying 256 MiB and $files files"
  echo "what,program,ns" >"$work/copies.csv"
  what=256MiB source=$work/big
  head -c 268435456 /dev/urandom >"$source"
  sync
  for round in $(seq $copies); do
    cat "$source" >/dev/null
    timed cp cp "$source" copy
    timed ovcp "$ovcp" "$source" copy
    timed dd-256k dd if="$source" of=copy bs=256k
  done
  rm -f "$source"
  what=files source=$work/many
  mkdir "$source"
  for name in $(seq $files); do echo "content of $name" >"$source/$name"; done
  sync
  for round in 1 2 3 4 5 6 7; do
    timed cp cp -r "$source" copy
    timed ovcp "$ovcp" -r "$source" copy
  done
  rm -rf "$source"
}

# What another program measures of the same disk: are the references honest?
outside() {
  say "fio, from outside"
  head -c 67108864 /dev/urandom >"$work/fio.file"
  for engine in psync:1 io_uring:32; do
    fio --name=x --filename="$work/fio.file" --rw=randread --bs=4k --direct=1 \
      --ioengine=${engine%:*} --iodepth=${engine#*:} --runtime=3 --time_based \
      --minimal 2>/dev/null |
      awk -F';' -v engine="${engine%:*}" '{ print engine "," $8 }'
  done >"$work/fio.csv"
  rm -f "$work/fio.file"
}

# ---- Windows, under Wine ----

# A server of its own, on the same processor as its clients.
OVIO_WINEPREFIX=$root/build/bench/wineprefix
export OVIO_WINEPREFIX
win=$root/build/bench-win/bench/ovbench.exe

under_wine() {
  pin sh "$root/toolchain/wine.sh" "$@"
}

measure_wine() {
  under_wine "$win" --csv --label wine --rounds $rounds --time $time "$@" \
    2>>"$work/left-out" | tr -d '\r' >>"$csv"
}

# Each request to the server is one write to it.
requests() {
  under_wine --start
  pin strace -f -c -e trace=write,writev -o "$work/strace" \
    sh "$root/toolchain/wine.sh" "$win" "$@" >/dev/null 2>&1
  awk '$NF == "total" { print $4 }' "$work/strace"
}

windows() {
  say "starting Wine"
  under_wine --start
  trap 'sh "$root/toolchain/wine.sh" --stop' EXIT
  overlapped=iocp,ovio-task,ovio-callbacks,pool
  say "Wine: reads and writes, synchronous"
  measure_wine --op read --depth 1 \
    --variants ntreadfile,readfile,ovio-plain,ovio-plain-overlapped
  measure_wine --op write --depth 1 \
    --variants ntwritefile,writefile,ovio-plain,ovio-plain-overlapped
  say "Wine: reads and writes at a port"
  measure_wine --op read --depth 1,32 --variants $overlapped
  measure_wine --op write --depth 1,32 --variants $overlapped
  say "Wine: tasks, posts, pipes"
  measure_wine --op yield,spawn --depth 1
  measure_wine --op post --depth 1,32
  measure_wine --op pingpong --block 64 --depth 1
  measure_wine --op stream --block 64k --depth 1
  say "Wine: small files"
  measure_wine --op files --files 2000 --depth 1,32
  say "Wine: requests to its server, by strace"
  count_with requests >>"$work/counts.csv" <<END
read ntreadfile 4k 1
read readfile 4k 1
read ovio-plain 4k 1
read iocp 4k 32
read ovio-task 4k 32
read ovio-callbacks 4k 32
write iocp 4k 32
write ovio-task 4k 32
pingpong iocp 64 1
pingpong ovio-task 64 1
END
}

# ---- the report ----

describe() {
  processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  system=$(. /etc/os-release && echo "$PRETTY_NAME")
  echo "date=$(date -u '+%Y-%m-%d %H:%M UTC')"
  echo "machine=$(nproc) x ${processor:-unknown processor}, Linux $(uname -r)," \
    "$system, $(df --output=fstype "$work" | tail -n 1)"
  echo "load=$(cut -d' ' -f1-3 /proc/loadavg)"
  echo "version=$(sed -n 's/^#define OVIO_VERSION "\(.*\)"/\1/p' \
    "$root/include/ovio.h")"
  echo "form=$([ $quick = yes ] && echo quick || echo long)"
}

report() {
  describe >"$work/machine"
  awk -f "$root/bench/report.awk" "$work/machine" "$work/sizes" \
    "$work/fio.csv" "$work/copies.csv" "$work/counts.csv" \
    "$work/waiting.csv" "$csv" \
    "$root/bench/goals.txt" >"$work/results.md"
  for name in measurements.csv counts.csv copies.csv fio.csv waiting.csv \
    results.md; do
    cp "$work/$name" "$results/$name"
  done
  sh "$root/bench/plot.sh" "$csv" "$results"
  cd "$root"
  rm -rf "$work"
}

# In a function: it is read as a whole, also if this file changes meanwhile.
main() {
  describe >"$work/machine"
  load=$(sed -n 's/^load=//p' "$work/machine")
  echo "load before: $load; numbers mean little where others compute"
  linux_files
  linux_curves
  linux_loops
  linux_growth
  counts
  copying
  outside
  [ $wine = no ] || windows
  say "writing $results"
  report
  sed -n '/^## Goals/,/^## /p' "$results/results.md" | sed '$d'
  echo "done in $(($(date +%s) - begun)) s: $results/results.md"
  exit
}

main
