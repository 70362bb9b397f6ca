/* SPDX-License-Identifier: MIT */
/* Lanes: parts of a vector at the port side by side, on a system that takes one
 * part a call. */
#ifndef OVIO_COMMON_LANE_H
#define OVIO_COMMON_LANE_H

#include "common/os.h"

struct op;
struct lane;

/* A loop's; the loop's thread alone uses them. */
struct lanes {
  struct lane *all; /* NULL: the system needs none */
  struct lane *idle;
};

/* OVIO_ENOMEM. */
int lanes_init(struct lanes *lanes);
void lanes_destroy(struct lanes *lanes);

/* Starts the next chunks of a transfer side by side: op->lanes. false: nothing
 * has been done, since there is but one, or no lane, or their order matters. */
bool lanes_start(struct op *op);
/* All of them are back, and nothing has been made of it yet. */
bool lanes_are_back(const struct op *op);
/* Takes what has come of them, and gives them back; true: go on. */
bool lanes_collect(struct op *op);
/* Asks all of them to end. */
void lanes_cancel(struct op *op);
/* The io of a lane has come out of the port. Whose it is. */
struct op *lane_on_port(struct os_io *io);

#endif
