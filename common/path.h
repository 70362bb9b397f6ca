/* SPDX-License-Identifier: MIT */
/* Paths and their names, also those of temporary files. */
#ifndef OVIO_COMMON_PATH_H
#define OVIO_COMMON_PATH_H

#include <stdbool.h>

/* Bytes behind the prefix, without the end. */
enum { PATH_UNIQUE_DIGITS = 26 };

/* `prefix` and digits that nobody can guess, into `name`. 0 or an error. */
int path_unique(const char *prefix, char *name);

/* Does it end in a separator? Only a directory can be meant then. */
bool path_means_directory(const char *path);

#endif
