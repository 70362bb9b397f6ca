/* SPDX-License-Identifier: MIT */
/* Child processes: CreateProcessW.
 *
 * The child inherits what is in PROC_THREAD_ATTRIBUTE_HANDLE_LIST and nothing
 * else, whatever else is inheritable (MS: UpdateProcThreadAttribute). What is
 * in the list must be inheritable itself. For the streams that is a duplicate,
 * made for the call; a file that keeps its number is marked for the length of
 * the call, under a lock, since two calls may have the same one. */
#include "win32/side.h"

#include <string.h>
#include <wchar.h>

#include "common/memory.h"

enum { STREAMS = 3, KILLED_CODE = 1, KILLED_SIGNAL = 9 };

/* ---- the program ---- */

static bool program__is_file(const wchar_t *path) {
  DWORD attributes = native.GetFileAttributesW(path);
  return attributes != INVALID_FILE_ATTRIBUTES &&
         !(attributes & FILE_ATTRIBUTE_DIRECTORY);
}

static bool program__has_dot(const wchar_t *path) {
  const wchar_t *separator = wcsrchr(path, L'\\');
  return wcschr(separator ? separator : path, L'.') != NULL;
}

/* folder\name with each ending, into `out`, which has room. */
static bool program__try(wchar_t *out, const wchar_t *folder, size_t length,
                         const wchar_t *name) {
  static const wchar_t endings[][5] = {L"", L".com", L".exe", L".bat", L".cmd"};
  size_t used = length;
  size_t name_length = wcslen(name);
  memcpy(out, folder, length * sizeof *out);
  if (length > 0 && out[length - 1] != L'\\')
    out[used++] = L'\\';
  memcpy(out + used, name, name_length * sizeof *out);
  used += name_length;
  for (size_t at = program__has_dot(name) ? 0 : 1; at < 5; at++) {
    memcpy(out + used, endings[at], sizeof endings[at]);
    if (program__is_file(out))
      return true;
  }
  out[used] = 0;
  return false;
}

/* The PATH of this process; NULL: none, or no memory. */
static wchar_t *program__search_path(void) {
  DWORD room = native.GetEnvironmentVariableW(L"PATH", NULL, 0);
  wchar_t *path = room ? memory_allocate(room * sizeof *path) : NULL;
  if (path && native.GetEnvironmentVariableW(L"PATH", path, room) >= room)
    path[0] = 0; /* it has grown just now */
  return path;
}

/* Parts of PATH may stand in quotation marks; empty ones are left out. */
static struct os_result program__search(wchar_t **out, const wchar_t *name) {
  wchar_t *path = program__search_path();
  if (!path)
    return native_failure(ERROR_FILE_NOT_FOUND);
  wchar_t *found =
      memory_allocate((wcslen(path) + wcslen(name) + 8) * sizeof *found);
  struct os_result result = {found ? OVIO_ENOENT : OVIO_ENOMEM, 0};
  for (wchar_t *part = path; found && *part && result.value < 0;) {
    size_t length = wcscspn(part, L";");
    wchar_t *next = part + length + (part[length] == L';');
    if (length > 1 && part[0] == L'"' && part[length - 1] == L'"') {
      part++;
      length -= 2;
    }
    if (length > 0 && program__try(found, part, length, name))
      result.value = 0;
    part = next;
  }
  if (result.value == 0)
    *out = found;
  else
    memory_free(found);
  memory_free(path);
  return result;
}

/* A path that names no file as it is, is left to CreateProcessW's judgement. */
static struct os_result program__complete(wchar_t **out, const wchar_t *path) {
  wchar_t *found = memory_allocate((wcslen(path) + 8) * sizeof *found);
  if (!found)
    return (struct os_result){OVIO_ENOMEM, 0};
  bool fits = program__try(found, L"", 0, path);
  DWORD attributes = fits ? 0 : native.GetFileAttributesW(path);
  struct os_result result = {0, 0};
  if (attributes == INVALID_FILE_ATTRIBUTES)
    result = native_last_failure();
  else if (attributes & FILE_ATTRIBUTE_DIRECTORY)
    result = native_failure(ERROR_ACCESS_DENIED);
  if (result.value == 0)
    *out = found;
  else
    memory_free(found);
  return result;
}

/* As seen from here, not from the child's directory. */
static struct os_result program__absolute(wchar_t **path) {
  DWORD room = native.GetFullPathNameW(*path, 0, NULL, NULL);
  if (room == 0)
    return native_last_failure();
  wchar_t *full = memory_allocate(room * sizeof *full);
  if (!full)
    return (struct os_result){OVIO_ENOMEM, 0};
  DWORD used = native.GetFullPathNameW(*path, room, full, NULL);
  if (used == 0 || used >= room) {
    struct os_result result = native_last_failure();
    memory_free(full);
    return result;
  }
  memory_free(*path);
  *path = full;
  return (struct os_result){0, 0};
}

static struct os_result program__find(wchar_t **out, const char *program) {
  wchar_t *wide = NULL;
  struct os_result result;
  bool is_path = strpbrk(program, "/\\:") != NULL;
  if (is_path)
    result = native_path(&wide, NULL, program);
  else
    result = (struct os_result){native_wide(&wide, program), 0};
  if (result.value == 0)
    result =
        is_path ? program__complete(out, wide) : program__search(out, wide);
  memory_free(wide);
  return result.value == 0 ? program__absolute(out) : result;
}

/* ---- what CreateProcessW takes ---- */

struct launch {
  const struct os_spawn *spawn;
  wchar_t *program;
  wchar_t *line;
  wchar_t *environment; /* NULL: this process's */
  wchar_t *directory;   /* NULL likewise */
  HANDLE streams[STREAMS];
  HANDLE *list;
  size_t count;
  bool *marked; /* for each of the list: inheritable for the call's length */
  LPPROC_THREAD_ATTRIBUTE_LIST attributes;
  bool initialized;
};

/* The system's own, not COMSPEC's, which anybody may set. */
static struct os_result launch__take_shell(struct launch *launch) {
  static const wchar_t shell[] = L"\\cmd.exe";
  wchar_t *path = memory_allocate((MAX_PATH + 16) * sizeof *path);
  if (!path)
    return (struct os_result){OVIO_ENOMEM, 0};
  UINT used = native.GetSystemDirectoryW(path, MAX_PATH);
  if (used == 0 || used >= MAX_PATH) {
    struct os_result result = native_last_failure();
    memory_free(path);
    return result;
  }
  memcpy(path + used, shell, sizeof shell);
  memory_free(launch->program);
  launch->program = path;
  return (struct os_result){0, 0};
}

static struct os_result launch__name(struct launch *launch) {
  const struct os_spawn *spawn = launch->spawn;
  struct os_result result = program__find(&launch->program, spawn->program);
  if (result.value < 0)
    return result;
  bool batch = native_is_batch(launch->program);
  if (batch)
    result.value =
        native_batch_line(&launch->line, launch->program, spawn->arguments);
  else
    result.value = native_command_line(&launch->line, spawn->arguments);
  if (batch && result.value == 0)
    result = launch__take_shell(launch);
  if (result.value == 0 && spawn->environment)
    result.value = native_environment(&launch->environment, spawn->environment);
  return result;
}

/* CreateProcessW says the same of one that is missing and of a file. */
static struct os_result launch__settle(struct launch *launch) {
  if (!launch->spawn->directory)
    return (struct os_result){0, 0};
  struct os_result result =
      native_path(&launch->directory, NULL, launch->spawn->directory);
  if (result.value < 0)
    return result;
  DWORD attributes = native.GetFileAttributesW(launch->directory);
  if (attributes == INVALID_FILE_ATTRIBUTES)
    return native_last_failure();
  return attributes & FILE_ATTRIBUTE_DIRECTORY
             ? result
             : native_failure(ERROR_DIRECTORY);
}

/* What the child's stream is a duplicate of; NULL: this process has none. */
static HANDLE launch__source(const struct os_spawn *spawn, int at) {
  static const DWORD own[STREAMS] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                     STD_ERROR_HANDLE};
  int from = at == 2 && spawn->join ? 1 : at;
  if (spawn->streams[from])
    return (HANDLE)spawn->streams[from]->handle;
  HANDLE handle = GetStdHandle(own[from]);
  return handle == INVALID_HANDLE_VALUE ? NULL : handle;
}

static struct os_result launch__take_streams(struct launch *launch) {
  HANDLE self = GetCurrentProcess();
  for (int at = 0; at < STREAMS; at++) {
    HANDLE source = launch__source(launch->spawn, at);
    if (source &&
        !native.DuplicateHandle(self, source, self, &launch->streams[at], 0,
                                TRUE, DUPLICATE_SAME_ACCESS)) {
      launch->streams[at] = NULL;
      return native_last_failure();
    }
  }
  return (struct os_result){0, 0};
}

static bool launch__has(const struct launch *launch, HANDLE handle) {
  for (size_t at = 0; at < launch->count; at++) {
    if (launch->list[at] == handle)
      return true;
  }
  return false;
}

/* Each once: a second time would be ERROR_INVALID_PARAMETER. */
static struct os_result launch__take_list(struct launch *launch) {
  const struct os_spawn *spawn = launch->spawn;
  size_t most = STREAMS + spawn->inherited_count;
  launch->list = memory_allocate(most * sizeof *launch->list);
  launch->marked = memory_allocate(most * sizeof *launch->marked);
  if (!launch->list || !launch->marked)
    return (struct os_result){OVIO_ENOMEM, 0};
  for (int at = 0; at < STREAMS; at++) {
    if (launch->streams[at])
      launch->list[launch->count++] = launch->streams[at];
  }
  for (size_t at = 0; at < spawn->inherited_count; at++) {
    HANDLE handle = (HANDLE)spawn->inherited[at]->handle;
    if (!launch__has(launch, handle))
      launch->list[launch->count++] = handle;
  }
  return (struct os_result){0, 0};
}

static struct os_result launch__take_attributes(struct launch *launch) {
  SIZE_T size = 0;
  if (launch->count == 0)
    return (struct os_result){0, 0}; /* nothing is inherited */
  native.InitializeProcThreadAttributeList(NULL, 1, 0, &size);
  if (size == 0)
    return native_last_failure();
  launch->attributes = memory_allocate(size);
  if (!launch->attributes)
    return (struct os_result){OVIO_ENOMEM, 0};
  launch->initialized =
      native.InitializeProcThreadAttributeList(launch->attributes, 1, 0, &size);
  if (!launch->initialized ||
      !native.UpdateProcThreadAttribute(
          launch->attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
          launch->list, launch->count * sizeof *launch->list, NULL, NULL))
    return native_last_failure();
  return (struct os_result){0, 0};
}

static void launch__clear(struct launch *launch) {
  for (int at = 0; at < STREAMS; at++) {
    if (launch->streams[at])
      native.CloseHandle(launch->streams[at]);
  }
  if (launch->initialized)
    DeleteProcThreadAttributeList(launch->attributes);
  memory_free(launch->attributes);
  memory_free(launch->list);
  memory_free(launch->marked);
  memory_free(launch->program);
  memory_free(launch->line);
  memory_free(launch->environment);
  memory_free(launch->directory);
}

/* ---- the call ---- */

static SRWLOCK marks__lock = SRWLOCK_INIT;

static struct os_result launch__mark(struct launch *launch) {
  for (size_t at = 0; at < launch->count; at++) {
    DWORD flags = 0;
    if (!native.GetHandleInformation(launch->list[at], &flags))
      return native_last_failure();
    if (flags & HANDLE_FLAG_INHERIT)
      continue;
    if (!native.SetHandleInformation(launch->list[at], HANDLE_FLAG_INHERIT,
                                     HANDLE_FLAG_INHERIT))
      return native_last_failure();
    launch->marked[at] = true;
  }
  return (struct os_result){0, 0};
}

static void launch__unmark(struct launch *launch) {
  for (size_t at = 0; at < launch->count; at++) {
    if (launch->marked[at])
      native.SetHandleInformation(launch->list[at], HANDLE_FLAG_INHERIT, 0);
  }
}

static struct os_result launch__call(struct launch *launch,
                                     PROCESS_INFORMATION *made) {
  STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                            .dwFlags = STARTF_USESTDHANDLES,
                                            .hStdInput = launch->streams[0],
                                            .hStdOutput = launch->streams[1],
                                            .hStdError = launch->streams[2]},
                            .lpAttributeList = launch->attributes};
  BOOL fine = native.CreateProcessW(
      launch->program, launch->line, NULL, NULL, launch->count > 0,
      CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT,
      launch->environment, launch->directory, &startup.StartupInfo, made);
  return fine ? (struct os_result){0, 0} : native_last_failure();
}

static struct os_result launch__run(struct launch *launch,
                                    PROCESS_INFORMATION *made) {
  bool shared = launch->spawn->inherited_count > 0;
  if (shared)
    AcquireSRWLockExclusive(&marks__lock);
  struct os_result result = launch__mark(launch);
  if (result.value == 0)
    result = launch__call(launch, made);
  launch__unmark(launch);
  if (shared)
    ReleaseSRWLockExclusive(&marks__lock);
  return result;
}

struct os_result os_process_open_null(struct os_file *file) {
  return os_file_open(file, NULL, "NUL", OVIO_READ | OVIO_WRITE | OVIO_BLOCKING,
                      0);
}

struct os_result os_process_spawn(struct os_process *process,
                                  const struct os_spawn *spawn) {
  struct launch launch = {.spawn = spawn};
  PROCESS_INFORMATION made = {0};
  struct os_result result = launch__name(&launch);
  if (result.value == 0)
    result = launch__settle(&launch);
  if (result.value == 0)
    result = launch__take_streams(&launch);
  if (result.value == 0)
    result = launch__take_list(&launch);
  if (result.value == 0)
    result = launch__take_attributes(&launch);
  if (result.value == 0)
    result = launch__run(&launch, &made);
  launch__clear(&launch);
  if (result.value < 0)
    return result;
  native.CloseHandle(made.hThread);
  *process = (struct os_process){.handle = (intptr_t)made.hProcess,
                                 .id = made.dwProcessId,
                                 .pollable = true};
  return result;
}

/* ---- its end ---- */

static HANDLE process__handle(const struct os_process *process) {
  return (HANDLE)process->handle;
}

struct os_result os_process_await(const struct os_process *process,
                                  int64_t patience_ns,
                                  struct os_waiter *os_waiter) {
  struct native_waiter *waiter = native_waiter_of(os_waiter);
  /* The first one counts when both are set (MS: WaitForMultipleObjects). */
  const HANDLE both[2] = {waiter ? waiter->event : NULL,
                          process__handle(process)};
  (void)patience_ns;
  DWORD first = waiter ? native.WaitForMultipleObjects(2, both, FALSE, INFINITE)
                       : native.WaitForSingleObject(both[1], INFINITE);
  if (first == WAIT_FAILED)
    return native_last_failure();
  if (waiter && first == WAIT_OBJECT_0)
    return (struct os_result){OVIO_ECANCELED, ERROR_OPERATION_ABORTED};
  return (struct os_result){0, 0};
}

struct os_result os_process_collect(struct os_process *process,
                                    struct ovio_exit *out) {
  DWORD code = 0;
  DWORD state = native.WaitForSingleObject(process__handle(process), 0);
  if (state == WAIT_TIMEOUT)
    return (struct os_result){0, 0};
  if (state == WAIT_FAILED ||
      !native.GetExitCodeProcess(process__handle(process), &code))
    return native_last_failure();
  bool killed = process->killed && code == KILLED_CODE;
  out->code = killed ? 0 : code;
  out->signal = killed ? KILLED_SIGNAL : 0;
  return (struct os_result){1, 0};
}

struct os_result os_process_kill(struct os_process *process, unsigned how) {
  if (how != OVIO_KILL_FORCE)
    return (struct os_result){OVIO_ENOTSUP, 0};
  if (!native.TerminateProcess(process__handle(process), KILLED_CODE))
    return native_last_failure();
  process->killed = true;
  return (struct os_result){0, 0};
}

void os_process_close(struct os_process *process) {
  native.CloseHandle(process__handle(process));
}
