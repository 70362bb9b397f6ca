/* SPDX-License-Identifier: MIT */
/* Directories, names and whole files where the system refuses: each call that
 * can fail, made to fail, and each way around it. */
#include "posix/native.h"

#include "files.h"
#include "scene.h"

enum shim {
  SHIM_NONE,
  SHIM_OPENAT2,
  SHIM_RENAMEAT2,
  SHIM_RENAMEAT,
  SHIM_LINKAT,
  SHIM_UNLINKAT,
  SHIM_MKDIRAT,
  SHIM_COPY,
  SHIM_NAMELESS, /* openat of a file without a name */
  SHIM_TOUCH,    /* the file that is copied has another time then */
  SHIM_STATX,
  SHIM_GETDENTS,
  SHIM_UNTYPED, /* getdents64 tells no types */
  SHIM_WRITE,
  SHIM_FSYNC,
  SHIM_FCHMOD,
  SHIM_RANDOM,
  SHIM_CANCEL /* fsync cancels `plan.group` */
};

/* In the table from before the first thread until the end. */
static struct {
  atomic_int which;
  atomic_int error;
  atomic_int skip; /* calls that come through before */
  atomic_int fail; /* calls that fail then */
  atomic_int calls;
  atomic_size_t most;
  atomic_uint mode; /* of the last file that was made */
  struct ovio_group *group;
} plan;

static struct native_calls real;

static void plan_begin(enum shim which, int error, int skip, int fail) {
  plan.which = SHIM_NONE;
  plan.error = error;
  plan.skip = skip;
  plan.fail = fail;
  plan.calls = 0;
  plan.most = 0;
  plan.which = (int)which;
}

static void plan_end(void) {
  plan.which = SHIM_NONE;
}

static bool fails(enum shim which) {
  if (plan.which != (int)which)
    return false;
  int call = atomic_fetch_add(&plan.calls, 1);
  if (call < plan.skip || call >= plan.skip + plan.fail)
    return false;
  errno = plan.error;
  return true;
}

static int shim_openat2(int dir, const char *path,
                        const struct native_open_how *how) {
  return fails(SHIM_OPENAT2) ? -1 : real.openat2(dir, path, how);
}

static int shim_renameat2(int dir, const char *from, int to_dir, const char *to,
                          unsigned flags) {
  return fails(SHIM_RENAMEAT2) ? -1
                               : real.renameat2(dir, from, to_dir, to, flags);
}

/* Also where renameat2 is not there. */
static int shim_renameat(int dir, const char *from, int to_dir,
                         const char *to) {
  return fails(SHIM_RENAMEAT) ? -1 : real.renameat(dir, from, to_dir, to);
}

static int shim_linkat(int dir, const char *from, int to_dir, const char *to,
                       int flags) {
  return fails(SHIM_LINKAT) ? -1 : real.linkat(dir, from, to_dir, to, flags);
}

static int shim_unlinkat(int dir, const char *path, int flags) {
  return fails(SHIM_UNLINKAT) ? -1 : real.unlinkat(dir, path, flags);
}

static int shim_mkdirat(int dir, const char *path, mode_t mode) {
  return fails(SHIM_MKDIRAT) ? -1 : real.mkdirat(dir, path, mode);
}

static ssize_t shim_copy_file_range(int from, int64_t *from_offset, int to,
                                    int64_t *to_offset, size_t length) {
  if (fails(SHIM_COPY))
    return -1;
  if (plan.which == SHIM_TOUCH)
    futimens(from, NULL);
  bool cut = plan.which == SHIM_COPY && plan.most && length > plan.most;
  return real.copy_file_range(from, from_offset, to, to_offset,
                              cut ? plan.most : length);
}

/* As a file system that does not keep the types with the names. */
static void untype(char *records, ssize_t length) {
  enum { LENGTH = 16, TYPE = 18 }; /* getdents(2) */
  for (ssize_t at = 0; at < length;) {
    uint16_t record;
    memcpy(&record, records + at + LENGTH, sizeof record);
    records[at + TYPE] = DT_UNKNOWN;
    at += record;
  }
}

static ssize_t shim_getdents64(int fd, void *buffer, size_t length) {
  if (fails(SHIM_GETDENTS))
    return -1;
  ssize_t got = real.getdents64(fd, buffer, length);
  if (plan.which == SHIM_UNTYPED)
    untype(buffer, got);
  return got;
}

static ssize_t shim_pwrite(int fd, const void *buffer, size_t length,
                           off_t offset) {
  return fails(SHIM_WRITE) ? -1 : real.pwrite(fd, buffer, length, offset);
}

static ssize_t shim_pwritev(int fd, const struct iovec *iov, int count,
                            off_t offset) {
  return fails(SHIM_WRITE) ? -1 : real.pwritev(fd, iov, count, offset);
}

static int shim_fsync(int fd) {
  if (plan.which == SHIM_CANCEL)
    ovio_group_cancel(plan.group);
  return fails(SHIM_FSYNC) ? -1 : real.fsync(fd);
}

static int shim_fchmod(int fd, mode_t mode) {
  return fails(SHIM_FCHMOD) ? -1 : real.fchmod(fd, mode);
}

static int shim_openat(int dir, const char *path, int flags, mode_t mode) {
  if (flags & O_EXCL)
    plan.mode = mode;
#if defined(O_TMPFILE)
  if ((flags & O_TMPFILE) == O_TMPFILE && fails(SHIM_NAMELESS))
    return -1;
#endif
  return real.openat(dir, path, flags, mode);
}

#if NATIVE_HAS_STATX
static int shim_statx(int dir, const char *path, int flags, unsigned mask,
                      struct statx *out) {
  return fails(SHIM_STATX) ? -1 : real.statx(dir, path, flags, mask, out);
}
#endif

static int shim_getentropy(void *bytes, size_t length) {
  return fails(SHIM_RANDOM) ? -1 : real.getentropy(bytes, length);
}

static void install(void) {
  real = native;
  native.openat = shim_openat;
  native.openat2 = shim_openat2;
  native.getentropy = shim_getentropy;
  native.renameat2 = shim_renameat2;
  native.renameat = shim_renameat;
  native.linkat = shim_linkat;
  native.unlinkat = shim_unlinkat;
  native.mkdirat = shim_mkdirat;
  native.copy_file_range = shim_copy_file_range;
#if NATIVE_HAS_STATX
  native.statx = shim_statx;
#endif
  native.getdents64 = shim_getdents64;
  native.pwrite = shim_pwrite;
  native.pwritev = shim_pwritev;
  native.fsync = shim_fsync;
  test_ring_syncs_by_calls();
  native.fchmod = shim_fchmod;
}

/* ---- scenes ---- */

static int folder_open(struct test *test, struct ovio_file *dir) {
  static int number;
  char name[64];
  char path[512];
  snprintf(name, sizeof name, "name-%s-%d", test->mode->name, number++);
  snprintf(path, sizeof path, "%s", test_path(name));
  return test_make_folder(path) ? ovio_open(dir, path, OVIO_DIRECTORY, 0)
                                : OVIO_EUNKNOWN;
}

static int put(struct ovio_file *dir, const char *path, const char *text) {
  return ovio_write_file(dir, path, text, strlen(text), 0600);
}

static bool is(struct ovio_file *dir, const char *path, const char *text) {
  void *data = NULL;
  size_t length = 0;
  bool same = ovio_read_file(dir, path, 100, &data, &length) == 0 &&
              strcmp(data, text) == 0;
  ovio_free(data);
  return same;
}

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

static int try_open(struct ovio_file *dir, const char *path, unsigned flags) {
  struct ovio_file file;
  int error = ovio_openat(&file, dir, path, flags, 0600);
  return error ? error : ovio_close(&file);
}

/* ---- OVIO_BENEATH ---- */

/* The walk of those that have no openat2. */
static void test_beneath_by_walking(struct test *test) {
  static const int answers[] = {ENOSYS, EPERM};
  const unsigned make = OVIO_WRITE | OVIO_CREATE | OVIO_BENEATH;
  const unsigned look = OVIO_READ | OVIO_BENEATH;
  for (int at = 0; at < 2; at++) {
    struct ovio_file dir;
    TRY_EQ(folder_open(test, &dir), 0);
    TRY_EQ(ovio_mkdir(&dir, "a", 0700), 0);
    TRY_EQ(ovio_mkdir(&dir, "a/b", 0700), 0);
    TRY_EQ(ovio_symlink("a", &dir, "link", 0), 0);
    plan_begin(SHIM_OPENAT2, answers[at], 0, 1000);
    TRY_EQ(try_open(&dir, "a/b/../b/./file", make), 0);
    TRY_EQ(try_open(&dir, "a//b/file", look), 0);
    TRY_EQ(try_open(&dir, "a/b/file/x", look), OVIO_ENOTDIR);
    TRY_EQ(try_open(&dir, "a/b", look), OVIO_EISDIR);
    TRY_EQ(try_open(&dir, ".", OVIO_DIRECTORY | OVIO_BENEATH), 0);
    TRY_EQ(try_open(&dir, "a/..", OVIO_DIRECTORY | OVIO_BENEATH), 0);
    TRY_EQ(try_open(&dir, "..", OVIO_DIRECTORY | OVIO_BENEATH), OVIO_EXDEV);
    TRY_EQ(try_open(&dir, "a/b/../../../x", make), OVIO_EXDEV);
    TRY_EQ(try_open(&dir, "/tmp", look), OVIO_EXDEV);
    TRY_EQ(try_open(&dir, "link/b/file", look), OVIO_ELOOP);
    TRY_EQ(try_open(&dir, "link", look), OVIO_ELOOP);
    TRY_EQ(try_open(&dir, "none/x", look), OVIO_ENOENT);
    TRY(plan.calls > 0);
    plan_end();
    TRY_EQ(ovio_close(&dir), 0);
  }
}

static void test_beneath_tries_again(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "x"), 0);
  plan_begin(SHIM_OPENAT2, EAGAIN, 0, 3);
  TRY_EQ(try_open(&dir, "f", OVIO_READ | OVIO_BENEATH), 0);
  TRY_EQ(plan.calls, 4);
  plan_begin(SHIM_OPENAT2, EAGAIN, 0, 1000000);
  TRY_EQ(try_open(&dir, "f", OVIO_READ | OVIO_BENEATH), OVIO_EWOULDBLOCK);
  plan_end();
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- renaming ---- */

static void test_exclusive_without_renameat2(struct test *test) {
  static const int answers[] = {ENOSYS, EINVAL, EOPNOTSUPP};
  for (int at = 0; at < 3; at++) {
    struct ovio_file dir;
    TRY_EQ(folder_open(test, &dir), 0);
    TRY_EQ(put(&dir, "a", "a"), 0);
    TRY_EQ(put(&dir, "b", "b"), 0);
    TRY_EQ(ovio_mkdir(&dir, "d", 0700), 0);
    TRY_EQ(put(&dir, "d/file", "x"), 0);
    TRY_EQ(ovio_mkdir(&dir, "e", 0700), 0);
    plan_begin(SHIM_RENAMEAT2, answers[at], 0, 1000);
    TRY_EQ(ovio_rename(&dir, "a", &dir, "b", OVIO_EXCLUSIVE), OVIO_EEXIST);
    TRY_EQ(ovio_rename(&dir, "d", &dir, "e", OVIO_EXCLUSIVE), OVIO_EEXIST);
    TRY_EQ(ovio_rename(&dir, "x", &dir, "y", OVIO_EXCLUSIVE), OVIO_ENOENT);
    TRY_EQ(count(&dir), 4);
    TRY_EQ(ovio_rename(&dir, "a", &dir, "c", OVIO_EXCLUSIVE), 0);
    TRY_EQ(ovio_rename(&dir, "d", &dir, "f", OVIO_EXCLUSIVE), 0);
    plan_end();
    TRY(is(&dir, "c", "a"));
    TRY(is(&dir, "b", "b"));
    TRY(is(&dir, "f/file", "x"));
    TRY_EQ(count(&dir), 4);
    TRY_EQ(ovio_close(&dir), 0);
  }
}

/* What the two steps have begun is undone. The first step must be reached
 * without renameat2, which fails as a directory into itself does. */
static int shim_no_renameat2(int dir, const char *from, int to_dir,
                             const char *to, unsigned flags) {
  (void)dir;
  (void)from;
  (void)to_dir;
  (void)to;
  (void)flags;
  errno = ENOSYS;
  return -1;
}

static void test_exclusive_undone(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "a", "a"), 0);
  TRY_EQ(ovio_mkdir(&dir, "d", 0700), 0);
  native.renameat2 = shim_no_renameat2; /* a plain thread's alone */
  plan_begin(SHIM_UNLINKAT, EIO, 0, 1);
  int by_link = ovio_rename(&dir, "a", &dir, "b", OVIO_EXCLUSIVE);
  plan_begin(SHIM_RENAMEAT, EIO, 0, 1);
  int by_folder = ovio_rename(&dir, "d", &dir, "e", OVIO_EXCLUSIVE);
  plan_end();
  native.renameat2 = shim_renameat2;
  TRY_EQ(by_link, OVIO_EIO);
  TRY_EQ(by_folder, OVIO_EIO);
  TRY_EQ(count(&dir), 2);
  TRY(is(&dir, "a", "a"));
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_other_systems_answers(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_mkdir(&dir, "d", 0700), 0);
  TRY_EQ(put(&dir, "f", "x"), 0);
  plan_begin(SHIM_UNLINKAT, EPERM, 0, 1);
  TRY_EQ(ovio_unlink(&dir, "d"), OVIO_EISDIR);
  plan_begin(SHIM_UNLINKAT, EPERM, 0, 1);
  TRY_EQ(ovio_unlink(&dir, "f"), OVIO_EPERM);
  plan_begin(SHIM_UNLINKAT, EEXIST, 0, 1);
  TRY_EQ(ovio_rmdir(&dir, "d"), OVIO_ENOTEMPTY);
  plan_begin(SHIM_RENAMEAT, EEXIST, 0, 1);
  TRY_EQ(ovio_rename(&dir, "d", &dir, "e", 0), OVIO_ENOTEMPTY);
  plan_begin(SHIM_RENAMEAT, EXDEV, 0, 1);
  TRY_EQ(ovio_rename(&dir, "d", &dir, "e", 0), OVIO_EXDEV);
  plan_begin(SHIM_MKDIRAT, EMLINK, 0, 1);
  TRY_EQ(ovio_mkdir(&dir, "e", 0700), OVIO_ENOSPC);
  plan_begin(SHIM_LINKAT, EMLINK, 0, 1);
  TRY_EQ(ovio_link(&dir, "f", &dir, "e"), OVIO_ENOSPC);
  plan_begin(SHIM_LINKAT, EACCES, 0, 1);
  TRY_EQ(ovio_link(&dir, "d", &dir, "e"), OVIO_EPERM);
  plan_end();
  TRY_EQ(ovio_native_error(), EACCES);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- walks ---- */

static void test_types_not_told(struct test *test) {
  struct ovio_file dir;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[512];
  unsigned seen = 0;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "x"), 0);
  TRY_EQ(ovio_mkdir(&dir, "d", 0700), 0);
  TRY_EQ(ovio_symlink("nowhere", &dir, "l", 0), 0);
  plan_begin(SHIM_UNTYPED, 0, 0, 0);
  TRY_EQ(ovio_dir_begin(&walk, &dir, buffer, sizeof buffer), 0);
  while (ovio_dir_next(&walk, &entry) == 1) {
    seen |= 1u << entry.type;
    TRY_EQ(entry.type, *entry.name == 'f'   ? OVIO_TYPE_FILE
                       : *entry.name == 'd' ? OVIO_TYPE_DIRECTORY
                                            : OVIO_TYPE_SYMLINK);
  }
  plan_end();
  TRY_EQ(seen, 1u << OVIO_TYPE_FILE | 1u << OVIO_TYPE_DIRECTORY |
                   1u << OVIO_TYPE_SYMLINK);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_failing_batch(struct test *test) {
  struct ovio_file dir;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[512];
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "x"), 0);
  TRY_EQ(ovio_dir_begin(&walk, &dir, buffer, sizeof buffer), 0);
  plan_begin(SHIM_GETDENTS, EIO, 0, 1);
  TRY_EQ(ovio_dir_next(&walk, &entry), OVIO_EIO);
  TRY_EQ(ovio_native_error(), EIO);
  TRY_EQ(ovio_dir_next(&walk, &entry), 1); /* it stays where it was */
  TRY_EQ(ovio_dir_rewind(&walk), 0);
  plan_begin(SHIM_GETDENTS, ENOENT, 0, 1); /* the directory is removed */
  TRY_EQ(ovio_dir_next(&walk, &entry), 0);
  plan_end();
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- copying ---- */

enum { LENGTH = 700001 };

static int copy_open(struct test *test, struct ovio_file *dir,
                     struct ovio_file *from, struct ovio_file *to) {
  static unsigned char bytes[LENGTH];
  files_fill(bytes, LENGTH, 0);
  int error = folder_open(test, dir);
  if (!error)
    error = ovio_write_file(dir, "from", bytes, LENGTH, 0600);
  if (!error)
    error = ovio_openat(from, dir, "from", OVIO_READ, 0);
  if (!error)
    error =
        ovio_openat(to, dir, "to", OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600);
  return error;
}

static bool copy_holds(struct ovio_file *to, size_t length) {
  static unsigned char bytes[LENGTH + 1];
  return ovio_read(to, bytes, sizeof bytes, 0) == (int64_t)length &&
         files_match(bytes, length, 0);
}

static void test_copy_by_hand(struct test *test) {
  static const int answers[] = {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM};
  for (int at = 0; at < 5; at++) {
    struct ovio_file dir;
    struct ovio_file from;
    struct ovio_file to;
    TRY_EQ(copy_open(test, &dir, &from, &to), 0);
    /* At once, and after a piece. */
    plan_begin(SHIM_COPY, answers[at], at % 2, 1000);
    plan.most = 1000;
    TRY_EQ(ovio_copy(&from, 0, &to, 0, INT64_MAX), LENGTH);
    plan_end();
    TRY(copy_holds(&to, LENGTH));
    TRY_EQ(ovio_close(&from), 0);
    TRY_EQ(ovio_close(&to), 0);
    TRY_EQ(ovio_close(&dir), 0);
  }
}

static void test_copy_short_and_failing(struct test *test) {
  struct ovio_file dir;
  struct ovio_file from;
  struct ovio_file to;
  TRY_EQ(copy_open(test, &dir, &from, &to), 0);
  plan_begin(SHIM_COPY, ENOSPC, 3, 1000);
  plan.most = 1000;
  TRY_EQ(ovio_copy(&from, 0, &to, 0, LENGTH), 3000);
  TRY_EQ(ovio_copy(&from, 3000, &to, 3000, LENGTH), OVIO_ENOSPC);
  plan_end();
  TRY(copy_holds(&to, 3000));
  TRY_EQ(ovio_close(&from), 0);
  TRY_EQ(ovio_close(&to), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

/* What the kernel does not copy is read and written; what fails is removed. */
static void test_copy_file_by_hand(struct test *test) {
  struct ovio_file dir;
  struct ovio_file from;
  struct ovio_file to;
  TRY_EQ(copy_open(test, &dir, &from, &to), 0);
  TRY_EQ(ovio_close(&from), 0);
  TRY_EQ(ovio_close(&to), 0);
  for (int skip = 0; skip < 2; skip++) {
    plan_begin(SHIM_COPY, EXDEV, skip, 1000);
    plan.most = 1000;
    int64_t copied = ovio_copy_file(&dir, "from", &dir, "by hand", 0);
    plan_end();
    TRY_EQ(copied, LENGTH);
    TRY_EQ(ovio_openat(&to, &dir, "by hand", OVIO_READ, 0), 0);
    TRY(copy_holds(&to, LENGTH));
    TRY_EQ(ovio_close(&to), 0);
  }
  plan_begin(SHIM_COPY, ENOSPC, 3, 1000);
  plan.most = 1000;
  int64_t full = ovio_copy_file(&dir, "from", &dir, "full", 0);
  plan_end();
  TRY_EQ(full, OVIO_ENOSPC);
  TRY_EQ(count(&dir), 3);
  TRY_EQ(ovio_close(&dir), 0);
}

/* Where there are no files without a name, or no way to name them, the copy has
 * a temporary one; a name is also taken by the second way (1). */
static void test_copy_file_without_a_name(struct test *test) {
  static const struct {
    enum shim which;
    int error;
    int fail;
  } ways[] = {
      {SHIM_NONE, 0, 0},
      {SHIM_NAMELESS, EOPNOTSUPP, 100},
      {SHIM_NAMELESS, EISDIR, 100},
      {SHIM_LINKAT, ENOENT, 1},
      {SHIM_LINKAT, ENOENT, 100},
      {SHIM_LINKAT, EPERM, 100},
  };
  struct ovio_file dir;
  struct ovio_file from;
  struct ovio_file to;
  TRY_EQ(copy_open(test, &dir, &from, &to), 0);
  TRY_EQ(ovio_close(&from), 0);
  for (size_t at = 0; at < sizeof ways / sizeof *ways; at++) {
    for (int there = 0; there < 2; there++) {
      TRY_EQ(ovio_close(&to), 0);
      plan_begin(ways[at].which, ways[at].error, 0, ways[at].fail);
      int64_t copied = ovio_copy_file(&dir, "from", &dir, "copy", 0);
      int64_t more = ovio_copy_file(&dir, "from", &dir, "copy", OVIO_EXCLUSIVE);
      plan_end();
      TRY_EQ(copied, LENGTH);
      TRY_EQ(more, OVIO_EEXIST);
      TRY_EQ(count(&dir), 3);
      TRY_EQ(ovio_openat(&to, &dir, "copy", OVIO_READ, 0), 0);
      TRY(copy_holds(&to, LENGTH));
    }
    TRY_EQ(ovio_unlink(&dir, "copy"), 0);
  }
  TRY_EQ(ovio_close(&to), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static int64_t copy_without_chance(struct ovio_file *dir, const char *name) {
  plan_begin(SHIM_RANDOM, EIO, 0, 100);
  int64_t copied = ovio_copy_file(dir, "from", dir, name, 0);
  plan_end();
  return copied;
}

/* Only a temporary name needs random bytes: without them nothing is replaced.
 */
static void test_copy_file_draws_late(struct test *test) {
  struct ovio_file dir;
  struct ovio_file from;
  struct ovio_file to;
  TRY_EQ(copy_open(test, &dir, &from, &to), 0);
  TRY_EQ(ovio_close(&from), 0);
  TRY_EQ(ovio_close(&to), 0);
  plan_begin(SHIM_LINKAT, 0, 0, 0);
  TRY_EQ(ovio_copy_file(&dir, "from", &dir, "copy", 0), LENGTH);
  bool nameless = plan.calls > 0;
  plan_end();
  TRY_EQ(copy_without_chance(&dir, "copy"), OVIO_EIO);
  TRY_EQ(count(&dir), 3);
  int64_t copied = copy_without_chance(&dir, "new");
  TRY_EQ(copied, nameless ? LENGTH : OVIO_EIO);
  TRY_EQ(plan.calls, !nameless);
  TRY_EQ(count(&dir), nameless ? 4 : 3);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_copy_file_that_changes(struct test *test) {
  struct ovio_file dir;
  struct ovio_file from;
  struct ovio_file to;
  TRY_EQ(copy_open(test, &dir, &from, &to), 0);
  TRY_EQ(ovio_close(&from), 0);
  TRY_EQ(ovio_close(&to), 0);
  TRY_EQ(ovio_set_times_at(&dir, "from", 0, 0), 0);
  plan_begin(SHIM_TOUCH, 0, 0, 0);
  int64_t copied = ovio_copy_file(&dir, "from", &dir, "to", 0);
  plan_end();
  TRY_EQ(copied, OVIO_EBUSY);
  TRY_EQ(count(&dir), 2);
  TRY_EQ(ovio_copy_file(&dir, "from", &dir, "to", 0), LENGTH);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- looking ---- */

#if NATIVE_HAS_STATX
/* A kernel or a sandbox that has no statx(2): but for the time of birth all is
 * told. */
static void test_stat_without_statx(struct test *test) {
  static const int answers[] = {ENOSYS, EPERM};
  struct ovio_file dir;
  struct ovio_stat whole;
  struct ovio_stat parts[2];
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_stat(&dir, &whole), 0);
  for (int at = 0; at < 2; at++) {
    plan_begin(SHIM_STATX, answers[at], 0, 2);
    int first = ovio_stat(&dir, &parts[0]);
    int second = ovio_stat_at(&dir, ".", 0, &parts[1]);
    plan_end();
    TRY_EQ(first, 0);
    TRY_EQ(second, 0);
    for (int part = 0; part < 2; part++) {
      TRY_EQ(parts[part].create_ns, 0);
      parts[part].create_ns = whole.create_ns;
      TRY(memcmp(&parts[part], &whole, sizeof whole) == 0);
    }
  }
  plan_begin(SHIM_STATX, EIO, 0, 1);
  int failed = ovio_stat(&dir, &whole);
  plan_end();
  TRY_EQ(failed, OVIO_EIO);
  TRY_EQ(ovio_close(&dir), 0);
}
#endif

/* ---- replacing ---- */

/* The old bytes, the error, and no temporary. */
static void test_replace_fails(struct test *test) {
  static const struct {
    enum shim which;
    int error;
  } steps[] = {{SHIM_WRITE, ENOSPC},
               {SHIM_FCHMOD, EPERM},
               {SHIM_FSYNC, EIO},
               {SHIM_RENAMEAT, EROFS}};
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "old"), 0);
  for (size_t at = 0; at < sizeof steps / sizeof *steps; at++) {
    plan_begin(steps[at].which, steps[at].error, 0, 1);
    int error = ovio_replace_file(&dir, "f", "new", 3, 0600);
    plan_end();
    TRY_EQ(error, os_error_map((uint32_t)steps[at].error));
    TRY_EQ(ovio_native_error(), steps[at].error);
    TRY(is(&dir, "f", "old"));
    TRY_EQ(count(&dir), 1);
  }
  TRY_EQ(ovio_close(&dir), 0);
}

/* The second fsync is the directory's. */
static void test_replace_syncs_the_directory(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  plan_begin(SHIM_FSYNC, EIO, 1, 1);
  TRY_EQ(ovio_replace_file(&dir, "f", "new", 3, 0600), OVIO_EIO);
  TRY_EQ(plan.calls, 2);
  TRY(is(&dir, "f", "new"));
  plan_begin(SHIM_FSYNC, EINVAL, 1, 1); /* a file system that cannot */
  TRY_EQ(ovio_replace_file(&dir, "f", "newer", 5, 0600), 0);
  plan_end();
  TRY(is(&dir, "f", "newer"));
  TRY_EQ(ovio_close(&dir), 0);
}

struct job {
  struct ovio_file *dir;
  int result;
};

static void replace(void *argument) {
  struct job *job = argument;
  job->result = ovio_replace_file(job->dir, "f", "new", 3, 0600);
}

static void test_replace_cancelled(struct test *test) {
  struct ovio_file dir;
  struct ovio_group group;
  struct job job = {.dir = &dir};
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "old"), 0);
  ovio_group_init(&group);
  plan.group = &group;
  plan_begin(SHIM_CANCEL, 0, 0, 0);
  TRY_EQ(ovio_group_spawn(&group, test->loop, replace, &job), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  plan_end();
  TRY_EQ(job.result, OVIO_ECANCELED);
  TRY(is(&dir, "f", "old"));
  TRY_EQ(count(&dir), 1);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- the rest ---- */

static void test_temporary_folder(struct test *test) {
  char text[64];
  TRY_EQ(setenv("TMPDIR", "/var/tmp//", 1), 0);
  TRY_EQ(ovio_temp_path(text, sizeof text), 8);
  TRY(strcmp(text, "/var/tmp") == 0);
  TRY_EQ(setenv("TMPDIR", "", 1), 0);
  TRY_EQ(ovio_temp_path(text, sizeof text), 4);
  TRY_EQ(unsetenv("TMPDIR"), 0);
  TRY_EQ(ovio_temp_path(text, sizeof text), 4);
  TRY(strcmp(text, "/tmp") == 0);
}

static void test_permission_bits(struct test *test) {
  struct ovio_file dir;
  struct ovio_file file;
  struct ovio_stat stat;
  char name[64];
  mode_t before = umask(022);
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_mkdir(&dir, "d", 0777), 0);
  TRY_EQ(ovio_stat_at(&dir, "d", 0, &stat), 0);
  TRY_EQ(stat.mode, 0755);
  TRY_EQ(ovio_temp_dir(&dir, "t", name, sizeof name), 0);
  TRY_EQ(ovio_stat_at(&dir, name, 0, &stat), 0);
  TRY_EQ(stat.mode, 0700);
  TRY_EQ(ovio_temp_file(&file, &dir, "t", 0, name, sizeof name), 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_stat_at(&dir, name, 0, &stat), 0);
  TRY_EQ(stat.mode, 0600);
  TRY_EQ(ovio_replace_file(&dir, "new", "x", 1, 0666), 0);
  TRY_EQ(ovio_stat_at(&dir, "new", 0, &stat), 0);
  TRY_EQ(stat.mode, 0644);
  TRY_EQ(ovio_set_mode(&dir, "new", 06775), 0);
  TRY_EQ(ovio_replace_file(&dir, "new", "y", 1, 0600), 0);
  TRY_EQ(ovio_stat_at(&dir, "new", 0, &stat), 0);
  TRY_EQ(stat.mode, 06775);
  /* Nobody can look into the temporary who could not into the file. */
  TRY_EQ(ovio_set_mode(&dir, "new", 0600), 0);
  TRY_EQ(ovio_replace_file(&dir, "new", "z", 1, 0666), 0);
  TRY_EQ(plan.mode, 0600);
  umask(before);
  TRY_EQ(ovio_close(&dir), 0);
}

/* As somebody who may not. */
static void test_permission_denied(struct test *test) {
  struct ovio_file dir;
  char text[8];
  if (geteuid() != 0)
    SKIP("only root can become somebody else");
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "x"), 0);
  TRY_EQ(ovio_symlink("f", &dir, "l", 0), 0);
  TRY_EQ(ovio_mkdir(&dir, "locked", 0700), 0);
  TRY_EQ(ovio_set_mode(&dir, ".", 0555), 0);
  TRY_EQ(seteuid(65534), 0);
  const int answers[] = {
      ovio_mkdir(&dir, "new", 0700),
      ovio_unlink(&dir, "f"),
      ovio_rmdir(&dir, "locked"),
      ovio_rename(&dir, "f", &dir, "g", 0),
      ovio_rename(&dir, "f", &dir, "g", OVIO_EXCLUSIVE),
      ovio_symlink("f", &dir, "m", 0),
      (int)ovio_readlink(&dir, "locked/x", text, sizeof text),
      ovio_access(&dir, "f", OVIO_READ),
      ovio_stat_at(&dir, "locked/x", 0, &(struct ovio_stat){0}),
      ovio_replace_file(&dir, "f", "y", 1, 0600),
  };
  int mode = ovio_set_mode(&dir, "f", 0777);
  int there = ovio_access(&dir, "f", 0);
  TRY_EQ(seteuid(0), 0);
  for (size_t at = 0; at < sizeof answers / sizeof *answers; at++)
    TRY_EQ(answers[at], OVIO_EACCES);
  TRY_EQ(mode, OVIO_EPERM);
  TRY_EQ(there, 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_another_file_system(struct test *test) {
  struct ovio_file dir;
  struct ovio_file from;
  struct ovio_file to;
  struct ovio_stat here;
  struct ovio_stat there;
  char name[64];
  TRY_EQ(copy_open(test, &dir, &from, &to), 0);
  TRY_EQ(ovio_close(&to), 0);
  TRY_EQ(ovio_stat(&from, &here), 0);
  if (ovio_temp_file(&to, NULL, "/dev/shm/ovio-", 0, name, sizeof name) != 0 ||
      ovio_stat(&to, &there) != 0 || here.device == there.device) {
    ovio_close(&to);
    ovio_close(&from);
    ovio_close(&dir);
    SKIP("no other file system");
  }
  int64_t copied = ovio_copy(&from, 0, &to, 0, INT64_MAX);
  bool same = copy_holds(&to, LENGTH);
  int renamed = ovio_rename(&dir, "from", NULL, name, 0);
  int linked = ovio_link(NULL, name, &dir, "link");
  int removed = ovio_unlink(NULL, name);
  TRY_EQ(copied, LENGTH);
  TRY(same);
  TRY_EQ(renamed, OVIO_EXDEV);
  TRY_EQ(linked, OVIO_EXDEV);
  TRY_EQ(removed, 0);
  TRY_EQ(ovio_close(&to), 0);
  TRY_EQ(ovio_close(&from), 0);
  TRY_EQ(ovio_close(&dir), 0);
}

static void *write_to_fifo(void *argument) {
  int fd = open(argument, O_WRONLY);
  for (int at = 0; at < 3; at++)
    if (write(fd, "hello", 5) != 5)
      break;
  close(fd);
  return NULL;
}

static void test_fifo_and_proc(struct test *test) {
  char path[512];
  void *data = NULL;
  size_t length = 0;
  pthread_t thread;
  snprintf(path, sizeof path, "%s-%s", test_path("fifo"), test->mode->name);
  TRY_EQ(mkfifo(path, 0600), 0);
  TRY_EQ(pthread_create(&thread, NULL, write_to_fifo, path), 0);
  int error = ovio_read_file(NULL, path, 100, &data, &length);
  pthread_join(thread, NULL);
  TRY_EQ(error, 0);
  TRY_EQ(length, 15);
  TRY(strcmp(data, "hellohellohello") == 0);
  ovio_free(data);
  TRY_EQ(ovio_read_file(NULL, "/proc/self/maps", 1 << 20, &data, &length), 0);
  TRY(length > 100);
  ovio_free(data);
  TRY_EQ(ovio_read_file(NULL, "/proc/self/maps", 100, &data, &length),
         OVIO_EFBIG);
  TRY_EQ(ovio_read_file(NULL, "/dev/zero", 100, &data, &length), OVIO_EFBIG);
}

int main(void) {
  static const struct test_case cases[] = {
    TEST(test_beneath_by_walking),
    TEST(test_beneath_tries_again),
    TEST(test_exclusive_without_renameat2),
    TEST_PLAIN(test_exclusive_undone, "changes the table itself"),
    TEST(test_other_systems_answers),
    TEST(test_types_not_told),
    TEST(test_failing_batch),
    TEST(test_copy_by_hand),
    TEST(test_copy_short_and_failing),
    TEST(test_copy_file_by_hand),
    TEST(test_copy_file_without_a_name),
    TEST(test_copy_file_draws_late),
    TEST(test_copy_file_that_changes),
#if NATIVE_HAS_STATX
    TEST(test_stat_without_statx),
#endif
    TEST(test_replace_fails),
    TEST(test_replace_syncs_the_directory),
    TEST_LOOP(test_replace_cancelled, "only a task can be cancelled"),
    TEST_PLAIN(test_temporary_folder, "the environment is the process's"),
    TEST(test_permission_bits),
    TEST_PLAIN(test_permission_denied, "who it is, is the process's"),
    TEST(test_another_file_system),
    TEST(test_fifo_and_proc),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
