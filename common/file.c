/* SPDX-License-Identifier: MIT */
/* Files: the public object, its turns, and the operations in flight on it.
 *
 * STATE. One atomic word: OPEN, CLOSING, and the number of threads in a short
 * call. Who comes in counts itself first and looks then; a close, once it is
 * sure of its success, sets CLOSING first and waits then for the count to be 0.
 * So nobody meets a file that is half gone, or one whose close was refused, and
 * a positional read of a plain thread takes no lock.
 *
 * TURNS. What uses the file's own position, and each direction of a stream,
 * goes one operation at a time, in order of arrival. The holder alone reads and
 * moves the position. Passing the turn on is part of leaving the file.
 *
 * CLOSE. Nothing new is let in; what is in flight is asked to end; the close
 * waits, as a queued op or a parked thread, until the last one has left. Only
 * then the handle goes, so no other file can get its number while the kernel
 * still works on it. */
#include "common/file.h"

#include "common/beneath.h"
#include "common/check.h"
#include "common/inject.h"
#include "common/loop.h"
#include "common/path.h"
#include "common/poison.h"
#include "common/task.h"

_Static_assert(sizeof(struct file) <= sizeof(struct ovio_file), "ovio_file");
_Static_assert(_Alignof(struct file) <= _Alignof(struct ovio_file),
               "alignment");

#define FLAGS_ADOPT                                                            \
  (OVIO_READ | OVIO_WRITE | OVIO_APPEND | OVIO_DIRECT | OVIO_DIRECTORY |       \
   OVIO_BLOCKING | OVIO_INLINE | OVIO_NONBLOCK | OVIO_UNORDERED)
#define FLAGS_OPEN                                                             \
  (FLAGS_ADOPT | OVIO_CREATE | OVIO_EXCLUSIVE | OVIO_TRUNCATE | OVIO_SYNC |    \
   OVIO_NOFOLLOW | OVIO_INHERIT | OVIO_SEQUENTIAL | OVIO_RANDOM |              \
   OVIO_BENEATH)

struct file *file_of(struct ovio_file *file) {
  return (struct file *)(void *)file;
}

/* ---- coming and going ---- */

static bool file__is_open(unsigned state) {
  return (state & (FILE_OPEN | FILE_CLOSING)) == FILE_OPEN;
}

/* Keeps the file open until left. OVIO_EBADF when it is closed or being closed.
 */
static int file__enter(struct file *file) {
  if (file__is_open(atomic_fetch_add(&file->state, FILE_USER)))
    return 0;
  atomic_fetch_sub(&file->state, FILE_USER);
  return OVIO_EBADF;
}

static void file__leave(struct file *file) {
  atomic_fetch_sub(&file->state, FILE_USER);
}

/* The same, and nobody else changes it meanwhile. Who has the lock keeps the
 * file open, too: a close takes it first. */
static inline bool file__take(struct file *file) {
  if (!OS_LOCK_IS_PLAIN && file__enter(file) != 0)
    return false;
  os_lock_acquire(&file->lock);
  return true;
}

static inline void file__drop(struct file *file) {
  os_lock_release(&file->lock);
  if (!OS_LOCK_IS_PLAIN)
    file__leave(file);
}

/* The calls of a plain thread that are under way; none of them waits for
 * another thread, save for the disk. */
static void file__await_users(struct file *file) {
  for (unsigned round = 0; atomic_load(&file->state) >= FILE_USER; round++) {
    if (round < 100)
      os_thread_yield();
    else
      os_sleep_ns(1000000);
  }
}

/* Nobody runs the loop that it needs. */
static bool file__is_stuck(const struct op *op) {
  return op->loop && !atomic_load(&op->loop->running);
}

/* Can those before it end while the caller waits? */
static int file__would_wait(const struct file *file, const struct turn *turn) {
  if (runner_current())
    return OVIO_EDEADLK; /* a callback */
  if (file->os.traits & OS_TRAIT_NO_WAIT)
    return OVIO_EWOULDBLOCK;
  if (file__is_stuck(turn->holder))
    return OVIO_EDEADLK;
  const struct op *op = turn->last;
  if (!op)
    return 0;
  do {
    op = op->turn_next;
    if (file__is_stuck(op))
      return OVIO_EDEADLK;
  } while (op != turn->last);
  return 0;
}

/* ---- turns; all under the lock ---- */

static void turn__push(struct turn *turn, struct op *op) {
  struct op *last = turn->last ? turn->last : op;
  op->turn_next = turn->last ? last->turn_next : op;
  last->turn_next = op;
  turn->last = op;
}

/* Takes the one behind `before` out. */
static void turn__take(struct turn *turn, struct op *before) {
  struct op *op = before->turn_next;
  before->turn_next = op->turn_next;
  if (op == before)
    turn->last = NULL;
  else if (op == turn->last)
    turn->last = before;
}

/* NULL: nobody waits. */
static struct op *turn__pop(struct turn *turn) {
  struct op *first = turn->last ? turn->last->turn_next : NULL;
  if (first)
    turn__take(turn, turn->last);
  return first;
}

/* Fine if it has been taken out before. */
static void turn__remove(struct turn *turn, const struct op *op) {
  struct op *before = turn->last;
  while (before && before->turn_next != op) {
    before = before->turn_next;
    if (before == turn->last)
      return;
  }
  if (before)
    turn__take(turn, before);
}

static int file__take_turn(struct file *file, struct op *op) {
  struct turn *turn = op->turn == TURN_NONE ? NULL : &file->turns[op->turn];
  if (!turn || !turn->holder) {
    if (turn)
      turn->holder = op;
    op->at_once = true;
    op->granted = true;
    return 0;
  }
  int error = op->loop ? 0 : file__would_wait(file, turn);
  if (!error)
    turn__push(turn, op);
  return error;
}

static void file__pass_turn(struct file *file, struct op *op) {
  if (op->turn == TURN_NONE)
    return;
  struct turn *turn = &file->turns[op->turn];
  if (turn->holder != op) {
    turn__remove(turn, op);
    return;
  }
  turn->holder = turn__pop(turn);
  if (turn->holder)
    op_grant(turn->holder);
}

static int file__register(struct file *file, struct op *op) {
  if (!file__is_open(atomic_load(&file->state)))
    return OVIO_EBADF;
  int error = file__take_turn(file, op);
  if (error)
    return error;
  op_activate(op); /* before a close can find it */
  op->file_before = NULL;
  op->file_next = file->ops;
  if (file->ops)
    file->ops->file_before = op;
  file->ops = op;
  op->linked = true;
  return 0;
}

int file_register(struct file *file, struct op *op) {
  if (!file__is_open(atomic_load(&file->state)) || !file__take(file))
    return OVIO_EBADF;
  int error = file__register(file, op);
  file__drop(file);
  return error;
}

static void file__unlink(struct file *file, struct op *op) {
  if (op->file_before)
    op->file_before->file_next = op->file_next;
  else
    file->ops = op->file_next;
  if (op->file_next)
    op->file_next->file_before = op->file_before;
  op->linked = false;
}

void file_unregister(struct file *file, struct op *op) {
  os_lock_acquire(&file->lock);
  file__pass_turn(file, op);
  file__unlink(file, op);
  if (!file->ops && file->closer) {
    struct op *closer = file->closer;
    file->closer = NULL;
    op_grant(closer);
  }
  os_lock_release(&file->lock);
}

bool file_abandon_turn(struct file *file, struct op *op) {
  os_lock_acquire(&file->lock);
  bool waits = !op->granted;
  if (waits)
    turn__remove(&file->turns[op->turn], op);
  os_lock_release(&file->lock);
  return waits;
}

/* On a copy: the release changes what is noted of the handle. */
static int file__tell_position(struct file *file) {
  os_lock_acquire(&file->lock);
  bool disk = file->os.kind == OS_KIND_DISK;
  bool busy = disk && file->turns[TURN_POSITION].holder;
  if (disk && !busy) {
    struct os_file copy = file->os;
    (void)os_file_release(&copy, file->os.position);
  }
  os_lock_release(&file->lock);
  return busy ? OVIO_EBUSY : 0;
}

int file_lend(struct file *file) {
  int error = file__enter(file);
  if (error)
    return error;
  error = file__tell_position(file);
  if (error)
    file__leave(file);
  return error;
}

void file_unlend(struct file *file) {
  file__leave(file);
}

ovio_handle ovio_file_handle(const struct ovio_file *public_file) {
  const struct file *file = (const struct file *)(const void *)public_file;
  if (!file || !(atomic_load(&file->state) & FILE_OPEN))
    return OVIO_NO_HANDLE;
  return (ovio_handle)file->os.handle;
}

/* ---- open, adopt, release, close ---- */

static unsigned file__stream_ways(const struct os_file *os, unsigned flags) {
  if (!(os->traits & OS_TRAIT_PORTABLE) || os->traits & OS_TRAIT_LISTENER ||
      flags & (OVIO_BLOCKING | OVIO_INLINE))
    return 0;
  return (flags & OVIO_READ ? FILE_READ_HERE : 0) |
         (flags & OVIO_WRITE ? FILE_WRITE_HERE : 0);
}

/* What file->state says of an open file. */
static unsigned file__ways(const struct os_file *os, unsigned flags) {
  unsigned ways = flags & OVIO_INLINE ? FILE_INLINE : 0;
  if (os->kind == OS_KIND_STREAM)
    return ways | file__stream_ways(os, flags);
  if (os->kind != OS_KIND_DISK)
    return ways;
  if (os->traits & OS_TRAIT_TRY && flags & OVIO_READ)
    ways |= FILE_TRY;
  if (os->alignment > 1) /* of the buffer, too: to be checked */
    return ways;
  if (flags & OVIO_READ)
    ways |= FILE_READ_AT;
  if (flags & OVIO_WRITE && !(flags & OVIO_APPEND))
    ways |= FILE_WRITE_AT;
  return ways;
}

void file_install(struct file *file, const struct os_file *os, unsigned flags) {
  file->os = *os;
  file->flags = flags;
  os_lock_init(&file->lock);
  atomic_store(&file->state, FILE_OPEN | file__ways(os, flags));
}

struct os_result file_open_now(struct file *file, struct op *op) {
  struct file *dir = op->u.open.dir;
  struct os_file os = {0};
  bool beneath = (op->u.open.flags & OVIO_BENEATH) != 0;
  struct os_result result = (beneath ? beneath_open : os_file_open)(
      &os, dir ? &dir->os : NULL, op->u.open.path, op->u.open.flags,
      op->u.open.mode);
  if (result.value == 0)
    file_install(file, &os, op->u.open.flags);
  return result;
}

/* Where the client takes over the listener's handle, it takes over what that is
 * bound to. The op has the listener's turn. */
struct os_result file_accept_now(struct file *listener, struct file *out,
                                 int64_t value) {
  intptr_t handle = listener->os.handle;
  struct os_file os = {0};
  struct os_result result = os_pipe_take(&listener->os, &os, value);
  uint64_t number = FILE_UNBOUND;
  if (listener->os.handle != handle)
    number = atomic_exchange(&listener->loop_number, FILE_UNBOUND);
  if (result.value == 0) {
    file_install(out, &os, OVIO_READ | OVIO_WRITE);
    if (os.handle == handle)
      atomic_store(&out->loop_number, number);
  }
  return result;
}

static int file__check_flags(unsigned flags, unsigned known) {
  const unsigned writing = OVIO_APPEND | OVIO_CREATE | OVIO_TRUNCATE;
  if (flags & ~known)
    return OVIO_EINVAL;
  if (!(flags & (OVIO_READ | OVIO_WRITE | OVIO_DIRECTORY)))
    return OVIO_EINVAL;
  if ((flags & writing) && !(flags & OVIO_WRITE))
    return OVIO_EINVAL;
  if ((flags & OVIO_EXCLUSIVE) && !(flags & OVIO_CREATE))
    return OVIO_EINVAL;
  if ((flags & OVIO_DIRECTORY) && (flags & OVIO_WRITE))
    return OVIO_EINVAL;
  return 0;
}

int file_check_directory(struct ovio_file *dir) {
  if (!dir)
    return 0;
  if (!(atomic_load(&file_of(dir)->state) & FILE_OPEN))
    return OVIO_EBADF;
  return file_of(dir)->os.kind == OS_KIND_DIRECTORY ? 0 : OVIO_ENOTDIR;
}

static int file__prepare_open(struct op *op, struct ovio_file *file,
                              struct ovio_file *dir, const char *path,
                              unsigned flags, unsigned mode) {
  *file_of(file) = (struct file){0};
  op->u.open.path = path;
  op->u.open.dir = file_of(dir);
  op->u.open.flags = flags;
  op->u.open.mode = mode;
  int error = path ? file__check_flags(flags, FLAGS_OPEN) : OVIO_EINVAL;
  if (error)
    return error;
  error = file_check_directory(dir);
  if (!error)
    error = os_path_check(path);
  if (!error && (flags & OVIO_CREATE) && path_means_directory(path))
    error = OVIO_EISDIR; /* open(2) makes none */
  return error;
}

int ovio_openat(struct ovio_file *file, struct ovio_file *dir, const char *path,
                unsigned flags, unsigned mode) {
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct op op;
  op_init(&op, OP_OPEN, file_of(file));
  int error = file__prepare_open(&op, file, dir, path, flags, mode);
  if (error)
    return (int)runner_answer(error, 0);
  return (int)op_perform(&op);
}

int ovio_open(struct ovio_file *file, const char *path, unsigned flags,
              unsigned mode) {
  return ovio_openat(file, NULL, path, flags, mode);
}

int ovio_start_open(struct ovio_loop *loop, struct ovio_op *public_op,
                    struct ovio_file *file, struct ovio_file *dir,
                    const char *path, unsigned flags, unsigned mode,
                    ovio_done *done) {
  struct op *op;
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  int error = op_claim(public_op, (struct loop *)loop, done, OP_OPEN,
                       file_of(file), &op);
  if (error)
    return error;
  error = file__prepare_open(op, file, dir, path, flags, mode);
  return error ? op_unclaim(op, error) : op_start(op);
}

int ovio_adopt(struct ovio_file *public_file, ovio_handle handle,
               unsigned flags) {
  if (!public_file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  struct file *file = file_of(public_file);
  *file = (struct file){0};
  int error = file__check_flags(flags, FLAGS_ADOPT);
  if (error)
    return (int)runner_answer(error, 0);
  struct os_file os = {0};
  struct os_result result = os_file_adopt(&os, handle, flags);
  if (result.value == 0) {
    if (os.traits & OS_TRAIT_APPEND)
      flags |= OVIO_APPEND;
    file_install(file, &os, flags);
  }
  return (int)runner_answer(result.value, result.native);
}

/* Its loop, if it is still there, forgets the handle. */
static void file__forget(struct file *file) {
  struct loop *loop = loop_pin(atomic_load(&file->loop_number));
  if (!loop)
    return;
  os_port_forget(loop->port, &file->os);
  loop_unpin();
}

/* From here on the memory is the caller's again. What file__check() reads stays
 * as it is: a call may have looked at the state just before the close. */
static void file__clear(struct file *file) {
  /* The last to leave may still be inside its release of the lock. */
  os_lock_acquire(&file->lock);
  os_lock_release(&file->lock);
  if (!OS_LOCK_IS_PLAIN)
    os_lock_destroy(&file->lock);
  atomic_store(&file->loop_number, FILE_UNBOUND);
  atomic_fetch_and(&file->state, ~(FILE_OPEN | FILE_CLOSING));
}

ovio_handle ovio_release(struct ovio_file *public_file) {
  struct file *file = file_of(public_file);
  if (!file || file__enter(file))
    return OVIO_NO_HANDLE;
  os_lock_acquire(&file->lock);
  unsigned alone = atomic_load(&file->state) & FILE_WAYS;
  alone |= FILE_OPEN | FILE_USER; /* nobody but this call */
  bool shut = !file->ops && atomic_compare_exchange_strong(
                                &file->state, &alone, alone | FILE_CLOSING);
  os_lock_release(&file->lock);
  file__leave(file);
  if (!shut)
    return OVIO_NO_HANDLE;
  file__await_users(file); /* those who come in, to be refused */
  file__forget(file);
  struct os_file os = file->os;
  ovio_handle handle = os_file_release(&os, file->os.position);
  file__clear(file);
  return handle;
}

/* Can the operations in flight be ended while the closer waits? */
static int file__check_close(const struct file *file, const struct op *closer) {
  bool callback = !closer->loop && runner_current();
  for (const struct op *op = file->ops; op; op = op->file_next) {
    if (!op->loop)
      return OVIO_EBUSY; /* nothing ends a plain thread's call */
    if (callback)
      return OVIO_EDEADLK;
    if (!closer->loop && file__is_stuck(op))
      return OVIO_EDEADLK;
  }
  return 0;
}

/* Sets CLOSING, in view of those it cannot end. Under the lock. */
static int file__shut(struct file *file, struct op *closer) {
  if (atomic_load(&file->state) & FILE_CLOSING)
    return OVIO_EBADF; /* another one was faster */
  int error = file__check_close(file, closer);
  if (error)
    return error;
  atomic_fetch_or(&file->state, FILE_CLOSING);
  if (!file->ops) {
    closer->granted = true;
    return 0;
  }
  file->closer = closer;
  for (struct op *op = file->ops; op; op = op->file_next)
    op_ask_cancel(op);
  return 0;
}

int file_begin_close(struct file *file, struct op *closer) {
  int error = file__enter(file);
  if (error)
    return error;
  os_lock_acquire(&file->lock);
  error = file__shut(file, closer);
  os_lock_release(&file->lock);
  file__leave(file);
  return error;
}

struct os_result file_close_now(struct file *file) {
  file__await_users(file);
  file__forget(file);
  struct os_result result = os_file_close(&file->os, file->os.position);
  file__clear(file);
  return result;
}

int ovio_close(struct ovio_file *file) {
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  if (!(atomic_load(&file_of(file)->state) & FILE_OPEN))
    return (int)runner_answer(OVIO_EBADF, 0); /* in a callback, too */
  struct op op;
  op_init(&op, OP_CLOSE, file_of(file));
  return (int)op_perform(&op);
}

int ovio_start_close(struct ovio_loop *loop, struct ovio_op *public_op,
                     struct ovio_file *file, ovio_done *done) {
  struct op *op;
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  int error = op_claim(public_op, (struct loop *)loop, done, OP_CLOSE,
                       file_of(file), &op);
  return error ? error : op_start(op);
}

/* ---- routes ---- */

static bool file__may_bind(const struct file *file) {
  return (file->os.traits & OS_TRAIT_PORTABLE) &&
         !(file->flags & OVIO_BLOCKING);
}

static uint64_t file__bind(struct file *file, struct loop *loop) {
  os_lock_acquire(&file->lock);
  uint64_t number = atomic_load(&file->loop_number);
  if (number == FILE_UNBOUND) {
    int error = os_port_bind(loop->port, &file->os);
    number = error ? FILE_UNBINDABLE : loop->number;
    atomic_store(&file->loop_number, number);
  }
  os_lock_release(&file->lock);
  return number;
}

bool file_uses_port(struct file *file, struct loop *loop) {
  if (!file__may_bind(file))
    return false;
  uint64_t number = atomic_load(&file->loop_number);
  if (number == FILE_UNBOUND)
    number = file__bind(file, loop);
  return number == loop->number;
}

void file_forget_try(struct file *file) {
  atomic_fetch_and(&file->state, ~FILE_TRY);
}

const char *ovio_file_route(const struct ovio_file *public_file,
                            const struct ovio_loop *public_loop) {
  const struct file *file = (const struct file *)(const void *)public_file;
  const struct loop *loop = (const struct loop *)public_loop;
  if (!file || !(atomic_load(&file->state) & FILE_OPEN))
    return "closed";
  if (!loop)
    return "synchronous";
  if (file->flags & OVIO_INLINE)
    return "inline";
  uint64_t number = atomic_load(&file->loop_number);
  bool bound = number == loop->number;
  if (bound || (number == FILE_UNBOUND && file__may_bind(file)))
    return os_port_route(loop->port, &file->os);
  return "worker";
}

/* ---- the position ---- */

static bool file__appends(const struct file *file, bool write) {
  return write && (file->flags & OVIO_APPEND);
}

/* The offset is the position's. A direct read from between two blocks can only
 * mean the end of the file, where the last read stopped. */
static int file__place_here(struct file *file, struct transfer *transfer) {
  int64_t length = transfer_total(transfer);
  transfer->offset = file->os.position;
  if (file->os.position > INT64_MAX - length)
    return OVIO_EINVAL;
  if ((uint64_t)file->os.position % transfer->alignment == 0)
    return 0;
  if (transfer->write)
    return OVIO_EINVAL;
  struct os_result size = os_file_size(&file->os);
  return size.value <= file->os.position ? 1 : OVIO_EINVAL;
}

int file_place_transfer(struct file *file, struct transfer *transfer) {
  if (file->os.kind != OS_KIND_DISK)
    transfer->offset = OVIO_HERE;
  else if (file__appends(file, transfer->write))
    transfer->offset = OS_APPEND;
  else if (transfer->here && !(file->os.traits & OS_TRAIT_SYSTEM_POSITION))
    return file__place_here(file, transfer);
  return 0;
}

void file_move_position(struct file *file, const struct transfer *transfer) {
  if (file->os.kind != OS_KIND_DISK || transfer->moved == 0 ||
      (file->os.traits & OS_TRAIT_SYSTEM_POSITION))
    return;
  if (file__appends(file, transfer->write)) {
    struct os_result size = os_file_size(&file->os);
    if (size.value >= 0)
      file->os.position = size.value;
  } else if (transfer->here) {
    file->os.position += transfer->moved;
  }
}

struct os_result file_seek_now(struct file *file, int64_t offset, int whence) {
  if (file->os.traits & OS_TRAIT_SYSTEM_POSITION)
    return os_file_seek(&file->os, offset, whence);
  struct os_result base = {0, 0};
  if (whence == SEEK_END)
    base = os_file_size(&file->os);
  else if (whence == SEEK_CUR)
    base.value = file->os.position;
  if (base.value < 0)
    return base;
  if (offset > INT64_MAX - base.value)
    return (struct os_result){OVIO_EOVERFLOW, 0};
  if (base.value + offset < 0)
    return (struct os_result){OVIO_EINVAL, 0};
  file->os.position = base.value + offset;
  return (struct os_result){file->os.position, 0};
}

/* ---- read and write ---- */

struct request {
  struct file *file;
  const struct ovio_iovec *iov;
  size_t count;
  int64_t offset;
  bool write;
  bool tried; /* it is not in the page cache */
};

static bool file__is_aligned(const struct request *request) {
  size_t alignment = request->file->os.alignment;
  if (alignment <= 1)
    return true;
  uint64_t bits = request->offset >= 0 ? (uint64_t)request->offset : 0;
  for (size_t at = 0; at < request->count; at++) {
    if (request->iov[at].iov_len)
      bits |= (uintptr_t)request->iov[at].iov_base | request->iov[at].iov_len;
  }
  return bits % alignment == 0;
}

static int file__check_kind(const struct request *request) {
  const struct file *file = request->file;
  if (!(file->flags & (request->write ? OVIO_WRITE : OVIO_READ)))
    return file->os.kind == OS_KIND_DIRECTORY ? OVIO_EISDIR : OVIO_EBADF;
  if (file->os.kind == OS_KIND_DIRECTORY)
    return OVIO_EISDIR;
  if (file->os.kind == OS_KIND_STREAM && request->offset != OVIO_HERE)
    return OVIO_ESPIPE;
  if ((file->os.traits & OS_TRAIT_MESSAGE) && request->write &&
      request->count > 1)
    return OVIO_ENOTSUP; /* one message of parts: not on Windows */
  return 0;
}

/* The length, or an error; nothing has been touched. */
static int64_t file__check(const struct request *request) {
  if (!request->file)
    return OVIO_EINVAL;
  if (!(atomic_load(&request->file->state) & FILE_OPEN))
    return OVIO_EBADF;
  if (request->offset < 0 && request->offset != OVIO_HERE)
    return OVIO_EINVAL;
  int64_t length = request->count > UINT32_MAX
                       ? OVIO_EINVAL
                       : transfer_length(request->iov, request->count);
  if (length < 0)
    return length;
  if (request->offset > INT64_MAX - length)
    return OVIO_EINVAL;
  int error = file__check_kind(request);
  if (error)
    return error;
  return file__is_aligned(request) ? length : OVIO_EINVAL;
}

static unsigned char file__turn(const struct request *request) {
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): file__check() */
  if (request->file->os.kind == OS_KIND_STREAM)
    return request->write ? TURN_WRITE : TURN_READ;
  if (request->offset == OVIO_HERE ||
      file__appends(request->file, request->write))
    return TURN_POSITION;
  return TURN_NONE;
}

static void file__fill_transfer(struct transfer *transfer,
                                const struct request *request,
                                const struct loop *loop) {
  *transfer = (struct transfer){
      .iov = request->iov,
      .count = (uint32_t)request->count,
      .offset = request->offset,
      .write = request->write,
      .here = request->offset == OVIO_HERE,
  };
  transfer_init(transfer, &request->file->os, loop ? loop->max_transfer : 0);
}

/* The fast path: a plain thread, an offset: no op, no lock. */
static int64_t file__transfer_plain(const struct request *request) {
  struct transfer transfer;
  struct os_transfer chunk = {.file = &request->file->os};
  atomic_bool never = false;
  int error = file__enter(request->file);
  if (error)
    return runner_answer(error, 0);
  file__fill_transfer(&transfer, request, NULL);
  struct os_result result = transfer_run(&transfer, &chunk, NULL, &never);
  file__leave(request->file);
  return result.value < 0 ? runner_answer(result.value, result.native)
                          : result.value;
}

static int64_t file__transfer(const struct request *request) {
  int64_t length = file__check(request);
  if (length <= 0)
    return runner_answer(length, 0);
  poison_check_parts(request->iov, request->count);
  struct runner *runner = runner_current();
  unsigned char turn = file__turn(request);
  if (!runner && turn == TURN_NONE && !inject_is_on())
    return file__transfer_plain(request);
  struct op op;
  op_init(&op, OP_TRANSFER, request->file);
  op.turn = turn;
  op.tried = request->tried;
  file__fill_transfer(&op.u.transfer, request, runner ? runner->loop : NULL);
  return op_perform(&op);
}

int64_t ovio_readv(struct ovio_file *file, const struct ovio_iovec *iov,
                   size_t count, int64_t offset) {
  return file__transfer(&(struct request){
      .file = file_of(file), .iov = iov, .count = count, .offset = offset});
}

int64_t ovio_writev(struct ovio_file *file, const struct ovio_iovec *iov,
                    size_t count, int64_t offset) {
  return file__transfer(&(struct request){.file = file_of(file),
                                          .iov = iov,
                                          .count = count,
                                          .offset = offset,
                                          .write = true});
}

/* ---- the short way ----
 *
 * A buffer at an offset of a disk file, not larger than a chunk: a system call
 * between coming and going. No op, no lock, nothing that could be cancelled.
 * What cannot be done so, or is not in the page cache, goes the long way, from
 * its beginning. */

/* No answer; native: it has been tried in vain. */
#define LONG_WAY INT64_MIN

typedef struct os_result file__mover(const struct os_file *os, void *buffer,
                                     size_t length, int64_t offset);

static bool file__is_vain(file__mover *move, int64_t value) {
  return move == os_file_read_cached &&
         (value == OVIO_EWOULDBLOCK || value == OVIO_ENOTSUP);
}

/* Goes on after what the first call has answered. */
static struct os_result file__move_on(struct file *file, file__mover *move,
                                      void *buffer, size_t length,
                                      int64_t offset, struct os_result result) {
  struct ovio_iovec whole = {buffer, length};
  struct request request = {.file = file,
                            .iov = &whole,
                            .count = 1,
                            .offset = offset,
                            .write = move == os_file_write_at};
  struct transfer transfer;
  struct os_transfer chunk = {.file = &file->os};
  file__fill_transfer(&transfer, &request, NULL);
  transfer.asked = (uint32_t)length;
  while (!file__is_vain(move, result.value)) {
    if (result.value != OS_AGAIN && !transfer_advance(&transfer, result.value))
      return (struct os_result){transfer_result(&transfer), result.native};
    transfer_next(&transfer, &chunk);
    result =
        move(&file->os, chunk.iov->iov_base, chunk.iov->iov_len, chunk.offset);
  }
  if (result.value == OVIO_ENOTSUP)
    file_forget_try(file);
  return (struct os_result){LONG_WAY, true};
}

/* If the file is open and has these ways. */
__attribute__((always_inline)) static inline struct os_result file__move_at(
    struct file *file, unsigned ways, file__mover *move, void *buffer,
    size_t length, int64_t offset) {
  struct os_result result = {LONG_WAY, false};
  unsigned state = atomic_fetch_add(&file->state, FILE_USER);
  if ((state & (FILE_OPEN | FILE_CLOSING | ways)) == (FILE_OPEN | ways)) {
    poison_check(buffer, length);
    result = move(&file->os, buffer, length, offset);
    if (result.value != (int64_t)length)
      result = file__move_on(file, move, buffer, length, offset, result);
  }
  file__leave(file);
  return result;
}

static inline struct os_result file__move_plainly(struct file *file, bool write,
                                                  void *buffer, size_t length,
                                                  int64_t offset) {
  if (length > transfer_max(0))
    return (struct os_result){LONG_WAY, false};
  return write ? file__move_at(file, FILE_WRITE_AT, os_file_write_at, buffer,
                               length, offset)
               : file__move_at(file, FILE_READ_AT, os_file_read_at, buffer,
                               length, offset);
}

/* May the loop's thread do so much at once? It waits for a device only if the
 * user said so. */
static inline bool file__suits_loop(const struct loop *loop,
                                    const struct file *file, bool write,
                                    size_t length) {
  unsigned state = atomic_load_explicit(&file->state, memory_order_relaxed);
  if (!(state & FILE_INLINE) &&
      (write || !(state & FILE_TRY) || length > TRY_MAX))
    return false;
  return length <= transfer_max(loop->max_transfer) && !loop->cancelling;
}

__attribute__((always_inline)) static inline struct os_result
file__move_on_loop(struct file *file, bool write, void *buffer, size_t length,
                   int64_t offset) {
  if (file->flags & OVIO_INLINE)
    return file__move_plainly(file, write, buffer, length, offset);
  return file__move_at(file, FILE_READ_AT | FILE_TRY, os_file_read_cached,
                       buffer, length, offset);
}

__attribute__((noinline)) /* its registers are not saved for the plain way */
static struct os_result
file__move_in_task(struct runner *runner, struct file *file, bool write,
                   void *buffer, size_t length, int64_t offset) {
  struct task *task = runner->task;
  if (!task || !file__suits_loop(runner->loop, file, write, length) ||
      task_is_latched(task))
    return (struct os_result){LONG_WAY, false};
  struct os_result result =
      file__move_on_loop(file, write, buffer, length, offset);
  if (result.value != LONG_WAY)
    task_give_way(task, runner);
  return result;
}

static inline bool file__is_short(const struct file *file, const void *buffer,
                                  size_t length, int64_t offset) {
  if (inject_is_on())
    return false;
  if (!file)
    return false;
  if (!buffer)
    return false;
  return length > 0 && offset >= 0 &&
         offset <= INT64_MAX - (int64_t)OS_TRANSFER_MAX;
}

/* ---- the short way of a stream ----
 *
 * A buffer that is not much, on the loop's thread, with nobody before it:
 * started at the port at once. The lock is the turn meanwhile: nobody else can
 * take it, and the start does not wait. What has to wait, and a write that has
 * moved a part of its bytes, becomes an op before the lock is released, with
 * the turn: so no other's bytes come in between. */

static inline bool file__suits_stream(const struct loop *loop,
                                      struct file *file, const void *buffer,
                                      size_t length) {
  const unsigned ways = FILE_READ_HERE | FILE_WRITE_HERE;
  return !inject_is_on() && buffer && length > 0 && length <= TRY_MAX &&
         length <= transfer_max(loop->max_transfer) && !loop->cancelling &&
         (atomic_load_explicit(&file->state, memory_order_relaxed) & ways);
}

/* Keeps the file, with the turn; with the baton. The long way has bound it. */
static inline bool file__take_here(struct file *file, const struct loop *loop,
                                   bool write) {
  const unsigned way = write ? FILE_WRITE_HERE : FILE_READ_HERE;
  if (atomic_load(&file->loop_number) != loop->number || !file__take(file))
    return false;
  unsigned state = atomic_load(&file->state);
  bool taken =
      (state & (FILE_OPEN | FILE_CLOSING | way)) == (FILE_OPEN | way) &&
      !file->turns[write ? TURN_WRITE : TURN_READ].holder;
  if (!taken)
    file__drop(file);
  return taken;
}

/* Of the op only the io is used, and the place for its part. */
__attribute__((always_inline)) static inline bool file__start_io(
    struct op *op, struct loop *loop, struct file *file, bool write,
    void *buffer, size_t length) {
  poison_check(buffer, length);
  op->u.transfer.piece = (struct ovio_iovec){buffer, length};
  op->io.transfer = (struct os_transfer){.file = &file->os,
                                         .iov = &op->u.transfer.piece,
                                         .offset = OVIO_HERE,
                                         .count = 1,
                                         .write = write};
  return os_port_start(loop->port, &op->io);
}

/* After the start: is there something left to be done? */
static inline bool file__is_over(const struct op *op, bool pending) {
  const struct os_transfer *io = &op->io.transfer;
  return !pending &&
         (!io->write || op->io.result.value == (int64_t)io->iov->iov_len);
}

/* Its transfer is that which the io has begun; true: there is more to do. */
static bool file__fill_begun(struct op *op, struct file *file, bool pending) {
  const struct ovio_iovec whole = op->u.transfer.piece;
  const struct request request = {
      file, &whole, 1, OVIO_HERE, op->io.transfer.write, false};
  struct transfer *transfer = &op->u.transfer;
  file__fill_transfer(transfer, &request, op->loop);
  transfer->single = true;
  transfer->buffer = whole.iov_base;
  transfer->length = whole.iov_len;
  transfer->piece = whole;
  transfer->asked = (uint32_t)whole.iov_len; /* TRY_MAX at most */
  return pending || transfer_advance(transfer, op->io.result.value);
}

/* Makes an op of it, which nobody waits for yet, and leaves the file; false: it
 * is over, and the result in the io. */
__attribute__((always_inline)) static inline bool file__go_on_here(
    struct op *op, enum op_code code, struct loop *loop, struct file *file,
    bool pending) {
  op_init_around_io(op, code, file);
  op->loop = loop;
  op->turn = op->io.transfer.write ? TURN_WRITE : TURN_READ;
  bool more = code != OP_TRANSFER || file__fill_begun(op, file, pending);
  int error = more ? file__register(file, op) : 0;
  CHECK(error == 0); /* the turn is free, and no close has begun */
  file__drop(file);
  if (!more)
    op->io.result.value = transfer_result(&op->u.transfer);
  return more;
}

/* With the baton. */
__attribute__((always_inline)) static inline struct os_result file__move_here(
    struct task *task, struct file *file, bool write, void *buffer,
    size_t length) {
  struct op op;
  struct loop *loop = task->loop;
  if (!task_may_begin(task) || !file__take_here(file, loop, write))
    return (struct os_result){LONG_WAY, 0};
  bool pending = file__start_io(&op, loop, file, write, buffer, length);
  if (file__is_over(&op, pending))
    file__drop(file);
  else if (file__go_on_here(&op, write ? OP_TRANSFER : OP_RECEIVE, loop, file,
                            pending))
    op_go_on(&op, task, pending);
  if (!write && op.io.result.value == OVIO_ENOBUFS)
    op.io.result.value = LONG_WAY; /* which asks for less */
  return op.io.result;
}

__attribute__((always_inline)) static inline struct os_result file__try_here(
    struct file *file, bool write, void *buffer, size_t length) {
  struct runner *runner = runner_current();
  struct task *task = runner ? runner->task : NULL;
  if (!task || !file__suits_stream(task->loop, file, buffer, length))
    return (struct os_result){LONG_WAY, 0};
  loop_enter(task->loop);
  struct os_result result = file__move_here(task, file, write, buffer, length);
  loop_leave(task->loop);
  if (result.value != LONG_WAY)
    task_give_way(task, loop_runner(task->loop));
  return result;
}

/* The same for a callback, with the baton: LONG_WAY, a result that is left to
 * be delivered, or UNDER_WAY. The op is the caller's. */
#define UNDER_WAY (INT64_MIN + 1)

static struct os_result file__start_in_turn(struct op *op, struct loop *loop,
                                            struct file *file, bool write,
                                            void *buffer, size_t length,
                                            ovio_done *done) {
  if (!file__take_here(file, loop, write))
    return (struct os_result){LONG_WAY, 0};
  bool pending = file__start_io(op, loop, file, write, buffer, length);
  if (file__is_over(op, pending)) {
    file__drop(file);
    if (op->io.result.value == OVIO_ENOBUFS)
      op->io.result.value = LONG_WAY; /* which asks for less */
  } else if (file__go_on_here(op, OP_TRANSFER, loop, file, pending)) {
    op_start_begun(op, done, pending);
    return (struct os_result){UNDER_WAY, 0};
  }
  return op->io.result;
}

/* false: it has to go the long way. */
__attribute__((noinline)) static bool file__start_here(
    struct loop *loop, struct op *op, struct file *file, bool write,
    void *buffer, size_t length, ovio_done *done) {
  if (!op || !done || !loop_is_current(loop) ||
      !file__suits_stream(loop, file, buffer, length) || !op_take(op))
    return false;
  loop_enter(loop);
  struct os_result result =
      file__start_in_turn(op, loop, file, write, buffer, length, done);
  loop_leave(loop);
  if (result.value == LONG_WAY)
    op_give_back(op);
  else if (result.value != UNDER_WAY)
    op_start_finished(op, loop, done, result);
  return result.value != LONG_WAY;
}

__attribute__((noinline)) static int64_t file__move_long(
    struct file *file, bool write, void *buffer, size_t length, int64_t offset,
    bool tried) {
  struct ovio_iovec whole = {buffer, length};
  const struct request request = {file, &whole, 1, offset, write, tried};
  return file__transfer(&request);
}

__attribute__((noinline)) static int64_t file__move_stream(struct file *file,
                                                           bool write,
                                                           void *buffer,
                                                           size_t length) {
  struct os_result result = file__try_here(file, write, buffer, length);
  if (result.value >= 0)
    return result.value;
  if (result.value != LONG_WAY)
    return runner_answer(result.value, result.native);
  return file__move_long(file, write, buffer, length, OVIO_HERE, false);
}

__attribute__((always_inline)) static inline int64_t file__move(
    struct file *file, bool write, void *buffer, size_t length,
    int64_t offset) {
  if (file && offset == OVIO_HERE)
    return file__move_stream(file, write, buffer, length);
  if (!file__is_short(file, buffer, length, offset))
    return file__move_long(file, write, buffer, length, offset, false);
  struct runner *runner = runner_current();
  struct os_result result =
      runner ? file__move_in_task(runner, file, write, buffer, length, offset)
             : file__move_plainly(file, write, buffer, length, offset);
  if (result.value >= 0)
    return result.value;
  if (result.value != LONG_WAY)
    return runner_answer(result.value, result.native);
  return file__move_long(file, write, buffer, length, offset,
                         result.native != 0);
}

int64_t ovio_read(struct ovio_file *file, void *buffer, size_t length,
                  int64_t offset) {
  return file__move(file_of(file), false, buffer, length, offset);
}

int64_t ovio_write(struct ovio_file *file, const void *buffer, size_t length,
                   int64_t offset) {
  return file__move(file_of(file), true, (void *)(uintptr_t)buffer, length,
                    offset);
}

/* `whole`: the vector is one buffer's and does not outlive this call. */
static int file__start_transfer(struct ovio_loop *loop,
                                struct ovio_op *public_op,
                                const struct request *request, bool whole,
                                ovio_done *done) {
  struct op *op;
  int error = op_claim(public_op, (struct loop *)loop, done, OP_TRANSFER,
                       request->file, &op);
  if (error)
    return error;
  int64_t length = file__check(request);
  if (length < 0)
    return op_unclaim(op, (int)length);
  if (length == 0) {
    op->code = OP_POST; /* nothing is sent: it only has to be delivered */
    op->file = NULL;
    return op_start(op);
  }
  poison_check_parts(request->iov, request->count);
  op->turn = file__turn(request);
  op->tried = request->tried;
  file__fill_transfer(&op->u.transfer, request, (struct loop *)loop);
  if (whole) {
    op->u.transfer.single = true;
    op->u.transfer.buffer = request->iov->iov_base;
    op->u.transfer.length = request->iov->iov_len;
  }
  return op_start(op);
}

int ovio_start_readv(struct ovio_loop *loop, struct ovio_op *op,
                     struct ovio_file *file, const struct ovio_iovec *iov,
                     size_t count, int64_t offset, ovio_done *done) {
  struct request request = {
      .file = file_of(file), .iov = iov, .count = count, .offset = offset};
  return file__start_transfer(loop, op, &request, false, done);
}

int ovio_start_writev(struct ovio_loop *loop, struct ovio_op *op,
                      struct ovio_file *file, const struct ovio_iovec *iov,
                      size_t count, int64_t offset, ovio_done *done) {
  struct request request = {.file = file_of(file),
                            .iov = iov,
                            .count = count,
                            .offset = offset,
                            .write = true};
  return file__start_transfer(loop, op, &request, false, done);
}

__attribute__((noinline)) static int file__start_long(
    struct ovio_loop *loop, struct ovio_op *op, struct file *file, bool write,
    const struct ovio_iovec *whole, int64_t offset, ovio_done *done,
    bool tried) {
  const struct request request = {file, whole, 1, offset, write, tried};
  return file__start_transfer(loop, op, &request, true, done);
}

/* On the loop's thread: it is done at once, and only delivered later. */
__attribute__((always_inline)) static inline struct os_result file__start_short(
    struct loop *loop, struct op *op, struct file *file, bool write,
    void *buffer, size_t length, int64_t offset, ovio_done *done) {
  struct os_result result = {LONG_WAY, false};
  if (!op || !done || !file__is_short(file, buffer, length, offset) ||
      !loop_is_current(loop) || !file__suits_loop(loop, file, write, length) ||
      !op_take(op))
    return result;
  result = file__move_on_loop(file, write, buffer, length, offset);
  if (result.value == LONG_WAY)
    op_give_back(op);
  else
    op_start_finished(op, loop, done, result);
  return result;
}

__attribute__((always_inline)) static inline int file__start_move(
    struct ovio_loop *loop, struct ovio_op *op, struct file *file, bool write,
    void *buffer, size_t length, int64_t offset, ovio_done *done) {
  if (file && offset == OVIO_HERE &&
      file__start_here((struct loop *)loop, (struct op *)(void *)op, file,
                       write, buffer, length, done))
    return 0;
  struct os_result result =
      file__start_short((struct loop *)loop, (struct op *)(void *)op, file,
                        write, buffer, length, offset, done);
  if (result.value != LONG_WAY)
    return 0;
  const struct ovio_iovec whole = {buffer, length};
  return file__start_long(loop, op, file, write, &whole, offset, done,
                          result.native != 0);
}

int ovio_start_read(struct ovio_loop *loop, struct ovio_op *op,
                    struct ovio_file *file, void *buffer, size_t length,
                    int64_t offset, ovio_done *done) {
  return file__start_move(loop, op, file_of(file), false, buffer, length,
                          offset, done);
}

int ovio_start_write(struct ovio_loop *loop, struct ovio_op *op,
                     struct ovio_file *file, const void *buffer, size_t length,
                     int64_t offset, ovio_done *done) {
  return file__start_move(loop, op, file_of(file), true,
                          (void *)(uintptr_t)buffer, length, offset, done);
}

/* ---- the other calls ---- */

static int file__check_open(struct ovio_file *file, unsigned needs) {
  if (!file)
    return OVIO_EINVAL;
  if (!(atomic_load(&file_of(file)->state) & FILE_OPEN))
    return OVIO_EBADF;
  return (file_of(file)->flags & needs) == needs ? 0 : OVIO_EBADF;
}

int file_check_disk(struct ovio_file *file, unsigned needs) {
  int error = file__check_open(file, needs);
  if (error)
    return error;
  return file_of(file)->os.kind == OS_KIND_DISK ? 0 : OVIO_ESPIPE;
}

int ovio_sync(struct ovio_file *file, unsigned flags) {
  int error = file__check_open(file, 0);
  if (!error && (flags & ~OVIO_DATA_ONLY))
    error = OVIO_EINVAL;
  if (error)
    return (int)runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_SYNC, file_of(file));
  op.u.sync_flags = flags;
  return (int)op_perform(&op);
}

static int file__check_truncate(struct ovio_file *file, int64_t size) {
  int error = file_check_disk(file, OVIO_WRITE);
  return !error && size < 0 ? OVIO_EINVAL : error;
}

int ovio_truncate(struct ovio_file *file, int64_t size) {
  int error = file__check_truncate(file, size);
  if (error)
    return (int)runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_TRUNCATE, file_of(file));
  op.u.size = size;
  return (int)op_perform(&op);
}

int64_t ovio_size(struct ovio_file *file) {
  int error = file_check_disk(file, 0);
  if (error)
    return runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_SIZE, file_of(file));
  return op_perform(&op);
}

int64_t ovio_seek(struct ovio_file *file, int64_t offset, int whence) {
  int error = file_check_disk(file, 0);
  if (!error && whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
    error = OVIO_EINVAL;
  if (error)
    return runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_SEEK, file_of(file));
  op.turn = TURN_POSITION;
  op.u.seek.offset = offset;
  op.u.seek.whence = whence;
  return op_perform(&op);
}

int ovio_stat(struct ovio_file *file, struct ovio_stat *out) {
  int error = out ? file__check_open(file, 0) : OVIO_EINVAL;
  if (error)
    return (int)runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_STAT, file_of(file));
  op.u.stat.out = out;
  return (int)op_perform(&op);
}

int ovio_set_times(struct ovio_file *file, int64_t access_ns,
                   int64_t modify_ns) {
  int error = file__check_open(file, OVIO_WRITE);
  if (error)
    return (int)runner_answer(error, 0);
  struct op op;
  op_init(&op, OP_SET_TIMES, file_of(file));
  op.u.times.access_ns = access_ns;
  op.u.times.modify_ns = modify_ns;
  return (int)op_perform(&op);
}

/* Claims the op of a call other than a transfer, after its checks. */
static int file__claim(struct ovio_loop *loop, struct ovio_op *public_op,
                       struct ovio_file *file, enum op_code code, int error,
                       ovio_done *done, struct op **op) {
  int claimed =
      op_claim(public_op, (struct loop *)loop, done, code, file_of(file), op);
  if (claimed)
    return claimed;
  return error ? op_unclaim(*op, error) : 0;
}

int ovio_start_sync(struct ovio_loop *loop, struct ovio_op *public_op,
                    struct ovio_file *file, unsigned flags, ovio_done *done) {
  struct op *op;
  int error = file__check_open(file, 0);
  if (!error && (flags & ~OVIO_DATA_ONLY))
    error = OVIO_EINVAL;
  error = file__claim(loop, public_op, file, OP_SYNC, error, done, &op);
  if (error)
    return error;
  op->u.sync_flags = flags;
  return op_start(op);
}

int ovio_start_truncate(struct ovio_loop *loop, struct ovio_op *public_op,
                        struct ovio_file *file, int64_t size, ovio_done *done) {
  struct op *op;
  int error = file__check_truncate(file, size);
  error = file__claim(loop, public_op, file, OP_TRUNCATE, error, done, &op);
  if (error)
    return error;
  op->u.size = size;
  return op_start(op);
}

int ovio_start_stat(struct ovio_loop *loop, struct ovio_op *public_op,
                    struct ovio_file *file, struct ovio_stat *out,
                    ovio_done *done) {
  struct op *op;
  int error = out ? file__check_open(file, 0) : OVIO_EINVAL;
  error = file__claim(loop, public_op, file, OP_STAT, error, done, &op);
  if (error)
    return error;
  op->u.stat.out = out;
  return op_start(op);
}
