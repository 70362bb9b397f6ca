/* SPDX-License-Identifier: MIT */
/* Paths: WTF-8 into UTF-16 and back, and what is made of a name in a folder,
 * which must lie in it or above it, on its volume, whatever the name says. The
 * folder's own path is played by the input's first byte. */
#include "wide.h"

#include "common/path.h"

enum { UNITS_MAX = 32767, GUARD = 0x5a };

/* ---- text ---- */

static void to_wide_and_back(const char *text) {
  size_t bytes = strlen(text);
  size_t units = 0;
  wchar_t *wide = NULL;
  wchar_t *wanted = fuzz_allocate((bytes + 1) * sizeof *wanted);
  bool fine = wide_decode(text, wanted, &units);
  int error = native_wide(&wide, text);
  if (fine && units >= UNITS_MAX) {
    FUZZ_CHECK(error == OVIO_ENAMETOOLONG);
  } else if (fine) {
    FUZZ_CHECK(error == 0);
    FUZZ_CHECK(wcslen(wide) == units && wcscmp(wide, wanted) == 0);
    char *again = fuzz_allocate(bytes + 1);
    FUZZ_CHECK(native_text(wide, units, again, bytes + 1) == (int64_t)bytes);
    FUZZ_CHECK(strcmp(again, text) == 0);
    free(again);
    memory_free(wide);
  } else {
    FUZZ_CHECK(error == OVIO_EINVAL || error == OVIO_ENAMETOOLONG);
  }
  FUZZ_CHECK(!*text || os_path_check(text) == error);
  free(wanted);
}

/* Any units; the room is what is needed, or less, and not one byte more is
 * written. */
static void to_text_and_back(const uint8_t *data, size_t length, size_t less) {
  size_t count = length / sizeof(wchar_t);
  size_t most = count * 3 + 1;
  wchar_t *units = fuzz_allocate((count + 1) * sizeof *units);
  char *text = fuzz_allocate(most + 1);
  wchar_t *again = NULL;
  memcpy(units, data, count * sizeof *units);
  units[count] = 0;
  count = wcslen(units);
  int64_t bytes = native_text(units, count, text, most);
  FUZZ_CHECK(bytes >= 0 && strlen(text) == (size_t)bytes);
  if (count < UNITS_MAX) {
    FUZZ_CHECK(native_wide(&again, text) == 0);
    FUZZ_CHECK(wcscmp(again, units) == 0);
    memory_free(again);
  }
  size_t room = (size_t)bytes + 1 - less % ((size_t)bytes + 1);
  text[room] = GUARD;
  int64_t got = native_text(units, count, text, room);
  FUZZ_CHECK(got == (room > (size_t)bytes ? bytes : OVIO_EOVERFLOW));
  FUZZ_CHECK(text[room] == GUARD);
  free(text);
  free(units);
}

/* ---- a name in a folder ---- */

static const wchar_t *const folders[] = {
    L"\\\\?\\C:\\one\\two", L"\\\\?\\C:\\", L"\\\\?\\UNC\\server\\share\\one",
    L"\\\\?\\UNC\\server\\share\\", L"\\\\?\\Volume{1}\\one"};
static const wchar_t *const roots[] = {
    L"\\\\?\\C:\\", L"\\\\?\\C:\\", L"\\\\?\\UNC\\server\\share\\",
    L"\\\\?\\UNC\\server\\share\\", L"\\\\?\\Volume{1}\\"};
static size_t folder;

static DWORD WINAPI fake_final(HANDLE handle, wchar_t *out, DWORD room,
                               DWORD how) {
  DWORD length = (DWORD)wcslen(folders[folder]);
  (void)handle;
  (void)how;
  if (room <= length)
    return length + 1;
  memcpy(out, folders[folder], (length + 1) * sizeof *out);
  return length;
}

/* No name is a device's. */
static DWORD WINAPI fake_full(const wchar_t *name, DWORD room, wchar_t *out,
                              wchar_t **part) {
  DWORD length = (DWORD)wcslen(name) + 3;
  (void)part;
  if (room <= length)
    return length + 1;
  memcpy(out, L"C:\\", 3 * sizeof *out);
  memcpy(out + 3, name, (wcslen(name) + 1) * sizeof *out);
  return length;
}

/* Each part of the path behind the root. */
static void check_parts(const wchar_t *at) {
  FUZZ_CHECK(!wcschr(at, L'/'));
  while (*at) {
    size_t length = wcscspn(at, L"\\");
    FUZZ_CHECK(length > 0);
    FUZZ_CHECK(at[length - 1] != L'.' && at[length - 1] != L' ');
    at += length;
    at += *at == L'\\';
  }
}

static void join(const char *text) {
  wchar_t *path = NULL;
  bool anchored = os_path_is_absolute(text);
  struct os_result result = native_path(&path, (HANDLE)&folder, text);
  if (result.value < 0) {
    /* The last one: there is a file or device of that name. */
    FUZZ_CHECK(result.value == OVIO_EINVAL ||
               result.value == OVIO_ENAMETOOLONG ||
               (path_means_directory(text) && result.value == OVIO_ENOTDIR));
    return;
  }
  if (!anchored) {
    const wchar_t *root = roots[folder];
    FUZZ_CHECK(wcsncmp(path, root, wcslen(root)) == 0);
    check_parts(path + wcslen(root));
  }
  memory_free(path);
}

/* ---- the whole ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  struct native_calls real = native;
  struct input input = {data, length};
  long alive = memory_alive;
  unsigned choice = input_byte(&input);
  char *text = input_text(&input);
  folder = choice % (sizeof folders / sizeof *folders);
  native.GetFinalPathNameByHandleW = fake_final;
  native.GetFullPathNameW = fake_full;
  to_wide_and_back(text);
  to_text_and_back((const uint8_t *)text, input.left, choice);
  join(text);
  native = real;
  free(text);
  FUZZ_CHECK(memory_alive == alive);
  return 0;
}
