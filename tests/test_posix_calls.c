/* SPDX-License-Identifier: MIT */
/* How many system calls a read costs, counted through the table. */
#include "posix/native.h"

#include "scene.h"

static struct native_calls real;

static struct {
  atomic_int reads; /* pread, read */
  atomic_int waits;
  atomic_int controls; /* epoll_ctl */
  atomic_int wakes;    /* writes to the port's eventfd */
} calls;

static ssize_t counted_pread(int fd, void *buffer, size_t length, off_t at) {
  calls.reads++;
  return real.pread(fd, buffer, length, at);
}

static ssize_t counted_read(int fd, void *buffer, size_t length) {
  if (length != sizeof(uint64_t)) /* an eventfd's */
    calls.reads++;
  return real.read(fd, buffer, length);
}

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

static void install(void) {
  real = native;
  native.pread = counted_pread;
  native.read = counted_read;
  native.write = counted_write;
  native.poll = counted_poll;
#if NATIVE_HAS_EPOLL
  native.epoll_wait = counted_epoll_wait;
  native.epoll_ctl = counted_epoll_ctl;
#endif
}

static void forget(void) {
  calls.reads = 0;
  calls.waits = 0;
  calls.controls = 0;
  calls.wakes = 0;
}

enum { BLOCK = 4096, DEPTH = 32, READS = 3200 };

static void tell(const char *what) {
  printf("native calls per 4 KiB read, %s: %.3f (reads %.3f, waits %.3f, "
         "wakes %.3f)\n",
         what, (double)(calls.reads + calls.waits + calls.wakes) / READS,
         (double)calls.reads / READS, (double)calls.waits / READS,
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

static void test_callbacks_at_depth_32(struct test *test) {
  struct ovio_file file;
  struct ovio_loop *loop;
  TRY(make_file(&file));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  memset(&many, 0, sizeof many);
  many.file = &file;
  many.left = READS;
  forget();
  for (int at = 0; at < DEPTH; at++)
    TRY_EQ(ovio_start_read(loop, &many.ops[at], &file, many.blocks[at], BLOCK,
                           0, read_again),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(many.bad, 0);
  TRY_EQ(many.left, 0);
  tell("callbacks at depth 32, workers");
  TRY_EQ(calls.reads, READS);
  TRY(calls.wakes <= READS);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

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
  bool epoll = test->mode->engine == OVIO_ENGINE_EPOLL;
  TRY_EQ(calls.controls, epoll ? 2 : 0);
  TRY(calls.reads <= 100); /* no failing try: the byte is there */
  TRY_EQ(pipe_files_close(&files), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_PLAIN(test_plain_read_is_one_call, "of a plain thread"),
      TEST_PLAIN(test_callbacks_at_depth_32, "makes its own loops"),
      TEST_LOOP(test_stream_is_registered_once, "engines register"),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
