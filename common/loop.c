/* SPDX-License-Identifier: MIT */
/* The loop: one thread at a time runs what is ready, then waits at the port.
 *
 * A turn: take what came in from other threads; run everything that was ready
 * when the turn began; fire the timers that are due; ask the port, waiting only
 * if nothing is ready. What becomes ready meanwhile is for the next turn, so
 * that no task and no chain of callbacks keeps the port from being asked.
 *
 * SLEEP. A thread that pushes wakes the port only if the loop sleeps, and only
 * the first of a burst does: it takes `sleeping` from true to false. The loop
 * sets it before it looks at the inbox for the last time; whoever pushes,
 * pushes first and looks at `sleeping` then. One of the two sees the other.
 *
 * END. `pending` counts tasks and ops with a callback, from before the push
 * that tells the loop of them until they are delivered. The run ends when it
 * and the holds are 0.
 *
 * LATER, several threads on one loop: ready, timers, ops and the budget are
 * what a thread has for itself and would move into struct runner, one for each;
 * the inbox, the counts and the port are shared already. */
#include "common/loop.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/memory.h"
#include "common/task.h"

enum { PORT_BATCH = 64 };

#define STACK_DEFAULT   ((size_t)256 * 1024)
#define STACK_MIN       ((size_t)64 * 1024)
#define WORKERS_DEFAULT 64u
#define BUDGET_DEFAULT  64u

/* ---- the loops that are alive ---- */

/* Held for moments only: when a loop is made or ended, a bound file closed. */
static atomic_flag alive__lock = ATOMIC_FLAG_INIT;
static struct loop *alive__loops;
static uint64_t alive__last_number;

static void alive__acquire(void) {
  while (atomic_flag_test_and_set(&alive__lock))
    os_thread_yield();
}

static void alive__add(struct loop *loop) {
  alive__acquire();
  loop->number = ++alive__last_number;
  loop->next_alive = alive__loops;
  alive__loops = loop;
  atomic_flag_clear(&alive__lock);
}

static void alive__remove(struct loop *loop) {
  alive__acquire();
  struct loop **at = &alive__loops;
  while (*at != loop)
    at = &(*at)->next_alive;
  *at = loop->next_alive;
  atomic_flag_clear(&alive__lock);
}

struct loop *loop_pin(uint64_t number) {
  if (number == 0)
    return NULL;
  alive__acquire();
  for (struct loop *loop = alive__loops; loop; loop = loop->next_alive) {
    if (loop->number == number)
      return loop;
  }
  atomic_flag_clear(&alive__lock);
  return NULL;
}

void loop_unpin(void) {
  atomic_flag_clear(&alive__lock);
}

/* ---- who is calling ---- */

struct runner *runner_current(void) {
  return os_local_get(OS_LOCAL_RUNNER);
}

int64_t runner_answer(int64_t value, uint32_t native) {
  if (value >= 0)
    return value;
  struct runner *runner = runner_current();
  if (!runner)
    os_local_set(OS_LOCAL_NATIVE, (void *)(uintptr_t)native);
  else if (runner->task)
    runner->task->native = native;
  else
    runner->native = native;
  return value;
}

uint32_t ovio_native_error(void) {
  struct runner *runner = runner_current();
  if (!runner)
    return (uint32_t)(uintptr_t)os_local_get(OS_LOCAL_NATIVE);
  return runner->task ? runner->task->native : runner->native;
}

struct ovio_loop *ovio_loop_current(void) {
  struct runner *runner = runner_current();
  return runner ? (struct ovio_loop *)runner->loop : NULL;
}

bool loop_is_current(const struct loop *loop) {
  struct runner *runner = runner_current();
  return runner && runner->loop == loop;
}

/* ---- create and destroy ---- */

/* OVIO_ENGINE in the environment decides where the program leaves it open. */
static unsigned loop__engine(unsigned asked) {
  static const char *const names[] = {
      [OVIO_ENGINE_IOCP] = "iocp",     [OVIO_ENGINE_EPOLL] = "epoll",
      [OVIO_ENGINE_POLL] = "poll",     [OVIO_ENGINE_URING] = "io_uring",
      [OVIO_ENGINE_KQUEUE] = "kqueue",
  };
  const char *name = asked == OVIO_ENGINE_DEFAULT ? getenv("OVIO_ENGINE") : 0;
  for (unsigned at = 1; name && at < sizeof names / sizeof *names; at++) {
    if (strcmp(name, names[at]) == 0)
      return at;
  }
  return asked;
}

static int loop__configure(struct loop *loop, unsigned *engine,
                           const struct ovio_loop_options *given) {
  struct ovio_loop_options options = {0};
  if (given) {
    if (given->size < sizeof given->size)
      return OVIO_EINVAL;
    size_t known = given->size < sizeof options ? given->size : sizeof options;
    for (size_t at = 0; at < known; at++)
      ((char *)&options)[at] = ((const char *)given)[at];
  }
  if (options.threads > 1)
    return OVIO_ENOTSUP;
  if (options.stack_length && options.stack_length < STACK_MIN)
    return OVIO_EINVAL;
  if (options.max_transfer > OS_TRANSFER_MAX)
    options.max_transfer = OS_TRANSFER_MAX;
  os_stacks_init(&loop->stacks,
                 options.stack_length ? options.stack_length : STACK_DEFAULT);
  loop->max_transfer = options.max_transfer;
  loop->budget = options.budget ? options.budget : BUDGET_DEFAULT;
  loop->workers.max =
      options.max_workers ? options.max_workers : WORKERS_DEFAULT;
  *engine = loop__engine(options.engine);
  return 0;
}

int ovio_loop_create(struct ovio_loop **out,
                     const struct ovio_loop_options *options) {
  if (!out)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *out = NULL;
  struct loop *loop = memory_allocate(sizeof *loop);
  if (!loop)
    return (int)runner_answer(OVIO_ENOMEM, 0);
  unsigned engine;
  int error = loop__configure(loop, &engine, options);
  if (error)
    goto err1;
  error = os_port_create(&loop->port, engine);
  if (error)
    goto err2;
  workers_init(&loop->workers, loop->workers.max);
  os_lock_init(&loop->lock);
  alive__add(loop);
  *out = (struct ovio_loop *)loop;
  return 0;

err2:
  os_stacks_destroy(&loop->stacks);
err1:
  memory_free(loop);
  return (int)runner_answer(error, 0);
}

static void loop__free(struct loop *loop) {
  alive__remove(loop);
  while (atomic_load(&loop->pushers) > 0)
    os_thread_yield(); /* the last push is on its way out */
  workers_destroy(&loop->workers);
  tasks_destroy_idle(loop);
  os_stacks_destroy(&loop->stacks);
  os_lock_destroy(&loop->lock);
  os_port_destroy(loop->port);
  memory_free(loop);
}

static bool loop__has_work(struct loop *loop) {
  return atomic_load(&loop->pending) > 0 || atomic_load(&loop->holds) > 0;
}

int ovio_loop_destroy(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop)
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (loop__has_work(loop) || atomic_exchange(&loop->running, true))
    return (int)runner_answer(OVIO_EBUSY, 0);
  if (loop__has_work(loop)) { /* since then */
    atomic_store(&loop->running, false);
    return (int)runner_answer(OVIO_EBUSY, 0);
  }
  loop__free(loop);
  return 0;
}

const char *ovio_loop_engine(const struct ovio_loop *loop) {
  return loop ? os_port_name(((const struct loop *)loop)->port) : "none";
}

/* ---- messages from anywhere ---- */

static void loop__wake(struct loop *loop) {
  if (atomic_exchange(&loop->sleeping, false))
    os_port_wake(loop->port);
}

void loop_push(struct loop *loop, struct node *node) {
  if (loop_is_current(loop)) {
    queue_push(&loop->ready, node);
    return;
  }
  atomic_fetch_add(&loop->pushers, 1);
  inbox_push(&loop->inbox, node);
  loop__wake(loop);
  atomic_fetch_sub(&loop->pushers, 1);
}

void ovio_loop_stop(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop)
    return;
  atomic_fetch_add(&loop->pushers, 1);
  atomic_store(&loop->stopping, true);
  loop__wake(loop);
  atomic_fetch_sub(&loop->pushers, 1);
}

void ovio_loop_hold(struct ovio_loop *loop) {
  if (loop)
    atomic_fetch_add(&((struct loop *)loop)->holds, 1);
}

void ovio_loop_unhold(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop)
    return;
  atomic_fetch_add(&loop->pushers, 1);
  long holds = atomic_load(&loop->holds);
  while (holds > 0 &&
         !atomic_compare_exchange_weak(&loop->holds, &holds, holds - 1))
    ;
  loop__wake(loop);
  atomic_fetch_sub(&loop->pushers, 1);
}

static bool loop__is_drained(struct loop *loop) {
  return atomic_load(&loop->pending) == 0 && !loop->ready.head &&
         inbox_is_empty(&loop->inbox);
}

/* What is asked to end may end at once, which changes the lists. */
static void loop__on_cancel(struct node *node) {
  struct loop *loop = CONTAINER_OF(node, struct loop, cancel_link);
  atomic_store(&loop->cancel_asked, false);
  if (loop__is_drained(loop))
    return;
  loop->cancelling = true;
  for (struct task *task = loop->tasks; task; task = task->next)
    task_cancel_now(task);
  struct op *op = loop->ops;
  while (op) {
    struct op *next = op->loop_next;
    op_cancel_now(op);
    op = next;
  }
}

void ovio_loop_cancel(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop || atomic_exchange(&loop->cancel_asked, true))
    return;
  loop->cancel_link.run = loop__on_cancel;
  loop_push(loop, &loop->cancel_link);
}

/* ---- running ---- */

static void loop__run_ready(struct loop *loop) {
  inbox_take(&loop->inbox, &loop->ready);
  struct queue turn = loop->ready;
  loop->ready.head = NULL;
  loop->budget_left = loop->budget;
  while (turn.head &&
         !atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
    struct node *node = queue_pop(&turn);
    node->run(node);
  }
  if (!turn.head)
    return;
  /* Stopped in mid-turn: the rest keeps its place, before what came later. */
  queue_append(&turn, &loop->ready);
  loop->ready = turn;
}

/* Until when the port may wait; negative: for ever. */
static int64_t loop__timeout(struct loop *loop) {
  if (loop->ready.head || atomic_load(&loop->stopping))
    return 0;
  if (tasks_trim_idle(loop))
    return 0;
  if (!loop->timers.first)
    return -1;
  int64_t left = loop->timers.first->due_ns - os_clock_ns();
  return left > 0 ? left : 0;
}

static int loop__wait(struct loop *loop) {
  struct os_io *done[PORT_BATCH];
  size_t count = 0;
  int64_t timeout_ns = loop__timeout(loop);
  if (timeout_ns != 0) {
    atomic_store(&loop->sleeping, true);
    bool idle = atomic_load(&loop->pending) == 0 && !atomic_load(&loop->holds);
    if (idle || !inbox_is_empty(&loop->inbox) || atomic_load(&loop->stopping))
      timeout_ns = 0;
  } else if (loop->in_port == 0) {
    return 0;
  }
  int error = os_port_wait(loop->port, timeout_ns, done, PORT_BATCH, &count);
  atomic_store(&loop->sleeping, false);
  for (size_t at = 0; at < count; at++)
    op_on_port(CONTAINER_OF(done[at], struct op, io));
  return error;
}

static int loop__turns(struct loop *loop) {
  for (;;) {
    loop__run_ready(loop);
    if (loop->timers.first)
      timers_fire(&loop->timers, os_clock_ns());
    if (atomic_load(&loop->stopping)) {
      atomic_store(&loop->stopping, false);
      return 0;
    }
    if (loop__is_drained(loop)) {
      loop->cancelling = false;
      if (atomic_load(&loop->holds) == 0)
        return 0;
    }
    if (loop->ready.head && loop->in_port == 0)
      continue; /* the port has nothing to tell, and is not waited for */
    int error = loop__wait(loop);
    if (error)
      return error;
  }
}

int ovio_loop_run(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop)
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (runner_current())
    return (int)runner_answer(OVIO_EDEADLK, 0);
  if (atomic_exchange(&loop->running, true))
    return (int)runner_answer(OVIO_EBUSY, 0);
  struct runner runner = {.loop = loop};
  loop->runner = &runner;
  int error = os_context_enter(&loop->context);
  if (!error) {
    os_local_set(OS_LOCAL_RUNNER, &runner);
    error = loop__turns(loop);
    while (tasks_trim_idle(loop))
      ;
    os_local_set(OS_LOCAL_RUNNER, NULL);
    os_context_leave(&loop->context);
  }
  atomic_store(&loop->running, false);
  return (int)runner_answer(error, 0);
}

/* ---- small operations of a loop ---- */

int ovio_post(struct ovio_loop *loop, struct ovio_op *public_op,
              ovio_done *done) {
  struct op *op;
  int error =
      op_claim(public_op, (struct loop *)loop, done, OP_POST, NULL, &op);
  return error ? error : op_start(op);
}

static int64_t loop__due(uint64_t duration_ns) {
  int64_t now = os_clock_ns();
  bool fits = duration_ns <= (uint64_t)(INT64_MAX - now);
  return fits ? now + (int64_t)duration_ns : INT64_MAX;
}

int ovio_start_sleep(struct ovio_loop *loop, struct ovio_op *public_op,
                     uint64_t duration_ns, ovio_done *done) {
  struct op *op;
  int error =
      op_claim(public_op, (struct loop *)loop, done, OP_SLEEP, NULL, &op);
  if (error)
    return error;
  op->u.due_ns = loop__due(duration_ns);
  return op_start(op);
}

int ovio_sleep(uint64_t duration_ns) {
  if (!runner_current()) {
    os_sleep_ns(duration_ns);
    return 0;
  }
  struct op op;
  op_init(&op, OP_SLEEP, NULL);
  op.u.due_ns = loop__due(duration_ns);
  return (int)op_perform(&op);
}
