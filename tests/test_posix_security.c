/* SPDX-License-Identifier: MIT */
/* What somebody else in the same folder can try: see docs/security.md. */
#include "posix/side.h"

#include "scene.h"

/* ---- native calls with plans of their own ---- */

enum plan { PLAN_NONE, NO_OPENAT2, STEAL, NO_CHANCE, SAME_CHANCE };

static struct native_calls real;
static atomic_int plan; /* enum plan */

/* ---- OVIO_BENEATH, while links come and go ---- */

enum { ROUNDS_MIN = 300, ROUNDS_MAX = 200000 };

/* "sub" is a directory, then a link that leads out, and so on. */
struct flipper {
  struct os_thread thread;
  int dir;
  atomic_bool ended;
  bool failed;
};

static void flip(void *argument) {
  struct flipper *self = argument;
  while (!atomic_load(&self->ended) && !self->failed)
    self->failed = renameat(self->dir, "sub", self->dir, "kept") < 0 ||
                   renameat(self->dir, "link", self->dir, "sub") < 0 ||
                   renameat(self->dir, "sub", self->dir, "link") < 0 ||
                   renameat(self->dir, "kept", self->dir, "sub") < 0;
}

/* What is in "sub/file": 'i'nside, 'o'utside, or an error. */
static int look(struct ovio_file *jail, unsigned flags) {
  struct ovio_file file;
  char byte = 0;
  int error = ovio_openat(&file, jail, "sub/file", OVIO_READ | flags, 0);
  if (error)
    return error;
  int64_t got = ovio_read(&file, &byte, 1, 0);
  ovio_close(&file);
  return got == 1 ? byte : (int)got;
}

static int scene_make(struct ovio_file *jail) {
  struct ovio_file *none = NULL;
  int error = ovio_mkdir(none, test_path("jail"), 0700);
  error = error ? error : ovio_mkdir(none, test_path("out"), 0700);
  error = error ? error : ovio_mkdir(none, test_path("jail/sub"), 0700);
  error = error ? error
                : ovio_write_file(none, test_path("out/file"), "o", 1, 0600);
  error = error
              ? error
              : ovio_write_file(none, test_path("jail/sub/file"), "i", 1, 0600);
  error = error ? error
                : ovio_symlink("../out", none, test_path("jail/link"),
                               OVIO_DIRECTORY);
  return error ? error : ovio_open(jail, test_path("jail"), OVIO_DIRECTORY, 0);
}

static void scene_remove(void) {
  static const char *const files[] = {"jail/link", "jail/sub/file", "out/file"};
  static const char *const folders[] = {"jail/sub", "jail", "out"};
  for (size_t at = 0; at < 3; at++)
    ovio_unlink(NULL, test_path(files[at]));
  for (size_t at = 0; at < 3; at++)
    ovio_rmdir(NULL, test_path(folders[at]));
}

/* ENOTDIR: a link that was a directory again when it was looked at. */
static bool refused(int error) {
  return error == OVIO_EXDEV || error == OVIO_ELOOP || error == OVIO_ENOENT ||
         error == OVIO_ENOTDIR || error == OVIO_EWOULDBLOCK;
}

/* Goes on until who is not careful has been led out. */
static void race(struct test *test, struct ovio_file *jail) {
  bool led_out = false;
  int round = 0;
  for (; round < ROUNDS_MIN || (!led_out && round < ROUNDS_MAX); round++) {
    int careful = look(jail, OVIO_BENEATH);
    TRY(careful == 'i' || refused(careful));
    led_out |= look(jail, 0) == 'o';
  }
  TRY(led_out);
}

static void race_all(struct test *test) {
  struct ovio_file jail;
  TRY_EQ(scene_make(&jail), 0);
  struct flipper flipper = {.dir = (int)ovio_file_handle(&jail)};
  TRY_EQ(os_thread_start(&flipper.thread, flip, &flipper), 0);
  race(test, &jail);
  atomic_store(&flipper.ended, true);
  os_thread_join(&flipper.thread);
  TRY(!flipper.failed);
  TRY_EQ(ovio_close(&jail), 0);
  scene_remove();
}

static void test_beneath_against_a_race(struct test *test) {
  race_all(test);
}

#if NATIVE_HAS_OPENAT2
static int shim_openat2(int dir, const char *path,
                        const struct native_open_how *how) {
  if (plan != NO_OPENAT2)
    return real.openat2(dir, path, how);
  errno = ENOSYS;
  return -1;
}
#endif

static void test_beneath_by_walking_against_a_race(struct test *test) {
#if NATIVE_HAS_OPENAT2
  plan = NO_OPENAT2;
  race_all(test);
  plan = PLAN_NONE;
#else
  SKIP("it walks in any case: the test above");
#endif
}

/* ---- planted links ---- */

/* A name that is to be new is not made somewhere else. */
static void test_exclusive_follows_no_link(struct test *test) {
  struct ovio_file file;
  char planted[600];
  char victim[600];
  snprintf(planted, sizeof planted, "%s", test_path("planted"));
  snprintf(victim, sizeof victim, "%s", test_path("victim"));
  TRY_EQ(ovio_symlink("victim", NULL, planted, 0), 0);
  TRY_EQ(ovio_open(&file, planted, OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE,
                   0600),
         OVIO_EEXIST);
  TRY_EQ(ovio_mkdir(NULL, planted, 0700), OVIO_EEXIST);
  TRY(!test_exists(victim));
  TRY_EQ(
      ovio_open(&file, planted, OVIO_WRITE | OVIO_CREATE | OVIO_NOFOLLOW, 0600),
      OVIO_ELOOP);
  TRY(!test_exists(victim));
  TRY_EQ(ovio_unlink(NULL, planted), 0);
}

/* ---- a link in the place of a temporary ---- */

static char folder_of_theft[600];

/* Others may write to the folder: the temporary gets another name, and a link
 * has its own. */
static void steal(void) {
  char path[900];
  char stolen[700];
  struct dirent *entry;
  DIR *folder = opendir(folder_of_theft);
  while (folder && (entry = readdir(folder))) {
    if (strncmp(entry->d_name, ".ovio-", 6) != 0)
      continue;
    snprintf(path, sizeof path, "%s/%s", folder_of_theft, entry->d_name);
    snprintf(stolen, sizeof stolen, "%s/stolen", folder_of_theft);
    if (rename(path, stolen) == 0)
      (void)!symlink("victim", path);
    break;
  }
  if (folder)
    closedir(folder);
}

static ssize_t shim_pwritev(int fd, const struct iovec *iov, int count,
                            off_t offset) {
  ssize_t moved = real.pwritev(fd, iov, count, offset);
  if (plan == STEAL)
    steal();
  return moved;
}

static ssize_t shim_pwrite(int fd, const void *buffer, size_t length,
                           off_t offset) {
  ssize_t moved = real.pwrite(fd, buffer, length, offset);
  if (plan == STEAL)
    steal();
  return moved;
}

static int victim_mode(void) {
  struct ovio_stat stat;
  int error = ovio_stat_at(NULL, test_path("theft/victim"), 0, &stat);
  return error ? error : (int)stat.mode;
}

/* The victim's mode stays, though a link leads to it. */
static void test_replace_sets_no_other_mode(struct test *test) {
  static const char *const names[] = {"theft/f", "theft/victim",
                                      "theft/stolen"};
  snprintf(folder_of_theft, sizeof folder_of_theft, "%s", test_path("theft"));
  TRY_EQ(ovio_mkdir(NULL, folder_of_theft, 0700), 0);
  TRY_EQ(ovio_write_file(NULL, test_path("theft/f"), "old", 3, 0600), 0);
  TRY_EQ(ovio_set_mode(NULL, test_path("theft/f"), 0666), 0);
  TRY_EQ(ovio_write_file(NULL, test_path("theft/victim"), "v", 1, 0600), 0);
  plan = STEAL;
  int error = ovio_replace_file(NULL, test_path("theft/f"), "new", 3, 0600);
  plan = PLAN_NONE;
  TRY_EQ(error, 0);
  TRY(test_exists(test_path("theft/stolen")));
  TRY_EQ(victim_mode(), 0600);
  for (size_t at = 0; at < 3; at++)
    TRY_EQ(ovio_unlink(NULL, test_path(names[at])), 0);
  TRY_EQ(ovio_rmdir(NULL, folder_of_theft), 0);
}

/* ---- a watch follows no link ---- */

#if NATIVE_HAS_INOTIFY
static void test_watched_tree_ends_at_links(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  char tree[600];
  snprintf(tree, sizeof tree, "%s", test_path("jail"));
  struct ovio_file jail;
  TRY_EQ(scene_make(&jail), 0);
  TRY_EQ(ovio_watch_create(&watch), 0);
  TRY(ovio_watch_add(watch, tree, OVIO_WATCH_TREE, NULL) > 0);
  TRY_EQ(ovio_write_file(NULL, test_path("out/new"), "x", 1, 0600), 0);
  TRY_EQ(ovio_symlink("../out", &jail, "other", OVIO_DIRECTORY), 0);
  TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY(event.kind == OVIO_EVENT_CREATED && strcmp(event.path, "other") == 0);
  TRY_EQ(ovio_unlink(NULL, test_path("out/new")), 0);
  TRY_EQ(ovio_unlink(&jail, "other"), 0);
  TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY(event.kind == OVIO_EVENT_DELETED && strcmp(event.path, "other") == 0);
  TRY_EQ(ovio_watch_close(watch), 0);
  TRY_EQ(ovio_close(&jail), 0);
  scene_remove();
}
#endif

/* ---- what others may see ---- */

static void test_temporary_is_private(struct test *test) {
  struct ovio_file file;
  struct ovio_stat stat;
  char prefix[600];
  char name[700];
  snprintf(prefix, sizeof prefix, "%s", test_path("private-"));
  mode_t mask = umask(0);
  int error = ovio_temp_file(&file, NULL, prefix, 0, name, sizeof name);
  umask(mask);
  TRY_EQ(error, 0);
  TRY_EQ(ovio_stat(&file, &stat), 0);
  TRY_EQ(stat.mode, 0600);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_unlink(NULL, name), 0);
  mask = umask(0);
  error = ovio_temp_dir(NULL, prefix, name, sizeof name);
  umask(mask);
  TRY_EQ(error, 0);
  TRY_EQ(ovio_stat_at(NULL, name, OVIO_NOFOLLOW, &stat), 0);
  TRY_EQ(stat.mode, 0700);
  TRY_EQ(ovio_rmdir(NULL, name), 0);
}

static int shim_getentropy(void *bytes, size_t length) {
  if (plan == NO_CHANCE) {
    errno = EIO;
    return -1;
  }
  if (plan != SAME_CHANCE)
    return real.getentropy(bytes, length);
  memset(bytes, 7, length);
  return 0;
}

/* Without random bytes there is no name; one that is taken is not used. */
static void test_temporary_needs_chance(struct test *test) {
  struct ovio_file files[2];
  char prefix[600];
  char name[700];
  snprintf(prefix, sizeof prefix, "%s", test_path("chance-"));
  plan = NO_CHANCE;
  int none = ovio_temp_file(&files[0], NULL, prefix, 0, name, sizeof name);
  int none_either = ovio_temp_dir(NULL, prefix, name, sizeof name);
  plan = SAME_CHANCE;
  int first = ovio_temp_file(&files[0], NULL, prefix, 0, name, sizeof name);
  int second = ovio_temp_file(&files[1], NULL, prefix, 0, name, sizeof name);
  int third = ovio_temp_dir(NULL, prefix, name, sizeof name);
  plan = PLAN_NONE;
  TRY_EQ(none, OVIO_EIO);
  TRY_EQ(none_either, OVIO_EIO);
  TRY_EQ(first, 0);
  TRY_EQ(second, OVIO_EEXIST);
  TRY_EQ(third, OVIO_EEXIST);
  TRY_EQ(ovio_close(&files[0]), 0);
  TRY_EQ(ovio_unlink(NULL, name), 0);
}

/* Plain names of pipes go to no folder that another user can change: one that
 * is a link, or another's. The fallback in /tmp is this user's. */
static void listen_avoids(struct test *test, const char *folder) {
  struct ovio_file listener;
  char path[700];
  snprintf(path, sizeof path, "%s/ovio-avoids", folder);
  TRY_EQ(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
  int error = ovio_pipe_listen(&listener, "ovio-avoids", 0);
  TRY_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
  TRY_EQ(error, 0);
  TRY(!test_exists(path));
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_folder_of_another(struct test *test) {
  char folder[600];
  char link_[600];
  snprintf(folder, sizeof folder, "%s", test_path("runtime"));
  snprintf(link_, sizeof link_, "%s", test_path("runtime-link"));
  TRY_EQ(mkdir(folder, 0700), 0);
  TRY_EQ(symlink(folder, link_), 0);
  listen_avoids(test, link_);
  TRY_EQ(unlink(link_), 0);
  if (geteuid() == 0) {
    TRY_EQ(chown(folder, 1, 1), 0);
    listen_avoids(test, folder);
  }
  TRY_EQ(rmdir(folder), 0);
}

/* Once, since workers look at the table at any time. */
static void install(void) {
  real = native;
  native.pwrite = shim_pwrite;
  native.pwritev = shim_pwritev;
  native.getentropy = shim_getentropy;
#if NATIVE_HAS_OPENAT2
  native.openat2 = shim_openat2;
#endif
}

int main(void) {
  static const struct test_case cases[] = {
#if NATIVE_HAS_INOTIFY
    TEST(test_watched_tree_ends_at_links),
#endif
    TEST(test_beneath_against_a_race),
    TEST(test_beneath_by_walking_against_a_race),
    TEST(test_exclusive_follows_no_link),
    TEST(test_replace_sets_no_other_mode),
    TEST(test_temporary_is_private),
    TEST(test_temporary_needs_chance),
    TEST(test_folder_of_another),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
