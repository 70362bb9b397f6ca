/* SPDX-License-Identifier: MIT */
/* Directories: GetFileInformationByHandleEx, which fills a buffer with entries
 * and is synchronous on overlapped handles, too. */
#include "win32/side.h"

#include <string.h>

enum { DIRECTORY_CALL_MAX = 1 << 20 };

struct os_result os_directory_fill(struct os_directory *directory) {
  size_t length = directory->length < DIRECTORY_CALL_MAX ? directory->length
                                                         : DIRECTORY_CALL_MAX;
  directory->used = directory->at = 0;
  if (native.GetFileInformationByHandleEx((HANDLE)directory->file->handle,
                                          directory->under_way
                                              ? FileIdBothDirectoryInfo
                                              : FileIdBothDirectoryRestartInfo,
                                          directory->buffer, (DWORD)length)) {
    directory->under_way = true;
    directory->used = length;
    return (struct os_result){1, 0};
  }
  DWORD error = GetLastError();
  /* A root that is empty has not even "."; a directory that was removed. */
  bool empty = !directory->under_way &&
               (error == ERROR_FILE_NOT_FOUND || error == ERROR_DELETE_PENDING);
  if (error == ERROR_NO_MORE_FILES || empty)
    return (struct os_result){0, 0};
  return native_failure(error);
}

/* EaSize of a reparse point is its tag (MS: FILE_ID_BOTH_DIR_INFORMATION). */
static uint32_t directory__type(const FILE_ID_BOTH_DIR_INFO *info) {
  if ((info->FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
      IsReparseTagNameSurrogate(info->EaSize))
    return OVIO_TYPE_SYMLINK;
  return info->FileAttributes & FILE_ATTRIBUTE_DIRECTORY ? OVIO_TYPE_DIRECTORY
                                                         : OVIO_TYPE_FILE;
}

int os_directory_next(struct os_directory *directory, struct ovio_entry *out,
                      char name[OS_NAME_MAX]) {
  if (directory->at >= directory->used)
    return 0;
  const FILE_ID_BOTH_DIR_INFO *info =
      (const void *)((const char *)directory->buffer + directory->at);
  directory->at = info->NextEntryOffset ? directory->at + info->NextEntryOffset
                                        : directory->used;
  int64_t length =
      native_text(info->FileName, info->FileNameLength / sizeof *info->FileName,
                  name, OS_NAME_MAX);
  if (length < 0)
    return OVIO_ENAMETOOLONG;
  *out = (struct ovio_entry){.name = name,
                             .inode = (uint64_t)info->FileId.QuadPart,
                             .type = directory__type(info)};
  return 1;
}

void os_directory_end(struct os_directory *directory) {
  (void)directory;
}
