/* SPDX-License-Identifier: MIT */
/* Locks on ranges of files. */
#include "companion.h"

#define MS UINT64_C(1000000)

enum { BOTH = OVIO_READ | OVIO_WRITE };

/* The same file twice: each has locks of its own. */
struct pair {
  struct ovio_file one;
  struct ovio_file two;
};

static bool open_pair(struct pair *pair) {
  const char *path = test_path("locked");
  return ovio_open(&pair->one, path, BOTH | OVIO_CREATE, 0600) == 0 &&
         ovio_open(&pair->two, path, BOTH, 0) == 0;
}

static int close_pair(struct pair *pair) {
  int error = ovio_close(&pair->one);
  return ovio_close(&pair->two) | error;
}

static int try_lock(struct ovio_file *file, int64_t offset, int64_t length,
                    unsigned flags) {
  return ovio_lock(file, offset, length, flags | OVIO_LOCK_TRY);
}

static void test_exclusive(struct test *test) {
  struct pair pair;
  TRY(open_pair(&pair));
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  TRY_EQ(try_lock(&pair.two, 0, 0, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(try_lock(&pair.two, 0, 0, OVIO_LOCK_SHARED), OVIO_EWOULDBLOCK);
  TRY_EQ(try_lock(&pair.two, INT64_C(1) << 40, 1, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(ovio_unlock(&pair.one, 0, 0), 0);
  TRY_EQ(try_lock(&pair.two, 0, 0, 0), 0);
  TRY_EQ(try_lock(&pair.one, 5, 1, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(ovio_unlock(&pair.two, 0, 0), 0);
  TRY_EQ(close_pair(&pair), 0);
}

static void test_shared(struct test *test) {
  struct pair pair;
  TRY(open_pair(&pair));
  TRY_EQ(ovio_lock(&pair.one, 0, 100, OVIO_LOCK_SHARED), 0);
  TRY_EQ(try_lock(&pair.two, 0, 100, OVIO_LOCK_SHARED), 0);
  TRY_EQ(ovio_unlock(&pair.two, 0, 100), 0);
  TRY_EQ(try_lock(&pair.two, 0, 100, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(ovio_unlock(&pair.one, 0, 100), 0);
  TRY_EQ(try_lock(&pair.two, 0, 100, 0), 0);
  TRY_EQ(ovio_unlock(&pair.two, 0, 100), 0);
  TRY_EQ(close_pair(&pair), 0);
}

static void test_ranges(struct test *test) {
  struct pair pair;
  TRY(open_pair(&pair));
  TRY_EQ(ovio_lock(&pair.one, 100, 100, 0), 0);
  TRY_EQ(try_lock(&pair.two, 0, 100, 0), 0);
  TRY_EQ(try_lock(&pair.two, 200, 0, 0), 0);
  TRY_EQ(try_lock(&pair.two, 199, 1, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(try_lock(&pair.two, 100, 1, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(try_lock(&pair.one, 0, 1, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(try_lock(&pair.one, INT64_MAX - 1, 1, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(ovio_unlock(&pair.two, 0, 100), 0);
  TRY_EQ(try_lock(&pair.one, 0, 1, 0), 0);
  TRY_EQ(close_pair(&pair), 0);
}

static void test_close_unlocks(struct test *test) {
  struct pair pair;
  TRY(open_pair(&pair));
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  TRY_EQ(ovio_close(&pair.one), 0);
  TRY_EQ(try_lock(&pair.two, 0, 0, 0), 0);
  TRY_EQ(ovio_close(&pair.two), 0);
}

static void test_what_is_not_locked(struct test *test) {
  struct pair pair;
  TRY(open_pair(&pair));
  TRY_EQ(ovio_unlock(&pair.one, 0, 0), 0);
  TRY_EQ(ovio_lock(&pair.one, 0, 10, 0), 0);
  TRY_EQ(ovio_unlock(&pair.two, 0, 10), 0);
  TRY_EQ(try_lock(&pair.two, 0, 10, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(close_pair(&pair), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file file = {{0}};
  struct pipe_files files;
  TRY_EQ(ovio_lock(NULL, 0, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_lock(&file, 0, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_unlock(NULL, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_unlock(&file, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_open(&file, test_path("bad"), OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_lock(&file, -1, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_lock(&file, 0, -1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_lock(&file, INT64_MAX, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_lock(&file, 0, 0, 4), OVIO_EINVAL);
  TRY_EQ(ovio_unlock(&file, -1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_SHARED), OVIO_EBADF);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_open(&file, test_path("bad"), OVIO_READ, 0), 0);
  TRY_EQ(ovio_lock(&file, 0, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_open(&file, test_folder(), OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_SHARED), OVIO_EISDIR);
  TRY_EQ(ovio_close(&file), 0);
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_lock(&files.out, 0, 0, 0), OVIO_ESPIPE);
  TRY_EQ(pipe_files_close(&files), 0);
}

/* ---- waiting ---- */

struct waiter {
  struct ovio_file *file;
  uint64_t deadline_ns;
  atomic_int state;
  int result;
  uint32_t native;
};

static void lock_it(void *argument) {
  struct waiter *self = argument;
  if (self->deadline_ns)
    ovio_deadline(self->deadline_ns);
  atomic_store(&self->state, 1);
  self->result = ovio_lock(self->file, 0, 0, 0);
  self->native = ovio_native_error();
  atomic_store(&self->state, 2);
}

static void test_waits(struct test *test) {
  struct pair pair;
  struct companion companion;
  TRY(open_pair(&pair));
  struct waiter waiter = {.file = &pair.two, .result = 1};
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  TRY(companion_start(test, &companion, lock_it, &waiter));
  AWAIT(atomic_load(&waiter.state) > 0);
  TRY_EQ(ovio_sleep(10 * MS), 0);
  TRY_EQ(atomic_load(&waiter.state), 1);
  TRY_EQ(ovio_unlock(&pair.one, 0, 0), 0);
  companion_join(&companion);
  TRY_EQ(waiter.result, 0);
  TRY_EQ(try_lock(&pair.one, 0, 0, 0), OVIO_EWOULDBLOCK);
  TRY_EQ(close_pair(&pair), 0);
}

/* Only the call itself blocks the loop, not the wait. */
static void test_an_inline_file_waits_too(struct test *test) {
  struct pair pair;
  struct companion companion;
  TRY(open_pair(&pair));
  TRY_EQ(ovio_close(&pair.two), 0);
  TRY_EQ(ovio_open(&pair.two, test_path("locked"), BOTH | OVIO_INLINE, 0), 0);
  struct waiter waiter = {.file = &pair.two, .result = 1};
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  TRY(companion_start(test, &companion, lock_it, &waiter));
  AWAIT(atomic_load(&waiter.state) == 1);
  TRY_EQ(ovio_unlock(&pair.one, 0, 0), 0);
  companion_join(&companion);
  TRY_EQ(waiter.result, 0);
  TRY_EQ(close_pair(&pair), 0);
}

static void test_deadline_and_cancel(struct test *test) {
  struct pair pair;
  struct ovio_group group;
  TRY(open_pair(&pair));
  struct waiter late = {.file = &pair.two, .deadline_ns = 5 * MS};
  struct waiter cancelled = {.file = &pair.two};
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, lock_it, &late), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(late.result, OVIO_ETIMEDOUT);
  TRY_EQ(ovio_group_spawn(&group, test->loop, lock_it, &cancelled), 0);
  AWAIT(atomic_load(&cancelled.state) > 0);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(atomic_load(&cancelled.state), 1);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(cancelled.result, OVIO_ECANCELED);
  TRY_EQ(cancelled.native, 0);
  TRY_EQ(close_pair(&pair), 0);
}

/* A close takes the waiting one out, and returns when nothing looks at the file
 * any more. */
static void test_close_under_a_lock(struct test *test) {
  ONE_THREAD("the lock may come after the close then");
  struct pair pair;
  struct companion companion;
  TRY(open_pair(&pair));
  struct waiter waiter = {.file = &pair.two, .result = 1};
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  for (int round = 0; round < 8; round++) {
    atomic_store(&waiter.state, 0);
    TRY(companion_start(test, &companion, lock_it, &waiter));
    AWAIT(atomic_load(&waiter.state) == 1);
    TRY_EQ(ovio_sleep((uint64_t)round * 3 * MS), 0);
    TRY_EQ(ovio_close(&pair.two), 0);
    memset(&pair.two, 0xa5, sizeof pair.two);
    companion_join(&companion);
    TRY_EQ(waiter.result, OVIO_ECANCELED);
    TRY_EQ(ovio_open(&pair.two, test_path("locked"), BOTH, 0), 0);
  }
  TRY_EQ(close_pair(&pair), 0);
}

static void test_close_while_a_thread_waits(struct test *test) {
  struct pair pair;
  struct companion companion;
  TRY(open_pair(&pair));
  struct waiter waiter = {.file = &pair.two, .result = 1};
  TRY_EQ(ovio_lock(&pair.one, 0, 0, 0), 0);
  TRY(companion_start(test, &companion, lock_it, &waiter));
  AWAIT(atomic_load(&waiter.state) == 1);
  TRY_EQ(ovio_sleep(200 * MS), 0); /* on its way until now, on a busy machine */
  TRY_EQ(ovio_close(&pair.two), OVIO_EBUSY);
  TRY_EQ(ovio_unlock(&pair.one, 0, 0), 0);
  companion_join(&companion);
  TRY_EQ(waiter.result, 0);
  TRY_EQ(close_pair(&pair), 0);
}

struct in_callback {
  struct outcome outcome; /* first */
  struct ovio_file *file;
  int waiting, trying, unlocking;
};

static void lock_in_callback(struct ovio_op *op, int64_t result) {
  struct in_callback *self = (struct in_callback *)(void *)op;
  self->waiting = ovio_lock(self->file, 0, 0, 0);
  self->trying = ovio_lock(self->file, 0, 0, OVIO_LOCK_TRY);
  self->unlocking = ovio_unlock(self->file, 0, 0);
  outcome_done(op, result);
}

static void test_callback(struct test *test) {
  struct pair pair;
  struct in_callback plain = {.file = &pair.one};
  struct in_callback blocks = {.file = &pair.two};
  TRY(open_pair(&pair));
  TRY_EQ(ovio_post(test->loop, &plain.outcome.op, lock_in_callback), 0);
  AWAIT(atomic_load(&plain.outcome.calls) == 1);
  TRY_EQ(plain.waiting, OVIO_EDEADLK);
  TRY_EQ(plain.trying, OVIO_EDEADLK);
  TRY_EQ(plain.unlocking, OVIO_EDEADLK);
  TRY_EQ(ovio_close(&pair.two), 0);
  TRY_EQ(ovio_open(&pair.two, test_path("locked"), BOTH | OVIO_INLINE, 0), 0);
  TRY_EQ(ovio_post(test->loop, &blocks.outcome.op, lock_in_callback), 0);
  AWAIT(atomic_load(&blocks.outcome.calls) == 1);
  TRY_EQ(blocks.waiting, OVIO_EDEADLK);
  TRY_EQ(blocks.trying, 0);
  TRY_EQ(blocks.unlocking, 0);
  TRY_EQ(close_pair(&pair), 0);
}

/* ---- what it is for ---- */

enum { COUNTERS = 8, ROUNDS = 10 };

struct counter {
  struct test *test;
  const char *path;
};

static void count_up(void *argument) {
  struct counter *self = argument;
  struct test *test = self->test;
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, self->path, BOTH, 0), 0);
  for (int round = 0; round < ROUNDS; round++) {
    int32_t count = -1;
    TRY_EQ(ovio_lock(&file, 0, sizeof count, 0), 0);
    TRY_EQ(ovio_read(&file, &count, sizeof count, 0), sizeof count);
    count++;
    ovio_yield();
    TRY_EQ(ovio_write(&file, &count, sizeof count, 0), sizeof count);
    TRY_EQ(ovio_unlock(&file, 0, sizeof count), 0);
  }
  TRY_EQ(ovio_close(&file), 0);
}

static void test_many_count_together(struct test *test) {
  struct companion companions[COUNTERS];
  char path[1024];
  int32_t count = 0;
  snprintf(path, sizeof path, "%s", test_path("counter"));
  TRY(test_put(path, &count, sizeof count));
  struct counter counter = {test, path};
  for (int at = 0; at < COUNTERS; at++)
    TRY(companion_start(test, &companions[at], count_up, &counter));
  for (int at = 0; at < COUNTERS; at++)
    companion_join(&companions[at]);
  TRY_EQ(test_get(path, &count, sizeof count), sizeof count);
  TRY_EQ(count, COUNTERS * ROUNDS);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_exclusive),
      TEST(test_shared),
      TEST(test_ranges),
      TEST(test_close_unlocks),
      TEST(test_what_is_not_locked),
      TEST(test_bad_arguments),
      TEST(test_waits),
      TEST(test_an_inline_file_waits_too),
      TEST_LOOP(test_deadline_and_cancel, "a plain thread has neither"),
      TEST_LOOP(test_close_under_a_lock, "a plain thread: OVIO_EBUSY"),
      TEST_PLAIN(test_close_while_a_thread_waits, "tasks are taken out"),
      TEST_LOOP(test_callback, "no callbacks there"),
      TEST(test_many_count_together),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
