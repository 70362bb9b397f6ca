/* SPDX-License-Identifier: MIT */
/* Two threads that meet in the same moment, over and over: a close and a read,
 * a stop and a post, the end of a loop and who still speaks to it. A cancel and
 * a completion meet in test_cancel.c. OVIO_TEST_RACES says how often. */
#include <limits.h>

#include "scene.h"

enum { ROUNDS = 2000 };

/* ---- the other thread ---- */

struct partner {
  struct os_thread thread;
  void (*act)(void *argument);
  void *argument;
  atomic_uint asked; /* rounds; UINT_MAX: the last one is over */
  atomic_uint done;
};

static void partner_main(void *argument) {
  struct partner *self = argument;
  for (unsigned round = 1;; round++) {
    unsigned asked;
    while ((asked = atomic_load(&self->asked)) < round)
      os_thread_yield();
    if (asked == UINT_MAX)
      return;
    self->act(self->argument);
    atomic_store(&self->done, round);
  }
}

static bool partner_start(struct partner *self, void (*act)(void *argument),
                          void *argument) {
  *self = (struct partner){.act = act, .argument = argument};
  return os_thread_start(&self->thread, partner_main, self) == 0;
}

/* From here on, at any moment, it acts. */
static void partner_ask(struct partner *self) {
  atomic_fetch_add(&self->asked, 1);
}

static void partner_await(struct partner *self) {
  while (atomic_load(&self->done) < atomic_load(&self->asked))
    os_thread_yield();
}

static void partner_end(struct partner *self) {
  atomic_store(&self->asked, UINT_MAX);
  os_thread_join(&self->thread);
}

/* Now the one comes first, now the other. */
static void spin(int round) {
  for (volatile int left = round * 37 % 997; left > 0; left--)
    ;
}

static bool await_call(struct outcome *outcome) {
  while (atomic_load(&outcome->calls) == 0)
    os_thread_yield();
  return atomic_load(&outcome->calls) == 1;
}

/* ---- close against read ---- */

static void write_byte(void *argument) {
  struct ovio_file *file = argument;
  (void)ovio_write(file, "x", 1, OVIO_HERE); /* its reader may be gone */
}

static void test_close_against_read(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct partner partner;
  struct ovio_file ends[2];
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY(partner_start(&partner, write_byte, &ends[1]));
  for (int round = 0; round < scene_races(scene_rounds(ROUNDS)); round++) {
    struct outcome read = {.result = 9};
    char byte = 0;
    TRY_EQ(ovio_pipe(ends, 0), 0);
    TRY_EQ(ovio_start_read(loop, &read.op, &ends[0], &byte, 1, OVIO_HERE,
                           outcome_done),
           0);
    partner_ask(&partner);
    spin(round);
    TRY_EQ(ovio_close(&ends[0]), 0);
    TRY(await_call(&read));
    TRY(read.result == OVIO_ECANCELED || (read.result == 1 && byte == 'x'));
    partner_await(&partner);
    TRY_EQ(ovio_close(&ends[1]), 0);
  }
  partner_end(&partner);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- stop against post ---- */

struct endless {
  struct ovio_loop *loop;
  atomic_bool over;
  atomic_int failures;
};

static void run_again(void *argument) {
  struct endless *self = argument;
  while (!atomic_load(&self->over))
    atomic_fetch_add(&self->failures, ovio_loop_run(self->loop) != 0);
}

static void stop_loop(void *argument) {
  ovio_loop_stop(argument);
}

static void test_stop_against_post(struct test *test) {
  struct endless endless = {.failures = 0};
  struct os_thread runner;
  struct partner partner;
  TRY_EQ(test_loop_create(test, &endless.loop, NULL), 0);
  ovio_loop_hold(endless.loop);
  TRY_EQ(os_thread_start(&runner, run_again, &endless), 0);
  TRY(partner_start(&partner, stop_loop, endless.loop));
  for (int round = 0; round < scene_races(scene_rounds(5 * ROUNDS)); round++) {
    struct outcome post = {.result = 9};
    partner_ask(&partner);
    spin(round);
    TRY_EQ(ovio_post(endless.loop, &post.op, outcome_done), 0);
    TRY(await_call(&post));
    TRY_EQ(post.result, 0);
    partner_await(&partner);
  }
  partner_end(&partner);
  atomic_store(&endless.over, true);
  ovio_loop_unhold(endless.loop);
  ovio_loop_stop(endless.loop);
  os_thread_join(&runner);
  TRY_EQ(endless.failures, 0);
  TRY_EQ(ovio_loop_destroy(endless.loop), 0);
}

/* ---- destroy against who is on his way out ---- */

/* The write is delivered, and its worker is not yet back. */
static void test_destroy_against_worker(struct test *test) {
  for (int round = 0; round < scene_races(scene_rounds(ROUNDS)); round++) {
    struct ovio_loop *loop;
    struct ovio_file file;
    struct outcome write = {.result = 9};
    TRY_EQ(test_loop_create(test, &loop, NULL), 0);
    TRY_EQ(ovio_open(&file, test_path("worked"),
                     OVIO_WRITE | OVIO_CREATE | OVIO_BLOCKING, 0600),
           0);
    TRY_EQ(ovio_start_write(loop, &write.op, &file, "word", 4, 0, outcome_done),
           0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(ovio_loop_destroy(loop), 0);
    TRY_EQ(atomic_load(&write.calls), 1);
    TRY_EQ(write.result, 4);
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void unhold_loop(void *argument) {
  ovio_loop_unhold(*(struct ovio_loop **)argument);
}

/* The run ends by a call that has not returned yet. */
static void test_destroy_against_unhold(struct test *test) {
  struct ovio_loop *loop;
  struct partner partner;
  TRY(partner_start(&partner, unhold_loop, &loop));
  for (int round = 0; round < scene_races(scene_rounds(ROUNDS)); round++) {
    TRY_EQ(test_loop_create(test, &loop, NULL), 0);
    ovio_loop_hold(loop);
    partner_ask(&partner);
    spin(round);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(ovio_loop_destroy(loop), 0);
    partner_await(&partner);
  }
  partner_end(&partner);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_ENGINES(test_close_against_read),
      TEST_ENGINES(test_stop_against_post),
      TEST_ENGINES(test_destroy_against_worker),
      TEST_ENGINES(test_destroy_against_unhold),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
