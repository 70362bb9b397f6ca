/* SPDX-License-Identifier: MIT */
/* Messages in a burst wake a loop once; single ones cost it nothing more.
 *
 * The loop's own thread plays the one who posts, at the moments when another
 * thread could: while the loop waits, and when it has given the processor away.
 * So what is counted does not depend on what else the machine does. */
#include "posix/native.h"

#include "support.h"

static struct native_calls real;

enum { BURST = 32, BURSTS = 20, SINGLES = 2000, TIMES = 200 };

static struct {
  struct ovio_loop *loop;
  struct ovio_op ops[BURST];
  pthread_t thread;
  int posted; /* of the burst under way */
  int bursts; /* that are still to begin */
  int each;   /* posts of a burst */
  int bad;
  int arrived;
  int yields;
  int wakes;
  int waits;
} play;

static void arrived(struct ovio_op *op, int64_t result) {
  (void)op;
  play.bad += result != 0;
  play.arrived++;
}

/* As a thread that is not the loop's. */
static void post_until(int posted) {
  void *runner = os_local_get(OS_LOCAL_RUNNER);
  os_local_set(OS_LOCAL_RUNNER, NULL);
  while (play.posted < posted)
    play.bad += ovio_post(play.loop, &play.ops[play.posted++], arrived) != 0;
  os_local_set(OS_LOCAL_RUNNER, runner);
}

static bool is_playing(void) {
  return play.loop && pthread_equal(pthread_self(), play.thread);
}

/* The one who posts runs, and ends his burst. */
static int played_yield(void) {
  if (!is_playing())
    return real.sched_yield();
  play.yields++;
  if (play.posted > 0)
    post_until(play.each);
  return 0;
}

/* The loop sleeps: the rest of a burst that it has slept through, or the first
 * of the next. */
static void sleep_begins(int timeout_ms) {
  if (!is_playing())
    return;
  play.waits++;
  if (timeout_ms == 0)
    return;
  if (play.posted > 0 && play.posted < play.each) {
    post_until(play.each);
  } else if (play.bursts > 0) {
    play.bursts--;
    play.posted = 0;
    post_until(1);
  } else {
    ovio_loop_unhold(play.loop);
  }
}

static ssize_t played_write(int fd, const void *buffer, size_t length) {
  play.wakes += is_playing() && length == sizeof(uint64_t);
  return real.write(fd, buffer, length);
}

static int played_poll(struct pollfd *set, nfds_t count, int timeout_ms) {
  sleep_begins(timeout_ms);
  return real.poll(set, count, timeout_ms);
}

#if NATIVE_HAS_EPOLL
static int played_epoll_wait(int epoll, struct epoll_event *events, int max,
                             int timeout_ms) {
  sleep_begins(timeout_ms);
  return real.epoll_wait(epoll, events, max, timeout_ms);
}
#endif

static void install(void) {
  real = native;
  native.sched_yield = played_yield;
  native.write = played_write;
  native.poll = played_poll;
#if NATIVE_HAS_EPOLL
  native.epoll_wait = played_epoll_wait;
#endif
}

static bool engine_is_watched(const struct test *test) {
  return test->mode->engine != OVIO_ENGINE_KQUEUE;
}

static void run(struct test *test, int bursts, int each) {
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  memset(&play, 0, sizeof play);
  play.bursts = bursts;
  play.each = each;
  play.thread = pthread_self();
  play.loop = loop;
  ovio_loop_hold(loop);
  int result = ovio_loop_run(loop);
  play.loop = NULL;
  TRY_EQ(result, 0);
  TRY_EQ(play.bad, 0);
  TRY_EQ(play.arrived, bursts * each);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* One wake-up each. A look that takes long, since others have the processor, is
 * given up for a while: so not every time that this is tried. */
static void test_a_burst_is_one_wake_up(struct test *test) {
  ONE_THREAD("its thread plays the other one, too");
  if (!engine_is_watched(test))
    SKIP("the waits of this engine are not played");
  int time = 0;
  do
    run(test, BURSTS, BURST);
  while (!test->failure[0] && play.wakes > BURSTS + 1 && ++time < TIMES);
  printf("%d bursts of %d posts, %s: %d wake-ups, %d yields, time %d\n", BURSTS,
         BURST, test->mode->name, play.wakes, play.yields, time + 1);
  TRY(play.wakes <= BURSTS + 1); /* and one for the end of the hold */
}

/* A look for more that is always in vain is soon left out. */
static void test_single_posts_do_not_yield(struct test *test) {
  ONE_THREAD("its thread plays the other one, too");
  if (!engine_is_watched(test))
    SKIP("the waits of this engine are not played");
  run(test, SINGLES, 1);
  printf("%d single posts, %s: %d wake-ups, %d waits, %d yields\n", SINGLES,
         test->mode->name, play.wakes, play.waits, play.yields);
  TRY(play.yields <= 8 + SINGLES / 256 + 1);
  TRY(play.waits <= SINGLES + 2);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_a_burst_is_one_wake_up),
      TEST_ENGINES(test_single_posts_do_not_yield),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
