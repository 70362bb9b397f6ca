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
 * OBJECTS. struct ovio_file, ovio_op, ovio_group and ovio_process are allocated
 * by the caller, anywhere; they are opaque. A zeroed ovio_file is a closed
 * file, a zeroed ovio_op an idle operation, a zeroed ovio_process none. An
 * object in use is not moved or copied: an open file, an operation between its
 * start and its callback, a group with members, a child until it is closed.
 *
 * OWNERSHIP. From the call of ovio_start_*() until the callback, the op, the
 * buffer and the vector belong to the library and the kernel, also after
 * ovio_cancel(). The blocking calls own their buffers until they return. Builds
 * with the address sanitizer, and debug builds, tell of breaches.
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

#include <stdarg.h>
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
  X(EXDEV, -1015,                                                              \
    "crosses file systems: copy instead; or leaves OVIO_BENEATH's directory")  \
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
  X(EUNKNOWN, -1033, "unexpected system error: see ovio_native_error()")       \
  X(EEOF, -1034, "end of the file or stream: less was there than asked for")   \
  X(E2BIG, -1035, "argument list too long: fewer or shorter arguments")

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
 * the system was not asked (an argument error), and after failures of loops and
 * tasks themselves. Success does not reset it. */
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

/* How large a lock is, and what the system has of an operation: as small as
 * each lets them be. */
#ifdef _WIN32
#define OVIO_LOCK_WORDS 1
#define OVIO_IO_WORDS   8
#elif defined(__linux__)
#define OVIO_LOCK_WORDS 1
#define OVIO_IO_WORDS   5
#else
#define OVIO_LOCK_WORDS 8
#define OVIO_IO_WORDS   5
#endif

/* Opaque: the library's own fields live inside. Zeroed is closed. */
struct ovio_file {
  uint64_t opaque[13 + OVIO_LOCK_WORDS];
};

/* Opaque: one operation in flight, the resume node. Zeroed is idle. */
struct ovio_op {
  uint64_t opaque[30 + OVIO_IO_WORDS];
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
  OVIO_BENEATH = 1u << 16,    /* OVIO_EXDEV for what is not below `dir` */
  OVIO_MESSAGE = 1u << 17,    /* named pipes: each write is a message */
  OVIO_UNORDERED = 1u << 18   /* the parts of ovio_writev() in any order */
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
 * With OVIO_BENEATH nothing outside of `dir` is opened, made or cut, whatever
 * `path` says: OVIO_EXDEV for an absolute path, a drive's letter, and ".." that
 * leads out. On Linux since 5.6 symbolic links are followed that stay inside;
 * elsewhere each one is OVIO_ELOOP, and ".." takes back the name before it. On
 * Windows it does not hold against who changes the directories meanwhile. The
 * calls further down are kept inside by opening a directory so, and giving them
 * that and one name.
 * Errors: also OVIO_EBADF for a closed `dir`, OVIO_ENOTDIR for another kind.
 * System: openat(2), openat2(2); GetFinalPathNameByHandleW, CreateFileW. */
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
 * SIGPIPE. Errors: also ENOSPC, EFBIG, EPIPE, EROFS. Past RLIMIT_FSIZE a plain
 * thread gets the program's SIGXFSZ first, which a program that wants EFBIG
 * ignores (setrlimit(2)); a worker never does.
 * System: pwrite(2), write(2), send(2); WriteFile, NtWriteFile. */
OVIO_API int64_t ovio_write(struct ovio_file *file, const void *buffer,
                            size_t length, int64_t offset);

/* ovio_readv: ovio_read() into `count` parts, filled in order. Their number
 * has no limit; empty ones are skipped. The result counts a prefix of the
 * vector: what lies behind that in the buffers is unspecified. On POSIX the
 * kernel's own preadv(2), in groups of IOV_MAX; on Windows one call a part, not
 * atomic towards other writers: in order, or in a task side by side, up to 16
 * at once; parts that are whole pages of an OVIO_DIRECT file go together. `iov`
 * must stay unchanged until the call returns.
 * System: preadv(2); ReadFile, ReadFileScatter, NtReadFile. */
OVIO_API int64_t ovio_readv(struct ovio_file *file,
                            const struct ovio_iovec *iov, size_t count,
                            int64_t offset);

/* ovio_writev: ovio_write() from `count` parts, as ovio_readv(). In order; side
 * by side only on a file that was opened or adopted OVIO_UNORDERED, where after
 * a failure bytes behind those that are counted may have been written, too.
 * System: pwritev(2); WriteFile, WriteFileGather, NtWriteFile. */
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

/* ovio_copy: copies up to `length` bytes of disk files, from `from` at
 * `from_offset` to `to` at `to_offset`; INT64_MAX: to the end. Positions do not
 * move; within one file the ranges must not overlap. Both must stay open.
 * Result: bytes copied, less than `length` at the end of `from`. A failure
 * after some bytes returns their count, and the next call reports it.
 * Thread: plain or task. Cancel: between pieces of 16 MiB, or less.
 * Errors: EBADF, EINVAL (a negative number; OVIO_DIRECT, OVIO_APPEND), ESPIPE,
 * and those of ovio_read() and ovio_write().
 * System: copy_file_range(2), which shares the blocks where the file system
 * can; else, and on Windows, reads and writes of 256 KiB. */
OVIO_API int64_t ovio_copy(struct ovio_file *from, int64_t from_offset,
                           struct ovio_file *to, int64_t to_offset,
                           int64_t length);

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

/* ------------------------------------------------------------------- locks */

enum ovio_lock_flags {
  OVIO_LOCK_SHARED = 1u << 0, /* others may share; else nobody else has any */
  OVIO_LOCK_TRY = 1u << 1     /* OVIO_EWOULDBLOCK instead of waiting */
};

/* ovio_lock: locks `length` bytes of a disk file from `offset` on, which need
 * not be there yet; length 0: all from there on. Waits while another open file
 * has a lock in the way: also one of this process, also on the same path.
 *   flags  0, or of OVIO_LOCK_SHARED (needs OVIO_READ; else OVIO_WRITE) and
 *          OVIO_LOCK_TRY.
 * The lock is the open file's, whatever thread or task has asked for it, and
 * goes with ovio_unlock() or ovio_close(). On Windows it keeps others from
 * reading (unless shared) and writing those bytes; on POSIX it keeps out who
 * asks for a lock, too, and nobody else. A range that this file has locked
 * before is changed on POSIX; on Windows it is in the way like another's, for
 * ever if the call waits: unlock it first.
 * It is tried again after pauses of 1 to 64 ms: who waits may be that late, and
 * those who wait are not served in order.
 * Thread: plain or task (a worker calls); a callback gets OVIO_EDEADLK, but for
 * OVIO_LOCK_TRY on an OVIO_INLINE file. Cancel: the task's; a deadline;
 * ovio_close(), which takes a waiting task out with OVIO_ECANCELED.
 * Errors: EINVAL, EBADF, ESPIPE (no disk file), EISDIR, ENOBUFS (too many
 * locks), ENOTSUP (ranges, on POSIX systems without F_OFD_SETLK).
 * System: fcntl(2) with F_OFD_SETLK, flock(2); LockFileEx. */
OVIO_API int ovio_lock(struct ovio_file *file, int64_t offset, int64_t length,
                       unsigned flags);

/* ovio_unlock: lets a range go, given as it was locked. What is not locked is
 * no error. Thread and errors: as ovio_lock(); never waits for others.
 * System: fcntl(2), flock(2); UnlockFileEx. */
OVIO_API int ovio_unlock(struct ovio_file *file, int64_t offset,
                         int64_t length);

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

/* ------------------------------------------------------ directories, paths */

/* An entry of a directory. */
struct ovio_entry {
  const char *name; /* as paths are; valid until the next call */
  uint64_t inode;   /* as ovio_stat's; 0: not known */
  uint32_t type;    /* OVIO_TYPE_*; of a link: OVIO_TYPE_SYMLINK */
};

/* Opaque: a walk through a directory. Zeroed is none. Not moved or copied. */
struct ovio_dir {
  uint64_t opaque[160];
};

/* The least of a buffer for ovio_dir_begin(); 32 KiB and more save calls. */
#define OVIO_DIR_BUFFER_MIN 2048

/* ovio_dir_begin: begins to walk through the directory `file`, opened with
 * OVIO_DIRECTORY, at its first entry.
 *   walk    overwritten without being read; ended by ovio_dir_end().
 *   buffer  the walk's until then; each system call fills as much of it as it
 *           can.
 *   length  bytes; OVIO_DIR_BUFFER_MIN at least.
 * The system keeps the place with the open file: one walk at a time on it, and
 * one thread or task at a time in the walk. `file` must stay open.
 * Thread: any; never waits. Errors: EINVAL, EBADF, ENOTDIR. System: none. */
OVIO_API int ovio_dir_begin(struct ovio_dir *walk, struct ovio_file *file,
                            void *buffer, size_t length);

/* ovio_dir_next: the next entry into `*out`: 1, or 0 at the end, or an error.
 * "." and ".." are left out; the order is the system's. Any name can be handed
 * to ovio_openat(): POSIX bytes, on Windows WTF-8. What is made or removed
 * meanwhile may be seen or not. A directory that is removed has no entries.
 * Thread: plain or task (a worker asks the system, for each buffer once);
 * callback: OVIO_EDEADLK when the buffer is used up. Cancel: as any; the walk
 * stays where it is. Errors: EBADF, EINVAL, EIO, EACCES.
 * System: getdents64(2), readdir(3), fstatat(2) where the type is not told;
 * GetFileInformationByHandleEx(FileIdBothDirectoryInfo). */
OVIO_API int ovio_dir_next(struct ovio_dir *walk, struct ovio_entry *out);

/* ovio_dir_rewind: back to the first entry, and to the directory as it is by
 * then. Any thread; never waits. OVIO_EINVAL for no walk. */
OVIO_API int ovio_dir_rewind(struct ovio_dir *walk);

/* ovio_dir_end: ends the walk; zeroed and ended ones are fine. `file` and
 * `buffer` are the caller's. Any thread; never waits. */
OVIO_API void ovio_dir_end(struct ovio_dir *walk);

/* PATHS. The calls below take a path, from the directory `dir` as ovio_openat()
 * does: NULL is the current directory, an absolute path ignores it.
 * Thread: plain or task (a worker calls); callback: OVIO_EDEADLK, unless `dir`
 * was opened OVIO_INLINE, which makes them block the loop's thread. Cancel:
 * until the system call has begun; a name that was made or removed is reported
 * as such. Directories given must stay open until the call returns.
 * A separator at the end says that a directory is meant: OVIO_ENOTDIR for what
 * is none, OVIO_EISDIR from an open that is to create it.
 * Errors, on both systems: ENOENT (also an empty path, and a link that leads
 * nowhere), ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, EROFS, ENOSPC, EIO,
 * ENOMEM, EBADF (a closed `dir`), EINVAL. Where they differ: a file in the
 * middle of a path is ENOTDIR on POSIX and ENOENT on Windows; a name of more
 * than 255 units is ENAMETOOLONG or, on Windows, EINVAL; what another program
 * has open without sharing is ETXTBSY on Windows. */

/* ovio_mkdir: makes a directory. `mode` as mkdir(2), less the umask; on Windows
 * rights come from the directory above. Errors also: EEXIST, whatever has the
 * name. System: mkdirat(2); CreateDirectoryW. */
OVIO_API int ovio_mkdir(struct ovio_file *dir, const char *path, unsigned mode);

/* ovio_unlink: removes a name that is no directory's; a symbolic link itself.
 * Who has the file open goes on with it, and the name is free at once (on
 * Windows from 10 1709 on NTFS; else when the last handle is closed). Read-only
 * files are removed, as on POSIX. Errors also: EISDIR; EBUSY, ETXTBSY, EACCES
 * (Windows: mapped, or open without sharing).
 * System: unlinkat(2); FileDispositionInfoEx, FileDispositionInfo. */
OVIO_API int ovio_unlink(struct ovio_file *dir, const char *path);

/* ovio_rmdir: removes an empty directory. OVIO_EINVAL for a path that ends in
 * "." or "..". Errors also: ENOTEMPTY, ENOTDIR (also for a link to one), EBUSY
 * (the system's own, or a mount point).
 * System: unlinkat(2); as ovio_unlink(). */
OVIO_API int ovio_rmdir(struct ovio_file *dir, const char *path);

/* ovio_rename: gives what is called `from` in `dir` the name `to` in `to_dir`,
 * in one step: there is always the old or the new one. OVIO_EINVAL for a
 * path that ends in "." or "..".
 *   flags  0: replaces a file, also a read-only one and one that is open, or
 *          an empty directory; OVIO_EXCLUSIVE: OVIO_EEXIST if `to` exists
 *          (on Windows not if both are the same).
 * Links themselves are renamed and replaced. On Windows before 10 1809, and off
 * NTFS, replacing an open file is EACCES, and an empty directory is replaced in
 * two steps. Where a POSIX system lacks OVIO_EXCLUSIVE, that takes two steps,
 * which never replace anything.
 * Errors also: EXDEV (another file system), EISDIR (a file onto a directory),
 * ENOTDIR (the reverse), ENOTEMPTY, EINVAL (a directory into itself; on Windows
 * EACCES).
 * System: renameat(2), renameat2(2), renameatx_np(2), linkat(2);
 * FileRenameInfoEx with POSIX semantics, FileRenameInfo. */
OVIO_API int ovio_rename(struct ovio_file *dir, const char *from,
                         struct ovio_file *to_dir, const char *to,
                         unsigned flags);

/* ovio_link: gives the file `from` the second name `to`. Errors also: EEXIST,
 * EXDEV, EPERM (a directory), ENOSPC (too many names), ENOTSUP.
 * System: linkat(2), which follows no link at `from`; CreateHardLinkW. */
OVIO_API int ovio_link(struct ovio_file *dir, const char *from,
                       struct ovio_file *to_dir, const char *to);

/* ovio_symlink: makes the symbolic link `path`, which leads to `target`, any
 * text, looked up from the link's own directory. `flags`: OVIO_DIRECTORY when
 * it leads to a directory (Windows has two kinds), else 0. Errors also: EEXIST,
 * EPERM (Windows: needs the privilege, or developer mode), ENOTSUP.
 * System: symlinkat(2); CreateSymbolicLinkW. */
OVIO_API int ovio_symlink(const char *target, struct ovio_file *dir,
                          const char *path, unsigned flags);

/* ovio_readlink: where the link `path` leads, as text with an end, into
 * `length` bytes. Result: bytes without the end. Junctions count as links.
 * Errors also: EINVAL (no link), EOVERFLOW (no room).
 * System: readlinkat(2); FSCTL_GET_REPARSE_POINT. */
OVIO_API int64_t ovio_readlink(struct ovio_file *dir, const char *path,
                               char *buffer, size_t length);

/* ovio_realpath: the absolute path of what is there, without links, "." and
 * "..", as ovio_readlink() gives it. On Windows \\?\ stands in front only where
 * the path would mean something else without.
 * Errors also: EOVERFLOW, ENOTSUP (`dir` given, on some POSIX systems).
 * System: realpath(3), /proc; GetFinalPathNameByHandleW. */
OVIO_API int64_t ovio_realpath(struct ovio_file *dir, const char *path,
                               char *buffer, size_t length);

/* ovio_stat_at: ovio_stat() by a path. `flags`: 0, or OVIO_NOFOLLOW for a
 * symbolic link itself.
 * System: fstatat(2), statx(2); GetFileInformationByHandleEx. */
OVIO_API int ovio_stat_at(struct ovio_file *dir, const char *path,
                          unsigned flags, struct ovio_stat *out);

/* ovio_access: 0 if the process may OVIO_READ, OVIO_WRITE or both; 0 for
 * `flags`: if there is something. An answer about the past: to open is safer.
 * On Windows a read-only file is EACCES for OVIO_WRITE.
 * System: faccessat(2) with AT_EACCESS; CreateFileW. */
OVIO_API int ovio_access(struct ovio_file *dir, const char *path,
                         unsigned flags);

/* ovio_set_mode: the permission bits, as chmod(2); on Windows a file without
 * the bit 0200 is read-only, and directories stay as they are.
 * System: fchmodat(2); FileBasicInfo. */
OVIO_API int ovio_set_mode(struct ovio_file *dir, const char *path,
                           unsigned mode);

/* ovio_set_times_at: ovio_set_times() by a path, also a directory's; needs to
 * own it (POSIX). System: utimensat(2); FileBasicInfo. */
OVIO_API int ovio_set_times_at(struct ovio_file *dir, const char *path,
                               int64_t access_ns, int64_t modify_ns);

/* ovio_temp_path: the folder for temporary files, without a separator at its
 * end, into `length` bytes. Result: bytes without the end. Any thread; never
 * waits. Errors: EINVAL, EOVERFLOW.
 * System: $TMPDIR or /tmp; GetTempPath2W, GetTempPathW. */
OVIO_API int64_t ovio_temp_path(char *buffer, size_t length);

/* ovio_temp_file: makes a file with a name that nobody can guess, and opens it
 * for reading and writing.
 *   prefix  a path which the name begins with, e.g. "/var/tmp/app-".
 *   flags   0, or of OVIO_DIRECT, SYNC, INHERIT, BLOCKING, INLINE.
 *   name    gets the path, `length` bytes: the prefix's and 27 at least
 *           (OVIO_EOVERFLOW). The caller removes it.
 * Only the owner may read it (mode 0600; Windows: as the folder says).
 * Otherwise as ovio_openat(). */
OVIO_API int ovio_temp_file(struct ovio_file *file, struct ovio_file *dir,
                            const char *prefix, unsigned flags, char *name,
                            size_t length);

/* ovio_temp_dir: likewise a directory, mode 0700. As ovio_mkdir(). */
OVIO_API int ovio_temp_dir(struct ovio_file *dir, const char *prefix,
                           char *name, size_t length);

/* ------------------------------------------------------------- whole files */

/* ovio_read_file: reads all that is in a file, device, FIFO or one of /proc's.
 *   limit   bytes: OVIO_EFBIG, and nothing, when there are more.
 *   data    gets memory of the library's, for ovio_free(), with a 0 behind the
 *           last byte; NULL after a failure.
 *   length  gets the number of bytes.
 * A file that grows meanwhile is read as far as it reaches when its end is met.
 * Thread, cancel: as ovio_openat() and ovio_read(), which it calls. */
OVIO_API int ovio_read_file(struct ovio_file *dir, const char *path,
                            size_t limit, void **data, size_t *length);

/* ovio_write_file: makes a file hold these bytes; one that exists is cut to
 * nothing first, and after a failure holds less. `mode` of a new one as
 * ovio_open()'s. Thread, cancel: as ovio_openat() and ovio_write(). */
OVIO_API int ovio_write_file(struct ovio_file *dir, const char *path,
                             const void *data, size_t length, unsigned mode);

/* ovio_replace_file: the same in one step: whoever opens `path`, also after a
 * crash, finds the old bytes or the new ones, never a part. Written to a
 * temporary beside it, .ovio-*, which is gone after any failure, synced, and
 * renamed. Keeps the mode of the file that was there, else `mode`; not its
 * owner, links and streams. A symbolic link is replaced, not followed.
 * When syncing the directory fails (POSIX), its error is returned although the
 * new file is in its place.
 * Thread: plain or task. Cancel: as any; the file is then the old or the new
 * one, too. Errors also: EISDIR, and ovio_rename()'s.
 * System: those of the calls that it is made of. */
OVIO_API int ovio_replace_file(struct ovio_file *dir, const char *path,
                               const void *data, size_t length, unsigned mode);

/* ovio_copy_file: makes `to` a copy of the disk file `from` in one step:
 * whoever opens `to` finds what was there before, or all of the copy. Until it
 * is complete it has no name (Linux, a new `to`), or a temporary one beside it,
 * .ovio-*, which is gone after any failure; it is not synced. A symbolic link
 * at `from` is followed; one at `to` is replaced, as any file there, or with
 * OVIO_EXCLUSIVE in `flags` nothing is (OVIO_EEXIST).
 * The copy has the source's times and permission bits, these less the umask;
 * not its owner, access lists, links and streams, and holes are filled.
 * The directories must stay open. Result: the bytes copied.
 * Thread: plain or task, where a file up to 16 MiB is one hand-over to a worker
 * thread and back, however many calls it takes: many small files are copied
 * best with this, from several tasks. Cancel: between pieces of 16 MiB; nothing
 * has happened then.
 * Errors: EBUSY (`from` has changed meanwhile), EEXIST, EINVAL, EISDIR, ESPIPE
 * (`from` is no disk file), and ovio_openat()'s, ovio_copy()'s,
 * ovio_rename()'s. System: those of ovio_openat(), ovio_stat(), ovio_copy(),
 * ovio_set_times(), ovio_close() and ovio_rename(). */
OVIO_API int64_t ovio_copy_file(struct ovio_file *from_dir, const char *from,
                                struct ovio_file *to_dir, const char *to,
                                unsigned flags);

/* ------------------------------------------------------------------- watch */

struct ovio_watch;

enum ovio_watch_flags {
  OVIO_WATCH_TREE = 1u << 0 /* a directory and all that is below it */
};

enum ovio_event_kind {
  OVIO_EVENT_CREATED = 1, /* or moved here from elsewhere */
  OVIO_EVENT_MODIFIED,    /* written to or cut; on Windows also attributes */
  OVIO_EVENT_WRITTEN,     /* closed by one who could write; Linux only */
  OVIO_EVENT_DELETED,     /* or moved away; an empty path: what was added */
  OVIO_EVENT_RENAMED,     /* within what is watched: both names are told */
  OVIO_EVENT_RESCAN       /* the system has lost events: look for yourself */
};

/* What has changed. */
struct ovio_event {
  unsigned kind;        /* enum ovio_event_kind */
  int number;           /* ovio_watch_add()'s; 0: RESCAN of everything */
  void *user;           /* as given to it */
  const char *path;     /* from what was added, by the system's separators; ""
                           for that itself; valid until the next call */
  const char *old_path; /* of RENAMED, else NULL */
  uint32_t type;        /* OVIO_TYPE_DIRECTORY, or OVIO_TYPE_OTHER: not told */
};

/* ovio_watch_create: makes a watch in `*watch`, which watches nothing yet, and
 * is ended by ovio_watch_close(). Any thread; never waits. Errors: EINVAL,
 * EMFILE, ENOMEM, ENOTSUP (POSIX systems other than Linux).
 * System: inotify_init1(2); CreateEventW. */
OVIO_API int ovio_watch_create(struct ovio_watch **watch);

/* ovio_watch_add: watches a directory, a tree, or a file, whose name may go
 * and come again. Result: a number above 0, which events carry, or an error.
 *   flags  0 or OVIO_WATCH_TREE. Links in the tree are not followed.
 *   user   for the events.
 * In a tree, what is in a new directory when the watch gets there is told as
 * CREATED, perhaps twice; nothing is missed without a RESCAN.
 * Thread: plain or task (a worker does it), also while another one waits in
 * ovio_watch_next(); callback: OVIO_EDEADLK. Cancel: as any.
 * Errors: ENOENT, EACCES, EINVAL, ENAMETOOLONG, ENOBUFS (too many: see
 * /proc/sys/fs/inotify, or on Windows more than 60), EMFILE, ENOMEM.
 * System: inotify_add_watch(2); ReadDirectoryChangesW with 64 KiB. */
OVIO_API int ovio_watch_add(struct ovio_watch *watch, const char *path,
                            unsigned flags, void *user);

/* ovio_watch_remove: ends what ovio_watch_add() began; what was not told yet is
 * dropped. Thread: as there. Errors: EINVAL, ENOENT (no such number). */
OVIO_API int ovio_watch_remove(struct ovio_watch *watch, int number);

/* ovio_watch_next: waits for the next event. One thread or task at a time
 * (OVIO_EBUSY). Thread: plain or task (a worker waits); callback: OVIO_EDEADLK
 * if there is none yet. Cancel: the task's, a deadline; no event is lost by it.
 * Errors: EINVAL, EBUSY, ECANCELED (also: ovio_watch_close()), ETIMEDOUT, EIO,
 * ENOMEM. System: read(2), poll(2); WaitForMultipleObjects. */
OVIO_API int ovio_watch_next(struct ovio_watch *watch,
                             struct ovio_event *event);

/* ovio_watch_close: ends the watch; who waits in ovio_watch_next() gets
 * OVIO_ECANCELED first. Thread: plain or task; callback: OVIO_EDEADLK while
 * somebody waits. A task that waits must be on a loop that is run. Not
 * cancellable. Errors: EINVAL. System: close(2); CancelIoEx, CloseHandle. */
OVIO_API int ovio_watch_close(struct ovio_watch *watch);

/* --------------------------------------------------------- child processes */

/* Opaque: a child process. Zeroed is none. */
struct ovio_process {
  uint64_t opaque[32];
};

enum ovio_process_stream_kind {
  OVIO_PROCESS_DEFAULT = 0, /* ovio_spawn_process: INHERIT. ovio_run: output
                               and error are collected, input is fed */
  OVIO_PROCESS_INHERIT,     /* this process's own */
  OVIO_PROCESS_IGNORE,      /* the null device: empty, takes all */
  OVIO_PROCESS_PIPE,        /* a pipe; `file` becomes its other end */
  OVIO_PROCESS_FILE,        /* `file`, which stays open and the caller's */
  OVIO_PROCESS_JOIN         /* of `error` only: where the output goes */
};

/* A standard stream of a child. */
struct ovio_process_stream {
  unsigned kind;          /* enum ovio_process_stream_kind */
  struct ovio_file *file; /* PIPE: overwritten without being read. FILE: opened,
                             adopted or made by ovio_pipe() as OVIO_BLOCKING */
};

/* Every field's 0 is its default. Set `size` to sizeof(the struct). */
struct ovio_process_options {
  size_t size;
  const char *program;          /* a path; without a separator: see below */
  const char *const *arguments; /* up to a NULL; the first is the name that the
                                   program sees. NULL: `program` alone */
  const char *const *environment; /* "NAME=value" up to a NULL. NULL: as here */
  const char *directory;          /* where it begins. NULL: as here */
  struct ovio_process_stream input;
  struct ovio_process_stream output;
  struct ovio_process_stream error;
  struct ovio_file *const *inherited; /* more files, under the numbers that they
                                         have here: ovio_file_handle() */
  size_t inherited_count;
  /* For ovio_run() alone. */
  const void *input_bytes; /* what its input is fed with */
  size_t input_length;
  size_t output_limit; /* bytes of each collected stream; 0: 16 MiB */
};

/* How a child has ended. */
struct ovio_exit {
  uint32_t code; /* 0 after a signal */
  int signal;    /* 0: it ended by itself. On Windows 9 if it was killed by
                    ovio_process_kill(), else 0 */
};

/* ovio_spawn_process: starts a program.
 *   process  overwritten without being read; none after a failure. It is given
 *            back by ovio_process_close().
 *   program  with a separator ("/"; on Windows also "\\" and ":"): that file,
 *            from this process's current directory also when `directory` is
 *            given. Without: searched for in this process's PATH, never in the
 *            current directory unless PATH names it. On Windows a name is
 *            tried as it is if it has a dot in it, then with .com, .exe, .bat
 *            and .cmd. No shell is asked, except for .bat and .cmd: those run
 *            in cmd.exe, whose line nothing can be smuggled into: OVIO_EINVAL
 *            for an argument or path with `"`, `%` or a line break.
 * The child gets its three standard streams and `inherited`, and no other
 * handle of this process; OVIO_INHERIT is for children that other code starts.
 * (POSIX: where there is no close_range(2), i.e. other than on Linux 5.11,
 * descriptors without FD_CLOEXEC get through. Windows: other code that starts a
 * child in the same moment, with every inheritable handle, passes on this
 * child's, too.) Its end of a pipe is a blocking one, the file in `file` is
 * ready for a loop. A disk file's position is told to the handle first; where
 * the child leaves it, is not asked for. The signal dispositions and the mask
 * are the default ones. On Windows, SystemRoot is added to an environment
 * without it, since little works there without. Strings are UTF-8 (WTF-8) on
 * Windows, bytes on POSIX, read until the return. Thread: plain or task (a
 * worker starts it; a cancel comes too late once that has begun); a callback
 * gets OVIO_EDEADLK. Nothing is started after an error: EINVAL, ENOENT (no such
 * program or directory), ENOTDIR, EACCES (not executable, or a directory),
 * E2BIG, EBADF (a closed file), EBUSY (a file's position is in use), EMFILE,
 * ENOBUFS, ENOMEM... System: fork(2), execve(2), whose error comes back;
 * CreateProcessW. */
OVIO_API int ovio_spawn_process(struct ovio_process *process,
                                const struct ovio_process_options *options);

/* ovio_process_wait: waits until the child has ended, and says how in `*out`
 * (NULL: nowhere). May be asked again, also by several at once: all get the
 * same answer. The pipes may hold more of its output still. Cancel and deadline
 * end the wait and leave the child alone. Other children are never looked at.
 * Thread: plain or task (no worker waits, but where there is no pidfd); a
 * callback gets OVIO_EDEADLK. Errors: EBADF (none), ENOENT (POSIX: other code
 * has taken the status, or SIGCHLD is ignored), ECANCELED, ETIMEDOUT, ENOMEM.
 * System: pidfd_open(2), poll(2), waitid(2); RegisterWaitForSingleObject,
 * WaitForSingleObject. */
OVIO_API int ovio_process_wait(struct ovio_process *process,
                               struct ovio_exit *out);

enum ovio_kill {
  OVIO_KILL_FORCE = 0, /* SIGKILL; TerminateProcess */
  OVIO_KILL_ASK        /* SIGTERM; Windows: OVIO_ENOTSUP */
};

/* ovio_process_kill: ends the child, `how` being one of enum ovio_kill. It is
 * still to be waited for. Never hits another process that has got its number.
 * OVIO_ENOENT: it has ended. Thread: any; never waits. Errors: EBADF, EINVAL,
 * EPERM, ENOTSUP. System: pidfd_send_signal(2), kill(2). */
OVIO_API int ovio_process_kill(struct ovio_process *process, unsigned how);

/* ovio_process_id: the system's number of the child; 0: none. Any thread. */
OVIO_API uint64_t ovio_process_id(const struct ovio_process *process);

/* ovio_process_close: lets go of the child; afterwards `process` is none. One
 * that still runs goes on alone; it becomes no lasting zombie: the next spawn
 * or close collects it. Thread: any; never waits. Errors: EBADF (none), EBUSY
 * (somebody waits for it). System: waitid(2), close(2); CloseHandle. */
OVIO_API int ovio_process_close(struct ovio_process *process);

/* What ovio_run() has collected. Each of both ends in a 0 that is not counted,
 * and is freed by ovio_free(). NULL: not collected. */
struct ovio_output {
  char *output;
  size_t output_length; /* bytes */
  char *error;
  size_t error_length;
  struct ovio_exit exit;
};

/* ovio_run: starts a program, feeds its input with `input_bytes`, collects what
 * it writes, and waits for its end. Streams as for ovio_spawn_process(), except
 * that one left at OVIO_PROCESS_DEFAULT is fed or collected, and that there is
 * no OVIO_PROCESS_PIPE (OVIO_EINVAL).
 *   output  overwritten without being read. After a failure too it has what
 *           had come until then: ovio_free() both in any case.
 * A program that does not read its input is no failure, nor is any exit code;
 * input that could not be handed to it is one.
 * It ends when the collected streams and the child have: a grandchild that
 * holds a stream open is waited for. Cancel, deadline and every failure kill
 * the child and collect its status first.
 * Thread: plain (which runs a loop of its own meanwhile) or task; a callback
 * gets OVIO_EDEADLK. Errors: as ovio_spawn_process(), and EFBIG (output_limit),
 * EINVAL, ECANCELED, ETIMEDOUT. */
OVIO_API int ovio_run(const struct ovio_process_options *options,
                      struct ovio_output *output);

/* ovio_file_handle: the system's handle of an open file, e.g. to tell a child
 * which number an inherited one has; it stays the file's. OVIO_NO_HANDLE for a
 * closed one. Any thread. */
OVIO_API ovio_handle ovio_file_handle(const struct ovio_file *file);

/* ------------------------------------------------------------------ memory */

/* ovio_free: frees memory that a function of this library has returned, where
 * its comment says so. NULL is fine. Any thread. */
OVIO_API void ovio_free(void *memory);

/* ----------------------------------------------------------------- streams */

/* Buffered reading and writing, on any open file. A stream is the caller's, as
 * are its buffer and its file, which stay in place while it is used; nothing
 * has to be freed, and nothing is flushed behind the caller's back: call
 * ovio_flush() before the file is closed. Fields are for reading only. One
 * caller at a time uses a stream. Whatever has to wait waits as ovio_read() and
 * ovio_write() do: a plain thread blocks, a task is suspended, a callback gets
 * OVIO_EDEADLK; cancel and deadline reach it there. Errors, besides those
 * named: EINVAL (NULL, bad order), and what these two answer. */

/* How the bytes of an integer follow each other. */
enum ovio_order {
  OVIO_LITTLE = 0, /* lowest first */
  OVIO_BIG,        /* highest first, as in network protocols */
  OVIO_NATIVE      /* as the machine has it in memory */
};

/* Checks the arguments of a format, as those of printf(). */
#if defined(__clang__)
#define OVIO_FORMAT(format, first)                                             \
  __attribute__((__format__(__printf__, format, first)))
#elif defined(__GNUC__)
#define OVIO_FORMAT(format, first)                                             \
  __attribute__((__format__(__gnu_printf__, format, first)))
#else
#define OVIO_FORMAT(format, first)
#endif

struct ovio_writer {
  struct ovio_file *file;
  unsigned char *buffer;
  size_t length;  /* of the buffer */
  size_t used;    /* bytes in it that are not written yet */
  int64_t offset; /* where the first of them goes; OVIO_HERE */
};

/* ovio_writer_init: sets up a stream that writes to `file`.
 *   buffer, length  any length; NULL and 0: each call writes at once.
 *   offset          OVIO_HERE: at the file's position; else the stream begins
 *                   there, goes on by itself and leaves the position alone.
 * Any thread; never waits. Result: 0, or OVIO_EINVAL. */
OVIO_API int ovio_writer_init(struct ovio_writer *writer,
                              struct ovio_file *file, void *buffer,
                              size_t length, int64_t offset);

/* ovio_put: takes `length` bytes, writing when the buffer is full; what is as
 * long as the buffer is not copied.
 * Result, here and of every ovio_put_* and ovio_fill(): the bytes taken. Fewer
 * than asked when a write failed in between: the rest is the caller's still,
 * and the next call reports why, or goes on if it can. An error: nothing was
 * taken. What was taken is in the file or waits in the buffer: no failure loses
 * it or writes it twice, ovio_flush() tries again. */
OVIO_API int64_t ovio_put(struct ovio_writer *writer, const void *bytes,
                          size_t length);
OVIO_API int64_t ovio_put_byte(struct ovio_writer *writer, unsigned char byte);

/* ovio_put_u16 ...: 2, 4 or 8 bytes of an unsigned integer; a signed one is
 * cast. All or nothing if the buffer is that long. */
OVIO_API int64_t ovio_put_u16(struct ovio_writer *writer, uint16_t value,
                              enum ovio_order order);
OVIO_API int64_t ovio_put_u32(struct ovio_writer *writer, uint32_t value,
                              enum ovio_order order);
OVIO_API int64_t ovio_put_u64(struct ovio_writer *writer, uint64_t value,
                              enum ovio_order order);

/* ovio_fill: `count` times the same byte. OVIO_EINVAL for a negative one. */
OVIO_API int64_t ovio_fill(struct ovio_writer *writer, unsigned char byte,
                           int64_t count);

/* ovio_print: formatted text, as C11's fprintf() on every system (%zu, %lld),
 * of any length: made in the free part of the buffer, after a flush in the
 * empty one, and if it is too long for that (the end of the string needs a byte
 * as well) in memory allocated for the call. Result: the bytes taken, as
 * ovio_put(). Errors: also ENOMEM, EINVAL (the format cannot be done). */
OVIO_API int64_t ovio_print(struct ovio_writer *writer, const char *format, ...)
    OVIO_FORMAT(2, 3);
OVIO_API int64_t ovio_vprint(struct ovio_writer *writer, const char *format,
                             va_list arguments) OVIO_FORMAT(2, 0);

/* ovio_flush: writes what waits in the buffer. 0, or an error: then the bytes
 * that could not be written stay. Nothing to do with ovio_sync(). */
OVIO_API int ovio_flush(struct ovio_writer *writer);

struct ovio_reader {
  struct ovio_file *file;
  unsigned char *buffer;
  size_t length;  /* of the buffer */
  size_t begin;   /* what was read ahead: from here in the storage */
  size_t end;     /* to here */
  int64_t offset; /* where the next read begins; OVIO_HERE */
  int error;      /* comes after what was read ahead */
  uint32_t native;
  unsigned char own[8]; /* the storage if the buffer is shorter than this */
};

/* ovio_reader_init: sets up a stream that reads from `file`, arguments as
 * ovio_writer_init(). Without a buffer nothing is read ahead of what a call
 * needs. With OVIO_HERE the file's position is behind what was read ahead.
 * What was read before a failure is delivered first, then the error, once;
 * after that the stream goes on if the file does. */
OVIO_API int ovio_reader_init(struct ovio_reader *reader,
                              struct ovio_file *file, void *buffer,
                              size_t length, int64_t offset);

/* ovio_get: up to `limit` bytes: what was read ahead, and only if there is
 * nothing, one read; into `bytes` directly if that is as long as the buffer.
 * Result: the bytes; 0 at the end (and for a limit of 0). */
OVIO_API int64_t ovio_get(struct ovio_reader *reader, void *bytes,
                          size_t limit);

/* ovio_get_exactly: `length` bytes. 0, or why there were not so many: an error,
 * OVIO_EEOF at the end. `*got` (NULL: not asked for) is the number of bytes
 * that were put into `bytes`, also after a failure. */
OVIO_API int ovio_get_exactly(struct ovio_reader *reader, void *bytes,
                              size_t length, size_t *got);

/* ovio_get_byte ...: an integer into `*value`. 0, or an error, OVIO_EEOF when
 * the end came before its last byte: `*value` is unchanged then, and the bytes
 * that did come are still to be got. */
OVIO_API int ovio_get_byte(struct ovio_reader *reader, unsigned char *value);
OVIO_API int ovio_get_u16(struct ovio_reader *reader, uint16_t *value,
                          enum ovio_order order);
OVIO_API int ovio_get_u32(struct ovio_reader *reader, uint32_t *value,
                          enum ovio_order order);
OVIO_API int ovio_get_u64(struct ovio_reader *reader, uint64_t *value,
                          enum ovio_order order);

/* ovio_get_until: the bytes up to the next `delimiter` and it, but at most
 * `limit` (OVIO_EINVAL for 0); longer than the buffer if need be. Result: the
 * bytes stored. The last is no delimiter: there are `limit`, and the next call
 * goes on, or the end or a failure came, and the next call reports it. 0 at the
 * end. */
OVIO_API int64_t ovio_get_until(struct ovio_reader *reader, void *bytes,
                                size_t limit, unsigned char delimiter);

/* ovio_get_line: a line into `line`, without the LF or CR LF at its end, ended
 * by a 0; `size` bytes of room with that 0 (OVIO_EINVAL for 0). The last line
 * needs no LF; a CR elsewhere belongs to the line.
 * Result: its length, or OVIO_EEOF when there is no line left; OVIO_EOVERFLOW:
 * `line` has the first size - 1 bytes of a longer one, and the next call goes
 * on in it. After a failure in a line: its beginning first, then the error. */
OVIO_API int64_t ovio_get_line(struct ovio_reader *reader, char *line,
                               size_t size);

/* ovio_skip: leaves `count` bytes out, by reading them. Result: how many there
 * were; fewer at the end or before a failure, which the next call reports.
 * OVIO_EINVAL for a negative count. */
OVIO_API int64_t ovio_skip(struct ovio_reader *reader, int64_t count);

/* ovio_peek: looks at the next bytes without taking them: has `want` or more of
 * them ready at `*bytes`, until the next call on this stream.
 *   want  up to the length of the buffer, or 8 if that is more (OVIO_EINVAL).
 * Result: the bytes ready; fewer than `want` at the end or before a failure,
 * 0 if there is none. */
OVIO_API int64_t ovio_peek(struct ovio_reader *reader,
                           const unsigned char **bytes, size_t want);

/* -------------------------------------------------------- standard handles */

/* ovio_stdin, _stdout, _stderr: the process's own, adopted at the first call of
 * each, and the same file ever after; never NULL. The file answers OVIO_EBADF
 * to everything when the process was started without that handle, and after
 * ovio_close(), which closes the handle itself.
 * stdin and stdout never block a loop: a worker thread waits. stderr is
 * OVIO_INLINE: it may, so that what is said last gets out, also from a
 * callback. The modes of the handles, which other processes share, stay as they
 * are (no O_NONBLOCK); on Windows they are taken for synchronous ones. A disk
 * file's position stays the handle's own (prog >out 2>&1).
 * A Windows console speaks UTF-8 here, whatever its code page: also when a
 * character is cut in two by two writes, which counts as written. What is no
 * UTF-8 shows as U+FFFD; a line that begins with Ctrl-Z is the end.
 * Any thread; never waits; cannot fail.
 * System: none but fstat(2); GetStdHandle; ReadConsoleW, WriteConsoleW. */
OVIO_API struct ovio_file *ovio_stdin(void);
OVIO_API struct ovio_file *ovio_stdout(void);
OVIO_API struct ovio_file *ovio_stderr(void);

/* ovio_is_console: 1 if somebody may sit there: a terminal, a Windows console;
 * 0 for other files, also NUL and /dev/null, which for ovio_stat() are an
 * OVIO_TYPE_CHARACTER just as well. Thread: plain or task. Errors: EBADF.
 * System: isatty(3); GetConsoleMode. */
OVIO_API int ovio_is_console(struct ovio_file *file);

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
 * always ready. Windows: a socket (a worker waits), or a process, which is
 * ready when it has ended; OVIO_ENOTSUP for others.
 * Thread: plain or task; a callback gets OVIO_EDEADLK: use ovio_start_wait_*().
 * Errors: EBADF, ENOTSUP, ECANCELED, ETIMEDOUT, ENOMEM.
 * System: poll(2), epoll(7); RegisterWaitForSingleObject; WSAPoll, whose
 * results for a connect that fails are right since Windows 10 2004. */
OVIO_API int ovio_wait_readable(ovio_handle handle);
OVIO_API int ovio_wait_writable(ovio_handle handle);

/* -------------------------------------------------------------------- loop */

enum ovio_engine {
  OVIO_ENGINE_DEFAULT = 0, /* the best that the system has */
  OVIO_ENGINE_IOCP,        /* Windows */
  OVIO_ENGINE_EPOLL,       /* Linux */
  OVIO_ENGINE_POLL,        /* POSIX */
  OVIO_ENGINE_URING,       /* Linux: epoll, and a ring for disk files */
  OVIO_ENGINE_KQUEUE       /* macOS, the BSDs */
};

/* Every field's 0 is its default. Set `size` to sizeof(the struct). */
struct ovio_loop_options {
  size_t size;
  unsigned threads;     /* 1; at most 1024: see ovio_loop_run() */
  unsigned engine;      /* enum ovio_engine; the default may be chosen by the
                           environment's OVIO_ENGINE: a name as that of
                           ovio_loop_engine() */
  size_t stack_length;  /* bytes of a task's stack; 256 KiB, at least 64 KiB;
                           see ovio_spawn() */
  size_t max_transfer;  /* bytes a system call; see ovio_set_max_transfer() */
  unsigned max_workers; /* threads for what blocks; 64 */
  unsigned budget;      /* immediate completions a task may have in a turn
                           of the loop before others get theirs; 64 */
};

/* FORK (POSIX). The child of a fork(2) has no loop of its parent's: running or
 * destroying one answers OVIO_EINVAL, what is started on one never completes,
 * and nothing that the child does to its copy disturbs the parent. Files go on
 * with blocking calls on a plain thread, and can be closed, except those with
 * an operation in flight at the fork, which are left to the child's end; new
 * loops can be made. All this if no other thread was inside of the library, or
 * of the C library, at the fork; else, and in the child of a task or a
 * callback, only exec and _exit() are safe, as in any program with threads
 * (fork(2)). Every descriptor of the library's own is close-on-exec.
 * ovio_spawn_process() has none of these limits. */

/* ovio_loop_create: makes a loop in `*loop`; NULL options: defaults. Owned by
 * the caller, ended by ovio_loop_destroy(). Thread: any.
 * Errors: EINVAL (size 0, stack below 64 KiB), ENOTSUP (engine or threads not
 * to be had here), ENOMEM, EMFILE. `*loop` is NULL after a failure.
 * On Linux the default is io_uring if the library was built with liburing and
 * kernel and sandbox allow it (Linux 5.11), else epoll: without an error.
 * System: CreateIoCompletionPort; io_uring_setup(2), epoll_create1(2),
 * eventfd(2). */
OVIO_API int ovio_loop_create(struct ovio_loop **loop,
                              const struct ovio_loop_options *options);

/* ovio_loop_run: runs tasks and callbacks until no operation, task, timer,
 * post or hold is left (0), or until ovio_loop_stop(). One caller at a time
 * (OVIO_EBUSY), not from a task or callback (OVIO_EDEADLK); another thread may
 * run it the next time. Errors also: what the port answered.
 *   With options.threads above 1, this call starts the others, as many as the
 * system gives, and joins them before it returns. Tasks and callbacks then run
 * on any of them, several at once, but each task on one at a time; it may find
 * itself on another thread after any call of this library, so nothing of the
 * thread's own (thread-local variables, locks that a thread must release) is to
 * be kept across one. What they share needs locks or atomics, as between
 * threads. An op that has finished may be started anew by its callback. */
OVIO_API int ovio_loop_run(struct ovio_loop *loop);

/* ovio_loop_stop: makes ovio_loop_run() return soon; what is pending stays so
 * and goes on with the next run. Called while nobody runs the loop, it is the
 * next run that returns at once. Any thread; never waits. */
OVIO_API void ovio_loop_stop(struct ovio_loop *loop);

/* ovio_loop_cancel: asks every task and operation of the loop to end, also
 * those that come before the loop has drained. Holds stay. Run then drains and
 * ovio_loop_destroy() works. Any thread; never waits. */
OVIO_API void ovio_loop_cancel(struct ovio_loop *loop);

/* ovio_loop_register_buffers: tells the system of memory that the loop's reads
 * and writes will use again and again, so that it need not be looked up and
 * kept in place for each of them. Changes nothing but what they cost: io_uring
 * takes it for transfers of a single buffer that lies within one of these, most
 * of all for large ones on OVIO_DIRECT files; other engines and systems take no
 * notice.
 *   buffers  at most 16384 parts of 1 byte to 1 GiB each, of ordinary memory;
 *            the list itself may go after the call.
 *   count    0: none any more. What was registered before is replaced.
 * The memory must stay where it is, mapped and not freed, until it is replaced
 * or the loop is destroyed: the kernel goes on writing to the pages that were
 * there. It counts for RLIMIT_MEMLOCK.
 * Thread: any, while nobody runs the loop and the system has none of its
 * operations (OVIO_EBUSY). Never waits.
 * Errors: EINVAL, EBUSY, ENOMEM (also: more than the process may lock), ENOTSUP
 * (memory of a kind that cannot be), each with nothing registered but for
 * EINVAL and EBUSY, which leave all as it is; operations work all the same.
 * System: io_uring_register(2). */
OVIO_API int ovio_loop_register_buffers(struct ovio_loop *loop,
                                        const struct ovio_iovec *buffers,
                                        size_t count);

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

/* ovio_loop_engine: "iocp", "io_uring", "epoll", "kqueue" or "poll". Static.
 * Any thread. */
OVIO_API const char *ovio_loop_engine(const struct ovio_loop *loop);

/* ------------------------------------------------------------------- tasks */

/* ovio_spawn: starts a task that runs body(argument) on a stack of its own, at
 * the loop's next turn. Any thread; never waits.
 * The stack has options.stack_length bytes of address space, of which it takes
 * as much memory as it has touched: a task that waits in a shallow place one
 * page, itself included, and on POSIX a share of the page tables (512 bytes for
 * 256 KiB). Below it lies a guard: who overruns the stack gets SIGSEGV, or
 * EXCEPTION_STACK_OVERFLOW. After the body's return the stack serves the next
 * task; a loop that has nothing to do gives back what is beyond a thousand
 * of them, and ovio_loop_destroy() all.
 * How many: on Linux since 6.13 as many as fit into memory (a million by
 * default needs 5 GB). Before, and where memory is locked (mlockall(2)), a
 * guard splits a mapping, and vm.max_map_count ends it at about 32,000:
 * OVIO_ENOMEM. On Windows each commits 8 KiB; Wine has the limit of the
 * mappings, too. Errors: EINVAL, ENOMEM.
 * System: mmap(2), madvise(2), mprotect(2); CreateFiberEx. */
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
