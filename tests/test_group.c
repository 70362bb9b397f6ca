/* SPDX-License-Identifier: MIT */
/* Groups of tasks: waiting for them and cancelling them together. */
#include "scene.h"

#define MS UINT64_C(1000000)

struct member {
  struct test *test;
  struct ovio_group *group;
  struct ovio_loop *loop;
  struct member *inner;
  atomic_int *ended;
  int64_t results[3];
  bool began;
};

/* ---- waiting ---- */

static void count_task(void *argument) {
  struct member *self = argument;
  self->began = true;
  ovio_yield();
  atomic_fetch_add(self->ended, 1);
}

static void test_wait_of_an_empty_group(struct test *test) {
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  (void)test;
}

static void test_wait_for_a_thousand(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  enum { COUNT = 1000 };
  atomic_int ended = 0;
  struct member *members = calloc(COUNT, sizeof *members);
  struct ovio_group group;
  TRY(members);
  ovio_group_init(&group);
  for (int round = 0; round < 2; round++) { /* a group is good for more */
    for (int at = 0; at < COUNT; at++) {
      members[at].ended = &ended;
      TRY_EQ(ovio_group_spawn(&group, test->loop, count_task, &members[at]), 0);
    }
    TRY_EQ(ended, round * COUNT);
    TRY_EQ(ovio_group_wait(&group), 0);
    TRY_EQ(ended, (round + 1) * COUNT);
  }
  free(members);
}

static void wait_task(void *argument) {
  struct member *self = argument;
  self->results[0] = ovio_group_wait(self->group);
  self->results[1] = atomic_load(self->ended);
}

static void test_several_wait(struct test *test) {
  enum { COUNT = 3 };
  atomic_int ended = 0;
  struct ovio_group group;
  struct ovio_group waiting;
  struct member member = {.ended = &ended};
  struct member waiters[COUNT];
  ovio_group_init(&group);
  ovio_group_init(&waiting);
  TRY_EQ(ovio_group_spawn(&group, test->loop, count_task, &member), 0);
  for (int at = 0; at < COUNT; at++) {
    waiters[at] = (struct member){.group = &group, .ended = &ended};
    waiters[at].results[0] = 1;
    TRY_EQ(ovio_group_spawn(&waiting, test->loop, wait_task, &waiters[at]), 0);
  }
  TRY_EQ(ovio_group_wait(&waiting), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(waiters[at].results[0], 0);
    TRY_EQ(waiters[at].results[1], 1);
  }
}

/* The group may go away as soon as the wait has returned. */
static void test_group_on_the_heap(struct test *test) {
  atomic_int ended = 0;
  for (int round = 0; round < 50; round++) {
    struct member member = {.ended = &ended};
    struct ovio_group *group = calloc(1, sizeof *group);
    TRY(group);
    ovio_group_init(group);
    TRY_EQ(ovio_group_spawn(group, test->loop, count_task, &member), 0);
    TRY_EQ(ovio_group_wait(group), 0);
    memset(group, 0xa5, sizeof *group);
    free(group);
  }
  TRY_EQ(ended, 50);
}

static void spawn_inner(void *argument) {
  struct member *self = argument;
  self->results[0] =
      ovio_group_spawn(self->group, self->loop, count_task, self->inner);
}

static void test_member_spawns_a_member(struct test *test) {
  atomic_int ended = 0;
  struct ovio_group group;
  struct member inner = {.ended = &ended};
  struct member outer = {.group = &group, .loop = test->loop, .inner = &inner};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, spawn_inner, &outer), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(outer.results[0], 0);
  TRY_EQ(ended, 1);
}

static void test_member_cannot_wait(struct test *test) {
  atomic_int ended = 0;
  struct ovio_group group;
  struct member member = {.group = &group, .ended = &ended};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, wait_task, &member), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(member.results[0], OVIO_EINVAL);
}

static void test_plain_thread_cannot_wait(struct test *test) {
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_wait(&group), OVIO_EINVAL);
}

struct in_callback {
  struct outcome outcome; /* first */
  struct ovio_group *group;
};

static void wait_in_callback(struct ovio_op *op, int64_t result) {
  struct in_callback *self = (struct in_callback *)(void *)op;
  (void)result;
  outcome_done(op, ovio_group_wait(self->group));
}

static void test_callback_cannot_wait(struct test *test) {
  struct ovio_group group;
  struct in_callback call = {.group = &group};
  ovio_group_init(&group);
  TRY_EQ(ovio_post(test->loop, &call.outcome.op, wait_in_callback), 0);
  AWAIT(call.outcome.calls == 1);
  TRY_EQ(call.outcome.result, OVIO_EDEADLK);
}

static void test_bad_arguments(struct test *test) {
  atomic_int ended = 0;
  struct member member = {.ended = &ended};
  struct ovio_group group;
  ovio_group_init(&group);
  ovio_group_init(NULL);
  ovio_group_cancel(NULL);
  TRY_EQ(ovio_group_wait(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(NULL, test->loop, count_task, &member), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(&group, NULL, count_task, &member), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(&group, test->loop, NULL, &member), OVIO_EINVAL);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(ended, 0);
}

/* ---- cancelling ---- */

static void sleep_thrice(void *argument) {
  struct member *self = argument;
  self->began = true;
  for (int at = 0; at < 3; at++)
    self->results[at] = ovio_sleep(UINT64_MAX);
  atomic_fetch_add(self->ended, 1);
}

static void test_cancel_reaches_every_member(struct test *test) {
  enum { COUNT = 100 };
  atomic_int ended = 0;
  static struct member members[COUNT];
  struct ovio_group group;
  ovio_group_init(&group);
  for (int at = 0; at < COUNT; at++) {
    members[at] = (struct member){.ended = &ended};
    TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_thrice, &members[at]), 0);
  }
  for (int round = 0; round < 10; round++)
    ovio_yield();
  TRY_EQ(ended, 0);
  ovio_group_cancel(&group);
  ovio_group_cancel(&group); /* once more does no harm */
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(ended, COUNT);
  for (int at = 0; at < COUNT; at++) {
    for (int call = 0; call < 3; call++)
      TRY_EQ(members[at].results[call], OVIO_ECANCELED);
  }
  TRY_EQ(ovio_sleep(1), 0); /* who cancelled is no member */
}

/* Before the members have begun, and those that come after it. */
static void test_cancelled_member_starts_latched(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  atomic_int ended = 0;
  struct member early = {.ended = &ended};
  struct member late = {.ended = &ended};
  struct member next = {.ended = &ended};
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_thrice, &early), 0);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_thrice, &late), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY(early.began && late.began); /* a body runs in any case */
  TRY_EQ(early.results[0], OVIO_ECANCELED);
  TRY_EQ(late.results[0], OVIO_ECANCELED);
  /* Once empty, the group is like new. */
  TRY_EQ(ovio_group_spawn(&group, test->loop, count_task, &next), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(ended, 3);
}

static void sleep_a_little(void *argument) {
  struct member *self = argument;
  self->results[0] = ovio_sleep(1);
}

static void test_cancel_of_an_empty_group(struct test *test) {
  struct member member = {.results = {1}};
  struct ovio_group group;
  ovio_group_init(&group);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_a_little, &member), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(member.results[0], 0);
}

/* A recycled stack must not bring its last owner's latch along. */
static void test_latch_does_not_outlive_the_task(struct test *test) {
  atomic_int ended = 0;
  for (int round = 0; round < 20; round++) {
    struct member first = {.ended = &ended};
    struct member second = {.results = {1}};
    struct ovio_group group;
    ovio_group_init(&group);
    TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_thrice, &first), 0);
    ovio_group_cancel(&group);
    TRY_EQ(ovio_group_wait(&group), 0);
    TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_a_little, &second), 0);
    TRY_EQ(ovio_group_wait(&group), 0);
    TRY_EQ(second.results[0], 0);
  }
}

/* Waits for a group of its own, which nobody cancels. */
static void wait_then_sleep(void *argument) {
  struct member *self = argument;
  self->results[0] = ovio_group_wait(self->group);
  self->results[1] = atomic_load(self->ended);
  self->results[2] = ovio_sleep(1);
}

static void sleep_10_ms(void *argument) {
  struct member *self = argument;
  self->results[0] = ovio_sleep(10 * MS);
  atomic_fetch_add(self->ended, 1);
}

static void test_cancelled_task_still_waits(struct test *test) {
  atomic_int ended = 0;
  struct ovio_group inner;
  struct ovio_group outer;
  struct member slow = {.ended = &ended};
  struct member waiter = {.group = &inner, .ended = &ended};
  ovio_group_init(&inner);
  ovio_group_init(&outer);
  TRY_EQ(ovio_group_spawn(&inner, test->loop, sleep_10_ms, &slow), 0);
  TRY_EQ(ovio_group_spawn(&outer, test->loop, wait_then_sleep, &waiter), 0);
  ovio_yield();
  ovio_group_cancel(&outer);
  TRY_EQ(ovio_group_wait(&outer), 0);
  TRY_EQ(waiter.results[0], 0);
  TRY_EQ(waiter.results[1], 1); /* and not before the member had ended */
  TRY_EQ(waiter.results[2], OVIO_ECANCELED);
  TRY_EQ(slow.results[0], 0);
}

static void cancel_own_group(void *argument) {
  struct member *self = argument;
  ovio_group_cancel(self->group);
  self->results[0] = ovio_sleep(1);
}

static void test_member_cancels_its_group(struct test *test) {
  struct ovio_group group;
  struct member member = {.group = &group};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, cancel_own_group, &member), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(member.results[0], OVIO_ECANCELED);
}

/* ---- threads ---- */

struct canceller {
  struct ovio_group *group;
  atomic_bool *stop;
};

static void cancel_for_ever(void *argument) {
  struct canceller *self = argument;
  while (!atomic_load(self->stop)) {
    ovio_group_cancel(self->group);
    os_thread_yield();
  }
}

/* Members end, are cancelled and recycled, all at once. */
static void test_cancel_from_another_thread(struct test *test) {
  enum { COUNT = 8 };
  atomic_int ended = 0;
  atomic_bool stop = false;
  struct ovio_group group;
  struct member members[COUNT];
  struct canceller canceller = {&group, &stop};
  struct os_thread thread;
  int rounds = scene_rounds(2000);
  ovio_group_init(&group);
  TRY_EQ(os_thread_start(&thread, cancel_for_ever, &canceller), 0);
  int error = 0;
  for (int round = 0; round < rounds && !error; round++) {
    for (int at = 0; at < COUNT && !error; at++) {
      members[at] = (struct member){.ended = &ended};
      void (*body)(void *) = at % 2 ? count_task : sleep_thrice;
      error = ovio_group_spawn(&group, test->loop, body, &members[at]);
    }
    if (!error)
      error = ovio_group_wait(&group);
  }
  atomic_store(&stop, true);
  os_thread_join(&thread);
  TRY_EQ(error, 0);
  TRY_EQ(ended, rounds * COUNT);
}

/* One group, members on two loops, which two threads run. */
static void test_members_on_two_loops(struct test *test) {
  enum { COUNT = 50 };
  atomic_int ended = 0;
  struct ovio_loop *other;
  struct loop_thread thread;
  struct ovio_group group;
  static struct member members[COUNT];
  TRY_EQ(test_loop_create(test, &other, NULL), 0);
  TRY(loop_thread_start(&thread, other));
  for (int round = 0; round < 20; round++) {
    ovio_group_init(&group);
    for (int at = 0; at < COUNT; at++) {
      members[at] = (struct member){.ended = &ended};
      TRY_EQ(ovio_group_spawn(&group, at % 2 ? other : test->loop,
                              at % 4 < 2 ? count_task : sleep_thrice,
                              &members[at]),
             0);
    }
    ovio_group_cancel(&group);
    TRY_EQ(ovio_group_wait(&group), 0);
    TRY_EQ(ended, (round + 1) * COUNT);
  }
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(ovio_loop_destroy(other), 0);
}

int main(void) {
  static const char *const why = "tasks";
  const struct test_case cases[] = {
      TEST_LOOP(test_wait_of_an_empty_group, why),
      TEST_LOOP(test_wait_for_a_thousand, why),
      TEST_LOOP(test_several_wait, why),
      TEST_LOOP(test_group_on_the_heap, why),
      TEST_LOOP(test_member_spawns_a_member, why),
      TEST_LOOP(test_member_cannot_wait, why),
      TEST_PLAIN(test_plain_thread_cannot_wait, "plain threads cannot"),
      TEST_LOOP(test_callback_cannot_wait, why),
      TEST_LOOP(test_bad_arguments, why),
      TEST_LOOP(test_cancel_reaches_every_member, why),
      TEST_LOOP(test_cancelled_member_starts_latched, why),
      TEST_LOOP(test_cancel_of_an_empty_group, why),
      TEST_LOOP(test_latch_does_not_outlive_the_task, why),
      TEST_LOOP(test_cancelled_task_still_waits, why),
      TEST_LOOP(test_member_cancels_its_group, why),
      TEST_LOOP(test_cancel_from_another_thread, why),
      TEST_LOOP(test_members_on_two_loops, why),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
