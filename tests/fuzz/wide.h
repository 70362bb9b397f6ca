/* SPDX-License-Identifier: MIT */
/* WTF-8 taken apart a second time, byte by byte as its definition says
 * (simonsapin.github.io/wtf-8), to be held against win32/path.c; and command
 * lines, as CommandLineToArgvW's documentation says. */
#ifndef OVIO_TESTS_FUZZ_WIDE_H
#define OVIO_TESTS_FUZZ_WIDE_H

#include "win32/side.h"

#include <wchar.h>

#include "common/memory.h"
#include "fuzz.h"

/* The bytes that may follow in each place of a sequence, by its first byte:
 * table 3-7 of the Unicode standard, with surrogates let in. */
static inline size_t wide__sequence(const unsigned char *at) {
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  size_t length = 0;
  if (at[0] < 0x80)
    return 1;
  if (at[0] >= 0xC2 && at[0] <= 0xDF)
    length = 2;
  else if (at[0] >= 0xE0 && at[0] <= 0xEF)
    length = 3;
  else if (at[0] >= 0xF0 && at[0] <= 0xF4)
    length = 4;
  if (at[0] == 0xE0)
    low = 0xA0;
  if (at[0] == 0xF0)
    low = 0x90;
  if (at[0] == 0xF4)
    high = 0x8F;
  if (length == 0 || at[1] < low || at[1] > high)
    return 0;
  for (size_t more = 2; more < length; more++) {
    if (at[more] < 0x80 || at[more] > 0xBF)
      return 0;
  }
  return length;
}

/* Whether `text` is WTF-8, and how many units of UTF-16 it has; they go to
 * `out`, which has room for as many as there are bytes, and one more. */
static inline bool wide_decode(const char *text, wchar_t *out, size_t *units) {
  const unsigned char *at = (const unsigned char *)text;
  *units = 0;
  while (*at) {
    size_t length = wide__sequence(at);
    if (length == 0)
      return false;
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7Fu >> length);
    for (size_t more = 1; more < length; more++)
      point = point << 6 | (at[more] & 0x3Fu);
    bool low = point >= 0xDC00 && point <= 0xDFFF;
    if (low && at >= (const unsigned char *)text + 3 && at[-3] == 0xED &&
        at[-2] >= 0xA0 && at[-2] <= 0xAF)
      return false; /* a pair has one sequence of four */
    if (length == 4)
      out[(*units)++] = (wchar_t)(0xD7C0 + (point >> 10));
    out[(*units)++] = (wchar_t)(length == 4 ? 0xDC00 | (point & 0x3FF) : point);
    at += length;
  }
  out[*units] = 0;
  return true;
}

/* The next argument of a command line; NULL: it was the last. `*at` moves
 * behind it. 2n backslashes and a quotation mark are n, and the mark begins or
 * ends a part in marks; 2n + 1 are n, and the mark itself; without a mark
 * behind them they are themselves (MS: CommandLineToArgvW). A mark that ends a
 * part and is followed by another one means different things to different
 * programs: it must not be there. */
static inline wchar_t *line_next(const wchar_t **at, wchar_t *out) {
  bool quoted = false;
  wchar_t *to = out;
  while (**at == L' ' || **at == L'\t')
    ++*at;
  if (!**at)
    return NULL;
  while (**at && (quoted || (**at != L' ' && **at != L'\t'))) {
    size_t slashes = wcsspn(*at, L"\\");
    *at += slashes;
    bool mark = **at == L'"';
    for (size_t left = mark ? slashes / 2 : slashes; left > 0; left--)
      *to++ = L'\\';
    if (mark && slashes % 2) {
      *to++ = L'"';
      ++*at;
    } else if (mark) {
      FUZZ_CHECK(!quoted || (*at)[1] != L'"');
      quoted = !quoted;
      ++*at;
    } else if (**at && (quoted || (**at != L' ' && **at != L'\t'))) {
      *to++ = *(*at)++;
    }
  }
  FUZZ_CHECK(!quoted);
  *to = 0;
  return out;
}

/* The program's name: up to the second mark. */
static inline void line_name(const wchar_t **at, wchar_t *out) {
  FUZZ_CHECK(**at == L'"');
  const wchar_t *end = wcschr(*at + 1, L'"');
  FUZZ_CHECK(end);
  size_t length = (size_t)(end - *at) - 1;
  memcpy(out, *at + 1, length * sizeof *out);
  out[length] = 0;
  *at = end + 1;
  FUZZ_CHECK(**at == 0 || **at == L' ');
}

#endif
