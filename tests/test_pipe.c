/* SPDX-License-Identifier: MIT */
/* Pipes that the library makes. */
#include "scene.h"

static void test_through_a_pipe(struct test *test) {
  struct ovio_file ends[2];
  char buffer[8];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_write(&ends[1], "hello", 5, OVIO_HERE), 5);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 5);
  TRY(memcmp(buffer, "hello", 5) == 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

static void test_each_end_has_its_direction(struct test *test) {
  struct ovio_file ends[2];
  char byte = 0;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_write(&ends[0], &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_read(&ends[1], &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_write(&ends[1], &byte, 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file ends[2];
  TRY_EQ(ovio_pipe(NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe(ends, OVIO_CREATE), OVIO_EINVAL);
  TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
  TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_through_a_pipe),
      TEST(test_each_end_has_its_direction),
      TEST(test_bad_arguments),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
