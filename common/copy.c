/* SPDX-License-Identifier: MIT */
/* Copying between files: by the kernel, or by reading and writing. In pieces,
 * so that a cancel or a deadline comes through between two.
 *
 * BY NAME. All that a copy of a small file takes is one job of a worker; a
 * larger one's further pieces are further jobs. The copy gets its name when it
 * is complete. Until then it has none, where the system knows such files: to
 * rename would cost more than all the rest. Elsewhere, and to replace what is
 * there, it has a temporary one. Whatever fails, a cancel too, ends with one
 * more job, which nothing cancels: it closes the files and removes that. */
#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"
#include "common/path.h"

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

/* ---- by name ---- */

enum { ROOM_MIN = 4096 };

struct named_copy {
  struct os_name from;
  struct os_name to;
  struct os_name temporary;
  char *beside;       /* its path, whose digits are drawn when it is needed */
  const char *folder; /* of both of these */
  bool exclusive;
  bool with_name; /* files without one are of no use here */
  bool made;      /* the temporary is there */
  struct os_file source;
  struct os_file target;
  struct ovio_stat stat; /* of the source */
  int64_t copied;
  char *buffer; /* NULL: the kernel copies */
  size_t room;
};

static struct os_result named__open_source(struct named_copy *it) {
  struct os_result result = os_file_open(
      &it->source, it->from.dir, it->from.path, OVIO_READ | OVIO_BLOCKING, 0);
  if (result.value == 0)
    result = os_file_stat(&it->source, &it->stat);
  if (result.value == 0 && it->source.kind != OS_KIND_DISK)
    result.value = OVIO_ESPIPE;
  return result;
}

static struct os_result named__draw(struct named_copy *it) {
  return (struct os_result){path_draw(it->beside), 0};
}

/* Whatever is the matter with a file without a name, one with a name is tried,
 * and tells. */
static struct os_result named__open_target(struct named_copy *it) {
  struct os_result result = {OVIO_ENOTSUP, 0};
  unsigned mode = it->stat.mode & 0777;
  if (!it->with_name)
    result = os_file_open_nameless(&it->target, it->to.dir, it->folder, mode);
  if (result.value == 0)
    return result;
  it->with_name = true;
  result = named__draw(it);
  if (result.value == 0)
    result = os_file_open(
        &it->target, it->temporary.dir, it->temporary.path,
        OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE | OVIO_BLOCKING, mode);
  it->made = result.value == 0;
  return result;
}

static struct os_result named__read(const struct named_copy *it) {
  struct os_result result;
  do
    result = os_file_read_at(&it->source, it->buffer, it->room, it->copied);
  while (result.value == OS_AGAIN);
  return result;
}

static struct os_result named__write(const struct named_copy *it,
                                     int64_t length) {
  struct os_result result = {0, 0};
  for (int64_t done = 0; done < length;) {
    result = os_file_write_at(&it->target, it->buffer + done,
                              (size_t)(length - done), it->copied + done);
    if (result.value > 0)
      done += result.value;
    else if (result.value != OS_AGAIN)
      return result;
  }
  return (struct os_result){length, 0};
}

static struct os_result named__by_hand(struct named_copy *it) {
  if (!it->buffer) {
    int64_t size = it->stat.size < COPY_BUFFER ? it->stat.size : COPY_BUFFER;
    it->room = size < ROOM_MIN ? ROOM_MIN : (size_t)size;
    it->buffer = memory_allocate(it->room);
  }
  if (!it->buffer)
    return (struct os_result){OVIO_ENOMEM, 0};
  struct os_result result = named__read(it);
  return result.value > 0 ? named__write(it, result.value) : result;
}

/* As copy__next(): bytes, or 0 at the end. */
static struct os_result named__next(struct named_copy *it) {
  if (!it->buffer && it->stat.size > 0) {
    struct os_result result = os_file_copy(&it->source, it->copied, &it->target,
                                           it->copied, COPY_PIECE);
    if (result.value > 0 || (result.value < 0 && result.value != OVIO_ENOTSUP))
      return result;
  }
  return named__by_hand(it);
}

/* One that says it is empty may be one of /proc's: its end tells. */
static bool named__is_full(const struct named_copy *it) {
  return it->stat.size > 0 && it->copied >= it->stat.size;
}

/* One piece. 1: there is more. */
static struct os_result named__fill(struct named_copy *it) {
  int64_t end = it->copied + COPY_PIECE;
  struct os_result result;
  do {
    result = named__next(it);
    if (result.value <= 0)
      return result;
    it->copied += result.value;
  } while (it->copied < end && !named__is_full(it));
  return (struct os_result){!named__is_full(it), 0};
}

static struct os_result named__check_source(const struct named_copy *it) {
  struct ovio_stat now;
  struct os_result result = os_file_stat(&it->source, &now);
  if (result.value == 0 &&
      (now.size != it->stat.size || now.modify_ns != it->stat.modify_ns))
    result.value = OVIO_EBUSY;
  return result;
}

static struct os_result named__close(struct os_file *file) {
  struct os_result result = {0, 0};
  if (file->kind)
    result = os_file_close(file, 0);
  file->kind = 0;
  return result;
}

/* What failed late may have named it. */
static struct os_result named__give_temporary(struct named_copy *it) {
  struct os_result result = named__draw(it);
  if (result.value < 0)
    return result;
  result =
      os_file_give_name(&it->target, it->temporary.dir, it->temporary.path);
  it->made = result.value == 0;
  if (result.value < 0 && result.value != OVIO_EEXIST)
    (void)os_name_remove(&it->temporary, false);
  return result;
}

/* A file without a name gets the right one, or, to replace what has that, a
 * temporary one. 1: it cannot get any, and all begins anew. */
static struct os_result named__give_name(struct named_copy *it) {
  struct os_result result =
      os_file_give_name(&it->target, it->to.dir, it->to.path);
  if (result.value == OVIO_EEXIST && !it->exclusive)
    result = named__give_temporary(it);
  if (result.value == 0 || result.value == OVIO_EEXIST)
    return result;
  (void)named__close(&it->target);
  it->with_name = true;
  it->copied = 0;
  return (struct os_result){1, 0};
}

/* The source is closed first: not every system replaces what is open. */
static struct os_result named__rename(struct named_copy *it) {
  (void)named__close(&it->source);
  struct os_result result = named__close(&it->target);
  if (result.value == 0 && it->made)
    result = os_name_rename(&it->temporary, &it->to, it->exclusive);
  else if (result.value < 0 && !it->made)
    (void)os_name_remove(&it->to, false); /* its bytes may not be there */
  it->made = it->made && result.value < 0;
  return result;
}

static struct os_result named__finish(struct named_copy *it) {
  struct os_result result = named__check_source(it);
  if (result.value == 0)
    result =
        os_file_set_times(&it->target, it->stat.access_ns, it->stat.modify_ns);
  if (result.value == 0 && !it->with_name)
    result = named__give_name(it);
  return result.value == 0 ? named__rename(it) : result;
}

static struct os_result named__run(void *argument, struct os_waiter *waiter) {
  struct named_copy *it = argument;
  struct os_result result = {0, 0};
  (void)waiter;
  if (!it->source.kind)
    result = named__open_source(it);
  if (result.value == 0 && !it->target.kind)
    result = named__open_target(it);
  if (result.value == 0)
    result = named__fill(it);
  return result.value == 0 ? named__finish(it) : result;
}

static struct os_result named__abandon(void *argument,
                                       struct os_waiter *waiter) {
  struct named_copy *it = argument;
  (void)waiter;
  (void)named__close(&it->source);
  (void)named__close(&it->target);
  return it->made ? os_name_remove(&it->temporary, false)
                  : (struct os_result){0, 0};
}

/* The first piece is all of most files, and brief. */
static int64_t named__perform(struct named_copy *it, struct ovio_file *dir) {
  struct file *file = dir ? file_of(dir) : NULL;
  int64_t more = op_perform_brief(file, named__run, it);
  while (more > 0)
    more = op_perform_call(file, named__run, it);
  if (more == 0)
    return it->copied;
  uint32_t native = ovio_native_error();
  if (it->source.kind || it->target.kind || it->made)
    op_perform_cleanup(named__abandon, it);
  return runner_answer(more, native);
}

static int named__prepare(struct named_copy *it, unsigned flags) {
  if (flags & ~(unsigned)OVIO_EXCLUSIVE)
    return OVIO_EINVAL;
  if (path_means_directory(it->to.path))
    return OVIO_EISDIR;
  it->exclusive = (flags & OVIO_EXCLUSIVE) != 0;
  int error = path_beside(it->to.path, &it->beside, &it->folder);
  it->temporary = (struct os_name){it->to.dir, it->beside};
  return error;
}

int64_t ovio_copy_file(struct ovio_file *from_dir, const char *from,
                       struct ovio_file *to_dir, const char *to,
                       unsigned flags) {
  struct named_copy it = {.copied = 0};
  int64_t result = path_name(&it.from, from_dir, from);
  if (!result)
    result = path_name(&it.to, to_dir, to);
  if (!result)
    result = named__prepare(&it, flags);
  result = result ? runner_answer(result, 0) : named__perform(&it, from_dir);
  memory_free(it.buffer);
  memory_free(it.beside);
  return result;
}
