/* SPDX-License-Identifier: MIT */
/* A test of someone else's: a library that fails on purpose. */
#include <ovio_test.h>
#include <stdio.h>

int main(int argc, char **argv) {
  struct ovio_file file;
  struct ovio_test_rule rule = {
      .size = sizeof rule, .file = &file, .error = OVIO_EIO, .after = 1};
  unsigned flags = OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE;
  if (argc != 2 || ovio_open(&file, argv[1], flags, 0666) != 0)
    return 1;
  int number = ovio_test_add(&rule);
  if (ovio_write(&file, "once", 4, 0) != 4 ||
      ovio_write(&file, "twice", 5, 0) != OVIO_EIO ||
      ovio_test_hits(number) != 1 || ovio_close(&file) != 0)
    return 1;
  printf("ovio %s fails on purpose\n", ovio_version());
  return 0;
}
