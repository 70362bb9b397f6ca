/* SPDX-License-Identifier: MIT */
/* Somebody at the other end: a thread beside a plain one, a task beside a task.
 */
#ifndef OVIO_TESTS_COMPANION_H
#define OVIO_TESTS_COMPANION_H

#include "scene.h"

struct companion {
  struct os_thread thread;
  struct ovio_group group;
  bool is_task;
};

static inline bool companion_start(struct test *test, struct companion *self,
                                   void (*body)(void *argument),
                                   void *argument) {
  self->is_task = test->loop != NULL;
  if (!self->is_task)
    return os_thread_start(&self->thread, body, argument) == 0;
  ovio_group_init(&self->group);
  return ovio_group_spawn(&self->group, test->loop, body, argument) == 0;
}

static inline void companion_join(struct companion *self) {
  if (self->is_task)
    ovio_group_wait(&self->group);
  else
    os_thread_join(&self->thread);
}

#endif
