/* SPDX-License-Identifier: MIT */
/* Groups: tasks that are waited for, and cancelled, together.
 *
 * Under the group's lock stand its members and those who wait. The last member
 * to leave takes the waiters out with it and wakes them after the lock is free,
 * since the group may be gone as soon as one of them runs. */
#include "common/check.h"
#include "common/task.h"

_Static_assert(sizeof(struct group) <= sizeof(struct ovio_group), "ovio_group");

static struct group *group__of(struct ovio_group *group) {
  return (struct group *)(void *)group;
}

void ovio_group_init(struct ovio_group *public_group) {
  if (!public_group)
    return;
  struct group *group = group__of(public_group);
  *group = (struct group){0};
  os_lock_init(&group->lock);
}

static void group__join(struct group *group, struct task *task) {
  os_lock_acquire(&group->lock);
  task->group = group;
  task->member_before = NULL;
  task->member_next = group->members;
  if (group->members)
    group->members->member_before = task;
  group->members = task;
  if (group->cancelled)
    atomic_fetch_or(&task->latch, TASK_CANCELLED);
  os_lock_release(&group->lock);
}

int ovio_group_spawn(struct ovio_group *group, struct ovio_loop *loop,
                     void (*body)(void *argument), void *argument) {
  if (!group || !loop || !body)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct task *task;
  int error = task_create(&task, (struct loop *)loop, NULL, 0, body, argument);
  if (error)
    return (int)runner_answer(error, 0);
  group__join(group__of(group), task);
  task_launch(task);
  return 0;
}

void group_leave(struct task *task) {
  struct group *group = task->group;
  struct queue waiters = {0};
  os_lock_acquire(&group->lock);
  if (task->member_before)
    task->member_before->member_next = task->member_next;
  else
    group->members = task->member_next;
  if (task->member_next)
    task->member_next->member_before = task->member_before;
  if (!group->members) {
    group->cancelled = false;
    queue_append(&waiters, &group->waiters);
  }
  os_lock_release(&group->lock);
  struct node *node;
  while ((node = queue_pop(&waiters)))
    loop_push(CONTAINER_OF(node, struct task, link)->loop, node);
}

int ovio_group_wait(struct ovio_group *public_group) {
  struct runner *runner = runner_current();
  struct group *group = group__of(public_group);
  if (!group || !runner)
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (!runner->task)
    return (int)runner_answer(OVIO_EDEADLK, 0);
  if (runner->task->group == group)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct task *task = runner->task;
  loop_enter(task->loop); /* nobody resumes it before it has gone to sleep */
  os_lock_acquire(&group->lock);
  bool wait = group->members != NULL;
  if (wait)
    queue_push(&group->waiters, &task->link);
  os_lock_release(&group->lock);
  if (wait)
    task_suspend(task);
  loop_leave(task->loop);
  return 0;
}

void ovio_group_cancel(struct ovio_group *public_group) {
  struct group *group = group__of(public_group);
  if (!group)
    return;
  os_lock_acquire(&group->lock);
  group->cancelled = group->members != NULL;
  for (struct task *task = group->members; task; task = task->member_next)
    task_cancel(task);
  os_lock_release(&group->lock);
}
