/* SPDX-License-Identifier: MIT */
/* Counts the heap allocations of this program and of the library in it. The
 * linker sends them here: --wrap=malloc and so on. */
#include "bench.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint_fast64_t count;

void *__real_malloc(size_t length);
void *__real_calloc(size_t members, size_t length);
void *__real_realloc(void *old, size_t length);
void *__wrap_malloc(size_t length);
void *__wrap_calloc(size_t members, size_t length);
void *__wrap_realloc(void *old, size_t length);

static void note(void) {
  atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

uint64_t allocations_count(void) {
  return atomic_load_explicit(&count, memory_order_relaxed);
}

void *__wrap_malloc(size_t length) {
  note();
  return __real_malloc(length);
}

void *__wrap_calloc(size_t members, size_t length) {
  note();
  return __real_calloc(members, length);
}

void *__wrap_realloc(void *old, size_t length) {
  note();
  return __real_realloc(old, length);
}
