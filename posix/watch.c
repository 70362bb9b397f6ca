/* SPDX-License-Identifier: MIT */
/* Watching: inotify(7).
 *
 * A watch of inotify's is for one directory, so a tree has one for each, a node
 * here. Two roots may meet in a directory: then the kernel has one watch, and
 * here are two nodes, each of which is told.
 *
 * A TREE GROWS while it is watched: what is in a new directory may be older
 * than its watch. So it is listed after the watch stands, and what is found is
 * told as created (`found`), perhaps twice. A directory that leaves takes its
 * nodes along, and is new where it arrives. */
#include "posix/side.h"

#include <string.h>

#include "common/memory.h"

#if NATIVE_HAS_INOTIFY
enum { READ_ROOM = 65536, LIST_ROOM = 32768, BUCKETS = 1024 };

static const uint32_t watch__mask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE |
                                    IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                    IN_DELETE_SELF | IN_ONLYDIR;

/* A directory of a root. */
struct node {
  struct node *next;
  struct os_root *root;
  uint64_t serial; /* later ones have larger ones */
  int wd;
  char path[]; /* from the root; "": that itself */
};

/* To be told as created, and, if it is a directory, to be looked into. */
struct found {
  struct found *next;
  struct os_root *root;
  bool directory;
  char path[];
};

struct os_watch {
  int fd;
  struct native_wakeup wakeup;
  struct node *nodes[BUCKETS]; /* by wd */
  uint64_t last_serial;
  struct found *first;
  struct found **last;
  char *told; /* the path of the change that was taken last */
  size_t used;
  size_t at;      /* of the record under way in `records` */
  uint64_t after; /* nodes up to this one have been told of it */
  _Alignas(struct inotify_event) char records[READ_ROOM];
};

/* ---- create, destroy ---- */

struct os_result os_watch_create(struct os_watch **out) {
  struct os_watch *watch = memory_allocate(sizeof(*watch));
  if (!watch)
    return (struct os_result){OVIO_ENOMEM, 0};
  watch->fd = native.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch->fd < 0) {
    struct os_result result = native_failure(errno);
    memory_free(watch);
    return result;
  }
  int error = native_wakeup_open(&watch->wakeup);
  if (error) {
    native.close(watch->fd);
    memory_free(watch);
    return (struct os_result){error, 0};
  }
  watch->last = &watch->first;
  *out = watch;
  return (struct os_result){0, 0};
}

void os_watch_destroy(struct os_watch *watch) {
  native_wakeup_close(&watch->wakeup);
  native.close(watch->fd);
  memory_free(watch->told);
  memory_free(watch);
}

/* ---- nodes ---- */

/* "root/path", or with `name` "path/name", less what is empty. */
static char *watch__join(const char *path, const char *name) {
  size_t length = strlen(path);
  size_t more = strlen(name);
  char *joined = memory_allocate(length + more + 2);
  if (!joined)
    return NULL;
  memcpy(joined, path, length);
  if (length && more && joined[length - 1] != '/')
    joined[length++] = '/';
  memcpy(joined + length, name, more + 1);
  return joined;
}

static struct node **watch__bucket(struct os_watch *watch, int wd) {
  return &watch->nodes[(unsigned)wd % BUCKETS];
}

static bool watch__has(struct os_watch *watch, int wd) {
  for (const struct node *node = *watch__bucket(watch, wd); node;
       node = node->next) {
    if (node->wd == wd)
      return true;
  }
  return false;
}

/* Takes one out; the kernel's watch goes with the last of its nodes. */
static void watch__remove_node(struct os_watch *watch, struct node **at) {
  struct node *node = *at;
  *at = node->next;
  if (!watch__has(watch, node->wd))
    (void)native.inotify_rm_watch(watch->fd, node->wd);
  memory_free(node);
}

/* Is `path` in the directory, or the same? "": everything is. */
static bool watch__is_below(const char *path, const char *directory) {
  size_t length = strlen(directory);
  return length == 0 || (strncmp(path, directory, length) == 0 &&
                         (path[length] == '/' || !path[length]));
}

static void watch__remove_below(struct os_watch *watch,
                                const struct os_root *root,
                                const char *directory) {
  for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
    struct node **at = &watch->nodes[bucket];
    while (*at) {
      if ((*at)->root == root && watch__is_below((*at)->path, directory))
        watch__remove_node(watch, at);
      else
        at = &(*at)->next;
    }
  }
}

static int watch__add_node(struct os_watch *watch, struct os_root *root,
                           const char *path) {
  size_t length = strlen(path) + 1;
  struct node *node = memory_allocate(sizeof(*node) + length);
  char *whole = watch__join(root->side, path);
  int error = node && whole ? 0 : ENOMEM;
  if (!error) {
    node->wd = native.inotify_add_watch(
        watch->fd, whole, watch__mask | (*path ? IN_DONT_FOLLOW : 0u));
    error = node->wd < 0 ? errno : 0;
  }
  memory_free(whole);
  if (error) {
    memory_free(node);
    return error;
  }
  memcpy(node->path, path, length);
  node->root = root;
  node->serial = ++watch->last_serial;
  struct node **bucket = watch__bucket(watch, node->wd);
  node->next = *bucket;
  *bucket = node;
  return 0;
}

/* ---- what is found in directories ---- */

static int watch__find(struct os_watch *watch, struct os_root *root,
                       const char *directory, const char *name,
                       bool is_directory) {
  char *path = watch__join(directory, name);
  size_t length = path ? strlen(path) + 1 : 0;
  struct found *found = path ? memory_allocate(sizeof(*found) + length) : NULL;
  if (found) {
    found->root = root;
    found->directory = is_directory;
    memcpy(found->path, path, length);
    *watch->last = found;
    watch->last = &found->next;
  }
  memory_free(path);
  return found ? 0 : OVIO_ENOMEM;
}

static struct found *watch__take_found(struct os_watch *watch) {
  struct found *found = watch->first;
  watch->first = found->next;
  if (!watch->first)
    watch->last = &watch->first;
  return found;
}

static void watch__forget_found(struct os_watch *watch,
                                const struct os_root *root) {
  struct found **at = &watch->first;
  while (*at) {
    struct found *found = *at;
    if (found->root == root) {
      *at = found->next;
      memory_free(found);
    } else {
      at = &found->next;
    }
  }
  watch->last = at;
}

/* What a listing is for: everything is told, or (`quiet`) only directories are
 * to be looked into. */
struct listing {
  struct os_watch *watch;
  struct os_root *root;
  const char *path;
  bool quiet;
};

static int listing__find(const struct listing *listing,
                         const struct ovio_entry *entry) {
  bool directory = entry->type == OVIO_TYPE_DIRECTORY;
  if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0 ||
      (listing->quiet && !directory))
    return 0;
  return watch__find(listing->watch, listing->root, listing->path, entry->name,
                     directory);
}

static int64_t listing__walk(const struct listing *listing,
                             struct os_directory *directory) {
  struct ovio_entry entry;
  char name[OS_NAME_MAX];
  struct os_result filled;
  while ((filled = os_directory_fill(directory)).value > 0) {
    int next;
    while ((next = os_directory_next(directory, &entry, name)) > 0) {
      int error = listing__find(listing, &entry);
      if (error)
        return error;
    }
    if (next < 0)
      return next;
  }
  return filled.value;
}

static int64_t listing__run(const struct listing *listing, const char *whole,
                            void *buffer) {
  struct os_file file = {0};
  unsigned nofollow = *listing->path ? OVIO_NOFOLLOW : 0u;
  struct os_result result =
      os_file_open(&file, NULL, whole, OVIO_DIRECTORY | nofollow, 0);
  if (result.value < 0)
    return result.value;
  struct os_directory directory = {
      .file = &file, .buffer = buffer, .length = LIST_ROOM};
  int64_t error = listing__walk(listing, &directory);
  os_directory_end(&directory);
  (void)os_file_close(&file, 0);
  return error;
}

static int64_t watch__list(struct os_watch *watch, struct os_root *root,
                           const char *path, bool quiet) {
  struct listing listing = {watch, root, path, quiet};
  char *whole = watch__join(root->side, path);
  void *buffer = memory_allocate(LIST_ROOM);
  int64_t error =
      whole && buffer ? listing__run(&listing, whole, buffer) : OVIO_ENOMEM;
  memory_free(buffer);
  memory_free(whole);
  return error;
}

/* A directory of a tree: watched first, then listed. What has gone meanwhile is
 * no failure. */
static int64_t watch__enter(struct os_watch *watch, struct os_root *root,
                            const char *path, bool quiet) {
  int error = watch__add_node(watch, root, path);
  if (*path && (error == ENOENT || error == ENOTDIR || error == ELOOP))
    return 0;
  if (error)
    return error == ENOSPC ? OVIO_ENOBUFS : os_error_map((uint32_t)error);
  int64_t listed = root->tree ? watch__list(watch, root, path, quiet) : 0;
  if (*path && (listed == OVIO_ENOENT || listed == OVIO_ENOTDIR ||
                listed == OVIO_ELOOP || listed == OVIO_EACCES))
    return 0;
  return listed;
}

/* ---- add, remove ---- */

struct os_result os_watch_add(struct os_watch *watch, struct os_root *root,
                              const char *directory) {
  char path[PATH_MAX];
  const struct os_name name = {NULL, directory};
  struct os_result result = os_name_resolve(&name, path, sizeof(path));
  if (result.value < 0)
    return result;
  /* What was found before belongs to others: it is told later. */
  struct found *others = watch->first;
  struct found **last = watch->last;
  watch->first = NULL;
  watch->last = &watch->first;
  root->side = watch__join(path, "");
  result.value = root->side ? watch__enter(watch, root, "", true) : OVIO_ENOMEM;
  while (watch->first) {
    struct found *found = watch__take_found(watch);
    if (result.value >= 0)
      result.value = watch__enter(watch, root, found->path, true);
    memory_free(found);
  }
  if (others) {
    watch->first = others;
    watch->last = last;
  }
  if (result.value < 0)
    os_watch_remove(watch, root);
  return result.value < 0 ? result : (struct os_result){0, 0};
}

void os_watch_remove(struct os_watch *watch, struct os_root *root) {
  watch__remove_below(watch, root, "");
  watch__forget_found(watch, root);
  memory_free(root->side);
  root->side = NULL;
}

/* ---- waiting ---- */

static int watch__timeout_ms(int64_t timeout_ns) {
  return timeout_ns < 0 ? -1 : (int)((timeout_ns + 999999) / 1000000);
}

struct os_result os_watch_wait(struct os_watch *watch, int64_t timeout_ns,
                               struct os_waiter *waiter) {
  struct native_wakeup *interrupt =
      waiter ? (struct native_wakeup *)(void *)waiter->words : NULL;
  struct pollfd set[3] = {
      {.fd = watch->fd, .events = POLLIN},
      {.fd = watch->wakeup.read_end, .events = POLLIN},
      {.fd = interrupt ? interrupt->read_end : -1, .events = POLLIN}};
  for (;;) {
    if (interrupt && atomic_load(&interrupt->raised))
      return (struct os_result){OVIO_ECANCELED, 0};
    int ready = native.poll(set, 3, watch__timeout_ms(timeout_ns));
    if (ready < 0 && errno != EINTR)
      return native_failure(errno);
    if (ready > 0 && set[1].revents)
      native_wakeup_lower(&watch->wakeup);
    if (ready == 0 || (ready > 0 && (set[0].revents || set[1].revents)))
      return (struct os_result){ready > 0 && set[0].revents, 0};
    if (ready > 0)
      native_wakeup_drain(interrupt);
  }
}

/* ---- taking ---- */

bool native_inotify_next(const char *records, size_t used, size_t at,
                         struct inotify_event *out, const char **name) {
  if (used < sizeof(*out) || at > used - sizeof(*out))
    return false;
  memcpy(out, records + at, sizeof(*out));
  *name = records + at + sizeof(*out);
  if (out->len > used - at - sizeof(*out))
    return false;
  if (out->len == 0)
    *name = "";
  return out->len == 0 || memchr(*name, 0, out->len);
}

static unsigned watch__kind(uint32_t mask) {
  if (mask & IN_Q_OVERFLOW)
    return OS_CHANGE_LOST;
  if (mask & (IN_DELETE_SELF | IN_UNMOUNT))
    return OS_CHANGE_GONE;
  if (mask & IN_CREATE)
    return OS_CHANGE_CREATED;
  if (mask & IN_DELETE)
    return OS_CHANGE_DELETED;
  if (mask & IN_MOVED_FROM)
    return OS_CHANGE_FROM;
  if (mask & IN_MOVED_TO)
    return OS_CHANGE_TO;
  return mask & IN_CLOSE_WRITE ? OS_CHANGE_WRITTEN : OS_CHANGE_MODIFIED;
}

static struct os_result watch__tell(struct os_watch *watch,
                                    struct os_change *out, unsigned kind,
                                    struct os_root *root, char *path) {
  memory_free(watch->told);
  watch->told = path;
  *out = (struct os_change){.kind = kind, .root = root, .path = path};
  return (struct os_result){1, 0};
}

/* The first found one. */
static struct os_result watch__tell_found(struct os_watch *watch,
                                          struct os_change *out) {
  char *path = watch__join(watch->first->path, "");
  if (!path)
    return (struct os_result){OVIO_ENOMEM, 0};
  struct found *found = watch__take_found(watch);
  int64_t entered = found->directory
                        ? watch__enter(watch, found->root, found->path, false)
                        : 0;
  unsigned kind = entered < 0 ? OS_CHANGE_LOST : OS_CHANGE_CREATED;
  struct os_result result = watch__tell(watch, out, kind, found->root, path);
  out->directory = found->directory;
  memory_free(found);
  return result;
}

/* Of those that have this directory, the next to be told. */
static struct node *watch__next_node(struct os_watch *watch, int wd) {
  struct node *next = NULL;
  for (struct node *node = *watch__bucket(watch, wd); node; node = node->next) {
    if (node->wd == wd && node->serial > watch->after &&
        (!next || node->serial < next->serial))
      next = node;
  }
  return next;
}

/* A tree follows what comes and goes. */
static unsigned watch__follow(struct os_watch *watch, struct node *node,
                              unsigned kind, const char *path) {
  struct os_root *root = node->root;
  if (!root->tree)
    return kind;
  if (kind == OS_CHANGE_FROM || kind == OS_CHANGE_DELETED)
    watch__remove_below(watch, root, path);
  if ((kind == OS_CHANGE_CREATED || kind == OS_CHANGE_TO) &&
      watch__enter(watch, root, path, false) < 0)
    return OS_CHANGE_LOST;
  return kind;
}

/* One record for one node: 1, 0: of no interest, or an error. */
static struct os_result watch__tell_node(struct os_watch *watch,
                                         struct os_change *out,
                                         struct node *node,
                                         const struct inotify_event *event,
                                         const char *name) {
  unsigned kind = watch__kind(event->mask);
  bool directory = (event->mask & IN_ISDIR) != 0;
  if (kind == OS_CHANGE_GONE && *node->path)
    return (struct os_result){0, 0}; /* its own directory tells */
  if (kind != OS_CHANGE_GONE && !event->len)
    return (struct os_result){0, 0};
  char *path = watch__join(node->path, name);
  if (!path)
    return (struct os_result){OVIO_ENOMEM, 0};
  struct os_root *root = node->root;
  if (directory)
    kind = watch__follow(watch, node, kind, path);
  struct os_result result = watch__tell(watch, out, kind, root, path);
  out->cookie = event->cookie;
  out->directory = directory;
  return result;
}

static void watch__next_record(struct os_watch *watch,
                               const struct inotify_event *event) {
  watch->at += sizeof(*event) + event->len;
  watch->after = 0;
}

/* The kernel's watch is gone: so are its nodes. */
static void watch__forget(struct os_watch *watch, int wd) {
  struct node **at = watch__bucket(watch, wd);
  while (*at) {
    struct node *node = *at;
    if (node->wd == wd) {
      *at = node->next;
      memory_free(node);
    } else {
      at = &node->next;
    }
  }
}

/* What is left of the record under way: as above. */
static struct os_result watch__tell_record(struct os_watch *watch,
                                           struct os_change *out,
                                           const struct inotify_event *event,
                                           const char *name) {
  if (event->mask & IN_Q_OVERFLOW) {
    watch__next_record(watch, event);
    char *nothing = watch__join("", "");
    return nothing ? watch__tell(watch, out, OS_CHANGE_LOST, NULL, nothing)
                   : (struct os_result){OVIO_ENOMEM, 0};
  }
  struct node *node = watch__next_node(watch, event->wd);
  if (!node) {
    if (event->mask & IN_IGNORED)
      watch__forget(watch, event->wd);
    watch__next_record(watch, event);
    return (struct os_result){0, 0};
  }
  uint64_t serial = node->serial;
  struct os_result result = {0, 0};
  if (!(event->mask & IN_IGNORED))
    result = watch__tell_node(watch, out, node, event, name);
  if (result.value >= 0)
    watch->after = serial;
  return result;
}

/* Bytes, 0: nothing is there, or an error. */
static struct os_result watch__read(struct os_watch *watch) {
  ssize_t got;
  do
    got = native.read(watch->fd, watch->records, sizeof(watch->records));
  while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN)
    return (struct os_result){0, 0};
  if (got < 0)
    return native_failure(errno);
  watch->used = (size_t)got;
  watch->at = 0;
  return (struct os_result){got, 0};
}

struct os_result os_watch_take(struct os_watch *watch, struct os_change *out) {
  struct os_result result = {0, 0};
  while (result.value == 0) {
    struct inotify_event event;
    const char *name;
    if (watch->first && watch->after == 0)
      return watch__tell_found(watch, out);
    if (native_inotify_next(watch->records, watch->used, watch->at, &event,
                            &name)) {
      result = watch__tell_record(watch, out, &event, name);
      continue;
    }
    watch->used = 0;
    result = watch__read(watch);
    if (result.value <= 0)
      return result;
    result.value = 0;
  }
  return result;
}

void os_watch_wake(struct os_watch *watch) {
  native_wakeup_raise(&watch->wakeup);
}
#endif
