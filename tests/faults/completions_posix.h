/* SPDX-License-Identifier: MIT */
/* What comes back by itself is changed where the library will find it: entries
 * of the ring, epoll's events and poll's. Behind the enum of calls. */

#if NATIVE_HAS_URING
/* The entry's op, if it is one: smaller numbers are the ring's own. */
static const struct os_io *completion_io(const struct io_uring_cqe *entry) {
  uint64_t data = io_uring_cqe_get_data64(entry);
  return data > 4096 ? (const struct os_io *)(uintptr_t)data : NULL;
}

static size_t completion_row(const struct os_io *io) {
  if (io->transfer.kind == OS_IO_SYNC)
    return FAULT_ring_sync;
  if (io->transfer.kind != OS_IO_TRANSFER)
    return FAULT_COUNT;
  return io->transfer.write ? FAULT_ring_write : FAULT_ring_read;
}

/* Error 0: half of what was moved, where the rest is moved anew. */
static int completion_result(const struct os_io *io, int result) {
  int error = (int)fault_native();
  if (error)
    return -error;
  return io->transfer.offset >= 0 && result > 1 ? result / 2 : result;
}

/* Each entry is met once: those that are new since the last call. */
static void completions_of(struct io_uring *ring) {
  static struct io_uring *last;
  static unsigned seen;
  unsigned head;
  struct io_uring_cqe *entry;
  unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
  if (ring != last || tail - seen > 4096)
    seen = *ring->cq.khead;
  io_uring_for_each_cqe(ring, head, entry) {
    const struct os_io *io = completion_io(entry);
    size_t row = io ? completion_row(io) : FAULT_COUNT;
    if ((int)(head - seen) >= 0 && row < FAULT_COUNT && fault_strikes(row))
      entry->res = completion_result(io, entry->res);
  }
  last = ring;
  seen = tail;
}

#define COMPLETIONS_io_uring_submit_and_get_events(result, ring)               \
  ((void)(result), completions_of(ring))
#define COMPLETIONS_io_uring_submit_and_wait_timeout(result, ring, ...)        \
  ((void)(result), completions_of(ring))
#endif

#if NATIVE_HAS_EPOLL
/* One that has come before comes once more, when there may be nothing to it, or
 * its file may have gone. */
static int completion_again(int epoll, int count, struct epoll_event *events,
                            int room) {
  static struct epoll_event last;
  static int last_epoll = -1;
  if (epoll == last_epoll && count >= 0 && count < room &&
      fault_strikes(FAULT_epoll_again)) {
    events[count] = last;
    events[count++].events = fault_native();
  }
  if (count > 0) {
    last = events[0];
    last_epoll = epoll;
  }
  return count;
}

/* Ready for an error that is none. */
static int completions_of_epoll(int epoll, int count,
                                struct epoll_event *events, int room) {
  for (int at = 0; at < count; at++) {
    if (fault_strikes(FAULT_epoll_event))
      events[at].events |= fault_native();
  }
  return completion_again(epoll, count, events, room);
}
#define COMPLETIONS_epoll_wait(result, epoll, events, room, timeout)           \
  ((result) = completions_of_epoll(epoll, result, events, room))
#endif

/* Another one is ready instead, for which there is nothing. */
static void completion_instead(struct pollfd *set, nfds_t count, nfds_t at) {
  nfds_t other = 0;
  while (other < count && (set[other].fd < 0 || set[other].revents ||
                           !(set[other].events & (POLLIN | POLLOUT))))
    other++;
  if (other == count || !fault_strikes(FAULT_poll_instead))
    return;
  set[at].revents = 0;
  set[other].revents = (short)(set[other].events & (short)fault_native());
}

/* What poll says of a file is replaced: an error or a hang-up comes alone. */
static void completions_of_poll(int ready, struct pollfd *set, nfds_t count) {
  for (nfds_t at = 0; ready > 0 && at < count; at++) {
    if (set[at].revents && fault_strikes(FAULT_poll_event))
      set[at].revents = (short)fault_native();
  }
  for (nfds_t at = 0; ready == 1 && at < count; at++) {
    if (set[at].revents) {
      completion_instead(set, count, at);
      break;
    }
  }
}
#define COMPLETIONS_poll(result, set, count, ...)                              \
  completions_of_poll(result, set, count)
