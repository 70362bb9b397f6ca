/* SPDX-License-Identifier: MIT */
/* One meaning everywhere: each rule of reading and writing, with real files,
 * pipes and sockets, on every kind of handle. */
#include "files.h"
#include "scene.h"

/* ---- the end of a file ---- */

static void test_read_at_the_end_is_0(struct test *test) {
  const char *path = test_path("end");
  TRY(files_put(path, 100));
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[64];
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 100), 0);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 101), 0);
    TRY_EQ(ovio_read(&file, bytes, 1, INT64_C(1) << 40), 0);
    TRY_EQ(ovio_seek(&file, 0, SEEK_END), 100);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 0);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 0);
    TRY_EQ(ovio_seek(&file, 1000, SEEK_SET), 1000);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 0);
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 1000);
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void test_read_across_the_end_keeps_the_bytes(struct test *test) {
  const char *path = test_path("across");
  TRY(files_put(path, 1000));
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[200];
    struct ovio_iovec parts[3] = {
        {bytes, 20}, {bytes + 20, 60}, {bytes + 80, 99}};
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 950), 50);
    TRY(files_match(bytes, 50, 950));
    TRY_EQ(ovio_readv(&file, parts, 3, 950), 50);
    TRY(files_match(bytes, 50, 950));
    TRY_EQ(ovio_seek(&file, 990, SEEK_SET), 990);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 10);
    TRY(files_match(bytes, 10, 990));
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 1000);
    TRY_EQ(ovio_close(&file), 0);
  }
}

/* Across the end in the middle of many system calls. */
static void test_read_across_the_end_in_chunks(struct test *test) {
  const char *path = test_path("across");
  TRY(files_put(path, 1000));
  ovio_set_max_transfer(64);
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[600];
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 500), 500);
    TRY(files_match(bytes, 500, 500));
    TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 1000 - 128), 128);
    TRY_EQ(ovio_close(&file), 0);
  }
  ovio_set_max_transfer(0);
}

/* ---- the position ---- */

static void test_positional_calls_leave_the_position(struct test *test) {
  const char *path = test_path("stays");
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[64];
    TRY(files_put(path, 1000));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_seek(&file, 7, SEEK_SET), 7);
    struct ovio_iovec parts[2] = {{bytes, 30}, {bytes + 30, 30}};
    TRY_EQ(ovio_read(&file, bytes, 50, 500), 50);
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 7);
    TRY_EQ(ovio_write(&file, bytes, 50, 500), 50);
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 7);
    TRY_EQ(ovio_readv(&file, parts, 2, 100), 60);
    TRY_EQ(ovio_writev(&file, parts, 2, 100), 60);
    TRY_EQ(ovio_read(&file, bytes, 50, 990), 10);
    TRY_EQ(ovio_read(&file, bytes, 50, 2000), 0);
    TRY_EQ(ovio_truncate(&file, 900), 0);
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 7);
    TRY_EQ(ovio_read(&file, bytes, 20, OVIO_HERE), 20);
    TRY(files_match(bytes, 20, 7));
    ovio_handle handle = ovio_release(&file);
    if (form != FORM_ADOPTED_OVERLAPPED && form != FORM_OWN)
      TRY_EQ(test_handle_position(handle), 27); /* also the system's own */
    TRY(test_close_handle(handle));
  }
}

static void test_here_goes_on(struct test *test) {
  struct ovio_file file;
  char bytes[64];
  struct ovio_iovec parts[2] = {{bytes, 5}, {bytes + 5, 7}};
  TRY_EQ(files_make(&file, "here", 0), 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 0);
  files_fill(bytes, 40, 0);
  TRY_EQ(ovio_write(&file, bytes, 10, OVIO_HERE), 10);
  TRY_EQ(ovio_write(&file, bytes + 10, 30, OVIO_HERE), 30);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 40);
  TRY_EQ(ovio_seek(&file, -38, SEEK_CUR), 2);
  TRY_EQ(ovio_read(&file, bytes, 8, OVIO_HERE), 8);
  TRY(files_match(bytes, 8, 2));
  TRY_EQ(ovio_readv(&file, parts, 2, OVIO_HERE), 12);
  TRY(files_match(bytes, 12, 10));
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 22);
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 18);
  TRY(files_match(bytes, 18, 22));
  TRY_EQ(ovio_seek(&file, -40, SEEK_END), 0);
  /* Past the end: what is between reads as zeros. */
  TRY_EQ(ovio_seek(&file, 10, SEEK_END), 50);
  files_fill(bytes, 12, 50);
  TRY_EQ(ovio_writev(&file, parts, 2, OVIO_HERE), 12);
  TRY_EQ(ovio_size(&file), 62);
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 38), 24);
  TRY(files_match(bytes, 2, 38) && files_match(bytes + 12, 12, 50));
  for (int at = 2; at < 12; at++)
    TRY_EQ(bytes[at], 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_seek_errors(struct test *test) {
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    const char *path = test_path("seek");
    TRY(files_put(path, 100));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_seek(&file, 30, SEEK_SET), 30);
    TRY_EQ(ovio_seek(&file, -1, SEEK_SET), OVIO_EINVAL);
    TRY_EQ(ovio_seek(&file, -31, SEEK_CUR), OVIO_EINVAL);
    TRY_EQ(ovio_seek(&file, -101, SEEK_END), OVIO_EINVAL);
    TRY_EQ(ovio_seek(&file, INT64_MIN, SEEK_CUR), OVIO_EINVAL);
    TRY_EQ(ovio_seek(&file, 0, 3), OVIO_EINVAL);
    TRY_EQ(ovio_seek(&file, 0, -1), OVIO_EINVAL);
    TRY_EQ(ovio_seek(&file, INT64_MAX, SEEK_CUR), OVIO_EOVERFLOW);
    TRY_EQ(ovio_seek(&file, INT64_MAX - 99, SEEK_END), OVIO_EOVERFLOW);
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 30);
    TRY_EQ(ovio_close(&file), 0);
  }
}

/* A handle from elsewhere goes on where it was, and is given back where it
 * came to: by release, and by close for whoever shares it. */
static void test_adopted_position_is_carried_on(struct test *test) {
  struct ovio_file file;
  char bytes[16];
  const char *path = test_path("carried");
  TRY(files_put(path, 100));
  ovio_handle handle = test_open_handle(path, true, false);
  ovio_handle other = test_duplicate(handle);
  TRY(test_handle_move(handle, 13));
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 13);
  TRY_EQ(ovio_read(&file, bytes, 10, OVIO_HERE), 10);
  TRY(files_match(bytes, 10, 13));
  TRY_EQ(ovio_read(&file, bytes, 10, 70), 10);
  TRY(ovio_release(&file) == handle);
  TRY_EQ(test_handle_position(handle), 23);
  TRY_EQ(ovio_adopt(&file, handle, OVIO_READ | OVIO_WRITE), 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 23);
  TRY_EQ(ovio_write(&file, bytes, 4, OVIO_HERE), 4);
  TRY_EQ(ovio_write(&file, bytes, 4, 90), 4);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(test_handle_position(other), 27);
  TRY(test_close_handle(other));
}

static void test_released_file_of_our_own_tells_its_position(
    struct test *test) {
  struct ovio_file file;
  char bytes[16];
  const char *path = test_path("carried");
  TRY(files_put(path, 100));
  TRY_EQ(files_open(&file, path, FORM_BLOCKING), 0);
  TRY_EQ(ovio_read(&file, bytes, 10, OVIO_HERE), 10);
  TRY_EQ(ovio_read(&file, bytes, 10, 50), 10);
  ovio_handle handle = ovio_release(&file);
  TRY_EQ(test_handle_position(handle), 10);
  TRY(test_close_handle(handle));
}

/* ---- append ---- */

static void test_append_goes_to_the_end(struct test *test) {
  struct ovio_file file;
  char bytes[64];
  struct ovio_iovec parts[2] = {{"ef", 2}, {"ghi", 3}};
  const char *path = test_path("append");
  TRY(test_put(path, "ab", 2));
  TRY_EQ(ovio_open(&file, path, OVIO_READ | OVIO_WRITE | OVIO_APPEND, 0), 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 0);
  TRY_EQ(ovio_write(&file, "c", 1, 0), 1); /* the offset is ignored */
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 3);
  TRY_EQ(ovio_write(&file, "d", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 4);
  TRY_EQ(ovio_seek(&file, 0, SEEK_SET), 0);
  TRY_EQ(ovio_writev(&file, parts, 2, 1000), 5);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 9);
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, OVIO_HERE), 0);
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 0), 9);
  TRY(memcmp(bytes, "abcdefghi", 9) == 0);
  TRY_EQ(ovio_seek(&file, 3, SEEK_SET), 3);
  TRY_EQ(ovio_read(&file, bytes, 2, OVIO_HERE), 2);
  TRY(memcmp(bytes, "de", 2) == 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 5);
  TRY_EQ(ovio_write(&file, "j", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_size(&file), 10);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_append_in_chunks(struct test *test) {
  struct ovio_file file;
  char bytes[1000];
  TRY_EQ(files_make(&file, "append", OVIO_APPEND), 0);
  files_fill(bytes, sizeof bytes, 0);
  ovio_set_max_transfer(64);
  TRY_EQ(ovio_write(&file, bytes, 300, 0), 300);
  TRY_EQ(ovio_write(&file, bytes + 300, 700, OVIO_HERE), 700);
  ovio_set_max_transfer(0);
  TRY_EQ(ovio_read(&file, bytes, sizeof bytes, 0), 1000);
  TRY(files_match(bytes, 1000, 0));
  TRY_EQ(ovio_close(&file), 0);
}

static void test_two_files_append_in_turn(struct test *test) {
  struct ovio_file one, two;
  char bytes[64];
  TRY_EQ(files_make(&one, "append", OVIO_APPEND), 0);
  TRY_EQ(ovio_open(&two, test_path("append"), OVIO_WRITE | OVIO_APPEND, 0), 0);
  TRY_EQ(ovio_write(&one, "a", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_write(&two, "bb", 2, OVIO_HERE), 2);
  TRY_EQ(ovio_seek(&two, 0, SEEK_CUR), 3);
  TRY_EQ(ovio_write(&one, "c", 1, OVIO_HERE), 1);
  TRY_EQ(ovio_seek(&one, 0, SEEK_CUR), 4);
  TRY_EQ(ovio_write(&two, "dd", 2, 0), 2);
  TRY_EQ(ovio_read(&one, bytes, sizeof bytes, 0), 6);
  TRY(memcmp(bytes, "abbcdd", 6) == 0);
  TRY_EQ(ovio_close(&one), 0);
  TRY_EQ(ovio_close(&two), 0);
}

enum { APPENDERS = 4, APPENDS = 100, RECORD = 64 };

struct appender {
  struct partner partner;
  struct ovio_file *file;
  char mark;
  int failures;
};

static void append_records(void *argument) {
  struct appender *self = argument;
  char record[RECORD];
  memset(record, self->mark, sizeof record);
  for (int at = 0; at < APPENDS; at++)
    self->failures += ovio_write(self->file, record, RECORD, 0) != RECORD;
}

/* No record is lost, none is torn. */
static void check_records(struct test *test, struct ovio_file *file) {
  char record[RECORD];
  int count[APPENDERS] = {0};
  TRY_EQ(ovio_size(file), APPENDERS * APPENDS * RECORD);
  for (int64_t at = 0; at < APPENDERS * APPENDS; at++) {
    TRY_EQ(ovio_read(file, record, RECORD, at * RECORD), RECORD);
    int who = record[0] - 'a';
    TRY(who >= 0 && who < APPENDERS);
    for (int byte = 1; byte < RECORD; byte++)
      TRY_EQ(record[byte], record[0]);
    count[who]++;
  }
  for (int who = 0; who < APPENDERS; who++)
    TRY_EQ(count[who], APPENDS);
}

static void append_at_once(struct test *test, struct ovio_file *files[]) {
  struct appender appenders[APPENDERS];
  for (int at = 0; at < APPENDERS; at++) {
    appenders[at] =
        (struct appender){.file = files[at], .mark = (char)('a' + at)};
    TRY_EQ(partner_start(&appenders[at].partner, test, append_records,
                         &appenders[at]),
           0);
  }
  for (int at = 0; at < APPENDERS; at++)
    partner_end(&appenders[at].partner);
  for (int at = 0; at < APPENDERS; at++)
    TRY_EQ(appenders[at].failures, 0);
  check_records(test, files[0]);
}

static void test_many_append_to_one_file(struct test *test) {
  struct ovio_file file;
  TRY_EQ(files_make(&file, "appends", OVIO_APPEND), 0);
  append_at_once(test, (struct ovio_file *[]){&file, &file, &file, &file});
  TRY_EQ(ovio_close(&file), 0);
}

static void test_many_append_through_files_of_their_own(struct test *test) {
  struct ovio_file files[APPENDERS];
  TRY_EQ(files_make(&files[0], "appends", OVIO_APPEND), 0);
  for (int at = 1; at < APPENDERS; at++)
    TRY_EQ(ovio_open(&files[at], test_path("appends"), OVIO_WRITE | OVIO_APPEND,
                     0),
           0);
  append_at_once(
      test, (struct ovio_file *[]){&files[0], &files[1], &files[2], &files[3]});
  for (int at = 0; at < APPENDERS; at++)
    TRY_EQ(ovio_close(&files[at]), 0);
}

/* ---- streams ---- */

/* Every stream the system has: two kinds of pipe, and a socket. */
enum { STREAM_SYNC, STREAM_OVERLAPPED, STREAM_SOCKET, STREAM_COUNT };

static int stream_open(struct pipe_files *files, int kind) {
  ovio_handle ends[2];
  bool made = kind == STREAM_SOCKET
                  ? test_socket_pair(ends)
                  : test_pipe(ends, kind == STREAM_SYNC ? TEST_PIPE_SYNC
                                                        : TEST_PIPE_OVERLAPPED);
  if (!made)
    return OVIO_EUNKNOWN;
  int error = ovio_adopt(&files->in, ends[0], OVIO_READ);
  return error ? error : ovio_adopt(&files->out, ends[1], OVIO_WRITE);
}

static void test_stream_read_takes_what_is_there(struct test *test) {
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    char bytes[100];
    TRY_EQ(stream_open(&files, kind), 0);
    TRY_EQ(ovio_write(&files.out, "abcde", 5, OVIO_HERE), 5);
    TRY_EQ(ovio_read(&files.in, bytes, 2, OVIO_HERE), 2);
    TRY_EQ(ovio_read(&files.in, bytes + 2, 98, OVIO_HERE), 3);
    TRY(memcmp(bytes, "abcde", 5) == 0);
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

/* The second part is not waited for. */
static void test_stream_vector_takes_what_is_there(struct test *test) {
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    char bytes[100] = "";
    struct ovio_iovec parts[3] = {{bytes, 0}, {bytes, 10}, {bytes + 10, 90}};
    TRY_EQ(stream_open(&files, kind), 0);
    TRY_EQ(ovio_write(&files.out, "0123456789", 10, OVIO_HERE), 10);
    TRY_EQ(ovio_readv(&files.in, parts, 3, OVIO_HERE), 10);
    TRY(memcmp(bytes, "0123456789", 10) == 0);
    TRY_EQ(ovio_write(&files.out, "abcdefghijklm", 13, OVIO_HERE), 13);
    int64_t got = ovio_readv(&files.in, parts, 3, OVIO_HERE);
    TRY(got >= 10 && got <= 13);
    if (got < 13)
      TRY_EQ(ovio_read(&files.in, bytes + got, 90, OVIO_HERE), 13 - got);
    TRY(memcmp(bytes, "abcdefghijklm", 13) == 0);
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

static void test_reader_gets_the_rest_and_then_0(struct test *test) {
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    char bytes[100];
    TRY_EQ(stream_open(&files, kind), 0);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_close(&files.out), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 2, OVIO_HERE), 2);
    TRY_EQ(ovio_read(&files.in, bytes, 100, OVIO_HERE), 1);
    TRY_EQ(ovio_read(&files.in, bytes, 100, OVIO_HERE), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 100, OVIO_HERE), 0);
    TRY_EQ(ovio_close(&files.in), 0);
  }
}

static void test_writer_without_a_reader_gets_epipe(struct test *test) {
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    TRY_EQ(stream_open(&files, kind), 0);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_close(&files.in), 0);
    int64_t wrote = 3;
    /* A socket takes some more before it hears of it. */
    for (int round = 0; round < 1000 && wrote == 3; round++) {
      wrote = ovio_write(&files.out, "abc", 3, OVIO_HERE);
      if (wrote == 3)
        TRY_EQ(ovio_sleep(1000000), 0);
    }
    TRY(wrote == OVIO_EPIPE ||
        (kind == STREAM_SOCKET && wrote == OVIO_ECONNRESET));
    TRY(ovio_native_error() != 0);
    TRY_EQ(ovio_close(&files.out), 0);
  }
}

struct drain {
  struct ovio_file *file;
  int64_t total;
  bool right;
};

static void drain_stream(void *argument) {
  struct drain *self = argument;
  char bytes[5000];
  int64_t got;
  self->right = true;
  while ((got = ovio_read(self->file, bytes, sizeof bytes, OVIO_HERE)) > 0) {
    self->right = self->right && files_match(bytes, (size_t)got, self->total);
    self->total += got;
  }
  self->right = self->right && got == 0;
}

/* All of it arrives, however little fits at a time. */
static void test_stream_write_is_whole(struct test *test) {
  enum { LENGTH = 400000 };
  char *bytes = malloc(LENGTH);
  TRY(bytes);
  files_fill(bytes, LENGTH, 0);
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    struct partner partner;
    TRY_EQ(stream_open(&files, kind), 0);
    struct drain drain = {.file = &files.in};
    TRY_EQ(partner_start(&partner, test, drain_stream, &drain), 0);
    int64_t whole = ovio_write(&files.out, bytes, 200000, OVIO_HERE);
    struct ovio_iovec parts[4] = {{bytes + 200000, 100000},
                                  {NULL, 0},
                                  {bytes + 300000, 1},
                                  {bytes + 300001, 99999}};
    int64_t vector = ovio_writev(&files.out, parts, 4, OVIO_HERE);
    TRY_EQ(ovio_close(&files.out), 0);
    partner_end(&partner);
    TRY_EQ(whole, 200000);
    TRY_EQ(vector, 200000);
    TRY_EQ(drain.total, LENGTH);
    TRY(drain.right);
    TRY_EQ(ovio_close(&files.in), 0);
  }
  free(bytes);
}

static void test_offset_on_a_stream_is_espipe(struct test *test) {
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    struct ovio_stat about;
    char bytes[8] = "abc";
    struct ovio_iovec part = {bytes, 3};
    TRY_EQ(stream_open(&files, kind), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 3, 0), OVIO_ESPIPE);
    TRY_EQ(ovio_write(&files.out, bytes, 3, 0), OVIO_ESPIPE);
    TRY_EQ(ovio_readv(&files.in, &part, 1, 5), OVIO_ESPIPE);
    TRY_EQ(ovio_writev(&files.out, &part, 1, 5), OVIO_ESPIPE);
    TRY_EQ(ovio_seek(&files.in, 0, SEEK_CUR), OVIO_ESPIPE);
    TRY_EQ(ovio_size(&files.in), OVIO_ESPIPE);
    TRY_EQ(ovio_truncate(&files.out, 0), OVIO_ESPIPE);
    TRY_EQ(ovio_sync(&files.out, 0), OVIO_ENOTSUP);
    TRY_EQ(ovio_stat(&files.in, &about), 0);
    TRY(kind == STREAM_SOCKET || about.type == OVIO_TYPE_PIPE);
    TRY(kind != STREAM_SOCKET || about.type == OVIO_TYPE_SOCKET);
    TRY_EQ(ovio_write(&files.out, bytes, 3, OVIO_HERE), 3); /* none was sent */
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 3);
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

/* ---- nothing at all ---- */

static void test_zero_length_on_a_file(struct test *test) {
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    const char *path = test_path("zero");
    struct ovio_iovec none[2] = {{NULL, 0}, {&file, 0}};
    TRY(files_put(path, 100));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_seek(&file, 30, SEEK_SET), 30);
    TRY_EQ(ovio_read(&file, NULL, 0, 0), 0);
    TRY_EQ(ovio_read(&file, NULL, 0, OVIO_HERE), 0);
    TRY_EQ(ovio_read(&file, NULL, 0, 5000), 0);
    TRY_EQ(ovio_write(&file, NULL, 0, OVIO_HERE), 0);
    TRY_EQ(ovio_write(&file, NULL, 0, 5000), 0);
    TRY_EQ(ovio_readv(&file, NULL, 0, 0), 0);
    TRY_EQ(ovio_writev(&file, NULL, 0, OVIO_HERE), 0);
    TRY_EQ(ovio_readv(&file, none, 2, OVIO_HERE), 0);
    TRY_EQ(ovio_writev(&file, none, 2, 700), 0);
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 30);
    TRY_EQ(ovio_size(&file), 100);
    TRY_EQ(ovio_close(&file), 0);
  }
}

/* It does not wait, and sends nothing that a reader could take for the end. */
static void test_zero_length_on_a_stream(struct test *test) {
  for (int kind = 0; kind < STREAM_COUNT; kind++) {
    struct pipe_files files;
    char bytes[8];
    TRY_EQ(stream_open(&files, kind), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 0, OVIO_HERE), 0);
    TRY_EQ(ovio_write(&files.out, bytes, 0, OVIO_HERE), 0);
    TRY_EQ(ovio_write(&files.out, "abc", 3, OVIO_HERE), 3);
    TRY_EQ(ovio_write(&files.out, bytes, 0, OVIO_HERE), 0);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 3);
    TRY_EQ(ovio_write(&files.out, "de", 2, OVIO_HERE), 2);
    TRY_EQ(ovio_read(&files.in, bytes, 8, OVIO_HERE), 2);
    TRY_EQ(pipe_files_close(&files), 0);
  }
}

/* ---- numbers out of range ---- */

static void test_offsets_out_of_range(struct test *test) {
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[16] = "abc";
    const char *path = test_path("range");
    struct ovio_iovec parts[2] = {{bytes, 8}, {bytes + 8, 8}};
    TRY(files_put(path, 100));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_read(&file, bytes, 1, -2), OVIO_EINVAL);
    TRY_EQ(ovio_write(&file, bytes, 1, -2), OVIO_EINVAL);
    TRY_EQ(ovio_read(&file, bytes, 1, INT64_MIN), OVIO_EINVAL);
    TRY_EQ(ovio_write(&file, bytes, 1, INT64_MIN), OVIO_EINVAL);
    TRY_EQ(ovio_write(&file, bytes, 0, -2), OVIO_EINVAL);
    TRY_EQ(ovio_readv(&file, parts, 2, -3), OVIO_EINVAL);
    TRY_EQ(ovio_read(&file, bytes, 16, INT64_MAX - 15), OVIO_EINVAL);
    TRY_EQ(ovio_native_error(), 0); /* the system was not asked */
    TRY_EQ(ovio_write(&file, bytes, 16, INT64_MAX - 15), OVIO_EINVAL);
    TRY_EQ(ovio_native_error(), 0);
    TRY_EQ(ovio_writev(&file, parts, 2, INT64_MAX - 15), OVIO_EINVAL);
    TRY_EQ(ovio_write(&file, bytes, 1, INT64_MAX), OVIO_EINVAL);
    TRY_EQ(ovio_truncate(&file, -1), OVIO_EINVAL);
    TRY_EQ(ovio_truncate(&file, INT64_MIN), OVIO_EINVAL);
    TRY_EQ(ovio_native_error(), 0);
    TRY_EQ(ovio_size(&file), 100);
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void test_lengths_out_of_range(struct test *test) {
  struct ovio_file file;
  char byte;
  struct ovio_iovec parts[3] = {
      {&byte, 1}, {&byte, SIZE_MAX}, {&byte, SIZE_MAX}};
  TRY_EQ(files_make(&file, "range", 0), 0);
  if (SIZE_MAX > UINT32_MAX) {
    TRY_EQ(ovio_read(&file, &byte, SIZE_MAX, 0), OVIO_EINVAL);
    TRY_EQ(ovio_write(&file, &byte, SIZE_MAX, 0), OVIO_EINVAL);
    TRY_EQ(ovio_read(&file, &byte, SIZE_MAX / 2 + 1, 0), OVIO_EINVAL);
    TRY_EQ(ovio_readv(&file, parts, 3, 0), OVIO_EINVAL);
    TRY_EQ(ovio_writev(&file, parts, 3, OVIO_HERE), OVIO_EINVAL);
  }
  TRY_EQ(ovio_size(&file), 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* At the position too: its offset is not known before. */
static void test_position_out_of_range(struct test *test) {
  struct ovio_file file;
  char bytes[16] = "";
  TRY_EQ(files_make(&file, "range", 0), 0);
  TRY_EQ(ovio_seek(&file, INT64_MAX - 10, SEEK_SET), INT64_MAX - 10);
  TRY_EQ(ovio_write(&file, bytes, 16, OVIO_HERE), OVIO_EINVAL);
  TRY_EQ(ovio_read(&file, bytes, 16, OVIO_HERE), OVIO_EINVAL);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), INT64_MAX - 10);
  TRY_EQ(ovio_close(&file), 0);
}

/* 64 bits all the way, in every route; a hole costs nothing. */
static void test_offsets_beyond_4_gib(struct test *test) {
  static const int64_t offsets[] = {INT64_C(0x7fffffff), INT64_C(0xfffffff8),
                                    INT64_C(0x100000000), INT64_C(0x140000003)};
  const char *path = test_path("far");
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[32];
    TRY(test_put(path, "", 0));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    for (size_t at = 0; at < 4; at++) {
      files_fill(bytes, 16, offsets[at]);
      TRY_EQ(ovio_write(&file, bytes, 16, offsets[at]), 16);
      TRY_EQ(ovio_size(&file), offsets[at] + 16);
      memset(bytes, 0, sizeof bytes);
      TRY_EQ(ovio_read(&file, bytes, 32, offsets[at]), 16);
      TRY(files_match(bytes, 16, offsets[at]));
      TRY_EQ(ovio_seek(&file, offsets[at] + 8, SEEK_SET), offsets[at] + 8);
      TRY_EQ(ovio_read(&file, bytes, 32, OVIO_HERE), 8);
      TRY(files_match(bytes, 8, offsets[at] + 8));
    }
    TRY_EQ(ovio_read(&file, bytes, 8, 3), 8);
    TRY_EQ(bytes[0], 0);
    TRY_EQ(ovio_close(&file), 0);
  }
  test_remove(path);
}

/* ---- files that are not open ---- */

static void check_closed(struct test *test, struct ovio_file *file) {
  struct ovio_stat about;
  char byte = 0;
  struct ovio_iovec part = {&byte, 1};
  TRY_EQ(ovio_read(file, &byte, 1, 0), OVIO_EBADF);
  TRY_EQ(ovio_read(file, &byte, 1, OVIO_HERE), OVIO_EBADF);
  TRY_EQ(ovio_read(file, &byte, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_write(file, &byte, 1, 0), OVIO_EBADF);
  TRY_EQ(ovio_readv(file, &part, 1, 0), OVIO_EBADF);
  TRY_EQ(ovio_writev(file, &part, 1, 0), OVIO_EBADF);
  TRY_EQ(ovio_sync(file, 0), OVIO_EBADF);
  TRY_EQ(ovio_truncate(file, 0), OVIO_EBADF);
  TRY_EQ(ovio_size(file), OVIO_EBADF);
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), OVIO_EBADF);
  TRY_EQ(ovio_stat(file, &about), OVIO_EBADF);
  TRY_EQ(ovio_set_times(file, 0, 0), OVIO_EBADF);
  TRY_EQ(ovio_close(file), OVIO_EBADF);
  TRY(ovio_release(file) == OVIO_NO_HANDLE);
  TRY(strcmp(ovio_file_route(file, test->loop), "closed") == 0);
}

static void test_closed_released_and_zeroed_files(struct test *test) {
  struct ovio_file file;
  memset(&file, 0, sizeof file);
  check_closed(test, &file);
  TRY_EQ(files_make(&file, "closed", 0), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY_EQ(ovio_close(&file), 0);
  check_closed(test, &file);
  TRY_EQ(files_make(&file, "closed", 0), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
  TRY(test_close_handle(ovio_release(&file)));
  check_closed(test, &file);
}

/* ---- direct ---- */

enum { BLOCK = 4096 };

static char *direct_block(char *memory) {
  return memory + BLOCK - (uintptr_t)memory % BLOCK;
}

static void check_misaligned(struct test *test, struct ovio_file *file,
                             char *block) {
  struct ovio_iovec parts[2] = {{block, BLOCK}, {block + BLOCK, 100}};
  TRY_EQ(ovio_read(file, block + 1, BLOCK, 0), OVIO_EINVAL);
  TRY_EQ(ovio_read(file, block, BLOCK - 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_read(file, block, BLOCK, 1), OVIO_EINVAL);
  TRY_EQ(ovio_write(file, block + 1, BLOCK, 0), OVIO_EINVAL);
  TRY_EQ(ovio_write(file, block, 100, 0), OVIO_EINVAL);
  TRY_EQ(ovio_write(file, block, BLOCK, 100), OVIO_EINVAL);
  TRY_EQ(ovio_readv(file, parts, 2, 0), OVIO_EINVAL);
  TRY_EQ(ovio_writev(file, parts, 2, OVIO_HERE), OVIO_EINVAL);
  TRY_EQ(ovio_seek(file, 100, SEEK_SET), 100);
  TRY_EQ(ovio_read(file, block, BLOCK, OVIO_HERE), 0); /* it is empty */
  TRY_EQ(ovio_write(file, block, BLOCK, OVIO_HERE), OVIO_EINVAL);
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), 100);
  TRY_EQ(ovio_size(file), 0);
}

/* The last bytes of a file whose size is no multiple of a block. */
static void check_direct_tail(struct test *test, struct ovio_file *file,
                              char *block) {
  struct ovio_iovec parts[3] = {
      {block, BLOCK}, {block + BLOCK, BLOCK}, {block + 2 * BLOCK, BLOCK}};
  TRY_EQ(ovio_truncate(file, 10000), 0);
  TRY_EQ(ovio_read(file, block, 3 * BLOCK, 0), 10000);
  TRY(files_match(block, 10000, 0));
  TRY_EQ(ovio_read(file, block, BLOCK, 2 * BLOCK), 10000 - 2 * BLOCK);
  TRY_EQ(ovio_read(file, block, BLOCK, 3 * BLOCK), 0);
  TRY_EQ(ovio_readv(file, parts, 3, 0), 10000);
  TRY(files_match(block, 10000, 0));
  TRY_EQ(ovio_seek(file, 0, SEEK_SET), 0);
  TRY_EQ(ovio_read(file, block, 2 * BLOCK, OVIO_HERE), 2 * BLOCK);
  TRY_EQ(ovio_read(file, block, 2 * BLOCK, OVIO_HERE), 10000 - 2 * BLOCK);
  TRY(files_match(block, 10000 - 2 * BLOCK, 2 * BLOCK));
  TRY_EQ(ovio_read(file, block, 2 * BLOCK, OVIO_HERE), 0);
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), 10000);
}

static void test_direct(struct test *test) {
  struct ovio_file file;
  int error = files_make(&file, "direct", OVIO_DIRECT);
  if (error == OVIO_ENOTSUP)
    SKIP("no direct I/O on this file system");
  TRY_EQ(error, 0);
  char *memory = malloc(5 * BLOCK);
  TRY(memory);
  char *block = direct_block(memory);
  check_misaligned(test, &file, block);
  files_fill(block, 3 * BLOCK, 0);
  TRY_EQ(ovio_write(&file, block, 3 * BLOCK, 0), 3 * BLOCK);
  memset(block, 0, 3 * BLOCK);
  TRY_EQ(ovio_read(&file, block, BLOCK, BLOCK), BLOCK);
  TRY(files_match(block, BLOCK, BLOCK));
  TRY_EQ(ovio_read(&file, NULL, 0, BLOCK), 0);
  TRY_EQ(ovio_read(&file, block, BLOCK, OVIO_HERE), OVIO_EINVAL); /* at 100 */
  check_direct_tail(test, &file, block);
  /* A chunk smaller than a block is a block. */
  ovio_set_max_transfer(1000);
  TRY_EQ(ovio_read(&file, block, 3 * BLOCK, 0), 10000);
  ovio_set_max_transfer(BLOCK + 1);
  TRY_EQ(ovio_read(&file, block, 3 * BLOCK, 0), 10000);
  ovio_set_max_transfer(0);
  TRY(files_match(block, 10000, 0));
  TRY_EQ(ovio_close(&file), 0);
  free(memory);
}

/* ---- size, times and the rest ---- */

static void test_truncate(struct test *test) {
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    char bytes[100];
    const char *path = test_path("cut");
    TRY(files_put(path, 100));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_truncate(&file, 40), 0);
    TRY_EQ(ovio_size(&file), 40);
    TRY_EQ(ovio_truncate(&file, 70), 0);
    TRY_EQ(ovio_read(&file, bytes, 100, 0), 70);
    TRY(files_match(bytes, 40, 0));
    for (int at = 40; at < 70; at++)
      TRY_EQ(bytes[at], 0);
    TRY_EQ(ovio_truncate(&file, 0), 0);
    TRY_EQ(ovio_read(&file, bytes, 100, 0), 0);
    TRY_EQ(ovio_truncate(&file, INT64_C(0x200000001)), 0);
    TRY_EQ(ovio_size(&file), INT64_C(0x200000001));
    TRY_EQ(ovio_close(&file), 0);
  }
  test_remove(test_path("cut"));
}

static void test_sync(struct test *test) {
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    const char *path = test_path("sync");
    TRY(files_put(path, 100));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    TRY_EQ(ovio_write(&file, "abc", 3, 0), 3);
    TRY_EQ(ovio_sync(&file, 0), 0);
    TRY_EQ(ovio_sync(&file, OVIO_DATA_ONLY), 0);
    TRY_EQ(ovio_sync(&file, 2), OVIO_EINVAL);
    TRY_EQ(ovio_sync(&file, OVIO_DATA_ONLY | 8), OVIO_EINVAL);
    TRY_EQ(ovio_close(&file), 0);
  }
}

static void test_stat(struct test *test) {
  struct ovio_file file, again;
  struct ovio_stat first, second;
  const char *path = test_path("stat");
  TRY(files_put(path, 12345));
  TRY_EQ(files_open(&file, path, FORM_OWN), 0);
  TRY_EQ(files_open(&again, path, FORM_BLOCKING), 0);
  TRY_EQ(ovio_stat(&file, &first), 0);
  TRY_EQ(ovio_stat(&again, &second), 0);
  TRY_EQ(first.size, 12345);
  TRY_EQ(first.type, OVIO_TYPE_FILE);
  TRY_EQ(first.links, 1);
  TRY(first.inode == second.inode && first.device == second.device);
  TRY(first.modify_ns > INT64_C(1500000000000000000));
  TRY(first.change_ns > INT64_C(1500000000000000000));
  TRY_EQ(ovio_stat(&file, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&again), 0);
}

static void test_set_times(struct test *test) {
  /* Multiples of 100 ns, which is what Windows keeps; one is before 1970. */
  const int64_t access_ns = INT64_C(1234567890123456700);
  const int64_t modify_ns = INT64_C(-86400000000100);
  struct ovio_file file;
  struct ovio_stat about;
  TRY_EQ(files_make(&file, "times", 0), 0);
  TRY_EQ(ovio_set_times(&file, access_ns, modify_ns), 0);
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.access_ns, access_ns);
  TRY_EQ(about.modify_ns, modify_ns);
  TRY_EQ(ovio_set_times(&file, OVIO_TIME_KEEP, access_ns), 0);
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.access_ns, access_ns);
  TRY_EQ(about.modify_ns, access_ns);
  TRY_EQ(ovio_set_times(&file, modify_ns, OVIO_TIME_KEEP), 0);
  TRY_EQ(ovio_stat(&file, &about), 0);
  TRY_EQ(about.access_ns, modify_ns);
  TRY_EQ(about.modify_ns, access_ns);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- every operation, as a callback too ---- */

enum { START_COUNT = 11 };

struct start_case {
  struct outcome outcome;
  int64_t wanted;
};

static int start_one(struct ovio_loop *loop, struct start_case *at, int which,
                     struct ovio_file *file, struct ovio_file *opened) {
  static char bytes[8] = "abcdefg";
  static struct ovio_stat about;
  static const struct ovio_iovec part = {bytes, 4};
  struct ovio_op *op = &at->outcome.op;
  at->wanted = which <= 1 ? 8 : which <= 3 ? 4 : 0;
  switch (which) {
  case 0:
    return ovio_start_write(loop, op, file, bytes, 8, 0, outcome_done);
  case 1:
    return ovio_start_read(loop, op, file, bytes, 8, 0, outcome_done);
  case 2:
    return ovio_start_writev(loop, op, file, &part, 1, 0, outcome_done);
  case 3:
    return ovio_start_readv(loop, op, file, &part, 1, 0, outcome_done);
  case 4:
    return ovio_start_sync(loop, op, file, 0, outcome_done);
  case 5:
    return ovio_start_truncate(loop, op, file, 5, outcome_done);
  case 6:
    return ovio_start_stat(loop, op, file, &about, outcome_done);
  case 7:
    return ovio_start_open(loop, op, opened, NULL, test_path("starts"),
                           OVIO_READ, 0, outcome_done);
  case 8:
    return ovio_start_close(loop, op, opened, outcome_done);
  case 9:
    return ovio_start_sleep(loop, op, 1000, outcome_done);
  default:
    return ovio_post(loop, op, outcome_done);
  }
}

/* What the blocking calls can do, callbacks can; with the same results. */
static void test_every_operation_can_be_started(struct test *test) {
  struct ovio_loop *loop;
  struct ovio_file file, opened;
  struct start_case cases[START_COUNT];
  memset(cases, 0, sizeof cases);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "starts", 0), 0);
  for (int at = 0; at < START_COUNT; at++) {
    TRY_EQ(start_one(loop, &cases[at], at, &file, &opened), 0);
    TRY_EQ(cases[at].outcome.calls, 0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(cases[at].outcome.calls, 1);
    TRY_EQ(cases[at].outcome.result, cases[at].wanted);
  }
  TRY_EQ(ovio_size(&file), 5);
  TRY_EQ(ovio_close(&opened), OVIO_EBADF);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_read_at_the_end_is_0),
      TEST(test_read_across_the_end_keeps_the_bytes),
      TEST(test_read_across_the_end_in_chunks),
      TEST(test_positional_calls_leave_the_position),
      TEST(test_here_goes_on),
      TEST(test_seek_errors),
      TEST(test_adopted_position_is_carried_on),
      TEST(test_released_file_of_our_own_tells_its_position),
      TEST(test_append_goes_to_the_end),
      TEST(test_append_in_chunks),
      TEST(test_two_files_append_in_turn),
      TEST(test_many_append_to_one_file),
      TEST(test_many_append_through_files_of_their_own),
      TEST(test_stream_read_takes_what_is_there),
      TEST(test_stream_vector_takes_what_is_there),
      TEST(test_reader_gets_the_rest_and_then_0),
      TEST(test_writer_without_a_reader_gets_epipe),
      TEST(test_stream_write_is_whole),
      TEST(test_offset_on_a_stream_is_espipe),
      TEST(test_zero_length_on_a_file),
      TEST(test_zero_length_on_a_stream),
      TEST(test_offsets_out_of_range),
      TEST(test_lengths_out_of_range),
      TEST(test_position_out_of_range),
      TEST(test_offsets_beyond_4_gib),
      TEST(test_closed_released_and_zeroed_files),
      TEST(test_direct),
      TEST(test_truncate),
      TEST(test_sync),
      TEST(test_stat),
      TEST(test_set_times),
      TEST_ENGINES(test_every_operation_can_be_started),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
