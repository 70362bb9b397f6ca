/* SPDX-License-Identifier: MIT */
/* What this system does not have: it refuses. And its entropy. */
#include "tests/fake/fake.h"

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

int os_random(void *bytes, size_t length) {
  for (size_t at = 0; at < length; at++)
    ((unsigned char *)bytes)[at] = (unsigned char)fake_random();
  return 0;
}
