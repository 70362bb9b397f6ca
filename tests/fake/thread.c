/* SPDX-License-Identifier: MIT */
/* The generator, time, locks, and threads that are contexts of one thread.
 *
 * `thread__now` is who runs: NULL is the real thread, whatever stack it is on.
 * A slice ends in fake_pause(), on the thread's own stack. A thread may stop
 * there with a lock; whoever wants that then runs it until it is free. */
#include "tests/fake/fake.h"

#include "common/memory.h"

struct thread {
  struct os_context context;
  void (*body)(void *argument);
  void *argument;
  void *locals[OS_LOCAL_COUNT];
  const struct os_cond *cond; /* what it waits for */
  bool idle;
  bool ended;
};

enum { THREADS_MAX = 128, IDLE_ROUNDS = 1000000, STACK = 128 * 1024 };

static struct thread *thread__all[THREADS_MAX];
static unsigned thread__count;
static struct thread *thread__now;
static struct thread thread__real;
static struct os_context thread__home;
static uint64_t thread__random;
static int64_t thread__clock_ns;
static bool thread__restless; /* waits end for no reason */

/* ---- the generator: splitmix64, by Vigna ---- */

uint64_t fake_next(uint64_t *state) {
  uint64_t bits = *state += UINT64_C(0x9E3779B97F4A7C15);
  bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
  return bits ^ (bits >> 31);
}

uint64_t fake_random(void) {
  return fake_next(&thread__random);
}

bool fake_chance(unsigned percent) {
  return fake_random() % 100 < percent;
}

void fake_reset(uint64_t seed) {
  CHECK(fake_is_empty());
  thread__random = seed;
  thread__clock_ns = 1000000000;
  thread__restless = fake_chance(50);
  thread__real = (struct thread){0};
  fake_file_reset();
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

static struct thread *thread__self(void) {
  return thread__now ? thread__now : &thread__real;
}

static void thread__run(struct thread *thread) {
  CHECK(!thread__now && !thread->ended);
  os_context_enter(&thread__home);
  thread__now = thread;
  thread->idle = false;
  os_context_switch(&thread__home, &thread->context);
  thread__now = NULL;
}

void fake_pause(bool idle) {
  struct thread *self = thread__now;
  self->idle = idle;
  os_context_switch(&self->context, &thread__home);
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

static void thread__sometimes(unsigned percent) {
  if (thread__count == 0 || !fake_chance(percent))
    return;
  if (thread__now)
    fake_pause(false);
  else
    (void)fake_run_threads();
}

/* ---- locks: words[0] is who has it ---- */

void os_lock_init(struct os_lock *lock) {
  lock->words[0] = 0;
}

void os_lock_destroy(struct os_lock *lock) {
  CHECK(lock->words[0] == 0);
}

void os_lock_acquire(struct os_lock *lock) {
  thread__sometimes(10);
  CHECK(lock->words[0] != (uintptr_t)thread__self());
  while (lock->words[0]) {
    if (thread__now)
      fake_pause(true);
    else
      thread__run((struct thread *)(uintptr_t)lock->words[0]);
  }
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
  cond->words[0]++;
  self->cond = cond;
  os_lock_release(lock);
  for (unsigned round = 0; self->cond; round++) {
    if (thread__now)
      fake_pause(true);
    else if (!fake_run_threads() && round > IDLE_ROUNDS)
      fake_hang("os_cond_wait");
  }
  cond->words[0]--;
  os_lock_acquire(lock);
}

void os_cond_signal(struct os_cond *cond) {
  unsigned first = (unsigned)(fake_random() % (thread__count + 1));
  for (unsigned at = 0; at < thread__count; at++) {
    struct thread *thread = thread__all[(first + at) % thread__count];
    if (thread->cond == cond) {
      thread->cond = NULL;
      return;
    }
  }
  if (thread__real.cond == cond)
    thread__real.cond = NULL;
}

/* ---- threads ---- */

static void thread__main(void *argument) {
  struct thread *thread = argument;
  thread->body(thread->argument);
  thread->ended = true;
  fake_pause(false);
}

int os_thread_start(struct os_thread *out, void (*body)(void *argument),
                    void *argument) {
  if (thread__count == THREADS_MAX || fake_chance(5))
    return OVIO_ENOMEM;
  struct thread *thread = memory_allocate(sizeof *thread);
  if (!thread)
    return OVIO_ENOMEM;
  thread->body = body;
  thread->argument = argument;
  int error = os_context_create(&thread->context, STACK, thread__main, thread);
  if (error) {
    memory_free(thread);
    return error;
  }
  thread__all[thread__count++] = thread;
  out->words[0] = (uintptr_t)thread;
  return 0;
}

void os_thread_join(struct os_thread *joined) {
  struct thread *thread = (struct thread *)(uintptr_t)joined->words[0];
  for (unsigned round = 0; !thread->ended; round++) {
    if (!fake_run_threads() && round > IDLE_ROUNDS)
      fake_hang("os_thread_join");
  }
  unsigned at = 0;
  while (thread__all[at] != thread)
    at++;
  thread__all[at] = thread__all[--thread__count];
  os_context_destroy(&thread->context);
  memory_free(thread);
}

void os_thread_yield(void) {
  thread__sometimes(100);
}

void *os_local_get(enum os_local slot) {
  return thread__self()->locals[slot];
}

void os_local_set(enum os_local slot, void *value) {
  thread__self()->locals[slot] = value;
}

/* ---- time ---- */

void fake_advance(int64_t to_ns) {
  if (to_ns > thread__clock_ns)
    thread__clock_ns = to_ns;
}

int64_t os_clock_ns(void) {
  return thread__clock_ns;
}

void os_sleep_ns(uint64_t duration_ns) {
  fake_advance(thread__clock_ns + (int64_t)duration_ns);
  thread__sometimes(100);
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
