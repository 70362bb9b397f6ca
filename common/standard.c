/* SPDX-License-Identifier: MIT */
/* Standard handles: three files of the process, each made at its first use.
 *
 * One thread makes it, others wait the few calls that takes. A file that cannot
 * be made stays zeroed, which is closed: all its calls answer OVIO_EBADF. */
#include "common/file.h"
#include "common/loop.h"

enum { STANDARD_NONE, STANDARD_BUSY, STANDARD_DONE };

static struct ovio_file standard__files[OS_STANDARD_COUNT];
static atomic_int standard__states[OS_STANDARD_COUNT];

static void standard__make(enum os_standard which) {
  static const unsigned flags[OS_STANDARD_COUNT] = {OVIO_READ, OVIO_WRITE,
                                                    OVIO_WRITE | OVIO_INLINE};
  struct os_file os = {0};
  unsigned more = 0;
  if (os_standard_open(&os, which, flags[which]).value < 0)
    return;
  if (os.traits & OS_TRAIT_APPEND)
    more = OVIO_APPEND;
  file_install(file_of(&standard__files[which]), &os, flags[which] | more);
}

static struct ovio_file *standard__get(enum os_standard which) {
  atomic_int *state = &standard__states[which];
  int none = STANDARD_NONE;
  if (atomic_load(state) == STANDARD_DONE)
    return &standard__files[which];
  if (atomic_compare_exchange_strong(state, &none, STANDARD_BUSY)) {
    standard__make(which);
    atomic_store(state, STANDARD_DONE);
  }
  while (atomic_load(state) != STANDARD_DONE)
    os_thread_yield();
  return &standard__files[which];
}

struct ovio_file *ovio_stdin(void) {
  return standard__get(OS_STDIN);
}

struct ovio_file *ovio_stdout(void) {
  return standard__get(OS_STDOUT);
}

struct ovio_file *ovio_stderr(void) {
  return standard__get(OS_STDERR);
}

static struct os_result standard__is_console(void *argument,
                                             struct os_waiter *waiter) {
  (void)waiter; /* nothing here waits */
  return os_standard_is_console(argument);
}

int ovio_is_console(struct ovio_file *file) {
  if (!file)
    return (int)runner_answer(OVIO_EINVAL, 0);
  return (int)op_perform_call(file_of(file), standard__is_console,
                              &file_of(file)->os);
}
