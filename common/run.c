/* SPDX-License-Identifier: MIT */
/* ovio_run(): a child from its start to its end, with all that it says.
 *
 * One task feeds and one for each collected stream reads, so no full pipe holds
 * up another. The caller's task waits for the readers, then for the child; it
 * is the only one that is cancelled or has a deadline, and it ends the others.
 * It waits for the readers in a sleep without an end, which the last reader,
 * or the first that fails, cancels.
 *
 * A plain thread runs the same task on a loop of its own. */
#include "common/loop.h"
#include "common/memory.h"
#include "common/process.h"
#include "common/task.h"

#define LIMIT_DEFAULT ((size_t)16 << 20)
#define ROOM_FIRST    ((size_t)4096)
#define RETRY_NS      1000000u

struct reader {
  struct run *run;
  struct ovio_file file;
  char *bytes;
  size_t length;
  size_t room; /* without the 0 at the end */
};

struct run {
  struct ovio_process_options options;
  struct ovio_output *output;
  struct ovio_process process;
  struct ovio_group group;
  struct reader readers[2];
  struct ovio_file input;
  struct op sleep;     /* of the caller's task, while it waits for readers */
  atomic_bool awake;   /* it does so no longer */
  atomic_uint reading; /* readers that have not come to the end */
  atomic_int failure;  /* the first one's */
  uint32_t native;
  size_t limit;
  struct loop *loop;
  bool began; /* its own loop has got to its task */
  int result;
};

/* ---- reading and feeding: tasks of their own ---- */

/* The caller may be on another thread, on its way into its sleep. */
static void run__wake(struct run *run) {
  while (!atomic_load(&run->awake) && op_ask_cancel(&run->sleep) != 0)
    ovio_yield();
}

static void run__fail(struct run *run, int error, uint32_t native) {
  int none = 0;
  if (!atomic_compare_exchange_strong(&run->failure, &none, error))
    return;
  run->native = native;
  run__wake(run);
}

/* Room for one byte more than the limit, which shows that it is passed. */
static int reader__grow(struct reader *reader) {
  size_t most =
      reader->run->limit < SIZE_MAX - 1 ? reader->run->limit + 1 : SIZE_MAX - 1;
  if (reader->length < reader->room)
    return 0;
  if (reader->room >= most)
    return OVIO_EFBIG;
  size_t room = reader->room ? reader->room : ROOM_FIRST / 2;
  room = room > most / 2 ? most : room * 2;
  char *bytes = memory_grow(reader->bytes, room + 1);
  if (!bytes)
    return OVIO_ENOMEM;
  reader->bytes = bytes;
  reader->room = room;
  return 0;
}

/* 0 at the end, 1 when there may be more, or an error. */
static int64_t reader__step(struct reader *reader) {
  int error = reader__grow(reader);
  if (error)
    return error;
  int64_t got = ovio_read(&reader->file, reader->bytes + reader->length,
                          reader->room - reader->length, OVIO_HERE);
  if (got <= 0)
    return got;
  reader->length += (size_t)got;
  if (reader->length > reader->run->limit) {
    reader->length = reader->run->limit;
    return OVIO_EFBIG;
  }
  return 1;
}

static void reader__main(void *argument) {
  struct reader *reader = argument;
  struct run *run = reader->run;
  int64_t step;
  do
    step = reader__step(reader);
  while (step > 0);
  if (step < 0)
    run__fail(run, (int)step, ovio_native_error());
  if (atomic_fetch_sub(&run->reading, 1) == 1)
    run__wake(run);
}

/* A child that does not read is no failure: OVIO_EPIPE. Anything else is: the
 * child would take what it has got for all. */
static void run__feed(void *argument) {
  struct run *run = argument;
  const char *bytes = run->options.input_bytes;
  size_t left = run->options.input_length;
  int64_t put = 0;
  while (left > 0 && put >= 0) {
    put = ovio_write(&run->input, bytes, left, OVIO_HERE);
    if (put > 0) {
      bytes += put;
      left -= (size_t)put;
    }
  }
  if (put < 0 && put != OVIO_EPIPE)
    run__fail(run, (int)put, ovio_native_error());
  ovio_close(&run->input);
}

/* ---- the caller's task ---- */

/* 0, or why the task is to give up. */
static int run__sleep(struct run *run) {
  struct task *task = runner_current()->task;
  while (run->reading > 0 && !run->failure) {
    int error = task_peek_latch(task);
    if (error)
      return error;
    op_init(&run->sleep, OP_SLEEP, NULL);
    run->sleep.u.due_ns = INT64_MAX;
    (void)op_perform(&run->sleep);
  }
  return run->failure;
}

static int run__start_tasks(struct run *run) {
  struct ovio_loop *loop = (struct ovio_loop *)run->loop;
  int error = 0;
  for (int at = 0; at < 2 && !error; at++) {
    struct reader *reader = &run->readers[at];
    if (ovio_file_handle(&reader->file) == OVIO_NO_HANDLE)
      continue;
    error = ovio_group_spawn(&run->group, loop, reader__main, reader);
    if (!error)
      atomic_fetch_add(&run->reading, 1);
  }
  if (!error && ovio_file_handle(&run->input) != OVIO_NO_HANDLE)
    error = ovio_group_spawn(&run->group, loop, run__feed, run);
  return error;
}

static int run__to_its_end(struct run *run) {
  int error = run__start_tasks(run);
  if (!error)
    error = run__sleep(run);
  atomic_store(&run->awake, true);
  if (!error)
    error = ovio_process_wait(&run->process, &run->output->exit);
  return error ? error : run->failure; /* of the feeding, since then */
}

static void run__hand_over(struct reader *reader, char **bytes,
                           size_t *length) {
  if (ovio_file_handle(&reader->file) != OVIO_NO_HANDLE)
    ovio_close(&reader->file);
  if (reader->bytes)
    reader->bytes[reader->length] = 0;
  *bytes = reader->bytes;
  *length = reader->length;
}

static void run__main(struct run *run) {
  run->result = ovio_spawn_process(&run->process, &run->options);
  if (run->result) {
    run->native = ovio_native_error();
    return;
  }
  run->result = run__to_its_end(run);
  bool own = run->result && !run->failure;
  uint32_t native = own ? ovio_native_error() : 0;
  ovio_group_cancel(&run->group);
  ovio_group_wait(&run->group);
  if (own)
    run->native = native;
  if (ovio_file_handle(&run->input) != OVIO_NO_HANDLE)
    ovio_close(&run->input); /* its task was cancelled before it began */
  run__hand_over(&run->readers[0], &run->output->output,
                 &run->output->output_length);
  run__hand_over(&run->readers[1], &run->output->error,
                 &run->output->error_length);
  if (run->result)
    process_end(&run->process);
  else
    (void)ovio_process_close(&run->process);
}

/* ---- beginning ---- */

static int run__collect(struct ovio_process_stream *stream,
                        struct ovio_file *file) {
  if (stream->kind == OVIO_PROCESS_PIPE)
    return OVIO_EINVAL;
  if (stream->kind == OVIO_PROCESS_DEFAULT) {
    stream->kind = OVIO_PROCESS_PIPE;
    stream->file = file;
  }
  return 0;
}

static int run__prepare(struct run *run,
                        const struct ovio_process_options *given) {
  int error = process_take_options(&run->options, given);
  struct ovio_process_options *options = &run->options;
  if (!error && options->input_length && !options->input_bytes)
    error = OVIO_EINVAL;
  if (!error)
    error = run__collect(&options->input, &run->input);
  if (!error)
    error = run__collect(&options->output, &run->readers[0].file);
  if (!error)
    error = run__collect(&options->error, &run->readers[1].file);
  run->limit = options->output_limit ? options->output_limit : LIMIT_DEFAULT;
  run->readers[0].run = run->readers[1].run = run;
  ovio_group_init(&run->group);
  return error;
}

static void run__task(void *argument) {
  struct run *run = argument;
  run->began = true;
  run__main(run);
}

/* Its loop has failed. What uses the caller's stack must be over before the
 * return, and so must the child. */
static void run__break_off(struct run *run) {
  struct ovio_loop *loop = (struct ovio_loop *)run->loop;
  if (!run->began)
    tasks_discard(run->loop);
  while (run->began && ovio_loop_run(loop) != 0) {
    ovio_loop_cancel(loop);
    os_sleep_ns(RETRY_NS);
  }
}

static int run__on_own_loop(struct run *run) {
  struct ovio_loop *loop;
  int error = ovio_loop_create(&loop, NULL);
  if (error)
    return error;
  run->loop = (struct loop *)loop;
  error = ovio_spawn(loop, run__task, run);
  if (!error)
    error = ovio_loop_run(loop);
  if (error)
    run__break_off(run);
  (void)ovio_loop_destroy(loop);
  return error;
}

int ovio_run(const struct ovio_process_options *options,
             struct ovio_output *output) {
  struct runner *runner = runner_current();
  if (!output)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *output = (struct ovio_output){0};
  if (runner && !runner->task)
    return (int)runner_answer(OVIO_EDEADLK, 0);
  struct run run = {.output = output};
  run.result = run__prepare(&run, options);
  if (run.result == 0 && runner) {
    run.loop = runner->loop;
    run__main(&run);
  } else if (run.result == 0) {
    int error = run__on_own_loop(&run);
    if (error)
      return error;
  }
  return (int)runner_answer(run.result, run.native);
}
