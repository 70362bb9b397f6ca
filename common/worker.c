/* SPDX-License-Identifier: MIT */
/* Workers: threads for operations that block.
 *
 * A thread is added when there are more jobs than threads which are idle or on
 * their way back, up to a bound, and stays until the loop is destroyed: one
 * blocked read from a terminal or a dead network share stops nothing else.
 *
 * HAND-OVER. What the loop submits during a turn goes over at its end, under
 * one lock, and wakes no more threads than it takes.
 *
 * BRIEF JOBS cost less than a wake-up: buffered writes, which wait for each
 * other in the kernel if they are to one file; opens and closes, questions
 * about files, changes of names. So one thread does them all, one after the
 * other (two, if they are for several files), and does not wake the loop for
 * each, but once when none is left or a chunk is done. Nobody depends on how
 * long that takes: a loop that has brief jobs out dozes, for BRIEF_NS at most,
 * then takes what is there, and has each further one wake it. If no job was
 * begun meanwhile, another thread joins, and another. A job that is not stuck
 * but slow (SLOW_NS), as an open on a network's file system may be, wakes the
 * loop when it is done, and another thread joins, too: so where they all are
 * slow, they soon go side by side as if they were not brief.
 *
 * Hands are counted: one for each queued job, and one for each thread that was
 * called to the brief ones (`assigned`). Who comes takes what there is, whoever
 * was meant. Where threads are fewer than queued jobs, brief jobs are queued
 * like all others, lest they go on for ever before these.
 *
 * A job which no thread is free for, and none can be made, waits for one, if
 * one will be free: not all have, or will have, a job that only others can end,
 * as a read of a pipe, which this job may be needed for. Else it is refused;
 * and so is a close always, which must not depend on what others read: one that
 * is behind brief jobs that are stuck, as soon as no thread joins them.
 *
 * A cancel either finds the op in a queue and takes it out, or interrupts the
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

/* So many jobs, or bytes, are done before the loop is woken. */
enum { CHUNK_JOBS = 32, CHUNK_BYTES = 256 * 1024 };

/* Twice a wake-up between processors: a job that takes longer is worth one, and
 * those behind it another thread. */
#define SLOW_NS 50000

static bool op__is_brief(const struct op *op) {
  switch (op->code) {
  case OP_TRANSFER:
    return op->u.transfer.write && (op->file->os.traits & OS_TRAIT_TRY);
  case OP_OPEN:
  case OP_CLOSE:
  case OP_SIZE:
  case OP_STAT:
  case OP_SET_TIMES:
    return true;
  case OP_CALL:
    return op->u.call.brief;
  default:
    return false;
  }
}

static int64_t op__bytes(const struct op *op) {
  return op->code == OP_TRANSFER ? op->u.transfer.moved : 0;
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

/* ---- a thread, under the lock but while it works ---- */

/* Are there brief jobs that want one more? */
static bool workers__want_briefer(const struct workers *workers) {
  return workers->brief.head &&
         (workers->assigned > 0 || workers->briefers == 0);
}

/* false: it is time to end. */
static bool worker__await(struct workers *workers) {
  while (!workers->jobs.head && !workers__want_briefer(workers)) {
    if (workers->ending)
      return false;
    workers->idle++;
    os_cond_wait(&workers->work, &workers->lock);
    workers->idle--;
    workers->woken -= workers->woken > 0;
  }
  return true;
}

static struct op *worker__take(struct worker *worker, struct queue *queue) {
  struct node *node = queue_pop(queue);
  if (!node)
    return NULL;
  atomic_fetch_add(&worker->workers->taken, 1);
  worker->op = CONTAINER_OF(node, struct op, link);
  os_waiter_reset(&worker->waiter);
  return worker->op;
}

static void worker__do_job(struct worker *worker) {
  struct workers *workers = worker->workers;
  struct op *op = worker__take(worker, &workers->jobs);
  workers->queued--;
  os_lock_release(&workers->lock);
  bool waits = op__waits(op);
  op_execute(op, &worker->waiter);
  /* Counted before the loop hears of it, which may have the next job. */
  atomic_fetch_add(&workers->returning, 1);
  op_from_worker(op, true);
  os_lock_acquire(&workers->lock);
  atomic_fetch_sub(&workers->returning, 1);
  workers->waiting -= waits;
}

/* Nobody is called to what is not there. */
static void workers__after_brief(struct workers *workers) {
  if (!workers->brief.head) {
    workers->assigned = 0;
    workers->mixed = false;
  }
}

/* true: it was slow, and the loop, which is to be woken, will call another
 * thread. Not for writes: to one file they go one after the other anyway. */
static bool worker__execute(struct worker *worker, struct op *op) {
  if (op->code == OP_TRANSFER) {
    op_execute(op, &worker->waiter);
    return false;
  }
  int64_t begun_ns = os_clock_ns();
  op_execute(op, &worker->waiter);
  bool slow = os_clock_ns() - begun_ns > SLOW_NS;
  if (slow)
    atomic_store(&worker->workers->slow, true);
  return slow;
}

static void worker__do_brief(struct worker *worker) {
  struct workers *workers = worker->workers;
  unsigned jobs = 0;
  int64_t bytes = 0;
  struct op *op;
  workers->briefers++;
  workers->assigned -= workers->assigned > 0;
  while ((op = worker__take(worker, &workers->brief))) {
    workers__after_brief(workers);
    bool last = !workers->brief.head;
    os_lock_release(&workers->lock);
    bool slow = worker__execute(worker, op);
    bytes += op__bytes(op);
    bool none_left = atomic_fetch_sub(&workers->brief_out, 1) == 1;
    bool wakes = none_left || last || slow || ++jobs == CHUNK_JOBS ||
                 bytes >= CHUNK_BYTES;
    if (wakes)
      bytes = jobs = 0;
    op_from_worker(op, wakes);
    os_lock_acquire(&workers->lock);
  }
  workers->briefers--;
}

static void worker__main(void *argument) {
  struct worker *worker = argument;
  struct workers *workers = worker->workers;
  os_lock_acquire(&workers->lock); /* workers__grow() is through */
  atomic_fetch_sub(&workers->returning, 1);
  while (worker__await(workers)) {
    if (workers__want_briefer(workers))
      worker__do_brief(worker);
    else
      worker__do_job(worker);
  }
  os_lock_release(&workers->lock);
}

/* ---- handing over, under the lock ---- */

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

static int workers__grow(struct workers *workers) {
  if (workers->count >= workers->max)
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
  atomic_fetch_add(&workers->returning, 1);
  return 0;
}

/* Hands that are free, or will be in a moment. */
static unsigned workers__coming(struct workers *workers) {
  return workers->idle + atomic_load(&workers->returning);
}

/* For one more than now. */
static int workers__provide(struct workers *workers) {
  if (workers->queued + workers->assigned < workers__coming(workers))
    return 0;
  return workers__grow(workers);
}

/* For brief jobs. */
static int workers__assign(struct workers *workers) {
  int error = workers__provide(workers);
  workers->assigned += !error;
  return error;
}

/* `error` is why there is no new thread: OVIO_EBUSY, as many as are allowed. */
static bool workers__will_be_free(const struct workers *workers,
                                  const struct op *op, int error) {
  if (op_is_stubborn(op))
    return false;
  return workers->count > (error == OVIO_EBUSY ? 0 : workers->waiting);
}

static int workers__queue_brief(struct workers *workers, struct op *op) {
  bool other = op->code != OP_TRANSFER || workers->last != op->file;
  bool mixed = workers->mixed || (workers->brief.head && other);
  unsigned there = workers->briefers + workers->assigned;
  int error = there < 1u + mixed ? workers__assign(workers) : 0;
  if (error && there == 0 && !workers__will_be_free(workers, op, error))
    return error;
  workers->mixed = mixed;
  workers->last = op->file;
  atomic_fetch_add(&workers->brief_out, 1);
  queue_push(&workers->brief, &op->link);
  return 0;
}

static int workers__queue(struct workers *workers, struct op *op) {
  if (op__is_brief(op) && workers->queued <= workers__coming(workers))
    return workers__queue_brief(workers, op);
  int error = workers__provide(workers);
  if (error && !workers__will_be_free(workers, op, error))
    return error;
  queue_push(&workers->jobs, &op->link);
  workers->queued++;
  workers->waiting += op__waits(op);
  return 0;
}

/* How many of the idle are to be woken: who returns comes by himself. */
static unsigned workers__call(struct workers *workers) {
  unsigned wanted = workers->queued + workers->assigned;
  unsigned coming = workers->woken + atomic_load(&workers->returning);
  unsigned asleep = workers->idle - workers->woken;
  unsigned calls = wanted > coming ? wanted - coming : 0;
  if (calls > asleep)
    calls = asleep;
  workers->woken += calls;
  return calls;
}

/* ---- the loop's side ---- */

/* Who is woken finds the lock free. */
static void workers__release(struct workers *workers) {
  unsigned calls = workers__call(workers);
  os_lock_release(&workers->lock);
  for (; calls > 0; calls--)
    os_cond_signal(&workers->work);
}

static void workers__take_over(struct workers *workers, struct queue *refused) {
  struct node *node;
  if (atomic_load(&workers->brief_out) == 0)
    workers->seen_ns = os_clock_ns();
  os_lock_acquire(&workers->lock);
  while ((node = queue_pop(&workers->fresh))) {
    struct op *op = CONTAINER_OF(node, struct op, link);
    op->io.result.value = workers__queue(workers, op);
    if (op->io.result.value)
      queue_push(refused, node);
  }
  workers__release(workers);
}

/* Those that must not wait for others; under the lock. */
static void workers__give_closes_back(struct workers *workers,
                                      struct queue *refused) {
  struct queue brief = workers->brief;
  struct node *node;
  workers->brief = (struct queue){NULL, NULL};
  while ((node = queue_pop(&brief))) {
    bool close = op_is_stubborn(CONTAINER_OF(node, struct op, link));
    atomic_fetch_sub(&workers->brief_out, close);
    queue_push(close ? refused : &workers->brief, node);
  }
  workers__after_brief(workers);
}

/* The brief jobs are none: they are slow, or have been stuck for a while, and
 * may stay so, if there is a `refused`. false: that cannot be helped. */
static bool workers__hurry(struct workers *workers, struct queue *refused) {
  os_lock_acquire(&workers->lock);
  bool helped = workers->brief.head && workers__assign(workers) == 0;
  if (!helped && refused)
    workers__give_closes_back(workers, refused);
  workers__release(workers);
  return helped;
}

bool workers_hand_over(struct workers *workers, struct queue *refused) {
  if (workers->fresh.head)
    workers__take_over(workers, refused);
  if (atomic_load(&workers->brief_out) == 0)
    return false;
  if (atomic_exchange(&workers->slow, false))
    return workers__hurry(workers, NULL);
  unsigned taken = atomic_load(&workers->taken);
  int64_t now_ns = os_clock_ns();
  if (taken == workers->seen && now_ns - workers->seen_ns < BRIEF_NS)
    return true;
  bool lasts = taken == workers->seen;
  workers->seen = taken;
  workers->seen_ns = now_ns;
  return !lasts || workers__hurry(workers, refused);
}

void workers_submit(struct workers *workers, struct op *op) {
  queue_push(&workers->fresh, &op->link);
}

/* Under the lock. */
static bool workers__take_out(struct workers *workers, struct op *op) {
  if (queue_remove(&workers->jobs, &op->link)) {
    workers->queued--;
    workers->waiting -= op__waits(op);
    return true;
  }
  if (!queue_remove(&workers->brief, &op->link))
    return false;
  workers__after_brief(workers);
  atomic_fetch_sub(&workers->brief_out, 1);
  return true;
}

bool workers_cancel(struct workers *workers, struct op *op) {
  if (queue_remove(&workers->fresh, &op->link))
    return true;
  os_lock_acquire(&workers->lock);
  bool queued = workers__take_out(workers, op);
  for (struct worker *at = workers->all; at && !queued; at = at->next) {
    if (at->op == op)
      os_waiter_interrupt(&at->waiter);
  }
  os_lock_release(&workers->lock);
  return queued;
}
