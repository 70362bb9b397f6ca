/* SPDX-License-Identifier: MIT */
/* The engine of macOS and the BSDs: kqueue(2), edge-triggered by EV_CLEAR.
 *
 * A descriptor is registered once, with a filter for each direction. The other
 * end of a pipe may be gone, or the descriptor may know one direction only:
 * then a filter is refused, and the other one does. */
#include "posix/poller.h"

static int kqueue__of(const struct os_port *port) {
  return (int)(intptr_t)port->engine;
}

static int kqueue__change(int queue, int fd, int filter, int action,
                          uint64_t registration) {
  struct kevent change;
  /* udata is an integer on some systems. */
  EV_SET(&change, (uintptr_t)fd, (short)filter, (unsigned short)action, 0, 0,
         (__typeof__(change.udata))(uintptr_t)registration);
  int failed;
  do
    failed = native.kevent(queue, &change, 1, NULL, 0, NULL);
  while (failed < 0 && errno == EINTR);
  return failed < 0 ? os_error_map((uint32_t)errno) : 0;
}

static int kqueue__create(struct os_port *port) {
  int queue = native.kqueue();
  if (queue < 0)
    return os_error_map((uint32_t)errno);
  (void)native.fcntl(queue, F_SETFD, FD_CLOEXEC);
  port->engine = (void *)(intptr_t)queue;
  int error = kqueue__change(queue, port->wakeup.read_end, EVFILT_READ,
                             EV_ADD | EV_CLEAR, 0);
  if (error)
    native.close(queue);
  return error;
}

static void kqueue__destroy(struct os_port *port) {
  native.close(kqueue__of(port));
}

/* EV_ADD would take the descriptor from another slot without a word. */
static bool kqueue__has(const struct os_port *port, int fd,
                        uint64_t registration) {
  for (size_t at = 0; at < port->slots_used; at++) {
    const struct port_slot *slot = &port->slots[at];
    if (slot->fd == fd && port_registration(slot, at) != registration)
      return true;
  }
  return false;
}

static void kqueue__remove(struct os_port *port, int fd) {
  int queue = kqueue__of(port);
  (void)kqueue__change(queue, fd, EVFILT_READ, EV_DELETE, 0);
  (void)kqueue__change(queue, fd, EVFILT_WRITE, EV_DELETE, 0);
}

static int kqueue__add(struct os_port *port, int fd, uint64_t registration) {
  if (kqueue__has(port, fd, registration))
    return OVIO_EEXIST;
  int queue = kqueue__of(port);
  int action = EV_ADD | EV_CLEAR;
  int reads = kqueue__change(queue, fd, EVFILT_READ, action, registration);
  int writes = kqueue__change(queue, fd, EVFILT_WRITE, action, registration);
  if (reads == OVIO_ENOMEM || writes == OVIO_ENOMEM) {
    kqueue__remove(port, fd);
    return OVIO_ENOMEM;
  }
  return writes ? reads : 0; /* of a pipe's end, one is refused */
}

static struct port_event kqueue__translate(const struct kevent *event) {
  return (struct port_event){.registration = (uint64_t)(uintptr_t)event->udata,
                             .ready[PORT_READ] = event->filter == EVFILT_READ,
                             .ready[PORT_WRITE] =
                                 event->filter == EVFILT_WRITE};
}

static int kqueue__wait(struct os_port *port, int timeout_ms,
                        struct port_event *events, size_t max) {
  struct kevent ready[PORT_EVENTS_MAX];
  struct timespec time = {.tv_sec = timeout_ms / 1000,
                          .tv_nsec = timeout_ms % 1000 * 1000000L};
  int count = native.kevent(kqueue__of(port), NULL, 0, ready, (int)max,
                            timeout_ms < 0 ? NULL : &time);
  for (int at = 0; at < count; at++) {
    events[at] = kqueue__translate(&ready[at]);
    /* Emptied: a write to a full pipe would be no edge. */
    if (events[at].registration == 0)
      native_wakeup_lower(&port->wakeup);
  }
  return count;
}

const struct poller port_kqueue = {
    .name = "kqueue",
    .create = kqueue__create,
    .destroy = kqueue__destroy,
    .add = kqueue__add,
    .remove = kqueue__remove,
    .wait = kqueue__wait,
};
