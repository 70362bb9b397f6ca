/* SPDX-License-Identifier: MIT */
/* What port.c wants of an engine that tells which descriptors are ready, and
 * what an engine may see of the port. */
#ifndef OVIO_POSIX_POLLER_H
#define OVIO_POSIX_POLLER_H

#include "posix/side.h"

enum port_direction { PORT_READ, PORT_WRITE };

/* A file that is bound. */
struct port_slot {
  int fd;
  bool owned;               /* a duplicate of ours */
  uint32_t generation;      /* counts the files that had this slot */
  struct os_io *waiting[2]; /* by enum port_direction; NULL: nobody waits */
  size_t next_free;         /* index + 1; valid while the slot is free */
};

/* What a slot is known by outside: never 0, and never that of an earlier file
 * in the same slot. */
static inline uint64_t port_registration(const struct port_slot *slot,
                                         size_t index) {
  return (uint64_t)slot->generation << 32 | (uint32_t)(index + 1);
}

/* News from an engine; registration 0: the port was woken. */
struct port_event {
  uint64_t registration;
  bool ready[2]; /* by enum port_direction */
};

/* The most news that are taken at once. */
enum { PORT_EVENTS_MAX = 64 };

struct os_port {
  const struct poller *poller;
  struct native_wakeup wakeup;
  struct os_io *unsent;
  struct os_lock lock;     /* guards what follows */
  struct port_slot *slots; /* the port's own; moves when it grows */
  size_t slots_used;       /* so many have ever been in use */
  size_t slots_room;
  size_t first_free; /* index + 1 */
  void *engine;      /* the engine's own */
};

/* add, remove: under the port's lock, any thread. wait: the loop's thread,
 * without the lock; returns the number of events, 0 when the time is over, or
 * -1 and errno (EINTR: nothing has happened yet). */
struct poller {
  const char *name;
  int (*create)(struct os_port *port);
  void (*destroy)(struct os_port *port);
  int (*add)(struct os_port *port, int fd, uint64_t registration);
  void (*remove)(struct os_port *port, int fd);
  int (*wait)(struct os_port *port, int timeout_ms, struct port_event *events,
              size_t max);
};

extern const struct poller port_poll;
#if NATIVE_HAS_EPOLL
extern const struct poller port_epoll;
#endif

#endif
