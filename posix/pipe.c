/* SPDX-License-Identifier: MIT */
/* Pipes: pipe2(2).
 *
 * O_NONBLOCK belongs to the description. The two ends have one each, so our end
 * may have it while the other program's has not. */
#include "posix/side.h"

static int pipe__open(int fds[2]) {
#if NATIVE_HAS_PIPE2
  return native.pipe2(fds, O_CLOEXEC);
#else
  if (native.pipe(fds) < 0)
    return -1;
  /* A fork() of another thread in between is a leak that this system leaves. */
  native.fcntl(fds[0], F_SETFD, FD_CLOEXEC);
  native.fcntl(fds[1], F_SETFD, FD_CLOEXEC);
  return 0;
#endif
}

static struct os_result pipe__prepare(struct os_file *end, int fd,
                                      unsigned flags) {
  if ((flags & OVIO_INHERIT) && native.fcntl(fd, F_SETFD, 0) < 0)
    return native_failure(errno);
  if (!(flags & OVIO_BLOCKING) && native.fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
    return native_failure(errno);
  return os_file_adopt(end, fd, flags);
}

struct os_result os_pipe_create(struct os_file ends[2],
                                const unsigned flags[2]) {
  int fds[2];
  if (pipe__open(fds) < 0)
    return native_failure(errno);
  struct os_result result = pipe__prepare(&ends[0], fds[0], flags[0]);
  if (result.value == 0)
    result = pipe__prepare(&ends[1], fds[1], flags[1]);
  if (result.value < 0) {
    native.close(fds[0]);
    native.close(fds[1]);
  }
  return result;
}
