/* SPDX-License-Identifier: MIT */
/* Names and texts of errors, and the version. */
#include "scene.h"

struct row {
  int error;
  const char *name;
};

static const struct row rows[] = {
#define ROW(name, value, text) {OVIO_##name, "OVIO_" #name},
    OVIO_ERRORS(ROW)
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows };

static void test_every_error_has_its_name(struct test *test) {
  for (int at = 0; at < ROWS; at++) {
    TRY(strcmp(ovio_error_name(rows[at].error), rows[at].name) == 0);
    TRY(rows[at].error < 0);
  }
}

static void test_every_error_has_a_text(struct test *test) {
  for (int at = 0; at < ROWS; at++) {
    const char *text = ovio_error_text(rows[at].error);
    TRY(strlen(text) >= 5 && strlen(text) < 80);
    TRY(!strchr(text, '\n'));
    for (int other = 0; other < at; other++) {
      TRY(strcmp(text, ovio_error_text(rows[other].error)) != 0);
      TRY(rows[at].error != rows[other].error);
    }
  }
}

/* They are part of the interface: a program may have them in its own tables. */
static void test_values_are_stable(struct test *test) {
  TRY_EQ(OVIO_EINVAL, -1001);
  TRY_EQ(OVIO_EPIPE, -1019);
  TRY_EQ(OVIO_ECANCELED, -1024);
  TRY_EQ(OVIO_EUNKNOWN, -1033);
  TRY_EQ(OVIO_EEOF, -1034);
  TRY(strcmp(ovio_error_text(OVIO_EPIPE),
             "broken pipe: the other end is closed") == 0);
}

static void test_what_is_no_error(struct test *test) {
  static const int successes[] = {0, 1, 4096, INT32_MAX};
  static const int strangers[] = {-1, -2, -1000, -1099, -4095, INT32_MIN};
  for (int at = 0; at < 4; at++) {
    TRY(strcmp(ovio_error_name(successes[at]), "OVIO_OK") == 0);
    TRY(strlen(ovio_error_text(successes[at])) > 0);
  }
  for (int at = 0; at < 6; at++) {
    TRY(strcmp(ovio_error_name(strangers[at]), "OVIO_E?") == 0);
    TRY(strlen(ovio_error_text(strangers[at])) > 0);
  }
}

static void test_version(struct test *test) {
  int major = -1;
  int minor = -1;
  int patch = -1;
  TRY(strcmp(ovio_version(), OVIO_VERSION) == 0);
  TRY_EQ(sscanf(ovio_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}

/* A code that no system has must not be taken for a known one. */
static void test_unknown_native_codes(struct test *test) {
  static const uint32_t codes[] = {0x7fffffff, 0xffffffff, 99999, 0xc0000001};
  for (int at = 0; at < 4; at++)
    TRY_EQ(os_error_map(codes[at]), OVIO_EUNKNOWN);
}

static void test_native_error_is_kept(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("no/such/file"), OVIO_READ, 0),
         OVIO_ENOENT);
  uint32_t native = ovio_native_error();
  TRY(native != 0);
  TRY_EQ(os_error_map(native), OVIO_ENOENT);
  TRY_EQ(ovio_sleep(1), 0);
  TRY_EQ(ovio_native_error(), native); /* success does not reset it */
  TRY_EQ(ovio_read(&file, &native, 1, 0), OVIO_EBADF);
  TRY_EQ(ovio_native_error(), 0); /* the system was not asked */
}

struct stranger {
  struct test *test;
  uint32_t before;
  uint32_t after;
};

static void fail_elsewhere(void *argument) {
  struct stranger *self = argument;
  struct ovio_file file;
  self->before = ovio_native_error();
  ovio_open(&file, test_path("no/such/file"), OVIO_READ, 0);
  self->after = ovio_native_error();
}

static void test_native_error_is_the_tasks_own(struct test *test) {
  struct stranger stranger = {.test = test, .before = 1};
  struct ovio_file file;
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_read(NULL, &file, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_group_spawn(&group, test->loop, fail_elsewhere, &stranger), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(stranger.before, 0);
  TRY(stranger.after != 0);
  TRY_EQ(ovio_native_error(), 0);
  /* The next task gets the same stack, but not that error. */
  TRY_EQ(ovio_group_spawn(&group, test->loop, fail_elsewhere, &stranger), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(stranger.before, 0);
}

static void test_native_error_is_the_threads_own(struct test *test) {
  struct stranger stranger = {.test = test, .before = 1};
  struct ovio_file file;
  struct os_thread thread;
  TRY_EQ(ovio_read(NULL, &file, 1, 0), OVIO_EINVAL);
  TRY_EQ(os_thread_start(&thread, fail_elsewhere, &stranger), 0);
  os_thread_join(&thread);
  TRY_EQ(stranger.before, 0);
  TRY(stranger.after != 0);
  TRY_EQ(ovio_native_error(), 0);
}

/* An argument error is not explained by what failed before. */
static void test_every_failure_sets_it(struct test *test) {
  struct ovio_file file;
  struct ovio_op op = {{0}};
  struct ovio_loop *loop;
  for (int call = 0; call < 6; call++) {
    TRY_EQ(ovio_open(&file, test_path("missing"), OVIO_READ, 0), OVIO_ENOENT);
    TRY(ovio_native_error() != 0);
    switch (call) {
    case 0:
      TRY_EQ(ovio_start_read(NULL, &op, &file, NULL, 0, 0, NULL), OVIO_EINVAL);
      break;
    case 1:
      TRY_EQ(ovio_start_close(NULL, &op, NULL, NULL), OVIO_EINVAL);
      break;
    case 2:
      TRY_EQ(ovio_cancel(&op), OVIO_ENOENT);
      break;
    case 3:
      TRY_EQ(ovio_post(NULL, &op, NULL), OVIO_EINVAL);
      break;
    case 4:
      TRY_EQ(ovio_loop_create(NULL, NULL), OVIO_EINVAL);
      break;
    default:
      TRY_EQ(ovio_loop_create(&loop, &(struct ovio_loop_options){.size = 1}),
             OVIO_EINVAL);
      break;
    }
    TRY_EQ(ovio_native_error(), 0);
  }
}

int main(void) {
  static const char *const why = "no file and no loop";
  const struct test_case cases[] = {
      TEST_PLAIN(test_every_error_has_its_name, why),
      TEST_PLAIN(test_every_error_has_a_text, why),
      TEST_PLAIN(test_values_are_stable, why),
      TEST(test_every_failure_sets_it),
      TEST_PLAIN(test_what_is_no_error, why),
      TEST_PLAIN(test_version, why),
      TEST_PLAIN(test_unknown_native_codes, why),
      TEST(test_native_error_is_kept),
      TEST_LOOP(test_native_error_is_the_tasks_own, "two tasks"),
      TEST_PLAIN(test_native_error_is_the_threads_own, "two plain threads"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
