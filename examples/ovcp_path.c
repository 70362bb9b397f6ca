/* SPDX-License-Identifier: MIT */
/* ovcp's paths: taken apart and put together, on every system alike. */
#include "ovcp.h"

#include <stdlib.h>
#include <string.h>

int path_look(struct job *job, const char *path, bool follow,
              struct ovio_stat *out) {
  bool through = follow || sys_follows_links();
  return ovio_stat_at(&job->here, path, through ? 0u : OVIO_NOFOLLOW, out);
}

bool path_separates(char byte) {
  return byte && strchr(sys_separators(), byte);
}

static size_t path_stripped(const char *path) {
  size_t root = sys_root(path);
  size_t length = strlen(path);
  while (length > root && path_separates(path[length - 1]))
    length--;
  return length;
}

const char *path_base(const char *path, size_t *length) {
  size_t root = sys_root(path);
  size_t end = path_stripped(path);
  size_t begin = end;
  while (begin > root && !path_separates(path[begin - 1]))
    begin--;
  *length = end - begin;
  return path + begin;
}

static char *path_new(const char *text, size_t length, size_t more) {
  char *path = malloc(length + more + 1);
  if (!path)
    return NULL;
  memcpy(path, text, length);
  path[length] = '\0';
  return path;
}

char *path_join(const char *folder, const char *name, size_t length) {
  size_t end = strlen(folder);
  char *path = path_new(folder, end, length + 1);
  if (!path)
    return NULL;
  if (length && end > sys_root(path) && !path_separates(path[end - 1]))
    path[end++] = sys_separators()[0];
  memcpy(path + end, name, length);
  path[end + length] = '\0';
  return path;
}

char *path_parent(const char *path) {
  size_t length;
  size_t end = (size_t)(path_base(path, &length) - path);
  size_t root = sys_root(path);
  while (end > root && path_separates(path[end - 1]))
    end--;
  return end ? path_new(path, end, 0) : path_new(".", 1, 0);
}

char *path_temporary(const char *target, unsigned number) {
  /* Not made from the target's name, which may be as long as names can be. */
  char name[64];
  int length =
      snprintf(name, sizeof name, ".ovcp-%lu-%u", sys_process(), number);
  char *folder = path_parent(target);
  char *path = folder ? path_join(folder, name, (size_t)length) : NULL;
  free(folder);
  return path;
}
