/* SPDX-License-Identifier: MIT */
/* Whole files: read, written, replaced, copied. */
#include "files.h"
#include "scene.h"

#define LIMIT ((size_t)1 << 20)

static int folder_open(struct test *test, struct ovio_file *dir) {
  static int number;
  char name[64];
  char path[512];
  snprintf(name, sizeof name, "whole-%s-%d", test->mode->name, number++);
  snprintf(path, sizeof path, "%s", test_path(name));
  return test_make_folder(path) ? ovio_open(dir, path, OVIO_DIRECTORY, 0)
                                : OVIO_EUNKNOWN;
}

/* How many names there are, temporary ones among them. */
static int count(struct ovio_file *dir) {
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[512];
  int names = 0;
  if (ovio_dir_begin(&walk, dir, buffer, sizeof buffer) != 0)
    return -1;
  while (ovio_dir_next(&walk, &entry) == 1)
    names++;
  ovio_dir_end(&walk);
  return names;
}

static bool is(struct ovio_file *dir, const char *path, const char *text) {
  void *data = NULL;
  size_t length = 0;
  bool same = ovio_read_file(dir, path, LIMIT, &data, &length) == 0 &&
              length == strlen(text) && memcmp(data, text, length) == 0;
  ovio_free(data);
  return same;
}

static void test_sizes(struct test *test) {
  static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000};
  static unsigned char bytes[100000];
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  files_fill(bytes, sizeof bytes, 0);
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
    void *data = NULL;
    size_t length = 1;
    TRY_EQ(ovio_write_file(&dir, "f", bytes, sizes[at], 0600), 0);
    TRY_EQ(ovio_read_file(&dir, "f", sizes[at], &data, &length), 0);
    TRY_EQ(length, sizes[at]);
    TRY(files_match(data, length, 0));
    TRY_EQ(((char *)data)[length], 0);
    ovio_free(data);
    TRY_EQ(ovio_replace_file(&dir, "f", "old", 3, 0600), 0);
    TRY(is(&dir, "f", "old"));
  }
  TRY_EQ(count(&dir), 1);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_limit(struct test *test) {
  struct ovio_file dir;
  void *data = test;
  size_t length = 1;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "12345", 5, 0600), 0);
  TRY_EQ(ovio_read_file(&dir, "f", 4, &data, &length), OVIO_EFBIG);
  TRY(data == NULL);
  TRY_EQ(length, 0);
  TRY_EQ(ovio_read_file(&dir, "f", 5, &data, &length), 0);
  ovio_free(data);
  TRY_EQ(ovio_read_file(&dir, "f", SIZE_MAX, &data, &length), 0);
  TRY_EQ(length, 5);
  ovio_free(data);
  TRY_EQ(ovio_write_file(&dir, "f", NULL, 0, 0600), 0);
  TRY_EQ(ovio_read_file(&dir, "f", 0, &data, &length), 0);
  TRY_EQ(length, 0);
  ovio_free(data);
  ovio_free(NULL);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file dir;
  void *data;
  size_t length;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_read_file(&dir, "none", 9, &data, &length), OVIO_ENOENT);
  TRY_EQ(ovio_read_file(&dir, ".", 9, &data, &length), OVIO_EISDIR);
  TRY_EQ(ovio_read_file(&dir, "", 9, &data, &length), OVIO_ENOENT);
  TRY_EQ(ovio_read_file(&dir, NULL, 9, &data, &length), OVIO_EINVAL);
  TRY_EQ(ovio_read_file(&dir, "none", 9, NULL, &length), OVIO_EINVAL);
  TRY_EQ(ovio_read_file(&dir, "none", 9, &data, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_write_file(&dir, "f", NULL, 1, 0600), OVIO_EINVAL);
  TRY_EQ(ovio_write_file(&dir, "no/f", "x", 1, 0600), OVIO_ENOENT);
  TRY_EQ(ovio_write_file(&dir, ".", "x", 1, 0600), OVIO_EISDIR);
  TRY_EQ(ovio_replace_file(&dir, "f", NULL, 1, 0600), OVIO_EINVAL);
  TRY_EQ(ovio_replace_file(&dir, NULL, "x", 1, 0600), OVIO_EINVAL);
  TRY_EQ(ovio_replace_file(&dir, "", "x", 1, 0600), OVIO_ENOENT);
  TRY_EQ(ovio_replace_file(&dir, "no/f", "x", 1, 0600), OVIO_ENOENT);
  TRY_EQ(ovio_mkdir(&dir, "d", 0700), 0);
  TRY_EQ(ovio_replace_file(&dir, "d", "x", 1, 0600), OVIO_EISDIR);
  TRY_EQ(count(&dir), 1);
  TRY_EQ(ovio_close(&dir), 0);
  TRY_EQ(ovio_replace_file(&dir, "f", "x", 1, 0600), OVIO_EBADF);
}

static void test_replace(struct test *test) {
  struct ovio_file dir;
  struct ovio_file reader;
  char text[4] = "";
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_mkdir(&dir, "sub", 0700), 0);
  TRY_EQ(ovio_replace_file(&dir, "sub/f", "one", 3, 0644), 0);
  TRY(is(&dir, "sub/f", "one"));
  TRY_EQ(ovio_replace_file(&dir, "sub/f", "two", 3, 0644), 0);
  TRY(is(&dir, "sub/f", "two"));
  if (!test_is_wine()) { /* which refuses to replace what is open */
    TRY_EQ(ovio_openat(&reader, &dir, "sub/f", OVIO_READ, 0), 0);
    TRY_EQ(ovio_replace_file(&dir, "sub/f", "three", 5, 0644), 0);
    TRY_EQ(ovio_read(&reader, text, 3, 0), 3);
    TRY(strcmp(text, "two") == 0);
    TRY_EQ(ovio_close(&reader), 0);
    TRY(is(&dir, "sub/f", "three"));
  }
  struct ovio_file sub;
  TRY_EQ(ovio_openat(&sub, &dir, "sub", OVIO_DIRECTORY, 0), 0);
  TRY_EQ(count(&sub), 1);
  TRY_EQ(ovio_close(&sub), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_replace_keeps_the_mode(struct test *test) {
  struct ovio_file dir;
  struct ovio_stat stat;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "old", 3, 0600), 0);
  TRY_EQ(ovio_set_mode(&dir, "f", 0444), 0);
  TRY_EQ(ovio_replace_file(&dir, "f", "new", 3, 0666), 0);
  TRY(is(&dir, "f", "new"));
  TRY_EQ(ovio_stat_at(&dir, "f", 0, &stat), 0);
  TRY_EQ(stat.mode, 0444);
  TRY_EQ(count(&dir), 1);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_replace_a_link(struct test *test) {
  struct ovio_file dir;
  struct ovio_stat stat;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "old", 3, 0600), 0);
  if (ovio_symlink("f", &dir, "link", 0) != 0 || !is(&dir, "link", "old")) {
    ovio_close(&dir);
    SKIP("no symbolic links here");
  }
  TRY_EQ(ovio_replace_file(&dir, "link", "new", 3, 0600), 0);
  TRY_EQ(ovio_stat_at(&dir, "link", OVIO_NOFOLLOW, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_FILE);
  TRY(is(&dir, "link", "new"));
  TRY(is(&dir, "f", "old"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* The end of a file, whatever its size said when it was opened. */
struct grower {
  struct ovio_file *file;
  atomic_bool stop;
};

static void grow(void *argument) {
  struct grower *grower = argument;
  char block[1000];
  memset(block, 'x', sizeof block);
  for (int at = 0; at < 2000 && !grower->stop; at++) {
    ovio_write(grower->file, block, sizeof block, OVIO_HERE);
    ovio_yield();
  }
}

static void test_growing_file(struct test *test) {
  struct ovio_file file;
  struct grower grower = {.file = &file};
  struct partner partner;
  char path[512];
  size_t before = 0;
  snprintf(path, sizeof path, "%s", test_path("growing"));
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0600),
         0);
  TRY_EQ(partner_start(&partner, test, grow, &grower), 0);
  for (int at = 0; at < 20; at++) {
    void *data = NULL;
    size_t length = 0;
    int error = ovio_read_file(NULL, path, (size_t)1 << 24, &data, &length);
    bool whole = !error && length >= before && length == strlen(data);
    ovio_free(data);
    before = length;
    if (!whole)
      grower.stop = true;
    TRY_EQ(error, 0);
    TRY(whole);
  }
  grower.stop = true;
  partner_end(&partner);
  TRY_EQ(ovio_close(&file), 0);
}

/* Each allocation fails once: an error, and nothing is left. */
static void test_out_of_memory(struct test *test) {
  struct ovio_file dir;
  void *data = NULL;
  size_t length;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "old", 3, 0600), 0);
  for (unsigned long at = 1;; at++) {
    memory_fail_at = at;
    int error = ovio_replace_file(&dir, "f", "new", 3, 0600);
    if (!error)
      error = ovio_read_file(&dir, "f", LIMIT, &data, &length);
    bool reached = memory_fail_at == 0;
    memory_fail_at = 0;
    ovio_free(data);
    data = NULL;
    if (!reached)
      break;
    /* Windows needs memory for paths, also when it cleans up. */
    TRY_EQ(error, OVIO_ENOMEM);
    TRY_EQ(count(&dir), 1);
  }
  TRY(is(&dir, "f", "new"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- a writer that is killed ---- */

enum { LETTERS = 20, LETTER_BYTES = 5003, ROUNDS = 2000 };

static size_t letter_length(char letter) {
  return (size_t)(letter - 'a' + 1) * LETTER_BYTES;
}

struct writer {
  const char *path;
  int result;
};

/* Replaces the file by each letter's content in turn, until it is killed. */
static int write_letters(const char *path) {
  static char bytes[LETTERS * LETTER_BYTES];
  int error = 0;
  for (int round = 1; round < ROUNDS && !error; round++) {
    char letter = (char)('a' + round % LETTERS);
    memset(bytes, letter, sizeof bytes);
    error = ovio_replace_file(NULL, path, bytes, letter_length(letter), 0600);
    if (test_is_wine() && error == OVIO_EACCES)
      error = 0; /* our parent has it open at this moment */
  }
  return error ? 1 : 0;
}

static void write_as_task(void *argument) {
  struct writer *writer = argument;
  writer->result = write_letters(writer->path);
}

static int write_letters_in_a_loop(const char *path) {
  struct ovio_loop *loop;
  struct writer writer = {path, 1};
  if (ovio_loop_create(&loop, NULL) != 0 ||
      ovio_spawn(loop, write_as_task, &writer) != 0 ||
      ovio_loop_run(loop) != 0 || ovio_loop_destroy(loop) != 0)
    return 1;
  return writer.result;
}

/* The letter that the file is full of; 0: it is no whole one. */
static char read_letter(const char *path) {
  void *data = NULL;
  size_t length = 0;
  if (ovio_read_file(NULL, path, LIMIT, &data, &length) != 0)
    return 0;
  const char *bytes = data;
  char letter = bytes[0];
  bool whole = letter >= 'a' && length == letter_length(letter);
  for (size_t at = 0; whole && at < length; at++)
    whole = bytes[at] == letter;
  ovio_free(data);
  return whole ? letter : 0;
}

static void test_killed_writer(struct test *test) {
  char path[512];
  static char first[LETTER_BYTES];
  memset(first, 'a', sizeof first);
  for (unsigned round = 0; round < (test_is_wine() ? 4 : 20); round++) {
    snprintf(path, sizeof path, "%s", test_path("killed"));
    TRY_EQ(ovio_replace_file(NULL, path, first, sizeof first, 0600), 0);
    intptr_t process;
    unsigned random;
    TRY_EQ(os_random(&random, sizeof random), 0);
    TRY(test_process_start(&process, test->loop ? "write-in-a-task" : "write",
                           path));
    /* While it runs, and after it has been stopped somewhere. */
    char letter = 'a';
    for (int look = 0; look < 60000 && letter == 'a'; look++) {
      letter = read_letter(path);
      ovio_sleep(1000000);
    }
    ovio_sleep(random % 20000 * UINT64_C(1000));
    TRY(test_process_kill(process));
    TRY(letter > 'a');
    TRY(read_letter(path) != 0);
  }
}

/* ---- copying by name ---- */

/* Where a copy is made by more than one job. */
enum { PIECE = 16 << 20 };

static bool holds(struct ovio_file *dir, const char *path, size_t length) {
  void *data = NULL;
  size_t got = 0;
  bool same = ovio_read_file(dir, path, length, &data, &got) == 0 &&
              got == length && files_match(data, length, 0);
  ovio_free(data);
  return same;
}

static void test_copy_sizes(struct test *test) {
  static const size_t sizes[] = {0, 1, 4096, 300001, PIECE, PIECE + 3};
  struct ovio_file dir;
  struct ovio_stat stat;
  TRY_EQ(folder_open(test, &dir), 0);
  for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
    const size_t size = sizes[at];
    unsigned char *bytes = malloc(size + 1);
    files_fill(bytes, size, 0);
    int error = ovio_write_file(&dir, "from", bytes, size, 0640);
    free(bytes);
    TRY_EQ(error, 0);
    TRY_EQ(ovio_set_times_at(&dir, "from", 1000000000000000000,
                             900000000000000000),
           0);
    TRY_EQ(ovio_copy_file(&dir, "from", &dir, "to", 0), size);
    TRY_EQ(ovio_stat_at(&dir, "to", 0, &stat), 0);
    TRY_EQ(stat.size, size);
    TRY_EQ(stat.modify_ns, 900000000000000000);
    if (!test_is_wine()) /* which reads what it opens */
      TRY_EQ(stat.access_ns, 1000000000000000000);
    TRY(!test_is_posix() || stat.mode == 0640);
    TRY(holds(&dir, "to", size));
  }
  TRY_EQ(count(&dir), 2);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_copy_between_folders(struct test *test) {
  struct ovio_file dir;
  struct ovio_file sub;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_mkdir(&dir, "sub", 0700), 0);
  TRY_EQ(ovio_openat(&sub, &dir, "sub", OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "one", 3, 0600), 0);
  TRY_EQ(ovio_copy_file(&dir, "f", &sub, "g", 0), 3);
  TRY_EQ(ovio_copy_file(&sub, "g", &dir, "sub/h", OVIO_EXCLUSIVE), 3);
  TRY(is(&sub, "g", "one"));
  TRY(is(&sub, "h", "one"));
  TRY_EQ(count(&sub), 2);
  TRY_EQ(ovio_close(&sub), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_copy_replaces(struct test *test) {
  struct ovio_file dir;
  struct ovio_stat stat;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "new", 3, 0600), 0);
  TRY_EQ(ovio_set_mode(&dir, "f", 0444), 0);
  TRY_EQ(ovio_write_file(&dir, "g", "older", 5, 0600), 0);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "g", OVIO_EXCLUSIVE), OVIO_EEXIST);
  TRY(is(&dir, "g", "older"));
  TRY_EQ(count(&dir), 2);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "g", 0), 3);
  TRY(is(&dir, "g", "new"));
  TRY_EQ(ovio_stat_at(&dir, "g", 0, &stat), 0);
  TRY_EQ(stat.mode & 0222, 0);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "f", 0), 3); /* onto itself */
  TRY(is(&dir, "f", "new"));
  TRY_EQ(count(&dir), 2);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_copy_a_link(struct test *test) {
  struct ovio_file dir;
  struct ovio_stat stat;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "one", 3, 0600), 0);
  if (ovio_symlink("f", &dir, "link", 0) != 0 || !is(&dir, "link", "one")) {
    ovio_close(&dir);
    SKIP("no symbolic links here");
  }
  TRY_EQ(ovio_copy_file(&dir, "link", &dir, "g", 0), 3);
  TRY_EQ(ovio_stat_at(&dir, "g", OVIO_NOFOLLOW, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_FILE);
  TRY_EQ(ovio_write_file(&dir, "h", "two", 3, 0600), 0);
  TRY_EQ(ovio_copy_file(&dir, "h", &dir, "link", 0), 3);
  TRY(is(&dir, "link", "two"));
  TRY(is(&dir, "f", "one"));
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_copy_what_cannot_be(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_write_file(&dir, "f", "one", 3, 0600), 0);
  TRY_EQ(ovio_mkdir(&dir, "d", 0700), 0);
  TRY_EQ(ovio_copy_file(&dir, "none", &dir, "g", 0), OVIO_ENOENT);
  TRY_EQ(ovio_copy_file(&dir, "d", &dir, "g", 0), OVIO_EISDIR);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "no/g", 0), OVIO_ENOENT);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "g/", 0), OVIO_EISDIR);
  TRY(ovio_copy_file(&dir, "f", &dir, "d", 0) < 0);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "d", OVIO_EXCLUSIVE), OVIO_EEXIST);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "", 0), OVIO_ENOENT);
  TRY_EQ(ovio_copy_file(&dir, NULL, &dir, "g", 0), OVIO_EINVAL);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, NULL, 0), OVIO_EINVAL);
  TRY_EQ(ovio_copy_file(&dir, "f", &dir, "g", OVIO_NOFOLLOW), OVIO_EINVAL);
  TRY_EQ(count(&dir), 2);
  TRY_EQ(ovio_close(&dir), 0);
  TRY_EQ(ovio_copy_file(&dir, "f", NULL, "g", 0), OVIO_EBADF);
}

struct copier {
  struct ovio_file *dir;
  int64_t result;
};

static void copy_large(void *argument) {
  struct copier *copier = argument;
  copier->result = ovio_copy_file(copier->dir, "from", copier->dir, "to", 0);
}

/* A cancel finds it before it began, between two pieces or too late. */
static void test_copy_is_cancelled(struct test *test) {
  enum { SIZE = 3 * PIECE };
  struct ovio_file dir;
  struct ovio_file file;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_openat(&file, &dir, "from", OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_truncate(&file, SIZE), 0);
  TRY_EQ(ovio_close(&file), 0);
  for (uint64_t ms = 0; ms < 4; ms++) {
    struct copier copier = {.dir = &dir};
    struct ovio_group group;
    ovio_group_init(&group);
    TRY_EQ(ovio_group_spawn(&group, test->loop, copy_large, &copier), 0);
    TRY_EQ(ovio_sleep(ms * 1000000), 0);
    ovio_group_cancel(&group);
    TRY_EQ(ovio_group_wait(&group), 0);
    bool whole = copier.result == SIZE;
    TRY(whole || copier.result == OVIO_ECANCELED);
    TRY_EQ(count(&dir), 1 + whole);
    if (whole)
      TRY_EQ(ovio_unlink(&dir, "to"), 0);
  }
  TRY_EQ(ovio_close(&dir), 0);
}

int main(int argc, char **argv) {
  static const struct test_case cases[] = {
      TEST(test_sizes),
      TEST(test_limit),
      TEST(test_bad_arguments),
      TEST(test_replace),
      TEST(test_replace_keeps_the_mode),
      TEST(test_replace_a_link),
      TEST(test_growing_file),
      TEST_PLAIN(test_out_of_memory, "tasks allocate for the loop, too"),
      TEST(test_killed_writer),
      TEST(test_copy_sizes),
      TEST(test_copy_between_folders),
      TEST(test_copy_replaces),
      TEST(test_copy_a_link),
      TEST(test_copy_what_cannot_be),
      TEST_LOOP(test_copy_is_cancelled, "only tasks are cancelled"),
  };
  if (argc == 3 && strcmp(argv[1], "write") == 0)
    return write_letters(argv[2]);
  if (argc == 3 && strcmp(argv[1], "write-in-a-task") == 0)
    return write_letters_in_a_loop(argv[2]);
  return test_main(cases, sizeof cases / sizeof *cases);
}
