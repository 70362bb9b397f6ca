/* SPDX-License-Identifier: MIT */
/* A transfer that is cancelled between two chunks, the first of which the
 * system had no buffers for. */
#include "posix/native.h"

#include "common/transfer.h"
#include "scene.h"

static atomic_bool cancelled;
static int calls;

static ssize_t no_buffers(int fd, void *buffer, size_t length, off_t offset) {
  (void)fd;
  (void)buffer;
  (void)length;
  (void)offset;
  calls++;
  atomic_store(&cancelled, true);
  errno = ENOBUFS;
  return -1;
}

/* It is no end of file: nothing was read. */
static void test_cancelled_while_it_is_halved(struct test *test) {
  char buffer[65536];
  struct ovio_iovec iov = {buffer, sizeof buffer};
  struct os_file file = {.kind = OS_KIND_DISK, .alignment = 1, .handle = -1};
  struct transfer transfer = {.iov = &iov, .count = 1};
  struct os_transfer chunk = {.file = &file};
  struct native_calls before = native;
  native.pread = no_buffers;
  transfer_init(&transfer, &file, 0);
  struct os_result result = transfer_run(&transfer, &chunk, NULL, &cancelled);
  native = before;
  TRY_EQ(calls, 1);
  TRY_EQ(result.value, OVIO_ECANCELED);
}

int main(void) {
  const struct test_case cases[] = {
      TEST_PLAIN(test_cancelled_while_it_is_halved, "no file and no loop"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
