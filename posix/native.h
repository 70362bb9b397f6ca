/* SPDX-License-Identifier: MIT */
/* The system's headers, what this system has, and the table of its calls. */
#ifndef OVIO_POSIX_NATIVE_H
#define OVIO_POSIX_NATIVE_H

/* What the system's headers are to show. Before any of them. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#define _XOPEN_SOURCE    700 /* else <ucontext.h> refuses */
#endif
#if defined(__NetBSD__)
#define _NETBSD_SOURCE 1
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/file.h> /* flock(2) */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/random.h> /* getentropy(3) on macOS */
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h> /* BLKGETSIZE64 */
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#elif defined(__FreeBSD__) || defined(__DragonFly__)
#include <sys/disk.h>
#endif

/* ---- What this system has. Each condition is named here and only here. ----
 */

#if defined(__linux__)
#define NATIVE_HAS_EPOLL   1
#define NATIVE_HAS_EVENTFD 1
#define NATIVE_HAS_STATX   1
#define NATIVE_HAS_RWF     1 /* preadv2(2), pwritev2(2) */
#endif

#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__)
#define NATIVE_HAS_FADVISE 1
#endif

#if !defined(__APPLE__)
#define NATIVE_HAS_PIPE2 1
#endif

#if !defined(__APPLE__) && !defined(__OpenBSD__)
#define NATIVE_HAS_SIGTIMEDWAIT   1
#define NATIVE_HAS_ABSOLUTE_SLEEP 1
#endif

#if !defined(__APPLE__)
#define NATIVE_HAS_ACCEPT4 1
#endif

/* The modes of a new socket, where socket(2) and accept4(2) take them. */
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
#define NATIVE_SOCK_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#else
#define NATIVE_SOCK_FLAGS 0
#endif

/* Messages: what a read leaves of one must stay (SO_PEEK_OFF, socket(7)). */
#if defined(SO_PEEK_OFF) && defined(SOCK_SEQPACKET)
#define NATIVE_SOCK_MESSAGE SOCK_SEQPACKET
#endif

/* Since Linux 4.14, for pipes since 6.4. */
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif
/* Since Linux 6.18. */
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

/* Since Linux 6.1; the two fields have been at these places since then, and
 * were spare ones before. */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x00002000U
#endif
#define NATIVE_STATX_DIO_MEM_ALIGN    0x98
#define NATIVE_STATX_DIO_OFFSET_ALIGN 0x9c

/* 0: sending to a socket may raise SIGPIPE, as writing to a pipe. */
#if defined(MSG_NOSIGNAL)
#define NATIVE_MSG_NOSIGNAL MSG_NOSIGNAL
#else
#define NATIVE_MSG_NOSIGNAL 0
#endif

/* 0: not as a flag of open(2), if at all. */
#if defined(O_DIRECT)
#define NATIVE_O_DIRECT O_DIRECT
#else
#define NATIVE_O_DIRECT 0
#endif

/* FreeBSD's MAP_STACK grows the mapping by itself, and brings its own guard. */
#if defined(MAP_STACK) && !defined(__FreeBSD__) && !defined(__DragonFly__)
#define NATIVE_MAP_STACK MAP_STACK
#else
#define NATIVE_MAP_STACK 0
#endif
#if defined(MAP_NORESERVE)
#define NATIVE_MAP_NORESERVE MAP_NORESERVE
#else
#define NATIVE_MAP_NORESERVE 0
#endif

#if defined(IOV_MAX)
#define NATIVE_IOV_MAX IOV_MAX
#else
#define NATIVE_IOV_MAX 1024
#endif

/* The struct timespec of a struct stat: which is `a`, `m` or `c`. */
#if defined(__APPLE__)
#define NATIVE_STAT_TIME(stat, which) ((stat)->st_##which##timespec)
#else
#define NATIVE_STAT_TIME(stat, which) ((stat)->st_##which##tim)
#endif
#if defined(__APPLE__)
#define NATIVE_STAT_BIRTH(stat) ((stat)->st_birthtimespec)
#elif defined(__FreeBSD__) || defined(__NetBSD__)
#define NATIVE_STAT_BIRTH(stat) ((stat)->st_birthtim)
#endif

/* ---- The calls that can fail, each replaceable by a test. ---- */

#ifdef OVIO_TESTING
#define NATIVE_CONST
#else
#define NATIVE_CONST const
#endif

/* As in their manual pages: -1 and errno, unless it says otherwise. */
/* clang-format off */
struct native_calls {
  int (*openat)(int dir, const char *path, int flags, mode_t mode);
  int (*close)(int fd);
  int (*fcntl)(int fd, int command, int argument);
  int (*ioctl)(int fd, unsigned long request, void *argument);
  int (*fstat)(int fd, struct stat *out);
  int (*fstatat)(int dir, const char *path, struct stat *out, int flags);
  off_t (*lseek)(int fd, off_t offset, int whence);
  ssize_t (*pread)(int fd, void *buffer, size_t length, off_t offset);
  ssize_t (*pwrite)(int fd, const void *buffer, size_t length, off_t offset);
  ssize_t (*preadv)(int fd, const struct iovec *iov, int count, off_t offset);
  ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t offset);
  ssize_t (*read)(int fd, void *buffer, size_t length);
  ssize_t (*write)(int fd, const void *buffer, size_t length);
  ssize_t (*readv)(int fd, const struct iovec *iov, int count);
  ssize_t (*writev)(int fd, const struct iovec *iov, int count);
  ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
  ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
  int (*socket)(int family, int type, int protocol);
  int (*bind)(int fd, const struct sockaddr *address, socklen_t length);
  int (*listen)(int fd, int backlog);
  int (*accept)(int fd, struct sockaddr *address, socklen_t *length);
  int (*connect)(int fd, const struct sockaddr *address, socklen_t length);
  int (*shutdown)(int fd, int how);
  int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t length);
  int (*mkdir)(const char *path, mode_t mode);
  int (*unlink)(const char *path);
  int (*chmod)(const char *path, mode_t mode);
  int (*fchmod)(int fd, mode_t mode);
  int (*flock)(int fd, int operation);
  int (*poll)(struct pollfd *set, nfds_t count, int timeout_ms);
  int (*fsync)(int fd);
  int (*fdatasync)(int fd);
  int (*ftruncate)(int fd, off_t size);
  int (*futimens)(int fd, const struct timespec times[2]);
  int (*pipe)(int fds[2]);
  int (*getentropy)(void *bytes, size_t length);
  void *(*mmap)(void *at, size_t length, int access, int flags, int fd, off_t);
  int (*munmap)(void *at, size_t length);
  int (*mprotect)(void *at, size_t length, int access);
  int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
#if NATIVE_HAS_RWF
  /* At the file's own position: the offset is -1. */
  ssize_t (*preadv2)(int fd, const struct iovec *iov, int count, int flags);
  ssize_t (*pwritev2)(int fd, const struct iovec *iov, int count, int flags);
#endif
#if NATIVE_HAS_STATX
  int (*statx)(int dir, const char *path, int flags, unsigned mask, struct statx *out);
#endif
#if NATIVE_HAS_PIPE2
  int (*pipe2)(int fds[2], int flags);
#endif
#if NATIVE_HAS_ACCEPT4
  int (*accept4)(int fd, struct sockaddr *address, socklen_t *length, int flags);
#endif
#if NATIVE_HAS_EVENTFD
  int (*eventfd)(unsigned value, int flags);
#endif
#if NATIVE_HAS_EPOLL
  int (*epoll_create1)(int flags);
  int (*epoll_ctl)(int epoll, int operation, int fd, struct epoll_event *event);
  int (*epoll_wait)(int epoll, struct epoll_event *events, int max, int timeout_ms);
#endif
};
/* clang-format on */

extern NATIVE_CONST struct native_calls native;

#endif
