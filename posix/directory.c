/* SPDX-License-Identifier: MIT */
/* Directories: getdents64(2); elsewhere readdir(3), into the same records. */
#include "posix/side.h"

#include <string.h>

/* As the kernel writes it (getdents(2)). */
struct record {
  uint64_t inode;
  int64_t position;
  uint16_t length; /* of the record, a multiple of 8 */
  uint8_t type;    /* DT_* */
  char name[];
};

static int directory__fd(const struct os_directory *directory) {
  return (int)directory->file->handle;
}

static struct record *directory__record(const struct os_directory *directory,
                                        size_t at) {
  return (struct record *)(void *)((char *)directory->buffer + at);
}

static uint32_t directory__type(uint8_t type) {
  switch (type) {
  case DT_REG:
    return OVIO_TYPE_FILE;
  case DT_DIR:
    return OVIO_TYPE_DIRECTORY;
  case DT_LNK:
    return OVIO_TYPE_SYMLINK;
  case DT_FIFO:
    return OVIO_TYPE_PIPE;
  case DT_SOCK:
    return OVIO_TYPE_SOCKET;
  case DT_CHR:
    return OVIO_TYPE_CHARACTER;
  case DT_BLK:
    return OVIO_TYPE_BLOCK;
  default:
    return OVIO_TYPE_OTHER;
  }
}

/* "All applications must properly handle a return of DT_UNKNOWN" (readdir(3)).
 * What is gone meanwhile stays unknown. */
static void directory__resolve(struct os_directory *directory) {
  struct stat stat;
  struct record *record;
  for (size_t at = 0; at < directory->used; at += record->length) {
    record = directory__record(directory, at);
    if (record->type == DT_UNKNOWN &&
        native.fstatat(directory__fd(directory), record->name, &stat,
                       AT_SYMLINK_NOFOLLOW) == 0)
      record->type = (uint8_t)((stat.st_mode & S_IFMT) >> 12); /* IFTODT(3) */
  }
}

#if NATIVE_HAS_GETDENTS64

/* Bytes, 0 or -1. */
static ssize_t directory__read(struct os_directory *directory) {
  int fd = directory__fd(directory);
  size_t length = directory->length < INT_MAX ? directory->length : INT_MAX;
  if (!directory->under_way && native.lseek(fd, 0, SEEK_SET) < 0)
    return -1;
  return native.getdents64(fd, directory->buffer, length);
}

static void directory__close(struct os_directory *directory) {
  (void)directory;
}

#else

/* A description of its own, which the stream will close. */
static int directory__open(struct os_directory *directory) {
  int fd = native.openat(directory__fd(directory), ".",
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  directory->stream = native.fdopendir(fd);
  if (directory->stream)
    return 0;
  int error = errno;
  native.close(fd);
  errno = error;
  return -1;
}

static size_t directory__store(struct os_directory *directory, size_t at,
                               const struct dirent *entry) {
  struct record *record = directory__record(directory, at);
  size_t length = strlen(entry->d_name) + 1;
  size_t whole = (offsetof(struct record, name) + length + 7) / 8 * 8;
  *record = (struct record){.inode = (uint64_t)entry->d_ino,
                            .length = (uint16_t)whole,
                            .type = entry->d_type};
  memcpy(record->name, entry->d_name, length);
  return whole;
}

static ssize_t directory__read(struct os_directory *directory) {
  const size_t longest = sizeof(struct record) + OS_NAME_MAX;
  size_t used = 0;
  if (!directory->stream && directory__open(directory) < 0)
    return -1;
  if (!directory->under_way)
    rewinddir(directory->stream);
  while (directory->length - used >= longest) {
    errno = 0;
    struct dirent *entry = native.readdir(directory->stream);
    if (!entry)
      return errno && used == 0 ? -1 : (ssize_t)used;
    used += directory__store(directory, used, entry);
  }
  return (ssize_t)used;
}

static void directory__close(struct os_directory *directory) {
  if (directory->stream)
    closedir(directory->stream);
  directory->stream = NULL;
}

#endif

struct os_result os_directory_fill(struct os_directory *directory) {
  ssize_t got = directory__read(directory);
  directory->at = 0;
  directory->used = got > 0 ? (size_t)got : 0;
  /* A directory that has been removed. */
  if (got < 0 && errno != ENOENT)
    return native_failure(errno);
  directory->under_way = true;
  directory__resolve(directory);
  return (struct os_result){got > 0, 0};
}

int os_directory_next(struct os_directory *directory, struct ovio_entry *out,
                      char name[OS_NAME_MAX]) {
  (void)name; /* it stands in the record */
  if (directory->at >= directory->used)
    return 0;
  const struct record *record = directory__record(directory, directory->at);
  directory->at += record->length;
  *out = (struct ovio_entry){.name = record->name,
                             .inode = record->inode,
                             .type = directory__type(record->type)};
  return 1;
}

void os_directory_end(struct os_directory *directory) {
  directory__close(directory);
}
