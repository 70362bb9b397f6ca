/* SPDX-License-Identifier: MIT */
/* Misuse by the caller: a named error, and nothing has changed. */
#include "files.h"
#include "scene.h"

/* ---- nothing where something is needed ---- */

static void test_no_file(struct test *test) {
  struct ovio_stat about;
  char byte = 0;
  struct ovio_iovec part = {&byte, 1};
  TRY_EQ(ovio_open(NULL, test_path("x"), OVIO_READ, 0), OVIO_EINVAL);
  TRY_EQ(ovio_openat(NULL, NULL, test_path("x"), OVIO_READ, 0), OVIO_EINVAL);
  TRY_EQ(ovio_adopt(NULL, OVIO_NO_HANDLE, OVIO_READ), OVIO_EINVAL);
  TRY(ovio_release(NULL) == OVIO_NO_HANDLE);
  TRY_EQ(ovio_close(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_read(NULL, &byte, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_write(NULL, &byte, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_readv(NULL, &part, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_writev(NULL, &part, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_sync(NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_truncate(NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_size(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_seek(NULL, 0, SEEK_SET), OVIO_EINVAL);
  TRY_EQ(ovio_stat(NULL, &about), OVIO_EINVAL);
  TRY_EQ(ovio_set_times(NULL, 0, 0), OVIO_EINVAL);
  TRY(strcmp(ovio_file_route(NULL, NULL), "closed") == 0);
  TRY_EQ(ovio_native_error(), 0); /* the system was not asked */
}

static void test_no_loop(struct test *test) {
  struct ovio_op op;
  struct ovio_group group;
  memset(&op, 0, sizeof op);
  ovio_group_init(&group);
  ovio_group_init(NULL);
  ovio_group_cancel(NULL);
  ovio_loop_stop(NULL);
  ovio_loop_cancel(NULL);
  ovio_loop_hold(NULL);
  ovio_loop_unhold(NULL);
  TRY_EQ(ovio_loop_create(NULL, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_loop_run(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_loop_destroy(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_spawn(NULL, free, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(NULL, &op, 1 << 20, free, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(&group, NULL, free, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_group_wait(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_post(NULL, &op, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_sleep(NULL, &op, 1, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_cancel(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_cancel(&op), OVIO_ENOENT);
}

static void buffers_of_its_own_loop(void *argument) {
  char byte;
  struct ovio_iovec part = {&byte, 1};
  *(int *)argument = ovio_loop_register_buffers(ovio_loop_current(), &part, 1);
}

static void test_wrong_buffers(struct test *test) {
  struct ovio_loop *loop;
  static char memory[16];
  int answer = 0;
  struct ovio_iovec part = {memory, sizeof memory};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_loop_register_buffers(NULL, &part, 1), OVIO_EINVAL);
  TRY_EQ(ovio_loop_register_buffers(loop, NULL, 1), OVIO_EINVAL);
  TRY_EQ(ovio_loop_register_buffers(loop, &part, 16385), OVIO_EINVAL);
  part.iov_len = 0;
  TRY_EQ(ovio_loop_register_buffers(loop, &part, 1), OVIO_EINVAL);
  part.iov_len = ((size_t)1 << 30) + 1;
  TRY_EQ(ovio_loop_register_buffers(loop, &part, 1), OVIO_EINVAL);
  part = (struct ovio_iovec){NULL, 1};
  TRY_EQ(ovio_loop_register_buffers(loop, &part, 1), OVIO_EINVAL);
  TRY_EQ(ovio_loop_register_buffers(loop, NULL, 0), 0);
  part = (struct ovio_iovec){memory, sizeof memory};
  TRY_EQ(ovio_loop_register_buffers(loop, &part, 1), 0);
  TRY_EQ(ovio_spawn(loop, buffers_of_its_own_loop, &answer), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(answer, OVIO_EBUSY);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_no_body(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_group group;
  static char stack[65536];
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_spawn(loop, NULL, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(loop, stack, sizeof stack, NULL, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(loop, NULL, sizeof stack, free, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(loop, stack, sizeof stack - 1, free, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(NULL, loop, free, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(&group, loop, NULL, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_loop_run(loop), 0); /* none of them was spawned */
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_loop_options(struct test *test) {
  struct ovio_loop *loop = (struct ovio_loop *)(void *)test;
  struct ovio_loop_options options = {.size = 0};
  TRY_EQ(ovio_loop_create(&loop, &options), OVIO_EINVAL);
  TRY(!loop);
  options =
      (struct ovio_loop_options){.size = sizeof options, .stack_length = 65535};
  TRY_EQ(ovio_loop_create(&loop, &options), OVIO_EINVAL);
  options = (struct ovio_loop_options){.size = sizeof options, .threads = 1025};
  TRY_EQ(ovio_loop_create(&loop, &options), OVIO_EINVAL);
  options = (struct ovio_loop_options){.size = sizeof options, .engine = 99};
  TRY_EQ(ovio_loop_create(&loop, &options), OVIO_ENOTSUP);
  TRY(!loop);
}

/* ---- starting ---- */

/* Each kind of start: by number, so that every rule is tried with all. */
enum { START_COUNT = 11 };

struct start {
  struct ovio_loop *loop;
  struct ovio_op *op;
  struct ovio_file *file;
  ovio_done *done;
};

static int start_kind(const struct start *with, int kind) {
  static char bytes[8];
  static struct ovio_stat about;
  static struct ovio_file opened;
  static const struct ovio_iovec part = {bytes, 8};
  struct ovio_loop *loop = with->loop;
  struct ovio_op *op = with->op;
  struct ovio_file *file = with->file;
  ovio_done *done = with->done;
  switch (kind) {
  case 0:
    return ovio_start_read(loop, op, file, bytes, 8, 0, done);
  case 1:
    return ovio_start_write(loop, op, file, bytes, 8, 0, done);
  case 2:
    return ovio_start_readv(loop, op, file, &part, 1, 0, done);
  case 3:
    return ovio_start_writev(loop, op, file, &part, 1, 0, done);
  case 4:
    return ovio_start_sync(loop, op, file, 0, done);
  case 5:
    return ovio_start_truncate(loop, op, file, 8, done);
  case 6:
    return ovio_start_stat(loop, op, file, &about, done);
  case 7:
    return ovio_start_close(loop, op, file, done);
  case 8: /* those without a file */
    return ovio_start_open(loop, op, &opened, NULL, ".", OVIO_DIRECTORY, 0,
                           done);
  case 9:
    return ovio_start_sleep(loop, op, 1, done);
  default:
    return ovio_post(loop, op, done);
  }
}

static void test_start_without_something(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file, closed;
  memset(&outcome, 0, sizeof outcome);
  memset(&closed, 0, sizeof closed);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "start", 0), 0);
  for (int kind = 0; kind < START_COUNT; kind++) {
    struct start with = {loop, &outcome.op, &file, outcome_done};
    with.loop = NULL;
    TRY_EQ(start_kind(&with, kind), OVIO_EINVAL);
    with = (struct start){loop, NULL, &file, outcome_done};
    TRY_EQ(start_kind(&with, kind), OVIO_EINVAL);
    with = (struct start){loop, &outcome.op, &file, NULL};
    TRY_EQ(start_kind(&with, kind), OVIO_EINVAL);
    with = (struct start){loop, &outcome.op, NULL, outcome_done};
    if (kind < 8)
      TRY_EQ(start_kind(&with, kind), OVIO_EINVAL);
    with.file = &closed;
    if (kind < 8)
      TRY_EQ(start_kind(&with, kind), OVIO_EBADF);
    TRY_EQ(ovio_cancel(&outcome.op), OVIO_ENOENT); /* it is idle */
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcome.calls, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_start_with_wrong_numbers(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file, other;
  char bytes[8];
  memset(&outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "start", 0), 0);
  struct ovio_op *op = &outcome.op;
  TRY_EQ(ovio_start_read(loop, op, &file, bytes, 8, -2, outcome_done),
         OVIO_EINVAL);
  TRY_EQ(ovio_start_write(loop, op, &file, bytes, 8, INT64_MAX, outcome_done),
         OVIO_EINVAL);
  TRY_EQ(ovio_start_read(loop, op, &file, NULL, 8, 0, outcome_done),
         OVIO_EINVAL);
  TRY_EQ(ovio_start_writev(loop, op, &file, NULL, 8, 0, outcome_done),
         OVIO_EINVAL);
  TRY_EQ(ovio_start_truncate(loop, op, &file, -1, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_sync(loop, op, &file, 2, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_stat(loop, op, &file, NULL, outcome_done), OVIO_EINVAL);
  TRY_EQ(
      ovio_start_open(loop, op, &other, NULL, NULL, OVIO_READ, 0, outcome_done),
      OVIO_EINVAL);
  TRY_EQ(ovio_start_open(loop, op, &other, NULL, "x", 0, 0, outcome_done),
         OVIO_EINVAL);
  TRY_EQ(ovio_start_open(loop, op, NULL, NULL, "x", OVIO_READ, 0, outcome_done),
         OVIO_EINVAL);
  TRY_EQ(
      ovio_start_open(loop, op, &other, &file, "x", OVIO_READ, 0, outcome_done),
      OVIO_ENOTDIR);
  TRY_EQ(ovio_cancel(op), OVIO_ENOENT);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcome.calls, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* An op in flight takes no second job, and its first one is not disturbed. */
static void test_op_in_flight(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file;
  char bytes[8] = "";
  memset(&outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(files_put(test_path("flight"), 100));
  TRY_EQ(files_open(&file, test_path("flight"), FORM_OWN), 0);
  TRY_EQ(ovio_start_read(loop, &outcome.op, &file, bytes, 8, 50, outcome_done),
         0);
  for (int kind = 0; kind < START_COUNT; kind++) {
    struct start with = {loop, &outcome.op, &file, outcome_done};
    TRY_EQ(start_kind(&with, kind), OVIO_EBUSY);
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcome.calls, 1);
  TRY_EQ(outcome.result, 8);
  TRY(files_match(bytes, 8, 50));
  TRY_EQ(ovio_size(&file), 100);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_close_is_not_cancelled(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file;
  memset(&outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "close", 0), 0);
  TRY_EQ(ovio_start_close(loop, &outcome.op, &file, outcome_done), 0);
  TRY_EQ(ovio_cancel(&outcome.op), OVIO_ENOTSUP);
  TRY_EQ(ovio_close(&file), OVIO_EBADF); /* it is being closed */
  TRY_EQ(ovio_size(&file), OVIO_EBADF);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcome.calls, 1);
  TRY_EQ(outcome.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- a loop that is still needed ---- */

static void do_nothing(void *argument) {
  (void)argument;
}

static void test_destroy_with_work_pending(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file;
  char bytes[8];
  memset(&outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "pending", 0), 0);
  TRY_EQ(ovio_spawn(loop, do_nothing, NULL), 0);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0);
  ovio_loop_hold(loop);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  ovio_loop_unhold(loop);
  TRY_EQ(ovio_post(loop, &outcome.op, outcome_done), 0);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_start_read(loop, &outcome.op, &file, bytes, 8, 0, outcome_done),
         0);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_start_sleep(loop, &outcome.op, UINT64_MAX, outcome_done), 0);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  ovio_loop_cancel(loop);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcome.calls, 3);
  TRY_EQ(outcome.result, OVIO_ECANCELED);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct nested {
  struct ovio_op op; /* first */
  struct ovio_loop *loop;
  int run;
  int destroy;
  bool current;
};

static void nest(struct nested *nested) {
  nested->run = ovio_loop_run(nested->loop);
  nested->destroy = ovio_loop_destroy(nested->loop);
  nested->current = ovio_loop_current() == nested->loop;
}

static void nest_in_task(void *argument) {
  nest(argument);
}

static void nest_in_callback(struct ovio_op *op, int64_t result) {
  (void)result;
  nest((struct nested *)(void *)op);
}

static void test_run_inside_a_run(struct test *test) {
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  struct nested task = {.loop = loop};
  struct nested callback = {.loop = loop};
  TRY_EQ(ovio_spawn(loop, nest_in_task, &task), 0);
  TRY_EQ(ovio_post(loop, &callback.op, nest_in_callback), 0);
  TRY(!ovio_loop_current());
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(!ovio_loop_current());
  TRY_EQ(task.run, OVIO_EDEADLK);
  TRY_EQ(task.destroy, OVIO_EBUSY);
  TRY(task.current);
  TRY_EQ(callback.run, OVIO_EDEADLK);
  TRY_EQ(callback.destroy, OVIO_EBUSY);
  TRY(callback.current);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_second_runner(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(ovio_loop_run(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- waiting where nothing could wake ---- */

/* A callback tries every call that blocks. */
struct trial {
  struct ovio_op op; /* first */
  struct test *test;
  struct ovio_file *file;
  struct ovio_file *inline_file;
  struct ovio_group *group;
  bool over;
};

static void try_blocking_calls(struct test *test, struct trial *trial) {
  struct ovio_file *file = trial->file;
  struct ovio_file other;
  struct ovio_stat about;
  char bytes[8] = "";
  struct ovio_iovec part = {bytes, 8};
  TRY_EQ(ovio_open(&other, ".", OVIO_DIRECTORY, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_close(&other), OVIO_EBADF);
  TRY_EQ(ovio_read(file, bytes, 8, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_read(file, bytes, 8, OVIO_HERE), OVIO_EDEADLK);
  TRY_EQ(ovio_write(file, bytes, 8, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_write(file, bytes, 8, OVIO_HERE), OVIO_EDEADLK);
  TRY_EQ(ovio_readv(file, &part, 1, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_writev(file, &part, 1, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_sync(file, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_truncate(file, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_size(file), OVIO_EDEADLK);
  TRY_EQ(ovio_seek(file, 0, SEEK_END), OVIO_EDEADLK);
  TRY_EQ(ovio_stat(file, &about), OVIO_EDEADLK);
  TRY_EQ(ovio_set_times(file, 0, 0), OVIO_EDEADLK);
  TRY_EQ(ovio_close(file), OVIO_EDEADLK);
  TRY_EQ(ovio_sleep(1), OVIO_EDEADLK);
  TRY_EQ(ovio_group_wait(trial->group), OVIO_EDEADLK);
  TRY_EQ(ovio_deadline(1), OVIO_ENOTSUP);
  /* What waits for nothing works, and wrong arguments are still wrong. */
  TRY_EQ(ovio_seek(file, 5, SEEK_SET), 5);
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), 5);
  TRY_EQ(ovio_seek(file, 0, SEEK_SET), 0);
  TRY_EQ(ovio_read(file, bytes, 0, 0), 0);
  TRY_EQ(ovio_read(file, bytes, 8, -5), OVIO_EINVAL);
  ovio_yield();
}

static void try_inline_calls(struct test *test, struct ovio_file *file) {
  struct ovio_stat about;
  struct ovio_file other;
  char bytes[8] = "abcdefg";
  TRY_EQ(ovio_write(file, bytes, 8, 0), 8);
  TRY_EQ(ovio_read(file, bytes, 8, 0), 8);
  TRY_EQ(ovio_read(file, bytes, 4, OVIO_HERE), 4);
  TRY_EQ(ovio_seek(file, 0, SEEK_END), 8);
  TRY_EQ(ovio_size(file), 8);
  TRY_EQ(ovio_truncate(file, 4), 0);
  TRY_EQ(ovio_stat(file, &about), 0);
  TRY_EQ(ovio_sync(file, 0), 0);
  TRY_EQ(ovio_open(&other, ".", OVIO_DIRECTORY | OVIO_INLINE, 0), 0);
  TRY_EQ(ovio_close(&other), 0);
  TRY_EQ(ovio_close(file), 0);
  TRY_EQ(ovio_close(file), OVIO_EBADF);
}

static void try_in_callback(struct ovio_op *op, int64_t result) {
  struct trial *trial = (struct trial *)(void *)op;
  (void)result;
  try_blocking_calls(trial->test, trial);
  try_inline_calls(trial->test, trial->inline_file);
  trial->over = true;
}

static void test_blocking_calls_in_a_callback(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file, inline_file;
  struct ovio_group group;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(files_put(test_path("callback"), 100));
  TRY_EQ(files_open(&file, test_path("callback"), FORM_OWN), 0);
  TRY_EQ(files_make(&inline_file, "inline", OVIO_INLINE), 0);
  ovio_group_init(&group);
  struct trial trial = {.test = test,
                        .file = &file,
                        .inline_file = &inline_file,
                        .group = &group};
  TRY_EQ(ovio_post(loop, &trial.op, try_in_callback), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(trial.over);
  TRY_EQ(test->failure[0], 0);
  TRY_EQ(ovio_size(&file), 100); /* open, and as it was */
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Operations of a loop that nobody runs hold the turn. */
static void test_plain_thread_behind_a_loop_that_rests(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file;
  char bytes[8] = "";
  memset(&outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(files_put(test_path("rests"), 100));
  TRY_EQ(files_open(&file, test_path("rests"), FORM_OWN), 0);
  TRY_EQ(ovio_start_read(loop, &outcome.op, &file, bytes, 8, OVIO_HERE,
                         outcome_done),
         0);
  char mine[8];
  TRY_EQ(ovio_read(&file, mine, 8, OVIO_HERE), OVIO_EDEADLK);
  TRY_EQ(ovio_write(&file, mine, 8, OVIO_HERE), OVIO_EDEADLK);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), OVIO_EDEADLK);
  TRY_EQ(ovio_close(&file), OVIO_EDEADLK);
  TRY(ovio_release(&file) == OVIO_NO_HANDLE);
  TRY_EQ(ovio_read(&file, mine, 8, 20), 8); /* needs no turn */
  TRY(files_match(mine, 8, 20));
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(outcome.result, 8);
  TRY(files_match(bytes, 8, 0));
  TRY_EQ(ovio_read(&file, mine, 8, OVIO_HERE), 8);
  TRY(files_match(mine, 8, 8));
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_plain_thread_behind_a_stream_that_rests(struct test *test) {
  struct ovio_loop *loop;
  struct outcome outcome;
  struct pipe_files files;
  char bytes[8], mine[8];
  memset(&outcome, 0, sizeof outcome);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int kind = 0; kind < 2; kind++) {
    TRY(pipe_files_open(&files, kind ? TEST_PIPE_OVERLAPPED : TEST_PIPE_SYNC));
    TRY_EQ(ovio_start_read(loop, &outcome.op, &files.in, bytes, 8, OVIO_HERE,
                           outcome_done),
           0);
    TRY_EQ(ovio_read(&files.in, mine, 8, OVIO_HERE), OVIO_EDEADLK);
    TRY_EQ(ovio_close(&files.in), OVIO_EDEADLK);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(outcome.calls, kind + 1);
    TRY_EQ(outcome.result, 3);
    TRY_EQ(pipe_files_close(&files), 0);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- calls that are for tasks ---- */

static void test_calls_for_tasks_on_a_plain_thread(struct test *test) {
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_deadline(1000), OVIO_ENOTSUP);
  TRY_EQ(ovio_deadline(0), OVIO_ENOTSUP);
  TRY_EQ(ovio_group_wait(&group), OVIO_EINVAL);
  TRY(!ovio_loop_current());
  ovio_group_cancel(&group);
  ovio_yield();
}

struct member {
  struct ovio_group group;
  int answer;
};

static void wait_for_oneself(void *argument) {
  struct member *member = argument;
  member->answer = ovio_group_wait(&member->group);
}

static void test_member_waits_for_its_own_group(struct test *test) {
  struct member member = {.answer = 1};
  ovio_group_init(&member.group);
  TRY_EQ(ovio_group_spawn(&member.group, test->loop, wait_for_oneself, &member),
         0);
  TRY_EQ(ovio_group_wait(&member.group), 0);
  TRY_EQ(member.answer, OVIO_EINVAL);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_no_file),
      TEST(test_no_loop),
      TEST_ENGINES(test_wrong_buffers),
      TEST_ENGINES(test_no_body),
      TEST(test_loop_options),
      TEST_ENGINES(test_start_without_something),
      TEST_ENGINES(test_start_with_wrong_numbers),
      TEST_ENGINES(test_op_in_flight),
      TEST_ENGINES(test_close_is_not_cancelled),
      TEST_ENGINES(test_destroy_with_work_pending),
      TEST_ENGINES(test_run_inside_a_run),
      TEST_ENGINES(test_second_runner),
      TEST_ENGINES(test_blocking_calls_in_a_callback),
      TEST_ENGINES(test_plain_thread_behind_a_loop_that_rests),
      TEST_ENGINES(test_plain_thread_behind_a_stream_that_rests),
      TEST_PLAIN(test_calls_for_tasks_on_a_plain_thread, "of plain threads"),
      TEST_LOOP(test_member_waits_for_its_own_group, "of tasks"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
