/* SPDX-License-Identifier: MIT */
/* Streams under callbacks: pipes, and connections of named pipes. What was
 * written, in the order of submission and as far as the results say, is what is
 * read, in the order of submission; the end comes when the other end has
 * closed or shut down, and no sooner; what is told to be ready has been so.
 *
 * A task makes a connection, since what that takes blocks: it listens, has an
 * accept started, connects, and ends the listener. */
#include <string.h>

#include "tests/fake/sim.h"

enum { PAIRS = 4, STREAMS = 2 * PAIRS, ACTS = 40, LENGTH_MAX = 9000 };
enum { LOG_MAX = 1 << 20, POISON = 0xA5, READ = 0, WRITE = 1 };
enum state { CLOSED, OPENING, OPEN, CLOSING };
enum kind { ACT_MOVE, ACT_WAIT, ACT_ACCEPT, ACT_CLOSE };

struct act {
  struct ovio_op op; /* first */
  bool busy;
  bool done;
  bool cancelled;
  bool shut; /* when it was started */
  enum kind kind;
  unsigned way;
  struct stream *stream;
  struct act *next;
  unsigned long faults;
  uint64_t moment;
  size_t length;
  int64_t result;
  uint8_t buffer[LENGTH_MAX];
};

/* One direction: what was moved, and what is still to come. */
struct lane {
  struct act *head;
  struct act **tail;
  size_t logged;
  uint8_t log[LOG_MAX];
};

struct stream {
  struct ovio_file file;
  struct stream *other;
  enum state state;
  bool has[2];
  bool shut; /* its writing; or it is about to be */
  intptr_t handle;
  unsigned busy;
  unsigned waits; /* of these, for readiness: the handle is to stay */
  size_t room;
  struct lane lanes[2];
};

/* A connection in the making. */
struct making {
  struct ovio_file listener;
  struct ovio_file spare; /* of a second accept, which gets nothing */
  struct stream *server;
  char name[2];
  bool under_way;
};

static struct stream streams__all[STREAMS];
static struct making streams__makings[PAIRS];
static struct act streams__acts[ACTS];

static int streams__number(const struct stream *stream) {
  return (int)(stream - streams__all);
}

/* ---- the model ---- */

static void streams__check_untouched(const struct act *act) {
  for (size_t at = 0; at < LENGTH_MAX; at++)
    CHECK(act->buffer[at] == POISON);
}

static void streams__release(struct act *act) {
  memset(act->buffer, POISON, LENGTH_MAX);
  memset(&act->op, POISON, sizeof act->op); /* it might be freed */
  act->stream->busy--;
  act->stream->waits -= act->kind == ACT_WAIT;
  act->busy = act->done = false;
}

static void streams__log(struct lane *lane, const struct act *act) {
  if (act->result <= 0)
    return;
  CHECK(lane->logged + (size_t)act->result <= LOG_MAX);
  memcpy(lane->log + lane->logged, act->buffer, (size_t)act->result);
  lane->logged += (size_t)act->result;
}

/* The part that is new to the one or the other. */
static void streams__compare(const struct stream *stream, unsigned way,
                             size_t from) {
  const struct lane *mine = &stream->lanes[way];
  const struct lane *other = &stream->other->lanes[!way];
  size_t to = mine->logged < other->logged ? mine->logged : other->logged;
  if (to > from)
    CHECK(memcmp(mine->log + from, other->log + from, to - from) == 0);
}

static void streams__run_lane(struct stream *stream, unsigned way) {
  struct lane *lane = &stream->lanes[way];
  size_t from = lane->logged;
  while (lane->head && lane->head->done) {
    struct act *act = lane->head;
    lane->head = act->next;
    if (!lane->head)
      lane->tail = &lane->head;
    streams__log(lane, act);
    streams__release(act);
  }
  streams__compare(stream, way, from);
}

static bool streams__is_faulty(const struct act *act) {
  return fake_faults(act->stream->handle) != act->faults;
}

static void streams__check_read(const struct act *act) {
  const struct stream *other = act->stream->other;
  /* It takes what one call gives. */
  CHECK(act->result <= (int64_t)act->stream->room);
  if (act->result == 0)
    CHECK(other->state != OPEN || other->shut);
  CHECK(act->result != OVIO_EPIPE);
}

static void streams__check_write(const struct act *act) {
  const struct stream *stream = act->stream;
  bool ended = act->cancelled || stream->state != OPEN || act->shut ||
               stream->other->state != OPEN;
  CHECK(act->result != 0);
  if (act->result == OVIO_EPIPE)
    CHECK(stream->other->state != OPEN || act->shut);
  if (act->result > 0 && act->result < (int64_t)act->length)
    CHECK(ended || streams__is_faulty(act));
}

static void streams__check_result(const struct act *act) {
  CHECK(act->result <= (int64_t)act->length);
  if (act->result == OVIO_ECANCELED)
    CHECK(act->cancelled || act->stream->state != OPEN);
  if (act->result == OVIO_EIO)
    CHECK(streams__is_faulty(act));
  if (act->kind == ACT_MOVE)
    (act->way == WRITE ? streams__check_write : streams__check_read)(act);
}

static void streams__open(struct stream *stream, bool reads, bool writes) {
  stream->state = OPEN;
  stream->shut = false;
  stream->has[READ] = reads;
  stream->has[WRITE] = writes;
  stream->handle = (intptr_t)ovio_file_handle(&stream->file);
  if (reads)
    stream->room = fake_room(stream->handle, false);
}

/* ---- completions ---- */

static void streams__on_moved(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && !act->done);
  act->done = true;
  act->result = result;
  streams__check_result(act);
  streams__run_lane(act->stream, act->way);
  sim_leave();
  sim_compute();
}

static void streams__on_ready(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && result <= 0);
  act->result = result;
  streams__check_result(act);
  CHECK(act->stream->state == OPEN && result != OVIO_EBADF);
  if (result == 0)
    CHECK(fake_was_ready(act->stream->handle, act->way == WRITE, act->moment));
  streams__release(act);
  sim_leave();
}

static void streams__on_accept(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  struct stream *stream = act->stream;
  sim_enter();
  CHECK(act->busy && stream->state == OPENING && result <= 0);
  stream->state = CLOSED;
  if (result == 0)
    streams__open(stream, true, true);
  else
    CHECK(ovio_file_handle(&stream->file) == OVIO_NO_HANDLE);
  streams__release(act);
  sim_leave();
}

/* The first is before it, unless that has failed. */
static void streams__on_spare(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  struct stream *stream = act->stream;
  struct making *making = &streams__makings[streams__number(stream) / 2];
  sim_enter();
  CHECK(act->busy && result <= 0);
  if (result < 0 || act->done) {
    streams__release(act);
  } else {
    CHECK(stream->state == CLOSED || sim_threads > 1);
    act->done = true;
    act->kind = ACT_CLOSE;
    CHECK(ovio_start_close(sim_any_loop(), op, &making->spare,
                           streams__on_spare) == 0);
  }
  sim_leave();
}

static void streams__on_close(struct ovio_op *op, int64_t result) {
  struct act *act = (struct act *)(void *)op;
  sim_enter();
  CHECK(act->busy && act->stream->state == CLOSING);
  CHECK(result == 0 || result == OVIO_EIO);
  act->stream->state = CLOSED;
  streams__release(act);
  sim_leave();
}

/* ---- steps ---- */

static struct act *streams__idle_act(struct stream *stream, enum kind kind) {
  /* There is always one left for each close. */
  unsigned last = kind == ACT_CLOSE ? ACTS : ACTS - STREAMS;
  for (unsigned at = 0; at < last; at++) {
    struct act *act = &streams__acts[at];
    if (act->busy)
      continue;
    streams__check_untouched(act);
    memset(&act->op, 0, sizeof act->op);
    act->busy = true;
    act->cancelled = false;
    act->shut = stream->shut;
    act->kind = kind;
    act->stream = stream;
    act->next = NULL;
    act->length = 0;
    act->faults = fake_faults(stream->handle);
    act->moment = fake_moment();
    stream->busy++;
    stream->waits += kind == ACT_WAIT;
    return act;
  }
  return NULL;
}

static void streams__cancel(struct act *act) {
  int error = ovio_cancel(&act->op);
  CHECK(error == (act->kind == ACT_CLOSE ? OVIO_ENOTSUP : 0) ||
        error == OVIO_ENOENT); /* its callback is called */
  act->cancelled = true;
}

static void streams__step_cancel(void) {
  struct act *act = &streams__acts[sim_below(ACTS)];
  if (!act->busy || act->done)
    return;
  sim_note("cancel number %d, of stream %d", (int)(act - streams__acts),
           streams__number(act->stream));
  streams__cancel(act);
}

static void streams__cancel_waits(const struct stream *stream) {
  for (unsigned at = 0; at < ACTS; at++) {
    struct act *act = &streams__acts[at];
    if (act->busy && act->kind == ACT_WAIT && act->stream == stream)
      streams__cancel(act);
  }
}

/* What has all workers keeps others from the end that it waits for. */
static void streams__cancel_pair(const struct stream *stream) {
  for (unsigned at = 0; at < ACTS; at++) {
    struct act *act = &streams__acts[at];
    if (act->busy && !act->done &&
        (act->stream == stream || act->stream == stream->other))
      streams__cancel(act);
  }
}

/* Who waits for a handle to be ready must have gone. */
static void streams__step_close(struct stream *stream) {
  if (stream->state != OPEN)
    return;
  streams__cancel_waits(stream);
  struct act *act = stream->waits ? NULL : streams__idle_act(stream, ACT_CLOSE);
  if (!act)
    return;
  sim_note("close stream %d with %u in flight", streams__number(stream),
           stream->busy - 1);
  stream->state = CLOSING;
  CHECK(ovio_start_close(sim_any_loop(), &act->op, &stream->file,
                         streams__on_close) == 0);
}

static void streams__submit(struct act *act) {
  struct stream *stream = act->stream;
  int error = act->way == WRITE
                  ? ovio_start_write(sim_any_loop(), &act->op, &stream->file,
                                     act->buffer, act->length, OVIO_HERE,
                                     streams__on_moved)
                  : ovio_start_read(sim_any_loop(), &act->op, &stream->file,
                                    act->buffer, act->length, OVIO_HERE,
                                    streams__on_moved);
  CHECK(error == (stream->state == OPEN ? 0 : OVIO_EBADF));
  if (error) {
    streams__release(act);
    return;
  }
  *stream->lanes[act->way].tail = act;
  stream->lanes[act->way].tail = &act->next;
}

static void streams__step_move(struct stream *stream, unsigned way) {
  struct act *act = streams__idle_act(stream, ACT_MOVE);
  if (!act)
    return;
  act->way = way;
  act->length = 1 + (size_t)sim_below(sim_chance(80) ? 200 : LENGTH_MAX);
  if (way == WRITE) {
    for (size_t at = 0; at < act->length; at++)
      act->buffer[at] = (uint8_t)sim_below(256);
  }
  sim_note("%s %zu bytes, stream %d", way == WRITE ? "write" : "read",
           act->length, streams__number(stream));
  streams__submit(act);
}

static void streams__step_wait(struct stream *stream, unsigned way) {
  struct act *act =
      stream->state == OPEN ? streams__idle_act(stream, ACT_WAIT) : NULL;
  if (!act)
    return;
  act->way = way;
  sim_note("wait for stream %d, to %s", streams__number(stream),
           way == WRITE ? "write" : "read");
  ovio_handle handle = (ovio_handle)stream->handle;
  CHECK((way == WRITE ? ovio_start_wait_writable : ovio_start_wait_readable)(
            sim_any_loop(), &act->op, handle, streams__on_ready) == 0);
}

/* The handle leaves, and comes back. */
static void streams__step_adopt(struct stream *stream) {
  if (sim_is_plain() || stream->state == CLOSED || stream->shut)
    return; /* it would wait with the lock of the callbacks */
  sim_note("release and adopt stream %d with %u in flight",
           streams__number(stream), stream->busy);
  ovio_handle handle = ovio_release(&stream->file);
  if (handle == OVIO_NO_HANDLE) {
    CHECK(stream->busy);
    return;
  }
  CHECK(stream->handle == (intptr_t)handle && stream->state == OPEN);
  unsigned flags = (stream->has[READ] ? (unsigned)OVIO_READ : 0u) |
                   (stream->has[WRITE] ? (unsigned)OVIO_WRITE : 0u) |
                   (sim_chance(30) ? (unsigned)OVIO_BLOCKING : 0u);
  CHECK(ovio_adopt(&stream->file, handle, flags) == 0);
}

static void streams__shutdown(void *argument) {
  struct stream *stream = argument;
  int error = ovio_pipe_shutdown(&stream->file);
  sim_enter();
  CHECK(error == 0 || stream->state != OPEN || error == OVIO_ENOMEM ||
        error == OVIO_EBUSY || error == OVIO_EMFILE);
  stream->busy--;
  sim_leave();
}

/* From now on others may see it. */
static void streams__step_shutdown(struct stream *stream) {
  if (stream->state != OPEN || !stream->has[READ] || !stream->has[WRITE])
    return;
  sim_note("shut stream %d down", streams__number(stream));
  stream->busy++;
  stream->shut = true;
  if (ovio_spawn(sim_any_loop(), streams__shutdown, stream))
    stream->busy--;
}

/* ---- steps that open ---- */

static void streams__open_pipe(struct stream *pair) {
  struct ovio_file ends[2];
  int error = ovio_pipe(ends, 0);
  CHECK(error == 0 || error == OVIO_EMFILE || error == OVIO_ENOMEM);
  sim_note("streams %d, %d: a pipe: %d", streams__number(pair),
           streams__number(pair + 1), error);
  for (unsigned end = 0; end < 2 && !error; end++) {
    memcpy(&pair[end].file, &ends[end], sizeof ends[end]);
    streams__open(&pair[end], end == 0, end == 1);
  }
}

static void streams__accept(struct making *making) {
  struct act *act = streams__idle_act(making->server, ACT_ACCEPT);
  if (!act)
    return;
  making->server->state = OPENING;
  CHECK(ovio_start_accept(sim_any_loop(), &act->op, &making->listener,
                          &making->server->file, streams__on_accept) == 0);
  act = streams__idle_act(making->server, ACT_ACCEPT);
  if (act)
    CHECK(ovio_start_accept(sim_any_loop(), &act->op, &making->listener,
                            &making->spare, streams__on_spare) == 0);
}

static void streams__connect(struct making *making) {
  struct stream *client = making->server->other;
  client->state = OPENING;
  int error = ovio_pipe_connect(&client->file, making->name, 0);
  sim_enter();
  CHECK(error == 0 || error == OVIO_ENOMEM || error == OVIO_EMFILE);
  client->state = CLOSED;
  if (error == 0)
    streams__open(client, true, true);
  sim_leave();
}

static void streams__make(void *argument) {
  struct making *making = argument;
  int error = ovio_pipe_listen(&making->listener, making->name, 0);
  CHECK(error != OVIO_EEXIST && error != OVIO_EINVAL);
  if (error == 0) {
    sim_enter();
    streams__accept(making);
    sim_leave();
    streams__connect(making);
    (void)ovio_sleep(fake_random() % 3000000);
    error = ovio_close(&making->listener);
    CHECK(error == 0 || error == OVIO_EIO);
  }
  making->under_way = false;
}

static void streams__step_open(struct stream *pair) {
  struct making *making = &streams__makings[streams__number(pair) / 2];
  if (pair[0].busy + pair[1].busy || making->under_way)
    return;
  for (unsigned end = 0; end < 2; end++) {
    for (unsigned way = 0; way < 2; way++) {
      struct lane *lane = &pair[end].lanes[way];
      lane->tail = &lane->head;
      lane->logged = 0;
    }
  }
  if (sim_chance(50)) {
    streams__open_pipe(pair);
    return;
  }
  making->under_way = true; /* the task may be over before it is told */
  if (ovio_spawn(sim_any_loop(), streams__make, making))
    making->under_way = false;
  sim_note("streams %d, %d: connect", streams__number(pair),
           streams__number(pair + 1));
}

static void streams__step(void) {
  struct stream *stream = &streams__all[sim_below(STREAMS)];
  unsigned way = (unsigned)sim_below(2);
  uint64_t dice = sim_below(100);
  if (!stream->has[way])
    way = !way;
  if (stream->state == OPENING)
    return;
  if (stream->state == CLOSED && stream->other->state == CLOSED)
    streams__step_open(stream < stream->other ? stream : stream->other);
  else if (dice < 15)
    streams__step_cancel();
  else if (dice < 30)
    streams__step_wait(stream, way);
  else if (dice < 94)
    streams__step_move(stream, way);
  else if (dice < 96)
    streams__step_adopt(stream);
  else if (dice < 98)
    streams__step_close(stream);
  else
    streams__step_shutdown(stream);
}

/* ---- the episode ---- */

static void streams__begin(void) {
  memset(streams__acts, 0, sizeof streams__acts);
  for (unsigned at = 0; at < ACTS; at++)
    memset(streams__acts[at].buffer, POISON, LENGTH_MAX);
  for (unsigned at = 0; at < STREAMS; at++) {
    struct stream *stream = &streams__all[at];
    memset(stream, 0, offsetof(struct stream, lanes));
    stream->other = &streams__all[at ^ 1];
    stream->has[READ] = stream->has[WRITE] = true; /* never open: EBADF */
    for (unsigned way = 0; way < 2; way++) {
      stream->lanes[way].head = NULL;
      stream->lanes[way].tail = &stream->lanes[way].head;
      stream->lanes[way].logged = 0;
    }
  }
  for (unsigned at = 0; at < PAIRS; at++)
    streams__makings[at] = (struct making){.server = &streams__all[2 * at],
                                           .name = {(char)('a' + at), 0}};
}

/* Closes one end; that alone ends what waits at the other. */
static void streams__finish(void) {
  for (unsigned at = 0; at < PAIRS; at++) {
    struct stream *first = &streams__all[2 * at + at % 2];
    if (streams__makings[at].under_way) {
      streams__cancel_pair(first);
      continue;
    }
    streams__step_close(first);
    if (first->state == CLOSED && first->other->busy == 0)
      streams__step_close(first->other);
  }
}

static bool streams__is_over(void) {
  bool over = true;
  for (unsigned at = 0; at < STREAMS; at++)
    over = over && streams__all[at].state == CLOSED &&
           streams__all[at].busy == 0 && !streams__makings[at / 2].under_way;
  return over;
}

static void streams__check(void) {
  for (unsigned at = 0; at < ACTS; at++) {
    CHECK(!streams__acts[at].busy);
    streams__check_untouched(&streams__acts[at]);
  }
  for (unsigned at = 0; at < STREAMS; at++) {
    const struct stream *stream = &streams__all[at];
    CHECK(!stream->lanes[READ].head && !stream->lanes[WRITE].head);
    CHECK(stream->lanes[READ].logged <= stream->other->lanes[WRITE].logged);
    streams__compare(stream, READ, 0);
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
