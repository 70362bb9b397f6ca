/* SPDX-License-Identifier: MIT */
/* Workers: threads for operations that block.
 *
 * A thread is added when there are more jobs than threads which are idle or on
 * their way back, up to a bound, and stays until the loop is destroyed: one
 * blocked read from a terminal or a dead network share stops nothing else.
 *
 * Buffered writes are brief, and those to one file wait for each other in the
 * kernel: a few threads do them all, however many there are. Threads that have
 * a job which may last are not counted among these few.
 *
 * A job which no thread is free for, and none can be made, waits for one, if
 * one will be free: not all have, or will have, a job that only others can end,
 * as a read of a pipe, which this job may be needed for. Else it is refused;
 * and so is a close always, which must not depend on what others read.
 *
 * A cancel either finds the op in the queue and takes it out, or interrupts the
 * thread that has it. Both happen under the lock, under which a thread also
 * takes its next job; so an interruption never hits another op than the one it
 * was meant for. What it sets is reset before each job. */
#include "common/worker.h"

#include "common/check.h"
#include "common/file.h"
#include "common/memory.h"

struct worker {
  struct os_thread thread;
  struct os_waiter waiter;
  struct workers *workers;
  struct worker *next;
  struct op *op; /* what it does, or did last; only to be compared */
};

enum { BRIEF_MAX = 4 };

static bool op__is_brief(const struct op *op) {
  return op->code == OP_TRANSFER && op->u.transfer.write &&
         (op->file->os.traits & OS_TRAIT_TRY);
}

/* Does it end only when somebody else does something? */
static bool op__waits(const struct op *op) {
  return op->code == OP_WAIT || op->code == OP_READY || op->code == OP_ACCEPT ||
         (op->code == OP_TRANSFER && op->file->os.kind != OS_KIND_DISK);
}

void workers_init(struct workers *workers, unsigned max) {
  *workers = (struct workers){.max = max};
  os_lock_init(&workers->lock);
  os_cond_init(&workers->work);
}

void workers_destroy(struct workers *workers) {
  os_lock_acquire(&workers->lock);
  workers->ending = true;
  for (unsigned at = 0; at < workers->idle; at++)
    os_cond_signal(&workers->work);
  os_lock_release(&workers->lock);
  while (workers->all) {
    struct worker *worker = workers->all;
    workers->all = worker->next;
    os_thread_join(&worker->thread);
    os_waiter_destroy(&worker->waiter);
    memory_free(worker);
  }
  os_cond_destroy(&workers->work);
  os_lock_destroy(&workers->lock);
}

/* Waits for a job; NULL: it is time to end. Under the lock. */
static struct op *worker__take(struct worker *worker) {
  struct workers *workers = worker->workers;
  while (!workers->jobs.head && !workers->ending) {
    workers->idle++;
    os_cond_wait(&workers->work, &workers->lock);
    workers->idle--;
  }
  struct node *node = queue_pop(&workers->jobs);
  if (!node)
    return NULL;
  workers->queued--;
  worker->op = CONTAINER_OF(node, struct op, link);
  os_waiter_reset(&worker->waiter);
  return worker->op;
}

static void worker__main(void *argument) {
  struct worker *worker = argument;
  struct workers *workers = worker->workers;
  os_lock_acquire(&workers->lock); /* workers__grow() is through */
  struct op *op;
  while ((op = worker__take(worker))) {
    os_lock_release(&workers->lock);
    bool brief = op__is_brief(op);
    bool waits = op__waits(op);
    op_execute(op, &worker->waiter);
    /* Counted before the loop hears of it, which may have the next job. */
    atomic_fetch_add(&workers->returning, 1);
    op_from_worker(op);
    os_lock_acquire(&workers->lock);
    atomic_fetch_sub(&workers->returning, 1);
    workers->lasting -= !brief;
    workers->waiting -= waits;
  }
  os_lock_release(&workers->lock);
}

static int worker__start(struct worker *worker) {
  int error = os_waiter_init(&worker->waiter);
  if (error)
    return error;
  error = os_thread_start(&worker->thread, worker__main, worker);
  if (error)
    os_waiter_destroy(&worker->waiter);
  else
    os_waiter_attach(&worker->waiter, &worker->thread);
  return error;
}

/* Under the lock. */
static int workers__grow(struct workers *workers, bool brief) {
  unsigned max = brief && workers->max > workers->lasting + BRIEF_MAX
                     ? workers->lasting + BRIEF_MAX
                     : workers->max;
  if (workers->count >= max)
    return OVIO_EBUSY;
  struct worker *worker = memory_allocate(sizeof *worker);
  if (!worker)
    return OVIO_ENOMEM;
  worker->workers = workers;
  int error = worker__start(worker);
  if (error) {
    memory_free(worker);
    return error;
  }
  worker->next = workers->all;
  workers->all = worker;
  workers->count++;
  return 0;
}

/* `error` is why there is no new thread: OVIO_EBUSY, as many as are allowed. */
static bool workers__will_be_free(const struct workers *workers,
                                  const struct op *op, int error) {
  if (op_is_stubborn(op))
    return false;
  return workers->count > (error == OVIO_EBUSY ? 0 : workers->waiting);
}

int workers_submit(struct workers *workers, struct op *op) {
  int error = 0;
  os_lock_acquire(&workers->lock);
  unsigned coming = workers->idle + atomic_load(&workers->returning);
  if (workers->queued + 1 > coming) {
    error = workers__grow(workers, op__is_brief(op));
    coming += !error;
  }
  bool free = workers->queued + 1 <= coming;
  if (free || workers__will_be_free(workers, op, error)) {
    error = 0;
    queue_push(&workers->jobs, &op->link);
    workers->queued++;
    workers->lasting += !op__is_brief(op);
    workers->waiting += op__waits(op);
    if (workers->idle > 0)
      os_cond_signal(&workers->work);
  } else if (!error) {
    error = OVIO_EBUSY; /* others wait for the new thread, too */
  }
  os_lock_release(&workers->lock);
  return error;
}

bool workers_cancel(struct workers *workers, struct op *op) {
  os_lock_acquire(&workers->lock);
  bool waiting = queue_remove(&workers->jobs, &op->link);
  if (waiting) {
    workers->queued--;
    workers->lasting -= !op__is_brief(op);
    workers->waiting -= op__waits(op);
  }
  for (struct worker *at = workers->all; at && !waiting; at = at->next) {
    if (at->op == op)
      os_waiter_interrupt(&at->waiter);
  }
  os_lock_release(&workers->lock);
  return waiting;
}
