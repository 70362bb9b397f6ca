/* SPDX-License-Identifier: MIT */
/* A program of someone else's: uses the public header and nothing more. */
#include <ovio.h>
#include <stdio.h>
#include <string.h>

static const char text[] = "written by a consumer";

static int fail(const char *what, int64_t result) {
  fprintf(stderr, "%s: %s\n", what, ovio_error_name((int)result));
  return 1;
}

int main(int argc, char **argv) {
  struct ovio_file file;
  char back[sizeof text] = "";

  if (argc != 2)
    return fail("usage: consumer FILE", OVIO_EINVAL);
  int result =
      ovio_open(&file, argv[1],
                OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0666);
  if (result < 0)
    return fail("open", result);
  int64_t moved = ovio_write(&file, text, sizeof text, 0);
  if (moved != (int64_t)sizeof text)
    return fail("write", moved);
  moved = ovio_read(&file, back, sizeof back, 0);
  if (moved != (int64_t)sizeof back || memcmp(text, back, sizeof back) != 0)
    return fail("read", moved);
  result = ovio_close(&file);
  if (result < 0)
    return fail("close", result);
  printf("ovio %s works\n", ovio_version());
  return 0;
}
