/* SPDX-License-Identifier: MIT */
/* Workers: bounded, grown on demand, got back from what blocks them. */
#include "scene.h"

#define MS UINT64_C(1000000)

enum { COUNT = 8 };

/* Reads of synchronous pipes: each holds a worker until it is fed. */
struct blockers {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct pipe_files pipes[COUNT];
  struct outcome reads[COUNT];
  char bytes[COUNT];
  unsigned long threads; /* before the loop's run */
};

static void blockers_begin(struct test *test, struct blockers *self,
                           unsigned max_workers) {
  struct ovio_loop_options options = {.max_workers = max_workers};
  memset(self, 0, sizeof *self);
  self->threads = test_threads_alive();
  TRY_EQ(test_loop_create(test, &self->loop, &options), 0);
  TRY_EQ(test_threads_alive(), self->threads); /* none before there is work */
  for (int at = 0; at < COUNT; at++)
    TRY(pipe_files_open(&self->pipes[at], TEST_PIPE_SYNC));
  TRY(loop_thread_start(&self->thread, self->loop));
}

static void blockers_start(struct test *test, struct blockers *self, int at) {
  TRY_EQ(ovio_start_read(self->loop, &self->reads[at].op, &self->pipes[at].in,
                         &self->bytes[at], 1, OVIO_HERE, outcome_done),
         0);
}

/* What was started before has arrived at the loop when a post has. */
static void blockers_settle(struct test *test, struct blockers *self) {
  struct outcome post = {.calls = 0};
  TRY_EQ(ovio_post(self->loop, &post.op, outcome_done), 0);
  AWAIT(atomic_load(&post.calls) == 1);
}

static void blockers_feed(struct test *test, struct blockers *self, int at) {
  TRY_EQ(ovio_write(&self->pipes[at].out, "x", 1, OVIO_HERE), 1);
}

static void blockers_end(struct test *test, struct blockers *self) {
  TRY_EQ(loop_thread_end(&self->thread), 0);
  TRY_EQ(ovio_loop_destroy(self->loop), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(pipe_files_close(&self->pipes[at]), 0);
}

static struct blockers blockers;

static void test_growth_is_bounded(struct test *test) {
  ONE_THREAD("it counts threads");
  blockers_begin(test, &blockers, 3);
  for (int at = 0; at < COUNT && !test->failure[0]; at++)
    blockers_start(test, &blockers, at);
  TRY(!test->failure[0]);
  /* The loop's own thread, and three workers. */
  AWAIT(test_threads_alive() >= blockers.threads + 4);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(test_threads_alive(), blockers.threads + 4);
  /* Those behind wait for a thread, though there is something to be read. */
  for (int at = COUNT - 1; at >= 3; at--)
    blockers_feed(test, &blockers, at);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(atomic_load(&blockers.reads[at].calls), 0);
  blockers_feed(test, &blockers, 0); /* one thread does all the rest */
  for (int at = 3; at < COUNT; at++)
    AWAIT(atomic_load(&blockers.reads[at].calls) == 1);
  TRY_EQ(blockers.reads[1].calls, 0);
  TRY_EQ(blockers.reads[2].calls, 0);
  blockers_feed(test, &blockers, 1);
  blockers_feed(test, &blockers, 2);
  blockers_end(test, &blockers);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(blockers.reads[at].result, 1);
}

/* A cancelled one leaves the queue: no thread is needed for that. */
static void test_cancel_takes_out_of_the_queue(struct test *test) {
  blockers_begin(test, &blockers, 1);
  for (int at = 0; at < COUNT && !test->failure[0]; at++)
    blockers_start(test, &blockers, at);
  blockers_settle(test, &blockers);
  TRY(!test->failure[0]);
  for (int at = 1; at < COUNT; at += 2)
    TRY_EQ(ovio_cancel(&blockers.reads[at].op), 0);
  for (int at = 1; at < COUNT; at += 2) {
    AWAIT(atomic_load(&blockers.reads[at].calls) == 1);
    TRY_EQ(blockers.reads[at].result, OVIO_ECANCELED);
  }
  for (int at = 0; at < COUNT; at += 2)
    TRY_EQ(blockers.reads[at].calls, 0);
  /* The one that has the only thread gives it to the next. */
  TRY_EQ(ovio_cancel(&blockers.reads[0].op), 0);
  AWAIT(atomic_load(&blockers.reads[0].calls) == 1);
  TRY_EQ(blockers.reads[0].result, OVIO_ECANCELED);
  for (int at = 2; at < COUNT; at += 2) {
    blockers_feed(test, &blockers, at);
    AWAIT(atomic_load(&blockers.reads[at].calls) == 1);
    TRY_EQ(blockers.reads[at].result, 1);
  }
  blockers_end(test, &blockers);
}

/* However many writes of one file there are: the kernel takes them in turns. */
static void test_few_threads_for_buffered_writes(struct test *test) {
  ONE_THREAD("it counts threads");
  enum { WRITES = 64 };
  static struct outcome writes[WRITES];
  struct ovio_file file;
  memset(writes, 0, sizeof writes);
  TRY_EQ(ovio_open(&file, test_path("few"), OVIO_WRITE | OVIO_CREATE, 0600), 0);
  blockers_begin(test, &blockers, 0);
  for (int at = 0; at < 2; at++)
    blockers_start(test, &blockers, at); /* threads that are not counted */
  blockers_settle(test, &blockers);
  for (int at = 0; at < WRITES; at++)
    TRY_EQ(ovio_start_write(blockers.loop, &writes[at].op, &file, "abc", 3,
                            3 * at, outcome_done),
           0);
  for (int at = 0; at < WRITES; at++)
    AWAIT(atomic_load(&writes[at].calls) == 1);
  /* The loop's thread, two that read, and four. */
  TRY(test_threads_alive() <= blockers.threads + 1 + 2 + 4);
  for (int at = 0; at < 2; at++)
    blockers_feed(test, &blockers, at);
  blockers_end(test, &blockers);
  TRY_EQ(ovio_size(&file), 3 * WRITES);
  TRY_EQ(ovio_close(&file), 0);
}

/* Nor for what costs less than a wake-up. */
static void test_few_threads_for_stats(struct test *test) {
  ONE_THREAD("it counts threads");
  enum { STATS = 64 };
  static struct outcome stats[STATS];
  static struct ovio_stat told[STATS];
  struct ovio_loop *loop;
  struct ovio_loop_options options = {.max_workers = 0};
  struct ovio_file file;
  unsigned long before = test_threads_alive();
  if (test_is_wine())
    SKIP("Wine's server takes longer than a wake-up");
  memset(stats, 0, sizeof stats);
  TRY_EQ(ovio_open(&file, test_path("few"), OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  for (int at = 0; at < STATS; at++)
    TRY_EQ(ovio_start_stat(loop, &stats[at].op, &file, &told[at], outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < STATS; at++) {
    TRY_EQ(stats[at].calls, 1);
    TRY_EQ(stats[at].result, 0);
  }
  /* Two; and others where these had to wait for the processor. */
  TRY(test_threads_alive() <= before + STATS / 4);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* A close does not depend on what others read. */
static void test_close_behind_a_blocked_worker(struct test *test) {
  struct ovio_file file;
  struct outcome close = {.calls = 0};
  TRY_EQ(ovio_open(&file, test_path("behind"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  blockers_begin(test, &blockers, 1);
  for (int at = 0; at < COUNT && !test->failure[0]; at++)
    blockers_start(test, &blockers, at);
  blockers_settle(test, &blockers);
  TRY(!test->failure[0]);
  TRY_EQ(ovio_start_close(blockers.loop, &close.op, &file, outcome_done), 0);
  AWAIT(atomic_load(&close.calls) == 1);
  TRY_EQ(close.result, 0);
  TRY_EQ(blockers.reads[0].calls, 0);
  ovio_loop_cancel(blockers.loop);
  blockers_end(test, &blockers);
}

/* Whatever blocks, the loop and the other files go on. */
static void test_blocked_workers_stop_nothing(struct test *test) {
  struct ovio_file file;
  struct outcome write = {.calls = 0};
  struct outcome sync = {.calls = 0};
  TRY_EQ(ovio_open(&file, test_path("free"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  blockers_begin(test, &blockers, 0);
  for (int at = 0; at < COUNT && !test->failure[0]; at++)
    blockers_start(test, &blockers, at);
  blockers_settle(test, &blockers);
  TRY(!test->failure[0]);
  TRY_EQ(ovio_start_write(blockers.loop, &write.op, &file, "abc", 3, 0,
                          outcome_done),
         0);
  AWAIT(atomic_load(&write.calls) == 1);
  TRY_EQ(write.result, 3);
  TRY_EQ(ovio_start_sync(blockers.loop, &sync.op, &file, 0, outcome_done), 0);
  AWAIT(atomic_load(&sync.calls) == 1);
  TRY_EQ(sync.result, 0);
  ovio_loop_cancel(blockers.loop);
  for (int at = 0; at < COUNT; at++) {
    AWAIT(atomic_load(&blockers.reads[at].calls) == 1);
    TRY_EQ(blockers.reads[at].result, OVIO_ECANCELED);
  }
  blockers_end(test, &blockers);
  TRY_EQ(ovio_close(&file), 0);
}

/* Cancelled again and again while it blocks, at whatever place it is. */
static void test_a_worker_comes_back(struct test *test) {
  int rounds = scene_rounds(300);
  blockers_begin(test, &blockers, 2);
  for (int round = 1; round <= rounds && !test->failure[0]; round++) {
    int at = round % COUNT;
    int calls = atomic_load(&blockers.reads[at].calls);
    blockers_start(test, &blockers, at);
    if (round % 4 == 0)
      TRY_EQ(ovio_sleep(MS / 4), 0);
    TRY_EQ(ovio_cancel(&blockers.reads[at].op), 0);
    AWAIT(atomic_load(&blockers.reads[at].calls) == calls + 1);
    TRY_EQ(blockers.reads[at].result, OVIO_ECANCELED);
  }
  /* What interrupted it does not strike the next job. */
  blockers_start(test, &blockers, 0);
  TRY_EQ(ovio_sleep(30 * MS), 0);
  blockers_feed(test, &blockers, 0);
  blockers_end(test, &blockers);
  TRY_EQ(blockers.reads[0].result, 1);
}

/* All that a worker does, with one worker for it. */
static void test_one_worker_is_enough(struct test *test) {
  struct ovio_loop_options options = {.max_workers = 1};
  struct ovio_loop *loop;
  struct ovio_file file;
  struct ovio_stat about;
  struct outcome ops[5] = {{.calls = 0}};
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(ovio_start_open(loop, &ops[0].op, &file, NULL, test_path("one"),
                         OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600,
                         outcome_done),
         0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ops[0].result, 0);
  TRY_EQ(ovio_start_truncate(loop, &ops[1].op, &file, 12345, outcome_done), 0);
  TRY_EQ(ovio_start_sync(loop, &ops[2].op, &file, OVIO_DATA_ONLY, outcome_done),
         0);
  TRY_EQ(ovio_start_stat(loop, &ops[3].op, &file, &about, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 1; at < 4; at++)
    TRY_EQ(ops[at].result, 0);
  TRY_EQ(about.size, 12345);
  TRY_EQ(ovio_start_close(loop, &ops[4].op, &file, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ops[4].result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* An error for those that can wait; but a handle is closed all the same. */
static void test_no_worker_to_be_had(struct test *test) {
  ONE_THREAD("it lets no thread begin");
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome cut = {.calls = 0};
  struct outcome close = {.calls = 0};
  TRY_EQ(ovio_open(&file, test_path("none"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_truncate(loop, &cut.op, &file, 0, outcome_done), 0);
  memory_fail_all_after = true;
  memory_fail_at = 1;
  int error = ovio_loop_run(loop);
  memory_fail_at = 0;
  memory_fail_all_after = false;
  TRY_EQ(error, 0);
  TRY_EQ(cut.calls, 1);
  TRY_EQ(cut.result, OVIO_ENOMEM);
  TRY_EQ(ovio_start_truncate(loop, &cut.op, &file, 0, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0); /* there is memory again */
  TRY_EQ(cut.calls, 2);
  TRY_EQ(cut.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_close(loop, &close.op, &file, outcome_done), 0);
  memory_fail_all_after = true;
  memory_fail_at = 1;
  error = ovio_loop_run(loop);
  memory_fail_at = 0;
  memory_fail_all_after = false;
  TRY_EQ(error, 0);
  TRY_EQ(close.calls, 1);
  TRY_EQ(close.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Loops come and go: so do their threads. */
static void test_threads_end_with_their_loop(struct test *test) {
  unsigned long before = test_threads_alive();
  for (int round = 0; round < 20; round++) {
    struct ovio_loop *loop;
    struct outcome read = {.calls = 0};
    struct pipe_files files;
    char byte;
    TRY(pipe_files_open(&files, TEST_PIPE_SYNC));
    TRY_EQ(test_loop_create(test, &loop, NULL), 0);
    TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                           outcome_done),
           0);
    TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(read.result, 1);
    TRY(test_threads_alive() > before);
    TRY_EQ(ovio_loop_destroy(loop), 0);
    TRY_EQ(pipe_files_close(&files), 0);
  }
  AWAIT(test_threads_alive() == before);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_growth_is_bounded),
      TEST_ENGINES(test_cancel_takes_out_of_the_queue),
      TEST_ENGINES(test_few_threads_for_buffered_writes),
      TEST_ENGINES(test_few_threads_for_stats),
      TEST_ENGINES(test_close_behind_a_blocked_worker),
      TEST_ENGINES(test_blocked_workers_stop_nothing),
      TEST_ENGINES(test_a_worker_comes_back),
      TEST_ENGINES(test_one_worker_is_enough),
      TEST_ENGINES(test_no_worker_to_be_had),
      TEST_ENGINES(test_threads_end_with_their_loop),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
