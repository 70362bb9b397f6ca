/* SPDX-License-Identifier: MIT */
/* A reader, on a file that the input makes up: its bytes, at which of them a
 * read fails, how much a read moves, when the file grows. Against the text
 * itself: whatever was read ahead, every call must deliver the bytes in order,
 * and a failure where it stands between them, once.
 *
 * The streams are compiled once more, with the two calls that they rest on
 * replaced. */
#define ovio_read   fuzz_read
#define ovio_writev fuzz_writev
#include "common/stream.c"

#include "fuzz.h"

enum { TEXT_MAX = 512, BUFFER_MAX = 64, ERRORS_MAX = 8, BASE = 1000 };

/* ---- the file ---- */

struct source {
  struct input *script;
  uint8_t text[TEXT_MAX];
  size_t length; /* so far */
  size_t most;   /* to which it may grow */
  size_t at;
  int64_t offset;            /* of the first byte; OVIO_HERE */
  size_t errors[ERRORS_MAX]; /* where one stands; TEXT_MAX: gone */
};

static struct source source;

static int error_code(size_t which) {
  return which % 2 ? OVIO_EIO : OVIO_ETIMEDOUT;
}

/* The first failure at or behind `at`. */
static size_t source_error(size_t at) {
  size_t first = ERRORS_MAX;
  for (size_t which = 0; which < ERRORS_MAX; which++) {
    size_t place = source.errors[which];
    if (place < TEXT_MAX && place >= at &&
        (first == ERRORS_MAX || place < source.errors[first]))
      first = which;
  }
  return first;
}

int64_t fuzz_read(struct ovio_file *file, void *buffer, size_t length,
                  int64_t offset) {
  (void)file;
  FUZZ_CHECK(length > 0);
  FUZZ_CHECK(
      offset ==
      (source.offset < 0 ? OVIO_HERE : source.offset + (int64_t)source.at));
  size_t end = source.length;
  size_t which = source_error(source.at);
  if (which < ERRORS_MAX && source.errors[which] == source.at) {
    source.errors[which] = TEXT_MAX;
    return runner_answer(error_code(which), (uint32_t)which + 100);
  }
  if (which < ERRORS_MAX && source.errors[which] < end)
    end = source.errors[which];
  size_t moved = end - source.at;
  size_t chunk = 1 + input_byte(source.script) % 32;
  moved = moved < chunk ? moved : chunk;
  moved = moved < length ? moved : length;
  memcpy(buffer, source.text + source.at, moved);
  source.at += moved;
  return (int64_t)moved;
}

int64_t fuzz_writev(struct ovio_file *file, const struct ovio_iovec *iov,
                    size_t count, int64_t offset) {
  (void)file;
  (void)iov;
  (void)count;
  (void)offset;
  return OVIO_EBADF;
}

/* ---- what is expected ---- */

struct page {
  struct input *script;
  struct ovio_reader *reader;
  unsigned char *buffer;
  size_t length;             /* of the buffer */
  size_t at;                 /* how far the text has been delivered */
  size_t errors[ERRORS_MAX]; /* those that are still to be delivered */
};

/* Where the bytes end that can be delivered now, and by which failure. */
static size_t page_end(const struct page *page, size_t *which) {
  size_t end = source.length;
  *which = ERRORS_MAX;
  for (size_t error = 0; error < ERRORS_MAX; error++) {
    size_t place = page->errors[error];
    if (place < TEXT_MAX && place >= page->at &&
        (place < end || (place == end && *which == ERRORS_MAX))) {
      end = place;
      *which = error;
    }
  }
  return end;
}

/* Why there is no more: `result` is the failure that stands there, which is
 * over by that, or what a call says at the end. */
static void page_stop(struct page *page, size_t which, int64_t result,
                      int64_t at_end) {
  if (which == ERRORS_MAX) {
    FUZZ_CHECK(result == at_end);
    return;
  }
  FUZZ_CHECK(result == error_code(which));
  FUZZ_CHECK(ovio_native_error() == which + 100);
  page->errors[which] = TEXT_MAX;
}

static void page_deliver(struct page *page, const void *bytes, size_t length) {
  FUZZ_CHECK(memcmp(bytes, source.text + page->at, length) == 0);
  page->at += length;
}

static size_t least(size_t one, size_t two) {
  return one < two ? one : two;
}

/* ---- steps ---- */

static void step_get(struct page *page) {
  size_t which;
  size_t left = page_end(page, &which) - page->at;
  size_t limit = input_byte(page->script) % 80;
  unsigned char *bytes = fuzz_allocate(limit);
  int64_t got = ovio_get(page->reader, bytes, limit);
  if (limit == 0) {
    FUZZ_CHECK(got == 0);
  } else if (left == 0) {
    page_stop(page, which, got, 0);
  } else {
    FUZZ_CHECK(got > 0 && (size_t)got <= least(limit, left));
    page_deliver(page, bytes, (size_t)got);
  }
  free(bytes);
}

static void step_exactly(struct page *page) {
  size_t which;
  size_t left = page_end(page, &which) - page->at;
  size_t length = input_byte(page->script) % 80;
  size_t got = 999;
  unsigned char *bytes = fuzz_allocate(length);
  int error = ovio_get_exactly(page->reader, bytes, length, &got);
  FUZZ_CHECK(got == least(length, left));
  page_deliver(page, bytes, got);
  if (length <= left)
    FUZZ_CHECK(error == 0);
  else
    page_stop(page, which, error, OVIO_EEOF);
  free(bytes);
}

static int get_integer(struct page *page, size_t width, unsigned order,
                       uint64_t *value) {
  enum ovio_order how = (enum ovio_order)order;
  uint8_t u8 = 0x5a;
  uint16_t u16 = 0x5a;
  uint32_t u32 = 0x5a;
  int error = 0;
  *value = 0x5a;
  if (width == 1) {
    error = ovio_get_byte(page->reader, &u8);
    *value = u8;
  } else if (width == 2) {
    error = ovio_get_u16(page->reader, &u16, how);
    *value = u16;
  } else if (width == 4) {
    error = ovio_get_u32(page->reader, &u32, how);
    *value = u32;
  } else {
    error = ovio_get_u64(page->reader, value, how);
  }
  return error;
}

/* Both systems that this is run on have the low byte first. */
static uint64_t expected_integer(const uint8_t *bytes, size_t width,
                                 unsigned order) {
  uint64_t value = 0;
  for (size_t at = 0; at < width; at++)
    value = value << 8 | bytes[order == OVIO_BIG ? at : width - 1 - at];
  return value;
}

static void step_integer(struct page *page) {
  static const size_t widths[] = {1, 2, 4, 8};
  size_t which;
  uint64_t value;
  size_t left = page_end(page, &which) - page->at;
  unsigned choice = input_byte(page->script);
  size_t width = widths[choice % 4];
  unsigned order = choice / 4 % 4; /* the last is none */
  int error = get_integer(page, width, order, &value);
  if (order > OVIO_NATIVE && width > 1) {
    FUZZ_CHECK(error == OVIO_EINVAL);
  } else if (left >= width) {
    FUZZ_CHECK(error == 0);
    FUZZ_CHECK(value == expected_integer(source.text + page->at, width, order));
    page->at += width;
  } else {
    page_stop(page, which, error, OVIO_EEOF);
  }
  FUZZ_CHECK(error == 0 || value == 0x5a);
}

static void step_until(struct page *page) {
  size_t which;
  size_t left = page_end(page, &which) - page->at;
  size_t limit = input_byte(page->script) % 80;
  unsigned char delimiter = (unsigned char)input_byte(page->script);
  unsigned char *bytes = fuzz_allocate(limit);
  int64_t got = ovio_get_until(page->reader, bytes, limit, delimiter);
  size_t wanted = 0;
  while (wanted < least(limit, left) &&
         (wanted == 0 || source.text[page->at + wanted - 1] != delimiter))
    wanted++;
  if (limit == 0) {
    FUZZ_CHECK(got == OVIO_EINVAL);
  } else if (wanted == 0) {
    page_stop(page, which, got, 0);
  } else {
    FUZZ_CHECK(got == (int64_t)wanted);
    page_deliver(page, bytes, wanted);
  }
  free(bytes);
}

/* How long the end of a line is that stands there. */
static size_t line_end(const uint8_t *at, size_t left) {
  if (left > 0 && at[0] == '\n')
    return 1;
  return left > 1 && at[0] == '\r' && at[1] == '\n' ? 2 : 0;
}

static void check_line(struct page *page, const char *line, size_t room,
                       int64_t got) {
  size_t which;
  const uint8_t *text = source.text + page->at;
  size_t left = page_end(page, &which) - page->at;
  size_t length = 0;
  while (length < left && length < room &&
         !line_end(text + length, left - length))
    length++;
  size_t end = line_end(text + length, left - length);
  FUZZ_CHECK(line[length] == 0);
  page_deliver(page, line, length);
  page->at += end;
  if (end || (length == left && length > 0))
    FUZZ_CHECK(got == (int64_t)length);
  else if (length < left)
    FUZZ_CHECK(got == OVIO_EOVERFLOW);
  else
    page_stop(page, which, got, OVIO_EEOF);
}

static void step_line(struct page *page) {
  size_t size = input_byte(page->script) % 40;
  char *line = fuzz_allocate(size);
  int64_t got = ovio_get_line(page->reader, line, size);
  if (size == 0)
    FUZZ_CHECK(got == OVIO_EINVAL);
  else
    check_line(page, line, size - 1, got);
  free(line);
}

static void step_skip(struct page *page) {
  size_t which;
  size_t left = page_end(page, &which) - page->at;
  size_t count = input_byte(page->script) * 2;
  int64_t got = ovio_skip(page->reader, (int64_t)count);
  if (count > 0 && left == 0) {
    page_stop(page, which, got, 0);
    return;
  }
  FUZZ_CHECK(got == (int64_t)least(count, left));
  page->at += (size_t)got;
}

static void step_peek(struct page *page) {
  size_t which;
  const unsigned char *bytes = NULL;
  size_t left = page_end(page, &which) - page->at;
  size_t room = page->length < 8 ? 8 : page->length;
  size_t want = input_byte(page->script) % (BUFFER_MAX + 2);
  int64_t ready = ovio_peek(page->reader, &bytes, want);
  if (want > room) {
    FUZZ_CHECK(ready == OVIO_EINVAL);
  } else if (left == 0 && want > 0) {
    page_stop(page, which, ready, 0);
  } else {
    FUZZ_CHECK(ready >= (int64_t)least(want, left) && ready <= (int64_t)left);
    FUZZ_CHECK(memcmp(bytes, source.text + page->at, (size_t)ready) == 0);
  }
}

static void step_grow(struct page *page) {
  size_t more = input_byte(page->script) % 64;
  source.length = least(source.length + more, source.most);
}

/* A stream may be moved. */
static void step_move(struct page *page) {
  struct ovio_reader *other = fuzz_allocate(sizeof *other);
  *other = *page->reader;
  memset(page->reader, 0xa5, sizeof *page->reader);
  free(page->reader);
  page->reader = other;
}

/* ---- the whole ---- */

static void page_prepare(struct page *page) {
  page->length = input_byte(page->script) % (BUFFER_MAX + 1);
  page->buffer = fuzz_allocate(page->length);
  page->reader = fuzz_allocate(sizeof *page->reader);
  source = (struct source){.script = page->script};
  source.offset = input_byte(page->script) % 2 ? OVIO_HERE : BASE;
  for (size_t which = 0; which < ERRORS_MAX; which++) {
    unsigned place = which < 3 ? input_byte(page->script) : 255;
    source.errors[which] = place < 200 ? place : TEXT_MAX;
  }
  memcpy(page->errors, source.errors, sizeof page->errors);
  size_t length = input_u16(page->script) % (TEXT_MAX + 1);
  struct input text = input_part(page->script, length);
  if (text.left)
    memcpy(source.text, text.at, text.left);
  source.most = text.left;
  source.length = text.left - least(text.left, input_byte(page->script) % 16);
  FUZZ_CHECK(ovio_reader_init(page->reader, (struct ovio_file *)&source,
                              page->buffer, page->length, source.offset) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  static void (*const steps[])(struct page *) = {
      step_get,  step_exactly, step_integer, step_until, step_line, step_line,
      step_skip, step_peek,    step_integer, step_grow,  step_move};
  struct input script = {data, length};
  struct page page = {.script = &script};
  page_prepare(&page);
  while (script.left) {
    size_t was = source.at > page.at ? source.at : page.at;
    unsigned kind = input_byte(&script) % (sizeof steps / sizeof *steps);
    steps[kind](&page);
    size_t needed = was > page.at ? was : page.at;
    bool looks_ahead = kind == 2 || kind == 4 || kind == 5 || kind == 7 ||
                       kind == 8; /* an integer, a CR, a peek */
    FUZZ_CHECK(source.at >= page.at);
    FUZZ_CHECK(page.length > 0 || looks_ahead || source.at <= needed);
    FUZZ_CHECK(page.length > 0 || source.at - page.at <= 8);
  }
  free(page.buffer);
  free(page.reader);
  return 0;
}
