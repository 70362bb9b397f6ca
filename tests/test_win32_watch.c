/* SPDX-License-Identifier: MIT */
/* Watching by ReadDirectoryChangesW: records that are not whole, what Windows
 * documents and Wine does not show, and every call that can fail, made to fail,
 * by way of the table of native calls. */
#include "win32/side.h"

#include "scene.h"

/* ---- records ---- */

static size_t put_record(char *records, size_t at, DWORD action,
                         const wchar_t *name, DWORD next) {
  const size_t head = offsetof(FILE_NOTIFY_INFORMATION, FileName);
  FILE_NOTIFY_INFORMATION info = {.NextEntryOffset = next, .Action = action};
  size_t length = wcslen(name) * sizeof *name;
  info.FileNameLength = (DWORD)length;
  memcpy(records + at, &info, head);
  memcpy(records + at + head, name, length);
  return at + head + length;
}

static void test_records(struct test *test) {
  char records[256];
  struct native_change change;
  put_record(records, 0, FILE_ACTION_ADDED, L"one", 20); /* aligned */
  size_t used = put_record(records, 20, FILE_ACTION_REMOVED, L"three", 0);
  TRY(native_change_next(records, used, 0, &change));
  TRY(change.action == FILE_ACTION_ADDED && change.units == 3);
  TRY(memcmp(change.name, L"one", 6) == 0);
  TRY_EQ(change.next, 20);
  TRY(native_change_next(records, used, 20, &change));
  TRY(change.action == FILE_ACTION_REMOVED && change.units == 5);
  TRY_EQ(change.next, 0);
  put_record(records, 0, FILE_ACTION_ADDED, L"one", 18); /* Wine's */
  used = put_record(records, 18, FILE_ACTION_REMOVED, L"three", 0);
  TRY(native_change_next(records, used, 0, &change));
  TRY(native_change_next(records, used, change.next, &change));
  TRY(memcmp(change.name, L"three", 10) == 0);
}

static bool is_refused(const void *records, size_t used, size_t at) {
  struct native_change change;
  return !native_change_next(records, used, at, &change);
}

static void test_records_that_are_cut(struct test *test) {
  char records[256];
  FILE_NOTIFY_INFORMATION info;
  size_t used = put_record(records, 0, FILE_ACTION_ADDED, L"one", 0);
  for (size_t cut = 0; cut < used; cut++)
    TRY(is_refused(records, cut, 0));
  TRY(is_refused(records, used, used));
  TRY(is_refused(records, used, used + 2));
  TRY(is_refused(records, used, SIZE_MAX - 1));
  TRY(is_refused(records, sizeof records, 1)); /* between two units */
  memcpy(&info, records, sizeof info);
  static const DWORD lengths[] = {5, 8, UINT32_MAX, UINT32_MAX - 1};
  for (size_t at = 0; at < sizeof lengths / sizeof *lengths; at++) {
    info.FileNameLength = lengths[at];
    memcpy(records, &info, sizeof info);
    TRY(is_refused(records, used, 0));
  }
  info.FileNameLength = 6;
  static const DWORD nexts[] = {1, 4, 11, 1000, UINT32_MAX};
  for (size_t at = 0; at < sizeof nexts / sizeof *nexts; at++) {
    info.NextEntryOffset = nexts[at]; /* backwards would be for ever */
    memcpy(records, &info, sizeof info);
    TRY(is_refused(records, used, 0));
  }
}

/* ---- the shim ---- */

enum shim {
  SHIM_START = 1 << 0,  /* ReadDirectoryChangesW */
  SHIM_RESULT = 1 << 1, /* GetOverlappedResult, of one that has ended */
  SHIM_EMPTY = 1 << 2,  /* ...says that all went well, with 0 bytes */
  SHIM_BROKEN = 1 << 3, /* ...and of records that are none */
  SHIM_EVENT = 1 << 4,  /* CreateEventW */
  SHIM_OPEN = 1 << 5,   /* CreateFileW */
  SHIM_WAIT = 1 << 6    /* WaitForMultipleObjects */
};

static struct native_calls real;
static struct {
  atomic_uint which;
  atomic_int before;
  atomic_int fail;
  atomic_ulong error;
  atomic_int starts;
  atomic_ulong access; /* of the last CreateFileW */
  atomic_ulong share;
  atomic_ulong length; /* of the last buffer */
} plan;

static void *last_buffer;

static void plan_on(unsigned which, int before, int fail, DWORD error) {
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
  SetLastError(plan.error);
  return true;
}

struct watched {
  struct ovio_watch *watch;
  char folder[1024];
  int made;
};

static bool watched_begin(struct test *test, struct watched *self,
                          const char *name) {
  char text[64];
  snprintf(text, sizeof text, "%s-%s", name, test->mode->name);
  snprintf(self->folder, sizeof self->folder, "%s", test_path(text));
  self->made = 0;
  return ovio_mkdir(NULL, self->folder, 0700) == 0 &&
         ovio_watch_create(&self->watch) == 0 &&
         ovio_watch_add(self->watch, self->folder, 0, self) == 1;
}

/* Something happens there. */
static bool watched_touch(struct watched *self) {
  char path[1200];
  snprintf(path, sizeof path, "%s/%d", self->folder, self->made++);
  return ovio_mkdir(NULL, path, 0700) == 0;
}

static struct watched *touch_on_failure;

static BOOL WINAPI try_start(HANDLE handle, LPVOID buffer, DWORD length,
                             BOOL tree, DWORD filter, LPDWORD bytes,
                             LPOVERLAPPED overlapped,
                             LPOVERLAPPED_COMPLETION_ROUTINE routine) {
  last_buffer = buffer;
  plan.length = length;
  atomic_fetch_add(&plan.starts, 1);
  return !fails(SHIM_START) &&
         real.ReadDirectoryChangesW(handle, buffer, length, tree, filter, bytes,
                                    overlapped, routine);
}

static BOOL WINAPI try_result(HANDLE handle, LPOVERLAPPED overlapped,
                              LPDWORD bytes, BOOL wait) {
  BOOL fine = real.GetOverlappedResult(handle, overlapped, bytes, wait);
  if (wait || (!fine && GetLastError() == ERROR_IO_INCOMPLETE))
    return fine;
  if (fails(SHIM_RESULT)) {
    if (touch_on_failure)
      watched_touch(touch_on_failure);
    SetLastError(plan.error);
    return FALSE;
  }
  if (fails(SHIM_EMPTY))
    *bytes = 0;
  if (fails(SHIM_BROKEN))
    memset(last_buffer, 0xff, *bytes);
  return fine;
}

static HANDLE WINAPI try_event(LPSECURITY_ATTRIBUTES security, BOOL manual,
                               BOOL set, LPCWSTR name) {
  return fails(SHIM_EVENT) ? NULL
                           : real.CreateEventW(security, manual, set, name);
}

static HANDLE WINAPI try_open(LPCWSTR path, DWORD access, DWORD share,
                              LPSECURITY_ATTRIBUTES security, DWORD how,
                              DWORD attributes, HANDLE template) {
  if (access == FILE_LIST_DIRECTORY) {
    plan.access = access;
    plan.share = share;
    if (fails(SHIM_OPEN))
      return INVALID_HANDLE_VALUE;
  }
  return real.CreateFileW(path, access, share, security, how, attributes,
                          template);
}

static DWORD WINAPI try_wait(DWORD count, const HANDLE *handles, BOOL all,
                             DWORD time) {
  return fails(SHIM_WAIT)
             ? WAIT_FAILED
             : real.WaitForMultipleObjects(count, handles, all, time);
}

/* ---- what Windows answers ---- */

static void test_how_it_is_opened(struct test *test) {
  struct watched watched;
  TRY(watched_begin(test, &watched, "opened"));
  TRY_EQ(plan.access, FILE_LIST_DIRECTORY);
  TRY_EQ(plan.share, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
  TRY_EQ(plan.length, 65536); /* network shares take no more */
  TRY_EQ(ovio_watch_close(watched.watch), 0);
}

/* 0 bytes, or ERROR_NOTIFY_ENUM_DIR: events were lost. And it goes on. */
static void test_events_are_lost(struct test *test) {
  static const unsigned shims[] = {SHIM_EMPTY, SHIM_RESULT, SHIM_BROKEN};
  struct watched watched;
  struct ovio_event event;
  TRY(watched_begin(test, &watched, "lost"));
  for (size_t at = 0; at < sizeof shims / sizeof *shims; at++) {
    plan_on(shims[at], 0, 1, ERROR_NOTIFY_ENUM_DIR);
    TRY(watched_touch(&watched));
    TRY_EQ(ovio_watch_next(watched.watch, &event), 0);
    TRY_EQ(event.kind, OVIO_EVENT_RESCAN);
    TRY_EQ(event.number, 1);
    TRY(event.user == &watched && !*event.path);
    plan_off();
    TRY(watched_touch(&watched));
    TRY_EQ(ovio_watch_next(watched.watch, &event), 0);
    TRY_EQ(event.kind, OVIO_EVENT_CREATED);
  }
  TRY_EQ(ovio_watch_close(watched.watch), 0);
}

/* The watched directory is deleted: Windows says so by this error. */
static void test_the_root_goes(struct test *test) {
  struct watched watched;
  struct ovio_event event;
  TRY(watched_begin(test, &watched, "gone"));
  plan_on(SHIM_RESULT, 0, 1, ERROR_ACCESS_DENIED);
  TRY(watched_touch(&watched));
  TRY_EQ(ovio_watch_next(watched.watch, &event), 0);
  plan_off();
  TRY_EQ(event.kind, OVIO_EVENT_DELETED);
  TRY(!*event.path);
  int starts = plan.starts;
  TRY_EQ(ovio_watch_remove(watched.watch, 1), 0);
  TRY_EQ(ovio_watch_close(watched.watch), 0);
  TRY_EQ(plan.starts, starts); /* not begun anew */
}

/* The thread that began it has ended: Windows ends what it began. */
static void test_its_thread_has_gone(struct test *test) {
  struct watched watched;
  struct ovio_event event;
  TRY(watched_begin(test, &watched, "aborted"));
  int starts = plan.starts;
  plan_on(SHIM_RESULT, 0, 1, ERROR_OPERATION_ABORTED);
  touch_on_failure = &watched; /* what happens then is not lost */
  TRY(watched_touch(&watched));
  TRY_EQ(ovio_watch_next(watched.watch, &event), 0);
  plan_off();
  touch_on_failure = NULL;
  TRY_EQ(event.kind, OVIO_EVENT_CREATED);
  TRY(plan.starts > starts);
  TRY_EQ(ovio_watch_close(watched.watch), 0);
}

/* The next call is refused. */
static void test_it_cannot_go_on(struct test *test) {
  struct watched watched;
  struct ovio_event event;
  TRY(watched_begin(test, &watched, "refused"));
  plan_on(SHIM_START, 0, 1000, ERROR_NETNAME_DELETED);
  TRY(watched_touch(&watched));
  TRY_EQ(ovio_watch_next(watched.watch, &event), 0);
  TRY_EQ(event.kind, OVIO_EVENT_CREATED);
  TRY_EQ(ovio_watch_next(watched.watch, &event), 0);
  TRY_EQ(event.kind, OVIO_EVENT_DELETED);
  TRY(!*event.path);
  plan_off();
  TRY_EQ(ovio_watch_close(watched.watch), 0);
}

/* ---- errors ---- */

static void test_create_and_add_fail(struct test *test) {
  struct ovio_watch *watch = (struct ovio_watch *)(void *)&plan;
  const char *folder = test_path("add-fails");
  plan_on(SHIM_EVENT, 0, 1, ERROR_NO_SYSTEM_RESOURCES);
  TRY_EQ(ovio_watch_create(&watch), OVIO_ENOBUFS);
  TRY(watch == NULL);
  plan_off();
  TRY_EQ(ovio_watch_create(&watch), 0);
  (void)ovio_mkdir(NULL, folder, 0700);
  plan_on(SHIM_OPEN, 0, 1, ERROR_ACCESS_DENIED);
  TRY_EQ(ovio_watch_add(watch, folder, 0, NULL), OVIO_EACCES);
  plan_on(SHIM_START, 0, 1, ERROR_INVALID_FUNCTION);
  TRY(ovio_watch_add(watch, folder, 0, NULL) < 0);
  plan_off();
  TRY_EQ(ovio_watch_add(watch, folder, 0, NULL), 1);
  plan_on(SHIM_WAIT, 0, 1, ERROR_INVALID_HANDLE);
  struct ovio_event event;
  TRY_EQ(ovio_watch_next(watch, &event), OVIO_EBADF);
  plan_off();
  TRY_EQ(ovio_watch_close(watch), 0);
}

/* As many as one wait takes. */
static void test_too_many(struct test *test) {
  struct ovio_watch *watch;
  struct ovio_event event;
  struct watched last = {.made = 0};
  TRY_EQ(ovio_watch_create(&watch), 0);
  last.watch = watch;
  snprintf(last.folder, sizeof last.folder, "%s-%s", test_path("last-one"),
           test->mode->name);
  TRY_EQ(ovio_mkdir(NULL, last.folder, 0700), 0);
  for (int at = 1; at < 60; at++)
    TRY_EQ(ovio_watch_add(watch, test_folder(), 0, NULL), at);
  TRY_EQ(ovio_watch_add(watch, last.folder, 0, &last), 60);
  TRY_EQ(ovio_watch_add(watch, last.folder, 0, NULL), OVIO_ENOBUFS);
  TRY(watched_touch(&last));
  TRY_EQ(ovio_watch_next(watch, &event), 0);
  while (event.number != 60)
    TRY_EQ(ovio_watch_next(watch, &event), 0);
  TRY_EQ(ovio_watch_remove(watch, 7), 0);
  TRY_EQ(ovio_watch_add(watch, last.folder, 0, NULL), 61);
  TRY_EQ(ovio_watch_close(watch), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_PLAIN(test_records, "a function without any state"),
      TEST_PLAIN(test_records_that_are_cut, "a function without any state"),
      TEST(test_how_it_is_opened),
      TEST(test_events_are_lost),
      TEST(test_the_root_goes),
      TEST(test_its_thread_has_gone),
      TEST(test_it_cannot_go_on),
      TEST(test_create_and_add_fail),
      TEST(test_too_many),
  };
  real = native;
  native.ReadDirectoryChangesW = try_start;
  native.GetOverlappedResult = try_result;
  native.CreateEventW = try_event;
  native.CreateFileW = try_open;
  native.WaitForMultipleObjects = try_wait;
  return test_main(cases, sizeof cases / sizeof *cases);
}
