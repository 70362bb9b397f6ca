/* SPDX-License-Identifier: MIT */
/* Locks, threads, time, and what interrupts a blocked worker. */
#include "win32/side.h"

#include "common/check.h"
#include "common/memory.h"

/* ---- locks ---- */

_Static_assert(sizeof(SRWLOCK) <= sizeof(struct os_lock), "os_lock");
_Static_assert(sizeof(CONDITION_VARIABLE) <= sizeof(struct os_cond), "os_cond");

static SRWLOCK *thread__lock(struct os_lock *lock) {
  return (SRWLOCK *)(void *)lock->words;
}

static CONDITION_VARIABLE *thread__cond(struct os_cond *cond) {
  return (CONDITION_VARIABLE *)(void *)cond->words;
}

void os_lock_init(struct os_lock *lock) {
  InitializeSRWLock(thread__lock(lock));
}

void os_lock_destroy(struct os_lock *lock) {
  (void)lock; /* holds nothing */
}

void os_lock_acquire(struct os_lock *lock) {
  AcquireSRWLockExclusive(thread__lock(lock));
}

void os_lock_release(struct os_lock *lock) {
  ReleaseSRWLockExclusive(thread__lock(lock));
}

void os_cond_init(struct os_cond *cond) {
  InitializeConditionVariable(thread__cond(cond));
}

void os_cond_destroy(struct os_cond *cond) {
  (void)cond;
}

void os_cond_wait(struct os_cond *cond, struct os_lock *lock) {
  BOOL woken = SleepConditionVariableSRW(thread__cond(cond), thread__lock(lock),
                                         INFINITE, 0);
  CHECK(woken);
}

void os_cond_signal(struct os_cond *cond) {
  WakeConditionVariable(thread__cond(cond));
}

/* ---- threads ---- */

/* Made by the starter, freed by the thread. */
struct thread_start {
  void (*body)(void *argument);
  void *argument;
};

static DWORD WINAPI thread__main(void *argument) {
  struct thread_start start = *(struct thread_start *)argument;
  memory_free(argument);
  start.body(start.argument);
  return 0;
}

int os_thread_start(struct os_thread *thread, void (*body)(void *argument),
                    void *argument) {
  struct thread_start *start = memory_allocate(sizeof *start);
  if (!start)
    return OVIO_ENOMEM;
  *start = (struct thread_start){body, argument};
  HANDLE handle = native.CreateThread(NULL, 0, thread__main, start, 0, NULL);
  if (!handle) {
    DWORD error = GetLastError();
    memory_free(start);
    return os_error_map(error);
  }
  thread->words[0] = (uint64_t)(uintptr_t)handle;
  return 0;
}

void os_thread_join(struct os_thread *thread) {
  HANDLE handle = (HANDLE)(uintptr_t)thread->words[0];
  WaitForSingleObjectEx(handle, INFINITE, FALSE);
  native.CloseHandle(handle);
}

void os_thread_yield(void) {
  SwitchToThread();
}

/* Slots of the system's own: _Thread_local is emulated by mingw-w64 with memory
 * whose absence aborts. Fiber local storage would be the task's, not the
 * thread's. Taken before main() or while the DLL is loaded. */
static DWORD thread__slots[OS_LOCAL_COUNT];

/* All taken: native_locals_prepare() says so. */
__attribute__((constructor)) static void thread__take_slots(void) {
  for (int slot = 0; slot < OS_LOCAL_COUNT; slot++)
    thread__slots[slot] = TlsAlloc();
}

__attribute__((destructor)) static void thread__return_slots(void) {
  for (int slot = 0; slot < OS_LOCAL_COUNT && native_is_in_dll(); slot++)
    TlsFree(thread__slots[slot]);
}

void *os_local_get(enum os_local slot) __attribute__((noinline));
void os_local_set(enum os_local slot, void *value) __attribute__((noinline));

/* TlsGetValue sets the last error to 0, which is ours to keep (MS). */
void *os_local_get(enum os_local slot) {
  DWORD error = GetLastError();
  void *value = TlsGetValue(thread__slots[slot]);
  SetLastError(error);
  return value;
}

/* Fails only where nothing was prepared: on a plain thread, which then has no
 * native error to tell. */
void os_local_set(enum os_local slot, void *value) {
  BOOL set = native.TlsSetValue(thread__slots[slot], value);
  CHECK(set || slot == OS_LOCAL_NATIVE);
}

/* A thread's first use of an index above 63 takes memory; its values stay. */
int native_locals_prepare(void) {
  for (int slot = 0; slot < OS_LOCAL_COUNT; slot++) {
    void *value = os_local_get((enum os_local)slot);
    if (!native.TlsSetValue(thread__slots[slot], value))
      return OVIO_ENOMEM;
  }
  return 0;
}

/* ---- time ---- */

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

int64_t os_clock_ns(void) {
  static atomic_llong frequency; /* the same for the system's life */
  LARGE_INTEGER count;
  int64_t per_s = atomic_load_explicit(&frequency, memory_order_relaxed);
  if (per_s == 0) {
    QueryPerformanceFrequency(&count);
    per_s = count.QuadPart;
    atomic_store_explicit(&frequency, per_s, memory_order_relaxed);
  }
  QueryPerformanceCounter(&count);
  int64_t seconds = count.QuadPart / per_s;
  int64_t rest = count.QuadPart % per_s;
  return seconds * NS_PER_S + rest * NS_PER_S / per_s;
}

void os_sleep_ns(uint64_t duration_ns) {
  int64_t now_ns = os_clock_ns();
  uint64_t longest_ns = (uint64_t)(INT64_MAX - now_ns);
  int64_t due_ns =
      now_ns + (int64_t)(duration_ns < longest_ns ? duration_ns : longest_ns);
  for (; now_ns < due_ns; now_ns = os_clock_ns()) {
    int64_t left_ms = (due_ns - now_ns - 1) / NS_PER_MS + 1;
    Sleep(left_ms < 0x7fffffff ? (DWORD)left_ms : 0x7fffffff);
  }
}

uint64_t os_process_number(void) {
  return GetCurrentProcessId();
}

/* ---- waiters ---- */

_Static_assert(sizeof(struct native_waiter) <= sizeof(struct os_waiter),
               "os_waiter");

static struct native_waiter *waiter__inside(struct os_waiter *waiter) {
  return (struct native_waiter *)(void *)waiter->words;
}

struct native_waiter *native_waiter_of(struct os_waiter *waiter) {
  return waiter ? waiter__inside(waiter) : NULL;
}

int os_waiter_init(struct os_waiter *os_waiter) {
  struct native_waiter *waiter = waiter__inside(os_waiter);
  waiter->thread = NULL;
  waiter->event = native.CreateEventW(NULL, TRUE, FALSE, NULL);
  return waiter->event ? 0 : os_error_map(GetLastError());
}

void os_waiter_destroy(struct os_waiter *os_waiter) {
  native.CloseHandle(waiter__inside(os_waiter)->event);
}

/* CreateThread's handle may do all, also THREAD_TERMINATE, which is what
 * CancelSynchronousIo asks for (MS). */
void os_waiter_attach(struct os_waiter *waiter,
                      const struct os_thread *thread) {
  waiter__inside(waiter)->thread = (HANDLE)(uintptr_t)thread->words[0];
}

void os_waiter_interrupt(struct os_waiter *os_waiter) {
  struct native_waiter *waiter = waiter__inside(os_waiter);
  SetEvent(waiter->event);
  native.CancelSynchronousIo(waiter->thread); /* ERROR_NOT_FOUND: not yet */
}

void os_waiter_reset(struct os_waiter *os_waiter) {
  ResetEvent(waiter__inside(os_waiter)->event);
}
