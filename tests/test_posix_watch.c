/* SPDX-License-Identifier: MIT */
/* Watching by inotify(7): records that are not whole, and every call that can
 * fail, made to fail, by way of the table of native calls. */
#include "posix/side.h"

#include "scene.h"

#if NATIVE_HAS_INOTIFY

/* ---- records ---- */

/* Appends one; its name is padded as by the kernel. */
static size_t put_record(char *records, size_t at, uint32_t mask,
                         const char *name, uint32_t length) {
  struct inotify_event event = {.wd = 1, .mask = mask, .len = length};
  memcpy(records + at, &event, sizeof event);
  memset(records + at + sizeof event, 0, length);
  memcpy(records + at + sizeof event, name, strlen(name));
  return at + sizeof event + length;
}

static void test_records(struct test *test) {
  char records[256];
  struct inotify_event event;
  const char *name;
  size_t second = put_record(records, 0, IN_CREATE, "one", 16);
  size_t third = put_record(records, second, IN_DELETE_SELF, "", 0);
  size_t used = put_record(records, third, IN_MODIFY, "three", 16);
  TRY(native_inotify_next(records, used, 0, &event, &name));
  TRY(event.mask == IN_CREATE && strcmp(name, "one") == 0);
  TRY(native_inotify_next(records, used, second, &event, &name));
  TRY(event.mask == IN_DELETE_SELF && strcmp(name, "") == 0);
  TRY(native_inotify_next(records, used, third, &event, &name));
  TRY(event.mask == IN_MODIFY && strcmp(name, "three") == 0);
  TRY(!native_inotify_next(records, used, used, &event, &name));
}

/* Nothing is read past `used`, whatever the records say. */
static void test_records_that_are_cut(struct test *test) {
  struct inotify_event event;
  const char *name;
  char *records = malloc(sizeof event + 16);
  TRY(records);
  size_t used = put_record(records, 0, IN_CREATE, "one", 16);
  for (size_t cut = 0; cut < used; cut++) {
    char *exact = malloc(cut ? cut : 1); /* for the address sanitizer */
    TRY(exact);
    memcpy(exact, records, cut);
    TRY(!native_inotify_next(exact, cut, 0, &event, &name));
    free(exact);
  }
  TRY(!native_inotify_next(records, used, used + 1, &event, &name));
  TRY(!native_inotify_next(records, used, SIZE_MAX, &event, &name));
  memset(records + sizeof event, 'a', 16); /* a name without an end */
  TRY(!native_inotify_next(records, used, 0, &event, &name));
  event.len = UINT32_MAX;
  memcpy(records, &event, sizeof event);
  TRY(!native_inotify_next(records, used, 0, &event, &name));
  free(records);
}

/* ---- the shim ---- */

enum shim {
  SHIM_INIT = 1 << 0,
  SHIM_ADD = 1 << 1,
  SHIM_READ = 1 << 2,     /* of records */
  SHIM_OVERFLOW = 1 << 3, /* instead of records: that some are lost */
  SHIM_EVENTFD = 1 << 4,
  SHIM_OPEN = 1 << 5,
  SHIM_POLL = 1 << 6
};

/* They stand in the table from before the first thread: switched on and off. */
static struct native_calls real;
static struct {
  atomic_uint which;
  atomic_int before; /* so many calls succeed first */
  atomic_int fail;   /* then so many fail */
  atomic_int error;
} plan;

static void plan_on(unsigned which, int before, int fail, int error) {
  plan.before = before;
  plan.fail = fail;
  plan.error = error;
  plan.which = which;
}

static void plan_off(void) {
  plan.which = 0;
}

static bool fails(unsigned shim) {
  if (!(plan.which & shim) || atomic_fetch_sub(&plan.before, 1) > 0)
    return false;
  if (atomic_fetch_sub(&plan.fail, 1) <= 0)
    return false;
  errno = plan.error;
  return true;
}

static atomic_int last_made; /* by inotify_init1() */

static int try_init(int flags) {
  int fd = fails(SHIM_INIT) ? -1 : real.inotify_init1(flags);
  last_made = fd;
  return fd;
}
static int try_add(int fd, const char *path, uint32_t mask) {
  return fails(SHIM_ADD) ? -1 : real.inotify_add_watch(fd, path, mask);
}
static int try_eventfd(unsigned value, int flags) {
  return fails(SHIM_EVENTFD) ? -1 : real.eventfd(value, flags);
}
static int try_openat(int dir, const char *path, int flags, mode_t mode) {
  return fails(SHIM_OPEN) ? -1 : real.openat(dir, path, flags, mode);
}
static int try_poll(struct pollfd *set, nfds_t count, int timeout_ms) {
  bool is_watch = set->fd == last_made; /* loops poll, too */
  return is_watch && fails(SHIM_POLL) ? -1 : real.poll(set, count, timeout_ms);
}

/* Records are read into 64 KiB, nothing else here is. */
static ssize_t try_read(int fd, void *buffer, size_t length) {
  struct inotify_event lost = {.wd = -1, .mask = IN_Q_OVERFLOW};
  if (length == 65536 && fails(SHIM_READ))
    return -1;
  if (length != 65536 || !fails(SHIM_OVERFLOW))
    return real.read(fd, buffer, length);
  memcpy(buffer, &lost, sizeof lost);
  return sizeof lost;
}

/* ---- errors ---- */

static const char *folder_of(const struct test *test, const char *name) {
  char text[64];
  snprintf(text, sizeof text, "%s-%s", name, test->mode->name);
  const char *path = test_path(text);
  return ovio_mkdir(NULL, path, 0700) == 0 ? path : "";
}

static void test_create_fails(struct test *test) {
  struct ovio_watch *watch = (struct ovio_watch *)&plan;
  plan_on(SHIM_INIT, 0, 1, EMFILE);
  TRY_EQ(ovio_watch_create(&watch), OVIO_EMFILE);
  TRY(watch == NULL);
  plan_on(SHIM_EVENTFD, 0, 1, ENFILE);
  TRY_EQ(ovio_watch_create(&watch), OVIO_EMFILE);
  plan_off();
}

static void test_too_many(struct test *test) {
  struct ovio_watch *watch;
  const char *folder = folder_of(test, "too-many");
  TRY_EQ(ovio_watch_create(&watch), 0);
  plan_on(SHIM_ADD, 0, 1, ENOSPC); /* max_user_watches: inotify(7) */
  TRY_EQ(ovio_watch_add(watch, folder, 0, NULL), OVIO_ENOBUFS);
  plan_on(SHIM_ADD, 0, 1, EACCES);
  TRY_EQ(ovio_watch_add(watch, folder, 0, NULL), OVIO_EACCES);
  plan_off();
  TRY_EQ(ovio_watch_add(watch, folder, 0, NULL), 1);
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* Of a tree, one directory cannot be watched: then nothing is. */
static void test_too_many_in_a_tree(struct test *test) {
  struct ovio_watch *watch;
  char inner[1200];
  const char *folder = folder_of(test, "big-tree");
  for (int at = 0; at < 3; at++) {
    snprintf(inner, sizeof inner, "%s/%d", folder, at);
    TRY_EQ(ovio_mkdir(NULL, inner, 0700), 0);
  }
  TRY_EQ(ovio_watch_create(&watch), 0);
  for (int before = 0; before < 4; before++) {
    plan_on(SHIM_ADD, before, 1, ENOSPC);
    TRY_EQ(ovio_watch_add(watch, folder, OVIO_WATCH_TREE, NULL), OVIO_ENOBUFS);
    plan_on(SHIM_OPEN, before, 1, EMFILE);
    TRY_EQ(ovio_watch_add(watch, folder, OVIO_WATCH_TREE, NULL), OVIO_EMFILE);
  }
  plan_off();
  TRY_EQ(ovio_watch_add(watch, folder, OVIO_WATCH_TREE, NULL), 1);
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* ...nor a new one: then the program is told to look for itself. */
static void test_a_new_one_cannot_be_watched(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  char inner[1200];
  const char *folder = folder_of(test, "new-one");
  snprintf(inner, sizeof inner, "%s/a", folder);
  TRY_EQ(ovio_watch_create(&watch), 0);
  TRY_EQ(ovio_watch_add(watch, folder, OVIO_WATCH_TREE, &plan), 1);
  TRY_EQ(ovio_mkdir(NULL, inner, 0700), 0);
  plan_on(SHIM_ADD, 0, 1, ENOSPC);
  TRY_EQ(ovio_watch_next(watch, &event), 0);
  plan_off();
  TRY_EQ(event.kind, OVIO_EVENT_RESCAN);
  TRY_EQ(event.number, 1);
  TRY(event.user == &plan);
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_events_are_lost(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  char inner[1200];
  const char *folder = folder_of(test, "lost");
  snprintf(inner, sizeof inner, "%s/a", folder);
  TRY_EQ(ovio_watch_create(&watch), 0);
  TRY_EQ(ovio_watch_add(watch, folder, 0, &plan), 1);
  plan_on(SHIM_OVERFLOW, 0, 1, 0);
  TRY_EQ(ovio_mkdir(NULL, inner, 0700), 0);
  TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY_EQ(event.kind, OVIO_EVENT_RESCAN);
  TRY_EQ(event.number, 0); /* of everything */
  TRY(event.path && !*event.path);
  plan_off();
  TRY_EQ(ovio_watch_next(watch, &event), 0); /* what was not lost */
  TRY_EQ(event.kind, OVIO_EVENT_CREATED);
  TRY_EQ(ovio_watch_close(watch), 0);
}

static void test_calls_that_fail(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  char inner[1200];
  const char *folder = folder_of(test, "failing");
  snprintf(inner, sizeof inner, "%s/a", folder);
  TRY_EQ(ovio_watch_create(&watch), 0);
  TRY_EQ(ovio_watch_add(watch, folder, 0, &plan), 1);
  plan_on(SHIM_READ, 0, 1, EIO);
  TRY_EQ(ovio_watch_next(watch, &event), OVIO_EIO);
  plan_on(SHIM_POLL, 0, 1, ENOMEM);
  TRY_EQ(ovio_watch_next(watch, &event), OVIO_ENOMEM);
  TRY_EQ(ovio_mkdir(NULL, inner, 0700), 0);
  plan_on(SHIM_READ, 0, 3, EINTR);
  TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY_EQ(event.kind, OVIO_EVENT_CREATED);
  TRY_EQ(event.type, OVIO_TYPE_DIRECTORY);
  plan_off();
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* The kernel's own overflow: more happens than the queue holds. */
static void test_a_full_queue(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event = {.kind = 0};
  char limit[32] = "0";
  char a[1200];
  char b[1200];
  const char *folder = folder_of(test, "full");
  snprintf(a, sizeof a, "%s/a", folder);
  snprintf(b, sizeof b, "%s/b", folder);
  test_get("/proc/sys/fs/inotify/max_queued_events", limit, sizeof limit - 1);
  long room = strtol(limit, NULL, 10);
  if (room <= 0 || room > 100000)
    SKIP("the length of inotify's queue is not known, or too large");
  TRY_EQ(ovio_watch_create(&watch), 0);
  TRY_EQ(ovio_watch_add(watch, folder, 0, NULL), 1);
  TRY_EQ(ovio_mkdir(NULL, a, 0700), 0);
  for (long at = 0; at < room / 2 + 10; at++)
    TRY(rename(at % 2 ? b : a, at % 2 ? a : b) == 0);
  while (event.kind != OVIO_EVENT_RESCAN)
    TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY_EQ(event.number, 0);
  TRY_EQ(ovio_watch_close(watch), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_PLAIN(test_records, "a function without any state"),
      TEST_PLAIN(test_records_that_are_cut, "a function without any state"),
      TEST(test_create_fails),
      TEST(test_too_many),
      TEST(test_too_many_in_a_tree),
      TEST(test_a_new_one_cannot_be_watched),
      TEST(test_events_are_lost),
      TEST(test_calls_that_fail),
      TEST(test_a_full_queue),
  };
  real = native;
  native.inotify_init1 = try_init;
  native.inotify_add_watch = try_add;
  native.eventfd = try_eventfd;
  native.openat = try_openat;
  native.poll = try_poll;
  native.read = try_read;
  return test_main(cases, sizeof cases / sizeof *cases);
}

#else

int main(void) {
  printf("SKIP: this system has no inotify\n");
  return 0;
}

#endif
