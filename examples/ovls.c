/* SPDX-License-Identifier: MIT */
/* ovls: lists directories, one task for each.
 *
 *   ovls [DIRECTORY]...
 *
 * The body of list() is written as if it blocked. Called from main() it would;
 * called as a task it lets the others go on while the disk is asked. */
#include <inttypes.h>
#include <ovio.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void complain(const char *path, int error) {
  fprintf(stderr, "ovls: %s: %s\n", path, ovio_error_text(error));
  failures++;
}

static char letter(uint32_t type) {
  switch (type) {
  case OVIO_TYPE_FILE:
    return '-';
  case OVIO_TYPE_DIRECTORY:
    return 'd';
  case OVIO_TYPE_SYMLINK:
    return 'l';
  default:
    return '?';
  }
}

/* One line. What has gone away meanwhile is left out. */
static void show(const char *path, struct ovio_file *directory,
                 const struct ovio_entry *entry) {
  struct ovio_stat stat;
  int error = ovio_stat_at(directory, entry->name, OVIO_NOFOLLOW, &stat);
  if (!error)
    printf("%c %12" PRId64 " %s/%s\n", letter(stat.type), stat.size, path,
           entry->name);
  else if (error != OVIO_ENOENT)
    complain(entry->name, error);
}

static int show_all(const char *path, struct ovio_file *directory) {
  struct ovio_dir walk;
  struct ovio_entry entry;
  uint64_t buffer[2048];
  int found = ovio_dir_begin(&walk, directory, buffer, sizeof buffer);
  while (found >= 0 && (found = ovio_dir_next(&walk, &entry)) > 0)
    show(path, directory, &entry);
  ovio_dir_end(&walk);
  return found;
}

static void list(void *argument) {
  const char *path = argument;
  struct ovio_file directory;
  int error = ovio_open(&directory, path, OVIO_DIRECTORY, 0);
  if (!error) {
    error = show_all(path, &directory);
    ovio_close(&directory);
  }
  if (error)
    complain(path, error);
}

int main(int argc, char **argv) {
  static char here[] = ".";
  struct ovio_loop *loop;
  int error = ovio_loop_create(&loop, NULL);
  if (error) {
    complain("loop", error);
    return EXIT_FAILURE;
  }
  for (int at = 1; at < argc && !error; at++)
    error = ovio_spawn(loop, list, argv[at]);
  if (argc < 2)
    error = ovio_spawn(loop, list, here);
  if (error)
    complain("task", error);
  error = ovio_loop_run(loop);
  if (error)
    complain("loop", error);
  ovio_loop_destroy(loop);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
