/* SPDX-License-Identifier: MIT */
/* What the files of this side share with each other. */
#ifndef OVIO_POSIX_SIDE_H
#define OVIO_POSIX_SIDE_H

#include "posix/native.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/os.h"

/* ---- error.c ---- */

/* What a call answers that failed with this errno. */
static inline struct os_result native_failure(int error) {
  return (struct os_result){os_error_map((uint32_t)error), (uint32_t)error};
}

/* ---- thread.c ---- */

/* Gets a thread out of poll(2) and its kin. `raised` is the truth; the
 * descriptor, an eventfd or a pipe, only makes the poll return, and may do so
 * without a cause. */
struct native_wakeup {
  int read_end; /* to be polled for POLLIN */
  int write_end;
  atomic_bool raised;
};

int native_wakeup_open(struct native_wakeup *wakeup);
void native_wakeup_close(struct native_wakeup *wakeup);
/* Any thread. A burst of them costs one system call. */
void native_wakeup_raise(struct native_wakeup *wakeup);
/* Makes the descriptor quiet; `raised` stays as it is. */
void native_wakeup_drain(struct native_wakeup *wakeup);
/* Drains it and forgets that it was raised. */
void native_wakeup_lower(struct native_wakeup *wakeup);

/* ---- file.c ---- */

/* A try on a stream, which never waits: OVIO_EWOULDBLOCK. Unless the stream is
 * a socket or O_NONBLOCK, poll(2) must have called it ready. */
struct os_result native_attempt(const struct os_transfer *transfer);

/* An fsync(2) of the file has failed. */
struct os_result native_sync_failure(const struct os_file *file, int error);

/* All that the system says of `path`, or, if that is NULL, of the descriptor;
 * `flags` are fstatat(2)'s. */
struct os_result native_stat(int dir, const char *path, int flags,
                             struct ovio_stat *out);
/* UTIME_OMIT for OVIO_TIME_KEEP. */
struct timespec native_timespec(int64_t ns);

/* Waits until the descriptor is ready, also for an error or a hang-up: 0; or
 * ECANCELED, when the wakeup is raised, EAGAIN, when the time is over, EBADF,
 * or another errno. */
int native_await(int fd, bool write, struct native_wakeup *wakeup,
                 int timeout_ms);

/* ---- watch.c ---- */

#if NATIVE_HAS_INOTIFY
/* The record at `at` of what inotify(7) has written, and its name; false: there
 * is no whole one. */
bool native_inotify_next(const char *records, size_t used, size_t at,
                         struct inotify_event *out, const char **name);
#endif

/* ---- pipe.c ---- */

/* A client's descriptor, or OVIO_EWOULDBLOCK. */
struct os_result native_attempt_accept(const struct os_file *listener);
/* A listener's name goes: with its socket in the file system, if it is closed.
 */
void native_listener_end(struct os_file *file, bool unlink);

#endif
