/* SPDX-License-Identifier: MIT */
/* The references of Linux between two threads: epoll, eventfd and pipes, as a
 * program would use them that waits for readiness first. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A thread's end: the descriptors it uses, and a set for each, so that waiting
 * for one is never ended by the other. */
struct end {
  int in;  /* read end, or eventfd */
  int out; /* write end, or the other thread's eventfd */
  int readable;
  int writable;
};

struct duo {
  struct job *job;
  struct end ends[2];
  uint64_t bursts; /* that each side receives */
};

static int watch(int fd, unsigned events) {
  struct epoll_event event = {.events = events};
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
    abort();
  return epoll;
}

static void await(int epoll) {
  struct epoll_event events[8];
  while (epoll_wait(epoll, events, 8, -1) < 0)
    ;
}

static void duo_end(void *state) {
  struct duo *duo = state;
  for (int at = 0; at < 2; at++) {
    close(duo->ends[at].readable);
    close(duo->ends[at].writable);
    close(duo->ends[at].in);
    if (duo->ends[at].out != duo->ends[!at].in)
      close(duo->ends[at].out);
  }
  free(duo);
}

static int duo__begin(struct job *job, void **state, bool pipes) {
  struct duo *duo = calloc(1, sizeof *duo);
  if (!duo)
    return OVIO_ENOMEM;
  *state = duo;
  duo->job = job;
  for (int at = 0; at < 2; at++) {
    int fds[2];
    if (!pipes)
      fds[0] = fds[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    else if (pipe2(fds, O_NONBLOCK | O_CLOEXEC))
      fds[0] = fds[1] = -1;
    duo->ends[at].in = fds[0];
    duo->ends[!at].out = fds[1];
  }
  for (int at = 0; at < 2; at++) {
    duo->ends[at].readable = watch(duo->ends[at].in, EPOLLIN);
    duo->ends[at].writable = watch(duo->ends[at].out, EPOLLOUT);
  }
  return 0;
}

static int begin_events(struct job *job, const struct variant *variant,
                        void **state) {
  (void)variant;
  return duo__begin(job, state, false);
}

static int begin_pipes(struct job *job, const struct variant *variant,
                       void **state) {
  (void)variant;
  return duo__begin(job, state, true);
}

static int duo__run(struct duo *duo, void (*near)(struct duo *),
                    void (*far)(void *)) {
  struct sys_thread *thread = sys_thread_start(far, duo);
  if (!thread)
    return OVIO_ENOMEM;
  near(duo);
  sys_thread_join(thread);
  return duo->job->error;
}

/* ---- posts ---- */

static void post__send(const struct duo *duo, const struct end *end) {
  const uint64_t one = 1;
  for (size_t at = 0; at < duo->job->depth; at++) {
    if (write(end->out, &one, sizeof one) != sizeof one)
      abort();
  }
}

static uint64_t post__receive(const struct duo *duo, const struct end *end) {
  uint64_t arrived = 0;
  while (arrived < duo->job->depth) {
    uint64_t value = 0;
    await(end->readable);
    if (read(end->in, &value, sizeof value) == sizeof value)
      arrived += value;
  }
  return arrived;
}

static void post__far(void *argument) {
  struct duo *duo = argument;
  for (uint64_t at = 0; at < duo->bursts; at++) {
    post__receive(duo, &duo->ends[1]);
    post__send(duo, &duo->ends[1]);
  }
}

static void post__near(struct duo *duo) {
  for (uint64_t at = 0; at < duo->bursts; at++) {
    post__send(duo, &duo->ends[0]);
    job_count(duo->job, post__receive(duo, &duo->ends[0]) * 2);
  }
}

static int run_post(struct job *job, void *state) {
  struct duo *duo = state;
  duo->bursts = job->count / job->depth / 2;
  return duo__run(duo, post__near, post__far);
}

/* ---- pipes ---- */

static void send_block(const struct duo *duo, const struct end *end,
                       const unsigned char *buffer) {
  size_t moved = 0;
  while (moved < duo->job->block) {
    ssize_t put = write(end->out, buffer + moved, duo->job->block - moved);
    if (put < 0)
      await(end->writable);
    else
      moved += (size_t)put;
  }
}

static int64_t receive_some(const struct end *end, unsigned char *buffer,
                            size_t length) {
  ssize_t got;
  do {
    await(end->readable);
    got = read(end->in, buffer, length);
  } while (got < 0);
  return got;
}

static int64_t receive_block(const struct duo *duo, const struct end *end,
                             unsigned char *buffer) {
  size_t block = duo->job->block, moved = 0;
  while (moved < block)
    moved += (size_t)receive_some(end, buffer + moved, block - moved);
  return (int64_t)moved;
}

static void echo_far(void *argument) {
  struct duo *duo = argument;
  unsigned char *buffer = job_buffer(duo->job, 1);
  for (uint64_t at = 0; at < duo->job->count; at++) {
    receive_block(duo, &duo->ends[1], buffer);
    send_block(duo, &duo->ends[1], buffer);
  }
}

static void echo_near(struct duo *duo) {
  unsigned char *buffer = job_buffer(duo->job, 0);
  while (job_streams(duo->job)) {
    job_ping(duo->job, buffer);
    send_block(duo, &duo->ends[0], buffer);
    job_pong(duo->job, buffer, receive_block(duo, &duo->ends[0], buffer));
  }
}

static int run_pingpong(struct job *job, void *state) {
  (void)job;
  return duo__run(state, echo_near, echo_far);
}

static void source_far(void *argument) {
  struct duo *duo = argument;
  for (uint64_t at = 0; at < duo->job->count; at++)
    send_block(duo, &duo->ends[1], job_buffer(duo->job, 0));
}

static void sink_near(struct duo *duo) {
  struct job *job = duo->job;
  unsigned char *buffer = job_buffer(job, 1);
  while (job_streams(job))
    job_stream(job, buffer, receive_some(&duo->ends[0], buffer, job->block));
}

static int run_stream(struct job *job, void *state) {
  (void)job;
  return duo__run(state, sink_near, source_far);
}

extern const struct variant raw_linux_variants[];

const struct variant raw_linux_variants[] = {
    {"eventfd-epoll", BENCH_POST, 0, 0, begin_events, run_post, duo_end},
    {"epoll", BENCH_PINGPONG, 0, 0, begin_pipes, run_pingpong, duo_end},
    {"epoll", BENCH_STREAM, 0, 0, begin_pipes, run_stream, duo_end},
    {0},
};
