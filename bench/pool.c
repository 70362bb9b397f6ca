/* SPDX-License-Identifier: MIT */
/* A simple pool: four threads take requests from a list under a lock, do the
 * plain system call, and put them on another one. What a program would write
 * that has no such library. */
#include "bench.h"

#include <stdlib.h>

enum { THREADS = 4 };

struct request {
  struct request *next;
  unsigned char *buffer;
  int64_t offset;
  int64_t result;
};

struct list {
  struct request *head, *tail;
};

struct pool {
  struct job *job;
  intptr_t file;
  struct request *requests;
  struct sys_lock *lock;
  struct sys_condition *todo_waits, *done_waits;
  struct list todo, done;
  bool ending;
  struct sys_thread *threads[THREADS];
};

static void list_push(struct list *list, struct request *request) {
  request->next = NULL;
  if (list->head)
    list->tail->next = request;
  else
    list->head = request;
  list->tail = request;
}

static struct request *list_pop(struct list *list) {
  struct request *request = list->head;
  if (request)
    list->head = request->next;
  return request;
}

static struct request *pool__wait(struct pool *pool) {
  while (!pool->todo.head && !pool->ending)
    sys_condition_wait(pool->todo_waits, pool->lock);
  return list_pop(&pool->todo);
}

static void worker(void *argument) {
  struct pool *pool = argument;
  struct request *request;
  sys_lock_acquire(pool->lock);
  while ((request = pool__wait(pool))) {
    sys_lock_release(pool->lock);
    request->result =
        sys_transfer(pool->file, pool->job->op == BENCH_WRITE, request->buffer,
                     pool->job->block, request->offset);
    sys_lock_acquire(pool->lock);
    bool first = !pool->done.head;
    list_push(&pool->done, request);
    if (first)
      sys_condition_wake(pool->done_waits);
  }
  sys_lock_release(pool->lock);
}

static void pool_end(void *state) {
  struct pool *pool = state;
  sys_lock_acquire(pool->lock);
  pool->ending = true;
  sys_lock_release(pool->lock);
  for (int at = 0; at < THREADS; at++)
    sys_condition_wake(pool->todo_waits);
  for (int at = 0; at < THREADS; at++) {
    if (pool->threads[at])
      sys_thread_join(pool->threads[at]);
  }
  sys_condition_destroy(pool->todo_waits);
  sys_condition_destroy(pool->done_waits);
  sys_lock_destroy(pool->lock);
  sys_close(pool->file);
  free(pool->requests);
  free(pool);
}

static int pool_begin(struct job *job, const struct variant *variant,
                      void **state) {
  struct pool *pool = calloc(1, sizeof *pool);
  (void)variant;
  if (!pool)
    return OVIO_ENOMEM;
  *state = pool;
  pool->job = job;
  pool->requests = calloc(job->depth, sizeof *pool->requests);
  pool->lock = sys_lock_create();
  pool->todo_waits = sys_condition_create();
  pool->done_waits = sys_condition_create();
  int error = sys_open(job->path, job->direct, &pool->file);
  for (int at = 0; at < THREADS && !error; at++) {
    pool->threads[at] = sys_thread_start(worker, pool);
    error = pool->threads[at] ? 0 : OVIO_ENOMEM;
  }
  for (size_t at = 0; at < job->depth; at++)
    pool->requests[at].buffer = job_buffer(job, at);
  if (error)
    pool_end(pool);
  return error;
}

static bool pool__start(struct pool *pool, struct request *request) {
  if (!job_take(pool->job, request->buffer, &request->offset))
    return false;
  sys_lock_acquire(pool->lock);
  list_push(&pool->todo, request);
  sys_lock_release(pool->lock);
  sys_condition_wake(pool->todo_waits);
  return true;
}

/* All that is done, at once. */
static struct request *pool__finished(struct pool *pool) {
  sys_lock_acquire(pool->lock);
  while (!pool->done.head)
    sys_condition_wait(pool->done_waits, pool->lock);
  struct request *first = pool->done.head;
  pool->done.head = NULL;
  sys_lock_release(pool->lock);
  return first;
}

static int pool_run(struct job *job, void *state) {
  struct pool *pool = state;
  size_t in_flight = 0;
  for (size_t at = 0; at < job->depth; at++)
    in_flight += pool__start(pool, &pool->requests[at]);
  while (in_flight) {
    struct request *request = pool__finished(pool);
    while (request) {
      struct request *next = request->next;
      job_give(job, request->buffer, request->offset, request->result);
      in_flight -= !pool__start(pool, request);
      request = next;
    }
  }
  return job->error;
}

extern const struct variant pool_variants[];

const struct variant pool_variants[] = {
    {"pool", BENCH_READ, 0, 0, pool_begin, pool_run, pool_end},
    {"pool", BENCH_WRITE, 0, 0, pool_begin, pool_run, pool_end},
    {0},
};
