/* SPDX-License-Identifier: MIT */
/* ovcp's system calls on Windows; ovcp_posix.c has the same functions.
 *
 * Symbolic links and junctions are followed: to make one takes a privilege that
 * few users have. Paths go to the system in full with \\?\ in front, so that
 * they may be longer than 260. Text is WTF-8, UTF-8 which may also contain lone
 * surrogates: every name that a directory can hold has one. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <shellapi.h>

#include "ovcp.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interruption;
static UINT console_page;

static int error_of(DWORD code) {
  switch (code) {
  case ERROR_FILE_NOT_FOUND:
  case ERROR_PATH_NOT_FOUND:
  case ERROR_INVALID_NAME:
  case ERROR_BAD_NETPATH:
  case ERROR_BAD_NET_NAME:
  case ERROR_INVALID_DRIVE:
    return OVIO_ENOENT;
  case ERROR_ACCESS_DENIED:
    return OVIO_EACCES;
  case ERROR_ALREADY_EXISTS:
  case ERROR_FILE_EXISTS:
    return OVIO_EEXIST;
  case ERROR_DIRECTORY:
    return OVIO_ENOTDIR;
  case ERROR_DIR_NOT_EMPTY:
    return OVIO_ENOTEMPTY;
  case ERROR_FILENAME_EXCED_RANGE:
    return OVIO_ENAMETOOLONG;
  case ERROR_CANT_RESOLVE_FILENAME:
    return OVIO_ELOOP;
  case ERROR_WRITE_PROTECT:
    return OVIO_EROFS;
  case ERROR_DISK_FULL:
  case ERROR_HANDLE_DISK_FULL:
    return OVIO_ENOSPC;
  case ERROR_SHARING_VIOLATION:
  case ERROR_LOCK_VIOLATION:
    return OVIO_ETXTBSY;
  case ERROR_TOO_MANY_OPEN_FILES:
    return OVIO_EMFILE;
  case ERROR_NOT_ENOUGH_MEMORY:
  case ERROR_OUTOFMEMORY:
    return OVIO_ENOMEM;
  case ERROR_NOT_READY:
    return OVIO_ENODEV;
  default:
    return OVIO_EUNKNOWN;
  }
}

static int outcome(BOOL success) {
  return success ? 0 : error_of(GetLastError());
}

/* ---- Text ---- */

static char *put_code(char *out, uint32_t code) {
  static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (int i = length - 1; i > 0; i--, code >>= 6)
    out[i] = (char)(0x80 | (code & 0x3F));
  out[0] = (char)(lead[length] | code);
  return out + length;
}

static bool is_pair(const wchar_t *wide) {
  return (wide[0] & 0xFC00) == 0xD800 && (wide[1] & 0xFC00) == 0xDC00;
}

/* `text` has room for three bytes a unit and the end. */
static void text_of(char *text, const wchar_t *wide) {
  for (; *wide; wide++) {
    uint32_t code = *wide;
    if (is_pair(wide))
      code = 0x10000 + ((code & 0x3FF) << 10) + (*++wide & 0x3FF);
    text = put_code(text, code);
  }
  *text = '\0';
}

static char *new_text_of(const wchar_t *wide) {
  char *text = malloc(wcslen(wide) * 3 + 1);
  if (text)
    text_of(text, wide);
  return text;
}

/* All text here was made by text_of(): it is well-formed. */
static const char *get_code(const char *text, uint32_t *code) {
  unsigned char lead = (unsigned char)*text++;
  int more = lead < 0xC0 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  *code = more ? lead & (0x3Fu >> more) : lead;
  for (; more && *text; more--)
    *code = *code << 6 | ((unsigned char)*text++ & 0x3Fu);
  return text;
}

static wchar_t *new_wide_of(const char *text) {
  wchar_t *wide = malloc((strlen(text) + 1) * sizeof *wide);
  wchar_t *out = wide;
  while (wide && *text) {
    uint32_t code;
    text = get_code(text, &code);
    if (code >= 0x10000) {
      *out++ = (wchar_t)(0xD800 + ((code - 0x10000) >> 10));
      code = 0xDC00 + (code & 0x3FF);
    }
    *out++ = (wchar_t)code;
  }
  if (wide)
    *out = L'\0';
  return wide;
}

static bool begins_with(const wchar_t *wide, const wchar_t *start) {
  return !wcsncmp(wide, start, wcslen(start));
}

/* What makes a full path one without a limit: C:\a to \\?\C:\a, \\server\share
 * to \\?\UNC\server\share; `skip` units of it go. */
static const wchar_t *long_prefix(const wchar_t *full, size_t *skip) {
  *skip = 0;
  if (begins_with(full, L"\\\\?\\") || begins_with(full, L"\\\\.\\"))
    return L"";
  if (!begins_with(full, L"\\\\"))
    return L"\\\\?\\";
  *skip = 2;
  return L"\\\\?\\UNC\\";
}

/* `full` without a limit, and a separator and `name` behind it unless that is
 * empty. */
static wchar_t *new_long(const wchar_t *full, const wchar_t *name) {
  size_t skip;
  const wchar_t *prefix = long_prefix(full, &skip);
  size_t before = wcslen(prefix);
  size_t length = wcslen(full + skip);
  size_t after = wcslen(name);
  wchar_t *path = malloc((before + length + after + 2) * sizeof *path);
  if (!path)
    return NULL;
  memcpy(path, prefix, before * sizeof *path);
  memcpy(path + before, full + skip, length * sizeof *path);
  length += before;
  if (after && path[length - 1] != L'\\')
    path[length++] = L'\\';
  memcpy(path + length, name, (after + 1) * sizeof *path);
  return path;
}

/* The full path of `text`, or of `name` in it. NULL: the last error tells. */
static wchar_t *new_path(const char *text, const wchar_t *name) {
  wchar_t *wide = new_wide_of(text);
  DWORD size = wide ? GetFullPathNameW(wide, 0, NULL, NULL) : 0;
  DWORD error = wide && !size ? ERROR_INVALID_NAME : ERROR_NOT_ENOUGH_MEMORY;
  wchar_t *full = size ? malloc(size * sizeof *full) : NULL;
  wchar_t *path = NULL;
  if (full && GetFullPathNameW(wide, size, full, NULL) < size)
    path = new_long(full, name);
  free(full);
  free(wide);
  if (!path)
    SetLastError(error);
  return path;
}

/* ---- Begin and end ---- */

static BOOL WINAPI note(DWORD event) {
  interruption = 1;
  /* For the others this thread's return would be the end of the process. */
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
    Sleep(INFINITE);
  return TRUE;
}

int sys_begin(int *argc, char ***argv) {
  wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), argc);
  char **texts = wide ? calloc((size_t)*argc + 1, sizeof *texts) : NULL;
  bool complete = texts;
  for (int i = 0; complete && i < *argc; i++) {
    texts[i] = new_text_of(wide[i]);
    complete = texts[i];
  }
  LocalFree(wide);
  *argv = texts; /* until the end of the process */
  /* Without, the C runtime writes to a console byte by byte. */
  setvbuf(stdout, NULL, _IOFBF, 4096);
  setvbuf(stderr, NULL, _IOFBF, 4096);
  console_page = GetConsoleOutputCP();
  SetConsoleOutputCP(CP_UTF8);
  return complete ? 0 : OVIO_ENOMEM;
}

int sys_end(int status) {
  fflush(NULL);
  if (console_page)
    SetConsoleOutputCP(console_page);
  return interruption ? (int)STATUS_CONTROL_C_EXIT : status;
}

void sys_watch(void) {
  SetConsoleCtrlHandler(note, TRUE);
}

bool sys_interrupted(void) {
  return interruption;
}

bool sys_terminal(void) {
  DWORD mode;
  return GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode);
}

int64_t sys_clock_ns(void) {
  LARGE_INTEGER frequency;
  LARGE_INTEGER now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  int64_t seconds = now.QuadPart / frequency.QuadPart;
  int64_t rest = now.QuadPart % frequency.QuadPart;
  return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

unsigned long sys_process(void) {
  return GetCurrentProcessId();
}

/* ---- Paths ---- */

const char *sys_separators(void) {
  return "\\/";
}

static bool separates(char byte) {
  return byte == '/' || byte == '\\';
}

/* The end of the next `count` components and the separator behind them. */
static size_t skip_components(const char *path, size_t at, int count) {
  while (count && path[at]) {
    while (path[at] && !separates(path[at]))
      at++;
    at += path[at] != '\0';
    count--;
  }
  return at;
}

size_t sys_root(const char *path) {
  if (!strncmp(path, "\\\\?\\UNC\\", 8))
    return skip_components(path, 8, 2);
  if (!strncmp(path, "\\\\?\\", 4))
    return skip_components(path, 4, 1);
  if (separates(path[0]) && separates(path[1]))
    return skip_components(path, 2, 2);
  if (path[0] && path[1] == ':')
    return separates(path[2]) ? 3 : 2;
  return separates(path[0]);
}

static HANDLE open_path(const char *path, DWORD access) {
  wchar_t *wide = new_path(path, L"");
  if (!wide)
    return INVALID_HANDLE_VALUE;
  HANDLE handle = CreateFileW(
      wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
      NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
  DWORD error = GetLastError();
  free(wide);
  SetLastError(error);
  return handle;
}

/* 100 ns since 1601, and since 1970. */
#define EPOCH INT64_C(116444736000000000)

static int64_t ns_of(FILETIME time) {
  int64_t ticks =
      (int64_t)((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime);
  return (ticks - EPOCH) * 100;
}

static FILETIME time_of(int64_t ns) {
  uint64_t ticks = (uint64_t)(ns / 100 + EPOCH);
  return (FILETIME){(DWORD)ticks, (DWORD)(ticks >> 32)};
}

static uint64_t wide_number(DWORD high, DWORD low) {
  return (uint64_t)high << 32 | low;
}

static int look_at(HANDLE handle, struct ovio_stat *out) {
  BY_HANDLE_FILE_INFORMATION info;
  *out = (struct ovio_stat){.type = OVIO_TYPE_OTHER};
  if (GetFileType(handle) != FILE_TYPE_DISK)
    return 0;
  if (!GetFileInformationByHandle(handle, &info))
    return error_of(GetLastError());
  bool directory = info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
  bool fixed = info.dwFileAttributes & FILE_ATTRIBUTE_READONLY;
  *out = (struct ovio_stat){
      .size = (int64_t)wide_number(info.nFileSizeHigh, info.nFileSizeLow),
      .access_ns = ns_of(info.ftLastAccessTime),
      .modify_ns = ns_of(info.ftLastWriteTime),
      .device = info.dwVolumeSerialNumber,
      .inode = wide_number(info.nFileIndexHigh, info.nFileIndexLow),
      .type = directory ? OVIO_TYPE_DIRECTORY : OVIO_TYPE_FILE,
      .mode = fixed ? 0444 : 0666,
  };
  return 0;
}

int sys_look(const char *path, bool follow, struct ovio_stat *out) {
  (void)follow;
  HANDLE handle = open_path(path, FILE_READ_ATTRIBUTES);
  if (handle == INVALID_HANDLE_VALUE)
    return error_of(GetLastError());
  int error = look_at(handle, out);
  CloseHandle(handle);
  return error;
}

int sys_real_path(const char *path, char **real) {
  *real = NULL;
  HANDLE handle = open_path(path, FILE_READ_ATTRIBUTES);
  if (handle == INVALID_HANDLE_VALUE)
    return error_of(GetLastError());
  DWORD size = GetFinalPathNameByHandleW(handle, NULL, 0, 0);
  int error = outcome(size > 0);
  wchar_t *wide = size ? malloc((size + 1) * sizeof *wide) : NULL;
  if (wide && GetFinalPathNameByHandleW(handle, wide, size + 1, 0) <= size)
    *real = new_text_of(wide);
  free(wide);
  CloseHandle(handle);
  return error || *real ? error : OVIO_ENOMEM;
}

/* ---- Directories ---- */

struct sys_folder {
  HANDLE find; /* none: the directory is empty */
  bool first;  /* `data` is an entry that has not been shown yet */
  WIN32_FIND_DATAW data;
  char name[MAX_PATH * 3 + 1];
};

int sys_folder_open(struct sys_folder **folder, const char *path) {
  wchar_t *pattern = new_path(path, L"*");
  struct sys_folder *it = pattern ? calloc(1, sizeof *it) : NULL;
  int error = pattern ? OVIO_ENOMEM : error_of(GetLastError());
  if (it) {
    it->find = FindFirstFileW(pattern, &it->data);
    it->first = it->find != INVALID_HANDLE_VALUE;
    /* A drive's root does not contain "." and may be empty. */
    bool good = it->first || GetLastError() == ERROR_FILE_NOT_FOUND;
    error = outcome(good);
  }
  free(pattern);
  if (error) {
    free(it);
    it = NULL;
  }
  *folder = it;
  return error;
}

static bool is_dots(const wchar_t *name) {
  return name[0] == L'.' && (!name[1] || (name[1] == L'.' && !name[2]));
}

int sys_folder_next(struct sys_folder *folder, const char **name) {
  *name = NULL;
  if (folder->find == INVALID_HANDLE_VALUE)
    return 0;
  do {
    if (!folder->first && !FindNextFileW(folder->find, &folder->data))
      return outcome(GetLastError() == ERROR_NO_MORE_FILES);
    folder->first = false;
  } while (is_dots(folder->data.cFileName));
  text_of(folder->name, folder->data.cFileName);
  *name = folder->name;
  return 0;
}

void sys_folder_close(struct sys_folder *folder) {
  if (folder->find != INVALID_HANDLE_VALUE)
    FindClose(folder->find);
  free(folder);
}

int sys_folder_make(const char *path, const struct ovio_stat *source) {
  (void)source;
  wchar_t *wide = new_path(path, L"");
  int error = outcome(wide && CreateDirectoryW(wide, NULL));
  free(wide);
  return error;
}

int sys_folder_finish(const char *path, const struct ovio_stat *source) {
  HANDLE handle = open_path(path, FILE_WRITE_ATTRIBUTES);
  if (handle == INVALID_HANDLE_VALUE)
    return error_of(GetLastError());
  FILETIME access = time_of(source->access_ns);
  FILETIME modify = time_of(source->modify_ns);
  int error = outcome(SetFileTime(handle, NULL, &access, &modify));
  CloseHandle(handle);
  return error;
}

/* ---- Names ---- */

int sys_link_copy(const char *from, const char *to) {
  (void)from;
  (void)to;
  return OVIO_ENOTSUP; /* sys_look() never finds a link */
}

int sys_replace(const char *from, const char *to) {
  wchar_t *old = new_path(from, L"");
  wchar_t *new = old ? new_path(to, L"") : NULL;
  int error = outcome(new &&MoveFileExW(old, new, MOVEFILE_REPLACE_EXISTING));
  free(new);
  free(old);
  return error;
}

void sys_remove(const char *path) {
  wchar_t *wide = new_path(path, L"");
  if (wide && !DeleteFileW(wide)) {
    SetFileAttributesW(wide, FILE_ATTRIBUTE_NORMAL);
    DeleteFileW(wide);
  }
  free(wide);
}
