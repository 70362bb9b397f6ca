/* SPDX-License-Identifier: MIT */
/* Much of everything at once. Nothing here looks at a clock: what takes time
 * with the square of the number would not end before the test's time limit. The
 * full sizes are the benchmark's, see bench/run.sh. */
#include "files.h"
#include "scene.h"

#if defined(__SANITIZE_ADDRESS__)
#define GROWTH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GROWTH_ASAN 1
#endif
#endif
#ifndef GROWTH_ASAN
#define GROWTH_ASAN 0
#endif

#define HOUR_NS UINT64_C(3600000000000)

/* ---- tasks ---- */

/* Windows: 10,000 fibers; elsewhere more than mappings with guards would go
 * into an address space. For thread sanitizer each is a thread. */
static size_t task_count(void) {
  if (SCENE_TSAN)
    return 2000;
  return !test_is_posix() ? 10000 : GROWTH_ASAN ? 5000 : 50000;
}

struct crowd {
  atomic_size_t waiting;
  atomic_size_t ended;
  atomic_int wrong;
  size_t count;
};

static void wait_long(void *argument) {
  struct crowd *crowd = argument;
  if (++crowd->waiting == crowd->count)
    ovio_loop_cancel(ovio_loop_current());
  crowd->wrong += ovio_sleep(HOUR_NS) != OVIO_ECANCELED;
  crowd->ended++;
}

static void test_many_tasks_wait(struct test *test) {
  struct ovio_loop_options options = {.stack_length = 65536};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  for (int round = 0; round < 2; round++) {
    struct crowd crowd = {.count = task_count()};
    for (size_t at = 0; at < crowd.count; at++)
      TRY_EQ(ovio_spawn(loop, wait_long, &crowd), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(crowd.ended, crowd.count);
    TRY_EQ(crowd.wrong, 0);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- operations in flight ---- */

struct flight {
  struct outcome *ops;
  size_t count;
};

static bool flight_make(struct flight *flight) {
  flight->count = (size_t)scene_rounds(200000);
  flight->ops = calloc(flight->count, sizeof *flight->ops);
  return flight->ops != NULL;
}

/* Each came once, with that result. */
static bool flight_is(const struct flight *flight, int64_t result) {
  for (size_t at = 0; at < flight->count; at++) {
    const struct outcome *op = &flight->ops[at];
    if (op->calls != 1 || op->result != result)
      return false;
  }
  return true;
}

static void test_many_posts(struct test *test) {
  struct ovio_loop *loop;
  struct flight flight;
  TRY(flight_make(&flight));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (size_t at = 0; at < flight.count; at++)
    TRY_EQ(ovio_post(loop, &flight.ops[at].op, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(flight_is(&flight, 0));
  TRY_EQ(ovio_loop_destroy(loop), 0);
  free(flight.ops);
}

/* Due in another order than they were started in. */
static void test_many_sleeps(struct test *test) {
  struct ovio_loop *loop;
  struct flight flight;
  TRY(flight_make(&flight));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (size_t at = 0; at < flight.count; at++) {
    uint64_t length = at * 7919 % flight.count * 100;
    TRY_EQ(ovio_start_sleep(loop, &flight.ops[at].op, length, outcome_done), 0);
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(flight_is(&flight, 0));
  TRY_EQ(ovio_loop_destroy(loop), 0);
  free(flight.ops);
}

static void stop_loop(struct ovio_op *op, int64_t result) {
  outcome_done(op, result);
  ovio_loop_stop(ovio_loop_current());
}

/* From everywhere in the heap. */
static void cancel_all(struct test *test, struct flight *flight) {
  for (size_t at = 0; at < flight->count; at++) {
    size_t which = at * 7919 % flight->count;
    TRY_EQ(ovio_cancel(&flight->ops[which].op), 0);
  }
}

static void test_many_deadlines_cancelled(struct test *test) {
  struct ovio_loop *loop;
  struct flight flight;
  struct outcome stop = {.calls = 0};
  TRY(flight_make(&flight));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (size_t at = 0; at < flight.count; at++)
    TRY_EQ(ovio_start_sleep(loop, &flight.ops[at].op,
                            HOUR_NS + at * 104729 % flight.count, outcome_done),
           0);
  TRY_EQ(ovio_post(loop, &stop.op, stop_loop), 0);
  TRY_EQ(ovio_loop_run(loop), 0); /* all are armed then */
  TRY_EQ(stop.calls, 1);
  cancel_all(test, &flight);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(flight_is(&flight, OVIO_ECANCELED));
  TRY_EQ(ovio_loop_destroy(loop), 0);
  free(flight.ops);
}

/* ---- files ---- */

static void test_many_open_files(struct test *test) {
  size_t count = test_is_posix() && !SCENE_TSAN ? 10000 : 1000;
  if (test->mode->engine == OVIO_ENGINE_POLL || !test_is_posix())
    count /= 10;
  if (!test_handles_allow(count + 100))
    SKIP("the limit of open files is lower, and is not to be raised");
  struct ovio_file *files = calloc(count, sizeof *files);
  TRY(files);
  TRY(test_put(test_path("many"), "0123456789", 10));
  for (size_t at = 0; at < count; at++)
    TRY_EQ(ovio_open(&files[at], test_path("many"), OVIO_READ, 0), 0);
  for (size_t at = 0; at < count; at++) {
    char byte = 0;
    TRY_EQ(ovio_read(&files[at], &byte, 1, (int64_t)(at % 10)), 1);
    TRY_EQ(byte, '0' + (int)(at % 10));
  }
  for (size_t at = 0; at < count; at++)
    TRY_EQ(ovio_close(&files[at]), 0);
  free(files);
}

/* ---- deeper than the kernel's queue ---- */

enum { DEPTH = 4096, BLOCK = 4096, BLOCKS = 64 };

struct deep {
  struct ovio_file file;
  char *buffers; /* aligned to a block */
  struct outcome reads[DEPTH];
};

static bool deep_fill(struct deep *deep) {
  files_fill(deep->buffers, BLOCKS * BLOCK, 0);
  return ovio_write(&deep->file, deep->buffers, BLOCKS * BLOCK, 0) ==
         BLOCKS * BLOCK;
}

static void deep_read(struct test *test, struct deep *deep) {
  struct ovio_loop *loop;
  memset(deep->buffers, 0, BLOCKS * BLOCK);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (size_t at = 0; at < DEPTH; at++)
    TRY_EQ(ovio_start_read(loop, &deep->reads[at].op, &deep->file,
                           deep->buffers + at * BLOCK, BLOCK,
                           (int64_t)(at * 7 % BLOCKS * BLOCK), outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void deep_check(struct test *test, const struct deep *deep) {
  for (size_t at = 0; at < DEPTH; at++) {
    TRY_EQ(deep->reads[at].calls, 1);
    TRY_EQ(deep->reads[at].result, BLOCK);
    TRY(files_match(deep->buffers + at * BLOCK, BLOCK,
                    (int64_t)(at * 7 % BLOCKS * BLOCK)));
  }
}

static void test_depth_beyond_the_ring(struct test *test) {
  struct deep *deep = calloc(1, sizeof *deep);
  char *memory = malloc((size_t)(DEPTH + 1) * BLOCK);
  TRY(deep && memory);
  deep->buffers = memory + BLOCK - (uintptr_t)memory % BLOCK;
  const unsigned flags = OVIO_READ | OVIO_WRITE | OVIO_CREATE;
  int error =
      ovio_open(&deep->file, test_path("deep"), flags | OVIO_DIRECT, 0600);
  if (error == OVIO_ENOTSUP) /* of this file system: then without */
    error = ovio_open(&deep->file, test_path("deep"), flags, 0600);
  TRY_EQ(error, 0);
  TRY(deep_fill(deep));
  deep_read(test, deep);
  if (!test->failure[0])
    deep_check(test, deep);
  TRY_EQ(ovio_close(&deep->file), 0);
  free(memory);
  free(deep);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_many_tasks_wait),
      TEST_ENGINES(test_many_posts),
      TEST_ENGINES(test_many_sleeps),
      TEST_ENGINES(test_many_deadlines_cancelled),
      TEST(test_many_open_files),
      TEST_ENGINES(test_depth_beyond_the_ring),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
