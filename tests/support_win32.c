/* SPDX-License-Identifier: MIT */
/* The tests' own system calls, Windows. */
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>
#include <psapi.h>
#include <tlhelp32.h>
#include <winternl.h>

#include "support.h"
#include "win32/side.h"

const struct test_mode test_modes[] = {
    {"plain", false, OVIO_ENGINE_DEFAULT},
    {"iocp", true, OVIO_ENGINE_IOCP},
};
const size_t test_mode_count = sizeof test_modes / sizeof *test_modes;

#define PIPE_ROOM 65536

static bool overlapped_pipe(ovio_handle ends[2]) {
  static LONG number;
  wchar_t name[96];
  _snwprintf(name, 96, L"\\\\.\\pipe\\ovio-test-%lu-%ld", GetCurrentProcessId(),
             InterlockedIncrement(&number));
  ends[0] = CreateNamedPipeW(name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED,
                             PIPE_TYPE_BYTE | PIPE_READMODE_BYTE |
                                 PIPE_REJECT_REMOTE_CLIENTS,
                             1, PIPE_ROOM, PIPE_ROOM, 0, NULL);
  if (ends[0] == INVALID_HANDLE_VALUE)
    return false;
  ends[1] = CreateFileW(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0, NULL,
                        OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
  if (ends[1] != INVALID_HANDLE_VALUE)
    return true;
  CloseHandle(ends[0]);
  return false;
}

bool test_pipe(ovio_handle ends[2], enum test_pipe_kind kind) {
  if (kind == TEST_PIPE_OVERLAPPED)
    return overlapped_pipe(ends);
  return CreatePipe(&ends[0], &ends[1], NULL, PIPE_ROOM) != 0;
}

size_t test_pipe_room(void) {
  return PIPE_ROOM;
}

static SOCKET listen_on_loopback(struct sockaddr_in *address) {
  int length = sizeof *address;
  SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);
  *address = (struct sockaddr_in){.sin_family = AF_INET};
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)address, sizeof *address) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)address, &length) != 0) {
    closesocket(listener);
    return INVALID_SOCKET;
  }
  return listener;
}

bool test_socket_pair(ovio_handle ends[2]) {
  WSADATA data;
  struct sockaddr_in address;
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
    return false;
  SOCKET listener = listen_on_loopback(&address);
  if (listener == INVALID_SOCKET)
    return false;
  SOCKET client = socket(AF_INET, SOCK_STREAM, 0);
  int failed =
      connect(client, (struct sockaddr *)&address, (int)sizeof address);
  SOCKET server = failed ? INVALID_SOCKET : accept(listener, NULL, NULL);
  closesocket(listener);
  ends[0] = (ovio_handle)client;
  ends[1] = (ovio_handle)server;
  return server != INVALID_SOCKET;
}

bool test_close_handle(ovio_handle handle) {
  return CloseHandle(handle) != 0;
}

enum { WIDE_MAX = 1024 };

/* The system's own form, which has no limit of 260: an absolute path only. */
static const wchar_t *wide_path(const char *path, wchar_t wide[WIDE_MAX]) {
  static const wchar_t prefix[] = L"\\\\?\\";
  memcpy(wide, prefix, sizeof prefix);
  if (!MultiByteToWideChar(CP_UTF8, 0, path, -1, wide + 4, WIDE_MAX - 4))
    wide[4] = 0;
  for (wchar_t *at = wide; *at; at++) {
    if (*at == L'/')
      *at = L'\\';
  }
  return wide;
}

ovio_handle test_open_handle(const char *path, bool write, bool overlapped) {
  wchar_t wide[WIDE_MAX];
  return CreateFileW(wide_path(path, wide),
                     GENERIC_READ | (write ? GENERIC_WRITE : 0),
                     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                     NULL, write ? OPEN_ALWAYS : OPEN_EXISTING,
                     overlapped ? FILE_FLAG_OVERLAPPED : 0, NULL);
}

int64_t test_handle_position(ovio_handle handle) {
  LARGE_INTEGER zero = {.QuadPart = 0};
  LARGE_INTEGER at;
  return SetFilePointerEx(handle, zero, &at, FILE_CURRENT) ? at.QuadPart : -1;
}

ovio_handle test_duplicate(ovio_handle handle) {
  HANDLE self = GetCurrentProcess();
  HANDLE copy;
  return DuplicateHandle(self, handle, self, &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)
             ? copy
             : OVIO_NO_HANDLE;
}

bool test_is_inheritable(ovio_handle handle) {
  DWORD flags = 0;
  return GetHandleInformation(handle, &flags) &&
         (flags & HANDLE_FLAG_INHERIT) != 0;
}

bool test_handle_move(ovio_handle handle, int64_t position) {
  LARGE_INTEGER to = {.QuadPart = position};
  return SetFilePointerEx(handle, to, NULL, FILE_BEGIN) != 0;
}

bool test_make_folder(const char *path) {
  wchar_t wide[WIDE_MAX];
  return CreateDirectoryW(wide_path(path, wide), NULL) != 0;
}

bool test_exists(const char *path) {
  wchar_t wide[WIDE_MAX];
  return GetFileAttributesW(wide_path(path, wide)) != INVALID_FILE_ATTRIBUTES;
}

bool test_make_link(const char *target, const char *path, bool is_folder) {
  wchar_t wide[WIDE_MAX];
  wchar_t wide_target[WIDE_MAX];
  return CreateSymbolicLinkW(wide_path(path, wide),
                             wide_path(target, wide_target) + 4,
                             (is_folder ? 1 : 0) | 2 /* no privilege */) != 0 &&
         test_exists(path); /* Wine 8 says yes and does nothing */
}

bool test_process_start(intptr_t *process, const char *first,
                        const char *second) {
  wchar_t program[WIDE_MAX];
  wchar_t line[2 * WIDE_MAX];
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION info;
  GetModuleFileNameW(NULL, program, WIDE_MAX);
  swprintf(line, 2 * WIDE_MAX, L"test %hs \"%hs\"", first, second);
  if (!CreateProcessW(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
                      &info))
    return false;
  CloseHandle(info.hThread);
  *process = (intptr_t)info.hProcess;
  return true;
}

bool test_process_kill(intptr_t process) {
  bool gone = TerminateProcess((HANDLE)process, 1) &&
              WaitForSingleObject((HANDLE)process, INFINITE) == 0;
  CloseHandle((HANDLE)process);
  return gone;
}

void *test_reserve(size_t length) {
  return VirtualAlloc(NULL, length, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void test_unreserve(void *memory, size_t length) {
  (void)length;
  VirtualFree(memory, 0, MEM_RELEASE);
}

static void CALLBACK on_never(void *context, BOOLEAN timed_out) {
  (void)context;
  (void)timed_out;
}

/* The system's thread for waits of others lives on for some seconds after the
 * last one: it is kept alive by one that never ends. */
static void keep_wait_thread(void) {
  static HANDLE never;
  static HANDLE wait;
  if (never)
    return;
  never = CreateEventW(NULL, TRUE, FALSE, NULL);
  RegisterWaitForSingleObject(&wait, never, on_never, NULL, INFINITE,
                              WT_EXECUTEINWAITTHREAD | WT_EXECUTEONLYONCE);
}

/* Looked for one by one, lowest first as both systems give them out: Wine 8
 * answers GetProcessHandleCount with 0, and its server crashes when asked for
 * SystemHandleInformation while another process has no handle yet
 * (docs/wine.md). Less the events that the library keeps for synchronous
 * calls: their number is that of the most calls at once. */
/* 16 million by the system; Wine has the limit of its server's descriptors. */
bool test_handles_allow(size_t count) {
  return count < 4000;
}

unsigned long test_handles_open(void) {
  keep_wait_thread();
  enum { STEP = 4, GAP = 256 * STEP };
  unsigned long count = 0;
  uintptr_t last = 0;
  DWORD flags;
  for (uintptr_t at = STEP; at <= last + GAP; at += STEP) {
    if (!GetHandleInformation((HANDLE)at, &flags))
      continue;
    count++;
    last = at;
  }
  return count - native_events_kept();
}

const char *test_program(void) {
  static char path[4 * MAX_PATH];
  wchar_t wide[MAX_PATH];
  if (!GetModuleFileNameW(NULL, wide, MAX_PATH) ||
      !WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, sizeof path, NULL, NULL))
    return "";
  return path;
}

ovio_handle test_standard(int at) {
  static const DWORD numbers[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                  STD_ERROR_HANDLE};
  return GetStdHandle(numbers[at]);
}

const char *test_here(void) {
  static char path[4 * MAX_PATH];
  wchar_t wide[MAX_PATH];
  if (!GetCurrentDirectoryW(MAX_PATH, wide) ||
      !WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, sizeof path, NULL, NULL))
    return "";
  return path;
}

bool test_is_childless(void) {
  return true; /* nothing is kept for a parent */
}

unsigned long test_resident_kb(void) {
  PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
  if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
    return 0;
  return (unsigned long)(counters.WorkingSetSize / 1024);
}

unsigned long test_threads_alive(void) {
  keep_wait_thread();
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  THREADENTRY32 entry = {.dwSize = sizeof entry};
  unsigned long count = 0;
  for (BOOL more = Thread32First(snapshot, &entry); more;
       more = Thread32Next(snapshot, &entry))
    count += entry.th32OwnerProcessID == GetCurrentProcessId();
  CloseHandle(snapshot);
  return count;
}

static char folder[MAX_PATH + 64];

/* `path` has room for WIDE_MAX characters. */
static void remove_tree(wchar_t *path) {
  WIN32_FIND_DATAW found;
  size_t end = wcslen(path);
  memcpy(path + end, L"\\*", sizeof L"\\*");
  HANDLE find = FindFirstFileW(path, &found);
  while (find != INVALID_HANDLE_VALUE) {
    size_t length = wcslen(found.cFileName);
    if (wcscmp(found.cFileName, L".") != 0 &&
        wcscmp(found.cFileName, L"..") != 0 && end + length + 4 < WIDE_MAX) {
      memcpy(path + end + 1, found.cFileName, (length + 1) * sizeof *path);
      SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL);
      if (!DeleteFileW(path) && !RemoveDirectoryW(path))
        remove_tree(path);
    }
    if (!FindNextFileW(find, &found))
      break;
  }
  if (find != INVALID_HANDLE_VALUE)
    FindClose(find);
  path[end] = 0;
  RemoveDirectoryW(path);
}

const char *test_folder(void) {
  wchar_t parent[MAX_PATH + 1];
  wchar_t wide[WIDE_MAX];
  if (folder[0])
    return folder;
  if (!GetTempPathW(MAX_PATH + 1, parent))
    return "";
  snprintf(folder, sizeof folder, "%lsovio-test-%lu", parent,
           GetCurrentProcessId());
  wide_path(folder, wide);
  remove_tree(wide); /* a killed process had the same number */
  if (!CreateDirectoryW(wide, NULL))
    folder[0] = 0;
  return folder;
}

void test_folder_remove(void) {
  wchar_t wide[WIDE_MAX];
  if (!folder[0])
    return;
  wide_path(folder, wide);
  remove_tree(wide);
}

bool test_is_wine(void) {
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  return ntdll && GetProcAddress(ntdll, "wine_get_version");
}

int64_t test_disk_free(void) {
  ULARGE_INTEGER bytes;
  return GetDiskFreeSpaceExA(test_folder(), &bytes, NULL, NULL)
             ? (int64_t)bytes.QuadPart
             : 0;
}

int64_t test_memory_free(void) {
  MEMORYSTATUSEX status = {.dwLength = sizeof status};
  return GlobalMemoryStatusEx(&status) ? (int64_t)status.ullAvailPhys : 0;
}

/* The C library's own stdout and stderr have been opened before. */
static const DWORD standard_names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                       STD_ERROR_HANDLE};

bool test_redirect(int which, ovio_handle handle, ovio_handle *before) {
  *before = GetStdHandle(standard_names[which]);
  return SetStdHandle(standard_names[which],
                      handle == OVIO_NO_HANDLE ? NULL : handle);
}

bool test_redirect_back(int which, ovio_handle before) {
  return SetStdHandle(standard_names[which], before);
}

/* ---- limits: there are none ---- */

bool test_process_pause(uint64_t id, bool pause) {
  (void)id;
  (void)pause;
  return false;
}

bool test_limit_files(size_t bytes) {
  (void)bytes;
  return false;
}
