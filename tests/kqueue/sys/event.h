/* SPDX-License-Identifier: MIT */
/* What kqueue(2) of FreeBSD declares, as far as the library uses it: so that
 * its engine can be compiled and tested on Linux. kqueue.c beside is behind. */
#ifndef OVIO_TESTS_KQUEUE_H
#define OVIO_TESTS_KQUEUE_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ  (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD       0x0001
#define EV_DELETE    0x0002
#define EV_CLEAR     0x0020
#define EV_EOF       0x8000

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned int fflags;
  int64_t data;
  void *udata;
};

#define EV_SET(event, a, b, c, d, e, f)                                        \
  (*(event) = (struct kevent){(a), (b), (c), (d), (e), (f)})

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int change_count,
           struct kevent *events, int event_count, const struct timespec *time);

#endif
