/* SPDX-License-Identifier: MIT */
/* What a test program does when it is started as a child of itself:
 *
 *   PROGRAM child VERB ARGUMENT... */
#ifndef OVIO_TESTS_CHILDREN_H
#define OVIO_TESTS_CHILDREN_H

#include "scene.h"

static inline bool child_open(struct ovio_file *file, int at) {
  return ovio_adopt(file, test_standard(at),
                    (at == 0 ? OVIO_READ : OVIO_WRITE) | OVIO_BLOCKING) == 0;
}

static inline bool child_put(int at, const char *bytes, size_t length) {
  struct ovio_file file;
  if (!child_open(&file, at))
    return false;
  bool fine = ovio_write(&file, bytes, length, OVIO_HERE) == (int64_t)length;
  ovio_release(&file);
  return fine;
}

static inline bool child_say(int at, const char *text) {
  return child_put(at, text, strlen(text));
}

/* Input to output, until the end. */
static inline int child_echo(void) {
  static char bytes[65536];
  struct ovio_file in;
  struct ovio_file out;
  if (!child_open(&in, 0) || !child_open(&out, 1))
    return 90;
  int64_t got;
  while ((got = ovio_read(&in, bytes, sizeof bytes, OVIO_HERE)) > 0) {
    if (ovio_write(&out, bytes, (size_t)got, OVIO_HERE) != got)
      return 91;
  }
  return got < 0 ? 92 : 0;
}

/* `length` bytes to the output and as many to the error stream, in turns. */
static inline int child_flood(size_t length) {
  char bytes[1000];
  memset(bytes, 'x', sizeof bytes);
  while (length > 0) {
    size_t part = length < sizeof bytes ? length : sizeof bytes;
    if (!child_put(1, bytes, part) || !child_put(2, bytes, part))
      return 93;
    length -= part;
  }
  return 0;
}

/* What can be read from the handle of that number. */
static inline int child_read_handle(const char *number) {
  struct ovio_file file;
  char bytes[8] = "";
  ovio_handle handle = (ovio_handle)(intptr_t)strtoll(number, NULL, 10);
  if (ovio_adopt(&file, handle, OVIO_READ) != 0)
    return child_say(1, "none") ? 0 : 94;
  int64_t got = ovio_read(&file, bytes, 5, OVIO_HERE);
  return child_say(1, got == 5 ? bytes : "none") ? 0 : 95;
}

/* For a minute: longer than any test. */
static inline int child_sleep(const char *text) {
  bool fine = child_say(1, text);
  ovio_sleep(60000000000);
  return fine ? 0 : 99;
}

/* One line each. */
static inline int child_tell_arguments(int count, char **arguments) {
  struct ovio_file out;
  if (!child_open(&out, 1))
    return 89;
  for (int at = 0; at < count; at++) {
    struct ovio_iovec line[2] = {{arguments[at], strlen(arguments[at])},
                                 {(char[]){'\n'}, 1}};
    if (ovio_writev(&out, line, 2, OVIO_HERE) < 0)
      return 88;
  }
  return 0;
}

/* Writes to its output until that fails. */
static inline int child_drone(void) {
  char bytes[1000];
  memset(bytes, 'x', sizeof bytes);
  while (child_put(1, bytes, sizeof bytes))
    ;
  return 87;
}

/* The exit code; -1: no such verb. */
static inline int child_main(int count, char **arguments) {
  const char *verb = count > 0 ? arguments[0] : "";
  const char *first = count > 1 ? arguments[1] : "";
  const char *second = count > 2 ? arguments[2] : "";
  if (strcmp(verb, "exit") == 0)
    return (int)strtol(first, NULL, 10);
  if (strcmp(verb, "echo") == 0)
    return child_echo();
  if (strcmp(verb, "say") == 0)
    return child_say(1, first) && child_say(2, second) ? 0 : 96;
  if (strcmp(verb, "flood") == 0)
    return child_flood((size_t)strtoul(first, NULL, 10));
  if (strcmp(verb, "drone") == 0)
    return child_drone();
  if (strcmp(verb, "read") == 0)
    return child_read_handle(first);
  if (strcmp(verb, "environment") == 0)
    return child_say(1, getenv(first) ? getenv(first) : "(none)") ? 0 : 97;
  if (strcmp(verb, "here") == 0)
    return child_say(1, test_here()) ? 0 : 98;
  if (strcmp(verb, "arguments") == 0)
    return child_tell_arguments(count - 1, arguments + 1);
  if (strcmp(verb, "sleep") == 0)
    return child_sleep(first);
  return -1;
}

/* For the beginning of main(). */
#define CHILDREN(argc, argv)                                                   \
  do {                                                                         \
    if ((argc) > 1 && strcmp((argv)[1], "child") == 0)                         \
      return child_main((argc)-2, (argv) + 2);                                 \
  } while (0)

/* ---- for the parent ---- */

/* This program as a child. */
struct child {
  const char *arguments[8];
  struct ovio_process_options options;
};

static inline void child_prepare(struct child *child, const char *verb,
                                 const char *first, const char *second) {
  *child = (struct child){
      .arguments = {"test", "child", verb, first, first ? second : NULL}};
  child->options = (struct ovio_process_options){
      .size = sizeof child->options,
      .program = test_program(),
      .arguments = child->arguments,
  };
}

/* Frees them, too. */
static inline bool child_output_is(struct ovio_output *output, const char *out,
                                   const char *error) {
  bool same = output->output && output->error &&
              strcmp(output->output, out) == 0 &&
              strcmp(output->error, error) == 0 &&
              output->output_length == strlen(out) &&
              output->error_length == strlen(error);
  ovio_free(output->output);
  ovio_free(output->error);
  *output = (struct ovio_output){0};
  return same;
}

#endif
