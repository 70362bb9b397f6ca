/* SPDX-License-Identifier: MIT */
/* What the files of this side share with each other. */
#ifndef OVIO_WIN32_SIDE_H
#define OVIO_WIN32_SIDE_H

#include "win32/native.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "common/os.h"

/* ---- native.c ---- */

/* Whether this code may be unloaded while the process goes on. In a program it
 * must leave the system's objects alone at exit: other threads still run. */
bool native_is_in_dll(void);

/* ---- error.c ---- */

/* What a call answers that failed with this code, or with GetLastError()'s. */
struct os_result native_failure(DWORD error);
struct os_result native_last_failure(void);
/* What became of a transfer: the one place where the three forms of the end of
 * a file, and the codes that are no failures, become a byte count. The first is
 * for GetLastError()'s number or NO_ERROR. */
struct os_result native_outcome(DWORD error, ULONG_PTR moved, bool write);
struct os_result native_status_outcome(NTSTATUS status, ULONG_PTR moved,
                                       bool write);

/* ---- thread.c ---- */

/* 0 if os_local_set() cannot fail on this thread. */
int native_locals_prepare(void);

/* What a struct os_waiter is. */
struct native_waiter {
  HANDLE thread; /* os_thread's own, for CancelSynchronousIo */
  HANDLE event;  /* manual reset: interrupted */
};
struct native_waiter *native_waiter_of(struct os_waiter *waiter);

/* ---- console.c ---- */

/* A transfer of a console: os_file.registration says which state is its own, as
 * native_console_begin() has left it. */
void native_console_begin(struct os_file *file, unsigned which);
struct os_result native_console_transfer(const struct os_transfer *transfer,
                                         const struct native_waiter *waiter);

/* ---- file.c ---- */

/* Of x86 and ARM; and how many a scattered or gathered call has at most. */
#define NATIVE_PAGE      4096u
#define NATIVE_PAGES_MAX 64u

bool native_is_interrupted(const struct native_waiter *waiter);

/* A read of a pipe that succeeded with 0 bytes: an empty message, or a write of
 * nothing. Not the end: that is a failure. To be read again. */
bool native_is_empty_message(const struct os_transfer *transfer,
                             NTSTATUS status, struct os_result result);

/* Around the call of a write to the end. Windows does it as one; Wine asks for
 * the end first and writes there then, so that appends of two threads can meet:
 * under Wine those of this process take turns. */
bool native_append_begin(const struct os_transfer *transfer);
void native_append_end(bool begun);

/* Writes to a socket which is overlapped; GetLastError()'s number. WriteFile
 * would do on Windows; Wine never sends what it could not send at once. */
DWORD native_send(const struct os_transfer *transfer, OVERLAPPED *overlapped);

/* A manual-reset event for one synchronous call, or NULL. */
HANDLE native_event_take(void);
void native_event_give(HANDLE event);

#ifdef OVIO_TESTING
/* Events that wait for the next synchronous call of an overlapped handle. */
unsigned native_events_kept(void);
#endif

/* ---- pipe.c ---- */

/* What ConnectNamedPipe has come to, by GetLastError()'s number or NO_ERROR. A
 * client that was faster than the call has come all the same, and so has one
 * that has gone again (MS: ConnectNamedPipe). */
struct os_result native_accept_outcome(DWORD error);
/* A listener's name goes. */
void native_listener_end(struct os_file *file);

/* ---- path.c ---- */

/* `path` as the system takes it, in memory of the caller's from then on
 * (memory_free); `dir` NULL: the current directory. 0 or an error. */
struct os_result native_path(wchar_t **out, HANDLE dir, const char *path);
/* The same, absolute and with the prefix \\?\ in any case. */
struct os_result native_path_whole(wchar_t **out, HANDLE dir, const char *path);
/* The path of what is open, with the prefix. */
struct os_result native_path_of(wchar_t **out, HANDLE handle);

/* Any text as UTF-16, likewise, up to 32767 units; the second with all slashes
 * turned. 0 or an error. */
int native_wide(wchar_t **out, const char *text);
int native_wide_path(wchar_t **out, const char *text);
/* WTF-8 and an end into `length` bytes, 1 at least: its length without the end,
 * or OVIO_EOVERFLOW. */
int64_t native_text(const wchar_t *units, size_t count, char *out,
                    size_t length);

/* ---- watch.c ---- */

struct native_change {
  DWORD action; /* FILE_ACTION_* */
  const wchar_t *name;
  size_t units;
  size_t next; /* where the next one is; 0: it was the last */
};

/* The record at `at` of what ReadDirectoryChangesW has written; false: there is
 * no whole one. */
bool native_change_next(const void *changes, size_t used, size_t at,
                        struct native_change *out);

/* ---- command.c ---- */

/* The command line that the C runtime takes apart into just these arguments, in
 * memory of the caller's from then on. 0 or an error: OVIO_E2BIG, OVIO_EINVAL
 * where the first one has a quotation mark. */
int native_command_line(wchar_t **out, const char *const *arguments);
/* The same for a batch file, whose line cmd.exe takes apart. OVIO_EINVAL for
 * what has no safe form there. The first argument is left out. */
int native_batch_line(wchar_t **out, const wchar_t *script,
                      const char *const *arguments);
/* Whether CreateProcessW would run it by cmd.exe. */
bool native_is_batch(const wchar_t *program);
/* The environment as CreateProcessW takes it: sorted, and with SystemRoot. */
int native_environment(wchar_t **out, const char *const *environment);

#endif
