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
#define OS_LOCK_WORDS    OVIO_LOCK_WORDS
#define OS_COND_WORDS    8
#define OS_THREAD_WORDS  2
#define OS_WAITER_WORDS  4
#define OS_STACKS_WORDS  16
#define OS_CONTEXT_WORDS 12
#define OS_IO_WORDS      OVIO_IO_WORDS

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
/* It is nothing but its word: zeroed it is free, and there is nothing to be
 * destroyed, so that who comes late may still take it. */
#define OS_LOCK_IS_PLAIN (OS_LOCK_WORDS == 1)
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

/* Another one after a fork(2). */
uint64_t os_process_number(void);

/* What gets a blocked worker back. os_waiter_attach says whose it is: that
 * thread, which outlives it, passes the waiter to os_file_transfer_now() and
 * its kin. os_waiter_interrupt, from another thread, makes a transfer that
 * waits there, or the next one to begin, answer OVIO_ECANCELED if it can be
 * made to; it may have to be repeated (CancelSynchronousIo before the call has
 * begun does nothing). os_waiter_reset forgets an interruption, before the next
 * job. */
struct os_waiter {
  uint64_t words[OS_WAITER_WORDS];
};
int os_waiter_init(struct os_waiter *waiter);
void os_waiter_destroy(struct os_waiter *waiter);
void os_waiter_attach(struct os_waiter *waiter, const struct os_thread *thread);
void os_waiter_interrupt(struct os_waiter *waiter);
void os_waiter_reset(struct os_waiter *waiter);

/* ---- path.c ---- */

/* 0 if the system could take this path: OVIO_ENOENT when empty, OVIO_EINVAL
 * when it is no WTF-8 (Windows), OVIO_ENAMETOOLONG. */
int os_path_check(const char *path);

/* Does this byte separate names? */
bool os_path_separates(char byte);
/* Is it taken from a root or a drive, whatever the directory? */
bool os_path_is_absolute(const char *path);

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
  OS_TRAIT_TRY = 1u << 10,       /* Linux: a disk file through the page cache:
                                    os_file_transfer_try() is worth a call */
  OS_TRAIT_CONSOLE = 1u << 11,   /* Windows: UTF-8 to and from UTF-16 */
  OS_TRAIT_MESSAGE = 1u << 12,   /* a write is a message, never cut in two */
  OS_TRAIT_LISTENER = 1u << 13,  /* of os_pipe_listen(): for accepting only */
  OS_TRAIT_PROCESS = 1u << 14,   /* Windows: a process, for its end only */
  OS_TRAIT_READ_END = 1u << 15   /* POSIX: of a pipe, only to be read */
};

/* As wide as their fields below. */
#define OS_KINDS  0xffu
#define OS_TRAITS 0xffffffu

/* What the system knows of an open file. */
struct os_file {
  intptr_t handle;
  unsigned kind : 8;     /* enum os_kind */
  unsigned traits : 24;  /* enum os_trait */
  uint32_t alignment;    /* OVIO_DIRECT: bytes; else 1 */
  int64_t position;      /* where it stands when it is opened or adopted; from
                            then on it is common/'s */
  uint64_t registration; /* posix/port.c's: 0 when the file is not bound;
                            win32/console.c's: which console */
  struct os_listener *listener; /* pipe.c's own; NULL: no listener */
};

/* As an offset: at the end, for writing. */
#define OS_APPEND       INT64_MIN

/* The most bytes of one transfer, and how many of these parts one may have, 1
 * at least: from the first on, by what they are, not by what is in them.
 * common/ may use less. Windows takes several only where they are whole pages
 * of a direct file. */
#define OS_TRANSFER_MAX ((size_t)1 << 30)
size_t os_file_parts(const struct os_file *file, const struct ovio_iovec *iov,
                     size_t count);

/* One system call's worth of reading or writing. */
struct os_transfer {
  const struct os_file *file;
  const struct ovio_iovec *iov;
  int64_t offset; /* >= 0, OVIO_HERE (streams, SYSTEM_POSITION), OS_APPEND */
  uint32_t count;
  bool write;
  unsigned char kind; /* enum os_io_kind; from here on: of an os_io's */
  bool lane;          /* of a struct lane; else of a struct op */
  bool data_only;     /* OS_IO_SYNC */
};

/* Opens. `dir` NULL: the current directory. Flags are consistent. Fills *file;
 * refuses a directory without OVIO_DIRECTORY (OVIO_EISDIR) and the reverse. */
struct os_result os_file_open(struct os_file *file, const struct os_file *dir,
                              const char *path, unsigned flags, unsigned mode);

/* The same, but OVIO_EXDEV for what lies outside of `dir`. OVIO_ENOTSUP without
 * a native code: the kernel does not promise that. */
struct os_result os_file_open_beneath(struct os_file *file,
                                      const struct os_file *dir,
                                      const char *path, unsigned flags,
                                      unsigned mode);

/* Opens a new file for writing that has no name, and leaves nothing behind, in
 * the directory `path`. OVIO_ENOTSUP, or another error, where there is no such
 * thing. */
struct os_result os_file_open_nameless(struct os_file *file,
                                       const struct os_file *dir,
                                       const char *path, unsigned mode);

/* Gives it a name that nothing has: else OVIO_EEXIST. */
struct os_result os_file_give_name(const struct os_file *file,
                                   const struct os_file *dir, const char *path);

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
/* The same for a read of a disk file, if no device has to be waited for: else
 * OVIO_EWOULDBLOCK; OVIO_ENOTSUP: this file cannot be asked. */
struct os_result os_file_transfer_try(const struct os_transfer *transfer);
/* The same for one buffer at an offset of a disk file, by a single system call.
 * OS_AGAIN: a signal came in between. */
#define OS_AGAIN INT64_MIN
struct os_result os_file_read_at(const struct os_file *file, void *buffer,
                                 size_t length, int64_t offset);
struct os_result os_file_write_at(const struct os_file *file, void *buffer,
                                  size_t length, int64_t offset);
struct os_result os_file_read_cached(const struct os_file *file, void *buffer,
                                     size_t length, int64_t offset);
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

/* Up to `length` bytes by the kernel alone: their number, 0 at the end, or
 * OVIO_ENOTSUP for what only reading and writing can do. */
struct os_result os_file_copy(const struct os_file *from, int64_t from_offset,
                              const struct os_file *to, int64_t to_offset,
                              size_t length);

/* ---- directory.c ---- */

/* Room for any name and its end. */
#define OS_NAME_MAX 1024

/* A walk through an open directory, batch by batch. Zeroed but for `file` and
 * `buffer`: at the beginning. The system remembers where it stands with the
 * open file: one walk at a time. */
struct os_directory {
  const struct os_file *file;
  void *buffer; /* aligned to 8 */
  size_t length;
  size_t used; /* bytes of the batch in it, and how far it has been read */
  size_t at;
  bool under_way; /* false: the next batch is the first */
  void *stream;   /* the side's own */
};

/* Reads the next batch: 1, or 0 at the end, or an error. May wait. */
struct os_result os_directory_fill(struct os_directory *directory);
/* The next entry of the batch, also "." and "..", its name into `name`: 1, or 0
 * at its end, or an error. Never waits. */
int os_directory_next(struct os_directory *directory, struct ovio_entry *out,
                      char name[OS_NAME_MAX]);
/* Frees what the walk holds. The directory stays open. */
void os_directory_end(struct os_directory *directory);

/* ---- name.c ---- */

/* A path, which os_path_check() has seen. `dir` NULL: the current directory. */
struct os_name {
  const struct os_file *dir;
  const char *path;
};

struct os_result os_name_make_directory(const struct os_name *name,
                                        unsigned mode);
/* A directory, which must be empty, or anything else (OVIO_EISDIR). */
struct os_result os_name_remove(const struct os_name *name, bool directory);
/* `exclusive`: fails if there is something called `to`. */
struct os_result os_name_rename(const struct os_name *from,
                                const struct os_name *to, bool exclusive);
struct os_result os_name_link(const struct os_name *from,
                              const struct os_name *to);
struct os_result os_name_symlink(const char *target, const struct os_name *name,
                                 bool directory);
/* Text into `buffer`, with an end: its length without it; OVIO_EOVERFLOW when
 * there is no room. */
struct os_result os_name_read_link(const struct os_name *name, char *buffer,
                                   size_t length);
struct os_result os_name_resolve(const struct os_name *name, char *buffer,
                                 size_t length);
/* `follow`: what a symbolic link leads to. */
struct os_result os_name_stat(const struct os_name *name, bool follow,
                              struct ovio_stat *out);
/* `flags`: OVIO_READ, OVIO_WRITE; none: is it there? */
struct os_result os_name_access(const struct os_name *name, unsigned flags);
struct os_result os_name_set_mode(const struct os_name *name, unsigned mode);
/* The same of what is open, whatever has its name by now. */
struct os_result os_name_set_mode_of(const struct os_file *file, unsigned mode);
struct os_result os_name_set_times(const struct os_name *name,
                                   int64_t access_ns, int64_t modify_ns);
/* The folder for temporary files. */
struct os_result os_name_temporary(char *buffer, size_t length);

/* ---- range.c ---- */

/* Locks bytes of a disk file for this open file, or OVIO_EWOULDBLOCK: another
 * has them. Length 0: all from there on. */
struct os_result os_range_lock(const struct os_file *file, int64_t offset,
                               int64_t length, bool shared);
struct os_result os_range_unlock(const struct os_file *file, int64_t offset,
                                 int64_t length);

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

/* ---- process.c ---- */

/* A child. Zeroed: none. */
struct os_process {
  intptr_t handle; /* the process; a pidfd, or -1 */
  uint64_t id;
  void *spare;   /* POSIX: what close needs to let it go on; NULL: collected */
  bool killed;   /* Windows: by os_process_kill() */
  bool pollable; /* the handle gets readable at its end */
};

/* What it is to be. All strings are non-empty, the vectors end in NULL. */
struct os_spawn {
  const char *program;
  const char *const *arguments;
  const char *const *environment;   /* NULL: this process's */
  const char *directory;            /* NULL: this process's */
  const struct os_file *streams[3]; /* NULL: this process's */
  bool join;                        /* the third is where the second goes */
  const struct os_file *const *inherited;
  size_t inherited_count;
};

/* The null device, for a child's stream. */
struct os_result os_process_open_null(struct os_file *file);
/* Starts it, or says why its program cannot be run. No handle but those in
 * `spawn` reaches it. */
struct os_result os_process_spawn(struct os_process *process,
                                  const struct os_spawn *spawn);
/* Waits until it has ended; or, where the system has nothing to wait for, as
 * long as `patience_ns`. With a waiter: OVIO_ECANCELED when interrupted. */
struct os_result os_process_await(const struct os_process *process,
                                  int64_t patience_ns,
                                  struct os_waiter *waiter);
/* 1: it has ended, how is in *out, and nothing is left of it; 0: it runs.
 * OVIO_ENOENT: somebody else has taken its status. Never waits. */
struct os_result os_process_collect(struct os_process *process,
                                    struct ovio_exit *out);
/* It has not been collected. `how`: enum ovio_kill. */
struct os_result os_process_kill(struct os_process *process, unsigned how);
/* One that was not collected goes on, and leaves nothing behind. */
void os_process_close(struct os_process *process);

/* ---- standard.c ---- */

enum os_standard { OS_STDIN, OS_STDOUT, OS_STDERR, OS_STANDARD_COUNT };

/* Learns what the process's own handle is, as os_file_adopt(). OVIO_EBADF: it
 * has none. A disk file has OS_TRAIT_SYSTEM_POSITION. */
struct os_result os_standard_open(struct os_file *file, enum os_standard which,
                                  unsigned flags);

/* 1: a terminal or console; 0: not. */
struct os_result os_standard_is_console(const struct os_file *file);

/* ---- watch.c ---- */

enum os_change_kind {
  OS_CHANGE_CREATED = 1,
  OS_CHANGE_MODIFIED,
  OS_CHANGE_WRITTEN,
  OS_CHANGE_DELETED,
  OS_CHANGE_FROM, /* the halves of a renaming: one cookie, if not 0 */
  OS_CHANGE_TO,
  OS_CHANGE_LOST, /* the system has lost some; root NULL: of any */
  OS_CHANGE_GONE  /* the root itself; nothing more comes of it */
};

/* A directory that is watched. */
struct os_root {
  bool tree;  /* and all below it */
  void *side; /* the side's own */
};

struct os_change {
  unsigned kind; /* enum os_change_kind */
  struct os_root *root;
  const char *path; /* from the root; stays until the next is taken */
  uint32_t cookie;
  bool directory; /* known to be one */
};

struct os_watch;

struct os_result os_watch_create(struct os_watch **watch);
/* Nothing is watched any more. */
void os_watch_destroy(struct os_watch *watch);
/* Both while nobody waits or takes. */
struct os_result os_watch_add(struct os_watch *watch, struct os_root *root,
                              const char *directory);
void os_watch_remove(struct os_watch *watch, struct os_root *root);
/* Waits for something to take: 1, or 0: woken, or the time is over (negative:
 * for ever). */
struct os_result os_watch_wait(struct os_watch *watch, int64_t timeout_ns,
                               struct os_waiter *waiter);
/* The next change: 1, or 0: there is none, or an error. Never waits. */
struct os_result os_watch_take(struct os_watch *watch, struct os_change *out);
/* Gets the one who waits out, or the next one. Any thread. */
void os_watch_wake(struct os_watch *watch);

/* ---- port.c ---- */

struct os_port;

/* How many parts of vectors a loop should have at its port side by side; 0: the
 * system takes whole vectors. */
size_t os_port_lanes(void);

enum os_io_kind {
  OS_IO_TRANSFER = 0,
  OS_IO_READY,  /* of the transfer: file and write; result 0 */
  OS_IO_ACCEPT, /* of the transfer: file; result as os_pipe_accept_now() */
  OS_IO_SYNC    /* of the transfer: file; result as os_file_sync() */
};

/* An operation of a port: the resume node's native half. */
struct os_io {
  struct os_transfer transfer;
  struct os_result result;
  uint64_t native[OS_IO_WORDS]; /* the port's own while pending: OVERLAPPED;
                                   last: common/ has other uses for the place */
};

/* `engine`: enum ovio_engine; OVIO_ENOTSUP for one that is not to be had.
 * `threads`: so many will use it, one at a time but for the waiting. */
int os_port_create(struct os_port **port, unsigned engine, unsigned threads);
void os_port_destroy(struct os_port *port);           /* nothing is pending */
const char *os_port_name(const struct os_port *port); /* "iocp"... */
/* Of memory that transfers will use again: instead of what it was told before.
 * Nothing is pending. 0 also where that is of no use. */
int os_port_register_buffers(struct os_port *port,
                             const struct ovio_iovec *buffers, size_t count);
/* "completion", "readiness", or "worker": os_port_bind() would refuse it. */
const char *os_port_route(const struct os_port *port,
                          const struct os_file *file);

/* Ties a file to the port, once. Non-zero: it cannot be; take a worker. */
int os_port_bind(struct os_port *port, struct os_file *file);
/* Ends it, before the handle is closed or released. Nothing is pending. */
void os_port_forget(struct os_port *port, struct os_file *file);

/* true: pending; false: finished, io->result says how. A transfer of a stream
 * has at most one of each direction pending per file. Of OS_IO_SYNC false says
 * that a worker has to do it; the file need not be bound. */
bool os_port_start(struct os_port *port, struct os_io *io);
/* true: cancelled on the spot: result is OVIO_ECANCELED, and it does not come
 * out. false: it comes out as it will (also when it was not pending). */
bool os_port_cancel(struct os_port *port, struct os_io *io);

/* Called around the wait itself: meanwhile other threads may use the port, but
 * not wait at it. */
struct os_pause {
  void (*begin)(void *argument);
  void (*end)(void *argument);
  void *argument;
};

/* Waits up to timeout_ns (0: only looks; negative: for ever) until something
 * finishes or os_port_wake() comes. Puts up to `max` finished ios into `done`
 * and their number into *count. Rounds waits up, never down to a spin. 0, or
 * an error of the port itself. `pause`: NULL, where there is one thread. */
int os_port_wait(struct os_port *port, int64_t timeout_ns, struct os_io **done,
                 size_t max, size_t *count, const struct os_pause *pause);
/* Ends the wait in progress, or the next one. Any thread. */
void os_port_wake(struct os_port *port);

/* ---- context.c ---- */

/* Where stacks of `length` bytes come from. Any thread. */
struct os_stacks {
  uint64_t words[OS_STACKS_WORDS];
};
void os_stacks_init(struct os_stacks *stacks, size_t length);
void os_stacks_destroy(struct os_stacks *stacks); /* all contexts are gone */
/* Gives the system back what destroyed contexts have left behind. */
void os_stacks_trim(struct os_stacks *stacks);

/* A stack and the place where it stopped. */
struct os_context {
  uint64_t words[OS_CONTEXT_WORDS];
};

/* Makes the calling thread able to switch: *context is its own stack. */
int os_context_enter(struct os_context *context);
void os_context_leave(struct os_context *context);

/* A new stack with a guard page. The context is the first member of `size`
 * blank bytes, which are the caller's until it is destroyed: at the high end of
 * the stack where that can be (POSIX). Or on the caller's memory (OVIO_ENOTSUP
 * on Windows). The first switch to it calls entry(context), which never
 * returns. */
int os_context_create(struct os_context **context, struct os_stacks *stacks,
                      size_t size, void (*entry)(struct os_context *context));
int os_context_create_on(struct os_context *context, void *stack, size_t length,
                         void (*entry)(struct os_context *context));
void os_context_destroy(struct os_context *context);

/* Empties the deep part of a stack that os_context_create() has made and that
 * stopped in a shallow place. false: that cannot be done here. */
bool os_context_trim(struct os_context *context);

/* Leaves `from`, goes on with `to`. Sanitizers and Valgrind are told. */
void os_context_switch(struct os_context *from, struct os_context *to);

#endif
