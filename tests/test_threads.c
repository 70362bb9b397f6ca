/* SPDX-License-Identifier: MIT */
/* Several threads on one loop. Each body makes and runs such a loop itself, in
 * each engine; what tasks share is atomic, or guarded by what is tested. */
#include "scene.h"

#define MS UINT64_C(1000000)

enum { THREADS = 4 };

static bool loop_make(struct test *test, struct ovio_loop **loop,
                      unsigned threads) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .threads = threads};
  int error = test_loop_create(test, loop, &options);
  if (error == OVIO_ENOTSUP)
    test_skip(test, "no ring here");
  else if (error)
    test_fail_equal(test, __FILE__, __LINE__, "create", error, 0);
  return error == 0;
}

static bool loop_end(struct test *test, struct ovio_loop *loop) {
  int error = ovio_loop_run(loop);
  if (!error)
    error = ovio_loop_destroy(loop);
  if (error)
    test_fail_equal(test, __FILE__, __LINE__, "run", error, 0);
  return error == 0;
}

/* ---- at the same time ---- */

static atomic_uint together;

/* Ends only if somebody else is in here on another thread. */
static void meet(void *argument) {
  const unsigned wanted = *(const unsigned *)argument;
  atomic_fetch_add(&together, 1);
  while (atomic_load(&together) < wanted)
    os_thread_yield();
}

static void test_tasks_run_at_once(struct test *test) {
  struct ovio_loop *loop;
  unsigned wanted = THREADS;
  if (!loop_make(test, &loop, THREADS))
    return;
  together = 0;
  for (unsigned at = 0; at < wanted; at++)
    TRY_EQ(ovio_spawn(loop, meet, &wanted), 0);
  TRY(loop_end(test, loop));
}

static void meet_in_a_callback(struct ovio_op *op, int64_t result) {
  unsigned wanted = 2;
  (void)op;
  (void)result;
  meet(&wanted);
}

static void test_callbacks_run_at_once(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_op ops[2] = {0};
  if (!loop_make(test, &loop, 2))
    return;
  together = 0;
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_post(loop, &ops[at], meet_in_a_callback), 0);
  TRY(loop_end(test, loop));
}

/* While one computes, the other sleeps, reads and is woken. */
struct beside {
  atomic_bool over;
  int64_t got;
  int slept;
};

static void compute(void *argument) {
  struct beside *self = argument;
  while (!atomic_load(&self->over))
    os_thread_yield();
}

static void sleep_and_read(void *argument) {
  struct beside *self = argument;
  struct ovio_file file;
  char byte;
  self->slept = ovio_sleep(2 * MS);
  if (ovio_open(&file, test_path("beside"), OVIO_READ, 0) == 0) {
    self->got = ovio_read(&file, &byte, 1, 0);
    ovio_close(&file);
  }
  atomic_store(&self->over, true);
}

static void test_nobody_waits_for_who_computes(struct test *test) {
  struct ovio_loop *loop;
  struct beside beside = {.slept = 1};
  TRY(test_put(test_path("beside"), "x", 1));
  for (int order = 0; order < 2; order++) {
    atomic_store(&beside.over, false);
    if (!loop_make(test, &loop, 2))
      return;
    TRY_EQ(ovio_spawn(loop, order ? compute : sleep_and_read, &beside), 0);
    TRY_EQ(ovio_spawn(loop, order ? sleep_and_read : compute, &beside), 0);
    TRY(loop_end(test, loop));
    TRY_EQ(beside.slept, 0);
    TRY_EQ(beside.got, 1);
  }
}

/* The other thread waits at the port, for ever, when the sleep begins. */
static void compute_and_sleep(void *argument) {
  os_sleep_ns(20 * MS);
  *(int *)argument = ovio_sleep(2 * MS);
}

static void test_who_waits_hears_of_a_deadline(struct test *test) {
  struct ovio_loop *loop;
  int slept = 1;
  if (!loop_make(test, &loop, 2))
    return;
  TRY_EQ(ovio_spawn(loop, compute_and_sleep, &slept), 0);
  TRY(loop_end(test, loop));
  TRY_EQ(slept, 0);
}

/* ---- everything at once ---- */

enum { TASKS = 60, ROUNDS = 30, BLOCK = 64 };

struct crowd {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct ovio_file pipe[2];
  atomic_uint failures;
  atomic_uint ended;
  atomic_uint bytes; /* through the pipe */
};

struct member {
  struct crowd *crowd;
  unsigned number;
};

static void member_use_file(struct member *self, unsigned round) {
  char out[BLOCK];
  char in[BLOCK];
  int64_t offset = (int64_t)self->number * BLOCK;
  memset(out, (int)(self->number + round), sizeof out);
  memset(in, 0, sizeof in);
  bool fine =
      ovio_write(&self->crowd->file, out, sizeof out, offset) == BLOCK &&
      ovio_read(&self->crowd->file, in, sizeof in, offset) == BLOCK &&
      memcmp(in, out, sizeof in) == 0;
  atomic_fetch_add(&self->crowd->failures, !fine);
}

static void member_main(void *argument) {
  struct member *self = argument;
  struct crowd *crowd = self->crowd;
  for (unsigned round = 0; round < ROUNDS; round++) {
    member_use_file(self, round);
    if (round % 3 == 0)
      ovio_yield();
    if (round % 10 == self->number % 10)
      atomic_fetch_add(&crowd->failures, ovio_sleep(MS / 10) != 0);
    bool sent = ovio_write(&crowd->pipe[1], "x", 1, OVIO_HERE) == 1;
    atomic_fetch_add(&crowd->failures, !sent);
  }
  atomic_fetch_add(&crowd->ended, 1);
}

static void crowd_main(void *argument) {
  struct crowd *crowd = argument;
  struct ovio_group group;
  static struct member members[TASKS];
  ovio_group_init(&group);
  for (unsigned at = 0; at < TASKS; at++) {
    members[at] = (struct member){crowd, at};
    int error =
        ovio_group_spawn(&group, crowd->loop, member_main, &members[at]);
    atomic_fetch_add(&crowd->failures, error != 0);
  }
  ovio_group_wait(&group);
  atomic_fetch_add(&crowd->failures, atomic_load(&crowd->ended) != TASKS);
  ovio_close(&crowd->pipe[1]);
}

static void crowd_drain(void *argument) {
  struct crowd *crowd = argument;
  char bytes[7];
  int64_t got;
  while ((got = ovio_read(&crowd->pipe[0], bytes, sizeof bytes, OVIO_HERE)) > 0)
    atomic_fetch_add(&crowd->bytes, (unsigned)got);
  atomic_fetch_add(&crowd->failures, got != 0);
}

static void test_a_crowd(struct test *test) {
  static struct crowd crowd;
  crowd.failures = crowd.ended = crowd.bytes = 0;
  if (!loop_make(test, &crowd.loop, THREADS))
    return;
  TRY_EQ(ovio_open(&crowd.file, test_path("crowd"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(ovio_pipe(crowd.pipe, 0), 0);
  TRY_EQ(ovio_spawn(crowd.loop, crowd_main, &crowd), 0);
  TRY_EQ(ovio_spawn(crowd.loop, crowd_drain, &crowd), 0);
  TRY_EQ(ovio_loop_run(crowd.loop), 0);
  TRY_EQ(crowd.failures, 0);
  TRY_EQ(crowd.bytes, TASKS * ROUNDS);
  TRY_EQ(ovio_close(&crowd.pipe[0]), 0);
  TRY_EQ(ovio_close(&crowd.file), 0);
  TRY_EQ(ovio_loop_destroy(crowd.loop), 0);
}

/* What the ring does: reads that no cache answers, from all threads. */
struct direct {
  struct ovio_loop *loop;
  struct ovio_file file;
  atomic_uint failures;
  atomic_uint ended;
};

enum { PAGE = 4096, PAGES = 64, READERS = 20 };

static void read_pages(void *argument) {
  struct direct *direct = argument;
  _Alignas(PAGE) unsigned char page[PAGE];
  for (unsigned at = 0; at < PAGES; at++) {
    unsigned number = at * 7 % PAGES;
    memset(page, 0, sizeof page);
    bool fine = ovio_read(&direct->file, page, sizeof page,
                          (int64_t)number * PAGE) == PAGE &&
                page[0] == number && page[PAGE - 1] == number;
    atomic_fetch_add(&direct->failures, !fine);
  }
  atomic_fetch_add(&direct->ended, 1);
}

/* The threads of a run end while their reads are under way. */
static void interrupt_runs(void *argument) {
  struct direct *direct = argument;
  for (int at = 0; at < 40; at++) {
    os_sleep_ns(MS / 5);
    ovio_loop_stop(direct->loop);
  }
}

static bool put_pages(const char *path) {
  static unsigned char all[PAGES * PAGE];
  for (unsigned at = 0; at < PAGES; at++)
    memset(all + at * PAGE, (int)at, PAGE);
  return test_put(path, (const char *)all, sizeof all);
}

static void test_uncached_reads(struct test *test) {
  static struct direct direct;
  struct os_thread outside;
  direct.failures = direct.ended = 0;
  TRY(put_pages(test_path("direct")));
  if (!loop_make(test, &direct.loop, THREADS))
    return;
  int error =
      ovio_open(&direct.file, test_path("direct"), OVIO_READ | OVIO_DIRECT, 0);
  if (error == OVIO_EINVAL || error == OVIO_ENOTSUP) {
    TRY(loop_end(test, direct.loop));
    SKIP("no direct files on this file system");
  }
  TRY_EQ(error, 0);
  for (int at = 0; at < READERS; at++)
    TRY_EQ(ovio_spawn(direct.loop, read_pages, &direct), 0);
  TRY_EQ(os_thread_start(&outside, interrupt_runs, &direct), 0);
  while (atomic_load(&direct.ended) < READERS)
    TRY_EQ(ovio_loop_run(direct.loop), 0);
  os_thread_join(&outside);
  TRY(loop_end(test, direct.loop));
  TRY_EQ(direct.failures, 0);
  TRY_EQ(ovio_close(&direct.file), 0);
}

/* ---- one after the other: the position of a file ---- */

static void append_records(void *argument) {
  struct crowd *crowd = argument;
  char record[BLOCK];
  for (int round = 0; round < ROUNDS; round++) {
    memset(record, 'a' + round % 26, sizeof record);
    bool fine =
        ovio_write(&crowd->file, record, sizeof record, OVIO_HERE) == BLOCK;
    atomic_fetch_add(&crowd->failures, !fine);
  }
}

static void test_position_is_shared(struct test *test) {
  static struct crowd crowd;
  static char bytes[8 * ROUNDS * BLOCK + 1];
  crowd.failures = 0;
  if (!loop_make(test, &crowd.loop, THREADS))
    return;
  TRY_EQ(ovio_open(&crowd.file, test_path("records"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0600),
         0);
  for (int at = 0; at < 8; at++)
    TRY_EQ(ovio_spawn(crowd.loop, append_records, &crowd), 0);
  TRY(loop_end(test, crowd.loop));
  TRY_EQ(crowd.failures, 0);
  TRY_EQ(ovio_read(&crowd.file, bytes, sizeof bytes, 0), sizeof bytes - 1);
  for (size_t at = 0; at < sizeof bytes - 1; at++)
    TRY(bytes[at] == bytes[at / BLOCK * BLOCK]); /* no record is torn */
  TRY_EQ(ovio_close(&crowd.file), 0);
}

/* ---- cancel, deadlines, closing ---- */

static void read_for_ever(void *argument) {
  struct crowd *crowd = argument;
  char byte;
  int64_t got = ovio_read(&crowd->pipe[0], &byte, 1, OVIO_HERE);
  atomic_fetch_add(&crowd->failures,
                   got != OVIO_ECANCELED && got != OVIO_EBADF);
}

static void read_until_deadline(void *argument) {
  struct crowd *crowd = argument;
  char byte;
  ovio_deadline(MS);
  int64_t got = ovio_read(&crowd->pipe[0], &byte, 1, OVIO_HERE);
  /* On a busy machine it begins only when all are cancelled. */
  atomic_fetch_add(&crowd->failures,
                   got != OVIO_ETIMEDOUT && got != OVIO_ECANCELED);
}

static void cancel_a_group(void *argument) {
  struct crowd *crowd = argument;
  struct ovio_group group;
  ovio_group_init(&group);
  for (int at = 0; at < 20; at++)
    ovio_group_spawn(&group, crowd->loop,
                     at % 2 ? read_for_ever : read_until_deadline, crowd);
  ovio_sleep(5 * MS);
  ovio_group_cancel(&group);
  ovio_group_wait(&group);
}

static void close_while_they_read(void *argument) {
  struct crowd *crowd = argument;
  struct ovio_group group;
  ovio_group_init(&group);
  for (int at = 0; at < 5; at++)
    ovio_group_spawn(&group, crowd->loop, read_for_ever, crowd);
  ovio_yield();
  atomic_fetch_add(&crowd->failures, ovio_close(&crowd->pipe[0]) != 0);
  ovio_group_wait(&group);
}

static void cancel_and_close(void *argument) {
  cancel_a_group(argument);
  close_while_they_read(argument);
}

static void test_cancel_and_close(struct test *test) {
  static struct crowd crowd;
  crowd.failures = 0;
  if (!loop_make(test, &crowd.loop, THREADS))
    return;
  for (int round = 0; round < 10; round++) {
    TRY_EQ(ovio_pipe(crowd.pipe, 0), 0);
    TRY_EQ(ovio_spawn(crowd.loop, cancel_and_close, &crowd), 0);
    TRY_EQ(ovio_loop_run(crowd.loop), 0);
    TRY_EQ(crowd.failures, 0);
    TRY_EQ(ovio_close(&crowd.pipe[1]), 0);
  }
  TRY_EQ(ovio_loop_destroy(crowd.loop), 0);
}

/* A cancel that comes while the operation begins is not lost. */
static void spin(unsigned count) {
  for (volatile unsigned left = count % 512; left > 0; left--)
    ;
}

static void sleep_soon(void *argument) {
  spin(*(const unsigned *)argument * 37);
  (void)ovio_sleep(3600 * 1000 * MS);
}

static void cancel_sleepers(void *argument) {
  struct ovio_group group;
  ovio_group_init(&group);
  for (unsigned round = 0; round < 1000; round++) {
    unsigned numbers[3];
    for (unsigned at = 0; at < 3; at++) {
      numbers[at] = round + at;
      ovio_group_spawn(&group, argument, sleep_soon, &numbers[at]);
    }
    spin(round * 41);
    ovio_group_cancel(&group);
    ovio_group_wait(&group);
  }
}

static void test_cancel_against_begin(struct test *test) {
  struct ovio_loop *loop;
  if (!loop_make(test, &loop, THREADS))
    return;
  TRY_EQ(ovio_spawn(loop, cancel_sleepers, loop), 0);
  TRY(loop_end(test, loop));
}

/* ---- callbacks and posts ---- */

enum { POSTS = 500, CHAIN = 20 };

struct post {
  struct ovio_op op; /* first */
  struct ovio_loop *loop;
  atomic_uint calls;
};

static atomic_uint posts_delivered;

/* Each starts itself anew some times, and is never on two threads at once. */
static void on_post(struct ovio_op *op, int64_t result) {
  struct post *post = (struct post *)(void *)op;
  unsigned calls = atomic_fetch_add(&post->calls, 1) + 1;
  atomic_fetch_add(&posts_delivered, result == 0);
  if (calls < CHAIN && ovio_post(post->loop, op, on_post) != 0)
    abort();
}

static void post_all(void *argument) {
  struct post *posts = argument;
  for (int at = 0; at < POSTS; at++) {
    if (ovio_post(posts[at].loop, &posts[at].op, on_post) != 0)
      abort();
  }
}

/* From a thread outside and from a task. */
static void test_posts(struct test *test) {
  static struct post posts[2][POSTS];
  struct ovio_loop *loop;
  struct os_thread outside;
  if (!loop_make(test, &loop, THREADS))
    return;
  memset(posts, 0, sizeof posts);
  posts_delivered = 0;
  for (int at = 0; at < 2 * POSTS; at++)
    posts[at / POSTS][at % POSTS].loop = loop;
  ovio_loop_hold(loop);
  TRY_EQ(ovio_spawn(loop, post_all, posts[0]), 0);
  TRY_EQ(os_thread_start(&outside, post_all, posts[1]), 0);
  os_thread_join(&outside);
  ovio_loop_unhold(loop);
  TRY(loop_end(test, loop));
  TRY_EQ(posts_delivered, 2 * POSTS * CHAIN);
  for (int at = 0; at < 2 * POSTS; at++)
    TRY_EQ(posts[at / POSTS][at % POSTS].calls, CHAIN);
}

/* ---- stopping ---- */

static atomic_uint steps;

static void step_until_canceled(void *argument) {
  (void)argument;
  do
    atomic_fetch_add(&steps, 1);
  while (ovio_sleep(MS / 10) == 0);
}

static void stop_soon(void *argument) {
  ovio_sleep(3 * MS);
  ovio_loop_stop(argument);
}

static void test_stop_and_go_on(struct test *test) {
  struct ovio_loop *loop;
  if (!loop_make(test, &loop, THREADS))
    return;
  steps = 0;
  for (int at = 0; at < 10; at++)
    TRY_EQ(ovio_spawn(loop, step_until_canceled, NULL), 0);
  for (int round = 0; round < 5; round++) {
    TRY_EQ(ovio_spawn(loop, stop_soon, loop), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    unsigned before = steps;
    os_sleep_ns(MS);
    TRY_EQ(steps, before); /* nobody goes on behind its back */
    TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  }
  ovio_loop_cancel(loop);
  TRY(loop_end(test, loop));
}

static void stop_from_outside(void *argument) {
  for (int round = 0; round < 20; round++) {
    os_sleep_ns(MS / 5);
    ovio_loop_stop(argument);
  }
  ovio_loop_cancel(argument);
  ovio_loop_unhold(argument);
}

static void test_stop_races(struct test *test) {
  struct ovio_loop *loop;
  struct os_thread outside;
  if (!loop_make(test, &loop, 3))
    return;
  ovio_loop_hold(loop);
  for (int at = 0; at < 3; at++)
    TRY_EQ(ovio_spawn(loop, step_until_canceled, NULL), 0);
  TRY_EQ(os_thread_start(&outside, stop_from_outside, loop), 0);
  while (ovio_loop_destroy(loop) == OVIO_EBUSY)
    TRY_EQ(ovio_loop_run(loop), 0);
  os_thread_join(&outside);
}

/* ---- deep and shallow ---- */

static void recurse(void *argument) {
  unsigned *left = argument;
  unsigned mine = *left;
  struct ovio_group group;
  if (mine == 0)
    return;
  unsigned less = mine - 1;
  struct ovio_loop *loop = ovio_loop_current();
  ovio_group_init(&group);
  for (int at = 0; at < 3; at++)
    ovio_group_spawn(&group, loop, recurse, &less);
  ovio_group_wait(&group);
  atomic_fetch_add(&steps, 1);
}

static void test_trees_of_tasks(struct test *test) {
  struct ovio_loop *loop;
  unsigned depth = 6;
  if (!loop_make(test, &loop, THREADS))
    return;
  steps = 0;
  TRY_EQ(ovio_spawn(loop, recurse, &depth), 0);
  TRY(loop_end(test, loop));
  TRY_EQ(steps, 1 + 3 + 9 + 27 + 81 + 243);
}

static void test_more_threads_than_work(struct test *test) {
  struct ovio_loop *loop;
  for (int round = 0; round < 20; round++) {
    if (!loop_make(test, &loop, 16))
      return;
    TRY(loop_end(test, loop)); /* nothing at all */
  }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_ENGINES(test_tasks_run_at_once),
      TEST_ENGINES(test_callbacks_run_at_once),
      TEST_ENGINES(test_nobody_waits_for_who_computes),
      TEST_ENGINES(test_who_waits_hears_of_a_deadline),
      TEST_ENGINES(test_a_crowd),
      TEST_ENGINES(test_uncached_reads),
      TEST_ENGINES(test_position_is_shared),
      TEST_ENGINES(test_cancel_and_close),
      TEST_ENGINES(test_cancel_against_begin),
      TEST_ENGINES(test_posts),
      TEST_ENGINES(test_stop_and_go_on),
      TEST_ENGINES(test_stop_races),
      TEST_ENGINES(test_trees_of_tasks),
      TEST_ENGINES(test_more_threads_than_work),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
