/* SPDX-License-Identifier: MIT */
/* Standard handles: stdin and stderr are pipes, stdout is a disk file. */
#include "scene.h"

static struct {
  ovio_handle mine[3];   /* the process's while a body runs */
  ovio_handle before[3]; /* and otherwise */
  ovio_handle feed;      /* writes to stdin */
  ovio_handle said;      /* reads from stderr */
  struct ovio_file feed_file;
  struct ovio_file said_file;
} set;

static bool set_up(void) {
  ovio_handle in[2];
  ovio_handle err[2];
  const char *path = test_path("out");
  if (!test_pipe(in, TEST_PIPE_SYNC) || !test_pipe(err, TEST_PIPE_SYNC) ||
      !test_put(path, "", 0))
    return false;
  set.mine[0] = in[0];
  set.mine[1] = test_open_handle(path, true, false);
  set.mine[2] = err[1];
  set.feed = in[1];
  set.said = err[0];
  return ovio_adopt(&set.feed_file, set.feed, OVIO_WRITE) == 0 &&
         ovio_adopt(&set.said_file, set.said, OVIO_READ) == 0;
}

/* The runner itself writes to stdout and stderr. */
static void redirected(struct test *test, test_body *body) {
  bool fine = true;
  for (int which = 0; which < 3; which++)
    fine &= test_redirect(which, set.mine[which], &set.before[which]);
  if (fine)
    body(test);
  for (int which = 0; which < 3; which++)
    fine &= test_redirect_back(which, set.before[which]);
  TRY(fine);
}

/* ---- the first use, by many threads ---- */

enum { THREADS = 8 };

static struct ovio_file *seen[THREADS];

static void first_use(void *argument) {
  struct ovio_file **file = argument;
  *file = ovio_stdin();
}

static void all_at_once(struct test *test) {
  struct os_thread threads[THREADS];
  for (int at = 0; at < THREADS; at++)
    TRY_EQ(os_thread_start(&threads[at], first_use, &seen[at]), 0);
  for (int at = 0; at < THREADS; at++)
    os_thread_join(&threads[at]);
  for (int at = 0; at < THREADS; at++)
    TRY(seen[at] && seen[at] == seen[0]);
  TRY(strcmp(ovio_file_route(ovio_stdin(), NULL), "synchronous") == 0);
}

static void test_first_use(struct test *test) {
  redirected(test, all_at_once);
}

/* ---- what they are ---- */

static void kinds(struct test *test) {
  struct ovio_stat stat;
  TRY_EQ(ovio_stat(ovio_stdin(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_PIPE);
  TRY_EQ(ovio_stat(ovio_stdout(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_FILE);
  TRY_EQ(ovio_stat(ovio_stderr(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_PIPE);
  TRY_EQ(ovio_is_console(ovio_stdin()), 0);
  TRY_EQ(ovio_is_console(ovio_stdout()), 0);
  TRY_EQ(ovio_is_console(NULL), OVIO_EINVAL);
  if (test->loop) {
    TRY(strcmp(ovio_file_route(ovio_stdin(), test->loop), "worker") == 0);
    TRY(strcmp(ovio_file_route(ovio_stderr(), test->loop), "inline") == 0);
  }
  TRY_EQ(ovio_read(ovio_stderr(), &stat, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_write(ovio_stdin(), &stat, 1, OVIO_HERE), OVIO_EBADF);
}

static void test_kinds(struct test *test) {
  redirected(test, kinds);
}

/* ---- stdin ---- */

static void read_lines(struct test *test) {
  struct ovio_reader reader;
  char buffer[16];
  char line[16];
  TRY_EQ(ovio_write(&set.feed_file, "one\ntwo\r\n", 9, OVIO_HERE), 9);
  TRY_EQ(ovio_reader_init(&reader, ovio_stdin(), buffer, sizeof buffer, -1), 0);
  TRY_EQ(ovio_get_line(&reader, line, sizeof line), 3);
  TRY_EQ(ovio_get_line(&reader, line, sizeof line), 3);
  TRY(strcmp(line, "two") == 0);
}

static void test_read_lines(struct test *test) {
  redirected(test, read_lines);
}

static void feed_later(void *argument) {
  int *turns = argument;
  for (; *turns < 10; ++*turns)
    ovio_yield();
  ovio_write(&set.feed_file, "x", 1, OVIO_HERE);
}

static void other_tasks_go_on(struct test *test) {
  int turns = 0;
  char byte = 0;
  TRY_EQ(ovio_spawn(test->loop, feed_later, &turns), 0);
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), 1);
  TRY_EQ(turns, 10);
  TRY_EQ(ovio_deadline(10000000), 0);
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_write(&set.feed_file, "y", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'y');
}

static void test_other_tasks_go_on(struct test *test) {
  redirected(test, other_tasks_go_on);
}

/* ---- stdout and stderr ---- */

/* Others write to the same handle: each goes on where the last has stopped. */
static void share_the_position(struct test *test) {
  int64_t start = test_handle_position(set.mine[1]);
  TRY_EQ(ovio_write(ovio_stdout(), "abc", 3, OVIO_HERE), 3);
  TRY_EQ(test_handle_position(set.mine[1]), start + 3);
  TRY(test_handle_move(set.mine[1], start + 10));
  TRY_EQ(ovio_write(ovio_stdout(), "def", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_seek(ovio_stdout(), 0, SEEK_CUR), start + 13);
  TRY_EQ(ovio_size(ovio_stdout()), start + 13);
  TRY_EQ(ovio_seek(ovio_stdout(), -1, SEEK_SET), OVIO_EINVAL);
  TRY_EQ(ovio_seek(ovio_stdout(), 0, SEEK_END), start + 13);
}

static void test_share_the_position(struct test *test) {
  redirected(test, share_the_position);
}

static void say(struct test *test) {
  char text[16];
  TRY_EQ(ovio_write(ovio_stderr(), "help", 4, OVIO_HERE), 4);
  TRY_EQ(ovio_read(&set.said_file, text, sizeof text, OVIO_HERE), 4);
  TRY(memcmp(text, "help", 4) == 0);
}

static void test_say(struct test *test) {
  redirected(test, say);
}

static _Atomic int64_t callback_wrote;
static _Atomic int64_t callback_blocked;

static void in_callback(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  callback_wrote = ovio_write(ovio_stderr(), "!", 1, OVIO_HERE);
  callback_blocked = ovio_write(ovio_stdout(), "!", 1, OVIO_HERE);
}

static void say_in_a_callback(struct test *test) {
  struct ovio_op op = {{0}};
  char byte;
  callback_wrote = 0;
  callback_blocked = 0;
  TRY_EQ(ovio_post(test->loop, &op, in_callback), 0);
  TRY_EQ(ovio_read(&set.said_file, &byte, 1, OVIO_HERE), 1);
  AWAIT(callback_blocked != 0);
  TRY_EQ(callback_wrote, 1);
  TRY_EQ(callback_blocked, OVIO_EDEADLK);
}

static void test_say_in_a_callback(struct test *test) {
  redirected(test, say_in_a_callback);
}

/* ---- the end ---- */

static void close_all(struct test *test) {
  struct ovio_file *files[3] = {ovio_stdin(), ovio_stdout(), ovio_stderr()};
  char byte;
  for (int which = 0; which < 3; which++) {
    TRY_EQ(ovio_close(files[which]), 0);
    TRY_EQ(ovio_close(files[which]), OVIO_EBADF);
  }
  TRY(ovio_stdin() == files[0]);
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_write(ovio_stderr(), "x", 1, OVIO_HERE), OVIO_EBADF);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_PLAIN(test_first_use, "once in a process"),
      TEST(test_kinds),
      TEST(test_read_lines),
      TEST_LOOP(test_other_tasks_go_on, "about a loop"),
      TEST(test_share_the_position),
      TEST(test_say),
      TEST_LOOP(test_say_in_a_callback, "about a callback"),
  };
  if (!set_up())
    return 1;
  int failed = test_main(cases, sizeof cases / sizeof *cases);
  struct test last = {.failure = ""};
  redirected(&last, close_all);
  if (last.failure[0])
    fprintf(stderr, "close_all: %s\n", last.failure);
  return failed + (last.failure[0] != 0);
}
