/* SPDX-License-Identifier: MIT */
/* Child processes: what ovio_run() needs beyond the public calls. */
#ifndef OVIO_COMMON_PROCESS_H
#define OVIO_COMMON_PROCESS_H

#include "ovio.h"

/* Copies as much of the caller's options as he knows of. */
int process_take_options(struct ovio_process_options *out,
                         const struct ovio_process_options *given);
/* Kills it if it still runs, collects it and lets go of it, also in a task that
 * was cancelled. */
void process_end(struct ovio_process *process);

#endif
