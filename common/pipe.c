/* SPDX-License-Identifier: MIT */
/* Pipes, with and without a name. What makes or finds a named one does not
 * wait: where there is no room at the moment, it is tried again here, with
 * pauses that grow. */
#include "common/file.h"
#include "common/loop.h"

#define FLAGS_PIPE                                                             \
  ((unsigned)(OVIO_BLOCKING | OVIO_INHERIT | OVIO_INLINE | OVIO_NONBLOCK))

int ovio_pipe(struct ovio_file ends[2], unsigned flags) {
  if (!ends)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *file_of(&ends[0]) = *file_of(&ends[1]) = (struct file){0};
  if (flags & ~FLAGS_PIPE)
    return (int)runner_answer(OVIO_EINVAL, 0);
  const unsigned each[2] = {flags, flags};
  struct os_file os[2] = {{0}, {0}};
  struct os_result result = os_pipe_create(os, each);
  if (result.value == 0) {
    file_install(file_of(&ends[0]), &os[0], flags | OVIO_READ);
    file_install(file_of(&ends[1]), &os[1], flags | OVIO_WRITE);
  }
  return (int)runner_answer(result.value, result.native);
}

/* ---- pipes with a name ---- */

#define PAUSE_MIN_NS     1000000u
#define PAUSE_MAX_NS     32000000u
#define LISTEN_ATTEMPTS  16u
#define CONNECT_ATTEMPTS 0u /* no limit */

struct named {
  struct os_result (*call)(struct os_file *file, const char *name,
                           unsigned flags);
  const char *name;
  unsigned flags;
  struct os_file os;
};

static struct os_result pipe__call_named(void *argument,
                                         struct os_waiter *waiter) {
  (void)waiter;
  struct named *named = argument;
  return named->call(&named->os, named->name, named->flags);
}

/* OVIO_EBUSY is tried again, `attempts` times in all. */
static int64_t pipe__insist(struct named *named, unsigned attempts) {
  uint64_t pause_ns = PAUSE_MIN_NS;
  for (;;) {
    int64_t result = op_perform_call(NULL, pipe__call_named, named);
    if (result != OVIO_EBUSY || --attempts == 0)
      return result;
    result = ovio_sleep(pause_ns);
    if (result < 0)
      return result;
    if (pause_ns < PAUSE_MAX_NS)
      pause_ns *= 2;
  }
}

static int pipe__make_named(struct ovio_file *file, struct named *named,
                            unsigned attempts, unsigned direction) {
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  *file_of(file) = (struct file){0};
  if (!named->name || !named->name[0] ||
      (named->flags & ~(unsigned)OVIO_MESSAGE))
    return (int)runner_answer(OVIO_EINVAL, 0);
  int64_t result = pipe__insist(named, attempts);
  if (result == 0)
    file_install(file_of(file), &named->os, named->flags | direction);
  return (int)result;
}

int ovio_pipe_listen(struct ovio_file *listener, const char *name,
                     unsigned flags) {
  struct named named = {os_pipe_listen, name, flags, {0}};
  return pipe__make_named(listener, &named, LISTEN_ATTEMPTS, 0);
}

int ovio_pipe_connect(struct ovio_file *out, const char *name, unsigned flags) {
  struct named named = {os_pipe_connect, name, flags, {0}};
  return pipe__make_named(out, &named, CONNECT_ATTEMPTS,
                          OVIO_READ | OVIO_WRITE);
}

/* ---- accepting ---- */

static int pipe__check_accept(struct ovio_file *listener,
                              struct ovio_file *out) {
  if (!listener || !out || out == listener)
    return OVIO_EINVAL;
  if (!(atomic_load(&file_of(listener)->state) & FILE_OPEN))
    return OVIO_EBADF;
  return file_of(listener)->os.traits & OS_TRAIT_LISTENER ? 0 : OVIO_EINVAL;
}

static void pipe__fill_accept(struct op *op, struct ovio_file *out) {
  *file_of(out) = (struct file){0};
  op->turn = TURN_READ;
  op->io.transfer.kind = OS_IO_ACCEPT;
  op->io.transfer.file = &op->file->os;
  op->u.accept.out = file_of(out);
}

int ovio_pipe_accept(struct ovio_file *listener, struct ovio_file *out) {
  int error = pipe__check_accept(listener, out);
  if (error)
    return (int)runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_ACCEPT, file_of(listener));
  pipe__fill_accept(&op, out);
  return (int)op_perform(&op);
}

int ovio_start_accept(struct ovio_loop *loop, struct ovio_op *public_op,
                      struct ovio_file *listener, struct ovio_file *out,
                      ovio_done *done) {
  struct op *op;
  int error = op_claim(public_op, (struct loop *)loop, done, OP_ACCEPT,
                       file_of(listener), &op);
  if (error)
    return error;
  error = pipe__check_accept(listener, out);
  if (error)
    return op_unclaim(op, error);
  pipe__fill_accept(op, out);
  return op_start(op);
}

/* ---- half a close ---- */

static struct os_result pipe__shutdown_now(void *argument,
                                           struct os_waiter *waiter) {
  (void)waiter;
  return os_pipe_shutdown(argument);
}

int ovio_pipe_shutdown(struct ovio_file *public_file) {
  struct file *file = file_of(public_file);
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (!(atomic_load(&file->state) & FILE_OPEN) || !(file->flags & OVIO_WRITE))
    return (int)runner_answer(OVIO_EBADF, 0);
  struct op op;
  op_init(&op, OP_CALL, file);
  if (file->os.kind == OS_KIND_STREAM)
    op.turn = TURN_WRITE; /* after what is being written */
  op.u.call.run = pipe__shutdown_now;
  op.u.call.argument = &file->os;
  op.u.call.pause_ns = 0;
  op.u.call.brief = false;
  return (int)op_perform(&op);
}
