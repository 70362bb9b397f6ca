/* SPDX-License-Identifier: MIT */
/* Watching directories, trees and files. */
#include "companion.h"

#define MS UINT64_C(1000000)

/* A folder of the case's own, and paths in it. */
static const char *in_folder(const struct test *test, const char *folder,
                             const char *name) {
  static char paths[8][1200];
  static atomic_uint next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s-%s%s%s", test_folder(), folder,
           test->mode->name, *name ? "/" : "", name);
  return path;
}

static int write_file(const char *path, const char *text) {
  return ovio_write_file(NULL, path, text, strlen(text), 0600);
}

/* The next event but those of writing, which systems tell in their own way. */
static int next_name_event(struct ovio_watch *watch, struct ovio_event *event) {
  int error;
  do
    error = ovio_watch_next(watch, event);
  while (!error && (event->kind == OVIO_EVENT_MODIFIED ||
                    event->kind == OVIO_EVENT_WRITTEN));
  return error;
}

static bool is_event(const struct ovio_event *event, unsigned kind,
                     const char *path) {
  char text[256];
  snprintf(text, sizeof text, "%s", event->path);
  for (char *at = text; *at; at++)
    *at = *at == '\\' ? '/' : *at;
  if (event->kind == kind && strcmp(text, path) == 0)
    return true;
  printf("event %u of %s, wanted %u of %s\n", event->kind, event->path, kind,
         path);
  return false;
}

#define CREATE(watch)                                                          \
  do {                                                                         \
    int create_error = ovio_watch_create(&(watch));                            \
    if (create_error == OVIO_ENOTSUP)                                          \
      SKIP("this system has no inotify");                                      \
    TRY_EQ(create_error, 0);                                                   \
  } while (0)

#define NEXT(watch, event, kind, path)                                         \
  do {                                                                         \
    TRY_EQ(next_name_event(watch, event), 0);                                  \
    TRY(is_event(event, kind, path));                                          \
  } while (0)

static void test_what_happens_to_files(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  int mark;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "plain", ""), 0700), 0);
  CREATE(watch);
  int number = ovio_watch_add(watch, in_folder(test, "plain", ""), 0, &mark);
  TRY(number > 0);
  TRY_EQ(write_file(in_folder(test, "plain", "a"), "abc"), 0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "a");
  TRY_EQ(event.number, number);
  TRY(event.user == &mark);
  TRY(event.old_path == NULL);
  TRY_EQ(ovio_rename(NULL, in_folder(test, "plain", "a"), NULL,
                     in_folder(test, "plain", "b"), 0),
         0);
  NEXT(watch, &event, OVIO_EVENT_RENAMED, "b");
  TRY(event.old_path && strcmp(event.old_path, "a") == 0);
  TRY_EQ(ovio_unlink(NULL, in_folder(test, "plain", "b")), 0);
  NEXT(watch, &event, OVIO_EVENT_DELETED, "b");
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "plain", "sub"), 0700), 0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "sub");
  TRY_EQ(write_file(in_folder(test, "plain", "sub/unseen"), "abc"), 0);
  TRY_EQ(write_file(in_folder(test, "plain", "c"), "abc"), 0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "c");
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_writing(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  const char *path = in_folder(test, "writing", "a");
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "writing", ""), 0700), 0);
  TRY_EQ(write_file(path, "abc"), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "writing", ""), 0, NULL) > 0);
  TRY_EQ(write_file(path, "abcdef"), 0);
  do {
    TRY_EQ(ovio_watch_next(watch, &event), 0);
    TRY(strcmp(event.path, "a") == 0);
  } while (event.kind != OVIO_EVENT_MODIFIED);
  while (test_is_posix() && event.kind != OVIO_EVENT_WRITTEN)
    TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_in_and_out(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "inside", ""), 0700), 0);
  TRY_EQ(write_file(in_folder(test, "outside", ""), "abc"), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "inside", ""), 0, NULL) > 0);
  TRY_EQ(ovio_rename(NULL, in_folder(test, "outside", ""), NULL,
                     in_folder(test, "inside", "a"), 0),
         0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "a");
  TRY_EQ(ovio_rename(NULL, in_folder(test, "inside", "a"), NULL,
                     in_folder(test, "outside", ""), 0),
         0);
  NEXT(watch, &event, OVIO_EVENT_DELETED, "a");
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* Whatever the order and however often: each of these is told. */
static bool await_all(struct ovio_watch *watch, const char *const *paths,
                      int count) {
  struct ovio_event event;
  unsigned seen = 0;
  while (seen != (1u << count) - 1) {
    if (next_name_event(watch, &event) != 0)
      return false;
    for (int at = 0; at < count; at++) {
      char text[256];
      snprintf(text, sizeof text, "%s", event.path);
      for (char *c = text; *c; c++)
        *c = *c == '\\' ? '/' : *c;
      if (event.kind == OVIO_EVENT_CREATED && strcmp(text, paths[at]) == 0)
        seen |= 1u << at;
      if (strstr(text, "b/unseen"))
        return false;
    }
  }
  return true;
}

static void test_tree_that_grows(struct test *test) {
  static const char *const paths[] = {"a", "a/b", "a/b/c", "a/b/c/file",
                                      "a/other"};
  struct ovio_watch *watch;
  struct ovio_event event;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "tree", ""), 0700), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "tree", ""), OVIO_WATCH_TREE,
                     NULL) > 0);
  for (int at = 0; at < 3; at++)
    TRY_EQ(ovio_mkdir(NULL, in_folder(test, "tree", paths[at]), 0700), 0);
  for (int at = 3; at < 5; at++)
    TRY_EQ(write_file(in_folder(test, "tree", paths[at]), "abc"), 0);
  TRY(await_all(watch, paths, 5));
  TRY_EQ(ovio_unlink(NULL, in_folder(test, "tree", "a/b/c/file")), 0);
  do
    TRY_EQ(ovio_watch_next(watch, &event), 0);
  while (event.kind != OVIO_EVENT_DELETED);
  TRY(is_event(&event, OVIO_EVENT_DELETED, "a/b/c/file"));
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_tree_that_was_there(struct test *test) {
  static const char *const late[] = {"a/b/late"};
  static const char *const moved[] = {"z", "z/later"};
  struct ovio_watch *watch;
  if (!test_is_posix())
    SKIP("Wine does not tell of directories that were there before");
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "old", ""), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "old", "a"), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "old", "a/b"), 0700), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "old", ""), OVIO_WATCH_TREE, NULL) >
      0);
  TRY_EQ(write_file(in_folder(test, "old", "a/b/late"), "abc"), 0);
  TRY(await_all(watch, late, 1));
  /* A directory goes out and comes in: new where it arrives. */
  TRY_EQ(ovio_rename(NULL, in_folder(test, "old", "a/b"), NULL,
                     in_folder(test, "away", ""), 0),
         0);
  TRY_EQ(write_file(in_folder(test, "away", "unseen"), "abc"), 0);
  TRY_EQ(ovio_rename(NULL, in_folder(test, "away", ""), NULL,
                     in_folder(test, "old", "z"), 0),
         0);
  TRY_EQ(write_file(in_folder(test, "old", "z/later"), "abc"), 0);
  TRY(await_all(watch, moved, 2));
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_one_file(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  const char *path = in_folder(test, "file", "a");
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "file", ""), 0700), 0);
  TRY_EQ(write_file(path, "abc"), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, path, 0, NULL) > 0);
  TRY_EQ(write_file(in_folder(test, "file", "aa"), "abc"), 0);
  TRY_EQ(ovio_unlink(NULL, path), 0);
  NEXT(watch, &event, OVIO_EVENT_DELETED, "");
  TRY_EQ(write_file(path, "abc"), 0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "");
  /* As editors do. */
  TRY_EQ(ovio_replace_file(NULL, path, "def", 3, 0600), 0);
  do
    TRY_EQ(next_name_event(watch, &event), 0);
  while (event.kind == OVIO_EVENT_DELETED);
  TRY(is_event(&event, OVIO_EVENT_CREATED, ""));
  TRY_EQ(ovio_rename(NULL, path, NULL, in_folder(test, "file", "b"), 0), 0);
  NEXT(watch, &event, OVIO_EVENT_DELETED, "");
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_two_who_watch_the_same(struct test *test) {
  struct ovio_watch *watches[2];
  struct ovio_event event;
  const char *folder = in_folder(test, "same", "");
  TRY_EQ(ovio_mkdir(NULL, folder, 0700), 0);
  int numbers[2];
  for (int at = 0; at < 2; at++) {
    CREATE(watches[at]);
    numbers[at] = ovio_watch_add(watches[0], folder, 0, NULL);
    TRY(numbers[at] > 0);
  }
  TRY(ovio_watch_add(watches[1], folder, 0, NULL) > 0);
  TRY(numbers[0] != numbers[1]);
  TRY_EQ(write_file(in_folder(test, "same", "a"), ""), 0);
  TRY_EQ(ovio_rename(NULL, in_folder(test, "same", "a"), NULL,
                     in_folder(test, "same", "b"), 0),
         0);
  int created = 0;
  int renamed = 0;
  while (created != 3 || renamed != 3) {
    TRY_EQ(next_name_event(watches[0], &event), 0);
    int bit = event.number == numbers[0] ? 1 : 2;
    created |= event.kind == OVIO_EVENT_CREATED ? bit : 0;
    renamed |= event.kind == OVIO_EVENT_RENAMED ? bit : 0;
    TRY(event.kind != OVIO_EVENT_DELETED);
  }
  NEXT(watches[1], &event, OVIO_EVENT_CREATED, "a");
  NEXT(watches[1], &event, OVIO_EVENT_RENAMED, "b");
  /* One of them goes: the other one is told all the same. */
  TRY_EQ(ovio_watch_remove(watches[0], numbers[0]), 0);
  TRY_EQ(ovio_watch_remove(watches[0], numbers[0]), OVIO_ENOENT);
  TRY_EQ(ovio_unlink(NULL, in_folder(test, "same", "b")), 0);
  NEXT(watches[0], &event, OVIO_EVENT_DELETED, "b");
  TRY_EQ(event.number, numbers[1]);
  TRY_EQ(ovio_watch_close(watches[0]), 0);
  TRY_EQ(ovio_watch_close(watches[1]), 0);
}

/* What is taken out has had something to tell. */
static void test_removed_before_it_is_told(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "short", ""), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "long", ""), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "short", "a"), 0700), 0);
  CREATE(watch);
  int number = ovio_watch_add(watch, in_folder(test, "short", ""), 0, NULL);
  int other = ovio_watch_add(watch, in_folder(test, "long", ""), 0, NULL);
  TRY(number > 0 && other > 0);
  TRY_EQ(ovio_rename(NULL, in_folder(test, "short", "a"), NULL,
                     in_folder(test, "elsewhere", ""), 0),
         0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "short", "b"), 0700), 0);
  NEXT(watch, &event, OVIO_EVENT_DELETED, "a"); /* "b" is under way */
  TRY_EQ(event.number, number);
  TRY_EQ(ovio_watch_remove(watch, number), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "long", "c"), 0700), 0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "c");
  TRY_EQ(event.number, other);
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* The same for what was found in a new directory; the others' is not lost. */
static void added_under_way(struct test *test, const char *folder,
                            bool removed) {
  static const char *const found[] = {"a/b", "a/b/c"};
  struct ovio_watch *watch;
  struct ovio_event event;
  int numbers[3];
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, folder, ""), 0700), 0);
  CREATE(watch);
  for (int at = 0; at < 2; at++) {
    numbers[at] = ovio_watch_add(watch, in_folder(test, folder, ""),
                                 OVIO_WATCH_TREE, NULL);
    TRY(numbers[at] > 0);
  }
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, folder, "a"), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, folder, "a/b"), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, folder, "a/b/c"), 0700), 0);
  NEXT(watch, &event, OVIO_EVENT_CREATED, "a");
  int gone = event.number == numbers[0] ? 0 : 1;
  numbers[2] = ovio_watch_add(watch, in_folder(test, folder, "a/b"),
                              OVIO_WATCH_TREE, NULL);
  TRY(numbers[2] > 0);
  if (removed)
    TRY_EQ(ovio_watch_remove(watch, numbers[gone]), 0);
  TRY(await_all(watch, found, 2));
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_added_under_way(struct test *test) {
  added_under_way(test, "way", false);
}

static void test_removed_under_way(struct test *test) {
  added_under_way(test, "ways", true);
}

static void test_root_that_goes(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  if (test_is_wine())
    SKIP("Wine says nothing when the watched directory goes");
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "root", ""), 0700), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "root", ""), 0, NULL) > 0);
  TRY_EQ(ovio_rmdir(NULL, in_folder(test, "root", "")), 0);
  NEXT(watch, &event, OVIO_EVENT_DELETED, "");
  TRY_EQ(ovio_watch_close(watch), 0);
}

enum { MANY = 500 };

static void test_many_at_once(struct test *test) {
  static bool seen[MANY];
  struct ovio_watch *watch;
  struct ovio_event event = {.kind = 0};
  char name[16];
  int left = MANY;
  memset(seen, 0, sizeof seen);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "many", ""), 0700), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "many", ""), 0, NULL) > 0);
  for (int at = 0; at < MANY; at++) {
    snprintf(name, sizeof name, "%d", at);
    TRY_EQ(write_file(in_folder(test, "many", name), ""), 0);
  }
  while (left > 0 && event.kind != OVIO_EVENT_RESCAN) {
    TRY_EQ(ovio_watch_next(watch, &event), 0);
    int at = event.kind == OVIO_EVENT_CREATED
                 ? (int)strtol(event.path, NULL, 10)
                 : -1;
    if (at >= 0 && !seen[at]) {
      seen[at] = true;
      left--;
    }
  }
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* ---- waiting ---- */

struct watcher {
  struct ovio_watch *watch;
  atomic_int state;
  int result;
};

static void wait_for_an_event(void *argument) {
  struct watcher *self = argument;
  struct ovio_event event;
  atomic_store(&self->state, 1);
  self->result = ovio_watch_next(self->watch, &event);
  atomic_store(&self->state, 2);
}

static void test_close_ends_the_wait(struct test *test) {
  struct companion companion;
  struct watcher watcher = {.result = 1};
  struct ovio_event event;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "closed", ""), 0700), 0);
  CREATE(watcher.watch);
  TRY(companion_start(test, &companion, wait_for_an_event, &watcher));
  TRY_EQ(ovio_sleep(5 * MS), 0);
  AWAIT(atomic_load(&watcher.state) == 1);
  TRY_EQ(ovio_watch_next(watcher.watch, &event), OVIO_EBUSY);
  /* Others may change what is watched meanwhile. */
  int number =
      ovio_watch_add(watcher.watch, in_folder(test, "closed", ""), 0, NULL);
  TRY(number > 0);
  TRY_EQ(ovio_watch_remove(watcher.watch, number), 0);
  TRY_EQ(atomic_load(&watcher.state), 1);
  TRY_EQ(ovio_watch_close(watcher.watch), 0);
  companion_join(&companion);
  TRY_EQ(watcher.result, OVIO_ECANCELED);
}

static void test_added_while_somebody_waits(struct test *test) {
  struct companion companion;
  struct watcher watcher = {.result = 1};
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "added", ""), 0700), 0);
  CREATE(watcher.watch);
  TRY(companion_start(test, &companion, wait_for_an_event, &watcher));
  TRY_EQ(ovio_sleep(5 * MS), 0);
  TRY(ovio_watch_add(watcher.watch, in_folder(test, "added", ""), 0, NULL) > 0);
  TRY_EQ(write_file(in_folder(test, "added", "a"), ""), 0);
  companion_join(&companion);
  TRY_EQ(watcher.result, 0);
  TRY_EQ(ovio_watch_close(watcher.watch), 0);
}

static void wait_a_moment(void *argument) {
  struct watcher *self = argument;
  struct ovio_event event;
  ovio_deadline(5 * MS);
  self->result = ovio_watch_next(self->watch, &event);
}

static void test_deadline_and_cancel(struct test *test) {
  struct ovio_group group;
  struct watcher watcher = {.result = 1};
  struct ovio_event event;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "late", ""), 0700), 0);
  CREATE(watcher.watch);
  TRY(ovio_watch_add(watcher.watch, in_folder(test, "late", ""), 0, NULL) > 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, wait_a_moment, &watcher), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(watcher.result, OVIO_ETIMEDOUT);
  TRY_EQ(ovio_group_spawn(&group, test->loop, wait_for_an_event, &watcher), 0);
  TRY_EQ(ovio_sleep(5 * MS), 0);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(watcher.result, OVIO_ECANCELED);
  /* Nothing was lost by that. */
  TRY_EQ(write_file(in_folder(test, "late", "a"), ""), 0);
  NEXT(watcher.watch, &event, OVIO_EVENT_CREATED, "a");
  TRY_EQ(ovio_watch_close(watcher.watch), 0);
}

/* ---- in a callback ---- */

struct callback {
  struct ovio_watch *watch;
  struct ovio_op op;
  const char *folder;
  int first; /* results, while nobody else uses it */
  int added;
  int next;
  int removed;
  int closed;
};

static void use_it_in_a_callback(struct ovio_op *op, int64_t result) {
  struct callback *self =
      (struct callback *)(void *)((char *)op - offsetof(struct callback, op));
  struct ovio_event event;
  (void)result;
  self->first = ovio_watch_next(self->watch, &event);
  self->added = ovio_watch_add(self->watch, self->folder, 0, NULL);
  self->next = ovio_watch_next(self->watch, &event);
  self->removed = ovio_watch_remove(self->watch, 77);
  self->closed = ovio_watch_close(self->watch);
}

/* What is there can be had, what has to be waited for not. */
static void test_callback(struct test *test) {
  struct ovio_loop *loop;
  struct callback callback = {.folder = in_folder(test, "callback", "")};
  CREATE(callback.watch);
  TRY_EQ(ovio_mkdir(NULL, callback.folder, 0700), 0);
  TRY(ovio_watch_add(callback.watch, callback.folder, 0, NULL) > 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "callback", "a"), 0700), 0);
  TRY_EQ(ovio_sleep(50 * MS), 0); /* Windows tells when it likes */
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &callback.op, use_it_in_a_callback), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY(callback.first == 0 || !test_is_posix());
  TRY_EQ(callback.added, OVIO_EDEADLK);
  TRY_EQ(callback.next, OVIO_EDEADLK);
  TRY_EQ(callback.removed, OVIO_ENOENT);
  TRY_EQ(callback.closed, 0);
}

static void close_it_in_a_callback(struct ovio_op *op, int64_t result) {
  struct callback *self =
      (struct callback *)(void *)((char *)op - offsetof(struct callback, op));
  (void)result;
  self->removed = ovio_watch_remove(self->watch, 1);
  self->closed = ovio_watch_close(self->watch);
}

static void test_callback_beside_one_who_waits(struct test *test) {
  struct companion companion;
  struct ovio_loop *loop;
  struct callback callback = {.closed = 1};
  struct watcher watcher = {.result = 1};
  CREATE(callback.watch);
  watcher.watch = callback.watch;
  TRY(companion_start(test, &companion, wait_for_an_event, &watcher));
  AWAIT(atomic_load(&watcher.state) == 1);
  TRY_EQ(ovio_sleep(20 * MS), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_post(loop, &callback.op, close_it_in_a_callback), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(callback.removed, OVIO_EDEADLK);
  TRY_EQ(callback.closed, OVIO_EDEADLK);
  TRY_EQ(ovio_watch_close(callback.watch), 0);
  companion_join(&companion);
  TRY_EQ(watcher.result, OVIO_ECANCELED);
}

/* ---- bad input ---- */

static void test_what_cannot_be_watched(struct test *test) {
  struct ovio_watch *watch;
  static char long_path[70000];
  memset(long_path, 'a', sizeof long_path - 1);
  CREATE(watch);
  TRY_EQ(write_file(test_path("plain-file"), ""), 0);
  int beneath_a_file =
      ovio_watch_add(watch, test_path("plain-file/a"), 0, NULL);
  TRY(beneath_a_file == OVIO_ENOTDIR || beneath_a_file == OVIO_ENOENT);
  TRY_EQ(ovio_watch_add(watch, long_path, 0, NULL), OVIO_ENAMETOOLONG);
  TRY_EQ(
      ovio_watch_add(watch, test_path("no-such/file"), OVIO_WATCH_TREE, NULL),
      OVIO_ENOENT);
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* Out of memory at each of its places: an error, and it works again after. */
static void test_no_memory(struct test *test) {
  struct ovio_event event;
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "memory", ""), 0700), 0);
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "memory", "a"), 0700), 0);
  TRY_EQ(write_file(in_folder(test, "memory", "a/b"), ""), 0);
  for (unsigned long at = 1, failed = 1; failed; at++) {
    struct ovio_watch *watch = NULL;
    TRY(at < 1000);
    memory_fail_at = at;
    int error = ovio_watch_create(&watch);
    if (error == OVIO_ENOTSUP)
      SKIP("this system has no inotify");
    int number = error ? error
                       : ovio_watch_add(watch, in_folder(test, "memory", ""),
                                        OVIO_WATCH_TREE, NULL);
    failed = memory_fail_at == 0;
    memory_fail_at = 0;
    TRY(!error || error == OVIO_ENOMEM);
    TRY(number > 0 || (failed && number == OVIO_ENOMEM));
    if (number > 0) {
      TRY_EQ(ovio_mkdir(NULL, in_folder(test, "memory", "c"), 0700), 0);
      NEXT(watch, &event, OVIO_EVENT_CREATED, "c");
      TRY_EQ(ovio_rmdir(NULL, in_folder(test, "memory", "c")), 0);
    }
    if (watch)
      TRY_EQ(ovio_watch_close(watch), 0);
  }
}

static void test_no_memory_for_an_event(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  const char *a = in_folder(test, "thin", "a");
  const char *b = in_folder(test, "thin", "b");
  TRY_EQ(ovio_mkdir(NULL, in_folder(test, "thin", ""), 0700), 0);
  CREATE(watch);
  TRY(ovio_watch_add(watch, in_folder(test, "thin", ""), OVIO_WATCH_TREE,
                     NULL) > 0);
  for (unsigned long at = 1; at < 10; at++) {
    TRY_EQ(ovio_mkdir(NULL, a, 0700), 0);
    TRY_EQ(ovio_rename(NULL, a, NULL, b, 0), 0);
    TRY_EQ(ovio_rmdir(NULL, b), 0);
    int error = 0;
    memory_fail_at = at;
    do {
      error = ovio_watch_next(watch, &event);
      if (error)
        memory_fail_at = 0;
      TRY(error == 0 || error == OVIO_ENOMEM);
    } while (error || event.kind != OVIO_EVENT_DELETED);
    memory_fail_at = 0;
  }
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  TRY_EQ(ovio_watch_create(NULL), OVIO_EINVAL);
  TRY_EQ(ovio_watch_close(NULL), OVIO_EINVAL);
  CREATE(watch);
  TRY_EQ(ovio_watch_add(NULL, ".", 0, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_watch_add(watch, NULL, 0, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_watch_add(watch, ".", 8, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_watch_add(watch, "", 0, NULL), OVIO_ENOENT);
  TRY_EQ(ovio_watch_add(watch, test_path("no-such"), 0, NULL), OVIO_ENOENT);
  TRY_EQ(ovio_watch_remove(watch, 1), OVIO_ENOENT);
  TRY_EQ(ovio_watch_remove(NULL, 1), OVIO_EINVAL);
  TRY_EQ(ovio_watch_next(NULL, &event), OVIO_EINVAL);
  TRY_EQ(ovio_watch_next(watch, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_watch_close(watch), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_what_happens_to_files),
      TEST(test_writing),
      TEST(test_in_and_out),
      TEST(test_tree_that_grows),
      TEST(test_tree_that_was_there),
      TEST(test_one_file),
      TEST(test_two_who_watch_the_same),
      TEST(test_removed_before_it_is_told),
      TEST(test_added_under_way),
      TEST(test_removed_under_way),
      TEST(test_root_that_goes),
      TEST(test_many_at_once),
      TEST(test_close_ends_the_wait),
      TEST(test_added_while_somebody_waits),
      TEST_LOOP(test_deadline_and_cancel, "a plain thread has neither"),
      TEST_ENGINES(test_callback),
      TEST_PLAIN(test_callback_beside_one_who_waits,
                 "the one who waits is a thread"),
      TEST(test_what_cannot_be_watched),
      TEST(test_no_memory),
      TEST(test_no_memory_for_an_event),
      TEST(test_bad_arguments),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
