/* SPDX-License-Identifier: MIT */
/* GetLastError()'s numbers by ovio's names, as the documents promise them. */
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>

#include "scene.h"

static const struct {
  uint32_t native;
  int error;
} rows[] = {
    {ERROR_INVALID_PARAMETER, OVIO_EINVAL},
    {ERROR_INVALID_USER_BUFFER, OVIO_ENOBUFS},
    {ERROR_INVALID_HANDLE, OVIO_EBADF},
    {ERROR_NOT_ENOUGH_MEMORY, OVIO_ENOMEM},
    {ERROR_OUTOFMEMORY, OVIO_ENOMEM},
    {ERROR_NO_SYSTEM_RESOURCES, OVIO_ENOBUFS},
    {ERROR_WORKING_SET_QUOTA, OVIO_ENOBUFS},
    {ERROR_NOT_ENOUGH_QUOTA, OVIO_ENOBUFS},
    {ERROR_ACCESS_DENIED, OVIO_EACCES},
    {ERROR_PRIVILEGE_NOT_HELD, OVIO_EPERM},
    {ERROR_BAD_EXE_FORMAT, OVIO_EACCES},
    {740 /* ERROR_ELEVATION_REQUIRED */, OVIO_EPERM},
    {ERROR_FILE_NOT_FOUND, OVIO_ENOENT},
    {ERROR_PATH_NOT_FOUND, OVIO_ENOENT},
    {ERROR_FILE_EXISTS, OVIO_EEXIST},
    {ERROR_ALREADY_EXISTS, OVIO_EEXIST},
    {ERROR_DIRECTORY, OVIO_ENOTDIR},
    {ERROR_DIR_NOT_EMPTY, OVIO_ENOTEMPTY},
    {ERROR_FILENAME_EXCED_RANGE, OVIO_ENAMETOOLONG},
    {ERROR_WRITE_PROTECT, OVIO_EROFS},
    {ERROR_NOT_SAME_DEVICE, OVIO_EXDEV},
    {ERROR_DISK_FULL, OVIO_ENOSPC},
    {ERROR_HANDLE_DISK_FULL, OVIO_ENOSPC},
    {ERROR_IO_DEVICE, OVIO_EIO},
    {ERROR_CRC, OVIO_EIO},
    {ERROR_BROKEN_PIPE, OVIO_EPIPE},
    {ERROR_NO_DATA, OVIO_EPIPE},
    {ERROR_SHARING_VIOLATION, OVIO_ETXTBSY},
    {ERROR_LOCK_VIOLATION, OVIO_ETXTBSY},
    {ERROR_TOO_MANY_OPEN_FILES, OVIO_EMFILE},
    {ERROR_OPERATION_ABORTED, OVIO_ECANCELED},
    {ERROR_NOT_SUPPORTED, OVIO_ENOTSUP},
    {ERROR_INVALID_FUNCTION, OVIO_ENOTSUP},
    {ERROR_CALL_NOT_IMPLEMENTED, OVIO_ENOTSUP},
    {ERROR_NOT_READY, OVIO_ENODEV},
    {ERROR_NETNAME_DELETED, OVIO_ECONNRESET},
    {WSAECONNRESET, OVIO_ECONNRESET},
    {WSAENOTCONN, OVIO_ENOTCONN},
    {ERROR_SUCCESS, OVIO_EUNKNOWN},
};

static void test_table(struct test *test) {
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
    char text[64];
    int error = os_error_map(rows[at].native);
    snprintf(text, sizeof text, "native code %lu",
             (unsigned long)rows[at].native);
    if (error != rows[at].error)
      test_fail_equal(test, __FILE__, __LINE__, text, error, rows[at].error);
  }
}

/* Whatever the number: a name of ours, never a success. */
static void test_every_number_has_an_answer(struct test *test) {
  for (uint32_t native = 0; native < 16000; native++) {
    int error = os_error_map(native);
    TRY(error < 0);
    TRY(strcmp(ovio_error_name(error), "OVIO_E?") != 0);
  }
}

int main(void) {
  static const char *const why = "no file and no loop";
  const struct test_case cases[] = {
      TEST_PLAIN(test_table, why),
      TEST_PLAIN(test_every_number_has_an_answer, why),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
