/* SPDX-License-Identifier: MIT */
/* What things take in memory. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

enum { TASKS = 1000 };

static struct ovio_loop *loop;
static uint64_t resident;

static void sleeper(void *argument) {
  (void)argument;
  ovio_sleep(UINT64_C(3600000000000));
}

/* All tasks wait by now: they were started before. */
static void look(struct ovio_op *op, int64_t result) {
  (void)op;
  (void)result;
  resident = sys_resident();
  ovio_loop_cancel(loop);
}

/* Bytes in memory for each of many waiting tasks, its stack included. */
static int64_t waiting_task(void) {
  static struct ovio_op op;
  int error = ovio_loop_create(&loop, NULL);
  if (error)
    return error;
  uint64_t before = sys_resident();
  for (int at = 0; at < TASKS && !error; at++)
    error = ovio_spawn(loop, sleeper, NULL);
  if (!error)
    error = ovio_start_sleep(loop, &op, 1000000, look);
  int run = ovio_loop_run(loop);
  ovio_loop_destroy(loop);
  if (error || run)
    return error ? error : run;
  return (int64_t)(resident - before) / TASKS;
}

void memory_tell(void) {
  printf("ovio_op %zu\novio_file %zu\novio_group %zu\nwaiting_task %" PRId64
         "\n",
         sizeof(struct ovio_op), sizeof(struct ovio_file),
         sizeof(struct ovio_group), waiting_task());
}
