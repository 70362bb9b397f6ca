/* SPDX-License-Identifier: MIT */
/* What Linux does not answer by itself when it is asked to: every call that
 * can fail, made to fail, by way of the table of native calls. */
#include "posix/native.h"

#include "scene.h"

/* ---- the shim: wrappers that ask `plan` what to do ----
 *
 * They stand in the table from before the first thread until the end: worker
 * threads read it at any time. What they do is switched on and off. */

enum shim {
  SHIM_PREAD = 1 << 0,
  SHIM_PWRITE = 1 << 1,
  SHIM_PREADV = 1 << 2,
  SHIM_PWRITEV = 1 << 3,
  SHIM_OPENAT = 1 << 4,
  SHIM_FSTAT = 1 << 5,
  SHIM_FSYNC = 1 << 6,
  SHIM_FTRUNCATE = 1 << 7,
  SHIM_CLOSE = 1 << 8,
  SHIM_PTHREAD_CREATE = 1 << 9,
  SHIM_MMAP = 1 << 10,
  SHIM_EPOLL_CREATE1 = 1 << 11,
  SHIM_EVENTFD = 1 << 12,
  SHIM_EPOLL_CTL = 1 << 13,
  SHIM_EPOLL_WAIT = 1 << 14,
  SHIM_PREADV2 = 1 << 15,
  SHIM_PWRITEV2 = 1 << 16,
};

static struct {
  atomic_uint which;      /* enum shim: the functions that it is about */
  atomic_int calls;       /* of those */
  atomic_int fail_first;  /* that many calls fail at once... */
  atomic_int fail_after;  /* ...or all but this many first ones; -1: none */
  atomic_int error;       /* with this errno */
  atomic_size_t most;     /* bytes that a call moves; 0: all */
  atomic_size_t refused;  /* longer calls fail */
  atomic_size_t asked[8]; /* the lengths of the first calls */
} plan;

static struct native_calls real;

static void plan_begin(int error) {
  plan.which = 0;
  plan.calls = 0;
  plan.fail_first = 0;
  plan.fail_after = -1;
  plan.error = error;
  plan.most = 0;
  plan.refused = 0;
}

/* Now; what has been counted for others is forgotten. */
static void plan_on(unsigned which) {
  plan.calls = 0;
  plan.which = which;
}

static void plan_end(void) {
  plan.which = 0;
}

static bool plan_fails(enum shim shim, size_t length) {
  if (!(plan.which & (unsigned)shim))
    return false;
  int call = atomic_fetch_add(&plan.calls, 1);
  if (call < 8)
    plan.asked[call] = length;
  bool fails = call < plan.fail_first ||
               (plan.fail_after >= 0 && call >= plan.fail_after) ||
               (plan.refused && length > plan.refused);
  if (fails)
    errno = plan.error;
  return fails;
}

static size_t plan_cut(size_t length) {
  return plan.which && plan.most && length > plan.most ? plan.most : length;
}

static ssize_t shim_pread(int fd, void *buffer, size_t length, off_t offset) {
  return plan_fails(SHIM_PREAD, length)
             ? -1
             : real.pread(fd, buffer, plan_cut(length), offset);
}

static ssize_t shim_pwrite(int fd, const void *buffer, size_t length,
                           off_t offset) {
  return plan_fails(SHIM_PWRITE, length)
             ? -1
             : real.pwrite(fd, buffer, plan_cut(length), offset);
}

static ssize_t shim_preadv(int fd, const struct iovec *iov, int count,
                           off_t offset) {
  if (plan_fails(SHIM_PREADV, (size_t)count))
    return -1;
  if (!(plan.which & SHIM_PREADV))
    return real.preadv(fd, iov, count, offset);
  return real.pread(fd, iov->iov_base, plan_cut(iov->iov_len), offset);
}

static ssize_t shim_pwritev(int fd, const struct iovec *iov, int count,
                            off_t offset) {
  if (plan_fails(SHIM_PWRITEV, (size_t)count))
    return -1;
  if (!(plan.which & SHIM_PWRITEV))
    return real.pwritev(fd, iov, count, offset);
  return real.pwrite(fd, iov->iov_base, plan_cut(iov->iov_len), offset);
}

static int shim_openat(int dir, const char *path, int flags, mode_t mode) {
  return plan_fails(SHIM_OPENAT, 0) ? -1 : real.openat(dir, path, flags, mode);
}

static int shim_fstat(int fd, struct stat *out) {
  return plan_fails(SHIM_FSTAT, 0) ? -1 : real.fstat(fd, out);
}

static int shim_fsync(int fd) {
  return plan_fails(SHIM_FSYNC, 0) ? -1 : real.fsync(fd);
}

static int shim_ftruncate(int fd, off_t size) {
  return plan_fails(SHIM_FTRUNCATE, 0) ? -1 : real.ftruncate(fd, size);
}

/* As Linux does: the descriptor is gone whatever the answer. */
static int shim_close(int fd) {
  bool fails = plan_fails(SHIM_CLOSE, 0);
  int result = real.close(fd);
  if (fails)
    errno = plan.error;
  return fails ? -1 : result;
}

static int shim_pthread_create(pthread_t *thread, const pthread_attr_t *how,
                               void *(*body)(void *), void *argument) {
  return plan_fails(SHIM_PTHREAD_CREATE, 0)
             ? plan.error
             : real.pthread_create(thread, how, body, argument);
}

static void *shim_mmap(void *at, size_t length, int access, int flags, int fd,
                       off_t offset) {
  return plan_fails(SHIM_MMAP, length)
             ? MAP_FAILED
             : real.mmap(at, length, access, flags, fd, offset);
}

/* ---- files ---- */

#define TEXT "0123456789abcdef"

static const unsigned both = OVIO_READ | OVIO_WRITE | OVIO_CREATE;

static int open_text(struct ovio_file *file) {
  const char *path = test_path("fault");
  return test_put(path, TEXT, 16) ? ovio_open(file, path, both, 0600) : -1;
}

static void test_short_counts_go_on(struct test *test) {
  if (test->mode->engine == OVIO_ENGINE_URING)
    SKIP("the ring makes no such calls: see test_posix_uring");
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file), 0);
  plan_begin(0);
  plan.most = 3;
  plan_on(SHIM_PREAD | SHIM_PWRITE);
  int64_t wrote = ovio_write(&file, "ABCDEFGH", 8, 4);
  int writes = atomic_exchange(&plan.calls, 0);
  int64_t got = ovio_read(&file, text, sizeof text, 0);
  plan_end();
  TRY_EQ(wrote, 8);
  TRY_EQ(writes, 3);
  TRY_EQ(got, 16);
  TRY(memcmp(text, "0123ABCDEFGHcdef", 16) == 0);
  TRY_EQ(plan.calls, 7); /* five threes, one, and the end */
  TRY_EQ(ovio_close(&file), 0);
}

static void test_short_counts_in_a_vector(struct test *test) {
  struct ovio_file file;
  char one[5] = "", two[7] = "", three[4] = "";
  struct ovio_iovec iov[] = {{one, 5}, {NULL, 0}, {two, 7}, {three, 4}};
  TRY_EQ(open_text(&file), 0);
  plan_begin(0);
  plan.most = 2;
  plan_on(SHIM_PREADV | SHIM_PWRITEV | SHIM_PREAD | SHIM_PWRITE);
  int64_t got = ovio_readv(&file, iov, 4, 0);
  int64_t wrote = ovio_writev(&file, iov, 4, 100);
  plan_end();
  TRY_EQ(got, 16);
  TRY_EQ(wrote, 16);
  TRY(memcmp(one, "01234", 5) == 0 && memcmp(two, "56789ab", 7) == 0);
  TRY(memcmp(three, "cdef", 4) == 0);
  char text[16];
  TRY_EQ(ovio_read(&file, text, 16, 100), 16);
  TRY(memcmp(text, TEXT, 16) == 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_interruptions_are_retried(struct test *test) {
  struct ovio_file file;
  char text[16];
  TRY_EQ(open_text(&file), 0);
  plan_begin(EINTR);
  plan_on(SHIM_PREAD | SHIM_PWRITE | SHIM_FSYNC | SHIM_FTRUNCATE);
  plan.fail_first = 3;
  int64_t got = ovio_read(&file, text, 16, 0);
  plan.calls = 0;
  int64_t wrote = ovio_write(&file, text, 16, 0);
  plan.calls = 0;
  int synced = ovio_sync(&file, 0);
  plan.calls = 0;
  int cut = ovio_truncate(&file, 4);
  plan_end();
  TRY_EQ(got, 16);
  TRY_EQ(wrote, 16);
  TRY_EQ(synced, 0);
  TRY_EQ(cut, 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* The bytes that moved are counted first; the next call says why it ended. */
static void test_failure_after_some_bytes(struct test *test) {
  if (test->mode->engine == OVIO_ENGINE_URING)
    SKIP("the ring makes no such calls: see test_posix_uring");
  struct ovio_file file;
  char text[16];
  TRY_EQ(open_text(&file), 0);
  plan_begin(EIO);
  plan.most = 4;
  plan.fail_after = 2;
  plan_on(SHIM_PREAD);
  int64_t first = ovio_read(&file, text, 16, 0);
  int64_t second = ovio_read(&file, text, 16, 8);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(first, 8);
  TRY_EQ(second, OVIO_EIO);
  TRY_EQ(code, EIO);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_full_disk_after_some_bytes(struct test *test) {
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(ENOSPC);
  plan.most = 5;
  plan.fail_after = 2;
  plan_on(SHIM_PWRITE);
  int64_t first = ovio_write(&file, TEXT, 16, OVIO_HERE);
  int64_t second = ovio_write(&file, TEXT, 16, OVIO_HERE);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(first, 10);
  TRY_EQ(second, OVIO_ENOSPC);
  TRY_EQ(code, ENOSPC);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 10); /* by what moved */
  TRY_EQ(ovio_close(&file), 0);
}

static void test_too_few_buffers_halve_the_chunk(struct test *test) {
  static char bytes[65536];
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(ENOBUFS);
  plan.refused = 20000;
  plan_on(SHIM_PWRITE);
  int64_t wrote = ovio_write(&file, bytes, sizeof bytes, 0);
  TRY_EQ(plan.asked[0], 65536);
  TRY_EQ(plan.asked[1], 32768);
  TRY_EQ(plan.asked[2], 16384);
  TRY_EQ(plan.calls, 6);
  plan.refused = 1; /* never enough: an error in the end */
  int64_t never = ovio_write(&file, bytes, sizeof bytes, 0);
  plan_end();
  TRY_EQ(wrote, 65536);
  TRY_EQ(never, OVIO_ENOBUFS);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_write_of_nothing_is_no_endless_loop(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, "/dev/null", OVIO_WRITE, 0), 0);
  TRY_EQ(ovio_write(&file, TEXT, 16, OVIO_HERE), 16);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_failing_open(struct test *test) {
  struct ovio_file file;
  TRY(test_put(test_path("fault"), TEXT, 16));
  plan_begin(EMFILE);
  plan.fail_first = 1;
  plan_on(SHIM_OPENAT);
  TRY_EQ(ovio_open(&file, test_path("fault"), OVIO_READ, 0), OVIO_EMFILE);
  plan.error = EINTR;
  plan.calls = 0;
  TRY_EQ(ovio_open(&file, test_path("fault"), OVIO_READ, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
  plan.error = EIO; /* after the open: the descriptor is not left behind */
  plan.calls = 0;
  plan_on(SHIM_FSTAT);
  int error = ovio_open(&file, test_path("fault"), OVIO_READ, 0);
  plan_end();
  TRY_EQ(error, OVIO_EIO);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
}

/* A file that the open has made is a regular one: only others are asked. */
static void test_open_asks_what_it_opened(struct test *test) {
  static const struct {
    unsigned flags;
    int asked;
  } ways[] = {{OVIO_CREATE | OVIO_EXCLUSIVE, 0}, {OVIO_CREATE, 1}, {0, 1}};
  for (size_t at = 0; at < sizeof ways / sizeof *ways; at++) {
    struct ovio_file file;
    plan_begin(0);
    plan_on(SHIM_FSTAT);
    int error =
        ovio_open(&file, test_path("asked"), OVIO_WRITE | ways[at].flags, 0600);
    plan_end();
    TRY_EQ(error, 0);
    TRY_EQ(plan.calls, ways[at].asked);
    TRY_EQ(ovio_write(&file, TEXT, 16, 0), 16);
    TRY_EQ(ovio_close(&file), 0);
  }
  TRY_EQ(ovio_unlink(NULL, test_path("asked")), 0);
}

static void test_failing_close_closes(struct test *test) {
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(EIO);
  plan.fail_first = 1;
  plan_on(SHIM_CLOSE);
  int error = ovio_close(&file);
  plan_end();
  TRY_EQ(error, OVIO_EIO);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
}

static void test_failing_sync_and_truncate(struct test *test) {
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(EIO);
  plan.fail_first = 1;
  plan_on(SHIM_FSYNC | SHIM_FTRUNCATE);
  int synced = ovio_sync(&file, 0);
  plan.calls = 0;
  plan.error = EFBIG;
  int cut = ovio_truncate(&file, 1);
  plan_end();
  TRY_EQ(synced, OVIO_EIO);
  TRY_EQ(cut, OVIO_EFBIG);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- loops ---- */

static void nothing(void *argument) {
  ++*(int *)argument;
}

static void test_no_stack_for_a_task(struct test *test) {
  struct ovio_loop *loop;
  int ran = 0;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  plan_begin(ENOMEM);
  plan.fail_after = 0; /* not for several stacks, and not for one */
  plan_on(SHIM_MMAP);
  int error = ovio_spawn(loop, nothing, &ran);
  plan_end();
  int again = ovio_spawn(loop, nothing, &ran);
  TRY(plan.calls > 0);
  TRY_EQ(error, OVIO_ENOMEM);
  TRY_EQ(again, 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ran, 1);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct one_read {
  struct test *test;
  struct ovio_file file;
  int64_t got;
  int64_t again;
  int closed;
  char text[16];
};

/* No worker thread: the operation fails, and the file can be closed. */
static void read_without_threads(void *argument) {
  struct one_read *one = argument;
  plan_begin(EAGAIN);
  plan.fail_first = 1;
  plan_on(SHIM_PTHREAD_CREATE);
  one->got = ovio_read(&one->file, one->text, 16, 0);
  plan.calls = 0;
  one->closed = ovio_close(&one->file);
  plan_end();
}

static void test_no_thread_for_a_worker(struct test *test) {
  struct one_read one = {.test = test, .closed = 1};
  struct ovio_loop_options options = {.engine = OVIO_ENGINE_POLL};
  struct ovio_loop *loop;
  TRY_EQ(open_text(&one.file), 0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(ovio_spawn(loop, read_without_threads, &one), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(one.got, OVIO_ENOMEM);
  TRY_EQ(one.closed, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

#if NATIVE_HAS_EPOLL
static int shim_epoll_create1(int flags) {
  return plan_fails(SHIM_EPOLL_CREATE1, 0) ? -1 : real.epoll_create1(flags);
}

static int shim_eventfd(unsigned value, int flags) {
  return plan_fails(SHIM_EVENTFD, 0) ? -1 : real.eventfd(value, flags);
}

static int shim_epoll_ctl(int epoll, int operation, int fd,
                          struct epoll_event *event) {
  return plan_fails(SHIM_EPOLL_CTL, 0)
             ? -1
             : real.epoll_ctl(epoll, operation, fd, event);
}

static int shim_epoll_wait(int epoll, struct epoll_event *events, int max,
                           int timeout_ms) {
  return plan_fails(SHIM_EPOLL_WAIT, 0)
             ? -1
             : real.epoll_wait(epoll, events, max, timeout_ms);
}

static void test_no_descriptor_for_a_loop(struct test *test) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = OVIO_ENGINE_EPOLL};
  struct ovio_loop *loop;
  plan_begin(EMFILE);
  plan.fail_first = 1;
  plan_on(SHIM_EPOLL_CREATE1);
  int no_epoll = ovio_loop_create(&loop, &options);
  plan_on(SHIM_EVENTFD);
  plan.calls = 0;
  int no_event = ovio_loop_create(&loop, &options);
  plan_on(SHIM_EPOLL_CTL);
  plan.calls = 0;
  int no_place = ovio_loop_create(&loop, &options);
  plan_end();
  TRY_EQ(no_epoll, OVIO_EMFILE);
  TRY_EQ(no_event, OVIO_EMFILE);
  TRY_EQ(no_place, OVIO_EMFILE);
  TRY(loop == NULL);
}

static void pipe_on_worker(void *argument) {
  struct one_read *one = argument;
  one->got = ovio_read(&one->file, one->text, 16, OVIO_HERE);
}

/* A stream that cannot be watched takes a worker, and works all the same. */
static void test_failing_bind_takes_a_worker(struct test *test) {
  struct ovio_file out;
  ovio_handle ends[2];
  struct one_read one = {.test = test};
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = OVIO_ENGINE_EPOLL};
  struct ovio_loop *loop;
  TRY_EQ(ovio_loop_create(&loop, &options), 0);
  TRY(test_pipe(ends, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_adopt(&one.file, ends[0], OVIO_READ), 0);
  TRY_EQ(ovio_adopt(&out, ends[1], OVIO_WRITE), 0);
  plan_begin(ENOSPC);
  plan.fail_first = 1;
  plan_on(SHIM_EPOLL_CTL);
  TRY_EQ(ovio_spawn(loop, pipe_on_worker, &one), 0);
  TRY_EQ(ovio_write(&out, "abc", 3, OVIO_HERE), 3);
  int ran = ovio_loop_run(loop);
  plan_end();
  TRY_EQ(ran, 0);
  TRY_EQ(one.got, 3);
  TRY(strcmp(ovio_file_route(&one.file, loop), "worker") == 0);
  TRY_EQ(ovio_close(&one.file), 0);
  TRY_EQ(ovio_close(&out), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void sleep_a_little(void *argument) {
  *(int *)argument = ovio_sleep(1000000);
}

/* An interrupted wait goes on; a broken one is told, and nothing is lost. */
static void test_failing_wait(struct test *test) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = OVIO_ENGINE_EPOLL};
  struct ovio_loop *loop;
  int slept = -1;
  TRY_EQ(ovio_loop_create(&loop, &options), 0);
  TRY_EQ(ovio_spawn(loop, sleep_a_little, &slept), 0);
  plan_begin(EINTR);
  plan.fail_first = 5;
  plan_on(SHIM_EPOLL_WAIT);
  int first = ovio_loop_run(loop);
  TRY_EQ(first, 0);
  TRY_EQ(slept, 0);
  slept = -1;
  plan.error = ENOMEM;
  plan.fail_first = 1;
  plan.calls = 0;
  TRY_EQ(ovio_spawn(loop, sleep_a_little, &slept), 0);
  int broken = ovio_loop_run(loop);
  int mended = ovio_loop_run(loop);
  plan_end();
  TRY_EQ(broken, OVIO_ENOMEM);
  TRY_EQ(mended, 0);
  TRY_EQ(slept, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}
#endif

/* ---- fairness ---- */

struct race {
  struct ovio_file file;
  int turns; /* of the other task, while the reader read */
  bool over;
};

static void read_without_end(void *argument) {
  struct race *race = argument;
  char byte;
  for (int round = 0; round < 100; round++)
    ovio_read(&race->file, &byte, 1, OVIO_HERE);
  race->over = true;
}

static void count_turns(void *argument) {
  struct race *race = argument;
  while (!race->over) {
    race->turns++;
    ovio_yield();
  }
}

/* /dev/zero is always ready: with a budget of 10, a hundred reads take ten
 * turns of the loop, and the other task gets its own. */
static void test_budget_keeps_the_loop_fair(struct test *test) {
  struct ovio_loop_options options = {.budget = 10};
  struct ovio_loop *loop;
  struct race race = {.turns = 0};
  TRY_EQ(ovio_open(&race.file, "/dev/zero", OVIO_READ, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(ovio_spawn(loop, read_without_end, &race), 0);
  TRY_EQ(ovio_spawn(loop, count_turns, &race), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  if (strcmp(ovio_file_route(&race.file, loop), "readiness") == 0)
    TRY_EQ(race.turns, 9);
  TRY(race.turns >= 9);
  TRY_EQ(ovio_close(&race.file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- older kernels; last, since what is learnt stays learnt ---- */

#if NATIVE_HAS_RWF
/* As an old kernel: EOPNOTSUPP. */
static ssize_t shim_preadv2(int fd, const struct iovec *iov, int count,
                            off_t offset, int flags) {
  return plan_fails(SHIM_PREADV2, 0)
             ? -1
             : real.preadv2(fd, iov, count, offset, flags);
}

static ssize_t shim_pwritev2(int fd, const struct iovec *iov, int count,
                             off_t offset, int flags) {
  return plan_fails(SHIM_PWRITEV2, 0)
             ? -1
             : real.pwritev2(fd, iov, count, offset, flags);
}

static void write_much(void *argument) {
  static char bytes[1 << 18];
  struct one_read *one = argument;
  one->got = ovio_write(&one->file, bytes, sizeof bytes, OVIO_HERE);
  ovio_close(&one->file);
}

static void read_much(void *argument) {
  static char bytes[1 << 14];
  struct one_read *one = argument;
  int64_t got;
  while ((got = ovio_read(&one->file, bytes, sizeof bytes, OVIO_HERE)) > 0)
    one->got += got;
  one->again = got;
}

/* Neither RWF_NOWAIT nor RWF_NOSIGNAL: pipes work, on workers too, and nobody
 * gets a SIGPIPE. */
static void test_kernel_without_flags(struct test *test) {
  struct pipe_files files;
  struct one_read in = {.test = test}, out = {.test = test};
  struct ovio_loop *loop;
  ovio_handle ends[2];
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(test_pipe(ends, TEST_PIPE_SYNC));
  TRY_EQ(ovio_adopt(&in.file, ends[0], OVIO_READ), 0);
  TRY_EQ(ovio_adopt(&out.file, ends[1], OVIO_WRITE), 0);
  plan_begin(EOPNOTSUPP);
  plan.fail_after = 0;
  plan_on(SHIM_PREADV2 | SHIM_PWRITEV2);
  TRY_EQ(ovio_spawn(loop, read_much, &in), 0);
  TRY_EQ(ovio_spawn(loop, write_much, &out), 0);
  int ran = ovio_loop_run(loop);
  TRY(pipe_files_open(&files, TEST_PIPE_SYNC));
  ovio_close(&files.in);
  int64_t broken = ovio_write(&files.out, "x", 1, OVIO_HERE);
  plan_end();
  TRY_EQ(ran, 0);
  TRY_EQ(out.got, 1 << 18);
  TRY_EQ(in.got, 1 << 18);
  TRY_EQ(in.again, 0);
  TRY_EQ(broken, OVIO_EPIPE);
  TRY(plan.calls > 0);
  TRY_EQ(ovio_close(&files.out), 0);
  TRY_EQ(ovio_close(&in.file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}
#endif

#define OWN_LOOP "makes its own loops"

static void install(void) {
  real = native;
  native.pread = shim_pread;
  native.pwrite = shim_pwrite;
  native.preadv = shim_preadv;
  native.pwritev = shim_pwritev;
  native.openat = shim_openat;
  native.fstat = shim_fstat;
  native.fsync = shim_fsync;
  test_ring_syncs_by_calls();
  native.ftruncate = shim_ftruncate;
  native.close = shim_close;
  native.pthread_create = shim_pthread_create;
  native.mmap = shim_mmap;
#if NATIVE_HAS_EPOLL
  native.epoll_create1 = shim_epoll_create1;
  native.eventfd = shim_eventfd;
  native.epoll_ctl = shim_epoll_ctl;
  native.epoll_wait = shim_epoll_wait;
#endif
#if NATIVE_HAS_RWF
  native.preadv2 = shim_preadv2;
  native.pwritev2 = shim_pwritev2;
#endif
}

int main(void) {
  const struct test_case cases[] = {
    TEST(test_short_counts_go_on),
    TEST(test_short_counts_in_a_vector),
    TEST(test_interruptions_are_retried),
    TEST(test_failure_after_some_bytes),
    TEST(test_full_disk_after_some_bytes),
    TEST(test_too_few_buffers_halve_the_chunk),
    TEST(test_write_of_nothing_is_no_endless_loop),
    TEST(test_failing_open),
    TEST(test_open_asks_what_it_opened),
    TEST(test_failing_close_closes),
    TEST(test_failing_sync_and_truncate),
    TEST_PLAIN(test_no_stack_for_a_task, OWN_LOOP),
    TEST_PLAIN(test_no_thread_for_a_worker, OWN_LOOP),
#if NATIVE_HAS_EPOLL
    TEST_PLAIN(test_no_descriptor_for_a_loop, OWN_LOOP),
    TEST_PLAIN(test_failing_bind_takes_a_worker, OWN_LOOP),
    TEST_PLAIN(test_failing_wait, OWN_LOOP),
#endif
    TEST_PLAIN(test_budget_keeps_the_loop_fair, OWN_LOOP),
#if NATIVE_HAS_RWF
    TEST_PLAIN(test_kernel_without_flags, OWN_LOOP),
#endif
  };
  install();
  test_no_try_anywhere = true; /* the shims are in pread() */
  return test_main(cases, sizeof cases / sizeof *cases);
}
