/* SPDX-License-Identifier: MIT */
/* Locks, threads, time, and what wakes a thread that waits in poll(2). */
#include "posix/side.h"

#include "common/check.h"
#include "common/memory.h"

/* ---- locks ---- */

/* LOCK. A file has one: on Linux it is a word, a futex, where a mutex takes
 * five. WANTED says that somebody may sleep there.
 *
 * COND. Until 2.41, glibc's condition variable may lose a signal when several
 * threads wait (https://sourceware.org/bugzilla/show_bug.cgi?id=25847). So on
 * Linux it is a futex here, which counts the signals. Who waits has read the
 * count under the lock; a signal that comes before he sleeps changes it, and
 * futex(2) does not let him sleep. */
#ifdef __linux__
enum { LOCK_FREE, LOCK_HELD, LOCK_WANTED };

typedef struct {
  atomic_uint state;
} thread_lock;

typedef struct {
  atomic_uint signals;
  atomic_uint waiting;
} thread_cond;

/* errno stays: who has a lock may still want to know of the call before. */
static void thread__futex(atomic_uint *word, int action, unsigned value) {
  int kept = errno;
  syscall(SYS_futex, word, action, value, NULL, NULL, 0);
  errno = kept;
}

static int lock_init(thread_lock *lock) {
  atomic_init(&lock->state, LOCK_FREE);
  return 0;
}

static int lock_destroy(thread_lock *lock) {
  return atomic_load(&lock->state) == LOCK_FREE ? 0 : EBUSY;
}

/* Who has slept cannot know whether he was the last. */
static int lock_acquire(thread_lock *lock) {
  unsigned seen = LOCK_FREE;
  if (atomic_compare_exchange_strong(&lock->state, &seen, LOCK_HELD))
    return 0;
  while (atomic_exchange(&lock->state, LOCK_WANTED) != LOCK_FREE)
    thread__futex(&lock->state, FUTEX_WAIT_PRIVATE, LOCK_WANTED);
  return 0;
}

/* The lock may be gone by the time of the call, which then wakes nobody, or
 * somebody for no reason. */
static int lock_release(thread_lock *lock) {
  unsigned seen = atomic_exchange(&lock->state, LOCK_FREE);
  if (seen == LOCK_WANTED)
    thread__futex(&lock->state, FUTEX_WAKE_PRIVATE, 1);
  return seen == LOCK_FREE ? EPERM : 0;
}

static int cond_init(thread_cond *cond) {
  atomic_init(&cond->signals, 0);
  atomic_init(&cond->waiting, 0);
  return 0;
}

static int cond_destroy(thread_cond *cond) {
  return atomic_load(&cond->waiting) == 0 ? 0 : EBUSY;
}

/* EAGAIN, EINTR: woken for no reason, which a wait may be. */
static int cond_wait(thread_cond *cond, thread_lock *lock) {
  unsigned seen = atomic_load(&cond->signals);
  atomic_fetch_add(&cond->waiting, 1);
  (void)lock_release(lock);
  thread__futex(&cond->signals, FUTEX_WAIT_PRIVATE, seen);
  int error = lock_acquire(lock);
  atomic_fetch_sub(&cond->waiting, 1);
  return error;
}

static int cond_signal(thread_cond *cond) {
  if (atomic_load(&cond->waiting) > 0) {
    atomic_fetch_add(&cond->signals, 1);
    thread__futex(&cond->signals, FUTEX_WAKE_PRIVATE, 1);
  }
  return 0;
}
#else
typedef pthread_mutex_t thread_lock;
#define lock_init(lock)       pthread_mutex_init(lock, NULL)
#define lock_destroy(lock)    pthread_mutex_destroy(lock)
#define lock_acquire(lock)    pthread_mutex_lock(lock)
#define lock_release(lock)    pthread_mutex_unlock(lock)

typedef pthread_cond_t thread_cond;
#define cond_init(cond)       pthread_cond_init(cond, NULL)
#define cond_destroy(cond)    pthread_cond_destroy(cond)
#define cond_wait(cond, lock) pthread_cond_wait(cond, lock)
#define cond_signal(cond)     pthread_cond_signal(cond)
#endif

static_assert(sizeof(thread_lock) <= sizeof(struct os_lock), "OS_LOCK");

static thread_lock *thread__lock(struct os_lock *lock) {
  return (thread_lock *)(void *)lock->words;
}

void os_lock_init(struct os_lock *lock) {
  int error = lock_init(thread__lock(lock));
  CHECK(error == 0);
}

void os_lock_destroy(struct os_lock *lock) {
  int error = lock_destroy(thread__lock(lock));
  CHECK(error == 0);
}

void os_lock_acquire(struct os_lock *lock) {
  int error = lock_acquire(thread__lock(lock));
  CHECK(error == 0);
}

void os_lock_release(struct os_lock *lock) {
  int error = lock_release(thread__lock(lock));
  CHECK(error == 0);
}

static_assert(sizeof(thread_cond) <= sizeof(struct os_cond), "OS_COND");

static thread_cond *thread__cond(struct os_cond *cond) {
  return (thread_cond *)(void *)cond->words;
}

void os_cond_init(struct os_cond *cond) {
  int error = cond_init(thread__cond(cond));
  CHECK(error == 0);
}

void os_cond_destroy(struct os_cond *cond) {
  int error = cond_destroy(thread__cond(cond));
  CHECK(error == 0);
}

void os_cond_wait(struct os_cond *cond, struct os_lock *lock) {
  int error = cond_wait(thread__cond(cond), thread__lock(lock));
  CHECK(error == 0);
}

void os_cond_signal(struct os_cond *cond) {
  int error = cond_signal(thread__cond(cond));
  CHECK(error == 0);
}

/* ---- threads ---- */

static_assert(sizeof(pthread_t) <= sizeof(struct os_thread), "OS_THREAD");

/* Made by the starter, freed by the thread. */
struct thread_start {
  void (*body)(void *argument);
  void *argument;
};

static void *thread__main(void *argument) {
  struct thread_start start = *(struct thread_start *)argument;
  memory_free(argument);
  start.body(start.argument);
  return NULL;
}

/* All that can be blocked, so that the program's handlers run on the program's
 * threads; but a fault in a thread that blocks its signal kills the process
 * before any crash reporter sees it. */
static void thread__signals_to_block(sigset_t *set) {
  sigfillset(set);
  sigdelset(set, SIGSEGV);
  sigdelset(set, SIGBUS);
  sigdelset(set, SIGFPE);
  sigdelset(set, SIGILL);
  sigdelset(set, SIGTRAP);
}

int os_thread_start(struct os_thread *thread, void (*body)(void *argument),
                    void *argument) {
  struct thread_start *start = memory_allocate(sizeof(*start));
  if (!start)
    return OVIO_ENOMEM;
  *start = (struct thread_start){body, argument};
  sigset_t blocked;
  sigset_t before;
  thread__signals_to_block(&blocked);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int error = native.pthread_create((pthread_t *)(void *)thread->words, NULL,
                                    thread__main, start);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0)
    return 0;
  memory_free(start);
  /* EAGAIN says that a limit is reached; nothing would become ready. */
  return error == EAGAIN ? OVIO_ENOMEM : os_error_map((uint32_t)error);
}

void os_thread_join(struct os_thread *thread) {
  int error = pthread_join(*(pthread_t *)(void *)thread->words, NULL);
  CHECK(error == 0);
}

void os_thread_yield(void) {
  (void)native.sched_yield();
}

static _Thread_local void *thread__locals[OS_LOCAL_COUNT];

void *os_local_get(enum os_local slot) __attribute__((noinline));
void os_local_set(enum os_local slot, void *value) __attribute__((noinline));

void *os_local_get(enum os_local slot) {
  __asm__ volatile("" ::: "memory"); /* not to be taken for a pure function */
  return thread__locals[slot];
}

void os_local_set(enum os_local slot, void *value) {
  __asm__ volatile("" ::: "memory");
  thread__locals[slot] = value;
}

/* ---- time ---- */

enum { NS_PER_S = 1000000000 };

int64_t os_clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* One sleep, which a signal may cut short. */
static void thread__sleep_until(int64_t due_ns, int64_t now_ns) {
#if NATIVE_HAS_ABSOLUTE_SLEEP
  (void)now_ns;
  struct timespec due = {(time_t)(due_ns / NS_PER_S),
                         (long)(due_ns % NS_PER_S)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
#else
  int64_t left_ns = due_ns - now_ns;
  struct timespec left = {(time_t)(left_ns / NS_PER_S),
                          (long)(left_ns % NS_PER_S)};
  nanosleep(&left, NULL);
#endif
}

void os_sleep_ns(uint64_t duration_ns) {
  int64_t now_ns = os_clock_ns();
  uint64_t longest_ns = (uint64_t)(INT64_MAX - now_ns);
  int64_t due_ns =
      now_ns + (int64_t)(duration_ns < longest_ns ? duration_ns : longest_ns);
  for (; now_ns < due_ns; now_ns = os_clock_ns())
    thread__sleep_until(due_ns, now_ns);
}

uint64_t os_process_number(void) {
  return (uint64_t)getpid();
}

/* ---- waking ---- */

#if NATIVE_HAS_EVENTFD
static int thread__wake_descriptors(int ends[2]) {
  ends[0] = ends[1] = native.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return ends[0] < 0 ? os_error_map((uint32_t)errno) : 0;
}
#else
static int thread__wake_descriptors(int ends[2]) {
  if (native.pipe(ends) < 0)
    return os_error_map((uint32_t)errno);
  for (int at = 0; at < 2; at++) {
    native.fcntl(ends[at], F_SETFD, FD_CLOEXEC);
    native.fcntl(ends[at], F_SETFL, O_NONBLOCK);
  }
  return 0;
}
#endif

int native_wakeup_open(struct native_wakeup *wakeup) {
  int ends[2] = {-1, -1};
  int error = thread__wake_descriptors(ends);
  if (error)
    return error;
  wakeup->read_end = ends[0];
  wakeup->write_end = ends[1];
  atomic_init(&wakeup->raised, false);
  return 0;
}

void native_wakeup_close(struct native_wakeup *wakeup) {
  native.close(wakeup->read_end);
  if (wakeup->write_end != wakeup->read_end)
    native.close(wakeup->write_end);
}

void native_wakeup_raise(struct native_wakeup *wakeup) {
  if (atomic_exchange(&wakeup->raised, true))
    return; /* whoever raised it has written, or is about to */
  uint64_t one = 1;
  ssize_t written;
  do
    written = native.write(wakeup->write_end, &one, sizeof(one));
  while (written < 0 && errno == EINTR);
  /* EAGAIN: it is full, hence readable, which is all that is wanted. */
}

void native_wakeup_drain(struct native_wakeup *wakeup) {
  uint64_t words[8];
  while (native.read(wakeup->read_end, words, sizeof(words)) < 0 &&
         errno == EINTR)
    ;
}

void native_wakeup_lower(struct native_wakeup *wakeup) {
  native_wakeup_drain(wakeup);
  /* Not a plain store: who raised it in between and wrote nothing must be
   * seen, with all that he did before. */
  (void)atomic_exchange(&wakeup->raised, false);
}

/* A waiter is a wakeup that stays raised until it is reset. */
static_assert(sizeof(struct native_wakeup) <= sizeof(struct os_waiter),
              "OS_WAITER");

int os_waiter_init(struct os_waiter *waiter) {
  return native_wakeup_open((struct native_wakeup *)(void *)waiter->words);
}

void os_waiter_destroy(struct os_waiter *waiter) {
  native_wakeup_close((struct native_wakeup *)(void *)waiter->words);
}

/* The descriptor is what its thread waits at. */
void os_waiter_attach(struct os_waiter *waiter,
                      const struct os_thread *thread) {
  (void)waiter;
  (void)thread;
}

void os_waiter_interrupt(struct os_waiter *waiter) {
  native_wakeup_raise((struct native_wakeup *)(void *)waiter->words);
}

void os_waiter_reset(struct os_waiter *waiter) {
  struct native_wakeup *wakeup = (struct native_wakeup *)(void *)waiter->words;
  if (!atomic_load(&wakeup->raised))
    return;
  native_wakeup_lower(wakeup);
}
