/* SPDX-License-Identifier: MIT */
/* Waiting until a handle is ready that is not the library's. */
#include "companion.h"

#define MS UINT64_C(1000000)

struct waiting {
  ovio_handle handle;
  bool write;
  uint64_t deadline_ns;
  int result;
  atomic_int state; /* 1: began, 2: ended */
};

static void wait_for_it(void *argument) {
  struct waiting *self = argument;
  atomic_store(&self->state, 1);
  if (self->deadline_ns)
    ovio_deadline(self->deadline_ns);
  self->result = self->write ? ovio_wait_writable(self->handle)
                             : ovio_wait_readable(self->handle);
  atomic_store(&self->state, 2);
}

/* A file of the other end, to send and to receive by. */
static bool pair(ovio_handle ends[2], struct ovio_file *far) {
  return test_socket_pair(ends) &&
         ovio_adopt(far, ends[1], OVIO_READ | OVIO_WRITE) == 0;
}

static bool close_socket(ovio_handle handle) {
  struct ovio_file file;
  return ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE) == 0 &&
         ovio_close(&file) == 0;
}

static void test_readable_at_once(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  TRY(pair(ends, &far));
  TRY_EQ(ovio_write(&far, "x", 1, OVIO_HERE), 1);
  for (int round = 0; round < 3; round++) /* nothing is taken */
    TRY_EQ(ovio_wait_readable(ends[0]), 0);
  TRY_EQ(ovio_wait_writable(ends[0]), 0);
  TRY_EQ(ovio_close(&far), 0);
  TRY(close_socket(ends[0]));
}

static void test_readable_later(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  struct companion companion;
  TRY(pair(ends, &far));
  for (int round = 0; round < 3; round++) {
    struct ovio_file near;
    char byte = 0;
    struct waiting waiting = {.handle = ends[0], .result = 1};
    TRY(companion_start(test, &companion, wait_for_it, &waiting));
    AWAIT(waiting.state >= 1);
    TRY_EQ(ovio_sleep(2 * MS), 0);
    TRY_EQ(waiting.state, 1);
    TRY_EQ(ovio_write(&far, "x", 1, OVIO_HERE), 1);
    companion_join(&companion);
    TRY_EQ(waiting.result, 0);
    TRY_EQ(ovio_adopt(&near, ends[0], OVIO_READ), 0);
    TRY_EQ(ovio_read(&near, &byte, 1, OVIO_HERE), 1);
    TRY(ovio_release(&near) == ends[0]);
  }
  TRY_EQ(ovio_close(&far), 0);
  TRY(close_socket(ends[0]));
}

struct stream {
  struct ovio_file *file;
  int64_t length; /* sent, and not yet received */
};

/* Until a write does not fit in the time given, as it seems. */
static void fill(void *argument) {
  struct stream *self = argument;
  static const char bytes[65536];
  int64_t sent;
  do {
    ovio_deadline(30 * MS);
    sent = ovio_write(self->file, bytes, sizeof bytes, OVIO_HERE);
    self->length += sent > 0 ? sent : 0;
  } while (sent > 0);
}

static void drain(void *argument) {
  struct stream *self = argument;
  static char bytes[65536];
  while (self->length > 0) {
    int64_t got = ovio_read(self->file, bytes, sizeof bytes, OVIO_HERE);
    if (got <= 0)
      break;
    self->length -= got;
  }
}

/* Starts one who waits for room that is not there yet. The receiving side may
 * make some by itself, and a busy machine lets a write's time pass. */
static bool wait_at_full(struct test *test, struct stream *stream,
                         struct companion *waiter, struct waiting *waiting) {
  for (int round = 0; round < 200; round++) {
    struct companion filler;
    waiting->state = 0;
    if (!companion_start(test, &filler, fill, stream))
      return false;
    companion_join(&filler);
    if (!companion_start(test, waiter, wait_for_it, waiting))
      return false;
    ovio_sleep(5 * MS);
    if (waiting->state == 1)
      return true;
    companion_join(waiter);
  }
  return false;
}

static void test_writable_when_there_is_room(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  struct ovio_file near;
  struct companion drainer;
  struct companion waiter;
  TRY(pair(ends, &far));
  TRY_EQ(ovio_adopt(&near, ends[0], OVIO_READ | OVIO_WRITE), 0);
  struct waiting waiting = {.handle = ends[0], .write = true, .result = 1};
  struct stream stream = {&near, 0};
  TRY(wait_at_full(test, &stream, &waiter, &waiting));
  stream.file = &far;
  TRY(companion_start(test, &drainer, drain, &stream));
  companion_join(&drainer);
  companion_join(&waiter);
  TRY_EQ(waiting.result, 0);
  TRY_EQ(stream.length, 0);
  TRY_EQ(ovio_close(&near), 0);
  TRY_EQ(ovio_close(&far), 0);
}

static void test_hang_up_is_ready(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  struct companion companion;
  TRY(pair(ends, &far));
  struct waiting waiting = {.handle = ends[0], .result = 1};
  TRY(companion_start(test, &companion, wait_for_it, &waiting));
  AWAIT(waiting.state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(ovio_close(&far), 0);
  companion_join(&companion);
  TRY_EQ(waiting.result, 0);
  TRY_EQ(ovio_wait_readable(ends[0]), 0);
  TRY(close_socket(ends[0]));
}

/* Two who wait to read, one who waits to write, and a file that reads, all of
 * one handle. */
static void test_many_wait_for_one_handle(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  struct ovio_file near;
  struct companion companions[3];
  char byte = 0;
  TRY(pair(ends, &far));
  TRY_EQ(ovio_adopt(&near, ends[0], OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_write(&far, "a", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_read(&near, &byte, 1, OVIO_HERE), 1); /* it is bound now */
  struct waiting waiting[3] = {{.handle = ends[0], .result = 1},
                               {.handle = ends[0], .result = 1},
                               {.handle = ends[0], .write = true, .result = 1}};
  for (int at = 0; at < 3; at++)
    TRY(companion_start(test, &companions[at], wait_for_it, &waiting[at]));
  AWAIT(waiting[2].state == 2);
  AWAIT(waiting[0].state >= 1 && waiting[1].state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY(waiting[0].state == 1 && waiting[1].state == 1);
  TRY_EQ(ovio_write(&far, "b", 1, OVIO_HERE), 1);
  for (int at = 0; at < 3; at++) {
    companion_join(&companions[at]);
    TRY_EQ(waiting[at].result, 0);
  }
  TRY_EQ(ovio_read(&near, &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'b');
  TRY_EQ(ovio_close(&near), 0);
  TRY_EQ(ovio_close(&far), 0);
}

static void test_deadline(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  TRY(pair(ends, &far));
  TRY_EQ(ovio_deadline(2 * MS), 0);
  TRY_EQ(ovio_wait_readable(ends[0]), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_wait_writable(ends[0]), 0);
  TRY_EQ(ovio_close(&far), 0);
  TRY(close_socket(ends[0]));
}

static void test_cancel(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file far;
  struct companion companion;
  TRY(pair(ends, &far));
  struct waiting waiting = {.handle = ends[0], .result = 1};
  TRY(companion_start(test, &companion, wait_for_it, &waiting));
  AWAIT(waiting.state == 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  ovio_group_cancel(&companion.group);
  companion_join(&companion);
  TRY_EQ(waiting.result, OVIO_ECANCELED);
  /* It is no longer waited for: the next one is as good as the first. */
  TRY_EQ(ovio_write(&far, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_wait_readable(ends[0]), 0);
  TRY_EQ(ovio_close(&far), 0);
  TRY(close_socket(ends[0]));
}

static void test_bad_handle(struct test *test) {
  ovio_handle ends[2];
  TRY_EQ(ovio_wait_readable(OVIO_NO_HANDLE), OVIO_EBADF);
  TRY_EQ(ovio_wait_writable(OVIO_NO_HANDLE), OVIO_EBADF);
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  TRY(test_close_handle(ends[0]));
  TRY(test_close_handle(ends[1]));
  TRY_EQ(ovio_wait_readable(ends[0]), OVIO_EBADF);
  TRY(ovio_native_error() != 0);
}

/* Ready on POSIX, whatever it is; refused on Windows, and not waited for. */
static void test_what_is_no_socket(struct test *test) {
  ovio_handle ends[2];
  bool posix = test_is_posix();
  int wanted = posix ? 0 : OVIO_ENOTSUP;
  ovio_handle file = test_open_handle(test_path("plain"), true, false);
  TRY(file != OVIO_NO_HANDLE);
  TRY_EQ(ovio_wait_readable(file), wanted);
  TRY_EQ(ovio_wait_writable(file), wanted);
  TRY(test_close_handle(file));
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  TRY_EQ(ovio_wait_writable(ends[1]), wanted);
  TRY(test_close_handle(ends[0]));
  TRY(test_close_handle(ends[1]));
}

static void test_callbacks(struct test *test) {
  struct ovio_loop *loop;
  ovio_handle ends[2];
  struct ovio_file far;
  TRY(pair(ends, &far));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  struct outcome waits[3] = {{.calls = 0}, {.calls = 0}, {.calls = 0}};
  TRY_EQ(ovio_start_wait_readable(loop, &waits[0].op, ends[0], outcome_done),
         0);
  TRY_EQ(ovio_start_wait_readable(loop, &waits[0].op, ends[0], outcome_done),
         OVIO_EBUSY);
  TRY_EQ(ovio_start_wait_writable(loop, &waits[1].op, ends[0], outcome_done),
         0);
  TRY_EQ(ovio_start_wait_readable(loop, &waits[2].op, ends[0], outcome_done),
         0);
  TRY_EQ(ovio_cancel(&waits[2].op), 0);
  TRY_EQ(ovio_write(&far, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(waits[0].calls, 1);
  TRY_EQ(waits[0].result, 0);
  TRY_EQ(waits[1].calls, 1);
  TRY_EQ(waits[1].result, 0);
  TRY_EQ(waits[2].calls, 1);
  TRY_EQ(waits[2].result, OVIO_ECANCELED);
  TRY_EQ(ovio_start_wait_readable(loop, &waits[0].op, OVIO_NO_HANDLE,
                                  outcome_done),
         OVIO_EBADF);
  TRY_EQ(ovio_start_wait_readable(NULL, &waits[0].op, ends[0], outcome_done),
         OVIO_EINVAL);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&far), 0);
  TRY(close_socket(ends[0]));
}

static ovio_handle refused_handle;
static void wait_in_a_callback(struct ovio_op *op, int64_t result) {
  (void)result;
  outcome_done(op, ovio_wait_readable(refused_handle));
}

static void test_callback_must_not_wait(struct test *test) {
  struct ovio_loop *loop;
  ovio_handle ends[2];
  struct ovio_file far;
  struct outcome post = {.calls = 0};
  TRY(pair(ends, &far));
  refused_handle = ends[0];
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &post.op, wait_in_a_callback), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(post.result, OVIO_EDEADLK);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&far), 0);
  TRY(close_socket(ends[0]));
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_readable_at_once),
      TEST(test_readable_later),
      TEST_LOOP(test_writable_when_there_is_room,
                "a deadline ends the filling"),
      TEST(test_hang_up_is_ready),
      TEST(test_many_wait_for_one_handle),
      TEST_LOOP(test_deadline, "plain threads have no deadline"),
      TEST_LOOP(test_cancel, "plain threads are not cancelled"),
      TEST(test_bad_handle),
      TEST(test_what_is_no_socket),
      TEST_ENGINES(test_callbacks),
      TEST_ENGINES(test_callback_must_not_wait),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
