/* SPDX-License-Identifier: MIT */
/* The references of Windows: ReadFile and NtReadFile in a loop on a synchronous
 * handle, an I/O completion port with packets taken in batches, fibers. */
#define WIN32_LEAN_AND_MEAN
#define _WIN32_WINNT 0x0A00
#include <windows.h>
#include <winternl.h>

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 128 };

/* As the DDK's headers declare them: mingw-w64 leaves these out of winternl.h
 * in some versions. */
NTSTATUS NTAPI NtReadFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID,
                          PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER,
                          PULONG);
NTSTATUS NTAPI NtWriteFile(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID,
                           PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER,
                           PULONG);

/* ---- synchronous handles ---- */

static int loop_begin(struct job *job, const struct variant *variant,
                      void **state) {
  (void)variant;
  intptr_t *file = malloc(sizeof *file);
  if (!file)
    return OVIO_ENOMEM;
  int error = sys_open(job->path, job->direct, file);
  *state = file;
  if (error)
    free(file);
  return error;
}

static void loop_end(void *state) {
  intptr_t *file = state;
  sys_close(*file);
  free(file);
}

/* ReadFile or WriteFile with an OVERLAPPED that has the offset. */
static int run_readfile(struct job *job, void *state) {
  intptr_t file = *(intptr_t *)state;
  unsigned char *buffer = job_buffer(job, 0);
  bool write = job->op == BENCH_WRITE;
  int64_t offset;
  while (job_take(job, buffer, &offset))
    job_give(job, buffer, offset,
             sys_transfer(file, write, buffer, job->block, offset));
  return job->error;
}

/* No event and no APC context: no packet, nothing to wait for. */
static int run_ntreadfile(struct job *job, void *state) {
  HANDLE file = (HANDLE) * (intptr_t *)state;
  unsigned char *buffer = job_buffer(job, 0);
  ULONG length = (ULONG)job->block;
  int64_t offset;
  while (job_take(job, buffer, &offset)) {
    LARGE_INTEGER at = {.QuadPart = offset};
    IO_STATUS_BLOCK answer;
    NTSTATUS status = job->op == BENCH_WRITE
                          ? NtWriteFile(file, NULL, NULL, NULL, &answer, buffer,
                                        length, &at, NULL)
                          : NtReadFile(file, NULL, NULL, NULL, &answer, buffer,
                                       length, &at, NULL);
    job_give(job, buffer, offset,
             status < 0 ? OVIO_EIO : (int64_t)answer.Information);
  }
  return job->error;
}

/* ---- a completion port ---- */

struct request {
  OVERLAPPED overlapped; /* first: a packet has its address */
  unsigned char *buffer;
  int64_t offset;
};

struct port {
  struct job *job;
  HANDLE port, file;
  struct request *requests;
  size_t in_flight;
};

static void port_end(void *state) {
  struct port *port = state;
  CloseHandle(port->file);
  CloseHandle(port->port);
  free(port->requests);
  free(port);
}

static HANDLE open_overlapped(const struct job *job) {
  wchar_t path[BENCH_PATH];
  DWORD flags = FILE_FLAG_OVERLAPPED;
  if (job->direct)
    flags |= FILE_FLAG_NO_BUFFERING;
  if (!MultiByteToWideChar(CP_UTF8, 0, job->path, -1, path, BENCH_PATH))
    return INVALID_HANDLE_VALUE;
  return CreateFileW(path, GENERIC_READ | GENERIC_WRITE,
                     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                     NULL, OPEN_EXISTING, flags, NULL);
}

static int port_begin(struct job *job, const struct variant *variant,
                      void **state) {
  struct port *port = calloc(1, sizeof *port);
  (void)variant;
  if (!port)
    return OVIO_ENOMEM;
  *state = port;
  port->job = job;
  port->requests = calloc(job->depth, sizeof *port->requests);
  port->file = open_overlapped(job);
  port->port = CreateIoCompletionPort(port->file, NULL, 1, 1);
  for (size_t at = 0; at < job->depth; at++)
    port->requests[at].buffer = job_buffer(job, at);
  if (port->port && port->file != INVALID_HANDLE_VALUE)
    return 0;
  port_end(port);
  return OVIO_EIO;
}

static void port__start(struct port *port, struct request *request) {
  struct job *job = port->job;
  if (!job_take(job, request->buffer, &request->offset))
    return;
  request->overlapped =
      (OVERLAPPED){.Offset = (DWORD)request->offset,
                   .OffsetHigh = (DWORD)(request->offset >> 32)};
  BOOL fine = job->op == BENCH_WRITE
                  ? WriteFile(port->file, request->buffer, (DWORD)job->block,
                              NULL, &request->overlapped)
                  : ReadFile(port->file, request->buffer, (DWORD)job->block,
                             NULL, &request->overlapped);
  if (fine || GetLastError() == ERROR_IO_PENDING)
    port->in_flight++;
  else
    job_fail(job, OVIO_EIO);
}

static int port_run(struct job *job, void *state) {
  struct port *port = state;
  OVERLAPPED_ENTRY entries[BATCH];
  for (size_t at = 0; at < job->depth; at++)
    port__start(port, &port->requests[at]);
  while (port->in_flight) {
    ULONG count = 0;
    if (!GetQueuedCompletionStatusEx(port->port, entries, BATCH, &count,
                                     INFINITE, FALSE))
      return OVIO_EIO;
    for (ULONG at = 0; at < count; at++) {
      struct request *request = (void *)entries[at].lpOverlapped;
      job_give(job, request->buffer, request->offset,
               (int64_t)request->overlapped.InternalHigh);
      port->in_flight--;
      port__start(port, request);
    }
  }
  return job->error;
}

/* ---- small files ---- */

static int nothing_begin(struct job *job, const struct variant *variant,
                         void **state) {
  (void)job;
  (void)variant;
  *state = NULL;
  return 0;
}

static void nothing_end(void *state) {
  (void)state;
}

static int64_t read_file(const char *path, unsigned char *buffer,
                         size_t length) {
  wchar_t wide[BENCH_PATH];
  DWORD moved = 0;
  if (!MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, BENCH_PATH))
    return OVIO_EINVAL;
  HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL,
                            OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE)
    return OVIO_ENOENT;
  BOOL fine = ReadFile(file, buffer, (DWORD)length, &moved, NULL);
  CloseHandle(file);
  return fine ? (int64_t)moved : OVIO_EIO;
}

static int run_files(struct job *job, void *state) {
  unsigned char *buffer = job_buffer(job, 0);
  char path[BENCH_PATH];
  uint64_t number;
  (void)state;
  while (job_take_path(job, path, &number))
    job_give(job, buffer, (int64_t)(number * job->block),
             read_file(path, buffer, job->block));
  return job->error;
}

/* ---- fibers: there and back ---- */

struct fiber {
  void *main, *other;
};

static void WINAPI fiber_body(void *argument) {
  struct fiber *fiber = argument;
  for (;;)
    SwitchToFiber(fiber->main);
}

static int fiber_begin(struct job *job, const struct variant *variant,
                       void **state) {
  (void)job;
  (void)variant;
  struct fiber *fiber = calloc(1, sizeof *fiber);
  if (!fiber)
    return OVIO_ENOMEM;
  fiber->other =
      CreateFiberEx(0, 0, FIBER_FLAG_FLOAT_SWITCH, fiber_body, fiber);
  *state = fiber;
  if (fiber->other)
    return 0;
  free(fiber);
  return OVIO_ENOMEM;
}

static void fiber_end(void *state) {
  struct fiber *fiber = state;
  DeleteFiber(fiber->other);
  free(fiber);
}

static int run_fiber(struct job *job, void *state) {
  struct fiber *fiber = state;
  fiber->main = ConvertThreadToFiberEx(NULL, FIBER_FLAG_FLOAT_SWITCH);
  if (!fiber->main)
    return OVIO_ENOMEM;
  for (uint64_t at = 0; at < job->count; at++)
    SwitchToFiber(fiber->other);
  ConvertFiberToThread();
  job_count(job, job->count);
  return 0;
}

static void thread_body(void *argument) {
  (void)argument;
}

static int run_threads(struct job *job, void *state) {
  (void)state;
  for (uint64_t at = 0; at < job->count; at++) {
    struct sys_thread *thread = sys_thread_start(thread_body, NULL);
    if (!thread)
      return OVIO_ENOMEM;
    sys_thread_join(thread);
    job_count(job, 1);
  }
  return 0;
}

/* ---- two threads, a port each ---- */

struct end {
  HANDLE port;
  HANDLE in, out; /* pipes */
};

struct duo {
  struct job *job;
  struct end ends[2];
  uint64_t bursts;
};

static bool make_pipe(HANDLE ends[2]) {
  static unsigned last;
  wchar_t name[64];
  _snwprintf(name, 63, L"\\\\.\\pipe\\ovbench-%lu-%u", GetCurrentProcessId(),
             ++last);
  name[63] = 0;
  ends[0] = CreateNamedPipeW(name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED,
                             PIPE_TYPE_BYTE, 1, 65536, 65536, 0, NULL);
  ends[1] = CreateFileW(name, GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                        FILE_FLAG_OVERLAPPED, NULL);
  return ends[0] != INVALID_HANDLE_VALUE && ends[1] != INVALID_HANDLE_VALUE;
}

static void duo_end(void *state) {
  struct duo *duo = state;
  for (int at = 0; at < 2; at++) {
    if (duo->ends[at].in)
      CloseHandle(duo->ends[at].in);
    if (duo->ends[at].out)
      CloseHandle(duo->ends[at].out);
    CloseHandle(duo->ends[at].port);
  }
  free(duo);
}

static int begin_posts(struct job *job, const struct variant *variant,
                       void **state) {
  (void)variant;
  struct duo *duo = calloc(1, sizeof *duo);
  if (!duo)
    return OVIO_ENOMEM;
  *state = duo;
  duo->job = job;
  for (int at = 0; at < 2; at++)
    duo->ends[at].port =
        CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
  return 0;
}

static int begin_pipes(struct job *job, const struct variant *variant,
                       void **state) {
  int error = begin_posts(job, variant, state);
  struct duo *duo = *state;
  for (int at = 0; at < 2 && !error; at++) {
    HANDLE pipe[2];
    if (!make_pipe(pipe))
      return OVIO_EIO;
    duo->ends[at].in = pipe[0];
    duo->ends[!at].out = pipe[1];
  }
  for (int at = 0; at < 2 && !error; at++) {
    CreateIoCompletionPort(duo->ends[at].in, duo->ends[at].port, 1, 1);
    CreateIoCompletionPort(duo->ends[at].out, duo->ends[at].port, 1, 1);
  }
  return error;
}

static int duo__run(struct duo *duo, void (*near_)(struct duo *),
                    void (*far_)(void *)) {
  struct sys_thread *thread = sys_thread_start(far_, duo);
  if (!thread)
    return OVIO_ENOMEM;
  near_(duo);
  sys_thread_join(thread);
  return duo->job->error;
}

static ULONG take_packets(const struct end *end, OVERLAPPED_ENTRY *entries) {
  ULONG count = 0;
  if (!GetQueuedCompletionStatusEx(end->port, entries, BATCH, &count, INFINITE,
                                   FALSE))
    abort();
  return count;
}

static void post__send(const struct duo *duo, const struct end *to) {
  for (size_t at = 0; at < duo->job->depth; at++) {
    if (!PostQueuedCompletionStatus(to->port, 0, 1, NULL))
      abort();
  }
}

static uint64_t post__receive(const struct duo *duo, const struct end *end) {
  OVERLAPPED_ENTRY entries[BATCH];
  uint64_t arrived = 0;
  while (arrived < duo->job->depth)
    arrived += take_packets(end, entries);
  return arrived;
}

static void post__far(void *argument) {
  struct duo *duo = argument;
  for (uint64_t at = 0; at < duo->bursts; at++) {
    post__receive(duo, &duo->ends[1]);
    post__send(duo, &duo->ends[0]);
  }
}

static void post__near(struct duo *duo) {
  for (uint64_t at = 0; at < duo->bursts; at++) {
    post__send(duo, &duo->ends[1]);
    job_count(duo->job, post__receive(duo, &duo->ends[0]) * 2);
  }
}

static int run_post(struct job *job, void *state) {
  struct duo *duo = state;
  duo->bursts = job->count / job->depth / 2;
  return duo__run(duo, post__near, post__far);
}

/* ---- pipes ---- */

/* One transfer, started and waited for at the port. */
static size_t pipe__move(const struct end *end, bool write,
                         unsigned char *buffer, size_t length) {
  OVERLAPPED_ENTRY entries[BATCH];
  OVERLAPPED overlapped = {0};
  BOOL fine =
      write ? WriteFile(end->out, buffer, (DWORD)length, NULL, &overlapped)
            : ReadFile(end->in, buffer, (DWORD)length, NULL, &overlapped);
  if (!fine && GetLastError() != ERROR_IO_PENDING)
    abort();
  take_packets(end, entries); /* also if it was finished at once */
  return (size_t)overlapped.InternalHigh;
}

static int64_t pipe__block(const struct end *end, bool write,
                           unsigned char *buffer, size_t length) {
  size_t moved = 0;
  while (moved < length)
    moved += pipe__move(end, write, buffer + moved, length - moved);
  return (int64_t)moved;
}

static void echo_far(void *argument) {
  struct duo *duo = argument;
  struct job *job = duo->job;
  unsigned char *buffer = job_buffer(job, 1);
  for (uint64_t at = 0; at < job->count; at++) {
    pipe__block(&duo->ends[1], false, buffer, job->block);
    pipe__block(&duo->ends[1], true, buffer, job->block);
  }
}

static void echo_near(struct duo *duo) {
  struct job *job = duo->job;
  unsigned char *buffer = job_buffer(job, 0);
  while (job_streams(job)) {
    job_ping(job, buffer);
    pipe__block(&duo->ends[0], true, buffer, job->block);
    job_pong(job, buffer,
             pipe__block(&duo->ends[0], false, buffer, job->block));
  }
}

static int run_pingpong(struct job *job, void *state) {
  (void)job;
  return duo__run(state, echo_near, echo_far);
}

static void source_far(void *argument) {
  struct duo *duo = argument;
  struct job *job = duo->job;
  for (uint64_t at = 0; at < job->count; at++)
    pipe__block(&duo->ends[1], true, job_buffer(job, 0), job->block);
}

static void sink_near(struct duo *duo) {
  struct job *job = duo->job;
  unsigned char *buffer = job_buffer(job, 1);
  while (job_streams(job))
    job_stream(job, buffer,
               (int64_t)pipe__move(&duo->ends[0], false, buffer, job->block));
}

static int run_stream(struct job *job, void *state) {
  (void)job;
  return duo__run(state, sink_near, source_far);
}

/* ---- the list ---- */

#define FILE_VARIANTS(op, plain, nt)                                           \
  {plain, op, 0, 0, loop_begin, run_readfile, loop_end},                       \
      {nt, op, 0, 0, loop_begin, run_ntreadfile, loop_end}, {                  \
    "iocp", op, 0, 0, port_begin, port_run, port_end                           \
  }

extern const struct variant raw_win32_variants[];

const struct variant raw_win32_variants[] = {
    FILE_VARIANTS(BENCH_READ, "readfile", "ntreadfile"),
    FILE_VARIANTS(BENCH_WRITE, "writefile", "ntwritefile"),
    {"readfile", BENCH_FILES, 0, 0, nothing_begin, run_files, nothing_end},
    {"fiber", BENCH_YIELD, 0, 0, fiber_begin, run_fiber, fiber_end},
    {"thread", BENCH_SPAWN, 0, 0, nothing_begin, run_threads, nothing_end},
    {"iocp", BENCH_POST, 0, 0, begin_posts, run_post, duo_end},
    {"iocp", BENCH_PINGPONG, 0, 0, begin_pipes, run_pingpong, duo_end},
    {"iocp", BENCH_STREAM, 0, 0, begin_pipes, run_stream, duo_end},
    {0},
};
