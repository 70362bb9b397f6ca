/* SPDX-License-Identifier: MIT */
/* How many system calls a read costs, counted through the table. */
#include "posix/native.h"

#include "companion.h"

static struct native_calls real;

static struct {
  atomic_int reads; /* pread, read */
  atomic_int preads;
  atomic_int tries; /* preadv2 */
  atomic_int here;  /* reads that may block, on the loop's own thread */
  atomic_int waits;
  atomic_int controls; /* epoll_ctl */
  atomic_int wakes;    /* writes to the port's eventfd */
} calls;

static pthread_t loop_thread;
static atomic_int refusals; /* of tries that are still to come */
static atomic_int refusal;
static atomic_int cut_after; /* so many tries are answered; 0: all */
static atomic_size_t most;   /* bytes of a try; 0: all */

static ssize_t counted_pread(int fd, void *buffer, size_t length, off_t at) {
  calls.reads++;
  calls.preads++;
  calls.here += pthread_equal(pthread_self(), loop_thread) != 0;
  return real.pread(fd, buffer, length, at);
}

static ssize_t counted_read(int fd, void *buffer, size_t length) {
  if (length != sizeof(uint64_t)) /* an eventfd's */
    calls.reads++;
  return real.read(fd, buffer, length);
}

#if NATIVE_HAS_RWF
static ssize_t counted_preadv2(int fd, const struct iovec *iov, int count,
                               off_t at, int flags) {
  struct iovec first = *iov;
  size_t limit = atomic_load(&most);
  calls.tries++;
  int cut = atomic_load(&cut_after);
  if ((cut && calls.tries > cut) || atomic_fetch_sub(&refusals, 1) > 0) {
    errno = atomic_load(&refusal);
    return -1;
  }
  if (limit == 0 || count > 1 || first.iov_len <= limit)
    return real.preadv2(fd, iov, count, at, flags);
  first.iov_len = limit;
  return real.preadv2(fd, &first, 1, at, flags);
}
#endif

static ssize_t counted_write(int fd, const void *buffer, size_t length) {
  calls.wakes += length == sizeof(uint64_t);
  return real.write(fd, buffer, length);
}

static int counted_poll(struct pollfd *set, nfds_t count, int timeout_ms) {
  calls.waits++;
  return real.poll(set, count, timeout_ms);
}

#if NATIVE_HAS_EPOLL
static int counted_epoll_wait(int epoll, struct epoll_event *events, int max,
                              int timeout_ms) {
  calls.waits++;
  return real.epoll_wait(epoll, events, max, timeout_ms);
}

static int counted_epoll_ctl(int epoll, int operation, int fd,
                             struct epoll_event *event) {
  calls.controls++;
  return real.epoll_ctl(epoll, operation, fd, event);
}
#endif

#if NATIVE_HAS_URING
static int counted_submit(struct io_uring *ring) {
  calls.waits++;
  return real.io_uring_submit_and_get_events(ring);
}

static int counted_submit_and_wait(struct io_uring *ring,
                                   struct io_uring_cqe **cqe, unsigned count,
                                   struct __kernel_timespec *time,
                                   sigset_t *mask) {
  calls.waits++;
  return real.io_uring_submit_and_wait_timeout(ring, cqe, count, time, mask);
}
#endif

static void install(void) {
  real = native;
  native.pread = counted_pread;
  native.read = counted_read;
  native.write = counted_write;
#if NATIVE_HAS_RWF
  native.preadv2 = counted_preadv2;
#endif
  native.poll = counted_poll;
#if NATIVE_HAS_EPOLL
  native.epoll_wait = counted_epoll_wait;
  native.epoll_ctl = counted_epoll_ctl;
#endif
#if NATIVE_HAS_URING
  native.io_uring_submit_and_get_events = counted_submit;
  native.io_uring_submit_and_wait_timeout = counted_submit_and_wait;
#endif
}

static void forget(void) {
  calls.reads = 0;
  calls.preads = 0;
  calls.tries = 0;
  calls.here = 0;
  calls.waits = 0;
  calls.controls = 0;
  calls.wakes = 0;
}

enum { BLOCK = 4096, DEPTH = 32, READS = 3200 };

static void tell(const char *what) {
  int all = calls.reads + calls.tries + calls.waits + calls.wakes;
  printf("native calls per 4 KiB read, %s: %.3f (reads %.3f, tries %.3f, waits "
         "%.3f, wakes %.3f)\n",
         what, (double)all / READS, (double)calls.reads / READS,
         (double)calls.tries / READS, (double)calls.waits / READS,
         (double)calls.wakes / READS);
}

static char block[BLOCK];

static bool make_file(struct ovio_file *file) {
  return ovio_open(file, test_path("calls"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600) == 0 &&
         ovio_write(file, block, BLOCK, 0) == BLOCK;
}

/* Exactly one, and nothing else. */
static void test_plain_read_is_one_call(struct test *test) {
  struct ovio_file file;
  TRY(make_file(&file));
  forget();
  for (int round = 0; round < READS; round++)
    TRY_EQ(ovio_read(&file, block, BLOCK, 0), BLOCK);
  tell("plain thread");
  TRY_EQ(calls.reads, READS);
  TRY_EQ(calls.waits + calls.wakes + calls.controls, 0);
  TRY_EQ(ovio_close(&file), 0);
}

static struct {
  struct ovio_file *file;
  char blocks[DEPTH][BLOCK];
  struct ovio_op ops[DEPTH];
  int left;
  int bad;
} many;

static void read_again(struct ovio_op *op, int64_t result) {
  ptrdiff_t at = op - many.ops;
  many.bad += result != BLOCK;
  if (--many.left >= DEPTH)
    many.bad += ovio_start_read(ovio_loop_current(), op, many.file,
                                many.blocks[at], BLOCK, 0, read_again) != 0;
}

static void callbacks_at_depth_32(struct test *test, const char *what) {
  struct ovio_file file;
  struct ovio_loop *loop;
  TRY(make_file(&file));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  memset(&many, 0, sizeof many);
  many.file = &file;
  many.left = READS;
  loop_thread = pthread_self();
  forget();
  for (int at = 0; at < DEPTH; at++)
    TRY_EQ(ovio_start_read(loop, &many.ops[at], &file, many.blocks[at], BLOCK,
                           0, read_again),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(many.bad, 0);
  TRY_EQ(many.left, 0);
  tell(what);
  TRY_EQ(calls.here, 0); /* what may block never runs on the loop's thread */
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* A ring is entered once for all that a turn of the loop has started. */
static void test_callbacks_at_depth_32(struct test *test) {
  ONE_THREAD("threads wake each other");
  char what[64];
  snprintf(what, sizeof what, "callbacks at depth 32, %s", test->mode->name);
  atomic_store(&test_no_try, true);
  callbacks_at_depth_32(test, what);
  if (test->mode->engine == OVIO_ENGINE_URING) {
    TRY_EQ(calls.reads + calls.wakes, 0);
    TRY(calls.waits * DEPTH <= READS + 2 * DEPTH);
  } else {
    TRY_EQ(calls.preads, READS);
    TRY(calls.wakes <= READS);
  }
}

#if NATIVE_HAS_RWF
/* Does the file system of the tests answer tries at all? tmpfs does not. */
static bool can_try(void) {
  struct ovio_file file;
  atomic_store(&test_no_try, false);
  if (!make_file(&file))
    return false;
  struct iovec iov = {block, BLOCK};
  ovio_handle fd = ovio_release(&file);
  bool can = real.preadv2(fd, &iov, 1, 0, RWF_NOWAIT) == BLOCK;
  close(fd);
  return can;
}

/* One call each, no thread, no wake-up. */
static void test_cached_reads_at_depth_32(struct test *test) {
  ONE_THREAD("threads wake each other");
  if (!can_try())
    SKIP("this file system does not know RWF_NOWAIT");
  unsigned long threads = test_threads_alive();
  callbacks_at_depth_32(test, "callbacks at depth 32, cached");
  TRY_EQ(calls.tries, READS);
  TRY_EQ(calls.reads + calls.waits + calls.wakes, 0);
  TRY_EQ(test_threads_alive(), threads);
}

/* It is done in the start call, which still calls nobody back; from then on it
 * is too late to cancel it, and the file is free to be closed. */
static void test_cached_read_is_delivered_later(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct ovio_file file;
  struct outcome read = {.calls = 0};
  static char bytes[BLOCK];
  if (!can_try())
    SKIP("this file system does not know RWF_NOWAIT");
  memset(block, 'e', sizeof block);
  TRY(make_file(&file));
  forget();
  TRY_EQ(ovio_start_read(test->loop, &read.op, &file, bytes, BLOCK, 0,
                         outcome_done),
         0);
  TRY_EQ(read.calls, 0);
  TRY_EQ(calls.tries, 1);
  TRY_EQ(ovio_start_read(test->loop, &read.op, &file, bytes, BLOCK, 0,
                         outcome_done),
         OVIO_EBUSY);
  TRY_EQ(ovio_cancel(&read.op), 0);
  TRY_EQ(ovio_close(&file), 0);
  AWAIT(read.calls == 1);
  TRY_EQ(read.result, BLOCK);
  TRY(memcmp(bytes, block, BLOCK) == 0);
  TRY_EQ(ovio_cancel(&read.op), OVIO_ENOENT);
  TRY_EQ(ovio_start_read(test->loop, &read.op, &file, bytes, BLOCK, 0,
                         outcome_done),
         OVIO_EBADF);
}

static int64_t refused_read(struct ovio_file *file, int error, size_t limit,
                            int tries) {
  static char bytes[BLOCK];
  memset(bytes, 0, sizeof bytes);
  atomic_store(&refusal, error);
  atomic_store(&refusals, tries);
  atomic_store(&most, limit);
  forget();
  int64_t got = ovio_read(file, bytes, BLOCK, 0);
  atomic_store(&refusals, 0);
  atomic_store(&most, 0);
  return memcmp(bytes, block, BLOCK) == 0 ? got : -1;
}

static int by_worker(const struct test *test) {
  return test->mode->engine != OVIO_ENGINE_URING;
}

static void test_what_is_not_cached_goes_elsewhere(struct test *test) {
  struct ovio_file file;
  atomic_store(&test_no_try, false);
  memset(block, 'b', sizeof block);
  TRY(make_file(&file));
  loop_thread = pthread_self();
  TRY_EQ(refused_read(&file, EAGAIN, 0, 1), BLOCK);
  TRY_EQ(calls.tries, 1);
  TRY_EQ(calls.preads, by_worker(test));
  TRY_EQ(calls.here, 0);
  TRY_EQ(refused_read(&file, EAGAIN, 0, 1), BLOCK);
  TRY_EQ(calls.tries, 1); /* tried again */
  TRY_EQ(ovio_close(&file), 0);
}

/* What came at once counts; a worker does the rest. */
static void test_partly_cached(struct test *test) {
  if (!can_try())
    SKIP("this file system does not know RWF_NOWAIT");
  struct ovio_file file;
  memset(block, 'c', sizeof block);
  TRY(make_file(&file));
  TRY_EQ(refused_read(&file, EAGAIN, 1000, 0), BLOCK);
  TRY_EQ(calls.tries, 5);
  TRY_EQ(calls.preads, 0);
  atomic_store(&refusal, EAGAIN);
  for (int before = 1; before < 5; before++) {
    forget();
    /* The first tries are short, the next one finds nothing. */
    atomic_store(&cut_after, before);
    TRY_EQ(refused_read(&file, EAGAIN, 1000, 0), BLOCK);
    TRY_EQ(calls.tries, before + 1);
    TRY_EQ(calls.preads, by_worker(test));
  }
  atomic_store(&cut_after, 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* One failing call for each file, not for each read. */
static void test_refusal_is_learnt(struct test *test) {
  static const int errors[] = {EOPNOTSUPP, ENOSYS, EINVAL};
  struct ovio_file file;
  atomic_store(&test_no_try, false);
  memset(block, 'd', sizeof block);
  for (size_t at = 0; at < sizeof errors / sizeof *errors; at++) {
    TRY(make_file(&file));
    TRY_EQ(refused_read(&file, errors[at], 0, 1), BLOCK);
    TRY_EQ(calls.tries, 1);
    TRY_EQ(calls.preads, by_worker(test));
    TRY_EQ(refused_read(&file, errors[at], 0, 1), BLOCK);
    TRY_EQ(calls.tries, 0);
    TRY_EQ(calls.preads, by_worker(test));
    TRY_EQ(ovio_close(&file), 0);
  }
}

/* The loop's thread does not copy megabytes. */
static void test_much_goes_to_a_worker(struct test *test) {
  static char bytes[1 << 20];
  struct ovio_file file;
  atomic_store(&test_no_try, false);
  TRY(make_file(&file));
  TRY_EQ(ovio_truncate(&file, sizeof bytes), 0);
  loop_thread = pthread_self();
  forget();
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 0), (int64_t)sizeof bytes);
  TRY_EQ(calls.tries, 0);
  TRY_EQ(calls.preads, 1);
  TRY_EQ(calls.here, 0);
  TRY_EQ(ovio_close(&file), 0);
}
#endif

/* A descriptor is registered once, however often it is read. */
static void test_stream_is_registered_once(struct test *test) {
  struct pipe_files files;
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  forget();
  for (int round = 0; round < 100; round++) {
    TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), 1);
  }
  unsigned engine = test->mode->engine;
  bool epoll = engine == OVIO_ENGINE_EPOLL || engine == OVIO_ENGINE_URING;
  TRY_EQ(calls.controls, epoll ? 2 : 0);
  TRY(calls.reads <= 100); /* no failing try: the byte is there */
  TRY_EQ(pipe_files_close(&files), 0);
}

struct pong {
  struct ovio_file *in, *out;
};

static void pong(void *argument) {
  struct pong *self = argument;
  char byte;
  while (ovio_read(self->in, &byte, 1, OVIO_HERE) == 1)
    ovio_write(self->out, &byte, 1, OVIO_HERE);
}

/* A reader that has to wait each time does so first, and reads once. */
static void test_read_of_a_pipe_is_one_call(struct test *test) {
  ONE_THREAD("threads wake each other");
  enum { ROUNDS = 100, TRIES = 3 };
  struct ovio_file there[2];
  struct ovio_file back[2];
  struct companion companion;
  char byte;
  TRY_EQ(ovio_pipe(there, 0), 0);
  TRY_EQ(ovio_pipe(back, 0), 0);
  struct pong partner = {&there[0], &back[1]};
  TRY(companion_start(test, &companion, pong, &partner));
  forget();
  for (int round = 0; round < ROUNDS; round++) {
    TRY_EQ(ovio_write(&there[1], "x", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_read(&back[0], &byte, 1, OVIO_HERE), 1);
  }
  int reads = calls.reads;
  int controls = calls.controls;
  TRY_EQ(ovio_close(&there[1]), 0);
  companion_join(&companion);
  unsigned engine = test->mode->engine;
  bool epoll = engine == OVIO_ENGINE_EPOLL || engine == OVIO_ENGINE_URING;
  if (epoll || engine == OVIO_ENGINE_POLL)
    TRY(reads <= 2 * (ROUNDS + 2 * TRIES));
  if (epoll) /* each end is registered, each reader becomes level-triggered */
    TRY(controls <= 4 + 2);
  TRY_EQ(ovio_close(&there[0]), 0);
  TRY_EQ(ovio_close(&back[0]), 0);
  TRY_EQ(ovio_close(&back[1]), 0);
}

int main(void) {
  static const char *const tries = "a plain thread may block";
  const struct test_case cases[] = {
    TEST_PLAIN(test_plain_read_is_one_call, "of a plain thread"),
    TEST_ENGINES(test_callbacks_at_depth_32),
#if NATIVE_HAS_RWF
    TEST_LOOP(test_cached_read_is_delivered_later, tries),
    TEST_PLAIN(test_cached_reads_at_depth_32, "makes its own loops"),
    TEST_LOOP(test_what_is_not_cached_goes_elsewhere, tries),
    TEST_LOOP(test_partly_cached, tries),
    TEST_LOOP(test_refusal_is_learnt, tries),
    TEST_LOOP(test_much_goes_to_a_worker, tries),
#endif
    TEST_LOOP(test_stream_is_registered_once, "engines register"),
    TEST_LOOP(test_read_of_a_pipe_is_one_call, "a plain thread waits in it"),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
