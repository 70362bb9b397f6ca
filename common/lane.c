/* SPDX-License-Identifier: MIT */
/* Lanes: parts of a vector at the port side by side.
 *
 * A system without vectored calls would read a vector part by part, and wait
 * for the device as often. So a loop has some lanes, each an io of the port
 * with room for a part that was cut: an operation takes up to LANES_EACH of
 * them, starts as many chunks at once, and goes on when all have come back.
 * With less than two lanes to be had it goes chunk by chunk, as everywhere.
 *
 * PREFIX. What came back is taken in the vector's order, as if the chunks had
 * gone one after another: the first one that is short or has failed ends that,
 * and what lies behind it counts for nothing. It may have been moved all the
 * same. So for writes the user must say that order does not matter
 * (OVIO_UNORDERED). After that the op goes on with one chunk alone, until one
 * is whole: at the end of a file the others would find nothing, and where
 * memory is short there may be enough for one.
 *
 * ONCE. The op is at the port from the first lane's start until the last one is
 * back; what ends it, a cancel or a close, waits for them all. */
#include "common/lane.h"

#include "common/file.h"
#include "common/loop.h"
#include "common/memory.h"

enum { LANES_EACH = 16 };

struct lane {
  struct os_io io;
  struct ovio_iovec piece; /* of a part that is cut */
  struct op *op;
  struct lane *next; /* the op's next chunk; of the idle ones */
  size_t asked;      /* bytes */
  bool pending;
};

int lanes_init(struct lanes *lanes) {
  size_t count = os_port_lanes();
  if (count == 0)
    return 0;
  lanes->all = memory_allocate(count * sizeof *lanes->all);
  if (!lanes->all)
    return OVIO_ENOMEM;
  for (size_t at = count; at-- > 0;) {
    lanes->all[at].io.transfer.lane = true;
    lanes->all[at].next = lanes->idle;
    lanes->idle = &lanes->all[at];
  }
  return 0;
}

void lanes_destroy(struct lanes *lanes) {
  memory_free(lanes->all);
}

static bool lanes__suit(const struct op *op) {
  const struct transfer *transfer = &op->u.transfer;
  if (op->alone || transfer->single || transfer->count - transfer->index < 2 ||
      transfer->offset < 0)
    return false;
  return !transfer->write || (op->file->flags & OVIO_UNORDERED);
}

/* The next chunk of `ahead`. */
static void lane__fill(struct lane *lane, struct op *op,
                       struct transfer *ahead) {
  struct os_transfer *chunk = &lane->io.transfer;
  lane->op = op;
  lane->next = NULL;
  chunk->file = op->io.transfer.file;
  transfer_next(ahead, chunk);
  lane->asked = ahead->asked;
  if (chunk->iov != &ahead->piece)
    return;
  lane->piece = ahead->piece;
  chunk->iov = &lane->piece;
}

/* Takes lanes for what lies ahead; how many. */
static unsigned lanes__take(struct lanes *lanes, struct op *op) {
  struct transfer ahead = op->u.transfer;
  struct lane **end = &op->lanes;
  unsigned taken = 0;
  bool more = true;
  while (more && taken < LANES_EACH && lanes->idle) {
    struct lane *lane = lanes->idle;
    lanes->idle = lane->next;
    lane__fill(lane, op, &ahead);
    *end = lane;
    end = &lane->next;
    taken++;
    more = transfer_step(&ahead);
  }
  return taken;
}

static void lanes__give(struct lanes *lanes, struct lane **list) {
  while (*list) {
    struct lane *lane = *list;
    *list = lane->next;
    lane->next = lanes->idle;
    lanes->idle = lane;
  }
}

static void lane__back(struct lane *lane) {
  lane->pending = false;
  lane->op->loop->in_port--;
}

/* Ended inside the call. Whether the next one is worth a call, and does not
 * keep other ops waiting. */
static bool lane__goes_on(const struct lane *lane) {
  struct runner *runner = lane->op->loop->runner;
  if (runner->budget_left == 0)
    return false;
  runner->budget_left--;
  return lane->io.result.value == (int64_t)lane->asked;
}

/* true: the next one may start. */
static bool lane__start(struct lane *lane) {
  struct loop *loop = lane->op->loop;
  lane->pending = true;
  loop->in_port++;
  if (os_port_start(loop->port, &lane->io))
    return true;
  lane__back(lane);
  return lane__goes_on(lane);
}

bool lanes_start(struct op *op) {
  struct loop *loop = op->loop;
  if (!loop->lanes.idle || !lanes__suit(op))
    return false;
  if (lanes__take(&loop->lanes, op) < 2) {
    lanes__give(&loop->lanes, &op->lanes);
    return false;
  }
  op->laned = true;
  struct lane *lane = op->lanes;
  while (lane__start(lane) && lane->next)
    lane = lane->next;
  lanes__give(&loop->lanes, &lane->next);
  return true;
}

bool lanes_are_back(const struct op *op) {
  const struct lane *lane = op->laned ? op->lanes : NULL;
  while (lane && !lane->pending)
    lane = lane->next;
  return op->laned && !lane;
}

bool lanes_collect(struct op *op) {
  struct transfer *transfer = &op->u.transfer;
  bool more = true;
  bool whole = true;
  for (struct lane *lane = op->lanes; lane && whole; lane = lane->next) {
    int64_t value = lane->io.result.value;
    whole = value == (int64_t)lane->asked;
    if (value == OVIO_ENOBUFS)
      break; /* and is tried again, alone */
    transfer_next(transfer, &op->io.transfer);
    op->io.result.native = lane->io.result.native;
    more = transfer_advance(transfer, value);
  }
  op->alone = !whole;
  op->laned = false;
  lanes__give(&op->loop->lanes, &op->lanes);
  return more;
}

void lanes_cancel(struct op *op) {
  for (struct lane *lane = op->lanes; lane; lane = lane->next) {
    if (lane->pending && os_port_cancel(op->loop->port, &lane->io))
      lane__back(lane);
  }
}

struct op *lane_on_port(struct os_io *io) {
  struct lane *lane = CONTAINER_OF(io, struct lane, io);
  lane__back(lane);
  return lane->op;
}
