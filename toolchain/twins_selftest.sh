#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Shows twins.sh pairs that are not twins: it must refuse each of them.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

pair() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/common" "$work/tree/win32" "$work/tree/posix"
  cat >"$work/tree/common/os.h" <<'END'
struct os_thing;
/* ---- one.c ---- */
/* Calls os_never(1) at times. */
int os_first(int a,
             int b);
struct os_thing *os_second(void);
/* ---- two.c ---- */
void os_third(void);
END
  for side in win32 posix; do
    cat >"$work/tree/$side/one.c" <<'END'
static int one__helper(void);
int os_first(int a,
             int b) {
  os_third();
  return one__helper();
}

struct os_thing *os_second(void) {
  return 0;
}
END
    cat >"$work/tree/$side/two.c" <<'END'
void os_third(void) {
}
END
  done
}

# accept NAME / refuse NAME MESSAGE: what the tree as it is now must earn.
accept() {
  if ! sh "$here/twins.sh" "$work/tree" one two >"$work/out" 2>&1; then
    echo "twins_selftest: $1: refused" >&2
    cat "$work/out" >&2
    failed=1
  fi
}

refuse() {
  if sh "$here/twins.sh" "$work/tree" one two >"$work/out" 2>&1; then
    echo "twins_selftest: $1: accepted" >&2
    failed=1
  elif ! grep -q "$2" "$work/out"; then
    echo "twins_selftest: $1: refused, but not with \"$2\"" >&2
    cat "$work/out" >&2
    failed=1
  fi
}

pair
accept "good twins"

pair
rm "$work/tree/posix/two.c"
refuse "file missing" 'posix/two.c is missing'

pair
: >"$work/tree/win32/two.c"
refuse "function missing" 'win32/two.c: os_third is missing'

pair
echo 'int os_extra(void) {' >>"$work/tree/posix/one.c"
refuse "function extra" 'posix/one.c: os_extra is not declared'

pair
printf 'struct os_thing *os_second(void) {\n}\nint os_first(int a, int b) {\n}\n' \
  >"$work/tree/win32/one.c"
refuse "order" 'win32/one.c: order differs'

pair
echo 'static int os_hidden(void) {' >>"$work/tree/win32/two.c"
refuse "static" 'os_hidden is static'

pair
sed -i 's/two\.c/three.c/' "$work/tree/common/os.h"
refuse "unknown section" 'section three.c is no unit'

pair
sed -i '1i int os_loose(void);' "$work/tree/common/os.h"
refuse "outside of sections" 'os_loose stands below no'

if [ $failed -eq 0 ]; then echo "8 trees judged rightly"; fi
exit $failed
