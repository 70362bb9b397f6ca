/* SPDX-License-Identifier: MIT */
/* The border: everything that a system must supply to ovio. Implemented twice,
 * in win32/ and posix/, with the same functions in the same order, and a third
 * time in memory by tests. Above it live no HANDLE, descriptor or system
 * header; below it no policy.
 *
 * RESULTS. struct os_result carries a value (0, a byte count, or a negative
 * OVIO_E*) and the system's own code when the value is an error. Errors are
 * mapped at the call that failed, once, by os_error_map().
 *
 * TRANSFERS. os_port_start() either answers "finished": the outcome is in
 * io->result, good or bad, and the io never comes out of os_port_wait(); or
 * "pending": it comes out exactly once. From then until it comes out, the io
 * and its buffers belong to the kernel, also after os_port_cancel(). common/
 * has checked all arguments: the handle is open, a count is at least 1, no
 * part is empty unless there are several, the total is above 0 and at most
 * OS_TRANSFER_MAX, offsets do not overflow.
 *
 * THREADS. os_port_start, _cancel and _wait are called by the thread that runs
 * the loop. os_port_bind, _forget and _wake are for any thread. */
#ifndef OVIO_COMMON_OS_H
#define OVIO_COMMON_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ovio.h"

struct os_result {
  int64_t value;
  uint32_t native;
};

/* Opaque storage; each side proves by static_assert that its own fits. */
#define OS_LOCK_WORDS    8
#define OS_COND_WORDS    8
#define OS_THREAD_WORDS  2
#define OS_WAITER_WORDS  4
#define OS_CONTEXT_WORDS 12
#define OS_IO_WORDS      10

/* ---- error.c ---- */

/* The named error for a native code: GetLastError()'s number (an NTSTATUS goes
 * through RtlNtStatusToDosError first), or errno's. Unknown: OVIO_EUNKNOWN. */
int os_error_map(uint32_t native);

/* ---- random.c ---- */

/* Bytes that nobody can guess. 0 or an error. */
int os_random(void *bytes, size_t length);

/* ---- thread.c ---- */

/* A mutex. os_lock_init cannot fail. Not recursive. */
struct os_lock {
  uint64_t words[OS_LOCK_WORDS];
};
void os_lock_init(struct os_lock *lock);
void os_lock_destroy(struct os_lock *lock);
void os_lock_acquire(struct os_lock *lock);
void os_lock_release(struct os_lock *lock);

/* A condition variable; os_cond_wait may wake for no reason. */
struct os_cond {
  uint64_t words[OS_COND_WORDS];
};
void os_cond_init(struct os_cond *cond);
void os_cond_destroy(struct os_cond *cond);
void os_cond_wait(struct os_cond *cond, struct os_lock *lock);
void os_cond_signal(struct os_cond *cond);

/* Starts a thread with all signals blocked (POSIX). 0 or an error. */
struct os_thread {
  uint64_t words[OS_THREAD_WORDS];
};
int os_thread_start(struct os_thread *thread, void (*body)(void *argument),
                    void *argument);
void os_thread_join(struct os_thread *thread);
void os_thread_yield(void);

/* Two words that each thread has for itself, 0 at first. Never inlined: a task
 * may go on on another thread than the one whose address the compiler kept. */
enum os_local { OS_LOCAL_RUNNER, OS_LOCAL_NATIVE, OS_LOCAL_COUNT };
void *os_local_get(enum os_local slot);
void os_local_set(enum os_local slot, void *value);

/* Monotonic time, and a sleep which is never early. */
int64_t os_clock_ns(void);
void os_sleep_ns(uint64_t duration_ns);

/* What gets a blocked worker back. os_waiter_init is called by the thread that
 * will block; that thread passes the waiter to os_file_transfer_now().
 * os_waiter_interrupt, from another thread, makes a transfer that waits there,
 * or the next one to begin, answer OVIO_ECANCELED if it can be made to; it may
 * have to be repeated (CancelSynchronousIo before the call has begun does
 * nothing). os_waiter_reset forgets an interruption, before the next job. */
struct os_waiter {
  uint64_t words[OS_WAITER_WORDS];
};
int os_waiter_init(struct os_waiter *waiter);
void os_waiter_destroy(struct os_waiter *waiter);
void os_waiter_interrupt(struct os_waiter *waiter);
void os_waiter_reset(struct os_waiter *waiter);

/* ---- path.c ---- */

/* 0 if the system could take this path: OVIO_ENOENT when empty, OVIO_EINVAL
 * when it is no WTF-8 (Windows), OVIO_ENAMETOOLONG. */
int os_path_check(const char *path);

/* ---- file.c ---- */

enum os_kind {
  OS_KIND_DISK = 1, /* has offsets, and an end: a file, a block device */
  OS_KIND_STREAM,   /* pipe, socket, tty, console, character device */
  OS_KIND_DIRECTORY
};

enum os_trait {
  OS_TRAIT_OVERLAPPED = 1u << 0,      /* Windows: opened FILE_FLAG_OVERLAPPED */
  OS_TRAIT_PORTABLE = 1u << 1,        /* os_port_bind() is worth a try */
  OS_TRAIT_SYSTEM_POSITION = 1u << 2, /* OVIO_HERE is passed down for a disk
                                         file: the system keeps the position */
  OS_TRAIT_SOCKET = 1u << 3,
  OS_TRAIT_NAMED_PIPE = 1u << 4, /* Windows: 0 bytes is a message, not an end */
  OS_TRAIT_APPEND = 1u << 5,     /* the descriptor itself appends */
  OS_TRAIT_NONBLOCK = 1u << 6,   /* POSIX: the description is O_NONBLOCK */
  OS_TRAIT_NO_WAIT = 1u << 7,    /* never wait for readiness: OVIO_NONBLOCK */
  OS_TRAIT_WRITE_BACK = 1u << 8, /* Windows: tell the handle the position on
                                    release and close */
  OS_TRAIT_SIGPIPE = 1u << 9,    /* POSIX: a pipe; a write may raise SIGPIPE */
  OS_TRAIT_MESSAGE = 1u << 10,   /* a write is a message, never cut in two */
  OS_TRAIT_LISTENER = 1u << 11   /* of os_pipe_listen(): for accepting only */
};

/* What the system knows of an open file. */
struct os_file {
  intptr_t handle;
  unsigned kind;         /* enum os_kind */
  unsigned traits;       /* enum os_trait */
  size_t alignment;      /* OVIO_DIRECT: bytes; else 1 */
  int64_t position;      /* where it stands when it is opened or adopted */
  uint64_t registration; /* posix/port.c's: 0 when the file is not bound */
  struct os_listener *listener; /* pipe.c's own; NULL: no listener */
};

/* As an offset: at the end, for writing. */
#define OS_APPEND       INT64_MIN

/* The most parts and bytes of one transfer. Windows has no vectored call, so
 * its part count is 1. common/ may use less. */
#define OS_TRANSFER_MAX ((size_t)1 << 30)
size_t os_file_parts_max(void);

/* One system call's worth of reading or writing. */
struct os_transfer {
  const struct os_file *file;
  const struct ovio_iovec *iov;
  size_t count;
  int64_t offset; /* >= 0, OVIO_HERE (streams, SYSTEM_POSITION), OS_APPEND */
  bool write;
};

/* Opens. `dir` NULL: the current directory. Flags are consistent. Fills *file;
 * refuses a directory without OVIO_DIRECTORY (OVIO_EISDIR) and the reverse. */
struct os_result os_file_open(struct os_file *file, const struct os_file *dir,
                              const char *path, unsigned flags, unsigned mode);

/* Learns what `handle` is. Never waits, never changes its mode, never moves
 * its position. */
struct os_result os_file_adopt(struct os_file *file, ovio_handle handle,
                               unsigned flags);

/* The handle goes back to the user at `position`. */
ovio_handle os_file_release(struct os_file *file, int64_t position);

/* Closes; the handle is gone whatever the result. */
struct os_result os_file_close(struct os_file *file, int64_t position);

/* Moves bytes on the calling thread and posts nothing to any port. Returns
 * bytes (a read: 0 at the end of the file or stream), possibly fewer than
 * asked, or an error. Interruptions by signals are retried. Waits for readiness
 * of a non-blocking descriptor unless OS_TRAIT_NO_WAIT (OVIO_EWOULDBLOCK).
 * With a waiter: gives up with OVIO_ECANCELED when interrupted. NULL: a plain
 * thread. */
struct os_result os_file_transfer_now(const struct os_transfer *transfer,
                                      struct os_waiter *waiter);
struct os_result os_file_sync(const struct os_file *file, bool data_only);
struct os_result os_file_truncate(const struct os_file *file, int64_t size);
struct os_result os_file_size(const struct os_file *file);
/* Only for OS_TRAIT_SYSTEM_POSITION. */
struct os_result os_file_seek(const struct os_file *file, int64_t offset,
                              int whence);
struct os_result os_file_stat(const struct os_file *file,
                              struct ovio_stat *out);
struct os_result os_file_set_times(const struct os_file *file,
                                   int64_t access_ns, int64_t modify_ns);

/* ---- pipe.c ---- */

/* A pipe between ends[0], which reads, and ends[1], which writes. Of each end's
 * flags these count: OVIO_BLOCKING: a synchronous one, for another program;
 * OVIO_INHERIT; OVIO_NONBLOCK. */
struct os_result os_pipe_create(struct os_file ends[2],
                                const unsigned flags[2]);

/* Begins to listen under a name which nobody else has: flags OVIO_MESSAGE. Does
 * not wait: OVIO_EBUSY when it is to be tried again soon. OVIO_EEXIST: somebody
 * listens there. */
struct os_result os_pipe_listen(struct os_file *listener, const char *name,
                                unsigned flags);

/* Waits for a client, as os_file_transfer_now() does for bytes. The value, from
 * 0, is for os_pipe_take(). */
struct os_result os_pipe_accept_now(const struct os_file *listener,
                                    struct os_waiter *waiter);

/* Makes a file of the client that an accept has got. Where that takes over the
 * listener's handle (Windows), the listener gets a new one; when it cannot, the
 * client is there for the next accept. */
struct os_result os_pipe_take(struct os_file *listener, struct os_file *file,
                              int64_t value);

/* Connects to a listener. Does not wait: OVIO_EBUSY when it has no room now.
 * OVIO_ENOENT: nobody listens there. */
struct os_result os_pipe_connect(struct os_file *file, const char *name,
                                 unsigned flags);

/* Ends the writing direction alone. */
struct os_result os_pipe_shutdown(const struct os_file *file);

/* ---- ready.c ---- */

/* Makes a file to wait for of a handle that is not the library's. OVIO_EBADF
 * for a value that no handle has; what the system says of it comes later. */
int os_ready_check(struct os_file *file, intptr_t handle);

/* Whether the handle is ready now: 0, or OVIO_EWOULDBLOCK, or as below. */
struct os_result os_ready_glance(const struct os_file *file, bool write);

/* Waits until the handle is ready for reading or writing (0). OVIO_ENOTSUP for
 * a kind of handle that the system cannot wait for. */
struct os_result os_ready_now(const struct os_file *file, bool write,
                              struct os_waiter *waiter);

/* ---- port.c ---- */

struct os_port;

enum os_io_kind {
  OS_IO_TRANSFER = 0,
  OS_IO_READY, /* of the transfer: file and write; result 0 */
  OS_IO_ACCEPT /* of the transfer: file; result as os_pipe_accept_now() */
};

/* An operation of a port: the resume node's native half. */
struct os_io {
  struct os_transfer transfer;
  enum os_io_kind kind;
  struct os_result result;
  uint64_t native[OS_IO_WORDS]; /* the port's own while pending: OVERLAPPED */
};

/* `engine`: enum ovio_engine; OVIO_ENOTSUP for one that is not to be had. */
int os_port_create(struct os_port **port, unsigned engine);
void os_port_destroy(struct os_port *port);           /* nothing is pending */
const char *os_port_name(const struct os_port *port); /* "iocp"... */
const char *os_port_route(void); /* "completion" or "readiness" */

/* Ties a file to the port, once. Non-zero: it cannot be; take a worker. */
int os_port_bind(struct os_port *port, struct os_file *file);
/* Ends it, before the handle is closed or released. Nothing is pending. */
void os_port_forget(struct os_port *port, struct os_file *file);

/* true: pending; false: finished, io->result says how. A transfer of a stream
 * has at most one of each direction pending per file. */
bool os_port_start(struct os_port *port, struct os_io *io);
/* true: cancelled on the spot: result is OVIO_ECANCELED, and it does not come
 * out. false: it comes out as it will (also when it was not pending). */
bool os_port_cancel(struct os_port *port, struct os_io *io);

/* Waits up to timeout_ns (0: only looks; negative: for ever) until something
 * finishes or os_port_wake() comes. Puts up to `max` finished ios into `done`
 * and their number into *count. Rounds waits up, never down to a spin. 0, or
 * an error of the port itself. */
int os_port_wait(struct os_port *port, int64_t timeout_ns, struct os_io **done,
                 size_t max, size_t *count);
/* Ends the wait in progress, or the next one. Any thread. */
void os_port_wake(struct os_port *port);

/* ---- context.c ---- */

/* A stack and the place where it stopped. */
struct os_context {
  uint64_t words[OS_CONTEXT_WORDS];
};

/* Makes the calling thread able to switch: *context is its own stack. */
int os_context_enter(struct os_context *context);
void os_context_leave(struct os_context *context);

/* A new stack of `length` bytes with a guard page, or on the caller's memory
 * (OVIO_ENOTSUP on Windows). The first switch to it calls entry(argument),
 * which never returns. */
int os_context_create(struct os_context *context, size_t length,
                      void (*entry)(void *argument), void *argument);
int os_context_create_on(struct os_context *context, void *stack, size_t length,
                         void (*entry)(void *argument), void *argument);
void os_context_destroy(struct os_context *context);

/* Leaves `from`, goes on with `to`. Sanitizers and Valgrind are told. */
void os_context_switch(struct os_context *from, struct os_context *to);

#endif
