/* SPDX-License-Identifier: MIT */
/* The table of the system's calls. */
#include "posix/native.h"

#include "common/poison.h"

/* Variadic functions cannot be called through a pointer of another type. */
static int native__openat(int dir, const char *path, int flags, mode_t mode) {
  return openat(dir, path, flags, mode);
}

static int native__fcntl(int fd, int command, int argument) {
  return fcntl(fd, command, argument);
}

static int native__fcntl_lock(int fd, int command, struct flock *lock) {
  return fcntl(fd, command, lock);
}

static int native__ioctl(int fd, unsigned long request, void *argument) {
#if defined(__linux__) && !defined(__GLIBC__)
  return ioctl(fd, (int)request, argument);
#else
  return ioctl(fd, request, argument);
#endif
}

#if defined(__APPLE__)
/* fsync(2) there leaves the data in the drive's cache. Some file systems do not
 * know the command. */
static int native__fsync(int fd) {
  if (fcntl(fd, F_FULLFSYNC, 0) == 0)
    return 0;
  return errno == EINTR || errno == EBADF ? -1 : fsync(fd);
}
#define native__fdatasync native__fsync
#else
#define native__fsync     fsync
#define native__fdatasync fdatasync
#endif

#if NATIVE_HAS_RWF
/* System calls, not the C library's functions: those came late to musl, and
 * glibc's hide ENOSYS. An offset has two halves, low and high; where a long
 * holds it all, the kernel shifts the high one out. */
static ssize_t native__preadv2(int fd, const struct iovec *iov, int count,
                               off_t offset, int flags) {
  return (ssize_t)syscall(SYS_preadv2, fd, iov, (long)count, (long)offset,
                          (long)((uint64_t)offset >> 32), (long)flags);
}

static ssize_t native__pwritev2(int fd, const struct iovec *iov, int count,
                                off_t offset, int flags) {
  return (ssize_t)syscall(SYS_pwritev2, fd, iov, (long)count, (long)offset,
                          (long)((uint64_t)offset >> 32), (long)flags);
}
#endif

#if POISON_IS_ON
/* Not by the sanitizer's own versions, which look at the buffer. */
static ssize_t native__pread(int fd, void *buffer, size_t length,
                             off_t offset) {
  return (ssize_t)syscall(SYS_pread64, fd, buffer, length, offset);
}

static ssize_t native__preadv(int fd, const struct iovec *iov, int count,
                              off_t offset) {
  return (ssize_t)syscall(SYS_preadv, fd, iov, (long)count, offset, 0L);
}

static ssize_t native__read(int fd, void *buffer, size_t length) {
  return (ssize_t)syscall(SYS_read, fd, buffer, length);
}

static ssize_t native__readv(int fd, const struct iovec *iov, int count) {
  return (ssize_t)syscall(SYS_readv, fd, iov, (long)count);
}

static ssize_t native__recvmsg(int fd, struct msghdr *message, int flags) {
  return (ssize_t)syscall(SYS_recvmsg, fd, message, flags);
}
#else
#define native__pread   pread
#define native__preadv  preadv
#define native__read    read
#define native__readv   readv
#define native__recvmsg recvmsg
#endif

#if NATIVE_HAS_KQUEUE
/* The counts are size_t on NetBSD. */
static int native__kevent(int queue, const struct kevent *changes,
                          int change_count, struct kevent *events,
                          int event_count, const struct timespec *time) {
  return kevent(queue, changes, (NATIVE_KEVENT_COUNT)change_count, events,
                (NATIVE_KEVENT_COUNT)event_count, time);
}
#endif

#if NATIVE_HAS_GETDENTS64
static ssize_t native__getdents64(int fd, void *buffer, size_t length) {
  return (ssize_t)syscall(SYS_getdents64, fd, buffer, length);
}
#endif

#if NATIVE_HAS_RENAMEAT2
static int native__renameat2(int dir, const char *from, int to_dir,
                             const char *to, unsigned flags) {
  return (int)syscall(SYS_renameat2, dir, from, to_dir, to, flags);
}
#endif

#if NATIVE_HAS_GETPATH
static int native__getpath(int fd, char path[PATH_MAX]) {
  return fcntl(fd, F_GETPATH, path);
}
#endif

#if NATIVE_HAS_OPENAT2
#ifndef SYS_openat2
#define SYS_openat2 437 /* on every machine (Linux 5.6) */
#endif
static int native__openat2(int dir, const char *path,
                           const struct native_open_how *how) {
  return (int)syscall(SYS_openat2, dir, path, how, sizeof *how);
}
#endif

#if NATIVE_HAS_COPY_FILE_RANGE
static ssize_t native__copy_file_range(int from, int64_t *from_offset, int to,
                                       int64_t *to_offset, size_t length) {
  return (ssize_t)syscall(SYS_copy_file_range, from, from_offset, to, to_offset,
                          length, 0u);
}
#endif

#if NATIVE_HAS_PIDFD
/* glibc has them since 2.36 only. */
static int native__pidfd_open(pid_t pid, unsigned flags) {
  return (int)syscall(SYS_pidfd_open, (long)pid, (unsigned long)flags);
}

static int native__pidfd_send_signal(int pidfd, int signal, siginfo_t *info,
                                     unsigned flags) {
  return (int)syscall(SYS_pidfd_send_signal, (long)pidfd, (long)signal, info,
                      (unsigned long)flags);
}
#endif

#if NATIVE_HAS_CLOSE_RANGE
static int native__close_range(unsigned first, unsigned last, int flags) {
  return (int)syscall(SYS_close_range, (unsigned long)first,
                      (unsigned long)last, (long)flags);
}
#endif

#if NATIVE_HAS_URING
static int native__io_uring_register(int ring, unsigned operation,
                                     const void *argument, unsigned count) {
  return (int)syscall(SYS_io_uring_register, ring, operation, argument, count);
}
#endif

/* With _GNU_SOURCE glibc declares the address as a transparent union. */
static int native__bind(int fd, const struct sockaddr *address,
                        socklen_t length) {
  return bind(fd, address, length);
}

static int native__accept(int fd, struct sockaddr *address, socklen_t *length) {
  return accept(fd, address, length);
}

static int native__connect(int fd, const struct sockaddr *address,
                           socklen_t length) {
  return connect(fd, address, length);
}

#if NATIVE_HAS_ACCEPT4
static int native__accept4(int fd, struct sockaddr *address, socklen_t *length,
                           int flags) {
  return accept4(fd, address, length, flags);
}
#endif

NATIVE_CONST struct native_calls native = {
    .openat = native__openat,
    .close = close,
    .fcntl = native__fcntl,
    .fcntl_lock = native__fcntl_lock,
    .ioctl = native__ioctl,
    .fstat = fstat,
    .isatty = isatty,
    .fstatat = fstatat,
    .lseek = lseek,
    .pread = native__pread,
    .pwrite = pwrite,
    .preadv = native__preadv,
    .pwritev = pwritev,
    .read = native__read,
    .write = write,
    .readv = native__readv,
    .writev = writev,
    .recvmsg = native__recvmsg,
    .sendmsg = sendmsg,
    .socket = socket,
    .bind = native__bind,
    .listen = listen,
    .accept = native__accept,
    .connect = native__connect,
    .shutdown = shutdown,
    .setsockopt = setsockopt,
    .mkdir = mkdir,
    .unlink = unlink,
    .chmod = chmod,
    .fchmod = fchmod,
    .flock = flock,
    .poll = poll,
    .fsync = native__fsync,
    .fdatasync = native__fdatasync,
    .ftruncate = ftruncate,
    .futimens = futimens,
    .pipe = pipe,
    .fork = fork,
    .execve = execve,
    .dup2 = dup2,
    .chdir = chdir,
    .getcwd = getcwd,
    .waitid = waitid,
    .kill = kill,
    .getentropy = getentropy,
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .madvise = madvise,
    .sched_yield = sched_yield,
    .pthread_create = pthread_create,
#if NATIVE_HAS_RWF
    .preadv2 = native__preadv2,
    .pwritev2 = native__pwritev2,
#endif
    .mkdirat = mkdirat,
    .unlinkat = unlinkat,
    .renameat = renameat,
    .linkat = linkat,
    .symlinkat = symlinkat,
    .readlinkat = readlinkat,
    .realpath = realpath,
    .faccessat = faccessat,
    .fchmodat = fchmodat,
    .utimensat = utimensat,
#if NATIVE_HAS_GETDENTS64
    .getdents64 = native__getdents64,
#else
    .fdopendir = fdopendir,
    .readdir = readdir,
#endif
#if NATIVE_HAS_RENAMEAT2
    .renameat2 = native__renameat2,
#endif
#if NATIVE_HAS_GETPATH
    .getpath = native__getpath,
#endif
#if NATIVE_HAS_RENAMEATX
    .renameatx_np = renameatx_np,
#endif
#if NATIVE_HAS_OPENAT2
    .openat2 = native__openat2,
#endif
#if NATIVE_HAS_COPY_FILE_RANGE
    .copy_file_range = native__copy_file_range,
#endif
#if NATIVE_HAS_STATX
    .statx = statx,
#endif
#if NATIVE_HAS_PIPE2
    .pipe2 = pipe2,
#endif
#if NATIVE_HAS_PIDFD
    .pidfd_open = native__pidfd_open,
    .pidfd_send_signal = native__pidfd_send_signal,
#endif
#if NATIVE_HAS_CLOSE_RANGE
    .close_range = native__close_range,
#endif
#if NATIVE_HAS_ACCEPT4
    .accept4 = native__accept4,
#endif
#if NATIVE_HAS_EVENTFD
    .eventfd = eventfd,
#endif
#if NATIVE_HAS_INOTIFY
    .inotify_init1 = inotify_init1,
    .inotify_add_watch = inotify_add_watch,
    .inotify_rm_watch = inotify_rm_watch,
#endif
#if NATIVE_HAS_EPOLL
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
#endif
#if NATIVE_HAS_KQUEUE
    .kqueue = kqueue,
    .kevent = native__kevent,
#endif
#if NATIVE_HAS_URING
    .io_uring_queue_init_params = io_uring_queue_init_params,
    .io_uring_submit_and_get_events = io_uring_submit_and_get_events,
    .io_uring_submit_and_wait_timeout = io_uring_submit_and_wait_timeout,
    .io_uring_register = native__io_uring_register,
#endif
};
