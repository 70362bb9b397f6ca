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

/* What handles stand for. */
struct fake_disk {
  int64_t size;
  uint8_t bytes[FAKE_DISK_MAX];
};

struct fake_pipe {
  size_t room;
  size_t used;
  size_t at;
  unsigned ends[2]; /* open handles of each */
  uint8_t bytes[4096];
};

struct fake_handle {
  bool open;
  bool writes;
  unsigned pending; /* ios of a port */
  unsigned waiting; /* of these, by direction, on a stream: bits */
  unsigned long faults;
  int64_t position;
  struct fake_disk *disk; /* one of these two */
  struct fake_pipe *pipe;
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

struct fake_handle *fake_handle_of(const struct os_file *file);
struct fake_disk *fake_disk_of(unsigned number);
/* Errors that the handle has answered so far. */
unsigned long fake_faults(intptr_t handle);
/* Bytes that the pipe of a handle holds. */
size_t fake_room(intptr_t handle);
/* Files without handles. */
void fake_file_reset(void);
bool fake_file_is_empty(void);

/* One try to move bytes; OVIO_EWOULDBLOCK. */
struct os_result fake_attempt(const struct os_transfer *transfer);

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
/* Lets time pass. */
void fake_advance(int64_t to_ns);
/* Called before time passes because nobody has anything to do; or NULL. */
extern void (*fake_before_time)(int64_t to_ns);
/* When the port has something to do, if anybody waits there; else INT64_MAX. */
int64_t fake_port_next_ns(void);
bool fake_port_is_waited_at(void);
bool fake_waiter_is_raised(struct os_waiter *waiter);

/* Says so and stops the process. */
_Noreturn void fake_hang(const char *where);

#endif
