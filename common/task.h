/* SPDX-License-Identifier: MIT */
/* Tasks: a function on a stack of its own, which waits without its thread. */
#ifndef OVIO_COMMON_TASK_H
#define OVIO_COMMON_TASK_H

#include "common/loop.h"

/* task->latch: why every further operation fails. */
#define TASK_CANCELLED 1u
#define TASK_EXPIRED   2u

struct group;

struct task {
  struct os_context context; /* first */
  struct node link;          /* ready list, inbox, pool, group's waiters */
  struct node cancel_link;   /* inbox */
  struct loop *loop;
  void (*body)(void *argument);
  void *argument;
  struct op *op;      /* what it waits in */
  struct timer timer; /* its deadline */
  atomic_uint latch;
  atomic_bool cancel_asked; /* cancel_link is in the inbox */
  bool has_deadline;        /* by its own will; it may have passed */
  bool arrived;             /* in loop->tasks */
  bool ended;
  bool borrowed; /* on the caller's memory */
  uint32_t native;
  struct task *before, *next; /* loop->tasks */
  struct group *group;        /* NULL: none; members under the group's lock */
  struct task *member_before, *member_next;
};

struct group {
  struct os_lock lock;
  struct task *members;
  struct queue waiters; /* tasks, by their link */
  bool cancelled;       /* until empty */
};

/* Makes a task; a stack from the pool, or `stack`. */
int task_create(struct task **task, struct loop *loop, void *stack,
                size_t length, void (*body)(void *), void *argument);
/* Has the loop begin it. */
void task_launch(struct task *task);
/* Goes back to the loop until somebody resumes. In the task. */
void task_suspend(struct task *task);
/* Lets the others go first. In the task. */
void task_yield(struct task *task);
/* Has done something without waiting: the others have their turn after a while.
 * In the task, with the thread's runner. */
static inline void task_give_way(struct task *task, struct runner *runner) {
  if (runner->budget_left > 0)
    runner->budget_left--;
  else
    task_yield(task);
}
/* Goes on with the task until it waits or ends. On the loop's stack. */
void task_resume(struct task *task);
/* 0, or why the next operation of the task fails. Looks at the clock. With the
 * baton, and kept until the op can be found: who latches the task in between
 * would find no op to cancel. */
int task_check_latch(struct task *task);
static inline bool task_may_begin(struct task *task) {
  return (!task->has_deadline && !atomic_load(&task->latch)) ||
         task_check_latch(task) == 0;
}
/* Likewise, without the baton: it may be so a moment later. */
int task_peek_latch(struct task *task);
static inline bool task_is_latched(struct task *task) {
  return (task->has_deadline || atomic_load(&task->latch)) &&
         task_peek_latch(task) != 0;
}
/* Any thread that knows the task to be there. */
void task_cancel(struct task *task);
/* The loop's thread. */
void task_cancel_now(struct task *task);

/* Gives back some of the stacks that the loop's pool has beyond what it keeps
 * while there is nothing to do; false: there are none. The loop's thread. */
bool tasks_trim_idle(struct loop *loop);
/* The loop is about to go. */
void tasks_destroy_idle(struct loop *loop);
/* What was spawned: nobody runs the loop, or ever has, and nothing else was
 * pushed to it. */
void tasks_discard(struct loop *loop);

/* The member has ended. */
void group_leave(struct task *task);

#endif
