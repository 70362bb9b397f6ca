/* SPDX-License-Identifier: MIT */
/* Records of inotify(7), of any bytes: taken apart one by one, and then by a
 * watch with two trees. The kernel's part is played by the input: it says what
 * numbers inotify_add_watch(2) answers, and what read(2) does. */
#include "posix/side.h"

#include "fuzz.h"

#include "common/memory.h"

#if NATIVE_HAS_INOTIFY

static void parse(const uint8_t *data, size_t length) {
  struct inotify_event event;
  const char *name;
  size_t at = 0;
  char *records = fuzz_allocate(length);
  memcpy(records, data, length);
  while (native_inotify_next(records, length, at, &event, &name)) {
    at += sizeof event + event.len;
    FUZZ_CHECK(at <= length);
    FUZZ_CHECK(strlen(name) < (event.len ? event.len : 1));
  }
  free(records);
}

/* ---- a watch ---- */

static struct input records;
static unsigned numbers;

/* A record as the kernel would write it, but for what it says. */
static size_t make_record(char *out) {
  static const uint32_t masks[] = {
      IN_CREATE,     IN_MODIFY,      IN_CLOSE_WRITE, IN_DELETE,  IN_MOVED_TO,
      IN_MOVED_FROM, IN_DELETE_SELF, IN_UNMOUNT,     IN_IGNORED, IN_Q_OVERFLOW};
  unsigned choice = input_byte(&records);
  struct input name = input_part(&records, input_byte(&records) % 20);
  struct inotify_event event = {
      .wd = (int)(input_byte(&records) % 6),
      .mask = masks[choice % (sizeof masks / sizeof *masks)],
      .cookie = input_byte(&records),
      .len = (uint32_t)(name.left ? name.left + 1 : 0)};
  event.mask |= choice & 128 ? IN_ISDIR : 0;
  memcpy(out, &event, sizeof event);
  if (name.left) {
    memcpy(out + sizeof event, name.at, name.left);
    out[sizeof event + name.left] = 0;
  }
  return sizeof event + event.len;
}

/* Right records, or any bytes. */
static ssize_t fake_read(int fd, void *buffer, size_t length) {
  (void)fd;
  if (records.left == 0) {
    errno = EAGAIN;
    return -1;
  }
  unsigned choice = input_byte(&records);
  if (choice % 8) {
    size_t used = 0;
    for (unsigned count = choice % 8; count > 0; count--)
      used += make_record((char *)buffer + used);
    return (ssize_t)used;
  }
  struct input part = input_part(&records, 1 + choice);
  if (part.left > length)
    part.left = length;
  memcpy(buffer, part.at, part.left);
  return (ssize_t)part.left;
}

/* Numbers come again, as when two names lead to one directory. */
static int fake_add_watch(int fd, const char *path, uint32_t mask) {
  (void)fd;
  (void)mask;
  FUZZ_CHECK(strlen(path) > 0);
  numbers = numbers * 5 + 1;
  if (numbers % 16 == 15) {
    errno = numbers % 32 == 15 ? ENOENT : ENOSPC;
    return -1;
  }
  return (int)(numbers % 4) + 1;
}

static int fake_rm_watch(int fd, int number) {
  (void)fd;
  FUZZ_CHECK(number > 0);
  return 0;
}

/* Nothing on this machine is to be listed. */
static int fake_openat(int dir, const char *path, int flags, mode_t mode) {
  (void)dir;
  (void)path;
  (void)flags;
  (void)mode;
  errno = ENOENT;
  return -1;
}

static char *fake_realpath(const char *path, char *out) {
  memcpy(out, path, strlen(path) + 1);
  return out;
}

static void take_all(struct os_watch *watch, const struct os_root *roots) {
  struct os_change change;
  struct os_result result;
  while ((result = os_watch_take(watch, &change)).value > 0) {
    FUZZ_CHECK(change.kind >= OS_CHANGE_CREATED);
    FUZZ_CHECK(change.kind <= OS_CHANGE_GONE);
    FUZZ_CHECK(change.kind == OS_CHANGE_LOST || change.root == &roots[0] ||
               change.root == &roots[1]);
    FUZZ_CHECK(!change.path || strlen(change.path) < 1 << 20);
  }
  FUZZ_CHECK(result.value <= 0);
}

static void watch(void) {
  long alive = memory_alive;
  struct os_root roots[2] = {{.tree = true}, {.tree = numbers % 2 == 0}};
  struct os_watch *watch;
  FUZZ_CHECK(os_watch_create(&watch).value == 0);
  bool first = os_watch_add(watch, &roots[0], "/first").value == 0;
  bool second = os_watch_add(watch, &roots[1], "/second/").value == 0;
  take_all(watch, roots);
  if (first)
    os_watch_remove(watch, &roots[0]);
  if (second)
    os_watch_remove(watch, &roots[1]);
  os_watch_destroy(watch);
  FUZZ_CHECK(memory_alive == alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  struct native_calls real = native;
  parse(data, length);
  records = (struct input){data, length};
  numbers = input_byte(&records);
  native.read = fake_read;
  native.inotify_add_watch = fake_add_watch;
  native.inotify_rm_watch = fake_rm_watch;
  native.openat = fake_openat;
  native.realpath = fake_realpath;
  watch();
  native = real;
  return 0;
}

#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  (void)data;
  (void)length;
  return 0;
}
#endif
