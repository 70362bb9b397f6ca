/* SPDX-License-Identifier: MIT */
/* The engine of Linux: epoll(7), edge-triggered.
 *
 * A descriptor is registered once, for both directions, when its file is bound.
 * No edge is lost: a call is tried after the registration, and again at each
 * edge until it answers EAGAIN; between its EAGAIN and the next wait an edge
 * stays in the kernel's list.
 *
 * A pipe that is only read can be made level-triggered (set_level). */
#include "posix/poller.h"

static int poll__epoll(const struct os_port *port) {
  return (int)(intptr_t)port->engine;
}

int port_epoll_descriptor(const struct os_port *port) {
  return poll__epoll(port);
}

static int poll__register(int epoll, int fd, uint32_t events,
                          uint64_t registration) {
  struct epoll_event event = {.events = events | EPOLLET,
                              .data.u64 = registration};
  int failed = native.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  return failed ? os_error_map((uint32_t)errno) : 0;
}

/* Level-triggered: completions for which there is no room are left. */
int port_epoll_add_ring(const struct os_port *port, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = PORT_NOBODY};
  int failed =
      native.epoll_ctl(poll__epoll(port), EPOLL_CTL_ADD, descriptor, &event);
  return failed ? os_error_map((uint32_t)errno) : 0;
}

static int poll__create(struct os_port *port) {
  int epoll = native.epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0)
    return os_error_map((uint32_t)errno);
  port->engine = (void *)(intptr_t)epoll;
  int error = poll__register(epoll, port->wakeup.read_end, EPOLLIN, 0);
  if (error)
    native.close(epoll);
  return error;
}

static void poll__destroy(struct os_port *port) {
  native.close(poll__epoll(port));
}

static int poll__add(struct os_port *port, int fd, uint64_t registration) {
  return poll__register(poll__epoll(port), fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP,
                        registration);
}

static void poll__remove(struct os_port *port, int fd) {
  /* Before Linux 2.6.9 the event must not be NULL. */
  struct epoll_event event = {0};
  (void)native.epoll_ctl(poll__epoll(port), EPOLL_CTL_DEL, fd, &event);
}

static bool poll__set_level(struct os_port *port, int fd, uint64_t registration,
                            bool level) {
  struct epoll_event event = {.events = level ? EPOLLIN : EPOLLIN | EPOLLET,
                              .data.u64 = registration};
  return native.epoll_ctl(poll__epoll(port), EPOLL_CTL_MOD, fd, &event) == 0;
}

static struct port_event poll__translate(const struct epoll_event *event) {
  /* An error or a hang-up ends both directions' waits. */
  uint32_t over = EPOLLERR | EPOLLHUP;
  return (struct port_event){
      .registration = event->data.u64,
      .ready[PORT_READ] = event->events & (EPOLLIN | EPOLLRDHUP | over),
      .ready[PORT_WRITE] = event->events & (EPOLLOUT | over)};
}

static int poll__wait(struct os_port *port, int timeout_ms,
                      struct port_event *events, size_t max) {
  struct epoll_event ready[PORT_EVENTS_MAX];
  int count = native.epoll_wait(poll__epoll(port), ready, (int)max, timeout_ms);
  for (int at = 0; at < count; at++) {
    events[at] = poll__translate(&ready[at]);
    /* The eventfd stays readable: each write to it is an edge. */
    if (events[at].registration == 0)
      (void)atomic_exchange(&port->wakeup.raised, false);
  }
  return count;
}

const struct poller port_epoll = {
    .name = "epoll",
    .create = poll__create,
    .destroy = poll__destroy,
    .add = poll__add,
    .remove = poll__remove,
    .set_level = poll__set_level,
    .wait = poll__wait,
};
