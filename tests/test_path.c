/* SPDX-License-Identifier: MIT */
/* Names: made, removed, renamed, linked, looked at. */
#include "scene.h"

/* Each run of a body has a new folder, which is the `dir` of its calls. */
static int scene_open(struct test *test, struct ovio_file *dir) {
  static int number;
  char name[64];
  char path[512];
  snprintf(name, sizeof name, "scene-%s-%d", test->mode->name, number++);
  snprintf(path, sizeof path, "%s", test_path(name));
  return test_make_folder(path) ? ovio_open(dir, path, OVIO_DIRECTORY, 0)
                                : OVIO_EUNKNOWN;
}

#define SCENE()                                                                \
  struct ovio_file dir;                                                        \
  struct ovio_stat stat;                                                       \
  memset(&stat, 0, sizeof stat);                                               \
  TRY_EQ(scene_open(test, &dir), 0)

static int put(struct ovio_file *dir, const char *path, const char *text) {
  return ovio_write_file(dir, path, text, strlen(text), 0666);
}

/* Does it hold that? */
static bool is(struct ovio_file *dir, const char *path, const char *text) {
  void *data = NULL;
  size_t length = 0;
  bool same = ovio_read_file(dir, path, 1000, &data, &length) == 0 &&
              length == strlen(text) && memcmp(data, text, length) == 0;
  ovio_free(data);
  return same;
}

static bool absent(struct ovio_file *dir, const char *path) {
  struct ovio_stat stat;
  return ovio_stat_at(dir, path, OVIO_NOFOLLOW, &stat) == OVIO_ENOENT;
}

/* ---- making and removing ---- */

static void test_directories(struct test *test) {
  SCENE();
  TRY_EQ(ovio_mkdir(&dir, "a", 0755), 0);
  TRY_EQ(ovio_stat_at(&dir, "a", 0, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_DIRECTORY);
  TRY_EQ(ovio_mkdir(&dir, "a", 0755), OVIO_EEXIST);
  TRY_EQ(ovio_mkdir(&dir, "a/b", 0755), 0);
  TRY_EQ(ovio_mkdir(&dir, "no/b", 0755), OVIO_ENOENT);
  TRY_EQ(ovio_rmdir(&dir, "a"), OVIO_ENOTEMPTY);
  TRY_EQ(ovio_unlink(&dir, "a"), OVIO_EISDIR);
  TRY_EQ(ovio_rmdir(&dir, "a/b"), 0);
  TRY_EQ(ovio_rmdir(&dir, "a"), 0);
  TRY_EQ(ovio_rmdir(&dir, "a"), OVIO_ENOENT);
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_mkdir(&dir, "file", 0755), OVIO_EEXIST);
  TRY_EQ(ovio_rmdir(&dir, "file"), OVIO_ENOTDIR);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_unlink(struct test *test) {
  struct ovio_file file;
  char byte = 0;
  SCENE();
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_unlink(&dir, "file"), 0);
  TRY(absent(&dir, "file"));
  TRY_EQ(ovio_unlink(&dir, "file"), OVIO_ENOENT);
  TRY_EQ(put(&dir, "open", "x"), 0);
  TRY_EQ(ovio_openat(&file, &dir, "open", OVIO_READ, 0), 0);
  TRY_EQ(ovio_unlink(&dir, "open"), 0);
  TRY_EQ(ovio_read(&file, &byte, 1, 0), 1);
  TRY_EQ(byte, 'x');
  if (!test_is_wine()) /* there the name stays until the last handle closes */
    TRY_EQ(put(&dir, "open", "new"), 0);
  TRY_EQ(ovio_close(&file), 0);
  if (test_is_wine())
    TRY(absent(&dir, "open"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* A separator at the end: a directory is meant. */
static void test_separator_at_the_end(struct test *test) {
  struct ovio_file file;
  char path[1024];
  SCENE();
  snprintf(path, sizeof path, "%s/", test_path("whole"));
  TRY(test_put(test_path("whole"), "x", 1));
  TRY_EQ(put(&dir, "f", "f"), 0);
  TRY_EQ(ovio_mkdir(&dir, "d/", 0755), 0);
  TRY_EQ(ovio_unlink(&dir, "f/"), OVIO_ENOTDIR);
  TRY_EQ(ovio_unlink(NULL, path), OVIO_ENOTDIR);
  TRY_EQ(ovio_rmdir(&dir, "f/"), OVIO_ENOTDIR);
  TRY_EQ(ovio_openat(&file, &dir, "f/", OVIO_READ, 0), OVIO_ENOTDIR);
  TRY_EQ(ovio_openat(&file, &dir, "d/", OVIO_READ, 0), OVIO_EISDIR);
  TRY_EQ(put(&dir, "new/", "x"), OVIO_EISDIR);
  TRY_EQ(ovio_stat_at(&dir, "f/", 0, &stat), OVIO_ENOTDIR);
  TRY_EQ(ovio_stat_at(&dir, "d/", 0, &stat), 0);
  TRY_EQ(ovio_access(&dir, "f/", 0), OVIO_ENOTDIR);
  TRY_EQ(ovio_set_mode(&dir, "f/", 0600), OVIO_ENOTDIR);
  TRY_EQ(ovio_rename(&dir, "f", &dir, "new/", 0), OVIO_ENOTDIR);
  TRY_EQ(ovio_rename(&dir, "f/", &dir, "new", 0), OVIO_ENOTDIR);
  TRY_EQ(ovio_link(&dir, "f", &dir, "new/"), OVIO_ENOENT);
  TRY_EQ(ovio_symlink("f", &dir, "new/", 0), OVIO_ENOENT);
  TRY(absent(&dir, "new"));
  TRY(is(&dir, "f", "f"));
  TRY(test_exists(test_path("whole")));
  TRY_EQ(ovio_rename(&dir, "d/", &dir, "e/", 0), 0);
  TRY_EQ(ovio_rmdir(&dir, "e/"), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

/* The directory itself, or the one above: not by that name. */
static void test_dots_at_the_end(struct test *test) {
  static const char *const names[] = {".", "..", "d/.", "d/..", "d/./"};
  SCENE();
  TRY_EQ(ovio_mkdir(&dir, "d", 0755), 0);
  for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
    TRY_EQ(ovio_rmdir(&dir, names[at]), OVIO_EINVAL);
    TRY_EQ(ovio_rename(&dir, names[at], &dir, "e", 0), OVIO_EINVAL);
    TRY_EQ(ovio_rename(&dir, "d", &dir, names[at], 0), OVIO_EINVAL);
    TRY_EQ(ovio_unlink(&dir, names[at]), OVIO_EISDIR);
    TRY_EQ(ovio_mkdir(&dir, names[at], 0755), OVIO_EEXIST);
  }
  TRY_EQ(ovio_rmdir(&dir, "d"), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_read_only_files(struct test *test) {
  SCENE();
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_set_mode(&dir, "file", 0444), 0);
  TRY_EQ(ovio_stat_at(&dir, "file", 0, &stat), 0);
  TRY_EQ(stat.mode, 0444);
  TRY_EQ(ovio_unlink(&dir, "file"), 0);
  TRY(absent(&dir, "file"));
  TRY_EQ(put(&dir, "old", "old"), 0);
  TRY_EQ(ovio_set_mode(&dir, "old", 0444), 0);
  TRY_EQ(put(&dir, "new", "new"), 0);
  TRY_EQ(ovio_rename(&dir, "new", &dir, "old", 0), 0);
  TRY(is(&dir, "old", "new"));
  TRY_EQ(put(&dir, "old", "again"), 0); /* the new one's mode has come along */
  TRY_EQ(ovio_set_mode(&dir, "old", 0444), 0);
  TRY_EQ(ovio_set_mode(&dir, "old", 0644), 0);
  TRY_EQ(ovio_stat_at(&dir, "old", 0, &stat), 0);
  TRY(stat.mode & 0200);
  TRY_EQ(ovio_set_mode(&dir, "none", 0644), OVIO_ENOENT);
  TRY_EQ(ovio_set_mode(&dir, "old", 010000), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- renaming and linking ---- */

static void test_rename(struct test *test) {
  SCENE();
  TRY_EQ(ovio_mkdir(&dir, "sub", 0755), 0);
  TRY_EQ(put(&dir, "a", "a"), 0);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), 0);
  TRY(absent(&dir, "a"));
  TRY(is(&dir, "b", "a"));
  TRY_EQ(ovio_rename(&dir, "a", &dir, "c", 0), OVIO_ENOENT);
  TRY_EQ(ovio_rename(&dir, "b", &dir, "no/c", 0), OVIO_ENOENT);
  TRY_EQ(put(&dir, "other", "other"), 0);
  TRY_EQ(ovio_rename(&dir, "b", &dir, "other", 0), 0); /* replaces */
  TRY(absent(&dir, "b"));
  TRY(is(&dir, "other", "a"));
  TRY_EQ(ovio_rename(&dir, "other", &dir, "other", 0), 0); /* onto itself */
  TRY(is(&dir, "other", "a"));
  struct ovio_file sub;
  TRY_EQ(ovio_openat(&sub, &dir, "sub", OVIO_DIRECTORY, 0), 0);
  TRY_EQ(ovio_rename(&dir, "other", &sub, "there", 0), 0);
  TRY(is(&sub, "there", "a"));
  TRY_EQ(ovio_close(&sub), 0);
  TRY(is(&dir, "sub/there", "a"));
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_rename_exclusive(struct test *test) {
  SCENE();
  TRY_EQ(put(&dir, "a", "a"), 0);
  TRY_EQ(put(&dir, "b", "b"), 0);
  TRY_EQ(ovio_mkdir(&dir, "d", 0755), 0);
  TRY_EQ(ovio_mkdir(&dir, "e", 0755), 0);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", OVIO_EXCLUSIVE), OVIO_EEXIST);
  TRY_EQ(ovio_rename(&dir, "d", &dir, "e", OVIO_EXCLUSIVE), OVIO_EEXIST);
  TRY(is(&dir, "a", "a"));
  TRY(is(&dir, "b", "b"));
  TRY_EQ(ovio_rename(&dir, "a", &dir, "c", OVIO_EXCLUSIVE), 0);
  TRY(is(&dir, "c", "a"));
  TRY_EQ(ovio_rename(&dir, "d", &dir, "f", OVIO_EXCLUSIVE), 0);
  TRY(absent(&dir, "d"));
  TRY_EQ(ovio_rename(&dir, "c", &dir, "g", OVIO_CREATE), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_rename_directories(struct test *test) {
  SCENE();
  TRY_EQ(ovio_mkdir(&dir, "a", 0755), 0);
  TRY_EQ(put(&dir, "a/file", "x"), 0);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), 0);
  TRY(is(&dir, "b/file", "x"));
  TRY_EQ(ovio_mkdir(&dir, "empty", 0755), 0);
  TRY_EQ(ovio_rename(&dir, "b", &dir, "empty", 0), 0);
  TRY(is(&dir, "empty/file", "x"));
  TRY(absent(&dir, "b"));
  TRY_EQ(ovio_mkdir(&dir, "c", 0755), 0);
  TRY_EQ(ovio_rename(&dir, "c", &dir, "empty", 0), OVIO_ENOTEMPTY);
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_rename(&dir, "file", &dir, "c", 0), OVIO_EISDIR);
  TRY_EQ(ovio_rename(&dir, "c", &dir, "file", 0), OVIO_ENOTDIR);
  TRY_EQ(ovio_rename(&dir, "c", &dir, "c", 0), 0);
  TRY_EQ(ovio_stat_at(&dir, "c", 0, &stat), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_link(struct test *test) {
  SCENE();
  TRY_EQ(put(&dir, "a", "a"), 0);
  int error = ovio_link(&dir, "a", &dir, "b");
  if (error == OVIO_ENOTSUP) {
    ovio_close(&dir);
    SKIP("no hard links on this file system");
  }
  TRY_EQ(error, 0);
  TRY_EQ(ovio_stat_at(&dir, "b", 0, &stat), 0);
  TRY_EQ(stat.links, 2);
  TRY_EQ(ovio_link(&dir, "a", &dir, "b"), OVIO_EEXIST);
  TRY_EQ(ovio_link(&dir, "none", &dir, "c"), OVIO_ENOENT);
  TRY_EQ(ovio_mkdir(&dir, "d", 0755), 0);
  TRY_EQ(ovio_link(&dir, "d", &dir, "e"), OVIO_EPERM);
  TRY_EQ(ovio_unlink(&dir, "a"), 0);
  TRY(is(&dir, "b", "a"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- symbolic links ---- */

/* Whether links can be made here at all. */
static bool has_links(struct ovio_file *dir) {
  struct ovio_stat stat;
  return ovio_symlink("probe", dir, "a probe", 0) == 0 &&
         ovio_stat_at(dir, "a probe", OVIO_NOFOLLOW, &stat) == 0;
}

static void test_symlink(struct test *test) {
  char text[64];
  SCENE();
  if (!has_links(&dir)) {
    ovio_close(&dir);
    SKIP("no symbolic links here");
  }
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_symlink("file", &dir, "link", 0), 0);
  TRY_EQ(ovio_symlink("file", &dir, "link", 0), OVIO_EEXIST);
  TRY(is(&dir, "link", "x"));
  TRY_EQ(ovio_stat_at(&dir, "link", 0, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_FILE);
  TRY_EQ(ovio_stat_at(&dir, "link", OVIO_NOFOLLOW, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_SYMLINK);
  TRY_EQ(ovio_readlink(&dir, "link", text, sizeof text), 4);
  TRY(strcmp(text, "file") == 0);
  TRY_EQ(ovio_readlink(&dir, "link", text, 5), 4);
  TRY_EQ(ovio_readlink(&dir, "link", text, 4), OVIO_EOVERFLOW);
  TRY_EQ(ovio_rename(&dir, "link", &dir, "moved", 0), 0);
  TRY_EQ(ovio_readlink(&dir, "moved", text, sizeof text), 4);
  TRY_EQ(ovio_rmdir(&dir, "moved"), OVIO_ENOTDIR);
  TRY_EQ(ovio_unlink(&dir, "moved"), 0);
  TRY(is(&dir, "file", "x"));
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_symlink_loops(struct test *test) {
  char text[1024];
  SCENE();
  if (!has_links(&dir)) {
    ovio_close(&dir);
    SKIP("no symbolic links here");
  }
  TRY_EQ(ovio_symlink("round", &dir, "round", 0), 0);
  TRY_EQ(ovio_stat_at(&dir, "round", 0, &stat), OVIO_ELOOP);
  TRY_EQ(ovio_realpath(&dir, "round", text, sizeof text), OVIO_ELOOP);
  TRY_EQ(ovio_access(&dir, "round", 0), OVIO_ELOOP);
  TRY_EQ(ovio_symlink("none", &dir, "dangling", 0), 0);
  TRY_EQ(ovio_stat_at(&dir, "dangling", 0, &stat), OVIO_ENOENT);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_link_to_directory(struct test *test) {
  SCENE();
  if (!has_links(&dir)) {
    ovio_close(&dir);
    SKIP("no symbolic links here");
  }
  TRY_EQ(ovio_mkdir(&dir, "d", 0755), 0);
  TRY_EQ(ovio_symlink("d", &dir, "link", OVIO_DIRECTORY), 0);
  TRY_EQ(put(&dir, "link/file", "x"), 0);
  TRY(is(&dir, "d/file", "x"));
  TRY_EQ(ovio_stat_at(&dir, "link", OVIO_NOFOLLOW, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_SYMLINK);
  TRY_EQ(ovio_rmdir(&dir, "link"), OVIO_ENOTDIR);
  TRY_EQ(ovio_unlink(&dir, "link"), 0);
  TRY(is(&dir, "d/file", "x"));
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_not_a_link(struct test *test) {
  char text[64];
  SCENE();
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_readlink(&dir, "file", text, sizeof text), OVIO_EINVAL);
  TRY_EQ(ovio_readlink(&dir, "none", text, sizeof text), OVIO_ENOENT);
  TRY_EQ(ovio_readlink(&dir, "file", text, 0), OVIO_EINVAL);
  TRY_EQ(ovio_readlink(&dir, "file", NULL, 9), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_realpath(struct test *test) {
  char one[1024];
  char other[1024];
  SCENE();
  TRY_EQ(ovio_mkdir(&dir, "d", 0755), 0);
  TRY_EQ(put(&dir, "d/file", "x"), 0);
  int64_t length = ovio_realpath(&dir, "d/../d/./file", one, sizeof one);
  if (length == OVIO_ENOTSUP) {
    ovio_close(&dir);
    SKIP("this system does not tell the path of an open directory");
  }
  TRY(length > 0);
  TRY_EQ(strlen(one), length);
  TRY(is(NULL, one, "x"));
  TRY(!strstr(one, ".."));
  /* The same by an absolute path, which is its own. */
  TRY_EQ(ovio_realpath(NULL, one, other, sizeof other), length);
  TRY(strcmp(one, other) == 0);
  TRY_EQ(ovio_realpath(&dir, one, other, sizeof other), length);
  TRY_EQ(ovio_realpath(&dir, "d/file", one, (size_t)length), OVIO_EOVERFLOW);
  TRY_EQ(ovio_realpath(NULL, other, one, (size_t)length), OVIO_EOVERFLOW);
  TRY_EQ(ovio_realpath(&dir, "none", one, sizeof one), OVIO_ENOENT);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- looking and changing ---- */

static void test_stat_agrees(struct test *test) {
  struct ovio_file file;
  struct ovio_stat by_file;
  SCENE();
  TRY_EQ(put(&dir, "file", "hello"), 0);
  TRY_EQ(ovio_stat_at(&dir, "file", 0, &stat), 0);
  TRY_EQ(ovio_openat(&file, &dir, "file", OVIO_READ, 0), 0);
  TRY_EQ(ovio_stat(&file, &by_file), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(stat.size, 5);
  TRY_EQ(stat.type, OVIO_TYPE_FILE);
  TRY_EQ(memcmp(&stat, &by_file, sizeof stat), 0);
  TRY_EQ(ovio_stat_at(&dir, "none", 0, &stat), OVIO_ENOENT);
  TRY_EQ(ovio_stat_at(&dir, "file", OVIO_READ, &stat), OVIO_EINVAL);
  TRY_EQ(ovio_stat_at(&dir, "file", 0, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_access(struct test *test) {
  SCENE();
  TRY_EQ(put(&dir, "file", "x"), 0);
  TRY_EQ(ovio_access(&dir, "file", 0), 0);
  TRY_EQ(ovio_access(&dir, "file", OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_access(&dir, ".", OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_access(&dir, "none", 0), OVIO_ENOENT);
  TRY_EQ(ovio_access(&dir, "file", OVIO_CREATE), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_set_times(struct test *test) {
  const int64_t when = INT64_C(1000000000) * 1000000000;
  SCENE();
  TRY_EQ(ovio_mkdir(&dir, "d", 0755), 0);
  TRY_EQ(ovio_set_times_at(&dir, "d", OVIO_TIME_KEEP, when), 0);
  TRY_EQ(ovio_stat_at(&dir, "d", 0, &stat), 0);
  TRY_EQ(stat.modify_ns, when);
  TRY(stat.access_ns > when);
  TRY_EQ(ovio_set_times_at(&dir, "none", when, when), OVIO_ENOENT);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- every call with the same mistakes ---- */

enum { CALLS = 12 };

/* Call number `at` with that path. */
static int64_t call(int at, struct ovio_file *dir, const char *path) {
  struct ovio_stat stat;
  char text[1024];
  switch (at) {
  case 0:
    return ovio_mkdir(dir, path, 0700);
  case 1:
    return ovio_unlink(dir, path);
  case 2:
    return ovio_rmdir(dir, path);
  case 3:
    return ovio_rename(dir, path, NULL, "never", 0);
  case 4:
    return ovio_rename(NULL, "never", dir, path, 0);
  case 5:
    return ovio_link(dir, path, dir, "never");
  case 6:
    return ovio_symlink("target", dir, path, 0);
  case 7:
    return ovio_readlink(dir, path, text, sizeof text);
  case 8:
    return ovio_realpath(dir, path, text, sizeof text);
  case 9:
    return ovio_stat_at(dir, path, 0, &stat);
  case 10:
    return ovio_set_times_at(dir, path, OVIO_TIME_KEEP, 0);
  default:
    return ovio_set_mode(dir, path, 0600);
  }
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file file;
  static char endless[70000];
  SCENE();
  memset(endless, 'x', sizeof endless - 1);
  TRY_EQ(ovio_openat(&file, &dir, "file", OVIO_WRITE | OVIO_CREATE, 0600), 0);
  for (int at = 0; at < CALLS; at++) {
    TRY_EQ(call(at, &dir, NULL), OVIO_EINVAL);
    TRY_EQ(call(at, &dir, ""), OVIO_ENOENT);
    TRY_EQ(call(at, &dir, endless), OVIO_ENAMETOOLONG);
    TRY_EQ(call(at, &file, "x"), OVIO_ENOTDIR);
  }
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_symlink("", &dir, "x", 0), OVIO_ENOENT);
  TRY_EQ(ovio_symlink(NULL, &dir, "x", 0), OVIO_EINVAL);
  TRY_EQ(ovio_symlink("x", &dir, "x", OVIO_READ), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
  for (int at = 0; at < CALLS; at++)
    TRY_EQ(call(at, &dir, "x"), OVIO_EBADF);
}

/* A name of 300 bytes, a file in the middle. */
static void test_bad_paths(struct test *test) {
  char name[301];
  SCENE();
  memset(name, 'x', sizeof name - 1);
  name[300] = 0;
  TRY_EQ(put(&dir, "file", "x"), 0);
  int longest = ovio_mkdir(&dir, name, 0700);
  TRY(longest == OVIO_ENAMETOOLONG || longest == OVIO_EINVAL ||
      (test_is_wine() && longest == OVIO_ENOENT));
  for (int at = 0; at < CALLS; at++) {
    if (at == 4 || (at == 6 && test_is_wine())) /* links there are a fiction */
      continue;
    int64_t error = call(at, &dir, "file/x");
    TRY(error == OVIO_ENOTDIR || error == OVIO_ENOENT);
  }
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_names_in_utf8(struct test *test) {
  static const char name[] = "na\xC3\xAFve \xE2\x98\x83 \xF0\x9D\x84\x9E";
  char text[1024];
  SCENE();
  TRY_EQ(put(&dir, name, "x"), 0);
  TRY_EQ(ovio_rename(&dir, name, &dir, "\xC3\xA9", 0), 0);
  TRY_EQ(ovio_rename(&dir, "\xC3\xA9", &dir, name, OVIO_EXCLUSIVE), 0);
  int64_t length = ovio_realpath(&dir, name, text, sizeof text);
  TRY(length == OVIO_ENOTSUP || (length > 0 && strstr(text, name)));
  TRY_EQ(ovio_unlink(&dir, name), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

/* Longer than Windows's old limit of 260, without a directory that is open: see
 * docs/wine.md. */
static void test_long_paths(struct test *test) {
  char path[1024];
  char name[101];
  struct ovio_stat stat;
  static int number;
  memset(name, 'n', 100);
  name[100] = 0;
  snprintf(path, sizeof path, "%s/long-%d", test_folder(), number++);
  TRY_EQ(ovio_mkdir(NULL, path, 0700), 0);
  for (int depth = 0; depth < 4; depth++) {
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/%s", name);
    TRY_EQ(ovio_mkdir(NULL, path, 0700), 0);
  }
  size_t length = strlen(path);
  snprintf(path + length, sizeof path - length, "/old");
  TRY_EQ(put(NULL, path, "x"), 0);
  char other[1024];
  memcpy(other, path, sizeof other);
  memcpy(other + length, "/new", 5);
  TRY_EQ(ovio_rename(NULL, path, NULL, other, 0), 0);
  TRY_EQ(ovio_stat_at(NULL, other, 0, &stat), 0);
  TRY_EQ(ovio_unlink(NULL, other), 0);
  path[length] = 0;
  TRY_EQ(ovio_rmdir(NULL, path), 0);
}

/* ---- temporary ---- */

static void test_temporary(struct test *test) {
  struct ovio_file file;
  char folder[512];
  char one[600];
  char other[600];
  SCENE();
  int64_t length = ovio_temp_path(folder, sizeof folder);
  TRY(length > 0);
  TRY_EQ(strlen(folder), length);
  TRY_EQ(ovio_stat_at(NULL, folder, 0, &stat), 0);
  TRY_EQ(stat.type, OVIO_TYPE_DIRECTORY);
  TRY_EQ(ovio_temp_path(folder, (size_t)length), OVIO_EOVERFLOW);
  TRY_EQ(ovio_temp_path(NULL, 1), OVIO_EINVAL);
  TRY_EQ(ovio_temp_file(&file, &dir, "app-", 0, one, sizeof one), 0);
  TRY(strncmp(one, "app-", 4) == 0);
  TRY_EQ(ovio_write(&file, "x", 1, 0), 1);
  TRY_EQ(ovio_close(&file), 0);
  TRY(is(&dir, one, "x"));
  TRY_EQ(ovio_stat_at(&dir, one, 0, &stat), 0);
  TRY(stat.mode == 0600 || stat.mode == 0666); /* on Windows */
  TRY_EQ(ovio_temp_dir(&dir, "app-", other, sizeof other), 0);
  TRY(strcmp(one, other) != 0);
  TRY_EQ(ovio_rmdir(&dir, other), 0);
  TRY_EQ(ovio_temp_file(&file, &dir, "app-", 0, one, 30), OVIO_EOVERFLOW);
  TRY_EQ(ovio_temp_file(&file, &dir, "app-", 0, one, 31), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_temp_file(&file, &dir, "no/app-", 0, one, 99), OVIO_ENOENT);
  TRY_EQ(ovio_temp_file(&file, &dir, "x", OVIO_APPEND, one, 99), OVIO_EINVAL);
  TRY_EQ(ovio_temp_file(&file, &dir, NULL, 0, one, 99), OVIO_EINVAL);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
  TRY_EQ(ovio_temp_dir(&dir, "x", NULL, 99), OVIO_EINVAL);
  TRY_EQ(ovio_close(&dir), 0);
}

/* Nothing is left behind when the memory ends anywhere. */
static void test_out_of_memory(struct test *test) {
  char text[1024];
  SCENE();
  TRY_EQ(put(&dir, "file", "x"), 0);
  for (unsigned long at = 1;; at++) {
    memory_fail_at = at;
    int64_t error = ovio_rename(&dir, "file", &dir, "file", 0);
    if (!error)
      error = ovio_stat_at(&dir, "file", 0, &stat);
    if (!error)
      error = ovio_realpath(&dir, "file", text, sizeof text);
    bool reached = memory_fail_at == 0;
    memory_fail_at = 0;
    if (!reached)
      break;
    TRY_EQ(error, OVIO_ENOMEM);
  }
  TRY(is(&dir, "file", "x"));
  TRY_EQ(ovio_close(&dir), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_directories),
      TEST(test_unlink),
      TEST(test_separator_at_the_end),
      TEST(test_dots_at_the_end),
      TEST(test_read_only_files),
      TEST(test_rename),
      TEST(test_rename_exclusive),
      TEST(test_rename_directories),
      TEST(test_link),
      TEST(test_symlink),
      TEST(test_symlink_loops),
      TEST(test_link_to_directory),
      TEST(test_not_a_link),
      TEST(test_realpath),
      TEST(test_stat_agrees),
      TEST(test_access),
      TEST(test_set_times),
      TEST(test_bad_arguments),
      TEST(test_bad_paths),
      TEST(test_names_in_utf8),
      TEST(test_long_paths),
      TEST(test_temporary),
      TEST_PLAIN(test_out_of_memory, "tasks allocate for the loop, too"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
