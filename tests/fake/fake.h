/* SPDX-License-Identifier: MIT */
/* A system in memory: the third implementer of common/os.h.
 *
 * One real thread. What common/ starts as threads, workers and a loop's own,
 * are contexts which run in slices, while somebody waits, and wherever a lock
 * is taken. Which one, and for how long, is the generator's choice, as is all
 * that this system may do as it likes: when an operation ends, how much of it,
 * and with which error, what a cancel still finds, which wake-up has no cause.
 * So a seed is a run.
 *
 * Time stands still, save where somebody waits for it.
 *
 * From posix/ come context.c with its switch and native.c, for a stack needs a
 * mapping and an assembler, and error.c, which is a table. */
#ifndef OVIO_TESTS_FAKE_H
#define OVIO_TESTS_FAKE_H

#include "common/check.h"
#include "common/os.h"

enum { FAKE_DISKS = 8, FAKE_DISK_MAX = 1 << 18, FAKE_HANDLES = 256 };
enum { FAKE_BLOCK = 16 }; /* of a direct file */
enum {
  FAKE_NODES = 128
}; /* files, of which each has a disk, and directories */

/* What handles stand for. */
struct fake_disk {
  int64_t size;
  uint8_t bytes[FAKE_DISK_MAX];
};

struct fake_pipe {
  size_t room;
  size_t used;
  size_t at;
  unsigned ends[2];   /* open handles: which read, which write */
  bool ready[2];      /* for them */
  uint64_t ceased[2]; /* the moment at which it was no longer */
  uint8_t bytes[4096];
};

struct fake_handle {
  bool open;
  unsigned pending; /* ios of a port that move something */
  unsigned awaited; /* those that wait for it to be ready */
  unsigned waiting; /* of these, by direction, on a stream: bits */
  unsigned long faults;
  int64_t position;
  struct fake_node *node;    /* a file or directory */
  unsigned listed;           /* so far */
  struct fake_disk *disk;    /* one of these three; of a directory, none */
  struct fake_pipe *ways[2]; /* to be read, to be written; or NULL */
  struct fake_listener *listener;
  const bool *child_ended; /* of a child to be waited for */
};

/* Begins anew. Nothing of the last run may be left: fake_is_empty(). */
void fake_reset(uint64_t seed);
bool fake_is_empty(void);
uint64_t fake_random(void);
bool fake_chance(unsigned percent);

/* A generator of its own: the next number of *state. */
uint64_t fake_next(uint64_t *state);
/* The same, but bytes of an input instead, as long as there are any: each is
 * one decision of the system or the program. */
uint64_t fake_draw(uint64_t *state);
void fake_feed(const uint8_t *input, size_t length);

struct fake_handle *fake_handle_of(const struct os_file *file); /* open */
struct fake_handle *fake_handle_at(intptr_t handle);
struct fake_handle *fake_handle_open(struct os_file *file, unsigned kind);
void fake_handle_close(struct fake_handle *handle);
/* It lets go of its pipes, or of its name. */
void fake_handle_leave(struct fake_handle *handle);
/* What the system tells of it. */
void fake_describe(struct os_file *file, intptr_t handle, unsigned kind);
struct fake_disk *fake_disk_of(unsigned number);
/* Errors that the handle has answered so far. */
unsigned long fake_faults(intptr_t handle);
struct os_result fake_fault(struct fake_handle *handle, int64_t value);
/* Bytes that the pipe of a handle holds. */
size_t fake_room(intptr_t handle, bool write);
/* Now; and whether a pipe's handle has been ready since then. */
uint64_t fake_moment(void);
bool fake_was_ready(intptr_t handle, bool write, uint64_t since);
void fake_count_fault(void);
/* All that there have been. */
unsigned long fake_all_faults(void);
/* Files without handles. */
void fake_file_reset(void);
void fake_name_reset(void);
bool fake_file_is_empty(void);

/* A handle is, or is no longer, one of a file or directory; what it does. */
void fake_node_enter(struct fake_handle *handle, struct fake_node *node);
void fake_node_leave(struct fake_handle *handle);
void fake_node_write(const struct fake_handle *handle);
void fake_node_sync(const struct fake_handle *handle);
void fake_node_stamp(const struct fake_handle *handle);

struct fake_node *fake_node_at(const char *path); /* or NULL */
struct fake_node *fake_node_parent(const struct fake_node *node);
const char *fake_node_name(const struct fake_node *node);
/* `kind`: enum os_change_kind, of a name in a directory; that itself has gone.
 */
void fake_watch_tell(unsigned kind, const struct fake_node *parent,
                     const char *name, bool directory, uint32_t cookie);
void fake_watch_gone(const struct fake_node *node);
uint32_t fake_watch_cookie(void);

/* Another handle of one of a handle's ways. */
void fake_pipe_share(struct fake_handle *handle, const struct fake_handle *from,
                     bool write);

/* What the children of this world do, with the number that is their first
 * argument: their exit code. Each has a stream 0 to be read, 1 and 2 to be
 * written; OVIO_ECANCELED: it is killed, and is to return. */
struct fake_child;
extern unsigned (*fake_program)(struct fake_child *child, unsigned long number);
int64_t fake_child_move(struct fake_child *child, unsigned stream, void *buffer,
                        size_t length);
/* 0: until it is killed. */
void fake_child_sleep(struct fake_child *child, uint64_t duration_ns);
void fake_child_close(struct fake_child *child, unsigned stream);
/* It has not been collected. */
bool fake_child_is_there(unsigned long number);
/* Those that were let go of. */
void fake_end_children(void);

/* What has that name, from the root. */
struct fake_look {
  uint32_t kind; /* OVIO_TYPE_*; 0: nothing */
  bool safe;     /* bytes and name are on the disk */
  const struct fake_disk *disk;
};
struct fake_look fake_look_at(const char *path);
/* Something whose name begins so, though no removal has failed. */
bool fake_is_left_behind(const char *prefix);

/* One try to move bytes, or to accept; OVIO_EWOULDBLOCK. Nobody else runs
 * meanwhile. */
struct os_result fake_sync(const struct os_file *file);
struct os_result fake_attempt(const struct os_transfer *transfer);
struct os_result fake_attempt_pipe(struct fake_handle *handle,
                                   const struct os_transfer *transfer);
struct os_result fake_attempt_accept(const struct os_file *listener);
/* Of a transfer: all bytes of the buffers, and one of them. */
size_t fake_total(const struct os_transfer *transfer);
uint8_t *fake_byte(const struct os_transfer *transfer, size_t at);
/* Often fewer, by whole blocks. */
size_t fake_shorten(size_t bytes, size_t block);

/* Runs a slice of one of the threads; false: none could do anything. */
bool fake_run_threads(void);
bool fake_on_thread(void);
/* One that is no loop's. */
bool fake_on_worker(void);
/* Waits end for no reason in this run. */
bool fake_is_restless(void);
/* Lets somebody else run. */
void fake_slice(void);
/* Ends a slice. `idle`: nothing has come of it. */
void fake_pause(bool idle);
/* Lets others go on, and time if nobody can; begin with a zeroed one. */
struct fake_wait {
  unsigned rounds;
  unsigned still;
};
void fake_wait(struct fake_wait *wait, const char *where);
/* The same, and time goes on to then if there is nothing before. */
void fake_wait_until(struct fake_wait *wait, int64_t until_ns,
                     const char *where);
/* Lets time pass. */
void fake_advance(int64_t to_ns);
/* Called before time passes because nobody has anything to do; or NULL. */
extern void (*fake_before_time)(int64_t to_ns);
/* When a port has something to do where anybody waits; else INT64_MAX. */
int64_t fake_port_next_ns(void);
bool fake_port_is_waited_at(const struct os_port *port);
bool fake_waiter_is_raised(struct os_waiter *waiter);

/* Says so and stops the process. */
_Noreturn void fake_hang(const char *where);

#endif
