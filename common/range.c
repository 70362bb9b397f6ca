/* SPDX-License-Identifier: MIT */
/* Locks on ranges of files.
 *
 * A lock that somebody else has is tried again and again, with growing pauses,
 * in which a task waits and nothing else does; to the file it is one operation
 * all the while, which a close takes out. No system's own waiting would do:
 * F_OFD_SETLKW cannot be taken back, and under Wine an overlapped
 * LockFileEx that has to wait never comes back. */
#include "common/file.h"
#include "common/loop.h"

struct range {
  struct file *file;
  int64_t offset;
  int64_t length;
  bool shared;
};

static int range__check(const struct range *range) {
  const struct file *file = range->file;
  if (!file || range->offset < 0 || range->length < 0 ||
      range->length > INT64_MAX - range->offset)
    return OVIO_EINVAL;
  if (!(atomic_load(&file->state) & FILE_OPEN))
    return OVIO_EBADF;
  if (file->os.kind == OS_KIND_DIRECTORY)
    return OVIO_EISDIR;
  return file->os.kind == OS_KIND_DISK ? 0 : OVIO_ESPIPE;
}

static struct os_result range__lock(void *argument, struct os_waiter *waiter) {
  const struct range *range = argument;
  (void)waiter;
  return os_range_lock(&range->file->os, range->offset, range->length,
                       range->shared);
}

static struct os_result range__unlock(void *argument,
                                      struct os_waiter *waiter) {
  const struct range *range = argument;
  (void)waiter;
  return os_range_unlock(&range->file->os, range->offset, range->length);
}

static int range__check_lock(const struct range *range, unsigned flags) {
  int error = range__check(range);
  if (error)
    return error;
  if (flags & ~(unsigned)(OVIO_LOCK_SHARED | OVIO_LOCK_TRY))
    return OVIO_EINVAL;
  unsigned needs = range->shared ? OVIO_READ : OVIO_WRITE;
  return range->file->flags & needs ? 0 : OVIO_EBADF;
}

int ovio_lock(struct ovio_file *file, int64_t offset, int64_t length,
              unsigned flags) {
  struct range range = {file_of(file), offset, length,
                        (flags & OVIO_LOCK_SHARED) != 0};
  int error = range__check_lock(&range, flags);
  if (error)
    return (int)runner_answer(error, 0);
  if (flags & OVIO_LOCK_TRY)
    return (int)op_perform_call(range.file, range__lock, &range);
  const struct runner *runner = runner_current();
  if (runner && !runner->task)
    return (int)runner_answer(OVIO_EDEADLK, 0);
  return (int)op_perform_insistent(range.file, range__lock, &range);
}

int ovio_unlock(struct ovio_file *file, int64_t offset, int64_t length) {
  struct range range = {file_of(file), offset, length, false};
  int error = range__check(&range);
  if (error)
    return (int)runner_answer(error, 0);
  return (int)op_perform_call(range.file, range__unlock, &range);
}
