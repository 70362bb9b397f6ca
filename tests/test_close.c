/* SPDX-License-Identifier: MIT */
/* Close and release with operations in flight, and the routes of handles. */
#include "common/file.h"

#include "scene.h"

#define MS UINT64_C(1000000)

static bool route_is(const struct ovio_file *file, const struct ovio_loop *loop,
                     const char *name) {
  return strcmp(ovio_file_route(file, loop), name) == 0;
}

struct closing {
  struct ovio_file *file;
  int result;
  atomic_int state;
};

/* ---- in flight: this loop's ---- */

/* Callback ops, one that waits at the port or in a worker and some behind. */
static void close_over_callbacks(struct test *test, enum test_pipe_kind kind) {
  enum { COUNT = 20 };
  struct pipe_files files;
  struct outcome reads[COUNT] = {{.calls = 0}};
  char bytes[COUNT];
  TRY(pipe_files_open(&files, kind));
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(ovio_start_read(test->loop, &reads[at].op, &files.in, &bytes[at], 1,
                           OVIO_HERE, outcome_done),
           0);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(ovio_close(&files.in), 0);
  TRY(route_is(&files.in, test->loop, "closed"));
  TRY_EQ(ovio_read(&files.in, bytes, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_close(&files.in), OVIO_EBADF);
  for (int at = 0; at < COUNT; at++) {
    AWAIT(reads[at].calls == 1);
    TRY_EQ(reads[at].result, OVIO_ECANCELED);
  }
  TRY_EQ(ovio_close(&files.out), 0);
}

static void test_close_over_callbacks(struct test *test) {
  close_over_callbacks(test, TEST_PIPE_OVERLAPPED);
}

static void test_close_over_blocked_callbacks(struct test *test) {
  close_over_callbacks(test, TEST_PIPE_SYNC);
}

/* Nothing has arrived at the loop yet when the close comes. */
static void test_close_at_once(struct test *test) {
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct outcome close = {.calls = 0};
  struct ovio_loop *loop;
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_start_close(loop, &close.op, &files.in, outcome_done), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         OVIO_EBUSY);
  TRY_EQ(ovio_cancel(&close.op), OVIO_ENOTSUP); /* a close is for good */
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.calls, 1);
  TRY_EQ(read.result, OVIO_ECANCELED);
  TRY_EQ(close.calls, 1);
  TRY_EQ(close.result, 0);
  TRY_EQ(ovio_close(&files.out), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_nothing_new_while_it_closes(struct test *test) {
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct outcome other = {.calls = 0};
  struct outcome close = {.calls = 0};
  struct ovio_loop *loop;
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_start_close(loop, &close.op, &files.in, outcome_done), 0);
  TRY_EQ(ovio_start_read(loop, &other.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         OVIO_EBADF);
  TRY_EQ(ovio_start_close(loop, &other.op, &files.in, outcome_done),
         OVIO_EBADF);
  TRY_EQ(ovio_close(&files.in), OVIO_EBADF);
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY(ovio_release(&files.in) == OVIO_NO_HANDLE);
  TRY_EQ(ovio_cancel(&other.op), OVIO_ENOENT); /* it was never started */
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(close.result, 0);
  TRY_EQ(other.calls, 0);
  TRY_EQ(ovio_close(&files.out), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct closer {
  struct outcome outcome; /* first; its callback starts the close */
  struct outcome close;
  struct pipe_files *files;
  int errors[3];
};

static void close_in_callback(struct ovio_op *op, int64_t result) {
  struct closer *self = (struct closer *)(void *)op;
  struct ovio_loop *loop = ovio_loop_current();
  self->errors[0] = ovio_close(&self->files->in); /* would have to wait */
  self->errors[1] =
      ovio_start_close(loop, &self->close.op, &self->files->in, outcome_done);
  self->errors[2] =
      ovio_start_close(loop, &self->close.op, &self->files->out, outcome_done);
  outcome_done(op, result);
}

static void test_start_close_in_a_callback(struct test *test) {
  for (int kind = TEST_PIPE_SYNC; kind <= TEST_PIPE_OVERLAPPED; kind++) {
    struct pipe_files files;
    struct outcome reads[3] = {{.calls = 0}};
    struct closer closer = {.files = &files};
    struct ovio_loop *loop;
    char bytes[3];
    TRY(pipe_files_open(&files, (enum test_pipe_kind)kind));
    TRY_EQ(test_loop_create(test, &loop, NULL), 0);
    for (int at = 0; at < 3; at++)
      TRY_EQ(ovio_start_read(loop, &reads[at].op, &files.in, &bytes[at], 1,
                             OVIO_HERE, outcome_done),
             0);
    TRY_EQ(ovio_start_sleep(loop, &closer.outcome.op, MS, close_in_callback),
           0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(closer.errors[0], OVIO_EDEADLK);
    TRY_EQ(closer.errors[1], 0);
    TRY_EQ(closer.errors[2], OVIO_EBUSY);
    TRY_EQ(closer.close.calls, 1);
    TRY_EQ(closer.close.result, 0);
    for (int at = 0; at < 3; at++) {
      TRY_EQ(reads[at].calls, 1);
      TRY_EQ(reads[at].result, OVIO_ECANCELED);
    }
    TRY(route_is(&files.in, NULL, "closed"));
    TRY_EQ(ovio_close(&files.out), 0);
    TRY_EQ(ovio_loop_destroy(loop), 0);
  }
}

static void test_start_close_refuses(struct test *test) {
  struct ovio_file file = {{0}};
  struct outcome close = {.calls = 0};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_close(loop, &close.op, &file, outcome_done), OVIO_EBADF);
  TRY_EQ(ovio_start_close(loop, &close.op, NULL, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_close(loop, NULL, &file, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_close(NULL, &close.op, &file, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_close(loop, &close.op, &file, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_close(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(close.calls, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- in flight: another task's ---- */

struct position_reader {
  struct ovio_file *file;
  char block[4096];
  int64_t bytes;
  int64_t last;
};

static void read_to_the_close(void *argument) {
  struct position_reader *self = argument;
  for (int round = 0; round < 1000000; round++) {
    self->last =
        ovio_read(self->file, self->block, sizeof self->block, OVIO_HERE);
    if (self->last < 0)
      return;
    self->bytes += self->last;
    if (self->last == 0)
      ovio_seek(self->file, 0, SEEK_SET);
  }
}

/* They queue for the position of a disk file, and for workers. */
static void test_close_under_busy_tasks(struct test *test) {
  enum { COUNT = 8 };
  static char content[65536];
  struct ovio_file file;
  struct position_reader *readers = calloc(COUNT, sizeof *readers);
  struct ovio_group group;
  TRY(readers);
  TRY(test_put(test_path("busy"), content, sizeof content));
  TRY_EQ(ovio_open(&file, test_path("busy"), OVIO_READ, 0), 0);
  ovio_group_init(&group);
  for (int at = 0; at < COUNT; at++) {
    readers[at].file = &file;
    TRY_EQ(
        ovio_group_spawn(&group, test->loop, read_to_the_close, &readers[at]),
        0);
  }
  TRY_EQ(ovio_sleep(3 * MS), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  for (int at = 0; at < COUNT; at++)
    TRY(readers[at].last == OVIO_ECANCELED || readers[at].last == OVIO_EBADF);
  free(readers);
}

static void close_task(void *argument) {
  struct closing *self = argument;
  atomic_store(&self->state, 1);
  self->result = ovio_close(self->file);
  atomic_store(&self->state, 2);
}

/* Of several closes one does it. */
static void test_several_close(struct test *test) {
  enum { COUNT = 4 };
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct closing closings[COUNT];
  struct ovio_group group;
  char byte;
  int done = 0;
  TRY(pipe_files_open(&files, TEST_PIPE_SYNC));
  TRY_EQ(ovio_start_read(test->loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  ovio_group_init(&group);
  for (int at = 0; at < COUNT; at++) {
    closings[at] = (struct closing){&files.in, 1, 0};
    TRY_EQ(ovio_group_spawn(&group, test->loop, close_task, &closings[at]), 0);
  }
  TRY_EQ(ovio_group_wait(&group), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY(closings[at].result == 0 || closings[at].result == OVIO_EBADF);
    done += closings[at].result == 0;
  }
  TRY_EQ(done, 1);
  AWAIT(read.calls == 1);
  TRY_EQ(read.result, OVIO_ECANCELED);
  TRY_EQ(ovio_close(&files.out), 0);
}

/* ---- in flight: another loop's ---- */

static void close_from_outside(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  struct outcome reads[2] = {{.calls = 0}};
  struct ovio_loop *loop;
  struct loop_thread thread;
  char bytes[2];
  TRY(pipe_files_open(&files, kind));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_start_read(loop, &reads[at].op, &files.in, &bytes[at], 1,
                           OVIO_HERE, outcome_done),
           0);
  /* While nobody runs it, nothing would end them. */
  if (!test->loop) {
    TRY_EQ(ovio_close(&files.in), OVIO_EDEADLK);
    TRY(!route_is(&files.in, NULL, "closed"));
  }
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(ovio_close(&files.in), 0);
  TRY_EQ(loop_thread_end(&thread), 0);
  for (int at = 0; at < 2; at++) {
    TRY_EQ(reads[at].calls, 1);
    TRY_EQ(reads[at].result, OVIO_ECANCELED);
  }
  TRY_EQ(ovio_close(&files.out), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_close_over_another_loops_reads(struct test *test) {
  close_from_outside(test, TEST_PIPE_OVERLAPPED);
}

static void test_close_over_another_loops_blocked_reads(struct test *test) {
  close_from_outside(test, TEST_PIPE_SYNC);
}

static void test_plain_close_over_reads(struct test *test) {
  close_from_outside(test, TEST_PIPE_OVERLAPPED);
}

static void test_plain_close_over_blocked_reads(struct test *test) {
  close_from_outside(test, TEST_PIPE_SYNC);
}

static void test_read_behind_a_loop_that_rests(struct test *test) {
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct ovio_loop *loop;
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  /* Its turn would come when the loop's is over: never. */
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), OVIO_EDEADLK);
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.result, 1);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- in flight: a plain thread's ---- */

struct blocked {
  struct ovio_file *file;
  atomic_int state;
  int64_t result;
  char byte;
};

static void block_in_read(void *argument) {
  struct blocked *self = argument;
  atomic_store(&self->state, 1);
  self->result = ovio_read(self->file, &self->byte, 1, OVIO_HERE);
  atomic_store(&self->state, 2);
}

/* A look below the interface: is anything under way on the file? */
static bool is_in_flight(struct ovio_file *public_file) {
  struct file *file = (struct file *)(void *)public_file;
  os_lock_acquire(&file->lock);
  bool busy = file->ops != NULL;
  os_lock_release(&file->lock);
  return busy;
}

/* Nothing ends a plain thread's call but what it waits for. */
static void test_close_under_a_plain_thread(struct test *test) {
  for (int kind = TEST_PIPE_SYNC; kind <= TEST_PIPE_OVERLAPPED; kind++) {
    struct pipe_files files;
    struct os_thread thread;
    struct blocked blocked = {.file = &files.in};
    TRY(pipe_files_open(&files, (enum test_pipe_kind)kind));
    TRY_EQ(os_thread_start(&thread, block_in_read, &blocked), 0);
    AWAIT(is_in_flight(&files.in));
    TRY_EQ(ovio_close(&files.in), OVIO_EBUSY);
    TRY(ovio_release(&files.in) == OVIO_NO_HANDLE);
    TRY(is_in_flight(&files.in)); /* nothing was changed */
    TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
    os_thread_join(&thread);
    TRY_EQ(blocked.result, 1);
    TRY_EQ(blocked.byte, 'x');
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

/* ---- refused ---- */

enum { REFUSALS = 20000 };

struct refused {
  struct ovio_file *file;
  atomic_bool ended;
  int wrong;
};

static void close_and_release(void *argument) {
  struct refused *self = argument;
  for (int round = 0; round < REFUSALS; round++) {
    int error = ovio_close(self->file); /* EBUSY: the other one's call */
    self->wrong += error != OVIO_EDEADLK && error != OVIO_EBUSY;
    self->wrong += ovio_release(self->file) != OVIO_NO_HANDLE;
  }
  atomic_store(&self->ended, true);
}

/* What is refused changes nothing, not even for a moment. */
static void test_others_do_not_notice(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct ovio_stat stat;
  struct outcome sync = {.calls = 0};
  struct os_thread thread;
  struct refused refused = {.file = &file};
  int wrong = 0;
  TRY_EQ(ovio_open(&file, test_path("refused"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_sync(loop, &sync.op, &file, 0, outcome_done), 0);
  TRY_EQ(os_thread_start(&thread, close_and_release, &refused), 0);
  while (!atomic_load(&refused.ended))
    wrong += ovio_stat(&file, &stat) == OVIO_EBADF;
  os_thread_join(&thread);
  TRY_EQ(wrong, 0);
  TRY_EQ(refused.wrong, 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(sync.result, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- release ---- */

static void release_in_flight(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct ovio_loop *loop;
  char byte = 0;
  ovio_handle ends[2];
  TRY(test_pipe(ends, kind));
  TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ), 0);
  TRY_EQ(ovio_adopt(&files.out, ends[1], OVIO_WRITE), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int round = 0; round < 2; round++) {
    TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                           outcome_done),
           0);
    TRY(ovio_release(&files.in) == OVIO_NO_HANDLE);
    TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_loop_run(loop), 0); /* it is as it was */
    TRY_EQ(read.calls, round + 1);
    TRY_EQ(read.result, 1);
  }
  TRY(ovio_release(&files.in) == ends[0]);
  TRY(ovio_release(&files.in) == OVIO_NO_HANDLE);
  TRY_EQ(ovio_close(&files.in), OVIO_EBADF);
  /* Still good for the next who takes it, on the same loop and on none. */
  TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ), 0);
  TRY_EQ(ovio_write(&files.out, "yz", 2, OVIO_HERE), 2);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.result, 1);
  TRY_EQ(byte, 'y');
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'z');
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_release_in_flight(struct test *test) {
  release_in_flight(test, TEST_PIPE_OVERLAPPED);
}

static void test_release_in_flight_synchronous(struct test *test) {
  release_in_flight(test, TEST_PIPE_SYNC);
}

/* ---- directories ---- */

static void test_directory_with_an_open_in_flight(struct test *test) {
  struct ovio_file dir;
  struct ovio_file file;
  struct outcome open = {.calls = 0};
  struct ovio_loop *loop;
  TRY(test_put(test_path("inside"), "abc", 3));
  TRY_EQ(ovio_open(&dir, test_folder(), OVIO_DIRECTORY, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_open(loop, &open.op, &file, &dir, "inside", OVIO_READ, 0,
                         outcome_done),
         0);
  /* While nobody runs the loop, that does not end. */
  TRY(ovio_release(&dir) == OVIO_NO_HANDLE);
  TRY_EQ(ovio_close(&dir), OVIO_EDEADLK);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(open.result, 0);
  TRY_EQ(ovio_size(&file), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&dir), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* One worker, which the open would need and the close has. */
static void test_directory_closed_under_opens(struct test *test) {
  enum { COUNT = 4 };
  struct ovio_loop_options options = {.max_workers = 1};
  struct ovio_file dir;
  struct ovio_file files[COUNT];
  struct outcome opens[COUNT] = {{.calls = 0}};
  struct outcome close = {.calls = 0};
  struct ovio_loop *loop;
  TRY(test_put(test_path("inside"), "abc", 3));
  TRY_EQ(ovio_open(&dir, test_folder(), OVIO_DIRECTORY, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(ovio_start_open(loop, &opens[at].op, &files[at], &dir, "inside",
                           OVIO_READ, 0, outcome_done),
           0);
  TRY_EQ(ovio_start_close(loop, &close.op, &dir, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(close.result, 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(opens[at].calls, 1);
    TRY(opens[at].result == 0 || opens[at].result == OVIO_ECANCELED);
    TRY_EQ(ovio_close(&files[at]), opens[at].result ? OVIO_EBADF : 0);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- two loops, and routes ---- */

static void read_on(struct test *test, struct ovio_loop *loop,
                    struct pipe_files *files) {
  struct outcome read = {.calls = 0};
  char byte = 0;
  TRY_EQ(ovio_start_read(loop, &read.op, &files->in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_write(&files->out, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(read.calls, 1);
  TRY_EQ(read.result, 1);
  TRY_EQ(byte, 'x');
}

static bool has_engine(const struct ovio_loop *loop, const char *name) {
  return strcmp(ovio_loop_engine(loop), name) == 0;
}

static const char *stream_route(const struct ovio_loop *loop) {
  return has_engine(loop, "iocp") ? "completion" : "readiness";
}

/* Where the port is for readiness, a disk file is always ready. */
static const char *disk_route(const struct ovio_loop *loop) {
  return has_engine(loop, "iocp") || has_engine(loop, "io_uring") ? "completion"
                                                                  : "worker";
}

static void test_one_handle_on_two_loops(struct test *test) {
  struct pipe_files files;
  struct ovio_loop *first;
  struct ovio_loop *second;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &first, NULL), 0);
  TRY_EQ(test_loop_create(test, &second, NULL), 0);
  /* Before its first use, each would have it. */
  TRY(route_is(&files.in, first, stream_route(first)));
  TRY(route_is(&files.in, second, stream_route(second)));
  for (int round = 0; round < 3; round++) {
    read_on(test, first, &files);
    TRY(!test->failure[0]);
    TRY(route_is(&files.in, first, stream_route(first)));
    TRY(route_is(&files.in, second, "worker"));
    read_on(test, second, &files);
    TRY(!test->failure[0]);
  }
  /* Bound for good, also when that loop is gone. */
  TRY_EQ(ovio_loop_destroy(first), 0);
  read_on(test, second, &files);
  TRY(!test->failure[0]);
  TRY(route_is(&files.in, second, "worker"));
  TRY_EQ(ovio_loop_destroy(second), 0);
  TRY_EQ(test_loop_create(test, &second, NULL), 0);
  read_on(test, second, &files); /* perhaps at the first one's address */
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(second), 0);
}

/* Both at once: the second waits for its turn. */
static void test_two_loops_at_once(struct test *test) {
  struct pipe_files files;
  struct ovio_loop *loops[2];
  struct loop_thread threads[2];
  struct outcome reads[2] = {{.calls = 0}};
  char bytes[2] = {0};
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  for (int at = 0; at < 2; at++) {
    TRY_EQ(test_loop_create(test, &loops[at], NULL), 0);
    TRY(loop_thread_start(&threads[at], loops[at]));
    TRY_EQ(ovio_start_read(loops[at], &reads[at].op, &files.in, &bytes[at], 1,
                           OVIO_HERE, outcome_done),
           0);
  }
  TRY_EQ(ovio_write(&files.out, "a", 1, OVIO_HERE), 1);
  AWAIT(atomic_load(&reads[0].calls) == 1);
  TRY_EQ(reads[1].calls, 0);
  TRY_EQ(ovio_close(&files.in), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(loop_thread_end(&threads[at]), 0);
  TRY_EQ(bytes[0], 'a');
  TRY_EQ(reads[1].result, OVIO_ECANCELED);
  TRY_EQ(ovio_close(&files.out), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_loop_destroy(loops[at]), 0);
}

static void test_routes_of_streams(struct test *test) {
  struct pipe_files overlapped;
  struct pipe_files synchronous;
  struct ovio_file blocking;
  struct ovio_file other;
  ovio_handle ends[2];
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(pipe_files_open(&overlapped, TEST_PIPE_OVERLAPPED));
  TRY(pipe_files_open(&synchronous, TEST_PIPE_SYNC));
  TRY(test_pipe(ends, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_adopt(&blocking, ends[0], OVIO_READ | OVIO_BLOCKING), 0);
  TRY_EQ(ovio_adopt(&other, ends[1], OVIO_WRITE | OVIO_INLINE), 0);
  TRY(route_is(&overlapped.in, loop, stream_route(loop)));
  TRY(route_is(&overlapped.out, loop, stream_route(loop)));
  TRY(route_is(&overlapped.in, NULL, "synchronous"));
  TRY(route_is(&synchronous.in, NULL, "synchronous"));
  TRY(route_is(&blocking, loop, "worker"));
  TRY(route_is(&other, loop, "inline"));
  TRY(route_is(&other, NULL, "synchronous"));
  read_on(test, loop, &overlapped);
  TRY(!test->failure[0]);
  read_on(test, loop, &synchronous);
  TRY(!test->failure[0]);
  TRY(route_is(&overlapped.in, loop, stream_route(loop)));
  TRY(route_is(&synchronous.in, loop, "worker")); /* known by now */
  TRY_EQ(pipe_files_close(&overlapped), 0);
  TRY_EQ(pipe_files_close(&synchronous), 0);
  TRY_EQ(ovio_close(&blocking), 0);
  TRY_EQ(ovio_close(&other), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_routes_of_other_kinds(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file dir;
  struct ovio_file sockets[2];
  ovio_handle ends[2];
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_open(&dir, test_folder(), OVIO_DIRECTORY, 0), 0);
  TRY(route_is(&dir, NULL, "synchronous"));
  TRY_EQ(ovio_close(&dir), 0);
  TRY(test_socket_pair(ends));
  for (int at = 0; at < 2; at++) {
    TRY_EQ(ovio_adopt(&sockets[at], ends[at], OVIO_READ | OVIO_WRITE), 0);
    TRY(route_is(&sockets[at], loop, stream_route(loop)));
    TRY_EQ(ovio_close(&sockets[at]), 0);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_routes_of_disk_files(struct test *test) {
  static const struct {
    unsigned flags;
    const char *route; /* NULL: the system's own for a disk file */
  } table[] = {{OVIO_READ, NULL},
               {OVIO_READ | OVIO_BLOCKING, "worker"},
               {OVIO_READ | OVIO_INLINE, "inline"}};
  struct ovio_loop *loop;
  struct ovio_file file = {{0}};
  TRY(route_is(&file, NULL, "closed"));
  TRY(route_is(NULL, NULL, "closed"));
  TRY(test_put(test_path("routes"), "abc", 3));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(route_is(&file, loop, "closed"));
  for (int at = 0; at < 3; at++) {
    const char *route = table[at].route;
    if (!route)
      route = disk_route(loop);
    TRY_EQ(ovio_open(&file, test_path("routes"), table[at].flags, 0), 0);
    TRY(route_is(&file, loop, route));
    TRY(route_is(&file, NULL, "synchronous"));
    TRY_EQ(ovio_close(&file), 0);
    TRY(route_is(&file, loop, "closed"));
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  static const char *const why = "another task's operations";
  const struct test_case cases[] = {
      TEST_LOOP(test_close_over_callbacks, why),
      TEST_LOOP(test_close_over_blocked_callbacks, why),
      TEST_ENGINES(test_close_at_once),
      TEST_ENGINES(test_nothing_new_while_it_closes),
      TEST_ENGINES(test_start_close_in_a_callback),
      TEST_ENGINES(test_start_close_refuses),
      TEST_LOOP(test_close_under_busy_tasks, why),
      TEST_LOOP(test_several_close, why),
      TEST(test_close_over_another_loops_reads),
      TEST_ENGINES(test_plain_close_over_reads),
      TEST(test_close_over_another_loops_blocked_reads),
      TEST_ENGINES(test_plain_close_over_blocked_reads),
      TEST_ENGINES(test_read_behind_a_loop_that_rests),
      TEST(test_close_under_a_plain_thread),
      TEST_ENGINES(test_others_do_not_notice),
      TEST_ENGINES(test_release_in_flight),
      TEST_ENGINES(test_release_in_flight_synchronous),
      TEST_ENGINES(test_directory_with_an_open_in_flight),
      TEST_ENGINES(test_directory_closed_under_opens),
      TEST_ENGINES(test_one_handle_on_two_loops),
      TEST_ENGINES(test_two_loops_at_once),
      TEST_ENGINES(test_routes_of_streams),
      TEST_ENGINES(test_routes_of_other_kinds),
      TEST_ENGINES(test_routes_of_disk_files),
  };
  /* The system's own first use of a socket may keep handles for good. */
  ovio_handle ends[2];
  if (!test_socket_pair(ends))
    return 1;
  test_close_handle(ends[0]);
  test_close_handle(ends[1]);
  return test_main(cases, sizeof cases / sizeof *cases);
}
