/* SPDX-License-Identifier: MIT */
/* The port. It completes, as IOCP does, and lets go of an op at once when it
 * is cancelled, as readiness does: which, the generator says for each op.
 * native[0] of a pending io: when it is due; [1]: asked to end. A pending
 * read's buffer is scribbled over, as a kernel may. */
#include "tests/fake/fake.h"

#include <string.h>

#include "common/memory.h"

enum { PENDING_MAX = 1024, ASKS_MAX = 4000000 };

struct os_port {
  struct os_port *next;
  struct os_io *pending[PENDING_MAX];
  unsigned count;
  bool woken;
  unsigned wakers; /* in os_port_wake() */
  unsigned threads;
  unsigned bound;   /* files and waits */
  bool asked;       /* somebody is in os_port_wait() */
  bool waits;       /* and waits */
  int64_t until_ns; /* until then */
  unsigned long asks;
};

static struct os_port *port__all; /* a list */

/* Fewer than an op may take. */
size_t os_port_lanes(void) {
  return 10;
}

int os_port_create(struct os_port **port, unsigned engine, unsigned threads) {
  (void)engine;
  *port = memory_allocate(sizeof **port);
  if (!*port)
    return OVIO_ENOMEM;
  (*port)->threads = threads;
  (*port)->next = port__all;
  port__all = *port;
  return 0;
}

void os_port_destroy(struct os_port *port) {
  CHECK(port->count == 0 && !port->asked && port->wakers == 0);
  CHECK(port->bound == 0); /* in these worlds, files go before their loop */
  struct os_port **at = &port__all;
  while (*at != port)
    at = &(*at)->next;
  *at = port->next;
  memory_free(port);
}

const char *os_port_name(const struct os_port *port) {
  (void)port;
  return "fake";
}

int os_port_register_buffers(struct os_port *port,
                             const struct ovio_iovec *buffers, size_t count) {
  (void)buffers;
  (void)count;
  CHECK(port->count == 0);
  return 0;
}

const char *os_port_route(const struct os_port *port,
                          const struct os_file *file) {
  (void)port;
  return file->traits & OS_TRAIT_PORTABLE ? "completion" : "worker";
}

int os_port_bind(struct os_port *port, struct os_file *file) {
  if (!(file->traits & OS_TRAIT_PORTABLE) || fake_chance(5))
    return OVIO_ENOTSUP;
  file->registration = (uintptr_t)port;
  port->bound++;
  return 0;
}

void os_port_forget(struct os_port *port, struct os_file *file) {
  for (unsigned at = 0; at < port->count; at++)
    CHECK(port->pending[at]->transfer.file != file);
  CHECK(!file->registration || file->registration == (uintptr_t)port);
  port->bound -= file->registration != 0;
  file->registration = 0;
}

/* ---- operations ---- */

/* Of what there is one at a time. */
static unsigned port__bit(const struct os_io *io) {
  unsigned kind = io->transfer.kind;
  if (io->transfer.file->kind != OS_KIND_STREAM || kind == OS_IO_READY ||
      kind == OS_IO_SYNC)
    return 0;
  return io->transfer.write ? 2u : 1u;
}

static struct os_result port__attempt(const struct os_io *io) {
  const struct os_transfer *transfer = &io->transfer;
  switch (transfer->kind) {
  case OS_IO_SYNC:
    return fake_sync(transfer->file);
  case OS_IO_READY:
    return os_ready_glance(transfer->file, transfer->write);
  case OS_IO_ACCEPT:
    return fake_attempt_accept(transfer->file);
  default:
    return fake_attempt(transfer);
  }
}

static void port__scribble(const struct os_io *io) {
  const struct ovio_iovec *part = io->transfer.iov;
  if (io->transfer.kind == OS_IO_TRANSFER && !io->transfer.write &&
      part->iov_len)
    memset(part->iov_base, (int)(fake_random() & 255),
           part->iov_len < 64 ? part->iov_len : 64);
}

static unsigned *port__counter(const struct os_io *io) {
  struct fake_handle *handle = fake_handle_of(io->transfer.file);
  return io->transfer.kind == OS_IO_READY ? &handle->awaited : &handle->pending;
}

static void port__pend(struct os_port *port, struct os_io *io) {
  CHECK(port->count < PENDING_MAX);
  (*port__counter(io))++;
  io->native[0] = (uint64_t)os_clock_ns() + fake_random() % 2000000;
  io->native[1] = 0;
  port->pending[port->count++] = io;
}

/* As if the port were one that leaves it to workers, or not. */
static bool port__start_sync(struct os_port *port, struct os_io *io) {
  if (fake_chance(50))
    return false;
  port__pend(port, io);
  return true;
}

bool os_port_start(struct os_port *port, struct os_io *io) {
  if (io->transfer.kind == OS_IO_SYNC)
    return port__start_sync(port, io);
  struct fake_handle *handle = fake_handle_of(io->transfer.file);
  CHECK(io->transfer.file->registration == (uintptr_t)port);
  CHECK(!(handle->waiting & port__bit(io)));
  if (fake_chance(40)) {
    io->result = port__attempt(io);
    if (io->result.value != OVIO_EWOULDBLOCK)
      return false;
  }
  handle->waiting |= port__bit(io);
  port__pend(port, io);
  port__scribble(io);
  return true;
}

static void port__remove(struct os_port *port, unsigned at) {
  struct os_io *io = port->pending[at];
  struct fake_handle *handle = fake_handle_of(io->transfer.file);
  handle->waiting &= ~port__bit(io);
  (*port__counter(io))--;
  port->pending[at] = port->pending[--port->count];
}

bool os_port_cancel(struct os_port *port, struct os_io *io) {
  unsigned at = 0;
  while (at < port->count && port->pending[at] != io)
    at++;
  if (at == port->count)
    return false;
  if (fake_chance(40)) {
    port__remove(port, at);
    io->result = (struct os_result){OVIO_ECANCELED, 0};
    return true;
  }
  io->native[1] = 1;
  return false;
}

/* false: not yet. */
static bool port__end(struct os_io *io) {
  bool asked = io->native[1] != 0;
  if (!asked && ((int64_t)io->native[0] > os_clock_ns() || fake_chance(10)))
    return false;
  io->result = (struct os_result){OVIO_ECANCELED, 0};
  if (asked && fake_chance(50))
    return true;
  io->result = port__attempt(io);
  if (io->result.value != OVIO_EWOULDBLOCK)
    return true;
  io->result = (struct os_result){OVIO_ECANCELED, 0};
  return asked;
}

static size_t port__collect(struct os_port *port, struct os_io **done,
                            size_t max) {
  size_t count = 0;
  unsigned first = (unsigned)(fake_random() % (port->count + 1));
  for (unsigned left = port->count; left > 0 && count < max; left--) {
    unsigned at = (first + left) % port->count;
    struct os_io *io = port->pending[at];
    if (!port__end(io))
      continue;
    port__remove(port, at);
    done[count++] = io;
    if (port->count == 0)
      break;
  }
  return count;
}

bool fake_port_is_waited_at(const struct os_port *port) {
  return port->waits;
}

static int64_t port__next_ns(const struct os_port *port) {
  int64_t next = port->until_ns;
  for (unsigned at = 0; at < port->count; at++) {
    int64_t due = (int64_t)port->pending[at]->native[0];
    if (due > os_clock_ns() && due < next)
      next = due;
  }
  return next;
}

int64_t fake_port_next_ns(void) {
  int64_t next = INT64_MAX;
  for (const struct os_port *port = port__all; port; port = port->next) {
    int64_t due = port->waits ? port__next_ns(port) : INT64_MAX;
    if (due < next)
      next = due;
  }
  return next;
}

/* What is done comes out; or a wake-up, the time, nothing at all. */
static size_t port__wait(struct os_port *port, struct os_io **done,
                         size_t max) {
  struct fake_wait wait = {0};
  size_t count = 0;
  for (;;) {
    count = port__collect(port, done, max);
    if (count || port->woken || os_clock_ns() >= port->until_ns)
      break;
    if (fake_is_restless() && fake_chance(2))
      break;
    int64_t next = port__next_ns(port);
    if (port->threads == 1 && next < INT64_MAX && fake_chance(20))
      fake_advance(next); /* though others have something to do */
    fake_wait(&wait, "os_port_wait");
  }
  return count;
}

int os_port_wait(struct os_port *port, int64_t timeout_ns, struct os_io **done,
                 size_t max, size_t *count, const struct os_pause *pause) {
  CHECK(!port->asked && os_local_get(OS_LOCAL_RUNNER));
  CHECK(pause ? port->threads > 1 : port->threads == 1 || timeout_ns == 0);
  if (++port->asks > ASKS_MAX)
    fake_hang("os_port_wait, again and again");
  port->asked = true;
  port->until_ns = timeout_ns < 0 ? INT64_MAX : os_clock_ns() + timeout_ns;
  if (pause)
    pause->begin(pause->argument);
  port->waits = true;
  fake_slice();
  *count = port__wait(port, done, max);
  port->waits = false;
  port->woken = false;
  if (pause)
    pause->end(pause->argument);
  port->asked = false;
  return 0;
}

void os_port_wake(struct os_port *port) {
  port->wakers++;
  while (fake_on_worker() && fake_chance(80))
    fake_pause(false);
  port->wakers--;
  port->woken = true;
}
