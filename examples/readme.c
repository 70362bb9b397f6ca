/* SPDX-License-Identifier: MIT */
/* The example of the README: one function, run both ways. */
#include <ovio.h>
#include <stdio.h>

static void head(void *path) {
  struct ovio_file file;
  char text[80];
  int error = ovio_open(&file, path, OVIO_READ, 0);
  int64_t got = error ? error : ovio_read(&file, text, sizeof text, 0);
  if (!error)
    ovio_close(&file);
  if (got < 0)
    fprintf(stderr, "%s: %s\n", (char *)path, ovio_error_text((int)got));
  else
    printf("%.*s\n", (int)got, text);
}

int main(int argc, char **argv) {
  struct ovio_loop *loop;
  for (int at = 1; at < argc; at++)
    head(argv[at]); /* blocks this thread */
  if (ovio_loop_create(&loop, NULL) != 0)
    return 1;
  for (int at = 1; at < argc; at++)
    ovio_spawn(loop, head, argv[at]); /* only the task waits */
  ovio_loop_run(loop);
  return ovio_loop_destroy(loop);
}
