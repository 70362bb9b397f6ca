/* SPDX-License-Identifier: MIT */
/* Pipes: pipe2(2), and sockets with a name in the file system.
 *
 * O_NONBLOCK belongs to the description. The two ends have one each, so our end
 * may have it while the other program's has not.
 *
 * NAMES. A plain name is a socket in a folder that nobody but this user can
 * enter; a path is taken as it is. The socket has the mode 0600 before the
 * first connect(2) can succeed. Who ends without a close leaves it behind:
 * nobody answers there, and the next listener takes it away. That is done under
 * a lock of the folder; else two that begin at once would take each other's
 * away.
 *
 * MESSAGES are SOCK_SEQPACKET, for reading see file.c. */
#include "posix/side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static int pipe__open(int fds[2]) {
#if NATIVE_HAS_PIPE2
  return native.pipe2(fds, O_CLOEXEC);
#else
  if (native.pipe(fds) < 0)
    return -1;
  /* A fork() of another thread in between is a leak that this system leaves. */
  native.fcntl(fds[0], F_SETFD, FD_CLOEXEC);
  native.fcntl(fds[1], F_SETFD, FD_CLOEXEC);
  return 0;
#endif
}

static struct os_result pipe__prepare(struct os_file *end, int fd,
                                      unsigned flags) {
  if ((flags & OVIO_INHERIT) && native.fcntl(fd, F_SETFD, 0) < 0)
    return native_failure(errno);
  if (!(flags & OVIO_BLOCKING) && native.fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
    return native_failure(errno);
  return os_file_adopt(end, fd, flags);
}

struct os_result os_pipe_create(struct os_file ends[2],
                                const unsigned flags[2]) {
  int fds[2];
  if (pipe__open(fds) < 0)
    return native_failure(errno);
  struct os_result result = pipe__prepare(&ends[0], fds[0], flags[0]);
  if (result.value == 0)
    result = pipe__prepare(&ends[1], fds[1], flags[1]);
  if (result.value == 0) {
    ends[0].traits |= OS_TRAIT_READ_END;
  } else {
    native.close(fds[0]);
    native.close(fds[1]);
  }
  return result;
}

/* ---- names ---- */

/* A folder of this user's alone. 0 or an errno. */
static int pipe__check_private(const char *folder) {
  struct stat stat;
  if (native.fstatat(AT_FDCWD, folder, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return errno;
  bool fine = S_ISDIR(stat.st_mode) && stat.st_uid == geteuid() &&
              (stat.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  return fine ? 0 : EACCES;
}

/* Where plain names live: 0 or an errno. */
static int pipe__folder(char *folder, size_t room, bool make) {
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  if (runtime && runtime[0] == '/' && strlen(runtime) < room &&
      pipe__check_private(runtime) == 0) {
    memcpy(folder, runtime, strlen(runtime) + 1);
    return 0;
  }
  (void)snprintf(folder, room, "/tmp/ovio-%lu", (unsigned long)geteuid());
  if (make && native.mkdir(folder, S_IRWXU) < 0 && errno != EEXIST)
    return errno;
  return pipe__check_private(folder);
}

static bool pipe__is_plain(const char *name) {
  return !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") != 0 &&
         strcmp(name, "..") != 0;
}

/* 0 or an errno. `make`: the folder of plain names, if need be. */
static int pipe__address(struct sockaddr_un *address, const char *name,
                         bool make) {
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  size_t used = 0;
  if (name[0] != '/') {
    if (!pipe__is_plain(name))
      return EINVAL;
    int error =
        pipe__folder(address->sun_path, sizeof(address->sun_path) - 1, make);
    if (error)
      return error;
    used = strlen(address->sun_path);
    address->sun_path[used++] = '/';
  }
  size_t length = strlen(name);
  if (length >= sizeof(address->sun_path) - used)
    return ENAMETOOLONG;
  memcpy(address->sun_path + used, name, length + 1);
  return 0;
}

/* ---- sockets ---- */

static int pipe__type(unsigned flags) {
  if (!(flags & OVIO_MESSAGE))
    return SOCK_STREAM;
#if defined(NATIVE_SOCK_MESSAGE)
  return NATIVE_SOCK_MESSAGE;
#else
  return -1;
#endif
}

/* Makes a socket not wait, and not for children; 0 or an errno. */
static int pipe__set_modes(int fd) {
  if (NATIVE_SOCK_FLAGS != 0)
    return 0;
  if (native.fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
      native.fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
    return errno;
  return 0;
}

/* A descriptor, or OVIO_*. */
static struct os_result pipe__socket(int type) {
  if (type < 0)
    return (struct os_result){OVIO_ENOTSUP, 0};
  int fd = native.socket(AF_UNIX, type | NATIVE_SOCK_FLAGS, 0);
  int error = fd < 0 ? errno : pipe__set_modes(fd);
  if (!error)
    return (struct os_result){fd, 0};
  if (fd >= 0)
    native.close(fd);
  return native_failure(error);
}

static int pipe__connect(int fd, const struct sockaddr_un *address) {
  int failed;
  do
    failed = native.connect(fd, (const struct sockaddr *)(const void *)address,
                            sizeof(*address));
  while (failed && errno == EINTR);
  return failed ? errno : 0;
}

/* A connected socket as a file. */
static struct os_result pipe__take(struct os_file *file, int fd,
                                   bool messages) {
  struct os_result result = os_file_adopt(file, fd, OVIO_READ | OVIO_WRITE);
#if defined(NATIVE_SOCK_MESSAGE)
  int start = 0;
  if (result.value == 0 && messages &&
      native.setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start)) < 0)
    result = native_failure(errno);
#endif
  if (messages)
    file->traits |= OS_TRAIT_MESSAGE;
  if (result.value < 0)
    native.close(fd);
  return result;
}

/* ---- listening ---- */

/* What a close has to take away. */
struct os_listener {
  dev_t device;
  ino_t inode;
  struct sockaddr_un address;
};

/* Whether the socket there is a listener's that has gone. A datagram socket
 * asks: it is refused in any case, and a listener does not hear of it. */
static bool pipe__is_stale(const struct sockaddr_un *address) {
  struct stat stat;
  if (native.fstatat(AT_FDCWD, address->sun_path, &stat, AT_SYMLINK_NOFOLLOW) <
          0 ||
      !S_ISSOCK(stat.st_mode))
    return false;
  struct os_result probe = pipe__socket(SOCK_DGRAM);
  if (probe.value < 0)
    return false;
  int error = pipe__connect((int)probe.value, address);
  native.close((int)probe.value);
  return error == ECONNREFUSED;
}

static int pipe__bind_once(int fd, const struct sockaddr_un *address) {
  return native.bind(fd, (const struct sockaddr *)(const void *)address,
                     sizeof(*address)) < 0
             ? errno
             : 0;
}

/* 0 or an errno; EAGAIN: another one has the lock of the folder. */
static int pipe__bind_again(int fd, const struct sockaddr_un *address) {
  struct sockaddr_un folder = *address;
  strrchr(folder.sun_path, '/')[1] = 0;
  int lock = native.openat(AT_FDCWD, folder.sun_path,
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (lock < 0)
    return errno;
  int error = native.flock(lock, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
  if (!error && pipe__is_stale(address))
    error = native.unlink(address->sun_path) < 0 && errno != ENOENT ? errno : 0;
  if (!error)
    error = pipe__bind_once(fd, address);
  native.close(lock);
  return error;
}

/* Nobody can connect before listen(2): then the mode is right. */
static int pipe__listen(int fd, struct os_listener *listener) {
  const struct sockaddr_un *address = &listener->address;
  const mode_t mode = S_IRUSR | S_IWUSR;
  /* Linux makes the socket in the file system of this mode. */
  (void)native.fchmod(fd, mode);
  int error = pipe__bind_once(fd, address);
  if (error == EADDRINUSE)
    error = pipe__bind_again(fd, address);
  if (error)
    return error;
  struct stat stat;
  if (native.fstatat(AT_FDCWD, address->sun_path, &stat, AT_SYMLINK_NOFOLLOW) ==
          0 &&
      ((stat.st_mode & 07777) == mode ||
       native.chmod(address->sun_path, mode) == 0) &&
      native.listen(fd, SOMAXCONN) == 0) {
    listener->device = stat.st_dev;
    listener->inode = stat.st_ino;
    return 0;
  }
  error = errno;
  native.unlink(address->sun_path);
  return error;
}

/* Sets `address` up before anything exists. */
static struct os_result pipe__begin_listening(struct os_file *file,
                                              struct os_listener *listener,
                                              unsigned flags) {
  struct os_result made = pipe__socket(pipe__type(flags));
  if (made.value < 0)
    return made;
  int fd = (int)made.value;
  int error = pipe__listen(fd, listener);
  if (error) {
    native.close(fd);
    struct os_result result = native_failure(error);
    if (error == EADDRINUSE)
      result.value = OVIO_EEXIST;
    else if (error == EWOULDBLOCK)
      result.value = OVIO_EBUSY;
    return result;
  }
  *file = (struct os_file){
      .handle = fd,
      .kind = OS_KIND_STREAM,
      .traits = OS_TRAIT_SOCKET | OS_TRAIT_NONBLOCK | OS_TRAIT_PORTABLE |
                OS_TRAIT_LISTENER |
                (flags & OVIO_MESSAGE ? (unsigned)OS_TRAIT_MESSAGE : 0u),
      .alignment = 1,
      .listener = listener};
  return (struct os_result){0, 0};
}

struct os_result os_pipe_listen(struct os_file *file, const char *name,
                                unsigned flags) {
  struct os_listener *listener = memory_allocate(sizeof(*listener));
  if (!listener)
    return (struct os_result){OVIO_ENOMEM, 0};
  int error = pipe__address(&listener->address, name, true);
  struct os_result result = error
                                ? native_failure(error)
                                : pipe__begin_listening(file, listener, flags);
  if (result.value < 0)
    memory_free(listener);
  return result;
}

void native_listener_end(struct os_file *file, bool unlink) {
  struct os_listener *listener = file->listener;
  struct stat stat;
  if (!listener)
    return;
  const char *path = listener->address.sun_path;
  /* While it still listens: nobody takes its place in between. */
  if (unlink &&
      native.fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
      stat.st_dev == listener->device && stat.st_ino == listener->inode)
    native.unlink(path);
  memory_free(listener);
  file->listener = NULL;
}

/* ---- accepting and connecting ---- */

static int pipe__accept(int fd) {
#if NATIVE_HAS_ACCEPT4
  return native.accept4(fd, NULL, NULL, NATIVE_SOCK_FLAGS);
#else
  int client = native.accept(fd, NULL, NULL);
  if (client < 0)
    return client;
  int error = pipe__set_modes(client);
  if (!error)
    return client;
  native.close(client);
  errno = error;
  return -1;
#endif
}

struct os_result native_attempt_accept(const struct os_file *listener) {
  int client;
  /* ECONNABORTED: that client has gone already, see accept(2). */
  do
    client = pipe__accept((int)listener->handle);
  while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
  return client < 0 ? native_failure(errno) : (struct os_result){client, 0};
}

struct os_result os_pipe_accept_now(const struct os_file *listener,
                                    struct os_waiter *waiter) {
  struct native_wakeup *wakeup =
      waiter ? (struct native_wakeup *)(void *)waiter->words : NULL;
  for (;;) {
    int error = native_await((int)listener->handle, false, wakeup, -1);
    if (error)
      return native_failure(error);
    struct os_result result = native_attempt_accept(listener);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
  }
}

struct os_result os_pipe_take(struct os_file *listener, struct os_file *file,
                              int64_t value) {
  return pipe__take(file, (int)value,
                    (listener->traits & OS_TRAIT_MESSAGE) != 0);
}

struct os_result os_pipe_connect(struct os_file *file, const char *name,
                                 unsigned flags) {
  struct sockaddr_un address;
  int error = pipe__address(&address, name, false);
  if (error)
    return native_failure(error);
  struct os_result made = pipe__socket(pipe__type(flags));
  if (made.value < 0)
    return made;
  error = pipe__connect((int)made.value, &address);
  if (!error)
    return pipe__take(file, (int)made.value, (flags & OVIO_MESSAGE) != 0);
  native.close((int)made.value);
  struct os_result result = native_failure(error);
  if (error == ECONNREFUSED)
    result.value = OVIO_ENOENT; /* what a listener has left behind */
  else if (error == EAGAIN)
    result.value = OVIO_EBUSY; /* too many wait there, see connect(2) */
  return result;
}

struct os_result os_pipe_shutdown(const struct os_file *file) {
  if (!(file->traits & OS_TRAIT_SOCKET))
    return (struct os_result){OVIO_ENOTSUP, 0};
  return native.shutdown((int)file->handle, SHUT_WR) < 0
             ? native_failure(errno)
             : (struct os_result){0, 0};
}
