/* SPDX-License-Identifier: MIT */
/* Watching: ReadDirectoryChangesW, overlapped, one call under way for each
 * root.
 *
 * The system keeps what happens between two calls with the handle, so nothing
 * is missed while a buffer is taken apart. From the start of a call to its end
 * the buffer is the kernel's, also after CancelIoEx.
 *
 * Who waits does so for the events of all roots; nobody adds or removes one
 * meanwhile. */
#include "win32/side.h"

#include <string.h>

#include "common/memory.h"

/* 64 KiB is what a network share takes (MS: ReadDirectoryChangesW). */
enum { CHANGES_ROOM = 65536, WAITS_BEFORE_ROOTS = 2, ROOTS_MAX = 60 };

struct folder {
  struct folder *next;
  struct os_root *root;
  HANDLE handle;
  OVERLAPPED overlapped;
  bool pending; /* the kernel has overlapped and buffer */
  bool gone;    /* nothing more comes of it */
  DWORD used;   /* bytes of changes */
  DWORD at;     /* of the next */
  bool more;    /* there is a next */
  DWORD buffer[CHANGES_ROOM / sizeof(DWORD)];
};

struct os_watch {
  HANDLE wake;
  struct folder *folders;
  unsigned count;
  char *told;
};

/* ---- create, destroy ---- */

struct os_result os_watch_create(struct os_watch **out) {
  struct os_watch *watch = memory_allocate(sizeof *watch);
  if (!watch)
    return (struct os_result){OVIO_ENOMEM, 0};
  watch->wake = native.CreateEventW(NULL, FALSE, FALSE, NULL);
  if (!watch->wake) {
    struct os_result result = native_last_failure();
    memory_free(watch);
    return result;
  }
  *out = watch;
  return (struct os_result){0, 0};
}

void os_watch_destroy(struct os_watch *watch) {
  native.CloseHandle(watch->wake);
  memory_free(watch->told);
  memory_free(watch);
}

/* ---- add, remove ---- */

static const DWORD watch__filter =
    FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME |
    FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SIZE |
    FILE_NOTIFY_CHANGE_LAST_WRITE;

static struct os_result folder__start(struct folder *folder) {
  HANDLE event = folder->overlapped.hEvent;
  /* Wine leaves it to the caller to say that it is pending. */
  folder->overlapped = (OVERLAPPED){
      .Internal = (ULONG_PTR)NATIVE_STATUS_PENDING, .hEvent = event};
  folder->pending = native.ReadDirectoryChangesW(
                        folder->handle, folder->buffer, sizeof folder->buffer,
                        folder->root->tree, watch__filter, NULL,
                        &folder->overlapped, NULL) != 0;
  return folder->pending ? (struct os_result){0, 0} : native_last_failure();
}

static struct os_result folder__open(struct folder *folder,
                                     const char *directory) {
  wchar_t *wide = NULL;
  struct os_result result = native_path(&wide, NULL, directory);
  if (result.value < 0)
    return result;
  folder->handle = native.CreateFileW(
      wide, FILE_LIST_DIRECTORY,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED, NULL);
  if (folder->handle == INVALID_HANDLE_VALUE)
    result = native_last_failure();
  memory_free(wide);
  return result;
}

static void folder__close(struct folder *folder) {
  DWORD none;
  if (folder->pending) {
    native.CancelIoEx(folder->handle, &folder->overlapped);
    (void)native.GetOverlappedResult(folder->handle, &folder->overlapped, &none,
                                     TRUE);
  }
  if (folder->handle != INVALID_HANDLE_VALUE)
    native.CloseHandle(folder->handle);
  if (folder->overlapped.hEvent)
    native.CloseHandle(folder->overlapped.hEvent);
  memory_free(folder);
}

struct os_result os_watch_add(struct os_watch *watch, struct os_root *root,
                              const char *directory) {
  if (watch->count == ROOTS_MAX)
    return (struct os_result){OVIO_ENOBUFS, 0};
  struct folder *folder = memory_allocate(sizeof *folder);
  if (!folder)
    return (struct os_result){OVIO_ENOMEM, 0};
  folder->root = root;
  folder->handle = INVALID_HANDLE_VALUE;
  folder->overlapped.hEvent = native.CreateEventW(NULL, TRUE, FALSE, NULL);
  struct os_result result = folder->overlapped.hEvent
                                ? folder__open(folder, directory)
                                : native_last_failure();
  if (result.value == 0)
    result = folder__start(folder);
  if (result.value < 0) {
    folder__close(folder);
    return result;
  }
  folder->next = watch->folders;
  watch->folders = folder;
  watch->count++;
  return result;
}

void os_watch_remove(struct os_watch *watch, struct os_root *root) {
  for (struct folder **at = &watch->folders; *at; at = &(*at)->next) {
    struct folder *folder = *at;
    if (folder->root == root) {
      *at = folder->next;
      watch->count--;
      folder__close(folder);
      return;
    }
  }
}

/* ---- waiting ---- */

struct os_result os_watch_wait(struct os_watch *watch, int64_t timeout_ns,
                               struct os_waiter *waiter) {
  HANDLE handles[WAITS_BEFORE_ROOTS + ROOTS_MAX];
  DWORD count = 0;
  if (waiter)
    handles[count++] = native_waiter_of(waiter)->event;
  handles[count++] = watch->wake;
  for (struct folder *at = watch->folders; at; at = at->next) {
    if (at->pending)
      handles[count++] = at->overlapped.hEvent;
  }
  DWORD time =
      timeout_ns < 0 ? INFINITE : (DWORD)((timeout_ns + 999999) / 1000000);
  DWORD first = native.WaitForMultipleObjects(count, handles, FALSE, time);
  if (first == WAIT_FAILED)
    return native_last_failure();
  if (waiter && first == WAIT_OBJECT_0)
    return (struct os_result){OVIO_ECANCELED, 0};
  DWORD news = waiter ? 2 : 1;
  return (struct os_result){first != WAIT_TIMEOUT && first >= news, 0};
}

/* ---- taking ---- */

bool native_change_next(const void *changes, size_t used, size_t at,
                        struct native_change *out) {
  const size_t head = offsetof(FILE_NOTIFY_INFORMATION, FileName);
  FILE_NOTIFY_INFORMATION info;
  /* Windows aligns records as DWORDs, Wine as their names. */
  if (used < head || at > used - head || at % sizeof(WCHAR) != 0)
    return false;
  memcpy(&info, (const char *)changes + at, head);
  if (info.FileNameLength > used - at - head ||
      info.FileNameLength % sizeof(WCHAR) != 0)
    return false;
  if (info.NextEntryOffset != 0 &&
      (info.NextEntryOffset < head || info.NextEntryOffset > used - at))
    return false;
  out->action = info.Action;
  out->name =
      (const wchar_t *)(const void *)((const char *)changes + at + head);
  out->units = info.FileNameLength / sizeof(WCHAR);
  out->next = info.NextEntryOffset ? at + info.NextEntryOffset : 0;
  return true;
}

static unsigned watch__kind(DWORD action) {
  switch (action) {
  case FILE_ACTION_ADDED:
    return OS_CHANGE_CREATED;
  case FILE_ACTION_REMOVED:
    return OS_CHANGE_DELETED;
  case FILE_ACTION_RENAMED_OLD_NAME:
    return OS_CHANGE_FROM;
  case FILE_ACTION_RENAMED_NEW_NAME:
    return OS_CHANGE_TO;
  default:
    return OS_CHANGE_MODIFIED;
  }
}

/* A name takes three bytes for each unit at most. */
static struct os_result watch__tell(struct os_watch *watch,
                                    struct folder *folder, unsigned kind,
                                    const wchar_t *name, size_t units,
                                    struct os_change *out) {
  size_t room = units * 3 + 1;
  char *path = memory_allocate(room);
  if (!path)
    return (struct os_result){OVIO_ENOMEM, 0};
  (void)native_text(name, units, path, room);
  memory_free(watch->told);
  watch->told = path;
  *out = (struct os_change){.kind = kind, .root = folder->root, .path = path};
  return (struct os_result){1, 0};
}

/* Changes that are in the buffer. What is no whole one is as good as lost. */
static struct os_result folder__take(struct os_watch *watch,
                                     struct folder *folder,
                                     struct os_change *out) {
  struct native_change change;
  bool whole =
      native_change_next(folder->buffer, folder->used, folder->at, &change);
  struct os_result result =
      whole ? watch__tell(watch, folder, watch__kind(change.action),
                          change.name, change.units, out)
            : watch__tell(watch, folder, OS_CHANGE_LOST, L"", 0, out);
  if (result.value < 0)
    return result;
  folder->more = whole && change.next;
  folder->at = whole ? (DWORD)change.next : 0;
  return result;
}

/* The call has ended: 1: told, 0: there is something to take, or nothing. */
static struct os_result folder__end(struct os_watch *watch,
                                    struct folder *folder,
                                    struct os_change *out) {
  DWORD bytes = 0;
  BOOL fine = native.GetOverlappedResult(folder->handle, &folder->overlapped,
                                         &bytes, FALSE);
  DWORD error = fine ? NO_ERROR : GetLastError();
  if (error == ERROR_IO_INCOMPLETE)
    return (struct os_result){0, 0};
  folder->pending = false;
  folder->used = bytes;
  folder->at = 0;
  folder->more = fine && bytes > 0;
  if (folder->more)
    return (struct os_result){0, 0};
  /* Its thread has ended: what has happened is kept for the next call. */
  if (error == ERROR_OPERATION_ABORTED)
    return folder__start(folder);
  bool lost = fine || error == ERROR_NOTIFY_ENUM_DIR;
  folder->gone = !lost;
  return watch__tell(watch, folder, lost ? OS_CHANGE_LOST : OS_CHANGE_GONE, L"",
                     0, out);
}

static struct os_result folder__look(struct os_watch *watch,
                                     struct folder *folder,
                                     struct os_change *out) {
  struct os_result result = {0, 0};
  if (folder->pending)
    result = folder__end(watch, folder, out);
  if (result.value == 0 && folder->more)
    result = folder__take(watch, folder, out);
  if (result.value >= 0 && !folder->pending && !folder->more && !folder->gone) {
    struct os_result started = folder__start(folder);
    if (started.value < 0 && result.value == 0) {
      folder->gone = true;
      return watch__tell(watch, folder, OS_CHANGE_GONE, L"", 0, out);
    }
  }
  return result;
}

struct os_result os_watch_take(struct os_watch *watch, struct os_change *out) {
  for (struct folder *at = watch->folders; at; at = at->next) {
    struct os_result result = folder__look(watch, at, out);
    if (result.value != 0)
      return result;
  }
  return (struct os_result){0, 0};
}

void os_watch_wake(struct os_watch *watch) {
  SetEvent(watch->wake);
}
