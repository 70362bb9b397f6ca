/* SPDX-License-Identifier: MIT */
/* Clock, threads and files of Windows; sys_posix.c has the same functions. */
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0A00
#include <windows.h>
#include <psapi.h>

#include "bench.h"

#include <stdlib.h>

struct sys_thread {
  HANDLE thread;
  void (*body)(void *);
  void *argument;
};

struct sys_lock {
  SRWLOCK lock;
};

struct sys_condition {
  CONDITION_VARIABLE condition;
};

int64_t sys_wall_ns(void) {
  static LARGE_INTEGER frequency;
  LARGE_INTEGER now;
  if (!frequency.QuadPart)
    QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  int64_t seconds = now.QuadPart / frequency.QuadPart;
  int64_t rest = now.QuadPart % frequency.QuadPart;
  return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

static int64_t time_ns(const FILETIME *time) {
  uint64_t units = (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
  return (int64_t)units * 100;
}

int64_t sys_cpu_ns(void) {
  FILETIME made, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &made, &ended, &kernel, &user))
    return 0;
  return time_ns(&kernel) + time_ns(&user);
}

const char *sys_name(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version")
             ? "Windows programs under Wine"
             : "Windows";
}

uint64_t sys_transfers(void) {
  IO_COUNTERS counters;
  if (!GetProcessIoCounters(GetCurrentProcess(), &counters))
    return 0;
  return counters.ReadOperationCount + counters.WriteOperationCount;
}

void sys_memory(struct sys_memory *out) {
  PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
  *out = (struct sys_memory){0};
  if (GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
    out->resident = counters.WorkingSetSize;
}

bool sys_files_allow(size_t count) {
  (void)count;
  return true; /* 16 million handles */
}

/* ---- threads ---- */

static DWORD WINAPI thread_main(LPVOID argument) {
  struct sys_thread *thread = argument;
  thread->body(thread->argument);
  return 0;
}

struct sys_thread *sys_thread_start(void (*body)(void *), void *argument) {
  struct sys_thread *thread = malloc(sizeof *thread);
  if (!thread)
    return NULL;
  thread->body = body;
  thread->argument = argument;
  thread->thread = CreateThread(NULL, 0, thread_main, thread, 0, NULL);
  if (thread->thread)
    return thread;
  free(thread);
  return NULL;
}

void sys_thread_join(struct sys_thread *thread) {
  WaitForSingleObject(thread->thread, INFINITE);
  CloseHandle(thread->thread);
  free(thread);
}

struct sys_lock *sys_lock_create(void) {
  struct sys_lock *lock = malloc(sizeof *lock);
  if (lock)
    InitializeSRWLock(&lock->lock);
  return lock;
}

void sys_lock_destroy(struct sys_lock *lock) {
  free(lock);
}

void sys_lock_acquire(struct sys_lock *lock) {
  AcquireSRWLockExclusive(&lock->lock);
}

void sys_lock_release(struct sys_lock *lock) {
  ReleaseSRWLockExclusive(&lock->lock);
}

struct sys_condition *sys_condition_create(void) {
  struct sys_condition *condition = malloc(sizeof *condition);
  if (condition)
    InitializeConditionVariable(&condition->condition);
  return condition;
}

void sys_condition_destroy(struct sys_condition *condition) {
  free(condition);
}

void sys_condition_wait(struct sys_condition *condition,
                        struct sys_lock *lock) {
  SleepConditionVariableSRW(&condition->condition, &lock->lock, INFINITE, 0);
}

void sys_condition_wake(struct sys_condition *condition) {
  WakeConditionVariable(&condition->condition);
}

/* ---- files ---- */

static bool widen(const char *path, wchar_t wide[BENCH_PATH]) {
  return MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, BENCH_PATH) > 0;
}

int sys_open(const char *path, bool direct, intptr_t *file) {
  wchar_t wide[BENCH_PATH];
  const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  if (!widen(path, wide))
    return OVIO_EINVAL;
  HANDLE handle = CreateFileW(
      wide, GENERIC_READ | GENERIC_WRITE, share, NULL, OPEN_EXISTING,
      direct ? FILE_FLAG_NO_BUFFERING : FILE_ATTRIBUTE_NORMAL, NULL);
  *file = (intptr_t)handle;
  return handle == INVALID_HANDLE_VALUE ? OVIO_EIO : 0;
}

void sys_close(intptr_t file) {
  CloseHandle((HANDLE)file);
}

int64_t sys_transfer(intptr_t file, bool write, void *buffer, size_t length,
                     int64_t offset) {
  OVERLAPPED overlapped = {.Offset = (DWORD)offset,
                           .OffsetHigh = (DWORD)(offset >> 32)};
  DWORD moved = 0;
  BOOL fine =
      write
          ? WriteFile((HANDLE)file, buffer, (DWORD)length, &moved, &overlapped)
          : ReadFile((HANDLE)file, buffer, (DWORD)length, &moved, &overlapped);
  return fine ? (int64_t)moved : OVIO_EIO;
}

int sys_folder_make(const char *path) {
  wchar_t wide[BENCH_PATH];
  if (!widen(path, wide))
    return OVIO_EINVAL;
  if (CreateDirectoryW(wide, NULL))
    return 0;
  return GetLastError() == ERROR_ALREADY_EXISTS ? OVIO_EEXIST : OVIO_EACCES;
}

void sys_folder_remove(const char *path) {
  wchar_t wide[BENCH_PATH];
  if (widen(path, wide))
    RemoveDirectoryW(wide);
}

void sys_file_remove(const char *path) {
  wchar_t wide[BENCH_PATH];
  if (widen(path, wide))
    DeleteFileW(wide);
}
