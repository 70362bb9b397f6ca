/* SPDX-License-Identifier: MIT */
/* Runs each test body from a plain thread and as a task on a loop of every
 * engine, and checks afterwards that nothing was leaked. */
#include "support.h"

struct run {
  const struct test_case *test_case;
  const struct test_mode *mode;
  char name[128];
  bool skipped;
};

atomic_bool test_no_try;
bool test_no_try_anywhere;

static const char *const test__skipped = "skipped";
static atomic_flag test__lock = ATOMIC_FLAG_INIT;

/* ---- failures ---- */

static void test__record(struct test *test, const char *text) {
  while (atomic_flag_test_and_set(&test__lock))
    os_thread_yield();
  if (!test->failure[0])
    snprintf(test->failure, sizeof test->failure, "%s", text);
  atomic_flag_clear(&test__lock);
}

void test_fail(struct test *test, const char *file, int line,
               const char *text) {
  char failure[512];
  snprintf(failure, sizeof failure, "%s:%d: %s (native error %lu)", file, line,
           text, (unsigned long)ovio_native_error());
  test__record(test, failure);
}

void test_fail_equal(struct test *test, const char *file, int line,
                     const char *text, int64_t is, int64_t wanted) {
  char failure[512];
  snprintf(failure, sizeof failure,
           "%s:%d: %s is %lld (%s), wanted %lld (%s), native error %lu", file,
           line, text, (long long)is, ovio_error_name((int)is),
           (long long)wanted, ovio_error_name((int)wanted),
           (unsigned long)ovio_native_error());
  test__record(test, failure);
}

void test_skip(struct test *test, const char *reason) {
  printf("SKIP: %s\n", reason);
  fflush(stdout);
  test__record(test, test__skipped);
}

bool test_is_posix(void) {
  return !os_path_separates('\\');
}

/* ---- running ---- */

unsigned test_threads(void) {
  const char *asked = getenv("OVIO_TEST_THREADS");
  return asked ? (unsigned)strtoul(asked, NULL, 10) : 0;
}

int test_loop_create(struct test *test, struct ovio_loop **loop,
                     struct ovio_loop_options *options) {
  struct ovio_loop_options plain = {0};
  if (!options)
    options = &plain;
  options->size = sizeof *options;
  if (test->mode->loop)
    options->engine = test->mode->engine;
  if (!options->threads)
    options->threads = test_threads();
  return ovio_loop_create(loop, options);
}

struct start {
  struct test *test;
  test_body *body;
};

static void test__task(void *argument) {
  struct start *start = argument;
  start->body(start->test);
}

static void test__run_on_loop(struct test *test, test_body *body) {
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  test->loop = loop;
  struct start start = {test, body};
  TRY_EQ(ovio_spawn(loop, test__task, &start), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  test->loop = NULL;
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test__check_leaks(struct test *test, long memory,
                              unsigned long handles, unsigned long threads) {
  TRY_EQ(memory_alive, memory);
  /* A joined thread may be listed for another moment, now and before. */
  for (int round = 0; round < 200 && test_threads_alive() > threads; round++)
    os_sleep_ns(5000000);
  if (test_threads_alive() > threads)
    TRY_EQ(test_threads_alive(), threads);
  TRY_EQ(test_handles_open(), handles);
}

/* Before counting: the first use of a thing may leave it in a cache. */
static void test__warm_body(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("warm"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(ovio_write(&file, "warm", 4, 0), 4);
  TRY_EQ(ovio_sleep(1), 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test__warm_up(struct test *test) {
  static bool warm;
  if (warm)
    return;
  warm = true;
  ovio_handle ends[2]; /* Winsock keeps an event of its own */
  struct ovio_file files[2];
  if (test_socket_pair(ends)) {
    for (int at = 0; at < 2; at++) {
      TRY_EQ(ovio_adopt(&files[at], ends[at], OVIO_READ), 0);
      TRY_EQ(ovio_close(&files[at]), 0);
    }
  }
  test__warm_body(test);
  test__run_on_loop(test, test__warm_body);
}

/* A kernel or a sandbox may refuse io_uring. */
static bool test__mode_works(const struct test_mode *mode) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = mode->engine};
  struct ovio_loop *loop;
  int error = ovio_loop_create(&loop, &options);
  return error ? error != OVIO_ENOTSUP : ovio_loop_destroy(loop) == 0;
}

static void test__run(void **state) {
  struct run *run = *state;
  struct test test = {.mode = run->mode};
  atomic_store(&test_no_try, test_no_try_anywhere ||
                                 run->mode->engine == OVIO_ENGINE_POLL ||
                                 run->mode->engine == OVIO_ENGINE_URING);
  if (!test__mode_works(run->mode)) {
    printf("SKIP: mode %s: the system does not let us\n", run->mode->name);
    run->skipped = true;
    skip();
  }
  test_folder();
  test__warm_up(&test);
  long memory = memory_alive;
  unsigned long handles = test_handles_open();
  unsigned long threads = test_threads_alive();
  if (run->mode->loop && !run->test_case->own_loops)
    test__run_on_loop(&test, run->test_case->body);
  else
    run->test_case->body(&test);
  if (!test.failure[0])
    test__check_leaks(&test, memory, handles, threads);
  run->skipped = strcmp(test.failure, test__skipped) == 0;
  if (run->skipped)
    skip();
  if (test.failure[0])
    fail_msg("%s", test.failure);
}

/* The engine of a loop that asks for none. */
static bool test__is_default(const struct test_mode *mode) {
  struct ovio_loop *loop;
  if (ovio_loop_create(&loop, NULL) != 0)
    return false;
  bool same = strcmp(ovio_loop_engine(loop), mode->name) == 0;
  return ovio_loop_destroy(loop) == 0 && same;
}

static bool test__is_wanted(const struct test_mode *mode) {
  return test_threads() == 0 || (mode->loop && (getenv("OVIO_TEST_ENGINES") ||
                                                test__is_default(mode)));
}

static bool test__applies(const struct test_case *test_case,
                          const struct test_mode *mode) {
  if (!test__is_wanted(mode))
    return false;
  return mode->loop ? !test_case->plain_only : !test_case->loop_only;
}

static void test__tell_modes(const struct test_case *cases, size_t count) {
  for (size_t m = 0; m < test_mode_count; m++) {
    size_t ran = 0;
    for (size_t c = 0; c < count; c++)
      ran += test__applies(&cases[c], &test_modes[m]);
    printf("mode %s: %zu of %zu cases\n", test_modes[m].name, ran, count);
  }
  for (size_t c = 0; c < count; c++) {
    if (cases[c].plain_only)
      printf("plain only: %s: %s\n", cases[c].name, cases[c].plain_only);
    if (cases[c].loop_only)
      printf("loop only: %s: %s\n", cases[c].name, cases[c].loop_only);
  }
  fflush(stdout);
}

bool test_reasons_are_given(const struct test_case *cases, size_t count) {
  bool given = true;
  for (size_t c = 0; c < count; c++) {
    const char *plain = cases[c].plain_only;
    const char *loop = cases[c].loop_only;
    if ((plain && !plain[0]) || (loop && !loop[0]) || (plain && loop)) {
      fprintf(stderr, "%s: which mode is left out, and why?\n", cases[c].name);
      given = false;
    }
  }
  return given;
}

static void test__tell_results(const struct run *runs, size_t used) {
  for (size_t m = 0; m < test_mode_count; m++) {
    size_t ran = 0;
    size_t skipped = 0;
    for (size_t r = 0; r < used; r++) {
      if (runs[r].mode == &test_modes[m])
        *(runs[r].skipped ? &skipped : &ran) += 1;
    }
    printf("mode %s: %zu ran, %zu skipped\n", test_modes[m].name, ran, skipped);
    for (size_t r = 0; r < used; r++) {
      if (runs[r].mode == &test_modes[m] && runs[r].skipped)
        printf("  skipped: %s\n", runs[r].test_case->name);
    }
  }
  fflush(stdout);
}

int test_main(const struct test_case *cases, size_t count) {
  if (!test_reasons_are_given(cases, count))
    return 1;
  size_t most = count * test_mode_count;
  struct run *runs = calloc(most, sizeof *runs);
  struct CMUnitTest *tests = calloc(most, sizeof *tests);
  if (!runs || !tests)
    return 1;
  size_t used = 0;
  for (size_t c = 0; c < count; c++) {
    for (size_t m = 0; m < test_mode_count; m++) {
      if (!test__applies(&cases[c], &test_modes[m]))
        continue;
      struct run *run = &runs[used];
      *run = (struct run){&cases[c], &test_modes[m], "", false};
      snprintf(run->name, sizeof run->name, "%s [%s]", cases[c].name,
               test_modes[m].name);
      tests[used++] =
          (struct CMUnitTest){run->name, test__run, NULL, NULL, run};
    }
  }
  test__tell_modes(cases, count);
  int failed = _cmocka_run_group_tests("ovio", tests, used, NULL, NULL);
  test__tell_results(runs, used);
  test_folder_remove();
  free(tests);
  free(runs);
  return failed;
}

/* ---- files, by other means ---- */

const char *test_path(const char *name) {
  static char paths[8][1024];
  static atomic_uint next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
  return path;
}

bool test_put(const char *path, const void *bytes, size_t length) {
  FILE *file = fopen(path, "wb");
  if (!file)
    return false;
  bool fine = fwrite(bytes, 1, length, file) == length;
  return (fclose(file) == 0) & fine;
}

long test_get(const char *path, void *bytes, size_t length) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return -1;
  long got = (long)fread(bytes, 1, length, file);
  fclose(file);
  return got;
}

void test_remove(const char *path) {
  remove(path);
}
