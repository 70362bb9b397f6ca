/* SPDX-License-Identifier: MIT */
/* Buffers in flight, as the address sanitizer sees them: its side of
 * common/poison.h. Without it: nothing. */
#include "common/poison.h"

#include <stdint.h>

#if POISON_IS_ON

#include <sanitizer/asan_interface.h>

/* asan_mapping.h: a byte of shadow for a granule; 0: all of it is there;
 * __asan_poison_memory_region() was here. */
enum { GRANULE = 8, SHADOW_FINE = 0, SHADOW_OURS = 0xf7 };

/* The sanitizer's own report, with its stacks. */
__attribute__((noinline)) static void poison__report(const void *memory) {
  (void)*(const volatile char *)memory;
}

void poison_check(const void *memory, size_t length) {
  /* It takes what it does not change for something to write to. */
  void *bad = __asan_region_is_poisoned((void *)(uintptr_t)memory, length);
  if (bad)
    poison__report(bad);
}

void poison_check_parts(const struct ovio_iovec *iov, size_t count) {
  for (size_t at = 0; at < count; at++) {
    if (iov[at].iov_len)
      poison_check(iov[at].iov_base, iov[at].iov_len);
  }
}

/* The whole granules of a part; false: there are none. */
static bool poison__inside(const struct ovio_iovec *part, uintptr_t *begin,
                           uintptr_t *end) {
  uintptr_t base = (uintptr_t)part->iov_base;
  *begin = (base + GRANULE - 1) / GRANULE * GRANULE;
  *end = (base + part->iov_len) / GRANULE * GRANULE;
  return *begin < *end;
}

void poison_parts(const struct ovio_iovec *iov, size_t count) {
  uintptr_t begin, end;
  for (size_t at = 0; at < count; at++) {
    if (poison__inside(&iov[at], &begin, &end))
      __asan_poison_memory_region((void *)begin, end - begin);
  }
}

__attribute__((no_sanitize("address"))) /* it looks at no memory of ours */
static unsigned char
poison__shadow(uintptr_t at) {
  size_t scale, offset;
  __asan_get_shadow_mapping(&scale, &offset);
  return *(const unsigned char *)((at >> scale) + offset);
}

/* What is fine already belonged to two reads at once, or was unpoisoned by the
 * program. */
static void poison__lift(uintptr_t begin, uintptr_t end) {
  for (uintptr_t at = begin; at < end; at += GRANULE) {
    unsigned char shadow = poison__shadow(at);
    if (shadow == SHADOW_OURS)
      __asan_unpoison_memory_region((void *)at, GRANULE);
    else if (shadow != SHADOW_FINE)
      poison__report((const void *)at);
  }
}

void poison_lift_parts(const struct ovio_iovec *iov, size_t count) {
  uintptr_t begin, end;
  for (size_t at = 0; at < count; at++) {
    if (poison__inside(&iov[at], &begin, &end))
      poison__lift(begin, end);
  }
}

#endif
