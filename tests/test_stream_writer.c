/* SPDX-License-Identifier: MIT */
/* Buffered writing, against a plain array, with every small buffer. */
#include "scene.h"

enum { LENGTHS = 20, ROOM = 4096 };

/* A writer on a new file, and what the file has to hold in the end. */
struct page {
  struct ovio_file file;
  struct ovio_writer writer;
  unsigned char buffer[LENGTHS];
  unsigned char model[ROOM];
  size_t used;
  char path[600];
};

static int page_open(struct page *page, size_t length, int64_t offset) {
  memset(page, 0, sizeof *page);
  snprintf(page->path, sizeof page->path, "%s", test_path("page"));
  int error = ovio_open(&page->file, page->path,
                        OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE, 0666);
  if (error)
    return error;
  return ovio_writer_init(&page->writer, &page->file,
                          length ? page->buffer : NULL, length, offset);
}

static void page_expect(struct page *page, const void *bytes, size_t length) {
  memcpy(page->model + page->used, bytes, length);
  page->used += length;
}

static bool page_close(struct page *page, size_t start) {
  unsigned char bytes[ROOM];
  int error = ovio_flush(&page->writer);
  if (ovio_close(&page->file) || error)
    return false;
  long length = test_get(page->path, bytes, sizeof bytes);
  return length == (long)(start + page->used) &&
         memcmp(bytes + start, page->model, page->used) == 0;
}

/* ---- every kind of piece, every buffer ---- */

static void page_integers(struct test *test, struct page *page) {
  struct ovio_writer *writer = &page->writer;
  const uint32_t number = 0x01020304;
  TRY_EQ(ovio_put_u16(writer, 0x0102, OVIO_LITTLE), 2);
  page_expect(page, "\x02\x01", 2);
  TRY_EQ(ovio_put_u16(writer, 0x0102, OVIO_BIG), 2);
  page_expect(page, "\x01\x02", 2);
  TRY_EQ(ovio_put_u32(writer, number, OVIO_LITTLE), 4);
  page_expect(page, "\x04\x03\x02\x01", 4);
  TRY_EQ(ovio_put_u32(writer, number, OVIO_BIG), 4);
  page_expect(page, "\x01\x02\x03\x04", 4);
  TRY_EQ(ovio_put_u32(writer, number, OVIO_NATIVE), 4);
  page_expect(page, &number, 4);
  TRY_EQ(ovio_put_u64(writer, UINT64_C(0xf102030405060708), OVIO_LITTLE), 8);
  page_expect(page, "\x08\x07\x06\x05\x04\x03\x02\xf1", 8);
  TRY_EQ(ovio_put_u64(writer, UINT64_C(0xf102030405060708), OVIO_BIG), 8);
  page_expect(page, "\xf1\x02\x03\x04\x05\x06\x07\x08", 8);
}

static void page_texts(struct test *test, struct page *page) {
  struct ovio_writer *writer = &page->writer;
  char text[100];
  for (int width = 0; width < 30; width++) {
    int length = snprintf(text, sizeof text, "%*d|", width, width);
    TRY_EQ(ovio_print(writer, "%*d|", width, width), length);
    page_expect(page, text, (size_t)length);
  }
  TRY_EQ(ovio_print(writer, "%zu %lld %s", (size_t)7, -1099511627776LL, "end"),
         20);
  page_expect(page, "7 -1099511627776 end", 20);
  TRY_EQ(ovio_print(writer, "%s", ""), 0);
}

static void page_fill(struct test *test, struct page *page) {
  static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  struct ovio_writer *writer = &page->writer;
  for (size_t length = 0; length < sizeof text; length++) {
    TRY_EQ(ovio_put(writer, text, length), (int64_t)length);
    page_expect(page, text, length);
    TRY_EQ(ovio_put_byte(writer, '#'), 1);
    page_expect(page, "#", 1);
  }
  for (size_t count = 0; count < 30; count++) {
    TRY_EQ(ovio_fill(writer, 'x', (int64_t)count), (int64_t)count);
    memset(page->model + page->used, 'x', count);
    page->used += count;
  }
  TRY_EQ(ovio_fill(writer, 'y', 1000), 1000);
  memset(page->model + page->used, 'y', 1000);
  page->used += 1000;
}

static void page_write(struct test *test, size_t length, int64_t offset) {
  struct page page;
  TRY_EQ(page_open(&page, length, offset), 0);
  page_integers(test, &page);
  page_fill(test, &page);
  page_texts(test, &page);
  TRY(page.writer.used <= length);
  TRY(page_close(&page, offset > 0 ? (size_t)offset : 0));
  if (offset >= 0)
    TRY_EQ(page.writer.offset, offset + (int64_t)page.used);
}

static void test_every_buffer(struct test *test) {
  for (size_t length = 0; length < LENGTHS && !test->failure[0]; length++) {
    page_write(test, length, OVIO_HERE);
    page_write(test, length, 0);
  }
  page_write(test, 9, 5);
}

static void test_short_calls(struct test *test) {
  ovio_set_max_transfer(3);
  for (size_t length = 0; length < LENGTHS && !test->failure[0]; length += 3)
    page_write(test, length, OVIO_HERE);
  ovio_set_max_transfer(0);
}

/* ---- what is written when ---- */

static void test_nothing_is_written_before_the_buffer_is_full(
    struct test *test) {
  struct page page;
  char bytes[8];
  TRY_EQ(page_open(&page, 4, OVIO_HERE), 0);
  TRY_EQ(ovio_put(&page.writer, "abcd", 4), 4);
  TRY_EQ(ovio_size(&page.file), 0);
  TRY_EQ(ovio_put_byte(&page.writer, 'e'), 1);
  TRY_EQ(ovio_size(&page.file), 4);
  TRY_EQ(ovio_flush(&page.writer), 0);
  TRY_EQ(ovio_flush(&page.writer), 0);
  TRY_EQ(ovio_close(&page.file), 0);
  TRY_EQ(test_get(page.path, bytes, sizeof bytes), 5);
  TRY(memcmp(bytes, "abcde", 5) == 0);
}

static void test_long_text(struct test *test) {
  struct page page;
  char *text = malloc(100001);
  TRY(text);
  memset(text, 'z', 100000);
  text[100000] = 0;
  int error = page_open(&page, 10, OVIO_HERE);
  int64_t taken = ovio_print(&page.writer, "<%s>", text);
  memory_fail_at = 1;
  int64_t refused = ovio_print(&page.writer, "<%s>", text);
  bool full = memory_fail_at == 0;
  memory_fail_at = 0;
  free(text);
  TRY_EQ(error, 0);
  TRY_EQ(taken, 100002);
  TRY_EQ(refused, OVIO_ENOMEM);
  TRY(full);
  TRY_EQ(ovio_flush(&page.writer), 0);
  TRY_EQ(ovio_size(&page.file), 100002);
  TRY_EQ(ovio_close(&page.file), 0);
}

/* ---- failures ---- */

static void test_a_reader_that_is_gone(struct test *test) {
  struct ovio_file ends[2];
  struct ovio_writer writer;
  char buffer[4];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_writer_init(&writer, &ends[1], buffer, 4, OVIO_HERE), 0);
  TRY_EQ(ovio_put(&writer, "abc", 3), 3);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_flush(&writer), OVIO_EPIPE);
  TRY_EQ(writer.used, 3);
  TRY_EQ(ovio_put_u32(&writer, 1, OVIO_BIG), OVIO_EPIPE);
  TRY_EQ(writer.used, 3);
  TRY_EQ(ovio_put(&writer, "def", 3), 1);
  TRY_EQ(ovio_put(&writer, "ef", 2), OVIO_EPIPE);
  TRY_EQ(ovio_put(&writer, "long text", 9), OVIO_EPIPE);
  TRY_EQ(ovio_fill(&writer, 0, 9), OVIO_EPIPE);
  TRY_EQ(ovio_print(&writer, "%d", 12), OVIO_EPIPE);
  TRY_EQ(ovio_print(&writer, "%d", 123456), OVIO_EPIPE);
  TRY(memcmp(buffer, "abcd", 4) == 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

/* A writer whose file is exchanged for one that works goes on where it was. */
static void test_a_flush_that_is_tried_again(struct test *test) {
  struct page page;
  struct ovio_file closed = {{0}};
  TRY_EQ(page_open(&page, 8, OVIO_HERE), 0);
  page.writer.file = &closed;
  TRY_EQ(ovio_put(&page.writer, "0123456789", 10), OVIO_EBADF);
  TRY_EQ(ovio_put(&page.writer, "012345", 6), 6);
  TRY_EQ(ovio_put(&page.writer, "6789", 4), 2);
  TRY_EQ(ovio_flush(&page.writer), OVIO_EBADF);
  page.writer.file = &page.file;
  TRY_EQ(ovio_put(&page.writer, "89", 2), 2);
  page_expect(&page, "0123456789", 10);
  TRY(page_close(&page, 0));
}

static void test_cancelled(struct test *test) {
  struct ovio_file ends[2];
  struct ovio_writer writer;
  char byte;
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_writer_init(&writer, &ends[1], NULL, 0, OVIO_HERE), 0);
  TRY_EQ(ovio_deadline(20000000), 0);
  int64_t taken;
  int64_t total = 0;
  while ((taken = ovio_fill(&writer, 'f', 100000)) > 0)
    total += taken;
  TRY_EQ(taken, OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  while ((taken = ovio_read(&ends[0], &byte, 1, OVIO_HERE)) > 0)
    total--;
  TRY_EQ(total, 0);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_writer writer;
  struct ovio_file closed = {{0}};
  char buffer[8];
  TRY_EQ(ovio_writer_init(NULL, &closed, NULL, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_writer_init(&writer, NULL, NULL, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_writer_init(&writer, &closed, NULL, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_writer_init(&writer, &closed, buffer, 8, -2), OVIO_EINVAL);
  TRY_EQ(ovio_writer_init(&writer, &closed, buffer, 8, 0), 0);
  TRY_EQ(ovio_put(NULL, "", 0), OVIO_EINVAL);
  TRY_EQ(ovio_put(&writer, NULL, 1), OVIO_EINVAL);
  TRY_EQ(ovio_put(&writer, NULL, 0), 0);
  TRY_EQ(ovio_put_u16(NULL, 1, OVIO_BIG), OVIO_EINVAL);
  TRY_EQ(ovio_put_u16(&writer, 1, (enum ovio_order)3), OVIO_EINVAL);
  TRY_EQ(ovio_fill(&writer, 0, -1), OVIO_EINVAL);
  TRY_EQ(ovio_print(NULL, "%d", 1), OVIO_EINVAL);
  TRY_EQ(ovio_flush(NULL), OVIO_EINVAL);
  TRY_EQ(writer.used, 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_every_buffer),
      TEST(test_short_calls),
      TEST(test_nothing_is_written_before_the_buffer_is_full),
      TEST(test_long_text),
      TEST(test_a_reader_that_is_gone),
      TEST(test_a_flush_that_is_tried_again),
      TEST_LOOP(test_cancelled, "a plain thread has no deadline"),
      TEST(test_bad_arguments),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
