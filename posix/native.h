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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>  /* renameat(2), renameatx_np(2) */
#include <stdlib.h> /* realpath(3) */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/file.h> /* flock(2) */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/random.h> /* getentropy(3) on macOS */
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mount.h> /* BLKGETSIZE64 */
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#if OVIO_URING
#include <liburing.h>
#define NATIVE_HAS_URING          1
/* Linux 6.14. Older headers lack it. */
#define NATIVE_URING_FEAT_RW_ATTR (1U << 16)
#endif
#elif defined(__FreeBSD__) || defined(__DragonFly__)
#include <sys/disk.h>
#endif
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) ||       \
    defined(__OpenBSD__) || defined(__DragonFly__) || OVIO_FAKE_KQUEUE
#include <sys/event.h>
#endif

/* ---- What this system has. Each condition is named here and only here. ----
 */

#if defined(__linux__)
#define NATIVE_HAS_EPOLL           1
#define NATIVE_HAS_EVENTFD         1
#define NATIVE_HAS_INOTIFY         1
#define NATIVE_HAS_STATX           1
#define NATIVE_HAS_RWF             1 /* preadv2(2), pwritev2(2) */
#define NATIVE_HAS_GETDENTS64      1
#define NATIVE_HAS_RENAMEAT2       1
#define NATIVE_HAS_OPENAT2         1
#define NATIVE_HAS_PROC_FD         1 /* /proc/self/fd/N is a link to the file */
#define NATIVE_HAS_COPY_FILE_RANGE 1
#endif

#if defined(__APPLE__)
#define NATIVE_HAS_RENAMEATX 1 /* renameatx_np(2) */
#define NATIVE_HAS_GETPATH   1 /* F_GETPATH */
#endif

/* A registration has 64 bits, and an event one pointer to keep it in. */
#if defined(EVFILT_READ) && UINTPTR_MAX > 0xffffffff
#define NATIVE_HAS_KQUEUE 1
#if defined(__NetBSD__)
#define NATIVE_KEVENT_COUNT size_t
#else
#define NATIVE_KEVENT_COUNT int
#endif
#endif

/* Since Linux 5.3 and 5.9; older kernels answer ENOSYS. */
#if defined(__linux__) && defined(SYS_pidfd_open) &&                           \
    defined(SYS_pidfd_send_signal)
#define NATIVE_HAS_PIDFD 1
#endif
#if defined(__linux__) && defined(SYS_close_range)
#define NATIVE_HAS_CLOSE_RANGE 1
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
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

/* renameat2(2), openat2(2); the headers came late to some C libraries. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#define NATIVE_RESOLVE_NO_MAGICLINKS 0x02
#define NATIVE_RESOLVE_BENEATH       0x08
struct native_open_how {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};

#if defined(F_OFD_SETLK)
#define NATIVE_HAS_OFD_LOCKS 1
#endif

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

/* Since Linux 6.13; older kernels answer EINVAL. */
#if defined(__linux__)
#define NATIVE_HAS_GUARD_INSTALL  1
#define NATIVE_MADV_GUARD_INSTALL 102
#endif
#if defined(MADV_NOHUGEPAGE)
#define NATIVE_HAS_NOHUGEPAGE 1
#endif
/* What gives private pages back: elsewhere MADV_DONTNEED is but a hint. */
#if defined(__linux__) || !defined(MADV_FREE)
#define NATIVE_MADV_TRIM MADV_DONTNEED
#else
#define NATIVE_MADV_TRIM MADV_FREE
#endif

#if defined(IOV_MAX)
#define NATIVE_IOV_MAX IOV_MAX
#else
#define NATIVE_IOV_MAX 1024
#endif

/* A dynamic library of macOS has no `environ`. */
#if defined(__APPLE__)
#include <crt_externs.h>
#define NATIVE_ENVIRONMENT (*_NSGetEnviron())
#else
extern char **environ;
#define NATIVE_ENVIRONMENT environ
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
  int (*fcntl_lock)(int fd, int command, struct flock *lock);
  int (*ioctl)(int fd, unsigned long request, void *argument);
  int (*fstat)(int fd, struct stat *out);
  int (*isatty)(int fd); /* 1 or 0 */
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
  pid_t (*fork)(void);
  int (*execve)(const char *path, char *const *arguments, char *const *environment);
  int (*dup2)(int from, int to);
  int (*chdir)(const char *path);
  char *(*getcwd)(char *out, size_t room);
  int (*waitid)(idtype_t kind, id_t id, siginfo_t *out, int options);
  int (*kill)(pid_t pid, int signal);
  int (*getentropy)(void *bytes, size_t length);
  void *(*mmap)(void *at, size_t length, int access, int flags, int fd, off_t offset);
  int (*munmap)(void *at, size_t length);
  int (*mprotect)(void *at, size_t length, int access);
  int (*madvise)(void *at, size_t length, int advice);
  int (*sched_yield)(void);
  int (*pthread_create)(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *),
      void *argument);
#if NATIVE_HAS_RWF
  /* Offset -1: at the file's own position. */
  ssize_t (*preadv2)(int fd, const struct iovec *iov, int count, off_t offset, int flags);
  ssize_t (*pwritev2)(int fd, const struct iovec *iov, int count, off_t offset, int flags);
#endif
  int (*mkdirat)(int dir, const char *path, mode_t mode);
  int (*unlinkat)(int dir, const char *path, int flags);
  int (*renameat)(int dir, const char *from, int to_dir, const char *to);
  int (*linkat)(int dir, const char *from, int to_dir, const char *to, int flags);
  int (*symlinkat)(const char *target, int dir, const char *path);
  ssize_t (*readlinkat)(int dir, const char *path, char *buffer, size_t length);
  char *(*realpath)(const char *path, char *buffer);
  int (*faccessat)(int dir, const char *path, int access, int flags);
  int (*fchmodat)(int dir, const char *path, mode_t mode, int flags);
  int (*utimensat)(int dir, const char *path, const struct timespec times[2], int flags);
#if NATIVE_HAS_GETDENTS64
  ssize_t (*getdents64)(int fd, void *buffer, size_t length);
#else
  DIR *(*fdopendir)(int fd);
  struct dirent *(*readdir)(DIR *stream);
#endif
#if NATIVE_HAS_RENAMEAT2
  int (*renameat2)(int dir, const char *from, int to_dir, const char *to, unsigned flags);
#endif
#if NATIVE_HAS_GETPATH
  int (*getpath)(int fd, char path[PATH_MAX]); /* F_GETPATH */
#endif
#if NATIVE_HAS_RENAMEATX
  int (*renameatx_np)(int dir, const char *from, int to_dir, const char *to, unsigned flags);
#endif
#if NATIVE_HAS_OPENAT2
  int (*openat2)(int dir, const char *path, const struct native_open_how *how);
#endif
#if NATIVE_HAS_COPY_FILE_RANGE
  ssize_t (*copy_file_range)(int from, int64_t *from_offset, int to,
      int64_t *to_offset, size_t length);
#endif
#if NATIVE_HAS_STATX
  int (*statx)(int dir, const char *path, int flags, unsigned mask, struct statx *out);
#endif
#if NATIVE_HAS_PIPE2
  int (*pipe2)(int fds[2], int flags);
#endif
#if NATIVE_HAS_PIDFD
  int (*pidfd_open)(pid_t pid, unsigned flags);
  int (*pidfd_send_signal)(int pidfd, int signal, siginfo_t *info, unsigned flags);
#endif
#if NATIVE_HAS_CLOSE_RANGE
  int (*close_range)(unsigned first, unsigned last, int flags);
#endif
#if NATIVE_HAS_ACCEPT4
  int (*accept4)(int fd, struct sockaddr *address, socklen_t *length, int flags);
#endif
#if NATIVE_HAS_EVENTFD
  int (*eventfd)(unsigned value, int flags);
#endif
#if NATIVE_HAS_INOTIFY
  int (*inotify_init1)(int flags);
  int (*inotify_add_watch)(int fd, const char *path, uint32_t mask);
  int (*inotify_rm_watch)(int fd, int wd);
#endif
#if NATIVE_HAS_EPOLL
  int (*epoll_create1)(int flags);
  int (*epoll_ctl)(int epoll, int operation, int fd, struct epoll_event *event);
  int (*epoll_wait)(int epoll, struct epoll_event *events, int max, int timeout_ms);
#endif
#if NATIVE_HAS_KQUEUE
  int (*kqueue)(void);
  int (*kevent)(int queue, const struct kevent *changes, int change_count, struct kevent *events,
      int event_count, const struct timespec *time);
#endif
#if NATIVE_HAS_URING
  /* liburing's: 0 or more, or -errno. */
  int (*io_uring_queue_init_params)(unsigned entries, struct io_uring *ring,
      struct io_uring_params *params);
  int (*io_uring_submit_and_get_events)(struct io_uring *ring);
  int (*io_uring_submit_and_wait_timeout)(struct io_uring *ring, struct io_uring_cqe **cqe,
      unsigned count, struct __kernel_timespec *time, sigset_t *mask);
  /* The system's: -1 and errno. */
  int (*io_uring_register)(int ring, unsigned operation, const void *argument, unsigned count);
#endif
};
/* clang-format on */

extern NATIVE_CONST struct native_calls native;

#endif
