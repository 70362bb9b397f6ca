/* SPDX-License-Identifier: MIT */
/* Pipes and sockets: while a task waits, its thread is free. */
#include "companion.h"

#define MS UINT64_C(1000000)

struct worker_task {
  struct test *test;
  struct ovio_file *file;
  size_t length;
  unsigned seed;
  char *buffer;
  int64_t result;
  atomic_int state; /* 1: began, 2: ended */
};

static void read_once(void *argument) {
  struct worker_task *self = argument;
  atomic_store(&self->state, 1);
  self->result = ovio_read(self->file, self->buffer, self->length, OVIO_HERE);
  atomic_store(&self->state, 2);
}

static void write_once(void *argument) {
  struct worker_task *self = argument;
  atomic_store(&self->state, 1);
  self->result = ovio_write(self->file, self->buffer, self->length, OVIO_HERE);
  atomic_store(&self->state, 2);
}

/* ---- the thread is free ---- */

enum { PIPES = 8 };

/* All readers wait before the first writer begins. */
static void readers_first(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files[PIPES];
  struct worker_task readers[PIPES];
  char bytes[PIPES];
  struct ovio_group group;
  ovio_group_init(&group);
  for (int at = 0; at < PIPES; at++) {
    TRY(pipe_files_open(&files[at], kind));
    readers[at] = (struct worker_task){
        .file = &files[at].in, .length = 1, .buffer = &bytes[at]};
    TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &readers[at]), 0);
  }
  ovio_yield();
  TRY_EQ(ovio_sleep(2 * MS), 0);
  for (int at = PIPES - 1; at >= 0; at--) {
    char letter = (char)('a' + at);
    TRY_EQ(readers[at].state, 1);
    TRY_EQ(ovio_write(&files[at].out, &letter, 1, OVIO_HERE), 1);
    AWAIT(readers[at].state == 2);
  }
  TRY_EQ(ovio_group_wait(&group), 0);
  for (int at = 0; at < PIPES; at++) {
    TRY_EQ(readers[at].result, 1);
    TRY_EQ(bytes[at], 'a' + at);
    TRY_EQ(pipe_files_close(&files[at]), 0);
  }
}

static void test_readers_before_writers(struct test *test) {
  readers_first(test, TEST_PIPE_OVERLAPPED);
}

/* Eight tasks blocked on synchronous pipes while a timer ticks. */
static void test_readers_of_synchronous_pipes(struct test *test) {
  readers_first(test, TEST_PIPE_SYNC);
}

/* ---- a megabyte ---- */

enum { MEGABYTE = 1 << 20 };

static unsigned char pattern(unsigned seed, size_t at) {
  return (unsigned char)((at * 31 + at / 251 + seed) & 0xff);
}

static void send_megabyte(void *argument) {
  struct worker_task *self = argument;
  for (size_t at = 0; at < MEGABYTE; at++)
    self->buffer[at] = (char)pattern(self->seed, at);
  self->result = ovio_write(self->file, self->buffer, MEGABYTE, OVIO_HERE);
}

/* The number of right bytes before the end, or before `length`. */
static void receive(void *argument) {
  struct worker_task *self = argument;
  size_t total = 0;
  while (total < self->length) {
    unsigned char part[7777];
    int64_t got = ovio_read(self->file, part, sizeof part, OVIO_HERE);
    if (got <= 0)
      break;
    for (int64_t at = 0; at < got; at++) {
      if (part[at] != pattern(self->seed, total++))
        return;
    }
  }
  self->result = (int64_t)total;
}

static void megabyte_through(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  struct ovio_group group;
  char *buffer = malloc(MEGABYTE);
  TRY(buffer);
  TRY(pipe_files_open(&files, kind));
  struct worker_task sender = {.file = &files.out, .buffer = buffer};
  struct worker_task receiver = {.file = &files.in, .length = MEGABYTE};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, send_megabyte, &sender), 0);
  TRY_EQ(ovio_group_spawn(&group, test->loop, receive, &receiver), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(sender.result, MEGABYTE);
  TRY_EQ(receiver.result, MEGABYTE);
  TRY_EQ(pipe_files_close(&files), 0);
  free(buffer);
}

static void test_megabyte_through_a_pipe(struct test *test) {
  megabyte_through(test, TEST_PIPE_OVERLAPPED);
}

static void test_megabyte_through_a_synchronous_pipe(struct test *test) {
  megabyte_through(test, TEST_PIPE_SYNC);
}

/* The same from two plain threads. */
static void test_megabyte_between_threads(struct test *test) {
  for (int kind = TEST_PIPE_SYNC; kind <= TEST_PIPE_OVERLAPPED; kind++) {
    struct pipe_files files;
    struct os_thread thread;
    char *buffer = malloc(MEGABYTE);
    TRY(buffer);
    TRY(pipe_files_open(&files, (enum test_pipe_kind)kind));
    struct worker_task sender = {.file = &files.out, .buffer = buffer};
    struct worker_task receiver = {.file = &files.in, .length = MEGABYTE};
    TRY_EQ(os_thread_start(&thread, send_megabyte, &sender), 0);
    receive(&receiver);
    os_thread_join(&thread);
    TRY_EQ(sender.result, MEGABYTE);
    TRY_EQ(receiver.result, MEGABYTE);
    TRY_EQ(pipe_files_close(&files), 0);
    free(buffer);
  }
}

/* ---- the other end goes ---- */

static void end_under_read(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  char byte = 0;
  struct ovio_group group;
  TRY(pipe_files_open(&files, kind));
  struct worker_task reader = {
      .file = &files.in, .length = 1, .buffer = &byte, .result = 9};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &reader), 0);
  AWAIT(reader.state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(reader.state, 1);
  TRY_EQ(ovio_close(&files.out), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(reader.result, 0);
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), 0); /* and stays so */
  TRY_EQ(ovio_close(&files.in), 0);
}

static void test_end_under_a_read(struct test *test) {
  end_under_read(test, TEST_PIPE_OVERLAPPED);
}

static void test_end_under_a_blocked_read(struct test *test) {
  end_under_read(test, TEST_PIPE_SYNC);
}

static void reader_goes(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  size_t length = 4 * test_pipe_room();
  char *buffer = calloc(1, length);
  struct ovio_group group;
  TRY(buffer);
  TRY(pipe_files_open(&files, kind));
  struct worker_task writer = {
      .file = &files.out, .length = length, .buffer = buffer};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, write_once, &writer), 0);
  AWAIT(writer.state >= 1);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(writer.state, 1); /* blocked: the pipe is full */
  TRY_EQ(ovio_close(&files.in), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY(writer.result == OVIO_EPIPE ||
      (writer.result > 0 && writer.result < (int64_t)length));
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&files.out), 0);
  free(buffer);
}

static void test_reader_goes(struct test *test) {
  reader_goes(test, TEST_PIPE_OVERLAPPED);
}

static void test_reader_goes_synchronous(struct test *test) {
  reader_goes(test, TEST_PIPE_SYNC);
}

/* ---- close and cancel ---- */

static void close_under_read(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  char byte = 0;
  struct ovio_group group;
  TRY(pipe_files_open(&files, kind));
  struct worker_task reader = {
      .file = &files.in, .length = 1, .buffer = &byte, .result = 9};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &reader), 0);
  AWAIT(reader.state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(reader.state, 1);
  TRY_EQ(ovio_close(&files.in), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(reader.result, OVIO_ECANCELED);
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&files.out), 0);
}

static void test_close_under_a_read(struct test *test) {
  close_under_read(test, TEST_PIPE_OVERLAPPED);
}

static void test_close_under_a_blocked_read(struct test *test) {
  close_under_read(test, TEST_PIPE_SYNC);
}

static void cancel_read(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  char byte = 0;
  struct ovio_group group;
  TRY(pipe_files_open(&files, kind));
  for (int round = 0; round < 3; round++) {
    struct worker_task reader = {
        .file = &files.in, .length = 1, .buffer = &byte, .result = 9};
    ovio_group_init(&group);
    TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &reader), 0);
    if (round > 0) /* in the first it may not have begun to block */
      TRY_EQ(ovio_sleep((uint64_t)round * MS), 0);
    else
      ovio_yield();
    AWAIT(reader.state >= 1);
    ovio_group_cancel(&group);
    TRY_EQ(ovio_group_wait(&group), 0);
    TRY_EQ(reader.result, OVIO_ECANCELED);
  }
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
  TRY_EQ(byte, 0); /* nobody reads it any more */
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'x');
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_cancel_of_a_read(struct test *test) {
  cancel_read(test, TEST_PIPE_OVERLAPPED);
}

static void test_cancel_of_a_blocked_read(struct test *test) {
  cancel_read(test, TEST_PIPE_SYNC);
}

static void cancel_write(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  size_t length = 4 * test_pipe_room();
  char *buffer = calloc(1, length);
  int64_t in_pipe = 0;
  struct ovio_group group;
  TRY(buffer);
  TRY(pipe_files_open(&files, kind));
  struct worker_task writer = {
      .file = &files.out, .length = length, .buffer = buffer};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, write_once, &writer), 0);
  AWAIT(writer.state >= 1);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(writer.state, 1);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY(writer.result == OVIO_ECANCELED ||
      (writer.result > 0 && writer.result < (int64_t)length));
  TRY_EQ(ovio_close(&files.out), 0);
  for (;;) {
    int64_t got = ovio_read(&files.in, buffer, length, OVIO_HERE);
    TRY(got >= 0);
    if (got == 0)
      break;
    in_pipe += got;
  }
  TRY_EQ(in_pipe, writer.result > 0 ? writer.result : 0);
  TRY_EQ(ovio_close(&files.in), 0);
  free(buffer);
}

static void test_cancel_of_a_write(struct test *test) {
  cancel_write(test, TEST_PIPE_OVERLAPPED);
}

static void test_cancel_of_a_blocked_write(struct test *test) {
  cancel_write(test, TEST_PIPE_SYNC);
}

/* ---- turns ---- */

/* Several read one pipe: in order of arrival; who is cancelled leaves. */
static void take_turns(struct test *test, enum test_pipe_kind kind) {
  enum { COUNT = 5 };
  struct pipe_files files;
  struct worker_task readers[COUNT];
  struct ovio_group groups[COUNT];
  char bytes[COUNT + 1] = ".....";
  TRY(pipe_files_open(&files, kind));
  for (int at = 0; at < COUNT; at++) {
    readers[at] = (struct worker_task){
        .file = &files.in, .length = 1, .buffer = &bytes[at]};
    ovio_group_init(&groups[at]);
    TRY_EQ(ovio_group_spawn(&groups[at], test->loop, read_once, &readers[at]),
           0);
  }
  TRY_EQ(ovio_sleep(2 * MS), 0);
  ovio_group_cancel(&groups[2]); /* waits for its turn: over at once */
  TRY_EQ(ovio_group_wait(&groups[2]), 0);
  TRY_EQ(readers[2].result, OVIO_ECANCELED);
  TRY_EQ(readers[0].state, 1);
  ovio_group_cancel(&groups[0]); /* has the turn: passes it on */
  TRY_EQ(ovio_group_wait(&groups[0]), 0);
  TRY_EQ(readers[0].result, OVIO_ECANCELED);
  TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
  for (int at = 1; at < COUNT; at++)
    TRY_EQ(ovio_group_wait(&groups[at]), 0);
  TRY(strcmp(bytes, ".a.bc") == 0);
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_readers_take_turns(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  take_turns(test, TEST_PIPE_OVERLAPPED);
}

static void test_blocked_readers_take_turns(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  take_turns(test, TEST_PIPE_SYNC);
}

/* A plain thread's turn comes before a task's, and the other way round. */
static void test_turns_of_threads_and_tasks(struct test *test) {
  struct pipe_files files;
  struct os_thread thread;
  struct ovio_group group;
  char bytes[3] = "..";
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  for (int thread_first = 0; thread_first < 2; thread_first++) {
    struct worker_task in_thread = {
        .file = &files.in, .length = 1, .buffer = &bytes[!thread_first]};
    struct worker_task in_task = {
        .file = &files.in, .length = 1, .buffer = &bytes[thread_first]};
    ovio_group_init(&group);
    for (int turn = 0; turn < 2; turn++) {
      if ((turn == 0) == (thread_first == 1)) {
        TRY_EQ(os_thread_start(&thread, read_once, &in_thread), 0);
        AWAIT(atomic_load(&in_thread.state) == 1);
        TRY_EQ(ovio_sleep(5 * MS), 0);
      } else {
        TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &in_task), 0);
        AWAIT(atomic_load(&in_task.state) == 1);
      }
    }
    TRY_EQ(ovio_write(&files.out, "ab", 2, OVIO_HERE), 2);
    TRY_EQ(ovio_group_wait(&group), 0);
    os_thread_join(&thread);
    TRY_EQ(in_thread.result, 1);
    TRY_EQ(in_task.result, 1);
    TRY((bytes[0] == 'a' && bytes[1] == 'b') ||
        (bytes[0] == 'b' && bytes[1] == 'a'));
  }
  TRY_EQ(pipe_files_close(&files), 0);
}

/* ---- sockets ---- */

struct sockets {
  struct ovio_file ends[2];
};

static bool sockets_open(struct sockets *sockets) {
  ovio_handle ends[2];
  return test_socket_pair(ends) &&
         ovio_adopt(&sockets->ends[0], ends[0], OVIO_READ | OVIO_WRITE) == 0 &&
         ovio_adopt(&sockets->ends[1], ends[1], OVIO_READ | OVIO_WRITE) == 0;
}

/* The system's own first use may keep handles for good. */
static bool sockets_warm_up(void) {
  struct sockets sockets;
  return sockets_open(&sockets) && ovio_close(&sockets.ends[0]) == 0 &&
         ovio_close(&sockets.ends[1]) == 0;
}

/* A reader and a writer on each end, a megabyte each way, all at once. */
static void test_sockets_both_ways(struct test *test) {
  struct sockets sockets;
  struct worker_task senders[2];
  struct worker_task receivers[2];
  struct ovio_group group;
  TRY(sockets_open(&sockets));
  ovio_group_init(&group);
  for (unsigned at = 0; at < 2; at++) {
    receivers[at] = (struct worker_task){
        .file = &sockets.ends[at], .length = MEGABYTE, .seed = 1 - at};
    senders[at] = (struct worker_task){.file = &sockets.ends[at], .seed = at};
    senders[at].buffer = malloc(MEGABYTE);
    TRY(senders[at].buffer);
    TRY_EQ(ovio_group_spawn(&group, test->loop, receive, &receivers[at]), 0);
    TRY_EQ(ovio_group_spawn(&group, test->loop, send_megabyte, &senders[at]),
           0);
  }
  TRY_EQ(ovio_group_wait(&group), 0);
  for (int at = 0; at < 2; at++) {
    TRY_EQ(senders[at].result, MEGABYTE);
    TRY_EQ(receivers[at].result, MEGABYTE);
    free(senders[at].buffer);
    TRY_EQ(ovio_close(&sockets.ends[at]), 0);
  }
}

/* More than a socket takes while nobody reads. */
enum { FLOOD = 16 * MEGABYTE };

static void test_full_socket(struct test *test) {
  struct sockets sockets;
  struct companion companion;
  char *bytes = malloc(FLOOD);
  TRY(bytes);
  for (size_t at = 0; at < FLOOD; at++)
    bytes[at] = (char)pattern(3, at);
  TRY(sockets_open(&sockets));
  struct worker_task sender = {
      .file = &sockets.ends[0], .length = FLOOD, .buffer = bytes};
  struct worker_task receiver = {
      .file = &sockets.ends[1], .length = FLOOD, .seed = 3};
  TRY(companion_start(test, &companion, write_once, &sender));
  AWAIT(sender.state >= 1);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY_EQ(sender.state, 1);
  receive(&receiver);
  companion_join(&companion);
  TRY_EQ(sender.result, FLOOD);
  TRY_EQ(receiver.result, FLOOD);
  free(bytes);
  for (int at = 0; at < 2; at++)
    TRY_EQ(ovio_close(&sockets.ends[at]), 0);
}

/* On one descriptor a read waits, and does not keep a write from its turn. */
static void test_reader_and_writer_on_one_socket(struct test *test) {
  struct sockets sockets;
  char byte = 0;
  char answer[4] = "";
  struct ovio_group group;
  TRY(sockets_open(&sockets));
  struct worker_task reader = {
      .file = &sockets.ends[0], .length = 1, .buffer = &byte};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &reader), 0);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  for (int round = 0; round < 3; round++) {
    TRY_EQ(ovio_write(&sockets.ends[0], "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_read(&sockets.ends[1], answer, sizeof answer, OVIO_HERE), 3);
    TRY_EQ(reader.state, 1);
  }
  TRY_EQ(ovio_write(&sockets.ends[1], "z", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(reader.result, 1);
  TRY_EQ(byte, 'z');
  TRY_EQ(ovio_close(&sockets.ends[0]), 0);
  TRY_EQ(ovio_close(&sockets.ends[1]), 0);
}

static void test_socket_ends_under_a_read(struct test *test) {
  struct sockets sockets;
  char byte = 0;
  struct ovio_group group;
  TRY(sockets_open(&sockets));
  struct worker_task reader = {
      .file = &sockets.ends[0], .length = 1, .buffer = &byte, .result = 9};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &reader), 0);
  AWAIT(reader.state >= 1);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(reader.state, 1);
  TRY_EQ(ovio_close(&sockets.ends[1]), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(reader.result, 0);
  TRY_EQ(ovio_close(&sockets.ends[0]), 0);
}

static void test_socket_closed_under_a_read(struct test *test) {
  struct sockets sockets;
  char byte = 0;
  struct ovio_group group;
  TRY(sockets_open(&sockets));
  struct worker_task reader = {
      .file = &sockets.ends[0], .length = 1, .buffer = &byte, .result = 9};
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_once, &reader), 0);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(ovio_close(&sockets.ends[0]), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(reader.result, OVIO_ECANCELED);
  TRY_EQ(ovio_close(&sockets.ends[1]), 0);
}

int main(void) {
  static const char *const why = "several tasks";
  const struct test_case cases[] = {
      TEST_LOOP(test_readers_before_writers, why),
      TEST_LOOP(test_readers_of_synchronous_pipes, why),
      TEST_LOOP(test_megabyte_through_a_pipe, why),
      TEST_LOOP(test_megabyte_through_a_synchronous_pipe, why),
      TEST_PLAIN(test_megabyte_between_threads, "two plain threads"),
      TEST_LOOP(test_end_under_a_read, why),
      TEST_LOOP(test_end_under_a_blocked_read, why),
      TEST_LOOP(test_reader_goes, why),
      TEST_LOOP(test_reader_goes_synchronous, why),
      TEST_LOOP(test_close_under_a_read, why),
      TEST_LOOP(test_close_under_a_blocked_read, why),
      TEST_LOOP(test_cancel_of_a_read, why),
      TEST_LOOP(test_cancel_of_a_blocked_read, why),
      TEST_LOOP(test_cancel_of_a_write, why),
      TEST_LOOP(test_cancel_of_a_blocked_write, why),
      TEST_LOOP(test_readers_take_turns, why),
      TEST_LOOP(test_blocked_readers_take_turns, why),
      TEST_LOOP(test_turns_of_threads_and_tasks, why),
      TEST_LOOP(test_sockets_both_ways, why),
      TEST(test_full_socket),
      TEST_LOOP(test_reader_and_writer_on_one_socket, why),
      TEST_LOOP(test_socket_ends_under_a_read, why),
      TEST_LOOP(test_socket_closed_under_a_read, why),
  };
  if (!sockets_warm_up())
    return 1;
  return test_main(cases, sizeof cases / sizeof *cases);
}
