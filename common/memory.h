/* SPDX-License-Identifier: MIT */
/* Every allocation of the library, so that tests can make each one fail. */
#ifndef OVIO_COMMON_MEMORY_H
#define OVIO_COMMON_MEMORY_H

#include <stddef.h>

/* Zeroed memory, or NULL. */
void *memory_allocate(size_t length);
/* `old` grown to `length` bytes (the new part is not zeroed), or NULL and
 * `old` as it was. */
void *memory_grow(void *old, size_t length);
void memory_free(void *memory); /* NULL is fine */

#ifdef OVIO_TESTING
#include <stdbool.h>

/* How many allocations were made, how many are alive, and which one is to fail:
 * 1 is the next, 0 none; afterwards it is 0, or stays 1 where all after it are
 * to fail too. */
extern _Atomic unsigned long memory_count;
extern _Atomic long memory_alive;
extern _Atomic unsigned long memory_fail_at;
extern _Atomic bool memory_fail_all_after;
#endif

#endif
