/* SPDX-License-Identifier: MIT */
/* Pipes: CreateNamedPipeW.
 *
 * CreatePipe makes synchronous ends only. So the pipe between two ends of ours
 * is a named one, with a name that nobody can guess, one instance, and no
 * clients from the network. Should somebody be faster, CreateFileW fails. */
#include "win32/side.h"

#include <wchar.h>

enum { PIPE_ROOM = 65536, PIPE_NAME_MAX = 64 };

static int pipe__name(wchar_t *name) {
  uint64_t random[2];
  int error = os_random(random, sizeof random);
  swprintf(name, PIPE_NAME_MAX, L"\\\\.\\pipe\\LOCAL\\ovio-%016llx%016llx",
           (unsigned long long)random[0], (unsigned long long)random[1]);
  return error;
}

static DWORD pipe__overlapped(unsigned flags) {
  return flags & OVIO_BLOCKING ? 0 : FILE_FLAG_OVERLAPPED;
}

static HANDLE pipe__reader(const wchar_t *name, unsigned flags) {
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security,
                                  .bInheritHandle =
                                      (flags & OVIO_INHERIT) != 0};
  return native.CreateNamedPipeW(
      name,
      PIPE_ACCESS_INBOUND | FILE_FLAG_FIRST_PIPE_INSTANCE |
          pipe__overlapped(flags),
      PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1,
      PIPE_ROOM, PIPE_ROOM, 0, &security);
}

static HANDLE pipe__writer(const wchar_t *name, unsigned flags) {
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security,
                                  .bInheritHandle =
                                      (flags & OVIO_INHERIT) != 0};
  return native.CreateFileW(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0,
                            &security, OPEN_EXISTING, pipe__overlapped(flags),
                            NULL);
}

static struct os_result pipe__adopt(struct os_file ends[2],
                                    const HANDLE handles[2],
                                    const unsigned flags[2]) {
  struct os_result result = os_file_adopt(&ends[0], handles[0], flags[0]);
  if (result.value == 0)
    result = os_file_adopt(&ends[1], handles[1], flags[1]);
  return result;
}

struct os_result os_pipe_create(struct os_file ends[2],
                                const unsigned flags[2]) {
  wchar_t name[PIPE_NAME_MAX];
  HANDLE handles[2];
  int error = pipe__name(name);
  if (error)
    return (struct os_result){error, 0};
  handles[0] = pipe__reader(name, flags[0]);
  if (handles[0] == INVALID_HANDLE_VALUE)
    return native_last_failure();
  handles[1] = pipe__writer(name, flags[1]);
  struct os_result result = handles[1] == INVALID_HANDLE_VALUE
                                ? native_last_failure()
                                : pipe__adopt(ends, handles, flags);
  if (result.value < 0) {
    native.CloseHandle(handles[0]);
    if (handles[1] != INVALID_HANDLE_VALUE)
      native.CloseHandle(handles[1]);
  }
  return result;
}
