/* SPDX-License-Identifier: MIT */
/* Timers: an intrusive pairing heap. Nothing is allocated.
 *
 * Fredman, Sedgewick, Sleator, Tarjan: The pairing heap: a new form of
 * self-adjusting heap, Algorithmica 1 (1986). Two passes, without recursion. */
#include "common/timer.h"

#include <stddef.h>

#include "common/check.h"

/* Both are roots. The later one becomes the first child of the other. */
static struct timer *timer__meld(struct timer *a, struct timer *b) {
  if (!a)
    return b;
  if (!b)
    return a;
  if (b->due_ns < a->due_ns) {
    struct timer *swap = a;
    a = b;
    b = swap;
  }
  b->before = a;
  b->sibling = a->child;
  if (b->sibling)
    b->sibling->before = b;
  a->child = b;
  return a;
}

static struct timer *timer__detach(struct timer *timer) {
  struct timer *next = timer->sibling;
  timer->sibling = NULL;
  timer->before = NULL;
  return next;
}

/* Melds a list of siblings into one root: in pairs, then the pairs. */
static struct timer *timer__meld_siblings(struct timer *list) {
  struct timer *pairs = NULL;
  while (list) {
    struct timer *a = list;
    struct timer *b = timer__detach(a);
    list = b ? timer__detach(b) : NULL;
    struct timer *pair = timer__meld(a, b);
    pair->sibling = pairs;
    pairs = pair;
  }
  struct timer *root = NULL;
  while (pairs) {
    struct timer *pair = pairs;
    pairs = timer__detach(pair);
    root = timer__meld(root, pair);
  }
  return root;
}

void timer_start(struct timers *timers, struct timer *timer, int64_t due_ns,
                 void (*fire)(struct timer *timer)) {
  CHECK(!timer_is_armed(timer));
  *timer = (struct timer){.due_ns = due_ns, .fire = fire};
  timers->first = timer__meld(timers->first, timer);
}

void timer_stop(struct timers *timers, struct timer *timer) {
  if (!timer_is_armed(timer))
    return;
  struct timer *below = timer__meld_siblings(timer->child);
  timer->child = NULL;
  timer->fire = NULL;
  if (timers->first == timer) {
    timers->first = below;
    return;
  }
  if (timer->before->child == timer)
    timer->before->child = timer->sibling;
  else
    timer->before->sibling = timer->sibling;
  if (timer->sibling)
    timer->sibling->before = timer->before;
  timer__detach(timer);
  timers->first = timer__meld(timers->first, below);
}

void timers_fire(struct timers *timers, int64_t now_ns) {
  while (timers->first && timers->first->due_ns <= now_ns) {
    struct timer *timer = timers->first;
    void (*fire)(struct timer *) = timer->fire;
    timer_stop(timers, timer);
    fire(timer);
  }
}
