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
  bool owned;     /* a duplicate of ours */
  bool level;     /* the engine tells what is there, again and again */
  unsigned tries; /* reads begun with a try, and those in vain */
  unsigned vain;
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

/* No file's registration. */
#define PORT_NOBODY UINT64_MAX

/* The most news that are taken at once. */
enum { PORT_EVENTS_MAX = 64 };

struct os_port {
  const struct poller *poller;
  struct native_wakeup wakeup;
  struct os_io *unsent;
  const struct os_pause *pause; /* of the one who waits; NULL: nobody does */
  bool alone;                   /* one thread uses the port */
  struct os_lock lock;          /* guards what follows */
  struct port_slot *slots;      /* the port's own; moves when it grows */
  size_t slots_used;            /* so many have ever been in use */
  size_t slots_room;
  size_t first_free; /* index + 1 */
  void *engine;      /* the engine's own */
  struct ring *ring; /* for disk files; NULL: there is none */
};

/* add, remove, set_level: under the port's lock; the latter is for descriptors
 * that are only read, and may be NULL: it tells of news only. wait: the loop's
 * thread, without the lock; returns the number of events, 0 when the time is
 * over, or -1 and errno (EINTR: nothing has happened yet). */
struct poller {
  const char *name;
  bool is_snapshot; /* a wait does not know what has been started since */
  int (*create)(struct os_port *port);
  void (*destroy)(struct os_port *port);
  int (*add)(struct os_port *port, int fd, uint64_t registration);
  void (*remove)(struct os_port *port, int fd);
  bool (*set_level)(struct os_port *port, int fd, uint64_t registration,
                    bool level);
  int (*wait)(struct os_port *port, int timeout_ms, struct port_event *events,
              size_t max);
};

extern const struct poller port_poll;
#if NATIVE_HAS_EPOLL
extern const struct poller port_epoll;
/* The descriptor that becomes readable when it has news. */
int port_epoll_descriptor(const struct os_port *port);
/* Has epoll look at a ring's descriptor; its news are nobody's. */
int port_epoll_add_ring(const struct os_port *port, int descriptor);
#endif

#if NATIVE_HAS_KQUEUE
extern const struct poller port_kqueue;
#endif

/* ---- port_uring.c ---- */

#if NATIVE_HAS_URING
/* A ring that also waits for the news of the port's epoll, or, if the port is
 * not one thread's alone, one that can be waited for there. OVIO_ENOTSUP: the
 * system has none, or does not let us. */
int ring_create(struct ring **out, const struct os_port *port);
void ring_destroy(struct ring *ring);
/* Readable when there are completions. */
int ring_descriptor(const struct ring *ring);
/* Has the kernel anything of it? The loop's thread, as in all that follows. */
bool ring_is_busy(const struct ring *ring);
/* As os_port_register_buffers(). */
int ring_register_buffers(struct ring *ring, const struct ovio_iovec *buffers,
                          size_t count);
/* true: pending; false: there is no room, and io->result says so. */
bool ring_start(struct ring *ring, struct os_io *io);
/* Asks; it comes out as it will. */
void ring_cancel(struct ring *ring, struct os_io *io);
/* The descriptor is about to be closed or given away; nothing of it is pending.
 * Any thread. */
void ring_forget(struct ring *ring, int fd);
/* Submits what was started; false: not all, for now. */
bool ring_submit(struct ring *ring);
/* Takes what has been completed. */
void ring_reap(struct ring *ring, struct os_io **done, size_t max,
               size_t *count);
/* Submits what was started; waits, as os_port_wait() does. *news: epoll has
 * some. */
int ring_wait(struct ring *ring, int64_t timeout_ns, struct os_io **done,
              size_t max, size_t *count, bool *news);
#else
/* Built without: no port has one, and the rest is never called. */
static inline int ring_create(struct ring **out, const struct os_port *port) {
  (void)out;
  (void)port;
  return OVIO_ENOTSUP;
}
static inline void ring_destroy(struct ring *ring) {
  (void)ring;
}
static inline int ring_descriptor(const struct ring *ring) {
  (void)ring;
  return -1;
}
static inline bool ring_is_busy(const struct ring *ring) {
  (void)ring;
  return false;
}
static inline int ring_register_buffers(struct ring *ring,
                                        const struct ovio_iovec *buffers,
                                        size_t count) {
  (void)ring;
  (void)buffers;
  (void)count;
  return 0;
}
static inline void ring_forget(struct ring *ring, int fd) {
  (void)ring;
  (void)fd;
}
static inline bool ring_submit(struct ring *ring) {
  (void)ring;
  return false;
}
static inline void ring_reap(struct ring *ring, struct os_io **done, size_t max,
                             size_t *count) {
  (void)ring;
  (void)done;
  (void)max;
  (void)count;
}
static inline bool ring_start(struct ring *ring, struct os_io *io) {
  (void)ring;
  io->result = (struct os_result){OVIO_ENOTSUP, 0};
  return false;
}
static inline void ring_cancel(struct ring *ring, struct os_io *io) {
  (void)ring;
  (void)io;
}
static inline int ring_wait(struct ring *ring, int64_t timeout_ns,
                            struct os_io **done, size_t max, size_t *count,
                            bool *news) {
  (void)ring;
  (void)timeout_ns;
  (void)done;
  (void)max;
  (void)count;
  (void)news;
  return OVIO_ENOTSUP;
}
#endif

#endif
