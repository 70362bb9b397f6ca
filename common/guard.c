/* SPDX-License-Identifier: MIT */
/* Ops that the program copies, moves or overwrites while they are in flight.
 *
 * An active op has a mark: a magic number, and its own address. Who gets an op
 * back, from the kernel, a worker, a timer or a queue, looks at it; and the
 * first ones of a loop are looked at in every turn, before their links are
 * followed. An op without its mark cannot be answered for: the kernel may write
 * where it pointed, and the lists that it was in are torn. So the process
 * stops, and says what was done. What the program does with a copy of an op
 * changes nothing yet: it gets an error, and a word. */
#include "common/guard.h"

#include "common/loop.h"

#if OP_GUARDED

#include <stdio.h>
#include <stdlib.h>

#define GUARD_MAGIC   (UINT64_C(0x0b10) << 48)
#define GUARD_ADDRESS ((UINT64_C(1) << 48) - 1)
#define GUARD_STATES  (OP_CLAIMED | OP_ACTIVE | OP_STUBBORN | OP_CANCEL_ASKED)

enum { LOOK_AT_MAX = 64 };

static uint64_t guard__mark_of(const struct op *op) {
  return GUARD_MAGIC | ((uint64_t)(uintptr_t)op & GUARD_ADDRESS);
}

static uint64_t guard__read(const struct op *op) {
  return atomic_load_explicit(&op->mark, memory_order_relaxed);
}

void guard_mark(struct op *op) {
  atomic_store_explicit(&op->mark, guard__mark_of(op), memory_order_relaxed);
}

static _Noreturn void guard__stop(const void *op) {
  (void)fprintf(
      stderr,
      "ovio: operation %p was overwritten, moved or freed while it was in "
      "flight: between its start and its callback a struct ovio_op stays where "
      "it is, as it is\n",
      op);
  abort();
}

void guard_check(const struct op *op) {
  unsigned state = atomic_load(&op->state);
  if (!(state & OP_ACTIVE) || (state & ~GUARD_STATES) ||
      guard__read(op) != guard__mark_of(op))
    guard__stop(op);
}

void guard_check_loop(const struct loop *loop) {
  int left = LOOK_AT_MAX;
  for (const struct op *op = loop->ops; op && left > 0; op = op->loop_next) {
    guard_check(op);
    left--;
  }
}

void guard_check_node(const struct node *node) {
  if (!node->run)
    guard__stop(CONTAINER_OF(node, const struct op, link));
}

bool guard_is_strange(const struct op *op) {
  unsigned state = atomic_load(&op->state);
  uint64_t mark = guard__read(op);
  bool known = (mark & ~GUARD_ADDRESS) == GUARD_MAGIC;
  if (!(state & (OP_ACTIVE | ~GUARD_STATES)) || mark == guard__mark_of(op))
    return false;
  if (known && !(state & ~GUARD_STATES))
    (void)fprintf(stderr,
                  "ovio: operation %p is a copy of one in flight, %p: between "
                  "its start and its callback a struct ovio_op is not moved or "
                  "copied; name the original\n",
                  (const void *)op, (void *)(uintptr_t)(mark & GUARD_ADDRESS));
  else
    (void)fprintf(stderr,
                  "ovio: operation %p is not idle and was never started: zero "
                  "a struct ovio_op before its first use\n",
                  (const void *)op);
  return true;
}

#endif
