/* SPDX-License-Identifier: MIT */
/* Readiness: of sockets by WSAPoll on a worker; of processes, whose end it is,
 * by a wait that the port registers.
 *
 * For sockets, nothing else in Winsock tells of it without changing the socket:
 * WSAEventSelect makes it non-blocking and takes it away from who did that
 * before (MS: WSAEventSelect). WSAPoll cannot be interrupted; so a worker looks
 * for an interruption now and then. It answers at once when the socket is
 * ready: the slice is only what a cancel may take. */
#include "win32/side.h"

enum { SLICE_MS = 20 };

int os_ready_check(struct os_file *file, intptr_t handle) {
  if (!handle || handle == (intptr_t)INVALID_HANDLE_VALUE)
    return OVIO_EBADF;
  *file = (struct os_file){
      .handle = handle, .kind = OS_KIND_STREAM, .alignment = 1};
  if (native.GetProcessId((HANDLE)handle))
    file->traits = OS_TRAIT_PROCESS | OS_TRAIT_PORTABLE;
  return 0;
}

/* 0 or OVIO_EWOULDBLOCK. */
static struct os_result ready__glance_at_process(const struct os_file *file) {
  DWORD state = native.WaitForSingleObject((HANDLE)file->handle, 0);
  if (state == WAIT_FAILED)
    return native_last_failure();
  return (struct os_result){state == WAIT_TIMEOUT ? OVIO_EWOULDBLOCK : 0, 0};
}

/* 0 for a socket. Without WSAStartup() there is none in this process. */
static struct os_result ready__check_socket(HANDLE handle) {
  int type = 0;
  int length = sizeof type;
  if (native.getsockopt((SOCKET)handle, SOL_SOCKET, SO_TYPE, (char *)&type,
                        &length) == 0)
    return (struct os_result){0, 0};
  SetLastError(NO_ERROR);
  DWORD error = native.GetFileType(handle) == FILE_TYPE_UNKNOWN
                    ? GetLastError()
                    : (DWORD)NO_ERROR;
  return error ? native_failure(error) : (struct os_result){OVIO_ENOTSUP, 0};
}

static bool ready__is_interrupted(struct native_waiter *waiter) {
  return waiter && WaitForSingleObjectEx(waiter->event, 0, FALSE) == 0;
}

/* 0 or OVIO_EWOULDBLOCK, when the time is over. */
static struct os_result ready__poll(const struct os_file *file, bool write,
                                    int timeout_ms) {
  WSAPOLLFD set = {.fd = (SOCKET)file->handle,
                   .events = write ? POLLWRNORM : POLLRDNORM};
  int ready = native.WSAPoll(&set, 1, timeout_ms);
  if (ready == SOCKET_ERROR)
    return native_failure((DWORD)WSAGetLastError());
  if (ready == 0)
    return (struct os_result){OVIO_EWOULDBLOCK, 0};
  return (struct os_result){set.revents & POLLNVAL ? OVIO_EBADF : 0, 0};
}

struct os_result os_ready_glance(const struct os_file *file, bool write) {
  if (file->traits & OS_TRAIT_PROCESS)
    return ready__glance_at_process(file);
  struct os_result result = ready__check_socket((HANDLE)file->handle);
  return result.value < 0 ? result : ready__poll(file, write, 0);
}

struct os_result os_ready_now(const struct os_file *file, bool write,
                              struct os_waiter *os_waiter) {
  if (file->traits & OS_TRAIT_PROCESS)
    return os_process_await(&(struct os_process){.handle = file->handle}, 0,
                            os_waiter);
  struct native_waiter *waiter = native_waiter_of(os_waiter);
  struct os_result result = ready__check_socket((HANDLE)file->handle);
  if (result.value < 0)
    return result;
  while (!ready__is_interrupted(waiter)) {
    result = ready__poll(file, write, SLICE_MS);
    if (result.value != OVIO_EWOULDBLOCK)
      return result;
  }
  return native_failure(ERROR_OPERATION_ABORTED);
}
