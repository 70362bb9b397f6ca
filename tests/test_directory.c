/* SPDX-License-Identifier: MIT */
/* Walks through directories. */
#include "scene.h"

enum { MANY = 700, BUFFER = 4096 };

/* A new, empty folder, opened. */
static int folder_open(struct ovio_file *folder, const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s", test_path(name));
  if (!test_make_folder(path))
    return OVIO_EUNKNOWN;
  return ovio_open(folder, path, OVIO_DIRECTORY, 0);
}

static int put(struct ovio_file *folder, const char *name) {
  struct ovio_file file;
  int error = ovio_openat(&file, folder, name, OVIO_WRITE | OVIO_CREATE, 0600);
  return error ? error : ovio_close(&file);
}

/* The case's own name: a body runs in every mode. */
static const char *own(const struct test *test, const char *name) {
  static char text[128];
  snprintf(text, sizeof text, "%s-%s", name, test->mode->name);
  return text;
}

static void test_every_name_once(struct test *test) {
  static bool seen[MANY];
  struct ovio_file folder;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[BUFFER / 8];
  char name[64];
  memset(seen, 0, sizeof seen);
  TRY_EQ(folder_open(&folder, own(test, "many")), 0);
  for (int number = 0; number < MANY; number++) {
    snprintf(name, sizeof name, "a file with number %d", number);
    TRY_EQ(put(&folder, name), 0);
  }
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  int found = 0;
  int result;
  while ((result = ovio_dir_next(&walk, &entry)) == 1) {
    int number = -1;
    TRY_EQ(sscanf(entry.name, "a file with number %d", &number), 1);
    TRY(number >= 0 && number < MANY && !seen[number]);
    TRY_EQ(entry.type, OVIO_TYPE_FILE);
    seen[number] = true;
    found++;
  }
  TRY_EQ(result, 0);
  TRY_EQ(found, MANY);
  TRY_EQ(ovio_dir_next(&walk, &entry), 0); /* it stays at the end */
  ovio_dir_end(&walk);
  TRY_EQ(ovio_dir_next(&walk, &entry), OVIO_EINVAL);
  TRY_EQ(ovio_close(&folder), 0);
}

static void test_empty_and_odd_buffer(struct test *test) {
  struct ovio_file folder;
  struct ovio_dir walk;
  struct ovio_entry entry;
  char buffer[OVIO_DIR_BUFFER_MIN + 1];
  TRY_EQ(folder_open(&folder, own(test, "empty")), 0);
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer + 1, sizeof buffer - 1), 0);
  TRY_EQ(ovio_dir_next(&walk, &entry), 0);
  TRY_EQ(put(&folder, "x"), 0);
  TRY_EQ(ovio_dir_rewind(&walk), 0);
  if (!test_is_wine()) { /* which shows what it has read once */
    TRY_EQ(ovio_dir_next(&walk, &entry), 1);
    TRY_EQ(strcmp(entry.name, "x"), 0);
  }
  TRY_EQ(ovio_dir_next(&walk, &entry), 0);
  ovio_dir_end(&walk);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&folder), 0);
}

static void test_rewind_in_the_middle(struct test *test) {
  struct ovio_file folder;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[BUFFER / 8];
  TRY_EQ(folder_open(&folder, own(test, "rewind")), 0);
  TRY_EQ(put(&folder, "one"), 0);
  TRY_EQ(put(&folder, "two"), 0);
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  TRY_EQ(ovio_dir_next(&walk, &entry), 1);
  TRY_EQ(ovio_dir_rewind(&walk), 0);
  int count = 0;
  while (ovio_dir_next(&walk, &entry) == 1)
    count++;
  TRY_EQ(count, 2);
  ovio_dir_end(&walk);
  /* A second walk on the same file begins at its beginning. */
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  TRY_EQ(ovio_dir_next(&walk, &entry), 1);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&folder), 0);
}

static void test_types_and_inodes(struct test *test) {
  struct ovio_file folder;
  struct ovio_dir walk;
  struct ovio_entry entry;
  struct ovio_stat stat;
  uint64_t buffer[BUFFER / 8];
  int files = 0;
  int folders = 0;
  int links = 0;
  TRY_EQ(folder_open(&folder, own(test, "types")), 0);
  TRY_EQ(put(&folder, "file"), 0);
  TRY_EQ(ovio_mkdir(&folder, "folder", 0700), 0);
  char path[512];
  snprintf(path, sizeof path, "%s/link", test_path(own(test, "types")));
  bool linked = test_make_link("nowhere", path, false);
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  while (ovio_dir_next(&walk, &entry) == 1) {
    files += entry.type == OVIO_TYPE_FILE;
    folders += entry.type == OVIO_TYPE_DIRECTORY;
    links += entry.type == OVIO_TYPE_SYMLINK;
    TRY_EQ(ovio_stat_at(&folder, entry.name, OVIO_NOFOLLOW, &stat), 0);
    TRY(entry.inode == 0 || entry.inode == stat.inode);
    TRY_EQ(stat.type, entry.type);
  }
  ovio_dir_end(&walk);
  TRY_EQ(files, 1);
  TRY_EQ(folders, 1);
  TRY_EQ(links, linked);
  TRY_EQ(ovio_close(&folder), 0);
}

/* What the walk shows can be opened, whatever it is. */
static void test_names_come_back(struct test *test) {
  static const char *const names[] = {
      "na\xC3\xAFve \xE2\x98\x83 \xF0\x9D\x84\x9E",
      " space",
      "-",
      "..x",
      "\xEF\xBF\xBD",
      /* from here on not for Windows */
      "new\nline",
      "latin \xE4",
      "\xFF\xFE",
      "a\\b",
      "c:d",
      "trailing.",
  };
  const int count = os_path_separates('\\') ? 5 : 11;
  struct ovio_file folder;
  struct ovio_file file;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[BUFFER / 8];
  unsigned seen = 0;
  TRY_EQ(folder_open(&folder, own(test, "names")), 0);
  for (int at = 0; at < count; at++)
    TRY_EQ(put(&folder, names[at]), 0);
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  while (ovio_dir_next(&walk, &entry) == 1) {
    for (int at = 0; at < count; at++)
      seen |= strcmp(entry.name, names[at]) == 0 ? 1u << at : 0;
    TRY_EQ(ovio_openat(&file, &folder, entry.name, OVIO_READ, 0), 0);
    TRY_EQ(ovio_close(&file), 0);
    TRY_EQ(ovio_unlink(&folder, entry.name), 0);
  }
  TRY_EQ(seen, (1u << count) - 1);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&folder), 0);
}

/* 255 of the system's own units. */
static void test_longest_names(struct test *test) {
  struct ovio_file folder;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[OVIO_DIR_BUFFER_MIN / 8];
  char name[256];
  TRY_EQ(folder_open(&folder, own(test, "long")), 0);
  memset(name, 'n', 255);
  name[255] = 0;
  for (int at = 0; at < 20; at++) {
    name[0] = (char)('a' + at);
    TRY_EQ(put(&folder, name), 0);
  }
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  int count = 0;
  while (ovio_dir_next(&walk, &entry) == 1) {
    TRY_EQ(strlen(entry.name), 255);
    count++;
  }
  TRY_EQ(count, 20);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&folder), 0);
}

static void test_remove_while_walking(struct test *test) {
  struct ovio_file folder;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[OVIO_DIR_BUFFER_MIN / 8];
  char name[32];
  TRY_EQ(folder_open(&folder, own(test, "clear")), 0);
  for (int at = 0; at < 200; at++) {
    snprintf(name, sizeof name, "%d", at);
    TRY_EQ(put(&folder, name), 0);
  }
  /* What is there at the beginning is shown once, if it is not removed. */
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  int removed = 0;
  do {
    while (ovio_dir_next(&walk, &entry) == 1) {
      TRY_EQ(ovio_unlink(&folder, entry.name), 0);
      removed++;
    }
    TRY_EQ(ovio_dir_rewind(&walk), 0);
  } while (ovio_dir_next(&walk, &entry) == 1 &&
           ovio_unlink(&folder, entry.name) == 0 && ++removed);
  TRY_EQ(removed, 200);
  ovio_dir_end(&walk);
  TRY_EQ(ovio_close(&folder), 0);
}

static void test_bad_arguments(struct test *test) {
  struct ovio_file folder;
  struct ovio_file file;
  struct ovio_dir walk = {{0}};
  struct ovio_entry entry;
  uint64_t buffer[BUFFER / 8];
  TRY_EQ(ovio_dir_next(&walk, &entry), OVIO_EINVAL);
  TRY_EQ(ovio_dir_next(NULL, &entry), OVIO_EINVAL);
  TRY_EQ(ovio_dir_rewind(&walk), OVIO_EINVAL);
  ovio_dir_end(&walk);
  ovio_dir_end(NULL);
  TRY_EQ(folder_open(&folder, own(test, "bad")), 0);
  TRY_EQ(ovio_dir_begin(NULL, &folder, buffer, sizeof buffer), OVIO_EINVAL);
  TRY_EQ(ovio_dir_begin(&walk, NULL, buffer, sizeof buffer), OVIO_EINVAL);
  TRY_EQ(ovio_dir_begin(&walk, &folder, NULL, sizeof buffer), OVIO_EINVAL);
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, OVIO_DIR_BUFFER_MIN - 1),
         OVIO_EINVAL);
  TRY_EQ(ovio_open(&file, test_path("a-file"), OVIO_WRITE | OVIO_CREATE, 0600),
         0);
  TRY_EQ(ovio_dir_begin(&walk, &file, buffer, sizeof buffer), OVIO_ENOTDIR);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_dir_begin(&walk, &file, buffer, sizeof buffer), OVIO_EBADF);
  TRY_EQ(ovio_dir_begin(&walk, &folder, buffer, sizeof buffer), 0);
  TRY_EQ(ovio_dir_next(&walk, NULL), OVIO_EINVAL);
  TRY_EQ(ovio_close(&folder), 0);
  TRY_EQ(ovio_dir_next(&walk, &entry), OVIO_EBADF);
  ovio_dir_end(&walk);
}

/* ---- a callback and a cancelled task ---- */

struct scene {
  struct outcome outcome;
  struct ovio_dir walk;
  struct ovio_file inlined;
  int next;
  int made;
  int made_inline;
};

static void in_callback(struct ovio_op *op, int64_t result) {
  struct scene *scene = (struct scene *)(void *)op;
  struct ovio_entry entry;
  (void)result;
  scene->next = ovio_dir_next(&scene->walk, &entry);
  scene->made = ovio_mkdir(NULL, "never", 0700);
  scene->made_inline = ovio_mkdir(&scene->inlined, "made", 0700);
  atomic_fetch_add(&scene->outcome.calls, 1);
}

static void test_callback(struct test *test) {
  struct scene scene = {.next = 1};
  struct ovio_file folder;
  struct ovio_entry entry;
  uint64_t buffer[BUFFER / 8];
  TRY_EQ(folder_open(&folder, own(test, "callback")), 0);
  TRY_EQ(ovio_dir_begin(&scene.walk, &folder, buffer, sizeof buffer), 0);
  TRY_EQ(ovio_openat(&scene.inlined, &folder, ".", OVIO_DIRECTORY | OVIO_INLINE,
                     0),
         0);
  TRY_EQ(ovio_post(test->loop, &scene.outcome.op, in_callback), 0);
  AWAIT(scene.outcome.calls > 0);
  TRY_EQ(scene.next, OVIO_EDEADLK);
  TRY_EQ(scene.made, OVIO_EDEADLK);
  TRY_EQ(scene.made_inline, 0);
  TRY_EQ(ovio_close(&scene.inlined), 0);
  TRY_EQ(ovio_dir_next(&scene.walk, &entry), 1); /* it goes on as before */
  TRY_EQ(strcmp(entry.name, "made"), 0);
  ovio_dir_end(&scene.walk);
  TRY_EQ(ovio_close(&folder), 0);
}

struct late {
  struct ovio_file *folder;
  int walked;
  int made;
  int removed;
};

static void too_late(void *argument) {
  struct late *late = argument;
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[BUFFER / 8];
  ovio_dir_begin(&walk, late->folder, buffer, sizeof buffer);
  late->walked = ovio_dir_next(&walk, &entry);
  late->made = ovio_mkdir(late->folder, "made", 0700);
  late->removed = ovio_unlink(late->folder, "there");
  ovio_dir_end(&walk);
}

static void test_cancelled_task(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  struct ovio_file folder;
  struct ovio_group group;
  struct late late = {.folder = &folder};
  struct ovio_stat stat;
  TRY_EQ(folder_open(&folder, own(test, "cancelled")), 0);
  TRY_EQ(put(&folder, "there"), 0);
  ovio_group_init(&group);
  TRY_EQ(ovio_group_spawn(&group, test->loop, too_late, &late), 0);
  ovio_group_cancel(&group);
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(late.walked, OVIO_ECANCELED);
  TRY_EQ(late.made, OVIO_ECANCELED);
  TRY_EQ(late.removed, OVIO_ECANCELED);
  TRY_EQ(ovio_stat_at(&folder, "made", 0, &stat), OVIO_ENOENT);
  TRY_EQ(ovio_stat_at(&folder, "there", 0, &stat), 0);
  TRY_EQ(ovio_close(&folder), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_every_name_once),
      TEST(test_empty_and_odd_buffer),
      TEST(test_rewind_in_the_middle),
      TEST(test_types_and_inodes),
      TEST(test_names_come_back),
      TEST(test_longest_names),
      TEST(test_remove_while_walking),
      TEST(test_bad_arguments),
      TEST_LOOP(test_callback, "needs a loop for the callback"),
      TEST_LOOP(test_cancelled_task, "only a task can be cancelled"),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
