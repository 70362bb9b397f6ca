/* SPDX-License-Identifier: MIT */
/* Pipes that the library makes. */
#include "companion.h"

#define MS UINT64_C(1000000)

static void test_through_a_pipe(struct test *test) {
  struct ovio_file ends[2];
  char buffer[8];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_write(&ends[1], "hello", 5, OVIO_HERE), 5);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 5);
  TRY(memcmp(buffer, "hello", 5) == 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

static void test_each_end_has_its_direction(struct test *test) {
  struct ovio_file ends[2];
  char byte = 0;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_write(&ends[0], &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_read(&ends[1], &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_write(&ends[1], &byte, 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file ends[2];
  TRY_EQ(ovio_pipe(NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_pipe(ends, OVIO_CREATE), OVIO_EINVAL);
  TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
  TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
}

/* ---- one waits for the other ---- */

enum { LARGE = 1 << 20 };

struct moving {
  struct ovio_file *file;
  char *buffer;
  size_t length;
  bool write;
  uint64_t deadline_ns;
  int64_t result;
  atomic_int state; /* 1: began, 2: ended */
};

static void move_once(void *argument) {
  struct moving *self = argument;
  atomic_store(&self->state, 1);
  if (self->deadline_ns)
    ovio_deadline(self->deadline_ns);
  self->result =
      self->write
          ? ovio_write(self->file, self->buffer, self->length, OVIO_HERE)
          : ovio_read(self->file, self->buffer, self->length, OVIO_HERE);
  atomic_store(&self->state, 2);
}

static bool close_both(struct ovio_file ends[2]) {
  return ovio_close(&ends[0]) == 0 && ovio_close(&ends[1]) == 0;
}

/* A writer of more than the pipe holds. */
static bool start_writer(struct test *test, struct companion *companion,
                         struct moving *writer, struct ovio_file *file) {
  static char bytes[LARGE];
  for (size_t at = 0; at < LARGE; at++)
    bytes[at] = (char)(at * 13 + at / 4096);
  *writer = (struct moving){.file = file,
                            .buffer = bytes,
                            .length = LARGE,
                            .write = true,
                            .deadline_ns = writer->deadline_ns,
                            .result = -1};
  return companion_start(test, companion, move_once, writer);
}

/* The writer waits when the pipe is full, and goes on when it is read. */
static void test_backpressure(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  struct moving writer = {.state = 0};
  static char bytes[LARGE];
  size_t total = 0;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY(start_writer(test, &companion, &writer, &ends[1]));
  AWAIT(writer.state >= 1);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(writer.state, 1);
  while (total < LARGE) {
    int64_t got = ovio_read(&ends[0], bytes + total, LARGE - total, OVIO_HERE);
    TRY(got > 0);
    total += (size_t)got;
  }
  companion_join(&companion);
  TRY_EQ(writer.result, LARGE);
  TRY(memcmp(bytes, writer.buffer, LARGE) == 0);
  TRY(close_both(ends));
}

static void test_reader_goes_while_a_write_waits(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  struct moving writer = {.state = 0};
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY(start_writer(test, &companion, &writer, &ends[1]));
  AWAIT(writer.state >= 1);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
  companion_join(&companion);
  /* What the pipe took before, or nothing of it. */
  TRY(writer.result == OVIO_EPIPE ||
      (writer.result > 0 && writer.result < LARGE));
  TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

static void test_writer_goes_while_a_read_waits(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  char byte;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  struct moving reader = {
      .file = &ends[0], .buffer = &byte, .length = 1, .result = -1};
  TRY(companion_start(test, &companion, move_once, &reader));
  AWAIT(reader.state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  companion_join(&companion);
  TRY_EQ(reader.result, 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

static void test_what_was_written_outlives_the_writer(struct test *test) {
  struct ovio_file ends[2];
  char buffer[8];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_write(&ends[1], "left", 4, OVIO_HERE), 4);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, 2, OVIO_HERE), 2);
  TRY_EQ(ovio_read(&ends[0], buffer, 8, OVIO_HERE), 2);
  TRY_EQ(ovio_read(&ends[0], buffer, 8, OVIO_HERE), 0);
  TRY_EQ(ovio_read(&ends[0], buffer, 8, OVIO_HERE), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

/* ---- the end of waiting ---- */

static void test_deadline_of_a_read(struct test *test) {
  struct ovio_file ends[2];
  char byte = 0;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_deadline(2 * MS), 0);
  TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'x');
  TRY(close_both(ends));
}

static void test_deadline_of_a_write(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  struct moving writer = {.deadline_ns = 5 * MS};
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY(start_writer(test, &companion, &writer, &ends[1]));
  companion_join(&companion);
  TRY(writer.result == OVIO_ETIMEDOUT ||
      (writer.result > 0 && writer.result < LARGE));
  TRY(close_both(ends));
}

/* The number of bytes that the writer was told of is what the reader gets. */
static void test_cancel_of_a_write(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  struct moving writer = {.state = 0};
  static char bytes[LARGE];
  int64_t total = 0;
  int64_t got;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY(start_writer(test, &companion, &writer, &ends[1]));
  AWAIT(writer.state >= 1);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  ovio_group_cancel(&companion.group);
  companion_join(&companion);
  TRY_EQ(ovio_close(&ends[1]), 0);
  while ((got = ovio_read(&ends[0], bytes, sizeof bytes, OVIO_HERE)) > 0)
    total += got;
  TRY_EQ(got, 0);
  TRY_EQ(total, writer.result == OVIO_ECANCELED ? 0 : writer.result);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

static void test_cancel_of_a_read(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  char byte = 0;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  struct moving reader = {
      .file = &ends[0], .buffer = &byte, .length = 1, .result = -1};
  TRY(companion_start(test, &companion, move_once, &reader));
  AWAIT(reader.state >= 1);
  ovio_group_cancel(&companion.group);
  companion_join(&companion);
  TRY_EQ(reader.result, OVIO_ECANCELED);
  TRY_EQ(ovio_write(&ends[1], "y", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'y');
  TRY(close_both(ends));
}

static void test_close_under_a_read(struct test *test) {
  struct ovio_file ends[2];
  struct companion companion;
  char byte = 0;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  struct moving reader = {
      .file = &ends[0], .buffer = &byte, .length = 1, .result = -1};
  TRY(companion_start(test, &companion, move_once, &reader));
  AWAIT(reader.state >= 1);
  TRY_EQ(ovio_sleep(MS), 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
  companion_join(&companion);
  TRY_EQ(reader.result, OVIO_ECANCELED);
  TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

/* ---- many ---- */

enum { PIPES = 300, ROUNDS = 1000 };

static void test_a_thousand_one_after_the_other(struct test *test) {
  int rounds = scene_rounds(ROUNDS);
  for (int at = 0; at < rounds; at++) {
    struct ovio_file ends[2];
    char byte = 0;
    TRY_EQ(ovio_pipe(ends, 0), 0);
    TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), 1);
    TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), 1);
    TRY(close_both(ends));
  }
}

static void test_many_at_once(struct test *test) {
  static struct ovio_file ends[PIPES][2];
  for (int at = 0; at < PIPES; at++) {
    TRY_EQ(ovio_pipe(ends[at], 0), 0);
    TRY_EQ(ovio_write(&ends[at][1], &at, sizeof at, OVIO_HERE), sizeof at);
  }
  for (int at = PIPES - 1; at >= 0; at--) {
    int number = -1;
    TRY_EQ(ovio_read(&ends[at][0], &number, sizeof number, OVIO_HERE),
           sizeof number);
    TRY_EQ(number, at);
    TRY(close_both(ends[at]));
  }
}

/* ---- flags ---- */

static void check_inherited(struct test *test, unsigned flags, bool wanted) {
  struct ovio_file ends[2];
  TRY_EQ(ovio_pipe(ends, flags), 0);
  for (int at = 0; at < 2; at++) {
    ovio_handle handle = ovio_release(&ends[at]);
    TRY(handle != OVIO_NO_HANDLE);
    TRY_EQ(test_is_inheritable(handle), wanted);
    TRY(test_close_handle(handle));
  }
}

static void test_children_inherit_if_asked(struct test *test) {
  check_inherited(test, 0, false);
  check_inherited(test, OVIO_INHERIT, true);
  check_inherited(test, OVIO_BLOCKING, false);
  check_inherited(test, OVIO_BLOCKING | OVIO_INHERIT, true);
}

/* What another program sees: adopting asks the handle itself. */
static void test_blocking_ends(struct test *test) {
  for (unsigned flags = 0; flags <= OVIO_BLOCKING; flags += OVIO_BLOCKING) {
    struct ovio_file ends[2];
    struct os_file seen = {0};
    const unsigned asynchronous = OS_TRAIT_OVERLAPPED | OS_TRAIT_NONBLOCK;
    TRY_EQ(ovio_pipe(ends, flags), 0);
    for (int at = 0; at < 2; at++) {
      ovio_handle handle = ovio_release(&ends[at]);
      TRY_EQ(os_file_adopt(&seen, handle, OVIO_READ).value, 0);
      TRY_EQ((seen.traits & asynchronous) == 0, flags != 0);
      TRY_EQ(ovio_adopt(&ends[at], handle, at ? OVIO_WRITE : OVIO_READ), 0);
    }
    char buffer[4];
    TRY_EQ(ovio_write(&ends[1], "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_read(&ends[0], buffer, sizeof buffer, OVIO_HERE), 3);
    TRY(close_both(ends));
  }
}

static void test_nonblocking_ends(struct test *test) {
  struct ovio_file ends[2];
  char byte = 0;
  int result = ovio_pipe(ends, OVIO_NONBLOCK);
  if (!test_is_posix()) {
    TRY_EQ(result, OVIO_ENOTSUP);
    TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
    TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
    return;
  }
  TRY_EQ(result, 0);
  TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), OVIO_EWOULDBLOCK);
  TRY(close_both(ends));
}

/* ---- a reader that is faster than the writer, and then is not ---- */

struct echo {
  struct ovio_file *in, *out;
  size_t length; /* bytes of a read; what comes back is one byte */
  int rounds;
  int bad;
};

/* Answers each byte until there are no more. */
static void echo_bytes(void *argument) {
  struct echo *self = argument;
  char bytes[64];
  for (;;) {
    int64_t got = ovio_read(self->in, bytes, self->length, OVIO_HERE);
    if (got != 1)
      break;
    self->rounds++;
    self->bad += ovio_write(self->out, bytes, 1, OVIO_HERE) != 1;
  }
}

static bool ping(struct ovio_file *to, struct ovio_file *from, char byte) {
  char back = 0;
  return ovio_write(to, &byte, 1, OVIO_HERE) == 1 &&
         ovio_read(from, &back, 1, OVIO_HERE) == 1 && back == byte;
}

/* Each of both always waits for the other, whatever it asks for. */
static void test_there_and_back(struct test *test) {
  for (size_t length = 1; length <= 64; length += 63) {
    struct ovio_file there[2];
    struct ovio_file back[2];
    struct companion companion;
    TRY_EQ(ovio_pipe(there, 0), 0);
    TRY_EQ(ovio_pipe(back, 0), 0);
    struct echo echo = {&there[0], &back[1], length, 0, 0};
    TRY(companion_start(test, &companion, echo_bytes, &echo));
    for (int round = 0; round < 100; round++)
      TRY(ping(&there[1], &back[0], (char)round));
    TRY_EQ(ovio_close(&there[1]), 0);
    companion_join(&companion);
    TRY_EQ(echo.rounds, 100);
    TRY_EQ(echo.bad, 0);
    TRY(close_both(back));
    TRY_EQ(ovio_close(&there[0]), 0);
  }
}

/* What comes while nobody reads is found, and so is the end. */
static void test_reader_comes_late(struct test *test) {
  struct ovio_file there[2];
  struct ovio_file back[2];
  struct companion companion;
  char bytes[8];
  TRY_EQ(ovio_pipe(there, 0), 0);
  TRY_EQ(ovio_pipe(back, 0), 0);
  struct echo echo = {&there[0], &back[1], 1, 0, 0};
  TRY(companion_start(test, &companion, echo_bytes, &echo));
  for (int late = 0; late < 20; late++) {
    for (int round = 0; round < 10; round++)
      TRY(ping(&there[1], &back[0], (char)round));
    TRY_EQ(ovio_write(&there[1], "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_sleep(MS), 0); /* the answers come, and nobody waits */
    for (size_t got = 0; got < 3; got++)
      TRY_EQ(ovio_read(&back[0], &bytes[got], 1, OVIO_HERE), 1);
    TRY(memcmp(bytes, "abc", 3) == 0);
  }
  TRY_EQ(ovio_write(&there[1], "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_close(&there[1]), 0);
  companion_join(&companion);
  TRY_EQ(ovio_close(&back[1]), 0);
  TRY_EQ(ovio_sleep(MS), 0); /* the end, too */
  TRY_EQ(ovio_read(&back[0], bytes, sizeof bytes, OVIO_HERE), 1);
  TRY_EQ(ovio_read(&back[0], bytes, sizeof bytes, OVIO_HERE), 0);
  TRY_EQ(echo.rounds, 20 * 13 + 1);
  TRY_EQ(echo.bad, 0);
  TRY_EQ(ovio_close(&back[0]), 0);
  TRY_EQ(ovio_close(&there[0]), 0);
}

struct chance {
  struct ovio_file *file;
  uint32_t state;
  uint64_t sum;
  int left;
};

static uint32_t chance_next(struct chance *self, uint32_t limit) {
  self->state = self->state * 1664525u + 1013904223u;
  return (self->state >> 8) % limit;
}

static void write_by_chance(void *argument) {
  struct chance *self = argument;
  char bytes[300];
  while (self->left > 0) {
    int length = 1 + (int)chance_next(self, sizeof bytes);
    length = length < self->left ? length : self->left;
    for (int at = 0; at < length; at++)
      self->sum += (unsigned char)(bytes[at] = (char)chance_next(self, 256));
    if (ovio_write(self->file, bytes, (size_t)length, OVIO_HERE) != length)
      return;
    self->left -= length;
    if (chance_next(self, 8) == 0)
      ovio_yield();
    if (chance_next(self, 200) == 0)
      ovio_sleep(MS / 10);
  }
}

/* Whoever is faster, and however much is asked for: nobody sleeps for ever. */
static void test_neither_is_always_faster(struct test *test) {
  enum { BYTES = 100000 };
  struct ovio_file ends[2];
  struct companion companion;
  unsigned char bytes[300];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  struct chance writer = {&ends[1], 7, 0, BYTES};
  struct chance reader = {&ends[0], 8, 0, BYTES};
  TRY(companion_start(test, &companion, write_by_chance, &writer));
  while (reader.left > 0) {
    size_t length = 1 + chance_next(&reader, sizeof bytes);
    int64_t got = ovio_read(reader.file, bytes, length, OVIO_HERE);
    TRY(got > 0);
    for (int64_t at = 0; at < got; at++)
      reader.sum += bytes[at];
    reader.left -= (int)got;
    if (chance_next(&reader, 200) == 0)
      TRY_EQ(ovio_sleep(MS / 10), 0);
  }
  companion_join(&companion);
  TRY_EQ(reader.left, 0);
  TRY(reader.sum == writer.sum);
  TRY(close_both(ends));
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_through_a_pipe),
      TEST(test_each_end_has_its_direction),
      TEST(test_bad_arguments),
      TEST(test_backpressure),
      TEST(test_reader_goes_while_a_write_waits),
      TEST(test_writer_goes_while_a_read_waits),
      TEST(test_what_was_written_outlives_the_writer),
      TEST_LOOP(test_deadline_of_a_read, "plain threads have no deadline"),
      TEST_LOOP(test_deadline_of_a_write, "plain threads have no deadline"),
      TEST_LOOP(test_cancel_of_a_write, "plain threads are not cancelled"),
      TEST_LOOP(test_cancel_of_a_read, "plain threads are not cancelled"),
      TEST_LOOP(test_close_under_a_read, "a plain thread: OVIO_EBUSY"),
      TEST(test_a_thousand_one_after_the_other),
      TEST(test_many_at_once),
      TEST(test_there_and_back),
      TEST(test_reader_comes_late),
      TEST(test_neither_is_always_faster),
      TEST(test_children_inherit_if_asked),
      TEST(test_blocking_ends),
      TEST_PLAIN(test_nonblocking_ends, "in a task, the task waits"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
