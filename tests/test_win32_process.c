/* SPDX-License-Identifier: MIT */
/* Child processes on Windows: what CreateProcessW is given, which Wine does
 * not check; batch files; names beyond ASCII; and every call made to fail. */
#include "win32/native.h"

#include <shellapi.h>
#include <wchar.h>

#include "children.h"

/* ---- the shim ---- */

static atomic_long shim_left;   /* the n-th call fails; 0: none */
static atomic_ulong shim_error; /* of CreateProcessW; 0: none */
static struct native_calls real;

static struct {
  HANDLE list[16];
  size_t count;
  bool called;
  bool sound; /* as Microsoft's documentation wants it */
} given;

static bool shim_fails(void) {
  long left = shim_left;
  while (left > 0 && !atomic_compare_exchange_weak(&shim_left, &left, left - 1))
    ;
  if (left == 1)
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
  return left == 1;
}

static HANDLE WINAPI shim_CreateFileW(LPCWSTR path, DWORD access, DWORD share,
                                      LPSECURITY_ATTRIBUTES security,
                                      DWORD disposition, DWORD attributes,
                                      HANDLE template) {
  return shim_fails() ? INVALID_HANDLE_VALUE
                      : real.CreateFileW(path, access, share, security,
                                         disposition, attributes, template);
}

static HANDLE WINAPI shim_CreateNamedPipeW(LPCWSTR name, DWORD open, DWORD mode,
                                           DWORD most, DWORD out, DWORD in,
                                           DWORD wait,
                                           LPSECURITY_ATTRIBUTES security) {
  return shim_fails() ? INVALID_HANDLE_VALUE
                      : real.CreateNamedPipeW(name, open, mode, most, out, in,
                                              wait, security);
}

static BOOL WINAPI shim_DuplicateHandle(HANDLE from, HANDLE handle, HANDLE to,
                                        LPHANDLE out, DWORD access,
                                        BOOL inherit, DWORD options) {
  return !shim_fails() &&
         real.DuplicateHandle(from, handle, to, out, access, inherit, options);
}

static BOOL WINAPI shim_Initialize(LPPROC_THREAD_ATTRIBUTE_LIST list,
                                   DWORD count, DWORD flags, PSIZE_T size) {
  return !shim_fails() &&
         real.InitializeProcThreadAttributeList(list, count, flags, size);
}

static BOOL WINAPI shim_Update(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD flags,
                               DWORD_PTR which, PVOID value, SIZE_T size,
                               PVOID before, PSIZE_T returned) {
  if (shim_fails())
    return FALSE;
  given.count = size / sizeof(HANDLE);
  if (which == PROC_THREAD_ATTRIBUTE_HANDLE_LIST && given.count <= 16)
    memcpy(given.list, value, size);
  return real.UpdateProcThreadAttribute(list, flags, which, value, size, before,
                                        returned);
}

/* MS: UpdateProcThreadAttribute: handles of the list must be inheritable, and
 * none may be there twice. */
static bool list_is_sound(void) {
  for (size_t at = 0; at < given.count; at++) {
    DWORD flags = 0;
    if (!GetHandleInformation(given.list[at], &flags) ||
        !(flags & HANDLE_FLAG_INHERIT))
      return false;
    for (size_t other = 0; other < at; other++) {
      if (given.list[at] == given.list[other])
        return false;
    }
  }
  return given.count > 0;
}

static BOOL WINAPI shim_CreateProcessW(
    LPCWSTR program, LPWSTR line, LPSECURITY_ATTRIBUTES process,
    LPSECURITY_ATTRIBUTES thread, BOOL inherit, DWORD flags, LPVOID environment,
    LPCWSTR directory, LPSTARTUPINFOW startup, LPPROCESS_INFORMATION out) {
  const DWORD wanted =
      CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
  if (shim_fails())
    return FALSE;
  given.called = true;
  given.sound = inherit && program && (flags & wanted) == wanted &&
                startup->cb == sizeof(STARTUPINFOEXW) && list_is_sound();
  if (shim_error) {
    SetLastError(shim_error);
    return FALSE;
  }
  return real.CreateProcessW(program, line, process, thread, inherit, flags,
                             environment, directory, startup, out);
}

static BOOL WINAPI shim_GetHandleInformation(HANDLE handle, LPDWORD flags) {
  return !shim_fails() && real.GetHandleInformation(handle, flags);
}

static BOOL WINAPI shim_SetHandleInformation(HANDLE handle, DWORD mask,
                                             DWORD flags) {
  return !shim_fails() && real.SetHandleInformation(handle, mask, flags);
}

static DWORD WINAPI shim_GetFileAttributesW(LPCWSTR path) {
  return shim_fails() ? INVALID_FILE_ATTRIBUTES : real.GetFileAttributesW(path);
}

static DWORD WINAPI shim_GetFullPathNameW(LPCWSTR path, DWORD room, LPWSTR out,
                                          LPWSTR *name) {
  return shim_fails() ? 0 : real.GetFullPathNameW(path, room, out, name);
}

/* As if it had died in between (MS: TerminateProcess). */
static BOOL WINAPI shim_TerminateProcess(HANDLE process, UINT code) {
  if (!shim_error)
    return real.TerminateProcess(process, code);
  real.TerminateProcess(process, 3);
  WaitForSingleObject(process, INFINITE);
  SetLastError(shim_error);
  return FALSE;
}

/* ---- waits ---- */

static struct {
  WAITORTIMERCALLBACK callback;
  void *context;
  HANDLE object;
  atomic_int signalled;
  atomic_int alive;    /* registrations */
  atomic_bool refused; /* the registration */
  atomic_bool race;    /* the object is signalled just before the end */
} registered;

static void CALLBACK on_signal(void *context, BOOLEAN timed_out) {
  registered.callback(context, timed_out);
  atomic_fetch_add(&registered.signalled, 1);
}

static BOOL WINAPI shim_Register(PHANDLE wait, HANDLE object,
                                 WAITORTIMERCALLBACK callback, void *context,
                                 ULONG time, ULONG flags) {
  if (registered.refused) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return FALSE;
  }
  registered.callback = callback;
  registered.context = context;
  registered.object = object;
  atomic_fetch_add(&registered.alive, 1);
  return real.RegisterWaitForSingleObject(wait, object, on_signal, context,
                                          time, flags);
}

static BOOL WINAPI shim_Unregister(HANDLE wait, HANDLE event) {
  if (atomic_exchange(&registered.race, false)) {
    real.TerminateProcess(registered.object, 7);
    while (!atomic_load(&registered.signalled))
      Sleep(1);
  }
  atomic_fetch_sub(&registered.alive, 1);
  return real.UnregisterWaitEx(wait, event);
}

static void shim_install(void) {
  real = native;
  native.RegisterWaitForSingleObject = shim_Register;
  native.UnregisterWaitEx = shim_Unregister;
  native.TerminateProcess = shim_TerminateProcess;
  native.CreateFileW = shim_CreateFileW;
  native.CreateNamedPipeW = shim_CreateNamedPipeW;
  native.DuplicateHandle = shim_DuplicateHandle;
  native.InitializeProcThreadAttributeList = shim_Initialize;
  native.UpdateProcThreadAttribute = shim_Update;
  native.CreateProcessW = shim_CreateProcessW;
  native.GetHandleInformation = shim_GetHandleInformation;
  native.SetHandleInformation = shim_SetHandleInformation;
  native.GetFileAttributesW = shim_GetFileAttributesW;
  native.GetFullPathNameW = shim_GetFullPathNameW;
}

/* ---- faults ---- */

static int spawn_everything(struct ovio_file *file, unsigned long fail_at) {
  struct child child;
  struct ovio_process process;
  struct ovio_file in;
  struct ovio_file out;
  struct ovio_file *const files[2] = {file, file};
  child_prepare(&child, "exit", "0", NULL);
  child.options.input = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &in};
  child.options.output = (struct ovio_process_stream){OVIO_PROCESS_PIPE, &out};
  child.options.error.kind = OVIO_PROCESS_IGNORE;
  child.options.directory = test_folder();
  child.options.inherited = files;
  child.options.inherited_count = 2;
  shim_left = (long)fail_at;
  int error = ovio_spawn_process(&process, &child.options);
  shim_left = 0;
  if (error)
    return error;
  error = ovio_process_wait(&process, NULL);
  ovio_process_close(&process);
  ovio_close(&in);
  ovio_close(&out);
  return error;
}

static void test_every_call_fails_once(struct test *test) {
  struct ovio_file file;
  int failed = 0;
  int last = 1;
  TRY_EQ(ovio_open(&file, test_path("extra"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  for (unsigned long at = 1; at <= 40; at++) {
    unsigned long handles = test_handles_open();
    unsigned long threads = test_threads_alive();
    last = spawn_everything(&file, at);
    /* A worker that has come stays, with its thread's handle and an event. */
    handles += 2 * (test_threads_alive() - threads);
    TRY_EQ(test_handles_open(), handles);
    TRY(last == 0 || last == OVIO_ENOMEM || last == OVIO_ENOENT);
    failed += last != 0;
  }
  TRY_EQ(last, 0); /* the number was beyond the last call */
  TRY(failed >= 15);
  TRY_EQ(ovio_close(&file), 0);
}

/* The marks go again, whatever happened. */
static void test_list_is_as_windows_wants_it(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, test_path("extra"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  given.called = false;
  TRY_EQ(spawn_everything(&file, 0), 0);
  TRY(given.called);
  TRY(given.sound);
  TRY_EQ(given.count, 4);
  TRY(!test_is_inheritable(ovio_file_handle(&file)));
  TRY_EQ(ovio_close(&file), 0);
}

static void test_names_of_refusals(struct test *test) {
  static const struct {
    DWORD native;
    int error;
  } rows[] = {{ERROR_FILE_NOT_FOUND, OVIO_ENOENT},
              {ERROR_PATH_NOT_FOUND, OVIO_ENOENT},
              {ERROR_ACCESS_DENIED, OVIO_EACCES},
              {ERROR_BAD_EXE_FORMAT, OVIO_EACCES},
              {ERROR_DIRECTORY, OVIO_ENOTDIR},
              {740 /* ERROR_ELEVATION_REQUIRED */, OVIO_EPERM},
              {ERROR_COMMITMENT_LIMIT, OVIO_ENOMEM}};
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
    struct child child;
    struct ovio_process process;
    child_prepare(&child, "exit", "0", NULL);
    shim_error = rows[at].native;
    int error = ovio_spawn_process(&process, &child.options);
    shim_error = 0;
    TRY_EQ(error, rows[at].error);
    TRY_EQ(ovio_native_error(), rows[at].native);
  }
}

static void test_killed_while_it_dies(struct test *test) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit end = {9, 9};
  child_prepare(&child, "sleep", "", NULL);
  TRY_EQ(ovio_spawn_process(&process, &child.options), 0);
  shim_error = ERROR_ACCESS_DENIED;
  int error = ovio_process_kill(&process, OVIO_KILL_FORCE);
  shim_error = 0;
  TRY_EQ(error, OVIO_ENOENT);
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 3);
  TRY_EQ(end.signal, 0);
  TRY_EQ(ovio_process_close(&process), 0);
}

/* ---- waits ---- */

struct waiter {
  struct ovio_process process;
  struct ovio_exit end;
  int result;
};

static void wait_for_it(void *argument) {
  struct waiter *self = argument;
  self->result = ovio_process_wait(&self->process, &self->end);
}

static void test_wait_is_refused(struct test *test) {
  struct child child;
  struct waiter waiter = {.end = {9, 9}};
  child_prepare(&child, "sleep", "", NULL);
  TRY_EQ(ovio_spawn_process(&waiter.process, &child.options), 0);
  registered.refused = true;
  wait_for_it(&waiter);
  registered.refused = false;
  TRY_EQ(waiter.result, OVIO_ENOMEM);
  TRY_EQ(ovio_process_kill(&waiter.process, OVIO_KILL_FORCE), 0);
  wait_for_it(&waiter);
  TRY_EQ(waiter.result, 0);
  TRY(waiter.end.signal != 0);
  TRY_EQ(ovio_process_close(&waiter.process), 0);
}

static void test_nothing_stays_registered(struct test *test) {
  struct child child;
  struct waiter waiter = {.end = {9, 9}};
  child_prepare(&child, "exit", "3", NULL);
  for (int round = 0; round < 5; round++) {
    TRY_EQ(ovio_spawn_process(&waiter.process, &child.options), 0);
    wait_for_it(&waiter);
    TRY_EQ(waiter.result, 0);
    TRY_EQ(waiter.end.code, 3);
    TRY_EQ(registered.alive, 0);
    TRY_EQ(ovio_process_close(&waiter.process), 0);
  }
}

/* It ends while its wait is being cancelled: that counts, and comes once. */
static void test_ends_while_cancelled(struct test *test) {
  struct child child;
  struct waiter waiter = {.end = {9, 9}};
  struct ovio_group group;
  child_prepare(&child, "sleep", "", NULL);
  TRY_EQ(ovio_spawn_process(&waiter.process, &child.options), 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, wait_for_it, &waiter), 0);
  TRY_EQ(ovio_sleep(5000000), 0);
  registered.signalled = 0;
  registered.race = true;
  ovio_group_cancel(&group);
  ovio_group_wait(&group);
  TRY_EQ(registered.signalled, 1);
  TRY_EQ(waiter.result, 0);
  TRY_EQ(waiter.end.code, 7);
  TRY_EQ(ovio_process_close(&waiter.process), 0);
}

/* ---- streams that this process has not ---- */

static void test_without_streams(struct test *test) {
  static const DWORD numbers[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                  STD_ERROR_HANDLE};
  HANDLE before[3];
  struct child child;
  struct ovio_process process;
  struct ovio_exit end = {9, 9};
  child_prepare(&child, "exit", "6", NULL);
  for (int at = 0; at < 3; at++) {
    before[at] = GetStdHandle(numbers[at]);
    SetStdHandle(numbers[at], at == 1 ? INVALID_HANDLE_VALUE : NULL);
  }
  given.count = 0;
  int error = ovio_spawn_process(&process, &child.options);
  for (int at = 0; at < 3; at++)
    SetStdHandle(numbers[at], before[at]);
  TRY_EQ(error, 0);
  TRY_EQ(given.count, 0); /* -1 would be this process itself */
  TRY_EQ(ovio_process_wait(&process, &end), 0);
  TRY_EQ(end.code, 6);
  TRY_EQ(ovio_process_kill(&process, OVIO_KILL_ASK), OVIO_ENOENT);
  TRY_EQ(ovio_process_close(&process), 0);
}

/* ---- batch files ---- */

static void test_batch_file(struct test *test) {
  static const char script[] = "@echo off\r\n"
                               "echo [%1] [%2] [%3]\r\n"
                               "exit /b 5\r\n";
  static const char *const fine[] = {"x", "a b", "c&echo d", "e^f", NULL};
  static const char *const bad[] = {"x", "\"&echo d", NULL};
  struct ovio_output output;
  char path[600];
  snprintf(path, sizeof path, "%s", test_path("a script.bat"));
  TRY(test_put(path, script, sizeof script - 1));
  struct ovio_process_options options = {
      .size = sizeof options, .program = path, .arguments = fine};
  TRY_EQ(ovio_run(&options, &output), 0);
  TRY_EQ(output.exit.code, 5);
  TRY(child_output_is(&output, "[\"a b\"] [\"c&echo d\"] [\"e^f\"]\r\n", ""));
  options.arguments = bad;
  TRY_EQ(ovio_run(&options, &output), OVIO_EINVAL);
  path[strlen(path) - 4] = 0; /* without ".bat" */
  options.arguments = fine;
  TRY_EQ(ovio_run(&options, &output), 0);
  TRY(child_output_is(&output, "[\"a b\"] [\"c&echo d\"] [\"e^f\"]\r\n", ""));
}

/* ---- programs of the system ---- */

static void test_search(struct test *test) {
  static const char *const names[] = {"cmd", "CMD.EXE"};
  static const char *const arguments[] = {"cmd", "/c", "echo", "here", NULL};
  for (int at = 0; at < 2; at++) {
    struct ovio_output output;
    struct ovio_process_options options = {.size = sizeof options,
                                           .program = names[at],
                                           .arguments = arguments,
                                           .directory = test_folder()};
    TRY_EQ(ovio_run(&options, &output), 0);
    TRY(child_output_is(&output, "here\r\n", ""));
  }
}

/* ---- beyond ASCII ---- */

/* In the child: its last argument, the variable OVIO_TEXT and its directory. */
static int child_wide(void) {
  int count = 0;
  wchar_t text[1024];
  wchar_t variable[64] = L"";
  wchar_t here[MAX_PATH] = L"";
  char bytes[3072];
  wchar_t **found = CommandLineToArgvW(GetCommandLineW(), &count);
  if (!found || count < 1)
    return 1;
  GetEnvironmentVariableW(L"OVIO_TEXT", variable, 64);
  GetCurrentDirectoryW(MAX_PATH, here);
  swprintf(text, 1024, L"%ls|%ls|%ls", found[count - 1], variable,
           wcsrchr(here, L'\\') ? wcsrchr(here, L'\\') + 1 : here);
  LocalFree(found);
  if (!WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof bytes, NULL,
                           NULL))
    return 2;
  return child_say(1, bytes) ? 0 : 3;
}

#define TEXT_1 "gr\xc3\xbc\xc3\x9f"
#define TEXT_2 "\xf0\x9f\x98\x80/"

static void test_beyond_ascii(struct test *test) {
  static const char *const environment[] = {"OVIO_TEXT=" TEXT_2, NULL};
  struct child child;
  struct ovio_output output;
  const char *folder = test_path(TEXT_1);
  TRY(test_exists(folder) || test_make_folder(folder));
  child_prepare(&child, "wide", TEXT_1 " " TEXT_2, NULL);
  child.options.environment = environment;
  child.options.directory = folder;
  TRY_EQ(ovio_run(&child.options, &output), 0);
  TRY(child_output_is(&output, TEXT_1 " " TEXT_2 "|" TEXT_2 "|" TEXT_1, ""));
  child_prepare(&child, "wide", "\xff", NULL);
  TRY_EQ(ovio_run(&child.options, &output), OVIO_EINVAL);
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[2], "wide") == 0)
    return child_wide();
  CHILDREN(argc, argv);
  shim_install();
  static const struct test_case cases[] = {
      TEST(test_every_call_fails_once),
      TEST(test_list_is_as_windows_wants_it),
      TEST(test_names_of_refusals),
      TEST(test_killed_while_it_dies),
      TEST_LOOP(test_wait_is_refused, "a plain thread waits by itself"),
      TEST(test_nothing_stays_registered),
      TEST_LOOP(test_ends_while_cancelled, "a plain thread waits by itself"),
      TEST_PLAIN(test_without_streams, "changes the process's streams"),
      TEST(test_batch_file),
      TEST(test_search),
      TEST(test_beyond_ascii),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
