/* SPDX-License-Identifier: MIT */
/* Names as Windows has them and Wine does not: POSIX semantics, links, lone
 * surrogates; and the ways around what a file system does not know. */
#include "win32/native.h"

#include <winioctl.h>

#include "scene.h"

/* ---- what the calls are to answer, and what they were asked ---- */

struct call {
  int class; /* FILE_INFO_BY_HANDLE_CLASS */
  DWORD flags;
};

static struct {
  atomic_bool on;
  atomic_ulong newer; /* the Ex classes: 0: as Windows 10, by the older one */
  atomic_ulong older; /* the older ones: an error for the first `fail` */
  atomic_int fail;
  atomic_int count;
  struct call calls[8];  /* of those four classes */
  atomic_bool surrogate; /* names in directories begin with one */
  atomic_bool link;      /* entries are symbolic links */
  atomic_ulong listing;  /* an error of the directory's listing */
  const void *reparse;   /* what FSCTL_GET_REPARSE_POINT gives */
  DWORD reparse_length;
  const wchar_t *final; /* what GetFinalPathNameByHandleW gives */
  wchar_t path[1024];   /* what CreateFileW was asked for last */
  atomic_ulong symlink; /* an error of the first CreateSymbolicLinkW */
  wchar_t target[64];
  DWORD symlink_flags[2];
  atomic_int symlinks;
  struct ovio_group *group; /* to be cancelled by FlushFileBuffers */
} plan;

static struct native_calls real;

static void plan_begin(DWORD newer, DWORD older, int fail) {
  memset(plan.calls, 0, sizeof plan.calls);
  plan.newer = newer;
  plan.older = older;
  plan.fail = fail;
  plan.count = 0;
  plan.on = true;
}

static void plan_end(void) {
  plan.on = false;
}

static BOOL refuse(DWORD error) {
  SetLastError(error);
  return FALSE;
}

static void record(int class, const void *info) {
  int at = atomic_fetch_add(&plan.count, 1);
  struct call call = {class, 0};
  memcpy(&call.flags, info, class == FileDispositionInfo ? 1 : sizeof(DWORD));
  if (at < 8)
    plan.calls[at] = call;
}

static BOOL newer_class(HANDLE handle, bool rename, void *info, DWORD length) {
  if (plan.newer)
    return refuse(plan.newer);
  FILE_DISPOSITION_INFO disposition = {.DeleteFile = TRUE};
  if (!rename)
    return real.SetFileInformationByHandle(handle, FileDispositionInfo,
                                           &disposition, sizeof disposition);
  struct native_rename *copy = malloc(length);
  memcpy(copy, info, length);
  copy->flags &= NATIVE_RENAME_REPLACE;
  BOOL fine =
      real.SetFileInformationByHandle(handle, FileRenameInfo, copy, length);
  DWORD error = GetLastError();
  free(copy);
  SetLastError(error);
  return fine;
}

static BOOL WINAPI shim_SetFileInformationByHandle(
    HANDLE handle, FILE_INFO_BY_HANDLE_CLASS class, LPVOID info, DWORD length) {
  bool rename = class == NATIVE_FILE_RENAME_INFO_EX;
  bool newer = rename || class == NATIVE_FILE_DISPOSITION_INFO_EX;
  bool older = class == FileRenameInfo || class == FileDispositionInfo;
  if (!plan.on || (!newer && !older))
    return real.SetFileInformationByHandle(handle, class, info, length);
  record((int)class, info);
  if (newer)
    return newer_class(handle, rename, info, length);
  if (atomic_fetch_sub(&plan.fail, 1) > 0)
    return refuse(plan.older);
  return real.SetFileInformationByHandle(handle, class, info, length);
}

static BOOL WINAPI shim_GetFileInformationByHandleEx(
    HANDLE handle, FILE_INFO_BY_HANDLE_CLASS class, LPVOID out, DWORD length) {
  bool lists = class == FileIdBothDirectoryInfo ||
               class == FileIdBothDirectoryRestartInfo;
  if (lists && plan.listing)
    return refuse(atomic_exchange(&plan.listing, 0));
  if (!real.GetFileInformationByHandleEx(handle, class, out, length))
    return FALSE;
  FILE_ID_BOTH_DIR_INFO *info = out;
  while (lists) {
    if (plan.surrogate && info->FileName[0] != L'.')
      info->FileName[0] = 0xD800;
    if (plan.link) {
      info->FileAttributes |= FILE_ATTRIBUTE_REPARSE_POINT;
      info->EaSize = IO_REPARSE_TAG_SYMLINK;
    }
    lists = info->NextEntryOffset != 0;
    info = (void *)((char *)info + info->NextEntryOffset);
  }
  return TRUE;
}

static HANDLE WINAPI shim_CreateFileW(LPCWSTR path, DWORD access, DWORD share,
                                      LPSECURITY_ATTRIBUTES security,
                                      DWORD disposition, DWORD flags,
                                      HANDLE like) {
  if (plan.surrogate && wcslen(path) < 1024)
    memcpy(plan.path, path, (wcslen(path) + 1) * sizeof *path);
  return real.CreateFileW(path, access, share, security, disposition, flags,
                          like);
}

static BOOL WINAPI shim_DeviceIoControl(HANDLE handle, DWORD code, LPVOID in,
                                        DWORD in_length, LPVOID out,
                                        DWORD out_length, LPDWORD used,
                                        LPOVERLAPPED overlapped) {
  if (!plan.reparse || code != FSCTL_GET_REPARSE_POINT)
    return real.DeviceIoControl(handle, code, in, in_length, out, out_length,
                                used, overlapped);
  memcpy(out, plan.reparse, plan.reparse_length);
  *used = plan.reparse_length;
  return TRUE;
}

static DWORD WINAPI shim_GetFinalPathNameByHandleW(HANDLE handle, LPWSTR out,
                                                   DWORD room, DWORD flags) {
  if (!plan.final)
    return real.GetFinalPathNameByHandleW(handle, out, room, flags);
  DWORD length = (DWORD)wcslen(plan.final);
  if (room <= length)
    return length + 1;
  memcpy(out, plan.final, (length + 1) * sizeof *out);
  return length;
}

static BOOLEAN WINAPI shim_CreateSymbolicLinkW(LPCWSTR path, LPCWSTR target,
                                               DWORD flags) {
  (void)path;
  int at = atomic_fetch_add(&plan.symlinks, 1);
  plan.symlink_flags[at % 2] = flags;
  memcpy(plan.target, target, (wcslen(target) + 1) * sizeof *target);
  DWORD error = atomic_exchange(&plan.symlink, 0);
  return error ? (BOOLEAN)refuse(error) : TRUE;
}

static BOOL WINAPI shim_FlushFileBuffers(HANDLE handle) {
  if (plan.group)
    ovio_group_cancel(plan.group);
  return real.FlushFileBuffers(handle);
}

static void install(void) {
  real = native;
  native.SetFileInformationByHandle = shim_SetFileInformationByHandle;
  native.GetFileInformationByHandleEx = shim_GetFileInformationByHandleEx;
  native.CreateFileW = shim_CreateFileW;
  native.DeviceIoControl = shim_DeviceIoControl;
  native.GetFinalPathNameByHandleW = shim_GetFinalPathNameByHandleW;
  native.CreateSymbolicLinkW = shim_CreateSymbolicLinkW;
  native.FlushFileBuffers = shim_FlushFileBuffers;
}

/* ---- scenes ---- */

static int folder_open(struct test *test, struct ovio_file *dir) {
  static int number;
  char name[64];
  char path[512];
  snprintf(name, sizeof name, "name-%s-%d", test->mode->name, number++);
  snprintf(path, sizeof path, "%s", test_path(name));
  return test_make_folder(path) ? ovio_open(dir, path, OVIO_DIRECTORY, 0)
                                : OVIO_EUNKNOWN;
}

static int put(struct ovio_file *dir, const char *path, const char *text) {
  return ovio_write_file(dir, path, text, strlen(text), 0600);
}

static bool is(struct ovio_file *dir, const char *path, const char *text) {
  void *data = NULL;
  size_t length = 0;
  bool same = ovio_read_file(dir, path, 100, &data, &length) == 0 &&
              strcmp(data, text) == 0;
  ovio_free(data);
  return same;
}

static bool absent(struct ovio_file *dir, const char *path) {
  return ovio_access(dir, path, 0) == OVIO_ENOENT;
}

/* ---- removing and renaming ---- */

#define RENAME_FLAGS (NATIVE_RENAME_POSIX | NATIVE_RENAME_READONLY)

static void test_posix_semantics(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "a", "a"), 0);
  TRY_EQ(put(&dir, "b", "b"), 0);
  plan_begin(0, 0, 0);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), 0);
  TRY_EQ(ovio_rename(&dir, "b", &dir, "c", OVIO_EXCLUSIVE), 0);
  TRY_EQ(ovio_unlink(&dir, "c"), 0);
  plan_end();
  TRY_EQ(plan.count, 3); /* the older classes are not needed */
  TRY_EQ(plan.calls[0].class, NATIVE_FILE_RENAME_INFO_EX);
  TRY_EQ(plan.calls[0].flags, RENAME_FLAGS | NATIVE_RENAME_REPLACE);
  TRY_EQ(plan.calls[1].class, NATIVE_FILE_RENAME_INFO_EX);
  TRY_EQ(plan.calls[1].flags, RENAME_FLAGS);
  TRY_EQ(plan.calls[2].class, NATIVE_FILE_DISPOSITION_INFO_EX);
  TRY_EQ(plan.calls[2].flags, NATIVE_DISPOSITION_DELETE |
                                  NATIVE_DISPOSITION_POSIX |
                                  NATIVE_DISPOSITION_READONLY);
  TRY(absent(&dir, "c"));
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_older_classes(struct test *test) {
  static const DWORD answers[] = {ERROR_INVALID_PARAMETER,
                                  ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED};
  for (int at = 0; at < 3; at++) {
    struct ovio_file dir;
    TRY_EQ(folder_open(test, &dir), 0);
    TRY_EQ(put(&dir, "a", "a"), 0);
    plan_begin(answers[at], 0, 0);
    TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), 0);
    TRY_EQ(ovio_unlink(&dir, "b"), 0);
    plan_end();
    TRY_EQ(plan.count, 4);
    TRY_EQ(plan.calls[1].class, FileRenameInfo);
    TRY_EQ(plan.calls[1].flags, 1);
    TRY_EQ(plan.calls[3].class, FileDispositionInfo);
    TRY(absent(&dir, "b"));
    TRY_EQ(ovio_close(&dir), 0);
  }
}

/* What is refused for another reason is not tried otherwise. */
static void test_refusals(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "a", "a"), 0);
  plan_begin(ERROR_ACCESS_DENIED, 0, 0);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), OVIO_EACCES);
  TRY_EQ(ovio_unlink(&dir, "a"), OVIO_EACCES);
  TRY_EQ(plan.count, 2);
  plan_begin(ERROR_NOT_SAME_DEVICE, 0, 0);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), OVIO_EXDEV);
  plan_begin(ERROR_USER_MAPPED_FILE, 0, 0);
  TRY_EQ(ovio_unlink(&dir, "a"), OVIO_EBUSY);
  plan_end();
  TRY(is(&dir, "a", "a"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* The attribute goes for the second try, and comes back if that fails too. */
static void test_read_only_the_older_way(struct test *test) {
  const DWORD unknown = ERROR_INVALID_PARAMETER;
  struct ovio_file dir;
  struct ovio_stat stat;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "a", "a"), 0);
  TRY_EQ(put(&dir, "b", "b"), 0);
  TRY_EQ(ovio_set_mode(&dir, "a", 0444), 0);
  plan_begin(unknown, ERROR_ACCESS_DENIED, 2);
  TRY_EQ(ovio_unlink(&dir, "a"), OVIO_EACCES);
  plan_begin(unknown, ERROR_ACCESS_DENIED, 2);
  TRY_EQ(ovio_rename(&dir, "b", &dir, "a", 0), OVIO_EACCES);
  TRY_EQ(ovio_stat_at(&dir, "a", 0, &stat), 0);
  TRY_EQ(stat.mode, 0444);
  plan_begin(unknown, ERROR_ACCESS_DENIED, 1);
  TRY_EQ(ovio_rename(&dir, "b", &dir, "a", 0), 0);
  TRY_EQ(plan.count, 3);
  TRY(is(&dir, "a", "b"));
  TRY_EQ(ovio_set_mode(&dir, "a", 0444), 0);
  plan_begin(unknown, ERROR_ACCESS_DENIED, 1);
  TRY_EQ(ovio_unlink(&dir, "a"), 0);
  plan_end();
  TRY(absent(&dir, "a"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* An empty directory goes first where it is not replaced by itself. */
static void test_directory_onto_directory(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(ovio_mkdir(&dir, "a", 0), 0);
  TRY_EQ(put(&dir, "a/file", "x"), 0);
  TRY_EQ(ovio_mkdir(&dir, "b", 0), 0);
  plan_begin(ERROR_INVALID_PARAMETER, ERROR_ACCESS_DENIED, 1);
  TRY_EQ(ovio_rename(&dir, "a", &dir, "b", 0), 0);
  TRY(is(&dir, "b/file", "x"));
  TRY_EQ(ovio_mkdir(&dir, "c", 0), 0);
  plan_begin(ERROR_INVALID_PARAMETER, ERROR_ACCESS_DENIED, 1);
  TRY_EQ(ovio_rename(&dir, "c", &dir, "b", 0), OVIO_ENOTEMPTY);
  plan_end();
  TRY(is(&dir, "b/file", "x"));
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- links ---- */

static void test_symlink_arguments(struct test *test) {
  plan.symlinks = 0;
  plan.symlink = ERROR_INVALID_PARAMETER; /* before Windows 10 1703 */
  TRY_EQ(ovio_symlink("a/\xC3\xA9", NULL, "link", OVIO_DIRECTORY), 0);
  TRY_EQ(plan.symlinks, 2);
  TRY_EQ(plan.symlink_flags[0],
         SYMBOLIC_LINK_FLAG_DIRECTORY |
             SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE);
  TRY_EQ(plan.symlink_flags[1], SYMBOLIC_LINK_FLAG_DIRECTORY);
  TRY(wcscmp(plan.target, L"a\\\x00E9") == 0);
  plan.symlink = ERROR_PRIVILEGE_NOT_HELD;
  TRY_EQ(ovio_symlink("a", NULL, "link", 0), OVIO_EPERM);
  TRY_EQ(plan.symlinks, 3);
}

/* Both names: the one that the kernel follows, and the one that is shown. */
static void reparse_put(void *room, ULONG tag, const wchar_t *target,
                        const wchar_t *shown) {
  struct native_reparse head = {
      .tag = tag,
      .target_length = (USHORT)(wcslen(target) * 2),
      .shown_offset = (USHORT)(wcslen(target) * 2),
      .shown_length = (USHORT)(wcslen(shown) * 2),
  };
  char *names = (char *)room + sizeof head;
  memcpy(room, &head, sizeof head);
  if (tag == IO_REPARSE_TAG_SYMLINK)
    names += sizeof(ULONG);
  memcpy(names, target, head.target_length);
  memcpy(names + head.target_length, shown, head.shown_length);
}

static void test_readlink_data(struct test *test) {
  static uint64_t room[32];
  static const struct {
    ULONG tag;
    const wchar_t *target;
    const wchar_t *shown;
    const char *text; /* NULL: no link */
  } cases[] = {
      {IO_REPARSE_TAG_SYMLINK, L"..\\a", L"..\\a", "..\\a"},
      {IO_REPARSE_TAG_SYMLINK, L"\\??\\C:\\a", L"C:\\a", "C:\\a"},
      {IO_REPARSE_TAG_SYMLINK, L"\\??\\C:\\b", L"", "C:\\b"},
      {IO_REPARSE_TAG_MOUNT_POINT, L"\\??\\D:\\\x2603", L"",
       "D:\\\xE2\x98\x83"},
      {IO_REPARSE_TAG_SYMLINK, L"\xD800", L"\xD800", "\xED\xA0\x80"},
      {IO_REPARSE_TAG_DEDUP, L"x", L"x", NULL},
  };
  struct ovio_file dir;
  char text[64];
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "file", "x"), 0);
  plan.reparse_length = sizeof room;
  for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
    reparse_put(room, cases[at].tag, cases[at].target, cases[at].shown);
    plan.reparse = room;
    int64_t length = ovio_readlink(&dir, "file", text, sizeof text);
    int64_t none = ovio_readlink(&dir, "file", text + 60, 1);
    plan.reparse = NULL;
    const char *wanted = cases[at].text;
    TRY_EQ(length, wanted ? (int64_t)strlen(wanted) : OVIO_EINVAL);
    TRY_EQ(none, wanted ? OVIO_EOVERFLOW : OVIO_EINVAL);
    TRY(!wanted || strcmp(text, wanted) == 0);
  }
  TRY_EQ(ovio_close(&dir), 0);
}

/* The prefix stays where the path would mean something else without. */
static void test_realpath_prefix(struct test *test) {
  static const struct {
    const wchar_t *final;
    const char *path;
  } cases[] = {
      {L"\\\\?\\C:\\a\\b", "C:\\a\\b"},
      {L"\\\\?\\C:\\", "C:\\"},
      {L"\\\\?\\C:\\a.", "\\\\?\\C:\\a."},
      {L"\\\\?\\UNC\\server\\share\\a", "\\\\server\\share\\a"},
      {L"\\\\?\\UNC\\server\\share\\a.", "\\\\?\\UNC\\server\\share\\a."},
      {L"\\\\?\\Volume{1}\\a", "\\\\?\\Volume{1}\\a"},
  };
  char text[64];
  for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
    plan.final = cases[at].final;
    int64_t length = ovio_realpath(NULL, ".", text, sizeof text);
    plan.final = NULL;
    TRY_EQ(length, strlen(cases[at].path));
    TRY(strcmp(text, cases[at].path) == 0);
  }
}

/* ---- walks ---- */

/* A name that is no UTF-16 comes out, and goes in again. */
static void test_lone_surrogates(struct test *test) {
  struct ovio_file dir;
  struct ovio_file file;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[512];
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "xy", "x"), 0);
  TRY_EQ(ovio_dir_begin(&walk, &dir, buffer, sizeof buffer), 0);
  plan.surrogate = true;
  int found = ovio_dir_next(&walk, &entry);
  int opened =
      found == 1 ? ovio_openat(&file, &dir, entry.name, OVIO_READ, 0) : found;
  plan.surrogate = false;
  TRY_EQ(found, 1);
  TRY(strcmp(entry.name, "\xED\xA0\x80y") == 0);
  TRY_EQ(opened, OVIO_ENOENT); /* there is no such file, but it was asked for */
  size_t length = wcslen(plan.path);
  TRY(length > 2);
  TRY_EQ(plan.path[length - 2], 0xD800);
  TRY_EQ(plan.path[length - 1], 'y');
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_listing(struct test *test) {
  struct ovio_file dir;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[512];
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "x", "x"), 0);
  TRY_EQ(ovio_dir_begin(&walk, &dir, buffer, sizeof buffer), 0);
  plan.listing = ERROR_IO_DEVICE;
  TRY_EQ(ovio_dir_next(&walk, &entry), OVIO_EIO);
  plan.link = true;
  TRY_EQ(ovio_dir_next(&walk, &entry), 1);
  plan.link = false;
  TRY_EQ(entry.type, OVIO_TYPE_SYMLINK);
  TRY_EQ(ovio_dir_rewind(&walk), 0);
  plan.listing = ERROR_FILE_NOT_FOUND; /* an empty root */
  TRY_EQ(ovio_dir_next(&walk, &entry), 0);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&dir), 0);
}

/* ---- replacing ---- */

struct job {
  struct ovio_file *dir;
  int result;
};

static void replace(void *argument) {
  struct job *job = argument;
  job->result = ovio_replace_file(job->dir, "f", "new", 3, 0600);
}

static int count(struct ovio_file *dir) {
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[512];
  int names = 0;
  if (ovio_dir_begin(&walk, dir, buffer, sizeof buffer) != 0)
    return -1;
  while (ovio_dir_next(&walk, &entry) == 1)
    names++;
  ovio_dir_end(&walk);
  return names;
}

static void test_replace_fails(struct test *test) {
  struct ovio_file dir;
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "old"), 0);
  plan_begin(0, 0, 0);
  plan.newer = ERROR_INVALID_PARAMETER; /* the rename; the removal, too */
  plan.older = ERROR_DISK_FULL;
  plan.fail = 1;
  TRY_EQ(ovio_replace_file(&dir, "f", "new", 3, 0600), OVIO_ENOSPC);
  plan_end();
  TRY_EQ(ovio_native_error(), ERROR_DISK_FULL);
  TRY(is(&dir, "f", "old"));
  TRY_EQ(count(&dir), 1);
  TRY_EQ(ovio_close(&dir), 0);
}

static void test_replace_cancelled(struct test *test) {
  struct ovio_file dir;
  struct ovio_group group;
  struct job job = {.dir = &dir};
  TRY_EQ(folder_open(test, &dir), 0);
  TRY_EQ(put(&dir, "f", "old"), 0);
  ovio_group_init(&group);
  plan.group = &group;
  TRY_EQ(ovio_group_spawn(&group, test->loop, replace, &job), 0);
  TRY_EQ(ovio_group_wait(&group), 0);
  plan.group = NULL;
  TRY_EQ(job.result, OVIO_ECANCELED);
  TRY(is(&dir, "f", "old"));
  TRY_EQ(count(&dir), 1);
  TRY_EQ(ovio_close(&dir), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_posix_semantics),
      TEST(test_older_classes),
      TEST(test_refusals),
      TEST(test_read_only_the_older_way),
      TEST(test_directory_onto_directory),
      TEST(test_symlink_arguments),
      TEST(test_readlink_data),
      TEST(test_realpath_prefix),
      TEST(test_lone_surrogates),
      TEST(test_listing),
      TEST(test_replace_fails),
      TEST_LOOP(test_replace_cancelled, "only a task can be cancelled"),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
