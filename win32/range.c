/* SPDX-License-Identifier: MIT */
/* Locks: LockFileEx, which fails at once when somebody else has the range.
 *
 * The event's low-order bit keeps the packet of an overlapped handle off the
 * port that it is bound to (MS: GetQueuedCompletionStatus). */
#include "win32/side.h"

struct span {
  OVERLAPPED overlapped;
  DWORD low, high; /* the length; 0 bytes would lock nothing */
};

static void span__set(struct span *span, int64_t offset, int64_t length,
                      HANDLE event) {
  uint64_t bytes = (uint64_t)(length ? length : INT64_MAX - offset);
  *span = (struct span){.low = (DWORD)bytes, .high = (DWORD)(bytes >> 32)};
  span->overlapped.Offset = (DWORD)(uint64_t)offset;
  span->overlapped.OffsetHigh = (DWORD)((uint64_t)offset >> 32);
  span->overlapped.hEvent = (HANDLE)((ULONG_PTR)event | 1);
}

/* What became of the call. */
static struct os_result span__end(struct span *span, HANDLE file, BOOL fine) {
  DWORD none;
  if (!fine && GetLastError() == ERROR_IO_PENDING)
    fine = native.GetOverlappedResult(file, &span->overlapped, &none, TRUE);
  if (fine)
    return (struct os_result){0, 0};
  struct os_result result = native_last_failure();
  if (result.native == ERROR_LOCK_VIOLATION)
    result.value = OVIO_EWOULDBLOCK;
  return result;
}

struct os_result os_range_lock(const struct os_file *file, int64_t offset,
                               int64_t length, bool shared) {
  struct span span;
  HANDLE event = native_event_take();
  HANDLE handle = (HANDLE)file->handle;
  if (!event)
    return native_last_failure();
  span__set(&span, offset, length, event);
  DWORD flags = LOCKFILE_FAIL_IMMEDIATELY |
                (shared ? 0u : (DWORD)LOCKFILE_EXCLUSIVE_LOCK);
  BOOL fine = native.LockFileEx(handle, flags, 0, span.low, span.high,
                                &span.overlapped);
  struct os_result result = span__end(&span, handle, fine);
  native_event_give(event);
  return result;
}

/* What is not locked is no error, as on POSIX. */
struct os_result os_range_unlock(const struct os_file *file, int64_t offset,
                                 int64_t length) {
  struct span span;
  HANDLE event = native_event_take();
  HANDLE handle = (HANDLE)file->handle;
  if (!event)
    return native_last_failure();
  span__set(&span, offset, length, event);
  BOOL fine =
      native.UnlockFileEx(handle, 0, span.low, span.high, &span.overlapped);
  struct os_result result = span__end(&span, handle, fine);
  native_event_give(event);
  if (result.native == ERROR_NOT_LOCKED ||
      result.native == ERROR_LOCK_VIOLATION) /* Wine's word for it */
    result = (struct os_result){0, 0};
  return result;
}
