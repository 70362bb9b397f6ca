/* SPDX-License-Identifier: MIT */
/* Every allocation made to fail in turn: each call answers rightly or with
 * OVIO_ENOMEM, nothing leaks, and afterwards everything works; and no operation
 * allocates at all. */
#include "scene.h"

/* ---- the scenario ---- */

struct scene {
  struct test *test;
  struct pipe_files pipes[2];
  bool pipe_open[2];
  int steps; /* that succeeded */
  bool wrong;
};

enum { STEPS = 11 };

/* A right result, or out of memory. */
static bool step(struct scene *scene, int64_t result, int64_t wanted) {
  if (result == wanted)
    scene->steps++;
  else if (result != OVIO_ENOMEM)
    scene->wrong = true;
  return result == wanted;
}

static void write_pipe(void *argument) {
  struct scene *scene = argument;
  for (int at = 0; at < 2; at++) {
    if (scene->pipe_open[at])
      step(scene, ovio_write(&scene->pipes[at].out, "ab", 2, OVIO_HERE), 2);
  }
}

static void use_pipes(struct scene *scene) {
  for (int at = 0; at < 2; at++) {
    char text[2];
    if (!scene->pipe_open[at])
      continue;
    /* The writer may have had no memory: then there is nothing to wait for. */
    ovio_deadline(scene->steps >= 8 ? 0 : 1);
    int64_t got = ovio_read(&scene->pipes[at].in, text, 2, OVIO_HERE);
    ovio_deadline(0);
    if (got != OVIO_ETIMEDOUT)
      step(scene, got, 2);
  }
}

static void use_file(struct scene *scene) {
  struct ovio_file file;
  const unsigned flags = OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE;
  char text[4];
  if (!step(scene, ovio_open(&file, test_path("memory"), flags, 0600), 0))
    return;
  step(scene, ovio_write(&file, "text", 4, 0), 4);
  int64_t got = ovio_read(&file, text, 4, 0);
  step(scene, got == 0 ? 4 : got, 4); /* the write may have failed */
  step(scene, ovio_truncate(&file, 2), 0);
  step(scene, ovio_close(&file), 0); /* never for want of memory */
}

static void scene_main(void *argument) {
  struct scene *scene = argument;
  struct ovio_group group;
  ovio_group_init(&group);
  use_file(scene);
  step(scene, ovio_sleep(1), 0);
  step(scene, ovio_group_spawn(&group, ovio_loop_current(), write_pipe, scene),
       0);
  ovio_group_wait(&group);
  use_pipes(scene);
}

static void play(struct test *test, struct scene *scene) {
  struct ovio_loop *loop;
  *scene = (struct scene){.test = test};
  int error = test_loop_create(test, &loop, NULL);
  if (error) {
    TRY_EQ(error, OVIO_ENOMEM);
    return;
  }
  for (int at = 0; at < 2; at++)
    scene->pipe_open[at] = pipe_files_open(
        &scene->pipes[at], at ? TEST_PIPE_SYNC : TEST_PIPE_OVERLAPPED);
  error = ovio_spawn(loop, scene_main, scene);
  int ran = ovio_loop_run(loop);
  for (int at = 0; at < 2; at++) {
    if (scene->pipe_open[at])
      TRY_EQ(pipe_files_close(&scene->pipes[at]), 0);
  }
  TRY(error == 0 || error == OVIO_ENOMEM);
  TRY_EQ(ran, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY(!scene->wrong);
}

static void fail_each(struct test *test, bool from_then_on) {
  struct scene scene;
  unsigned long at = 0;
  long before = memory_alive;
  do {
    at++;
    memory_fail_at = at;
    memory_fail_all_after = from_then_on;
    play(test, &scene);
    bool reached = memory_fail_at <= (from_then_on ? 1 : 0);
    memory_fail_all_after = false;
    memory_fail_at = 0;
    if (test->failure[0])
      return;
    TRY_EQ(memory_alive, before);
    if (!reached)
      break;
  } while (at < 1000);
  TRY(at < 1000);
  play(test, &scene); /* with all the memory there is */
  TRY(scene.steps >= STEPS);
  printf("allocations made to fail%s: %lu\n",
         from_then_on ? ", and all after them" : "", at - 1);
}

static void test_each_allocation_fails_once(struct test *test) {
  ONE_THREAD("a run of several threads needs memory");
  fail_each(test, false);
}

static void test_all_fail_from_each_on(struct test *test) {
  ONE_THREAD("a run of several threads needs memory");
  fail_each(test, true);
}

/* ---- no allocation per operation ---- */

enum { ROUNDS = 1000, DEPTH = 32 };

static bool make_file(struct ovio_file *file) {
  static const char bytes[4096];
  return ovio_open(file, test_path("steady"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600) == 0 &&
         ovio_write(file, bytes, sizeof bytes, 0) == sizeof bytes;
}

static void test_reads_allocate_nothing(struct test *test) {
  struct ovio_file file;
  char bytes[512];
  TRY(make_file(&file));
  /* The workers come: a second one, if the first is not back in time. */
  for (int round = 0; round < ROUNDS; round++)
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 0), 512);
  unsigned long before = memory_count;
  for (int round = 0; round < ROUNDS; round++) {
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 512), 512);
    TRY_EQ(ovio_seek(&file, 0, SEEK_SET), 0);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 512);
    TRY_EQ(ovio_sleep(0), 0);
  }
  unsigned long made = memory_count - before;
  printf("allocations in %d operations: %lu\n", 4 * ROUNDS, made);
  TRY_EQ(made, 0);
  TRY_EQ(ovio_close(&file), 0);
}

static struct {
  struct ovio_file *file;
  char bytes[DEPTH][512];
  struct outcome ops[DEPTH];
  int left;
  int bad;
} many;

static void read_again(struct ovio_op *op, int64_t result) {
  ptrdiff_t at = (struct outcome *)(void *)op - many.ops;
  many.bad += result != 512;
  if (many.left-- > 0)
    many.bad += ovio_start_read(ovio_loop_current(), op, many.file,
                                many.bytes[at], 512, 512, read_again) != 0;
}

static void burst(struct test *test, struct ovio_loop *loop, int rounds) {
  many.left = rounds;
  for (int at = 0; at < DEPTH; at++)
    TRY_EQ(ovio_start_read(loop, &many.ops[at].op, many.file, many.bytes[at],
                           512, 0, read_again),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(many.bad, 0);
}

static void test_callbacks_allocate_nothing(struct test *test) {
  ONE_THREAD("workers come later then");
  struct ovio_file file;
  struct ovio_loop *loop;
  struct ovio_loop_options options = {.max_workers = 4};
  TRY(make_file(&file));
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  memset(&many, 0, sizeof many);
  many.file = &file;
  burst(test, loop, ROUNDS); /* the workers come */
  unsigned long before = memory_count;
  burst(test, loop, ROUNDS);
  unsigned long made = memory_count - before;
  printf("allocations in %d callbacks at depth %d: %lu\n", ROUNDS, DEPTH, made);
  TRY_EQ(made, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- everything goes back ---- */

/* The runner counts memory, handles and threads before and after. */
static void test_two_hundred_times(struct test *test) {
  struct scene scene;
  for (int round = 0; round < scene_rounds(200); round++) {
    struct ovio_loop *loop;
    play(test, &scene);
    if (test->failure[0])
      return;
    TRY_EQ(test_loop_create(test, &loop, NULL), 0);
    TRY_EQ(ovio_loop_destroy(loop), 0);
  }
}

int main(void) {
  const struct test_case cases[] = {
      TEST_PLAIN(test_each_allocation_fails_once, "makes its own loops"),
      TEST_PLAIN(test_all_fail_from_each_on, "makes its own loops"),
      TEST(test_reads_allocate_nothing),
      TEST_PLAIN(test_callbacks_allocate_nothing, "makes its own loops"),
      TEST_PLAIN(test_two_hundred_times, "makes its own loops"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
