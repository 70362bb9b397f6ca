/* SPDX-License-Identifier: MIT */
/* What things take in memory. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

/* A crowd of tasks, all of which wait, and what the process has then. */
struct crowd {
  struct ovio_loop *loop;
  size_t count;
  size_t waiting;
  struct sys_memory memory;
};

static void sleeper(void *argument) {
  struct crowd *crowd = argument;
  if (++crowd->waiting == crowd->count) {
    sys_memory(&crowd->memory);
    ovio_loop_cancel(crowd->loop);
  }
  ovio_sleep(UINT64_C(3600000000000));
}

/* What `count` tasks take, their stacks included. */
static int crowd_measure(struct crowd *crowd, size_t count) {
  *crowd = (struct crowd){.count = count};
  int error = ovio_loop_create(&crowd->loop, NULL);
  if (error)
    return error;
  struct sys_memory before;
  sys_memory(&before);
  for (size_t at = 0; at < count && !error; at++)
    error = ovio_spawn(crowd->loop, sleeper, crowd);
  if (error)
    ovio_loop_cancel(crowd->loop);
  int run = ovio_loop_run(crowd->loop);
  ovio_loop_destroy(crowd->loop);
  crowd->memory.resident -= before.resident;
  crowd->memory.page_tables -= before.page_tables;
  return error ? error : run;
}

void memory_tell(void) {
  struct crowd crowd;
  int error = crowd_measure(&crowd, 1000);
  int64_t each = error ? error : (int64_t)(crowd.memory.resident / 1000);
  printf("ovio_op %zu\novio_file %zu\novio_group %zu\nwaiting_task %" PRId64
         "\n",
         sizeof(struct ovio_op), sizeof(struct ovio_file),
         sizeof(struct ovio_group), each);
}

int memory_tell_waiting(const uint64_t *counts, size_t length) {
  printf("tasks,bytes_each,page_table_bytes_each,areas_of_the_process\n");
  for (size_t at = 0; at < length; at++) {
    struct crowd crowd;
    int error = crowd_measure(&crowd, (size_t)counts[at]);
    if (error) {
      fprintf(stderr, "ovbench: %" PRIu64 " tasks: %s\n", counts[at],
              ovio_error_text(error));
      return error;
    }
    printf("%" PRIu64 ",%.0f,%.0f,%" PRIu64 "\n", counts[at],
           (double)crowd.memory.resident / (double)counts[at],
           (double)crowd.memory.page_tables / (double)counts[at],
           crowd.memory.areas);
  }
  return 0;
}
