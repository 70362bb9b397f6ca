/* SPDX-License-Identifier: MIT */
/* A first breath: each kind of operation once, in every mode. */
#include "support.h"

static void test_file(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("smoke"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0600),
         0);
  char text[16] = "";
  TRY_EQ(ovio_write(&file, "hello", 5, OVIO_HERE), 5);
  TRY_EQ(ovio_write(&file, " world", 6, OVIO_HERE), 6);
  TRY_EQ(ovio_read(&file, text, sizeof text, 6), 5);
  TRY(memcmp(text, "world", 5) == 0);
  TRY_EQ(ovio_read(&file, text, sizeof text, OVIO_HERE), 0);
  TRY_EQ(ovio_seek(&file, -5, SEEK_END), 6);
  TRY_EQ(ovio_read(&file, text, sizeof text, OVIO_HERE), 5);
  TRY_EQ(ovio_size(&file), 11);
  TRY_EQ(ovio_truncate(&file, 3), 0);
  TRY_EQ(ovio_sync(&file, 0), 0);
  struct ovio_stat about;
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.size, 3);
  TRY_EQ(about.type, OVIO_TYPE_FILE);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
}

static void read_task(void *argument) {
  struct ovio_file *file = argument;
  char byte[4];
  int64_t got = ovio_read(file, byte, sizeof byte, OVIO_HERE);
  *(int64_t *)(void *)((char *)argument + sizeof *file) = got;
}

static void pipe_of(struct test *test, enum test_pipe_kind kind) {
  struct {
    struct ovio_file reader;
    int64_t got;
  } in = {.got = -1};
  struct ovio_file out;
  ovio_handle ends[2];
  TRY(test_pipe(ends, kind));
  TRY_EQ(ovio_adopt(&in.reader, ends[0], OVIO_READ), 0);
  TRY_EQ(ovio_adopt(&out, ends[1], OVIO_WRITE), 0);
  struct ovio_group group;
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, read_task, &in), 0);
  ovio_yield();
  TRY_EQ(in.got, -1);
  TRY_EQ(ovio_write(&out, "abc", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(in.got, 3);
  TRY_EQ(ovio_close(&in.reader), 0);
  TRY_EQ(ovio_write(&out, "abc", 3, OVIO_HERE), OVIO_EPIPE);
  TRY_EQ(ovio_close(&out), 0);
}

static void test_overlapped_pipe(struct test *test) {
  pipe_of(test, TEST_PIPE_OVERLAPPED);
}

static void test_sync_pipe(struct test *test) {
  pipe_of(test, TEST_PIPE_SYNC);
}

static void test_sleep(struct test *test) {
  int64_t before = os_clock_ns();
  TRY_EQ(ovio_sleep(2000000), 0);
  TRY(os_clock_ns() - before >= 2000000);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_file),
      TEST_LOOP(test_overlapped_pipe, "two tasks"),
      TEST_LOOP(test_sync_pipe, "two tasks"),
      TEST(test_sleep),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
