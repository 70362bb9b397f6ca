/* SPDX-License-Identifier: MIT */
/* The cutting of a transfer into chunks; the system is a function of the test.
 */
#include "common/transfer.h"

#include "scene.h"

static char memory[1 << 16];

static struct transfer make(const struct ovio_iovec *iov, size_t count,
                            int64_t offset, bool write) {
  return (struct transfer){.iov = iov,
                           .count = (uint32_t)count,
                           .offset = offset,
                           .write = write,
                           .here = offset == OVIO_HERE};
}

static const struct os_file disk = {.kind = OS_KIND_DISK, .alignment = 1};
static const struct os_file stream = {.kind = OS_KIND_STREAM, .alignment = 1};

static size_t chunk_bytes(const struct os_transfer *chunk) {
  size_t bytes = 0;
  for (size_t at = 0; at < chunk->count; at++)
    bytes += chunk->iov[at].iov_len;
  return bytes;
}

/* ---- against a model ---- */

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* Parts in `memory` one after the other, now and then with a gap, so that the
 * address says which byte of the transfer it is. */
static size_t random_vector(uint32_t *random, struct ovio_iovec *iov,
                            size_t count, char **expected) {
  size_t at = 0;
  size_t bytes = 0;
  for (size_t part = 0; part < count; part++) {
    size_t length = next_random(random) % 4 ? next_random(random) % 300 : 0;
    iov[part] = (struct ovio_iovec){memory + at, length};
    for (size_t byte = 0; byte < length; byte++)
      expected[bytes++] = memory + at + byte;
    at += length + next_random(random) % 3;
  }
  return bytes;
}

/* The first `took` bytes of the chunk are those expected. */
static bool chunk_covers(const struct os_transfer *chunk, size_t took,
                         char **expected) {
  size_t done = 0;
  for (size_t part = 0; part < chunk->count; part++) {
    char *base = chunk->iov[part].iov_base;
    for (size_t byte = 0; byte < chunk->iov[part].iov_len; byte++) {
      if (done < took && base + byte != expected[done])
        return false;
      done++;
    }
  }
  return done >= took;
}

/* Of small parts, in one call. */
static size_t parts_max(void) {
  static const struct ovio_iovec small = {memory, 1};
  return os_file_parts(&disk, &small, SIZE_MAX);
}

static void one_round(struct test *test, uint32_t *random, char **expected) {
  struct ovio_iovec iov[40];
  size_t count = 1 + next_random(random) % 40;
  size_t bytes = random_vector(random, iov, count, expected);
  size_t chunk_max = 1 + next_random(random) % 700;
  int64_t offset = next_random(random) % 3
                       ? (int64_t)(next_random(random) % 999)
                       : OS_APPEND;
  struct transfer transfer = make(iov, count, offset, next_random(random) % 2);
  struct os_transfer chunk = {.file = &disk};
  size_t done = 0;
  bool more = bytes > 0;
  transfer_init(&transfer, &disk, chunk_max);
  while (more) {
    transfer_next(&transfer, &chunk);
    size_t asked = chunk_bytes(&chunk);
    TRY(asked >= 1 && asked <= chunk_max && asked <= bytes - done);
    TRY(chunk.count >= 1 && chunk.count <= parts_max());
    TRY(chunk.write == transfer.write);
    TRY_EQ(chunk.offset, offset >= 0 ? offset + (int64_t)done : offset);
    size_t took =
        next_random(random) % 3 ? asked : 1 + next_random(random) % asked;
    TRY(chunk_covers(&chunk, took, expected + done));
    done += took;
    more = transfer_advance(&transfer, (int64_t)took);
    TRY(more == (done < bytes));
  }
  TRY_EQ(transfer_result(&transfer), bytes);
}

static void test_chunks_cover_the_vector(struct test *test) {
  char **expected = calloc(40 * 300, sizeof *expected);
  uint32_t random = 4711;
  TRY(expected);
  for (int round = 0; round < 3000 && !test->failure[0]; round++)
    one_round(test, &random, expected);
  free(expected);
}

/* ---- parts ---- */

static void test_whole_parts_go_together(struct test *test) {
  struct ovio_iovec iov[4] = {
      {memory, 10}, {memory + 10, 20}, {memory + 30, 30}, {memory + 60, 5}};
  struct transfer transfer = make(iov, 4, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 60);
  transfer_next(&transfer, &chunk);
  if (parts_max() == 1) {
    TRY_EQ(chunk.count, 1);
    TRY_EQ(chunk_bytes(&chunk), 10);
    return;
  }
  TRY(chunk.iov == iov); /* nothing is copied */
  TRY_EQ(chunk.count, 3);
  TRY_EQ(chunk_bytes(&chunk), 60);
  TRY(transfer_advance(&transfer, 60));
  transfer_next(&transfer, &chunk);
  TRY(chunk.iov == iov + 3);
  TRY_EQ(chunk.count, 1);
}

static void test_no_more_parts_than_a_call_takes(struct test *test) {
  size_t limit = parts_max();
  size_t count = 2 * limit + 1;
  struct ovio_iovec *iov = calloc(count, sizeof *iov);
  TRY(iov);
  for (size_t at = 0; at < count; at++)
    iov[at] = (struct ovio_iovec){memory + at, 1};
  struct transfer transfer = make(iov, count, 0, false);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  size_t left = count;
  for (int calls = 0; calls < 3; calls++) {
    transfer_next(&transfer, &chunk);
    TRY_EQ(chunk.count, left < limit ? left : limit);
    left -= chunk.count;
    TRY(transfer_advance(&transfer, (int64_t)chunk.count) == (left > 0));
  }
  TRY_EQ(left, 0);
  free(iov);
}

/* More of them than a call takes, before the first byte and after the last. */
static void test_empty_parts_are_skipped(struct test *test) {
  size_t count = 2 * parts_max() + 3;
  size_t middle = count / 2;
  struct ovio_iovec *iov = calloc(count, sizeof *iov);
  TRY(iov);
  iov[middle] = (struct ovio_iovec){memory, 7};
  struct transfer transfer = make(iov, count, 100, false);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  transfer_next(&transfer, &chunk);
  TRY(chunk.iov == iov + middle);
  TRY_EQ(chunk_bytes(&chunk), 7);
  TRY(!transfer_advance(&transfer, 7));
  TRY_EQ(transfer_result(&transfer), 7);
  free(iov);
}

static void test_large_part_is_cut(struct test *test) {
  struct ovio_iovec iov[2] = {{memory, 10}, {memory + 10, 90}};
  static const size_t pieces[] = {10, 40, 40, 10};
  struct transfer transfer = make(iov, 2, 0, true);
  struct os_transfer chunk = {.file = &disk};
  char *base = memory;
  transfer_init(&transfer, &disk, 40);
  for (int at = 0; at < 4; at++) {
    transfer_next(&transfer, &chunk);
    TRY(chunk.iov->iov_base == base);
    TRY_EQ(chunk_bytes(&chunk), pieces[at]);
    base += pieces[at];
    TRY(transfer_advance(&transfer, (int64_t)pieces[at]) == (at < 3));
  }
}

/* ---- sizes ---- */

static size_t default_chunk(void) {
  struct ovio_iovec iov = {memory, SIZE_MAX / 4};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  transfer_next(&transfer, &chunk);
  return chunk_bytes(&chunk);
}

static void test_default_size_of_a_chunk(struct test *test) {
  size_t most = OS_TRANSFER_MAX < SIZE_MAX / 4 ? OS_TRANSFER_MAX : SIZE_MAX / 4;
  TRY_EQ(default_chunk(), most);
  ovio_set_max_transfer(12345);
  size_t small = default_chunk();
  ovio_set_max_transfer((size_t)1 << 31);
  size_t large = default_chunk();
  ovio_set_max_transfer(0);
  TRY_EQ(small, 12345);
  TRY_EQ(large, most);
  TRY_EQ(default_chunk(), most);
}

/* A chunk ends between two blocks only at the end of the transfer. */
static void test_direct_chunks_are_aligned(struct test *test) {
  static const struct os_file direct = {.kind = OS_KIND_DISK, .alignment = 512};
  struct ovio_iovec iov = {memory, 5 * 512};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &direct};
  transfer_init(&transfer, &direct, 1500);
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 1024);
  transfer_init(&transfer, &direct, 100); /* at least a block */
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 512);
}

static void test_direct_read_ends_in_a_tail(struct test *test) {
  static const struct os_file direct = {.kind = OS_KIND_DISK, .alignment = 512};
  struct ovio_iovec iov = {memory, 4096};
  struct transfer transfer = make(&iov, 1, 0, false);
  struct os_transfer chunk = {.file = &direct};
  transfer_init(&transfer, &direct, 1024);
  transfer_next(&transfer, &chunk);
  TRY(transfer_advance(&transfer, 1024));
  transfer_next(&transfer, &chunk);
  TRY(!transfer_advance(&transfer, 100)); /* the end of the file */
  TRY_EQ(transfer_result(&transfer), 1124);
  /* Any other read goes on until the file itself says so. */
  transfer = make(&iov, 1, 0, false);
  transfer_init(&transfer, &disk, 1024);
  transfer_next(&transfer, &chunk);
  TRY(transfer_advance(&transfer, 100));
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 1024);
  TRY(!transfer_advance(&transfer, 0));
  TRY_EQ(transfer_result(&transfer), 100);
}

/* ---- errors ---- */

static void test_chunk_is_halved(struct test *test) {
  struct ovio_iovec iov = {memory, 65536};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  for (size_t size = 65536; size > 4096; size /= 2) {
    transfer_next(&transfer, &chunk);
    TRY_EQ(chunk_bytes(&chunk), size);
    TRY(transfer_advance(&transfer, OVIO_ENOBUFS));
  }
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 4096);
  TRY_EQ(chunk.offset, 0);
  TRY(transfer_advance(&transfer, 4096)); /* that was small enough: stay so */
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 4096);
  TRY_EQ(chunk.offset, 4096);
  TRY(!transfer_advance(&transfer, OVIO_ENOBUFS));
  TRY_EQ(transfer_result(&transfer), 4096);
}

static void test_halving_has_an_end(struct test *test) {
  struct ovio_iovec iov = {memory, 50000};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  int calls = 0;
  do {
    transfer_next(&transfer, &chunk);
    TRY(++calls < 10);
  } while (transfer_advance(&transfer, OVIO_ENOBUFS));
  TRY(chunk_bytes(&chunk) >= 4096);
  TRY_EQ(transfer_result(&transfer), OVIO_ENOBUFS);
}

/* Whole parts that went together are taken one by one. */
static void test_gathered_chunk_is_halved(struct test *test) {
  struct ovio_iovec iov[4];
  for (size_t at = 0; at < 4; at++)
    iov[at] = (struct ovio_iovec){memory + at * 4096, 4096};
  struct transfer transfer = make(iov, 4, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  transfer_next(&transfer, &chunk);
  if (parts_max() == 1)
    SKIP("a call of this system takes one part");
  TRY_EQ(chunk_bytes(&chunk), 16384);
  TRY(transfer_advance(&transfer, OVIO_ENOBUFS));
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk.count, 2);
  TRY(transfer_advance(&transfer, OVIO_ENOBUFS));
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk.count, 1);
  TRY(!transfer_advance(&transfer, OVIO_ENOBUFS));
}

static void test_direct_chunk_is_halved_to_a_block(struct test *test) {
  static const struct os_file direct = {.kind = OS_KIND_DISK,
                                        .alignment = 8192};
  struct ovio_iovec iov = {memory, 3 * 8192};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &direct};
  transfer_init(&transfer, &direct, 0);
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 3 * 8192);
  TRY(transfer_advance(&transfer, OVIO_ENOBUFS));
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk_bytes(&chunk), 8192);
  TRY(!transfer_advance(&transfer, OVIO_ENOBUFS));
  TRY_EQ(transfer_result(&transfer), OVIO_ENOBUFS);
}

static void test_bytes_come_before_the_error(struct test *test) {
  struct ovio_iovec iov = {memory, 100};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 40);
  transfer_next(&transfer, &chunk);
  TRY(transfer_advance(&transfer, 40));
  transfer_next(&transfer, &chunk);
  TRY(!transfer_advance(&transfer, OVIO_ENOSPC));
  TRY_EQ(transfer_result(&transfer), 40);
  TRY_EQ(transfer.error, OVIO_ENOSPC);
  transfer = make(&iov, 1, 0, true);
  transfer_init(&transfer, &disk, 40);
  transfer_next(&transfer, &chunk);
  TRY(!transfer_advance(&transfer, OVIO_ENOSPC));
  TRY_EQ(transfer_result(&transfer), OVIO_ENOSPC);
}

static void test_write_that_moves_nothing_ends(struct test *test) {
  struct ovio_iovec iov = {memory, 100};
  struct transfer transfer = make(&iov, 1, 0, true);
  struct os_transfer chunk = {.file = &disk};
  transfer_init(&transfer, &disk, 0);
  transfer_next(&transfer, &chunk);
  TRY(!transfer_advance(&transfer, 0));
  TRY_EQ(transfer_result(&transfer), OVIO_EIO);
  transfer = make(&iov, 1, 0, false);
  transfer_init(&transfer, &disk, 0);
  transfer_next(&transfer, &chunk);
  TRY(!transfer_advance(&transfer, 0)); /* a read is at its end */
  TRY_EQ(transfer_result(&transfer), 0);
}

/* ---- streams ---- */

static void test_stream_read_takes_one_call(struct test *test) {
  struct ovio_iovec iov[2] = {{memory, 10}, {memory + 10, 10}};
  struct transfer transfer = make(iov, 2, OVIO_HERE, false);
  struct os_transfer chunk = {.file = &stream};
  transfer_init(&transfer, &stream, 0);
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk.offset, OVIO_HERE);
  TRY(!transfer_advance(&transfer, 3));
  TRY_EQ(transfer_result(&transfer), 3);
  transfer = make(iov, 2, OVIO_HERE, false);
  transfer_init(&transfer, &stream, 10);
  transfer_next(&transfer, &chunk);
  TRY(!transfer_advance(&transfer, 10)); /* nor waits for the second part */
  TRY_EQ(transfer_result(&transfer), 10);
}

static void test_stream_write_goes_on(struct test *test) {
  struct ovio_iovec iov = {memory, 10};
  struct transfer transfer = make(&iov, 1, OVIO_HERE, true);
  struct os_transfer chunk = {.file = &stream};
  transfer_init(&transfer, &stream, 0);
  transfer_next(&transfer, &chunk);
  TRY(transfer_advance(&transfer, 3));
  transfer_next(&transfer, &chunk);
  TRY_EQ(chunk.offset, OVIO_HERE);
  TRY(chunk.iov->iov_base == memory + 3);
  TRY(!transfer_advance(&transfer, 7));
  TRY_EQ(transfer_result(&transfer), 10);
}

/* ---- lengths ---- */

static void test_length_of_a_vector(struct test *test) {
  struct ovio_iovec iov[3] = {{memory, 5}, {NULL, 0}, {memory, 7}};
  TRY_EQ(transfer_length(NULL, 0), 0);
  TRY_EQ(transfer_length(NULL, 1), OVIO_EINVAL);
  TRY_EQ(transfer_length(iov, 0), 0);
  TRY_EQ(transfer_length(iov, 3), 12);
  iov[1].iov_len = 1;
  TRY_EQ(transfer_length(iov, 3), OVIO_EINVAL);
}

static void test_length_has_a_limit(struct test *test) {
  /* As large as an address space allows; sixteen of them are too much. */
  struct ovio_iovec iov[16];
  for (int at = 0; at < 16; at++)
    iov[at] = (struct ovio_iovec){memory, SIZE_MAX / 8};
  TRY_EQ(transfer_length(iov, 1), SIZE_MAX / 8);
  TRY(transfer_length(iov, 3) > 0);
  if (SIZE_MAX <= UINT32_MAX)
    SKIP("no vector of 32-bit lengths of this size is too long");
  TRY_EQ(transfer_length(iov, 16), OVIO_EINVAL);
  iov[0].iov_len = SIZE_MAX;
  TRY_EQ(transfer_length(iov, 1), OVIO_EINVAL);
  iov[0].iov_len = (size_t)INT64_MAX;
  TRY_EQ(transfer_length(iov, 1), INT64_MAX);
  iov[1].iov_len = 1;
  TRY_EQ(transfer_length(iov, 2), OVIO_EINVAL);
}

int main(void) {
  static const char *const why = "no file and no loop";
  const struct test_case cases[] = {
      TEST_PLAIN(test_chunks_cover_the_vector, why),
      TEST_PLAIN(test_whole_parts_go_together, why),
      TEST_PLAIN(test_no_more_parts_than_a_call_takes, why),
      TEST_PLAIN(test_empty_parts_are_skipped, why),
      TEST_PLAIN(test_large_part_is_cut, why),
      TEST_PLAIN(test_default_size_of_a_chunk, why),
      TEST_PLAIN(test_direct_chunks_are_aligned, why),
      TEST_PLAIN(test_direct_read_ends_in_a_tail, why),
      TEST_PLAIN(test_chunk_is_halved, why),
      TEST_PLAIN(test_halving_has_an_end, why),
      TEST_PLAIN(test_gathered_chunk_is_halved, why),
      TEST_PLAIN(test_direct_chunk_is_halved_to_a_block, why),
      TEST_PLAIN(test_bytes_come_before_the_error, why),
      TEST_PLAIN(test_write_that_moves_nothing_ends, why),
      TEST_PLAIN(test_stream_read_takes_one_call, why),
      TEST_PLAIN(test_stream_write_goes_on, why),
      TEST_PLAIN(test_length_of_a_vector, why),
      TEST_PLAIN(test_length_has_a_limit, why),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
