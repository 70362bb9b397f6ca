/* SPDX-License-Identifier: MIT */
/* ovio's loops: tasks that switch, posts and pipes between two threads. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

struct side;

struct mail {
  struct ovio_op op; /* first: a callback gets its address */
  struct side *to;
};

struct side {
  struct duo *duo;
  struct ovio_loop *loop;
  struct mail *mails; /* that the other side posts to this one */
  uint64_t arrived;
};

/* Two loops, each with a thread of its own: side 0 is the caller's. */
struct duo {
  struct job *job;
  struct side sides[2];
  struct ovio_file pipes[2][2]; /* towards side 1, towards side 0 */
  uint64_t left;                /* bursts that have not arrived */
};

/* ---- one loop ---- */

struct solo {
  struct job *job;
  struct ovio_loop *loop;
  struct ovio_op *ops;
};

static void solo_end(void *state) {
  struct solo *solo = state;
  if (solo->loop)
    ovio_loop_destroy(solo->loop);
  free(solo->ops);
  free(solo);
}

static int solo_begin(struct job *job, const struct variant *variant,
                      void **state) {
  struct ovio_loop_options options = {.size = sizeof options,
                                      .engine = variant->engine,
                                      .threads = variant->flags};
  struct solo *solo = calloc(1, sizeof *solo);
  if (!solo)
    return OVIO_ENOMEM;
  *state = solo;
  solo->job = job;
  solo->ops = calloc(job->depth, sizeof *solo->ops);
  int error = solo->ops ? ovio_loop_create(&solo->loop, &options) : OVIO_ENOMEM;
  if (error)
    solo_end(solo);
  return error;
}

/* Spawns `depth` tasks and runs them to their end. */
static int solo__tasks(struct solo *solo, void (*body)(void *)) {
  int error = 0;
  for (size_t at = 0; at < solo->job->depth && !error; at++)
    error = ovio_spawn(solo->loop, body, solo->job);
  int run = ovio_loop_run(solo->loop);
  return error ? error : run;
}

static void yielder(void *argument) {
  struct job *job = argument;
  uint64_t share = job->count / job->depth;
  for (uint64_t at = 0; at < share; at++)
    ovio_yield();
  job_count(job, share);
}

static int run_yield(struct job *job, void *state) {
  (void)job;
  return solo__tasks(state, yielder);
}

static void short_lived(void *argument) {
  job_count(argument, 1);
}

static int run_spawn(struct job *job, void *state) {
  int error = 0;
  while (job->done < job->count && !error)
    error = solo__tasks(state, short_lived);
  return error;
}

/* About 20 us of work, which no compiler can leave out. */
static uint64_t compute(uint64_t value) {
  for (int at = 0; at < 20000; at++)
    value = value * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return value;
}

static void computer(void *argument) {
  struct job *job = argument;
  uint64_t share = job->count / job->depth;
  volatile uint64_t value = share;
  for (uint64_t at = 0; at < share; at++) {
    value = compute(value);
    ovio_yield();
  }
}

static int run_compute(struct job *job, void *state) {
  int error = solo__tasks(state, computer);
  job_count(job, job->count);
  return error;
}

/* ---- deadlines ---- */

static uint64_t cancelled;

static void timer__done(struct ovio_op *op, int64_t result) {
  (void)op;
  cancelled += result == OVIO_ECANCELED;
}

static int run_timers(struct job *job, void *state) {
  struct solo *solo = state;
  const uint64_t hour_ns = UINT64_C(3600000000000);
  cancelled = 0;
  for (uint64_t done = 0; done < job->count; done += job->depth) {
    for (size_t at = 0; at < job->depth && !job->error; at++)
      job->error = ovio_start_sleep(solo->loop, &solo->ops[at], hour_ns + at,
                                    timer__done);
    for (size_t at = 0; at < job->depth && !job->error; at++)
      job->error = ovio_cancel(&solo->ops[at]);
    int error = ovio_loop_run(solo->loop);
    if (error || job->error)
      return error ? error : job->error;
  }
  job_count(job, cancelled);
  return 0;
}

/* ---- two loops ---- */

static void duo_end(void *state) {
  struct duo *duo = state;
  for (int at = 0; at < 2; at++) {
    ovio_close(&duo->pipes[at][0]);
    ovio_close(&duo->pipes[at][1]);
    if (duo->sides[at].loop)
      ovio_loop_destroy(duo->sides[at].loop);
    free(duo->sides[at].mails);
  }
  free(duo);
}

static int duo__side(struct duo *duo, int at, unsigned engine) {
  struct ovio_loop_options options = {.size = sizeof options, .engine = engine};
  struct side *side = &duo->sides[at];
  side->duo = duo;
  side->mails = calloc(duo->job->depth, sizeof *side->mails);
  int error = side->mails ? ovio_pipe(duo->pipes[at], 0) : OVIO_ENOMEM;
  for (size_t mail = 0; mail < duo->job->depth && !error; mail++)
    side->mails[mail].to = side;
  return error ? error : ovio_loop_create(&side->loop, &options);
}

static int duo_begin(struct job *job, const struct variant *variant,
                     void **state) {
  struct duo *duo = calloc(1, sizeof *duo);
  if (!duo)
    return OVIO_ENOMEM;
  *state = duo;
  duo->job = job;
  int error = duo__side(duo, 0, variant->engine);
  if (!error)
    error = duo__side(duo, 1, variant->engine);
  if (error)
    duo_end(duo);
  return error;
}

static void duo__other_thread(void *argument) {
  struct duo *duo = argument;
  int error = ovio_loop_run(duo->sides[1].loop);
  if (error)
    abort(); /* the other side would wait for ever */
}

static int duo__run(struct duo *duo) {
  struct sys_thread *thread = sys_thread_start(duo__other_thread, duo);
  if (!thread)
    return OVIO_ENOMEM;
  int error = ovio_loop_run(duo->sides[0].loop);
  sys_thread_join(thread);
  return error ? error : duo->job->error;
}

/* ---- posts ---- */

static void post__arrived(struct ovio_op *op, int64_t result);

static void post__burst(struct side *to) {
  for (size_t at = 0; at < to->duo->job->depth; at++) {
    if (ovio_post(to->loop, &to->mails[at].op, post__arrived))
      abort();
  }
}

static void post__arrived(struct ovio_op *op, int64_t result) {
  struct side *side = ((struct mail *)(void *)op)->to;
  struct duo *duo = side->duo;
  (void)result;
  if (++side->arrived % duo->job->depth)
    return;
  if (--duo->left) {
    post__burst(&duo->sides[side == &duo->sides[0]]);
    return;
  }
  ovio_loop_unhold(duo->sides[0].loop);
  ovio_loop_unhold(duo->sides[1].loop);
}

static int run_post(struct job *job, void *state) {
  struct duo *duo = state;
  duo->left = job->count / job->depth;
  for (int at = 0; at < 2; at++) {
    duo->sides[at].arrived = 0;
    ovio_loop_hold(duo->sides[at].loop);
  }
  post__burst(&duo->sides[1]);
  int error = duo__run(duo);
  job_count(job, duo->sides[0].arrived + duo->sides[1].arrived);
  return error;
}

/* ---- pipes ---- */

/* All of a block, though a pipe gives what it has. */
static int64_t read_whole(struct ovio_file *file, unsigned char *buffer,
                          size_t length) {
  size_t moved = 0;
  while (moved < length) {
    int64_t got = ovio_read(file, buffer + moved, length - moved, OVIO_HERE);
    if (got <= 0)
      return got < 0 ? got : (int64_t)moved;
    moved += (size_t)got;
  }
  return (int64_t)moved;
}

static void echo_task(void *argument) {
  struct duo *duo = argument;
  size_t block = duo->job->block;
  unsigned char *buffer = job_buffer(duo->job, 1);
  for (uint64_t at = 0; at < duo->job->count; at++) {
    if (read_whole(&duo->pipes[0][0], buffer, block) != (int64_t)block ||
        ovio_write(&duo->pipes[1][1], buffer, block, OVIO_HERE) < 0)
      abort();
  }
}

static void ping_task(void *argument) {
  struct duo *duo = argument;
  struct job *job = duo->job;
  unsigned char *buffer = job_buffer(job, 0);
  while (job_streams(job)) {
    job_ping(job, buffer);
    int64_t moved =
        ovio_write(&duo->pipes[0][1], buffer, job->block, OVIO_HERE);
    if (moved > 0)
      moved = read_whole(&duo->pipes[1][0], buffer, job->block);
    job_pong(job, buffer, moved);
  }
}

static int duo__tasks(struct duo *duo, void (*near)(void *),
                      void (*far)(void *)) {
  int error = ovio_spawn(duo->sides[1].loop, far, duo);
  if (!error)
    error = ovio_spawn(duo->sides[0].loop, near, duo);
  return error ? error : duo__run(duo);
}

static int run_pingpong(struct job *job, void *state) {
  (void)job;
  return duo__tasks(state, ping_task, echo_task);
}

/* The same by callbacks: each side has one operation, a read or a write. */
struct player {
  struct ovio_op op; /* first: a callback gets its address */
  struct duo *duo;
  struct ovio_loop *loop;
  struct ovio_file *in, *out;
  unsigned char *buffer;
  size_t moved;
  uint64_t left; /* of the echo's blocks; the other side asks the job */
  bool echo;
};

static void player__got(struct ovio_op *op, int64_t result);

static void player__read(struct player *player) {
  size_t block = player->duo->job->block;
  if (ovio_start_read(player->loop, &player->op, player->in,
                      player->buffer + player->moved, block - player->moved,
                      OVIO_HERE, player__got))
    abort();
}

static void player__put(struct ovio_op *op, int64_t result) {
  struct player *player = (struct player *)(void *)op;
  if (result < 0)
    abort();
  player->moved = 0;
  if (!player->echo || player->left > 0)
    player__read(player);
}

static void player__write(struct player *player) {
  if (ovio_start_write(player->loop, &player->op, player->out, player->buffer,
                       player->duo->job->block, OVIO_HERE, player__put))
    abort();
}

static void player__ping(struct player *player) {
  struct job *job = player->duo->job;
  if (!job_streams(job))
    return;
  job_ping(job, player->buffer);
  player__write(player);
}

static void player__got(struct ovio_op *op, int64_t result) {
  struct player *player = (struct player *)(void *)op;
  struct job *job = player->duo->job;
  if (result > 0)
    player->moved += (size_t)result;
  if (result > 0 && player->moved < job->block) {
    player__read(player);
  } else if (player->echo) {
    player->left--;
    player__write(player);
  } else {
    job_pong(job, player->buffer, result > 0 ? (int64_t)job->block : result);
    player__ping(player);
  }
}

static int run_players(struct job *job, void *state) {
  struct duo *duo = state;
  struct player players[2];
  memset(players, 0, sizeof players);
  for (int at = 0; at < 2; at++) {
    players[at].duo = duo;
    players[at].loop = duo->sides[at].loop;
    players[at].in = &duo->pipes[!at][0];
    players[at].out = &duo->pipes[at][1];
    players[at].buffer = job_buffer(job, (size_t)at);
  }
  players[1].echo = true;
  players[1].left = job->count;
  player__read(&players[1]);
  player__ping(&players[0]);
  return duo__run(duo);
}

static void source_task(void *argument) {
  struct duo *duo = argument;
  struct job *job = duo->job;
  for (uint64_t at = 0; at < job->count; at++) {
    if (ovio_write(&duo->pipes[1][1], job_buffer(job, 0), job->block,
                   OVIO_HERE) < 0)
      abort();
  }
}

static void sink_task(void *argument) {
  struct duo *duo = argument;
  struct job *job = duo->job;
  unsigned char *buffer = job_buffer(job, 1);
  while (job_streams(job)) {
    int64_t moved = ovio_read(&duo->pipes[1][0], buffer, job->block, OVIO_HERE);
    job_stream(job, buffer, moved);
  }
}

static int run_stream(struct job *job, void *state) {
  (void)job;
  return duo__tasks(state, sink_task, source_task);
}

/* ---- the list ---- */

#define SOLO(op, name, threads, run)                                           \
  { name, op, 0, threads, solo_begin, run, solo_end }
#define DUO(op, name, engine, run)                                             \
  { name, op, engine, 0, duo_begin, run, duo_end }

extern const struct variant ours_loop_variants[];

const struct variant ours_loop_variants[] = {
    SOLO(BENCH_YIELD, "ovio-task", 0, run_yield),
    SOLO(BENCH_SPAWN, "ovio-task", 0, run_spawn),
    SOLO(BENCH_COMPUTE, "ovio-1-thread", 1, run_compute),
    SOLO(BENCH_COMPUTE, "ovio-2-threads", 2, run_compute),
    SOLO(BENCH_TIMERS, "ovio-callbacks", 0, run_timers),
    DUO(BENCH_POST, "ovio-callbacks", 0, run_post),
    DUO(BENCH_PINGPONG, "ovio-task", 0, run_pingpong),
    DUO(BENCH_PINGPONG, "ovio-callbacks", 0, run_players),
    DUO(BENCH_PINGPONG, "ovio-task-epoll", OVIO_ENGINE_EPOLL, run_pingpong),
    DUO(BENCH_STREAM, "ovio-task", 0, run_stream),
    DUO(BENCH_STREAM, "ovio-task-epoll", OVIO_ENGINE_EPOLL, run_stream),
    {0},
};
