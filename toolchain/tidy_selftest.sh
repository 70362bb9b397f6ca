#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Shows tidy.sh what it must refuse, piece by piece, and what it must not.
set -eu

here=$(cd "$(dirname "$0")" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/common" "$work/tree/win32" "$work/tree/posix" \
    "$work/tree/tests" "$work/tree/include" "$work/tree/toolchain"
  for file in win32/native.h posix/native.h common/ok.c; do
    echo '/* SPDX-License-Identifier: MIT */' >"$work/tree/$file"
  done
  printf 'struct native_calls {\n  int (WINAPI *ReadFile)(int a);\n};\n' \
    >>"$work/tree/win32/native.h"
  printf 'struct native_calls {\n  int (*pread)(int a);\n};\n' \
    >>"$work/tree/posix/native.h"
}

# put FILE TEXT, the text in printf's escapes; tidy's answer goes to "out".
put() {
  tree
  count=$((count + 1))
  {
    echo '/* SPDX-License-Identifier: MIT */'
    # shellcheck disable=SC2059
    printf "$2\n"
  } >"$work/tree/$1"
  sh "$here/tidy.sh" "$work/tree" >"$work/out" 2>&1
}

refuse() {
  if put "$1" "$2"; then
    echo "tidy_selftest: accepted in $1: $2" >&2
    failed=1
  elif ! grep -q -e "$3" "$work/out"; then
    echo "tidy_selftest: $1: not refused with \"$3\", but:" >&2
    cat "$work/out" >&2
    failed=1
  fi
}

accept() {
  if ! put "$1" "$2"; then
    echo "tidy_selftest: refused in $1: $2" >&2
    cat "$work/out" >&2
    failed=1
  fi
}

# A function of N lines, signature and brace included.
lines() {
  echo "static int long_one(void) {"
  awk -v n="$1" 'BEGIN { for (i = 3; i < n; i++) print "  f();"; print "  return 0;" }'
  echo "}"
}

refuse common/a.c '\tint a;' 'a.c:2: tab'
refuse common/a.c 'int a; ' 'space at the end'
refuse common/a.c 'int a;\r' 'carriage return'
refuse common/a.c '/* TODO: more */' 'unfinished'
refuse tests/a.c '// FIXME' 'unfinished'
refuse common/a.c "/* $(printf '%0100d' 0) */" 'the cap is 100'
refuse common/a.c "$(lines 71)" 'long_one: 71 lines'
accept common/a.c "$(lines 70)"
refuse common/a.c "int f(int a,\n      int b) {\n$(lines 70 | sed 1d)" 'f: 71 lines'
accept common/a.c "int f(void);\nint a[] = {\n$(lines 80 | sed '1d;$d')\n};"

refuse win32/a.c '  h = CreateFileA(name);' 'CreateFileA: banned, use CreateFileW'
refuse tests/a.c '  strcpy(a, b);' 'strcpy: banned'
refuse posix/a.c '  strcat(a, b);' 'strcat: banned'
refuse common/a.c '  x = y(sprintf(a, b));' 'sprintf: banned, use snprintf'
accept common/a.c '  snprintf(a, b); /* sprintf(a) */\n  s("gets(a)");'
refuse common/a.c '  gets(a);' 'gets: banned'
refuse posix/a.c '  p = alloca(3);' 'alloca: banned'
refuse posix/a.c '  p = malloc(3);' 'use memory_'
refuse common/a.c '  free(p);' 'use memory_'
accept common/memory.c '  free(p);'
accept tests/a.c '  free(p);'
accept common/a.c '/* free(p)\n   malloc(3) */ memory_free(p);'
refuse common/a.c '  assert(a);' 'assert: use CHECK'
accept common/a.c 'static_assert(1, "a");\n_Static_assert(1, "a");'

refuse win32/a.c '#include <windows.h>' 'only in win32/native.h'
refuse common/a.h '#include <Windows.h>' 'only in win32/native.h'
accept tests/a.c '#include <windows.h>'
accept win32/native.h '#include <windows.h>'
refuse posix/a.c '#ifdef _WIN32' 'only include/ovio.h asks'
refuse tests/a.c '#if defined(_WIN32)' 'only include/ovio.h asks'
accept include/ovio.h '#ifdef _WIN32'
accept win32/a.h '#define _WIN32_WINNT 0x0a00'
refuse posix/a.c '#include <sys/stat.h>' 'only in posix/native.h'
accept posix/native.h '#define _GNU_SOURCE\n#include <sys/stat.h>'
refuse posix/a.c '#define _GNU_SOURCE' 'feature-test macro'
refuse common/a.c '#define _POSIX_C_SOURCE 200809L' 'feature-test macro'
refuse common/a.c '#include <unistd.h>' 'above the border'
refuse common/a.c '#include <pthread.h>' 'above the border'
accept common/a.c '#include <stdatomic.h>\n#include "common/os.h"'
refuse common/a.c '#include "posix/native.h"' 'common/ knows no side'
refuse common/a.c '  HANDLE h = 0;' 'of one system'
refuse common/a.h '  if (errno == 3)' 'of one system'
accept common/a.c '/* no HANDLE here */ int ovio_handle_count;'
refuse win32/a.c '  ok = ReadFile(h);' 'ReadFile: goes around'
accept win32/a.c '  ok = native.ReadFile(h) + native->ReadFile(h);'
refuse posix/a.c '  n = pread(fd);' 'pread: goes around'
accept win32/a.c '  n = pread(fd);'

tree
echo 'int a;' >"$work/tree/common/a.c"
printf '\n\n' >>"$work/tree/common/a.c"
if sh "$here/tidy.sh" "$work/tree" >"$work/out" 2>&1; then
  echo "tidy_selftest: accepted without an SPDX line" >&2
  failed=1
fi

if [ $failed -eq 0 ]; then echo "$((count + 1)) snippets judged rightly"; fi
exit $failed
