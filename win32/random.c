/* SPDX-License-Identifier: MIT */
/* Random bytes: the system's preferred generator. */
#include "win32/side.h"

int os_random(void *bytes, size_t length) {
  NTSTATUS status = native.BCryptGenRandom(NULL, bytes, (ULONG)length,
                                           BCRYPT_USE_SYSTEM_PREFERRED_RNG);
  return status < 0 ? os_error_map(RtlNtStatusToDosError(status)) : 0;
}
