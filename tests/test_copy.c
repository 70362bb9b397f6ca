/* SPDX-License-Identifier: MIT */
/* Copying between files. */
#include "files.h"

enum { LENGTH = 1000003 };

struct pair {
  struct ovio_file from;
  struct ovio_file to;
};

static int pair_open(struct pair *pair) {
  char path[512];
  snprintf(path, sizeof path, "%s", test_path("from"));
  if (!files_put(path, LENGTH))
    return OVIO_EUNKNOWN;
  int error = ovio_open(&pair->from, path, OVIO_READ, 0);
  return error ? error : files_make(&pair->to, "to", 0);
}

static int pair_close(struct pair *pair) {
  int error = ovio_close(&pair->from);
  int second = ovio_close(&pair->to);
  return error ? error : second;
}

/* Is `length` bytes at `offset` of the copy what stood at `from`? */
static bool holds(struct ovio_file *file, int64_t offset, size_t length,
                  int64_t from) {
  unsigned char *bytes = malloc(length);
  bool same = ovio_read(file, bytes, length, offset) == (int64_t)length &&
              files_match(bytes, length, from);
  free(bytes);
  return same;
}

static void test_whole(struct test *test) {
  struct pair pair;
  TRY_EQ(pair_open(&pair), 0);
  TRY_EQ(ovio_copy(&pair.from, 0, &pair.to, 0, INT64_MAX), LENGTH);
  TRY_EQ(ovio_size(&pair.to), LENGTH);
  TRY(holds(&pair.to, 0, LENGTH, 0));
  TRY_EQ(ovio_seek(&pair.from, 0, SEEK_CUR), 0);
  TRY_EQ(ovio_seek(&pair.to, 0, SEEK_CUR), 0);
  TRY_EQ(pair_close(&pair), 0);
}

static void test_parts(struct test *test) {
  struct pair pair;
  TRY_EQ(pair_open(&pair), 0);
  TRY_EQ(ovio_copy(&pair.from, 5, &pair.to, 7, 300001), 300001);
  TRY_EQ(ovio_size(&pair.to), 300008);
  TRY(holds(&pair.to, 7, 300001, 5));
  TRY_EQ(ovio_copy(&pair.from, LENGTH - 10, &pair.to, 0, 100), 10);
  TRY(holds(&pair.to, 0, 10, LENGTH - 10));
  TRY(holds(&pair.to, 10, 100, 8));
  TRY_EQ(ovio_copy(&pair.from, LENGTH, &pair.to, 0, 100), 0);
  TRY_EQ(ovio_copy(&pair.from, LENGTH + 9, &pair.to, 0, 100), 0);
  TRY_EQ(ovio_copy(&pair.from, 0, &pair.to, 0, 0), 0);
  TRY_EQ(pair_close(&pair), 0);
}

static void test_bad_arguments(struct test *test) {
  struct pair pair;
  struct ovio_file ends[2];
  TRY_EQ(pair_open(&pair), 0);
  TRY_EQ(ovio_copy(NULL, 0, &pair.to, 0, 1), OVIO_EINVAL);
  TRY_EQ(ovio_copy(&pair.from, 0, NULL, 0, 1), OVIO_EINVAL);
  TRY_EQ(ovio_copy(&pair.from, 0, &pair.from, 0, 1), OVIO_EBADF);
  TRY_EQ(ovio_copy(&pair.from, -1, &pair.to, 0, 1), OVIO_EINVAL);
  TRY_EQ(ovio_copy(&pair.from, 0, &pair.to, -1, 1), OVIO_EINVAL);
  TRY_EQ(ovio_copy(&pair.from, 0, &pair.to, 0, -1), OVIO_EINVAL);
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_copy(&pair.from, 0, &ends[1], 0, 1), OVIO_ESPIPE);
  TRY_EQ(ovio_copy(&ends[0], 0, &pair.to, 0, 1), OVIO_ESPIPE);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_open(&ends[0], test_path("append"),
                   OVIO_WRITE | OVIO_CREATE | OVIO_APPEND, 0600),
         0);
  TRY_EQ(ovio_copy(&pair.from, 0, &ends[0], 0, 1), OVIO_EINVAL);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_size(&pair.to), 0);
  TRY_EQ(pair_close(&pair), 0);
  TRY_EQ(ovio_copy(&pair.from, 0, &pair.to, 0, 1), OVIO_EBADF);
}

/* A file of /proc says that it has no bytes. */
static void test_file_without_a_size(struct test *test) {
  struct pair pair;
  TRY_EQ(pair_open(&pair), 0);
  TRY_EQ(ovio_close(&pair.from), 0);
  if (os_path_separates('\\') ||
      ovio_open(&pair.from, "/proc/version", OVIO_READ, 0) != 0) {
    ovio_close(&pair.to);
    SKIP("no /proc");
  }
  int64_t copied = ovio_copy(&pair.from, 0, &pair.to, 0, INT64_MAX);
  TRY(copied > 0);
  TRY_EQ(ovio_size(&pair.to), copied);
  TRY_EQ(pair_close(&pair), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_whole),
      TEST(test_parts),
      TEST(test_bad_arguments),
      TEST(test_file_without_a_size),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
