/* SPDX-License-Identifier: MIT */
/* A loop that is run by a thread which is a fiber already. */
#include "win32/native.h"

#include "scene.h"

#define MS UINT64_C(1000000)

struct scene {
  struct test *test;
  struct ovio_loop *loop;
  void *home; /* the thread's first fiber; NULL: there was none */
  void *before;
  void *after;
  bool was_fiber;
  bool is_fiber;
  int64_t result;
  int tasks;
};

/* Its address is taken from the thread's own segment, which gcc 12 takes for
 * an array of no elements. */
static void *current_fiber(void) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
  return IsThreadAFiber() ? GetCurrentFiber() : NULL;
#pragma GCC diagnostic pop
}

static void count_task(void *argument) {
  struct scene *scene = argument;
  if (ovio_sleep(MS) == 0 && IsThreadAFiber())
    scene->tasks++;
}

static void run_loop(struct scene *scene) {
  scene->was_fiber = IsThreadAFiber() != 0;
  scene->before = current_fiber();
  scene->result = 0;
  for (int at = 0; at < 3; at++)
    scene->result |= ovio_spawn(scene->loop, count_task, scene);
  scene->result |= ovio_loop_run(scene->loop);
  scene->is_fiber = IsThreadAFiber() != 0;
  scene->after = current_fiber();
}

static void check(struct test *test, const struct scene *scene, int tasks) {
  TRY_EQ(scene->result, 0);
  TRY_EQ(scene->tasks, tasks);
  TRY(scene->was_fiber == scene->is_fiber); /* as it was before the run */
  TRY(scene->before == scene->after);
}

/* A thread that was none is none again after the run. */
static void test_plain_thread_stays_one(struct test *test) {
  struct scene scene = {.tasks = 0};
  TRY(!IsThreadAFiber());
  TRY_EQ(test_loop_create(test, &scene.loop, NULL), 0);
  for (int round = 1; round <= 3 && !test->failure[0]; round++) {
    run_loop(&scene);
    check(test, &scene, 3 * round);
    TRY(!scene.is_fiber);
  }
  TRY_EQ(ovio_loop_destroy(scene.loop), 0);
}

static void test_run_by_a_converted_thread(struct test *test) {
  struct scene scene = {.tasks = 0};
  TRY_EQ(test_loop_create(test, &scene.loop, NULL), 0);
  TRY(ConvertThreadToFiber(NULL) != NULL);
  for (int round = 1; round <= 3 && !test->failure[0]; round++) {
    run_loop(&scene);
    check(test, &scene, 3 * round);
    TRY(scene.was_fiber);
  }
  ConvertFiberToThread();
  TRY_EQ(ovio_loop_destroy(scene.loop), 0);
}

static void WINAPI fiber_main(void *argument) {
  struct scene *scene = argument;
  for (;;) {
    run_loop(scene);
    SwitchToFiber(scene->home);
  }
}

/* Not from the thread's first fiber, but from one that was made later; and
 * once from this one, once from that one. */
static void test_run_by_another_fiber(struct test *test) {
  struct scene scene = {.tasks = 0};
  TRY_EQ(test_loop_create(test, &scene.loop, NULL), 0);
  scene.home = ConvertThreadToFiber(NULL);
  TRY(scene.home);
  void *fiber = CreateFiber(0, fiber_main, &scene);
  TRY(fiber);
  for (int round = 0; round < 2 && !test->failure[0]; round++) {
    SwitchToFiber(fiber);
    check(test, &scene, 6 * round + 3);
    TRY(scene.before == fiber);
    run_loop(&scene);
    check(test, &scene, 6 * round + 6);
    TRY(scene.before == scene.home);
  }
  DeleteFiber(fiber);
  ConvertFiberToThread();
  TRY_EQ(ovio_loop_destroy(scene.loop), 0);
}

static void thread_main(void *argument) {
  run_loop(argument);
}

/* Stacks made and used on one thread go on on another. */
static void test_stacks_change_threads(struct test *test) {
  struct scene scene = {.tasks = 0};
  struct os_thread thread;
  TRY_EQ(test_loop_create(test, &scene.loop, NULL), 0);
  for (int round = 1; round <= 4 && !test->failure[0]; round++) {
    if (round % 2) {
      run_loop(&scene);
    } else {
      TRY_EQ(os_thread_start(&thread, thread_main, &scene), 0);
      os_thread_join(&thread);
    }
    check(test, &scene, 3 * round);
  }
  TRY_EQ(ovio_loop_destroy(scene.loop), 0);
}

/* ---- the rounding mode, which Wine's fibers share ---- */

static struct native_calls real;
static atomic_int unlike;

static LPVOID WINAPI shim_CreateFiberEx(SIZE_T commit, SIZE_T reserve,
                                        DWORD flags, LPFIBER_START_ROUTINE body,
                                        LPVOID argument) {
  unlike += flags != FIBER_FLAG_FLOAT_SWITCH;
  return real.CreateFiberEx(commit, reserve, flags, body, argument);
}

static LPVOID WINAPI shim_ConvertThreadToFiberEx(LPVOID argument, DWORD flags) {
  unlike += flags != FIBER_FLAG_FLOAT_SWITCH;
  return real.ConvertThreadToFiberEx(argument, flags);
}

static void test_rounding_is_asked_for(struct test *test) {
  struct scene scene = {.tasks = 0};
  real = native;
  native.CreateFiberEx = shim_CreateFiberEx;
  native.ConvertThreadToFiberEx = shim_ConvertThreadToFiberEx;
  TRY_EQ(test_loop_create(test, &scene.loop, NULL), 0);
  run_loop(&scene);
  native = real;
  check(test, &scene, 3);
  TRY_EQ(unlike, 0);
  TRY_EQ(ovio_loop_destroy(scene.loop), 0);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_ENGINES(test_plain_thread_stays_one),
      TEST_ENGINES(test_run_by_a_converted_thread),
      TEST_ENGINES(test_run_by_another_fiber),
      TEST_ENGINES(test_stacks_change_threads),
      TEST_ENGINES(test_rounding_is_asked_for),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
