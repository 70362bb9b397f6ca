/* SPDX-License-Identifier: MIT */
/* ovlines FILE...: lines, words and bytes of each file, all files at once. */
#include <ovio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct counter {
  const char *path;
  long long lines, words, bytes;
  int error;
};

static bool is_space(unsigned char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The count goes on over the edges of the pieces. */
static int count(struct counter *counter, struct ovio_reader *reader) {
  const unsigned char *bytes;
  bool in_word = false;
  int64_t ready;
  while ((ready = ovio_peek(reader, &bytes, 1)) > 0) {
    for (int64_t at = 0; at < ready; at++) {
      bool space = is_space(bytes[at]);
      counter->lines += bytes[at] == '\n';
      counter->words += !space && !in_word;
      in_word = !space;
    }
    counter->bytes += ovio_skip(reader, ready);
  }
  return (int)ready;
}

static void count_file(void *argument) {
  struct counter *counter = argument;
  struct ovio_file file;
  struct ovio_reader reader;
  char buffer[65536];
  counter->error = ovio_open(&file, counter->path, OVIO_READ, 0);
  if (counter->error)
    return;
  ovio_reader_init(&reader, &file, buffer, sizeof buffer, OVIO_HERE);
  counter->error = count(counter, &reader);
  ovio_close(&file);
}

static int report(const struct counter *counter) {
  if (counter->error) {
    fprintf(stderr, "%s: %s\n", counter->path, ovio_error_text(counter->error));
    return 1;
  }
  printf("%lld %lld %lld %s\n", counter->lines, counter->words, counter->bytes,
         counter->path);
  return 0;
}

/* Each file is a task's; one that cannot be started is counted by this thread,
 * with the same function. */
static int count_all(struct counter *counters, int files) {
  struct ovio_loop *loop;
  int failed = 0;
  int error = ovio_loop_create(&loop, NULL);
  for (int at = 0; at < files; at++) {
    if (error || ovio_spawn(loop, count_file, &counters[at]) != 0)
      count_file(&counters[at]);
  }
  if (!error)
    error = ovio_loop_run(loop);
  for (int at = 0; at < files; at++)
    failed |= report(&counters[at]);
  if (!error)
    error = ovio_loop_destroy(loop);
  return failed || error;
}

int main(int argc, char **argv) {
  int files = argc - 1;
  struct counter *counters = calloc((size_t)files + 1, sizeof *counters);
  if (!counters)
    return 1;
  for (int at = 0; at < files; at++)
    counters[at].path = argv[at + 1];
  int result = count_all(counters, files);
  free(counters);
  return result;
}
