/* SPDX-License-Identifier: MIT */
/* ovtest: how a program tests what it does when its files let it down.
 *
 * fetch() is the program: it reads a record, goes on after a short count and
 * tries again what may pass. The rest are its tests, which have the library
 * fail on purpose (ovio_test.h, in a library with OVIO_TESTING). */
#include <ovio.h>
#include <ovio_test.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 64, TRIES = 3 };

#define MILLISECOND UINT64_C(1000000)

/* ---- the program ---- */

/* All of a record, or an error. */
static int fetch(struct ovio_file *file, int number, char record[RECORD]) {
  int64_t begin = (int64_t)number * RECORD;
  int tries = 0;
  for (int64_t have = 0; have < RECORD;) {
    int64_t got =
        ovio_read(file, record + have, (size_t)(RECORD - have), begin + have);
    if (got == 0)
      return OVIO_EEOF;
    if (got > 0)
      have += got;
    else if (got != OVIO_ENOBUFS || ++tries == TRIES)
      return (int)got;
    else
      ovio_sleep(MILLISECOND);
  }
  return 0;
}

/* ---- its tests ---- */

static struct ovio_file file;
static int failures;

static void expect(const char *what, int64_t is, int64_t wanted) {
  if (is == wanted)
    return;
  failures++;
  printf("%s: %lld, expected %lld\n", what, (long long)is, (long long)wanted);
}

/* Record 1 is full of ones. */
static void expect_record(const char *what, int error) {
  char record[RECORD] = "";
  expect(what, fetch(&file, 1, record), error);
  for (int at = 0; !error && at < RECORD; at++)
    expect(what, record[at], 1);
}

static int inject(struct ovio_test_rule rule) {
  ovio_test_clear();
  rule.size = sizeof rule;
  rule.file = &file;
  int number = ovio_test_add(&rule);
  expect("a rule", number, 1);
  return number;
}

static void test_short_reads(void) {
  int rule = inject((struct ovio_test_rule){.short_bytes = 10});
  expect_record("short reads", 0);
  expect("short reads: calls", ovio_test_hits(rule), 7);
}

static void test_errors_that_pass(void) {
  int rule = inject((struct ovio_test_rule){.error = OVIO_ENOBUFS, .times = 2});
  expect_record("errors that pass", 0);
  expect("errors that pass: calls", ovio_test_matches(rule), 3);
}

static void test_errors_that_stay(void) {
  inject((struct ovio_test_rule){.error = OVIO_ENOBUFS});
  expect_record("errors that stay", OVIO_ENOBUFS);
  /* A bad block in the middle of the record, found by the second call. */
  inject((struct ovio_test_rule){
      .error = OVIO_EIO, .offset = RECORD + 32, .length = 32, .after = 1});
  struct ovio_test_rule halves = {
      .size = sizeof halves, .file = &file, .short_bytes = 32};
  expect("a second rule", ovio_test_add(&halves), 2);
  expect_record("a bad block", OVIO_EIO);
}

/* The device takes an hour: in a task, a deadline gives up. */
static void test_delay(void *argument) {
  (void)argument;
  inject((struct ovio_test_rule){.delay_ns = 3600000 * MILLISECOND});
  ovio_deadline(5 * MILLISECOND);
  expect_record("a delay", OVIO_ETIMEDOUT);
  ovio_deadline(0);
  ovio_test_clear();
}

/* The same function body, as the program may call it. */
static void test_all(void *argument) {
  (void)argument;
  test_short_reads();
  test_errors_that_pass();
  test_errors_that_stay();
  ovio_test_clear();
  expect_record("no faults", 0);
}

static void test_in_tasks(void) {
  struct ovio_loop *loop;
  expect("a loop", ovio_loop_create(&loop, NULL), 0);
  expect("a task", ovio_spawn(loop, test_all, NULL), 0);
  expect("a run", ovio_loop_run(loop), 0);
  expect("a task", ovio_spawn(loop, test_delay, NULL), 0);
  expect("a run", ovio_loop_run(loop), 0);
  expect("its end", ovio_loop_destroy(loop), 0);
}

/* A file of two records that is removed at the end. */
static int prepare(char *path, size_t room) {
  char records[2 * RECORD] = "";
  memset(records + RECORD, 1, RECORD);
  int error = ovio_temp_file(&file, NULL, "ovtest-", 0, path, room);
  if (error)
    return error;
  return ovio_write(&file, records, sizeof records, 0) == sizeof records
             ? 0
             : OVIO_EIO;
}

int main(void) {
  char path[1024];
  int error = prepare(path, sizeof path);
  if (error) {
    fprintf(stderr, "ovtest: %s\n", ovio_error_text(error));
    return EXIT_FAILURE;
  }
  test_all(NULL);
  test_in_tasks();
  expect("close", ovio_close(&file), 0);
  expect("unlink", ovio_unlink(NULL, path), 0);
  printf("ovtest: %d failures\n", failures);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
