/* SPDX-License-Identifier: MIT */
/* Messages between loops: posts that their callbacks send on, from loop to
 * loop, and sleeps. Each comes exactly once, on the loop that it was sent to; a
 * sleep is not early; what says that it was cancelled has a reason. A loop is
 * held by what is on its way to it, and by nothing else. */
#include <string.h>

#include "tests/fake/sim.h"

enum { MESSAGES = 32, LOOPS = 4, POISON = 0xA5, HOPS = 6 };

#define LONG_NS UINT64_C(1000000000000) /* longer than any episode */

struct message {
  struct ovio_op op; /* first */
  bool busy;
  bool cancelled;
  bool holds; /* its loop, besides */
  bool sleeps;
  bool late;     /* sent to a loop that was ending all that it has */
  unsigned hops; /* that are left */
  struct ovio_loop *loop;
  int64_t due_ns;
  unsigned long sent;
};

static struct message posts__all[MESSAGES];
static struct ovio_loop *posts__cancelled[LOOPS]; /* once; they stay so */
static bool posts__ending[LOOPS]; /* of these: seen to end what it has */
static unsigned long posts__sent;

static unsigned posts__loop_number(const struct ovio_loop *loop) {
  unsigned at = 0;
  while (at < LOOPS && posts__cancelled[at] != loop)
    at++;
  return at;
}

static bool posts__is_ending(const struct ovio_loop *loop) {
  unsigned at = posts__loop_number(loop);
  return at < LOOPS && posts__ending[at];
}

static bool posts__is_cancelled(const struct ovio_loop *loop) {
  bool found = false;
  for (unsigned at = 0; at < LOOPS; at++)
    found = found || posts__cancelled[at] == loop;
  return found;
}

/* Its loop is not drained. */
static bool posts__has_others(const struct message *message) {
  bool found = false;
  for (unsigned at = 0; at < MESSAGES; at++) {
    const struct message *other = &posts__all[at];
    found = found ||
            (other != message && other->busy && other->loop == message->loop);
  }
  return found;
}

/* A loop has ended one of its messages unasked: it is asked to end, until it
 * has none left. */
static void posts__look_at_loop(const struct message *message, int64_t result) {
  unsigned at = posts__loop_number(message->loop);
  if (at < LOOPS && !posts__has_others(message))
    posts__ending[at] = false;
  else if (at < LOOPS && result && !message->cancelled)
    posts__ending[at] = true;
}

static void posts__on_message(struct ovio_op *op, int64_t result);

/* The op is idle. */
static void posts__send(struct message *message, struct ovio_loop *loop) {
  memset(&message->op, 0, sizeof message->op);
  message->busy = true;
  message->cancelled = false;
  message->loop = loop;
  message->late = posts__is_ending(loop);
  message->sent = ++posts__sent;
  message->holds = sim_chance(20);
  message->sleeps = sim_chance(40);
  if (message->holds)
    ovio_loop_hold(loop);
  uint64_t duration = sim_chance(20) ? LONG_NS : sim_below(2000000);
  message->due_ns = os_clock_ns() + (int64_t)duration;
  int error =
      message->sleeps
          ? ovio_start_sleep(loop, &message->op, duration, posts__on_message)
          : ovio_post(loop, &message->op, posts__on_message);
  CHECK(error == 0);
}

static void posts__check_result(const struct message *message, int64_t result) {
  CHECK(message->busy && ovio_loop_current() == message->loop);
  CHECK(result == 0 || result == OVIO_ECANCELED);
  if (result)
    CHECK(message->cancelled || posts__is_cancelled(message->loop));
  else if (message->sleeps)
    CHECK(!message->late && os_clock_ns() >= message->due_ns);
}

/* On entry the op is idle: it may be sent on, or freed. */
static void posts__on_message(struct ovio_op *op, int64_t result) {
  struct message *message = (struct message *)(void *)op;
  sim_enter();
  posts__check_result(message, result);
  posts__look_at_loop(message, result);
  CHECK(ovio_cancel(op) == OVIO_ENOENT);
  if (message->holds)
    ovio_loop_unhold(message->loop);
  memset(op, POISON, sizeof *op);
  message->busy = false;
  if (message->hops > 0 && !sim_is_ending()) {
    message->hops--;
    posts__send(message, sim_any_loop());
  }
  sim_leave();
  sim_compute();
}

/* ---- steps ---- */

static void posts__step_cancel(struct message *message) {
  sim_note("cancel message %lu", message->sent);
  int error = ovio_cancel(&message->op);
  CHECK(error == 0 || error == OVIO_ENOENT); /* its callback is called */
  message->cancelled = true;
}

/* Not the driver's own. */
static void posts__cancel_loop(struct ovio_loop *loop) {
  if (loop == sim_loop)
    return;
  unsigned at = 0;
  while (posts__cancelled[at] && posts__cancelled[at] != loop)
    at++;
  posts__cancelled[at] = loop;
  ovio_loop_cancel(loop);
}

static void posts__step_burst(void) {
  struct ovio_loop *loop = sim_any_loop();
  unsigned left = 1 + (unsigned)sim_below(8);
  for (unsigned at = 0; at < MESSAGES && left > 0; at++) {
    struct message *message = &posts__all[at];
    if (message->busy)
      continue;
    message->hops = (unsigned)sim_below(HOPS);
    posts__send(message, loop);
    sim_note("message %lu%s", message->sent, message->sleeps ? ", late" : "");
    left--;
  }
}

static void posts__step(void) {
  struct message *message = &posts__all[sim_below(MESSAGES)];
  uint64_t dice = sim_below(100);
  if (dice < 2) {
    sim_note("cancel a loop");
    posts__cancel_loop(sim_any_loop());
  } else if (message->busy) {
    if (dice < 40)
      posts__step_cancel(message);
  } else {
    posts__step_burst();
  }
}

/* ---- the episode ---- */

static void posts__begin(void) {
  memset(posts__all, 0, sizeof posts__all);
  memset(posts__cancelled, 0, sizeof posts__cancelled);
  memset(posts__ending, 0, sizeof posts__ending);
  posts__sent = 0;
}

/* A loop that is cancelled cancels what it has. */
static void posts__finish(void) {
  for (unsigned at = 0; at < MESSAGES; at++) {
    struct message *message = &posts__all[at];
    if (!message->busy || message->cancelled)
      continue;
    if (message->loop == sim_loop)
      posts__step_cancel(message);
    else
      posts__cancel_loop(message->loop);
  }
}

static bool posts__is_over(void) {
  bool over = true;
  for (unsigned at = 0; at < MESSAGES; at++)
    over = over && !posts__all[at].busy;
  return over;
}

static void posts__check(void) {
  CHECK(posts__is_over());
}

const struct sim sim_posts = {
    .name = "sim_posts",
    .steps = 500,
    .begin = posts__begin,
    .step = posts__step,
    .finish = posts__finish,
    .is_over = posts__is_over,
    .check = posts__check,
};
