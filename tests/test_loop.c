/* SPDX-License-Identifier: MIT */
/* The loop: its making, its end, posts from anywhere, and callbacks. */
#include "scene.h"

#define MS UINT64_C(1000000)

/* ---- create and destroy ---- */

static void test_create_default(struct test *test) {
  static const char *const names[] = {"iocp", "epoll", "poll", "io_uring",
                                      "kqueue"};
  struct ovio_loop *loop;
  bool known = false;
  TRY_EQ(ovio_loop_create(&loop, NULL), 0);
  for (int at = 0; at < 5; at++)
    known |= strcmp(ovio_loop_engine(loop), names[at]) == 0;
  TRY(known);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_create_engine(struct test *test) {
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(strcmp(ovio_loop_engine(loop), test->mode->name) == 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_create_refuses(struct test *test) {
  static const struct {
    struct ovio_loop_options options;
    int error;
  } table[] = {
      {{.size = 0}, OVIO_EINVAL},
      {{.size = sizeof table[0].options, .threads = 1025}, OVIO_EINVAL},
      {{.size = sizeof table[0].options, .engine = 99}, OVIO_ENOTSUP},
      {{.size = sizeof table[0].options, .stack_length = 1}, OVIO_EINVAL},
      {{.size = sizeof table[0].options, .stack_length = 65535}, OVIO_EINVAL},
  };
  for (size_t at = 0; at < sizeof table / sizeof *table; at++) {
    struct ovio_loop *loop = (struct ovio_loop *)(void *)test;
    TRY_EQ(ovio_loop_create(&loop, &table[at].options), table[at].error);
    TRY(loop == NULL);
  }
  TRY_EQ(ovio_loop_create(NULL, NULL), OVIO_EINVAL);
}

/* The other system's engines are not to be had. */
static void test_create_foreign_engine(struct test *test) {
  int had = 0;
  for (unsigned engine = OVIO_ENGINE_IOCP; engine <= OVIO_ENGINE_KQUEUE;
       engine++) {
    struct ovio_loop_options options = {.size = sizeof options,
                                        .engine = engine};
    struct ovio_loop *loop;
    int error = ovio_loop_create(&loop, &options);
    TRY(error == 0 || error == OVIO_ENOTSUP);
    if (error)
      continue;
    had++;
    TRY_EQ(ovio_loop_destroy(loop), 0);
  }
  TRY(had == (int)test_mode_count - 1 ||
      had == (int)test_mode_count - 2); /* a sandbox without io_uring */
}

/* A program built with an older or a newer header. */
static void test_create_other_sizes(struct test *test) {
  struct {
    struct ovio_loop_options options;
    size_t later;
  } newer = {.options = {.size = sizeof newer, .threads = 1}, .later = 77};
  struct ovio_loop_options older = {
      .size = sizeof older.size, .threads = 99, .stack_length = 3};
  struct ovio_loop *loop;
  TRY_EQ(ovio_loop_create(&loop, &newer.options), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_loop_create(&loop, &older), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_null_loops(struct test *test) {
  TRY_EQ(ovio_loop_run(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_loop_destroy(NULL), OVIO_EINVAL);
  ovio_loop_stop(NULL);
  ovio_loop_cancel(NULL);
  ovio_loop_hold(NULL);
  ovio_loop_unhold(NULL);
  TRY(ovio_loop_current() == NULL);
}

static void test_destroy_while_work_is_pending(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.calls = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &post.op, outcome_done), 0);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0); /* nothing was changed */
  TRY_EQ(post.calls, 1);
  ovio_loop_hold(loop);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  ovio_loop_unhold(loop);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void try_destroy(struct ovio_op *op, int64_t result) {
  struct ovio_loop *loop = ovio_loop_current();
  (void)result;
  outcome_done(op, ovio_loop_destroy(loop));
}

static void test_destroy_while_it_runs(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.calls = 0};
  struct loop_thread thread;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), OVIO_EBUSY); /* one caller at a time */
  TRY_EQ(ovio_post(loop, &post.op, try_destroy), 0);
  AWAIT(atomic_load(&post.calls) == 1);
  TRY_EQ(post.result, OVIO_EBUSY);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- the end of a run ---- */

static void note_current(struct ovio_op *op, int64_t result) {
  outcome_done(op, result ? result : (int64_t)(intptr_t)ovio_loop_current());
}

static void test_run_ends_by_itself(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.calls = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int round = 1; round <= 3; round++) {
    TRY_EQ(ovio_loop_run(loop), 0); /* nothing to be done */
    TRY_EQ(ovio_post(loop, &post.op, note_current), 0);
    TRY_EQ(post.calls, round - 1); /* not before the run */
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(post.calls, round);
    TRY(post.result == (int64_t)(intptr_t)loop);
    TRY(ovio_loop_current() == NULL);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void stop_loop(struct ovio_op *op, int64_t result) {
  ovio_loop_stop(ovio_loop_current());
  outcome_done(op, result);
}

static void test_stop_leaves_the_rest(struct test *test) {
  enum { COUNT = 10 };
  struct ovio_loop *loop;
  struct outcome posts[COUNT] = {{.calls = 0}};
  int calls = 0;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(ovio_post(loop, &posts[at].op, at == 4 ? stop_loop : outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < COUNT; at++) {
    calls += posts[at].calls;
    TRY_EQ(posts[at].calls, at <= 4); /* in the order of the posts */
  }
  TRY_EQ(calls, 5);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(posts[at].calls, 1);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void set_flag(void *argument) {
  *(bool *)argument = true;
}

static void test_stop_before_the_run(struct test *test) {
  struct ovio_loop *loop;
  bool began = false;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, set_flag, &began), 0);
  ovio_loop_stop(loop);
  ovio_loop_stop(loop); /* two stops are one */
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(!began);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(began);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* A long wait at the port, and a stop from another thread. */
static void test_stop_from_another_thread(struct test *test) {
  struct ovio_loop *loop;
  struct outcome sleep = {.calls = 0};
  struct loop_thread thread;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_sleep(loop, &sleep.op, UINT64_MAX, outcome_done), 0);
  TRY(loop_thread_start(&thread, loop));
  os_sleep_ns(5 * MS); /* by now it waits at the port */
  ovio_loop_stop(loop);
  os_thread_join(&thread.thread);
  TRY_EQ(thread.result, 0);
  ovio_loop_unhold(loop);
  TRY_EQ(sleep.calls, 0);
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_cancel(&sleep.op), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(sleep.result, OVIO_ECANCELED);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_hold_keeps_it_running(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.calls = 0};
  struct loop_thread thread;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  ovio_loop_unhold(loop);                /* one too many is none */
  TRY(loop_thread_start(&thread, loop)); /* holds */
  ovio_loop_hold(loop);
  ovio_loop_unhold(loop);
  for (int round = 0; round < 3; round++) {
    os_sleep_ns(2 * MS);
    TRY_EQ(ovio_post(loop, &post.op, outcome_done), 0);
    AWAIT(atomic_load(&post.calls) == round + 1);
  }
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void run_again(struct ovio_op *op, int64_t result) {
  (void)result;
  outcome_done(op, ovio_loop_run(ovio_loop_current()));
}

static void test_run_within_a_run(struct test *test) {
  struct outcome post = {.calls = 0};
  struct ovio_loop *other;
  TRY_EQ(test_loop_create(test, &other, NULL), 0);
  TRY_EQ(ovio_loop_run(test->loop), OVIO_EDEADLK);
  TRY_EQ(ovio_loop_run(other), OVIO_EDEADLK);
  TRY_EQ(ovio_post(test->loop, &post.op, run_again), 0);
  AWAIT(post.calls == 1);
  TRY_EQ(post.result, OVIO_EDEADLK);
  TRY_EQ(ovio_loop_destroy(other), 0);
}

static void test_run_on_other_threads(struct test *test) {
  struct ovio_loop *loop;
  struct outcome sleep = {.calls = 0};
  struct pipe_files files;
  char byte = 0;
  struct outcome read = {.calls = 0};
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  for (int round = 1; round <= 4; round++) { /* the read stays pending */
    struct loop_thread thread;
    TRY_EQ(ovio_start_sleep(loop, &sleep.op, MS, outcome_done), 0);
    TRY(loop_thread_start(&thread, loop));
    AWAIT(atomic_load(&sleep.calls) == round);
    ovio_loop_stop(loop);
    TRY_EQ(loop_thread_end(&thread), 0);
  }
  TRY_EQ(read.calls, 0);
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_loop_run(loop), 0); /* here, for a change */
  TRY_EQ(read.calls, 1);
  TRY_EQ(read.result, 1);
  TRY_EQ(byte, 'x');
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- posts ---- */

enum { POSTERS = 4, BURST = 50 };

struct poster {
  struct os_thread thread;
  struct ovio_loop *loop;
  struct outcome posts[BURST];
  int rounds;
  int error;
};

/* A burst, and the next one when all of it has come. */
static void post_bursts(void *argument) {
  struct poster *self = argument;
  for (int round = 1; round <= self->rounds && !self->error; round++) {
    for (int at = 0; at < BURST; at++)
      self->error |= ovio_post(self->loop, &self->posts[at].op, outcome_done);
    for (int at = 0; at < BURST && !self->error; at++) {
      while (atomic_load(&self->posts[at].calls) < round)
        os_thread_yield();
    }
  }
}

static void test_posts_from_many_threads(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct poster *posters = calloc(POSTERS, sizeof *posters);
  int rounds = scene_rounds(500);
  int error = 0;
  TRY(posters);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  for (int at = 0; at < POSTERS; at++) {
    posters[at].loop = loop;
    posters[at].rounds = rounds;
    error |= os_thread_start(&posters[at].thread, post_bursts, &posters[at]);
  }
  TRY_EQ(error, 0);
  for (int at = 0; at < POSTERS; at++) {
    os_thread_join(&posters[at].thread);
    error |= posters[at].error;
  }
  TRY_EQ(error, 0);
  TRY_EQ(loop_thread_end(&thread), 0);
  for (int at = 0; at < POSTERS * BURST; at++)
    TRY_EQ(posters[at / BURST].posts[at % BURST].calls, rounds);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  free(posters);
}

struct ringer {
  struct os_thread thread;
  struct ovio_loop *loop;
  struct outcome *bell;
  atomic_long *posted; /* successful ones, of all ringers */
  int rounds;
};

/* One op for all: that it is busy means that a call is to come. */
static void ring_bell(void *argument) {
  struct ringer *self = argument;
  for (int round = 0; round < self->rounds; round++) {
    int error = ovio_post(self->loop, &self->bell->op, outcome_done);
    if (error == 0)
      atomic_fetch_add(self->posted, 1);
    else if (error != OVIO_EBUSY)
      return;
    if (round % 64 == 0)
      os_thread_yield();
  }
}

static void test_posts_of_one_op_coalesce(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct outcome bell = {.result = 1};
  atomic_long posted = 0;
  struct ringer ringers[3];
  int error = 0;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  for (int at = 0; at < 3; at++) {
    ringers[at] =
        (struct ringer){{{0}}, loop, &bell, &posted, scene_rounds(50000)};
    error |= os_thread_start(&ringers[at].thread, ring_bell, &ringers[at]);
  }
  TRY_EQ(error, 0);
  for (int at = 0; at < 3; at++)
    os_thread_join(&ringers[at].thread);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY(posted > 0);
  TRY_EQ(bell.calls, posted);
  TRY_EQ(bell.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_post_refuses(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.calls = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(NULL, &post.op, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_post(loop, NULL, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_post(loop, &post.op, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_cancel(&post.op), OVIO_ENOENT);
  TRY_EQ(ovio_cancel(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_post(loop, &post.op, outcome_done), 0);
  TRY_EQ(ovio_post(loop, &post.op, outcome_done), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(post.calls, 1);
  TRY_EQ(ovio_cancel(&post.op), OVIO_ENOENT);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_cancelled_post(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.calls = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &post.op, outcome_done), 0);
  TRY_EQ(ovio_cancel(&post.op), 0);
  TRY_EQ(ovio_cancel(&post.op), 0); /* it is still there */
  TRY_EQ(post.calls, 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(post.calls, 1);
  TRY_EQ(post.result, OVIO_ECANCELED);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- callbacks ---- */

struct chain {
  struct ovio_op op; /* first */
  struct ovio_file *file;
  char *stack; /* where the first callback stood */
  size_t deepest;
  int left;
  int error;
  int inside; /* callbacks under way */
  char byte;
};

static void chain_note(struct chain *chain) {
  char here;
  size_t depth = chain->stack > &here ? (size_t)(chain->stack - &here)
                                      : (size_t)(&here - chain->stack);
  if (depth > chain->deepest)
    chain->deepest = depth;
}

static void chain_post(struct ovio_op *op, int64_t result) {
  struct chain *chain = (struct chain *)(void *)op;
  char here;
  chain->error |= (int)result | chain->inside++;
  if (!chain->stack)
    chain->stack = &here;
  chain_note(chain);
  if (--chain->left > 0)
    chain->error |= ovio_post(ovio_loop_current(), op, chain_post);
  chain->inside--;
}

static void test_callback_restarts_its_op(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct chain chain = {.left = scene_rounds(1000000)};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &chain.op, chain_post), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(chain.left, 0);
  TRY_EQ(chain.error, 0);
  TRY(chain.deepest < 4096);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void chain_write(struct ovio_op *op, int64_t result);

/* Each of these is ready at once. */
static void chain_read(struct ovio_op *op, int64_t result) {
  struct chain *chain = (struct chain *)(void *)op;
  struct ovio_loop *loop = ovio_loop_current();
  chain->error |= (result != 1) | chain->inside++;
  chain_note(chain);
  if (--chain->left > 0)
    chain->error |= ovio_start_write(loop, op, chain->file + 1, "x", 1,
                                     OVIO_HERE, chain_write);
  chain->inside--;
}

static void chain_write(struct ovio_op *op, int64_t result) {
  struct chain *chain = (struct chain *)(void *)op;
  struct ovio_loop *loop = ovio_loop_current();
  char here;
  chain->error |= (result != 1) | chain->inside++;
  if (!chain->stack)
    chain->stack = &here;
  chain_note(chain);
  chain->error |= ovio_start_read(loop, op, chain->file, &chain->byte, 1,
                                  OVIO_HERE, chain_read);
  chain->inside--;
}

static void test_callback_restarts_what_is_ready(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct pipe_files files;
  struct chain chain = {.left = scene_rounds(100000), .file = &files.in};
  struct ovio_loop *loop;
  _Static_assert(offsetof(struct pipe_files, out) == sizeof files.in, "a pair");
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_write(loop, &chain.op, &files.out, "x", 1, OVIO_HERE,
                          chain_write),
         0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(chain.left, 0);
  TRY_EQ(chain.error, 0);
  TRY(chain.deepest < 4096);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct starter {
  struct ovio_op op; /* first */
  struct outcome inner;
  struct ovio_file *file;
  bool too_early;
  int error;
  int left;
};

static void start_within(struct ovio_op *op, int64_t result) {
  struct starter *self = (struct starter *)(void *)op;
  struct ovio_loop *loop = ovio_loop_current();
  int before = self->inner.calls;
  int error = ovio_start_write(loop, &self->inner.op, self->file, "x", 1, 0,
                               outcome_done);
  self->too_early |= self->inner.calls != before;
  self->error |= (int)result | (error && error != OVIO_EBUSY);
  if (--self->left > 0)
    self->error |= ovio_post(loop, op, start_within);
}

/* Also not where it can be done at once: this file never waits. */
static void test_done_comes_after_start(struct test *test) {
  ONE_THREAD("another thread may be faster than the start's return");
  struct ovio_file file;
  struct starter starter = {.file = &file, .left = 100};
  struct ovio_loop *loop;
  TRY_EQ(ovio_open(&file, test_path("inline"),
                   OVIO_WRITE | OVIO_CREATE | OVIO_INLINE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &starter.op, start_within), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(!starter.too_early);
  TRY_EQ(starter.error, 0);
  TRY(starter.inner.calls > 0);
  TRY_EQ(starter.inner.result, 1);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void check_idle(struct ovio_op *op, int64_t result) {
  struct outcome *self = (struct outcome *)(void *)op;
  if (self->calls == 0 && result == 0) {
    atomic_store(&self->calls, 1);
    self->result = ovio_cancel(op); /* idle: nothing to cancel */
    if (self->result == OVIO_ENOENT)
      self->result = ovio_post(ovio_loop_current(), op, check_idle);
  } else {
    atomic_fetch_add(&self->calls, 1);
  }
}

static void test_op_is_idle_on_entry(struct test *test) {
  struct ovio_loop *loop;
  struct outcome post = {.result = 1};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &post.op, check_idle), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(post.calls, 2);
  TRY_EQ(post.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static atomic_int freed;

static void free_op(struct ovio_op *op, int64_t result) {
  (void)result;
  memset(op, 0xa5, sizeof *op);
  free(op);
  freed++;
}

/* Of each way to completion one; and cancels, which come by message. */
static void test_op_is_freed_in_its_callback(struct test *test) {
  enum { KINDS = 4 };
  struct ovio_loop *loop;
  struct ovio_file file;
  char byte;
  freed = 0;
  TRY(test_put(test_path("free"), "abc", 3));
  TRY_EQ(ovio_open(&file, test_path("free"), OVIO_READ, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int cancel = 0; cancel < 2; cancel++) {
    for (int kind = 0; kind < KINDS; kind++) {
      struct ovio_op *op = calloc(1, sizeof *op);
      TRY(op);
      int error = kind == 0   ? ovio_post(loop, op, free_op)
                  : kind == 1 ? ovio_start_sleep(loop, op, MS, free_op)
                  : kind == 2
                      ? ovio_start_read(loop, op, &file, &byte, 1, 0, free_op)
                      : ovio_start_sync(loop, op, &file, 0, free_op);
      TRY_EQ(error, 0);
      if (cancel)
        TRY_EQ(ovio_cancel(op), 0);
    }
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(freed, 2 * KINDS);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_native_error_in_a_callback(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome open = {.native = 0};
  struct outcome post = {.native = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_open(loop, &open.op, &file, NULL, test_path("none/none"),
                         OVIO_READ, 0, outcome_done),
         0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(open.calls, 1);
  TRY_EQ(open.result, OVIO_ENOENT);
  TRY(open.native != 0);
  TRY_EQ(os_error_map(open.native), OVIO_ENOENT);
  TRY_EQ(ovio_post(loop, &post.op, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(post.native, 0); /* its own, not the last one's */
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct calls {
  struct outcome outcome; /* first */
  struct ovio_file *file;
  struct ovio_file *inline_file;
  int64_t results[8];
};

static void call_everything(struct ovio_op *op, int64_t result) {
  struct calls *self = (struct calls *)(void *)op;
  struct ovio_stat about;
  struct ovio_file other;
  char byte;
  self->results[0] = ovio_read(self->file, &byte, 1, 0);
  self->results[1] = ovio_write(self->file, "x", 1, OVIO_HERE);
  self->results[2] = ovio_sync(self->file, 0);
  self->results[3] = ovio_stat(self->file, &about);
  self->results[4] = ovio_close(self->file);
  self->results[5] = ovio_sleep(1);
  self->results[6] = ovio_open(&other, test_path("callback"), OVIO_READ, 0);
  self->results[7] = ovio_write(self->inline_file, "y", 1, 0);
  ovio_yield(); /* nothing happens */
  outcome_done(op, result);
}

static void test_callback_cannot_block(struct test *test) {
  const unsigned flags = OVIO_READ | OVIO_WRITE | OVIO_CREATE;
  struct ovio_loop *loop;
  struct ovio_file file;
  struct ovio_file inline_file;
  struct calls calls = {.file = &file, .inline_file = &inline_file};
  TRY_EQ(ovio_open(&file, test_path("callback"), flags, 0600), 0);
  TRY_EQ(ovio_open(&inline_file, test_path("callback2"), flags | OVIO_INLINE,
                   0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &calls.outcome.op, call_everything), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < 7; at++)
    TRY_EQ(calls.results[at], OVIO_EDEADLK);
  TRY_EQ(calls.results[7], 1); /* which the user has asked for */
  TRY_EQ(ovio_size(&file), 0); /* nothing was changed */
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&inline_file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- start from anywhere ---- */

struct foreign {
  struct ovio_loop *loop;
  struct ovio_file *file;
  struct outcome write;
  struct outcome sync;
  struct outcome sleep;
  int error;
};

static void start_from_here(void *argument) {
  struct foreign *self = argument;
  self->error |= ovio_start_write(self->loop, &self->write.op, self->file,
                                  "abc", 3, 0, outcome_done);
  self->error |=
      ovio_start_sync(self->loop, &self->sync.op, self->file, 0, outcome_done);
  self->error |=
      ovio_start_sleep(self->loop, &self->sleep.op, MS, outcome_done);
}

static void test_start_from_another_thread(struct test *test) {
  struct ovio_file file;
  struct loop_thread thread;
  struct os_thread starter;
  struct foreign foreign = {.file = &file};
  TRY_EQ(ovio_open(&file, test_path("foreign"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &foreign.loop, NULL), 0);
  for (int round = 1; round <= 3; round++) {
    if (round == 2) /* the other rounds: while nobody runs it */
      TRY(loop_thread_start(&thread, foreign.loop));
    TRY_EQ(os_thread_start(&starter, start_from_here, &foreign), 0);
    os_thread_join(&starter);
    TRY_EQ(foreign.error, 0);
    TRY_EQ(round == 2 ? loop_thread_end(&thread) : ovio_loop_run(foreign.loop),
           0);
    TRY_EQ(foreign.write.calls, round);
    TRY_EQ(foreign.write.result, 3);
    TRY_EQ(foreign.sync.calls, round);
    TRY_EQ(foreign.sync.result, 0);
    TRY_EQ(foreign.sleep.calls, round);
  }
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(foreign.loop), 0);
}

/* Two loops, a thread each, that post to each other. */
struct ping {
  struct ovio_op op; /* first */
  struct ovio_loop *loops[2];
  int left;
};

static void ping_pong(struct ovio_op *op, int64_t result) {
  struct ping *self = (struct ping *)(void *)op;
  struct ovio_loop *here = ovio_loop_current();
  int other = here == self->loops[0];
  bool go_on = result == 0 && --self->left > 0;
  /* From the post on, it is the other thread's. */
  if (go_on && ovio_post(self->loops[other], op, ping_pong) == 0)
    return;
  for (int at = 0; at < 2; at++)
    ovio_loop_unhold(self->loops[at]);
}

static void test_two_loops(struct test *test) {
  struct ping ping = {.left = scene_rounds(20000)};
  struct loop_thread threads[2];
  for (int at = 0; at < 2; at++) {
    TRY_EQ(test_loop_create(test, &ping.loops[at], NULL), 0);
    TRY(loop_thread_start(&threads[at], ping.loops[at]));
    ovio_loop_hold(ping.loops[at]);
  }
  TRY_EQ(ovio_post(ping.loops[0], &ping.op, ping_pong), 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(loop_thread_end(&threads[at]), 0);
  TRY_EQ(ping.left, 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_loop_destroy(ping.loops[at]), 0);
}

/* ---- loop cancel ---- */

static void restart_sleep(struct ovio_op *op, int64_t result) {
  struct outcome *self = (struct outcome *)(void *)op;
  outcome_done(op, result);
  if (self->calls < 5) /* those that come later are cancelled as well */
    ovio_start_sleep(ovio_loop_current(), op, UINT64_MAX, restart_sleep);
}

static void test_cancel_drains_a_busy_loop(struct test *test) {
  struct ovio_loop *loop;
  struct pipe_files pipes[2];
  char byte;
  struct outcome sleep = {.calls = 0};
  struct outcome reads[4] = {{.calls = 0}};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(pipe_files_open(&pipes[0], TEST_PIPE_OVERLAPPED));
  TRY(pipe_files_open(&pipes[1], TEST_PIPE_SYNC));
  TRY_EQ(ovio_start_sleep(loop, &sleep.op, UINT64_MAX, restart_sleep), 0);
  for (int at = 0; at < 4; at++) /* a second one queues for its turn */
    TRY_EQ(ovio_start_read(loop, &reads[at].op, &pipes[at % 2].in, &byte, 1,
                           OVIO_HERE, outcome_done),
           0);
  struct loop_thread thread;
  TRY(loop_thread_start(&thread, loop));
  ovio_loop_cancel(loop);
  ovio_loop_cancel(loop);
  AWAIT(atomic_load(&sleep.calls) == 5);
  TRY_EQ(loop_thread_end(&thread), 0); /* a hold had stayed */
  for (int at = 0; at < 4; at++) {
    TRY_EQ(reads[at].calls, 1);
    TRY_EQ(reads[at].result, OVIO_ECANCELED);
  }
  TRY_EQ(sleep.result, OVIO_ECANCELED);
  /* Drained: what comes now is not cancelled. */
  TRY_EQ(ovio_start_sleep(loop, &sleep.op, 1, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(sleep.result, 0);
  TRY_EQ(pipe_files_close(&pipes[0]), 0);
  TRY_EQ(pipe_files_close(&pipes[1]), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_cancel_of_an_idle_loop(struct test *test) {
  struct ovio_loop *loop;
  struct outcome sleep = {.result = 1};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  ovio_loop_cancel(loop);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_start_sleep(loop, &sleep.op, 1, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(sleep.result, 0);
  ovio_loop_cancel(loop); /* and then no run at all */
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_PLAIN(test_create_default, "the engine is the default"),
      TEST_ENGINES(test_create_engine),
      TEST_PLAIN(test_create_refuses, "no loop is made"),
      TEST_PLAIN(test_create_foreign_engine, "tries every engine"),
      TEST_PLAIN(test_create_other_sizes, "the engine is the default"),
      TEST_PLAIN(test_null_loops, "no loop is made"),
      TEST_ENGINES(test_destroy_while_work_is_pending),
      TEST_ENGINES(test_destroy_while_it_runs),
      TEST_ENGINES(test_run_ends_by_itself),
      TEST_ENGINES(test_stop_leaves_the_rest),
      TEST_ENGINES(test_stop_before_the_run),
      TEST_ENGINES(test_stop_from_another_thread),
      TEST_ENGINES(test_hold_keeps_it_running),
      TEST_LOOP(test_run_within_a_run, "from a task"),
      TEST_ENGINES(test_run_on_other_threads),
      TEST_ENGINES(test_posts_from_many_threads),
      TEST_ENGINES(test_posts_of_one_op_coalesce),
      TEST_ENGINES(test_post_refuses),
      TEST_ENGINES(test_cancelled_post),
      TEST_ENGINES(test_callback_restarts_its_op),
      TEST_ENGINES(test_callback_restarts_what_is_ready),
      TEST_ENGINES(test_done_comes_after_start),
      TEST_ENGINES(test_op_is_idle_on_entry),
      TEST_ENGINES(test_op_is_freed_in_its_callback),
      TEST_ENGINES(test_native_error_in_a_callback),
      TEST_ENGINES(test_callback_cannot_block),
      TEST_ENGINES(test_start_from_another_thread),
      TEST_ENGINES(test_two_loops),
      TEST_ENGINES(test_cancel_drains_a_busy_loop),
      TEST_ENGINES(test_cancel_of_an_idle_loop),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
