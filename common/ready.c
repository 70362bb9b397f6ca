/* SPDX-License-Identifier: MIT */
/* Readiness of handles that are not the library's. The op itself holds what
 * stands for the file; the port knows it only while it waits. */
#include "common/ready.h"

#include "common/loop.h"

static int ready__fill(struct op *op, intptr_t handle, bool write) {
  op->io.transfer.kind = OS_IO_READY;
  op->io.transfer.file = &op->u.ready.file;
  op->io.transfer.write = write;
  return os_ready_check(&op->u.ready.file, handle);
}

int64_t ready_perform(intptr_t handle, bool write) {
  struct op op;
  op_init(&op, OP_READY, NULL);
  int error = ready__fill(&op, handle, write);
  return error ? runner_answer(error, 0) : op_perform(&op);
}

int ovio_wait_readable(ovio_handle handle) {
  return (int)ready_perform((intptr_t)handle, false);
}

int ovio_wait_writable(ovio_handle handle) {
  return (int)ready_perform((intptr_t)handle, true);
}

static int ready__start(struct ovio_loop *loop, struct ovio_op *public_op,
                        intptr_t handle, bool write, ovio_done *done) {
  struct op *op;
  int error =
      op_claim(public_op, (struct loop *)loop, done, OP_READY, NULL, &op);
  if (error)
    return error;
  error = ready__fill(op, handle, write);
  return error ? op_unclaim(op, error) : op_start(op);
}

int ovio_start_wait_readable(struct ovio_loop *loop, struct ovio_op *op,
                             ovio_handle handle, ovio_done *done) {
  return ready__start(loop, op, (intptr_t)handle, false, done);
}

int ovio_start_wait_writable(struct ovio_loop *loop, struct ovio_op *op,
                             ovio_handle handle, ovio_done *done) {
  return ready__start(loop, op, (intptr_t)handle, true, done);
}
