/* SPDX-License-Identifier: MIT */
/* How many system calls a read costs, counted through the table. */
#include "win32/native.h"

#include "scene.h"

static struct native_calls real;

static struct {
  atomic_int nt;       /* NtReadFile */
  atomic_int reads;    /* ReadFile */
  atomic_int dequeues; /* GetQueuedCompletionStatusEx */
  atomic_int posts;
  atomic_int binds;  /* associations and modes */
  atomic_int others; /* waits and events */
  atomic_int questions;
} calls;

static NTSTATUS WINAPI counted_NtReadFile(HANDLE file, HANDLE event,
                                          PIO_APC_ROUTINE apc, PVOID context,
                                          PIO_STATUS_BLOCK block, PVOID buffer,
                                          ULONG length, PLARGE_INTEGER at,
                                          PULONG key) {
  calls.nt++;
  return real.NtReadFile(file, event, apc, context, block, buffer, length, at,
                         key);
}

static BOOL WINAPI counted_ReadFile(HANDLE file, LPVOID buffer, DWORD length,
                                    LPDWORD moved, LPOVERLAPPED overlapped) {
  calls.reads++;
  return real.ReadFile(file, buffer, length, moved, overlapped);
}

static BOOL WINAPI counted_GetQueuedCompletionStatusEx(
    HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG room, PULONG count,
    DWORD timeout_ms, BOOL alertable) {
  calls.dequeues++;
  return real.GetQueuedCompletionStatusEx(port, entries, room, count,
                                          timeout_ms, alertable);
}

static BOOL WINAPI counted_PostQueuedCompletionStatus(HANDLE port, DWORD bytes,
                                                      ULONG_PTR key,
                                                      LPOVERLAPPED overlapped) {
  calls.posts++;
  return real.PostQueuedCompletionStatus(port, bytes, key, overlapped);
}

static HANDLE WINAPI counted_CreateIoCompletionPort(HANDLE file, HANDLE port,
                                                    ULONG_PTR key,
                                                    DWORD threads) {
  calls.binds += file != INVALID_HANDLE_VALUE;
  return real.CreateIoCompletionPort(file, port, key, threads);
}

static BOOL WINAPI counted_SetFileCompletionNotificationModes(HANDLE file,
                                                              UCHAR modes) {
  calls.binds++;
  return real.SetFileCompletionNotificationModes(file, modes);
}

static HANDLE WINAPI counted_CreateEventW(LPSECURITY_ATTRIBUTES security,
                                          BOOL manual, BOOL set, LPCWSTR name) {
  calls.others++;
  return real.CreateEventW(security, manual, set, name);
}

static DWORD WINAPI counted_WaitForSingleObject(HANDLE handle,
                                                DWORD timeout_ms) {
  calls.others++;
  return real.WaitForSingleObject(handle, timeout_ms);
}

static BOOL WINAPI counted_GetFileInformationByHandleEx(
    HANDLE file, FILE_INFO_BY_HANDLE_CLASS kind, LPVOID out, DWORD length) {
  calls.questions++;
  return real.GetFileInformationByHandleEx(file, kind, out, length);
}

static BOOL WINAPI counted_SetFilePointerEx(HANDLE file, LARGE_INTEGER to,
                                            PLARGE_INTEGER at, DWORD whence) {
  calls.questions++;
  return real.SetFilePointerEx(file, to, at, whence);
}

static NTSTATUS WINAPI
counted_NtQueryInformationFile(HANDLE file, PIO_STATUS_BLOCK block, PVOID out,
                               ULONG length, FILE_INFORMATION_CLASS kind) {
  calls.questions++;
  return real.NtQueryInformationFile(file, block, out, length, kind);
}

static DWORD WINAPI counted_GetFileType(HANDLE file) {
  calls.questions++;
  return real.GetFileType(file);
}

static void install(void) {
  real = native;
  native.GetFileInformationByHandleEx = counted_GetFileInformationByHandleEx;
  native.SetFilePointerEx = counted_SetFilePointerEx;
  native.NtQueryInformationFile = counted_NtQueryInformationFile;
  native.GetFileType = counted_GetFileType;
  native.NtReadFile = counted_NtReadFile;
  native.ReadFile = counted_ReadFile;
  native.GetQueuedCompletionStatusEx = counted_GetQueuedCompletionStatusEx;
  native.PostQueuedCompletionStatus = counted_PostQueuedCompletionStatus;
  native.CreateIoCompletionPort = counted_CreateIoCompletionPort;
  native.SetFileCompletionNotificationModes =
      counted_SetFileCompletionNotificationModes;
  native.CreateEventW = counted_CreateEventW;
  native.WaitForSingleObject = counted_WaitForSingleObject;
}

static void forget(void) {
  calls.nt = 0;
  calls.reads = 0;
  calls.dequeues = 0;
  calls.posts = 0;
  calls.binds = 0;
  calls.others = 0;
  calls.questions = 0;
}

enum { BLOCK = 4096, DEPTH = 32, READS = 3200 };

static int all_calls(void) {
  return calls.nt + calls.reads + calls.dequeues + calls.posts + calls.binds +
         calls.others;
}

static void tell(const char *what) {
  printf("native calls per 4 KiB read, %s: %.3f (reads %.3f, dequeues %.3f, "
         "posts %.3f)\n",
         what, (double)all_calls() / READS,
         (double)(calls.reads + calls.nt) / READS,
         (double)calls.dequeues / READS, (double)calls.posts / READS);
}

static char block[BLOCK];

static bool make_file(struct ovio_file *file, unsigned flags) {
  return ovio_open(file, test_path("calls"),
                   OVIO_READ | OVIO_WRITE | OVIO_CREATE | flags, 0600) == 0 &&
         ovio_write(file, block, BLOCK, 0) == BLOCK;
}

static void plain_reads(struct test *test, unsigned flags, const char *what) {
  struct ovio_file file;
  TRY(make_file(&file, flags));
  TRY_EQ(ovio_read(&file, block, BLOCK, 0), BLOCK); /* the event is kept */
  forget();
  for (int round = 0; round < READS; round++)
    TRY_EQ(ovio_read(&file, block, BLOCK, 0), BLOCK);
  tell(what);
  TRY_EQ(calls.nt, READS);
  TRY_EQ(calls.dequeues + calls.posts + calls.binds, 0);
  if (flags & OVIO_BLOCKING)
    TRY_EQ(all_calls(), READS);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_plain_read_is_one_call(struct test *test) {
  plain_reads(test, OVIO_BLOCKING, "plain thread, synchronous handle");
}

static void test_plain_read_of_an_overlapped_handle(struct test *test) {
  plain_reads(test, 0, "plain thread, overlapped handle");
}

/* What kind of file, and its attributes: no more. */
static void test_open_asks_two_questions(struct test *test) {
  for (int at = 0; at < 2; at++) {
    struct ovio_file file;
    TRY(make_file(&file, at ? OVIO_BLOCKING : 0));
    TRY_EQ(ovio_close(&file), 0);
    forget();
    TRY_EQ(ovio_open(&file, test_path("calls"),
                     OVIO_READ | (at ? OVIO_BLOCKING : 0), 0),
           0);
    TRY_EQ(ovio_close(&file), 0);
    TRY_EQ(calls.questions, 2);
  }
}

static struct {
  struct ovio_file *file;
  char blocks[DEPTH][BLOCK];
  struct ovio_op ops[DEPTH];
  int left;
  int bad;
} many;

static void read_again(struct ovio_op *op, int64_t result) {
  ptrdiff_t at = op - many.ops;
  many.bad += result != BLOCK;
  if (--many.left >= DEPTH)
    many.bad += ovio_start_read(ovio_loop_current(), op, many.file,
                                many.blocks[at], BLOCK, 0, read_again) != 0;
}

/* One association and one mode for the file, one ReadFile a read, and packets
 * taken many at a time. */
static void test_callbacks_at_depth_32(struct test *test) {
  struct ovio_file file;
  struct ovio_loop *loop;
  TRY(make_file(&file, 0));
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  memset(&many, 0, sizeof many);
  many.file = &file;
  many.left = READS;
  forget();
  for (int at = 0; at < DEPTH; at++)
    TRY_EQ(ovio_start_read(loop, &many.ops[at], &file, many.blocks[at], BLOCK,
                           0, read_again),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  TRY_EQ(many.bad, 0);
  TRY_EQ(many.left, 0);
  tell("callbacks at depth 32, completion port");
  TRY_EQ(calls.reads, READS);
  TRY_EQ(calls.binds, 2);
  TRY_EQ(calls.nt + calls.others + calls.posts, 0);
  TRY(calls.dequeues <= READS / 4);
  TRY_EQ(ovio_loop_destroy(loop), 0);
  TRY_EQ(ovio_close(&file), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_PLAIN(test_plain_read_is_one_call, "of a plain thread"),
      TEST_PLAIN(test_plain_read_of_an_overlapped_handle, "of a plain thread"),
      TEST_PLAIN(test_open_asks_two_questions, "of a plain thread"),
      TEST_PLAIN(test_callbacks_at_depth_32, "makes its own loops"),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
