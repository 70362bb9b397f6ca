/* SPDX-License-Identifier: MIT */
/* What this system does not have: it refuses. */
#include "tests/fake/fake.h"

int os_path_check(const char *path) {
  return path[0] ? 0 : OVIO_ENOENT;
}

bool os_path_separates(char byte) {
  return byte == '/';
}

bool os_path_is_absolute(const char *path) {
  return path[0] == '/';
}

struct os_result os_pipe_accept_now(const struct os_file *listener,
                                    struct os_waiter *waiter) {
  (void)listener;
  (void)waiter;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_pipe_take(struct os_file *listener, struct os_file *file,
                              int64_t value) {
  (void)listener;
  (void)file;
  (void)value;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_pipe_listen(struct os_file *listener, const char *name,
                                unsigned flags) {
  (void)listener;
  (void)name;
  (void)flags;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_pipe_connect(struct os_file *file, const char *name,
                                 unsigned flags) {
  (void)file;
  (void)name;
  (void)flags;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_pipe_shutdown(const struct os_file *file) {
  (void)file;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_ready_glance(const struct os_file *file, bool write) {
  (void)file;
  (void)write;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_ready_now(const struct os_file *file, bool write,
                              struct os_waiter *waiter) {
  (void)file;
  (void)write;
  (void)waiter;
  return (struct os_result){OVIO_ENOTSUP, 0};
}
