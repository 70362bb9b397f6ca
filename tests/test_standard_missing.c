/* SPDX-License-Identifier: MIT */
/* A process that was started without standard handles. */
#include "scene.h"

static ovio_handle before[3];

static void all_missing(struct test *test, struct ovio_file *files[3]) {
  char byte = 0;
  struct ovio_stat stat;
  TRY_EQ(ovio_read(files[0], &byte, 1, OVIO_HERE), OVIO_EBADF);
  for (int which = 1; which < 3; which++) {
    TRY_EQ(ovio_write(files[which], &byte, 1, OVIO_HERE), OVIO_EBADF);
    TRY_EQ(ovio_stat(files[which], &stat), OVIO_EBADF);
    TRY_EQ(ovio_is_console(files[which]), OVIO_EBADF);
    TRY_EQ(ovio_close(files[which]), OVIO_EBADF);
  }
}

static void test_missing(struct test *test) {
  bool closed = true;
  for (int which = 0; which < 3; which++)
    closed &= test_redirect(which, OVIO_NO_HANDLE, &before[which]);
  struct ovio_file *files[3] = {ovio_stdin(), ovio_stdout(), ovio_stderr()};
  if (closed)
    all_missing(test, files);
  for (int which = 0; which < 3; which++)
    closed &= test_redirect_back(which, before[which]);
  TRY(closed);
  TRY_EQ(ovio_write(ovio_stdout(), "x", 1, OVIO_HERE), OVIO_EBADF);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_missing),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
