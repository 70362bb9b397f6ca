/* SPDX-License-Identifier: MIT */
/* What the wrappers of posix/native.h are made with. */
#include "posix/native.h"

#include "common/os.h"
#include "faults/faults.h"

#define FAULT_ANSWER(value) (errno = (int)fault_native(), (value))

void *fault_memory(size_t length) {
  void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

bool fault_is_passing(uint32_t error) {
  return error == EINTR || error == EAGAIN || error == ECONNABORTED ||
         error == ETIME || error == ECANCELED;
}

int fault_name(uint32_t error) {
  return os_error_map(error);
}
