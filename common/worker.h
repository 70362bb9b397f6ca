/* SPDX-License-Identifier: MIT */
/* Workers: threads for operations that block. */
#ifndef OVIO_COMMON_WORKER_H
#define OVIO_COMMON_WORKER_H

#include "common/op.h"

struct worker;

struct workers {
  struct os_lock lock; /* guards all below */
  struct os_cond work;
  struct queue jobs;
  struct worker *all;
  unsigned queued;
  unsigned lasting; /* jobs, queued or under way, that are not brief */
  unsigned waiting; /* of those, what only others can end */
  unsigned count;
  unsigned idle;
  unsigned max;
  bool ending;
  atomic_uint returning; /* through with a job, on the way to the next */
};

void workers_init(struct workers *workers, unsigned max);
/* Ends and joins the threads. No job is left. */
void workers_destroy(struct workers *workers);
/* Hands an op over; op_from_worker() brings it back. An error when none can be
 * made of the threads that it takes. */
int workers_submit(struct workers *workers, struct op *op);
/* true: it had not begun, and is the caller's again. false: it comes back by
 * itself; a blocked one was interrupted, which may have to be repeated. */
bool workers_cancel(struct workers *workers, struct op *op);

#endif
