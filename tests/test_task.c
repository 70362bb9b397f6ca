/* SPDX-License-Identifier: MIT */
/* Tasks: their stacks, their order, their deadlines and cancel latches. */
#include <fenv.h>

#include "scene.h"

#define MS UINT64_C(1000000)

/* ---- spawning ---- */

struct note {
  struct ovio_loop *_Atomic loop;
  void *_Atomic argument;
  atomic_int runs;
  _Atomic int64_t results[6];
};

static void count_run(void *argument) {
  struct note *note = argument;
  note->loop = ovio_loop_current();
  atomic_fetch_add(&note->runs, 1);
}

static void test_spawn(struct test *test) {
  struct ovio_loop *loop;
  struct note note = {.runs = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, count_run, &note), 0);
  TRY_EQ(note.runs, 0); /* not before the run */
  TRY_EQ(ovio_loop_destroy(loop), OVIO_EBUSY);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(note.runs, 1);
  TRY(note.loop == loop);
  TRY_EQ(ovio_spawn(NULL, count_run, &note), OVIO_EINVAL);
  TRY_EQ(ovio_spawn(loop, NULL, &note), OVIO_EINVAL);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void spawn_three(void *argument) {
  struct note *note = argument;
  for (int at = 0; at < 3; at++)
    note->results[at] = ovio_spawn(ovio_loop_current(), count_run, note);
  note->results[3] = atomic_load(&note->runs);
}

static void test_spawn_in_a_task(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct ovio_loop *loop;
  struct note note = {.runs = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, spawn_three, &note), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < 3; at++)
    TRY_EQ(note.results[at], 0);
  TRY_EQ(note.results[3], 0); /* at the loop's next turn */
  TRY_EQ(note.runs, 3);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Each spawns its follower, to a depth no stack would hold. */
static void spawn_next(void *argument) {
  struct note *note = argument;
  if (atomic_fetch_add(&note->runs, 1) + 1 < (int)note->results[0])
    note->results[1] |= ovio_spawn(ovio_loop_current(), spawn_next, note);
}

static void test_nested_spawn(struct test *test) {
  struct ovio_loop *loop;
  struct note note = {.results = {scene_rounds(100000)}};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, spawn_next, &note), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(note.runs, note.results[0]);
  TRY_EQ(note.results[1], 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct spawner {
  struct os_thread thread;
  struct ovio_loop *loop;
  struct note *note;
  int count;
  int error;
};

static void spawn_many(void *argument) {
  struct spawner *self = argument;
  for (int at = 0; at < self->count && !self->error; at++) {
    self->error = ovio_spawn(self->loop, count_run, self->note);
    if (at % 16 == 0)
      os_thread_yield();
  }
}

static void test_spawn_from_other_threads(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct note notes[3] = {{.runs = 0}};
  struct spawner spawners[3];
  int count = scene_rounds(5000);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY(loop_thread_start(&thread, loop));
  for (int at = 0; at < 3; at++) {
    spawners[at] = (struct spawner){{{0}}, loop, &notes[at], count, 0};
    TRY_EQ(os_thread_start(&spawners[at].thread, spawn_many, &spawners[at]), 0);
  }
  for (int at = 0; at < 3; at++)
    os_thread_join(&spawners[at].thread);
  TRY_EQ(loop_thread_end(&thread), 0);
  for (int at = 0; at < 3; at++) {
    TRY_EQ(spawners[at].error, 0);
    TRY_EQ(notes[at].runs, count);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- stacks ---- */

static void note_stack(void *argument) {
  struct note *note = argument;
  char here;
  note->argument = &here;
  ovio_yield();
  atomic_fetch_add(&note->runs, 1);
}

static bool is_near(const void *a, const void *b) {
  uintptr_t one = (uintptr_t)a;
  uintptr_t other = (uintptr_t)b;
  return (one > other ? one - other : other - one) < 65536;
}

static void test_stack_is_used_again(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct ovio_loop *loop;
  struct note note = {.runs = 0};
  void *first = NULL;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  long memory = 0;
  for (int round = 0; round < 50; round++) {
    TRY_EQ(ovio_spawn(loop, note_stack, &note), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    if (round == 0) {
      first = note.argument;
      memory = (long)memory_count;
    }
    TRY(is_near(first, note.argument));
  }
  TRY_EQ(memory_count, memory); /* nothing was allocated since */
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_thousands_of_tasks(struct test *test) {
  /* For thread sanitizer each is as dear as a thread. */
  enum { COUNT = SCENE_TSAN ? 500 : 3000 };
  struct ovio_loop_options options = {.stack_length = 65536};
  struct ovio_loop *loop;
  struct note note = {.runs = 0};
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  for (int at = 0; at < COUNT; at++) /* all of them alive at once */
    TRY_EQ(ovio_spawn(loop, note_stack, &note), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(note.runs, COUNT);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Touches most of a stack of `length` bytes. */
static int64_t use_stack(size_t length) {
  char frame[4096];
  memset(frame, (int)(length / sizeof frame), sizeof frame);
  int64_t below =
      length > sizeof frame + 8192 ? use_stack(length - sizeof frame - 512) : 0;
  return below + frame[length % sizeof frame];
}

struct deep {
  size_t length;
  int64_t sum;
};

static void use_stack_task(void *argument) {
  struct deep *deep = argument;
  deep->sum = use_stack(deep->length);
}

static void test_stack_length(struct test *test) {
  struct ovio_loop_options options = {.stack_length = (size_t)4 << 20};
  struct ovio_loop *loop;
  /* Sanitizers make frames several times as large. */
  struct deep deep = {(size_t)1 << 20, -1};
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  for (int round = 0; round < 3; round++) {
    TRY_EQ(ovio_spawn(loop, use_stack_task, &deep), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY(deep.sum != -1);
  }
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_spawn_on(struct test *test) {
  enum { LENGTH = 256 * 1024 };
  struct ovio_loop *loop;
  struct note note = {.runs = 0};
  char *stack = malloc(LENGTH + 1);
  TRY(stack);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn_on(loop, NULL, LENGTH, note_stack, &note), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(loop, stack, 65535, note_stack, &note), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(loop, stack, LENGTH, NULL, &note), OVIO_EINVAL);
  TRY_EQ(ovio_spawn_on(NULL, stack, LENGTH, note_stack, &note), OVIO_EINVAL);
  for (int round = 0; round < 3; round++) { /* odd addresses will do, too */
    char *base = stack + round % 2;
    int error = ovio_spawn_on(loop, base, LENGTH, note_stack, &note);
    if (error == OVIO_ENOTSUP) {
      TRY_EQ(ovio_loop_destroy(loop), 0);
      free(stack);
      SKIP("fibers bring stacks of their own");
    }
    TRY_EQ(error, 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(note.runs, round + 1);
    TRY((char *)note.argument > base && (char *)note.argument < base + LENGTH);
  }
  /* With the loop's own tasks beside it, and left to the loop's end. */
  TRY_EQ(ovio_spawn_on(loop, stack, LENGTH, note_stack, &note), 0);
  TRY_EQ(ovio_spawn(loop, note_stack, &note), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(note.runs, 5);
  free(stack);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- order ---- */

struct racer {
  struct race *race;
  int number;
};

struct race {
  struct racer racers[3];
  char order[32];
  int length;
};

static void run_race(void *argument) {
  struct racer *self = argument;
  for (int lap = 0; lap < 3; lap++) {
    self->race->order[self->race->length++] = (char)('a' + self->number);
    ovio_yield();
  }
}

static void test_yield_goes_round(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct race race = {.length = 0};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < 3; at++) {
    race.racers[at] = (struct racer){&race, at};
    TRY_EQ(ovio_spawn(loop, run_race, &race.racers[at]), 0);
  }
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(strcmp(race.order, "abcabcabc") == 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void yield_twice(void *argument) {
  struct outcome *posts = argument;
  ovio_yield();
  ovio_yield();
  posts[0].result += posts[0].calls == 1 ? 10 : 0;
}

static void test_yield_lets_callbacks_run(struct test *test) {
  struct outcome post = {.calls = 0};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, yield_twice, &post), 0);
  TRY_EQ(ovio_post(loop, &post.op, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(post.result, 10);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_yield_on_a_plain_thread(struct test *test) {
  ovio_yield();
  (void)test;
}

/* What is ready at once must not keep the others from their turn: `budget`. */
struct greedy {
  struct ovio_file *file;
  atomic_int *tick;
  int writes;
};

static void write_until_tick(void *argument) {
  struct greedy *self = argument;
  char byte = 0;
  while (!atomic_load(self->tick) && self->writes < 1000000) {
    if (ovio_write(&self->file[1], "x", 1, OVIO_HERE) != 1 ||
        ovio_read(&self->file[0], &byte, 1, OVIO_HERE) != 1)
      return;
    self->writes++;
  }
}

static void set_tick(void *argument) {
  atomic_store((atomic_int *)argument, 1);
}

static void test_ready_calls_have_a_budget(struct test *test) {
  ONE_THREAD("the other task has one of its own, which may be slow");
  struct pipe_files files;
  atomic_int tick = 0;
  struct greedy greedy = {&files.in, &tick, 0};
  struct ovio_loop *loop;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, write_until_tick, &greedy), 0);
  TRY_EQ(ovio_spawn(loop, set_tick, &tick), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY(greedy.writes <= 64);
  TRY_EQ(pipe_files_close(&files), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- deadlines ---- */

static void test_deadline_needs_a_task(struct test *test) {
  TRY_EQ(ovio_deadline(MS), OVIO_ENOTSUP);
}

static void deadline_in_callback(struct ovio_op *op, int64_t result) {
  (void)result;
  outcome_done(op, ovio_deadline(MS));
}

static void test_deadline_in_a_callback(struct test *test) {
  struct outcome post = {.calls = 0};
  TRY_EQ(ovio_post(test->loop, &post.op, deadline_in_callback), 0);
  AWAIT(post.calls == 1);
  TRY_EQ(post.result, OVIO_ENOTSUP);
}

static void test_deadline_ends_a_sleep(struct test *test) {
  int64_t before = os_clock_ns();
  TRY_EQ(ovio_deadline(5 * MS), 0);
  TRY_EQ(ovio_sleep(UINT64_MAX), OVIO_ETIMEDOUT);
  TRY(os_clock_ns() - before >= (int64_t)(5 * MS));
  /* Latched: all that comes later. */
  TRY_EQ(ovio_sleep(0), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_sleep(0), OVIO_ETIMEDOUT);
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("late"), OVIO_WRITE | OVIO_CREATE, 0600),
         OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0); /* lifted */
  TRY_EQ(ovio_sleep(1), 0);
}

/* The loop has no turn in which to tell the task; the clock can, also before a
 * call that would be done at once. */
static void test_deadline_between_two_calls(struct test *test) {
  struct pipe_files files;
  char byte = 0;
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_write(&files.out, "x", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_deadline(1), 0);
  int64_t until = os_clock_ns() + (int64_t)MS;
  while (os_clock_ns() < until)
    ;
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(byte, 0);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), 1);
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_deadline_is_replaced(struct test *test) {
  TRY_EQ(ovio_deadline(1), 0);
  TRY_EQ(ovio_deadline(3600 * 1000 * MS), 0);
  TRY_EQ(ovio_sleep(2 * MS), 0);
  TRY_EQ(ovio_deadline(UINT64_MAX), 0); /* as good as none */
  TRY_EQ(ovio_sleep(1), 0);
  TRY_EQ(ovio_deadline(1), 0);
  TRY_EQ(ovio_sleep(UINT64_MAX), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(3600 * 1000 * MS), 0); /* a new budget */
  TRY_EQ(ovio_sleep(1), 0);
  TRY_EQ(ovio_deadline(0), 0);
}

static void deadline_of(struct test *test, enum test_pipe_kind kind) {
  struct pipe_files files;
  char byte = 'a';
  TRY(pipe_files_open(&files, kind));
  TRY_EQ(ovio_deadline(3 * MS), 0);
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  /* The read is gone from the pipe: nobody else gets this byte. */
  TRY_EQ(ovio_write(&files.out, "b", 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'a');
  TRY_EQ(ovio_read(&files.in, &byte, 1, OVIO_HERE), 1);
  TRY_EQ(byte, 'b');
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_deadline_ends_a_read(struct test *test) {
  deadline_of(test, TEST_PIPE_OVERLAPPED);
}

static void test_deadline_ends_a_blocked_read(struct test *test) {
  deadline_of(test, TEST_PIPE_SYNC);
}

/* Of a large write, what the pipe has taken. */
static void test_bytes_moved_win(struct test *test) {
  struct pipe_files files;
  size_t length = 4 * test_pipe_room();
  char *bytes = calloc(1, length);
  int64_t in_pipe = 0;
  TRY(bytes);
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_deadline(5 * MS), 0);
  int64_t moved = ovio_write(&files.out, bytes, length, OVIO_HERE);
  TRY_EQ(ovio_deadline(0), 0);
  TRY(moved == OVIO_ETIMEDOUT || (moved > 0 && moved < (int64_t)length));
  TRY_EQ(ovio_close(&files.out), 0);
  for (;;) {
    int64_t got = ovio_read(&files.in, bytes, length, OVIO_HERE);
    TRY(got >= 0);
    if (got == 0)
      break;
    in_pipe += got;
  }
  TRY_EQ(in_pipe, moved > 0 ? moved : 0);
  TRY_EQ(ovio_close(&files.in), 0);
  free(bytes);
}

static void test_deadline_spares_close(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("spared"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(ovio_deadline(1), 0);
  TRY_EQ(ovio_sleep(UINT64_MAX), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_write(&file, "x", 1, 0), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_sleep(0), OVIO_ETIMEDOUT); /* and that stays */
  TRY_EQ(ovio_deadline(0), 0);
}

static void sleep_3_ms(void *argument) {
  struct note *note = argument;
  note->results[0] = ovio_sleep(3 * MS);
  atomic_fetch_add(&note->runs, 1);
}

static void test_deadline_spares_group_wait(struct test *test) {
  struct note note = {.runs = 0};
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, sleep_3_ms, &note), 0);
  TRY_EQ(ovio_deadline(1), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(note.runs, 1);
  TRY_EQ(note.results[0], 0); /* it is this task's deadline, not that one's */
  TRY_EQ(ovio_sleep(0), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
}

static void leave_a_deadline(void *argument) {
  struct note *note = argument;
  note->results[0] = ovio_deadline(3600 * 1000 * MS);
  note->results[1] = ovio_deadline(1);
  note->results[2] = ovio_sleep(UINT64_MAX);
  note->results[3] = ovio_deadline(2 * MS);
}

/* Neither the timer nor the latch goes to the next owner of the stack. */
static void test_deadline_ends_with_its_task(struct test *test) {
  struct ovio_loop *loop;
  struct note first = {.runs = 0};
  struct note second = {.runs = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, leave_a_deadline, &first), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(first.results[2], OVIO_ETIMEDOUT);
  TRY_EQ(first.results[3], 0);
  TRY_EQ(ovio_spawn(loop, sleep_3_ms, &second), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(second.results[0], 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- cancel ---- */

static void cancelled_calls(void *argument) {
  struct note *note = argument;
  struct ovio_file file = {{0}};
  note->results[0] = ovio_sleep(UINT64_MAX);
  note->results[1] = ovio_open(&file, "latch", OVIO_WRITE | OVIO_CREATE, 0600);
  note->results[2] = ovio_close(&file); /* EBADF: it tells, it is not refused */
  ovio_deadline(0);                     /* lifts a deadline, not a cancel */
  note->results[3] = ovio_sleep(0);
  ovio_deadline(1);
  note->results[4] = ovio_sleep(UINT64_MAX);
  atomic_fetch_add(&note->runs, 1);
}

static void test_cancel_is_latched(struct test *test) {
  struct note note = {.runs = 0};
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, cancelled_calls, &note), 0);
  ovio_yield();
  ovio_yield();
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(note.runs, 1);
  TRY_EQ(note.results[0], OVIO_ECANCELED);
  TRY_EQ(note.results[1], OVIO_ECANCELED);
  TRY_EQ(note.results[2], OVIO_EBADF);
  TRY_EQ(note.results[3], OVIO_ECANCELED);
  TRY_EQ(note.results[4], OVIO_ECANCELED);
}

struct between {
  atomic_bool ready;
  atomic_bool go_on;
  int64_t results[2];
};

/* Not in an operation when the cancel comes. */
static void compute(void *argument) {
  struct between *self = argument;
  self->results[0] = ovio_sleep(1);
  atomic_store(&self->ready, true);
  while (!atomic_load(&self->go_on))
    ovio_yield();
  self->results[1] = ovio_sleep(1);
}

static void test_cancel_between_two_calls(struct test *test) {
  struct between between = {.results = {1, 1}};
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, compute, &between), 0);
  AWAIT(atomic_load(&between.ready));
  ovio_group_cancel(&group);
  atomic_store(&between.go_on, true);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(between.results[0], 0);
  TRY_EQ(between.results[1], OVIO_ECANCELED);
}

struct keeper {
  struct ovio_file file;
  struct note note;
};

static void close_when_cancelled(void *argument) {
  struct keeper *self = argument;
  self->note.results[0] = ovio_sleep(UINT64_MAX);
  self->note.results[1] = ovio_write(&self->file, "x", 1, 0);
  self->note.results[2] = ovio_close(&self->file);
}

static void test_cancelled_task_can_close(struct test *test) {
  struct keeper keeper = {.note = {.runs = 0}};
  struct ovio_group group;
  TRY_EQ(ovio_open(&keeper.file, test_path("kept"), OVIO_WRITE | OVIO_CREATE,
                   0600),
         0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, close_when_cancelled, &keeper),
         0);
  ovio_yield();
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(keeper.note.results[0], OVIO_ECANCELED);
  TRY_EQ(keeper.note.results[1], OVIO_ECANCELED);
  TRY_EQ(keeper.note.results[2], 0);
  TRY(strcmp(ovio_file_route(&keeper.file, NULL), "closed") == 0);
}

/* ---- loop cancel ---- */

static void spawn_late(void *argument) {
  struct note *note = argument;
  note->results[0] = ovio_sleep(UINT64_MAX);
  note->results[1] =
      ovio_spawn(ovio_loop_current(), cancelled_calls, note->argument);
}

static void test_loop_cancel_drains_tasks(struct test *test) {
  enum { COUNT = 50 };
  struct ovio_loop *loop;
  static struct note notes[COUNT];
  struct note late = {.runs = 0};
  struct note spawner = {.argument = &late};
  struct outcome tick = {.calls = 0};
  struct loop_thread thread;
  memset(notes, 0, sizeof notes);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (int at = 0; at < COUNT; at++)
    TRY_EQ(ovio_spawn(loop, cancelled_calls, &notes[at]), 0);
  TRY_EQ(ovio_spawn(loop, spawn_late, &spawner), 0);
  TRY(loop_thread_start(&thread, loop));
  TRY_EQ(ovio_start_sleep(loop, &tick.op, MS, outcome_done), 0);
  AWAIT(atomic_load(&tick.calls) == 1); /* they are all in their sleep */
  ovio_loop_cancel(loop);
  TRY_EQ(loop_thread_end(&thread), 0);
  for (int at = 0; at < COUNT; at++) {
    TRY_EQ(notes[at].runs, 1);
    TRY_EQ(notes[at].results[0], OVIO_ECANCELED);
    TRY_EQ(notes[at].results[3], OVIO_ECANCELED);
  }
  TRY_EQ(spawner.results[0], OVIO_ECANCELED);
  TRY_EQ(spawner.results[1], 0);
  TRY_EQ(late.results[0], OVIO_ECANCELED);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Those that nobody has run yet, spawned before and after the cancel. */
static void test_loop_cancel_before_the_run(struct test *test) {
  struct ovio_loop *loop;
  struct note early = {.runs = 0};
  struct note late = {.runs = 0};
  struct outcome sleep = {.calls = 0};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, cancelled_calls, &early), 0);
  TRY_EQ(ovio_start_sleep(loop, &sleep.op, UINT64_MAX, outcome_done), 0);
  ovio_loop_cancel(loop);
  TRY_EQ(ovio_spawn(loop, cancelled_calls, &late), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(early.runs, 1);
  TRY_EQ(early.results[0], OVIO_ECANCELED);
  TRY_EQ(late.runs, 1);
  TRY_EQ(late.results[0], OVIO_ECANCELED);
  TRY_EQ(sleep.result, OVIO_ECANCELED);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- what a task has for itself ---- */

struct rounder {
  int mode;
  int unlike; /* times that it did not round so */
};

/* SSE and the x87 have a mode each: double and long double on x86-64. */
static bool rounds_like(int mode) {
  volatile double one = 1.0;
  volatile double little = 1e-300;
  volatile long double long_one = 1.0L;
  volatile double more = one + little;
  volatile double less = one - little;
  volatile long double long_more = long_one + little;
  volatile long double long_less = long_one - little;
  return fegetround() == mode && (more > one) == (mode == FE_UPWARD) &&
         (long_more > long_one) == (mode == FE_UPWARD) &&
         (less < one) == (mode == FE_DOWNWARD) &&
         (long_less < long_one) == (mode == FE_DOWNWARD);
}

static void round_and_yield(void *argument) {
  struct rounder *rounder = argument;
  fesetround(rounder->mode);
  for (int left = 100; left > 0; left--) {
    rounder->unlike += !rounds_like(rounder->mode);
    ovio_yield();
  }
}

static void test_rounding_is_the_tasks_own(struct test *test) {
  if (test_is_wine())
    SKIP("Wine's fibers share it; test_win32_fiber.c looks at what is asked "
         "for");
  struct ovio_loop *loop;
  struct rounder rounders[] = {{.mode = FE_UPWARD},
                               {.mode = FE_DOWNWARD},
                               {.mode = FE_TONEAREST},
                               {.mode = FE_TONEAREST}};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  for (size_t at = 0; at < 4; at++)
    TRY_EQ(ovio_spawn(loop, round_and_yield, &rounders[at]), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (size_t at = 0; at < 4; at++)
    TRY_EQ(rounders[at].unlike, 0);
  TRY_EQ(fegetround(), FE_TONEAREST);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  static const char *const why = "a deadline or a cancel needs a task";
  const struct test_case cases[] = {
      TEST_ENGINES(test_spawn),
      TEST_ENGINES(test_spawn_in_a_task),
      TEST_ENGINES(test_nested_spawn),
      TEST_ENGINES(test_spawn_from_other_threads),
      TEST_ENGINES(test_stack_is_used_again),
      TEST_ENGINES(test_thousands_of_tasks),
      TEST_ENGINES(test_stack_length),
      TEST_ENGINES(test_spawn_on),
      TEST_ENGINES(test_yield_goes_round),
      TEST_ENGINES(test_yield_lets_callbacks_run),
      TEST_PLAIN(test_yield_on_a_plain_thread, "gives up the processor"),
      TEST_ENGINES(test_ready_calls_have_a_budget),
      TEST_PLAIN(test_deadline_needs_a_task, "refused on plain threads"),
      TEST_LOOP(test_deadline_in_a_callback, why),
      TEST_LOOP(test_deadline_ends_a_sleep, why),
      TEST_LOOP(test_deadline_between_two_calls, why),
      TEST_LOOP(test_deadline_is_replaced, why),
      TEST_LOOP(test_deadline_ends_a_read, why),
      TEST_LOOP(test_deadline_ends_a_blocked_read, why),
      TEST_LOOP(test_bytes_moved_win, why),
      TEST_LOOP(test_deadline_spares_close, why),
      TEST_LOOP(test_deadline_spares_group_wait, why),
      TEST_ENGINES(test_deadline_ends_with_its_task),
      TEST_LOOP(test_cancel_is_latched, why),
      TEST_LOOP(test_cancel_between_two_calls, why),
      TEST_LOOP(test_cancelled_task_can_close, why),
      TEST_ENGINES(test_loop_cancel_drains_tasks),
      TEST_ENGINES(test_loop_cancel_before_the_run),
      TEST_ENGINES(test_rounding_is_the_tasks_own),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
