/* SPDX-License-Identifier: MIT */
/* Writers that are killed, readers that are stopped, and files that may not
 * grow. OVIO_TEST_KILLS says how many writers. */
#include "children.h"

enum { RECORD = 64 };

static int crash_rounds(void) {
  const char *asked = getenv("OVIO_TEST_KILLS");
  return asked ? (int)strtol(asked, NULL, 10) : (test_is_wine() ? 3 : 15);
}

/* ---- records ---- */

static void record_make(char record[RECORD], unsigned long number) {
  memset(record, '.', RECORD);
  int length = snprintf(record, RECORD, "%lu", number);
  record[length] = '.';
  record[RECORD - 1] = '\n';
}

/* The child: appends records for ever, and says of each that it is there. */
static int append_records(const char *path) {
  struct ovio_file file;
  struct ovio_file out;
  char record[RECORD];
  if (!child_open(&out, 1) ||
      ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE | OVIO_APPEND, 0600) != 0)
    return 80;
  for (unsigned long number = 0;; number++) {
    record_make(record, number);
    if (ovio_write(&file, record, RECORD, 0) != RECORD ||
        ovio_write(&out, "+", 1, OVIO_HERE) != 1)
      return 81;
  }
}

/* The records that the child has told of, until its end. */
static int64_t told(struct ovio_file *out) {
  char bytes[4096];
  int64_t got;
  int64_t sum = 0;
  while ((got = ovio_read(out, bytes, sizeof bytes, OVIO_HERE)) > 0)
    sum += got;
  return got < 0 ? got : sum;
}

static void check_records(struct test *test, const char *path, int64_t least) {
  void *data;
  size_t length;
  char record[RECORD];
  TRY_EQ(ovio_read_file(NULL, path, SIZE_MAX, &data, &length), 0);
  unsigned long wrong = length % RECORD != 0;
  for (size_t at = 0; at + RECORD <= length; at += RECORD) {
    record_make(record, (unsigned long)(at / RECORD));
    wrong += memcmp((char *)data + at, record, RECORD) != 0;
  }
  ovio_free(data);
  TRY_EQ(wrong, 0);
  TRY((int64_t)(length / RECORD) >= least);
  TRY((int64_t)(length / RECORD) <= least + 1);
}

static void kill_appender(struct test *test, uint64_t delay_ns) {
  struct child child;
  struct ovio_process process;
  struct ovio_file out;
  char path[600];
  snprintf(path, sizeof path, "%s", test_path("records"));
  test_remove(path);
  child_prepare(&child, "append", path, NULL);
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  char first;
  TRY_EQ(ovio_read(&out, &first, 1, OVIO_HERE), 1); /* it is at it */
  TRY_EQ(ovio_sleep(delay_ns), 0);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_FORCE), 0);
  TRY_EQ(ovio_process_wait(&process, NULL), 0);
  int64_t count = told(&out);
  TRY(count >= 0);
  TRY_EQ(ovio_close(&out), 0);
  TRY_EQ(ovio_process_close(&process), 0);
  check_records(test, path, 1 + count);
}

/* Whole records alone, none of those lost that were told of, none twice. */
static void test_killed_appender(struct test *test) {
  for (int round = 0; round < crash_rounds() && !test->failure[0]; round++) {
    unsigned random;
    TRY_EQ(os_random(&random, sizeof random), 0);
    kill_appender(test, random % 10000 * UINT64_C(1000));
  }
}

/* ---- a reader that is stopped ---- */

enum { FLOOD = 1 << 20 };

/* The child: a hash of its input. */
static int sum_input(void) {
  static char bytes[8192];
  struct ovio_file in;
  struct ovio_file out;
  uint64_t sum = 0;
  int64_t got;
  if (!child_open(&in, 0) || !child_open(&out, 1))
    return 82;
  while ((got = ovio_read(&in, bytes, sizeof bytes, OVIO_HERE)) > 0) {
    for (int64_t at = 0; at < got; at++)
      sum = sum * 31 + (unsigned char)bytes[at];
  }
  return ovio_write(&out, &sum, sizeof sum, OVIO_HERE) == sizeof sum ? 0 : 83;
}

static uint64_t flood_make(char *bytes) {
  uint64_t sum = 0;
  for (size_t at = 0; at < FLOOD; at++) {
    bytes[at] = (char)(at * 7 + at / 251);
    sum = sum * 31 + (unsigned char)bytes[at];
  }
  return sum;
}

/* Until nothing more goes; the bytes that did. */
static int64_t flood_write(struct ovio_file *in, const char *bytes) {
  int64_t done = 0;
  for (;;) {
    ovio_deadline(20000000);
    int64_t put =
        ovio_write(in, bytes + done, (size_t)(FLOOD - done), OVIO_HERE);
    ovio_deadline(0);
    if (put < 0)
      return put == OVIO_ETIMEDOUT ? done : put;
    done += put;
  }
}

static void test_reader_that_waits(struct test *test) {
  static char bytes[FLOOD];
  struct child child;
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_file out;
  uint64_t wanted = flood_make(bytes);
  uint64_t sum = 0;
  child_prepare(&child, "sum", NULL, NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  if (!test_process_pause(ovio_process_id(&process), true)) {
    ovio_process_kill(&process, OVIO_KILL_FORCE);
    ovio_process_wait(&process, NULL);
    ovio_process_close(&process);
    ovio_close(&in);
    ovio_close(&out);
    SKIP("processes cannot be stopped");
  }
  int64_t done = flood_write(&in, bytes);
  TRY(done > 0 && done < FLOOD);
  TRY(test_process_pause(ovio_process_id(&process), false));
  TRY_EQ(ovio_write(&in, bytes + done, (size_t)(FLOOD - done), OVIO_HERE),
         FLOOD - done);
  TRY_EQ(ovio_close(&in), 0);
  TRY_EQ(ovio_read(&out, &sum, sizeof sum, OVIO_HERE), sizeof sum);
  TRY(sum == wanted);
  TRY_EQ(ovio_process_wait(&process, NULL), 0);
  TRY_EQ(ovio_process_close(&process), 0);
  TRY_EQ(ovio_close(&out), 0);
}

/* ---- files that may not grow ---- */

enum { LIMIT = 8192 };

static void write_past_the_limit(struct test *test) {
  static char bytes[4 * LIMIT];
  struct ovio_file file;
  void *data;
  size_t length;
  const char *path = test_path("limited");
  TRY_EQ(ovio_replace_file(NULL, path, "old", 3, 0600), 0);
  test_limit_files(LIMIT);
  int replaced = ovio_replace_file(NULL, path, bytes, sizeof bytes, 0600);
  int written =
      ovio_write_file(NULL, test_path("limited 2"), bytes, sizeof bytes, 0600);
  int opened =
      ovio_open(&file, test_path("limited 3"), OVIO_WRITE | OVIO_CREATE, 0600);
  int64_t some = ovio_write(&file, bytes, sizeof bytes, 0);
  int64_t none = ovio_write(&file, bytes, 10, LIMIT);
  test_limit_files(0);
  TRY_EQ(replaced, OVIO_EFBIG);
  TRY_EQ(written, OVIO_EFBIG);
  TRY_EQ(opened, 0);
  TRY_EQ(some, LIMIT);
  TRY_EQ(none, OVIO_EFBIG);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_read_file(NULL, path, 100, &data, &length), 0);
  bool same = length == 3 && memcmp(data, "old", 3) == 0;
  ovio_free(data);
  TRY(same);
}

static void test_limited_files(struct test *test) {
  if (!test_limit_files(0))
    SKIP("no RLIMIT_FSIZE");
  write_past_the_limit(test);
  test_limit_files(0);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "child") == 0 &&
      strcmp(argv[2], "append") == 0)
    return append_records(argv[3]);
  if (argc == 3 && strcmp(argv[1], "child") == 0 && strcmp(argv[2], "sum") == 0)
    return sum_input();
  const struct test_case cases[] = {
      TEST(test_killed_appender),
      TEST_LOOP(test_reader_that_waits, "a deadline is a task's"),
      TEST(test_limited_files),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
