/* SPDX-License-Identifier: MIT */
/* The loop: its threads run what is ready, and wait at the port.
 *
 * A turn: take what came in from other threads; run everything that was ready
 * when the turn began; fire the timers that are due; ask the port, waiting only
 * if nothing is ready. What becomes ready meanwhile is for the next turn, so
 * that no task and no chain of callbacks keeps the port from being asked.
 *
 * BATON. With several threads, all that belongs to the loop, its ops and its
 * tasks' switches is done by the one who has the baton. He gives it away while
 * he runs the user's code (a task between two of its calls, a callback), and
 * while he waits. So the rest of common/ need not know how many there are, a
 * task is on one thread at a time, and no system call that may block is made
 * under it. A task may go on with another thread after each of its calls.
 *
 * One of those who have nothing to do waits at the port (`led`), the others are
 * idle. Whoever gives the baton away and leaves work behind, or nobody at the
 * port, wakes one of them; who, woken, does the same.
 *
 * SLEEP. A thread that pushes wakes the port only if the loop sleeps, and only
 * the first of a burst does: it sets `sleep` back to LOOP_AWAKE. The loop sets
 * it before it looks at the inbox for the last time; whoever pushes, pushes
 * first and looks at `sleep` then. One of the two sees the other. A loop that
 * dozes wakes by itself after BRIEF_NS: see worker.c.
 *
 * BURSTS. Who is woken may run at once, in the middle of a burst, and would
 * find one message, sleep, and be woken for the next. So who was woken gives
 * the processor away and looks again before he sleeps, as long as there is
 * more. Where that is in vain at once, it is left out the next times, twice as
 * often each time.
 *
 * END. `pending` counts tasks and ops with a callback, from before the push
 * that tells the loop of them until they are delivered. The run ends when it,
 * the callbacks under way and the holds are 0. */
#include "common/loop.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/guard.h"
#include "common/memory.h"
#include "common/task.h"

enum { PORT_BATCH = 64 };

#define STACK_DEFAULT   ((size_t)256 * 1024)
#define STACK_MIN       ((size_t)64 * 1024)
#define WORKERS_DEFAULT 64u
#define BUDGET_DEFAULT  64u
#define THREADS_MAX     1024u
#define BUFFERS_MAX     16384u

/* Longer than that, others had the processor, and a wake-up is quicker. */
#define LINGER_MAX_NS   500000
#define SKIPS_MAX       255u

/* ---- the loops that are alive ---- */

/* Held for moments only: when a loop is made or ended, a bound file closed. */
static atomic_flag alive__lock = ATOMIC_FLAG_INIT;
static struct loop *alive__loops;
static uint64_t alive__last_number;

static void alive__acquire(void) {
  while (atomic_flag_test_and_set(&alive__lock))
    os_thread_yield();
}

/* The child of a fork(2) has a copy, and shares the port with its parent. */
static bool loop__is_ours(const struct loop *loop) {
  return loop->process == os_process_number();
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
    if (loop->number == number && loop__is_ours(loop))
      return loop;
  }
  atomic_flag_clear(&alive__lock);
  return NULL;
}

void loop_unpin(void) {
  atomic_flag_clear(&alive__lock);
}

/* ---- who is calling ---- */

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
  if (options.threads > THREADS_MAX)
    return OVIO_EINVAL;
  if (options.stack_length && options.stack_length < STACK_MIN)
    return OVIO_EINVAL;
  if (options.max_transfer > OS_TRANSFER_MAX)
    options.max_transfer = OS_TRANSFER_MAX;
  os_stacks_init(&loop->stacks,
                 options.stack_length ? options.stack_length : STACK_DEFAULT);
  loop->max_transfer = options.max_transfer;
  loop->threads = options.threads ? options.threads : 1;
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
  error = lanes_init(&loop->lanes);
  if (error)
    goto err2;
  error = os_port_create(&loop->port, engine, loop->threads);
  if (error)
    goto err3;
  loop->process = os_process_number();
  workers_init(&loop->workers, loop->workers.max);
  os_lock_init(&loop->lock);
  baton_init(&loop->baton);
  alive__add(loop);
  *out = (struct ovio_loop *)loop;
  return 0;

err3:
  lanes_destroy(&loop->lanes);
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
  baton_destroy(&loop->baton);
  os_port_destroy(loop->port);
  lanes_destroy(&loop->lanes);
  memory_free(loop);
}

/* Another thread than the loop's may read the two counts at different moments:
 * only while nobody runs the loop is what it gets exact. */
static bool loop__is_pending(struct loop *loop) {
  long pending = atomic_load(&loop->pending);
  return pending + atomic_load(&loop->counted) != 0;
}

static bool loop__has_work(struct loop *loop) {
  return loop__is_pending(loop) || atomic_load(&loop->holds) > 0;
}

int ovio_loop_destroy(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop || !loop__is_ours(loop))
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

static bool loop__can_register(const struct ovio_iovec *buffers, size_t count) {
  bool fine = count <= BUFFERS_MAX && (buffers || count == 0);
  for (size_t at = 0; fine && at < count; at++)
    fine = buffers[at].iov_base && buffers[at].iov_len > 0 &&
           buffers[at].iov_len <= OS_TRANSFER_MAX;
  return fine;
}

int ovio_loop_register_buffers(struct ovio_loop *public_loop,
                               const struct ovio_iovec *buffers, size_t count) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop || !loop__is_ours(loop) || !loop__can_register(buffers, count))
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (atomic_exchange(&loop->running, true))
    return (int)runner_answer(OVIO_EBUSY, 0);
  int error = OVIO_EBUSY;
  if (loop->in_port == 0)
    error = os_port_register_buffers(loop->port, buffers, count);
  atomic_store(&loop->running, false);
  return (int)runner_answer(error, 0);
}

const char *ovio_loop_engine(const struct ovio_loop *loop) {
  return loop ? os_port_name(((const struct loop *)loop)->port) : "none";
}

/* ---- messages from anywhere ---- */

static void loop__wake(struct loop *loop) {
  if (atomic_exchange(&loop->sleep, LOOP_AWAKE) != LOOP_AWAKE)
    os_port_wake(loop->port);
}

void loop_push(struct loop *loop, struct node *node) {
  struct runner *runner = runner_current();
  if (runner && runner->loop == loop && runner->has_baton) {
    queue_push(&loop->ready, node);
    return;
  }
  atomic_fetch_add(&loop->pushers, 1);
  inbox_push(&loop->inbox, node);
  loop__wake(loop);
  atomic_fetch_sub(&loop->pushers, 1);
}

void loop_push_from_worker(struct loop *loop, struct node *node, bool wakes) {
  atomic_fetch_add(&loop->pushers, 1);
  inbox_push(&loop->inbox, node);
  if (wakes || atomic_load(&loop->sleep) == LOOP_ASLEEP)
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

static bool loop__has_ready(const struct loop *loop) {
  return loop->ready.head || loop->turn.head;
}

static bool loop__is_drained(struct loop *loop) {
  return !loop__is_pending(loop) && loop->callbacks == 0 &&
         !loop__has_ready(loop) && inbox_is_empty(&loop->inbox);
}

/* ---- the baton ---- */

void loop_take_baton(struct loop *loop) {
  struct runner *runner = runner_current();
  baton_take(&loop->baton);
  runner->has_baton = true;
  loop->runner = runner;
}

/* Is there something that the one at the port does not know of? */
static bool loop__has_news(const struct loop *loop) {
  return loop__has_ready(loop) ||
         (loop->dozes && atomic_load(&loop->sleep) == LOOP_ASLEEP) ||
         (loop->timers.first && loop->timers.first->due_ns < loop->due_ns);
}

static inline void loop__hand_over(struct loop *loop) {
  loop->dozes = workers_are_watched(&loop->workers) && op_hand_over(loop);
}

void loop_give_baton(struct loop *loop) {
  loop__hand_over(loop);
  if (loop->baton.idle > 0 && (loop__has_ready(loop) || !loop->led))
    baton_call_idle(&loop->baton);
  else if (loop->led && loop__has_news(loop))
    loop__wake(loop);
  loop->runner->has_baton = false;
  baton_give(&loop->baton);
}

static void loop__on_pause(void *argument) {
  loop_give_baton(argument);
}

static void loop__on_end_of_pause(void *argument) {
  loop_take_baton(argument);
}

/* Until somebody has work to give. */
static void loop__await_work(struct loop *loop) {
  struct runner *runner = loop->runner;
  if (loop__has_news(loop))
    loop__wake(loop);
  runner->has_baton = false;
  baton_await_work(&loop->baton);
  runner->has_baton = true;
  loop->runner = runner;
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

/* What is left when the loop is stopped keeps its place. */
static void loop__run_turn(struct loop *loop) {
  inbox_take(&loop->inbox, &loop->ready);
  if (!loop->turn.head) {
    loop->turn = loop->ready;
    loop->ready.head = NULL;
  }
  loop->runner->budget_left = loop->budget;
  while (loop->turn.head &&
         !atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
    struct node *node = queue_pop(&loop->turn);
    guard_check_node(node);
    node->run(node);
  }
}

/* Until when the port may wait; negative: for ever. */
static int64_t loop__timeout(struct loop *loop) {
  if (loop__has_ready(loop) || atomic_load(&loop->stopping))
    return 0;
  if (tasks_trim_idle(loop))
    return 0;
  if (!loop->timers.first)
    return -1;
  int64_t left = loop->timers.first->due_ns - os_clock_ns();
  return left > 0 ? left : 0;
}

/* While there are brief jobs. */
static int64_t loop__doze(int64_t timeout_ns) {
  return timeout_ns < 0 || timeout_ns > BRIEF_NS ? BRIEF_NS : timeout_ns;
}

/* A push has ended the sleep: then more may be on their way. */
static void loop__wake_up(struct loop *loop, bool slept) {
  /* Who pushes in between wakes once more than he need. */
  bool pushed = atomic_load(&loop->sleep) == LOOP_AWAKE;
  if (!pushed)
    atomic_store_explicit(&loop->sleep, LOOP_AWAKE, memory_order_relaxed);
  if (!slept || !pushed)
    return;
  loop->lingers = loop->skips_left == 0;
  loop->skips_left -= !loop->lingers;
  loop->has_paid = false;
}

/* It has looked in vain; or has found something, and not soon. */
static void loop__linger_less(struct loop *loop, bool late) {
  loop->lingers = false;
  if ((late || !loop->has_paid) && loop->skips < SKIPS_MAX)
    loop->skips = 2 * loop->skips + 1;
  loop->skips_left = loop->skips;
}

/* Before it sleeps. true: it is to look at everything again. */
static bool loop__linger(struct loop *loop) {
  if (!loop->lingers)
    return false;
  int64_t begun_ns = os_clock_ns();
  loop_leave(loop);
  os_thread_yield();
  loop_enter(loop);
  bool late = os_clock_ns() - begun_ns > LINGER_MAX_NS;
  if (late || inbox_is_empty(&loop->inbox)) {
    loop__linger_less(loop, late);
  } else {
    loop->has_paid = true;
    loop->skips = 0;
  }
  return true;
}

/* Asks the port. With a timeout: as the one who waits for all. */
static int loop__ask_port(struct loop *loop, int64_t timeout_ns) {
  struct os_io *done[PORT_BATCH];
  size_t count = 0;
  const struct os_pause pause = {loop__on_pause, loop__on_end_of_pause, loop};
  bool leads = loop->threads > 1 && timeout_ns != 0;
  loop->led = leads;
  loop->due_ns = loop->timers.first ? loop->timers.first->due_ns : INT64_MAX;
  int error = os_port_wait(loop->port, timeout_ns, done, PORT_BATCH, &count,
                           leads ? &pause : NULL);
  loop->led = false;
  loop__wake_up(loop, timeout_ns != 0);
  for (size_t at = 0; at < count; at++)
    op_on_port(done[at]);
  return error;
}

static int loop__wait(struct loop *loop) {
  int64_t timeout_ns = loop__timeout(loop);
  if (loop->led) {
    if (timeout_ns != 0)
      loop__await_work(loop);
    return 0;
  }
  if (timeout_ns != 0) {
    if (loop__linger(loop))
      return 0;
    atomic_store(&loop->sleep, loop->dozes ? LOOP_DOZING : LOOP_ASLEEP);
    bool idle = !loop__has_work(loop);
    if ((idle && loop->callbacks == 0) || !inbox_is_empty(&loop->inbox) ||
        atomic_load(&loop->stopping))
      timeout_ns = 0;
  } else if (loop->in_port == 0) {
    return 0;
  }
  return loop__ask_port(loop,
                        loop->dozes ? loop__doze(timeout_ns) : timeout_ns);
}

/* All threads of the run are to return. */
static void loop__end(struct loop *loop, int error) {
  atomic_store(&loop->stopping, true);
  if (error)
    loop->error = error;
  for (unsigned at = 0; at < loop->baton.idle; at++)
    baton_call_idle(&loop->baton);
  loop__wake(loop);
}

/* true: the run is over. */
static bool loop__is_over(struct loop *loop) {
  if (atomic_load(&loop->stopping))
    return true;
  if (!loop__is_drained(loop))
    return false;
  atomic_store(&loop->cancelling, false);
  return atomic_load(&loop->holds) == 0;
}

/* Something is ready, and the port has nothing to tell. */
static inline bool loop__goes_on(const struct loop *loop) {
  return loop__has_ready(loop) && loop->in_port == 0 &&
         !atomic_load(&loop->stopping);
}

/* With the baton. */
static void loop__turns(struct loop *loop) {
  int error = 0;
  while (!error) {
    guard_check_loop(loop);
    loop__run_turn(loop);
    guard_check_loop(loop);
    if (loop->timers.first)
      timers_fire(&loop->timers, os_clock_ns());
    loop__hand_over(loop);
    if (loop__goes_on(loop))
      continue;
    if (loop__is_over(loop))
      break;
    error = loop__wait(loop);
  }
  loop__end(loop, error);
}

/* One thread's part of a run. */
static int loop__run(struct loop *loop) {
  struct runner runner = {.loop = loop, .has_baton = true};
  int error = os_context_enter(&runner.context);
  if (error)
    return error;
  os_local_set(OS_LOCAL_RUNNER, &runner);
  if (loop->threads > 1)
    loop_take_baton(loop);
  else
    loop->runner = &runner;
  loop__turns(loop);
  while (tasks_trim_idle(loop))
    ;
  if (loop->threads > 1)
    baton_give(&loop->baton);
  os_local_set(OS_LOCAL_RUNNER, NULL);
  os_context_leave(&runner.context);
  return 0;
}

/* ---- the other threads ---- */

/* One that cannot take part leaves it to the others. */
static void loop__take_part(void *loop) {
  (void)loop__run(loop);
}

/* As many as the system gives us. */
static int loop__run_all(struct loop *loop) {
  const unsigned wanted = loop->threads - 1;
  struct os_thread *others = memory_allocate(wanted * sizeof *others);
  if (!others)
    return OVIO_ENOMEM;
  unsigned started = 0;
  while (started < wanted &&
         os_thread_start(&others[started], loop__take_part, loop) == 0)
    started++;
  int error = loop__run(loop);
  if (error) {
    baton_take(&loop->baton);
    loop__end(loop, error);
    baton_give(&loop->baton);
  }
  while (started > 0)
    os_thread_join(&others[--started]);
  memory_free(others);
  return error;
}

int ovio_loop_run(struct ovio_loop *public_loop) {
  struct loop *loop = (struct loop *)public_loop;
  if (!loop || !loop__is_ours(loop))
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (runner_current())
    return (int)runner_answer(OVIO_EDEADLK, 0);
  if (atomic_exchange(&loop->running, true))
    return (int)runner_answer(OVIO_EBUSY, 0);
  loop->error = 0;
  int error = loop->threads > 1 ? loop__run_all(loop) : loop__run(loop);
  if (!error)
    error = loop->error;
  atomic_store(&loop->stopping, false);
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
