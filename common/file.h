/* SPDX-License-Identifier: MIT */
/* Files: the public object, its turns, and the operations in flight on it. */
#ifndef OVIO_COMMON_FILE_H
#define OVIO_COMMON_FILE_H

#include "common/op.h"

/* Turns: one op at a time, in order of arrival. A disk file has one for all
 * that use its position; a stream has one for each direction. */
enum file_turn { TURN_POSITION = 0, TURN_READ = 0, TURN_WRITE = 1, TURN_NONE };

struct turn {
  struct op *holder;
  struct op *last; /* of those that wait, a ring by op->turn_next; or NULL */
};

/* file->state: bits, and above them the number of threads in a short call. */
#define FILE_OPEN       1u
#define FILE_CLOSING    2u
#define FILE_READ_AT    4u  /* one system call reads a buffer at an offset */
#define FILE_WRITE_AT   8u  /* or writes it */
#define FILE_TRY        16u /* os_file_transfer_try() is worth a call */
#define FILE_INLINE     32u /* may block a loop's thread */
#define FILE_READ_HERE  64u /* can be started before there is an op */
#define FILE_WRITE_HERE 128u
#define FILE_WAYS                                                              \
  (FILE_READ_AT | FILE_WRITE_AT | FILE_TRY | FILE_INLINE | FILE_READ_HERE |    \
   FILE_WRITE_HERE)
#define FILE_USER       256u

#define FILE_UNBOUND    0u
#define FILE_UNBINDABLE UINT64_MAX

/* Zeroed is closed. */
struct file {
  struct os_file os; /* `position`: the holder's of TURN_POSITION; not
                        SYSTEM_POSITION */
  atomic_uint state;
  unsigned flags;               /* as given to open or adopt */
  _Atomic uint64_t loop_number; /* whose port it is bound to */
  struct os_lock lock;
  struct op *ops; /* in flight; from here on under `lock` */
  struct turn turns[2];
  struct op *closer; /* waits for `ops` to be empty */
};

struct file *file_of(struct ovio_file *file);
/* 0 if names can be looked up in it; NULL, the current directory, is fine. */
int file_check_directory(struct ovio_file *dir);
/* 0 if it has offsets, and was opened for `needs`: OVIO_READ, OVIO_WRITE. */
int file_check_disk(struct ovio_file *file, unsigned needs);
/* Makes an open file of a closed one; the handle is the file's from then on. */
void file_install(struct file *file, const struct os_file *os, unsigned flags);

/* Adds an op to those in flight and asks for its turn (op->granted).
 * OVIO_EBADF; for a plain thread also OVIO_EDEADLK, when those before it cannot
 * end, and OVIO_EWOULDBLOCK. */
int file_register(struct file *file, struct op *op);
/* The op is over: passes the turn on, and wakes a close that waited. */
void file_unregister(struct file *file, struct op *op);
/* Leaves the queue for the turn; false: the turn has come already. */
bool file_abandon_turn(struct file *file, struct op *op);

/* Keeps the file open for another process that gets its handle, and tells the
 * handle the file's own position. OVIO_EBADF, OVIO_EBUSY. */
int file_lend(struct file *file);
void file_unlend(struct file *file);

/* Begins a close: no new ops, those in flight are asked to end. `op->granted`
 * when there are none. OVIO_EBADF, OVIO_EBUSY, OVIO_EDEADLK. */
int file_begin_close(struct file *file, struct op *op);
/* The system calls of a close and of an open. */
struct os_result file_close_now(struct file *file);
struct os_result file_open_now(struct file *file, struct op *op);
/* A listener has got a client: makes `out` the file of it. */
struct os_result file_accept_now(struct file *listener, struct file *out,
                                 int64_t value);

/* Do its transfers go through this loop's port? The loop's thread calls; the
 * first call binds it, once and for ever. Otherwise a worker has to wait. */
bool file_uses_port(struct file *file, struct loop *loop);

/* os_file_transfer_try() said OVIO_ENOTSUP: it is not asked again. */
void file_forget_try(struct file *file);

/* A transfer has its turn: where it begins. 0, or an error, or 1: there is
 * nothing to be moved (the end of the file). */
int file_place_transfer(struct file *file, struct transfer *transfer);
/* It is through: moves the position. */
void file_move_position(struct file *file, const struct transfer *transfer);
struct os_result file_seek_now(struct file *file, int64_t offset, int whence);

#endif
