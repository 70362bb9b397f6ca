/* SPDX-License-Identifier: MIT */
/* Names for temporary files. */
#ifndef OVIO_COMMON_PATH_H
#define OVIO_COMMON_PATH_H

/* Bytes behind the prefix, without the end. */
enum { PATH_UNIQUE_DIGITS = 26 };

/* `prefix` and digits that nobody can guess, into `name`. 0 or an error. */
int path_unique(const char *prefix, char *name);

#endif
