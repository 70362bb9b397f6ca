/* SPDX-License-Identifier: MIT */
/* The engine of every POSIX system: poll(2), level-triggered.
 *
 * Only descriptors that an io waits for are in the set, which is made anew for
 * each wait. Room for it is made when a file is bound, so that a wait cannot
 * run out of memory; since another thread may bind while poll(2) has the set,
 * that room is put aside, and taken into use by the next wait. */
#include "posix/poller.h"

#include "common/memory.h"

/* Entry 0 is the wakeup. */
struct poll_set {
  struct pollfd *polled; /* `room` of them, and behind them in one piece: */
  uint64_t *registrations;
  size_t room;
};

struct poll_engine {
  struct poll_set set;    /* the loop's thread's */
  struct poll_set larger; /* put aside; under the port's lock */
  size_t turn;            /* where the next look at the set begins */
};

static int poll__allocate(struct poll_set *set, size_t room) {
  size_t each = sizeof(*set->polled) + sizeof(*set->registrations);
  if (room > SIZE_MAX / each)
    return OVIO_ENOMEM;
  char *memory = memory_allocate(room * each);
  if (!memory)
    return OVIO_ENOMEM;
  set->polled = (struct pollfd *)(void *)memory;
  set->registrations =
      (uint64_t *)(void *)(memory + room * sizeof(*set->polled));
  set->room = room;
  return 0;
}

static_assert(sizeof(struct pollfd) % _Alignof(uint64_t) == 0, "pollfd");

static int poll__create(struct os_port *port) {
  struct poll_engine *engine = memory_allocate(sizeof(*engine));
  if (!engine)
    return OVIO_ENOMEM;
  int error = poll__allocate(&engine->set, 8);
  if (error)
    memory_free(engine);
  else
    port->engine = engine;
  return error;
}

static void poll__destroy(struct os_port *port) {
  struct poll_engine *engine = port->engine;
  memory_free(engine->set.polled);
  memory_free(engine->larger.polled);
  memory_free(engine);
}

static int poll__add(struct os_port *port, int fd, uint64_t registration) {
  (void)fd;
  (void)registration;
  struct poll_engine *engine = port->engine;
  size_t needed = 1 + port->slots_used;
  if (needed <= engine->set.room || needed <= engine->larger.room)
    return 0;
  struct poll_set larger;
  if (poll__allocate(&larger, 2 * needed) != 0)
    return OVIO_ENOMEM;
  memory_free(engine->larger.polled);
  engine->larger = larger;
  return 0;
}

static void poll__remove(struct os_port *port, int fd) {
  /* Nobody waits for it, so it is in no set. */
  (void)port;
  (void)fd;
}

static short poll__wanted(const struct port_slot *slot) {
  return (short)((slot->waiting[PORT_READ] ? POLLIN : 0) |
                 (slot->waiting[PORT_WRITE] ? POLLOUT : 0));
}

/* Returns the number of entries. */
static size_t poll__fill(struct os_port *port) {
  struct poll_engine *engine = port->engine;
  os_lock_acquire(&port->lock);
  if (engine->larger.polled) {
    memory_free(engine->set.polled);
    engine->set = engine->larger;
    engine->larger = (struct poll_set){0};
  }
  struct poll_set *set = &engine->set;
  set->polled[0] =
      (struct pollfd){.fd = port->wakeup.read_end, .events = POLLIN};
  set->registrations[0] = 0;
  size_t count = 1;
  for (size_t at = 0; at < port->slots_used; at++) {
    const struct port_slot *slot = &port->slots[at];
    short wanted = poll__wanted(slot);
    if (!wanted)
      continue;
    set->polled[count] = (struct pollfd){.fd = slot->fd, .events = wanted};
    set->registrations[count++] = port_registration(slot, at);
  }
  os_lock_release(&port->lock);
  return count;
}

/* poll(2) knows nothing else; nor does it look where nobody waits. */
static bool poll__set_level(struct os_port *port, int fd, uint64_t registration,
                            bool level) {
  (void)port, (void)fd, (void)registration, (void)level;
  return true;
}

static struct port_event poll__translate(const struct poll_set *set,
                                         size_t at) {
  int ready = set->polled[at].revents;
  int over = POLLERR | POLLHUP | POLLNVAL;
  return (struct port_event){.registration = set->registrations[at],
                             .ready[PORT_READ] = ready & (POLLIN | over),
                             .ready[PORT_WRITE] = ready & (POLLOUT | over)};
}

/* Takes up to `max` of what is ready, beginning elsewhere each time: what is
 * left is found again by the next wait, but must not be left for ever. */
static int poll__take(struct os_port *port, size_t count,
                      struct port_event *events, size_t max) {
  struct poll_engine *engine = port->engine;
  size_t taken = 0;
  size_t start = engine->turn % count;
  for (size_t step = 0; step < count && taken < max; step++) {
    size_t at = (start + step) % count;
    if (!engine->set.polled[at].revents)
      continue;
    events[taken++] = poll__translate(&engine->set, at);
    engine->turn = at + 1;
    if (at == 0)
      native_wakeup_lower(&port->wakeup);
  }
  return (int)taken;
}

static int poll__wait(struct os_port *port, int timeout_ms,
                      struct port_event *events, size_t max) {
  struct poll_engine *engine = port->engine;
  size_t count = poll__fill(port);
  int ready = native.poll(engine->set.polled, (nfds_t)count, timeout_ms);
  return ready > 0 ? poll__take(port, count, events, max) : ready;
}

const struct poller port_poll = {
    .name = "poll",
    .is_snapshot = true,
    .create = poll__create,
    .destroy = poll__destroy,
    .add = poll__add,
    .remove = poll__remove,
    .set_level = poll__set_level,
    .wait = poll__wait,
};
