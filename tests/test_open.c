/* SPDX-License-Identifier: MIT */
/* Opening, adopting, releasing and closing: flags, errors and paths. */
#include "files.h"

/* ---- flags ---- */

/* The answer to these flags for a file that exists. */
static int open_answer(const char *path, unsigned flags) {
  struct ovio_file file;
  memset(&file, 0xa5, sizeof file); /* is overwritten without being read */
  int answer = ovio_open(&file, path, flags, 0600);
  int closed = ovio_close(&file);
  if (answer == 0)
    return closed;
  return closed == OVIO_EBADF ? answer : OVIO_EUNKNOWN;
}

static void test_flags_that_contradict(struct test *test) {
  static const unsigned wrong[] = {
      0,
      OVIO_CREATE,
      OVIO_TRUNCATE,
      OVIO_BLOCKING | OVIO_SYNC,
      OVIO_READ | OVIO_APPEND,
      OVIO_READ | OVIO_CREATE,
      OVIO_READ | OVIO_TRUNCATE,
      OVIO_READ | OVIO_WRITE | OVIO_EXCLUSIVE,
      OVIO_DIRECTORY | OVIO_WRITE,
      OVIO_READ | 1u << 30,
      OVIO_READ | 1u << 31,
  };
  const char *path = test_path("flags");
  TRY(test_put(path, "abc", 3));
  for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++)
    TRY_EQ(open_answer(path, wrong[at]), OVIO_EINVAL);
  char bytes[8];
  TRY_EQ(test_get(path, bytes, sizeof bytes), 3); /* none has truncated it */
}

static void test_flags_that_are_hints(struct test *test) {
  static const unsigned fine[] = {
      OVIO_READ,
      OVIO_WRITE,
      OVIO_READ | OVIO_WRITE,
      OVIO_READ | OVIO_BLOCKING,
      OVIO_READ | OVIO_SEQUENTIAL,
      OVIO_READ | OVIO_RANDOM,
      OVIO_READ | OVIO_SEQUENTIAL | OVIO_RANDOM,
      OVIO_READ | OVIO_INHERIT,
      OVIO_READ | OVIO_NOFOLLOW,
      OVIO_READ | OVIO_WRITE | OVIO_SYNC,
      OVIO_READ | OVIO_WRITE | OVIO_INLINE,
      OVIO_WRITE | OVIO_APPEND,
      OVIO_WRITE | OVIO_CREATE,
  };
  const char *path = test_path("hints");
  TRY(files_put(path, 100));
  for (size_t at = 0; at < sizeof fine / sizeof *fine; at++) {
    struct ovio_file file;
    char bytes[64];
    TRY_EQ(ovio_open(&file, path, fine[at], 0600), 0);
    if (fine[at] & OVIO_READ) {
      TRY_EQ(ovio_read(&file, bytes, 50, 30), 50);
      TRY(files_match(bytes, 50, 30));
    }
    if (fine[at] & OVIO_SYNC)
      TRY_EQ(ovio_write(&file, bytes, 50, 30), 50);
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void test_directions(struct test *test) {
  struct ovio_file file;
  char bytes[4] = "abc";
  const char *path = test_path("directions");
  TRY(files_put(path, 10));
  TRY_EQ(ovio_open(&file, path, OVIO_READ, 0), 0);
  TRY_EQ(ovio_write(&file, bytes, 3, 0), OVIO_EBADF);
  TRY_EQ(ovio_write(&file, bytes, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_truncate(&file, 3), OVIO_EBADF);
  TRY_EQ(ovio_set_times(&file, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_size(&file), 10);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE, 0), 0);
  TRY_EQ(ovio_read(&file, bytes, 3, 0), OVIO_EBADF);
  TRY_EQ(ovio_read(&file, bytes, 3, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_size(&file), 10);
  TRY_EQ(ovio_write(&file, bytes, 3, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- making files ---- */

static void test_create(struct test *test) {
  struct ovio_file file;
  const char *path = test_path("create");
  TRY_EQ(open_answer(path, OVIO_READ), OVIO_ENOENT);
  TRY_EQ(ovio_open(&file, path, OVIO_READ | OVIO_WRITE, 0), OVIO_ENOENT);
  TRY(ovio_native_error() != 0);
  TRY_EQ(open_answer(path, OVIO_WRITE | OVIO_TRUNCATE), OVIO_ENOENT);
  TRY(!test_exists(path));
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_size(&file), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_size(&file), 3); /* nothing of it is lost */
  TRY_EQ(ovio_close(&file), 0);
  test_remove(path);
}

static void test_exclusive(struct test *test) {
  const unsigned flags = OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE;
  const char *path = test_path("exclusive");
  char bytes[4];
  TRY_EQ(open_answer(path, flags), 0);
  TRY(test_put(path, "abc", 3));
  TRY_EQ(open_answer(path, flags), OVIO_EEXIST);
  TRY_EQ(open_answer(path, flags | OVIO_TRUNCATE), OVIO_EEXIST);
  TRY_EQ(test_get(path, bytes, sizeof bytes), 3);
  test_remove(path);
}

static void test_truncate_flag(struct test *test) {
  const char *path = test_path("truncate");
  char bytes[4];
  TRY(test_put(path, "abc", 3));
  TRY_EQ(open_answer(path, OVIO_WRITE), 0);
  TRY_EQ(test_get(path, bytes, sizeof bytes), 3);
  TRY_EQ(open_answer(path, OVIO_WRITE | OVIO_TRUNCATE), 0);
  TRY_EQ(test_get(path, bytes, sizeof bytes), 0);
  TRY(test_put(path, "abc", 3));
  TRY_EQ(open_answer(path, OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE), 0);
  TRY_EQ(test_get(path, bytes, sizeof bytes), 0);
}

static void test_mode_of_a_new_file(struct test *test) {
  struct ovio_file file;
  struct ovio_stat about;
  char name[32];
  const unsigned flags = OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE;
  snprintf(name, sizeof name, "mode-600-%s", test->mode->name);
  TRY_EQ(ovio_open(&file, test_path(name), flags, 0600), 0);
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.mode & 0600, 0600);
  TRY_EQ(ovio_close(&file), 0);
  /* Without the owner's write bit: but this handle may write all the same. */
  snprintf(name, sizeof name, "mode-400-%s", test->mode->name);
  TRY_EQ(ovio_open(&file, test_path(name), flags, 0400), 0);
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.mode & 0222, 0);
  TRY_EQ(about.mode & 0400, 0400);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_inherit(struct test *test) {
  struct ovio_file file;
  const char *path = test_path("inherit");
  TRY(test_put(path, "abc", 3));
  for (unsigned inherit = 0; inherit < 2; inherit++) {
    TRY_EQ(ovio_open(&file, path, OVIO_READ | (inherit ? OVIO_INHERIT : 0u), 0),
           0);
    ovio_handle handle = ovio_release(&file);
    TRY(handle != OVIO_NO_HANDLE);
    TRY_EQ(test_is_inheritable(handle), inherit);
    TRY(test_close_handle(handle));
  }
}

/* ---- directories and links ---- */

static void test_directory(struct test *test) {
  struct ovio_file dir;
  struct ovio_stat about;
  char byte;
  const char *folder = test_path("folder");
  const char *path = test_path("file");
  TRY(test_exists(folder) || test_make_folder(folder));
  TRY(test_put(path, "abc", 3));
  TRY_EQ(open_answer(folder, OVIO_READ), OVIO_EISDIR);
  TRY_EQ(open_answer(folder, OVIO_WRITE), OVIO_EISDIR);
  TRY_EQ(open_answer(folder, OVIO_READ | OVIO_WRITE), OVIO_EISDIR);
  TRY_EQ(open_answer(path, OVIO_DIRECTORY), OVIO_ENOTDIR);
  TRY_EQ(open_answer(path, OVIO_READ | OVIO_DIRECTORY), OVIO_ENOTDIR);
  TRY_EQ(ovio_open(&dir, folder, OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_stat(&dir, &about), 0);
  TRY_EQ(about.type, OVIO_TYPE_DIRECTORY);
  TRY_EQ(ovio_read(&dir, &byte, 1, 0), OVIO_EISDIR);
  TRY_EQ(ovio_read(&dir, &byte, 1, OVIO_HERE), OVIO_EISDIR);
  TRY_EQ(ovio_write(&dir, &byte, 1, 0), OVIO_EISDIR);
  TRY_EQ(ovio_close(&dir), 0);
  TRY_EQ(ovio_open(&dir, folder, OVIO_READ | OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_read(&dir, &byte, 1, 0), OVIO_EISDIR);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_path_through_a_file(struct test *test) {
  TRY(test_put(test_path("file"), "abc", 3));
  int answer = open_answer(test_path("file/below"), OVIO_READ);
  /* Windows does not tell a file in the way from nothing there. */
  TRY(answer == OVIO_ENOTDIR || answer == OVIO_ENOENT);
  TRY_EQ(open_answer(test_path("nothing/below"), OVIO_READ), OVIO_ENOENT);
  TRY_EQ(open_answer(test_path("nothing/below"), OVIO_WRITE | OVIO_CREATE),
         OVIO_ENOENT);
}

static void test_openat(struct test *test) {
  struct ovio_file dir, file;
  const char *folder = test_path("at");
  TRY(test_exists(folder) || test_make_folder(folder));
  TRY_EQ(ovio_open(&dir, folder, OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_openat(&file, &dir, "inner", OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
  char bytes[4];
  TRY_EQ(test_get(test_path("at/inner"), bytes, sizeof bytes), 3);
  TRY_EQ(ovio_openat(&file, &dir, "../at/inner", OVIO_READ, 0), 0);
  TRY_EQ(ovio_size(&file), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_openat(&file, &dir, "missing", OVIO_READ, 0), OVIO_ENOENT);
  TRY_EQ(ovio_openat(&file, &dir, "", OVIO_READ, 0), OVIO_ENOENT);
  /* An absolute path ignores the directory. */
  TRY(test_put(test_path("outer"), "abcd", 4));
  TRY_EQ(ovio_openat(&file, &dir, test_path("outer"), OVIO_READ, 0), 0);
  TRY_EQ(ovio_size(&file), 4);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_openat_bad_directory(struct test *test) {
  struct ovio_file dir, file;
  TRY(test_put(test_path("file"), "abc", 3));
  TRY_EQ(ovio_open(&dir, test_path("file"), OVIO_READ, 0), 0);
  TRY_EQ(ovio_openat(&file, &dir, "x", OVIO_READ, 0), OVIO_ENOTDIR);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
  TRY_EQ(ovio_close(&dir), 0);
  TRY_EQ(ovio_openat(&file, &dir, "x", OVIO_READ, 0), OVIO_EBADF);
  memset(&dir, 0, sizeof dir);
  TRY_EQ(ovio_openat(&file, &dir, "x", OVIO_READ, 0), OVIO_EBADF);
  /* NULL is the current directory. */
  TRY_EQ(ovio_openat(&dir, NULL, ".", OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_close(&dir), 0);
  TRY_EQ(ovio_openat(&file, NULL, "there/is/no/such/name", OVIO_READ, 0),
         OVIO_ENOENT);
}

static void test_nofollow(struct test *test) {
  const char *target = test_path("target");
  const char *folder = test_path("target-folder");
  const char *link = test_path("link");
  const char *folder_link = test_path("folder-link");
  TRY(test_put(target, "abc", 3));
  TRY(test_exists(folder) || test_make_folder(folder));
  if (!test_exists(link) && !test_make_link(target, link, false))
    SKIP("no right to make symbolic links");
  TRY(test_exists(folder_link) || test_make_link(folder, folder_link, true));
  TRY_EQ(open_answer(link, OVIO_READ), 0);
  TRY_EQ(open_answer(link, OVIO_READ | OVIO_NOFOLLOW), OVIO_ELOOP);
  TRY_EQ(open_answer(link, OVIO_WRITE | OVIO_CREATE | OVIO_NOFOLLOW),
         OVIO_ELOOP);
  TRY_EQ(open_answer(link, OVIO_WRITE | OVIO_TRUNCATE | OVIO_NOFOLLOW),
         OVIO_ELOOP);
  char bytes[4];
  TRY_EQ(test_get(target, bytes, sizeof bytes), 3);
  TRY_EQ(open_answer(target, OVIO_READ | OVIO_NOFOLLOW), 0);
  TRY_EQ(open_answer(folder_link, OVIO_DIRECTORY), 0);
  TRY_EQ(open_answer(folder_link, OVIO_DIRECTORY | OVIO_NOFOLLOW), OVIO_ELOOP);
  TRY_EQ(open_answer(folder, OVIO_DIRECTORY | OVIO_NOFOLLOW), 0);
}

/* ---- paths ---- */

static void test_path_errors(struct test *test) {
  enum { HUGE_LENGTH = 70000 };
  TRY_EQ(open_answer("", OVIO_READ), OVIO_ENOENT);
  TRY_EQ(open_answer("", OVIO_WRITE | OVIO_CREATE), OVIO_ENOENT);
  TRY_EQ(open_answer(NULL, OVIO_READ), OVIO_EINVAL);
  char *huge = malloc(HUGE_LENGTH + 1);
  TRY(huge);
  memset(huge, 'a', HUGE_LENGTH);
  huge[HUGE_LENGTH] = 0;
  int one_name = open_answer(huge, OVIO_READ);
  for (size_t at = 0; at < HUGE_LENGTH; at += 100)
    huge[at] = '/';
  int many_names = open_answer(huge, OVIO_READ);
  free(huge);
  TRY_EQ(one_name, OVIO_ENAMETOOLONG);
  TRY_EQ(many_names, OVIO_ENAMETOOLONG);
}

/* Opens a new file by that path, by itself and below a directory. */
static void check_name(struct test *test, const char *name) {
  struct ovio_file file, dir;
  struct ovio_stat first, second;
  const char *path = test_path(name);
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_stat(&file, &first), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY(test_exists(path));
  TRY_EQ(ovio_open(&dir, test_folder(), OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_openat(&file, &dir, name, OVIO_READ, 0), 0);
  TRY_EQ(ovio_stat(&file, &second), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&dir), 0);
  TRY(first.inode == second.inode && first.device == second.device);
}

static void test_names_in_utf8(struct test *test) {
  static const char *const names[] = {
      "gr\xc3\xb6z-\xc3\x9fu.txt",                /* two bytes each */
      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.txt", /* three */
      "\xf0\x9f\x98\x80 \xf0\x9d\x84\x9e.txt",    /* four: a pair */
      "e\xcc\x81",                                /* is not composed */
      "with space & %TEMP% (1).txt",
  };
  for (size_t at = 0; at < sizeof names / sizeof *names; at++)
    check_name(test, names[at]);
}

/* Folders in folders, until the path has more than `length` characters. */
static bool make_deep(char *path, size_t room, size_t length) {
  size_t used = (size_t)snprintf(path, room, "%s/deep", test_folder());
  for (;;) {
    if (!test_exists(path) && !test_make_folder(path))
      return false;
    if (used > length)
      return true;
    used += (size_t)snprintf(path + used, room - used, "/%080d", 7);
  }
}

static void test_long_path(struct test *test) {
  struct ovio_file file, dir;
  char path[900];
  char bytes[4];
  TRY(make_deep(path, sizeof path, 400));
  TRY_EQ(ovio_open(&dir, path, OVIO_DIRECTORY, 0), 0);
  size_t used = strlen(path);
  snprintf(path + used, sizeof path - used, "/file");
  TRY(strlen(path) > 300);
  TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE, 0600), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY(test_exists(path));
  /* Wine 8 cannot tell the path of a folder beyond 260 characters. */
  int error = ovio_openat(&file, test_is_wine() ? NULL : &dir,
                          test_is_wine() ? path : "file", OVIO_READ, 0);
  TRY_EQ(error, 0);
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

/* Who has it not refuses it; the other flags are known everywhere. */
static void test_nonblock_flag(struct test *test) {
  const char *path = test_path("nonblock");
  TRY(files_put(path, 100));
  int answer = open_answer(path, OVIO_READ | OVIO_NONBLOCK);
  TRY(answer == 0 || answer == OVIO_ENOTSUP);
}

/* ---- adopt, release, close ---- */

static void test_adopt_flags(struct test *test) {
  static const unsigned wrong[] = {
      0,
      OVIO_APPEND,
      OVIO_READ | OVIO_WRITE | OVIO_CREATE,
      OVIO_READ | OVIO_WRITE | OVIO_TRUNCATE,
      OVIO_READ | OVIO_SYNC,
      OVIO_READ | OVIO_NOFOLLOW,
      OVIO_READ | OVIO_INHERIT,
      OVIO_READ | OVIO_SEQUENTIAL,
      OVIO_READ | 1u << 20,
  };
  struct ovio_file file;
  const char *path = test_path("adopt");
  TRY(test_put(path, "abc", 3));
  ovio_handle handle = test_open_handle(path, false, false);
  for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
    TRY_EQ(ovio_adopt(&file, handle, wrong[at]), OVIO_EINVAL);
    TRY_EQ(ovio_close(&file), OVIO_EBADF);
  }
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_DIRECTORY), OVIO_ENOTDIR);
  /* After all these failures the handle still is the caller's, and works. */
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_BLOCKING), 0);
  TRY_EQ(ovio_size(&file), 3);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_adopt_dead_handle(struct test *test) {
  struct ovio_file file;
  memset(&file, 0xa5, sizeof file);
  TRY_EQ(ovio_adopt(&file, OVIO_NO_HANDLE, OVIO_READ), OVIO_EBADF);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
  const char *path = test_path("adopt");
  TRY(test_put(path, "abc", 3));
  ovio_handle handle = test_open_handle(path, false, false);
  TRY(test_close_handle(handle));
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ), OVIO_EBADF);
  TRY_EQ(ovio_adopt(NULL, handle, OVIO_READ), OVIO_EINVAL);
}

static void test_adopt_directory(struct test *test) {
  struct ovio_file dir, file;
  const char *folder = test_path("folder");
  TRY(test_exists(folder) || test_make_folder(folder));
  TRY(test_put(test_path("folder/inner"), "abc", 3));
  TRY_EQ(ovio_open(&dir, folder, OVIO_DIRECTORY, 0), 0);
  ovio_handle handle = ovio_release(&dir);
  TRY_EQ(ovio_adopt(&dir, handle, OVIO_READ), OVIO_EISDIR);
  TRY_EQ(ovio_adopt(&dir, handle, OVIO_DIRECTORY), 0);
  TRY_EQ(ovio_openat(&file, &dir, "inner", OVIO_READ, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_release(struct test *test) {
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[8];
    const char *path = test_path("release");
    TRY(files_put(path, 100));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_read(&file, bytes, 8, 10), 8); /* also once it is bound */
    ovio_handle handle = ovio_release(&file);
    TRY(handle != OVIO_NO_HANDLE);
    TRY(ovio_release(&file) == OVIO_NO_HANDLE);
    TRY_EQ(ovio_read(&file, bytes, 8, 10), OVIO_EBADF);
    TRY_EQ(ovio_close(&file), OVIO_EBADF);
    TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE), 0);
    TRY_EQ(ovio_read(&file, bytes, 8, 20), 8);
    TRY(files_match(bytes, 8, 20));
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void test_close(struct test *test) {
  struct ovio_file file;
  memset(&file, 0, sizeof file);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
  TRY_EQ(ovio_close(NULL), OVIO_EINVAL);
  TRY(ovio_release(&file) == OVIO_NO_HANDLE);
  TRY(ovio_release(NULL) == OVIO_NO_HANDLE);
  for (int round = 0; round < 3; round++) { /* the same memory again */
    TRY_EQ(files_make(&file, "close", 0), 0);
    TRY(strcmp(ovio_file_route(&file, NULL), "synchronous") == 0);
    TRY_EQ(ovio_close(&file), 0);
    TRY_EQ(ovio_close(&file), OVIO_EBADF);
    TRY(strcmp(ovio_file_route(&file, NULL), "closed") == 0);
  }
}

/* A failed open leaves a closed file, whatever was in the memory. */
static void test_failed_open_leaves_a_closed_file(struct test *test) {
  struct ovio_file file;
  char byte;
  memset(&file, 0xff, sizeof file);
  TRY_EQ(ovio_open(&file, test_path("no such file"), OVIO_READ, 0),
         OVIO_ENOENT);
  TRY_EQ(ovio_read(&file, &byte, 1, 0), OVIO_EBADF);
  TRY(ovio_release(&file) == OVIO_NO_HANDLE);
  memset(&file, 0xff, sizeof file);
  TRY_EQ(ovio_open(&file, test_path("no such file"), 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_native_error(), 0);
  TRY_EQ(ovio_read(&file, &byte, 1, 0), OVIO_EBADF);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_flags_that_contradict),
      TEST(test_flags_that_are_hints),
      TEST(test_nonblock_flag),
      TEST(test_directions),
      TEST(test_create),
      TEST(test_exclusive),
      TEST(test_truncate_flag),
      TEST(test_mode_of_a_new_file),
      TEST(test_inherit),
      TEST(test_directory),
      TEST(test_path_through_a_file),
      TEST(test_openat),
      TEST(test_openat_bad_directory),
      TEST(test_nofollow),
      TEST(test_path_errors),
      TEST(test_names_in_utf8),
      TEST(test_long_path),
      TEST(test_adopt_flags),
      TEST(test_adopt_dead_handle),
      TEST(test_adopt_directory),
      TEST(test_release),
      TEST(test_close),
      TEST(test_failed_open_leaves_a_closed_file),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
