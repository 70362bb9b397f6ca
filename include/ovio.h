/* SPDX-License-Identifier: MIT */
/* ovio: overlapped I/O for C. Windows first, POSIX as the fallback.
 *
 * One call, ovio_read(file, buffer, length, offset), and its kin run the same
 * source code two ways:
 *
 *   - called from a plain thread, it blocks that thread;
 *   - called from a task of a loop, only the task waits. The kernel completes
 *     the operation (an I/O completion port on Windows; readiness or a worker
 *     thread on POSIX) and the task goes on.
 *
 * Callback programs use ovio_start_read() and kin instead.
 *
 * RESULTS. 0 or a byte count on success, a negative OVIO_E* on failure. A call
 * that fails because of its arguments changes nothing. ovio_error_text() says
 * what an error means, ovio_native_error() gives the system's own code.
 *
 * OBJECTS. struct ovio_file, ovio_op and ovio_group are allocated by the
 * caller, anywhere; they are opaque. A zeroed ovio_file is a closed file, a
 * zeroed ovio_op an idle operation. An object in use is not moved or copied:
 * an open file, an operation between its start and its callback, a group with
 * members.
 *
 * OWNERSHIP. From the call of ovio_start_*() until the callback, the op, the
 * buffer and the vector belong to the library and the kernel, also after
 * ovio_cancel(). The blocking calls own their buffers until they return.
 *
 * THREADS. "Any" below means: a plain thread, a task or a callback, also
 * several at once on one file. A "callback" is a function run by the loop on
 * its own stack; calls which have to wait answer OVIO_EDEADLK there, since
 * nothing could wake them, and change nothing. Files opened OVIO_INLINE are
 * exempt: they block the loop's thread, which is what was asked for.
 *
 * CANCEL. A task that was cancelled (ovio_group_cancel, ovio_loop_cancel), or
 * whose deadline has passed, gets OVIO_ECANCELED or OVIO_ETIMEDOUT from the
 * operation it waits in and from every one that it tries later, except from
 * ovio_close() and ovio_group_wait(), which always finish their work. If bytes
 * had been moved, their count is returned first.
 */
#ifndef OVIO_H
#define OVIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h> /* SEEK_SET, SEEK_CUR, SEEK_END */

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(OVIO_BUILDING_SHARED)
#define OVIO_API __declspec(dllexport)
#elif defined(_WIN32)
#define OVIO_API
#else
#define OVIO_API __attribute__((visibility("default")))
#endif

#define OVIO_VERSION "0.1.0"

/* ------------------------------------------------------------------ errors */

/* Every error: X(name, value, text). The values are ovio's own and stable. */
#define OVIO_ERRORS(X)                                                         \
  X(EINVAL, -1001, "invalid argument: see the function's comment in ovio.h")   \
  X(EBADF, -1002,                                                              \
    "bad file: closed, released, zeroed, or not opened for this direction")    \
  X(ENOMEM, -1003, "out of memory: free some and try again")                   \
  X(ENOBUFS, -1004,                                                            \
    "out of kernel buffers or quota: fewer or smaller operations at once")     \
  X(EACCES, -1005, "permission denied: check the file's permissions")          \
  X(EPERM, -1006, "not permitted: needs a privilege or an owner's right")      \
  X(ENOENT, -1007, "not found: no such file, or nothing to cancel")            \
  X(EEXIST, -1008, "already exists: choose another name or drop EXCLUSIVE")    \
  X(EISDIR, -1009, "is a directory: open it with OVIO_DIRECTORY")              \
  X(ENOTDIR, -1010, "not a directory: a part of the path is a file")           \
  X(ENOTEMPTY, -1011, "directory not empty: remove what is in it first")       \
  X(ENAMETOOLONG, -1012, "name too long: shorten the path")                    \
  X(ELOOP, -1013, "symbolic link refused, or too many of them in the path")    \
  X(EROFS, -1014, "read-only file system")                                     \
  X(EXDEV, -1015, "crosses file systems: copy instead")                        \
  X(ENOSPC, -1016, "no space left, or quota used up: make room")               \
  X(EFBIG, -1017, "file too large for its file system or limit")               \
  X(EIO, -1018, "input/output error: the device or the network failed")        \
  X(EPIPE, -1019, "broken pipe: the other end is closed")                      \
  X(ESPIPE, -1020, "not seekable: use OVIO_HERE on a pipe, socket or tty")     \
  X(EBUSY, -1021, "in use: let what is pending finish first")                  \
  X(ETXTBSY, -1022, "locked or shared by another program: close it there")     \
  X(EMFILE, -1023, "too many open files: close some or raise the limit")       \
  X(ECANCELED, -1024, "cancelled")                                             \
  X(ETIMEDOUT, -1025, "deadline passed")                                       \
  X(EWOULDBLOCK, -1026, "would block: not ready now, try again later")         \
  X(EDEADLK, -1027,                                                            \
    "would never return: called in a callback, or the loop is not running")    \
  X(ENOTSUP, -1028, "not supported here by the system or this kind of file")   \
  X(ENODEV, -1029, "no such device, or it is gone or not ready")               \
  X(ECONNRESET, -1030, "connection reset by the other side")                   \
  X(ENOTCONN, -1031, "not connected")                                          \
  X(EOVERFLOW, -1032, "value too large for its type")                          \
  X(EUNKNOWN, -1033, "unexpected system error: see ovio_native_error()")

enum ovio_error {
#define OVIO_ERROR_ENUM(name, value, text) OVIO_##name = (value),
  OVIO_ERRORS(OVIO_ERROR_ENUM)
#undef OVIO_ERROR_ENUM
      OVIO_OK = 0
};

/* ovio_error_name: the name of an error, e.g. "OVIO_EPIPE"; "OVIO_OK" for 0
 * and positive values, "OVIO_E?" for a number that is no ovio error.
 * The string is static. Any thread; cannot fail. */
OVIO_API const char *ovio_error_name(int error);

/* ovio_error_text: one line on what an error means and what to do about it,
 * e.g. "broken pipe: the other end is closed". Static. Any thread; cannot
 * fail. */
OVIO_API const char *ovio_error_text(int error);

/* ovio_native_error: the system's code behind the last failure of the calling
 * task, or of the calling plain thread: GetLastError()'s number on Windows,
 * errno's on POSIX. In a callback: that of the callback's own operation. 0 when
 * the system was not asked (an argument error). Success does not reset it. */
OVIO_API uint32_t ovio_native_error(void);

/* ovio_version: "major.minor.patch" of the library that is linked; compare
 * with OVIO_VERSION, that of the header. Static. Any thread; cannot fail. */
OVIO_API const char *ovio_version(void);

/* ------------------------------------------------------------------- types */

#ifdef _WIN32
typedef void *ovio_handle;
#define OVIO_NO_HANDLE ((ovio_handle)(intptr_t)-1)
#else
typedef int ovio_handle;
#define OVIO_NO_HANDLE ((ovio_handle)-1)
#endif

/* As an offset: the file's own position; the only meaning for a pipe. */
#define OVIO_HERE ((int64_t)-1)

/* A part of a vector. The same layout as struct iovec on POSIX. */
struct ovio_iovec {
  void *iov_base;
  size_t iov_len; /* bytes; an empty part is skipped */
};

/* Opaque: the library's own fields live inside. Zeroed is closed. */
struct ovio_file {
  uint64_t opaque[44];
};

/* Opaque: one operation in flight, the resume node. Zeroed is idle. */
struct ovio_op {
  uint64_t opaque[72];
};

/* Opaque: a set of tasks. Set up by ovio_group_init(). */
struct ovio_group {
  uint64_t opaque[16];
};

struct ovio_loop;

/* What ovio_stat() tells. Times in ns since 1970-01-01 UTC, which is also how
 * far an int64_t reaches: years 1677 to 2262. */
struct ovio_stat {
  int64_t size;      /* bytes */
  int64_t allocated; /* bytes on the device */
  int64_t access_ns;
  int64_t modify_ns;
  int64_t change_ns; /* of the metadata */
  int64_t create_ns; /* 0: not known */
  uint64_t device;   /* device and inode together name a file on a machine */
  uint64_t inode;
  uint64_t links;
  uint32_t type; /* OVIO_TYPE_* */
  uint32_t mode; /* permission bits as in stat(2); on Windows 0444 or 0666 */
};

enum ovio_type {
  OVIO_TYPE_OTHER = 0,
  OVIO_TYPE_FILE,
  OVIO_TYPE_DIRECTORY,
  OVIO_TYPE_SYMLINK,
  OVIO_TYPE_PIPE, /* also FIFO and named pipe */
  OVIO_TYPE_SOCKET,
  OVIO_TYPE_CHARACTER, /* console, tty, NUL */
  OVIO_TYPE_BLOCK
};

/* ------------------------------------------------------------ open, close */

enum ovio_flags {
  OVIO_READ = 1u << 0,
  OVIO_WRITE = 1u << 1,
  OVIO_APPEND = 1u << 2,      /* every write goes to the end; needs WRITE */
  OVIO_CREATE = 1u << 3,      /* make the file if it is missing; needs WRITE */
  OVIO_EXCLUSIVE = 1u << 4,   /* with CREATE: fail if it exists */
  OVIO_TRUNCATE = 1u << 5,    /* cut to length 0; needs WRITE */
  OVIO_DIRECT = 1u << 6,      /* past the page cache; aligned I/O only */
  OVIO_SYNC = 1u << 7,        /* every write reaches the device first */
  OVIO_DIRECTORY = 1u << 8,   /* a directory, for ovio_openat() */
  OVIO_NOFOLLOW = 1u << 9,    /* OVIO_ELOOP if the name is a symbolic link */
  OVIO_INHERIT = 1u << 10,    /* child processes inherit the handle */
  OVIO_SEQUENTIAL = 1u << 11, /* hint: read ahead */
  OVIO_RANDOM = 1u << 12,     /* hint: do not read ahead */
  OVIO_BLOCKING = 1u << 13,   /* never overlapped: a plain system handle */
  OVIO_INLINE = 1u << 14,     /* may block the loop's thread (stderr) */
  OVIO_NONBLOCK = 1u << 15,   /* plain calls answer OVIO_EWOULDBLOCK; POSIX,
                                 OVIO_ENOTSUP on Windows */
  OVIO_MESSAGE = 1u << 16     /* named pipes: each write is a message */
};

/* ovio_open: opens, and with OVIO_CREATE makes, the file at `path`.
 *   file   overwritten without being read; after a failure a closed file.
 *   path   POSIX: any bytes. Windows: UTF-8 (WTF-8 for lone surrogates), `/`
 *          or `\`, long paths work. Read until the call returns.
 *   flags  OVIO_READ, OVIO_WRITE or OVIO_DIRECTORY at least.
 *   mode   permission bits of a new file, as open(2), less the umask; on
 *          Windows only the owner's write bit (0200) counts.
 * The handle is not inherited by children unless OVIO_INHERIT says so. On
 * Windows it is overlapped unless OVIO_BLOCKING, and shares read, write and
 * delete. A name that is a directory needs OVIO_DIRECTORY (OVIO_EISDIR), which
 * needs a directory (OVIO_ENOTDIR).
 * Thread: plain or task (a worker opens; cancel works until the system call
 * has begun); a callback gets OVIO_EDEADLK: use ovio_start_open().
 * Errors: EINVAL, EACCES, EEXIST, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENOENT,
 * ENOMEM, ENOSPC, ENOTDIR, EROFS, ETXTBSY...
 * System: open(2); CreateFileW. */
OVIO_API int ovio_open(struct ovio_file *file, const char *path, unsigned flags,
                       unsigned mode);

/* ovio_openat: ovio_open() with `path` taken from the directory `dir`, a file
 * opened with OVIO_DIRECTORY; NULL is the current directory; an absolute
 * `path` ignores it. `dir` must stay open until the call returns.
 * Errors: also OVIO_EBADF for a closed `dir`, OVIO_ENOTDIR for another kind.
 * System: openat(2); GetFinalPathNameByHandleW and CreateFileW. */
OVIO_API int ovio_openat(struct ovio_file *file, struct ovio_file *dir,
                         const char *path, unsigned flags, unsigned mode);

/* ovio_adopt: makes a file of a handle from elsewhere, which the file owns
 * from then on: ovio_close() closes it, ovio_release() gives it back.
 *   handle  a file, pipe, socket, console or tty, overlapped or not.
 *   flags   READ and/or WRITE (or DIRECTORY), and as they apply APPEND,
 *           DIRECT, BLOCKING, INLINE, NONBLOCK; others OVIO_EINVAL.
 * Never changes the handle's mode (O_NONBLOCK stays as it is). OVIO_APPEND on
 * POSIX needs a descriptor that is O_APPEND, and one that is, is APPEND.
 * Position: on POSIX the description's own offset, which others may share; on
 * Windows read here from a synchronous handle and written back by release and
 * close, 0 for an overlapped one.
 * On failure the handle still belongs to the caller.
 * Thread: any; never waits. Errors: EINVAL, EBADF for a dead handle.
 * System: fstat(2), fcntl(2); GetFileType, NtQueryInformationFile. */
OVIO_API int ovio_adopt(struct ovio_file *file, ovio_handle handle,
                        unsigned flags);

/* ovio_release: gives the handle back, unclosed, and closes `file`. On Windows
 * a handle that was used on a loop stays bound to that loop's port.
 * Thread: any. Result: the handle, or OVIO_NO_HANDLE for a closed file and for
 * one with operations in flight (which then stays as it is). */
OVIO_API ovio_handle ovio_release(struct ovio_file *file);

/* ovio_close: cancels the operations in flight on `file`, also other tasks',
 * waits until the kernel has let go of them, then closes the handle. `file` is
 * closed afterwards also when an error is returned (a late write error, e.g.
 * EIO, ENOSPC), save for these, which change nothing: OVIO_EBADF: closed or
 * being closed; OVIO_EBUSY: another plain thread is blocked in a call on it;
 * OVIO_EDEADLK: see above, or its operations belong to a loop nobody runs.
 * Thread: plain or task; a callback uses ovio_start_close(). Not cancellable.
 * System: close(2); CancelIoEx, CloseHandle. */
OVIO_API int ovio_close(struct ovio_file *file);

/* ------------------------------------------------------- read and write */

/* ovio_read: reads up to `length` bytes at `offset` into `buffer`.
 *   length  bytes; any size, also past 4 GiB.
 *   offset  >= 0: bytes from the start of a disk file; does not move its
 *           position. OVIO_HERE: at the position, which moves by the bytes
 *           read; such calls on one file happen one after the other. A pipe,
 *           socket or tty takes only OVIO_HERE (OVIO_ESPIPE).
 * Result: bytes read. A disk file is short only at its end, and answers 0 from
 * there on. A stream gives what was there, as soon as there is something; 0
 * means that the other side is gone. A failure after some bytes returns their
 * count, and the next call reports it.
 * Thread: any (callback: OVIO_EDEADLK). Cancel: the task's; a deadline.
 * Errors: EBADF, EINVAL (negative offset, offset + length past INT64_MAX,
 * misaligned OVIO_DIRECT), ESPIPE, EISDIR, EIO, EWOULDBLOCK (OVIO_NONBLOCK).
 * System: pread(2), read(2), recv(2); ReadFile, NtReadFile. */
OVIO_API int64_t ovio_read(struct ovio_file *file, void *buffer, size_t length,
                           int64_t offset);

/* ovio_write: writes all of `length` bytes from `buffer` at `offset`.
 * As ovio_read(), and: on an OVIO_APPEND file the bytes go to the end whatever
 * the offset. Result: `length`, or less when it failed after some bytes; the
 * next call reports why. A stream whose reader is gone: OVIO_EPIPE, never
 * SIGPIPE. Errors: also ENOSPC, EFBIG, EPIPE, EROFS.
 * System: pwrite(2), write(2), send(2); WriteFile, NtWriteFile. */
OVIO_API int64_t ovio_write(struct ovio_file *file, const void *buffer,
                            size_t length, int64_t offset);

/* ovio_readv: ovio_read() into `count` parts, filled in order. Their number
 * has no limit; empty ones are skipped. The result counts a prefix of the
 * vector. On POSIX the kernel's own preadv(2), in groups of IOV_MAX; on
 * Windows one call a part, in order: not atomic towards other writers. `iov`
 * must stay unchanged until the call returns. */
OVIO_API int64_t ovio_readv(struct ovio_file *file,
                            const struct ovio_iovec *iov, size_t count,
                            int64_t offset);

/* ovio_writev: ovio_write() from `count` parts, in order; as ovio_readv(). */
OVIO_API int64_t ovio_writev(struct ovio_file *file,
                             const struct ovio_iovec *iov, size_t count,
                             int64_t offset);

#define OVIO_DATA_ONLY 1u

/* ovio_sync: returns when what was written is on the device. `flags`: 0, or
 * OVIO_DATA_ONLY, which may leave times and the like for later.
 * Thread: plain or task (a worker waits). Errors: EBADF, EINVAL, EIO, ENOSPC,
 * ENOTSUP (a pipe). System: fsync(2), fdatasync(2); FlushFileBuffers, which
 * has no data-only form that every Windows knows and needs OVIO_WRITE. */
OVIO_API int ovio_sync(struct ovio_file *file, unsigned flags);

/* ovio_truncate: makes the file `size` bytes long, cut or filled with zeros.
 * Does not move the position. Needs OVIO_WRITE. Thread: plain or task.
 * Errors: EBADF, EINVAL, EFBIG, ENOSPC, ESPIPE, EBUSY (mapped; Windows).
 * System: ftruncate(2); SetFileInformationByHandle(FileEndOfFileInfo). */
OVIO_API int ovio_truncate(struct ovio_file *file, int64_t size);

/* ovio_size: bytes in the file. Thread: plain or task. Errors: EBADF,
 * ESPIPE for a stream. System: fstat(2), BLKGETSIZE64; GetFileSizeEx. */
OVIO_API int64_t ovio_size(struct ovio_file *file);

/* ovio_seek: moves the position by `offset` bytes from `whence`: SEEK_SET,
 * SEEK_CUR or SEEK_END, and returns the new one; SEEK_CUR with 0 tells it.
 * Waits for OVIO_HERE operations that came before. Positions past the end are
 * fine. Thread: plain or task; in a callback only where nothing is to be
 * waited for (SEEK_SET and SEEK_CUR, nothing in flight at the position).
 * Errors: EBADF, EINVAL (below 0, unknown whence), EOVERFLOW, ESPIPE.
 * System: none, except for SEEK_END and adopted descriptors: lseek(2). */
OVIO_API int64_t ovio_seek(struct ovio_file *file, int64_t offset, int whence);

/* ovio_stat: what is known about the open file, into `*out`. Thread: plain or
 * task. Errors: EBADF, EINVAL, EIO.
 * System: statx(2) or fstat(2); GetFileInformationByHandleEx. */
#if defined(__cplusplus) && defined(__GNUC__)
/* The function and the struct share a name, as stat(2) and struct stat do. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
OVIO_API int ovio_stat(struct ovio_file *file, struct ovio_stat *out);
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* To leave a time as it is. */
#define OVIO_TIME_KEEP INT64_MIN

/* ovio_set_times: sets the times of last access and modification, in ns since
 * 1970 (Windows keeps 100 ns), or leaves one with OVIO_TIME_KEEP. Needs
 * OVIO_WRITE. Thread: plain or task. Errors: EBADF, EINVAL, EPERM.
 * System: futimens(2); SetFileInformationByHandle(FileBasicInfo). */
OVIO_API int ovio_set_times(struct ovio_file *file, int64_t access_ns,
                            int64_t modify_ns);

/* ovio_file_route: how an operation on `file` would get done on `loop` (NULL:
 * on a plain thread): "completion", "readiness", "worker", "inline",
 * "synchronous" (plain), or "closed". Does not bind the file: before its first
 * use it names what is to be expected. Static. Any thread. */
OVIO_API const char *ovio_file_route(const struct ovio_file *file,
                                     const struct ovio_loop *loop);

/* ovio_set_max_transfer: the most bytes that one system call is asked to move
 * for plain threads and for loops without an own value; 0 restores the default
 * of 1 GiB, which is also the limit. Larger reads and writes are made of
 * several calls. For tests, and for systems short of pinned memory. */
OVIO_API void ovio_set_max_transfer(size_t bytes);

/* ------------------------------------------------------------------- pipes */

/* ovio_pipe: a pipe: what is written to ends[1] comes out of ends[0].
 *   ends   two files, overwritten without being read; each is closed by
 *          ovio_close(). After a failure both are closed files.
 *   flags  0, or of OVIO_BLOCKING (synchronous ends, for another program),
 *          OVIO_INHERIT, OVIO_INLINE, OVIO_NONBLOCK (POSIX), for both ends.
 * Both ends work in a loop: overlapped on Windows, non-blocking on POSIX. When
 * ends[1] is closed the reader gets 0; when ends[0] is, the writer OVIO_EPIPE.
 * Thread: any; never waits. Errors: EINVAL, EMFILE, ENOBUFS, ENOMEM.
 * System: pipe2(2); CreateNamedPipeW with one instance, for local clients only,
 * under a name that nobody can guess, and CreateFileW. */
OVIO_API int ovio_pipe(struct ovio_file ends[2], unsigned flags);

/* ovio_pipe_listen: makes `listener` take clients under `name`.
 *   listener  overwritten without being read; closed by ovio_close(), which
 *             takes the name away. For ovio_pipe_accept() only: reads and
 *             writes answer OVIO_EBADF.
 *   name      the same on both systems: one without `/` and `\`, of any other
 *             bytes (UTF-8). Windows makes \\.\pipe\NAME of it, POSIX a socket
 *             NAME in $XDG_RUNTIME_DIR, or, where that is no folder of this
 *             user's alone, in /tmp/ovio-UID, made with the mode 0700. Or one
 *             of the system's own, taken as it is: \\.\pipe\..., an absolute
 *             path. Keep it below 60 bytes: a path has about 100.
 *   flags     0, or OVIO_MESSAGE: every write is one message; a read gets what
 *             fits of one message, and the next read the rest. Messages of up
 *             to 64 KiB fit everywhere; one that the system does not take is
 *             OVIO_EINVAL. They are written whole: OVIO_ENOTSUP from
 *             ovio_writev() with more than one part. Empty ones are not sent;
 *             one that another program sends is skipped on Windows, and reads
 *             as 0 on POSIX. OVIO_ENOTSUP where there are no messages (macOS).
 * This user alone can connect, from this machine alone. What a listener has
 * left behind that ended without a close is taken away.
 * Thread: plain or task (a worker does it); a callback gets OVIO_EDEADLK.
 * Errors: EEXIST (somebody listens there, or the name is another file's),
 * EINVAL, EACCES, EBUSY, EMFILE, ENAMETOOLONG, ENOENT (no such folder), ENOMEM,
 * ENOTSUP.
 * System: socket(AF_UNIX), bind(2), listen(2); CreateNamedPipeW. */
OVIO_API int ovio_pipe_listen(struct ovio_file *listener, const char *name,
                              unsigned flags);

/* ovio_pipe_accept: waits for a client and makes `out` the file of it, which
 * reads and writes, and is closed by ovio_close().
 * `out` is overwritten without being read; after a failure a closed file; it
 * stays in place until the call returns. Several may accept at once: each gets
 * a client, in order. A client that has gone meanwhile is handed out all the
 * same, with what it wrote. Children do not inherit the handle.
 * Thread: plain or task, cancel and ovio_close() of the listener as for
 * ovio_read(); a callback gets OVIO_EDEADLK: use ovio_start_accept().
 * Errors: EBADF (closed), EINVAL (no listener), EMFILE (the client waits for
 * the next accept), ENOMEM, ECANCELED, ETIMEDOUT.
 * System: accept4(2); ConnectNamedPipe, CreateNamedPipeW. */
OVIO_API int ovio_pipe_accept(struct ovio_file *listener,
                              struct ovio_file *out);

/* ovio_pipe_connect: connects to the listener of that name, as it was given to
 * ovio_pipe_listen(), with the same OVIO_MESSAGE in `flags` (else OVIO_EINVAL).
 * Waits while the listener has no room. `out` as for ovio_pipe_accept(). On
 * Windows the listener may learn who the caller is, and no more.
 * Thread: plain or task (a worker does it); a callback gets OVIO_EDEADLK.
 * Errors: ENOENT (nobody listens there), EACCES, EINVAL, EMFILE, ENAMETOOLONG,
 * ENOMEM, ENOTSUP. System: connect(2); CreateFileW. */
OVIO_API int ovio_pipe_connect(struct ovio_file *out, const char *name,
                               unsigned flags);

/* ovio_pipe_shutdown: ends the writing to a connected named pipe or socket,
 * after the writes that came before: the other side reads 0, this side can
 * still read, and gets OVIO_EPIPE for a write. OVIO_ENOTSUP on Windows (pipes
 * have no such thing) and for other files.
 * Thread: plain or task. Errors: EBADF, EINVAL, ENOTCONN. System: shutdown(2).
 */
OVIO_API int ovio_pipe_shutdown(struct ovio_file *file);

/* --------------------------------------------------------------- readiness */

/* ovio_wait_readable, _writable: return 0 when `handle`, which stays the
 * caller's, is ready: a read, accept or write of it would not wait, be it that
 * it would fail: the end, a hang-up and an error count as ready. Nothing is
 * read, and the handle's mode is not changed. It must stay open until the call
 * returns. A reader, a writer, and an ovio_file of the same handle may wait at
 * the same time.
 *   handle  POSIX: any descriptor that poll(2) knows; a file of a disk is
 * always ready. Windows: a socket (a worker waits); OVIO_ENOTSUP for others.
 * Thread: plain or task; a callback gets OVIO_EDEADLK: use ovio_start_wait_*().
 * Errors: EBADF, ENOTSUP, ECANCELED, ETIMEDOUT, ENOMEM.
 * System: poll(2), epoll(7); WSAPoll, whose results for a connect that fails
 * are right since Windows 10 2004. */
OVIO_API int ovio_wait_readable(ovio_handle handle);
OVIO_API int ovio_wait_writable(ovio_handle handle);

/* -------------------------------------------------------------------- loop */

enum ovio_engine {
  OVIO_ENGINE_DEFAULT = 0, /* the best that the system has */
  OVIO_ENGINE_IOCP,        /* Windows */
  OVIO_ENGINE_EPOLL,       /* Linux */
  OVIO_ENGINE_POLL         /* POSIX */
};

/* Every field's 0 is its default. Set `size` to sizeof(the struct). */
struct ovio_loop_options {
  size_t size;
  unsigned threads;     /* 1; more: OVIO_ENOTSUP for now */
  unsigned engine;      /* enum ovio_engine */
  size_t stack_length;  /* bytes of a task's stack; 256 KiB, at least 64 KiB */
  size_t max_transfer;  /* bytes a system call; see ovio_set_max_transfer() */
  unsigned max_workers; /* threads for what blocks; 64 */
  unsigned budget;      /* immediate completions a task may have in a turn
                           of the loop before others get theirs; 64 */
};

/* ovio_loop_create: makes a loop in `*loop`; NULL options: defaults. Owned by
 * the caller, ended by ovio_loop_destroy(). Thread: any.
 * Errors: EINVAL (size 0, stack below 64 KiB), ENOTSUP (engine or threads not
 * to be had here), ENOMEM, EMFILE. `*loop` is NULL after a failure.
 * System: CreateIoCompletionPort; epoll_create1(2), eventfd(2). */
OVIO_API int ovio_loop_create(struct ovio_loop **loop,
                              const struct ovio_loop_options *options);

/* ovio_loop_run: runs tasks and callbacks until no operation, task, timer,
 * post or hold is left (0), or until ovio_loop_stop(). One caller at a time
 * (OVIO_EBUSY), not from a task or callback (OVIO_EDEADLK); another thread may
 * run it the next time. Errors also: what the port answered. */
OVIO_API int ovio_loop_run(struct ovio_loop *loop);

/* ovio_loop_stop: makes ovio_loop_run() return soon; what is pending stays so
 * and goes on with the next run. Called while nobody runs the loop, it is the
 * next run that returns at once. Any thread; never waits. */
OVIO_API void ovio_loop_stop(struct ovio_loop *loop);

/* ovio_loop_cancel: asks every task and operation of the loop to end, also
 * those that come before the loop has drained. Holds stay. Run then drains and
 * ovio_loop_destroy() works. Any thread; never waits. */
OVIO_API void ovio_loop_cancel(struct ovio_loop *loop);

/* ovio_loop_hold, _unhold: keep ovio_loop_run() from returning though nothing
 * is pending, until as many unholds have come. Any thread; never wait. */
OVIO_API void ovio_loop_hold(struct ovio_loop *loop);
OVIO_API void ovio_loop_unhold(struct ovio_loop *loop);

/* ovio_loop_destroy: frees the loop and joins its worker threads. OVIO_EBUSY
 * while something is pending, held, or running: nothing is changed then. The
 * files used on it stay open. Thread: any but the loop's own. */
OVIO_API int ovio_loop_destroy(struct ovio_loop *loop);

/* ovio_loop_current: the loop whose task or callback calls; else NULL. */
OVIO_API struct ovio_loop *ovio_loop_current(void);

/* ovio_loop_engine: "iocp", "epoll" or "poll". Static. Any thread. */
OVIO_API const char *ovio_loop_engine(const struct ovio_loop *loop);

/* ------------------------------------------------------------------- tasks */

/* ovio_spawn: starts a task that runs body(argument) on a stack of its own, at
 * the loop's next turn. Any thread; never waits. The stack is pooled with the
 * loop. Errors: EINVAL, ENOMEM. */
OVIO_API int ovio_spawn(struct ovio_loop *loop, void (*body)(void *argument),
                        void *argument);

/* ovio_spawn_on: ovio_spawn() on the caller's memory, `stack_length` bytes, at
 * least 64 KiB, which stays the task's until its body has returned and the
 * loop has gone on (e.g. until ovio_loop_run() returned). No guard page.
 * Errors: EINVAL, ENOTSUP on Windows (fibers bring their own stacks). */
OVIO_API int ovio_spawn_on(struct ovio_loop *loop, void *stack,
                           size_t stack_length, void (*body)(void *argument),
                           void *argument);

/* ovio_yield: lets every other task and callback that is ready run first. In a
 * task. On a plain thread gives up the processor; in a callback nothing. */
OVIO_API void ovio_yield(void);

/* ovio_sleep: waits for `duration_ns`. In a task only the task waits. Result:
 * 0, OVIO_ECANCELED, OVIO_ETIMEDOUT, OVIO_EDEADLK in a callback: use
 * ovio_start_sleep(). Never early; late by up to a timer tick of the system. */
OVIO_API int ovio_sleep(uint64_t duration_ns);

/* ovio_deadline: gives the calling task `duration_ns` from now for all that it
 * does; 0 lifts the deadline, and what it latched. When it passes, the
 * operation in flight is cancelled: it returns the bytes it had moved, else
 * OVIO_ETIMEDOUT; so do the task's next ones. What the system cannot cancel
 * returns late, never with the buffer still owned.
 * Errors: OVIO_ENOTSUP on a plain thread and in a callback. */
OVIO_API int ovio_deadline(uint64_t duration_ns);

/* ovio_group_init: makes an empty group of tasks. No clean-up is needed. */
OVIO_API void ovio_group_init(struct ovio_group *group);

/* ovio_group_spawn: ovio_spawn() of a member. If the group has been cancelled,
 * the task starts with its cancel latch set. Errors as ovio_spawn(). */
OVIO_API int ovio_group_spawn(struct ovio_group *group, struct ovio_loop *loop,
                              void (*body)(void *argument), void *argument);

/* ovio_group_wait: waits in a task until the group has no member left. 0, also
 * for a cancelled task; OVIO_EINVAL from a plain thread and from a member;
 * OVIO_EDEADLK in a callback. The group may be used again or go away. */
OVIO_API int ovio_group_wait(struct ovio_group *group);

/* ovio_group_cancel: cancels every member, and those to come until the group
 * is empty. Any thread; never waits; members end in their own time. */
OVIO_API void ovio_group_cancel(struct ovio_group *group);

/* --------------------------------------------------------------- callbacks */

/* Called on the loop's thread and stack, once for each successful start. `op`
 * is idle again on entry: it may be started anew or freed. `result` as the
 * blocking call's. Must not block. */
typedef void ovio_done(struct ovio_op *op, int64_t result);

/* ovio_start_*: begin an operation on `loop` and return. `op` is the caller's
 * resume node, idle (OVIO_EBUSY when it is in flight). Non-zero: `done` is
 * never called. 0: it is called exactly once, by ovio_loop_run(), after this
 * call has returned, with what the blocking call of that name would return.
 * Errors of the arguments are returned, those of the system go to `done`. Any
 * thread, also before and between runs; never waits. Cancel: ovio_cancel(op).
 * Until `done`, op, file, buffer, vector, path and `out` must stay in place. */
OVIO_API int ovio_start_read(struct ovio_loop *loop, struct ovio_op *op,
                             struct ovio_file *file, void *buffer,
                             size_t length, int64_t offset, ovio_done *done);
OVIO_API int ovio_start_write(struct ovio_loop *loop, struct ovio_op *op,
                              struct ovio_file *file, const void *buffer,
                              size_t length, int64_t offset, ovio_done *done);
OVIO_API int ovio_start_readv(struct ovio_loop *loop, struct ovio_op *op,
                              struct ovio_file *file,
                              const struct ovio_iovec *iov, size_t count,
                              int64_t offset, ovio_done *done);
OVIO_API int ovio_start_writev(struct ovio_loop *loop, struct ovio_op *op,
                               struct ovio_file *file,
                               const struct ovio_iovec *iov, size_t count,
                               int64_t offset, ovio_done *done);
OVIO_API int ovio_start_sync(struct ovio_loop *loop, struct ovio_op *op,
                             struct ovio_file *file, unsigned flags,
                             ovio_done *done);
OVIO_API int ovio_start_truncate(struct ovio_loop *loop, struct ovio_op *op,
                                 struct ovio_file *file, int64_t size,
                                 ovio_done *done);
OVIO_API int ovio_start_stat(struct ovio_loop *loop, struct ovio_op *op,
                             struct ovio_file *file, struct ovio_stat *out,
                             ovio_done *done);
OVIO_API int ovio_start_open(struct ovio_loop *loop, struct ovio_op *op,
                             struct ovio_file *file, struct ovio_file *dir,
                             const char *path, unsigned flags, unsigned mode,
                             ovio_done *done);
OVIO_API int ovio_start_accept(struct ovio_loop *loop, struct ovio_op *op,
                               struct ovio_file *listener,
                               struct ovio_file *out, ovio_done *done);
OVIO_API int ovio_start_wait_readable(struct ovio_loop *loop,
                                      struct ovio_op *op, ovio_handle handle,
                                      ovio_done *done);
OVIO_API int ovio_start_wait_writable(struct ovio_loop *loop,
                                      struct ovio_op *op, ovio_handle handle,
                                      ovio_done *done);
/* Works from a callback, with operations of the same loop in flight. */
OVIO_API int ovio_start_close(struct ovio_loop *loop, struct ovio_op *op,
                              struct ovio_file *file, ovio_done *done);
OVIO_API int ovio_start_sleep(struct ovio_loop *loop, struct ovio_op *op,
                              uint64_t duration_ns, ovio_done *done);

/* ovio_post: has `loop` run done(op, 0); (op, OVIO_ECANCELED) after a cancel.
 * Any thread; never waits; one wake-up for a burst. Errors: EINVAL, EBUSY. */
OVIO_API int ovio_post(struct ovio_loop *loop, struct ovio_op *op,
                       ovio_done *done);

/* ovio_cancel: asks for the end of an operation. It still completes exactly
 * once: with the bytes it had moved, with its full result if that came first,
 * or with OVIO_ECANCELED. Any thread, as long as `op`'s memory is there.
 * OVIO_ENOENT when it is idle. A close cannot be cancelled: OVIO_ENOTSUP.
 * System: CancelIoEx, CancelSynchronousIo; none on POSIX. */
OVIO_API int ovio_cancel(struct ovio_op *op);

#ifdef __cplusplus
}
#endif

#endif
