/* SPDX-License-Identifier: MIT */
/* Locks: what the system is asked for, and each of its answers, by way of the
 * table of native calls; and the locks of systems that know whole files only.
 */
#define os_range_lock   flock_range_lock
#define os_range_unlock flock_range_unlock
#include "posix/side.h"
enum { HAS_RANGES = NATIVE_HAS_OFD_LOCKS };
#undef NATIVE_HAS_OFD_LOCKS
#define NATIVE_HAS_OFD_LOCKS 0
#include "posix/range.c"
#undef os_range_lock
#undef os_range_unlock

#include "scene.h"

/* ---- the shim: stands in the table from before the first thread ---- */

static struct native_calls real;
static struct {
  atomic_int calls;
  atomic_int before; /* so many calls succeed first */
  atomic_int fail;   /* then so many fail */
  atomic_int error;
  struct flock asked;   /* the last one */
  atomic_bool holds_up; /* the call does not return meanwhile */
  atomic_bool inside;
  atomic_int operation;
} plan;

static void plan_on(int before, int fail, int error) {
  plan.calls = 0;
  plan.before = before;
  plan.error = error;
  plan.fail = fail;
}

static bool fails(void) {
  int call = atomic_fetch_add(&plan.calls, 1);
  if (call < plan.before || call >= plan.before + plan.fail)
    return false;
  errno = plan.error;
  return true;
}

static int try_fcntl_lock(int fd, int command, struct flock *lock) {
  plan.asked = *lock;
  if (plan.holds_up) {
    plan.inside = true;
    while (plan.holds_up)
      os_sleep_ns(1000000);
  }
  return fails() ? -1 : real.fcntl_lock(fd, command, lock);
}

static int locked;

static int try_flock(int fd, int operation) {
  plan.operation = operation;
  return fails() ? -1 : real.flock(fd, operation);
}

static bool open_file(struct ovio_file *file) {
  return ovio_open(file, test_path("locked"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600) == 0;
}

/* ---- tests ---- */

static void test_what_is_asked_for(struct test *test) {
  struct ovio_file file;
  if (!HAS_RANGES)
    SKIP("no locks of open files on this system");
  TRY(open_file(&file));
  plan_on(0, 0, 0);
  TRY_EQ(ovio_lock(&file, INT64_C(5) << 32, INT64_C(3) << 33, 0), 0);
  TRY_EQ(plan.asked.l_type, F_WRLCK);
  TRY_EQ(plan.asked.l_whence, SEEK_SET);
  TRY_EQ(plan.asked.l_start, INT64_C(5) << 32);
  TRY_EQ(plan.asked.l_len, INT64_C(3) << 33);
  TRY_EQ(plan.asked.l_pid, 0); /* else EINVAL: fcntl(2) */
  TRY_EQ(ovio_lock(&file, 7, 0, OVIO_LOCK_SHARED), 0);
  TRY_EQ(plan.asked.l_type, F_RDLCK);
  TRY_EQ(plan.asked.l_start, 7);
  TRY_EQ(plan.asked.l_len, 0);
  TRY_EQ(ovio_unlock(&file, 7, 0), 0);
  TRY_EQ(plan.asked.l_type, F_UNLCK);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_answers(struct test *test) {
  static const struct {
    int error;
    int wanted;
  } answers[] = {
      {EAGAIN, OVIO_EWOULDBLOCK},
      {EACCES, OVIO_EWOULDBLOCK},
      {ENOLCK, OVIO_ENOBUFS},
      {EDEADLK, OVIO_EDEADLK},
      {EINVAL, OVIO_EINVAL},
      {EOPNOTSUPP, OVIO_ENOTSUP},
      {EIO, OVIO_EIO},
      {EINTR, 0},
  };
  struct ovio_file file;
  TRY(open_file(&file));
  for (size_t at = 0; at < sizeof answers / sizeof *answers; at++) {
    plan_on(0, 1, answers[at].error);
    TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_TRY), answers[at].wanted);
    if (answers[at].error != EACCES && answers[at].wanted)
      TRY_EQ(ovio_native_error(), answers[at].error);
    TRY_EQ(plan.calls, answers[at].wanted ? 1 : 2);
    plan_on(0, 1, answers[at].error);
    TRY_EQ(ovio_unlock(&file, 0, 0), answers[at].wanted);
  }
  plan_on(0, 0, 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_waits_until_it_is_free(struct test *test) {
  struct ovio_file file;
  TRY(open_file(&file));
  plan_on(0, 4, EAGAIN);
  TRY_EQ(ovio_lock(&file, 0, 0, 0), 0);
  TRY_EQ(plan.calls, 5);
  plan_on(0, 2, EACCES);
  TRY_EQ(ovio_lock(&file, 0, 0, OVIO_LOCK_SHARED), 0);
  TRY_EQ(plan.calls, 3);
  TRY_EQ(ovio_unlock(&file, 0, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Once the wait has begun: the error is not taken for "not yet". */
static void test_fails_while_it_waits(struct test *test) {
  struct ovio_file one, two;
  TRY(open_file(&one) && open_file(&two));
  plan_on(0, 0, 0);
  TRY_EQ(ovio_lock(&one, 0, 0, 0), 0);
  plan_on(2, 1, ENOLCK);
  TRY_EQ(ovio_lock(&two, 0, 0, 0), OVIO_ENOBUFS);
  TRY_EQ(ovio_native_error(), ENOLCK);
  TRY_EQ(plan.calls, 3);
  plan_on(0, 0, 0);
  TRY_EQ(ovio_close(&one), 0);
  TRY_EQ(ovio_close(&two), 0);
}

static void lock_it(void *argument) {
  struct ovio_file *file = argument;
  locked = ovio_lock(file, 0, 0, 0);
}

static void release(struct ovio_op *op, int64_t result) {
  plan.holds_up = false;
  outcome_done(op, result);
}

/* The cancel comes while a worker is in the system call, which then says that
 * it is not free. */
static void test_cancel_in_the_call(struct test *test) {
  struct ovio_file file;
  struct ovio_group group;
  struct outcome outcome = {.calls = 0};
  TRY(open_file(&file));
  plan_on(0, 1000, EAGAIN);
  plan.inside = false;
  plan.holds_up = true;
  locked = 1;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, lock_it, &file), 0);
  AWAIT(plan.inside);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_start_sleep(test->loop, &outcome.op, 5000000, release), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(locked, OVIO_ECANCELED);
  TRY_EQ(plan.calls, 1);
  plan_on(0, 0, 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* flock(2): the whole file or nothing. */
static void test_whole_files_only(struct test *test) {
  struct ovio_file one, two;
  TRY(open_file(&one) && open_file(&two));
  struct os_file first = {.handle = ovio_file_handle(&one)};
  struct os_file second = {.handle = ovio_file_handle(&two)};
  plan_on(0, 0, 0);
  TRY_EQ(flock_range_lock(&first, 0, 0, true).value, 0);
  TRY_EQ(plan.operation, LOCK_SH | LOCK_NB);
  TRY_EQ(flock_range_lock(&second, 0, 0, true).value, 0);
  TRY_EQ(flock_range_lock(&second, 0, 0, false).value, OVIO_EWOULDBLOCK);
  TRY_EQ(flock_range_unlock(&first, 0, 0).value, 0);
  TRY_EQ(flock_range_lock(&second, 0, 0, false).value, 0);
  TRY_EQ(plan.operation, LOCK_EX | LOCK_NB);
  TRY_EQ(flock_range_lock(&first, 1, 0, false).value, OVIO_ENOTSUP);
  TRY_EQ(flock_range_lock(&first, 0, 1, false).value, OVIO_ENOTSUP);
  TRY_EQ(flock_range_unlock(&first, 1, 0).value, OVIO_ENOTSUP);
  plan_on(0, 2, EINTR);
  TRY_EQ(flock_range_unlock(&second, 0, 0).value, 0);
  TRY_EQ(plan.calls, 3);
  plan_on(0, 0, 0);
  TRY_EQ(ovio_close(&one), 0);
  TRY_EQ(ovio_close(&two), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_what_is_asked_for),
      TEST(test_answers),
      TEST(test_waits_until_it_is_free),
      TEST(test_fails_while_it_waits),
      TEST_LOOP(test_cancel_in_the_call, "only a task is cancelled"),
      TEST(test_whole_files_only),
  };
  real = native;
  native.fcntl_lock = try_fcntl_lock;
  native.flock = try_flock;
  return test_main(cases, sizeof cases / sizeof *cases);
}
