/* SPDX-License-Identifier: MIT */
/* The driver, the children, and the shrinking (Zeller: delta debugging). */
#define _DEFAULT_SOURCE 1
#include "tests/fake/sim.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/memory.h"
#include "common/timer.h"

enum {
  STEPS_MAX = 4096,
  CI_STEPS = 200000,
  PATIENCE_S = 20,
  SHORT_PATIENCE_S = 2,
  ENDS_MAX = 20000,
  LOOPS_MAX = 3
};

struct plan {
  uint64_t seed;
  unsigned steps;
  bool left_out[STEPS_MAX];
};

/* The first has the driver; each of the others a thread that runs it. */
struct one_loop {
  struct ovio_loop *loop; /* NULL: it has gone */
  bool running;
  unsigned long runs;
  unsigned long reasons; /* for ends before the end */
  struct os_thread thread;
};

struct ovio_loop *sim_loop;
unsigned sim_threads;

static const struct sim *sim__now;
static const struct plan *sim__plan;
static struct ovio_op sim__driver;
static struct one_loop sim__loops[LOOPS_MAX];
static unsigned sim__count; /* of them */
static unsigned sim__at;
static unsigned sim__ends;
static struct os_lock sim__lock;
static uint64_t sim__state;
static bool sim__is_poor; /* allocations fail */
static bool sim__loud;
static bool sim__shrinking;

/* ---- what a world asks for ---- */

uint64_t sim_below(uint64_t limit) {
  return fake_draw(&sim__state) % limit;
}

bool sim_chance(unsigned percent) {
  return sim_below(100) < percent;
}

void sim_note(const char *format, ...) {
  if (!sim__loud)
    return;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "  %4u  ", sim__at);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

bool sim_is_ending(void) {
  return sim__at >= sim__plan->steps;
}

bool sim_take_step(void) {
  if (sim_is_ending())
    return false;
  unsigned at = sim__at++;
  sim__state = sim__plan->seed * UINT64_C(0x9E3779B97F4A7C15) + at;
  return !sim__plan->left_out[at];
}

struct ovio_loop *sim_any_loop(void) {
  return sim__loops[sim_below(sim__count)].loop;
}

void sim_enter(void) {
  os_lock_acquire(&sim__lock);
}

void sim_leave(void) {
  os_lock_release(&sim__lock);
}

/* ---- an episode ---- */

void sim_compute(void) {
  if (fake_chance(10))
    os_sleep_ns(fake_random() % 1000000);
}

bool sim_is_plain(void) {
  return !runner_current();
}

/* All threads wait. If one of the loop's is free, it does so at the port, for
 * no longer than to the next timer, and there is nothing else to do; but one
 * that dozes may have news, for a moment. */
static void sim__check_wait(struct loop *loop, int64_t to_ns) {
  if (!fake_port_is_waited_at(loop->port) && loop->baton.idle == 0)
    return;
  if (loop->baton.taken)
    return; /* one has it, and does what no worker could be had for */
  CHECK(fake_port_is_waited_at(loop->port));
  CHECK(!loop->ready.head && !loop->turn.head);
  CHECK(!loop->workers.fresh.head && !atomic_load(&loop->stopping));
  if (!inbox_is_empty(&loop->inbox)) {
    CHECK(atomic_load(&loop->sleep) == LOOP_DOZING);
    CHECK(to_ns - os_clock_ns() <= BRIEF_NS);
  }
  if (loop->timers.first)
    CHECK(to_ns <= loop->timers.first->due_ns);
}

static void sim__before_time(int64_t to_ns) {
  for (unsigned at = 0; at < sim__count; at++) {
    if (sim__loops[at].running)
      sim__check_wait((struct loop *)sim__loops[at].loop, to_ns);
  }
}

/* ---- what comes in between ---- */

static void sim__starve(void) {
  if (sim__is_poor && fake_chance(20))
    memory_fail_at = 1 + fake_random() % 5;
}

static void sim__sometimes_stop(void) {
  if (!fake_chance(1))
    return;
  struct one_loop *one = &sim__loops[fake_random() % sim__count];
  one->reasons++;
  ovio_loop_stop(one->loop);
}

/* ---- the plain thread ---- */

static void sim__be_plain(void *argument) {
  bool goes_on = true;
  (void)argument;
  while (goes_on) {
    os_sleep_ns(fake_random() % 1000000);
    sim_enter();
    if (sim_take_step())
      sim__now->step();
    sim__sometimes_stop();
    goes_on = !sim_is_ending();
    sim_leave();
    if (goes_on && sim__now->block && sim_take_step())
      sim__now->block();
  }
  if (fake_chance(50))
    os_sleep_ns(1000000000); /* so that this is what the loop waits for */
  ovio_loop_unhold(sim_loop);
}

/* ---- the runs of the loops ---- */

/* One ends when nothing is left, or has a reason. */
static void sim__run(struct one_loop *one) {
  sim__starve();
  one->running = true;
  int error = ovio_loop_run(one->loop);
  one->running = false;
  CHECK(error == 0 || error == OVIO_ENOMEM);
  one->reasons += error != 0;
  error = ovio_loop_destroy(one->loop);
  CHECK(error == 0 || error == OVIO_EBUSY);
  one->runs++;
  /* Another loop may have sent it something since the run. */
  CHECK(error == 0 || one->runs <= one->reasons || sim__count > 1);
  if (error == 0)
    one->loop = NULL;
}

static void sim__run_one(void *argument) {
  struct one_loop *one = argument;
  one->runs = one->reasons = 0;
  while (one->loop)
    sim__run(one);
}

/* They are held until the first has ended. */
static void sim__start_others(unsigned count) {
  for (sim__count = 1; sim__count < count; sim__count++) {
    struct one_loop *one = &sim__loops[sim__count];
    ovio_loop_hold(one->loop);
    if (os_thread_start(&one->thread, sim__run_one, one))
      break;
  }
  for (unsigned at = sim__count; at < count; at++) {
    ovio_loop_unhold(sim__loops[at].loop);
    CHECK(ovio_loop_destroy(sim__loops[at].loop) == 0);
  }
}

static void sim__end_others(void) {
  for (unsigned at = 1; at < sim__count; at++)
    ovio_loop_unhold(sim__loops[at].loop);
  for (unsigned at = 1; at < sim__count; at++)
    os_thread_join(&sim__loops[at].thread);
}

/* The plain thread's last call may be under way when the loop goes. */
static void sim__run_all(void) {
  struct os_thread plain;
  bool is_plain = fake_chance(50);
  if (is_plain) {
    ovio_loop_hold(sim_loop);
    is_plain = os_thread_start(&plain, sim__be_plain, NULL) == 0;
    if (!is_plain)
      ovio_loop_unhold(sim_loop);
  }
  fake_before_time = sim__before_time;
  sim__run_one(&sim__loops[0]);
  memory_fail_at = 0;
  sim__end_others();
  fake_before_time = NULL;
  sim__now->check();
  if (is_plain)
    os_thread_join(&plain);
}

/* false: the episode is over. */
static bool sim__drive(void) {
  sim__starve();
  sim__sometimes_stop();
  for (uint64_t left = 1 + fake_random() % 4; left > 0; left--) {
    if (sim_take_step())
      sim__now->step();
  }
  if (!sim_is_ending())
    return true;
  if (sim__now->is_over())
    return false;
  if (++sim__ends > ENDS_MAX)
    fake_hang("the end of the episode");
  sim__now->finish();
  return true;
}

static void sim__on_drive(struct ovio_op *op, int64_t result) {
  CHECK(result == 0 || result == OVIO_ECANCELED);
  sim_enter();
  bool goes_on = sim__drive();
  sim_leave();
  if (goes_on)
    CHECK(ovio_start_sleep(sim_loop, op, fake_random() % 500000,
                           sim__on_drive) == 0);
}

static unsigned sim__create_loops(unsigned workers) {
  unsigned count = fake_chance(50) ? 1 : 2 + (unsigned)(fake_random() % 2);
  sim_threads = 0;
  for (unsigned at = 0; at < count; at++) {
    struct ovio_loop_options options = {.size = sizeof options};
    options.max_workers = 1 + (unsigned)(fake_random() % 8) + workers;
    options.budget = 1 + (unsigned)(fake_random() % 8);
    options.stack_length = 64 * 1024;
    options.threads = 1 + (unsigned)(fake_random() % 4);
    if (fake_chance(50))
      options.max_transfer = 1 + (size_t)(fake_random() % 9000);
    sim__starve();
    while (ovio_loop_create(&sim__loops[at].loop, &options))
      CHECK(sim__is_poor);
    sim_threads += options.threads;
  }
  sim_loop = sim__loops[0].loop;
  return count;
}

static void sim__episode(const struct sim *sim, const struct plan *plan) {
  sim__now = sim;
  sim__plan = plan;
  sim__at = sim__ends = 0;
  sim__state = plan->seed;
  fake_reset(plan->seed);
  os_lock_init(&sim__lock);
  sim__is_poor = fake_chance(50);
  unsigned count = sim__create_loops(sim->workers);
  memory_fail_at = 0;
  sim->begin();
  sim__start_others(count);
  CHECK(ovio_post(sim_loop, &sim__driver, sim__on_drive) == 0);
  sim__run_all();
  fake_end_children();
  CHECK(fake_is_empty());
  CHECK(memory_alive == 0);
}

void sim_play(const struct sim *sim, unsigned steps, const uint8_t *input,
              size_t length) {
  static struct plan plan;
  plan.steps = steps;
  fake_feed(input, length);
  sim__episode(sim, &plan);
  fake_feed(NULL, 0);
}

/* ---- in children ---- */

static void sim__be_quiet(void) {
  int null = open("/dev/null", O_WRONLY);
  if (null >= 0)
    dup2(null, STDERR_FILENO);
}

/* Runs the episodes from plan->seed on; their number in a row is `count`. The
 * seed under way is in the plan, which the parent sees. false: one failed. */
static bool sim__in_child(const struct sim *sim, struct plan *plan,
                          uint64_t count, bool quiet) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0)
    return false;
  if (child == 0) {
    if (quiet)
      sim__be_quiet();
    for (uint64_t left = count; left > 0; left--) {
      alarm(sim__shrinking ? SHORT_PATIENCE_S : PATIENCE_S);
      sim__episode(sim, plan);
      plan->seed += left > 1;
    }
    _Exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) != child)
    ;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Leaves out `length` steps from `from` on, if it fails all the same. */
static bool sim__leave_out(const struct sim *sim, struct plan *plan,
                           unsigned from, unsigned length) {
  bool before[STEPS_MAX];
  bool news = false;
  memcpy(before, plan->left_out, sizeof before);
  for (unsigned at = from; at < from + length && at < plan->steps; at++) {
    news = news || !before[at];
    plan->left_out[at] = true;
  }
  if (!news || !sim__in_child(sim, plan, 1, true))
    return news;
  memcpy(plan->left_out, before, sizeof before);
  return false;
}

static void sim__shrink(const struct sim *sim, struct plan *plan) {
  bool news = true;
  for (unsigned length = plan->steps / 2; length > 0 || news;) {
    length = length ? length : 1;
    news = false;
    for (unsigned from = 0; from < plan->steps; from += length)
      news |= sim__leave_out(sim, plan, from, length);
    if (length > 1 || !news)
      length /= 2;
  }
}

static int sim__report(const struct sim *sim, struct plan *plan) {
  fprintf(stderr, "%s: seed %llu fails; again: %s %llu %u\n", sim->name,
          (unsigned long long)plan->seed, sim->name,
          (unsigned long long)plan->seed, plan->steps);
  if (sim__in_child(sim, plan, 1, true)) {
    fprintf(stderr, "%s: alone it does not\n", sim->name);
    return 1;
  }
  sim__shrinking = true; /* an episode takes milliseconds: more is a hang */
  if (!getenv("OVIO_SIM_NO_SHRINK"))
    sim__shrink(sim, plan);
  fprintf(stderr, "%s: these steps are enough:\n", sim->name);
  sim__loud = true;
  sim__in_child(sim, plan, 1, false);
  return 1;
}

static struct plan *sim__make_plan(void) {
  struct plan *plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANON, -1, 0);
  if (plan == MAP_FAILED)
    exit(2);
  return plan;
}

int sim_main(int argc, char **argv, const struct sim *sim) {
  struct plan *plan = sim__make_plan();
  const char *asked = getenv("OVIO_SIM_STEPS");
  uint64_t total = asked ? strtoull(asked, NULL, 10) : CI_STEPS;
  plan->seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  plan->steps = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : sim->steps;
  if (plan->steps == 0 || plan->steps > STEPS_MAX)
    return 2;
  uint64_t count = argc > 1 ? 1 : total / plan->steps + 1;
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  if (!sim__in_child(sim, plan, count, true))
    return sim__report(sim, plan);
  clock_gettime(CLOCK_MONOTONIC, &to);
  double spent = (double)(to.tv_sec - from.tv_sec) +
                 (double)(to.tv_nsec - from.tv_nsec) / 1e9;
  printf("%s: %llu steps in %.1f s\n", sim->name,
         (unsigned long long)(count * plan->steps), spent);
  return 0;
}
