/* SPDX-License-Identifier: MIT */
/* Finding the variants. The build says which groups there are. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#define X(group) extern const struct variant group##_variants[];
OVBENCH_GROUPS
#undef X

/* The first ones of an operation are what the others are compared with. */
static const struct variant *const groups[] = {
#define X(group) group##_variants,
    OVBENCH_GROUPS
#undef X
};

enum { GROUPS = sizeof groups / sizeof *groups };

static const char *const op_names[BENCH_OPS] = {
    [BENCH_READ] = "read",         [BENCH_WRITE] = "write",
    [BENCH_FILES] = "files",       [BENCH_YIELD] = "yield",
    [BENCH_SPAWN] = "spawn",       [BENCH_POST] = "post",
    [BENCH_PINGPONG] = "pingpong", [BENCH_STREAM] = "stream",
    [BENCH_COMPUTE] = "compute",   [BENCH_TIMERS] = "timers",
    [BENCH_TASKS] = "tasks",       [BENCH_INFLIGHT] = "inflight",
    [BENCH_SLEEPS] = "sleeps",     [BENCH_HANDLES] = "handles",
};

const char *op_name(enum bench_op op) {
  return op_names[op];
}

static const struct variant *find(enum bench_op op, const char *name,
                                  size_t length) {
  for (size_t group = 0; group < GROUPS; group++) {
    for (const struct variant *at = groups[group]; at->name; at++) {
      if (at->op == op && strlen(at->name) == length &&
          memcmp(at->name, name, length) == 0)
        return at;
    }
  }
  return NULL;
}

static size_t find_all(enum bench_op op, const struct variant **found,
                       size_t max) {
  size_t count = 0;
  for (size_t group = 0; group < GROUPS; group++) {
    for (const struct variant *at = groups[group]; at->name; at++) {
      if (at->op == op && !(at->flags & BENCH_HIDDEN) && count < max)
        found[count++] = at;
    }
  }
  return count;
}

size_t variants_find(enum bench_op op, const char *names,
                     const struct variant **found, size_t max) {
  if (!names)
    return find_all(op, found, max);
  size_t count = 0;
  while (*names && count < max) {
    size_t length = strcspn(names, ",");
    const struct variant *variant = find(op, names, length);
    if (variant)
      found[count++] = variant;
    else
      fprintf(stderr, "ovbench: no variant %.*s for %s in this build\n",
              (int)length, names, op_name(op));
    names += length + (names[length] == ',');
  }
  return count;
}

void variants_list(void) {
  const struct variant *found[64];
  for (int op = 0; op < BENCH_OPS; op++) {
    size_t count = find_all((enum bench_op)op, found, 64);
    printf("%-9s", op_names[op]);
    for (size_t at = 0; at < count; at++)
      printf(" %s", found[at]->name);
    printf("\n");
  }
}
