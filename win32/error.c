/* SPDX-License-Identifier: MIT */
/* Named errors for the system's codes, from one table. */
#include "win32/side.h"

/* Missing in mingw-w64 10. */
#ifndef ERROR_DISK_QUOTA_EXCEEDED
#define ERROR_DISK_QUOTA_EXCEEDED 1295
#endif
#ifndef ERROR_NO_SUCH_DEVICE
#define ERROR_NO_SUCH_DEVICE 433
#endif
#ifndef ERROR_VIRUS_INFECTED
#define ERROR_VIRUS_INFECTED 225
#define ERROR_VIRUS_DELETED  226
#endif
#ifndef ERROR_HANDLES_CLOSED
#define ERROR_HANDLES_CLOSED 676
#endif
#ifndef ERROR_ELEVATION_REQUIRED
#define ERROR_ELEVATION_REQUIRED 740
#endif
#ifndef ERROR_STOPPED_ON_SYMLINK
#define ERROR_STOPPED_ON_SYMLINK 681
#endif

/* A code that stands here twice does not compile. */
#define ERROR_TABLE(X)                                                         \
  X(ERROR_INVALID_FUNCTION, ENOTSUP)                                           \
  X(ERROR_FILE_NOT_FOUND, ENOENT)                                              \
  X(ERROR_PATH_NOT_FOUND, ENOENT)                                              \
  X(ERROR_TOO_MANY_OPEN_FILES, EMFILE)                                         \
  X(ERROR_ACCESS_DENIED, EACCES)                                               \
  X(ERROR_INVALID_HANDLE, EBADF)                                               \
  X(ERROR_NOT_ENOUGH_MEMORY, ENOMEM)                                           \
  X(ERROR_OUTOFMEMORY, ENOMEM)                                                 \
  X(ERROR_INVALID_DRIVE, ENOENT)                                               \
  X(ERROR_NOT_SAME_DEVICE, EXDEV)                                              \
  X(ERROR_WRITE_PROTECT, EROFS)                                                \
  X(ERROR_BAD_UNIT, ENODEV)                                                    \
  X(ERROR_NOT_READY, ENODEV)                                                   \
  X(ERROR_CRC, EIO)                                                            \
  X(ERROR_SEEK, EIO)                                                           \
  X(ERROR_SECTOR_NOT_FOUND, EIO)                                               \
  X(ERROR_WRITE_FAULT, EIO)                                                    \
  X(ERROR_READ_FAULT, EIO)                                                     \
  X(ERROR_GEN_FAILURE, EIO)                                                    \
  X(ERROR_SHARING_VIOLATION, ETXTBSY)                                          \
  X(ERROR_LOCK_VIOLATION, ETXTBSY)                                             \
  X(ERROR_HANDLE_DISK_FULL, ENOSPC)                                            \
  X(ERROR_NOT_SUPPORTED, ENOTSUP)                                              \
  X(ERROR_BAD_NETPATH, ENOENT)                                                 \
  X(ERROR_DEV_NOT_EXIST, ENODEV)                                               \
  X(ERROR_UNEXP_NET_ERR, EIO)                                                  \
  X(ERROR_TOO_MANY_CMDS, ENOBUFS)                                              \
  X(ERROR_ADAP_HDW_ERR, EIO)                                                   \
  X(ERROR_NETNAME_DELETED, ECONNRESET)                                         \
  X(ERROR_NETWORK_ACCESS_DENIED, EACCES)                                       \
  X(ERROR_BAD_NET_NAME, ENOENT)                                                \
  X(ERROR_FILE_EXISTS, EEXIST)                                                 \
  X(ERROR_CANNOT_MAKE, EACCES)                                                 \
  X(ERROR_INVALID_PARAMETER, EINVAL)                                           \
  X(ERROR_REQ_NOT_ACCEP, ENOBUFS)                                              \
  X(ERROR_BROKEN_PIPE, EPIPE)                                                  \
  X(ERROR_BUFFER_OVERFLOW, ENAMETOOLONG)                                       \
  X(ERROR_DISK_FULL, ENOSPC)                                                   \
  X(ERROR_NO_MORE_SEARCH_HANDLES, EMFILE)                                      \
  X(ERROR_CALL_NOT_IMPLEMENTED, ENOTSUP)                                       \
  X(ERROR_SEM_TIMEOUT, EIO)                                                    \
  X(ERROR_INVALID_NAME, EINVAL)                                                \
  X(ERROR_NEGATIVE_SEEK, EINVAL)                                               \
  X(ERROR_SEEK_ON_DEVICE, ESPIPE)                                              \
  X(ERROR_DIR_NOT_EMPTY, ENOTEMPTY)                                            \
  X(ERROR_NOT_LOCKED, EINVAL)                                                  \
  X(ERROR_BAD_PATHNAME, EINVAL)                                                \
  X(ERROR_DRIVE_LOCKED, EBUSY)                                                 \
  X(ERROR_BUSY, EBUSY)                                                         \
  X(ERROR_ALREADY_EXISTS, EEXIST)                                              \
  X(ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG)                                  \
  X(ERROR_FILE_TOO_LARGE, EFBIG)                                               \
  X(ERROR_BAD_PIPE, EINVAL)                                                    \
  X(ERROR_PIPE_BUSY, EBUSY)                                                    \
  X(ERROR_NO_DATA, EPIPE)                                                      \
  X(ERROR_PIPE_NOT_CONNECTED, EPIPE)                                           \
  X(ERROR_INVALID_EXE_SIGNATURE, EACCES)                                       \
  X(ERROR_BAD_EXE_FORMAT, EACCES)                                              \
  X(ERROR_EXE_MACHINE_TYPE_MISMATCH, EACCES)                                   \
  X(ERROR_ELEVATION_REQUIRED, EPERM)                                           \
  X(ERROR_VIRUS_INFECTED, EACCES)                                              \
  X(ERROR_VIRUS_DELETED, EACCES)                                               \
  X(ERROR_DIRECTORY, ENOTDIR)                                                  \
  X(ERROR_DELETE_PENDING, EACCES)                                              \
  X(ERROR_NO_SUCH_DEVICE, ENODEV)                                              \
  X(ERROR_PIPE_LISTENING, ENOTCONN)                                            \
  X(ERROR_HANDLES_CLOSED, ECANCELED)                                           \
  X(ERROR_STOPPED_ON_SYMLINK, ELOOP)                                           \
  X(ERROR_OPERATION_ABORTED, ECANCELED)                                        \
  X(ERROR_IO_INCOMPLETE, EBUSY)                                                \
  X(ERROR_NOACCESS, EINVAL)                                                    \
  X(ERROR_FILE_INVALID, EIO)                                                   \
  X(ERROR_MEDIA_CHANGED, ENODEV)                                               \
  X(ERROR_NO_MEDIA_IN_DRIVE, ENODEV)                                           \
  X(ERROR_IO_DEVICE, EIO)                                                      \
  X(ERROR_POSSIBLE_DEADLOCK, EDEADLK)                                          \
  X(ERROR_TOO_MANY_LINKS, EUNKNOWN)                                            \
  X(ERROR_DEVICE_NOT_CONNECTED, ENODEV)                                        \
  X(ERROR_NOT_FOUND, ENOENT)                                                   \
  X(ERROR_CANCELLED, ECANCELED)                                                \
  X(ERROR_USER_MAPPED_FILE, EBUSY)                                             \
  X(ERROR_CONNECTION_ABORTED, ECONNRESET)                                      \
  X(ERROR_LOGON_FAILURE, EACCES)                                               \
  X(ERROR_FILE_CORRUPT, EIO)                                                   \
  X(ERROR_DISK_CORRUPT, EIO)                                                   \
  X(ERROR_DISK_QUOTA_EXCEEDED, ENOSPC)                                         \
  X(ERROR_PRIVILEGE_NOT_HELD, EPERM)                                           \
  X(ERROR_NO_SYSTEM_RESOURCES, ENOBUFS)                                        \
  X(ERROR_NONPAGED_SYSTEM_RESOURCES, ENOBUFS)                                  \
  X(ERROR_PAGED_SYSTEM_RESOURCES, ENOBUFS)                                     \
  X(ERROR_WORKING_SET_QUOTA, ENOBUFS)                                          \
  X(ERROR_PAGEFILE_QUOTA, ENOBUFS)                                             \
  X(ERROR_COMMITMENT_LIMIT, ENOMEM)                                            \
  X(ERROR_INVALID_USER_BUFFER, ENOBUFS)                                        \
  X(ERROR_NOT_ENOUGH_QUOTA, ENOBUFS)                                           \
  X(ERROR_SYMLINK_NOT_SUPPORTED, ELOOP)                                        \
  X(ERROR_CANT_ACCESS_FILE, ELOOP)                                             \
  X(ERROR_CANT_RESOLVE_FILENAME, ELOOP)                                        \
  X(WSAECONNRESET, ECONNRESET)                                                 \
  X(WSAECONNABORTED, ECONNRESET)                                               \
  X(WSAESHUTDOWN, EPIPE)                                                       \
  X(WSAENOTCONN, ENOTCONN)                                                     \
  X(WSAEWOULDBLOCK, EWOULDBLOCK)

int os_error_map(uint32_t error) {
  switch (error) {
#define ERROR_CASE(code, name)                                                 \
  case code:                                                                   \
    return OVIO_##name;
    ERROR_TABLE(ERROR_CASE)
#undef ERROR_CASE
  default:
    return OVIO_EUNKNOWN;
  }
}

struct os_result native_failure(DWORD error) {
  return (struct os_result){os_error_map(error), error};
}

struct os_result native_last_failure(void) {
  return native_failure(GetLastError());
}

struct os_result native_outcome(DWORD error, ULONG_PTR moved, bool write) {
  const struct os_result bytes = {(int64_t)moved, 0};
  switch (error) {
  case NO_ERROR:
    /* A PIPE_NOWAIT pipe is full (MS: WriteFile). */
    return write && moved == 0 ? (struct os_result){OVIO_EWOULDBLOCK, 0}
                               : bytes;
  case ERROR_NOT_ENOUGH_MEMORY: /* the kernel's: fewer at once may do */
    return (struct os_result){OVIO_ENOBUFS, error};
  case ERROR_MORE_DATA: /* the rest of a message comes with the next read */
    return bytes;
  case ERROR_OPERATION_ABORTED: /* a serial line may have moved some */
    return moved ? bytes : native_failure(error);
  case ERROR_HANDLE_EOF:
  case ERROR_BROKEN_PIPE:
  case ERROR_PIPE_NOT_CONNECTED:
    return write ? native_failure(error) : (struct os_result){0, 0};
  case ERROR_NO_DATA: /* of a read: a PIPE_NOWAIT pipe is empty */
    return write ? native_failure(error)
                 : (struct os_result){OVIO_EWOULDBLOCK, error};
  default:
    return native_failure(error);
  }
}

/* STATUS_ALERTED is Ctrl-C at a console: for ReadFile's callers, TRUE, 0 bytes
 * and ERROR_OPERATION_ABORTED (MS: ReadFile). It is not the end. */
struct os_result native_status_outcome(NTSTATUS status, ULONG_PTR moved,
                                       bool write) {
  DWORD error = NO_ERROR;
  if (status == NATIVE_STATUS_ALERTED && moved == 0)
    error = ERROR_OPERATION_ABORTED;
  else if (status < 0)
    error = RtlNtStatusToDosError(status);
  return native_outcome(error, moved, write);
}
