/* SPDX-License-Identifier: MIT */
/* Native calls that fail when a test says so: one of them, at its n-th use,
 * once or from then on. generate.awk makes a wrapper for every call of the
 * table, from the errors in posix.txt or win32.txt. */
#ifndef OVIO_TESTS_FAULTS_H
#define OVIO_TESTS_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As a name: no error is right. */
#define FAULT_RIGHT 1

struct fault_error {
  uint32_t native;
  int name; /* the library's; 0: os_error_map()'s */
};
struct fault_call {
  const char *name;
  const struct fault_error *errors;
  size_t count;
  bool passing; /* it does not fail for ever */
};
extern const struct fault_call fault_calls[];
extern const size_t fault_call_count;

struct fault_plan {
  size_t call; /* in fault_calls; fault_call_count: none */
  unsigned at; /* its use, from 1 */
  struct fault_error error;
  bool lasting; /* and all its uses after that */
};

/* Once, before the first thread. false: no memory. */
bool fault_begin(void);
/* Counts uses from 0 on, and fails what the plan says. */
void fault_on(const struct fault_plan *plan);
/* Nothing fails, nothing is counted. */
void fault_off(void);
unsigned fault_uses(size_t call);
/* How often a call was made to fail since fault_on(). */
unsigned fault_struck(void);

/* ---- for the wrappers ---- */

bool fault_strikes(size_t call);
uint32_t fault_native(void);
void fault_install(void);

/* ---- each side's own ---- */

/* Zeroed, and shared with child processes until they are another program. */
void *fault_memory(size_t length);
/* Does a call that fails so do that for a moment only, by its nature? */
bool fault_is_passing(uint32_t error);
/* What the library is to call it. */
int fault_name(uint32_t error);

#endif
