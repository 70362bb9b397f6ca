/* SPDX-License-Identifier: MIT */
/* Watching: what the calls by name do is told to all watches whose roots it is
 * below. One that has too much to tell loses some, and says so; and so does one
 * now and then without that. */
#include "tests/fake/fake.h"

#include <string.h>

#include "common/memory.h"

enum { ROOM = 64, TARGETS_MAX = 8, PATH_ROOM = 96 };

struct change {
  unsigned kind;
  struct os_root *root;
  uint32_t cookie;
  bool directory;
  char path[PATH_ROOM];
};

/* root->side */
struct fake_root {
  struct fake_root *next;
  struct os_watch *watch;
  struct os_root *root;
  const struct fake_node *node;
};

struct os_watch {
  struct change all[ROOM];
  unsigned count;
  struct change told;
  bool woken;
  bool lost;
};

static struct fake_root *watch__roots;
static uint32_t watch__cookie;

/* ---- telling ---- */

/* After what it has, and before what comes once that has been told. */
static void watch__put(struct os_watch *watch, const struct change *change) {
  watch->lost =
      watch->lost || watch->count == ROOM - TARGETS_MAX || fake_chance(1);
  if (!watch->lost)
    watch->all[watch->count++] = *change;
}

/* The path from `root` of a name in `parent`; false: it is not below it, or
 * deeper than what is watched. */
static bool watch__path(const struct fake_root *root,
                        const struct fake_node *parent, const char *name,
                        char path[PATH_ROOM]) {
  char above[PATH_ROOM];
  size_t length = strlen(name);
  CHECK(length < PATH_ROOM);
  memcpy(path, name, length + 1);
  for (; parent != root->node; parent = fake_node_parent(parent)) {
    if (!parent || !root->root->tree)
      return false;
    const char *upper = fake_node_name(parent);
    size_t more = strlen(upper);
    length = strlen(path);
    CHECK(more + length + 2 < PATH_ROOM);
    memcpy(above, upper, more);
    above[more] = '/';
    memcpy(above + more + 1, path, length + 1);
    memcpy(path, above, more + length + 2);
  }
  return true;
}

uint32_t fake_watch_cookie(void) {
  return ++watch__cookie;
}

void fake_watch_tell(unsigned kind, const struct fake_node *parent,
                     const char *name, bool directory, uint32_t cookie) {
  for (struct fake_root *root = watch__roots; root; root = root->next) {
    struct change change = {kind, root->root, cookie, directory, {0}};
    if (watch__path(root, parent, name, change.path))
      watch__put(root->watch, &change);
  }
}

void fake_watch_gone(const struct fake_node *node) {
  for (struct fake_root *root = watch__roots; root; root = root->next) {
    struct change change = {OS_CHANGE_GONE, root->root, 0, true, {0}};
    if (root->node != node)
      continue;
    root->watch->all[root->watch->count++] = change; /* never lost */
    root->node = NULL;
  }
}

/* ---- watch.c ---- */

struct os_result os_watch_create(struct os_watch **watch) {
  if (fake_chance(3))
    return (struct os_result){OVIO_EMFILE, 24};
  *watch = memory_allocate(sizeof **watch);
  return (struct os_result){*watch ? 0 : OVIO_ENOMEM, 12};
}

void os_watch_destroy(struct os_watch *watch) {
  for (const struct fake_root *root = watch__roots; root; root = root->next)
    CHECK(root->watch != watch);
  memory_free(watch);
}

struct os_result os_watch_add(struct os_watch *watch, struct os_root *root,
                              const char *directory) {
  if (fake_on_thread())
    fake_pause(false);
  const struct fake_node *node = fake_node_at(directory);
  if (!node)
    return (struct os_result){OVIO_ENOENT, 2};
  struct fake_root *it = memory_allocate(sizeof *it);
  if (!it)
    return (struct os_result){OVIO_ENOMEM, 12};
  *it = (struct fake_root){watch__roots, watch, root, node};
  watch__roots = it;
  root->side = it;
  return (struct os_result){0, 0};
}

/* What it has not told is forgotten. */
void os_watch_remove(struct os_watch *watch, struct os_root *root) {
  struct fake_root *it = root->side;
  struct fake_root **at = &watch__roots;
  unsigned kept = 0;
  while (*at != it)
    at = &(*at)->next;
  *at = it->next;
  memory_free(it);
  for (unsigned from = 0; from < watch->count; from++) {
    if (watch->all[from].root != root)
      watch->all[kept++] = watch->all[from];
  }
  watch->count = kept;
}

struct os_result os_watch_wait(struct os_watch *watch, int64_t timeout_ns,
                               struct os_waiter *waiter) {
  int64_t until_ns = timeout_ns < 0 ? INT64_MAX : os_clock_ns() + timeout_ns;
  for (struct fake_wait wait = {0};;) {
    if (waiter && fake_waiter_is_raised(waiter))
      return (struct os_result){OVIO_ECANCELED, 0};
    if (watch->woken || watch->count || watch->lost ||
        os_clock_ns() >= until_ns) {
      watch->woken = false;
      return (struct os_result){watch->count || watch->lost, 0};
    }
    fake_wait_until(&wait, timeout_ns < 0 ? 0 : until_ns, "os_watch_wait");
  }
}

struct os_result os_watch_take(struct os_watch *watch, struct os_change *out) {
  struct change *told = &watch->told;
  *told = (struct change){.kind = OS_CHANGE_LOST};
  if (watch->count) {
    *told = watch->all[0];
    memmove(watch->all, watch->all + 1, --watch->count * sizeof watch->all[0]);
  } else if (watch->lost) {
    watch->lost = false;
  } else {
    return (struct os_result){0, 0};
  }
  *out = (struct os_change){told->kind, told->root, told->path, told->cookie,
                            told->directory};
  return (struct os_result){1, 0};
}

void os_watch_wake(struct os_watch *watch) {
  watch->woken = true;
}
