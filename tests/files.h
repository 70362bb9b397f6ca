/* SPDX-License-Identifier: MIT */
/* The ways in which a test gets a file: made by us or adopted, overlapped or
 * not. Each way must answer alike. */
#ifndef OVIO_TESTS_FILES_H
#define OVIO_TESTS_FILES_H

#include "support.h"

enum form {
  FORM_OWN,
  FORM_BLOCKING,           /* our own, never overlapped */
  FORM_ADOPTED,            /* a synchronous handle */
  FORM_ADOPTED_OVERLAPPED, /* differs from FORM_ADOPTED on Windows */
  FORM_COUNT
};

/* Opens an existing file for reading and writing. */
static inline int files_open(struct ovio_file *file, const char *path,
                             enum form form) {
  unsigned flags = OVIO_READ | OVIO_WRITE;
  if (form == FORM_OWN)
    return ovio_open(file, path, flags, 0);
  if (form == FORM_BLOCKING)
    return ovio_open(file, path, flags | OVIO_BLOCKING, 0);
  ovio_handle handle =
      test_open_handle(path, true, form == FORM_ADOPTED_OVERLAPPED);
  return handle == OVIO_NO_HANDLE ? OVIO_EUNKNOWN
                                  : ovio_adopt(file, handle, flags);
}

/* A new, empty file of our own. */
static inline int files_make(struct ovio_file *file, const char *name,
                             unsigned more) {
  return ovio_open(file, test_path(name),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE | more,
                   0600);
}

/* Bytes that differ from place to place, without a period that a block size
 * could hide. */
static inline unsigned char files_byte(int64_t offset) {
  uint64_t mixed = (uint64_t)offset * UINT64_C(0x9e3779b97f4a7c15);
  return (unsigned char)(mixed >> 56);
}

static inline void files_fill(void *buffer, size_t length, int64_t offset) {
  for (size_t at = 0; at < length; at++)
    ((unsigned char *)buffer)[at] = files_byte(offset + (int64_t)at);
}

/* Are these the bytes that belong at `offset`? */
static inline bool files_match(const void *buffer, size_t length,
                               int64_t offset) {
  for (size_t at = 0; at < length; at++) {
    if (((const unsigned char *)buffer)[at] != files_byte(offset + (int64_t)at))
      return false;
  }
  return true;
}

/* The path now holds `length` of those bytes. */
static inline bool files_put(const char *path, size_t length) {
  void *bytes = malloc(length ? length : 1);
  if (!bytes)
    return false;
  files_fill(bytes, length, 0);
  bool fine = test_put(path, bytes, length);
  free(bytes);
  return fine;
}

/* A second party, in the mode's own kind: a task, or a thread. */
struct partner {
  struct test *test;
  struct ovio_group group;
  struct os_thread thread;
};

static inline int partner_start(struct partner *partner, struct test *test,
                                void (*body)(void *), void *argument) {
  partner->test = test;
  if (!test->loop)
    return os_thread_start(&partner->thread, body, argument);
  ovio_group_init(&partner->group);
  return ovio_group_spawn(&partner->group, test->loop, body, argument);
}

static inline void partner_end(struct partner *partner) {
  if (partner->test->loop)
    ovio_group_wait(&partner->group);
  else
    os_thread_join(&partner->thread);
}

#endif
