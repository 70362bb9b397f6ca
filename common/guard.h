/* SPDX-License-Identifier: MIT */
/* Ops that the program copies, moves or overwrites while they are in flight:
 * found in debug builds (without NDEBUG) and in those with OVIO_TESTING. In
 * others these are nothing. */
#ifndef OVIO_COMMON_GUARD_H
#define OVIO_COMMON_GUARD_H

#include "common/op.h"

#if OP_GUARDED

/* It is about to become active, at this place. */
void guard_mark(struct op *op);
/* One that is active: stops the process if it is not as it was marked. */
void guard_check(const struct op *op);
/* Those of a loop, but not more than a few; by who has the baton. */
void guard_check_loop(const struct loop *loop);
void guard_check_node(const struct node *node);
/* One that the program names, and that is not idle: true, and a word on the
 * error stream, if it is a copy of another or was never started. */
bool guard_is_strange(const struct op *op);

#else

static inline void guard_mark(struct op *op) {
  (void)op;
}

static inline void guard_check(const struct op *op) {
  (void)op;
}

static inline void guard_check_loop(const struct loop *loop) {
  (void)loop;
}

static inline void guard_check_node(const struct node *node) {
  (void)node;
}

static inline bool guard_is_strange(const struct op *op) {
  (void)op;
  return false;
}

#endif

#endif
