/* SPDX-License-Identifier: MIT */
/* Every allocation of the library, so that tests can make each one fail. */
#include "common/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ovio.h"

#ifdef OVIO_TESTING
_Atomic unsigned long memory_count;
_Atomic long memory_alive;
_Atomic unsigned long memory_fail_at;
_Atomic bool memory_fail_all_after;

static bool memory__fails(void) {
  memory_count++;
  unsigned long left = memory_fail_at;
  if (left == 1 && memory_fail_all_after)
    return true; /* it stays at 1 */
  while (left &&
         !atomic_compare_exchange_weak(&memory_fail_at, &left, left - 1))
    ;
  return left == 1;
}

static void memory__track(long change) {
  memory_alive += change;
}
#else
static bool memory__fails(void) {
  return false;
}

static void memory__track(long change) {
  (void)change;
}
#endif

void *memory_allocate(size_t length) {
  void *memory = memory__fails() ? NULL : calloc(1, length);
  if (memory)
    memory__track(1);
  return memory;
}

void *memory_grow(void *old, size_t length) {
  void *memory = memory__fails() ? NULL : realloc(old, length);
  if (memory && !old)
    memory__track(1);
  return memory;
}

void memory_free(void *memory) {
  if (!memory)
    return;
  memory__track(-1);
  free(memory);
}

void ovio_free(void *memory) {
  memory_free(memory);
}
