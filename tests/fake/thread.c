/* SPDX-License-Identifier: MIT */
/* The generator, time, locks, and threads that are contexts of one thread.
 *
 * `thread__now` is who runs: NULL is the real thread. A slice ends in
 * fake_pause(), on whatever stack the thread is on: its own or, if it is a
 * loop's, a task's. A thread may stop there with a lock.
 *
 * Who waits says whether it has found anything to do since it stopped last.
 * When all of them have not, time goes on to the next thing that somebody waits
 * for; if there is none, nobody ever goes on. */
#include "tests/fake/fake.h"

struct thread {
  struct os_context context; /* first: os_context_create() */
  struct os_context *at;     /* where it stopped */
  void (*body)(void *argument);
  void *argument;
  void *locals[OS_LOCAL_COUNT];
  const struct os_cond *cond; /* what it waits for */
  int64_t due_ns;             /* sleeps until then; 0: it does not */
  bool idle;
  bool ended;
};

enum {
  THREADS_MAX = 128,
  IDLE_ROUNDS = 1000,
  STACK = 128 * 1024,
  SPINS_MAX = 300
};

static struct thread *thread__all[THREADS_MAX];
static unsigned thread__count;
static struct thread *thread__now;
static struct thread thread__real;
static struct os_context thread__home;
static struct os_stacks thread__stacks; /* while there are threads */
static unsigned thread__stacks_used;
static uint64_t thread__random;
static int64_t thread__clock_ns;
static unsigned thread__spins; /* since the last choice */
static bool thread__restless;  /* waits end for no reason */
void (*fake_before_time)(int64_t to_ns);

/* ---- the generator: splitmix64, by Vigna ---- */

uint64_t fake_next(uint64_t *state) {
  uint64_t bits = *state += UINT64_C(0x9E3779B97F4A7C15);
  bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
  return bits ^ (bits >> 31);
}

static const uint8_t *thread__input;
static size_t thread__input_left;

void fake_feed(const uint8_t *input, size_t length) {
  thread__input = input;
  thread__input_left = length;
}

uint64_t fake_draw(uint64_t *state) {
  if (thread__input_left == 0)
    return fake_next(state);
  thread__input_left--;
  return *thread__input++ * UINT64_C(0x0101010101010101);
}

uint64_t fake_random(void) {
  thread__spins = 0;
  return fake_draw(&thread__random);
}

bool fake_chance(unsigned percent) {
  return fake_random() % 100 < percent;
}

void fake_reset(uint64_t seed) {
  CHECK(fake_is_empty());
  thread__random = seed;
  thread__clock_ns = 1000000000;
  thread__spins = 0;
  thread__restless = fake_chance(50);
  thread__real = (struct thread){0};
  fake_file_reset();
}

bool fake_is_restless(void) {
  return thread__restless;
}

bool fake_is_empty(void) {
  return thread__count == 0 && fake_file_is_empty();
}

void fake_hang(const char *where) {
  check_failed(where, 0, "somebody goes on some day");
}

/* ---- slices ---- */

bool fake_on_thread(void) {
  return thread__now != NULL;
}

bool fake_on_worker(void) {
  return thread__now && !thread__now->locals[OS_LOCAL_RUNNER];
}

static struct thread *thread__self(void) {
  return thread__now ? thread__now : &thread__real;
}

static void thread__run(struct thread *thread) {
  CHECK(!thread__now && !thread->ended);
  (void)os_context_enter(&thread__home);
  thread__now = thread;
  thread->idle = false;
  os_context_switch(&thread__home, thread->at);
  thread__now = NULL;
}

void fake_pause(bool idle) {
  struct thread *self = thread__now;
  struct os_context here;
  (void)os_context_enter(&here);
  self->idle = idle;
  self->at = &here;
  os_context_switch(&here, &thread__home);
}

static bool thread__can_run(struct thread *thread) {
  if (thread->cond && thread__restless && fake_chance(1))
    thread->cond = NULL; /* for no reason */
  return !thread->cond && !thread->ended;
}

bool fake_run_threads(void) {
  bool moved = false;
  unsigned first = (unsigned)(fake_random() % (thread__count + 1));
  for (unsigned at = 0; at < thread__count && !moved; at++) {
    struct thread *thread = thread__all[(first + at) % thread__count];
    if (!thread__can_run(thread))
      continue;
    thread__run(thread);
    moved = !thread->idle;
  }
  return moved;
}

/* ---- time ---- */

void fake_advance(int64_t to_ns) {
  if (to_ns > thread__clock_ns)
    thread__clock_ns = to_ns;
}

int64_t os_clock_ns(void) {
  return thread__clock_ns;
}

static int64_t thread__next_ns(void) {
  int64_t next = fake_port_next_ns();
  for (unsigned at = 0; at < thread__count; at++) {
    int64_t due = thread__all[at]->due_ns;
    if (due && due < next)
      next = due;
  }
  if (thread__real.due_ns && thread__real.due_ns < next)
    next = thread__real.due_ns;
  return next;
}

/* The real thread waits, too. */
static unsigned thread__wait_real(unsigned still, const char *where) {
  if (fake_run_threads())
    return 0;
  int64_t next = thread__next_ns();
  if (next == INT64_MAX && still > IDLE_ROUNDS)
    fake_hang(where);
  if (next == INT64_MAX)
    return still + 1;
  if (fake_before_time)
    fake_before_time(next);
  fake_advance(next);
  return 0;
}

void fake_wait(struct fake_wait *wait, const char *where) {
  if (thread__now)
    fake_pause(wait->rounds++ > 0);
  else
    wait->still = thread__wait_real(wait->still, where);
}

void fake_wait_until(struct fake_wait *wait, int64_t until_ns,
                     const char *where) {
  struct thread *self = thread__self();
  self->due_ns = until_ns;
  fake_wait(wait, where);
  self->due_ns = 0;
}

void os_sleep_ns(uint64_t duration_ns) {
  struct thread *self = thread__self();
  struct fake_wait wait = {0};
  self->due_ns = thread__clock_ns + (int64_t)duration_ns;
  while (thread__clock_ns < self->due_ns)
    fake_wait(&wait, "os_sleep_ns");
  self->due_ns = 0;
}

uint64_t os_process_number(void) {
  return 1;
}

static void thread__sometimes(unsigned percent) {
  if (thread__count == 0 || !fake_chance(percent))
    return;
  if (thread__now)
    fake_pause(false);
  else
    (void)fake_run_threads();
}

void fake_slice(void) {
  thread__sometimes(100);
}

/* ---- locks: words[0] is who has it ---- */

void os_lock_init(struct os_lock *lock) {
  lock->words[0] = 0;
}

void os_lock_destroy(struct os_lock *lock) {
  CHECK(lock->words[0] == 0);
}

void os_lock_acquire(struct os_lock *lock) {
  struct fake_wait wait = {0};
  thread__sometimes(10);
  CHECK(lock->words[0] != (uintptr_t)thread__self());
  while (lock->words[0])
    fake_wait(&wait, "os_lock_acquire");
  lock->words[0] = (uintptr_t)thread__self();
}

void os_lock_release(struct os_lock *lock) {
  CHECK(lock->words[0] == (uintptr_t)thread__self());
  lock->words[0] = 0;
}

void os_cond_init(struct os_cond *cond) {
  cond->words[0] = 0;
}

void os_cond_destroy(struct os_cond *cond) {
  CHECK(cond->words[0] == 0);
}

void os_cond_wait(struct os_cond *cond, struct os_lock *lock) {
  struct thread *self = thread__self();
  struct fake_wait wait = {0};
  cond->words[0]++;
  self->cond = cond;
  os_lock_release(lock);
  while (self->cond) {
    fake_wait(&wait, "os_cond_wait");
    if (!thread__now && fake_is_restless() && fake_chance(1))
      self->cond = NULL;
  }
  cond->words[0]--;
  os_lock_acquire(lock);
}

/* Number thread__count is the real thread. */
void os_cond_signal(struct os_cond *cond) {
  unsigned first = (unsigned)(fake_random() % (thread__count + 1));
  for (unsigned left = 0; left <= thread__count; left++) {
    unsigned at = (first + left) % (thread__count + 1);
    struct thread *thread =
        at < thread__count ? thread__all[at] : &thread__real;
    if (thread->cond == cond) {
      thread->cond = NULL;
      return;
    }
  }
}

/* ---- threads ---- */

static void thread__let_go_of_stack(void) {
  if (--thread__stacks_used == 0)
    os_stacks_destroy(&thread__stacks);
}

static void thread__main(struct os_context *context) {
  struct thread *thread = (struct thread *)context;
  thread->body(thread->argument);
  thread->ended = true;
  fake_pause(false);
}

int os_thread_start(struct os_thread *out, void (*body)(void *argument),
                    void *argument) {
  struct os_context *context;
  if (thread__count == THREADS_MAX || fake_chance(5))
    return OVIO_ENOMEM;
  if (thread__stacks_used++ == 0)
    os_stacks_init(&thread__stacks, STACK);
  int error = os_context_create(&context, &thread__stacks,
                                sizeof(struct thread), thread__main);
  if (error) {
    thread__let_go_of_stack();
    return error;
  }
  struct thread *thread = (struct thread *)context;
  thread->at = context;
  thread->body = body;
  thread->argument = argument;
  thread__all[thread__count++] = thread;
  out->words[0] = (uintptr_t)thread;
  return 0;
}

void os_thread_join(struct os_thread *joined) {
  struct thread *thread = (struct thread *)(uintptr_t)joined->words[0];
  struct fake_wait wait = {0};
  while (!thread->ended)
    fake_wait(&wait, "os_thread_join");
  unsigned at = 0;
  while (thread__all[at] != thread)
    at++;
  thread__all[at] = thread__all[--thread__count];
  os_context_destroy(&thread->context);
  thread__let_go_of_stack();
}

void os_thread_yield(void) {
  thread__sometimes(100);
}

/* Who spins asks for this again and again, and for nothing else: others go on
 * meanwhile. */
void *os_local_get(enum os_local slot) {
  void *value = thread__self()->locals[slot];
  if (++thread__spins > SPINS_MAX)
    thread__sometimes(100);
  return value;
}

void os_local_set(enum os_local slot, void *value) {
  thread__self()->locals[slot] = value;
}

/* ---- waiters: words[0] is the interruption ---- */

int os_waiter_init(struct os_waiter *waiter) {
  waiter->words[0] = 0;
  return fake_chance(2) ? OVIO_EMFILE : 0;
}

void os_waiter_destroy(struct os_waiter *waiter) {
  waiter->words[0] = 0;
}

void os_waiter_attach(struct os_waiter *waiter,
                      const struct os_thread *thread) {
  (void)waiter;
  (void)thread;
}

/* Now and then it comes before the call has begun, and does nothing. */
void os_waiter_interrupt(struct os_waiter *waiter) {
  if (fake_chance(70))
    waiter->words[0] = 1;
}

void os_waiter_reset(struct os_waiter *waiter) {
  waiter->words[0] = 0;
}

bool fake_waiter_is_raised(struct os_waiter *waiter) {
  return waiter->words[0] != 0;
}
