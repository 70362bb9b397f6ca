/* SPDX-License-Identifier: MIT */
/* Names in directories: the *at calls. */
#include "posix/side.h"

#include <string.h>

static int name__dir(const struct os_name *name) {
  return name->dir ? (int)name->dir->handle : AT_FDCWD;
}

static struct os_result name__answer(int failed) {
  return failed ? native_failure(errno) : (struct os_result){0, 0};
}

/* Is it a directory, or what else does stat(2) say? */
static bool name__is(const struct os_name *name, mode_t type) {
  struct stat stat;
  return native.fstatat(name__dir(name), name->path, &stat,
                        AT_SYMLINK_NOFOLLOW) == 0 &&
         (stat.st_mode & S_IFMT) == type;
}

/* ---- making and removing ---- */

/* EMLINK is the table's name for a refused link of open(2); here it says that
 * there is no room for one more name. */
static struct os_result name__made(int failed) {
  struct os_result result = name__answer(failed);
  if (failed && result.native == EMLINK)
    result.value = OVIO_ENOSPC;
  return result;
}

struct os_result os_name_make_directory(const struct os_name *name,
                                        unsigned mode) {
  return name__made(native.mkdirat(name__dir(name), name->path, (mode_t)mode));
}

struct os_result os_name_remove(const struct os_name *name, bool directory) {
  int failed = native.unlinkat(name__dir(name), name->path,
                               directory ? AT_REMOVEDIR : 0);
  struct os_result result = name__answer(failed);
  /* POSIX's and the BSDs' unlink(2), and rmdir(2) of some. */
  if (result.native == EPERM && !directory && name__is(name, S_IFDIR))
    result.value = OVIO_EISDIR;
  if (result.native == EEXIST && directory)
    result.value = OVIO_ENOTEMPTY;
  return result;
}

/* ---- renaming ---- */

/* Answers of systems and file systems that do not know the flag. */
static bool name__is_unknown(int error) {
  return error == ENOSYS || error == EINVAL || error == ENOTSUP ||
         error == EOPNOTSUPP || error == EPERM;
}

/* Never replaces: -1 and ENOSYS where there is no such call. */
static int name__rename_new(const struct os_name *from,
                            const struct os_name *to) {
#if NATIVE_HAS_RENAMEAT2
  return native.renameat2(name__dir(from), from->path, name__dir(to), to->path,
                          RENAME_NOREPLACE);
#elif NATIVE_HAS_RENAMEATX
  return native.renameatx_np(name__dir(from), from->path, name__dir(to),
                             to->path, RENAME_EXCL);
#else
  (void)from;
  (void)to;
  errno = ENOSYS;
  return -1;
#endif
}

static int name__rename(const struct os_name *from, const struct os_name *to) {
  return native.renameat(name__dir(from), from->path, name__dir(to), to->path);
}

/* An empty directory takes the name, and is replaced. */
static int name__rename_directory(const struct os_name *from,
                                  const struct os_name *to) {
  if (native.mkdirat(name__dir(to), to->path, 0700) < 0)
    return -1;
  if (name__rename(from, to) == 0)
    return 0;
  int error = errno;
  native.unlinkat(name__dir(to), to->path, AT_REMOVEDIR);
  errno = error;
  return -1;
}

/* The second name is what fails if it exists; then the first one goes. */
static int name__rename_by_link(const struct os_name *from,
                                const struct os_name *to) {
  if (native.linkat(name__dir(from), from->path, name__dir(to), to->path, 0) <
      0)
    return -1;
  if (native.unlinkat(name__dir(from), from->path, 0) == 0)
    return 0;
  int error = errno;
  native.unlinkat(name__dir(to), to->path, 0);
  errno = error;
  return -1;
}

static int name__rename_exclusive(const struct os_name *from,
                                  const struct os_name *to) {
  if (name__rename_new(from, to) == 0)
    return 0;
  if (!name__is_unknown(errno))
    return -1;
  return name__is(from, S_IFDIR) ? name__rename_directory(from, to)
                                 : name__rename_by_link(from, to);
}

struct os_result os_name_rename(const struct os_name *from,
                                const struct os_name *to, bool exclusive) {
  if (exclusive)
    return name__made(name__rename_exclusive(from, to));
  struct os_result result = name__made(name__rename(from, to));
  if (result.native == EEXIST) /* as POSIX allows */
    result.value = OVIO_ENOTEMPTY;
  return result;
}

struct os_result os_name_link(const struct os_name *from,
                              const struct os_name *to) {
  struct os_result result = name__made(
      native.linkat(name__dir(from), from->path, name__dir(to), to->path, 0));
  /* macOS says EACCES or EPERM of a directory. */
  if (result.value == OVIO_EACCES && name__is(from, S_IFDIR))
    result.value = OVIO_EPERM;
  return result;
}

/* ---- symbolic links and real paths ---- */

struct os_result os_name_symlink(const char *target, const struct os_name *name,
                                 bool directory) {
  (void)directory;
  return name__made(native.symlinkat(target, name__dir(name), name->path));
}

/* Ends the text; a full buffer may mean that it has been cut. */
static struct os_result name__text(ssize_t used, char *buffer, size_t length) {
  if (used < 0)
    return native_failure(errno);
  if ((size_t)used >= length)
    return (struct os_result){OVIO_EOVERFLOW, 0};
  buffer[used] = '\0';
  return (struct os_result){used, 0};
}

struct os_result os_name_read_link(const struct os_name *name, char *buffer,
                                   size_t length) {
  ssize_t used = native.readlinkat(name__dir(name), name->path, buffer, length);
  return name__text(used, buffer, length);
}

/* The path of an open file. */
static struct os_result name__of_descriptor(int fd, char *buffer,
                                            size_t length) {
#if NATIVE_HAS_PROC_FD
  char link[64];
  (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return name__text(native.readlinkat(AT_FDCWD, link, buffer, length), buffer,
                    length);
#elif NATIVE_HAS_GETPATH
  char path[PATH_MAX];
  if (native.getpath(fd, path) < 0)
    return native_failure(errno);
  size_t used = strlen(path);
  memcpy(buffer, path, used < length ? used : length);
  return name__text((ssize_t)used, buffer, length);
#else
  (void)fd;
  (void)buffer;
  (void)length;
  return (struct os_result){OVIO_ENOTSUP, 0};
#endif
}

#if defined(O_PATH)
#define NAME_ONLY O_PATH /* needs no right to read, and waits for no FIFO */
#else
#define NAME_ONLY (O_RDONLY | O_NONBLOCK)
#endif

static struct os_result name__resolve_in(const struct os_name *name,
                                         char *buffer, size_t length) {
  int fd = native.openat(name__dir(name), name->path, NAME_ONLY | O_CLOEXEC, 0);
  if (fd < 0)
    return native_failure(errno);
  struct os_result result = name__of_descriptor(fd, buffer, length);
  native.close(fd);
  return result;
}

struct os_result os_name_resolve(const struct os_name *name, char *buffer,
                                 size_t length) {
  if (name->dir && !os_path_is_absolute(name->path))
    return name__resolve_in(name, buffer, length);
  char path[PATH_MAX];
  if (!native.realpath(name->path, path))
    return native_failure(errno);
  size_t used = strlen(path);
  memcpy(buffer, path, used < length ? used : length);
  return name__text((ssize_t)used, buffer, length);
}

/* ---- looking and changing ---- */

struct os_result os_name_stat(const struct os_name *name, bool follow,
                              struct ovio_stat *out) {
  return native_stat(name__dir(name), name->path,
                     follow ? 0 : AT_SYMLINK_NOFOLLOW, out);
}

struct os_result os_name_access(const struct os_name *name, unsigned flags) {
  int access = F_OK;
  if (flags & OVIO_READ)
    access |= R_OK;
  if (flags & OVIO_WRITE)
    access |= W_OK;
  return name__answer(
      native.faccessat(name__dir(name), name->path, access, AT_EACCESS));
}

struct os_result os_name_set_mode(const struct os_name *name, unsigned mode) {
  return name__answer(
      native.fchmodat(name__dir(name), name->path, (mode_t)mode, 0));
}

struct os_result os_name_set_mode_of(const struct os_file *file,
                                     unsigned mode) {
  return name__answer(native.fchmod((int)file->handle, (mode_t)mode));
}

struct os_result os_name_set_times(const struct os_name *name,
                                   int64_t access_ns, int64_t modify_ns) {
  struct timespec times[2] = {native_timespec(access_ns),
                              native_timespec(modify_ns)};
  return name__answer(native.utimensat(name__dir(name), name->path, times, 0));
}

/* A set-user-ID program does not believe its caller's environment. */
static const char *name__environment(const char *key) {
#if defined(__GLIBC__)
  return secure_getenv(key);
#else
  return getuid() == geteuid() && getgid() == getegid() ? getenv(key) : NULL;
#endif
}

struct os_result os_name_temporary(char *buffer, size_t length) {
  const char *path = name__environment("TMPDIR");
  if (!path || !*path)
    path = "/tmp";
  size_t used = strlen(path);
  while (used > 1 && path[used - 1] == '/')
    used--;
  memcpy(buffer, path, used < length ? used : length);
  return name__text((ssize_t)used, buffer, length);
}
