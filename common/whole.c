/* SPDX-License-Identifier: MIT */
/* Whole files, by the calls that a program would make.
 *
 * REPLACING. The temporary is beside the file, so that the rename stays on one
 * file system. The order is what makes it safe: the bytes are on the device
 * before they get the name, and the name before the call returns. Until the
 * rename, whatever fails (also a cancel) ends with the temporary removed; this
 * is the one call here that a cancelled task still makes. */
#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"
#include "common/path.h"

#include <string.h>

/* ---- reading ---- */

enum { WHOLE_ROOM_MIN = 4096 };

/* What has been read so far. */
struct content {
  unsigned char *bytes;
  size_t length;
  size_t room; /* without the end's byte */
  size_t limit;
};

/* Room for at least one byte more than there is; up to one past the limit,
 * which tells whether there are more. */
static int content__grow(struct content *content, size_t wanted) {
  size_t most =
      content->limit < SIZE_MAX - 2 ? content->limit + 1 : SIZE_MAX - 1;
  size_t room = wanted < WHOLE_ROOM_MIN ? WHOLE_ROOM_MIN : wanted;
  if (room > most)
    room = most;
  unsigned char *bytes = memory_grow(content->bytes, room + 1);
  if (!bytes)
    return OVIO_ENOMEM;
  content->bytes = bytes;
  content->room = room;
  return 0;
}

static size_t content__double(const struct content *content) {
  return content->room > SIZE_MAX / 2 ? SIZE_MAX : content->room * 2;
}

/* The size is a hint: it may have changed by then, and /proc has none. */
static int content__begin(struct content *content, struct ovio_file *file) {
  int64_t size = ovio_size(file);
  if (size == OVIO_ESPIPE)
    size = 0;
  if (size < 0)
    return (int)size;
  if ((uint64_t)size > content->limit)
    return (int)runner_answer(OVIO_EFBIG, 0);
  /* One more, which meets the end without another round. */
  int error = content__grow(content, (size_t)size + 1);
  return error ? (int)runner_answer(error, 0) : 0;
}

static int content__read(struct content *content, struct ovio_file *file) {
  int64_t got;
  do {
    if (content->length == content->room) {
      int error = content__grow(content, content__double(content));
      if (error)
        return (int)runner_answer(error, 0);
    }
    got = ovio_read(file, content->bytes + content->length,
                    content->room - content->length, OVIO_HERE);
    if (got < 0)
      return (int)got;
    content->length += (size_t)got;
    if (content->length > content->limit)
      return (int)runner_answer(OVIO_EFBIG, 0);
  } while (got > 0);
  content->bytes[content->length] = 0;
  return 0;
}

int ovio_read_file(struct ovio_file *dir, const char *path, size_t limit,
                   void **data, size_t *length) {
  struct content content = {.limit = limit};
  struct ovio_file file;
  if (!data || !length)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *data = NULL;
  *length = 0;
  int error = ovio_openat(&file, dir, path, OVIO_READ | OVIO_SEQUENTIAL, 0);
  if (error)
    return error;
  error = content__begin(&content, &file);
  if (!error)
    error = content__read(&content, &file);
  ovio_close(&file);
  if (error) {
    memory_free(content.bytes);
    return error;
  }
  *data = content.bytes;
  *length = content.length;
  return 0;
}

/* ---- writing ---- */

static int whole__put(struct ovio_file *file, const void *data, size_t length) {
  const unsigned char *bytes = data;
  while (length > 0) {
    int64_t put = ovio_write(file, bytes, length, OVIO_HERE);
    if (put < 0)
      return (int)put;
    bytes += put;
    length -= (size_t)put;
  }
  return 0;
}

int ovio_write_file(struct ovio_file *dir, const char *path, const void *data,
                    size_t length, unsigned mode) {
  struct ovio_file file;
  if (!data && length > 0)
    return (int)runner_answer(OVIO_EINVAL, 0);
  int error = ovio_openat(&file, dir, path,
                          OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, mode);
  if (error)
    return error;
  error = whole__put(&file, data, length);
  int closing = ovio_close(&file);
  return error ? error : closing;
}

/* ---- replacing ---- */

struct replacement {
  struct ovio_file *dir;
  const char *path;
  char *temporary;    /* its path */
  const char *folder; /* where both are */
  struct ovio_file file;
  struct ovio_stat old;
  bool had_old; /* a file, whose mode is to be kept */
};

static int replacement__look(struct replacement *it) {
  int error = ovio_stat_at(it->dir, it->path, OVIO_NOFOLLOW, &it->old);
  if (error == OVIO_ENOENT)
    return 0;
  if (!error && it->old.type == OVIO_TYPE_DIRECTORY)
    return (int)runner_answer(OVIO_EISDIR, 0);
  it->had_old = !error && it->old.type == OVIO_TYPE_FILE;
  return error;
}

static struct os_result whole__remove(void *argument,
                                      struct os_waiter *waiter) {
  (void)waiter;
  return os_name_remove(argument, false);
}

static void replacement__discard(const struct replacement *it) {
  struct os_name name = {it->dir ? &file_of(it->dir)->os : NULL, it->temporary};
  op_perform_cleanup(whole__remove, &name);
}

static struct os_result whole__set_mode(void *argument,
                                        struct os_waiter *waiter) {
  (void)waiter;
  struct replacement *it = argument;
  return os_name_set_mode_of(&file_of(&it->file)->os, it->old.mode);
}

/* What the umask took away comes back; after the bytes, since writing takes
 * the set-user-ID bit away. Not by the name: who may write to the folder could
 * have put a link there. */
static int replacement__fill(struct replacement *it, const void *data,
                             size_t length) {
  int error = whole__put(&it->file, data, length);
  if (!error && it->had_old)
    error = (int)op_perform_call(file_of(&it->file), whole__set_mode, it);
  if (!error)
    error = ovio_sync(&it->file, 0);
  int closing = ovio_close(&it->file);
  return error ? error : closing;
}

/* A directory that may be written but not read cannot be synced. */
static int replacement__sync_folder(const struct replacement *it) {
  struct ovio_file folder;
  int error = ovio_openat(&folder, it->dir, it->folder, OVIO_DIRECTORY, 0);
  if (error)
    return error == OVIO_EACCES ? 0 : error;
  error = ovio_sync(&folder, 0);
  ovio_close(&folder);
  return error == OVIO_ENOTSUP ? 0 : error;
}

static int replacement__run(struct replacement *it, const void *data,
                            size_t length, unsigned mode) {
  int error = ovio_openat(&it->file, it->dir, it->temporary,
                          OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE,
                          it->had_old ? it->old.mode & 0777 : mode);
  if (error)
    return error;
  error = replacement__fill(it, data, length);
  if (!error)
    error = ovio_rename(it->dir, it->temporary, it->dir, it->path, 0);
  if (error) {
    uint32_t native = ovio_native_error();
    replacement__discard(it);
    return (int)runner_answer(error, native);
  }
  return replacement__sync_folder(it);
}

int ovio_replace_file(struct ovio_file *dir, const char *path, const void *data,
                      size_t length, unsigned mode) {
  struct replacement it = {.dir = dir, .path = path};
  if (!path || (!data && length > 0))
    return (int)runner_answer(OVIO_EINVAL, 0);
  int error = replacement__look(&it);
  if (error)
    return error;
  error = path_beside(path, &it.temporary, &it.folder);
  if (!error)
    error = path_draw(it.temporary);
  error = error ? (int)runner_answer(error, 0)
                : replacement__run(&it, data, length, mode);
  memory_free(it.temporary);
  return error;
}
