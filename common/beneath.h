/* SPDX-License-Identifier: MIT */
/* OVIO_BENEATH: opening without leaving a directory. */
#ifndef OVIO_COMMON_BENEATH_H
#define OVIO_COMMON_BENEATH_H

#include "common/os.h"

/* os_file_open(), but OVIO_EXDEV for what lies outside of `dir`. */
struct os_result beneath_open(struct os_file *file, const struct os_file *dir,
                              const char *path, unsigned flags, unsigned mode);

#endif
