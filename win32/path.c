/* SPDX-License-Identifier: MIT */
/* Paths: UTF-8 and WTF-8 into UTF-16, made once.
 *
 * MultiByteToWideChar refuses lone surrogates, which NTFS names may have and
 * directory listings return; so the decoder is here. It takes what WTF-8 takes
 * (simonsapin.github.io/wtf-8): no overlong forms, and no surrogate pair as
 * two three-byte sequences, since that pair has a four-byte form. */
#include "win32/side.h"

#include <string.h>
#include <wchar.h>

#include "common/memory.h"

enum { PATH_UNITS_MAX = 32767, PATH_UNITS_SHORT = 248 };

/* ---- WTF-8 ---- */

/* Length of the sequence that begins so, and the bits of its first byte; 0: no
 * sequence begins so. */
static int path__lead(unsigned char byte, uint32_t *bits) {
  if (byte < 0x80) {
    *bits = byte;
    return 1;
  }
  if (byte >= 0xC2 && byte <= 0xDF) {
    *bits = byte & 0x1Fu;
    return 2;
  }
  if ((byte & 0xF0) == 0xE0) {
    *bits = byte & 0x0Fu;
    return 3;
  }
  *bits = byte & 0x07u;
  return byte >= 0xF0 && byte <= 0xF4 ? 4 : 0;
}

/* The next code point, or UINT32_MAX. */
static uint32_t path__decode(const char **path) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char *at = (const unsigned char *)*path;
  uint32_t point;
  int length = path__lead(*at++, &point);
  for (int more = 1; more < length; more++) {
    if ((*at & 0xC0) != 0x80)
      return UINT32_MAX;
    point = point << 6 | (*at++ & 0x3Fu);
  }
  if (length == 0 || point < least[length] || point > 0x10FFFF)
    return UINT32_MAX;
  *path = (const char *)at;
  return point;
}

static bool path__is_high(uint32_t unit) {
  return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool path__is_low(uint32_t unit) {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Writes up to `room` units (NULL: none) and returns their number without the
 * end, or OVIO_EINVAL. A slash becomes `slash`. */
static int path__convert(const char *path, wchar_t slash, wchar_t *out,
                         int room) {
  int used = 0;
  uint32_t before = 0;
  while (*path) {
    uint32_t point = path__decode(&path);
    if (point == UINT32_MAX || (path__is_high(before) && path__is_low(point)))
      return OVIO_EINVAL;
    before = point;
    bool pair = point >= 0x10000;
    if (used + pair + 1 >= PATH_UNITS_MAX)
      return OVIO_ENAMETOOLONG;
    if (out && used + pair < room && pair) {
      out[used] = (wchar_t)(0xD800 + ((point - 0x10000) >> 10));
      out[used + 1] = (wchar_t)(0xDC00 + (point & 0x3FF));
    } else if (out && used < room) {
      out[used] = point == '/' ? slash : (wchar_t)point;
    }
    used += pair + 1;
  }
  return used;
}

int os_path_check(const char *path) {
  if (!*path)
    return OVIO_ENOENT;
  int units = path__convert(path, L'\\', NULL, 0);
  return units < 0 ? units : 0;
}

/* ---- joining and lengthening ---- */

static bool path__has_prefix(const wchar_t *path) {
  return wcsncmp(path, L"\\\\?\\", 4) == 0 || wcsncmp(path, L"\\\\.\\", 4) == 0;
}

static bool path__is_absolute(const wchar_t *path) {
  return path[0] == L'\\' || (path[0] && path[1] == L':');
}

/* How much of a path \\?\... is its root, which ".." does not leave: \\?\C:,
 * \\?\Volume{...}, \\?\UNC\server\share. */
static size_t path__root(const wchar_t *path) {
  size_t length = 4;
  int parts = wcsncmp(path + length, L"UNC\\", 4) == 0 ? 3 : 1;
  for (;;) {
    length += wcscspn(path + length, L"\\");
    if (--parts == 0 || !path[length])
      return length;
    length++;
  }
}

/* Takes "." and ".." out, which nobody else does behind \\?\. `root` units at
 * the beginning stay, and a backslash follows them: without one, a volume's
 * root would be the volume itself. What is written is never ahead of what is
 * read. */
static void path__normalize(wchar_t *path, size_t root) {
  wchar_t *const base = path + root;
  wchar_t *out = base;
  const wchar_t *in = base;
  while (*in) {
    in += wcsspn(in, L"\\");
    size_t length = wcscspn(in, L"\\");
    bool dot = length == 1 && in[0] == L'.';
    bool dots = length == 2 && in[0] == L'.' && in[1] == L'.';
    if (dots) {
      while (out > base && *--out != L'\\')
        ;
    } else if (!dot && length > 0) {
      *out++ = L'\\';
      memmove(out, in, length * sizeof *out);
      out += length;
    }
    in += length;
  }
  if (out == base)
    *out++ = L'\\';
  *out = 0;
}

/* The folder's own path, with the prefix \\?\, and room for `more` units
 * behind it. `how`: VOLUME_NAME_DOS or _GUID. */
static struct os_result path__of_folder(wchar_t **out, HANDLE dir, DWORD how,
                                        size_t more) {
  DWORD room = native.GetFinalPathNameByHandleW(dir, NULL, 0, how);
  if (room == 0)
    return native_last_failure();
  wchar_t *path = memory_allocate((room + more) * sizeof *path);
  if (!path)
    return (struct os_result){OVIO_ENOMEM, 0};
  DWORD used = native.GetFinalPathNameByHandleW(dir, path, room, how);
  if (used == 0 || used >= room) {
    struct os_result result = native_last_failure();
    memory_free(path);
    return result;
  }
  *out = path;
  return (struct os_result){0, 0};
}

/* The folder's own path and the name. A volume that is mounted in a folder only
 * has no drive's letter (MS: GetFinalPathNameByHandleW). */
static struct os_result path__join(wchar_t **out, HANDLE dir,
                                   const wchar_t *name) {
  size_t length = wcslen(name);
  wchar_t *path = NULL;
  struct os_result result =
      path__of_folder(&path, dir, VOLUME_NAME_DOS, length + 1);
  if (result.native == ERROR_PATH_NOT_FOUND)
    result = path__of_folder(&path, dir, VOLUME_NAME_GUID, length + 1);
  if (result.value < 0)
    return result;
  size_t used = wcslen(path);
  path[used] = L'\\';
  memcpy(path + used + 1, name, (length + 1) * sizeof *path);
  path__normalize(path, path__root(path));
  *out = path;
  return result;
}

/* Long: absolute, with the prefix that takes the length limit away (MS: Maximum
 * Path Length Limitation). */
static struct os_result path__lengthen(wchar_t **out, const wchar_t *path) {
  static const wchar_t local[] = L"\\\\?\\";
  static const wchar_t share[] = L"\\\\?\\UNC\\";
  DWORD room = native.GetFullPathNameW(path, 0, NULL, NULL);
  if (room == 0)
    return native_last_failure();
  wchar_t *full = memory_allocate((room + 8) * sizeof *full);
  if (!full)
    return (struct os_result){OVIO_ENOMEM, 0};
  wchar_t *body = full + 8;
  DWORD used = native.GetFullPathNameW(path, room, body, NULL);
  if (used == 0 || used >= room) {
    struct os_result result = native_last_failure();
    memory_free(full);
    return result;
  }
  bool unc = body[0] == L'\\' && body[1] == L'\\';
  const wchar_t *prefix = unc ? share : local;
  size_t length = wcslen(prefix);
  memcpy(full, prefix, length * sizeof *full);
  memmove(full + length, body + (unc ? 2 : 0),
          (used + 1 - (unc ? 2u : 0u)) * sizeof *full);
  *out = full;
  return (struct os_result){0, 0};
}

static bool path__is_long(const wchar_t *path, int units) {
  if (path__has_prefix(path))
    return false;
  if (units >= PATH_UNITS_SHORT)
    return true;
  return !path__is_absolute(path) &&
         native.GetFullPathNameW(path, 0, NULL, NULL) >= PATH_UNITS_SHORT;
}

/* Returns the number of units in `*out`, or an error. */
static int path__widen(wchar_t **out, wchar_t slash, const char *text) {
  int units = path__convert(text, slash, NULL, 0);
  if (units < 0)
    return units;
  *out = memory_allocate(((size_t)units + 1) * sizeof **out);
  if (!*out)
    return OVIO_ENOMEM;
  path__convert(text, slash, *out, units);
  return units;
}

int native_wide(wchar_t **out, const char *text) {
  int units = path__widen(out, L'/', text);
  return units < 0 ? units : 0;
}

struct os_result native_path(wchar_t **out, HANDLE dir, const char *path) {
  struct os_result result = {0, 0};
  wchar_t *wide = NULL;
  wchar_t *other = NULL;
  int units = path__widen(&wide, L'\\', path);
  if (units < 0)
    return (struct os_result){units, 0};
  if (dir && !path__is_absolute(wide))
    result = path__join(&other, dir, wide);
  else if (path__is_long(wide, units))
    result = path__lengthen(&other, wide);
  if (result.value == 0 && !other) {
    *out = wide;
    return result;
  }
  memory_free(wide);
  *out = other;
  return result;
}
