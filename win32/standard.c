/* SPDX-License-Identifier: MIT */
/* Standard handles: GetStdHandle. */
#include "win32/side.h"

static bool standard__is_console(HANDLE handle) {
  DWORD mode;
  return native.GetFileType(handle) == FILE_TYPE_CHAR &&
         native.GetConsoleMode(handle, &mode);
}

struct os_result os_standard_open(struct os_file *file, enum os_standard which,
                                  unsigned flags) {
  static const DWORD names[OS_STANDARD_COUNT] = {
      STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
  HANDLE handle = GetStdHandle(names[which]);
  struct os_result result = os_file_adopt(file, handle, flags);
  if (result.value < 0)
    return result;
  if (file->kind == OS_KIND_DISK) {
    /* Two of them may be one file object, with one position: >out 2>&1. */
    file->traits |= OS_TRAIT_SYSTEM_POSITION;
    file->traits &= OS_TRAITS & ~(unsigned)OS_TRAIT_WRITE_BACK;
  }
  if (standard__is_console(handle))
    native_console_begin(file, which);
  return result;
}

struct os_result os_standard_is_console(const struct os_file *file) {
  return (struct os_result){standard__is_console((HANDLE)file->handle), 0};
}
