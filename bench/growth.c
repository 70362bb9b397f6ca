/* SPDX-License-Identifier: MIT */
/* What must not cost more each when there is more of it: depth is how many are
 * there at once. */
#include "bench.h"

#include <stdlib.h>

#define HOUR_NS UINT64_C(3600000000000)

struct growth {
  struct job *job;
  struct ovio_loop *loop;
  struct ovio_op *ops;
  size_t waiting; /* tasks */
};

static void growth_end(void *state) {
  struct growth *growth = state;
  if (growth->loop)
    ovio_loop_destroy(growth->loop);
  free(growth->ops);
  free(growth);
}

/* The variant's flags: bytes of a stack. */
static int growth_begin(struct job *job, const struct variant *variant,
                        void **state) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .stack_length = variant->flags};
  struct growth *growth = calloc(1, sizeof *growth);
  if (!growth)
    return OVIO_ENOMEM;
  *state = growth;
  growth->job = job;
  growth->ops = calloc(job->depth, sizeof *growth->ops);
  int error =
      growth->ops ? ovio_loop_create(&growth->loop, &options) : OVIO_ENOMEM;
  if (error)
    growth_end(growth);
  return error;
}

/* ---- tasks ---- */

static void waiter(void *argument) {
  struct growth *growth = argument;
  if (++growth->waiting == growth->job->depth)
    ovio_loop_cancel(growth->loop);
  if (ovio_sleep(HOUR_NS) == OVIO_ECANCELED)
    job_count(growth->job, 1);
}

static int run_tasks(struct job *job, void *state) {
  struct growth *growth = state;
  int error = 0;
  while (job->done < job->count && !error) {
    growth->waiting = 0;
    for (size_t at = 0; at < job->depth && !error; at++)
      error = ovio_spawn(growth->loop, waiter, growth);
    if (error)
      ovio_loop_cancel(growth->loop);
    int run = ovio_loop_run(growth->loop);
    error = error ? error : run;
  }
  return error;
}

/* Burst after burst, without an end of the run or a sleep between them: the
 * loop keeps the stacks. */

static void passer_by(void *argument) {
  struct growth *growth = argument;
  ovio_yield(); /* all are there */
  job_count(growth->job, 1);
}

static void burst_task(void *argument) {
  struct growth *growth = argument;
  struct job *job = growth->job;
  struct ovio_group group;
  ovio_group_init(&group);
  while (job->done < job->count && !job->error) {
    for (size_t at = 0; at < job->depth && !job->error; at++)
      job->error = ovio_group_spawn(&group, growth->loop, passer_by, growth);
    ovio_group_wait(&group);
  }
}

static int run_bursts(struct job *job, void *state) {
  struct growth *growth = state;
  int error = ovio_spawn(growth->loop, burst_task, growth);
  int run = ovio_loop_run(growth->loop);
  return error ? error : run ? run : job->error;
}

/* ---- operations ---- */

static struct job *counted; /* a callback has no room for an argument */

static void count_done(struct ovio_op *op, int64_t result) {
  (void)op;
  if (result == 0)
    job_count(counted, 1);
}

static int start_post(struct growth *growth, size_t at) {
  return ovio_post(growth->loop, &growth->ops[at], count_done);
}

/* Due at once, but in another order than they were started in. */
static int start_sleep(struct growth *growth, size_t at) {
  uint64_t length = at * 104729 % growth->job->depth;
  return ovio_start_sleep(growth->loop, &growth->ops[at], length, count_done);
}

static int run_ops(struct growth *growth,
                   int (*start)(struct growth *growth, size_t at)) {
  struct job *job = growth->job;
  counted = job;
  for (uint64_t begun = 0; begun < job->count; begun += job->depth) {
    int error = 0;
    for (size_t at = 0; at < job->depth && !error; at++)
      error = start(growth, at);
    int run = ovio_loop_run(growth->loop);
    if (error || run)
      return error ? error : run;
  }
  return 0;
}

static int run_inflight(struct job *job, void *state) {
  (void)job;
  return run_ops(state, start_post);
}

static int run_sleeps(struct job *job, void *state) {
  (void)job;
  return run_ops(state, start_sleep);
}

/* ---- open files: of each, opened, a block of it read, closed ---- */

struct handles {
  struct ovio_file *files;
  intptr_t *bare; /* without ovio */
};

static void handles_end(void *state) {
  struct handles *handles = state;
  free(handles->files);
  free(handles->bare);
  free(handles);
}

static int handles_begin(struct job *job, const struct variant *variant,
                         void **state) {
  (void)variant;
  if (!sys_files_allow(job->depth + 64))
    return OVIO_EMFILE;
  struct handles *handles = calloc(1, sizeof *handles);
  if (!handles)
    return OVIO_ENOMEM;
  *state = handles;
  handles->files = calloc(job->depth, sizeof *handles->files);
  handles->bare = calloc(job->depth, sizeof *handles->bare);
  if (handles->files && handles->bare)
    return 0;
  handles_end(handles);
  return OVIO_ENOMEM;
}

static int handles__round_bare(struct job *job, struct handles *handles) {
  unsigned char *buffer = job_buffer(job, 0);
  int64_t offset;
  for (size_t at = 0; at < job->depth; at++) {
    int error = sys_open(job->path, false, &handles->bare[at]);
    if (error)
      return error;
  }
  for (size_t at = 0; at < job->depth && job_take(job, buffer, &offset); at++)
    job_give(
        job, buffer, offset,
        sys_transfer(handles->bare[at], false, buffer, job->block, offset));
  for (size_t at = 0; at < job->depth; at++)
    sys_close(handles->bare[at]);
  return 0;
}

static int handles__round(struct job *job, struct handles *handles) {
  unsigned char *buffer = job_buffer(job, 0);
  int64_t offset;
  int error = 0;
  size_t opened = 0;
  for (; opened < job->depth && !error; opened += !error)
    error = ovio_open(&handles->files[opened], job->path, OVIO_READ, 0);
  for (size_t at = 0; at < opened && job_take(job, buffer, &offset); at++)
    job_give(job, buffer, offset,
             ovio_read(&handles->files[at], buffer, job->block, offset));
  for (size_t at = 0; at < opened; at++)
    ovio_close(&handles->files[at]);
  return error;
}

static int run_handles_bare(struct job *job, void *state) {
  int error = 0;
  while (job->done < job->count && !error)
    error = handles__round_bare(job, state);
  return error;
}

static int run_handles(struct job *job, void *state) {
  int error = 0;
  while (job->done < job->count && !error)
    error = handles__round(job, state);
  return error;
}

#define GROWTH(op, name, stack, run)                                           \
  { name, op, 0, stack, growth_begin, run, growth_end }
#define HANDLES(name, run)                                                     \
  { name, BENCH_HANDLES, 0, 0, handles_begin, run, handles_end }

extern const struct variant growth_variants[];

const struct variant growth_variants[] = {
    GROWTH(BENCH_TASKS, "ovio-task", 0, run_tasks),
    GROWTH(BENCH_TASKS, "ovio-task-64k", 64 * 1024, run_tasks),
    GROWTH(BENCH_TASKS, "ovio-task-bursts", 0, run_bursts),
    GROWTH(BENCH_INFLIGHT, "ovio-callbacks", 0, run_inflight),
    GROWTH(BENCH_SLEEPS, "ovio-callbacks", 0, run_sleeps),
    HANDLES("system", run_handles_bare),
    HANDLES("ovio-plain", run_handles),
    {0},
};
