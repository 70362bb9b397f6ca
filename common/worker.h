/* SPDX-License-Identifier: MIT */
/* Workers: threads for operations that block. */
#ifndef OVIO_COMMON_WORKER_H
#define OVIO_COMMON_WORKER_H

#include "common/op.h"

struct worker;

struct workers {
  /* His who has the loop's baton. */
  struct queue fresh;  /* not handed over yet */
  unsigned seen;       /* of `taken`... */
  int64_t seen_ns;     /* ...and when */
  struct os_lock lock; /* guards all below */
  struct os_cond work;
  struct queue jobs;
  struct queue brief;
  struct file *last; /* that a brief job was queued for; to be compared */
  bool mixed;        /* brief jobs are for several files */
  struct worker *all;
  unsigned queued;  /* in `jobs` */
  unsigned waiting; /* jobs, queued or under way, that others must end */
  unsigned count;
  unsigned idle;
  unsigned woken;    /* of them, who have been told but are not up yet */
  unsigned briefers; /* who do the brief jobs */
  unsigned assigned; /* likewise, but they have yet to come */
  unsigned max;
  bool ending;
  atomic_uint returning; /* on the way to the next job; just made, too */
  atomic_uint taken;     /* jobs that were begun, ever */
  atomic_uint brief_out; /* brief jobs, queued or under way */
  atomic_bool slow;      /* one of them was, since it was asked last */
};

void workers_init(struct workers *workers, unsigned max);
/* Ends and joins the threads. No job is left. */
void workers_destroy(struct workers *workers);
/* Takes an op, which goes to a thread with the next workers_hand_over();
 * op_from_worker() brings it back. The loop's, as what follows. */
void workers_submit(struct workers *workers, struct op *op);
/* Wakes who is needed. Ops that no thread can be had for are put into
 * `refused`, with their error as the result. true: some of what is out comes
 * back without waking a loop that dozes; ask again within BRIEF_NS. */
bool workers_hand_over(struct workers *workers, struct queue *refused);
/* false: that would do nothing, and say false. */
static inline bool workers_are_watched(const struct workers *workers) {
  return workers->fresh.head ||
         atomic_load_explicit(&workers->brief_out, memory_order_relaxed) > 0;
}
/* true: it had not begun, and is the caller's again. false: it comes back by
 * itself; a blocked one was interrupted, which may have to be repeated. */
bool workers_cancel(struct workers *workers, struct op *op);

/* A brief job that takes longer is not brief. */
#define BRIEF_NS INT64_C(1000000)

#endif
