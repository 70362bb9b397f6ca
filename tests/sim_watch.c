/* SPDX-License-Identifier: MIT */
/* Watches: of each, one task changes what is watched, and adds and removes
 * directories and a file, while another takes the events and does to a list of
 * names what they say. In the end, when nothing comes any more, that list is
 * what is there, unless the system has lost something and said so. */
#include <string.h>

#include "tests/fake/sim.h"

enum { SESSIONS = 2, NAMES = 5, TARGETS = 3, ROOM = 16, SILENT_MAX = 20 };
enum { NAME_SUB = 2, NAME_BELOW = 3 };
enum { TREE, SUB, FILE_A };

#define CALM_NS 40000000u /* then all has been told */

static const char *const watch__names[NAMES] = {"a", "b", "s", "s/a", "s/b"};

/* What is watched: everything, "s" alone, "a" alone. */
struct target {
  int number; /* 0: it is not */
  bool lost;
  bool gone;
  unsigned kind;
  bool present[NAMES]; /* as the events have it */
};

struct session {
  struct ovio_watch *watch;
  unsigned number;
  unsigned tasks; /* that are alive */
  bool changed;   /* for good */
  bool calm;      /* and told */
  struct target targets[TARGETS];
};

static struct session watch__all[SESSIONS];
static bool watch__closing;

/* ---- the model ---- */

static void watch__path(const struct session *session, unsigned name,
                        char path[ROOM]) {
  path[0] = 'w';
  path[1] = (char)('0' + session->number);
  path[2] = '/';
  memcpy(path + 3, watch__names[name], strlen(watch__names[name]) + 1);
}

static bool watch__is_there(const struct session *session, unsigned name) {
  char path[ROOM];
  watch__path(session, name, path);
  return fake_look_at(path).kind != 0;
}

/* Whether a target sees that name. */
static bool target__has(const struct target *target, unsigned name) {
  return target->kind == TREE ||
         (target->kind == SUB ? name >= NAME_BELOW : name == 0);
}

/* The number of the name that an event tells. */
static unsigned target__find(const struct target *target, const char *path) {
  unsigned name = target->kind == SUB ? NAME_BELOW : 0;
  if (target->kind == FILE_A) {
    CHECK(path[0] == 0);
    return 0;
  }
  while (name < NAMES &&
         strcmp(path, watch__names[name] + (target->kind == SUB ? 2 : 0)) != 0)
    name++;
  CHECK(name < NAMES);
  return name;
}

static void target__take(struct target *target, const struct ovio_event *event,
                         unsigned name) {
  switch (event->kind) {
  case OVIO_EVENT_CREATED:
    target->present[name] = true;
    break;
  case OVIO_EVENT_DELETED:
    CHECK(target->present[name] || target->lost);
    target->present[name] = false;
    break;
  case OVIO_EVENT_RENAMED: {
    unsigned old = target__find(target, event->old_path);
    CHECK(target->kind != FILE_A);
    CHECK(target->present[old] || target->lost);
    target->present[old] = false;
    target->present[name] = true;
    break;
  }
  default:
    CHECK(event->kind == OVIO_EVENT_MODIFIED);
    CHECK(target->present[name] || target->lost);
  }
}

static void watch__take(struct session *session,
                        const struct ovio_event *event) {
  struct target *target = event->user;
  sim_note("session %u: event %u of number %d, %s", session->number,
           event->kind, event->number, event->path);
  if (event->kind == OVIO_EVENT_RESCAN) {
    for (unsigned at = 0; at < TARGETS; at++)
      session->targets[at].lost = true;
    return;
  }
  CHECK(target >= session->targets && target < session->targets + TARGETS);
  if (target->number != event->number)
    return; /* it has been removed since */
  CHECK(!target->gone);
  CHECK((event->kind == OVIO_EVENT_RENAMED) == (event->old_path != NULL));
  target->gone = event->path[0] == 0 && target->kind != FILE_A;
  if (target->gone) {
    CHECK(event->kind == OVIO_EVENT_DELETED);
    return;
  }
  unsigned name = target__find(target, event->path);
  CHECK((event->type == OVIO_TYPE_DIRECTORY) == (name == NAME_SUB));
  target__take(target, event, name);
}

/* The list is what is there. */
static bool watch__is_told(const struct session *session) {
  bool told = true;
  for (unsigned at = 0; at < TARGETS; at++) {
    const struct target *target = &session->targets[at];
    if (!target->number || target->lost || target->gone)
      continue;
    for (unsigned name = 0; name < NAMES; name++)
      told = told && (!target__has(target, name) ||
                      target->present[name] == watch__is_there(session, name));
  }
  return told;
}

static void watch__close(struct session *session) {
  CHECK(ovio_watch_close(session->watch) == 0);
  session->watch = NULL;
}

/* ---- the one who changes things ---- */

static void watch__add(struct session *session, struct target *target) {
  static const unsigned names[TARGETS] = {0, NAME_SUB, 0};
  char path[ROOM];
  watch__path(session, names[target->kind], path);
  if (target->kind == TREE)
    path[2] = 0;
  else if (!watch__is_there(session, names[target->kind]))
    return; /* it has to be there */
  sim_note("watch %s", path);
  target->lost = target->gone = false;
  for (unsigned name = 0; name < NAMES; name++)
    target->present[name] = watch__is_there(session, name);
  int number = ovio_watch_add(
      session->watch, path, target->kind == TREE ? OVIO_WATCH_TREE : 0, target);
  CHECK(number > 0 || number == OVIO_ENOMEM || number == OVIO_EMFILE ||
        number == OVIO_EBUSY || number == OVIO_EIO);
  target->number = number > 0 ? number : 0;
}

static void watch__add_or_remove(struct session *session) {
  struct target *target = &session->targets[sim_below(TARGETS)];
  int number = target->number;
  if (!number) {
    watch__add(session, target);
    return;
  }
  sim_note("watch number %d no more", number);
  target->number = 0;
  CHECK(ovio_watch_remove(session->watch, number) == 0);
  CHECK(ovio_watch_remove(session->watch, number) == OVIO_ENOENT);
}

/* What comes of it, the directory says. */
static void watch__change(struct session *session) {
  unsigned name = (unsigned)sim_below(NAMES);
  unsigned to = (unsigned)sim_below(NAMES);
  char path[ROOM];
  char other[ROOM];
  watch__path(session, name, path);
  watch__path(session, to, other);
  uint64_t dice = sim_below(100);
  sim_note("change %s, %d", path, (int)dice);
  if (name == NAME_SUB && dice < 30)
    (void)ovio_rmdir(NULL, path);
  else if (name == NAME_SUB)
    (void)ovio_mkdir(NULL, path, 0700);
  else if (dice < 30)
    (void)ovio_unlink(NULL, path);
  else if (dice < 60 && to != NAME_SUB)
    (void)ovio_rename(NULL, path, NULL, other, OVIO_EXCLUSIVE);
  else
    (void)ovio_write_file(NULL, path, "x", 1, 0600);
}

static void watch__work(void *argument) {
  struct session *session = argument;
  bool stays = fake_chance(50);
  for (unsigned left = 40; left > 0 && !watch__closing; left--) {
    if (!sim_take_step())
      continue;
    if (sim_chance(25))
      watch__add_or_remove(session);
    else
      watch__change(session);
    if (sim_chance(20))
      (void)ovio_sleep(sim_below(20000000));
  }
  if (!stays)
    session->tasks--;
  session->changed = true;
  while (stays && !session->calm)
    (void)ovio_sleep(1000000);
  if (stays) {
    (void)ovio_sleep(fake_random() % 2000000);
    watch__close(session);
    session->tasks--;
  }
}

/* ---- the one who takes events ---- */

static int watch__next(struct session *session, uint64_t patience_ns) {
  struct ovio_event event;
  CHECK(ovio_deadline(patience_ns) == 0);
  int result = ovio_watch_next(session->watch, &event);
  if (result == 0)
    watch__take(session, &event);
  CHECK(ovio_deadline(0) == 0);
  CHECK(result == 0 || result == OVIO_ETIMEDOUT || result == OVIO_ENOMEM ||
        result == OVIO_EMFILE || result == OVIO_EBUSY ||
        result == OVIO_ECANCELED);
  return result;
}

/* Who is waiting when the other one closes is told so. */
static void watch__await_close(struct session *session) {
  struct ovio_event event;
  int result = ovio_watch_next(session->watch, &event);
  CHECK(result == OVIO_ECANCELED || result == OVIO_ENOMEM ||
        result == OVIO_EMFILE || result == OVIO_EBUSY);
}

static void watch__listen(void *argument) {
  struct session *session = argument;
  int result = 0;
  session->tasks++;
  if (ovio_spawn(sim_any_loop(), watch__work, session)) {
    session->tasks--;
    session->changed = true;
  }
  while (!session->changed) {
    result = watch__next(session, 1 + fake_random() % 20000000);
    CHECK(result != OVIO_ECANCELED);
    if (fake_chance(20))
      (void)ovio_sleep(fake_random() % 3000000);
  }
  /* Time may pass though there is something to tell. */
  for (unsigned silent = 0; silent < SILENT_MAX;) {
    silent += watch__next(session, CALM_NS) == OVIO_ETIMEDOUT;
    if (silent > 0 && watch__is_told(session))
      break;
  }
  CHECK(watch__is_told(session));
  session->calm = true; /* from now on the other one may close it */
  if (session->tasks > 1)
    watch__await_close(session);
  else
    watch__close(session);
  session->tasks--;
}

static void watch__step(void) {
  struct session *session = &watch__all[sim_below(SESSIONS)];
  if (session->tasks || watch__closing)
    return;
  unsigned number = session->number;
  *session = (struct session){.number = number};
  for (unsigned at = 0; at < TARGETS; at++)
    session->targets[at].kind = at;
  int error = ovio_watch_create(&session->watch);
  sim_note("session %u begins: %d", number, error);
  if (error)
    return;
  session->tasks = 1;
  if (ovio_spawn(sim_any_loop(), watch__listen, session)) {
    session->tasks = 0;
    watch__close(session);
  }
}

/* ---- the episode ---- */

static void watch__begin(void) {
  memset(watch__all, 0, sizeof watch__all);
  watch__closing = false;
  for (unsigned at = 0; at < SESSIONS; at++) {
    const char home[3] = {'w', (char)('0' + at), 0};
    int error = OVIO_EIO;
    watch__all[at].number = at;
    while (error && error != OVIO_EEXIST)
      error = ovio_mkdir(NULL, home, 0700);
  }
}

static void watch__finish(void) {
  watch__closing = true;
}

static bool watch__is_over(void) {
  bool over = watch__closing;
  for (unsigned at = 0; at < SESSIONS; at++)
    over = over && watch__all[at].tasks == 0;
  return over;
}

static void watch__check(void) {
  CHECK(watch__is_over());
}

const struct sim sim_watch = {
    .name = "sim_watch",
    .steps = 500,
    .workers = 4 * SESSIONS, /* one of each waits for events */
    .begin = watch__begin,
    .step = watch__step,
    .finish = watch__finish,
    .is_over = watch__is_over,
    .check = watch__check,
};
