/* SPDX-License-Identifier: MIT */
/* CHECK(condition): a contract between parts of the library, on in release
 * builds. A broken one stops the process: going on could hand memory that the
 * kernel still writes to back to its owner. Misuse by the caller is never
 * checked this way: it gets an error. */
#ifndef OVIO_COMMON_CHECK_H
#define OVIO_COMMON_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                       \
  ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

static inline _Noreturn void check_failed(const char *file, int line,
                                          const char *condition) {
  (void)fprintf(stderr, "ovio: %s:%d: broken invariant: %s\n", file, line,
                condition);
  abort();
}

#endif
