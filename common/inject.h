/* SPDX-License-Identifier: MIT */
/* Faults that a program's tests ask for, ovio_test.h: only with OVIO_TESTING.
 * Without it these are nothing. */
#ifndef OVIO_COMMON_INJECT_H
#define OVIO_COMMON_INJECT_H

#include "common/op.h"

#ifdef OVIO_TESTING

extern atomic_uint inject_count; /* rules */

/* Every operation has to be an op then. */
static inline bool inject_is_on(void) {
  return atomic_load_explicit(&inject_count, memory_order_relaxed) > 0;
}

/* An op meets the rules, once: op->injected, and a transfer's limit. When it is
 * to begin, on os_clock_ns(); 0: now. */
int64_t inject_decide(struct op *op);

/* The result of a close. */
static inline struct os_result inject_into(const struct op *op,
                                           struct os_result result) {
  return op->injected < 0 ? (struct os_result){op->injected, 0} : result;
}

#else

static inline bool inject_is_on(void) {
  return false;
}

static inline int64_t inject_decide(struct op *op) {
  (void)op;
  return 0;
}

static inline struct os_result inject_into(const struct op *op,
                                           struct os_result result) {
  (void)op;
  return result;
}

#endif

#endif
