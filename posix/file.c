/* SPDX-License-Identifier: MIT */
/* Files: descriptors, what they are, and the calls that move their bytes.
 *
 * NO SIGPIPE. Its disposition belongs to the program, so it is never touched.
 * A socket is told by MSG_NOSIGNAL and a pipe by RWF_NOSIGNAL; where the kernel
 * does not know that, the signal is blocked for the length of the call, and
 * taken off the thread again if the call has raised it. Nothing but a pipe and
 * a socket raises it.
 *
 * WAITING. A plain thread makes the plain call and waits in it. A worker must
 * be got back from any wait, so it waits in poll(2), for the stream or for its
 * waiter, and then makes a call that does not wait (native_attempt()). A stream
 * that knows no such call, e.g. a tty, is read after poll(2) called it ready,
 * which waits only if somebody else was quicker; to a pipe no more than
 * PIPE_BUF bytes are written, for which a ready pipe has room (poll(3p)). */
#include "posix/side.h"

#include <stdlib.h>
#include <string.h>

/* A vector of ours is a vector of the system's. */
static_assert(sizeof(struct ovio_iovec) == sizeof(struct iovec), "iovec");
static_assert(offsetof(struct ovio_iovec, iov_base) ==
                      offsetof(struct iovec, iov_base) &&
                  offsetof(struct ovio_iovec, iov_len) ==
                      offsetof(struct iovec, iov_len),
              "iovec");

static int file__fd(const struct os_file *file) {
  return (int)file->handle;
}

static const struct iovec *file__vector(const struct os_transfer *transfer) {
  return (const struct iovec *)(const void *)transfer->iov;
}

/* ---- open and adopt ---- */

static int file__open_flags(unsigned flags) {
  static const struct {
    unsigned ours;
    int system;
  } table[] = {
      {OVIO_APPEND, O_APPEND},        {OVIO_CREATE, O_CREAT},
      {OVIO_EXCLUSIVE, O_EXCL},       {OVIO_TRUNCATE, O_TRUNC},
      {OVIO_DIRECT, NATIVE_O_DIRECT}, {OVIO_SYNC, O_SYNC},
      {OVIO_DIRECTORY, O_DIRECTORY},  {OVIO_NOFOLLOW, O_NOFOLLOW},
  };
  /* O_NOCTTY: a library does not change its process's terminal. */
  int result = O_NOCTTY | (flags & OVIO_INHERIT ? 0 : O_CLOEXEC);
  if (flags & OVIO_WRITE)
    result |= flags & OVIO_READ ? O_RDWR : O_WRONLY;
  for (size_t at = 0; at < sizeof(table) / sizeof(table[0]); at++) {
    if (flags & table[at].ours)
      result |= table[at].system;
  }
  return result;
}

/* Linux calls a refused link to a directory ENOTDIR, see O_NOFOLLOW and
 * O_DIRECTORY in open(2); and EINVAL is what a file system without O_DIRECT
 * answers. */
static struct os_result file__open_failure(int dir, const char *path,
                                           unsigned flags, int error) {
  struct os_result result = native_failure(error);
  struct stat stat;
  if (error == ENOTDIR && (flags & OVIO_NOFOLLOW) &&
      native.fstatat(dir, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISLNK(stat.st_mode))
    result.value = OVIO_ELOOP;
  if (error == EINVAL && (flags & OVIO_DIRECT))
    result.value = OVIO_ENOTSUP;
  return result;
}

static unsigned file__kind(mode_t mode) {
  if (S_ISREG(mode) || S_ISBLK(mode))
    return OS_KIND_DISK;
  return S_ISDIR(mode) ? OS_KIND_DIRECTORY : OS_KIND_STREAM;
}

enum { DIRECT_ALIGNMENT_MIN = 512, DIRECT_ALIGNMENT_UNKNOWN = 4096 };

/* What direct I/O wants of addresses and offsets: one number for both. */
#if NATIVE_HAS_STATX
static uint32_t file__direct_alignment(int fd) {
  struct statx out;
  memset(&out, 0, sizeof(out));
  uint32_t memory = 0;
  uint32_t offset = 0;
  if (native.statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &out) == 0 &&
      (out.stx_mask & STATX_DIOALIGN)) {
    memcpy(&memory, (char *)&out + NATIVE_STATX_DIO_MEM_ALIGN, sizeof(memory));
    memcpy(&offset, (char *)&out + NATIVE_STATX_DIO_OFFSET_ALIGN,
           sizeof(offset));
  }
  if (offset == 0)
    return DIRECT_ALIGNMENT_UNKNOWN;
  uint32_t larger = memory > offset ? memory : offset;
  return larger > DIRECT_ALIGNMENT_MIN ? larger : DIRECT_ALIGNMENT_MIN;
}
#else
static uint32_t file__direct_alignment(int fd) {
  (void)fd;
  return DIRECT_ALIGNMENT_UNKNOWN;
}
#endif

/* Where O_DIRECT is no flag of open(2). */
static int file__make_direct(int fd, unsigned flags) {
  if (!(flags & OVIO_DIRECT) || NATIVE_O_DIRECT != 0)
    return 0;
#if defined(F_NOCACHE)
  return native.fcntl(fd, F_NOCACHE, 1) < 0 ? errno : 0;
#else
  (void)fd;
  return ENOTSUP;
#endif
}

static void file__advise(int fd, unsigned flags) {
#if NATIVE_HAS_FADVISE
  /* A hint: who cannot take it goes on without. */
  if (flags & OVIO_SEQUENTIAL)
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  else if (flags & OVIO_RANDOM)
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
#else
  (void)fd;
  (void)flags;
#endif
}

/* Our own stream waits nowhere but in a poll; nobody shares its description. */
static void file__make_nonblocking(int fd) {
  int status = native.fcntl(fd, F_GETFL, 0);
  if (status >= 0)
    (void)native.fcntl(fd, F_SETFL, status | O_NONBLOCK);
}

/* Fills in what the descriptor is. `status`: of F_GETFL. 0 or an errno. */
static int file__describe(struct os_file *file, int fd, mode_t mode, int status,
                          unsigned flags) {
  unsigned kind = file__kind(mode);
  if (kind == OS_KIND_DIRECTORY && !(flags & OVIO_DIRECTORY))
    return EISDIR;
  if (kind != OS_KIND_DIRECTORY && (flags & OVIO_DIRECTORY))
    return ENOTDIR;
  unsigned traits = 0;
  if (S_ISSOCK(mode))
    traits |= OS_TRAIT_SOCKET;
  if (S_ISFIFO(mode))
    traits |= OS_TRAIT_SIGPIPE;
  if (status & O_NONBLOCK)
    traits |= OS_TRAIT_NONBLOCK;
  if ((status & O_APPEND) && kind == OS_KIND_DISK)
    traits |= OS_TRAIT_APPEND;
  if (flags & OVIO_NONBLOCK)
    traits |= OS_TRAIT_NO_WAIT;
  if (kind == OS_KIND_STREAM && (status & O_NONBLOCK) &&
      !(flags & OVIO_BLOCKING))
    traits |= OS_TRAIT_PORTABLE;
  bool direct = (flags & OVIO_DIRECT) || (status & NATIVE_O_DIRECT);
  if (kind == OS_KIND_DISK && !direct) /* direct: it would wait, after all */
    traits |= OS_TRAIT_TRY;
#if NATIVE_HAS_URING
  if (kind == OS_KIND_DISK && !(flags & OVIO_BLOCKING))
    traits |= OS_TRAIT_PORTABLE;
#endif
  *file = (struct os_file){
      .handle = fd, .kind = kind & OS_KINDS, .traits = traits & OS_TRAITS};
  file->alignment =
      direct && kind == OS_KIND_DISK ? file__direct_alignment(fd) : 1;
  return 0;
}

/* What open(2) itself has made is a regular file. */
static int file__look(int fd, unsigned flags, mode_t *mode) {
  const unsigned made = OVIO_CREATE | OVIO_EXCLUSIVE;
  struct stat stat = {.st_mode = S_IFREG};
  if ((flags & made) != made && native.fstat(fd, &stat) < 0)
    return errno;
  *mode = stat.st_mode;
  return 0;
}

/* The second half of an open: 0 or an errno. A stream alone has another status
 * than it was opened with. */
static int file__take(struct os_file *file, int fd, unsigned flags) {
  mode_t mode = 0;
  int status = file__open_flags(flags);
  int error = file__look(fd, flags, &mode);
  if (error)
    return error;
  if (file__kind(mode) == OS_KIND_STREAM) {
    if (!(flags & OVIO_BLOCKING))
      file__make_nonblocking(fd);
    status = native.fcntl(fd, F_GETFL, 0);
  }
  if (status < 0)
    return errno;
  error = file__describe(file, fd, mode, status, flags);
  if (error)
    return error;
  /* The description is ours, and write(2) moves its position to the end. */
  if (file->traits & OS_TRAIT_APPEND)
    file->traits |= OS_TRAIT_SYSTEM_POSITION;
  file__advise(fd, flags);
  return file__make_direct(fd, flags);
}

size_t os_file_parts(const struct os_file *file, const struct ovio_iovec *iov,
                     size_t count) {
  (void)file;
  (void)iov;
  return count < NATIVE_IOV_MAX ? count : NATIVE_IOV_MAX;
}

static struct os_result file__keep(struct os_file *file, int fd,
                                   unsigned flags) {
  int error = file__take(file, fd, flags);
  if (error) {
    native.close(fd);
    return native_failure(error);
  }
  return (struct os_result){0, 0};
}

struct os_result os_file_open(struct os_file *file, const struct os_file *dir,
                              const char *path, unsigned flags, unsigned mode) {
  int at = dir ? file__fd(dir) : AT_FDCWD;
  int fd;
  do
    fd = native.openat(at, path, file__open_flags(flags), (mode_t)mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0)
    return file__open_failure(at, path, flags, errno);
  return file__keep(file, fd, flags);
}

enum { BENEATH_TRIES = 100 };

/* EAGAIN: something was renamed while ".." was looked up (openat2(2)). */
static int file__openat2(int at, const char *path, unsigned flags,
                         unsigned mode) {
#if NATIVE_HAS_OPENAT2
  struct native_open_how how = {.flags = (uint64_t)file__open_flags(flags),
                                .mode = flags & OVIO_CREATE ? mode & 07777 : 0,
                                .resolve = NATIVE_RESOLVE_BENEATH |
                                           NATIVE_RESOLVE_NO_MAGICLINKS};
  int fd;
  int tries = BENEATH_TRIES;
  do
    fd = native.openat2(at, path, &how);
  while (fd < 0 && (errno == EINTR || (errno == EAGAIN && --tries)));
  return fd;
#else
  (void)at;
  (void)path;
  (void)flags;
  (void)mode;
  errno = ENOSYS;
  return -1;
#endif
}

struct os_result os_file_open_beneath(struct os_file *file,
                                      const struct os_file *dir,
                                      const char *path, unsigned flags,
                                      unsigned mode) {
  int at = dir ? file__fd(dir) : AT_FDCWD;
  int fd = file__openat2(at, path, flags, mode);
  if (fd >= 0)
    return file__keep(file, fd, flags);
  /* An older kernel; a sandbox that has not heard of the call says EPERM. */
  if (errno == ENOSYS || errno == EPERM)
    return (struct os_result){OVIO_ENOTSUP, 0};
  return file__open_failure(at, path, flags, errno);
}

static int file__open_nameless(int at, const char *path, unsigned mode) {
#if defined(O_TMPFILE)
  return native.openat(at, path, O_WRONLY | O_TMPFILE | O_CLOEXEC,
                       (mode_t)mode);
#else
  (void)at;
  (void)path;
  (void)mode;
  errno = EOPNOTSUPP;
  return -1;
#endif
}

struct os_result os_file_open_nameless(struct os_file *file,
                                       const struct os_file *dir,
                                       const char *path, unsigned mode) {
  int at = dir ? file__fd(dir) : AT_FDCWD;
  int fd;
  do
    fd = file__open_nameless(at, path, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0)
    return native_failure(errno);
  return file__keep(file, fd,
                    OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE | OVIO_BLOCKING);
}

/* Before Linux 6.10 the first way was for the privileged alone: ENOENT, says
 * linkat(2). */
static int file__give_name(int fd, int at, const char *path) {
#if defined(O_TMPFILE)
  char link[64];
  int failed = native.linkat(fd, "", at, path, AT_EMPTY_PATH);
  if (!failed || errno != ENOENT)
    return failed;
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return native.linkat(AT_FDCWD, link, at, path, AT_SYMLINK_FOLLOW);
#else
  (void)fd;
  (void)at;
  (void)path;
  errno = EOPNOTSUPP;
  return -1;
#endif
}

struct os_result os_file_give_name(const struct os_file *file,
                                   const struct os_file *dir,
                                   const char *path) {
  int at = dir ? file__fd(dir) : AT_FDCWD;
  int failed = file__give_name(file__fd(file), at, path);
  return failed ? native_failure(errno) : (struct os_result){0, 0};
}

struct os_result os_file_adopt(struct os_file *file, ovio_handle handle,
                               unsigned flags) {
  struct stat stat;
  if (native.fstat(handle, &stat) < 0)
    return native_failure(errno);
  int status = native.fcntl(handle, F_GETFL, 0);
  if (status < 0)
    return native_failure(errno);
  if ((flags & OVIO_APPEND) && !(status & O_APPEND))
    return (struct os_result){OVIO_EINVAL, 0};
  int error = file__describe(file, handle, stat.st_mode, status, flags);
  if (error)
    return native_failure(error);
  if (file->kind == OS_KIND_DISK) {
    /* Others go on from the description's position: prog >out 2>&1. */
    file->traits |= OS_TRAIT_SYSTEM_POSITION;
    off_t position = native.lseek(handle, 0, SEEK_CUR);
    file->position = position > 0 ? position : 0;
  }
  return (struct os_result){0, 0};
}

ovio_handle os_file_release(struct os_file *file, int64_t position) {
  int fd = file__fd(file);
  native_listener_end(file, false);
  if (file->kind == OS_KIND_DISK && !(file->traits & OS_TRAIT_SYSTEM_POSITION))
    (void)native.lseek(fd, position, SEEK_SET);
  return fd;
}

struct os_result os_file_close(struct os_file *file, int64_t position) {
  (void)position;
  native_listener_end(file, true);
  if (native.close(file__fd(file)) == 0)
    return (struct os_result){0, 0};
  /* The descriptor is gone all the same, see close(2); a second close could hit
   * one that another thread has just got. */
  if (errno == EINTR || errno == EINPROGRESS)
    return (struct os_result){0, 0};
  return native_failure(errno);
}

/* ---- transfers ---- */

/* At an offset. */
static ssize_t file__positional_call(const struct os_transfer *transfer) {
  int fd = file__fd(transfer->file);
  const struct iovec *iov = file__vector(transfer);
  int count = (int)transfer->count;
  off_t offset = transfer->offset;
  if (count > 1)
    return transfer->write ? native.pwritev(fd, iov, count, offset)
                           : native.preadv(fd, iov, count, offset);
  return transfer->write
             ? native.pwrite(fd, iov->iov_base, iov->iov_len, offset)
             : native.pread(fd, iov->iov_base, iov->iov_len, offset);
}

/* At the description's position, and at the end of an O_APPEND one. */
__attribute__((always_inline)) static inline ssize_t file__plain_call(
    const struct os_transfer *transfer) {
  int fd = file__fd(transfer->file);
  const struct iovec *iov = file__vector(transfer);
  int count = (int)transfer->count;
  if (count > 1)
    return transfer->write ? native.writev(fd, iov, count)
                           : native.readv(fd, iov, count);
  return transfer->write ? native.write(fd, iov->iov_base, iov->iov_len)
                         : native.read(fd, iov->iov_base, iov->iov_len);
}

/* A message, or what an earlier read has left of it: the kernel keeps that
 * place (SO_PEEK_OFF, socket(7)). It goes from the queue when all of it was
 * seen. */
static ssize_t file__receive_message(int fd, struct msghdr *message,
                                     int flags) {
  struct msghdr nothing;
  ssize_t moved = native.recvmsg(fd, message, flags | MSG_PEEK);
  if (moved < 0 || (message->msg_flags & MSG_TRUNC))
    return moved;
  memset(&nothing, 0, sizeof(nothing));
  while (native.recvmsg(fd, &nothing, MSG_DONTWAIT) < 0 && errno == EINTR)
    ;
  return moved;
}

/* A socket's own; it can be told not to wait and not to signal. */
static ssize_t file__socket_call(const struct os_transfer *transfer,
                                 int flags) {
  int fd = file__fd(transfer->file);
  struct msghdr message;
  memset(&message, 0, sizeof(message));
  message.msg_iov = (struct iovec *)(void *)(uintptr_t)transfer->iov;
  message.msg_iovlen = (__typeof__(message.msg_iovlen))transfer->count;
  if (transfer->write)
    return native.sendmsg(fd, &message, flags | NATIVE_MSG_NOSIGNAL);
  if (transfer->file->traits & OS_TRAIT_MESSAGE)
    return file__receive_message(fd, &message, flags);
  return native.recvmsg(fd, &message, flags);
}

/* Takes a SIGPIPE off this thread that is pending and blocked. */
static void file__drop_sigpipe(const sigset_t *sigpipe) {
#if NATIVE_HAS_SIGTIMEDWAIT
  static const struct timespec now;
  while (sigtimedwait(sigpipe, NULL, &now) < 0 && errno == EINTR)
    ;
#else
  /* Some systems raise nothing when it is ignored: sigwait(2) would hang. */
  sigset_t pending;
  int number;
  sigpending(&pending);
  if (sigismember(&pending, SIGPIPE) == 1)
    sigwait(sigpipe, &number);
#endif
}

/* Makes the call with SIGPIPE blocked. One that was pending before, from the
 * program, is left to it. */
static ssize_t file__masked_call(ssize_t (*call)(const struct os_transfer *,
                                                 int flags),
                                 const struct os_transfer *transfer,
                                 int flags) {
  sigset_t sigpipe;
  sigset_t mask;
  sigset_t pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &sigpipe, &mask);
  sigpending(&pending);
  ssize_t moved = call(transfer, flags);
  int error = errno;
  if (moved < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) != 1)
    file__drop_sigpipe(&sigpipe);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  errno = error;
  return moved;
}

/* A pipe's call under the mask; flags: RWF_NOWAIT. */
static ssize_t file__pipe_call(const struct os_transfer *transfer, int flags) {
#if NATIVE_HAS_RWF
  if (flags)
    return native.pwritev2(file__fd(transfer->file), file__vector(transfer),
                           (int)transfer->count, OVIO_HERE, flags);
#endif
  (void)flags;
  return file__plain_call(transfer);
}

#if NATIVE_HAS_RWF
/* Unknown flags are EOPNOTSUPP, before Linux 4.13 EINVAL, before 4.6 there is
 * no such call. */
static bool file__is_unknown(int error) {
  return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS;
}

/* Learnt from the first pipe that is written to. */
static atomic_bool file__no_nosignal;

static ssize_t file__write_pipe(const struct os_transfer *transfer, int flags) {
  if (atomic_load_explicit(&file__no_nosignal, memory_order_relaxed))
    return file__masked_call(file__pipe_call, transfer, flags);
  ssize_t moved =
      native.pwritev2(file__fd(transfer->file), file__vector(transfer),
                      (int)transfer->count, OVIO_HERE, flags | RWF_NOSIGNAL);
  if (moved >= 0 || !file__is_unknown(errno))
    return moved;
  /* With RWF_NOWAIT beside it, it may be that one that is not known; the caller
   * then comes again without. */
  if (flags)
    return moved;
  atomic_store_explicit(&file__no_nosignal, true, memory_order_relaxed);
  return file__masked_call(file__pipe_call, transfer, 0);
}

/* A try on a descriptor that would wait, or of a read at an offset: -1 and
 * EOPNOTSUPP where this cannot be asked for. Inline: os_file_read_cached() is
 * left with one call then. */
__attribute__((always_inline)) static inline ssize_t file__nowait_call(
    const struct os_transfer *transfer) {
  int fd = file__fd(transfer->file);
  const struct iovec *iov = file__vector(transfer);
  int count = (int)transfer->count;
  ssize_t moved;
  if (!transfer->write)
    moved = native.preadv2(fd, iov, count, transfer->offset, RWF_NOWAIT);
  else if (transfer->file->traits & OS_TRAIT_SIGPIPE)
    moved = file__write_pipe(transfer, RWF_NOWAIT);
  else
    moved = native.pwritev2(fd, iov, count, OVIO_HERE, RWF_NOWAIT);
  if (moved < 0 && file__is_unknown(errno))
    errno = EOPNOTSUPP;
  return moved;
}
#else
static ssize_t file__write_pipe(const struct os_transfer *transfer, int flags) {
  return file__masked_call(file__pipe_call, transfer, flags);
}

static ssize_t file__nowait_call(const struct os_transfer *transfer) {
  (void)transfer;
  errno = EOPNOTSUPP;
  return -1;
}
#endif

/* The call of a stream that waits if its description does. */
__attribute__((always_inline)) static inline ssize_t file__stream_call(
    const struct os_transfer *transfer) {
  unsigned traits = transfer->file->traits;
  if (traits & OS_TRAIT_SOCKET) {
    if (transfer->write && !NATIVE_MSG_NOSIGNAL)
      return file__masked_call(file__socket_call, transfer, 0);
    return file__socket_call(transfer, 0);
  }
  if (transfer->write && (traits & OS_TRAIT_SIGPIPE))
    return file__write_pipe(transfer, 0);
  return file__plain_call(transfer);
}

/* Writes so little that a pipe which is ready takes it without waiting. A tty
 * may still make the call wait, while its output is stopped. */
static ssize_t file__write_little(const struct os_transfer *transfer) {
  const struct ovio_iovec *part = transfer->iov;
  while (part->iov_len == 0)
    part++;
  struct ovio_iovec little = *part;
  if (little.iov_len > PIPE_BUF)
    little.iov_len = PIPE_BUF;
  struct os_transfer cut = *transfer;
  cut.iov = &little;
  cut.count = 1;
  return file__stream_call(&cut);
}

__attribute__((always_inline)) static inline ssize_t file__attempt_call(
    const struct os_transfer *transfer) {
  unsigned traits = transfer->file->traits;
  if (traits & OS_TRAIT_SOCKET) {
    if (transfer->write && !NATIVE_MSG_NOSIGNAL)
      return file__masked_call(file__socket_call, transfer, MSG_DONTWAIT);
    return file__socket_call(transfer, MSG_DONTWAIT);
  }
  if (traits & OS_TRAIT_NONBLOCK)
    return file__stream_call(transfer);
  ssize_t moved = file__nowait_call(transfer);
  if (moved >= 0 || errno != EOPNOTSUPP)
    return moved;
  return transfer->write ? file__write_little(transfer)
                         : file__plain_call(transfer);
}

__attribute__((always_inline)) static inline struct os_result file__repeat(
    ssize_t (*call)(const struct os_transfer *transfer),
    const struct os_transfer *transfer) {
  ssize_t moved;
  do
    moved = call(transfer);
  while (moved < 0 && errno == EINTR);
  return moved < 0 ? native_failure(errno) : (struct os_result){moved, 0};
}

struct os_result native_attempt(const struct os_transfer *transfer) {
  return file__repeat(file__attempt_call, transfer);
}

int native_await(int fd, bool write, struct native_wakeup *wakeup,
                 int timeout_ms) {
  struct pollfd set[2] = {
      {.fd = fd, .events = write ? POLLOUT : POLLIN},
      {.fd = wakeup ? wakeup->read_end : -1, .events = POLLIN}};
  for (;;) {
    if (wakeup && atomic_load(&wakeup->raised))
      return ECANCELED;
    int ready = native.poll(set, wakeup ? 2 : 1, timeout_ms);
    if (ready == 0)
      return EAGAIN;
    if (ready < 0 && errno != EINTR)
      return errno;
    /* POLLHUP and POLLERR too: the call will say what it is. */
    if (ready > 0 && set[0].revents)
      return set[0].revents & POLLNVAL ? EBADF : 0;
    if (ready > 0 && set[1].revents)
      native_wakeup_drain(wakeup); /* `raised` says whether it is meant */
  }
}

static int file__await(const struct os_transfer *transfer,
                       struct native_wakeup *wakeup, int timeout_ms) {
  return native_await(file__fd(transfer->file), transfer->write, wakeup,
                      timeout_ms);
}

/* A plain thread that must not wait. */
static struct os_result file__glance(const struct os_transfer *transfer) {
  if (!(transfer->file->traits & (OS_TRAIT_SOCKET | OS_TRAIT_NONBLOCK))) {
    int error = file__await(transfer, NULL, 0);
    if (error)
      return native_failure(error);
  }
  return native_attempt(transfer);
}

/* A plain thread that waits, in the call or for an O_NONBLOCK description. */
static struct os_result file__wait_plainly(const struct os_transfer *transfer) {
  for (;;) {
    struct os_result result = file__repeat(file__stream_call, transfer);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
    int error = file__await(transfer, NULL, -1);
    if (error)
      return native_failure(error);
  }
}

/* A worker, which can be interrupted. */
static struct os_result file__wait_wakeably(const struct os_transfer *transfer,
                                            struct native_wakeup *wakeup) {
  for (;;) {
    int error = file__await(transfer, wakeup, -1);
    if (error)
      return native_failure(error);
    struct os_result result = native_attempt(transfer);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
  }
}

struct os_result os_file_transfer_now(const struct os_transfer *transfer,
                                      struct os_waiter *waiter) {
  struct native_wakeup *wakeup =
      waiter ? (struct native_wakeup *)(void *)waiter->words : NULL;
  const struct os_file *file = transfer->file;
  if (file->kind == OS_KIND_STREAM) {
    if (wakeup)
      return file__wait_wakeably(transfer, wakeup);
    return file->traits & OS_TRAIT_NO_WAIT ? file__glance(transfer)
                                           : file__wait_plainly(transfer);
  }
  /* A disk's transfer cannot be interrupted, but for before it has begun. */
  if (wakeup && atomic_load(&wakeup->raised))
    return native_failure(ECANCELED);
  return file__repeat(transfer->offset >= 0 ? file__positional_call
                                            : file__plain_call,
                      transfer);
}

/* ---- the rest ---- */

struct os_result os_file_transfer_try(const struct os_transfer *transfer) {
  return file__repeat(file__nowait_call, transfer);
}

static struct os_result file__single_failure(void) {
  return errno == EINTR ? (struct os_result){OS_AGAIN, 0}
                        : native_failure(errno);
}

struct os_result os_file_read_at(const struct os_file *file, void *buffer,
                                 size_t length, int64_t offset) {
  ssize_t moved = native.pread(file__fd(file), buffer, length, offset);
  return moved < 0 ? file__single_failure() : (struct os_result){moved, 0};
}

struct os_result os_file_write_at(const struct os_file *file, void *buffer,
                                  size_t length, int64_t offset) {
  ssize_t moved = native.pwrite(file__fd(file), buffer, length, offset);
  return moved < 0 ? file__single_failure() : (struct os_result){moved, 0};
}

struct os_result os_file_read_cached(const struct os_file *file, void *buffer,
                                     size_t length, int64_t offset) {
  struct ovio_iovec whole = {buffer, length};
  struct os_transfer transfer = {.file = file,
                                 .iov = &whole,
                                 .count = 1,
                                 .offset = offset,
                                 .write = false};
  ssize_t moved = file__nowait_call(&transfer);
  return moved < 0 ? file__single_failure() : (struct os_result){moved, 0};
}

/* "fd is bound to a special file which does not support synchronization"
 * (fsync(2)), e.g. a pipe. */
struct os_result native_sync_failure(const struct os_file *file, int error) {
  struct os_result result = native_failure(error);
  if (error == EINVAL || (error == EROFS && file->kind == OS_KIND_STREAM))
    result.value = OVIO_ENOTSUP;
  return result;
}

struct os_result os_file_sync(const struct os_file *file, bool data_only) {
  int fd = file__fd(file);
  int failed;
  do
    failed = data_only ? native.fdatasync(fd) : native.fsync(fd);
  while (failed && errno == EINTR);
  return failed ? native_sync_failure(file, errno) : (struct os_result){0, 0};
}

struct os_result os_file_truncate(const struct os_file *file, int64_t size) {
  if (file->kind == OS_KIND_STREAM)
    return (struct os_result){OVIO_ESPIPE, 0};
  int failed;
  do
    failed = native.ftruncate(file__fd(file), size);
  while (failed && errno == EINTR);
  return failed ? native_failure(errno) : (struct os_result){0, 0};
}

/* Bytes of a block device; moves the position for a moment where there is no
 * other way. 0 or an errno. */
static int file__device_size(int fd, int64_t *size) {
#if defined(BLKGETSIZE64)
  uint64_t bytes = 0;
  if (native.ioctl(fd, BLKGETSIZE64, &bytes) < 0)
    return errno;
  *size = (int64_t)bytes;
#elif defined(DIOCGMEDIASIZE)
  off_t bytes = 0;
  if (native.ioctl(fd, DIOCGMEDIASIZE, &bytes) < 0)
    return errno;
  *size = bytes;
#else
  off_t here = native.lseek(fd, 0, SEEK_CUR);
  *size = native.lseek(fd, 0, SEEK_END);
  if (here < 0 || *size < 0 || native.lseek(fd, here, SEEK_SET) < 0)
    return errno;
#endif
  return 0;
}

struct os_result os_file_size(const struct os_file *file) {
  if (file->kind == OS_KIND_STREAM)
    return (struct os_result){OVIO_ESPIPE, 0};
  struct stat stat;
  if (native.fstat(file__fd(file), &stat) < 0)
    return native_failure(errno);
  int64_t size = stat.st_size;
  int error = 0;
  if (S_ISBLK(stat.st_mode))
    error = file__device_size(file__fd(file), &size);
  return error ? native_failure(error) : (struct os_result){size, 0};
}

struct os_result os_file_seek(const struct os_file *file, int64_t offset,
                              int whence) {
  off_t position = native.lseek(file__fd(file), offset, whence);
  /* Forward, and still below 0: more than a position can tell. */
  if (position < 0 && errno == EINVAL && offset > 0)
    return (struct os_result){OVIO_EOVERFLOW, EINVAL};
  if (position < 0)
    return native_failure(errno);
  return (struct os_result){position, 0};
}

enum { NS_PER_S = 1000000000, BYTES_PER_BLOCK = 512 };

/* Times that an int64_t cannot tell become the nearest one that it can. */
static int64_t file__to_ns(int64_t seconds, int64_t ns) {
  if (seconds > INT64_MAX / NS_PER_S - 1)
    return INT64_MAX;
  if (seconds < INT64_MIN / NS_PER_S + 1)
    return INT64_MIN;
  return seconds * NS_PER_S + ns;
}

static uint32_t file__type(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return OVIO_TYPE_FILE;
  case S_IFDIR:
    return OVIO_TYPE_DIRECTORY;
  case S_IFLNK:
    return OVIO_TYPE_SYMLINK;
  case S_IFIFO:
    return OVIO_TYPE_PIPE;
  case S_IFSOCK:
    return OVIO_TYPE_SOCKET;
  case S_IFCHR:
    return OVIO_TYPE_CHARACTER;
  case S_IFBLK:
    return OVIO_TYPE_BLOCK;
  default:
    return OVIO_TYPE_OTHER;
  }
}

static int64_t file__stat_ns(struct timespec time) {
  return file__to_ns(time.tv_sec, time.tv_nsec);
}

static void file__translate(const struct stat *stat, struct ovio_stat *out) {
  *out = (struct ovio_stat){
      .size = stat->st_size,
      .allocated = (int64_t)stat->st_blocks * BYTES_PER_BLOCK,
      .access_ns = file__stat_ns(NATIVE_STAT_TIME(stat, a)),
      .modify_ns = file__stat_ns(NATIVE_STAT_TIME(stat, m)),
      .change_ns = file__stat_ns(NATIVE_STAT_TIME(stat, c)),
      .device = (uint64_t)stat->st_dev,
      .inode = (uint64_t)stat->st_ino,
      .links = (uint64_t)stat->st_nlink,
      .type = file__type(stat->st_mode),
      .mode = (uint32_t)stat->st_mode & 07777,
  };
#if defined(NATIVE_STAT_BIRTH)
  /* -1: not known, on FreeBSD. */
  int64_t birth_ns = file__stat_ns(NATIVE_STAT_BIRTH(stat));
  out->create_ns = birth_ns > 0 ? birth_ns : 0;
#endif
}

#if NATIVE_HAS_STATX
static int64_t file__statx_ns(struct statx_timestamp time) {
  return file__to_ns(time.tv_sec, time.tv_nsec);
}

/* With the time of birth, which Linux's struct stat has not. */
static void file__translate_statx(const struct statx *stat,
                                  struct ovio_stat *out) {
  *out = (struct ovio_stat){
      .size = (int64_t)stat->stx_size,
      .allocated = (int64_t)stat->stx_blocks * BYTES_PER_BLOCK,
      .access_ns = file__statx_ns(stat->stx_atime),
      .modify_ns = file__statx_ns(stat->stx_mtime),
      .change_ns = file__statx_ns(stat->stx_ctime),
      .device = makedev(stat->stx_dev_major, stat->stx_dev_minor),
      .inode = stat->stx_ino,
      .links = stat->stx_nlink,
      .type = file__type(stat->stx_mode),
      .mode = (uint32_t)stat->stx_mode & 07777,
  };
  if (stat->stx_mask & STATX_BTIME)
    out->create_ns = file__statx_ns(stat->stx_btime);
}
#endif

struct os_result native_stat(int dir, const char *path, int flags,
                             struct ovio_stat *out) {
#if NATIVE_HAS_STATX
  struct statx known;
  int way = path ? flags : AT_EMPTY_PATH;
  if (native.statx(dir, path ? path : "", way, STATX_BASIC_STATS | STATX_BTIME,
                   &known) == 0) {
    file__translate_statx(&known, out);
    return (struct os_result){0, 0};
  }
  /* An older kernel; a sandbox that has not heard of the call says EPERM. */
  if (errno != ENOSYS && errno != EPERM)
    return native_failure(errno);
#endif
  struct stat stat;
  int failed =
      path ? native.fstatat(dir, path, &stat, flags) : native.fstat(dir, &stat);
  if (failed)
    return native_failure(errno);
  file__translate(&stat, out);
  return (struct os_result){0, 0};
}

struct os_result os_file_stat(const struct os_file *file,
                              struct ovio_stat *out) {
  return native_stat(file__fd(file), NULL, 0, out);
}

struct timespec native_timespec(int64_t ns) {
  if (ns == OVIO_TIME_KEEP)
    return (struct timespec){.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  int64_t seconds = ns / NS_PER_S;
  int64_t rest = ns % NS_PER_S;
  if (rest < 0) {
    seconds--;
    rest += NS_PER_S;
  }
  return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

struct os_result os_file_set_times(const struct os_file *file,
                                   int64_t access_ns, int64_t modify_ns) {
  struct timespec times[2] = {native_timespec(access_ns),
                              native_timespec(modify_ns)};
  if (native.futimens(file__fd(file), times) < 0)
    return native_failure(errno);
  return (struct os_result){0, 0};
}

/* Answers of kernels, file systems and sandboxes that cannot; whatever else is
 * wrong comes again when the bytes are read and written. */
static bool file__cannot_copy(int error) {
  return error == ENOSYS || error == EXDEV || error == EINVAL ||
         error == EOPNOTSUPP || error == EPERM || error == EBADF ||
         error == ETXTBSY;
}

static ssize_t file__copy_range(int from, int64_t from_offset, int to,
                                int64_t to_offset, size_t length) {
#if NATIVE_HAS_COPY_FILE_RANGE
  return native.copy_file_range(from, &from_offset, to, &to_offset, length);
#else
  (void)from;
  (void)from_offset;
  (void)to;
  (void)to_offset;
  (void)length;
  errno = ENOSYS;
  return -1;
#endif
}

struct os_result os_file_copy(const struct os_file *from, int64_t from_offset,
                              const struct os_file *to, int64_t to_offset,
                              size_t length) {
  ssize_t moved;
  do
    moved = file__copy_range(file__fd(from), from_offset, file__fd(to),
                             to_offset, length);
  while (moved < 0 && errno == EINTR);
  if (moved >= 0)
    return (struct os_result){moved, 0};
  struct os_result result = native_failure(errno);
  if (file__cannot_copy(errno))
    result.value = OVIO_ENOTSUP;
  return result;
}
