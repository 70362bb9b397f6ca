/* SPDX-License-Identifier: MIT */
/* The loop: runs what is ready, then waits at the port. */
#ifndef OVIO_COMMON_LOOP_H
#define OVIO_COMMON_LOOP_H

#include "common/baton.h"
#include "common/lane.h"
#include "common/op.h"
#include "common/worker.h"

struct runner;

/* Last in, first out; under the loop's lock. */
struct task_pool {
  struct node *head;
  atomic_uint count; /* to be looked at without the lock */
};

/* DOZING: soon to awake by itself; who has little to tell lets it. */
enum loop_sleep { LOOP_AWAKE, LOOP_DOZING, LOOP_ASLEEP };

struct loop {
  uint64_t number;  /* never used twice in a process; from 1 */
  uint64_t process; /* whose it is: os_process_number() */
  struct loop *next_alive;
  struct os_port *port;

  /* His who has the baton. */
  struct runner *runner; /* runner_current() there */
  struct queue turn;     /* ready when the turn began */
  struct queue ready;
  struct timers timers;
  struct op *ops;
  struct task *tasks;
  size_t in_port; /* ios that the kernel has */
  struct lanes lanes;
  atomic_bool cancelling; /* until drained */
  int error;              /* why the run is to end, if not by itself */
  unsigned callbacks;     /* under way */
  atomic_long counted;    /* added to `pending`; he alone writes it */
  bool led;               /* a thread waits at the port... */
  int64_t due_ns;         /* ...until then */
  bool dozes;             /* workers may have news without a wake-up */
  bool lingers;           /* since it was woken: looks before it sleeps */
  bool has_paid;          /* and has found something so */
  unsigned skips;         /* it does not, so many times that it is woken */
  unsigned skips_left;    /* so many of them are still to come */

  unsigned threads;
  struct baton baton; /* with one thread: not used */

  /* Anybody's. */
  struct inbox inbox;
  atomic_long pending; /* ops with a callback, and tasks: with what is counted
                          by who has the baton (loop_count()) */
  atomic_long holds;
  atomic_uint pushers; /* threads inside loop_push(); destroy waits for them */
  atomic_uint sleep;   /* enum loop_sleep */
  atomic_bool running;
  atomic_bool stopping;
  atomic_bool cancel_asked; /* cancel_link is in the inbox */
  struct node cancel_link;

  struct os_stacks stacks;
  struct os_lock lock;
  struct task_pool warm;    /* ended tasks, with their stacks as they are */
  struct task_pool trimmed; /* with the shallow part of them */

  struct workers workers;
  size_t max_transfer;
  unsigned budget;
};

/* What the calling thread is doing for a loop; lives on its stack below those
 * of tasks. NULL: a plain thread. */
struct runner {
  struct loop *loop;
  struct task *task; /* NULL: a callback, or the loop itself */
  uint32_t native;   /* of the callback's op */
  bool has_baton;
  unsigned budget_left;
  struct os_context context; /* of the stack that runs tasks */
};
static inline struct runner *runner_current(void) {
  return os_local_get(OS_LOCAL_RUNNER);
}

/* The user's code ends here, and begins again. */
void loop_take_baton(struct loop *loop);
void loop_give_baton(struct loop *loop);
static inline void loop_enter(struct loop *loop) {
  if (loop->threads > 1)
    loop_take_baton(loop);
}
static inline void loop_leave(struct loop *loop) {
  if (loop->threads > 1)
    loop_give_baton(loop);
}
/* runner_current(), on a thread of this loop. */
static inline struct runner *loop_runner(const struct loop *loop) {
  return loop->threads > 1 ? runner_current() : loop->runner;
}

/* Adds to what is pending, with the baton: others would use a locked addition.
 */
static inline void loop_count(struct loop *loop, long more) {
  long counted = atomic_load_explicit(&loop->counted, memory_order_relaxed);
  atomic_store_explicit(&loop->counted, counted + more, memory_order_relaxed);
}

/* Keeps the native code of the caller's last failure; returns `value`. */
int64_t runner_answer(int64_t value, uint32_t native);

/* Has the loop run a node; any thread. */
void loop_push(struct loop *loop, struct node *node);
/* The same from a worker. Not `wakes`: a loop that dozes is left alone. */
void loop_push_from_worker(struct loop *loop, struct node *node, bool wakes);
static inline bool loop_is_current(const struct loop *loop) {
  struct runner *runner = runner_current();
  return runner && runner->loop == loop;
}

/* The loop with that number, kept alive until loop_unpin(); or NULL. */
struct loop *loop_pin(uint64_t number);
void loop_unpin(void);

#endif
