/* SPDX-License-Identifier: MIT */
/* Directories: the walk through their entries.
 *
 * The system fills the caller's buffer with as many entries as fit, in its own
 * form; entries are then taken out of it without any system call. So a task
 * goes to a worker once for each buffer, not for each name. */
#include "common/file.h"
#include "common/loop.h"

#include <string.h>

/* Zeroed: none. */
struct walk {
  struct os_directory os;
  struct file *file;
  bool ended; /* there are no more batches */
  char name[OS_NAME_MAX];
};

_Static_assert(sizeof(struct walk) <= sizeof(struct ovio_dir), "ovio_dir");
_Static_assert(_Alignof(struct walk) <= _Alignof(struct ovio_dir), "alignment");

enum { WALK_ALIGNMENT = 8 };

static struct walk *walk__of(struct ovio_dir *dir) {
  return (struct walk *)(void *)dir;
}

int ovio_dir_begin(struct ovio_dir *dir, struct ovio_file *file, void *buffer,
                   size_t length) {
  if (!dir)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct walk *walk = walk__of(dir);
  *walk = (struct walk){0};
  if (!file || !buffer || length < OVIO_DIR_BUFFER_MIN)
    return (int)runner_answer(OVIO_EINVAL, 0);
  int error = file_check_directory(file);
  if (error)
    return (int)runner_answer(error, 0);
  size_t odd = (uintptr_t)buffer % WALK_ALIGNMENT;
  size_t skipped = odd ? WALK_ALIGNMENT - odd : 0;
  walk->file = file_of(file);
  walk->os.file = &walk->file->os;
  walk->os.buffer = (char *)buffer + skipped;
  walk->os.length = length - skipped;
  return 0;
}

static struct os_result walk__fill(void *argument, struct os_waiter *waiter) {
  struct walk *walk = argument;
  (void)waiter;
  return os_directory_fill(&walk->os);
}

/* 1, or 0: the batch is used up, or an error. */
static int walk__take(struct walk *walk, struct ovio_entry *out) {
  int found;
  do
    found = os_directory_next(&walk->os, out, walk->name);
  while (found > 0 &&
         (strcmp(out->name, ".") == 0 || strcmp(out->name, "..") == 0));
  return found;
}

int ovio_dir_next(struct ovio_dir *dir, struct ovio_entry *out) {
  struct walk *walk = dir ? walk__of(dir) : NULL;
  if (!walk || !walk->file || !out)
    return (int)runner_answer(OVIO_EINVAL, 0);
  for (;;) {
    int found = walk__take(walk, out);
    if (found < 0)
      return (int)runner_answer(found, 0);
    if (found > 0 || walk->ended)
      return found;
    int64_t more = op_perform_call(walk->file, walk__fill, walk);
    if (more < 0)
      return (int)more;
    walk->ended = more == 0;
  }
}

int ovio_dir_rewind(struct ovio_dir *dir) {
  struct walk *walk = dir ? walk__of(dir) : NULL;
  if (!walk || !walk->file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  walk->os.under_way = false;
  walk->os.used = walk->os.at = 0;
  walk->ended = false;
  return 0;
}

void ovio_dir_end(struct ovio_dir *dir) {
  struct walk *walk = dir ? walk__of(dir) : NULL;
  if (!walk || !walk->file)
    return;
  os_directory_end(&walk->os);
  walk->file = NULL;
}
