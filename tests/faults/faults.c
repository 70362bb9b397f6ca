/* SPDX-License-Identifier: MIT */
#include "faults/faults.h"

enum { CALLS_MAX = 256 };

/* Any thread counts; the plan is written while nothing runs. */
static struct fault_state {
  struct fault_plan plan;
  atomic_bool on;
  atomic_uint struck;
  atomic_uint uses[CALLS_MAX];
} * state;

bool fault_begin(void) {
  state = fault_memory(sizeof *state);
  if (!state || fault_call_count > CALLS_MAX)
    return false;
  fault_install();
  return true;
}

void fault_on(const struct fault_plan *plan) {
  state->plan = *plan;
  atomic_store(&state->struck, 0);
  for (size_t at = 0; at < fault_call_count; at++)
    atomic_store(&state->uses[at], 0);
  atomic_store(&state->on, true);
}

void fault_off(void) {
  atomic_store(&state->on, false);
}

unsigned fault_uses(size_t call) {
  return atomic_load(&state->uses[call]);
}

unsigned fault_struck(void) {
  return atomic_load(&state->struck);
}

bool fault_strikes(size_t call) {
  if (!atomic_load(&state->on))
    return false;
  unsigned use = atomic_fetch_add(&state->uses[call], 1) + 1;
  const struct fault_plan *plan = &state->plan;
  if (call != plan->call || use < plan->at ||
      (use > plan->at && !plan->lasting))
    return false;
  atomic_fetch_add(&state->struck, 1);
  return true;
}

uint32_t fault_native(void) {
  return state->plan.error.native;
}
