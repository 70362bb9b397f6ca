/* SPDX-License-Identifier: MIT */
/* Buffered reading, against a plain array, with every small buffer, from files
 * and from a pipe that gives one byte at a time. */
#include "companion.h"

enum { LENGTHS = 20, TEXT = 300 };

/* A reader on a file that holds `text`. */
struct page {
  struct ovio_file file;
  struct ovio_reader reader;
  unsigned char buffer[LENGTHS];
  unsigned char text[TEXT];
  size_t length; /* of the text */
};

static int page_open(struct page *page, const void *text, size_t length,
                     size_t room, int64_t offset) {
  const char *path = test_path("page");
  memset(page, 0, sizeof *page);
  memcpy(page->text, text, length);
  page->length = length;
  if (!test_put(path, text, length))
    return OVIO_EUNKNOWN;
  int error = ovio_open(&page->file, path, OVIO_READ, 0);
  return error ? error
               : ovio_reader_init(&page->reader, &page->file,
                                  room ? page->buffer : NULL, room, offset);
}

/* ---- every kind of piece, every buffer, against the text ---- */

struct chance {
  uint32_t state;
};

static size_t chance_below(struct chance *chance, size_t limit) {
  chance->state = chance->state * 1664525u + 1013904223u;
  return (chance->state >> 8) % limit;
}

static size_t model_until(const struct page *page, size_t at, size_t limit,
                          unsigned char delimiter) {
  size_t left = page->length - at;
  if (limit > left)
    limit = left;
  const unsigned char *from = page->text + at;
  const unsigned char *found = limit ? memchr(from, delimiter, limit) : NULL;
  return found ? (size_t)(found - from) + 1 : limit;
}

static void step_exactly(struct test *test, struct page *page, size_t *at,
                         size_t length) {
  unsigned char bytes[TEXT];
  size_t left = page->length - *at;
  size_t wanted = length < left ? length : left;
  size_t got = 999;
  TRY_EQ(ovio_get_exactly(&page->reader, bytes, length, &got),
         length <= left ? 0 : OVIO_EEOF);
  TRY_EQ(got, wanted);
  TRY(memcmp(bytes, page->text + *at, wanted) == 0);
  *at += wanted;
}

static void step_until(struct test *test, struct page *page, size_t *at,
                       size_t limit) {
  unsigned char bytes[TEXT];
  size_t wanted = model_until(page, *at, limit, 'e');
  TRY_EQ(ovio_get_until(&page->reader, bytes, limit, 'e'), wanted);
  TRY(memcmp(bytes, page->text + *at, wanted) == 0);
  *at += wanted;
}

static void step_peek(struct test *test, struct page *page, size_t at,
                      size_t want) {
  const unsigned char *bytes;
  size_t left = page->length - at;
  int64_t ready = ovio_peek(&page->reader, &bytes, want);
  TRY(ready >= (int64_t)(want < left ? want : left));
  TRY(ready <= (int64_t)left);
  TRY(memcmp(bytes, page->text + at, (size_t)ready) == 0);
}

static void step_integer(struct test *test, struct page *page, size_t *at) {
  uint32_t value = 77;
  const unsigned char *from = page->text + *at;
  int error = ovio_get_u32(&page->reader, &value, OVIO_BIG);
  if (page->length - *at < 4) {
    TRY_EQ(error, OVIO_EEOF);
    TRY_EQ(value, 77);
    return;
  }
  TRY_EQ(error, 0);
  TRY_EQ(value, (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
                    (uint32_t)from[2] << 8 | from[3]);
  *at += 4;
}

static void step_get(struct test *test, struct page *page, size_t *at,
                     size_t limit) {
  unsigned char bytes[TEXT];
  int64_t got = ovio_get(&page->reader, bytes, limit);
  size_t left = page->length - *at;
  TRY(got >= (limit && left ? 1 : 0));
  TRY(got <= (int64_t)(limit < left ? limit : left));
  TRY(memcmp(bytes, page->text + *at, (size_t)got) == 0);
  *at += (size_t)got;
}

static void step_skip(struct test *test, struct page *page, size_t *at,
                      size_t count) {
  size_t left = page->length - *at;
  size_t wanted = count < left ? count : left;
  TRY_EQ(ovio_skip(&page->reader, (int64_t)count), wanted);
  *at += wanted;
}

static void step(struct test *test, struct page *page, size_t *at,
                 struct chance *chance) {
  size_t room = page->reader.length < 8 ? 8 : page->reader.length;
  size_t size = chance_below(chance, 30);
  switch (chance_below(chance, 6)) {
  case 0:
    step_exactly(test, page, at, size);
    break;
  case 1:
    step_until(test, page, at, size + 1);
    break;
  case 2:
    step_peek(test, page, *at, size % (room + 1));
    break;
  case 3:
    step_integer(test, page, at);
    break;
  case 4:
    step_get(test, page, at, size);
    break;
  default:
    step_skip(test, page, at, size);
  }
}

static void walk(struct test *test, struct page *page, size_t start,
                 uint32_t seed) {
  struct chance chance = {seed};
  size_t at = start;
  for (int steps = 0; steps < 60 && !test->failure[0]; steps++) {
    struct ovio_reader moved = page->reader;
    memset(&page->reader, 0xee, sizeof page->reader);
    page->reader = moved;
    step(test, page, &at, &chance);
  }
  step_skip(test, page, &at, TEXT);
  TRY_EQ(at, page->length);
  step_get(test, page, &at, 5);
}

static void walk_file(struct test *test, size_t room, int64_t offset) {
  struct page page;
  char text[TEXT];
  for (size_t at = 0; at < TEXT; at++)
    text[at] = (char)('a' + at % 26 + (at / 26 % 3));
  TRY_EQ(page_open(&page, text, TEXT, room, offset), 0);
  walk(test, &page, offset > 0 ? (size_t)offset : 0, (uint32_t)room * 7 + 1);
  TRY_EQ(ovio_close(&page.file), 0);
}

static void test_every_buffer(struct test *test) {
  for (size_t room = 0; room < LENGTHS && !test->failure[0]; room++) {
    walk_file(test, room, OVIO_HERE);
    walk_file(test, room, 0);
    walk_file(test, room, 11);
  }
}

/* ---- a pipe that gives one byte at a time ---- */

struct dripper {
  struct ovio_file *out;
  const struct page *page;
};

static void drip(void *argument) {
  struct dripper *dripper = argument;
  for (size_t at = 0; at < dripper->page->length; at++) {
    if (ovio_write(dripper->out, dripper->page->text + at, 1, OVIO_HERE) != 1)
      break;
    ovio_yield();
  }
  ovio_close(dripper->out);
}

static void walk_pipe(struct test *test, size_t room) {
  struct ovio_file ends[2];
  struct page page = {.length = TEXT};
  struct dripper dripper = {&ends[1], &page};
  struct companion companion;
  memset(page.text, 'a', TEXT);
  for (size_t at = 0; at < TEXT; at += 5)
    page.text[at] = 'e';
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY_EQ(ovio_reader_init(&page.reader, &ends[0], page.buffer, room, -1), 0);
  TRY(companion_start(test, &companion, drip, &dripper));
  walk(test, &page, 0, (uint32_t)room + 99);
  companion_join(&companion);
  TRY_EQ(ovio_close(&ends[0]), 0);
}

static void test_byte_by_byte(struct test *test) {
  for (size_t room = 0; room < LENGTHS && !test->failure[0]; room += 3)
    walk_pipe(test, room);
}

/* ---- integers ---- */

static void test_integers(struct test *test) {
  struct page page;
  unsigned char byte;
  uint16_t two;
  uint32_t four;
  uint64_t eight;
  TRY_EQ(page_open(&page,
                   "\xf1\x02"
                   "\xf1\x02"
                   "\x01\x02\x03\x04"
                   "\xf1\x02\x03\x04\x05\x06\x07\x08"
                   "\xf1\x02\x03\x04\x05\x06\x07\x08"
                   "\x09",
                   25, 3, 0),
         0);
  TRY_EQ(ovio_get_u16(&page.reader, &two, OVIO_LITTLE), 0);
  TRY_EQ(two, 0x02f1);
  TRY_EQ(ovio_get_u16(&page.reader, &two, OVIO_BIG), 0);
  TRY_EQ(two, 0xf102);
  TRY_EQ(ovio_get_u32(&page.reader, &four, OVIO_NATIVE), 0);
  TRY(memcmp(&four, "\x01\x02\x03\x04", 4) == 0);
  TRY_EQ(ovio_get_u64(&page.reader, &eight, OVIO_BIG), 0);
  TRY(eight == UINT64_C(0xf102030405060708));
  TRY_EQ(ovio_get_u64(&page.reader, &eight, OVIO_LITTLE), 0);
  TRY(eight == UINT64_C(0x08070605040302f1));
  TRY_EQ(ovio_get_u16(&page.reader, &two, OVIO_LITTLE), OVIO_EEOF);
  TRY_EQ(ovio_get_byte(&page.reader, &byte), 0); /* it was kept */
  TRY_EQ(byte, 9);
  TRY_EQ(ovio_get_byte(&page.reader, &byte), OVIO_EEOF);
  TRY_EQ(ovio_close(&page.file), 0);
}

/* ---- lines ---- */

static void lines(struct test *test, size_t room) {
  static const char text[] = "one\n\ntwo\r\n\r\nthr\ree\r\r\nlongest line\r\n"
                             "exact!\r\nlast\r";
  static const struct {
    const char *line;
    int64_t result;
  } wanted[] = {
      {"one", 3}, {"", 0}, {"two", 3}, {"", 0}, {"thr\ree", OVIO_EOVERFLOW},
  };
  struct page page;
  char line[7];
  TRY_EQ(page_open(&page, text, sizeof text - 1, room, OVIO_HERE), 0);
  for (size_t at = 0; at < sizeof wanted / sizeof *wanted; at++) {
    TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), wanted[at].result);
    TRY(strcmp(line, wanted[at].line) == 0);
  }
  TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), 1);
  TRY(strcmp(line, "\r") == 0);
  TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), OVIO_EOVERFLOW);
  TRY(strcmp(line, "longes") == 0);
  TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), 6);
  TRY(strcmp(line, "t line") == 0);
  TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), 6);
  TRY(strcmp(line, "exact!") == 0);
  TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), 5);
  TRY(strcmp(line, "last\r") == 0);
  TRY_EQ(ovio_get_line(&page.reader, line, sizeof line), OVIO_EEOF);
  TRY(strcmp(line, "") == 0);
  TRY_EQ(ovio_close(&page.file), 0);
}

static void test_lines(struct test *test) {
  for (size_t room = 0; room < LENGTHS && !test->failure[0]; room++)
    lines(test, room);
}

static void test_an_empty_file(struct test *test) {
  struct page page;
  const unsigned char *bytes;
  char line[4];
  TRY_EQ(page_open(&page, "", 0, 4, OVIO_HERE), 0);
  TRY_EQ(ovio_get_line(&page.reader, line, 4), OVIO_EEOF);
  TRY_EQ(ovio_get_until(&page.reader, line, 4, 0), 0);
  TRY_EQ(ovio_peek(&page.reader, &bytes, 1), 0);
  TRY_EQ(ovio_skip(&page.reader, 1), 0);
  TRY_EQ(ovio_get_exactly(&page.reader, line, 1, NULL), OVIO_EEOF);
  TRY_EQ(ovio_close(&page.file), 0);
}

static void test_a_file_that_grows(struct test *test) {
  struct page page;
  char line[8];
  TRY_EQ(page_open(&page, "a", 1, 4, OVIO_HERE), 0);
  TRY_EQ(ovio_get_line(&page.reader, line, 8), 1);
  TRY_EQ(ovio_get_line(&page.reader, line, 8), OVIO_EEOF);
  TRY(test_put(test_path("page"), "a\nb\n", 4));
  TRY_EQ(ovio_get_line(&page.reader, line, 8), 0);
  TRY_EQ(ovio_get_line(&page.reader, line, 8), 1);
  TRY(strcmp(line, "b") == 0);
  TRY_EQ(ovio_close(&page.file), 0);
}

/* ---- failures: a pipe with "abc" in it, and then a deadline ---- */

struct drained {
  struct ovio_file ends[2];
  struct ovio_reader reader;
  char buffer[16];
};

static void drained_open(struct test *test, struct drained *drained,
                         size_t room) {
  TRY_EQ(ovio_pipe(drained->ends, 0), 0);
  TRY_EQ(ovio_reader_init(&drained->reader, &drained->ends[0], drained->buffer,
                          room, OVIO_HERE),
         0);
  TRY_EQ(ovio_write(&drained->ends[1], "abc", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_deadline(10000000), 0);
}

static void drained_close(struct test *test, struct drained *drained) {
  TRY_EQ(ovio_deadline(0), 0);
  TRY_EQ(ovio_close(&drained->ends[0]), 0);
  TRY_EQ(ovio_close(&drained->ends[1]), 0);
}

static void test_a_line_before_a_failure(struct test *test) {
  for (size_t room = 0; room < 16 && !test->failure[0]; room++) {
    struct drained drained;
    char line[10];
    drained_open(test, &drained, room);
    TRY_EQ(ovio_get_line(&drained.reader, line, sizeof line), 3);
    TRY(strcmp(line, "abc") == 0);
    TRY_EQ(ovio_deadline(0), 0); /* the error has been met already */
    TRY_EQ(ovio_get_line(&drained.reader, line, sizeof line), OVIO_ETIMEDOUT);
    TRY_EQ(ovio_write(&drained.ends[1], "d\n", 2, OVIO_HERE), 2);
    TRY_EQ(ovio_get_line(&drained.reader, line, sizeof line), 1);
    drained_close(test, &drained);
  }
}

static void test_pieces_before_a_failure(struct test *test) {
  struct drained drained;
  const unsigned char *bytes;
  uint32_t four = 0;
  char line[10];
  size_t got;
  drained_open(test, &drained, 4);
  TRY_EQ(ovio_peek(&drained.reader, &bytes, 4), 3);
  TRY_EQ(ovio_get_u32(&drained.reader, &four, OVIO_BIG), OVIO_ETIMEDOUT);
  TRY_EQ(ovio_get_exactly(&drained.reader, line, 9, &got), OVIO_ETIMEDOUT);
  TRY_EQ(got, 3);
  TRY(memcmp(line, "abc", 3) == 0);
  drained_close(test, &drained);
  drained_open(test, &drained, 4);
  TRY_EQ(ovio_get_until(&drained.reader, line, 9, 'x'), 3);
  TRY_EQ(ovio_get_until(&drained.reader, line, 9, 'x'), OVIO_ETIMEDOUT);
  drained_close(test, &drained);
  drained_open(test, &drained, 0);
  TRY_EQ(ovio_skip(&drained.reader, 9), 3);
  TRY_EQ(ovio_get(&drained.reader, line, 9), OVIO_ETIMEDOUT);
  drained_close(test, &drained);
}

static void test_native_error_is_kept(struct test *test) {
  struct page page;
  char line[10];
  TRY_EQ(page_open(&page, "abc", 3, 8, OVIO_HERE), 0);
  struct ovio_file closed = {{0}};
  TRY_EQ(ovio_get(&page.reader, line, 1), 1);
  page.reader.file = &closed;
  int64_t part = ovio_get_line(&page.reader, line, sizeof line);
  int64_t error = ovio_get_line(&page.reader, line, sizeof line);
  TRY_EQ(part, 2);
  TRY_EQ(error, OVIO_EBADF);
  TRY_EQ(ovio_native_error(), 0);
  TRY_EQ(ovio_close(&page.file), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_reader reader;
  struct ovio_file closed = {{0}};
  const unsigned char *bytes;
  uint16_t two;
  uint32_t four;
  char buffer[16];
  TRY_EQ(ovio_reader_init(NULL, &closed, NULL, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_reader_init(&reader, NULL, NULL, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_reader_init(&reader, &closed, NULL, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_reader_init(&reader, &closed, buffer, 9, -2), OVIO_EINVAL);
  TRY_EQ(ovio_reader_init(&reader, &closed, buffer, 9, 0), 0);
  TRY_EQ(ovio_get(NULL, buffer, 1), OVIO_EINVAL);
  TRY_EQ(ovio_get(&reader, NULL, 1), OVIO_EINVAL);
  TRY_EQ(ovio_get(&reader, NULL, 0), 0);
  TRY_EQ(ovio_get(&reader, buffer, 1), OVIO_EBADF);
  TRY_EQ(ovio_get_exactly(&reader, NULL, 1, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_get_byte(&reader, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_get_u16(&reader, NULL, OVIO_BIG), OVIO_EINVAL);
  TRY_EQ(ovio_get_u32(&reader, NULL, OVIO_BIG), OVIO_EINVAL);
  TRY_EQ(ovio_get_u64(NULL, NULL, OVIO_BIG), OVIO_EINVAL);
  TRY_EQ(ovio_get_u32(&reader, &four, (enum ovio_order)9), OVIO_EINVAL);
  TRY_EQ(ovio_get_u16(&reader, &two, OVIO_BIG), OVIO_EBADF);
  TRY_EQ(ovio_get_until(&reader, NULL, 1, 0), OVIO_EINVAL);
  TRY_EQ(ovio_get_line(NULL, buffer, 1), OVIO_EINVAL);
  TRY_EQ(ovio_skip(NULL, 1), OVIO_EINVAL);
  TRY_EQ(ovio_peek(NULL, &bytes, 1), OVIO_EINVAL);
  TRY_EQ(ovio_get_u16(&reader, &two, (enum ovio_order)3), OVIO_EINVAL);
  TRY_EQ(ovio_get_until(&reader, buffer, 0, 0), OVIO_EINVAL);
  TRY_EQ(ovio_get_line(&reader, buffer, 0), OVIO_EINVAL);
  TRY_EQ(ovio_skip(&reader, -1), OVIO_EINVAL);
  TRY_EQ(ovio_peek(&reader, &bytes, 10), OVIO_EINVAL);
  TRY_EQ(ovio_peek(&reader, NULL, 1), OVIO_EINVAL);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_every_buffer),
      TEST(test_byte_by_byte),
      TEST(test_integers),
      TEST(test_lines),
      TEST(test_an_empty_file),
      TEST(test_a_file_that_grows),
      TEST_LOOP(test_a_line_before_a_failure, "a plain thread has no deadline"),
      TEST_LOOP(test_pieces_before_a_failure, "a plain thread has no deadline"),
      TEST(test_native_error_is_kept),
      TEST(test_bad_arguments),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
