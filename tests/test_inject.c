/* SPDX-License-Identifier: MIT */
/* Faults that a program asks for, ovio_test.h: each in every way to call. */
#include "files.h"
#include "ovio_test.h"
#include "scene.h"

#define RULE(...)                                                              \
  ovio_test_add(&(struct ovio_test_rule){                                      \
      .size = sizeof(struct ovio_test_rule), __VA_ARGS__})

#define SHORT_NS 3000000
#define LONG_NS  UINT64_C(3600000000000)

/* A file of 100 bytes, and no rules. */
static int begin(struct ovio_file *file, const char *name) {
  ovio_test_clear();
  return files_put(test_path(name), 100)
             ? files_open(file, test_path(name), FORM_OWN)
             : OVIO_EUNKNOWN;
}

static int end(struct ovio_file *file) {
  ovio_test_clear();
  return ovio_close(file);
}

/* ---- which operations ---- */

static void test_after_and_times(struct test *test) {
  struct ovio_file file;
  char bytes[8];
  TRY_EQ(begin(&file, "after"), 0);
  int rule = RULE(.file = &file, .error = OVIO_EIO, .after = 2, .times = 2, );
  TRY_EQ(rule, 1);
  for (int at = 0; at < 6; at++) {
    bool fails = at == 2 || at == 3;
    memset(bytes, 'x', sizeof bytes);
    TRY_EQ(ovio_read(&file, bytes, 8, at), fails ? OVIO_EIO : 8);
    TRY(fails ? bytes[0] == 'x' : files_match(bytes, 8, at));
    if (fails)
      TRY_EQ(ovio_native_error(), 0);
    TRY_EQ(ovio_test_matches(rule), at + 1);
    TRY_EQ(ovio_test_hits(rule), at < 2 ? 0 : at == 2 ? 1 : 2);
  }
  TRY_EQ(end(&file), 0);
}

static void test_for_ever(struct test *test) {
  struct ovio_file file;
  char bytes[8];
  TRY_EQ(begin(&file, "ever"), 0);
  TRY_EQ(RULE(.file = &file, .error = OVIO_ENODEV), 1);
  for (int at = 0; at < 20; at++)
    TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), OVIO_ENODEV);
  ovio_test_clear();
  TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), 8); /* it had not moved */
  TRY(files_match(bytes, 8, 0));
  TRY_EQ(end(&file), 0);
}

static void test_one_file_and_any(struct test *test) {
  struct ovio_file file, other;
  char bytes[8];
  TRY_EQ(begin(&other, "other"), 0);
  TRY_EQ(begin(&file, "one"), 0);
  TRY_EQ(RULE(.file = &file, .error = OVIO_EIO), 1);
  TRY_EQ(ovio_read(&other, bytes, 8, 0), 8);
  TRY_EQ(ovio_read(&file, bytes, 8, 0), OVIO_EIO);
  ovio_test_clear();
  TRY_EQ(RULE(.error = OVIO_EIO), 1);
  TRY_EQ(ovio_read(&other, bytes, 8, 0), OVIO_EIO);
  TRY_EQ(ovio_read(&file, bytes, 8, 0), OVIO_EIO);
  TRY_EQ(end(&file), 0);
  TRY_EQ(ovio_close(&other), 0);
}

static void test_offsets(struct test *test) {
  struct ovio_file file;
  char bytes[50];
  TRY_EQ(begin(&file, "offsets"), 0);
  TRY_EQ(RULE(.error = OVIO_EIO, .offset = 30, .length = 10), 1);
  TRY_EQ(ovio_read(&file, bytes, 30, 0), 30);
  TRY_EQ(ovio_read(&file, bytes, 31, 0), OVIO_EIO);
  TRY_EQ(ovio_read(&file, bytes, 1, 39), OVIO_EIO);
  TRY_EQ(ovio_read(&file, bytes, 1, 40), 1);
  TRY_EQ(ovio_write(&file, bytes, 1, 35), OVIO_EIO);
  TRY_EQ(ovio_seek(&file, 20, SEEK_SET), 20);
  TRY_EQ(ovio_read(&file, bytes, 10, OVIO_HERE), 10); /* its offset is 20 */
  TRY(files_match(bytes, 10, 20));
  TRY_EQ(ovio_read(&file, bytes, 10, OVIO_HERE), OVIO_EIO);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 30);
  TRY_EQ(ovio_test_matches(1), 4);
  TRY_EQ(end(&file), 0);
}

/* Some have no offset. */
static void test_no_offsets(struct test *test) {
  struct ovio_file file;
  struct pipe_files files;
  char bytes[8];
  ovio_test_clear();
  TRY_EQ(files_make(&file, "append", OVIO_APPEND), 0);
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(RULE(.error = OVIO_EIO, .length = INT64_MAX), 1);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 3);
  TRY_EQ(RULE(.error = OVIO_EIO), 2);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), OVIO_EIO);
  TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), OVIO_EIO);
  TRY_EQ(ovio_test_matches(1), 0);
  TRY_EQ(ovio_test_matches(2), 2);
  ovio_test_clear();
  TRY_EQ(ovio_size(&file), 3);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_kinds(struct test *test) {
  struct ovio_file file, other;
  struct ovio_stat about;
  char bytes[8] = "abcdefg";
  TRY_EQ(begin(&file, "kinds"), 0);
  TRY_EQ(RULE(.error = OVIO_EIO, .kinds = OVIO_TEST_WRITE), 1);
  TRY_EQ(RULE(.error = OVIO_ENOSPC, .kinds = OVIO_TEST_SYNC), 2);
  TRY_EQ(RULE(.error = OVIO_EACCES, .kinds = OVIO_TEST_OPEN), 3);
  TRY_EQ(RULE(.error = OVIO_EBUSY, .kinds = OVIO_TEST_OTHER), 4);
  TRY_EQ(ovio_read(&file, bytes, 8, 0), 8);
  TRY_EQ(ovio_write(&file, bytes, 8, 0), OVIO_EIO);
  TRY_EQ(ovio_sync(&file, 0), OVIO_ENOSPC);
  TRY_EQ(ovio_open(&other, test_path("kinds"), OVIO_READ, 0), OVIO_EACCES);
  TRY_EQ(ovio_close(&other), OVIO_EBADF);
  TRY_EQ(ovio_size(&file), OVIO_EBUSY);
  TRY_EQ(ovio_stat(&file, &about), OVIO_EBUSY);
  TRY_EQ(ovio_truncate(&file, 1), OVIO_EBUSY);
  TRY_EQ(ovio_seek(&file, 1, SEEK_SET), OVIO_EBUSY);
  TRY_EQ(ovio_lock(&file, 0, 1, 0), OVIO_EBUSY);
  TRY_EQ(ovio_stat_at(NULL, test_path("kinds"), 0, &about), OVIO_EBUSY);
  TRY_EQ(ovio_test_hits(4), 6);
  ovio_test_clear();
  TRY_EQ(ovio_size(&file), 100);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 0);
  TRY_EQ(end(&file), 0);
}

/* What reads and writes for the program meets them too. */
static void test_whole_files(struct test *test) {
  struct ovio_file file;
  void *bytes = NULL;
  size_t length = 0;
  TRY_EQ(begin(&file, "whole"), 0);
  TRY_EQ(RULE(.short_bytes = 7), 1);
  TRY_EQ(ovio_read_file(NULL, test_path("whole"), 1000, &bytes, &length), 0);
  TRY_EQ(length, 100);
  bool same = files_match(bytes, 100, 0);
  ovio_free(bytes);
  TRY(same);
  TRY(ovio_test_hits(1) >= 15);
  TRY_EQ(RULE(.error = OVIO_EIO, .kinds = OVIO_TEST_WRITE), 2);
  TRY_EQ(ovio_replace_file(NULL, test_path("whole"), "new", 3, 0600), OVIO_EIO);
  TRY_EQ(ovio_size(&file), 100);
  TRY_EQ(end(&file), 0);
}

/* ---- what with them ---- */

static void test_close_fails_and_closes(struct test *test) {
  struct ovio_file file;
  TRY_EQ(begin(&file, "close"), 0);
  TRY_EQ(RULE(.error = OVIO_ENOSPC, .kinds = OVIO_TEST_CLOSE), 1);
  TRY_EQ(ovio_close(&file), OVIO_ENOSPC);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
  TRY_EQ(ovio_test_hits(1), 1);
  ovio_test_clear();
}

static void test_short_counts(struct test *test) {
  struct ovio_file file;
  char bytes[40];
  TRY_EQ(begin(&file, "short"), 0);
  TRY_EQ(RULE(.short_bytes = 7, .times = 3), 1);
  memset(bytes, 'x', sizeof bytes);
  TRY_EQ(ovio_read(&file, bytes, 40, OVIO_HERE), 7);
  TRY(files_match(bytes, 7, 0));
  TRY(bytes[7] == 'x');
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 7);
  TRY_EQ(ovio_read(&file, bytes, 5, 50), 5); /* shorter than that */
  TRY(files_match(bytes, 5, 50));
  memset(bytes, 'w', sizeof bytes);
  TRY_EQ(ovio_write(&file, bytes, 40, 10), 7);
  TRY_EQ(ovio_read(&file, bytes, 40, 10), 40); /* that were three */
  TRY(bytes[6] == 'w');
  TRY(files_match(bytes + 7, 33, 17));
  TRY_EQ(end(&file), 0);
}

/* Vectors are cut where a part is, and inside of one, also when a system call
 * takes less. */
static void test_short_vectors(struct test *test) {
  struct ovio_file file;
  char bytes[60];
  TRY_EQ(begin(&file, "vectors"), 0);
  for (size_t limit = 1; limit <= 60; limit++) {
    struct ovio_iovec parts[] = {
        {bytes, 3}, {bytes + 3, 20}, {bytes, 0}, {bytes + 23, 37}};
    ovio_test_clear();
    ovio_set_max_transfer(limit % 3 ? 0 : 10);
    TRY_EQ(RULE(.short_bytes = limit), 1);
    memset(bytes, 0, sizeof bytes);
    TRY_EQ(ovio_readv(&file, parts, 4, 13), limit);
    TRY(files_match(bytes, limit, 13));
    TRY_EQ(ovio_writev(&file, parts, 4, 13), limit);
  }
  ovio_set_max_transfer(0);
  TRY_EQ(end(&file), 0);
}

static void test_short_streams(struct test *test) {
  struct pipe_files files;
  char bytes[8];
  ovio_test_clear();
  for (int kind = 0; kind < 2; kind++) {
    TRY(pipe_files_open(&files, kind ? TEST_PIPE_OVERLAPPED : TEST_PIPE_SYNC));
    TRY_EQ(RULE(.short_bytes = 4, .kinds = OVIO_TEST_WRITE), 1);
    TRY_EQ(RULE(.short_bytes = 3, .kinds = OVIO_TEST_READ), 2);
    TRY_EQ(ovio_write(&files.out, "abcdefg", 7, OVIO_HERE), 4);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 3);
    TRY(memcmp(bytes, "abc", 3) == 0);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 1);
    TRY(bytes[0] == 'd');
    ovio_test_clear();
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

static void test_delay(struct test *test) {
  struct ovio_file file;
  char bytes[8];
  TRY_EQ(begin(&file, "delay"), 0);
  TRY_EQ(RULE(.delay_ns = SHORT_NS, .times = 1), 1);
  TRY_EQ(RULE(.delay_ns = 1, .times = 1), 2); /* the longer one counts */
  int64_t begun = os_clock_ns();
  TRY_EQ(ovio_read(&file, bytes, 8, 20), 8);
  TRY(os_clock_ns() - begun >= SHORT_NS);
  TRY(files_match(bytes, 8, 20));
  TRY_EQ(RULE(.delay_ns = SHORT_NS, .error = OVIO_EIO, .times = 1), 3);
  begun = os_clock_ns();
  TRY_EQ(ovio_read(&file, bytes, 8, 20), OVIO_EIO);
  TRY(os_clock_ns() - begun >= SHORT_NS);
  TRY_EQ(end(&file), 0);
}

/* Rules add up. */
static void test_several_rules(struct test *test) {
  struct ovio_file file;
  char bytes[20];
  TRY_EQ(begin(&file, "several"), 0);
  TRY_EQ(RULE(.short_bytes = 9), 1);
  TRY_EQ(RULE(.short_bytes = 4, .times = 1), 2);
  TRY_EQ(RULE(.short_bytes = 12), 3);
  TRY_EQ(RULE(.error = OVIO_EIO, .after = 2), 4);
  TRY_EQ(RULE(.error = OVIO_EPERM, .after = 2), 5);
  TRY_EQ(ovio_read(&file, bytes, 20, 0), 4);
  TRY_EQ(ovio_read(&file, bytes, 20, 0), 9);
  TRY_EQ(ovio_read(&file, bytes, 20, 0), OVIO_EIO);
  TRY_EQ(ovio_test_hits(3), 3);
  TRY_EQ(ovio_test_hits(5), 1);
  TRY_EQ(end(&file), 0);
}

static void test_wrong_rules(struct test *test) {
  ovio_test_clear();
  TRY_EQ(ovio_test_add(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_test_add(&(struct ovio_test_rule){.size = 8}), OVIO_EINVAL);
  TRY_EQ(RULE(.error = 5), OVIO_EINVAL);
  TRY_EQ(RULE(.error = -5), OVIO_EINVAL);
  TRY_EQ(RULE(.kinds = 1u << 20), OVIO_EINVAL);
  TRY_EQ(RULE(.offset = -1, .length = 1), OVIO_EINVAL);
  TRY_EQ(RULE(.offset = 1), OVIO_EINVAL);
  TRY_EQ(RULE(.length = -1), OVIO_EINVAL);
  TRY_EQ(RULE(.reorder = 1), OVIO_EINVAL);
  TRY_EQ(RULE(.reorder = OVIO_TEST_REORDER_MAX + 1), OVIO_EINVAL);
  TRY_EQ(ovio_test_hits(1), OVIO_EINVAL);
  for (int at = 1; at <= OVIO_TEST_RULES_MAX; at++)
    TRY_EQ(RULE(.error = OVIO_EIO), at);
  TRY_EQ(RULE(.error = OVIO_EIO), OVIO_ENOBUFS);
  TRY_EQ(ovio_test_hits(OVIO_TEST_RULES_MAX), 0);
  TRY_EQ(ovio_test_hits(OVIO_TEST_RULES_MAX + 1), OVIO_EINVAL);
  TRY_EQ(ovio_test_matches(0), OVIO_EINVAL);
  ovio_test_clear();
  TRY_EQ(ovio_test_matches(1), OVIO_EINVAL);
}

/* ---- cancel ---- */

static void test_deadline_in_a_delay(struct test *test) {
  struct ovio_file file;
  char bytes[8] = "x";
  TRY_EQ(begin(&file, "deadline"), 0);
  TRY_EQ(RULE(.delay_ns = LONG_NS), 1);
  TRY_EQ(ovio_deadline(SHORT_NS), 0);
  TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY(bytes[0] == 'x');
  ovio_test_clear();
  TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), 8);
  TRY(files_match(bytes, 8, 0));
  TRY_EQ(end(&file), 0);
}

struct start {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome outcome[4];
  char bytes[4][8];
};

static int start_read(struct start *start, int at, int64_t offset) {
  memset(&start->outcome[at], 0, sizeof start->outcome[at]);
  return ovio_start_read(start->loop, &start->outcome[at].op, &start->file,
                         start->bytes[at], 8, offset, outcome_done);
}

static void test_callbacks(struct test *test) {
  struct start start;
  TRY_EQ(begin(&start.file, "callbacks"), 0);
  TRY_EQ(test_loop_create(test, &start.loop, NULL), 0);
  TRY_EQ(RULE(.error = OVIO_EIO, .length = 10), 1);
  TRY_EQ(RULE(.short_bytes = 3, .offset = 20, .length = 10), 2);
  TRY_EQ(RULE(.delay_ns = SHORT_NS, .offset = 30, .length = 10), 3);
  TRY_EQ(RULE(.delay_ns = SHORT_NS, .error = OVIO_ENODEV, .offset = 40,
              .length = 10),
         4);
  static const int64_t offsets[] = {0, 20, 30, 40};
  static const int64_t wanted[] = {OVIO_EIO, 3, 8, OVIO_ENODEV};
  for (int at = 0; at < 4; at++)
    TRY_EQ(start_read(&start, at, offsets[at]), 0);
  TRY_EQ(ovio_loop_run(start.loop), 0);
  for (int at = 0; at < 4; at++) {
    TRY_EQ(start.outcome[at].calls, 1);
    TRY_EQ(start.outcome[at].result, wanted[at]);
    TRY_EQ(start.outcome[at].native, 0);
  }
  TRY(files_match(start.bytes[1], 3, 20));
  TRY(files_match(start.bytes[2], 8, 30));
  TRY_EQ(end(&start.file), 0);
  TRY_EQ(ovio_loop_destroy(start.loop), 0);
}

/* Of two at the position the first is delayed for ever, and cancelled: the
 * second has its turn. */
static void cancel_first(struct ovio_op *op, int64_t result) {
  outcome_done(op, result);
  struct outcome *outcome = (struct outcome *)(void *)op;
  outcome->result = ovio_cancel(&(outcome - 2)->op);
}

static void test_cancel_in_a_delay(struct test *test) {
  struct start start;
  TRY_EQ(begin(&start.file, "cancel"), 0);
  TRY_EQ(test_loop_create(test, &start.loop, NULL), 0);
  TRY_EQ(RULE(.delay_ns = LONG_NS, .times = 1), 1);
  TRY_EQ(start_read(&start, 0, OVIO_HERE), 0);
  TRY_EQ(start_read(&start, 1, OVIO_HERE), 0);
  memset(&start.outcome[2], 0, sizeof start.outcome[2]);
  TRY_EQ(ovio_start_sleep(start.loop, &start.outcome[2].op, SHORT_NS,
                          cancel_first),
         0);
  TRY_EQ(ovio_loop_run(start.loop), 0);
  TRY_EQ(start.outcome[2].result, 0);
  TRY_EQ(start.outcome[0].calls, 1);
  TRY_EQ(start.outcome[0].result, OVIO_ECANCELED);
  TRY_EQ(start.outcome[1].calls, 1);
  TRY_EQ(start.outcome[1].result, 8);
  TRY(files_match(start.bytes[1], 8, 0));
  TRY_EQ(end(&start.file), 0);
  TRY_EQ(ovio_loop_destroy(start.loop), 0);
}

static void test_close_in_a_delay(struct test *test) {
  struct start start;
  TRY_EQ(begin(&start.file, "shut"), 0);
  TRY_EQ(test_loop_create(test, &start.loop, NULL), 0);
  TRY_EQ(RULE(.delay_ns = LONG_NS), 1);
  TRY_EQ(
      RULE(.delay_ns = SHORT_NS, .error = OVIO_EIO, .kinds = OVIO_TEST_CLOSE),
      2);
  for (int at = 0; at < 3; at++)
    TRY_EQ(start_read(&start, at, at), 0);
  memset(&start.outcome[3], 0, sizeof start.outcome[3]);
  TRY_EQ(ovio_start_close(start.loop, &start.outcome[3].op, &start.file,
                          outcome_done),
         0);
  TRY_EQ(ovio_loop_run(start.loop), 0);
  for (int at = 0; at < 4; at++) {
    TRY_EQ(start.outcome[at].calls, 1);
    TRY_EQ(start.outcome[at].result, at < 3 ? OVIO_ECANCELED : OVIO_EIO);
  }
  TRY_EQ(ovio_close(&start.file), OVIO_EBADF);
  ovio_test_clear();
  TRY_EQ(ovio_loop_destroy(start.loop), 0);
}

static void test_end_of_a_loop_in_a_delay(struct test *test) {
  struct start start;
  TRY_EQ(begin(&start.file, "stop"), 0);
  TRY_EQ(test_loop_create(test, &start.loop, NULL), 0);
  TRY_EQ(RULE(.delay_ns = UINT64_MAX), 1);
  TRY_EQ(start_read(&start, 0, 0), 0);
  memset(&start.outcome[1], 0, sizeof start.outcome[1]);
  TRY_EQ(ovio_post(start.loop, &start.outcome[1].op, outcome_done), 0);
  ovio_loop_cancel(start.loop);
  TRY_EQ(ovio_loop_run(start.loop), 0);
  TRY_EQ(start.outcome[0].calls, 1);
  TRY_EQ(start.outcome[0].result, OVIO_ECANCELED);
  TRY_EQ(end(&start.file), 0);
  TRY_EQ(ovio_loop_destroy(start.loop), 0);
}

/* ---- another order ---- */

enum { ROW = 8 };

struct row_read {
  struct ovio_op op; /* first */
  struct row *row;
  int number;
  char bytes[8];
};

struct row {
  struct ovio_loop *loop;
  struct ovio_file file;
  int count;
  int order[ROW];
  int64_t results[ROW];
  struct row_read reads[ROW];
};

static void row_done(struct ovio_op *op, int64_t result) {
  struct row_read *read = (struct row_read *)(void *)op;
  read->row->results[read->number] = result;
  read->row->order[read->row->count++] = read->number;
}

static void row_run(struct test *test, struct row *row, uint64_t seed,
                    int error) {
  ovio_test_clear();
  TRY_EQ(RULE(.reorder = ROW, .seed = seed, .error = error), 1);
  row->count = 0;
  memset(row->reads, 0, sizeof row->reads);
  for (int at = 0; at < ROW; at++) {
    row->reads[at].row = row;
    row->reads[at].number = at;
    TRY_EQ(ovio_start_read(row->loop, &row->reads[at].op, &row->file,
                           row->reads[at].bytes, 8, at * 10, row_done),
           0);
  }
  TRY_EQ(ovio_loop_run(row->loop), 0);
  TRY_EQ(row->count, ROW);
  for (int at = 0; at < ROW; at++) {
    TRY_EQ(row->results[at], error ? error : 8);
    TRY(error || files_match(row->reads[at].bytes, 8, at * 10));
  }
}

static bool row_is_sorted(const struct row *row) {
  for (int at = 0; at < ROW; at++) {
    if (row->order[at] != at)
      return false;
  }
  return true;
}

/* With an error nothing but the timers says in which order they end. */
static void test_another_order(struct test *test) {
  ONE_THREAD("their callbacks have no order");
  struct row row, again;
  bool differs = false;
  TRY_EQ(begin(&row.file, "order"), 0);
  TRY_EQ(test_loop_create(test, &row.loop, NULL), 0);
  for (uint64_t seed = 0; seed < 5 && !test->failure[0]; seed++) {
    row_run(test, &row, seed, OVIO_EIO);
    if (test->failure[0])
      return;
    TRY(!row_is_sorted(&row));
    if (seed > 0)
      differs |= memcmp(row.order, again.order, sizeof row.order) != 0;
    memcpy(again.order, row.order, sizeof row.order);
    row_run(test, &row, seed, OVIO_EIO);
    TRY(memcmp(row.order, again.order, sizeof row.order) == 0);
  }
  TRY(differs);
  row_run(test, &row, 1, 0);
  TRY_EQ(end(&row.file), 0);
  TRY_EQ(ovio_loop_destroy(row.loop), 0);
}

/* In sequence there is nothing to reorder: each has its own result. */
static void test_another_order_in_sequence(struct test *test) {
  struct ovio_file file;
  char bytes[8];
  TRY_EQ(begin(&file, "sequence"), 0);
  TRY_EQ(RULE(.reorder = 2, .seed = 7), 1);
  for (int at = 0; at < 5; at++) {
    TRY_EQ(ovio_read(&file, bytes, 8, at), 8);
    TRY(files_match(bytes, 8, at));
  }
  TRY_EQ(ovio_test_hits(1), 5);
  TRY_EQ(end(&file), 0);
}

/* ---- beside each other ---- */

struct peer {
  struct ovio_file *file;
  int wrong;
};

static void peer_read(void *argument) {
  struct peer *peer = argument;
  char bytes[8];
  for (int at = 0; at < scene_rounds(2000); at++) {
    int64_t got = ovio_read(peer->file, bytes, 8, at % 90);
    if (got == OVIO_EIO)
      continue;
    bool fine = got == 8 || got == 3;
    peer->wrong += !fine || !files_match(bytes, (size_t)got, at % 90);
  }
}

static void test_rules_come_and_go(struct test *test) {
  struct ovio_file file;
  struct partner partners[2];
  TRY_EQ(begin(&file, "come"), 0);
  struct peer peers[2] = {{&file, 0}, {&file, 0}};
  for (int at = 0; at < 2; at++)
    TRY_EQ(partner_start(&partners[at], test, peer_read, &peers[at]), 0);
  for (int at = 0; at < scene_rounds(500); at++) {
    TRY(RULE(.error = OVIO_EIO, .after = 3, .times = 5) > 0);
    TRY(RULE(.short_bytes = 3, .times = 5) > 0);
    ovio_yield();
    TRY(ovio_test_hits(1) >= 0);
    ovio_test_clear();
  }
  for (int at = 0; at < 2; at++) {
    partner_end(&partners[at]);
    TRY_EQ(peers[at].wrong, 0);
  }
  TRY_EQ(end(&file), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_after_and_times),
      TEST(test_for_ever),
      TEST(test_one_file_and_any),
      TEST(test_offsets),
      TEST(test_no_offsets),
      TEST(test_kinds),
      TEST(test_whole_files),
      TEST(test_close_fails_and_closes),
      TEST(test_short_counts),
      TEST(test_short_vectors),
      TEST(test_short_streams),
      TEST(test_delay),
      TEST(test_several_rules),
      TEST_PLAIN(test_wrong_rules, "asks no file"),
      TEST_LOOP(test_deadline_in_a_delay, "of tasks"),
      TEST_ENGINES(test_callbacks),
      TEST_ENGINES(test_cancel_in_a_delay),
      TEST_ENGINES(test_close_in_a_delay),
      TEST_ENGINES(test_end_of_a_loop_in_a_delay),
      TEST_ENGINES(test_another_order),
      TEST(test_another_order_in_sequence),
      TEST(test_rules_come_and_go),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
