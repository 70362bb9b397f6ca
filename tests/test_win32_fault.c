/* SPDX-License-Identifier: MIT */
/* What Wine does not show by itself and Windows does: completion inside the
 * call, the end of a file at once, late, reordered and foreign packets; and
 * every call that can fail, made to fail, by way of the table of native calls.
 */
#include "win32/native.h"

#include "scene.h"

/* ---- the shim: wrappers that ask `plan` what to do ----
 *
 * They stand in the table from before the first thread until the end: worker
 * threads read it at any time. What they do is switched on and off. */

enum shim {
  SHIM_FAIL_READ = 1 << 0, /* ReadFile and WriteFile fail with `error` */
  SHIM_INLINE = 1 << 1,    /* ...complete inside the call */
  SHIM_FAIL_NT = 1 << 2,   /* NtReadFile, NtWriteFile fail with `status` */
  SHIM_SHORT = 1 << 3,     /* all four move at most `most` bytes */
  SHIM_REFUSE = 1 << 4,    /* all four refuse more than `most` bytes: 1450 */
  SHIM_ASSOCIATE = 1 << 5, /* CreateIoCompletionPort fails for a file */
  SHIM_SKIP_MODE = 1 << 6, /* SetFileCompletionNotificationModes fails */
  SHIM_PORT = 1 << 7,      /* no port is to be had */
  SHIM_REVERSE = 1 << 8,   /* packets are held back, then come in reverse */
  SHIM_FOREIGN = 1 << 9,   /* a packet that is not ours comes first */
  SHIM_EARLY = 1 << 10,    /* waits time out too soon */
  SHIM_POST = 1 << 11,     /* PostQueuedCompletionStatus fails */
  SHIM_THREAD = 1 << 12,   /* no thread, no fiber, no event */
  SHIM_FIBER = 1 << 13,
  SHIM_EVENT = 1 << 14,
  SHIM_CREATE = 1 << 15, /* CreateFileW fails with `error` */
  SHIM_FLUSH = 1 << 16,  /* FlushFileBuffers, CloseHandle fail likewise */
  SHIM_CLOSE = 1 << 17
};

static struct {
  atomic_uint which;
  atomic_int calls;   /* of what it is about */
  atomic_int fail;    /* that many fail */
  atomic_int after;   /* but not before this one */
  atomic_ulong error; /* GetLastError()'s */
  atomic_ulong most;
  atomic_ulong asked[8];   /* lengths, in order */
  atomic_int associations; /* always counted, as are the next */
  atomic_int packets;
} plan;

static struct native_calls real;

static void plan_begin(unsigned which, DWORD error, int fail) {
  plan.which = 0;
  plan.calls = 0;
  plan.after = 0;
  plan.fail = fail;
  plan.error = error;
  plan.which = which;
}

static void plan_end(void) {
  plan.which = 0;
}

/* true: this call is to fail; the last error is set. */
static bool plan_fails(unsigned shim, DWORD length) {
  if (!(plan.which & shim))
    return false;
  int call = atomic_fetch_add(&plan.calls, 1);
  if (call < 8)
    plan.asked[call] = length;
  bool fails = call >= plan.after && call < plan.after + plan.fail;
  if (shim == SHIM_REFUSE)
    fails = length > plan.most;
  if (fails)
    SetLastError(shim == SHIM_REFUSE ? ERROR_NO_SYSTEM_RESOURCES : plan.error);
  return fails;
}

static DWORD plan_cut(DWORD length) {
  bool cut = (plan.which & SHIM_SHORT) && length > plan.most;
  return cut ? plan.most : length;
}

/* As a cached read on Windows: done when the call returns, and no packet. */
static BOOL inline_call(bool write, HANDLE file, void *buffer, DWORD length,
                        OVERLAPPED *overlapped) {
  LARGE_INTEGER at = {.LowPart = overlapped->Offset,
                      .HighPart = (LONG)overlapped->OffsetHigh};
  IO_STATUS_BLOCK block = {.Status = NATIVE_STATUS_PENDING};
  HANDLE event = real.CreateEventW(NULL, TRUE, FALSE, NULL);
  NTSTATUS status = write ? real.NtWriteFile(file, event, NULL, NULL, &block,
                                             buffer, length, &at, NULL)
                          : real.NtReadFile(file, event, NULL, NULL, &block,
                                            buffer, length, &at, NULL);
  if (status == NATIVE_STATUS_PENDING) {
    WaitForSingleObject(event, INFINITE);
    status = block.Status;
  }
  real.CloseHandle(event);
  overlapped->Internal = (ULONG_PTR)(ULONG)status;
  overlapped->InternalHigh = status < 0 ? 0 : block.Information;
  if (status < 0)
    SetLastError(RtlNtStatusToDosError(status));
  return status >= 0;
}

static BOOL WINAPI shim_ReadFile(HANDLE file, LPVOID buffer, DWORD length,
                                 LPDWORD moved, LPOVERLAPPED overlapped) {
  if (plan_fails(SHIM_FAIL_READ, length) || plan_fails(SHIM_REFUSE, length))
    return FALSE;
  if (plan.which & SHIM_INLINE)
    return inline_call(false, file, buffer, plan_cut(length), overlapped);
  return real.ReadFile(file, buffer, plan_cut(length), moved, overlapped);
}

static BOOL WINAPI shim_WriteFile(HANDLE file, LPCVOID buffer, DWORD length,
                                  LPDWORD moved, LPOVERLAPPED overlapped) {
  if (plan_fails(SHIM_FAIL_READ, length) || plan_fails(SHIM_REFUSE, length))
    return FALSE;
  if (plan.which & SHIM_INLINE)
    return inline_call(true, file, (void *)(uintptr_t)buffer, plan_cut(length),
                       overlapped);
  return real.WriteFile(file, buffer, plan_cut(length), moved, overlapped);
}

/* The NTSTATUS of a Win32 error, for those that are used here. */
static NTSTATUS nt_status(DWORD error) {
  switch (error) {
  case ERROR_HANDLE_EOF:
    return (NTSTATUS)0xC0000011;
  case ERROR_BROKEN_PIPE:
    return (NTSTATUS)0xC000014B;
  case ERROR_DISK_FULL:
    return (NTSTATUS)0xC000007F;
  case ERROR_NO_SYSTEM_RESOURCES:
    return (NTSTATUS)0xC000009A;
  case ERROR_OPERATION_ABORTED:
    return (NTSTATUS)0xC0000120;
  default:
    return (NTSTATUS)0xC0000185; /* STATUS_IO_DEVICE_ERROR */
  }
}

static NTSTATUS nt_call(bool write, HANDLE file, HANDLE event,
                        PIO_APC_ROUTINE apc, PVOID context,
                        PIO_STATUS_BLOCK block, PVOID buffer, ULONG length,
                        PLARGE_INTEGER at, PULONG key) {
  if (plan_fails(SHIM_FAIL_NT, length) || plan_fails(SHIM_REFUSE, length))
    return nt_status(GetLastError());
  return (write ? real.NtWriteFile : real.NtReadFile)(
      file, event, apc, context, block, buffer, plan_cut(length), at, key);
}

static NTSTATUS WINAPI shim_NtReadFile(HANDLE file, HANDLE event,
                                       PIO_APC_ROUTINE apc, PVOID context,
                                       PIO_STATUS_BLOCK block, PVOID buffer,
                                       ULONG length, PLARGE_INTEGER at,
                                       PULONG key) {
  return nt_call(false, file, event, apc, context, block, buffer, length, at,
                 key);
}

static NTSTATUS WINAPI shim_NtWriteFile(HANDLE file, HANDLE event,
                                        PIO_APC_ROUTINE apc, PVOID context,
                                        PIO_STATUS_BLOCK block, PVOID buffer,
                                        ULONG length, PLARGE_INTEGER at,
                                        PULONG key) {
  return nt_call(true, file, event, apc, context, block, buffer, length, at,
                 key);
}

static HANDLE WINAPI shim_CreateIoCompletionPort(HANDLE file, HANDLE port,
                                                 ULONG_PTR key, DWORD threads) {
  bool associates = file != INVALID_HANDLE_VALUE;
  plan.associations += associates;
  if (plan_fails(associates ? SHIM_ASSOCIATE : SHIM_PORT, 0))
    return NULL;
  return real.CreateIoCompletionPort(file, port, key, threads);
}

static BOOL WINAPI shim_SetFileCompletionNotificationModes(HANDLE file,
                                                           UCHAR modes) {
  return !plan_fails(SHIM_SKIP_MODE, 0) &&
         real.SetFileCompletionNotificationModes(file, modes);
}

/* Packets that were taken from the port and not handed out yet. */
static OVERLAPPED_ENTRY held[64];
static ULONG held_count;

/* Holds everything back until the port has nothing more for a while, then hands
 * it out one by one, the last first. */
static BOOL reversed(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG *count,
                     DWORD timeout_ms) {
  while (held_count < 64) {
    ULONG more = 0;
    if (!real.GetQueuedCompletionStatusEx(port, held + held_count,
                                          64 - held_count, &more,
                                          held_count ? 20 : timeout_ms, FALSE))
      break;
    held_count += more;
  }
  if (held_count == 0)
    return FALSE;
  entries[0] = held[--held_count];
  *count = 1;
  return TRUE;
}

static BOOL WINAPI shim_GetQueuedCompletionStatusEx(HANDLE port,
                                                    LPOVERLAPPED_ENTRY entries,
                                                    ULONG room, PULONG count,
                                                    DWORD timeout_ms,
                                                    BOOL alertable) {
  static OVERLAPPED foreign;
  if (held_count || (plan.which & SHIM_REVERSE))
    return reversed(port, entries, count, timeout_ms);
  if ((plan.which & SHIM_EARLY) && timeout_ms > 1 &&
      atomic_fetch_add(&plan.calls, 1) < plan.fail) {
    *count = 1; /* as Wine leaves it */
    SetLastError(WAIT_TIMEOUT);
    return FALSE;
  }
  if ((plan.which & SHIM_FOREIGN) && room > 1 &&
      real.GetQueuedCompletionStatusEx(port, entries + 1, room - 1, count,
                                       timeout_ms, alertable)) {
    entries[0] = entries[1];
    entries[0].lpCompletionKey = 1;
    entries[0].lpOverlapped = &foreign;
    ++*count;
    return TRUE;
  }
  BOOL fine = real.GetQueuedCompletionStatusEx(port, entries, room, count,
                                               timeout_ms, alertable);
  for (ULONG at = 0; fine && at < *count; at++)
    plan.packets += entries[at].lpOverlapped != NULL;
  return fine;
}

static BOOL WINAPI shim_PostQueuedCompletionStatus(HANDLE port, DWORD bytes,
                                                   ULONG_PTR key,
                                                   LPOVERLAPPED overlapped) {
  return !plan_fails(SHIM_POST, 0) &&
         real.PostQueuedCompletionStatus(port, bytes, key, overlapped);
}

static HANDLE WINAPI shim_CreateThread(LPSECURITY_ATTRIBUTES security,
                                       SIZE_T stack,
                                       LPTHREAD_START_ROUTINE body,
                                       LPVOID argument, DWORD flags,
                                       LPDWORD id) {
  if (plan_fails(SHIM_THREAD, 0))
    return NULL;
  return real.CreateThread(security, stack, body, argument, flags, id);
}

static LPVOID WINAPI shim_CreateFiberEx(SIZE_T commit, SIZE_T reserve,
                                        DWORD flags, LPFIBER_START_ROUTINE body,
                                        LPVOID argument) {
  if (plan_fails(SHIM_FIBER, 0))
    return NULL;
  return real.CreateFiberEx(commit, reserve, flags, body, argument);
}

static LPVOID WINAPI shim_ConvertThreadToFiberEx(LPVOID argument, DWORD flags) {
  return plan_fails(SHIM_FIBER, 0)
             ? NULL
             : real.ConvertThreadToFiberEx(argument, flags);
}

static HANDLE WINAPI shim_CreateEventW(LPSECURITY_ATTRIBUTES security,
                                       BOOL manual, BOOL set, LPCWSTR name) {
  return plan_fails(SHIM_EVENT, 0)
             ? NULL
             : real.CreateEventW(security, manual, set, name);
}

static HANDLE WINAPI shim_CreateFileW(LPCWSTR path, DWORD access, DWORD share,
                                      LPSECURITY_ATTRIBUTES security,
                                      DWORD disposition, DWORD flags,
                                      HANDLE like) {
  if (plan_fails(SHIM_CREATE, 0))
    return INVALID_HANDLE_VALUE;
  return real.CreateFileW(path, access, share, security, disposition, flags,
                          like);
}

static BOOL WINAPI shim_FlushFileBuffers(HANDLE file) {
  return !plan_fails(SHIM_FLUSH, 0) && real.FlushFileBuffers(file);
}

/* The handle is gone all the same. */
static BOOL WINAPI shim_CloseHandle(HANDLE handle) {
  bool fails = plan_fails(SHIM_CLOSE, 0);
  BOOL fine = real.CloseHandle(handle);
  if (fails)
    SetLastError(plan.error);
  return fine && !fails;
}

static void install(void) {
  real = native;
  native.ReadFile = shim_ReadFile;
  native.WriteFile = shim_WriteFile;
  native.NtReadFile = shim_NtReadFile;
  native.NtWriteFile = shim_NtWriteFile;
  native.CreateIoCompletionPort = shim_CreateIoCompletionPort;
  native.SetFileCompletionNotificationModes =
      shim_SetFileCompletionNotificationModes;
  native.GetQueuedCompletionStatusEx = shim_GetQueuedCompletionStatusEx;
  native.PostQueuedCompletionStatus = shim_PostQueuedCompletionStatus;
  native.CreateThread = shim_CreateThread;
  native.CreateFiberEx = shim_CreateFiberEx;
  native.ConvertThreadToFiberEx = shim_ConvertThreadToFiberEx;
  native.CreateEventW = shim_CreateEventW;
  native.CreateFileW = shim_CreateFileW;
  native.FlushFileBuffers = shim_FlushFileBuffers;
  native.CloseHandle = shim_CloseHandle;
}

/* ---- reads and writes ---- */

#define TEXT16 "0123456789abcdef"

static int open_text(struct ovio_file *file) {
  const char *path = test_path("fault");
  return test_put(path, TEXT16, 16)
             ? ovio_open(file, path, OVIO_READ | OVIO_WRITE, 0)
             : -1;
}

/* The way that Windows goes with cached data: TRUE, and no packet. */
static void test_completion_inside_the_call(struct test *test) {
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_INLINE, 0, 0);
  int packets = plan.packets;
  int64_t wrote = ovio_write(&file, "ABCD", 4, 12);
  int64_t got = ovio_read(&file, text, sizeof text, 0);
  int64_t end = ovio_read(&file, text, sizeof text, 16);
  int64_t beyond = ovio_read(&file, text, sizeof text, 1000);
  plan_end();
  TRY_EQ(wrote, 4);
  TRY_EQ(got, 16); /* and met the end at once: ERROR_HANDLE_EOF */
  TRY(memcmp(text, "0123456789abABCD", 16) == 0);
  TRY_EQ(end, 0);
  TRY_EQ(beyond, 0);
  TRY_EQ(plan.packets, packets);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_end_of_file_at_once(struct test *test) {
  struct ovio_file file;
  char text[16];
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_FAIL_READ | SHIM_FAIL_NT, ERROR_HANDLE_EOF, 1);
  int64_t got = ovio_read(&file, text, 16, 0);
  plan_end();
  TRY_EQ(got, 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Of a pipe the end; of a write, a broken pipe. */
static void test_broken_pipe_at_once(struct test *test) {
  struct pipe_files files;
  char text[4];
  TRY(pipe_files_open(&files, TEST_PIPE_OVERLAPPED));
  plan_begin(SHIM_FAIL_READ | SHIM_FAIL_NT, ERROR_BROKEN_PIPE, 2);
  int64_t got = ovio_read(&files.in, text, 4, OVIO_HERE);
  int64_t wrote = ovio_write(&files.out, "abc", 3, OVIO_HERE);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(got, 0);
  TRY_EQ(wrote, OVIO_EPIPE);
  TRY_EQ(code, ERROR_BROKEN_PIPE);
  TRY_EQ(pipe_files_close(&files), 0);
}

/* Reported, not tried again for ever. */
static void test_aborted_is_cancelled(struct test *test) {
  struct ovio_file file;
  char text[16];
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_FAIL_READ | SHIM_FAIL_NT, ERROR_OPERATION_ABORTED, 1);
  int64_t got = ovio_read(&file, text, 16, 0);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(got, OVIO_ECANCELED);
  TRY_EQ(code, ERROR_OPERATION_ABORTED);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_short_counts_go_on(struct test *test) {
  struct ovio_file file;
  char text[32];
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_SHORT, 0, 0);
  plan.most = 3;
  int64_t wrote = ovio_write(&file, "ABCDEFGH", 8, 4);
  int64_t got = ovio_read(&file, text, sizeof text, 0);
  plan.which = SHIM_SHORT | SHIM_INLINE;
  int64_t again = ovio_read(&file, text, sizeof text, 0);
  plan_end();
  TRY_EQ(wrote, 8);
  TRY_EQ(got, 16);
  TRY_EQ(again, 16);
  TRY(memcmp(text, "0123ABCDEFGHcdef", 16) == 0);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_no_resources_halve_the_chunk(struct test *test) {
  static char bytes[65536];
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_REFUSE, 0, 0);
  plan.most = 20000;
  int64_t wrote = ovio_write(&file, bytes, sizeof bytes, 0);
  TRY_EQ(plan.asked[0], 65536);
  TRY_EQ(plan.asked[1], 32768);
  TRY_EQ(plan.asked[2], 16384);
  TRY_EQ(plan.calls, 6);
  plan.most = 1;
  int64_t never = ovio_write(&file, bytes, sizeof bytes, 0);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(wrote, 65536);
  TRY_EQ(never, OVIO_ENOBUFS);
  TRY_EQ(code, ERROR_NO_SYSTEM_RESOURCES);
  TRY_EQ(ovio_close(&file), 0);
}

/* The bytes that moved are counted first; the next call says why it ended. */
static void test_full_disk_after_some_bytes(struct test *test) {
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_FAIL_READ | SHIM_FAIL_NT | SHIM_SHORT, ERROR_DISK_FULL, 9);
  plan.after = 2;
  plan.most = 5;
  int64_t first = ovio_write(&file, TEXT16, 16, OVIO_HERE);
  int64_t second = ovio_write(&file, TEXT16, 16, OVIO_HERE);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(first, 10);
  TRY_EQ(second, OVIO_ENOSPC);
  TRY_EQ(code, ERROR_DISK_FULL);
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), 10);
  TRY_EQ(ovio_close(&file), 0);
}

/* ---- packets ---- */

enum { READS = 8 };

struct reads {
  struct ovio_file file;
  struct outcome ops[READS];
  char text[READS][2];
};

static void check_reads(struct test *test, struct reads *reads,
                        struct ovio_loop *loop) {
  TRY_EQ(open_text(&reads->file), 0);
  for (int at = 0; at < READS; at++)
    TRY_EQ(ovio_start_read(loop, &reads->ops[at].op, &reads->file,
                           reads->text[at], 2, 2 * at, outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < READS; at++) {
    TRY_EQ(reads->ops[at].calls, 1);
    TRY_EQ(reads->ops[at].result, 2);
    TRY(memcmp(reads->text[at], &TEXT16[2 * at], 2) == 0);
  }
  TRY_EQ(ovio_close(&reads->file), 0);
}

static void with_packets(struct test *test, unsigned shim) {
  struct reads reads = {.ops = {{.calls = 0}}};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  plan_begin(shim, 0, 0);
  check_reads(test, &reads, loop);
  plan_end();
  TRY_EQ(held_count, 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_late_and_reordered_packets(struct test *test) {
  with_packets(test, SHIM_REVERSE);
}

static void test_foreign_packets_are_ignored(struct test *test) {
  with_packets(test, SHIM_FOREIGN);
}

static void test_many_inside_the_call(struct test *test) {
  with_packets(test, SHIM_INLINE);
}

static void test_waits_that_end_early(struct test *test) {
  plan_begin(SHIM_EARLY, 0, 20);
  int64_t before = os_clock_ns();
  int slept = ovio_sleep(30000000);
  int64_t after = os_clock_ns();
  plan_end();
  TRY_EQ(slept, 0);
  TRY(after - before >= 30000000);
}

/* Association once per file; and a synchronous call of a bound handle posts no
 * packet to the port. */
static void test_bound_handle_used_synchronously(struct test *test) {
  struct reads reads = {.ops = {{.calls = 0}}};
  struct ovio_loop *loop;
  char text[2];
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(open_text(&reads.file), 0);
  int associations = plan.associations;
  int packets = plan.packets;
  for (int at = 0; at < READS; at++)
    TRY_EQ(ovio_start_read(loop, &reads.ops[at].op, &reads.file, reads.text[at],
                           2, 0, outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(plan.associations - associations, 1);
  TRY_EQ(plan.packets - packets, READS);
  TRY(strcmp(ovio_file_route(&reads.file, loop), "completion") == 0);
  for (int at = 0; at < 100; at++)
    TRY_EQ(ovio_read(&reads.file, text, 2, 0), 2);
  TRY_EQ(ovio_post(loop, &reads.ops[0].op, outcome_done), 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(plan.packets - packets, READS);
  TRY_EQ(ovio_close(&reads.file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- binding that fails: a worker does it, and posts nothing ---- */

static void without(struct test *test, unsigned shim) {
  struct reads reads = {.ops = {{.calls = 0}}};
  struct ovio_loop *loop;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  int packets = plan.packets;
  plan_begin(shim, ERROR_INVALID_PARAMETER, 1);
  check_reads(test, &reads, loop);
  plan_end();
  TRY_EQ(plan.packets, packets);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_association_fails(struct test *test) {
  without(test, SHIM_ASSOCIATE);
}

static void test_skip_mode_fails(struct test *test) {
  without(test, SHIM_SKIP_MODE);
}

/* ---- nothing to be had ---- */

static void count(void *argument) {
  ++*(int *)argument;
}

static void test_no_port(struct test *test) {
  struct ovio_loop *loop;
  plan_begin(SHIM_PORT, ERROR_NOT_ENOUGH_MEMORY, 1);
  int error = ovio_loop_create(&loop, NULL);
  plan_end();
  TRY_EQ(error, OVIO_ENOMEM);
  TRY(loop == NULL);
}

static void test_no_fiber(struct test *test) {
  struct ovio_loop *loop;
  int ran = 0;
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  plan_begin(SHIM_FIBER, ERROR_NOT_ENOUGH_MEMORY, 1);
  int spawned = ovio_spawn(loop, count, &ran);
  int again = ovio_spawn(loop, count, &ran);
  plan.calls = 0; /* the thread itself becomes no fiber */
  int run = ovio_loop_run(loop);
  plan_end();
  TRY_EQ(spawned, OVIO_ENOMEM);
  TRY_EQ(again, 0);
  TRY_EQ(run, OVIO_ENOMEM);
  TRY_EQ(ran, 0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(ran, 1);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

struct one_file {
  struct ovio_file file;
  int64_t got;
  int closed;
};

static void size_and_close(void *argument) {
  struct one_file *one = argument;
  one->got = ovio_size(&one->file);
  one->closed = ovio_close(&one->file);
}

static void starve(struct test *test, unsigned shim, int64_t wanted) {
  struct one_file one;
  struct ovio_loop *loop;
  TRY_EQ(open_text(&one.file), 0);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(ovio_spawn(loop, size_and_close, &one), 0);
  plan_begin(shim, ERROR_NOT_ENOUGH_MEMORY, 100);
  int ran = ovio_loop_run(loop);
  plan_end();
  TRY_EQ(ran, 0);
  TRY_EQ(one.got, wanted);
  TRY_EQ(one.closed, 0); /* by the loop's thread itself */
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void test_no_thread(struct test *test) {
  starve(test, SHIM_THREAD, OVIO_ENOMEM);
}

/* An overlapped handle, used synchronously by more at once than ever before. */
static void test_no_event(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file file;
  char text[4];
  TRY(test_pipe(ends, TEST_PIPE_OVERLAPPED));
  TRY_EQ(ovio_adopt(&file, ends[0], OVIO_READ), 0);
  TRY_EQ(test_close_handle(ends[1]), true);
  TRY_EQ(ovio_read(&file, text, 4, OVIO_HERE), 0); /* its event is kept */
  plan_begin(SHIM_EVENT, ERROR_NOT_ENOUGH_MEMORY, 1);
  int64_t got = ovio_read(&file, text, 4, OVIO_HERE);
  int events = plan.calls;
  plan_end();
  TRY_EQ(got, 0);
  TRY_EQ(events, 0); /* none is made per call */
  TRY_EQ(ovio_close(&file), 0);
}

static void post_later(void *argument) {
  struct loop_thread *self = argument;
  static struct outcome outcome;
  ovio_sleep(
      20000000); /* the loop sleeps by then, or does not: both are fine */
  outcome.calls = 0;
  self->result = ovio_post(self->loop, &outcome.op, outcome_done);
  ovio_loop_unhold(self->loop);
}

/* The loop would sleep for ever if that was taken for done. */
static void test_failing_wake_is_repeated(struct test *test) {
  struct loop_thread poster = {.result = -1};
  TRY_EQ(test_loop_create(test, &poster.loop, NULL), 0);
  ovio_loop_hold(poster.loop);
  plan_begin(SHIM_POST, ERROR_NO_SYSTEM_RESOURCES, 3);
  TRY_EQ(os_thread_start(&poster.thread, post_later, &poster), 0);
  int ran = ovio_loop_run(poster.loop);
  os_thread_join(&poster.thread);
  plan_end();
  TRY_EQ(ran, 0);
  TRY_EQ(poster.result, 0);
  TRY_EQ(ovio_loop_destroy(poster.loop), 0);
}

static void test_failing_open(struct test *test) {
  struct ovio_file file;
  TRY(test_put(test_path("fault"), TEXT16, 16));
  plan_begin(SHIM_CREATE, ERROR_TOO_MANY_OPEN_FILES, 1);
  int error = ovio_open(&file, test_path("fault"), OVIO_READ, 0);
  uint32_t code = ovio_native_error();
  plan_end();
  TRY_EQ(error, OVIO_EMFILE);
  TRY_EQ(code, ERROR_TOO_MANY_OPEN_FILES);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
}

static void test_failing_flush_and_close(struct test *test) {
  struct ovio_file file;
  TRY_EQ(open_text(&file), 0);
  plan_begin(SHIM_FLUSH, ERROR_DISK_FULL, 1);
  int synced = ovio_sync(&file, 0);
  plan_begin(SHIM_CLOSE, ERROR_IO_DEVICE, 1);
  int closed = ovio_close(&file);
  plan_end();
  TRY_EQ(synced, OVIO_ENOSPC);
  TRY_EQ(closed, OVIO_EIO);
  TRY_EQ(ovio_close(&file), OVIO_EBADF);
}

/* ---- fairness ---- */

struct race {
  struct ovio_file file;
  int turns;
  bool over;
};

static void read_without_end(void *argument) {
  struct race *race = argument;
  char byte;
  for (int round = 0; round < 100; round++)
    ovio_read(&race->file, &byte, 1, 0);
  race->over = true;
}

static void count_turns(void *argument) {
  struct race *race = argument;
  while (!race->over) {
    race->turns++;
    ovio_yield();
  }
}

/* All complete inside the call: with a budget of 10, a hundred reads take ten
 * turns of the loop. */
static void test_budget_keeps_the_loop_fair(struct test *test) {
  struct ovio_loop_options options = {.budget = 10};
  struct ovio_loop *loop;
  struct race race = {.turns = 0};
  TRY_EQ(open_text(&race.file), 0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  plan_begin(SHIM_INLINE, 0, 0);
  TRY_EQ(ovio_spawn(loop, read_without_end, &race), 0);
  TRY_EQ(ovio_spawn(loop, count_turns, &race), 0);
  int ran = ovio_loop_run(loop);
  plan_end();
  TRY_EQ(ran, 0);
  TRY_EQ(race.turns, 9);
  TRY_EQ(ovio_close(&race.file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

static void write_in_chunks(void *argument) {
  struct race *race = argument;
  static const char bytes[100];
  int64_t wrote = ovio_write(&race->file, bytes, sizeof bytes, 0);
  race->over = wrote == sizeof bytes;
}

/* The chunks of one operation are no exception. */
static void test_long_operation_keeps_the_loop_fair(struct test *test) {
  struct ovio_loop_options options = {.budget = 10, .max_transfer = 1};
  struct ovio_loop *loop;
  struct race race = {.turns = 0};
  TRY_EQ(open_text(&race.file), 0);
  TRY_EQ(test_loop_create(test, &loop, &options), 0);
  plan_begin(SHIM_INLINE, 0, 0);
  TRY_EQ(ovio_spawn(loop, write_in_chunks, &race), 0);
  TRY_EQ(ovio_spawn(loop, count_turns, &race), 0);
  int ran = ovio_loop_run(loop);
  plan_end();
  TRY_EQ(ran, 0);
  TRY_EQ(race.turns, 10); /* 11 chunks in the first, then 10 in each */
  TRY_EQ(ovio_close(&race.file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

#define OWN_LOOP "makes its own loops"

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_completion_inside_the_call),
      TEST(test_end_of_file_at_once),
      TEST(test_broken_pipe_at_once),
      TEST(test_aborted_is_cancelled),
      TEST(test_short_counts_go_on),
      TEST(test_no_resources_halve_the_chunk),
      TEST(test_full_disk_after_some_bytes),
      TEST_PLAIN(test_late_and_reordered_packets, OWN_LOOP),
      TEST_PLAIN(test_foreign_packets_are_ignored, OWN_LOOP),
      TEST_PLAIN(test_many_inside_the_call, OWN_LOOP),
      TEST(test_waits_that_end_early),
      TEST_PLAIN(test_bound_handle_used_synchronously, OWN_LOOP),
      TEST_PLAIN(test_association_fails, OWN_LOOP),
      TEST_PLAIN(test_skip_mode_fails, OWN_LOOP),
      TEST_PLAIN(test_no_port, OWN_LOOP),
      TEST_PLAIN(test_no_fiber, OWN_LOOP),
      TEST_PLAIN(test_no_thread, OWN_LOOP),
      TEST_PLAIN(test_no_event, "only a plain thread needs one here"),
      TEST_PLAIN(test_failing_wake_is_repeated, OWN_LOOP),
      TEST(test_failing_open),
      TEST(test_failing_flush_and_close),
      TEST_PLAIN(test_budget_keeps_the_loop_fair, OWN_LOOP),
      TEST_PLAIN(test_long_operation_keeps_the_loop_fair, OWN_LOOP),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
