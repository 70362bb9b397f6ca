/* SPDX-License-Identifier: MIT */
/* Watching directories and files.
 *
 * A side tells what changed below a directory (os.h, watch.c); here that
 * becomes events: a file is watched by its directory and its name, so that it
 * may go and come again; the two halves of a renaming become one event.
 *
 * PAIRS. The half that leaves is kept until its target's next change: if that
 * is the other half, one RENAMED comes of them, else a DELETED, and the change
 * itself is next (`held`). When nothing comes for a moment, it was moved away.
 *
 * OWNED. What is watched is changed, and told, by one at a time. That may be a
 * task that waits for a worker meanwhile, so `owned` is no mutex: others pause.
 * Nobody adds or removes while the system is being waited at: who wants to gets
 * the waiter out first (`wanted`). */
#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"

#include <string.h>

#define PAIR_NS 10000000 /* after that, a half without its other is alone */
#define NAP_NS  1000000

/* What the user has added. */
struct target {
  struct os_root root; /* first: changes give its address */
  struct target *next;
  void *user;
  int number;
  char *name;     /* of a file in the root; NULL: the root itself */
  char *old_path; /* of a renaming that is half done, or NULL */
  uint32_t cookie;
  bool old_directory;
};

struct watch {
  struct os_watch *os;
  atomic_bool owned;
  atomic_bool busy;       /* somebody is in ovio_watch_next() */
  atomic_bool waiting;    /* and in the system's call there */
  atomic_uint wanted;     /* by so many who want to change what is watched */
  struct target *targets; /* from here on, the owner's */
  int last_number;
  struct os_change change;
  bool held;  /* `change` has not been told yet */
  char *told; /* the last event's old path */
  bool closing;
};

static struct watch *watch__of(struct ovio_watch *watch) {
  return (struct watch *)(void *)watch;
}

static struct target *target__of(struct os_root *root) {
  return (struct target *)(void *)root;
}

static char *watch__copy(const char *text, size_t length) {
  char *copy = memory_allocate(length + 1);
  if (copy) {
    memcpy(copy, text, length);
    copy[length] = 0;
  }
  return copy;
}

/* ---- one at a time ---- */

static void watch__nap(void) {
  struct runner *runner = runner_current();
  if (runner && runner->task)
    ovio_yield();
  else
    os_sleep_ns(NAP_NS);
}

static bool watch__is_callback(void) {
  struct runner *runner = runner_current();
  return runner && !runner->task;
}

static bool watch__try_enter(struct watch *watch) {
  if (atomic_load(&watch->waiting) || atomic_exchange(&watch->owned, true))
    return false;
  if (!atomic_load(&watch->waiting))
    return true;
  atomic_store(&watch->owned, false);
  return false;
}

/* Owns it, with nobody waiting. OVIO_EDEADLK: a callback must not wait. */
static int watch__enter(struct watch *watch) {
  atomic_fetch_add(&watch->wanted, 1);
  while (!watch__try_enter(watch)) {
    if (watch__is_callback()) {
      atomic_fetch_sub(&watch->wanted, 1);
      return OVIO_EDEADLK;
    }
    os_watch_wake(watch->os);
    watch__nap();
  }
  atomic_fetch_sub(&watch->wanted, 1);
  return 0;
}

static void watch__leave(struct watch *watch) {
  atomic_store(&watch->owned, false);
}

/* ---- create, close ---- */

int ovio_watch_create(struct ovio_watch **out) {
  if (!out)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *out = NULL;
  struct watch *watch = memory_allocate(sizeof *watch);
  if (!watch)
    return (int)runner_answer(OVIO_ENOMEM, 0);
  struct os_result result = os_watch_create(&watch->os);
  if (result.value < 0) {
    memory_free(watch);
    return (int)runner_answer(result.value, result.native);
  }
  *out = (struct ovio_watch *)(void *)watch;
  return 0;
}

static void target__free(struct target *target) {
  memory_free(target->name);
  memory_free(target->old_path);
  memory_free(target);
}

static void watch__drop(struct watch *watch, struct target *target) {
  struct target **at = &watch->targets;
  while (*at != target)
    at = &(*at)->next;
  *at = target->next;
  if (watch->held && watch->change.root == &target->root)
    watch->held = false;
  os_watch_remove(watch->os, &target->root);
  target__free(target);
}

int ovio_watch_close(struct ovio_watch *public_watch) {
  struct watch *watch = watch__of(public_watch);
  int error = watch ? 0 : OVIO_EINVAL;
  if (!error && watch__is_callback() && atomic_load(&watch->busy))
    error = OVIO_EDEADLK;
  if (!error)
    error = watch__enter(watch);
  if (error)
    return (int)runner_answer(error, 0);
  watch->closing = true;
  watch__leave(watch);
  while (atomic_load(&watch->busy)) /* who was waiting has yet to go */
    watch__nap();
  while (watch->targets)
    watch__drop(watch, watch->targets);
  os_watch_destroy(watch->os);
  memory_free(watch->told);
  memory_free(watch);
  return 0;
}

/* ---- add, remove ---- */

struct adding {
  struct os_watch *os;
  struct target *target;
  const char *path;
  char *directory; /* of a file */
};

/* Where the last name of a path begins. */
static size_t adding__last_name(const char *path) {
  size_t at = strlen(path);
  while (at > 0 && !os_path_separates(path[at - 1]))
    at--;
  return at;
}

static int adding__split(struct adding *adding) {
  size_t at = adding__last_name(adding->path);
  const char *name = adding->path + at;
  adding->target->root.tree = false;
  adding->target->name = watch__copy(name, strlen(name));
  adding->directory = at ? watch__copy(adding->path, at) : watch__copy(".", 1);
  return adding->target->name && adding->directory ? 0 : OVIO_ENOMEM;
}

static struct os_result adding__run(void *argument, struct os_waiter *waiter) {
  struct adding *adding = argument;
  const struct os_name name = {NULL, adding->path};
  struct ovio_stat stat;
  (void)waiter;
  struct os_result result = os_name_stat(&name, true, &stat);
  if (result.value == 0 && stat.type != OVIO_TYPE_DIRECTORY)
    result.value = adding__split(adding);
  if (result.value == 0)
    result = os_watch_add(adding->os, &adding->target->root,
                          adding->directory ? adding->directory : adding->path);
  return result;
}

/* The number, or an error. */
static int64_t watch__add(struct watch *watch, struct target *target,
                          const char *path) {
  struct adding adding = {watch->os, target, path, NULL};
  int64_t error = op_perform_call(NULL, adding__run, &adding);
  memory_free(adding.directory);
  if (error)
    return error;
  target->number = ++watch->last_number;
  target->next = watch->targets;
  watch->targets = target;
  return target->number;
}

int ovio_watch_add(struct ovio_watch *public_watch, const char *path,
                   unsigned flags, void *user) {
  struct watch *watch = watch__of(public_watch);
  if (!watch || !path || (flags & ~(unsigned)OVIO_WATCH_TREE))
    return (int)runner_answer(OVIO_EINVAL, 0);
  int error = os_path_check(path);
  if (!error && watch__is_callback())
    error = OVIO_EDEADLK;
  struct target *target = error ? NULL : memory_allocate(sizeof *target);
  if (!error && !target)
    error = OVIO_ENOMEM;
  if (error)
    return (int)runner_answer(error, 0);
  target->root.tree = (flags & OVIO_WATCH_TREE) != 0;
  target->user = user;
  watch__enter(watch);
  int64_t number = watch__add(watch, target, path);
  watch__leave(watch);
  if (number < 0)
    target__free(target);
  return (int)number;
}

int ovio_watch_remove(struct ovio_watch *public_watch, int number) {
  struct watch *watch = watch__of(public_watch);
  int error = watch ? watch__enter(watch) : OVIO_EINVAL;
  if (error)
    return (int)runner_answer(error, 0);
  struct target *target = watch->targets;
  while (target && target->number != number)
    target = target->next;
  if (target)
    watch__drop(watch, target);
  watch__leave(watch);
  return (int)runner_answer(target ? 0 : OVIO_ENOENT, 0);
}

/* ---- telling ---- */

static void watch__fill(struct ovio_event *event, unsigned kind,
                        const struct target *target, const char *path,
                        bool directory) {
  *event = (struct ovio_event){
      .kind = kind,
      .number = target ? target->number : 0,
      .user = target ? target->user : NULL,
      .path = path,
      .type = directory ? OVIO_TYPE_DIRECTORY : OVIO_TYPE_OTHER,
  };
}

/* The name that has left becomes the event's, until the next call. */
static const char *watch__tell_old(struct watch *watch, struct target *target) {
  memory_free(watch->told);
  watch->told = target->old_path;
  target->old_path = NULL;
  return watch->told;
}

/* The half that left is alone. */
static void watch__tell_leaving(struct watch *watch, struct target *target,
                                struct ovio_event *event) {
  const char *path = watch__tell_old(watch, target);
  watch__fill(event, OVIO_EVENT_DELETED, target, target->name ? "" : path,
              target->old_directory);
}

static int watch__keep_leaving(struct watch *watch, struct target *target) {
  const struct os_change *change = &watch->change;
  target->old_path = watch__copy(change->path, strlen(change->path));
  if (!target->old_path)
    return OVIO_ENOMEM;
  target->cookie = change->cookie;
  target->old_directory = change->directory;
  watch->held = false;
  return 0;
}

/* Somebody whose renaming is half done, or NULL. */
static struct target *watch__leaving(const struct watch *watch) {
  struct target *target = watch->targets;
  while (target && !target->old_path)
    target = target->next;
  return target;
}

static unsigned watch__kind(const struct os_change *change) {
  switch (change->kind) {
  case OS_CHANGE_CREATED:
  case OS_CHANGE_TO:
    return OVIO_EVENT_CREATED;
  case OS_CHANGE_MODIFIED:
    return OVIO_EVENT_MODIFIED;
  case OS_CHANGE_WRITTEN:
    return OVIO_EVENT_WRITTEN;
  case OS_CHANGE_LOST:
    return OVIO_EVENT_RESCAN;
  default:
    return OVIO_EVENT_DELETED;
  }
}

/* Of a file's directory, only what concerns the file. */
static bool watch__concerns(const struct os_change *change) {
  const struct target *target = change->root ? target__of(change->root) : NULL;
  if (!target || !target->name || change->kind == OS_CHANGE_LOST)
    return true;
  return change->kind != OS_CHANGE_GONE &&
         strcmp(change->path, target->name) == 0;
}

/* Tells the change that is held: 1, or 0: there is nothing to tell. */
static int watch__tell_change(struct watch *watch, struct ovio_event *event) {
  const struct os_change *change = &watch->change;
  struct target *target = change->root ? target__of(change->root) : NULL;
  if (!watch__concerns(change)) {
    watch->held = false;
    return 0;
  }
  if (target && target->old_path) {
    if (change->kind != OS_CHANGE_TO || change->cookie != target->cookie ||
        target->name) {
      watch__tell_leaving(watch, target, event);
      return 1; /* this one is next */
    }
    watch->held = false;
    watch__fill(event, OVIO_EVENT_RENAMED, target, change->path,
                change->directory);
    event->old_path = watch__tell_old(watch, target);
    return 1;
  }
  if (target && change->kind == OS_CHANGE_FROM)
    return watch__keep_leaving(watch, target);
  watch->held = false;
  watch__fill(event, watch__kind(change), target,
              target && target->name ? "" : change->path, change->directory);
  return 1;
}

/* 1, or 0: nothing has happened, or an error. */
static int64_t watch__tell(struct watch *watch, struct ovio_event *event) {
  int64_t told = 0;
  while (told == 0) {
    if (!watch->held) {
      struct os_result result = os_watch_take(watch->os, &watch->change);
      if (result.value <= 0)
        return runner_answer(result.value, result.native);
      watch->held = true;
    }
    told = watch__tell_change(watch, event);
  }
  return runner_answer(told, 0);
}

/* ---- waiting ---- */

struct pause {
  struct watch *watch;
  int64_t timeout_ns;
};

static struct os_result pause__run(void *argument, struct os_waiter *waiter) {
  struct pause *pause = argument;
  return os_watch_wait(pause->watch->os, pause->timeout_ns, waiter);
}

/* Owns it, too, but leaves it to those who want to change what is watched. */
static int next__enter(struct watch *watch) {
  while (atomic_load(&watch->wanted) || atomic_exchange(&watch->owned, true)) {
    if (watch__is_callback())
      return OVIO_EDEADLK;
    watch__nap();
  }
  return 0;
}

/* As watch__tell(), and nobody else owns it meanwhile. When there is nothing,
 * it counts as waited at before others can have it. */
static int64_t next__look(struct pause *pause, struct ovio_event *event,
                          bool time_is_up) {
  struct watch *watch = pause->watch;
  int error = next__enter(watch);
  if (error)
    return runner_answer(error, 0);
  int64_t told = watch->closing ? runner_answer(OVIO_ECANCELED, 0)
                                : watch__tell(watch, event);
  struct target *leaving = watch__leaving(watch);
  if (told == 0 && leaving && time_is_up) {
    watch__tell_leaving(watch, leaving, event);
    told = 1;
  }
  pause->timeout_ns = leaving ? PAIR_NS : -1;
  atomic_store(&watch->waiting, told == 0);
  watch__leave(watch);
  return told;
}

static int64_t next__run(struct watch *watch, struct ovio_event *event) {
  struct pause pause = {watch, -1};
  bool time_is_up = false;
  for (;;) {
    int64_t told = next__look(&pause, event, time_is_up);
    if (told != 0)
      return told < 0 ? told : 0;
    int64_t news = op_perform_wait(pause__run, &pause);
    atomic_store(&watch->waiting, false);
    if (news < 0)
      return news;
    time_is_up = news == 0;
  }
}

int ovio_watch_next(struct ovio_watch *public_watch, struct ovio_event *event) {
  struct watch *watch = watch__of(public_watch);
  if (!watch || !event)
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (atomic_exchange(&watch->busy, true))
    return (int)runner_answer(OVIO_EBUSY, 0);
  int64_t error = next__run(watch, event);
  atomic_store(&watch->busy, false);
  return (int)error;
}
