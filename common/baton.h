/* SPDX-License-Identifier: MIT */
/* What the threads of a loop hand to each other: who has it, runs the loop.
 *
 * Not a lock: it is taken on one stack and given on another, since tasks
 * switch in between, which checkers of locks do not like. */
#ifndef OVIO_COMMON_BATON_H
#define OVIO_COMMON_BATON_H

#include <stdbool.h>

#include "common/os.h"

struct baton {
  struct os_lock lock; /* for moments */
  struct os_cond free;
  struct os_cond work;
  bool taken;
  unsigned wanted; /* by so many */
  unsigned idle;   /* so many are in baton_await_work(); his who has it */
};

void baton_init(struct baton *baton);
void baton_destroy(struct baton *baton);
void baton_take(struct baton *baton);
void baton_give(struct baton *baton);
/* Gives it away until somebody calls for help, and takes it again. */
void baton_await_work(struct baton *baton);
/* Calls one of the idle. Only who has it. */
void baton_call_idle(struct baton *baton);

#endif
