/* SPDX-License-Identifier: MIT */
/* Standard handles: descriptors 0, 1 and 2. */
#include "posix/side.h"

struct os_result os_standard_open(struct os_file *file, enum os_standard which,
                                  unsigned flags) {
  static const int fds[OS_STANDARD_COUNT] = {STDIN_FILENO, STDOUT_FILENO,
                                             STDERR_FILENO};
  return os_file_adopt(file, fds[which], flags);
}

struct os_result os_standard_is_console(const struct os_file *file) {
  return (struct os_result){native.isatty((int)file->handle) == 1, 0};
}
