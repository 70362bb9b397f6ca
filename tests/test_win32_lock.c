/* SPDX-License-Identifier: MIT */
/* Locks: what Windows is asked for, and each of its answers, also those that
 * Wine does not give, by way of the table of native calls. */
#include "win32/side.h"

#include "scene.h"

enum shim {
  SHIM_LOCK = 1 << 0,
  SHIM_UNLOCK = 1 << 1,
  SHIM_PENDING = 1 << 2, /* LockFileEx: later, with `error` */
  SHIM_EVENT = 1 << 3
};

/* They stand in the table from before the first thread: switched on and off. */
static struct native_calls real;
static struct {
  atomic_uint which;
  atomic_int calls; /* of LockFileEx */
  atomic_int fail;  /* so many fail */
  atomic_ulong error;
  atomic_ulong flags; /* of the last LockFileEx */
  atomic_ulong low, high, offset, offset_high;
  atomic_bool tagged; /* its event keeps packets off the port */
} plan;

static void plan_on(unsigned which, int fail, DWORD error) {
  plan.calls = 0;
  plan.fail = fail;
  plan.error = error;
  plan.which = which;
}

static void plan_off(void) {
  plan.which = 0;
}

static bool fails(unsigned shim) {
  if (!(plan.which & shim) || atomic_fetch_sub(&plan.fail, 1) <= 0)
    return false;
  SetLastError(plan.error);
  return true;
}

static BOOL WINAPI try_lock(HANDLE file, DWORD flags, DWORD reserved, DWORD low,
                            DWORD high, LPOVERLAPPED overlapped) {
  plan.calls++;
  plan.flags = flags;
  plan.low = low;
  plan.high = high;
  plan.offset = overlapped->Offset;
  plan.offset_high = overlapped->OffsetHigh;
  plan.tagged = ((ULONG_PTR)overlapped->hEvent & 1) != 0;
  if (plan.which & SHIM_PENDING) {
    SetLastError(ERROR_IO_PENDING);
    return FALSE;
  }
  return fails(SHIM_LOCK)
             ? FALSE
             : real.LockFileEx(file, flags, reserved, low, high, overlapped);
}

static BOOL WINAPI try_unlock(HANDLE file, DWORD reserved, DWORD low,
                              DWORD high, LPOVERLAPPED overlapped) {
  return fails(SHIM_UNLOCK)
             ? FALSE
             : real.UnlockFileEx(file, reserved, low, high, overlapped);
}

static BOOL WINAPI try_result(HANDLE file, LPOVERLAPPED overlapped,
                              LPDWORD moved, BOOL wait) {
  if (plan.which & SHIM_PENDING)
    return !fails(SHIM_PENDING);
  return real.GetOverlappedResult(file, overlapped, moved, wait);
}

static HANDLE WINAPI try_event(LPSECURITY_ATTRIBUTES security, BOOL manual,
                               BOOL set, LPCWSTR name) {
  return fails(SHIM_EVENT) ? NULL
                           : real.CreateEventW(security, manual, set, name);
}

static bool open_file(struct ovio_file *file, unsigned flags) {
  return ovio_open(file, test_path("locked"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE | flags, 0600) == 0;
}

/* ---- tests ---- */

static void test_what_is_asked_for(struct test *test) {
  struct ovio_file file;
  TRY(open_file(&file, 0));
  plan_on(0, 0, 0);
  TRY_EQ(ovio_lock(&file, (INT64_C(5) << 32) + 6, (INT64_C(3) << 33) + 2, 0),
         0);
  TRY_EQ(plan.flags, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY);
  TRY_EQ(plan.low, 2);
  TRY_EQ(plan.high, 6);
  TRY_EQ(plan.offset, 6);
  TRY_EQ(plan.offset_high, 5);
  TRY(plan.tagged);
  TRY_EQ(ovio_unlock(&file, (INT64_C(5) << 32) + 6, (INT64_C(3) << 33) + 2), 0);
  TRY_EQ(ovio_lock(&file, 7, 0, OVIO_LOCK_SHARED), 0);
  TRY_EQ(plan.flags, LOCKFILE_FAIL_IMMEDIATELY);
  TRY_EQ(plan.low, 0xfffffff8u);
  TRY_EQ(plan.high, 0x7fffffff);
  TRY_EQ(ovio_close(&file), 0);
}

static const struct answer {
  DWORD error;
  int wanted;
} answers[] = {
    {ERROR_LOCK_VIOLATION, OVIO_EWOULDBLOCK},
    {ERROR_NOT_SUPPORTED, OVIO_ENOTSUP},
    {ERROR_INVALID_FUNCTION, OVIO_ENOTSUP},
    {ERROR_NO_SYSTEM_RESOURCES, OVIO_ENOBUFS},
    {ERROR_NETNAME_DELETED, OVIO_ECONNRESET},
};

/* At once, and as the outcome of what was pending. */
static void test_answers(struct test *test) {
  struct ovio_file file;
  TRY(open_file(&file, 0));
  for (size_t at = 0; at < sizeof answers / sizeof *answers; at++) {
    plan_on(SHIM_LOCK, 1, answers[at].error);
    TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_TRY), answers[at].wanted);
    TRY_EQ(ovio_native_error(), answers[at].error);
    plan_on(SHIM_PENDING, 1, answers[at].error);
    TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_TRY), answers[at].wanted);
    TRY_EQ(ovio_native_error(), answers[at].error);
  }
  plan_on(SHIM_PENDING, 0, 0);
  TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_TRY), 0);
  plan_off();
  TRY_EQ(ovio_close(&file), 0);
}

static void test_answers_of_an_unlock(struct test *test) {
  struct ovio_file file;
  TRY(open_file(&file, 0));
  plan_on(SHIM_UNLOCK, 1, ERROR_NOT_LOCKED);
  TRY_EQ(ovio_unlock(&file, 0, 0), 0);
  plan_on(SHIM_UNLOCK, 1, ERROR_NETNAME_DELETED);
  TRY_EQ(ovio_unlock(&file, 0, 0), OVIO_ECONNRESET);
  TRY_EQ(ovio_native_error(), ERROR_NETNAME_DELETED);
  plan_off();
  TRY_EQ(ovio_close(&file), 0);
}

static void test_waits_until_it_is_free(struct test *test) {
  struct ovio_file file;
  TRY(open_file(&file, 0));
  plan_on(SHIM_LOCK, 4, ERROR_LOCK_VIOLATION);
  TRY_EQ(ovio_lock(&file, 0, 0, 0), 0);
  TRY_EQ(plan.calls, 5);
  TRY_EQ(ovio_unlock(&file, 0, 0), 0);
  plan_on(SHIM_PENDING, 3, ERROR_LOCK_VIOLATION);
  TRY_EQ(ovio_lock(&file, 0, 0, 0), 0);
  TRY_EQ(plan.calls, 4);
  plan_off();
  TRY_EQ(ovio_close(&file), 0);
}

/* More than are kept: each call asks for one of its own. */
static void test_no_event(struct test *test) {
  struct ovio_file file;
  TRY(open_file(&file, OVIO_BLOCKING));
  HANDLE kept[64];
  size_t count = 0;
  while (native_events_kept() > 0 && count < 64)
    kept[count++] = native_event_take();
  plan_on(SHIM_EVENT, 2, ERROR_TOO_MANY_OPEN_FILES);
  int locked = ovio_lock(&file, 0, 0, 0);
  int unlocked = ovio_unlock(&file, 0, 0);
  plan_off();
  while (count > 0)
    native_event_give(kept[--count]);
  TRY_EQ(locked, OVIO_EMFILE);
  TRY_EQ(unlocked, OVIO_EMFILE);
  TRY_EQ(ovio_close(&file), 0);
}

/* A synchronous handle, and one that is bound to another loop's port. */
static void test_other_handles(struct test *test) {
  struct ovio_file blocking, overlapped;
  char byte;
  TRY(open_file(&blocking, OVIO_BLOCKING));
  TRY(open_file(&overlapped, 0));
  TRY_EQ(ovio_read(&overlapped, &byte, 1, 0), 0);
  TRY_EQ(ovio_lock(&blocking, 0, 10, 0), 0);
  TRY_EQ(ovio_lock(&overlapped, 0, 10, OVIO_LOCK_TRY), OVIO_EWOULDBLOCK);
  TRY_EQ(ovio_unlock(&blocking, 0, 10), 0);
  TRY_EQ(ovio_lock(&overlapped, 0, 10, OVIO_LOCK_TRY), 0);
  /* Its own is in the way, too. */
  TRY_EQ(ovio_lock(&overlapped, 0, 10, OVIO_LOCK_TRY), OVIO_EWOULDBLOCK);
  TRY_EQ(ovio_close(&overlapped), 0);
  TRY_EQ(ovio_close(&blocking), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_what_is_asked_for),
      TEST(test_answers),
      TEST(test_answers_of_an_unlock),
      TEST(test_waits_until_it_is_free),
      TEST(test_no_event),
      TEST(test_other_handles),
  };
  real = native;
  native.LockFileEx = try_lock;
  native.UnlockFileEx = try_unlock;
  native.GetOverlappedResult = try_result;
  native.CreateEventW = try_event;
  return test_main(cases, sizeof cases / sizeof *cases);
}
