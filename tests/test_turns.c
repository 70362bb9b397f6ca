/* SPDX-License-Identifier: MIT */
/* The turns of a stream, where some are tried at once and others wait: a write
 * of a task that a pipe takes in part is written in full before another's
 * begins, and what came while nobody waited is found. */
#include "support.h"

enum { WRITERS = 4, BYTES = 200000, ROUNDS = 3 };

struct writer {
  struct ovio_file *out;
  char mark;
  bool bad;
};

static void write_much(struct writer *writer) {
  char *bytes = malloc(BYTES);
  if (bytes)
    memset(bytes, writer->mark, BYTES);
  for (int round = 0; round < ROUNDS && !writer->bad; round++)
    writer->bad =
        !bytes || ovio_write(writer->out, bytes, BYTES, OVIO_HERE) != BYTES;
  free(bytes);
}

static void writing_task(void *argument) {
  write_much(argument);
}

/* Reads until all have written; how often the mark changes between two bytes,
 * or inside of what one call has written: -1. */
static int count_runs(struct ovio_file *in, size_t total) {
  static char buffer[7001];
  size_t seen = 0;
  size_t run = 0;
  int runs = 0;
  char last = 0;
  while (seen < total) {
    int64_t got = ovio_read(in, buffer, sizeof buffer, OVIO_HERE);
    if (got <= 0)
      return -1;
    seen += (size_t)got;
    for (int64_t at = 0; at < got; at++) {
      if (buffer[at] != last || run == BYTES) {
        if (last && run != BYTES)
          return -1;
        last = buffer[at];
        run = 0;
        runs++;
      }
      run++;
    }
  }
  return run == BYTES ? runs : -1;
}

/* Three are tasks, one is a thread of its own. */
static void test_writes_do_not_mix(struct test *test) {
  struct ovio_file pipe[2];
  struct writer writers[WRITERS];
  struct os_thread thread;
  struct ovio_group group;
  TRY_EQ(ovio_pipe(pipe, 0), 0);
  ovio_group_init(&group);
  for (int at = 0; at < WRITERS; at++)
    writers[at] = (struct writer){&pipe[1], (char)('a' + at), false};
  for (int at = 1; at < WRITERS; at++)
    TRY_EQ(ovio_group_spawn(&group, test->loop, writing_task, &writers[at]), 0);
  ovio_yield(); /* they come first, and fill the pipe */
  TRY_EQ(os_thread_start(&thread, writing_task, &writers[0]), 0);
  TRY_EQ(ovio_deadline(UINT64_C(60000000000)), 0);
  int runs = count_runs(&pipe[0], (size_t)WRITERS * ROUNDS * BYTES);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&pipe[0]), 0);
  ovio_group_wait(&group);
  os_thread_join(&thread);
  TRY_EQ(runs, WRITERS * ROUNDS);
  for (int at = 0; at < WRITERS; at++)
    TRY(!writers[at].bad);
  TRY_EQ(ovio_close(&pipe[1]), 0);
}

static void write_later(void *argument) {
  ovio_sleep(1000000);
  (void)ovio_write(argument, "xyz", 3, OVIO_HERE);
}

/* A read that has waited is followed by one that need not, and goes another
 * way: the news of its bytes have been told while nobody waited. */
static void test_what_has_come_is_found(struct test *test) {
  enum { TIMES = 8 };
  struct ovio_file pipe[2];
  struct ovio_group group;
  char bytes[4];
  const struct ovio_iovec parts[2] = {{bytes, 3}, {bytes + 3, 1}};
  TRY_EQ(ovio_pipe(pipe, 0), 0);
  ovio_group_init(&group);
  for (int time = 0; time < TIMES; time++) {
    TRY_EQ(ovio_group_spawn(&group, test->loop, write_later, &pipe[1]), 0);
    TRY_EQ(ovio_read(&pipe[0], bytes, 4, OVIO_HERE), 3);
    TRY_EQ(ovio_write(&pipe[1], "xyz", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_sleep(2000000), 0);
    TRY_EQ(ovio_deadline(UINT64_C(20000000000)), 0);
    TRY_EQ(time % 2 ? ovio_readv(&pipe[0], parts, 2, OVIO_HERE)
                    : ovio_read(&pipe[0], bytes, 4, OVIO_HERE),
           3);
    TRY_EQ(ovio_deadline(0), 0);
    ovio_group_wait(&group);
  }
  TRY_EQ(ovio_close(&pipe[0]), 0);
  TRY_EQ(ovio_close(&pipe[1]), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_LOOP(test_writes_do_not_mix, "tasks beside a thread"),
      TEST_LOOP(test_what_has_come_is_found, "a plain thread waits in it"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
