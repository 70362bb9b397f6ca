/* SPDX-License-Identifier: MIT */
/* Workers whose interruption comes too early, or that cannot be made. */
#include "win32/native.h"

#include "scene.h"

/* Stand in the table from the beginning: other threads read it at any time. */
static struct native_calls real;
static atomic_int refusals;
static atomic_bool no_handles;

/* As when the thread has not got into its call yet. */
static BOOL WINAPI too_early(HANDLE thread) {
  if (atomic_fetch_sub(&refusals, 1) <= 0)
    return real.CancelSynchronousIo(thread);
  SetLastError(ERROR_NOT_FOUND);
  return FALSE;
}

static void test_interruption_is_repeated(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_SYNC));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  os_sleep_ns(10000000); /* by now the worker is in its call */
  atomic_store(&refusals, 4);
  int error = ovio_cancel(&read.op);
  for (int left = 30000; left && !atomic_load(&read.calls); left--)
    os_sleep_ns(1000000);
  TRY_EQ(error, 0);
  TRY_EQ(read.calls, 1);
  TRY_EQ(read.result, OVIO_ECANCELED);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static HANDLE WINAPI try_event(LPSECURITY_ATTRIBUTES security, BOOL manual,
                               BOOL set, LPCWSTR name) {
  if (!atomic_load(&no_handles))
    return real.CreateEventW(security, manual, set, name);
  SetLastError(ERROR_TOO_MANY_OPEN_FILES);
  return NULL;
}

/* Nothing is done that could not be ended; but a close is. */
static void test_no_worker_to_be_made(struct test *test) {
  struct ovio_loop *loop;
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct outcome close = {.calls = 0};
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_SYNC));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  atomic_store(&no_handles, true);
  int error = ovio_loop_run(loop);
  TRY_EQ(error, 0);
  TRY_EQ(read.calls, 1);
  TRY_EQ(read.result, OVIO_EMFILE);
  TRY_EQ(ovio_start_close(loop, &close.op, &files.out, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  atomic_store(&no_handles, false);
  TRY_EQ(close.calls, 1);
  TRY_EQ(close.result, 0);
  /* The next one is made anew. */
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.result, 0); /* the writer is gone */
  TRY_EQ(ovio_close(&files.in), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_interruption_is_repeated),
      TEST_ENGINES(test_no_worker_to_be_made),
  };
  real = native;
  native.CancelSynchronousIo = too_early;
  native.CreateEventW = try_event;
  return test_main(cases, sizeof cases / sizeof *cases);
}
