/* SPDX-License-Identifier: MIT */
/* Paths: any bytes but 0, so there is little to look at. */
#include "posix/side.h"

#include <string.h>

int os_path_check(const char *path) {
  if (path[0] == '\0')
    return OVIO_ENOENT;
#ifdef PATH_MAX
  if (strlen(path) >= PATH_MAX)
    return OVIO_ENAMETOOLONG;
#endif
  return 0;
}

bool os_path_separates(char byte) {
  return byte == '/';
}

bool os_path_is_absolute(const char *path) {
  return path[0] == '/';
}
