/* SPDX-License-Identifier: MIT */
/* Names under tasks: each task works in a directory of its own, so that what a
 * call has done can be seen by what was there before and is there after it. A
 * result of 0 means that all is done; an error that the names do not explain
 * needs a fault, a cancel or a deadline, and then it is as before, or, of one
 * call that has failed late, as it was to be. A file that is replaced has the
 * old bytes or the new ones, whatever fails; one that all tasks replace and
 * read is whole at any time. */
#include <string.h>

#include "tests/fake/sim.h"

enum { TASKS = 6, NAMES = 4, LENGTH_MAX = 3000, ROOM = 24, HEAD = 8 };

static const char *const names__list[NAMES] = {"a", "b", "s", "s/a"};
enum { NAME_SUB = 2, NAME_BELOW = 3 };

struct bytes {
  uint32_t kind; /* OVIO_TYPE_*; 0: nothing */
  int64_t size;
  uint8_t bytes[LENGTH_MAX];
};

struct actor {
  bool alive;
  unsigned number;
  int64_t due_ns;
  struct ovio_file home;
  struct bytes before, after, wanted;
};

static struct actor names__all[TASKS];
static struct ovio_group names__group;
static bool names__asked; /* to end, once */
static bool names__closing;
static uint64_t names__version;

/* ---- contents ---- */

static size_t names__length(uint64_t version) {
  return HEAD + (size_t)(version * 977 % (LENGTH_MAX - HEAD));
}

static void names__fill(struct bytes *it, uint64_t version) {
  it->kind = OVIO_TYPE_FILE;
  it->size = (int64_t)names__length(version);
  memcpy(it->bytes, &version, HEAD);
  for (size_t at = HEAD; at < (size_t)it->size; at++)
    it->bytes[at] = (uint8_t)(version * 131 + at * 7 + (at >> 8));
}

/* It is all of one version. */
static void names__check_whole(const void *data, size_t length) {
  struct bytes whole;
  uint64_t version;
  CHECK(length >= HEAD);
  memcpy(&version, data, HEAD);
  names__fill(&whole, version);
  CHECK(version <= names__version && length == (size_t)whole.size);
  CHECK(memcmp(data, whole.bytes, length) == 0);
}

static bool names__is_same(const struct bytes *one, const struct bytes *other) {
  if (one->kind != other->kind || one->kind != OVIO_TYPE_FILE)
    return one->kind == other->kind;
  return one->size == other->size &&
         memcmp(one->bytes, other->bytes, (size_t)one->size) == 0;
}

static void names__take(struct bytes *out, const char *path) {
  struct fake_look look = fake_look_at(path);
  out->kind = look.kind;
  out->size = look.disk ? look.disk->size : 0;
  CHECK(out->size <= LENGTH_MAX);
  if (look.disk)
    memcpy(out->bytes, look.disk->bytes, (size_t)out->size);
}

static void names__check_shared(void) {
  struct fake_look look = fake_look_at("shared");
  CHECK(look.kind == OVIO_TYPE_FILE);
  names__check_whole(look.disk->bytes, (size_t)look.disk->size);
}

/* ---- a call ---- */

/* Where a call is made, and what there was. */
struct call {
  struct actor *actor;
  unsigned name;
  char path[ROOM]; /* from the root */
  struct ovio_file *dir;
  const char *given;
  unsigned long faults;
};

static void names__path(const struct actor *actor, unsigned name,
                        char path[ROOM]) {
  path[0] = 't';
  path[1] = (char)('0' + actor->number);
  path[2] = '/';
  memcpy(path + 3, names__list[name], strlen(names__list[name]) + 1);
}

/* By the directory, or from the root. */
static void names__begin_call(struct call *call, struct actor *actor) {
  bool by_home = sim_chance(50);
  call->actor = actor;
  call->name = (unsigned)sim_below(NAMES);
  call->faults = fake_all_faults();
  names__path(actor, call->name, call->path);
  call->dir = by_home ? &actor->home : NULL;
  call->given = by_home ? names__list[call->name] : call->path;
  names__take(&actor->before, call->path);
}

static bool names__is_excused(const struct call *call, int64_t result) {
  switch (result) {
  case OVIO_ENOMEM:
  case OVIO_EMFILE:
  case OVIO_EBUSY:
    return true; /* no worker, no handle */
  case OVIO_ECANCELED:
    return names__asked;
  case OVIO_ETIMEDOUT:
    return call->actor->due_ns && os_clock_ns() >= call->actor->due_ns;
  default:
    return fake_all_faults() != call->faults;
  }
}

/* `error`: what the names ask for. true: it was done. */
static bool names__end_call(const struct call *call, int error,
                            int64_t result) {
  names__take(&call->actor->after, call->path);
  CHECK(result <= 0);
  CHECK(result == error || names__is_excused(call, result));
  if (result == 0)
    return true;
  if (error)
    CHECK(names__is_same(&call->actor->before, &call->actor->after));
  return false;
}

/* An error that the way to a name has. */
static int names__error_above(const struct actor *actor, unsigned name) {
  char path[ROOM];
  names__path(actor, NAME_SUB, path);
  uint32_t kind = fake_look_at(path).kind;
  if (name != NAME_BELOW || kind == OVIO_TYPE_DIRECTORY)
    return 0;
  return kind ? OVIO_ENOTDIR : OVIO_ENOENT;
}

static uint32_t names__kind(const struct actor *actor, unsigned name) {
  char path[ROOM];
  names__path(actor, name, path);
  return names__error_above(actor, name) ? 0 : fake_look_at(path).kind;
}

/* As it was, or as it was to be. */
static void names__check_either(const struct actor *actor) {
  CHECK(names__is_same(&actor->after, &actor->before) ||
        names__is_same(&actor->after, &actor->wanted));
}

/* ---- single names ---- */

static void names__mkdir(struct actor *actor) {
  struct call call;
  names__begin_call(&call, actor);
  sim_note("task %u: mkdir %s", actor->number, call.path);
  int error = names__error_above(actor, call.name);
  if (!error && actor->before.kind)
    error = OVIO_EEXIST;
  actor->wanted.kind = OVIO_TYPE_DIRECTORY;
  if (names__end_call(&call, error, ovio_mkdir(call.dir, call.given, 0700)))
    CHECK(actor->after.kind == OVIO_TYPE_DIRECTORY);
  else
    names__check_either(actor);
}

static int names__error_of_removal(const struct call *call, bool directory) {
  const struct actor *actor = call->actor;
  uint32_t kind = actor->before.kind;
  int error = names__error_above(actor, call->name);
  if (error || !kind)
    return error ? error : OVIO_ENOENT;
  if ((kind == OVIO_TYPE_DIRECTORY) != directory)
    return directory ? OVIO_ENOTDIR : OVIO_EISDIR;
  bool full = call->name == NAME_SUB && names__kind(actor, NAME_BELOW);
  return directory && full ? OVIO_ENOTEMPTY : 0;
}

static void names__remove(struct actor *actor) {
  struct call call;
  names__begin_call(&call, actor);
  bool directory = sim_chance(30) || actor->before.kind == OVIO_TYPE_DIRECTORY;
  sim_note("task %u: %s %s", actor->number, directory ? "rmdir" : "unlink",
           call.path);
  int error = names__error_of_removal(&call, directory);
  int result = (directory ? ovio_rmdir : ovio_unlink)(call.dir, call.given);
  /* A directory that is empty for us may have been moved with what it has. */
  if (result == OVIO_ENOTEMPTY && directory)
    error = result;
  actor->wanted.kind = 0;
  if (names__end_call(&call, error, result))
    CHECK(!actor->after.kind);
  else
    names__check_either(actor);
}

static int names__error_of_renaming(const struct actor *actor, unsigned from,
                                    unsigned to, bool exclusive) {
  uint32_t kind = names__kind(actor, from);
  uint32_t other = names__kind(actor, to);
  int error = names__error_above(actor, from);
  if (!error)
    error = names__error_above(actor, to);
  if (error || !kind)
    return error ? error : OVIO_ENOENT;
  if (other && exclusive)
    return OVIO_EEXIST;
  if (other && kind != other)
    return other == OVIO_TYPE_DIRECTORY ? OVIO_EISDIR : OVIO_ENOTDIR;
  return 0;
}

static void names__rename(struct actor *actor) {
  struct call call;
  char path[ROOM];
  names__begin_call(&call, actor);
  unsigned to = (unsigned)sim_below(NAMES);
  bool exclusive = sim_chance(40);
  if (to == call.name || call.name + to == NAME_SUB + NAME_BELOW)
    return; /* not into itself */
  names__path(actor, to, path);
  sim_note("task %u: rename %s %s", actor->number, call.path, path);
  int error = names__error_of_renaming(actor, call.name, to, exclusive);
  int result = ovio_rename(call.dir, call.given, NULL, path,
                           exclusive ? OVIO_EXCLUSIVE : 0);
  if (result == OVIO_ENOTEMPTY && actor->before.kind == OVIO_TYPE_DIRECTORY)
    error = result;
  actor->wanted.kind = 0;
  if (!names__end_call(&call, error, result)) {
    names__check_either(actor);
    return;
  }
  CHECK(!actor->after.kind);
  names__take(&actor->after, path);
  CHECK(names__is_same(&actor->after, &actor->before));
}

static void names__stat(struct actor *actor) {
  struct call call;
  struct ovio_stat stat;
  names__begin_call(&call, actor);
  sim_note("task %u: stat %s", actor->number, call.path);
  int error = names__error_above(actor, call.name);
  if (!error && !actor->before.kind)
    error = OVIO_ENOENT;
  int result = ovio_stat_at(call.dir, call.given, 0, &stat);
  if (names__end_call(&call, error, result))
    CHECK(stat.type == actor->before.kind && stat.size == actor->before.size);
}

/* ---- whole files ---- */

static int names__error_of_writing(const struct call *call) {
  int error = names__error_above(call->actor, call->name);
  if (!error && call->actor->before.kind == OVIO_TYPE_DIRECTORY)
    error = OVIO_EISDIR;
  return error;
}

static void names__replace(struct actor *actor) {
  struct call call;
  names__begin_call(&call, actor);
  names__fill(&actor->wanted, ++names__version);
  sim_note("task %u: replace %s", actor->number, call.path);
  int error = names__error_of_writing(&call);
  int result = ovio_replace_file(call.dir, call.given, actor->wanted.bytes,
                                 (size_t)actor->wanted.size, 0600);
  if (!names__end_call(&call, error, result)) {
    names__check_either(actor);
    return;
  }
  CHECK(names__is_same(&actor->after, &actor->wanted));
  CHECK(fake_look_at(call.path).safe);
}

/* A failure may leave a part of the new bytes. */
static void names__write(struct actor *actor) {
  struct call call;
  names__begin_call(&call, actor);
  names__fill(&actor->wanted, ++names__version);
  sim_note("task %u: write %s", actor->number, call.path);
  int error = names__error_of_writing(&call);
  int result = ovio_write_file(call.dir, call.given, actor->wanted.bytes,
                               (size_t)actor->wanted.size, 0600);
  if (names__end_call(&call, error, result)) {
    CHECK(names__is_same(&actor->after, &actor->wanted));
  } else if (!names__is_same(&actor->after, &actor->before)) {
    CHECK(actor->after.size <= actor->wanted.size);
    CHECK(memcmp(actor->after.bytes, actor->wanted.bytes,
                 (size_t)actor->after.size) == 0);
  }
}

static void names__read(struct actor *actor) {
  struct call call;
  void *data;
  size_t length;
  names__begin_call(&call, actor);
  sim_note("task %u: read %s", actor->number, call.path);
  int error = names__error_of_writing(&call);
  if (!error && !actor->before.kind)
    error = OVIO_ENOENT;
  int result = ovio_read_file(call.dir, call.given, SIZE_MAX, &data, &length);
  CHECK((result == 0) == (data != NULL));
  if (names__end_call(&call, error, result)) {
    CHECK(length == (size_t)actor->before.size);
    CHECK(memcmp(data, actor->before.bytes, length) == 0);
  }
  ovio_free(data);
}

static int names__error_of_copying(const struct actor *actor, unsigned from,
                                   unsigned to, bool exclusive) {
  uint32_t kind = names__kind(actor, from);
  uint32_t other = names__kind(actor, to);
  int error = names__error_above(actor, from);
  if (error || kind != OVIO_TYPE_FILE)
    return error ? error : kind ? OVIO_EISDIR : OVIO_ENOENT;
  error = names__error_above(actor, to);
  if (error || !other)
    return error;
  if (exclusive)
    return OVIO_EEXIST;
  return other == OVIO_TYPE_DIRECTORY ? OVIO_EISDIR : 0;
}

/* To a name that nobody else uses. What is copied stays as it is. */
static void names__copy(struct actor *actor) {
  struct call call;
  struct bytes left;
  char from[ROOM];
  unsigned source = (unsigned)sim_below(NAMES);
  bool exclusive = sim_chance(40);
  names__begin_call(&call, actor);
  names__path(actor, source, from);
  names__take(&actor->wanted, from);
  sim_note("task %u: copy %s %s", actor->number, from, call.path);
  int error = names__error_of_copying(actor, source, call.name, exclusive);
  int64_t copied = ovio_copy_file(NULL, from, call.dir, call.given,
                                  exclusive ? OVIO_EXCLUSIVE : 0);
  if (names__end_call(&call, error, copied > 0 ? 0 : copied)) {
    CHECK(copied == actor->wanted.size);
    CHECK(names__is_same(&actor->after, &actor->wanted));
  } else {
    names__check_either(actor);
  }
  names__take(&left, from);
  if (source != call.name)
    CHECK(names__is_same(&left, &actor->wanted));
}

/* Of what others replace meanwhile, the copy has one version. */
static void names__copy_shared(struct actor *actor) {
  struct call call;
  names__begin_call(&call, actor);
  sim_note("task %u: copy shared %s", actor->number, call.path);
  int error = names__error_of_writing(&call);
  int64_t copied = ovio_copy_file(NULL, "shared", call.dir, call.given, 0);
  bool done = names__end_call(&call, error, copied > 0 ? 0 : copied);
  if (done || !names__is_same(&actor->after, &actor->before))
    names__check_whole(actor->after.bytes, (size_t)actor->after.size);
  CHECK(!done || copied == actor->after.size);
}

/* What all use: "shared". */
static void names__share(struct actor *actor) {
  struct call call = {.actor = actor, .faults = fake_all_faults()};
  void *data = NULL;
  size_t length = 0;
  int result;
  if (sim_chance(50)) {
    sim_note("task %u: replace shared", actor->number);
    names__fill(&actor->wanted, ++names__version);
    result = ovio_replace_file(NULL, "shared", actor->wanted.bytes,
                               (size_t)actor->wanted.size, 0600);
  } else {
    sim_note("task %u: read shared", actor->number);
    result = ovio_read_file(NULL, "shared", LENGTH_MAX, &data, &length);
    if (result == 0)
      names__check_whole(data, length);
  }
  ovio_free(data);
  CHECK(result == 0 || names__is_excused(&call, result));
}

/* ---- directories ---- */

static void names__list_home(struct actor *actor) {
  _Alignas(8) char buffer[OVIO_DIR_BUFFER_MIN];
  struct ovio_dir walk;
  struct ovio_entry entry;
  struct call call;
  unsigned met[NAME_BELOW] = {0};
  int found;
  names__begin_call(&call, actor);
  sim_note("task %u: list", actor->number);
  CHECK(ovio_dir_begin(&walk, &actor->home, buffer, sizeof buffer) == 0);
  if (sim_chance(30)) {
    (void)ovio_dir_next(&walk, &entry);
    CHECK(ovio_dir_rewind(&walk) == 0);
  }
  while ((found = ovio_dir_next(&walk, &entry)) > 0) {
    for (unsigned at = 0; at < NAME_BELOW; at++) {
      if (strcmp(entry.name, names__list[at]))
        continue;
      met[at]++;
      CHECK(entry.type == names__kind(actor, at));
    }
    CHECK(entry.name[0] != '.' || strncmp(entry.name, ".ovio-", 6) == 0);
  }
  ovio_dir_end(&walk);
  CHECK(found == 0 || names__is_excused(&call, found));
  for (unsigned at = 0; at < NAME_BELOW && found == 0; at++)
    CHECK(met[at] == (names__kind(actor, at) ? 1u : 0u));
}

/* The kernel looks at each name on the way, the library may not have to. */
static void names__beneath(struct actor *actor) {
  static const char *const paths[] = {"../shared", "s/../../shared", "/shared",
                                      "s/../a"};
  const char *path = paths[sim_below(4)];
  struct call call;
  struct ovio_file file;
  names__begin_call(&call, actor);
  sim_note("task %u: open %s", actor->number, path);
  int error =
      ovio_openat(&file, &actor->home, path, OVIO_READ | OVIO_BENEATH, 0);
  bool fine = names__is_excused(&call, error);
  if (path[0] != 's' && !fine)
    CHECK(error == OVIO_EXDEV);
  if (path != paths[3])
    CHECK(error != 0);
  else
    CHECK(error != OVIO_EXDEV && (error || names__kind(actor, 0)));
  if (error == 0) {
    error = ovio_close(&file);
    CHECK(error == 0 || error == OVIO_EIO);
  }
}

/* ---- tasks ---- */

static void names__give_deadline(struct actor *actor) {
  uint64_t duration = sim_chance(50) ? 0 : 1 + sim_below(3000000);
  actor->due_ns = duration ? os_clock_ns() + (int64_t)duration : 0;
  CHECK(ovio_deadline(duration) == 0);
}

static void names__act(struct actor *actor) {
  static void (*const acts[])(struct actor * actor) = {
      names__mkdir,      names__remove,        names__rename,    names__stat,
      names__replace,    names__write,         names__read,      names__share,
      names__replace,    names__share,         names__list_home, names__beneath,
      names__rename,     names__give_deadline, names__copy,      names__copy,
      names__copy_shared};
  acts[sim_below(sizeof acts / sizeof *acts)](actor);
  names__check_shared();
}

static void names__body(void *argument) {
  struct actor *actor = argument;
  const char home[3] = {'t', (char)('0' + actor->number), 0};
  int error = ovio_open(&actor->home, home, OVIO_DIRECTORY, 0);
  for (unsigned left = 30; left > 0 && !error && !names__closing; left--) {
    if (sim_take_step())
      names__act(actor);
    sim_compute();
    if (names__asked && ovio_sleep(1) == OVIO_ECANCELED)
      break;
  }
  if (!error) {
    error = ovio_close(&actor->home);
    CHECK(error == 0 || error == OVIO_EIO);
  }
  actor->alive = false;
}

static void names__step(void) {
  struct actor *actor = &names__all[sim_below(TASKS)];
  if (sim_chance(5)) {
    sim_note("all are cancelled");
    names__asked = true;
    ovio_group_cancel(&names__group);
  } else if (!actor->alive && !names__closing) {
    sim_note("task %u begins", actor->number);
    actor->alive = true;
    actor->due_ns = 0;
    if (ovio_group_spawn(&names__group, sim_any_loop(), names__body, actor))
      actor->alive = false;
  }
}

/* ---- the episode ---- */

static void names__begin(void) {
  struct bytes *first = &names__all[0].wanted;
  memset(names__all, 0, sizeof names__all);
  names__asked = names__closing = false;
  names__version = 1;
  names__fill(first, names__version);
  for (unsigned at = 0; at < TASKS; at++) {
    const char home[3] = {'t', (char)('0' + at), 0};
    int error = OVIO_EIO;
    names__all[at].number = at;
    while (error && error != OVIO_EEXIST)
      error = ovio_mkdir(NULL, home, 0700);
  }
  while (ovio_replace_file(NULL, "shared", first->bytes, (size_t)first->size,
                           0600))
    ;
  ovio_group_init(&names__group);
}

static void names__finish(void) {
  names__closing = true;
}

static bool names__is_over(void) {
  bool over = names__closing;
  for (unsigned at = 0; at < TASKS; at++)
    over = over && !names__all[at].alive;
  return over;
}

static void names__check(void) {
  names__check_shared();
  CHECK(!fake_is_left_behind(".ovio-"));
}

const struct sim sim_names = {
    .name = "sim_names",
    .steps = 500,
    .begin = names__begin,
    .step = names__step,
    .finish = names__finish,
    .is_over = names__is_over,
    .check = names__check,
};
