/* SPDX-License-Identifier: MIT */
/* Readiness: poll(2) says what it is, in the loop as on a plain thread; the
 * port's engine only says when to ask again. */
#include "posix/side.h"

int os_ready_check(struct os_file *file, intptr_t handle) {
  if (handle < 0 || handle > INT_MAX)
    return OVIO_EBADF;
  *file = (struct os_file){.handle = handle,
                           .kind = OS_KIND_STREAM,
                           .traits = OS_TRAIT_PORTABLE,
                           .alignment = 1};
  return 0;
}

struct os_result os_ready_glance(const struct os_file *file, bool write) {
  int error = native_await((int)file->handle, write, NULL, 0);
  return error ? native_failure(error) : (struct os_result){0, 0};
}

struct os_result os_ready_now(const struct os_file *file, bool write,
                              struct os_waiter *waiter) {
  struct native_wakeup *wakeup =
      waiter ? (struct native_wakeup *)(void *)waiter->words : NULL;
  int error = native_await((int)file->handle, write, wakeup, -1);
  return error ? native_failure(error) : (struct os_result){0, 0};
}
