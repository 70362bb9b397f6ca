/* SPDX-License-Identifier: MIT */
/* The console: UTF-8 on our side, UTF-16 on its.
 *
 * ReadFile and WriteFile go through the console's code page and cannot carry
 * all characters; so it is ReadConsoleW and WriteConsoleW. What is counted are
 * the caller's bytes.
 *
 * STATE. What one call leaves for the next is kept for each standard handle: of
 * writing, the beginning of a sequence whose rest is still to come, which is
 * counted as written; of reading, the bytes of a character for which the
 * caller's buffer had no room, and the first half of a surrogate pair. A file's
 * turns let one call at a time come here. A write commits its state when the
 * console has taken the text, so a failure changes nothing.
 *
 * Lone surrogates pass both ways, as WTF-8 has them. */
#include "win32/side.h"

#include <string.h>

enum { UNITS = 512, REPLACEMENT = 0xFFFD, CTRL_Z = 0x1A };

/* Nothing whole was read: the second half of a pair has to come. */
#define AGAIN INT64_MIN

struct console {
  unsigned char bytes[8]; /* two lone surrogates are six */
  size_t count;           /* of `bytes` */
  wchar_t high;           /* 0: none */
  bool inside;            /* a line that is being read */
};

static struct console consoles[OS_STANDARD_COUNT];

void native_console_begin(struct os_file *file, unsigned which) {
  consoles[which] = (struct console){.count = 0};
  file->traits |= OS_TRAIT_CONSOLE;
  file->registration = which;
}

/* ---- writing ---- */

/* Length of the sequence that begins so; 0: none does. */
static size_t console__lead(unsigned char byte, uint32_t *bits) {
  if (byte < 0x80) {
    *bits = byte;
    return 1;
  }
  if (byte < 0xE0) {
    *bits = byte & 0x1Fu;
    return byte >= 0xC2 ? 2 : 0;
  }
  *bits = byte < 0xF0 ? byte & 0x0Fu : byte & 0x07u;
  if (byte < 0xF0)
    return 3;
  return byte <= 0xF4 ? 4 : 0;
}

/* The bytes of the next code point, which is U+FFFD where there is none; 0: the
 * rest of it is missing. */
static size_t console__decode(const unsigned char *bytes, size_t left,
                              uint32_t *point) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = console__lead(bytes[0], point);
  for (size_t at = 1; at < length; at++) {
    if (at == left)
      return 0;
    if ((bytes[at] & 0xC0) != 0x80) {
      *point = REPLACEMENT;
      return at;
    }
    *point = *point << 6 | (bytes[at] & 0x3Fu);
  }
  if (length == 0 || *point < least[length] || *point > 0x10FFFF)
    *point = REPLACEMENT;
  return length ? length : 1;
}

static size_t console__units(uint32_t point) {
  return point >= 0x10000 ? 2 : 1;
}

static void console__emit(wchar_t *units, uint32_t point) {
  if (point < 0x10000) {
    units[0] = (wchar_t)point;
    return;
  }
  units[0] = (wchar_t)(0xD800 + ((point - 0x10000) >> 10));
  units[1] = (wchar_t)(0xDC00 + (point & 0x3FF));
}

struct text {
  wchar_t units[UNITS];
  size_t used;
};

/* Ends the sequence that an earlier write has begun. How many of `bytes` that
 * took. */
static size_t console__resume(struct console *console,
                              const unsigned char *bytes, size_t length,
                              struct text *text, size_t limit) {
  size_t taken = 0;
  while (console->count > 0 && text->used < limit && taken < length) {
    uint32_t point;
    size_t before = console->count;
    console->bytes[console->count++] = bytes[taken++];
    size_t whole = console__decode(console->bytes, console->count, &point);
    if (whole == 0)
      continue;
    if (text->used + console__units(point) > limit) {
      console->count = before; /* no room: all of it once more */
      return taken - 1;
    }
    taken -= console->count - whole; /* a byte that ends it belongs elsewhere */
    console->count = 0;
    console__emit(text->units + text->used, point);
    text->used += console__units(point);
  }
  return taken;
}

/* Makes up to `limit` units of text. How many bytes that took. */
static size_t console__convert(struct console *console,
                               const unsigned char *bytes, size_t length,
                               struct text *text, size_t limit) {
  size_t taken = console__resume(console, bytes, length, text, limit);
  while (console->count == 0 && taken < length) {
    uint32_t point;
    size_t whole = console__decode(bytes + taken, length - taken, &point);
    if (whole == 0) {
      console->count = length - taken;
      memcpy(console->bytes, bytes + taken, console->count);
      return length;
    }
    if (text->used + console__units(point) > limit)
      break;
    console__emit(text->units + text->used, point);
    text->used += console__units(point);
    taken += whole;
  }
  return taken;
}

/* How many units the console has taken; *error when not all. */
static size_t console__show(HANDLE handle, const struct text *text,
                            DWORD *error) {
  size_t shown = 0;
  while (shown < text->used) {
    DWORD moved = 0;
    if (!native.WriteConsoleW(handle, text->units + shown,
                              (DWORD)(text->used - shown), &moved, NULL)) {
      *error = GetLastError();
      break;
    }
    if (moved == 0) {
      *error = ERROR_WRITE_FAULT;
      break;
    }
    shown += moved;
  }
  return shown;
}

static struct os_result console__write(struct console *console, HANDLE handle,
                                       const struct ovio_iovec *part) {
  struct console next = *console;
  struct text text;
  DWORD error = NO_ERROR;
  text.used = 0;
  size_t taken =
      console__convert(&next, part->iov_base, part->iov_len, &text, UNITS);
  size_t shown = console__show(handle, &text, &error);
  if (shown < text.used) {
    next = *console;
    text.used = 0;
    taken =
        console__convert(&next, part->iov_base, part->iov_len, &text, shown);
    if (taken == 0 || shown == 0)
      return native_failure(error);
  }
  *console = next;
  return (struct os_result){(int64_t)taken, 0};
}

/* ---- reading ---- */

static size_t console__encode(uint32_t point, unsigned char *bytes) {
  if (point < 0x80) {
    bytes[0] = (unsigned char)point;
    return 1;
  }
  size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t at = length - 1; at > 0; at--, point >>= 6)
    bytes[at] = (unsigned char)(0x80 | (point & 0x3F));
  bytes[0] = (unsigned char)((0xF00u >> length & 0xFF) | point);
  return length;
}

static bool console__is_high(wchar_t unit) {
  return unit >= 0xD800 && unit <= 0xDBFF;
}

/* The code point that ends with this unit; false: its second half is still to
 * come. A first half that stays alone is put before it: *alone. */
static bool console__join(struct console *console, wchar_t unit,
                          uint32_t *point, wchar_t *alone) {
  wchar_t high = console->high;
  console->high = console__is_high(unit) ? unit : 0;
  *point = unit;
  *alone = high;
  if (high && unit >= 0xDC00 && unit <= 0xDFFF) {
    *point = 0x10000 + ((uint32_t)(high - 0xD800) << 10 | (unit - 0xDC00u));
    *alone = 0;
  }
  return console->high == 0;
}

/* Room for three bytes a unit, and for the half that came before. */
static size_t console__receive(struct console *console, const wchar_t *units,
                               size_t count, unsigned char *bytes) {
  size_t used = 0;
  for (size_t at = 0; at < count; at++) {
    uint32_t point;
    wchar_t alone;
    bool whole = console__join(console, units[at], &point, &alone);
    if (alone)
      used += console__encode(alone, bytes + used);
    if (whole)
      used += console__encode(point, bytes + used);
  }
  return used;
}

/* Up to `count` units. TRUE with none of them and this code is Ctrl-C (MS:
 * ReadConsole), after which a program that lives on goes on reading. */
static struct os_result console__ask(HANDLE handle, wchar_t *units, DWORD count,
                                     const struct native_waiter *waiter) {
  while (!native_is_interrupted(waiter)) {
    DWORD got = 0;
    SetLastError(NO_ERROR);
    if (!native.ReadConsoleW(handle, units, count, &got, NULL))
      return native_last_failure();
    if (got > 0 || GetLastError() != ERROR_OPERATION_ABORTED)
      return (struct os_result){got, 0};
  }
  return native_failure(ERROR_OPERATION_ABORTED);
}

/* Ctrl-Z at the beginning of a line, where lines are read: the line goes with
 * it. */
static bool console__is_end(struct console *console, HANDLE handle,
                            const wchar_t *units, size_t count,
                            const struct native_waiter *waiter) {
  wchar_t last = units[count - 1];
  bool begins = !console->inside;
  DWORD mode;
  console->inside = last != L'\n';
  if (!begins || units[0] != CTRL_Z || !native.GetConsoleMode(handle, &mode) ||
      !(mode & ENABLE_LINE_INPUT))
    return false;
  while (last != L'\n' && console__ask(handle, &last, 1, waiter).value == 1)
    ;
  console->inside = false;
  return true;
}

/* Delivers what is kept; the rest stays. */
static size_t console__deliver(struct console *console, unsigned char *bytes,
                               size_t length) {
  size_t taken = length < console->count ? length : console->count;
  memcpy(bytes, console->bytes, taken);
  console->count -= taken;
  memmove(console->bytes, console->bytes + taken, console->count);
  return taken;
}

/* Small buffers get one unit at a time, by way of the state. */
static struct os_result console__read_some(struct console *console,
                                           HANDLE handle, unsigned char *bytes,
                                           size_t length,
                                           const struct native_waiter *waiter) {
  enum { LEAST = 2 * 3 }; /* a lone half and a unit behind it */
  wchar_t units[UNITS];
  unsigned char small[LEAST];
  size_t count = length < LEAST ? 1 : (length - 3) / 3;
  if (count > UNITS)
    count = UNITS;
  struct os_result got = console__ask(handle, units, (DWORD)count, waiter);
  if (got.value <= 0)
    return got;
  count = (size_t)got.value;
  if (console__is_end(console, handle, units, count, waiter))
    return (struct os_result){0, 0};
  if (length >= LEAST) {
    got.value = (int64_t)console__receive(console, units, count, bytes);
  } else {
    size_t made = console__receive(console, units, count, small);
    size_t given = made < length ? made : length;
    memcpy(bytes, small, given);
    console->count = made - given;
    memcpy(console->bytes, small + given, console->count);
    got.value = (int64_t)given;
  }
  return got.value ? got : (struct os_result){AGAIN, 0};
}

static struct os_result console__read(struct console *console, HANDLE handle,
                                      const struct ovio_iovec *part,
                                      const struct native_waiter *waiter) {
  struct os_result result;
  if (console->count > 0)
    return (struct os_result){
        (int64_t)console__deliver(console, part->iov_base, part->iov_len), 0};
  do
    result = console__read_some(console, handle, part->iov_base, part->iov_len,
                                waiter);
  while (result.value == AGAIN);
  return result;
}

struct os_result native_console_transfer(const struct os_transfer *transfer,
                                         const struct native_waiter *waiter) {
  struct console *console = &consoles[transfer->file->registration];
  HANDLE handle = (HANDLE)transfer->file->handle;
  if (transfer->write)
    return console__write(console, handle, transfer->iov);
  return console__read(console, handle, transfer->iov, waiter);
}
