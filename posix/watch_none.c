/* SPDX-License-Identifier: MIT */
/* Watching where there is no inotify(7): not yet. kqueue(2) tells of single
 * descriptors, not of names. */
#include "posix/side.h"

#if !NATIVE_HAS_INOTIFY
struct os_result os_watch_create(struct os_watch **watch) {
  (void)watch;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

/* No watch, so nothing of what follows is ever called. */
void os_watch_destroy(struct os_watch *watch) {
  (void)watch;
}

struct os_result os_watch_add(struct os_watch *watch, struct os_root *root,
                              const char *directory) {
  (void)watch;
  (void)root;
  (void)directory;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

void os_watch_remove(struct os_watch *watch, struct os_root *root) {
  (void)watch;
  (void)root;
}

struct os_result os_watch_wait(struct os_watch *watch, int64_t timeout_ns,
                               struct os_waiter *waiter) {
  (void)watch;
  (void)timeout_ns;
  (void)waiter;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_watch_take(struct os_watch *watch, struct os_change *out) {
  (void)watch;
  (void)out;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

void os_watch_wake(struct os_watch *watch) {
  (void)watch;
}
#endif
