/* SPDX-License-Identifier: MIT */
/* The table of the system's calls. */
#include "posix/native.h"

/* Variadic functions cannot be called through a pointer of another type. */
static int native__openat(int dir, const char *path, int flags, mode_t mode) {
  return openat(dir, path, flags, mode);
}

static int native__fcntl(int fd, int command, int argument) {
  return fcntl(fd, command, argument);
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
 * glibc's hide ENOSYS. An offset has two halves, low and high. */
static ssize_t native__preadv2(int fd, const struct iovec *iov, int count,
                               int flags) {
  return (ssize_t)syscall(SYS_preadv2, fd, iov, (long)count, -1L, -1L,
                          (long)flags);
}

static ssize_t native__pwritev2(int fd, const struct iovec *iov, int count,
                                int flags) {
  return (ssize_t)syscall(SYS_pwritev2, fd, iov, (long)count, -1L, -1L,
                          (long)flags);
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
    .ioctl = native__ioctl,
    .fstat = fstat,
    .fstatat = fstatat,
    .lseek = lseek,
    .pread = pread,
    .pwrite = pwrite,
    .preadv = preadv,
    .pwritev = pwritev,
    .read = read,
    .write = write,
    .readv = readv,
    .writev = writev,
    .recvmsg = recvmsg,
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
    .getentropy = getentropy,
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .pthread_create = pthread_create,
#if NATIVE_HAS_RWF
    .preadv2 = native__preadv2,
    .pwritev2 = native__pwritev2,
#endif
#if NATIVE_HAS_STATX
    .statx = statx,
#endif
#if NATIVE_HAS_PIPE2
    .pipe2 = pipe2,
#endif
#if NATIVE_HAS_ACCEPT4
    .accept4 = native__accept4,
#endif
#if NATIVE_HAS_EVENTFD
    .eventfd = eventfd,
#endif
#if NATIVE_HAS_EPOLL
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
#endif
};
