/* SPDX-License-Identifier: MIT */
/* Pipes: CreateNamedPipeW.
 *
 * CreatePipe makes synchronous ends only. So the pipe between two ends of ours
 * is a named one, with a name that nobody can guess, one instance, and no
 * clients from the network. Should somebody be faster, CreateFileW fails.
 *
 * A LISTENER is an instance of its pipe that no client has yet. An accept gives
 * this instance away, once the next one is there: so the name never goes while
 * the listener lives, and a client finds the pipe busy at worst. The first
 * instance must be the first of its name: nobody else's pipe is joined. All of
 * them are for the user of this process alone. */
#include "win32/side.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "common/memory.h"

enum {
  PIPE_ROOM = 65536,
  PIPE_NAME_MAX = 64,
  PIPE_PATH_MAX = 768,
  PIPE_UNITS_MAX = 256 /* MS: Pipe Names */
};

static int pipe__name(wchar_t *name) {
  uint64_t random[2];
  int error = os_random(random, sizeof random);
  (void)swprintf(name, PIPE_NAME_MAX,
                 L"\\\\.\\pipe\\LOCAL\\ovio-%016llx%016llx",
                 (unsigned long long)random[0], (unsigned long long)random[1]);
  return error;
}

static DWORD pipe__overlapped(unsigned flags) {
  return flags & OVIO_BLOCKING ? 0 : FILE_FLAG_OVERLAPPED;
}

static HANDLE pipe__reader(const wchar_t *name, unsigned flags) {
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security,
                                  .bInheritHandle =
                                      (flags & OVIO_INHERIT) != 0};
  return native.CreateNamedPipeW(
      name,
      PIPE_ACCESS_INBOUND | FILE_FLAG_FIRST_PIPE_INSTANCE |
          pipe__overlapped(flags),
      PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1,
      PIPE_ROOM, PIPE_ROOM, 0, &security);
}

static HANDLE pipe__writer(const wchar_t *name, unsigned flags) {
  SECURITY_ATTRIBUTES security = {.nLength = sizeof security,
                                  .bInheritHandle =
                                      (flags & OVIO_INHERIT) != 0};
  return native.CreateFileW(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0,
                            &security, OPEN_EXISTING, pipe__overlapped(flags),
                            NULL);
}

static struct os_result pipe__adopt(struct os_file ends[2],
                                    const HANDLE handles[2],
                                    const unsigned flags[2]) {
  struct os_result result = os_file_adopt(&ends[0], handles[0], flags[0]);
  if (result.value == 0)
    result = os_file_adopt(&ends[1], handles[1], flags[1]);
  return result;
}

struct os_result os_pipe_create(struct os_file ends[2],
                                const unsigned flags[2]) {
  wchar_t name[PIPE_NAME_MAX];
  HANDLE handles[2];
  int error = pipe__name(name);
  if (error)
    return (struct os_result){error, 0};
  handles[0] = pipe__reader(name, flags[0]);
  if (handles[0] == INVALID_HANDLE_VALUE)
    return native_last_failure();
  handles[1] = pipe__writer(name, flags[1]);
  struct os_result result = handles[1] == INVALID_HANDLE_VALUE
                                ? native_last_failure()
                                : pipe__adopt(ends, handles, flags);
  if (result.value < 0) {
    native.CloseHandle(handles[0]);
    if (handles[1] != INVALID_HANDLE_VALUE)
      native.CloseHandle(handles[1]);
  }
  return result;
}

/* ---- pipes with a name ---- */

struct os_listener {
  wchar_t *name;
  bool message;
};

/* A plain name is one of the pipes' own folder; another one must be there. */
static struct os_result pipe__path(wchar_t **out, const char *name) {
  static const char folder[] = "\\\\.\\pipe\\";
  const size_t prefix = sizeof folder - 1;
  char path[PIPE_PATH_MAX];
  size_t length = strlen(name);
  bool plain = !strpbrk(name, "/\\");
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return (struct os_result){OVIO_EINVAL, 0};
  if (!plain && _strnicmp(name, folder, prefix) != 0)
    return (struct os_result){OVIO_EINVAL, 0};
  if (length >= sizeof path - prefix)
    return (struct os_result){OVIO_ENAMETOOLONG, 0};
  memcpy(path, folder, prefix);
  memcpy(path + (plain ? prefix : 0), name, length + 1);
  struct os_result result = native_path(out, NULL, path);
  if (result.value == 0 && wcslen(*out) > PIPE_UNITS_MAX) {
    memory_free(*out);
    *out = NULL;
    result.value = OVIO_ENAMETOOLONG;
  }
  return result;
}

/* An access list for the user of this process, and what it is made of. */
struct pipe_security {
  SECURITY_ATTRIBUTES attributes;
  SECURITY_DESCRIPTOR descriptor;
  union {
    TOKEN_USER user;
    BYTE room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } owner;
  union {
    ACL acl;
    BYTE room[sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + SECURITY_MAX_SID_SIZE];
  } list;
};

static BOOL pipe__ask_user(struct pipe_security *security) {
  HANDLE token;
  DWORD length;
  if (!native.OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
    return FALSE;
  BOOL fine = native.GetTokenInformation(token, TokenUser, &security->owner,
                                         sizeof security->owner, &length);
  DWORD error = GetLastError();
  native.CloseHandle(token);
  SetLastError(error);
  return fine;
}

static BOOL pipe__secure(struct pipe_security *security) {
  *security = (struct pipe_security){
      .attributes = {.nLength = sizeof security->attributes,
                     .lpSecurityDescriptor = &security->descriptor}};
  return pipe__ask_user(security) &&
         InitializeAcl(&security->list.acl, sizeof security->list,
                       ACL_REVISION) &&
         AddAccessAllowedAce(&security->list.acl, ACL_REVISION, GENERIC_ALL,
                             security->owner.user.User.Sid) &&
         InitializeSecurityDescriptor(&security->descriptor,
                                      SECURITY_DESCRIPTOR_REVISION) &&
         SetSecurityDescriptorDacl(&security->descriptor, TRUE,
                                   &security->list.acl, FALSE);
}

static HANDLE pipe__instance(const struct os_listener *listener,
                             struct pipe_security *security, bool first) {
  DWORD mode = listener->message ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE
                                 : PIPE_TYPE_BYTE | PIPE_READMODE_BYTE;
  DWORD access = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED;
  if (first)
    access |= FILE_FLAG_FIRST_PIPE_INSTANCE;
  return native.CreateNamedPipeW(
      listener->name, access, mode | PIPE_REJECT_REMOTE_CLIENTS,
      PIPE_UNLIMITED_INSTANCES, PIPE_ROOM, PIPE_ROOM, 0, &security->attributes);
}

/* The name is taken: refused as the first of it, or as one of another kind (MS:
 * CreateNamedPipeW). */
static struct os_result pipe__listen_failure(void) {
  struct os_result result = native_last_failure();
  if (result.native == ERROR_ACCESS_DENIED || result.native == ERROR_PIPE_BUSY)
    result.value = OVIO_EEXIST;
  return result;
}

static struct os_result pipe__listen(struct os_file *file,
                                     struct os_listener *listener) {
  struct pipe_security security;
  if (!pipe__secure(&security))
    return native_last_failure();
  HANDLE handle = pipe__instance(listener, &security, true);
  if (handle == INVALID_HANDLE_VALUE)
    return pipe__listen_failure();
  *file = (struct os_file){
      .handle = (intptr_t)handle,
      .kind = OS_KIND_STREAM,
      .traits = OS_TRAIT_OVERLAPPED | OS_TRAIT_NAMED_PIPE | OS_TRAIT_LISTENER |
                (listener->message ? (unsigned)OS_TRAIT_MESSAGE
                                   : (unsigned)OS_TRAIT_PORTABLE),
      .alignment = 1,
      .listener = listener};
  return (struct os_result){0, 0};
}

struct os_result os_pipe_listen(struct os_file *file, const char *name,
                                unsigned flags) {
  struct os_listener *listener = memory_allocate(sizeof *listener);
  if (!listener)
    return (struct os_result){OVIO_ENOMEM, 0};
  listener->message = (flags & OVIO_MESSAGE) != 0;
  struct os_result result = pipe__path(&listener->name, name);
  if (result.value == 0)
    result = pipe__listen(file, listener);
  if (result.value < 0) {
    memory_free(listener->name);
    memory_free(listener);
  }
  return result;
}

void native_listener_end(struct os_file *file) {
  if (!file->listener)
    return;
  memory_free(file->listener->name);
  memory_free(file->listener);
  file->listener = NULL;
}

/* ---- accepting ---- */

struct os_result native_accept_outcome(DWORD error) {
  if (error == NO_ERROR || error == ERROR_PIPE_CONNECTED ||
      error == ERROR_NO_DATA)
    return (struct os_result){0, 0};
  return native_failure(error);
}

/* Until the kernel has let go. */
static DWORD pipe__await(HANDLE handle, OVERLAPPED *overlapped, HANDLE event,
                         struct native_waiter *waiter) {
  HANDLE both[2] = {event, waiter ? waiter->event : NULL};
  if (waiter && native.WaitForMultipleObjects(2, both, FALSE, INFINITE) ==
                    WAIT_OBJECT_0 + 1)
    native.CancelIoEx(handle, overlapped);
  native.WaitForSingleObject(event, INFINITE);
  NTSTATUS status = (NTSTATUS)(ULONG)overlapped->Internal;
  return status < 0 ? RtlNtStatusToDosError(status) : NO_ERROR;
}

struct os_result os_pipe_accept_now(const struct os_file *listener,
                                    struct os_waiter *os_waiter) {
  struct native_waiter *waiter = native_waiter_of(os_waiter);
  HANDLE handle = (HANDLE)listener->handle;
  if (waiter && WaitForSingleObjectEx(waiter->event, 0, FALSE) == 0)
    return native_failure(ERROR_OPERATION_ABORTED);
  HANDLE event = native_event_take();
  if (!event)
    return native_last_failure();
  /* The low bit keeps the packet off the port that the handle may be bound to
   * (MS: GetQueuedCompletionStatus). */
  OVERLAPPED overlapped = {.hEvent = (HANDLE)((ULONG_PTR)event | 1)};
  ResetEvent(event);
  BOOL fine = native.ConnectNamedPipe(handle, &overlapped);
  DWORD error = fine ? NO_ERROR : GetLastError();
  if (error == ERROR_IO_PENDING)
    error = pipe__await(handle, &overlapped, event, waiter);
  native_event_give(event);
  return native_accept_outcome(error);
}

static struct os_result pipe__take(struct os_file *file, HANDLE handle,
                                   bool message) {
  struct os_result result = os_file_adopt(file, handle, OVIO_READ | OVIO_WRITE);
  if (result.value < 0)
    native.CloseHandle(handle);
  else if (message)
    file->traits |= OS_TRAIT_MESSAGE;
  return result;
}

struct os_result os_pipe_take(struct os_file *listener, struct os_file *file,
                              int64_t value) {
  (void)value;
  struct pipe_security security;
  HANDLE next = pipe__secure(&security)
                    ? pipe__instance(listener->listener, &security, false)
                    : INVALID_HANDLE_VALUE;
  if (next == INVALID_HANDLE_VALUE)
    return native_last_failure(); /* the next accept finds it connected */
  HANDLE handle = (HANDLE)listener->handle;
  listener->handle = (intptr_t)next;
  return pipe__take(file, handle, listener->listener->message);
}

/* ---- connecting ---- */

/* Reads messages as such, where the pipe has them. */
static struct os_result pipe__set_mode(HANDLE handle, bool message) {
  DWORD kind = 0;
  DWORD mode = PIPE_READMODE_MESSAGE;
  if (!native.GetNamedPipeInfo(handle, &kind, NULL, NULL, NULL))
    return native_last_failure();
  if (((kind & PIPE_TYPE_MESSAGE) != 0) != message)
    return (struct os_result){OVIO_EINVAL, 0};
  if (message && !native.SetNamedPipeHandleState(handle, &mode, NULL, NULL))
    return native_last_failure();
  return (struct os_result){0, 0};
}

/* Identification: the listener may learn who this is, and not act as it. */
static HANDLE pipe__open(const wchar_t *name) {
  return native.CreateFileW(
      name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
      FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
      NULL);
}

struct os_result os_pipe_connect(struct os_file *file, const char *name,
                                 unsigned flags) {
  const bool message = (flags & OVIO_MESSAGE) != 0;
  wchar_t *path = NULL;
  struct os_result result = pipe__path(&path, name);
  if (result.value < 0)
    return result;
  HANDLE handle = pipe__open(path);
  if (handle == INVALID_HANDLE_VALUE)
    result = native_last_failure(); /* ERROR_PIPE_BUSY: OVIO_EBUSY */
  memory_free(path);
  if (result.value < 0)
    return result;
  result = pipe__set_mode(handle, message);
  if (result.value < 0) {
    native.CloseHandle(handle);
    return result;
  }
  return pipe__take(file, handle, message);
}

struct os_result os_pipe_shutdown(const struct os_file *file) {
  (void)file;
  return (struct os_result){OVIO_ENOTSUP, 0};
}
