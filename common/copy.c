/* SPDX-License-Identifier: MIT */
/* Copying between files: by the kernel, or by reading and writing. In pieces,
 * so that a cancel or a deadline comes through between two. */
#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"

enum { COPY_PIECE = 16 << 20, COPY_BUFFER = 256 << 10 };

struct copy {
  struct ovio_file *from;
  struct ovio_file *to;
  int64_t from_offset;
  int64_t to_offset;
  int64_t left;
  int64_t copied;
  char *buffer; /* NULL: the kernel copies */
};

static int64_t copy__piece(const struct copy *copy, int64_t most) {
  return copy->left < most ? copy->left : most;
}

static struct os_result copy__run(void *argument, struct os_waiter *waiter) {
  const struct copy *copy = argument;
  (void)waiter;
  return os_file_copy(&file_of(copy->from)->os, copy->from_offset,
                      &file_of(copy->to)->os, copy->to_offset,
                      (size_t)copy__piece(copy, COPY_PIECE));
}

/* One piece: bytes, 0 at the end, or an error. */
static int64_t copy__by_hand(struct copy *copy) {
  int64_t got =
      ovio_read(copy->from, copy->buffer,
                (size_t)copy__piece(copy, COPY_BUFFER), copy->from_offset);
  if (got <= 0)
    return got;
  return ovio_write(copy->to, copy->buffer, (size_t)got, copy->to_offset);
}

/* The kernel's 0 may also mean a file that says it has no bytes, as /proc's do:
 * a read knows. */
static int64_t copy__next(struct copy *copy) {
  if (!copy->buffer) {
    int64_t moved = op_perform_call(file_of(copy->to), copy__run, copy);
    if (moved > 0 || (moved < 0 && moved != OVIO_ENOTSUP))
      return moved;
    copy->buffer = memory_allocate(COPY_BUFFER);
    if (!copy->buffer)
      return runner_answer(OVIO_ENOMEM, 0);
  }
  return copy__by_hand(copy);
}

static int copy__check(const struct copy *copy) {
  int error = file_check_disk(copy->from, OVIO_READ);
  if (!error)
    error = file_check_disk(copy->to, OVIO_WRITE);
  if (error)
    return error;
  if (copy->from_offset < 0 || copy->to_offset < 0 || copy->left < 0)
    return OVIO_EINVAL;
  unsigned flags = file_of(copy->from)->flags | file_of(copy->to)->flags;
  return flags & (OVIO_DIRECT | OVIO_APPEND) ? OVIO_EINVAL : 0;
}

int64_t ovio_copy(struct ovio_file *from, int64_t from_offset,
                  struct ovio_file *to, int64_t to_offset, int64_t length) {
  struct copy copy = {.from = from,
                      .to = to,
                      .from_offset = from_offset,
                      .to_offset = to_offset,
                      .left = length};
  int64_t moved = copy__check(&copy);
  if (moved < 0)
    return runner_answer(moved, 0);
  while (copy.left > 0 && (moved = copy__next(&copy)) > 0) {
    copy.from_offset += moved;
    copy.to_offset += moved;
    copy.left -= moved;
    copy.copied += moved;
  }
  memory_free(copy.buffer);
  return copy.copied > 0 ? copy.copied : moved;
}
