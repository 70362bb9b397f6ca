#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The examples that work on a file.
#
#   examples.sh ovlog FOLDER COMMAND...   several at once, by one file's lock
#   examples.sh ovset FOLDER COMMAND...
set -eu

name=$1
folder=$2
shift 2
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

fail() {
  echo "$name: $*" >&2
  exit 1
}

lines() {
  line=0
  while [ "$line" -lt 300 ]; do
    line=$((line + 1))
    echo "from $1, $line"
  done
}

# Every line is there once, and the numbers have neither hole nor double.
run_ovlog() {
  for writer in a b c d; do
    lines $writer >"in.$writer"
  done
  for writer in a b c d; do
    "$@" log <"in.$writer" 2>"said.$writer" &
    started="${started-} $!"
  done
  for writer in $started; do
    wait "$writer" || fail "a writer has failed: $?"
  done
  for writer in a b c d; do
    grep -q '300 lines to log' "said.$writer" || fail "said nothing: $writer"
    cat "in.$writer" >>wanted
  done
  tr -d '\r' <log | sed 's/^[0-9]* //' | sort >got
  sort wanted | cmp - got || fail "lines are missing"
  sed 's/ .*//' log >numbers
  number=0
  while [ "$number" -lt 1200 ]; do
    number=$((number + 1))
    echo "$number"
  done | cmp - numbers || fail "numbers are wrong"
  if "$@" missing/log <in.a 2>said; then fail "no such folder"; fi
  grep -q 'not found' said || fail "does not say why"
}

run_ovset() {
  "$@" settings colour red
  "$@" settings size 10
  "$@" settings colour green
  printf 'colour=green\nsize=10\n' | cmp - settings || fail "wrong text"
  printf 'last=1' >settings
  "$@" settings size 10
  "$@" settings las t
  printf 'last=1\nsize=10\nlas=t\n' | cmp - settings || fail "wrong end"
  if "$@" . a b 2>said; then fail "took a folder"; fi
  grep -q 'directory' said || fail "does not say why"
  [ "$(ls -A)" = "$(printf 'said\nsettings')" ] || fail "left something"
}

"run_$name" "$@"
cd ..
rm -rf "$folder"
