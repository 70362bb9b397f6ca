/* SPDX-License-Identifier: MIT */
/* Runs each test body from a plain thread and as a task on a loop of every
 * engine, and checks afterwards that nothing was leaked.
 *
 * cmocka's assert_* long-jump, which must never happen on a task's stack: a
 * body records its first failure with TRY or TRY_EQ and returns; the runner
 * asserts on the main stack. */
#ifndef OVIO_TESTS_SUPPORT_H
#define OVIO_TESTS_SUPPORT_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/os.h"
#include "ovio.h"

struct test_mode {
  const char *name; /* "plain", "epoll"... */
  bool loop;
  unsigned engine;
};

/* Each side's own: the modes that it has. */
extern const struct test_mode test_modes[];
extern const size_t test_mode_count;

/* POSIX: cached reads are not tried on the loop's thread, so that they go to
 * workers, or the ring. The runner sets it in modes "poll" and "io_uring", and
 * everywhere for a program whose main() says so. */
extern atomic_bool test_no_try;
extern bool test_no_try_anywhere;
/* POSIX: what a ring is to bring to the disk goes by fsync(2) or fdatasync(2)
 * of the table, as it does for the other engines. */
void test_ring_syncs_by_calls(void);

struct test {
  const struct test_mode *mode;
  struct ovio_loop *loop; /* of the body's task; NULL in plain mode */
  char failure[512];      /* empty: none so far */
};

typedef void test_body(struct test *test);

struct test_case {
  const char *name;
  test_body *body;
  const char *plain_only; /* a reason: why there is no loop mode */
  const char *loop_only;  /* a reason: why there is no plain mode */
  bool own_loops;         /* on a plain thread, once for each engine */
};

#define TEST(body)                                                             \
  { #body, body, NULL, NULL, false }
#define TEST_PLAIN(body, reason)                                               \
  { #body, body, reason, NULL, false }
#define TEST_LOOP(body, reason)                                                \
  { #body, body, NULL, reason, false }
/* The body makes and runs loops itself, by test_loop_create(). */
#define TEST_ENGINES(body)                                                     \
  { #body, body, NULL, "makes its own loops", true }

/* Does each case that runs in one kind of mode only say why? test_main() fails
 * without running anything if not. */
bool test_reasons_are_given(const struct test_case *cases, size_t count);

/* Which of the two sides this is. */
bool test_is_posix(void);

/* For main(): runs every case in every mode, tells how many ran in each and
 * what was left out and why; the number of failures. */
int test_main(const struct test_case *cases, size_t count);

/* Records the first failure; from any thread or task. */
void test_fail(struct test *test, const char *file, int line, const char *text);
void test_fail_equal(struct test *test, const char *file, int line,
                     const char *text, int64_t is, int64_t wanted);

/* `test` must be in scope; return from the function on failure. */
#define TRY(condition)                                                         \
  do {                                                                         \
    if (!(condition)) {                                                        \
      test_fail(test, __FILE__, __LINE__, #condition);                         \
      return;                                                                  \
    }                                                                          \
  } while (0)
#define TRY_EQ(is, wanted)                                                     \
  do {                                                                         \
    int64_t try_is = (int64_t)(is);                                            \
    int64_t try_wanted = (int64_t)(wanted);                                    \
    if (try_is != try_wanted) {                                                \
      test_fail_equal(test, __FILE__, __LINE__, #is, try_is, try_wanted);      \
      return;                                                                  \
    }                                                                          \
  } while (0)

/* Prints "SKIP: reason", once for each reason, and ends the body as skipped. */
void test_skip(struct test *test, const char *reason);
#define SKIP(reason)                                                           \
  do {                                                                         \
    test_skip(test, reason);                                                   \
    return;                                                                    \
  } while (0)

/* OVIO_TEST_THREADS: so many threads run the loops whose body does not care;
 * 0: not set. Then there is no plain mode, and only the default engine unless
 * OVIO_TEST_ENGINES is set. */
unsigned test_threads(void);
/* For a body that several threads would not suit. */
#define ONE_THREAD(reason)                                                     \
  do {                                                                         \
    if (test_threads() > 1)                                                    \
      SKIP("several threads: " reason);                                        \
  } while (0)

/* A loop of the mode's engine (in plain mode: the default one). */
int test_loop_create(struct test *test, struct ovio_loop **loop,
                     struct ovio_loop_options *options);

/* The path of a file of that name in this process's scratch folder; one of a
 * few static buffers. The folder is removed at the end. */
const char *test_path(const char *name);
/* Makes the file hold these bytes, by other means than ovio. */
bool test_put(const char *path, const void *bytes, size_t length);
/* Its bytes, likewise; -1: no such file. At most `length` are stored. */
long test_get(const char *path, void *bytes, size_t length);
void test_remove(const char *path);

/* ---- each side's own, support_posix.c and support_win32.c ---- */

enum test_pipe_kind {
  TEST_PIPE_SYNC,      /* pipe(2); CreatePipe */
  TEST_PIPE_OVERLAPPED /* O_NONBLOCK; a named pipe, both ends overlapped */
};
/* ends[0] reads, ends[1] writes. The kernel's buffer is about 64 KiB (POSIX) or
 * as said by test_pipe_room(). */
bool test_pipe(ovio_handle ends[2], enum test_pipe_kind kind);
size_t test_pipe_room(void);
/* A connected pair of stream sockets on loopback or AF_UNIX, overlapped or
 * non-blocking. */
bool test_socket_pair(ovio_handle ends[2]);
bool test_close_handle(ovio_handle handle);
/* Opens a file by the system's own call; overlapped: Windows only. */
ovio_handle test_open_handle(const char *path, bool write, bool overlapped);
/* The handle's own position. */
int64_t test_handle_position(ovio_handle handle);

/* Another handle of the same open file. */
ovio_handle test_duplicate(ovio_handle handle);
/* Would a child process get it? */
bool test_is_inheritable(ovio_handle handle);
bool test_handle_move(ovio_handle handle, int64_t position);

/* Makes `handle` (OVIO_NO_HANDLE: none) the process's standard handle number
 * `which`, 0 to 2; *before is for putting things back, which closes nothing of
 * the test's. */
bool test_redirect(int which, ovio_handle handle, ovio_handle *before);
bool test_redirect_back(int which, ovio_handle before);

/* Names in UTF-8, also long ones. */
bool test_make_folder(const char *path);
bool test_exists(const char *path);
/* A symbolic link; false also where the system does not allow it. */
bool test_make_link(const char *target, const char *path, bool folder);

/* Starts this program once more, with two arguments; kills it, and waits until
 * it is gone. */
bool test_process_start(intptr_t *process, const char *first,
                        const char *second);
bool test_process_kill(intptr_t process);

/* Stops a child process where it is, or lets it go on; false: not here. */
bool test_process_pause(uint64_t id, bool pause);

/* No file of this process may grow beyond so many bytes; 0: any may. A write
 * that is refused raises no signal here. false: not here. */
bool test_limit_files(size_t bytes);

/* Zeroed memory that costs nothing until it is written to; or NULL. */
void *test_reserve(size_t length);
void test_unreserve(void *memory, size_t length);

/* The path of this program, to be started again as a child. */
const char *test_program(void);
/* The handle of its standard input, output or error stream: 0, 1, 2. */
ovio_handle test_standard(int at);
/* The current directory. */
const char *test_here(void);
/* No child of this process is left, not even a zombie; true on Windows. */
bool test_is_childless(void);

/* May this process have as many? Raises a soft limit. */
bool test_handles_allow(size_t count);
unsigned long test_handles_open(void);  /* of this process */
unsigned long test_threads_alive(void); /* likewise */
unsigned long test_resident_kb(void);   /* memory, likewise */
const char *test_folder(void);          /* made at first use; "" on failure */
void test_folder_remove(void);          /* with the files in it */
bool test_is_wine(void);
int64_t test_disk_free(void);   /* bytes where test_path() points */
int64_t test_memory_free(void); /* bytes */

#endif
