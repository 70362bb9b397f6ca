/* SPDX-License-Identifier: MIT */
/* Tasks: a function on a stack of its own, which waits without its thread.
 *
 * A task runs on the thread of its loop, from task_resume() until it waits
 * (task_suspend) or its body returns. Both switch back to the stack of
 * ovio_loop_run(). A stack whose body has returned goes to the loop's pool and
 * begins the next body where it stands, since making one is dear (17 us for a
 * fiber).
 *
 * POOL. As long as there is work the pool takes everything: burst may follow
 * burst. A loop that would wait, or that ends, first gives back some at a time
 * what is beyond WARM_MAX stacks: of TRIMMED_MAX more it keeps the shallow part
 * alone, where that can be done, and the rest goes.
 *
 * LATCH. Why every further operation of the task fails: it was cancelled, or
 * its deadline has passed. Set from any thread; the operation under way, if
 * there is one, is told by a message to the loop. As with ops, a task does not
 * go away while that message is in the inbox. */
#include "common/task.h"

#include "common/check.h"
#include "common/memory.h"

enum { WARM_MAX = 128, TRIMMED_MAX = 896, TRIM_BATCH = 64 };

#define STACK_MIN ((size_t)64 * 1024)

/* ---- the pool ---- */

static unsigned pool__count(struct task_pool *pool) {
  return atomic_load_explicit(&pool->count, memory_order_relaxed);
}

static void pool__set_count(struct task_pool *pool, unsigned count) {
  atomic_store_explicit(&pool->count, count, memory_order_relaxed);
}

static void pool__push(struct loop *loop, struct task_pool *pool,
                       struct task *task) {
  os_lock_acquire(&loop->lock);
  task->link.next = pool->head;
  pool->head = &task->link;
  pool__set_count(pool, pool__count(pool) + 1);
  os_lock_release(&loop->lock);
}

/* Under the lock. */
static struct task *pool__pop(struct task_pool *pool) {
  struct node *node = pool->head;
  if (!node)
    return NULL;
  pool->head = node->next;
  pool__set_count(pool, pool__count(pool) - 1);
  return CONTAINER_OF(node, struct task, link);
}

static struct task *pool__take(struct loop *loop) {
  os_lock_acquire(&loop->lock);
  struct task *task = pool__pop(&loop->warm);
  if (!task)
    task = pool__pop(&loop->trimmed);
  os_lock_release(&loop->lock);
  return task;
}

static struct task *pool__take_surplus(struct loop *loop) {
  os_lock_acquire(&loop->lock);
  bool any = pool__count(&loop->warm) > WARM_MAX;
  struct task *task = any ? pool__pop(&loop->warm) : NULL;
  os_lock_release(&loop->lock);
  return task;
}

bool tasks_trim_idle(struct loop *loop) {
  if (pool__count(&loop->warm) <= WARM_MAX)
    return false;
  for (int left = TRIM_BATCH; left > 0; left--) {
    struct task *task = pool__take_surplus(loop);
    if (!task)
      break;
    if (pool__count(&loop->trimmed) < TRIMMED_MAX &&
        os_context_trim(&task->context))
      pool__push(loop, &loop->trimmed, task);
    else
      os_context_destroy(&task->context);
  }
  os_stacks_trim(&loop->stacks);
  return true;
}

void tasks_destroy_idle(struct loop *loop) {
  struct task *task;
  while ((task = pool__take(loop)))
    os_context_destroy(&task->context);
}

/* ---- making ---- */

static void task__main(struct os_context *context) {
  struct task *task = CONTAINER_OF(context, struct task, context);
  for (;;) {
    loop_leave(task->loop);
    task->body(task->argument);
    loop_enter(task->loop);
    task->ended = true;
    task_suspend(task);
  }
}

static int task__make(struct task **out, struct loop *loop) {
  struct os_context *context;
  int error = os_context_create(&context, &loop->stacks, sizeof(struct task),
                                task__main);
  if (!error)
    *out = CONTAINER_OF(context, struct task, context);
  return error;
}

/* The task itself lies at the end of the caller's memory, the stack below. */
static int task__make_on(struct task **out, void *stack, size_t length) {
  uintptr_t end = (uintptr_t)stack + length - sizeof(struct task);
  end -= end % 64;
  struct task *task = (struct task *)end;
  *task = (struct task){.borrowed = true};
  *out = task;
  return os_context_create_on(&task->context, stack, end - (uintptr_t)stack,
                              task__main);
}

int task_create(struct task **out, struct loop *loop, void *stack,
                size_t length, void (*body)(void *), void *argument) {
  struct task *task = stack ? NULL : pool__take(loop);
  int error = 0;
  if (stack)
    error = task__make_on(&task, stack, length);
  else if (!task)
    error = task__make(&task, loop);
  if (error)
    return error;
  task->loop = loop;
  task->body = body;
  task->argument = argument;
  *out = task;
  return 0;
}

/* ---- beginning and ending, on the loop's thread ---- */

static void task__arrive(struct task *task) {
  struct loop *loop = task->loop;
  if (loop->cancelling)
    atomic_fetch_or(&task->latch, TASK_CANCELLED);
  task->arrived = true;
  task->before = NULL;
  task->next = loop->tasks;
  if (loop->tasks)
    loop->tasks->before = task;
  loop->tasks = task;
}

static void task__depart(struct task *task) {
  if (task->before)
    task->before->next = task->next;
  else
    task->loop->tasks = task->next;
  if (task->next)
    task->next->before = task->before;
}

/* Blank but for its stack. */
static void task__recycle(struct task *task) {
  struct loop *loop = task->loop;
  struct os_context context = task->context;
  bool borrowed = task->borrowed;
  *task = (struct task){.context = context, .borrowed = borrowed};
  if (borrowed)
    os_context_destroy(&task->context);
  else
    pool__push(loop, &loop->warm, task);
  loop_count(loop, -1);
}

void tasks_discard(struct loop *loop) {
  struct node *node;
  inbox_take(&loop->inbox, &loop->ready);
  while ((node = queue_pop(&loop->ready)))
    task__recycle(CONTAINER_OF(node, struct task, link));
}

static void task__end(struct task *task) {
  timer_stop(&task->loop->timers, &task->timer);
  task__depart(task);
  if (task->group)
    group_leave(task);
  if (!atomic_load(&task->cancel_asked))
    task__recycle(task); /* else: task__on_cancel() */
}

void task_resume(struct task *task) {
  struct runner *runner = task->loop->runner;
  runner->task = task;
  os_context_switch(&runner->context, &task->context);
  runner->task = NULL;
  if (task->ended)
    task__end(task);
}

void task_suspend(struct task *task) {
  os_context_switch(&task->context, &task->loop->runner->context);
}

void task_yield(struct task *task) {
  loop_enter(task->loop);
  queue_push(&task->loop->ready, &task->link);
  task_suspend(task);
  loop_leave(task->loop);
}

static void task__on_ready(struct node *node) {
  struct task *task = CONTAINER_OF(node, struct task, link);
  if (!task->arrived)
    task__arrive(task);
  task_resume(task);
}

void task_launch(struct task *task) {
  atomic_fetch_add(&task->loop->pending, 1);
  task->link.run = task__on_ready;
  loop_push(task->loop, &task->link);
}

/* ---- cancel and deadline ---- */

static void task__latch(struct task *task, unsigned reason) {
  atomic_fetch_or(&task->latch, reason);
  if (!task->op)
    return;
  if (reason == TASK_EXPIRED && !task->op->cancelled)
    task->op->expired = true;
  op_cancel_now(task->op);
}

void task_cancel_now(struct task *task) {
  task__latch(task, TASK_CANCELLED);
}

static void task__on_cancel(struct node *node) {
  struct task *task = CONTAINER_OF(node, struct task, cancel_link);
  atomic_store(&task->cancel_asked, false);
  if (task->ended)
    task__recycle(task);
  else
    task_cancel_now(task);
}

void task_cancel(struct task *task) {
  atomic_fetch_or(&task->latch, TASK_CANCELLED);
  if (atomic_exchange(&task->cancel_asked, true))
    return;
  task->cancel_link.run = task__on_cancel;
  loop_push(task->loop, &task->cancel_link);
}

static void task__on_deadline(struct timer *timer) {
  task__latch(CONTAINER_OF(timer, struct task, timer), TASK_EXPIRED);
}

static void task__check_deadline(struct task *task) {
  if (timer_is_armed(&task->timer) && os_clock_ns() >= task->timer.due_ns) {
    timer_stop(&task->loop->timers, &task->timer);
    atomic_fetch_or(&task->latch, TASK_EXPIRED);
  }
}

static int task__latched(struct task *task) {
  unsigned latch = atomic_load(&task->latch);
  if (latch & TASK_CANCELLED)
    return OVIO_ECANCELED;
  return latch & TASK_EXPIRED ? OVIO_ETIMEDOUT : 0;
}

int task_check_latch(struct task *task) {
  if (task->has_deadline)
    task__check_deadline(task);
  return task__latched(task);
}

int task_peek_latch(struct task *task) {
  if (task->has_deadline) {
    loop_enter(task->loop);
    task__check_deadline(task);
    loop_leave(task->loop);
  }
  return task__latched(task);
}

int ovio_deadline(uint64_t duration_ns) {
  struct runner *runner = runner_current();
  if (!runner || !runner->task)
    return (int)runner_answer(OVIO_ENOTSUP, 0);
  struct task *task = runner->task;
  struct timers *timers = &task->loop->timers;
  int64_t now = os_clock_ns();
  task->has_deadline =
      duration_ns > 0 && duration_ns <= (uint64_t)(INT64_MAX - now);
  loop_enter(task->loop);
  timer_stop(timers, &task->timer);
  atomic_fetch_and(&task->latch, ~TASK_EXPIRED);
  if (task->has_deadline)
    timer_start(timers, &task->timer, now + (int64_t)duration_ns,
                task__on_deadline);
  loop_leave(task->loop);
  return 0;
}

/* ---- the public rest ---- */

int ovio_spawn_on(struct ovio_loop *loop, void *stack, size_t stack_length,
                  void (*body)(void *argument), void *argument) {
  if (!loop || !body || !stack || stack_length < STACK_MIN)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct task *task;
  int error = task_create(&task, (struct loop *)loop, stack, stack_length, body,
                          argument);
  if (error)
    return (int)runner_answer(error, 0);
  task_launch(task);
  return 0;
}

int ovio_spawn(struct ovio_loop *loop, void (*body)(void *argument),
               void *argument) {
  if (!loop || !body)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct task *task;
  int error = task_create(&task, (struct loop *)loop, NULL, 0, body, argument);
  if (error)
    return (int)runner_answer(error, 0);
  task_launch(task);
  return 0;
}

void ovio_yield(void) {
  struct runner *runner = runner_current();
  if (!runner) {
    os_thread_yield();
  } else if (runner->task) {
    task_yield(runner->task);
  }
}
