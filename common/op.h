/* SPDX-License-Identifier: MIT */
/* Operations: what a blocking call or an ovio_start_*() wants done, and the
 * resume node by which the one who waits goes on. */
#ifndef OVIO_COMMON_OP_H
#define OVIO_COMMON_OP_H

#include <stdatomic.h>

#include "common/node.h"
#include "common/os.h"
#include "common/timer.h"
#include "common/transfer.h"

struct file;
struct lane;
struct loop;
struct task;

enum op_code {
  OP_TRANSFER = 1,
  OP_SEEK,
  OP_SYNC,
  OP_TRUNCATE,
  OP_SIZE,
  OP_STAT,
  OP_SET_TIMES,
  OP_OPEN,
  OP_CLOSE,
  OP_SLEEP,
  OP_POST,
  OP_CALL,
  OP_WAIT,    /* an OP_CALL that ends when others do something */
  OP_CLEANUP, /* an OP_CALL that nothing cancels, and that is done by any means
               */
  OP_READY,
  OP_ACCEPT,
  OP_RECEIVE /* a read of a stream that one system call does: its io is all */
};

/* OP_CALL: a system call which may block, and needs nothing else of an op. With
 * a waiter it gives up when interrupted, where it can. */
typedef struct os_result op_call(void *argument, struct os_waiter *waiter);

/* Where an active op is; changed by the loop's thread alone. */
enum op_phase {
  OP_ARRIVING, /* its loop has not seen it yet, or it gave way to others */
  OP_QUEUED,   /* waits for its turn at the file, or a close for the others */
  OP_PORT,     /* the kernel's */
  OP_WORKER,   /* a worker's, or queued for one */
  OP_TIMER,
  OP_FINISHED, /* the result stands; delivery is queued */
  OP_HELD      /* delivery waits for the cancel message to come by */
};

/* op->state: what other threads may look at. Only while it is ACTIVE do the
 * other fields stand still for them. */
#define OP_CLAIMED      1u /* being filled in */
#define OP_ACTIVE       2u
#define OP_STUBBORN     4u /* a close and the like: cannot be cancelled */
#define OP_CANCEL_ASKED 8u /* cancel_link is in the loop's inbox */

/* See common/guard.h. */
#if !defined(NDEBUG) || defined(OVIO_TESTING)
#define OP_GUARDED 1
#else
#define OP_GUARDED 0
#endif

/* Bytes that are tried at once: the loop's thread copies no more. */
#define TRY_MAX (256 * 1024)

/* Blocks one plain thread until another wakes it. */
struct parker {
  struct os_lock lock;
  struct os_cond cond;
  bool woken;
};

/* What is never in use at the same time shares a place: there may be many. */
struct op {
  union {
    struct os_io io; /* first: the port gives its address back. io.result is the
                        op's, by whatever way it comes */
    struct {
      char io_head[offsetof(struct os_io, native)];
      union {                 /* while `io` is not the port's */
        struct timer timer;   /* `timed`: OP_TIMER; OP_WORKER: the next
                                 interruption */
        struct op *turn_next; /* in the file's queue */
        struct lane *lanes;   /* `laned`: its chunks at the port side by side */
      };
    };
  };
  struct node link;                   /* inbox, ready list or worker queue */
  struct node cancel_link;            /* inbox */
  struct op *file_before, *file_next; /* file->ops */
  struct op *loop_before, *loop_next; /* loop->ops; not `by_task` */
  /* From here to `state`, op_init() makes it blank. */
  struct loop *loop; /* NULL: a plain thread's */
  struct file
      *file; /* NULL for OP_SLEEP, OP_POST, OP_READY; may be for OP_CALL */
  union {
    struct task *task;     /* `by_task`: resumed at the end */
    ovio_done *done;       /* of a loop: called at the end */
    struct parker *parker; /* of a plain thread, which waits there */
  };
  unsigned char code;
  unsigned char phase;   /* also under the file's lock for ARRIVING -> QUEUED */
  unsigned char turn;    /* which of the file's turns; TURN_NONE */
  unsigned char retries; /* OP_WORKER: interruptions so far */
  int16_t injected;      /* common/inject.h: 0: not met; < 0: the error */
  atomic_bool cancelled; /* asked for: no further chunk is begun */
  atomic_bool granted;   /* has its turn; set under the file's lock */
  bool by_task;          /* see above */
  /* Bits: his alone who moves the op on. */
  bool timed : 1;     /* the timer is armed */
  bool laned : 1;     /* its chunks are in lanes */
  bool at_once : 1;   /* was granted when it came, by the caller itself */
  bool linked : 1;    /* in the ops of its file; an open: of its directory */
  bool expired : 1;   /* by a deadline: ETIMEDOUT instead of ECANCELED */
  bool suspended : 1; /* its task waits */
  bool tried : 1;     /* it is not in the page cache */
  bool alone : 1;     /* the next chunk: the last was short, or failed */
  atomic_uint state;  /* zeroed by the user, then its own */
  union {
    struct transfer transfer;
    struct {
      const char *path;
      struct file *dir;
      unsigned flags;
      unsigned mode;
    } open;
    struct {
      int64_t offset;
      int whence;
    } seek;
    struct {
      struct ovio_stat *out;
    } stat;
    struct {
      int64_t access_ns;
      int64_t modify_ns;
    } times;
    struct {
      op_call *run;
      void *argument;
      int64_t pause_ns; /* of OVIO_EWOULDBLOCK: it is called again after that */
      bool brief;       /* it costs less than a wake-up, as a rule */
    } call;
    struct {
      struct os_file file; /* nobody's: it only names the handle */
    } ready;
    struct {
      struct file *out;
    } accept;
    unsigned sync_flags;
    int64_t size;
    int64_t due_ns; /* OP_SLEEP */
  } u;
#if OP_GUARDED
  _Atomic uint64_t mark; /* guard_mark(): valid while ACTIVE */
#endif
};

/* A blank op of a blocking call, on the caller's stack; its io is blank, too,
 * or has been started. */
void op_init(struct op *op, enum op_code code, struct file *file);
void op_init_around_io(struct op *op, enum op_code code, struct file *file);
/* A public op for a callback: OVIO_EINVAL, OVIO_EBUSY. */
int op_claim(struct ovio_op *public_op, struct loop *loop, ovio_done *done,
             enum op_code code, struct file *file, struct op **op);
/* Gives a claimed op back that was not started. */
int op_unclaim(struct op *op, int error);
/* The same in two steps, for a transfer that is over when it starts: the op is
 * the caller's, if it was idle; on the loop's thread, only its delivery is
 * left.
 */
static inline bool op_take(struct op *op) {
  unsigned idle = 0;
  return atomic_compare_exchange_strong(&op->state, &idle, OP_CLAIMED);
}
static inline void op_give_back(struct op *op) {
  atomic_store(&op->state, 0);
}
void op_start_finished(struct op *op, struct loop *loop, ovio_done *done,
                       struct os_result result);
/* It cannot be cancelled, and is done by any means. */
bool op_is_stubborn(const struct op *op);
/* Nothing can refuse it any more: from here on, others may ask it to end. */
void op_activate(struct op *op);

/* Does it, the way the caller's context asks for, and returns its result. */
int64_t op_perform(struct op *op);
/* The same for an OP_CALL; `file`, if any, stays open meanwhile. */
int64_t op_perform_call(struct file *file, op_call *run, void *argument);
/* The same for what costs less than a wake-up, as a rule: common/worker.c. */
int64_t op_perform_brief(struct file *file, op_call *run, void *argument);
/* An OP_CALL again and again as long as it answers OVIO_EWOULDBLOCK, after
 * pauses that grow; to `file` this is one operation. Not in a callback. */
int64_t op_perform_insistent(struct file *file, op_call *run, void *argument);
/* An OP_WAIT, without a file. */
int64_t op_perform_wait(op_call *run, void *argument);
/* An OP_CLEANUP: for what must be undone also by a task that was cancelled.
 * `run` must end soon by itself. */
int64_t op_perform_cleanup(op_call *run, void *argument);
/* A transfer that has entered its file and has its turn, at the port, where its
 * io may be pending: what is left of it. With the baton; nobody has cancelled
 * the task or loop. A task waits for its end. */
void op_go_on(struct op *op, struct task *task, bool pending);
void op_start_begun(struct op *op, ovio_done *done, bool pending);
/* Starts it on its loop, from any thread. */
int op_start(struct op *op);

/* The system calls of an op, on this thread; sets result and native. */
void op_execute(struct op *op, struct os_waiter *waiter);

/* For the loop's thread alone. */
void op_finish(struct op *op, int64_t result);
void op_cancel_now(struct op *op);
/* Has come out of the port. */
void op_on_port(struct os_io *io);
/* For any thread that knows the op to be there (e.g. by the file's lock). Sends
 * the loop a message, never calls back. OVIO_ENOENT, OVIO_ENOTSUP. */
int op_ask_cancel(struct op *op);
/* Its turn has come. Under the file's lock. */
void op_grant(struct op *op);
/* Its worker is through with it. `wakes`: also a loop that only dozes. */
void op_from_worker(struct op *op, bool wakes);
/* What was submitted to workers goes there. true: the loop may only doze. */
bool op_hand_over(struct loop *loop);

#endif
