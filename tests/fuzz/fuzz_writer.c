/* SPDX-License-Identifier: MIT */
/* A writer, on a file that the input makes up: it takes as much of a write as
 * it likes, or fails. What was taken from the caller must be in the file or in
 * the buffer, in order, no byte lost, none twice, after every call.
 *
 * The streams are compiled once more, with the two calls that they rest on
 * replaced. */
#define ovio_read   fuzz_read
#define ovio_writev fuzz_writev
#include "common/stream.c"

#include "fuzz.h"

enum { BUFFER_MAX = 64, TAKEN_MAX = 1 << 16, BASE = 1000 };

/* ---- the file ---- */

struct sink {
  struct input *script;
  uint8_t bytes[TAKEN_MAX];
  size_t length;
  int64_t offset; /* of the first byte; OVIO_HERE */
  int error;      /* of the step under way */
};

static struct sink sink;

int64_t fuzz_read(struct ovio_file *file, void *buffer, size_t length,
                  int64_t offset) {
  (void)file;
  (void)buffer;
  (void)length;
  (void)offset;
  return OVIO_EBADF;
}

int64_t fuzz_writev(struct ovio_file *file, const struct ovio_iovec *iov,
                    size_t count, int64_t offset) {
  size_t moved = 0;
  unsigned choice = input_byte(sink.script);
  (void)file;
  FUZZ_CHECK(offset == (sink.offset < 0 ? OVIO_HERE
                                        : sink.offset + (int64_t)sink.length));
  if (choice >= 224) {
    sink.error = choice % 2 ? OVIO_ENOSPC : OVIO_EPIPE;
    return runner_answer(sink.error, choice);
  }
  size_t most = choice ? choice : SIZE_MAX;
  for (size_t part = 0; part < count; part++) {
    size_t length = iov[part].iov_len;
    if (length > most - moved)
      length = most - moved;
    FUZZ_CHECK(length <= TAKEN_MAX - sink.length);
    if (length)
      memcpy(sink.bytes + sink.length, iov[part].iov_base, length);
    sink.length += length;
    moved += length;
  }
  FUZZ_CHECK(moved > 0); /* nobody writes nothing */
  return (int64_t)moved;
}

/* ---- what is expected ---- */

struct page {
  struct input *script;
  struct ovio_writer writer;
  unsigned char *buffer;
  size_t length; /* of the buffer */
  uint8_t taken[TAKEN_MAX];
  size_t count;
};

static struct page page;

/* The answer to a call that was given these bytes. */
static void page_take(int64_t result, const uint8_t *bytes, size_t length) {
  if (result < 0) {
    FUZZ_CHECK(sink.error && result == sink.error);
    return;
  }
  FUZZ_CHECK(result <= (int64_t)length);
  FUZZ_CHECK(result == (int64_t)length || sink.error);
  FUZZ_CHECK((size_t)result <= TAKEN_MAX - page.count);
  if (result)
    memcpy(page.taken + page.count, bytes, (size_t)result);
  page.count += (size_t)result;
}

static void page_check(void) {
  size_t used = page.writer.used;
  FUZZ_CHECK(used <= page.length);
  FUZZ_CHECK(sink.length + used == page.count);
  FUZZ_CHECK(memcmp(page.taken, sink.bytes, sink.length) == 0);
  FUZZ_CHECK(memcmp(page.taken + sink.length, page.buffer, used) == 0);
}

/* ---- steps ---- */

static void step_put(void) {
  size_t length = input_byte(page.script) % 160;
  uint8_t *bytes = fuzz_allocate(length);
  for (size_t at = 0; at < length; at++)
    bytes[at] = (uint8_t)(page.count * 7 + at);
  page_take(ovio_put(&page.writer, bytes, length), bytes, length);
  free(bytes);
}

static int64_t put_integer(uint64_t value, size_t width, unsigned order) {
  enum ovio_order how = (enum ovio_order)order;
  if (width == 1)
    return ovio_put_byte(&page.writer, (unsigned char)value);
  if (width == 2)
    return ovio_put_u16(&page.writer, (uint16_t)value, how);
  if (width == 4)
    return ovio_put_u32(&page.writer, (uint32_t)value, how);
  return ovio_put_u64(&page.writer, value, how);
}

/* Both systems that this is run on have the low byte first. */
static void step_integer(void) {
  static const size_t widths[] = {1, 2, 4, 8};
  unsigned choice = input_byte(page.script);
  size_t width = widths[choice % 4];
  unsigned order = choice / 4 % 4; /* the last is none */
  uint64_t value = input_u64(page.script);
  uint8_t bytes[8];
  for (size_t at = 0; at < width; at++)
    bytes[order == OVIO_BIG ? width - 1 - at : at] =
        (uint8_t)(value >> (8 * at));
  int64_t result = put_integer(value, width, order);
  if (order > OVIO_NATIVE && width > 1) {
    FUZZ_CHECK(result == OVIO_EINVAL && !sink.error);
    return;
  }
  page_take(result, bytes, width);
  FUZZ_CHECK(result < 0 || result == (int64_t)width || width > page.length);
}

static void step_fill(void) {
  size_t count = input_u16(page.script) % 800;
  uint8_t bytes[800];
  memset(bytes, (int)(count % 256), count);
  page_take(
      ovio_fill(&page.writer, (unsigned char)(count % 256), (int64_t)count),
      bytes, count);
}

static void step_print(void) {
  unsigned choice = input_byte(page.script);
  size_t count = choice % 100;
  char bytes[200];
  int length = snprintf(bytes, sizeof bytes, "%u:%*s", choice, (int)count, "x");
  if (choice % 16 == 15)
    memory_fail_at = 1; /* only long ones need memory */
  int64_t result = ovio_print(&page.writer, "%u:%*s", choice, (int)count, "x");
  bool short_of = choice % 16 == 15 && memory_fail_at == 0;
  memory_fail_at = 0;
  if (short_of)
    FUZZ_CHECK(result == OVIO_ENOMEM);
  else
    page_take(result, (const uint8_t *)bytes, (size_t)length);
}

static void step_flush(void) {
  int error = ovio_flush(&page.writer);
  FUZZ_CHECK(error == sink.error);
  FUZZ_CHECK(error || page.writer.used == 0);
}

/* ---- the whole ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  static void (*const steps[])(void) = {step_put,  step_put,   step_integer,
                                        step_fill, step_print, step_flush};
  struct input script = {data, length};
  sink.script = page.script = &script;
  sink.length = page.count = 0;
  page.length = input_byte(&script) % (BUFFER_MAX + 1);
  page.buffer = fuzz_allocate(page.length);
  sink.offset = input_byte(&script) % 2 ? OVIO_HERE : BASE;
  FUZZ_CHECK(ovio_writer_init(&page.writer, (struct ovio_file *)&sink,
                              page.buffer, page.length, sink.offset) == 0);
  while (script.left && page.count < TAKEN_MAX - 1000) {
    sink.error = 0;
    steps[input_byte(&script) % (sizeof steps / sizeof *steps)]();
    page_check();
  }
  free(page.buffer);
  return 0;
}
