/* SPDX-License-Identifier: MIT */
/* The system's locks and condition variables: os_lock_*, os_cond_*. */
#include "scene.h"

enum { THREADS = 4, ROUNDS = 20000, TURNS = 2000 };

/* All under the lock. */
struct shared {
  struct os_lock lock;
  struct os_cond changed;
  uint64_t before;
  uint64_t after;
  int turn;
};

struct player {
  struct os_thread thread;
  struct shared *shared;
  int number;
};

static void shared_init(struct shared *shared) {
  *shared = (struct shared){0};
  os_lock_init(&shared->lock);
  os_cond_init(&shared->changed);
}

static void shared_destroy(struct shared *shared) {
  os_cond_destroy(&shared->changed);
  os_lock_destroy(&shared->lock);
}

static int play(struct shared *shared, int count, void (*body)(void *)) {
  struct player players[THREADS];
  int error = 0;
  for (int at = 0; at < count; at++) {
    players[at] = (struct player){.shared = shared, .number = at};
    error |= os_thread_start(&players[at].thread, body, &players[at]);
  }
  for (int at = 0; at < count && !error; at++)
    os_thread_join(&players[at].thread);
  return error;
}

static void count_up(void *argument) {
  struct shared *shared = ((struct player *)argument)->shared;
  for (int at = 0; at < ROUNDS; at++) {
    os_lock_acquire(&shared->lock);
    uint64_t before = shared->before++;
    if (at % 512 == 0)
      os_thread_yield(); /* with the lock: the others have to sleep */
    shared->after += before == shared->after;
    os_lock_release(&shared->lock);
  }
}

static void test_one_at_a_time(struct test *test) {
  struct shared shared;
  shared_init(&shared);
  TRY_EQ(play(&shared, THREADS, count_up), 0);
  TRY_EQ(shared.before, (uint64_t)THREADS * ROUNDS);
  TRY_EQ(shared.after, (uint64_t)THREADS * ROUNDS);
  shared_destroy(&shared);
}

static void take_turns(void *argument) {
  struct player *self = argument;
  struct shared *shared = self->shared;
  os_lock_acquire(&shared->lock);
  for (int at = 0; at < TURNS; at++) {
    while (shared->turn != self->number)
      os_cond_wait(&shared->changed, &shared->lock);
    shared->turn = 1 - shared->turn;
    shared->before++;
    os_cond_signal(&shared->changed);
  }
  os_lock_release(&shared->lock);
}

static void test_a_signal_is_never_lost(struct test *test) {
  struct shared shared;
  shared_init(&shared);
  TRY_EQ(play(&shared, 2, take_turns), 0);
  TRY_EQ(shared.before, 2 * TURNS);
  shared_destroy(&shared);
}

int main(void) {
  static const char *const why = "no file and no loop";
  const struct test_case cases[] = {
      TEST_PLAIN(test_one_at_a_time, why),
      TEST_PLAIN(test_a_signal_is_never_lost, why),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
