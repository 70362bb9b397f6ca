/* SPDX-License-Identifier: MIT */
/* ovlog FILE: appends the lines of standard input to FILE, each with a number
 * one higher than the last one's.
 *
 * Several may do so at once: a lock keeps the others out between looking for
 * the last number and writing the next. Standard error is told how many. */
#include <ovio.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 1000, NUMBER_MAX_BYTES = 24 };

/* One write to the process's standard error, which gets out in any case. */
static int say(const char *path, long long lines, int error) {
  struct ovio_writer writer;
  ovio_writer_init(&writer, ovio_stderr(), NULL, 0, OVIO_HERE);
  if (error)
    ovio_print(&writer, "ovlog: %s: %s\n", path, ovio_error_text(error));
  else
    ovio_print(&writer, "ovlog: %lld lines to %s\n", lines, path);
  return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The number that the last line begins with; 0: there is no line. */
static int find_last(struct ovio_file *file, int64_t size, long long *number) {
  char tail[NUMBER_MAX_BYTES + LINE_MAX_BYTES + 3];
  int64_t most = (int64_t)sizeof tail - 1;
  int64_t length = size < most ? size : most;
  int64_t got = ovio_read(file, tail, (size_t)length, size - length);
  if (got < 0)
    return (int)got;
  tail[got] = 0;
  int64_t at = got - 1; /* on the end of the last line */
  while (at > 0 && tail[at - 1] != '\n')
    at--;
  *number = got > 0 ? strtoll(tail + at, NULL, 10) : 0;
  return 0;
}

/* With the lock. */
static int append_locked(struct ovio_file *file, const char *line) {
  struct ovio_writer writer;
  char buffer[NUMBER_MAX_BYTES + LINE_MAX_BYTES + 3];
  long long number = 0;
  int64_t size = ovio_size(file);
  int error = size < 0 ? (int)size : find_last(file, size, &number);
  if (error)
    return error;
  ovio_writer_init(&writer, file, buffer, sizeof buffer, size);
  int64_t put = ovio_print(&writer, "%lld %s\n", number + 1, line);
  return put < 0 ? (int)put : ovio_flush(&writer);
}

static int append(struct ovio_file *file, const char *line) {
  int error = ovio_lock(file, 0, 0, 0); /* waits for its turn */
  if (error)
    return error;
  error = append_locked(file, line);
  int unlocking = ovio_unlock(file, 0, 0);
  return error ? error : unlocking;
}

static int append_all(struct ovio_file *file, long long *lines) {
  struct ovio_reader reader;
  char buffer[4096];
  char line[LINE_MAX_BYTES + 1]; /* of a longer one, the rest is the next */
  ovio_reader_init(&reader, ovio_stdin(), buffer, sizeof buffer, OVIO_HERE);
  for (;;) {
    int64_t length = ovio_get_line(&reader, line, sizeof line);
    if (length < 0 && length != OVIO_EOVERFLOW)
      return length == OVIO_EEOF ? 0 : (int)length;
    int error = append(file, line);
    if (error)
      return error;
    ++*lines;
  }
}

int main(int argc, char **argv) {
  struct ovio_file file;
  long long lines = 0;
  if (argc != 2) {
    fputs("usage: ovlog FILE\n", stderr);
    return EXIT_FAILURE;
  }
  int error =
      ovio_open(&file, argv[1], OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0666);
  if (!error) {
    error = append_all(&file, &lines);
    int closing = ovio_close(&file);
    error = error ? error : closing;
  }
  return say(argv[1], lines, error);
}
