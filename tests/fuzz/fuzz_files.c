/* SPDX-License-Identifier: MIT */
/* Sequences of calls on real files, against a model: a few actors, each with a
 * file and a script of its own, as tasks of one loop or, one after the other,
 * on the plain thread. What a call answers when it is cancelled is left to
 * chance; what it has done must be what it has answered. */
#include "fuzz.h"

#include "common/memory.h"
#include "common/os.h"

enum {
  ACTORS = 3,
  SIZE_LIMIT = 4096, /* of a file */
  LENGTH_LIMIT = 512,
  BURST = 4,
  PARTS = 4,
  STEPS_MAX = 60,
  NAME_MAX_LENGTH = 600
};

struct flight {
  struct ovio_op op; /* first */
  int calls;
  int64_t result;
  bool cancelled;
  bool write;
  size_t length;
  uint8_t bytes[LENGTH_LIMIT];
};

struct actor {
  struct actor *others; /* all of them */
  struct input script;
  struct ovio_loop *loop; /* NULL: plain */
  struct ovio_group group;
  char path[NAME_MAX_LENGTH];
  struct ovio_file file;
  bool open;
  bool readable;
  bool writable;
  bool append;
  bool cancelled; /* from now on anything may answer so */
  bool hurried;   /* likewise: there is a deadline */
  int64_t position;
  int64_t size;
  uint8_t model[SIZE_LIMIT + LENGTH_LIMIT];
  uint8_t buffer[LENGTH_LIMIT];
  struct flight flights[BURST];
};

/* ---- what may be answered ---- */

static bool actor_excused(const struct actor *self, int64_t result) {
  return (self->cancelled && result == OVIO_ECANCELED) ||
         (self->hurried && result == OVIO_ETIMEDOUT);
}

static bool actor_is_interrupted(const struct actor *self) {
  return self->cancelled || self->hurried;
}

/* The one answer, but for a call that was interrupted. */
static bool actor_agrees(const struct actor *self, int64_t result,
                         int64_t wanted) {
  if (actor_excused(self, result))
    return false;
  FUZZ_CHECK(result == wanted);
  return true;
}

/* What a read of `length` bytes there has got. */
static void model_read(struct actor *self, const uint8_t *bytes, int64_t result,
                       size_t length, int64_t at, bool may_stop) {
  int64_t left = at < self->size ? self->size - at : 0;
  int64_t most = (int64_t)length < left ? (int64_t)length : left;
  FUZZ_CHECK(result <= most && (result == most || (may_stop && result >= 0)));
  if (result)
    FUZZ_CHECK(memcmp(bytes, self->model + at, (size_t)result) == 0);
}

static void model_write(struct actor *self, const uint8_t *bytes,
                        int64_t result, size_t length, int64_t at,
                        bool may_stop) {
  FUZZ_CHECK(result <= (int64_t)length);
  FUZZ_CHECK(result == (int64_t)length || (may_stop && result >= 0));
  if (result == 0)
    return;
  if (at > self->size)
    memset(self->model + self->size, 0, (size_t)(at - self->size));
  memcpy(self->model + at, bytes, (size_t)result);
  if (at + result > self->size)
    self->size = at + result;
}

/* ---- steps: one call ---- */

static void fill(uint8_t *bytes, size_t length, unsigned seed) {
  for (size_t at = 0; at < length; at++)
    bytes[at] = (uint8_t)(seed * 31 + at * 7 + 1);
}

static void step_close(struct actor *self) {
  int error = ovio_close(&self->file);
  FUZZ_CHECK(error == (self->open ? 0 : OVIO_EBADF));
  self->open = false;
}

static void opened(struct actor *self, unsigned flags) {
  self->open = true;
  self->readable = (flags & OVIO_READ) != 0;
  self->writable = (flags & OVIO_WRITE) != 0;
  self->append = (flags & OVIO_APPEND) != 0;
  self->position = 0;
  if (flags & OVIO_TRUNCATE)
    self->size = 0;
}

static void step_open(struct actor *self) {
  static const unsigned flags[] = {OVIO_READ | OVIO_WRITE,
                                   OVIO_READ | OVIO_WRITE,
                                   OVIO_READ,
                                   OVIO_WRITE,
                                   OVIO_READ | OVIO_WRITE | OVIO_APPEND,
                                   OVIO_READ | OVIO_WRITE | OVIO_CREATE |
                                       OVIO_TRUNCATE,
                                   OVIO_READ | OVIO_WRITE | OVIO_BLOCKING,
                                   OVIO_READ | OVIO_WRITE | OVIO_INLINE};
  unsigned choice = input_byte(&self->script);
  if (self->open)
    step_close(self);
  if (choice >= 240) {
    actor_agrees(self,
                 ovio_open(&self->file, self->path,
                           OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE, 0600),
                 OVIO_EEXIST);
    return;
  }
  int error = ovio_open(&self->file, self->path, flags[choice % 8], 0600);
  if (actor_agrees(self, error, 0))
    opened(self, flags[choice % 8]);
}

/* The buffer in a few parts, some of them empty. */
static size_t make_parts(struct actor *self, struct ovio_iovec *parts,
                         size_t length) {
  size_t count = 1 + input_byte(&self->script) % PARTS;
  size_t done = 0;
  for (size_t at = 0; at < count; at++) {
    size_t more = at + 1 == count
                      ? length - done
                      : input_byte(&self->script) * 3u % (length - done + 1);
    parts[at] = (struct ovio_iovec){self->buffer + done, more};
    done += more;
  }
  return count;
}

static void step_read(struct actor *self) {
  struct ovio_iovec parts[PARTS];
  unsigned choice = input_byte(&self->script);
  size_t length = input_u16(&self->script) % (LENGTH_LIMIT + 1);
  bool here = choice % 2;
  int64_t at = here ? self->position : input_u16(&self->script) % SIZE_LIMIT;
  int64_t offset = here ? OVIO_HERE : at;
  size_t count = choice & 2 ? make_parts(self, parts, length) : 0;
  int64_t got = count ? ovio_readv(&self->file, parts, count, offset)
                      : ovio_read(&self->file, self->buffer, length, offset);
  if (!self->open || !self->readable) {
    actor_agrees(self, got, OVIO_EBADF);
  } else if (!actor_excused(self, got)) {
    model_read(self, self->buffer, got, length, at, actor_is_interrupted(self));
    self->position += here ? got : 0;
  }
}

static int64_t write_place(const struct actor *self, bool here,
                           int64_t offset) {
  if (self->append)
    return self->size;
  return here ? self->position : offset;
}

static void step_write(struct actor *self) {
  struct ovio_iovec parts[PARTS];
  unsigned choice = input_byte(&self->script);
  size_t length = input_u16(&self->script) % (LENGTH_LIMIT + 1);
  bool here = choice % 2;
  int64_t offset = input_u16(&self->script) % (SIZE_LIMIT - LENGTH_LIMIT);
  int64_t at = write_place(self, here, offset);
  if (at > SIZE_LIMIT - LENGTH_LIMIT)
    return;
  fill(self->buffer, length, choice);
  size_t count = choice & 2 ? make_parts(self, parts, length) : 0;
  if (here)
    offset = OVIO_HERE;
  int64_t got = count ? ovio_writev(&self->file, parts, count, offset)
                      : ovio_write(&self->file, self->buffer, length, offset);
  if (!self->open || !self->writable) {
    actor_agrees(self, got, OVIO_EBADF);
  } else if (!actor_excused(self, got)) {
    model_write(self, self->buffer, got, length, at,
                actor_is_interrupted(self));
    if (got > 0 && (here || self->append))
      self->position = at + got;
  }
}

static void step_seek(struct actor *self) {
  static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END, 77};
  unsigned choice = input_byte(&self->script) % 4;
  int64_t offset = (int64_t)(input_u16(&self->script) % (2 * SIZE_LIMIT)) -
                   (choice ? SIZE_LIMIT : 0);
  int64_t base = choice == 1 ? self->position : choice == 2 ? self->size : 0;
  int64_t got = ovio_seek(&self->file, offset, whences[choice]);
  if (!self->open)
    actor_agrees(self, got, choice == 3 ? got : OVIO_EBADF);
  else if (choice == 3 || base + offset < 0)
    actor_agrees(self, got, OVIO_EINVAL);
  else if (actor_agrees(self, got, base + offset))
    self->position = got;
}

static void step_truncate(struct actor *self) {
  int64_t size = (int64_t)(input_u16(&self->script) % (SIZE_LIMIT + 100)) - 100;
  int64_t result = ovio_truncate(&self->file, size);
  if (size < 0) {
    FUZZ_CHECK(result < 0);
    return;
  }
  if (!self->open || !self->writable) {
    actor_agrees(self, result, OVIO_EBADF);
  } else if (actor_agrees(self, result, 0)) {
    if (size > self->size)
      memset(self->model + self->size, 0, (size_t)(size - self->size));
    self->size = size;
  }
}

static void step_size(struct actor *self) {
  struct ovio_stat stat;
  actor_agrees(self, ovio_size(&self->file),
               self->open ? self->size : OVIO_EBADF);
  if (actor_agrees(self, ovio_stat(&self->file, &stat),
                   self->open ? 0 : OVIO_EBADF) &&
      self->open)
    FUZZ_CHECK(stat.size == self->size && stat.type == OVIO_TYPE_FILE);
}

/* ---- steps: several operations at once ---- */

static void flight_done(struct ovio_op *op, int64_t result) {
  struct flight *flight = (struct flight *)(void *)op;
  flight->calls++;
  flight->result = result;
}

/* Each at the position: they happen one after the other. */
static int burst_start(struct actor *self, size_t count, unsigned seed) {
  size_t started = 0;
  for (; started < count; started++) {
    struct flight *flight = &self->flights[started];
    *flight = (struct flight){.write = (input_byte(&self->script) & 1) != 0};
    flight->length = input_byte(&self->script) * 2u % (LENGTH_LIMIT / BURST);
    fill(flight->bytes, flight->length, seed + (unsigned)started);
    int error = flight->write
                    ? ovio_start_write(self->loop, &flight->op, &self->file,
                                       flight->bytes, flight->length, OVIO_HERE,
                                       flight_done)
                    : ovio_start_read(self->loop, &flight->op, &self->file,
                                      flight->bytes, flight->length, OVIO_HERE,
                                      flight_done);
    FUZZ_CHECK(error == 0 && flight->calls == 0);
  }
  return (int)started;
}

static void burst_cancel(struct actor *self, size_t count) {
  unsigned which = input_byte(&self->script);
  for (size_t at = 0; at < count; at++) {
    if (!(which & (1u << at)))
      continue;
    int error = ovio_cancel(&self->flights[at].op);
    FUZZ_CHECK(error == 0 || error == OVIO_ENOENT);
    self->flights[at].cancelled = true;
  }
}

static void burst_wait(struct actor *self, size_t count) {
  for (size_t at = 0; at < count; at++) {
    while (self->flights[at].calls == 0) {
      ovio_yield();
      os_thread_yield(); /* to the workers */
    }
    FUZZ_CHECK(self->flights[at].calls == 1);
  }
}

/* In their order, each on what the one before has left. */
static void burst_check(struct actor *self, size_t count, bool closed) {
  for (size_t at = 0; at < count; at++) {
    struct flight *flight = &self->flights[at];
    bool may_stop = flight->cancelled || closed;
    int64_t place = flight->write ? write_place(self, true, 0) : self->position;
    if (flight->result == OVIO_ECANCELED) {
      FUZZ_CHECK(may_stop);
      continue;
    }
    if (flight->write)
      model_write(self, flight->bytes, flight->result, flight->length, place,
                  may_stop);
    else
      model_read(self, flight->bytes, flight->result, flight->length, place,
                 may_stop);
    if (flight->result > 0)
      self->position = place + flight->result;
  }
}

static void step_burst(struct actor *self) {
  unsigned choice = input_byte(&self->script);
  size_t count = 1 + choice % BURST;
  if (!self->loop || !self->open || !self->readable || !self->writable ||
      write_place(self, true, 0) > SIZE_LIMIT - LENGTH_LIMIT)
    return;
  burst_start(self, count, choice);
  if (choice & 16)
    ovio_yield();
  if (choice & 32)
    burst_cancel(self, count);
  bool closed = choice >= 224;
  if (closed)
    step_close(self);
  burst_wait(self, count);
  burst_check(self, count, closed);
}

/* ---- steps: interruptions ---- */

static void step_deadline(struct actor *self) {
  unsigned choice = input_byte(&self->script);
  uint64_t duration = choice % 2 ? choice * 500u : 0;
  int error = ovio_deadline(duration);
  if (!self->loop) {
    FUZZ_CHECK(error == OVIO_ENOTSUP);
    return;
  }
  FUZZ_CHECK(error == 0);
  self->hurried = duration > 0;
}

static void step_cancel(struct actor *self) {
  struct actor *other = &self->others[input_byte(&self->script) % ACTORS];
  if (!self->loop || input_byte(&self->script) % 4)
    return;
  other->cancelled = true;
  ovio_group_cancel(&other->group);
}

static void step_yield(struct actor *self) {
  unsigned choice = input_byte(&self->script);
  if (choice % 8)
    ovio_yield();
  else
    actor_agrees(self, ovio_sleep(choice), 0);
}

/* ---- the whole ---- */

static void actor_run(void *argument) {
  static void (*const steps[])(struct actor *) = {
      step_open,  step_read,     step_read, step_write,    step_write,
      step_write, step_seek,     step_seek, step_truncate, step_size,
      step_burst, step_burst,    step_read, step_deadline, step_cancel,
      step_yield, step_truncate, step_open, step_close};
  struct actor *self = argument;
  int error = ovio_open(&self->file, self->path, OVIO_READ | OVIO_WRITE, 0600);
  if (actor_agrees(self, error, 0))
    opened(self, OVIO_READ | OVIO_WRITE);
  for (int step = 0; step < STEPS_MAX && self->script.left; step++)
    steps[input_byte(&self->script) % (sizeof steps / sizeof *steps)](self);
  if (self->open)
    step_close(self);
}

/* The file as somebody else finds it. */
static void actor_compare(struct actor *self) {
  void *bytes;
  size_t length;
  FUZZ_CHECK(
      ovio_read_file(NULL, self->path, SIZE_LIMIT * 2, &bytes, &length) == 0);
  FUZZ_CHECK((int64_t)length == self->size);
  FUZZ_CHECK(memcmp(bytes, self->model, length) == 0);
  ovio_free(bytes);
}

/* Loops live for a while, with their workers: to make one takes longer than to
 * use it. */
enum { ENGINES = 6, LOOP_USES = 500 };
static struct ovio_loop *loops[ENGINES][2];
static unsigned loops_used;
static long loops_alive; /* memory, before there were any */

static void loops_end(void) {
  for (size_t at = 0; at < ENGINES * 2; at++) {
    struct ovio_loop **loop = &loops[at / 2][at % 2];
    FUZZ_CHECK(!*loop || ovio_loop_destroy(*loop) == 0);
    *loop = NULL;
  }
  FUZZ_CHECK(memory_alive == loops_alive);
}

/* One that moves as much as it can, or only a little with each call. */
static struct ovio_loop *loops_get(unsigned engine, bool little) {
  struct ovio_loop **loop = &loops[engine][little];
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = engine,
                                      .max_transfer = little ? 100 : 0};
  if (++loops_used % LOOP_USES == 0)
    loops_end();
  if (!*loop && ovio_loop_create(loop, &options) == OVIO_ENOTSUP) {
    options.engine = OVIO_ENGINE_DEFAULT;
    FUZZ_CHECK(ovio_loop_create(loop, &options) == 0);
  }
  return *loop;
}

static void run_on_loop(struct actor *actors, struct ovio_loop *loop) {
  for (size_t at = 0; at < ACTORS; at++) {
    ovio_group_init(&actors[at].group);
    actors[at].loop = loop;
    FUZZ_CHECK(
        ovio_group_spawn(&actors[at].group, loop, actor_run, &actors[at]) == 0);
  }
  FUZZ_CHECK(ovio_loop_run(loop) == 0);
}

static char folder[NAME_MAX_LENGTH - 40];

static void folder_path(char *path, size_t at) {
  snprintf(path, NAME_MAX_LENGTH, "%s/%zu", folder, at);
}

static void fuzz_end(void) {
  char path[NAME_MAX_LENGTH];
  for (size_t at = 0; at < ACTORS; at++) {
    folder_path(path, at);
    ovio_unlink(NULL, path);
  }
  ovio_rmdir(NULL, folder);
  loops_end();
}

static void folder_make(void) {
  char prefix[sizeof folder / 2];
  if (folder[0])
    return;
  FUZZ_CHECK(ovio_temp_path(prefix, sizeof prefix - 20) > 0);
  size_t length = strlen(prefix);
  snprintf(prefix + length, sizeof prefix - length, "/ovio-fuzz-");
  FUZZ_CHECK(ovio_temp_dir(NULL, prefix, folder, sizeof folder) == 0);
  loops_alive = memory_alive;
  atexit(fuzz_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
  static struct actor actors[ACTORS];
  struct input input = {data, length};
  folder_make();
  memset(actors, 0, sizeof actors);
  unsigned mode = input_byte(&input);
  bool little = input_byte(&input) % 4 == 0;
  for (size_t at = 0; at < ACTORS; at++) {
    actors[at].others = actors;
    actors[at].script = input_part(&input, input.left / (ACTORS - at));
    folder_path(actors[at].path, at);
    FUZZ_CHECK(ovio_write_file(NULL, actors[at].path, "", 0, 0600) == 0);
  }
  if (mode % (ENGINES + 1) < ENGINES) {
    run_on_loop(actors, loops_get(mode % (ENGINES + 1), little));
  } else {
    ovio_set_max_transfer(little ? 100 : 0);
    for (size_t at = 0; at < ACTORS; at++)
      actor_run(&actors[at]);
    ovio_set_max_transfer(0);
  }
  for (size_t at = 0; at < ACTORS; at++)
    actor_compare(&actors[at]);
  return 0;
}
