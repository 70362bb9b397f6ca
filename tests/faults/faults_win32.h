/* SPDX-License-Identifier: MIT */
/* What the wrappers of win32/native.h are made with. The codes of NTSTATUS are
 * ntstatus.h's, which mingw-w64 cannot include beside <windows.h>. */
#include "win32/native.h"

#include "common/os.h"
#include "faults/faults.h"

#ifndef STATUS_FILE_LOCK_CONFLICT
#define STATUS_FILE_LOCK_CONFLICT ((NTSTATUS)0xC0000054)
#endif
#ifndef STATUS_DISK_FULL
#define STATUS_DISK_FULL ((NTSTATUS)0xC000007F)
#endif
#ifndef STATUS_IO_DEVICE_ERROR
#define STATUS_IO_DEVICE_ERROR ((NTSTATUS)0xC0000185)
#endif
#ifndef STATUS_INSUFFICIENT_RESOURCES
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#endif
#ifndef STATUS_NO_MEMORY
#define STATUS_NO_MEMORY ((NTSTATUS)0xC0000017)
#endif
#ifndef STATUS_ACCESS_DENIED
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#endif
#ifndef STATUS_NOT_SUPPORTED
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#endif

#define FAULT_ANSWER(value) (SetLastError(fault_native()), (value))
#define FAULT_SOCKET()      (WSASetLastError((int)fault_native()), SOCKET_ERROR)

void *fault_memory(size_t length) {
  static uint64_t memory[512];
  return length <= sizeof memory ? memory : NULL;
}

bool fault_is_passing(uint32_t error) {
  return error == WAIT_TIMEOUT || error == WSAEWOULDBLOCK ||
         error == ERROR_LOCK_VIOLATION || error == ERROR_PIPE_BUSY;
}

int fault_name(uint32_t error) {
  return os_error_map(
      error >= 0x80000000u ? RtlNtStatusToDosError((NTSTATUS)error) : error);
}
