/* SPDX-License-Identifier: MIT */
/* Child processes: a thread each, which the world's program says what to do,
 * and which moves bytes by handles of its own. Every other one has a handle to
 * be waited for, which says now and then that it has ended when it has not. A
 * child that is let go of goes on until it ends, or the episode does. */
#include "tests/fake/fake.h"

#include <stdlib.h>

#include "common/memory.h"

enum { STREAMS = 3 };

struct fake_child {
  struct fake_child *next;
  struct os_thread thread;
  struct os_file streams[STREAMS]; /* handle 0: nothing */
  unsigned long number;
  uint32_t code;
  int signal;
  unsigned killed;
  bool ended;
  bool let_go;
};

unsigned (*fake_program)(struct fake_child *child, unsigned long number);

static struct fake_child *process__all;

/* ---- what a program calls ---- */

int64_t fake_child_move(struct fake_child *child, unsigned stream, void *buffer,
                        size_t length) {
  struct ovio_iovec part = {buffer, length};
  const struct os_transfer transfer = {.file = &child->streams[stream],
                                       .iov = &part,
                                       .offset = OVIO_HERE,
                                       .count = 1,
                                       .write = stream > 0};
  if (!child->streams[stream].handle)
    return stream > 0 ? (int64_t)length : 0; /* the null device */
  for (struct fake_wait wait = {0};;) {
    if (child->killed)
      return OVIO_ECANCELED;
    struct os_result result = fake_attempt(&transfer);
    if (result.value != OVIO_EWOULDBLOCK && result.value != OVIO_EIO)
      return result.value;
    fake_wait(&wait, "fake_child_move");
  }
}

void fake_child_sleep(struct fake_child *child, uint64_t duration_ns) {
  struct fake_wait wait = {0};
  if (duration_ns)
    os_sleep_ns(duration_ns);
  while (!duration_ns && !child->killed)
    fake_wait(&wait, "fake_child_sleep");
}

void fake_child_close(struct fake_child *child, unsigned stream) {
  if (child->streams[stream].handle)
    fake_handle_close(fake_handle_of(&child->streams[stream]));
  child->streams[stream].handle = 0;
}

/* ---- their lives ---- */

static void process__close_streams(struct fake_child *child) {
  for (unsigned at = 0; at < STREAMS; at++)
    fake_child_close(child, at);
}

static void process__run(void *argument) {
  struct fake_child *child = argument;
  child->code = fake_program(child, child->number);
  if (child->killed) {
    child->code = 0;
    child->signal = (int)child->killed;
  }
  process__close_streams(child);
  child->ended = true;
}

/* Its status has been taken. */
static void process__free(struct fake_child *child) {
  struct fake_child **at = &process__all;
  while (*at != child)
    at = &(*at)->next;
  *at = child->next;
  os_thread_join(&child->thread);
  memory_free(child);
}

static void process__sweep(void) {
  struct fake_child *child = process__all;
  while (child && !(child->let_go && child->ended))
    child = child->next;
  if (child)
    process__free(child);
}

bool fake_child_is_there(unsigned long number) {
  const struct fake_child *child = process__all;
  while (child && child->number != number)
    child = child->next;
  return child != NULL;
}

void fake_end_children(void) {
  while (process__all) {
    CHECK(process__all->let_go); /* the others belong to somebody */
    process__all->killed = 9;
    process__free(process__all);
  }
}

/* ---- process.c ---- */

struct os_result os_process_open_null(struct os_file *file) {
  if (fake_chance(3))
    return (struct os_result){OVIO_EMFILE, 24};
  (void)fake_handle_open(file, OS_KIND_STREAM);
  return (struct os_result){0, 0};
}

/* A handle of its own to what the stream's handle is. */
static void process__lend(struct fake_child *child, unsigned at,
                          const struct os_file *stream) {
  if (!stream)
    return;
  const struct fake_handle *theirs = fake_handle_of(stream);
  if (theirs->ways[at > 0])
    fake_pipe_share(fake_handle_open(&child->streams[at], OS_KIND_STREAM),
                    theirs, at > 0);
}

static struct fake_child *process__make(const struct os_spawn *spawn) {
  struct fake_child *child = memory_allocate(sizeof *child);
  if (!child)
    return NULL;
  child->number = strtoul(spawn->arguments[1], NULL, 10);
  for (unsigned at = 0; at < STREAMS; at++)
    process__lend(child, at, spawn->streams[at == 2 && spawn->join ? 1 : at]);
  return child;
}

struct os_result os_process_spawn(struct os_process *process,
                                  const struct os_spawn *spawn) {
  process__sweep();
  if (fake_on_thread())
    fake_pause(false);
  if (fake_chance(5))
    return (struct os_result){OVIO_EMFILE, 24};
  struct fake_child *child = process__make(spawn);
  if (!child)
    return (struct os_result){OVIO_ENOMEM, 12};
  if (os_thread_start(&child->thread, process__run, child)) {
    process__close_streams(child);
    memory_free(child);
    return (struct os_result){OVIO_ENOMEM, 12};
  }
  child->next = process__all;
  process__all = child;
  *process =
      (struct os_process){.handle = -1, .id = child->number, .spare = child};
  if (fake_chance(50)) {
    struct os_file file = {0};
    fake_handle_open(&file, OS_KIND_STREAM)->child_ended = &child->ended;
    process->handle = file.handle;
    process->pollable = true;
  }
  return (struct os_result){0, 0};
}

/* A loop's own thread waits here, too, if there is no worker to do it: rather
 * than to leave the child. */
static struct os_result process__await_handle(const struct os_file *file,
                                              struct os_waiter *waiter) {
  for (struct fake_wait wait = {0};;) {
    if (waiter && fake_waiter_is_raised(waiter))
      return (struct os_result){OVIO_ECANCELED, 0};
    if (os_ready_glance(file, false).value == 0)
      return (struct os_result){0, 0};
    fake_wait(&wait, "os_process_await");
  }
}

struct os_result os_process_await(const struct os_process *process,
                                  int64_t patience_ns,
                                  struct os_waiter *waiter) {
  const struct fake_child *child = process->spare;
  const struct os_file file = {.handle = process->handle};
  if (process->pollable)
    return process__await_handle(&file, waiter);
  if (waiter && fake_waiter_is_raised(waiter))
    return (struct os_result){OVIO_ECANCELED, 0};
  if (child && !child->ended)
    os_sleep_ns((uint64_t)patience_ns);
  return (struct os_result){0, 0};
}

/* The handle stays for those who still wait for it: it says that it is so. */
struct os_result os_process_collect(struct os_process *process,
                                    struct ovio_exit *out) {
  static const bool yes = true;
  struct fake_child *child = process->spare;
  CHECK(child);
  if (!child->ended)
    return (struct os_result){0, 0};
  out->code = child->code;
  out->signal = child->signal;
  process->spare = NULL;
  if (process->pollable)
    fake_handle_at(process->handle)->child_ended = &yes;
  process__free(child);
  return (struct os_result){1, 0};
}

struct os_result os_process_kill(struct os_process *process, unsigned how) {
  struct fake_child *child = process->spare;
  CHECK(child);
  child->killed = how == OVIO_KILL_ASK ? 15 : 9;
  return (struct os_result){0, 0};
}

void os_process_close(struct os_process *process) {
  struct fake_child *child = process->spare;
  const struct os_file file = {.handle = process->handle};
  if (process->pollable)
    fake_handle_close(fake_handle_of(&file));
  if (child)
    child->let_go = true;
  process__sweep();
}
