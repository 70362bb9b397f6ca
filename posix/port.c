/* SPDX-License-Identifier: MIT */
/* The port: streams that are O_NONBLOCK, by their readiness; disk files by a
 * ring, where there is one (port_uring.c).
 *
 * For a stream, os_port_start() tries the call. If the stream is not ready, the
 * io waits in its file's slot, and os_port_wait() tries again whenever the
 * engine (poller.h) calls the stream ready. Here the kernel never owns a buffer
 * between two calls, so a cancel is immediate: it takes the io out of the slot.
 *
 * WHO OWNS WHAT, WHEN
 *
 *   slots    The port's, guarded by its lock; they move when there are more. A
 *            file has one from os_port_bind() until os_port_forget(), which
 *            any thread may call, and is known by its registration: number and
 *            generation of the slot. An event that was on its way while its
 *            file was closed carries a generation that is over, and is dropped.
 *   waiting  The two ios of a slot are set and cleared by the loop's thread
 *            alone. While one waits, common/ does not forget the file: so the
 *            io read under the lock may be used after it.
 *   level    A reader that is mostly faster than the writer need not try first:
 *            so many tries in vain make the pipe's events level-triggered, and
 *            its reads wait at once. Nothing is lost, since the engine tells
 *            what is there as long as it is. When it tells and nobody waits,
 *            that ends.
 *   wakeup   Raised by any thread, lowered by the engine's wait. Who raises it
 *            while it is up writes nothing: the wait that lowers it has yet to
 *            return, and its caller looks at everything afterwards.
 *   unsent   An io that is finished, found no place in `done`, and comes out of
 *            the next wait: two may finish for one event. The loop's thread's.
 */
#include "posix/poller.h"

#include "common/check.h"
#include "common/memory.h"

/* Tries in vain, in a row, that make a reader wait first. */
enum { VAIN_MAX = 3 };

/* io->native[0]: the registration it waits under, or 0. */
static_assert(OS_IO_WORDS >= 1, "OS_IO_WORDS");

/* ---- slots; all under the lock ---- */

/* NULL: the file has gone. */
static struct port_slot *port__slot(struct os_port *port,
                                    uint64_t registration) {
  size_t index = (uint32_t)registration;
  if (index == 0 || index > port->slots_used)
    return NULL;
  struct port_slot *slot = &port->slots[index - 1];
  return port_registration(slot, index - 1) == registration ? slot : NULL;
}

static int port__grow(struct os_port *port) {
  size_t room = port->slots_room ? 2 * port->slots_room : 8;
  if (room >= UINT32_MAX)
    return OVIO_ENOMEM;
  struct port_slot *slots =
      memory_grow(port->slots, room * sizeof(*port->slots));
  if (!slots)
    return OVIO_ENOMEM;
  port->slots = slots;
  port->slots_room = room;
  return 0;
}

/* A free slot's index + 1, or 0: out of memory. */
static size_t port__take_slot(struct os_port *port) {
  size_t index = port->first_free;
  if (index) {
    port->first_free = port->slots[index - 1].next_free;
    return index;
  }
  if (port->slots_used == port->slots_room && port__grow(port) != 0)
    return 0;
  port->slots[port->slots_used] = (struct port_slot){.fd = -1};
  return ++port->slots_used;
}

static void port__free_slot(struct os_port *port, size_t index) {
  struct port_slot *slot = &port->slots[index - 1];
  slot->fd = -1;
  slot->level = false;
  slot->tries = slot->vain = 0;
  slot->generation++;
  slot->next_free = port->first_free;
  port->first_free = index;
}

/* ---- the port ---- */

#if NATIVE_HAS_EPOLL
#define PORT_BEST port_epoll
#elif NATIVE_HAS_KQUEUE
#define PORT_BEST port_kqueue
#else
#define PORT_BEST port_poll
#endif

static const struct poller *port__engine(unsigned engine) {
  switch (engine) {
  case OVIO_ENGINE_DEFAULT:
    return &PORT_BEST;
  case OVIO_ENGINE_POLL:
    return &port_poll;
#if NATIVE_HAS_EPOLL
  case OVIO_ENGINE_EPOLL:
  case OVIO_ENGINE_URING:
    return &port_epoll;
#endif
#if NATIVE_HAS_KQUEUE
  case OVIO_ENGINE_KQUEUE:
    return &port_kqueue;
#endif
  default:
    return NULL;
  }
}

static int port__make_ring(struct os_port *port) {
  struct ring *ring;
  int error = ring_create(&ring, port);
  if (error)
    return error;
  if (!port->alone)
    error = port_epoll_add_ring(port, ring_descriptor(ring));
  if (error)
    ring_destroy(ring);
  else
    port->ring = ring;
  return error;
}

size_t os_port_lanes(void) {
  return 0;
}

/* Not an error where any engine will do. */
static int port__add_ring(struct os_port *port, unsigned engine) {
  if (engine != OVIO_ENGINE_DEFAULT && engine != OVIO_ENGINE_URING)
    return 0;
  int error = port__make_ring(port);
  return engine == OVIO_ENGINE_URING ? error : 0;
}

int os_port_create(struct os_port **port, unsigned engine, unsigned threads) {
  const struct poller *poller = port__engine(engine);
  if (!poller)
    return OVIO_ENOTSUP;
  struct os_port *made = memory_allocate(sizeof(*made));
  if (!made)
    return OVIO_ENOMEM;
  made->poller = poller;
  made->alone = threads == 1;
  int error = native_wakeup_open(&made->wakeup);
  if (error)
    goto err1;
  error = poller->create(made);
  if (error)
    goto err2;
  error = port__add_ring(made, engine);
  if (error)
    goto err3;
  os_lock_init(&made->lock);
  *port = made;
  return 0;

err3:
  poller->destroy(made);
err2:
  native_wakeup_close(&made->wakeup);
err1:
  memory_free(made);
  return error;
}

void os_port_destroy(struct os_port *port) {
  CHECK(!port->unsent);
  if (port->ring)
    ring_destroy(port->ring);
  port->poller->destroy(port);
  native_wakeup_close(&port->wakeup);
  os_lock_destroy(&port->lock);
  memory_free(port->slots);
  memory_free(port);
}

const char *os_port_name(const struct os_port *port) {
  return port->ring ? "io_uring" : port->poller->name;
}

int os_port_register_buffers(struct os_port *port,
                             const struct ovio_iovec *buffers, size_t count) {
  return port->ring ? ring_register_buffers(port->ring, buffers, count) : 0;
}

const char *os_port_route(const struct os_port *port,
                          const struct os_file *file) {
  if (file->kind == OS_KIND_DISK)
    return port->ring ? "completion" : "worker";
  return "readiness";
}

/* epoll(7) takes a descriptor once, but also its duplicate: for who waits for a
 * file's descriptor beside the file. */
static int port__bind_duplicate(struct os_port *port, struct port_slot *slot,
                                uint64_t registration) {
  int fd = native.fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0)
    return os_error_map((uint32_t)errno);
  int error = port->poller->add(port, fd, registration);
  if (error) {
    native.close(fd);
    return error;
  }
  slot->fd = fd;
  slot->owned = true;
  return 0;
}

static int port__bind(struct os_port *port, struct os_file *file) {
  size_t index = port__take_slot(port);
  if (!index)
    return OVIO_ENOMEM;
  struct port_slot *slot = &port->slots[index - 1];
  slot->fd = (int)file->handle;
  uint64_t registration = port_registration(slot, index - 1);
  int error = port->poller->add(port, slot->fd, registration);
  if (error == OVIO_EEXIST)
    error = port__bind_duplicate(port, slot, registration);
  if (error)
    port__free_slot(port, index);
  else
    file->registration = registration;
  return error;
}

int os_port_bind(struct os_port *port, struct os_file *file) {
  if (!(file->traits & OS_TRAIT_PORTABLE))
    return OVIO_ENOTSUP;
  if (file->kind == OS_KIND_DISK)
    return port->ring ? 0 : OVIO_ENOTSUP;
  os_lock_acquire(&port->lock);
  int error = port__bind(port, file);
  os_lock_release(&port->lock);
  return error;
}

void os_port_forget(struct os_port *port, struct os_file *file) {
  if (port->ring && file->kind == OS_KIND_DISK)
    ring_forget(port->ring, (int)file->handle);
  os_lock_acquire(&port->lock);
  struct port_slot *slot = port__slot(port, file->registration);
  if (slot) {
    CHECK(!slot->waiting[PORT_READ] && !slot->waiting[PORT_WRITE]);
    port->poller->remove(port, slot->fd);
    if (slot->owned)
      native.close(slot->fd);
    slot->owned = false;
    port__free_slot(port, (size_t)(slot - port->slots) + 1);
  }
  os_lock_release(&port->lock);
  file->registration = 0;
}

/* ---- operations ---- */

static enum port_direction port__direction(const struct os_io *io) {
  return io->transfer.write ? PORT_WRITE : PORT_READ;
}

static bool port__is_at_ring(const struct os_io *io) {
  return io->transfer.kind == OS_IO_SYNC ||
         (io->transfer.kind == OS_IO_TRANSFER &&
          io->transfer.file->kind == OS_KIND_DISK);
}

__attribute__((always_inline)) static inline struct os_result port__attempt(
    const struct os_io *io) {
  switch (io->transfer.kind) {
  case OS_IO_READY:
    return os_ready_glance(io->transfer.file, io->transfer.write);
  case OS_IO_ACCEPT:
    return native_attempt_accept(io->transfer.file);
  case OS_IO_TRANSFER:
  default:
    return native_attempt(&io->transfer);
  }
}

static void port__set_level(struct os_port *port, struct port_slot *slot,
                            bool level) {
  uint64_t registration = port_registration(slot, (size_t)(slot - port->slots));
  if (port->poller->set_level(port, slot->fd, registration, level))
    slot->level = level;
}

/* For the loop's thread and slots in use. Alone it needs no lock for them: what
 * other threads do, they do to slots of their own, and none moves the array. */
static void port__enter(struct os_port *port) {
  if (!port->alone)
    os_lock_acquire(&port->lock);
}

static void port__leave(struct os_port *port) {
  if (!port->alone)
    os_lock_release(&port->lock);
}

/* Puts the io where news of its file are looked for. */
static void port__put(struct os_port *port, struct port_slot *slot,
                      struct os_io *io) {
  io->native[0] = io->transfer.file->registration;
  port__enter(port);
  slot->waiting[port__direction(io)] = io;
  if (port->pause && port->poller->is_snapshot)
    native_wakeup_raise(&port->wakeup);
  port__leave(port);
}

/* A try was in vain: if all of the last were, there need be none. */
static void port__learn(struct os_port *port, struct port_slot *slot) {
  if (++slot->vain < VAIN_MAX)
    return;
  if (slot->tries == slot->vain) {
    os_lock_acquire(&port->lock);
    port__set_level(port, slot, true);
    os_lock_release(&port->lock);
  }
  slot->tries = 0;
  slot->vain = 0;
}

/* true: it has to wait. */
static bool port__try(struct os_port *port, struct port_slot *slot,
                      struct os_io *io) {
  bool learns = io->transfer.kind == OS_IO_TRANSFER &&
                io->transfer.file->traits & OS_TRAIT_READ_END &&
                port->poller->set_level;
  if (learns && slot->level)
    return true;
  io->native[0] = 0;
  io->result = port__attempt(io);
  bool vain = io->result.value == OVIO_EWOULDBLOCK;
  slot->tries += learns;
  if (learns && vain)
    port__learn(port, slot);
  return vain;
}

/* Who waits has submitted what there was before. */
static void port__submit(struct os_port *port) {
  if (port->pause && !ring_submit(port->ring))
    native_wakeup_raise(&port->wakeup); /* he tries again */
}

static bool port__start_at_ring(struct os_port *port, struct os_io *io) {
  if (!ring_start(port->ring, io))
    return false;
  port__submit(port);
  return true;
}

bool os_port_start(struct os_port *port, struct os_io *io) {
  if (io->transfer.kind == OS_IO_SYNC && !port->ring)
    return false;
  if (port__is_at_ring(io))
    return port__start_at_ring(port, io);
  struct port_slot *slot = port__slot(port, io->transfer.file->registration);
  CHECK(slot && !slot->waiting[port__direction(io)]);
  bool waits = port__try(port, slot, io);
  if (waits)
    port__put(port, slot, io);
  return waits;
}

static struct os_io *port__take_from(struct port_slot *slot,
                                     enum port_direction direction) {
  struct os_io *io = slot->waiting[direction];
  slot->waiting[direction] = NULL;
  return io;
}

/* What waits in a slot keeps it in use; whose else it was, if nobody does, has
 * to be looked up under the lock. */
static bool port__is_waited_in(const struct os_port *port,
                               uint64_t registration,
                               enum port_direction direction) {
  size_t index = (uint32_t)registration;
  return port->alone && index > 0 && index <= port->slots_used &&
         port->slots[index - 1].waiting[direction];
}

/* Takes out the io that waits there; NULL: none does, and to be told so once
 * is enough. */
static struct os_io *port__take(struct os_port *port, uint64_t registration,
                                enum port_direction direction) {
  struct port_slot *slot = NULL;
  if (port__is_waited_in(port, registration, direction))
    slot = port__slot(port, registration);
  if (slot)
    return port__take_from(slot, direction);
  os_lock_acquire(&port->lock);
  slot = port__slot(port, registration);
  struct os_io *io = slot ? port__take_from(slot, direction) : NULL;
  if (slot && !io && slot->level && direction == PORT_READ)
    port__set_level(port, slot, false);
  os_lock_release(&port->lock);
  return io;
}

bool os_port_cancel(struct os_port *port, struct os_io *io) {
  if (port__is_at_ring(io)) {
    ring_cancel(port->ring, io);
    port__submit(port);
    return false;
  }
  if (!io->native[0])
    return false;
  struct os_io *taken = port__take(port, io->native[0], port__direction(io));
  CHECK(taken == io);
  io->native[0] = 0;
  io->result = (struct os_result){OVIO_ECANCELED, 0};
  return true;
}

/* The stream is ready: tries again for who waits for that. The io, if it is
 * finished, else NULL. */
__attribute__((always_inline)) static inline struct os_io *port__retry(
    struct os_port *port, uint64_t registration,
    enum port_direction direction) {
  struct os_io *io = port__take(port, registration, direction);
  if (!io)
    return NULL; /* edges come for both directions, and for closed files */
  io->result = port__attempt(io);
  io->native[0] = 0;
  if (io->result.value != OVIO_EWOULDBLOCK)
    return io;
  port__put(port, port__slot(port, registration), io);
  return NULL;
}

__attribute__((always_inline)) static inline void port__finish(
    struct os_port *port, uint64_t registration, enum port_direction direction,
    struct os_io **done, size_t max, size_t *finished) {
  struct os_io *io = port__retry(port, registration, direction);
  if (io && *finished < max)
    done[(*finished)++] = io;
  else if (io)
    port->unsent = io;
}

/* Puts what has finished into `done`; true: the port was woken. */
__attribute__((always_inline)) static inline bool port__dispatch(
    struct os_port *port, const struct port_event *events, size_t count,
    struct os_io **done, size_t max, size_t *finished) {
  bool woken = false;
  for (size_t at = 0; at < count; at++) {
    const struct port_event *event = &events[at];
    woken |= event->registration == 0;
    if (event->ready[PORT_READ])
      port__finish(port, event->registration, PORT_READ, done, max, finished);
    if (event->ready[PORT_WRITE])
      port__finish(port, event->registration, PORT_WRITE, done, max, finished);
  }
  return woken;
}

enum { NS_PER_MS = 1000000 };

static int64_t port__due_ns(int64_t timeout_ns) {
  if (timeout_ns <= 0)
    return 0;
  int64_t now_ns = os_clock_ns();
  return timeout_ns < INT64_MAX - now_ns ? now_ns + timeout_ns : INT64_MAX;
}

/* Rounded up; -1: for ever. */
static int port__milliseconds(int64_t left_ns) {
  if (left_ns <= 0)
    return (int)left_ns;
  int64_t left_ms = (left_ns - 1) / NS_PER_MS + 1;
  return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* The number of events, or -errno. */
static int port__wait_paused(struct os_port *port, int timeout_ms,
                             struct port_event *events, size_t max) {
  const struct os_pause *pause = port->pause;
  if (pause)
    pause->begin(pause->argument);
  int ready = port->poller->wait(port, timeout_ms, events, max);
  int error = errno;
  if (pause)
    pause->end(pause->argument);
  return ready < 0 ? -error : ready;
}

/* One look at the engine. *over: the port was woken, or the time is up. */
__attribute__((always_inline)) static inline int port__look(
    struct os_port *port, int64_t left_ns, struct os_io **done, size_t max,
    size_t *count, bool *over) {
  /* An event can finish two ios: only as many as there is room for. */
  struct port_event events[PORT_EVENTS_MAX];
  size_t limit = (max - *count) / 2;
  limit = limit < PORT_EVENTS_MAX ? limit : PORT_EVENTS_MAX;
  int ready = port__wait_paused(port, port__milliseconds(left_ns), events,
                                limit ? limit : 1);
  if (ready < 0)
    return ready == -EINTR ? 0 : os_error_map((uint32_t)-ready);
  *over = ready == 0;
  if (port__dispatch(port, events, (size_t)ready, done, max, count))
    *over = true;
  return 0;
}

/* Several threads: what is in the ring shows at the engine. */
static int port__look_at_both(struct os_port *port, int64_t left_ns,
                              struct os_io **done, size_t max, size_t *count,
                              bool *over) {
  ring_reap(port->ring, done, max / 2, count); /* some begin anew */
  if (ring_is_busy(port->ring) && !ring_submit(port->ring))
    left_ns = 0; /* out of memory or room: soon again */
  int error =
      port__look(port, *count > 0 ? 0 : left_ns, done, max, count, over);
  ring_reap(port->ring, done, max, count);
  return error;
}

/* The same at the ring, while it has something; at the engine, too, when that
 * has news. */
__attribute__((always_inline)) static inline int port__look_at_ring(
    struct os_port *port, int64_t left_ns, struct os_io **done, size_t max,
    size_t *count, bool *over) {
  bool news = false;
  if (port->ring && !port->alone)
    return port__look_at_both(port, left_ns, done, max, count, over);
  if (!port->ring || !ring_is_busy(port->ring))
    return port__look(port, left_ns, done, max, count, over);
  int error = ring_wait(port->ring, left_ns, done, max / 2, count, &news);
  if (error || !news)
    return error;
  return port__look(port, 0, done, max, count, over);
}

__attribute__((always_inline)) static inline int port__wait(
    struct os_port *port, int64_t timeout_ns, struct os_io **done, size_t max,
    size_t *count) {
  int64_t due_ns = port__due_ns(timeout_ns);
  for (int64_t left_ns = timeout_ns;;) {
    bool over = false;
    int error = port__look_at_ring(port, left_ns, done, max, count, &over);
    /* What was ready may have been no use to anybody: then time goes on. */
    if (error || over || *count > 0 || left_ns == 0)
      return error;
    if (timeout_ns > 0) {
      left_ns = due_ns - os_clock_ns();
      left_ns = left_ns > 0 ? left_ns : 0;
    }
  }
}

int os_port_wait(struct os_port *port, int64_t timeout_ns, struct os_io **done,
                 size_t max, size_t *count, const struct os_pause *pause) {
  *count = 0;
  if (port->unsent) {
    done[(*count)++] = port->unsent;
    port->unsent = NULL;
    return 0;
  }
  port->pause = pause;
  int error = port__wait(port, timeout_ns, done, max, count);
  port->pause = NULL;
  return error;
}

void os_port_wake(struct os_port *port) {
  native_wakeup_raise(&port->wakeup);
}
