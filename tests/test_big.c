/* SPDX-License-Identifier: MIT */
/* One call of more than 4 GiB each way, on a sparse file: more than a DWORD
 * tells, more than the system moves at a time, past what 32 bits reach. */
#include "files.h"

#define GIB    ((int64_t)1 << 30)

/* Beyond 4 GiB, and no multiple of anything. */
#define LENGTH (4 * GIB + 5 * 1024 * 1024 + 123)
#define ROOM   ((size_t)(LENGTH + 1000))

/* Before it there is nothing: the file is sparse. */
#define HOLE   (3 * GIB + 1)

/* Where marks stand: the ends, and where calls may be cut. */
static const int64_t marks[] = {
    0,
    GIB - 4,
    2 * GIB - 4, /* 0x7fffffff */
    0x7ffff000 - 4,
    3 * GIB - 4,
    4 * GIB - 4, /* 0xffffffff */
    4 * GIB + 77,
    LENGTH - 8,
};
enum { MARKS = sizeof marks / sizeof *marks, MARK_LENGTH = 8 };

static const char *why_not(const struct test_mode *mode) {
#if defined(__SANITIZE_THREAD__)
  return "thread sanitizer's shadow of 4 GiB would take 16 GiB of memory";
#endif
  const char *wish = getenv("OVIO_TEST_BIG");
  if (wish && strcmp(wish, "off") == 0)
    return "OVIO_TEST_BIG is off: presets linux and mingw64 make these calls";
  if (mode->engine == OVIO_ENGINE_POLL && test_mode_count > 2)
    return "poll leaves disk files to a worker as the other engine does";
  if (sizeof(size_t) < 8)
    return "4 GiB do not fit into a 32-bit process";
  if (test_memory_free() < LENGTH + 2 * GIB)
    return "less than 6 GiB of memory are free";
  if (test_disk_free() < LENGTH + 2 * GIB)
    return "less than 6 GiB of disk are free";
  return NULL;
}

/* `salt` tells one round's marks from another's. */
static void put_marks(char *memory, int salt) {
  for (int at = 0; at < MARKS; at++)
    files_fill(memory + marks[at], MARK_LENGTH, marks[at] + salt);
}

static void clear_marks(char *memory) {
  for (int at = 0; at < MARKS; at++)
    memset(memory + marks[at], 0, MARK_LENGTH);
}

/* Marks where they belong, zeros around them. */
static void check_memory(struct test *test, const char *memory, int salt) {
  for (int at = 0; at < MARKS; at++) {
    TRY(files_match(memory + marks[at], MARK_LENGTH, marks[at] + salt));
    TRY_EQ(memory[marks[at] + MARK_LENGTH], 0);
    TRY_EQ(marks[at] > 0 ? memory[marks[at] - 1] : 0, 0);
  }
}

/* By small reads of another file object. */
static void check_file(struct test *test, const char *path, int salt) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, path, OVIO_READ | OVIO_BLOCKING, 0), 0);
  TRY_EQ(ovio_size(&file), HOLE + LENGTH);
  for (int at = 0; at < MARKS; at++) {
    char bytes[1 + MARK_LENGTH + 1] = "";
    int64_t from = HOLE + marks[at] - 1;
    TRY(ovio_read(&file, bytes, sizeof bytes, from) >= 1 + MARK_LENGTH);
    TRY_EQ(bytes[0], 0);
    TRY(files_match(bytes + 1, MARK_LENGTH, marks[at] + salt));
    TRY_EQ(bytes[1 + MARK_LENGTH], 0);
  }
  TRY_EQ(ovio_close(&file), 0);
}

/* One of the four calls; on a plain thread or in a task. */
struct big {
  struct ovio_file *file;
  char *memory;
  int64_t moved;
  int64_t position;
};

/* At the position, so that it too is seen to pass 4 GiB. */
static void write_all(void *argument) {
  struct big *big = argument;
  ovio_seek(big->file, HOLE, SEEK_SET);
  big->moved = ovio_write(big->file, big->memory, (size_t)LENGTH, OVIO_HERE);
  big->position = ovio_seek(big->file, 0, SEEK_CUR);
}

/* Across the end of the file. */
static void read_all(void *argument) {
  struct big *big = argument;
  big->moved = ovio_read(big->file, big->memory, ROOM, HOLE);
  big->position = ovio_seek(big->file, 0, SEEK_CUR);
}

static void check_call(struct test *test, struct ovio_loop *loop,
                       void (*call)(void *), struct big *big) {
  big->moved = big->position = -1;
  if (loop) {
    TRY_EQ(ovio_spawn(loop, call, big), 0);
    TRY_EQ(ovio_loop_run(loop), 0);
  } else {
    call(big);
  }
  TRY_EQ(big->moved, LENGTH);
  TRY_EQ(big->position, HOLE + LENGTH);
}

/* Each side writes once, and reads what the other one has written. The file
 * and the memory are used twice, since getting 4 GiB is what takes the time. */
static void check_all(struct test *test, struct ovio_loop *loop,
                      struct big *big, const char *path) {
  for (int salt = 0; salt < 2 && !test->failure[0]; salt++) {
    put_marks(big->memory, salt);
    check_call(test, salt ? loop : NULL, write_all, big);
    if (!test->failure[0])
      check_file(test, path, salt);
    clear_marks(big->memory);
    if (!test->failure[0])
      check_call(test, salt ? NULL : loop, read_all, big);
    if (!test->failure[0])
      check_memory(test, big->memory, salt);
  }
}

static void test_more_than_4_gib_each_way(struct test *test) {
  struct ovio_file file;
  struct ovio_loop *loop;
  const char *reason = why_not(test->mode);
  if (reason)
    SKIP(reason);
  struct big big = {.file = &file, .memory = test_reserve(ROOM)};
  TRY(big.memory);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "big", 0), 0);
  check_all(test, loop, &big, test_path("big"));
  test_unreserve(big.memory, ROOM);
  TRY_EQ(ovio_close(&file), 0);
  test_remove(test_path("big"));
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_ENGINES(test_more_than_4_gib_each_way),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
