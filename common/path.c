/* SPDX-License-Identifier: MIT */
/* What is done to names in directories: each is one system call, or a few, that
 * a worker makes for a task. */
#include "common/path.h"

#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"

#include <string.h>

/* The arguments of a call, for the thread that makes it. */
struct request {
  struct os_name name;
  struct os_name to;
  const char *target;
  char *buffer;
  size_t length;
  struct ovio_stat *out;
  unsigned flags;
  unsigned mode;
  int64_t access_ns;
  int64_t modify_ns;
};

bool path_means_directory(const char *path) {
  size_t length = strlen(path);
  return length > 0 && os_path_separates(path[length - 1]);
}

/* Is the last name "." or ".."? Systems differ in what they make of that. */
static bool path__ends_in_dots(const char *path) {
  size_t length = strlen(path);
  while (length > 0 && os_path_separates(path[length - 1]))
    length--;
  size_t dots = 0;
  while (dots < length && path[length - dots - 1] == '.')
    dots++;
  bool whole = dots == length || os_path_separates(path[length - dots - 1]);
  return whole && (dots == 1 || dots == 2);
}

int path_name(struct os_name *name, struct ovio_file *dir, const char *path) {
  if (!path)
    return OVIO_EINVAL;
  int error = file_check_directory(dir);
  if (error)
    return error;
  *name = (struct os_name){dir ? &file_of(dir)->os : NULL, path};
  return os_path_check(path);
}

/* `error`: of the arguments, if any. */
static int64_t path__perform(int error, struct ovio_file *dir, op_call *run,
                             struct request *request) {
  if (error)
    return runner_answer(error, 0);
  return op_perform_brief(dir ? file_of(dir) : NULL, run, request);
}

/* ---- making and removing ---- */

static struct os_result path__mkdir(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_make_directory(&request->name, request->mode);
}

int ovio_mkdir(struct ovio_file *dir, const char *path, unsigned mode) {
  struct request request = {.mode = mode};
  int error = path_name(&request.name, dir, path);
  return (int)path__perform(error, dir, path__mkdir, &request);
}

static struct os_result path__unlink(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_remove(&request->name, false);
}

int ovio_unlink(struct ovio_file *dir, const char *path) {
  struct request request = {.mode = 0};
  int error = path_name(&request.name, dir, path);
  return (int)path__perform(error, dir, path__unlink, &request);
}

static struct os_result path__rmdir(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_remove(&request->name, true);
}

int ovio_rmdir(struct ovio_file *dir, const char *path) {
  struct request request = {.mode = 0};
  int error = path_name(&request.name, dir, path);
  if (!error && path__ends_in_dots(path))
    error = OVIO_EINVAL;
  return (int)path__perform(error, dir, path__rmdir, &request);
}

static struct os_result path__rename(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_rename(&request->name, &request->to,
                        (request->flags & OVIO_EXCLUSIVE) != 0);
}

int ovio_rename(struct ovio_file *dir, const char *from,
                struct ovio_file *to_dir, const char *to, unsigned flags) {
  struct request request = {.flags = flags};
  int error = path_name(&request.name, dir, from);
  if (!error)
    error = path_name(&request.to, to_dir, to);
  if (!error && (path__ends_in_dots(from) || path__ends_in_dots(to)))
    error = OVIO_EINVAL;
  if (flags & ~(unsigned)OVIO_EXCLUSIVE)
    error = OVIO_EINVAL;
  return (int)path__perform(error, dir, path__rename, &request);
}

static struct os_result path__link(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_link(&request->name, &request->to);
}

int ovio_link(struct ovio_file *dir, const char *from, struct ovio_file *to_dir,
              const char *to) {
  struct request request = {.flags = 0};
  int error = path_name(&request.name, dir, from);
  if (!error)
    error = path_name(&request.to, to_dir, to);
  return (int)path__perform(error, dir, path__link, &request);
}

/* ---- symbolic links and real paths ---- */

static struct os_result path__symlink(void *argument,
                                      struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_symlink(request->target, &request->name,
                         (request->flags & OVIO_DIRECTORY) != 0);
}

int ovio_symlink(const char *target, struct ovio_file *dir, const char *path,
                 unsigned flags) {
  struct request request = {.target = target, .flags = flags};
  int error = path_name(&request.name, dir, path);
  if (!error)
    error = target ? os_path_check(target) : OVIO_EINVAL;
  if (flags & ~(unsigned)OVIO_DIRECTORY)
    error = OVIO_EINVAL;
  return (int)path__perform(error, dir, path__symlink, &request);
}

static struct os_result path__readlink(void *argument,
                                       struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_read_link(&request->name, request->buffer, request->length);
}

static struct os_result path__realpath(void *argument,
                                       struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_resolve(&request->name, request->buffer, request->length);
}

/* A call which gives text back. */
static int64_t path__text(struct ovio_file *dir, const char *path, char *buffer,
                          size_t length, op_call *run) {
  struct request request = {.buffer = buffer, .length = length};
  int error = path_name(&request.name, dir, path);
  if (!buffer || length == 0)
    error = OVIO_EINVAL;
  return path__perform(error, dir, run, &request);
}

int64_t ovio_readlink(struct ovio_file *dir, const char *path, char *buffer,
                      size_t length) {
  return path__text(dir, path, buffer, length, path__readlink);
}

int64_t ovio_realpath(struct ovio_file *dir, const char *path, char *buffer,
                      size_t length) {
  return path__text(dir, path, buffer, length, path__realpath);
}

/* ---- looking and changing ---- */

static struct os_result path__stat(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_stat(&request->name, !(request->flags & OVIO_NOFOLLOW),
                      request->out);
}

int ovio_stat_at(struct ovio_file *dir, const char *path, unsigned flags,
                 struct ovio_stat *out) {
  struct request request = {.flags = flags, .out = out};
  int error = path_name(&request.name, dir, path);
  if (!out || (flags & ~(unsigned)OVIO_NOFOLLOW))
    error = OVIO_EINVAL;
  return (int)path__perform(error, dir, path__stat, &request);
}

static struct os_result path__access(void *argument, struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_access(&request->name, request->flags);
}

int ovio_access(struct ovio_file *dir, const char *path, unsigned flags) {
  struct request request = {.flags = flags};
  int error = path_name(&request.name, dir, path);
  if (flags & ~(unsigned)(OVIO_READ | OVIO_WRITE))
    error = OVIO_EINVAL;
  return (int)path__perform(error, dir, path__access, &request);
}

static struct os_result path__set_mode(void *argument,
                                       struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_set_mode(&request->name, request->mode);
}

int ovio_set_mode(struct ovio_file *dir, const char *path, unsigned mode) {
  struct request request = {.mode = mode};
  int error = path_name(&request.name, dir, path);
  if (mode & ~07777u)
    error = OVIO_EINVAL;
  return (int)path__perform(error, dir, path__set_mode, &request);
}

static struct os_result path__set_times(void *argument,
                                        struct os_waiter *waiter) {
  const struct request *request = argument;
  (void)waiter;
  return os_name_set_times(&request->name, request->access_ns,
                           request->modify_ns);
}

int ovio_set_times_at(struct ovio_file *dir, const char *path,
                      int64_t access_ns, int64_t modify_ns) {
  struct request request = {.access_ns = access_ns, .modify_ns = modify_ns};
  int error = path_name(&request.name, dir, path);
  return (int)path__perform(error, dir, path__set_times, &request);
}

/* ---- temporary ---- */

/* 130 random bits: a name that is taken means something else is wrong. */
enum { TEMP_TRIES = 100 };

#define FLAGS_TEMP                                                             \
  ((unsigned)(OVIO_DIRECT | OVIO_SYNC | OVIO_INHERIT | OVIO_BLOCKING |         \
              OVIO_INLINE))

int64_t ovio_temp_path(char *buffer, size_t length) {
  if (!buffer || length == 0)
    return runner_answer(OVIO_EINVAL, 0);
  struct os_result result = os_name_temporary(buffer, length);
  return runner_answer(result.value, result.native);
}

static int temp__check(const char *prefix, const char *name, size_t length) {
  if (!prefix || !name)
    return OVIO_EINVAL;
  return strlen(prefix) + PATH_UNIQUE_DIGITS < length ? 0 : OVIO_EOVERFLOW;
}

/* Some systems do not tell capitals from small letters. */
int path_draw(char *name) {
  static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
  unsigned char random[PATH_UNIQUE_DIGITS];
  int error = os_random(random, sizeof random);
  if (error)
    return error;
  char *drawn = name + strlen(name) - PATH_UNIQUE_DIGITS;
  for (size_t at = 0; at < PATH_UNIQUE_DIGITS; at++)
    drawn[at] = digits[random[at] % 32];
  return 0;
}

/* `prefix` and digits that are still to be drawn. */
static void path__join(const char *prefix, char *name) {
  size_t length = strlen(prefix);
  memcpy(name, prefix, length);
  memset(name + length, '0', PATH_UNIQUE_DIGITS);
  name[length + PATH_UNIQUE_DIGITS] = '\0';
}

static const char beside__prefix[] = ".ovio-";

static size_t path__folder_length(const char *path) {
  size_t length = strlen(path);
  while (length > 0 && !os_path_separates(path[length - 1]))
    length--;
  return length;
}

/* "b": ".ovio-x" in ".". */
int path_beside(const char *path, char **beside, const char **folder) {
  size_t length = path__folder_length(path);
  size_t room = length + sizeof beside__prefix + PATH_UNIQUE_DIGITS;
  char *memory = memory_allocate(room + length + 2);
  *beside = memory;
  if (!memory)
    return OVIO_ENOMEM;
  char *name = memory + room; /* memory_allocate() has made it blank */
  memcpy(memory, path, length);
  path__join(beside__prefix, memory + length);
  memcpy(name, length ? path : ".", length ? length : 1);
  *folder = name;
  return 0;
}

int ovio_temp_file(struct ovio_file *file, struct ovio_file *dir,
                   const char *prefix, unsigned flags, char *name,
                   size_t length) {
  int error = temp__check(prefix, name, length);
  if (flags & ~FLAGS_TEMP)
    error = OVIO_EINVAL;
  if (file)
    *file_of(file) = (struct file){0};
  if (error)
    return (int)runner_answer(error, 0);
  flags |= OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE;
  path__join(prefix, name);
  int tries = TEMP_TRIES;
  do {
    error = path_draw(name);
    if (error)
      return (int)runner_answer(error, 0);
    error = ovio_openat(file, dir, name, flags, 0600);
  } while (error == OVIO_EEXIST && --tries);
  return error;
}

int ovio_temp_dir(struct ovio_file *dir, const char *prefix, char *name,
                  size_t length) {
  int error = temp__check(prefix, name, length);
  if (error)
    return (int)runner_answer(error, 0);
  path__join(prefix, name);
  int tries = TEMP_TRIES;
  do {
    error = path_draw(name);
    if (error)
      return (int)runner_answer(error, 0);
    error = ovio_mkdir(dir, name, 0700);
  } while (error == OVIO_EEXIST && --tries);
  return error;
}
