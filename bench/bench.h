/* SPDX-License-Identifier: MIT */
/* What the files of ovbench share.
 *
 *   ovbench.c   arguments, the settings to go through, rounds, output
 *   job.c       one setting: the order of offsets, content and its check
 *   variant.c   finding the variants of an operation
 *   file.c      the files to work on
 *   memory.c    sizes, and what a waiting task takes
 *   growth.c    many tasks, operations and files at once
 *   allocations.c   counts malloc() and its kin (linked in by --wrap)
 *   ours_*.c    what is measured
 *   raw_*.c     what it is measured against: the system itself, and peers
 *   sys_*.c     clock, threads, folders of a system
 *
 * A variant does a job of `count` operations. begin() makes what lives through
 * all rounds (a loop, a ring, threads, open files), run() is the timed part of
 * one round. All variants of a setting do the same operations in the same
 * order, with at most `depth` in flight, and pass each block through
 * job_take() and job_give(), which all cost the same. */
#ifndef OVBENCH_BENCH_H
#define OVBENCH_BENCH_H

#include <ovio.h>
#include <stdbool.h>

enum bench_op {
  BENCH_READ,
  BENCH_WRITE,
  BENCH_FILES,    /* open, read, close */
  BENCH_YIELD,    /* from a task and back: suspend and resume */
  BENCH_SPAWN,    /* a task or thread made, run and ended */
  BENCH_POST,     /* one way, from thread to thread; depth: how many a burst */
  BENCH_PINGPONG, /* a block through a pipe and back, between two threads */
  BENCH_STREAM,   /* a block through a pipe, between two threads */
  BENCH_COMPUTE,  /* tasks that only compute */
  BENCH_TIMERS,   /* deadlines armed and cancelled; depth: how many at once */
  BENCH_TASKS,    /* tasks that all wait at once, then end */
  BENCH_INFLIGHT, /* posts of a loop to itself, all in flight at once */
  BENCH_SLEEPS,   /* sleeps that are all armed at once, then due */
  BENCH_HANDLES,  /* files that are open at once: open, read, close */
  BENCH_OPS
};

/* In a variant's flags: only measured when it is named, and not checked. */
#define BENCH_HIDDEN (1u << 31)

/* OVIO_DIRECT: addresses, offsets and lengths are multiples of this. */
enum { BENCH_ALIGNMENT = 4096, BENCH_PATH = 4096 };

/* A setting, and the round of it in progress. */
struct job {
  enum bench_op op;
  const char *path; /* a file; of BENCH_FILES a folder */
  bool random;
  bool direct;
  size_t block;    /* bytes */
  size_t depth;    /* operations in flight */
  uint64_t blocks; /* in the file; files in the folder */
  uint64_t count;  /* operations a round */
  unsigned char *buffers;
  bool thorough; /* every byte is checked, not only two words a block */
  uint64_t salt; /* what is written differs from round to round */
  uint64_t begun;
  uint64_t done;
  uint64_t wrong;
  uint64_t position; /* in a stream */
  int error;         /* the first one */
};

struct variant {
  const char *name;
  enum bench_op op;
  unsigned engine; /* of the loop, where there is one */
  unsigned flags;  /* for opening the file; of others: their own */
  /* 0, or a negative OVIO_E*; OVIO_ENOTSUP: not to be had here. */
  int (*begin)(struct job *job, const struct variant *variant, void **state);
  int (*run)(struct job *job, void *state);
  void (*end)(void *state);
};

/* ---- job.c ---- */

/* Buffer `index` of `depth`. */
unsigned char *job_buffer(const struct job *job, size_t index);
/* Which block or file the operation `number` is for. */
uint64_t job_block(const struct job *job, uint64_t number);
int64_t job_offset(const struct job *job, uint64_t number);
/* Takes the next operation, and for a write fills the buffer. false: there is
 * none left. */
bool job_take(struct job *job, unsigned char *buffer, int64_t *offset);
/* Takes the next file's path. */
bool job_take_path(struct job *job, char path[BENCH_PATH], uint64_t *number);
/* An operation has come back with `result`: bytes or an error. */
void job_give(struct job *job, const unsigned char *buffer, int64_t offset,
              int64_t result);
/* One that moves no bytes. */
void job_count(struct job *job, uint64_t operations);
void job_fail(struct job *job, int error);
/* Pipes. The writer's block is job_buffer(job, 0). ping stamps it, pong checks
 * what has come back, stream what has come through. */
void job_ping(struct job *job, unsigned char *buffer);
void job_pong(struct job *job, const unsigned char *buffer, int64_t result);
void job_stream(struct job *job, const unsigned char *buffer, int64_t result);
bool job_streams(const struct job *job);
/* Fills a block with what stands at `offset`. */
void job_fill(unsigned char *buffer, size_t length, int64_t offset,
              uint64_t salt);
bool job_compare(const unsigned char *buffer, size_t length, int64_t offset,
                 uint64_t salt);
/* Before and after each round. */
void job_begin(struct job *job);
bool job_is_right(const struct job *job);
int job_buffers_create(struct job *job);
void job_buffers_destroy(struct job *job);

/* ---- variant.c ---- */

const char *op_name(enum bench_op op);
/* The variants of `op` in `names` (separated by commas, that order), or all of
 * them for NULL. Returns their number, at most `max`. */
size_t variants_find(enum bench_op op, const char *names,
                     const struct variant **found, size_t max);
void variants_list(void);

/* ---- file.c ---- */

/* Makes the file, or verifies that it is one of ours. */
int file_prepare(const char *path, uint64_t length);
/* Reads it once: into the page cache. */
int file_warm(const char *path, uint64_t length);
/* Whether all that the job wrote is there. */
bool file_verify_writes(struct job *job);
int folder_prepare(const char *path, uint64_t files, size_t length);
void folder_remove(const char *path, uint64_t files);
void folder_file(char out[BENCH_PATH], const char *path, uint64_t number);

/* ---- memory.c ---- */

/* Prints the size of ovio's objects and what a waiting task takes. */
void memory_tell(void);
/* What each of so many waiting tasks takes, as CSV. */
int memory_tell_waiting(const uint64_t *counts, size_t length);

/* ---- allocations.c ---- */

uint64_t allocations_count(void);

/* ---- sys_posix.c, sys_win32.c ---- */

struct sys_thread;
struct sys_lock;
struct sys_condition;

int64_t sys_wall_ns(void);
/* User and system time of the process and all its threads. */
int64_t sys_cpu_ns(void);
const char *sys_name(void);
/* Calls of the read and write families that the process has made, whatever
 * they moved; 0: not known. */
uint64_t sys_transfers(void);
/* What the process takes; 0: not known. */
struct sys_memory {
  uint64_t resident;    /* bytes that are in memory */
  uint64_t page_tables; /* bytes */
  uint64_t areas;       /* of its address space */
};
void sys_memory(struct sys_memory *out);
/* May the process have so many open files? Raises a soft limit. */
bool sys_files_allow(size_t count);
/* NULL: it could not be made. */
struct sys_thread *sys_thread_start(void (*body)(void *), void *argument);
void sys_thread_join(struct sys_thread *thread);
struct sys_lock *sys_lock_create(void);
void sys_lock_destroy(struct sys_lock *lock);
void sys_lock_acquire(struct sys_lock *lock);
void sys_lock_release(struct sys_lock *lock);
struct sys_condition *sys_condition_create(void);
void sys_condition_destroy(struct sys_condition *condition);
void sys_condition_wait(struct sys_condition *condition, struct sys_lock *lock);
void sys_condition_wake(struct sys_condition *condition);
/* A plain positional transfer, for the pool. */
int sys_open(const char *path, bool direct, intptr_t *file);
void sys_close(intptr_t file);
int64_t sys_transfer(intptr_t file, bool write, void *buffer, size_t length,
                     int64_t offset);
int sys_folder_make(const char *path);
void sys_folder_remove(const char *path);
void sys_file_remove(const char *path);

#endif
