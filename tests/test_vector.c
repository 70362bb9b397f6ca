/* SPDX-License-Identifier: MIT */
/* Vectors of every shape, whole and in chunks: the result is always a prefix
 * of the vector, and every byte is where it belongs. */
#include "files.h"
#include "scene.h"

#include "common/transfer.h"

/* ---- shapes ---- */

enum { SHAPE_COUNT = 14, PARTS_MAX = 5000 };

/* The length of part `at` of a shape; SIZE_MAX: there is none. */
static size_t shape_part(int shape, size_t at) {
  static const size_t few[][6] = {
      {100, SIZE_MAX},
      {0, 100, SIZE_MAX},
      {100, 0, SIZE_MAX},
      {0, 0, 7, 0, 0, SIZE_MAX},
      {1, 2, 3, SIZE_MAX},
      {3, 0, 5, 0, 7, SIZE_MAX},
      {4096, 4096, 1, SIZE_MAX},
      {1, 70000, 1, SIZE_MAX},
      {0, SIZE_MAX},
      {SIZE_MAX},
  };
  if (shape < 10)
    return few[shape][at];
  /* Windows makes a call of each part, and Wine a message of each call. */
  if (test_is_wine())
    at *= 8;
  switch (shape) {
  case 10: /* more parts than a system call takes */
    return at < 2500 ? 1 : SIZE_MAX;
  case 11: /* exactly as many as Linux takes */
    return at < 1024 ? 3 : SIZE_MAX;
  case 12: /* nearly all of them empty */
    return at < PARTS_MAX - 1 ? (at % 704 == 696 ? 11 : 0) : SIZE_MAX;
  default: /* a bit of everything */
    return at < 1500 ? at * 31 % 97 : SIZE_MAX;
  }
}

/* Parts of one buffer, one after the other. Returns the bytes. */
static size_t shape_make(int shape, struct ovio_iovec *parts, char *buffer,
                         size_t *count) {
  size_t bytes = 0;
  size_t at = 0;
  for (size_t length; (length = shape_part(shape, at)) != SIZE_MAX; at++) {
    parts[at] = (struct ovio_iovec){buffer ? buffer + bytes : NULL, length};
    bytes += length;
  }
  *count = at;
  return bytes;
}

enum { BUFFER = 200000 };

struct vectors {
  struct ovio_iovec parts[PARTS_MAX];
  char from[BUFFER];
  char to[BUFFER];
};

static int64_t write_shape(struct vectors *vectors, struct ovio_file *file,
                           int shape, int64_t offset) {
  size_t count;
  shape_make(shape, vectors->parts, vectors->from, &count);
  return ovio_writev(file, vectors->parts, count, offset);
}

static int64_t read_shape(struct vectors *vectors, struct ovio_file *file,
                          int shape, int64_t offset) {
  size_t count;
  memset(vectors->to, 0, BUFFER);
  shape_make(shape, vectors->parts, vectors->to, &count);
  return ovio_readv(file, vectors->parts, count, offset);
}

/* Writes by a vector, reads plainly; then the other way about. */
static void check_shape(struct test *test, struct vectors *vectors,
                        struct ovio_file *file, int shape) {
  size_t count;
  int64_t bytes = (int64_t)shape_make(shape, vectors->parts, NULL, &count);
  files_fill(vectors->from, BUFFER, 5);
  TRY_EQ(ovio_truncate(file, 0), 0);
  TRY_EQ(write_shape(vectors, file, shape, 5), bytes);
  TRY_EQ(ovio_size(file), bytes ? bytes + 5 : 0);
  memset(vectors->to, 0, BUFFER);
  TRY_EQ(ovio_read(file, vectors->to, BUFFER, 5), bytes);
  TRY(files_match(vectors->to, (size_t)bytes, 5));
  /* At the position, which moves by as much. */
  TRY_EQ(ovio_seek(file, 5, SEEK_SET), 5);
  TRY_EQ(read_shape(vectors, file, shape, OVIO_HERE), bytes);
  TRY(files_match(vectors->to, (size_t)bytes, 5));
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), 5 + bytes);
  TRY_EQ(write_shape(vectors, file, shape, OVIO_HERE), bytes);
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), 5 + 2 * bytes);
  TRY_EQ(read_shape(vectors, file, shape, 5 + bytes), bytes);
  TRY(memcmp(vectors->to, vectors->from, (size_t)bytes) == 0);
  /* Across the end: what is there, from the front. */
  int64_t there = bytes / 2;
  TRY_EQ(ovio_truncate(file, 5 + there), 0);
  TRY_EQ(read_shape(vectors, file, shape, 5), there);
  TRY(files_match(vectors->to, (size_t)there, 5));
  for (int64_t at = there; at < bytes; at++)
    TRY_EQ(vectors->to[at], 0);
  TRY_EQ(read_shape(vectors, file, shape, 5 + there), 0);
}

static void check_shapes(struct test *test, int step) {
  struct vectors *vectors = malloc(sizeof *vectors);
  TRY(vectors);
  for (int form = 0; form < FORM_COUNT; form++) {
    struct ovio_file file;
    const char *path = test_path("shapes");
    TRY(test_put(path, "", 0));
    TRY_EQ(files_open(&file, path, (enum form)form), 0);
    for (int shape = 0; shape < SHAPE_COUNT && !test->failure[0]; shape += step)
      check_shape(test, vectors, &file, shape);
    TRY_EQ(ovio_close(&file), 0);
  }
  free(vectors);
}

static void test_shapes(struct test *test) {
  check_shapes(test, 1);
}

/* The same with system calls that take little: single bytes, parts cut in the
 * middle, chunks that end where a part does. */
static void test_shapes_in_chunks(struct test *test) {
  static const size_t chunks[] = {3, 100, 4096, 4097};
  for (size_t at = 0; at < 4 && !test->failure[0]; at++) {
    ovio_set_max_transfer(chunks[at]);
    check_shapes(test, chunks[at] < 4096 ? 5 : 1); /* many calls: some shapes */
  }
  ovio_set_max_transfer(0);
}

/* ---- the limit ---- */

struct limit {
  struct test *test;
  size_t expected;
};

/* One call to a stream shows how much a call may move. */
static void check_limit(struct test *test, size_t expected) {
  struct pipe_files files;
  char bytes[3000];
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  files_fill(bytes, sizeof bytes, 0);
  TRY_EQ(ovio_write(&files.out, bytes, sizeof bytes, OVIO_HERE), 3000);
  memset(bytes, 0, sizeof bytes);
  int64_t got = 0;
  for (int round = 0; round < 3000 && got < 3000; round++) {
    int64_t now = ovio_read(&files.in, bytes + got, sizeof bytes - (size_t)got,
                            OVIO_HERE);
    size_t left = sizeof bytes - (size_t)got;
    TRY_EQ(now, left < expected ? left : expected);
    got += now;
  }
  TRY(files_match(bytes, sizeof bytes, 0));
  TRY_EQ(pipe_files_close(&files), 0);
}

static void test_limit_of_the_library(struct test *test) {
  ovio_set_max_transfer(1000);
  check_limit(test, 1000);
  ovio_set_max_transfer(SIZE_MAX); /* cut to what there is */
  check_limit(test, 3000);
  ovio_set_max_transfer(1);
  check_limit(test, 1);
  ovio_set_max_transfer(0);
  check_limit(test, 3000);
}

static void check_limit_task(void *argument) {
  struct limit *limit = argument;
  check_limit(limit->test, limit->expected);
}

static void shapes_task(void *argument) {
  struct limit *limit = argument;
  check_shapes(limit->test, 1);
}

/* A loop's own option counts there, whatever the library's says. */
static void test_limit_of_a_loop(struct test *test) {
  struct ovio_loop_options options = {.max_transfer = 700};
  struct ovio_loop *loop;
  struct limit limit = {test, 700};
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  ovio_set_max_transfer(500);
  TRY_EQ(ovio_spawn(loop, check_limit_task, &limit), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  ovio_set_max_transfer(0);
  TRY_EQ(ovio_spawn(loop, shapes_task, &limit), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Started by callback, the vector is the library's until then. */
static void test_started_vectors(struct test *test) {
  struct ovio_loop_options options = {.max_transfer = 1000};
  struct ovio_loop *loop;
  struct outcome outcome;
  struct ovio_file file;
  struct vectors *vectors = malloc(sizeof *vectors);
  TRY(vectors);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  TRY_EQ(files_make(&file, "started", 0), 0);
  for (int shape = 0; shape < SHAPE_COUNT; shape++) {
    size_t count;
    files_fill(vectors->from, BUFFER, 0);
    int64_t bytes =
        (int64_t)shape_make(shape, vectors->parts, vectors->from, &count);
    memset(&outcome, 0, sizeof outcome);
    TRY_EQ(ovio_start_writev(loop, &outcome.op, &file, vectors->parts, count, 0,
                             outcome_done),
           0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(outcome.result, bytes);
    memset(vectors->to, 0, BUFFER);
    shape_make(shape, vectors->parts, vectors->to, &count);
    TRY_EQ(ovio_start_readv(loop, &outcome.op, &file, vectors->parts, count, 0,
                            outcome_done),
           0);
    TRY_EQ(ovio_loop_run(loop), 0);
    TRY_EQ(outcome.result, bytes);
    TRY_EQ(outcome.calls, 2);
    TRY(files_match(vectors->to, (size_t)bytes, 0));
  }
  free(vectors);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- streams ---- */

/* The parts come out one after the other, as if it were one buffer. */
static void test_vectors_through_a_pipe(struct test *test) {
  struct pipe_files files;
  struct vectors *vectors = malloc(sizeof *vectors);
  TRY(vectors);
  for (int kind = 0; kind < 2; kind++) {
    TRY(pipe_files_open(&files, kind ? TEST_PIPE_OVERLAPPED : TEST_PIPE_SYNC));
    for (int shape = 0; shape < SHAPE_COUNT; shape++) {
      size_t count;
      files_fill(vectors->from, BUFFER, 0);
      int64_t bytes = (int64_t)shape_make(shape, vectors->parts, NULL, &count);
      if (bytes > 4096)
        continue; /* fits into every pipe: nobody reads yet */
      TRY_EQ(write_shape(vectors, &files.out, shape, OVIO_HERE), bytes);
      int64_t got = 0;
      while (got < bytes) {
        int64_t now = ovio_read(&files.in, vectors->to + got, 4096, OVIO_HERE);
        TRY(now > 0);
        got += now;
      }
      TRY_EQ(got, bytes);
      TRY(files_match(vectors->to, (size_t)bytes, 0));
    }
    TRY_EQ(pipe_files_close(&files), 0);
  }
  free(vectors);
}

/* ---- a system that is short of memory ---- */

/* Moves a chunk as a system call would, but refuses more than `room` bytes. */
static int64_t move_chunk(const struct os_transfer *chunk, char *file,
                          size_t room) {
  size_t bytes = 0;
  for (size_t at = 0; at < chunk->count; at++)
    bytes += chunk->iov[at].iov_len;
  if (bytes > room)
    return OVIO_ENOBUFS;
  char *to = file + chunk->offset;
  for (size_t at = 0; at < chunk->count; at++) {
    memcpy(to, chunk->iov[at].iov_base, chunk->iov[at].iov_len);
    to += chunk->iov[at].iov_len;
  }
  return (int64_t)bytes;
}

/* Chunks are halved until the system takes them; down to a page. */
static void test_halving(struct test *test) {
  static const size_t rooms[] = {100000, 20000, 5000, 4096, 4095};
  const struct os_file disk = {.kind = OS_KIND_DISK, .alignment = 1};
  struct vectors *vectors = malloc(sizeof *vectors);
  TRY(vectors);
  for (size_t at = 0; at < 5; at++) {
    struct ovio_iovec parts[3] = {{vectors->from, 90000},
                                  {vectors->from + 90000, 0},
                                  {vectors->from + 90000, 70000}};
    struct transfer transfer = {.iov = parts, .count = 3, .write = true};
    struct os_transfer chunk = {.file = &disk};
    files_fill(vectors->from, BUFFER, 0);
    memset(vectors->to, 0, BUFFER);
    transfer_init(&transfer, &disk, 0);
    int rounds = 0;
    do
      transfer_next(&transfer, &chunk);
    while (transfer_advance(&transfer,
                            move_chunk(&chunk, vectors->to, rooms[at])) &&
           ++rounds < 1000);
    bool fits = rooms[at] >= 4096;
    TRY_EQ(transfer_result(&transfer), fits ? 160000 : OVIO_ENOBUFS);
    TRY(!fits || files_match(vectors->to, 160000, 0));
  }
  free(vectors);
}

/* ---- what is no vector ---- */

static void test_bad_vectors(struct test *test) {
  struct ovio_file file;
  char bytes[8] = "abcdefg";
  struct ovio_iovec hole[3] = {{bytes, 2}, {NULL, 2}, {bytes + 4, 2}};
  TRY_EQ(files_make(&file, "bad", 0), 0);
  TRY_EQ(ovio_writev(&file, hole, 3, 0), OVIO_EINVAL);
  TRY_EQ(ovio_writev(&file, NULL, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_readv(&file, hole, 3, 0), OVIO_EINVAL);
  TRY_EQ(ovio_readv(&file, NULL, 2, OVIO_HERE), OVIO_EINVAL);
  TRY_EQ(ovio_write(&file, NULL, 2, 0), OVIO_EINVAL);
  TRY_EQ(ovio_read(&file, NULL, 2, 0), OVIO_EINVAL);
  TRY_EQ(ovio_size(&file), 0);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 0);
  hole[1].iov_len = 0; /* an empty part needs no memory */
  TRY_EQ(ovio_writev(&file, hole, 3, 0), 4);
  TRY_EQ(ovio_close(&file), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_shapes),
      TEST(test_shapes_in_chunks),
      TEST(test_limit_of_the_library),
      TEST_ENGINES(test_limit_of_a_loop),
      TEST_ENGINES(test_started_vectors),
      TEST(test_vectors_through_a_pipe),
      TEST_PLAIN(test_halving, "drives the chunks by hand"),
      TEST(test_bad_vectors),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
