/* SPDX-License-Identifier: MIT */
/* Tasks: a function on a stack of its own, which waits without its thread.
 *
 * A task runs on the thread of its loop, from task_resume() until it waits
 * (task_suspend) or its body returns. Both switch back to the stack of
 * ovio_loop_run(). A stack whose body has returned goes to the loop's pool and
 * begins the next body where it stands, since making one is dear (17 us for a
 * fiber).
 *
 * LATCH. Why every further operation of the task fails: it was cancelled, or
 * its deadline has passed. Set from any thread; the operation under way, if
 * there is one, is told by a message to the loop. As with ops, a task does not
 * go away while that message is in the inbox. */
#include "common/task.h"

#include "common/check.h"
#include "common/memory.h"

enum { POOL_MAX = 256 };

#define STACK_MIN ((size_t)64 * 1024)

/* ---- making ---- */

static void task__main(void *argument) {
  struct task *task = argument;
  for (;;) {
    task->body(task->argument);
    task->ended = true;
    os_context_switch(&task->context, &task->loop->context);
  }
}

static struct task *task__from_pool(struct loop *loop) {
  os_lock_acquire(&loop->lock);
  struct node *node = queue_pop(&loop->idle_tasks);
  if (node)
    loop->idle_count--;
  os_lock_release(&loop->lock);
  return node ? CONTAINER_OF(node, struct task, link) : NULL;
}

static int task__make(struct task **out, struct loop *loop) {
  struct task *task = memory_allocate(sizeof *task);
  if (!task)
    return OVIO_ENOMEM;
  int error =
      os_context_create(&task->context, loop->stack_length, task__main, task);
  if (error) {
    memory_free(task);
    return error;
  }
  *out = task;
  return 0;
}

/* The task itself lies at the end of the caller's memory, the stack below. */
static int task__make_on(struct task **out, void *stack, size_t length) {
  uintptr_t end = (uintptr_t)stack + length - sizeof(struct task);
  end -= end % 64;
  struct task *task = (struct task *)end;
  *task = (struct task){.borrowed = true};
  *out = task;
  return os_context_create_on(&task->context, stack, end - (uintptr_t)stack,
                              task__main, task);
}

int task_create(struct task **out, struct loop *loop, void *stack,
                size_t length, void (*body)(void *), void *argument) {
  struct task *task = stack ? NULL : task__from_pool(loop);
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

void task_destroy(struct task *task) {
  os_context_destroy(&task->context);
  if (!task->borrowed)
    memory_free(task);
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
  os_lock_acquire(&loop->lock);
  bool keep = !borrowed && loop->idle_count < POOL_MAX;
  if (keep) {
    queue_push(&loop->idle_tasks, &task->link);
    loop->idle_count++;
  }
  os_lock_release(&loop->lock);
  if (!keep)
    task_destroy(task);
  atomic_fetch_sub(&loop->pending, 1);
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
  os_context_switch(&runner->loop->context, &task->context);
  runner->task = NULL;
  if (task->ended)
    task__end(task);
}

void task_suspend(struct task *task) {
  os_context_switch(&task->context, &task->loop->context);
}

static void task__yield(struct task *task) {
  queue_push(&task->loop->ready, &task->link);
  task_suspend(task);
}

void task_give_way(struct task *task) {
  if (task->loop->budget_left > 0)
    task->loop->budget_left--;
  else
    task__yield(task);
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

int task_check_latch(struct task *task) {
  if (task->timer.armed && os_clock_ns() >= task->timer.due_ns) {
    timer_stop(&task->loop->timers, &task->timer);
    atomic_fetch_or(&task->latch, TASK_EXPIRED);
  }
  unsigned latch = atomic_load(&task->latch);
  if (latch & TASK_CANCELLED)
    return OVIO_ECANCELED;
  return latch & TASK_EXPIRED ? OVIO_ETIMEDOUT : 0;
}

int ovio_deadline(uint64_t duration_ns) {
  struct runner *runner = runner_current();
  if (!runner || !runner->task)
    return (int)runner_answer(OVIO_ENOTSUP, 0);
  struct task *task = runner->task;
  struct timers *timers = &task->loop->timers;
  timer_stop(timers, &task->timer);
  atomic_fetch_and(&task->latch, ~TASK_EXPIRED);
  int64_t now = os_clock_ns();
  if (duration_ns > 0 && duration_ns <= (uint64_t)(INT64_MAX - now))
    timer_start(timers, &task->timer, now + (int64_t)duration_ns,
                task__on_deadline);
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
    task__yield(runner->task);
  }
}
