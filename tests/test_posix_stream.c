/* SPDX-License-Identifier: MIT */
/* A disk that is full after any number of bytes, and has room again later: no
 * byte of a buffered writer is lost or written twice. A kernel that has too few
 * buffers for a read. */
#include "posix/native.h"

#include "scene.h"

/* How many bytes the disk still takes. */
static atomic_int disk_room = 1000000;
static struct native_calls real;

static ssize_t shim_pwritev(int fd, const struct iovec *iov, int count,
                            off_t offset) {
  ssize_t moved = 0;
  for (int at = 0; at < count; at++) {
    int room = disk_room;
    size_t length = iov[at].iov_len;
    if (length > (size_t)room)
      length = (size_t)room;
    ssize_t part = real.pwrite(fd, iov[at].iov_base, length, offset + moved);
    disk_room -= (int)length;
    moved += part;
  }
  if (moved > 0)
    return moved;
  errno = ENOSPC;
  return -1;
}

static ssize_t shim_pwrite(int fd, const void *buffer, size_t length,
                           off_t offset) {
  struct iovec part = {(void *)(uintptr_t)buffer, length};
  return shim_pwritev(fd, &part, 1, offset);
}

enum { TEXT = 40 };
static const char text[TEXT + 1] = "0123456789abcdefghijklmnopqrstuvwxyzABCD";

/* Puts the text in growing pieces; whoever is refused tries once more when
 * there is room for `grant` bytes again. */
static void fill_disk(struct test *test, struct ovio_writer *writer,
                      int grant) {
  size_t taken = 0;
  for (size_t piece = 1; taken < TEXT; piece++) {
    size_t length = TEXT - taken < piece ? TEXT - taken : piece;
    int64_t more = ovio_put(writer, text + taken, length);
    if (more < 0) {
      TRY_EQ(more, OVIO_ENOSPC);
      TRY_EQ(ovio_native_error(), ENOSPC);
      disk_room = grant;
    } else {
      TRY(more > 0 && more <= (int64_t)length);
      taken += (size_t)more;
    }
  }
  int error;
  while ((error = ovio_flush(writer)) != 0) {
    TRY_EQ(error, OVIO_ENOSPC);
    disk_room = grant;
  }
}

static void fill_with(struct test *test, size_t length, int grant) {
  struct ovio_file file;
  struct ovio_writer writer;
  char buffer[16];
  char bytes[TEXT + 1];
  TRY_EQ(ovio_open(&file, test_path("full"),
                   OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0600),
         0);
  disk_room = grant;
  TRY_EQ(ovio_writer_init(&writer, &file, buffer, length, 0), 0);
  fill_disk(test, &writer, grant);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(test_get(test_path("full"), bytes, sizeof bytes), TEXT);
  TRY(memcmp(bytes, text, TEXT) == 0);
}

static void test_full_at_every_byte(struct test *test) {
  for (size_t length = 0; length <= 16 && !test->failure[0]; length++) {
    for (int grant = 1; grant < TEXT && !test->failure[0]; grant++)
      fill_with(test, length, grant);
  }
  disk_room = 1000000;
}

/* A kernel that is short of buffers gives a page. */
static atomic_bool is_short;

static ssize_t shim_read(int fd, void *bytes, size_t length) {
  if (!is_short || length <= 4096)
    return real.read(fd, bytes, length);
  errno = ENOBUFS;
  return -1;
}

static void write_later(void *argument) {
  ovio_sleep(2000000);
  ovio_write(argument, text, TEXT, OVIO_HERE);
}

/* By a callback, if there is a loop. */
static int64_t read_some(struct test *test, struct ovio_file *file, char *bytes,
                         size_t length, bool started) {
  struct outcome read;
  if (!started)
    return ovio_read(file, bytes, length, OVIO_HERE);
  memset(&read, 0, sizeof read);
  int error = ovio_start_read(test->loop, &read.op, file, bytes, length,
                              OVIO_HERE, outcome_done);
  while (!error && !read.calls)
    ovio_sleep(1000000);
  return error ? error : read.result;
}

/* Of what is there, and of what has to be waited for. */
static void test_read_asks_for_less(struct test *test) {
  static char bytes[65536];
  struct ovio_file pipe[2];
  struct ovio_group group;
  TRY_EQ(ovio_pipe(pipe, 0), 0);
  ovio_group_init(&group);
  is_short = true;
  for (int time = 0; time < 12; time++) {
    if (time % 3 || !test->loop)
      TRY_EQ(ovio_write(&pipe[1], text, TEXT, OVIO_HERE), TEXT);
    else
      TRY_EQ(ovio_group_spawn(&group, test->loop, write_later, &pipe[1]), 0);
    memset(bytes, 0, sizeof bytes);
    TRY_EQ(
        read_some(test, &pipe[0], bytes, sizeof bytes, test->loop && time % 2),
        TEXT);
    TRY(memcmp(bytes, text, TEXT) == 0);
  }
  is_short = false;
  if (test->loop)
    ovio_group_wait(&group);
  TRY_EQ(ovio_close(&pipe[0]), 0);
  TRY_EQ(ovio_close(&pipe[1]), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_full_at_every_byte),
      TEST(test_read_asks_for_less),
  };
  real = native;
  native.pwrite = shim_pwrite;
  native.pwritev = shim_pwritev;
  native.read = shim_read;
  return test_main(cases, sizeof cases / sizeof *cases);
}
