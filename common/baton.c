/* SPDX-License-Identifier: MIT */
#include "common/baton.h"

void baton_init(struct baton *baton) {
  os_lock_init(&baton->lock);
  os_cond_init(&baton->free);
  os_cond_init(&baton->work);
}

void baton_destroy(struct baton *baton) {
  os_cond_destroy(&baton->work);
  os_cond_destroy(&baton->free);
  os_lock_destroy(&baton->lock);
}

/* Both under the lock. */

static void baton__acquire(struct baton *baton) {
  while (baton->taken) {
    baton->wanted++;
    os_cond_wait(&baton->free, &baton->lock);
    baton->wanted--;
  }
  baton->taken = true;
}

static void baton__release(struct baton *baton) {
  baton->taken = false;
  if (baton->wanted > 0)
    os_cond_signal(&baton->free);
}

void baton_take(struct baton *baton) {
  os_lock_acquire(&baton->lock);
  baton__acquire(baton);
  os_lock_release(&baton->lock);
}

void baton_give(struct baton *baton) {
  os_lock_acquire(&baton->lock);
  baton__release(baton);
  os_lock_release(&baton->lock);
}

/* Who calls has taken the baton since: so no call is missed. */
void baton_await_work(struct baton *baton) {
  baton->idle++;
  os_lock_acquire(&baton->lock);
  baton__release(baton);
  os_cond_wait(&baton->work, &baton->lock);
  baton__acquire(baton);
  os_lock_release(&baton->lock);
  baton->idle--;
}

void baton_call_idle(struct baton *baton) {
  os_cond_signal(&baton->work);
}
