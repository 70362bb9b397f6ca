/* SPDX-License-Identifier: MIT */
/* A mixed load of a thousand tasks on one loop, watch after watch: files,
 * pipes, sleeps, deadlines, cancels and child processes. After each watch the
 * process is as large as after the first. OVIO_SOAK_SECONDS says how long in
 * all. */
#include "children.h"

#define MS UINT64_C(1000000)

enum { TASKS = 1000, WATCHES = 6, BLOCK = 512, RECORDS = 8 };

struct soak {
  struct test *test;
  struct ovio_file file; /* a place of their own in it for all */
  char path[1024];       /* of it; test_path()'s is overwritten by others */
  atomic_bool over;
  atomic_ulong operations;
};

struct hand {
  struct soak *soak;
  unsigned number;
  struct ovio_file pipe[2];
};

/* Counts an operation, which is to have this result. */
static void hand_check(struct hand *self, int line, const char *text,
                       int64_t is, int64_t wanted) {
  atomic_fetch_add(&self->soak->operations, 1);
  if (is != wanted)
    test_fail_equal(self->soak->test, __FILE__, line, text, is, wanted);
}
#define EXPECT(self, is, wanted)                                               \
  hand_check(self, __LINE__, #is, (int64_t)(is), (int64_t)(wanted))

/* ---- what a task does until the watch is over ---- */

static void use_file(struct hand *self, unsigned round) {
  unsigned char out[BLOCK];
  unsigned char in[BLOCK];
  int64_t at = ((int64_t)self->number * RECORDS + round % RECORDS) * BLOCK;
  memset(out, (int)(self->number + round), sizeof out);
  EXPECT(self, ovio_write(&self->soak->file, out, sizeof out, at), BLOCK);
  EXPECT(self, ovio_read(&self->soak->file, in, sizeof in, at), BLOCK);
  EXPECT(self, memcmp(in, out, sizeof in), 0);
}

static void open_and_close(struct hand *self, unsigned round) {
  struct ovio_file file;
  char path[1100];
  snprintf(path, sizeof path, "%s-%u", self->soak->path, self->number % 16);
  int error =
      ovio_open(&file, path, OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600);
  EXPECT(self, error, 0);
  if (error)
    return;
  EXPECT(self, ovio_write(&file, &round, sizeof round, 0), sizeof round);
  EXPECT(self, ovio_close(&file), 0);
}

/* To itself, and a read that a deadline ends. */
static void use_pipe(struct hand *self, unsigned round) {
  char byte = 0;
  EXPECT(self, ovio_write(&self->pipe[1], "p", 1, OVIO_HERE), 1);
  EXPECT(self, ovio_read(&self->pipe[0], &byte, 1, OVIO_HERE), 1);
  if (round % 8)
    return;
  ovio_deadline(MS / 2);
  EXPECT(self, ovio_read(&self->pipe[0], &byte, 1, OVIO_HERE), OVIO_ETIMEDOUT);
  ovio_deadline(0);
}

static void run_child(struct hand *self) {
  struct child child;
  struct ovio_output output;
  child_prepare(&child, "say", "out", "error");
  EXPECT(self, ovio_run(&child.options, &output), 0);
  EXPECT(self, child_output_is(&output, "out", "error"), true);
}

static void hand_main(void *argument) {
  struct hand *self = argument;
  bool piped = self->number % 10 == 1 && ovio_pipe(self->pipe, 0) == 0;
  for (unsigned round = 0; !atomic_load(&self->soak->over); round++) {
    if (self->number == 0)
      run_child(self);
    else if (piped)
      use_pipe(self, round);
    else if (self->number % 10 == 2)
      open_and_close(self, round);
    else if (self->number % 10 == 3)
      EXPECT(self, ovio_sleep(MS), 0);
    else
      use_file(self, round);
    if (round % 4 == 0)
      ovio_yield();
  }
  for (int end = 0; end < 2 && piped; end++)
    EXPECT(self, ovio_close(&self->pipe[end]), 0);
}

/* Sleeps until it is cancelled. */
static void sleeper_main(void *argument) {
  *(int *)argument = ovio_sleep(UINT64_MAX);
}

/* ---- watches ---- */

struct size {
  long memory;
  unsigned long handles;
  unsigned long threads;
  unsigned long resident_kb;
};

static struct size size_now(void) {
  return (struct size){memory_alive, test_handles_open(), test_threads_alive(),
                       test_resident_kb()};
}

static void watch(struct test *test, struct soak *soak, uint64_t duration_ns) {
  static struct hand hands[TASKS];
  struct ovio_group group;
  struct ovio_group sleepers;
  int results[50];
  ovio_group_init(&group);
  ovio_group_init(&sleepers);
  atomic_store(&soak->over, false);
  for (unsigned at = 0; at < 50; at++)
    ovio_group_spawn(&sleepers, test->loop, sleeper_main, &results[at]);
  for (unsigned at = 0; at < TASKS; at++) {
    hands[at] = (struct hand){.soak = soak, .number = at};
    ovio_group_spawn(&group, test->loop, hand_main, &hands[at]);
  }
  ovio_sleep(duration_ns);
  atomic_store(&soak->over, true);
  ovio_group_wait(&group);
  ovio_group_cancel(&sleepers);
  ovio_group_wait(&sleepers);
  for (unsigned at = 0; at < 50; at++)
    TRY_EQ(results[at], OVIO_ECANCELED);
}

static double soak_seconds(void) {
  const char *asked = getenv("OVIO_SOAK_SECONDS");
  double seconds = asked ? strtod(asked, NULL) : 1.5;
  return seconds / WATCHES;
}

static void test_mixed_load(struct test *test) {
  static struct soak soak;
  struct size settled = {0};
  soak.test = test;
  soak.operations = 0;
  snprintf(soak.path, sizeof soak.path, "%s", test_path("soak"));
  TRY_EQ(ovio_open(&soak.file, soak.path, OVIO_READ | OVIO_WRITE | OVIO_CREATE,
                   0600),
         0);
  for (int round = 0; round < WATCHES; round++) {
    watch(test, &soak, (uint64_t)(soak_seconds() * 1e9));
    struct size now = size_now();
    printf("watch %d: %lu operations, %ld allocations, %lu handles, %lu "
           "threads, %lu KiB\n",
           round + 1, atomic_load(&soak.operations), now.memory, now.handles,
           now.threads, now.resident_kb);
    TRY(!test->failure[0]);
    if (round < 2 || now.threads > settled.threads)
      settled = now; /* workers still come, each with memory and handles */
    TRY(now.handles <= settled.handles);
    TRY(now.memory <= settled.memory + TASKS); /* the pool's stacks */
    TRY(now.resident_kb <= settled.resident_kb + settled.resident_kb / 4);
  }
  TRY_EQ(ovio_close(&soak.file), 0);
}

int main(int argc, char **argv) {
  CHILDREN(argc, argv);
  static const struct test_case cases[] = {
      TEST_LOOP(test_mixed_load, "a thousand tasks"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
