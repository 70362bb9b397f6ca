/* SPDX-License-Identifier: MIT */
/* ovcp's system calls on POSIX; ovcp_win32.c has the same functions. */
#define _XOPEN_SOURCE     700
#define _FILE_OFFSET_BITS 64
#include "ovcp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interruption; /* the signal's number */

static int error_of(int code) {
  switch (code) {
  case 0:
    return 0;
  case EACCES:
    return OVIO_EACCES;
  case EPERM:
    return OVIO_EPERM;
  case ENOENT:
    return OVIO_ENOENT;
  case EEXIST:
    return OVIO_EEXIST;
  case EISDIR:
    return OVIO_EISDIR;
  case ENOTDIR:
    return OVIO_ENOTDIR;
  case ENOTEMPTY:
    return OVIO_ENOTEMPTY;
  case ENAMETOOLONG:
    return OVIO_ENAMETOOLONG;
  case ELOOP:
    return OVIO_ELOOP;
  case EROFS:
    return OVIO_EROFS;
  case ENOSPC:
  case EDQUOT:
    return OVIO_ENOSPC;
  case EIO:
    return OVIO_EIO;
  case EMFILE:
  case ENFILE:
    return OVIO_EMFILE;
  case ENOMEM:
    return OVIO_ENOMEM;
  default:
    return OVIO_EUNKNOWN;
  }
}

static int outcome(int result) {
  return result < 0 ? error_of(errno) : 0;
}

int sys_begin(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  return 0;
}

int sys_end(int status) {
  if (interruption) {
    fflush(NULL);
    signal(interruption, SIG_DFL);
    raise(interruption);
  }
  return status;
}

static void note(int number) {
  interruption = number;
}

void sys_watch(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction old;
    /* Who is started with a signal ignored (nohup) goes on ignoring it. */
    if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
      sigaction(numbers[i], &action, NULL);
  }
}

bool sys_interrupted(void) {
  return interruption;
}

bool sys_terminal(void) {
  return isatty(STDERR_FILENO);
}

int64_t sys_clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

unsigned long sys_process(void) {
  return (unsigned long)getpid();
}

const char *sys_separators(void) {
  return "/";
}

size_t sys_root(const char *path) {
  return path[0] == '/';
}

static unsigned type_of(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return OVIO_TYPE_FILE;
  case S_IFDIR:
    return OVIO_TYPE_DIRECTORY;
  case S_IFLNK:
    return OVIO_TYPE_SYMLINK;
  default:
    return OVIO_TYPE_OTHER;
  }
}

static int64_t ns_of(struct timespec time) {
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int sys_look(const char *path, bool follow, struct ovio_stat *out) {
  struct stat stat;
  if (fstatat(AT_FDCWD, path, &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW))
    return error_of(errno);
  *out = (struct ovio_stat){
      .size = stat.st_size,
      .access_ns = ns_of(stat.st_atim),
      .modify_ns = ns_of(stat.st_mtim),
      .device = (uint64_t)stat.st_dev,
      .inode = (uint64_t)stat.st_ino,
      .type = type_of(stat.st_mode),
      .mode = (uint32_t)stat.st_mode & 07777,
  };
  return 0;
}

int sys_real_path(const char *path, char **real) {
  *real = realpath(path, NULL);
  return *real ? 0 : error_of(errno);
}

/* struct sys_folder is a DIR: there is nothing to add to it. */
static DIR *stream_of(struct sys_folder *folder) {
  return (DIR *)(void *)folder;
}

int sys_folder_open(struct sys_folder **folder, const char *path) {
  DIR *stream = opendir(path);
  *folder = (struct sys_folder *)(void *)stream;
  return stream ? 0 : error_of(errno);
}

int sys_folder_next(struct sys_folder *folder, const char **name) {
  struct dirent *entry;
  do {
    errno = 0;
    entry = readdir(stream_of(folder));
  } while (entry &&
           (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
  *name = entry ? entry->d_name : NULL;
  return entry ? 0 : error_of(errno);
}

void sys_folder_close(struct sys_folder *folder) {
  closedir(stream_of(folder));
}

int sys_folder_make(const char *path, const struct ovio_stat *source) {
  return outcome(mkdir(path, (source->mode & 0777) | S_IRWXU));
}

static struct timespec time_of(int64_t ns) {
  int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);
  return (struct timespec){
      .tv_sec = (time_t)seconds,
      .tv_nsec = (long)(ns - seconds * 1000000000),
  };
}

int sys_folder_finish(const char *path, const struct ovio_stat *source) {
  mode_t excess = S_IRWXU & ~source->mode;
  struct timespec times[2] = {time_of(source->access_ns),
                              time_of(source->modify_ns)};
  struct stat stat;
  int error = outcome(utimensat(AT_FDCWD, path, times, 0));
  if (!excess)
    return error;
  /* mkdir() has left out what the umask says, which stays so. */
  if (fstatat(AT_FDCWD, path, &stat, 0) ||
      chmod(path, stat.st_mode & 07777 & ~excess))
    return error_of(errno);
  return error;
}

int sys_link_copy(const char *from, const char *to) {
  size_t size = 256;
  char *text = NULL;
  ssize_t length;
  do {
    size *= 2;
    free(text);
    text = malloc(size);
    if (!text)
      return OVIO_ENOMEM;
    length = readlink(from, text, size);
  } while (length == (ssize_t)size);
  int error = outcome((int)length);
  if (!error) {
    text[length] = '\0';
    error = outcome(symlink(text, to));
  }
  free(text);
  return error;
}

int sys_replace(const char *from, const char *to) {
  return outcome(rename(from, to));
}

void sys_remove(const char *path) {
  unlink(path);
}
