/* SPDX-License-Identifier: MIT */
/* The references of every POSIX system: plain calls in a loop, threads, and
 * swapcontext(); what only Linux has is in raw_linux.c. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- pread, pwrite ---- */

static int loop_begin(struct job *job, const struct variant *variant,
                      void **state) {
  (void)variant;
  intptr_t *file = malloc(sizeof *file);
  if (!file)
    return OVIO_ENOMEM;
  int error = sys_open(job->path, job->direct, file);
  *state = file;
  if (error)
    free(file);
  return error;
}

static void loop_end(void *state) {
  intptr_t *file = state;
  sys_close(*file);
  free(file);
}

static int run_pread(struct job *job, void *state) {
  int file = (int)*(intptr_t *)state;
  unsigned char *buffer = job_buffer(job, 0);
  int64_t offset;
  while (job_take(job, buffer, &offset))
    job_give(job, buffer, offset, pread(file, buffer, job->block, offset));
  return job->error;
}

static int run_pwrite(struct job *job, void *state) {
  int file = (int)*(intptr_t *)state;
  unsigned char *buffer = job_buffer(job, 0);
  int64_t offset;
  while (job_take(job, buffer, &offset))
    job_give(job, buffer, offset, pwrite(file, buffer, job->block, offset));
  return job->error;
}

/* What the loop itself costs: for counting instructions net of it. */
static int run_nothing(struct job *job, void *state) {
  unsigned char *buffer = job_buffer(job, 0);
  int64_t offset;
  (void)state;
  while (job_take(job, buffer, &offset)) {
    job_give(job, buffer, offset, (int64_t)job->block);
  }
  return job->error;
}

/* ---- small files ---- */

static int nothing_begin(struct job *job, const struct variant *variant,
                         void **state) {
  (void)job;
  (void)variant;
  *state = NULL;
  return 0;
}

static void nothing_end(void *state) {
  (void)state;
}

static int run_files(struct job *job, void *state) {
  unsigned char *buffer = job_buffer(job, 0);
  char path[BENCH_PATH];
  uint64_t number;
  (void)state;
  while (job_take_path(job, path, &number)) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t moved = file < 0 ? OVIO_ENOENT : pread(file, buffer, job->block, 0);
    if (file >= 0)
      close(file);
    job_give(job, buffer, (int64_t)(number * job->block), moved);
  }
  return job->error;
}

/* ---- swapcontext: there and back ---- */

enum { STACK = 64 * 1024 };

static ucontext_t swap_main;
static ucontext_t swap_other;

static void swap_body(void) {
  for (;;)
    swapcontext(&swap_other, &swap_main);
}

static int swap_begin(struct job *job, const struct variant *variant,
                      void **state) {
  (void)job;
  (void)variant;
  *state = malloc(STACK);
  if (!*state || getcontext(&swap_other))
    return OVIO_ENOMEM;
  swap_other.uc_stack.ss_sp = *state;
  swap_other.uc_stack.ss_size = STACK;
  makecontext(&swap_other, swap_body, 0);
  return 0;
}

static void swap_end(void *state) {
  free(state);
}

static int run_swap(struct job *job, void *state) {
  (void)state;
  for (uint64_t at = 0; at < job->count; at++)
    swapcontext(&swap_main, &swap_other);
  job_count(job, job->count);
  return 0;
}

/* ---- threads ---- */

static void thread_body(void *argument) {
  (void)argument;
}

static int run_threads(struct job *job, void *state) {
  (void)state;
  for (uint64_t at = 0; at < job->count; at++) {
    struct sys_thread *thread = sys_thread_start(thread_body, NULL);
    if (!thread)
      return OVIO_ENOMEM;
    sys_thread_join(thread);
    job_count(job, 1);
  }
  return 0;
}

/* ---- the list ---- */

extern const struct variant raw_posix_variants[];

const struct variant raw_posix_variants[] = {
    {"pread", BENCH_READ, 0, 0, loop_begin, run_pread, loop_end},
    {"nothing", BENCH_READ, 0, BENCH_HIDDEN, nothing_begin, run_nothing,
     nothing_end},
    {"pwrite", BENCH_WRITE, 0, 0, loop_begin, run_pwrite, loop_end},
    {"pread", BENCH_FILES, 0, 0, nothing_begin, run_files, nothing_end},
    {"swapcontext", BENCH_YIELD, 0, 0, swap_begin, run_swap, swap_end},
    {"thread", BENCH_SPAWN, 0, 0, nothing_begin, run_threads, nothing_end},
    {0},
};
