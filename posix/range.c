/* SPDX-License-Identifier: MIT */
/* Locks: of the open file description (fcntl(2), F_OFD_SETLK), which two files
 * of one process do not share, and which no other close lets go. Where there
 * are none, flock(2) has the same owner, but knows the whole file only. */
#include "posix/side.h"

#if NATIVE_HAS_OFD_LOCKS
static struct os_result range__set(const struct os_file *file, int64_t offset,
                                   int64_t length, int type) {
  struct flock lock = {.l_type = (short)type,
                       .l_whence = SEEK_SET,
                       .l_start = (off_t)offset,
                       .l_len = (off_t)length};
  if (native.fcntl_lock((int)file->handle, F_OFD_SETLK, &lock) == 0)
    return (struct os_result){0, 0};
  return native_failure(errno == EACCES ? EAGAIN : errno);
}

struct os_result os_range_lock(const struct os_file *file, int64_t offset,
                               int64_t length, bool shared) {
  return range__set(file, offset, length, shared ? F_RDLCK : F_WRLCK);
}

struct os_result os_range_unlock(const struct os_file *file, int64_t offset,
                                 int64_t length) {
  return range__set(file, offset, length, F_UNLCK);
}
#else
static struct os_result range__set(const struct os_file *file, int64_t offset,
                                   int64_t length, int operation) {
  if (offset != 0 || length != 0)
    return (struct os_result){OVIO_ENOTSUP, 0};
  if (native.flock((int)file->handle, operation) == 0)
    return (struct os_result){0, 0};
  return native_failure(errno);
}

struct os_result os_range_lock(const struct os_file *file, int64_t offset,
                               int64_t length, bool shared) {
  return range__set(file, offset, length,
                    (shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
}

struct os_result os_range_unlock(const struct os_file *file, int64_t offset,
                                 int64_t length) {
  return range__set(file, offset, length, LOCK_UN);
}
#endif
