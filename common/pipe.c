/* SPDX-License-Identifier: MIT */
/* Pipes. */
#include "common/file.h"
#include "common/loop.h"

#define FLAGS_PIPE                                                             \
  ((unsigned)(OVIO_BLOCKING | OVIO_INHERIT | OVIO_INLINE | OVIO_NONBLOCK))

int ovio_pipe(struct ovio_file ends[2], unsigned flags) {
  if (!ends)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *file_of(&ends[0]) = *file_of(&ends[1]) = (struct file){0};
  if (flags & ~FLAGS_PIPE)
    return (int)runner_answer(OVIO_EINVAL, 0);
  const unsigned each[2] = {flags, flags};
  struct os_file os[2] = {{0}, {0}};
  struct os_result result = os_pipe_create(os, each);
  if (result.value == 0) {
    file_install(file_of(&ends[0]), &os[0], flags | OVIO_READ);
    file_install(file_of(&ends[1]), &os[1], flags | OVIO_WRITE);
  }
  return (int)runner_answer(result.value, result.native);
}
