/* SPDX-License-Identifier: MIT */
/* kqueue(2) by means of epoll(7), as far as the library's engine goes: reading
 * and writing, with EV_CLEAR, which is EPOLLET. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/event.h>

enum { EVENTS_MAX = 64 };

struct knote {
  struct knote *next;
  int queue;
  int fd;
  uint32_t filters; /* EPOLLIN, EPOLLOUT */
  void *udata;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct knote *notes;

int kqueue(void) {
  return epoll_create1(0);
}

static struct knote **knote_find(int queue, int fd) {
  struct knote **at = &notes;
  while (*at && ((*at)->queue != queue || (*at)->fd != fd))
    at = &(*at)->next;
  return at;
}

static uint32_t filter_bit(const struct kevent *change) {
  return change->filter == EVFILT_READ ? EPOLLIN : EPOLLOUT;
}

static int tell_epoll(int queue, int operation, const struct knote *note) {
  struct epoll_event event = {.events = note->filters | EPOLLRDHUP | EPOLLET,
                              .data.fd = note->fd};
  return epoll_ctl(queue, operation, note->fd, &event);
}

/* One left over from an earlier queue of that number is told by epoll. */
static int add(int queue, const struct kevent *change) {
  struct knote **at = knote_find(queue, (int)change->ident);
  if (!*at) {
    *at = calloc(1, sizeof **at);
    if (!*at) {
      errno = ENOMEM;
      return -1;
    }
    (*at)->queue = queue;
    (*at)->fd = (int)change->ident;
  }
  struct knote *note = *at;
  note->udata = change->udata;
  note->filters |= filter_bit(change);
  if (tell_epoll(queue, EPOLL_CTL_MOD, note) == 0)
    return 0;
  note->filters = filter_bit(change);
  return errno == ENOENT ? tell_epoll(queue, EPOLL_CTL_ADD, note) : -1;
}

static int delete (int queue, const struct kevent *change) {
  struct knote **at = knote_find(queue, (int)change->ident);
  struct knote *note = *at;
  if (!note || !(note->filters & filter_bit(change))) {
    errno = ENOENT;
    return -1;
  }
  note->filters &= ~filter_bit(change);
  if (note->filters)
    return tell_epoll(queue, EPOLL_CTL_MOD, note);
  *at = note->next;
  int result = tell_epoll(queue, EPOLL_CTL_DEL, note);
  free(note);
  return result;
}

static struct kevent news(const struct knote *note, short filter) {
  struct kevent event;
  EV_SET(&event, (uintptr_t)note->fd, filter, EV_CLEAR, 0, 0, note->udata);
  return event;
}

static int translate(int queue, const struct epoll_event *ready, int count,
                     struct kevent *events) {
  int used = 0;
  for (int at = 0; at < count; at++) {
    const struct knote *note = *knote_find(queue, ready[at].data.fd);
    uint32_t over = ready[at].events & (EPOLLHUP | EPOLLERR);
    if (!note)
      continue;
    if ((note->filters & EPOLLIN) &&
        (over || (ready[at].events & (EPOLLIN | EPOLLRDHUP))))
      events[used++] = news(note, EVFILT_READ);
    if ((note->filters & EPOLLOUT) && (over || (ready[at].events & EPOLLOUT)))
      events[used++] = news(note, EVFILT_WRITE);
  }
  return used;
}

int kevent(int queue, const struct kevent *changes, int change_count,
           struct kevent *events, int event_count,
           const struct timespec *time) {
  struct epoll_event ready[EVENTS_MAX];
  int result = 0;
  pthread_mutex_lock(&lock);
  for (int at = 0; at < change_count && result == 0; at++)
    result = changes[at].flags & EV_ADD ? add(queue, &changes[at])
                                        : delete (queue, &changes[at]);
  pthread_mutex_unlock(&lock);
  if (result < 0 || event_count == 0)
    return result;
  int timeout_ms =
      time ? (int)(time->tv_sec * 1000 + time->tv_nsec / 1000000) : -1;
  int max = event_count / 2 > 0 ? event_count / 2 : 1;
  int count =
      epoll_wait(queue, ready, max < EVENTS_MAX ? max : EVENTS_MAX, timeout_ms);
  if (count <= 0)
    return count;
  pthread_mutex_lock(&lock);
  count = translate(queue, ready, count, events);
  pthread_mutex_unlock(&lock);
  return count;
}
