/* SPDX-License-Identifier: MIT */
/* THE MATRIX. Every scene is played with every native call that it makes
 * failing at its k-th use, for every k, once and from then on, with each error
 * that the call can give; and every allocation likewise. Each time: a right
 * result or the error's own name, nothing leaked, and afterwards the same loop
 * plays the scene without fault.
 *
 * All errors come at a call's first use; at later ones one each, in turns,
 * unless OVIO_TEST_FAULTS=all. */
#include "faults/faults.h"
#include "faults/scenes.h"
#include "children.h"

/* The allocations, as one more call. */
#define MEMORY fault_call_count

static struct {
  struct test *test;
  const struct fault_scene *scene;
  char folder[1024];
  struct fault_plan plan;
  /* What the matrix came to. */
  unsigned long calls, uses, runs, struck, right;
  unsigned long allocations; /* of the last play */
} matrix;

/* ---- one play ---- */

static void faults_on(const struct fault_plan *plan) {
  matrix.plan = *plan;
  matrix.allocations = memory_count;
  memory_fail_all_after = plan->lasting;
  memory_fail_at = plan->call == MEMORY ? plan->at : 0;
  fault_on(plan);
}

static void faults_off(void) {
  fault_off();
  memory_fail_at = 0;
  memory_fail_all_after = false;
}

struct play {
  int64_t result;
  bool done;
};

static void play_in_task(void *argument) {
  struct play *play = argument;
  play->result = matrix.scene->play(matrix.folder);
  play->done = true;
}

/* A run that a fault has ended goes on without it. */
static int64_t play_on(struct ovio_loop *loop) {
  struct play play = {.done = false};
  int error = ovio_spawn(loop, play_in_task, &play);
  if (error)
    return error;
  int ran = ovio_loop_run(loop);
  if (ran < 0) {
    faults_off();
    int again = ovio_loop_run(loop);
    if (again < 0)
      return __LINE__;
  }
  return play.done ? (play.result ? play.result : ran) : __LINE__;
}

/* ---- what is allowed ---- */

static bool has_struck(void) {
  const struct fault_plan *plan = &matrix.plan;
  if (plan->call != MEMORY)
    return fault_struck() > 0;
  return plan->at > 0 && memory_fail_at <= (plan->lasting ? 1u : 0u);
}

static const char *call_name(size_t call) {
  return call == MEMORY ? "memory" : fault_calls[call].name;
}

static const char *told(const char *what, int64_t result) {
  static char text[400];
  snprintf(text, sizeof text, "%s: %s, use %u, error %lu%s: %s %s (%lld)",
           matrix.scene->name, call_name(matrix.plan.call), matrix.plan.at,
           (unsigned long)matrix.plan.error.native,
           matrix.plan.lasting ? " and from then on" : "", what,
           result < 0 ? ovio_error_name((int)result) : "", (long long)result);
  return text;
}

static bool is_named_rightly(int64_t result) {
  const struct fault_error *error = &matrix.plan.error;
  if (error->name == FAULT_RIGHT)
    return false;
  if (error->name && result == error->name)
    return true;
  return error->native && result == fault_name(error->native);
}

/* Ends the faults. */
static void judge(int64_t result) {
  struct test *test = matrix.test;
  bool struck = has_struck();
  faults_off();
  matrix.allocations = memory_count - matrix.allocations;
  fault_scene_tidy(matrix.folder);
  if (result == FAULT_SCENE_SHORT && struck)
    result = 0;
  matrix.struck += struck;
  matrix.right += struck && result == 0;
  if (result > 0 || (result < 0 && (!struck || !is_named_rightly(result))))
    test_fail(test, __FILE__, __LINE__, told("answers", result));
}

/* Once more, without a fault. */
static void judge_again(int64_t result) {
  struct test *test = matrix.test;
  fault_scene_tidy(matrix.folder);
  if (result != 0)
    test_fail(test, __FILE__, __LINE__, told("then answers", result));
}

/* ---- one cell of the matrix ---- */

static void play_plain(const struct fault_plan *plan) {
  faults_on(plan);
  judge(matrix.scene->play(matrix.folder));
  if (!matrix.test->failure[0])
    judge_again(matrix.scene->play(matrix.folder));
}

static void play_looped(const struct fault_plan *plan) {
  struct test *test = matrix.test;
  struct ovio_loop *loop = NULL;
  faults_on(plan);
  int64_t result = test_loop_create(test, &loop, NULL);
  judge(result == 0 ? play_on(loop) : result);
  if (loop && !test->failure[0])
    judge_again(play_on(loop));
  if (loop && ovio_loop_destroy(loop) != 0 && !test->failure[0])
    test_fail(test, __FILE__, __LINE__, told("the loop is left busy", 0));
}

static void check_leaks(long memory, unsigned long handles) {
  struct test *test = matrix.test;
  if (test->failure[0])
    return;
  if (memory_alive != memory)
    test_fail(test, __FILE__, __LINE__,
              told("allocations left", memory_alive - memory));
  else if (test_handles_open() != handles)
    test_fail(
        test, __FILE__, __LINE__,
        told("handles left", (int64_t)test_handles_open() - (int64_t)handles));
}

static void play_once(const struct fault_plan *plan) {
  long memory = memory_alive;
  unsigned long handles = test_handles_open();
  if (getenv("OVIO_TEST_FAULTS_TELL")) {
    matrix.plan = *plan;
    fprintf(stderr, "%s\n", told("...", 0));
  }
  matrix.runs++;
  if (matrix.test->mode->loop)
    play_looped(plan);
  else
    play_plain(plan);
  check_leaks(memory, handles);
}

/* ---- the matrix ---- */

static bool wants_all(void) {
  const char *asked = getenv("OVIO_TEST_FAULTS");
  return asked && strcmp(asked, "all") == 0;
}

/* Wine takes 30 ms for a play, and sanitizers are slow. */
static bool is_in_short(void) {
  return (test_is_wine() || SCENE_SANITIZED) && !wants_all();
}

static bool passes(size_t call, uint32_t native) {
  return call != MEMORY &&
         (fault_calls[call].passing || fault_is_passing(native));
}

/* The errors for a use: all of them, or the use's own. */
static void fail_use(size_t call, unsigned at, bool lasting) {
  const size_t count = call == MEMORY ? 1 : fault_calls[call].count;
  for (size_t e = 0; e < count && !matrix.test->failure[0]; e++) {
    struct fault_plan plan = {call, at, {0, OVIO_ENOMEM}, lasting};
    if (call != MEMORY)
      plan.error = fault_calls[call].errors[e];
    bool all = at == 1 ? !(lasting && is_in_short()) : wants_all();
    bool turn = all || e == at % count;
    if (turn && !(lasting && passes(call, plan.error.native)))
      play_once(&plan);
  }
}

/* In short: of later uses, one in six; lasting faults begin at the first. */
static void fail_call(size_t call, unsigned uses) {
  matrix.calls += uses > 0;
  matrix.uses += uses;
  for (unsigned at = 1; at <= uses && !matrix.test->failure[0]; at++) {
    bool first = at == 1 || !is_in_short();
    if (first || (at + call) % 6 == 0)
      fail_use(call, at, false);
    if (first)
      fail_use(call, at, true);
  }
}

/* How often each call is used when nothing fails. */
static void count_uses(unsigned uses[]) {
  const struct fault_plan none = {MEMORY, 0, {0, 0}, false};
  play_once(&none);
  uses[MEMORY] = (unsigned)matrix.allocations;
  for (size_t call = 0; call < fault_call_count; call++)
    uses[call] = fault_uses(call);
}

static void fail_scene(const struct fault_scene *scene) {
  unsigned uses[257];
  matrix.scene = scene;
  matrix.calls = matrix.uses = matrix.runs = matrix.struck = matrix.right = 0;
  count_uses(uses);
  for (size_t call = 0; call <= fault_call_count; call++)
    fail_call(call, uses[call]);
  printf("%s: %lu calls, %lu uses, %lu runs, %lu struck, %lu of them with the "
         "right result\n",
         scene->name, matrix.calls, matrix.uses, matrix.runs, matrix.struck,
         matrix.right);
  fflush(stdout);
}

static void test_matrix(struct test *test) {
  const char *only = getenv("OVIO_TEST_FAULTS_SCENE");
  matrix.test = test;
  snprintf(matrix.folder, sizeof matrix.folder, "%s", test_path("faults"));
  TRY(test_make_folder(matrix.folder));
  for (size_t at = 0; at < fault_scene_count && !test->failure[0]; at++) {
    if (!only || strcmp(only, fault_scenes[at].name) == 0)
      fail_scene(&fault_scenes[at]);
  }
  fault_scene_tidy(matrix.folder);
  ovio_rmdir(NULL, matrix.folder);
}

int main(int argc, char **argv) {
  CHILDREN(argc, argv);
  if (!fault_begin())
    return 1;
  const struct test_case cases[] = {
      TEST_ENGINES(test_matrix),
      TEST_PLAIN(test_matrix, "the engines come by themselves"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
