/* SPDX-License-Identifier: MIT */
/* The reference for a task switch: the assembly alone, there and back. */
#include "bench.h"

#include <stdlib.h>

enum { STACK = 64 * 1024 };

/* posix/switch_*.S */
void native_switch(void **from, void *to);
void *native_switch_prepare(void *top, void (*main)(void *), void *argument);

struct bare {
  void *main, *other;
  _Alignas(16) unsigned char stack[STACK];
};

static void bare_body(void *argument) {
  struct bare *bare = argument;
  for (;;)
    native_switch(&bare->other, bare->main);
}

static int bare_begin(struct job *job, const struct variant *variant,
                      void **state) {
  (void)job;
  (void)variant;
  struct bare *bare = calloc(1, sizeof *bare);
  if (!bare)
    return OVIO_ENOMEM;
  bare->other = native_switch_prepare(bare->stack + STACK, bare_body, bare);
  *state = bare;
  return 0;
}

static int bare_run(struct job *job, void *state) {
  struct bare *bare = state;
  for (uint64_t at = 0; at < job->count; at++)
    native_switch(&bare->main, bare->other);
  job_count(job, job->count);
  return 0;
}

static void bare_end(void *state) {
  free(state);
}

extern const struct variant raw_switch_variants[];

const struct variant raw_switch_variants[] = {
    {"assembly", BENCH_YIELD, 0, 0, bare_begin, bare_run, bare_end},
    {0},
};
