#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Draws the plots: operations per second and CPU time per operation.
#
#   plot.sh MEASUREMENTS.csv FOLDER
set -eu

csv=$1 folder=$2
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

# select_lines LABEL OP MODE X Y: a block of "x y" lines for each variant; X and Y are
# fields of the line.
select_lines() {
  awk -F, -v label="$1" -v op="$2" -v mode="$3" -v x="$4" -v y="$5" '
    $1 == label && $3 == op && $5 == mode {
      if (!($2 in text)) name[++count] = $2
      value = y == "rate" ? 1e9 / $9 : $y
      text[$2] = text[$2] $x " " value "\n"
    }
    END {
      for (i = 1; i <= count; i++)
        printf "\"%s\"\n%s\n\n", name[i], text[name[i]]
    }' "$csv"
}

# draw FILE TITLE XLABEL YLABEL YSCALE LABEL OP MODE X Y
draw() {
  name=$1 title=$2 xlabel=$3 ylabel=$4 scale=$5
  shift 5
  select_lines "$@" >"$data/lines"
  draw_lines
}

# What is in the lines, with what draw() has set.
draw_lines() {
  ticks="%.0f" each=2 base=2
  if [ "$xlabel" = "at once" ]; then each=10 base=10; fi
  if [ "$xlabel" = "block size" ]; then ticks="%.0b %BB" each=4; fi
  series=$(grep -c '^"' "$data/lines") || return 0
  gnuplot <<END
set terminal svg size 720,420 dynamic noenhanced font "sans-serif,12" background "white"
set output "$folder/$name.svg"
set title "$title"
set xlabel "$xlabel"
set ylabel "$ylabel"
set logscale x $base
set logscale y
set grid
set key outside right
set xtics $each
set format x "$ticks"
set format y "%g"
plot for [i=0:$((series - 1))] "$data/lines" index i using 1:(\$2/$scale) \
  with linespoints linewidth 2 title columnheader(1)
END
}

rate="thousand operations per second" cpu="ns of CPU time per operation"
for op in read write; do
  draw depth-$op-rate "4 KiB random ${op}s, cached, one processor" \
    "operations in flight" "$rate" 1000 depth $op cached 7 rate
  draw depth-$op-cpu "4 KiB random ${op}s, cached, one processor" \
    "operations in flight" "$cpu" 1 depth $op cached 7 10
  draw block-$op-rate "sequential ${op}s, cached, depth 8, one processor" \
    "block size" "$rate" 1000 block $op cached 6 rate
  draw block-$op-cpu "sequential ${op}s, cached, depth 8, one processor" \
    "block size" "$cpu" 1 block $op cached 6 10
done
draw depth-direct-rate "4 KiB random reads, direct" \
  "operations in flight" "$rate" 1000 depth read direct 7 rate
draw depth-direct-cpu "4 KiB random reads, direct" \
  "operations in flight" "$cpu" 1 depth read direct 7 10
draw block-direct-rate "sequential reads, direct, depth 8" \
  "block size" "$rate" 1000 block read direct 6 rate
draw block-direct-cpu "sequential reads, direct, depth 8" \
  "block size" "$cpu" 1 block read direct 6 10

# grown OP VARIANT NAME: CPU time against how many there are at once.
grown() {
  awk -F, -v op="$1" -v variant="$2" -v name="$3" '
    $1 == "growth" && $3 == op && $2 == variant { text = text $7 " " $10 "\n" }
    END { if (text) printf "\"%s\"\n%s\n\n", name, text }' "$csv"
}

{
  grown tasks ovio-task "waiting task"
  grown tasks ovio-task-bursts "task, burst after burst"
  grown inflight ovio-callbacks "post"
  grown sleeps ovio-callbacks "sleep"
  grown timers ovio-callbacks "deadline, cancelled"
  grown handles ovio-plain "open file"
  grown read ovio-callbacks "direct read"
} >"$data/lines"
name=growth-cpu title="As the work grows, one processor"
xlabel="at once" ylabel="$cpu" scale=1
draw_lines
