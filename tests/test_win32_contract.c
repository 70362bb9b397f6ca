/* SPDX-License-Identifier: MIT */
/* What only Windows has: handles with and without a position, messages, and
 * names in UTF-16. */
#include "files.h"
#include "scene.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* ---- positions ---- */

/* An overlapped handle has no position of its own: ours starts at 0. */
static void test_adopted_overlapped_handle_starts_at_0(struct test *test) {
  struct ovio_file file;
  char bytes[16];
  const char *path = test_path("overlapped");
  TRY(files_put(path, 100));
  ovio_handle handle = test_open_handle(path, true, true);
  TRY(test_handle_move(handle, 50));
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 0);
  TRY_EQ(ovio_read(&file, bytes, 10, OVIO_HERE), 10);
  TRY(files_match(bytes, 10, 0));
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 10);
  TRY_EQ(ovio_close(&file), 0);
}

/* The kernel moves a synchronous handle's position by every call: the library
 * puts it back to what the caller has seen. */
static void test_synchronous_handle_gets_its_position_back(struct test *test) {
  struct ovio_file file;
  char bytes[64];
  const char *path = test_path("synchronous");
  TRY(files_put(path, 1000));
  ovio_handle handle = test_open_handle(path, true, false);
  TRY(test_handle_move(handle, 33));
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_read(&file, bytes, 64, 500), 64);
  TRY_EQ(ovio_write(&file, bytes, 64, 600), 64);
  TRY_EQ(ovio_read(&file, bytes, 64, 5000), 0);
  TRY(ovio_release(&file) == handle);
  TRY_EQ(test_handle_position(handle), 33);
  TRY(test_close_handle(handle));
}

/* ---- messages ---- */

/* A pipe whose reader gets message by message. */
static bool message_pipe(ovio_handle ends[2], bool overlapped) {
  static LONG number;
  wchar_t name[96];
  DWORD flag = overlapped ? FILE_FLAG_OVERLAPPED : 0;
  _snwprintf(name, 96, L"\\\\.\\pipe\\ovio-message-%lu-%ld",
             GetCurrentProcessId(), InterlockedIncrement(&number));
  ends[0] = CreateNamedPipeW(name, PIPE_ACCESS_INBOUND | flag,
                             PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 1,
                             65536, 65536, 0, NULL);
  ends[1] = CreateFileW(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0, NULL,
                        OPEN_EXISTING, flag, NULL);
  return ends[0] != INVALID_HANDLE_VALUE && ends[1] != INVALID_HANDLE_VALUE;
}

/* ERROR_MORE_DATA is no error: what fits is returned, the rest comes next. */
static void test_long_message_comes_in_parts(struct test *test) {
  for (int overlapped = 0; overlapped < 2; overlapped++) {
    struct pipe_files files;
    ovio_handle ends[2];
    char bytes[16];
    struct ovio_iovec parts[2] = {{bytes, 3}, {bytes + 3, 13}};
    TRY(message_pipe(ends, overlapped != 0));
    TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ), 0);
    TRY_EQ(ovio_adopt(&files.out, ends[1], OVIO_WRITE), 0);
    TRY_EQ(ovio_write(&files.out, "0123456789", 10, OVIO_HERE), 10);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_read(&files.in, bytes, 4, OVIO_HERE), 4);
    TRY(memcmp(bytes, "0123", 4) == 0);
    TRY_EQ(ovio_read(&files.in, bytes, 16, OVIO_HERE), 6);
    TRY(memcmp(bytes, "456789", 6) == 0);
    TRY_EQ(ovio_readv(&files.in, parts, 2, OVIO_HERE), 3);
    TRY(memcmp(bytes, "abc", 3) == 0);
    TRY_EQ(ovio_close(&files.out), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 16, OVIO_HERE), 0);
    TRY_EQ(ovio_close(&files.in), 0);
  }
}

struct late_message {
  struct ovio_file *out;
  int64_t wrote;
};

static void write_late(void *argument) {
  struct late_message *self = argument;
  ovio_sleep(20000000);
  self->wrote = ovio_write(self->out, "0123456789", 10, OVIO_HERE);
}

/* The same for a read that had to wait for the message. */
static void test_long_message_that_is_waited_for(struct test *test) {
  for (int overlapped = 0; overlapped < 2; overlapped++) {
    struct pipe_files files;
    struct partner partner;
    ovio_handle ends[2];
    char bytes[16];
    TRY(message_pipe(ends, overlapped != 0));
    TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ), 0);
    TRY_EQ(ovio_adopt(&files.out, ends[1], OVIO_WRITE), 0);
    struct late_message late = {.out = &files.out};
    TRY_EQ(partner_start(&partner, test, write_late, &late), 0);
    int64_t first = ovio_read(&files.in, bytes, 4, OVIO_HERE);
    partner_end(&partner);
    TRY_EQ(late.wrote, 10);
    TRY_EQ(first, 4);
    TRY_EQ(ovio_read(&files.in, bytes + 4, 12, OVIO_HERE), 6);
    TRY(memcmp(bytes, "0123456789", 10) == 0);
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

/* ---- names ---- */

static void test_names_that_are_no_utf8(struct test *test) {
  static const char *const names[] = {
      "\xff",
      "a\x80z", /* a byte that only goes on */
      "\xc3",   /* ends too early */
      "\xc3(",
      "\xe2\x82",
      "\xf0\x9f\x98",
      "\xc0\xaf", /* a slash, overlong */
      "\xe0\x80\xaf",
      "\xf0\x80\x80\xaf",
      "\xf4\x90\x80\x80", /* past U+10FFFF */
      "\xf8\x88\x80\x80\x80",
      "\xed\xa0\xbd\xed\xb8\x80", /* a pair written as two */
  };
  struct ovio_file file;
  for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
    const char *path = test_path(names[at]);
    TRY_EQ(ovio_open(&file, path, OVIO_READ, 0), OVIO_EINVAL);
    TRY_EQ(ovio_open(&file, path, OVIO_WRITE | OVIO_CREATE, 0600), OVIO_EINVAL);
    TRY_EQ(ovio_open(&file, names[at], OVIO_READ, 0), OVIO_EINVAL);
    TRY_EQ(ovio_native_error(), 0);
  }
}

/* As a listing of a folder returns them: not refused by us. */
static void test_lone_surrogates_are_names(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("no\xed\xa0\x80such"), OVIO_READ, 0),
         OVIO_ENOENT);
  TRY_EQ(ovio_open(&file, test_path("no\xed\xb0\x80such"), OVIO_READ, 0),
         OVIO_ENOENT);
}

static void test_both_slashes_and_the_long_form(struct test *test) {
  struct ovio_file file;
  char path[600];
  TRY(test_put(test_path("slashes"), "abc", 3));
  snprintf(path, sizeof path, "\\\\?\\%s\\slashes", test_folder());
  for (char *at = path; *at; at++)
    *at = *at == '/' ? '\\' : *at;
  TRY_EQ(ovio_open(&file, path, OVIO_READ, 0), 0);
  TRY_EQ(ovio_size(&file), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_open(&file, path + 4, OVIO_READ, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
  for (char *at = path; *at; at++)
    *at = *at == '\\' ? '/' : *at;
  TRY_EQ(ovio_open(&file, path + 4, OVIO_READ, 0), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- devices ---- */

static void test_null_device(struct test *test) {
  for (unsigned blocking = 0; blocking < 2; blocking++) {
    struct ovio_file file;
    struct ovio_stat about;
    char bytes[8];
    TRY_EQ(ovio_open(&file, "NUL",
                     OVIO_READ | OVIO_WRITE | (blocking ? OVIO_BLOCKING : 0u),
                     0),
           0);
    TRY_EQ(ovio_stat(&file, &about), 0);
    TRY_EQ(about.type, OVIO_TYPE_CHARACTER);
    TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), 0);
    TRY_EQ(ovio_write(&file, bytes, 8, OVIO_HERE), 8);
    TRY_EQ(ovio_read(&file, bytes, 8, 0), OVIO_ESPIPE);
    TRY_EQ(ovio_close(&file), 0);
  }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_adopted_overlapped_handle_starts_at_0),
      TEST(test_synchronous_handle_gets_its_position_back),
      TEST(test_long_message_comes_in_parts),
      TEST(test_long_message_that_is_waited_for),
      TEST(test_names_that_are_no_utf8),
      TEST(test_lone_surrogates_are_names),
      TEST(test_both_slashes_and_the_long_form),
      TEST(test_null_device),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
