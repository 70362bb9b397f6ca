/* SPDX-License-Identifier: MIT */
/* What many tests of the loop set up: counted callbacks, pipes made of files,
 * and a loop that another thread runs. */
#ifndef OVIO_TESTS_SCENE_H
#define OVIO_TESTS_SCENE_H

#include <stdatomic.h>

#include "support.h"

/* Waits until the condition holds, for a minute at most; on a plain thread or
 * in a task that is not cancelled. */
#define AWAIT(condition)                                                       \
  do {                                                                         \
    for (int await_left = 60000; await_left && !(condition); await_left--)     \
      ovio_sleep(1000000);                                                     \
    TRY(condition);                                                            \
  } while (0)

/* Thread sanitizer is about ten times slower, and so is Wine's server. */
#if defined(__SANITIZE_THREAD__)
#define SCENE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SCENE_TSAN 1
#endif
#endif
#ifndef SCENE_TSAN
#define SCENE_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SCENE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SCENE_SANITIZED 1
#endif
#endif
#ifndef SCENE_SANITIZED
#define SCENE_SANITIZED SCENE_TSAN
#endif
static inline int scene_rounds(int rounds) {
  return SCENE_TSAN || test_is_wine() ? rounds / 10 : rounds;
}

/* How often two threads are to meet: OVIO_TEST_RACES says so for all races. */
static inline int scene_races(int rounds) {
  const char *asked = getenv("OVIO_TEST_RACES");
  return asked ? (int)strtol(asked, NULL, 10) : rounds;
}

/* An op that counts its callbacks. */
struct outcome {
  struct ovio_op op; /* first */
  atomic_int calls;
  _Atomic int64_t result; /* another thread's callback may follow at once */
  _Atomic uint32_t native;
};

static inline void outcome_done(struct ovio_op *op, int64_t result) {
  struct outcome *outcome = (struct outcome *)(void *)op;
  outcome->result = result;
  outcome->native = ovio_native_error();
  atomic_fetch_add(&outcome->calls, 1);
}

struct pipe_files {
  struct ovio_file in; /* reads */
  struct ovio_file out;
};

static inline bool pipe_files_open(struct pipe_files *files,
                                   enum test_pipe_kind kind) {
  ovio_handle ends[2];
  return test_pipe(ends, kind) &&
         ovio_adopt(&files->in, ends[0], OVIO_READ) == 0 &&
         ovio_adopt(&files->out, ends[1], OVIO_WRITE) == 0;
}

/* The error of the first close that fails. */
static inline int pipe_files_close(struct pipe_files *files) {
  int first = ovio_close(&files->in);
  int second = ovio_close(&files->out);
  return first ? first : second;
}

/* A loop that another thread runs, until it is told to end. */
struct loop_thread {
  struct os_thread thread;
  struct ovio_loop *loop;
  int result;
};

static inline void loop_thread_main(void *argument) {
  struct loop_thread *self = argument;
  self->result = ovio_loop_run(self->loop);
}

static inline void loop_thread_nothing(struct ovio_op *op, int64_t result) {
  struct outcome *outcome = (struct outcome *)(void *)op;
  outcome->result = result;
  atomic_fetch_add(&outcome->calls, 1);
}

/* Returns when the loop runs. */
static inline bool loop_thread_start(struct loop_thread *self,
                                     struct ovio_loop *loop) {
  struct outcome first = {.result = 1};
  self->loop = loop;
  self->result = 1;
  ovio_loop_hold(loop);
  if (ovio_post(loop, &first.op, loop_thread_nothing) != 0 ||
      os_thread_start(&self->thread, loop_thread_main, self) != 0)
    return false;
  while (atomic_load(&first.calls) == 0)
    os_thread_yield();
  return true;
}

/* The result of the run. */
static inline int loop_thread_end(struct loop_thread *self) {
  ovio_loop_unhold(self->loop);
  os_thread_join(&self->thread);
  return self->result;
}

#endif
