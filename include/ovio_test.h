/* SPDX-License-Identifier: MIT */
/* Faults for a program's own tests: errors, short counts, delays and another
 * order, at chosen places of the program's own files.
 *
 * Only in a library that was built with OVIO_TESTING (CMake:
 * -DOVIO_TESTING=ON), whose CMake targets and pkg-config file define that name
 * for the program, too.
 *
 * A rule says which operations it is for, in how many of them it does
 * something, and what. An operation meets the rules once: when it is its turn,
 * just before the system is asked. It is one call of ovio_read() and kin, or of
 * ovio_start_*(), however many system calls it takes; so a rule means the same
 * on Windows and POSIX, on a plain thread, in a task and for a callback.
 * Whatever a rule does, an operation completes exactly once, moves the position
 * by what it moved, and can be cancelled.
 *
 * Several rules may match one operation: each counts it; it waits for the
 * longest delay, gets the error of the first rule that has one, and the
 * shortest count. */
#ifndef OVIO_TEST_H
#define OVIO_TEST_H

#include <ovio.h>

#ifndef OVIO_TESTING
#error "ovio_test.h needs a library that was built with OVIO_TESTING"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a rule is for. */
enum ovio_test_kind {
  OVIO_TEST_READ = 1u << 0,  /* also vectors, and what reads for you */
  OVIO_TEST_WRITE = 1u << 1, /* likewise */
  OVIO_TEST_OPEN = 1u << 2,  /* also the accepting of a client */
  OVIO_TEST_CLOSE = 1u << 3, /* the file is closed nevertheless */
  OVIO_TEST_SYNC = 1u << 4,
  OVIO_TEST_OTHER = 1u << 5 /* size, stat, truncate, seek, locks, copies,
                               directories, paths, processes... */
};

/* Rules that there can be at once. */
#define OVIO_TEST_RULES_MAX   64
/* Operations that are put into another order at once. */
#define OVIO_TEST_REORDER_MAX 64

/* A rule. All zero but for `size`: counts reads and writes, and does nothing.
 */
struct ovio_test_rule {
  size_t size; /* sizeof(struct ovio_test_rule) */

  /* Which operations. */
  const struct ovio_file *file; /* NULL: any; only its address counts */
  unsigned kinds;               /* enum ovio_test_kind; 0: READ and WRITE */
  int64_t offset; /* reads and writes that touch one of `length` bytes from */
  int64_t length; /* there on. 0: any, also those without an offset: streams,
                     OVIO_APPEND, adopted descriptors at their position */
  uint64_t after; /* so many of them are left alone first */
  uint64_t times; /* so many are meddled with then; 0: all */

  /* What with them; also several at once. */
  int error;          /* an OVIO_E*: the result, and nothing is done;
                         ovio_native_error() is 0 */
  size_t short_bytes; /* reads and writes move no more; 0: all. OVIO_DIRECT:
                         rounded down to blocks, one at least. Messages are
                         written whole */
  uint64_t delay_ns;  /* it begins so much later; a plain thread sleeps, a task
                         or callback waits, and has its turn at the file */
  unsigned reorder;   /* 2 to OVIO_TEST_REORDER_MAX: so many in a row begin in
                         another order, `delay_ns` (0: a millisecond) apart,
                         counted from the first of them. Those which use a
                         position, or one direction of a stream, keep theirs */
  uint64_t seed;      /* which order */
};

/* ovio_test_add: adds a copy of `rule`, for operations that begin from now on.
 * Result: its number, from 1. Any thread; never waits. Errors: OVIO_EINVAL (a
 * wrong size, kind, range, number, or an error that is none), OVIO_ENOBUFS
 * (there are OVIO_TEST_RULES_MAX). System: none. */
OVIO_API int ovio_test_add(const struct ovio_test_rule *rule);

/* ovio_test_clear: forgets all rules and their counts. What has met its rule is
 * not changed any more: an operation that is delayed stays so. Any thread;
 * cannot fail. */
OVIO_API void ovio_test_clear(void);

/* ovio_test_matches: how many operations the rule of that number was for, so
 * far, whether it did something or not. Any thread. OVIO_EINVAL: no rule. */
OVIO_API int64_t ovio_test_matches(int number);

/* ovio_test_hits: in how many of these it did something. Any thread.
 * OVIO_EINVAL: no rule. */
OVIO_API int64_t ovio_test_hits(int number);

#ifdef __cplusplus
}
#endif

#endif
