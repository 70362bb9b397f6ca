/* SPDX-License-Identifier: MIT */
/* Files: opening, learning what a handle is, and every synchronous call.
 *
 * All synchronous transfers are NtReadFile and NtWriteFile without an APC
 * context: then the I/O manager queues no packet, whatever port the handle is
 * bound to. A synchronous handle needs no event; an overlapped one gets an
 * event of its own for the call, from a list which is filled by use: nothing is
 * created per call once it is warm, and no thread has to give one back when it
 * ends. */
#include "win32/side.h"

#include "common/memory.h"

#include <string.h>

static HANDLE file__handle(const struct os_file *file) {
  return (HANDLE)file->handle;
}

static struct os_result file__answer(BOOL fine) {
  return fine ? (struct os_result){0, 0} : native_last_failure();
}

static bool file__is_paged(const struct ovio_iovec *part) {
  uintptr_t bits = (uintptr_t)part->iov_base | part->iov_len;
  return part->iov_len == 0 || bits % NATIVE_PAGE == 0;
}

/* ReadFileScatter takes whole pages of an overlapped, unbuffered file (MS). */
size_t os_file_parts(const struct os_file *file, const struct ovio_iovec *iov,
                     size_t count) {
  if (file->alignment <= 1 || !(file->traits & OS_TRAIT_OVERLAPPED))
    return 1;
  size_t pages = 0;
  size_t at = 0;
  while (at < count && file__is_paged(&iov[at]) &&
         iov[at].iov_len / NATIVE_PAGE <= NATIVE_PAGES_MAX - pages)
    pages += iov[at++].iov_len / NATIVE_PAGE;
  return at > 0 ? at : 1;
}

/* ---- open ---- */

static DWORD file__access(unsigned flags) {
  DWORD access = FILE_READ_ATTRIBUTES | SYNCHRONIZE;
  if (flags & (OVIO_READ | OVIO_DIRECTORY))
    access |= GENERIC_READ;
  if (flags & OVIO_WRITE)
    access |= GENERIC_WRITE;
  return access;
}

static DWORD file__disposition(unsigned flags) {
  if (flags & OVIO_EXCLUSIVE)
    return CREATE_NEW;
  return flags & OVIO_CREATE ? OPEN_ALWAYS : OPEN_EXISTING;
}

static DWORD file__attributes(unsigned flags, unsigned mode) {
  DWORD attributes = 0;
  if ((flags & OVIO_CREATE) && !(mode & 0200))
    attributes |= FILE_ATTRIBUTE_READONLY;
  if (!(flags & OVIO_BLOCKING))
    attributes |= FILE_FLAG_OVERLAPPED;
  if (flags & OVIO_DIRECT)
    attributes |= FILE_FLAG_NO_BUFFERING;
  if (flags & OVIO_SYNC)
    attributes |= FILE_FLAG_WRITE_THROUGH;
  if (flags & OVIO_SEQUENTIAL)
    attributes |= FILE_FLAG_SEQUENTIAL_SCAN;
  if (flags & OVIO_RANDOM)
    attributes |= FILE_FLAG_RANDOM_ACCESS;
  if (flags & OVIO_DIRECTORY)
    attributes |= FILE_FLAG_BACKUP_SEMANTICS;
  if (flags & OVIO_NOFOLLOW)
    attributes |= FILE_FLAG_OPEN_REPARSE_POINT;
  return attributes ? attributes : FILE_ATTRIBUTE_NORMAL;
}

static bool file__is_unasked(DWORD error) {
  return error == ERROR_INVALID_PARAMETER || error == ERROR_INVALID_FUNCTION ||
         error == ERROR_NOT_SUPPORTED;
}

/* A file system without reparse points may know the older question alone; a
 * volume or a disk has no attributes: 0. FALSE: they could not be told. */
static BOOL file__ask_attributes(HANDLE handle, FILE_ATTRIBUTE_TAG_INFO *tag) {
  *tag = (FILE_ATTRIBUTE_TAG_INFO){0, 0};
  if (native.GetFileInformationByHandleEx(handle, FileAttributeTagInfo, tag,
                                          sizeof *tag))
    return TRUE;
  if (!file__is_unasked(GetLastError()))
    return FALSE;
  BY_HANDLE_FILE_INFORMATION info;
  if (!native.GetFileInformationByHandle(handle, &info))
    return file__is_unasked(GetLastError());
  tag->FileAttributes = info.dwFileAttributes;
  return TRUE;
}

/* A symbolic link, a junction: what stands for another name. Other reparse
 * points are files whose data lives elsewhere. */
static bool file__is_link(const FILE_ATTRIBUTE_TAG_INFO *tag) {
  return (tag->FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
         IsReparseTagNameSurrogate(tag->ReparseTag);
}

static HANDLE file__create_once(const wchar_t *path, unsigned flags,
                                unsigned mode) {
  SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited,
                                   .bInheritHandle = TRUE};
  /* Delete too: so a log can be renamed while it is open, as on POSIX. */
  const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  return native.CreateFileW(path, file__access(flags), share,
                            flags & OVIO_INHERIT ? &inherited : NULL,
                            file__disposition(flags),
                            file__attributes(flags, mode), NULL);
}

static HANDLE file__create(const wchar_t *path, unsigned flags, unsigned mode) {
  FILE_ATTRIBUTE_TAG_INFO tag;
  HANDLE handle = file__create_once(path, flags, mode);
  if (handle == INVALID_HANDLE_VALUE || !(flags & OVIO_NOFOLLOW) ||
      !file__ask_attributes(handle, &tag) ||
      !(tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) ||
      file__is_link(&tag))
    return handle;
  native.CloseHandle(handle); /* the reparse point itself, not its data */
  return file__create_once(path, flags & ~(unsigned)OVIO_NOFOLLOW, mode);
}

/* CreateFileW says "access denied" of a directory that was not asked for as
 * one (MS: CreateFileW, Directories). */
static struct os_result file__refused(const wchar_t *path, unsigned flags,
                                      DWORD error) {
  struct os_result result = native_failure(error);
  if (error != ERROR_ACCESS_DENIED)
    return result;
  DWORD attributes = native.GetFileAttributesW(path);
  if (attributes == INVALID_FILE_ATTRIBUTES)
    return result;
  if ((flags & OVIO_NOFOLLOW) && (attributes & FILE_ATTRIBUTE_REPARSE_POINT))
    result.value = OVIO_ELOOP; /* a link to a directory */
  else if ((attributes & FILE_ATTRIBUTE_DIRECTORY) && !(flags & OVIO_DIRECTORY))
    result.value = OVIO_EISDIR;
  return result;
}

/* FILE_TYPE_UNKNOWN may be the type, or a failure (MS: GetFileType). */
static struct os_result file__native_type(HANDLE handle, DWORD *type) {
  SetLastError(NO_ERROR);
  *type = native.GetFileType(handle);
  DWORD error = GetLastError();
  if (*type == FILE_TYPE_UNKNOWN && error != NO_ERROR)
    return native_failure(error);
  return (struct os_result){0, 0};
}

/* Does what was opened fit the flags? */
static struct os_result file__verify(HANDLE handle, DWORD type,
                                     unsigned flags) {
  FILE_ATTRIBUTE_TAG_INFO tag;
  if (type != FILE_TYPE_DISK)
    return (struct os_result){flags & OVIO_DIRECTORY ? OVIO_ENOTDIR : 0, 0};
  if (!file__ask_attributes(handle, &tag))
    return native_last_failure();
  bool directory = (tag.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  if ((flags & OVIO_NOFOLLOW) && file__is_link(&tag))
    return (struct os_result){OVIO_ELOOP, 0};
  if (directory != ((flags & OVIO_DIRECTORY) != 0))
    return (struct os_result){directory ? OVIO_EISDIR : OVIO_ENOTDIR, 0};
  return (struct os_result){0, 0};
}

/* The system's answer, at least 512; a page when it does not know. */
static uint32_t file__alignment(HANDLE handle) {
  FILE_STORAGE_INFO info;
  ULONG bytes = 4096;
  if (native.GetFileInformationByHandleEx(handle, FileStorageInfo, &info,
                                          sizeof info))
    bytes = info.LogicalBytesPerSector;
  if (bytes & (bytes - 1)) /* no sector: common/ counts on a power of two */
    bytes = 4096;
  return bytes < 512 ? 512 : bytes;
}

/* Not by CREATE_ALWAYS, which fails on hidden files (MS: CreateFileW). What is
 * no file has no end to be set. */
static struct os_result file__cut(HANDLE handle, DWORD type) {
  FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = 0};
  return file__answer(type != FILE_TYPE_DISK ||
                      native.SetFileInformationByHandle(
                          handle, FileEndOfFileInfo, &end, sizeof end));
}

/* ---- learning what it is ---- */

static bool file__is_overlapped(HANDLE handle) {
  IO_STATUS_BLOCK status;
  ULONG mode = 0;
  return native.NtQueryInformationFile(handle, &status, &mode, sizeof mode,
                                       NATIVE_FILE_MODE_INFORMATION) >= 0 &&
         !(mode & NATIVE_FILE_SYNCHRONOUS);
}

/* A pipe that was opened for writing alone refuses the question (MS:
 * GetNamedPipeInfo). */
static bool file__is_pipe(HANDLE handle) {
  return native.GetNamedPipeInfo(handle, NULL, NULL, NULL, NULL) ||
         GetLastError() == ERROR_ACCESS_DENIED;
}

/* SOCK_STREAM and so on; 0: no socket, or one that this process cannot have
 * made, since it has not called WSAStartup(). */
static int file__socket_type(HANDLE handle) {
  int type = 0;
  int length = sizeof type;
  return native.getsockopt((SOCKET)handle, SOL_SOCKET, SO_TYPE, (char *)&type,
                           &length) == 0
             ? type
             : 0;
}

/* What FILE_TYPE_PIPE is. What comes in messages is not bound: what
 * ERROR_MORE_DATA posts in skip mode is not documented. */
static unsigned file__pipe_traits(HANDLE handle, bool overlapped) {
  DWORD state = 0;
  unsigned bound = overlapped ? OS_TRAIT_PORTABLE : 0u;
  if (!file__is_pipe(handle)) {
    int type = file__socket_type(handle);
    if (type == 0)
      return bound;
    return OS_TRAIT_SOCKET | (type == SOCK_STREAM ? bound : 0u);
  }
  if (overlapped &&
      native.GetNamedPipeHandleStateW(handle, &state, NULL, NULL, NULL, NULL,
                                      0) &&
      (state & PIPE_READMODE_MESSAGE))
    bound = 0;
  return OS_TRAIT_NAMED_PIPE | bound;
}

/* If it is what the flags say. */
static void file__note_disk(struct os_file *file, HANDLE handle,
                            bool overlapped, unsigned flags) {
  file->kind = flags & OVIO_DIRECTORY ? OS_KIND_DIRECTORY : OS_KIND_DISK;
  file->alignment = flags & OVIO_DIRECT ? file__alignment(handle) : 1;
  if (overlapped)
    file->traits |= OS_TRAIT_PORTABLE;
}

/* Is it? And where does it stand? Whoever has just opened it knows. */
static struct os_result file__ask_disk(struct os_file *file, HANDLE handle) {
  FILE_ATTRIBUTE_TAG_INFO tag;
  LARGE_INTEGER zero = {.QuadPart = 0};
  LARGE_INTEGER here;
  bool wanted = file->kind == OS_KIND_DIRECTORY;
  /* A handle that may only write does not tell: then it is no directory. */
  if (!file__ask_attributes(handle, &tag) && wanted)
    return native_last_failure();
  bool directory = (tag.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  if (directory != wanted)
    return (struct os_result){wanted ? OVIO_ENOTDIR : OVIO_EISDIR, 0};
  if (directory || (file->traits & OS_TRAIT_OVERLAPPED))
    return (struct os_result){0, 0};
  if (!native.SetFilePointerEx(handle, zero, &here, FILE_CURRENT))
    return native_last_failure();
  file->position = here.QuadPart;
  file->traits |= OS_TRAIT_WRITE_BACK;
  return (struct os_result){0, 0};
}

static struct os_result file__learn(struct os_file *file, HANDLE handle,
                                    DWORD type, bool overlapped,
                                    unsigned flags) {
  *file = (struct os_file){
      .handle = (intptr_t)handle, .kind = OS_KIND_STREAM, .alignment = 1};
  if (overlapped)
    file->traits |= OS_TRAIT_OVERLAPPED;
  if (type == FILE_TYPE_DISK)
    file__note_disk(file, handle, overlapped, flags);
  else if (flags & OVIO_DIRECTORY)
    return (struct os_result){OVIO_ENOTDIR, 0};
  if (type == FILE_TYPE_PIPE)
    file->traits |= file__pipe_traits(handle, overlapped) & OS_TRAITS;
  return (struct os_result){0, 0};
}

/* ---- open and adopt ---- */

/* How it was opened is known, but a device may have decided otherwise. */
static struct os_result file__prepare(struct os_file *file, HANDLE handle,
                                      unsigned flags) {
  DWORD type;
  struct os_result result = file__native_type(handle, &type);
  if (result.value == 0)
    result = file__verify(handle, type, flags);
  if (result.value == 0 && (flags & OVIO_TRUNCATE))
    result = file__cut(handle, type);
  if (result.value < 0)
    return result;
  bool overlapped = type == FILE_TYPE_CHAR ? file__is_overlapped(handle)
                                           : !(flags & OVIO_BLOCKING);
  return file__learn(file, handle, type, overlapped, flags);
}

struct os_result os_file_open(struct os_file *file, const struct os_file *dir,
                              const char *path, unsigned flags, unsigned mode) {
  wchar_t *wide = NULL;
  if (flags & OVIO_NONBLOCK) /* before anything is created or cut */
    return (struct os_result){OVIO_ENOTSUP, 0};
  struct os_result result =
      native_path(&wide, dir ? file__handle(dir) : NULL, path);
  if (result.value < 0)
    return result;
  HANDLE handle = file__create(wide, flags, mode);
  if (handle == INVALID_HANDLE_VALUE)
    result = file__refused(wide, flags, GetLastError());
  else
    result = file__prepare(file, handle, flags);
  if (result.value < 0 && handle != INVALID_HANDLE_VALUE)
    native.CloseHandle(handle);
  memory_free(wide);
  return result;
}

/* NtCreateFile takes a directory to begin at, but follows links out of it. */
struct os_result os_file_open_beneath(struct os_file *file,
                                      const struct os_file *dir,
                                      const char *path, unsigned flags,
                                      unsigned mode) {
  (void)file;
  (void)dir;
  (void)path;
  (void)flags;
  (void)mode;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_file_open_nameless(struct os_file *file,
                                       const struct os_file *dir,
                                       const char *path, unsigned mode) {
  (void)file;
  (void)dir;
  (void)path;
  (void)mode;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_file_give_name(const struct os_file *file,
                                   const struct os_file *dir,
                                   const char *path) {
  (void)file;
  (void)dir;
  (void)path;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

static bool file__is_standard(HANDLE handle) {
  return handle == GetStdHandle(STD_INPUT_HANDLE) ||
         handle == GetStdHandle(STD_OUTPUT_HANDLE) ||
         handle == GetStdHandle(STD_ERROR_HANDLE);
}

/* Whether it is overlapped is asked of the kernel, except for standard handles:
 * on a synchronous file object the question would wait behind a pending read
 * (libuv issue 1273). */
struct os_result os_file_adopt(struct os_file *file, ovio_handle handle,
                               unsigned flags) {
  if (!handle || handle == INVALID_HANDLE_VALUE)
    return native_failure(ERROR_INVALID_HANDLE);
  if (flags & OVIO_NONBLOCK)
    return (struct os_result){OVIO_ENOTSUP, 0};
  DWORD type;
  struct os_result result = file__native_type(handle, &type);
  if (result.value < 0)
    return result;
  bool overlapped = !file__is_standard(handle) && file__is_overlapped(handle);
  result = file__learn(file, handle, type, overlapped, flags);
  if (result.value < 0 || type != FILE_TYPE_DISK)
    return result;
  return file__ask_disk(file, handle);
}

/* ---- release and close ---- */

static void file__write_back(const struct os_file *file, int64_t position) {
  LARGE_INTEGER at = {.QuadPart = position};
  if (file->traits & OS_TRAIT_WRITE_BACK)
    native.SetFilePointerEx(file__handle(file), at, NULL, FILE_BEGIN);
}

ovio_handle os_file_release(struct os_file *file, int64_t position) {
  if (file->kind == OS_KIND_DISK && !(file->traits & OS_TRAIT_OVERLAPPED))
    file->traits |= OS_TRAIT_WRITE_BACK; /* also one that we have opened */
  native_listener_end(file);
  file__write_back(file, position);
  return file__handle(file);
}

struct os_result os_file_close(struct os_file *file, int64_t position) {
  file__write_back(file, position);
  native_listener_end(file);
  /* CloseHandle would leave Winsock's half of a socket behind (MS:
   * closesocket). */
  if ((file->traits & OS_TRAIT_SOCKET) &&
      native.closesocket((SOCKET)file->handle) == 0)
    return (struct os_result){0, 0};
  return file__answer(native.CloseHandle(file__handle(file)));
}

/* ---- transfers ---- */

enum { EVENTS_MAX = 64 };

static SRWLOCK events__lock = SRWLOCK_INIT;
static HANDLE events__idle[EVENTS_MAX];
static unsigned events__count;

HANDLE native_event_take(void) {
  HANDLE event = NULL;
  AcquireSRWLockExclusive(&events__lock);
  if (events__count > 0)
    event = events__idle[--events__count];
  ReleaseSRWLockExclusive(&events__lock);
  return event ? event : native.CreateEventW(NULL, TRUE, FALSE, NULL);
}

void native_event_give(HANDLE event) {
  AcquireSRWLockExclusive(&events__lock);
  bool kept = events__count < EVENTS_MAX;
  if (kept)
    events__idle[events__count++] = event;
  ReleaseSRWLockExclusive(&events__lock);
  if (!kept)
    native.CloseHandle(event);
}

#ifdef OVIO_TESTING
unsigned native_events_kept(void) {
  AcquireSRWLockExclusive(&events__lock);
  unsigned kept = events__count;
  ReleaseSRWLockExclusive(&events__lock);
  return kept;
}
#endif

__attribute__((destructor)) static void events__close(void) {
  while (native_is_in_dll() && events__count > 0)
    native.CloseHandle(events__idle[--events__count]);
}

/* One call under way on this thread. */
struct call {
  const struct os_transfer *transfer;
  HANDLE event; /* NULL: the handle is synchronous */
  union {
    IO_STATUS_BLOCK status;
    OVERLAPPED overlapped; /* begins with a status block */
  };
};

/* HasOverlappedIoCompleted's test (MS): the status block is written before the
 * event is set. Saves the wait where the call has completed inside. */
static bool call__is_pending(struct call *call) {
  return *(volatile NTSTATUS *)&call->status.Status == NATIVE_STATUS_PENDING;
}

static SRWLOCK append__lock = SRWLOCK_INIT;

static bool append__is_split(void) {
  static atomic_int known; /* 1: no; 2: yes */
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (answer == 0) {
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    answer = ntdll && GetProcAddress(ntdll, "wine_get_version") ? 2 : 1;
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer == 2;
}

bool native_append_begin(const struct os_transfer *transfer) {
  bool takes_turn = transfer->offset == OS_APPEND && append__is_split();
  if (takes_turn)
    AcquireSRWLockExclusive(&append__lock);
  return takes_turn;
}

void native_append_end(bool begun) {
  if (begun)
    ReleaseSRWLockExclusive(&append__lock);
}

static NTSTATUS call__write(struct call *call, LARGE_INTEGER *at) {
  const struct os_transfer *transfer = call->transfer;
  bool append = native_append_begin(transfer);
  NTSTATUS status = native.NtWriteFile(
      file__handle(transfer->file), call->event, NULL, NULL, &call->status,
      transfer->iov->iov_base, (ULONG)transfer->iov->iov_len, at, NULL);
  native_append_end(append);
  return status;
}

DWORD native_send(const struct os_transfer *transfer, OVERLAPPED *overlapped) {
  WSABUF whole = {.len = (ULONG)transfer->iov->iov_len,
                  .buf = transfer->iov->iov_base};
  int failed = native.WSASend((SOCKET)transfer->file->handle, &whole, 1, NULL,
                              0, overlapped, NULL);
  return failed ? (DWORD)WSAGetLastError() : (DWORD)NO_ERROR;
}

static NTSTATUS call__begin(struct call *call) {
  const struct os_transfer *transfer = call->transfer;
  const struct os_file *file = transfer->file;
  LARGE_INTEGER offset = {.QuadPart = transfer->offset};
  LARGE_INTEGER *at = &offset;
  if (transfer->offset == OS_APPEND)
    offset.QuadPart = -1; /* FILE_WRITE_TO_END_OF_FILE (MS: NtWriteFile) */
  else if (transfer->offset == OVIO_HERE) {
    offset.QuadPart =
        0; /* a stream has none; an overlapped call must say one */
    at = call->event ? &offset : NULL;
  }
  call->status = (IO_STATUS_BLOCK){.Status = NATIVE_STATUS_PENDING};
  if (transfer->write)
    return call__write(call, at);
  return native.NtReadFile(file__handle(file), call->event, NULL, NULL,
                           &call->status, transfer->iov->iov_base,
                           (ULONG)transfer->iov->iov_len, at, NULL);
}

/* Until the kernel has let go; it may ask for the end, not take it. */
static void call__await(struct call *call, struct native_waiter *waiter) {
  HANDLE own = call->event ? call->event : file__handle(call->transfer->file);
  HANDLE both[2] = {own, waiter ? waiter->event : NULL};
  while (call__is_pending(call)) {
    if (!waiter) {
      native.WaitForSingleObject(own, INFINITE);
    } else if (native.WaitForMultipleObjects(2, both, FALSE, INFINITE) ==
               WAIT_OBJECT_0 + 1) {
      native.CancelIoEx(file__handle(call->transfer->file),
                        (OVERLAPPED *)(void *)&call->status);
      waiter = NULL;
    }
  }
}

/* The event's low bit keeps the packet back (MS: GetQueuedCompletionStatus). */
static struct os_result call__send(struct call *call,
                                   struct native_waiter *waiter) {
  call->overlapped =
      (OVERLAPPED){.Internal = (ULONG_PTR)NATIVE_STATUS_PENDING,
                   .hEvent = (HANDLE)((ULONG_PTR)call->event | 1)};
  DWORD error = native_send(call->transfer, &call->overlapped);
  if (error != ERROR_IO_PENDING)
    return native_outcome(error, call->overlapped.InternalHigh, true);
  call__await(call, waiter);
  atomic_thread_fence(memory_order_acquire);
  return native_status_outcome(call->status.Status, call->status.Information,
                               true);
}

static bool call__is_send(const struct call *call) {
  return call->event && call->transfer->write &&
         (call->transfer->file->traits & OS_TRAIT_SOCKET);
}

static struct os_result call__run(struct call *call,
                                  struct native_waiter *waiter) {
  if (call__is_send(call))
    return call__send(call, waiter);
  NTSTATUS status = call__begin(call);
  if (status == NATIVE_STATUS_PENDING) {
    call__await(call, waiter);
    atomic_thread_fence(memory_order_acquire); /* Information, and the bytes */
    status = call->status.Status;
  }
  call->status.Status = status; /* a failure at once leaves it as it was */
  return native_status_outcome(status, call->status.Information,
                               call->transfer->write);
}

bool native_is_interrupted(const struct native_waiter *waiter) {
  return waiter && WaitForSingleObjectEx(waiter->event, 0, FALSE) == 0;
}

struct os_result os_file_transfer_now(const struct os_transfer *transfer,
                                      struct os_waiter *os_waiter) {
  struct native_waiter *waiter = native_waiter_of(os_waiter);
  struct call call = {.transfer = transfer};
  if (transfer->file->traits & OS_TRAIT_CONSOLE)
    return native_console_transfer(transfer, waiter);
  if (transfer->file->traits & OS_TRAIT_OVERLAPPED) {
    call.event = native_event_take();
    if (!call.event)
      return native_last_failure();
  }
  struct os_result result = {OVIO_ECANCELED, ERROR_OPERATION_ABORTED};
  while (!native_is_interrupted(waiter)) {
    result = call__run(&call, waiter);
    if (!native_is_empty_message(transfer, call.status.Status, result))
      break;
    result = (struct os_result){OVIO_ECANCELED, ERROR_OPERATION_ABORTED};
  }
  if (call.event)
    native_event_give(call.event);
  return result;
}

bool native_is_empty_message(const struct os_transfer *transfer,
                             NTSTATUS status, struct os_result result) {
  return result.value == 0 && !transfer->write &&
         (transfer->file->traits & OS_TRAIT_NAMED_PIPE) && status >= 0;
}

/* ---- the rest ---- */

/* Disk files have the port, or a handle that only a worker can wait at. */
struct os_result os_file_transfer_try(const struct os_transfer *transfer) {
  (void)transfer;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

static struct os_result file__move_at(const struct os_file *file, void *buffer,
                                      size_t length, int64_t offset,
                                      bool write) {
  struct ovio_iovec whole = {buffer, length};
  struct os_transfer transfer = {.file = file,
                                 .iov = &whole,
                                 .count = 1,
                                 .offset = offset,
                                 .write = write};
  return os_file_transfer_now(&transfer, NULL);
}

struct os_result os_file_read_at(const struct os_file *file, void *buffer,
                                 size_t length, int64_t offset) {
  return file__move_at(file, buffer, length, offset, false);
}

struct os_result os_file_write_at(const struct os_file *file, void *buffer,
                                  size_t length, int64_t offset) {
  return file__move_at(file, buffer, length, offset, true);
}

/* As os_file_transfer_try(). */
struct os_result os_file_read_cached(const struct os_file *file, void *buffer,
                                     size_t length, int64_t offset) {
  (void)file;
  (void)buffer;
  (void)length;
  (void)offset;
  return (struct os_result){OVIO_ENOTSUP, 0};
}

struct os_result os_file_sync(const struct os_file *file, bool data_only) {
  (void)data_only; /* NtFlushBuffersFileEx is not in every Windows, nor Wine */
  if (file->kind == OS_KIND_STREAM) /* of a pipe it would wait for the reader */
    return (struct os_result){OVIO_ENOTSUP, 0};
  if (file->kind == OS_KIND_DIRECTORY) /* NTFS journals its names */
    return (struct os_result){0, 0};
  return file__answer(native.FlushFileBuffers(file__handle(file)));
}

struct os_result os_file_truncate(const struct os_file *file, int64_t size) {
  FILE_END_OF_FILE_INFO end = {.EndOfFile.QuadPart = size};
  return file__answer(native.SetFileInformationByHandle(
      file__handle(file), FileEndOfFileInfo, &end, sizeof end));
}

struct os_result os_file_size(const struct os_file *file) {
  LARGE_INTEGER size;
  if (file->kind == OS_KIND_STREAM)
    return (struct os_result){OVIO_ESPIPE, 0};
  if (!native.GetFileSizeEx(file__handle(file), &size))
    return native_last_failure();
  return (struct os_result){size.QuadPart, 0};
}

/* Standard handles alone have OS_TRAIT_SYSTEM_POSITION here. */
struct os_result os_file_seek(const struct os_file *file, int64_t offset,
                              int whence) {
  LARGE_INTEGER by = {.QuadPart = offset};
  LARGE_INTEGER now;
  DWORD method = whence == SEEK_SET   ? FILE_BEGIN
                 : whence == SEEK_CUR ? FILE_CURRENT
                                      : FILE_END;
  if (!native.SetFilePointerEx(file__handle(file), by, &now, method))
    return native_last_failure();
  return (struct os_result){now.QuadPart, 0};
}

/* 100 ns since 1601 and ns since 1970; what does not fit becomes the nearest
 * that does. */
#define FILE_TIME_EPOCH 116444736000000000

static int64_t file__to_ns(LARGE_INTEGER time) {
  if (time.QuadPart <= 0)
    return 0; /* not kept by this file system */
  int64_t ticks = time.QuadPart - FILE_TIME_EPOCH;
  if (ticks > INT64_MAX / 100)
    return INT64_MAX;
  return ticks < INT64_MIN / 100 ? INT64_MIN : ticks * 100;
}

static uint32_t file__type(const struct os_file *file, DWORD attributes) {
  if (file->kind == OS_KIND_DIRECTORY)
    return OVIO_TYPE_DIRECTORY;
  if (attributes & FILE_ATTRIBUTE_REPARSE_POINT)
    return OVIO_TYPE_SYMLINK;
  if (file->kind == OS_KIND_DISK)
    return OVIO_TYPE_FILE;
  if (file->traits & OS_TRAIT_SOCKET)
    return OVIO_TYPE_SOCKET;
  if (file->traits & OS_TRAIT_NAMED_PIPE)
    return OVIO_TYPE_PIPE;
  DWORD type = native.GetFileType(file__handle(file));
  return type == FILE_TYPE_PIPE ? OVIO_TYPE_PIPE : OVIO_TYPE_CHARACTER;
}

/* ReFS has numbers of 128 bits (MS: FILE_ID_INFO); elsewhere the upper half is
 * 0. Old network drives know the short ones only. */
static BOOL file__identify(HANDLE handle, struct ovio_stat *out) {
  FILE_ID_INFO id;
  BY_HANDLE_FILE_INFORMATION old;
  if (native.GetFileInformationByHandleEx(handle, FileIdInfo, &id, sizeof id)) {
    uint64_t halves[2];
    memcpy(halves, &id.FileId, sizeof halves);
    out->device = id.VolumeSerialNumber;
    out->inode = halves[0] ^ halves[1] * 0x9E3779B97F4A7C15;
    return TRUE;
  }
  if (!native.GetFileInformationByHandle(handle, &old))
    return FALSE;
  out->device = old.dwVolumeSerialNumber;
  out->inode = (uint64_t)old.nFileIndexHigh << 32 | old.nFileIndexLow;
  return TRUE;
}

static struct os_result file__stat_disk(const struct os_file *file,
                                        struct ovio_stat *out) {
  FILE_BASIC_INFO basic;
  FILE_STANDARD_INFO standard;
  struct ovio_stat id;
  HANDLE handle = file__handle(file);
  if (!native.GetFileInformationByHandleEx(handle, FileBasicInfo, &basic,
                                           sizeof basic) ||
      !native.GetFileInformationByHandleEx(handle, FileStandardInfo, &standard,
                                           sizeof standard) ||
      !file__identify(handle, &id))
    return native_last_failure();
  *out = (struct ovio_stat){
      .size = standard.EndOfFile.QuadPart,
      .allocated = standard.AllocationSize.QuadPart,
      .access_ns = file__to_ns(basic.LastAccessTime),
      .modify_ns = file__to_ns(basic.LastWriteTime),
      .change_ns = file__to_ns(basic.ChangeTime),
      .create_ns = file__to_ns(basic.CreationTime),
      .device = id.device,
      .inode = id.inode,
      .links = standard.NumberOfLinks,
      .type = file__type(file, basic.FileAttributes),
      .mode = basic.FileAttributes & FILE_ATTRIBUTE_READONLY ? 0444 : 0666,
  };
  return (struct os_result){0, 0};
}

struct os_result os_file_stat(const struct os_file *file,
                              struct ovio_stat *out) {
  if (file->kind != OS_KIND_STREAM)
    return file__stat_disk(file, out);
  *out = (struct ovio_stat){.type = file__type(file, 0), .mode = 0666};
  return (struct os_result){0, 0};
}

/* 0 leaves a time as it is (MS: FILE_BASIC_INFO). */
static LARGE_INTEGER file__from_ns(int64_t ns) {
  LARGE_INTEGER time = {.QuadPart = 0};
  if (ns != OVIO_TIME_KEEP) {
    int64_t rest = ns % 100;
    time.QuadPart = (ns - rest) / 100 - (rest < 0) + FILE_TIME_EPOCH;
  }
  return time;
}

struct os_result os_file_set_times(const struct os_file *file,
                                   int64_t access_ns, int64_t modify_ns) {
  FILE_BASIC_INFO basic = {.LastAccessTime = file__from_ns(access_ns),
                           .LastWriteTime = file__from_ns(modify_ns)};
  return file__answer(native.SetFileInformationByHandle(
      file__handle(file), FileBasicInfo, &basic, sizeof basic));
}

/* CopyFile2 opens by name; FSCTL_DUPLICATE_EXTENTS_TO_FILE knows whole clusters
 * of ReFS only. */
struct os_result os_file_copy(const struct os_file *from, int64_t from_offset,
                              const struct os_file *to, int64_t to_offset,
                              size_t length) {
  (void)from;
  (void)from_offset;
  (void)to;
  (void)to_offset;
  (void)length;
  return (struct os_result){OVIO_ENOTSUP, 0};
}
