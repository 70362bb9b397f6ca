/* SPDX-License-Identifier: MIT */
/* Streams: a buffer in front of a file, for writing or for reading.
 *
 * WRITER. The first `used` bytes of the buffer are taken from the caller and
 * not written. A byte leaves it when ovio_write() has counted it, and only
 * then; so a short write or a failure neither loses one nor repeats one.
 *
 * READER. What was read and not delivered is in the storage, from `begin` to
 * `end`: the caller's buffer, or the stream's own few bytes where that one
 * cannot hold an integer. A failure met behind such bytes is kept in `error`
 * until they are gone. The end of a file is not kept: it may grow. */
#include <stdbool.h>
#include <string.h>

#include "common/loop.h"
#include "common/memory.h"

enum { PIECE = 256 }; /* of an unbuffered stream, on the stack */

static int64_t stream__refuse(void) {
  return runner_answer(OVIO_EINVAL, 0);
}

static bool stream__is_valid(const struct ovio_file *file, const void *buffer,
                             size_t length, int64_t offset) {
  return file && (buffer || length == 0) &&
         (offset >= 0 || offset == OVIO_HERE);
}

/* ---- integers ---- */

static bool order__is_valid(enum ovio_order order) {
  return order == OVIO_LITTLE || order == OVIO_BIG || order == OVIO_NATIVE;
}

static bool order__is_big(enum ovio_order order) {
  const uint16_t one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return order == OVIO_BIG || (order == OVIO_NATIVE && first == 0);
}

/* Which byte of `width` has the bits from 8 * `rank` up. */
static size_t order__place(enum ovio_order order, size_t width, size_t rank) {
  return order__is_big(order) ? width - 1 - rank : rank;
}

/* ---- writer ---- */

int ovio_writer_init(struct ovio_writer *writer, struct ovio_file *file,
                     void *buffer, size_t length, int64_t offset) {
  if (!writer || !stream__is_valid(file, buffer, length, offset))
    return (int)stream__refuse();
  *writer = (struct ovio_writer){
      .file = file, .buffer = buffer, .length = length, .offset = offset};
  return 0;
}

/* Writes the buffer and `bytes` behind it, once. How many of these were
 * written, or an error when not even the buffer's first byte was. */
static int64_t writer__write(struct ovio_writer *writer, const void *bytes,
                             size_t length) {
  const struct ovio_iovec parts[2] = {{writer->buffer, writer->used},
                                      {(void *)(uintptr_t)bytes, length}};
  int64_t moved = ovio_writev(writer->file, parts, 2, writer->offset);
  if (moved < 0)
    return moved;
  if (writer->offset >= 0)
    writer->offset += moved;
  size_t own = (uint64_t)moved < writer->used ? (size_t)moved : writer->used;
  writer->used -= own;
  if (writer->used > 0)
    memmove(writer->buffer, writer->buffer + own, writer->used);
  return moved - (int64_t)own;
}

int ovio_flush(struct ovio_writer *writer) {
  if (!writer)
    return (int)stream__refuse();
  while (writer->used > 0) {
    int64_t error = writer__write(writer, NULL, 0);
    if (error < 0)
      return (int)error;
  }
  return 0;
}

static size_t writer__room(const struct ovio_writer *writer) {
  return writer->length - writer->used;
}

/* Takes what fits. */
static size_t writer__store(struct ovio_writer *writer, const void *bytes,
                            size_t length) {
  size_t room = writer__room(writer);
  size_t taken = length < room ? length : room;
  if (taken > 0)
    memcpy(writer->buffer + writer->used, bytes, taken);
  writer->used += taken;
  return taken;
}

/* Takes something of it, at least one byte; or an error. */
static int64_t writer__take(struct ovio_writer *writer, const void *bytes,
                            size_t length) {
  size_t room = writer__room(writer);
  if (length > room && length >= writer->length) {
    int64_t taken;
    do
      taken = writer__write(writer, bytes, length);
    while (taken == 0); /* only a part of the buffer has gone */
    return taken;
  }
  int error = room == 0 ? ovio_flush(writer) : 0;
  return error ? error : (int64_t)writer__store(writer, bytes, length);
}

int64_t ovio_put(struct ovio_writer *writer, const void *bytes, size_t length) {
  const unsigned char *from = bytes;
  size_t taken = 0;
  if (!writer || (!bytes && length) || length > PTRDIFF_MAX)
    return stream__refuse();
  while (taken < length) {
    int64_t more = writer__take(writer, from + taken, length - taken);
    if (more < 0)
      return taken ? (int64_t)taken : more;
    taken += (size_t)more;
  }
  return (int64_t)taken;
}

int64_t ovio_put_byte(struct ovio_writer *writer, unsigned char byte) {
  return ovio_put(writer, &byte, 1);
}

static int64_t writer__integer(struct ovio_writer *writer, uint64_t value,
                               size_t width, enum ovio_order order) {
  unsigned char bytes[8];
  if (!writer || !order__is_valid(order))
    return stream__refuse();
  for (size_t rank = 0; rank < width; rank++)
    bytes[order__place(order, width, rank)] =
        (unsigned char)(value >> (8 * rank));
  if (width <= writer->length && writer__room(writer) < width) {
    int error = ovio_flush(writer);
    if (error)
      return error;
  }
  return ovio_put(writer, bytes, width);
}

int64_t ovio_put_u16(struct ovio_writer *writer, uint16_t value,
                     enum ovio_order order) {
  return writer__integer(writer, value, sizeof value, order);
}

int64_t ovio_put_u32(struct ovio_writer *writer, uint32_t value,
                     enum ovio_order order) {
  return writer__integer(writer, value, sizeof value, order);
}

int64_t ovio_put_u64(struct ovio_writer *writer, uint64_t value,
                     enum ovio_order order) {
  return writer__integer(writer, value, sizeof value, order);
}

int64_t ovio_fill(struct ovio_writer *writer, unsigned char byte,
                  int64_t count) {
  unsigned char piece[PIECE];
  int64_t taken = 0;
  if (!writer || count < 0)
    return stream__refuse();
  memset(piece, byte, sizeof piece);
  while (taken < count) {
    int64_t left = count - taken;
    size_t length = left < PIECE ? (size_t)left : PIECE;
    int64_t more = writer__take(writer, piece, length);
    if (more < 0)
      return taken ? taken : more;
    taken += more;
  }
  return taken;
}

/* ---- print ---- */

/* Formats into the free part of the buffer; the length, fitting or not. */
static int writer__format(struct ovio_writer *writer, const char *format,
                          va_list arguments) {
  size_t room = writer__room(writer);
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(room ? (char *)writer->buffer + writer->used : NULL,
                         room, format, again);
  va_end(again);
  return length;
}

/* Longer than the whole buffer. */
static int64_t writer__print_long(struct ovio_writer *writer, size_t length,
                                  const char *format, va_list arguments) {
  char *text = memory_allocate(length + 1);
  if (!text)
    return runner_answer(OVIO_ENOMEM, 0);
  int made = vsnprintf(text, length + 1, format, arguments);
  int64_t taken = made < 0 ? stream__refuse() : ovio_put(writer, text, length);
  memory_free(text);
  return taken;
}

int64_t ovio_vprint(struct ovio_writer *writer, const char *format,
                    va_list arguments) {
  if (!writer || !format)
    return stream__refuse();
  int made = writer__format(writer, format, arguments);
  size_t length = (size_t)made;
  if (made < 0)
    return stream__refuse();
  if (length >= writer->length)
    return length ? writer__print_long(writer, length, format, arguments) : 0;
  if (length >= writer__room(writer)) {
    int error = ovio_flush(writer);
    if (error)
      return error;
    writer__format(writer, format, arguments);
  }
  writer->used += length;
  return made;
}

int64_t ovio_print(struct ovio_writer *writer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int64_t taken = ovio_vprint(writer, format, arguments);
  va_end(arguments);
  return taken;
}

/* ---- reader ---- */

int ovio_reader_init(struct ovio_reader *reader, struct ovio_file *file,
                     void *buffer, size_t length, int64_t offset) {
  if (!reader || !stream__is_valid(file, buffer, length, offset))
    return (int)stream__refuse();
  *reader = (struct ovio_reader){
      .file = file, .buffer = buffer, .length = length, .offset = offset};
  return 0;
}

static size_t reader__capacity(const struct ovio_reader *reader) {
  return reader->length < sizeof reader->own ? sizeof reader->own
                                             : reader->length;
}

/* Found anew each time: the stream may have been moved. */
static unsigned char *reader__storage(struct ovio_reader *reader) {
  return reader->length < sizeof reader->own ? reader->own : reader->buffer;
}

static size_t reader__ready(const struct ovio_reader *reader) {
  return reader->end - reader->begin;
}

static void reader__drop(struct ovio_reader *reader, size_t count) {
  reader->begin += count;
  if (reader->begin == reader->end)
    reader->begin = reader->end = 0;
}

static size_t reader__take(struct ovio_reader *reader, void *bytes,
                           size_t limit) {
  size_t ready = reader__ready(reader);
  size_t taken = limit < ready ? limit : ready;
  memcpy(bytes, reader__storage(reader) + reader->begin, taken);
  reader__drop(reader, taken);
  return taken;
}

/* Keeps an error for when the bytes before it are delivered. */
static void reader__keep(struct ovio_reader *reader, int64_t error) {
  reader->error = (int)error;
  reader->native = ovio_native_error();
}

/* Delivers the error that was kept. */
static int reader__fail(struct ovio_reader *reader) {
  int error = reader->error;
  reader->error = 0;
  return (int)runner_answer(error, reader->native);
}

/* Why there is not more. */
static int reader__reason(struct ovio_reader *reader) {
  return reader->error ? reader__fail(reader)
                       : (int)runner_answer(OVIO_EEOF, 0);
}

static int64_t reader__read(struct ovio_reader *reader, void *bytes,
                            size_t length) {
  int64_t moved = ovio_read(reader->file, bytes, length, reader->offset);
  if (moved > 0 && reader->offset >= 0)
    reader->offset += moved;
  return moved;
}

/* Reads ahead, once; without a buffer no further than to have `want`. */
static int64_t reader__read_ahead(struct ovio_reader *reader, size_t want) {
  unsigned char *storage = reader__storage(reader);
  size_t ready = reader__ready(reader);
  size_t capacity = reader__capacity(reader);
  if (reader->begin > 0 && capacity - reader->begin < want) {
    memmove(storage, storage + reader->begin, ready);
    reader->begin = 0;
    reader->end = ready;
  }
  size_t room = reader->length ? capacity - reader->end : want - ready;
  int64_t moved = reader__read(reader, storage + reader->end, room);
  if (moved > 0)
    reader->end += (size_t)moved;
  return moved;
}

/* Has `want` bytes ready, no more than the capacity. How many there are: fewer
 * at the end, or before a failure that is kept; none and a failure: that. */
static int64_t reader__prepare(struct ovio_reader *reader, size_t want) {
  while (reader__ready(reader) < want && !reader->error) {
    int64_t moved = reader__read_ahead(reader, want);
    if (moved == 0)
      break;
    if (moved < 0)
      reader__keep(reader, moved);
  }
  if (reader__ready(reader) == 0 && want > 0 && reader->error)
    return reader__fail(reader);
  return (int64_t)reader__ready(reader);
}

int64_t ovio_get(struct ovio_reader *reader, void *bytes, size_t limit) {
  if (!reader || (!bytes && limit) || limit > PTRDIFF_MAX)
    return stream__refuse();
  if (limit == 0)
    return 0;
  bool empty = reader__ready(reader) == 0 && !reader->error;
  if (empty && limit >= reader->length)
    return reader__read(reader, bytes, limit);
  int64_t ready = reader__prepare(reader, 1);
  return ready <= 0 ? ready : (int64_t)reader__take(reader, bytes, limit);
}

int ovio_get_exactly(struct ovio_reader *reader, void *bytes, size_t length,
                     size_t *got) {
  unsigned char *to = bytes;
  size_t taken = 0;
  int64_t more = 1;
  if (got)
    *got = 0;
  if (!reader || (!bytes && length) || length > PTRDIFF_MAX)
    return (int)stream__refuse();
  while (taken < length && more > 0) {
    more = ovio_get(reader, to + taken, length - taken);
    if (more > 0)
      taken += (size_t)more;
  }
  if (got)
    *got = taken;
  if (more > 0)
    return 0;
  return more < 0 ? (int)more : reader__reason(reader);
}

/* ---- reading integers ---- */

static int reader__integer(struct ovio_reader *reader, uint64_t *value,
                           size_t width, enum ovio_order order) {
  unsigned char bytes[8];
  int64_t ready = reader__prepare(reader, width);
  if (ready < 0)
    return (int)ready;
  if ((size_t)ready < width)
    return reader__reason(reader);
  reader__take(reader, bytes, width);
  *value = 0;
  for (size_t rank = 0; rank < width; rank++)
    *value |= (uint64_t)bytes[order__place(order, width, rank)] << (8 * rank);
  return 0;
}

int ovio_get_byte(struct ovio_reader *reader, unsigned char *value) {
  uint64_t wide = 0;
  if (!reader || !value)
    return (int)stream__refuse();
  int error = reader__integer(reader, &wide, sizeof *value, OVIO_NATIVE);
  if (!error)
    *value = (unsigned char)wide;
  return error;
}

int ovio_get_u16(struct ovio_reader *reader, uint16_t *value,
                 enum ovio_order order) {
  uint64_t wide = 0;
  if (!reader || !value || !order__is_valid(order))
    return (int)stream__refuse();
  int error = reader__integer(reader, &wide, sizeof *value, order);
  if (!error)
    *value = (uint16_t)wide;
  return error;
}

int ovio_get_u32(struct ovio_reader *reader, uint32_t *value,
                 enum ovio_order order) {
  uint64_t wide = 0;
  if (!reader || !value || !order__is_valid(order))
    return (int)stream__refuse();
  int error = reader__integer(reader, &wide, sizeof *value, order);
  if (!error)
    *value = (uint32_t)wide;
  return error;
}

int ovio_get_u64(struct ovio_reader *reader, uint64_t *value,
                 enum ovio_order order) {
  if (!reader || !value || !order__is_valid(order))
    return (int)stream__refuse();
  uint64_t wide = 0;
  int error = reader__integer(reader, &wide, sizeof *value, order);
  if (!error)
    *value = wide;
  return error;
}

/* ---- reading up to something ---- */

/* What a call has got so far comes first, an error after it. */
static int64_t reader__conclude(struct ovio_reader *reader, int64_t taken,
                                int64_t end) {
  if (taken == 0)
    return end;
  if (end < 0)
    reader__keep(reader, end);
  return taken;
}

int64_t ovio_get_until(struct ovio_reader *reader, void *bytes, size_t limit,
                       unsigned char delimiter) {
  unsigned char *to = bytes;
  size_t taken = 0;
  if (!reader || !bytes || limit == 0 || limit > PTRDIFF_MAX)
    return stream__refuse();
  while (taken < limit && (taken == 0 || to[taken - 1] != delimiter)) {
    int64_t ready = reader__prepare(reader, 1);
    if (ready <= 0)
      return reader__conclude(reader, (int64_t)taken, ready);
    const unsigned char *from = reader__storage(reader) + reader->begin;
    const unsigned char *found = memchr(from, delimiter, (size_t)ready);
    size_t run = found ? (size_t)(found - from) + 1 : (size_t)ready;
    size_t room = limit - taken;
    taken += reader__take(reader, to + taken, run < room ? run : room);
  }
  return (int64_t)taken;
}

/* The length of the line's end that comes next: 1 or 2; 0: a byte of the line
 * itself. Negative: an error; OVIO_EEOF. */
static int64_t reader__line_end(struct ovio_reader *reader) {
  int64_t ready = reader__prepare(reader, 1);
  if (ready <= 0)
    return ready < 0 ? ready : runner_answer(OVIO_EEOF, 0);
  unsigned char first = reader__storage(reader)[reader->begin];
  if (first != '\r')
    return first == '\n';
  if (reader__prepare(reader, 2) < 2)
    return 0;
  return reader__storage(reader)[reader->begin + 1] == '\n' ? 2 : 0;
}

/* How many of the bytes ready surely belong to the line, the first being known
 * to. */
static size_t reader__line_run(struct ovio_reader *reader) {
  const unsigned char *from = reader__storage(reader) + reader->begin;
  size_t ready = reader__ready(reader);
  size_t run = 1;
  while (run < ready && from[run] != '\n' && from[run] != '\r')
    run++;
  return run;
}

/* Up to `room` bytes of a line; its end is taken too. */
static int64_t reader__line(struct ovio_reader *reader, char *line, size_t room,
                            size_t *taken) {
  for (;;) {
    int64_t end = reader__line_end(reader);
    if (end > 0)
      reader__drop(reader, (size_t)end);
    if (end == OVIO_EEOF && *taken > 0)
      return (int64_t)*taken;
    if (end < 0)
      return reader__conclude(reader, (int64_t)*taken, end);
    if (end > 0)
      return (int64_t)*taken;
    if (*taken == room)
      return runner_answer(OVIO_EOVERFLOW, 0);
    size_t run = reader__line_run(reader);
    size_t left = room - *taken;
    *taken += reader__take(reader, line + *taken, run < left ? run : left);
  }
}

int64_t ovio_get_line(struct ovio_reader *reader, char *line, size_t size) {
  size_t taken = 0;
  if (!reader || !line || size == 0 || size > PTRDIFF_MAX)
    return stream__refuse();
  int64_t result = reader__line(reader, line, size - 1, &taken);
  line[taken] = 0;
  return result;
}

/* Something of it, at least one byte; 0: the end; or an error. */
static int64_t reader__skip(struct ovio_reader *reader, int64_t count) {
  unsigned char piece[PIECE];
  if (reader__ready(reader) == 0 && reader->length == 0 && !reader->error)
    return reader__read(reader, piece, count < PIECE ? (size_t)count : PIECE);
  int64_t more = reader__prepare(reader, 1);
  if (more > count)
    more = count;
  if (more > 0)
    reader__drop(reader, (size_t)more);
  return more;
}

int64_t ovio_skip(struct ovio_reader *reader, int64_t count) {
  int64_t skipped = 0;
  if (!reader || count < 0)
    return stream__refuse();
  while (skipped < count) {
    int64_t more = reader__skip(reader, count - skipped);
    if (more <= 0)
      return reader__conclude(reader, skipped, more);
    skipped += more;
  }
  return skipped;
}

int64_t ovio_peek(struct ovio_reader *reader, const unsigned char **bytes,
                  size_t want) {
  if (!reader || !bytes || want > reader__capacity(reader))
    return stream__refuse();
  int64_t ready = reader__prepare(reader, want);
  *bytes = reader__storage(reader) + reader->begin;
  return ready;
}
