/* SPDX-License-Identifier: MIT */
/* The I/O completion port.
 *
 * RULE. Every bound handle is in skip mode
 * (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS): exactly one packet comes if and only
 * if the call said ERROR_IO_PENDING. Then the io is the kernel's until its
 * packet has been taken out; also a cancelled one. All else is finished inside
 * os_port_start().
 *
 * FOREIGN PACKETS. A duplicated handle shares the file object, its port and its
 * key (MS: CreateIoCompletionPort), so packets of I/O that is not ours can come
 * out here. Their OVERLAPPED may be gone or smaller than ours: it is looked up
 * by address in a table of the ios in flight, never looked into. The chains of
 * the table run through the ios.
 *
 * AGAIN. A read of a pipe that succeeds with 0 bytes was an empty message, not
 * the end. It is started again here, unless it was cancelled.
 *
 * WAITS. What has to be waited for as an object, a process, is given to the
 * thread pool's wait thread, which sends the packet when it is signalled. From
 * its registration until UnregisterWaitEx() has returned it may touch the io.
 *
 * PAGES. Parts of whole pages go as one ReadFileScatter or WriteFileGather. Its
 * list of pages stays until the io is finished, in one of a few that are made
 * with the port. With none to be had only the first part goes: a short count,
 * after which common/ goes on. So it does where the system refuses pages: the
 * handle may be buffered after all, or the file system has no such call.
 *
 * The loop's thread owns all but the handle and `woken`. */
#include "win32/side.h"

#include "common/memory.h"

enum { BUCKETS = 1024, BATCH_MAX = 64, LANES = 64, LISTS = 16 };

#define PORT_KEY ((ULONG_PTR)1)

/* What ReadFileScatter is given: a page each, and NULL. */
struct page_list {
  FILE_SEGMENT_ELEMENT pages[NATIVE_PAGES_MAX + 1];
  struct page_list *next; /* idle */
};

/* In os_io.native, while it is pending. */
struct pending {
  OVERLAPPED overlapped;
  struct os_io *next; /* of the same bucket */
  HANDLE port;        /* of a wait; NULL: none is registered */
  union {
    HANDLE wait;
    struct page_list *list; /* of a transfer; NULL: none */
  } u;
  bool cancelled;
};

_Static_assert(sizeof(struct pending) <= sizeof(((struct os_io *)0)->native),
               "os_io");

struct os_port {
  HANDLE handle;
  atomic_bool woken; /* a packet for that is in the port */
  struct os_io *buckets[BUCKETS];
  struct page_list lists[LISTS];
  struct page_list *idle;
};

static struct pending *pending__of(struct os_io *io) {
  return (struct pending *)(void *)io->native;
}

/* ---- the ios in flight ---- */

static struct os_io **port__bucket(struct os_port *port, const void *address) {
  /* The low bits are the same for all: ops are aligned, and on stacks. */
  uintptr_t bits = (uintptr_t)address >> 4;
  return &port->buckets[(bits ^ bits >> 10 ^ bits >> 20) % BUCKETS];
}

static void port__insert(struct os_port *port, struct os_io *io) {
  struct os_io **bucket = port__bucket(port, io);
  pending__of(io)->next = *bucket;
  *bucket = io;
}

static void port__remove(struct os_port *port, struct os_io *io) {
  struct os_io **at = port__bucket(port, io);
  while (*at != io)
    at = &pending__of(*at)->next;
  *at = pending__of(io)->next;
}

/* The io with this OVERLAPPED, or NULL: somebody else's. */
static struct os_io *port__find(struct os_port *port,
                                const OVERLAPPED *overlapped) {
  uintptr_t address = (uintptr_t)overlapped - offsetof(struct os_io, native);
  struct os_io *io = *port__bucket(port, (void *)address);
  while (io && (uintptr_t)io != address)
    io = pending__of(io)->next;
  return io;
}

/* ---- pages ---- */

/* NULL: there is none, or no use for it. */
static struct page_list *port__take_list(struct os_port *port,
                                         const struct os_transfer *transfer) {
  struct page_list *list = port->idle;
  if (!list || transfer->count < 2 || transfer->offset < 0)
    return NULL;
  port->idle = list->next;
  size_t used = 0;
  for (size_t at = 0; at < transfer->count; at++) {
    uintptr_t page = (uintptr_t)transfer->iov[at].iov_base;
    uintptr_t end = page + transfer->iov[at].iov_len;
    for (; page < end; page += NATIVE_PAGE)
      list->pages[used++].Alignment = page; /* as PtrToPtr64 does */
  }
  list->pages[used].Alignment = 0;
  return list;
}

static void port__give_list(struct os_port *port, struct pending *pending) {
  struct page_list *list = pending->u.list;
  if (!list)
    return;
  pending->u.list = NULL;
  list->next = port->idle;
  port->idle = list;
}

static bool port__refuses_pages(const struct pending *pending, DWORD error) {
  return pending->u.list &&
         (error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED ||
          error == ERROR_INVALID_FUNCTION);
}

/* ---- create, destroy ---- */

size_t os_port_lanes(void) {
  return LANES;
}

int os_port_create(struct os_port **out, unsigned engine, unsigned threads) {
  if (engine != OVIO_ENGINE_DEFAULT && engine != OVIO_ENGINE_IOCP)
    return OVIO_ENOTSUP;
  struct os_port *port = memory_allocate(sizeof *port);
  if (!port)
    return OVIO_ENOMEM;
  port->handle =
      native.CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, threads);
  if (!port->handle) {
    DWORD error = GetLastError();
    memory_free(port);
    return os_error_map(error);
  }
  for (size_t at = 0; at < LISTS; at++) {
    port->lists[at].next = port->idle;
    port->idle = &port->lists[at];
  }
  *out = port;
  return 0;
}

void os_port_destroy(struct os_port *port) {
  native.CloseHandle(port->handle);
  memory_free(port);
}

const char *os_port_name(const struct os_port *port) {
  (void)port;
  return "iocp";
}

/* Only registered I/O of sockets (RIO) knows such a thing. */
int os_port_register_buffers(struct os_port *port,
                             const struct ovio_iovec *buffers, size_t count) {
  (void)port;
  (void)buffers;
  (void)count;
  return 0;
}

const char *os_port_route(const struct os_port *port,
                          const struct os_file *file) {
  (void)port;
  (void)file;
  return "completion";
}

/* ---- bind ---- */

int os_port_bind(struct os_port *port, struct os_file *file) {
  HANDLE handle = (HANDLE)file->handle;
  if (!(file->traits & OS_TRAIT_PORTABLE))
    return OVIO_ENOTSUP;
  if (file->traits & OS_TRAIT_PROCESS)
    return 0;
  /* In this order: where the handle is bound to somebody else's port, it fails,
   * and skip mode would have taken that owner's packets away. */
  if (!native.CreateIoCompletionPort(handle, port->handle, PORT_KEY, 0))
    return os_error_map(GetLastError());
  if (!native.SetFileCompletionNotificationModes(
          handle,
          FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE))
    return os_error_map(GetLastError());
  return 0;
}

void os_port_forget(struct os_port *port, struct os_file *file) {
  (void)port; /* the association is for the file object's life */
  (void)file;
}

/* ---- start ---- */

static void port__set_offset(OVERLAPPED *overlapped, int64_t offset) {
  uint64_t bits = offset == OVIO_HERE ? 0 : (uint64_t)offset;
  if (offset == OS_APPEND)
    bits = UINT64_MAX; /* both halves 0xFFFFFFFF: the end (MS: WriteFile) */
  overlapped->Offset = (DWORD)bits;
  overlapped->OffsetHigh = (DWORD)(bits >> 32);
}

/* Leaves GetLastError() as the call did; the io may be gone after that. */
static BOOL port__write(const struct os_transfer *transfer,
                        OVERLAPPED *overlapped) {
  if (transfer->file->traits & OS_TRAIT_SOCKET)
    return native_send(transfer, overlapped) == NO_ERROR;
  bool append = native_append_begin(transfer);
  BOOL fine =
      native.WriteFile((HANDLE)transfer->file->handle, transfer->iov->iov_base,
                       (DWORD)transfer->iov->iov_len, NULL, overlapped);
  DWORD error = GetLastError();
  native_append_end(append);
  SetLastError(error);
  return fine;
}

static BOOL port__call_paged(struct os_io *io) {
  const struct os_transfer *transfer = &io->transfer;
  struct pending *pending = pending__of(io);
  size_t bytes = 0;
  for (size_t at = 0; at < transfer->count; at++)
    bytes += transfer->iov[at].iov_len;
  return (transfer->write ? native.WriteFileGather : native.ReadFileScatter)(
      (HANDLE)transfer->file->handle, pending->u.list->pages, (DWORD)bytes,
      NULL, &pending->overlapped);
}

static BOOL port__call(struct os_io *io) {
  const struct os_transfer *transfer = &io->transfer;
  HANDLE handle = (HANDLE)transfer->file->handle;
  OVERLAPPED *overlapped = &pending__of(io)->overlapped;
  if (io->transfer.kind == OS_IO_ACCEPT)
    return native.ConnectNamedPipe(handle, overlapped);
  if (pending__of(io)->u.list)
    return port__call_paged(io);
  if (transfer->write)
    return port__write(transfer, overlapped);
  return native.ReadFile(handle, transfer->iov->iov_base,
                         (DWORD)transfer->iov->iov_len, NULL, overlapped);
}

/* Posting fails only for want of memory, and then the loop would sleep on: so
 * it is tried again, for some seconds. */
static bool port__post(HANDLE port, ULONG_PTR key, OVERLAPPED *overlapped) {
  for (int round = 0; round < 5000; round++) {
    if (native.PostQueuedCompletionStatus(port, 0, key, overlapped))
      return true;
    Sleep(1);
  }
  return false;
}

/* On the wait thread. */
static void CALLBACK port__on_signal(void *context, BOOLEAN timed_out) {
  struct pending *pending = pending__of(context);
  (void)timed_out;
  pending->overlapped.Internal = 0; /* STATUS_SUCCESS */
  (void)port__post(pending->port, PORT_KEY, &pending->overlapped);
}

static bool port__start_wait(struct os_port *port, struct os_io *io) {
  struct pending *pending = pending__of(io);
  *pending = (struct pending){.port = port->handle};
  pending->overlapped.Internal = (ULONG_PTR)NATIVE_STATUS_PENDING;
  port__insert(port, io);
  if (native.RegisterWaitForSingleObject(
          &pending->u.wait, (HANDLE)io->transfer.file->handle, port__on_signal,
          io, INFINITE, WT_EXECUTEINWAITTHREAD | WT_EXECUTEONLYONCE))
    return true;
  io->result = native_last_failure();
  port__remove(port, io);
  return false;
}

/* Afterwards the wait thread leaves the io alone. */
static void port__end_wait(struct pending *pending) {
  if (pending->port)
    native.UnregisterWaitEx(pending->u.wait, INVALID_HANDLE_VALUE);
  pending->port = NULL;
}

/* The call itself: NO_ERROR, ERROR_IO_PENDING... Not pending, it is ours. */
static DWORD port__submit(struct os_port *port, struct os_io *io, bool pages) {
  struct pending *pending = pending__of(io);
  *pending = (struct pending){.cancelled = false};
  port__set_offset(&pending->overlapped, io->transfer.offset);
  if (pages && io->transfer.kind == OS_IO_TRANSFER)
    pending->u.list = port__take_list(port, &io->transfer);
  port__insert(port, io); /* before: afterwards it is the kernel's */
  BOOL fine = port__call(io);
  DWORD error = fine ? NO_ERROR : GetLastError();
  if (error != ERROR_IO_PENDING)
    port__remove(port, io);
  return error;
}

static bool port__start(struct os_port *port, struct os_io *io, bool pages) {
  struct pending *pending = pending__of(io);
  for (;;) {
    DWORD error = port__submit(port, io, pages);
    if (error == ERROR_IO_PENDING)
      return true;
    if (io->transfer.kind == OS_IO_ACCEPT) {
      io->result = native_accept_outcome(error);
      return false;
    }
    bool refused = port__refuses_pages(pending, error);
    port__give_list(port, pending);
    io->result = native_outcome(error, pending->overlapped.InternalHigh,
                                io->transfer.write);
    if (refused)
      pages = false;
    else if (error != NO_ERROR ||
             !native_is_empty_message(&io->transfer, 0, io->result))
      return false;
  }
}

bool os_port_start(struct os_port *port, struct os_io *io) {
  if (io->transfer.kind == OS_IO_READY)
    return port__start_wait(port, io);
  if (io->transfer.kind == OS_IO_SYNC)
    return false; /* FlushFileBuffers has no overlapped form */
  return port__start(port, io, true);
}

/* Signalled in the meantime: its packet is in the port. */
static bool port__cancel_wait(struct os_port *port, struct os_io *io) {
  struct pending *pending = pending__of(io);
  port__end_wait(pending);
  if (pending->overlapped.Internal == 0)
    return false;
  port__remove(port, io);
  io->result = native_failure(ERROR_OPERATION_ABORTED);
  return true;
}

bool os_port_cancel(struct os_port *port, struct os_io *io) {
  if (io->transfer.kind == OS_IO_READY)
    return port__cancel_wait(port, io);
  pending__of(io)->cancelled = true;
  /* ERROR_NOT_FOUND: its packet is on the way. */
  native.CancelIoEx((HANDLE)io->transfer.file->handle,
                    &pending__of(io)->overlapped);
  return false;
}

/* ---- wait ---- */

/* What a transfer's packet says; true: it is finished. */
static bool port__complete_transfer(struct os_port *port, struct os_io *io,
                                    NTSTATUS status) {
  struct pending *pending = pending__of(io);
  bool refused =
      status < 0 && port__refuses_pages(pending, RtlNtStatusToDosError(status));
  port__give_list(port, pending);
  ULONG_PTR moved = pending->overlapped.InternalHigh;
  io->result = native_status_outcome(status, moved, io->transfer.write);
  if (!refused && !native_is_empty_message(&io->transfer, status, io->result))
    return true;
  if (pending->cancelled) {
    io->result = native_failure(ERROR_OPERATION_ABORTED);
    return true;
  }
  return !port__start(port, io, !refused);
}

/* A packet with the address of an io of ours; true: it is finished. */
static bool port__complete(struct os_port *port, struct os_io *io) {
  struct pending *pending = pending__of(io);
  /* An NTSTATUS in the low half; Wine 8 leaves rubbish in the high one. */
  NTSTATUS status = (NTSTATUS)(ULONG)pending->overlapped.Internal;
  /* Not its packet, but one too many of a call that finished at once: the
   * kernel still has this io. */
  if (status == NATIVE_STATUS_PENDING)
    return false;
  port__remove(port, io);
  if (io->transfer.kind == OS_IO_READY) {
    port__end_wait(pending);
    io->result = (struct os_result){0, 0};
    return true;
  }
  if (io->transfer.kind == OS_IO_ACCEPT) {
    io->result =
        native_accept_outcome(status < 0 ? RtlNtStatusToDosError(status) : 0);
    return true;
  }
  return port__complete_transfer(port, io, status);
}

static size_t port__dispatch(struct os_port *port,
                             const OVERLAPPED_ENTRY *entries, ULONG taken,
                             struct os_io **done) {
  size_t count = 0;
  for (ULONG at = 0; at < taken; at++) {
    if (entries[at].lpCompletionKey != PORT_KEY) {
      atomic_store(&port->woken, false);
      continue;
    }
    struct os_io *io = port__find(port, entries[at].lpOverlapped);
    if (io && port__complete(port, io))
      done[count++] = io;
  }
  return count;
}

enum { NS_PER_MS = 1000000 };

/* Whole milliseconds, rounded up: rounded down, the last one would spin. */
static DWORD port__timeout_ms(int64_t timeout_ns, int64_t due_ns) {
  if (timeout_ns <= 0)
    return timeout_ns < 0 ? INFINITE : 0;
  int64_t left_ns = due_ns - os_clock_ns();
  if (left_ns <= 0)
    return 0;
  int64_t left_ms = (left_ns - 1) / NS_PER_MS + 1;
  return left_ms < INFINITE ? (DWORD)left_ms : INFINITE - 1;
}

static int64_t port__due_ns(int64_t timeout_ns) {
  if (timeout_ns <= 0)
    return 0;
  int64_t now_ns = os_clock_ns();
  return timeout_ns < INT64_MAX - now_ns ? now_ns + timeout_ns : INT64_MAX;
}

/* NO_ERROR, or GetLastError()'s. */
static DWORD port__take(struct os_port *port, OVERLAPPED_ENTRY *entries,
                        ULONG room, ULONG *taken, DWORD time_ms,
                        const struct os_pause *pause) {
  if (pause)
    pause->begin(pause->argument);
  BOOL fine = native.GetQueuedCompletionStatusEx(port->handle, entries, room,
                                                 taken, time_ms, FALSE);
  DWORD error = fine ? (DWORD)NO_ERROR : GetLastError();
  if (pause)
    pause->end(pause->argument);
  return error;
}

int os_port_wait(struct os_port *port, int64_t timeout_ns, struct os_io **done,
                 size_t max, size_t *count, const struct os_pause *pause) {
  OVERLAPPED_ENTRY entries[BATCH_MAX];
  ULONG room = max < BATCH_MAX ? (ULONG)max : BATCH_MAX;
  int64_t due_ns = port__due_ns(timeout_ns);
  *count = 0;
  DWORD left_ms = port__timeout_ms(timeout_ns, due_ns);
  for (;;) {
    ULONG taken = 0;
    DWORD error = port__take(port, entries, room, &taken, left_ms, pause);
    if (error == NO_ERROR) {
      *count = port__dispatch(port, entries, taken, done);
      return 0;
    }
    if (error != WAIT_TIMEOUT)
      return os_error_map(error);
    /* It may come back early (libuv core.c); then the rest is waited for. */
    left_ms = port__timeout_ms(timeout_ns, due_ns);
    if (left_ms == 0 || timeout_ns == 0)
      return 0;
  }
}

/* At most one packet at a time. */
void os_port_wake(struct os_port *port) {
  if (!atomic_exchange(&port->woken, true) &&
      !port__post(port->handle, 0, NULL))
    atomic_store(&port->woken, false);
}
