/* SPDX-License-Identifier: MIT */
/* Buffers in flight, as the address sanitizer sees them.
 *
 * In a build with it, every buffer is looked at when it is submitted, so that
 * one that is freed or too short is reported there, in the stack of the caller;
 * and what a loop's read is to fill is poisoned until its result is delivered,
 * so that whoever looks at it meanwhile is reported. What is written from may
 * be read by anybody.
 *
 * Needs reads that the sanitizer does not see (OVIO_RAW_READS, for
 * posix/native.c): it would take a worker's pread(2) for a look. */
#ifndef OVIO_COMMON_POISON_H
#define OVIO_COMMON_POISON_H

#include <stdbool.h>
#include <stddef.h>

#include "ovio.h"

#if OVIO_RAW_READS && defined(__SANITIZE_ADDRESS__)
#define POISON_IS_ON 1 /* gcc */
#elif OVIO_RAW_READS && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_IS_ON 1
#endif
#endif

#ifndef POISON_IS_ON
#define POISON_IS_ON 0
#endif

#if POISON_IS_ON

/* Has the sanitizer report memory that is not the program's to give. */
void poison_check(const void *memory, size_t length);
void poison_check_parts(const struct ovio_iovec *iov, size_t count);
/* Only whole granules of 8 bytes: the rest may be shared with neighbours. */
void poison_parts(const struct ovio_iovec *iov, size_t count);
/* Has memory reported that was freed meanwhile. */
void poison_lift_parts(const struct ovio_iovec *iov, size_t count);

#else

static inline void poison_check(const void *memory, size_t length) {
  (void)memory;
  (void)length;
}

static inline void poison_check_parts(const struct ovio_iovec *iov,
                                      size_t count) {
  (void)iov;
  (void)count;
}

static inline void poison_parts(const struct ovio_iovec *iov, size_t count) {
  (void)iov;
  (void)count;
}

static inline void poison_lift_parts(const struct ovio_iovec *iov,
                                     size_t count) {
  (void)iov;
  (void)count;
}

#endif

#endif
