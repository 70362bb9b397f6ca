/* SPDX-License-Identifier: MIT */
/* Standard handles: stdin is a terminal, stdout a file that others append to,
 * stderr the null device. */
#include "posix/native.h"

#include <stdlib.h>

#include "scene.h"

static struct {
  ovio_handle mine[3]; /* the process's while a body runs */
  ovio_handle before[3];
  ovio_handle types; /* the terminal's other side */
  bool ready;
} set;

static bool set_up(void) {
  set.types = posix_openpt(O_RDWR | O_NOCTTY);
  if (set.types < 0 || grantpt(set.types) < 0 || unlockpt(set.types) < 0)
    return false;
  const char *name = ptsname(set.types);
  set.mine[0] = name ? open(name, O_RDWR | O_NOCTTY) : -1;
  set.mine[1] = open(test_path("out"), O_RDWR | O_CREAT | O_APPEND, 0600);
  set.mine[2] = open("/dev/null", O_RDWR);
  return set.mine[0] >= 0 && set.mine[1] >= 0 && set.mine[2] >= 0;
}

/* The runner itself writes to stdout and stderr. */
static void redirected(struct test *test, test_body *body) {
  bool fine = true;
  if (!set.ready)
    SKIP("no pseudo-terminal to be had");
  for (int which = 0; which < 3; which++)
    fine &= test_redirect(which, set.mine[which], &set.before[which]);
  if (fine)
    body(test);
  for (int which = 0; which < 3; which++)
    fine &= test_redirect_back(which, set.before[which]);
  TRY(fine);
}

static void kinds(struct test *test) {
  struct ovio_stat stat;
  TRY_EQ(ovio_is_console(ovio_stdin()), 1);
  TRY_EQ(ovio_is_console(ovio_stdout()), 0);
  TRY_EQ(ovio_is_console(ovio_stderr()), 0);
  TRY_EQ(ovio_stat(ovio_stdin(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_CHARACTER);
  TRY_EQ(ovio_stat(ovio_stdout(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_FILE);
  TRY_EQ(ovio_stat(ovio_stderr(), &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_CHARACTER);
}

static void test_kinds(struct test *test) {
  redirected(test, kinds);
}

/* Whatever offset is given; and the position is behind what was written. */
static void append(struct test *test) {
  int64_t size = ovio_size(ovio_stdout());
  TRY_EQ(write(set.mine[1], "other", 5), 5);
  TRY_EQ(ovio_write(ovio_stdout(), "abc", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_seek(ovio_stdout(), 0, SEEK_CUR), size + 8);
  TRY_EQ(ovio_seek(ovio_stdout(), 1, SEEK_SET), 1);
  TRY_EQ(ovio_write(ovio_stdout(), "def", 3, 0), 3);
  TRY_EQ(ovio_size(ovio_stdout()), size + 11);
  TRY_EQ(ovio_seek(ovio_stdout(), 0, SEEK_CUR), size + 11);
}

static void test_append(struct test *test) {
  redirected(test, append);
}

/* The descriptions are other processes', too. */
static void modes_stay(struct test *test) {
  char line[8];
  int before[3];
  for (int which = 0; which < 3; which++)
    before[which] = fcntl(which, F_GETFL);
  TRY_EQ(write(set.types, "ab\n", 3), 3);
  TRY_EQ(ovio_read(ovio_stdin(), line, sizeof line, OVIO_HERE), 3);
  TRY_EQ(ovio_write(ovio_stdout(), "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_write(ovio_stderr(), "x", 1, OVIO_HERE), 1);
  for (int which = 0; which < 3; which++) {
    TRY_EQ(before[which] & O_NONBLOCK, 0);
    TRY_EQ(fcntl(which, F_GETFL), before[which]);
  }
}

static void test_modes_stay(struct test *test) {
  redirected(test, modes_stay);
}

/* A terminal that nobody types at: only the task waits. */
static void nobody_types(struct test *test) {
  char byte;
  TRY_EQ(ovio_deadline(5000000), 0);
  TRY_EQ(ovio_read(ovio_stdin(), &byte, 1, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
}

static void test_nobody_types(struct test *test) {
  redirected(test, nobody_types);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_kinds),
      TEST(test_append),
      TEST(test_modes_stay),
      TEST_LOOP(test_nobody_types, "plain threads have no deadline"),
  };
  set.ready = set_up();
  return test_main(cases, sizeof cases / sizeof *cases);
}
