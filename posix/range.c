/* SPDX-License-Identifier: MIT */
/* Locks: of the open file description (fcntl(2), F_OFD_SETLK), which two files
 * of one process do not share, and which no other close lets go. Where there
 * are none, flock(2) has the same owner, but knows the whole file only. */
#include "posix/side.h"

enum range_wish { RANGE_FREE, RANGE_SHARED, RANGE_EXCLUSIVE };

#if NATIVE_HAS_OFD_LOCKS
static int range__set(int fd, int64_t offset, int64_t length,
                      enum range_wish wish) {
  static const short types[] = {F_UNLCK, F_RDLCK, F_WRLCK};
  struct flock lock = {.l_type = types[wish],
                       .l_whence = SEEK_SET,
                       .l_start = (off_t)offset,
                       .l_len = (off_t)length};
  int failed;
  do /* a server may have to be asked */
    failed = native.fcntl_lock(fd, F_OFD_SETLK, &lock);
  while (failed && errno == EINTR);
  if (failed && errno == EACCES) /* POSIX allows either */
    errno = EAGAIN;
  return failed;
}
#else
static int range__set(int fd, int64_t offset, int64_t length,
                      enum range_wish wish) {
  static const int operations[] = {LOCK_UN, LOCK_SH | LOCK_NB,
                                   LOCK_EX | LOCK_NB};
  int failed;
  if (offset != 0 || length != 0) {
    errno = ENOTSUP;
    return -1;
  }
  do
    failed = native.flock(fd, operations[wish]);
  while (failed && errno == EINTR);
  return failed;
}
#endif

struct os_result os_range_lock(const struct os_file *file, int64_t offset,
                               int64_t length, bool shared) {
  int failed = range__set((int)file->handle, offset, length,
                          shared ? RANGE_SHARED : RANGE_EXCLUSIVE);
  return failed ? native_failure(errno) : (struct os_result){0, 0};
}

struct os_result os_range_unlock(const struct os_file *file, int64_t offset,
                                 int64_t length) {
  int failed = range__set((int)file->handle, offset, length, RANGE_FREE);
  return failed ? native_failure(errno) : (struct os_result){0, 0};
}
