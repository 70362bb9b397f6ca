/* SPDX-License-Identifier: MIT */
/* A worker that cannot be made. */
#include "posix/native.h"

#include "scene.h"

/* Stands in the table from the beginning: other threads read it at any time. */
static struct native_calls real;
static atomic_bool refuses;

#if NATIVE_HAS_EVENTFD
static int try_eventfd(unsigned value, int flags) {
  if (!atomic_load(&refuses))
    return real.eventfd(value, flags);
  errno = EMFILE;
  return -1;
}
#else
static int try_pipe(int fds[2]) {
  if (!atomic_load(&refuses))
    return real.pipe(fds);
  errno = EMFILE;
  return -1;
}
#endif

/* Nothing is done that could not be ended; but a close is. */
static void test_no_worker_to_be_made(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome sync = {.calls = 0};
  struct outcome close = {.calls = 0};
  TRY_EQ(ovio_open(&file, test_path("given"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_sync(loop, &sync.op, &file, 0, outcome_done), 0);
  atomic_store(&refuses, true);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(sync.calls, 1);
  TRY_EQ(sync.result, OVIO_EMFILE);
  TRY_EQ(ovio_start_close(loop, &close.op, &file, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  atomic_store(&refuses, false);
  TRY_EQ(close.calls, 1);
  TRY_EQ(close.result, 0);
  /* The next one is made anew. */
  TRY_EQ(ovio_open(&file, test_path("given"), OVIO_WRITE, 0600), 0);
  TRY_EQ(ovio_start_sync(loop, &sync.op, &file, 0, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(sync.calls, 2);
  TRY_EQ(sync.result, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_no_worker_to_be_made),
  };
  real = native;
#if NATIVE_HAS_EVENTFD
  native.eventfd = try_eventfd;
#else
  native.pipe = try_pipe;
#endif
  return test_main(cases, sizeof cases / sizeof *cases);
}
