/* SPDX-License-Identifier: MIT */
/* errno's numbers by ovio's names, as the documents promise them. */
#include "scene.h"

#include <errno.h>

static const struct {
  int native;
  int error;
} rows[] = {
    {EINVAL, OVIO_EINVAL},
    {EFAULT, OVIO_EINVAL},
    {EBADF, OVIO_EBADF},
    {ENOMEM, OVIO_ENOMEM},
    {ENOBUFS, OVIO_ENOBUFS},
    {EACCES, OVIO_EACCES},
    {EPERM, OVIO_EPERM},
    {ENOEXEC, OVIO_EACCES},
    {E2BIG, OVIO_E2BIG},
    {ESRCH, OVIO_ENOENT},
    {ECHILD, OVIO_ENOENT},
    {ENOENT, OVIO_ENOENT},
    {EEXIST, OVIO_EEXIST},
    {EISDIR, OVIO_EISDIR},
    {ENOTDIR, OVIO_ENOTDIR},
    {ENOTEMPTY, OVIO_ENOTEMPTY},
    {ENAMETOOLONG, OVIO_ENAMETOOLONG},
    {ELOOP, OVIO_ELOOP},
    {EROFS, OVIO_EROFS},
    {EXDEV, OVIO_EXDEV},
    {ENOSPC, OVIO_ENOSPC},
    {EDQUOT, OVIO_ENOSPC},
    {EFBIG, OVIO_EFBIG},
    {EIO, OVIO_EIO},
    {EPIPE, OVIO_EPIPE},
    {ESPIPE, OVIO_ESPIPE},
    {EBUSY, OVIO_EBUSY},
    {ETXTBSY, OVIO_ETXTBSY},
    {EMFILE, OVIO_EMFILE},
    {ENFILE, OVIO_EMFILE},
    {ECANCELED, OVIO_ECANCELED},
    {ETIMEDOUT, OVIO_ETIMEDOUT},
    {EAGAIN, OVIO_EWOULDBLOCK},
    {EWOULDBLOCK, OVIO_EWOULDBLOCK},
    {EDEADLK, OVIO_EDEADLK},
    {ENOTSUP, OVIO_ENOTSUP},
    {EOPNOTSUPP, OVIO_ENOTSUP},
    {ENOSYS, OVIO_ENOTSUP},
    {ENODEV, OVIO_ENODEV},
    {ENXIO, OVIO_ENODEV},
    {ECONNRESET, OVIO_ECONNRESET},
    {ENOTCONN, OVIO_ENOTCONN},
    {EOVERFLOW, OVIO_EOVERFLOW},
    {0, OVIO_EUNKNOWN},
    {4095, OVIO_EUNKNOWN},
};

static void test_table(struct test *test) {
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at++)
    TRY_EQ(os_error_map((uint32_t)rows[at].native), rows[at].error);
}

/* Whatever the number: a name of ours, never a success. */
static void test_every_number_has_an_answer(struct test *test) {
  for (uint32_t native = 0; native < 5000; native++) {
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
