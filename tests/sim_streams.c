/* SPDX-License-Identifier: MIT */
/* Pipes under callbacks. What was written, in the order of submission and as
 * far as the results say, is what is read, in the order of submission; the end
 * comes when the writer has closed, and no sooner. */
#include <string.h>

#include "tests/fake/sim.h"

enum { PIPES = 4, ACTS = 32, LENGTH_MAX = 9000, LOG_MAX = 1 << 20 };
enum { POISON = 0xA5, READER = 0, WRITER = 1 };
enum state { CLOSED, OPEN, CLOSING };
enum kind { ACT_MOVE, ACT_CLOSE };

struct act {
  struct ovio_op op; /* first */
  bool busy;
  bool done;
  bool cancelled;
  enum kind kind;
  struct end *end;
  struct act *next;
  unsigned long faults;
  size_t length;
  int64_t result;
  uint8_t buffer[LENGTH_MAX];
};

struct end {
  struct pipe_world *pipe;
  bool writes;
  enum state state;
  intptr_t handle;
  unsigned busy;
  struct act *head;
  struct act **tail;
  size_t logged;
  uint8_t log[LOG_MAX];
};

struct pipe_world {
  struct ovio_file files[2];
  struct end ends[2];
  size_t room;
};

static struct pipe_world streams__all[PIPES];
static struct act streams__acts[ACTS];

/* ---- the model ---- */

static void streams__check_untouched(const struct act *act) {
  for (size_t at = 0; at < LENGTH_MAX; at++)
    CHECK(act->buffer[at] == POISON);
}

static void streams__release(struct act *act) {
  memset(act->buffer, POISON, LENGTH_MAX);
  memset(&act->op, POISON, sizeof act->op); /* it might be freed */
  act->end->busy--;
  act->busy = act->done = false;
}

static void streams__log(struct end *end, const struct act *act) {
  if (act->result <= 0)
    return;
  CHECK(end->logged + (size_t)act->result <= LOG_MAX);
  memcpy(end->log + end->logged, act->buffer, (size_t)act->result);
  end->logged += (size_t)act->result;
}

/* The part that is new to the one or the other. */
static void streams__compare(const struct pipe_world *pipe, size_t from) {
  const struct end *reader = &pipe->ends[READER];
  const struct end *writer = &pipe->ends[WRITER];
  size_t to = reader->logged < writer->logged ? reader->logged : writer->logged;
  if (to > from)
    CHECK(memcmp(reader->log + from, writer->log + from, to - from) == 0);
}

static void streams__run_lane(struct end *end) {
  size_t from = end->logged;
  while (end->head && end->head->done) {
    struct act *act = end->head;
    end->head = act->next;
    if (!end->head)
      end->tail = &end->head;
    streams__log(end, act);
    streams__release(act);
  }
  streams__compare(end->pipe, from);
}

static void streams__check_result(const struct act *act) {
  const struct end *end = act->end;
  const struct end *other = &end->pipe->ends[!end->writes];
  bool ended = act->cancelled || end->state != OPEN;
  bool faulty = fake_faults(end->handle) != act->faults;
  int64_t result = act->result;
  CHECK(result <= (int64_t)act->length);
  if (result == OVIO_ECANCELED)
    CHECK(ended);
  if (result == OVIO_EPIPE)
    CHECK(end->writes && other->state != OPEN);
  if (result == OVIO_EIO)
    CHECK(faulty);
  if (!end->writes) /* it takes what one call gives */
    CHECK(result <= (int64_t)end->pipe->room);
  if (result == 0)
    CHECK(!end->writes && other->state != OPEN);
  if (end->writes && result > 0 && result < (int64_t)act->length)
    CHECK(ended || faulty || other->state != OPEN);
}

/* ---- completions ---- */

static void streams__on_moved(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && !act->done);
  act->done = true;
  act->result = result;
  streams__check_result(act);
  streams__run_lane(act->end);
  sim_leave();
  sim_compute();
}

static void streams__on_close(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && act->end->state == CLOSING);
  CHECK(result == 0 || result == OVIO_EIO);
  act->end->state = CLOSED;
  streams__release(act);
  sim_leave();
}

/* ---- steps ---- */

static struct act *streams__idle_act(struct end *end, enum kind kind) {
  /* There is always one left for each close. */
  unsigned last = kind == ACT_CLOSE ? ACTS : ACTS - 2 * PIPES;
  for (unsigned at = 0; at < last; at++) {
    struct act *act = &streams__acts[at];
    if (act->busy)
      continue;
    streams__check_untouched(act);
    memset(&act->op, 0, sizeof act->op);
    act->busy = true;
    act->cancelled = false;
    act->kind = kind;
    act->end = end;
    act->next = NULL;
    act->faults = fake_faults(end->handle);
    end->busy++;
    return act;
  }
  return NULL;
}

static void streams__open_end(struct pipe_world *pipe, unsigned which) {
  struct end *end = &pipe->ends[which];
  end->pipe = pipe;
  end->writes = which == WRITER;
  end->state = OPEN;
  end->handle = (intptr_t)ovio_file_handle(&pipe->files[which]);
  end->head = NULL;
  end->tail = &end->head;
  end->logged = 0;
}

static void streams__step_open(struct pipe_world *pipe) {
  if (pipe->ends[READER].busy + pipe->ends[WRITER].busy)
    return;
  int error = ovio_pipe(pipe->files, 0);
  CHECK(error == 0 || error == OVIO_EMFILE || error == OVIO_ENOMEM);
  sim_note("open pipe %d: %d", (int)(pipe - streams__all), error);
  if (error)
    return;
  streams__open_end(pipe, READER);
  streams__open_end(pipe, WRITER);
  pipe->room = fake_room(pipe->ends[WRITER].handle);
}

static void streams__step_close(struct end *end) {
  if (end->state != OPEN)
    return;
  struct act *act = streams__idle_act(end, ACT_CLOSE);
  if (!act)
    return;
  sim_note("close %s of pipe %d with %u in flight",
           end->writes ? "writer" : "reader", (int)(end->pipe - streams__all),
           end->busy - 1);
  end->state = CLOSING;
  CHECK(ovio_start_close(sim_loop, &act->op, &end->pipe->files[end->writes],
                         streams__on_close) == 0);
}

static void streams__submit(struct act *act) {
  struct end *end = act->end;
  struct ovio_file *file = &end->pipe->files[end->writes];
  int error = end->writes
                  ? ovio_start_write(sim_loop, &act->op, file, act->buffer,
                                     act->length, OVIO_HERE, streams__on_moved)
                  : ovio_start_read(sim_loop, &act->op, file, act->buffer,
                                    act->length, OVIO_HERE, streams__on_moved);
  CHECK(error == (end->state == OPEN ? 0 : OVIO_EBADF));
  if (error) {
    streams__release(act);
    return;
  }
  *end->tail = act;
  end->tail = &act->next;
}

static void streams__step_move(struct end *end) {
  struct act *act = streams__idle_act(end, ACT_MOVE);
  if (!act)
    return;
  act->length = 1 + (size_t)sim_below(sim_chance(80) ? 200 : LENGTH_MAX);
  if (end->writes) {
    for (size_t at = 0; at < act->length; at++)
      act->buffer[at] = (uint8_t)sim_below(256);
  }
  sim_note("%s %zu bytes, pipe %d", end->writes ? "write" : "read", act->length,
           (int)(end->pipe - streams__all));
  streams__submit(act);
}

static void streams__step_cancel(void) {
  struct act *act = &streams__acts[sim_below(ACTS)];
  if (!act->busy || act->done)
    return;
  sim_note("cancel number %d, a %s of pipe %d", (int)(act - streams__acts),
           act->end->writes ? "write" : "read",
           (int)(act->end->pipe - streams__all));
  int error = ovio_cancel(&act->op);
  CHECK(error == (act->kind == ACT_CLOSE ? OVIO_ENOTSUP : 0) ||
        error == OVIO_ENOENT); /* its callback is called */
  act->cancelled = true;
}

static void streams__step(void) {
  struct pipe_world *pipe = &streams__all[sim_below(PIPES)];
  struct end *end = &pipe->ends[sim_below(2)];
  uint64_t dice = sim_below(100);
  if (pipe->ends[READER].state == CLOSED && pipe->ends[WRITER].state == CLOSED)
    streams__step_open(pipe);
  else if (dice < 15)
    streams__step_cancel();
  else if (dice < 97)
    streams__step_move(end);
  else
    streams__step_close(end);
}

/* ---- the episode ---- */

static void streams__begin(void) {
  memset(streams__acts, 0, sizeof streams__acts);
  for (unsigned at = 0; at < ACTS; at++)
    memset(streams__acts[at].buffer, POISON, LENGTH_MAX);
  for (unsigned at = 0; at < PIPES; at++) {
    struct pipe_world *pipe = &streams__all[at];
    memset(pipe->files, 0, sizeof pipe->files);
    for (unsigned which = 0; which < 2; which++) {
      pipe->ends[which].pipe = pipe;
      pipe->ends[which].writes = which == WRITER;
      pipe->ends[which].state = CLOSED;
      pipe->ends[which].handle = 0;
      pipe->ends[which].busy = 0;
      pipe->ends[which].head = NULL;
      pipe->ends[which].tail = &pipe->ends[which].head;
      pipe->ends[which].logged = 0;
    }
  }
}

/* Closes one end; that alone ends what waits at the other. */
static void streams__finish(void) {
  for (unsigned at = 0; at < PIPES; at++) {
    struct pipe_world *pipe = &streams__all[at];
    streams__step_close(&pipe->ends[at % 2]);
    if (pipe->ends[at % 2].state == CLOSED && pipe->ends[!(at % 2)].busy == 0)
      streams__step_close(&pipe->ends[!(at % 2)]);
  }
}

static bool streams__is_over(void) {
  bool over = true;
  for (unsigned at = 0; at < PIPES; at++)
    over = over && streams__all[at].ends[READER].state == CLOSED &&
           streams__all[at].ends[WRITER].state == CLOSED;
  return over;
}

static void streams__check(void) {
  for (unsigned at = 0; at < ACTS; at++) {
    CHECK(!streams__acts[at].busy);
    streams__check_untouched(&streams__acts[at]);
  }
  for (unsigned at = 0; at < PIPES; at++) {
    const struct pipe_world *pipe = &streams__all[at];
    CHECK(!pipe->ends[READER].head && !pipe->ends[WRITER].head);
    CHECK(pipe->ends[READER].logged <= pipe->ends[WRITER].logged);
    streams__compare(pipe, 0);
  }
}

const struct sim sim_streams = {
    .name = "sim_streams",
    .steps = 500,
    .begin = streams__begin,
    .step = streams__step,
    .finish = streams__finish,
    .is_over = streams__is_over,
    .check = streams__check,
};
