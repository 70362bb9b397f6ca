/* SPDX-License-Identifier: MIT */
/* Workers: one that cannot be made; what is handed over together, by its calls:
 * buffered writes, opens. */
#include "posix/native.h"

#include <sys/stat.h>

#include "scene.h"

/* Stands in the table from the beginning: other threads read it at any time. */
static struct native_calls real;
static atomic_bool refuses;

#if NATIVE_HAS_EVENTFD
static int try_eventfd(unsigned value, int flags) {
  if (!atomic_load(&refuses))
    return real.eventfd(value, flags);
  errno = EMFILE;
  return -1;
}
#else
static int try_pipe(int fds[2]) {
  if (!atomic_load(&refuses))
    return real.pipe(fds);
  errno = EMFILE;
  return -1;
}
#endif

static atomic_uint wakes;

/* Only a wake-up writes eight bytes here. */
static ssize_t try_write(int fd, const void *buffer, size_t length) {
  if (length == 8)
    atomic_fetch_add(&wakes, 1);
  return real.write(fd, buffer, length);
}

/* A write at this place lasts until it may end. */
enum { STUCK = 4096 };
static atomic_bool stuck;
static atomic_bool released;

static ssize_t try_pwrite(int fd, const void *buffer, size_t length,
                          off_t offset) {
  while (offset == STUCK && !atomic_load(&released)) {
    atomic_store(&stuck, true);
    os_sleep_ns(100000);
  }
  return real.pwrite(fd, buffer, length, offset);
}

/* Not as long as a brief job may last, but no wake-up's length either. */
enum { SLOWLY_NS = 500000 };
static atomic_bool slowly;
static atomic_uint inside;
static atomic_uint most_inside;

static int try_openat(int dir, const char *path, int flags, mode_t mode) {
  if (!atomic_load(&slowly))
    return real.openat(dir, path, flags, mode);
  unsigned now = atomic_fetch_add(&inside, 1) + 1;
  unsigned most = atomic_load(&most_inside);
  while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
    ;
  os_sleep_ns(SLOWLY_NS);
  int fd = real.openat(dir, path, flags, mode);
  int error = errno;
  atomic_fetch_sub(&inside, 1);
  errno = error;
  return fd;
}

#if NATIVE_HAS_RWF
/* One byte is in the page cache, and then none. */
static atomic_bool one_is_cached;
static atomic_bool rest_is_not;

static ssize_t try_preadv2(int fd, const struct iovec *iov, int count,
                           off_t offset, int flags) {
  struct iovec first = {iov->iov_base, 1};
  if (!(flags & RWF_NOWAIT) || !atomic_load(&one_is_cached))
    return real.preadv2(fd, iov, count, offset, flags);
  if (offset == 0)
    return real.pread(fd, first.iov_base, 1, 0);
  atomic_store(&rest_is_not, true);
  errno = EAGAIN;
  return -1;
}

/* What was in the page cache has been read when the rest is cancelled before a
 * worker has it; the ring's reads are not taken back. */
static void test_a_cancel_after_a_cached_part(struct test *test) {
  struct outcome write = {.calls = 0};
  struct outcome read = {.calls = 0};
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct ovio_file file;
  char buffer[6];
  struct ovio_loop_options options = {.size = sizeof options, .max_workers = 1};
  TRY_EQ(ovio_open(&file, test_path("part"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(ovio_write(&file, "abcdef", 6, 0), 6);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  atomic_store(&stuck, false);
  atomic_store(&released, false);
  TRY_EQ(
      ovio_start_write(loop, &write.op, &file, "abc", 3, STUCK, outcome_done),
      0);
  TRY(loop_thread_start(&thread, loop));
  AWAIT(atomic_load(&stuck));
  atomic_store(&rest_is_not, false);
  atomic_store(&one_is_cached, true);
  TRY_EQ(ovio_start_read(loop, &read.op, &file, buffer, 6, OVIO_HERE,
                         outcome_done),
         0);
  AWAIT(atomic_load(&rest_is_not) || atomic_load(&read.calls) == 1);
  TRY(atomic_load(&rest_is_not));
  (void)ovio_cancel(&read.op);
  AWAIT(atomic_load(&read.calls) == 1);
  atomic_store(&one_is_cached, false);
  atomic_store(&released, true);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY(read.result == 1 || read.result == 6);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), read.result);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}
#endif

/* Nothing is done that could not be ended; but a close is. */
static void test_no_worker_to_be_made(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file;
  struct outcome cut = {.calls = 0};
  struct outcome close = {.calls = 0};
  TRY_EQ(ovio_open(&file, test_path("given"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_truncate(loop, &cut.op, &file, 0, outcome_done), 0);
  atomic_store(&refuses, true);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(cut.calls, 1);
  TRY_EQ(cut.result, OVIO_EMFILE);
  TRY_EQ(ovio_start_close(loop, &close.op, &file, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  atomic_store(&refuses, false);
  TRY_EQ(close.calls, 1);
  TRY_EQ(close.result, 0);
  /* The next one is made anew. */
  TRY_EQ(ovio_open(&file, test_path("given"), OVIO_WRITE, 0600), 0);
  TRY_EQ(ovio_start_truncate(loop, &cut.op, &file, 0, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(cut.calls, 2);
  TRY_EQ(cut.result, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

enum { DEPTH = 32, ROUNDS = 50 };

/* What is written in one turn is handed over, and comes back, at once. */
static void test_few_wakes_for_buffered_writes(struct test *test) {
  ONE_THREAD("its turns are not so long");
  static struct outcome writes[DEPTH];
  struct ovio_loop *loop;
  struct ovio_file file;
  memset(writes, 0, sizeof writes);
  TRY_EQ(ovio_open(&file, test_path("few"), OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  atomic_store(&wakes, 0);
  for (int round = 0; round < ROUNDS; round++) {
    for (int at = 0; at < DEPTH; at++)
      TRY_EQ(ovio_start_write(loop, &writes[at].op, &file, "abc", 3, 3 * at,
                              outcome_done),
             0);
    TRY_EQ(ovio_loop_run(loop), 0);
  }
  for (int at = 0; at < DEPTH; at++)
    TRY_EQ(writes[at].calls, ROUNDS);
  /* One a round, and a few for who is held up by other programs. */
  TRY(atomic_load(&wakes) <= ROUNDS + 20);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Those before it are told, and those behind it are done. */
static void test_a_stuck_write_holds_nothing_up(struct test *test) {
  enum { WRITES = 8 };
  static struct outcome writes[WRITES];
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct ovio_file file;
  memset(writes, 0, sizeof writes);
  TRY_EQ(ovio_open(&file, test_path("stuck"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  atomic_store(&stuck, false);
  atomic_store(&released, false);
  for (int at = 0; at < WRITES; at++)
    TRY_EQ(ovio_start_write(loop, &writes[at].op, &file, "abc", 3,
                            at == WRITES / 2 ? STUCK : 3 * at, outcome_done),
           0);
  TRY(loop_thread_start(&thread, loop));
  AWAIT(atomic_load(&stuck));
  for (int at = 0; at < WRITES; at++) {
    if (at != WRITES / 2)
      AWAIT(atomic_load(&writes[at].calls) == 1);
  }
  TRY_EQ(atomic_load(&writes[WRITES / 2].calls), 0);
  atomic_store(&released, true);
  TRY_EQ(loop_thread_end(&thread), 0);
  for (int at = 0; at < WRITES; at++)
    TRY_EQ(writes[at].result, 3);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

enum { OPENS = 64 };

struct opening {
  struct outcome outcome;
  struct ovio_file file;
};

static struct opening openings[OPENS];

static int opening_start(struct ovio_loop *loop, int at, const char *path) {
  return ovio_start_open(loop, &openings[at].outcome.op, &openings[at].file,
                         NULL, path, OVIO_READ, 0, outcome_done);
}

/* An open of a FIFO lasts until somebody opens its other end. There are two,
 * for the two threads that are called at first. */
static void test_a_stuck_open_holds_nothing_up(struct test *test) {
  enum { COUNT = 16, STUCK_OPENS = 2 };
  char path[512];
  char fifo[512];
  struct ovio_loop *loop;
  struct loop_thread thread;
  memset(openings, 0, sizeof openings);
  snprintf(path, sizeof path, "%s", test_path("opened"));
  snprintf(fifo, sizeof fifo, "%s", test_path("fifo"));
  TRY(test_put(path, "x", 1));
  TRY(mkfifo(fifo, 0600) == 0 || errno == EEXIST);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(opening_start(loop, at, at < STUCK_OPENS ? fifo : path), 0);
  TRY(loop_thread_start(&thread, loop));
  for (int at = STUCK_OPENS; at < COUNT; at++)
    AWAIT(atomic_load(&openings[at].outcome.calls) == 1);
  for (int at = 0; at < STUCK_OPENS; at++)
    TRY_EQ(atomic_load(&openings[at].outcome.calls), 0);
  int writer = open(fifo, O_WRONLY);
  TRY(writer >= 0);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(close(writer), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(openings[at].outcome.result, 0);
    TRY_EQ(ovio_close(&openings[at].file), 0);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* The only thread has an open that does not end. */
static void test_close_behind_a_stuck_open(struct test *test) {
  struct outcome close = {.calls = 0};
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct ovio_file file;
  char fifo[512];
  struct ovio_loop_options options = {.size = sizeof options, .max_workers = 1};
  memset(openings, 0, sizeof openings);
  snprintf(fifo, sizeof fifo, "%s", test_path("fifo"));
  TRY(mkfifo(fifo, 0600) == 0 || errno == EEXIST);
  TRY_EQ(ovio_open(&file, test_path("behind"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(opening_start(loop, 0, fifo), 0);
  TRY(loop_thread_start(&thread, loop));
  for (int round = 0; round < 2; round++) {
    TRY_EQ(ovio_start_close(loop, &close.op, &file, outcome_done), 0);
    AWAIT(atomic_load(&close.calls) == round + 1);
    TRY_EQ(close.result, 0);
    TRY_EQ(ovio_open(&file, test_path("behind"), OVIO_WRITE, 0600), 0);
  }
  TRY_EQ(atomic_load(&openings[0].outcome.calls), 0);
  int writer = open(fifo, O_WRONLY);
  TRY(writer >= 0);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(openings[0].outcome.result, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&openings[0].file), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY(test_close_handle(writer));
}

/* What takes longer than a wake-up is done by more threads than two, though
 * none of it is stuck. */
static void test_slow_opens_go_side_by_side(struct test *test) {
  char path[512];
  struct ovio_loop *loop;
  memset(openings, 0, sizeof openings);
  snprintf(path, sizeof path, "%s", test_path("opened"));
  TRY(test_put(path, "x", 1));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < OPENS; at++)
    TRY_EQ(opening_start(loop, at, path), 0);
  atomic_store(&most_inside, 0);
  atomic_store(&slowly, true);
  int error = ovio_loop_run(loop);
  atomic_store(&slowly, false);
  TRY_EQ(error, 0);
  for (int at = 0; at < OPENS; at++) {
    TRY_EQ(openings[at].outcome.result, 0);
    TRY_EQ(ovio_close(&openings[at].file), 0);
  }
  TRY(atomic_load(&most_inside) >= 4);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
    TEST_ENGINES(test_no_worker_to_be_made),
    TEST_ENGINES(test_few_wakes_for_buffered_writes),
    TEST_ENGINES(test_a_stuck_write_holds_nothing_up),
    TEST_ENGINES(test_a_stuck_open_holds_nothing_up),
    TEST_ENGINES(test_close_behind_a_stuck_open),
    TEST_ENGINES(test_slow_opens_go_side_by_side),
#if NATIVE_HAS_RWF
    TEST_ENGINES(test_a_cancel_after_a_cached_part),
#endif
  };
  real = native;
#if NATIVE_HAS_EVENTFD
  native.eventfd = try_eventfd;
#else
  native.pipe = try_pipe;
#endif
  native.openat = try_openat;
  native.write = try_write;
  native.pwrite = try_pwrite;
#if NATIVE_HAS_RWF
  native.preadv2 = try_preadv2;
#endif
  return test_main(cases, sizeof cases / sizeof *cases);
}
