/* SPDX-License-Identifier: MIT */
/* Operations: their life, from the call to the resumption.
 *
 *   ARRIVING --> QUEUED --> PORT, WORKER, TIMER --> FINISHED --> delivered
 *      |           |               |                  |   ^
 *      +-----------+---------------+------------------+   +--> HELD --^
 *
 * WHO. An op belongs to one loop. Only the thread that runs this loop moves it
 * from phase to phase, save for its beginning (the caller, before the loop
 * knows of it) and for its turn at a file, which the one who passes the turn on
 * grants under the file's lock. Workers and other threads send the loop a
 * message: the op's own node.
 *
 * ONCE. An op is delivered by op__deliver() alone: the state goes from ACTIVE
 * to 0 there by compare-and-swap, and then the callback is called or the task
 * resumed. There is one way around it, a shortcut with the same swap: a task's
 * op that has finished before the task went to sleep.
 *
 * CANCEL. Asking is a message too, with a node of its own, since the first one
 * may be on its way. While it travels, the bit CANCEL_ASKED is set, the swap
 * above fails, and the op is HELD until the message has come by: so nobody
 * frees an op that is still in the inbox. An op which the kernel or a worker
 * has stays theirs until they give it back.
 *
 * PLAIN THREADS use the same op without a loop: it stands in the queue for its
 * turn like any other, and its thread sleeps in a parker. */
#include "common/op.h"

#include <string.h>

#include "common/check.h"
#include "common/file.h"
#include "common/guard.h"
#include "common/inject.h"
#include "common/lane.h"
#include "common/loop.h"
#include "common/poison.h"
#include "common/task.h"

_Static_assert(sizeof(struct op) <= sizeof(struct ovio_op), "ovio_op");
_Static_assert(_Alignof(struct op) <= _Alignof(struct ovio_op), "alignment");

#define RETRY_MIN_NS 1000000
#define RETRIES_MAX  4 /* that grow: up to 16 ms */
#define PAUSE_MIN_NS 1000000
#define PAUSE_MAX_NS 64000000

/* ---- making ---- */

void op_init(struct op *op, enum op_code code, struct file *file) {
  op->io.transfer = (struct os_transfer){.kind = OS_IO_TRANSFER};
  op->io.result.native = 0;
  op_init_around_io(op, code, file);
}

void op_init_around_io(struct op *op, enum op_code code, struct file *file) {
  memset(&op->loop, 0, offsetof(struct op, state) - offsetof(struct op, loop));
  op->code = (unsigned char)code;
  op->phase = OP_ARRIVING;
  op->turn = TURN_NONE;
  op->file = file;
}

/* An op that was overwritten in flight looks idle: before it is lost. */
static void op__look_around(void) {
  struct runner *runner = OP_GUARDED ? runner_current() : NULL;
  if (runner && runner->has_baton)
    guard_check_loop(runner->loop);
}

int op_claim(struct ovio_op *public_op, struct loop *loop, ovio_done *done,
             enum op_code code, struct file *file, struct op **op) {
  if (!public_op || !loop || !done)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct op *mine = (struct op *)(void *)public_op;
  op__look_around();
  if (!op_take(mine)) {
    (void)guard_is_strange(mine);
    return (int)runner_answer(OVIO_EBUSY, 0);
  }
  op_init(mine, code, file);
  mine->loop = loop;
  mine->done = done;
  *op = mine;
  return 0;
}

int op_unclaim(struct op *op, int error) {
  op_give_back(op);
  return (int)runner_answer(error, 0);
}

bool op_is_stubborn(const struct op *op) {
  return op->code == OP_CLOSE || op->code == OP_CLEANUP;
}

void op_activate(struct op *op) {
  guard_mark(op);
  atomic_store_explicit(
      &op->state, op_is_stubborn(op) ? OP_ACTIVE | OP_STUBBORN : OP_ACTIVE,
      memory_order_release);
}

/* ---- parking ---- */

static void parker__init(struct parker *parker) {
  os_lock_init(&parker->lock);
  os_cond_init(&parker->cond);
  parker->woken = false;
}

static void parker__destroy(struct parker *parker) {
  os_cond_destroy(&parker->cond);
  os_lock_destroy(&parker->lock);
}

static void parker__wait(struct parker *parker) {
  os_lock_acquire(&parker->lock);
  while (!parker->woken)
    os_cond_wait(&parker->cond, &parker->lock);
  os_lock_release(&parker->lock);
}

static void parker__wake(struct parker *parker) {
  os_lock_acquire(&parker->lock);
  parker->woken = true;
  os_cond_signal(&parker->cond);
  os_lock_release(&parker->lock);
}

/* ---- doing ---- */

void op_execute(struct op *op, struct os_waiter *waiter) {
  struct file *file = op->file;
  struct os_result result = {OVIO_EINVAL, 0};
  switch (op->code) {
  case OP_TRANSFER:
    result =
        transfer_run(&op->u.transfer, &op->io.transfer, waiter, &op->cancelled);
    break;
  case OP_SEEK:
    result = file_seek_now(file, op->u.seek.offset, op->u.seek.whence);
    break;
  case OP_SYNC:
    result = os_file_sync(&file->os, (op->u.sync_flags & OVIO_DATA_ONLY) != 0);
    break;
  case OP_TRUNCATE:
    result = os_file_truncate(&file->os, op->u.size);
    break;
  case OP_SIZE:
    result = os_file_size(&file->os);
    break;
  case OP_STAT:
    result = os_file_stat(&file->os, op->u.stat.out);
    break;
  case OP_SET_TIMES:
    result = os_file_set_times(&file->os, op->u.times.access_ns,
                               op->u.times.modify_ns);
    break;
  case OP_OPEN:
    result = file_open_now(file, op);
    break;
  case OP_CLOSE:
    result = inject_into(op, file_close_now(file));
    break;
  case OP_CALL:
  case OP_WAIT:
  case OP_CLEANUP:
    result = op->u.call.run(op->u.call.argument, waiter);
    break;
  case OP_READY:
    result = os_ready_now(&op->u.ready.file, op->io.transfer.write, waiter);
    break;
  case OP_ACCEPT:
    result = os_pipe_accept_now(&file->os, waiter);
    if (result.value >= 0)
      result = file_accept_now(file, op->u.accept.out, result.value);
    break;
  default:
    break;
  }
  op->io.result = result;
}

/* Has its turn: a transfer learns where it begins. false: it is over. */
static bool op__place(struct op *op) {
  if (op->code != OP_TRANSFER)
    return true;
  op->io.transfer.file = &op->file->os;
  int placed = file_place_transfer(op->file, &op->u.transfer);
  op->io.result.value = placed < 0 ? placed : 0;
  return placed == 0;
}

/* Leaves its files. A close leaves nothing behind to leave. */
static void op__leave(struct op *op) {
  if (op->code == OP_TRANSFER)
    file_move_position(op->file, &op->u.transfer);
  if (op->linked)
    file_unregister(op->code == OP_OPEN ? op->u.open.dir : op->file, op);
}

/* The counterpart: an error, and nothing has happened; nobody has been able to
 * ask the op to end. */
static int op__enter(struct op *op) {
  struct file *file = op->code == OP_OPEN ? op->u.open.dir : op->file;
  int error = 0;
  if (op->code == OP_CLOSE)
    error = file_begin_close(file, op);
  else if (file)
    return file_register(file, op);
  else
    op->granted = true;
  if (!error)
    op_activate(op);
  return error;
}

/* ---- the timer of an op that no port has ---- */

static void op__set_timer(struct op *op, int64_t due_ns,
                          void (*fire)(struct timer *timer)) {
  CHECK(!op->timed);
  op->timed = true;
  op->timer.fire = NULL;
  timer_start(&op->loop->timers, &op->timer, due_ns, fire);
}

static void op__stop_timer(struct op *op) {
  if (op->timed)
    timer_stop(&op->loop->timers, &op->timer);
  op->timed = false;
}

/* It has fired. */
static struct op *op__of_timer(struct timer *timer) {
  struct op *op = CONTAINER_OF(timer, struct op, timer);
  op->timed = false;
  return op;
}

/* ---- who owns the buffers ---- */

static void op__tell_of_buffers(const struct op *op,
                                void (*tell)(const struct ovio_iovec *parts,
                                             size_t count)) {
  struct ovio_iovec whole;
  size_t count = 1;
  const struct ovio_iovec *iov = NULL;
  if (op->code == OP_RECEIVE)
    iov = op->io.transfer.iov;
  else if (op->code == OP_TRANSFER && !op->u.transfer.write)
    iov = transfer_parts(&op->u.transfer, &whole, &count);
  if (iov)
    tell(iov, count);
}

/* Before anybody else knows of it. */
static void op__seal(const struct op *op) {
  if (POISON_IS_ON)
    op__tell_of_buffers(op, poison_parts);
}

/* While it is still ours. */
static void op__unseal(const struct op *op) {
  if (POISON_IS_ON)
    op__tell_of_buffers(op, poison_lift_parts);
}

/* ---- delivering, on the loop's thread ---- */

/* Makes it idle; false: a cancel message is under way. A task's own op cannot
 * be found any more since it has left its file; one without a file may be known
 * to others (run__wake()). */
static bool op__settle(struct op *op) {
  unsigned state = atomic_load(&op->state);
  if (op->by_task && op->file)
    return !(state & OP_CANCEL_ASKED);
  do {
    if (state & OP_CANCEL_ASKED)
      return false;
  } while (!atomic_compare_exchange_weak(&op->state, &state, 0));
  return true;
}

static void op__deliver(struct node *node) {
  struct op *op = CONTAINER_OF(node, struct op, link);
  guard_check(op);
  /* Once it is idle, any thread may start it anew. */
  const bool by_task = op->by_task;
  struct task *task = op->task;
  ovio_done *done = op->done;
  struct loop *loop = op->loop;
  int64_t result = op->io.result.value;
  uint32_t native = op->io.result.native;
  op__unseal(op);
  if (!op__settle(op)) {
    op->phase = OP_HELD;
    return;
  }
  if (by_task) {
    task->op = NULL;
    task_resume(task);
    return;
  }
  loop_count(loop, -1);
  loop->runner->native = native;
  loop->callbacks++;
  loop_leave(loop);
  done((struct ovio_op *)(void *)op, result);
  loop_enter(loop);
  loop->callbacks--;
}

static void op__deliver_later(struct op *op) {
  op->link.run = op__deliver;
  queue_push(&op->loop->ready, &op->link);
}

/* A task finds its own. */
static void op__link(struct op *op) {
  struct loop *loop = op->loop;
  if (op->by_task)
    return;
  op->loop_before = NULL;
  op->loop_next = loop->ops;
  if (loop->ops)
    loop->ops->loop_before = op;
  loop->ops = op;
}

static void op__unlink(struct op *op) {
  if (op->by_task)
    return;
  if (op->loop_before)
    op->loop_before->loop_next = op->loop_next;
  else
    op->loop->ops = op->loop_next;
  if (op->loop_next)
    op->loop_next->loop_before = op->loop_before;
}

void op_finish(struct op *op, int64_t result) {
  op__stop_timer(op);
  if (result == OVIO_ECANCELED && op->expired)
    result = OVIO_ETIMEDOUT;
  op->io.result.value = result;
  op->phase = OP_FINISHED;
  if (op->code == OP_READY)
    os_port_forget(op->loop->port, &op->u.ready.file);
  op__leave(op);
  op__unlink(op);
  if (op->by_task && !op->suspended)
    return; /* op__perform_in_task() is still there, and looks */
  op__deliver_later(op);
}

/* ---- the port's way ---- */

static void op__on_more(struct node *node);

/* A chunk was finished inside the call. Others have their turn, too. */
static bool op__gives_way(struct op *op) {
  struct loop *loop = op->loop;
  if (op->u.transfer.moved == 0 || loop->runner->budget_left-- > 0)
    return false;
  loop->runner->budget_left = 0;
  op->phase = OP_ARRIVING;
  op->link.run = op__on_more;
  queue_push(&loop->ready, &op->link);
  return true;
}

/* The port is through with it: takes what has come of it; true: go on. */
static bool op__take_chunk(struct op *op) {
  int64_t value = op->io.result.value;
  op->alone = value != (int64_t)op->u.transfer.asked;
  return transfer_advance(&op->u.transfer, value);
}

static bool op__start_chunk(struct op *op) {
  transfer_next(&op->u.transfer, &op->io.transfer);
  op->loop->in_port++;
  bool pending = os_port_start(op->loop->port, &op->io);
  op->loop->in_port -= !pending;
  return pending;
}

/* Starts chunks until some are pending or all are through. */
static void op__pump(struct op *op) {
  bool more;
  do {
    if (op->cancelled && op->u.transfer.moved > 0)
      break;
    if (op__gives_way(op))
      return;
    op->phase = OP_PORT;
    if (lanes_start(op)) {
      if (!lanes_are_back(op))
        return;
      more = lanes_collect(op);
    } else {
      if (op__start_chunk(op))
        return;
      more = op__take_chunk(op);
    }
  } while (more);
  op_finish(op, transfer_result(&op->u.transfer));
}

static void op__on_more(struct node *node) {
  op__pump(CONTAINER_OF(node, struct op, link));
}

/* What is one system call: the handle is ready, a client has come, a file is on
 * its disk, a stream has had some bytes. */
static void op__end_io(struct op *op) {
  struct os_result result = op->io.result;
  if (op->code == OP_ACCEPT && result.value >= 0)
    result = file_accept_now(op->file, op->u.accept.out, result.value);
  op->io.result = result;
  op_finish(op, result.value);
}

/* false: it is not the port's. */
static bool op__give_to_port(struct op *op) {
  op->phase = OP_PORT;
  op->loop->in_port++;
  if (os_port_start(op->loop->port, &op->io))
    return true;
  op->loop->in_port--;
  return false;
}

static void op__start_io(struct op *op) {
  if (!op__give_to_port(op))
    op__end_io(op);
}

/* The port is through with what it had of a transfer. */
static void op__go_on(struct op *op, bool more) {
  if (more) {
    if (!op->cancelled) {
      op__pump(op);
      return;
    }
    if (op->u.transfer.moved == 0) /* a chunk that was to be halved */
      op->u.transfer.error = OVIO_ECANCELED;
  }
  op_finish(op, transfer_result(&op->u.transfer));
}

static void op__on_io(struct op *op) {
  guard_check(op);
  op->loop->in_port--;
  if (op->code == OP_TRANSFER)
    op__go_on(op, op__take_chunk(op));
  else
    op__end_io(op);
}

static void op__on_lane(struct op *op) {
  guard_check(op);
  if (lanes_are_back(op))
    op__go_on(op, lanes_collect(op));
}

void op_on_port(struct os_io *io) {
  if (io->transfer.lane)
    op__on_lane(lane_on_port(io));
  else
    op__on_io(CONTAINER_OF(io, struct op, io));
}

/* ---- a call and its repetition ---- */

static void op__on_pause_end(struct timer *timer);

static bool op__is_to_be_repeated(const struct op *op) {
  return op->code == OP_CALL && op->u.call.pause_ns > 0 &&
         op->io.result.value == OVIO_EWOULDBLOCK;
}

static int64_t op__next_pause(struct op *op) {
  int64_t pause_ns = op->u.call.pause_ns;
  if (pause_ns < PAUSE_MAX_NS)
    op->u.call.pause_ns *= 2;
  op->io.result.native = 0;
  return pause_ns;
}

/* Its system calls have been made. */
static void op__end_call(struct op *op) {
  if (!op__is_to_be_repeated(op)) {
    op_finish(op, op->io.result.value);
    return;
  }
  int64_t pause_ns = op__next_pause(op);
  if (op->cancelled) {
    op_finish(op, OVIO_ECANCELED);
    return;
  }
  op->phase = OP_TIMER;
  op__set_timer(op, os_clock_ns() + pause_ns, op__on_pause_end);
}

/* ---- the worker's way ---- */

static void op__on_worker(struct node *node) {
  struct op *op = CONTAINER_OF(node, struct op, link);
  guard_check(op);
  op__end_call(op);
}

void op_from_worker(struct op *op, bool wakes) {
  op->link.run = op__on_worker;
  loop_push_from_worker(op->loop, &op->link, wakes);
}

static void op__run_here(struct op *op) {
  op_execute(op, NULL);
  op__end_call(op);
}

static void op__submit(struct op *op) {
  op->phase = OP_WORKER;
  workers_submit(&op->loop->workers, op);
}

bool op_hand_over(struct loop *loop) {
  struct queue refused = {NULL, NULL};
  bool dozes = workers_hand_over(&loop->workers, &refused);
  struct node *node;
  while ((node = queue_pop(&refused))) {
    struct op *op = CONTAINER_OF(node, struct op, link);
    if (op_is_stubborn(op))
      op__run_here(op); /* rather block than lose the handle */
    else
      op_finish(op, op->io.result.value);
  }
  return dozes;
}

static void op__interrupt_again(struct timer *timer);

static void op__interrupt_later(struct op *op) {
  int64_t pause_ns = (int64_t)RETRY_MIN_NS << op->retries;
  if (op->retries < RETRIES_MAX)
    op->retries++;
  op__set_timer(op, os_clock_ns() + pause_ns, op__interrupt_again);
}

/* An interruption that came before the system call had begun did nothing. */
static void op__interrupt_again(struct timer *timer) {
  struct op *op = op__of_timer(timer);
  workers_cancel(&op->loop->workers, op);
  op__interrupt_later(op);
}

/* No worker had it yet; but op__try() may have moved something. */
static void op__take_back(struct op *op) {
  bool moved = op->code == OP_TRANSFER && op->u.transfer.moved > 0;
  op_finish(op, moved ? op->u.transfer.moved : OVIO_ECANCELED);
}

static void op__cancel_on_worker(struct op *op) {
  if (op->timed)
    return; /* asked before */
  if (workers_cancel(&op->loop->workers, op)) {
    op__take_back(op);
    return;
  }
  op->retries = 0;
  op__interrupt_later(op);
}

/* ---- beginning ---- */

static void op__on_timer(struct timer *timer) {
  op_finish(op__of_timer(timer), 0);
}

/* The user said that it may block the loop's thread; or it does not block. */
static bool op__is_inline(const struct op *op) {
  if (op->code == OP_OPEN)
    return (op->u.open.flags & OVIO_INLINE) != 0;
  if (op->code == OP_SEEK && op->u.seek.whence != SEEK_END)
    return true; /* lseek(2) asks no device then */
  return op->file && (op->file->flags & OVIO_INLINE);
}

/* What is in the page cache needs no worker. Not so much at once that the
 * others would notice. false: the rest is for a worker. */
static bool op__try(struct op *op) {
  struct transfer *transfer = &op->u.transfer;
  struct file *file = op->file;
  if (transfer->write || op->tried || !(atomic_load(&file->state) & FILE_TRY))
    return false;
  do {
    transfer_next(transfer, &op->io.transfer);
    if (transfer->moved + (int64_t)transfer->asked > TRY_MAX)
      return false;
    struct os_result result = os_file_transfer_try(&op->io.transfer);
    if (result.value == OVIO_ENOTSUP)
      file_forget_try(file);
    if (result.value == OVIO_ENOTSUP || result.value == OVIO_EWOULDBLOCK)
      return false;
    op->io.result = result;
  } while (transfer_advance(transfer, op->io.result.value));
  op_finish(op, transfer_result(transfer));
  return true;
}

/* A port's thread must not copy much, nor may a ring be given buffered writes,
 * for which the kernel wakes threads of its own. */
static bool op__suits_port(const struct op *op) {
  const struct transfer *transfer = &op->u.transfer;
  if (!(op->file->os.traits & OS_TRAIT_TRY))
    return true;
  return !transfer->write && transfer_total(transfer) <= TRY_MAX;
}

static void op__transfer(struct op *op) {
  if (op__try(op))
    return;
  if (op__suits_port(op) && file_uses_port(op->file, op->loop))
    op__pump(op);
  else
    op__submit(op);
}

/* A handle that is not ours is the port's while it is waited for, and no
 * longer. */
static bool op__uses_port(struct op *op) {
  if (op->code == OP_READY)
    return os_port_bind(op->loop->port, &op->u.ready.file) == 0;
  return op->code == OP_ACCEPT && file_uses_port(op->file, op->loop);
}

/* Nothing opens a descriptor between the call and the first look: a number that
 * is nobody's stays nobody's. */
static bool op__is_ready(struct op *op) {
  if (op->code != OP_READY)
    return false;
  struct os_result result =
      os_ready_glance(&op->u.ready.file, op->io.transfer.write);
  op->io.result = result;
  return result.value != OVIO_EWOULDBLOCK;
}

/* Where the port does not, a worker does. */
static void op__sync(struct op *op) {
  op->io.transfer.kind = OS_IO_SYNC;
  op->io.transfer.file = &op->file->os;
  op->io.transfer.data_only = (op->u.sync_flags & OVIO_DATA_ONLY) != 0;
  if (!op__give_to_port(op))
    op__submit(op);
}

static void op__begin(struct op *op) {
  if (op__is_inline(op))
    op__run_here(op);
  else if (op->code == OP_TRANSFER)
    op__transfer(op);
  else if (op->code == OP_SYNC)
    op__sync(op);
  else if (!op__uses_port(op))
    op__submit(op);
  else
    op__start_io(op);
}

/* A test wants it to fail; a close fails when it is done. */
static bool op__is_refused(const struct op *op) {
  return op->injected < 0 && op->code != OP_CLOSE;
}

static void op__begin_injected(struct op *op) {
  if (op__is_refused(op))
    op_finish(op, op->injected);
  else
    op__begin(op);
}

static void op__on_injection(struct timer *timer) {
  op__begin_injected(op__of_timer(timer));
}

static void op__inject(struct op *op) {
  int64_t due_ns = inject_decide(op);
  if (due_ns == 0) {
    op__begin_injected(op);
    return;
  }
  op->phase = OP_TIMER;
  op__set_timer(op, due_ns, op__on_injection);
}

/* The same on a plain thread; true: it has failed. */
static bool op__inject_here(struct op *op) {
  if (!inject_is_on())
    return false;
  int64_t wait_ns = inject_decide(op) - os_clock_ns();
  if (wait_ns > 0)
    os_sleep_ns((uint64_t)wait_ns);
  if (op__is_refused(op))
    op->io.result.value = op->injected;
  return op__is_refused(op);
}

static void op__go_to_file(struct op *op) {
  if (!op__place(op) || op__is_ready(op))
    op_finish(op, op->io.result.value);
  else if (inject_is_on() && !op->injected)
    op__inject(op);
  else
    op__begin(op);
}

static void op__on_pause_end(struct timer *timer) {
  op__go_to_file(op__of_timer(timer));
}

/* It has arrived, and has its turn. */
static void op__go(struct op *op) {
  if (op->cancelled && !op_is_stubborn(op)) {
    op_finish(op, OVIO_ECANCELED);
  } else if (op->code == OP_POST) {
    op_finish(op, 0);
  } else if (op->code == OP_SLEEP) {
    op->phase = OP_TIMER;
    op__set_timer(op, op->u.due_ns, op__on_timer);
  } else {
    op__go_to_file(op);
  }
}

static void op__on_turn(struct node *node) {
  op__go(CONTAINER_OF(node, struct op, link));
}

void op_grant(struct op *op) {
  op->granted = true;
  if (!op->loop) {
    parker__wake(op->parker);
  } else if (op->phase == OP_QUEUED) {
    op->link.run = op__on_turn;
    loop_push(op->loop, &op->link);
  }
  /* ARRIVING: op__has_turn() will see it. */
}

static bool op__has_turn(struct op *op) {
  if (!op->file || op->code == OP_OPEN || op->at_once)
    return true;
  os_lock_acquire(&op->file->lock);
  bool granted = op->granted;
  if (!granted)
    op->phase = OP_QUEUED;
  os_lock_release(&op->file->lock);
  return granted;
}

static void op__arrive(struct op *op) {
  op__link(op);
  if (op->loop->cancelling)
    op->cancelled = true;
  if (op__has_turn(op))
    op__go(op);
  else if (op->cancelled)
    op_cancel_now(op);
}

static void op__on_arrival(struct node *node) {
  struct op *op = CONTAINER_OF(node, struct op, link);
  guard_check(op);
  op__arrive(op);
}

int op_start(struct op *op) {
  int error = op__enter(op);
  if (error)
    return op_unclaim(op, error);
  op__seal(op);
  atomic_fetch_add(&op->loop->pending, 1);
  op->link.run = op__on_arrival;
  loop_push(op->loop, &op->link);
  return 0;
}

static void op__go_on_at_port(struct op *op, bool pending) {
  op__seal(op);
  op__link(op);
  if (pending) {
    op->phase = OP_PORT;
    op->loop->in_port++;
  } else {
    op__pump(op);
  }
}

void op_start_begun(struct op *op, ovio_done *done, bool pending) {
  op->done = done;
  loop_count(op->loop, 1);
  op__go_on_at_port(op, pending);
}

void op_start_finished(struct op *op, struct loop *loop, ovio_done *done,
                       struct os_result result) {
  op->code = OP_POST; /* what it was about is over */
  op->phase = OP_FINISHED;
  op->loop = loop;
  op->by_task = false;
  op->done = done;
  op->io.result = result;
  guard_mark(op);
  atomic_store_explicit(&op->state, OP_ACTIVE, memory_order_release);
  loop_enter(loop);
  loop_count(loop, 1);
  op__deliver_later(op);
  loop_leave(loop);
}

/* ---- performing: the blocking calls ---- */

static void op__execute_here(struct op *op) {
  op_execute(op, NULL);
  while (op__is_to_be_repeated(op)) {
    os_sleep_ns((uint64_t)op__next_pause(op));
    op_execute(op, NULL);
  }
}

/* On a plain thread; and in a callback, where op__enter() refuses to wait. */
static int64_t op__perform_here(struct op *op) {
  struct parker parker;
  parker__init(&parker);
  op->parker = &parker;
  op->io.result.value = op__enter(op);
  if (op->io.result.value == 0) {
    if (!op->granted)
      parker__wait(&parker);
    if (op__place(op) && !op__inject_here(op))
      op__execute_here(op);
    op__leave(op);
  }
  parker__destroy(&parker);
  return runner_answer(op->io.result.value, op->io.result.native);
}

static int64_t op__perform_in_callback(struct op *op) {
  return op__is_inline(op) ? op__perform_here(op)
                           : runner_answer(OVIO_EDEADLK, 0);
}

/* Suspends the task until its op is finished, if need be. */
static void op__await_end(struct op *op, struct task *task) {
  if (op->phase == OP_FINISHED) {
    struct runner *runner = task->loop->runner;
    op__unseal(op);
    if (runner->budget_left > 0 && op__settle(op)) {
      runner->budget_left--;
      return;
    }
    op__deliver_later(op);
  }
  op->suspended = true;
  task->op = op;
  task_suspend(task);
}

/* With the baton. */
static int op__await(struct op *op, struct task *task) {
  int error = op__enter(op);
  if (error)
    return error;
  op__seal(op);
  op__arrive(op);
  op__await_end(op, task);
  return 0;
}

void op_go_on(struct op *op, struct task *task, bool pending) {
  op->task = task;
  op->by_task = true;
  op__go_on_at_port(op, pending);
  op__await_end(op, task);
}

static int64_t op__perform_in_task(struct op *op, struct task *task) {
  op->task = task;
  op->by_task = true;
  op->loop = task->loop;
  loop_enter(task->loop);
  int error = op_is_stubborn(op) ? 0 : task_check_latch(task);
  if (!error)
    error = op__await(op, task);
  loop_leave(task->loop);
  return error ? runner_answer(error, 0)
               : runner_answer(op->io.result.value, op->io.result.native);
}

int64_t op_perform(struct op *op) {
  struct runner *runner = runner_current();
  if (!runner)
    return op__perform_here(op);
  if (!runner->task)
    return op__perform_in_callback(op);
  return op__perform_in_task(op, runner->task);
}

static int64_t op__perform_call(enum op_code code, struct file *file,
                                op_call *run, void *argument, int64_t pause_ns,
                                bool brief) {
  struct op op;
  op_init(&op, code, file);
  op.u.call.run = run;
  op.u.call.argument = argument;
  op.u.call.pause_ns = pause_ns;
  op.u.call.brief = brief;
  return op_perform(&op);
}

int64_t op_perform_call(struct file *file, op_call *run, void *argument) {
  return op__perform_call(OP_CALL, file, run, argument, 0, false);
}

int64_t op_perform_brief(struct file *file, op_call *run, void *argument) {
  return op__perform_call(OP_CALL, file, run, argument, 0, true);
}

int64_t op_perform_insistent(struct file *file, op_call *run, void *argument) {
  return op__perform_call(OP_CALL, file, run, argument, PAUSE_MIN_NS, false);
}

int64_t op_perform_wait(op_call *run, void *argument) {
  return op__perform_call(OP_WAIT, NULL, run, argument, 0, false);
}

int64_t op_perform_cleanup(op_call *run, void *argument) {
  return op__perform_call(OP_CLEANUP, NULL, run, argument, 0, false);
}

/* ---- cancelling ---- */

static void op__cancel_at_port(struct op *op) {
  if (op->laned) {
    lanes_cancel(op);
    op__on_lane(op);
  } else if (os_port_cancel(op->loop->port, &op->io)) {
    op__on_io(op);
  }
}

void op_cancel_now(struct op *op) {
  if (op_is_stubborn(op))
    return;
  op->cancelled = true;
  switch (op->phase) {
  case OP_ARRIVING: /* op__go() or op__pump() will see it */
  case OP_FINISHED: /* too late: it counts */
  case OP_HELD:
    break;
  case OP_QUEUED: /* or its turn has come just now: op__go() will see it */
    if (file_abandon_turn(op->file, op))
      op_finish(op, OVIO_ECANCELED);
    break;
  case OP_PORT: /* comes out of the port by itself, or is ours again here */
    op__cancel_at_port(op);
    break;
  case OP_WORKER:
    op__cancel_on_worker(op);
    break;
  case OP_TIMER:
    op_finish(op, OVIO_ECANCELED);
    break;
  }
}

static void op__on_cancel(struct node *node) {
  struct op *op = CONTAINER_OF(node, struct op, cancel_link);
  guard_check(op);
  atomic_fetch_and(&op->state, ~OP_CANCEL_ASKED);
  if (op->phase == OP_HELD)
    op__deliver(&op->link);
  else
    op_cancel_now(op);
}

int op_ask_cancel(struct op *op) {
  unsigned state = atomic_load(&op->state);
  do {
    if (!(state & OP_ACTIVE))
      return OVIO_ENOENT;
    if (state & OP_STUBBORN)
      return OVIO_ENOTSUP;
    if (state & OP_CANCEL_ASKED)
      return 0;
  } while (!atomic_compare_exchange_weak(&op->state, &state,
                                         state | OP_CANCEL_ASKED));
  atomic_store(&op->cancelled, true);
  op->cancel_link.run = op__on_cancel;
  loop_push(op->loop, &op->cancel_link);
  return 0;
}

int ovio_cancel(struct ovio_op *public_op) {
  struct op *op = (struct op *)(void *)public_op;
  int error = OVIO_EINVAL;
  if (op && !guard_is_strange(op))
    error = op_ask_cancel(op);
  return (int)runner_answer(error, 0);
}
