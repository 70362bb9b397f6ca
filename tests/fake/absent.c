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

struct os_result os_name_make_directory(const struct os_name *name,
                                        unsigned mode) {
  (void)name;
  (void)mode;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_remove(const struct os_name *name, bool directory) {
  (void)name;
  (void)directory;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_rename(const struct os_name *from,
                                const struct os_name *to, bool exclusive) {
  (void)from;
  (void)to;
  (void)exclusive;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_link(const struct os_name *from,
                              const struct os_name *to) {
  (void)from;
  (void)to;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_symlink(const char *target, const struct os_name *name,
                                 bool directory) {
  (void)target;
  (void)name;
  (void)directory;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_read_link(const struct os_name *name, char *buffer,
                                   size_t length) {
  (void)name;
  (void)buffer;
  (void)length;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_resolve(const struct os_name *name, char *buffer,
                                 size_t length) {
  (void)name;
  (void)buffer;
  (void)length;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_stat(const struct os_name *name, bool follow,
                              struct ovio_stat *out) {
  (void)name;
  (void)follow;
  (void)out;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_access(const struct os_name *name, unsigned flags) {
  (void)name;
  (void)flags;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_set_mode(const struct os_name *name, unsigned mode) {
  (void)name;
  (void)mode;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_set_times(const struct os_name *name,
                                   int64_t access_ns, int64_t modify_ns) {
  (void)name;
  (void)access_ns;
  (void)modify_ns;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_name_temporary(char *buffer, size_t length) {
  (void)buffer;
  (void)length;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

int os_random(void *bytes, size_t length) {
  for (size_t at = 0; at < length; at++)
    ((unsigned char *)bytes)[at] = (unsigned char)fake_random();
  return 0;
}
