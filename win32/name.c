/* SPDX-License-Identifier: MIT */
/* Names in directories.
 *
 * Removing and renaming go by a handle, which allows the POSIX semantics of
 * Windows 10: the name is free at once, whoever has the file open. File systems
 * and systems without them get the older calls; those refuse read-only files,
 * so the attribute is taken off first, and put back if it was in vain. */
#include "win32/side.h"

#include <string.h>
#include <wchar.h>
#include <winioctl.h>

#include "common/memory.h"
#include "common/path.h"

static struct os_result name__answer(BOOL fine) {
  return fine ? (struct os_result){0, 0} : native_last_failure();
}

static struct os_result name__path(wchar_t **out, const struct os_name *name) {
  return native_path(out, name->dir ? (HANDLE)name->dir->handle : NULL,
                     name->path);
}

/* Any kind of thing; a link itself unless `follow`. */
static HANDLE name__open(const wchar_t *path, DWORD access, bool follow) {
  return native.CreateFileW(
      path, access | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
      OPEN_EXISTING,
      FILE_FLAG_BACKUP_SEMANTICS | (follow ? 0 : FILE_FLAG_OPEN_REPARSE_POINT),
      NULL);
}

static struct os_result name__open_at(HANDLE *handle,
                                      const struct os_name *name, DWORD access,
                                      bool follow) {
  wchar_t *path = NULL;
  *handle = INVALID_HANDLE_VALUE;
  struct os_result result = name__path(&path, name);
  if (result.value < 0)
    return result;
  *handle = name__open(path, access, follow);
  result = name__answer(*handle != INVALID_HANDLE_VALUE);
  memory_free(path);
  return result;
}

/* Only what stands for another name is a link: a file that is elsewhere, or
 * smaller than it looks, is a reparse point too. */
static bool name__is_link(HANDLE handle, DWORD attributes) {
  FILE_ATTRIBUTE_TAG_INFO info;
  return (attributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
         native.GetFileInformationByHandleEx(handle, FileAttributeTagInfo,
                                             &info, sizeof info) &&
         IsReparseTagNameSurrogate(info.ReparseTag);
}

struct kind {
  DWORD attributes;
  bool directory; /* and no link to one */
};

static struct os_result name__ask(HANDLE handle, struct kind *kind) {
  FILE_BASIC_INFO basic;
  if (!native.GetFileInformationByHandleEx(handle, FileBasicInfo, &basic,
                                           sizeof basic))
    return native_last_failure();
  kind->attributes = basic.FileAttributes;
  kind->directory = (basic.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) &&
                    !name__is_link(handle, basic.FileAttributes);
  return (struct os_result){0, 0};
}

/* The answers of those who do not know a class or its flags. */
static bool name__is_unknown(DWORD error) {
  return error == ERROR_INVALID_PARAMETER || error == ERROR_INVALID_FUNCTION ||
         error == ERROR_NOT_SUPPORTED || error == ERROR_CALL_NOT_IMPLEMENTED;
}

/* ---- making and removing ---- */

struct os_result os_name_make_directory(const struct os_name *name,
                                        unsigned mode) {
  wchar_t *path = NULL;
  (void)mode;
  struct os_result result = name__path(&path, name);
  if (result.value < 0)
    return result;
  result = name__answer(native.CreateDirectoryW(path, NULL));
  memory_free(path);
  return result;
}

/* Takes FILE_ATTRIBUTE_READONLY off what is called `path`. false: it was not
 * that. */
static bool name__unlock(const wchar_t *path, DWORD *before) {
  *before = native.GetFileAttributesW(path);
  return *before != INVALID_FILE_ATTRIBUTES &&
         (*before & FILE_ATTRIBUTE_READONLY) &&
         native.SetFileAttributesW(path,
                                   *before & ~(DWORD)FILE_ATTRIBUTE_READONLY);
}

static BOOL name__dispose_plainly(HANDLE handle) {
  FILE_DISPOSITION_INFO info = {.DeleteFile = TRUE};
  return native.SetFileInformationByHandle(handle, FileDispositionInfo, &info,
                                           sizeof info);
}

static struct os_result name__dispose_old(HANDLE handle, const wchar_t *path) {
  DWORD before;
  if (name__dispose_plainly(handle))
    return (struct os_result){0, 0};
  struct os_result result = native_last_failure();
  if (result.native != ERROR_ACCESS_DENIED || !name__unlock(path, &before))
    return result;
  result = name__answer(name__dispose_plainly(handle));
  if (result.value < 0)
    native.SetFileAttributesW(path, before);
  return result;
}

static struct os_result name__dispose(HANDLE handle, const wchar_t *path) {
  DWORD flags = NATIVE_DISPOSITION_DELETE | NATIVE_DISPOSITION_POSIX |
                NATIVE_DISPOSITION_READONLY;
  if (native.SetFileInformationByHandle(handle, NATIVE_FILE_DISPOSITION_INFO_EX,
                                        &flags, sizeof flags))
    return (struct os_result){0, 0};
  DWORD error = GetLastError();
  return name__is_unknown(error) ? name__dispose_old(handle, path)
                                 : native_failure(error);
}

static struct os_result name__remove(HANDLE handle, const wchar_t *path,
                                     bool directory) {
  struct kind kind;
  struct os_result result = name__ask(handle, &kind);
  if (result.value < 0)
    return result;
  if (kind.directory != directory)
    return (struct os_result){directory ? OVIO_ENOTDIR : OVIO_EISDIR, 0};
  return name__dispose(handle, path);
}

struct os_result os_name_remove(const struct os_name *name, bool directory) {
  wchar_t *path = NULL;
  struct os_result result = name__path(&path, name);
  if (result.value < 0)
    return result;
  HANDLE handle = name__open(path, DELETE, false);
  if (handle == INVALID_HANDLE_VALUE) {
    result = native_last_failure();
  } else {
    result = name__remove(handle, path, directory);
    native.CloseHandle(handle);
  }
  memory_free(path);
  return result;
}

/* ---- renaming ---- */

static BOOL name__set_name(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS class,
                           DWORD flags, struct native_rename *info) {
  info->flags = flags;
  return native.SetFileInformationByHandle(
      handle, class, info, (DWORD)sizeof *info + info->length + 2);
}

static struct os_result name__rename_old(HANDLE handle,
                                         struct native_rename *info,
                                         bool exclusive) {
  DWORD flags = exclusive ? 0 : NATIVE_RENAME_REPLACE;
  DWORD before;
  if (name__set_name(handle, FileRenameInfo, flags, info))
    return (struct os_result){0, 0};
  struct os_result result = native_last_failure();
  if (exclusive || result.native != ERROR_ACCESS_DENIED ||
      !name__unlock(info->name, &before))
    return result;
  result = name__answer(name__set_name(handle, FileRenameInfo, flags, info));
  if (result.value < 0)
    native.SetFileAttributesW(info->name, before);
  return result;
}

static struct os_result name__rename(HANDLE handle, struct native_rename *info,
                                     bool exclusive) {
  DWORD flags = NATIVE_RENAME_POSIX | NATIVE_RENAME_READONLY;
  if (!exclusive)
    flags |= NATIVE_RENAME_REPLACE;
  if (name__set_name(handle, NATIVE_FILE_RENAME_INFO_EX, flags, info))
    return (struct os_result){0, 0};
  DWORD error = GetLastError();
  return name__is_unknown(error) ? name__rename_old(handle, info, exclusive)
                                 : native_failure(error);
}

static bool name__is_same(HANDLE one, HANDLE other) {
  FILE_ID_INFO ids[2];
  memset(ids, 0, sizeof ids);
  return native.GetFileInformationByHandleEx(one, FileIdInfo, &ids[0],
                                             sizeof ids[0]) &&
         native.GetFileInformationByHandleEx(other, FileIdInfo, &ids[1],
                                             sizeof ids[1]) &&
         memcmp(&ids[0], &ids[1], sizeof ids[0]) == 0;
}

/* What has the new name now: 0 if it may be replaced, 1 if it is an empty
 * directory that may have to go first, or an error. */
static int name__check_target(HANDLE handle, const wchar_t *to) {
  struct kind from;
  struct kind there;
  HANDLE target = name__open(to, 0, false);
  if (target == INVALID_HANDLE_VALUE)
    return 0; /* nothing, or the rename will say */
  bool known = name__ask(handle, &from).value == 0 &&
               name__ask(target, &there).value == 0 &&
               !name__is_same(handle, target);
  native.CloseHandle(target);
  if (!known)
    return 0;
  if (from.directory && there.directory)
    return 1;
  if (from.directory)
    return OVIO_ENOTDIR;
  return there.directory ? OVIO_EISDIR : 0;
}

/* Replacing an empty directory is new in Windows 10, and not on every file
 * system. */
static struct os_result name__replace(HANDLE handle,
                                      struct native_rename *info) {
  int check = name__check_target(handle, info->name);
  if (check < 0)
    return (struct os_result){check, 0};
  struct os_result result = name__rename(handle, info, false);
  if (check == 0 || (result.native != ERROR_ACCESS_DENIED &&
                     result.native != ERROR_ALREADY_EXISTS))
    return result;
  if (!native.RemoveDirectoryW(info->name))
    return native_last_failure();
  return name__rename(handle, info, false);
}

/* The new name, in the form in which the system takes it. */
static struct os_result name__target(struct native_rename **out,
                                     const struct os_name *to) {
  wchar_t *path = NULL;
  struct os_result result = native_path_whole(
      &path, to->dir ? (HANDLE)to->dir->handle : NULL, to->path);
  if (result.value < 0)
    return result;
  size_t bytes = wcslen(path) * sizeof *path;
  struct native_rename *info =
      memory_allocate(sizeof *info + bytes + sizeof *path);
  if (info) {
    info->length = (DWORD)bytes;
    memcpy(info->name, path, bytes);
    *out = info;
  } else {
    result.value = OVIO_ENOMEM;
  }
  memory_free(path);
  return result;
}

static struct os_result name__check_directory(HANDLE handle) {
  struct kind kind;
  struct os_result result = name__ask(handle, &kind);
  if (result.value == 0 && !kind.directory)
    result.value = OVIO_ENOTDIR;
  return result;
}

struct os_result os_name_rename(const struct os_name *from,
                                const struct os_name *to, bool exclusive) {
  HANDLE handle;
  struct native_rename *info = NULL;
  struct os_result result = name__target(&info, to);
  if (!info)
    return result;
  result = name__open_at(&handle, from, DELETE, false);
  if (result.value == 0) {
    if (path_means_directory(to->path))
      result = name__check_directory(handle);
    if (result.value == 0)
      result = exclusive ? name__rename(handle, info, true)
                         : name__replace(handle, info);
    native.CloseHandle(handle);
  }
  memory_free(info);
  return result;
}

/* The path of something new that is no directory. */
static struct os_result name__new_path(wchar_t **out,
                                       const struct os_name *name) {
  wchar_t *path = NULL;
  struct os_result result = name__path(&path, name);
  if (result.value == 0 && path_means_directory(name->path) &&
      native.GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES)
    result = native_failure(ERROR_PATH_NOT_FOUND);
  if (result.value == 0)
    *out = path;
  else
    memory_free(path);
  return result;
}

static struct os_result name__link(const wchar_t *from, const wchar_t *to) {
  if (native.CreateHardLinkW(to, from, NULL))
    return (struct os_result){0, 0};
  struct os_result result = native_last_failure();
  DWORD attributes = native.GetFileAttributesW(from);
  if (result.native == ERROR_ACCESS_DENIED &&
      attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & FILE_ATTRIBUTE_DIRECTORY))
    result.value = OVIO_EPERM;
  if (result.native == ERROR_TOO_MANY_LINKS)
    result.value = OVIO_ENOSPC;
  return result;
}

struct os_result os_name_link(const struct os_name *from,
                              const struct os_name *to) {
  wchar_t *old = NULL;
  wchar_t *new = NULL;
  struct os_result result = name__path(&old, from);
  if (result.value == 0)
    result = name__new_path(&new, to);
  if (result.value == 0)
    result = name__link(old, new);
  memory_free(old);
  memory_free(new);
  return result;
}

/* ---- symbolic links and real paths ---- */

/* The flag that developers need no privilege with is unknown before Windows 10
 * 1703. */
static struct os_result name__symlink(const wchar_t *path,
                                      const wchar_t *target, DWORD flags) {
  const DWORD more = SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE;
  if (native.CreateSymbolicLinkW(path, target, flags | more))
    return (struct os_result){0, 0};
  if (GetLastError() != ERROR_INVALID_PARAMETER)
    return native_last_failure();
  return name__answer(native.CreateSymbolicLinkW(path, target, flags));
}

struct os_result os_name_symlink(const char *target, const struct os_name *name,
                                 bool directory) {
  wchar_t *path = NULL;
  wchar_t *text = NULL;
  struct os_result result = {native_wide_path(&text, target), 0};
  if (result.value == 0)
    result = name__new_path(&path, name);
  if (result.value == 0)
    result =
        name__symlink(path, text, directory ? SYMBOLIC_LINK_FLAG_DIRECTORY : 0);
  memory_free(text);
  memory_free(path);
  return result;
}

enum { REPARSE_ROOM = 16384 }; /* MAXIMUM_REPARSE_DATA_BUFFER_SIZE */

/* The name that is meant to be shown, or the one that the kernel follows, which
 * begins with \??\. Behind the numbers of a symbolic link stands one more. */
static struct os_result name__target_text(const struct native_reparse *reparse,
                                          char *buffer, size_t length) {
  const char *names = (const char *)(reparse + 1);
  if (reparse->tag == IO_REPARSE_TAG_SYMLINK)
    names += sizeof(ULONG);
  else if (reparse->tag != IO_REPARSE_TAG_MOUNT_POINT)
    return (struct os_result){OVIO_EINVAL, 0};
  const wchar_t *text = (const void *)(names + reparse->shown_offset);
  size_t count = reparse->shown_length / sizeof *text;
  if (count == 0) {
    text = (const void *)(names + reparse->target_offset);
    count = reparse->target_length / sizeof *text;
    if (count > 4 && wcsncmp(text, L"\\??\\", 4) == 0) {
      text += 4;
      count -= 4;
    }
  }
  return (struct os_result){native_text(text, count, buffer, length), 0};
}

static struct os_result name__read_link(HANDLE handle,
                                        struct native_reparse *reparse,
                                        char *buffer, size_t length) {
  DWORD used = 0;
  if (native.DeviceIoControl(handle, FSCTL_GET_REPARSE_POINT, NULL, 0, reparse,
                             REPARSE_ROOM, &used, NULL))
    return name__target_text(reparse, buffer, length);
  struct os_result result = native_last_failure();
  if (result.native == ERROR_NOT_A_REPARSE_POINT ||
      result.native == ERROR_INVALID_FUNCTION)
    result.value = OVIO_EINVAL;
  return result;
}

struct os_result os_name_read_link(const struct os_name *name, char *buffer,
                                   size_t length) {
  HANDLE handle;
  struct os_result result = name__open_at(&handle, name, 0, false);
  if (result.value < 0)
    return result;
  struct native_reparse *reparse = memory_allocate(REPARSE_ROOM);
  result = reparse ? name__read_link(handle, reparse, buffer, length)
                   : (struct os_result){OVIO_ENOMEM, 0};
  memory_free(reparse);
  native.CloseHandle(handle);
  return result;
}

/* Takes \\?\ or \\?\UNC off, unless the rest would mean something else: a name
 * with a dot at its end, a device's name. */
static struct os_result name__shorten(wchar_t *path, char *buffer,
                                      size_t length) {
  wchar_t *rest = path + 4;
  if (wcsncmp(rest, L"UNC\\", 4) == 0) {
    rest = path + 6;
    rest[0] = L'\\';
  }
  size_t count = wcslen(rest);
  wchar_t *full = memory_allocate((count + 2) * sizeof *full);
  if (!full)
    return (struct os_result){OVIO_ENOMEM, 0};
  DWORD used = native.GetFullPathNameW(rest, (DWORD)count + 1, full, NULL);
  bool same = used == count && wcscmp(full, rest) == 0;
  memory_free(full);
  if (!same && rest == path + 6)
    rest[0] = L'C';
  const wchar_t *text = same ? rest : path;
  return (struct os_result){native_text(text, wcslen(text), buffer, length), 0};
}

struct os_result os_name_resolve(const struct os_name *name, char *buffer,
                                 size_t length) {
  HANDLE handle;
  wchar_t *path = NULL;
  struct os_result result = name__open_at(&handle, name, 0, true);
  if (result.value < 0)
    return result;
  result = native_path_of(&path, handle);
  if (result.value == 0)
    result = name__shorten(path, buffer, length);
  memory_free(path);
  native.CloseHandle(handle);
  return result;
}

/* ---- looking and changing ---- */

static struct os_result name__stat(HANDLE handle, struct ovio_stat *out) {
  struct os_file file;
  struct kind kind;
  struct os_result result = os_file_adopt(&file, handle, OVIO_READ);
  if (result.value == OVIO_EISDIR)
    result = os_file_adopt(&file, handle, OVIO_DIRECTORY);
  if (result.value == 0)
    result = os_file_stat(&file, out);
  if (result.value < 0 || file.kind == OS_KIND_STREAM ||
      name__ask(handle, &kind).value < 0)
    return result;
  if (name__is_link(handle, kind.attributes))
    out->type = OVIO_TYPE_SYMLINK;
  else
    out->type = kind.directory ? OVIO_TYPE_DIRECTORY : OVIO_TYPE_FILE;
  return result;
}

struct os_result os_name_stat(const struct os_name *name, bool follow,
                              struct ovio_stat *out) {
  HANDLE handle;
  struct os_result result = name__open_at(&handle, name, 0, follow);
  if (result.value < 0)
    return result;
  result = name__stat(handle, out);
  native.CloseHandle(handle);
  return result;
}

struct os_result os_name_access(const struct os_name *name, unsigned flags) {
  HANDLE handle;
  DWORD access = 0;
  if (flags & OVIO_READ)
    access |= FILE_READ_DATA;
  if (flags & OVIO_WRITE)
    access |= FILE_WRITE_DATA;
  struct os_result result = name__open_at(&handle, name, access, true);
  if (result.value == 0)
    native.CloseHandle(handle);
  return result;
}

/* Times of 0 stay as they are, and attributes of 0, too. */
static struct os_result name__make_writable(HANDLE handle, bool writable) {
  FILE_BASIC_INFO basic = {.FileAttributes = 0};
  struct kind kind;
  struct os_result result = name__ask(handle, &kind);
  if (result.value < 0 || kind.directory)
    return result;
  basic.FileAttributes = kind.attributes | FILE_ATTRIBUTE_READONLY;
  if (writable)
    basic.FileAttributes &= ~(DWORD)FILE_ATTRIBUTE_READONLY;
  if (basic.FileAttributes == 0)
    basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
  return name__answer(native.SetFileInformationByHandle(handle, FileBasicInfo,
                                                        &basic, sizeof basic));
}

struct os_result os_name_set_mode(const struct os_name *name, unsigned mode) {
  HANDLE handle;
  struct os_result result =
      name__open_at(&handle, name, FILE_WRITE_ATTRIBUTES, true);
  if (result.value < 0)
    return result;
  result = name__make_writable(handle, (mode & 0200) != 0);
  native.CloseHandle(handle);
  return result;
}

struct os_result os_name_set_mode_of(const struct os_file *file,
                                     unsigned mode) {
  return name__make_writable((HANDLE)file->handle, (mode & 0200) != 0);
}

struct os_result os_name_set_times(const struct os_name *name,
                                   int64_t access_ns, int64_t modify_ns) {
  HANDLE handle;
  struct os_result result =
      name__open_at(&handle, name, FILE_WRITE_ATTRIBUTES, true);
  if (result.value < 0)
    return result;
  struct os_file file = {.handle = (intptr_t)handle, .kind = OS_KIND_DISK};
  result = os_file_set_times(&file, access_ns, modify_ns);
  native.CloseHandle(handle);
  return result;
}

struct os_result os_name_temporary(char *buffer, size_t length) {
  wchar_t path[MAX_PATH + 2];
  DWORD used = native.GetTempPathW(MAX_PATH + 2, path);
  if (used == 0)
    return native_last_failure();
  if (used >= MAX_PATH + 2)
    return (struct os_result){OVIO_ENAMETOOLONG, 0};
  if (used > 3 && path[used - 1] == L'\\') /* "C:\" stays */
    used--;
  return (struct os_result){native_text(path, used, buffer, length), 0};
}
