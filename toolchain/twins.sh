#!/bin/sh
# SPDX-License-Identifier: MIT
#
# win32/ and posix/ are twins: each unit's two files define the same os_*
# functions, in the order in which common/os.h declares them.
#
#   twins.sh ROOT UNIT...
#
# common/os.h heads the functions of a unit with the line
#
#   /* ---- unit.c ---- */
#
# and a definition starts in the first column, as clang-format leaves it.
set -eu

root=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# fail MESSAGE...
fail() {
  echo "twins:" "$@" >&2
  failed=1
}

# Names of os_* functions at the first column of a file: declarations (want
# ";") or definitions (want "{"), whichever ends the thing that starts there.
# With unit=..., only below that unit's heading.
functions() {
  awk -v want="$1" -v unit="${3-}" '
    BEGIN { inside = unit == "" }
    unit != "" && /^\/\* ---- .* ---- \*\/$/ { inside = $3 == unit ".c" }
    /^static/ && !/\(/ { next }
    name == "" && inside &&
      /^([A-Za-z_][A-Za-z0-9_ ()*]*[ *])?os_[a-z0-9_]+\(/ {
      static = /^static/
      name = $0
      sub(/\(.*/, "", name)
      while (match(name, /[ *(]/)) name = substr(name, RSTART + 1)
    }
    name != "" && match($0, /[;{]/) {
      if (substr($0, RSTART, 1) == want) print (static ? "static " : "") name
      name = ""
    }
  ' "$2"
}

# The units that os.h knows are the units that the build knows.
sed -n 's,^/\* ---- \(.*\)\.c ---- \*/$,\1,p' "$root/common/os.h" \
  >"$work/headed"
for unit in $(sort "$work/headed" | uniq -d); do
  fail "common/os.h: two sections are headed $unit.c"
done
for unit in $(cat "$work/headed"); do
  case " $* " in
    *" $unit "*) ;;
    *) fail "common/os.h: section $unit.c is no unit of the build" ;;
  esac
done

# Declarations outside of every section would be checked by nobody.
functions ';' "$root/common/os.h" >"$work/all"
for unit in "$@"; do
  functions ';' "$root/common/os.h" "$unit" >"$work/$unit"
done
for name in $(cat "$work/all"); do
  for unit in "$@"; do
    if grep -qx "$name" "$work/$unit"; then continue 2; fi
  done
  fail "common/os.h: $name stands below no unit's heading"
done

for unit in "$@"; do
  for side in win32 posix; do
    file=$root/$side/$unit.c
    if ! [ -e "$file" ]; then
      fail "$side/$unit.c is missing"
      continue
    fi
    functions '{' "$file" >"$work/found"
    for name in $(sed -n 's/^static //p' "$work/found"); do
      fail "$side/$unit.c: $name is static; os_ is for the border"
    done
    sed -i '/^static /d' "$work/found"
    bad=$failed
    for name in $(cat "$work/$unit"); do
      grep -qx "$name" "$work/found" ||
        fail "$side/$unit.c: $name is missing"
    done
    for name in $(cat "$work/found"); do
      grep -qx "$name" "$work/$unit" ||
        fail "$side/$unit.c: $name is not declared for $unit.c in common/os.h"
    done
    if [ "$failed" = "$bad" ] && ! cmp -s "$work/$unit" "$work/found"; then
      first=$(diff "$work/$unit" "$work/found" | sed -n '2s/^..//p')
      fail "$side/$unit.c: order differs from common/os.h, see $first"
    fi
  done
done

if [ $failed -eq 0 ]; then
  echo "$# pairs of twins, $(wc -l <"$work/all") functions"
fi
exit $failed
