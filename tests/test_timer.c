/* SPDX-License-Identifier: MIT */
/* The heap of timers against an array, and timers on a loop. */
#include "common/timer.h"

#include "common/node.h"
#include "scene.h"

/* ---- the heap ---- */

enum { ALARMS = 200 };

struct alarm_clock {
  struct timer timer;
  struct bench *bench;
  int fired;
};

struct bench {
  struct timers timers;
  struct alarm_clock alarms[ALARMS];
  int64_t last_due; /* of the one that fired last */
  int fired;
  bool wrong_order;
  struct alarm_clock *victim; /* to be stopped by the next that fires */
  struct alarm_clock *newcomer;
  int64_t newcomer_due;
};

static void ring(struct timer *timer) {
  struct alarm_clock *alarm = CONTAINER_OF(timer, struct alarm_clock, timer);
  struct bench *bench = alarm->bench;
  bench->wrong_order |=
      timer_is_armed(timer) || timer->due_ns < bench->last_due;
  bench->last_due = timer->due_ns;
  bench->fired++;
  alarm->fired++;
  if (bench->victim)
    timer_stop(&bench->timers, &bench->victim->timer);
  if (bench->newcomer)
    timer_start(&bench->timers, &bench->newcomer->timer, bench->newcomer_due,
                ring);
  bench->victim = NULL;
  bench->newcomer = NULL;
}

static struct bench *bench_make(void) {
  struct bench *bench = calloc(1, sizeof *bench);
  for (int at = 0; bench && at < ALARMS; at++)
    bench->alarms[at].bench = bench;
  return bench;
}

static void set(struct bench *bench, int at, int64_t due) {
  timer_start(&bench->timers, &bench->alarms[at].timer, due, ring);
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* How many are armed and due by then; the earliest of all. */
static int count_due(const struct bench *bench, int64_t until, int64_t *first) {
  int count = 0;
  *first = INT64_MAX;
  for (int at = 0; at < ALARMS; at++) {
    const struct timer *timer = &bench->alarms[at].timer;
    if (!timer_is_armed(timer))
      continue;
    count += timer->due_ns <= until;
    if (timer->due_ns < *first)
      *first = timer->due_ns;
  }
  return count;
}

static void heap_rounds(struct test *test, struct bench *bench) {
  uint32_t random = 77;
  int64_t now = 0;
  for (int round = 0; round < 20000; round++) {
    uint32_t what = next_random(&random) % 16;
    struct timer *timer = &bench->alarms[next_random(&random) % ALARMS].timer;
    int64_t first;
    if (what < 10 && !timer_is_armed(timer)) {
      timer_start(&bench->timers, timer, now + next_random(&random) % 64, ring);
    } else if (what < 13) {
      timer_stop(&bench->timers, timer);
      TRY(!timer_is_armed(timer));
    } else if (what == 13) {
      now += next_random(&random) % 16;
      int due = count_due(bench, now, &first);
      bench->fired = 0;
      bench->last_due = INT64_MIN;
      timers_fire(&bench->timers, now);
      TRY_EQ(bench->fired, due);
      TRY(!bench->wrong_order);
    }
    count_due(bench, now, &first);
    TRY_EQ(bench->timers.first ? bench->timers.first->due_ns : INT64_MAX,
           first);
  }
}

static void test_heap_against_a_model(struct test *test) {
  struct bench *bench = bench_make();
  TRY(bench);
  heap_rounds(test, bench);
  free(bench);
}

static void test_heap_in_order_and_against_it(struct test *test) {
  struct bench *bench = bench_make();
  TRY(bench);
  for (int round = 0; round < 3; round++) {
    for (int at = 0; at < ALARMS; at++)
      set(bench, at, round == 0 ? at : round == 1 ? ALARMS - at : 5);
    bench->fired = 0;
    bench->last_due = INT64_MIN;
    timers_fire(&bench->timers, INT64_MAX);
    TRY_EQ(bench->fired, ALARMS);
    TRY(!bench->wrong_order);
    TRY(bench->timers.first == NULL);
  }
  free(bench);
}

static void test_heap_changed_while_it_fires(struct test *test) {
  struct bench *bench = bench_make();
  TRY(bench);
  set(bench, 0, 1);
  set(bench, 1, 2);
  set(bench, 2, 3);
  bench->victim = &bench->alarms[1];
  bench->newcomer = &bench->alarms[3];
  bench->newcomer_due = 2;
  timers_fire(&bench->timers, 2);
  TRY_EQ(bench->alarms[0].fired, 1);
  TRY_EQ(bench->alarms[1].fired, 0);
  TRY_EQ(bench->alarms[3].fired, 1);
  TRY_EQ(bench->alarms[2].fired, 0);
  TRY(bench->timers.first == &bench->alarms[2].timer);
  bench->newcomer = &bench->alarms[2]; /* itself, anew */
  bench->newcomer_due = 9;
  timers_fire(&bench->timers, 3);
  TRY_EQ(bench->alarms[2].fired, 1);
  TRY(timer_is_armed(&bench->alarms[2].timer));
  timer_stop(&bench->timers, &bench->alarms[2].timer);
  timer_stop(&bench->timers, &bench->alarms[2].timer);
  TRY(bench->timers.first == NULL);
  free(bench);
}

/* ---- on a loop ---- */

static void test_sleep_is_never_early(struct test *test) {
  static const uint64_t lengths[] = {0, 1, 999999, 1000000, 1000001, 3700000};
  for (size_t at = 0; at < sizeof lengths / sizeof *lengths; at++) {
    int64_t before = os_clock_ns();
    TRY_EQ(ovio_sleep(lengths[at]), 0);
    TRY(os_clock_ns() - before >= (int64_t)lengths[at]);
  }
}

struct sleeper {
  struct ovio_op op; /* first */
  struct ordering *ordering;
  int64_t due_min; /* it is due between these two */
  int64_t due_max;
  int place; /* in the order of waking; from 1 */
};

struct ordering {
  struct sleeper sleepers[32];
  int woken;
};

static void wake(struct ovio_op *op, int64_t result) {
  struct sleeper *self = (struct sleeper *)(void *)op;
  if (result == 0)
    self->place = ++self->ordering->woken;
}

static void test_sleepers_wake_in_order(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  enum { COUNT = 32 };
  struct ordering ordering = {.woken = 0};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < COUNT; at++) {
    struct sleeper *sleeper = &ordering.sleepers[at];
    int64_t length = at * 13 % COUNT * 500000;
    sleeper->ordering = &ordering;
    sleeper->due_min = os_clock_ns() + length;
    TRY_EQ(ovio_start_sleep(loop, &sleeper->op, (uint64_t)length, wake), 0);
    sleeper->due_max = os_clock_ns() + length;
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ordering.woken, COUNT);
  for (int a = 0; a < COUNT; a++) {
    for (int b = 0; b < COUNT; b++) {
      if (ordering.sleepers[a].due_max < ordering.sleepers[b].due_min)
        TRY(ordering.sleepers[a].place < ordering.sleepers[b].place);
    }
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_start_sleep(struct test *test) {
  struct ovio_loop *loop;
  struct outcome brief = {.result = 1};
  struct outcome none = {.result = 1};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  int64_t before = os_clock_ns();
  TRY_EQ(ovio_start_sleep(loop, &brief.op, 2000000, outcome_done), 0);
  TRY_EQ(ovio_start_sleep(loop, &brief.op, 2000000, outcome_done), OVIO_EBUSY);
  TRY_EQ(ovio_start_sleep(loop, &none.op, 0, outcome_done), 0);
  TRY_EQ(ovio_start_sleep(loop, NULL, 0, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_start_sleep(NULL, &none.op, 0, outcome_done), OVIO_EINVAL);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(os_clock_ns() - before >= 2000000);
  TRY_EQ(brief.calls, 1);
  TRY_EQ(brief.result, 0);
  TRY_EQ(none.calls, 1);
  TRY_EQ(none.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* A duration past the end of time must not come round to the past. */
static void test_sleep_for_ever_is_cancelled(struct test *test) {
  enum { COUNT = 3 };
  static const uint64_t lengths[COUNT] = {UINT64_MAX, INT64_MAX,
                                          (uint64_t)INT64_MAX + 1};
  struct ovio_loop *loop;
  struct outcome sleeps[COUNT] = {{.calls = 0}};
  struct outcome tick = {.calls = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(ovio_start_sleep(loop, &sleeps[at].op, lengths[at], outcome_done),
           0);
  TRY_EQ(ovio_start_sleep(loop, &tick.op, 5000000, outcome_done), 0);
  struct loop_thread thread;
  TRY(loop_thread_start(&thread, loop));
  AWAIT(atomic_load(&tick.calls) == 1);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(atomic_load(&sleeps[at].calls), 0);
    TRY_EQ(ovio_cancel(&sleeps[at].op), 0);
  }
  TRY_EQ(loop_thread_end(&thread), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(sleeps[at].calls, 1);
    TRY_EQ(sleeps[at].result, OVIO_ECANCELED);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_many_timers(struct test *test) {
  enum { COUNT = 5000 };
  struct ovio_loop *loop;
  struct outcome *sleeps = calloc(COUNT, sizeof *sleeps);
  TRY(sleeps);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (uint64_t at = 0; at < COUNT; at++) {
    uint64_t length = at * 7919 % COUNT * 2000; /* up to 10 ms, mixed */
    TRY_EQ(ovio_start_sleep(loop, &sleeps[at].op, length, outcome_done), 0);
  }
  for (int at = 0; at < COUNT; at += 3)
    TRY_EQ(ovio_cancel(&sleeps[at].op), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(sleeps[at].calls, 1);
    TRY_EQ(sleeps[at].result, at % 3 ? 0 : OVIO_ECANCELED);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
  free(sleeps);
}

/* Work that never ends must not keep timers from firing. */
static void repost(struct ovio_op *op, int64_t result) {
  struct outcome *self = (struct outcome *)(void *)op;
  if (result == 0)
    ovio_post(ovio_loop_current(), op, repost);
  else
    atomic_fetch_add(&self->calls, 1);
}

static void test_timer_beside_endless_work(struct test *test) {
  ONE_THREAD("each cancel may find the callback running");
  struct outcome busy = {.calls = 0};
  TRY_EQ(ovio_post(test->loop, &busy.op, repost), 0);
  TRY_EQ(ovio_sleep(10000000), 0);
  for (int round = 0; round < 1000 && !busy.calls; round++) {
    ovio_cancel(&busy.op);
    ovio_yield();
  }
  TRY_EQ(busy.calls, 1);
}

int main(void) {
  static const char *const why = "no file and no loop";
  const struct test_case cases[] = {
      TEST_PLAIN(test_heap_against_a_model, why),
      TEST_PLAIN(test_heap_in_order_and_against_it, why),
      TEST_PLAIN(test_heap_changed_while_it_fires, why),
      TEST(test_sleep_is_never_early),
      TEST_ENGINES(test_sleepers_wake_in_order),
      TEST_ENGINES(test_start_sleep),
      TEST_ENGINES(test_sleep_for_ever_is_cancelled),
      TEST_ENGINES(test_many_timers),
      TEST_LOOP(test_timer_beside_endless_work, "a callback beside a task"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
