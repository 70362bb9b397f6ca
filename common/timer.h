/* SPDX-License-Identifier: MIT */
/* Timers: an intrusive pairing heap. Nothing is allocated. */
#ifndef OVIO_COMMON_TIMER_H
#define OVIO_COMMON_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is disarmed. */
struct timer {
  int64_t due_ns;                    /* on os_clock_ns(); valid while armed */
  void (*fire)(struct timer *timer); /* NULL: disarmed */
  struct timer *child;               /* first of those that are due later */
  struct timer *sibling;             /* next child of the same parent */
  struct timer *before;              /* previous sibling, or the parent */
};

struct timers {
  struct timer *first; /* due soonest; NULL: none */
};

static inline bool timer_is_armed(const struct timer *timer) {
  return timer->fire != NULL;
}

/* Arms a disarmed timer: O(1). */
void timer_start(struct timers *timers, struct timer *timer, int64_t due_ns,
                 void (*fire)(struct timer *timer));
/* Disarms; fine when it is not armed. O(log n) on average. */
void timer_stop(struct timers *timers, struct timer *timer);
/* Fires what is due, disarmed first, soonest first. */
void timers_fire(struct timers *timers, int64_t now_ns);

#endif
