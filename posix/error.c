/* SPDX-License-Identifier: MIT */
/* errno's numbers by ovio's names. */
#include "posix/side.h"

/* X(errno's name, ovio's). One row a number: a second one does not compile. */
#define ERROR_ROWS(X)                                                          \
  X(EINVAL, EINVAL)                                                            \
  X(EFAULT, EINVAL)                                                            \
  X(EMSGSIZE, EINVAL)   /* a message that the system does not take */          \
  X(EPROTOTYPE, EINVAL) /* bytes here and messages there */                    \
  X(EILSEQ, EINVAL)     /* a name that is no UTF-8, on macOS */                \
  X(EBADF, EBADF)                                                              \
  X(ENOMEM, ENOMEM)                                                            \
  X(ENOBUFS, ENOBUFS)                                                          \
  X(EACCES, EACCES)                                                            \
  X(ENOEXEC, EACCES) /* no program: neither format nor "#!" is known */        \
  X(E2BIG, E2BIG)                                                              \
  X(EPERM, EPERM)                                                              \
  X(ENOENT, ENOENT)                                                            \
  X(ESRCH, ENOENT)                                                             \
  X(ECHILD, ENOENT) /* somebody else has taken the child's status */           \
  X(EEXIST, EEXIST)                                                            \
  X(EISDIR, EISDIR)                                                            \
  X(ENOTDIR, ENOTDIR)                                                          \
  X(ENOTEMPTY, ENOTEMPTY)                                                      \
  X(ENAMETOOLONG, ENAMETOOLONG)                                                \
  X(ELOOP, ELOOP)                                                              \
  X(EMLINK, ELOOP) /* FreeBSD's answer to O_NOFOLLOW */                        \
  X(EROFS, EROFS)                                                              \
  X(EXDEV, EXDEV)                                                              \
  X(ENOSPC, ENOSPC)                                                            \
  X(EDQUOT, ENOSPC)                                                            \
  X(EFBIG, EFBIG)                                                              \
  X(EIO, EIO)                                                                  \
  X(ESTALE, EIO) /* NFS: the file went away on the server */                   \
  X(EPIPE, EPIPE)                                                              \
  X(ESPIPE, ESPIPE)                                                            \
  X(EBUSY, EBUSY)                                                              \
  X(EALREADY, EBUSY)                                                           \
  X(EINPROGRESS, EBUSY)                                                        \
  X(ETXTBSY, ETXTBSY)                                                          \
  X(ENOLCK, ENOBUFS)                                                           \
  X(EMFILE, EMFILE)                                                            \
  X(ENFILE, EMFILE)                                                            \
  X(ECANCELED, ECANCELED)                                                      \
  X(EINTR, ECANCELED) /* wherever it is not retried */                         \
  X(ETIMEDOUT, ETIMEDOUT)                                                      \
  X(EAGAIN, EWOULDBLOCK)                                                       \
  X(EDEADLK, EDEADLK)                                                          \
  X(ENOTSUP, ENOTSUP)                                                          \
  X(ENOSYS, ENOTSUP)                                                           \
  X(ENOTTY, ENOTSUP)                                                           \
  X(ENODEV, ENODEV)                                                            \
  X(ENXIO, ENODEV)                                                             \
  X(ECONNRESET, ECONNRESET)                                                    \
  X(ECONNABORTED, ECONNRESET)                                                  \
  X(ENETRESET, ECONNRESET)                                                     \
  X(ENETDOWN, ECONNRESET)                                                      \
  X(ENETUNREACH, ECONNRESET)                                                   \
  X(EHOSTUNREACH, ECONNRESET)                                                  \
  X(ECONNREFUSED, ECONNRESET)                                                  \
  X(ENOTCONN, ENOTCONN)                                                        \
  X(EDESTADDRREQ, ENOTCONN)                                                    \
  X(EOVERFLOW, EOVERFLOW)                                                      \
  X(ERANGE, EOVERFLOW)

int os_error_map(uint32_t native_code) {
  switch (native_code) {
#define ERROR_CASE(from, to)                                                   \
  case from:                                                                   \
    return OVIO_##to;
    ERROR_ROWS(ERROR_CASE)
#undef ERROR_CASE
    /* Two names that some systems give to one number. */
#if EWOULDBLOCK != EAGAIN
  case EWOULDBLOCK:
    return OVIO_EWOULDBLOCK;
#endif
#if EOPNOTSUPP != ENOTSUP
  case EOPNOTSUPP:
    return OVIO_ENOTSUP;
#endif
  default:
    return OVIO_EUNKNOWN;
  }
}
