/* SPDX-License-Identifier: MIT */
/* Child processes under tasks, and on plain threads. A child's number says what
 * it does: so what it writes, and how it ends, is known. What is collected is
 * all of that, or, where something has a reason to fail, the beginning of it;
 * however a run ends, nothing of its child is left. */
#include <stdio.h>
#include <string.h>

#include "tests/fake/sim.h"

enum { TASKS = 6, LENGTH_MAX = 3000, LIMIT = 1500, PIECE = 500 };
enum { CODE_UNFED = 255 };

struct plan {
  size_t length[3]; /* of what it reads, if it reads, and writes */
  bool reads;
  bool stays; /* until it is killed */
  bool sleeps;
  unsigned code;
};

struct actor {
  bool alive;
  unsigned number;
  int64_t due_ns;
};

static struct actor children__all[TASKS];
static struct actor children__plain; /* a thread without a loop */
static struct ovio_group children__group;
static bool children__asked; /* to end, once */
static bool children__closing;
static unsigned long children__last;

/* ---- a child ---- */

static struct plan children__plan(unsigned long number) {
  uint64_t state = number;
  struct plan plan = {.reads = fake_next(&state) % 100 < 60};
  for (unsigned at = 0; at < 3; at++) {
    uint64_t limit = fake_next(&state) % 4 ? 300 : LENGTH_MAX;
    plan.length[at] = (size_t)(fake_next(&state) % limit);
  }
  plan.stays = fake_next(&state) % 8 == 0;
  plan.sleeps = fake_next(&state) % 2 == 0;
  plan.code = (unsigned)(fake_next(&state) % CODE_UNFED);
  return plan;
}

/* Byte number `at` of one of its streams. */
static uint8_t children__byte(unsigned long number, unsigned stream,
                              size_t at) {
  return (uint8_t)(number * 31 + stream * 77 + at * 7 + (at >> 8));
}

static void children__fill(uint8_t *bytes, unsigned long number,
                           unsigned stream, size_t from, size_t length) {
  for (size_t at = 0; at < length; at++)
    bytes[at] = children__byte(number, stream, from + at);
}

static void children__check_bytes(const void *data, unsigned long number,
                                  unsigned stream, size_t from, size_t length) {
  const uint8_t *bytes = data;
  for (size_t at = 0; at < length; at++)
    CHECK(bytes[at] == children__byte(number, stream, from + at));
}

/* false: nobody reads it any more, or it is killed. */
static bool child__write(struct fake_child *child, unsigned long number,
                         unsigned stream, size_t *at, size_t length) {
  uint8_t bytes[PIECE];
  size_t piece = length - *at < PIECE ? length - *at : PIECE;
  if (piece == 0)
    return true;
  children__fill(bytes, number, stream, *at, piece);
  int64_t moved = fake_child_move(child, stream, bytes, piece);
  *at += moved > 0 ? (size_t)moved : 0;
  return moved > 0;
}

/* How much there was. */
static size_t child__read(struct fake_child *child, unsigned long number) {
  uint8_t bytes[PIECE];
  size_t at = 0;
  int64_t moved;
  do {
    moved = fake_child_move(child, 0, bytes, PIECE);
    if (moved > 0) {
      children__check_bytes(bytes, number, 0, at, (size_t)moved);
      at += (size_t)moved;
    }
  } while (moved > 0);
  return at;
}

/* Both streams by turns, what it reads before or after. */
static unsigned children__program(struct fake_child *child,
                                  unsigned long number) {
  struct plan plan = children__plan(number);
  size_t at[3] = {0};
  bool goes_on = true;
  if (plan.reads && number % 2)
    at[0] = child__read(child, number);
  while (goes_on && at[1] + at[2] < plan.length[1] + plan.length[2])
    goes_on = child__write(child, number, 1, &at[1], plan.length[1]) &&
              child__write(child, number, 2, &at[2], plan.length[2]);
  for (unsigned stream = 1; stream < 3 && number % 3 == 0; stream++)
    fake_child_close(child, stream);
  if (plan.sleeps)
    fake_child_sleep(child, 1 + fake_random() % 3000000);
  if (plan.reads && number % 2 == 0)
    at[0] = child__read(child, number);
  if (plan.stays)
    fake_child_sleep(child, 0);
  return plan.reads && at[0] != plan.length[0] ? CODE_UNFED : plan.code;
}

/* ---- what a task may be told ---- */

static bool children__is_excused(const struct actor *actor, int64_t result,
                                 unsigned long faults) {
  switch (result) {
  case OVIO_ENOMEM:
  case OVIO_EMFILE:
  case OVIO_EBUSY:
    return true; /* no worker, no handle, no child */
  case OVIO_ECANCELED:
    return children__asked && actor != &children__plain;
  case OVIO_ETIMEDOUT:
    return actor->due_ns && os_clock_ns() >= actor->due_ns;
  default:
    return fake_all_faults() != faults;
  }
}

struct command {
  unsigned long number;
  struct plan plan;
  char digits[24];
  const char *arguments[3];
  struct ovio_process_options options;
};

static void children__prepare(struct command *command) {
  *command = (struct command){.number = ++children__last * 1000 +
                                        (unsigned long)sim_below(1000)};
  command->plan = children__plan(command->number);
  (void)snprintf(command->digits, sizeof command->digits, "%lu",
                 command->number);
  command->arguments[0] = "child";
  command->arguments[1] = command->digits;
  command->options.size = sizeof command->options;
  command->options.program = "child";
  command->options.arguments = command->arguments;
}

/* Where the child's end is to be waited for, somebody must see to it. */
static void children__give_deadline(struct actor *actor, bool needed) {
  uint64_t duration = needed || sim_chance(20) ? 1 + sim_below(5000000) : 0;
  actor->due_ns = duration ? os_clock_ns() + (int64_t)duration : 0;
  CHECK(ovio_deadline(duration) == 0);
}

/* ---- running ---- */

static size_t children__limit(const struct command *command) {
  size_t limit = command->options.output_limit;
  return limit ? limit : SIZE_MAX;
}

static void children__check_collected(const struct command *command,
                                      const char *bytes, unsigned stream,
                                      size_t length, bool all) {
  size_t whole = command->plan.length[stream];
  CHECK(length <= whole && length <= children__limit(command));
  CHECK(!all || length == whole);
  CHECK(!bytes || bytes[length] == 0);
  CHECK(bytes || length == 0);
  children__check_bytes(bytes, command->number, stream, 0, length);
}

/* A limit is met by one byte more than it allows. */
static bool children__is_too_much(const struct command *command) {
  return command->plan.length[1] > children__limit(command) ||
         command->plan.length[2] > children__limit(command);
}

static void children__check_run(const struct actor *actor,
                                const struct command *command, int result,
                                const struct ovio_output *output,
                                unsigned long faults) {
  bool all = result == 0;
  children__check_collected(command, output->output, 1, output->output_length,
                            all);
  children__check_collected(command, output->error, 2, output->error_length,
                            all);
  CHECK(!fake_child_is_there(command->number));
  if (!all) {
    CHECK((result == OVIO_EFBIG && children__is_too_much(command)) ||
          children__is_excused(actor, result, faults));
    return;
  }
  CHECK(!children__is_too_much(command) && !command->plan.stays);
  CHECK(output->exit.signal == 0);
  CHECK(output->exit.code == command->plan.code); /* it was fed, too */
}

static void children__run(struct actor *actor) {
  uint8_t input[LENGTH_MAX];
  struct command command;
  struct ovio_output output;
  unsigned long faults = fake_all_faults();
  children__prepare(&command);
  if (actor == &children__plain && command.plan.stays)
    return; /* nobody would end it */
  if (actor != &children__plain)
    children__give_deadline(actor, command.plan.stays);
  children__fill(input, command.number, 0, 0, command.plan.length[0]);
  command.options.input_bytes = input;
  command.options.input_length = command.plan.length[0];
  command.options.output_limit = sim_chance(30) ? LIMIT : 0;
  sim_note("task %u runs %lu", actor->number, command.number);
  int result = ovio_run(&command.options, &output);
  children__check_run(actor, &command, result, &output, faults);
  ovio_free(output.output);
  ovio_free(output.error);
}

/* ---- by hand ---- */

struct by_hand {
  struct actor *actor;
  struct command command;
  struct ovio_process process;
  struct ovio_file pipes[2]; /* its output and its error; or closed */
  size_t at[2];
  bool killed;
  bool shared; /* others wait for it, too */
  struct ovio_group others;
  unsigned long faults;
};

static void children__read_some(struct by_hand *it, unsigned which) {
  uint8_t bytes[PIECE];
  if (ovio_file_handle(&it->pipes[which]) == OVIO_NO_HANDLE)
    return;
  size_t whole = it->command.plan.length[which + 1];
  int64_t got = ovio_read(&it->pipes[which], bytes, PIECE, OVIO_HERE);
  if (got < 0) {
    CHECK(children__is_excused(it->actor, got, it->faults));
    return;
  }
  children__check_bytes(bytes, it->command.number, which + 1, it->at[which],
                        (size_t)got);
  it->at[which] += (size_t)got;
  CHECK(it->at[which] <= whole);
  CHECK(got > 0 || it->at[which] == whole || it->killed ||
        fake_all_faults() != it->faults);
}

static void children__kill(struct by_hand *it, unsigned how) {
  it->killed = true;
  int error = ovio_process_kill(&it->process, how);
  CHECK(error == 0 || error == OVIO_ENOENT);
  if (error == OVIO_ENOENT)
    CHECK(!fake_child_is_there(it->command.number));
}

static int children__wait(struct by_hand *it) {
  struct ovio_exit exit = {0, 0};
  int result = ovio_process_wait(&it->process, &exit);
  if (result) {
    CHECK(children__is_excused(it->actor, result, it->faults));
    return result;
  }
  CHECK(!fake_child_is_there(it->command.number));
  CHECK(exit.signal == 0 || it->killed);
  if (exit.signal == 0)
    CHECK(exit.code == it->command.plan.code || exit.code == CODE_UNFED);
  return 0;
}

/* Nobody cancels it, it has no deadline: it ends when the child does. */
static void children__wait_too(void *argument) {
  int result = children__wait(argument);
  CHECK(result != OVIO_ECANCELED && result != OVIO_ETIMEDOUT);
}

static void children__share(struct by_hand *it) {
  ovio_group_init(&it->others);
  for (uint64_t left = sim_below(3); left > 0; left--) {
    it->shared = true;
    int error =
        ovio_group_spawn(&it->others, sim_any_loop(), children__wait_too, it);
    CHECK(error == 0 || error == OVIO_ENOMEM);
  }
}

static void children__close(struct ovio_file *file) {
  if (ovio_file_handle(file) == OVIO_NO_HANDLE)
    return;
  int error = ovio_close(file);
  CHECK(error == 0 || error == OVIO_EIO);
}

/* Its pipes first: what waits to write would wait for ever. */
static void children__end(struct by_hand *it) {
  children__close(&it->pipes[0]);
  children__close(&it->pipes[1]);
  if (it->shared || sim_chance(80)) {
    children__kill(it, OVIO_KILL_FORCE);
    (void)children__wait(it);
  }
  CHECK(ovio_group_wait(&it->others) == 0);
  CHECK(ovio_process_close(&it->process) == 0);
  CHECK(ovio_process_id(&it->process) == 0);
}

static void children__act(struct by_hand *it) {
  uint64_t dice = sim_below(100);
  if (dice < 60)
    children__read_some(it, (unsigned)sim_below(2));
  else if (dice < 70)
    children__kill(it, sim_chance(50) ? OVIO_KILL_ASK : OVIO_KILL_FORCE);
  else if (dice < 80)
    (void)children__wait(it);
  else
    CHECK(ovio_process_id(&it->process) == it->command.number);
}

static void children__spawn(struct actor *actor) {
  struct by_hand it = {.actor = actor, .faults = fake_all_faults()};
  struct ovio_process_options *options = &it.command.options;
  children__prepare(&it.command);
  children__give_deadline(actor, true);
  options->input.kind = OVIO_PROCESS_IGNORE;
  options->output.kind = options->error.kind = OVIO_PROCESS_PIPE;
  options->output.file = &it.pipes[0];
  options->error.file = &it.pipes[1];
  if (sim_chance(20))
    options->error.kind = OVIO_PROCESS_IGNORE;
  sim_note("task %u starts %lu", actor->number, it.command.number);
  int result = ovio_spawn_process(&it.process, options);
  if (result) {
    CHECK(children__is_excused(actor, result, it.faults));
    CHECK(!fake_child_is_there(it.command.number));
    return;
  }
  children__share(&it);
  for (uint64_t left = sim_below(20); left > 0; left--)
    children__act(&it);
  children__end(&it);
}

/* ---- tasks ---- */

static void children__body(void *argument) {
  struct actor *actor = argument;
  for (unsigned left = 5; left > 0 && !children__closing; left--) {
    if (sim_take_step())
      (sim_chance(50) ? children__run : children__spawn)(actor);
    sim_compute();
    if (children__asked && ovio_sleep(1) == OVIO_ECANCELED)
      break;
  }
  actor->alive = false;
}

static void children__step(void) {
  struct actor *actor = &children__all[sim_below(TASKS)];
  if (sim_chance(3)) {
    sim_note("all are cancelled");
    children__asked = true;
    ovio_group_cancel(&children__group);
  } else if (!actor->alive && !children__closing) {
    sim_note("task %u begins", actor->number);
    actor->alive = true;
    actor->due_ns = 0;
    if (ovio_group_spawn(&children__group, sim_any_loop(), children__body,
                         actor))
      actor->alive = false;
  }
}

static void children__block(void) {
  children__run(&children__plain);
}

/* ---- the episode ---- */

static void children__begin(void) {
  memset(children__all, 0, sizeof children__all);
  fake_program = children__program;
  children__asked = children__closing = false;
  children__last = 0;
  for (unsigned at = 0; at < TASKS; at++)
    children__all[at].number = at;
  children__plain = (struct actor){.number = TASKS};
  ovio_group_init(&children__group);
}

/* A small pipe takes its time. */
static void children__finish(void) {
  children__closing = children__asked = true;
  ovio_group_cancel(&children__group);
}

static bool children__is_over(void) {
  bool over = children__closing;
  for (unsigned at = 0; at < TASKS; at++)
    over = over && !children__all[at].alive;
  return over;
}

static void children__check(void) {
  CHECK(children__is_over());
}

const struct sim sim_children = {
    .name = "sim_children",
    .steps = 500,
    .workers = 6 * TASKS, /* a child that is not read from does not end */
    .begin = children__begin,
    .step = children__step,
    .block = children__block,
    .finish = children__finish,
    .is_over = children__is_over,
    .check = children__check,
};
