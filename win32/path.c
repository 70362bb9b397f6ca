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
#include "common/path.h"

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

bool os_path_separates(char byte) {
  return byte == '/' || byte == '\\';
}

/* As path__is_anchored() has it: what stands before the colon need not be a
 * letter, and may be several bytes here. */
bool os_path_is_absolute(const char *path) {
  const char *colon = path;
  if (os_path_separates(*path))
    return true;
  return *path && path__decode(&colon) < 0x10000 && *colon == ':';
}

/* ---- joining and lengthening ---- */

static bool path__has_prefix(const wchar_t *path) {
  return wcsncmp(path, L"\\\\?\\", 4) == 0 || wcsncmp(path, L"\\\\.\\", 4) == 0;
}

/* Needs no folder: it begins at a root, or names a drive. */
static bool path__is_anchored(const wchar_t *path) {
  return path[0] == L'\\' || (path[0] && path[1] == L':');
}

/* ... nor the current folder of a drive, as C:name does. */
static bool path__is_absolute(const wchar_t *path) {
  return path[0] == L'\\' || (path[0] && path[1] == L':' && path[2] == L'\\');
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

/* How much of a part counts: what Windows strips of names, dots and blanks at
 * the end, is kept behind \\?\ (MS: Naming Files, Paths, and Namespaces). */
static size_t path__part_length(const wchar_t *part) {
  size_t length = wcscspn(part, L"\\");
  bool dot = length == 1 && part[0] == L'.';
  bool dots = length == 2 && part[0] == L'.' && part[1] == L'.';
  while (!dot && !dots && length > 0 &&
         (part[length - 1] == L'.' || part[length - 1] == L' '))
    length--;
  return length;
}

/* Takes "." and ".." out, which nobody else does behind \\?\. `root` units at
 * the beginning stay, and a backslash follows them: without one, a volume's
 * root would be the volume itself. From `name` on, parts are stripped. What is
 * written is never ahead of what is read. */
static void path__normalize(wchar_t *path, size_t root, size_t name) {
  wchar_t *const base = path + root;
  wchar_t *out = base;
  const wchar_t *in = base;
  while (*in) {
    in += wcsspn(in, L"\\");
    size_t whole = wcscspn(in, L"\\");
    size_t length = in < path + name ? whole : path__part_length(in);
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
    in += whole;
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
  path__normalize(path, path__root(path), used + 1);
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
  bool device = path__has_prefix(body); /* NUL is \\.\NUL */
  size_t cut = !device && body[0] == L'\\' && body[1] == L'\\' ? 2 : 0;
  const wchar_t *prefix = device ? L"" : cut ? share : local;
  size_t length = wcslen(prefix);
  memcpy(full, prefix, length * sizeof *full);
  memmove(full + length, body + cut, (used + 1 - cut) * sizeof *full);
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

/* NUL, CON and their kin, whatever the folder: \\.\NUL. */
static bool path__is_device(const wchar_t *name) {
  wchar_t full[8];
  DWORD length = native.GetFullPathNameW(name, 8, full, NULL);
  return length > 0 && length < 8 && path__has_prefix(full);
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

/* What is there under the path, which ends in a separator, must be a directory:
 * the separator is gone in the absolute form, and some calls overlook it. */
static struct os_result path__check_directory(const wchar_t *path) {
  DWORD attributes = native.GetFileAttributesW(path);
  bool other = attributes != INVALID_FILE_ATTRIBUTES &&
               !(attributes & FILE_ATTRIBUTE_DIRECTORY);
  return other ? native_failure(ERROR_DIRECTORY) : (struct os_result){0, 0};
}

/* Takes the separator off, unless a root ends in it. */
static void path__cut_end(wchar_t *path) {
  size_t length = wcslen(path);
  while (length > 1 && path[length - 1] == L'\\' && path[length - 2] != L':' &&
         !(path[0] == L'\\' && path[1] == L'\\'))
    path[--length] = 0;
}

struct os_result native_path(wchar_t **out, HANDLE dir, const char *path) {
  struct os_result result = {0, 0};
  wchar_t *wide = NULL;
  wchar_t *other = NULL;
  int units = path__widen(&wide, L'\\', path);
  if (units < 0)
    return (struct os_result){units, 0};
  bool is_device = wcsncmp(wide, L"\\\\.\\", 4) == 0; /* a pipe, e.g. */
  if (dir && !path__is_anchored(wide) && !path__is_device(wide))
    result = path__join(&other, dir, wide);
  else if (path__is_long(wide, units))
    result = path__lengthen(&other, wide);
  if (result.value == 0 && !other) {
    other = wide;
    wide = NULL;
  }
  if (result.value == 0 && path_means_directory(path) && !is_device) {
    path__cut_end(other);
    result = path__check_directory(other);
  }
  memory_free(wide);
  if (result.value < 0)
    memory_free(other);
  else
    *out = other;
  return result;
}

struct os_result native_path_whole(wchar_t **out, HANDLE dir,
                                   const char *path) {
  wchar_t *some = NULL;
  struct os_result result = native_path(&some, dir, path);
  if (result.value < 0 || path__has_prefix(some)) {
    *out = some;
    return result;
  }
  result = path__lengthen(out, some);
  memory_free(some);
  return result;
}

struct os_result native_path_of(wchar_t **out, HANDLE handle) {
  struct os_result result = path__of_folder(out, handle, VOLUME_NAME_DOS, 0);
  if (result.native == ERROR_PATH_NOT_FOUND)
    result = path__of_folder(out, handle, VOLUME_NAME_GUID, 0);
  return result;
}

/* ---- text ---- */

int native_wide(wchar_t **out, const char *text) {
  int units = path__widen(out, L'/', text);
  return units < 0 ? units : 0;
}

int native_wide_path(wchar_t **out, const char *text) {
  int units = path__widen(out, L'\\', text);
  return units < 0 ? units : 0;
}

/* The sequence of a code point; its length. */
static size_t path__encode(uint32_t point, char bytes[4]) {
  static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : 3;
  if (point >= 0x10000)
    length = 4;
  for (size_t at = length; --at > 0; point >>= 6)
    bytes[at] = (char)(0x80 | (point & 0x3F));
  bytes[0] = (char)(lead[length] | point);
  return length;
}

int64_t native_text(const wchar_t *units, size_t count, char *out,
                    size_t length) {
  size_t used = 0;
  for (size_t at = 0; at < count; at++) {
    char bytes[4];
    uint32_t point = units[at];
    if (path__is_high(point) && at + 1 < count && path__is_low(units[at + 1]))
      point = 0x10000 + ((point & 0x3FF) << 10) + (units[++at] & 0x3FFu);
    size_t more = path__encode(point, bytes);
    if (more >= length - used)
      return OVIO_EOVERFLOW;
    memcpy(out + used, bytes, more);
    used += more;
  }
  out[used] = '\0';
  return (int64_t)used;
}
