/* SPDX-License-Identifier: MIT */
/* ovio reading and writing a file, in its three styles. */
#include "bench.h"

#include <stdlib.h>

struct slot {
  struct ovio_op op; /* first: a callback gets its address */
  struct ours *ours;
  unsigned char *buffer;
  int64_t offset;
};

struct ours {
  struct job *job;
  struct ovio_loop *loop;
  struct ovio_file file;
  struct slot *slots;
  size_t next_slot;
};

/* ---- begin, end ---- */

static void ours_end(void *state) {
  struct ours *ours = state;
  ovio_close(&ours->file);
  if (ours->loop)
    ovio_loop_destroy(ours->loop);
  free(ours->slots);
  free(ours);
}

static int ours__open(struct ours *ours, struct job *job, unsigned flags) {
  flags |= OVIO_READ;
  if (job->op == BENCH_WRITE)
    flags |= OVIO_WRITE;
  if (job->direct)
    flags |= OVIO_DIRECT;
  return ovio_open(&ours->file, job->path, flags, 0);
}

static void ours__slots(struct ours *ours, struct job *job) {
  for (size_t at = 0; at < job->depth; at++) {
    ours->slots[at].ours = ours;
    ours->slots[at].buffer = job_buffer(job, at);
  }
}

static int begin_plain(struct job *job, const struct variant *variant,
                       void **state) {
  struct ours *ours = calloc(1, sizeof *ours);
  if (!ours)
    return OVIO_ENOMEM;
  ours->job = job;
  *state = ours;
  int error = ours__open(ours, job, variant->flags);
  if (error)
    ours_end(ours);
  return error;
}

static int begin_loop(struct job *job, const struct variant *variant,
                      void **state) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = variant->engine};
  int error = begin_plain(job, variant, state);
  if (error)
    return error;
  struct ours *ours = *state;
  ours->slots = calloc(job->depth, sizeof *ours->slots);
  error = ours->slots ? ovio_loop_create(&ours->loop, &options) : OVIO_ENOMEM;
  if (error)
    ours_end(ours);
  else
    ours__slots(ours, job);
  return error;
}

static int begin_registered(struct job *job, const struct variant *variant,
                            void **state) {
  struct ovio_iovec all = {job_buffer(job, 0), job->depth * job->block};
  int error = begin_loop(job, variant, state);
  if (error)
    return error;
  error = ovio_loop_register_buffers(((struct ours *)*state)->loop, &all, 1);
  if (error)
    ours_end(*state);
  return error;
}

/* ---- a plain thread ---- */

static int run_plain(struct job *job, void *state) {
  struct ours *ours = state;
  unsigned char *buffer = job_buffer(job, 0);
  int64_t offset;
  while (job_take(job, buffer, &offset)) {
    int64_t moved = job->op == BENCH_WRITE
                        ? ovio_write(&ours->file, buffer, job->block, offset)
                        : ovio_read(&ours->file, buffer, job->block, offset);
    job_give(job, buffer, offset, moved);
  }
  return job->error;
}

/* ---- tasks ---- */

static void task(void *argument) {
  struct slot *slot = argument;
  struct ours *ours = slot->ours;
  struct job *job = ours->job;
  int64_t offset;
  while (job_take(job, slot->buffer, &offset)) {
    int64_t moved =
        job->op == BENCH_WRITE
            ? ovio_write(&ours->file, slot->buffer, job->block, offset)
            : ovio_read(&ours->file, slot->buffer, job->block, offset);
    job_give(job, slot->buffer, offset, moved);
  }
}

static int run_tasks(struct job *job, void *state) {
  struct ours *ours = state;
  for (size_t at = 0; at < job->depth && !job->error; at++)
    job->error = ovio_spawn(ours->loop, task, &ours->slots[at]);
  int error = ovio_loop_run(ours->loop);
  return job->error ? job->error : error;
}

/* ---- callbacks ---- */

static void callback__next(struct slot *slot);

static void callback__done(struct ovio_op *op, int64_t result) {
  struct slot *slot = (struct slot *)(void *)op;
  job_give(slot->ours->job, slot->buffer, slot->offset, result);
  callback__next(slot);
}

static void callback__next(struct slot *slot) {
  struct ours *ours = slot->ours;
  struct job *job = ours->job;
  if (!job_take(job, slot->buffer, &slot->offset))
    return;
  int error =
      job->op == BENCH_WRITE
          ? ovio_start_write(ours->loop, &slot->op, &ours->file, slot->buffer,
                             job->block, slot->offset, callback__done)
          : ovio_start_read(ours->loop, &slot->op, &ours->file, slot->buffer,
                            job->block, slot->offset, callback__done);
  if (error)
    job_fail(job, error);
}

static int run_callbacks(struct job *job, void *state) {
  struct ours *ours = state;
  for (size_t at = 0; at < job->depth; at++)
    callback__next(&ours->slots[at]);
  int error = ovio_loop_run(ours->loop);
  return job->error ? job->error : error;
}

/* ---- many small files ---- */

static void files_one(struct job *job, unsigned char *buffer, const char *path,
                      uint64_t number, unsigned flags) {
  struct ovio_file file;
  int64_t moved = ovio_open(&file, path, OVIO_READ | flags, 0);
  if (moved == 0) {
    moved = ovio_read(&file, buffer, job->block, 0);
    ovio_close(&file);
  }
  job_give(job, buffer, (int64_t)(number * job->block), moved);
}

static int begin_files(struct job *job, const struct variant *variant,
                       void **state) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = variant->engine};
  struct ours *ours = calloc(1, sizeof *ours);
  if (!ours)
    return OVIO_ENOMEM;
  ours->job = job;
  *state = ours;
  ours->slots = calloc(job->depth, sizeof *ours->slots);
  int error =
      ours->slots ? ovio_loop_create(&ours->loop, &options) : OVIO_ENOMEM;
  if (error)
    ours_end(ours);
  else
    ours__slots(ours, job);
  return error;
}

static int run_files_plain(struct job *job, void *state) {
  char path[BENCH_PATH];
  uint64_t number;
  (void)state;
  while (job_take_path(job, path, &number))
    files_one(job, job_buffer(job, 0), path, number, OVIO_BLOCKING);
  return job->error;
}

static void files_task(void *argument) {
  struct slot *slot = argument;
  struct job *job = slot->ours->job;
  char path[BENCH_PATH];
  uint64_t number;
  while (job_take_path(job, path, &number))
    files_one(job, slot->buffer, path, number, 0);
}

static int run_files_tasks(struct job *job, void *state) {
  struct ours *ours = state;
  for (size_t at = 0; at < job->depth && !job->error; at++)
    job->error = ovio_spawn(ours->loop, files_task, &ours->slots[at]);
  int error = ovio_loop_run(ours->loop);
  return job->error ? job->error : error;
}

/* The same as files_task(), by callbacks. */
struct visit {
  struct slot slot;
  struct ovio_file file;
  char path[BENCH_PATH];
  uint64_t number;
  int64_t moved;
};

static void visit__next(struct visit *visit);

static void visit__closed(struct ovio_op *op, int64_t result) {
  struct visit *visit = (struct visit *)(void *)op;
  struct job *job = visit->slot.ours->job;
  (void)result;
  job_give(job, visit->slot.buffer, (int64_t)(visit->number * job->block),
           visit->moved);
  visit__next(visit);
}

static void visit__read(struct ovio_op *op, int64_t result) {
  struct visit *visit = (struct visit *)(void *)op;
  visit->moved = result;
  result =
      ovio_start_close(visit->slot.ours->loop, op, &visit->file, visit__closed);
  if (result)
    job_fail(visit->slot.ours->job, (int)result);
}

static void visit__opened(struct ovio_op *op, int64_t result) {
  struct visit *visit = (struct visit *)(void *)op;
  struct ours *ours = visit->slot.ours;
  if (result == 0)
    result = ovio_start_read(ours->loop, op, &visit->file, visit->slot.buffer,
                             ours->job->block, 0, visit__read);
  if (result)
    job_fail(ours->job, (int)result);
}

static void visit__next(struct visit *visit) {
  struct ours *ours = visit->slot.ours;
  if (!job_take_path(ours->job, visit->path, &visit->number))
    return;
  int error = ovio_start_open(ours->loop, &visit->slot.op, &visit->file, NULL,
                              visit->path, OVIO_READ, 0, visit__opened);
  if (error)
    job_fail(ours->job, error);
}

static int run_files_callbacks(struct job *job, void *state) {
  struct ours *ours = state;
  struct visit *visits = calloc(job->depth, sizeof *visits);
  if (!visits)
    return OVIO_ENOMEM;
  for (size_t at = 0; at < job->depth; at++) {
    visits[at].slot = ours->slots[at];
    visit__next(&visits[at]);
  }
  int error = ovio_loop_run(ours->loop);
  free(visits);
  return job->error ? job->error : error;
}

/* ---- the list ---- */

#define PLAIN(op, name, flags)                                                 \
  { name, op, 0, flags, begin_plain, run_plain, ours_end }
#define TASKS(op, name, engine, flags)                                         \
  { name, op, engine, flags, begin_loop, run_tasks, ours_end }
#define CALLBACKS(op, name, engine, flags)                                     \
  { name, op, engine, flags, begin_loop, run_callbacks, ours_end }
#define ALL(op)                                                                \
  PLAIN(op, "ovio-plain", OVIO_BLOCKING),                                      \
      PLAIN(op, "ovio-plain-overlapped", 0), TASKS(op, "ovio-task", 0, 0),     \
      TASKS(op, "ovio-task-epoll", OVIO_ENGINE_EPOLL, 0),                      \
      TASKS(op, "ovio-task-inline", 0, OVIO_INLINE),                           \
      CALLBACKS(op, "ovio-callbacks", 0, 0),                                   \
      CALLBACKS(op, "ovio-callbacks-epoll", OVIO_ENGINE_EPOLL, 0),             \
      CALLBACKS(op, "ovio-callbacks-inline", 0, OVIO_INLINE)

extern const struct variant ours_io_variants[];

const struct variant ours_io_variants[] = {
    ALL(BENCH_READ),
    ALL(BENCH_WRITE),
    {"ovio-callbacks-registered", BENCH_READ, 0, 0, begin_registered,
     run_callbacks, ours_end},
    {"ovio-callbacks-registered", BENCH_WRITE, 0, 0, begin_registered,
     run_callbacks, ours_end},
    {"ovio-plain", BENCH_FILES, 0, 0, begin_files, run_files_plain, ours_end},
    {"ovio-task", BENCH_FILES, 0, 0, begin_files, run_files_tasks, ours_end},
    {"ovio-callbacks", BENCH_FILES, 0, 0, begin_files, run_files_callbacks,
     ours_end},
    {0},
};
