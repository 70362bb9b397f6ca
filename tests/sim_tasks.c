/* SPDX-License-Identifier: MIT */
/* Tasks in groups, which block in whatever there is: files of their own, a
 * file's position and a pipe in common, also until that is ready, locks,
 * sleeps, deadlines. A result that says "cancelled" or "too late" needs
 * somebody who has cancelled, or a deadline that is over. */
#include <string.h>

#include "tests/fake/sim.h"

enum { TASKS = 24, GROUPS = 3, SHARED = 2, REGIONS = 4, LENGTH_MAX = 5000 };
enum { POISON = 0xA5, REGION = 100 };

struct actor {
  bool alive;
  bool joined;    /* the group, for sure */
  bool may_end;   /* somebody asks, or has asked the group before */
  bool cancelled; /* somebody has asked while it was a member */
  unsigned group;
  unsigned number;
  unsigned life;
  int64_t due_ns; /* 0: none */
  uint8_t buffer[LENGTH_MAX];
};

static struct actor tasks__all[TASKS];
static struct actor tasks__plain; /* a thread without a loop */
static struct ovio_group tasks__groups[GROUPS];
static unsigned tasks__members[GROUPS];
static bool tasks__asked[GROUPS];      /* to end, since it was empty */
static unsigned tasks__asking[GROUPS]; /* so many are about to */
static struct ovio_file tasks__pipe[2];
static struct ovio_file tasks__files[SHARED]; /* the same disk */
static bool tasks__locked[REGIONS];
static bool tasks__using[SHARED][REGIONS];
static int64_t tasks__position;
static unsigned tasks__movers; /* at the position */
static unsigned long tasks__moves;
static bool tasks__closing;
static int64_t tasks__written, tasks__read;
static unsigned tasks__spawning;
static unsigned tasks__waits; /* for an end to be ready: it is to stay */

/* ---- what a task may be told ---- */

static bool tasks__is_late(const struct actor *actor) {
  return actor->due_ns && os_clock_ns() >= actor->due_ns;
}

/* The result of anything that a cancel ends. */
static void tasks__check_result(const struct actor *actor, int64_t result) {
  if (result == OVIO_ECANCELED)
    CHECK(actor->may_end || tasks__closing);
  if (result == OVIO_ETIMEDOUT)
    CHECK(tasks__is_late(actor));
  CHECK(result != OVIO_EDEADLK && result != OVIO_EINVAL);
  CHECK(result != OVIO_EBADF || tasks__closing);
}

static void tasks__poison(struct actor *actor) {
  memset(actor->buffer, POISON, LENGTH_MAX);
}

static void tasks__check_poison(const struct actor *actor, size_t from) {
  for (size_t at = from; at < LENGTH_MAX; at++)
    CHECK(actor->buffer[at] == POISON);
}

/* ---- acts ---- */

static void tasks__sleep(struct actor *actor) {
  uint64_t duration = sim_below(3000000);
  int64_t until = os_clock_ns() + (int64_t)duration;
  sim_note("task %u sleeps", actor->number);
  int result = ovio_sleep(duration);
  tasks__check_result(actor, result);
  CHECK(result != 0 || os_clock_ns() >= until);
  CHECK(result == 0 || actor->may_end || tasks__is_late(actor));
}

static void tasks__give_deadline(struct actor *actor) {
  uint64_t duration = sim_chance(30) ? 0 : 1 + sim_below(2000000);
  sim_note("task %u: deadline %llu", actor->number,
           (unsigned long long)duration);
  actor->due_ns = duration ? os_clock_ns() + (int64_t)duration : 0;
  CHECK(ovio_deadline(duration) == 0);
}

static void tasks__use_pipe(struct actor *actor) {
  bool write = sim_chance(50);
  size_t length = 1 + (size_t)sim_below(sim_chance(80) ? 100 : LENGTH_MAX);
  sim_note("task %u %s %zu bytes of the pipe", actor->number,
           write ? "writes" : "reads", length);
  int64_t result =
      write ? ovio_write(&tasks__pipe[1], actor->buffer, length, OVIO_HERE)
            : ovio_read(&tasks__pipe[0], actor->buffer, length, OVIO_HERE);
  tasks__check_result(actor, result);
  CHECK(result <= (int64_t)length);
  CHECK(result != 0 || tasks__closing);
  if (result > 0)
    *(write ? &tasks__written : &tasks__read) += result;
  for (int64_t at = 0; at < result; at++)
    CHECK(actor->buffer[at] == POISON); /* all that is ever written */
  tasks__poison(actor);
}

static void tasks__await_pipe(struct actor *actor) {
  bool write = sim_chance(50);
  ovio_handle handle = ovio_file_handle(&tasks__pipe[write]);
  uint64_t moment = fake_moment();
  if (handle == OVIO_NO_HANDLE)
    return;
  sim_note("task %u waits for the pipe, to %s", actor->number,
           write ? "write" : "read");
  tasks__waits++;
  int result = write ? ovio_wait_writable(handle) : ovio_wait_readable(handle);
  CHECK(result <= 0 && result != OVIO_EBADF);
  tasks__check_result(actor, result);
  CHECK(result != 0 || fake_was_ready((intptr_t)handle, write, moment));
  tasks__waits--;
}

/* A region of its own: it reads back what it has written. */
static void tasks__use_offsets(struct actor *actor) {
  struct ovio_file *file = &tasks__files[sim_below(SHARED)];
  int64_t offset = 20000 + actor->number * LENGTH_MAX;
  size_t length = 1 + (size_t)sim_below(LENGTH_MAX);
  uint8_t fill = (uint8_t)sim_below(256);
  sim_note("task %u writes %zu bytes and reads them", actor->number, length);
  memset(actor->buffer, fill, length);
  int64_t written = ovio_write(file, actor->buffer, length, offset);
  tasks__check_result(actor, written);
  tasks__poison(actor);
  int64_t got = ovio_read(file, actor->buffer, length, offset);
  tasks__check_result(actor, got);
  CHECK(got <= (int64_t)length && written <= (int64_t)length);
  for (int64_t at = 0; at < got && at < written; at++)
    CHECK(actor->buffer[at] == fill);
  tasks__check_poison(actor, length);
  tasks__poison(actor);
}

/* The position is the sum of what was written, once nobody is at it. */
static void tasks__use_position(struct actor *actor) {
  struct ovio_file *file = &tasks__files[0];
  size_t length = 1 + (size_t)sim_below(50);
  sim_note("task %u writes %zu bytes here", actor->number, length);
  tasks__movers++;
  tasks__moves++;
  int64_t result = ovio_write(file, actor->buffer, length, OVIO_HERE);
  tasks__check_result(actor, result);
  if (result > 0)
    tasks__position += result;
  if (--tasks__movers > 0)
    return;
  unsigned long moves = tasks__moves;
  int64_t at = ovio_seek(file, 0, SEEK_CUR);
  tasks__check_result(actor, at);
  CHECK(at < 0 || tasks__moves != moves || at == tasks__position);
}

/* Each lock has one user at a time on each file, since it is the file's. */
static void tasks__use_lock(struct actor *actor) {
  unsigned which = (unsigned)sim_below(SHARED);
  unsigned region = (unsigned)sim_below(REGIONS);
  unsigned flags = sim_chance(30) ? OVIO_LOCK_TRY : 0;
  uint64_t pause = sim_below(100000);
  int64_t offset = (int64_t)region * REGION;
  if (tasks__using[which][region])
    return;
  sim_note("task %u locks %u of file %u", actor->number, region, which);
  tasks__using[which][region] = true;
  int error = ovio_lock(&tasks__files[which], offset, REGION, flags);
  tasks__check_result(actor, error);
  if (error == 0) {
    CHECK(!tasks__locked[region]);
    tasks__locked[region] = true;
    (void)ovio_sleep(pause);
    tasks__locked[region] = false;
    error = ovio_unlock(&tasks__files[which], offset, REGION);
    tasks__check_result(actor, error);
    if (error) { /* it stays, and nobody may use it again */
      tasks__locked[region] = true;
      return;
    }
  }
  tasks__using[which][region] = false;
}

static void tasks__wait_for(struct actor *actor) {
  unsigned group = (unsigned)sim_below(GROUPS);
  if (group <= actor->group)
    return; /* no circles */
  sim_note("task %u waits for group %u", actor->number, group);
  CHECK(ovio_group_wait(&tasks__groups[group]) == 0);
}

static void tasks__spawn(void);

/* Between the call and its return a task may see it or not. */
static void tasks__cancel(unsigned group) {
  bool members[TASKS];
  unsigned lives[TASKS];
  tasks__asked[group] = true;
  for (unsigned at = 0; at < TASKS; at++) {
    struct actor *actor = &tasks__all[at];
    members[at] = actor->alive && actor->joined && actor->group == group;
    actor->may_end |= actor->alive && actor->group == group;
    lives[at] = actor->life;
  }
  tasks__asking[group]++;
  ovio_group_cancel(&tasks__groups[group]);
  tasks__asking[group]--;
  for (unsigned at = 0; at < TASKS; at++)
    tasks__all[at].cancelled |= members[at] && tasks__all[at].life == lives[at];
}

static void tasks__cancel_group(void) {
  unsigned group = (unsigned)sim_below(GROUPS);
  sim_note("group %u is cancelled", group);
  tasks__cancel(group);
}

/* The latch: every operation of a cancelled task fails. */
static void tasks__check_latch(const struct actor *actor) {
  if (actor->cancelled) {
    CHECK(ovio_sleep(1) == OVIO_ECANCELED);
    CHECK(ovio_size(&tasks__files[0]) == OVIO_ECANCELED);
  } else if (tasks__is_late(actor)) {
    int error = ovio_sleep(1);
    CHECK(error == OVIO_ETIMEDOUT || (error && actor->may_end));
  }
}

static void tasks__act(struct actor *actor) {
  switch (sim_below(13)) {
  case 0:
    ovio_yield();
    break;
  case 1:
    tasks__sleep(actor);
    break;
  case 2:
    tasks__give_deadline(actor);
    break;
  case 3:
    tasks__use_lock(actor);
    break;
  case 4:
    tasks__wait_for(actor);
    break;
  case 5:
    tasks__spawn();
    break;
  case 6:
  case 7:
    tasks__use_offsets(actor);
    break;
  case 8:
    tasks__use_position(actor);
    break;
  case 9:
    tasks__await_pipe(actor);
    break;
  default:
    tasks__use_pipe(actor);
    break;
  }
}

static void tasks__body(void *argument) {
  struct actor *actor = argument;
  for (unsigned left = 20; left > 0 && !tasks__closing; left--) {
    if (sim_take_step())
      tasks__act(actor);
    sim_compute();
    tasks__check_latch(actor);
    if (actor->cancelled)
      break;
  }
  tasks__check_poison(actor, 0);
  tasks__members[actor->group]--;
  actor->alive = actor->joined = false;
}

static void tasks__spawn(void) {
  struct actor *actor = &tasks__all[sim_below(TASKS)];
  unsigned group = (unsigned)sim_below(GROUPS);
  bool alone = sim_threads == 1 && !sim_is_plain();
  if (actor->alive || tasks__closing)
    return;
  sim_note("task %u begins in group %u", actor->number, group);
  /* With more threads, the last may be on its way out. */
  if (alone && tasks__members[group] + tasks__asking[group] == 0)
    tasks__asked[group] = false;
  unsigned life = ++actor->life;
  actor->alive = true;
  actor->cancelled = actor->joined = false;
  actor->may_end = tasks__asked[group];
  actor->due_ns = 0;
  actor->group = group;
  tasks__members[group]++;
  tasks__spawning++;
  int error = ovio_group_spawn(&tasks__groups[group], sim_any_loop(),
                               tasks__body, actor);
  tasks__spawning--;
  CHECK(error == 0 || error == OVIO_ENOMEM);
  if (error) {
    tasks__members[group]--;
    actor->alive = false;
  } else if (actor->life == life && actor->alive) {
    actor->joined = true;
  }
}

static void tasks__step(void) {
  if (sim_chance(90))
    tasks__spawn();
  else
    tasks__cancel_group();
}

static void tasks__block(void) {
  if (sim_chance(50))
    tasks__use_offsets(&tasks__plain);
  else
    tasks__use_position(&tasks__plain);
}

/* ---- the episode ---- */

/* A plain thread in a call on it is in the way. */
static void tasks__close(struct ovio_file *file) {
  int error = ovio_close(file);
  while (error == OVIO_EBUSY) {
    CHECK(ovio_sleep(1000) == 0);
    error = ovio_close(file);
  }
  CHECK(error == 0 || error == OVIO_EIO);
}

/* Ends whoever still waits, then the files. */
static void tasks__close_all(void *argument) {
  (void)argument;
  tasks__closing = true;
  for (unsigned group = 0; group < GROUPS; group++)
    tasks__cancel(group);
  while (tasks__waits + tasks__spawning)
    CHECK(ovio_sleep(1000) == 0);
  for (unsigned end = 0; end < 2; end++)
    tasks__close(&tasks__pipe[end]);
  for (unsigned group = 0; group < GROUPS; group++) {
    CHECK(ovio_group_wait(&tasks__groups[group]) == 0);
    CHECK(tasks__members[group] == 0 || sim_threads > 1);
  }
  for (unsigned at = 0; at < SHARED; at++)
    tasks__close(&tasks__files[at]);
}

static void tasks__begin(void) {
  memset(tasks__all, 0, sizeof tasks__all);
  memset(tasks__members, 0, sizeof tasks__members);
  memset(tasks__asked, 0, sizeof tasks__asked);
  memset(tasks__asking, 0, sizeof tasks__asking);
  memset(tasks__locked, 0, sizeof tasks__locked);
  memset(tasks__using, 0, sizeof tasks__using);
  tasks__position = tasks__written = tasks__read = 0;
  tasks__movers = tasks__waits = tasks__spawning = 0;
  tasks__closing = false;
  for (unsigned at = 0; at < TASKS; at++) {
    tasks__all[at].number = at;
    tasks__poison(&tasks__all[at]);
  }
  tasks__plain.number = TASKS;
  tasks__poison(&tasks__plain);
  for (unsigned group = 0; group < GROUPS; group++)
    ovio_group_init(&tasks__groups[group]);
  for (unsigned at = 0; at < SHARED; at++) {
    while (ovio_open(&tasks__files[at], "0",
                     OVIO_READ | OVIO_WRITE | OVIO_CREATE, 0600))
      ;
  }
  while (ovio_pipe(tasks__pipe, 0))
    ;
}

static void tasks__finish(void) {
  if (!tasks__closing)
    tasks__closing = ovio_spawn(sim_loop, tasks__close_all, NULL) == 0;
}

static bool tasks__is_over(void) {
  return tasks__closing; /* the loop waits for the tasks */
}

static void tasks__check(void) {
  for (unsigned at = 0; at < TASKS; at++)
    CHECK(!tasks__all[at].alive);
  for (unsigned group = 0; group < GROUPS; group++)
    CHECK(tasks__members[group] == 0);
  CHECK(tasks__read <= tasks__written);
}

const struct sim sim_tasks = {
    .name = "sim_tasks",
    .steps = 500,
    .begin = tasks__begin,
    .step = tasks__step,
    .block = tasks__block,
    .finish = tasks__finish,
    .is_over = tasks__is_over,
    .check = tasks__check,
};
