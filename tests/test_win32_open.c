/* SPDX-License-Identifier: MIT */
/* Opening: links and devices, which Wine has few of, are made up here. */
#include "win32/native.h"

#include "scene.h"

/* Stand in the table from the beginning: workers read it at any time. */
static struct native_calls real;
static struct {
  atomic_ulong tag;     /* of every file, if not 0 */
  atomic_int creations; /* since it was set to 0 */
  atomic_ulong last;    /* attributes of the last creation */
  atomic_bool refuses;  /* directories, as without BACKUP_SEMANTICS */
} made_up;

static BOOL WINAPI tell_tag(HANDLE handle, FILE_INFO_BY_HANDLE_CLASS class,
                            LPVOID out, DWORD length) {
  BOOL fine = real.GetFileInformationByHandleEx(handle, class, out, length);
  FILE_ATTRIBUTE_TAG_INFO *tag = out;
  if (fine && class == FileAttributeTagInfo && atomic_load(&made_up.tag) &&
      (atomic_load(&made_up.last) & FILE_FLAG_OPEN_REPARSE_POINT)) {
    tag->FileAttributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    tag->ReparseTag = atomic_load(&made_up.tag);
  }
  return fine;
}

static DWORD WINAPI tell_attributes(LPCWSTR path) {
  DWORD attributes = real.GetFileAttributesW(path);
  return atomic_load(&made_up.refuses)
             ? attributes | FILE_ATTRIBUTE_REPARSE_POINT
             : attributes;
}

static HANDLE WINAPI create(LPCWSTR path, DWORD access, DWORD share,
                            LPSECURITY_ATTRIBUTES security, DWORD how,
                            DWORD attributes, HANDLE sample) {
  atomic_fetch_add(&made_up.creations, 1);
  atomic_store(&made_up.last, attributes);
  return real.CreateFileW(path, access, share, security, how, attributes,
                          sample);
}

static int open_as(const char *name, unsigned flags, DWORD tag) {
  struct ovio_file file;
  atomic_store(&made_up.creations, 0);
  atomic_store(&made_up.tag, tag);
  int error = ovio_open(&file, test_path(name), OVIO_READ | flags, 0);
  atomic_store(&made_up.tag, 0);
  return error ? error : ovio_close(&file);
}

static void test_links_are_told_from_other_reparse_points(struct test *test) {
  const DWORD cloud = 0x9000001A; /* IO_REPARSE_TAG_CLOUD */
  TRY(test_put(test_path("reparse"), "abc", 3));
  TRY_EQ(open_as("reparse", OVIO_NOFOLLOW, 0), 0);
  TRY_EQ(open_as("reparse", 0, IO_REPARSE_TAG_SYMLINK), 0);
  TRY_EQ(made_up.creations, 1);
  TRY_EQ(open_as("reparse", OVIO_NOFOLLOW, IO_REPARSE_TAG_SYMLINK), OVIO_ELOOP);
  TRY_EQ(open_as("reparse", OVIO_NOFOLLOW, IO_REPARSE_TAG_MOUNT_POINT),
         OVIO_ELOOP);
  /* Opened once more, for its data. */
  TRY_EQ(open_as("reparse", OVIO_NOFOLLOW, cloud), 0);
  TRY_EQ(made_up.creations, 2);
  TRY(!(made_up.last & FILE_FLAG_OPEN_REPARSE_POINT));
}

static void test_link_to_a_directory(struct test *test) {
  TRY(test_exists(test_path("linked")) ||
      test_make_folder(test_path("linked")));
  TRY_EQ(open_as("linked", 0, 0), OVIO_EISDIR);
  TRY_EQ(open_as("linked", OVIO_NOFOLLOW, 0), OVIO_EISDIR);
  atomic_store(&made_up.refuses, true);
  int followed = open_as("linked", 0, 0);
  int refused = open_as("linked", OVIO_NOFOLLOW, 0);
  atomic_store(&made_up.refuses, false);
  TRY_EQ(followed, OVIO_EISDIR);
  TRY_EQ(refused, OVIO_ELOOP);
}

static void test_device_cannot_be_cut(struct test *test) {
  struct ovio_file file;
  TRY_EQ(ovio_open(&file, "NUL", OVIO_WRITE | OVIO_TRUNCATE | OVIO_CREATE, 0),
         0);
  TRY_EQ(ovio_write(&file, "abc", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_close(&file), 0);
}

/* What Windows strips of names, it strips in a folder, too. */
static void test_names_in_a_folder(struct test *test) {
  static const char *const names[] = {"plain", "plain.", "plain. .", "./plain ",
                                      "sub./..\\plain"};
  struct ovio_file folder;
  struct ovio_file file;
  TRY(test_put(test_path("plain"), "abc", 3));
  TRY_EQ(ovio_open(&folder, test_folder(), OVIO_DIRECTORY, 0), 0);
  for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
    TRY_EQ(ovio_openat(&file, &folder, names[at], OVIO_READ, 0), 0);
    TRY_EQ(ovio_size(&file), 3);
    TRY_EQ(ovio_close(&file), 0);
  }
  TRY_EQ(ovio_openat(&file, &folder, "nul", OVIO_WRITE, 0), 0);
  TRY_EQ(ovio_write(&file, "abc", 3, OVIO_HERE), 3);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_close(&folder), 0);
}

/* A handle value that was the standard input's once is nobody's now. */
static void test_own_file_in_the_place_of_standard_input(struct test *test) {
  struct ovio_file file;
  HANDLE before = GetStdHandle(STD_INPUT_HANDLE);
  TRY(test_put(test_path("stdin"), "abc", 3));
  ovio_handle first = test_open_handle(test_path("stdin"), false, true);
  SetStdHandle(STD_INPUT_HANDLE, first);
  TRY(test_close_handle(first));
  int error = ovio_open(&file, test_path("stdin"), OVIO_READ, 0);
  char text[4] = "";
  int64_t got = error ? error : ovio_read(&file, text, 3, 0);
  ovio_handle second = error ? OVIO_NO_HANDLE : ovio_release(&file);
  SetStdHandle(STD_INPUT_HANDLE, before);
  TRY_EQ(error, 0);
  TRY(second == first); /* or this test shows nothing */
  TRY(test_close_handle(second));
  TRY_EQ(got, 3);
  TRY(memcmp(text, "abc", 3) == 0);
}

static void test_full_pipe_that_does_not_wait(struct test *test) {
  static char bytes[65536];
  struct pipe_files files;
  ovio_handle ends[2];
  DWORD mode = PIPE_READMODE_BYTE | PIPE_NOWAIT;
  TRY(CreatePipe(&ends[0], &ends[1], NULL, 4096));
  TRY(SetNamedPipeHandleState(ends[1], &mode, NULL, NULL));
  TRY_EQ(ovio_adopt(&files.in, ends[0], OVIO_READ), 0);
  TRY_EQ(ovio_adopt(&files.out, ends[1], OVIO_WRITE), 0);
  int64_t wrote = 1;
  for (int round = 0; round < 100 && wrote > 0; round++)
    wrote = ovio_write(&files.out, bytes, sizeof bytes, OVIO_HERE);
  TRY_EQ(wrote, OVIO_EWOULDBLOCK);
  TRY_EQ(pipe_files_close(&files), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_links_are_told_from_other_reparse_points),
      TEST(test_link_to_a_directory),
      TEST(test_device_cannot_be_cut),
      TEST(test_names_in_a_folder),
      TEST_PLAIN(test_own_file_in_the_place_of_standard_input,
                 "handle numbers are reused in order on one thread"),
      TEST(test_full_pipe_that_does_not_wait),
  };
  real = native;
  native.GetFileInformationByHandleEx = tell_tag;
  native.GetFileAttributesW = tell_attributes;
  native.CreateFileW = create;
  return test_main(cases, sizeof cases / sizeof *cases);
}
