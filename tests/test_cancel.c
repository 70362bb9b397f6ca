/* SPDX-License-Identifier: MIT */
/* Cancel against completion: each operation completes once, with what it had
 * done or with OVIO_ECANCELED, and no byte is lost between the two. */
#include "scene.h"

enum { ROUNDS = 10000 };

/* Of the races that are run in so many variants that a slow system would need
 * minutes for all of them. */
static int race_rounds(void) {
  return scene_races(scene_rounds(ROUNDS) == ROUNDS ? ROUNDS : ROUNDS / 5);
}

struct race {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct outcome outcome;
  uint32_t random;
  int started;
  int cancelled;
};

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void race_begin(struct test *test, struct race *race) {
  memset(race, 0, sizeof *race);
  race->random = 20260707;
  TRY_EQ(test_loop_create(test, &race->loop, NULL), 0);
  TRY(loop_thread_start(&race->thread, race->loop));
}

static void race_end(struct test *test, struct race *race) {
  TRY_EQ(loop_thread_end(&race->thread), 0);
  TRY_EQ(race->outcome.calls, race->started);
  TRY_EQ(ovio_loop_destroy(race->loop), 0);
  printf("%d of %d were cancelled\n", race->cancelled, race->started);
  fflush(stdout);
}

/* A moment of up to a few microseconds, or one in which others get a turn. */
static void race_pause(struct race *race) {
  uint32_t length = next_random(&race->random) % 512;
  if (length < 64)
    os_thread_yield();
  else
    for (volatile uint32_t at = 0; at < length; at++)
      ;
}

/* Waits for the callback of the op that was started last. */
static bool race_await(struct race *race) {
  int64_t until = os_clock_ns() + INT64_C(60000000000);
  race->started++;
  while (atomic_load(&race->outcome.calls) < race->started) {
    if (os_clock_ns() > until)
      return false;
    os_thread_yield();
  }
  race->cancelled += race->outcome.result == OVIO_ECANCELED;
  return atomic_load(&race->outcome.calls) == race->started;
}

/* What ovio_cancel() may say of an op that may have come to its end. */
static bool race_cancel(struct race *race) {
  int error = ovio_cancel(&race->outcome.op);
  return error == 0 || error == OVIO_ENOENT;
}

/* ---- streams ---- */

/* The byte either is in the read's buffer or still in the pipe. */
static void race_one_read(struct test *test, struct race *race,
                          struct pipe_files *files, int round) {
  unsigned char byte = 0;
  unsigned char sent = (unsigned char)(round & 0xff);
  TRY_EQ(ovio_start_read(race->loop, &race->outcome.op, &files->in, &byte, 1,
                         OVIO_HERE, outcome_done),
         0);
  race_pause(race);
  bool cancel_first = next_random(&race->random) % 3 == 0;
  if (cancel_first) {
    TRY(race_cancel(race));
    race_pause(race);
  }
  TRY_EQ(ovio_write(&files->out, &sent, 1, OVIO_HERE), 1);
  if (!cancel_first) {
    race_pause(race);
    TRY(race_cancel(race));
  }
  TRY(race_await(race));
  if (race->outcome.result != 1) {
    TRY_EQ(race->outcome.result, OVIO_ECANCELED);
    TRY_EQ(byte, 0);
    TRY_EQ(ovio_read(&files->in, &byte, 1, OVIO_HERE), 1);
  }
  TRY_EQ(byte, sent);
}

static void race_reads(struct test *test, enum test_pipe_kind kind) {
  struct race race;
  struct pipe_files files;
  race_begin(test, &race);
  TRY(pipe_files_open(&files, kind));
  int rounds =
      kind == TEST_PIPE_OVERLAPPED ? scene_races(ROUNDS) : race_rounds();
  for (int round = 0; round < rounds && !test->failure[0]; round++)
    race_one_read(test, &race, &files, round);
  if (!test->failure[0])
    race_end(test, &race);
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_reads_of_an_overlapped_pipe(struct test *test) {
  race_reads(test, TEST_PIPE_OVERLAPPED);
}

static void test_reads_of_a_synchronous_pipe(struct test *test) {
  race_reads(test, TEST_PIPE_SYNC);
}

/* Writes of more than a page into a pipe that is full, and made room in. */
enum { BLOCK = 10000 };

struct flow {
  struct race race;
  struct pipe_files files;
  char block[BLOCK];
  int64_t sent;
  int64_t received;
};

static void race_one_write(struct test *test, struct flow *flow) {
  struct race *race = &flow->race;
  TRY_EQ(ovio_start_write(race->loop, &race->outcome.op, &flow->files.out,
                          flow->block, BLOCK, OVIO_HERE, outcome_done),
         0);
  race_pause(race);
  /* Takes a block out when there must be one. */
  if (flow->sent - flow->received >= BLOCK) {
    static char taken[BLOCK];
    int64_t got = ovio_read(&flow->files.in, taken, BLOCK, OVIO_HERE);
    TRY(got > 0);
    flow->received += got;
  }
  race_pause(race);
  TRY(race_cancel(race));
  TRY(race_await(race));
  int64_t result = race->outcome.result;
  TRY(result == OVIO_ECANCELED || (result > 0 && result <= BLOCK));
  if (result > 0)
    flow->sent += result;
}

static void drain(struct test *test, struct flow *flow) {
  TRY_EQ(ovio_close(&flow->files.out), 0);
  for (;;) {
    int64_t got = ovio_read(&flow->files.in, flow->block, BLOCK, OVIO_HERE);
    TRY(got >= 0);
    if (got == 0)
      break;
    flow->received += got;
  }
  TRY_EQ(flow->received, flow->sent);
  TRY_EQ(ovio_close(&flow->files.in), 0);
}

static void race_writes(struct test *test, enum test_pipe_kind kind) {
  struct flow *flow = calloc(1, sizeof *flow);
  TRY(flow);
  race_begin(test, &flow->race);
  TRY(pipe_files_open(&flow->files, kind));
  int rounds = scene_races(scene_rounds(ROUNDS));
  for (int round = 0; round < rounds && !test->failure[0]; round++)
    race_one_write(test, flow);
  if (!test->failure[0])
    race_end(test, &flow->race);
  if (!test->failure[0])
    drain(test, flow);
  free(flow);
}

static void test_writes_to_an_overlapped_pipe(struct test *test) {
  race_writes(test, TEST_PIPE_OVERLAPPED);
}

static void test_writes_to_a_synchronous_pipe(struct test *test) {
  race_writes(test, TEST_PIPE_SYNC);
}

/* ---- timers, workers, posts ---- */

typedef int race_starter(struct race *race, struct ovio_file *file);

static void race_simply(struct test *test, race_starter *start,
                        int64_t wanted) {
  struct race race;
  struct ovio_file file;
  TRY(test_put(test_path("race"), "abcdef", 6));
  TRY_EQ(ovio_open(&file, test_path("race"), OVIO_READ, 0), 0);
  race_begin(test, &race);
  int rounds = race_rounds();
  for (int round = 0; round < rounds && !test->failure[0]; round++) {
    TRY_EQ(start(&race, &file), 0);
    race_pause(&race);
    TRY(race_cancel(&race));
    TRY(race_await(&race));
    if (race.outcome.result != OVIO_ECANCELED)
      TRY_EQ(race.outcome.result, wanted);
  }
  if (!test->failure[0])
    race_end(test, &race);
  TRY_EQ(ovio_close(&file), 0);
}

static int start_sleep(struct race *race, struct ovio_file *file) {
  (void)file;
  return ovio_start_sleep(race->loop, &race->outcome.op,
                          next_random(&race->random) % 20000, outcome_done);
}

static void test_sleeps(struct test *test) {
  race_simply(test, start_sleep, 0);
}

static int start_post(struct race *race, struct ovio_file *file) {
  (void)file;
  return ovio_post(race->loop, &race->outcome.op, outcome_done);
}

static void test_posts(struct test *test) {
  race_simply(test, start_post, 0);
}

static struct ovio_stat about;

static int start_stat(struct race *race, struct ovio_file *file) {
  return ovio_start_stat(race->loop, &race->outcome.op, file, &about,
                         outcome_done);
}

static void test_worker_calls(struct test *test) {
  race_simply(test, start_stat, 0);
}

static char bytes[6];

static int start_disk_read(struct race *race, struct ovio_file *file) {
  return ovio_start_read(race->loop, &race->outcome.op, file, bytes,
                         sizeof bytes, 0, outcome_done);
}

static void test_disk_reads(struct test *test) {
  race_simply(test, start_disk_read, 6);
}

/* An open that came too late for its cancel has opened, and says so. */
static void test_opens(struct test *test) {
  struct race race;
  int rounds = scene_races(scene_rounds(ROUNDS));
  char path[1024];
  TRY(test_put(test_path("race"), "abcdef", 6));
  snprintf(path, sizeof path, "%s", test_path("race"));
  race_begin(test, &race);
  for (int round = 0; round < rounds && !test->failure[0]; round++) {
    struct ovio_file file;
    TRY_EQ(ovio_start_open(race.loop, &race.outcome.op, &file, NULL, path,
                           OVIO_READ, 0, outcome_done),
           0);
    race_pause(&race);
    TRY(race_cancel(&race));
    TRY(race_await(&race));
    if (race.outcome.result != OVIO_ECANCELED)
      TRY_EQ(race.outcome.result, 0);
    TRY_EQ(ovio_close(&file), race.outcome.result ? OVIO_EBADF : 0);
  }
  if (!test->failure[0])
    race_end(test, &race);
}

/* ---- several cancellers, and an op that is restarted in its callback ---- */

struct hammered {
  struct outcome outcome; /* first */
  struct ovio_file *file;
  struct ovio_stat about;
  char byte;
  int left;
  int wrong;
  int kind;
  atomic_bool over;
};

static int hammered_start(struct hammered *self, struct ovio_loop *loop);

static void hammered_done(struct ovio_op *op, int64_t result) {
  struct hammered *self = (struct hammered *)(void *)op;
  bool fine = result == OVIO_ECANCELED || (result == 0 && self->kind < 3) ||
              (result == 1 && self->kind == 3);
  self->wrong += !fine;
  atomic_fetch_add(&self->outcome.calls, 1);
  if (--self->left == 0 || hammered_start(self, ovio_loop_current()) != 0)
    atomic_store(&self->over, true);
}

static int hammered_start(struct hammered *self, struct ovio_loop *loop) {
  struct ovio_op *op = &self->outcome.op;
  self->kind = (self->kind + 1) % 5;
  switch (self->kind) {
  case 0:
    return ovio_post(loop, op, hammered_done);
  case 1:
    return ovio_start_sleep(loop, op, 1000, hammered_done);
  case 2:
    return ovio_start_stat(loop, op, self->file, &self->about, hammered_done);
  case 3:
    return ovio_start_read(loop, op, self->file, &self->byte, 1, 2,
                           hammered_done);
  default: /* which nothing but a cancel ends */
    return ovio_start_sleep(loop, op, UINT64_MAX, hammered_done);
  }
}

struct hammer {
  struct os_thread thread;
  struct hammered *target;
  int64_t strange; /* an answer that it must not give */
};

static void hammer_main(void *argument) {
  struct hammer *self = argument;
  while (!atomic_load(&self->target->over)) {
    int error = ovio_cancel(&self->target->outcome.op);
    if (error != 0 && error != OVIO_ENOENT)
      self->strange = error;
    os_thread_yield();
  }
}

static void test_cancel_from_several_threads(struct test *test) {
  int rounds = scene_races(scene_rounds(ROUNDS));
  struct ovio_file file;
  struct loop_thread thread;
  struct hammered hammered = {.file = &file, .left = rounds};
  struct hammer hammers[2];
  struct ovio_loop *loop;
  TRY(test_put(test_path("hammer"), "abcdef", 6));
  TRY_EQ(ovio_open(&file, test_path("hammer"), OVIO_READ, 0), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(hammered_start(&hammered, loop), 0);
  for (int at = 0; at < 2; at++) {
    hammers[at] = (struct hammer){{{0}}, &hammered, 0};
    TRY_EQ(os_thread_start(&hammers[at].thread, hammer_main, &hammers[at]), 0);
  }
  for (int at = 0; at < 2; at++)
    os_thread_join(&hammers[at].thread);
  TRY_EQ(loop_thread_end(&thread), 0);
  TRY_EQ(hammered.left, 0);
  TRY_EQ(hammered.outcome.calls, rounds);
  TRY_EQ(hammered.wrong, 0);
  for (int at = 0; at < 2; at++)
    TRY_EQ(hammers[at].strange, 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* An op whose start fails has never been in flight. */
struct canceller {
  struct os_thread thread;
  struct ovio_op *op;
  atomic_bool over;
  int64_t strange;
};

static void cancel_main(void *argument) {
  struct canceller *self = argument;
  while (!atomic_load(&self->over)) {
    int error = ovio_cancel(self->op);
    if (error != OVIO_ENOENT)
      self->strange = 1;
  }
}

static void test_cancel_of_a_start_that_fails(struct test *test) {
  struct pipe_files files;
  struct outcome read = {.calls = 0};
  struct outcome close = {.calls = 0};
  struct outcome late = {.calls = 0};
  struct canceller canceller = {.op = &late.op};
  struct ovio_loop *loop;
  int refused = 0;
  char byte;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_start_read(loop, &read.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  TRY_EQ(ovio_start_close(loop, &close.op, &files.in, outcome_done), 0);
  /* Nobody runs the loop: the file goes on closing. */
  TRY_EQ(os_thread_start(&canceller.thread, cancel_main, &canceller), 0);
  for (int round = 0; round < 5 * ROUNDS; round++)
    refused += ovio_start_read(loop, &late.op, &files.in, &byte, 1, OVIO_HERE,
                               outcome_done) == OVIO_EBADF;
  atomic_store(&canceller.over, true);
  os_thread_join(&canceller.thread);
  TRY_EQ(refused, 5 * ROUNDS);
  TRY_EQ(canceller.strange, 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(late.calls, 0);
  TRY_EQ(close.result, 0);
  TRY_EQ(ovio_close(&files.out), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- at the file's position ---- */

/* Many chunks: what has been written counts, and the position stands behind
 * it. */
static void test_write_of_many_chunks(struct test *test) {
  enum { LENGTH = 1 << 18 };
  struct ovio_loop_options options = {.max_transfer = 1024};
  struct race race = {.random = 5};
  struct ovio_file file;
  char *block = calloc(1, LENGTH);
  int64_t written = 0;
  int rounds = scene_rounds(200);
  TRY(block);
  TRY_EQ(ovio_open(&file, test_path("chunks"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0600),
         0);
  TRY_EQ(test_loop_create(test, &race.loop, &options), 0);
  TRY(loop_thread_start(&race.thread, race.loop));
  for (int round = 0; round < rounds; round++) {
    TRY_EQ(ovio_start_write(race.loop, &race.outcome.op, &file, block, LENGTH,
                            OVIO_HERE, outcome_done),
           0);
    for (uint32_t wait = next_random(&race.random) % 50; wait; wait--)
      race_pause(&race);
    TRY(race_cancel(&race));
    TRY(race_await(&race));
    int64_t result = race.outcome.result;
    TRY(result == OVIO_ECANCELED || (result > 0 && result <= LENGTH));
    written += result > 0 ? result : 0;
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), written);
    TRY_EQ(ovio_size(&file), written);
  }
  race_end(test, &race);
  TRY_EQ(ovio_close(&file), 0);
  free(block);
}

/* Those that wait for the position are not behind the one that has it. */
static void test_queued_position(struct test *test) {
  enum { COUNT = 6 };
  struct ovio_loop_options options = {.max_workers = 1};
  struct outcome blocker = {.calls = 0};
  struct outcome reads[COUNT] = {{.calls = 0}};
  struct pipe_files files;
  struct ovio_file file;
  struct ovio_loop *loop;
  char letters[COUNT + 1] = "......";
  char byte;
  TRY(test_put(test_path("queue"), "abcdef", 6));
  TRY_EQ(ovio_open(&file, test_path("queue"), OVIO_READ, 0), 0);
  TRY(pipe_files_open(&files, TEST_PIPE_SYNC));
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(ovio_start_read(loop, &blocker.op, &files.in, &byte, 1, OVIO_HERE,
                         outcome_done),
         0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(ovio_start_read(loop, &reads[at].op, &file, &letters[at], 1,
                           OVIO_HERE, outcome_done),
           0);
  for (int at = 1; at < COUNT; at += 2)
    TRY_EQ(ovio_cancel(&reads[at].op), 0);
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(reads[at].calls, 1);
    TRY_EQ(reads[at].result, at % 2 ? OVIO_ECANCELED : 1);
  }
  TRY(strcmp(letters, "a.b.c.") == 0); /* only who reads moves it */
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 3);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_reads_of_an_overlapped_pipe),
      TEST_ENGINES(test_reads_of_a_synchronous_pipe),
      TEST_ENGINES(test_writes_to_an_overlapped_pipe),
      TEST_ENGINES(test_writes_to_a_synchronous_pipe),
      TEST_ENGINES(test_sleeps),
      TEST_ENGINES(test_posts),
      TEST_ENGINES(test_worker_calls),
      TEST_ENGINES(test_disk_reads),
      TEST_ENGINES(test_opens),
      TEST_ENGINES(test_cancel_from_several_threads),
      TEST_ENGINES(test_cancel_of_a_start_that_fails),
      TEST_ENGINES(test_write_of_many_chunks),
      TEST_ENGINES(test_queued_position),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
