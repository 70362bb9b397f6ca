/* SPDX-License-Identifier: MIT */
/* OVIO_BENEATH: opening without leaving a directory.
 *
 * Where the kernel promises it (openat2(2)), it does. Elsewhere the path is
 * walked name by name, and no link is followed: then ".." can be worked out in
 * the text, and each step can only lead down. */
#include "common/beneath.h"

#include <string.h>

#include "common/memory.h"

/* The next name of *path, and its length; 0: none. Moves *path behind it. */
static size_t beneath__name(const char **path, const char **name) {
  while (os_path_separates(**path))
    ++*path;
  *name = *path;
  while (**path && !os_path_separates(**path))
    ++*path;
  return (size_t)(*path - *name);
}

/* The names of `path` into `out`, each with an end, and an empty one behind the
 * last. "." and ".." are gone. What is written is never ahead of what is read.
 */
static int beneath__fold(const char *path, char *out) {
  char *const begin = out;
  const char *name;
  size_t length;
  while ((length = beneath__name(&path, &name)) > 0) {
    bool dots = length == 2 && memcmp(name, "..", 2) == 0;
    if (dots && out == begin)
      return OVIO_EXDEV;
    if (dots) {
      do
        out--;
      while (out > begin && out[-1]);
    } else if (length != 1 || *name != '.') {
      memcpy(out, name, length);
      out[length] = '\0';
      if (os_path_is_absolute(out)) /* "C:" */
        return OVIO_EXDEV;
      out += length + 1;
    }
  }
  *out = '\0';
  return 0;
}

/* Goes down from `at`, which it closes. */
static struct os_result beneath__walk(struct os_file *file, struct os_file *at,
                                      const char *names, unsigned flags,
                                      unsigned mode) {
  struct os_result result = {0, 0};
  const char *name = *names ? names : ".";
  const char *next = *names ? names + strlen(names) + 1 : names;
  while (*next && result.value == 0) {
    struct os_file lower = {0};
    result = os_file_open(&lower, at, name, OVIO_DIRECTORY | OVIO_NOFOLLOW, 0);
    if (result.value == 0) {
      os_file_close(at, 0);
      *at = lower;
      name = next;
      next += strlen(next) + 1;
    }
  }
  if (result.value == 0)
    result = os_file_open(file, at, name, flags | OVIO_NOFOLLOW, mode);
  os_file_close(at, 0);
  return result;
}

/* Begins at a directory that is open also where that is the current one: on
 * Windows names then mean what they say, with dots and spaces at their ends. */
static struct os_result beneath__begin(struct os_file *at,
                                       const struct os_file *dir) {
  return os_file_open(at, dir, ".", OVIO_DIRECTORY, 0);
}

struct os_result beneath_open(struct os_file *file, const struct os_file *dir,
                              const char *path, unsigned flags, unsigned mode) {
  struct os_file at = {0};
  flags &= ~(unsigned)OVIO_BENEATH;
  if (os_path_is_absolute(path))
    return (struct os_result){OVIO_EXDEV, 0};
  struct os_result result = os_file_open_beneath(file, dir, path, flags, mode);
  if (result.value != OVIO_ENOTSUP || result.native != 0)
    return result;
  char *names = memory_allocate(strlen(path) + 2);
  if (!names)
    return (struct os_result){OVIO_ENOMEM, 0};
  result.value = beneath__fold(path, names);
  if (result.value == 0)
    result = beneath__begin(&at, dir);
  if (result.value == 0)
    result = beneath__walk(file, &at, names, flags, mode);
  memory_free(names);
  return result;
}
