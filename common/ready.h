/* SPDX-License-Identifier: MIT */
/* Readiness of handles that are not the library's. */
#ifndef OVIO_COMMON_READY_H
#define OVIO_COMMON_READY_H

#include <stdbool.h>
#include <stdint.h>

/* Waits until the handle (a descriptor, a pidfd, a socket) is ready: blocks a
 * plain thread, suspends a task. 0, or an error, which is recorded. */
int64_t ready_perform(intptr_t handle, bool write);

#endif
