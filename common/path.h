/* SPDX-License-Identifier: MIT */
/* Paths and their names, also those of temporary files. */
#ifndef OVIO_COMMON_PATH_H
#define OVIO_COMMON_PATH_H

#include <stdbool.h>

#include "common/os.h"

/* Bytes behind the prefix, without the end. */
enum { PATH_UNIQUE_DIGITS = 26 };

/* Makes the last PATH_UNIQUE_DIGITS bytes of `name` digits that nobody can
 * guess. 0 or an error. */
int path_draw(char *name);

/* A name beside `path`, "a/.ovio-x" for "a/b", into memory that is to be freed,
 * its digits still to be drawn; and the folder of both, in the same memory. */
int path_beside(const char *path, char **beside, const char **folder);

/* 0, or what is wrong with a path below `dir`. */
int path_name(struct os_name *name, struct ovio_file *dir, const char *path);

/* Does it end in a separator? Only a directory can be meant then. */
bool path_means_directory(const char *path);

#endif
